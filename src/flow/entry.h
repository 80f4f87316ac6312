/* entry.h - the model's door: stored values become continuous rows, and back.
 *
 * Dequantisation has no inverse, so it is not a layer. A stored value v of a quantised column with
 * u ~ U[0,1) becomes  x = offset + unit ((v - origin)/step + u);  a continuous column's x is v. The
 * centre is subtracted in double, and rows stay double on their way, so an offset of 1e9 does not
 * destroy a column. Its log-determinant is zero: x is what the density is of.
 *
 * u is that of a row's number in a random stream. Of RANDOM_SCORE that number is made from what the
 * row says, so a score is a function of the row and the seed, wherever the row stands and whatever
 * type of file it comes from. */
#ifndef NICEST_FLOW_ENTRY_H
#define NICEST_FLOW_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/random.h"
#include "flow/rename.h"
#include "kernel/real.h"
#include "nicest.h"

typedef struct entry_column {
    double step;   /* stored distance of two levels; 0: the column is continuous */
    double origin; /* stored value of level 0 */
    double levels; /* their number; 0: unbounded */
    double offset; /* continuous value where level 0 begins */
    double unit;   /* continuous width of a level */
    double centre; /* subtracted last */
} entry_column;

typedef struct entry {
    size_t columns;
    entry_column *column;         /* [columns] */
    double *gain, *shift, *noise; /* x - centre = gain v + shift + noise u; set by entry_set */
    bool quantised;               /* some column is */
} entry;

/* All columns continuous, centre 0; false when memory runs out. */
bool entry_open(entry *e, size_t columns);
void entry_close(entry *e);
/* After the columns were written: derives gain, shift, noise. NICEST_E_FORMAT when a number is not
 * finite, a step or unit negative, or one is zero and the other is not. */
nicest_status entry_set(entry *e);

/* One row, stored -> continuous with the noise of (stream, row; of RANDOM_SCORE: stream
 * alone); `u` is scratch of d floats. */
void entry_dequantise_row(const entry *e, const double *stored, random_stream stream, uint64_t row,
                          float *u, double *continuous);
/* Continuous -> stored: level floor((x - offset)/unit), clamped to the levels. */
void entry_quantise_row(const entry *e, const double *continuous, double *stored);
/* A stored row through the door, centre subtracted. */
void entry_encode_row(const entry *e, const double *stored, random_stream stream, uint64_t row,
                      float *u, double *x);
/* The same of a continuous row, x = continuous - centre, and back. */
void entry_centre_row(const entry *e, const double *continuous, double *x);
void entry_restore_row(const entry *e, const double *x, double *continuous);
/* Sum of log unit where every column is quantised, else NaN. */
double entry_log_units(const entry *e);

#endif
