/* test_base_mixture.c - mixtures of Gaussians: densities that integrate to one with and without
 * holes, fits as good as scikit-learn's, likelihoods that only rise, and bits that stay. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/gaussian.h"
#include "base/memory.h"
#include "base/mixture.h"
#include "golden/mixture.h"

enum { N = 400, D = 3 };

static double all_rows[N * D];

static void assert_near(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance))
        fail_msg("%.17g is not %.17g within %g", a, b, tolerance);
}

/* The rows of golden/make_mixture.py. */
static void make_rows(void)
{
    for (int i = 0; i < N; i++) {
        double *x = all_rows + i * D;
        for (int j = 0; j < D; j++)
            x[j] = sin(12.9898 * (i + 1) + 78.233 * (j + 1) * (i % 17 + 1));
        x[1] += 0.6 * x[0];
        for (int j = 0; j < D; j++)
            x[j] = x[j] * (0.3 + 0.2 * (i % 3)) + 2.0 * (i % 3) * cos(1.0 * j);
    }
}

/* The same with a third of the values missing, and one row without any. */
static void make_holes(double *x)
{
    double u[D];
    memcpy(x, all_rows, sizeof all_rows);
    for (size_t i = 0; i < N; i++) {
        random_uniform_double((random_stream){5, RANDOM_USER, 0}, i, u, D);
        for (size_t j = 0; j < D; j++)
            x[i * D + j] = u[j] < 0.33 || i == 7 ? NAN : x[i * D + j];
    }
}

static mixture *fit(const double *x, size_t n, size_t d, const mixture_options *o, double *logp)
{
    mixture *m = NULL;
    mixture_rows rows = {x, NULL, n, d};
    assert_int_equal(mixture_fit(&m, &rows, o, logp), NICEST_OK);
    return m;
}

static mixture_view *view(const mixture *m)
{
    mixture_view *v = NULL;
    assert_int_equal(mixture_view_new(&v, m, true), NICEST_OK);
    return v;
}

static double density(mixture_view *v, const double *x)
{
    double logp = 0;
    mixture_evaluate(v, x, 1, &logp, NULL);
    return logp;
}

/* scikit-learn's mixture of three parts. */
static mixture *golden(void)
{
    mixture *m = NULL;
    assert_int_equal(mixture_new(&m, D, 3, false), NICEST_OK);
    for (size_t k = 0; k < 3; k++) {
        double *part = m->part + k * mixture_part_size(D, false);
        part[0] = log(golden_weight[k]);
        memcpy(part + 1, golden_mean + k * D, D * sizeof *part);
        memcpy(part + 1 + D, golden_factor + k * 6, 6 * sizeof *part);
    }
    return m;
}

static void fits_are_as_likely_as_scikit_learns(void **state)
{
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        double logp = 0;
        mixture_options o = {.parts = 1 + i % 3,
                             .diagonal = i >= 3,
                             .seed = 1,
                             .tolerance = 1e-7,
                             .iterations = 2000};
        mixture *m = fit(all_rows, N, D, &o, &logp);
        assert_near(logp, golden_likelihood[i], 1e-4);
        mixture_free(m);
    }
}

static void densities_are_scikit_learns(void **state)
{
    (void)state;
    mixture *m = golden();
    mixture_view *v = view(m);
    double logp[8];
    mixture_evaluate(v, all_rows, 8, logp, NULL);
    for (size_t i = 0; i < 8; i++)
        assert_near(logp[i], golden_logp[i], 1e-10);
    mixture_view_free(v);
    mixture_free(m);
}

static void holes_are_numpys(void **state)
{
    (void)state;
    mixture *m = golden();
    mixture_view *v = view(m);
    for (size_t i = 0; i < 8; i++) {
        double x[D];
        memcpy(x, all_rows + i * D, sizeof x);
        x[i % D] = NAN;
        assert_near(density(v, x), golden_marginal[i], 1e-10);
    }
    double none[D] = {NAN, NAN, NAN};
    assert_near(density(v, none), 0, 1e-12);
    mixture_view_free(v);
    mixture_free(m);
}

