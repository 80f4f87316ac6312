/* mlp.c - forward and backward of the conditioner, side by side, each under its formula.
 *
 * Owns the choice of blocks of a weight matrix. All products go through the thread's plans. */
#include "flow/mlp.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "flow/state.h"

/* Rows of a weight matrix in a block: enough for the gemm to be efficient; at 1000 columns, gradient,
 * weights and two moments of a block (4 x 256 KB) stay within a core's caches. */
enum { BLOCK_ROWS = 64 };

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

size_t mlp_tape(const mlp *m, size_t *width)
{
    for (size_t l = 0; width && l < m->count; l++) {
        width[l] = m->linear[l].in;
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

/* a_l = a_{l-1} W' + b, and ReLU where it is fused */
static gemm_shape forward_shape(const mlp *m, size_t l, size_t rows, bool bf16)
{
    const mlp_linear *w = &m->linear[l];
    bool hidden = l + 1 < m->count;
    return (gemm_shape){.m = rows, .n = w->out, .k = w->in, .lda = w->in, .ldb = w->in, .ldc = w->out,
                        .transpose_b = true, .bias = true,
                        .relu = hidden && m->activation == ACTIVATION_RELU, .bf16 = bf16};
}

/* d a_{l-1} = delta_l W */
static gemm_shape backward_shape(const mlp *m, size_t l, size_t rows, size_t ld, bool bf16)
{
    const mlp_linear *w = &m->linear[l];
    return (gemm_shape){.m = rows, .n = w->in, .k = w->out, .lda = w->out, .ldb = w->in,
                        .ldc = l ? w->in : ld, .accumulate = l == 0, .bf16 = bf16};
}

/* dW[block] = delta_l[:, block]' a_{l-1} */
static gemm_shape gradient_shape(const mlp *m, size_t l, size_t block_rows, size_t rows, bool bf16)
{
    const mlp_linear *w = &m->linear[l];
    return (gemm_shape){.m = block_rows, .n = w->in, .k = rows, .lda = w->out, .ldb = w->in,
                        .ldc = w->in, .transpose_a = true, .bf16 = bf16};
}

static size_t widest(const mlp *m)
{
    size_t width = 0;
    for (size_t l = 0; l < m->count; l++)
        width = m->linear[l].out > width ? m->linear[l].out : width;
    return width;
}

static nicest_status prepare_gradient(const mlp *m, size_t l, layer_needs *needs)
{
    size_t out = m->linear[l].out;
    gemm_shape full = gradient_shape(m, l, BLOCK_ROWS, needs->batch_rows, needs->bf16);
    gemm_shape last = gradient_shape(m, l, out % BLOCK_ROWS, needs->batch_rows, needs->bf16);
    if (out >= BLOCK_ROWS)
        TRY(plan_prepare(needs->plans, &full));
    return last.m ? plan_prepare(needs->plans, &last) : NICEST_OK;
}

nicest_status mlp_prepare(const mlp *m, size_t ld, layer_needs *needs)
{
    for (size_t l = 0; l < m->count; l++) {
        gemm_shape forward = forward_shape(m, l, needs->rows, needs->bf16);
        TRY(plan_prepare(needs->plans, &forward));
        gemm_shape backward = backward_shape(m, l, needs->rows, ld, needs->bf16);
        if (needs->backward)
            TRY(plan_prepare(needs->plans, &backward));
        if (needs->batch_rows)
            TRY(prepare_gradient(m, l, needs));
    }
    size_t used = needs->scratch->used;
    arena_take(needs->scratch, needs->rows * m->linear[0].in, sizeof(real));
    for (int i = 0; i < 2; i++)
        arena_take(needs->scratch, needs->rows * widest(m), sizeof(real));
    needs->scratch->used = used;
    return NICEST_OK;
}

/* Row `t->first` of matrix i of the tape. */
static real *taped(const tile *t, size_t i)
{
    return t->tape->matrix[i] + t->first * t->tape->width[i];
}

static void note_largest(tile *t, int which, const real *x, size_t width)
{
    if (!t->largest)
        return;
    real largest = vector_max_abs(x, t->rows * width);
    if (largest > t->largest[which])
        t->largest[which] = largest;
}

/* a_l = f(W_l a_{l-1} + b_l). On the tape: a_{l-1}, and f' where delta_l will be (ReLU reads it from
 * a_l instead). */
void mlp_forward(const mlp *m, tile *t, const double *input, size_t ld, real *output)
{
    size_t used = t->scratch->used, inputs = m->linear[0].in;
    real *spare[2] = {NULL, NULL};
    real *a = t->tape ? taped(t, 0) : arena_take(t->scratch, t->padded * inputs, sizeof(real));
    for (int i = 0; !t->tape && i < 2; i++)
        spare[i] = arena_take(t->scratch, t->padded * widest(m), sizeof(real));
    state_narrow(a, input, ld, inputs, t->padded);
    for (size_t l = 0; l < m->count; l++) {
        const mlp_linear *w = &m->linear[l];
        bool last = l + 1 == m->count;
        real *next = last ? output : t->tape ? taped(t, l + 1) : spare[l % 2];
        gemm_shape shape = forward_shape(m, l, t->padded, t->bf16);
        plan_run(t->plans, &shape, a, w->weight, w->bias, next, t->gemm_scratch);
        if (!last && m->activation != ACTIVATION_RELU)
            vector_activate(m->activation, next, t->tape ? taped(t, m->count + l) : NULL,
                            t->padded * w->out);
        note_largest(t, 0, a, w->in);
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
void mlp_backward(const mlp *m, tile *t, real *dinput, size_t ld)
{
    size_t used = t->scratch->used;
    real *spare = arena_take(t->scratch, t->padded * widest(m), sizeof(real));
    for (size_t l = m->count; l-- > 0;) {
        const mlp_linear *w = &m->linear[l];
        const real *delta = taped(t, m->count + l);
        bool relu = m->activation == ACTIVATION_RELU;
        real *below = l ? taped(t, m->count + l - 1) : NULL;
        real *target = !l ? dinput : relu ? below : spare;
        gemm_shape shape = backward_shape(m, l, t->padded, ld, t->bf16);
        plan_run(t->plans, &shape, delta, w->weight, NULL, target, t->gemm_scratch);
        if (l && relu)
            vector_relu_backward(below, taped(t, l), t->padded * w->in);
        else if (l)
            vector_multiply(below, spare, t->padded * w->in);
        note_largest(t, 1, delta, w->out);
    }
    t->scratch->used = used;
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
            block_add(blocks, &(block){.layer = layer_index, .tensor = l, .row = row, .rows = rows,
                                       .offset = offset + row * w->in,
                                       .count = rows * w->in + (last ? w->out : 0),
                                       .decays = rows * w->in});
        }
    }
}

/* dW = delta' a, db = sum of delta over the rows of the batch. */
void mlp_gradient(const mlp *m, const batch *b, const block *which, real *g)
{
    size_t l = which->tensor;
    const mlp_linear *w = &m->linear[l];
    const real *a = b->tape->matrix[l];
    const real *delta = b->tape->matrix[m->count + l];
    gemm_shape shape = gradient_shape(m, l, which->rows, b->rows, b->bf16);
    plan_run(b->plans, &shape, delta + which->row, a, NULL, g, b->gemm_scratch);
    real *bias = g + which->rows * w->in;
    if (which->count == which->decays)
        return;
    vector_fill(bias, 0, w->out);
    for (size_t r = 0; r < b->rows; r++)
        vector_add(bias, delta + r * w->out, w->out);
}

/* One row's gradient is an outer product: dW = delta a', db = delta, so its norm is
 * |delta| sqrt(|a|^2 + 1). */
size_t mlp_norms(const mlp *m, const tape *kept, size_t row, double *norms)
{
    for (size_t l = 0; norms && l < m->count; l++) {
        const mlp_linear *w = &m->linear[l];
        const real *a = kept->matrix[l] + row * w->in;
        const real *delta = kept->matrix[m->count + l] + row * w->out;
        norms[l] = sqrt(vector_dot(delta, delta, w->out) * (vector_dot(a, a, w->in) + 1));
    }
    return m->count;
}
