/* bench.c - the speed of this machine on the standard models.
 *
 * Work is counted as 6 x parameters x rows for a training step, 4 x for a gradient by the row, and
 * 2 x for scoring and its inverse: useful operations only. Models are random; rows of the paper's
 * model are bytes, whose noise is drawn inside what is measured, and the others standard normal. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "apply/bench.h"
#include "apply/peak.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/status.h"
#include "flow/flow.h"
#include "kernel/gemm.h"
#include "model/model.h"
#include "train/step.h"

enum { MODELS = 4, MOST_TIMES = 2001 };

typedef struct standard {
    const char *name;
    size_t columns, batch;
    const char *hidden, *prior;
    double levels; /* of a column; 0: continuous */
    size_t many;   /* rows to score at once; at least batch */
} standard;

static const standard STANDARDS[MODELS] = {
    {"paper256", 784, 256, "1000x5", "logistic", 256, 2048},
    {"paper1024", 784, 1024, "1000x5", "logistic", 256, 2048},
    {"table", 8, 512, "128x2", "normal", 0, 65536},
    {"toy", 2, 256, "64x2", "normal", 0, 65536},
};

/* One standard model with all that a measurement needs. */
typedef struct subject {
    const standard *what;
    nicest_model *model;
    flow *flow; /* the model's */
    flow_workspace *learn;
    optimizer optimizer;
    stepper stepper;
    double *rows; /* [many, d] */
    int threads;
    bool bf16;
} subject;

static char *standard_spec(const standard *s)
{
    char *text = memory_format("nicest 1\ncolumns %zu\npermute odd-even\n", s->columns);
    for (int i = 0; text && i < 4; i++) {
        char *longer = memory_format("%scoupling move=%s hidden=%s\n", text,
                                     i % 2 ? "first" : "second", s->hidden);
        memory_free(text);
        text = longer;
    }
    char *whole = text ? memory_format("%sscale\nprior %s\n", text, s->prior) : NULL;
    memory_free(text);
    return whole;
}

static void fetch_rows(const void *context, size_t first, size_t count, double *stored)
{
    const subject *s = context;
    memcpy(stored, s->rows + first * s->what->columns, count * s->what->columns * sizeof *stored);
}

static void fill_rows(const subject *s)
{
    size_t columns = s->what->columns;
    for (size_t i = 0; i < s->what->many; i++)
        random_normal((random_stream){1, RANDOM_USER, 0}, i, s->rows + i * columns, columns);
    for (size_t i = 0; s->what->levels > 0 && i < s->what->many * columns; i++)
        s->rows[i] = fmin(floor(fabs(s->rows[i]) * s->what->levels / 4), s->what->levels - 1);
}

/* Columns of levels become columns of [0, 1). */
static nicest_status set_entry(flow *f, double levels)
{
    for (size_t i = 0; levels > 0 && i < f->entry.columns; i++)
        f->entry.column[i] = (entry_column){.step = 1, .levels = levels, .unit = 1 / levels};
    return entry_set(&f->entry);
}

static nicest_status open_flow(subject *s)
{
    char *spec = standard_spec(s->what);
    flow *f = NULL;
    nicest_status status = spec ? flow_new(&f, spec, 0) : fail_memory();
    memory_free(spec);
    TRY(status);
    flow_rows rows = {fetch_rows, s, s->what->batch};
    status = set_entry(f, s->what->levels);
    if (status == NICEST_OK)
        status = flow_init(f, &rows, 1, 1);
    if (status != NICEST_OK) {
        flow_free(f);
        return status;
    }
    s->flow = f;
    return model_new(&s->model, f);
}

static nicest_status open_learning(subject *s)
{
    optimizer_settings adam = {NICEST_ADAM, 0.9, 0.99, 1e-4, 0, 0};
    TRY(flow_workspace_new(&s->learn, s->flow, FLOW_LEARN, s->what->batch, s->threads, s->bf16));
    TRY(optimizer_open(&s->optimizer, &adam, s->flow->theta, s->flow->tensors.trainable));
    return stepper_open(&s->stepper, s->flow, s->learn, &s->optimizer, 0);
}

static void close_learning(subject *s)
{
    stepper_close(&s->stepper);
    optimizer_close(&s->optimizer);
    flow_workspace_free(s->learn);
    s->learn = NULL;
}

static nicest_status open_subject(subject *s, const standard *what)
{
    *s = (subject){.what = what, .rows = memory_new(what->many * what->columns, sizeof *s->rows)};
    if (!s->rows)
        return fail_memory();
    fill_rows(s);
    return open_flow(s);
}

static void close_subject(subject *s)
{
    nicest_model_free(s->model);
    memory_free(s->rows);
}

/* ------------------------------------------------------------------ timing */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

nicest_bench_figure bench_measure(void (*run)(void *), void *context, double seconds)
{
    double times[MOST_TIMES];
    int count = 0;
    run(context);
    run(context);
    double begin = parallel_clock();
    while (count < MOST_TIMES && (count < 3 || parallel_clock() - begin < seconds)) {
        double start = parallel_clock();
        run(context);
        times[count++] = parallel_clock() - start;
    }
    qsort(times, (size_t)count, sizeof *times, compare);
    double median = times[count / 2];
    return (nicest_bench_figure){median, (times[count * 19 / 20] - times[count / 20]) / median,
                                 NAN};
}

