/* start.c - starting values of a flow: a sample of rows goes through it once, and each layer starts
 * from what those before it made of them. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "flow/pass.h"

/* A sample of rows on their way through the flow, as its layers start one after the other. */
typedef struct starter {
    const flow *f;
    flow_workspace *w;
    flow_job job;
    double *x;      /* [d, n]: columns one after the other */
    real *mask;     /* the same, of a masked flow */
    real *category; /* [categories, n] */
    real *context;  /* [context, n] */
    double *noise;  /* [d], where the prior is fitted */
    size_t n, layer;
    flow_rows chosen; /* n of all rows, evenly */
    const flow_rows *all;
    memory_group memory;
} starter;

static void starter_close(starter *s)
{
    memory_leave(&s->memory);
    flow_workspace_free(s->w);
}

/* Most numbers of a sample: 512 MB of state. */
static const size_t START_CELLS = (size_t)1 << 26;

static void fetch_chosen(const void *context, size_t first, size_t count, double *stored)
{
    const starter *s = context;
    size_t width = s->f->entry.columns;
    if (s->n == s->all->count) {
        s->all->fetch(s->all->context, first, count, stored);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        size_t row = (size_t)((double)(first + i) * (double)s->all->count / (double)s->n);
        s->all->fetch(s->all->context, row, 1, stored + i * width);
    }
}

/* The tile's columns out of the sample, or back into it. */
static void move_sample(const starter *s, tile *t, bool out)
{
    for (size_t j = 0; j < t->columns; j++) {
        double *far = s->x + j * s->n + t->first, *near = t->x + j * t->padded;
        memcpy(out ? near : far, out ? far : near, t->rows * sizeof *near);
        if (!t->mask)
            continue;
        real *far_mask = s->mask + j * s->n + t->first, *near_mask = t->mask + j * t->padded;
        memcpy(out ? near_mask : far_mask, out ? far_mask : near_mask, t->rows * sizeof *far_mask);
    }
}

/* Loads a tile of the sample (layer == count), or takes it through the layer at hand. */
static void advance_tile(void *context, int thread, size_t number)
{
    starter *s = context;
    const flow *f = s->f;
    tile t;
    double *values;
    float *noise;
    size_t first = flow_open_tile(s->w, thread, number, &t, &values, &noise);
    flow_load_tile(s->w, &t, first, values, noise); /* the context, at least */
    for (size_t i = 0; i < f->entry.categories; i++)
        memcpy(s->category + i * s->n + t.first, t.category + i * t.padded,
               t.rows * sizeof *t.category);
    for (size_t i = 0; s->context && i < f->spec.context; i++)
        memcpy(s->context + i * s->n + t.first, t.context + i * t.padded,
               t.rows * sizeof *t.context);
    if (s->layer < f->spec.count) {
        move_sample(s, &t, true);
        flow_class(f, s->layer)->forward(f->spec.layers[s->layer], &t);
    }
    move_sample(s, &t, false);
}

static void advance(starter *s, size_t which)
{
    s->layer = which;
    flow_each_tile(s->w, &s->job, 0, s->n, false, advance_tile, s);
}

/* The variance that dequantisation noise alone has in each column behind the layers before `end`:
 * some rows once more with other noise. */
static nicest_status measure_noise(const starter *s, size_t end, double *variance)
{
    enum { NOISY_ROWS = 2048 };
    const flow *f = s->f;
    size_t d = f->spec.columns, n = s->n < NOISY_ROWS ? s->n : NOISY_ROWS;
    OWNED_BY(memory_leave) memory_group memory = {0};
    starter again = *s;
    again.n = n;
    again.chosen = (flow_rows){fetch_chosen, s, n};
    again.job.rows = n;
    again.job.source = &again.chosen;
    again.job.noise.draw--;
    again.x = memory_join(&memory, n, d * sizeof *again.x);
    again.mask = s->mask ? memory_join(&memory, n, d * sizeof *again.mask) : NULL;
    again.context = NULL;
    again.category = memory_join(&memory, n, f->entry.categories * sizeof *again.category);
    TRY(check_memory(!memory.lacking));
    advance(&again, f->spec.count);
    for (size_t i = 0; i < end; i++)
        if (!flow_class(f, i)->starts_as_identity)
            advance(&again, i);
    for (size_t j = 0; j < d; j++) {
        double sum = 0;
        for (size_t r = 0; r < n; r++) {
            double change = again.x[j * n + r] - s->x[j * s->n + r];
            sum += change * change / 2;
        }
        variance[j] = isfinite(sum) ? sum / (double)n : 0;
    }
    return NICEST_OK;
}

