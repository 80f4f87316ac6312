/* shape.c - from raw arrays of a file to a table.
 *
 * Owns the arithmetic of axes and strides. Does not read files. */
#include "data/shape.h"

#include <assert.h>
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

/* 1, 3 or 4 channels; a picture is at least two pixels each way. */
static bool could_be_picture(size_t height, size_t width, size_t channels)
{
    return (channels == 1 || channels == 3 || channels == 4) && height <= UINT32_MAX &&
           width <= UINT32_MAX;
}

/* [n, h, w], [n, h, w, c], or [n, c, h, w], where the channels come first (as PyTorch has them) and
 * the last axis cannot be them; *first says so. */
static void find_picture(source_table *t, const shape *s, bool *first)
{
    size_t height = s->size[1], width = s->size[2], channels = s->axes == 4 ? s->size[3] : 1;
    *first = s->axes == 4 && could_be_picture(s->size[2], s->size[3], s->size[1]) &&
             !could_be_picture(height, width, channels);
    if (*first) {
        channels = s->size[1];
        height = s->size[2];
        width = s->size[3];
    }
    if ((s->axes != 3 && s->axes != 4) || !could_be_picture(height, width, channels))
        return;
    t->height = (unsigned)height;
    t->width = (unsigned)width;
    t->channels = (unsigned)channels;
}

nicest_status shape_table(source_table *table, const shape *s, value_type type, bool fortran)
{
    assert(s->axes >= 1 && s->axes <= SHAPE_MOST);
    size_t stride[SHAPE_MOST] = {0}, size = value_size(type);
    table->type = type;
    table->rows = s->size[0];
    table->columns = 1;
    for (size_t i = 1; i < s->axes; i++)
        table->columns *= s->size[i];
    bool first;
    find_picture(table, s, &first);
    table->column_stride = size;
    table->row_stride = table->columns * size;
    if ((!fortran || s->axes == 1) && (!first || table->channels == 1))
        return NICEST_OK;
    for (size_t i = 0; i < s->axes; i++) {
        size_t axis = fortran ? i : s->axes - 1 - i;
        stride[axis] =
            i == 0 ? size
                   : stride[fortran ? axis - 1 : axis + 1] * s->size[fortran ? axis - 1 : axis + 1];
    }
    table->row_stride = stride[0];
    table->column_stride = stride[1];
    if (s->axes <= 2)
        return NICEST_OK;
    /* Column number -> distance from the row's first value, the last axis running fastest, or the
     * first of a row where channels come first: a pixel's channels are neighbours. */
    static const size_t LAST_FIRST[] = {1, 3, 2};
    TRY_NEW(table->offsets, table->columns);
    for (size_t j = 0; j < table->columns; j++)
        for (size_t i = s->axes - 1, k = 0, left = j; i > 0; i--, k++) {
            size_t axis = first ? LAST_FIRST[k] : i;
            table->offsets[j] += left % s->size[axis] * stride[axis];
            left /= s->size[axis];
        }
    return NICEST_OK;
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
