/* autoregressive.c - each column moves, given those before it (Papamakarios et al., 2017, MAF).
 *
 *     y_j = rule(x_j; conditioner_j(x_0 .. x_j-1))
 *
 * The conditioner is one masked net (mlp.h, Germain et al., 2015), so forward is one pass. The
 * inverse goes column by column; each step computes only what its column is the first to need, so
 * all steps together cost one pass too. In a masked flow a column is read as the pair x m, 1 - m.
 */
#include <stdio.h>
#include <string.h>

#include "flow/mlp.h"
#include "flow/rule.h"
#include "flow/state.h"

typedef struct autoregressive {
    layer layer;
    bool masked;
    rule rule;
    mlp conditioner;
} autoregressive;

static size_t inputs_of(const autoregressive *c)
{
    return c->layer.columns * (c->masked ? 2 : 1);
}

static void autoregressive_tensors(layer *self, const char *prefix, tensor_list *list)
{
    mlp_tensors(&((autoregressive *)self)->conditioner, prefix, list);
}

/* The conditioner's matrices, and x where the rule keeps it. */
static size_t autoregressive_tape(const layer *self, size_t *width)
{
    const autoregressive *c = (const autoregressive *)self;
    size_t count = mlp_tape(&c->conditioner, width);
    if (c->rule.class->keeps && width)
        width[count] = self->columns;
    return count + c->rule.class->keeps;
}

static size_t chunk_of(const autoregressive *c, size_t padded)
{
    size_t most = rule_chunk(&c->rule, padded);
    return most < c->layer.columns ? most : c->layer.columns;
}

static void autoregressive_prepare(const layer *self, layer_needs *needs)
{
    const autoregressive *c = (const autoregressive *)self;
    size_t used = needs->scratch->used;
    arena_take(needs->scratch, 2 * inputs_of(c) * needs->rows, sizeof(real));
    arena_take(needs->scratch, c->rule.parameters * chunk_of(c, needs->rows) * needs->rows,
               sizeof(real));
    mlp_prepare(&c->conditioner, needs);
    needs->scratch->used = used;
}

static void autoregressive_init(layer *self, random_stream stream)
{
    mlp_init(&((autoregressive *)self)->conditioner, stream);
}

/* Column j as the conditioner reads it, into its rows of input. */
static void read_column(const autoregressive *c, const tile *t, size_t j, real *input)
{
    size_t n = t->padded;
    const real *seen = t->mask ? t->mask + j * n : NULL;
    real *x = input + j * n * (c->masked ? 2 : 1);
    state_narrow(x, t->x + j * n, n);
    for (size_t i = 0; c->masked && i < n; i++) {
        x[n + i] = seen ? 1 - seen[i] : 0;
        x[i] = seen && !(seen[i] > 0) ? 0 : x[i];
    }
}

static rule_job job_of(const autoregressive *c, tile *t, size_t first, size_t columns,
                       real *parameters)
{
    size_t at = first * t->padded;
    bool keeps = c->rule.class->keeps && t->tape;
    return (rule_job){.columns = columns,
                      .padded = t->padded,
                      .x = t->x + at,
                      .kept = keeps ? tile_taped(t, mlp_tape(&c->conditioner, NULL)) + at : NULL,
                      .dx = t->dx ? t->dx + at : NULL,
                      .logdet = t->logdet,
                      .parameters = parameters,
                      .weight = t->weight,
                      .mask = t->mask ? t->mask + at : NULL};
}

static void autoregressive_forward(const layer *self, tile *t)
{
    const autoregressive *c = (const autoregressive *)self;
    size_t used = t->scratch->used, most = chunk_of(c, t->padded), p = c->rule.parameters;
    real *input = arena_take(t->scratch, inputs_of(c) * t->padded, sizeof *input);
    real *space = arena_take(t->scratch, p * most * t->padded, sizeof *space);
    real *taped = c->rule.class->keeps && t->tape ? mlp_output_delta(&c->conditioner, t) : NULL;
    for (size_t j = 0; j < self->columns; j++)
        read_column(c, t, j, input);
    const real *hidden = mlp_hidden(&c->conditioner, t, input, t->context);
    for (size_t first = 0; first < self->columns; first += most) {
        size_t left = self->columns - first, columns = left < most ? left : most;
        real *parameters = taped ? taped + first * p * t->padded : space;
        mlp_output(&c->conditioner, t, hidden, first * p, columns * p, parameters);
        rule_job job = job_of(c, t, first, columns, parameters);
        c->rule.class->forward(&c->rule, &job);
    }
    t->scratch->used = used;
}

