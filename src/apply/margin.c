/* margin.c - see margin.h. The twin is made of the flow's spec, a text of one line a layer. */
#include "apply/margin.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/gaussian.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/values.h"
#include "model/model.h"

/* ------------------------------------------------------------------ twins */

static tensor *tensor_named(const flow *f, const char *name)
{
    for (size_t i = 0; i < f->tensors.count; i++)
        if (!strcmp(f->tensors.items[i].name, name))
            return &f->tensors.items[i];
    return NULL;
}

/* Layers that move each column by itself, and at most one triangle before a normal prior. */
static bool is_closed_form(const flow *f, bool *triangle)
{
    static const char *const alone[] = {"standardise", "marginal",   "logit",        "scale",
                                        "elementwise", "regression", "prior mixture"};
    *triangle = false;
    for (size_t i = 0; i < f->spec.count; i++) {
        const char *name = f->spec.layers[i]->class->name;
        bool good = false;
        for (size_t k = 0; k < sizeof alone / sizeof *alone; k++)
            good = good || !strcmp(name, alone[k]);
        *triangle = !good && i + 1 == f->spec.count && f->spec.prior == PRIOR_NORMAL &&
                    strstr(f->spec.text, "linear form=triangular");
        if (!good && !*triangle)
            return false;
    }
    return f->entry.categories == 0;
}

/* z = W y + e^s y + b with a normal prior is a mixture of one part: z = e^s (y + e^-s (W y + b)).
 */
static void triangle_to_part(const flow *f, flow *twin)
{
    size_t d = f->spec.columns;
    char name[64];
    const real *from[3];
    static const char *const part[] = {"lower.weight", "lower.bias", "log_scale"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "layers.%zu.%s", f->spec.count - 1, part[i]);
        const tensor *t = tensor_named(f, name);
        assert(t);
        from[i] = *t->slot;
    }
    const tensor *theta = NULL, *start = NULL;
    for (size_t i = 0; i < twin->tensors.count; i++) {
        const char *last = strrchr(twin->tensors.items[i].name, '.');
        theta = last && !strcmp(last, ".part") ? &twin->tensors.items[i] : theta;
        start = last && !strcmp(last, ".start") ? &twin->tensors.items[i] : start;
    }
    assert(theta && start);
    real *shift = *theta->slot, *triangle = shift + d;
    for (size_t i = 0; i < d; i++) {
        double shrink = exp(-(double)from[2][i]);
        (*start->slot)[i] = 0;
        (*start->slot)[d + i] = 1;
        shift[i] = (real)(-shrink * (double)from[1][i]);
        triangle[gaussian_column(d, i)] = from[2][i];
        for (size_t j = 0; j < i; j++)
            triangle[gaussian_column(d, j) + i - j] = (real)(shrink * (double)from[0][i * d + j]);
    }
}

/* The lines of the spec up to `end`, with masks; then `last`. */
static nicest_status masked_flow(flow **out, const flow *f, const char *end, const char *last)
{
    const char *text = f->spec.text, *behind = strchr(strchr(text, '\n') + 1, '\n') + 1;
    OWNED char *made =
        memory_format("%.*s%s%.*s%s", (int)(behind - text), text, f->spec.masked ? "" : "masked\n",
                      (int)(end - behind), behind, last);
    TRY(check_memory(made));
    TRY(flow_new(out, made, 0));
    /* Values of tensors that both have. */
    for (size_t i = 0; i < (*out)->tensors.count; i++) {
        const tensor *t = &(*out)->tensors.items[i], *s = tensor_named(f, t->name);
        if (s && s->count == t->count)
            memcpy(*t->slot, *s->slot, t->count * sizeof(real));
    }
    return flow_set_entry(*out, &f->entry);
}

nicest_status margin_open(margin *m, const flow *f, int threads)
{
    const char *text = f->spec.text, *marginal = strstr(text, "\nmarginal");
    bool triangle, closed = is_closed_form(f, &triangle);
    *m = (margin){.of = f, .masked = f->spec.masked ? f : NULL, .exact = closed};
    if (closed && !f->spec.masked) {
        const char *end = triangle ? strstr(text, "linear ") : text + strlen(text);
        TRY(masked_flow(&m->twin, f, end, triangle ? "prior mixture:1\n" : ""));
        if (triangle)
            triangle_to_part(f, m->twin);
        m->masked = m->twin;
    }
    if (marginal) {
        TRY(masked_flow(&m->front, f, strchr(marginal + 1, '\n') + 1, "prior normal\n"));
        TRY(flow_workspace_new(&m->through, m->front, FLOW_SCORE, 0, threads, false));
    }
    return flow_workspace_new(&m->run, m->masked ? m->masked : f, FLOW_SCORE, 0, threads, false);
}

