/* prior.h - the density of the latent: independent standard logistic or standard normal columns.
 *
 * (paper, section 3.4). Owns their log density, gradient, samples and standard deviation. */
#pragma once

#include "flow/grammar.h"

/* A mixture is a layer of its own; asked here, it is a standard normal. */
typedef enum prior_kind { PRIOR_LOGISTIC, PRIOR_NORMAL, PRIOR_MIXTURE } prior_kind;

/* Standard deviation: pi / sqrt(3), or 1. */
double prior_deviation(prior_kind p);
/* Of one column of n rows: adds log p(h_r) to logp[r]; dh (may be NULL) receives d log p / dh. */
void prior_log_density(prior_kind p, const real *h, real *dh, double *logp, size_t n);
/* Column j of sample `row`, times temperature. */
void prior_sample(prior_kind p, random_stream stream, uint64_t row, double temperature, double *h,
                  size_t columns);

/* prior_mixture.c: a mixture of Gaussians as a last layer, whose forward adds the log density of
 * the latent and whose inverse leaves it as it is. Of the line 'prior mixture:K', 'prior
 * mixture:K:diagonal' or 'prior mixture:K:background', word 1 of which begins so. */
nicest_status prior_mixture_parse(const spec_line *l, const spec_shape *shape, char *canonical,
                                  layer **out);
/* Row `row` of the stream into h[columns]; deviations from a part's mean times temperature. `memo`
 * is the thread's (layer.h, remember). */
void prior_mixture_sample(const layer *self, void *memo, random_stream stream, uint64_t row,
                          double temperature, double *h);
