/* pass.c - see flow.h. Owns the corridor: encoding, layers in order, prior, and back; and the
 * workspace in which tiles of rows take it. */
#include "flow/pass.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/status.h"
#include "base/values.h"
#include "flow/prior.h"
#include "flow/state.h"

/* ------------------------------------------------------------------ the workspace */

/* What one thread owns. */
typedef struct worker {
    real *block; /* [largest block] */
    real *pairs; /* of batch */
    void *memo;  /* of the layer that remembers, which is the last */
    arena arena;
} worker;

struct flow_workspace {
    memory_group memory;
    const flow *flow;
    flow_use use;
    size_t rows; /* of a taped pass */
    int threads;
    bool bf16;
    worker *workers;
    tape *tapes;   /* [layers + 1] */
    real **matrix; /* of all layers, one after the other */
    size_t *width;
    real *activations;  /* the one block behind all tapes */
    weight_forms forms; /* [trainable] each; and whether they are those of theta */
    bool is_transposed;
    size_t capacity; /* rows of a tape */
    real *gradient;  /* [trainable], where it is kept whole */
    /* of FLOW_RECOMPUTE */
    double *inputs;   /* [layers that tape, capacity, d] */
    real *masks;      /* [layers, capacity, d] of a masked flow */
    real *dx;         /* [capacity, d] */
    size_t layer;     /* at hand in the backward pass */
    size_t tile;      /* most rows of a tile */
    double *row_logp; /* [rows] of a training batch */
    real *largest;    /* [tiles, layers, 2] */
    /* the pass at hand */
    const flow_job *job;
    size_t start, count; /* rows of the job that it covers */
    size_t pass_tile;    /* rows of its tiles */
    double total;        /* of the weights of a step */
    bool learning, accumulate;
};

static size_t tiles_of(size_t rows, size_t size)
{
    return (rows + size - 1) / size;
}

/* The weights of a flow that does not fit in a core's caches travel from memory once for each tile:
 * fewer and longer tiles then, as long as there is one for every thread. */
enum { CACHED_PARAMETERS = 1 << 18 };

/* A layer at the end that keeps something between tiles: a mixture; or NULL. */
static const layer *remembering(const flow *f)
{
    const layer *last = f->spec.count ? f->spec.layers[f->spec.count - 1] : NULL;
    return last && last->class->remember ? last : NULL;
}

static size_t choose_tile(const flow *f, size_t rows, int threads)
{
    size_t most = f->tensors.trainable <= CACHED_PARAMETERS ? FLOW_TILE : FLOW_LONG_TILE;
    size_t size = tile_padded(rows < most ? rows : most);
    size_t least = remembering(f) ? FLOW_TILE : FLOW_SHORT_TILE; /* it sums so many rows at once */
    while (size > least && tiles_of(rows, size) < (size_t)threads)
        size /= 2;
    return size;
}

/* Rows of users' data that are turned into columns at once. */
enum { ROWS_AT_ONCE = 8 };

/* What a tile takes from its thread's arena, in the order of run_tile. */
static void take_tile(const flow_workspace *w, size_t padded, arena *a, tile *t, double **values,
                      float **noise)
{
    const flow_spec *spec = &w->flow->spec;
    const entry *e = &w->flow->entry;
    size_t d = spec->columns;
    bool backward = w->use != FLOW_SCORE;
    t->x = arena_take(a, d * padded, sizeof(double));
    t->dx = backward ? arena_take(a, d * padded, sizeof(real)) : NULL;
    t->weight = backward ? arena_take(a, padded, sizeof(real)) : NULL;
    t->mask = spec->masked ? arena_take(a, d * padded, sizeof(real)) : NULL;
    t->context = spec->context ? arena_take(a, spec->context * padded, sizeof(real)) : NULL;
    t->category = e->categories ? arena_take(a, 2 * e->categories * padded, sizeof(real)) : NULL;
    t->logdet = arena_take(a, padded, sizeof(double));
    t->logp = arena_take(a, padded, sizeof(double));
    *values = arena_take(a, ROWS_AT_ONCE * (e->columns + e->width), sizeof(double));
    *noise = arena_take(a, e->columns, sizeof(float));
}

