/* handle.h - what a nicest_model is made of; for the files of src/model only. */
#ifndef NICEST_MODEL_HANDLE_H
#define NICEST_MODEL_HANDLE_H

#include "model/kinds.h"
#include "model/model.h"

typedef struct model_entry {
    char *name, *text;
} model_entry;

typedef struct model_stored {
    char *name;
    double *values;
    size_t count;
} model_stored;

/* What the entry MODEL_SCHEMA says, ready for use. */
typedef struct model_schema {
    char **name; /* [columns]: pointers, and behind them the texts: one block */
    unsigned height, width, channels; /* 0: no picture */
    column_kind *kind;                /* [columns], or NULL: numbers */
    char **left;                      /* columns that training left out: pointers and texts */
    size_t left_count;
    size_t columns;
} model_schema;

struct nicest_model {
    flow *flow;
    model_schema schema;
    model_entry entry[MODEL_MOST_ENTRIES]; /* sorted by name, and so are */
    size_t entries;
    model_stored array[MODEL_MOST_ENTRIES];
    size_t arrays;
    char *said; /* of its training, where that was in this process; not in its file */
};

/* Reads the JSON text of MODEL_SCHEMA (NULL: columns without names, no picture). `schema` is
 * untouched on failure. */
nicest_status schema_read(model_schema *schema, const char *text, size_t columns);
void schema_close(model_schema *schema);

#endif
