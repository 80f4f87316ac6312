/* test_apply_outlier_family.c - families of statistics and what they are made of: densities that
 * integrate to one, moments that are those of the rows, and a fit that finds what was planted. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "apply/family.h"
#include "apply/picture_filter.h"
#include "base/gaussian.h"
#include "base/memory.h"
#include "base/random.h"
#include "nicest.h"

enum { N = 600, D = 3 };

static void assert_near(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance))
        fail_msg("%.17g is not %.17g within %g", a, b, tolerance);
}

/* Correlated columns of different scales about `shift`. */
static void draw(double *rows, size_t n, double shift, uint32_t number)
{
    for (size_t i = 0; i < n; i++) {
        double z[D];
        random_normal((random_stream){3, RANDOM_USER, number}, i, z, D);
        rows[i * D] = shift + z[0];
        rows[i * D + 1] = shift + 10 * (0.8 * z[0] + 0.6 * z[1]);
        rows[i * D + 2] = 0.1 * z[2];
    }
}

static double density(const double *values, const double *row)
{
    double out = 0;
    assert_int_equal(family_log_density(values, row, 0, 1, 1, &out), NICEST_OK);
    return out;
}

static void moments_are_those_of_the_rows(void **state)
{
    (void)state;
    double rows[N * D], weight[N], mean[D], covariance[6], again[6], mean_again[D];
    draw(rows, N, 2, 1);
    for (size_t i = 0; i < N; i++)
        weight[i] = i < 100 ? 0 : 2;
    gaussian_moments(rows, weight, N, D, 2, mean, covariance);
    gaussian_moments(rows + 100 * D, NULL, N - 100, D, 1, mean_again, again);
    for (size_t j = 0; j < D; j++) {
        double sum = 0;
        for (size_t i = 100; i < N; i++)
            sum += rows[i * D + j];
        assert_near(mean[j], sum / (N - 100), 1e-9);
        for (size_t k = j; k < D; k++) {
            double product = 0, found = covariance[gaussian_column(D, j) + k - j];
            for (size_t i = 100; i < N; i++)
                product += (rows[i * D + j] - mean[j]) * (rows[i * D + k] - mean[k]);
            assert_near(found, product / (N - 100), 1e-9);
            assert_near(found, again[gaussian_column(D, j) + k - j], 1e-9);
        }
    }
}

static void factor_gives_the_covariance_back(void **state)
{
    (void)state;
    double rows[N * D], mean[D], covariance[6], factor[6];
    draw(rows, N, 0, 2);
    gaussian_moments(rows, NULL, N, D, 1, mean, covariance);
    memcpy(factor, covariance, sizeof factor);
    gaussian_factor(factor, D, 1e-9);
    for (size_t j = 0; j < D; j++)
        for (size_t i = j; i < D; i++) {
            double sum = 0;
            for (size_t k = 0; k <= j; k++)
                sum +=
                    factor[gaussian_column(D, k) + i - k] * factor[gaussian_column(D, k) + j - k];
            assert_near(sum, covariance[gaussian_column(D, j) + i - j], 1e-9);
        }
}

/* Against the formula for two columns, written out. */
static void density_is_the_formula(void **state)
{
    (void)state;
    double covariance[3] = {2, 0.6, 1.5}, factor[3], mean[2] = {1, -1}, row[2] = {0.3, 0.7}, s[2];
    memcpy(factor, covariance, sizeof factor);
    gaussian_factor(factor, 2, 1e-9);
    double det = 2 * 1.5 - 0.36, a = -0.7, b = 1.7;
    double square = (1.5 * a * a - 2 * 0.6 * a * b + 2 * b * b) / det;
    assert_near(gaussian_log_density(row, mean, factor, 2, s),
                -square / 2 - log(det) / 2 - log(2 * acos(-1.0)), 1e-12);
}

/* Ledoit and Wolf's share of scikit-learn for ten rows of four: golden/make_shrinkage.py prints it.
 */
static void shrinkage_agrees_with_scikit_learn(void **state)
{
    (void)state;
    double rows[10 * 4], mean[4], covariance[10];
    for (size_t i = 0; i < 10; i++)
        for (size_t j = 0; j < 4; j++)
            rows[i * 4 + j] = sin((double)(i * i + j)) + (j == 2 ? (double)i / 3 : 0);
    gaussian_moments(rows, NULL, 10, 4, 1, mean, covariance);
    assert_near(gaussian_shrink(rows, 10, 4, mean, covariance), 0.2779627217612478, 1e-10);
}

