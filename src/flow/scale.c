/* scale.c - the diagonal scaling at the end of a NICE (paper, section 3.3).
 *
 *     y_d = x_d exp(s_d),  log|det| = sum_d s_d
 *
 * s is trainable and free of weight decay. It starts from the data, so that each latent column has
 * the prior's standard deviation: s_d = log(prior deviation / deviation_d). */
#include <math.h>
#include <string.h>

#include "flow/grammar.h"
#include "flow/map.h"
#include "flow/state.h"

static void scale_tensors(layer *self, const char *prefix, tensor_list *list)
{
    tensor_add(list, prefix, "log_scale", TENSOR_SCALE, self->columns, 0,
               &((vector_layer *)self)->theta);
}

/* One matrix: y in the forward pass, the rows' contributions to ds in the backward one. */
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
        ((vector_layer *)self)->theta[j] =
            (real)(deviation > 0 ? log(s->prior_deviation / deviation) : 0);
    }
    return NICEST_OK;
}

/* x *= exp(sign s), logdet += sign sum(s) over what is seen */
static void rescale(const vector_layer *c, tile *t, double sign)
{
    for (size_t j = 0; j < c->layer.columns; j++)
        state_affine(t->x + j * t->padded, exp(sign * (double)c->theta[j]), 0, t->padded);
    tile_add_logdet(t, c->theta, sign);
}

/* y = x exp(s) */
static void scale_forward(const layer *self, tile *t)
{
    rescale((const vector_layer *)self, t, 1);
    if (!t->tape)
        return;
    real *y = tile_taped(t, 0);
    state_narrow(y, t->x, self->columns * t->padded);
    tile_note(t, 0, y, self->columns);
}

/* x = y exp(-s) */
static void scale_inverse(const layer *self, tile *t)
{
    rescale((const vector_layer *)self, t, -1);
}

/* dx = dy exp(s); ds = dy y + weight for each row, kept on the tape in the place of y */
static void scale_backward(const layer *self, tile *t)
{
    const vector_layer *c = (const vector_layer *)self;
    size_t n = t->padded;
    real *ds = tile_taped(t, 0);
    for (size_t j = 0; j < self->columns; j++) {
        vector_multiply(ds + j * n, t->dx + j * n, n);
        tile_add_weight(t, j, ds + j * n);
        vector_scale(t->dx + j * n, (real)exp((double)c->theta[j]), n);
    }
    tile_note(t, 1, ds, self->columns);
}

static const layer_class scale_class = {
    .name = "scale",
    .tensors = scale_tensors,
    .tape = scale_tape,
    .start = scale_start,
    .forward = scale_forward,
    .inverse = scale_inverse,
    .backward = scale_backward,
    .blocks = layer_vector_blocks,
    .gradient = layer_vector_gradient,
    .norms = layer_vector_norms,
};

nicest_status scale_parse(const spec_line *l, const spec_shape *shape, char *canonical, layer **out)
{
    if (l->words != 1)
        return spec_refuse(l, "'scale' takes no options");
    layer_new(&scale_class, sizeof(vector_layer), shape, out);
    strcpy(canonical, "scale");
    return NICEST_OK;
}
