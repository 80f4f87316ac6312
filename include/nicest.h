/* nicest.h - exact densities of numeric data with normalizing flows: the whole public interface.
 *
 * Two halves. nicest_core.h, which this file includes, has status, models and likelihood, what the
 * words of both files mean, and the rules of errors, ownership and threads. It changes with a major
 * version only; so do the functions of data here, and structures of options grow at their end. From
 * "training" on, what stands here may change with a minor version (CHANGELOG.md says how).
 *
 * Callbacks are called from the calling thread and must return: no exception, no longjmp. Numbers
 * in texts have a decimal point: masks cannot be read under a locale whose LC_NUMERIC has a comma.
 */
#ifndef NICEST_H
#define NICEST_H

#include "nicest_core.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A function that long calls call now and then, from the calling thread, with the work done and the
 * work in all. A result other than 0 ends them with NICEST_E_INTERRUPTED. NULL: none. Calls on a
 * workspace have no tick: call them with fewer rows at a time. */
typedef int (*nicest_tick)(void *context, double done, double total);

/* ---------------------------------------------------------------- data */

typedef struct nicest_data nicest_data;

typedef struct nicest_data_options {
    const char *columns; /* keep these: "a,b,3-7" (names, or numbers from 1); NULL: all */
    const char *drop;    /* leave these out; NULL: none */
    const char *label;   /* this column is a label, not data; NULL: none */
    const char *where;   /* "COLUMN=VALUE": keep only these rows; NULL: all */
    unsigned height, width, channels; /* the columns are a picture; 0: not said (IDX, PNG know) */
    /* How text is read; 0 and NULL: told by the file, and said by nicest_data_note. */
    int header;            /* 1: the first row is names, -1: it is a row */
    const char *separator; /* one sign, "tab", or "space" (runs of blanks) */
    const char *decimal;   /* "." or "," */
    const char *comment;   /* lines that begin with this sign are left out; "none": no line is */
    const char *missing; /* words (numbers too) for a missing value, between commas, beside "", NA,
                            N/A, #N/A, NaN, null, None, <NA>, NaT, ?, . and - */
    const char *weights; /* this column says how often a row counts; it is not data. NULL: none.
                            Not of nicest_reader_open */
    int beside; /* != 0: drop, label and where were said of other data; a column of theirs that is
                 * not here is passed over */
} nicest_data_options;

/* Opens a DATA argument: "toy:NAME[,n=..][,seed=..]", FILE.csv|tsv[.gz], FILE.npy,
 * FILE.npz[:ARRAY], FILE-idx?-ubyte[.gz], a folder of PNGs, "-" (CSV on standard input); a slice
 * "[a:b]" may follow. options may be NULL. Errors name the file and the place. Files above 64 MiB
 * are mapped: one that is cut short while it is open ends the process (SIGBUS); nicest_data_new has
 * no such risk. */
NICEST_API nicest_status nicest_data_open(nicest_data **data, const char *text,
                                          const nicest_data_options *options);
/* A copy of n x d values in memory (NaN = missing); names may be NULL. */
NICEST_API nicest_status nicest_data_new(nicest_data **data, const double *values, size_t n,
                                         size_t d, const char *const *names);
/* What a column of a view is; all zero: numbers. Words differ and are in alphabetical order of
 * bytes; the values of a category are their places, one place more for an unknown word. */
typedef struct nicest_column {
    nicest_column_kind kind;
    const char *const *words; /* [word_count] of a category */
    size_t word_count;
    const char *format; /* of a time, as nicest_data_column_format */
} nicest_column;
/* Values that lie in the caller's memory, and stay there. All zero is an empty one. */
typedef struct nicest_view {
    size_t rows, columns;
    const char *type;          /* "float64", "float32", "uint8", "int8" to "uint64", "int64" */
    const void *values;        /* row 0, column 0; or NULL, and */
    const void *const *column; /* [columns] row 0 of each column */
    size_t row_stride, column_stride; /* bytes from a row to the next, from a column to the next
                                         (not read with `column`); values need not be aligned */
    unsigned height, width, channels; /* the columns are a picture; 0: not */
    const char *const *names;         /* [columns] or NULL; copied, as are */
    const double *labels;             /* [rows] or NULL, and */
    const nicest_column *kinds;       /* [columns] or NULL: numbers */
    void (*release)(void *context);   /* called once, from any thread, when nothing reads the values
                                         any more; not where nicest_data_view fails; may be NULL */
    void *context;
} nicest_view;
/* Data of borrowed values, without a copy: they must stay as they are until `release`. */
NICEST_API nicest_status nicest_data_view(nicest_data **data, const nicest_view *view);
/* NULL is accepted. */
NICEST_API void nicest_data_free(nicest_data *data);

/* Of data == NULL these questions have the answers 0 and NULL. */
NICEST_API size_t nicest_data_rows(const nicest_data *data);
/* A label is not one of them. */
NICEST_API size_t nicest_data_columns(const nicest_data *data);
/* "x1", or the name in the file; owned by data. */
NICEST_API const char *nicest_data_column_name(const nicest_data *data, size_t column);
/* Numbers where nothing else is known. */
NICEST_API nicest_column_kind nicest_data_column_kind(const nicest_data *data, size_t column);
/* The words of a category [*count], owned by data; else NULL and 0. count may be NULL. */
NICEST_API const char *const *nicest_data_column_words(const nicest_data *data, size_t column,
                                                       size_t *count);
/* How a time is written, "YYYY-MM-DD", "hh:mm", "YYYY-MM-DDThh:mm:ss.fffZ"; the sign of numbers
 * that all have one ("%", "$", ...); else NULL; owned by data. */
