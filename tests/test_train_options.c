/* test_train_options.c - what a caller may ask of training: options out of range are refused by
 * name before any work, and validation rows of the caller's own stop and calibrate the run. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "nicest.h"

static nicest_train_options quick(void)
{
    nicest_train_options o;
    nicest_train_defaults(&o);
    o.couplings = 2;
    o.hidden = "4";
    o.batch = 8;
    o.epochs = 2;
    o.threads = 1;
    return o;
}

static nicest_data *rows(const char *text)
{
    nicest_data *data = NULL;
    assert_int_equal(nicest_data_open(&data, text, NULL), NICEST_OK);
    return data;
}

static void refuse(const nicest_data *data, const nicest_data *valid, const nicest_train_options *o,
                   nicest_status status, const char *word)
{
    nicest_model *model = NULL;
    nicest_train_result result, kept;
    size_t live = memory_live();
    memset(&result, 7, sizeof result);
    kept = result;
    assert_int_equal(nicest_train(&model, data, valid, o, &result), status);
    if (!strstr(nicest_error(), word))
        fail_msg("'%s' does not say '%s'", nicest_error(), word);
    assert_null(model);
    assert_memory_equal(&result, &kept, sizeof kept);
    assert_int_equal(memory_live(), live);
}

static void options_out_of_range_are_refused_by_name(void **state)
{
    (void)state;
    const struct {
        size_t offset;
        double value;
        const char *word;
    } wrong[] = {
#define WRONG(field, value, word) {offsetof(nicest_train_options, field), value, word}
        WRONG(learning_rate, -1, "learning rate"),
        WRONG(learning_rate, INFINITY, "learning rate"),
        WRONG(seconds, -1, "time"),
        WRONG(seconds, INFINITY, "time"),
        WRONG(weight_decay, -1, "weight decay"),
        WRONG(weight_decay, INFINITY, "weight decay"),
        WRONG(average, 1, "average"),
        WRONG(average, -0.1, "average"),
        WRONG(clip, -1, "clip"),
        WRONG(clip, INFINITY, "clip"),
        WRONG(beta1, 1, "beta1"),
        WRONG(beta2, -0.5, "beta2"),
        WRONG(epsilon, -1e-8, "epsilon"),
        WRONG(warmup, 1.5, "warmup"),
        WRONG(final_rate, -0.5, "final rate"),
        WRONG(valid_share, 1, "validation"),
        WRONG(calibration_share, 1, "calibration"),
    };
    nicest_data *data = rows("toy:moons,n=40");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        nicest_train_options o = quick();
        memcpy((char *)&o + wrong[i].offset, &wrong[i].value, sizeof wrong[i].value);
        refuse(data, NULL, &o, NICEST_E_ARGUMENT, wrong[i].word);
    }
    nicest_train_options o = quick();
    o.couplings = -1;
    refuse(data, NULL, &o, NICEST_E_ARGUMENT, "couplings");
    o = quick();
    o.optimizer = (nicest_optimizer)9;
    refuse(data, NULL, &o, NICEST_E_ARGUMENT, "optimizer: 9");
    o = quick();
    o.precision = (nicest_precision)7;
    refuse(data, NULL, &o, NICEST_E_ARGUMENT, "precision: 7");
    o = quick();
    o.patience = -2;
    refuse(data, NULL, &o, NICEST_E_ARGUMENT, "patience: -2");
    o = quick();
    o.checkpoint = "/nodir/x"; /* known before the first step, not after an epoch */
    refuse(data, NULL, &o, NICEST_E_IO, "/nodir/x");
    o = quick();
    o.valid_share = o.calibration_share = 0.5;
    refuse(data, NULL, &o, NICEST_E_ARGUMENT, "leave no row");
    nicest_data_free(data);
}

static void validation_rows_of_ones_own(void **state)
{
    (void)state;
    nicest_data *data = rows("toy:moons,n=400"), *valid = rows("toy:moons,n=200,seed=2"),
                *other = NULL;
    const double missing[] = {NAN, 1, 2, INFINITY}, wide[] = {1, 2, 3};
    nicest_train_options o = quick();
    assert_int_equal(nicest_data_new(&other, missing, 2, 2, NULL), NICEST_OK);
    refuse(data, other, &o, NICEST_E_DATA, "no usable row");
    nicest_data_free(other);
    other = NULL;
    assert_int_equal(nicest_data_new(&other, wide, 1, 3, NULL), NICEST_OK);
    refuse(data, other, &o, NICEST_E_MISMATCH, "3 columns");
    nicest_data_free(other);
    for (int calibrate = 0; calibrate < 2; calibrate++) {
        nicest_model *model = NULL;
        nicest_train_result result;
        o.calibration_share = calibrate ? 0.5 : 0;
        assert_int_equal(nicest_train(&model, data, valid, &o, &result), NICEST_OK);
        assert_int_equal(result.rows, 400); /* none is taken from the training rows */
        assert_true(isfinite(result.valid_logp));
        assert_int_equal(nicest_calibrated(model), calibrate);
        assert_int_equal(result.test_rows, calibrate ? 100 : 0); /* half of those given */
        nicest_model_free(model);
    }
    nicest_data_free(data);
    nicest_data_free(valid);
}

