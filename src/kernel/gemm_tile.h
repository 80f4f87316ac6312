/* gemm_tile.h - a tile of C in registers: 1 to 6 rows of 1 to TILE_VECTORS vectors, or 12 of one,
 * while the sums run.
 *
 * gemm_levels.c includes it once for each instruction set, with TILE(name) naming it, TILE_TARGET
 * its attribute, TILE_BYTES the size of a vector, TILE_VECTORS vectors across a tile (six rows of
 * them, the vectors of B and a broadcast fill the registers) and, for pairs of bf16, TILE_DOT. No
 * include guard. */

#define TILE_INLINE static inline __attribute__((always_inline)) TILE_TARGET

typedef real TILE(vector) __attribute__((vector_size(TILE_BYTES)));
/* The same where it lies in memory: aligned like its elements, and seen as them. */
typedef real TILE(stored)
    __attribute__((vector_size(TILE_BYTES), aligned(sizeof(real)), may_alias));

#ifdef NICEST_DOUBLE
typedef int64_t TILE(mask) __attribute__((vector_size(TILE_BYTES)));
#else
typedef int32_t TILE(mask) __attribute__((vector_size(TILE_BYTES)));
#endif

enum { TILE(LANES) = TILE_BYTES / sizeof(real), TILE(SUMS) = TILE_ROWS * TILE_VECTORS };
_Static_assert(TILE_TALL_ROWS <= TILE_ROWS * TILE_VECTORS, "a tall tile has room");

/* sum += a b, or the sum of both halves' products */
#ifdef TILE_DOT
#define TILE_STEP(sum, b, a) TILE_DOT(sum, b, a)
#else
#define TILE_STEP(sum, b, a) ((sum) += (b) * *(a))
#endif

/* `rows` and `vectors` are constants where this is inlined, so that the sums live in registers. */
TILE_INLINE void TILE(start)(const gemm_tile *t, int rows, int vectors, TILE(vector) * sum)
{
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < vectors; v++) {
            sum[r * vectors + v] = (TILE(vector)){0};
            if (t->start == GEMM_ADD)
                sum[r * vectors + v] =
                    *(const TILE(stored) *)(t->c + (size_t)r * t->ldc + v * TILE(LANES));
            else if (t->start == GEMM_BIAS)
                sum[r * vectors + v] += t->bias[r];
        }
    }
}

TILE_INLINE void TILE(finish)(const gemm_tile *t, int rows, int vectors, const TILE(vector) * sum)
{
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < vectors; v++) {
            TILE(stored) *c = (TILE(stored) *)(t->c + (size_t)r * t->ldc + v * TILE(LANES));
            TILE(vector) value = sum[r * vectors + v];
            if (t->end == GEMM_RELU)
                value = (TILE(vector))((TILE(mask))value & (value > 0));
            else if (t->end == GEMM_SLOPE)
                value *= *c;
            else if (t->end == GEMM_GATE)
                value = (TILE(vector))((TILE(mask))value & (*c > 0));
            *c = value;
        }
    }
}

/* One step of k. The second six of a tall tile are reached from a pointer of their own: with one
 * for all, the compiler would run out of registers for their distances. */
TILE_INLINE void TILE(step)(const real *a, const real *second, size_t a_row, const real *b,
                            int rows, int vectors, TILE(vector) * sum)
{
    TILE(vector) across[TILE_VECTORS];
    UNROLL
    for (int v = 0; v < vectors; v++)
        across[v] = *(const TILE(stored) *)(b + v * TILE(LANES));
    UNROLL
    for (int r = 0; r < rows; r++) {
        const real *from =
            r < TILE_ROWS ? a + (size_t)r * a_row : second + (size_t)(r - TILE_ROWS) * a_row;
        UNROLL
        for (int v = 0; v < vectors; v++)
            TILE_STEP(sum[r * vectors + v], across[v], from);
    }
}

TILE_INLINE void TILE(multiply)(const gemm_tile *t, int rows, int vectors)
{
    TILE(vector) sum[TILE(SUMS)];
    TILE(start)(t, rows, vectors, sum);
    const char *prefetch = t->prefetch;
    size_t a_row = t->a_row, a_step = t->a_step, b_step = t->b_step;
    for (size_t part = 0; part < t->parts; part++) {
        const real *a = t->a + part * t->a_part, *b = t->b + part * t->b_part;
        const real *second = rows > TILE_ROWS ? a + TILE_ROWS * a_row : a;
        const char *further = t->further + part * t->b_part * sizeof *b;
        for (size_t p = t->k; p > 0; p--) {
            __builtin_prefetch(prefetch, 0, 2);
            __builtin_prefetch(further, 0, 2);
            prefetch += PREFETCH_BYTES;
            further += PREFETCH_BYTES;
            TILE(step)(a, second, a_row, b, rows, vectors, sum);
            a += a_step;
            second += a_step;
            b += b_step;
        }
    }
    TILE(finish)(t, rows, vectors, sum);
}

