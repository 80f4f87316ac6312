/* mlp.c - see mlp.h. Forward and backward of the conditioner, side by side, each under its formula.
 * All products are those of map.c. */
#include "flow/mlp.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/number.h"
#include "base/status.h"

enum { MOST_WIDTH = 1 << 16, MOST_HIDDEN = 64 };

/* ------------------------------------------------------------------ grammar */

nicest_status mlp_parse_hidden(const char *text, mlp_spec *spec)
{
    char copy[512], *rest = copy, *comma;
    spec->hidden_count = 0;
    if (!strcmp(text, "none"))
        return NICEST_OK;
    bool good = (size_t)snprintf(copy, sizeof copy, "%s", text) < sizeof copy;
    do { /* "WIDTH" or "WIDTHxDEPTH" */
        size_t width, depth = 1;
        comma = strchr(rest, ',');
        if (comma)
            *comma = 0;
        good = good && spec_times(rest, MOST_WIDTH, MOST_HIDDEN, &width, &depth) &&
               spec->hidden_count + depth <= MOST_HIDDEN;
        for (size_t i = 0; good && i < depth; i++)
            spec->hidden[spec->hidden_count++] = width;
        rest = comma ? comma + 1 : rest;
    } while (comma && good);
    if (!good)
        return fail(NICEST_E_ARGUMENT,
                    "hidden layers '%.60s': expected WIDTHxDEPTH or widths like 256,128 "
                    "(each at most %d, 64 layers at most)",
                    text, MOST_WIDTH);
    return NICEST_OK;
}

/* "1000x5", "256,128", "none": at most 64 x 6 long. Returns the length. */
static size_t write_hidden(char *text, size_t size, const mlp_spec *spec)
{
    size_t used = 0, count = spec->hidden_count;
    if (!count)
        return (size_t)snprintf(text, size, "none");
    for (size_t i = 0, run; i < count; i += run) {
        for (run = 1; i + run < count && spec->hidden[i + run] == spec->hidden[i];)
            run++;
        used += (size_t)snprintf(text + used, size - used, "%s%zu", i ? "," : "", spec->hidden[i]);
        if (run > 1)
            used += (size_t)snprintf(text + used, size - used, "x%zu", run);
    }
    return used;
}

nicest_status mlp_parse(const spec_line *l, mlp_spec *spec, char *text)
{
    static const char *const names[] = {"relu", "tanh", "silu"};
    const char *hidden = spec_option(l, "hidden"), *act = spec_option(l, "activation");
    size_t size = SPEC_LINE - 128, used; /* as the contract says */
    int kind = 0;
    *spec = (mlp_spec){0};
    while (act && kind < 3 && strcmp(act, names[kind]))
        kind++;
    if (kind == 3)
        return spec_refuse(l, "the activation is one of relu, tanh, silu");
    spec->activation = (activation)(ACTIVATION_RELU + kind);
    if (!hidden || mlp_parse_hidden(hidden, spec))
        return spec_refuse(l, "hidden=... is WIDTHxDEPTH, widths like 256,128, or none");
    if (!spec_count_option(l, "blocks", 0, 16, &spec->blocks) ||
        (spec->blocks && spec->hidden_count != 1))
        return spec_refuse(l, "blocks=N is from 0 to 16, and then hidden= is one width");
    if (!spec_number_option(l, "dropout", 0, 0.9, &spec->dropout))
        return spec_refuse(l, "dropout=P is from 0 to 0.9");
    used = (size_t)snprintf(text, size, "hidden=");
    used += write_hidden(text + used, size - used, spec);
    used += (size_t)snprintf(text + used, size - used, " activation=%s", names[kind]);
    if (spec->blocks)
        used += (size_t)snprintf(text + used, size - used, " blocks=%zu", spec->blocks);
    char share[NUMBER_SIZE];
    number_write(spec->dropout, share);
    if (spec->dropout > 0)
        snprintf(text + used, size - used, " dropout=%s", share);
    return NICEST_OK;
}

/* ------------------------------------------------------------------ structure */

/* Hidden unit u of `width`, of the net of d columns: it may depend on so many first columns. Where
 * there is a context, some depend on that alone: the first column reads them. */
static size_t degree(const mlp *m, size_t u, size_t width, size_t d)
{
    if (m->context.in)
        return u * d / width;
    return d < 2 ? 0 : 1 + u * (d - 1) / width;
}

