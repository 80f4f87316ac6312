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
#include "base/values.h"
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
    values_sort(sorted, n);
    return all[n];
}

/* Each of the n+1 possible p-values is equally likely: chi-square over all of them, fresh
 * calibration scores each time. */
static double chi_square(size_t n)
{
    enum { TRIALS = 20000 };
    double counts[64] = {0}, sorted[64], sum = 0, expected = (double)TRIALS / (double)(n + 1);
    for (uint64_t i = 0; i < TRIALS; i++) {
        double score = draw(sorted, n, i, 0);
        double p = conformal_p(sorted, n, score);
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
    assert_true(chi_square(19) < 43.8);
    assert_true(chi_square(6) < 22.5);
}

/* Ties count in full: p <= rate is never more frequent than `rate`, however coarse the scores. */
static void ties_only_make_alarms_rarer(void **state)
{
    enum { TRIALS = 4000, N = 19 };
    static const double steps[] = {10, 1, 0.01};
    double sorted[N];
    (void)state;
    for (size_t s = 0; s < 3; s++)
        for (double rate = 0.05; rate < 1; rate += 0.05) {
            double flagged = 0;
            for (uint64_t i = 0; i < TRIALS; i++) {
                double score = draw(sorted, N, i, steps[s]);
                flagged += conformal_p(sorted, N, score) <= rate * (1 + 1e-12);
            }
            assert_true(flagged / TRIALS <= rate + 4 * sqrt(rate * (1 - rate) / TRIALS));
        }
}

/* The share of normal rows below a threshold of n uniform scores is the threshold itself. */
static void the_interval_holds_95_of_100_calibrations(void **state)
{
    enum { TRIALS = 4000, N = 59 };
    double low, high, sorted[N], inside = 0;
    (void)state;
    assert_int_equal(nicest_false_alarms(N, 0.05, &low, &high), NICEST_OK);
    assert_near(low, 0.01061128, 1e-6); /* scipy.stats.beta(3, 57).ppf([0.025, 0.975]) */
    assert_near(high, 0.11714846, 1e-6);
    for (uint64_t i = 0; i < TRIALS; i++) {
        random_uniform_double((random_stream){13, RANDOM_USER, 0}, i, sorted, N);
        values_sort(sorted, N);
        double share = conformal_threshold(sorted, N, 0.05);
        inside += share >= low && share <= high;
    }
    assert_near(inside / TRIALS, 0.95, 4 * sqrt(0.95 * 0.05 / TRIALS));
    assert_int_equal(nicest_false_alarms(9999, 0.05, &low, &high), NICEST_OK);
    assert_true(low > 0.0457 && low < 0.05 && high > 0.05 && high < 0.0544);
    assert_int_equal(nicest_false_alarms(10, 0.05, &low, &high), NICEST_OK);
    assert_true(low == 0 && high == 0); /* nothing can be flagged */
    assert_int_equal(nicest_false_alarms(10, 1, &low, &high), NICEST_OK);
    assert_true(low == 1 && high == 1);
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

/* p <= rate and score < threshold are the same decision, with ties and without. */
static void threshold_and_p_agree(void **state)
{
    (void)state;
    double sorted[400];
    for (uint64_t i = 0; i < 2000; i++) {
        size_t n = 1 + i % 150;
        double score = draw(sorted, n, i, i % 3 == 0), rate = (double)(1 + i % 40) / 40;
        double p = conformal_p(sorted, n, score);
        assert_int_equal(p <= rate * (1 + 1e-12), score < conformal_threshold(sorted, n, rate));
    }
}

static void extremes(void **state)
{
    (void)state;
    double sorted[3] = {1, 2, 3};
    assert_near(conformal_p(sorted, 3, 0), 0.25, 0);
    assert_near(conformal_p(sorted, 3, 9), 1, 0);
    assert_near(conformal_p(sorted, 3, 2), 0.75, 0);
    assert_near(conformal_p(sorted, 3, -HUGE_VAL), 0.25, 0);
    assert_true(isnan(conformal_p(sorted, 3, NAN)));
    assert_near(conformal_p(sorted, 0, 5), 1, 0);
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

/* Alike weights change nothing; others make quantiles of the weighted scores, of no more rows than
 * the weights are worth. */
static void weights_never_make_more_of_few_rows(void **state)
{
    enum { N = 400 };
    conformal_row rows[N], before[N];
    double scores[N], sum = 0, square = 0, below = 0;
    (void)state;
    random_normal((random_stream){3, RANDOM_USER, 0}, 0, scores, N);
    for (size_t i = 0; i < N; i++)
        before[i] = (conformal_row){scores[i], scores[i] < 0 ? 3 : 1, scores[i] < 0};
    for (size_t i = 0; i < N; i++)
        rows[i] = (conformal_row){scores[i], 2.5, 0};
    size_t n = N;
    assert_int_equal(conformal_weigh(rows, &n), NICEST_OK);
    assert_int_equal(n, 399);
    values_sort(scores, n);
    for (size_t i = 0; i < n; i++)
        assert_true(rows[i].score == scores[i]);
    memcpy(rows, before, sizeof rows);
    for (size_t i = 0; i < N; i++) {
        sum += rows[i].weight;
        square += rows[i].weight * rows[i].weight;
    }
    n = N;
    assert_int_equal(conformal_weigh(rows, &n), NICEST_OK);
    assert_true(n < N && (double)n <= sum * sum / square && n > 200);
    for (size_t i = 0; i < n; i++) {
        below += rows[i].score < 0;
        assert_true(rows[i].holes == (rows[i].score < 0)); /* a score keeps its row's holes */
    }
    assert_near(below / (double)n, 0.75, 0.03);
    for (size_t i = 0; i < N; i++)
        before[i].weight = i == 0;
    n = N;
    assert_int_equal(conformal_weigh(before, &n), NICEST_OK);
    assert_int_equal(n, 1);
}

/* Any numbers of holes: the bins hold every row, in order, each 99 or more where there are so many,
 * and no bin of them could be had where only one is left. */
static void bins_have_99_rows(void **state)
{
    enum { TABLES = 300, N = 3000 };
    static double holes[N];
    (void)state;
    for (uint64_t t = 0; t < TABLES; t++) {
        nicest_hole_bin bins[NICEST_HOLE_BINS];
        size_t n = 1 + (size_t)(t * t) % N, count, rows = 0;
        random_uniform_double((random_stream){17, RANDOM_USER, (uint32_t)t}, 0, holes, n);
        for (size_t i = 0; i < n; i++)
            holes[i] = floor((double)(t % 40) * pow(holes[i], 1 + (double)(t % 5)));
        assert_int_equal(conformal_bins(holes, n, bins, &count), NICEST_OK);
        assert_true(count >= 1 && count <= NICEST_HOLE_BINS);
        for (size_t b = 0; b < count; rows += bins[b++].rows) {
            size_t inside = 0;
            assert_true(count == 1 || bins[b].rows >= 99);
            assert_true(bins[b].least <= bins[b].most && (!b || bins[b - 1].most < bins[b].least));
            for (size_t i = 0; i < n; i++)
                inside += conformal_bin(bins, count, (size_t)holes[i]) == b;
            assert_int_equal(inside, bins[b].rows);
        }
        assert_int_equal(rows, n);
    }
    for (size_t i = 0; i < N; i++)
        holes[i] = i < 99 ? 3 : i < 200 ? 7 : 0;
    nicest_hole_bin bins[NICEST_HOLE_BINS];
    size_t count;
    assert_int_equal(conformal_bins(holes, N, bins, &count), NICEST_OK);
    assert_int_equal(count, 3);
    assert_int_equal(conformal_bin(bins, count, 0), 0);
    assert_int_equal(conformal_bin(bins, count, 1), 1); /* between bins: to that of more holes */
    assert_int_equal(conformal_bin(bins, count, 90), 2);
    assert_int_equal(conformal_bins(holes, 98 + 100, bins, &count), NICEST_OK);
    assert_int_equal(count, 2);
    assert_int_equal(conformal_bins(holes + 1, 98 + 100, bins, &count), NICEST_OK);
    assert_int_equal(count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(p_values_are_uniform),
        cmocka_unit_test(ties_only_make_alarms_rarer),
        cmocka_unit_test(the_interval_holds_95_of_100_calibrations),
        cmocka_unit_test(promise_is_kept),
        cmocka_unit_test(threshold_and_p_agree),
        cmocka_unit_test(extremes),
        cmocka_unit_test(calibration_sizes_make_whole_rates),
        cmocka_unit_test(groups_are_dealt),
        cmocka_unit_test(weights_never_make_more_of_few_rows),
        cmocka_unit_test(bins_have_99_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
