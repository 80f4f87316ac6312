/* state.h - arithmetic on the state of a flow: rows on their way, in double in both twins.
 *
 * Conditioners work in `real`; the state that they move is double. So what a coupling adds is taken
 * away to the last digit but a few, however many layers lie between, and a value near the end of a
 * range or far from zero keeps its digits. The cost is a few loops over columns beside matrix
 * products over hidden units.
 *
 * The state of a tile is [columns, padded]: a run of columns is one run of memory. */
#pragma once

#include <stddef.h>

#include "kernel/real.h"

void state_narrow(real *to, const double *from, size_t n);
void state_widen(double *to, const real *from, size_t n);
/* x += m, or x -= m */
void state_add(double *x, const real *m, size_t n);
void state_subtract(double *x, const real *m, size_t n);
/* x += factor y */
void state_add_scaled(double *x, const double *y, double factor, size_t n);
/* x = x factor + shift */
void state_affine(double *x, double factor, double shift, size_t n);

/* Some rows of users' data, [count, columns] one after the other (of rows of `width` the first
 * columns), to rows first .. first+count-1 of the state. */
void state_put_rows(double *x, size_t padded, size_t first, const double *rows, size_t count,
                    size_t columns, size_t width);
