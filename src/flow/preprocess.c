/* preprocess.c - the frozen layers that make data easy to learn: standardise and logit.
 *
 *     standardise  y = (x - shift) exp(log_scale),      log|det| = sum log_scale
 *     logit        z = margin + (1 - 2 margin) x, y = log(z / (1 - z)),
 *                  log|det| = d log(1 - 2 margin) + sum -log z - log(1 - z)
 *
 * Their log-determinants count: a likelihood is always in the units of the user's data. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "flow/grammar.h"
#include "flow/state.h"

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

static nicest_status standardise_start(layer *self, const layer_start *s)
{
    standardise *c = (standardise *)self;
    for (size_t j = 0; j < self->columns; j++) {
        double mean, deviation;
        start_moments(s, j, &mean, &deviation);
        c->shift[j] = (real)mean;
        c->log_scale[j] = (real)(deviation > 0 ? -log(deviation) : 0);
    }
    return NICEST_OK;
}

static void standardise_forward(const layer *self, tile *t)
{
    const standardise *c = (const standardise *)self;
    for (size_t j = 0; j < self->columns; j++) {
        double factor = exp((double)c->log_scale[j]);
        state_affine(t->x + j * t->padded, factor, -(double)c->shift[j] * factor, t->padded);
    }
    tile_add_logdet(t, c->log_scale, 1);
}

static void standardise_inverse(const layer *self, tile *t)
{
    const standardise *c = (const standardise *)self;
    for (size_t j = 0; j < self->columns; j++)
        state_affine(t->x + j * t->padded, exp(-(double)c->log_scale[j]), (double)c->shift[j],
                     t->padded);
    tile_add_logdet(t, c->log_scale, -1);
}

/* dx = dy exp(log_scale) */
static void standardise_backward(const layer *self, tile *t)
{
    const standardise *c = (const standardise *)self;
    for (size_t j = 0; j < self->columns; j++)
        vector_scale(t->dx + j * t->padded, (real)exp((double)c->log_scale[j]), t->padded);
}

static const layer_class standardise_class = {
    .name = "standardise",
    .tensors = standardise_tensors,
    .start = standardise_start,
    .forward = standardise_forward,
    .inverse = standardise_inverse,
    .backward = standardise_backward,
};

nicest_status standardise_parse(const spec_line *l, const spec_shape *shape, char *canonical,
                                layer **out)
{
    if (l->words != 1)
        return spec_refuse(l, "'standardise' takes no options");
    layer_new(&standardise_class, sizeof(standardise), shape, out);
    strcpy(canonical, "standardise");
    return NICEST_OK;
}

/* ------------------------------------------------------------------ logit */

typedef struct logit {
    layer layer;
    double margin;
} logit;

/* z is kept so far from 0 and 1 that logit and its slope are finite. */
static const double TINY = 1e-15;

/* A row whose z leaves (0, 1) has density zero: its log-determinant becomes -infinity. The layer
 * covers a little more than 0 <= x <= 1. Kept for the way back: dy/dx, and d logdet/dx over dy/dx.
 */
static void logit_forward(const layer *self, tile *t)
{
    double margin = ((const logit *)self)->margin, width = 1 - 2 * margin;
    for (size_t i = 0; i < self->columns * t->padded; i++) {
        double z = margin + width * t->x[i], *logdet = &t->logdet[i % t->padded];
        bool seen = !t->mask || t->mask[i] > 0;
        if (seen && (z <= 0 || z >= 1))
            *logdet = -HUGE_VAL;
        z = z < TINY ? TINY : z > 1 - TINY ? 1 - TINY : z;
        if (t->tape) {
            t->tape->matrix[0][t->first * self->columns + i] = (real)(width / (z * (1 - z)));
            t->tape->matrix[1][t->first * self->columns + i] = (real)(2 * z - 1);
        }
        double below = log(z), above = log1p(-z);
        t->x[i] = below - above;
        if (seen)
            *logdet += log(width) - (below + above);
    }
}

/* z = 1 / (1 + exp(-y)), log dz/dy = -|y| - 2 log(1 + exp(-|y|)) */
static void logit_inverse(const layer *self, tile *t)
{
    double margin = ((const logit *)self)->margin, width = 1 - 2 * margin;
    for (size_t i = 0; i < self->columns * t->padded; i++) {
        double y = t->x[i], tail = exp(-fabs(y)); /* of the smaller of z and 1 - z */
        t->logdet[i % t->padded] -= log(width) + fabs(y) + 2 * log1p(tail);
        t->x[i] = ((y < 0 ? tail : 1) / (1 + tail) - margin) / width;
    }
}

/* Two matrices: dy/dx, and 2z - 1. */
static size_t logit_tape(const layer *self, size_t *width)
{
    if (width)
        width[0] = width[1] = self->columns;
    return 2;
}

/* dx = dy/dx (g + weight (2z - 1)) */
static void logit_backward(const layer *self, tile *t)
{
    size_t first = t->first * self->columns;
    const real *slope = t->tape->matrix[0] + first, *tilt = t->tape->matrix[1] + first;
    for (size_t i = 0; i < t->padded * self->columns; i++) {
        size_t r = i % t->padded;
        bool seen = r < t->rows && (!t->mask || t->mask[i] > 0);
        t->dx[i] = seen ? slope[i] * (t->dx[i] + t->weight[r] * tilt[i]) : 0;
    }
}

static const layer_class logit_class = {
    .name = "logit",
    .tape = logit_tape,
    .forward = logit_forward,
    .inverse = logit_inverse,
    .backward = logit_backward,
};

nicest_status logit_parse(const spec_line *l, const spec_shape *shape, char *canonical, layer **out)
{
    static const char *const keys[] = {"margin", NULL};
    double margin = 1e-6;
    if (!spec_known_options(l, keys) || !spec_number_option(l, "margin", 0, 0.5, &margin) ||
        !(margin > 0 && margin < 0.5))
        return spec_refuse(l, "expected 'logit margin=M' with 0 < M < 0.5");
    logit *c = layer_new(&logit_class, sizeof *c, shape, out);
    if (c)
        c->margin = margin;
    char text[NUMBER_SIZE];
    number_write(margin, text);
    snprintf(canonical, SPEC_LINE, "logit margin=%s", text);
    return NICEST_OK;
}
