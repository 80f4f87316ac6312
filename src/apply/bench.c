/* bench.c - the speed of this machine on the standard models.
 *
 * Work is counted as 6 x parameters x rows for a training step, 4 x for a gradient by the row, and
 * 2 x for scoring and its inverse: useful operations only. Models are random; rows of the paper's
 * model are bytes, whose noise is drawn inside what is measured, and the others standard normal. */
#include <math.h>
#include <string.h>

#include "apply/bench.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/status.h"
#include "base/values.h"
#include "flow/flow.h"
#include "kernel/gemm.h"
#include "model/model.h"
#include "train/step.h"

enum { MODELS = NICEST_BENCH_MODELS, MOST_TIMES = 2001 };

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
    nicest_bench_kind work; /* what run_subject does */
    nicest_model *model;
    flow *flow; /* the model's */
    flow_workspace *learn;
    optimizer optimizer;
    stepper stepper;
    /* Use goes through the public functions, as a user's program does. */
    nicest_workspace *workspace;
    double *rows, *out, *logp; /* [many, d], [many, d], [many] */
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
    OWNED char *text = memory_format("nicest 1\ncolumns %zu\npermute odd-even\n", d);
    for (int i = 0; text && i < what->couplings; i++) {
        char *longer = memory_format("%scoupling move=%s hidden=%s rule=%s\n", text,
                                     i % 2 ? "first" : "second", what->hidden, what->rule);
        memory_free(text);
        text = longer;
    }
    OWNED char *spec = text ? memory_format("%sscale\nprior %s\n", text, what->prior) : NULL;
    OWNED_BY(flow_drop) flow *made = NULL;
    TRY(check_memory(spec));
    TRY(flow_new(&made, spec, 0));
    for (size_t j = 0; what->levels > 0 && j < d; j++)
        made->entry.column[j] =
            (entry_column){.step = 1, .levels = what->levels, .unit = 1 / what->levels};
    flow_rows rows = {fetch_rows, s, what->batch};
    TRY(entry_set(&made->entry));
    TRY(flow_init(made, &rows, 1, 1));
    s->flow = made;
    return model_new(&s->model, memory_take(&made));
}

/* ------------------------------------------------------------------ timing */

nicest_bench_figure bench_measure(bench_run *run, void *context, double seconds)
{
    double times[MOST_TIMES];
    size_t count = 0;
    run(context);
    run(context);
    double begin = parallel_clock();
    while (count < MOST_TIMES && (count < 3 || parallel_clock() - begin < seconds))
        times[count++] = run(context);
    values_sort(times, count);
    double median = times[count / 2];
    return (nicest_bench_figure){median, (times[count * 19 / 20] - times[count / 20]) / median,
                                 NAN};
}

nicest_bench_figure bench_rate(nicest_bench_figure time, double work)
{
    return (nicest_bench_figure){work / time.median, time.spread, NAN};
}

enum { ONE_ROW_REPEATS = 50 };

/* Of the way back: the way there with a tape, and back, without what the way there alone takes. */
static double run_subject(void *context)
{
    subject *s = context;
    size_t many = s->what->many, some = s->what->batch;
    flow_job job = {.input = FLOW_CONTINUOUS, .rows = some, .values = s->rows};
    nicest_status status = NICEST_OK;
    double start = parallel_clock();
    switch (s->work) {
    case NICEST_BENCH_FORWARD:
        flow_log_density(s->learn, s->rows, some, s->logp); /* no tape is written */
        break;
    case NICEST_BENCH_BACKWARD:
        flow_log_density(s->learn, s->rows, some, s->logp); /* no tape is written */
        start += 2 * (parallel_clock() - start);
        flow_learn(s->learn, &job);
        break;
    case NICEST_BENCH_LAYERS_INVERSE:
        job.input = FLOW_LATENT;
        job.continuous = s->out;
        flow_run(s->learn, &job);
        break;
    case NICEST_BENCH_SCORE:
        status = nicest_score(s->workspace, s->rows, many, 1, s->logp);
        break;
    case NICEST_BENCH_INVERSE:
        status = nicest_inverse(s->workspace, s->rows, many, s->out, NULL);
        break;
    case NICEST_BENCH_SAMPLE:
        status = nicest_sample(s->workspace, many, 1, 0, 1, s->out);
        break;
    case NICEST_BENCH_GRADIENT:
        status = nicest_log_prob_gradient(s->workspace, s->rows, some, s->logp, s->out);
        break;
    case NICEST_BENCH_ONE_ROW:
        for (int i = 0; i < ONE_ROW_REPEATS && status == NICEST_OK; i++)
            status = nicest_score(s->workspace, s->rows, 1, 1, s->logp);
        break;
    default: /* a step */
        job.input = FLOW_STORED;
        job.noise = (random_stream){1, RANDOM_DEQUANTISE, (uint32_t)s->optimizer.steps};
        flow_learn(s->learn, &job);
        stepper_apply(&s->stepper, 1e-6);
    }
    s->status = s->status == NICEST_OK ? status : s->status;
    return parallel_clock() - start;
}

/* Its time, `unit` in a second. */
static nicest_bench_figure measure_time(subject *s, nicest_bench_kind work, double seconds,
                                        double unit)
{
    s->work = work;
    nicest_bench_figure time = bench_measure(run_subject, s, seconds);
    time.median *= unit;
    return time;
}

/* ------------------------------------------------------------------ training and use */