/* The scratch of a tile of so many rows. */
static size_t measure_tile(const flow_workspace *w, size_t rows)
{
    arena counting = {0};
    tile unused = {0};
    double *values;
    float *noise;
    take_tile(w, rows, &counting, &unused, &values, &noise);
    layer_needs needs = {.rows = rows,
                         .backward = w->use != FLOW_SCORE,
                         .bf16 = w->bf16,
                         .masked = w->flow->spec.masked,
                         .scratch = &counting};
    for (size_t i = 0, used = counting.used; i < w->flow->spec.count; i++) {
        if (flow_class(w->flow, i)->prepare)
            flow_class(w->flow, i)->prepare(w->flow->spec.layers[i], &needs);
        counting.used = used;
    }
    arena_take(&counting, rows, sizeof(real)); /* finish_forward */
    arena_take(&counting, rows, sizeof(double));
    return counting.peak;
}

/* Of tiles of at most w->tile rows. A shorter one may want more, of columns that it takes more at
 * once. */
static size_t measure_scratch(const flow_workspace *w)
{
    size_t peak = 0;
    for (size_t rows = w->tile; rows >= GEMM_COLUMNS; rows /= 2) {
        size_t size = measure_tile(w, rows);
        peak = size > peak ? size : peak;
    }
    return peak;
}

static nicest_status prepare_worker(flow_workspace *w, worker *k, size_t scratch)
{
    k->block = memory_new(w->use >= FLOW_LEARN ? flow_largest_block(w->flow) : 1, sizeof(real));
    k->pairs = memory_new(w->bf16 ? BLOCK_ROWS * w->capacity / 2 : 1, sizeof(real));
    TRY(check_memory(k->block && k->pairs && arena_open(&k->arena, scratch)));
    const layer *last = remembering(w->flow);
    return last ? last->class->remember(last, w->use >= FLOW_LEARN, &k->memo) : NICEST_OK;
}

/* The number of layers before `end` that tape. */
static size_t taping_layers(const flow *f, size_t end)
{
    size_t count = 0;
    for (size_t i = 0; i < end; i++)
        count += flow_class(f, i)->tape != NULL;
    return count;
}

/* Where the input of layer i is kept, from row `first` on. */
static double *kept_input(const flow_workspace *w, size_t i, size_t first)
{
    assert(i < w->flow->spec.count && first < w->capacity);
    return w->inputs + (taping_layers(w->flow, i) * w->capacity + first) * w->flow->spec.columns;
}

static real *kept_mask(const flow_workspace *w, size_t i, size_t first)
{
    return w->masks + (i * w->capacity + first) * w->flow->spec.columns;
}

/* The place of every layer's matrices in one block, of [rows, all widths] or, where only one
 * layer's are needed at a time, of [rows, the largest sum of widths]. Returns the elements of a
 * row. */
static size_t place_matrices(flow_workspace *w)
{
    size_t end = 0, next = 0;
    for (size_t i = 0; i < w->flow->spec.count; i++) {
        size_t count =
            flow_class(w->flow, i)->tape
                ? flow_class(w->flow, i)->tape(w->flow->spec.layers[i], w->tapes[i].width)
                : 0;
        next = w->use == FLOW_RECOMPUTE ? 0 : next;
        for (size_t m = 0; m < count; next += w->tapes[i].width[m++])
            w->tapes[i].matrix[m] = w->activations ? w->activations + w->capacity * next : NULL;
        w->tapes[i + 1] = (tape){w->tapes[i].matrix + count, w->tapes[i].width + count};
        end = next > end ? next : end;
    }
    return end;
}

static nicest_status lay_tapes(flow_workspace *w)
{
    size_t matrices = 0, layers = w->flow->spec.count;
    for (size_t i = 0; i < layers; i++)
        matrices += flow_class(w->flow, i)->tape
                        ? flow_class(w->flow, i)->tape(w->flow->spec.layers[i], NULL)
                        : 0;
    w->tapes = memory_join(&w->memory, layers + 1, sizeof *w->tapes);
    w->matrix = memory_join(&w->memory, matrices, sizeof *w->matrix);
    w->width = memory_join(&w->memory, matrices, sizeof *w->width);
    TRY(check_memory(!w->memory.lacking));
    w->capacity = tiles_of(w->rows, w->tile) * w->tile;
    w->tapes[0] = (tape){w->matrix, w->width};
    w->activations = memory_join(&w->memory, w->capacity, place_matrices(w) * sizeof(real));
    w->forms.transposed = memory_join(&w->memory, w->flow->tensors.trainable, sizeof(real));
    if (w->bf16)
        w->forms.paired = memory_join(&w->memory, w->flow->tensors.trainable, sizeof(real));
    TRY(check_memory(!w->memory.lacking));
    place_matrices(w);
    if (w->use != FLOW_RECOMPUTE)
        return NICEST_OK;
    size_t cells = w->capacity * w->flow->spec.columns;
    size_t masks = w->flow->spec.masked ? layers + 1 : 0;
    w->inputs = memory_join(&w->memory, taping_layers(w->flow, layers), cells * sizeof(double));
    w->masks = memory_join(&w->memory, masks, cells * sizeof(real));
    w->dx = memory_join(&w->memory, cells, sizeof(real));
    return check_memory(!w->memory.lacking);
}

