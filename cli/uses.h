/* uses.h - sections of the report about what a model is for: holes, corruptions, outliers. */
#ifndef NICEST_CLI_USES_H
#define NICEST_CLI_USES_H

#include "picture.h"

/* Borrowed; rows[n, d] and logp[n] belong to data. height is 0 where the rows are no pictures. */
typedef struct report_rows {
    const shared_settings *shared;
    const nicest_model *model;
    const nicest_data *data;
    const double *rows, *logp;
    size_t n, d;
    unsigned height, width, channels;
} report_rows;

/* Some rows with values hidden and filled again. */
void report_filled(page *p, const report_rows *r);
/* Log-likelihood, and how well it tells, against the level of each of some corruptions. */
void report_corrupted(page *p, const report_rows *r);
/* Receiver operating characteristic, precision and recall against the rows of `against`, a DATA
 * argument; NULL: against corrupted rows. */
void report_detection(page *p, const report_rows *r, const char *against);

#endif
