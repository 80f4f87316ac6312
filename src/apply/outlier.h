/* outlier.h - calibration of a model's scores: the part of it that needs more than nicest.h.
 *
 * What is stored in a model, as arrays of doubles: "calibration.SCORE" (sorted scores of
 * calibration rows), "calibration.typical" (mean log p), "statistics.FAMILY" (a mixture),
 * "baseline.*". The entry MODEL_CALIBRATION says in words what was done; nothing is read back from
 * it. */
#pragma once

#include "model/model.h"
#include "nicest.h"

/* Rows of calibration below which 5 % cannot be promised: cross-conformal serves instead. */
enum { OUTLIER_FEWEST = 19 };

/* Learns a model like the one at hand from other rows; *model is the caller's. */
typedef nicest_status (*outlier_learn)(void *context, const nicest_data *rows,
                                       nicest_model **model);

/* Cross-conformal calibration, where no rows can be spared: each of `folds` parts of `rows` is
 * scored by a model that learnt from the others (and took its statistics from them), and chose
 * nothing by it; all scores together calibrate `model`, whose own statistics are those of all rows.
 *
 * The theorem (Barber, Candes, Ramdas, Tibshirani 2021, CV+): rank a new row K times, each time
 * under the model of a fold, against the scores of that fold; p = (1 + sum of the ranks)/(n + 1).
 * Then P(p <= a) <= 2 a + min(2 (1 - 1/K)/(n/K + 1), (1 - K/n)/(K + 1)), whatever the data and the
 * learning: twice the rate, and a little. Here a new row is ranked under the model of all rows.
 * Where learning is stable, so that one fold more or less hardly moves a score, P(p <= a) is near
 * a, and below it where more rows make new rows likelier; no theorem says so of every data. */
nicest_status outlier_cross_calibrate(nicest_model *model, const nicest_data *rows, size_t folds,
                                      outlier_learn learn, void *context, bool keep, uint64_t seed,
                                      int threads);

/* nicest_calibrate; without `keep` no training row stays in the model, and there are neither
 * neighbours nor the score `views`. `unseen` (NULL: none): rows that the weights have not learnt;
 * from a thousand on, scores learn from them what is usual. `tick` (NULL: none) is called after
 * each batch of rows; its answer is not looked at. */
nicest_status outlier_calibrate(nicest_model *model, const nicest_data *train,
                                const nicest_data *unseen, const nicest_data *held_out, bool keep,
                                uint64_t seed, int threads, nicest_tick tick, void *context);

/* Calibration scores of single rows, bin after bin, each sorted (nicest_hole_bins). */
typedef struct binned {
    nicest_hole_bin bins[NICEST_HOLE_BINS];
    size_t count;
    double *scores;
} binned;

/* *b is {0} before, and closed by the caller in any case. */
nicest_status binned_open(binned *b, const nicest_model *model, const char *name);
void binned_close(binned *b);
/* The p-value of a row with so many holes. */
double binned_p(const binned *b, size_t holes, double value);

/* Of a model that is not calibrated: the Gaussian of its training rows, by which fills go too. */
nicest_status outlier_describe(nicest_model *model, const nicest_data *train, uint64_t seed,
                               int threads);

/* ---- baselines.c: needs no flow; stores what the baselines want, with the model's Gaussian; or
 * that alone, where there are two complete rows. */
nicest_status baselines_fit_gaussian(nicest_model *model, const nicest_data *rows, int threads);
nicest_status baselines_fit(nicest_model *model, const nicest_data *rows, int threads);
void baselines_forget(nicest_model *model);
/* The baseline mean, gaussian or compressed of every row. */
nicest_status baselines_score(const nicest_model *model, const nicest_data *data,
                              const char *baseline, int threads, double *scores);
