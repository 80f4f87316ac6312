/* test_train_hostile.c - 10,000 damaged checkpoints: a run that goes on from one ends with a
 * status, soon, with nothing left over and no result where it failed. The seed is fixed. */
#include "damage.h"

#ifdef __SANITIZE_ADDRESS__
enum { TRIALS = 600 }; /* each takes ten times as long; fuzz/ goes on for longer */
#else
enum { TRIALS = 10000 };
#endif
enum { COUNTERS = 8 };

static nicest_train_options options_of_run(void)
{
    nicest_train_options o;
    nicest_train_defaults(&o);
    o.couplings = 2;
    o.hidden = "4";
    o.batch = 4; /* seven batches, 42 steps */
    o.epochs = 6;
    o.threads = 1;
    o.valid_share = 0.25;
    o.calibration_share = 0;
    return o;
}

static nicest_data *open_rows(void)
{
    nicest_data *data = NULL;
    assert_status(nicest_data_open(&data, "toy:moons,n=40", NULL), NICEST_OK);
    return data;
}

static int stop_at_20(void *context, const nicest_progress *progress)
{
    (void)context;
    return progress->step >= 20;
}

/* Writes the checkpoint of a run that was stopped in the middle, inside an epoch; returns its
 * bytes. */
static bytes make_checkpoint(const nicest_data *data, const char *path)
{
    nicest_train_options o = options_of_run();
    nicest_model *model = NULL;
    o.checkpoint = path;
    o.progress = stop_at_20;
    nicest_train_result result;
    assert_status(nicest_train(&model, data, NULL, &o, &result), NICEST_OK);
    assert_true(result.interrupted && result.steps < 42 && result.steps % 7 != 0);
    nicest_model_free(model);
    return read_bytes(path);
}

static nicest_status resume(const nicest_data *data, const char *path, nicest_model **model)
{
    nicest_train_options o = options_of_run();
    o.resume = path;
    return nicest_train(model, data, NULL, &o, NULL);
}

/* One of the counters, which stand in the header as \"name\":value, gets another value. */
static void change_counter(bytes *b)
{
    static const char *const names[] = {
        "\\\"step\\\":",   "\\\"in_epoch\\\":", "\\\"epoch\\\":",       "\\\"draws\\\":",
        "\\\"stride\\\":", "\\\"seconds\\\":",  "\\\"rate_factor\\\":", "\\\"skipped\\\":"};
    static const char *const values[] = {"0",   "3",          "4",      "9223372036854775807",
                                         "-1",  "1e300",      "-1e300", "null",
                                         "1.5", "4294967295", "[]"};
    const char *name = names[below(COUNTERS)];
    size_t at = find(b, name), length = 0;
    if (!at)
        return;
    at += strlen(name);
    while (at + length < b->size && b->data[at + length] != ',' && b->data[at + length] != '}')
        length++;
    splice(b, at, length, values[below(sizeof values / sizeof *values)]);
}

static void damaged_checkpoints_get_a_status(void **state)
{
    (void)state;
    char path[512];
    nicest_data *data = open_rows();
    bytes original = make_checkpoint(data, temporary("checkpoint", path, sizeof path));
    size_t survivors = 0, count_of[NICEST_STATUS_COUNT] = {0}, live = memory_live();
    for (int trial = 0; trial < TRIALS; trial++) {
        bytes b;
        if (trial % 2) {
            b = damaged(&original);
        } else {
            b = (bytes){memory_new(original.size + GROWTH, 1), original.size};
            memcpy(b.data, original.data, original.size);
            change_counter(&b);
        }
        write_bytes(path, b.data, b.size);
        memory_free(b.data);
        nicest_model *model = NULL;
        nicest_status status = resume(data, path, &model);
        assert_true((status == NICEST_OK) == (model != NULL));
        assert_true(status == NICEST_OK || status == NICEST_E_FORMAT ||
                    status == NICEST_E_MISMATCH || status == NICEST_E_UNSUPPORTED ||
                    status == NICEST_E_DIVERGED || status == NICEST_E_IO);
        assert_true(status == NICEST_OK || nicest_error()[0] != '\0');
        survivors += status == NICEST_OK;
        count_of[status]++;
        nicest_model_free(model);
        assert_int_equal(memory_live(), live);
    }
    print_message("%zu of %d damaged checkpoints serve; format %zu, mismatch %zu, diverged %zu, "
                  "version %zu\n",
                  survivors, TRIALS, count_of[NICEST_E_FORMAT], count_of[NICEST_E_MISMATCH],
                  count_of[NICEST_E_DIVERGED], count_of[NICEST_E_UNSUPPORTED]);
    assert_true(survivors < TRIALS / 2);
    memory_free(original.data);
    nicest_data_free(data);
    remove(path);
}

/* Each of these once read behind an array, never ended, or gave a model that is no model. */
static void known_lies_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *old, *new;
    } lies[] = {{"\\\"in_epoch\\\":", "\\\"in_epoch\\\":9"},
                {"\\\"seconds\\\":", "\\\"seconds\\\":-1"},
                {"\\\"rate_factor\\\":", "\\\"rate_factor\\\":-"},
                {"\\\"retries\\\":", "\\\"retries\\\":-1"}};
    char path[512];
    nicest_data *data = open_rows();
    bytes original = make_checkpoint(data, temporary("lie", path, sizeof path));
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        bytes b = {memory_new(original.size + GROWTH, 1), original.size};
        memcpy(b.data, original.data, original.size);
        size_t at = find(&b, lies[i].old);
        assert_true(at > 0);
        splice(&b, at, strlen(lies[i].old), lies[i].new);
        write_bytes(path, b.data, b.size);
        nicest_model *model = NULL;
        assert_status(resume(data, path, &model), NICEST_E_FORMAT);
        memory_free(b.data);
    }
    float broken = NAN; /* the last weight of the last vector */
    memcpy(original.data + original.size - sizeof broken, &broken, sizeof broken);
    write_bytes(path, original.data, original.size);
    nicest_model *model = NULL;
    assert_error(resume(data, path, &model), NICEST_E_FORMAT, "not a finite number");
    memory_free(original.data);
    nicest_data_free(data);
    remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_checkpoints_get_a_status),
        cmocka_unit_test(known_lies_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
