/* gemm.h - matrix products, the one place where nearly all time goes.
 *
 *     C[m,n] = end(start + A[m,k] B[k,n])
 *
 * All three are row-major. Each element of C is one sum over p = 0 .. k-1 in that order,
 * so its bits depend on row i of A and column j of B alone: not on m, n, strides, threads or
 * addresses. AVX2 and AVX-512 give the same bits; without fused multiply-adds they are others.
 *
 * The columns of B and C are the rows of a tile (flow/layer.h), so weights are read as they are
 * stored, each a broadcast to many rows: nothing is packed on the way. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "kernel/real.h"

/* Columns of B that lie together in a panel; n may end within one. */
enum { GEMM_PANEL = 64 };
/* What lies behind the columns of B, up to a multiple of so many, is read and not used. */
enum { GEMM_COLUMNS = 16 };

typedef enum gemm_start {
    GEMM_ZERO,
    GEMM_ADD, /* to what C holds */
    GEMM_BIAS /* bias[i], the same for a whole row of C */
} gemm_start;

typedef enum gemm_end {
    GEMM_PLAIN,
    GEMM_RELU,  /* max(0, sum); NaN becomes 0: callers check finiteness */
    GEMM_SLOPE, /* times what C holds: a derivative on the way back; not with GEMM_ADD */
    GEMM_GATE   /* where C holds more than 0, else 0: the same of ReLU, read from its result */
} gemm_end;

/* Memory that will be wanted after the products that carry it: they have it brought into cache
 * while they multiply, a little with each tile. */
enum { GEMM_PREFETCHES = 4 };
typedef struct gemm_prefetch {
    const char *next[GEMM_PREFETCHES], *end[GEMM_PREFETCHES];
    int count;
} gemm_prefetch;

typedef struct gemm_shape {
    size_t m, n, k;         /* all at least 1; with bf16, k counts pairs */
    size_t lda;             /* element (i, p) of A is a[i lda + p]; or 0: A lies in tiles */
    size_t b_step, b_panel; /* (p, j) of B is b[(j / 64) b_panel + p b_step + j % 64] */
    size_t ldc;
    size_t parts; /* 0, 1: one sum. Else as many sums over k, one after the other, in one: A and B
                     of */
    size_t a_part, b_part; /* each lie so far behind those of the part before */
    gemm_start start;
    gemm_end end;
    /* A and B hold pairs of bf16 in the place of floats: p = 2q in the low half, 2q + 1 in the high
     * one (gemm_pairs). Products and sums are float. */
    bool bf16;
    gemm_prefetch *prefetch; /* NULL: nothing */
} gemm_shape;

/* Never allocates and never fails. `bias` [m] is read with GEMM_BIAS only. */
void gemm_run(const gemm_shape *shape, const real *a, const real *b, const real *bias, real *c);

/* The same of doubles, in both builds: for states. */
#ifdef NICEST_DOUBLE
#define gemm_run_double gemm_run
#else
void gemm_run_f64(const gemm_shape *shape, const double *a, const double *b, const double *bias,
                  double *c);
#define gemm_run_double gemm_run_f64
#endif

enum { GEMM_TILE_ROWS = 6 };
/* A in tiles: rows 6t .. 6t+5 as [k, 6], one tile after the other, the last as narrow as it is.
 * These are the rows first .. first+rows-1 of x[k, m], which become columns of A[m, k] = x'. */
void gemm_to_tiles(real *tiles, const real *x, size_t first, size_t rows, size_t k, size_t m);
/* panels = transpose of x[width, rows]: panel j is [rows, 64], element (r, i) is x[64 j + i, r];
 * what is missing of the last panel is filled with zeros. */
void gemm_to_panels(real *panels, const real *x, size_t width, size_t rows);

/* ------------------------------------------------------------------ instruction sets */

typedef enum gemm_level { GEMM_PLAIN_C, GEMM_AVX2, GEMM_AVX512, GEMM_LEVELS } gemm_level;

/* The best that the processor and the build have; name for `nicest version`. */
gemm_level gemm_best_level(void);
const char *gemm_level_name(gemm_level level);
/* For tests: products of this process run at `level` from now on, which is at most the best. */
void gemm_set_level(gemm_level level);

/* ------------------------------------------------------------------ bf16 */

/* True when this processor multiplies bf16 faster than float (AVX512_BF16). Elsewhere the products
 * are there as well, in plain float arithmetic, for tests. */
bool gemm_has_bf16(void);

#ifndef NICEST_DOUBLE
/* pairs[i, q] = (x[i, 2q], x[i, 2q + 1]) of x[rows, columns] with stride ldx, rounded to nearest,
 * ties to even; an odd last column is paired with 0. pairs has stride (columns + 1) / 2. */
void gemm_pair_columns(float *pairs, const float *x, size_t rows, size_t columns, size_t ldx);
/* pairs[q, j] = (x[2q, j], x[2q + 1, j]), dense; an odd last row as above. */
void gemm_pair_rows(float *pairs, const float *x, size_t rows, size_t columns, size_t ldx);
/* gemm_to_tiles of the pairs of rows of x: tiles [(k + 1) / 2, 6]. `first` is even, and so is
 * `rows` unless they end with x. */
void gemm_to_pair_tiles(float *tiles, const float *x, size_t first, size_t rows, size_t k,
                        size_t m);
#endif
