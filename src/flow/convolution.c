/* convolution.c - the coupling layer of pictures: part of the pixels moves, given the others
 * around.
 *
 *     y_keep = x_keep,  y_move = rule(x_move; net(x_keep))
 *
 * The picture is cut in cells of pixels, which become the places of a smaller grid: of each cell
 * the pixels that stay are channels of the net's input, and its outputs there are the parameters of
 * those that move. The net is that of residual gated convolutions (Ho et al., 2019, Flow++):
 *
 *     h = W_0 * (x_keep, sigmoid(4 (x_keep - t))) + b(place)
 *     h += v sigmoid(g),  (v, g) = W'' silu(W' * silu(h) + b') + b'',  as many times as blocks
 *     parameters = W * silu(h) + b
 *
 * where * is a 3x3 convolution in which places outside the grid are 0.
 *
 * Activations lie as [place, channel, row], those that are convolved with a border of zeros. So the
 * three neighbours of a place in one line are one run of numbers, and a convolution at a place is
 * one product in three parts, of weights [out, 3, 3, in] and the rows of the tile. Some rows at a
 * time go through the net, so that a few activations stay in a core's cache. The gradient by the
 * weights is summed on the way back, by fixed groups of rows: the bits do not depend on tiles. */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "flow/grammar.h"
#include "flow/map.h"
#include "flow/rule.h"
#include "flow/state.h"

enum { MOST_BLOCKS = 16, MOST_CHANNELS = 1024, MOST_CELL = 64, GROUP_ROWS = 32 };

typedef struct convolution {
    layer layer;
    rule rule;
    size_t pixel_lines, line_pixels, channels;
    size_t high, wide;            /* places of the grid */
    size_t kept, moved;           /* columns of a cell */
    uint32_t *column;             /* [places, kept + moved]: those that stay first */
    size_t width, blocks;         /* hidden channels */
    map map[2 + 2 * MOST_BLOCKS]; /* first, two for each block, last */
    real *threshold;              /* [places, kept], of the second input of each value */
    real *place;                  /* [places, width], the first map's bias */
} convolution;

static size_t places_of(const convolution *c)
{
    return c->high * c->wide;
}

/* With the border. */
static size_t bordered_places(const convolution *c)
{
    return (c->high + 2) * (c->wide + 2);
}

/* Of a bordered array: the place above and left of place p, where its window begins. */
static size_t window_of(const convolution *c, size_t p)
{
    return p / c->wide * (c->wide + 2) + p % c->wide;
}

/* Place p itself. */
static size_t inside_of(const convolution *c, size_t p)
{
    return window_of(c, p) + c->wide + 3;
}

static size_t last_map(const convolution *c)
{
    return 2 * c->blocks + 1;
}

/* Side of a map's window: 3, or 1 for the second of a block. */
static size_t side_of(const convolution *c, size_t l)
{
    return l % 2 == 0 && l > 0 && l < last_map(c) ? 1 : 3;
}

static size_t channels_of(const convolution *c, size_t l)
{
    return c->map[l].in / (side_of(c, l) * side_of(c, l));
}

/* Where a parameter lies behind the layer's first. */
static size_t offset_of(const convolution *c, const real *parameter)
{
    return (size_t)(parameter - c->map[0].weight);
}

/* ------------------------------------------------------------------ tensors, tape, scratch */

static void convolution_tensors(layer *self, const char *prefix, tensor_list *list)
{
    convolution *c = (convolution *)self;
    for (size_t l = 0; l <= last_map(c); l++) {
        char name[32];
        snprintf(name, sizeof name, "conv.%zu", l);
        map_tensors(&c->map[l], prefix, name, l > 0, list);
        if (l > 0)
            continue;
        tensor_add(list, prefix, "conv.place", TENSOR_BIAS, places_of(c), c->width, &c->place);
        tensor_add(list, prefix, "conv.threshold", TENSOR_BIAS, places_of(c), c->kept,
                   &c->threshold);
    }
}

static size_t parameters_of(const convolution *c)
{
    size_t count = places_of(c) * (c->width + c->kept);
    for (size_t l = 0; l <= last_map(c); l++)
        count += c->map[l].out * (c->map[l].in + (l > 0));
    return count;
}

/* h before each block and after the last, W' * silu(h) + b', the parameters (then their deltas),
 * the input with its border, each group's gradient, and what moves where the rule keeps it. */
enum { TAPE_HIDDEN, TAPE_INNER, TAPE_PARAMETERS, TAPE_INPUT, TAPE_GRADIENT, TAPE_MOVED };

static size_t convolution_tape(const layer *self, size_t *width)
{
    const convolution *c = (const convolution *)self;
    size_t places = places_of(c);
    bool keeps = c->rule.class->keeps;
    if (width) {
        width[TAPE_HIDDEN] = (c->blocks + 1) * places * c->width;
        width[TAPE_INNER] = c->blocks * places * c->width;
        width[TAPE_PARAMETERS] = places * c->moved * c->rule.parameters;
        width[TAPE_INPUT] = bordered_places(c) * 2 * c->kept;
        width[TAPE_GRADIENT] = (parameters_of(c) + GEMM_COLUMNS - 1) / GEMM_COLUMNS;
    }
    if (width && keeps)
        width[TAPE_MOVED] = places * c->moved;
    return TAPE_MOVED + keeps;
}

