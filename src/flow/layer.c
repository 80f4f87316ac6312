/* layer.c - the lists that layers fill while a flow is put together, and the sizes of tiles.
 *
 * Owns tensor_list and block_list; the mathematics is in the files of the layers. */
#include "flow/layer.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void tensor_add(tensor_list *list, const char *prefix, const char *name, tensor_kind kind,
                size_t rows, size_t columns, real **slot)
{
    list->failed = list->failed || !memory_grow(&list->items, list->count + 1, &list->capacity,
                                                sizeof *list->items);
    if (list->failed)
        return;
    tensor *t = &list->items[list->count++];
    memset(t, 0, sizeof *t);
    snprintf(t->name, sizeof t->name, "%s.%s", prefix, name);
    t->rank = columns ? 2 : 1;
    t->shape[0] = rows;
    t->shape[1] = columns;
    t->count = columns ? rows * columns : rows;
    t->trainable = kind != TENSOR_FROZEN;
    t->decays = kind == TENSOR_WEIGHT;
    t->slot = slot;
    size_t *length = t->trainable ? &list->trainable : &list->frozen;
    t->offset = *length;
    *length += t->count;
}

void block_add(block_list *list, const block *item)
{
    list->failed = list->failed || !memory_grow(&list->items, list->count + 1, &list->capacity,
                                                sizeof *list->items);
    if (!list->failed)
        list->items[list->count++] = *item;
}

/* Few sizes, so that workspaces know them all: whole vectors, and a panel or two of a product. */
size_t tile_padded(size_t rows)
{
    assert(rows <= 2 * GEMM_PANEL);
    size_t padded = GEMM_COLUMNS;
    while (padded < rows)
        padded *= 2;
    return padded;
}

size_t batch_padded(const batch *b, size_t number)
{
    if (number * b->tile >= b->rows)
        return 0;
    size_t left = b->rows - number * b->tile;
    return tile_padded(left < b->tile ? left : b->tile);
}

/* Each lane takes every sixteenth row, whatever the tiles: the bits do not depend on them. */
double batch_sum(const batch *b, const real *matrix, size_t width, size_t j)
{
    assert(j < width);
    real lanes[VECTOR_LANES] = {0};
    double sum = 0;
    for (size_t first = 0, i = 0; first < b->rows; first += b->tile, i++) {
        size_t n = batch_padded(b, i);
        vector_add_lanes(lanes, matrix + first * width + j * n, n);
    }
    for (int i = 0; i < VECTOR_LANES; i++)
        sum += (double)lanes[i];
    return sum;
}

void tile_squares(const tile *t, const real *x, size_t width, double *sum)
{
    memset(sum, 0, t->rows * sizeof *sum);
    for (size_t j = 0; j < width; j++)
        for (size_t r = 0; r < t->rows; r++)
            sum[r] += (double)x[j * t->padded + r] * (double)x[j * t->padded + r];
}

void tile_add_logdet(tile *t, const real *log_scale, double sign)
{
    double sum = sign * vector_sum(log_scale, t->columns);
    for (size_t r = 0; !t->mask && r < t->padded; r++)
        t->logdet[r] += sum;
    for (size_t j = 0; t->mask && j < t->columns; j++)
        for (size_t r = 0; r < t->padded; r++)
            t->logdet[r] += sign * (double)(t->mask[j * t->padded + r] * log_scale[j]);
}

void tile_add_weight(const tile *t, size_t j, real *g)
{
    assert(j < t->columns);
    const real *seen = t->mask ? t->mask + j * t->padded : NULL;
    for (size_t r = 0; r < t->rows; r++)
        g[r] += seen ? t->weight[r] * seen[r] : t->weight[r];
}

void start_moments(const layer_start *s, size_t j, double *mean, double *deviation)
{
    const double *x = s->x + j * s->stride;
    const real *seen = s->mask ? s->mask + j * s->stride : NULL;
    double sum = 0, square = 0, n = 0;
    for (size_t r = 0; r < s->n; r++) {
        if (seen && !(seen[r] > 0))
            continue;
        sum += x[r];
        square += x[r] * x[r];
        n++;
    }
    *mean = n > 0 ? sum / n : 0;
    *deviation = n > 0 ? sqrt(fmax(square / n - *mean * *mean, 0)) : 0;
}

void layer_vector_blocks(const layer *self, size_t index, const tensor_list *list,
                         block_list *blocks)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].slot == &((const vector_layer *)self)->theta)
            block_add(blocks, &(block){.layer = index,
                                       .rows = list->items[i].count,
                                       .offset = list->items[i].offset,
                                       .count = list->items[i].count});
}

void layer_vector_gradient(const layer *self, const batch *b, const block *which, real *g)
{
    (void)self;
    for (size_t k = 0; k < which->count; k++)
        g[k] = (real)batch_sum(b, b->tape->matrix[0], which->count, k);
}

size_t layer_vector_norms(const layer *self, const tile *t, double *norms, size_t stride)
{
    double squares[2 * GEMM_PANEL];
    (void)self;
    if (!t)
        return 1;
    size_t width = t->tape->width[0];
    tile_squares(t, t->tape->matrix[0] + t->first * width, width, squares);
    for (size_t r = 0; r < t->rows; r++)
        norms[r * stride] = sqrt(squares[r]);
    return 1;
}