static bool mask_maps(mlp *m, const mlp_spec *spec, size_t d)
{
    size_t rows = 0;
    for (size_t l = 0; l < m->count; l++)
        rows += m->map[l].out;
    m->limit = memory_new(rows, sizeof *m->limit);
    size_t *limit = m->limit;
    for (size_t l = 0; limit && l < m->count; limit += m->map[l++].out) {
        /* Limits of map l: how many units of the layer below have a degree that row o may read. */
        const map *w = &m->map[l];
        bool last = l + 1 == m->count;
        size_t per_output = m->map[m->count - 1].out / d, column = 0; /* of output o */
        for (size_t o = 0, read = 0; o < w->out; o++) {
            column = spec->output_end ? column : o / per_output;
            while (last && spec->output_end && o >= spec->output_end[column])
                column++;
            size_t most = last ? column : degree(m, o, w->out, d);
            if (l == 0) /* the inputs that the first `most` columns have */
                read = !spec->input_end ? most * (w->in / d) : most ? spec->input_end[most - 1] : 0;
            while (l > 0 && read < w->in && degree(m, read, w->in, d) <= most)
                read++;
            limit[o] = last && most == 0 && !m->context.in ? 0 : read;
        }
        m->map[l].limit = limit;
    }
    return m->limit != NULL;
}

bool mlp_open(mlp *m, size_t inputs, size_t context, size_t outputs, size_t autoregressive,
              const mlp_spec *spec)
{
    *m = (mlp){.count = spec->blocks ? 2 * spec->blocks + 2 : spec->hidden_count + 1,
               .activation = spec->activation,
               .blocks = spec->blocks,
               .dropout = spec->dropout};
    m->map = memory_new(m->count, sizeof *m->map);
    if (!m->map)
        return false;
    for (size_t l = 0; l < m->count; l++) {
        bool last = l + 1 == m->count;
        m->map[l].in = !l ? inputs : spec->hidden[spec->blocks ? 0 : l - 1];
        m->map[l].out = last ? outputs : spec->hidden[spec->blocks ? 0 : l];
    }
    m->context = (map){.in = context, .out = m->map[0].out};
    if (!autoregressive || mask_maps(m, spec, autoregressive))
        return true;
    mlp_close(m);
    return false;
}

void mlp_close(mlp *m)
{
    memory_free(m->map);
    memory_free(m->limit);
}

void mlp_tensors(mlp *m, const char *prefix, tensor_list *list)
{
    for (size_t l = 0; l < m->count; l++) {
        char name[32];
        snprintf(name, sizeof name, "mlp.%zu", l);
        map_tensors(&m->map[l], prefix, name, true, list);
    }
    if (m->context.in)
        map_tensors(&m->context, prefix, "mlp.context", false, list);
}

void mlp_init(mlp *m, random_stream stream)
{
    double gain = m->activation == ACTIVATION_TANH ? 1 : 2;
    m->key = stream.draw;
    for (size_t l = 0; l + 1 < m->count; l++)
        if (!m->blocks || l % 2 == 1 || l == 0) /* the last map of a block starts at zero, too */
            map_init(&m->map[l], gain,
                     (random_stream){stream.seed, stream.purpose, stream.draw * 64 + (uint32_t)l});
    if (m->context.in)
        map_init(&m->context, gain,
                 (random_stream){stream.seed, stream.purpose, stream.draw * 64 + 63});
}

/* ------------------------------------------------------------------ places on the tape, scratch */

static size_t delta_of(const mlp *m, size_t l)
{
    return m->count + l;
}

static size_t slope_of(const mlp *m, size_t block_number)
{
    return 2 * m->count + block_number;
}

static size_t context_of(const mlp *m)
{
    return 2 * m->count + m->blocks;
}

size_t mlp_tape(const mlp *m, size_t *width)
{
    for (size_t l = 0; width && l < m->count; l++) {
        width[l] = map_panels(m->map[l].in);
        width[delta_of(m, l)] = m->map[l].out;
    }
    for (size_t i = 0; width && i < m->blocks; i++)
        width[slope_of(m, i)] = m->map[0].out;
    if (width && m->context.in)
        width[context_of(m)] = map_panels(m->context.in);
    return context_of(m) + (m->context.in > 0);
}