/* A group of a tile's rows on its way through the net. */
typedef struct conv_group {
    const convolution *c;
    tile *t;
    size_t first, n; /* of its rows in the tile */
    bool apart;      /* each row's gradient by itself, one after the other */
    /* on the tape, or in scratch for one block and place */
    real *hidden, *inner, *parameters, *input, *gradient, *kept;
    /* scratch */
    real *active; /* [bordered, width] silu(h) */
    real *delta;  /* [bordered, width or parameters] */
    real *gated; /* [3 width] v, g and silu of what both are made of, of a place; or of its input */
    real *panels;  /* [wide] deltas of a line of places, each transposed */
    double *moved; /* [moved] x of a place */
} conv_group;

static size_t group_rows(size_t padded)
{
    return padded < GROUP_ROWS ? padded : GROUP_ROWS;
}

static size_t widest_delta(const convolution *c)
{
    size_t out = c->map[last_map(c)].out;
    return out > c->width ? out : c->width;
}

static void take_scratch(conv_group *g, arena *scratch, bool taped, bool backward)
{
    const convolution *c = g->c;
    size_t n = g->n, cells = c->width * n, delta = widest_delta(c);
    size_t panels = map_panels(delta > 2 * c->width ? delta : 2 * c->width);
    size_t gated = 2 * c->kept > 3 * c->width ? 2 * c->kept : 3 * c->width;
    g->active = arena_take(scratch, bordered_places(c) * cells, sizeof(real));
    g->gated = arena_take(scratch, gated * n, sizeof(real));
    g->moved = arena_take(scratch, c->moved * n, sizeof(double));
    if (backward) {
        g->delta = arena_take(scratch, bordered_places(c) * delta * n, sizeof(real));
        g->panels = arena_take(scratch, c->wide * panels * n, sizeof(real));
    }
    if (!taped) {
        g->hidden = arena_take(scratch, places_of(c) * cells, sizeof(real));
        g->inner = arena_take(scratch, cells, sizeof(real));
        g->parameters = arena_take(scratch, c->map[last_map(c)].out * n, sizeof(real));
        g->input = arena_take(scratch, bordered_places(c) * 2 * c->kept * n, sizeof(real));
    }
}

static void convolution_prepare(const layer *self, layer_needs *needs)
{
    conv_group g = {.c = (const convolution *)self, .n = group_rows(needs->rows)};
    take_scratch(&g, needs->scratch, false, needs->backward);
    if (needs->backward) /* convolution_norms */
        arena_take(needs->scratch, parameters_of(g.c) * g.n, sizeof(real));
}

static real *group_taped(const conv_group *g, size_t i)
{
    return tile_taped(g->t, i) + g->first * g->t->tape->width[i];
}

static conv_group open_group(const convolution *c, tile *t, bool backward)
{
    conv_group g = {.c = c, .t = t, .n = group_rows(t->padded)};
    take_scratch(&g, t->scratch, t->tape != NULL, backward);
    return g;
}

/* Rows from `first` on; false: none of them counts. */
static bool select_group(conv_group *g, size_t first)
{
    g->first = first;
    if (g->t->tape) {
        g->hidden = group_taped(g, TAPE_HIDDEN);
        g->inner = group_taped(g, TAPE_INNER);
        g->parameters = group_taped(g, TAPE_PARAMETERS);
        g->input = group_taped(g, TAPE_INPUT);
        g->gradient = g->t->learns ? group_taped(g, TAPE_GRADIENT) : NULL;
        g->kept = g->c->rule.class->keeps ? group_taped(g, TAPE_MOVED) : NULL;
    }
    return first < g->t->rows;
}

static real *hidden_of(const conv_group *g, size_t block_number)
{
    return g->t->tape ? g->hidden + block_number * places_of(g->c) * g->c->width * g->n : g->hidden;
}

static real *inner_of(const conv_group *g, size_t block_number, size_t p)
{
    size_t places = places_of(g->c), cells = g->c->width * g->n;
    return g->t->tape ? g->inner + (block_number * places + p) * cells : g->inner;
}

static void note_group(const conv_group *g, int which, const real *x, size_t numbers)
{
    tile one = *g->t;
    one.padded = g->n;
    tile_note(&one, which, x, numbers);
}

static void clear_border(const conv_group *g, real *x, size_t channels)
{
    size_t across = g->c->wide + 2, cells = channels * g->n;
    vector_fill(x, 0, across * cells);
    for (size_t y = 1; y <= g->c->high; y++) {
        vector_fill(x + y * across * cells, 0, cells);
        vector_fill(x + (y * across + across - 1) * cells, 0, cells);
    }
    vector_fill(x + (g->c->high + 1) * across * cells, 0, across * cells);
}

/* ------------------------------------------------------------------ products */

