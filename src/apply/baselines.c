/* baselines.c - scores without any model: what a flow has to beat.
 *
 *     mean        a picture: its mean value; a table: distance from the column means
 *     compressed  the compressed length (columns with levels only)
 *     gaussian    log density of a Gaussian with a whole covariance (each column alone beyond 1024)
 *
 * Two-sided, as nobody has seen outliers: mean of a picture and length are scored by their distance
 * from what is usual. All are fitted on training rows by nicest_calibrate. */
#include <math.h>
#include <string.h>

#include "apply/outlier.h"
#include "apply/statistics.h"
#include "base/gaussian.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/status.h"
#include "base/values.h"

enum { WHOLE_COVARIANCE = 1024, BATCH = 512 };

#define ARRAY_COLUMNS "baseline.columns"    /* mean[d], deviation[d] of stored values */
#define ARRAY_FACTOR  "baseline.gaussian"   /* Cholesky factor of the standardised columns */
#define ARRAY_MEAN    "baseline.mean"       /* mean and deviation of a row's mean value */
#define ARRAY_LENGTH  "baseline.compressed" /* those of a row's compressed length */

/* ------------------------------------------------------------------ fitting */

double baselines_least_deviation(const nicest_model *model, size_t column, double mean)
{
    double levels, step, unit;
    bool quantised = nicest_model_quantised(model, column, &levels, &step, &unit);
    return quantised ? step / sqrt(12) : 1e-6 * fmax(fabs(mean), 1e-6);
}

static nicest_status fit_gaussian(nicest_model *model, const double *rows, size_t n, size_t d,
                                  int threads)
{
    if (d > WHOLE_COVARIANCE)
        return model_set_array(model, ARRAY_FACTOR, NULL, 0);
    OWNED_NEW(double *, mean, d);
    OWNED_NEW(double *, covariance, gaussian_packed(d));
    gaussian_moments(rows, NULL, n, d, threads, mean, covariance);
    gaussian_shrink(rows, n, d, mean, covariance);
    gaussian_factor(covariance, d, 1e-3);
    return model_set_array(model, ARRAY_FACTOR, covariance, gaussian_packed(d));
}

/* Mean and deviation of the finite ones of values[n], as an array of the model. */
static nicest_status store_usual(nicest_model *model, const char *name, double *values, size_t n)
{
    double usual[2];
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(values[i]))
            values[count++] = values[i];
    if (count == 0)
        return fail(NICEST_E_DATA, "no complete row to fit statistics on");
    values_moments(values, count, 1, &usual[0], &usual[1]);
    usual[1] = fmax(usual[1], 1e-9);
    return model_set_array(model, name, usual, 2);
}

nicest_status baselines_fit(nicest_model *model, const nicest_data *data, int threads)
{
    size_t n = nicest_data_rows(data), d = nicest_data_columns(data);
    OWNED_ROWS(double *, rows, n, d);
    OWNED_NEW(double *, columns, 2 * d);
    threads = threads < 1 ? parallel_available() : threads;
    size_t count = 0; /* of complete rows, which alone are kept */
    for (size_t i = 0; i < n; i++) {
        double *row = rows + count * d;
        bool whole = true;
        TRY(nicest_data_read(data, i, 1, row));
        for (size_t j = 0; j < d; j++)
            whole = whole && isfinite(row[j]);
        count += whole;
    }
    n = count;
    if (n < 2 && model_flow_const(model)->spec.masked) { /* a table of holes has no baselines */
        baselines_forget(model);
        return NICEST_OK;
    }
    if (n < 2)
        return fail(NICEST_E_DATA, "%zu complete rows are too few to fit statistics on", n);
    /* Each row's mean value, before the columns are standardised. */
    OWNED_NEW(double *, means, n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d; j++)
            means[i] += rows[i * d + j] / (double)d;
    TRY(store_usual(model, ARRAY_MEAN, means, n));
    /* Columns to mean 0, deviation 1. */
    for (size_t j = 0; j < d; j++) {
        double *mean = columns + j, *deviation = columns + d + j;
        values_moments(rows + j, n, d, mean, deviation);
        *deviation = fmax(*deviation, baselines_least_deviation(model, j, *mean));
        for (size_t i = 0; i < n; i++)
            rows[i * d + j] = (rows[i * d + j] - *mean) / *deviation;
    }
    TRY(model_set_array(model, ARRAY_COLUMNS, columns, 2 * d));
    TRY(fit_gaussian(model, rows, n, d, threads));
    if (!statistics_compressible(model))
        return model_set_array(model, ARRAY_LENGTH, NULL, 0);

    OWNED_NEW(double *, lengths, n);
    TRY(statistics_lengths(model, data, threads, lengths));
    return store_usual(model, ARRAY_LENGTH, lengths, n);
}

void baselines_forget(nicest_model *model)
{
    static const char *const names[] = {ARRAY_COLUMNS, ARRAY_FACTOR, ARRAY_MEAN, ARRAY_LENGTH};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        model_set_array(model, names[i], NULL, 0);
}

/* ------------------------------------------------------------------ scoring */

