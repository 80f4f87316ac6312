/* moment.h - dates and times of ISO 8601 to numbers and back.
 *
 * A date is days since 1970-01-01, a time of day seconds, both together seconds since
 * 1970-01-01T00:00:00 of the clock that the text names. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { MOMENT_SIZE = 64 };

/* How moments are written: "YYYY-MM-DD", "hh:mm:ss.fff", "YYYY-MM-DDThh:mm:ss+01:00". */
typedef struct moment_format {
    bool date, time, seconds;
    char between;   /* date and time: 'T' or ' ' */
    int fraction;   /* digits of a second */
    char zone[8];   /* "", "Z", "+01:00" */
} moment_format;

/* The whole of text[size]; false where it is none. */
bool moment_read(const char *text, size_t size, double *value, moment_format *format);
/* One format for both: the one with more digits; false where they do not go together. */
bool moment_merge(moment_format *format, const moment_format *other);
/* What makes values of one format those of another: a day has 86400 seconds; 0 where only one has
 * dates. */
double moment_factor(const moment_format *to, const moment_format *from);
/* Ended by NUL; returns the length. */
size_t moment_write(double value, const moment_format *format, char text[MOMENT_SIZE]);
/* The format as text, and back. */
void moment_format_write(const moment_format *format, char text[MOMENT_SIZE]);
bool moment_format_read(const char *text, moment_format *format);
