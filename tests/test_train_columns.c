/* test_train_columns.c - what columns are recognised as, and the Gaussian that a model is compared
 * with. */
#include "data_files.h"

#include "base/memory.h"
#include "base/random.h"
#include "train/columns.h"

enum { ROWS = 2000 };

/* A data set of one column. */
static nicest_data *column_of(double (*value)(size_t))
{
    static double values[ROWS];
    nicest_data *data = NULL;
    for (size_t i = 0; i < ROWS; i++)
        values[i] = value(i);
    assert_int_equal(nicest_data_new(&data, values, ROWS, 1, NULL), NICEST_OK);
    return data;
}

static double noise_of(size_t i)
{
    double z;
    random_normal((random_stream){7, RANDOM_USER, 0}, i, &z, 1);
    return z;
}

static double integers(size_t i)
{
    return floor(20 * noise_of(i));
}

static double multiples_of_five(size_t i)
{
    return 5 * integers(i) + 3;
}

static double hundredths(size_t i)
{
    return floor(50 * noise_of(i)) / 100;
}

static double constant(size_t i)
{
    (void)i;
    return 3.7;
}

static double zero_inflated(size_t i)
{
    return noise_of(i) > 0 ? noise_of(i) : 0;
}

static double logarithms(size_t i)
{
    return log(1 + floor(fabs(3 * noise_of(i))));
}

static entry_column recognised(double (*value)(size_t), char *said, size_t size)
{
    nicest_data *data = column_of(value);
    entry e;
    words w = {0};
    assert_true(entry_open(&e, 1));
    assert_int_equal(columns_recognise(&e, data, &(bool){false}, &w), NICEST_OK);
    snprintf(said, size, "%s", w.text ? w.text : "");
    memory_free(w.text);
    entry_column column = e.column[0];
    entry_close(&e);
    nicest_data_free(data);
    return column;
}

static void test_kinds_of_columns(void **state)
{
    char said[400];
    (void)state;
    assert_true(recognised(noise_of, said, sizeof said).step == 0);
    assert_string_equal(said, "");
    assert_true(recognised(integers, said, sizeof said).step == 1);
    assert_non_null(strstr(said, "integers"));
    assert_true(recognised(multiples_of_five, said, sizeof said).step == 5);
    entry_column grid = recognised(hundredths, said, sizeof said);
    assert_true(grid.step == 0.01 && grid.unit == 0.01);
    assert_non_null(strstr(said, "regular step"));
    assert_true(recognised(constant, said, sizeof said).step == 1);
    assert_non_null(strstr(said, "constant"));
    assert_true(recognised(zero_inflated, said, sizeof said).step > 0);
    assert_non_null(strstr(said, "repeating"));
    entry_column irregular = recognised(logarithms, said, sizeof said);
    assert_true(irregular.step > 0.01 && irregular.step < 1);
}

/* Whatever was recognised, noise keeps values apart and decoding brings them back. */
static void test_noise_does_not_overlap(void **state)
{
    double (*const kinds[])(size_t) = {integers, multiples_of_five, hundredths, logarithms};
    (void)state;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        char said[200];
        entry_column c = recognised(kinds[k], said, sizeof said);
        for (size_t i = 0; i < 200; i++)
            for (size_t j = 0; j < 200; j++) {
                double gap = fabs(kinds[k](i) - kinds[k](j));
                assert_true(gap == 0 || gap > c.step * (1 - 1e-6));
            }
    }
}

static void test_gaussian_is_the_entropy(void **state)
{
    enum { N = 20000 };
    double *values = malloc(2 * N * sizeof *values), logp;
    nicest_data *data = NULL;
    entry e;
    (void)state;
    for (size_t i = 0; i < N; i++) {
        random_normal((random_stream){3, RANDOM_USER, 0}, i, values + 2 * i, 2);
        values[2 * i + 1] = 100 + 5 * values[2 * i] + 0.1 * values[2 * i + 1];
    }
    assert_int_equal(nicest_data_new(&data, values, N, 2, NULL), NICEST_OK);
    assert_true(entry_open(&e, 2));
    assert_int_equal(columns_gaussian(&e, data, data, 1, &logp), NICEST_OK);
    /* -entropy = -log(2 pi e) - log(1 * 0.1) */
    double expected = -log(2 * acos(-1.0) * exp(1.0)) - log(0.1);
    assert_true(fabs(logp - expected) < 0.03);
    entry_close(&e);
    nicest_data_free(data);
    free(values);
}

/* Dequantised integers: a wide column of step 1 has nearly the entropy of the continuous one. */
static void test_gaussian_sees_the_noise(void **state)
{
    nicest_data *data = column_of(integers);
    entry e;
    words w = {0};
    double logp;
    (void)state;
    assert_true(entry_open(&e, 1));
    assert_int_equal(columns_recognise(&e, data, &(bool){false}, &w), NICEST_OK);
    assert_int_equal(columns_gaussian(&e, data, data, 1, &logp), NICEST_OK);
    double expected = -0.5 * log(2 * acos(-1.0) * exp(1.0)) - log(20);
    assert_true(fabs(logp - expected) < 0.05);
    entry_close(&e);
    memory_free(w.text);
    nicest_data_free(data);
}

/* A factor of d columns takes d^3: not asked of a table of a few wide rows. */
static void test_gaussian_of_wide_rows_is_left_out(void **state)
{
    enum { D = 1025 };
    double *values = calloc(2 * D, sizeof *values), logp = 0;
    nicest_data *data = NULL;
    entry e;
    (void)state;
    for (size_t j = 0; j < D; j++)
        values[j] = (double)j;
    assert_int_equal(nicest_data_new(&data, values, 2, D, NULL), NICEST_OK);
    assert_true(entry_open(&e, D));
    assert_int_equal(columns_gaussian(&e, data, data, 1, &logp), NICEST_OK);
    assert_true(isnan(logp));
    entry_close(&e);
    nicest_data_free(data);
    free(values);
}

static void test_measure(void **state)
{
    nicest_data *data = column_of(integers);
    entry e;
    double mean, deviation;
    (void)state;
    assert_true(entry_open(&e, 1));
    assert_int_equal(columns_measure(&e, data, true, &mean, &deviation), NICEST_OK);
    assert_true(e.column[0].centre == mean && fabs(mean) < 2 && fabs(deviation - 20) < 1);
    assert_int_equal(columns_measure(&e, data, false, &mean, &deviation), NICEST_OK);
    assert_true(e.column[0].centre == 0);
    entry_close(&e);
    nicest_data_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds_of_columns),
        cmocka_unit_test(test_noise_does_not_overlap),
        cmocka_unit_test(test_gaussian_is_the_entropy),
        cmocka_unit_test(test_gaussian_sees_the_noise),
        cmocka_unit_test(test_gaussian_of_wide_rows_is_left_out),
        cmocka_unit_test(test_measure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
