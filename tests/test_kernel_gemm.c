/* Matrix products against a plain sum in long double, at odd sizes and at the end of a page; and
 * the law that a row's bits do not depend on the number of rows, for the portable backend.
 *
 * Built for float here and for double by test_kernel_gemm_double.c. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "base/random.h"
#include "guard_pages.h"
#include "kernel/gemm.h"
#include "kernel/gemm_backend.h"

#ifdef NICEST_DOUBLE
#define EPSILON 0x1p-52
#else
#define EPSILON 0x1p-23
#endif

typedef struct operands {
    guarded a, b, bias, c;
    real *first_c; /* C before the product */
    size_t c_size;
} operands;

static real *numbers(guarded *block, size_t count, uint64_t row)
{
    *block = guard_new(count * sizeof(real));
    assert_non_null(block->data);
    double *uniform = memory_new(count, sizeof(double));
    random_uniform_double((random_stream){7, RANDOM_USER, 0}, row, uniform, count);
    for (size_t i = 0; i < count; i++)
        ((real *)block->data)[i] = (real)(2 * uniform[i] - 1);
    memory_free(uniform);
    return block->data;
}

/* Elements from the first to the last of a stored matrix: nothing behind the last column. */
static size_t extent(size_t rows, size_t columns, size_t stride)
{
    return (rows - 1) * (stride == 0 ? columns : stride) + columns;
}

static void operands_new(operands *o, const gemm_shape *s)
{
    size_t a_rows = s->transpose_a ? s->k : s->m, a_columns = s->transpose_a ? s->m : s->k;
    size_t b_rows = s->transpose_b ? s->n : s->k, b_columns = s->transpose_b ? s->k : s->n;
    numbers(&o->a, extent(a_rows, a_columns, s->lda), 1);
    numbers(&o->b, extent(b_rows, b_columns, s->ldb), 2);
    numbers(&o->bias, s->n, 3);
    o->c_size = extent(s->m, s->n, s->ldc);
    numbers(&o->c, o->c_size, 4);
    o->first_c = memory_new(o->c_size, sizeof(real));
    memcpy(o->first_c, o->c.data, o->c_size * sizeof(real));
}

static void operands_free(operands *o)
{
    guard_free(&o->a);
    guard_free(&o->b);
    guard_free(&o->bias);
    guard_free(&o->c);
    memory_free(o->first_c);
}

static size_t stride_or(size_t stride, size_t dense)
{
    return stride == 0 ? dense : stride;
}

/* One element as the contract defines it, and the sum of magnitudes that bounds its error. */
static double expected(const gemm_shape *s, const operands *o, size_t i, size_t j,
                       double *magnitude)
{
    const real *a = o->a.data, *b = o->b.data, *bias = o->bias.data;
    size_t lda = stride_or(s->lda, s->transpose_a ? s->m : s->k);
    size_t ldb = stride_or(s->ldb, s->transpose_b ? s->k : s->n);
    size_t ldc = stride_or(s->ldc, s->n);
    long double sum = 0, size = 0;
    for (size_t p = 0; p < s->k; p++) {
        long double x = s->transpose_a ? a[p * lda + i] : a[i * lda + p];
        long double y = s->transpose_b ? b[j * ldb + p] : b[p * ldb + j];
        sum += x * y;
        size += fabsl(x * y);
    }
    if (s->bias)
        sum += bias[j];
    if (s->accumulate)
        sum += o->first_c[i * ldc + j];
    *magnitude = (double)size + 2;
    return s->relu && sum < 0 ? 0 : (double)sum;
}

static void check_result(const gemm_shape *s, const operands *o)
{
    const real *c = o->c.data;
    size_t ldc = stride_or(s->ldc, s->n);
    for (size_t i = 0; i < s->m; i++) {
        for (size_t j = 0; j < s->n; j++) {
            double magnitude, want = expected(s, o, i, j, &magnitude);
            double error = fabs((double)c[i * ldc + j] - want);
            if (!(error <= 2 * EPSILON * magnitude * sqrt((double)s->k)))
                fail_msg("%zux%zux%zu at %zu,%zu: %g instead of %g (flags %d%d%d%d%d)", s->m, s->n,
                         s->k, i, j, (double)c[i * ldc + j], want, s->transpose_a, s->transpose_b,
                         s->bias, s->relu, s->accumulate);
        }
        for (size_t j = s->n; j < ldc && i + 1 < s->m; j++)
            assert_memory_equal(&c[i * ldc + j], &o->first_c[i * ldc + j], sizeof(real));
    }
}

