/* The normal distribution: values from mpmath (50 digits), the C library's erfcl over the whole
 * range, and quantiles that return to their probability, with the ends of double among them. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/normal.h"

static void assert_close(double got, long double want, double bound)
{
    if (!(fabsl(got - want) <= bound * fabsl(want)))
        print_error("%.17g, expected %.17Lg\n", got, want);
    assert_true(fabsl(got - want) <= bound * fabsl(want));
}

/* python3: mpmath.mp.dps = 50; cdf = erfc(-x / sqrt(2)) / 2, quantiles by mpmath.findroot. */
static void test_known_values(void **state)
{
    static const double of_x[][3] = {{-1, 0.15865525393145705141, -1.8410216450092635058},
                                     {-5, 2.8665157187919391167e-7, -15.064998393988725736},
                                     {-20, 2.7536241186062336951e-89, -203.91715537109726394},
                                     {-37.5, 4.6053530095819548438e-308, -707.66898931750719107},
                                     {2, 0.9772498680518207928, -0.023012909328963488465},
                                     {-50, 0, -1254.8313611394199013},
                                     {-1e4, 0, -50000010.129278915181}};
    static const double of_p[][2] = {{1e-4, -3.7190164854556805523},
                                     {1e-10, -6.3613409024040561991},
                                     {1e-100, -21.273453560965324294},
                                     {1e-300, -37.047096299361199237}};
    static const double of_log[][2] = {{-1000, -44.61574773196940302},
                                       {-1e4, -141.3798398731271637},
                                       {-1e6, -1414.207782991017327}};
    (void)state;
    for (size_t i = 0; i < sizeof of_x / sizeof *of_x; i++) {
        assert_close(normal_cdf(of_x[i][0]), of_x[i][1], 1e-14);
        assert_close(normal_log_cdf(of_x[i][0]), of_x[i][2], 1e-15);
    }
    for (size_t i = 0; i < sizeof of_p / sizeof *of_p; i++) {
        assert_close(normal_quantile(of_p[i][0]), of_p[i][1], 1e-15);
        assert_close(normal_quantile_of_log(log(of_p[i][0])), of_p[i][1], 1e-15);
    }
    for (size_t i = 0; i < sizeof of_log / sizeof *of_log; i++)
        assert_close(normal_quantile_of_log(of_log[i][0]), of_log[i][1], 1e-15);
    assert_close(normal_log_density(3), -5.4189385332046727418L, 1e-15);
}

static void test_functions_agree(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        double x = -37.5 + i * (46.0 / 20000);
        long double z = (long double)x * 0.70710678118654752440084436L;
        long double tail = 0.5L * erfcl(-z), other = 0.5L * erfcl(z);
        assert_close(normal_cdf(x), tail, 1e-14);
        assert_close(normal_log_cdf(x), x < 0 ? logl(tail) : log1pl(-other), 1e-14);
        if (x > 0)
            continue;
        double p = normal_cdf(x);
        assert_true(fabs(normal_quantile(p) - x) < 1e-14 * fmax(fabs(x), 1));
        assert_true(fabs(normal_quantile_of_log(normal_log_cdf(x)) - x) < 1e-14 * fmax(fabs(x), 1));
        if (p > 1e-3) /* the other tail, as far as it can be said */
            assert_true(fabs(normal_quantile(1 - p) + x) < 1e-12);
    }
    for (double x = -37; x > -1e150; x *= 1.37) /* where the probability itself has ended */
        assert_close(normal_quantile_of_log(normal_log_cdf(x)), x, 1e-14);
}

static void test_monotone(void **state)
{
    (void)state;
    double before = -INFINITY;
    for (int i = 1; i < 100000; i++) {
        double x = normal_quantile(i * 1e-5);
        assert_true(x > before);
        before = x;
    }
    before = -INFINITY; /* over the seams of the approximations, in the tail */
    for (double log_p = -800; log_p < -0.7; log_p += 0.01) {
        double x = normal_quantile_of_log(log_p);
        assert_true(x > before);
        before = x;
    }
}

static void test_ends(void **state)
{
    (void)state;
    assert_true(normal_quantile(0) == -INFINITY && normal_quantile(1) == INFINITY);
    assert_true(normal_quantile(0.5) == 0 && normal_quantile_of_log(-INFINITY) == -INFINITY);
    assert_true(isnan(normal_quantile(2)) && isnan(normal_quantile(-1e-9)));
    assert_true(normal_cdf(INFINITY) == 1 && normal_cdf(-INFINITY) == 0 && normal_cdf(0) == 0.5);
    assert_true(normal_log_cdf(INFINITY) == 0 && normal_log_cdf(-INFINITY) == -INFINITY);
    assert_true(normal_log_cdf(-1e300) == -INFINITY && normal_log_cdf(1e300) == 0);
    assert_true(isnan(normal_cdf(NAN)) && isnan(normal_log_cdf(NAN)) &&
                isnan(normal_quantile(NAN)));
    assert_true(isnan(normal_quantile_of_log(NAN)) && isnan(normal_log_density(NAN)));
    assert_close(normal_quantile(DBL_TRUE_MIN), -38.4674056173L, 1e-10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_functions_agree),
        cmocka_unit_test(test_monotone),
        cmocka_unit_test(test_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
