/* test_train_trainer.c - a run is the same bytes however it is cut or spread, and never ends worse
 * than it began. */
#include <time.h>

#include "data_files.h"

/* Stops at the first call that sees this step or a later one; 0: never. Counts recoveries. */
typedef struct stopper {
    size_t step, events;
} stopper;

static int stop_at(void *context, const nicest_progress *progress)
{
    stopper *s = context;
    s->events += progress->event && strstr(progress->event, "diverged");
    return s->step && progress->step >= s->step;
}

static nicest_data *open_data(const char *text)
{
    nicest_data *data = NULL;
    if (nicest_data_open(&data, text, NULL) != NICEST_OK)
        fail_msg("%s", nicest_error());
    return data;
}

/* A small quick run; tests change what they are about. */
static nicest_train_options quick(void)
{
    nicest_train_options options;
    nicest_train_defaults(&options);
    options.preset = "nice"; /* the race is tested apart */
    options.activation = "silu";
    options.learning_rate = 2e-3;
    options.weight_decay = 0.01;
    options.epsilon = 1e-8;
    options.couplings = 2;
    options.hidden = "16";
    options.batch = 32;
    options.epochs = 6;
    options.threads = 1;
    return options;
}

static nicest_train_result train_to(const char *path, const nicest_data *data,
                                    const nicest_train_options *options)
{
    static char chosen[1000]; /* outlives the model */
    nicest_model *model = NULL;
    nicest_train_result result;
    if (nicest_train(&model, data, NULL, options, &result) != NICEST_OK)
        fail_msg("%s", nicest_error());
    snprintf(chosen, sizeof chosen, "%s", result.chosen);
    result.chosen = chosen;
    if (path)
        assert_int_equal(nicest_model_save(model, path), NICEST_OK);
    nicest_model_free(model);
    return result;
}

static void test_threads_give_the_same_bytes(void **state)
{
    (void)state;
    nicest_data *data = open_data("toy:moons,n=600");
    nicest_train_options options = quick();
    options.hidden = "64"; /* enough work that threads are used */
    options.batch = 200;
    const char *one = in_scratch("one.safetensors"), *many = in_scratch("many.safetensors");
    train_to(one, data, &options);
    for (int threads = 2; threads <= 8; threads += 3) {
        options.threads = threads;
        train_to(many, data, &options);
        assert_same_file(one, many);
    }
    options.recompute = 1;
    train_to(many, data, &options);
    assert_same_file(one, many);
    options.seed = 2;
    train_to(many, data, &options);
    char *x, *y;
    size_t n = read_file(one, &x), m = read_file(many, &y);
    assert_true(n != m || memcmp(x, y, n) != 0); /* another seed is another model */
    free(x);
    free(y);
    nicest_data_free(data);
}

/* However a run is cut, and whatever is asked in between, it takes the same steps. */
static void test_pieces_give_the_same_bytes(void **state)
{
    (void)state;
    nicest_data *data = open_data("toy:moons,n=600");
    nicest_train_options options = quick();
    const char *whole = in_scratch("whole.safetensors"), *parts = in_scratch("parts.safetensors");
    nicest_train_result expected = train_to(whole, data, &options), result;
    nicest_trainer *trainer = NULL;
    nicest_model *model = NULL;
    nicest_progress p;
    int more = 1;
    assert_int_equal(nicest_trainer_new(&trainer, data, NULL, &options), NICEST_OK);
    for (size_t piece = 1; more; piece++) {
        assert_int_equal(nicest_trainer_step(trainer, piece, 0, &more), NICEST_OK);
        assert_int_equal(nicest_trainer_progress(trainer, &p), NICEST_OK);
        assert_int_equal(p.step, more ? piece * (piece + 1) / 2 : expected.steps);
        if (piece % 3)
            continue;
        assert_int_equal(nicest_trainer_model(trainer, &model, &result), NICEST_OK);
        assert_int_equal(result.steps, p.step);
        assert_true(result.valid_logp >= p.best_logp); /* also between two validations */
        nicest_model_free(model);
        assert_int_equal(nicest_trainer_look(trainer, &model), NICEST_OK);
        assert_int_equal(nicest_model_columns(model), 2);
        nicest_model_free(model);
    }
    assert_int_equal(nicest_trainer_step(trainer, 5, 0, &more), NICEST_OK);
    assert_int_equal(more, 0);
    assert_int_equal(nicest_trainer_model(trainer, &model, &result), NICEST_OK);
    assert_true(result.valid_logp == expected.valid_logp && result.steps == expected.steps);
    assert_int_equal(nicest_model_save(model, parts), NICEST_OK);
    assert_same_file(whole, parts);
    nicest_model_free(model);
    nicest_trainer_free(trainer);
    nicest_data_free(data);
}