void margin_close(margin *m)
{
    flow_workspace_free(m->run);
    flow_workspace_free(m->through);
    flow_free(m->twin);
    flow_free(m->front);
    *m = (margin){0};
}

/* ------------------------------------------------------------------ axes */

void margin_y(const margin *m, size_t rows, const double *x, double *y, double *logdet)
{
    if (m->front) {
        flow_forward(m->through, x, rows, y, logdet);
        return;
    }
    memmove(y, x, rows * m->of->entry.columns * sizeof *y);
    for (size_t i = 0; logdet && i < rows; i++)
        logdet[i] = 0;
}

/* Normal scores beyond this have no mass to speak of. */
static const double FAR_SCORE = 9;

nicest_status margin_axis_open(margin_axis *a, const margin *m, size_t column, size_t nodes,
                               const double *y, size_t samples)
{
    const entry *e = &m->of->entry;
    const entry_column *c = &e->column[column];
    size_t all = e->columns, states = (size_t)c->states;
    *a = (margin_axis){.column = column, .atoms = states, .low = -FAR_SCORE};
    a->atoms += c->role != ENTRY_VALUE && c->other > 0;
    a->nodes = c->role == ENTRY_VALUE && samples > 0 ? nodes : 0;
    double range = 2 * FAR_SCORE;
    if (!m->front && a->nodes) { /* nearly all of the samples, and half as much on either side */
        double low = y[(samples - 1) / 10000], high = y[samples - 1 - (samples - 1) / 10000];
        range = high > low ? 2 * (high - low) : fmax(fabs(low), 1) * 1e-6;
        a->low = (low + high - range) / 2;
    }
    a->step = range / (double)(a->nodes ? a->nodes : 1);
    size_t count = a->atoms + a->nodes;
    OWNED_ROWS(double *, rows, a->nodes, all + 1);
    TRY_NEW(a->x, 2 * count);
    double *logdet = rows + a->nodes * all;
    a->weight = a->x + count;
    memcpy(a->x, e->table + e->place[column].table, states * sizeof *a->x);
    if (a->atoms > states)
        a->x[states] = HUGE_VAL;
    for (size_t i = 0; i < a->nodes * all; i++)
        rows[i] = i % all == column ? a->low + ((double)(i / all) + 0.5) * a->step : NAN;
    if (m->front)
        flow_inverse(m->through, rows, a->nodes, rows, logdet);
    for (size_t i = 0; i < a->nodes; i++) {
        a->x[a->atoms + i] = rows[i * all + column];
        a->weight[a->atoms + i] = log(a->step) + logdet[i];
    }
    return NICEST_OK;
}

void margin_axis_close(margin_axis *a)
{
    memory_free(a->x);
    *a = (margin_axis){0};
}

/* ------------------------------------------------------------------ one or two columns */

enum {
    AT_ONCE = 1 << 13,
    SAMPLES = 1 << 17, /* where nothing integrates: what a smooth table is made of */
    FEW_SAMPLES = 1 << 14,
    NODES_OF_ONE = 2048,
    NODES_OF_TWO = 512
};

typedef struct marginal_work {
    const nicest_marginal_options *o;
    const nicest_model *model;
    const flow *f;
    bool whole;    /* nothing is left to be integrated out */
    double *given; /* [columns] continuous, NaN elsewhere */
    double base;   /* log p of what is given, where the density is not given it */
    margin m;
    margin_axis axis[2];
    size_t samples;
    double *y;     /* [count, samples] of own samples; NaN where there is no value */
    double *x;     /* [count, samples] */
    double *rows;  /* [AT_ONCE, columns] */
    double *more;  /* the same */
    double *logp;  /* [AT_ONCE] */
    double *table; /* [atoms + nodes of the second, of the first] smooth counts */
    memory_group memory;
} marginal_work;

static void marginal_close(marginal_work *w)
{
    margin_axis_close(&w->axis[0]);
    margin_axis_close(&w->axis[1]);
    margin_close(&w->m);
    memory_leave(&w->memory);
}

