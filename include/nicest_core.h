/* nicest_core.h - exact densities of numeric data: models that were trained, and what they say.
 *
 * The stable half of the public interface: status, models, likelihood. It changes with a major
 * version only. libnicest has all of it; so has libnicest_core, which needs jansson and zlib alone
 * and reads no data files (target nicest::nicest_core, for programs that score and sample inside of
 * others). The other half is nicest.h, which includes this one.
 *
 * Words (docs/math.md has the formulas):
 *
 *   rows, columns     n rows of d columns, row-major; everywhere `double` unless said otherwise
 *   stored rows       values as the data file holds them (a pixel 0..255, a count, a length in mm)
 *   continuous rows   what the density is of: the stored value, plus dequantisation noise where a
 *                     column is quantised; an image in full scale: level k with noise u is
 *                     (k+u)/levels
 *                     In a model of a mixed table a category is its code in stored, continuous and
 *                     latent rows alike (of words their place in the list, of numbers themselves),
 *                     and so is a column that follows from another. A value at its mass point is
 *                     that point in stored and continuous rows, -infinity in latent ones. NaN is
 *                     missing: a model of a table with holes has the log p of what is seen, given
 *                     which cells are; infinity is a code that the model does not know
 *   log p             natural logarithm of the density of continuous rows, in nats, in the units
 *                     above
 *   latent            h = forward(x); `inverse` is latent -> data. "backward" is only
 *                     back-propagation
 *
 * Errors: everything that can fail returns a nicest_status; results come back by pointer and are
 * untouched on failure; nicest_error() has the sentence, for the calling thread. The library never
 * prints, never ends the program, never installs a signal handler.
 *
 * Ownership: new/open/load/train pair with free, and free accepts NULL. Every other pointer is
 * borrowed until the call returns, unless its comment says "owned by" somebody.
 *
 * Threads: a model and a data set are read-only while they are used, and any number of threads may
 * share them (nicest_calibrate alone changes a model); a nicest_workspace belongs to one caller at
 * a time. Functions that take `threads` use that many of their own (0: all processors), and their
 * results are the same bits for any number. Threads once started stay asleep for the next call.
 *
 * Numbers in texts have a decimal point: specs cannot be read under a locale whose LC_NUMERIC has a
 * comma.
 *
 * Paper: NICE, Dinh, Krueger, Bengio, 2014, arXiv 1410.8516. */
#ifndef NICEST_CORE_H
#define NICEST_CORE_H

#include <stddef.h>
#include <stdint.h>

#ifndef NICEST_API
#if defined(__GNUC__)
#define NICEST_API __attribute__((visibility("default")))
#else
#define NICEST_API
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------- status */

typedef enum nicest_status {
    NICEST_OK = 0,
    NICEST_E_MEMORY,      /* memory ran out */
    NICEST_E_ARGUMENT,    /* the caller's argument is not one this function takes */
    NICEST_E_IO,          /* a file could not be opened, read or written */
    NICEST_E_FORMAT,      /* a file is not what it should be */
    NICEST_E_DATA,        /* the data cannot serve: too few rows, NaN, ... */
    NICEST_E_MISMATCH,    /* model and data (or checkpoint and options) do not belong together */
    NICEST_E_DIVERGED,    /* training diverged in spite of all retries */
    NICEST_E_INTERRUPTED, /* the progress function asked to stop and there was nothing to keep */
    NICEST_E_UNSUPPORTED, /* this build or processor cannot do it */
    NICEST_STATUS_COUNT   /* not a status */
} nicest_status;

/* A short name, "out of memory"; never NULL. */
NICEST_API const char *nicest_status_name(nicest_status status);
/* The calling thread's last error as one line without newline; "" before the first. Valid until the
 * thread's next call. */
NICEST_API const char *nicest_error(void);
/* "0.1.0" */
NICEST_API const char *nicest_version(void);
/* One line: compiler, and the products that this processor gets. */
NICEST_API const char *nicest_build(void);
/* Processors that threads = 0 stands for. */
NICEST_API int nicest_processors(void);

