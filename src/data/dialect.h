/* dialect.h - what the first lines of a text say about it: the separator, and whether the first is
 * a header row.
 *
 * Only as many lines are asked for as the answer needs: rows that come through a pipe must not wait
 * for each other. */
#pragma once

#include "data/field.h"

enum { DIALECT_LINES = 100 }; /* more are never asked for */

/* The lines of a text that are no comments, from its first. */
typedef struct first_lines {
    void *context;
    /* Line i; *there is false behind the last. Earlier lines may move: ask anew. */
    nicest_status (*at)(void *context, size_t i, record *line, bool *there);
} first_lines;

typedef struct dialect_header {
    bool given;      /* the first line is names */
    bool doubtful;   /* words and numbers, or words above words: the choice is worth saying */
    bool of_numbers; /* 0, 1, 2, ... */
} dialect_header;

/* Sets d->separator where it is 0. `tabs`: the file's name says that tabs separate. */
nicest_status dialect_separator(dialect *d, const first_lines *lines, bool tabs);
/* Is the first line names? */
nicest_status dialect_find_header(const dialect *d, const first_lines *lines,
                                  dialect_header *header);
/* Are the fields of a comment line, without its sign, names for `count` columns? */
nicest_status dialect_comment_names(const dialect *d, const char *text, size_t count, bool *names);