/* Integrals over one and two hidden columns are the densities of the rest; over all, one. */
static void hidden_columns_integrate_away(void **state)
{
    (void)state;
    for (int diagonal = 0; diagonal < 2; diagonal++) {
        mixture *m =
            fit(all_rows, N, D, &(mixture_options){.parts = 3, .diagonal = diagonal}, NULL);
        mixture_view *v = view(m);
        double line = 0, plane = 0, all = 0, step = 0.02, wide = 0.1;
        for (double y = -8; y < 12; y += step)
            line += step * exp(density(v, (double[]){0.5, y, 0.2}));
        assert_near(log(line), density(v, (double[]){0.5, NAN, 0.2}), 1e-6);
        for (double y = -8; y < 12; y += wide)
            for (double z = -8; z < 12; z += wide) {
                plane += wide * wide * exp(density(v, (double[]){y, 1.1, z}));
                all += wide * wide * exp(density(v, (double[]){y, z, NAN}));
            }
        assert_near(log(plane), density(v, (double[]){NAN, 1.1, NAN}), 1e-3);
        assert_near(all, 1, 1e-3);
        mixture_view_free(v);
        mixture_free(m);
    }
}

static void gradients_are_differences(void **state)
{
    (void)state;
    double x[N * D], logp[N], gradient[N * D], h = 1e-5;
    make_holes(x);
    for (int diagonal = 0; diagonal < 2; diagonal++) {
        mixture *m = fit(x, N, D, &(mixture_options){.parts = 2, .diagonal = diagonal}, NULL);
        mixture_view *v = view(m);
        mixture_evaluate(v, x, N, logp, gradient);
        for (size_t i = 0; i < 40 * D; i++) {
            double row[D];
            memcpy(row, x + i / D * D, sizeof row);
            row[i % D] += h;
            double up = density(v, row);
            row[i % D] -= 2 * h;
            double slope = (up - density(v, row)) / (2 * h);
            assert_near(gradient[i], isnan(x[i]) ? 0 : slope, 1e-5 * (1 + fabs(slope)));
        }
        mixture_view_free(v);
        mixture_free(m);
    }
}

/* One more iteration is never worse, with holes as well. */
static void likelihood_never_falls(void **state)
{
    (void)state;
    double x[N * D];
    make_holes(x);
    for (int i = 0; i < 4; i++) {
        double before = -HUGE_VAL, now = 0;
        for (int more = 1; more < 12; more++) {
            mixture_options o = {.parts = 3,
                                 .diagonal = i % 2,
                                 .restarts = 1,
                                 .iterations = more,
                                 .tolerance = 1e-12};
            mixture_free(fit(i < 2 ? all_rows : x, N, D, &o, &now));
            assert_true(now >= before - 1e-9);
            before = now;
        }
    }
}

/* Two columns, the second missing where a coin says so: maximum likelihood has a closed form
 * (Anderson, 1957), the regression on the complete rows applied to the mean of all. */
static void one_part_with_holes_is_the_closed_form(void **state)
{
    (void)state;
    double x[N * 2], sx = 0, sa = 0, sb = 0, saa = 0, sab = 0, sbb = 0, sxx = 0, n = 0;
    for (size_t i = 0; i < N; i++) {
        double a = x[2 * i] = all_rows[i * D], b = x[2 * i + 1] = all_rows[i * D + 1];
        sx += a;
        sxx += a * a;
        if (i % 3 == 0 || i % 7 == 1) {
            x[2 * i + 1] = NAN;
            continue;
        }
        n++, sa += a, sb += b, saa += a * a, sab += a * b, sbb += b * b;
    }
    double ma = sa / n, mb = sb / n, slope = (sab / n - ma * mb) / (saa / n - ma * ma);
    double mean = mb + slope * (sx / N - ma), variance = sxx / N - sx / N * sx / N;
    double rest = sbb / n - mb * mb - slope * slope * (saa / n - ma * ma), ridge[2] = {0, 0};
    mixture_options o = {.ridge = ridge, .tolerance = 1e-15, .iterations = 500};
    mixture *m = fit(x, N, 2, &o, NULL);
    assert_near(m->part[1], sx / N, 1e-9);
    assert_near(m->part[2], mean, 1e-6);
    assert_near(m->part[3], sqrt(variance), 1e-9);
    assert_near(m->part[4], slope * sqrt(variance), 1e-6);
    assert_near(m->part[5], sqrt(rest), 1e-6);
    mixture_free(m);
}

