/* gemm.h - matrix products, the one place where nearly all time goes.
 *
 *     C[m,n] (+)= op(A)[m,k] op(B)[k,n] (+ bias[n]), then ReLU if asked
 *
 * Row-major, leading dimensions in elements. A plan is made once for its shape and belongs to one
 * thread at a time (make one per thread: they are cheap). Running a plan never allocates memory of
 * ours, and its result depends on nothing but shape and operands: not on threads, not on addresses.
 * Behind it stand gemm_onednn.c (float) and gemm_portable.c (the oracle, double, tiny shapes). */
#ifndef NICEST_KERNEL_GEMM_H
#define NICEST_KERNEL_GEMM_H

#include <stdbool.h>
#include <stddef.h>

#include "kernel/real.h"
#include "nicest.h"

typedef struct gemm gemm;

typedef struct gemm_shape {
    size_t m, n, k;       /* C is m x n, the sum runs over k; all at least 1 */
    size_t lda, ldb, ldc; /* as stored; 0 means dense */
    bool transpose_a;     /* A is stored [k, m] */
    bool transpose_b;     /* B is stored [n, k] */
    bool bias;            /* a row of n is added */
    bool relu;            /* max(0, .) last; NaN stays NaN or becomes 0, callers check finiteness */
    bool accumulate;      /* C is added to instead of replaced */
    bool bf16;            /* operands rounded to bf16, sums in float; only where gemm_has_bf16() */
} gemm_shape;

/* True when this processor and build multiply bf16 faster than float. */
bool gemm_has_bf16(void);
/* The most rows of A, in powers of two from 4 on, among which a row of C has the same bits whatever their
 * number and its place: 128, or 64 where oneDNN's kernels (2.6, AVX2, B transposed) promise no more. */
size_t gemm_longest_tile(void);
/* Name of the implementation, for `nicest version -v` and bench. */
const char *gemm_backend(void);

nicest_status gemm_new(gemm **plan, const gemm_shape *shape);
void gemm_free(gemm *plan);
const gemm_shape *gemm_get_shape(const gemm *plan);

/* Bytes of scratch that gemm_run wants (64-byte aligned; may be 0). */
size_t gemm_scratch_size(const gemm *plan);
/* `bias` is read only when the shape has one. */
void gemm_run(gemm *plan, const real *a, const real *b, const real *bias, real *c, void *scratch);

#endif