/* A limit of time ends a piece, not the run; time between two pieces is nobody's. */
static void test_pieces_of_time(void **state)
{
    (void)state;
    nicest_data *data = open_data("toy:moons,n=600");
    nicest_train_options options = quick();
    options.epochs = 0;
    options.seconds = 0.2;
    nicest_trainer *trainer = NULL;
    nicest_progress p;
    int more = 0;
    assert_int_equal(nicest_trainer_new(&trainer, data, NULL, &options), NICEST_OK);
    assert_int_equal(nicest_trainer_step(trainer, 0, 0.02, &more), NICEST_OK);
    assert_int_equal(more, 1);
    assert_int_equal(nicest_trainer_progress(trainer, &p), NICEST_OK);
    double before = p.seconds;
    nanosleep(&(struct timespec){0, 50000000}, NULL);
    assert_int_equal(nicest_trainer_progress(trainer, &p), NICEST_OK);
    assert_true(p.seconds - before < 0.04);
    assert_int_equal(nicest_trainer_step(trainer, 0, 0, &more), NICEST_OK);
    assert_int_equal(more, 0);
    assert_int_equal(nicest_trainer_progress(trainer, &p), NICEST_OK);
    assert_true(p.seconds >= 0.2);
    nicest_trainer_free(trainer);
    nicest_data_free(data);
}

/* More rows: the first model's stack, and no worse than it was; the run can be resumed, and only
 * from the model that it began with. */
static void test_going_on_from_a_model(void **state)
{
    (void)state;
    nicest_data *first = open_data("toy:moons,n=2000"),
                *more = open_data("toy:moons,n=2000,seed=7");
    nicest_train_options options = quick();
    nicest_train_result before, after, fresh;
    nicest_model *model = NULL, *next = NULL;
    options.epochs = 12;
    assert_int_equal(nicest_train(&model, first, NULL, &options, &before), NICEST_OK);
    options.epochs = 1;
    assert_int_equal(nicest_train(&next, more, NULL, &options, &fresh), NICEST_OK);
    nicest_model_free(next);
    options.init = model;
    assert_int_equal(nicest_train(&next, more, NULL, &options, &after), NICEST_E_ARGUMENT);
    options.couplings = 0;
    options.hidden = options.activation = NULL;
    options.checkpoint = in_scratch("going.checkpoint");
    if (nicest_train(&next, more, NULL, &options, &after) != NICEST_OK)
        fail_msg("%s", nicest_error());
    assert_string_equal(nicest_model_spec(next), nicest_model_spec(model));
    assert_true(after.valid_logp > fresh.valid_logp);
    options.resume = options.checkpoint;
    options.init = next;
    nicest_model *other = NULL;
    assert_int_equal(nicest_train(&other, more, NULL, &options, NULL), NICEST_E_MISMATCH);
    assert_non_null(strstr(nicest_error(), "first model"));
    options.init = model;
    assert_int_equal(nicest_train(&other, more, NULL, &options, NULL), NICEST_OK);
    nicest_model_free(model);
    nicest_model_free(next);
    nicest_model_free(other);
    nicest_data_free(first);
    nicest_data_free(more);
}

