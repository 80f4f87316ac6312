/* mlp.c - forward and backward of the conditioner, side by side, each under its formula.
 *
 * Owns the choice of blocks of a weight matrix. All products go through the thread's plans. */
#include "flow/mlp.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "flow/state.h"

bool mlp_open(mlp *m, size_t inputs, size_t outputs, const mlp_spec *spec)
{
    m->count = spec->hidden_count + 1;
    m->activation = spec->activation;
    m->linear = memory_new(m->count, sizeof *m->linear);
    if (!m->linear)
        return false;
    for (size_t l = 0; l < m->count; l++) {
        m->linear[l].in = l ? spec->hidden[l - 1] : inputs;
        m->linear[l].out = l < spec->hidden_count ? spec->hidden[l] : outputs;
    }
    return true;
}

void mlp_close(mlp *m)
{
    memory_free(m->linear);
}

void mlp_tensors(mlp *m, const char *prefix, tensor_list *list)
{
    for (size_t l = 0; l < m->count; l++) {
        mlp_linear *w = &m->linear[l];
        char name[32];
        snprintf(name, sizeof name, "mlp.%zu.weight", l);
        tensor_add(list, prefix, name, TENSOR_WEIGHT, w->out, w->in, &w->weight);
        snprintf(name, sizeof name, "mlp.%zu.bias", l);
        tensor_add(list, prefix, name, TENSOR_BIAS, w->out, 0, &w->bias);
    }
}

/* Columns of the panels that a map's input is kept in. */
static size_t panels_width(size_t in)
{
    return (in + GEMM_PANEL - 1) / GEMM_PANEL * GEMM_PANEL;
}

size_t mlp_tape(const mlp *m, size_t *width)
{
    for (size_t l = 0; width && l < m->count; l++) {
        width[l] = panels_width(m->linear[l].in);
        width[m->count + l] = m->linear[l].out;
    }
    return 2 * m->count;
}

/* One row of weights, uniform in [-bound, bound]. */
static void init_row(real *weight, size_t n, double bound, random_stream stream, size_t row)
{
    double u[64];
    for (size_t first = 0; first < n; first += 64) {
        size_t some = n - first < 64 ? n - first : 64;
        random_uniform_double(stream, (uint64_t)row * ((n + 63) / 64) + first / 64, u, some);
        for (size_t i = 0; i < some; i++)
            weight[first + i] = (real)(bound * (2 * u[i] - 1));
    }
}

void mlp_init(mlp *m, random_stream stream)
{
    double gain = m->activation == ACTIVATION_TANH ? 1 : 2;
    for (size_t l = 0; l + 1 < m->count; l++) {
        const mlp_linear *w = &m->linear[l];
        random_stream part = {stream.seed, stream.purpose, stream.draw * 64 + (uint32_t)l};
        for (size_t o = 0; o < w->out; o++)
            init_row(w->weight + o * w->in, w->in, sqrt(3 * gain / (double)w->in), part, o);
    }
}

/* ------------------------------------------------------------------ the three products */

/* next = end(W a + b), over the rows of a tile */
static gemm_shape forward_shape(const mlp_linear *w, size_t rows, gemm_end end)
{
    return (gemm_shape){.m = w->out,
                        .n = rows,
                        .k = w->in,
                        .lda = w->in,
                        .b_step = rows,
                        .b_panel = GEMM_PANEL,
                        .ldc = rows,
                        .start = GEMM_BIAS,
                        .end = end};
}

/* below = end(start + W' delta); W' lies in tiles */
static gemm_shape backward_shape(const mlp_linear *w, size_t rows, gemm_start start, gemm_end end)
{
    return (gemm_shape){.m = w->in,
                        .n = rows,
                        .k = w->out,
                        .b_step = rows,
                        .b_panel = GEMM_PANEL,
                        .ldc = rows,
                        .start = start,
                        .end = end};
}

/* dW[block] (+)= delta[block] a', over the rows of some tiles; a' is in panels */
static gemm_shape gradient_shape(const mlp_linear *w, const block *which, size_t tiles, size_t rows)
{
    return (gemm_shape){.m = which->rows,
                        .n = w->in,
                        .k = rows,
                        .lda = rows,
                        .b_step = GEMM_PANEL,
                        .b_panel = GEMM_PANEL * rows,
                        .ldc = w->in,
                        .parts = tiles,
                        .a_part = rows * w->out,
                        .b_part = rows * panels_width(w->in)};
}

/* In bf16 the weights are pairs already, and the other operand is rounded on its way into a
 * product. Floats come out; the double twin has none of it. */
