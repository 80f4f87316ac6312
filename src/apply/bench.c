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
#include "base/values.h"
#include "flow/flow.h"
#include "kernel/gemm.h"
#include "model/model.h"
#include "train/step.h"

enum { MODELS = 8, MOST_TIMES = 2001 };

typedef struct standard {
    const char *name;
    size_t columns, batch;
    const char *hidden, *prior;
    double levels; /* of a column; 0: continuous */
    size_t many;   /* rows to score at once; at least batch */
    int couplings;
    const char *rule;
} standard;

static const standard STANDARDS[MODELS] = {
    {"paper256", 784, 256, "1000x5", "logistic", 256, 2048, 4, "additive"},
    {"paper1024", 784, 1024, "1000x5", "logistic", 256, 2048, 4, "additive"},
    {"table", 8, 512, "128x2", "normal", 0, 65536, 4, "additive"},
    {"toy", 2, 256, "64x2", "normal", 0, 65536, 4, "additive"},
    {"affine", 8, 512, "128x2", "normal", 0, 32768, 5, "affine"},
    {"spline", 8, 512, "128x2", "normal", 0, 32768, 5, "spline"},
    {"affine-wide", 8, 512, "256x2", "normal", 0, 32768, 5, "affine"},
    {"spline-wide", 8, 512, "256x2", "normal", 0, 32768, 5, "spline"},
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
    /* Use goes through the public functions, as a user's program does. */
    nicest_workspace *workspace;
    double *out, *logp; /* [many, d], [many] */
    double forward;     /* seconds of the last run_forward */
    nicest_status status;
} subject;

static void fetch_rows(const void *context, size_t first, size_t count, double *stored)
{
    const subject *s = context;
    memcpy(stored, s->rows + first * s->what->columns, count * s->what->columns * sizeof *stored);
}

/* The paper's columns of 256 levels become columns of [0, 1). */
static nicest_status open_flow(subject *s)
{
    const standard *what = s->what;
    size_t d = what->columns;
    for (size_t i = 0; i < what->many; i++)
        random_normal((random_stream){1, RANDOM_USER, 0}, i, s->rows + i * d, d);
    for (size_t i = 0; what->levels > 0 && i < what->many * d; i++)
        s->rows[i] = fmin(floor(fabs(s->rows[i]) * what->levels / 4), what->levels - 1);
    char *text = memory_format("nicest 1\ncolumns %zu\npermute odd-even\n", what->columns);
    for (int i = 0; text && i < what->couplings; i++) {
        char *longer = memory_format("%scoupling move=%s hidden=%s rule=%s\n", text,
                                     i % 2 ? "first" : "second", what->hidden, what->rule);
        memory_free(text);
        text = longer;
    }
    char *spec = text ? memory_format("%sscale\nprior %s\n", text, what->prior) : NULL;
    memory_free(text);
    nicest_status status = spec ? flow_new(&s->flow, spec, 0) : fail_memory();
    memory_free(spec);
    TRY(status);
    for (size_t j = 0; what->levels > 0 && j < d; j++)
        s->flow->entry.column[j] =
            (entry_column){.step = 1, .levels = what->levels, .unit = 1 / what->levels};
    flow_rows rows = {fetch_rows, s, what->batch};
    status = entry_set(&s->flow->entry);
    if (status == NICEST_OK)
        status = flow_init(s->flow, &rows, 1, 1);
    if (status == NICEST_OK)
        return model_new(&s->model, s->flow);
    flow_free(s->flow);
    return status;
}

/* ------------------------------------------------------------------ timing */