/* to[out, n] = end(W * x + bias) at one place, whose window begins at x. */
static void multiply_window(const conv_group *g, const real *weight, const real *bias, size_t out,
                            size_t channels, size_t side, const real *x, gemm_end end, real *to)
{
    size_t n = g->n;
    gemm_shape s = {.m = out,
                    .n = n,
                    .k = side * channels,
                    .lda = side * side * channels,
                    .b_step = n,
                    .b_panel = GEMM_PANEL,
                    .ldc = n,
                    .parts = side,
                    .a_part = side * channels,
                    .b_part = (g->c->wide + 2) * channels * n,
                    .start = bias ? GEMM_BIAS : GEMM_ZERO,
                    .end = end};
    gemm_run(&s, weight, x, bias, to);
}

static void run_map(const conv_group *g, size_t l, const real *x, real *to)
{
    const map *m = &g->c->map[l];
    multiply_window(g, m->weight, m->bias, m->out, channels_of(g->c, l), side_of(g->c, l), x,
                    GEMM_PLAIN, to);
}

/* The gradient by a map's input, times what `to` holds where end is GEMM_SLOPE. */
static void run_back(const conv_group *g, size_t l, const real *delta, gemm_end end, real *to)
{
    const map *m = &g->c->map[l];
    const real *turned = g->t->forms.transposed + (m->weight - g->t->theta);
    multiply_window(g, turned, NULL, channels_of(g->c, l), m->out, side_of(g->c, l), delta, end,
                    to);
}

/* sum[width] += the rows of a panel. */
VECTOR_CLONES
static void add_rows(real *sum, const real *panel, size_t rows, size_t width)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t o = 0; o < width; o++)
            sum[o] += panel[r * GEMM_PANEL + o];
}

/* gradient[...] += sum of x delta' and of delta, over line y and the rows from `row` on: x where
 * the line's first window begins, delta in panels. */
static void add_some_rows(const conv_group *g, size_t l, size_t y, const real *x, size_t row,
                          size_t rows, real *gradient)
{
    const convolution *c = g->c;
    const map *m = &c->map[l];
    size_t side = side_of(c, l), channels = channels_of(c, l), n = g->n;
    size_t place = map_panels(m->out) * n;
    real *weight = gradient + offset_of(c, m->weight);
    real *bias = gradient + offset_of(c, l ? m->bias : c->place + y * c->wide * c->width);
    const real *panels = g->panels + row * GEMM_PANEL;
    gemm_shape s = {.m = side * channels,
                    .n = m->out,
                    .k = rows,
                    .lda = n,
                    .b_step = GEMM_PANEL,
                    .b_panel = GEMM_PANEL * n,
                    .ldc = m->out,
                    .parts = c->wide,
                    .a_part = channels * n,
                    .b_part = place,
                    .start = GEMM_ADD};
    for (size_t k = 0; k < side; k++)
        gemm_run(&s, x + k * (c->wide + 2) * channels * n + row, panels, NULL,
                 weight + k * side * channels * m->out);
    for (size_t p = 0; p < c->wide; p++, bias += l ? 0 : m->out)
        for (size_t o = 0; o < m->out; o += GEMM_PANEL)
            add_rows(bias + o, panels + p * place + o * n, rows,
                     m->out - o < GEMM_PANEL ? m->out - o : GEMM_PANEL);
}

static void add_line(const conv_group *g, size_t l, size_t y, const real *x)
{
    for (size_t r = 0; g->apart && r < g->n; r++)
        add_some_rows(g, l, y, x, r, 1, g->gradient + r * parameters_of(g->c));
    if (!g->apart)
        add_some_rows(g, l, y, x, 0, g->n, g->gradient);
}

/* The same of line y: `delta` and x bordered. */
static void add_deltas(const conv_group *g, size_t l, size_t y, const real *x)
{
    const convolution *c = g->c;
    size_t out = c->map[l].out, n = g->n;
    for (size_t p = 0; p < c->wide; p++)
        gemm_to_panels(g->panels + p * map_panels(out) * n,
                       g->delta + inside_of(c, y * c->wide + p) * out * n, out, n);
    add_line(g, l, y, x + window_of(c, y * c->wide) * channels_of(c, l) * n);
}

/* ------------------------------------------------------------------ forward */

/* active = silu(h) in line y; with `slopes` h becomes the derivative. Behind the last: none. */
static void activate_line(const conv_group *g, real *h, size_t y, bool slopes)
{
    const convolution *c = g->c;
    size_t cells = c->width * g->n;
    for (size_t p = y * c->wide; y < c->high && p < (y + 1) * c->wide; p++) {
        real *a = g->active + inside_of(c, p) * cells, *from = h + p * cells;
        memcpy(a, from, cells * sizeof *a);
        vector_activate(ACTIVATION_SILU, a, slopes ? from : NULL, cells);
    }
}

/* gate = 1 / (1 + gate), and h (NULL: nothing) += v gate */
VECTOR_CLONES
static void open_gate(real *h, const real *v, real *gate, size_t n)
{
    for (size_t i = 0; i < n; i++)
        gate[i] = 1 / (1 + gate[i]);
    for (size_t i = 0; h && i < n; i++)
        h[i] += v[i] * gate[i];
}