NICEST_API const char *nicest_data_column_format(const nicest_data *data, size_t column);
/* The most decimals that a number of the column has in its text; -1: not known. */
NICEST_API int nicest_data_column_decimals(const nicest_data *data, size_t column);
/* "csv", "npy", "npz", "idx", "png", "toy", "memory"; static. */
NICEST_API const char *nicest_data_kind(const nicest_data *data);
/* Type of a stored value as NumPy names it: "uint8", "float64", ...; static. */
NICEST_API const char *nicest_data_type(const nicest_data *data);
/* Picture size; all 0 where the columns are not a picture. */
NICEST_API void nicest_data_image(const nicest_data *data, unsigned *height, unsigned *width,
                                  unsigned *channels);
/* Stored rows first .. first+count-1 into out[count, columns]. */
NICEST_API nicest_status nicest_data_read(const nicest_data *data, size_t first, size_t count,
                                          double *out);
/* What was chosen from the file and is not the plain default (a separator, a header row of numbers,
 * comments left out, ...), as one line for the user; NULL where there is nothing to say. Owned by
 * data. */
NICEST_API const char *nicest_data_note(const nicest_data *data);
/* One label a row, owned by data; NULL where there are none. Text labels are numbered 0, 1, ... in
 * order of first appearance. */
NICEST_API const double *nicest_data_labels(const nicest_data *data);
/* One weight a row, finite and not negative, owned by data; NULL where none were asked for. They
 * are frequencies: training maximises sum w log p / sum w, its figures and the calibration weigh
 * rows by them; they make no more of few rows. */
NICEST_API const double *nicest_data_weights(const nicest_data *data);
/* What the file says instead of that number: "setosa". NULL where all labels are numbers, or the
 * row has none; owned by data. */
NICEST_API const char *nicest_data_label_text(const nicest_data *data, size_t row);
/* Rows index[0..count-1] as data of their own; shares the values (both may be freed in any order).
 */
NICEST_API nicest_status nicest_data_select(nicest_data **out, const nicest_data *data,
                                            const size_t *index, size_t count);
/* The same rows, columns and names with other values [rows, columns], converted to the stored type
 * (rounded and clamped where it is an integer type). */
NICEST_API nicest_status nicest_data_replace(nicest_data **out, const nicest_data *data,
                                             const double *values);
/* Writes by extension: .csv .tsv (.gz) .npy .npz -idx?-ubyte(.gz) .png (one picture grid); "-" is
 * CSV on standard output. Labels become a column "label" (csv, npz), or a file beside the pictures
 * (idx); npy and png leave them out. Words stay words in csv; where there are only numbers the
 * words "normal" and "0" are 0, and others 1, 2, ... in order of appearance. */
NICEST_API nicest_status nicest_data_save(const nicest_data *data, const char *path);
/* Rows into a file in batches. Text and .npy are written as they come, in bounded memory; other
 * formats when the writer is closed. A writer belongs to one caller at a time. */
typedef struct nicest_writer nicest_writer;
/* `path` as of nicest_data_save. `like` has the columns, what they are, the type of binary formats
 * and the picture size; its rows are not written. It is borrowed until the writer ends. */
NICEST_API nicest_status nicest_writer_open(nicest_writer **writer, const char *path,
                                            const nicest_data *like);
/* All rows of data, whose columns are in the order and of the kinds of `like`. Labels are written
 * (as text) where `like` has some, and rows then must have them. */
NICEST_API nicest_status nicest_writer_add(nicest_writer *writer, const nicest_data *data);
/* Ends the writer in every case. The file appears now, the same bytes as nicest_data_save writes of
 * all rows at once; on failure, and where an earlier call failed, the old one stands. */
NICEST_API nicest_status nicest_writer_close(nicest_writer *writer);
/* Ends the writer and leaves no trace (but what went to standard output); NULL is accepted. */
NICEST_API void nicest_writer_abandon(nicest_writer *writer);
/* The file of labels that nicest_data_save would write beside pictures in IDX, into name[size]:
 * "x-labels-idx1-ubyte" for "x-images-idx3-ubyte" where all labels are bytes; "" where it would
 * write none. NICEST_E_ARGUMENT, as of saving itself, where a file of that name would be lost, or
 * be read as the labels of pictures that have none. */
NICEST_API nicest_status nicest_data_labels_file(const nicest_data *data, const char *path,
                                                 char *name, size_t size);

/* Rows one after another in bounded memory: what nicest_data_open takes, "-" and long CSV files
 * above all (other formats are opened whole). Options as there; labels are left out. A reader
 * belongs to one caller at a time. */
typedef struct nicest_reader nicest_reader;
/* `text` and options as nicest_data_open takes them; reads as far as the first row. */
NICEST_API nicest_status nicest_reader_open(nicest_reader **reader, const char *text,
                                            const nicest_data_options *options);
/* Numbers in a row; 0 of NULL. */
NICEST_API size_t nicest_reader_columns(const nicest_reader *reader);
/* "x1", or the name in the file, as nicest_data_column_name; owned by reader. */
NICEST_API const char *nicest_reader_column_name(const nicest_reader *reader, size_t column);
/* As nicest_data_note; owned by reader, until the next call. */
NICEST_API const char *nicest_reader_note(const nicest_reader *reader);
/* Before the first row: rows come with the columns and codes of the model, as nicest_data_match
 * does it; nicest_reader_note then names what else there is. What cannot be such a value is a line
 * that is no row. */
NICEST_API nicest_status nicest_reader_match(nicest_reader *reader, const nicest_model *model);
/* skip != 0: from now on lines that are no row (text, wrong number of fields) are left out instead
 * of being an error. */
