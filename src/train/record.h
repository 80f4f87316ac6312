/* record.h - what a run writes down: its log lines, its record in the model, its identity. */
#pragma once

#include "train/recipe.h"
#include "train/train_state.h"

/* Adds a point to the curve; a full curve is thinned by half. */
void record_point(train_state *s, const curve_point *point);

/* JSON texts, released by memory_free; NULL when memory runs out. */
/* What nicest_trainer_chosen says. */
char *record_chosen(const recipe *r, const nicest_train_options *options, const char *start,
                    const char *said);
/* What stays in the model. */
char *record_training(const train_state *s, const recipe *r, const nicest_train_options *options,
                      const nicest_train_result *result, size_t valid_rows, size_t held_out_rows);
/* Of all rows that decide what a run writes: held_out rows only test and calibrate. valid and
 * held_out may be NULL. */
char *record_identity(const recipe *r, const nicest_train_options *options,
                      const nicest_data *train, const nicest_data *valid,
                      const nicest_data *held_out);
/* *difference: the first difference of two identities as a sentence, or NULL; released by
 * memory_free. NICEST_E_FORMAT where theirs is no identity. */
nicest_status record_difference(const char *theirs, const char *ours, char **difference);

/* The state's numbers, without its vectors. */
char *record_counters(const train_state *s);
nicest_status record_read_counters(const char *text, train_state *s);

/* The log file: begin empties it, or where the run was resumed makes it end where the state stands
 * (an empty one becomes a new log), and refuses with NICEST_E_MISMATCH one that lacks lines or is
 * another file. log appends the last point of the curve as one line and counts its bytes. sync
 * brings the lines to the disk. */
nicest_status record_log_begin(const char *path, train_state *s, bool resumed);
nicest_status record_log(const char *path, train_state *s, const curve_point *point);
nicest_status record_log_sync(const char *path);
