/* bench.c - the speed of this machine on the standard models.
 *
 * Work is counted as 6 x parameters x rows for a training step and 2 x parameters x rows for scoring:
 * useful operations only. Models are random; the rows are standard normal. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "apply/peak.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/status.h"
#include "flow/flow.h"
#include "model/model.h"
#include "train/step.h"

typedef struct standard {
    const char *name;
    size_t columns, batch;
    const char *hidden, *prior;
} standard;

static const standard STANDARDS[4] = {
    {"paper256", 784, 256, "1000x5", "logistic"},
    {"paper1024", 784, 1024, "1000x5", "logistic"},
    {"table", 8, 512, "128x2", "normal"},
    {"toy", 2, 256, "64x2", "normal"},
};

enum { MOST_TIMES = 2001 };

/* One standard model with all that a measurement needs. */
typedef struct subject {
    const standard *what;
    nicest_model *model;
    flow *flow; /* the model's */
    flow_workspace *learn;
    optimizer optimizer;
    stepper stepper;
    double *rows, *out; /* [batch, d] each */
    double *logp;       /* [batch] */
    int threads;
    bool bf16;
    double seconds; /* for each figure */
} subject;

static char *standard_spec(const standard *s)
{
    char *text = memory_format("nicest 1\ncolumns %zu\npermute odd-even\n", s->columns);
    for (int i = 0; text && i < 4; i++) {
        char *longer = memory_format("%scoupling move=%s hidden=%s\n", text, i % 2 ? "first" : "second",
                                     s->hidden);
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

static nicest_status open_flow(subject *s)
{
    char *spec = standard_spec(s->what);
    flow *f = NULL;
    nicest_status status = spec ? flow_new(&f, spec, 0) : fail_memory();
    memory_free(spec);
    TRY(status);
    flow_rows rows = {fetch_rows, s, s->what->batch};
    status = flow_init(f, &rows, 1);
    if (status != NICEST_OK) {
        flow_free(f);
        return status;
    }
    s->flow = f;
    return model_new(&s->model, f);
}

static nicest_status open_subject(subject *s)
{
    size_t cells = s->what->batch * s->what->columns;
    optimizer_settings adam = {NICEST_ADAM, 0.9, 0.99, 1e-4, 0, 0};
    s->rows = memory_new(cells, sizeof *s->rows);
    s->out = memory_new(cells, sizeof *s->out);
    s->logp = memory_new(s->what->batch, sizeof *s->logp);
    if (!s->rows || !s->out || !s->logp)
        return fail_memory();
    for (size_t i = 0; i < s->what->batch; i++)
        random_normal((random_stream){1, RANDOM_USER, 0}, i, s->rows + i * s->what->columns,
                      s->what->columns);
    TRY(open_flow(s));
    TRY(flow_workspace_new(&s->learn, s->flow, FLOW_LEARN, s->what->batch, s->threads,
                           s->bf16));
    TRY(optimizer_open(&s->optimizer, &adam, s->flow->theta, s->flow->tensors.trainable));
    return stepper_open(&s->stepper, s->flow, s->learn, &s->optimizer, 0);
}

static void close_subject(subject *s)
{
    stepper_close(&s->stepper);
    optimizer_close(&s->optimizer);
    flow_workspace_free(s->learn);
    nicest_model_free(s->model);
    memory_free(s->rows);
    memory_free(s->out);
    memory_free(s->logp);
}

/* ------------------------------------------------------------------ timing */

typedef struct timing {
    double median, spread; /* seconds; (95th - 5th percentile) / median */
} timing;

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Runs for about `seconds`, at least three times after two warm-up runs. */
static timing measure(void (*run)(subject *), subject *s, double seconds)
{
    double times[MOST_TIMES], begin;
    int count = 0;
    run(s);
    run(s);
    begin = parallel_clock();
    while (count < MOST_TIMES && (count < 3 || parallel_clock() - begin < seconds)) {
        double start = parallel_clock();
        run(s);
        times[count++] = parallel_clock() - start;
    }
    qsort(times, (size_t)count, sizeof *times, compare);
    double median = times[count / 2];
    return (timing){median, (times[count * 19 / 20] - times[count / 20]) / median};
}

static void run_step(subject *s)
{
    flow_job job = {.input = FLOW_STORED, .rows = s->what->batch, .values = s->rows};
    flow_learn(s->learn, &job);
    stepper_apply(&s->stepper, 1e-6);
}

/* The other runs go through the public functions, as a user's program does. */

typedef struct public_run {
    subject subject; /* first: a measured function casts to it */
    nicest_workspace *workspace;
    nicest_status status;
} public_run;

static void run_score(subject *s)
{
    public_run *p = (public_run *)s;
    p->status = nicest_score(p->workspace, s->rows, s->what->batch, 1, 0, s->logp);
}

static void run_inverse(subject *s)
{
    public_run *p = (public_run *)s;
    p->status = nicest_inverse(p->workspace, s->rows, s->what->batch, s->out, NULL);
}

static void run_gradient(subject *s)
{
    public_run *p = (public_run *)s;
    p->status = nicest_log_prob_gradient(p->workspace, s->rows, s->what->batch, s->logp, s->out);
}

enum { ONE_ROW_REPEATS = 50 };

static void run_one_row(subject *s)
{
    public_run *p = (public_run *)s;
    for (int i = 0; i < ONE_ROW_REPEATS; i++)
        p->status = nicest_score(p->workspace, s->rows, 1, 1, 0, s->logp);
}

static nicest_status measure_public(public_run *p, double peak, double parameters,
                                    nicest_bench_result *result, int index)
{
    subject *s = &p->subject;
    double rows = (double)s->what->batch;
    TRY(nicest_workspace_new(&p->workspace, s->model, s->what->batch, s->threads));
    timing score = measure(run_score, s, s->seconds);
    timing inverse = measure(run_inverse, s, s->seconds);
    timing gradient = measure(run_gradient, s, s->seconds);
    nicest_workspace_free(p->workspace);
    p->workspace = NULL;
    TRY(nicest_workspace_new(&p->workspace, s->model, 1, 1));
    timing one = measure(run_one_row, s, s->seconds);
    nicest_workspace_free(p->workspace);
    p->workspace = NULL;
    result->model[index].score_rows_per_second = rows / score.median;
    result->model[index].score_share = 2e-9 * parameters * rows / score.median / peak;
    result->model[index].inverse_rows_per_second = rows / inverse.median;
    result->model[index].gradient_rows_per_second = rows / gradient.median;
    result->model[index].one_row_us = one.median / ONE_ROW_REPEATS * 1e6;
    return p->status;
}

/* The same step with bf16 products, in a subject of its own. */
static nicest_status measure_bf16(int index, int threads, double seconds, nicest_bench_result *result)
{
    subject s = {.what = &STANDARDS[index], .threads = threads, .bf16 = true};
    nicest_status status = open_subject(&s);
    if (status == NICEST_OK)
        result->model[index].step_bf16_ms = measure(run_step, &s, 2 * seconds).median * 1e3;
    close_subject(&s);
    return status;
}

static nicest_status measure_model(int index, int threads, double seconds, nicest_bench_result *result)
{
    public_run p = {.subject = {.what = &STANDARDS[index], .threads = threads, .seconds = seconds}};
    nicest_status status = open_subject(&p.subject);
    if (status == NICEST_OK) {
        double parameters = (double)p.subject.flow->tensors.trainable;
        timing step = measure(run_step, &p.subject, 2 * seconds);
        result->model[index].name = STANDARDS[index].name;
        result->model[index].step_ms = step.median * 1e3;
        result->model[index].step_spread = step.spread;
        result->model[index].step_bf16_ms = NAN;
        result->model[index].step_share = 6e-9 * parameters * (double)STANDARDS[index].batch /
                                          step.median / result->peak_f32;
        status = measure_public(&p, result->peak_f32, parameters, result, index);
    }
    nicest_workspace_free(p.workspace);
    close_subject(&p.subject);
    if (status == NICEST_OK && gemm_has_bf16())
        status = measure_bf16(index, threads, seconds, result);
    return status;
}

/* No loop of ours reaches the bf16 units: their peak is that of a large product, or NaN. */
static void large_product(void *context, int thread, size_t item)
{
    enum { SIDE = 1024, PRODUCTS = 20 };
    const gemm_shape shape = {.m = SIDE, .n = SIDE, .k = SIDE, .bf16 = true};
    gemm *plan = NULL;
    double *rate = (double *)context + item;
    float *operands = memory_new(3 * SIDE * SIDE, sizeof *operands);
    if (operands && gemm_new(&plan, &shape) == NICEST_OK) {
        void *scratch = memory_new(gemm_scratch_size(plan), 1);
        double start = parallel_clock();
        for (int i = 0; scratch && i < PRODUCTS; i++)
            gemm_run(plan, operands, operands + SIDE * SIDE, NULL, operands + 2 * SIDE * SIDE, scratch);
        if (scratch)
            *rate = 2e-9 * SIDE * SIDE * SIDE * PRODUCTS / (parallel_clock() - start);
        memory_free(scratch);
    }
    (void)thread;
    gemm_free(plan);
    memory_free(operands);
}

static double peak_bf16(int threads)
{
    double rate[256] = {0}, sum = 0;
    if (!gemm_has_bf16())
        return NAN;
    threads = threads < 256 ? threads : 256;
    parallel_each(threads, large_product, rate);
    for (int i = 0; i < threads; i++)
        sum += rate[i];
    return sum;
}

nicest_status nicest_bench(int threads, double seconds, nicest_tick tick, void *context,
                           nicest_bench_result *result)
{
    if (!result || !(seconds > 0))
        return fail(NICEST_E_ARGUMENT, "nicest_bench: a result and a time above 0 are needed");
    int team = threads > 0 ? threads : parallel_available();
    nicest_bench_result measured = {.peak_bf16 = peak_bf16(team)};
    measured.peak_f32 = peak_f32(team);
    measured.bandwidth = peak_bandwidth(team);
    for (int i = 0; i < 4; i++) {
        if (tick && tick(context, i, 4))
            return fail(NICEST_E_INTERRUPTED, "interrupted");
        TRY(measure_model(i, team, seconds / 24, &measured));
    }
    *result = measured;
    return NICEST_OK;
}