nicest_bench_figure bench_rate(nicest_bench_figure time, double work)
{
    return (nicest_bench_figure){work / time.median, time.spread, NAN};
}

nicest_bench_figure bench_nothing(void)
{
    return (nicest_bench_figure){NAN, NAN, NAN};
}

/* ------------------------------------------------------------------ training */

static void run_step(void *context)
{
    subject *s = context;
    flow_job job = {.input = FLOW_STORED,
                    .rows = s->what->batch,
                    .values = s->rows,
                    .noise = {1, RANDOM_DEQUANTISE, (uint32_t)s->optimizer.steps}};
    flow_learn(s->learn, &job);
    stepper_apply(&s->stepper, 1e-6);
}

/* Milliseconds, and the share of `peak` GFLOP/s. */
static nicest_status measure_step(subject *s, int threads, bool bf16, double peak, double seconds,
                                  nicest_bench_figure *figure)
{
    s->threads = threads;
    s->bf16 = bf16;
    nicest_status status = open_learning(s);
    if (status == NICEST_OK) {
        double parameters = (double)s->flow->tensors.trainable;
        nicest_bench_figure time = bench_measure(run_step, s, seconds);
        *figure = bench_rate(time, 1);
        figure->median = 1e3 * time.median;
        figure->share = 6e-9 * parameters * (double)s->what->batch / time.median / peak;
    }
    close_learning(s);
    return status;
}

static nicest_status measure_steps(subject *s, int index, double seconds, nicest_bench_result *r)
{
    TRY(measure_step(s, r->threads, false, r->peak_f32, seconds, &r->model[index].step_ms));
    if (r->threads == 1)
        r->model[index].step_one_thread_ms = r->model[index].step_ms;
    else
        TRY(measure_step(s, 1, false, r->one_peak_f32, seconds,
                         &r->model[index].step_one_thread_ms));
    if (!gemm_has_bf16())
        return NICEST_OK;
    return measure_step(s, r->threads, true, r->peak_bf16, seconds, &r->model[index].step_bf16_ms);
}

/* ------------------------------------------------------------------ use */

/* These go through the public functions, as a user's program does. */
typedef struct use {
    const subject *s;
    nicest_workspace *workspace;
    double *out, *logp; /* [many, d], [many] */
    nicest_status status;
} use;

static void note(use *u, nicest_status status)
{
    if (status != NICEST_OK)
        u->status = status;
}

static void run_score(void *context)
{
    use *u = context;
    note(u, nicest_score(u->workspace, u->s->rows, u->s->what->many, 1, u->logp));
}

static void run_inverse(void *context)
{
    use *u = context;
    note(u, nicest_inverse(u->workspace, u->s->rows, u->s->what->many, u->out, NULL));
}

static void run_sample(void *context)
{
    use *u = context;
    note(u, nicest_sample(u->workspace, u->s->what->many, 1, 0, 1, u->out));
}

static void run_gradient(void *context)
{
    use *u = context;
    note(u, nicest_log_prob_gradient(u->workspace, u->s->rows, u->s->what->batch, u->logp, u->out));
}

enum { ONE_ROW_REPEATS = 50 };

static void run_one_row(void *context)
{
    use *u = context;
    for (int i = 0; i < ONE_ROW_REPEATS; i++)
        note(u, nicest_score(u->workspace, u->s->rows, 1, 1, u->logp));
}

/* Rows a second of what costs `operations` for each parameter and row. */
static nicest_bench_figure measure_rows(use *u, void (*run)(void *), size_t rows, double operations,
                                        double seconds, double peak)
{
    double parameters = (double)u->s->flow->tensors.trainable;
    nicest_bench_figure rate = bench_rate(bench_measure(run, u, seconds), (double)rows);
    rate.share = 1e-9 * operations * parameters * rate.median / peak;
    return rate;
}

static nicest_status measure_many(use *u, int index, double seconds, nicest_bench_result *r)
{
    const standard *what = u->s->what;
    TRY(nicest_workspace_new(&u->workspace, u->s->model, what->many, r->threads));
    r->model[index].score = measure_rows(u, run_score, what->many, 2, seconds, r->peak_f32);
    r->model[index].inverse = measure_rows(u, run_inverse, what->many, 2, seconds, r->peak_f32);
    r->model[index].sample = measure_rows(u, run_sample, what->many, 2, seconds, r->peak_f32);
    r->model[index].gradient = measure_rows(u, run_gradient, what->batch, 4, seconds, r->peak_f32);
    nicest_workspace_free(u->workspace);
    u->workspace = NULL;
    return u->status;
}

/* A model that no cache holds is read from memory for each row: no program is quicker than that. */
static double one_row_floor(double parameters, double bandwidth)
{
    const double cached = 48e6; /* bytes: more than nearly every cache that one core can fill */
    double size = parameters * sizeof(float);
    return size > cached ? 1e-3 * size / bandwidth : NAN;
}