#ifndef NICEST_DOUBLE
static void multiply_bf16(tile *t, gemm_shape s, const float *weight, const float *a,
                          const float *bias, float *next)
{
    size_t used = t->scratch->used, in = s.k;
    s.bf16 = true;
    s.k = (in + 1) / 2;
    s.lda = s.lda ? s.k : 0;
    float *pairs = arena_take(t->scratch, s.k * t->padded, sizeof *a);
    gemm_pair_rows(pairs, a, in, t->padded, t->padded);
    gemm_run(&s, weight, pairs, bias, next);
    t->scratch->used = used;
}

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
static void to_panels_bf16(tile *t, float *panels, const float *a, size_t width)
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

static void multiply(tile *t, gemm_shape s, const real *weight, const real *a, const real *bias,
                     real *next)
{
    IN_BF16(t->bf16, multiply_bf16(t, s, weight, a, bias, next))
    gemm_run(&s, weight, a, bias, next);
}

static void add_gradient(const batch *b, gemm_shape s, const real *delta, const real *a, real *g)
{
    IN_BF16(b->bf16, add_gradient_bf16(b, s, delta, a, g))
    gemm_run(&s, delta, a, NULL, g);
}

static void to_panels(tile *t, real *panels, const real *a, size_t width)
{
    IN_BF16(t->bf16, to_panels_bf16(t, panels, a, width))
    gemm_to_panels(panels, a, width, t->padded);
}

/* ------------------------------------------------------------------ forward and backward */

static size_t widest(const mlp *m)
{
    size_t width = m->linear[0].in;
    for (size_t l = 0; l < m->count; l++)
        width = m->linear[l].out > width ? m->linear[l].out : width;
    return width;
}

void mlp_prepare(const mlp *m, layer_needs *needs)
{
    size_t used = needs->scratch->used, width = widest(m), half = (width + 1) / 2;
    arena_take(needs->scratch, needs->rows * m->linear[0].in, sizeof(real));
    for (int i = 0; i < 2; i++)
        arena_take(needs->scratch, needs->rows * width, sizeof(real));
    if (needs->bf16)
        arena_take(needs->scratch, needs->rows * half, sizeof(real));
    needs->scratch->used = used;
}

/* The tile's part of matrix i of the tape. */
static real *taped(const tile *t, size_t i)
{
    return t->tape->matrix[i] + t->first * t->tape->width[i];
}

static size_t place(const tile *t, const mlp_linear *w)
{
    return (size_t)(w->weight - t->theta);
}

static void note_largest(tile *t, int which, const real *x, size_t width)
{
    if (!t->largest)
        return;
    real largest = vector_max_abs(x, width * t->padded);
    if (largest > t->largest[which])
        t->largest[which] = largest;
}

/* a_l = f(W_l a_{l-1} + b_l). On the tape: a_{l-1} in panels; and where delta_l will be, f' (ReLU:
 * a_l, which tells it). */
void mlp_forward(const mlp *m, tile *t, const double *input, real *output)
{
    size_t used = t->scratch->used, inputs = m->linear[0].in;
    bool relu = m->activation == ACTIVATION_RELU;
    real *spare[2], *a = arena_take(t->scratch, t->padded * inputs, sizeof *a);
    for (int i = 0; i < 2; i++)
        spare[i] = arena_take(t->scratch, t->padded * widest(m), sizeof *a);
    state_narrow(a, input, inputs * t->padded);
    for (size_t l = 0; l < m->count; l++) {
        const mlp_linear *w = &m->linear[l];
        bool last = l + 1 == m->count;
        real *kept = t->tape && !last ? taped(t, m->count + l) : NULL;
        real *next = last ? output : kept && relu ? kept : spare[l % 2];
        note_largest(t, 0, a, w->in);
        if (t->tape)
            to_panels(t, taped(t, l), a, w->in);
        multiply(t, forward_shape(w, t->padded, relu && !last ? GEMM_RELU : GEMM_PLAIN),
                 t->bf16 ? t->forms.paired + place(t, w) : w->weight, a, w->bias, next);
        if (!last && !relu)
            vector_activate(m->activation, next, kept, w->out * t->padded);
        a = next;
    }
    note_largest(t, 0, output, m->linear[m->count - 1].out);
    t->scratch->used = used;
}

real *mlp_output_delta(const mlp *m, const tile *t)
{
    return taped(t, 2 * m->count - 1);
}

/* delta_{l-1} = (W_l' delta_l) f'(.), and at the input dx += W_1' delta_1. */
void mlp_backward(const mlp *m, tile *t, real *dinput)
{
    gemm_end slope = m->activation == ACTIVATION_RELU ? GEMM_GATE : GEMM_SLOPE;
    for (size_t l = m->count; l-- > 0;) {
        const mlp_linear *w = &m->linear[l];
        const real *delta = taped(t, m->count + l), *turned = t->forms.turned + place(t, w);
        real *below = l ? taped(t, m->count + l - 1) : dinput;
        note_largest(t, 1, delta, w->out);
        multiply(t, backward_shape(w, t->padded, l ? GEMM_ZERO : GEMM_ADD, l ? slope : GEMM_PLAIN),
                 turned, delta, NULL, below);
    }
}

