/* mixture.c - see mixture.h.
 *
 *     p(z) = sum_k w_k N(z; m_k, L_k L_k'),   z = (row - centre) / deviation
 *
 * As stored: d, parts, then centre[d], deviation[d], and of each part log w, m[d], L packed. */
#include "apply/mixture.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "base/random.h"
#include "base/status.h"
#include "train/gaussian.h"

enum { ITERATIONS = 40, MOST_COLUMNS = 4096, MOST_PARTS = 64 };

/* A part counts d rows of the common covariance beside its own, and no direction is narrower than
 * LEAST standard deviations. */
static const double LEAST = 0.02;

/* ------------------------------------------------------------------ the flat array */

static size_t part_size(size_t d)
{
    return 1 + d + gaussian_packed(d);
}

static size_t flat_size(size_t d, size_t parts)
{
    return 2 + 2 * d + parts * part_size(d);
}

static size_t columns_of(const double *values)
{
    return (size_t)values[0];
}

static size_t parts_of(const double *values)
{
    return (size_t)values[1];
}

/* log w, m[d], L of part k, one after the other. */
static const double *part_of(const double *values, size_t k)
{
    size_t d = columns_of(values);
    return values + 2 + 2 * d + k * part_size(d);
}

static bool all_finite(const double *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(values[i]))
            return false;
    return true;
}

bool mixture_valid(const double *values, size_t count, size_t d)
{
    if (!values || count < 2 || d == 0 || d > MOST_COLUMNS || !all_finite(values, count))
        return false;
    if (values[0] != (double)d || !(values[1] >= 1 && values[1] <= MOST_PARTS))
        return false;
    return count == flat_size(d, parts_of(values));
}

/* ------------------------------------------------------------------ the density */

size_t mixture_scratch(const double *values)
{
    return 2 * columns_of(values) + parts_of(values);
}

static double log_sum(const double *terms, size_t n)
{
    double largest = -HUGE_VAL, sum = 0;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, terms[i]);
    if (!isfinite(largest))
        return largest;
    for (size_t i = 0; i < n; i++)
        sum += exp(terms[i] - largest);
    return largest + log(sum);
}

/* log w_k N(z; m_k, L_k L_k') for each part; z is standardised. */
static void part_densities(const double *values, const double *z, double *scratch, double *terms)
{
    size_t d = columns_of(values);
    for (size_t k = 0; k < parts_of(values); k++) {
        const double *part = part_of(values, k);
        terms[k] = part[0] + gaussian_log_density(z, part + 1, part + 1 + d, d, scratch);
    }
}

double mixture_log_density(const double *values, const double *row, double *scratch)
{
    size_t d = columns_of(values), parts = parts_of(values);
    const double *centre = values + 2, *deviation = centre + d;
    double *z = scratch, *terms = scratch + 2 * d, jacobian = 0;
    for (size_t j = 0; j < d; j++) {
        if (isnan(row[j]) || !(deviation[j] > 0)) /* a file's deviations may be anything */
            return NAN;
        z[j] = (row[j] - centre[j]) / deviation[j];
        if (!(fabs(z[j]) < 1e100))
            return -HUGE_VAL;
        jacobian -= log(deviation[j]);
    }
    part_densities(values, z, scratch + d, terms);
    double density = log_sum(terms, parts) + jacobian;
    return isnan(density) ? -HUGE_VAL : density;
}

/* ------------------------------------------------------------------ a fit at work */

typedef struct fit {
    const double *rows; /* [n, d], standardised */
    size_t n, d, parts;
    int threads;
    double *values;  /* the mixture so far */
    double *share;   /* [parts, n]: how much of a row is a part's */
    double *common;  /* packed covariance of all rows, held away from singular */
    double *sums;    /* [chunks] log-likelihoods */
    double *scratch; /* [threads, 2 d + parts] */
} fit;

enum { CHUNK = 256 };

static size_t chunks_of(size_t n)
{
    return (n + CHUNK - 1) / CHUNK;
}

