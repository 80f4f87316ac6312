/* proof.h - proves in double that a flow is what its formulas say.
 *
 * The bridge from the float library to its double twin: one function, plain types. It is compiled
 * with the twin only (real = double). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "nicest.h"

/* The flow to prove, as the float library has it, and where. */
typedef struct proof_subject {
    const char *spec_text;
    const float *theta, *frozen;
    const double *rows;      /* [n, d + categories + given], rows of entry_natural; NaN: hidden, unknown */
    size_t n;                /* each costs 2 d rows of work and an elimination of d x d */
    const double *deviation; /* [d] size of a column, positive: steps are relative to it */
} proof_subject;

typedef struct proof {
    double logdet_error;   /* against central differences' LU, relative to max(1, |logdet|) */
    double gradient_error; /* directional derivatives of log p by x and by theta, relative */
} proof;

/* Either error is NaN where likelihood or a derivative is not finite. */
nicest_status proof_run(const proof_subject *subject, uint64_t seed, int threads, proof *out);
