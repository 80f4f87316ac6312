/* density.c - the density of models of one or two columns, on a grid and in total.
 *
 * Owns the box, the grid and the midpoint rule. The likelihood is that of flow/, in double at the
 * door: the rows of a grid are continuous rows like any other. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "model/model.h"

enum {
    SAMPLES = 100000, /* whose box is measured */
    AT_ONCE = 1 << 15 /* points of a grid that are in memory at a time */
};

static nicest_status check_columns(const nicest_model *model, const char *who)
{
    size_t d = nicest_model_columns(model);
    if (d > 2)
        return fail(NICEST_E_ARGUMENT, "%s is of models with 1 or 2 columns; this one has %zu", who,
                    d);
    return NICEST_OK;
}

/* ------------------------------------------------------------------ a grid in pieces */

/* Cell midpoints of a box; points are numbered along the first column, the top line first. */
typedef struct grid {
    size_t d, width, height;
    double low[2], size[2]; /* of the box */
    bool jittered;          /* points anywhere in their cells, so that edges of the density, which
                             * lie along lines of a grid, do not count for whole lines of it */
} grid;

static grid grid_of(size_t d, const double *box, size_t width, size_t height)
{
    grid g = {.d = d, .width = width, .height = d == 1 ? 1 : height};
    for (size_t j = 0; j < d; j++) {
        g.low[j] = box[2 * j];
        g.size[j] = box[2 * j + 1] - box[2 * j];
    }
    return g;
}

static void point_of(const grid *g, size_t number, double *x)
{
    size_t column = number % g->width, line = number / g->width;
    double at[2] = {0.5, 0.5};
    if (g->jittered)
        random_uniform_double((random_stream){g->width, RANDOM_VERIFY, 1}, number, at, 2);
    x[0] = g->low[0] + ((double)column + at[0]) / (double)g->width * g->size[0];
    if (g->d == 2)
        x[1] = g->low[1] + ((double)(g->height - line) - at[1]) / (double)g->height * g->size[1];
}

/* log p of points first .. first+count-1, count at most AT_ONCE; x is scratch of as many points. */
static void log_density(flow_workspace *w, const grid *g, size_t first, size_t count, double *x,
                        double *logp)
{
    assert(count <= AT_ONCE);
    for (size_t i = 0; i < count; i++)
        point_of(g, first + i, x + i * g->d);
    flow_run(w, &(flow_job){.input = FLOW_CONTINUOUS, .rows = count, .values = x, .logp = logp});
}

/* ------------------------------------------------------------------ on a grid */

nicest_status nicest_density_grid(const nicest_model *model, const double *box, size_t width,
                                  size_t height, int threads, double *logp)
{
    if (!model || !box || !logp)
        return fail(NICEST_E_ARGUMENT, "density grid: a model, a box and room for the result");
    TRY(model_check_threads(threads));
    size_t d = nicest_model_columns(model);
    TRY(check_columns(model, "a density grid"));
    for (size_t j = 0; j < d; j++)
        if (!(isfinite(box[2 * j]) && isfinite(box[2 * j + 1]) && box[2 * j] < box[2 * j + 1]))
            return fail(NICEST_E_ARGUMENT, "density grid: column %zu: %g to %g is no range", j + 1,
                        box[2 * j], box[2 * j + 1]);
    if (width < 1 || (d == 2 && (height < 1 || height > SIZE_MAX / sizeof(double) / width)))
        return fail(NICEST_E_ARGUMENT, "density grid: its size is %zu x %zu", width, height);
    grid g = grid_of(nicest_model_columns(model), box, width, height);
    double *x = memory_new(AT_ONCE * g.d, sizeof *x);
    flow_workspace *w = NULL;
    nicest_status status =
        x ? flow_workspace_new(&w, model_flow_const(model), FLOW_SCORE, 0, threads, false)
          : fail_memory();
    size_t points = g.width * g.height;
    for (size_t first = 0; status == NICEST_OK && first < points; first += AT_ONCE) {
        size_t left = points - first;
        log_density(w, &g, first, left < AT_ONCE ? left : AT_ONCE, x, logp + first);
    }
    flow_workspace_free(w);
    memory_free(x);
    return status;
}

/* ------------------------------------------------------------------ in total */

/* Grids of twice as many lines each time, until two of them agree; NaN where none do. */
static double refine(flow_workspace *w, size_t d, const double *box, double *x, double *logp)
{
    size_t side = d == 1 ? 1 << 12 : 1 << 8, most = d == 1 ? 1 << 20 : 1 << 12;
    double last = NAN;
    for (; side <= most; side *= 2) {
        grid g = grid_of(d, box, side, side);
        g.jittered = true;
        size_t points = g.width * g.height;
        double sum = 0;
        for (size_t first = 0; first < points; first += AT_ONCE) {
            size_t left = points - first, count = left < AT_ONCE ? left : AT_ONCE;
            log_density(w, &g, first, count, x, logp);
            for (size_t i = 0; i < count; i++)
                sum += exp(logp[i]);
        }
        double cell = g.size[0] / (double)g.width;
        double mass = sum * (g.d == 1 ? cell : cell * (g.size[1] / (double)g.height));
        if (fabs(mass - last) <= 0.002)
            return mass;
        last = mass;
    }
    return NAN;
}

nicest_status nicest_density_integral(const nicest_model *model, uint64_t seed, int threads,
                                      double *box, double *integral)
{
    double measured[4] = {0};
    if (!model || !integral)
        return fail(NICEST_E_ARGUMENT, "density integral: a model and room for the result");
    TRY(model_check_threads(threads));
    TRY(check_columns(model, "a density integral"));
    size_t d = nicest_model_columns(model);
    double *x = memory_new(AT_ONCE * (d + 1), sizeof *x);
    flow_workspace *w = NULL;
    nicest_status status =
        x ? flow_workspace_new(&w, model_flow_const(model), FLOW_SCORE, 0, threads, false)
          : fail_memory();
    if (status == NICEST_OK) {
        /* The box of own samples, widened by half of its size on each side. */
        for (size_t j = 0; j < d; j++) {
            measured[2 * j] = INFINITY;
            measured[2 * j + 1] = -INFINITY;
        }
        for (size_t first = 0; first < SAMPLES; first += AT_ONCE) {
            size_t left = SAMPLES - first, count = left < AT_ONCE ? left : AT_ONCE;
            flow_run(w, &(flow_job){.input = FLOW_PRIOR,
                                    .rows = count,
                                    .first_row = first,
                                    .noise = {seed, RANDOM_VERIFY, 0},
                                    .temperature = 1,
                                    .continuous = x});
            for (size_t i = 0; i < count * d; i++) {
                double *range = measured + 2 * (i % d);
                range[0] = x[i] < range[0] ? x[i] : range[0];
                range[1] = x[i] > range[1] ? x[i] : range[1];
            }
        }
        for (size_t j = 0; j < d; j++) {
            double half = (measured[2 * j + 1] - measured[2 * j]) / 2;
            measured[2 * j] -= half;
            measured[2 * j + 1] += half;
        }
        *integral = refine(w, d, measured, x, x + AT_ONCE * d);
        if (box)
            memcpy(box, measured, 2 * d * sizeof *box);
    }
    flow_workspace_free(w);
    memory_free(x);
    return status;
}
