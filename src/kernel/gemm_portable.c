/* gemm_portable.c - matrix products in plain C with the compiler's vector types.
 *
 * The oracle for every other backend, the only one in double, and the fastest for tiny shapes. A
 * tile of C lives in registers while the sum runs; B is packed only where enough rows share it.
 *
 * Two tiles: "outer" sums k in order, one element of C per lane; "dot" serves A B^T with one or two
 * columns, where outer tiles would be nearly empty, and deals k out to lanes. Which of them runs is
 * decided by n and k, and both treat every row alike: so a row's bits do not depend on the rows
 * beside it. */
#include "kernel/gemm_backend.h"

#include <stdint.h>
#include <string.h>

#include "base/clones.h"

#if defined(__GNUC__) && !defined(__clang__)
/* Products and sums contract to FMA where there is one; ISO mode would forbid it. */
#pragma GCC optimize("O3", "fp-contract=fast", "no-trapping-math",                                 \
                     "no-tree-loop-distribute-patterns")
#elif defined(__clang__)
#pragma STDC FP_CONTRACT ON
#endif

/* Vectors pass by pointer between these: by value their calling convention would depend on the
 * clone. All of it is inlined. */
#define INLINE static inline __attribute__((always_inline))

/* With clones the vectors are AVX's; without, the size of what every machine has. */
#if defined(__AVX__) || defined(__x86_64__) && !defined(__clang__) && !defined(NICEST_PORTABLE)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif

typedef real vector __attribute__((vector_size(VECTOR_BYTES)));
/* The same where it lies in memory: aligned like its elements, and seen as them. */
typedef real stored_vector
    __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(real)), may_alias));
#ifdef NICEST_DOUBLE
typedef int64_t lane_mask;
#else
typedef int32_t lane_mask;
#endif
typedef lane_mask mask_vector __attribute__((vector_size(VECTOR_BYTES)));
typedef lane_mask stored_mask
    __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(real)), may_alias));

enum {
    LANES = VECTOR_BYTES / sizeof(real),
    PANEL = 2 * LANES, /* columns of a packed panel of B */
    TILE_ROWS = 6,     /* 6 x 2 vectors of sums, and two of B, fit 16 registers */
    MOST_SUMS = 12,
    WIDE = 8,         /* vectors across C when there is only one row */
    BLOCK_K = 512,    /* depth after which sums go back to C */
    BLOCK_M = 96,     /* rows that share a packed block of A */
    PACK_ROWS = 24,   /* rows from which packing B pays, */
    PACK_MOST = 4096, /* unless it has no more elements than this */
    DOT_ROWS = 4,     /* 4 x 2 dot products at once */
    DOT_COLUMNS = 2,
    DOT_SUMS = DOT_ROWS * DOT_COLUMNS
};

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* ---------------------------------------------------------------- plan of attack */

static bool by_dots(const gemm_shape *s)
{
    return s->transpose_b && !s->transpose_a && s->k >= LANES && s->n <= DOT_COLUMNS;
}

static bool packs_b(const gemm_shape *s)
{
    bool pays = s->m >= PACK_ROWS && s->n > PACK_MOST / s->k;
    return !by_dots(s) && (s->transpose_b || s->n < LANES || pays);
}

static bool packs_a(const gemm_shape *s)
{
    return s->transpose_a && s->m >= TILE_ROWS && s->n >= PANEL;
}

static size_t packed_b_elements(const gemm_shape *s)
{
    return packs_b(s) ? round_up(s->n, PANEL) * smaller(s->k, BLOCK_K) : 0;
}

static size_t packed_a_elements(const gemm_shape *s)
{
    return packs_a(s) ? round_up(smaller(s->m, BLOCK_M), 16) * smaller(s->k, BLOCK_K) : 0;
}

size_t gemm_portable_scratch_size(const gemm_shape *shape)
{
    return round_up((packed_b_elements(shape) + packed_a_elements(shape)) * sizeof(real), 64);
}

/* ---------------------------------------------------------------- what happens to a finished sum
 */

typedef struct finish {
    const real *bias; /* NULL: none (or not the last block of k) */
    bool add;         /* to what C holds */
    bool relu;
} finish;

INLINE real finish_one(real sum, const real *c, const finish *how, size_t column)
{
    if (how->add)
        sum += *c;
    if (how->bias != NULL)
        sum += how->bias[column];
    if (how->relu)
        sum = sum > 0 ? sum : 0;
    return sum;
}

INLINE void finish_vector(const vector *finished, real *c, const finish *how, size_t column)
{
    vector sum = *finished;
    if (how->add)
        sum += *(const stored_vector *)c;
    if (how->bias != NULL)
        sum += *(const stored_vector *)(how->bias + column);
    if (how->relu)
        sum = (vector)((mask_vector)sum & (sum > 0));
    *(stored_vector *)c = sum;
}

