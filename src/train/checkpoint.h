/* checkpoint.h - a training run on disk: resuming gives the bytes that an uninterrupted run gives.
 *
 * One safetensors file: weights, best weights, average, moments, and the counters as JSON; and the
 * run's identity, so that a checkpoint of another run is refused with the difference named. */
#ifndef NICEST_TRAIN_CHECKPOINT_H
#define NICEST_TRAIN_CHECKPOINT_H

#include "train/record.h"
#include "train/state.h"

/* Before the work: that the file can be written, and that what is there may be lost: an earlier
 * checkpoint. NICEST_E_IO, NICEST_E_ARGUMENT. */
nicest_status checkpoint_prepare(const char *path);
/* `identity` is a JSON object of what must be the same: options, data, version (record.h). */
nicest_status checkpoint_write(const char *path, const flow *f, const train_state *s,
                               const char *identity);
/* Fills theta and the state, which must have been opened for the same recipe. NICEST_E_MISMATCH
 * names the first difference of identity; nothing is changed on failure. */
nicest_status checkpoint_read(const char *path, flow *f, train_state *s, const char *identity);

#endif