static nicest_bench_figure median_time(double *times, int count)
{
    values_sort(times, (size_t)count);
    double median = times[count / 2];
    return (nicest_bench_figure){median, (times[count * 19 / 20] - times[count / 20]) / median,
                                 NAN};
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
    return median_time(times, count);
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

/* The batch through the layers and the prior, no tape written. */
static void run_forward(void *context)
{
    subject *s = context;
    double start = parallel_clock();
    flow_run(s->learn, &(flow_job){.input = FLOW_CONTINUOUS,
                                   .rows = s->what->batch,
                                   .values = s->rows,
                                   .logp = s->logp});
    s->forward = parallel_clock() - start;
}

static void run_layers_inverse(void *context)
{
    subject *s = context;
    flow_run(s->learn, &(flow_job){.input = FLOW_LATENT,
                                   .rows = s->what->batch,
                                   .values = s->rows,
                                   .continuous = s->out});
}

/* The way there with a tape, and back: what it takes longer than the way there alone. Gradients by
 * the weights and Adam come behind these. */
static nicest_bench_figure measure_backward(subject *s, double seconds)
{
    flow_job job = {.input = FLOW_CONTINUOUS, .rows = s->what->batch, .values = s->rows};
    double times[MOST_TIMES], begin = parallel_clock();
    int count = 0;
    while (count < MOST_TIMES && (count < 3 || parallel_clock() - begin < seconds)) {
        run_forward(s);
        double start = parallel_clock();
        flow_learn(s->learn, &job);
        times[count++] = parallel_clock() - start - s->forward;
    }
    return median_time(times, count);
}

/* Milliseconds, and the share of `peak` GFLOP/s. */
static nicest_status measure_step(subject *s, int threads, bool bf16, double peak, double seconds,
                                  nicest_bench_figure *figure, nicest_bench_figure *ways)
{
    optimizer_settings adam = {NICEST_ADAM, 0.9, 0.99, 1e-4, 0, 0};
    nicest_status status =
        flow_workspace_new(&s->learn, s->flow, FLOW_LEARN, s->what->batch, threads, bf16);
    if (status == NICEST_OK)
        status = optimizer_open(&s->optimizer, &adam, s->flow->theta, s->flow->tensors.trainable);
    if (status == NICEST_OK)
        status = stepper_open(&s->stepper, s->flow, s->learn, &s->optimizer, 0);
    if (status == NICEST_OK) {
        double parameters = (double)s->flow->tensors.trainable;
        *figure = bench_measure(run_step, s, seconds);
        figure->share = 6e-9 * parameters * (double)s->what->batch / figure->median / peak;
        figure->median *= 1e3;
        if (ways) {
            /* ways: forward, inverse, backward; in milliseconds */
            ways[0] = bench_measure(run_forward, s, seconds / 3);
            ways[1] = bench_measure(run_layers_inverse, s, seconds / 3);
            ways[2] = measure_backward(s, seconds / 3);
            for (int i = 0; i < 3; i++)
                ways[i].median *= 1e3;
        }
    }
    stepper_close(&s->stepper);
    optimizer_close(&s->optimizer);
    flow_workspace_free(s->learn);
    s->learn = NULL;
    return status;
}

static nicest_status measure_steps(subject *s, int index, double seconds, nicest_bench_result *r)
{
    nicest_bench_figure *one = &r->model[index].step_one_thread_ms, ways[3];
    TRY(measure_step(s, r->threads, false, r->peak_f32, seconds, &r->model[index].step_ms, ways));
    r->model[index].forward_ms = ways[0];
    r->model[index].inverse_ms = ways[1];
    r->model[index].backward_ms = ways[2];
    *one = r->model[index].step_ms;
    if (r->threads > 1)
        TRY(measure_step(s, 1, false, r->one_peak_f32, seconds, one, NULL));
    if (!gemm_has_bf16())
        return NICEST_OK;
    return measure_step(s, r->threads, true, r->peak_bf16, seconds, &r->model[index].step_bf16_ms,
                        NULL);
}

/* ------------------------------------------------------------------ use */

static void note(subject *s, nicest_status status)
{
    if (status != NICEST_OK)
        s->status = status;
}

static void run_score(void *context)
{
    subject *s = context;
    note(s, nicest_score(s->workspace, s->rows, s->what->many, 1, s->logp));
}

static void run_inverse(void *context)
{
    subject *s = context;
    note(s, nicest_inverse(s->workspace, s->rows, s->what->many, s->out, NULL));
}

static void run_sample(void *context)
{
    subject *s = context;
    note(s, nicest_sample(s->workspace, s->what->many, 1, 0, 1, s->out));
}

static void run_gradient(void *context)
{
    subject *s = context;
    note(s, nicest_log_prob_gradient(s->workspace, s->rows, s->what->batch, s->logp, s->out));
}

enum { ONE_ROW_REPEATS = 50 };

static void run_one_row(void *context)
{
    subject *s = context;
    for (int i = 0; i < ONE_ROW_REPEATS; i++)
        note(s, nicest_score(s->workspace, s->rows, 1, 1, s->logp));
}

/* Rows a second of what costs `operations` for each parameter and row. */
static nicest_bench_figure measure_rows(subject *s, void (*run)(void *), size_t rows,
                                        double operations, double seconds, double peak)
{
    double parameters = (double)s->flow->tensors.trainable;
    nicest_bench_figure rate = bench_rate(bench_measure(run, s, seconds), (double)rows);
    rate.share = 1e-9 * operations * parameters * rate.median / peak;
    return rate;
}

static nicest_status measure_use(subject *s, int index, double seconds, nicest_bench_result *r)
{
    size_t many = s->what->many;
    double peak = r->peak_f32;
    TRY(nicest_workspace_new(&s->workspace, s->model, many, r->threads));
    r->model[index].score = measure_rows(s, run_score, many, 2, seconds, peak);
    r->model[index].inverse = measure_rows(s, run_inverse, many, 2, seconds, peak);
    r->model[index].sample = measure_rows(s, run_sample, many, 2, seconds, peak);
    r->model[index].gradient = measure_rows(s, run_gradient, s->what->batch, 4, seconds, peak);
    nicest_workspace_free(s->workspace);
    s->workspace = NULL;
    TRY(s->status);
    /* A model that no cache holds is read from memory for each row: no program is quicker than
     * that. */
    const double cached = 48e6; /* bytes: more than nearly every cache that one core can fill */
    double size = (double)s->flow->tensors.trainable * sizeof(float);
    nicest_bench_figure *figure = &r->model[index].one_row_us;
    TRY(nicest_workspace_new(&s->workspace, s->model, 1, 1));
    *figure = bench_measure(run_one_row, s, seconds);
    figure->median *= 1e6 / ONE_ROW_REPEATS;
    r->model[index].one_row_floor_us = size > cached ? 1e-3 * size / r->one_bandwidth : NAN;
    figure->share = r->model[index].one_row_floor_us / figure->median;
    return s->status;
}

/* ------------------------------------------------------------------ the whole */

static nicest_status measure_model(int index, double seconds, nicest_bench_result *r)
{
    enum { FIGURES = 9 };
    subject s;
    const standard *what = &STANDARDS[index];
    memory_group memory = {0};
    s = (subject){.what = what,
                  .rows = memory_join(&memory, what->many * what->columns, sizeof *s.rows),
                  .out = memory_join(&memory, what->many * what->columns, sizeof *s.out),
                  .logp = memory_join(&memory, what->many, sizeof *s.logp)};
    nicest_status status = memory.lacking ? fail_memory() : open_flow(&s);
    if (status == NICEST_OK) {
        r->model[index].parameters = s.flow->tensors.trainable;
        status = measure_steps(&s, index, seconds / FIGURES, r);
    }
    if (status == NICEST_OK)
        status = measure_use(&s, index, seconds / FIGURES, r);
    nicest_workspace_free(s.workspace);
    nicest_model_free(s.model);
    memory_leave(&memory);
    return status;
}

/* Marks those that `models` names in wanted[MODELS]. */
static nicest_status choose_models(const char *models, bool *wanted)
{
    for (int i = 0; i < MODELS; i++)
        wanted[i] = models == NULL;
    while (models) {
        size_t length = strcspn(models, ",");
        int i = 0;
        while (i < MODELS && (strlen(STANDARDS[i].name) != length ||
                              memcmp(STANDARDS[i].name, models, length) != 0))
            i++;
        if (i == MODELS)
            return fail(
                NICEST_E_ARGUMENT,
                "'%.*s' is no standard model; there are paper256, paper1024, table, toy, affine, "
                "spline, affine-wide, spline-wide",
                (int)(length < 64 ? length : 64), models);
        wanted[i] = true;
        models = models[length] ? models + length + 1 : NULL;
    }
    return NICEST_OK;
}

static nicest_status measure_all(const bool *wanted, double seconds, nicest_tick tick,
                                 void *context, nicest_bench_result *r)
{
    int models = 0;
    for (int i = 0; i < MODELS; i++)
        models += wanted[i];
    r->one_peak_f32 = peak_f32(1);
    r->one_peak_bf16 = peak_bf16(1);
    r->peak_f32 = r->threads > 1 ? peak_f32(r->threads) : r->one_peak_f32;
    r->peak_bf16 = r->threads > 1 ? peak_bf16(r->threads) : r->one_peak_bf16;
    peak_bandwidth(r->threads, &r->bandwidth, &r->one_bandwidth);
    for (int i = 0; i < MODELS; i++) {
        if (tick && tick(context, i, MODELS))
            return fail(NICEST_E_INTERRUPTED, "interrupted");
        /* Names and sizes, and no figure yet. */
        const nicest_bench_figure none = bench_nothing();
        r->model[i].name = STANDARDS[i].name;
        r->model[i].columns = STANDARDS[i].columns;
        r->model[i].batch = STANDARDS[i].batch;
        r->model[i].step_ms = r->model[i].step_one_thread_ms = none;
        r->model[i].step_bf16_ms = r->model[i].one_row_us = none;
        r->model[i].forward_ms = r->model[i].inverse_ms = r->model[i].backward_ms = none;
        r->model[i].score = r->model[i].inverse = none;
        r->model[i].sample = r->model[i].gradient = none;
        r->model[i].one_row_floor_us = NAN;
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
