/* cmd_bench.c - `nicest bench`: how fast this machine is on the standard models, and how quickly
 * the program itself starts. */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

typedef struct bench_settings {
    shared_settings shared;
    double seconds;
    const char *models;
} bench_settings;

/* clang-format off */
static const option BENCH_OPTIONS[] = {
    {.group = "Measuring", .name = "seconds", .type = OPTION_SECONDS, .argument = "T",
     .offset = offsetof(bench_settings, seconds), .help = "about how long to measure"},
    {.name = "models", .type = OPTION_TEXT, .argument = "NAMES",
     .offset = offsetof(bench_settings, models), .unset = "all",
     .help = "which of paper256, paper1024, table, toy, affine, spline, affine-wide, spline-wide to "
             "measure"},
    {0},
};
/* clang-format on */

#define COUNT(array)                                                                               \
    (sizeof((nicest_bench_result *)0)->array / sizeof((nicest_bench_result *)0)->array[0])

enum { MODELS = COUNT(model) };

static void bench_defaults(void *settings)
{
    ((bench_settings *)settings)->seconds = 30;
}

/* ------------------------------------------------------------------ start-up */

/* Milliseconds of one `nicest version`, or NaN. */
static double run_once(void)
{
    double started = clock_seconds();
    int state;
    pid_t child = fork();
    if (child == 0) {
        int nowhere = open("/dev/null", O_WRONLY);
        dup2(nowhere, STDOUT_FILENO);
        execl("/proc/self/exe", "nicest", "version", (char *)NULL);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &state, 0) != child || state)
        return NAN;
    return 1e3 * (clock_seconds() - started);
}

/* ------------------------------------------------------------------ output */

/* What bf16 brings to the paper's step of 1024 rows. */
static double bf16_gain(const nicest_bench_result *r)
{
    for (size_t i = 0; i < MODELS; i++)
        if (!strcmp(r->model[i].name, "paper1024"))
            return r->model[i].step_ms.median / r->model[i].step_bf16_ms.median;
    return NAN;
}

/* What all threads bring to a model's step. */
static double threads_gain(const nicest_bench_result *r, size_t model)
{
    return r->model[model].step_one_thread_ms.median / r->model[model].step_ms.median;
}

/* "  12.345  81.2%  ±1.3%", with what is not there left out. */
static void print_figure(const char *what, int digits, const nicest_bench_figure *f,
                         const char *unit)
{
    if (!isfinite(f->median))
        return;
    printf("  %-18s %14.*f %-7s", what, digits, f->median, unit);
    if (isfinite(f->share))
        printf(" %6.1f%% of peak", 100 * f->share);
    else
        printf(" %15s", "");
    printf("  spread %5.1f%%\n", 100 * f->spread);
}

static void print_standard(const nicest_bench_result *r, size_t i)
{
    if (!isfinite(r->model[i].step_ms.median))
        return;
    printf("\n%s: %zu columns, %zu parameters, batch %zu\n", r->model[i].name, r->model[i].columns,
           r->model[i].parameters, r->model[i].batch);
    print_figure("step", 3, &r->model[i].step_ms, "ms");
    print_figure("step, 1 thread", 3, &r->model[i].step_one_thread_ms, "ms");
    print_figure("  forward", 3, &r->model[i].forward_ms, "ms");
    print_figure("  backward", 3, &r->model[i].backward_ms, "ms");
    print_figure("its inverse", 3, &r->model[i].inverse_ms, "ms");
    print_figure("step, bf16", 3, &r->model[i].step_bf16_ms, "ms");
    if (r->threads > 1)
        printf("  1 -> %d threads %20.2f times\n", r->threads, threads_gain(r, i));
    print_figure("score", 0, &r->model[i].score, "rows/s");
    print_figure("inverse", 0, &r->model[i].inverse, "rows/s");
    print_figure("sample", 0, &r->model[i].sample, "rows/s");
    print_figure("gradient by x", 0, &r->model[i].gradient, "rows/s");
    nicest_bench_figure row = r->model[i].one_row_us;
    row.share = NAN;
    print_figure("score one row", 2, &row, "us");
    if (isfinite(r->model[i].one_row_floor_us))
        printf("  %-18s %14.2f us: the parameters read once from memory\n", "  its floor",
               r->model[i].one_row_floor_us);
}

/* {"paper256": number, ...} of the double that lies `offset` bytes into each model. */
static json_t *models_json(const nicest_bench_result *r, size_t offset)
{
    json_t *object = json_object();
    for (size_t i = 0; i < MODELS; i++) {
        double figure;
        memcpy(&figure, (const char *)&r->model[i] + offset, sizeof figure);
        json_object_set_new(object, r->model[i].name, json_figure(figure));
    }
    return object;
}

static json_t *threads_json(const nicest_bench_result *r)
{
    json_t *object = json_object();
    for (size_t i = 0; i < MODELS; i++)
        json_object_set_new(object, r->model[i].name, json_figure(threads_gain(r, i)));
    return object;
}

/* Where NAME.median, .spread and .share of a figure become NAME, NAME_spread, NAME_share. */
#define OFFSET(field)                                                                              \
    (offsetof(nicest_bench_result, model[0].field) - offsetof(nicest_bench_result, model))