static void a_weight_is_a_number_of_copies(void **state)
{
    (void)state;
    double twice[2 * N * D], weight[N], one, two;
    for (size_t i = 0, at = 0; i < N; i++) {
        weight[i] = i % 2 ? 0 : 2;
        for (size_t copy = 0; copy < 2 && !(i % 2); copy++, at += D)
            memcpy(twice + at, all_rows + i * D, D * sizeof *twice);
    }
    mixture_options o = {.parts = 3, .tolerance = 1e-8, .restarts = 5};
    mixture *a = NULL, *b = fit(twice, N, D, &o, &two);
    mixture_rows rows = {all_rows, weight, N, D};
    assert_int_equal(mixture_fit(&a, &rows, &o, &one), NICEST_OK);
    assert_near(one, two, 1e-5);
    mixture_free(a);
    mixture_free(b);
}

/* Neither threads nor the rows beside a row change a bit. */
static void bits_stay(void **state)
{
    (void)state;
    double x[N * D], together[N], gradient[N * D], alone, slope[D];
    make_holes(x);
    mixture *m[2];
    for (int i = 0; i < 2; i++)
        m[i] = fit(x, N, D, &(mixture_options){.parts = 4, .threads = 1 + 2 * i}, NULL);
    assert_memory_equal(m[0]->part, m[1]->part, 4 * mixture_part_size(D, false) * sizeof(double));
    mixture_view *v = view(m[0]);
    mixture_evaluate(v, x, N, together, gradient);
    for (size_t i = N; i-- > 0;) {
        mixture_evaluate(v, x + i * D, 1, &alone, slope);
        assert_true(alone == together[i]);
        assert_memory_equal(slope, gradient + i * D, sizeof slope);
    }
    mixture_view_free(v);
    mixture_free(m[0]);
    mixture_free(m[1]);
}

/* Draws have the moments that the density gives them. */
static void draws_have_the_right_moments(void **state)
{
    (void)state;
    enum { DRAWS = 40000 };
    const random_stream stream = {3, RANDOM_SAMPLE, 0};
    for (int diagonal = 0; diagonal < 2; diagonal++) {
        mixture *m =
            fit(all_rows, N, D, &(mixture_options){.parts = 3, .diagonal = diagonal}, NULL);
        double sum[D] = {0}, truth[D] = {0}, cold[D], x[D];
        for (uint64_t i = 0; i < DRAWS; i++) {
            mixture_sample(m, stream, i, 1, x);
            for (size_t j = 0; j < D; j++)
                sum[j] += x[j] / DRAWS;
        }
        for (size_t j = 0; j < D; j++) {
            for (size_t i = 0; i < N; i++)
                truth[j] += all_rows[i * D + j] / N;
            assert_near(sum[j], truth[j], 0.05);
        }
        mixture_sample(m, stream, 5, 0, cold); /* without heat: a part's mean */
        bool found = false;
        for (size_t k = 0; k < 3; k++)
            found = found || cold[0] == m->part[k * mixture_part_size(D, diagonal) + 1];
        assert_true(found);
        mixture_free(m);
    }
}

/* Values that each column has, in a row that no part has: as unlikely as one row among all, with
 * independent columns. The parts are what they are without a background, and weights add up. */
static void a_background_bounds_what_a_row_alone_costs(void **state)
{
    (void)state;
    for (int diagonal = 0; diagonal < 2; diagonal++) {
        double rows[N * D], logp[2], weights = 0;
        for (size_t i = 0; i < N; i++) { /* the last column is the first, but for a little */
            memcpy(rows + i * D, all_rows + i * D, D * sizeof *rows);
            rows[i * D + D - 1] = rows[i * D] + 1e-3 * all_rows[i * D + D - 1];
        }
        mixture_options o = {.parts = 2, .diagonal = diagonal, .seed = 1};
        mixture *plain = fit(rows, N, D, &o, NULL);
        o.background = true;
        mixture *m = fit(rows, N, D, &o, NULL);
        assert_int_equal(m->parts, 3);
        size_t size = mixture_part_size(D, diagonal);
        for (size_t k = 0; k < 3; k++)
            weights += exp(m->part[k * size]);
        assert_near(weights, 1, 1e-12);
        assert_near(m->part[2 * size], -log(N + 1.0), 1e-12);
        for (size_t i = 1; i < 2 * size && !diagonal; i++) /* but of weights */
            assert_true(i == size || fabs(m->part[i] - plain->part[i]) < 0.05);
        double broken[2 * D];
        memcpy(broken, rows, sizeof broken);
        broken[D - 1] += 3;
        mixture_view *v = view(m), *other = view(plain);
        mixture_evaluate(v, broken, 2, logp, NULL);
        assert_true(logp[0] > -log(N + 1.0) - 20);
        assert_true(diagonal || density(other, broken) < -1e4);
        assert_near(logp[1], density(other, broken + D), 0.1); /* as before */
        broken[1] = NAN;                                       /* what is seen is judged alike */
        assert_true(density(v, broken) > -log(N + 1.0) - 20);
        mixture_view_free(v);
        mixture_view_free(other);
        mixture_free(plain);
        mixture_free(m);
    }
}