NICEST_API void nicest_reader_skip_bad(nicest_reader *reader, int skip);
/* The next rows, at most `max`, into rows[max, columns]; *got == 0 at the end. Fewer come where a
 * pipe has no more yet, and before a line that is no row: the next call fails and names that line.
 * *skipped (may be NULL): lines that this call left out. Of rows, all may be written, also on
 * failure; after a line that is no row the reader may be read on. */
NICEST_API nicest_status nicest_reader_next(nicest_reader *reader, size_t max, double *rows,
                                            size_t *got, size_t *skipped);
/* Ends the reader; NULL is accepted. */
NICEST_API void nicest_reader_close(nicest_reader *reader);

/* Toys (docs/math.md has each density). Names end with NULL. */
NICEST_API const char *const *nicest_toy_names(void);
/* True log density of rows[n, 2]; -infinity where there are never any. `name` may be followed by
 * the parameters of nicest_data_open, "moons,noise=0.2,n=10". NICEST_E_ARGUMENT when it is no toy.
 */
NICEST_API nicest_status nicest_toy_log_density(const char *name, const double *rows, size_t n,
                                                double *logp);

/* ---------------------------------------------------------------- data and models */

/* The columns of the model out of data, in the model's order: by name, whatever stands beside them
 * (nicest_data_note of *out names what neither the model nor its training knew), or by position
 * where one of the two has no names and both have as many columns. Words get the model's codes; one
 * that it never saw gets the number of its words, one code beyond the last. Labels stay; a picture
 * model makes a table a picture. NICEST_E_MISMATCH names a column that is not there, or holds
 * something else. Values are shared where nothing changes. */
NICEST_API nicest_status nicest_data_match(nicest_data **out, const nicest_model *model,
                                           const nicest_data *data);
/* The same for the columns of other data, as validation data needs it. */
NICEST_API nicest_status nicest_data_align(nicest_data **out, const nicest_data *like,
                                           const nicest_data *data);
/* What the values of a column are like. */
typedef struct nicest_column_facts {
    size_t rows, missing, levels; /* with a value, without, distinct values */
    double least, median, most;   /* of a category: the rarest word, NaN, the most frequent one */
    double mean, deviation;       /* NaN of a category */
    const char *what; /* "numbers", "whole numbers", "two values", "constant", "words", "text",
                         "time", "count", "empty"; static */
    const char
        *advice; /* why the column tells a density nothing, "it only counts"; or NULL; static */
    const char *taken; /* what training takes it for where nobody says: "a category", "values", "a
                          mass point, and values beside it", "a constant", "a pixel", "nothing";
                          static. Whether it follows from other columns is another question. */
    double point;      /* a mass point, else NaN */
} nicest_column_facts;
/* Of every column: facts[columns]. */
NICEST_API nicest_status nicest_data_facts(const nicest_data *data, nicest_column_facts *facts);
/* A value of the column (data NULL: a number) as a file would show it, into text[size]. */
NICEST_API void nicest_data_value_text(const nicest_data *data, size_t column, double value,
                                       char *text, size_t size);
/* The other way round: what a text means in that column. NICEST_E_ARGUMENT where it is no value of
 * it: a word that the column does not have, no number, or no time of its kind. */
NICEST_API nicest_status nicest_data_text_value(const nicest_data *data, size_t column,
                                                const char *text, double *value);
/* Columns by number, with their names and kinds; labels stay. */
NICEST_API nicest_status nicest_data_take(nicest_data **out, const nicest_data *data,
                                          const size_t *columns, size_t count);
/* All columns of left, then all of right, of as many rows; labels are those of left. */
NICEST_API nicest_status nicest_data_beside(nicest_data **out, const nicest_data *left,
                                            const nicest_data *right);
/* Rows [n, columns] as data with the names and kinds of the model's columns. */
NICEST_API nicest_status nicest_data_of_model(nicest_data **out, const nicest_model *model,
                                              const double *rows, size_t n);
/* NICEST_OK when data has the model's columns (count, and names where both are named) and, for a
 * picture, its size; otherwise NICEST_E_MISMATCH and a sentence that says what differs. */
NICEST_API nicest_status nicest_model_fits(const nicest_model *model, const nicest_data *data);

/* ================================================================ from here on: may change */

/* ---------------------------------------------------------------- training */

typedef enum nicest_optimizer {
    NICEST_OPTIMIZER_BY_PRESET = -1,
    NICEST_ADAM,
    NICEST_RMSPROP,
    NICEST_SGD
} nicest_optimizer;
typedef enum nicest_precision { NICEST_F32, NICEST_BF16 } nicest_precision;

typedef struct nicest_progress {
    size_t step, epoch;
    double seconds, total_seconds; /* total: expected length of the run, 0 when unknown */
    double done;                   /* share of the run that is done, 0..1 */
    double rate;                   /* rows per second */
    double train_logp, valid_logp, best_logp; /* last known; NaN before the first */
    const char *event; /* NULL, or lines worth saying: what was chosen, before the first step;
                        * "diverged: ...; learning rate now 1e-4" */
    const char *stage; /* "training", then "calibrating", whose `done` begins anew */
} nicest_progress;

/* Called after validations, and between them about ten times a second; a result other than 0 ends
 * training after this step: the best weights so far are kept; calibration follows, which is not
 * interrupted (calibration_share 0: none). While stacks race, step, epoch and figures are those of
 * the stack that is learning, and begin anew with the next one. Where few rows are calibrated in
 * folds (nicest_train), it is called for these models too, one after the other; else after each
 * batch of its rows. */
typedef int (*nicest_progress_function)(void *context, const nicest_progress *progress);