/* ---------------------------------------------------------------- the outer tile */

/* One tile's operands: rows x (vectors * LANES) of C, of which columns from..to-1 are written. */
typedef struct tile {
    const real *a; /* element (row, p) at a[row * a_row + p * a_step] */
    size_t a_row, a_step;
    const real *b; /* element (p, column) at b[p * b_step + column] */
    size_t b_step, k;
    real *c;
    size_t ldc, column; /* of C's first column, for the bias */
    size_t from, to;
} tile;

/* Adds up a tile. `rows` and `vectors` are constants where this is inlined, so that the sums live
 * in registers; and nothing else is inlined there, so that no register is lost to other things. */
INLINE void sum_tile(const tile *t, size_t row, int rows, int vectors, vector *out)
{
    vector sum[MOST_SUMS];
    for (int i = 0; i < rows * vectors; i++)
        sum[i] = (vector){0};
    const real *a = t->a + row * t->a_row, *b = t->b;
    size_t a_row = t->a_row, a_step = t->a_step, b_step = t->b_step;
    for (size_t p = t->k; p > 0; p--) {
        for (int r = 0; r < rows; r++) {
            real scalar = a[(size_t)r * a_row];
            for (int v = 0; v < vectors; v++)
                sum[r * vectors + v] += *(const stored_vector *)(b + v * LANES) * scalar;
        }
        a += a_step;
        b += b_step;
    }
    for (int i = 0; i < rows * vectors; i++)
        out[i] = sum[i];
}

#define DEFINE_SUMS(rows, vectors)                                                                 \
    VECTOR_CLONES static void sums_##rows##x##vectors(const tile *t, size_t row, vector *out)      \
    {                                                                                              \
        sum_tile(t, row, rows, vectors, out);                                                      \
    }

DEFINE_SUMS(1, 1)
DEFINE_SUMS(2, 1)
DEFINE_SUMS(3, 1)
DEFINE_SUMS(4, 1)
DEFINE_SUMS(5, 1)
DEFINE_SUMS(6, 1)
DEFINE_SUMS(1, 2)
DEFINE_SUMS(2, 2)
DEFINE_SUMS(3, 2)
DEFINE_SUMS(4, 2)
DEFINE_SUMS(5, 2)
DEFINE_SUMS(6, 2)
DEFINE_SUMS(1, 8)

static void sums(const tile *t, size_t row, size_t rows, int vectors, vector *out)
{
    typedef void (*function)(const tile *, size_t, vector *);
    static const function narrow[] = {sums_1x1, sums_2x1, sums_3x1, sums_4x1, sums_5x1, sums_6x1};
    static const function full[] = {sums_1x2, sums_2x2, sums_3x2, sums_4x2, sums_5x2, sums_6x2};
    if (vectors == WIDE)
        sums_1x8(t, row, out);
    else
        (vectors == 2 ? full : narrow)[rows - 1](t, row, out);
}

/* Some lanes of one vector, where the tile hangs over the edge of C or over columns that are done.
 */
INLINE void store_part(const tile *t, const finish *how, real *c, const vector *sum, size_t first)
{
    const real *lanes = (const real *)sum;
    size_t start = first > t->from ? first : t->from, end = smaller(first + LANES, t->to);
    for (size_t i = start; i < end; i++)
        c[i] = finish_one(lanes[i - first], c + i, how, t->column + i);
}

VECTOR_CLONES
static void store_tile(const tile *t, const finish *how, size_t row, size_t rows, int vectors,
                       const vector *sum)
{
    real *c = t->c + row * t->ldc;
    for (size_t r = 0; r < rows; r++) {
        for (int v = 0; v < vectors; v++, sum++) {
            size_t first = (size_t)v * LANES;
            if (first >= t->from && first + LANES <= t->to)
                finish_vector(sum, c + first, how, t->column + first);
            else
                store_part(t, how, c, sum, first);
        }
        c += t->ldc;
    }
}

/* All rows of a column of tiles, `vectors` across: WIDE (then there is one row), 2 or 1. */
static void outer_column(const tile *t, const finish *how, size_t rows, int vectors)
{
    vector sum[MOST_SUMS];
    for (size_t row = 0; row < rows; row += TILE_ROWS) {
        size_t count = smaller(TILE_ROWS, rows - row);
        sums(t, row, count, vectors, sum);
        store_tile(t, how, row, count, vectors, sum);
    }
}

/* ---------------------------------------------------------------- outer products, block by block
 */

/* B as it lies in memory: the last tile of a row may not read past its end, so it starts early and
 * computes some columns twice, which gives them the same bits, and writes only the new ones. */