static void the_number_of_groups_is_found(void **state)
{
    (void)state;
    size_t parts = 0;
    mixture_rows rows = {all_rows, NULL, N, D};
    double held_out = 0;
    const mixture_options o = {.seed = 1};
    assert_int_equal(mixture_choose(&parts, &rows, &o, 64, &held_out), NICEST_OK);
    assert_in_range(parts, 3, 16);
    assert_true(held_out > golden_likelihood[1]);
    assert_int_equal(mixture_choose(&parts, &rows, &o, 2, NULL), NICEST_OK);
    assert_int_equal(parts, 2);
    const mixture_options hurried = {.seed = 1, .seconds = 1e-9};
    assert_int_equal(mixture_choose(&parts, &rows, &hurried, 64, NULL), NICEST_OK);
    assert_int_equal(parts, 1);
    for (rows.n = 1; rows.n < 12; rows.n += 5) {
        assert_int_equal(mixture_choose(&parts, &rows, &o, 64, NULL), NICEST_OK);
        assert_int_equal(parts, 1);
    }
}

/* A row that is alone far out is likely under a mixture with a part of its own, and not under one
 * that never saw it; what is returned is the average of the five densities. */
static void a_cross_fit_leaves_each_row_out(void **state)
{
    double x[N * D], inside[N], outside[N], weights = 0, mean[2] = {0};
    mixture_rows rows = {x, NULL, N, D};
    mixture_options o = {.parts = 4, .seed = 3, .ridge = (const double[D]){1e-4, 1e-4, 1e-4}};
    mixture *m = NULL;
    (void)state;
    memcpy(x, all_rows, sizeof x);
    for (size_t i = 0; i < 3; i++)
        x[7 * D + i] = 40;
    assert_int_equal(mixture_cross_fit(&m, &rows, &o, outside), NICEST_OK);
    assert_int_equal(m->parts, 20);
    for (size_t k = 0; k < m->parts; k++)
        weights += exp(m->part[k * mixture_part_size(D, false)]);
    assert_near(weights, 1, 1e-12);
    mixture_view *v = view(m);
    mixture_evaluate(v, x, N, inside, NULL);
    for (size_t i = 0; i < N; i++) {
        mean[0] += i == 7 ? 0 : inside[i] / N;
        mean[1] += i == 7 ? 0 : outside[i] / N;
    }
    assert_true(inside[7] > -15 && outside[7] < -100);
    assert_true(mean[1] < mean[0] && mean[0] - mean[1] < 0.5);
    mixture_view_free(v);
    mixture_free(m);
}

/* More columns than rows, equal rows, a constant column: the ridge holds, and it is a density. */
static void degenerate_rows_are_survived(void **state)
{
    (void)state;
    double wide[5 * 40], same[20 * D] = {0}, logp;
    for (size_t i = 0; i < 5 * 40; i++)
        wide[i] = sin((double)(i * i));
    mixture_free(fit(wide, 5, 40, &(mixture_options){.parts = 1}, &logp));
    assert_true(isfinite(logp));
    mixture_free(fit(wide, 5, 40, &(mixture_options){.parts = 5}, &logp));
    assert_true(isfinite(logp));
    for (size_t parts = 1; parts <= 20; parts += 19) {
        mixture *m = fit(same, 20, D, &(mixture_options){.parts = parts}, &logp);
        mixture_view *v = view(m);
        assert_true(isfinite(logp) && density(v, (double[]){0, 0, 1}) < logp - 100);
        assert_true(density(v, (double[]){0, HUGE_VAL, 0}) == -HUGE_VAL);
        mixture_view_free(v);
        mixture_free(m);
    }
}