/* v and sigmoid(g) of a place, of what both are made of; slope (NULL: not wanted) becomes silu'. */
static void run_gate(const conv_group *g, size_t b, const real *inner, real *slope, real *h)
{
    size_t cells = g->c->width * g->n;
    real *gate = g->gated + cells, *s = gate + cells;
    memcpy(s, inner, cells * sizeof *s);
    vector_activate(ACTIVATION_SILU, s, slope, cells);
    run_map(g, 2 * b + 2, s, g->gated);
    vector_scale(gate, -1, cells);
    vector_exp(gate, gate, cells);
    open_gate(h, g->gated, gate, cells);
}

/* A line is convolved as soon as the one behind it is active, while both are in cache. */
static void run_block(const conv_group *g, size_t b)
{
    const convolution *c = g->c;
    size_t cells = c->width * g->n;
    real *from = hidden_of(g, b), *to = hidden_of(g, b + 1);
    activate_line(g, from, 0, false);
    for (size_t p = 0; p < places_of(c); p++) {
        real *inner = inner_of(g, b, p), *h = to + p * cells;
        if (p % c->wide == 0)
            activate_line(g, from, p / c->wide + 1, false);
        run_map(g, 2 * b + 1, g->active + window_of(c, p) * cells, inner);
        note_group(g, 0, inner, c->width);
        if (to != from)
            memcpy(h, from + p * cells, cells * sizeof *h);
        run_gate(g, b, inner, NULL, h);
    }
}

/* What the last map activates: h behind the blocks. */
static real *run_hidden(const conv_group *g)
{
    const convolution *c = g->c;
    size_t cells = c->width * g->n;
    clear_border(g, g->active, c->width);
    for (size_t p = 0; p < places_of(c); p++)
        multiply_window(g, c->map[0].weight, c->place + p * c->width, c->width, 2 * c->kept, 3,
                        g->input + window_of(c, p) * 2 * c->kept * g->n, GEMM_PLAIN,
                        hidden_of(g, 0) + p * cells);
    for (size_t b = 0; b < c->blocks; b++)
        run_block(g, b);
    return hidden_of(g, c->blocks);
}

/* ------------------------------------------------------------------ columns of a tile */

/* Column i of place p's cell, its rows of the group. */
static size_t cell_column(const conv_group *g, size_t p, size_t i)
{
    const convolution *c = g->c;
    return c->column[p * (c->kept + c->moved) + i] * g->t->padded + g->first;
}

/* Of each value x itself, and how far it is above a threshold t: f = 1 / (1 + exp(-4 (x - t))). */
static void read_cells(const conv_group *g)
{
    const convolution *c = g->c;
    size_t n = g->n, run = c->kept * n;
    clear_border(g, g->input, 2 * c->kept);
    for (size_t p = 0; p < places_of(c); p++) {
        real *x = g->input + inside_of(c, p) * 2 * run, *f = x + run;
        for (size_t i = 0; i < c->kept; i++) {
            state_narrow(x + i * n, g->t->x + cell_column(g, p, i), n);
            for (size_t r = 0; r < n; r++)
                f[i * n + r] = -4 * (x[i * n + r] - c->threshold[p * c->kept + i]);
        }
        vector_exp(f, f, run);
        open_gate(NULL, NULL, f, run);
    }
    note_group(g, 0, g->input, bordered_places(c) * 2 * c->kept);
}

/* The rule's job for what moves at a place. */
static rule_job moved_job(const conv_group *g, size_t p, real *parameters)
{
    return (rule_job){.columns = g->c->moved,
                      .padded = g->n,
                      .kept = g->kept ? g->kept + p * g->c->moved * g->n : NULL,
                      .logdet = g->t->logdet + g->first,
                      .parameters = parameters,
                      .weight = g->t->weight ? g->t->weight + g->first : NULL};
}

static void move_place(const conv_group *g, size_t p, bool inverse)
{
    const convolution *c = g->c;
    size_t l = last_map(c), n = g->n;
    real *parameters = g->parameters + (g->t->tape ? p * c->map[l].out * n : 0);
    rule_job job = moved_job(g, p, parameters);
    job.x = g->moved;
    job.inverse = inverse;
    run_map(g, l, g->active + window_of(c, p) * c->width * n, parameters);
    note_group(g, 0, parameters, c->map[l].out);
    for (size_t i = 0; i < c->moved; i++)
        memcpy(g->moved + i * n, g->t->x + cell_column(g, p, c->kept + i), n * sizeof *g->moved);
    c->rule.class->move(&c->rule, &job);
    for (size_t i = 0; i < c->moved; i++)
        memcpy(g->t->x + cell_column(g, p, c->kept + i), g->moved + i * n, n * sizeof *g->moved);
}

/* x_keep is the same in both directions. */
static void convolve(const layer *self, tile *t, bool inverse)
{
    const convolution *c = (const convolution *)self;
    conv_group g = open_group(c, t, false);
    for (size_t first = 0; select_group(&g, first); first += g.n) {
        read_cells(&g);
        real *h = run_hidden(&g);
        activate_line(&g, h, 0, false);
        for (size_t p = 0; p < places_of(c); p++) {
            if (p % c->wide == 0)
                activate_line(&g, h, p / c->wide + 1, false);
            move_place(&g, p, inverse);
        }
    }
}

static void convolution_forward(const layer *self, tile *t)
{
    convolve(self, t, false);
}

