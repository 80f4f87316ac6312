/* test_apply_outlier_conformal.c - p-values are uniform, and a promised false-alarm rate is kept.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "apply/conformal.h"
#include "base/random.h"
#include "nicest.h"

static void assert_near(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance))
        fail_msg("%.17g is not %.17g within %g", a, b, tolerance);
}

/* n calibration scores and one new score of one skewed source; `steps` > 0 makes ties. */
static double draw(double *sorted, size_t n, uint64_t number, double steps)
{
    double all[400];
    random_normal((random_stream){11, RANDOM_USER, 0}, number, all, n + 1);
    for (size_t i = 0; i <= n; i++) {
        all[i] = -exp(all[i]);
        all[i] = steps > 0 ? floor(all[i] * steps) : all[i];
    }
    memcpy(sorted, all, n * sizeof *sorted);
    conformal_sort(sorted, n);
    return all[n];
}

static double uniform(uint64_t row)
{
    double u;
    random_uniform_double((random_stream){12, RANDOM_USER, 1}, row, &u, 1);
    return u;
}

/* Each of the n+1 possible p-values is equally likely: chi-square over all of them, fresh
 * calibration scores each time. */
static double chi_square(size_t n, double steps)
{
    enum { TRIALS = 20000 };
    double counts[64] = {0}, sorted[64], sum = 0, expected = (double)TRIALS / (double)(n + 1);
    for (uint64_t i = 0; i < TRIALS; i++) {
        double score = draw(sorted, n, i, steps);
        double p = conformal_p(sorted, n, score, uniform(i));
        assert_true(p > 0 && p <= 1);
        counts[(size_t)(p * (double)(n + 1) + 0.5) - 1]++;
    }
    for (size_t i = 0; i <= n; i++)
        sum += (counts[i] - expected) * (counts[i] - expected) / expected;
    return sum;
}

/* The 0.999 quantile of chi-square with 19 degrees of freedom is 43.8; with 6, 22.5. */
static void p_values_are_uniform(void **state)
{
    (void)state;
    assert_true(chi_square(19, 0) < 43.8);
    assert_true(chi_square(6, 0) < 22.5);
}

static void ties_do_not_disturb(void **state)
{
    (void)state;
    assert_true(chi_square(19, 1) < 43.8);
    assert_true(chi_square(19, 0.01) < 43.8);
}

/* Over many splits the mean share of false alarms is the rate that was asked. */
static void promise_is_kept(void **state)
{
    (void)state;
    const size_t sizes[] = {19, 39, 99, 399};
    const double rates[] = {0.05, 0.1, 0.25};
    for (size_t s = 0; s < 4; s++)
        for (size_t r = 0; r < 3; r++) {
            enum { TRIALS = 4000 };
            size_t flagged = 0, n = sizes[s];
            double sorted[400];
            for (uint64_t i = 0; i < TRIALS; i++) {
                double score = draw(sorted, n, i + 100000, 0);
                flagged += score < conformal_threshold(sorted, n, rates[r]);
            }
            double promised = floor(rates[r] * (double)(n + 1) + 1e-9) / (double)(n + 1);
            double error = sqrt(promised * (1 - promised) / TRIALS);
            assert_near((double)flagged / TRIALS, promised, 4 * error);
        }
}

/* Without ties, p <= rate and score < threshold are the same decision. */
static void threshold_and_p_agree(void **state)
{
    (void)state;
    double sorted[400];
    for (uint64_t i = 0; i < 2000; i++) {
        size_t n = 1 + i % 150;
        double score = draw(sorted, n, i, 0), rate = (double)(1 + i % 40) / 40;
        double p = conformal_p(sorted, n, score, 0);
        assert_int_equal(p <= rate * (1 + 1e-12), score < conformal_threshold(sorted, n, rate));
    }
}

static void extremes(void **state)
{
    (void)state;
    double sorted[3] = {1, 2, 3};
    assert_near(conformal_p(sorted, 3, 0, 0), 0.25, 0);
    assert_near(conformal_p(sorted, 3, 9, 0), 1, 0);
    assert_near(conformal_p(sorted, 3, 2, 0), 0.5, 0);
    assert_near(conformal_p(sorted, 3, 2, 0.99), 0.75, 0);
    assert_near(conformal_p(sorted, 3, -HUGE_VAL, 0.5), 0.25, 0);
    assert_true(isnan(conformal_p(sorted, 3, NAN, 0)));
    assert_near(conformal_p(sorted, 0, 5, 0), 1, 0);
    assert_true(conformal_threshold(sorted, 3, 0.2) == -HUGE_VAL); /* 3 + 1 < 1 / 0.2 */
    assert_near(conformal_threshold(sorted, 3, 0.25), 1, 0);
    assert_near(conformal_threshold(sorted, 3, 0.5), 2, 0);
    assert_true(conformal_threshold(sorted, 3, 1) == HUGE_VAL);
    assert_true(conformal_threshold(sorted, 3, NAN) == -HUGE_VAL);
}

static void calibration_sizes_make_whole_rates(void **state)
{
    (void)state;
    for (size_t held = 0; held < 12000; held++) {
        size_t n = conformal_rows(held);
        assert_true(n <= held);
        if (held < 19)
            assert_int_equal(n, held);
        else
            assert_int_equal((n + 1) % (held < 399 ? 20 : 100), 0);
        assert_true(held < 399 ? held - n < 20 : held - n < 100);
    }
}

/* Groups of one are the calibration set itself; a group's p-values are uniform like any. */
static void groups_are_dealt(void **state)
{
    (void)state;
    double sorted[400], groups[400];
    draw(sorted, 100, 1, 0);
    assert_int_equal(conformal_groups(sorted, 100, 1, NAN, groups), NICEST_OK);
    assert_memory_equal(sorted, groups, 100 * sizeof *sorted);
    double sum = 0, group_sum = 0;
    assert_int_equal(conformal_groups(sorted, 100, 5, NAN, groups), NICEST_OK);
    for (size_t i = 0; i < 100; i++)
        sum += sorted[i];
    for (size_t i = 0; i < 20; i++) {
        group_sum += 5 * groups[i];
        assert_true(i == 0 || groups[i - 1] <= groups[i]);
    }
    assert_near(group_sum, sum, 1e-9);
    assert_int_equal(conformal_groups(sorted, 100, 5, 0.5, groups), NICEST_OK);
    assert_true(groups[19] <= 0);
    assert_int_equal(conformal_groups(sorted, 4, 5, NAN, groups), NICEST_E_DATA);
    assert_int_equal(conformal_groups(sorted, 4, 0, NAN, groups), NICEST_E_DATA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(p_values_are_uniform),
        cmocka_unit_test(ties_do_not_disturb),
        cmocka_unit_test(promise_is_kept),
        cmocka_unit_test(threshold_and_p_agree),
        cmocka_unit_test(extremes),
        cmocka_unit_test(calibration_sizes_make_whole_rates),
        cmocka_unit_test(groups_are_dealt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
