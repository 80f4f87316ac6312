/* optimizer.h - how a gradient moves the weights; all state beside the parameter vector.
 *
 *     Adam      m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g^2
 *               theta -= rate (m/(1-b1^t)) / (sqrt(v/(1-b2^t)) + eps)
 *     RMSProp   v = b2 v + (1-b2) g^2;  m = b1 m + g/(sqrt(v) + eps);  theta -= rate m
 *     SGD       m = b1 m + g;  theta -= rate m
 *
 * Weight decay is decoupled (AdamW: theta -= rate decay theta) and touches weight matrices only.
 * The gradient g is of the mean negative log-likelihood. Blocks are updated while in cache. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernel/gemm.h"
#include "nicest.h"

typedef struct optimizer_settings {
    nicest_optimizer kind;
    double beta1, beta2, epsilon, weight_decay;
    double average; /* decay of the exponential weight average; 0: none */
} optimizer_settings;

typedef struct optimizer {
    optimizer_settings settings;
    size_t count;
    uint64_t steps;        /* since the moments were zero */
    float *first, *second; /* moments [count]; NULL where the kind has none */
    float *average;        /* [count] or NULL */
} optimizer;

/* Moments start at zero, the average at theta[count]. */
nicest_status optimizer_open(optimizer *o, const optimizer_settings *settings, const float *theta,
                             size_t count);
void optimizer_close(optimizer *o);
/* Forgets the moments; the average restarts at theta. */
void optimizer_reset(optimizer *o, const float *theta);

/* The numbers of one step, the same for all its blocks. */
typedef struct optimizer_step {
    float rate, momentum, forget, correction1, correction2; /* correction2: 1/sqrt(1 - b2^t) */
    float decay, keep;    /* 1 - rate * weight decay; share of the average that is kept */
    float gradient_scale; /* clipping; 1: none */
} optimizer_step;

/* Begins a step: counts it and derives its numbers. */
optimizer_step optimizer_begin(optimizer *o, double rate, double gradient_scale);
/* What optimizer_update will read. */
gemm_prefetch optimizer_reads(const optimizer *o, const float *theta, size_t offset, size_t count);
/* theta[offset .. offset+count-1] with its gradient g[count]; weight decay on the first `decays`.
 * Blocks of one step may be updated from several threads at once. */
void optimizer_update(const optimizer *o, const optimizer_step *step, float *theta, const float *g,
                      size_t offset, size_t count, size_t decays);
