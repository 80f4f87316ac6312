/* permute.c - a frozen permutation of the columns; log|det| = 0.
 *
 *     y_i = x_{order(i)}
 *
 * odd-even puts the 1st, 3rd, 5th ... column (counted from one, as the paper does) in front of the
 * others, so that the couplings' two parts are the odd/even partition of section 5.1. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flow/grammar.h"

typedef struct permute {
    layer layer;
    uint32_t *order; /* [columns] */
} permute;

static void permute_prepare(const layer *self, layer_needs *needs)
{
    arena_take(needs->scratch, self->columns * needs->rows, sizeof(double));
}

/* Columns of `size` bytes: gather takes column order(i) to i, scatter i to order(i). */
static void reorder(const layer *self, tile *t, void *columns, size_t size, bool scatter)
{
    const uint32_t *order = ((const permute *)self)->order;
    size_t used = t->scratch->used;
    char *now = columns, *old = arena_take(t->scratch, self->columns, size);
    memcpy(old, now, self->columns * size);
    for (size_t i = 0; i < self->columns; i++) {
        size_t to = scatter ? order[i] : i, from = scatter ? i : order[i];
        memcpy(now + to * size, old + from * size, size);
    }
    t->scratch->used = used;
}

static void permute_forward(const layer *self, tile *t)
{
    reorder(self, t, t->x, t->padded * sizeof *t->x, false);
    if (t->mask)
        reorder(self, t, t->mask, t->padded * sizeof *t->mask, false);
}

static void permute_inverse(const layer *self, tile *t)
{
    reorder(self, t, t->x, t->padded * sizeof *t->x, true);
    if (t->mask)
        reorder(self, t, t->mask, t->padded * sizeof *t->mask, true);
}

/* dx_{order(i)} = dy_i */
static void permute_backward(const layer *self, tile *t)
{
    reorder(self, t, t->dx, t->padded * sizeof *t->dx, true);
    if (t->mask)
        reorder(self, t, t->mask, t->padded * sizeof *t->mask, true);
}

static void permute_trace(const layer *self, uint32_t *place)
{
    memcpy(place, ((const permute *)self)->order, self->columns * sizeof *place);
}

static void permute_free(layer *self)
{
    memory_free(((permute *)self)->order);
    memory_free(self);
}

static const layer_class permute_class = {
    .name = "permute",
    .prepare = permute_prepare,
    .forward = permute_forward,
    .inverse = permute_inverse,
    .backward = permute_backward,
    .trace = permute_trace,
    .free = permute_free,
};

nicest_status permute_parse(const spec_line *l, const spec_shape *shape, char *canonical,
                            layer **out)
{
    const char *kind = l->words == 2 ? l->word[1] : "";
    unsigned long long seed = 0;
    char *end = NULL;
    errno = 0;
    if (!strncmp(kind, "random:", 7) && kind[7] >= '0' && kind[7] <= '9')
        seed = strtoull(kind + 7, &end, 10);
    bool random = end && !*end && errno != ERANGE;
    if (!random && strcmp(kind, "odd-even") && strcmp(kind, "reverse"))
        return spec_refuse(l, "expected 'permute odd-even', 'permute reverse' or "
                              "'permute random:SEED' with SEED from 0 to 2^64 - 1");
    size_t n = shape->columns, odd = (n + 1) / 2;
    bool reverse = strcmp(kind, "reverse") == 0;
    permute *p = layer_new(&permute_class, sizeof *p, shape, out);
    if (p && !(p->order = memory_new(shape->columns, sizeof *p->order)))
        memory_free(p), *out = NULL;
    if (*out && random)
        random_permutation((random_stream){seed, RANDOM_INIT, UINT32_MAX}, p->order, n);
    for (size_t i = 0; *out && !random && i < n; i++)
        p->order[i] = (uint32_t)(reverse ? n - 1 - i : i < odd ? 2 * i : 2 * (i - odd) + 1);
    if (random)
        snprintf(canonical, SPEC_LINE, "permute random:%llu", seed);
    else
        snprintf(canonical, SPEC_LINE, "permute %s", kind);
    return NICEST_OK;
}
