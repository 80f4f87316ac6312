/* values.h - numbers in a row: whether all are finite or there, in order, sums of logarithms. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

bool values_finite(const double *values, size_t count);
/* Whether some is NaN. */
bool values_missing(const double *values, size_t count);
/* Upwards; no value is NaN. count may be 0, and values then NULL. */
void values_sort(double *values, size_t count);
/* -log of the share of sorted[n] that is at least `value`; beyond nine tenths, that of the
 * exponential distribution of as far a mean, so that far values do not tie. n is 1 or more. */
double values_surprisal(const double *sorted, size_t n, double value);
/* How many of sorted[n] are below x; with `equal`, at most x. NaN may stand behind them. */
size_t values_count(const double *sorted, size_t n, double x, bool equal);
/* Mean and deviation (of n, not n - 1) of the values that are there, `stride` apart; 0 of none. */
void values_moments(const double *x, size_t n, size_t stride, double *mean, double *deviation);
/* What row i counts: its weight, or 1 where there are none. */
static inline double values_weight(const double *weights, size_t i)
{
    return weights ? weights[i] : 1;
}
/* Rows that so many weights are worth, (sum w)^2 / sum w^2: n where they are alike, or NULL. */
double values_worth(const double *weights, size_t n, size_t stride);
/* Of rows whose weights have these running sums the one that stands for number i of n equally
 * weighted ones. */
size_t values_weighted_row(const double *sums, size_t rows, size_t i, size_t n);
/* The larger of two errors; NaN, once there, stays. */
double values_worse(double a, double b);
/* log(exp(a) + exp(b)), also of -infinity. */
double log_add(double a, double b);