/* Whether a value is given that the density is not: then it is conditioned on. */
static bool is_conditioned(const marginal_work *w)
{
    const entry *e = &w->f->entry;
    for (size_t j = 0; j < e->columns; j++)
        if (!isnan(w->given[j]) && !(e->column[j].given > 0))
            return true;
    return false;
}

/* AT_ONCE samples given anything, by chains of fills. */
static nicest_status draw_chains(const marginal_work *w, const double *known, double *filled,
                                 unsigned char *hidden)
{
    nicest_inpaint_options o;
    nicest_inpaint_defaults(&o);
    o.method = "langevin";
    o.seed = w->o->seed;
    o.threads = w->o->threads;
    o.tick = w->o->tick;
    o.context = w->o->context;
    for (size_t i = 0; i < AT_ONCE * w->f->entry.columns; i++)
        hidden[i] = (unsigned char)(isnan(known[i]) != 0);
    TRY(nicest_inpaint(w->model, known, AT_ONCE, hidden, &o, filled, NULL, NULL));
    return nicest_encode(w->model, filled, AT_ONCE, w->o->seed, w->rows);
}

static nicest_status draw_own(marginal_work *w, bool chains)
{
    size_t all = w->f->entry.columns;
    double *known = memory_join(&w->memory, AT_ONCE, all * sizeof *known);
    unsigned char *hidden = memory_join(&w->memory, AT_ONCE, all);
    OWNED_BY(flow_workspace_drop) flow_workspace *own = NULL;
    TRY(check_memory(!w->memory.lacking));
    for (size_t i = 0; i < AT_ONCE * all; i++) /* chains want stored values */
        known[i] = chains && w->o->given ? w->o->given[i % all] : w->given[i % all];
    TRY(flow_workspace_new(&own, w->f, FLOW_SCORE, 0, w->o->threads, false));
    for (size_t first = 0; first < w->samples; first += AT_ONCE) {
        if (chains) {
            TRY(draw_chains(w, known, w->more, hidden));
        } else {
            flow_sample(own, (random_stream){w->o->seed, RANDOM_VERIFY, 0}, first, known, AT_ONCE,
                        w->rows);
        }
        margin_y(&w->m, AT_ONCE, w->rows, w->more, NULL);
        for (size_t k = 0; k < w->o->count; k++)
            for (size_t i = 0, j = w->o->column[k]; i < AT_ONCE; i++) {
                double x = w->rows[i * all + j];
                w->x[k * w->samples + first + i] = x;
                w->y[k * w->samples + first + i] =
                    entry_is_value(&w->f->entry, j, x) ? w->more[i * all + j] : NAN;
            }
        if (w->o->tick && w->o->tick(w->o->context, (double)first, (double)w->samples))
            TRY(fail(NICEST_E_INTERRUPTED, "interrupted after %zu samples", first));
    }
    return NICEST_OK;
}

/* A row of which only what is given and the columns of interest are known. */
static void place_marginal(const marginal_work *w, double *row, double first, double second)
{
    memcpy(row, w->given, w->f->entry.columns * sizeof *row);
    row[w->o->column[0]] = first;
    if (w->o->count > 1)
        row[w->o->column[1]] = second;
}

/* Total mass, of which each axis has `nodes` nodes, by the masked flow. */
static double sum_masked(marginal_work *w)
{
    const margin_axis *a = &w->axis[0], *b = &w->axis[1];
    size_t all = w->f->entry.columns, wide = a->atoms + a->nodes;
    size_t points = wide * (w->o->count > 1 ? b->atoms + b->nodes : 1);
    double sum = 0;
    for (size_t first = 0; first < points; first += AT_ONCE) {
        size_t count = points - first < AT_ONCE ? points - first : AT_ONCE;
        for (size_t i = 0; i < count; i++)
            place_marginal(w, w->rows + i * all, a->x[(first + i) % wide],
                           w->o->count > 1 ? b->x[(first + i) / wide] : 0);
        flow_log_density(w->m.run, w->rows, count, w->logp);
        for (size_t i = 0; i < count; i++) {
            double weight = a->weight[(first + i) % wide];
            weight += w->o->count > 1 ? b->weight[(first + i) / wide] : 0;
            sum += isnan(w->logp[i]) ? 0 : exp(w->logp[i] - w->base + weight);
        }
    }
    return sum;
}

/* ------------------------------------------------------------------ smooth tables of samples */

