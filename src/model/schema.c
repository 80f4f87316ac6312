/* schema.c - the entry MODEL_SCHEMA: what the columns are called, and whether they are a picture.
 *
 *     {"names": ["length", "width"] or null, "image": [height, width, channels] or null,
 *      "type": "uint8",
 *      "columns": [{"kind": "number", "decimals": 2}, {"kind": "category", "words": ["no", "yes"]},
 *                  {"kind": "number", "decimals": 1, "format": "%"},
 *                  {"kind": "time", "format": "YYYY-MM-DD"}],
 *      "left": ["id"]}
 *
 * Owns that JSON both ways. Keys that it does not know are left alone. */
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "model/handle.h"
#include "model/json.h"
#include "model/utf8.h"

enum { MOST_SIDE = 65535, MOST_DECIMALS = 20 };

/* ------------------------------------------------------------------ reading */

static nicest_status default_names(size_t columns, char ***out)
{
    OWNED_NEW(made_name *, made, columns);
    OWNED_NEW(const char **, names, columns);
    for (size_t j = 0; j < columns; j++) {
        made[j] = kinds_made_name(j);
        names[j] = made[j].text;
    }
    *out = kinds_words(names, columns);
    return check_memory(*out);
}

static bool read_side(const json_t *image, size_t i, unsigned *side)
{
    json_int_t value = json_integer_value(json_array_get(image, i));
    *side = (unsigned)value;
    return value >= 1 && value <= MOST_SIDE;
}

/* The texts of an array; *count is 0 and the result NULL where there is none. */
static nicest_status read_texts(const json_t *array, const char *what, char ***out, size_t *count)
{
    size_t n = json_array_size(array);
    OWNED_NEW(const char **, texts, n);
    for (size_t i = 0; i < n; i++) {
        texts[i] = json_string_value(json_array_get(array, i));
        if (!texts[i])
            return fail(NICEST_E_FORMAT, "%s: %s %zu is not a text", MODEL_SCHEMA, what, i + 1);
    }
    char **made = n ? kinds_words(texts, n) : NULL;
    TRY(check_memory(made || !n));
    *out = made;
    *count = n;
    return NICEST_OK;
}

static nicest_status read_kind(const json_t *object, column_kind *kind)
{
    const char *name = json_string_value(json_object_get(object, "kind"));
    const char *format = json_string_value(json_object_get(object, "format"));
    const json_t *decimals = json_object_get(object, "decimals");
    *kind = COLUMN_OF_NUMBERS;
    if (name && !strcmp(name, "number")) {
        json_int_t most = json_is_integer(decimals) ? json_integer_value(decimals) : -1;
        kind->decimals = most >= 0 && most <= MOST_DECIMALS ? (int)most : -1;
        bool fits = format && strlen(format) <= 3 &&
                    (!strcmp(format, "%") || !strcmp(format, " %") || !strcmp(format, "$") ||
                     (unsigned char)*format >= 0x80);
        kind->format = fits ? memory_text(format) : NULL;
        return check_memory(kind->format || !fits);
    }
    if (name && !strcmp(name, "time") && format) {
        kind->kind = NICEST_TIME;
        kind->format = memory_text(format);
        return check_memory(kind->format);
    }
    if (!name || strcmp(name, "category"))
        return fail(NICEST_E_FORMAT, "%s: the kind of a column is none that is known",
                    MODEL_SCHEMA);
    TRY(read_texts(json_object_get(object, "words"), "words: entry", &kind->words,
                   &kind->word_count));
    kind->kind = NICEST_CATEGORY;
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
    s->columns = columns;
    const json_t *image = json_object_get(object, "image");
    if (image && !json_is_null(image) &&
        (json_array_size(image) != 3 || !read_side(image, 0, &s->height) ||
         !read_side(image, 1, &s->width) || !read_side(image, 2, &s->channels) ||
         (uint64_t)s->height * s->width * s->channels != columns))
        return fail(NICEST_E_FORMAT, "%s: the picture's size does not fit %zu columns",
                    MODEL_SCHEMA, columns);
    const json_t *array = json_object_get(object, "columns");
    if (array && !json_is_null(array)) {
        if (json_array_size(array) != columns)
            return fail(NICEST_E_FORMAT, "%s: %zu kinds for %zu columns", MODEL_SCHEMA,
                        json_array_size(array), columns);
        TRY_NEW(s->kind, columns);
        for (size_t j = 0; j < columns; j++)
            TRY(read_kind(json_array_get(array, j), &s->kind[j]));
    }
    TRY(read_texts(json_object_get(object, "left"), "left: entry", &s->left, &s->left_count));
    return names ? read_texts(names, "the name of column", &s->name, &columns)
                 : default_names(columns, &s->name);
}

