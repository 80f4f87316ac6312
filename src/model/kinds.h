/* kinds.h - what the columns of rows are: numbers, categories, times. Data has such a list, and so
 * has the schema of a model. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "nicest.h"

typedef struct column_kind {
    nicest_column_kind kind;
    int decimals; /* of numbers in their text, at most; -1: not known */
    char *format; /* of times, "YYYY-MM-DD"; or NULL; owned */
    char **words; /* of categories, or NULL; owned: pointers, and behind them the texts */
    size_t word_count;
} column_kind;

#define COLUMN_OF_NUMBERS ((column_kind){NICEST_NUMBER, -1, NULL, NULL, 0})

/* What a column is called that has no name: "x1" is the first. */
typedef struct made_name {
    char text[24];
} made_name;
made_name kinds_made_name(size_t column);

/* Words as column_kind has them, from count texts; NULL when memory runs out. */
char **kinds_words(const char *const *texts, size_t count);
/* A copy; *copy is untouched on failure. */
nicest_status kinds_copy_one(column_kind *copy, const column_kind *kind);
/* kinds may be NULL: then all are numbers. */
void kinds_free(column_kind *kinds, size_t count);
/* Nothing is known of them but that they are numbers; of NULL too. */
bool kinds_are_plain(const column_kind *kinds, size_t count);
