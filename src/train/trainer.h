/* trainer.h - learning: from rows to a model, by steps that are applied only when they are sound.
 *
 * Owns the loop, the split of rows, early stopping, best weights, recovery from divergence and the
 * schedule. What a step computes is in flow/, how weights move in optimizer, what was chosen in
 * recipe. Calibration belongs to apply/: the held-out rows are handed up. */
#ifndef NICEST_TRAIN_TRAINER_H
#define NICEST_TRAIN_TRAINER_H

#include "nicest.h"

/* The rows that were used, each a nicest_data of its own that the caller frees; NULL where none. */
typedef struct trainer_rows {
    nicest_data *train, *valid, *held_out;
} trainer_rows;

nicest_status trainer_run(nicest_model **model, const nicest_data *train, const nicest_data *valid,
                          const nicest_train_options *options, nicest_train_result *result,
                          trainer_rows *rows);
void trainer_rows_free(trainer_rows *rows);

#endif
