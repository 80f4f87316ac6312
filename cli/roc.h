/* roc.h - what is found, and what is flagged in vain, as the threshold on a score rises; the
 * panels that show it; and the words of a reason. */
#pragma once

#include "chart.h"

/* Among the rows with the lowest scores: share of the outliers, share of the normal rows, and the
 * share of outliers among them. Point 0 is before any row; equal scores fall together. */
typedef struct detection_curve {
    size_t n;
    double *recall, *alarms, *precision; /* [n]; block_free(recall) releases all three */
} detection_curve;

/* scores[n] (none is NaN), outlier[n] = 1 where a row is one. */
detection_curve detection_curve_of(const double *scores, const unsigned char *outlier, size_t n);

/* Receiver operating characteristic and precision over recall, with what chance reaches. */
void detection_panels(panel p[2], double prevalence);
/* Adds the curve of a score to both, and a ring where the share of false alarms is at most `rate`
 * (NaN: at the threshold of `found`). Its words live in `words`. */
typedef struct detection_words {
    short_text of[4];
} detection_words;
void detection_add(panel p[2], const detection_curve *k, const nicest_detection *found,
                   const char *score, int ink, double rate, detection_words *words);

/* Scores of rows corrupted ever more; flagged may be NULL. */
typedef struct sweep_curve {
    const char *kind, *label; /* of the corruption; of the scores' axis */
    size_t n;
    const double *levels, *mean, *low, *high, *auroc, *flagged; /* [n] each */
} sweep_curve;

/* The scores, and the AUROC and share flagged, over the levels. threshold: NaN where is none. */
void sweep_panels(panel p[2], const sweep_curve *w, bool picture, double threshold);

/* A value that need not be one of the file's, in three digits. */
short_text rounded_text(const nicest_data *data, size_t column, double value);
/* Adds "x3=17.2 (expected 1.1 to 4 given the others; 7.3 nats)", behind "; " where something
 * stands. */
void add_reason(page *out, const nicest_data *data, const nicest_reason *r);
