/* columns.h - what kind of numbers the training rows hold, and what the model's entry makes of
 * them.
 *
 * A column whose values repeat has no density: a flow would answer with an unbounded likelihood. So
 * repeating columns are recognised and dequantised with their own step, and that is said. */
#pragma once

#include "flow/entry.h"
#include "nicest.h"
#include "train/words.h"

/* Sets step, origin, levels, offset and unit of every value of `e` from (a sample of) the rows, off
 * its mass point; says what was found. ties: some column of many levels has values that come back, as
 * a marginal wants room for. */
nicest_status columns_recognise(entry *e, const nicest_data *data, bool *ties, words *said);

/* Mean and standard deviation of the continuous values of all rows, [columns] each (0 and 1 of what
 * is no value); sets the centres to the means where `centred`, else to 0; those of given values
 * always, with factors. NICEST_E_DATA where a column leaves the range of float. */
nicest_status columns_measure(entry *e, const nicest_data *data, bool centred, double *mean,
                              double *deviation);

/* Mean log density of `test` under the Gaussian with the mean and full covariance of `train` (both
 * dequantised as by the entry), of rows where nothing is missing; NaN where not all columns are
 * values, or it would take too long (more than 1024 columns, or 4e9 for rows times columns
 * squared). */
nicest_status columns_gaussian(const entry *e, const nicest_data *train, const nicest_data *test,
                               uint64_t seed, double *mean_logp);
