/* verify.c - proves that a model is a density: it can be undone, its log-determinant is the one of
 * its Jacobian, its gradients are those of its likelihood, its mass is one.
 *
 * Owns the measures and their bounds. Inverses are measured on the float flow as it ships, the rest
 * on its double twin (flow/proof.h). */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "apply/margin.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/values.h"
#include "flow/proof.h"
#include "model/model.h"

static const double INVERSE_BOUND = 1e-5, LATENT_BOUND = 1e-4, LOGDET_BOUND = 1e-6,
                    GRADIENT_BOUND = 1e-6, INTEGRAL_BOUND = 0.01;

enum {
    ROWS = 2000,            /* for the inverses */
    MEASURED = 20000,       /* for mean and standard deviation of a column */
    MOST_NUMBERS = 1 << 21, /* rows of very wide data are fewer */
    MOST_PROVED = 4         /* rows that the double twin sees */
};

/* The rows at hand. */
typedef struct probe {
    const nicest_model *model;
    const nicest_data *data; /* NULL: own samples */
    nicest_workspace *workspace;
    uint64_t seed;
    nicest_tick tick;
    void *context;
    size_t d, rows;         /* rows kept */
    double *x;              /* [rows, d] continuous */
    double *mean;           /* [d] of the continuous rows */
    double *deviation;      /* [d] positive */
    double *other, *latent; /* [rows, d] each */
    memory_group memory;
} probe;

/* Of the five stages so many are done. */
static nicest_status tell_stage(const probe *p, double done)
{
    return p->tick && p->tick(p->context, done, 5) ? fail(NICEST_E_INTERRUPTED, "interrupted")
                                                   : NICEST_OK;
}

static void probe_close(probe *p)
{
    nicest_workspace_free(p->workspace);
    memory_leave(&p->memory);
}

/* ------------------------------------------------------------------ rows */

/* Continuous row number `row` of the data. */
static nicest_status read_probe_row(const probe *p, size_t row, double *x)
{
    TRY(nicest_data_read(p->data, row, 1, x));
    return nicest_encode(p->model, x, 1, p->seed, x);
}

/* `count` numbers spread over 0 .. total-1. */
static size_t spread(size_t i, size_t count, size_t total)
{
    return (size_t)((double)i / (double)count * (double)total);
}

/* In front those whose log p is nearest to the median: differences say nothing of a row where the
 * density is so steep that no step is small. */
static void usual_rows_first(const probe *p, double *logp)
{
    memcpy(p->other, logp, p->rows * sizeof *logp);
    values_sort(p->other, p->rows);
    double median = p->other[p->rows / 2];
    for (size_t k = 0; k < MOST_PROVED && k < p->rows; k++) {
        size_t nearest = k;
        for (size_t i = k; i < p->rows; i++)
            if (fabs(logp[i] - median) < fabs(logp[nearest] - median))
                nearest = i;
        double *a = p->x + nearest * p->d, *b = p->x + k * p->d, keep = logp[nearest];
        logp[nearest] = logp[k];
        logp[k] = keep;
        for (size_t j = 0; j < p->d; j++) {
            keep = a[j];
            a[j] = b[j];
            b[j] = keep;
        }
    }
}

/* Adds a row to running means and sums of squares (in `deviation`); one with missing values is
 * passed over. */
static void add_moments(probe *p, const double *x, size_t *count)
{
    for (size_t j = 0; j < p->d; j++)
        if (!isfinite(x[j]))
            return;
    ++*count;
    for (size_t j = 0; j < p->d; j++) {
        double off = x[j] - p->mean[j];
        p->mean[j] += off / (double)*count;
        p->deviation[j] += off * (x[j] - p->mean[j]);
    }
}

