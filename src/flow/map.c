/* map.c - see map.h. Forward, backward and gradient side by side, each under its formula. */
#include "flow/map.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void map_tensors(map *m, const char *prefix, const char *name, bool bias, tensor_list *list)
{
    char full[48];
    snprintf(full, sizeof full, "%s.weight", name);
    tensor_add(list, prefix, full, TENSOR_WEIGHT, m->out, m->in, &m->weight);
    if (!list->failed)
        list->items[list->count - 1].limit = m->limit;
    snprintf(full, sizeof full, "%s.bias", name);
    if (bias)
        tensor_add(list, prefix, full, TENSOR_BIAS, m->out, 0, &m->bias);
}

void map_init(map *m, double gain, random_stream stream)
{
    double u[64], bound = sqrt(3 * gain / (double)m->in);
    size_t parts = (m->in + 63) / 64;
    for (size_t o = 0; o < m->out; o++)
        for (size_t i = 0; i < m->in; i += 64) {
            size_t some = m->in - i < 64 ? m->in - i : 64;
            random_uniform_double(stream, o * parts + i / 64, u, some);
            for (size_t k = 0; k < some; k++)
                m->weight[o * m->in + i + k] =
                    !m->limit || i + k < m->limit[o] ? (real)(bound * (2 * u[k] - 1)) : 0;
        }
}

size_t map_panels(size_t in)
{
    return (in + GEMM_PANEL - 1) / GEMM_PANEL * GEMM_PANEL;
}

real *tile_taped(const tile *t, size_t i)
{
    assert(t->tape != NULL);
    return t->tape->matrix[i] + t->first * t->tape->width[i];
}

void tile_note(tile *t, int which, const real *x, size_t width)
{
    if (!t->largest)
        return;
    real largest = vector_max_abs(x, width * t->padded);
    if (largest > t->largest[which])
        t->largest[which] = largest;
}

/* ------------------------------------------------------------------ bf16 */

/* In bf16 the weights are pairs already, and the other operand is rounded on its way into a
 * product. Floats come out; the double twin has none of it. */
#ifndef NICEST_DOUBLE
static void add_gradient_bf16(const batch *b, gemm_shape s, const float *delta, const float *a,
                              float *g)
{
    size_t part = BLOCK_ROWS * s.k / 2;
    for (size_t i = 0; i < s.parts; i++)
        gemm_pair_columns(b->pairs + i * part, delta + i * s.a_part, s.m, s.k, s.k);
    s.bf16 = true;
    s.a_part = part;
    s.lda = s.k = s.k / 2;
    s.b_panel /= 2;
    gemm_run(&s, b->pairs, a, NULL, g);
}

/* Pairs of rows, which is what the gradient sums over. */
static void keep_bf16(tile *t, float *panels, const float *a, size_t width)
{
    size_t used = t->scratch->used;
    float *pairs = arena_take(t->scratch, width * t->padded / 2, sizeof *pairs);
    gemm_pair_columns(pairs, a, width, t->padded, t->padded);
    gemm_to_panels(panels, pairs, width, t->padded / 2);
    t->scratch->used = used;
}
#define IN_BF16(asked, call)                                                                       \
    if (asked) {                                                                                   \
        call;                                                                                      \
        return;                                                                                    \
    }
#else
#define IN_BF16(asked, call) (void)(asked);
#endif

/* Element (row, 0) of the weights in a form that lies where W does. */
static const real *form_of(const map *m, const tile *t, const real *form)
{
    return form + (m->weight - t->theta);
}

/* A product whose operand `a` is packed where it has to be. */
static void multiply(const tile *t, gemm_shape s, const real *weight, const real *operand,
                     const real *bias, real *next)
{
    if (t->bf16) {
        s.bf16 = true;
        s.k = (s.k + 1) / 2;
        s.lda = s.lda ? s.k : 0;
    }
    gemm_run(&s, weight, operand, bias, next);
}

/* ------------------------------------------------------------------ forward and backward */

void map_keep(const map *m, tile *t, real *panels, const real *a)
{
    IN_BF16(t->bf16, keep_bf16(t, panels, a, m->in))
    gemm_to_panels(panels, a, m->in, t->padded);
}

const real *map_operand(const map *m, tile *t, const real *a)
{
#ifndef NICEST_DOUBLE
    if (t->bf16) {
        float *pairs = arena_take(t->scratch, (m->in + 1) / 2 * t->padded, sizeof *a);
        gemm_pair_rows(pairs, a, m->in, t->padded, t->padded);
        return pairs;
    }
#endif
    (void)m, (void)t;
    return a;
}