/* A step, its share of `peak` GFLOP/s, and where figures[KINDS] are wanted (parts) those of it. */
static nicest_status measure_step(subject *s, nicest_bench_kind kind, int threads, double peak,
                                  double seconds, nicest_bench_figure *figures)
{
    optimizer_settings adam = {NICEST_ADAM, 0.9, 0.99, 1e-4, 0, 0};
    nicest_status status;
    TRY_TO(flow_workspace_new(&s->learn, s->flow, FLOW_LEARN, s->what->batch, threads,
                              kind == NICEST_BENCH_STEP_BF16));
    TRY_TO(optimizer_open(&s->optimizer, &adam, s->flow->theta, s->flow->tensors.trainable));
    TRY_TO(stepper_open(&s->stepper, s->flow, s->learn, &s->optimizer, 0));
    double operations = 6.0 * (double)s->flow->tensors.trainable * (double)s->what->batch;
    figures[kind] = measure_time(s, kind, seconds, 1e3);
    figures[kind].share = 1e-6 * operations / figures[kind].median / peak;
    for (int part = NICEST_BENCH_FORWARD;
         kind == NICEST_BENCH_STEP && part <= NICEST_BENCH_LAYERS_INVERSE; part++)
        figures[part] = measure_time(s, (nicest_bench_kind)part, seconds / 3, 1e3);
done:
    stepper_close(&s->stepper);
    optimizer_close(&s->optimizer);
    flow_workspace_free(s->learn);
    s->learn = NULL;
    return status;
}

static nicest_status measure_use(subject *s, int index, double seconds, nicest_bench_result *r)
{
    /* Operations of each for a parameter and a row: a gradient goes there and back. */
    static const double operations[] = {2, 2, 2, 4};
    nicest_bench_figure *figures = r->model[index].figure;
    double parameters = (double)s->flow->tensors.trainable;
    TRY(nicest_workspace_new(&s->workspace, s->model, s->what->many, r->threads));
    for (int i = 0; i < 4; i++) {
        nicest_bench_figure *rate = &figures[NICEST_BENCH_SCORE + i];
        size_t rows = operations[i] > 2 ? s->what->batch : s->what->many;
        *rate = measure_time(s, (nicest_bench_kind)(NICEST_BENCH_SCORE + i), seconds, 1);
        *rate = bench_rate(*rate, (double)rows);
        rate->share = 1e-9 * operations[i] * parameters * rate->median / r->peak_f32;
    }
    nicest_workspace_free(s->workspace);
    s->workspace = NULL;
    TRY(s->status);
    /* A model that no cache holds is read from memory for each row: no program is quicker than
     * that. */
    const double cached = 48e6; /* bytes: more than nearly every cache that one core can fill */
    double size = parameters * sizeof(float), floor_us = 1e-3 * size / r->one_bandwidth;
    nicest_bench_figure *row = &figures[NICEST_BENCH_ONE_ROW];
    TRY(nicest_workspace_new(&s->workspace, s->model, 1, 1));
    *row = measure_time(s, NICEST_BENCH_ONE_ROW, seconds, 1e6 / ONE_ROW_REPEATS);
    r->model[index].one_row_floor_us = size > cached ? floor_us : NAN;
    row->share = r->model[index].one_row_floor_us / row->median;
    return s->status;
}

/* ------------------------------------------------------------------ the whole */

static nicest_status measure_model(int index, double seconds, nicest_bench_result *r)
{
    enum { FIGURES = 9 };
    const standard *what = &STANDARDS[index];
    nicest_bench_figure *figures = r->model[index].figure;
    memory_group memory = {0};
    subject s = {.what = what,
                 .rows = memory_join(&memory, what->many * what->columns, sizeof *s.rows),
                 .out = memory_join(&memory, what->many * what->columns, sizeof *s.out),
                 .logp = memory_join(&memory, what->many, sizeof *s.logp)};
    nicest_status status = memory.lacking ? fail_memory() : open_flow(&s);
    seconds /= FIGURES;
    if (status != NICEST_OK)
        goto done;
    r->model[index].parameters = s.flow->tensors.trainable;
    TRY_TO(measure_step(&s, NICEST_BENCH_STEP, r->threads, r->peak_f32, seconds, figures));
    figures[NICEST_BENCH_STEP_ONE_THREAD] = figures[NICEST_BENCH_STEP];
    if (r->threads > 1)
        TRY_TO(
            measure_step(&s, NICEST_BENCH_STEP_ONE_THREAD, 1, r->one_peak_f32, seconds, figures));
    if (gemm_has_bf16())
        TRY_TO(
            measure_step(&s, NICEST_BENCH_STEP_BF16, r->threads, r->peak_bf16, seconds, figures));
    TRY_TO(measure_use(&s, index, seconds, r));
done:
    nicest_workspace_free(s.workspace);
    nicest_model_free(s.model);
    memory_leave(&memory);
    return status;
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
        r->model[i].name = STANDARDS[i].name;
        r->model[i].columns = STANDARDS[i].columns;
        r->model[i].batch = STANDARDS[i].batch;
        r->model[i].one_row_floor_us = NAN;
        for (int k = 0; k < NICEST_BENCH_KINDS; k++)
            r->model[i].figure[k] = (nicest_bench_figure){NAN, NAN, NAN};
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
    /* Marks those that `models` names in wanted[MODELS]. */
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
    nicest_bench_result measured = {.threads = threads > 0 ? threads : parallel_available()};
    TRY(measure_all(wanted, seconds, tick, context, &measured));
    *result = measured;
    return NICEST_OK;
}
