/* linear.c - columns mixed by one matrix, learned: a lower triangle, or the product of two.
 *
 *     form=triangular  y = L x + b,    L = W + diag(exp(s))
 *     form=lu          y = L U x + b,  L = W + I, U = W' + diag(exp(s)) in reverse order
 *
 *     log|det| = sum of s
 *
 * W and W' are strictly lower: in reverse order an upper triangle is a lower one, so there is one
 * kind of product. It runs on the double state, and its inverse is a substitution in double; the
 * backward pass and gradients are map.c's. start=whiten begins with the inverse Cholesky factor of
 * the covariance of what the layer sees, shrunk as Ledoit and Wolf (2004) would: then y is
 * uncorrelated and as wide as the prior, and behind a marginal the flow is the Gaussian copula. */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/gaussian.h"
#include "base/parallel.h"
#include "base/status.h"
#include "flow/grammar.h"
#include "flow/map.h"
#include "flow/state.h"

typedef struct linear {
    layer layer;
    size_t
        parts; /* triangles; of two, the first is upper and the second has ones on its diagonal */
    bool whitens;
    map part[2];     /* the last has the bias */
    real *log_scale; /* [columns], of the first */
    size_t *limit;   /* [columns] 0, 1, 2, ... */
} linear;

/* Rows of a block: products left of it, substitution within. */
enum { LINEAR_ROWS = 48 };

static void linear_tensors(layer *self, const char *prefix, tensor_list *list)
{
    linear *c = (linear *)self;
    for (size_t p = 0; p < c->parts; p++)
        map_tensors(&c->part[p], prefix, p + 1 < c->parts ? "upper" : "lower", p + 1 == c->parts,
                    list);
    tensor_add(list, prefix, "log_scale", TENSOR_SCALE, self->columns, 0, &c->log_scale);
}

/* Of each part its input in panels and its delta; last x exp(s), then the rows' contributions to
 * ds. */
static size_t linear_tape(const layer *self, size_t *width)
{
    size_t parts = ((const linear *)self)->parts;
    for (size_t i = 0; width && i <= 2 * parts; i++)
        width[i] = i < 2 * parts && i % 2 == 0 ? map_panels(self->columns) : self->columns;
    return 2 * parts + 1;
}

static void linear_prepare(const layer *self, layer_needs *needs)
{
    size_t used = needs->scratch->used, d = self->columns;
    arena_take(needs->scratch, LINEAR_ROWS * (d + needs->rows), sizeof(double));
    needs->scratch->used = used;
    arena_take(needs->scratch, 2 * d * needs->rows, sizeof(real));
}

/* ------------------------------------------------------------------ forward and inverse */

/* The columns x[d] of `size` bytes in reverse order; none is larger than a tile's of doubles. */
static void flip(void *x, size_t d, size_t size)
{
    char held[2 * GEMM_PANEL * sizeof(double)], *low = x, *high = low + d * size;
    assert(size <= sizeof held);
    while (low + size < high) {
        high -= size;
        memcpy(held, low, size);
        memcpy(low, high, size);
        memcpy(high, held, size);
        low += size;
    }
}

/* out[rows, n] = W x for rows first .. first+rows-1, of the columns before `end`; the block on the
 * diagonal is lower, with `scale` on it. */
static void multiply_rows(const map *m, const real *log_scale, tile *t, size_t first, size_t rows,
                          size_t end, double *weight, double *out)
{
    size_t n = t->padded;
    for (size_t i = 0; i < rows; i++) {
        double *row = weight + i * end;
        size_t lower = first + i < end ? first + i : end;
        state_widen(row, m->weight + (first + i) * m->in, lower);
        memset(row + lower, 0, (end - lower) * sizeof *row);
        if (lower < end)
            row[lower] = log_scale ? exp((double)log_scale[lower]) : 1;
    }
    if (end == 0)
        memset(out, 0, rows * n * sizeof *out);
    else
        gemm_run_double(&(gemm_shape){.m = rows,
                                      .n = n,
                                      .k = end,
                                      .lda = end,
                                      .b_step = n,
                                      .b_panel = GEMM_PANEL,
                                      .ldc = n,
                                      .start = GEMM_ZERO},
                        weight, t->x, NULL, out);
}

/* x = (W + diag) x in place, from the last row up, as a row reads those above it; or solves for x,
 * from the first row down. log_scale NULL: ones on the diagonal. */
