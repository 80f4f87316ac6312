/* test_model_hostile.c - 10,000 damaged models: always a status, never a crash or a leak.
 *
 * Damage is of the kinds that readers fall over: bits, lengths, numbers, keys, cut and grown files.
 * A file that loads all the same must still be usable. The seed is fixed. */
#include "damage.h"

/* What loading may take of memory: BASE, and so much for each byte of the file. */
enum { TRIALS = 10000, BASE = 1 << 16, MOST_FACTOR = 64 };

/* What a file that loads is good for. */
static void use(nicest_model *model)
{
    size_t d = nicest_model_columns(model);
    nicest_workspace *w = work(model, 1, 1);
    double *row = memory_new(d, sizeof *row), logp;
    assert_status(nicest_sample(w, 1, 1, 0, 1, row), NICEST_OK);
    assert_status(nicest_log_prob(w, row, 1, &logp), NICEST_OK);
    assert_non_null(nicest_model_column_name(model, d - 1));
    memory_free(row);
    nicest_workspace_free(w);
}

static size_t attack(const char *path)
{
    bytes original = read_bytes(path);
    size_t survivors = 0;
    for (int trial = 0; trial < TRIALS / 2; trial++) {
        bytes b = damaged(&original);
        /* a block of exactly its size: a sanitizer sees the first byte read behind it */
        unsigned char *exact = malloc(b.size ? b.size : 1);
        assert_non_null(exact);
        memcpy(exact, b.data, b.size);
        size_t live = memory_live();
        nicest_model *model = NULL;
        memory_peak_restart();
        size_t before = memory_peak();
        nicest_status status = nicest_model_load_bytes(&model, exact, b.size);
        assert_true(memory_peak() - before <= BASE + MOST_FACTOR * b.size);
        assert_true((status == NICEST_OK) == (model != NULL));
        assert_true(status == NICEST_OK || status == NICEST_E_FORMAT ||
                    status == NICEST_E_UNSUPPORTED);
        assert_true(status == NICEST_OK || nicest_error()[0] != '\0');
        if (model) {
            survivors++;
            use(model);
        }
        nicest_model_free(model);
        assert_int_equal(memory_live(), live);
        free(exact);
        memory_free(b.data);
    }
    memory_free(original.data);
    return survivors;
}

static void damaged_models_get_a_status(void **state)
{
    (void)state;
    size_t survivors = attack(FIXTURE) + attack(FIXTURE_PICTURE);
    /* some damage hits a digit of a weight; most must be seen */
    print_message("%zu of %d damaged models load\n", survivors, TRIALS);
    assert_true(survivors > TRIALS / 200 && survivors < TRIALS / 4);
}

/* Every cut of a file is seen. */
static void every_truncation_is_refused(void **state)
{
    (void)state;
    bytes b = read_bytes(FIXTURE);
    for (size_t size = 0; size < b.size; size++) {
        nicest_model *model = NULL;
        assert_status(nicest_model_load_bytes(&model, b.data, size), NICEST_E_FORMAT);
    }
    memory_free(b.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_models_get_a_status),
        cmocka_unit_test(every_truncation_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
