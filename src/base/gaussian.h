/* gaussian.h - the algebra of Gaussians with a whole covariance, in double.
 *
 * A covariance or its Cholesky factor is a lower triangle packed by columns, [d (d+1) / 2]: column
 * j is contiguous, so that the loops over it are plain vector code. Knows no models, no data. */
#pragma once

#include <stddef.h>

#include "nicest.h"

size_t gaussian_packed(size_t d);
/* First element of column j. */
size_t gaussian_column(size_t d, size_t j);

/* Mean [d] and packed covariance of rows[n, d], row i counting weight[i] (NULL: 1). A total weight
 * of zero gives zeros. */
void gaussian_moments(const double *rows, const double *weight, size_t n, size_t d, int threads,
                      double *mean, double *covariance);
/* covariance += row row' */
void gaussian_add(const double *row, size_t d, double *covariance);
/* Ledoit and Wolf's share (0..1) of the best mix with a multiple of the identity, for rows[n, d]
 * with that mean and covariance; and the mix, in place. */
double gaussian_shrink(const double *rows, size_t n, size_t d, const double *mean,
                       double *covariance);
/* Covariance -> lower Cholesky factor, in place; pivots not above `least` are set to it. */
void gaussian_factor(double *packed, size_t d, double least);
/* The first `count` columns of that factor; the others are left alone. */
void gaussian_factor_first(double *packed, size_t d, size_t count, double least);
/* Covariance -> the first `seen` columns of its factor, and behind them, packed, the covariance of
 * the others given these. In place. */
void gaussian_condition(double *packed, size_t d, size_t seen, double least);
/* L -> L^-1, in place. */
void gaussian_invert(double *factor, size_t d);
/* The covariance of a factor. */
void gaussian_square(const double *factor, size_t d, double *packed);
/* Forward substitution with the first `count` columns, in place: z = L^-1 z there, and below what
 * is left of z. */
void gaussian_eliminate(const double *factor, size_t d, size_t count, double *z);
/* out = L z; and v = L' v in place. */
void gaussian_multiply(const double *factor, size_t d, const double *z, double *out);
void gaussian_multiply_transposed(const double *factor, size_t d, double *v);
/* Many rows at once: z[columns, n] and out[n], n a multiple of GAUSSIAN_LANES. Each row is computed
 * alike, whichever rows stand beside it. */
enum { GAUSSIAN_LANES = 8 };
/* out -= sum over j < count of L_ij z[j]; and out -= sum over i < j < end of L_ji z[j]. */
void gaussian_subtract_row(const double *factor, size_t d, size_t i, size_t count, const double *z,
                           size_t n, double *out);
void gaussian_subtract_column(const double *factor, size_t d, size_t i, size_t end, const double *z,
                              size_t n, double *out);
/* out[i] += sum over rows of x[n] y[i, n], for i < count. */
void gaussian_add_sums(const double *x, const double *y, size_t count, size_t n, double *out);

/* log N(row; mean, L L'); scratch[d]. */
double gaussian_log_density(const double *row, const double *mean, const double *factor, size_t d,
                            double *scratch);
