/* conformal.h - scores into p-values and thresholds that keep their promise.
 *
 * Given n scores of rows that the model has never seen, and one more from the same source, each
 * rank of the new one is equally likely. So p = rank/(n+1) is at most `rate` with a chance of at
 * most `rate`, and of exactly that where rate (n+1) is whole and no scores tie: ties count in full.
 * Plain sorted arrays; knows no model. */
#pragma once

#include <stddef.h>

#include "nicest.h"

/* Of `held` calibration rows, how many to use: a number n for which 5 % (from 399 rows on 1 %,
 * where that costs little) of n+1 is whole, so that the promise is met and not undercut. */
size_t conformal_rows(size_t held);

/* (1 + #not above) / (n+1), for scores sorted upwards. NaN gives NaN. */
double conformal_p(const double *sorted, size_t n, double score);

/* Rows that score below this, and no others, have p <= rate; -infinity where n is too small. */
double conformal_threshold(const double *sorted, size_t n, double rate);

/* A calibration set of single rows, sorted, into one of groups of `size`: dealt at random, without
 * replacement; each group's score is the mean of its rows, or, where `centre` is not NaN,
 * -|mean - centre|. groups[n / size], sorted. NICEST_E_DATA when there is not one group. */
nicest_status conformal_groups(const double *sorted, size_t n, size_t size, double centre,
                               double *groups);

/* A calibration row: its score, what it counts, how many of its cells are empty. */
typedef struct conformal_row {
    double score, weight, holes;
} conformal_row;

/* Sorts rows[*n] by their scores. Weighted ones become as many quantiles of their weighted
 * distribution as the weights are worth, (sum w)^2 / sum w^2 rows and no more: the new *n. Of rows
 * with alike weights, in random order, the last are left out (conformal_rows). */
nicest_status conformal_weigh(conformal_row *rows, size_t *n);

/* Rows with so many holes each, whole numbers, in bins[NICEST_HOLE_BINS] of neighbouring numbers:
 * see nicest_hole_bins. Thresholds are left alone. */
nicest_status conformal_bins(const double *holes, size_t n, nicest_hole_bin *bins, size_t *count);
/* Where a row with so many holes belongs; those of no bin to the nearest. */
size_t conformal_bin(const nicest_hole_bin *bins, size_t count, size_t holes);
