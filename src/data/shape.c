/* shape.c - from raw arrays of a file to a table.
 *
 * Owns the arithmetic of axes and strides. Does not read files. */
#include "data/shape.h"

#include <stdint.h>

#include "base/memory.h"
#include "base/status.h"

bool shape_bytes(const shape *s, size_t value_bytes, size_t *bytes)
{
    size_t product = value_bytes;
    for (size_t i = 0; i < s->axes; i++) {
        if (s->size[i] > 0 && product > SIZE_MAX / 2 / s->size[i])
            return false;
        product *= s->size[i];
    }
    *bytes = product;
    return true;
}

static void find_picture(source_table *t, const shape *s)
{
    size_t channels = s->axes == 4 ? s->size[3] : 1;
    bool picture =
        (s->axes == 3 || s->axes == 4) && (channels == 1 || channels == 3 || channels == 4);
    if (!picture || s->size[1] > UINT32_MAX || s->size[2] > UINT32_MAX)
        return;
    t->height = (unsigned)s->size[1];
    t->width = (unsigned)s->size[2];
    t->channels = (unsigned)channels;
}

/* Column number -> distance from the row's first value, the last axis running fastest. */
static nicest_status find_offsets(source_table *t, const shape *s, const size_t *stride)
{
    t->offsets = memory_new(t->columns, sizeof *t->offsets);
    if (t->offsets == NULL)
        return fail_memory();
    for (size_t j = 0; j < t->columns; j++) {
        size_t left = j, offset = 0;
        for (size_t axis = s->axes - 1; axis > 0; axis--) {
            offset += left % s->size[axis] * stride[axis];
            left /= s->size[axis];
        }
        t->offsets[j] = offset;
    }
    return NICEST_OK;
}

nicest_status shape_table(source_table *table, const shape *s, value_type type, bool fortran)
{
    size_t stride[SHAPE_MOST] = {0}, size = value_size(type);
    table->type = type;
    table->rows = s->size[0];
    table->columns = 1;
    for (size_t i = 1; i < s->axes; i++)
        table->columns *= s->size[i];
    find_picture(table, s);
    table->column_stride = size;
    table->row_stride = table->columns * size;
    if (!fortran || s->axes == 1)
        return NICEST_OK;
    for (size_t i = 0; i < s->axes; i++)
        stride[i] = i == 0 ? size : stride[i - 1] * s->size[i - 1];
    table->row_stride = size;
    table->column_stride = stride[1];
    return s->axes > 2 ? find_offsets(table, s, stride) : NICEST_OK;
}

void shape_swap(unsigned char *values, size_t count, size_t size)
{
    for (size_t i = 0; i < count; i++, values += size) {
        for (size_t a = 0, b = size - 1; a < b; a++, b--) {
            unsigned char kept = values[a];
            values[a] = values[b];
            values[b] = kept;
        }
    }
}

bool shape_big_endian_machine(void)
{
    const uint16_t one = 1;
    return *(const unsigned char *)&one == 0;
}