static void convolution_inverse(const layer *self, tile *t)
{
    convolve(self, t, true);
}

/* ------------------------------------------------------------------ backward */

/* dx_move and the deltas of the parameters by the rule. */
static void back_rule(const conv_group *g)
{
    const convolution *c = g->c;
    size_t n = g->n, out = c->map[last_map(c)].out;
    real *dx = (real *)g->moved;
    for (size_t p = 0; p < places_of(c); p++) {
        real *parameters = g->parameters + p * out * n;
        rule_job job = moved_job(g, p, parameters);
        job.dx = dx;
        for (size_t i = 0; i < c->moved; i++)
            memcpy(dx + i * n, g->t->dx + cell_column(g, p, c->kept + i), n * sizeof *dx);
        c->rule.class->backward(&c->rule, &job);
        for (size_t i = 0; i < c->moved; i++)
            memcpy(g->t->dx + cell_column(g, p, c->kept + i), dx + i * n, n * sizeof *dx);
    }
    note_group(g, 1, g->parameters, places_of(c) * out);
}

/* dv = dh gate, dg = dh v gate (1 - gate), in their places. */
VECTOR_CLONES
static void close_gate(const real *dh, real *v, real *gate, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        real slope = gate[i] * (1 - gate[i]) * v[i];
        v[i] = dh[i] * gate[i];
        gate[i] = dh[i] * slope;
    }
}

/* The second map of a block and its gate in line y: the delta of the first one. dh is the gradient
 * by the block's output. */
static void back_gate(const conv_group *g, size_t b, size_t y, const real *dh)
{
    const convolution *c = g->c;
    size_t n = g->n, cells = c->width * n, panels = map_panels(2 * c->width) * n;
    for (size_t p = y * c->wide; y < c->high && p < (y + 1) * c->wide; p++) {
        real *delta = g->delta + inside_of(c, p) * cells, *inner = inner_of(g, b, p);
        run_gate(g, b, inner, delta, NULL);
        close_gate(dh + p * cells, g->gated, g->gated + cells, cells);
        run_back(g, 2 * b + 2, g->gated, GEMM_SLOPE, delta);
        if (!g->gradient)
            continue;
        memcpy(inner, g->gated + 2 * cells, cells * sizeof *inner); /* its silu, for the gradient */
        gemm_to_panels(g->panels + p % c->wide * panels, g->gated, 2 * c->width, n);
    }
    if (g->gradient && y < c->high)
        add_line(g, 2 * b + 2, y, inner_of(g, b, y * c->wide));
}

/* Line y of map l, which reads silu(h): its gradient, and h, in which the derivative stands,
 * becomes the gradient by h; `after` (NULL: nothing) goes round the block. */
static void back_line(const conv_group *g, size_t l, size_t y, real *h, const real *after)
{
    const convolution *c = g->c;
    size_t n = g->n, cells = c->width * n;
    if (g->gradient)
        add_deltas(g, l, y, g->active);
    for (size_t p = y * c->wide; p < (y + 1) * c->wide; p++) {
        run_back(g, l, g->delta + window_of(c, p) * c->map[l].out * n, GEMM_SLOPE, h + p * cells);
        if (after)
            vector_add_scaled(h + p * cells, after + p * cells, 1, cells);
        note_group(g, 1, h + p * cells, c->width);
    }
}

static void back_block(const conv_group *g, size_t b)
{
    real *h = hidden_of(g, b), *after = hidden_of(g, b + 1);
    for (size_t y = 0; y <= g->c->high; y++) {
        back_gate(g, b, y, after);
        activate_line(g, h, y, true);
        if (y > 0)
            back_line(g, 2 * b + 1, y - 1, h, after);
    }
}

static void back_last(const conv_group *g)
{
    const convolution *c = g->c;
    size_t cells = c->map[last_map(c)].out * g->n;
    real *h = hidden_of(g, c->blocks);
    clear_border(g, g->delta, c->map[last_map(c)].out);
    for (size_t p = 0; p < places_of(c); p++)
        memcpy(g->delta + inside_of(c, p) * cells, g->parameters + p * cells,
               cells * sizeof *g->delta);
    for (size_t y = 0; y <= c->high; y++) {
        activate_line(g, h, y, true);
        if (y > 0)
            back_line(g, last_map(c), y - 1, h, NULL);
    }
}

/* dx += dinput + df 4 f (1 - f), dt = -df 4 f (1 - f), of what is kept at a place. */
static void back_cell(const conv_group *g, size_t p, real *by_input)
{
    const convolution *c = g->c;
    size_t n = g->n, count = parameters_of(c);
    const real *f = g->input + (inside_of(c, p) * 2 + 1) * c->kept * n;
    for (size_t i = 0; i < c->kept; i++, f += n) {
        real *df = by_input + (c->kept + i) * n, *dx = g->t->dx + cell_column(g, p, i);
        size_t at = g->gradient ? offset_of(c, c->threshold) + p * c->kept + i : 0;
        for (size_t r = 0; r < n; r++) {
            df[r] *= 4 * f[r] * (1 - f[r]);
            if (g->gradient)
                g->gradient[at + (g->apart ? r * count : 0)] -= df[r];
        }
        for (size_t r = 0; !g->apart && r < n; r++)
            dx[r] += by_input[i * n + r] + df[r];
    }
}

