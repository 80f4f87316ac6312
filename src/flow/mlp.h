/* mlp.h - the conditioner: a multilayer perceptron with a linear output.
 *
 *     a_0 = input;  a_l = f(W_l a_{l-1} + b_l), l = 1..L-1;  output = W_L a_{L-1} + b_L
 *
 * (paper, section 5.1), or with `blocks` a residual net: h = W_1 a_0 + b_1; each block adds
 * W'' f(W' f(h) + b') + b'' to h; output = W_L h + b_L (Durkan et al., 2019, Neural Spline Flows,
 * appendix B.1). Where there is a context c, W_1 a_0 + W_c c + b_1 stands for the first map. With
 * dropout p, in training steps, hidden values are 0 with probability p, else divided by 1 - p.
 *
 * With degrees it is masked so that outputs of column j depend on the inputs before j only (Germain
 * et al., 2015, MADE): hidden units are sorted by degree, so that each row of a weight matrix reads
 * a run of inputs from the first on. It is no layer: a layer owns one and gives it its columns. */
#pragma once

#include "flow/grammar.h"
#include "flow/map.h"

typedef struct mlp_spec {
    size_t hidden_count;
    size_t hidden[64];
    activation activation;
    size_t blocks; /* residual blocks; then there is one width */
    double dropout;
    /* of a net of columns that are not alike: where the inputs and outputs of each end; NULL: equal
     * parts. Read by mlp_open only. */
    const size_t *input_end, *output_end;
} mlp_spec;

typedef struct mlp {
    size_t count; /* maps, without that of the context */
    activation activation;
    size_t blocks;
    double dropout;
    map *map;
    map context;   /* in == 0: there is none */
    size_t *limit; /* of all maps, one after the other; NULL: not masked */
    uint32_t key;  /* of dropout: tells conditioners apart */
} mlp;

/* The options hidden, activation, blocks and dropout of a layer's line, and their canonical words;
 * `text` has room for SPEC_LINE - 128 characters. */
nicest_status mlp_parse(const spec_line *l, mlp_spec *spec, char *text);
/* "1000x5", "256,128" or "none"; shared with the options of training. */
nicest_status mlp_parse_hidden(const char *text, mlp_spec *spec);

/* autoregressive > 0: inputs and outputs are those of so many columns, masked as above. All outputs
 * read the whole context. */
bool mlp_open(mlp *m, size_t inputs, size_t context, size_t outputs, size_t autoregressive,
              const mlp_spec *spec);
void mlp_close(mlp *m);
void mlp_tensors(mlp *m, const char *prefix, tensor_list *list);

/* Tape: inputs of the maps in panels, then their deltas as [out, padded], then slopes of residual
 * blocks, last the context in panels. */
size_t mlp_tape(const mlp *m, size_t *width);
void mlp_prepare(const mlp *m, layer_needs *needs);

/* Hidden weights: He (ReLU, SiLU) or Glorot (tanh); the last map of the net and of each block
 * starts at zero, so that a coupling starts as the identity and starts from data are exact. */
void mlp_init(mlp *m, random_stream stream);

/* All but the last map: from input[inputs, padded] and context[context, padded] (NULL: none) to
 * what mlp_output reads. Takes scratch that lives until the caller gives it back. */
const real *mlp_hidden(const mlp *m, tile *t, const real *input, const real *context);
/* Outputs first .. first+rows-1 into out[rows, padded]. */
void mlp_output(const mlp *m, tile *t, const real *hidden, size_t first, size_t rows, real *out);
/* Where the gradient by the output lies on the tape, [outputs, padded]. */
real *mlp_output_delta(const mlp *m, const tile *t);
/* Adds J' delta to dinput[inputs, padded]. */
void mlp_backward(const mlp *m, tile *t, real *dinput);

/* Outputs of a masked net column by column, in order, for an inverse: each step computes the hidden
 * units that its outputs are the first to read, so that all steps together cost one pass. */
typedef struct mlp_steps {
    real *input;   /* [inputs, padded]; the caller fills a column's once it is known */
    real **hidden; /* [count - 1], each [width, padded] */
    size_t *done;  /* [count - 1] units that are computed */
    const real *context;
} mlp_steps;
/* Takes scratch that lives until the caller gives it back. */
mlp_steps mlp_steps_begin(const mlp *m, tile *t, const real *context);
/* Outputs first .. first+rows-1, those of one column, into out[rows, padded]. */
void mlp_step(const mlp *m, tile *t, mlp_steps *s, size_t first, size_t rows, real *out);

void mlp_blocks(const mlp *m, size_t layer_index, const tensor_list *list, block_list *blocks);
void mlp_transpose(const mlp *m, const block *which, const real *theta, weight_forms *forms);
void mlp_gradient(const mlp *m, const batch *b, const block *which, real *g);
/* Norms of each row's gradient by each map, see layer_class. */
size_t mlp_norms(const mlp *m, const tile *t, double *norms, size_t stride);
