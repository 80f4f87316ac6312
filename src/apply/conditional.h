/* conditional.h - the Gaussian of the training rows, given the values of a row that are seen.
 *
 * With columns in deviations from their means and covariance C = L L', the factor of C with the
 * observed columns in front is
 *
 *     | A 0 |      hidden given observed ~ N(mean + D B A^-1 z_O, (D F) (D F)'),
 *     | B F |      z_O = the observed values in deviations, D = the hidden columns' deviations.
 *
 * Where a fill starts, and the shape of its steps. Knows nothing of the flow. A model that holds no
 * covariance has C = I: then the hidden values are the means, and F = I. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/memory.h"
#include "model/model.h"

/* A column in continuous units. */
typedef struct fill_column {
    double mean, deviation; /* of the model's rows; deviation 0: the value is never moved */
    double low, high;       /* what the ascent and the paper's walk keep values inside */
    bool bounded;           /* these are the ends of the column's levels */
} fill_column;

typedef struct conditional {
    size_t columns;
    size_t each;               /* neighbouring rows of x that have a row of `hidden`; 0: one */
    const fill_column *column; /* [columns] */
    int threads;
    /* inside */
    double *covariance;    /* C, packed; NULL: I */
    double *mean_of;       /* [columns] continuous: of the rows that C is of, */
    double *deviation_of;  /* [columns] and their deviation, D */
    double *scratch;       /* [threads, packed + columns] */
    size_t *order;         /* [most, columns] observed columns, then hidden ones */
    size_t *observed;      /* [most] */
    double *room;          /* of all factors */
    const double **factor; /* [most] F, packed; equal masks that are neighbours share one */
    bool steps;
    memory_group memory;
    /* of the rows at hand */
    size_t rows;
    const unsigned char *hidden;
    const double *x;
    double *mean;
} conditional;

/* Memory for up to `most` rows of hidden at a time out of n, hidden[n, columns], `most` by `most`,
 * and `each` rows of x for each; factors only when `steps`. Mean, deviations and C are the model's,
 * or, without one, those of the columns and c->covariance, which may be given (and goes over). All
 * else of `c` is zero but columns, column and threads. */
nicest_status conditional_open(conditional *c, const nicest_model *model,
                               const unsigned char *hidden, size_t n, size_t most, bool steps);
void conditional_close(conditional *c);

/* The rows at hand, x[rows, columns] continuous, hidden[rows / each, columns]: writes the mean of
 * the hidden values, kept inside low and high, to mean (which may be x), and makes the factors. */
void conditional_take(conditional *c, const double *x, const unsigned char *hidden, size_t rows,
                      double *mean);

/* Hidden values of a row, and their columns. */
size_t conditional_count(const conditional *c, size_t row);
const size_t *conditional_order(const conditional *c, size_t row);
/* out = D F z; and v = F' D v, in place: for the hidden values, in that order. */
void conditional_step(const conditional *c, size_t row, const double *z, double *out);
void conditional_pull(const conditional *c, size_t row, double *v);
/* Sum of the variances of a row's hidden values; with `steps` only. */
double conditional_variance(const conditional *c, size_t row);
