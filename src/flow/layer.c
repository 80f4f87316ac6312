/* layer.c - the lists that layers fill while a flow is put together, and the table of plans.
 *
 * Owns tensor_list, block_list and plan_table; the mathematics is in the files of the layers. */
#include "flow/layer.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"

/* Makes room for one more item; false when memory runs out. */
static bool grow(void **items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return true;
    size_t larger = *capacity ? 2 * *capacity : 32;
    void *moved = memory_resize(*items, larger, size);
    if (!moved)
        return false;
    *items = moved;
    *capacity = larger;
    return true;
}

void tensor_add(tensor_list *list, const char *prefix, const char *name, tensor_kind kind,
                size_t rows, size_t columns, real **slot)
{
    if (list->failed || !grow((void **)&list->items, list->count, &list->capacity, sizeof(tensor))) {
        list->failed = true;
        return;
    }
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
    if (list->failed || !grow((void **)&list->items, list->count, &list->capacity, sizeof(block)))
        list->failed = true;
    else
        list->items[list->count++] = *item;
}

static gemm *plan_find(const plan_table *table, const gemm_shape *shape)
{
    for (size_t i = 0; i < table->count; i++) {
        const gemm_shape *s = gemm_get_shape(table->plans[i]);
        if (s->m == shape->m && s->n == shape->n && s->k == shape->k && s->lda == shape->lda &&
            s->ldb == shape->ldb && s->ldc == shape->ldc && s->transpose_a == shape->transpose_a &&
            s->transpose_b == shape->transpose_b && s->bias == shape->bias &&
            s->relu == shape->relu && s->accumulate == shape->accumulate && s->bf16 == shape->bf16)
            return table->plans[i];
    }
    return NULL;
}

nicest_status plan_prepare(plan_table *table, const gemm_shape *shape)
{
    if (plan_find(table, shape))
        return NICEST_OK;
    if (!grow((void **)&table->plans, table->count, &table->capacity, sizeof(gemm *)))
        return fail_memory();
    gemm *plan = NULL;
    TRY(gemm_new(&plan, shape));
    table->plans[table->count++] = plan;
    if (table->scratch < gemm_scratch_size(plan))
        table->scratch = gemm_scratch_size(plan);
    return NICEST_OK;
}

void plan_run(plan_table *table, const gemm_shape *shape, const real *a, const real *b,
              const real *bias, real *c, void *scratch)
{
    gemm *plan = plan_find(table, shape);
    assert(plan);
    gemm_run(plan, a, b, bias, c, scratch);
}

void plan_table_close(plan_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        gemm_free(table->plans[i]);
    memory_free(table->plans);
    *table = (plan_table){0};
}