static nicest_status measure_moments(probe *p, size_t total)
{
    size_t count = 0, measured = total < MEASURED ? total : MEASURED;
    for (size_t i = 0; p->data && i < measured; i++) {
        TRY(read_probe_row(p, spread(i, measured, total), p->other));
        add_moments(p, p->other, &count);
    }
    for (size_t i = 0; !p->data && i < p->rows; i++)
        add_moments(p, p->x + i * p->d, &count);
    size_t known, means;
    const double *own = model_array(p->model, "columns.deviation", &known);
    const double *mean = model_array(p->model, "columns.mean", &means);
    bool both = own && mean && known == p->d && means == p->d;
    for (size_t j = 0; j < p->d; j++) {
        double deviation = sqrt(p->deviation[j] / (double)(count ? count : 1));
        if (both && own[j] > 0 && !(own[j] > deviation)) { /* one wild row is enough */
            deviation = own[j];
            p->mean[j] = mean[j];
        }
        /* a constant column has its own unit */
        p->deviation[j] = deviation > 0 && isfinite(deviation) ? deviation : 1;
    }
    return NICEST_OK;
}

/* ------------------------------------------------------------------ inverses */

/* Whether v of column j has a density: what is hidden, and no value, is no matter of the layers. */
static bool is_value(const probe *p, size_t j, double v)
{
    const flow *f = model_flow_const(p->model);
    bool own = !(f->entry.column[j].given > 0) && entry_is_value(&f->entry, j, v);
    return own || (isnan(v) && !f->spec.masked && f->entry.column[j].role == ENTRY_VALUE);
}

/* |h - forward(inverse(h))| for h from the prior, in its standard deviations. */
static nicest_status measure_latent(const probe *p, double *most)
{
    prior_kind prior = model_flow_const(p->model)->spec.prior;
    double *h = p->latent;
    const entry *e = &model_flow_const(p->model)->entry;
    TRY(nicest_forward(p->workspace, p->x, p->rows, h, NULL)); /* for what stands beside values */
    for (size_t r = 0; r < p->rows; r++) {
        double *fresh = p->other + r * p->d;
        prior_sample(prior, (random_stream){p->seed, RANDOM_VERIFY, 1}, r, 1, fresh, e->values);
        for (size_t j = 0; j < p->d; j++)
            if (is_value(p, j, p->x[r * p->d + j]))
                h[r * p->d + j] = fresh[e->place[j].value];
    }
    *most = 0;
    TRY(nicest_inverse(p->workspace, h, p->rows, p->other, NULL));
    TRY(nicest_forward(p->workspace, p->other, p->rows, p->other, NULL));
    for (size_t i = 0; i < p->rows * p->d; i++)
        if (is_value(p, i % p->d, p->x[i]))
            *most = values_worse(*most, fabs(h[i] - p->other[i]) / prior_deviation(prior));
    return NICEST_OK;
}

/* ------------------------------------------------------------------ proofs */

/* The double twin on a few rows; each costs 2 d rows of work. */
static nicest_status measure_proof(const probe *p, int threads, nicest_verification *v)
{
    const flow *f = model_flow_const(p->model);
    const entry *e = &f->entry;
    size_t few = p->d <= 64 ? MOST_PROVED : p->d <= 256 ? 2 : 1;
    few = few < p->rows ? few : p->rows;
    /* rows of the spec's own entry: encoded ones without the one-hot vectors of the categories */
    size_t front = e->values + e->categories, rest = e->context - e->own;
    OWNED_NEW(double *, rows, few *(front + rest) + e->width + e->values);
    double *encoded = rows + few * (front + rest), *deviation = encoded + e->width;
    for (size_t i = 0; i < few; i++) {
        entry_centre_row(e, p->x + i * p->d, encoded);
        memcpy(rows + i * (front + rest), encoded, front * sizeof *rows);
        memcpy(rows + i * (front + rest) + front, encoded + front + e->own, rest * sizeof *rows);
    }
    for (size_t j = 0; j < p->d; j++)
        if (e->column[j].role == ENTRY_VALUE && !(e->column[j].given > 0))
            deviation[e->place[j].value] = p->deviation[j];
    proof_subject subject = {f->spec.text, f->theta, f->frozen, rows, few, deviation};
    proof found;
    TRY(proof_run(&subject, p->seed, threads, &found));
    v->logdet_max_error = found.logdet_error;
    v->gradient_max_error = found.gradient_error;
    return NICEST_OK;
}

enum { LINES = 4000, DRAWN = 4000, FURTHER = 24, GRID = 4 * (LINES + 2 * (DRAWN + FURTHER)) };