/* Expectation over one chunk of rows. */
static void share_out(void *context, int thread, size_t item)
{
    fit *f = context;
    size_t end = (item + 1) * CHUNK < f->n ? (item + 1) * CHUNK : f->n;
    double *scratch = f->scratch + (size_t)thread * (2 * f->d + f->parts);
    double *terms = scratch + 2 * f->d;
    f->sums[item] = 0;
    for (size_t i = item * CHUNK; i < end; i++) {
        part_densities(f->values, f->rows + i * f->d, scratch, terms);
        double total = log_sum(terms, f->parts);
        f->sums[item] += total;
        for (size_t k = 0; k < f->parts; k++)
            f->share[k * f->n + i] = exp(terms[k] - total);
    }
}

/* Expectation; returns the mean log-likelihood. */
static double expect(fit *f)
{
    double sum = 0;
    parallel_for(f->threads, chunks_of(f->n), share_out, f);
    for (size_t i = 0; i < chunks_of(f->n); i++)
        sum += f->sums[i];
    return sum / (double)f->n;
}

/* Maximisation of part k: weight, mean, and a covariance that counts d common rows. */
static void maximise(fit *f, size_t k)
{
    size_t d = f->d, packed = gaussian_packed(d);
    double *part = f->values + (part_of(f->values, k) - f->values);
    double *mean = part + 1, *covariance = mean + d, total = 0, prior = (double)d;
    const double *share = f->share + k * f->n;
    for (size_t i = 0; i < f->n; i++)
        total += share[i];
    gaussian_moments(f->rows, share, f->n, d, f->threads, mean, covariance);
    part[0] = log((total + 1) / ((double)f->n + (double)f->parts));
    for (size_t i = 0; i < packed; i++)
        covariance[i] = (total * covariance[i] + prior * f->common[i]) / (total + prior);
    gaussian_factor(covariance, d, LEAST);
}

/* ------------------------------------------------------------------ where it starts */

static double square_distance(const double *a, const double *b, size_t d)
{
    double sum = 0;
    for (size_t j = 0; j < d; j++)
        sum += (a[j] - b[j]) * (a[j] - b[j]);
    return sum;
}

/* Row number of the next seed: far rows are likelier (k-means++); `nearest` is kept up to date. */
static size_t next_seed(const fit *f, double *nearest, double u)
{
    double sum = 0, so_far = 0;
    for (size_t i = 0; i < f->n; i++)
        sum += nearest[i];
    for (size_t i = 0; i < f->n; i++) {
        so_far += nearest[i];
        if (so_far > u * sum)
            return i;
    }
    return f->n - 1;
}

/* Whole shares: each row belongs to its nearest seed. `nearest` is lent by the sums' neighbour. */
static void start(fit *f, uint64_t seed, double *nearest)
{
    double u[MOST_PARTS];
    random_uniform_double((random_stream){seed, RANDOM_SPLIT, 0x317c}, f->parts, u, f->parts);
    memset(f->share, 0, f->parts * f->n * sizeof *f->share);
    for (size_t i = 0; i < f->n; i++) {
        nearest[i] = HUGE_VAL;
        f->share[i] = 1;
    }
    size_t chosen = (size_t)(u[0] * (double)f->n);
    for (size_t k = 0; k < f->parts; k++) {
        chosen = k ? next_seed(f, nearest, u[k]) : chosen;
        for (size_t i = 0; i < f->n; i++) {
            double distance = square_distance(f->rows + i * f->d, f->rows + chosen * f->d, f->d);
            if (distance >= nearest[i])
                continue;
            nearest[i] = distance;
            for (size_t other = 0; other <= k; other++)
                f->share[other * f->n + i] = other == k;
        }
    }
}

/* ------------------------------------------------------------------ fitting */

static nicest_status fit_open(fit *f)
{
    f->values = memory_new(flat_size(f->d, f->parts), sizeof(double));
    f->share = memory_new(f->parts * f->n, sizeof(double));
    f->common = memory_new(gaussian_packed(f->d), sizeof(double));
    f->sums = memory_new(chunks_of(f->n) + f->n, sizeof(double));
    f->scratch = memory_new((size_t)f->threads * (2 * f->d + f->parts), sizeof(double));
    bool whole = f->values && f->share && f->common && f->sums && f->scratch;
    return whole ? NICEST_OK : fail_memory();
}

static void fit_close(fit *f)
{
    memory_free(f->share);
    memory_free(f->common);
    memory_free(f->sums);
    memory_free(f->scratch);
}

/* The array's head: z is the row itself, for whoever works with standardised rows. */
static void write_head(double *values, size_t d, size_t parts)
{
    values[0] = (double)d;
    values[1] = (double)parts;
    for (size_t j = 0; j < d; j++) {
        values[2 + j] = 0;
        values[2 + d + j] = 1;
    }
}

