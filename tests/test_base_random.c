/* Random numbers: the reference Philox4x32-10 (its known answers, and Random123 where installed),
 * the layout of the counter, ranges, moments, and independence of order and length. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"

#if defined(__has_include)
#if __has_include(<Random123/philox.h>)
#define HAVE_RANDOM123 1
#include <Random123/philox.h>
#endif
#endif

/* The definition, one block at a time. */
static void philox_plain(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c[4], k[2] = {key[0], key[1]};
    memcpy(c, counter, sizeof c);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c[0], p1 = (uint64_t)0xCD9E8D57u * c[2];
        uint32_t next[4] = {(uint32_t)(p1 >> 32) ^ c[1] ^ k[0], (uint32_t)p1,
                            (uint32_t)(p0 >> 32) ^ c[3] ^ k[1], (uint32_t)p0};
        memcpy(c, next, sizeof c);
        k[0] += 0x9E3779B9u;
        k[1] += 0xBB67AE85u;
    }
    memcpy(out, c, sizeof c);
}

static void test_known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], answer[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < 3; i++) {
        uint32_t out[4];
        philox_plain(known[i].counter, known[i].key, out);
        assert_memory_equal(out, known[i].answer, sizeof out);
#ifdef HAVE_RANDOM123
        philox4x32_ctr_t counter;
        philox4x32_key_t key;
        memcpy(counter.v, known[i].counter, sizeof counter.v);
        memcpy(key.v, known[i].key, sizeof key.v);
        philox4x32_ctr_t theirs = philox4x32_R(10, counter, key);
        assert_memory_equal(theirs.v, known[i].answer, sizeof theirs.v);
#endif
    }
}

static void words_of(random_stream s, uint64_t row, uint32_t block, uint32_t out[4])
{
    const uint32_t counter[4] = {block, s.draw, (uint32_t)row,
                                 (uint32_t)(row >> 32) | s.purpose << 24};
    const uint32_t key[2] = {(uint32_t)s.seed, (uint32_t)(s.seed >> 32)};
    philox_plain(counter, key, out);
}

enum { MOST = 1000 };

/* The counter is laid out as random.c says, so models stay reproducible for ever. */
static void test_layout(void **state)
{
    (void)state;
    static const random_stream streams[] = {
        {0, 0, 0},
        {1, RANDOM_INIT, 0},
        {0x299f31d0a4093822u, RANDOM_SCORE, 0x85a308d3},
        {UINT64_MAX, 255, UINT32_MAX},
    };
    static const uint64_t rows[] = {
        0, 1, 0x13198a2e, 0xffffffffu, 0x70734413198a2eu, ((uint64_t)1 << 56) - 1};
    static float single[MOST];
    static double twice[MOST];
    for (size_t s = 0; s < 4; s++) {
        for (size_t r = 0; r < 6; r++) {
            random_uniform(streams[s], rows[r], single, MOST);
            random_uniform_double(streams[s], rows[r], twice, MOST);
            for (uint32_t i = 0; i < MOST; i++) {
                uint32_t w[4];
                words_of(streams[s], rows[r], i / 4, w);
                assert_true(single[i] == (float)(w[i % 4] >> 8) / 16777216.0f);
                words_of(streams[s], rows[r], i / 2, w);
                uint64_t bits = (uint64_t)(w[i % 2 * 2] >> 5) << 26 | w[i % 2 * 2 + 1] >> 6;
                assert_true(twice[i] == (double)bits / 9007199254740992.0);
            }
        }
    }
}

/* A number depends on its column, not on how many were asked for. */
static void test_prefixes(void **state)
{
    (void)state;
    random_stream s = {3, RANDOM_USER, 9};
    static float all_f[MOST], some_f[MOST];
    static double all[MOST], some[MOST];
    random_uniform(s, 5, all_f, MOST);
    for (size_t n = 0; n < MOST; n += n < 300 ? 1 : 97) {
        some_f[n] = -5;
        random_uniform(s, 5, some_f, n);
        assert_memory_equal(some_f, all_f, n * sizeof(float));
        assert_true(some_f[n] == -5);
    }
    void (*const makers[])(random_stream, uint64_t, double *,
                           size_t) = {random_uniform_double, random_normal, random_logistic};
    for (int m = 0; m < 3; m++) {
        makers[m](s, 5, all, MOST);
        for (size_t n = 0; n < MOST; n += n < 300 ? 1 : 97) {
            some[n] = -500;
            makers[m](s, 5, some, n);
            assert_memory_equal(some, all, n * sizeof(double));
            assert_true(some[n] == -500);
        }
    }
}

/* Streams that differ in one field only share no run of numbers. */
static void test_streams_differ(void **state)
{
    (void)state;
    const random_stream base = {11, RANDOM_SCORE, 4};
    random_stream others[4] = {base, base, base, base};
    others[0].seed++;
    others[1].purpose++;
    others[2].draw++;
    others[3].seed += (uint64_t)1 << 32;
    float x[64], y[64];
    random_uniform(base, 8, x, 64);
    for (int i = 0; i < 5; i++) {
        random_uniform(i < 4 ? others[i] : base, i < 4 ? 8 : 9, y, 64);
        int equal = 0;
        for (int j = 0; j < 64; j++)
            equal += x[j] == y[j];
        assert_true(equal < 3);
    }
}

