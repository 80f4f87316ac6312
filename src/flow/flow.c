/* flow.c - see flow.h. Owns the corridor: door, layers in order, prior, and back. */
#include "flow/flow.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/parallel.h"
#include "base/status.h"
#include "flow/state.h"

/* ------------------------------------------------------------------ the flow */

static const layer_class *class_of(const flow *f, size_t i)
{
    return f->spec.layers[i]->class;
}

static void list_tensors(flow *f)
{
    for (size_t i = 0; i < f->spec.count; i++) {
        char prefix[32];
        snprintf(prefix, sizeof prefix, "layers.%zu", i);
        if (class_of(f, i)->tensors)
            class_of(f, i)->tensors(f->spec.layers[i], prefix, &f->tensors);
    }
}

static void list_blocks(flow *f)
{
    for (size_t i = 0; i < f->spec.count; i++)
        if (class_of(f, i)->blocks)
            class_of(f, i)->blocks(f->spec.layers[i], i, &f->tensors, &f->blocks);
}

/* Gives every layer its pointers into the two vectors. */
static nicest_status place_tensors(flow *f)
{
    f->theta = memory_new(f->tensors.trainable, sizeof(real));
    f->frozen = memory_new(f->tensors.frozen, sizeof(real));
    if (!f->theta || !f->frozen)
        return fail_memory();
    for (size_t i = 0; i < f->tensors.count; i++) {
        tensor *t = &f->tensors.items[i];
        *t->slot = (t->trainable ? f->theta : f->frozen) + t->offset;
    }
    return NICEST_OK;
}

static nicest_status build(flow *f, const char *spec_text, size_t most)
{
    TRY(spec_parse(&f->spec, spec_text));
    list_tensors(f);
    if (f->tensors.failed)
        return fail_memory();
    if (most && (f->spec.columns > most || f->tensors.trainable > most || f->tensors.frozen > most))
        return fail(NICEST_E_FORMAT, "the spec wants %zu parameters, more than there are",
                    f->tensors.trainable + f->tensors.frozen);
    if (!entry_open(&f->entry, f->spec.columns))
        return fail_memory();
    TRY(place_tensors(f));
    list_blocks(f);
    return f->blocks.failed ? fail_memory() : NICEST_OK;
}

nicest_status flow_new(flow **out, const char *spec_text, size_t most)
{
    flow *f = memory_new(1, sizeof *f);
    if (!f)
        return fail_memory();
    nicest_status status = build(f, spec_text, most);
    if (status != NICEST_OK)
        flow_free(f);
    else
        *out = f;
    return status;
}

void flow_free(flow *f)
{
    if (!f)
        return;
    spec_close(&f->spec);
    entry_close(&f->entry);
    memory_free(f->tensors.items);
    memory_free(f->blocks.items);
    memory_free(f->theta);
    memory_free(f->frozen);
    memory_free(f);
}

size_t flow_norms(const flow *f)
{
    size_t count = 0;
    for (size_t i = 0; i < f->spec.count; i++)
        if (class_of(f, i)->norms)
            count += class_of(f, i)->norms(f->spec.layers[i], NULL, 0, NULL);
    return count;
}

size_t flow_largest_block(const flow *f)
{
    size_t largest = 1;
    for (size_t i = 0; i < f->blocks.count; i++)
        largest = f->blocks.items[i].count > largest ? f->blocks.items[i].count : largest;
    return largest;
}

/* ------------------------------------------------------------------ the workspace */

/* What one thread owns. */
typedef struct worker {
    plan_table plans;
    void *gemm_scratch;
    real *block; /* [largest block] */
    arena arena;
} worker;

