/* statistics.h - the numbers that scores are made of: a vector of them for each row of data.
 *
 * One pass of the flow gives log p, the latent, and the norms of each row's gradient by the parts
 * of theta; the stored values give a compressed length. Owns what each number is; what is made of
 * them is in outlier.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/model.h"
#include "nicest.h"

/* A run of the vector. */
typedef struct statistics_run {
    size_t first, count;
} statistics_run;

/* Where each family lies: log p; the logarithm of the compressed length (count 0 where there is
 * none); logarithms of gradient norms; figures of the latent. All of it together is `all`. */
typedef struct statistics_layout {
    statistics_run logp, length, gradient, latent, all;
} statistics_layout;

statistics_layout statistics_of(const nicest_model *model);

/* How far a long work is: of `total` rows `done` are. */
typedef struct row_ticker {
    nicest_tick tick;
    void *context;
    double done, total;
} row_ticker;

/* The vectors of all rows, out[n, all.count], with the noise of `seed`. A row with a missing
 * value gives NaN throughout, one that leaves the numbers of the model -infinity. `ticker` (NULL:
 * none) is told of every batch. */
nicest_status statistics_measure(const nicest_model *model, const nicest_data *data, uint64_t seed,
                                 int threads, row_ticker *ticker, double *out);

/* Compressed length in bits of each row's levels, out[n]: deflate, for a picture the better of
 * plain and filtered as PNG does it. A row with a missing value gives NaN. NICEST_E_UNSUPPORTED
 * where a column is not quantised to at most 65536 levels. */
nicest_status statistics_lengths(const nicest_model *model, const nicest_data *data, int threads,
                                 double *out);
bool statistics_compressible(const nicest_model *model);