/* The widest input of a map. */
static size_t widest(const mlp *m)
{
    size_t width = m->context.in;
    for (size_t l = 0; l < m->count; l++)
        width = m->map[l].in > width ? m->map[l].in : width;
    return width;
}

void mlp_prepare(const mlp *m, layer_needs *needs)
{
    size_t width = widest(m), out = m->map[m->count - 1].out;
    size_t pairs = ((out > width ? out : width) + 1) / 2;
    for (int i = 0; i < 2 + (m->blocks > 0); i++)
        arena_take(needs->scratch, needs->rows * width, sizeof(real));
    for (int i = 0; needs->bf16 && i < 2; i++)
        arena_take(needs->scratch, needs->rows * pairs, sizeof(real));
    if (m->limit) { /* mlp_steps_begin */
        arena_take(needs->scratch, m->count, sizeof(real *) + sizeof(size_t) + 64);
        for (size_t l = 0; l < m->count; l++)
            arena_take(needs->scratch, needs->rows * m->map[l].in, sizeof(real));
    }
}

/* ------------------------------------------------------------------ forward */

/* A product whose input is an array, with the input kept on the tape. */
static void forward_map(const mlp *m, tile *t, size_t l, const real *a, gemm_start start,
                        gemm_end end, real *out)
{
    const map *w = &m->map[l];
    size_t used = t->scratch->used;
    tile_note(t, 0, a, w->in);
    if (t->tape)
        map_keep(w, t, tile_taped(t, l), a);
    map_forward(w, t, map_operand(w, t, a), 0, w->out, start, end, w->bias, out);
    t->scratch->used = used;
}

/* out = W_1 a + W_c c + b_1, without end where it has no context */
static void run_first(const mlp *m, tile *t, const real *a, const real *context, gemm_end end,
                      real *out)
{
    const map *w = &m->context;
    if (!w->in) {
        forward_map(m, t, 0, a, GEMM_BIAS, end, out);
        return;
    }
    size_t used = t->scratch->used;
    if (t->tape)
        map_keep(w, t, tile_taped(t, context_of(m)), context);
    map_forward(w, t, map_operand(w, t, context), 0, w->out, GEMM_BIAS, GEMM_PLAIN, m->map[0].bias,
                out);
    t->scratch->used = used;
    forward_map(m, t, 0, a, GEMM_ADD, end, out);
}

/* x = f(x), dropped out in a training step; slope (NULL: not wanted) receives the derivative. */
static void activate(const mlp *m, const tile *t, size_t l, real *x, real *slope, size_t width)
{
    vector_activate(m->activation, x, slope, width * t->padded);
    if (!t->dropout || !(m->dropout > 0))
        return;
    uint64_t key = t->dropout->seed * 0x9E3779B97F4A7C15u + t->dropout->draw;
    key = (key ^ (uint64_t)m->key << 32 ^ l) * 0xD6E8FEB86659FD93u;
    for (size_t u = 0; u < width; u++)
        vector_dropout(x + u * t->padded, slope ? slope + u * t->padded : NULL, t->padded,
                       (uint32_t)((key + u * 0x9E3779B97F4A7C15u) >> 32), (uint32_t)t->first,
                       (real)m->dropout);
}

static bool drops(const mlp *m, const tile *t)
{
    return t->dropout && m->dropout > 0;
}

/* a_l = f(W_l a_{l-1} + b_l). On the tape: a_{l-1} in panels; and where delta_l will be, f' (ReLU:
 * a_l, which tells it). */
static const real *plain_hidden(const mlp *m, tile *t, const real *a, const real *context,
                                real *spare[2])
{
    bool relu = m->activation == ACTIVATION_RELU && !drops(m, t);
    for (size_t l = 0; l + 1 < m->count; l++) {
        size_t width = m->map[l].out;
        real *kept = t->tape ? tile_taped(t, delta_of(m, l)) : NULL;
        real *next = kept && relu ? kept : spare[l % 2];
        gemm_end end = relu ? GEMM_RELU : GEMM_PLAIN;
        if (l == 0)
            run_first(m, t, a, context, end, next);
        else
            forward_map(m, t, l, a, GEMM_BIAS, end, next);
        if (!relu)
            activate(m, t, l, next, kept, width);
        a = next;
    }
    return a;
}

/* h += W'' f(W' f(h) + b') + b''. On the tape: f'(h), and f' of the inner value where its delta
 * will be. */