static void check_plan(const gemm_shape *shape)
{
    operands o;
    operands_new(&o, shape);
    gemm *plan = NULL;
    assert_int_equal(gemm_new(&plan, shape), NICEST_OK);
    void *scratch = memory_new(gemm_scratch_size(plan), 1);
    size_t before = memory_calls();
    gemm_run(plan, o.a.data, o.b.data, o.bias.data, o.c.data, scratch);
    assert_int_equal(memory_calls(), before);
    check_result(shape, &o);
    memory_free(scratch);
    gemm_free(plan);
    operands_free(&o);
}

static gemm_shape with_dense_strides(gemm_shape s)
{
    s.lda = stride_or(s.lda, s.transpose_a ? s.m : s.k);
    s.ldb = stride_or(s.ldb, s.transpose_b ? s.k : s.n);
    s.ldc = stride_or(s.ldc, s.n);
    return s;
}

static void check_portable(const gemm_shape *shape)
{
    operands o;
    operands_new(&o, shape);
    gemm_shape full = with_dense_strides(*shape);
    guarded scratch = guard_new(gemm_portable_scratch_size(&full));
    gemm_portable_run(&full, o.a.data, o.b.data, o.bias.data, o.c.data, scratch.data);
    check_result(shape, &o);
    guard_free(&scratch);
    operands_free(&o);
}

static gemm_shape flagged(size_t m, size_t n, size_t k, int flags)
{
    gemm_shape s = {.m = m, .n = n, .k = k};
    s.transpose_a = flags & 1;
    s.transpose_b = flags & 2;
    s.bias = flags & 4;
    s.relu = flags & 8;
    s.accumulate = flags & 16;
    if (flags & 32) {
        s.lda = (s.transpose_a ? m : k) + 3;
        s.ldb = (s.transpose_b ? k : n) + 5;
        s.ldc = n + 7;
    }
    return s;
}

static const size_t SIZES[] = {1, 2, 3, 5, 8, 13, 16, 31, 33, 64, 97};
enum { SIZE_COUNT = sizeof SIZES / sizeof *SIZES, FLAGS = 64 };

/* Every triple of sizes, each with a few of the flag sets in turn. */
static void test_sizes(void **state)
{
    (void)state;
    int turn = 0;
    for (int x = 0; x < SIZE_COUNT * SIZE_COUNT * SIZE_COUNT; x++) {
        size_t m = SIZES[x % SIZE_COUNT], n = SIZES[x / SIZE_COUNT % SIZE_COUNT];
        size_t k = SIZES[x / SIZE_COUNT / SIZE_COUNT];
        for (int repeat = 0; repeat < 5; repeat++) {
            gemm_shape s = flagged(m, n, k, turn++ * 29 % FLAGS);
            check_portable(&s);
        }
        gemm_shape s = flagged(m, n, k, turn * 29 % FLAGS);
        check_plan(&s);
    }
}

/* Shapes beyond the blocks of both backends, with every flag. */
static void test_flags(void **state)
{
    (void)state;
    static const size_t shapes[][3] = {{1, 130, 300}, {7, 200, 70}, {50, 96, 257}, {100, 129, 150}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        for (int flags = 0; flags < FLAGS; flags++) {
            gemm_shape s = flagged(shapes[i][0], shapes[i][1], shapes[i][2], flags);
            check_portable(&s);
            check_plan(&s);
        }
    }
}

static void test_long_sums(void **state)
{
    (void)state;
    for (int flags = 0; flags < FLAGS; flags += 3) {
        gemm_shape s = flagged(9, 21, 1031, flags);
        check_portable(&s);
        check_plan(&s);
    }
}

typedef void (*runner)(const gemm_shape *, const real *, const real *, const real *, real *);