/* A mixture of standardised rows; *values is released by the caller. */
static nicest_status fit_parts(const double *rows, size_t n, size_t d, size_t parts, uint64_t seed,
                               int threads, double **values)
{
    fit f = {.rows = rows, .n = n, .d = d, .parts = parts, .threads = threads};
    nicest_status status = fit_open(&f);
    if (status == NICEST_OK) {
        double *mean = f.scratch, before = -HUGE_VAL;
        write_head(f.values, d, parts);
        gaussian_moments(rows, NULL, n, d, threads, mean, f.common);
        gaussian_shrink(rows, n, d, mean, f.common);
        start(&f, seed, f.sums + chunks_of(n));
        for (int i = 0; i < (parts > 1 ? ITERATIONS : 1); i++) {
            for (size_t k = 0; k < parts; k++)
                maximise(&f, k);
            double now = expect(&f);
            if (now - before < 1e-3)
                break;
            before = now;
        }
    }
    fit_close(&f);
    if (status == NICEST_OK)
        *values = f.values;
    else
        memory_free(f.values);
    return status;
}

static double mean_density(const double *values, const double *rows, size_t n, size_t d,
                           double *scratch)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += mixture_log_density(values, rows + i * d, scratch);
    return sum / (double)n;
}

/* The number of parts under which the last fifth of the rows is likeliest. */
static nicest_status choose_parts(const double *rows, size_t n, size_t d, uint64_t seed,
                                  int threads, size_t *parts)
{
    static const size_t candidates[] = {1, 4, 10};
    size_t learn = n - n / 5, best = 1;
    double most = -HUGE_VAL;
    for (size_t i = 0; i < 3 && learn < n; i++) { /* below 5 rows there is nothing to judge by */
        double *values = NULL;
        if (i > 0 && learn < candidates[i] * 40)
            break;
        TRY(fit_parts(rows, learn, d, candidates[i], seed, threads, &values));
        double *scratch = memory_new(mixture_scratch(values), sizeof(double));
        double found = scratch ? mean_density(values, rows + learn * d, n - learn, d, scratch) : 0;
        memory_free(values);
        if (!scratch)
            return fail_memory();
        memory_free(scratch);
        if (found > most) {
            most = found;
            best = candidates[i];
        }
    }
    *parts = best;
    return NICEST_OK;
}

/* Columns to mean 0 and deviation 1, in place; a constant column keeps its unit. */
static void standardise(double *rows, size_t n, size_t d, double *centre, double *deviation)
{
    for (size_t j = 0; j < d; j++) {
        double sum = 0, square = 0;
        for (size_t i = 0; i < n; i++)
            sum += rows[i * d + j];
        centre[j] = sum / (double)n;
        for (size_t i = 0; i < n; i++)
            square += (rows[i * d + j] - centre[j]) * (rows[i * d + j] - centre[j]);
        double least = 1e-6 * fmax(1, fabs(centre[j]));
        deviation[j] = fmax(sqrt(square / (double)n), least);
        for (size_t i = 0; i < n; i++)
            rows[i * d + j] = (rows[i * d + j] - centre[j]) / deviation[j];
    }
}

nicest_status mixture_fit(const double *rows, size_t n, size_t d, uint64_t seed, int threads,
                          double **values, size_t *count)
{
    if (n < 2 || d == 0 || d > MOST_COLUMNS || !all_finite(rows, n * d))
        return fail(NICEST_E_DATA, "%zu rows of %zu statistics cannot be fitted", n, d);
    double *work = memory_new(n + 2, d * sizeof(double)), *made = NULL;
    if (!work)
        return fail_memory();
    double *centre = work + n * d;
    size_t parts = 1;
    nicest_status status = NICEST_OK;
    memcpy(work, rows, n * d * sizeof *work);
    standardise(work, n, d, centre, centre + d);
    threads = threads < 1 ? parallel_available() : threads;
    TRY_TO(choose_parts(work, n, d, seed, threads, &parts));
    TRY_TO(fit_parts(work, n, d, parts, seed, threads, &made));
    memcpy(made + 2, centre, 2 * d * sizeof *made);
    *values = made;
    *count = flat_size(d, parts);
done:
    memory_free(work);
    return status;
}
