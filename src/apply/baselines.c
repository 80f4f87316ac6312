/* baselines.c - scores without any model: what a flow has to beat.
 *
 *     mean        a picture: its mean value; a table: distance from the column means
 *     compressed  the compressed length (columns with levels only)
 *     gaussian    log density of a Gaussian with a whole covariance (each column alone beyond 1024)
 *
 * Two-sided, as nobody has seen outliers: mean of a picture and length are scored by their distance
 * from what is usual. All are fitted on training rows by nicest_calibrate; the Gaussian is the
 * model's own (model/rows_gaussian.c), and is there without it. */
#include <math.h>
#include <string.h>

#include "apply/outlier.h"
#include "apply/statistics.h"
#include "base/gaussian.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/status.h"
#include "base/values.h"

enum { BATCH = 512 };

#define ARRAY_MEAN   "baseline.mean"       /* mean and deviation of a row's mean value */
#define ARRAY_LENGTH "baseline.compressed" /* those of a row's compressed length */

/* ------------------------------------------------------------------ fitting */

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

/* The complete rows of data into rows; *count of them. */
static nicest_status complete_rows(const nicest_data *data, double *rows, size_t *count)
{
    size_t d = nicest_data_columns(data);
    *count = 0;
    for (size_t i = 0; i < nicest_data_rows(data); i++) {
        TRY(nicest_data_read(data, i, 1, rows + *count * d));
        *count += values_finite(rows + *count * d, d);
    }
    return NICEST_OK;
}

nicest_status baselines_fit_gaussian(nicest_model *model, const nicest_data *data, int threads)
{
    OWNED_ROWS(double *, rows, nicest_data_rows(data), nicest_data_columns(data));
    size_t n;
    TRY(complete_rows(data, rows, &n));
    threads = threads < 1 ? parallel_available() : threads;
    return n < 2 ? NICEST_OK : model_fit_gaussian(model, rows, n, threads);
}

nicest_status baselines_fit(nicest_model *model, const nicest_data *data, int threads)
{
    size_t n = nicest_data_rows(data), d = nicest_data_columns(data);
    OWNED_ROWS(double *, rows, n, d);
    threads = threads < 1 ? parallel_available() : threads;
    TRY(complete_rows(data, rows, &n));
    if (n < 2 && model_flow_const(model)->spec.masked) { /* a table of holes has no baselines */
        baselines_forget(model);
        return NICEST_OK;
    }
    if (n < 2)
        return fail(NICEST_E_DATA, "%zu complete rows are too few to fit statistics on", n);
    OWNED_NEW(double *, means, n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d; j++)
            means[i] += rows[i * d + j] / (double)d;
    TRY(store_usual(model, ARRAY_MEAN, means, n));
    TRY(model_fit_gaussian(model, rows, n, threads));
    if (!statistics_compressible(model))
        return model_set_array(model, ARRAY_LENGTH, NULL, 0);
    OWNED_NEW(double *, lengths, n);
    TRY(statistics_lengths(model, data, threads, lengths));
    return store_usual(model, ARRAY_LENGTH, lengths, n);
}

void baselines_forget(nicest_model *model)
{
    model_forget_gaussian(model);
    model_set_array(model, ARRAY_MEAN, NULL, 0);
    model_set_array(model, ARRAY_LENGTH, NULL, 0);
}

/* ------------------------------------------------------------------ scoring */

/* Mean and deviation, or NULL. */
static const double *stored_usual(const nicest_model *model, const char *name)
{
    size_t count = 0;
    const double *values = model_array(model, name, &count);
    return count == 2 ? values : NULL;
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
    g->scores[i] = values_missing(row, g->d) ? NAN : isnan(score) ? -HUGE_VAL : score;
}

nicest_status baselines_score(const nicest_model *model, const nicest_data *data,
                              const char *baseline, int threads, double *scores)
{
    size_t n = nicest_data_rows(data), d = nicest_model_columns(model);
    bool gaussian = !strcmp(baseline, "gaussian"), lengths = !strcmp(baseline, "compressed");
    const double *stored = model_gaussian_columns(model);
    judge g = {.d = d, .factor = model_gaussian_factor(model)};
    unsigned height = 0;
    nicest_model_image(model, &height, NULL, NULL);
    if (lengths)
        TRY(statistics_lengths(model, data, threads, scores));
    if (lengths || (!gaussian && height))
        g.usual = stored_usual(model, lengths ? ARRAY_LENGTH : ARRAY_MEAN);
    if (lengths ? !g.usual : !stored || (gaussian && !g.factor && d <= MODEL_WHOLE_COVARIANCE))
        return fail(NICEST_E_DATA,
                    "the model is not calibrated: baseline '%.30s' has nothing to go by", baseline);
    for (size_t i = 0; lengths && i < n; i++)
        scores[i] = -in_widths(fabs(scores[i] - g.usual[0]), g.usual[1]);
    if (lengths)
        return NICEST_OK;
    OWNED_NEW(double *, columns, 3 * d); /* and the mean of z, which is 0 */
    OWNED_ROWS(double *, scratch, (size_t)threads * 2, d);
    OWNED_ROWS(double *, rows, BATCH, d);
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