enum { ROWS = 500, COLUMNS = 784 };

static void moments(const double *x, size_t n, double *mean, double *variance, double *fourth)
{
    double m = 0, v = 0, f = 0;
    for (size_t i = 0; i < n; i++)
        m += x[i] / (double)n;
    for (size_t i = 0; i < n; i++) {
        double d = x[i] - m;
        v += d * d / (double)n;
        f += d * d * d * d / (double)n;
    }
    *mean = m;
    *variance = v;
    *fourth = f / (v * v);
}

static void test_ranges_and_moments(void **state)
{
    (void)state;
    static double x[ROWS * COLUMNS];
    static float single[COLUMNS];
    random_stream s = {1, RANDOM_DEQUANTISE, 0};
    const double n = ROWS * COLUMNS;
    double mean, variance, fourth;
    for (uint64_t row = 0; row < ROWS; row++) {
        random_uniform(s, row, single, COLUMNS);
        for (size_t j = 0; j < COLUMNS; j++) {
            assert_true(single[j] >= 0 && single[j] < 1);
            x[row * COLUMNS + j] = (double)single[j];
        }
    }
    moments(x, ROWS * COLUMNS, &mean, &variance, &fourth);
    assert_true(fabs(mean - 0.5) < 5 * sqrt(1 / 12.0 / n));
    assert_true(fabs(variance - 1 / 12.0) < 5 * sqrt(1 / 180.0 / n));
    for (uint64_t row = 0; row < ROWS; row++)
        random_normal(s, row, x + row * COLUMNS, COLUMNS);
    moments(x, ROWS * COLUMNS, &mean, &variance, &fourth);
    assert_true(fabs(mean) < 5 / sqrt(n));
    assert_true(fabs(variance - 1) < 5 * sqrt(2 / n));
    assert_true(fabs(fourth - 3) < 5 * sqrt(24 / n));
    for (uint64_t row = 0; row < ROWS; row++)
        random_logistic(s, row, x + row * COLUMNS, COLUMNS);
    moments(x, ROWS * COLUMNS, &mean, &variance, &fourth);
    assert_true(fabs(mean) < 5 * 1.8138 / sqrt(n));
    assert_true(fabs(variance / 3.28986813 - 1) < 5 * sqrt(3.2 / n));
    assert_true(fabs(fourth - 4.2) < 0.25);
    for (size_t i = 0; i < ROWS * COLUMNS; i++)
        assert_true(isfinite(x[i]));
}

/* Neighbouring columns and neighbouring rows are uncorrelated. */
static void test_neighbours(void **state)
{
    (void)state;
    static double x[ROWS * COLUMNS];
    for (uint64_t row = 0; row < ROWS; row++)
        random_normal((random_stream){2, RANDOM_SAMPLE, 0}, row, x + row * COLUMNS, COLUMNS);
    static const size_t lags[] = {1, 2, 3, 4, COLUMNS, COLUMNS + 1};
    for (size_t l = 0; l < 6; l++) {
        double sum = 0, n = ROWS * COLUMNS - (double)lags[l];
        for (size_t i = 0; i + lags[l] < ROWS * COLUMNS; i++)
            sum += x[i] * x[i + lags[l]];
        assert_true(fabs(sum / n) < 5 / sqrt(n));
    }
}

static void test_permutation(void **state)
{
    (void)state;
    static uint32_t order[MOST];
    static char seen[MOST];
    for (size_t n = 0; n < MOST; n += n < 10 ? 1 : 83) {
        random_permutation((random_stream){1, RANDOM_SHUFFLE, (uint32_t)n}, order, n);
        memset(seen, 0, sizeof seen);
        for (size_t i = 0; i < n; i++) {
            assert_true(order[i] < n && !seen[order[i]]);
            seen[order[i]] = 1;
        }
    }
    /* Each of the 24 orders of four comes equally often (chi squared, 23 degrees of freedom). */
    int count[256] = {0};
    for (uint32_t draw = 0; draw < 24000; draw++) {
        random_permutation((random_stream){1, RANDOM_SHUFFLE, draw}, order, 4);
        count[order[0] << 6 | order[1] << 4 | order[2] << 2 | order[3]]++;
    }
    double chi = 0;
    for (int i = 0; i < 256; i++)
        chi += count[i] > 0 ? (count[i] - 1000.0) * (count[i] - 1000.0) / 1000.0 : 0;
    assert_true(chi > 5 && chi < 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),      cmocka_unit_test(test_layout),
        cmocka_unit_test(test_prefixes),           cmocka_unit_test(test_streams_differ),
        cmocka_unit_test(test_ranges_and_moments), cmocka_unit_test(test_neighbours),
        cmocka_unit_test(test_permutation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
