/* uses.h - sections of the report about what a model is for: holes, corruptions, outliers. */
#pragma once

#include "picture.h"

/* What sections draw from. height is 0 where the rows are no pictures. */
typedef struct material {
    const shared_settings *shared;
    nicest_model *model;
    nicest_data *data;
    size_t n, d;
    unsigned height, width, channels;
    double *rows, *logp; /* [n, d] and [n] of the data */
    double *some;        /* [shown, d] of the rows, spread over all */
    size_t shown;
    double *samples, *samples_logp; /* of the model, as many as the report draws */
    size_t *order;                  /* rows with a log-likelihood, the least likely first */
    size_t ordered;
    json_t *training; /* the record; NULL: none */
    summary sum;      /* of logp */
    double *apart;    /* [d] how far a column's distributions in data and samples are apart */
} material;

/* Some rows with values hidden and filled again. */
void report_filled(page *p, const material *r);
/* Log-likelihood, and how well it tells, against the level of each of some corruptions. */
void report_corrupted(page *p, const material *r);
/* Receiver operating characteristic, precision and recall against the rows of `against`, a DATA
 * argument; NULL: against corrupted rows. */
void report_detection(page *p, const material *r, const char *against);
