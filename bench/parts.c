/* parts.c - the parts of what `nicest bench` measures, one by one: the matrix products that
 * training a standard model consists of, and how quickly files become rows in memory.
 *
 *     build/release/bench_parts [SECONDS]      # a tenth of a second for each figure, or less
 *
 * Products are run by one thread, as a tile runs them. Their shapes are those of the flow's tiles
 * (64 rows, 128 where few threads share a large flow) and of its blocks of BLOCK_ROWS rows of a
 * gradient. Files are written to a folder of their own under TMPDIR, read often enough that they
 * come from the system's cache, and removed. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apply/bench.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/random.h"
#include "flow/layer.h"
#include "kernel/gemm.h"

/* ------------------------------------------------------------------ products */

typedef enum role { FORWARD, BACKWARD, GRADIENT } role;

/* Rows of a tile; for a gradient, rows of the batch. */
static const struct {
    const char *name;
    role role;
    size_t rows, width;
} SHAPES[] = {
    {"paper forward 64", FORWARD, 64, 1000},     {"paper forward 128", FORWARD, 128, 1000},
    {"paper backward 64", BACKWARD, 64, 1000},   {"paper backward 128", BACKWARD, 128, 1000},
    {"paper gradient 256", GRADIENT, 256, 1000}, {"paper gradient 1024", GRADIENT, 1024, 1000},
    {"table forward 64", FORWARD, 64, 128},      {"table backward 64", BACKWARD, 64, 128},
    {"table gradient 512", GRADIENT, 512, 128},  {"toy forward 64", FORWARD, 64, 64},
    {"toy backward 64", BACKWARD, 64, 64},       {"toy gradient 256", GRADIENT, 256, 64},
};

static gemm_shape shape_of(role what, size_t rows, size_t width)
{
    gemm_shape s = {.m = width,
                    .n = rows,
                    .k = width,
                    .lda = width,
                    .b_step = rows,
                    .b_panel = GEMM_PANEL,
                    .ldc = rows};
    if (what == FORWARD) {
        s.start = GEMM_BIAS;
        s.end = GEMM_RELU;
    } else if (what == BACKWARD) {
        s.lda = 0;
        s.end = GEMM_GATE;
    } else {
        s = (gemm_shape){.m = BLOCK_ROWS,
                         .n = width,
                         .k = rows,
                         .lda = rows,
                         .b_step = GEMM_PANEL,
                         .b_panel = GEMM_PANEL * rows,
                         .ldc = width};
    }
    return s;
}

/* The same product of pairs. */
static gemm_shape in_pairs(gemm_shape s)
{
    s.bf16 = true;
    s.k /= 2;
    s.lda = s.lda ? s.k : 0;
    s.b_panel = s.b_step == GEMM_PANEL ? GEMM_PANEL * s.k : s.b_panel;
    return s;
}

typedef struct product {
    gemm_shape shape;
    float *a, *b, *c, *bias;
    int repeats;
} product;

static double run_product(void *context)
{
    const product *p = context;
    double start = parallel_clock();
    for (int i = 0; i < p->repeats; i++)
        gemm_run(&p->shape, p->a, p->b, p->bias, p->c);
    return parallel_clock() - start;
}

static float *numbers(size_t count)
{
    float *made = memory_new(count, sizeof *made);
    for (size_t i = 0; made && i < count; i++)
        made[i] = (float)((i * 7919 + 17) % 1009) / 1009 - 0.5f;
    return made;
}

static nicest_status open_product(product *p, const gemm_shape *s)
{
    p->shape = *s;
    p->a = numbers(s->m * s->k);
    p->b = numbers((s->n + GEMM_PANEL) * s->k);
    p->c = numbers(s->m * s->n);
    p->bias = numbers(s->m);
    return p->a && p->b && p->c && p->bias ? NICEST_OK : fail_memory();
}

static void close_product(product *p)
{
    memory_free(p->a);
    memory_free(p->b);
    memory_free(p->c);
    memory_free(p->bias);
}

/* In GFLOP/s. A run is long enough for the clock: some two million operations or more. */
static nicest_status measure_product(const gemm_shape *shape, double seconds, double peak,
                                     nicest_bench_figure *figure)
{
    product p = {0};
    double operations =
        (shape->bf16 ? 4.0 : 2.0) * (double)shape->m * (double)shape->n * (double)shape->k;
    nicest_status status = open_product(&p, shape);
    p.repeats = operations < 2e6 ? (int)(2e6 / operations) + 1 : 1;
    if (status == NICEST_OK) {
        *figure =
            bench_rate(bench_measure(run_product, &p, seconds), 1e-9 * operations * p.repeats);
        figure->share = figure->median / peak;
    }
    close_product(&p);
    return status;
}

static void print_figure(const char *name, const nicest_bench_figure *f, const char *unit)
{
    printf("  %-20s %10.1f %-7s", name, f->median, unit);
    if (isfinite(f->share))
        printf(" %5.1f%% of peak", 100 * f->share);
    printf("  spread %5.1f%%\n", 100 * f->spread);
}