/* Ends of cells of a value: lines at even steps of its normal score, where the flow begins with a
 * marginal, else within 20 deviations; and some samples or their levels, which lie
 * where a skewed column is dense. Ascending; their number. */
static nicest_status cell_ends(const probe *p, size_t value, double *end, size_t *count)
{
    const entry *e = &model_flow_const(p->model)->entry;
    OWNED_ROWS(double *, samples, DRAWN, p->d);
    double unit = e->noise[value];
    size_t n = 0, kept = 1;
    TRY(nicest_sample(p->workspace, DRAWN, p->seed, 0, 1, samples));
    OWNED_BY(margin_close) margin m = {0};
    OWNED_BY(margin_axis_close) margin_axis axis = {0};
    TRY(margin_open(&m, model_flow_const(p->model), 1));
    if (m.front)
        TRY(margin_axis_open(&axis, &m, value, LINES, p->mean, 1));
    for (size_t i = 0; i < axis.nodes; i++)
        if (isfinite(axis.x[axis.atoms + i]))
            end[n++] = axis.x[axis.atoms + i];
    for (size_t i = 0; i <= LINES && !m.front; i++)
        end[n++] = p->mean[value] + 40 * p->deviation[value] * ((double)i / LINES - 0.5);
    for (size_t i = 0; i < DRAWN; i++) {
        double v = samples[i * p->d + value];
        double begin = e->gain[value] * v + (e->shift[value] + e->column[value].centre);
        if (!entry_is_value(e, value, v) || !isfinite(begin))
            continue;
        end[n++] = begin;
        end[n++] = begin + unit;
    }
    for (int k = 1; k <= FURTHER; k++) {
        end[n++] = p->mean[value] - ldexp(20 * p->deviation[value], k);
        end[n++] = p->mean[value] + ldexp(20 * p->deviation[value], k);
    }
    values_sort(end, n);
    for (size_t i = 1; i < n; i++)
        if (end[i] > end[kept - 1])
            end[kept++] = end[i];
    *count = kept;
    return NICEST_OK;
}

/* The mass of all rows in which the other column, if any, is `other`: the value's numbers that have
 * no density, and the integral over all others, by Gauss's rule in each cell. rows[GRID, d],
 * logp[GRID], end[ends]. */
static nicest_status add_mass(const probe *p, size_t value, double other, double *rows,
                              double *logp, const double *end, size_t ends, double *total)
{
    static const double node[] = {0.0694318442, 0.3300094782, 0.6699905218, 0.9305681558};
    static const double share[] = {0.1739274226, 0.3260725774, 0.3260725774, 0.1739274226};
    assert(value <= p->d);
    const entry *e = &model_flow_const(p->model)->entry;
    const double *table = value < p->d ? e->table + e->place[value].table : NULL;
    size_t special = value < p->d ? (size_t)e->column[value].states : 1, n = special;
    for (size_t i = 0; i < GRID * p->d; i++) /* what follows is summed out */
        rows[i] = e->column[i % p->d].role == ENTRY_CATEGORY ? other : NAN;
    for (size_t i = 0; table && i < special; i++)
        rows[i * p->d + value] = table[i];
    for (size_t i = 0; table && i + 1 < ends && n + 4 <= GRID; i++)
        for (size_t k = 0; k < 4; k++, n++)
            rows[n * p->d + value] = end[i] + (end[i + 1] - end[i]) * node[k];
    TRY(nicest_log_prob(p->workspace, rows, n, logp));
    for (size_t i = 0; i < n; i++) {
        size_t cell = i < special ? 0 : (i - special) / 4;
        *total += exp(logp[i]) *
                  (i < special ? 1 : (end[cell + 1] - end[cell]) * share[(i - special) % 4]);
    }
    return NICEST_OK;
}

