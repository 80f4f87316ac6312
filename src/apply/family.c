/* family.c - see family.h.
 *
 * As stored: d, parts, then centre[d], deviation[d], and the parts of a mixture of
 * z = (row - centre) / deviation (base/mixture.h). */
#include "apply/family.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/gaussian.h"
#include "base/memory.h"
#include "base/mixture.h"
#include "base/parallel.h"
#include "base/status.h"
#include "base/values.h"

enum { MOST_STATISTICS = 4096, MOST_PARTS = 64, MOST_FITTED = 8, ROWS_OF_FAMILY = 128 };

/* No direction is narrower than LEAST standard deviations. */
static const double LEAST = 0.02;

static size_t flat_size(size_t d, size_t parts)
{
    return 2 + 2 * d + parts * mixture_part_size(d, false);
}

bool family_valid(const double *values, size_t count, size_t d)
{
    if (!values || count < 2 || d == 0 || d > MOST_STATISTICS || !values_finite(values, count))
        return false;
    if (values[0] != (double)d || !(values[1] >= 1 && values[1] <= MOST_PARTS))
        return false;
    return count == flat_size(d, (size_t)values[1]);
}

/* ------------------------------------------------------------------ the density */

typedef struct family_pass {
    const double *values, *rows;
    size_t stride, n;
    mixture_view **view; /* [threads] */
    double *z;           /* [threads, ROWS_OF_FAMILY, d] */
    double *out;
} family_pass;

static void family_rows(void *context, int thread, size_t item)
{
    const family_pass *p = context;
    size_t d = (size_t)p->values[0], first = item * ROWS_OF_FAMILY;
    size_t n = p->n - first < ROWS_OF_FAMILY ? p->n - first : ROWS_OF_FAMILY;
    const double *centre = p->values + 2, *deviation = centre + d, *rows = p->rows;
    double *z = p->z + (size_t)thread * ROWS_OF_FAMILY * d, jacobian = 0;
    bool sound = true; /* a file's deviations may be anything */
    for (size_t j = 0; j < d; j++) {
        sound = sound && deviation[j] > 0;
        jacobian -= log(deviation[j]);
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d; j++) {
            double value = rows[(first + i) * p->stride + j] - centre[j];
            value /= deviation[j] > 0 ? deviation[j] : 1;   /* of no use where it is not sound */
            z[i * d + j] = isnan(value) ? HUGE_VAL : value; /* to a mixture NaN is only missing */
        }
    mixture_evaluate(p->view[thread], z, n, p->out + first, NULL);
    for (size_t i = 0; i < n; i++) {
        bool known = sound && !values_missing(rows + (first + i) * p->stride, d);
        p->out[first + i] = known ? p->out[first + i] + jacobian : NAN;
    }
}

nicest_status family_log_density(const double *values, const double *rows, size_t stride, size_t n,
                                 int threads, double *out)
{
    assert(values[0] >= 1);
    size_t d = (size_t)values[0];
    mixture m = {d, (size_t)values[1], false, (double *)values + 2 + 2 * d};
    threads = threads < 1 ? parallel_available() : threads;
    OWNED_NEW(mixture_view **, view, (size_t)threads);
    OWNED_ROWS(double *, z, (size_t)threads, ROWS_OF_FAMILY *d);
    family_pass p = {values, rows, stride, n, view, z, out};
    nicest_status status = NICEST_OK;
    for (int i = 0; status == NICEST_OK && i < threads; i++)
        status = mixture_view_new(&view[i], &m, false);
    if (status == NICEST_OK)
        parallel_for(threads, (n + ROWS_OF_FAMILY - 1) / ROWS_OF_FAMILY, family_rows, &p);
    for (int i = 0; i < threads; i++)
        mixture_view_free(view[i]);
    return status;
}

/* ------------------------------------------------------------------ fitting */

nicest_status family_fit(const double *rows, size_t n, size_t d, uint64_t seed, int threads,
                         double **values, size_t *count)
{
    if (n < 2 || d == 0 || d > MOST_STATISTICS || !values_finite(rows, n * d))
        return fail(NICEST_E_DATA, "%zu rows of %zu statistics cannot be fitted", n, d);
    OWNED_ROWS(double *, work, n + 4, d);
    OWNED_NEW(double *, common, gaussian_packed(d));
    OWNED_BY(mixture_drop) mixture *m = NULL;
    double *centre = work + n * d, *deviation = centre + d, *mean = deviation + d;
    double *ridge = mean + d;
    memcpy(work, rows, n * d * sizeof *work);
    /* Columns to mean 0 and deviation 1, in place; a constant column keeps its unit. */
    for (size_t j = 0; j < d; j++) {
        values_moments(work + j, n, d, &centre[j], &deviation[j]);
        deviation[j] = fmax(deviation[j], 1e-6 * fmax(1, fabs(centre[j])));
        for (size_t i = 0; i < n; i++)
            work[i * d + j] = (work[i * d + j] - centre[j]) / deviation[j];
        ridge[j] = LEAST * LEAST;
    }
    gaussian_moments(work, NULL, n, d, threads, mean, common);
    gaussian_shrink(work, n, d, mean, common);
    mixture_options o = {.ridge = ridge,
                         .common = common,
                         .common_rows = (double)d,
                         .seed = seed,
                         .restarts = 1,
                         .iterations = 40,
                         .folds = 1,
                         .tolerance = 1e-3,
                         .threads = threads};
    const mixture_rows of = {work, NULL, n, d};
    TRY(mixture_choose(&o.parts, &of, &o, MOST_FITTED, NULL));
    TRY(mixture_fit(&m, &of, &o, NULL));
    double *made = memory_new(flat_size(d, m->parts), sizeof *made);
    TRY(check_memory(made));
    made[0] = (double)d;
    made[1] = (double)m->parts;
    memcpy(made + 2, centre, 2 * d * sizeof *made);
    memcpy(made + 2 + 2 * d, m->part, m->parts * mixture_part_size(d, false) * sizeof *made);
    *values = made;
    *count = flat_size(d, m->parts);
    return NICEST_OK;
}