static void columns_direct(tile t, const finish *how, size_t rows, size_t n)
{
    const real *b = t.b;
    real *c = t.c;
    size_t done = 0;
    while (done < n) {
        int vectors = rows == 1 && n - done >= WIDE * LANES ? WIDE : n >= PANEL ? 2 : 1;
        size_t width = (size_t)vectors * LANES;
        size_t start = smaller(done, n - width);
        t.b = b + start;
        t.c = c + start;
        t.column = start;
        t.from = done - start;
        t.to = width;
        outer_column(&t, how, rows, vectors);
        done = start + width;
    }
}

/* B in panels that are filled up with zeros. */
static void columns_packed(tile t, const finish *how, size_t rows, size_t n)
{
    t.from = 0;
    for (t.column = 0; t.column < n; t.column += PANEL) {
        t.to = smaller(PANEL, n - t.column);
        outer_column(&t, how, rows, t.to > LANES ? 2 : 1);
        t.b += PANEL * t.k;
        t.c += PANEL;
    }
}

/* One row of B into its place in each panel: reads in order, and writes whole cache lines. */
static void pack_row(const real *row, size_t n, size_t panel_size, real *packed)
{
    size_t column = 0;
    for (; column + PANEL <= n; column += PANEL) {
        memcpy(packed, row + column, PANEL * sizeof(real));
        packed += panel_size;
    }
    for (size_t j = 0; column < n && j < PANEL; j++)
        packed[j] = column + j < n ? row[column + j] : 0;
}

/* A panel of a stored B^T: `width` of its rows become columns, and zeros fill up the panel. */
static void pack_transposed(const real *b, size_t ldb, size_t width, size_t depth, real *packed)
{
    for (size_t p = 0; p < depth; p++) {
        for (size_t j = 0; j < width; j++)
            packed[j] = b[j * ldb + p];
        for (size_t j = width; j < PANEL; j++)
            packed[j] = 0;
        packed += PANEL;
    }
}

/* Rows first..first+depth-1 of op(B) into panels of [depth, PANEL]. */
static void pack_b(const gemm_shape *s, const real *b, size_t first, size_t depth, real *packed)
{
    if (!s->transpose_b) {
        for (size_t p = 0; p < depth; p++)
            pack_row(b + (first + p) * s->ldb, s->n, depth * PANEL, packed + p * PANEL);
        return;
    }
    for (size_t column = 0; column < s->n; column += PANEL) {
        size_t width = smaller(PANEL, s->n - column);
        pack_transposed(b + column * s->ldb + first, s->ldb, width, depth, packed);
        packed += depth * PANEL;
    }
}

/* Rows of a stored A^T, `width` elements each, side by side. */
static void pack_a(const real *a, size_t lda, size_t depth, size_t width, real *packed)
{
    for (size_t p = 0; p < depth; p++)
        memcpy(packed + p * width, a + p * lda, width * sizeof(real));
}

/* Adds the products of `depth` steps, that begin at `first`, to all of C. */
static void outer_block(const gemm_shape *s, const real *a, const real *b, real *c,
                        const finish *how, size_t first, size_t depth, real *scratch)
{
    bool packed_b = packs_b(s), packed_a = packs_a(s);
    real *a_block = scratch + packed_b_elements(s);
    tile t = {.k = depth, .ldc = s->ldc, .b = b + first * s->ldb, .b_step = s->ldb};
    if (packed_b) {
        pack_b(s, b, first, depth, scratch);
        t.b = scratch;
        t.b_step = PANEL;
    }
    t.a_row = s->transpose_a ? 1 : s->lda;
    t.a_step = s->transpose_a ? s->lda : 1;
    for (size_t row = 0; row < s->m; row += BLOCK_M) {
        size_t rows = smaller(BLOCK_M, s->m - row);
        t.a = a + row * t.a_row + first * (s->transpose_a ? s->lda : 1);
        t.c = c + row * s->ldc;
        if (packed_a) {
            pack_a(t.a, s->lda, depth, rows, a_block);
            t.a = a_block;
            t.a_step = rows;
        }
        if (packed_b)
            columns_packed(t, how, rows, s->n);
        else
            columns_direct(t, how, rows, s->n);
    }
}

static void run_outer(const gemm_shape *s, const real *a, const real *b, const real *bias, real *c,
                      real *scratch)
{
    for (size_t first = 0; first < s->k; first += BLOCK_K) {
        size_t depth = smaller(BLOCK_K, s->k - first);
        bool last = first + depth == s->k;
        finish how = {
            .bias = last ? bias : NULL,
            .add = s->accumulate || first > 0,
            .relu = s->relu && last,
        };
        outer_block(s, a, b, c, &how, first, depth, scratch);
    }
}

/* ---------------------------------------------------------------- the dot tile */