struct flow_workspace {
    const flow *flow;
    flow_use use;
    size_t rows; /* of a taped pass */
    int threads;
    bool bf16;
    worker *workers;
    tape *tapes;   /* [layers + 1] */
    real **matrix; /* of all layers, one after the other */
    size_t *width;
    real *activations; /* the one block behind all tapes */
    size_t capacity;   /* rows of a tape */
    /* of FLOW_RECOMPUTE */
    double *inputs; /* [layers that tape, capacity, d] */
    real *dx;       /* [capacity, d] */
    real *gradient; /* [trainable] */
    size_t layer;   /* at hand on the way back */
    size_t tile;       /* most rows of a tile */
    double *row_logp;  /* [rows] of a training batch */
    real *largest;     /* [tiles, layers, 2] */
    /* the pass at hand */
    const flow_job *job;
    size_t start, count; /* rows of the job that it covers */
    size_t pass_tile; /* rows of its tiles */
    bool learning;
};

static size_t tiles_of(size_t rows, size_t size)
{
    return (rows + size - 1) / size;
}

/* Tiles are computed with so many rows: few plans serve any number, and a row has the same bits in all
 * of them up to gemm_longest_tile(), so that the size may be chosen for speed. (oneDNN 2.6 rounds
 * otherwise when there is only one row.) */
static const size_t TILE_SIZES[] = {4, 16, TILE_ROWS, 128};

static size_t padded_rows(size_t rows)
{
    size_t i = 0;
    while (TILE_SIZES[i] < rows)
        i++;
    return TILE_SIZES[i];
}

/* The weights of a flow that does not fit in a core's caches travel from memory once for each tile:
 * fewer and longer tiles then, as long as there is one for every thread. */
enum { CACHED_PARAMETERS = 1 << 18 };

static size_t choose_tile(const flow *f, size_t rows, int threads, size_t most)
{
    size_t size = most;
    if (f->tensors.trainable <= CACHED_PARAMETERS)
        size = size < TILE_ROWS ? size : TILE_ROWS;
    while (size > TILE_ROWS && tiles_of(rows, size) < (size_t)threads)
        size /= 2;
    return size;
}

/* What a tile takes from its thread's arena, in the order of run_tile. */
static void take_tile(const flow_workspace *w, size_t padded, arena *a, tile *t, double **values,
                      float **noise)
{
    size_t d = w->flow->spec.columns;
    t->x = arena_take(a, padded * d, sizeof(double));
    t->dx = w->use == FLOW_SCORE ? NULL : arena_take(a, padded * d, sizeof(real));
    t->logdet = arena_take(a, padded, sizeof(double));
    *values = arena_take(a, padded * d, sizeof(double));
    *noise = arena_take(a, d, sizeof(float));
}

/* Prepares plans and measures scratch for tiles of `padded` rows. */
static nicest_status prepare_rows(flow_workspace *w, worker *k, arena *counting, size_t padded)
{
    tile unused = {0};
    double *values;
    float *noise;
    counting->used = 0;
    take_tile(w, padded, counting, &unused, &values, &noise);
    size_t used = counting->used; /* finish_forward takes a row */
    arena_take(counting, w->flow->spec.columns, sizeof(real));
    counting->used = used;
    layer_needs needs = {.rows = padded, .batch_rows = w->use >= FLOW_LEARN ? w->rows : 0,
                         .backward = w->use != FLOW_SCORE, .bf16 = w->bf16, .plans = &k->plans,
                         .scratch = counting};
    for (size_t i = 0; i < w->flow->spec.count; i++)
        TRY(class_of(w->flow, i)->prepare(w->flow->spec.layers[i], &needs));
    return NICEST_OK;
}

static nicest_status prepare_worker(flow_workspace *w, worker *k)
{
    arena counting = {0};
    if (w->use < FLOW_LEARN) {
        for (size_t i = 0; i == 0 || TILE_SIZES[i - 1] < w->tile; i++)
            TRY(prepare_rows(w, k, &counting, TILE_SIZES[i]));
    } else {
        TRY(prepare_rows(w, k, &counting, w->tile));
        if (w->rows % w->tile)
            TRY(prepare_rows(w, k, &counting, padded_rows(w->rows % w->tile)));
    }
    k->gemm_scratch = memory_new(k->plans.scratch, 1);
    k->block = memory_new(w->use >= FLOW_LEARN ? flow_largest_block(w->flow) : 1, sizeof(real));
    if (!k->gemm_scratch || !k->block || !arena_open(&k->arena, counting.peak))
        return fail_memory();
    return NICEST_OK;
}

