/* state.h - arithmetic on the state of a flow: rows on their way, in double in both twins.
 *
 * Conditioners work in `real`; the state that they move is double. So what a coupling adds is taken
 * away to the last digit but a few, however many layers lie between, and a value near the end of a
 * range or far from zero keeps its digits. The cost is a few loops over columns beside matrix
 * products over hidden units. */
#ifndef NICEST_FLOW_STATE_H
#define NICEST_FLOW_STATE_H

#include <stddef.h>

#include "flow/rename.h"
#include "kernel/real.h"

/* to[rows, width] dense = from[rows, width] with leading dimension ld. */
void state_narrow(real *to, const double *from, size_t ld, size_t width, size_t rows);
/* x += m, or x -= m; x has leading dimension ld, m[rows, width] is dense. */
void state_add(double *x, size_t ld, const real *m, size_t width, size_t rows);
void state_subtract(double *x, size_t ld, const real *m, size_t width, size_t rows);
/* Each row of the dense x[rows, width]: x = x factor + shift. */
void state_affine(double *x, const double *factor, const double *shift, size_t width, size_t rows);

#endif
