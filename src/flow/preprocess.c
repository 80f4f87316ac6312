/* preprocess.c - the frozen layers that make data easy to learn: standardise and logit.
 *
 *     standardise  y = (x - shift) exp(log_scale),      log|det| = sum log_scale
 *     logit        z = margin + (1 - 2 margin) x, y = log(z / (1 - z)),
 *                  log|det| = d log(1 - 2 margin) + sum -log z - log(1 - z)
 *
 * Their log-determinants count: a likelihood is always in the units of the user's data. */
#include <math.h>

#include "flow/layer.h"

/* ------------------------------------------------------------------ standardise */

typedef struct standardise {
    layer layer;
    real *shift, *log_scale; /* [columns], frozen */
} standardise;

static void standardise_tensors(layer *self, const char *prefix, tensor_list *list)
{
    standardise *c = (standardise *)self;
    tensor_add(list, prefix, "shift", TENSOR_FROZEN, self->columns, 0, &c->shift);
    tensor_add(list, prefix, "log_scale", TENSOR_FROZEN, self->columns, 0, &c->log_scale);
}

static nicest_status standardise_prepare(const layer *self, layer_needs *needs)
{
    size_t used = needs->scratch->used;
    arena_take(needs->scratch, self->columns, sizeof(real));
    needs->scratch->used = used;
    return NICEST_OK;
}

static void standardise_init_from_data(layer *self, const double *mean, const double *deviation,
                                       double prior_deviation)
{
    standardise *c = (standardise *)self;
    (void)prior_deviation;
    for (size_t d = 0; d < self->columns; d++) {
        c->shift[d] = (real)mean[d];
        c->log_scale[d] = (real)(deviation[d] > 0 ? -log(deviation[d]) : 0);
    }
}

static real *factors(const standardise *c, tile *t, real sign)
{
    size_t d = c->layer.columns;
    real *factor = arena_take(t->scratch, d, sizeof(real));
    for (size_t j = 0; j < d; j++)
        factor[j] = sign * c->log_scale[j];
    vector_exp(factor, factor, d);
    return factor;
}

static void standardise_forward(const layer *self, tile *t)
{
    const standardise *c = (const standardise *)self;
    size_t used = t->scratch->used, d = self->columns;
    const real *factor = factors(c, t, 1);
    double sum = vector_sum(c->log_scale, d);
    for (size_t r = 0; r < t->padded; r++) {
        vector_subtract(t->x + r * d, c->shift, d);
        vector_multiply(t->x + r * d, factor, d);
        t->logdet[r] += sum;
    }
    t->scratch->used = used;
}

static void standardise_inverse(const layer *self, tile *t)
{
    const standardise *c = (const standardise *)self;
    size_t used = t->scratch->used, d = self->columns;
    const real *factor = factors(c, t, -1);
    double sum = vector_sum(c->log_scale, d);
    for (size_t r = 0; r < t->padded; r++) {
        vector_multiply(t->x + r * d, factor, d);
        vector_add(t->x + r * d, c->shift, d);
        t->logdet[r] -= sum;
    }
    t->scratch->used = used;
}

static void standardise_backward(const layer *self, tile *t)
{
    size_t used = t->scratch->used, d = self->columns;
    const real *factor = factors((const standardise *)self, t, 1);
    for (size_t r = 0; r < t->padded; r++)
        vector_multiply(t->dx + r * d, factor, d);
    t->scratch->used = used;
}

static void plain_free(layer *self)
{
    memory_free(self);
}

static const layer_class standardise_class = {
    .name = "standardise",
    .tensors = standardise_tensors,
    .prepare = standardise_prepare,
    .init_from_data = standardise_init_from_data,
    .forward = standardise_forward,
    .inverse = standardise_inverse,
    .backward = standardise_backward,
    .free = plain_free,
};

layer *standardise_new(size_t columns)
{
    standardise *c = memory_new(1, sizeof *c);
    if (c)
        c->layer = (layer){&standardise_class, columns};
    return c ? &c->layer : NULL;
}

/* ------------------------------------------------------------------ logit */

typedef struct logit {
    layer layer;
    real margin;
} logit;

/* z is kept so far from 0 and 1 that logit and its slope are finite. */
static const real TINY = (real)1e-7;

/* The flow covers 0 < z < 1, a little more than [0, 1]; a row outside of that has density zero: its
 * log-determinant becomes -infinity. */
static void logit_forward(const layer *self, tile *t)
{
    real margin = ((const logit *)self)->margin, width = 1 - 2 * margin;
    size_t d = self->columns;
    for (size_t r = 0; r < t->padded; r++) {
        real *x = t->x + r * d;
        bool outside = false;
        for (size_t j = 0; j < d; j++) {
            x[j] = margin + width * x[j];
            outside = outside || x[j] <= 0 || x[j] >= 1;
        }
        t->logdet[r] += vector_logit(x, TINY, d) + (double)d * log((double)width);
        if (outside)
            t->logdet[r] = -HUGE_VAL;
    }
}

static void logit_inverse(const layer *self, tile *t)
{
    real margin = ((const logit *)self)->margin, width = 1 - 2 * margin;
    size_t d = self->columns;
    for (size_t r = 0; r < t->padded; r++) {
        real *y = t->x + r * d;
        t->logdet[r] += vector_sigmoid(y, d) - (double)d * log((double)width);
        for (size_t j = 0; j < d; j++)
            y[j] = (y[j] - margin) / width;
    }
}

/* One matrix: z, from which both derivatives come. */
static size_t logit_tape(const layer *self, size_t *width)
{
    if (width)
        width[0] = self->columns;
    return 1;
}

static void logit_forward_taped(const layer *self, tile *t)
{
    real margin = ((const logit *)self)->margin, width = 1 - 2 * margin;
    if (t->tape) {
        real *z = t->tape->matrix[0] + t->first * self->columns;
        for (size_t i = 0; i < t->padded * self->columns; i++) {
            real value = margin + width * t->x[i];
            z[i] = value < TINY ? TINY : value > 1 - TINY ? 1 - TINY : value;
        }
    }
    logit_forward(self, t);
}

/* dy/dz = 1 / (z (1-z)), d(log|det|)/dz = (2z - 1) / (z (1-z)), dz/dx = 1 - 2 margin */
static void logit_backward(const layer *self, tile *t)
{
    real width = 1 - 2 * ((const logit *)self)->margin;
    const real *z = t->tape->matrix[0] + t->first * self->columns;
    for (size_t i = 0; i < t->padded * self->columns; i++)
        t->dx[i] = width * (t->dx[i] + (real)t->dlogdet * (2 * z[i] - 1)) / (z[i] * (1 - z[i]));
}

static nicest_status logit_prepare(const layer *self, layer_needs *needs)
{
    (void)self;
    (void)needs;
    return NICEST_OK;
}

static const layer_class logit_class = {
    .name = "logit",
    .tape = logit_tape,
    .prepare = logit_prepare,
    .forward = logit_forward_taped,
    .inverse = logit_inverse,
    .backward = logit_backward,
    .free = plain_free,
};

layer *logit_new(size_t columns, double margin)
{
    logit *c = memory_new(1, sizeof *c);
    if (!c)
        return NULL;
    c->layer = (layer){&logit_class, columns};
    c->margin = (real)margin;
    return &c->layer;
}
