/* checkpoint.h - a training run on disk: resuming gives the bytes that an uninterrupted run gives.
 *
 * One safetensors file: weights, best weights, average, moments, and the counters as JSON; and the
 * run's identity, so that a checkpoint of another run is refused with the difference named. */
#pragma once

#include "train/record.h"
#include "train/train_state.h"

/* Before the work: that the file can be written, and that what is there may be lost: an earlier
 * checkpoint. NICEST_E_IO, NICEST_E_ARGUMENT. */
nicest_status checkpoint_prepare(const char *path);
/* `identity` is a JSON object of what must be the same: options, data, version (record.h). */
nicest_status checkpoint_write(const char *path, const flow *f, const train_state *s,
                               const char *identity, const char *chosen, const char *start);
/* Fills theta and the state, which must have been opened for the same recipe. NICEST_E_MISMATCH
 * names the first difference of identity; nothing is changed on failure. */
nicest_status checkpoint_read(const char *path, flow *f, train_state *s, const char *identity);

/* A checkpoint that says no more than that a race is on: a run that goes on from it begins anew. */
nicest_status checkpoint_write_race(const char *path);
/* The spec of the run that a checkpoint is of, and what was said of its choices and its start; the
 * first two are released by memory_free; and its learning rate. They stay as they are where the
 * race was not over. */
nicest_status checkpoint_spec(const char *path, char **spec, char **chosen, char *start,
                              size_t size, double *rate);