/* Of one or two columns of a mixed table with at most one value: sums over what has no density. */
static nicest_status measure_mixed_mass(const probe *p, double *total)
{
    const entry *e = &model_flow_const(p->model)->entry;
    size_t value = p->d, first = e->values && e->column[0].role == ENTRY_VALUE ? 1 : 0;
    for (size_t j = 0; j < p->d; j++)
        value = e->column[j].role == ENTRY_VALUE ? j : value;
    OWNED_ROWS(double *, rows, GRID, p->d + 2);
    double *logp = rows + GRID * p->d, *end = logp + GRID;
    size_t ends = 0;
    const entry_column *c = first < p->d ? &e->column[first] : NULL;
    size_t states = c && c->role == ENTRY_CATEGORY ? (size_t)c->states : 0;
    *total = 0;
    if (value < p->d)
        TRY(cell_ends(p, value, end, &ends));
    for (size_t i = 0; i < states; i++)
        TRY(add_mass(p, value, e->table[e->place[first].table + i], rows, logp, end, ends, total));
    if (states && !(c->other > 0))
        return NICEST_OK;
    /* OTHER; or nothing to sum over */
    return add_mass(p, value, states ? HUGE_VAL : NAN, rows, logp, end, ends, total);
}

/* The mass given each of some rows' given columns: that which is the furthest from 1. */
static nicest_status measure_masses_given(const probe *p, size_t free_values, int threads,
                                          nicest_verification *v)
{
    size_t most = free_values == 1 ? 16 : 4, count = p->rows < most ? p->rows : most;
    double worst = 1;
    for (size_t i = 0; i < count; i++) {
        double mass;
        const double *row = p->x + spread(i, count, p->rows) * p->d;
        TRY(nicest_density_integral_given(p->model, row, p->seed, threads, NULL, &mass));
        if (isnan(mass)) {
            snprintf(v->integral_reason, sizeof v->integral_reason,
                     "the density is too sharp: no two grids agree to 0.002");
            return NICEST_OK;
        }
        worst = fabs(mass - 1) > fabs(worst - 1) ? mass : worst;
    }
    v->integral = worst;
    return NICEST_OK;
}

static nicest_status measure_integral(const probe *p, int threads, nicest_verification *v)
{
    v->integral = NAN;
    v->integral_reason[0] = 0;
    const entry *e = &model_flow_const(p->model)->entry;
    size_t given = 0, free_values = 0;
    for (size_t j = 0; j < p->d; j++) {
        given += e->column[j].given > 0;
        free_values += !(e->column[j].given > 0) && e->column[j].role == ENTRY_VALUE;
    }
    if (given && given + free_values == p->d && free_values <= 2)
        return measure_masses_given(p, free_values, threads, v);
    if (p->d > 2) {
        snprintf(v->integral_reason, sizeof v->integral_reason,
                 "%zu columns: total mass is measured for 1 or 2", p->d);
        return NICEST_OK;
    }
    size_t categories = 0;
    for (size_t j = 0; j < p->d; j++)
        categories += e->column[j].role == ENTRY_CATEGORY;
    if (e->mixed && (e->values > 1 || categories > 1 || e->context > e->own)) {
        snprintf(v->integral_reason, sizeof v->integral_reason,
                 "of a mixed table total mass is measured for one value and one category");
        return NICEST_OK;
    }
    if (e->mixed)
        return measure_mixed_mass(p, &v->integral);
    TRY(nicest_density_integral(p->model, p->seed, threads, NULL, &v->integral));
    if (isnan(v->integral))
        snprintf(v->integral_reason, sizeof v->integral_reason,
                 "the density is too sharp: no two grids agree to 0.002");
    return NICEST_OK;
}

/* ------------------------------------------------------------------ marginals

   A pattern of seen columns S is grown to the whole row, one hidden column after the other. The
   integral over the new one, divided by the density before it, is 1 where masks are marginals. A
   value of it is then drawn, and the product of these ratios has the mean
   (integral of the whole row's density) / p_S. */

enum { PATTERNS = 10, CHAINS = 16, GAP_SAMPLES = 1 << 12, GAP_NODES = 256, MOST_GAP_COLUMNS = 256 };

typedef struct gap_work {
    const probe *p;
    margin m;
    margin_axis *axis; /* [d] */
    size_t chains;
    double *x, *y;       /* [GAP_SAMPLES, d] own samples, and their y */
    double *row;         /* [chains, d] */
    double *now;         /* [chains] log p of it */
    double *ratio;       /* [chains] log of the product so far */
    double *rows, *logp; /* [chains, most places, d] */
    memory_group memory;
} gap_work;

