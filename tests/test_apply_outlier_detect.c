/* test_apply_outlier_detect.c - the figures of nicest_detect: properties, then golden values that
 * tests/golden/make_detect.py computed with scikit-learn. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "golden/detect.h"
#include "nicest.h"

enum { N = 400 };

/* Normal rows about `gap`, outliers (every fourth) about 0; rounded so that there are ties. */
static void draw(double *scores, unsigned char *outlier, size_t n, double gap, uint32_t number)
{
    for (size_t i = 0; i < n; i++) {
        random_normal((random_stream){7, RANDOM_USER, number}, i, &scores[i], 1);
        outlier[i] = i % 4 == 0;
        scores[i] = round((scores[i] + (outlier[i] ? 0 : gap)) * 8) / 8;
    }
}

static nicest_detection detect(const double *scores, const unsigned char *outlier, size_t n,
                               double threshold)
{
    nicest_detection d;
    assert_int_equal(nicest_detect(scores, outlier, n, threshold, 1, &d), NICEST_OK);
    return d;
}

static void assert_near(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance))
        fail_msg("%.17g is not %.17g within %g", a, b, tolerance);
}

/* The definition, in n^2. */
static void auroc_is_mann_whitney(void **state)
{
    (void)state;
    double scores[N];
    unsigned char outlier[N];
    draw(scores, outlier, N, 0.8, 1);
    double won = 0, pairs = 0;
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++)
            if (!outlier[i] && outlier[j]) {
                won += scores[i] > scores[j] ? 1 : scores[i] == scores[j] ? 0.5 : 0;
                pairs++;
            }
    assert_near(detect(scores, outlier, N, 0).auroc, won / pairs, 1e-12);
}

/* Any order of the rows, and any rising function of the scores, gives the same figures. */
static void only_the_ranking_counts(void **state)
{
    (void)state;
    double scores[N], other[N];
    unsigned char outlier[N], label[N];
    uint32_t order[N];
    draw(scores, outlier, N, 0.5, 2);
    random_permutation((random_stream){3, RANDOM_USER, 0}, order, N);
    for (size_t i = 0; i < N; i++) {
        other[i] = exp(scores[order[i]]);
        label[i] = outlier[order[i]];
    }
    nicest_detection a = detect(scores, outlier, N, -0.3), b = detect(other, label, N, exp(-0.3));
    assert_near(a.auroc, b.auroc, 1e-12);
    assert_near(a.auprc, b.auprc, 1e-12);
    assert_near(a.best_f1, b.best_f1, 1e-12);
    assert_near(a.precision, b.precision, 0);
    assert_near(a.recall, b.recall, 0);
    assert_near(a.false_alarms, b.false_alarms, 0);
}

/* Negated scores turn the ranking round. */
static void auroc_turns_round(void **state)
{
    (void)state;
    double scores[N], negative[N];
    unsigned char outlier[N];
    draw(scores, outlier, N, 0.7, 3);
    for (size_t i = 0; i < N; i++)
        negative[i] = -scores[i];
    assert_near(detect(scores, outlier, N, 0).auroc + detect(negative, outlier, N, 0).auroc, 1,
                1e-12);
}

static void extremes(void **state)
{
    (void)state;
    double apart[6] = {-3, -2, -1, 1, 2, 3}, same[6] = {1, 1, 1, 1, 1, 1};
    unsigned char outlier[6] = {1, 1, 1, 0, 0, 0};
    nicest_detection d = detect(apart, outlier, 6, 0);
    assert_near(d.auroc, 1, 0);
    assert_near(d.auprc, 1, 0);
    assert_near(d.best_f1, 1, 0);
    assert_near(d.best_threshold, 0, 0);
    assert_near(d.precision, 1, 0);
    assert_near(d.recall, 1, 0);
    assert_near(d.false_alarms, 0, 0);
    assert_near(d.auroc_low, 1, 0);
    d = detect(same, outlier, 6, 1);
    assert_near(d.auroc, 0.5, 1e-15);
    assert_near(d.auprc, 0.5, 1e-15);
    assert_near(d.recall, 0, 0); /* below the threshold means strictly */
    assert_near(d.precision, 0, 0);
    assert_near(d.best_threshold, nextafter(1, 2), 0); /* all are flagged, by a number */
    assert_near(d.best_f1, 2.0 / 3, 1e-15);
}

