/* rule.c - the rules by name, and the additive one (paper, section 3.2).
 *
 *     additive  y = x + m, log|det| = 0 */
#include "flow/rule.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "flow/state.h"

/* y = x + m, x = y - m */
static void additive_move(const rule *self, rule_job *job)
{
    (void)self;
    (job->inverse ? state_subtract : state_add)(job->x, job->parameters,
                                                job->columns * job->padded);
}

/* dx = dy, dm = dy */
static void additive_backward(const rule *self, rule_job *job)
{
    (void)self;
    memcpy(job->parameters, job->dx, job->columns * job->padded * sizeof *job->dx);
}

static nicest_status additive_parse(const spec_line *l, rule *self, char *text, size_t size)
{
    (void)l, (void)size;
    self->parameters = 1;
    *text = 0;
    return NICEST_OK;
}

static const char *const NO_KEYS[] = {NULL};

const rule_class rule_additive = {.name = "additive",
                                  .keys = NO_KEYS,
                                  .parse = additive_parse,
                                  .move = additive_move,
                                  .backward = additive_backward};

static const rule_class *const RULE_LIST[] = {
#define RULE_ENTRY(name) &rule_##name,
    RULES(RULE_ENTRY)
#undef RULE_ENTRY
};

nicest_status rule_parse(const spec_line *l, rule *self, const char *otherwise,
                         const char *const *keys, const char *usage, char *text, size_t size)
{
    enum { COUNT = sizeof RULE_LIST / sizeof *RULE_LIST };
    const char *name = spec_option(l, "rule"), *all[RULE_KEYS];
    size_t i = 0, n = 0, used;
    name = name ? name : otherwise;
    while (i < COUNT && strcmp(name, RULE_LIST[i]->name))
        i++;
    if (i == COUNT)
        return spec_refuse(l, "the rule is one of additive, affine, spline");
    *self = (rule){.class = RULE_LIST[i]};
    all[n++] = "rule";
    for (; *keys && n + 1 < RULE_KEYS; keys++)
        all[n++] = *keys;
    for (const char *const *own = self->class->keys; *own && n + 1 < RULE_KEYS; own++)
        all[n++] = *own;
    all[n] = NULL;
    if (!spec_known_options(l, all))
        return spec_refuse(l, usage);
    used = (size_t)snprintf(text, size, "rule=%s", name);
    return self->class->parse(l, self, text + used, size - used);
}

size_t rule_chunk(const rule *self, size_t padded)
{
    assert(self->parameters > 0 && padded > 0);
    size_t values = 32768 / (self->parameters * padded), step = 2 * GEMM_TILE_ROWS;
    return values < step ? step : values / step * step;
}
