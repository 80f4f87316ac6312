/* explain.h - rows of mixed tables filled, one hidden cell after the other given all others.
 *
 * Gibbs sampling with the slices of reasons: of a value the density over points where its mass is,
 * of a category all its states. The density is that of the whole row, so every fill fits the rest
 * of it. */
#pragma once

#include <stdint.h>

#include "nicest.h"

/* The mean (of words the likeliest, of levels of numbers the nearest), the median given the others,
 * a draw. */
typedef enum explain_fill_kind { FILL_MEANT, FILL_LIKELIEST, FILL_DRAWN } explain_fill_kind;

typedef struct explain_fill_job {
    const double *stored;         /* [rows, columns] */
    const unsigned char *hidden;  /* [rows, columns] */
    size_t rows, samples, sweeps; /* sweeps over a row's hidden cells, of each sample */
    explain_fill_kind kind;
    uint64_t seed;
    int threads;
    nicest_tick tick; /* may be NULL */
    void *context;
} explain_fill_job;

/* filled[samples, rows, columns] stored values, what is seen bit for bit; logp[rows] of the last
 * sample. */
nicest_status explain_fill(const nicest_model *model, const explain_fill_job *job, double *filled,
                           double *logp);