/* y' = a' W' + b' of one row, with the bits of y: along the outputs a vector holds many sums. */
static void one_row_forward(const map *m, const tile *t, const real *a, size_t first, size_t rows,
                            gemm_start start, gemm_end end, const real *bias, real *out)
{
    gemm_shape shape = {.m = 1,
                        .n = rows,
                        .k = m->in,
                        .lda = m->in,
                        .b_step = m->out,
                        .b_panel = GEMM_PANEL,
                        .ldc = rows,
                        .start = start == GEMM_BIAS ? GEMM_ADD : start,
                        .end = end};
    if (start == GEMM_BIAS)
        memcpy(out, bias, rows * sizeof *out);
    gemm_run(&shape, a, form_of(m, t, t->forms.columns) + first, NULL, out);
}

/* y = W a + b, over the rows of a tile */
void map_forward(const map *m, const tile *t, const real *operand, size_t first, size_t rows,
                 gemm_start start, gemm_end end, const real *bias, real *out)
{
    assert(first + rows <= m->out);
    if (t->padded == 1 && t->forms.columns && end != GEMM_SLOPE && end != GEMM_GATE) {
        one_row_forward(m, t, operand, first, rows, start, end, bias ? bias + first : NULL, out);
        return;
    }
    gemm_shape shape = {.m = rows,
                        .n = t->padded,
                        .k = m->in,
                        .lda = m->in,
                        .b_step = t->padded,
                        .b_panel = GEMM_PANEL,
                        .ldc = t->padded,
                        .start = start,
                        .end = end};
    const real *weight = t->bf16 ? form_of(m, t, t->forms.paired) + first * ((m->in + 1) / 2)
                                 : m->weight + first * m->in;
    multiply(t, shape, weight, operand, bias ? bias + first : NULL, out);
}

/* da = W' dy; W' lies in tiles. With limits, the rows of a tile meet only the outputs that read the
 * first of them. */
void map_backward(const map *m, tile *t, const real *delta, gemm_start start, gemm_end end,
                  real *below)
{
    size_t used = t->scratch->used, step = m->limit ? GEMM_TILE_ROWS : m->in, unread = 0;
    const map transposed = {.in = m->out, .out = m->in};
    const real *operand = map_operand(&transposed, t, delta),
               *form = form_of(m, t, t->forms.transposed);
    size_t pair = t->bf16 ? 2 : 1;
    for (size_t row = 0; row < m->in; row += step) {
        size_t rows = m->in - row < step ? m->in - row : step;
        while (m->limit && unread + 2 < m->out && m->limit[unread + 1] <= row)
            unread++;
        size_t first = unread / 2 * 2; /* outputs come in pairs in bf16 */
        gemm_shape shape = {.m = rows,
                            .n = t->padded,
                            .k = m->out - first,
                            .b_step = t->padded,
                            .b_panel = GEMM_PANEL,
                            .ldc = t->padded,
                            .start = start,
                            .end = end};
        const real *tiles = form + row * ((m->out + pair - 1) / pair) + first / pair * rows;
        multiply(t, shape, tiles, operand + first / pair * t->padded, NULL,
                 below + row * t->padded);
    }
    t->scratch->used = used;
}

void map_transpose(const map *m, const block *which, const real *theta, weight_forms *forms)
{
    assert(which->row + which->rows <= m->out);
    size_t at = (size_t)(m->weight - theta);
    if (forms->columns) {
        for (size_t i = which->row; i < which->row + which->rows; i++)
            for (size_t j = 0; j < m->in; j++)
                forms->columns[at + j * m->out + i] = m->weight[i * m->in + j];
        return;
    }
    real *transposed = forms->transposed + at;
#ifndef NICEST_DOUBLE
    if (forms->paired) {
        size_t half = (m->in + 1) / 2;
        gemm_pair_columns(forms->paired + at + which->row * half, m->weight + which->row * m->in,
                          which->rows, m->in, m->in);
        gemm_to_pair_tiles(transposed, m->weight, which->row, which->rows, m->out, m->in);
        return;
    }
#endif
    gemm_to_tiles(transposed, m->weight, which->row, which->rows, m->out, m->in);
}

/* ------------------------------------------------------------------ gradient by blocks */

