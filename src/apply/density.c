/* density.c - the density of models of one or two columns, on a grid and in total.
 *
 * Owns the box, the grid and the midpoint rule. The likelihood is that of flow/, in double at the
 * door: the rows of a grid are continuous rows like any other. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "apply/cut.h"
#include "base/memory.h"
#include "base/status.h"
#include "model/model.h"

enum {
    SAMPLES = 100000, /* whose box is measured */
    AT_ONCE = 1 << 15 /* points of a grid that are in memory at a time */
};

/* What the density is of: one or two columns that are values, given all others. */
typedef struct subject_columns {
    size_t all, count, which[2];
} subject_columns;

static nicest_status find_subject(const nicest_model *model, const double *given, const char *who,
                                  subject_columns *c)
{
    const entry *e = &model_flow_const(model)->entry;
    *c = (subject_columns){.all = e->columns};
    for (size_t j = 0; j < e->columns; j++) {
        if (e->column[j].given > 0)
            continue;
        if (e->column[j].role != ENTRY_VALUE)
            return fail(NICEST_E_ARGUMENT, "%s is of values; column %s is none", who,
                        nicest_model_column_name(model, j));
        if (c->count < 2)
            c->which[c->count] = j;
        c->count++;
    }
    if (c->count < 1 || c->count > 2)
        return fail(NICEST_E_ARGUMENT, "%s is of models with 1 or 2 columns; this one has %zu%s",
                    who, c->count, c->count < c->all ? " beside those that are given" : "");
    if (c->count < c->all && !given)
        return fail(NICEST_E_ARGUMENT, "%s: what are the given columns?", who);
    return NICEST_OK;
}

/* ------------------------------------------------------------------ a grid in pieces */

/* Cell midpoints of a box; points are numbered along the first column, the top line first. */
typedef struct grid {
    subject_columns columns;
    const double *given; /* a row, or NULL */
    size_t d, width, height;
    double low[2], size[2]; /* of the box */
    bool jittered;          /* points anywhere in their cells, so that edges of the density, which
                             * lie along lines of a grid, do not count for whole lines of it */
} grid;

static grid grid_of(const subject_columns *c, const double *given, const double *box, size_t width,
                    size_t height)
{
    size_t d = c->count;
    grid g = {*c, given, .d = d, .width = width, .height = d == 1 ? 1 : height};
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
    for (size_t i = 0; i < count; i++) {
        double *row = x + i * g->columns.all, at[2];
        point_of(g, first + i, at);
        for (size_t j = 0; g->given && j < g->columns.all; j++)
            row[j] = g->given[j];
        for (size_t j = 0; j < g->d; j++)
            row[g->columns.which[j]] = at[j];
    }
    flow_log_density(w, x, count, logp);
}

/* ------------------------------------------------------------------ on a grid */

nicest_status nicest_density_grid(const nicest_model *model, const double *box, size_t width,
                                  size_t height, int threads, double *logp)
{
    return nicest_density_grid_given(model, NULL, box, width, height, threads, logp);
}

nicest_status nicest_density_grid_given(const nicest_model *model, const double *given,
                                        const double *box, size_t width, size_t height, int threads,
                                        double *logp)
{
    subject_columns columns;
    TRY(require(model && box && logp, "density grid: a model, a box and room for the result"));
    TRY(model_check_threads(threads));
    TRY(find_subject(model, given, "a density grid", &columns));
    size_t d = columns.count;
    for (size_t j = 0; j < d; j++)
        if (!(isfinite(box[2 * j]) && isfinite(box[2 * j + 1]) && box[2 * j] < box[2 * j + 1]))
            return fail(NICEST_E_ARGUMENT, "density grid: column %zu: %g to %g is no range", j + 1,
                        box[2 * j], box[2 * j + 1]);
    if (width < 1 || (d == 2 && (height < 1 || height > SIZE_MAX / sizeof(double) / width)))
        return fail(NICEST_E_ARGUMENT, "density grid: its size is %zu x %zu", width, height);
    grid g = grid_of(&columns, given, box, width, height);
    OWNED_ROWS(double *, x, AT_ONCE, columns.all);
    OWNED_BY(flow_workspace_drop) flow_workspace *w = NULL;
    TRY(flow_workspace_new(&w, model_flow_const(model), FLOW_SCORE, 0, threads, false));
    for (size_t first = 0, points = g.width * g.height; first < points; first += AT_ONCE) {
        size_t left = points - first;
        log_density(w, &g, first, left < AT_ONCE ? left : AT_ONCE, x, logp + first);
    }
    return NICEST_OK;
}