static void transpose_one(void *context, int thread, size_t item)
{
    flow_workspace *w = context;
    (void)thread;
    flow_transpose(w, &w->flow->blocks.items[item]);
}

static void transpose_all(flow_workspace *w)
{
    parallel_for(w->threads, w->flow->blocks.count, transpose_one, w);
}

static bool keeps_gradient(const flow_workspace *w)
{
    return w->use >= FLOW_LEARN_WHOLE;
}

nicest_status flow_workspace_new(flow_workspace **out, const flow *f, flow_use use, size_t rows,
                                 int threads, bool bf16)
{
    OWNED_BY(flow_workspace_drop) flow_workspace *w = memory_new(1, sizeof *w);
    TRY(check_memory(w));
    memory_group *memory = &w->memory;
    w->flow = f;
    w->use = use;
    w->threads = threads < 1 ? parallel_available() : threads;
    w->rows = rows ? rows : (size_t)w->threads * FLOW_LONG_TILE;
    w->tile = choose_tile(f, w->rows, w->threads);
    w->bf16 = bf16 && use != FLOW_SCORE;
    size_t layers = f->spec.count, tiles = tiles_of(w->rows, w->tile), n = f->tensors.trainable;
    w->workers = memory_join(memory, (size_t)w->threads, sizeof *w->workers);
    w->row_logp = memory_join(memory, use >= FLOW_LEARN ? w->rows : 1, sizeof *w->row_logp);
    w->largest = memory_join(memory, tiles * layers * 2, sizeof *w->largest);
    w->gradient = memory_join(memory, keeps_gradient(w) ? n : 0, sizeof(real));
    if (use == FLOW_SCORE && w->rows == 1 && n <= CACHED_PARAMETERS)
        w->forms.columns = memory_join(memory, n + GEMM_PANEL, sizeof(real));
    TRY(check_memory(!memory->lacking));
    if (use != FLOW_SCORE)
        TRY(lay_tapes(w));
    if (use == FLOW_GRADIENT || w->forms.columns)
        transpose_all(w);
    size_t scratch = measure_scratch(w);
    for (int i = 0; i < w->threads; i++)
        TRY(prepare_worker(w, &w->workers[i], scratch));
    *out = memory_take(&w);
    return NICEST_OK;
}

void flow_workspace_free(flow_workspace *w)
{
    if (!w)
        return;
    for (int i = 0; w->workers && i < w->threads; i++) {
        memory_free(w->workers[i].block);
        memory_free(w->workers[i].pairs);
        if (w->workers[i].memo)
            flow_class(w->flow, w->flow->spec.count - 1)->forget(w->workers[i].memo);
        arena_close(&w->workers[i].arena);
    }
    memory_leave(&w->memory);
    memory_free(w);
}

int flow_threads(const flow_workspace *w)
{
    return w->threads;
}

void flow_transpose(flow_workspace *w, const block *which)
{
    const layer_class *class = flow_class(w->flow, which->layer);
    if (class->transpose)
        class->transpose(w->flow->spec.layers[which->layer], which, w->flow->theta, &w->forms);
}

void flow_transposed(flow_workspace *w, bool all)
{
    w->is_transposed = all;
}

real *flow_block_scratch(flow_workspace *w, int thread)
{
    assert(thread >= 0 && thread < w->threads);
    return w->workers[thread].block;
}

/* ------------------------------------------------------------------ a tile on its way */

