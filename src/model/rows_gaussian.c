/* rows_gaussian.c - the Gaussian of the rows that a model learnt from: as arrays of the model.
 *
 * Scores without a flow and fills that need a first guess go by it. In standardised columns; what a
 * file brings may be anything and is looked at. */
#include <math.h>

#include "base/gaussian.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/values.h"
#include "model/model.h"

#define ARRAY_COLUMNS "baseline.columns"  /* mean[d], deviation[d] of stored values */
#define ARRAY_FACTOR  "baseline.gaussian" /* Cholesky factor of the standardised columns */

double model_least_deviation(const nicest_model *model, size_t column, double mean)
{
    double levels, step, unit;
    bool quantised = nicest_model_quantised(model, column, &levels, &step, &unit);
    return quantised ? step / sqrt(12) : 1e-6 * fmax(fabs(mean), 1e-6);
}

nicest_status model_fit_gaussian(nicest_model *model, double *rows, size_t n, int threads)
{
    size_t d = nicest_model_columns(model);
    OWNED_NEW(double *, columns, 2 * d);
    for (size_t j = 0; j < d; j++) {
        double *mean = columns + j, *deviation = columns + d + j;
        values_moments(rows + j, n, d, mean, deviation);
        *deviation = fmax(*deviation, model_least_deviation(model, j, *mean));
        for (size_t i = 0; i < n; i++)
            rows[i * d + j] = (rows[i * d + j] - *mean) / *deviation;
    }
    TRY(model_set_array(model, ARRAY_COLUMNS, columns, 2 * d));
    if (d > MODEL_WHOLE_COVARIANCE)
        return model_set_array(model, ARRAY_FACTOR, NULL, 0);
    OWNED_NEW(double *, mean, d);
    OWNED_NEW(double *, covariance, gaussian_packed(d));
    gaussian_moments(rows, NULL, n, d, threads, mean, covariance);
    gaussian_shrink(rows, n, d, mean, covariance);
    gaussian_factor(covariance, d, 1e-3);
    return model_set_array(model, ARRAY_FACTOR, covariance, gaussian_packed(d));
}

void model_forget_gaussian(nicest_model *model)
{
    model_set_array(model, ARRAY_COLUMNS, NULL, 0);
    model_set_array(model, ARRAY_FACTOR, NULL, 0);
}

const double *model_gaussian_columns(const nicest_model *model)
{
    size_t d = nicest_model_columns(model), count = 0;
    const double *columns = model_array(model, ARRAY_COLUMNS, &count);
    bool sound = columns && count == 2 * d;
    for (size_t j = 0; sound && j < d; j++)
        sound = isfinite(columns[j]) && columns[d + j] > 0 && isfinite(columns[d + j]);
    return sound ? columns : NULL;
}

const double *model_gaussian_factor(const nicest_model *model)
{
    size_t packed = gaussian_packed(nicest_model_columns(model)), count = 0;
    const double *factor = model_array(model, ARRAY_FACTOR, &count);
    return factor && count == packed && values_finite(factor, packed) ? factor : NULL;
}
