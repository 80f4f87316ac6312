/* mixture.h - a mixture of Gaussians: the density of the statistics that scores are made of.
 *
 * Fitted by expectation-maximisation on standardised values; each part's covariance is drawn
 * towards that of all rows, so that few rows suffice. The number of parts is chosen by likelihood
 * on a fifth of the rows. One flat array of doubles holds it all, and is what a model file stores.
 */
#ifndef NICEST_APPLY_MIXTURE_H
#define NICEST_APPLY_MIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nicest.h"

/* Fits rows[n, d] (all finite, n >= 2); *values[*count] is released by memory_free. */
nicest_status mixture_fit(const double *rows, size_t n, size_t d, uint64_t seed, int threads,
                          double **values, size_t *count);
/* True when values[count] is a mixture of d columns with sane numbers. */
bool mixture_valid(const double *values, size_t count, size_t d);
/* Doubles of scratch that a call of mixture_log_density wants. */
size_t mixture_scratch(const double *values);
/* Log density of one row. Not a number gives NaN, infinite values -infinity. */
double mixture_log_density(const double *values, const double *row, double *scratch);

#endif
