/* test_base_values.c - numbers in order, and whether all are finite. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "base/random.h"
#include "base/values.h"

static void sorted_upwards(void **state)
{
    enum { N = 1000 };
    double values[N], sum = 0;
    (void)state;
    random_normal((random_stream){1, RANDOM_USER, 0}, 0, values, N);
    values[7] = -HUGE_VAL;
    values[8] = HUGE_VAL;
    values[9] = values[10] = 0;
    for (size_t i = 0; i < N; i++)
        sum += isfinite(values[i]) ? values[i] : 0;
    values_sort(values, N);
    for (size_t i = 1; i < N; i++)
        assert_true(values[i - 1] <= values[i]);
    for (size_t i = 1; i + 1 < N; i++)
        sum -= values[i];
    assert_true(values[0] == -HUGE_VAL && values[N - 1] == HUGE_VAL && fabs(sum) < 1e-9);
    values_sort(NULL, 0);
}

static void finite_or_not(void **state)
{
    const double values[] = {0, -1e308, NAN, 1, -HUGE_VAL};
    (void)state;
    assert_true(values_finite(values, 2));
    assert_false(values_finite(values, 3));
    assert_true(values_finite(values + 3, 1));
    assert_false(values_finite(values + 3, 2));
    assert_true(values_finite(NULL, 0));
    assert_false(values_missing(values, 2));
    assert_true(values_missing(values, 3));
    assert_false(values_missing(values + 3, 2));
    assert_false(values_missing(NULL, 0));
}

static void logarithms_add_up(void **state)
{
    (void)state;
    assert_true(fabs(log_add(log(2), log(3)) - log(5)) < 1e-15);
    assert_true(log_add(-HUGE_VAL, 1.5) == 1.5 && log_add(1.5, -HUGE_VAL) == 1.5);
    assert_true(log_add(-HUGE_VAL, -HUGE_VAL) == -HUGE_VAL);
    assert_true(fabs(log_add(-1000, -1000) - (-1000 + log(2))) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sorted_upwards),
                                       cmocka_unit_test(finite_or_not),
                                       cmocka_unit_test(logarithms_add_up)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