/* Row `row` of the job, encoded. */
static void load_row(const flow_workspace *w, const tile *t, size_t row, const double *from,
                     double *encoded, float *noise)
{
    const flow_job *job = w->job;
    const entry *e = &w->flow->entry;
    uint64_t number = job->first_row + row;
    if (job->input == FLOW_PRIOR) {
        entry_given_row(e, job->values ? from : NULL, encoded);
        if (w->flow->spec.prior == PRIOR_MIXTURE)
            prior_mixture_sample(w->flow->spec.layers[w->flow->spec.count - 1], t->memo, job->noise,
                                 number, job->temperature, encoded);
        else
            prior_sample(w->flow->spec.prior, job->noise, number, job->temperature, encoded,
                         w->flow->spec.columns);
    } else if (job->input == FLOW_STORED) {
        entry_encode_row(e, from, job->noise, number, noise, encoded);
    } else if (job->input == FLOW_CONTINUOUS) {
        entry_centre_row(e, from, encoded);
    } else {
        entry_latent_row(e, from, encoded);
    }
}

/* Rows start .. start+count-1 of what stands behind the values of encoded rows; unknown classes are
 * -1. Rows that do not count have zeros, and no class. */
static void load_rest(const flow_workspace *w, tile *t, size_t start, size_t count,
                      const double *rows)
{
    const entry *e = &w->flow->entry;
    real *context = (real *)t->context;
    for (size_t r = start; r < start + count; r++) {
        const double *class = rows + (r - start) * e->width + e->values;
        const double *from = class + e->categories;
        bool counts = r < t->rows;
        for (size_t i = 0; i < e->categories; i++)
            t->category[i * t->padded + r] = counts && class[i] >= 0 ? (real) class[i] : -1;
        for (size_t c = 0; c < e->context; c++)
            context[c * t->padded + r] = (real)from[c];
        t->logp[r] = from[e->context];
    }
}

/* The categories of samples, and what they hide of the values. */
static void draw_categories(const flow_workspace *w, tile *t, size_t first, float *noise)
{
    const layer *l = w->flow->spec.categories;
    size_t count = w->flow->entry.categories;
    random_stream stream = w->job->noise;
    real *u = t->category + count * t->padded;
    stream.draw ^= 0x80000000u;
    memset(u, 0, count * t->padded * sizeof *u);
    for (size_t r = 0; r < t->rows; r++) {
        random_uniform(stream, w->job->first_row + first + r, noise, count);
        for (size_t i = 0; i < count; i++)
            u[i * t->padded + r] = (real)noise[i];
    }
    l->class->draw(l, t, u);
    for (size_t i = 0; t->mask && i < count; i++) {
        size_t hidden = entry_hides(&w->flow->entry, i);
        if (hidden == SIZE_MAX)
            continue;
        size_t at = 0; /* in the latent, where samples begin */
        while (w->flow->order[at] != hidden)
            at++;
        for (size_t r = 0; r < t->padded; r++)
            if (t->category[i * t->padded + r] > 0)
                t->mask[at * t->padded + r] = 0;
    }
}

void flow_load_tile(const flow_workspace *w, tile *t, size_t first, double *values, float *noise)
{
    const flow_job *job = w->job;
    const entry *e = &w->flow->entry;
    double *rows = values + ROWS_AT_ONCE * e->columns;
    for (size_t start = 0; start < t->padded; start += ROWS_AT_ONCE) {
        size_t left = t->rows > start ? t->rows - start : 0;
        size_t count = left < ROWS_AT_ONCE ? left : ROWS_AT_ONCE;
        size_t room = t->padded - start < ROWS_AT_ONCE ? t->padded - start : ROWS_AT_ONCE;
        const double *from = job->values ? job->values + (first + start) * e->columns : values;
        if (job->source && count > 0)
            job->source->fetch(job->source->context, first + start, count, values);
        for (size_t i = 0; i < count; i++)
            load_row(w, t, first + start + i, from + i * e->columns, rows + i * e->width, noise);
        memset(rows + count * e->width, 0, (room - count) * e->width * sizeof *rows);
        bool latent = w->flow->order && job->input == FLOW_LATENT; /* in the latent's order */
        if (!latent)
            state_put_rows(t->x, t->padded, start, rows, room, t->columns, e->width);
        for (size_t j = 0; latent && j < t->columns; j++)
            for (size_t r = 0; r < room; r++)
                t->x[j * t->padded + start + r] = rows[r * e->width + w->flow->order[j]];
        if (e->mixed)
            load_rest(w, t, start, room, rows);
    }
    if (t->mask) {
        /* NaN in a masked flow: the value is hidden. */
        for (size_t i = 0; i < t->columns * t->padded; i++) {
            t->mask[i] = (real)!isnan(t->x[i]);
            t->x[i] = isnan(t->x[i]) ? 0 : t->x[i];
        }
    }
    if (job->input == FLOW_PRIOR && e->categories)
        draw_categories(w, t, first, noise);
}