/* nicest_train_defaults fills every field with what means "choose from the data": NULL, 0, NaN or
 * -1, as each says. */
typedef struct nicest_train_options {
    const char *preset;       /* "auto" (default), "nice" (the paper's), "nicest" (our best) */
    const char *spec;         /* a whole stack as text instead of a preset; NULL: none */
    const nicest_model *init; /* go on from this model, with its stack and its preprocessing; NULL:
                                 from the start. For an honest calibration it has not learnt from
                                 these rows, or from the same rows with the same seed and shares */
    const char *coupling;     /* "additive", "affine", "spline", "autoregressive" (spline),
                                 "convolution" (of pictures); NULL: by preset. Any option of the
                                 couplings switches off the trial of stacks */
    int couplings;            /* 0: by preset */
    int bins;                 /* of a spline; 0: 8 */
    int blocks;               /* residual blocks of a conditioner of one width; 0: none */
    double dropout;           /* of hidden units while training; NaN: by preset */
    const char *linear;     /* "no", "lu" (from the identity), "cholesky" (a triangle that starts by
                               whitening); NULL: by preset */
    const char *hidden;     /* "1000x5", "256,128"; of convolutions channels and residual blocks,
                               "32x2"; NULL: by preset */
    const char *activation; /* "relu", "tanh", "silu"; NULL: by preset */
    const char *prior;      /* "logistic", "normal", "mixture:K[:diagonal|:background]"; NULL: by
                               preset */
    const char
        *absence;      /* "model": which values are missing is learnt too, as categories; "ignore":
                          log p is given which are seen; NULL: categories only, as one more class */
    const char *given; /* "a,b": the density is of the other columns given these; NULL: of all */
    const char
        *preprocess; /* "standardise", "centre", "marginal", "logit", "none"; NULL: by preset */
    size_t batch;    /* 0: by preset */
    double learning_rate;     /* 0: by preset */
    size_t epochs;            /* 0: by preset, from the number of rows */
    double seconds;           /* > 0: train for this long instead of a number of epochs; 0: not.
                                 Calibration comes after it */
    double valid_share;       /* held out when no validation data is given; NaN: choose */
    double calibration_share; /* held out to calibrate outlier decisions; NaN: choose; 0: none. With
                                 validation data and any share above 0: half of that data */
    int patience; /* validations without improvement before stopping; 0: choose; -1: never */
    nicest_optimizer optimizer; /* NICEST_OPTIMIZER_BY_PRESET */
    double beta1, beta2,
        epsilon;         /* NaN: by preset. momentum = beta1 for SGD, decay = beta2 for RMSProp */
    double weight_decay; /* decoupled, times the learning rate, on weights only; NaN: by preset */
    double warmup;       /* share of the run with rising learning rate; NaN: by preset */
    double final_rate;   /* the cosine ends at this share of the learning rate; NaN: by preset */
    double clip;         /* global gradient norm; 0: none */
    size_t accumulate;   /* batches whose gradients make one step; 0 and 1: one */
    double average;      /* decay of the weight average, e.g. 0.999; 0: none; NaN: by preset */
    int shift; /* augmentation: training pictures move by up to so many pixels along each axis each
                  time they are drawn; 0: none; -1: by preset. Above 0 only with picture data */
    nicest_precision precision;
    int neighbours; /* 0: calibration leaves no training row in the model; else (-1) at most 4096,
                       to which the outlier score "views" and the baseline "knn" look */
    int recompute;  /* not 0: compute activations again instead of keeping them; the same bits */
    uint64_t seed;
    int threads;
    const char *checkpoint;    /* write checkpoints here */
    size_t checkpoint_steps;   /* every so many steps, */
    double checkpoint_epochs;  /* or epochs, */
    double checkpoint_seconds; /* or seconds (none given: every epoch) */
    const char *resume;        /* continue from this checkpoint */
    const char *log;           /* JSON lines, appended on resume */
    nicest_progress_function progress;
    void *context; /* for progress */
} nicest_train_options;

typedef struct nicest_train_result {
    size_t rows, columns, parameters, epochs, steps;
    double seconds;             /* of training, without calibration, */
    double calibration_seconds; /* and of that */
    /* Of the saved weights: of at most 10,000 training rows; valid is NaN without validation rows.
     */
    double train_logp, valid_logp;
    /* On the rows held out for calibration, which served neither training nor early stopping; NaN
     * without such rows. */
    double test_logp, test_sem;
    size_t test_rows;
    double gaussian_logp; /* of a full-covariance Gaussian fitted on the training rows, on the same
                             held-out rows (without them: on the validation rows); NaN beyond 1024
                             columns, or where rows times columns squared is above 4e9 */
    double copula_logp, mixture_logp; /* the same of a Gaussian copula and a mixture of Gaussians;
                                         NaN where they were not fitted */
    char start[64];    /* the closed form that training began from: "marginal + Gaussian"; "" */
    size_t kept_epoch; /* of the saved weights */
    int interrupted, retries; /* interrupted: by `progress` */
    const char *chosen;       /* what was chosen and why, as lines; owned by the model */
    char failure[256]; /* "", or why a checkpoint or log could not be written: training ended there,
                          and the model has the best weights until then */
} nicest_train_result;

/* "Choose from the data" in every field; NULL is left alone. */
NICEST_API void nicest_train_defaults(nicest_train_options *options);
/* The same by names, for callers that are not C: options in the library's memory, for
 * nicest_train and nicest_trainer_new; release after the trainer. */
NICEST_API nicest_status nicest_train_options_new(nicest_train_options **options);
/* NULL is accepted. */
NICEST_API void nicest_train_options_free(nicest_train_options *options);
/* "preset", "time" (of `seconds`: "90s", "10m", "1h"), ...: all fields but pointers that are not
 * text; NULL beyond the last; static. */