static void back_input(const conv_group *g)
{
    const convolution *c = g->c;
    size_t n = g->n, cells = c->width * n;
    const real *dh = hidden_of(g, 0);
    for (size_t p = 0; p < places_of(c); p++)
        memcpy(g->delta + inside_of(c, p) * cells, dh + p * cells, cells * sizeof *dh);
    for (size_t y = 0; g->gradient && y < c->high; y++)
        add_deltas(g, 0, y, g->input);
    for (size_t p = 0; p < places_of(c); p++) {
        run_back(g, 0, g->delta + window_of(c, p) * cells, GEMM_PLAIN, g->gated);
        back_cell(g, p, g->gated);
    }
}

/* What the deltas of the parameters make of all maps and, but of rows apart, of dx_keep. */
static void back_group(const conv_group *g)
{
    const convolution *c = g->c;
    if (g->gradient)
        vector_fill(g->gradient, 0, parameters_of(c) * (g->apart ? g->n : 1));
    clear_border(g, g->active, c->width);
    back_last(g);
    clear_border(g, g->delta, c->width);
    for (size_t b = c->blocks; b-- > 0;)
        back_block(g, b);
    back_input(g);
}

static void convolution_backward(const layer *self, tile *t)
{
    conv_group g = open_group((const convolution *)self, t, true);
    for (size_t first = 0; select_group(&g, first); first += g.n) {
        back_rule(&g);
        back_group(&g);
    }
    tile_note(t, 1, t->dx, t->columns);
}

/* ------------------------------------------------------------------ gradient by blocks */

static void convolution_blocks(const layer *self, size_t index, const tensor_list *list,
                               block_list *blocks)
{
    const convolution *c = (const convolution *)self;
    for (size_t l = 0; l <= last_map(c); l++)
        map_blocks(&c->map[l], index, l, list, blocks);
    for (size_t i = 0; i < list->count; i++) {
        real **slot = list->items[i].slot;
        if (slot == &c->place || slot == &c->threshold)
            block_add(blocks, &(block){.layer = index,
                                       .tensor = last_map(c) + (slot == &c->place ? 1 : 2),
                                       .offset = list->items[i].offset,
                                       .count = list->items[i].count});
    }
}

/* g += one group's gradient, whose weights are transposed. */
static void add_group(const convolution *c, const block *which, const real *from, real *g)
{
    size_t weights = 0;
    if (which->tensor <= last_map(c)) {
        const map *m = &c->map[which->tensor];
        const real *weight = from + offset_of(c, m->weight) + which->row;
        for (size_t o = 0; o < which->rows; o++)
            for (size_t i = 0; i < m->in; i++)
                g[o * m->in + i] += weight[i * m->out + o];
        weights = which->rows * m->in;
        from += which->count > weights ? offset_of(c, m->bias) : 0;
    } else
        from += offset_of(c, which->tensor == last_map(c) + 1 ? c->place : c->threshold);
    vector_add_scaled(g + weights, from, 1, which->count - weights);
}

static void convolution_gradient(const layer *self, const batch *b, const block *which, real *g)
{
    const convolution *c = (const convolution *)self;
    const real *from = b->tape->matrix[TAPE_GRADIENT];
    size_t width = b->tape->width[TAPE_GRADIENT];
    vector_fill(g, 0, which->count);
    for (size_t i = 0, first = 0; first < b->rows; first += b->tile, i++) {
        size_t n = group_rows(batch_padded(b, i));
        for (size_t r = first; r < b->rows && r < first + b->tile; r += n)
            add_group(c, which, from + r * width, g);
    }
}

/* Forward and back once more, from the input and the deltas that are on the tape. The last parts
 * are those of places and thresholds. */
static size_t convolution_norms(const layer *self, const tile *t, double *norms, size_t stride)
{
    const convolution *c = (const convolution *)self;
    size_t count = parameters_of(c), last = last_map(c);
    if (!t)
        return last + 3;
    tile own = *t;
    size_t used = t->scratch->used;
    own.largest = NULL;
    conv_group g = open_group(c, &own, true);
    real *rows = arena_take(t->scratch, count * g.n, sizeof *rows);
    g.apart = true;
    for (size_t first = 0; select_group(&g, first); first += g.n) {
        g.gradient = rows;
        run_hidden(&g);
        back_group(&g);
        for (size_t r = 0; r < g.n && first + r < t->rows; r++)
            for (size_t l = 0; l <= last + 2; l++) {
                bool place = l == last + 1;
                const real *part = l <= last ? c->map[l].weight : place ? c->place : c->threshold;
                size_t some = l <= last ? c->map[l].out * (c->map[l].in + (l > 0))
                                        : places_of(c) * (place ? c->width : c->kept);
                part = rows + r * count + offset_of(c, part);
                norms[(first + r) * stride + l] = sqrt(vector_dot(part, part, some));
            }
    }
    t->scratch->used = used;
    return last + 3;
}

/* W'[in, 3, 3, out] with its windows turned about: the gradient by the input is a convolution with
 * them. */