static nicest_status print_products(double seconds)
{
    double peak = peak_f32(1), peak_pairs = peak_bf16(1);
    nicest_bench_figure figure;
    printf("matrix products by one thread\n");
    for (size_t i = 0; i < sizeof SHAPES / sizeof *SHAPES; i++) {
        gemm_shape shape = shape_of(SHAPES[i].role, SHAPES[i].rows, SHAPES[i].width);
        TRY(measure_product(&shape, seconds, peak, &figure));
        print_figure(SHAPES[i].name, &figure, "GFLOP/s");
        shape = in_pairs(shape);
        if (!gemm_has_bf16())
            continue;
        TRY(measure_product(&shape, seconds, peak_pairs, &figure));
        print_figure("  in bf16", &figure, "GFLOP/s");
    }
    return NICEST_OK;
}

/* ------------------------------------------------------------------ files */

enum { FORMATS = 3, BLOCK = 1024 };

static const struct {
    const char *format, *name;
    size_t rows, columns;
    int levels; /* 0: normal numbers */
} FILES[FORMATS] = {
    {"csv", "rows.csv", 50000, 8, 0},
    {"npy", "rows.npy", 200000, 8, 0},
    {"idx", "rows-idx2-ubyte", 8192, 784, 256},
};

typedef struct reading {
    const char *path;
    double *block; /* [BLOCK, columns] */
    nicest_status status;
} reading;

/* Opens the file and reads every row. */
static double read_file(void *context)
{
    reading *r = context;
    double start = parallel_clock();
    nicest_data *data = NULL;
    nicest_status status = nicest_data_open(&data, r->path, NULL);
    size_t rows = nicest_data_rows(data);
    for (size_t first = 0; status == NICEST_OK && first < rows; first += BLOCK) {
        size_t left = rows - first;
        status = nicest_data_read(data, first, left < BLOCK ? left : BLOCK, r->block);
    }
    nicest_data_free(data);
    if (status != NICEST_OK)
        r->status = status;
    return parallel_clock() - start;
}

static nicest_status write_rows(size_t which, const char *path)
{
    size_t rows = FILES[which].rows, columns = FILES[which].columns;
    double *values = memory_new(rows * columns, sizeof *values);
    nicest_data *data = NULL;
    if (!values)
        return fail_memory();
    for (size_t i = 0; i < rows; i++)
        random_normal((random_stream){1, RANDOM_USER, (uint32_t)which}, i, values + i * columns,
                      columns);
    for (size_t i = 0; FILES[which].levels && i < rows * columns; i++)
        values[i] = fmin(floor(fabs(values[i]) * 64), FILES[which].levels - 1);
    nicest_status status = nicest_data_new(&data, values, rows, columns, NULL);
    if (status == NICEST_OK)
        status = nicest_data_save(data, path);
    nicest_data_free(data);
    memory_free(values);
    return status;
}

static nicest_status measure_file(size_t which, const char *path, double seconds,
                                  nicest_bench_figure *speed)
{
    struct stat about;
    reading r = {.path = path, .block = memory_new(BLOCK * FILES[which].columns, sizeof *r.block)};
    if (!r.block)
        return fail_memory();
    nicest_status status = write_rows(which, path);
    if (status == NICEST_OK && stat(path, &about) != 0)
        status = fail(NICEST_E_IO, "%s: cannot be read back", path);
    if (status == NICEST_OK) {
        *speed = bench_rate(bench_measure(read_file, &r, seconds), 1e-6 * (double)about.st_size);
        status = r.status;
    }
    (void)unlink(path); /* not there where writing failed */
    memory_free(r.block);
    return status;
}

static nicest_status print_files(const char *folder, double seconds)
{
    printf("files into memory\n");
    for (size_t i = 0; i < FORMATS; i++) {
        char *path = memory_format("%s/%s", folder, FILES[i].name);
        nicest_bench_figure speed;
        nicest_status status = path ? measure_file(i, path, seconds, &speed) : fail_memory();
        memory_free(path);
        TRY(status);
        print_figure(FILES[i].format, &speed, "MB/s");
    }
    return NICEST_OK;
}

int main(int count, char **words)
{
    double seconds = count > 1 ? atof(words[1]) : 0.1;
    const char *place = getenv("TMPDIR");
    char *folder = memory_format("%s/nicest-bench-XXXXXX", place && *place ? place : "/tmp");
    nicest_status status = folder ? print_products(seconds) : fail_memory();
    if (status == NICEST_OK && !mkdtemp(folder))
        status = fail(NICEST_E_IO, "%s: no folder for files can be made; set TMPDIR", folder);
    if (status == NICEST_OK) {
        status = print_files(folder, seconds);
        (void)rmdir(folder);
    }
    if (status != NICEST_OK)
        fprintf(stderr, "bench_parts: %s\n", nicest_error());
    memory_free(folder);
    return status != NICEST_OK;
}
