/* Elementwise arithmetic against the C library in long double: dense grids, huge, tiny and
 * non-finite values, odd lengths, and runs that end where the mapped memory ends.
 *
 * Built for float here and for double by test_kernel_vector_double.c. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "guard_pages.h"
#include "kernel/vector.h"

#ifdef NICEST_DOUBLE
#define EPSILON DBL_EPSILON
#define MOST    DBL_MAX
#define LEAST   DBL_MIN
#else
#define EPSILON FLT_EPSILON
#define MOST    FLT_MAX
#define LEAST   FLT_MIN
#endif

enum { LONGEST = 300 };

/* Values that have caught many an approximation, and a grid between -110 and 110. */
static size_t interesting(real *x, size_t room)
{
    static const double special[] = {0.0,    -0.0,   1e-30,  -1e-30, 1e-7,  -1e-7, 0.5,
                                     -0.5,   0.6249, 0.6251, 1.0,    -1.0,  9.0,   -9.0,
                                     20.0,   -20.0,  87.3,   -87.3,  88.7,  -88.0, 103.9,
                                     -103.9, 1e4,    -1e4,   1e30,   -1e30, 3e-39};
    size_t n = 0;
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        x[n++] = (real)special[i];
    while (n < room) {
        x[n] = (real)(-110.0 + 220.0 * (double)n / (double)room);
        n++;
    }
    return n;
}

static void assert_near(const char *what, double x, double got, long double want, double bound)
{
    if (isnan(want) && isnan(got))
        return;
    if (isinf(want) && (long double)got == want)
        return;
    if (!(fabsl(got - want) <= bound))
        fail_msg("%s(%.17g) is %.17g instead of %.17Lg (bound %g)", what, x, got, want, bound);
}

enum { GRID = 40000 };
static real grid[GRID], result[GRID], slope[GRID];

static double relative(long double want, double ulps)
{
    return ulps * EPSILON * (double)fabsl(want) + LEAST;
}

static void test_tanh(void **state)
{
    (void)state;
    size_t n = interesting(grid, GRID);
    memcpy(result, grid, sizeof grid);
    vector_activate(ACTIVATION_TANH, result, slope, n);
    for (size_t i = 0; i < n; i++) {
        long double want = tanhl(grid[i]);
        assert_near("tanh", grid[i], result[i], want, relative(want, 2.5));
        assert_near("tanh'", grid[i], slope[i], 1 - want * want, 8 * EPSILON);
    }
    for (int i = 0; i < 20000; i++)
        grid[i] = result[i] = (real)(-1.25 + i / 8000.0);
    vector_activate(ACTIVATION_TANH, result, NULL, 20000);
    for (int i = 0; i < 20000; i++)
        assert_near("tanh", grid[i], result[i], tanhl(grid[i]), relative(tanhl(grid[i]), 2.5));
}

static void test_silu(void **state)
{
    (void)state;
    size_t n = interesting(grid, GRID);
    memcpy(result, grid, sizeof grid);
    vector_activate(ACTIVATION_SILU, result, slope, n);
    for (size_t i = 0; i < n; i++) {
        long double x = grid[i], s = 1 / (1 + expl(-x));
        long double rest = 1 / (1 + expl(x));
        long double want = s * (1 + x * rest);
        assert_near("silu", grid[i], result[i], x * s, relative(x * s, 4));
        assert_near("silu'", grid[i], slope[i], want, 6 * EPSILON);
    }
}

/* Distance in units of the last place of `want`, below the normal numbers too. */
static double in_ulps(double got, long double want)
{
    real nearest = (real)want;
    if (isnan(want) || isinf(nearest))
        return (isnan(want) && isnan(got)) || got == (double)nearest ? 0 : INFINITY;
    long double size = fabsl(want) < LEAST ? LEAST : fabsl(want);
    int exponent;
    frexpl(size, &exponent);
    return (double)(fabsl(got - want) / ldexpl(EPSILON, exponent - 1));
}

/* Every sign, exponent and many fractions: zeros, denormals, infinities and NaN among them. */
static size_t whole_range(real *x)
{
    size_t n = 0;
    for (uint32_t i = 0; i < GRID; i++) {
        uint32_t bits = i < 4096 ? i << 20 : i * 107374u + i % 13;
        float value;
        memcpy(&value, &bits, sizeof value);
        x[n++] = (real)value;
    }
    return n;
}

typedef void (*sloped_function)(real *, const real *, real *, size_t);

static void exp_without_slope(real *y, const real *x, real *d, size_t n)
{
    (void)d;
    vector_exp(y, x, n);
}

static void log_without_slope(real *y, const real *x, real *d, size_t n)
{
    (void)d;
    vector_log(y, x, n);
}

