/* transpose.h - eight rows of eight become eight columns, in registers; for gemm's files only. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernel/real.h"

#define TRANSPOSE_INLINE static inline __attribute__((always_inline))

typedef real eight __attribute__((vector_size(8 * sizeof(real))));
/* The same where it lies in memory: aligned like its elements, and seen as them. */
typedef real stored_eight
    __attribute__((vector_size(8 * sizeof(real)), aligned(sizeof(real)), may_alias));
#ifdef NICEST_DOUBLE
typedef int64_t eight_places __attribute__((vector_size(8 * sizeof(real))));
#else
typedef int32_t eight_places __attribute__((vector_size(8 * sizeof(real))));
#endif

#if defined(__clang__)
#define CHOOSE(x, y, ...) __builtin_shufflevector(x, y, __VA_ARGS__)
#else
#define CHOOSE(x, y, ...) __builtin_shuffle(x, y, (eight_places){__VA_ARGS__})
#endif

/* column[p] = x[0 .. 7, p]. Halves change places first, then fours are transposed within halves,
 * which processors shuffle on more than one unit. */
TRANSPOSE_INLINE void transposed_columns(eight *column, const real *x, size_t ldx)
{
    eight rows[8], pairs[8];
    for (int i = 0; i < 4; i++) {
        eight first = *(const stored_eight *)(x + (size_t)i * ldx);
        eight second = *(const stored_eight *)(x + (size_t)(i + 4) * ldx);
        rows[i] = CHOOSE(first, second, 0, 1, 2, 3, 8, 9, 10, 11);
        rows[i + 4] = CHOOSE(first, second, 4, 5, 6, 7, 12, 13, 14, 15);
    }
    for (int i = 0; i < 8; i += 2) {
        pairs[i] = CHOOSE(rows[i], rows[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        pairs[i + 1] = CHOOSE(rows[i], rows[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    for (int i = 0; i < 8; i += 4)
        for (int j = 0; j < 2; j++) {
            column[i + 2 * j] = CHOOSE(pairs[i + j], pairs[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
            column[i + 2 * j + 1] =
                CHOOSE(pairs[i + j], pairs[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        }
}