static size_t atom_of(const margin_axis *a, double x)
{
    for (size_t i = 0; i < a->atoms; i++)
        if (a->x[i] == x || (isnan(a->x[i]) && isnan(x)))
            return i;
    return a->atoms + a->nodes;
}

/* The place of a sample on an axis; its length where it has none. */
static size_t place_on(const margin_axis *a, double x, double y)
{
    double at = (y - a->low) / a->step;
    if (isnan(y))
        return atom_of(a, x);
    return at >= 0 && at < (double)a->nodes ? a->atoms + (size_t)at : a->atoms + a->nodes;
}

/* Half of the width that suits a normal: what has several peaks keeps them. y ascends. */
static double smooth_width(const double *y, size_t n, size_t dimensions)
{
    double mean, deviation;
    values_moments(y, n, 1, &mean, &deviation);
    double middle = (y[3 * (n - 1) / 4] - y[(n - 1) / 4]) / 1.34;
    double scale = middle > 0 ? fmin(middle, deviation) : deviation;
    return 0.53 * scale * pow((double)n, -1 / (4 + (double)dimensions));
}

/* Gaussian smoothing of count values `stride` apart; spare[count]. */
static void smooth_line(double *v, size_t count, size_t stride, double width, double *spare)
{
    size_t reach = (size_t)fmin(ceil(4 * width), (double)count);
    double total = 0;
    if (width < 0.1)
        return;
    for (size_t r = 0; r <= reach; r++)
        total += (r ? 2 : 1) * exp(-0.5 * (double)(r * r) / (width * width));
    memset(spare, 0, count * sizeof *spare);
    for (size_t i = 0; i < count; i++)
        for (size_t k = i > reach ? i - reach : 0; v[i * stride] > 0 && k <= i + reach; k++) {
            double off = (double)k - (double)i;
            if (k < count)
                spare[k] += v[i * stride] * exp(-0.5 * off * off / (width * width)) / total;
        }
    for (size_t i = 0; i < count; i++)
        v[i * stride] = spare[i];
}

/* The share of samples in each place, smoothed along values; and in all. */
static nicest_status fill_table(marginal_work *w, const double width[2], double *total)
{
    bool two = w->o->count > 1;
    const margin_axis *a = &w->axis[0], *b = &w->axis[1];
    size_t wide = a->atoms + a->nodes, high = two ? b->atoms + b->nodes : 1, n = w->samples;
    w->table = memory_join(&w->memory, wide * high + wide + high, sizeof *w->table);
    TRY(check_memory(!w->memory.lacking));
    double *spare = w->table + wide * high;
    for (size_t i = 0; i < n; i++) {
        size_t x = place_on(a, w->x[i], w->y[i]);
        size_t y = two ? place_on(b, w->x[n + i], w->y[n + i]) : 0;
        if (x == wide || y == high)
            continue;
        w->table[y * wide + x] += 1 / (double)n;
        *total += 1 / (double)n;
    }
    for (size_t y = 0; a->nodes && y < high; y++)
        smooth_line(w->table + y * wide + a->atoms, a->nodes, 1, width[0] / a->step, spare);
    for (size_t x = 0; two && b->nodes && x < wide; x++)
        smooth_line(w->table + b->atoms * wide + x, b->nodes, wide, width[1] / b->step, spare);
    return NICEST_OK;
}

/* Where y, or a class, lies between two places of an axis. */
static void find_between(const margin_axis *a, double x, double y, size_t *at, double *share)
{
    double node = fmin(fmax((y - a->low) / a->step - 0.5, 0), (double)a->nodes - 1.001);
    *share = 0;
    *at = a->nodes ? a->atoms + (size_t)node : atom_of(a, x);
    if (a->nodes)
        *share = node - floor(node);
}

/* log p of row i by the table, whose y stand in `more` and whose log |dy/dx| in logp. */
static double read_table(const marginal_work *w, size_t i)
{
    bool two = w->o->count > 1;
    const margin_axis *a = &w->axis[0], *b = &w->axis[1];
    size_t all = w->f->entry.columns, wide = a->atoms + a->nodes, x, y = 0;
    double right, up = 0;
    const double *row = w->rows + i * all, *score = w->more + i * all;
    find_between(a, row[a->column], score[a->column], &x, &right);
    if (two)
        find_between(b, row[b->column], score[b->column], &y, &up);
    double sum = 0;
    if (x >= wide || (two && y >= b->atoms + b->nodes)) /* there is no such value */
        return -HUGE_VAL;
    for (size_t k = 0; k < 4; k++) {
        double share = (k & 1 ? right : 1 - right) * (k & 2 ? up : 1 - up);
        if (share > 0)
            sum += share * w->table[(y + (k >> 1)) * wide + x + (k & 1)];
    }
    return log(sum / (a->nodes ? a->step : 1) / (two && b->nodes ? b->step : 1)) + w->logp[i];
}

