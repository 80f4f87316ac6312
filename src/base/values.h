/* values.h - numbers in a row: whether all are finite, in order, and sums of logarithms. */
#ifndef NICEST_BASE_VALUES_H
#define NICEST_BASE_VALUES_H

#include <stdbool.h>
#include <stddef.h>

bool values_finite(const double *values, size_t count);
/* Upwards; no value is NaN. count may be 0, and values then NULL. */
void values_sort(double *values, size_t count);
/* log(exp(a) + exp(b)), also of -infinity. */
double log_add(double a, double b);

#endif
