/* test_train_race.c - the trial of closed forms and stacks: the same bytes on any number of threads
 * and however it is interrupted, and never worse than the closed form that it began from. */
#include "data_files.h"

enum { ROWS = 160, COLUMNS = 3 };

/* Two columns that depend on each other and one of five far levels with a little noise: a density
 * of peaks whose width is a hundred-thousandth of the column's. */
static nicest_data *peaked(void)
{
    static double rows[ROWS * COLUMNS];
    uint64_t state = 7;
    nicest_data *data = NULL;
    for (size_t i = 0; i < ROWS; i++) {
        double level = floor(5 * random_unit(&state)), u = random_unit(&state);
        rows[i * COLUMNS] = 1000 * level + 0.02 * random_unit(&state);
        rows[i * COLUMNS + 1] = level * u + 0.1 * random_unit(&state);
        rows[i * COLUMNS + 2] = u * u + 0.1 * random_unit(&state);
    }
    assert_int_equal(nicest_data_new(&data, rows, ROWS, COLUMNS, NULL), NICEST_OK);
    return data;
}

/* Stops at an event that begins so, or from a step on. */
typedef struct stopper {
    const char *event;
    size_t step;
} stopper;

static int stop_at(void *context, const nicest_progress *progress)
{
    const stopper *s = context;
    if (s->event && progress->event)
        return strstr(progress->event, s->event) != NULL;
    return s->step && progress->step >= s->step;
}

static nicest_train_options small(void)
{
    nicest_train_options options;
    nicest_train_defaults(&options);
    options.batch = 16;
    options.patience = 3;
    options.calibration_share = 0;
    options.threads = 1;
    return options;
}

static nicest_train_result train_to(const char *path, const nicest_data *data,
                                    const nicest_train_options *options)
{
    nicest_model *model = NULL;
    nicest_train_result result;
    if (nicest_train(&model, data, NULL, options, &result) != NICEST_OK)
        fail_msg("%s", nicest_error());
    assert_int_equal(nicest_model_save(model, path), NICEST_OK);
    nicest_model_free(model);
    result.chosen = NULL;
    return result;
}

/* Threads, an interrupt in the heats and one after them change no byte; and what comes out is no
 * worse than what it began from. */
static void test_the_race_is_the_same_bytes(void **state)
{
    (void)state;
    nicest_data *data = peaked();
    nicest_train_options options = small();
    const char *whole = in_scratch("whole.safetensors"), *other = in_scratch("other.safetensors");
    const char *checkpoint = in_scratch("race.checkpoint");
    nicest_train_result expected = train_to(whole, data, &options);
    assert_non_null(strstr(expected.start, "mixture")); /* its parts find the peaks */
    assert_true(expected.valid_logp >= expected.copula_logp - 0.5);
    assert_true(expected.valid_logp > expected.gaussian_logp + 2);

    options.threads = 3;
    train_to(other, data, &options);
    assert_same_file(whole, other);

    stopper stops[] = {{.event = "race: affine"}, {.step = expected.steps}};
    for (size_t i = 0; i < 2; i++) {
        options.progress = stop_at;
        options.context = &stops[i];
        options.checkpoint = checkpoint;
        options.checkpoint_steps = 1 + (size_t)expected.steps / 3;
        nicest_train_result cut = train_to(other, data, &options);
        assert_true(cut.interrupted);
        options.progress = NULL;
        options.resume = checkpoint;
        options.checkpoint = NULL;
        train_to(other, data, &options);
        assert_same_file(whole, other);
        options.resume = NULL;
    }
    nicest_data_free(data);
}

/* A column that follows the first but for a ten thousandth, and one that hardly varies: a row that
 * breaks either is unlikely, and no row costs a thousand nats. */
