/* handle.h - what a nicest_model is made of; for the files of src/model only. */
#ifndef NICEST_MODEL_HANDLE_H
#define NICEST_MODEL_HANDLE_H

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

#endif