/* The share of calibration that is done, as it was told; -1 before any. */
static int follow_calibration(void *context, const nicest_progress *now)
{
    double *done = context;
    if (strcmp(now->stage, "calibrating") != 0) {
        assert_string_equal(now->stage, "training");
        assert_true(*done < 0);
        return 0;
    }
    assert_true(now->done >= *done && now->done <= 1);
    *done = now->done;
    return 0;
}

static void calibration_is_told_to_its_end(void **state)
{
    (void)state;
    nicest_data *data = rows("toy:moons,n=2000");
    nicest_train_options o = quick();
    nicest_model *model = NULL;
    nicest_train_result result;
    double done = -1;
    o.epochs = 1;
    o.calibration_share = NAN;
    o.progress = follow_calibration;
    o.context = &done;
    assert_int_equal(nicest_train(&model, data, NULL, &o, &result), NICEST_OK);
    assert_true(done == 1);
    assert_true(result.test_rows > 0 && result.calibration_seconds > 0);
    nicest_model_free(model);
    nicest_data_free(data);
}

/* 2^32 rows of one value that is read again and again. */
static void more_rows_than_have_an_order_are_refused(void **state)
{
    (void)state;
    const double value = 3;
    nicest_view view = {.rows = (size_t)1 << 32, .columns = 1, .type = "float64", .values = &value};
    nicest_data *many = NULL, *one = NULL;
    nicest_model *model = NULL;
    nicest_train_options o = quick();
    assert_int_equal(nicest_data_view(&many, &view), NICEST_OK);
    view.rows = 100;
    assert_int_equal(nicest_data_view(&one, &view), NICEST_OK);
    assert_int_equal(nicest_train(&model, many, NULL, &o, NULL), NICEST_E_UNSUPPORTED);
    assert_non_null(strstr(nicest_error(), "4294967296 rows"));
    assert_int_equal(nicest_train(&model, one, many, &o, NULL), NICEST_E_UNSUPPORTED);
    assert_int_equal(nicest_train(&model, one, NULL, &o, NULL), NICEST_OK);
    assert_int_equal(nicest_calibrate(model, NULL, many, 1, 1, NULL, NULL), NICEST_E_UNSUPPORTED);
    assert_int_equal(nicest_calibrate(model, many, one, 1, 1, NULL, NULL), NICEST_E_UNSUPPORTED);
    nicest_model_free(model);
    nicest_data_free(many);
    nicest_data_free(one);
}

/* Without epochs and time, the rows say how long. */
static void a_run_chooses_its_length(void **state)
{
    (void)state;
    nicest_data *data = rows("toy:moons,n=60");
    nicest_train_options o = quick();
    nicest_model *model = NULL;
    nicest_train_result result;
    o.epochs = 0;
    o.patience = 2;
    assert_int_equal(nicest_train(&model, data, NULL, &o, &result), NICEST_OK);
    assert_true(result.epochs >= 1 && result.epochs <= 1000);
    assert_non_null(strstr(result.chosen, "epochs: "));
    nicest_model_free(model);
    nicest_data_free(data);
}

/* Options by name and text are those of the structure: the same model, byte for byte. */
static void names_are_fields(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        {"couplings", "2"}, {"hidden", "4"}, {"batch", "8"},       {"epochs", "2"},
        {"threads", "1"},   {"seed", "7"},   {"optimizer", "sgd"}, {"learning_rate", "1e-3"}};
    nicest_train_options by_field = quick(), *by_name = NULL;
    nicest_data *data = rows("toy:moons,n=100");
    by_field.seed = 7;
    by_field.optimizer = NICEST_SGD;
    by_field.learning_rate = 1e-3;
    assert_int_equal(nicest_train_options_new(&by_name), NICEST_OK);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(nicest_train_options_set(by_name, texts[i][0], texts[i][1]), NICEST_OK);
    unsigned char *bytes[2];
    size_t size[2];
    for (int i = 0; i < 2; i++) {
        nicest_model *model;
        assert_int_equal(nicest_train(&model, data, NULL, i ? by_name : &by_field, NULL),
                         NICEST_OK);
        assert_int_equal(nicest_model_save_bytes(model, &bytes[i], &size[i]), NICEST_OK);
        nicest_model_free(model);
    }
    assert_int_equal(size[0], size[1]);
    assert_memory_equal(bytes[0], bytes[1], size[0]);
    for (int i = 0; i < 2; i++)
        nicest_free(bytes[i]);
    nicest_train_options_free(by_name);
    nicest_train_options_free(NULL);
    nicest_data_free(data);
}

