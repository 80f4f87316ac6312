/* layer.h - what every layer of a flow is.
 *
 * A layer rewrites a tile of rows in place and adds to each row's log-determinant. It owns no
 * memory and knows no neighbour: its tensors lie in the flow's vectors, its activations in the
 * batch's tape, its scratch in the thread's arena. A new kind of layer is a struct that begins with
 * `layer`, a layer_class, and a line in spec.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/random.h"
#include "kernel/gemm.h"
#include "kernel/real.h"
#include "kernel/vector.h"
#include "nicest.h"

/* A named array in the flow's parameter vector (trainable) or among its frozen constants. */
typedef struct tensor {
    char name[64];   /* "layers.3.mlp.0.weight" */
    int rank;        /* 1 or 2 */
    size_t shape[2]; /* [out, in], or [n] */
    size_t count;    /* product of shape */
    size_t offset;   /* first element in its vector */
    bool trainable;  /* false: a frozen constant */
    bool decays;     /* weight decay applies */
    const size_t
        *limit;  /* [shape[0]]: elements of a row from limit on are always zero; NULL: none */
    real **slot; /* where its layer keeps the pointer */
} tensor;

/* Collects the tensors of a flow while its layers are made; a static limit keeps it one block. */
typedef struct tensor_list {
    tensor *items;
    size_t count, capacity;
    size_t trainable, frozen; /* lengths of the two vectors so far */
    bool failed;              /* memory ran out */
} tensor_list;

typedef enum tensor_kind { TENSOR_WEIGHT, TENSOR_BIAS, TENSOR_SCALE, TENSOR_FROZEN } tensor_kind;

/* Adds a tensor "prefix.name"; its pointer appears in *slot when the flow has its vectors. */
void tensor_add(tensor_list *list, const char *prefix, const char *name, tensor_kind kind,
                size_t rows, size_t columns, real **slot);

/* Where a batch's activations are kept between forward and gradient. Matrix i has width[i] numbers
 * for each row, shared by all threads, each tile in a run of its own: from matrix[i] + first *
 * width[i] on, in the order that the layer likes. */
typedef struct tape {
    real **matrix;
    size_t *width;
} tape;

/* The weights once more, at their places in theta, as products read them. */
typedef struct weight_forms {
    real *transposed; /* W' in tiles, for the backward pass; in bf16 of pairs */
    real *paired;     /* in bf16: W as pairs, for the way forward; else NULL */
    real *columns;    /* W' row by row, for one row that stays forward; NULL: W is read */
} weight_forms;

/* What makes a training step's dropout: a unit is kept or not by (seed, draw, layer, map, unit,
 * row), so neither tiles nor threads matter. */
typedef struct dropout {
    uint64_t seed;
    uint32_t draw;
} dropout;

/* Some rows on their way through the whole flow: columns one after the other, each over all rows of
 * the tile, so that every loop and every product runs along rows. */
typedef struct tile {
    size_t rows;   /* rows that count */
    size_t padded; /* rows computed: tile_padded(rows), or 1 for one row that stays forward */
    size_t first;  /* number of the first row in the batch: its place in the tape */
    size_t columns;
    double *x; /* [columns, padded], rewritten in place; double in both twins (state.h) */
    real *dx;  /* [columns, padded]: gradient of the objective by x, 0 in rows that do not count;
                * NULL unless backward */
    double *logdet;     /* [padded]: log |det| so far */
    const real *weight; /* [padded]: gradient of the objective by each row's log p, 0 where a row
                         * does not count; NULL unless backward */
    double *logp;   /* [padded]: log p that is no matter of the values' density, then the whole */
    real *category; /* [categories, padded]: class of each category, -1 unknown; NULL: none */
    real *mask; /* [columns, padded]: 1 where a value is seen, 0 where it is hidden; moves with the
                 * columns; NULL: all are seen */
    const real *context;    /* [context, padded]: what the density is given; NULL: nothing */
    const dropout *dropout; /* NULL: none, as everywhere but in a training step */
    const tape *tape;       /* this layer's part; NULL unless backward will follow */
    const real *theta;      /* all parameters */
    weight_forms forms;
    bool bf16;
    bool learns; /* gradients by theta will be asked */
    arena *scratch;
    void *memo;    /* the thread's, of the layer that remembers */
    real *largest; /* [2]: max |activation| and |delta| of this layer and tile; NULL unless taped */
} tile;

/* Most rows of a weight matrix in a block: the activations of the batch are read once for each
 * block, and its gradient (384 KB at 1000 columns) waits in a core's cache for the update. Even, as
 * rows make pairs in bf16. */
enum { BLOCK_ROWS = 96 };

/* A run of the parameter vector whose gradient is computed at once, while it fits in cache. */
typedef struct block {
    size_t layer;         /* the layer that computes it */
    size_t tensor;        /* which of the layer's linear maps */
    size_t row, rows;     /* rows of the weight matrix */
    size_t offset, count; /* run in the parameter vector */
    size_t decays;        /* the first so many of them take weight decay */
} block;

typedef struct block_list {
    block *items;
    size_t count, capacity;
    bool failed;
} block_list;
void block_add(block_list *list, const block *item);

/* A whole batch after backward, as `gradient` sees it: tiles of `tile` rows, the last one padded as
 * it was computed. */
typedef struct batch {
    size_t rows, tile;
    const tape *tape; /* this layer's part */
    bool bf16;
    real *pairs;             /* with bf16: [tiles, BLOCK_ROWS, tile / 2] */
    void *memo;              /* the thread's, of the layer that remembers */
    gemm_prefetch *prefetch; /* wanted after the gradient; NULL: nothing */
} batch;
/* Rows that tile `number` of the batch was computed with, 0 where there is none; its first row is
 * number * tile. */
