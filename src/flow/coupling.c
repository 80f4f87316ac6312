/* coupling.c - the coupling layer: part of the columns moves, given the others.
 *
 *     y_keep = x_keep,  y_move = rule(x_move; conditioner(x_keep))
 *
 * (paper, section 3.2). Columns are cut in two parts, the first the longer one when d is odd; the
 * odd/even split of the paper is a permutation in front. In a masked flow the conditioner reads
 * x_keep m, with 0 for what is hidden, and as part of its context 1 - m. */
#include <stdio.h>
#include <string.h>

#include "flow/net.h"
#include "flow/state.h"

typedef struct coupling {
    net_layer base;
    size_t keep, keep_width; /* first column and number of columns */
    size_t context;          /* of the flow, without the masks */
    bool masked;
} coupling;

static size_t context_width(const coupling *c)
{
    return c->context + (c->masked ? c->keep_width : 0);
}

static void coupling_prepare(const layer *self, layer_needs *needs)
{
    const coupling *c = (const coupling *)self;
    size_t n = needs->rows;
    arena_take(needs->scratch, c->keep_width * n, sizeof(real));
    arena_take(needs->scratch, context_width(c) * n, sizeof(real));
    arena_take(needs->scratch, c->base.rule.parameters * net_chunk(&c->base, n) * n, sizeof(real));
    mlp_prepare(&c->base.net, needs);
}

/* x_keep, 0 where it is hidden; and the context with 1 - m behind it. */
static const real *read_kept(const coupling *c, tile *t, const real **context)
{
    size_t cells = c->keep_width * t->padded, given = c->context * t->padded;
    real *a = arena_take(t->scratch, cells, sizeof *a);
    real *both = c->masked ? arena_take(t->scratch, cells + given, sizeof *a) : NULL;
    state_narrow(a, t->x + c->keep * t->padded, cells);
    *context = both ? both : t->context;
    if (!both)
        return a;
    if (given)
        memcpy(both, t->context, given * sizeof *both);
    const real *seen = t->mask ? t->mask + c->keep * t->padded : NULL;
    for (size_t i = 0; i < cells; i++) {
        both[given + i] = seen ? 1 - seen[i] : 0;
        a[i] = seen && !(seen[i] > 0) ? 0 : a[i];
    }
    return a;
}

/* x_keep is the same in both directions. */
static void transform(const coupling *c, tile *t, bool inverse)
{
    const real *context, *a = read_kept(c, t, &context);
    net_move(&c->base, t, a, context, inverse);
}

static void coupling_forward(const layer *self, tile *t)
{
    transform((const coupling *)self, t, false);
}

static void coupling_inverse(const layer *self, tile *t)
{
    transform((const coupling *)self, t, true);
}

/* dx_move and delta by the rule, dx_keep += J' delta */
static void coupling_backward(const layer *self, tile *t)
{
    const coupling *c = (const coupling *)self;
    real *dkeep = t->dx + c->keep * t->padded;
    net_move_backward(&c->base, t, dkeep);
    if (t->mask)
        vector_multiply(dkeep, t->mask + c->keep * t->padded, c->keep_width * t->padded);
    /* a weight that is not finite may hide behind a ReLU until here */
    tile_note(t, 1, t->dx, t->columns);
}

static const layer_class coupling_class = {
    .name = "coupling",
    NET_FUNCTIONS,
    .tensors = net_tensors,
    .prepare = coupling_prepare,
    .forward = coupling_forward,
    .inverse = coupling_inverse,
    .backward = coupling_backward,
    .free = net_free,
};

nicest_status coupling_parse(const spec_line *l, const spec_shape *shape, char *canonical,
                             layer **out)
{
    static const char *const keys[] = {"move", "hidden", "activation", "blocks", "dropout", NULL};
    static const char *const usage =
        "expected 'coupling move=first|second hidden=WIDTHxDEPTH activation=relu|tanh|silu "
        "blocks=N dropout=P rule=additive|affine|spline', and the rule's options";
    const char *move = spec_option(l, "move");
    char conditioner[SPEC_LINE - 128], rule_text[64];
    mlp_spec spec;
    rule made;
    if (shape->columns < 2)
        return spec_refuse(l, "a coupling needs at least 2 columns");
    TRY(rule_parse(l, &made, "additive", keys, usage, rule_text, sizeof rule_text));
    if (!move || (strcmp(move, "first") && strcmp(move, "second")))
        return spec_refuse(l, usage);
    TRY(mlp_parse(l, &spec, conditioner));
    if (!spec.hidden_count && (shape->context || shape->masked))
        return spec_refuse(l, "with a context or masks a conditioner has a hidden layer");
    coupling *c = layer_new(&coupling_class, sizeof *c, shape, out);
    if (!c)
        return NICEST_OK;
    bool move_first = !strcmp(move, "first");
    size_t first = (shape->columns + 1) / 2, second = shape->columns - first;
    c->base.rule = made;
    c->base.move = move_first ? 0 : first;
    c->base.move_width = move_first ? first : second;
    c->keep = move_first ? first : 0;
    c->keep_width = move_first ? second : first;
    c->context = shape->context;
    c->masked = shape->masked;
    snprintf(canonical, SPEC_LINE, "coupling move=%s %s %s", move, conditioner, rule_text);
    if (!mlp_open(&c->base.net, c->keep_width, context_width(c),
                  made.parameters * c->base.move_width, 0, &spec))
        memory_free(c), *out = NULL;
    return NICEST_OK;
}