/* Every name takes its default back, and what cannot be its value is refused in a sentence that
 * begins with it. */
static void names_refuse_what_they_cannot_be(void **state)
{
    (void)state;
    nicest_train_options o, defaults;
    static const char *const wrong[][2] = {{"epochs", "many"},
                                           {"epochs", "1.5"},
                                           {"epochs", "-1"},
                                           {"epochs", "1e30"},
                                           {"shift", "3e9"},
                                           {"shift", ""},
                                           {"time", "soon"},
                                           {"time", "5 minutes"},
                                           {"seed", "-1"},
                                           {"seed", "18446744073709551616"},
                                           {"seed", ""},
                                           {"optimizer", "adamw"},
                                           {"optimizer", "adam|sgd"},
                                           {"precision", ""},
                                           {"clip", "1,5"},
                                           {"recompute", "1"}};
    nicest_train_defaults(&o);
    nicest_train_defaults(&defaults);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(nicest_train_options_set(&o, wrong[i][0], wrong[i][1]), NICEST_E_ARGUMENT);
        assert_ptr_equal(strstr(nicest_error(), wrong[i][0]), nicest_error());
    }
    assert_memory_equal(&o, &defaults, sizeof o);
    assert_int_equal(nicest_train_options_set(&o, "lr", "1"), NICEST_E_ARGUMENT);
    assert_int_equal(nicest_train_options_set(&o, "context", "1"), NICEST_E_ARGUMENT);
    assert_int_equal(nicest_train_options_set(NULL, "epochs", "1"), NICEST_E_ARGUMENT);
    assert_int_equal(nicest_train_options_set(&o, NULL, "1"), NICEST_E_ARGUMENT);
    assert_int_equal(nicest_train_options_new(NULL), NICEST_E_ARGUMENT);
    assert_int_equal(nicest_train_options_set(&o, "time", "1.5m"), NICEST_OK);
    assert_true(o.seconds == 90);
    assert_int_equal(nicest_train_options_set(&o, "seed", "18446744073709551615"), NICEST_OK);
    assert_true(o.seed == UINT64_MAX);
    assert_int_equal(nicest_train_options_set(&o, "precision", "bf16"), NICEST_OK);
    assert_true(o.precision == NICEST_BF16);
    size_t count = 0;
    for (const char *name; (name = nicest_train_option_name(count)); count++)
        if (nicest_train_options_set(&o, name, strcmp(name, "time") ? "0" : "1h") == NICEST_OK)
            assert_int_equal(nicest_train_options_set(&o, name, NULL), NICEST_OK);
    assert_true(count > 40);
    for (size_t i = 0; nicest_train_option_name(i); i++)
        assert_int_equal(nicest_train_options_set(&o, nicest_train_option_name(i), NULL),
                         NICEST_OK);
    assert_memory_equal(&o, &defaults, sizeof o);
}

/* Before the first step the recipe is there; the stack too, where nothing is tried. */
static void what_was_chosen_is_json(void **state)
{
    (void)state;
    nicest_train_options o = quick();
    nicest_data *data = rows("toy:moons,n=100");
    nicest_trainer *trainer;
    char *json = NULL;
    assert_int_equal(nicest_trainer_new(&trainer, data, NULL, &o), NICEST_OK);
    assert_int_equal(nicest_trainer_chosen(trainer, &json), NICEST_OK);
    assert_non_null(strstr(json, "\"batch\":8,"));
    assert_non_null(strstr(json, "\"epochs\":2,"));
    assert_non_null(strstr(json, "\"spec\":\"nicest 1"));
    assert_non_null(strstr(json, "\"chosen\":[\""));
    assert_int_equal(nicest_trainer_chosen(NULL, &json), NICEST_E_ARGUMENT);
    assert_int_equal(nicest_trainer_chosen(trainer, NULL), NICEST_E_ARGUMENT);
    nicest_free(json);
    for (size_t n = 1, live = memory_live(); n < 50; n++) {
        memory_fail_at(n);
        nicest_status status = nicest_trainer_chosen(trainer, &json);
        memory_fail_at(0);
        if (status == NICEST_OK) {
            nicest_free(json);
            break;
        }
        assert_int_equal(status, NICEST_E_MEMORY);
        assert_int_equal(memory_live(), live);
    }
    nicest_trainer_free(trainer);
    nicest_data_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_out_of_range_are_refused_by_name),
        cmocka_unit_test(validation_rows_of_ones_own),
        cmocka_unit_test(calibration_is_told_to_its_end),
        cmocka_unit_test(more_rows_than_have_an_order_are_refused),
        cmocka_unit_test(a_run_chooses_its_length),
        cmocka_unit_test(names_are_fields),
        cmocka_unit_test(names_refuse_what_they_cannot_be),
        cmocka_unit_test(what_was_chosen_is_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
