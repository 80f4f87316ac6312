/* mean.c - how far a mean of scores can be trusted. */
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/status.h"
#include "base/values.h"
#include "nicest.h"

typedef struct weighed {
    double value, weight;
} weighed;

static int by_weighed_value(const void *a, const void *b)
{
    const weighed *x = a, *y = b;
    return (x->value > y->value) - (x->value < y->value);
}

/* Each distinct value is a cluster: the sum of its deviations is one term. */
nicest_status nicest_standard_error(const double *values, const double *weights, size_t n,
                                    double *error)
{
    double mean = 0, square = 0, all = 0;
    size_t count = 0, distinct = 0;
    TRY(require(error && (values || n == 0), "values and a place are needed"));
    OWNED_NEW(weighed *, sorted, n);
    for (size_t i = 0; i < n; i++)
        if (!isnan(values[i]))
            sorted[count++] = (weighed){values[i], values_weight(weights, i)};
    for (size_t i = 0; i < count; i++)
        all += sorted[i].weight;
    for (size_t i = 0; i < count; i++)
        mean += sorted[i].value * (sorted[i].weight / all);
    if (count)
        qsort(sorted, count, sizeof *sorted, by_weighed_value);
    for (size_t i = 0, end; i < count; i = end, distinct++) {
        double weight = 0;
        for (end = i; end < count && sorted[end].value == sorted[i].value; end++)
            weight += sorted[end].weight;
        square += pow(weight * (sorted[i].value - mean), 2);
    }
    double k = (double)distinct;
    *error = distinct > 1 ? sqrt(square * k / (k - 1)) / all : NAN;
    return NICEST_OK;
}
