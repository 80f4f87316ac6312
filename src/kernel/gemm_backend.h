/* gemm_backend.h - what stands behind gemm.h, for gemm.c and for tests only.
 *
 * gemm_portable.c: plain C, float or double, every shape. gemm_onednn.c: float and bf16 by oneDNN.
 * Shapes that come here are checked and have their leading dimensions filled in. */
#ifndef NICEST_KERNEL_GEMM_BACKEND_H
#define NICEST_KERNEL_GEMM_BACKEND_H

#include <stdint.h>

#include "kernel/gemm.h"

#if !defined(NICEST_PORTABLE) && !defined(NICEST_DOUBLE)
#define GEMM_WITH_ONEDNN 1
#endif

/* ---- gemm_portable.c: no state; a row's bits depend on n, k and the operands, never on m. */

size_t gemm_portable_scratch_size(const gemm_shape *shape);
void gemm_portable_run(const gemm_shape *shape, const real *a, const real *b, const real *bias,
                       real *c, void *scratch);
/* Shapes so small that entering oneDNN costs more than it brings; decided by n and k alone. */
bool gemm_portable_preferred(const gemm_shape *shape);

/* ---- gemm_onednn.c */

#ifdef GEMM_WITH_ONEDNN
typedef struct gemm_onednn gemm_onednn;

bool gemm_onednn_has_bf16(void);
size_t gemm_onednn_longest_tile(void);
/* "oneDNN 2.6.3" */
const char *gemm_onednn_name(void);
/* NICEST_E_UNSUPPORTED where oneDNN has no code for the shape. */
nicest_status gemm_onednn_new(gemm_onednn **plan, const gemm_shape *shape);
void gemm_onednn_free(gemm_onednn *plan);
size_t gemm_onednn_scratch_size(const gemm_onednn *plan);
/* NaN fills C if oneDNN fails while it runs, so that the failure cannot pass for a result. */
void gemm_onednn_run(gemm_onednn *plan, const float *a, const float *b, const float *bias, float *c,
                     void *scratch);
/* Nearest bf16, ties to even, of rows x columns floats; NaN stays NaN. Dense out. */
void gemm_round_bf16(uint16_t *out, const float *in, size_t rows, size_t columns, size_t stride);
#endif

#endif
