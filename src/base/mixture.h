/* mixture.h - mixtures of Gaussians, fitted by expectation-maximisation, also to rows with holes.
 *
 *     p(x) = sum_k w_k N(x; m_k, L_k L_k')
 *
 * A missing value is NaN. A row with holes has the density of what is seen, N(x_o; m_o, C_oo) by
 * parts: exactly the integral of the whole row's density. In double throughout; knows neither
 * models nor data. Columns should be of like scale (standardised), as starts are found by
 * distances. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/random.h"
#include "nicest.h"

typedef struct mixture {
    size_t columns, parts;
    bool diagonal;
    double
        *part; /* [parts, mixture_part_size()]: log w, m [columns], then the lower triangle L
                  packed by columns (gaussian.h) or, of a diagonal one, the deviations [columns] */
} mixture;

size_t mixture_part_size(size_t columns, bool diagonal);
/* All parts zero; released by mixture_free. */
nicest_status mixture_new(mixture **out, size_t columns, size_t parts, bool diagonal);
void mixture_free(mixture *m);
DEFINE_DROP(mixture_drop, mixture, mixture_free)

/* ------------------------------------------------------------------ fitting */

typedef struct mixture_rows {
    const double *x;      /* [n, d], NaN where missing, else finite */
    const double *weight; /* [n], not negative; NULL: 1 each */
    size_t n, d;
} mixture_rows;

/* Zero means the default. */
typedef struct mixture_options {
    size_t parts; /* 1 */
    bool diagonal;
    const double
        *ridge;           /* [d] added to the variances of every part, as scikit-learn adds its
                             reg_covar; NULL: 1e-8. No variance in any direction is below the least */
    const double *common; /* packed covariance of which each part counts `common_rows` rows beside
                             its own (not of diagonal ones); NULL: none */
    double common_rows;
    const double *noise; /* [d]: variances that noise alone has. A part of few rows would learn
                            theirs by heart: d + 1 over its rows times them are added; NULL: none */
    bool background;     /* one more part, the last, which is not fitted: every column by itself, at
                            its mean, half as wide again as its values, with the weight of one row. A
                            row     unlike all others is unlikely, and not impossible: the noise component
                            of Banfield and Raftery (1993), as a Gaussian */
    uint64_t seed;
    int restarts;     /* 3: k-means++ starts; the likeliest after a few iterations goes on */
    int iterations;   /* 200; fewer, from 10 on, where patterns d^3 parts of holes are many */
    int folds;        /* of mixture_choose: 5 below 2000 rows, else 1, a fifth of the rows */
    double seconds;   /* of mixture_choose: no further number is tried after so long; none */
    double tolerance; /* 1e-4: ends when the mean log-likelihood rises by less, nats a row */
    int threads;      /* all; the bits do not depend on it */
} mixture_options;

/* Maximum likelihood; with holes, under values missing at random. *mean_logp (may be NULL) is that
 * of the rows. NICEST_E_DATA for more parts than rows, a column without a value, infinite values.
 * Time: iterations times n d^2 parts; of holes, patterns times d^3 / 3 parts beside it. Memory: the
 * rows once more (each pattern of holes rounded up to 8 rows) and n numbers. */
nicest_status mixture_fit(mixture **out, const mixture_rows *rows, const mixture_options *o,
                          double *mean_logp);
/* The number of parts, of 1, 2, 3, 4, 6, 8, 12, 16, ... (at most `most`, and ten rows a part),
 * under which held-out rows are likeliest, each fold under a mixture of the others. Equal rows are
 * in the same fold. It ends after two numbers that are no better. *held_out (may be NULL) is the
 * mean log density of held-out rows. Errors and memory as of mixture_fit. */
nicest_status mixture_choose(size_t *parts, const mixture_rows *rows, const mixture_options *o,
                             size_t most, double *held_out);
/* Five mixtures of o->parts, each fitted to the rows outside one fold, as one of up to five times
 * the parts. logp[n] is the log density of each row under the one that it was left out of. */
nicest_status mixture_cross_fit(mixture **out, const mixture_rows *rows, const mixture_options *o,
                                double *logp);

/* ------------------------------------------------------------------ use */

/* What one thread needs to look at a mixture: scratch, and the factors of one pattern of holes.
 * Borrows m; `holes`: rows with holes may come. */
typedef struct mixture_view mixture_view;
nicest_status mixture_view_new(mixture_view **out, const mixture *m, bool holes);
void mixture_view_free(mixture_view *v);
DEFINE_DROP(mixture_view_drop, mixture_view, mixture_view_free)

/* logp[n] and gradient[n, d] (may be NULL; 0 where missing) of rows x[n, d]: neither depends on the
 * other rows. An infinite value gives -infinity. Never allocates; rows of equal pattern that follow
 * each other are quick. */
void mixture_evaluate(mixture_view *v, const double *x, size_t n, double *logp, double *gradient);
/* Row `number` of the stream. Deviations from the part's mean are multiplied by `temperature`. */
void mixture_sample(const mixture *m, random_stream stream, uint64_t number, double temperature,
                    double *x);

/* ------------------------------------------------------------------ blocks of rows
 *
 * What the functions above are made of, for callers whose rows lie in columns, x[d, n]: n at most
 * MIXTURE_BLOCK and a multiple of GAUSSIAN_LANES. Hidden values are finite and not looked at. */

enum { MIXTURE_BLOCK = 128 };

/* The pattern of what follows: columns that are NaN in row[d] are hidden; NULL: none. */
void mixture_look(mixture_view *v, const double *row);
/* Says that part k of the mixture has other values than before. */
void mixture_changed(mixture_view *v, size_t k);
/* logp[n], and the share that each part has in each row, [parts, n], until the next call. */
const double *mixture_block(mixture_view *v, const double *x, size_t n, double *logp);
/* gradient[d, n] by x, right after mixture_block of the same rows. */
void mixture_block_gradient(mixture_view *v, const double *x, size_t n, double *gradient);
/* Adds to sums[mixture_part_size()] the expectations, given what is seen, of share, share y and,
 * where `squares`, share y y' (of a diagonal mixture its diagonal), y = x - m_k, laid out as a
 * part. */
void mixture_block_sums(mixture_view *v, size_t k, const double *x, const double *share, size_t n,
                        bool squares, double *sums);
