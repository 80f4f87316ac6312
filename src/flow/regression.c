/* regression.c - what the context alone says of the values, as a straight line:
 *
 *     y = x - W c,   log|det| = 0
 *
 * W starts as the ridge regression of the columns on the context, so that closed forms behind it
 * are conditional ones, and is learnt on from there. Hidden values stay hidden. The place `unknown`
 * of a category starts at 0, which is the mean of what its classes do. */
#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "base/status.h"
#include "flow/grammar.h"
#include "flow/map.h"

enum { SWEEPS = 20, FITTED_ROWS = 65536 };
/* Rows without any effect that each coefficient has beside its own. */
static const double RIDGE = 4;

typedef struct regression {
    layer layer;
    map map;
} regression;

static void regression_tensors(layer *self, const char *prefix, tensor_list *list)
{
    map_tensors(&((regression *)self)->map, prefix, "context", false, list);
}

/* The context in panels, and the gradient by W c. */
static size_t regression_tape(const layer *self, size_t *width)
{
    if (width) {
        width[0] = map_panels(((const regression *)self)->map.in);
        width[1] = self->columns;
    }
    return 2;
}

static void regression_prepare(const layer *self, layer_needs *needs)
{
    size_t wide = ((const regression *)self)->map.in + 1;
    arena_take(needs->scratch, (self->columns + 2 * wide) * needs->rows, sizeof(real));
}

/* x += sign W c where x is seen */
static void move_by_context(const regression *g, tile *t, double sign)
{
    size_t n = t->padded * g->layer.columns;
    real *line = arena_take(t->scratch, n, sizeof *line);
    map_forward(&g->map, t, map_operand(&g->map, t, t->context), 0, g->layer.columns, GEMM_ZERO,
                GEMM_PLAIN, NULL, line);
    for (size_t i = 0; i < n; i++)
        t->x[i] += !t->mask || t->mask[i] > 0 ? sign * (double)line[i] : 0;
}

static void regression_forward(const layer *self, tile *t)
{
    const regression *g = (const regression *)self;
    if (t->tape)
        map_keep(&g->map, t, tile_taped(t, 0), t->context);
    move_by_context(g, t, -1);
}

static void regression_inverse(const layer *self, tile *t)
{
    move_by_context((const regression *)self, t, 1);
}

/* dx = dy, d(W c) = -dy where it is seen */
static void regression_backward(const layer *self, tile *t)
{
    size_t n = t->padded * self->columns;
    real *delta = tile_taped(t, 1);
    for (size_t i = 0; i < n; i++)
        delta[i] = !t->mask || t->mask[i] > 0 ? -t->dx[i] : 0;
    tile_note(t, 1, delta, self->columns);
}

static void regression_blocks(const layer *self, size_t index, const tensor_list *list,
                              block_list *blocks)
{
    map_blocks(&((const regression *)self)->map, index, 0, list, blocks);
}

static void regression_gradient(const layer *self, const batch *b, const block *which, real *g)
{
    map_gradient(&((const regression *)self)->map, b, 0, 1, which, g);
}

static void regression_transpose(const layer *self, const block *which, const real *theta,
                                 weight_forms *forms)
{
    map_transpose(&((const regression *)self)->map, which, theta, forms);
}

static size_t regression_norms(const layer *self, const tile *t, double *norms, size_t stride)
{
    if (t)
        map_norms(&((const regression *)self)->map, t, tile_taped(t, 0), tile_taped(t, 1), norms,
                  stride);
    return 1;
}

/* ------------------------------------------------------------------ starting values */

/* The context by places: the rows where place c is not 0 are row[begin[c]] to row[begin[c + 1] -
 * 1].
 */
typedef struct fitting {
    const regression *g;
    const layer_start *start;
    size_t n, *begin;
    uint32_t *row;
    double *rest; /* [columns, n] what is not explained yet */
} fitting;

/* One coefficient after the other takes what the others leave; several times over. Infinite values
 * explain nothing. */
static void fit_regression(void *context, int thread, size_t j)
{
    const fitting *f = context;
    const layer_start *s = f->start;
    const map *m = &f->g->map;
    double *rest = f->rest + j * f->n;
    const real *seen = s->mask ? s->mask + j * s->stride : NULL;
    (void)thread;
    for (size_t r = 0; r < f->n; r++)
        rest[r] = isfinite(s->x[j * s->stride + r]) ? s->x[j * s->stride + r] : 0;
    for (int sweep = 0; sweep < SWEEPS; sweep++)
        for (size_t i = 0; i < m->in; i++) {
            const real *c = s->context + i * s->n;
            double product = 0, square = RIDGE, *rests = rest;
            for (size_t k = f->begin[i]; k < f->begin[i + 1]; k++) {
                size_t r = f->row[k];
                double own = !seen || seen[r] > 0 ? (double)c[r] : 0;
                product += own * rests[r];
                square += own * own;
            }
            double before = (double)m->weight[j * m->in + i];
            real after = (real)(before + (product - RIDGE * before) / square);
            m->weight[j * m->in + i] = after;
            for (size_t k = f->begin[i]; k < f->begin[i + 1]; k++)
                rests[f->row[k]] -= ((double)after - before) * (double)c[f->row[k]];
        }
}

static nicest_status regression_start(layer *self, const layer_start *s)
{
    size_t wide = ((const regression *)self)->map.in, count = 0;
    OWNED_BY(memory_leave) memory_group memory = {0};
    fitting f = {
        .g = (const regression *)self, .start = s, .n = s->n < FITTED_ROWS ? s->n : FITTED_ROWS};
    for (size_t i = 0; i < wide; i++)
        for (size_t r = 0; r < f.n; r++)
            count += s->context[i * s->n + r] != 0;
    f.begin = memory_join(&memory, wide + 1, sizeof *f.begin);
    f.row = memory_join(&memory, count, sizeof *f.row);
    f.rest = memory_join(&memory, f.n, self->columns * sizeof *f.rest);
    TRY(check_memory(!memory.lacking));
    count = 0;
    for (size_t i = 0; i < wide; i++) {
        for (size_t r = 0; r < f.n; r++)
            if (s->context[i * s->n + r] != 0)
                f.row[count++] = (uint32_t)r;
        f.begin[i + 1] = count;
    }
    parallel_for(s->threads, self->columns, fit_regression, &f);
    return NICEST_OK;
}

/* ------------------------------------------------------------------ the layer */

static const layer_class regression_class = {
    .name = "regression",
    .tensors = regression_tensors,
    .tape = regression_tape,
    .prepare = regression_prepare,
    .start = regression_start,
    .forward = regression_forward,
    .inverse = regression_inverse,
    .backward = regression_backward,
    .blocks = regression_blocks,
    .gradient = regression_gradient,
    .transpose = regression_transpose,
    .norms = regression_norms,
};

nicest_status regression_parse(const spec_line *l, const spec_shape *shape, char *canonical,
                               layer **out)
{
    if (l->words != 1)
        return spec_refuse(l, "'regression' takes no options");
    if (!shape->context || !shape->columns)
        return spec_refuse(l, "'regression' is of columns on a context");
    regression *g = layer_new(&regression_class, sizeof *g, shape, out);
    if (g)
        g->map = (map){.in = shape->context, .out = shape->columns};
    strcpy(canonical, "regression");
    return NICEST_OK;
}
