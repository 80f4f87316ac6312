/* handle.h - what a nicest_model is made of; for the files of src/model only. */
#pragma once

#include "model/kinds.h"
#include "model/model.h"

/* A text or an array by its name; and all of a model's, sorted by name. */
typedef struct model_item {
    char *name, *text;
    double *values;
    size_t count; /* of values */
} model_item;

typedef struct model_items {
    model_item item[MODEL_MOST_ENTRIES];
    size_t count;
} model_items;

/* What the entry MODEL_SCHEMA says, ready for use. */
typedef struct model_schema {
    char **name;                      /* [columns]: pointers and texts (kinds_words) */
    unsigned height, width, channels; /* 0: no picture */
    column_kind *kind;                /* [columns], or NULL: numbers */
    char **left;                      /* columns that training left out: pointers and texts */
    size_t left_count;
    size_t columns;
} model_schema;

struct nicest_model {
    flow *flow;
    model_schema schema;
    model_items texts, arrays;
    char *said; /* of its training, where that was in this process; not in its file */
};

/* Reads the JSON text of MODEL_SCHEMA (NULL: columns without names, no picture). `schema` is
 * untouched on failure. */
nicest_status schema_read(model_schema *schema, const char *text, size_t columns);
void schema_close(model_schema *schema);
/* Such a text (model_set_schema), and one with kinds and names that were left out added to it
 * (model_set_columns); released by memory_free. schema_write gives NULL when memory runs out. */
char *schema_write(size_t columns, const char *const *names, unsigned height, unsigned width,
                   unsigned channels, const char *stored_type);
nicest_status schema_add(char **out, const char *schema, size_t columns, const column_kind *kinds,
                         const char *const *left, size_t left_count);