void map_blocks(const map *m, size_t layer_index, size_t number, const tensor_list *list,
                block_list *blocks)
{
    size_t offset = 0;
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].slot == &m->weight)
            offset = list->items[i].offset;
    for (size_t row = 0; row < m->out; row += BLOCK_ROWS) {
        size_t rows = m->out - row < BLOCK_ROWS ? m->out - row : BLOCK_ROWS;
        bool last = row + rows == m->out; /* the last block brings the bias, which follows W */
        block_add(blocks, &(block){.layer = layer_index,
                                   .tensor = number,
                                   .row = row,
                                   .rows = rows,
                                   .offset = offset + row * m->in,
                                   .count = rows * m->in + (last && m->bias ? m->out : 0),
                                   .decays = rows * m->in});
    }
}

static void add_gradient(const batch *b, gemm_shape s, const real *delta, const real *a, real *g)
{
    IN_BF16(b->bf16, add_gradient_bf16(b, s, delta, a, g))
    gemm_run(&s, delta, a, NULL, g);
}

/* All tiles but a shorter last one in one product. */
void map_gradient(const map *m, const batch *b, size_t input, size_t delta, const block *which,
                  real *g)
{
    assert(which->row + which->rows <= m->out);
    size_t same = b->rows / b->tile;
    size_t reads = m->limit ? m->limit[which->row + which->rows - 1] : m->in;
    const real *a = b->tape->matrix[input], *d = b->tape->matrix[delta];
    if (batch_padded(b, same) == b->tile)
        same++;
    for (int last = 0; last < 2; last++) {
        size_t first = last ? same * b->tile : 0, rows = last ? batch_padded(b, same) : b->tile;
        size_t tiles = last ? first < b->rows : same;
        if (!tiles || !reads)
            continue;
        gemm_shape shape = {.m = which->rows,
                            .n = reads,
                            .k = rows,
                            .lda = rows,
                            .b_step = GEMM_PANEL,
                            .b_panel = GEMM_PANEL * rows,
                            .ldc = m->in,
                            .parts = tiles,
                            .a_part = rows * m->out,
                            .b_part = rows * map_panels(m->in),
                            .start = last && same ? GEMM_ADD : GEMM_ZERO,
                            .prefetch = last ? NULL : b->prefetch};
        add_gradient(b, shape, d + first * m->out + which->row * rows,
                     a + first * map_panels(m->in), g);
    }
    for (size_t o = 0; m->limit && o < which->rows; o++)
        for (size_t i = m->limit[which->row + o]; i < m->in; i++)
            g[o * m->in + i] = 0;
    for (size_t o = 0, weights = which->rows * m->in; weights + o < which->count; o++)
        g[weights + o] = (real)batch_sum(b, d, m->out, o);
}

/* With limits, |a|^2 ends for each output where its limit is. */
static double limited_norm(const map *m, const tile *t, const real *panels, const real *delta,
                           size_t r)
{
    double square = 0, sum = 0;
    size_t read = 0;
    for (size_t o = 0; o < m->out; o++) {
        double d = (double)delta[o * t->padded + r];
        assert(m->limit[o] >= read); /* limits do not fall */
        for (; read < m->limit[o]; read++) {
            size_t panel = read / GEMM_PANEL * GEMM_PANEL;
            double a = (double)panels[panel * t->padded + r * GEMM_PANEL + read % GEMM_PANEL];
            square += a * a;
        }
        sum += d * d * (square + (m->bias ? 1 : 0));
    }
    return sqrt(sum);
}

/* One row's gradient is an outer product: dW = delta a', db = delta, so its norm is
 * |delta| sqrt(|a|^2 + 1). */
void map_norms(const map *m, const tile *t, const real *panels, const real *delta, double *norms,
               size_t stride)
{
    double a[2 * GEMM_PANEL], d[2 * GEMM_PANEL];
    /* tile_squares of what lies in panels, [width / 64, padded, 64]. */
    size_t width = map_panels(m->in);
    for (size_t r = 0; r < t->rows; r++) {
        a[r] = 0;
        for (size_t j = 0; j < width; j += GEMM_PANEL) {
            const real *part = panels + j * t->padded + r * GEMM_PANEL;
            a[r] += vector_dot(part, part, GEMM_PANEL);
        }
    }
    tile_squares(t, delta, m->out, d);
    for (size_t r = 0; r < t->rows; r++)
        norms[r * stride] = m->limit ? limited_norm(m, t, panels, delta, r)
                                     : sqrt(d[r] * (a[r] + (m->bias ? 1 : 0)));
}
