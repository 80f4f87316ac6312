/* real.h - the number the mathematics is written in.
 *
 * src/kernel and src/flow compile twice: real = float, which ships every result, and real = double,
 * the twin that proofs and tests use. This header gives the twin's symbols another name. */
#ifndef NICEST_KERNEL_REAL_H
#define NICEST_KERNEL_REAL_H

#ifdef NICEST_DOUBLE
typedef double real;

/* src/kernel: every external symbol */
#define gemm_has_bf16              gemm_has_bf16_f64
#define gemm_longest_tile          gemm_longest_tile_f64
#define gemm_backend               gemm_backend_f64
#define gemm_new                   gemm_new_f64
#define gemm_free                  gemm_free_f64
#define gemm_get_shape             gemm_get_shape_f64
#define gemm_scratch_size          gemm_scratch_size_f64
#define gemm_run                   gemm_run_f64
#define gemm_portable_scratch_size gemm_portable_scratch_size_f64
#define gemm_portable_run          gemm_portable_run_f64
#define gemm_portable_preferred    gemm_portable_preferred_f64
#define vector_max_abs             vector_max_abs_f64
#define vector_fill                vector_fill_f64
#define vector_add                 vector_add_f64
#define vector_subtract            vector_subtract_f64
#define vector_multiply            vector_multiply_f64
#define vector_scale               vector_scale_f64
#define vector_add_scaled          vector_add_scaled_f64
#define vector_exp                 vector_exp_f64
#define vector_sum                 vector_sum_f64
#define vector_dot                 vector_dot_f64
#define vector_activate            vector_activate_f64
#define vector_relu_backward       vector_relu_backward_f64
#define vector_logistic            vector_logistic_f64
#define vector_normal              vector_normal_f64
#define vector_logit               vector_logit_f64
#define vector_sigmoid             vector_sigmoid_f64
#else
typedef float real;
#endif

#endif
