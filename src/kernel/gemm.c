/* gemm.c - the loops round the tiles of gemm_levels.c, and the forms that operands are brought
 * into.
 *
 * The larger operand is streamed once while the smaller one stays in cache: rows of A outside where
 * A is the weights, columns of B outside where B is a batch. */
#include "kernel/gemm.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clones.h"
#include "base/processor.h"
#include "kernel/gemm_levels.h"
#include "kernel/transpose.h"

#define INLINE static inline __attribute__((always_inline))

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* ------------------------------------------------------------------ instruction sets */

static _Atomic(int) chosen_level = -1;

gemm_level gemm_best_level(void)
{
    if (gemm_tiles_of(GEMM_AVX512, false) && processor_has_avx512())
        return GEMM_AVX512;
    return gemm_tiles_of(GEMM_AVX2, false) && processor_has_avx2() ? GEMM_AVX2 : GEMM_PLAIN_C;
}

const char *gemm_level_name(gemm_level level)
{
    static const char *const names[] = {"plain C", "AVX2", "AVX-512"};
    return names[level];
}

void gemm_set_level(gemm_level level)
{
    assert(level <= gemm_best_level());
    atomic_store_explicit(&chosen_level, (int)level, memory_order_relaxed);
}

static gemm_level level_now(void)
{
    int level = atomic_load_explicit(&chosen_level, memory_order_relaxed);
    if (level < 0) {
        level = (int)gemm_best_level();
        gemm_set_level((gemm_level)level);
    }
    return (gemm_level)level;
}

bool gemm_has_bf16(void)
{
    return gemm_tiles_native_bf16() != NULL && level_now() == GEMM_AVX512;
}

/* ------------------------------------------------------------------ tiles */

/* A tile that hangs over the last column of C: computed aside, in whole vectors. */
static void run_aside(void (*run)(const gemm_tile *), gemm_tile t, size_t rows, size_t columns,
                      size_t width)
{
    real aside[TILE_ROWS * GEMM_PANEL]; /* a tall one is narrower */
    real *c = t.c;
    size_t ldc = t.ldc;
    if (t.start == GEMM_ADD || t.end >= GEMM_SLOPE) {
        memset(aside, 0, rows * width * sizeof *c);
        for (size_t r = 0; r < rows; r++)
            memcpy(aside + r * width, c + r * ldc, columns * sizeof *c);
    }
    t.c = aside;
    t.ldc = width;
    run(&t);
    for (size_t r = 0; r < rows; r++)
        memcpy(c + r * ldc, aside + r * width, columns * sizeof *c);
}

static size_t parts_of(const gemm_shape *s)
{
    return s->parts ? s->parts : 1;
}

/* Bytes that a part of a tile has fetched ahead. */
static size_t prefetch_of_tile(const gemm_shape *s)
{
    return s->k * PREFETCH_BYTES;
}

/* The next piece of what the caller wants later; nothing left: what is in cache anyway. */
static const char *take_prefetch(const gemm_shape *s, const void *otherwise)
{
    gemm_prefetch *all = s->prefetch;
    for (int i = 0; all && i < all->count; i++)
        if (all->next[i] < all->end[i]) {
            const char *piece = all->next[i];
            all->next[i] += parts_of(s) * prefetch_of_tile(s);
            return piece;
        }
    return otherwise;
}

/* A product on its way: what all tiles share, and the one at hand. */
typedef struct product {
    const gemm_shape *shape;
    const gemm_tiles *tiles;
    const real *a, *b, *bias;
    real *c;
    size_t rows, across; /* of a full tile */
    size_t a_rows;       /* elements from one row of A, or of tiles, to the next */
    gemm_tile tile;
} product;

/* Columns of the tiles from column j on: none crosses the end of a panel. */
static size_t columns_from(const product *p, size_t j)
{
    return smaller(smaller(p->across, GEMM_PANEL - j % GEMM_PANEL), p->shape->n - j);
}

/* The tile whose first element is (row, j). `further` is what the product itself reads next. */
static void run_tile(product *p, size_t row, size_t j, size_t columns, const char *further)
{
    const gemm_shape *s = p->shape;
    size_t rows = smaller(p->rows, s->m - row);
    size_t lanes = p->tiles->lanes, vectors = (columns + lanes - 1) / lanes;
    void (*run)(const gemm_tile *) = p->tiles->run[vectors - 1][rows - 1];
    gemm_tile *t = &p->tile;
    t->a = p->a + row * p->a_rows;
    t->a_step = s->lda ? 1 : rows;
    t->b = p->b + j / GEMM_PANEL * s->b_panel + j % GEMM_PANEL;
    t->c = p->c + row * s->ldc + j;
    t->bias = p->bias ? p->bias + row : NULL;
    t->prefetch = take_prefetch(s, t->b);
    t->further = further;
    if (vectors * lanes == columns)
        run(t);
    else
        run_aside(run, *t, rows, columns, vectors * lanes);
}

