/* permute.c - a frozen permutation of the columns; log|det| = 0.
 *
 *     y_i = x_{order(i)}
 *
 * odd-even puts the 1st, 3rd, 5th ... column (counted from one, as the paper does) in front of the
 * others, so that the couplings' two parts are the odd/even partition of section 5.1. */
#include <string.h>

#include "flow/layer.h"

typedef struct permute {
    layer layer;
    uint32_t *order; /* [columns] */
} permute;

static void permute_prepare(const layer *self, layer_needs *needs)
{
    size_t used = needs->scratch->used;
    arena_take(needs->scratch, self->columns * needs->rows, sizeof(double));
    needs->scratch->used = used;
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
}

static void permute_inverse(const layer *self, tile *t)
{
    reorder(self, t, t->x, t->padded * sizeof *t->x, true);
}

/* dx_{order(i)} = dy_i */
static void permute_backward(const layer *self, tile *t)
{
    reorder(self, t, t->dx, t->padded * sizeof *t->dx, true);
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
    .free = permute_free,
};

static void fill_order(uint32_t *order, size_t n, permute_kind kind, uint64_t seed)
{
    size_t odd = (n + 1) / 2;
    if (kind == PERMUTE_RANDOM)
        random_permutation((random_stream){seed, RANDOM_INIT, UINT32_MAX}, order, n);
    for (size_t i = 0; kind != PERMUTE_RANDOM && i < n; i++)
        order[i] = (uint32_t)(kind == PERMUTE_REVERSE ? n - 1 - i
                              : i < odd               ? 2 * i
                                                      : 2 * (i - odd) + 1);
}

layer *permute_new(size_t columns, permute_kind kind, uint64_t seed)
{
    permute *p = memory_new(1, sizeof *p);
    uint32_t *order = memory_new(columns, sizeof *order);
    if (!p || !order) {
        memory_free(p);
        memory_free(order);
        return NULL;
    }
    p->layer = (layer){&permute_class, columns};
    p->order = order;
    fill_order(order, columns, kind, seed);
    return &p->layer;
}
