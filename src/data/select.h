/* select.h - which columns and rows of a source the user asked for.
 *
 * Owns the words of --columns, --drop, --label, --where, --image and of slices. Works on names
 * alone; the readers of formats apply what was chosen. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "nicest.h"

#define NO_COLUMN ((size_t)-1)

/* The columns of a source: the first `data` are data unless the user says otherwise, those behind
 * (extras) only when they are named. Entries may be NULL (then "x1", ...). */
typedef struct column_list {
    const char *place; /* file, for errors */
    char *const *names;
    size_t data, count;
} column_list;

typedef struct selection {
    size_t *columns; /* [count], owned */
    size_t count;
    bool all;               /* the data columns as they are */
    size_t weighted;        /* 1: the last column holds weights, which are no data; else 0 */
    size_t label, where;    /* a column, or NO_COLUMN */
    const char *where_text; /* the value, borrowed from the options */
    bool where_is_number;
    double where_number;
} selection;

/* `options` may be NULL. NICEST_E_ARGUMENT names what is wrong and the columns that exist. */
nicest_status selection_make(selection *s, const column_list *list,
                             const nicest_data_options *options);
void selection_close(selection *s);
/* Names of the data columns that were not chosen (left[*count], to be freed one by one, also on
 * failure); none of more than a thousand, which nobody has dropped by name. */
nicest_status selection_left(char ***left, size_t *count, const selection *s,
                             const column_list *list);
/* "--where: no row of FILE has COLUMN=VALUE" */
nicest_status selection_nothing(const char *place, const char *where);
/* Does a value of the where-column pass? */
bool selection_keeps_number(const selection *s, double value);

/* The picture size of `count` chosen columns: the options', else what the source knows if all its
 * columns were taken, else zeros. */
nicest_status selection_picture(const char *place, const nicest_data_options *options, size_t count,
                                bool all, unsigned size[3]);

/* "[a:b]" with Python's meaning: either may be missing or count from the end. */
typedef struct slice {
    bool given;
    long long first, end; /* end: LLONG_MAX when missing */
} slice;

/* Takes a slice off the end of text[*length]. */
slice slice_take(const char *text, size_t *length);
/* The rows of a source that has `rows`; NICEST_E_DATA when there are none. */
nicest_status slice_apply(slice s, const char *place, size_t rows, size_t *first, size_t *count);