/* Midpoint rule over a box that holds nearly all of it. */
static void family_integrates_to_one(void **state)
{
    (void)state;
    double rows[N * 2], all[N * D], *values = NULL, sum = 0;
    size_t count = 0;
    draw(all, N, 0, 3);
    for (size_t i = 0; i < N; i++) {
        rows[2 * i] = all[D * i] + (i % 3 ? 0 : 6);
        rows[2 * i + 1] = all[D * i + 1];
    }
    assert_int_equal(family_fit(rows, N, 2, 1, 2, &values, &count), NICEST_OK);
    assert_true(family_valid(values, count, 2));
    for (double x = -20; x < 30; x += 0.1) {
        double row[400][2], logp[400];
        for (int i = 0; i < 400; i++) {
            row[i][0] = x + 0.05;
            row[i][1] = -100 + 0.5 * i + 0.25;
        }
        assert_int_equal(family_log_density(values, row[0], 2, 400, 1, logp), NICEST_OK);
        for (int i = 0; i < 400; i++)
            sum += 0.1 * 0.5 * exp(logp[i]);
    }
    assert_near(sum, 1, 0.002);
    memory_free(values);
}

/* Two planted groups far apart: a hole between them, and the density of the truth on its rows. */
static void two_groups_are_found(void **state)
{
    (void)state;
    double rows[N * D], fresh[N * D], *values = NULL, found = 0, hole[D] = {5, -25, 0};
    size_t count = 0;
    draw(rows, N / 2, 0, 4);
    draw(rows + N / 2 * D, N / 2, 10, 5);
    for (size_t i = 0; i < N; i += 2) /* mixed, as the last fifth chooses the number of parts */
        for (size_t j = 0; j < D; j++) {
            double kept = rows[i * D + j];
            size_t other = (i + N / 2) % N;
            rows[i * D + j] = rows[other * D + j];
            rows[other * D + j] = kept;
        }
    draw(fresh, N, 0, 6);
    assert_int_equal(family_fit(rows, N, D, 1, 2, &values, &count), NICEST_OK);
    assert_true(values[1] > 1);
    for (size_t i = 0; i < N; i++)
        found += density(values, fresh + i * D) / N;
    double truth = -1.5 * (1 + log(2 * acos(-1.0))) - log(6) - log(0.1) - log(2);
    assert_near(found, truth, 0.3);
    assert_true(density(values, hole) < found - 5);
    memory_free(values);
}

static void threads_do_not_change_bits(void **state)
{
    (void)state;
    double rows[N * D], *one = NULL, *three = NULL;
    size_t count = 0, again = 0;
    draw(rows, N, 0, 7);
    assert_int_equal(family_fit(rows, N, D, 1, 1, &one, &count), NICEST_OK);
    assert_int_equal(family_fit(rows, N, D, 1, 3, &three, &again), NICEST_OK);
    assert_int_equal(count, again);
    assert_memory_equal(one, three, count * sizeof *one);
    memory_free(one);
    memory_free(three);
}

/* A constant column, a repeated one, two rows: still a density, and far rows score less. */
static void degenerate_rows_are_survived(void **state)
{
    (void)state;
    double rows[N * D], *values = NULL, here[D] = {0}, far[D];
    size_t count = 0;
    draw(rows, N, 0, 8);
    for (size_t i = 0; i < N; i++) {
        rows[i * D + 1] = 7;
        rows[i * D + 2] = rows[i * D];
    }
    here[1] = 7;
    memcpy(far, here, sizeof far);
    far[1] = 8;
    for (size_t n = 2; n <= N; n += 299) {
        assert_int_equal(family_fit(rows, n, D, 1, 1, &values, &count), NICEST_OK);
        double near = density(values, here);
        assert_true(isfinite(near) && density(values, far) < near - 100);
        far[0] = NAN;
        assert_true(isnan(density(values, far)));
        far[0] = HUGE_VAL;
        assert_true(density(values, far) == -HUGE_VAL);
        far[0] = 0;
        memory_free(values);
    }
    assert_int_equal(family_fit(rows, 1, D, 1, 1, &values, &count), NICEST_E_DATA);
    rows[4] = NAN;
    assert_int_equal(family_fit(rows, N, D, 1, 1, &values, &count), NICEST_E_DATA);
}