static long double true_value(int which, long double x, long double *want_slope)
{
    long double t = expl(-fabsl(x));
    *want_slope = (x > 0 ? 1 : t) / (1 + t);
    return which == 0 ? expl(x) : which == 1 ? logl(x) : (x < 0 ? 0 : x) + log1pl(t);
}

/* exp, log and softplus within the bounds that the header states; in place too, and
 * without a slope, with the same bits. */
static void test_functions(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        sloped_function run;
        double bound, slope_bound;
    } functions[] = {{"exp", exp_without_slope, 1.1, 0},
                     {"log", log_without_slope, 1, 0},
                     {"softplus", vector_softplus, 3, 3}};
    for (int f = 0; f < 3; f++) {
        for (int grids = 0; grids < 2; grids++) {
            size_t n = grids ? interesting(grid, GRID) : whole_range(grid);
            functions[f].run(result, grid, slope, n);
            for (size_t i = 0; i < n; i++) {
                long double want_slope, want = true_value(f, grid[i], &want_slope);
                double error = in_ulps(result[i], want);
                double slope_error = f < 2 ? 0 : in_ulps(slope[i], want_slope);
                if (!(error <= functions[f].bound && slope_error <= functions[f].slope_bound))
                    fail_msg("%s(%.17g) is %.17g: %g ulp, slope %g ulp", functions[f].name,
                             (double)grid[i], (double)result[i], error, slope_error);
            }
            functions[f].run(grid, grid, NULL, n);
            for (size_t i = 0; i < n; i++)
                assert_true(grid[i] == result[i] || (isnan(grid[i]) && isnan(result[i])));
        }
    }
}

static void test_functions_of_nonfinite(void **state)
{
    (void)state;
    const real x[6] = {NAN, INFINITY, -INFINITY, 0, (real)-0.0, -1};
    real y[6], d[6];
    vector_exp(y, x, 6);
    assert_true(isnan(y[0]) && y[1] == INFINITY && y[2] == 0 && y[3] == 1 && y[4] == 1);
    vector_log(y, x, 6);
    assert_true(isnan(y[0]) && y[1] == INFINITY && isnan(y[2]) && y[3] == -INFINITY);
    assert_true(y[4] == -INFINITY && isnan(y[5]));
    vector_softplus(y, x, d, 6);
    assert_true(isnan(y[0]) && isnan(d[0]) && y[1] == INFINITY && d[1] == 1 && y[2] == 0);
    assert_true(d[2] == 0);
}

static void test_relu(void **state)
{
    (void)state;
    real x[5] = {-1, 0, 2, -INFINITY, INFINITY}, d[5];
    vector_activate(ACTIVATION_RELU, x, d, 5);
    real want[5] = {0, 0, 2, 0, INFINITY}, want_slope[5] = {0, 0, 1, 0, 1};
    assert_memory_equal(x, want, sizeof want);
    assert_memory_equal(d, want_slope, sizeof want_slope);
    vector_activate(ACTIVATION_NONE, x, d, 5);
    assert_memory_equal(x, want, sizeof want);
    assert_true(d[0] == 1 && d[4] == 1);
}

/* What a density adds to nothing. */
static double one(void (*density)(const real *, real *, double *, size_t), real h, real *dh)
{
    double logp = 0;
    density(&h, dh, &logp, 1);
    return logp;
}

/* -|h| - 2 log(1 + exp(-|h|)) */
static long double logistic(long double h)
{
    return -fabsl(h) - 2 * log1pl(expl(-fabsl(h)));
}

static void test_logistic(void **state)
{
    (void)state;
    size_t n = interesting(grid, GRID);
    for (size_t i = 0; i < n; i++) {
        real dh;
        double got = one(vector_logistic, grid[i], &dh);
        long double want = logistic(grid[i]);
        assert_near("logistic", grid[i], got, want, 1.5 * EPSILON * (double)fabsl(want));
        assert_near("logistic'", grid[i], dh, -tanhl((long double)grid[i] / 2), 2 * EPSILON);
        assert_true(one(vector_logistic, grid[i], NULL) == got);
    }
}

static void test_densities_of_nonfinite(void **state)
{
    (void)state;
    const real infinity = INFINITY;
    real dh;
    assert_true(isnan(one(vector_logistic, NAN, &dh)) && isnan(dh));
    assert_true(one(vector_logistic, infinity, &dh) == -INFINITY && dh == -1);
    assert_true(one(vector_logistic, -infinity, &dh) == -INFINITY && dh == 1);
    assert_true(isnan(one(vector_normal, NAN, &dh)) && isnan(dh));
    assert_true(one(vector_normal, -infinity, &dh) == -INFINITY && dh == infinity);
}

