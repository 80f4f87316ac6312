/* map.h - one linear map y = W a + b: forward, backward, gradient by blocks, the forms of its
 * weights.
 *
 * What conditioners and linear layers are made of. Owns the choice of blocks of a weight matrix and
 * the shapes of the three products; not a layer: who owns one gives it its input, its place on the
 * tape and its delta (the gradient by y). */
#pragma once

#include "flow/layer.h"

typedef struct map {
    size_t in, out;
    /* [out]: row o reads the inputs before limit[o] only, and its further weights are zero; NULL:
     * it reads all. Borrowed. */
    const size_t *limit;
    real *weight; /* [out, in] */
    real *bias;   /* [out]; NULL where there is none */
} map;

/* Adds "name.weight" and, with `bias`, "name.bias", which follows it in the vector. */
void map_tensors(map *m, const char *prefix, const char *name, bool bias, tensor_list *list);
/* Weights uniform in +-sqrt(3 gain / in), zero beyond the limits. */
void map_init(map *m, double gain, random_stream stream);

/* Width of the tape's matrix for an input: whole panels. */
size_t map_panels(size_t in);
/* The input a[in, padded] onto the tape, in panels. */
void map_keep(const map *m, tile *t, real *panels, const real *a);
/* The input as products read it: `a` itself, or in bf16 pairs that are taken from the scratch. */
const real *map_operand(const map *m, tile *t, const real *a);
/* Rows first .. first+rows-1 of y[out, padded]: end(start + W a), start being GEMM_BIAS of `bias`,
 * GEMM_ZERO or GEMM_ADD. `out` is where row `first` goes. */
void map_forward(const map *m, const tile *t, const real *operand, size_t first, size_t rows,
                 gemm_start start, gemm_end end, const real *bias, real *out);
/* below[in, padded] = end(start + W' delta) */
void map_backward(const map *m, tile *t, const real *delta, gemm_start start, gemm_end end,
                  real *below);

/* Blocks of weight and bias; `number` becomes their block.tensor. */
void map_blocks(const map *m, size_t layer_index, size_t number, const tensor_list *list,
                block_list *blocks);
/* dW = sum of delta a', db = sum of delta over the batch; input (panels) and delta ([out, padded])
 * are those matrices of the tape. */
void map_gradient(const map *m, const batch *b, size_t input, size_t delta, const block *which,
                  real *g);
/* The weights of a block in the forms that products read. */
void map_transpose(const map *m, const block *which, const real *theta, weight_forms *forms);
/* norms[r * stride] = the norm of row r's gradient by weight and bias. */
void map_norms(const map *m, const tile *t, const real *panels, const real *delta, double *norms,
               size_t stride);

/* The tile's part of matrix i of the tape. */
real *tile_taped(const tile *t, size_t i);
/* Notes the largest |activation| (which = 0) or |delta| (1) of x[width, padded]. */
void tile_note(tile *t, int which, const real *x, size_t width);
