/* test_apply_explain.c - reasons: against closed forms of independent columns, and as properties.
 */
#include <math.h>

#include "base/parallel.h"
#include "model_fixture.h"

enum { D = 5, ROWS = 23 };

static const char *const SPEC_NORMAL = "nicest 1\ncolumns 5\nprior normal\n";

static nicest_status explain(const nicest_model *model, const double *rows, size_t n, size_t most,
                             int threads, nicest_reason *reasons, size_t *counts)
{
    return nicest_explain(model, rows, n, most, 0.05, 1, threads, NULL, NULL, reasons, counts);
}

/* Of independent standard normals: the shifted column, the two-sided tail, the middle nine tenths.
 */
static void a_shifted_column_is_named_first(void **state)
{
    (void)state;
    nicest_model *model = model_of_text(SPEC_NORMAL, 1);
    for (size_t c = 0; c < D; c++)
        for (int size = 2; size < 40; size += size < 7 ? 1 : 11) {
            double row[D] = {0.1, -0.2, 0.3, 0.4, -0.5};
            nicest_reason r[2];
            size_t count;
            row[c] = c % 2 ? size : -size;
            assert_status(explain(model, row, 1, 2, 1, r, &count), NICEST_OK);
            assert_int_equal(count, 2);
            assert_int_equal(r[0].column, c);
            assert_true(r[0].value == row[c]);
            double tail = size < 30 ? -log(erfc(size / sqrt(2)))
                                    : size * size / 2.0 + log(size * sqrt(M_PI / 2));
            assert_true(fabs(r[0].surprise - tail) < 0.05 + 0.02 * tail);
            assert_true(fabs(r[0].expected) < 0.03);
            assert_true(fabs(r[0].low + 1.645) < 0.05 && fabs(r[0].high - 1.645) < 0.05);
            assert_true(r[1].surprise < r[0].surprise && r[1].surprise >= 0);
        }
    nicest_model_free(model);
}

/* Levels are summed at the noise that the row has. */
static void levels_are_summed(void **state)
{
    (void)state;
    nicest_model *model = model_of_text(SPEC_NORMAL, 1);
    quantise(model, 4, 1);
    const double row[D] = {3, 0, 0, 0, 1};
    double x[D], sum = 0, below = 0;
    nicest_reason r[D];
    size_t count;
    assert_status(nicest_encode(model, row, 1, 1, x), NICEST_OK);
    assert_status(explain(model, row, 1, D, 2, r, &count), NICEST_OK);
    assert_int_equal(count, D);
    assert_int_equal(r[0].column, 0);
    for (int k = 0; k < 4; k++) {
        double p = exp(-pow(x[0] - 3 + k, 2) / 2);
        sum += p;
        below += k == 3 ? p : 0;
    }
    assert_true(fabs(r[0].surprise + log(below / sum)) < 1e-3);
    assert_true(r[0].low == 0 && r[0].expected == 0 && r[0].high >= 1 && r[0].high <= 2);
    nicest_model_free(model);
}

/* Rows in another order, alone, by more threads: the same bits. And a hole is no reason. */
static void reasons_are_functions_of_the_row(void **state)
{
    (void)state;
    nicest_model *model = model_of_text(SPEC_SMALL, 3);
    double rows[ROWS * D], row[D];
    nicest_reason all[ROWS * 3], one[3], many[ROWS * 3];
    size_t counts[ROWS], again[ROWS], count;
    random_normal((random_stream){4, RANDOM_USER, 0}, 0, rows, ROWS * D);
    for (size_t i = 0; i < ROWS * D; i++)
        rows[i] *= 3;
    assert_status(explain(model, rows, ROWS, 3, 1, all, counts), NICEST_OK);
    assert_status(explain(model, rows, ROWS, 3, 3, many, again), NICEST_OK);
    for (size_t i = 0; i < ROWS; i++) {
        size_t j = (i * 7 + 3) % ROWS;
        memcpy(row, rows + j * D, sizeof row);
        assert_status(explain(model, row, 1, 3, 2, one, &count), NICEST_OK);
        assert_int_equal(count, counts[j]);
        assert_int_equal(count, again[j]);
        for (size_t k = 0; k < count; k++) {
            const nicest_reason *a = &all[j * 3 + k], *b = &many[j * 3 + k];
            assert_true(a->column == one[k].column && a->surprise == one[k].surprise);
            assert_true(a->low == one[k].low && a->high == one[k].high);
            assert_true(a->column == b->column && a->surprise == b->surprise);
            assert_true(a->expected == b->expected && a->expected == one[k].expected);
            assert_true(k == 0 || a[-1].surprise >= a->surprise);
        }
    }
    row[2] = NAN;
    assert_status(explain(model, row, 1, 3, 2, one, &count), NICEST_OK);
    for (size_t k = 0; k < count; k++)
        assert_int_not_equal(one[k].column, 2);
    nicest_model_free(model);
}

static int stop_at_once(void *context, double done, double total)
{
    (void)context;
    return done <= total;
}

static void wrong_arguments_are_refused(void **state)
{
    (void)state;
    nicest_model *model = model_of_text(SPEC_NORMAL, 1);
    double row[D] = {0};
    nicest_reason r[D];
    size_t count = 77;
    assert_error(explain(NULL, row, 1, 1, 1, r, &count), NICEST_E_ARGUMENT, "model");
    assert_error(explain(model, row, 1, 0, 1, r, &count), NICEST_E_ARGUMENT, "1 to 5");
    assert_error(explain(model, row, 1, D + 1, 1, r, &count), NICEST_E_ARGUMENT, "1 to 5");
    assert_error(explain(model, row, 1, 1, -1, r, &count), NICEST_E_ARGUMENT, "threads");
    assert_status(explain(model, NULL, 0, 1, 1, NULL, NULL), NICEST_OK);
    assert_error(nicest_explain(model, row, 1, 1, 0.05, 1, 1, stop_at_once, NULL, r, &count),
                 NICEST_E_INTERRUPTED, "interrupted");
    nicest_model_free(model);
}

static void memory_that_runs_out_leaves_nothing(void **state)
{
    (void)state;
    nicest_model *model = model_of_text(SPEC_NORMAL, 1);
    double row[D] = {9};
    nicest_reason r[D];
    size_t count, live = memory_live();
    nicest_status status = NICEST_E_MEMORY;
    for (size_t at = 1; status != NICEST_OK; at++) {
        memory_fail_at(at);
        status = explain(model, row, 1, 1, 1, r, &count);
        memory_fail_at(0);
        assert_true(status == NICEST_OK || status == NICEST_E_MEMORY);
        assert_int_equal(memory_live(), live);
    }
    nicest_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shifted_column_is_named_first),
        cmocka_unit_test(levels_are_summed),
        cmocka_unit_test(reasons_are_functions_of_the_row),
        cmocka_unit_test(wrong_arguments_are_refused),
        cmocka_unit_test(memory_that_runs_out_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