static const real *residual_hidden(const mlp *m, tile *t, const real *a, const real *context,
                                   real *spare[2])
{
    size_t width = m->map[0].out, cells = width * t->padded;
    real *h = spare[0], *inner = spare[1];
    size_t used = t->scratch->used;
    real *f = arena_take(t->scratch, cells, sizeof *f);
    run_first(m, t, a, context, GEMM_PLAIN, h);
    for (size_t i = 0; i < m->blocks; i++) {
        size_t l = 1 + 2 * i;
        memcpy(f, h, cells * sizeof *h);
        vector_activate(m->activation, f, t->tape ? tile_taped(t, slope_of(m, i)) : NULL, cells);
        forward_map(m, t, l, f, GEMM_BIAS, GEMM_PLAIN, inner);
        activate(m, t, l, inner, t->tape ? tile_taped(t, delta_of(m, l)) : NULL, width);
        forward_map(m, t, l + 1, inner, GEMM_BIAS, GEMM_PLAIN, f);
        vector_add_scaled(h, f, 1, cells);
    }
    t->scratch->used = used;
    return h;
}

const real *mlp_hidden(const mlp *m, tile *t, const real *input, const real *context)
{
    real *spare[2];
    const map *last = &m->map[m->count - 1];
    const real *a = input;
    for (int i = 0; i < 2; i++)
        spare[i] = arena_take(t->scratch, t->padded * widest(m), sizeof *input);
    if (m->blocks)
        a = residual_hidden(m, t, input, context, spare);
    else if (m->count > 1)
        a = plain_hidden(m, t, input, context, spare);
    tile_note(t, 0, a, last->in);
    if (t->tape)
        map_keep(last, t, tile_taped(t, m->count - 1), a);
    return map_operand(last, t, a);
}

void mlp_output(const mlp *m, tile *t, const real *hidden, size_t first, size_t rows, real *out)
{
    assert(first + rows <= m->map[m->count - 1].out);
    const map *last = &m->map[m->count - 1];
    map_forward(last, t, hidden, first, rows, GEMM_BIAS, GEMM_PLAIN, last->bias, out);
    tile_note(t, 0, out, rows);
}

/* ------------------------------------------------------------------ backward */

real *mlp_output_delta(const mlp *m, const tile *t)
{
    return tile_taped(t, delta_of(m, m->count - 1));
}

/* below = end(start + W_l' delta_l) */
static void back_map(const mlp *m, tile *t, size_t l, gemm_start start, gemm_end end, real *below)
{
    const real *delta = tile_taped(t, delta_of(m, l));
    tile_note(t, 1, delta, m->map[l].out);
    map_backward(&m->map[l], t, delta, start, end, below);
}

/* With h' = h + W'' a + b'', a = f(v), v = W' f(h) + b': delta'' = dh', delta' = f'(v) W''' dh',
 * dh = dh' + f'(h) W'' delta'; and at the bottom delta_1 = dh. */
static void residual_backward(const mlp *m, tile *t)
{
    size_t width = m->map[0].out, cells = width * t->padded;
    real *dh = tile_taped(t, delta_of(m, 0));
    back_map(m, t, m->count - 1, GEMM_ZERO, GEMM_PLAIN, dh);
    for (size_t i = m->blocks; i-- > 0;) {
        size_t l = 1 + 2 * i;
        real *slope = tile_taped(t, slope_of(m, i));
        memcpy(tile_taped(t, delta_of(m, l + 1)), dh, cells * sizeof *dh);
        back_map(m, t, l + 1, GEMM_ZERO, GEMM_SLOPE, tile_taped(t, delta_of(m, l)));
        back_map(m, t, l, GEMM_ZERO, GEMM_SLOPE, slope);
        vector_add_scaled(dh, slope, 1, cells);
    }
}

/* delta_{l-1} = (W_l' delta_l) f'(.), and at the input dx += W_1' delta_1. */
void mlp_backward(const mlp *m, tile *t, real *dinput)
{
    bool relu = m->activation == ACTIVATION_RELU && !drops(m, t);
    if (m->blocks)
        residual_backward(m, t);
    for (size_t l = m->count; !m->blocks && l-- > 1;)
        back_map(m, t, l, GEMM_ZERO, relu ? GEMM_GATE : GEMM_SLOPE,
                 tile_taped(t, delta_of(m, l - 1)));
    back_map(m, t, 0, GEMM_ADD, GEMM_PLAIN, dinput);
}