size_t batch_padded(const batch *b, size_t number);
/* The sum over the batch of column j of a matrix on the tape that tiles fill as [width, padded]. */
double batch_sum(const batch *b, const real *matrix, size_t width, size_t j);

/* sum[r] = the squares of row r of x[width, padded], for the rows that count. */
void tile_squares(const tile *t, const real *x, size_t width, double *sum);

/* logdet += sign * the sum of log_scale[columns] over the columns that a row sees. */
void tile_add_logdet(tile *t, const real *log_scale, double sign);
/* g[r] += weight[r] where row r counts and sees column j. */
void tile_add_weight(const tile *t, size_t j, real *g);

/* The size with which a tile of `rows` rows is computed. */
size_t tile_padded(size_t rows);

/* Sizes that a workspace must provide, filled by `prepare`. */
typedef struct layer_needs {
    size_t rows;    /* in: padded rows of a tile */
    bool backward;  /* in: backward will be asked */
    bool bf16;      /* in */
    bool masked;    /* in: some tiles have masks */
    arena *scratch; /* in: a counting arena: take what a call takes */
} layer_needs;

/* A sample of the training rows as a layer sees them, for starting values from data. */
typedef struct layer_start {
    const double *x;  /* [columns, n]: column j at x + j * stride */
    const real *mask; /* the same, 1 seen and 0 hidden; NULL: all are seen */
    size_t n, stride;
    const real *category;      /* [categories, n] classes, -1 unknown */
    const real *context;       /* [context, n] what the density is given */
    const struct entry *entry; /* how the columns were encoded, of the categories and of the first
                                * layer that sees values; NULL */
    const double
        *noise; /* [columns]: variance that dequantisation noise alone has; the prior's only */
    double prior_deviation; /* standard deviation of the prior */
    random_stream stream;
    int threads;
} layer_start;
/* Mean and standard deviation of the seen values of column j; 0 and 0 where there is none. */
void start_moments(const layer_start *s, size_t j, double *mean, double *deviation);

typedef struct layer layer;

typedef struct layer_class {
    const char *name;
    bool starts_as_identity; /* right after init: the search for starting values skips it */
    /* Lists the tensors. */
    void (*tensors)(layer *self, const char *prefix, tensor_list *list);
    /* Number and widths of the matrices on the tape (width == NULL: only the number). */
    size_t (*tape)(const layer *self, size_t *width);
    /* Takes from the counting arena what the calls below take; NULL: nothing. None of them gives
     * scratch back: whoever calls the layer does. */
    void (*prepare)(const layer *self, layer_needs *needs);
    /* Starting values that need no data; NULL: tensors start at zero. */
    void (*init)(layer *self, random_stream stream);
    /* Starting values from the training rows as this layer sees them; NULL: it does not look at
     * data. */
    nicest_status (*start)(layer *self, const layer_start *s);
    /* Whether tensors that came from a file are ones that this layer can have; NULL: any are. */
    nicest_status (*check)(const layer *self);
    /* What each thread keeps for this layer from tile to tile; `learns`: gradients by theta will be
     * asked. At most one layer of a flow remembers: the prior. NULL: nothing. */
    nicest_status (*remember)(const layer *self, bool learns, void **memo);
    void (*forget)(void *memo);
    void (*forward)(const layer *self, tile *t);
    void (*inverse)(const layer *self, tile *t);
    /* dx becomes the gradient by the layer's input; deltas go to the tape. */
    void (*backward)(const layer *self, tile *t);
    /* Blocks of the layer's parameters, and the gradient of one into g[block.count]. */
    void (*blocks)(const layer *self, size_t index, const tensor_list *list, block_list *blocks);
    void (*gradient)(const layer *self, const batch *b, const block *which, real *g);
    /* Writes the weights of a block in the forms that are read; NULL: none is. */
    void (*transpose)(const layer *self, const block *which, const real *theta,
                      weight_forms *forms);
    /* The number of the layer's parts: linear maps (weight and bias together) and scales. Of a tile
     * after backward, unless it is NULL, the norm of row r's gradient by part i: norms[r * stride +
     * i]. */
    size_t (*norms)(const layer *self, const tile *t, double *norms, size_t stride);
    /* place[i] becomes the number that stood where column i comes from; NULL: every column stays,
     * or mixes with others in its place. */
    void (*trace)(const layer *self, uint32_t *place);
    /* Of the layer that has the categories, which is the first: how many classes each has, and
     * drawing them (u[categories, padded] uniform) into the tile's classes and context. Others:
     * NULL. */
    const size_t *(*classes)(const layer *self, size_t *count);
    void (*draw)(const layer *self, tile *t, const real *u);
    void (*free)(layer *self); /* NULL: its struct is all that it owns */
} layer_class;

struct layer {
    const layer_class *class;
    size_t columns;
};

/* What begins layers with one vector of parameters, whose gradients by row are matrix 0 of the
 * tape; and what their classes then have in common. */
typedef struct vector_layer {
    layer layer;
    real *theta;
} vector_layer;
void layer_vector_blocks(const layer *self, size_t index, const tensor_list *list,
                         block_list *blocks);
void layer_vector_gradient(const layer *self, const batch *b, const block *which, real *g);
size_t layer_vector_norms(const layer *self, const tile *t, double *norms, size_t stride);