/* Column j is integrated out of every chain, then drawn. */
static void grow_pattern(gap_work *w, size_t j, random_stream stream)
{
    const margin_axis *a = &w->axis[j];
    size_t d = w->p->d, places = a->atoms + a->nodes;
    for (size_t i = 0; i < w->chains * places; i++) {
        memcpy(w->rows + i * d, w->row + i / places * d, d * sizeof *w->rows);
        w->rows[i * d + j] = a->x[i % places];
    }
    flow_log_density(w->m.run, w->rows, w->chains * places, w->logp);
    for (size_t c = 0; c < w->chains; c++) {
        double *logp = w->logp + c * places, high = -HUGE_VAL, sum = 0, part = 0, u;
        size_t k = 0;
        for (size_t i = 0; i < places; i++) {
            logp[i] = isnan(logp[i]) ? -HUGE_VAL : logp[i];
            high = fmax(high, logp[i] + a->weight[i]);
        }
        for (size_t i = 0; i < places; i++)
            sum += exp(logp[i] + a->weight[i] - high);
        w->ratio[c] += high + log(sum) - w->now[c];
        random_uniform_double(stream, c * d + j, &u, 1);
        while (k + 1 < places && (part += exp(logp[k] + a->weight[k] - high)) < u * sum)
            k++;
        w->row[c * d + j] = a->x[k];
        w->now[c] = logp[k];
    }
}

/* |log| of the mean ratio, from the seen columns of one own sample. */
static double pattern_gap(gap_work *w, size_t number)
{
    const entry *e = &w->m.of->entry;
    size_t d = w->p->d, seen[2];
    double u[2], *first = w->x + number * d;
    random_stream stream = {w->p->seed, RANDOM_VERIFY, (uint32_t)(2 + number)};
    random_uniform_double(stream, (UINT64_C(1) << 56) - 1, u, 2); /* a row that no sample is */
    for (size_t k = 0; k < 2; k++)
        seen[k] = (size_t)(u[number % 2 ? k : 0] * (double)d);
    for (size_t i = 0; i < w->chains * d; i++) {
        size_t j = i % d;
        bool known = j == seen[0] || j == seen[1] || e->column[j].given > 0;
        w->row[i] = known ? first[j] : NAN;
    }
    flow_log_density(w->m.run, w->row, w->chains, w->now);
    memset(w->ratio, 0, w->chains * sizeof *w->ratio);
    for (size_t j = 0; j < d; j++)
        if (isnan(w->row[j]) && e->column[j].role != ENTRY_FOLLOWS && j != seen[0] && j != seen[1])
            grow_pattern(w, j, stream);
    double mean = 0;
    for (size_t c = 0; c < w->chains; c++)
        mean += exp(w->ratio[c]) / (double)w->chains;
    return fabs(log(mean));
}

static nicest_status open_gap(gap_work *w)
{
    const flow *f = model_flow_const(w->p->model);
    size_t d = w->p->d, most = 0, nodes = w->m.exact ? 4 * GAP_NODES : GAP_NODES;
    w->chains = w->m.exact ? 1 : d > 64 ? CHAINS / 4 : CHAINS;
    w->axis = memory_join(&w->memory, d, sizeof *w->axis);
    w->x = memory_join(&w->memory, GAP_SAMPLES, 2 * d * sizeof *w->x);
    double *sorted = memory_join(&w->memory, GAP_SAMPLES, sizeof *sorted);
    TRY(check_memory(!w->memory.lacking));
    w->y = w->x + GAP_SAMPLES * d;
    for (size_t i = 0; i < GAP_SAMPLES; i++) /* given columns are those of the rows at hand */
        memcpy(w->y + i * d, w->p->x + i % w->p->rows * d, d * sizeof *w->y);
    flow_sample(w->m.run, (random_stream){w->p->seed, RANDOM_VERIFY, 2}, 0, w->y, GAP_SAMPLES,
                w->x);
    margin_y(&w->m, GAP_SAMPLES, w->x, w->y, NULL);
    for (size_t j = 0; j < d; j++) {
        size_t n = 0;
        for (size_t i = 0; i < GAP_SAMPLES; i++)
            if (entry_is_value(&f->entry, j, w->x[i * d + j]) && isfinite(w->y[i * d + j]))
                sorted[n++] = w->y[i * d + j];
        values_sort(sorted, n);
        TRY(margin_axis_open(&w->axis[j], &w->m, j, nodes, sorted, n));
        size_t places = w->axis[j].atoms + w->axis[j].nodes;
        most = places > most ? places : most;
    }
    w->row = memory_join(&w->memory, w->chains, (d + 2) * sizeof *w->row);
    w->rows = memory_join(&w->memory, w->chains * most, (d + 1) * sizeof *w->rows);
    TRY(check_memory(!w->memory.lacking));
    w->now = w->row + w->chains * d;
    w->ratio = w->now + w->chains;
    w->logp = w->rows + w->chains * most * d;
    return NICEST_OK;
}

