/* affine.c - the affine rule (Dinh et al., 2017, Real NVP, equation 4), its log-scale softly
 * bounded.
 *
 *     y = x exp(s) + m,  s = B tanh(r / B),  log|det| = s
 *
 * for parameters m, r; a scale is between exp(-B) and exp(B), B = 2 unless the spec differs. */
#include <stdio.h>

#include "base/number.h"
#include "flow/rule.h"

enum { LONGEST = 2 * GEMM_PANEL }; /* rows of a tile */

/* s and exp(s) of a run of r; where `slope` is not NULL, ds/dr. */
static void log_scale(const rule *self, const real *r, size_t n, real *s, real *scale, real *slope)
{
    const real bound = (real)self->bound;
    for (size_t i = 0; i < n; i++)
        s[i] = r[i] / bound;
    vector_activate(ACTIVATION_TANH, s, slope, n);
    vector_scale(s, bound, n);
    vector_exp(scale, s, n);
}

static void add_log_scale(rule_job *job, size_t j, const real *s, double sign)
{
    const real *seen = job->mask ? job->mask + j * job->padded : NULL;
    for (size_t i = 0; i < job->padded; i++)
        job->logdet[i] += sign * (double)(seen ? s[i] * seen[i] : s[i]);
}

/* y = x exp(s) + m, x = (y - m) exp(-s) */
static void affine_move(const rule *self, rule_job *job)
{
    size_t n = job->padded;
    real s[LONGEST], scale[LONGEST];
    for (size_t j = 0; j < job->columns; j++) {
        const real *m = job->parameters + 2 * j * n, *r = m + n;
        double *x = job->x + j * n;
        log_scale(self, r, n, s, scale, NULL);
        for (size_t i = 0; job->kept && i < n; i++)
            job->kept[j * n + i] = (real)x[i];
        for (size_t i = 0; !job->inverse && i < n; i++)
            x[i] = x[i] * (double)scale[i] + (double)m[i];
        for (size_t i = 0; job->inverse && i < n; i++)
            x[i] = (x[i] - (double)m[i]) / (double)scale[i];
        add_log_scale(job, j, s, job->inverse ? -1 : 1);
    }
}

/* dx = dy exp(s), dm = dy, dr = (dy x exp(s) + weight) ds/dr */
static void affine_backward(const rule *self, rule_job *job)
{
    size_t n = job->padded;
    real s[LONGEST], scale[LONGEST], slope[LONGEST];
    for (size_t j = 0; j < job->columns; j++) {
        real *m = job->parameters + 2 * j * n, *r = m + n, *dx = job->dx + j * n;
        const real *x = job->kept + j * n, *seen = job->mask ? job->mask + j * n : NULL;
        log_scale(self, r, n, s, scale, slope);
        for (size_t i = 0; i < n; i++) {
            m[i] = dx[i];
            dx[i] *= scale[i];
            r[i] = (dx[i] * x[i] + (seen ? job->weight[i] * seen[i] : job->weight[i])) * slope[i];
        }
    }
}

static nicest_status affine_parse(const spec_line *l, rule *self, char *text, size_t size)
{
    self->parameters = 2;
    self->bound = 2;
    if (!spec_number_option(l, "bound", 0.01, 10, &self->bound))
        return spec_refuse(l, "bound=B of an affine rule is from 0.01 to 10");
    char bound[NUMBER_SIZE];
    number_write(self->bound, bound);
    snprintf(text, size, " bound=%s", bound);
    return NICEST_OK;
}

static const char *const AFFINE_KEYS[] = {"bound", NULL};

const rule_class rule_affine = {.name = "affine",
                                .keys = AFFINE_KEYS,
                                .keeps = true,
                                .parse = affine_parse,
                                .move = affine_move,
                                .backward = affine_backward};
