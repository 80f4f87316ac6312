/* mlp.h - the conditioner: a multilayer perceptron with a linear output.
 *
 *     a_0 = input;  a_l = f(W_l a_{l-1} + b_l), l = 1..L-1;  output = W_L a_{L-1} + b_L
 *
 * (paper, section 5.1). Any depth and widths. It is not a layer: a coupling owns one and calls it
 * with its own columns. Another conditioner is another file with these functions. */
#ifndef NICEST_FLOW_MLP_H
#define NICEST_FLOW_MLP_H

#include "flow/layer.h"

typedef struct mlp_linear {
    size_t in, out;
    real *weight; /* [out, in] */
    real *bias;   /* [out] */
} mlp_linear;

typedef struct mlp {
    size_t count; /* linear maps, hidden_count + 1 */
    activation activation;
    mlp_linear *linear;
} mlp;

bool mlp_open(mlp *m, size_t inputs, size_t outputs, const mlp_spec *spec);
void mlp_close(mlp *m);
void mlp_tensors(mlp *m, const char *prefix, tensor_list *list);

/* Tape: a_0 .. a_{L-1} in panels (gemm_to_panels), then delta_1 .. delta_L as [out, padded]. */
size_t mlp_tape(const mlp *m, size_t *width);
void mlp_prepare(const mlp *m, layer_needs *needs);

/* Hidden weights: He (ReLU, SiLU) or Glorot (tanh); the last map starts at zero, so that a coupling
 * starts as the identity and the scaling's start from the data is exact. */
void mlp_init(mlp *m, random_stream stream);

/* output[outputs, padded] from input[inputs, padded] of the state. */
void mlp_forward(const mlp *m, tile *t, const double *input, real *output);
/* Adds J' delta to dinput[inputs, padded], where delta[outputs, padded] is the gradient by the
 * output, which lies in the tape's last matrix (mlp_output_delta). */
void mlp_backward(const mlp *m, tile *t, real *dinput);
real *mlp_output_delta(const mlp *m, const tile *t);

void mlp_blocks(const mlp *m, size_t layer_index, const tensor_list *list, block_list *blocks);
void mlp_turn(const mlp *m, const block *which, const real *theta, weight_forms *forms);
void mlp_gradient(const mlp *m, const batch *b, const block *which, real *g);
/* Norms of each row's gradient by each linear map, see layer_class. */
size_t mlp_norms(const mlp *m, const tile *t, double *norms, size_t stride);

#endif