static void run_triangle(const map *m, const real *log_scale, tile *t, bool solve)
{
    size_t d = m->in, n = t->padded, used = t->scratch->used;
    size_t blocks = (d + LINEAR_ROWS - 1) / LINEAR_ROWS;
    double *weight = arena_take(t->scratch, LINEAR_ROWS * d, sizeof *weight);
    double *sum = arena_take(t->scratch, LINEAR_ROWS * n, sizeof *sum);
    for (size_t b = 0; b < blocks; b++) {
        size_t first = (solve ? b : blocks - 1 - b) * LINEAR_ROWS;
        size_t rows = d - first < LINEAR_ROWS ? d - first : LINEAR_ROWS;
        multiply_rows(m, log_scale, t, first, rows, solve ? first : first + rows, weight, sum);
        if (!solve)
            memcpy(t->x + first * n, sum, rows * n * sizeof *sum);
        for (size_t i = first; solve && i < first + rows; i++) {
            double *x = t->x + i * n, *left = sum + (i - first) * n;
            for (size_t j = first; j < i; j++)
                state_add_scaled(left, t->x + j * n, (double)m->weight[i * d + j], n);
            state_add_scaled(x, left, -1, n);
            if (log_scale)
                state_affine(x, exp(-(double)log_scale[i]), 0, n);
        }
    }
    t->scratch->used = used;
}

static bool is_flipped(const linear *c, size_t p)
{
    return p + 1 < c->parts;
}

static void add_bias(const linear *c, tile *t, double sign)
{
    const real *bias = c->part[c->parts - 1].bias;
    for (size_t j = 0; j < t->columns; j++)
        state_affine(t->x + j * t->padded, 1, sign * (double)bias[j], t->padded);
}

static void linear_forward(const layer *self, tile *t)
{
    const linear *c = (const linear *)self;
    for (size_t p = 0; p < c->parts; p++) {
        if (is_flipped(c, p))
            flip(t->x, t->columns, t->padded * sizeof *t->x);
        if (t->tape) {
            size_t used = t->scratch->used, d = t->columns, n = t->padded;
            real *a = arena_take(t->scratch, d * n, sizeof *a);
            state_narrow(a, t->x, d * n);
            tile_note(t, 0, a, d);
            map_keep(&c->part[p], t, tile_taped(t, 2 * p), a);
            for (size_t j = 0; p == 0 && j < d; j++)
                vector_scale(a + j * n, (real)exp((double)c->log_scale[j]), n);
            if (p == 0)
                memcpy(tile_taped(t, 2 * c->parts), a, d * n * sizeof *a);
            t->scratch->used = used;
        }
        run_triangle(&c->part[p], p == 0 ? c->log_scale : NULL, t, false);
        if (is_flipped(c, p))
            flip(t->x, t->columns, t->padded * sizeof *t->x);
    }
    add_bias(c, t, 1);
    tile_add_logdet(t, c->log_scale, 1);
}

static void linear_inverse(const layer *self, tile *t)
{
    const linear *c = (const linear *)self;
    add_bias(c, t, -1);
    for (size_t p = c->parts; p-- > 0;) {
        if (is_flipped(c, p))
            flip(t->x, t->columns, t->padded * sizeof *t->x);
        run_triangle(&c->part[p], p == 0 ? c->log_scale : NULL, t, true);
        if (is_flipped(c, p))
            flip(t->x, t->columns, t->padded * sizeof *t->x);
    }
    tile_add_logdet(t, c->log_scale, -1);
}

/* ------------------------------------------------------------------ backward and gradient */

/* dx = (W + diag)' dy; ds = dy x exp(s) + weight for each row, in the place of x exp(s). */
static void linear_backward(const layer *self, tile *t)
{
    const linear *c = (const linear *)self;
    size_t d = t->columns, n = t->padded;
    real *ds = tile_taped(t, 2 * c->parts);
    for (size_t p = c->parts; p-- > 0;) {
        real *delta = tile_taped(t, 2 * p + 1);
        if (is_flipped(c, p))
            flip(t->dx, d, n * sizeof *t->dx);
        memcpy(delta, t->dx, d * n * sizeof *delta);
        tile_note(t, 1, delta, d);
        for (size_t j = 0; p == 0 && j < d; j++) {
            vector_multiply(ds + j * n, delta + j * n, n);
            tile_add_weight(t, j, ds + j * n);
            vector_scale(t->dx + j * n, (real)exp((double)c->log_scale[j]), n);
        }
        map_backward(&c->part[p], t, delta, GEMM_ADD, GEMM_PLAIN, t->dx);
        if (is_flipped(c, p))
            flip(t->dx, d, n * sizeof *t->dx);
    }
    tile_note(t, 1, ds, d);
}

