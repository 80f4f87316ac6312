/* vector.h - elementwise arithmetic over contiguous runs of `real`.
 *
 * Plain C loops that the compiler vectorises, cloned per instruction set (VECTOR_CLONES of
 * base/clones.h). Sums that
 * become likelihoods are accumulated in double. Nothing here reads past its run. */
#pragma once

#include <stddef.h>
#include <stdint.h>

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

/* y = f(x), element by element. y may be x, and otherwise must not overlap it; `slope` overlaps
 * neither, and receives f'(x) where it is not NULL. Errors of float (the double twin calls the C
 * library) are below 1 ulp of log, 1.1 of exp, 3 of softplus and sigmoid and 4.5 of the sigmoid's
 * slope, over the whole range and with results below FLT_MIN; NaN stays NaN.
 *
 *     exp       overflows to infinity, underflows to 0
 *     log       log 0 = -infinity, log of a negative number is NaN
 *     softplus  log(1 + e^x), slope 1 / (1 + e^-x)
 *
 * tanh with its slope is vector_activate(ACTIVATION_TANH). AVX2 and AVX-512 give the same bits. */
void vector_exp(real *y, const real *x, size_t n);
void vector_log(real *y, const real *x, size_t n);
void vector_softplus(real *y, const real *x, real *slope, size_t n);

/* x = f(x); where `slope` is not NULL it receives f'(x) at the old x. */
void vector_activate(activation f, real *x, real *slope, size_t n);
/* Dropout: elements are 0 with probability p, others divided by 1 - p; `slope` (may be NULL)
 * likewise. Element i is decided by key and first + i alone. */
void vector_dropout(real *x, real *slope, size_t n, uint32_t key, uint32_t first, real p);
/* Adds the standard logistic's log density of each element, -|h| - 2 log(1 + exp(-|h|)), to logp;
 * where `dh` is not NULL it receives d log p / d h = -tanh(h/2). */
void vector_logistic(const real *h, real *dh, double *logp, size_t n);
/* The same for the standard normal, -h^2/2 - log(2 pi)/2; dh = -h. */
void vector_normal(const real *h, real *dh, double *logp, size_t n);
