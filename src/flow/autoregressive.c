/* autoregressive.c - each column moves, given those before it (Papamakarios et al., 2017, MAF).
 *
 *     y_j = rule(x_j; conditioner_j(x_0 .. x_j-1))
 *
 * The conditioner is one masked net (mlp.h, Germain et al., 2015), so forward is one pass. The
 * inverse goes column by column; each step computes only what its column is the first to need, so
 * all steps together cost one pass too. In a masked flow a column is read as the pair x m, 1 - m.
 */
#include <stdio.h>

#include "flow/net.h"
#include "flow/state.h"

typedef struct autoregressive {
    net_layer base;
    bool masked;
} autoregressive;

static size_t inputs_of(const autoregressive *c)
{
    return c->base.layer.columns * (c->masked ? 2 : 1);
}

static void autoregressive_prepare(const layer *self, layer_needs *needs)
{
    const autoregressive *c = (const autoregressive *)self;
    size_t n = needs->rows;
    arena_take(needs->scratch, 2 * inputs_of(c) * n, sizeof(real));
    arena_take(needs->scratch, c->base.rule.parameters * net_chunk(&c->base, n) * n, sizeof(real));
    mlp_prepare(&c->base.net, needs);
}

/* Column j as the conditioner reads it, into its rows of input. */
static void read_input(const autoregressive *c, const tile *t, size_t j, real *input)
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

static void autoregressive_forward(const layer *self, tile *t)
{
    const autoregressive *c = (const autoregressive *)self;
    real *input = arena_take(t->scratch, inputs_of(c) * t->padded, sizeof *input);
    for (size_t j = 0; j < self->columns; j++)
        read_input(c, t, j, input);
    net_move(&c->base, t, input, t->context, false);
}

static void autoregressive_inverse(const layer *self, tile *t)
{
    const autoregressive *c = (const autoregressive *)self;
    size_t p = c->base.rule.parameters;
    real *parameters = arena_take(t->scratch, p * t->padded, sizeof *parameters);
    mlp_steps steps = mlp_steps_begin(&c->base.net, t, t->context);
    for (size_t j = 0; j < self->columns; j++) {
        mlp_step(&c->base.net, t, &steps, j * p, p, parameters);
        rule_job job = net_job(&c->base, t, j, 1, parameters);
        job.inverse = true;
        c->base.rule.class->move(&c->base.rule, &job);
        read_input(c, t, j, steps.input);
    }
}

/* dx by the rule, and += J' delta */
static void autoregressive_backward(const layer *self, tile *t)
{
    const autoregressive *c = (const autoregressive *)self;
    size_t n = t->padded;
    real *dinput = c->masked ? arena_take(t->scratch, inputs_of(c) * n, sizeof *dinput) : t->dx;
    if (c->masked)
        vector_fill(dinput, 0, inputs_of(c) * n);
    net_move_backward(&c->base, t, dinput);
    for (size_t j = 0; c->masked && j < self->columns; j++) {
        vector_add_scaled(t->dx + j * n, dinput + 2 * j * n, 1, n);
        if (t->mask)
            vector_multiply(t->dx + j * n, t->mask + j * n, n);
    }
    tile_note(t, 1, t->dx, self->columns);
}

static const layer_class autoregressive_class = {
    .name = "autoregressive",
    NET_FUNCTIONS,
    .tensors = net_tensors,
    .prepare = autoregressive_prepare,
    .forward = autoregressive_forward,
    .inverse = autoregressive_inverse,
    .backward = autoregressive_backward,
    .free = net_free,
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
    autoregressive *c = layer_new(&autoregressive_class, sizeof *c, shape, out);
    if (!c)
        return NICEST_OK;
    c->base.rule = made;
    c->base.move_width = shape->columns;
    c->masked = shape->masked;
    snprintf(canonical, SPEC_LINE, "autoregressive %s %s", conditioner, rule_text);
    if (!mlp_open(&c->base.net, inputs_of(c), shape->context, made.parameters * shape->columns,
                  shape->columns, &spec))
        memory_free(c), *out = NULL;
    return NICEST_OK;
}