static bool wants_gradient(const flow_job *job)
{
    return job->gradient || job->gradient_norms;
}

static bool goes_back(const flow_workspace *w)
{
    return w->learning || wants_gradient(w->job);
}

static void select_tape(const flow_workspace *w, tile *t, size_t layer_index, size_t number)
{
    t->tape = goes_back(w) ? &w->tapes[layer_index] : NULL;
    t->largest = w->learning ? w->largest + (number * w->flow->spec.count + layer_index) * 2 : NULL;
}

/* Row r of the tile back to a row of the entry's columns; `encoded` is scratch. */
static void restore_row(const flow_workspace *w, const tile *t, size_t r, double *encoded,
                        const double *given, bool latent, double *row)
{
    const entry *e = &w->flow->entry;
    double *rest = encoded + e->values;
    for (size_t j = 0; j < t->columns; j++) {
        bool hidden = t->mask && !(t->mask[j * t->padded + r] > 0);
        size_t to = latent && w->flow->order ? w->flow->order[j] : j;
        encoded[to] = hidden ? NAN : t->x[j * t->padded + r];
    }
    for (size_t i = 0; i < e->categories; i++) {
        real class = t->category[i * t->padded + r];
        *rest++ = class >= 0 ? (double)class : NAN;
    }
    for (size_t c = 0; c < e->context; c++)
        *rest++ = (double)t->context[c * t->padded + r];
    entry_restore_row(e, encoded, given, latent, row);
}

/* log p of each row; dx (where wanted) becomes weight * d log p_H / dh. A mixture was the last
 * layer, and did both already. */
static void finish_forward(const flow_workspace *w, tile *t, size_t first, bool backward,
                           double *values)
{
    const flow_job *job = w->job;
    const entry *e = &w->flow->entry;
    size_t used = t->scratch->used, n = t->padded;
    real *h = arena_take(t->scratch, n, sizeof *h);
    double *logp = t->logp, *part = arena_take(t->scratch, n, sizeof *part);
    for (size_t j = 0; w->flow->spec.prior != PRIOR_MIXTURE && j < t->columns; j++) {
        real *dx = backward ? t->dx + j * n : NULL;
        const real *seen = t->mask ? t->mask + j * n : NULL;
        memset(part, 0, seen ? n * sizeof *part : 0);
        state_narrow(h, t->x + j * n, n);
        prior_log_density(w->flow->spec.prior, h, dx, seen ? part : logp, n);
        for (size_t r = 0; seen && r < n; r++)
            logp[r] += seen[r] > 0 ? part[r] : 0;
        if (dx && seen)
            vector_multiply(dx, seen, n);
        if (dx)
            vector_multiply(dx, t->weight, n);
    }
    for (size_t r = 0; r < t->rows; r++) {
        if (w->learning)
            w->row_logp[first + r] = logp[r] + t->logdet[r];
        if (job->logp)
            job->logp[first + r] = logp[r] + t->logdet[r];
        if (job->logdet)
            job->logdet[first + r] = t->logdet[r];
    }
    for (size_t r = 0; job->latent && r < t->rows; r++)
        restore_row(w, t, r, values, NULL, true, job->latent + (first + r) * e->columns);
    t->scratch->used = used;
}

static void give_gradient(const flow_workspace *w, const tile *t, size_t first)
{
    const entry *e = &w->flow->entry;
    double *out = w->job->gradient + first * e->columns;
    for (size_t j = 0; j < e->columns; j++) {
        bool value = e->column[j].role == ENTRY_VALUE && !(e->column[j].given > 0);
        const real *dx = value ? t->dx + e->place[j].value * t->padded : NULL;
        for (size_t r = 0; r < t->rows; r++) /* where there is no density, there is no slope */
            out[r * e->columns + j] = !dx                        ? 0
                                      : t->logdet[r] > -HUGE_VAL ? (double)dx[r]
                                                                 : (double)NAN;
    }
}

