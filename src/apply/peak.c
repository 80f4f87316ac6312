/* peak.c - see bench.h. Independent chains of multiply-adds, enough of them to fill the pipelines.
 *
 * A peak is the best of many short tries (some tenths of a millisecond): what other programs take
 * from a try is no property of the machine. */
#include "apply/bench.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clones.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/processor.h"

enum { CHAINS = 12, ROUNDS = 150000, BLOCK = 64 << 20, SLICES = 256, READS = 5, MOST_TEAM = 256 };

static const double TRYING = 0.2; /* seconds for a peak */

/* Floating-point operations of one thread's share of a try. *result keeps the compiler from leaving
 * out the work: chains start from it, because one whose numbers are known would be computed by the
 * compiler (the one from 1 stays 1: a peak was a twelfth too high for it), and end in it. */
typedef double chain_body(float *result);

/* ------------------------------------------------------------------ chains in float */

/* One body for every vector width: the compiler keeps the chains in registers. */
#define CHAIN_BODY(bytes)                                                                          \
    typedef float chain __attribute__((vector_size(bytes)));                                       \
    chain sum[CHAINS], factor = {0}, step = {0};                                                   \
    for (int i = 0; i < CHAINS; i++)                                                               \
        sum[i] = (chain){0} + (*result + (float)i);                                                \
    factor += 0.999f;                                                                              \
    step += 0.001f;                                                                                \
    for (int round = 0; round < ROUNDS; round++)                                                   \
        for (int i = 0; i < CHAINS; i++)                                                           \
            sum[i] = sum[i] * factor + step;                                                       \
    for (int i = 1; i < CHAINS; i++)                                                               \
        sum[0] += sum[i];                                                                          \
    *result = sum[0][0];                                                                           \
    return 2.0 * CHAINS * ROUNDS * (double)((bytes) / sizeof(float))

#if defined(__GNUC__) && !defined(__clang__)
#define CONTRACT __attribute__((optimize("O3", "fp-contract=fast")))
#else
#define CONTRACT
#endif

CONTRACT static double chains_plain(float *result)
{
    CHAIN_BODY(16);
}

#if defined(__x86_64__) && defined(__GNUC__)
CONTRACT __attribute__((target("avx2,fma"))) static double chains_avx2(float *result)
{
    CHAIN_BODY(32);
}

CONTRACT __attribute__((target("avx512f"))) static double chains_avx512(float *result)
{
    CHAIN_BODY(64);
}

static chain_body *chains_f32(void)
{
    return processor_has_avx512() ? chains_avx512
           : processor_has_avx2() ? chains_avx2
                                  : chains_plain;
}

/* ------------------------------------------------------------------ chains in bf16 */

/* No expression of C becomes vdpbf16ps, so it is written out: 14 chains, as many as one statement
 * of assembly may name, each of 16 sums that take two products. They have names because an array of
 * them would live in memory. */
#define DOT(chain) "vdpbf16ps %14, %14, %" #chain "\n\t"

__attribute__((target("avx512f,avx512bf16"))) static double chains_avx512_bf16(float *result)
{
    typedef float chain __attribute__((vector_size(64)));
    const chain o = (chain){0} + *result;
    chain a = o, b = o, c = o, d = o, e = o, f = o, g = o, h = o, i = o, j = o, k = o, l = o, m = o,
          n = o;
    for (int round = 0; round < ROUNDS; round++)
        __asm__ volatile(DOT(0) DOT(1) DOT(2) DOT(3) DOT(4) DOT(5) DOT(6) DOT(7) DOT(8) DOT(9)
                             DOT(10) DOT(11) DOT(12) DOT(13)
                         : "+v"(a), "+v"(b), "+v"(c), "+v"(d), "+v"(e), "+v"(f), "+v"(g), "+v"(h),
                           "+v"(i), "+v"(j), "+v"(k), "+v"(l), "+v"(m), "+v"(n)
                         : "v"(o));
    chain sum = a + b + c + d + e + f + g + h + i + j + k + l + m + n;
    *result = sum[0];
    return 2.0 * 2 * 16 * 14 * ROUNDS;
}

static chain_body *chains_bf16(void)
{
    return processor_has_avx512_bf16() ? chains_avx512_bf16 : NULL;
}

#else
static chain_body *chains_f32(void)
{
    return chains_plain;
}

static chain_body *chains_bf16(void)
{
    return NULL;
}
#endif

/* ------------------------------------------------------------------ tries */

typedef struct effort {
    chain_body *chains;
    double work[MOST_TEAM]; /* operations of each thread */
    float sink[SLICES];
    const uint64_t *block;
} effort;

static void run_chains(void *context, int thread, size_t item)
{
    effort *e = context;
    (void)thread;
    e->work[item] = e->chains(&e->sink[item]);
}

static int team_of(int threads)
{
    int available = threads > 0 ? threads : parallel_available();
    return available < MOST_TEAM ? available : MOST_TEAM;
}

static double best_chains(chain_body *chains, int threads)
{
    effort e = {.chains = chains};
    double best = 0, begin = parallel_clock();
    threads = team_of(threads);
    while (parallel_clock() - begin < TRYING) {
        double sum = 0, start = parallel_clock();
        parallel_for(threads, (size_t)threads, run_chains, &e);
        double seconds = parallel_clock() - start;
        for (int i = 0; i < threads; i++)
            sum += e.work[i];
        best = fmax(best, sum / seconds * 1e-9);
    }
    return best;
}

double peak_f32(int threads)
{
    return best_chains(chains_f32(), threads);
}

double peak_bf16(int threads)
{
    chain_body *chains = chains_bf16();
    return chains ? best_chains(chains, threads) : NAN;
}

/* ------------------------------------------------------------------ memory */

VECTOR_CLONES
static void read_slice(void *context, int thread, size_t item)
{
    effort *e = context;
    (void)thread;
    const uint64_t *word = e->block + item * (BLOCK / SLICES);
    size_t count = BLOCK / SLICES;
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += word[i];
    e->sink[item] = (float)sum;
}

static double best_reading(effort *e, int threads)
{
    double best = 0;
    for (int attempt = 0; attempt < READS; attempt++) {
        double start = parallel_clock();
        parallel_for(threads, SLICES, read_slice, e);
        best = fmax(best, (double)BLOCK * sizeof *e->block / (parallel_clock() - start) * 1e-9);
    }
    return best;
}

void peak_bandwidth(int threads, double *all, double *one)
{
    uint64_t *block = memory_new(BLOCK, sizeof *block);
    effort e = {.block = block};
    *all = *one = NAN;
    if (!block)
        return;
    for (size_t i = 0; i < BLOCK; i++)
        block[i] = i;
    *one = best_reading(&e, 1);
    *all = team_of(threads) > 1 ? best_reading(&e, team_of(threads)) : *one;
    memory_free(block);
}
