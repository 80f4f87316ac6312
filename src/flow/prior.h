/* prior.h - the density of the latent: independent standard logistic or standard normal columns.
 *
 * (paper, section 3.4). Owns their log density, gradient, samples and standard deviation. */
#ifndef NICEST_FLOW_PRIOR_H
#define NICEST_FLOW_PRIOR_H

#include "base/random.h"
#include "flow/layer.h"

/* A mixture is a layer of its own (prior_mixture.h); asked here, it is a standard normal. */
typedef enum prior_kind { PRIOR_LOGISTIC, PRIOR_NORMAL, PRIOR_MIXTURE } prior_kind;

/* Standard deviation: pi / sqrt(3), or 1. */
double prior_deviation(prior_kind p);
/* Of one column of n rows: adds log p(h_r) to logp[r]; dh (may be NULL) receives d log p / dh. */
void prior_log_density(prior_kind p, const real *h, real *dh, double *logp, size_t n);
/* Column j of sample `row`, times temperature. */
void prior_sample(prior_kind p, random_stream stream, uint64_t row, double temperature, double *h,
                  size_t columns);

#endif