/* Neighbouring lanes of x, then of y, added in pairs. */
INLINE void add_pairs(vector *out, const vector *first, const vector *second)
{
    vector x = *first, y = *second;
#if defined(__clang__)
#define SHUFFLE(...) __builtin_shufflevector(x, y, __VA_ARGS__)
#else
#define SHUFFLE(...) __builtin_shuffle(x, y, (mask_vector){__VA_ARGS__})
#endif
#if VECTOR_BYTES == 32 && !defined(NICEST_DOUBLE)
    *out = SHUFFLE(0, 2, 4, 6, 8, 10, 12, 14) + SHUFFLE(1, 3, 5, 7, 9, 11, 13, 15);
#elif VECTOR_BYTES == 32 || !defined(NICEST_DOUBLE)
    *out = SHUFFLE(0, 2, 4, 6) + SHUFFLE(1, 3, 5, 7);
#else
    *out = SHUFFLE(0, 2) + SHUFFLE(1, 3);
#endif
#undef SHUFFLE
}

/* The sum of each of eight vectors: seen as one long row, neighbours are added until eight are
 * left. */
INLINE void add_lanes(vector *sum, real *out)
{
    int count = DOT_SUMS;
    for (int lanes = LANES; lanes > 1; lanes /= 2) {
        count /= 2;
        for (int i = 0; i < count; i++)
            add_pairs(&sum[i], &sum[2 * i], &sum[2 * i + 1]);
    }
    memcpy(out, sum, DOT_SUMS * sizeof(real));
}

/* Dot products of four rows of A with two of a stored B^T. The last k % LANES elements come from
 * vectors that end with the row, in which what was counted before is masked out of both. */
VECTOR_CLONES
static void dot_tile(const real *const *a, const real *const *b, size_t k, real *out)
{
    vector sum[DOT_SUMS];
    for (int i = 0; i < DOT_SUMS; i++)
        sum[i] = (vector){0};
    size_t p = 0;
    for (; p + LANES <= k; p += LANES) {
        vector y0 = *(const stored_vector *)(b[0] + p), y1 = *(const stored_vector *)(b[1] + p);
        for (int r = 0; r < DOT_ROWS; r++) {
            vector x = *(const stored_vector *)(a[r] + p);
            sum[2 * r] += x * y0;
            sum[2 * r + 1] += x * y1;
        }
    }
    if (p < k) {
        mask_vector fresh;
        for (size_t i = 0; i < LANES; i++)
            fresh[i] = i >= LANES - (k - p) ? -1 : 0;
        p = k - LANES;
        mask_vector y0 = *(const stored_mask *)(b[0] + p) & fresh;
        mask_vector y1 = *(const stored_mask *)(b[1] + p) & fresh;
        for (int r = 0; r < DOT_ROWS; r++) {
            mask_vector x = *(const stored_mask *)(a[r] + p) & fresh;
            sum[2 * r] += (vector)x * (vector)y0;
            sum[2 * r + 1] += (vector)x * (vector)y1;
        }
    }
    add_lanes(sum, out);
}

/* Rows and columns past the end are computed again from the last one, and not written. */
static void run_dots(const gemm_shape *s, const real *a, const real *b, const real *bias, real *c)
{
    finish how = {bias, s->accumulate, s->relu};
    const real *a_at[DOT_ROWS], *b_at[DOT_COLUMNS] = {b, b + (s->n - 1) * s->ldb};
    for (size_t row = 0; row < s->m; row += DOT_ROWS) {
        for (size_t r = 0; r < DOT_ROWS; r++)
            a_at[r] = a + smaller(row + r, s->m - 1) * s->lda;
        real out[DOT_SUMS];
        dot_tile(a_at, b_at, s->k, out);
        for (size_t r = 0; r < smaller(DOT_ROWS, s->m - row); r++) {
            real *at = c + (row + r) * s->ldc;
            for (size_t j = 0; j < s->n; j++)
                at[j] = finish_one(out[DOT_COLUMNS * r + j], at + j, &how, j);
        }
    }
}

/* ---------------------------------------------------------------- */

void gemm_portable_run(const gemm_shape *shape, const real *a, const real *b, const real *bias,
                       real *c, void *scratch)
{
    const real *used_bias = shape->bias ? bias : NULL;
    if (by_dots(shape))
        run_dots(shape, a, b, used_bias, c);
    else
        run_outer(shape, a, b, used_bias, c, scratch);
}

/* Measured at 1 to 64 rows: entering oneDNN costs 0.6 us, and a narrow B wastes lanes here. */
bool gemm_portable_preferred(const gemm_shape *shape)
{
    if (by_dots(shape))
        return shape->k <= 512;
    if (shape->n < LANES)
        return false;
    return shape->n <= 1024 / shape->k;
}
