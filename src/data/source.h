/* source.h - rows, wherever they lie: the handle nicest_data seen from inside.
 *
 * Values stay in their own type where they are: in the loaded file, an inflated block, any order of
 * strides. Slices, selections and shuffles are row numbers over shared values; choosing columns is
 * a list of offsets. Does not know any file format: those hand over a source_table. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/file.h"
#include "base/memory.h"
#include "model/kinds.h"
#include "nicest.h"

typedef enum value_type {
    VALUE_U8,
    VALUE_I8,
    VALUE_U16,
    VALUE_I16,
    VALUE_U32,
    VALUE_I32,
    VALUE_U64,
    VALUE_I64,
    VALUE_F32,
    VALUE_F64,
    VALUE_TYPES /* their number */
} value_type;

size_t value_size(value_type type);
/* As NumPy names it, "uint8". */
const char *value_name(value_type type);
bool value_is_integer(value_type type);
value_type source_type(const nicest_data *data);

/* values[i] to the type, rounded and clamped where it is an integer type (NaN becomes 0 there). */
void value_store(value_type type, const double *values, size_t count, unsigned char *out);

/* A column beside the data: labels of an IDX file, another array of an npz. */
typedef struct source_extra {
    char *name;     /* owned */
    double *values; /* [rows], owned */
    char **texts;   /* what number 0, 1, ... stands for, or NULL; owned */
    size_t text_count;
    char *reason; /* why it cannot be read, or NULL; then it has no values; owned */
} source_extra;

/* What a reader of a format hands over; it owns everything in it. All zero is an empty one. */
typedef struct source_table {
    const char *kind; /* static */
    value_type type;
    const unsigned char *values; /* in `bytes` or `block`; need not be aligned */
    size_t rows, columns;
    size_t row_stride, column_stride; /* in bytes */
    size_t *offsets; /* [columns] of a row's values in bytes, instead of column_stride; or NULL */
    file_bytes bytes;
    void *block;
    void (*release)(void *context); /* or of borrowed values: called once, at the end; or NULL */
    void *context;
    char **names; /* [columns], entries may be NULL (then "x1", ...); or NULL */
    unsigned height, width, channels;
    source_extra *extras;
    size_t extra_count;
    bool labelled;      /* extras[0] is the label unless the user says otherwise */
    double *labels;     /* [rows] or NULL */
    char **label_texts; /* what label 0, 1, ... stands for, or NULL */
    size_t label_text_count;
    column_kind *kinds; /* [columns], or NULL: numbers */
    char **left;        /* columns of the source that were left out: their names, or NULL */
    size_t left_count;
    char *note; /* what was chosen from the file, or NULL */
} source_table;

void source_table_close(source_table *table);
void source_texts_free(char **texts, size_t count);
/* *copies, with as many of them, is for the caller to free, also when memory runs out. */
nicest_status source_texts_copy(char ***copies, const char *const *texts, size_t count);
/* One column of the table as doubles. */
void source_table_column(const source_table *table, size_t column, double *out);
/* All rows as nicest_data, which takes everything out of the table (also on failure). */
nicest_status source_from_table(nicest_data **out, source_table *table);

/* What data of its own is made of; all but the block is borrowed. */
typedef struct source_made {
    size_t rows, columns;
    double *block;            /* [rows, columns]; the data takes it, also on failure */
    const char *const *names; /* or NULL */
    const column_kind *kinds; /* or NULL */
    const unsigned *image;    /* [3] or NULL */
    const nicest_data *like;  /* whose labels its rows have (as many rows), or NULL */
} source_made;
nicest_status source_make(nicest_data **out, const source_made *made);
/* The same rows and values in another handle, as a picture of that size (0: none). */
nicest_status source_share(nicest_data **out, const nicest_data *data, const unsigned image[3]);
const column_kind *source_kind(const nicest_data *data, size_t column);
/* Names of the columns that were left out when it was opened. */
char *const *source_left(const nicest_data *data, size_t *count);
/* Gives data another note (memory_free; or NULL). */
void source_take_note(nicest_data *data, char *note);

/* Gives a handle's rows other weights. */
nicest_status source_weigh(nicest_data *data, const double *weights);
/* The last column (of data that nobody else holds) becomes its weights. `beside`: only if it has
 * that name. NICEST_E_DATA, of `place`, where a weight is negative or no number, or all are 0. */
nicest_status source_take_weights(nicest_data *data, const char *name, const char *place,
                                  bool beside);

/* Stored rows first .. first+count-1 into out[count, columns]; the range must lie inside. Any
 * number of threads at once. */
void source_read(const nicest_data *data, size_t first, size_t count, double *out);
/* Stored rows index[0..count-1] likewise. */
void source_gather(const nicest_data *data, const size_t *index, size_t count, double *out);

/* All rows, some at a time, at most `most` (0: as many as are quick):
 *
 *     OWNED_BY(row_walk_close) row_walk w = {0};
 *     TRY(row_walk_begin(&w, data, 0));
 *     while (row_walk_next(&w)) ... */
typedef struct row_walk {
    const nicest_data *data;
    double *rows; /* [count, columns], from row `first` on */
    size_t first, count, columns, most;
} row_walk;

nicest_status row_walk_begin(row_walk *w, const nicest_data *data, size_t most);
bool row_walk_next(row_walk *w);
void row_walk_close(row_walk *w);

/* For OWNED_BY. */
DEFINE_DROP(data_drop, nicest_data, nicest_data_free)
