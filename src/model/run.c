/* run.c - the public functions that run a model: thin ways into flow_run.
 *
 * Owns the checks of a caller's arguments and the random streams: scoring and encoding draw from
 * RANDOM_SCORE, sampling from RANDOM_SAMPLE. Every likelihood comes from flow/pass.c. */
#include <math.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "base/status.h"
#include "model/model.h"

enum { ROWS_PER_THREAD = 256 };

/* Rows are numbered below this in a random stream. */
static const uint64_t MOST_ROWS = (uint64_t)1 << 56;

struct nicest_workspace {
    const nicest_model *model;
    size_t rows;
    int threads;
    flow_workspace *score;
    flow_workspace *gradient; /* made by the first call that needs it */
};

/* ------------------------------------------------------------------ the workspace */

nicest_status model_check_threads(int threads)
{
    if (threads < 0 || threads > MODEL_MOST_THREADS)
        return fail(NICEST_E_ARGUMENT, "threads: expected 0 to %d, got %d", MODEL_MOST_THREADS,
                    threads);
    return NICEST_OK;
}

DEFINE_DROP(workspace_drop, nicest_workspace, nicest_workspace_free)

nicest_status nicest_workspace_new(nicest_workspace **workspace, const nicest_model *model,
                                   size_t rows, int threads)
{
    TRY(require(workspace && model, "a workspace needs a model"));
    TRY(model_check_threads(threads));
    OWNED_BY(workspace_drop) nicest_workspace *w = memory_new(1, sizeof *w);
    TRY(check_memory(w));
    w->model = model;
    w->threads = threads ? threads : parallel_available();
    w->rows = rows;
    TRY(flow_workspace_new(&w->score, model_flow_const(model), FLOW_SCORE, rows, w->threads,
                           false));
    *workspace = memory_take(&w);
    return NICEST_OK;
}

void nicest_workspace_free(nicest_workspace *workspace)
{
    if (!workspace)
        return;
    flow_workspace_free(workspace->score);
    flow_workspace_free(workspace->gradient);
    memory_free(workspace);
}

/* ------------------------------------------------------------------ arguments */

static nicest_status check_pointers(const void *handle, const void *in, const void *out, size_t n)
{
    TRY(require(handle, "the workspace or model is NULL"));
    if (n && (!in || !out))
        return fail(NICEST_E_ARGUMENT, "the rows or the place for results is NULL");
    return NICEST_OK;
}

/* ------------------------------------------------------------------ data to latent */

nicest_status nicest_score(nicest_workspace *workspace, const double *rows, size_t n, uint64_t seed,
                           double *logp)
{
    TRY(check_pointers(workspace, rows, logp, n));
    flow_run(workspace->score, &(flow_job){.input = FLOW_STORED,
                                           .rows = n,
                                           .values = rows,
                                           .noise = {seed, RANDOM_SCORE, 0},
                                           .logp = logp});
    return NICEST_OK;
}

nicest_status nicest_log_prob(nicest_workspace *workspace, const double *rows, size_t n,
                              double *logp)
{
    TRY(check_pointers(workspace, rows, logp, n));
    flow_log_density(workspace->score, rows, n, logp);
    return NICEST_OK;
}

nicest_status nicest_log_prob_gradient(nicest_workspace *workspace, const double *rows, size_t n,
                                       double *logp, double *gradient)
{
    TRY(check_pointers(workspace, rows, gradient, n));
    nicest_workspace *w = workspace;
    /* A tape costs memory for each row of a pass, and a few tiles a thread are as quick as many. */
    size_t most = (size_t)w->threads * ROWS_PER_THREAD;
    if (!w->gradient)
        TRY(flow_workspace_new(&w->gradient, model_flow_const(w->model), FLOW_GRADIENT,
                               w->rows && w->rows < most ? w->rows : most, w->threads, false));
    flow_run(workspace->gradient, &(flow_job){.input = FLOW_CONTINUOUS,
                                              .rows = n,
                                              .values = rows,
                                              .logp = logp,
                                              .gradient = gradient});
    return NICEST_OK;
}

nicest_status nicest_forward(nicest_workspace *workspace, const double *rows, size_t n,
                             double *latent, double *logdet)
{
    TRY(check_pointers(workspace, rows, rows, n));
    flow_forward(workspace->score, rows, n, latent, logdet);
    return NICEST_OK;
}

/* ------------------------------------------------------------------ latent to data */

nicest_status nicest_inverse(nicest_workspace *workspace, const double *latent, size_t n,
                             double *rows, double *logdet)
{
    TRY(check_pointers(workspace, latent, rows, n));
    flow_inverse(workspace->score, latent, n, rows, logdet);
    return NICEST_OK;
}

