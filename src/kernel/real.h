/* real.h - the number the mathematics is written in.
 *
 * src/kernel and src/flow compile twice: real = float, which ships every result, and real = double,
 * the twin that proofs and tests use. This header gives the twin's symbols another name. */
#ifndef NICEST_KERNEL_REAL_H
#define NICEST_KERNEL_REAL_H

#ifdef NICEST_DOUBLE
typedef double real;

/* src/kernel: every external symbol */
#define gemm_has_bf16          gemm_has_bf16_f64
#define gemm_best_level        gemm_best_level_f64
#define gemm_level_name        gemm_level_name_f64
#define gemm_set_level         gemm_set_level_f64
#define gemm_to_tiles          gemm_to_tiles_f64
#define gemm_run               gemm_run_f64
#define gemm_to_panels         gemm_to_panels_f64
#define gemm_tiles_of          gemm_tiles_of_f64
#define gemm_tiles_native_bf16 gemm_tiles_native_bf16_f64
#define vector_max_abs         vector_max_abs_f64
#define vector_fill            vector_fill_f64
#define vector_multiply        vector_multiply_f64
#define vector_scale           vector_scale_f64
#define vector_add_scaled      vector_add_scaled_f64
#define vector_sum             vector_sum_f64
#define vector_add_lanes       vector_add_lanes_f64
#define vector_dropout       vector_dropout_f64
#define vector_dot             vector_dot_f64
#define vector_exp             vector_exp_f64
#define vector_log             vector_log_f64
#define vector_softplus        vector_softplus_f64
#define vector_sigmoid         vector_sigmoid_f64
#define vector_activate        vector_activate_f64
#define vector_logistic        vector_logistic_f64
#define vector_normal          vector_normal_f64
#else
typedef float real;
#endif

#endif