static const double *stored_array(const nicest_model *model, const char *name, size_t wanted)
{
    size_t count = 0;
    const double *values = model_array(model, name, &count);
    return values && count == wanted ? values : NULL;
}

const double *baselines_columns(const nicest_model *model)
{
    size_t d = nicest_model_columns(model);
    const double *columns = stored_array(model, ARRAY_COLUMNS, 2 * d);
    for (size_t j = 0; columns && j < d; j++)
        if (!isfinite(columns[j]) || !(columns[d + j] > 0) || !isfinite(columns[d + j]))
            return NULL;
    return columns;
}

/* Numbers of a file may be anything. */
const double *baselines_factor(const nicest_model *model)
{
    size_t packed = gaussian_packed(nicest_model_columns(model));
    const double *factor = stored_array(model, ARRAY_FACTOR, packed);
    for (size_t i = 0; factor && i < packed; i++)
        if (!isfinite(factor[i]))
            return NULL;
    return factor;
}

typedef struct judge {
    const double *columns, *factor, *usual; /* usual: of a picture's mean value, or NULL */
    size_t d;
    double *rows, *scores; /* of one batch */
    double *scratch;       /* [threads, 2 d] */
} judge;

/* A width that a file brings may be anything: without one there is no score. */
static double in_widths(double distance, double width)
{
    return width > 0 ? distance / width : NAN;
}

static double judge_mean(const judge *g, const double *row)
{
    double sum = 0;
    for (size_t j = 0; j < g->d; j++) {
        double z = in_widths(row[j] - g->columns[j], g->columns[g->d + j]);
        sum += g->usual ? row[j] : z * z;
    }
    sum /= (double)g->d;
    return g->usual ? -in_widths(fabs(sum - g->usual[0]), g->usual[1]) : -sum;
}

/* In standardised columns, with their log-determinant: a log density of the stored values. */
static double judge_gaussian(const judge *g, const double *row, double *scratch)
{
    double *z = scratch + g->d, sum = 0;
    for (size_t j = 0; j < g->d; j++) {
        z[j] = in_widths(row[j] - g->columns[j], g->columns[g->d + j]);
        sum -= log(g->columns[g->d + j]);
        if (!g->factor)
            sum -= z[j] * z[j] / 2 + 0.91893853320467274;
    }
    memset(scratch, 0, g->d * sizeof *scratch);
    return g->factor
               ? sum + gaussian_log_density(z, g->columns + 2 * g->d, g->factor, g->d, scratch)
               : sum;
}

static void judge_row(void *context, int thread, size_t i)
{
    const judge *g = context;
    const double *row = g->rows + i * g->d;
    double score = g->scratch ? judge_gaussian(g, row, g->scratch + (size_t)thread * 2 * g->d)
                              : judge_mean(g, row);
    bool missing = false;
    for (size_t j = 0; j < g->d; j++)
        missing = missing || isnan(row[j]);
    g->scores[i] = missing ? NAN : isnan(score) ? -HUGE_VAL : score;
}

nicest_status baselines_score(const nicest_model *model, const nicest_data *data,
                              const char *baseline, int threads, double *scores)
{
    size_t n = nicest_data_rows(data), d = nicest_model_columns(model);
    bool gaussian = !strcmp(baseline, "gaussian"), lengths = !strcmp(baseline, "compressed");
    const double *stored = stored_array(model, ARRAY_COLUMNS, 2 * d);
    judge g = {.d = d, .factor = stored_array(model, ARRAY_FACTOR, gaussian_packed(d))};
    unsigned height = 0;
    nicest_model_image(model, &height, NULL, NULL);
    if (lengths)
        TRY(statistics_lengths(model, data, threads, scores));
    if (lengths || (!gaussian && height))
        g.usual = stored_array(model, lengths ? ARRAY_LENGTH : ARRAY_MEAN, 2);
    if (lengths ? !g.usual : !stored || (gaussian && !g.factor && d <= WHOLE_COVARIANCE))
        return fail(NICEST_E_DATA,
                    "the model is not calibrated: baseline '%.30s' has nothing to go by", baseline);
    for (size_t i = 0; lengths && i < n; i++)
        scores[i] = -in_widths(fabs(scores[i] - g.usual[0]), g.usual[1]);
    if (lengths)
        return NICEST_OK;
    OWNED double *columns = memory_new(3 * d, sizeof *columns); /* and the mean of z, which is 0 */
    OWNED double *scratch = memory_new((size_t)threads * 2, d * sizeof *scratch);
    OWNED double *rows = memory_new(BATCH, d * sizeof *rows);
    TRY(check_memory(columns && scratch && rows));
    memcpy(columns, stored, 2 * d * sizeof *columns);
    g.columns = columns;
    g.scratch = gaussian ? scratch : NULL;
    g.rows = rows;
    for (size_t first = 0; first < n; first += BATCH) {
        size_t some = n - first < BATCH ? n - first : BATCH;
        TRY(nicest_data_read(data, first, some, rows));
        g.scores = scores + first;
        parallel_for(threads, some, judge_row, &g);
    }
    return NICEST_OK;
}
