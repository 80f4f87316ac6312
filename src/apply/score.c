/* score.c - a model against a whole data set: do they belong together, and how likely is each row.
 *
 * Rows are read tile by tile, by the thread that scores them. Owns no arithmetic: that is flow.c.
 */
#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "apply/score.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/status.h"
#include "data/field.h"
#include "model/model.h"
#include "model/utf8.h"

/* ------------------------------------------------------------------ do they fit */

static bool is_default(const char *name, size_t column)
{
    char text[24];
    snprintf(text, sizeof text, "x%zu", column + 1);
    return !strcmp(name, text);
}

typedef const char *(*name_function)(const void *owner, size_t column);

static const char *name_in_model(const void *owner, size_t column)
{
    return nicest_model_column_name(owner, column);
}

static const char *name_in_data(const void *owner, size_t column)
{
    return nicest_data_column_name(owner, column);
}

/* Columns that are called x1, x2, ... have no names. */
static bool has_names(const void *owner, name_function name_of, size_t columns)
{
    for (size_t j = 0; j < columns; j++)
        if (name_of(owner, j) && !is_default(name_of(owner, j), j))
            return true;
    return false;
}

/* Something with columns, and what it is called. */
typedef struct columned {
    const void *owner;
    name_function name_of;
    const char *what;
} columned;

/* 2019 and x2019, NA and xNA: names that could be values get an x where they are written
 * (data/save.c). */
static bool is_value_of(const char *name, const char *written)
{
    const dialect plain = {.separator = ','};
    double value;
    return written[0] == 'x' && strcmp(name, written + 1) == 0 &&
           (number_read(name, strlen(name), &value) ||
            field_is_missing(&plain, name, strlen(name)));
}

/* As they are in a model: bytes that are not UTF-8 count as '?'. */
static nicest_status compare_column_names(const columned *a, const columned *b, size_t column)
{
    const char *ours = a->name_of(a->owner, column), *theirs = b->name_of(b->owner, column);
    if (!theirs || !strcmp(ours, theirs) || is_value_of(ours, theirs) || is_value_of(theirs, ours))
        return NICEST_OK;
    char *repaired = utf8_repaired(theirs);
    if (!repaired)
        return fail_memory();
    nicest_status status = NICEST_OK;
    if (strcmp(ours, repaired))
        status = fail(NICEST_E_MISMATCH, "column %zu is '%.60s' in the %s, '%.60s' in the %s",
                      column + 1, repaired, b->what, ours, a->what);
    memory_free(repaired);
    return status;
}

static nicest_status compare_all_names(const columned *a, const columned *b, size_t d)
{
    if (!has_names(a->owner, a->name_of, d) || !has_names(b->owner, b->name_of, d))
        return NICEST_OK;
    for (size_t j = 0; j < d; j++)
        TRY(compare_column_names(a, b, j));
    return NICEST_OK;
}

/* Height, width, channels of both, where both are pictures. */
static nicest_status compare_pictures(const columned *a, const unsigned ours[3], const columned *b,
                                      const unsigned theirs[3])
{
    if (!ours[0] || !theirs[0] || !memcmp(ours, theirs, 3 * sizeof *ours))
        return NICEST_OK;
    return fail(NICEST_E_MISMATCH, "the %s's pictures are %u x %u x %u, the %s's %u x %u x %u",
                b->what, theirs[0], theirs[1], theirs[2], a->what, ours[0], ours[1], ours[2]);
}

nicest_status nicest_model_fits(const nicest_model *model, const nicest_data *data)
{
    if (!model || !data)
        return fail(NICEST_E_ARGUMENT, "the model or the data is NULL");
    size_t d = nicest_model_columns(model), other = nicest_data_columns(data);
    if (d != other)
        return fail(NICEST_E_MISMATCH, "the data has %zu columns, the model %zu", other, d);
    const columned a = {model, name_in_model, "model"}, b = {data, name_in_data, "data"};
    unsigned ours[3], theirs[3];
    nicest_model_image(model, &ours[0], &ours[1], &ours[2]);
    nicest_data_image(data, &theirs[0], &theirs[1], &theirs[2]);
    TRY(compare_pictures(&a, ours, &b, theirs));
    return compare_all_names(&a, &b, d);
}

nicest_status score_alike(const nicest_data *train, const nicest_data *valid)
{
    const columned a = {train, name_in_data, "training data"},
                   b = {valid, name_in_data, "validation data"};
    unsigned ours[3], theirs[3];
    size_t d = nicest_data_columns(train), other = nicest_data_columns(valid);
    if (d != other)
        return fail(NICEST_E_MISMATCH, "the validation data has %zu columns, the training data %zu",
                    other, d);
    nicest_data_image(train, &ours[0], &ours[1], &ours[2]);
    nicest_data_image(valid, &theirs[0], &theirs[1], &theirs[2]);
    TRY(compare_pictures(&a, ours, &b, theirs));
    return compare_all_names(&a, &b, d);
}

/* ------------------------------------------------------------------ all rows */

typedef struct reader {
    const nicest_data *data;
    size_t columns;
    atomic_int *status; /* of the last read that failed */
} reader;

/* Open data can be read; should it fail all the same, the rows become NaN and the whole an error.
 */
static void fetch(const void *context, size_t first, size_t count, double *stored)
{
    const reader *r = context;
    nicest_status status = nicest_data_read(r->data, first, count, stored);
    if (status == NICEST_OK)
        return;
    atomic_store(r->status, (int)status);
    for (size_t i = 0; i < count * r->columns; i++)
        stored[i] = NAN;
}

nicest_status nicest_score_data(const nicest_model *model, const nicest_data *data, uint64_t seed,
                                int threads, double *logp)
{
    TRY(nicest_model_fits(model, data));
    if (!logp)
        return fail(NICEST_E_ARGUMENT, "the place for results is NULL");
    TRY(model_check_threads(threads));
    atomic_int failed = NICEST_OK;
    reader r = {data, nicest_data_columns(data), &failed};
    flow_rows rows = {fetch, &r, nicest_data_rows(data)};
    flow_workspace *w = NULL;
    TRY(flow_workspace_new(&w, model_flow_const(model), FLOW_SCORE, rows.count, threads, false));
    flow_run(w, &(flow_job){.input = FLOW_STORED,
                            .rows = rows.count,
                            .source = &rows,
                            .noise = {seed, RANDOM_SCORE, 0},
                            .logp = logp});
    flow_workspace_free(w);
    nicest_status status = (nicest_status)atomic_load(&failed);
    return status == NICEST_OK ? status : fail(status, "rows of the data could not be read");
}
