/* vector.h - elementwise arithmetic over contiguous runs of `real`.
 *
 * Plain C loops that the compiler vectorises, cloned per instruction set (VECTOR_CLONES of
 * base/clones.h). Sums that
 * become likelihoods are accumulated in double. Nothing here reads past its run. */
#ifndef NICEST_KERNEL_VECTOR_H
#define NICEST_KERNEL_VECTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/clones.h"
#include "kernel/real.h"

typedef enum activation {
    ACTIVATION_NONE,
    ACTIVATION_RELU,
    ACTIVATION_TANH,
    ACTIVATION_SILU
} activation;

/* max |x_i|; NaN or infinity in x gives infinity. The finiteness test of a step. */
real vector_max_abs(const real *x, size_t n);

void vector_fill(real *x, real value, size_t n);
void vector_multiply(real *y, const real *x, size_t n);                /* y *= x */
void vector_scale(real *y, real factor, size_t n);                     /* y *= factor */
void vector_add_scaled(real *y, const real *x, real factor, size_t n); /* y += factor x */
double vector_sum(const real *x, size_t n);
/* sums[i % VECTOR_LANES] += x[i], in order; n is a multiple of VECTOR_LANES. For sums of which
 * there are many, and which need no more precision than products have. */
enum { VECTOR_LANES = 16 };
void vector_add_lanes(real *sums, const real *x, size_t n);
double vector_dot(const real *x, const real *y, size_t n);

/* x = f(x); where `slope` is not NULL it receives f'(x) at the old x. */
void vector_activate(activation f, real *x, real *slope, size_t n);
/* Adds the standard logistic's log density of each element, -|h| - 2 log(1 + exp(-|h|)), to logp;
 * where `dh` is not NULL it receives d log p / d h = -tanh(h/2). */
void vector_logistic(const real *h, real *dh, double *logp, size_t n);
/* The same for the standard normal, -h^2/2 - log(2 pi)/2; dh = -h. */
void vector_normal(const real *h, real *dh, double *logp, size_t n);

#endif
