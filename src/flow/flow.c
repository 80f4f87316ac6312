/* flow.c - see flow.h. Owns a flow: its layers, their vectors, and what can be asked of it. */
#include "flow/flow.h"

#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "flow/pass.h"

static const size_t *classes_of(const flow *f, size_t *count)
{
    const layer *l = f->spec.categories;
    *count = 0;
    return l ? l->class->classes(l, count) : NULL;
}

nicest_status flow_new(flow **out, const char *spec_text, size_t most)
{
    OWNED_BY(flow_drop) flow *f = memory_new(1, sizeof *f);
    TRY(check_memory(f));
    TRY(spec_parse(&f->spec, spec_text));
    for (size_t i = 0; i < f->spec.count; i++) {
        char prefix[32];
        snprintf(prefix, sizeof prefix, "layers.%zu", i);
        if (flow_class(f, i)->remember)
            strcpy(prefix, "prior");
        if (flow_class(f, i)->tensors)
            flow_class(f, i)->tensors(f->spec.layers[i], prefix, &f->tensors);
    }
    TRY(check_memory(!f->tensors.failed));
    if (most && (f->spec.columns > most || f->spec.context > most || f->tensors.trainable > most ||
                 f->tensors.frozen > most))
        return fail(NICEST_E_FORMAT, "the spec wants %zu parameters, more than there are",
                    f->tensors.trainable + f->tensors.frozen);
    /* What is left of the context behind the one-hot vectors of the categories is given. */
    size_t count, own = 0;
    const size_t *classes = classes_of(f, &count);
    for (size_t i = 0; i < count; i++)
        own += classes[i] + 1;
    TRY(check_memory(
        entry_natural(&f->entry, f->spec.columns, classes, count, f->spec.context - own)));
    /* Gives every layer its pointers into the two vectors. */
    f->theta = memory_new(f->tensors.trainable, sizeof(real));
    f->frozen = memory_new(f->tensors.frozen, sizeof(real));
    TRY(check_memory(f->theta && f->frozen));
    for (size_t i = 0; i < f->tensors.count; i++) {
        tensor *t = &f->tensors.items[i];
        *t->slot = (t->trainable ? f->theta : f->frozen) + t->offset;
    }
    for (size_t i = 0; i < f->spec.count; i++)
        if (flow_class(f, i)->blocks)
            flow_class(f, i)->blocks(f->spec.layers[i], i, &f->tensors, &f->blocks);
    f->order = f->spec.masked ? memory_new(2 * f->spec.columns, sizeof *f->order) : NULL;
    TRY(check_memory(!f->blocks.failed && (f->order || !f->spec.masked)));
    if (f->order)
        flow_trace(f, f->order);
    *out = memory_take(&f);
    return NICEST_OK;
}

void flow_free(flow *f)
{
    if (!f)
        return;
    spec_close(&f->spec);
    entry_close(&f->entry);
    memory_free(f->tensors.items);
    memory_free(f->blocks.items);
    memory_free(f->theta);
    memory_free(f->frozen);
    memory_free(f->order);
    memory_free(f);
}

nicest_status flow_set_entry(flow *f, const entry *e)
{
    entry copy;
    size_t count;
    const size_t *classes = classes_of(f, &count);
    bool fits =
        e->values == f->spec.columns && e->context == f->spec.context && e->categories == count;
    for (size_t j = 0; fits && j < e->columns; j++) {
        const entry_place *p = &e->place[j];
        fits = p->category == SIZE_MAX || (classes[p->category] == p->classes &&
                                           (e->column[j].role != ENTRY_VALUE || f->spec.masked));
    }
    if (!fits)
        return fail(NICEST_E_FORMAT,
                    "the spec's number of columns, categories or context is not that of "
                    "the entry");
    TRY(check_memory(entry_copy(&copy, e)));
    entry_close(&f->entry);
    f->entry = copy;
    return NICEST_OK;
}

size_t flow_norms(const flow *f)
{
    size_t count = 0;
    for (size_t i = 0; i < f->spec.count; i++)
        if (flow_class(f, i)->norms)
            count += flow_class(f, i)->norms(f->spec.layers[i], NULL, NULL, 0);
    return count;
}

size_t flow_largest_block(const flow *f)
{
    size_t largest = 1;
    for (size_t i = 0; i < f->blocks.count; i++)
        largest = f->blocks.items[i].count > largest ? f->blocks.items[i].count : largest;
    return largest;
}

void flow_confine(const flow *f, real *theta)
{
    for (size_t i = 0; i < f->tensors.count; i++) {
        const tensor *t = &f->tensors.items[i];
        for (size_t o = 0; t->limit && o < t->shape[0]; o++)
            vector_fill(theta + t->offset + o * t->shape[1] + t->limit[o], 0,
                        t->shape[1] - t->limit[o]);
    }
}

nicest_status flow_check(const flow *f)
{
    for (size_t i = 0; i < f->tensors.count; i++) {
        const tensor *t = &f->tensors.items[i];
        for (size_t o = 0; t->limit && o < t->shape[0]; o++)
            for (size_t k = t->limit[o]; k < t->shape[1]; k++)
                if ((*t->slot)[o * t->shape[1] + k] != 0)
                    return fail(NICEST_E_FORMAT,
                                "tensor %s: a weight that its mask hides is not zero", t->name);
    }
    for (size_t i = 0; i < f->spec.count; i++)
        if (flow_class(f, i)->check)
            TRY(flow_class(f, i)->check(f->spec.layers[i]));
    return NICEST_OK;
}

void flow_trace(const flow *f, uint32_t *place)
{
    uint32_t *moved = place + f->spec.columns;
    for (size_t j = 0; j < f->spec.columns; j++)
        place[j] = (uint32_t)j;
    for (size_t i = 0; i < f->spec.count; i++) {
        if (!flow_class(f, i)->trace)
            continue;
        flow_class(f, i)->trace(f->spec.layers[i], moved);
        for (size_t j = 0; j < f->spec.columns; j++)
            moved[j] = place[moved[j]];
        memcpy(place, moved, f->spec.columns * sizeof *place);
    }
}