/* None of it decays: a covariance is no habit to lose. */
static void linear_blocks(const layer *self, size_t index, const tensor_list *list,
                          block_list *blocks)
{
    const linear *c = (const linear *)self;
    size_t before = blocks->count;
    for (size_t p = 0; p < c->parts; p++)
        map_blocks(&c->part[p], index, p, list, blocks);
    for (size_t i = before; !blocks->failed && i < blocks->count; i++)
        blocks->items[i].decays = 0;
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].slot == &c->log_scale)
            block_add(blocks, &(block){.layer = index,
                                       .tensor = c->parts,
                                       .rows = self->columns,
                                       .offset = list->items[i].offset,
                                       .count = self->columns});
}

static void linear_gradient(const layer *self, const batch *b, const block *which, real *g)
{
    const linear *c = (const linear *)self;
    size_t p = which->tensor;
    if (p < c->parts) {
        map_gradient(&c->part[p], b, 2 * p, 2 * p + 1, which, g);
        return;
    }
    for (size_t j = 0; j < which->count; j++)
        g[j] = (real)batch_sum(b, b->tape->matrix[2 * c->parts], self->columns, j);
}

static void linear_transpose(const layer *self, const block *which, const real *theta,
                             weight_forms *forms)
{
    const linear *c = (const linear *)self;
    if (which->tensor < c->parts)
        map_transpose(&c->part[which->tensor], which, theta, forms);
}

static size_t linear_norms(const layer *self, const tile *t, double *norms, size_t stride)
{
    const linear *c = (const linear *)self;
    double squares[2 * GEMM_PANEL];
    for (size_t p = 0; t && p < c->parts; p++)
        map_norms(&c->part[p], t, tile_taped(t, 2 * p), tile_taped(t, 2 * p + 1), norms + p,
                  stride);
    if (t)
        tile_squares(t, tile_taped(t, 2 * c->parts), self->columns, squares);
    for (size_t r = 0; t && r < t->rows; r++)
        norms[r * stride + c->parts] = sqrt(squares[r]);
    return c->parts + 1;
}

/* ------------------------------------------------------------------ start */

/* Rows that sums are taken over at once. */
enum { START_ROWS = 512 };

/* Conditional deviations below this share of a column's own are lifted to it. */
static const double LEAST_SHARE = 1e-3;

typedef struct whitening {
    const layer_start *start;
    size_t d, first, count;   /* rows at hand */
    double *mean, *deviation; /* [d] */
    double *z;                /* [d, START_ROWS] standardised */
    double *sums;             /* lower triangle by rows: of z z' */
    double fourth;            /* of |z|^4 */
} whitening;

static void take_column(void *context, int thread, size_t j)
{
    const whitening *w = context;
    const double *x = w->start->x + j * w->start->stride + w->first;
    double *z = w->z + j * START_ROWS;
    (void)thread;
    for (size_t r = 0; r < START_ROWS; r++)
        z[r] = r < w->count ? (x[r] - w->mean[j]) / w->deviation[j] : 0;
}

static void add_products(void *context, int thread, size_t i)
{
    const whitening *w = context;
    (void)thread;
    gaussian_add_sums(w->z + i * START_ROWS, w->z, i + 1, START_ROWS, w->sums + i * (i + 1) / 2);
}

static void sum_products(whitening *w)
{
    const layer_start *s = w->start;
    for (w->first = 0; w->first < s->n; w->first += START_ROWS) {
        double square[START_ROWS] = {0};
        w->count = s->n - w->first < START_ROWS ? s->n - w->first : START_ROWS;
        parallel_for(s->threads, w->d, take_column, w);
        parallel_for(s->threads, w->d, add_products, w);
        for (size_t j = 0; j < w->d; j++)
            for (size_t r = 0; r < START_ROWS; r++)
                square[r] += w->z[j * START_ROWS + r] * w->z[j * START_ROWS + r];
        for (size_t r = 0; r < START_ROWS; r++)
            w->fourth += square[r] * square[r];
    }
}