/* ---------------------------------------------------------------- models */

typedef struct nicest_model nicest_model;

/* What the values of a column are. Of a category, the place of its word, 0 .. n-1, in a list that
 * is in alphabetical order (of bytes); of a time, days since 1970-01-01 (dates), or seconds since
 * then or since midnight. NaN is missing everywhere. */
typedef enum nicest_column_kind { NICEST_NUMBER, NICEST_CATEGORY, NICEST_TIME } nicest_column_kind;
/* A safetensors file written by nicest_model_save. Every size is checked before it is believed. */
NICEST_API nicest_status nicest_model_load(nicest_model **model, const char *path);
/* Written to a temporary name, synced, renamed. The same model gives the same bytes. */
NICEST_API nicest_status nicest_model_save(const nicest_model *model, const char *path);
/* nicest_model_load_bytes and nicest_model_save_bytes: the same from and to the bytes of such a
 * file (not gzipped); *bytes is released by nicest_free. */
NICEST_API nicest_status nicest_model_load_bytes(nicest_model **model, const void *bytes,
                                                 size_t size);
NICEST_API nicest_status nicest_model_save_bytes(const nicest_model *model, unsigned char **bytes,
                                                 size_t *size);
/* No workspace of the model may be in use. NULL is accepted. */
NICEST_API void nicest_model_free(nicest_model *model);

/* Where model is NULL, these questions have the answers 0, NULL and NaN. */
NICEST_API size_t nicest_model_columns(const nicest_model *model);
/* Numbers that training moves. */
NICEST_API size_t nicest_model_parameters(const nicest_model *model);
/* The stack of layers as text (docs/spec.md); owned by model. */
NICEST_API const char *nicest_model_spec(const nicest_model *model);
/* A tensor of layers or prior, as in the file (docs/model-file.md); owned by model. */
typedef struct nicest_tensor {
    const char *name; /* "layers.1.mlp.0.weight" */
    const float *values;
    size_t rank, shape[2]; /* row-major; shape[1] is 1 where the rank is 1 */
} nicest_tensor;
/* How many there are. */
NICEST_API size_t nicest_model_tensors(const nicest_model *model);
/* Number 0 and on, in the order of the layers, the prior at the end; NICEST_E_ARGUMENT beyond. */
NICEST_API nicest_status nicest_model_tensor(const nicest_model *model, size_t number,
                                             nicest_tensor *tensor);
/* By its name; NICEST_E_ARGUMENT where the model has none of that name. */
NICEST_API nicest_status nicest_model_tensor_named(const nicest_model *model, const char *name,
                                                   nicest_tensor *tensor);
/* A named entry of the model file ("nicest.schema", "nicest.training", "nicest.calibration": JSON);
 * NULL where there is none; owned by model, until nicest_calibrate. */
NICEST_API const char *nicest_model_entry(const nicest_model *model, const char *name);
/* "x1", or the name in the training data; NULL beyond the columns; owned by model. */
NICEST_API const char *nicest_model_column_name(const nicest_model *model, size_t column);
/* As nicest_data_column_kind and its neighbours: what the training data had; owned by model. */
NICEST_API nicest_column_kind nicest_model_column_kind(const nicest_model *model, size_t column);
/* The same list of words, by which the model has its codes. */
NICEST_API const char *const *nicest_model_column_words(const nicest_model *model, size_t column,
                                                        size_t *count);
/* How its times are written, or the sign of its numbers; else NULL. */
NICEST_API const char *nicest_model_column_format(const nicest_model *model, size_t column);
/* The most decimals of its numbers; -1: not known. */
NICEST_API int nicest_model_column_decimals(const nicest_model *model, size_t column);
/* Picture size; all 0 where the columns are not a picture. Any of the three may be NULL. */
NICEST_API void nicest_model_image(const nicest_model *model, unsigned *height, unsigned *width,
                                   unsigned *channels);
/* Levels of a quantised column (0: unbounded), its step in stored and its unit in continuous
 * values; returns 0 where the column is continuous. */
NICEST_API int nicest_model_quantised(const nicest_model *model, size_t column, double *levels,
                                      double *step, double *unit);
