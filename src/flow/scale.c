/* scale.c - the diagonal scaling at the end of a NICE (paper, section 3.3).
 *
 *     y_d = x_d exp(s_d),  log|det| = sum_d s_d
 *
 * s is trainable and free of weight decay. It starts from the data, so that each latent column has
 * the prior's standard deviation: s_d = log(prior deviation / deviation_d). */
#include <math.h>
#include <string.h>

#include "flow/grammar.h"
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

static nicest_status scale_start(layer *self, const layer_start *s)
{
    for (size_t j = 0; j < self->columns; j++) {
        double mean, deviation;
        start_moments(s, j, &mean, &deviation);
        ((scale *)self)->s[j] = (real)(deviation > 0 ? log(s->prior_deviation / deviation) : 0);
    }
    return NICEST_OK;
}

/* x *= exp(sign s), logdet += sign sum(s) over what is seen */
static void rescale(const scale *c, tile *t, double sign)
{
    for (size_t j = 0; j < c->layer.columns; j++)
        state_affine(t->x + j * t->padded, exp(sign * (double)c->s[j]), 0, t->padded);
    tile_add_logdet(t, c->s, sign);
}

/* y = x exp(s) */
static void scale_forward(const layer *self, tile *t)
{
    rescale((const scale *)self, t, 1);
    if (!t->tape)
        return;
    real *y = t->tape->matrix[0] + t->first * self->columns;
    state_narrow(y, t->x, self->columns * t->padded);
    if (t->largest)
        t->largest[0] = vector_max_abs(y, self->columns * t->padded);
}

/* x = y exp(-s) */
static void scale_inverse(const layer *self, tile *t)
{
    rescale((const scale *)self, t, -1);
}

/* dx = dy exp(s); ds = dy y + weight for each row, kept on the tape in the place of y */
static void scale_backward(const layer *self, tile *t)
{
    const scale *c = (const scale *)self;
    size_t n = t->padded;
    real *ds = t->tape->matrix[0] + t->first * self->columns, *dx = t->dx;
    for (size_t j = 0; j < self->columns; j++, ds += n, dx += n) {
        vector_multiply(ds, dx, n);
        tile_add_weight(t, j, ds);
        vector_scale(dx, (real)exp((double)c->s[j]), n);
    }
    ds -= self->columns * n;
    if (t->largest)
        t->largest[1] = vector_max_abs(ds, self->columns * n);
}

static void scale_blocks(const layer *self, size_t index, const tensor_list *list,
                         block_list *blocks)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].slot == &((const scale *)self)->s)
            block_add(blocks, &(block){.layer = index,
                                       .rows = self->columns,
                                       .offset = list->items[i].offset,
                                       .count = self->columns});
}

static void scale_gradient(const layer *self, const batch *b, const block *which, real *g)
{
    for (size_t j = 0; j < which->count; j++)
        g[j] = (real)batch_sum(b, b->tape->matrix[0], self->columns, j);
}

static size_t scale_norms(const layer *self, const tile *t, double *norms, size_t stride)
{
    double squares[2 * GEMM_PANEL];
    if (!t)
        return 1;
    tile_squares(t, t->tape->matrix[0] + t->first * self->columns, self->columns, squares);
    for (size_t r = 0; r < t->rows; r++)
        norms[r * stride] = sqrt(squares[r]);
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
    .start = scale_start,
    .forward = scale_forward,
    .inverse = scale_inverse,
    .backward = scale_backward,
    .blocks = scale_blocks,
    .gradient = scale_gradient,
    .norms = scale_norms,
    .free = scale_free,
};

nicest_status scale_parse(const spec_line *l, const spec_shape *shape, char *canonical, layer **out)
{
    if (l->words != 1)
        return spec_refuse(l, "'scale' takes no options");
    scale *c = memory_new(1, sizeof *c);
    if (!c)
        return NICEST_OK;
    c->layer = (layer){&scale_class, shape->columns};
    *out = &c->layer;
    strcpy(canonical, "scale");
    return NICEST_OK;
}
