/* family.h - the density of a family of statistics, of which scores are made: a mixture of
 * Gaussians.
 *
 * Fitted on standardised values; each part's covariance is drawn towards that of all rows, so that
 * few rows suffice. One flat array of doubles holds it all, and is what a model file stores. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nicest.h"

/* Fits rows[n, d] (all finite, n >= 2); *values[*count] is released by memory_free. */
nicest_status family_fit(const double *rows, size_t n, size_t d, uint64_t seed, int threads,
                         double **values, size_t *count);
/* True when values[count] is a family of d columns with sane numbers. */
bool family_valid(const double *values, size_t count, size_t d);
/* Log density of n rows, `stride` numbers apart, under a valid family. Not a number gives NaN,
 * infinite values -infinity. */
nicest_status family_log_density(const double *values, const double *rows, size_t stride, size_t n,
                                 int threads, double *out);