static size_t lines_of(const char *path)
{
    char *text;
    size_t lines = 0, n = read_file(path, &text);
    for (size_t i = 0; i < n; i++)
        lines += text[i] == '\n';
    free(text);
    return lines;
}

static void resume_from(const char *optimizer_name, nicest_optimizer kind, double average)
{
    nicest_data *data = open_data("toy:parabola,n=500");
    nicest_train_options options = quick();
    const char *whole = in_scratch("whole.safetensors"), *parts = in_scratch("parts.safetensors");
    const char *checkpoint = in_scratch("checkpoint"), *log = in_scratch("log.jsonl");
    const char *whole_log = in_scratch("whole.jsonl");
    stopper stop = {.step = 0};
    remove(log);
    remove(whole_log);
    options.optimizer = kind;
    options.average = average;
    options.progress = stop_at;
    options.context = &stop;
    options.log = whole_log;
    nicest_train_result expected = train_to(whole, data, &options);
    options.checkpoint = checkpoint;
    options.checkpoint_steps = 7;
    options.log = log;
    /* stopped at the first validation, then at the second, then to the end */
    for (size_t part = 0; part < 3; part++) {
        stop.step = part < 2 ? 20 + 20 * part : SIZE_MAX;
        nicest_train_result result = train_to(parts, data, &options);
        assert_int_equal(result.interrupted, part < 2);
        options.resume = checkpoint;
        options.threads = 1 + (int)part;
    }
    if (expected.steps == 0)
        fail_msg("%s: nothing was learnt", optimizer_name);
    assert_same_file(whole, parts);
    assert_int_equal(lines_of(log), lines_of(whole_log));
    nicest_data_free(data);
}

static void test_resuming_gives_the_same_bytes(void **state)
{
    (void)state;
    resume_from("adam", NICEST_ADAM, 0.9);
    resume_from("rmsprop", NICEST_RMSPROP, 0);
    resume_from("sgd", NICEST_SGD, 0);
}

/* The checkpoint of the middle of a run, continued, against the run itself. */
static void test_resuming_from_the_middle(void **state)
{
    (void)state;
    nicest_data *data = open_data("toy:parabola,n=500");
    nicest_train_options options = quick();
    const char *whole = in_scratch("whole.safetensors"), *rest = in_scratch("rest.safetensors");
    const char *checkpoint = in_scratch("middle"), *log = in_scratch("middle.jsonl");
    options.checkpoint = checkpoint;
    options.checkpoint_steps = 31; /* of 72: the last one written before the end is step 62, */
    options.log = log;
    train_to(whole, data, &options);
    size_t lines = lines_of(log);
    /* and the one at the end is overwritten by running only so far */
    options.epochs = 6;
    nicest_train_options first = options;
    stopper stop = {.step = 1};
    first.progress = stop_at;
    first.context = &stop;
    train_to(rest, data, &first);
    options.resume = checkpoint;
    train_to(rest, data, &options);
    assert_same_file(whole, rest);
    assert_int_equal(lines_of(log), lines); /* none lost, none doubled */
    assert_true(lines >= 3);
    nicest_data_free(data);
}

static void test_a_checkpoint_of_another_run_is_refused(void **state)
{
    (void)state;
    nicest_data *data = open_data("toy:parabola,n=300"),
                *other = open_data("toy:parabola,n=300,seed=9");
    nicest_train_options options = quick();
    nicest_model *model = NULL;
    options.checkpoint = in_scratch("refused");
    train_to(NULL, data, &options);
    options.resume = options.checkpoint;
    assert_int_equal(nicest_train(&model, other, NULL, &options, NULL), NICEST_E_MISMATCH);
    assert_non_null(strstr(nicest_error(), "training data: checksum"));
    options.batch = 16;
    assert_int_equal(nicest_train(&model, data, NULL, &options, NULL), NICEST_E_MISMATCH);
    assert_non_null(strstr(nicest_error(), "recipe: batch was 32, is 16"));
    options = quick();
    options.resume = put_text("no-checkpoint", "hello");
    assert_int_not_equal(nicest_train(&model, data, NULL, &options, NULL), NICEST_OK);
    assert_null(model);
    nicest_data_free(data);
    nicest_data_free(other);
}

