/* gemm_levels.h - the tiles of each instruction set, for gemm.c only. */
#pragma once

#include "kernel/gemm.h"

/* A tile that is one vector wide may have twice the rows: so many sums at least keep the units
 * busy. */
enum { TILE_ROWS = 6, TILE_TALL_ROWS = 12, TILE_MOST_VECTORS = 4, PREFETCH_BYTES = 16 };

/* One tile's operands; as in gemm_shape, from the tile's first element on. */
typedef struct gemm_tile {
    const real *a, *b, *bias;
    real *c;
    size_t a_row, a_step, b_step, ldc, k, parts, a_part, b_part;
    const char *prefetch, *further; /* PREFETCH_BYTES of each are fetched in every step of k */
    gemm_start start;
    gemm_end end;
} gemm_tile;

/* sum[rows] += A[rows, k] b for one column of B. */
enum { COLUMN_ROWS = 32 };
typedef struct gemm_column {
    const real *a, *b;
    size_t rows, a_row, b_step, k;
} gemm_column;

/* Tiles of an instruction set: at [vectors - 1][rows - 1] that of `rows` by `vectors` x `lanes`. */
typedef struct gemm_tiles {
    size_t lanes, vectors;
    void (*run[TILE_MOST_VECTORS][TILE_TALL_ROWS])(const gemm_tile *t);
    void (*add_column)(const gemm_column *c, real *sum); /* NULL for pairs of bf16 */
} gemm_tiles;

/* NULL where the build has none. */
const gemm_tiles *gemm_tiles_of(gemm_level level, bool bf16);
/* With the processor's own products of bf16, or NULL. */
const gemm_tiles *gemm_tiles_native_bf16(void);
