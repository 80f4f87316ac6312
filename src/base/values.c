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

bool values_missing(const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (isnan(values[i]))
            return true;
    return false;
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

size_t values_count(const double *sorted, size_t n, double x, bool equal)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sorted[middle] < x || (equal && sorted[middle] == x))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void values_moments(const double *x, size_t n, size_t stride, double *mean, double *deviation)
{
    double sum = 0, square = 0, seen = 0;
    for (size_t i = 0; i < n; i++)
        if (!isnan(x[i * stride])) {
            sum += x[i * stride];
            seen++;
        }
    *mean = seen > 0 ? sum / seen : 0;
    for (size_t i = 0; i < n; i++)
        if (!isnan(x[i * stride]))
            square += (x[i * stride] - *mean) * (x[i * stride] - *mean);
    *deviation = seen > 0 ? sqrt(square / seen) : 0;
}

double values_worth(const double *weights, size_t n, size_t stride)
{
    double sum = 0, square = 0;
    for (size_t i = 0; weights && i < n; i++) {
        sum += weights[i * stride];
        square += weights[i * stride] * weights[i * stride];
    }
    return square > 0 ? sum * sum / square : (double)n;
}

size_t values_weighted_row(const double *sums, size_t rows, size_t i, size_t n)
{
    return values_count(sums, rows - 1, ((double)i + 0.5) / (double)n * sums[rows - 1], false);
}

double values_worse(double a, double b)
{
    return isnan(a) || isnan(b) ? NAN : fmax(a, b);
}

double log_add(double a, double b)
{
    double high = fmax(a, b), low = fmin(a, b);
    return low > -HUGE_VAL ? high + log1p(exp(low - high)) : high;
}

/* Where many tie beyond nine tenths, the mean is told from what lies below: of an exponential
 * distribution, the median is 1.6 such means away. */
double values_surprisal(const double *sorted, size_t n, double value)
{
    size_t ninth = n * 9 / 10, beyond = 0;
    double bend = sorted[ninth], excess = 0;
    for (size_t i = ninth; i < n && sorted[i] < 1e300; i++, beyond++)
        excess += sorted[i] - bend;
    excess = fmax(excess / (double)(beyond ? beyond : 1), (bend - sorted[n / 2]) / 8);
    excess = fmax(excess, 1e-9 * fmax(fabs(bend), 1e-9));
    if (value > bend)
        return log(10) + (value - bend) / excess;
    size_t below = values_count(sorted, n, value, false);
    return fmin(-log((double)(n - below) / (double)n), log(10));
}