static void autoregressive_inverse(const layer *self, tile *t)
{
    const autoregressive *c = (const autoregressive *)self;
    size_t used = t->scratch->used, p = c->rule.parameters;
    real *parameters = arena_take(t->scratch, p * t->padded, sizeof *parameters);
    mlp_steps steps = mlp_steps_begin(&c->conditioner, t, t->context);
    for (size_t j = 0; j < self->columns; j++) {
        mlp_step(&c->conditioner, t, &steps, j * p, p, parameters);
        rule_job job = job_of(c, t, j, 1, parameters);
        c->rule.class->inverse(&c->rule, &job);
        read_column(c, t, j, steps.input);
    }
    t->scratch->used = used;
}

/* dx by the rule, and += J' delta */
static void autoregressive_backward(const layer *self, tile *t)
{
    const autoregressive *c = (const autoregressive *)self;
    size_t used = t->scratch->used, n = t->padded;
    rule_job job = job_of(c, t, 0, self->columns, mlp_output_delta(&c->conditioner, t));
    c->rule.class->backward(&c->rule, &job);
    real *dinput = c->masked ? arena_take(t->scratch, inputs_of(c) * n, sizeof *dinput) : t->dx;
    if (c->masked)
        vector_fill(dinput, 0, inputs_of(c) * n);
    mlp_backward(&c->conditioner, t, dinput);
    for (size_t j = 0; c->masked && j < self->columns; j++) {
        vector_add_scaled(t->dx + j * n, dinput + 2 * j * n, 1, n);
        if (t->mask)
            vector_multiply(t->dx + j * n, t->mask + j * n, n);
    }
    tile_note(t, 1, t->dx, self->columns);
    t->scratch->used = used;
}

static void autoregressive_blocks(const layer *self, size_t index, const tensor_list *list,
                                  block_list *blocks)
{
    mlp_blocks(&((const autoregressive *)self)->conditioner, index, list, blocks);
}

static void autoregressive_gradient(const layer *self, const batch *b, const block *which, real *g)
{
    mlp_gradient(&((const autoregressive *)self)->conditioner, b, which, g);
}

static void autoregressive_turn(const layer *self, const block *which, const real *theta,
                                weight_forms *forms)
{
    mlp_turn(&((const autoregressive *)self)->conditioner, which, theta, forms);
}

static size_t autoregressive_norms(const layer *self, const tile *t, double *norms, size_t stride)
{
    return mlp_norms(&((const autoregressive *)self)->conditioner, t, norms, stride);
}

static void autoregressive_free(layer *self)
{
    mlp_close(&((autoregressive *)self)->conditioner);
    memory_free(self);
}

static const layer_class autoregressive_class = {
    .name = "autoregressive",
    .starts_as_identity = true,
    .tensors = autoregressive_tensors,
    .tape = autoregressive_tape,
    .prepare = autoregressive_prepare,
    .init = autoregressive_init,
    .forward = autoregressive_forward,
    .inverse = autoregressive_inverse,
    .backward = autoregressive_backward,
    .blocks = autoregressive_blocks,
    .gradient = autoregressive_gradient,
    .turn = autoregressive_turn,
    .norms = autoregressive_norms,
    .free = autoregressive_free,
};

nicest_status autoregressive_parse(const spec_line *l, const spec_shape *shape, char *canonical,
                                   layer **out)
{
    static const char *const keys[] = {"hidden", "activation", "dropout", NULL};
    char conditioner[SPEC_LINE - 128], rule_text[64];
    mlp_spec spec;
    rule made;
    TRY(rule_parse(
        l, &made, "affine", keys,
        "expected 'autoregressive hidden=WIDTHxDEPTH activation=relu|tanh|silu dropout=P "
        "rule=additive|affine|spline', and the rule's options",
        rule_text, sizeof rule_text));
    TRY(mlp_parse(l, &spec, conditioner));
    if (!spec.hidden_count)
        return spec_refuse(l, "the conditioner of an autoregressive layer has a hidden layer");
    autoregressive *c = memory_new(1, sizeof *c);
    if (!c)
        return NICEST_OK;
    c->layer = (layer){&autoregressive_class, shape->columns};
    c->masked = shape->masked;
    c->rule = made;
    snprintf(canonical, SPEC_LINE, "autoregressive %s %s", conditioner, rule_text);
    if (mlp_open(&c->conditioner, inputs_of(c), shape->context, made.parameters * shape->columns,
                 shape->columns, &spec))
        *out = &c->layer;
    else
        memory_free(c);
    return NICEST_OK;
}
