/* text_column.h - the fields of one column of text become numbers, times or words.
 *
 * What a column holds is only known at its end. Until then a word is a NaN that carries its number
 * in the column's list (a "boxed" word), beside plain numbers or times; text_column_settle decides.
 * Lists of words are hashed: a column of a million words is read in linear time. */
#pragma once

#include "data/field.h"
#include "data/moment.h"
#include "model/kinds.h"

/* Distinct words in order of appearance; `true`, `True` and `TRUE` are one, as the first is spelt.
 */
typedef struct word_list {
    char *text; /* the words, each ended by NUL */
    size_t used, room;
    size_t *start; /* [count] in text */
    size_t count, capacity;
    size_t *slot; /* [slots], a power of two: 0, or the number of a word and 1 */
    size_t slots;
} word_list;

void word_list_close(word_list *list);
nicest_status word_list_add(word_list *list, const char *word, size_t size, size_t *number);
/* false where it is not there. */
bool word_list_find(const word_list *list, const char *word, size_t size, size_t *number);
const char *word_list_text(const word_list *list, size_t number);

typedef enum column_content {
    HOLDS_NOTHING,
    HOLDS_NUMBERS,
    HOLDS_TIMES,
    HOLDS_WORDS
} column_content;

typedef struct text_column {
    column_content content; /* of what is not boxed; HOLDS_WORDS: a word came first */
    bool label;             /* numbers are kept as words too, in order of appearance; no times */
    bool strict;            /* rows one after another: other content than the first is refused */
    bool closed;            /* words beyond the list are all of the number `known` */
    char decimal;           /* the sign, as the dialect had it at the last field */
    int decimals;           /* at most, of numbers; -1: none so far */
    int width;   /* digits of every number; 0: none so far; -1: they differ, or are not digits alone
                  */
    bool padded; /* a number begins with 0, as zip codes do */
    moment_format format;
    const char *sign; /* of numbers that are expected: what field_is_signed says; or NULL */
    word_list words;
    size_t known;
    size_t texts;     /* fields that are neither numbers nor missing */
    size_t word_line; /* of the first of them */
} text_column;

void text_column_close(text_column *c);
/* A number's text is noted, unless it is known that they differ. Columns of digits alone, all of
 * one length, some with a 0 in front, hold words: such digits are codes. */
void text_column_width(text_column *c, const char *text, size_t size);
/* A field into *value; *good is false where a strict column cannot take it. */
nicest_status text_column_take(text_column *c, const dialect *d, const char *text, size_t size,
                               size_t line, double *value, bool *good);
/* The number of a boxed word. */
bool text_column_is_word(double value, size_t *number);
/* All values are there, `stride` doubles apart: what is the column? Boxed words, and numbers or
 * times beside them, become codes: the places of the words in alphabetical order (of bytes); for a
 * label in order of appearance. NICEST_E_DATA where a column of numbers has a few words: `place`
 * and `name` say where. */
nicest_status text_column_settle(text_column *c, double *values, size_t stride, size_t rows,
                                 const char *place, const char *name, column_kind *kind);