static void convolution_transpose(const layer *self, const block *which, const real *theta,
                                  weight_forms *forms)
{
    const convolution *c = (const convolution *)self;
    if (!forms->transposed || which->tensor > last_map(c))
        return;
    const map *m = &c->map[which->tensor];
    size_t channels = channels_of(c, which->tensor), window = m->in / channels;
    real *turned = forms->transposed + (m->weight - theta);
    for (size_t o = which->row; o < which->row + which->rows; o++)
        for (size_t k = 0; k < window; k++)
            for (size_t i = 0; i < channels; i++)
                turned[(i * window + window - 1 - k) * m->out + o] =
                    m->weight[(o * window + k) * channels + i];
}

/* Uniform in +-1/sqrt(inputs), half of it before a gate; the last map starts at zero. */
static void convolution_init(layer *self, random_stream stream)
{
    convolution *c = (convolution *)self;
    for (size_t l = 0; l < last_map(c); l++)
        map_init(&c->map[l], side_of(c, l) == 1 ? 1 / 12.0 : 1 / 3.0,
                 (random_stream){stream.seed, stream.purpose, stream.draw * 64 + (uint32_t)l});
}

/* ------------------------------------------------------------------ start */

enum { SEEN_ROWS = 2048 };

typedef struct seen_pair {
    double x, around; /* a value, and the mean of the pixels around it */
} seen_pair;

static int seen_order(const void *a, const void *b)
{
    double x = ((const seen_pair *)a)->x, y = ((const seen_pair *)b)->x;
    return (x > y) - (x < y);
}

/* Column j of some rows, evenly chosen. */
static void read_pairs(const convolution *c, const layer_start *s, size_t j, seen_pair *pair,
                       size_t n)
{
    size_t channel = j % c->channels, pixel = j / c->channels;
    size_t x = pixel % c->line_pixels, y = pixel / c->line_pixels;
    for (size_t r = 0; r < n; r++) {
        size_t row = (size_t)((double)r * (double)s->n / (double)n);
        double sum = 0, count = 0;
        for (size_t v = y ? y - 1 : 0; v <= y + 1 && v < c->pixel_lines; v++)
            for (size_t u = x ? x - 1 : 0; u <= x + 1 && u < c->line_pixels; u++) {
                size_t near = (v * c->line_pixels + u) * c->channels + channel;
                sum += near == j ? 0 : s->x[near * s->stride + row];
                count += near != j;
            }
        pair[r] = (seen_pair){s->x[j * s->stride + row], count > 0 ? sum / count : 0};
    }
}

/* The cut of sorted pairs whose two sides differ most around: the first one of a regression tree.
 * Each side has half a per cent of them at least. */
static double best_cut(const seen_pair *pair, size_t n)
{
    double all = 0, left = 0, best = -1, cut = n ? pair[n / 2].x : 0;
    for (size_t r = 0; r < n; r++)
        all += pair[r].around;
    for (size_t r = 0; r + 1 + n / 200 < n; r++) {
        left += pair[r].around;
        double below = (double)(r + 1), above = (double)(n - r - 1);
        double gap = left / below - (all - left) / above, gain = gap * gap * below * above;
        if (gain > best && r >= n / 200) {
            best = gain;
            cut = pair[r].x;
        }
    }
    return cut;
}

/* The thresholds: the rest starts without data. */
static nicest_status convolution_start(layer *self, const layer_start *s)
{
    convolution *c = (convolution *)self;
    size_t n = s->n < SEEN_ROWS ? s->n : SEEN_ROWS;
    OWNED_NEW(seen_pair *, pair, n);
    for (size_t p = 0; p < places_of(c); p++)
        for (size_t i = 0; i < c->kept; i++) {
            read_pairs(c, s, c->column[p * (c->kept + c->moved) + i], pair, n);
            qsort(pair, n, sizeof *pair, seen_order);
            c->threshold[p * c->kept + i] = (real)best_cut(pair, n);
        }
    return NICEST_OK;
}

static void convolution_free(layer *self)
{
    memory_free(((convolution *)self)->column);
    memory_free(self);
}

static const layer_class convolution_class = {
    .name = "convolution",
    .starts_as_identity = true,
    .tensors = convolution_tensors,
    .tape = convolution_tape,
    .prepare = convolution_prepare,
    .init = convolution_init,
    .start = convolution_start,
    .forward = convolution_forward,
    .inverse = convolution_inverse,
    .backward = convolution_backward,
    .blocks = convolution_blocks,
    .gradient = convolution_gradient,
    .transpose = convolution_transpose,
    .norms = convolution_norms,
    .free = convolution_free,
};

/* ------------------------------------------------------------------ grammar */

/* "AxB", each at most `most`. */
static bool read_pair(const char *text, size_t most, size_t *a, size_t *b)
{
    return text && strchr(text, 'x') && spec_times(text, most, most, a, b);
}

/* Of a pattern "NAME:0" or "NAME:1": whether the pixel (y, x) of a cell stays. */
typedef enum pattern { CHECKERBOARD, ROWS, COLUMNS, BLOCKS, PATTERNS } pattern;

