/* output.h - words, progress, tables and JSON: how a command speaks.
 *
 * Data goes to standard output or a file, words and progress to standard error. Nothing here fails
 * quietly: what cannot be written ends the program. */
#pragma once

#include <jansson.h>

#include "command.h"

/* A line of words on standard error, but with -q. */
void say(const shared_settings *shared, const char *format, ...) PRINTF_LIKE(2, 3);

double clock_seconds(void);

/* A short text by value: in say(shared, "%s", count_text(n).text) it lives as long as the call. */
typedef struct short_text {
    char text[200];
} short_text;

/* Cut where it is longer than that. */
short_text short_format(const char *format, ...) PRINTF_LIKE(1, 2);
/* "1h02m", "3m20s", "12 s" */
short_text duration_text(double seconds);
/* The shortest text that reads back as the same number; "nan", "inf". */
short_text number_text(double value);
/* 19158352 -> "19,158,352" */
short_text count_text(size_t count);
/* nicest_data_value_text; data == NULL: of no column. */
short_text value_text(const nicest_data *data, size_t column, double value);
/* Moves past the UTF-8 character that *text begins with, or a byte that begins none, which becomes
 * U+FFFD: into out[4], and its bytes. */
size_t next_letter(const char **text, char *out);

/* --- progress: a bar on a terminal, a line now and then with -v elsewhere --- */

typedef struct progress {
    const shared_settings *shared;
    const char *verb; /* "training" */
    const char *unit; /* of the rate, "rows/s"; NULL: no rate */
    double started, shown;
    bool bar, drawn;
} progress;

progress progress_start(const shared_settings *shared, const char *verb, const char *unit);
/* share of the work that is done (0..1), seconds left (NaN: from the share), rate (NaN: none), and
 * what else is worth seeing (may be NULL). Draws a few times a second at most. */
void progress_show(progress *p, double share, double left, double rate, const char *words);
/* Removes the bar from the screen. */
void progress_end(progress *p);
/* Columns of the terminal behind standard error, or 80. */
int terminal_width(void);
/* A nicest_tick whose context is a progress: asks to stop when interrupted. */
int progress_tick(void *context, double done, double total);

/* --- JSON --- */

json_t *json_figure(double value); /* null where it is not finite */
/* A path or a name, which may be any bytes: each that is not UTF-8 becomes U+FFFD. */
json_t *json_words(const char *text);
json_t *json_from_text(const char *text); /* NULL where it is not JSON */
/* Prints `object` as the last line when --json was given; releases it. */
void print_json(const shared_settings *shared, json_t *object);
/* The same for a command whose -o is that object as a .json file; the first refuses other names. */
void check_json_path(const shared_settings *shared);
void save_and_print_json(const shared_settings *shared, json_t *object);

/* --- tables of numbers, row by row --- */

enum { TABLE_BATCH = 4096 };
typedef struct table {
    /* what it is made of; the first three at least */
    const char *path;         /* NULL: standard output */
    const char *const *names; /* [columns] */
    size_t columns;           /* of numbers */
    const nicest_model
        *model;               /* whose stored rows they are: a file has its words, dates and type */
    nicest_data *kept;        /* columns in front, a row of theirs to each; becomes the table's */
    const char *words_name;   /* of a column of words behind, which .npy and .npz leave out */
    const char *const *words; /* [rows] of it, "" where there is none */
    /* its own */
    size_t rows, written, waiting;
    double *values;        /* [waiting, columns], of the next batch */
    nicest_writer *writer; /* of a file, or NULL, */
    nicest_data *like;     /* and its columns */
    json_t *lists;         /* of a .json file: a list a column */
    bool aligned;          /* on a terminal */
} table;

/* Refuses a path whose format is none of .csv .tsv (.gz) .npy .npz .json, with 2; `picture`: nor of
 * .png .svg .pdf. */
void check_output_path(const char *path, bool picture);
/* A file is written in batches and appears when the table is closed; Ctrl-C waits until then. */
table table_open(table t);
void table_add(table *t, const double *rows, size_t count);
void table_close(table *t); /* writes the file */

/* --- files --- */

bool has_extension(const char *path, const char *extension);
/* "p.png", "p.svg" and "p.pdf" (in any case) are pictures; NULL is none. */
bool is_picture(const char *path);
/* Ends the program with 1 when a file cannot be made there (before hours of work). */
void check_writable(const char *path);
/* The same, and refuses a name that says no format of nicest_data_save, with 2. NULL: nothing. */
void check_data_path(const char *path);
/* The same for models: one whose name says another format, m.csv, is refused. */
void check_model_path(const char *path);
/* The axes that a name asks for, 3 of "x-idx3-ubyte.gz"; 0 where it is not of IDX. */
unsigned idx_axes(const char *path);
/* nicest_data_save and nicest_model_save; Ctrl-C waits until the file is whole. */
void save_data(const nicest_data *data, const char *path);
void save_model(const nicest_model *model, const char *path);
void save_text(const char *text, const char *path);