static void run_portable(const gemm_shape *shape, const real *a, const real *b, const real *bias,
                         real *c)
{
    gemm_shape full = with_dense_strides(*shape);
    void *scratch = memory_new(gemm_portable_scratch_size(&full), 1);
    gemm_portable_run(&full, a, b, bias, c, scratch);
    memory_free(scratch);
}

/* Row i of a product of m rows has the bits of a product of row i alone. */
static void test_rows_alone(void **state)
{
    (void)state;
    static const size_t layers[][2] = {{1, 1}, {64, 64}, {5, 64}, {64, 3}, {130, 300}, {200, 90}};
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        for (int transpose_b = 0; transpose_b < 2; transpose_b++) {
            size_t m = 101, n = layers[i][0], k = layers[i][1];
            gemm_shape s = {.m = m, .n = n, .k = k, .transpose_b = transpose_b, .bias = true};
            operands o;
            operands_new(&o, &s);
            run_portable(&s, o.a.data, o.b.data, o.bias.data, o.c.data);
            for (size_t row = 0; row < m; row += 10) {
                real *alone = o.first_c;
                gemm_shape one = s;
                one.m = 1;
                run_portable(&one, (real *)o.a.data + row * k, o.b.data, o.bias.data, alone);
                assert_memory_equal(alone, (real *)o.c.data + row * n, n * sizeof(real));
            }
            operands_free(&o);
        }
    }
}

/* Plans behind gemm_new: the same law, as far as the shapes of one layer go. */
static void test_threads_and_repeats(void **state)
{
    (void)state;
    gemm_shape s = {.m = 64, .n = 300, .k = 200, .transpose_b = true, .bias = true, .relu = true};
    operands o;
    operands_new(&o, &s);
    gemm *plan = NULL;
    assert_int_equal(gemm_new(&plan, &s), NICEST_OK);
    void *scratch = memory_new(gemm_scratch_size(plan), 1);
    gemm_run(plan, o.a.data, o.b.data, o.bias.data, o.c.data, scratch);
    memcpy(o.first_c, o.c.data, o.c_size * sizeof(real));
    for (int i = 0; i < 20; i++) {
        memset(o.c.data, 0xff, o.c_size * sizeof(real));
        gemm_run(plan, o.a.data, o.b.data, o.bias.data, o.c.data, scratch);
        assert_memory_equal(o.first_c, o.c.data, o.c_size * sizeof(real));
    }
    gemm_free(plan);
    memory_free(scratch);
    operands_free(&o);
}

/* Rows of a product computed in tiles of `m` rows, against those of one long tile. */
static void check_tiles(const gemm_shape *whole, size_t m, const operands *o)
{
    gemm_shape s = *whole;
    gemm *plan = NULL;
    real *c = memory_new(m * s.n, sizeof *c);
    s.m = m;
    assert_int_equal(gemm_new(&plan, &s), NICEST_OK);
    void *scratch = memory_new(gemm_scratch_size(plan), 1);
    for (size_t first = 0; first < whole->m; first += m) {
        memcpy(c, o->first_c + first * s.n, m * s.n * sizeof *c);
        gemm_run(plan, (real *)o->a.data + first * s.k, o->b.data, o->bias.data, c, scratch);
        assert_memory_equal(c, (real *)o->c.data + first * s.n, m * s.n * sizeof *c);
    }
    gemm_free(plan);
    memory_free(scratch);
    memory_free(c);
}

/* What the choice of tiles rests on: a row has the same bits in every tile, at every place. */
static void test_rows_alike_in_tiles(void **state)
{
    static const size_t shapes[][2] = {{1000, 392}, {392, 1000}, {520, 5}, {5, 520}, {128, 128},
                                       {64, 64},    {33, 80},    {64, 1},  {4, 64},  {300, 17}};
    (void)state;
    for (size_t i = 0; i < 2 * sizeof shapes / sizeof *shapes; i++) {
        bool forward = i % 2;
        gemm_shape s = {.m = gemm_longest_tile(), .n = shapes[i / 2][0], .k = shapes[i / 2][1],
                        .transpose_b = forward, .bias = forward, .relu = forward,
                        .accumulate = !forward};
        operands o;
        operands_new(&o, &s);
        gemm *plan = NULL;
        assert_int_equal(gemm_new(&plan, &s), NICEST_OK);
        void *scratch = memory_new(gemm_scratch_size(plan), 1);
        gemm_run(plan, o.a.data, o.b.data, o.bias.data, o.c.data, scratch);
        for (size_t m = 4; m < s.m; m = m < 64 ? 4 * m : 2 * m)
            check_tiles(&s, m, &o);
        gemm_free(plan);
        memory_free(scratch);
        operands_free(&o);
    }
}

