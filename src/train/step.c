/* step.c - see step.h. */
#include "train/step.h"

#include <assert.h>
#include <math.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "base/status.h"
#include "kernel/vector.h"

typedef struct move {
    stepper *s;
    optimizer_step step;
} move;

nicest_status stepper_open(stepper *s, flow *f, flow_workspace *w, optimizer *o, double clip)
{
    *s = (stepper){.flow = f, .workspace = w, .optimizer = o, .clip = clip};
    assert(!(clip > 0) || flow_whole_gradient(w));
    s->norms = clip > 0 ? memory_new(f->blocks.count, sizeof *s->norms) : NULL;
    return clip > 0 && !s->norms ? fail_memory() : NICEST_OK;
}

void stepper_close(stepper *s)
{
    memory_free(s->norms);
    *s = (stepper){0};
}

/* Fused: gradient and update of a block while it is in cache; or from the whole gradient. */
static void update_block(void *context, int thread, size_t item)
{
    const move *u = context;
    const stepper *s = u->s;
    const block *b = &s->flow->blocks.items[item];
    const float *whole = flow_whole_gradient(s->workspace);
    float *g = flow_block_scratch(s->workspace, thread);
    gemm_prefetch prefetch = optimizer_reads(s->optimizer, s->flow->theta, b->offset, b->count);
    if (!whole)
        flow_gradient(s->workspace, thread, b, g, &prefetch);
    optimizer_update(s->optimizer, &u->step, s->flow->theta, whole ? whole + b->offset : g,
                     b->offset, b->count, b->decays);
    flow_transpose(s->workspace, b);
}

static void measure_block(void *context, int thread, size_t item)
{
    const stepper *s = ((const move *)context)->s;
    const block *b = &s->flow->blocks.items[item];
    const float *g = flow_whole_gradient(s->workspace) + b->offset;
    (void)thread;
    s->norms[item] = vector_dot(g, g, b->count);
}

void stepper_apply(stepper *s, double rate)
{
    assert(s->flow && s->workspace && rate >= 0);
    move u = {.s = s};
    double square = 0, scale = 1;
    if (s->clip > 0) { /* so that the gradient's norm is at most `clip` */
        parallel_for(flow_threads(s->workspace), s->flow->blocks.count, measure_block, &u);
        for (size_t i = 0; i < s->flow->blocks.count; i++)
            square += s->norms[i];
        scale = fmin(1, s->clip / sqrt(square));
    }
    u.step = optimizer_begin(s->optimizer, rate, scale);
    parallel_for(flow_threads(s->workspace), s->flow->blocks.count, update_block, &u);
    flow_transposed(s->workspace, true);
}
