/* peak.c - see peak.h. Independent chains of multiply-adds, enough of them to fill the pipelines. */
#include "apply/peak.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/parallel.h"

enum { CHAINS = 12, ROUNDS = 2000000, TRIES = 5, BLOCK = 64 << 20 };

/* One body for every vector width: the compiler keeps the chains in registers. */
#define CHAIN_BODY(bytes)                                                          \
    typedef float chain __attribute__((vector_size(bytes)));                       \
    chain sum[CHAINS], factor = {0}, step = {0};                                   \
    for (int i = 0; i < CHAINS; i++)                                               \
        sum[i] = (chain){0} + (float)i;                                            \
    factor += 0.999f;                                                              \
    step += 0.001f;                                                                \
    for (int round = 0; round < ROUNDS; round++)                                   \
        for (int i = 0; i < CHAINS; i++)                                           \
            sum[i] = sum[i] * factor + step;                                       \
    for (int i = 1; i < CHAINS; i++)                                               \
        sum[0] += sum[i];                                                          \
    *result = sum[0][0];                                                           \
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

static double chains(float *result)
{
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f"))
        return chains_avx512(result);
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return chains_avx2(result);
    return chains_plain(result);
}
#else
static double chains(float *result)
{
    return chains_plain(result);
}
#endif

typedef struct effort {
    double work[256]; /* of each thread: operations, or bytes */
    float sink[256];
    const uint64_t *block;
    size_t words;
} effort;

static void run_chains(void *context, int thread, size_t item)
{
    effort *e = context;
    (void)item;
    e->work[thread] = chains(&e->sink[thread]);
}

static void read_block(void *context, int thread, size_t item)
{
    effort *e = context;
    size_t count = e->words / 256, first = item * count;
    uint64_t sum = 0;
    (void)thread;
    for (size_t i = first; i < first + count; i++)
        sum += e->block[i];
    e->sink[item] = (float)sum;
}

static int bounded(int threads)
{
    int available = threads > 0 ? threads : parallel_available();
    return available < 256 ? available : 256;
}

double peak_f32(int threads)
{
    effort e = {.words = 0};
    double best = 0;
    threads = bounded(threads);
    for (int attempt = 0; attempt < TRIES; attempt++) {
        double sum = 0, start = parallel_clock();
        parallel_each(threads, run_chains, &e);
        double seconds = parallel_clock() - start;
        for (int i = 0; i < threads; i++)
            sum += e.work[i];
        best = fmax(best, sum / seconds * 1e-9);
    }
    return best;
}

double peak_bandwidth(int threads)
{
    effort e = {.words = BLOCK};
    uint64_t *block = memory_new(e.words, sizeof *block);
    double best = 0;
    if (!block)
        return NAN;
    for (size_t i = 0; i < e.words; i++)
        block[i] = i;
    e.block = block;
    for (int attempt = 0; attempt < TRIES; attempt++) {
        double start = parallel_clock();
        parallel_for(bounded(threads), 256, read_block, &e);
        double seconds = parallel_clock() - start;
        best = fmax(best, (double)e.words * sizeof *block / seconds * 1e-9);
    }
    memory_free(block);
    return best;
}
