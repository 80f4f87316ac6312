/* cmd_bench.c - `nicest bench`: how fast this machine is on the standard models, and how quickly
 * the program itself starts. */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

typedef struct bench_settings {
    shared_settings shared;
    double seconds;
    const char *models;
} bench_settings;

#define AT(field) offsetof(bench_settings, field)

/* clang-format off */
static const option BENCH_OPTIONS[] = {
    {.group = "Measuring", OPTION(SECONDS, "seconds", "T", seconds), .help = "about how long to measure"},
    {OPTION(TEXT, "models", "NAMES", models), .unset = "all",
     .help = "which of paper256, paper1024, table, toy, affine, spline, affine-wide, spline-wide to measure"},
    {0},
};
/* clang-format on */

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

/* How a figure is printed, and its keys in JSON: NAME_UNIT, and where it has them NAME_share and
 * NAME_spread. */
static const struct {
    nicest_bench_kind kind;
    const char *words, *unit, *key, *more, *key_unit;
    int digits;
} LINES[] = {
    {NICEST_BENCH_STEP, "step", "ms", "step", "share spread", "ms", 3},
    {NICEST_BENCH_STEP_ONE_THREAD, "step, 1 thread", "ms", "step_one_thread", "share", "ms", 3},
    {NICEST_BENCH_FORWARD, "  forward", "ms", "forward", "", "ms", 3},
    {NICEST_BENCH_BACKWARD, "  backward", "ms", "backward", "", "ms", 3},
    {NICEST_BENCH_LAYERS_INVERSE, "its inverse", "ms", "inverse", "", "ms", 3},
    {NICEST_BENCH_STEP_BF16, "step, bf16", "ms", "step_bf16", "share", "ms", 3},
    {NICEST_BENCH_SCORE, "score", "rows/s", "score", "share spread", "rows_per_second", 0},
    {NICEST_BENCH_INVERSE, "inverse", "rows/s", "inverse", "share spread", "rows_per_second", 0},
    {NICEST_BENCH_SAMPLE, "sample", "rows/s", "sample", "spread", "rows_per_second", 0},
    {NICEST_BENCH_GRADIENT, "gradient by x", "rows/s", "gradient", "share spread",
     "rows_per_second", 0},
    {NICEST_BENCH_ONE_ROW, "score one row", "us", "one_row", "spread", "us", 2},
};
enum { LINE_COUNT = sizeof LINES / sizeof LINES[0] };

/* How many times as long one step takes as another. */
static double step_gain(const nicest_bench_figure *a, const nicest_bench_figure *b)
{
    return b->median / a->median;
}

/* "  12.345  81.2%  ±1.3%", with what is not there left out. */
static void print_standard(const nicest_bench_result *r, size_t i)
{
    const nicest_bench_figure *figures = r->model[i].figure;
    if (!r->model[i].parameters)
        return;
    printf("\n%s: %zu columns, %zu parameters, batch %zu\n", r->model[i].name, r->model[i].columns,
           r->model[i].parameters, r->model[i].batch);
    for (size_t k = 0; k < LINE_COUNT; k++) {
        const nicest_bench_figure *f = &figures[LINES[k].kind];
        if (LINES[k].kind == NICEST_BENCH_SCORE && r->threads > 1)
            printf("  1 -> %d threads %20.2f times\n", r->threads,
                   step_gain(&figures[NICEST_BENCH_STEP], &figures[NICEST_BENCH_STEP_ONE_THREAD]));
        if (!isfinite(f->median))
            continue;
        printf("  %-18s %14.*f %-7s", LINES[k].words, LINES[k].digits, f->median, LINES[k].unit);
        if (isfinite(f->share) && LINES[k].kind != NICEST_BENCH_ONE_ROW)
            printf(" %6.1f%% of peak", 100 * f->share);
        else
            printf(" %15s", "");
        printf("  spread %5.1f%%\n", 100 * f->spread);
    }
    if (isfinite(r->model[i].one_row_floor_us))
        printf("  %-18s %14.2f us: the parameters read once from memory\n", "  its floor",
               r->model[i].one_row_floor_us);
}

/* object.KEY_PART.MODEL = value */
static void set_figure(json_t *object, const char *key, const char *part, const char *model,
                       double value)
{
    const short_text name = short_format("%s_%s", key, part);
    json_t *models = json_object_get(object, name.text);
    if (!models)
        json_object_set_new(object, name.text, models = json_object());
    json_object_set_new(models, model, json_figure(value));
}