#ifndef TILE_DOT
_Static_assert(COLUMN_ROWS == 32, "four groups of eight");
/* Eight rows of A at a time are turned, so that eight sums run in one vector, each in the order of
 * p; `groups` of eight keep the units busy. The last group ends with the last row and may overlap
 * the one before: their common sums are the same. What follows is fetched: the rows behind these.
 */
TILE_INLINE void TILE(add_eights)(const gemm_column *c, int groups, real *sums)
{
    eight sum[COLUMN_ROWS / 8], w[8];
    size_t at[COLUMN_ROWS / 8];
    const real *b = c->b;
    const char *further = (const char *)(c->a + c->rows * c->a_row);
    size_t p = 0;
    UNROLL
    for (int g = 0; g < groups; g++) {
        at[g] = g + 1 < groups ? 8 * (size_t)g : c->rows - 8;
        sum[g] = *(const stored_eight *)(sums + at[g]);
    }
    for (; p + 8 <= c->k; p += 8) {
        UNROLL
        for (int g = 0; g < groups; g++) {
            transposed_columns(w, c->a + at[g] * c->a_row + p, c->a_row);
            UNROLL
            for (int i = 0; i < 8; i++)
                sum[g] += w[i] * b[(p + (size_t)i) * c->b_step];
        }
        for (int i = 0; i < 4 * groups; i++, further += 64)
            __builtin_prefetch(further, 0, 2);
    }
    for (; p < c->k; p++) {
        UNROLL
        for (int g = 0; g < groups; g++) {
            eight one = {0};
            for (int i = 0; i < 8; i++)
                one[i] = c->a[(at[g] + (size_t)i) * c->a_row + p];
            sum[g] += one * b[p * c->b_step];
        }
    }
    UNROLL
    for (int g = 0; g < groups; g++)
        *(stored_eight *)(sums + at[g]) = sum[g];
}

TILE_TARGET static void TILE(add_column)(const gemm_column *c, real *sum)
{
    switch (c->rows < 8 ? 0 : (c->rows + 7) / 8) {
    case 1:
        TILE(add_eights)(c, 1, sum);
        return;
    case 2:
        TILE(add_eights)(c, 2, sum);
        return;
    case 3:
        TILE(add_eights)(c, 3, sum);
        return;
    case 4:
        TILE(add_eights)(c, 4, sum);
        return;
    default:
        break;
    }
    for (size_t row = 0; row < c->rows; row++) {
        const real *a = c->a + row * c->a_row;
        for (size_t p = 0; p < c->k; p++)
            sum[row] += a[p] * c->b[p * c->b_step];
    }
}
#define TILE_COLUMN TILE(add_column)
#else
#define TILE_COLUMN NULL
#endif

#define TILE_FUNCTION(rows, vectors)                                                               \
    TILE_TARGET static void TILE(rows##x##vectors)(const gemm_tile *t)                             \
    {                                                                                              \
        TILE(multiply)(t, rows, vectors);                                                          \
    }
#define TILE_FUNCTIONS(vectors)                                                                    \
    TILE_FUNCTION(1, vectors)                                                                      \
    TILE_FUNCTION(2, vectors)                                                                      \
    TILE_FUNCTION(3, vectors)                                                                      \
    TILE_FUNCTION(4, vectors)                                                                      \
    TILE_FUNCTION(5, vectors)                                                                      \
    TILE_FUNCTION(6, vectors)
#define TILE_NAMES(vectors)                                                                        \
    {                                                                                              \
        TILE(1x##vectors), TILE(2x##vectors), TILE(3x##vectors), TILE(4x##vectors),                \
            TILE(5x##vectors), TILE(6x##vectors)                                                   \
    }

TILE_FUNCTIONS(1)
TILE_FUNCTION(7, 1)
TILE_FUNCTION(8, 1)
TILE_FUNCTION(9, 1)
TILE_FUNCTION(10, 1)
TILE_FUNCTION(11, 1)
TILE_FUNCTION(12, 1)
TILE_FUNCTIONS(2)
#if TILE_VECTORS > 2
TILE_FUNCTIONS(3)
#endif
#if TILE_VECTORS > 3
TILE_FUNCTIONS(4)
#endif

static const gemm_tiles TILE(tiles) = {
    TILE(LANES),
    TILE_VECTORS,
    {
        {TILE(1x1), TILE(2x1), TILE(3x1), TILE(4x1), TILE(5x1), TILE(6x1), TILE(7x1), TILE(8x1),
         TILE(9x1), TILE(10x1), TILE(11x1), TILE(12x1)},
        TILE_NAMES(2),
#if TILE_VECTORS > 2
        TILE_NAMES(3),
#endif
#if TILE_VECTORS > 3
        TILE_NAMES(4),
#endif
    },
    TILE_COLUMN,
};

#undef TILE_INLINE
#undef TILE_STEP
#undef TILE_COLUMN
#undef TILE_FUNCTION
#undef TILE_FUNCTIONS
#undef TILE_NAMES
#undef TILE
#undef TILE_TARGET
#undef TILE_BYTES
#undef TILE_VECTORS
#undef TILE_DOT
