/* score.c - a model against a whole data set: do they belong together, and how likely is each row.
 *
 * Rows are read tile by tile, by the thread that scores them. Owns no arithmetic: that is pass.c.
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

/* A model, or data, and what it is called. */
typedef struct columned {
    const nicest_model *model;
    const nicest_data *data; /* one of the two */
    const char *what;
    size_t columns;
    unsigned picture[3]; /* height, width, channels; zeros: none */
} columned;

static columned columns_of(const nicest_model *model, const nicest_data *data, const char *what)
{
    columned c = {.model = model, .data = data, .what = what};
    c.columns = model ? nicest_model_columns(model) : nicest_data_columns(data);
    if (model)
        nicest_model_image(model, &c.picture[0], &c.picture[1], &c.picture[2]);
    else
        nicest_data_image(data, &c.picture[0], &c.picture[1], &c.picture[2]);
    return c;
}

static const char *title_of(const columned *c, size_t column)
{
    return c->model ? nicest_model_column_name(c->model, column)
                    : nicest_data_column_name(c->data, column);
}

/* Columns that are called x1, x2, ... have no names. */
static bool has_names(const columned *c)
{
    char standard[24];
    for (size_t j = 0; j < c->columns; j++) {
        snprintf(standard, sizeof standard, "x%zu", j + 1);
        if (title_of(c, j) && strcmp(title_of(c, j), standard) != 0)
            return true;
    }
    return false;
}

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

/* As many columns, pictures of one size where both are pictures, the same names where both have
 * names: as they are in a model, where bytes that are not UTF-8 count as '?'. */
static nicest_status compare_columned(const columned *a, const columned *b)
{
    if (a->columns != b->columns)
        return fail(NICEST_E_MISMATCH, "the %s has %zu columns, the %s %zu", b->what, b->columns,
                    a->what, a->columns);
    if (a->picture[0] && b->picture[0] && memcmp(a->picture, b->picture, sizeof a->picture) != 0)
        return fail(NICEST_E_MISMATCH, "the %s's pictures are %u x %u x %u, the %s's %u x %u x %u",
                    b->what, b->picture[0], b->picture[1], b->picture[2], a->what, a->picture[0],
                    a->picture[1], a->picture[2]);
    bool named = has_names(a) && has_names(b);
    for (size_t j = 0; named && j < a->columns; j++) {
        const char *ours = title_of(a, j), *theirs = title_of(b, j);
        if (!theirs || !strcmp(ours, theirs) || is_value_of(ours, theirs) ||
            is_value_of(theirs, ours))
            continue;
        char *repaired = utf8_repaired(theirs);
        nicest_status status = repaired ? NICEST_OK : fail_memory();
        if (repaired && strcmp(ours, repaired) != 0)
            status = fail(NICEST_E_MISMATCH, "column %zu is '%.60s' in the %s, '%.60s' in the %s",
                          j + 1, repaired, b->what, ours, a->what);
        memory_free(repaired);
        TRY(status);
    }
    return NICEST_OK;
}

nicest_status nicest_model_fits(const nicest_model *model, const nicest_data *data)
{
    if (!model || !data)
        return fail(NICEST_E_ARGUMENT, "the model or the data is NULL");
    const columned a = columns_of(model, NULL, "model"), b = columns_of(NULL, data, "data");
    return compare_columned(&a, &b);
}

nicest_status score_alike(const nicest_data *train, const nicest_data *valid)
{
    const columned a = columns_of(NULL, train, "training data"),
                   b = columns_of(NULL, valid, "validation data");
    return compare_columned(&a, &b);
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