typedef struct crew {
    const operands *operands;
    const gemm_shape *shape;
    real *results; /* one C a thread */
} crew;

static void multiply_in_thread(void *context, int thread, size_t item)
{
    crew *all = context;
    (void)item;
    gemm *plan = NULL;
    real *c = all->results + (size_t)thread * all->operands->c_size;
    if (gemm_new(&plan, all->shape) != NICEST_OK)
        return;
    void *scratch = memory_new(gemm_scratch_size(plan), 1);
    gemm_run(plan, all->operands->a.data, all->operands->b.data, all->operands->bias.data, c,
             scratch);
    memory_free(scratch);
    gemm_free(plan);
}

/* Outside a region, and inside regions of several sizes: the same bits. */
static void test_inside_region(void **state)
{
    (void)state;
    static const size_t shapes[][3] = {{128, 300, 260}, {1, 300, 200}, {33, 784, 100}};
    for (size_t i = 0; i < 3; i++) {
        gemm_shape s = flagged(shapes[i][0], shapes[i][1], shapes[i][2], 2 + 4 + 8);
        operands o;
        operands_new(&o, &s);
        crew all = {&o, &s, memory_new(4 * o.c_size, sizeof(real))};
        gemm *plan = NULL;
        assert_int_equal(gemm_new(&plan, &s), NICEST_OK);
        void *scratch = memory_new(gemm_scratch_size(plan), 1);
        gemm_run(plan, o.a.data, o.b.data, o.bias.data, o.c.data, scratch);
        for (int threads = 1; threads <= 4; threads++) {
            memset(all.results, 0xff, 4 * o.c_size * sizeof(real));
            parallel_each(threads, multiply_in_thread, &all);
            for (int t = 0; t < threads; t++)
                assert_memory_equal(all.results + (size_t)t * o.c_size, o.c.data,
                                    o.c_size * sizeof(real));
        }
        gemm_free(plan);
        memory_free(scratch);
        memory_free(all.results);
        operands_free(&o);
    }
}

/* NaN in the padding between rows, and beside the operands, never reaches the result. */
static void test_padding_is_not_read_into_sums(void **state)
{
    (void)state;
    for (int flags = 32; flags < FLAGS; flags++) {
        gemm_shape s = flagged(27, 37, 29, flags);
        operands o;
        operands_new(&o, &s);
        size_t a_columns = s.transpose_a ? s.m : s.k, a_rows = s.transpose_a ? s.k : s.m;
        for (size_t row = 0; row + 1 < a_rows; row++) {
            for (size_t j = a_columns; j < s.lda; j++)
                ((real *)o.a.data)[row * s.lda + j] = (real)NAN;
        }
        run_portable(&s, o.a.data, o.b.data, o.bias.data, o.c.data);
        check_result(&s, &o);
        operands_free(&o);
    }
}

/* A NaN or an infinity in the operands shows in the result (but for ReLU). */
static void test_nonfinite(void **state)
{
    (void)state;
    for (int flags = 0; flags < 8; flags++) {
        gemm_shape s = flagged(12, 19, 23, flags);
        operands o;
        operands_new(&o, &s);
        for (size_t i = 0; i < s.k * s.m; i++)
            ((real *)o.a.data)[i] = (real)INFINITY;
        run_portable(&s, o.a.data, o.b.data, o.bias.data, o.c.data);
        for (size_t i = 0; i < s.m * s.n; i++)
            assert_false(isfinite(((real *)o.c.data)[i]));
        operands_free(&o);
    }
}

