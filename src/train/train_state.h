/* train_state.h - everything that changes while a model learns: what a checkpoint holds. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "flow/flow.h"
#include "nicest.h"
#include "train/optimizer.h"

typedef struct curve_point {
    size_t step;
    double epoch, train_logp, valid_logp, rate;
} curve_point;

enum { CURVE_POINTS = 512 };

typedef struct train_state {
    uint64_t step;           /* applied steps */
    uint64_t epoch;          /* complete epochs: the number of the permutation */
    uint64_t in_epoch;       /* batches of this epoch that were used */
    uint64_t draws;          /* batches ever drawn: the number of the noise */
    uint64_t retries, above; /* recoveries; consecutive steps below the start's log-likelihood */
    double rate_factor;      /* 1, a tenth after each recovery */
    double seconds;          /* of training, validation included */
    double start_logp;       /* of the data-initialised model, on training rows */
    double valid_logp, best_logp,
        train_logp; /* last, best (of the kept weights), mean since last */
    uint64_t stale; /* validations since the best, which was at */
    uint64_t best_step;
    double best_seconds;
    uint64_t raced;       /* steps that a race took, at the full rate: the schedule begins there, */
    double raced_seconds; /* and so long */
    double copula_logp, mixture_logp; /* see nicest_train_result */
    double sum;                       /* of mean log p of the batches since the last validation, */
    uint64_t summed;                  /* and their number */
    uint64_t log_bytes, log_checksum; /* of the log so far: its length, the CRC of its bytes */
    curve_point curve[CURVE_POINTS];  /* thinned by half when full */
    size_t points;
    uint64_t stride, skipped;
    float *best; /* [parameters] */
    optimizer optimizer;
} train_state;
