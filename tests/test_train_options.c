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
    assert_int_equal(nicest_calibrate(model, NULL, many, 1, 1), NICEST_E_UNSUPPORTED);
    assert_int_equal(nicest_calibrate(model, many, one, 1, 1), NICEST_E_UNSUPPORTED);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_out_of_range_are_refused_by_name),
        cmocka_unit_test(validation_rows_of_ones_own),
        cmocka_unit_test(calibration_is_told_to_its_end),
        cmocka_unit_test(more_rows_than_have_an_order_are_refused),
        cmocka_unit_test(a_run_chooses_its_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
