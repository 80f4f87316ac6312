/* pass.h - tiles of a job, for the files of src/flow that take them through layers themselves. */
#pragma once

#include "base/parallel.h"
#include "flow/flow.h"

static inline const layer_class *flow_class(const flow *f, size_t i)
{
    return f->spec.layers[i]->class;
}

/* Forward, inverse or backward of a layer, whose scratch is given back. */
static inline void flow_run_layer(const layer *l, tile *t, void (*run)(const layer *, tile *))
{
    size_t used = t->scratch->used;
    run(l, t);
    t->scratch->used = used;
}

/* Calls `run` with `context` for each tile of rows start .. start+count-1 of the job. */
void flow_each_tile(flow_workspace *w, const flow_job *job, size_t start, size_t count,
                    bool learning, parallel_body run, void *context);
/* From there: tile `number` of the pass, empty. Its place in the tape is t->first; its place in the
 * job is returned. */
size_t flow_open_tile(flow_workspace *w, int thread, size_t number, tile *t, double **values,
                      float **noise);
/* Fills x, mask, categories and context of a tile whose rows begin at `first` of the job; zeros
 * where there is no row. values and noise are those of flow_open_tile. */
void flow_load_tile(const flow_workspace *w, tile *t, size_t first, double *values, float *noise);
