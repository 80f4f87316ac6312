/* net.h - what layers that own a conditioner have in common, and those whose columns move by a
 * rule.
 *
 * A layer's struct begins with a net_layer; its class names the functions below, or calls them. */
#pragma once

#include <assert.h>

#include "flow/mlp.h"
#include "flow/rule.h"

typedef struct net_layer {
    layer layer;
    mlp net;
    rule rule;               /* of a layer that moves columns */
    size_t move, move_width; /* the first column that moves, and how many do */
} net_layer;

static inline void net_tensors(layer *self, const char *prefix, tensor_list *list)
{
    mlp_tensors(&((net_layer *)self)->net, prefix, list);
}

static inline void net_init(layer *self, random_stream stream)
{
    mlp_init(&((net_layer *)self)->net, stream);
}

static inline void net_blocks(const layer *self, size_t index, const tensor_list *list,
                              block_list *blocks)
{
    mlp_blocks(&((const net_layer *)self)->net, index, list, blocks);
}

static inline void net_gradient(const layer *self, const batch *b, const block *which, real *g)
{
    mlp_gradient(&((const net_layer *)self)->net, b, which, g);
}

static inline void net_transpose(const layer *self, const block *which, const real *theta,
                                 weight_forms *forms)
{
    mlp_transpose(&((const net_layer *)self)->net, which, theta, forms);
}

static inline size_t net_norms(const layer *self, const tile *t, double *norms, size_t stride)
{
    return mlp_norms(&((const net_layer *)self)->net, t, norms, stride);
}

/* The conditioner's matrices, and x_move where the rule keeps it. */
static inline size_t net_tape(const layer *self, size_t *width)
{
    const net_layer *c = (const net_layer *)self;
    bool keeps = c->rule.class && c->rule.class->keeps;
    size_t count = mlp_tape(&c->net, width);
    if (keeps && width)
        width[count] = c->move_width;
    return count + keeps;
}

static inline void net_free(layer *self)
{
    mlp_close(&((net_layer *)self)->net);
    memory_free(self);
}

/* What their classes have in common. */
#define NET_FUNCTIONS                                                                              \
    .starts_as_identity = true, .tape = net_tape, .init = net_init, .blocks = net_blocks,          \
    .gradient = net_gradient, .transpose = net_transpose, .norms = net_norms

/* ------------------------------------------------------------------ columns that move */

/* Columns that are moved at once, whose parameters stay in a core's cache. */
static inline size_t net_chunk(const net_layer *c, size_t padded)
{
    size_t most = rule_chunk(&c->rule, padded);
    return most < c->move_width ? most : c->move_width;
}

/* Columns first .. first+columns-1 of x_move, at `parameters`. */
static inline rule_job net_job(const net_layer *c, tile *t, size_t first, size_t columns,
                               real *parameters)
{
    assert(first + columns <= c->move_width);
    size_t at = (c->move + first) * t->padded;
    bool keeps = c->rule.class->keeps && t->tape;
    real *kept = keeps ? tile_taped(t, mlp_tape(&c->net, NULL)) : NULL;
    return (rule_job){.columns = columns,
                      .padded = t->padded,
                      .x = t->x + at,
                      .kept = kept ? kept + first * t->padded : NULL,
                      .dx = t->dx ? t->dx + at : NULL,
                      .logdet = t->logdet,
                      .parameters = parameters,
                      .weight = t->weight,
                      .mask = t->mask ? t->mask + at : NULL};
}

/* Moves all columns by what the net makes of input and context: the last map and the rule run in
 * chunks. */
static inline void net_move(const net_layer *c, tile *t, const real *input, const real *context,
                            bool inverse)
{
    size_t most = net_chunk(c, t->padded), p = c->rule.parameters;
    real *space = arena_take(t->scratch, p * most * t->padded, sizeof *space);
    real *taped = c->rule.class->keeps && t->tape ? mlp_output_delta(&c->net, t) : NULL;
    const real *hidden = mlp_hidden(&c->net, t, input, context);
    for (size_t first = 0; first < c->move_width; first += most) {
        size_t left = c->move_width - first, columns = left < most ? left : most;
        real *parameters = taped ? taped + first * p * t->padded : space;
        mlp_output(&c->net, t, hidden, first * p, columns * p, parameters);
        rule_job job = net_job(c, t, first, columns, parameters);
        job.inverse = inverse;
        c->rule.class->move(&c->rule, &job);
    }
}

/* dx_move and the delta of the net by the rule, dinput += J' delta. */
static inline void net_move_backward(const net_layer *c, tile *t, real *dinput)
{
    rule_job job = net_job(c, t, 0, c->move_width, mlp_output_delta(&c->net, t));
    c->rule.class->backward(&c->rule, &job);
    mlp_backward(&c->net, t, dinput);
}