nicest_status schema_read(model_schema *schema, const char *text, size_t columns)
{
    OWNED_BY(schema_close) model_schema fresh = {0};
    json_auto_t *object = NULL;
    nicest_status status = text ? json_read(&object, text, strlen(text)) : NICEST_OK;
    if (status != NICEST_OK)
        return status == NICEST_E_FORMAT ? fail_in(status, "%s", MODEL_SCHEMA) : status;
    TRY(text ? read_object(object, columns, &fresh) : default_names(columns, &fresh.name));
    *schema = fresh;
    fresh = (model_schema){0};
    return NICEST_OK;
}

void schema_close(model_schema *schema)
{
    kinds_free(schema->kind, schema->columns);
    memory_free(schema->left);
    memory_free(schema->name);
    *schema = (model_schema){0};
}

/* ------------------------------------------------------------------ writing */

/* Texts as UTF-8; NULL when memory runs out. */
static json_t *texts_json(const char *const *texts, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; array && i < count; i++) {
        OWNED char *text = utf8_repaired(texts[i] ? texts[i] : kinds_made_name(i).text);
        if (!text || json_array_append_new(array, json_string(text)) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

char *schema_write(size_t columns, const char *const *names, unsigned height, unsigned width,
                   unsigned channels, const char *stored_type)
{
    bool named = false;
    for (size_t j = 0; names && j < columns; j++)
        named = named || (names[j] && strcmp(names[j], kinds_made_name(j).text));
    json_t *list = named ? texts_json(names, columns) : json_null();
    json_t *image =
        height ? json_pack("[I, I, I]", (json_int_t)height, (json_int_t)width, (json_int_t)channels)
               : json_null();
    json_t *type = stored_type ? json_string(stored_type) : json_null();
    json_auto_t *object = json_pack("{s:o, s:o, s:o}", "names", list, "image", image, "type", type);
    return json_text(object, JSON_COMPACT);
}

static json_t *kind_json(const column_kind *k)
{
    switch (k->kind) {
    case NICEST_CATEGORY:
        return json_pack("{s:s, s:o}", "kind", "category", "words",
                         texts_json((const char *const *)k->words, k->word_count));
    case NICEST_TIME:
        return json_pack("{s:s, s:s}", "kind", "time", "format", k->format);
    default:
        return k->format ? json_pack("{s:s, s:i, s:s}", "kind", "number", "decimals", k->decimals,
                                     "format", k->format)
               : k->decimals < 0
                   ? json_pack("{s:s}", "kind", "number")
                   : json_pack("{s:s, s:i}", "kind", "number", "decimals", k->decimals);
    }
}

nicest_status schema_add(char **out, const char *schema, size_t columns, const column_kind *kinds,
                         const char *const *left, size_t left_count)
{
    json_auto_t *object = NULL;
    TRY(json_read(&object, schema ? schema : "{}", schema ? strlen(schema) : 2));
    if (!kinds_are_plain(kinds, columns)) {
        json_t *list = json_array();
        TRY(check_memory(json_object_set_new(object, "columns", list) == 0));
        for (size_t j = 0; j < columns; j++)
            TRY(check_memory(json_array_append_new(list, kind_json(&kinds[j])) == 0));
    }
    if (left_count)
        TRY(check_memory(json_object_set_new(object, "left", texts_json(left, left_count)) == 0));
    *out = json_text(object, JSON_COMPACT);
    return check_memory(*out);
}
