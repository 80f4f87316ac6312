/* conformal.c - see conformal.h. Owns ranks among calibration scores, and nothing else. */
#include "apply/conformal.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/status.h"
#include "base/values.h"

size_t conformal_rows(size_t held)
{
    if (held >= 399)
        return (held + 1) / 100 * 100 - 1;
    if (held >= 19)
        return (held + 1) / 20 * 20 - 1;
    return held;
}

double conformal_p(const double *sorted, size_t n, double score)
{
    assert(sorted || n == 0);
    size_t until = values_count(sorted, n, score, true);
    return isnan(score) ? NAN : (1 + (double)until) / ((double)n + 1);
}

static int by_conformal_score(const void *a, const void *b)
{
    const conformal_row *x = a, *y = b;
    return (x->score > y->score) - (x->score < y->score);
}

nicest_status conformal_weigh(conformal_row *rows, size_t *n)
{
    assert(rows);
    enum { STRIDE = sizeof *rows / sizeof rows->weight };
    double sum = 0, below = 0;
    bool alike = true;
    for (size_t i = 0; i < *n; i++) {
        sum += rows[i].weight;
        alike = alike && rows[i].weight == rows[0].weight;
    }
    size_t worth =
        conformal_rows(alike ? *n : (size_t)(values_worth(&rows->weight, *n, STRIDE) + 1e-9));
    qsort(rows, alike ? worth : *n, sizeof *rows, by_conformal_score);
    OWNED conformal_row *all = alike ? NULL : memory_copy(rows, *n, sizeof *rows);
    TRY(check_memory(alike || all));
    for (size_t i = 0, k = 0; !alike && k < worth; k++) {
        while (i + 1 < *n && below + all[i].weight < sum * ((double)k + 0.5) / (double)worth)
            below += all[i++].weight;
        rows[k] = all[i];
    }
    *n = worth;
    return NICEST_OK;
}

enum { FEWEST_IN_BIN = 99 };

nicest_status conformal_bins(const double *holes, size_t n, nicest_hole_bin *bins, size_t *count)
{
    OWNED double *sorted = memory_copy(holes, n, sizeof *sorted);
    OWNED nicest_hole_bin *all = memory_new(n, sizeof *all);
    TRY(check_memory(sorted && all));
    size_t k = 0;
    values_sort(sorted, n);
    for (size_t i = 0; i < n; i++) {
        size_t here = (size_t)sorted[i];
        if (i == 0 || sorted[i] != sorted[i - 1])
            all[k++] = (nicest_hole_bin){.least = here, .most = here};
        all[k - 1].rows++;
    }
    for (; k > 1; k--) { /* the smallest bin joins the smaller of its neighbours */
        size_t b = 0;
        for (size_t i = 1; i < k; i++)
            b = all[i].rows < all[b].rows ? i : b;
        if (k <= NICEST_HOLE_BINS && all[b].rows >= FEWEST_IN_BIN)
            break;
        bool down = b + 1 == k || (b && all[b - 1].rows < all[b + 1].rows);
        nicest_hole_bin *to = all + b - down;
        to[0].most = to[1].most;
        to[0].rows += to[1].rows;
        memmove(to + 1, to + 2, (size_t)(all + k - (to + 2)) * sizeof *all);
    }
    memcpy(bins, all, k * sizeof *bins);
    *count = k;
    return NICEST_OK;
}

size_t conformal_bin(const nicest_hole_bin *bins, size_t count, size_t holes)
{
    size_t b = 0;
    while (b + 1 < count && holes > bins[b].most)
        b++;
    return b;
}

/* p <= rate means #not above <= k-1: the score is below the k-th smallest. The small excess
 * forgives rates such as 0.05 that binary numbers miss by a hair. */
static double flagged_ranks(size_t n, double rate)
{
    return floor(rate * ((double)n + 1) * (1 + 1e-12));
}

double conformal_threshold(const double *sorted, size_t n, double rate)
{
    double k = flagged_ranks(n, rate);
    if (!(k >= 1))
        return -HUGE_VAL;
    return k > (double)n ? HUGE_VAL : sorted[(size_t)k - 1];
}

/* P(at least k of n) where each has the chance x, by the terms below k. */
static double binomial_tail(double n, double k, double x)
{
    double term = n * log1p(-x), sum = 0;
    for (double i = 0; i < k; i++) {
        sum += exp(term);
        term += log((n - i) / (i + 1)) + log(x) - log1p(-x);
    }
    return 1 - sum;
}

/* The share of new rows below the k-th smallest of n uniform ones has the beta distribution of k
 * and n+1-k, which is at most x with P(at least k of n are below x). */
static double beta_quantile(double n, double k, double chance)
{
    double low = 0, high = 1;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        *(binomial_tail(n, k, middle) < chance ? &low : &high) = middle;
    }
    return high;
}

nicest_status nicest_false_alarms(size_t rows, double rate, double *low, double *high)
{
    double k = flagged_ranks(rows, rate);
    if (!(rate >= 0 && rate <= 1) || !low || !high)
        return fail(NICEST_E_ARGUMENT, "a rate between 0 and 1 and two places are needed");
    bool some = k >= 1 && k <= (double)rows;
    *low = some ? beta_quantile((double)rows, k, 0.025) : k >= 1;
    *high = some ? beta_quantile((double)rows, k, 0.975) : k >= 1;
    return NICEST_OK;
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
    TRY(check_memory(order));
    uint64_t seed = file_crc32(0, sorted, n * sizeof *sorted);
    random_permutation((random_stream){seed, RANDOM_SPLIT, (uint32_t)size}, order, n);
    for (size_t g = 0; g < count; g++) {
        double sum = 0;
        for (size_t i = 0; i < size; i++)
            sum += sorted[order[g * size + i]];
        double mean = sum / (double)size;
        groups[g] = isnan(centre) ? mean : -fabs(mean - centre);
    }
    memory_free(order);
    values_sort(groups, count);
    return NICEST_OK;
}
