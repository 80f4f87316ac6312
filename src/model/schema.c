/* schema.c - the entry MODEL_SCHEMA: what the columns are called, and whether they are a picture.
 *
 *     {"names": ["length", "width"] or null, "image": [height, width, channels] or null,
 *      "type": "uint8"}
 *
 * Owns that JSON both ways. Keys that it does not know are left alone. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "model/handle.h"
#include "model/json.h"
#include "model/utf8.h"

enum { DEFAULT_NAME = 24, MOST_SIDE = 65535 };

/* What a column is called that has no name: "x1". */
static const char *default_name(size_t column, char *text)
{
    snprintf(text, DEFAULT_NAME, "x%zu", column + 1);
    return text;
}

/* ------------------------------------------------------------------ reading */

/* Name of a column in `names`; NULL where it is no text. */
static const char *name_at(const json_t *names, size_t column, char *text)
{
    return names ? json_string_value(json_array_get(names, column)) : default_name(column, text);
}

/* Pointers and texts in one block. */
static nicest_status collect_names(const json_t *names, size_t columns, char ***out)
{
    char text[DEFAULT_NAME];
    size_t size = columns * sizeof(char *);
    for (size_t j = 0; j < columns; j++) {
        const char *name = name_at(names, j, text);
        if (!name)
            return fail(NICEST_E_FORMAT, "%s: the name of column %zu is not a text", MODEL_SCHEMA,
                        j + 1);
        size += strlen(name) + 1;
    }
    char **all = memory_new(size, 1);
    if (!all)
        return fail_memory();
    char *next = (char *)(all + columns);
    for (size_t j = 0; j < columns; j++) {
        const char *name = name_at(names, j, text);
        size_t length = strlen(name) + 1;
        memcpy(next, name, length);
        all[j] = next;
        next += length;
    }
    *out = all;
    return NICEST_OK;
}

static bool read_side(const json_t *image, size_t i, unsigned *side)
{
    json_int_t value = json_integer_value(json_array_get(image, i));
    *side = (unsigned)value;
    return value >= 1 && value <= MOST_SIDE;
}

static nicest_status read_image(const json_t *image, size_t columns, model_schema *s)
{
    if (!image || json_is_null(image))
        return NICEST_OK;
    if (json_array_size(image) != 3 || !read_side(image, 0, &s->height) ||
        !read_side(image, 1, &s->width) || !read_side(image, 2, &s->channels) ||
        (uint64_t)s->height * s->width * s->channels != columns)
        return fail(NICEST_E_FORMAT, "%s: the picture's size does not fit %zu columns",
                    MODEL_SCHEMA, columns);
    return NICEST_OK;
}

static nicest_status read_object(const json_t *object, size_t columns, model_schema *s)
{
    const json_t *names = json_object_get(object, "names");
    if (!json_is_object(object))
        return fail(NICEST_E_FORMAT, "%s: not a JSON object", MODEL_SCHEMA);
    if (json_is_null(names))
        names = NULL;
    if (names && json_array_size(names) != columns)
        return fail(NICEST_E_FORMAT, "%s: %zu names for %zu columns", MODEL_SCHEMA,
                    json_array_size(names), columns);
    TRY(read_image(json_object_get(object, "image"), columns, s));
    return collect_names(names, columns, &s->name);
}

nicest_status schema_read(model_schema *schema, const char *text, size_t columns)
{
    model_schema fresh = {0};
    json_t *object = NULL;
    if (!text) {
        TRY(collect_names(NULL, columns, &fresh.name));
        *schema = fresh;
        return NICEST_OK;
    }
    nicest_status status = json_read(&object, text, strlen(text));
    if (status == NICEST_OK)
        status = read_object(object, columns, &fresh);
    else if (status == NICEST_E_FORMAT)
        fail_in(status, "%s", MODEL_SCHEMA);
    json_decref(object);
    if (status == NICEST_OK)
        *schema = fresh;
    return status;
}

void schema_close(model_schema *schema)
{
    memory_free(schema->name);
    *schema = (model_schema){0};
}

/* ------------------------------------------------------------------ writing */

static bool all_default(const char *const *names, size_t columns)
{
    char text[DEFAULT_NAME];
    for (size_t j = 0; j < columns; j++)
        if (names[j] && strcmp(names[j], default_name(j, text)))
            return false;
    return true;
}

/* NULL when memory runs out. */
static json_t *name_json(const char *name, size_t column)
{
    char text[DEFAULT_NAME];
    char *repaired = utf8_repaired(name ? name : default_name(column, text));
    json_t *value = repaired ? json_string(repaired) : NULL;
    memory_free(repaired);
    return value;
}

static json_t *names_json(const char *const *names, size_t columns)
{
    if (!names || all_default(names, columns))
        return json_null();
    json_t *array = json_array();
    for (size_t j = 0; array && j < columns; j++)
        if (json_array_append_new(array, name_json(names[j], j)) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

/* The text of an object, which it releases; NULL when memory runs out. */
static char *dump(json_t *object)
{
    size_t size = object ? json_dumpb(object, NULL, 0, JSON_COMPACT) : 0;
    char *text = size ? memory_new(size + 1, 1) : NULL;
    if (text)
        json_dumpb(object, text, size, JSON_COMPACT);
    json_decref(object);
    return text;
}

nicest_status model_set_schema(nicest_model *model, const char *const *names, unsigned height,
                               unsigned width, unsigned channels, const char *stored_type)
{
    json_t *list = names_json(names, model->flow->entry.columns);
    json_t *image =
        height ? json_pack("[I, I, I]", (json_int_t)height, (json_int_t)width, (json_int_t)channels)
               : json_null();
    json_t *type = stored_type ? json_string(stored_type) : json_null();
    char *text = dump(json_pack("{s:o, s:o, s:o}", "names", list, "image", image, "type", type));
    nicest_status status = text ? model_set_entry(model, MODEL_SCHEMA, text) : fail_memory();
    memory_free(text);
    return status;
}