/* 1 where the density is given this column, else 0. */
NICEST_API int nicest_model_given(const nicest_model *model, size_t column);
/* The first column whose value in this stored row never occurs (a flag of 0.5), so that the row has
 * log p -infinity; the number of columns where there is none. */
NICEST_API size_t nicest_model_impossible(const nicest_model *model, const double *row);
/* -(logp + sum of log unit) / (d log 2) where every column is quantised, else NaN. */
NICEST_API double nicest_model_bits_per_dim(const nicest_model *model, double logp);
/* A block that the library handed out; NULL is accepted. */
NICEST_API void nicest_free(void *block);

/* ---------------------------------------------------------------- likelihood and its neighbours */

/* What a caller needs to run a model: activations, scratch, threads. It borrows `model`, which must
 * outlive it. `rows` is the most rows that it takes in one internal pass (0: a sensible number);
 * the functions below accept any n. One row at a time is quickest with rows = 1, threads = 1. */
typedef struct nicest_workspace nicest_workspace;
/* threads: 0 (all processors) to 1024. */
NICEST_API nicest_status nicest_workspace_new(nicest_workspace **workspace,
                                              const nicest_model *model, size_t rows, int threads);
/* Must come before nicest_model_free. NULL is accepted. */
NICEST_API void nicest_workspace_free(nicest_workspace *workspace);

/* Log-likelihood of stored rows[n, d]. Dequantisation noise follows from the seed and from what the
 * row says (levels of quantised columns, the others as floats), so equal rows have equal log p, in
 * any order, batch and type of file. NaN in a row gives NaN; a row that overflows gives -infinity,
 * and its gradient is NaN.
 * The arrays of results and of arguments may be the same. Only nicest_encode allocates, and the
 * first call in a process that uses threads. */
NICEST_API nicest_status nicest_score(nicest_workspace *workspace, const double *rows, size_t n,
                                      uint64_t seed, double *logp);
/* The same of continuous rows. */
NICEST_API nicest_status nicest_log_prob(nicest_workspace *workspace, const double *rows, size_t n,
                                         double *logp);
/* log p (may be NULL) and its gradient d log p / d x [n, d] for continuous rows. Only a workspace's
 * first call allocates: room for the backward pass. */
NICEST_API nicest_status nicest_log_prob_gradient(nicest_workspace *workspace, const double *rows,
                                                  size_t n, double *logp, double *gradient);
/* Continuous rows -> latent [n, d] and log |det dh/dx| [n] (either may be NULL). */
NICEST_API nicest_status nicest_forward(nicest_workspace *workspace, const double *rows, size_t n,
                                        double *latent, double *logdet);
/* Latent -> continuous rows, and log |det dx/dh| (may be NULL). */
NICEST_API nicest_status nicest_inverse(nicest_workspace *workspace, const double *latent, size_t n,
                                        double *rows, double *logdet);
/* n samples number first .. first+n-1 of the stream `seed`, as stored rows: quantised columns are
 * rounded down to their level and clamped. temperature scales the latent (1: the model). */
NICEST_API nicest_status nicest_sample(nicest_workspace *workspace, size_t n, uint64_t seed,
                                       uint64_t first, double temperature, double *rows);
/* The same of a model that was trained with given columns: their values are those of given[n,
 * columns], as stored, NaN where nothing is known; the other columns of `given` are not read. */
NICEST_API nicest_status nicest_sample_given(nicest_workspace *workspace, const double *given,
                                             size_t n, uint64_t seed, uint64_t first,
                                             double temperature, double *rows);
/* Stored rows -> continuous rows, with the noise that nicest_score gives them. */
NICEST_API nicest_status nicest_encode(const nicest_model *model, const double *stored, size_t n,
                                       uint64_t seed, double *continuous);
/* Continuous rows -> stored rows: quantised columns are rounded down to their level and clamped. */
NICEST_API nicest_status nicest_decode(const nicest_model *model, const double *continuous,
                                       size_t n, double *stored);

#ifdef __cplusplus
}
#endif

#endif