static void test_no_row_costs_without_end(void **state)
{
    (void)state;
    static double rows[ROWS * COLUMNS];
    double broken[] = {0.5, -0.5, 7, 0.5, 0.5, 8, 0.5, 0.5, 7, 1e6, 1e6, 7}, logp[4];
    uint64_t numbers = 5;
    nicest_data *data = NULL, *few = NULL;
    nicest_model *model = NULL;
    nicest_train_options options = small();
    nicest_train_result result;
    for (size_t i = 0; i < ROWS; i++) {
        rows[i * COLUMNS] = 4 * random_unit(&numbers) - 2;
        rows[i * COLUMNS + 1] = rows[i * COLUMNS] + 1e-4 * random_unit(&numbers);
        rows[i * COLUMNS + 2] = 7 + 1e-9 * random_unit(&numbers);
    }
    assert_int_equal(nicest_data_new(&data, rows, ROWS, COLUMNS, NULL), NICEST_OK);
    assert_int_equal(nicest_train(&model, data, NULL, &options, &result), NICEST_OK);
    assert_int_equal(nicest_data_new(&few, broken, 4, COLUMNS, NULL), NICEST_OK);
    assert_int_equal(nicest_score_data(model, few, 1, 1, NULL, NULL, logp), NICEST_OK);
    for (size_t i = 0; i < 4; i++)
        assert_true(logp[i] > -1000);
    assert_true(logp[2] > 5 && logp[0] < logp[2] - 10 && logp[1] < logp[2] - 10);
    assert_true(logp[3] < logp[2] - 10);
    nicest_data_free(few);
    nicest_model_free(model);
    nicest_data_free(data);
}

/* Rows of independent normals have nothing to learn: the closed form stays, and says so. */
static void test_nothing_to_learn_stays_closed(void **state)
{
    (void)state;
    static double rows[ROWS * 2];
    uint64_t numbers = 3;
    nicest_data *data = NULL;
    nicest_model *model = NULL;
    nicest_train_options options = small();
    nicest_train_result result;
    for (size_t i = 0; i < ROWS * 2; i++)
        rows[i] =
            sqrt(-2 * log(random_unit(&numbers))) * cos(6.283185307179586 * random_unit(&numbers));
    assert_int_equal(nicest_data_new(&data, rows, ROWS, 2, NULL), NICEST_OK);
    assert_int_equal(nicest_train(&model, data, NULL, &options, &result), NICEST_OK);
    assert_non_null(strstr(result.chosen, "the closed form stays"));
    assert_true(fabs(result.valid_logp - result.gaussian_logp) < 0.5);
    nicest_model_free(model);
    nicest_data_free(data);
}

/* The triangle is for few rows, and for runs that end before couplings pass it. */
static void test_many_pictures_need_no_triangle(void **state)
{
    enum { SIDE = 16, PIXELS = SIDE * SIDE, MANY = 8 * PIXELS };
    static unsigned char rows[MANY * PIXELS];
    const struct {
        size_t rows, epochs;
        bool triangle;
    } tried[] = {{MANY, 4, false}, {MANY, 3, true}, {MANY - 1, 4, true}};
    uint64_t random = 3;
    (void)state;
    for (size_t i = 0; i < MANY * PIXELS; i++)
        rows[i] = (unsigned char)(256 * random_unit(&random));
    for (size_t i = 0; i < sizeof tried / sizeof *tried; i++) {
        nicest_data *data = NULL;
        nicest_model *model = NULL;
        nicest_train_options options = small();
        options.couplings = 1;
        options.hidden = "2";
        options.batch = 512;
        options.valid_share = 0;
        options.epochs = tried[i].epochs;
        const nicest_view view = {.rows = tried[i].rows,
                                  .columns = PIXELS,
                                  .type = "uint8",
                                  .values = rows,
                                  .row_stride = PIXELS,
                                  .column_stride = 1,
                                  .height = SIDE,
                                  .width = SIDE,
                                  .channels = 1};
        assert_int_equal(nicest_data_view(&data, &view), NICEST_OK);
        if (nicest_train(&model, data, NULL, &options, NULL) != NICEST_OK)
            fail_msg("%s", nicest_error());
        assert_int_equal(strstr(nicest_model_spec(model), "linear") != NULL, tried[i].triangle);
        nicest_model_free(model);
        nicest_data_free(data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_race_is_the_same_bytes),
        cmocka_unit_test(test_nothing_to_learn_stays_closed),
        cmocka_unit_test(test_no_row_costs_without_end),
        cmocka_unit_test(test_many_pictures_need_no_triangle),
    };
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