static void test_bad_shapes(void **state)
{
    (void)state;
    static const gemm_shape bad[] = {
        {.m = 0, .n = 1, .k = 1},
        {.m = 1, .n = 1, .k = 0},
        {.m = 4, .n = 4, .k = 4, .lda = 3},
        {.m = 4, .n = 4, .k = 4, .ldc = 3},
        {.m = 4, .n = 8, .k = 4, .transpose_b = true, .ldb = 3},
        {.m = SIZE_MAX / 4, .n = 8, .k = 4},
        {.m = SIZE_MAX, .n = SIZE_MAX, .k = SIZE_MAX},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        gemm *plan = (gemm *)&bad;
        assert_int_equal(gemm_new(&plan, &bad[i]), NICEST_E_ARGUMENT);
        assert_ptr_equal(plan, &bad);
        assert_true(strlen(nicest_error()) > 10);
    }
    gemm_free(NULL);
    if (!gemm_has_bf16()) {
        gemm *plan = NULL;
        gemm_shape s = {.m = 64, .n = 64, .k = 64, .bf16 = true};
        assert_int_equal(gemm_new(&plan, &s), NICEST_E_UNSUPPORTED);
    }
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    size_t live = memory_live();
    for (size_t size = 8; size <= 200; size *= 5) {
        gemm_shape s = {.m = size, .n = size, .k = size};
        nicest_status status = NICEST_E_MEMORY;
        for (size_t call = 1; status != NICEST_OK; call++) {
            gemm *plan = NULL;
            memory_fail_at(call);
            status = gemm_new(&plan, &s);
            memory_fail_at(0);
            assert_true(status == NICEST_OK || status == NICEST_E_MEMORY);
            assert_true((plan != NULL) == (status == NICEST_OK));
            gemm_free(plan);
            assert_int_equal(memory_live(), live);
        }
    }
}

/* bf16 where it exists: the product of the rounded operands. */
static void test_bf16(void **state)
{
    (void)state;
    if (!gemm_has_bf16()) {
        print_message("no bf16 on this processor or in this build: skipped\n");
        skip();
    }
    gemm_shape s = flagged(64, 100, 300, 2);
    s.bf16 = true;
    operands o;
    operands_new(&o, &s);
    gemm *plan = NULL;
    assert_int_equal(gemm_new(&plan, &s), NICEST_OK);
    void *scratch = memory_new(gemm_scratch_size(plan), 1);
    gemm_run(plan, o.a.data, o.b.data, o.bias.data, o.c.data, scratch);
    for (size_t i = 0; i < s.m * s.n; i++) {
        double magnitude, want = expected(&s, &o, i / s.n, i % s.n, &magnitude);
        assert_true(fabs((double)((real *)o.c.data)[i] - want) <= 0x1p-7 * magnitude);
    }
    gemm_free(plan);
    memory_free(scratch);
    operands_free(&o);
}

#ifdef GEMM_WITH_ONEDNN
static void test_round_bf16(void **state)
{
    (void)state;
    static const float in[] = {1.0f,      -2.5f, 1.00390625f, 1.01171875f, 3.4e38f, INFINITY,
                               -INFINITY, NAN,   0.0f,        -0.0f,       1e-40f,  65504.0f};
    static const uint16_t want[] = {0x3f80, 0xc020, 0x3f80, 0x3f82, 0x7f80, 0x7f80,
                                    0xff80, 0,      0x0000, 0x8000, 0x0001, 0x4780};
    uint16_t out[12];
    gemm_round_bf16(out, in, 3, 4, 4);
    for (int i = 0; i < 12; i++) {
        if (isnan(in[i]))
            assert_true((out[i] & 0x7f80) == 0x7f80 && (out[i] & 0x7f) != 0);
        else
            assert_int_equal(out[i], want[i]);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_long_sums),
        cmocka_unit_test(test_rows_alone),
        cmocka_unit_test(test_rows_alike_in_tiles),
        cmocka_unit_test(test_threads_and_repeats),
        cmocka_unit_test(test_inside_region),
        cmocka_unit_test(test_padding_is_not_read_into_sums),
        cmocka_unit_test(test_nonfinite),
        cmocka_unit_test(test_bad_shapes),
        cmocka_unit_test(test_memory_runs_out),
        cmocka_unit_test(test_bf16),
#ifdef GEMM_WITH_ONEDNN
        cmocka_unit_test(test_round_bf16),
#endif
    };
    return cmocka_run_group_tests_name(gemm_backend(), tests, NULL, NULL);
}