/* ------------------------------------------------------------------ in total */

/* Density by y at points of a grid, where the flow begins with a marginal: there levels of any
 * width are smooth. x is scratch, logp has twice as many places. */
static void log_density_of_scores(flow_workspace *w, const cut *behind, const grid *g, size_t first,
                                  size_t count, double *x, double *logp)
{
    double *logdet = logp + AT_ONCE;
    for (size_t i = 0; i < count; i++)
        point_of(g, first + i, x + i * g->d);
    cut_inverse(behind, count, x, x);
    flow_log_density(w, x, count, logp);
    flow_forward(behind->through, x, count, NULL, logdet);
    for (size_t i = 0; i < count; i++)
        logp[i] -= logdet[i];
}

/* Grids of twice as many lines each time, until two of them agree; NaN where none do. */
static double refine(flow_workspace *w, const cut *behind, const subject_columns *c,
                     const double *given, const double *box, double *x, double *logp)
{
    size_t d = c->count, side = d == 1 ? 1 << 12 : 1 << 8, most = d == 1 ? 1 << 20 : 1 << 12;
    double last = NAN;
    for (; side <= most; side *= 2) {
        grid g = grid_of(c, given, box, side, side);
        g.jittered = true;
        size_t points = g.width * g.height;
        double sum = 0;
        for (size_t first = 0; first < points; first += AT_ONCE) {
            size_t left = points - first, count = left < AT_ONCE ? left : AT_ONCE;
            if (behind->front)
                log_density_of_scores(w, behind, &g, first, count, x, logp);
            else
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
    return nicest_density_integral_given(model, NULL, seed, threads, box, integral);
}

nicest_status nicest_density_integral_given(const nicest_model *model, const double *given,
                                            uint64_t seed, int threads, double *box,
                                            double *integral)
{
    subject_columns c;
    double measured[8] = {0};
    TRY(require(model && integral, "density integral: a model and room for the result"));
    TRY(model_check_threads(threads));
    TRY(find_subject(model, given, "a density integral", &c));
    size_t d = c.count, all = c.all;
    OWNED_ROWS(double *, x, AT_ONCE, 3 * all + 2);
    double *y = x + AT_ONCE * all, *rows = y + AT_ONCE * all, *logp = rows + AT_ONCE * all;
    for (size_t i = 0; given && i < AT_ONCE; i++)
        memcpy(rows + i * all, given, all * sizeof *rows);
    OWNED_BY(flow_workspace_drop) flow_workspace *w = NULL;
    OWNED_BY(cut_close) cut behind = {0};
    TRY(flow_workspace_new(&w, model_flow_const(model), FLOW_SCORE, 0, threads, false));
    TRY(cut_open(&behind, model_flow_const(model), threads));
    /* The box of own samples, widened by half of its size on each side; and of their scores. */
    for (size_t j = 0; j < 2 * d; j++) {
        measured[2 * j] = INFINITY;
        measured[2 * j + 1] = -INFINITY;
    }
    for (size_t first = 0; first < SAMPLES; first += AT_ONCE) {
        size_t left = SAMPLES - first, count = left < AT_ONCE ? left : AT_ONCE;
        flow_sample(w, (random_stream){seed, RANDOM_VERIFY, 0}, first, given ? rows : NULL, count,
                    x);
        if (behind.front)
            cut_forward(&behind, count, x, y);
        for (size_t i = 0; i < count * d; i++) {
            double v[2] = {x[i / d * all + c.which[i % d]], behind.front ? y[i] : 0};
            for (size_t k = 0; k < 2; k++) {
                double *range = measured + 2 * (i % d + k * d);
                range[0] = v[k] < range[0] ? v[k] : range[0];
                range[1] = v[k] > range[1] ? v[k] : range[1];
            }
        }
    }
    for (size_t j = 0; j < 2 * d; j++) {
        double half = (measured[2 * j + 1] - measured[2 * j]) / 2;
        measured[2 * j] -= half;
        measured[2 * j + 1] += half;
    }
    *integral = refine(w, &behind, &c, given, measured + (behind.front ? 2 * d : 0), x, logp);
    if (box)
        memcpy(box, measured, 2 * d * sizeof *box);
    return NICEST_OK;
}