/* ------------------------------------------------------------------ the whole */

/* Cells of the result: midpoints of the box, or the classes of a category. */
static nicest_status make_cells(const marginal_work *w, nicest_marginal *out)
{
    const entry *e = &w->f->entry;
    out->cells[1] = 1;
    for (size_t k = 0; k < w->o->count; k++) {
        size_t j = w->o->column[k];
        const entry_column *c = &e->column[j];
        bool value = c->role == ENTRY_VALUE;
        const double *box = w->o->box + 2 * k;
        out->cells[k] = value ? w->o->cells[k] : (size_t)c->states;
        out->widths[k] = value ? (box[1] - box[0]) / (double)out->cells[k] : 0;
        TRY_NEW(out->at[k], out->cells[k]);
        for (size_t i = 0; i < out->cells[k]; i++)
            out->at[k][i] =
                value ? box[0] + ((double)i + 0.5) * (box[1] - box[0]) / (double)out->cells[k]
                      : e->table[e->place[j].table + i];
    }
    if (out->cells[1] > SIZE_MAX / sizeof(double) / out->cells[0])
        return fail(NICEST_E_ARGUMENT, "a marginal: %zu x %zu cells are too many", out->cells[0],
                    out->cells[1]);
    TRY_NEW(out->logp, out->cells[0] * out->cells[1]);
    return NICEST_OK;
}

static void measure_cells(marginal_work *w, nicest_marginal *out)
{
    size_t all = w->f->entry.columns, points = out->cells[0] * out->cells[1];
    for (size_t first = 0; first < points; first += AT_ONCE) {
        size_t count = points - first < AT_ONCE ? points - first : AT_ONCE;
        for (size_t i = 0; i < count; i++) {
            size_t line = out->cells[1] - 1 - (first + i) / out->cells[0];
            place_marginal(w, w->rows + i * all, out->at[0][(first + i) % out->cells[0]],
                           w->o->count > 1 ? out->at[1][line] : 0);
        }
        if (w->table)
            margin_y(&w->m, count, w->rows, w->more, w->logp);
        else
            flow_log_density(w->m.run, w->rows, count, w->logp);
        for (size_t i = 0; i < count; i++)
            out->logp[first + i] = w->table ? read_table(w, i) : w->logp[i] - w->base;
    }
}

/* What is given, as the flow reads it: what it was trained with as it is, the rest with noise. */
static nicest_status settle_given(marginal_work *w)
{
    const entry *e = &w->f->entry;
    size_t free_columns = 0;
    w->whole = true;
    for (size_t j = 0; j < e->columns; j++)
        w->given[j] = w->o->given ? w->o->given[j] : NAN;
    TRY(nicest_encode(w->model, w->given, 1, w->o->seed, w->rows));
    for (size_t j = 0; j < e->columns; j++) {
        bool trained = e->column[j].given > 0;
        w->given[j] = trained ? w->given[j] : w->rows[j];
        free_columns += !trained && isnan(w->given[j]);
        w->whole = w->whole && (trained || e->column[j].role == ENTRY_VALUE);
    }
    w->whole = w->whole && free_columns == w->o->count && !is_conditioned(w);
    return NICEST_OK;
}