static void test_normal(void **state)
{
    (void)state;
    size_t n = interesting(grid, 1000);
    for (size_t i = 0; i < n; i++) {
        real dh;
        long double h = grid[i], want = -h * h / 2 - 0.91893853320467274178L;
        if (fabsl(h) > 1e15L)
            continue;
        assert_near("normal", grid[i], one(vector_normal, grid[i], &dh), want,
                    4 * DBL_EPSILON * (double)fabsl(want));
        assert_true(dh == -grid[i]);
    }
}

/* Every length up to LONGEST, at the end of a page: sums against long double, loops element by
 * element, and nothing outside is touched. */
static void test_lengths(void **state)
{
    (void)state;
    for (size_t n = 0; n <= LONGEST; n++) {
        guarded a = guard_new(n * sizeof(real)), b = guard_new(n * sizeof(real));
        real *x = a.data, *y = b.data;
        long double sum = 0, dot = 0, most = 0;
        double normal[LONGEST] = {0}, density[LONGEST];
        for (size_t i = 0; i < n; i++) {
            x[i] = (real)((double)(i * 7919 % 1000) / 250 - 2);
            y[i] = (real)((double)(i * 104729 % 1000) / 500 - 1);
            sum += x[i];
            dot += (long double)x[i] * y[i];
            density[i] = 1;
            most = fabsl(x[i]) > most ? fabsl(x[i]) : most;
        }
        double bound = (double)n * DBL_EPSILON * 4;
        assert_near("sum", (double)n, vector_sum(x, n), sum, bound);
        assert_near("dot", (double)n, vector_dot(x, y, n), dot, bound);
        vector_normal(x, NULL, normal, n);
        vector_logistic(x, NULL, density, n);
        for (size_t i = 0; i < n; i++) {
            assert_true(normal[i] == one(vector_normal, x[i], NULL));
            assert_true(density[i] == 1 + one(vector_logistic, x[i], NULL));
        }
        assert_true((long double)vector_max_abs(x, n) == most);
        for (int loop = 0; loop < 4; loop++) {
            real before[LONGEST], want;
            memcpy(before, y, n * sizeof(real));
            switch (loop) {
            case 0:
                vector_multiply(y, x, n);
                break;
            case 1:
                vector_scale(y, (real)0.75, n);
                break;
            case 2:
                vector_add_scaled(y, x, (real)0.25, n);
                break;
            default:
                vector_fill(y, 3, n);
            }
            for (size_t i = 0; i < n; i++) {
                real u = before[i];
                want = loop == 0   ? u * x[i]
                       : loop == 1 ? u * (real)0.75
                       : loop == 2 ? u + (real)0.25 * x[i]
                                   : 3;
                assert_near("loop", loop, y[i], want, 2 * EPSILON * (fabs((double)want) + 4));
            }
        }
        vector_activate(ACTIVATION_SILU, x, y, n);
        vector_activate(ACTIVATION_TANH, x, y, n);
        vector_softplus(x, x, y, n);
        vector_log(y, x, n);
        vector_exp(x, y, n);
        guard_free(&a);
        guard_free(&b);
    }
}

static void test_max_abs(void **state)
{
    (void)state;
    real x[37];
    for (int i = 0; i < 37; i++) {
        for (int j = 0; j < 37; j++)
            x[j] = (real)(j % 5) - 2;
        assert_true(vector_max_abs(x, 37) == 2);
        x[i] = -7;
        assert_true(vector_max_abs(x, 37) == 7);
        x[i] = NAN;
        assert_true(isinf(vector_max_abs(x, 37)));
        x[i] = -(real)NAN;
        assert_true(isinf(vector_max_abs(x, 37)));
        x[i] = -INFINITY;
        assert_true(isinf(vector_max_abs(x, 37)));
        x[i] = (real)-MOST;
        assert_true(vector_max_abs(x, 37) == (real)MOST);
    }
    assert_true(vector_max_abs(x, 0) == 0);
}

/* Cancellation that a float sum would lose. */
static void test_sums_are_double(void **state)
{
    (void)state;
    real x[1001];
    for (int i = 0; i < 1001; i++)
        x[i] = i == 0 ? (real)16777216 : i == 1000 ? (real)-16777216 : (real)0.5;
    assert_true(vector_sum(x, 1001) == 499.5);
    real ones[1001];
    vector_fill(ones, 1, 1001);
    assert_true(vector_dot(x, ones, 1001) == 499.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tanh),
        cmocka_unit_test(test_silu),
        cmocka_unit_test(test_functions),
        cmocka_unit_test(test_functions_of_nonfinite),
        cmocka_unit_test(test_relu),
        cmocka_unit_test(test_logistic),
        cmocka_unit_test(test_densities_of_nonfinite),
        cmocka_unit_test(test_normal),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_max_abs),
        cmocka_unit_test(test_sums_are_double),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