static void bad_rows_are_refused(void **state)
{
    (void)state;
    double x[6] = {1, 2, 3, 4, 5, 6};
    mixture *m = NULL;
    mixture_rows rows = {x, NULL, 3, 2};
    assert_int_equal(mixture_fit(&m, &rows, &(mixture_options){.parts = 4}, NULL), NICEST_E_DATA);
    assert_non_null(strstr(nicest_error(), "a mixture of 4 parts"));
    x[3] = -HUGE_VAL;
    assert_int_equal(mixture_fit(&m, &rows, &(mixture_options){0}, NULL), NICEST_E_DATA);
    assert_non_null(strstr(nicest_error(), "row 2, column 2"));
    x[1] = x[3] = x[5] = NAN;
    assert_int_equal(mixture_fit(&m, &rows, &(mixture_options){0}, NULL), NICEST_E_DATA);
    assert_non_null(strstr(nicest_error(), "column 2 has no value"));
    assert_null(m);
}

static void memory_may_run_out(void **state)
{
    (void)state;
    double x[N * D];
    mixture *m = NULL;
    size_t live = memory_live();
    make_holes(x);
    mixture_rows rows = {x, NULL, 50, D};
    for (size_t call = 1; !m; call++) {
        memory_fail_at(call);
        mixture_options o = {.iterations = 1, .threads = 2};
        nicest_status status = mixture_choose(&o.parts, &rows, &o, 2, NULL);
        if (status == NICEST_OK)
            status = mixture_fit(&m, &rows, &o, NULL);
        memory_fail_at(0);
        assert_int_equal(status, m ? NICEST_OK : NICEST_E_MEMORY);
        assert_true(m || memory_live() == live);
    }
    mixture_free(m);
    assert_int_equal(memory_live(), live);
}

/* The inverse of a factor, and what it leaves of columns that are not seen. */
static void factors_invert_and_condition(void **state)
{
    (void)state;
    double mean[D], covariance[6], factor[6], inverse[6], z[D];
    gaussian_moments(all_rows, NULL, N, D, 1, mean, covariance);
    memcpy(factor, covariance, sizeof factor);
    gaussian_factor(factor, D, 0);
    memcpy(inverse, factor, sizeof inverse);
    gaussian_invert(inverse, D);
    for (size_t j = 0; j < D; j++) {
        double unit[D] = {0};
        unit[j] = 1;
        gaussian_multiply(inverse, D, unit, z);
        gaussian_multiply(factor, D, z, unit);
        for (size_t i = 0; i < D; i++)
            assert_near(unit[i], i == j, 1e-12);
    }
    gaussian_condition(covariance, D, 1, 0);
    assert_near(covariance[1], factor[1], 1e-15);
    assert_near(covariance[3], factor[3] * factor[3], 1e-12);
    assert_near(covariance[4], factor[3] * factor[4], 1e-12);
    assert_near(covariance[5], factor[4] * factor[4] + factor[5] * factor[5], 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fits_are_as_likely_as_scikit_learns),
        cmocka_unit_test(densities_are_scikit_learns),
        cmocka_unit_test(holes_are_numpys),
        cmocka_unit_test(hidden_columns_integrate_away),
        cmocka_unit_test(gradients_are_differences),
        cmocka_unit_test(likelihood_never_falls),
        cmocka_unit_test(one_part_with_holes_is_the_closed_form),
        cmocka_unit_test(a_weight_is_a_number_of_copies),
        cmocka_unit_test(bits_stay),
        cmocka_unit_test(draws_have_the_right_moments),
        cmocka_unit_test(a_background_bounds_what_a_row_alone_costs),
        cmocka_unit_test(the_number_of_groups_is_found),
        cmocka_unit_test(a_cross_fit_leaves_each_row_out),
        cmocka_unit_test(degenerate_rows_are_survived),
        cmocka_unit_test(bad_rows_are_refused),
        cmocka_unit_test(memory_may_run_out),
        cmocka_unit_test(factors_invert_and_condition),
    };
    make_rows();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