/* The start's validation likelihood: what is left when the rate is next to nothing. */
static double start_of(const nicest_data *data)
{
    nicest_train_options options = quick();
    options.learning_rate = 1e-30;
    options.epochs = 1;
    return train_to(NULL, data, &options).valid_logp;
}

static void test_absurd_rates_recover(void **state)
{
    (void)state;
    nicest_data *data = open_data("toy:parabola,n=1000");
    double start = start_of(data);
    for (double rate = 10; rate <= 1e3; rate *= 10) {
        nicest_train_options options = quick();
        stopper watch = {0};
        options.learning_rate = rate;
        options.epochs = 12;
        options.progress = stop_at;
        options.context = &watch;
        nicest_train_result result = train_to(NULL, data, &options);
        assert_true(result.retries > 0);
        assert_int_equal(watch.events, result.retries); /* each recovery is said */
        assert_true(result.valid_logp >= start);
    }
    nicest_data_free(data);
}

static int stop_at_event(void *context, const nicest_progress *progress)
{
    if (progress->event && !strncmp(progress->event, "rows: ", 6)) { /* what was chosen, at first */
        assert_true(progress->step == 0 && isnan(progress->train_logp));
        return 0;
    }
    if (progress->event) {
        assert_non_null(strstr(progress->event, "50 steps worse"));
        assert_null(strstr(progress->event, "layer"));
        *(size_t *)context = progress->step;
    }
    return progress->event != NULL;
}

/* The answer to an event counts as any other. */
static void test_a_stop_at_an_event_is_a_stop(void **state)
{
    (void)state;
    nicest_data *data = open_data("toy:parabola,n=1000");
    nicest_train_options options = quick();
    size_t step = 0;
    options.learning_rate = 10;
    options.epochs = 400;
    options.progress = stop_at_event;
    options.context = &step;
    nicest_train_result result = train_to(NULL, data, &options);
    assert_true(step > 0);
    assert_int_equal(result.steps, step);
    assert_int_equal(result.retries, 1);
    assert_true(result.interrupted);
    nicest_data_free(data);
}

/* Squares of gradients that are beyond floats must not stand in a checkpoint as infinity. */
static void test_huge_gradients_resume(void **state)
{
    (void)state;
    enum { ROWS = 300 };
    double values[2 * ROWS];
    nicest_data *toy = open_data("toy:moons,n=300"), *data = NULL;
    const char *checkpoint = in_scratch("huge");
    assert_int_equal(nicest_data_read(toy, 0, ROWS, values), NICEST_OK);
    for (size_t i = 0; i < ROWS; i++)
        values[2 * i + 1] *= 1e-21;
    assert_int_equal(nicest_data_new(&data, values, ROWS, 2, NULL), NICEST_OK);
    for (int kind = NICEST_ADAM; kind <= NICEST_RMSPROP; kind++) {
        nicest_train_options options = quick();
        options.preprocess = "centre";
        options.optimizer = (nicest_optimizer)kind;
        options.checkpoint = checkpoint;
        train_to(NULL, data, &options);
        options.resume = checkpoint;
        train_to(NULL, data, &options);
    }
    nicest_data_free(toy);
    nicest_data_free(data);
}