NICEST_API const char *nicest_train_option_name(size_t number);
/* One option from text, "64", "1e-3", "adam", "yes"; value NULL: chosen from the data again. Texts
 * are borrowed as the structure's are. NICEST_E_ARGUMENT where no option has the name, or the value
 * cannot be one of it; whether the values make sense together is for nicest_train. */
NICEST_API nicest_status nicest_train_options_set(nicest_train_options *options, const char *name,
                                                  const char *value);
/* Learns a model from `train`. Rows with infinity are left out, and pictures with NaN; so are
 * columns that only count or rise, and text. `valid` may be NULL: then a share of train is held
 * out; so may options (all chosen) and result. A step whose loss or gradient is not finite is never
 * applied; see docs/training.md for what happens then. NICEST_E_MISMATCH where valid has other
 * columns, names of columns or picture sizes than train. */
NICEST_API nicest_status nicest_train(nicest_model **model, const nicest_data *train,
                                      const nicest_data *valid, const nicest_train_options *options,
                                      nicest_train_result *result);

/* Training in pieces, for callers with a loop of their own; nicest_train is one. Data, options'
 * texts and context are borrowed until nicest_trainer_free. */
typedef struct nicest_trainer nicest_trainer;
/* Checks everything and makes the start; arguments as of nicest_train. */
NICEST_API nicest_status nicest_trainer_new(nicest_trainer **trainer, const nicest_data *train,
                                            const nicest_data *valid,
                                            const nicest_train_options *options);
/* Trains for at most so many steps and seconds (0: no such bound). *more (may be NULL): 0 when the
 * run has ended, by its epochs or time, by patience or by `progress`; more steps then do nothing.
 * However a run of epochs is cut, its bytes are the same. */
NICEST_API nicest_status nicest_trainer_step(nicest_trainer *trainer, size_t steps, double seconds,
                                             int *more);
/* Where the run stands. */
NICEST_API nicest_status nicest_trainer_progress(nicest_trainer *trainer,
                                                 nicest_progress *progress);
/* What was chosen, as JSON, as far as the run has come: {"recipe": {"preset": .., "optimizer": ..,
 * "batch": .., ..}, "spec": the stack, or null while stacks are tried, "start": the closed form
 * that training began from, or null, "chosen": [what was chosen and why, lines]}. nicest_free. */
NICEST_API nicest_status nicest_trainer_chosen(const nicest_trainer *trainer, char **json);
/* The best model so far, calibrated, as nicest_train would return it; training may go on. result
 * may be NULL. */
NICEST_API nicest_status nicest_trainer_model(nicest_trainer *trainer, nicest_model **model,
                                              nicest_train_result *result);
/* The same for a look on the way: not calibrated, and soon done. */
NICEST_API nicest_status nicest_trainer_look(nicest_trainer *trainer, nicest_model **model);
/* NULL is accepted. */
NICEST_API void nicest_trainer_free(nicest_trainer *trainer);

/* ---------------------------------------------------------------- what a model is for */

/* Standard error of the mean of values[n] (weighted; NULL: alike), NaN left out; NaN below two
 * distinct values. Equal rows
 * have equal scores and are no news of each other: equal values count as one, of their number's
 * weight. Where none repeats it is the usual one. */
NICEST_API nicest_status nicest_standard_error(const double *values, const double *weights,
                                               size_t n, double *error);
/* Log-likelihood of all rows of data, as nicest_score gives it. */
NICEST_API nicest_status nicest_score_data(const nicest_model *model, const nicest_data *data,
                                           uint64_t seed, int threads, nicest_tick tick,
                                           void *context, double *logp);

typedef struct nicest_verification {
    double inverse_max, latent_max, logdet_max_error, gradient_max_error;
    double integral;           /* NaN when not measured, */
    char integral_reason[160]; /* and then why */
    int ok;
    double marginal_gap; /* of models with masks, over ten random patterns of one or two seen
                            columns: mean |log p of what is seen - log of the integral of the whole
                            row's density|; else NaN */
    double spread_max; /* with data: the largest ratio, either way, of a column's standard deviation
                          in samples to that in the data; else NaN */
    size_t spread_column; /* where it is */
} nicest_verification;
/* Proves that the model is a density: bounds of the command `nicest verify`. data may be NULL (then
 * the model's own samples serve). */
NICEST_API nicest_status nicest_verify(const nicest_model *model, const nicest_data *data,
                                       uint64_t seed, int threads, nicest_tick tick, void *context,
                                       nicest_verification *result);

/* Density of a 1-D or 2-D model on a grid: cell midpoints of `box` = {low1, high1[, low2, high2]}.
 * logp[width] or logp[height, width], row 0 at the top (the highest second coordinate). */
NICEST_API nicest_status nicest_density_grid(const nicest_model *model, const double *box,
                                             size_t width, size_t height, int threads,
                                             double *logp);
/* The box of 100,000 own samples widened by half, and the midpoint rule over it (refined until two
 * grids agree to 0.002; NaN in *integral when they do not). box: 2 or 4 numbers; may be NULL. */
NICEST_API nicest_status nicest_density_integral(const nicest_model *model, uint64_t seed,
                                                 int threads, double *box, double *integral);
/* The same of models that were trained with given columns: 1 or 2 others, given those of
 * given[columns], as stored (NaN: nothing is known); its other numbers are not read. */
NICEST_API nicest_status nicest_density_grid_given(const nicest_model *model, const double *given,
                                                   const double *box, size_t width, size_t height,
                                                   int threads, double *logp);
