/* conformal.c - see conformal.h. Owns ranks among calibration scores, and nothing else. */
#include "apply/conformal.h"

#include <math.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/status.h"

size_t conformal_rows(size_t held)
{
    if (held >= 399)
        return (held + 1) / 100 * 100 - 1;
    if (held >= 19)
        return (held + 1) / 20 * 20 - 1;
    return held;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void conformal_sort(double *values, size_t n)
{
    if (n > 0)
        qsort(values, n, sizeof *values, by_value);
}

/* Number of values below `score`, or not above it. */
static size_t count_below(const double *sorted, size_t n, double score, int or_equal)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sorted[middle] < score || (or_equal && sorted[middle] == score))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Among k ties the new row takes each of the k+1 places with the same chance. */
double conformal_p(const double *sorted, size_t n, double score, double u)
{
    if (isnan(score))
        return NAN;
    size_t below = count_below(sorted, n, score, 0);
    size_t ties = count_below(sorted, n, score, 1) - below;
    double place = floor(u * (double)(ties + 1));
    return (1 + (double)below + place) / ((double)n + 1);
}

/* p <= rate means #below <= k-1 with k = floor(rate (n+1)): the score is below the k-th smallest.
 * The small excess forgives rates such as 0.05 that binary numbers miss by a hair. */
double conformal_threshold(const double *sorted, size_t n, double rate)
{
    double k = floor(rate * ((double)n + 1) * (1 + 1e-12));
    if (!(k >= 1))
        return -HUGE_VAL;
    return k > (double)n ? HUGE_VAL : sorted[(size_t)k - 1];
}

/* The deal must be fresh for each calibration: one fixed deal of sorted scores would always put the
 * same ranks together. So the scores themselves are its seed. */
nicest_status conformal_groups(const double *sorted, size_t n, size_t size, double centre,
                               double *groups)
{
    size_t count = size ? n / size : 0;
    if (count == 0)
        return fail(NICEST_E_DATA, "%zu calibration rows do not make one group of %zu", n, size);
    uint32_t *order = memory_new(n, sizeof *order);
    if (!order)
        return fail_memory();
    uint64_t seed = file_crc32(sorted, n * sizeof *sorted);
    random_permutation((random_stream){seed, RANDOM_SPLIT, (uint32_t)size}, order, n);
    for (size_t g = 0; g < count; g++) {
        double sum = 0;
        for (size_t i = 0; i < size; i++)
            sum += sorted[order[g * size + i]];
        double mean = sum / (double)size;
        groups[g] = isnan(centre) ? mean : -fabs(mean - centre);
    }
    memory_free(order);
    conformal_sort(groups, count);
    return NICEST_OK;
}