static void add_models(json_t *object, const nicest_bench_result *r)
{
    for (size_t i = 0; i < NICEST_BENCH_MODELS; i++) {
        const char *name = r->model[i].name;
        const nicest_bench_figure *figures = r->model[i].figure;
        const nicest_bench_figure *step = &figures[NICEST_BENCH_STEP];
        for (size_t k = 0; k < LINE_COUNT; k++) {
            const nicest_bench_figure *f = &figures[LINES[k].kind];
            set_figure(object, LINES[k].key, LINES[k].key_unit, name, f->median);
            if (strstr(LINES[k].more, "share"))
                set_figure(object, LINES[k].key, "share", name, f->share);
            if (strstr(LINES[k].more, "spread"))
                set_figure(object, LINES[k].key, "spread", name, f->spread);
        }
        set_figure(object, "one_row", "floor_us", name, r->model[i].one_row_floor_us);
        set_figure(object, "threads", "gain", name,
                   step_gain(step, &figures[NICEST_BENCH_STEP_ONE_THREAD]));
        if (!strcmp(name, "paper1024")) /* what bf16 brings to the paper's step of 1024 rows */
            json_object_set_new(object, "bf16_gain",
                                json_figure(step_gain(&figures[NICEST_BENCH_STEP_BF16], step)));
    }
}

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
    OWNED_BLOCK double *sorted = sorted_copy(times, &count);
    double startup = quantile(sorted, count, 0.5);
    progress bar = progress_start(&s->shared, "measuring", NULL);
    need(nicest_bench(s->models, s->shared.threads, s->seconds, progress_tick, &bar, &result));
    progress_end(&bar);
    if (!s->shared.quiet) {
        printf("%-20s %12s %12s\n", "peaks", "1 thread", "all threads");
        printf("  %-18s %12.1f %12.1f GFLOP/s\n", "f32", result.one_peak_f32, result.peak_f32);
        if (isfinite(result.peak_bf16))
            printf("  %-18s %12.1f %12.1f GFLOP/s\n", "bf16", result.one_peak_bf16,
                   result.peak_bf16);
        printf("  %-18s %12.1f %12.1f GB/s\n", "memory", result.one_bandwidth, result.bandwidth);
        printf("threads %d, start of the program %.2f ms\n", result.threads, startup);
        for (size_t i = 0; i < NICEST_BENCH_MODELS; i++)
            print_standard(&result, i);
    }
    json_t *object = json_pack(
        "{s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "threads", result.threads, "peak_f32",
        json_figure(result.peak_f32), "peak_bf16", json_figure(result.peak_bf16), "bandwidth",
        json_figure(result.bandwidth), "one_peak_f32", json_figure(result.one_peak_f32),
        "one_peak_bf16", json_figure(result.one_peak_bf16), "one_bandwidth",
        json_figure(result.one_bandwidth));
    add_models(object, &result);
    json_object_set_new(object, "startup_ms", json_figure(startup));
    save_and_print_json(&s->shared, object);
    return STATUS_DONE;
}

const command BENCH_COMMAND = {
    .name = "bench",
    .summary = "speed of this machine on the standard models",
    .synopsis = "[--seconds T] [--threads N] [--models NAMES]",
    .description =
        "Measures the peaks of this machine (multiply-adds in f32 and, if it has them, in bf16; reading "
        "memory), and how much of them eight models reach: the paper's at batches of 256 and 1024, a "
        "table of 8 columns, a toy of 2, and for such a table affine and spline couplings with nets of 2 "
        "x 128 or (wide) 2 x 256. For each it times the training step (also with one thread, in bf16, and "
        "by its parts), scoring, the inverse, sampling, the gradient that inpainting climbs, and one row "
        "alone. It also times the start of the program.\n\n"
        "Figures are medians. spread is the distance of the 5th and 95th percentile as a share of the "
        "median. A share counts useful operations only. -o FILE.json keeps the figures.",
    .examples = "  nicest bench\n  nicest bench --threads 1 --json\n"
                "  nicest bench --models table,toy --seconds 5\n",
    .tables = {BENCH_OPTIONS, OUTPUT_OPTIONS, COMMON_OPTIONS},
    .size = sizeof(bench_settings),
    .defaults = bench_defaults,
    .run = bench_run,
};
