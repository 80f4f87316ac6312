/* elementwise.c - every column moves by a rule of its own, given nothing.
 *
 *     y_j = rule_j(x_j; theta_j),  theta [columns P], log|det| = the sum of the rule's
 *
 * The one-column spline flow; in front of couplings it is the spline of the half that they keep. */
#include <stdio.h>

#include "flow/map.h"
#include "flow/rule.h"

typedef struct elementwise {
    vector_layer base; /* theta [columns P] */
    rule rule;
} elementwise;

static void elementwise_tensors(layer *self, const char *prefix, tensor_list *list)
{
    elementwise *c = (elementwise *)self;
    tensor_add(list, prefix, "parameters", TENSOR_SCALE, self->columns * c->rule.parameters, 0,
               &c->base.theta);
}

/* The parameters of each row, then their deltas; and x. */
static size_t elementwise_tape(const layer *self, size_t *width)
{
    if (width) {
        width[0] = self->columns * ((const elementwise *)self)->rule.parameters;
        width[1] = self->columns;
    }
    return 2;
}

static void elementwise_prepare(const layer *self, layer_needs *needs)
{
    arena_take(needs->scratch, ((const elementwise *)self)->rule.parameters * needs->rows,
               sizeof(real));
}

/* Column by column: one value's parameters, the same for all rows. */
static void run_columns(const elementwise *c, tile *t, bool inverse)
{
    size_t n = t->padded, p = c->rule.parameters;
    real *space = arena_take(t->scratch, p * n, sizeof *space);
    for (size_t j = 0; j < c->base.layer.columns; j++) {
        real *parameters = t->tape ? tile_taped(t, 0) + j * p * n : space;
        for (size_t k = 0; k < p; k++)
            vector_fill(parameters + k * n, c->base.theta[j * p + k], n);
        c->rule.class->move(&c->rule, &(rule_job){.columns = 1,
                                                  .padded = n,
                                                  .x = t->x + j * n,
                                                  .kept = t->tape ? tile_taped(t, 1) + j * n : NULL,
                                                  .logdet = t->logdet,
                                                  .parameters = parameters,
                                                  .mask = t->mask ? t->mask + j * n : NULL,
                                                  .inverse = inverse});
    }
}

static void elementwise_forward(const layer *self, tile *t)
{
    run_columns((const elementwise *)self, t, false);
    if (t->tape)
        tile_note(t, 0, tile_taped(t, 1), self->columns);
}

static void elementwise_inverse(const layer *self, tile *t)
{
    run_columns((const elementwise *)self, t, true);
}

static void elementwise_backward(const layer *self, tile *t)
{
    const elementwise *c = (const elementwise *)self;
    c->rule.class->backward(&c->rule, &(rule_job){.columns = self->columns,
                                                  .padded = t->padded,
                                                  .kept = tile_taped(t, 1),
                                                  .dx = t->dx,
                                                  .parameters = tile_taped(t, 0),
                                                  .weight = t->weight,
                                                  .mask = t->mask});
    tile_note(t, 1, tile_taped(t, 0), self->columns * c->rule.parameters);
}

static const layer_class elementwise_class = {
    .name = "elementwise",
    .starts_as_identity = true,
    .tensors = elementwise_tensors,
    .tape = elementwise_tape,
    .prepare = elementwise_prepare,
    .forward = elementwise_forward,
    .inverse = elementwise_inverse,
    .backward = elementwise_backward,
    .blocks = layer_vector_blocks,
    .gradient = layer_vector_gradient,
    .norms = layer_vector_norms,
};

nicest_status elementwise_parse(const spec_line *l, const spec_shape *shape, char *canonical,
                                layer **out)
{
    static const char *const keys[] = {NULL};
    char rule_text[64];
    rule made;
    TRY(rule_parse(l, &made, "spline", keys,
                   "expected 'elementwise rule=additive|affine|spline' and the rule's options",
                   rule_text, sizeof rule_text));
    elementwise *c = layer_new(&elementwise_class, sizeof *c, shape, out);
    if (c)
        c->rule = made;
    snprintf(canonical, SPEC_LINE, "elementwise %s", rule_text);
    return NICEST_OK;
}