static void init_layers(flow *f, uint64_t seed)
{
    vector_fill(f->theta, 0, f->tensors.trainable);
    for (size_t i = 0; i < f->spec.count; i++)
        if (flow_class(f, i)->init)
            flow_class(f, i)->init(f->spec.layers[i],
                                   (random_stream){seed, RANDOM_INIT, (uint32_t)i});
}

nicest_status flow_init(flow *f, const flow_rows *rows, uint64_t seed, int threads)
{
    init_layers(f, seed);
    size_t d = f->spec.columns, categories = f->entry.categories;
    size_t most = START_CELLS / (d + categories + f->spec.context);
    most = most > 256 ? most : 256;
    OWNED_BY(starter_close)
    starter s = {.f = f, .n = rows->count < most ? rows->count : most, .all = rows};
    TRY(flow_workspace_new(&s.w, f, FLOW_SCORE, FLOW_TILE, threads, false));
    s.x = memory_join(&s.memory, s.n, d * sizeof *s.x);
    if (f->spec.masked)
        s.mask = memory_join(&s.memory, s.n, d * sizeof *s.mask);
    s.category = memory_join(&s.memory, s.n, categories * sizeof *s.category);
    s.context = memory_join(&s.memory, s.n, f->spec.context * sizeof *s.context);
    if (f->spec.prior == PRIOR_MIXTURE)
        s.noise = memory_join(&s.memory, d, sizeof *s.noise);
    TRY(check_memory(!s.memory.lacking));
    s.chosen = (flow_rows){fetch_chosen, &s, s.n};
    s.job = (flow_job){.input = FLOW_STORED,
                       .rows = s.n,
                       .source = &s.chosen,
                       .noise = {seed, RANDOM_INIT, UINT32_MAX - 1}};
    /* The state passes each layer once: the layers start in order, each from what those before it
     * made of the rows. */
    size_t seen = 0; /* layers that the state has passed */
    advance(&s, f->spec.count);
    for (size_t i = 0; i < f->spec.count; i++) {
        if (!flow_class(f, i)->start)
            continue;
        for (; seen < i; seen++)
            if (!flow_class(f, seen)->starts_as_identity)
                advance(&s, seen);
        layer_start from = {.x = s.x,
                            .mask = s.mask,
                            .category = s.category,
                            .context = s.context,
                            .n = s.n,
                            .stride = s.n,
                            .entry = i <= (f->spec.categories != NULL) ? &f->entry : NULL,
                            .prior_deviation = prior_deviation(f->spec.prior),
                            .stream = {seed, RANDOM_INIT, (uint32_t)i},
                            .threads = threads};
        if (s.noise && flow_class(f, i)->remember) {
            TRY(measure_noise(&s, i, s.noise));
            from.noise = s.noise;
        }
        TRY(flow_class(f, i)->start(f->spec.layers[i], &from));
    }
    return NICEST_OK;
}

/* Where a tensor of a layer that the closed form has, too, is there. */
static const tensor *counterpart(const flow *f, const tensor *t, const flow *closed)
{
    char name[sizeof t->name];
    size_t number = 0, place = 0;
    int end = 0;
    snprintf(name, sizeof name, "%s", t->name);
    if (sscanf(t->name, "layers.%zu.%n", &number, &end) == 1 && end) {
        for (size_t i = 0; i < number; i++)
            place += place < closed->spec.count && flow_class(f, i) == flow_class(closed, place);
        if (place == closed->spec.count || flow_class(f, number) != flow_class(closed, place))
            return NULL; /* a layer between those of the closed form */
        snprintf(name, sizeof name, "layers.%zu.%s", place, t->name + end);
    }
    for (size_t i = 0; i < closed->tensors.count; i++)
        if (!strcmp(closed->tensors.items[i].name, name))
            return &closed->tensors.items[i];
    return NULL;
}

void flow_init_like(flow *f, const flow *closed, uint64_t seed)
{
    init_layers(f, seed);
    for (size_t i = 0; i < f->tensors.count; i++) {
        const tensor *t = &f->tensors.items[i], *from = counterpart(f, t, closed);
        if (from && from->count == t->count)
            memcpy(*t->slot, *from->slot, t->count * sizeof **t->slot);
    }
}