size_t flow_open_tile(flow_workspace *w, int thread, size_t number, tile *t, double **values,
                      float **noise)
{
    worker *k = &w->workers[thread];
    size_t in_pass = number * w->pass_tile, left = w->count - in_pass;
    *t = (tile){.rows = left < w->pass_tile ? left : w->pass_tile,
                .first = in_pass,
                .columns = w->flow->spec.columns,
                .bf16 = w->bf16,
                .learns = w->learning,
                .theta = w->flow->theta,
                .forms = w->forms,
                .scratch = &k->arena,
                .memo = k->memo,
                .dropout = w->learning ? w->job->dropout : NULL};
    t->padded = goes_back(w) || t->rows > 1 || w->bf16 ? tile_padded(t->rows) : 1;
    k->arena.used = 0;
    take_tile(w, t->padded, &k->arena, t, values, noise);
    memset(t->logdet, 0, t->padded * sizeof *t->logdet);
    memset(t->logp, 0, t->padded * sizeof *t->logp);
    if (t->weight) {
        /* The objective: -sum weight log p / the sum of all weights; where nobody learns, log p. */
        size_t first = w->start + in_pass;
        const double *weights = w->learning ? w->job->weights : NULL;
        real *weight = (real *)t->weight, all = w->learning ? (real)(-1.0 / w->total) : 1;
        for (size_t r = 0; r < t->padded; r++)
            weight[r] = r >= t->rows ? 0 : weights ? (real)(-weights[first + r] / w->total) : all;
    }
    return w->start + in_pass;
}

/* A whole row without a log p has left the numbers of the model: it is impossible. NaN is for what
 * is missing. Reads the rows once more; such tiles are few. */
static void mark_impossible(const flow_workspace *w, tile *t, size_t first, double *values,
                            float *noise)
{
    double *logp = w->job->logp ? w->job->logp + first : NULL;
    size_t unknown = 0;
    for (size_t r = 0; logp && r < t->rows; r++)
        unknown += isnan(logp[r]);
    if (unknown == 0)
        return;
    flow_load_tile(w, t, first, values, noise);
    for (size_t r = 0; r < t->rows; r++) {
        bool missing = false; /* of a masked flow nothing is */
        for (size_t j = 0; j < t->columns; j++)
            missing = missing || isnan(t->x[j * t->padded + r]);
        if (isnan(logp[r]) && !missing)
            logp[r] = -HUGE_VAL;
    }
}

static void run_whole_tile(void *context, int thread, size_t number)
{
    flow_workspace *w = context;
    const flow_job *job = w->job;
    tile t;
    double *values;
    float *noise;
    size_t first = flow_open_tile(w, thread, number, &t, &values, &noise);
    bool backward = goes_back(w);
    flow_load_tile(w, &t, first, values, noise);
    if (job->input == FLOW_LATENT || job->input == FLOW_PRIOR) {
        t.tape = NULL;
        for (size_t i = w->flow->spec.count; i-- > 0;)
            flow_run_layer(w->flow->spec.layers[i], &t, flow_class(w->flow, i)->inverse);
        /* `values` is room for two rows, and an encoded one. */
        size_t d = w->flow->entry.columns;
        double *encoded = values + ROWS_AT_ONCE * d, *value = values + d;
        for (size_t r = 0; r < t.rows; r++) {
            if (job->logdet)
                job->logdet[first + r] = t.logdet[r];
            restore_row(w, &t, r, encoded, job->values ? job->values + (first + r) * d : NULL,
                        false, value);
            if (job->continuous)
                memcpy(job->continuous + (first + r) * d, value, d * sizeof *value);
            if (job->stored)
                entry_quantise_row(&w->flow->entry, value, job->stored + (first + r) * d);
        }
        return;
    }
    for (size_t i = 0; i < w->flow->spec.count; i++) {
        select_tape(w, &t, i, number);
        flow_run_layer(w->flow->spec.layers[i], &t, flow_class(w->flow, i)->forward);
    }
    finish_forward(w, &t, first, backward, values);
    if (backward) {
        /* t->dx holds the prior's part already. */
        for (size_t i = w->flow->spec.count; i-- > 0;) {
            select_tape(w, &t, i, number);
            flow_run_layer(w->flow->spec.layers[i], &t, flow_class(w->flow, i)->backward);
        }
    }
    if (job->gradient_norms) {
        size_t parts = flow_norms(w->flow);
        double *norms = w->job->gradient_norms + first * parts;
        for (size_t i = 0; i < w->flow->spec.count; i++)
            if (flow_class(w->flow, i)->norms) {
                t.tape = &w->tapes[i];
                norms += flow_class(w->flow, i)->norms(w->flow->spec.layers[i], &t, norms, parts);
            }
    }
    if (job->gradient)
        give_gradient(w, &t, first);
    mark_impossible(w, &t, first, values, noise);
}