static const struct {
    const char *name;
    size_t offset;
} MODEL_KEYS[] = {
    {"step_ms", OFFSET(step_ms.median)},
    {"step_share", OFFSET(step_ms.share)},
    {"step_spread", OFFSET(step_ms.spread)},
    {"forward_ms", OFFSET(forward_ms.median)},
    {"inverse_ms", OFFSET(inverse_ms.median)},
    {"backward_ms", OFFSET(backward_ms.median)},
    {"step_one_thread_ms", OFFSET(step_one_thread_ms.median)},
    {"step_one_thread_share", OFFSET(step_one_thread_ms.share)},
    {"step_bf16_ms", OFFSET(step_bf16_ms.median)},
    {"step_bf16_share", OFFSET(step_bf16_ms.share)},
    {"score_rows_per_second", OFFSET(score.median)},
    {"score_share", OFFSET(score.share)},
    {"score_spread", OFFSET(score.spread)},
    {"inverse_rows_per_second", OFFSET(inverse.median)},
    {"inverse_share", OFFSET(inverse.share)},
    {"inverse_spread", OFFSET(inverse.spread)},
    {"sample_rows_per_second", OFFSET(sample.median)},
    {"sample_spread", OFFSET(sample.spread)},
    {"gradient_rows_per_second", OFFSET(gradient.median)},
    {"gradient_share", OFFSET(gradient.share)},
    {"gradient_spread", OFFSET(gradient.spread)},
    {"one_row_us", OFFSET(one_row_us.median)},
    {"one_row_spread", OFFSET(one_row_us.spread)},
    {"one_row_floor_us", OFFSET(one_row_floor_us)},
};

static int bench_run(void *settings)
{
    const bench_settings *s = settings;
    nicest_bench_result result;
    check_json_path(&s->shared);
    enum { TIMES = 15 };
    double times[TIMES];
    for (size_t i = 0; i < TIMES; i++)
        times[i] = run_once();
    size_t count = TIMES;
    double *sorted = sorted_copy(times, &count), startup = quantile(sorted, count, 0.5);
    block_free(sorted);
    progress bar = progress_start(&s->shared, "measuring", NULL);
    nicest_status status =
        nicest_bench(s->models, s->shared.threads, s->seconds, progress_tick, &bar, &result);
    progress_end(&bar);
    need(status);
    if (!s->shared.quiet) {
        printf("%-20s %12s %12s\n", "peaks", "1 thread", "all threads");
        printf("  %-18s %12.1f %12.1f GFLOP/s\n", "f32", result.one_peak_f32, result.peak_f32);
        if (isfinite(result.peak_bf16))
            printf("  %-18s %12.1f %12.1f GFLOP/s\n", "bf16", result.one_peak_bf16,
                   result.peak_bf16);
        printf("  %-18s %12.1f %12.1f GB/s\n", "memory", result.one_bandwidth, result.bandwidth);
        printf("threads %d, start of the program %.2f ms\n", result.threads, startup);
        for (size_t i = 0; i < MODELS; i++)
            print_standard(&result, i);
    }
    json_t *object = json_pack(
        "{s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "threads", result.threads, "peak_f32",
        json_figure(result.peak_f32), "peak_bf16", json_figure(result.peak_bf16), "bandwidth",
        json_figure(result.bandwidth), "one_peak_f32", json_figure(result.one_peak_f32),
        "one_peak_bf16", json_figure(result.one_peak_bf16), "one_bandwidth",
        json_figure(result.one_bandwidth));
    for (size_t i = 0; i < sizeof MODEL_KEYS / sizeof MODEL_KEYS[0]; i++)
        json_object_set_new(object, MODEL_KEYS[i].name, models_json(&result, MODEL_KEYS[i].offset));
    json_object_set_new(object, "bf16_gain", json_figure(bf16_gain(&result)));
    json_object_set_new(object, "threads_gain", threads_json(&result));
    json_object_set_new(object, "startup_ms", json_figure(startup));
    save_and_print_json(&s->shared, object);
    return STATUS_DONE;
}

const command BENCH_COMMAND = {
    .name = "bench",
    .summary = "speed of this machine on the standard models",
    .synopsis = "[--seconds T] [--threads N] [--models NAMES]",
    .description =
        "Measures this machine's peaks (multiply-adds in f32 and, where there is one, in bf16; "
        "reading memory) and what is reached of them by eight models: the paper's at batches of "
        "256 and 1024, a table of 8 columns, a toy of 2; and of such a table affine and spline "
        "couplings with nets of 2 x 128 and (wide) 2 x 256. Of each the training step, also with one "
        "thread and in bf16, its parts, scoring, inverse, sampling, the gradient that inpainting climbs, and "
        "one row alone; and how long the program takes to start. Figures are medians; spread is the distance of "
        "the 5th and 95th percentile as a share of the median; a share counts useful operations "
        "only. -o FILE.json keeps the figures.",
    .examples = "  nicest bench\n  nicest bench --threads 1 --json\n"
                "  nicest bench --models table,toy --seconds 5\n",
    .tables = {BENCH_OPTIONS, OUTPUT_OPTIONS, COMMON_OPTIONS},
    .size = sizeof(bench_settings),
    .defaults = bench_defaults,
    .run = bench_run,
};