/* The number of layers before `end` that tape. */
static size_t taping_layers(const flow *f, size_t end)
{
    size_t count = 0;
    for (size_t i = 0; i < end; i++)
        count += class_of(f, i)->tape != NULL;
    return count;
}

/* Where the input of layer i is kept, from row `first` on. */
static double *kept_input(const flow_workspace *w, size_t i, size_t first)
{
    return w->inputs + (taping_layers(w->flow, i) * w->capacity + first) * w->flow->spec.columns;
}

static nicest_status keep_inputs(flow_workspace *w)
{
    size_t cells = w->capacity * w->flow->spec.columns;
    w->inputs = memory_new(taping_layers(w->flow, w->flow->spec.count), cells * sizeof(double));
    w->dx = memory_new(cells, sizeof(real));
    w->gradient = memory_new(w->flow->tensors.trainable, sizeof(real));
    return w->inputs && w->dx && w->gradient ? NICEST_OK : fail_memory();
}

/* The place of every layer's matrices in one block, of [rows, all widths] or, where only one layer's
 * are needed at a time, of [rows, the largest sum of widths]. Returns the elements of a row. */
static size_t place_matrices(flow_workspace *w)
{
    size_t end = 0, next = 0;
    for (size_t i = 0; i < w->flow->spec.count; i++) {
        size_t count = class_of(w->flow, i)->tape
                           ? class_of(w->flow, i)->tape(w->flow->spec.layers[i], w->tapes[i].width)
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
        matrices += class_of(w->flow, i)->tape ? class_of(w->flow, i)->tape(w->flow->spec.layers[i], NULL) : 0;
    w->tapes = memory_new(layers + 1, sizeof *w->tapes);
    w->matrix = memory_new(matrices, sizeof *w->matrix);
    w->width = memory_new(matrices, sizeof *w->width);
    if (!w->tapes || !w->matrix || !w->width)
        return fail_memory();
    w->capacity = tiles_of(w->rows, w->tile) * w->tile;
    w->tapes[0] = (tape){w->matrix, w->width};
    w->activations = memory_new(w->capacity, place_matrices(w) * sizeof(real));
    if (!w->activations)
        return fail_memory();
    place_matrices(w);
    return w->use == FLOW_RECOMPUTE ? keep_inputs(w) : NICEST_OK;
}

typedef struct preparation {
    flow_workspace *w;
    nicest_status *status; /* [threads] */
} preparation;

/* The plans of thread `item`, made as they will run: single-threaded. */
static void prepare_one(void *context, int thread, size_t item)
{
    const preparation *p = context;
    (void)item;
    p->status[thread] = prepare_worker(p->w, &p->w->workers[thread]);
}

static nicest_status prepare_all(flow_workspace *w)
{
    size_t layers = w->flow->spec.count, tiles = tiles_of(w->rows, w->tile);
    w->workers = memory_new((size_t)w->threads, sizeof *w->workers);
    w->row_logp = memory_new(w->use >= FLOW_LEARN ? w->rows : 1, sizeof *w->row_logp);
    w->largest = memory_new(tiles * layers * 2, sizeof *w->largest);
    preparation p = {w, memory_new((size_t)w->threads, sizeof *p.status)};
    nicest_status status = NICEST_OK;
    if (!w->workers || !w->row_logp || !w->largest || !p.status)
        status = fail_memory();
    if (status == NICEST_OK && w->use != FLOW_SCORE)
        status = lay_tapes(w);
    if (status == NICEST_OK)
        parallel_each(w->threads, prepare_one, &p);
    for (int i = 0; status == NICEST_OK && i < w->threads; i++)
        if (p.status[i] != NICEST_OK) /* the words stayed in the worker's thread */
            status = fail(p.status[i], "a workspace for %zu rows could not be prepared", w->rows);
    memory_free(p.status);
    return status;
}

nicest_status flow_workspace_new(flow_workspace **out, const flow *f, flow_use use, size_t rows,
                                 int threads, bool bf16)
{
    flow_workspace *w = memory_new(1, sizeof *w);
    if (!w)
        return fail_memory();
    w->flow = f;
    w->use = use;
    w->threads = threads < 1 ? parallel_available() : threads;
    size_t longest = gemm_longest_tile();
    w->rows = rows ? rows : (size_t)w->threads * longest;
    w->tile = padded_rows(w->rows < longest ? w->rows : longest);
    w->tile = choose_tile(f, w->rows, w->threads, w->tile);
    w->bf16 = bf16;
    nicest_status status = prepare_all(w);
    if (status != NICEST_OK)
        flow_workspace_free(w);
    else
        *out = w;
    return status;
}

void flow_workspace_free(flow_workspace *w)
{
    if (!w)
        return;
    for (int i = 0; w->workers && i < w->threads; i++) {
        plan_table_close(&w->workers[i].plans);
        memory_free(w->workers[i].gemm_scratch);
        memory_free(w->workers[i].block);
        arena_close(&w->workers[i].arena);
    }
    memory_free(w->workers);
    memory_free(w->tapes);
    memory_free(w->matrix);
    memory_free(w->width);
    memory_free(w->activations);
    memory_free(w->inputs);
    memory_free(w->dx);
    memory_free(w->gradient);
    memory_free(w->row_logp);
    memory_free(w->largest);
    memory_free(w);
}

int flow_threads(const flow_workspace *w)
{
    return w->threads;
}

real *flow_block_scratch(flow_workspace *w, int thread)
{
    return w->workers[thread].block;
}

/* ------------------------------------------------------------------ a tile on its way */

/* The door: fills t->x from what the job gives. */
static void load_tile(const flow_workspace *w, tile *t, size_t first, double *values, float *noise)
{
    const flow_job *job = w->job;
    const entry *e = &w->flow->entry;
    size_t d = t->columns;
    const double *rows = job->values ? job->values + first * d : values;
    if (job->source)
        job->source->fetch(job->source->context, first, t->rows, values);
    memset(t->x + t->rows * d, 0, (t->padded - t->rows) * d * sizeof(double));
    for (size_t r = 0; r < t->rows; r++) {
        double *x = t->x + r * d;
        uint64_t number = job->first_row + first + r;
        if (job->input == FLOW_PRIOR)
            prior_sample(w->flow->spec.prior, job->noise, number, job->temperature, values + r * d, d);
        if (job->input == FLOW_STORED)
            entry_encode_row(e, rows + r * d, job->noise, number, noise, x);
        else if (job->input == FLOW_CONTINUOUS)
            entry_centre_row(e, rows + r * d, x);
        else
            memcpy(x, rows + r * d, d * sizeof *x);
    }
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

static void forward_tile(const flow_workspace *w, tile *t, size_t number)
{
    for (size_t i = 0; i < w->flow->spec.count; i++) {
        select_tape(w, t, i, number);
        class_of(w->flow, i)->forward(w->flow->spec.layers[i], t);
    }
}

static void inverse_tile(const flow_workspace *w, tile *t)
{
    t->tape = NULL;
    for (size_t i = w->flow->spec.count; i-- > 0;)
        class_of(w->flow, i)->inverse(w->flow->spec.layers[i], t);
}

/* t->dx holds the prior's part already. */
static void backward_tile(const flow_workspace *w, tile *t, size_t number)
{
    for (size_t i = w->flow->spec.count; i-- > 0;) {
        select_tape(w, t, i, number);
        class_of(w->flow, i)->backward(w->flow->spec.layers[i], t);
    }
}

/* log p of each row; dx (where wanted) becomes weight * d log p_H / dh. */
static void finish_forward(const flow_workspace *w, tile *t, size_t first, bool backward)
{
    const flow_job *job = w->job;
    size_t used = t->scratch->used, d = t->columns;
    real *h = arena_take(t->scratch, d, sizeof *h);
    for (size_t r = 0; r < t->rows; r++) {
        real *dx = backward ? t->dx + r * d : NULL;
        state_narrow(h, t->x + r * d, d, d, 1);
        double density = prior_log_density(w->flow->spec.prior, h, dx, d);
        double logp = density + t->logdet[r];
        if (w->learning)
            w->row_logp[first + r] = logp;
        if (job->logp)
            job->logp[first + r] = logp;
        if (job->logdet)
            job->logdet[first + r] = t->logdet[r];
        for (size_t j = 0; job->latent && j < d; j++)
            job->latent[(first + r) * d + j] = t->x[r * d + j];
    }
    t->scratch->used = used;
    if (!backward)
        return;
    vector_scale(t->dx, (real)t->dlogdet, t->rows * d);
    vector_fill(t->dx + t->rows * d, 0, (t->padded - t->rows) * d);
}

static void finish_inverse(const flow_workspace *w, const tile *t, size_t first, double *value)
{
    const flow_job *job = w->job;
    size_t d = t->columns;
    for (size_t r = 0; r < t->rows; r++) {
        if (job->logdet)
            job->logdet[first + r] = t->logdet[r];
        entry_restore_row(&w->flow->entry, t->x + r * d, value);
        if (job->continuous)
            memcpy(job->continuous + (first + r) * d, value, d * sizeof *value);
        if (job->stored)
            entry_quantise_row(&w->flow->entry, value, job->stored + (first + r) * d);
    }
}

static void give_gradient(const flow_workspace *w, const tile *t, size_t first)
{
    for (size_t i = 0; i < t->rows * t->columns; i++)
        w->job->gradient[first * t->columns + i] = (double)t->dx[i];
}

static void give_norms(const flow_workspace *w, const tile *t, size_t first)
{
    double *norms = w->job->gradient_norms + first * flow_norms(w->flow);
    for (size_t r = 0; r < t->rows; r++)
        for (size_t i = 0; i < w->flow->spec.count; i++)
            if (class_of(w->flow, i)->norms)
                norms += class_of(w->flow, i)->norms(w->flow->spec.layers[i], &w->tapes[i],
                                                     t->first + r, norms);
}

/* Tile `number` of the pass, empty: its place in the tape is t->first. Returns its place in the job. */
static size_t open_tile(flow_workspace *w, int thread, size_t number, tile *t, double **values,
                        float **noise)
{
    worker *k = &w->workers[thread];
    size_t in_pass = number * w->pass_tile, left = w->count - in_pass;
    *t = (tile){.rows = left < w->pass_tile ? left : w->pass_tile, .first = in_pass,
                .columns = w->flow->spec.columns, .bf16 = w->bf16, .plans = &k->plans,
                .gemm_scratch = k->gemm_scratch, .scratch = &k->arena,
                .dlogdet = w->learning ? -1.0 / (double)w->job->rows : 1.0};
    t->padded = padded_rows(t->rows);
    k->arena.used = 0;
    take_tile(w, t->padded, &k->arena, t, values, noise);
    memset(t->logdet, 0, t->padded * sizeof *t->logdet);
    return w->start + in_pass;
}

static void run_tile(void *context, int thread, size_t number)
{
    flow_workspace *w = context;
    const flow_job *job = w->job;
    tile t;
    double *values;
    float *noise;
    size_t first = open_tile(w, thread, number, &t, &values, &noise);
    bool backward = goes_back(w);
    load_tile(w, &t, first, values, noise);
    if (job->input == FLOW_LATENT || job->input == FLOW_PRIOR) {
        inverse_tile(w, &t);
        finish_inverse(w, &t, first, values);
        return;
    }
    forward_tile(w, &t, number);
    finish_forward(w, &t, first, backward);
    if (backward)
        backward_tile(w, &t, number);
    if (job->gradient_norms)
        give_norms(w, &t, first);
    if (job->gradient)
        give_gradient(w, &t, first);
}

/* Calls `run` for each tile of rows start .. start+count-1 of the job. */
static void run_pass(flow_workspace *w, const flow_job *job, size_t start, size_t count,
                     bool learning, parallel_body run)
{
    w->job = job;
    w->start = start;
    w->count = count;
    w->learning = learning;
    w->pass_tile = learning ? w->tile : choose_tile(w->flow, count, w->threads, w->tile);
    parallel_for(w->threads, tiles_of(count, w->pass_tile), run, w);
}

/* In passes of at most w->rows rows where there is a tape. */
void flow_run(flow_workspace *w, const flow_job *job)
{
    size_t most = wants_gradient(job) ? w->rows : job->rows;
    for (size_t start = 0; start < job->rows; start += most) {
        size_t left = job->rows - start;
        run_pass(w, job, start, left < most ? left : most, false, run_tile);
    }
}

/* ------------------------------------------------------------------ learning */

/* Largest |activation| (which = 0) or |delta| (1) of a layer over the whole batch. */
static double largest_of(const flow_workspace *w, size_t tiles, size_t layer_index, int which)
{
    double largest = 0;
    for (size_t i = 0; i < tiles; i++)
        largest = fmax(largest,
                       (double)w->largest[(i * w->flow->spec.count + layer_index) * 2 + which]);
    return largest;
}

/* The layer that spoils everything behind it: on the way forward the first whose activations are not
 * finite; otherwise, on the way back, the first whose deltas are not, or whose gradient may overflow.
 * A block's gradient is a sum over rows of activation times delta: it cannot overflow while
 * max|activation| max|delta| rows does not. */
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
    size_t first = open_tile(w, thread, number, &t, &values, &noise);
    load_tile(w, &t, first, values, noise);
    for (size_t i = 0; i < w->flow->spec.count; i++) {
        if (class_of(w->flow, i)->tape)
            memcpy(kept_input(w, i, t.first), t.x, t.padded * t.columns * sizeof *t.x);
        select_tape(w, &t, i, number);
        t.tape = NULL;
        class_of(w->flow, i)->forward(w->flow->spec.layers[i], &t);
    }
    finish_forward(w, &t, first, true);
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
    open_tile(w, thread, number, &t, &values, &noise);
    real *dx = w->dx + t.first * t.columns;
    size_t cells = t.padded * t.columns;
    select_tape(w, &t, w->layer, number);
    if (l->class->tape) {
        memcpy(t.x, kept_input(w, w->layer, t.first), cells * sizeof *t.x);
        l->class->forward(l, &t);
    }
    memcpy(t.dx, dx, cells * sizeof *dx);
    l->class->backward(l, &t);
    memcpy(dx, t.dx, cells * sizeof *dx);
}

static void read_gradient(flow_workspace *w, int thread, const block *which, real *g)
{
    worker *k = &w->workers[thread];
    batch b = {.rows = w->rows, .tape = &w->tapes[which->layer], .bf16 = w->bf16,
               .plans = &k->plans, .gemm_scratch = k->gemm_scratch};
    class_of(w->flow, which->layer)->gradient(w->flow->spec.layers[which->layer], &b, which, g);
}

static void keep_gradient(void *context, int thread, size_t item)
{
    flow_workspace *w = context;
    const block *which = &w->flow->blocks.items[item];
    if (which->layer == w->layer)
        read_gradient(w, thread, which, w->gradient + which->offset);
}

static void learn_by_layers(flow_workspace *w, const flow_job *job)
{
    run_pass(w, job, 0, job->rows, true, keep_tile);
    for (size_t i = w->flow->spec.count; i-- > 0;) {
        w->layer = i;
        run_pass(w, job, 0, job->rows, true, recompute_tile);
        parallel_for(w->threads, w->flow->blocks.count, keep_gradient, w);
    }
}

flow_pass flow_learn(flow_workspace *w, const flow_job *job)
{
    size_t tiles = tiles_of(job->rows, w->tile);
    memset(w->largest, 0, tiles * w->flow->spec.count * 2 * sizeof *w->largest);
    if (w->use == FLOW_RECOMPUTE)
        learn_by_layers(w, job);
    else
        run_pass(w, job, 0, job->rows, true, run_tile);
    double sum = 0;
    for (size_t i = 0; i < job->rows; i++)
        sum += w->row_logp[i];
    flow_pass pass = {.mean_logp = sum / (double)job->rows, .fault = first_fault(w, job->rows)};
    pass.finite = isfinite(sum) && pass.fault < 0;
    return pass;
}

void flow_gradient(flow_workspace *w, int thread, const block *which, real *g)
{
    if (w->use == FLOW_RECOMPUTE)
        memcpy(g, w->gradient + which->offset, which->count * sizeof *g);
    else
        read_gradient(w, thread, which, g);
}

/* ------------------------------------------------------------------ starting values */

/* Sums of the columns of a tile, in double. */
static void add_moments(const tile *t, double *sum, double *square)
{
    for (size_t r = 0; r < t->rows; r++)
        for (size_t j = 0; j < t->columns; j++) {
            double x = t->x[r * t->columns + j];
            sum[j] += x;
            square[j] += x * x;
        }
}

/* Mean and standard deviation of all rows as layer `stop` sees them. */
static void moments_at(flow_workspace *w, const flow_rows *rows, random_stream noise, size_t stop,
                       double *mean, double *deviation)
{
    worker *k = &w->workers[0];
    size_t d = w->flow->spec.columns, n = rows->count;
    flow_job job = {.input = FLOW_STORED, .rows = n, .source = rows, .noise = noise};
    w->job = &job;
    w->learning = false;
    memset(mean, 0, d * sizeof *mean);
    memset(deviation, 0, d * sizeof *deviation);
    for (size_t first = 0; first < n; first += TILE_ROWS) {
        tile t = {.rows = n - first < TILE_ROWS ? n - first : TILE_ROWS, .first = first, .columns = d,
                  .plans = &k->plans, .gemm_scratch = k->gemm_scratch, .scratch = &k->arena};
        double *values;
        float *u;
        t.padded = padded_rows(t.rows);
        k->arena.used = 0;
        take_tile(w, t.padded, &k->arena, &t, &values, &u);
        memset(t.logdet, 0, t.padded * sizeof *t.logdet);
        load_tile(w, &t, first, values, u);
        for (size_t i = 0; i < stop; i++)
            if (!class_of(w->flow, i)->starts_as_identity)
                class_of(w->flow, i)->forward(w->flow->spec.layers[i], &t);
        add_moments(&t, mean, deviation);
    }
    for (size_t j = 0; j < d; j++) {
        mean[j] /= (double)n;
        deviation[j] = sqrt(fmax(deviation[j] / (double)n - mean[j] * mean[j], 0));
    }
}

static nicest_status init_from_data(flow *f, flow_workspace *w, const flow_rows *rows, uint64_t seed)
{
    size_t d = f->spec.columns;
    double *moments = memory_new(2 * d, sizeof *moments);
    if (!moments)
        return fail_memory();
    for (size_t i = 0; i < f->spec.count; i++) {
        if (!class_of(f, i)->init_from_data)
            continue;
        random_stream noise = {seed, RANDOM_INIT, UINT32_MAX - 1};
        moments_at(w, rows, noise, i, moments, moments + d);
        class_of(f, i)->init_from_data(f->spec.layers[i], moments, moments + d,
                                       prior_deviation(f->spec.prior));
    }
    memory_free(moments);
    return NICEST_OK;
}

nicest_status flow_init(flow *f, const flow_rows *rows, uint64_t seed)
{
    flow_workspace *w = NULL;
    vector_fill(f->theta, 0, f->tensors.trainable);
    for (size_t i = 0; i < f->spec.count; i++)
        if (class_of(f, i)->init)
            class_of(f, i)->init(f->spec.layers[i], (random_stream){seed, RANDOM_INIT, (uint32_t)i});
    TRY(flow_workspace_new(&w, f, FLOW_SCORE, TILE_ROWS, 1, false));
    nicest_status status = init_from_data(f, w, rows, seed);
    flow_workspace_free(w);
    return status;
}