void flow_each_tile(flow_workspace *w, const flow_job *job, size_t start, size_t count,
                    bool learning, parallel_body run, void *context)
{
    w->job = job;
    w->start = start;
    w->count = count;
    w->learning = learning;
    w->pass_tile = learning ? w->tile : choose_tile(w->flow, count, w->threads);
    w->pass_tile = w->pass_tile < w->tile ? w->pass_tile : w->tile;
    parallel_for(w->threads, tiles_of(count, w->pass_tile), run, context);
}

static void transpose_before_pass(flow_workspace *w)
{
    if (w->use >= FLOW_LEARN && !w->is_transposed)
        transpose_all(w);
    w->is_transposed = false;
}

/* In passes of at most w->rows rows where there is a tape. */
void flow_run(flow_workspace *w, const flow_job *job)
{
    assert(!wants_gradient(job) || w->use != FLOW_SCORE);
    if (wants_gradient(job) || w->bf16)
        transpose_before_pass(w);
    size_t most = wants_gradient(job) ? w->rows : job->rows;
    for (size_t start = 0; start < job->rows; start += most) {
        size_t left = job->rows - start;
        flow_each_tile(w, job, start, left < most ? left : most, false, run_whole_tile, w);
    }
}

void flow_log_density(flow_workspace *w, const double *x, size_t n, double *logp)
{
    flow_run(w, &(flow_job){FLOW_CONTINUOUS, n, x, .logp = logp});
}

void flow_forward(flow_workspace *w, const double *x, size_t n, double *latent, double *logdet)
{
    flow_run(w, &(flow_job){FLOW_CONTINUOUS, n, x, .latent = latent, .logdet = logdet});
}

void flow_inverse(flow_workspace *w, const double *latent, size_t n, double *x, double *logdet)
{
    flow_run(w, &(flow_job){FLOW_LATENT, n, latent, .continuous = x, .logdet = logdet});
}

void flow_sample(flow_workspace *w, random_stream noise, uint64_t first, const double *given,
                 size_t n, double *x)
{
    flow_run(w, &(flow_job){FLOW_PRIOR, n, given, NULL, noise, first, 1, .continuous = x});
}

/* ------------------------------------------------------------------ learning */

/* Largest |activation| (which = 0) or |delta| (1) of a layer over the whole batch. */
static double largest_of(const flow_workspace *w, size_t tiles, size_t layer_index, int which)
{
    real largest = 0; /* none is NaN */
    for (size_t i = 0; i < tiles; i++) {
        real one = w->largest[(i * w->flow->spec.count + layer_index) * 2 + which];
        largest = one > largest ? one : largest;
    }
    return (double)largest;
}

/* The layer that spoils everything behind it: on the way forward the first whose activations are
 * not finite; otherwise, on the way back, the first whose deltas are not, or whose gradient may
 * overflow. A block's gradient is a sum over rows of activation times delta: it cannot overflow
 * while max|activation| max|delta| rows does not. */
static int first_fault(const flow_workspace *w, size_t rows)
{
    int layers = (int)w->flow->spec.count;
    size_t tiles = tiles_of(rows, w->tile);
    for (int i = 0; i < layers; i++)
        if (!isfinite(largest_of(w, tiles, (size_t)i, 0)))
            return i;
    for (int i = layers - 1; i >= 0; i--) {
        double input = fmax(largest_of(w, tiles, (size_t)i, 0), 1);
        double delta = largest_of(w, tiles, (size_t)i, 1);
        if (!(input * delta * (double)rows < (double)FLT_MAX))
            return i;
    }
    return -1;
}

/* The way forward without a tape: what comes in where a layer would tape is kept. */
static void keep_tile(void *context, int thread, size_t number)
{
    flow_workspace *w = context;
    tile t;
    double *values;
    float *noise;
    size_t first = flow_open_tile(w, thread, number, &t, &values, &noise);
    flow_load_tile(w, &t, first, values, noise);
    for (size_t i = 0; i < w->flow->spec.count; i++) {
        if (flow_class(w->flow, i)->tape)
            memcpy(kept_input(w, i, t.first), t.x, t.padded * t.columns * sizeof *t.x);
        if (t.mask)
            memcpy(kept_mask(w, i, t.first), t.mask, t.padded * t.columns * sizeof *t.mask);
        select_tape(w, &t, i, number);
        t.tape = NULL;
        flow_run_layer(w->flow->spec.layers[i], &t, flow_class(w->flow, i)->forward);
    }
    if (t.mask)
        memcpy(kept_mask(w, w->flow->spec.count, t.first), t.mask,
               t.padded * t.columns * sizeof *t.mask);
    finish_forward(w, &t, first, true, values);
    memcpy(w->dx + t.first * t.columns, t.dx, t.padded * t.columns * sizeof *t.dx);
}

