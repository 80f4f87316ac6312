/* field.h - one line of text into fields, and what a field says: a number, nothing, or words.
 *
 * Owns quotes, runs of blanks, decimal commas and the words that stand for a missing value. Knows
 * nothing of files and columns. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/number.h"
#include "nicest.h"

/* How a text is written. */
typedef struct dialect {
    char separator;       /* ' ': runs of spaces and tabs */
    char decimal;         /* '.' or ','; 0: not known yet, and read as '.' */
    char comment;         /* lines that begin with it are no rows; 0: none */
    const char *missing;  /* more words for a missing value, between commas; or NULL */
    bool missing_numbers; /* one of them is a number */
} dialect;

/* A line without its end; a quoted field may hold line ends. */
typedef struct record {
    const char *begin, *end;
    size_t line; /* its number, from 1 */
    bool quoted; /* holds a quote somewhere */
} record;

/* Room for a field without its quotes; all zero is an empty one. */
typedef struct field_room {
    char *text;
    size_t capacity;
} field_room;

void field_room_close(field_room *room);

bool field_separates(const dialect *d, char c);
/* The field at *p, trimmed, in the line or in the room; *p moves to the separator behind it, or to
 * `end`. text[size] ends a number. */
nicest_status field_take(const dialect *d, field_room *room, const char **p, const char *end,
                         const char **text, size_t *size);
/* "", "?", "NA", "None", ..., or one of the dialect's words. */
bool field_is_missing(const dialect *d, const char *text, size_t size);
/* The whole field as a number, also "1,234.5"; *places are its decimals. */
bool field_is_number(const dialect *d, const char *text, size_t size, double *value, int *places);
/* Thousands between commas: "1,234" (not "0,388"), which alone may be a decimal comma. */
bool field_is_grouped(const char *text, size_t size, double *value, int *places);
/* A number with a percent sign behind it, or a sign of currency ($, EUR's, pound's, yen's) before
 * it: "12.5%", "-$3", "$1,234.50"; with the decimal sign ',' "12,5%".
 * sign: "%", " %" or the currency's. */
enum { FIELD_SIGN = 4 };
bool field_is_signed(char decimal, const char *text, size_t size, char sign[FIELD_SIGN],
                     double *value, int *places);
/* The same back; returns its length. */
size_t field_write_signed(double value, const char *sign, char text[NUMBER_SIZE + FIELD_SIGN]);
/* A number, perhaps with a sign, only where the decimal sign is a comma: "-0,388", "12,5%". */
bool field_has_comma(const dialect *d, const char *text, size_t size);

typedef enum field_kind { FIELD_NUMBER, FIELD_MISSING, FIELD_TEXT } field_kind;
/* As the first lines are looked at: times are numbers, which do not count; and while the decimal
 * sign is not known, so is "0,5". */
field_kind field_kind_of(const dialect *d, const char *text, size_t size, double *value,
                         int *places);
