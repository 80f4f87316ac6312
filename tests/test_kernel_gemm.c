/* Matrix products against a plain sum in long double: every size round a tile, every start and end,
 * with operands that end where memory ends, on every instruction set of this machine; the law that
 * an element's bits depend on its row of A and its column of B alone; and the forms that operands
 * are brought into.
 *
 * Built for float here and for double by test_kernel_gemm_double.c. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "base/random.h"
#include "guard_pages.h"
#include "kernel/gemm.h"

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

static size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* Elements from the first of B to the last that may be read. */
static size_t extent_b(const gemm_shape *s)
{
    size_t last = (s->n - 1) / GEMM_PANEL, within = s->n - last * GEMM_PANEL;
    return last * s->b_panel + (s->k - 1) * s->b_step + round_up(within, GEMM_COLUMNS);
}

static void operands_new(operands *o, const gemm_shape *s)
{
    numbers(&o->a, (s->m - 1) * s->lda + s->k, 1);
    numbers(&o->b, extent_b(s), 2);
    numbers(&o->bias, s->m, 3);
    o->c_size = (s->m - 1) * s->ldc + s->n;
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

static void run(const gemm_shape *s, const operands *o)
{
    gemm_run(s, o->a.data, o->b.data, o->bias.data, o->c.data);
}

/* One element as the contract defines it, and the sum of magnitudes that bounds its error. */
static double expected(const gemm_shape *s, const operands *o, size_t i, size_t j,
                       double *magnitude)
{
    const real *a = o->a.data, *b = o->b.data, *bias = o->bias.data;
    double held = (double)o->first_c[i * s->ldc + j];
    long double sum = s->start == GEMM_ADD ? held : s->start == GEMM_BIAS ? bias[i] : 0, size = 0;
    for (size_t p = 0; p < s->k; p++) {
        long double x = a[i * s->lda + p];
        long double y = b[j / GEMM_PANEL * s->b_panel + p * s->b_step + j % GEMM_PANEL];
        sum += x * y;
        size += fabsl(x * y);
    }
    *magnitude = (double)size + 2;
    switch (s->end) {
    case GEMM_RELU:
        return sum > 0 ? (double)sum : 0;
    case GEMM_SLOPE:
        return (double)sum * held;
    case GEMM_GATE:
        return held > 0 ? (double)sum : 0;
    default:
        return (double)sum;
    }
}

static void check_result(const gemm_shape *s, const operands *o)
{
    const real *c = o->c.data;
    for (size_t i = 0; i < s->m; i++) {
        for (size_t j = 0; j < s->n; j++) {
            double magnitude, want = expected(s, o, i, j, &magnitude);
            double error = fabs((double)c[i * s->ldc + j] - want);
            if (!(error <= 2 * EPSILON * magnitude * sqrt((double)s->k)))
                fail_msg("%zux%zux%zu at %zu,%zu: %g instead of %g (start %d end %d)", s->m, s->n,
                         s->k, i, j, (double)c[i * s->ldc + j], want, (int)s->start, (int)s->end);
        }
        for (size_t j = s->n; j < s->ldc && i + 1 < s->m; j++)
            assert_memory_equal(&c[i * s->ldc + j], &o->first_c[i * s->ldc + j], sizeof(real));
    }
}

static void check(const gemm_shape *s)
{
    operands o;
    operands_new(&o, s);
    size_t before = memory_calls();
    run(s, &o);
    assert_int_equal(memory_calls(), before);
    check_result(s, &o);
    operands_free(&o);
}

/* Bits of `flags`: B in panels, loose strides; then start and end. */
static gemm_shape flagged(size_t m, size_t n, size_t k, unsigned flags)
{
    bool panels = flags & 1, loose = flags & 2;
    gemm_shape s = {.m = m, .n = n, .k = k, .start = flags / 4 % 3, .end = flags / 12 % 4};
    s.lda = k + 3 * loose;
    s.b_step = panels ? GEMM_PANEL : round_up(n, GEMM_COLUMNS) + 5 * loose;
    s.b_panel = panels ? GEMM_PANEL * k + 2 * loose : GEMM_PANEL;
    s.ldc = n + 7 * loose;
    if (s.start == GEMM_ADD && s.end >= GEMM_SLOPE)
        s.start = GEMM_ZERO;
    return s;
}

enum { FLAGS = 4 * 3 * 4 };

/* Runs `body` on every instruction set that is here, and returns to the best. */
static void on_every_level(void (*body)(void))
{
    for (int level = 0; level <= (int)gemm_best_level(); level++) {
        gemm_set_level((gemm_level)level);
        body();
    }
    gemm_set_level(gemm_best_level());
}

/* Every triple of sizes, each with a few of the flag sets in turn. */
static void sizes(void)
{
    static const size_t SIZES[] = {1, 2, 3, 5, 6, 7, 13, 16, 31, 33, 64, 97};
    enum { COUNT = sizeof SIZES / sizeof *SIZES };
    unsigned turn = 0;
    for (int x = 0; x < COUNT * COUNT * COUNT; x++)
        for (int repeat = 0; repeat < 3; repeat++) {
            gemm_shape s = flagged(SIZES[x % COUNT], SIZES[x / COUNT % COUNT],
                                   SIZES[x / COUNT / COUNT], turn++ * 29 % FLAGS);
            check(&s);
        }
}

/* Several panels, long sums, with every flag. */
static void flags(void)
{
    static const size_t shapes[][3] = {
        {1, 130, 300}, {103, 70, 200}, {50, 192, 257}, {9, 21, 3031}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (unsigned f = 0; f < FLAGS; f++) {
            gemm_shape s = flagged(shapes[i][0], shapes[i][1], shapes[i][2], f);
            check(&s);
        }
}

static void test_sizes(void **state)
{
    (void)state;
    on_every_level(sizes);
}

static void test_flags(void **state)
{
    (void)state;
    on_every_level(flags);
}

/* The last rows of one column alone have the bits that they have in the product; column as [k, 16].
 */
static void column_bits(const gemm_shape *whole, const operands *o, size_t row, size_t column,
                        const real *b)
{
    gemm_shape s = *whole;
    real c[128];
    s.m -= row;
    s.n = s.ldc = 1;
    s.b_step = GEMM_COLUMNS;
    for (size_t i = 0; i < s.m; i++)
        c[i] = o->first_c[(row + i) * whole->ldc + column];
    gemm_run(&s, (real *)o->a.data + row * s.lda, b, (real *)o->bias.data + row, c);
    for (size_t i = 0; i < s.m; i++)
        assert_memory_equal(c + i, (real *)o->c.data + (row + i) * whole->ldc + column, sizeof *c);
}

/* One element alone, and in products that cut A and B otherwise, has the same bits. */
static void bits(void)
{
    gemm_shape s = flagged(101, 150, 300, 2 * 12 + 4 * 2); /* bias, slope */
    operands o;
    operands_new(&o, &s);
    run(&s, &o);
    static const size_t places[][2] = {{0, 0}, {5, 63}, {6, 64}, {99, 149}, {100, 0}, {50, 77}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        size_t row = places[i][0], column = places[i][1];
        real b[300 * GEMM_COLUMNS] = {0}, c = o.first_c[row * s.ldc + column];
        for (size_t p = 0; p < s.k; p++)
            b[p * GEMM_COLUMNS] = ((real *)o.b.data)[p * s.b_step + column];
        gemm_shape one = s;
        one.m = one.n = 1;
        one.b_step = GEMM_COLUMNS;
        gemm_run(&one, (real *)o.a.data + row * s.lda, b, (real *)o.bias.data + row, &c);
        assert_memory_equal(&c, (real *)o.c.data + row * s.ldc + column, sizeof c);
        column_bits(&s, &o, row, column, b);
    }
    operands_free(&o);
}

static void test_bits_of_one_element(void **state)
{
    (void)state;
    on_every_level(bits);
}

/* Panels and rows give the same bits. */
static void forms(void)
{
    enum { M = 31, N = 100, K = 77 };
    gemm_shape plain = flagged(M, N, K, 4), panels = flagged(M, N, K, 4 + 1);
    operands x, y;
    operands_new(&x, &plain);
    operands_new(&y, &panels);
    for (size_t p = 0; p < K; p++)
        for (size_t j = 0; j < N; j++)
            ((real *)y.b.data)[j / GEMM_PANEL * panels.b_panel + p * GEMM_PANEL + j % GEMM_PANEL] =
                ((real *)x.b.data)[p * plain.b_step + j];
    run(&plain, &x);
    run(&panels, &y);
    assert_memory_equal(x.c.data, y.c.data, x.c_size * sizeof(real));
    operands_free(&x);
    operands_free(&y);
}

static void test_forms_have_the_same_bits(void **state)
{
    (void)state;
    on_every_level(forms);
}

/* AVX2 and AVX-512 fuse alike and sum in the same order. */
static void test_bits_of_avx2_and_avx512(void **state)
{
    (void)state;
    if (gemm_best_level() < GEMM_AVX512)
        skip();
    gemm_shape s = flagged(101, 150, 300, 4 * 2 + 12);
    operands one, two;
    operands_new(&one, &s);
    operands_new(&two, &s);
    gemm_set_level(GEMM_AVX2);
    run(&s, &one);
    gemm_set_level(GEMM_AVX512);
    run(&s, &two);
    assert_memory_equal(one.c.data, two.c.data, one.c_size * sizeof(real));
    operands_free(&one);
    operands_free(&two);
}

typedef struct crowd {
    const gemm_shape *shape;
    const operands *operands;
    real *c;
} crowd;

static void run_in_crowd(void *context, int thread, size_t item)
{
    const crowd *all = context;
    (void)thread;
    size_t size = all->shape->m * all->shape->ldc;
    gemm_run(all->shape, all->operands->a.data, all->operands->b.data, all->operands->bias.data,
             all->c + item * size);
}

static void test_threads_share_operands(void **state)
{
    (void)state;
    gemm_shape s = flagged(70, 64, 90, 12 + 8);
    operands o;
    operands_new(&o, &s);
    real *c = memory_new(16 * s.m * s.ldc, sizeof *c);
    parallel_for(8, 16, run_in_crowd, &(crowd){&s, &o, c});
    for (size_t i = 1; i < 16; i++)
        assert_memory_equal(c, c + i * s.m * s.ldc, s.m * s.ldc * sizeof *c);
    memory_free(c);
    operands_free(&o);
}

/* NaN and infinity in one column of B stay in that column of C. */
static void nonfinite(void)
{
    gemm_shape s = flagged(13, 40, 20, 0);
    operands o;
    operands_new(&o, &s);
    ((real *)o.b.data)[3 * s.b_step + 7] = (real)NAN;
    ((real *)o.b.data)[4 * s.b_step + 9] = (real)INFINITY;
    run(&s, &o);
    for (size_t i = 0; i < s.m * s.n; i++)
        assert_int_equal(isfinite(((real *)o.c.data)[i]), i % s.n != 7 && i % s.n != 9);
    operands_free(&o);
}

static void test_nonfinite(void **state)
{
    (void)state;
    on_every_level(nonfinite);
}

/* Tiles of a transpose, filled in parts of its rows, multiply to the same bits as the transpose. */
static void tiles(void)
{
    static const size_t sizes[] = {1, 5, 6, 7, 31};
    for (size_t x = 0; x < 25; x++) {
        size_t m = sizes[x % 5], k = sizes[x / 5], first = k / 3;
        gemm_shape plain = flagged(m, 20, k, 4), tiled = plain;
        operands o;
        operands_new(&o, &plain);
        guarded stored = guard_new(m * k * sizeof(real)), packed = guard_new(m * k * sizeof(real));
        for (size_t i = 0; i < m * k; i++)
            ((real *)stored.data)[i % k * m + i / k] =
                ((real *)o.a.data)[i / k * plain.lda + i % k];
        run(&plain, &o);
        real *c = memory_new(o.c_size, sizeof *c);
        memcpy(c, o.first_c, o.c_size * sizeof *c);
        gemm_to_tiles(packed.data, stored.data, 0, first, k, m);
        gemm_to_tiles(packed.data, stored.data, first, k - first, k, m);
        tiled.lda = 0;
        gemm_run(&tiled, packed.data, o.b.data, o.bias.data, c);
        assert_memory_equal(c, o.c.data, o.c_size * sizeof *c);
        memory_free(c);
        guard_free(&stored);
        guard_free(&packed);
        operands_free(&o);
    }
}

static void test_tiles(void **state)
{
    (void)state;
    on_every_level(tiles);
}

/* Sums that lie in parts are one sum. */
static void parts_over(size_t n)
{
    enum { M = 45, K = 30, PARTS = 3 };
    gemm_shape whole = flagged(M, n, K * PARTS, 4), cut = whole;
    operands o;
    operands_new(&o, &whole);
    run(&whole, &o);
    real *a = memory_new(M * K * PARTS, sizeof *a), *c = memory_new(o.c_size, sizeof *c);
    memcpy(c, o.first_c, o.c_size * sizeof *c);
    for (size_t i = 0; i < M * K * PARTS; i++) {
        size_t row = i / (K * PARTS), p = i % (K * PARTS);
        a[p / K * M * K + row * K + p % K] = ((real *)o.a.data)[row * whole.lda + p];
    }
    cut.k = cut.lda = K;
    cut.parts = PARTS;
    cut.a_part = M * K;
    cut.b_part = K * whole.b_step;
    gemm_run(&cut, a, o.b.data, o.bias.data, c);
    assert_memory_equal(c, o.c.data, o.c_size * sizeof *c);
    memory_free(a);
    memory_free(c);
    operands_free(&o);
}

static void parts(void)
{
    parts_over(70);
    parts_over(1);
}

static void test_parts(void **state)
{
    (void)state;
    on_every_level(parts);
}

/* What is fetched ahead changes no bit, may end anywhere, and is done once. */
static void test_ahead(void **state)
{
    (void)state;
    gemm_shape s = flagged(48, 100, 64, 1);
    operands o;
    operands_new(&o, &s);
    run(&s, &o);
    real *c = memory_new(o.c_size, sizeof *c);
    memcpy(c, o.first_c, o.c_size * sizeof *c);
    const char *begin = o.b.data;
    gemm_prefetch prefetch = {{begin, begin + 7, begin}, {begin + 5000, begin + 7, begin + 1}, 3};
    s.prefetch = &prefetch;
    gemm_run(&s, o.a.data, o.b.data, o.bias.data, c);
    assert_memory_equal(c, o.c.data, o.c_size * sizeof *c);
    for (int i = 0; i < prefetch.count; i++)
        assert_true(prefetch.next[i] >= prefetch.end[i]);
    memory_free(c);
    operands_free(&o);
}

static void test_panels(void **state)
{
    (void)state;
    static const size_t widths[] = {1, 3, 4, 63, 64, 65, 200};
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
        for (size_t rows = 4; rows <= 128; rows *= 2) {
            size_t width = widths[w];
            guarded x, panels;
            const real *from = numbers(&x, width * rows, 1);
            const real *to = numbers(&panels, round_up(width, GEMM_PANEL) * rows, 2);
            gemm_to_panels(panels.data, from, width, rows);
            for (size_t i = 0; i < round_up(width, GEMM_PANEL); i++)
                for (size_t r = 0; r < rows; r++) {
                    real found = to[(i / GEMM_PANEL * rows + r) * GEMM_PANEL + i % GEMM_PANEL];
                    assert_true(found == (i < width ? from[i * rows + r] : 0));
                }
            guard_free(&x);
            guard_free(&panels);
        }
}

#ifndef NICEST_DOUBLE
static uint16_t half(float word, int which)
{
    uint32_t bits;
    memcpy(&bits, &word, sizeof bits);
    return (uint16_t)(which ? bits >> 16 : bits);
}

static float widened(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void test_rounding_to_bf16(void **state)
{
    (void)state;
    static const float in[] = {1.0f, -2.5f, 1.00390625f, 1.01171875f, 3.4e38f,  INFINITY, -INFINITY,
                               NAN,  0.0f,  -0.0f,       1e-40f,      65504.0f, 3.0f};
    static const uint16_t want[] = {0x3f80, 0xc020, 0x3f80, 0x3f82, 0x7f80, 0x7f80, 0xff80,
                                    0,      0x0000, 0x8000, 0x0001, 0x4780, 0x4040};
    float pairs[7], column[7];
    gemm_pair_columns(pairs, in, 1, 13, 13);
    gemm_pair_rows(column, in, 13, 1, 1);
    assert_memory_equal(pairs, column, sizeof pairs);
    for (int i = 0; i < 13; i++) {
        uint16_t found = half(pairs[i / 2], i % 2);
        if (isnan(in[i]))
            assert_true((found & 0x7f80) == 0x7f80 && (found & 0x7f) != 0);
        else
            assert_int_equal(found, want[i]);
    }
    assert_int_equal(half(pairs[6], 1), 0);
}

/* A product of pairs is the product of the rounded operands, whoever computes it; and with the
 * processor's own instruction where there is one. */
static void pairs(void)
{
    enum { M = 50, N = 100, K = 77, HALF = 39, WIDE = 112 };
    static float a[M * K], b[K * WIDE], a_pairs[M * HALF], b_pairs[HALF * WIDE], c[M * N];
    for (size_t i = 0; i < M * K; i++)
        a[i] = (float)(i * 37 % 101) / 50 - 1;
    for (size_t i = 0; i < K * WIDE; i++)
        b[i] = (float)(i * 53 % 89) / 44 - 1;
    gemm_pair_columns(a_pairs, a, M, K, K);
    gemm_pair_rows(b_pairs, b, K, WIDE, WIDE);
    gemm_shape s = {.m = M,
                    .n = N,
                    .k = HALF,
                    .lda = HALF,
                    .b_step = WIDE,
                    .b_panel = GEMM_PANEL,
                    .ldc = N,
                    .bf16 = true};
    gemm_run(&s, a_pairs, b_pairs, NULL, c);
    for (size_t i = 0; i < M * N; i++) {
        double want = 0, size = 0;
        for (size_t q = 0; q < HALF; q++)
            for (int h = 0; h < 2; h++) {
                double product = (double)widened(half(a_pairs[i / N * HALF + q], h)) *
                                 (double)widened(half(b_pairs[q * WIDE + i % N], h));
                want += product;
                size += fabs(product);
            }
        assert_true(fabs((double)c[i] - want) <= 1e-5 * size);
    }
}

/* Tiles of pairs are the tiles of the pairs: of odd and even rows, in parts or at once, within
 * guards. */
static void test_pair_tiles(void **state)
{
    (void)state;
    static const size_t rows[] = {1, 2, 7, 96, 101}, columns[] = {1, 5, 6, 13, 96, 97, 200};
    for (size_t i = 0; i < sizeof rows / sizeof *rows * 7; i++) {
        size_t k = rows[i / 7], m = columns[i % 7], half = (k + 1) / 2, cut = k / 4 * 2;
        guarded x, found = guard_new(half * m * sizeof(float));
        numbers(&x, k * m, 5);
        float *pairs = memory_new(half * m, sizeof *pairs),
              *want = memory_new(half * m, sizeof *want);
        gemm_pair_rows(pairs, x.data, k, m, m);
        gemm_to_tiles(want, pairs, 0, half, half, m);
        gemm_to_pair_tiles(found.data, x.data, 0, cut, k, m);
        gemm_to_pair_tiles(found.data, x.data, cut, k - cut, k, m);
        assert_memory_equal(found.data, want, half * m * sizeof *want);
        memory_free(pairs);
        memory_free(want);
        guard_free(&x);
        guard_free(&found);
    }
}

static void test_pairs(void **state)
{
    (void)state;
    on_every_level(pairs);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_bits_of_one_element),
        cmocka_unit_test(test_forms_have_the_same_bits),
        cmocka_unit_test(test_bits_of_avx2_and_avx512),
        cmocka_unit_test(test_threads_share_operands),
        cmocka_unit_test(test_nonfinite),
        cmocka_unit_test(test_tiles),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_ahead),
        cmocka_unit_test(test_panels),
#ifndef NICEST_DOUBLE
        cmocka_unit_test(test_rounding_to_bf16),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_pair_tiles),
#endif
    };
    return cmocka_run_group_tests_name(gemm_level_name(gemm_best_level()), tests, NULL, NULL);
}