/* The best threshold gives the best F1, and no other does better. */
static void best_threshold_is_best(void **state)
{
    (void)state;
    double scores[N];
    unsigned char outlier[N];
    draw(scores, outlier, N, 1.2, 4);
    nicest_detection best = detect(scores, outlier, N, NAN);
    assert_near(best.f1, best.best_f1, 1e-15);
    assert_near(best.threshold, best.best_threshold, 0);
    for (double t = -4; t < 6; t += 1.0 / 16)
        assert_true(detect(scores, outlier, N, t).f1 <= best.best_f1 + 1e-15);
}

static void one_kind_alone(void **state)
{
    (void)state;
    double scores[4] = {1, 2, 3, 4};
    unsigned char normal[4] = {0}, outlier[4] = {1, 1, 1, 1};
    nicest_detection d = detect(scores, normal, 4, 1.5);
    assert_true(isnan(d.auroc) && isnan(d.auprc) && isnan(d.recall) && isnan(d.best_f1));
    assert_near(d.false_alarms, 0.25, 0);
    d = detect(scores, outlier, 4, 2.5);
    assert_true(isnan(d.auroc) && isnan(d.false_alarms));
    assert_near(d.recall, 0.5, 0);
}

static void infinite_scores_are_ranks_too(void **state)
{
    (void)state;
    double scores[5] = {-HUGE_VAL, -HUGE_VAL, 0, 1, HUGE_VAL};
    unsigned char outlier[5] = {1, 1, 0, 0, 0};
    nicest_detection d = detect(scores, outlier, 5, NAN);
    assert_near(d.auroc, 1, 0);
    assert_near(d.f1, 1, 0);
}

static void bad_input_is_refused(void **state)
{
    (void)state;
    double scores[3] = {1, NAN, 2};
    unsigned char outlier[3] = {0, 1, 0};
    nicest_detection d, before;
    memset(&d, 42, sizeof d);
    before = d;
    assert_int_equal(nicest_detect(scores, outlier, 3, 0, 1, &d), NICEST_E_DATA);
    assert_string_equal(nicest_error(), "row 2 has no score (NaN)");
    assert_int_equal(nicest_detect(scores, outlier, 0, 0, 1, &d), NICEST_E_DATA);
    assert_int_equal(nicest_detect(NULL, outlier, 3, 0, 1, &d), NICEST_E_ARGUMENT);
    assert_memory_equal(&d, &before, sizeof d);
}

/* The 95 % interval of AUROC holds the true value about 95 times in 100: Phi(gap / sqrt 2). */
static void intervals_cover(void **state)
{
    (void)state;
    double scores[N], gap = 0.8, truth = 0.5 * erfc(-gap / 2);
    unsigned char outlier[N];
    int covered = 0;
    for (uint32_t i = 0; i < 200; i++) {
        draw(scores, outlier, N, gap, 100 + i);
        nicest_detection d = detect(scores, outlier, N, 0);
        covered += d.auroc_low <= truth && truth <= d.auroc_high;
        assert_true(d.auroc_low <= d.auroc && d.auroc <= d.auroc_high);
        assert_true(d.auprc_low < d.auprc_high);
    }
    assert_in_range(covered, 180, 199);
}

static void same_seed_same_interval(void **state)
{
    (void)state;
    double scores[N];
    unsigned char outlier[N];
    nicest_detection a, b, c;
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    draw(scores, outlier, N, 0.8, 5);
    assert_int_equal(nicest_detect(scores, outlier, N, 0, 1, &a), NICEST_OK);
    assert_int_equal(nicest_detect(scores, outlier, N, 0, 1, &b), NICEST_OK);
    assert_int_equal(nicest_detect(scores, outlier, N, 0, 2, &c), NICEST_OK);
    assert_memory_equal(&a, &b, sizeof a);
    assert_true(a.auprc_low != c.auprc_low || a.auprc_high != c.auprc_high);
}

