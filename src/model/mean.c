/* mean.c - how far a mean of scores can be trusted. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "nicest.h"

static int by_score(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Each distinct value is a cluster: the sum of its deviations is one term. */
nicest_status nicest_standard_error(const double *values, size_t n, double *error)
{
    double *sorted = memory_new(n, sizeof *sorted), mean = 0, square = 0;
    size_t count = 0, distinct = 0;
    if ((n && !values) || !error || !sorted) {
        memory_free(sorted);
        return sorted ? fail(NICEST_E_ARGUMENT, "values and a place are needed") : fail_memory();
    }
    for (size_t i = 0; i < n; i++)
        if (!isnan(values[i]))
            sorted[count++] = values[i];
    for (size_t i = 0; i < count; i++)
        mean += sorted[i] / (double)count;
    if (count)
        qsort(sorted, count, sizeof *sorted, by_score);
    for (size_t i = 0, end; i < count; i = end, distinct++) {
        for (end = i + 1; end < count && sorted[end] == sorted[i];)
            end++;
        square += pow((double)(end - i) * (sorted[i] - mean), 2);
    }
    memory_free(sorted);
    double k = (double)distinct, all = (double)count;
    *error = distinct > 1 ? sqrt(square * k / (k - 1)) / all : NAN;
    return NICEST_OK;
}
