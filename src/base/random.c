/* random.c - Philox4x32-10 as a function of (seed, purpose, draw, row, column).
 *
 * Owns the layout of the counter: {block, draw, row low, row high | purpose << 24}; the key is the
 * seed. The constants and rounds are those of Random123 (Salmon et al., 2011); they stand here as a
 * loop over many blocks, so that the compiler makes vectors of them, and a test holds them against
 * Random123 itself. */
#include "base/random.h"

#include <assert.h>
#include <math.h>

/* This floor lies below kernel/vector.h, so it clones its one hot loop itself. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(NICEST_PORTABLE)
#define RANDOM_CLONES                                                                              \
    __attribute__((target_clones("default", "arch=haswell", "arch=skylake-avx512")))
#else
#define RANDOM_CLONES
#endif

enum { LANES = 16, ROUNDS = 10, WORDS = 4 * LANES };

static const double TWO_PI = 6.283185307179586476925286766559;

/* The words of blocks first..first+15 in the order of their columns. A counter word lives in 64
 * bits: its product with the multiplier then needs no widening. */
RANDOM_CLONES
static void philox(random_stream stream, uint64_t row, uint32_t first, uint32_t words[WORDS])
{
    uint64_t c0[LANES], c1[LANES], c2[LANES], c3[LANES];
    for (uint32_t i = 0; i < LANES; i++) {
        c0[i] = first + i;
        c1[i] = stream.draw;
        c2[i] = (uint32_t)row;
        c3[i] = (uint32_t)(row >> 32) | stream.purpose << 24;
    }
    uint32_t key0 = (uint32_t)stream.seed, key1 = (uint32_t)(stream.seed >> 32);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < LANES; i++) {
            uint64_t p0 = (c0[i] & 0xffffffffu) * 0xD2511F53u;
            uint64_t p1 = (c2[i] & 0xffffffffu) * 0xCD9E8D57u;
            c0[i] = p1 >> 32 ^ c1[i] ^ key0;
            c2[i] = p0 >> 32 ^ c3[i] ^ key1;
            c1[i] = p1 & 0xffffffffu;
            c3[i] = p0 & 0xffffffffu;
        }
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    for (int i = 0; i < LANES; i++) {
        words[4 * i] = (uint32_t)c0[i];
        words[4 * i + 1] = (uint32_t)c1[i];
        words[4 * i + 2] = (uint32_t)c2[i];
        words[4 * i + 3] = (uint32_t)c3[i];
    }
}

static void check(random_stream stream, uint64_t row)
{
    assert(stream.purpose < 256);
    assert(row >> 56 == 0);
    (void)stream;
    (void)row;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Two words as 52 bits plus a half: on the open interval (0, 1), so logarithms are finite. */
static double open_unit(uint32_t high, uint32_t low)
{
    double k = (double)(high >> 6) * 67108864.0 + (double)(low >> 6);
    return (k + 0.5) * 0x1p-52;
}

void random_uniform(random_stream stream, uint64_t row, float *out, size_t n)
{
    check(stream, row);
    uint32_t words[WORDS];
    for (size_t at = 0; at < n; at += WORDS) {
        philox(stream, row, (uint32_t)(at / 4), words);
        size_t count = smaller(WORDS, n - at);
        for (size_t i = 0; i < count; i++)
            out[at + i] = (float)(int32_t)(words[i] >> 8) * 0x1p-24f;
    }
}

void random_uniform_double(random_stream stream, uint64_t row, double *out, size_t n)
{
    check(stream, row);
    uint32_t words[WORDS];
    for (size_t at = 0; at < n; at += WORDS / 2) {
        philox(stream, row, (uint32_t)(at / 2), words);
        size_t count = smaller(WORDS / 2, n - at);
        for (size_t i = 0; i < count; i++) {
            double high = (double)(words[2 * i] >> 5), low = (double)(words[2 * i + 1] >> 6);
            out[at + i] = (high * 67108864.0 + low) * 0x1p-53;
        }
    }
}

/* Box-Muller: a block gives the pair of normals of columns 2i and 2i+1. */
void random_normal(random_stream stream, uint64_t row, double *out, size_t n)
{
    check(stream, row);
    uint32_t words[WORDS];
    for (size_t at = 0; at < n; at += WORDS / 2) {
        philox(stream, row, (uint32_t)(at / 2), words);
        size_t count = smaller(WORDS / 2, n - at);
        for (size_t i = 0; i < count; i += 2) {
            const uint32_t *w = words + 2 * i;
            double radius = sqrt(-2.0 * log(open_unit(w[0], w[1])));
            double angle = TWO_PI * open_unit(w[2], w[3]);
            out[at + i] = radius * cos(angle);
            if (i + 1 < count)
                out[at + i + 1] = radius * sin(angle);
        }
    }
}

void random_logistic(random_stream stream, uint64_t row, double *out, size_t n)
{
    check(stream, row);
    uint32_t words[WORDS];
    for (size_t at = 0; at < n; at += WORDS / 2) {
        philox(stream, row, (uint32_t)(at / 2), words);
        size_t count = smaller(WORDS / 2, n - at);
        for (size_t i = 0; i < count; i++) {
            double u = open_unit(words[2 * i], words[2 * i + 1]);
            out[at + i] = log(u) - log1p(-u);
        }
    }
}

/* A number below `bound` from 64 bits; its bias is below 2^-32. */
static uint32_t below(uint32_t bound, uint32_t high, uint32_t low)
{
    uint64_t carry = (uint64_t)low * bound >> 32;
    return (uint32_t)(((uint64_t)high * bound + carry) >> 32);
}

void random_permutation(random_stream stream, uint32_t *order, size_t n)
{
    check(stream, 0);
    assert(n <= UINT32_MAX);
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    uint32_t words[WORDS];
    for (size_t at = 0; at < n; at += WORDS / 2) {
        philox(stream, 0, (uint32_t)(at / 2), words);
        size_t count = smaller(WORDS / 2, n - at);
        for (size_t i = 0; i < count; i++) {
            size_t here = at + i;
            size_t other = below((uint32_t)here + 1, words[2 * i], words[2 * i + 1]);
            uint32_t moved = order[here];
            order[here] = order[other];
            order[other] = moved;
        }
    }
}
