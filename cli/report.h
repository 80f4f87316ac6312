/* report.h - an HTML page that stands alone, and its sections about what a model is for: holes,
 * corruptions, outliers.
 *
 * Needs no network; follows the reader's choice of dark or light; fits a phone. */
#ifndef NICEST_CLI_REPORT_H
#define NICEST_CLI_REPORT_H

#include "picture.h"

/* `more` goes into the head: "" or another element. */
page page_open(const char *title, const char *more);
/* Writes the page to `path` and releases it. */
void page_close(page *p, const char *path);
void heading(page *p, const char *text);
/* A path without its folders: pages may be shown to others. */
const char *name_of(const char *path);

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
