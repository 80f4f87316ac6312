/* model.h - a model: a flow and the named texts that travel with it.
 *
 * Owns the handle nicest_model and its workspaces. What a higher floor wants to keep in a model
 * (data schema, training record, calibration) is an opaque entry here: a name and a text. */
#pragma once

#include "base/memory.h"
#include "flow/flow.h"
#include "model/kinds.h"
#include "nicest.h"

#define MODEL_SCHEMA      "nicest.schema"      /* JSON, written by model_set_schema */
#define MODEL_TRAINING    "nicest.training"    /* JSON, written by train/ */
#define MODEL_CALIBRATION "nicest.calibration" /* JSON, written by apply/outlier */

enum {
    MODEL_MOST_ENTRIES = 256, /* texts; and as many arrays */
    MODEL_WHOLE_COVARIANCE = 1024,
    MODEL_MOST_THREADS = 1024 /* more are a mistake of the caller */
};

/* A model around `f`, which it owns from then on (also on failure). */
nicest_status model_new(nicest_model **out, flow *f);
flow *model_flow(nicest_model *model);
const flow *model_flow_const(const nicest_model *model);

/* Sets or replaces (text == NULL: removes) an entry; copies both. Names and texts are UTF-8;
 * "format", "nicest.version" and "nicest.spec" are the file's own names (NICEST_E_ARGUMENT).
 * MODEL_SCHEMA is checked: NICEST_E_FORMAT when it is no schema of this model's columns. */
nicest_status model_set_entry(nicest_model *model, const char *name, const char *text);

/* Column names, picture size and stored type of the rows that the model is of; names may be NULL.
 * Bytes of a name that are not UTF-8 become '?'. */
nicest_status model_set_schema(nicest_model *model, const char *const *names, unsigned height,
                               unsigned width, unsigned channels, const char *stored_type);

/* Adds to the schema what its columns are (kinds[columns]; may be NULL) and the names of columns
 * that training left out. model_set_schema takes both away. */
nicest_status model_set_columns(nicest_model *model, const column_kind *kinds,
                                const char *const *left, size_t left_count);
const column_kind *model_kind(const nicest_model *model, size_t column);
char *const *model_left(const nicest_model *model, size_t *count);

/* The array of columns that were sums of others in every training row, each [2 + columns]: which,
 * a constant, and the factor of every column. Stored rows [n, columns] that were drawn get what
 * they say: the sum where it is `hidden` (like the rows; NULL: all are), else the last hidden
 * column that it is a sum of. */
#define MODEL_SUMS "columns.sums"
void model_keep_sums(const nicest_model *model, size_t n, const unsigned char *hidden,
                     double *stored);

/* Additional arrays that a higher floor stores in the model file ("calibration.scores", ...): F64,
 * copied; count 0 removes. model_array returns NULL where there is none. Any value may be in them,
 * not-a-number too: who reads one checks it. */
nicest_status model_set_array(nicest_model *model, const char *name, const double *values,
                              size_t count);
const double *model_array(const nicest_model *model, const char *name, size_t *count);

/* The Gaussian of the rows that the model learnt from (rows_gaussian.c). Fitted to complete rows
 * [n, columns] as they are stored, n at least 2, which become standardised; with more columns than
 * MODEL_WHOLE_COVARIANCE their covariance is left out. */
nicest_status model_fit_gaussian(nicest_model *model, double *rows, size_t n, int threads);
void model_forget_gaussian(nicest_model *model);
/* Mean and deviation of the columns' stored values, [2, columns], finite, deviations positive; and
 * the Cholesky factor (gaussian.h) of the covariance in those deviations, all of it finite. NULL
 * where the model holds none. */
const double *model_gaussian_columns(const nicest_model *model);
const double *model_gaussian_factor(const nicest_model *model);
/* What a column's deviation counts for at least where rows are standardised: a constant's is that
 * of a level, or a millionth of its value, so that a row that differs there is far away. */
double model_least_deviation(const nicest_model *model, size_t column, double mean);

/* Appends lines to what training said of its choices; and these, "" where it said nothing. They are
 * not written to the model's file. */
nicest_status model_say(nicest_model *model, const char *lines);
const char *model_said(const nicest_model *model);

/* NICEST_E_ARGUMENT unless 0 <= threads <= MODEL_MOST_THREADS. */
nicest_status model_check_threads(int threads);
DEFINE_DROP(model_drop, nicest_model, nicest_model_free)