static nicest_status run_marginal(marginal_work *w, nicest_marginal *out)
{
    size_t count = w->o->count, all = w->f->entry.columns;
    w->given = memory_join(&w->memory, all, sizeof *w->given);
    w->rows = memory_join(&w->memory, AT_ONCE, all * sizeof *w->rows);
    w->more = memory_join(&w->memory, AT_ONCE, all * sizeof *w->more);
    w->logp = memory_join(&w->memory, AT_ONCE, sizeof *w->logp);
    TRY(check_memory(!w->memory.lacking));
    TRY(settle_given(w));
    bool masks = w->whole || (w->m.masked && !w->f->entry.categories);
    bool conditioned = is_conditioned(w), chains = !masks && conditioned;
    w->samples = masks ? FEW_SAMPLES : chains ? AT_ONCE : SAMPLES;
    w->x = memory_join(&w->memory, count * w->samples, sizeof *w->x);
    w->y = memory_join(&w->memory, count * w->samples, sizeof *w->y);
    double *sorted = memory_join(&w->memory, w->samples, sizeof *sorted), width[2] = {0};
    TRY(check_memory(!w->memory.lacking));
    TRY(draw_own(w, chains));
    for (size_t k = 0; k < count; k++) {
        size_t n = 0;
        for (size_t i = 0; i < w->samples; i++)
            if (isfinite(w->y[k * w->samples + i]))
                sorted[n++] = w->y[k * w->samples + i];
        values_sort(sorted, n);
        out->beside[k] = w->f->entry.column[w->o->column[k]].role == ENTRY_VALUE
                             ? 1 - (double)n / (double)w->samples
                             : 0;
        width[k] = n ? smooth_width(sorted, n, count) : 0;
        TRY(margin_axis_open(&w->axis[k], &w->m, w->o->column[k],
                             count > 1 ? NODES_OF_TWO : NODES_OF_ONE, sorted, n));
    }
    out->how = w->whole     ? NICEST_MARGINAL_EXACT
               : !masks     ? NICEST_MARGINAL_SAMPLES
               : w->m.exact ? NICEST_MARGINAL_EXACT
                            : NICEST_MARGINAL_MASKS;
    if (masks && conditioned)
        flow_log_density(w->m.run, w->given, 1, &w->base);
    if (!masks)
        TRY(fill_table(w, width, &out->integral));
    else if (w->whole)
        TRY(nicest_density_integral_given(w->model, w->o->given, w->o->seed, w->o->threads, NULL,
                                          &out->integral));
    else
        out->integral = sum_masked(w);
    TRY(make_cells(w, out));
    measure_cells(w, out);
    return NICEST_OK;
}

nicest_status nicest_density_columns(const nicest_model *model,
                                     const nicest_marginal_options *options,
                                     nicest_marginal *result)
{
    TRY(require(model && options && result,
                "a marginal: a model, columns and room for the result"));
    const entry *e = &model_flow_const(model)->entry;
    bool given = false;
    if (options->count < 1 || options->count > 2)
        return fail(NICEST_E_ARGUMENT, "a marginal is of 1 or 2 columns, not of %zu",
                    options->count);
    for (size_t j = 0; j < e->columns; j++)
        given = given || e->column[j].given > 0;
    for (size_t k = 0; k < options->count; k++) {
        size_t j = options->column[k];
        if (j >= e->columns || (k && j == options->column[0]))
            return fail(NICEST_E_ARGUMENT, "a marginal: column %zu is none, or named twice", j + 1);
        if (e->column[j].given > 0 || (options->given && !isnan(options->given[j])))
            return fail(NICEST_E_ARGUMENT, "a marginal: column %s is given",
                        nicest_model_column_name(model, j));
        if (e->column[j].role == ENTRY_VALUE &&
            (!(options->box[2 * k] < options->box[2 * k + 1]) ||
             !isfinite(options->box[2 * k + 1] - options->box[2 * k]) || !options->cells[k]))
            return fail(NICEST_E_ARGUMENT,
                        "a marginal: column %s: %g to %g in %zu cells is no grid",
                        nicest_model_column_name(model, j), options->box[2 * k],
                        options->box[2 * k + 1], options->cells[k]);
    }
    if (given && !options->given)
        return fail(NICEST_E_ARGUMENT, "a marginal: what are the given columns?");
    TRY(model_check_threads(options->threads));
    OWNED_BY(nicest_marginal_free) nicest_marginal made = {.cells = {0, 0}};
    OWNED_BY(marginal_close)
    marginal_work w = {.o = options, .model = model, .f = model_flow_const(model)};
    TRY(margin_open(&w.m, w.f, options->threads));
    TRY(run_marginal(&w, &made));
    *result = made;
    made = (nicest_marginal){.cells = {0, 0}};
    return NICEST_OK;
}

void nicest_marginal_free(nicest_marginal *result)
{
    if (!result)
        return;
    memory_free(result->at[0]);
    memory_free(result->at[1]);
    memory_free(result->logp);
    *result = (nicest_marginal){.cells = {0, 0}};
}
