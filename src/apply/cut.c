/* cut.c - see cut.h. Both parts are made of the flow's spec, a text of one line a layer. */
#include "apply/cut.h"

#include <assert.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"

bool cut_fits(const flow *f)
{
    return f->spec.count > 0 && !f->entry.mixed &&
           !strcmp(f->spec.layers[0]->class->name, "marginal");
}

/* The marginal has no parameters, and its constants come first. */
nicest_status cut_open(cut *s, const flow *f, int threads)
{
    *s = (cut){0};
    if (!cut_fits(f))
        return NICEST_OK;
    const char *text = f->spec.text, *line = strstr(text, "marginal");
    const char *behind = strchr(line, '\n') + 1;
    OWNED char *front = memory_format("%.*sprior normal\n", (int)(behind - text), text);
    OWNED char *rest = memory_format("%.*s%s", (int)(line - text), text, behind);
    TRY(check_memory(front && rest));
    TRY(flow_new(&s->front, front, 0));
    TRY(flow_new(&s->rest, rest, 0));
    size_t constants = s->front->tensors.frozen;
    memcpy(s->front->frozen, f->frozen, constants * sizeof(real));
    memcpy(s->rest->frozen, f->frozen + constants, s->rest->tensors.frozen * sizeof(real));
    memcpy(s->rest->theta, f->theta, f->tensors.trainable * sizeof(real));
    TRY(flow_set_entry(s->front, &f->entry));
    return flow_workspace_new(&s->through, s->front, FLOW_SCORE, 0, threads, false);
}

void cut_close(cut *s)
{
    flow_workspace_free(s->through);
    flow_free(s->front);
    flow_free(s->rest);
    *s = (cut){0};
}

void cut_forward(const cut *s, size_t rows, const double *from, double *to)
{
    assert(s->front);
    flow_forward(s->through, from, rows, to, NULL);
}

void cut_inverse(const cut *s, size_t rows, const double *from, double *to)
{
    assert(s->front);
    flow_inverse(s->through, from, rows, to, NULL);
}
