/* proof.h - proves in double that a flow is what its formulas say.
 *
 * The bridge from the float library to its double twin: one function, plain types. It is compiled
 * with the twin only (real = double). */
#ifndef NICEST_FLOW_PROOF_H
#define NICEST_FLOW_PROOF_H

#include <stddef.h>
#include <stdint.h>

#include "nicest.h"

typedef struct proof {
    double logdet_error;   /* analytic against central differences' LU, relative to max(1, |logdet|) */
    double gradient_error; /* directional derivatives of log p by x and by theta, relative */
} proof;

/* spec_text, parameters and constants as the float flow has them; centre-subtracted rows[n, d]. */
nicest_status proof_run(const char *spec_text, const float *theta, const float *frozen,
                        const double *rows, size_t n, uint64_t seed, proof *out);

#endif
