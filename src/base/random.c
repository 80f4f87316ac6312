/* random.c - Philox4x32-10 as a function of (seed, purpose, draw, row, column).
 *
 * Owns the layout of the counter: {block, draw, row low, row high | purpose << 24}; the key is the
 * seed. The constants and rounds are those of Random123 (Salmon et al., 2011); they stand here as a
 * loop over many blocks, so that the compiler makes vectors of them, and a test holds them against
 * Random123 itself. */
#include "base/random.h"

#include <assert.h>
#include <math.h>

#include "base/clones.h"

enum { BLOCKS = 64 };

/* Words of up to 64 blocks: word w of block b is at[w][b]. A block is a row of columns turned on
 * its side, because so the rounds run down whole vectors. */
typedef struct philox_words {
    uint32_t at[4][BLOCKS];
} philox_words;

static const double TWO_PI = 6.283185307179586476925286766559;

#define HIGH_PRODUCT(a, b) ((uint32_t)((uint64_t)(a) * (b) >> 32))

/* One round on the counter c0..c3. High and low products are taken apart, because so the compiler
 * finds the vector instructions for them. */
#define ROUND(number)                                                                              \
    do {                                                                                           \
        uint32_t high0 = HIGH_PRODUCT(c0, 0xD2511F53u), low0 = c0 * 0xD2511F53u;                   \
        uint32_t high1 = HIGH_PRODUCT(c2, 0xCD9E8D57u), low1 = c2 * 0xCD9E8D57u;                   \
        c0 = high1 ^ c1 ^ (key0 + (number)*0x9E3779B9u);                                           \
        c2 = high0 ^ c3 ^ (key1 + (number)*0xBB67AE85u);                                           \
        c1 = low1;                                                                                 \
        c3 = low0;                                                                                 \
    } while (0)

/* Blocks first..first+count-1. The ten rounds are written out, because only then does the compiler
 * take one block for one lane of a vector. */
VECTOR_CLONES
static void philox(random_stream stream, uint64_t row, uint32_t first, uint32_t count,
                   philox_words *words)
{
    uint32_t row_low = (uint32_t)row, row_high = (uint32_t)(row >> 32) | stream.purpose << 24;
    uint32_t key0 = (uint32_t)stream.seed, key1 = (uint32_t)(stream.seed >> 32);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t c0 = first + i, c1 = stream.draw, c2 = row_low, c3 = row_high;
        ROUND(0);
        ROUND(1);
        ROUND(2);
        ROUND(3);
        ROUND(4);
        ROUND(5);
        ROUND(6);
        ROUND(7);
        ROUND(8);
        ROUND(9);
        words->at[0][i] = c0;
        words->at[1][i] = c1;
        words->at[2][i] = c2;
        words->at[3][i] = c3;
    }
}

/* The words for columns at..n-1, or as many of them as fit; each block serves `per_block` columns.
 * Returns the number of columns served. */
static size_t next_words(random_stream stream, uint64_t row, size_t at, size_t n, size_t per_block,
                         philox_words *words)
{
    size_t left = n - at, most = BLOCKS * per_block;
    size_t count = left < most ? left : most;
    philox(stream, row, (uint32_t)(at / per_block), (uint32_t)((count + per_block - 1) / per_block),
           words);
    return count;
}

static void check_stream(random_stream stream, uint64_t row)
{
    assert(stream.purpose < 256);
    assert(row >> 56 == 0);
    (void)stream;
    (void)row;
}

/* Two words as 52 bits plus a half: on the open interval (0, 1), so logarithms are finite. */
static double open_unit(uint32_t high, uint32_t low)
{
    double k = (double)(high >> 6) * 67108864.0 + (double)(low >> 6);
    return (k + 0.5) * 0x1p-52;
}

static float unit_float(uint32_t word)
{
    return (float)(int32_t)(word >> 8) * 0x1p-24f;
}

void random_uniform(random_stream stream, uint64_t row, float *out, size_t n)
{
    check_stream(stream, row);
    philox_words words;
    for (size_t at = 0, count; at < n; at += count) {
        count = next_words(stream, row, at, n, 4, &words);
        for (size_t b = 0; b < count / 4; b++) {
            for (size_t w = 0; w < 4; w++)
                out[at + 4 * b + w] = unit_float(words.at[w][b]);
        }
        for (size_t i = count / 4 * 4; i < count; i++)
            out[at + i] = unit_float(words.at[i % 4][i / 4]);
    }
}

void random_uniform_double(random_stream stream, uint64_t row, double *out, size_t n)
{
    check_stream(stream, row);
    philox_words words;
    for (size_t at = 0, count; at < n; at += count) {
        count = next_words(stream, row, at, n, 2, &words);
        for (size_t i = 0; i < count; i++) {
            double high = (double)(words.at[i % 2 * 2][i / 2] >> 5);
            double low = (double)(words.at[i % 2 * 2 + 1][i / 2] >> 6);
            out[at + i] = (high * 67108864.0 + low) * 0x1p-53;
        }
    }
}

/* Box-Muller: a block gives the pair of normals of columns 2i and 2i+1. */
void random_normal(random_stream stream, uint64_t row, double *out, size_t n)
{
    check_stream(stream, row);
    philox_words words;
    for (size_t at = 0, count; at < n; at += count) {
        count = next_words(stream, row, at, n, 2, &words);
        for (size_t i = 0; i < count; i += 2) {
            size_t b = i / 2;
            double radius = sqrt(-2.0 * log(open_unit(words.at[0][b], words.at[1][b])));
            double angle = TWO_PI * open_unit(words.at[2][b], words.at[3][b]);
            out[at + i] = radius * cos(angle);
            if (i + 1 < count)
                out[at + i + 1] = radius * sin(angle);
        }
    }
}

void random_logistic(random_stream stream, uint64_t row, double *out, size_t n)
{
    check_stream(stream, row);
    philox_words words;
    for (size_t at = 0, count; at < n; at += count) {
        count = next_words(stream, row, at, n, 2, &words);
        for (size_t i = 0; i < count; i++) {
            size_t w = i % 2 * 2, b = i / 2;
            double u = open_unit(words.at[w][b], words.at[w + 1][b]);
            out[at + i] = log(u) - log1p(-u);
        }
    }
}

nicest_status random_check_rows(size_t n)
{
    return n <= UINT32_MAX ? NICEST_OK
                           : fail(NICEST_E_UNSUPPORTED,
                                  "%zu rows are more than can be put in random order (%lu)", n,
                                  (unsigned long)UINT32_MAX);
}

void random_permutation(random_stream stream, uint32_t *order, size_t n)
{
    check_stream(stream, 0);
    assert(n <= UINT32_MAX);
    philox_words words;
    for (size_t at = 0, count; at < n; at += count) {
        count = next_words(stream, 0, at, n, 2, &words);
        for (size_t i = 0; i < count; i++) {
            size_t here = at + i, w = i % 2 * 2, b = i / 2;
            /* a number up to `here` from 64 bits; its bias is below 2^-32 */
            uint64_t bound = here + 1, carry = words.at[w + 1][b] * bound >> 32;
            size_t other = (words.at[w][b] * bound + carry) >> 32;
            order[here] = (uint32_t)here; /* the shuffle grows from the front */
            order[here] = order[other];
            order[other] = (uint32_t)here;
        }
    }
}
