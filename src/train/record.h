/* record.h - what a run writes down: its log lines, its record in the model, its identity. */
#ifndef NICEST_TRAIN_RECORD_H
#define NICEST_TRAIN_RECORD_H

#include "train/recipe.h"
#include "train/state.h"

/* Adds a point to the curve; a full curve is thinned by half. */
void record_point(train_state *s, const curve_point *point);

/* JSON texts, released by memory_free; NULL when memory runs out. */
char *record_training(const train_state *s, const recipe *r, const nicest_train_options *options,
                      const nicest_train_result *result, size_t valid_rows, size_t held_out_rows);
char *record_identity(const recipe *r, const nicest_train_options *options, const nicest_data *train,
                      const nicest_data *valid);
/* *difference: the first difference of two identities as a sentence, or NULL; released by memory_free.
 * NICEST_E_FORMAT where theirs is no identity. */
nicest_status record_difference(const char *theirs, const char *ours, char **difference);

/* The state's numbers, without its vectors. */
char *record_counters(const train_state *s);
nicest_status record_read_counters(const char *text, train_state *s);

/* Appends one line for the last point of the curve to the log file and counts its bytes; the first
 * call after a resume (or a start) cuts the file to s->log_bytes. */
nicest_status record_log(const char *path, train_state *s, const curve_point *point);
nicest_status record_log_begin(const char *path, const train_state *s);

#endif
