/* values.c - see values.h. */
#include "base/values.h"

#include <math.h>
#include <stdlib.h>

bool values_finite(const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            return false;
    return true;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void values_sort(double *values, size_t count)
{
    if (count > 0)
        qsort(values, count, sizeof *values, by_value);
}

double log_add(double a, double b)
{
    double high = fmax(a, b), low = fmin(a, b);
    return low > -HUGE_VAL ? high + log1p(exp(low - high)) : high;
}