/* As nicest_density_integral, of what nicest_density_grid_given is of. */
NICEST_API nicest_status nicest_density_integral_given(const nicest_model *model,
                                                       const double *given, uint64_t seed,
                                                       int threads, double *box, double *integral);

/* How the other columns left a marginal: they were integrated out exactly (closed forms, or there
 * were none); hidden by the masks that a model of a table with holes has learnt; or it is a smooth
 * table of samples. */
typedef enum nicest_marginal_kind {
    NICEST_MARGINAL_EXACT,
    NICEST_MARGINAL_MASKS,
    NICEST_MARGINAL_SAMPLES
} nicest_marginal_kind;
typedef struct nicest_marginal_options {
    size_t column[2], count; /* 1 or 2 */
    const double *given;     /* [columns] stored, NaN: not given; or NULL. Exact where the model was
                                trained with these columns given or is exact itself */
    double box[4];           /* range of each column of values */
    size_t cells[2];         /* of it; a category has one for each class */
    uint64_t seed;
    int threads;
    nicest_tick tick; /* may be NULL */
    void *context;
} nicest_marginal_options;
typedef struct nicest_marginal {
    size_t cells[2];
    double *at[2];    /* [cells] midpoints, or the codes of the classes */
    double widths[2]; /* of a cell; 0 of classes */
    double *logp; /* [cells[1], cells[0]] as nicest_density_grid; of a class its log probability */
    double integral;  /* over all that there is, not the box; NaN where no two grids agree */
    double beside[2]; /* share of rows in which a column of values is at a mass point, or missing */
    nicest_marginal_kind how;
} nicest_marginal;
/* Density of one or two columns, all others summed or integrated out. */
NICEST_API nicest_status nicest_density_columns(const nicest_model *model,
                                                const nicest_marginal_options *options,
                                                nicest_marginal *result);
/* What it points to, not the struct; NULL is accepted. */
NICEST_API void nicest_marginal_free(nicest_marginal *result);

/* --- inpainting (paper, section 5.2): any dimensions given any others --- */

typedef struct nicest_inpaint_options {
    const char *recipe; /* "default", "paper", "released" */
    const char *method; /* "map", "mean", "langevin"; NULL: mean, but map for pictures whose model
                         * does not begin with a marginal */
    size_t steps;       /* 0: by recipe */
    size_t samples;     /* fills of each row (langevin); default 1 */
    uint64_t seed;
    int threads;
    nicest_tick tick;
    void *context;
    /* Frames for a picture of the progress: after every frame_every steps the current fill of the
     * first sample is handed out as stored rows[n, d]. */
    void (*frame)(void *context, size_t step, const double *rows);
    size_t frame_every; /* 0: none */
} nicest_inpaint_options;

typedef struct nicest_inpaint_result {
    size_t rows, hidden, infinite, steps; /* infinite: values that stay, see nicest_inpaint */
    double psnr, psnr_mean_fill;          /* NaN where the truth is not known */
    double rmse, rmse_mean_fill;          /* in standard deviations of the column; NaN likewise */
    double logp_before, logp_after, seconds;
} nicest_inpaint_result;

/* The recipe "default", one sample, seed 1, all processors; NULL is left alone. */
NICEST_API void nicest_inpaint_defaults(nicest_inpaint_options *options);
/* stored[n, d] with hidden[n, d] = 1 where a value is to be filled (its stored value, where it is
 * not NaN, is the truth that psnr is measured against, and is never used to fill). filled[samples,
 * n, d]: observed values are copied bit for bit; an infinite one, which is impossible to the model,
 * stays, and the rest of its row is filled as if it were missing. spread[n, d] (may be NULL):
 * standard deviation over samples. options (all defaults) and result may be NULL. */
NICEST_API nicest_status nicest_inpaint(const nicest_model *model, const double *stored, size_t n,
                                        const unsigned char *hidden,
                                        const nicest_inpaint_options *options, double *filled,
                                        double *spread, nicest_inpaint_result *result);
/* Names of the masks, ended by NULL: top, bottom, left, right, middle-rows, middle-columns, even,
 * odd, nan, and "random:", behind which a share stands. */
NICEST_API const char *const *nicest_mask_names(void);
/* One of the named masks ("top", "random:0.75", "nan", ..., or FILE.png) for n rows; height, width
 * and channels 0 for a table. What is NaN in stored is hidden under every mask; stored may be NULL
 * but for "nan". */
NICEST_API nicest_status nicest_mask(const char *name, const double *stored, size_t n, size_t d,
                                     unsigned height, unsigned width, unsigned channels,
                                     uint64_t seed, unsigned char *hidden);

/* --- corruptions --- */

/* Names of the kinds, ended by NULL: noise, rotate, shear, contrast, contrast-black, brightness,
 * blur, occlusion, salt-and-pepper, morph. */
NICEST_API const char *const *nicest_corruption_names(void);
/* data made atypical by `kind` at `level`; `other` is only read by morph. Quantised data stays so.
 * threads: 0 for all processors; the result does not depend on it. */
NICEST_API nicest_status nicest_corrupt(nicest_data **out, const nicest_data *data,
                                        const char *kind, double level, const nicest_data *other,
                                        uint64_t seed, int threads);

/* --- atypical rows --- */

/* Names of the scores, ended by NULL: logp, typicality, complexity, gradient, latent, combined,
 * views. A score is higher for more typical rows. */
NICEST_API const char *const *nicest_score_names(void);
/* The score to judge by where nobody says another: "combined" of pictures and "views" of tables,
 * where the model is calibrated for it; else "logp". */