static void keep_sums_of_row(const entry *e, const double *sum, size_t count,
                             const unsigned char *hidden, double *stored)
{
    size_t d = e->columns;
    for (size_t left = count; left >= 2 + d; left -= 2 + d, sum += 2 + d) {
        const double *factor = sum + 2;
        if (!(sum[0] >= 0 && sum[0] < (double)d))
            continue; /* a file may say anything */
        size_t target = (size_t)sum[0], solved = d;
        double value = sum[1];
        for (size_t j = 0; j < d; j++) {
            bool free = (!hidden || hidden[j]) && !(e->column[j].given > 0);
            if (free && (j == target || (factor[j] != 0 && solved != target)))
                solved = j;
            value += j == target || factor[j] == 0 ? 0 : factor[j] * stored[j];
        }
        if (solved == d)
            continue;
        if (solved != target)
            value = stored[solved] + (stored[target] - value) / factor[solved];
        if (isfinite(value))
            stored[solved] = entry_round(&e->column[solved], value);
    }
}

void model_keep_sums(const nicest_model *model, size_t n, const unsigned char *hidden,
                     double *stored)
{
    const entry *e = &model_flow_const(model)->entry;
    size_t d = e->columns, count = 0;
    const double *sum = model_array(model, MODEL_SUMS, &count);
    for (size_t i = 0; sum && i < n; i++)
        keep_sums_of_row(e, sum, count, hidden ? hidden + i * d : NULL, stored + i * d);
}

/* Decimals and bounds of the training data: what leaves these is drawn again, at last clamped. */
static void finish_samples(nicest_workspace *w, flow_job job)
{
    enum { TRIES = 64 };
    const entry *e = &model_flow_const(w->model)->entry;
    double *rows = job.stored;
    const double *given = job.values;
    for (size_t i = 0, n = e->finished ? job.rows : 0; i < n; i++) {
        double *row = rows + i * e->columns;
        job.noise.draw = 0;
        while (!entry_finish_row(e, row, job.noise.draw == TRIES) && job.noise.draw < TRIES) {
            job.noise.draw++;
            job.rows = 1;
            job.first_row += i;
            job.stored = row;
            job.values = given ? given + i * e->columns : NULL;
            flow_run(w->score, &job);
            job.first_row -= i;
        }
    }
}

nicest_status nicest_sample(nicest_workspace *workspace, size_t n, uint64_t seed, uint64_t first,
                            double temperature, double *rows)
{
    return nicest_sample_given(workspace, NULL, n, seed, first, temperature, rows);
}

nicest_status nicest_sample_given(nicest_workspace *workspace, const double *given, size_t n,
                                  uint64_t seed, uint64_t first, double temperature, double *rows)
{
    TRY(check_pointers(workspace, rows, rows, n));
    if (first > MOST_ROWS || n > MOST_ROWS - first)
        return fail(NICEST_E_ARGUMENT, "rows are numbered below 2^56");
    if (!isfinite(temperature) || temperature < 0)
        return fail(NICEST_E_ARGUMENT, "temperature: expected a number from 0 on, got %g",
                    temperature);
    flow_job job = {.input = FLOW_PRIOR,
                    .rows = n,
                    .values = given,
                    .noise = {seed, RANDOM_SAMPLE, 0},
                    .first_row = first,
                    .temperature = temperature,
                    .stored = rows};
    flow_run(workspace->score, &job);
    finish_samples(workspace, job);
    model_keep_sums(workspace->model, n, NULL, rows);
    return NICEST_OK;
}

/* ------------------------------------------------------------------ encode, decode alone */

nicest_status nicest_encode(const nicest_model *model, const double *stored, size_t n,
                            uint64_t seed, double *continuous)
{
    TRY(check_pointers(model, stored, continuous, n));
    const entry *e = &model_flow_const(model)->entry;
    size_t d = e->columns;
    OWNED_NEW(float *, noise, d);
    for (size_t i = 0; i < n; i++)
        entry_dequantise_row(e, stored + i * d, (random_stream){seed, RANDOM_SCORE, 0}, 0, noise,
                             continuous + i * d);
    return NICEST_OK;
}

nicest_status nicest_decode(const nicest_model *model, const double *continuous, size_t n,
                            double *stored)
{
    TRY(check_pointers(model, continuous, stored, n));
    const entry *e = &model_flow_const(model)->entry;
    for (size_t i = 0; i < n; i++)
        entry_quantise_row(e, continuous + i * e->columns, stored + i * e->columns);
    return NICEST_OK;
}
