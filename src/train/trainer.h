/* trainer.h - learning: from rows to a model, by steps that are applied only when they are sound.
 *
 * Owns the loop, the split of rows, early stopping, best weights, recovery from divergence and the
 * schedule. What a step computes is in flow/, how weights move in optimizer, what was chosen in
 * recipe. Calibration belongs to apply/: the held-out rows are handed up. */
#pragma once

#include "base/memory.h"
#include "nicest.h"

/* The rows that a run uses; all but train may be NULL. */
typedef struct trainer_rows {
    const nicest_data *all; /* as they were given, or `distinct` */
    nicest_data *train, *valid, *held_out;
    nicest_data
        *distinct;     /* each row once, with what its copies count; NULL where there are none */
    nicest_data *both; /* train and valid together, of a small table; else NULL */
} trainer_rows;

/* nicest_trainer_new and nicest_trainer_model without their checks and without calibration. */
nicest_status trainer_new(nicest_trainer **out, const nicest_data *train, const nicest_data *valid,
                          const nicest_train_options *options);
nicest_status trainer_model(nicest_trainer *t, nicest_model **model, nicest_train_result *result);
DEFINE_DROP(trainer_drop, nicest_trainer, nicest_trainer_free)
/* Owned by the trainer. */
const trainer_rows *trainer_parts(const nicest_trainer *t, const nicest_train_options **options);
