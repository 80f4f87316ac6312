/* score.c - how likely each row of a whole data set is.
 *
 * Rows are read tile by tile, by the thread that scores them. Owns no arithmetic (pass.c). */
#include <math.h>
#include <stdatomic.h>

#include "base/status.h"
#include "model/model.h"

typedef struct reader {
    const nicest_data *data;
    size_t first, columns;
    atomic_int *status; /* of the last read that failed */
} reader;

/* Open data can be read; should it fail all the same, the rows become NaN, the whole an error. */
static void fetch(const void *context, size_t first, size_t count, double *stored)
{
    const reader *r = context;
    nicest_status status = nicest_data_read(r->data, r->first + first, count, stored);
    if (status == NICEST_OK)
        return;
    atomic_store(r->status, (int)status);
    for (size_t i = 0; i < count * r->columns; i++)
        stored[i] = NAN;
}

enum { TOLD_ROWS = 1 << 13 }; /* between two calls of a tick */

nicest_status nicest_score_data(const nicest_model *model, const nicest_data *data, uint64_t seed,
                                int threads, nicest_tick tick, void *context, double *logp)
{
    TRY(nicest_model_fits(model, data));
    TRY(require(logp != NULL, "the place for results is NULL"));
    TRY(model_check_threads(threads));
    atomic_int failed = NICEST_OK;
    size_t n = nicest_data_rows(data), most = tick && n > TOLD_ROWS ? TOLD_ROWS : n;
    reader r = {data, 0, nicest_data_columns(data), &failed};
    OWNED_BY(flow_workspace_drop) flow_workspace *w = NULL;
    TRY(flow_workspace_new(&w, model_flow_const(model), FLOW_SCORE, most, threads, false));
    while (r.first < n) {
        flow_rows rows = {fetch, &r, n - r.first < most ? n - r.first : most};
        flow_run(w, &(flow_job){.input = FLOW_STORED,
                                .rows = rows.count,
                                .source = &rows,
                                .noise = {seed, RANDOM_SCORE, 0},
                                .logp = logp + r.first});
        r.first += rows.count;
        if (atomic_load(&failed) != NICEST_OK)
            return fail((nicest_status)atomic_load(&failed), "rows of the data could not be read");
        if (tick && tick(context, (double)r.first, (double)n))
            return fail(NICEST_E_INTERRUPTED, "interrupted after %zu rows", r.first);
    }
    return NICEST_OK;
}
