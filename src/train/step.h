/* step.h - the second half of a training step: the gradient, block by block, and its update.
 *
 * After flow_learn said that the step is sound. Where the workspace does not keep the whole
 * gradient, that of a block is used while it is in cache and never travels to memory; clipping by
 * the global norm and accumulation want the whole first. */
#pragma once

#include "flow/flow.h"
#include "train/optimizer.h"

typedef struct stepper {
    flow *flow;
    flow_workspace *workspace; /* FLOW_LEARN or more */
    optimizer *optimizer;
    double clip;   /* most global norm of the gradient; 0: none. Needs the whole gradient. */
    double *norms; /* [blocks], only with clip */
} stepper;

/* Borrows the three. */
nicest_status stepper_open(stepper *s, flow *f, flow_workspace *w, optimizer *o, double clip);
void stepper_close(stepper *s);
/* Moves the parameters by the gradient of the last flow_learn of the workspace. */
void stepper_apply(stepper *s, double rate);
