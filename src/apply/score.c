/* score.c - how likely each row of a whole data set is.
 *
 * Rows are read tile by tile, by the thread that scores them. Owns no arithmetic: that is pass.c.
 */
#include <math.h>
#include <stdatomic.h>

#include "base/status.h"
#include "model/model.h"

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
    TRY(require(logp != NULL, "the place for results is NULL"));
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
