/* step.c - see step.h. */
#include "train/step.h"

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
    stepper made = {.flow = f, .workspace = w, .optimizer = o, .clip = clip};
    if (clip > 0) {
        made.gradient = memory_new(f->tensors.trainable, sizeof *made.gradient);
        made.norms = memory_new(f->blocks.count, sizeof *made.norms);
        if (!made.gradient || !made.norms) {
            stepper_close(&made);
            return fail_memory();
        }
    }
    *s = made;
    return NICEST_OK;
}

void stepper_close(stepper *s)
{
    memory_free(s->gradient);
    memory_free(s->norms);
    *s = (stepper){0};
}

static void update(const move *u, const block *b, const float *g)
{
    const stepper *s = u->s;
    optimizer_update(s->optimizer, &u->step, s->flow->theta, g, b->offset, b->count, b->decays);
    flow_turn(s->workspace, b);
}

/* Fused: gradient and update of a block while it is in cache. */
static void update_block(void *context, int thread, size_t item)
{
    const move *u = context;
    const stepper *s = u->s;
    const block *b = &s->flow->blocks.items[item];
    float *g = flow_block_scratch(s->workspace, thread);
    gemm_ahead ahead = optimizer_reads(s->optimizer, s->flow->theta, b->offset, b->count);
    flow_gradient(s->workspace, thread, b, g, &ahead);
    update(u, b, g);
}

/* Unfused: first all gradients and their norms, */
static void gradient_block(void *context, int thread, size_t item)
{
    const stepper *s = ((const move *)context)->s;
    const block *b = &s->flow->blocks.items[item];
    float *g = s->gradient + b->offset;
    flow_gradient(s->workspace, thread, b, g, NULL);
    s->norms[item] = vector_dot(g, g, b->count);
}

/* then the same updates. */
static void apply_block(void *context, int thread, size_t item)
{
    const move *u = context;
    const block *b = &u->s->flow->blocks.items[item];
    (void)thread;
    update(u, b, u->s->gradient + b->offset);
}

/* What the gradient is multiplied by, so that its norm is at most `clip`. */
static double clip_scale(move *u)
{
    const stepper *s = u->s;
    double square = 0;
    parallel_for(flow_threads(s->workspace), s->flow->blocks.count, gradient_block, u);
    for (size_t i = 0; i < s->flow->blocks.count; i++)
        square += s->norms[i];
    return fmin(1, s->clip / sqrt(square));
}

void stepper_apply(stepper *s, double rate)
{
    move u = {.s = s};
    double scale = s->clip > 0 ? clip_scale(&u) : 1;
    u.step = optimizer_begin(s->optimizer, rate, scale);
    parallel_for(flow_threads(s->workspace), s->flow->blocks.count,
                 s->clip > 0 ? apply_block : update_block, &u);
    flow_turned(s->workspace, true);
}