static void gap_close(gap_work *w)
{
    for (size_t j = 0; w->axis && j < w->p->d; j++)
        margin_axis_close(&w->axis[j]);
    margin_close(&w->m);
    memory_leave(&w->memory);
}

static nicest_status measure_gap(const probe *p, int threads, nicest_verification *v)
{
    OWNED_BY(gap_close) gap_work w = {.p = p};
    const flow *f = model_flow_const(p->model);
    v->marginal_gap = NAN;
    if (!f->spec.masked || p->d < 2 || p->d > MOST_GAP_COLUMNS)
        return NICEST_OK;
    TRY(margin_open(&w.m, f, threads));
    TRY(open_gap(&w));
    v->marginal_gap = 0;
    for (size_t k = 0; k < PATTERNS; k++) {
        v->marginal_gap += pattern_gap(&w, k) / PATTERNS;
        TRY(tell_stage(p, 4 + (double)k / PATTERNS));
    }
    return NICEST_OK;
}

/* ------------------------------------------------------------------ spread */

/* Rows of data that stand for all of them, each as often as its weight says. */
static nicest_status read_spread(const probe *p, double *rows, size_t n)
{
    size_t total = nicest_data_rows(p->data);
    const double *weights = nicest_data_weights(p->data);
    OWNED_NEW(double *, sum, weights ? total : 0);
    for (size_t i = 0; weights && i < total; i++)
        sum[i] = weights[i] + (i ? sum[i - 1] : 0);
    for (size_t i = 0; i < n; i++) {
        size_t row = weights ? values_weighted_row(sum, total, i, n) : spread(i, n, total);
        TRY(nicest_data_read(p->data, row, 1, rows + i * p->d));
    }
    return NICEST_OK;
}

/* Samples beside data: of numbers, the column whose deviation is furthest off. */
static nicest_status measure_spread(const probe *p, nicest_verification *v)
{
    size_t d = p->d, total = p->data ? nicest_data_rows(p->data) : 0;
    size_t most = 10 * MOST_NUMBERS / d + 2, n = total < MEASURED ? total : MEASURED;
    v->spread_max = NAN;
    n = n < most ? n : most;
    if (n < 2)
        return NICEST_OK;
    OWNED_ROWS(double *, rows, n, 2 * d);
    double *drawn = rows + n * d;
    TRY(read_spread(p, rows, n));
    TRY(nicest_sample_given(p->workspace, rows, n, p->seed, 0, 1, drawn));
    for (size_t i = 0; i < 2 * n * d; i++) /* what is infinite has no deviation */
        rows[i] = isinf(rows[i]) ? NAN : rows[i];
    for (size_t j = 0; j < d; j++) {
        double mean, in_data, in_samples;
        values_moments(rows + j, n, d, &mean, &in_data);
        values_moments(drawn + j, n, d, &mean, &in_samples);
        bool given = model_flow_const(p->model)->entry.column[j].given > 0;
        if (given || nicest_model_column_kind(p->model, j) == NICEST_CATEGORY || !(in_data > 0))
            continue;
        double shrunk = in_samples > 0 ? in_data / in_samples : HUGE_VAL;
        double ratio = fmax(in_samples / in_data, shrunk);
        if (!(ratio <= v->spread_max)) {
            v->spread_max = ratio;
            v->spread_column = j;
        }
    }
    return NICEST_OK;
}

