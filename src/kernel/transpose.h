/* transpose.h - eight rows of eight become eight columns, in registers; for the files of gemm only. */
#ifndef NICEST_KERNEL_TRANSPOSE_H
#define NICEST_KERNEL_TRANSPOSE_H

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

/* Rows i and i + 4 dealt out like cards; three times, and eight rows are eight columns. */
TRANSPOSE_INLINE void deal(eight *out, const eight *in)
{
    for (int i = 0; i < 4; i++) {
        out[2 * i] = CHOOSE(in[i], in[i + 4], 0, 8, 1, 9, 2, 10, 3, 11);
        out[2 * i + 1] = CHOOSE(in[i], in[i + 4], 4, 12, 5, 13, 6, 14, 7, 15);
    }
}

/* column[p] = x[0 .. 7, p] */
TRANSPOSE_INLINE void transposed_columns(eight *column, const real *x, size_t ldx)
{
    eight rows[8];
    for (int i = 0; i < 8; i++)
        rows[i] = *(const stored_eight *)(x + (size_t)i * ldx);
    deal(column, rows);
    deal(rows, column);
    deal(column, rows);
}

#endif