/* What is wrong with the arguments is known before the work. */
static void test_wrong_arguments_cost_no_training(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b"}, *const others[] = {"b", "a"};
    double rows[80];
    nicest_data *train = NULL, *valid = NULL;
    nicest_model *model = NULL;
    nicest_train_options options = quick();
    for (size_t i = 0; i < 80; i++)
        rows[i] = sin((double)(i * i));
    options.epochs = 100000000; /* years */
    assert_int_equal(nicest_data_new(&train, rows, 40, 2, names), NICEST_OK);
    assert_int_equal(nicest_data_new(&valid, rows, 40, 2, others), NICEST_OK);
    assert_int_equal(nicest_train(&model, train, valid, &options, NULL), NICEST_E_MISMATCH);
    assert_non_null(strstr(nicest_error(), "'b' in the validation data, 'a' in the training data"));
    options.calibration_share = 0;
    assert_int_equal(nicest_train(&model, train, valid, &options, NULL), NICEST_E_MISMATCH);
    for (int wrong = -1; wrong <= 2000; wrong += 2001) {
        options.threads = wrong;
        assert_int_equal(nicest_train(&model, train, train, &options, NULL), NICEST_E_ARGUMENT);
    }
    nicest_data_free(train);
    nicest_data_free(valid);
}

static void test_learning_beats_the_start_and_the_gaussian(void **state)
{
    (void)state;
    nicest_data *data = open_data("toy:parabola,n=4000");
    nicest_train_options options = quick();
    options.hidden = "32x2";
    options.epochs = 40;
    options.batch = 128;
    nicest_train_result result = train_to(NULL, data, &options);
    assert_true(result.valid_logp > start_of(data) + 1);
    assert_true(result.test_logp > result.gaussian_logp + 1);
    assert_true(result.test_rows > 0 && result.test_sem > 0);
    nicest_data_free(data);
}

static void test_scales_and_offsets(void **state)
{
    (void)state;
    enum { ROWS = 400 };
    double *values = malloc(3 * ROWS * sizeof *values);
    nicest_data *toy = open_data("toy:moons,n=400"), *data = NULL;
    double row[2];
    for (size_t i = 0; i < ROWS; i++) {
        assert_int_equal(nicest_data_read(toy, i, 1, row), NICEST_OK);
        values[3 * i] = 1e30 * row[0];
        values[3 * i + 1] = 1e-30 * row[1];
        values[3 * i + 2] = 1e9 + row[0] * row[1];
    }
    assert_int_equal(nicest_data_new(&data, values, ROWS, 3, NULL), NICEST_OK);
    nicest_train_options options = quick();
    nicest_train_result result = train_to(NULL, data, &options);
    assert_true(isfinite(result.test_logp));
    assert_true(result.valid_logp >= start_of(data));
    free(values);
    nicest_data_free(toy);
    nicest_data_free(data);
}

static void test_incomplete_rows_serve_and_infinite_ones_do_not(void **state)
{
    (void)state;
    double values[2 * 50];
    nicest_data *data = NULL;
    for (int i = 0; i < 100; i++)
        values[i] = sin(i * 1.7) * (i % 7);
    values[10] = NAN;
    values[31] = INFINITY;
    assert_int_equal(nicest_data_new(&data, values, 50, 2, NULL), NICEST_OK);
    nicest_train_options options = quick();
    options.valid_share = options.calibration_share = 0;
    nicest_train_result result = train_to(NULL, data, &options);
    assert_int_equal(result.rows, 49);
    assert_true(isnan(result.valid_logp) && isnan(result.test_logp));
    assert_non_null(strstr(result.chosen, "1 of 50 have infinite"));
    assert_non_null(strstr(result.chosen, "1 of 49 have missing values"));
    nicest_data_free(data);
}

static void expect_refusal(const nicest_data *data, const nicest_train_options *options,
                           nicest_status status, const char *word)
{
    nicest_model *model = NULL;
    assert_int_equal(nicest_train(&model, data, NULL, options, NULL), status);
    assert_null(model);
    if (!strstr(nicest_error(), word))
        fail_msg("'%s' does not say '%s'", nicest_error(), word);
}

