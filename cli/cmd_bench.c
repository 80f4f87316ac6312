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
} bench_settings;

/* clang-format off */
static const option BENCH_OPTIONS[] = {
    {.group = "Measuring", .name = "seconds", .type = OPTION_SECONDS, .argument = "T",
     .offset = offsetof(bench_settings, seconds), .help = "about how long to measure"},
    {0},
};
/* clang-format on */

enum {
    MODELS = sizeof((nicest_bench_result *)0)->model / sizeof((nicest_bench_result *)0)->model[0]
};

static void bench_defaults(void *settings)
{
    ((bench_settings *)settings)->seconds = 20;
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

static double measure_startup(void)
{
    enum { TIMES = 15 };
    double times[TIMES];
    for (size_t i = 0; i < TIMES; i++)
        times[i] = run_once();
    size_t count = TIMES;
    double *sorted = sorted_copy(times, &count), median = quantile(sorted, count, 0.5);
    block_free(sorted);
    return median;
}

/* ------------------------------------------------------------------ output */

static double bf16_gain(const nicest_bench_result *r)
{
    for (size_t i = 0; i < MODELS; i++)
        if (!strcmp(r->model[i].name, "paper1024"))
            return r->model[i].step_ms / r->model[i].step_bf16_ms;
    return NAN;
}

static void print_result(const nicest_bench_result *r, double startup)
{
    printf("peak f32   %8.1f GFLOP/s\n", r->peak_f32);
    if (isfinite(r->peak_bf16))
        printf("peak bf16  %8.1f GFLOP/s\n", r->peak_bf16);
    printf("bandwidth  %8.1f GB/s\nstart-up   %8.2f ms\n\n", r->bandwidth, startup);
    printf("%-10s %10s %8s %8s %14s %8s %14s %14s %10s %10s\n", "model", "step ms", "of peak",
           "spread", "score rows/s", "of peak", "inverse rows/s", "gradient rows/s", "one row us",
           "bf16 ms");
    for (size_t i = 0; i < MODELS; i++)
        printf("%-10s %10.3f %7.1f%% %7.1f%% %14.0f %7.1f%% %14.0f %15.0f %10.2f %10.3f\n",
               r->model[i].name, r->model[i].step_ms, 100 * r->model[i].step_share,
               100 * r->model[i].step_spread, r->model[i].score_rows_per_second,
               100 * r->model[i].score_share, r->model[i].inverse_rows_per_second,
               r->model[i].gradient_rows_per_second, r->model[i].one_row_us,
               r->model[i].step_bf16_ms);
}

/* {"paper256": figure, ...} of the double that lies `offset` bytes into each model. */
static json_t *figures_json(const nicest_bench_result *r, size_t offset)
{
    json_t *object = json_object();
    for (size_t i = 0; i < MODELS; i++) {
        double figure;
        memcpy(&figure, (const char *)&r->model[i] + offset, sizeof figure);
        json_object_set_new(object, r->model[i].name, json_figure(figure));
    }
    return object;
}

#define OFFSET(field)                                                                              \
    (offsetof(nicest_bench_result, model[0].field) - offsetof(nicest_bench_result, model))

static json_t *result_json(const nicest_bench_result *r, double startup)
{
    return json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "peak_f32",
        json_figure(r->peak_f32), "peak_bf16", json_figure(r->peak_bf16), "bandwidth",
        json_figure(r->bandwidth), "step_share", figures_json(r, OFFSET(step_share)), "step_ms",
        figures_json(r, OFFSET(step_ms)), "bf16_gain", json_figure(bf16_gain(r)), "startup_ms",
        json_figure(startup), "step_spread", figures_json(r, OFFSET(step_spread)),
        "score_rows_per_second", figures_json(r, OFFSET(score_rows_per_second)), "score_share",
        figures_json(r, OFFSET(score_share)), "inverse_rows_per_second",
        figures_json(r, OFFSET(inverse_rows_per_second)), "gradient_rows_per_second",
        figures_json(r, OFFSET(gradient_rows_per_second)), "one_row_us",
        figures_json(r, OFFSET(one_row_us)), "step_bf16_ms", figures_json(r, OFFSET(step_bf16_ms)));
}

static int bench_run(void *settings)
{
    const bench_settings *s = settings;
    nicest_bench_result result;
    check_json_path(&s->shared);
    double startup = measure_startup();
    progress bar = progress_start(&s->shared, "measuring", NULL);
    nicest_status status =
        nicest_bench(s->shared.threads, s->seconds, progress_tick, &bar, &result);
    progress_end(&bar);
    need(status);
    if (!s->shared.quiet)
        print_result(&result, startup);
    save_and_print_json(&s->shared, result_json(&result, startup));
    return STATUS_DONE;
}

const command BENCH_COMMAND = {
    .name = "bench",
    .summary = "speed of this machine on the standard models",
    .synopsis = "[--seconds T] [--threads N]",
    .description =
        "Measures the peak of matrix products, memory bandwidth, and a training step of four "
        "models (the paper's at batches of 256 and 1024, a table, a toy), as time and as share of "
        "the peak; scoring, inverse and gradient; and how long the program takes to start. -o "
        "FILE.json keeps the figures.",
    .examples = "  nicest bench\n  nicest bench --threads 1 --json\n",
    .tables = {BENCH_OPTIONS, OUTPUT_OPTIONS, COMMON_OPTIONS},
    .size = sizeof(bench_settings),
    .defaults = bench_defaults,
    .run = bench_run,
};
