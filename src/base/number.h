/* number.h - decimal text to double and back, exactly, whatever the locale.
 *
 * Owns the two conversions that every text format shares. Knows no fields, no separators. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads [+-]digits[.digits][e[+-]digits] at `text`, which ends with a character that cannot belong
 * to a number (NUL, a separator, a line's end). Correctly rounded. Returns the end of the number,
 * or NULL when there is none (*value is then untouched). *places are the decimals that its text
 * has: 2 of 1.50, 3 of 5e-3, 0 of 12 and 5e3. */
const char *number_scan(const char *text, double *value, int *places);

/* The whole of text[size], without spaces around it, as a number, or one of inf, +inf, -infinity,
 * ... text[size] must be readable and end a number. */
bool number_read(const char *text, size_t size, double *value);
bool number_read_places(const char *text, size_t size, double *value, int *places);

/* The whole of text[size], digits alone, as a number of at most `most`. */
bool number_whole(const char *text, size_t size, uint64_t most, uint64_t *value);

enum { NUMBER_SIZE = 32 };

/* The shortest decimal that number_scan reads back as `value` ("nan", "inf", "-inf"; whole numbers
 * without a point); ended by NUL. Returns its length. */
size_t number_write(double value, char text[NUMBER_SIZE]);