/* ------------------------------------------------------------------ column by column */

mlp_steps mlp_steps_begin(const mlp *m, tile *t, const real *context)
{
    mlp_steps s = {.context = m->context.in ? context : NULL};
    assert(m->limit && !m->blocks && !t->bf16);
    s.input = arena_take(t->scratch, m->map[0].in * t->padded, sizeof(real));
    s.hidden = arena_take(t->scratch, m->count, sizeof(real *));
    s.done = arena_take(t->scratch, m->count, sizeof(size_t));
    for (size_t l = 0; l + 1 < m->count; l++) {
        s.hidden[l] = arena_take(t->scratch, m->map[l].out * t->padded, sizeof(real));
        s.done[l] = 0;
    }
    vector_fill(s.input, 0, m->map[0].in * t->padded);
    return s;
}

/* Rows first .. of map l, over the inputs that the last of them may read. */
static void step_map(const mlp *m, tile *t, const mlp_steps *s, size_t l, size_t first, size_t rows,
                     real *out)
{
    const map *w = &m->map[l];
    bool context = l == 0 && s->context;
    gemm_shape shape = {.m = rows,
                        .n = t->padded,
                        .k = w->limit[first + rows - 1],
                        .lda = w->in,
                        .b_step = t->padded,
                        .b_panel = GEMM_PANEL,
                        .ldc = t->padded,
                        .start = context ? GEMM_ADD : GEMM_BIAS};
    if (context)
        map_forward(&m->context, t, s->context, first, rows, GEMM_BIAS, GEMM_PLAIN, w->bias, out);
    else if (!shape.k)
        for (size_t o = 0; o < rows; o++)
            vector_fill(out + o * t->padded, w->bias[first + o], t->padded);
    if (shape.k)
        gemm_run(&shape, w->weight + first * w->in, l ? s->hidden[l - 1] : s->input,
                 w->bias + first, out);
}

void mlp_step(const mlp *m, tile *t, mlp_steps *s, size_t first, size_t rows, real *out)
{
    assert(m->limit && first + rows <= m->map[m->count - 1].out);
    size_t need[MOST_HIDDEN + 1]; /* units of the hidden layers that these outputs read */
    size_t reads = m->map[m->count - 1].limit[first + rows - 1];
    for (size_t l = m->count - 1; l-- > 0;) {
        need[l] = reads;
        reads = reads ? m->map[l].limit[reads - 1] : 0;
    }
    for (size_t l = 0; l + 1 < m->count; l++) {
        size_t from = s->done[l], some = need[l] > from ? need[l] - from : 0;
        real *next = s->hidden[l] + from * t->padded;
        if (!some)
            continue;
        step_map(m, t, s, l, from, some, next);
        vector_activate(m->activation, next, NULL, some * t->padded);
        s->done[l] = need[l];
    }
    step_map(m, t, s, m->count - 1, first, rows, out);
}

/* ------------------------------------------------------------------ gradient by blocks */

void mlp_blocks(const mlp *m, size_t layer_index, const tensor_list *list, block_list *blocks)
{
    for (size_t l = 0; l < m->count; l++)
        map_blocks(&m->map[l], layer_index, l, list, blocks);
    if (m->context.in)
        map_blocks(&m->context, layer_index, m->count, list, blocks);
}

static const map *map_of(const mlp *m, const block *which)
{
    return which->tensor == m->count ? &m->context : &m->map[which->tensor];
}

void mlp_transpose(const mlp *m, const block *which, const real *theta, weight_forms *forms)
{
    map_transpose(map_of(m, which), which, theta, forms);
}

void mlp_gradient(const mlp *m, const batch *b, const block *which, real *g)
{
    bool context = which->tensor == m->count;
    map_gradient(map_of(m, which), b, context ? context_of(m) : which->tensor,
                 delta_of(m, context ? 0 : which->tensor), which, g);
}

size_t mlp_norms(const mlp *m, const tile *t, double *norms, size_t stride)
{
    for (size_t l = 0; t && l < m->count; l++)
        map_norms(&m->map[l], t, tile_taped(t, l), tile_taped(t, delta_of(m, l)), norms + l,
                  stride);
    if (t && m->context.in)
        map_norms(&m->context, t, tile_taped(t, context_of(m)), tile_taped(t, delta_of(m, 0)),
                  norms + m->count, stride);
    return m->count + (m->context.in > 0);
}