NICEST_API const char *nicest_default_score(const nicest_model *model);
/* Training rows that the model keeps for "views" and "knn"; 0 of NULL. */
NICEST_API size_t nicest_model_neighbours(const nicest_model *model);
/* One score a row; a row with a missing value has NaN, one that overflows -infinity.
 * Scores other than logp and complexity need a calibrated model (NICEST_E_DATA);
 * complexity needs quantised columns (NICEST_E_UNSUPPORTED). group M > 1: rows are taken M at a
 * time, in order, and share one score (the last group is the last M rows, so it may overlap the one
 * before); 0 and 1: single rows. */
NICEST_API nicest_status nicest_outlier_scores(const nicest_model *model, const nicest_data *data,
                                               const char *score, size_t group, uint64_t seed,
                                               int threads, nicest_tick tick, void *context,
                                               double *scores);
/* Fits the statistics of the scores on `train` rows (may be NULL: keep what the model has), of
 * which at most 4096 stay in the model (fewer of more than 256 columns, none below 20), and
 * calibrates on `held_out` rows, which must have served neither training nor early stopping; stores
 * both in the model, which nobody else may use meanwhile. A failure may leave the model without
 * calibration, but never with half of one. */
NICEST_API nicest_status nicest_calibrate(nicest_model *model, const nicest_data *train,
                                          const nicest_data *held_out, uint64_t seed, int threads,
                                          nicest_tick tick, void *context);
/* Takes the kept training rows out of the model, and with them "views" and "knn". */
NICEST_API nicest_status nicest_forget_neighbours(nicest_model *model);
/* 1 where the model holds calibration scores, else 0; 0 of NULL. */
NICEST_API int nicest_calibrated(const nicest_model *model);
/* Split-conformal p-values of scores: (1 + #calibration scores <= score) / (n + 1); NaN gives NaN.
 * `score` is a name, or "NAME:M" for scores of groups of M rows. NICEST_E_DATA when the model is
 * not calibrated for it. */
NICEST_API nicest_status nicest_conformal(const nicest_model *model, const char *score,
                                          const double *scores, size_t n, double *p);
/* Rows (groups) that score below *threshold, those with p <= rate, are at most the share `rate` of
 * normal rows, as promised by *rows calibration rows (may be NULL). Where *rows + 1 < 1 / rate
 * nothing can be promised: then *threshold is -infinity, and the caller should say that the least
 * rate is 1 / (*rows + 1). */
NICEST_API nicest_status nicest_threshold(const nicest_model *model, const char *score, double rate,
                                          double *threshold, size_t *rows);
/* A row with many holes has another log p than a whole one. So single rows are judged beside
 * calibration rows with about as many: at most NICEST_HOLE_BINS bins, by their number of holes,
 * each of 99 calibration rows or more (fewer are taken together with the bin beside). */
enum { NICEST_HOLE_BINS = 10 };
typedef struct nicest_hole_bin {
    size_t least, most; /* holes of its calibration rows */
    size_t rows;        /* that many of them; nicest_false_alarms takes it */
    double threshold;   /* as of nicest_threshold, for rows of this bin */
} nicest_hole_bin;
/* Into bins[NICEST_HOLE_BINS]. One where calibration had no holes, of groups, and of typicality:
 * nicest_threshold's. */
NICEST_API nicest_status nicest_hole_bins(const nicest_model *model, const char *score, double rate,
                                          nicest_hole_bin *bins, size_t *count);
/* nicest_conformal of the scores of the rows of data, each within its bin. bin[] (may be NULL):
 * which. known[] (may be NULL): 0 where calibration had no row with holes in just these columns, so
 * that p promises nothing. */
NICEST_API nicest_status nicest_conformal_rows(const nicest_model *model, const char *score,
                                               const nicest_data *data, const double *scores,
                                               double *p, unsigned char *bin, unsigned char *known);
/* The promise is of a mean over calibrations. With one of `rows` rows the share of normal rows that
 * are flagged lies in *low .. *high in 95 of 100 cases (quantiles of a beta distribution). */
NICEST_API nicest_status nicest_false_alarms(size_t rows, double rate, double *low, double *high);
/* No-model baselines beside every score: "mean", "compressed", "gaussian", "knn"; ended by NULL.
 * They too are fitted by nicest_calibrate, and higher for more typical rows. */
NICEST_API const char *const *nicest_baseline_names(void);
/* One a row, or a group, as of nicest_outlier_scores; NICEST_E_DATA where the model was not
 * calibrated on training rows. threads: 0 for all processors. */
NICEST_API nicest_status nicest_baseline_scores(const nicest_model *model, const nicest_data *data,
                                                const char *baseline, size_t group, int threads,
                                                double *scores);

/* Why a row is unlikely: a column of it, and what was to be expected there given the others. */
typedef struct nicest_reason {
    size_t column;
    double value;     /* stored, as it is in the row */
    double expected;  /* the median given the other columns; of categories the likeliest */
    double low, high; /* nine tenths of the values lie there; of categories both are `expected` */
    double surprise;  /* nats: -log of the probability, given the other columns, of values that are
                       * at  most as likely as this one; infinity: it is impossible */
} nicest_reason;
/* The columns that make each of stored[n, d] unlikely: reasons[n, most], the most surprising first,
 * counts[n] of them. Columns are hidden, the most surprising ones, until log p of the rest with
 * these at their medians has a conformal p-value of `enough` (0.05), or `most` (1 to d) are hidden;
 * at least one, where anything can be said. Where enough > 1, or the model is not calibrated for
 * log p, always `most`. Missing cells and columns that the density is given are no reasons. seed:
 * as of nicest_score. tick may be NULL. */
NICEST_API nicest_status nicest_explain(const nicest_model *model, const double *stored, size_t n,
                                        size_t most, double enough, uint64_t seed, int threads,
                                        nicest_tick tick, void *context, nicest_reason *reasons,
                                        size_t *counts);

