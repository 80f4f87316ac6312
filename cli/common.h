/* common.h - what several commands do: opening data and models, and scoring rows. */
#pragma once

#include "command.h"
#include "output.h"

/* How DATA is read, by the options of `shared`. */
nicest_data_options data_options(const shared_settings *shared);
/* A DATA argument in a sentence: "-" is standard input. */
const char *place_of(const char *text);
/* What was chosen from the file `text`: a nicest_data_note, or NULL. */
void say_note(const shared_settings *shared, const char *text, const char *note);
/* A table of what the columns are, on standard output; the same in a few words before training,
 * where columns that are alike share a line, with advice. */
void print_facts(const nicest_data *data, const nicest_column_facts *facts);
void say_columns(const shared_settings *shared, const nicest_data *data);
/* The columns of --keep ("all", or a list) out of DATA as it is; NULL where keep is NULL. */
nicest_data *open_kept(const shared_settings *shared, const char *keep, const char *text);
/* DATA of the command; data beside it, which may lack columns of --drop, --label and --where; and
 * such of another kind, to which --where does not apply. */
typedef enum data_role { THE_DATA, MORE_DATA, OTHER_DATA } data_role;
/* Opens a DATA argument with the options of `shared`, and takes the model's columns (NULL: all) out
 * of it. All of these end the program on failure. */
nicest_data *open_rows(const shared_settings *shared, const nicest_model *model, const char *text,
                       data_role role);
/* The columns of the model out of data, which this frees; what it has beside them is said. */
nicest_data *match_data(const shared_settings *shared, const nicest_model *model, nicest_data *data,
                        const char *text);
/* The same for rows that come through a pipe; says what was chosen. */
void need_reader_match(const shared_settings *shared, const nicest_model *model,
                       nicest_reader *reader, const char *text);
/* `other`, which `text` opened and this frees, with the columns of `like`; ends the program where
 * it has not got them. `whose` is what like is: "the training data". NULL stays NULL. */
nicest_data *align_data(const shared_settings *shared, const nicest_data *like, const char *whose,
                        nicest_data *other, const char *text);
nicest_model *open_model(const char *path);

/* All rows [rows, columns]; released by block_free. */
double *read_rows(const nicest_data *data);
/* log p of every row, with a bar; ends with 130 when interrupted. Released by block_free. */
double *score_rows(const shared_settings *shared, const nicest_model *model,
                   const nicest_data *data);
/* Samples [n, columns] of a model, as stored rows; given[columns] may be NULL. */
double *sample_rows(const shared_settings *shared, const nicest_model *model, const double *given,
                    size_t n, double temperature);
/* The column whose name is name[length]; SIZE_MAX where there is none. */
size_t model_column(const nicest_model *model, const char *name, size_t length);
/* One row with the values of --given, "COLUMN=VALUE,...", and NaN elsewhere; NULL where nothing is
 * given. `who` is the command. */
double *read_given(const nicest_model *model, const char *given, const char *who);
/* Rows [n, columns] as data with the model's column names. */
nicest_data *model_data(const nicest_model *model, const double *rows, size_t n);
/* Of rows whose holes calibration does not know; nothing where there are none. */
void say_unpromised(const shared_settings *shared, size_t rows);
/* Where the labels of data are that was saved as `path` (labels: their file, or ""), and what
 * became of words. */
void say_labels(const shared_settings *shared, const nicest_data *data, const char *path,
                const char *labels);
/* "KIND=LEVELS[@DATA]" of --with and --corrupt. */
enum { MOST_LEVELS = 1000 };
typedef struct corruption {
    char kind[32];
    const char *other; /* a DATA argument, or NULL */
    size_t count;
    double levels[MOST_LEVELS];
} corruption;

/* Ends the program with 2 when the text is wrong; `what` is the option, "--with". */
void corruption_parse(corruption *c, const char *what, const char *text);
/* Ends the program when data cannot be corrupted so, before anything of it is written. */
void corruption_check(const corruption *c, const nicest_data *data, const nicest_data *other);
/* Rows of a chunk of `columns` numbers that is large enough to be quick, and small enough. */
size_t chunk_rows(size_t columns);

/* `shown` of n rows, spread over all of them; what is sorted must not show its beginning only. */
size_t spread_row(size_t i, size_t shown, size_t n);
double *spread_rows(const double *rows, size_t n, size_t d, size_t shown);
/* A column of rows[n, d]; released by block_free. */
double *column_of(const double *rows, size_t n, size_t d, size_t column);
/* Where such a column lies without the share `tail` at either end, and the share `room` of that
 * beside; -1 to 1 where no value is finite. */
void middle_range(const double *rows, size_t n, size_t d, size_t column, double tail, double room,
                  double range[2]);

/* Ends the program where there is no score of that name; NULL is fine. */
void check_score(const char *verb, const char *name);

/* Mean and spread of figures as they come; NaN are counted apart. */
typedef struct summary {
    size_t rows, missing;
    double mean, square, min, max;
} summary;

summary summary_new(void);
void summary_add(summary *s, const double *values, size_t count);
/* Standard error of the mean: of rows, or as nicest_standard_error has it. NaN below 2 rows. */
double summary_sem(const summary *s);
double standard_error(const double *values, const double *weights, size_t count);
/* Weighted (NULL: alike), without NaN; NaN of none. */
double weighted_mean(const double *values, const double *weights, size_t count);
summary summary_of(const double *values, size_t count);
/* Sorted, without NaN and infinities; *count becomes their number. */
double *sorted_finite(const double *values, size_t *count);
/* "400 rows", or "287 of 400 rows" where the others have no figure. */
short_text rows_text(size_t known, size_t all);
/* The value below which `share` of sorted[count] lie. */
double quantile(const double *sorted, size_t count, double share);
/* A sorted copy without NaN; *count becomes its length. */
double *sorted_copy(const double *values, size_t *count);