/* Rows of A outside: while a tile's rows meet all columns, the rows of the next one are fetched. */
static void run_by_rows(product *p)
{
    for (size_t row = 0; row < p->shape->m; row += p->rows) {
        const char *next = (const char *)(p->a + (row + p->rows) * p->a_rows);
        for (size_t j = 0, columns; j < p->shape->n; j += columns) {
            columns = columns_from(p, j);
            run_tile(p, row, j, columns, next);
            next += prefetch_of_tile(p->shape);
        }
    }
}

/* Columns of B outside: while they meet all rows, the next columns are fetched. */
static void run_by_columns(product *p)
{
    for (size_t j = 0, columns; j < p->shape->n; j += columns) {
        columns = columns_from(p, j);
        const char *next = (const char *)(p->b + (j + columns) / GEMM_PANEL * p->shape->b_panel);
        for (size_t row = 0; row < p->shape->m; row += p->rows, next += prefetch_of_tile(p->shape))
            run_tile(p, row, j, columns, next);
    }
}

/* What the sum of an element starts from, and what becomes of it; as the tiles do it. */
static real start_of(const gemm_shape *s, real bias, real c)
{
    return s->start == GEMM_ADD ? c : s->start == GEMM_BIAS ? 0 + bias : 0;
}

static real end_of(const gemm_shape *s, real sum, real c)
{
    switch (s->end) {
    case GEMM_RELU:
        return sum > 0 ? sum : 0;
    case GEMM_SLOPE:
        return sum * c;
    case GEMM_GATE:
        return c > 0 ? sum : 0;
    default:
        return sum;
    }
}

/* One column of B, as when a row is scored alone. The rows after those at hand are fetched. */
static void run_column(const gemm_shape *s, const gemm_tiles *tiles, const real *a, const real *b,
                       const real *bias, real *c)
{
    real sum[COLUMN_ROWS];
    gemm_column column = {.a_row = s->lda, .b_step = s->b_step, .k = s->k};
    for (size_t row = 0; row < s->m; row += column.rows) {
        column.rows = smaller(COLUMN_ROWS, s->m - row);
        for (size_t r = 0; r < column.rows; r++)
            sum[r] = start_of(s, bias ? bias[row + r] : 0, c[(row + r) * s->ldc]);
        for (size_t part = 0; part < parts_of(s); part++) {
            column.a = a + row * s->lda + part * s->a_part;
            column.b = b + part * s->b_part;
            tiles->add_column(&column, sum);
        }
        for (size_t r = 0; r < column.rows; r++)
            c[(row + r) * s->ldc] = end_of(s, sum[r], c[(row + r) * s->ldc]);
    }
}

void gemm_run(const gemm_shape *s, const real *a, const real *b, const real *bias, real *c)
{
    gemm_level level = level_now();
    const gemm_tiles *native = s->bf16 && level == GEMM_AVX512 ? gemm_tiles_native_bf16() : NULL;
    const gemm_tiles *tiles = native ? native : gemm_tiles_of(level, s->bf16);
    if (s->n == 1 && s->lda && !s->bf16) {
        run_column(s, tiles, a, b, bias, c);
        return;
    }
    product p = {.shape = s,
                 .tiles = tiles,
                 .a = a,
                 .b = b,
                 .bias = bias,
                 .c = c,
                 .rows = s->lda && s->n <= tiles->lanes ? TILE_TALL_ROWS : TILE_ROWS,
                 .across = tiles->vectors * tiles->lanes,
                 .a_rows = s->lda ? s->lda : s->k,
                 .tile = {.a_row = s->lda ? s->lda : 1,
                          .b_step = s->b_step,
                          .ldc = s->ldc,
                          .k = s->k,
                          .parts = parts_of(s),
                          .a_part = s->a_part,
                          .b_part = s->b_part,
                          .start = s->start,
                          .end = s->end}};
    if (s->m > s->n)
        run_by_rows(&p);
    else
        run_by_columns(&p);
}

/* ------------------------------------------------------------------ tiles, panels */

INLINE void transpose_eight(real *out, size_t ldo, const real *x, size_t ldx)
{
    eight column[8];
    transposed_columns(column, x, ldx);
    for (int i = 0; i < 8; i++)
        *(stored_eight *)(out + (size_t)i * ldo) = column[i];
}