static void test_options_are_checked(void **state)
{
    (void)state;
    nicest_data *data = open_data("toy:parabola,n=100");
    nicest_train_options options = quick();
#define REFUSED(field, value, word)                                                                \
    do {                                                                                           \
        options = quick();                                                                         \
        options.field = value;                                                                     \
        expect_refusal(data, &options, NICEST_E_ARGUMENT, word);                                   \
    } while (0)
    REFUSED(preset, "best", "preset");
    REFUSED(hidden, "12y", "hidden");
    REFUSED(activation, "sine", "activation");
    REFUSED(prior, "uniform", "prior");
    REFUSED(preprocess, "whiten", "preprocess");
    REFUSED(couplings, -1, "couplings");
    REFUSED(learning_rate, -1, "learning rate");
    REFUSED(weight_decay, -1, "weight decay");
    REFUSED(average, 1, "average");
    REFUSED(clip, -1, "clip");
    REFUSED(beta1, 1, "beta1");
    REFUSED(epsilon, 0, "epsilon");
    REFUSED(valid_share, 1.5, "validation");
    REFUSED(valid_share, 0.95, "leave no row");
    options = quick();
    options.spec = "nicest 1\ncolumns 3\nscale\nprior normal\n";
    expect_refusal(data, &options, NICEST_E_MISMATCH, "3 columns");
    nicest_data_free(data);
}

static void test_one_column(void **state)
{
    (void)state;
    double values[300];
    nicest_data *data = NULL;
    for (int i = 0; i < 300; i++)
        values[i] = 3 + 2 * sin(i * 12.9898) * cos(i * 78.233);
    assert_int_equal(nicest_data_new(&data, values, 300, 1, NULL), NICEST_OK);
    nicest_train_options options = quick();
    nicest_train_result result = train_to(NULL, data, &options);
    assert_true(isfinite(result.test_logp));
    assert_non_null(strstr(result.chosen, "nothing to couple"));
    nicest_data_free(data);
}

static void test_clipping_and_a_free_stack(void **state)
{
    (void)state;
    nicest_data *data = open_data("toy:parabola,n=2000");
    nicest_train_options options = quick();
    options.clip = 0.5;
    options.spec = "nicest 1\ncolumns 2\nstandardise\npermute reverse\n"
                   "coupling move=first hidden=24,8 activation=tanh\nscale\n"
                   "coupling move=second hidden=8 activation=silu\nscale\nprior logistic\n";
    double start = start_of(data);
    options.epochs = 30;
    nicest_train_result result = train_to(NULL, data, &options);
    assert_true(result.valid_logp > start + 0.5);
    nicest_data_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_give_the_same_bytes),
        cmocka_unit_test(test_pieces_give_the_same_bytes),
        cmocka_unit_test(test_pieces_of_time),
        cmocka_unit_test(test_going_on_from_a_model),
        cmocka_unit_test(test_resuming_gives_the_same_bytes),
        cmocka_unit_test(test_resuming_from_the_middle),
        cmocka_unit_test(test_a_checkpoint_of_another_run_is_refused),
        cmocka_unit_test(test_absurd_rates_recover),
        cmocka_unit_test(test_a_stop_at_an_event_is_a_stop),
        cmocka_unit_test(test_huge_gradients_resume),
        cmocka_unit_test(test_wrong_arguments_cost_no_training),
        cmocka_unit_test(test_learning_beats_the_start_and_the_gaussian),
        cmocka_unit_test(test_scales_and_offsets),
        cmocka_unit_test(test_incomplete_rows_serve_and_infinite_ones_do_not),
        cmocka_unit_test(test_options_are_checked),
        cmocka_unit_test(test_one_column),
        cmocka_unit_test(test_clipping_and_a_free_stack),
    };
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
