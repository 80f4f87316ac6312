/* coupling.c - the coupling layer: part of the columns moves, given the others.
 *
 *     y_keep = x_keep,  y_move = rule(x_move; conditioner(x_keep))
 *
 * (paper, section 3.2). The rule is additive here: y_move = x_move + m(x_keep), log|det| = 0.
 * Affine and spline rules are further entries of `rule`. Columns are cut in two parts, the first
 * the longer one when d is odd; the odd/even split of the paper is a permutation in front. */
#include <string.h>

#include "flow/layer.h"
#include "flow/mlp.h"
#include "flow/state.h"

/* What a rule does with the moved columns of a tile; parameters[count * moved, padded]. */
typedef struct rule {
    const char *name;
    size_t parameters; /* conditioner outputs for each moved column */
    void (*forward)(double *moved, size_t width, tile *t, const real *parameters);
    void (*inverse)(double *moved, size_t width, tile *t, const real *parameters);
    /* dmoved: gradient by y_move in, by x_move out; delta: gradient by the parameters. */
    void (*backward)(real *dmoved, size_t width, tile *t, real *delta);
} rule;

typedef struct coupling {
    layer layer;
    size_t keep, keep_width, move, move_width; /* first column and number of columns */
    const rule *rule;
    mlp conditioner;
} coupling;

/* ------------------------------------------------------------------ the additive rule */

/* y = x + m */
static void additive_forward(double *moved, size_t width, tile *t, const real *m)
{
    state_add(moved, m, width * t->padded);
}

/* x = y - m */
static void additive_inverse(double *moved, size_t width, tile *t, const real *m)
{
    state_subtract(moved, m, width * t->padded);
}

/* dx = dy, dm = dy */
static void additive_backward(real *dmoved, size_t width, tile *t, real *delta)
{
    memcpy(delta, dmoved, width * t->padded * sizeof *delta);
}

static const rule additive = {"additive", 1, additive_forward, additive_inverse, additive_backward};

/* ------------------------------------------------------------------ the layer */

static size_t parameter_width(const coupling *c)
{
    return c->rule->parameters * c->move_width;
}

static void coupling_tensors(layer *self, const char *prefix, tensor_list *list)
{
    mlp_tensors(&((coupling *)self)->conditioner, prefix, list);
}

static size_t coupling_tape(const layer *self, size_t *width)
{
    return mlp_tape(&((const coupling *)self)->conditioner, width);
}

static void coupling_prepare(const layer *self, layer_needs *needs)
{
    const coupling *c = (const coupling *)self;
    size_t used = needs->scratch->used;
    arena_take(needs->scratch, parameter_width(c) * needs->rows, sizeof(real));
    mlp_prepare(&c->conditioner, needs);
    needs->scratch->used = used;
}

static void coupling_init(layer *self, random_stream stream)
{
    mlp_init(&((coupling *)self)->conditioner, stream);
}

/* Forward and inverse differ in the rule's function alone: x_keep is the same in both. */
static void transform(const coupling *c, tile *t,
                      void (*rewrite)(double *, size_t, tile *, const real *))
{
    size_t used = t->scratch->used;
    real *parameters = arena_take(t->scratch, parameter_width(c) * t->padded, sizeof(real));
    mlp_forward(&c->conditioner, t, t->x + c->keep * t->padded, parameters);
    rewrite(t->x + c->move * t->padded, c->move_width, t, parameters);
    t->scratch->used = used;
}

static void coupling_forward(const layer *self, tile *t)
{
    const coupling *c = (const coupling *)self;
    transform(c, t, c->rule->forward);
}

static void coupling_inverse(const layer *self, tile *t)
{
    const coupling *c = (const coupling *)self;
    transform(c, t, c->rule->inverse);
}

/* dx_move by the rule, dx_keep += J_m' delta */
static void coupling_backward(const layer *self, tile *t)
{
    const coupling *c = (const coupling *)self;
    real *delta = mlp_output_delta(&c->conditioner, t);
    c->rule->backward(t->dx + c->move * t->padded, c->move_width, t, delta);
    mlp_backward(&c->conditioner, t, t->dx + c->keep * t->padded);
    if (t->largest) { /* a weight that is not finite may hide behind a ReLU until here */
        real largest = vector_max_abs(t->dx, t->padded * t->columns);
        t->largest[1] = largest > t->largest[1] ? largest : t->largest[1];
    }
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

layer *coupling_new(size_t columns, bool move_first, const mlp_spec *conditioner)
{
    coupling *c = memory_new(1, sizeof *c);
    if (!c)
        return NULL;
    size_t first = (columns + 1) / 2, second = columns - first;
    c->layer = (layer){&coupling_class, columns};
    c->rule = &additive;
    c->keep = move_first ? first : 0;
    c->keep_width = move_first ? second : first;
    c->move = move_first ? 0 : first;
    c->move_width = move_first ? first : second;
    if (mlp_open(&c->conditioner, c->keep_width, parameter_width(c), conditioner))
        return &c->layer;
    memory_free(c);
    return NULL;
}