static nicest_status measure(probe *p, int threads, nicest_verification *v)
{
    size_t total = p->data ? nicest_data_rows(p->data) : ROWS, most = MOST_NUMBERS / p->d + 1;
    size_t rows = total < ROWS ? total : ROWS;
    rows = rows < most ? rows : most;
    if (rows == 0)
        return fail(NICEST_E_DATA, "verify: the data has no rows");
    size_t numbers = rows * p->d;
    p->x = memory_join(&p->memory, numbers, sizeof(double));
    p->other = memory_join(&p->memory, numbers, sizeof(double));
    p->latent = memory_join(&p->memory, numbers, sizeof(double));
    p->mean = memory_join(&p->memory, p->d, sizeof(double));
    p->deviation = memory_join(&p->memory, p->d, sizeof(double));
    TRY(check_memory(!p->memory.lacking));
    TRY(nicest_workspace_new(&p->workspace, p->model, 0, threads));
    /* Rows of the data, spread over all of it, or own samples. */
    for (size_t i = 0; p->data && i < rows; i++)
        TRY(read_probe_row(p, spread(i, rows, total), p->x + i * p->d));
    if (!p->data) {
        TRY(nicest_sample(p->workspace, rows, p->seed, 0, 1, p->x));
        TRY(nicest_encode(p->model, p->x, rows, p->seed, p->x));
    }
    /* Keeps the rows that have a density: no missing value, and inside of the model's support. */
    double *logp = p->latent;
    TRY(nicest_log_prob(p->workspace, p->x, rows, logp));
    for (size_t i = 0; i < rows; i++)
        if (isfinite(logp[i])) {
            logp[p->rows] = logp[i];
            memmove(p->x + p->rows++ * p->d, p->x + i * p->d, p->d * sizeof *p->x);
        }
    if (p->rows == 0)
        return fail(NICEST_E_DATA, "verify: none of %zu rows has a density under the model", rows);
    usual_rows_first(p, logp);
    TRY(measure_moments(p, total));
    /* |x - inverse(forward(x))|, relative to the column's deviation or the value's own distance
     * from the mean, where that is larger. */
    v->inverse_max = 0;
    TRY(nicest_forward(p->workspace, p->x, p->rows, p->latent, NULL));
    TRY(nicest_inverse(p->workspace, p->latent, p->rows, p->other, NULL));
    for (size_t i = 0; i < p->rows * p->d; i++) {
        double size = fmax(p->deviation[i % p->d], fabs(p->x[i] - p->mean[i % p->d]));
        if (is_value(p, i % p->d, p->x[i]))
            v->inverse_max = values_worse(v->inverse_max, fabs(p->x[i] - p->other[i]) / size);
    }
    TRY(tell_stage(p, 1));
    TRY(measure_latent(p, &v->latent_max));
    TRY(tell_stage(p, 2));
    TRY(measure_proof(p, threads, v));
    TRY(tell_stage(p, 3));
    TRY(measure_integral(p, threads, v));
    TRY(tell_stage(p, 4));
    TRY(measure_gap(p, threads, v));
    TRY(measure_spread(p, v));
    bool mass = isnan(v->integral) || fabs(v->integral - 1) <= INTEGRAL_BOUND;
    v->ok = v->inverse_max <= INVERSE_BOUND && v->latent_max <= LATENT_BOUND &&
            v->logdet_max_error <= LOGDET_BOUND && v->gradient_max_error <= GRADIENT_BOUND && mass;
    return NICEST_OK;
}

nicest_status nicest_verify(const nicest_model *model, const nicest_data *data, uint64_t seed,
                            int threads, nicest_tick tick, void *context,
                            nicest_verification *result)
{
    nicest_verification found = {0};
    TRY(require(model && result, "verify: a model and room for the result"));
    TRY(model_check_threads(threads));
    if (data)
        TRY(nicest_model_fits(model, data));
    OWNED_BY(probe_close)
    probe p = {.model = model,
               .data = data,
               .seed = seed,
               .tick = tick,
               .context = context,
               .d = nicest_model_columns(model)};
    TRY(measure(&p, threads, &found));
    *result = found;
    return NICEST_OK;
}