typedef struct nicest_detection {
    double auroc, auprc;
    double auroc_low, auroc_high, auprc_low, auprc_high; /* 95 % bootstrap */
    double threshold, precision, recall, f1, false_alarms, prevalence;
    double best_threshold, best_f1; /* where F1 is highest: needs labels */
} nicest_detection;
/* scores[n] against outlier[n] (1 = an outlier); rows below `threshold` are flagged (NaN: below the
 * best threshold). AUPRC is average precision with outliers as positives. Figures that need a kind
 * of row that is not there are NaN; a NaN score is NICEST_E_DATA. */
NICEST_API nicest_status nicest_detect(const double *scores, const unsigned char *outlier, size_t n,
                                       double threshold, uint64_t seed, nicest_detection *result);
/* What is found, and what is flagged in vain, as the threshold rises: of the k-th lowest different
 * scores and below, recall[k] = share of the outliers, alarms[k] = share of the normal rows,
 * precision[k] = share of outliers among them; point 0 is before any row (0, 0, 1). Room for n + 1
 * points each; *count of them. A share of rows that are not there is NaN; a NaN score is
 * NICEST_E_DATA. ROC: recall over alarms; PR: precision over recall. */
NICEST_API nicest_status nicest_detection_curve(const double *scores, const unsigned char *outlier,
                                                size_t n, double *recall, double *alarms,
                                                double *precision, size_t *count);

/* --- speed of this machine --- */

/* A median of repeated runs; how far they lie apart, (95th - 5th percentile) / median; and the
 * share of what bounds it (NaN: nothing measured here does). A figure that was not measured is NaN
 * throughout. */
typedef struct nicest_bench_figure {
    double median, spread, share;
} nicest_bench_figure;

/* What is measured of a model. Steps and their parts in milliseconds: the training step (forward,
 * backward, gradients, Adam) with all threads, with one and in bf16; and of its batch, apart: rows
 * to latent, latent to rows, and the way back through the layers, which leaves out the gradients of
 * the weights and Adam. Use in rows a second of many rows at once, of which the gradient is by the
 * row, what inpainting climbs. One row is scored by one thread, in microseconds; its share is that
 * of reading the parameters once, where no cache holds them. */
typedef enum nicest_bench_kind {
    NICEST_BENCH_STEP,
    NICEST_BENCH_STEP_ONE_THREAD,
    NICEST_BENCH_STEP_BF16,
    NICEST_BENCH_FORWARD,
    NICEST_BENCH_BACKWARD,
    NICEST_BENCH_LAYERS_INVERSE,
    NICEST_BENCH_SCORE,
    NICEST_BENCH_INVERSE,
    NICEST_BENCH_SAMPLE,
    NICEST_BENCH_GRADIENT,
    NICEST_BENCH_ONE_ROW,
    NICEST_BENCH_KINDS
} nicest_bench_kind;
enum { NICEST_BENCH_MODELS = 8 };

typedef struct nicest_bench_result {
    int threads;
    /* With `threads`, and with one thread: GFLOP/s of multiply-adds in registers (bf16: NaN where
     * the processor has none), GB/s of reading memory. */
    double peak_f32, peak_bf16, bandwidth;
    double one_peak_f32, one_peak_bf16, one_bandwidth;
    /* The standard models. Shares count useful operations, 2 for each parameter, row and product,
     * of the peak of as many threads. */
    struct {
        const char *name;                  /* "paper256", "paper1024", "table", "toy", "affine",
                                            * "spline", "affine-wide", "spline-wide" */
        size_t columns, batch, parameters; /* 0 parameters: not measured */
        nicest_bench_figure figure[NICEST_BENCH_KINDS];
        double one_row_floor_us; /* reading the parameters once at one_bandwidth; NaN where they fit
                                    in caches */
    } model[NICEST_BENCH_MODELS];
} nicest_bench_result;
/* Measures for about `seconds` altogether, with `threads` of its own (0: all processors). models:
 * names divided by commas (NULL: all); the figures of others are NaN. */
NICEST_API nicest_status nicest_bench(const char *models, int threads, double seconds,
                                      nicest_tick tick, void *context, nicest_bench_result *result);

/* ---------------------------------------------------------------- pictures */

/* 8-bit picture, channels 1 (grey), 3 (RGB) or 4 (RGBA), row-major, top row first. */
typedef struct nicest_image {
    unsigned width, height, channels;
    unsigned char *pixels; /* from nicest_image_new or nicest_image_read */
} nicest_image;
/* All black (and transparent). Release with nicest_image_free. */
NICEST_API nicest_status nicest_image_new(nicest_image *image, unsigned width, unsigned height,
                                          unsigned channels);
/* A PNG of any kind, brought to 8 bits; grey with alpha is drawn on black. */
NICEST_API nicest_status nicest_image_read(nicest_image *image, const char *path);
/* As PNG, whole or not at all. */
NICEST_API nicest_status nicest_image_write(const nicest_image *image, const char *path);
/* The PNG as bytes in memory (for a page that holds its pictures); release with nicest_free. */
NICEST_API nicest_status nicest_image_encode(const nicest_image *image, unsigned char **bytes,
                                             size_t *size);
/* The pixels, not the struct; NULL is accepted. */
NICEST_API void nicest_image_free(nicest_image *image);

/* ---------------------------------------------------------------- files and memory */

/* Writes a whole text or block to `path`: temporary name, sync, rename; "-" is standard output. */
NICEST_API nicest_status nicest_file_write(const char *path, const void *bytes, size_t size);

#ifdef __cplusplus
}
#endif

#endif
