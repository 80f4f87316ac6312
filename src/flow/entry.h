/* entry.h - encode and decode: stored values become continuous rows, and back.
 *
 * Dequantisation has no inverse, so it is not a layer. A stored value v of a quantised column with
 * u ~ U[0,1) becomes  x = offset + unit ((v - origin)/step + u);  a continuous column's x is v. The
 * centre is subtracted in double, and rows stay double on their way, so an offset of 1e9 does not
 * destroy a column. Its log-determinant is zero: x is what the density is of. Columns of mixed
 * tables are more than values: categories, mass points, what is given, what follows from others.
 *
 * u is that of a row's number in a random stream. Of RANDOM_SCORE that number is made from what the
 * row says, so a score is a function of the row and the seed, wherever the row stands and whatever
 * type of file it comes from. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/random.h"
#include "kernel/real.h"
#include "nicest.h"

/* What stands in a column of a table:
 *
 *     value      a number x with a density; at the values of its table (a mass point; NaN where
 * absence is modelled) it has none, and is hidden. Where the table is not empty a category says
 *                which: class 0 is any other value, class i + 1 the table's number i
 *     category   class i is the table's number i; what is not in the table is the last class,
 *                OTHER, where `other` is above 0, and impossible where it is 0. NaN: unknown.
 *                With a step (counts) OTHER is the numbers of that grid which the table lacks, and
 *                its probability is spread over them: half as much with each step beyond the
 *                table's ends, in a gap as much as one step beyond. Infinity: any of them
 *     follows    the table's number i where the category of column `source` has class i (a
 *                constant: no source, a table of one); anything else has the probability `other`
 *
 * Values and categories may be given: the density is of the other columns given these. What the
 * layers get of a row is its encoded row, one after the other:
 *
 *     x        [values]     of the values that are not given; NaN: hidden
 *     classes  [categories] of the categories that are not given; NaN: unknown
 *     context  [context]    one-hot vectors of these categories, each with a last place for
 * unknown, then of each given column its number and its one-hot vector log p    1            of the
 * columns that follow; -infinity where something is impossible
 */
typedef enum entry_role { ENTRY_VALUE, ENTRY_CATEGORY, ENTRY_FOLLOWS } entry_role;

/* Zero is the default of all but the first six. */
typedef struct entry_column {
    double step;        /* stored distance of two levels; 0: the column is continuous */
    double origin;      /* stored value of level 0 */
    double levels;      /* their number; 0: unbounded */
    double offset;      /* continuous value where level 0 begins */
    double unit;        /* continuous width of a level */
    double centre;      /* subtracted last */
    double role;        /* entry_role */
    double given;       /* 1: what the density is given */
    double states;      /* numbers of the table that are this column's */
    double other;       /* probability kept for what the table lacks */
    double source;      /* 1 + the column that this one follows; 0: none */
    double factor;      /* of a given number, behind the centre; 0 is 1 */
    double least, most; /* of samples, and of such a grid; equal: no bounds */
    double decimals;    /* 1 + decimals of samples; 0: any */
} entry_column;

typedef struct entry_place {
    size_t table;    /* its first number in the table */
    size_t value;    /* of a value: its place in x, or where it is given in the context */
    size_t classes;  /* of its category; 0: it has none */
    size_t context;  /* first place of the one-hot vector */
    size_t category; /* place of its class; SIZE_MAX where it is given */
} entry_place;

typedef struct entry {
    size_t columns;
    entry_column *column; /* [columns] */
    double *table;        /* [sum of states] as floats ascending, NaN last, column by column */
    size_t table_count;
    /* set by entry_set */
    double *gain, *shift, *noise; /* x - centre = gain v + shift + noise u */
    bool quantised;               /* some column is */
    bool mixed;                   /* some column is more than a value of its own */
    bool finished;                /* some column has decimals or bounds of samples */
    entry_place *place;           /* [columns] */
    size_t values, categories, context;
    size_t own;   /* context of the categories that are not given */
    size_t width; /* of an encoded row */
} entry;

/* All columns continuous values, centre 0; false when memory runs out. */
bool entry_open(entry *e, size_t columns);
/* Room for a table of `count` numbers, all 0, in place of the old one. */
bool entry_table(entry *e, size_t count);
/* The plainest entry of a flow: values, categories of so many classes (numbers 0, 1, ...) and given
 * numbers, in this order. Its rows are encoded rows without one-hot vectors and log p. */
bool entry_natural(entry *e, size_t values, const size_t *classes, size_t categories, size_t given);
void entry_close(entry *e);
/* A copy of all that decides; false when memory runs out. */
bool entry_copy(entry *to, const entry *from);
/* After the columns were written: derives the rest. NICEST_E_FORMAT when a number is not finite, a
 * step or unit negative, one is zero and the other is not, or a role contradicts itself. */
nicest_status entry_set(entry *e);

/* One row, stored -> continuous with the noise of (stream, row; of RANDOM_SCORE: stream
 * alone); `u` is scratch of d floats. Only values change, off their tables. */
void entry_dequantise_row(const entry *e, const double *stored, random_stream stream, uint64_t row,
                          float *u, double *continuous);
/* A stored number as a continuous one, in the middle of its level. */
double entry_middle(const entry *e, size_t column, double stored);
/* Continuous -> stored: level floor((x - offset)/unit), clamped to the levels; beside a mass point,
 * not on it. */
void entry_quantise_row(const entry *e, const double *continuous, double *stored);
/* A stored row, encoded, centre subtracted: encoded[width]. */
void entry_encode_row(const entry *e, const double *stored, random_stream stream, uint64_t row,
                      float *u, double *encoded);
/* The same of a continuous row, x = continuous - centre. */
void entry_centre_row(const entry *e, const double *continuous, double *encoded);
/* The same of a latent row: as a continuous row, with x where the values stand, and -infinity at a
 * mass point. */
void entry_latent_row(const entry *e, const double *latent, double *encoded);
/* An encoded row of which only what is given is known; `given` is a continuous row, or NULL. */
void entry_given_row(const entry *e, const double *given, double *encoded);
/* An encoded row back to a continuous one, or with `latent` to a latent one. The class OTHER
 * becomes infinity, what is unknown NaN. Given columns are those of `given`, where it is not NULL.
 */
void entry_restore_row(const entry *e, const double *encoded, const double *given, bool latent,
                       double *row);
/* v with the decimals of the file, where it has so many. */
double entry_round(const entry_column *c, double v);
/* A continuous row brought to the decimals of the file; false where it leaves the bounds of
 * samples, which `clamp` forbids. */
bool entry_finish_row(const entry *e, double *stored, bool clamp);
/* Whether v, stored or continuous, is a number that has a density in column j. */
bool entry_is_value(const entry *e, size_t j, double v);
/* The first column whose value has no probability at all in this stored row; `columns` where all
 * may be. */
size_t entry_impossible(const entry *e, const double *stored);
/* The column that has place `value` in x. */
size_t entry_value(const entry *e, size_t value);
/* The value of x that class c of category i hides, or SIZE_MAX. */
size_t entry_hides(const entry *e, size_t category);
/* Sum of log unit where every column is quantised, else NaN. */
double entry_log_units(const entry *e);