static nicest_status measure_one_row(use *u, int index, double seconds, nicest_bench_result *r)
{
    TRY(nicest_workspace_new(&u->workspace, u->s->model, 1, 1));
    nicest_bench_figure time = bench_measure(run_one_row, u, seconds);
    nicest_bench_figure *figure = &r->model[index].one_row_us;
    double floor_us = one_row_floor((double)u->s->flow->tensors.trainable, r->one_bandwidth);
    *figure = time;
    figure->median = 1e6 * time.median / ONE_ROW_REPEATS;
    figure->share = floor_us / figure->median;
    r->model[index].one_row_floor_us = floor_us;
    nicest_workspace_free(u->workspace);
    u->workspace = NULL;
    return u->status;
}

static nicest_status measure_use(const subject *s, int index, double seconds,
                                 nicest_bench_result *r)
{
    use u = {.s = s,
             .out = memory_new(s->what->many * s->what->columns, sizeof *u.out),
             .logp = memory_new(s->what->many, sizeof *u.logp)};
    nicest_status status = u.out && u.logp ? measure_many(&u, index, seconds, r) : fail_memory();
    if (status == NICEST_OK)
        status = measure_one_row(&u, index, seconds, r);
    nicest_workspace_free(u.workspace);
    memory_free(u.out);
    memory_free(u.logp);
    return status;
}

/* ------------------------------------------------------------------ the whole */

static nicest_status measure_model(int index, double seconds, nicest_bench_result *r)
{
    enum { FIGURES = 8 };
    subject s;
    nicest_status status = open_subject(&s, &STANDARDS[index]);
    if (status == NICEST_OK) {
        r->model[index].parameters = s.flow->tensors.trainable;
        status = measure_steps(&s, index, seconds / FIGURES, r);
    }
    if (status == NICEST_OK)
        status = measure_use(&s, index, seconds / FIGURES, r);
    close_subject(&s);
    return status;
}

/* The index of a name, or -1. */
static int standard_named(const char *name, size_t length)
{
    for (int i = 0; i < MODELS; i++)
        if (strlen(STANDARDS[i].name) == length && memcmp(STANDARDS[i].name, name, length) == 0)
            return i;
    return -1;
}

/* Marks those that `models` names in wanted[MODELS]. */
static nicest_status choose_models(const char *models, bool *wanted)
{
    for (int i = 0; i < MODELS; i++)
        wanted[i] = models == NULL;
    while (models) {
        size_t length = strcspn(models, ",");
        int index = standard_named(models, length);
        if (index < 0)
            return fail(NICEST_E_ARGUMENT,
                        "'%.*s' is no standard model; there are paper256, paper1024, table, toy",
                        (int)(length < 64 ? length : 64), models);
        wanted[index] = true;
        models = models[length] ? models + length + 1 : NULL;
    }
    return NICEST_OK;
}

/* Names and sizes, and no figure yet. */
static void describe(nicest_bench_result *r, int index)
{
    const nicest_bench_figure none = bench_nothing();
    r->model[index].name = STANDARDS[index].name;
    r->model[index].columns = STANDARDS[index].columns;
    r->model[index].batch = STANDARDS[index].batch;
    r->model[index].step_ms = r->model[index].step_one_thread_ms = none;
    r->model[index].step_bf16_ms = r->model[index].one_row_us = none;
    r->model[index].score = r->model[index].inverse = none;
    r->model[index].sample = r->model[index].gradient = none;
    r->model[index].one_row_floor_us = NAN;
}

static void measure_peaks(nicest_bench_result *r)
{
    r->one_peak_f32 = peak_f32(1);
    r->one_peak_bf16 = peak_bf16(1);
    r->peak_f32 = r->threads > 1 ? peak_f32(r->threads) : r->one_peak_f32;
    r->peak_bf16 = r->threads > 1 ? peak_bf16(r->threads) : r->one_peak_bf16;
    peak_bandwidth(r->threads, &r->bandwidth, &r->one_bandwidth);
}

static nicest_status measure_all(const bool *wanted, double seconds, nicest_tick tick,
                                 void *context, nicest_bench_result *r)
{
    int models = 0;
    for (int i = 0; i < MODELS; i++)
        models += wanted[i];
    measure_peaks(r);
    for (int i = 0; i < MODELS; i++) {
        if (tick && tick(context, i, MODELS))
            return fail(NICEST_E_INTERRUPTED, "interrupted");
        describe(r, i);
        if (wanted[i])
            TRY(measure_model(i, seconds / models, r));
    }
    return NICEST_OK;
}

nicest_status nicest_bench(const char *models, int threads, double seconds, nicest_tick tick,
                           void *context, nicest_bench_result *result)
{
    bool wanted[MODELS];
    if (!result || !(seconds > 0))
        return fail(NICEST_E_ARGUMENT, "nicest_bench: a result and a time above 0 are needed");
    TRY(model_check_threads(threads));
    TRY(choose_models(models, wanted));
    nicest_bench_result measured = {.threads = threads > 0 ? threads : parallel_available()};
    TRY(measure_all(wanted, seconds, tick, context, &measured));
    *result = measured;
    return NICEST_OK;
}
