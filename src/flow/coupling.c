/* coupling.c - the coupling layer: part of the columns moves, given the others.
 *
 *     y_keep = x_keep,  y_move = rule(x_move; conditioner(x_keep))
 *
 * (paper, section 3.2). Columns are cut in two parts, the first the longer one when d is odd; the
 * odd/even split of the paper is a permutation in front. In a masked flow the conditioner reads
 * x_keep m, with 0 for what is hidden, and as part of its context 1 - m. */
#include <stdio.h>
#include <string.h>

#include "flow/mlp.h"
#include "flow/rule.h"
#include "flow/state.h"

typedef struct coupling {
    layer layer;
    size_t keep, keep_width, move, move_width; /* first column and number of columns */
    size_t context;                            /* of the flow, without the masks */
    bool masked;
    rule rule;
    mlp conditioner;
} coupling;

static size_t context_width(const coupling *c)
{
    return c->context + (c->masked ? c->keep_width : 0);
}

static void coupling_tensors(layer *self, const char *prefix, tensor_list *list)
{
    mlp_tensors(&((coupling *)self)->conditioner, prefix, list);
}

/* The conditioner's matrices, and x_move where the rule keeps it. */
static size_t coupling_tape(const layer *self, size_t *width)
{
    const coupling *c = (const coupling *)self;
    size_t count = mlp_tape(&c->conditioner, width);
    if (c->rule.class->keeps && width)
        width[count] = c->move_width;
    return count + c->rule.class->keeps;
}

static size_t chunk_columns(const coupling *c, size_t padded)
{
    size_t most = rule_chunk(&c->rule, padded);
    return most < c->move_width ? most : c->move_width;
}

static void coupling_prepare(const layer *self, layer_needs *needs)
{
    const coupling *c = (const coupling *)self;
    size_t used = needs->scratch->used, cells = chunk_columns(c, needs->rows) * needs->rows;
    arena_take(needs->scratch, c->keep_width * needs->rows, sizeof(real));
    arena_take(needs->scratch, context_width(c) * needs->rows, sizeof(real));
    arena_take(needs->scratch, c->rule.parameters * cells, sizeof(real));
    mlp_prepare(&c->conditioner, needs);
    needs->scratch->used = used;
}

static void coupling_init(layer *self, random_stream stream)
{
    mlp_init(&((coupling *)self)->conditioner, stream);
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

/* Columns first .. first+columns-1 of x_move, at `parameters`. */
static rule_job job_of(const coupling *c, tile *t, size_t first, size_t columns, real *parameters)
{
    size_t at = (c->move + first) * t->padded;
    bool keeps = c->rule.class->keeps && t->tape;
    real *kept = keeps ? tile_taped(t, mlp_tape(&c->conditioner, NULL)) : NULL;
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

/* Forward and inverse differ in the rule's function alone: x_keep is the same in both. The last map
 * and the rule run in chunks of columns, whose parameters stay in a core's cache. */
static void transform(const coupling *c, tile *t, void (*run)(const rule *, rule_job *))
{
    size_t used = t->scratch->used, most = chunk_columns(c, t->padded), p = c->rule.parameters;
    const real *context, *a = read_kept(c, t, &context);
    real *space = arena_take(t->scratch, p * most * t->padded, sizeof *space);
    real *taped = c->rule.class->keeps && t->tape ? mlp_output_delta(&c->conditioner, t) : NULL;
    const real *hidden = mlp_hidden(&c->conditioner, t, a, context);
    for (size_t first = 0; first < c->move_width; first += most) {
        size_t left = c->move_width - first, columns = left < most ? left : most;
        real *parameters = taped ? taped + first * p * t->padded : space;
        mlp_output(&c->conditioner, t, hidden, first * p, columns * p, parameters);
        rule_job job = job_of(c, t, first, columns, parameters);
        run(&c->rule, &job);
    }
    t->scratch->used = used;
}

static void coupling_forward(const layer *self, tile *t)
{
    const coupling *c = (const coupling *)self;
    transform(c, t, c->rule.class->forward);
}

static void coupling_inverse(const layer *self, tile *t)
{
    const coupling *c = (const coupling *)self;
    transform(c, t, c->rule.class->inverse);
}

/* dx_move and delta by the rule, dx_keep += J' delta */
static void coupling_backward(const layer *self, tile *t)
{
    const coupling *c = (const coupling *)self;
    rule_job job = job_of(c, t, 0, c->move_width, mlp_output_delta(&c->conditioner, t));
    c->rule.class->backward(&c->rule, &job);
    real *dkeep = t->dx + c->keep * t->padded;
    mlp_backward(&c->conditioner, t, dkeep);
    if (t->mask)
        vector_multiply(dkeep, t->mask + c->keep * t->padded, c->keep_width * t->padded);
    /* a weight that is not finite may hide behind a ReLU until here */
    tile_note(t, 1, t->dx, t->columns);
}

static void coupling_blocks(const layer *self, size_t index, const tensor_list *list,
                            block_list *blocks)
{
    mlp_blocks(&((const coupling *)self)->conditioner, index, list, blocks);
}

static void coupling_gradient(const layer *self, const batch *b, const block *which, real *g)
{
    mlp_gradient(&((const coupling *)self)->conditioner, b, which, g);
}

static void coupling_turn(const layer *self, const block *which, const real *theta,
                          weight_forms *forms)
{
    mlp_turn(&((const coupling *)self)->conditioner, which, theta, forms);
}

static size_t coupling_norms(const layer *self, const tile *t, double *norms, size_t stride)
{
    return mlp_norms(&((const coupling *)self)->conditioner, t, norms, stride);
}

static void coupling_free(layer *self)
{
    mlp_close(&((coupling *)self)->conditioner);
    memory_free(self);
}

static const layer_class coupling_class = {
    .name = "coupling",
    .starts_as_identity = true,
    .tensors = coupling_tensors,
    .tape = coupling_tape,
    .prepare = coupling_prepare,
    .init = coupling_init,
    .forward = coupling_forward,
    .inverse = coupling_inverse,
    .backward = coupling_backward,
    .blocks = coupling_blocks,
    .gradient = coupling_gradient,
    .turn = coupling_turn,
    .norms = coupling_norms,
    .free = coupling_free,
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
    coupling *c = memory_new(1, sizeof *c);
    if (!c)
        return NICEST_OK;
    bool move_first = !strcmp(move, "first");
    size_t first = (shape->columns + 1) / 2, second = shape->columns - first;
    *c = (coupling){.layer = {&coupling_class, shape->columns},
                    .keep = move_first ? first : 0,
                    .keep_width = move_first ? second : first,
                    .move = move_first ? 0 : first,
                    .move_width = move_first ? first : second,
                    .context = shape->context,
                    .masked = shape->masked,
                    .rule = made};
    snprintf(canonical, SPEC_LINE, "coupling move=%s %s %s", move, conditioner, rule_text);
    if (mlp_open(&c->conditioner, c->keep_width, context_width(c), made.parameters * c->move_width,
                 0, &spec))
        *out = &c->layer;
    else
        memory_free(c);
    return NICEST_OK;
}
