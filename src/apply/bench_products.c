/* bench_products.c - the matrix products that training a standard model consists of, one by one.
 *
 * By one thread, as a tile runs them. The shapes are those of the flow's tiles (64 rows, 128 where
 * few threads share a large flow) and of its blocks of BLOCK_ROWS rows of a gradient. */
#include "apply/bench.h"
#include "base/memory.h"
#include "flow/layer.h"
#include "kernel/gemm.h"

enum {
    PRODUCTS =
        sizeof((nicest_bench_result *)0)->product / sizeof((nicest_bench_result *)0)->product[0]
};

typedef enum role { FORWARD, BACKWARD, GRADIENT } role;

/* Rows of a tile; for a gradient, rows of the batch. */
static const struct {
    const char *name;
    role role;
    size_t rows, width;
} SHAPES[PRODUCTS] = {
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

static void run_product(void *context)
{
    const product *p = context;
    for (int i = 0; i < p->repeats; i++)
        gemm_run(&p->shape, p->a, p->b, p->bias, p->c);
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

nicest_status bench_products(double seconds, nicest_bench_result *result)
{
    for (size_t i = 0; i < PRODUCTS; i++) {
        gemm_shape shape = shape_of(SHAPES[i].role, SHAPES[i].rows, SHAPES[i].width);
        result->product[i].name = SHAPES[i].name;
        result->product[i].m = shape.m;
        result->product[i].n = shape.n;
        result->product[i].k = shape.k;
        result->product[i].bf16 = bench_nothing();
        TRY(measure_product(&shape, seconds / (2 * PRODUCTS), result->one_peak_f32,
                            &result->product[i].f32));
        shape = in_pairs(shape);
        if (gemm_has_bf16())
            TRY(measure_product(&shape, seconds / (2 * PRODUCTS), result->one_peak_bf16,
                                &result->product[i].bf16));
    }
    return NICEST_OK;
}
