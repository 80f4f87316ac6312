/* idx.c - the format of the MNIST files: a magic number, the axes, the values, all big-endian.
 *
 * Bytes stay where they are in the loaded file; wider types are swapped into a block.
 * Owns the search for the labels beside the images. */
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "data/formats.h"
#include "data/shape.h"

enum { IDX_MOST_AXES = 4 };

static nicest_status read_header(const file_bytes *file, const char *path, shape *s,
                                 value_type *type)
{
    static const value_type TYPES[] = {
        [0x08] = VALUE_U8,  [0x09] = VALUE_I8,  [0x0A] = VALUE_TYPES, [0x0B] = VALUE_I16,
        [0x0C] = VALUE_I32, [0x0D] = VALUE_F32, [0x0E] = VALUE_F64};
    const unsigned char *p = file->data;
    bool known = file->size >= 4 && p[2] >= 0x08 && p[2] <= 0x0E && p[2] != 0x0A;
    *type = known ? TYPES[p[2]] : VALUE_TYPES;
    if (!known || p[0] != 0 || p[1] != 0)
        return fail(NICEST_E_FORMAT,
                    "%s: is not an IDX file: expected 00 00 TYPE AXES at its start", path);
    s->axes = p[3];
    if (s->axes < 1 || s->axes > IDX_MOST_AXES)
        return fail(NICEST_E_FORMAT, "%s: has %zu axes, expected 1 to %d", path, s->axes,
                    IDX_MOST_AXES);
    size_t header = 4 + 4 * s->axes, bytes;
    if (file->size < header)
        return fail(NICEST_E_FORMAT, "%s: ends in its header: the file is truncated", path);
    for (size_t i = 0; i < s->axes; i++)
        s->size[i] = (size_t)p[4 + 4 * i] << 24 | (size_t)p[5 + 4 * i] << 16 |
                     (size_t)p[6 + 4 * i] << 8 | p[7 + 4 * i];
    if (!shape_bytes(s, value_size(*type), &bytes))
        return fail(NICEST_E_FORMAT, "%s: its axes claim more bytes than can be", path);
    if (bytes != file->size - header)
        return fail(NICEST_E_FORMAT, "%s: its axes claim %zu bytes of values, there are %zu", path,
                    bytes, file->size - header);
    return bytes > 0 ? NICEST_OK : fail(NICEST_E_DATA, "%s: holds no values", path);
}

static nicest_status load(source_table *t, const char *path)
{
    shape s;
    value_type type = VALUE_U8;
    TRY(file_load(&t->bytes, path, 0));
    TRY(read_header(&t->bytes, path, &s, &type));
    TRY(shape_table(t, &s, type, false));
    t->kind = "idx";
    /* Values in the order of this machine. */
    size_t size = value_size(t->type), header = 4 + 4 * s.axes, bytes = t->bytes.size - header;
    t->values = t->bytes.data + header;
    if (size == 1 || shape_big_endian_machine())
        return NICEST_OK;
    t->block = memory_new(bytes, 1);
    TRY(check_memory(t->block));
    memcpy(t->block, t->values, bytes);
    shape_swap(t->block, bytes / size, size);
    t->values = t->block;
    file_release(&t->bytes);
    t->bytes = (file_bytes){0};
    return NICEST_OK;
}

/* ---------------------------------------------------------------- labels beside the images */

/* The first "images" of the name becomes "labels", and the first idx3 behind it idx1. */
nicest_status idx_labels_path(char **labels, const char *path)
{
    const char *name = strrchr(path, '/'), *images;
    *labels = NULL;
    images = strstr(name != NULL ? name : path, "images");
    if (images == NULL || strstr(images, "idx3") == NULL)
        return NICEST_OK;
    char *copy = memory_text(path);
    TRY(check_memory(copy));
    char *place = copy + (images - path);
    memcpy(place, "labels", 6);
    memcpy(strstr(place, "idx3"), "idx1", 4);
    *labels = copy;
    return NICEST_OK;
}

/* With or without ".gz", whatever the images have. */
nicest_status idx_find_labels(char **labels, const char *path)
{
    OWNED char *name = NULL;
    TRY(idx_labels_path(&name, path));
    if (name != NULL && !file_exists(name)) {
        size_t length = strlen(name);
        bool packed = length > 3 && strcmp(name + length - 3, ".gz") == 0;
        char *other =
            packed ? memory_format("%.*s", (int)length - 3, name) : memory_format("%s.gz", name);
        TRY(check_memory(other));
        memory_free(name);
        name = other;
    }
    *labels = name != NULL && file_exists(name) ? memory_take(&name) : NULL;
    return NICEST_OK;
}

nicest_status idx_load(source_table *t, const char *path)
{
    OWNED char *name = NULL;
    OWNED_BY(source_table_close) source_table labels = {0};
    TRY(load(t, path));
    TRY(idx_find_labels(&name, path));
    if (name != NULL)
        TRY(load(&labels, name));
    if (labels.columns != 1 || labels.rows != t->rows) /* those belong to something else */
        return NICEST_OK;
    TRY_NEW(t->extras, 1);
    t->extra_count = 1;
    t->extras->name = memory_text("label");
    t->extras->values = memory_new(t->rows, sizeof(double));
    TRY(check_memory(t->extras->name && t->extras->values));
    source_table_column(&labels, 0, t->extras->values);
    t->labelled = true;
    return NICEST_OK;
}
