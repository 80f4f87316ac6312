/* bench_products.c - the matrix products that training a standard model consists of, one by one.
 *
 * By one thread, as a tile runs them. The shapes are those of the flow's tiles (64 rows, 128 where
 * few threads share a large flow) and of its blocks of 64 rows of a gradient. */
#include <math.h>

#include "apply/bench.h"
#include "base/memory.h"
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
    enum { BLOCK_ROWS = 64 };
    switch (what) {
    case FORWARD:
        return (gemm_shape){
            .m = rows, .n = width, .k = width, .transpose_b = true, .bias = true, .relu = true};
    case BACKWARD:
        return (gemm_shape){.m = rows, .n = width, .k = width};
    default:
        return (gemm_shape){
            .m = BLOCK_ROWS, .n = width, .k = rows, .lda = width, .transpose_a = true};
    }
}

typedef struct product {
    gemm *plan;
    float *a, *b, *c, *bias;
    void *scratch;
    int repeats;
} product;

static void run_product(void *context)
{
    const product *p = context;
    for (int i = 0; i < p->repeats; i++)
        gemm_run(p->plan, p->a, p->b, p->bias, p->c, p->scratch);
}

static float *random_block(size_t count)
{
    float *block = memory_new(count, sizeof *block);
    for (size_t i = 0; block && i < count; i++)
        block[i] = (float)((i * 7919 + 17) % 1009) / 1009 - 0.5f;
    return block;
}

static nicest_status open_product(product *p, const gemm_shape *s)
{
    TRY(gemm_new(&p->plan, s));
    size_t lda = s->lda ? s->lda : s->transpose_a ? s->m : s->k;
    p->a = random_block(lda * (s->transpose_a ? s->k : s->m));
    p->b = random_block(s->k * s->n);
    p->c = random_block(s->m * s->n);
    p->bias = random_block(s->n);
    p->scratch = memory_new(gemm_scratch_size(p->plan), 1);
    return p->a && p->b && p->c && p->bias && p->scratch ? NICEST_OK : fail_memory();
}

static void close_product(product *p)
{
    gemm_free(p->plan);
    memory_free(p->a);
    memory_free(p->b);
    memory_free(p->c);
    memory_free(p->bias);
    memory_free(p->scratch);
}

/* In GFLOP/s. A run is long enough for the clock: some two million operations or more. */
static nicest_status measure_product(const gemm_shape *shape, double seconds, double peak,
                                     nicest_bench_figure *figure)
{
    product p = {0};
    double operations = 2.0 * (double)shape->m * (double)shape->n * (double)shape->k;
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
        shape.bf16 = gemm_has_bf16();
        if (shape.bf16)
            TRY(measure_product(&shape, seconds / (2 * PRODUCTS), result->one_peak_bf16,
                                &result->product[i].bf16));
    }
    return NICEST_OK;
}

double bench_large_product(void)
{
    enum { SIDE = 1024 };
    const gemm_shape shape = {.m = SIDE, .n = SIDE, .k = SIDE, .bf16 = true};
    nicest_bench_figure figure = bench_nothing();
    if (gemm_has_bf16())
        (void)measure_product(&shape, 0.1, NAN, &figure); /* without memory there is no figure */
    return figure.median;
}
