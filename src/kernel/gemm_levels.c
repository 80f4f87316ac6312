/* gemm_levels.c - gemm_tile.h, once for each instruction set that the build knows.
 *
 * Owns which instruction sets there are, and their headers. What runs where is chosen by gemm.c. */
#include "kernel/gemm_levels.h"

#include <stddef.h>

#include "base/processor.h"
#include "kernel/transpose.h"

#if defined(__x86_64__) && !defined(NICEST_PORTABLE)
#define WITH_X86 1
#include <immintrin.h>
#endif

#if defined(__GNUC__) && !defined(__clang__)
/* Products and sums contract to FMA where there is one; ISO mode would forbid it. */
#pragma GCC optimize("O3", "fp-contract=fast", "no-trapping-math")
#define UNROLL _Pragma("GCC unroll 16")
#else
#if defined(__clang__)
#pragma STDC FP_CONTRACT ON
#endif
#define UNROLL _Pragma("clang loop unroll(full)")
#endif

/* Vectors across a tile of the plain level: AArch64 has 32 registers, x86-64's base 16. GCC would
 * keep two sums of a tile of four in memory. */
#ifdef __aarch64__
#define PLAIN_VECTORS 3
#else
#define PLAIN_VECTORS 2
#endif

/* ------------------------------------------------------------------ real */

#define TILE(name) plain_##name
#define TILE_TARGET
#define TILE_BYTES   16
#define TILE_VECTORS PLAIN_VECTORS
#include "kernel/gemm_tile.h"

#ifdef WITH_X86
#define TILE(name)   avx2_##name
#define TILE_TARGET  __attribute__((target("avx2,fma")))
#define TILE_BYTES   32
#define TILE_VECTORS 2
#include "kernel/gemm_tile.h"

/* GCC's address sanitizer puts 64-byte vectors into frames that are aligned to 32: bug 110027. */
#ifndef __SANITIZE_ADDRESS__
#define WITH_AVX512  1
#define TILE(name)   avx512_##name
#define TILE_TARGET  __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,fma")))
#define TILE_BYTES   64
#define TILE_VECTORS 4
#include "kernel/gemm_tile.h"
#endif
#endif

/* ------------------------------------------------------------------ pairs of bf16 */

#ifndef NICEST_DOUBLE
/* A bf16 is the upper half of a float: both halves of each word, widened, in plain arithmetic. */
#define WIDENED(integers, sum, b, a)                                                               \
    do {                                                                                           \
        uint32_t word;                                                                             \
        __builtin_memcpy(&word, (a), sizeof word);                                                 \
        union {                                                                                    \
            uint32_t bits;                                                                         \
            float value;                                                                           \
        } low = {word << 16}, high = {word & 0xffff0000u};                                         \
        (sum) += (__typeof__(sum))((integers)(b) << 16) * low.value;                               \
        (sum) += (__typeof__(sum))((integers)(b)&0xffff0000u) * high.value;                        \
    } while (0)

typedef uint32_t words16 __attribute__((vector_size(16)));
typedef uint32_t words32 __attribute__((vector_size(32)));

#define TILE(name) plain_pairs_##name
#define TILE_TARGET
#define TILE_BYTES          16
#define TILE_VECTORS        PLAIN_VECTORS
#define TILE_DOT(sum, b, a) WIDENED(words16, sum, b, a)
#include "kernel/gemm_tile.h"

#ifdef WITH_X86
#define TILE(name)          avx2_pairs_##name
#define TILE_TARGET         __attribute__((target("avx2,fma")))
#define TILE_BYTES          32
#define TILE_VECTORS        2
#define TILE_DOT(sum, b, a) WIDENED(words32, sum, b, a)
#include "kernel/gemm_tile.h"
#endif

#ifdef WITH_AVX512
/* The even products and the odd ones, added to the sum. */
#define DOT_PAIRS(sum, b, a)                                                                       \
    ((sum) = (__typeof__(sum))_mm512_dpbf16_ps((__m512)(sum), (__m512bh)(b),                       \
                                               (__m512bh)_mm512_set1_ps(*(a))))
#define TILE(name)          avx512_bf16_##name
#define TILE_TARGET         __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx512bf16,fma")))
#define TILE_BYTES          64
#define TILE_VECTORS        4
#define TILE_DOT(sum, b, a) DOT_PAIRS(sum, b, a)
#include "kernel/gemm_tile.h"
#endif
#endif

/* ------------------------------------------------------------------ which there are */

static const gemm_tiles *pairs_of(gemm_level level)
{
    (void)level;
#ifdef NICEST_DOUBLE
    return NULL;
#else
#ifdef WITH_X86
    if (level >= GEMM_AVX2)
        return &avx2_pairs_tiles;
#endif
    return &plain_pairs_tiles;
#endif
}

const gemm_tiles *gemm_tiles_of(gemm_level level, bool bf16)
{
    if (bf16)
        return pairs_of(level);
#ifdef WITH_AVX512
    if (level == GEMM_AVX512)
        return &avx512_tiles;
#endif
#ifdef WITH_X86
    if (level == GEMM_AVX2)
        return &avx2_tiles;
#endif
    return level == GEMM_PLAIN_C ? &plain_tiles : NULL;
}

const gemm_tiles *gemm_tiles_native_bf16(void)
{
#if defined(WITH_AVX512) && !defined(NICEST_DOUBLE)
    if (processor_has_avx512_bf16())
        return &avx512_bf16_tiles;
#endif
    return NULL;
}