/* What a hostile file may hold in place of a family. */
static void bad_arrays_are_not_valid(void **state)
{
    (void)state;
    double rows[N * D], *values = NULL;
    size_t count = 0;
    draw(rows, N, 0, 9);
    assert_int_equal(family_fit(rows, N, D, 1, 1, &values, &count), NICEST_OK);
    assert_true(family_valid(values, count, D));
    assert_false(family_valid(values, count, D + 1));
    assert_false(family_valid(values, count - 1, D));
    assert_false(family_valid(values, 0, D));
    assert_false(family_valid(NULL, count, D));
    const double bad[] = {-1, 0, 1e18, NAN, HUGE_VAL, 2.5};
    double parts = values[1];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        values[1] = bad[i];
        assert_false(family_valid(values, count, D) && bad[i] != floor(bad[i]));
        assert_false(family_valid(values, count, D) && bad[i] != parts);
    }
    memory_free(values);
}

static void memory_may_run_out(void **state)
{
    (void)state;
    double rows[N * D], *values = NULL;
    size_t count = 0, live = memory_live();
    draw(rows, N, 0, 10);
    for (size_t call = 1; values == NULL; call++) {
        memory_fail_at(call);
        nicest_status status = family_fit(rows, 40, D, 1, 1, &values, &count);
        memory_fail_at(0);
        if (status != NICEST_OK) {
            assert_int_equal(status, NICEST_E_MEMORY);
            assert_null(values);
            assert_int_equal(memory_live(), live);
        }
    }
    memory_free(values);
    assert_int_equal(memory_live(), live);
}

/* Undoes the filters as a PNG reader does: the picture must come back. */
static void filters_can_be_undone(void **state)
{
    (void)state;
    enum { HEIGHT = 9, LINE = 21, CHANNELS = 3 };
    unsigned char picture[HEIGHT * LINE], filtered[HEIGHT * (LINE + 1)], back[HEIGHT * LINE];
    int used[5] = {0};
    for (size_t i = 0; i < sizeof picture; i++)
        picture[i] = (unsigned char)(i < 60 ? i * i : i < 120 ? 7 * (i % LINE) : i % 5 + i / 7);
    assert_int_equal(picture_filter_size(HEIGHT, sizeof picture), sizeof filtered);
    assert_int_equal(picture_filter(picture, HEIGHT, LINE, CHANNELS, filtered), sizeof filtered);
    for (size_t y = 0; y < HEIGHT; y++) {
        const unsigned char *line = filtered + y * (LINE + 1);
        assert_in_range(line[0], 0, 4);
        used[line[0]]++;
        for (size_t i = 0; i < LINE; i++) {
            int a = i < CHANNELS ? 0 : back[y * LINE + i - CHANNELS];
            int b = y ? back[(y - 1) * LINE + i] : 0;
            int c = y && i >= CHANNELS ? back[(y - 1) * LINE + i - CHANNELS] : 0;
            int p = a + b - c, pa = p > a ? p - a : a - p, pb = p > b ? p - b : b - p;
            int pc = p > c ? p - c : c - p;
            int guess[5] = {0, a, b, (a + b) / 2, pa <= pb && pa <= pc ? a : pb <= pc ? b : c};
            back[y * LINE + i] = (unsigned char)(line[i + 1] + guess[line[0]]);
        }
    }
    assert_memory_equal(back, picture, sizeof picture);
    assert_true(used[0] < HEIGHT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moments_are_those_of_the_rows),
        cmocka_unit_test(factor_gives_the_covariance_back),
        cmocka_unit_test(density_is_the_formula),
        cmocka_unit_test(shrinkage_agrees_with_scikit_learn),
        cmocka_unit_test(family_integrates_to_one),
        cmocka_unit_test(two_groups_are_found),
        cmocka_unit_test(threads_do_not_change_bits),
        cmocka_unit_test(degenerate_rows_are_survived),
        cmocka_unit_test(bad_arrays_are_not_valid),
        cmocka_unit_test(memory_may_run_out),
        cmocka_unit_test(filters_can_be_undone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