/* Each form of W lies where W does. */
void mlp_turn(const mlp *m, const block *which, const real *theta, weight_forms *forms)
{
    const mlp_linear *w = &m->linear[which->tensor];
    real *turned = forms->turned + (w->weight - theta);
#ifndef NICEST_DOUBLE
    if (forms->paired) {
        size_t half = (w->in + 1) / 2;
        gemm_pair_columns(forms->paired + (w->weight - theta) + which->row * half,
                          w->weight + which->row * w->in, which->rows, w->in, w->in);
        gemm_to_pair_tiles(turned, w->weight, which->row, which->rows, w->out, w->in);
        return;
    }
#endif
    gemm_to_tiles(turned, w->weight, which->row, which->rows, w->out, w->in);
}

/* ------------------------------------------------------------------ gradient by blocks */

/* The list's index of linear map l's weight: tensors are in the order in which they were added. */
static const tensor *weight_tensor(const mlp *m, size_t l, const tensor_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].slot == &m->linear[l].weight)
            return &list->items[i];
    return NULL;
}

void mlp_blocks(const mlp *m, size_t layer_index, const tensor_list *list, block_list *blocks)
{
    for (size_t l = 0; l < m->count; l++) {
        const mlp_linear *w = &m->linear[l];
        size_t offset = weight_tensor(m, l, list)->offset;
        for (size_t row = 0; row < w->out; row += BLOCK_ROWS) {
            size_t rows = w->out - row < BLOCK_ROWS ? w->out - row : BLOCK_ROWS;
            bool last = row + rows == w->out; /* the last block brings the bias, which follows W */
            block_add(blocks, &(block){.layer = layer_index,
                                       .tensor = l,
                                       .row = row,
                                       .rows = rows,
                                       .offset = offset + row * w->in,
                                       .count = rows * w->in + (last ? w->out : 0),
                                       .decays = rows * w->in});
        }
    }
}

/* dW = sum of delta a' and db = sum of delta, over the rows of the batch: all tiles but a shorter
 * last one in one product. */
void mlp_gradient(const mlp *m, const batch *b, const block *which, real *g)
{
    size_t l = which->tensor, same = b->rows / b->tile;
    const mlp_linear *w = &m->linear[l];
    const real *a = b->tape->matrix[l], *delta = b->tape->matrix[m->count + l];
    if (batch_padded(b, same) == b->tile)
        same++;
    if (same > 0) {
        gemm_shape shape = gradient_shape(w, which, same, b->tile);
        shape.ahead = b->ahead;
        add_gradient(b, shape, delta + which->row * b->tile, a, g);
    }
    if (same * b->tile < b->rows) {
        size_t first = same * b->tile, padded = batch_padded(b, same);
        gemm_shape shape = gradient_shape(w, which, 1, padded);
        shape.start = same ? GEMM_ADD : GEMM_ZERO;
        add_gradient(b, shape, delta + first * w->out + which->row * padded,
                     a + first * panels_width(w->in), g);
    }
    for (size_t o = 0; o < which->count - which->decays; o++)
        g[which->decays + o] = (real)batch_sum(b, delta, w->out, o);
}

/* tile_squares of what lies in panels, [width / 64, padded, 64]. */
static void panel_squares(const tile *t, const real *panels, size_t width, double *sum)
{
    for (size_t r = 0; r < t->rows; r++) {
        sum[r] = 0;
        for (size_t j = 0; j < width; j += GEMM_PANEL) {
            const real *part = panels + j * t->padded + r * GEMM_PANEL;
            sum[r] += vector_dot(part, part, GEMM_PANEL);
        }
    }
}

/* One row's gradient is an outer product: dW = delta a', db = delta, so its norm is
 * |delta| sqrt(|a|^2 + 1). */
size_t mlp_norms(const mlp *m, const tile *t, double *norms, size_t stride)
{
    double a[2 * GEMM_PANEL], delta[2 * GEMM_PANEL];
    for (size_t l = 0; t && l < m->count; l++) {
        panel_squares(t, taped(t, l), t->tape->width[l], a);
        tile_squares(t, taped(t, m->count + l), m->linear[l].out, delta);
        for (size_t r = 0; r < t->rows; r++)
            norms[r * stride + l] = sqrt(delta[r] * (a[r] + 1));
    }
    return m->count;
}
