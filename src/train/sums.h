/* sums.h - columns that are linear functions of others in every row: copies, totals, other units.
 *
 * Their density stays what training makes of it, sharp. But a sample that misses the total by a
 * thousandth is no row of such a table, so samples and fills keep them (model_keep_sums). */
#pragma once

#include "flow/entry.h"
#include "nicest.h"
#include "train/words.h"

/* Looks among the values of `e` (256 at most); needs more than twice as many rows as these. *sums:
 * the caller's, as model_keep_sums wants it, [*count]; says what was found. */
nicest_status sums_find(const entry *e, const nicest_data *train, double **sums, size_t *count,
                        words *said);
