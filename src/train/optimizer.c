/* optimizer.c - see optimizer.h. Plain loops that the compiler vectorises. */
#include "train/optimizer.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "kernel/vector.h"

nicest_status optimizer_open(optimizer *o, const optimizer_settings *settings, const float *theta,
                             size_t count)
{
    optimizer made = {.settings = *settings, .count = count};
    bool first = settings->kind == NICEST_ADAM || settings->beta1 > 0;
    bool second = settings->kind != NICEST_SGD;
    made.first = first ? memory_new(count, sizeof(float)) : NULL;
    made.second = second ? memory_new(count, sizeof(float)) : NULL;
    made.average = settings->average > 0 ? memory_new(count, sizeof(float)) : NULL;
    if ((first && !made.first) || (second && !made.second) ||
        (settings->average > 0 && !made.average)) {
        optimizer_close(&made);
        return fail_memory();
    }
    optimizer_reset(&made, theta);
    *o = made;
    return NICEST_OK;
}

void optimizer_close(optimizer *o)
{
    memory_free(o->first);
    memory_free(o->second);
    memory_free(o->average);
    *o = (optimizer){0};
}

void optimizer_reset(optimizer *o, const float *theta)
{
    o->steps = 0;
    if (o->first)
        memset(o->first, 0, o->count * sizeof(float));
    if (o->second)
        memset(o->second, 0, o->count * sizeof(float));
    if (o->average)
        memcpy(o->average, theta, o->count * sizeof(float));
}

optimizer_step optimizer_begin(optimizer *o, double rate, double gradient_scale)
{
    assert(rate >= 0);
    const optimizer_settings *s = &o->settings;
    double t = (double)++o->steps;
    bool adam = s->kind == NICEST_ADAM;
    return (optimizer_step){
        .rate = (float)rate,
        .momentum = (float)s->beta1,
        .forget = (float)s->beta2,
        .correction1 = adam ? (float)(1 / (1 - pow(s->beta1, t))) : 1,
        .correction2 = adam ? (float)(1 / sqrt(1 - pow(s->beta2, t))) : 1,
        .decay = (float)(1 - rate * s->weight_decay),
        /* young averages forget faster, so that the start does not linger */
        .keep = (float)fmin(s->average, (1 + t) / (10 + t)),
        .gradient_scale = (float)gradient_scale,
    };
}

/* Its square must be a float: a second moment that overflows never comes back, and its weight would
 * stand still for good. */
static inline float squarable(float gradient)
{
    const float most = 1e19f;
    return gradient > most ? most : gradient < -most ? -most : gradient;
}

VECTOR_CLONES
static void adam(const optimizer_step *s, float epsilon, float *restrict theta, float *restrict m,
                 float *restrict v, const float *restrict g, size_t n)
{
    float rate = s->rate * s->correction1;
    for (size_t i = 0; i < n; i++) {
        float gradient = squarable(g[i] * s->gradient_scale);
        m[i] = s->momentum * m[i] + (1 - s->momentum) * gradient;
        v[i] = s->forget * v[i] + (1 - s->forget) * gradient * gradient;
        theta[i] -= rate * m[i] / (sqrtf(v[i]) * s->correction2 + epsilon);
    }
}

VECTOR_CLONES
static void rmsprop(const optimizer_step *s, float epsilon, float *restrict theta,
                    float *restrict m, float *restrict v, const float *restrict g, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float gradient = squarable(g[i] * s->gradient_scale);
        v[i] = s->forget * v[i] + (1 - s->forget) * gradient * gradient;
        float move = gradient / (sqrtf(v[i]) + epsilon);
        if (m)
            move = m[i] = s->momentum * m[i] + move;
        theta[i] -= s->rate * move;
    }
}

VECTOR_CLONES
static void sgd(const optimizer_step *s, float *restrict theta, float *restrict m,
                const float *restrict g, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float move = g[i] * s->gradient_scale;
        if (m)
            move = m[i] = s->momentum * m[i] + move;
        theta[i] -= s->rate * move;
    }
}

VECTOR_CLONES
static void blend(float *restrict average, const float *restrict theta, float keep, size_t n)
{
    for (size_t i = 0; i < n; i++)
        average[i] = keep * average[i] + (1 - keep) * theta[i];
}

static void add_prefetch(gemm_prefetch *all, const float *vector, size_t offset, size_t count)
{
    if (!vector)
        return;
    all->next[all->count] = (const char *)(vector + offset);
    all->end[all->count++] = (const char *)(vector + offset + count);
}

gemm_prefetch optimizer_reads(const optimizer *o, const float *theta, size_t offset, size_t count)
{
    gemm_prefetch all = {.count = 0};
    add_prefetch(&all, theta, offset, count);
    add_prefetch(&all, o->first, offset, count);
    add_prefetch(&all, o->second, offset, count);
    add_prefetch(&all, o->average, offset, count);
    return all;
}

/* A piece of a block, short enough for the nearest cache: every loop finds it there. */
static void update_piece(const optimizer *o, const optimizer_step *step, float *theta,
                         const float *g, size_t offset, size_t count, size_t decays)
{
    float *first = o->first ? o->first + offset : NULL;
    float *second = o->second ? o->second + offset : NULL;
    float epsilon = (float)o->settings.epsilon;
    theta += offset;
    if (step->decay != 1)
        vector_scale(theta, step->decay, decays);
    if (o->settings.kind == NICEST_ADAM)
        adam(step, epsilon, theta, first, second, g, count);
    else if (o->settings.kind == NICEST_RMSPROP)
        rmsprop(step, epsilon, theta, first, second, g, count);
    else
        sgd(step, theta, first, g, count);
    if (o->average)
        blend(o->average + offset, theta, step->keep, count);
}

void optimizer_update(const optimizer *o, const optimizer_step *step, float *theta, const float *g,
                      size_t offset, size_t count, size_t decays)
{
    assert(offset + count <= o->count && decays <= count);
    enum { PIECE = 1024 };
    for (size_t i = 0; i < count; i += PIECE) {
        size_t n = count - i < PIECE ? count - i : PIECE, decaying = decays > i ? decays - i : 0;
        update_piece(o, step, theta, g + i, offset + i, n, decaying < n ? decaying : n);
    }
}
