/* test_train_split.c - copies are found where they are copies, and never stand on two sides. */
#include <stdbool.h>

#include "data_files.h"
#include "train/split.h"

enum { ROWS = 600, COLUMNS = 4 };

static const random_stream ORDER = {3, RANDOM_SPLIT, 0};

static nicest_data *data_of(const double *rows, size_t n, size_t d)
{
    nicest_data *data = NULL;
    assert_int_equal(nicest_data_new(&data, rows, n, d, NULL), NICEST_OK);
    return data;
}

static size_t groups_of(const double *rows, size_t n, size_t d)
{
    split s;
    nicest_data *data = data_of(rows, n, d);
    assert_int_equal(split_open(&s, data, NULL, n, ORDER), NICEST_OK);
    size_t groups = s.groups;
    assert_int_equal(s.rows, n);
    split_close(&s);
    nicest_data_free(data);
    return groups;
}

/* Row i copies row i % distinct. */
static void fill(double *rows, size_t distinct)
{
    for (size_t i = 0; i < ROWS; i++)
        random_normal((random_stream){9, RANDOM_TOY, 0}, i % distinct, rows + i * COLUMNS, COLUMNS);
}

static void rows_without_copies_keep_the_order_of_the_stream(void **state)
{
    double rows[ROWS * COLUMNS];
    uint32_t order[ROWS];
    split s;
    (void)state;
    fill(rows, ROWS);
    nicest_data *data = data_of(rows, ROWS, COLUMNS);
    random_permutation(ORDER, order, ROWS);
    assert_int_equal(split_open(&s, data, NULL, ROWS, ORDER), NICEST_OK);
    assert_int_equal(s.groups, ROWS);
    assert_null(s.weight);
    for (size_t i = 0; i < ROWS; i++)
        assert_true(s.row[i] == order[i]);
    split_close(&s);
    nicest_data_free(data);
}

/* The weight of a row in a part, 0 where it is not there; no row stands there twice. */
static double weight_of(const nicest_data *part, const double *row)
{
    double other[COLUMNS], weight = 0;
    for (size_t i = 0; i < nicest_data_rows(part); i++) {
        assert_int_equal(nicest_data_read(part, i, 1, other), NICEST_OK);
        if (memcmp(other, row, sizeof other) != 0)
            continue;
        assert_true(weight == 0);
        weight = nicest_data_weights(part)[i];
    }
    return weight;
}

/* A part has one row for all copies, which counts as often as it occurs. */
static void copies_lie_in_one_part(void **state)
{
    double rows[ROWS * COLUMNS];
    nicest_data *part = NULL, *others = NULL;
    split s;
    size_t inside = 0;
    (void)state;
    fill(rows, 60);
    memcpy(rows + 599 * COLUMNS, rows, COLUMNS * sizeof *rows);
    nicest_data *data = data_of(rows, ROWS, COLUMNS);
    assert_int_equal(split_open(&s, data, NULL, ROWS, ORDER), NICEST_OK);
    assert_int_equal(s.groups, 60);
    assert_int_equal(split_take(&part, &s, data, 7, 20), NICEST_OK);
    assert_int_equal(split_leave(&others, &s, data, 7, 20), NICEST_OK);
    assert_int_equal(nicest_data_rows(part), 20);
    assert_int_equal(nicest_data_rows(others), 40);
    for (size_t i = 0; i < 60; i++) {
        double in = weight_of(part, rows + i * COLUMNS),
               out = weight_of(others, rows + i * COLUMNS);
        assert_true(fmin(in, out) == 0 && fmax(in, out) == (i == 0 ? 11 : i == 59 ? 9 : 10));
        inside += in > 0;
    }
    assert_int_equal(inside, 20);
    split_close(&s);
    nicest_data_free(part);
    nicest_data_free(others);
    nicest_data_free(data);
}

/* Some copies of a few rows, in any order; another zero is no other row. */
static void a_few_copies_are_found(void **state)
{
    double rows[ROWS * COLUMNS];
    (void)state;
    fill(rows, ROWS);
    rows[1] = 0;
    memcpy(rows + 400 * COLUMNS, rows, COLUMNS * sizeof *rows);
    rows[400 * COLUMNS + 1] = -0.0;
    memcpy(rows + 17 * COLUMNS, rows + 500 * COLUMNS, COLUMNS * sizeof *rows);
    assert_int_equal(groups_of(rows, ROWS, COLUMNS), ROWS - 2);
    for (size_t i = 0; i < ROWS; i++) /* one column of numbers beside flags */
        for (size_t j = 1; j < COLUMNS; j++)
            rows[i * COLUMNS + j] = (double)(i % 60 * 7 % (j + 1));
    for (size_t i = 60; i < ROWS; i++)
        rows[i * COLUMNS] = rows[i % 60 * COLUMNS];
    assert_int_equal(groups_of(rows, ROWS, COLUMNS), 60);
    for (size_t i = 0; i < ROWS; i++) /* whole numbers, of which few bits say all */
        for (size_t j = 0; j < COLUMNS; j++)
            rows[i * COLUMNS + j] = (double)(i % 60 * (2 * j + 1) % 64);
    assert_int_equal(groups_of(rows, ROWS, COLUMNS), 60);
}

/* Flags, ages with a flag, and a single rounded column: their rows repeat by nature. */
static void what_repeats_by_nature_is_no_copy(void **state)
{
    double rows[ROWS * COLUMNS], u[COLUMNS];
    (void)state;
    for (size_t d = 1; d <= COLUMNS; d++)
        for (int ages = 0; ages < 2; ages++) {
            for (size_t i = 0; i < ROWS; i++) {
                random_uniform_double((random_stream){4, RANDOM_TOY, 0}, i, u, d);
                for (size_t j = 0; j < d; j++)
                    rows[i * d + j] = floor(u[j] * (j == 0 && ages ? 90 : 2));
            }
            assert_int_equal(groups_of(rows, ROWS, d), ROWS);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_without_copies_keep_the_order_of_the_stream),
        cmocka_unit_test(copies_lie_in_one_part),
        cmocka_unit_test(a_few_copies_are_found),
        cmocka_unit_test(what_repeats_by_nature_is_no_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
