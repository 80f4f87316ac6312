/* views.h - what can be said of a row beside its density: how far its neighbours are, how far out
 * its values; and the average of these with log p.
 *
 * A model keeps some of the training rows for it: the arrays "neighbours.rows" [rows, columns] of
 * stored values, "neighbours.columns" [2, columns], their mean and deviation (0: a column of
 * words), "neighbours.mixture", the parts of five, and "neighbours.ranks" [5, rows], the sorted
 * surprises of those rows in the order of view_kind.
 *
 * Distances are of standardised columns z, and of squeezed ones, asinh z, which far values do not
 * rule. Where the model takes rows with missing values, such a
 * value lies in the middle of its column, else the row has no distance (NaN). Two words that differ
 * are as far from each other as two numbers are on average. */
#pragma once

#include "model/model.h"

/* Each is higher for less typical rows: -log p; mean over the columns of -log of the share of kept
 * values that lie at least as far out on their side (twice the smaller tail); mean over k = 1..10
 * of the mean distance to the k nearest kept rows, and the same of squeezed columns; -log p of
 * mixtures of Gaussians of squeezed columns, where rows are enough, each fitted to four fifths of
 * the kept rows: these are surprised by a row as rows are that no mixture was fitted to. */
typedef enum view_kind {
    VIEW_LOGP,
    VIEW_COLUMNS,
    VIEW_NEIGHBOURS,
    VIEW_SQUEEZED,
    VIEW_MIXTURE,
    VIEWS_COUNT
} view_kind;

/* Keeps at most 4096 distinct rows of `train` (and 2^20 values); below 20 none. */
nicest_status views_fit(nicest_model *model, const nicest_data *train, uint64_t seed, int threads);
void views_forget(nicest_model *model);
/* Kept rows; 0 where there are none. */
size_t views_rows(const nicest_model *model);
/* They, [views_rows, columns] of stored values; NULL: none. */
const double *views_kept(const nicest_model *model);

/* scores[n] become minus the neighbour distances of data's rows.
 * NICEST_E_DATA where the model keeps no rows. */
nicest_status views_neighbours(const nicest_model *model, const nicest_data *data, int threads,
                               double *scores);
/* scores[n] hold log p, and become minus the weighted mean of the views' surprisals. A view's
 * surprisal is -log of the share of the kept rows that are at least as surprising, with an
 * exponential tail beyond nine tenths of them, so that far rows do not tie. */
nicest_status views_score(const nicest_model *model, const nicest_data *data, int threads,
                          double *scores);