static bool pixel_stays(pattern kind, size_t parity, size_t y, size_t x)
{
    size_t number = kind == CHECKERBOARD ? y + x
                    : kind == ROWS       ? y
                    : kind == COLUMNS    ? x
                                         : y / 2 + x / 2;
    return number % 2 == parity;
}

typedef struct conv_shape {
    size_t high, wide, channels, cell, width, blocks, parity;
    pattern kind;
} conv_shape;

static const char *const PATTERN_NAMES[] = {"checkerboard", "rows", "columns", "blocks"};

static nicest_status read_shape(const spec_line *l, const spec_shape *shape, const char *usage,
                                conv_shape *s)
{
    enum { MOST_SIDE = 1 << 15 };
    const char *keep = spec_option(l, "keep"), *colon = keep ? strchr(keep, ':') : NULL;
    *s = (conv_shape){.channels = 1, .cell = 2};
    while (colon && s->kind < PATTERNS &&
           (strncmp(keep, PATTERN_NAMES[s->kind], (size_t)(colon - keep)) ||
            strlen(PATTERN_NAMES[s->kind]) != (size_t)(colon - keep)))
        s->kind++;
    if (!read_pair(spec_option(l, "size"), MOST_SIDE, &s->high, &s->wide) || !colon ||
        s->kind == PATTERNS || !spec_count(colon + 1, 0, 1, &s->parity) ||
        !spec_count_option(l, "channels", 1, 64, &s->channels) ||
        !spec_count_option(l, "cell", 2, MOST_CELL, &s->cell) ||
        !read_pair(spec_option(l, "hidden"), MOST_CHANNELS, &s->width, &s->blocks) ||
        s->blocks > MOST_BLOCKS)
        return spec_refuse(l, usage);
    if (s->high * s->wide * s->channels != shape->columns)
        return spec_refuse(l, "size= times channels= is not the number of columns");
    if (s->high % s->cell || s->wide % s->cell)
        return spec_refuse(l, "the height and width of size= are no multiples of cell=");
    if (s->kind == BLOCKS && s->cell < 3)
        return spec_refuse(l, "keep=blocks is of blocks of 2x2 pixels: cell= is 3 at least");
    if (shape->context || shape->masked)
        return spec_refuse(l, "'convolution' reads neither a context nor masks yet");
    return NICEST_OK;
}

/* The columns of every cell, those that stay first. */
static bool list_columns(convolution *c, const conv_shape *s)
{
    uint32_t *next = c->column = memory_new(s->high * s->wide * s->channels, sizeof *next);
    for (size_t p = 0; next && p < c->high * c->wide; p++)
        for (int moves = 0; moves < 2; moves++)
            for (size_t i = 0; i < s->cell * s->cell; i++) {
                size_t y = i / s->cell, x = i % s->cell;
                size_t pixel = (p / c->wide * s->cell + y) * s->wide + p % c->wide * s->cell + x;
                if (pixel_stays(s->kind, s->parity, y, x) != moves)
                    for (size_t k = 0; k < s->channels; k++)
                        *next++ = (uint32_t)(pixel * s->channels + k);
            }
    return next != NULL;
}

nicest_status convolution_parse(const spec_line *l, const spec_shape *shape, char *canonical,
                                layer **out)
{
    static const char *const keys[] = {"size", "channels", "cell", "keep", "hidden", NULL};
    static const char *const usage =
        "expected 'convolution size=HIGHxWIDE channels=N cell=N keep=checkerboard|rows|columns|"
        "blocks:0|1 hidden=CHANNELSxBLOCKS rule=additive|affine|spline', and the rule's options";
    char rule_text[64];
    conv_shape s;
    rule made;
    TRY(rule_parse(l, &made, "affine", keys, usage, rule_text, sizeof rule_text));
    TRY(read_shape(l, shape, usage, &s));
    convolution *c = layer_new(&convolution_class, sizeof *c, shape, out);
    if (!c)
        return NICEST_OK;
    c->rule = made;
    c->pixel_lines = s.high;
    c->line_pixels = s.wide;
    c->channels = s.channels;
    c->high = s.high / s.cell;
    c->wide = s.wide / s.cell;
    c->width = s.width;
    c->blocks = s.blocks;
    for (size_t i = 0; i < s.cell * s.cell; i++)
        *(pixel_stays(s.kind, s.parity, i / s.cell, i % s.cell) ? &c->kept : &c->moved) +=
            s.channels;
    for (size_t k = 0; k <= last_map(c); k++)
        c->map[k] =
            (map){.in = (k ? side_of(c, k) * side_of(c, k) : 9) * (k ? s.width : 2 * c->kept),
                  .out = k == last_map(c)     ? made.parameters * c->moved
                         : side_of(c, k) == 1 ? 2 * s.width
                                              : s.width};
    snprintf(canonical, SPEC_LINE,
             "convolution size=%zux%zu channels=%zu cell=%zu keep=%s:%zu hidden=%zux%zu %s", s.high,
             s.wide, s.channels, s.cell, PATTERN_NAMES[s.kind], s.parity, s.width, s.blocks,
             rule_text);
    if (!list_columns(c, &s))
        memory_free(c), *out = NULL;
    return NICEST_OK;
}