/* panel[rows, 64] = transpose of x[width, rows], eight by eight; width <= 64. */
VECTOR_CLONES
static void fill_panel(real *panel, const real *x, size_t width, size_t rows)
{
    size_t width8 = width / 8 * 8, rows8 = rows / 8 * 8;
    for (size_t r = 0; r < rows8; r += 8)
        for (size_t i = 0; i < width8; i += 8)
            transpose_eight(panel + r * GEMM_PANEL + i, GEMM_PANEL, x + i * rows + r, rows);
    for (size_t r = 0; r < rows; r++)
        for (size_t i = r < rows8 ? width8 : 0; i < GEMM_PANEL; i++)
            panel[r * GEMM_PANEL + i] = i < width ? x[i * rows + r] : 0;
}

void gemm_to_panels(real *panels, const real *x, size_t width, size_t rows)
{
    for (size_t i = 0; i < width; i += GEMM_PANEL)
        fill_panel(panels + i * rows, x + i * rows, smaller(GEMM_PANEL, width - i), rows);
}

/* One tile: six of every row. Eight are copied where more rows follow, whose six then lie on the
 * last two; and the same rows of the next tile are on their way into cache meanwhile. */
INLINE void fill_tile(real *tile, const real *x, size_t first, size_t rows, size_t k, size_t m)
{
    real *to = tile + first * TILE_ROWS;
    for (size_t p = 1; p < rows; p++, to += TILE_ROWS, x += m) {
        __builtin_prefetch(to + 2 * k * TILE_ROWS, 1, 3);
        *(stored_eight *)to = *(const stored_eight *)x;
    }
    memcpy(to, x, TILE_ROWS * sizeof *to);
}

VECTOR_CLONES
void gemm_to_tiles(real *tiles, const real *x, size_t first, size_t rows, size_t k, size_t m)
{
    size_t column = 0;
    for (; column + TILE_ROWS <= m; column += TILE_ROWS)
        fill_tile(tiles + column * k, x + first * m + column, first, rows, k, m);
    for (size_t p = first; p < first + rows; p++)
        for (size_t i = 0; i < m - column; i++)
            tiles[column * k + p * (m - column) + i] = x[p * m + column + i];
}

/* ------------------------------------------------------------------ bf16 */

#ifndef NICEST_DOUBLE
/* The nearest bf16, ties to even, in the upper half; NaN stays NaN. */
INLINE uint32_t rounded(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t nearest = bits + 0x7fff + (bits >> 16 & 1);
    return (bits & 0x7fffffff) > 0x7f800000 ? bits | 0x400000 : nearest;
}

INLINE float pair(float even, float odd)
{
    uint32_t bits = rounded(even) >> 16 | (rounded(odd) & 0xffff0000u);
    float word;
    memcpy(&word, &bits, sizeof word);
    return word;
}

VECTOR_CLONES
void gemm_pair_columns(float *pairs, const float *x, size_t rows, size_t columns, size_t ldx)
{
    size_t width = (columns + 1) / 2;
    for (size_t i = 0; i < rows; i++) {
        for (size_t q = 0; q < columns / 2; q++)
            pairs[i * width + q] = pair(x[i * ldx + 2 * q], x[i * ldx + 2 * q + 1]);
        if (columns % 2)
            pairs[(i + 1) * width - 1] = pair(x[i * ldx + columns - 1], 0);
    }
}

VECTOR_CLONES
void gemm_pair_rows(float *pairs, const float *x, size_t rows, size_t columns, size_t ldx)
{
    for (size_t q = 0; q < rows / 2; q++)
        for (size_t j = 0; j < columns; j++)
            pairs[q * columns + j] = pair(x[2 * q * ldx + j], x[(2 * q + 1) * ldx + j]);
    for (size_t j = 0; rows % 2 && j < columns; j++)
        pairs[rows / 2 * columns + j] = pair(x[(rows - 1) * ldx + j], 0);
}

/* Pairs of some columns of two rows at a time, dealt out to their tiles. */
VECTOR_CLONES
void gemm_to_pair_tiles(float *tiles, const float *x, size_t first, size_t rows, size_t k, size_t m)
{
    enum { SOME = 16 * TILE_ROWS };
    float line[SOME];
    size_t half = (k + 1) / 2;
    for (size_t from = 0; from < m; from += SOME)
        for (size_t p = first; p < first + rows; p += 2) {
            size_t n = smaller(SOME, m - from);
            gemm_pair_rows(line, x + p * m + from, smaller(2, first + rows - p), n, m);
            for (size_t i = 0; i < n; i += TILE_ROWS) {
                size_t width = smaller(TILE_ROWS, n - i);
                float *to = tiles + (from + i) * half + p / 2 * width;
                if (width == TILE_ROWS)
                    memcpy(to, line + i, TILE_ROWS * sizeof *to);
                else
                    memcpy(to, line + i, width * sizeof *to);
            }
        }
}
#endif