/* One layer's way back, after its way forward once more, with the tape. */
static void recompute_tile(void *context, int thread, size_t number)
{
    flow_workspace *w = context;
    const layer *l = w->flow->spec.layers[w->layer];
    tile t;
    double *values;
    float *noise;
    size_t first = flow_open_tile(w, thread, number, &t, &values, &noise);
    real *dx = w->dx + t.first * t.columns;
    size_t cells = t.padded * t.columns;
    select_tape(w, &t, w->layer, number);
    if (t.context)
        flow_load_tile(w, &t, first, values, noise);
    if (l->class->tape) {
        memcpy(t.x, kept_input(w, w->layer, t.first), cells * sizeof *t.x);
        if (t.mask)
            memcpy(t.mask, kept_mask(w, w->layer, t.first), cells * sizeof *t.mask);
        flow_run_layer(l, &t, l->class->forward);
    }
    if (t.mask) /* as the layer behind it sees it */
        memcpy(t.mask, kept_mask(w, w->layer + 1, t.first), cells * sizeof *t.mask);
    memcpy(t.dx, dx, cells * sizeof *dx);
    flow_run_layer(l, &t, l->class->backward);
    memcpy(dx, t.dx, cells * sizeof *dx);
}

static void read_gradient(flow_workspace *w, int thread, const block *which, real *g,
                          gemm_prefetch *prefetch)
{
    worker *k = &w->workers[thread];
    batch b = {.rows = w->rows,
               .tile = w->tile,
               .tape = &w->tapes[which->layer],
               .bf16 = w->bf16,
               .pairs = k->pairs,
               .memo = k->memo,
               .prefetch = prefetch};
    flow_class(w->flow, which->layer)->gradient(w->flow->spec.layers[which->layer], &b, which, g);
}

static void keep_gradient(void *context, int thread, size_t item)
{
    flow_workspace *w = context;
    const block *which = &w->flow->blocks.items[item];
    real *kept = w->gradient + which->offset, *g = w->accumulate ? w->workers[thread].block : kept;
    if (which->layer != w->layer && w->use == FLOW_RECOMPUTE)
        return;
    read_gradient(w, thread, which, g, NULL);
    if (w->accumulate)
        vector_add_scaled(kept, g, 1, which->count);
}

flow_pass flow_learn(flow_workspace *w, const flow_job *job)
{
    assert(w->use >= FLOW_LEARN && job->rows <= w->rows);
    size_t tiles = tiles_of(job->rows, w->tile);
    w->total = job->total > 0 ? job->total : (double)job->rows;
    w->accumulate = job->accumulate;
    memset(w->largest, 0, tiles * w->flow->spec.count * 2 * sizeof *w->largest);
    transpose_before_pass(w);
    if (w->use == FLOW_RECOMPUTE) {
        flow_each_tile(w, job, 0, job->rows, true, keep_tile, w);
        for (size_t i = w->flow->spec.count; i-- > 0;) {
            w->layer = i;
            flow_each_tile(w, job, 0, job->rows, true, recompute_tile, w);
            parallel_for(w->threads, w->flow->blocks.count, keep_gradient, w);
        }
    } else
        flow_each_tile(w, job, 0, job->rows, true, run_whole_tile, w);
    if (w->use == FLOW_LEARN_WHOLE)
        parallel_for(w->threads, w->flow->blocks.count, keep_gradient, w);
    double sum = 0, weights = 0;
    for (size_t i = 0; i < job->rows; i++) {
        double weight = values_weight(job->weights, i);
        sum += weight > 0 ? weight * w->row_logp[i] : 0;
        weights += weight;
    }
    flow_pass pass = {.mean_logp = sum / weights, .fault = first_fault(w, job->rows)};
    pass.finite = isfinite(sum) && pass.fault < 0;
    return pass;
}

void flow_gradient(flow_workspace *w, int thread, const block *which, real *g,
                   gemm_prefetch *prefetch)
{
    assert(thread >= 0 && thread < w->threads);
    if (keeps_gradient(w))
        memcpy(g, w->gradient + which->offset, which->count * sizeof *g);
    else
        read_gradient(w, thread, which, g, prefetch);
}

real *flow_whole_gradient(flow_workspace *w)
{
    return keeps_gradient(w) ? w->gradient : NULL;
}