/* A curve for each different score: it rises, its areas are the figures, and it stands at every
 * threshold where the figures of that threshold do. */
static void curves_hold_the_figures(void **state)
{
    (void)state;
    double scores[N], recall[N + 1], alarms[N + 1], precision[N + 1], area = 0, average = 0;
    unsigned char outlier[N];
    size_t points;
    draw(scores, outlier, N, 0.8, 7);
    assert_int_equal(nicest_detection_curve(scores, outlier, N, recall, alarms, precision, &points),
                     NICEST_OK);
    assert_true(points > 10 && points < N); /* ties */
    assert_true(recall[0] == 0 && alarms[0] == 0 && precision[0] == 1);
    assert_true(recall[points - 1] == 1 && alarms[points - 1] == 1);
    for (size_t k = 1; k < points; k++) {
        assert_true(recall[k] >= recall[k - 1] && alarms[k] >= alarms[k - 1]);
        area += (alarms[k] - alarms[k - 1]) * (recall[k] + recall[k - 1]) / 2;
        average += (recall[k] - recall[k - 1]) * precision[k];
    }
    nicest_detection all = detect(scores, outlier, N, 0.3);
    assert_near(area, all.auroc, 1e-12);
    assert_near(average, all.auprc, 1e-12);
    size_t at = 0;
    while (recall[at] < all.recall || alarms[at] < all.false_alarms)
        at++;
    assert_near(recall[at], all.recall, 1e-12);
    assert_near(alarms[at], all.false_alarms, 1e-12);
    assert_near(precision[at], all.precision, 1e-12);
    memset(outlier, 0, sizeof outlier);
    assert_int_equal(nicest_detection_curve(scores, outlier, N, recall, alarms, precision, &points),
                     NICEST_OK);
    assert_true(isnan(recall[1]) && alarms[points - 1] == 1);
}

static void agrees_with_scikit_learn(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof golden_detect / sizeof *golden_detect; i++) {
        const golden_detection *g = &golden_detect[i];
        nicest_detection d = detect(g->scores, g->outlier, g->n, g->threshold);
        assert_near(d.auroc, g->auroc, 1e-12);
        assert_near(d.auprc, g->auprc, 1e-12);
        assert_near(d.precision, g->precision, 1e-12);
        assert_near(d.recall, g->recall, 1e-12);
        assert_near(d.f1, g->f1, 1e-12);
        assert_near(d.best_f1, g->best_f1, 1e-12);
    }
}

/* Every allocation may fail: a status, no leak, no change of the result. */
static void memory_may_run_out(void **state)
{
    (void)state;
    double scores[N];
    unsigned char outlier[N];
    nicest_detection d, before;
    memset(&d, 42, sizeof d);
    before = d;
    draw(scores, outlier, N, 0.8, 6);
    size_t live = memory_live();
    for (size_t call = 1;; call++) {
        memory_fail_at(call);
        nicest_status status = nicest_detect(scores, outlier, N, 0, 1, &d);
        memory_fail_at(0);
        assert_int_equal(memory_live(), live);
        if (status == NICEST_OK) {
            assert_true(call > 5);
            return;
        }
        assert_int_equal(status, NICEST_E_MEMORY);
        assert_memory_equal(&d, &before, sizeof d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auroc_is_mann_whitney),
        cmocka_unit_test(only_the_ranking_counts),
        cmocka_unit_test(auroc_turns_round),
        cmocka_unit_test(extremes),
        cmocka_unit_test(best_threshold_is_best),
        cmocka_unit_test(one_kind_alone),
        cmocka_unit_test(infinite_scores_are_ranks_too),
        cmocka_unit_test(bad_input_is_refused),
        cmocka_unit_test(intervals_cover),
        cmocka_unit_test(same_seed_same_interval),
        cmocka_unit_test(curves_hold_the_figures),
        cmocka_unit_test(agrees_with_scikit_learn),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