/* Correlations, shrunk by Ledoit and Wolf's share to the identity, factored, inverted; packed. */
static void invert_factor(whitening *w, double *packed)
{
    double n = (double)w->start->n, norm = 0, trace = 0;
    for (size_t i = 0; i < w->d; i++)
        for (size_t j = 0; j <= i; j++) {
            double value = w->sums[i * (i + 1) / 2 + j] / n;
            packed[gaussian_column(w->d, j) + i - j] = value;
            norm += (i == j ? 1 : 2) * value * value;
            trace += i == j ? value : 0;
        }
    double distance = norm - trace * trace / (double)w->d, error = (w->fourth / n - norm) / n;
    double share = distance > 0 ? fmin(fmax(error / distance, 0), 1) : 1;
    for (size_t i = 0; i < gaussian_packed(w->d); i++)
        packed[i] *= 1 - share;
    for (size_t j = 0; j < w->d; j++) /* a constant has no correlation */
        packed[gaussian_column(w->d, j)] = 1;
    gaussian_factor(packed, w->d, LEAST_SHARE);
    gaussian_invert(packed, w->d);
}

/* L = deviation of the prior * factor^-1 / deviation; in LU, L diag^-1 and diag. */
static void put_whitening(linear *c, const whitening *w, const double *inverse)
{
    size_t d = w->d;
    map *lower = &c->part[c->parts - 1];
    double prior = w->start->prior_deviation;
    memset(lower->bias, 0, d * sizeof *lower->bias);
    for (size_t i = 0; i < d; i++) {
        double bias = 0;
        for (size_t j = 0; j <= i; j++) {
            double value = inverse[gaussian_column(d, j) + i - j];
            bias -= prior * value / w->deviation[j] * w->mean[j];
            if (j < i)
                lower->weight[i * d + j] =
                    (real)(c->parts == 1 ? prior * value / w->deviation[j]
                                         : value / inverse[gaussian_column(d, j)]);
        }
        lower->bias[i] = (real)bias;
        double diagonal = prior * inverse[gaussian_column(d, i)] / w->deviation[i];
        c->log_scale[is_flipped(c, 0) ? d - 1 - i : i] = (real)log(diagonal);
    }
}

static nicest_status linear_start(layer *self, const layer_start *s)
{
    linear *c = (linear *)self;
    size_t d = self->columns, packed = gaussian_packed(d);
    if (!c->whitens)
        return NICEST_OK;
    OWNED_NEW(double *, space, 2 * packed + 2 * d + d * START_ROWS);
    whitening w = {.start = s, .d = d, .sums = space, .mean = space + 2 * packed};
    w.deviation = w.mean + d;
    w.z = w.deviation + d;
    for (size_t j = 0; j < d; j++) {
        start_moments(s, j, &w.mean[j], &w.deviation[j]);
        w.deviation[j] = w.deviation[j] > 0 ? w.deviation[j] : 1;
    }
    sum_products(&w);
    invert_factor(&w, space + packed);
    put_whitening(c, &w, space + packed);
    return NICEST_OK;
}

static void linear_free(layer *self)
{
    memory_free(((linear *)self)->limit);
    memory_free(self);
}

static const layer_class linear_class = {
    .name = "linear",
    .tensors = linear_tensors,
    .tape = linear_tape,
    .prepare = linear_prepare,
    .start = linear_start,
    .forward = linear_forward,
    .inverse = linear_inverse,
    .backward = linear_backward,
    .blocks = linear_blocks,
    .gradient = linear_gradient,
    .transpose = linear_transpose,
    .norms = linear_norms,
    .free = linear_free,
};

nicest_status linear_parse(const spec_line *l, const spec_shape *shape, char *canonical,
                           layer **out)
{
    static const char *const keys[] = {"form", "start", NULL};
    const char *form = spec_option(l, "form"), *start = spec_option(l, "start");
    bool lu = form && !strcmp(form, "lu"), identity = start && !strcmp(start, "identity");
    if (!spec_known_options(l, keys) || !form || (!lu && strcmp(form, "triangular")) ||
        (start && !identity && strcmp(start, "whiten")))
        return spec_refuse(l, "expected 'linear form=triangular|lu start=whiten|identity'");
    if (shape->masked)
        return spec_refuse(l,
                           "'linear' mixes columns, which hidden values forbid: not with 'masked'");
    linear *c = memory_new(1, sizeof *c);
    size_t d = shape->columns, *limit = memory_new(d, sizeof *limit);
    if (!c || !limit) {
        memory_free(c);
        memory_free(limit);
        return NICEST_OK;
    }
    for (size_t j = 0; j < d; j++)
        limit[j] = j;
    *c = (linear){{&linear_class, d}, lu ? 2 : 1, !identity, .limit = limit};
    for (size_t p = 0; p < c->parts; p++)
        c->part[p] = (map){.in = d, .out = d, .limit = limit};
    *out = &c->layer;
    snprintf(canonical, SPEC_LINE, "linear form=%s start=%s", form,
             identity ? "identity" : "whiten");
    return NICEST_OK;
}
