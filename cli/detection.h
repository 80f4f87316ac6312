/* detection.h - what is found, and what is flagged in vain, as the threshold on a score rises. */
#ifndef NICEST_CLI_DETECTION_H
#define NICEST_CLI_DETECTION_H

#include <stddef.h>

/* Among the rows with the lowest scores: share of the outliers, share of the normal rows, and the
 * share of outliers among them. Point 0 is before any row; equal scores fall together. */
typedef struct detection_curve {
    size_t n;
    double *recall, *alarms, *precision; /* [n]; block_free(recall) releases all three */
} detection_curve;

/* scores[n] (NaN are left out), outlier[n] = 1 where a row is one; both kinds are there. */
detection_curve detection_curve_of(const double *scores, const unsigned char *outlier, size_t n);

#endif
