/* scale.c - the diagonal scaling at the end of a NICE (paper, section 3.3).
 *
 *     y_d = x_d exp(s_d),  log|det| = sum_d s_d
 *
 * s is trainable and free of weight decay. It starts from the data, so that each latent column has the
 * prior's standard deviation: s_d = log(prior deviation / deviation_d). */
#include <math.h>

#include "flow/layer.h"
#include "flow/state.h"

typedef struct scale {
    layer layer;
    real *s; /* [columns] */
} scale;

static void scale_tensors(layer *self, const char *prefix, tensor_list *list)
{
    tensor_add(list, prefix, "log_scale", TENSOR_SCALE, self->columns, 0, &((scale *)self)->s);
}

/* One matrix: y on the way forward, the rows' contributions to ds on the way back. */
static size_t scale_tape(const layer *self, size_t *width)
{
    if (width)
        width[0] = self->columns;
    return 1;
}

static nicest_status scale_prepare(const layer *self, layer_needs *needs)
{
    size_t used = needs->scratch->used;
    arena_take(needs->scratch, 2 * self->columns, sizeof(double));
    needs->scratch->used = used;
    return NICEST_OK;
}

static void scale_init_from_data(layer *self, const double *mean, const double *deviation,
                                 double prior_deviation)
{
    (void)mean;
    for (size_t d = 0; d < self->columns; d++)
        ((scale *)self)->s[d] = (real)(deviation[d] > 0 ? log(prior_deviation / deviation[d]) : 0);
}

/* x *= exp(sign s), logdet += sign sum(s) */
static void rescale(const scale *c, tile *t, double sign)
{
    size_t used = t->scratch->used, d = c->layer.columns;
    double *factor = arena_take(t->scratch, 2 * d, sizeof *factor), *zero = factor + d;
    for (size_t j = 0; j < d; j++) {
        factor[j] = exp(sign * (double)c->s[j]);
        zero[j] = 0;
    }
    state_affine(t->x, factor, zero, d, t->padded);
    double sum = sign * vector_sum(c->s, d);
    for (size_t r = 0; r < t->padded; r++)
        t->logdet[r] += sum;
    t->scratch->used = used;
}

/* y = x exp(s) */
static void scale_forward(const layer *self, tile *t)
{
    size_t d = self->columns;
    rescale((const scale *)self, t, 1);
    if (!t->tape)
        return;
    real *y = t->tape->matrix[0] + t->first * d;
    state_narrow(y, t->x, d, d, t->padded);
    if (t->largest)
        t->largest[0] = vector_max_abs(y, t->rows * d);
}

/* x = y exp(-s) */
static void scale_inverse(const layer *self, tile *t)
{
    rescale((const scale *)self, t, -1);
}

/* dx = dy exp(s); ds = dy y + dlogdet for each row, kept on the tape in the place of y */
static void scale_backward(const layer *self, tile *t)
{
    const scale *c = (const scale *)self;
    size_t used = t->scratch->used, d = self->columns;
    real *factor = arena_take(t->scratch, d, sizeof(real));
    real *ds = t->tape->matrix[0] + t->first * d;
    vector_exp(factor, c->s, d);
    for (size_t r = 0; r < t->padded; r++) {
        for (size_t j = 0; j < d; j++)
            ds[r * d + j] = t->dx[r * d + j] * ds[r * d + j] + (real)t->dlogdet;
        vector_multiply(t->dx + r * d, factor, d);
    }
    if (t->largest)
        t->largest[1] = vector_max_abs(ds, t->rows * d);
    t->scratch->used = used;
}

static void scale_blocks(const layer *self, size_t index, const tensor_list *list,
                         block_list *blocks)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].slot == &((const scale *)self)->s)
            block_add(blocks, &(block){.layer = index, .rows = self->columns,
                                       .offset = list->items[i].offset, .count = self->columns});
}

static void scale_gradient(const layer *self, const batch *b, const block *which, real *g)
{
    vector_fill(g, 0, which->count);
    for (size_t r = 0; r < b->rows; r++)
        vector_add(g, b->tape->matrix[0] + r * self->columns, self->columns);
}

static size_t scale_norms(const layer *self, const tape *kept, size_t row, double *norms)
{
    size_t d = self->columns;
    const real *ds = norms ? kept->matrix[0] + row * d : NULL;
    if (norms)
        *norms = sqrt(vector_dot(ds, ds, d));
    return 1;
}

static void scale_free(layer *self)
{
    memory_free(self);
}

static const layer_class scale_class = {
    .name = "scale",
    .tensors = scale_tensors,
    .tape = scale_tape,
    .prepare = scale_prepare,
    .init_from_data = scale_init_from_data,
    .forward = scale_forward,
    .inverse = scale_inverse,
    .backward = scale_backward,
    .blocks = scale_blocks,
    .gradient = scale_gradient,
    .norms = scale_norms,
    .free = scale_free,
};

layer *scale_new(size_t columns)
{
    scale *c = memory_new(1, sizeof *c);
    if (c)
        c->layer = (layer){&scale_class, columns};
    return c ? &c->layer : NULL;
}
