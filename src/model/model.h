/* model.h - a model: a flow and the named texts that travel with it.
 *
 * Owns the handle nicest_model and its workspaces. What a higher floor wants to keep in a model (data
 * schema, training record, calibration) is an opaque entry here: a name and a text. */
#ifndef NICEST_MODEL_MODEL_H
#define NICEST_MODEL_MODEL_H

#include "flow/flow.h"
#include "nicest.h"

#define MODEL_SCHEMA      "nicest.schema"      /* JSON, written by model_set_schema */
#define MODEL_TRAINING    "nicest.training"    /* JSON, written by train/ */
#define MODEL_CALIBRATION "nicest.calibration" /* JSON, written by apply/outlier */

/* A model around `f`, which it owns from then on (also on failure). */
nicest_status model_new(nicest_model **out, flow *f);
flow *model_flow(nicest_model *model);
const flow *model_flow_const(const nicest_model *model);

/* Sets or replaces (text == NULL: removes) an entry; copies both. */
nicest_status model_set_entry(nicest_model *model, const char *name, const char *text);

/* Column names, picture size and stored type of the rows that the model is of; names may be NULL. */
nicest_status model_set_schema(nicest_model *model, const char *const *names, unsigned height,
                               unsigned width, unsigned channels, const char *stored_type);

/* Additional arrays that a higher floor stores in the model file ("calibration.scores", ...): F64,
 * copied; count 0 removes. model_array returns NULL where there is none. */
nicest_status model_set_array(nicest_model *model, const char *name, const double *values,
                              size_t count);
const double *model_array(const nicest_model *model, const char *name, size_t *count);

#endif
