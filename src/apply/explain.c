/* explain.c - which columns made a row unlikely.
 *
 *     p(x_c | rest) = p(x) / (integral of p(x_c', rest) over x_c')
 *
 * One density, one integral a column: over quantiles of the model's own samples, the row's value,
 * and points where the first ones found the mass. Where the flow begins with a marginal, the points
 * lie behind it: there a value that comes back is no spike a millionth wide, which no grid would
 * meet. Between two points log p is taken for linear. Levels and classes are summed. The surprise
 * of a value is -log of the probability of all values that are at most as likely given the rest: 3
 * nats are one in twenty, whatever the column's shape.
 *
 * A bad column smears over the good ones that depend on it. So columns are hidden one more in each
 * round, always the most surprising ones given what is left, each replaced by its median given all
 * others, until the row is usual. Owns no likelihood: that is flow/pass.c. */
#include "apply/explain.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "apply/outlier.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/status.h"
#include "base/values.h"
#include "flow/marginal.h"
#include "model/model.h"

/* What is reported has all points, the search for it half of the first and fewer new ones. */
enum { SAMPLES = 2048, GRID = 41, BEYOND = 5, NEWLY = 24, AROUND = 8, ROUNDS = 3 };
enum { SEARCH_NEWLY = 12, SEARCH_AROUND = 4, SEARCH_ROUNDS = 2, MOST_LEVELS = 256 };
enum { POINTS = GRID + 2 * BEYOND + 1 + ROUNDS * NEWLY, SLICES = 2048, BATCH_ROWS = 8192 };
enum { CANDIDATES = 5 }; /* columns that are tried in each round */
/* Behind a marginal no point but the row's own lies farther out: in a long tail x would be endless.
 */
static const double MOST_PLACE = 7;

/* log p of a row as its column takes other values: atoms (levels, classes, mass points), then
 * points of a density, both upwards. A point lies at y = marginal(x), and its log p is that of y.
 */
typedef struct slice {
    size_t row, column, atoms, points;
    bool own_atom;
    double own, own_at, own_logp;
    double *at, *value, *logp, *stretch; /* [room] each: atoms, then points; stretch: log dx/dy */
    double surprise, median, low, high;
    double excess;      /* log p at the median above its mean over the slice */
    double total;       /* log of its mass */
    double drawn, mean; /* of a fill: a draw, and the mean of a value */
} slice;

typedef struct explainer {
    const nicest_model *model;
    const entry *entry;
    const layer *marginal; /* or NULL */
    flow_workspace *work;
    int threads;
    size_t d, room, most, rows;
    double enough;
    binned usual;                  /* log p of calibration rows; no bins: the model has none */
    bool fine, last;               /* what is made now is reported; its last points */
    bool counts;                   /* what is drawn now is part of a mean */
    const explain_fill_job *fills; /* hidden cells are filled; NULL: reasons are asked for */
    size_t first, draw;            /* of a fill: the number of its first row, and of the draw */
    double *grid;                  /* [d, GRID + 2 BEYOND] at */
    double *typical;               /* [d] the likeliest sample */
    double *continuous, *clean;    /* [cases, d] as it is, and with hidden columns replaced */
    unsigned char *hidden;         /* [cases, d] */
    const double *stored;
    double *rest;                    /* [cases] log p of what is not hidden, up to a constant */
    bool *done;                      /* [cases] */
    bool *taken;                     /* [d] */
    size_t *newest, *origin, *added; /* [cases] */
    slice *slices;
    size_t count;
    double *points;       /* [slices, 4 room] */
    double *batch, *logp; /* [BATCH_ROWS, d], [BATCH_ROWS] */
    double **place;       /* [BATCH_ROWS] where a result goes */
    slice *found;         /* [cases, d] the last slice of each column */
    double **chance;      /* of a fill: [cases, d] sums of chances of hidden categories, or NULL */
    memory_group memory;
} explainer;

/* ------------------------------------------------------------------ the points of a slice */

static bool is_level_column(const entry_column *c)
{
    return c->role == ENTRY_VALUE && c->step > 0 && c->levels > 0 && c->levels <= MOST_LEVELS;
}

/* Where a continuous value of a column lies, and what value lies there. */
static double spot_of(const explainer *e, size_t column, double value)
{
    double x = value - e->entry->column[column].centre;
    return e->marginal ? marginal_place(e->marginal, e->entry->place[column].value, x) : x;
}

static double value_at(const explainer *e, size_t column, double at, double *stretch)
{
    double slope = 0, x = at;
    if (e->marginal)
        x = marginal_value(e->marginal, e->entry->place[column].value, at, &slope);
    *stretch = -slope;
    return x + e->entry->column[column].centre;
}

/* A new point, whose log p is not yet known (NaN), where it belongs. */
static void slice_point(const explainer *e, slice *s, double at)
{
    double *all[] = {s->at, s->value, s->logp, s->stretch};
    size_t i = s->atoms + s->points;
    if (!isfinite(at))
        return;
    while (i > s->atoms && s->at[i - 1] > at)
        i--;
    if (i > s->atoms && s->at[i - 1] == at)
        return;
    for (size_t k = 0; k < 4; k++)
        memmove(all[k] + i + 1, all[k] + i, (s->atoms + s->points - i) * sizeof(double));
    s->at[i] = at;
    s->value[i] = value_at(e, s->column, at, &s->stretch[i]);
    s->logp[i] = NAN;
    s->points++;
}

static void slice_atom(slice *s, double at, double value)
{
    s->at[s->atoms] = isnan(at) ? HUGE_VAL : at; /* what is missing comes last */
    s->value[s->atoms] = value;
    s->stretch[s->atoms] = 0;
    s->logp[s->atoms++] = NAN;
}

/* ------------------------------------------------------------------ masses */

/* log of the integral of exp(linear from a to b) over a length. */
static double log_cell(double length, double a, double b)
{
    double drop = fmin(fabs(a - b), 1e3), high = fmax(a, b);
    if (!(length > 0) || high == -HUGE_VAL)
        return -HUGE_VAL;
    return high + log(length) + (drop > 1e-9 ? log(-expm1(-drop) / drop) : 0);
}

/* The part of that cell where it is at most `level`. */
static double log_cell_below(double length, double a, double b, double level)
{
    double low = fmin(a, b), high = fmax(a, b);
    if (high <= level)
        return log_cell(length, a, b);
    if (low >= level)
        return -HUGE_VAL;
    return log_cell(length * (low > -HUGE_VAL ? (level - low) / (high - low) : 1), low, level);
}

/* Where in a cell, from 0 to 1, the share t of its mass lies to the left. */
static double cell_quantile(double a, double b, double t)
{
    double rise = fmin(fmax(b - a, -500), 500);
    return fabs(rise) < 1e-9 ? t : log1p(t * expm1(rise)) / rise;
}

/* Where in a cell, from 0 to 1, its mass has its mean. */
static double cell_mean(double a, double b)
{
    double rise = fmin(fmax(b - a, -500), 500);
    return fabs(rise) < 1e-4 ? 0.5 + rise / 12 : 1 / -expm1(-rise) - 1 / rise;
}

/* Where, and by which value, the share of the mass is reached: atoms count where they stand. */
static double slice_quantile(const explainer *e, const slice *s, double log_total, double share,
                             double *value)
{
    const double *at = s->at + s->atoms, *logp = s->logp + s->atoms;
    double sum = 0, found = s->points ? at[s->points - 1] : 0, stretch;
    size_t k = 0;
    for (size_t i = 0; i + 1 < s->points || k < s->atoms; i++) {
        bool cells = i + 1 < s->points;
        for (; k < s->atoms && (!cells || s->at[k] <= at[i]); k++) {
            sum += exp(s->logp[k] - log_total);
            if (sum >= share || (!s->points && k + 1 == s->atoms)) {
                *value = s->value[k];
                return s->at[k];
            }
        }
        if (!cells)
            break;
        double mass = exp(log_cell(at[i + 1] - at[i], logp[i], logp[i + 1]) - log_total);
        if (sum + mass >= share) {
            double part = cell_quantile(logp[i], logp[i + 1], (share - sum) / mass);
            found = at[i] + (at[i + 1] - at[i]) * part;
            break;
        }
        sum += mass;
    }
    *value = value_at(e, s->column, found, &stretch);
    return found;
}

/* How much likelier a row becomes when a typical value of the column makes way for the median, at
 * `middle`: half a nat of a Gaussian, more where the density of x has a peak. */
static double slice_excess(const slice *s, double middle)
{
    const double *at = s->at + s->atoms, *logp = s->logp + s->atoms,
                 *stretch = s->stretch + s->atoms;
    double mean = 0, median = -HUGE_VAL;
    for (size_t k = 0; k < s->atoms; k++) {
        mean += s->logp[k] > -HUGE_VAL ? exp(s->logp[k] - s->total) * s->logp[k] : 0;
        median = s->value[k] == s->median ? s->logp[k] : median;
    }
    for (size_t i = 0; i + 1 < s->points; i++) {
        double mass = exp(log_cell(at[i + 1] - at[i], logp[i], logp[i + 1]) - s->total);
        double part = (middle - at[i]) / (at[i + 1] - at[i]);
        double low = logp[i] - stretch[i], high = logp[i + 1] - stretch[i + 1];
        mean += mass > 1e-12 ? mass * (low + high) / 2 : 0;
        if (part >= 0 && part <= 1 && median == -HUGE_VAL)
            median = low + part * (high - low);
    }
    return isfinite(median - mean) ? median - mean : 0;
}

/* Figures of a slice whose log p are known. NaN where nothing is possible. A hair of `level` lets
 * rounding not decide on a plateau. */
static void finish_slice(const explainer *e, slice *s)
{
    const double HAIR = 1e-3, *at = s->at + s->atoms, *logp = s->logp + s->atoms;
    double total = -HUGE_VAL, below = -HUGE_VAL, best = -HUGE_VAL, level = s->own_logp + HAIR;
    double middle = NAN;
    s->median = s->low = s->high = s->own;
    for (size_t k = 0; k < s->atoms; k++) {
        total = log_add(total, s->logp[k]);
        if (s->own_atom && s->logp[k] <= level)
            below = log_add(below, s->logp[k]);
        if (s->logp[k] > best) {
            best = s->logp[k];
            s->median = s->value[k];
        }
    }
    for (size_t i = 0; i + 1 < s->points; i++) {
        double length = at[i + 1] - at[i];
        total = log_add(total, log_cell(length, logp[i], logp[i + 1]));
        if (!s->own_atom)
            below = log_add(below, log_cell_below(length, logp[i], logp[i + 1], level));
    }
    s->surprise = total > -HUGE_VAL ? fmax(total - below, 0) : NAN;
    s->total = total;
    if (e->entry->column[s->column].role != ENTRY_VALUE) {
        s->low = s->high = s->median;
    } else if (total > -HUGE_VAL) {
        double *all[] = {s->at, s->value, s->logp};
        for (size_t k = 1; k < s->atoms; k++)
            for (size_t i = k; i > 0 && !(s->at[i - 1] <= s->at[i]); i--)
                for (size_t a = 0; a < 3; a++) {
                    double kept = all[a][i];
                    all[a][i] = all[a][i - 1];
                    all[a][i - 1] = kept;
                }
        middle = slice_quantile(e, s, total, 0.5, &s->median);
        slice_quantile(e, s, total, 0.05, &s->low);
        slice_quantile(e, s, total, 0.95, &s->high);
    }
    s->excess = total > -HUGE_VAL ? slice_excess(s, middle) : 0;
}

/* New points where the mass is: in each cell as many as its largest possible share of all, a
 * quarter of that for its neighbours; and around the row's own value, whose tail is asked for. */
static void refine_slice(const explainer *e, slice *s, size_t newly, size_t around)
{
    assert(newly <= NEWLY && around <= newly && around <= AROUND);
    double made[NEWLY], weight[POINTS], sum = 0, before = 0, high = -HUGE_VAL;
    size_t cells = s->points > 0 ? s->points - 1 : 0, count = 0, some = newly - around;
    const double *x = s->at + s->atoms, *logp = s->logp + s->atoms;
    for (size_t i = 0; i < cells; i++) {
        weight[i] = log(x[i + 1] - x[i]) + fmax(logp[i], logp[i + 1]);
        high = fmax(high, weight[i]);
    }
    if (high == -HUGE_VAL)
        return;
    for (size_t i = 0; i < cells; i++)
        weight[i] = exp(weight[i] - high);
    for (size_t i = 0; i < cells; i++)
        sum += weight[i] + ((i ? weight[i - 1] : 0) + (i + 1 < cells ? weight[i + 1] : 0)) / 4;
    for (size_t i = 0; i < cells; i++) {
        double after = before + weight[i] +
                       ((i ? weight[i - 1] : 0) + (i + 1 < cells ? weight[i + 1] : 0)) / 4;
        size_t more =
            (size_t)rint(after / sum * (double)some) - (size_t)rint(before / sum * (double)some);
        for (size_t k = 0; k < more && count < some; k++)
            made[count++] = x[i] + (x[i + 1] - x[i]) * (double)(k + 1) / (double)(more + 1);
        before = after;
    }
    if (around && !s->own_atom) {
        static const double off[AROUND / 2] = {0.1, 0.4, 0.03, 1};
        double total = -HUGE_VAL, value;
        for (size_t i = 0; i < cells; i++)
            total = log_add(total, log_cell(x[i + 1] - x[i], logp[i], logp[i + 1]));
        double width = slice_quantile(e, s, total, 0.84, &value);
        width = (width - slice_quantile(e, s, total, 0.16, &value)) / 2;
        for (size_t k = 0; k < around / 2; k++) {
            made[count++] = s->own_at - off[k] * width;
            made[count++] = s->own_at + off[k] * width;
        }
    }
    for (size_t k = 0; k < count; k++)
        slice_point(e, s, made[k]);
}

static void flush_batch(explainer *e, size_t count)
{
    assert(count <= BATCH_ROWS);
    if (count)
        flow_log_density(e->work, e->batch, count, e->logp);
    for (size_t i = 0; i < count; i++)
        *e->place[i] = isnan(e->logp[i]) ? -HUGE_VAL : e->logp[i] + e->place[i][e->room];
}

/* log p of all points that have none yet, of all slices in few large batches. */
static void evaluate_slices(explainer *e)
{
    size_t count = 0, d = e->d;
    for (size_t i = 0; i < e->count; i++) {
        slice *s = &e->slices[i];
        for (size_t k = 0; k < s->atoms + s->points; k++) {
            if (!isnan(s->logp[k]))
                continue;
            memcpy(e->batch + count * d, e->clean + s->row * d, d * sizeof *e->batch);
            e->batch[count * d + s->column] = s->value[k];
            e->place[count++] = &s->logp[k];
            if (count == BATCH_ROWS) {
                flush_batch(e, count);
                count = 0;
            }
        }
    }
    flush_batch(e, count);
}

static void refine_one(void *context, int thread, size_t i)
{
    const explainer *e = context;
    size_t around = e->last ? e->fine ? AROUND : SEARCH_AROUND : 0;
    (void)thread;
    refine_slice(e, &e->slices[i], e->fine ? NEWLY : SEARCH_NEWLY, around);
}

/* A draw, its mean, and of a category the chance of each state. One without mass stays as it is. */
static void fill_slice(const explainer *e, slice *s)
{
    const entry_column *c = &e->entry->column[s->column];
    const double *at = s->at + s->atoms, *logp = s->logp + s->atoms, *value = s->value + s->atoms;
    double u, sum = 0;
    random_stream stream = {e->fills->seed, RANDOM_INPAINT, (uint32_t)e->draw};
    random_uniform_double(stream, (e->first + s->row) * e->d + s->column, &u, 1);
    s->drawn = s->mean = s->own;
    if (!(s->total > -HUGE_VAL))
        return;
    if (c->role != ENTRY_VALUE) {
        double *chance = e->counts ? e->chance[s->row * e->d + s->column] : NULL;
        const double *table = e->entry->table + e->entry->place[s->column].table;
        for (size_t k = 0, state = 0; k < s->atoms; k++) {
            double share = exp(s->logp[k] - s->total);
            s->drawn = sum <= u ? s->value[k] : s->drawn;
            sum += share;
            while (state < (size_t)c->states && isnan(table[state]))
                state++; /* is no atom */
            if (chance && state < (size_t)c->states)
                chance[state++] += share;
        }
        s->mean = s->median;
        return;
    }
    slice_quantile(e, s, s->total, u, &s->drawn);
    s->mean = 0;
    for (size_t k = 0; k < s->atoms; k++)
        s->mean += exp(s->logp[k] - s->total) * s->value[k];
    for (size_t i = 0; i + 1 < s->points; i++) {
        double mass = exp(log_cell(at[i + 1] - at[i], logp[i], logp[i + 1]) - s->total);
        s->mean += mass * (value[i] + cell_mean(logp[i], logp[i + 1]) * (value[i + 1] - value[i]));
    }
}

static void finish_one(void *context, int thread, size_t i)
{
    const explainer *e = context;
    slice *s = &e->slices[i];
    (void)thread;
    for (size_t k = 0; k < s->atoms + s->points; k++) {
        bool same = k < s->atoms ? s->value[k] == s->own || (isnan(s->value[k]) && isnan(s->own))
                                 : s->at[k] == s->own_at;
        if ((k < s->atoms) == s->own_atom && same)
            s->own_logp = s->logp[k];
    }
    finish_slice(e, s);
    if (e->fills)
        fill_slice(e, s);
    e->found[s->row * e->d + s->column] = *s;
}

static void run_slices(explainer *e)
{
    evaluate_slices(e);
    for (int left = e->fine ? ROUNDS : SEARCH_ROUNDS; left > 0; left--) {
        e->last = left == 1;
        parallel_for(e->threads, e->count, refine_one, e);
        evaluate_slices(e);
    }
    parallel_for(e->threads, e->count, finish_one, e);
    e->count = 0;
}

static void ask_slice(explainer *e, size_t row, size_t column)
{
    assert(e->count < SLICES && column < e->d);
    /* Classes and mass points, then levels at the noise that the row has. */
    slice *s = &e->slices[e->count];
    double *room = e->points + e->count * 4 * e->room;
    const entry_column *c = &e->entry->column[column];
    const double *table = e->entry->table + e->entry->place[column].table;
    double own = e->continuous[row * e->d + column];
    *s = (slice){.row = row,
                 .column = column,
                 .own = own,
                 .at = room,
                 .value = room + e->room,
                 .logp = room + 2 * e->room,
                 .stretch = room + 3 * e->room};
    bool curve = c->role == ENTRY_VALUE && !is_level_column(c);
    s->own_atom = !curve || !entry_is_value(e->entry, column, own);
    s->own_at = s->own_atom ? own : spot_of(e, column, own);
    for (size_t k = 0; k < (size_t)c->states; k++) {
        double middle = e->entry->gain[column] * table[k] + e->entry->shift[column] + c->centre +
                        e->entry->noise[column] / 2; /* of the level that the mass point is */
        if (!e->fills || !isnan(table[k]))
            slice_atom(s, curve ? spot_of(e, column, middle) : table[k], table[k]);
    }
    if (c->role == ENTRY_CATEGORY && c->other > 0 && !e->fills)
        slice_atom(s, HUGE_VAL, HUGE_VAL);
    if (is_level_column(c)) {
        bool value = entry_is_value(e->entry, column, own);
        double part = value ? (own - c->offset) / c->unit : 0.5;
        part -= floor(part);
        for (size_t k = 0; k < (size_t)c->levels; k++) {
            double x = c->offset + c->unit * ((double)k + part), level[1];
            *level = c->origin + c->step * (double)k;
            if (c->states == 0 || entry_is_value(e->entry, column, *level))
                slice_atom(s, x, value && fabs(x - own) < 0.5 * c->unit ? own : x);
        }
    }
    bool there = !s->own_atom;
    for (size_t k = 0; k < s->atoms; k++)
        there = there || s->value[k] == own || (isnan(own) && isnan(s->value[k]));
    if (!there)
        slice_atom(s, own, own);
    if (curve) {
        const double *grid = e->grid + column * (GRID + 2 * BEYOND);
        for (size_t k = 0; k < GRID; k += e->fine ? 1 : 2)
            slice_point(e, s, grid[k]);
        for (size_t k = 0; k < BEYOND; k += e->fine ? 1 : 2) {
            slice_point(e, s, grid[GRID + 2 * k]);
            slice_point(e, s, grid[GRID + 2 * k + 1]);
        }
        if (!s->own_atom && !e->fills)
            slice_point(e, s, s->own_at);
    }
    e->count++;
    if (e->count == SLICES)
        run_slices(e);
}

/* Whether anything can be said of a cell: not of what is given, nor of a hole. */
static bool can_surprise(const explainer *e, size_t row, size_t column)
{
    const entry_column *c = &e->entry->column[column];
    double v = e->continuous[row * e->d + column];
    const double *table = e->entry->table + e->entry->place[column].table;
    if (c->given > 0)
        return false;
    return !isnan(v) || (c->states > 0 && isnan(table[(size_t)c->states - 1]));
}

/* ------------------------------------------------------------------ rounds */

static void replace_hidden(explainer *e, size_t row)
{
    for (size_t j = 0, d = e->d; j < d; j++) {
        size_t at = row * d + j;
        e->clean[at] = e->hidden[at] ? e->found[at].median : e->continuous[at];
    }
}

static size_t count_cells(const explainer *e, size_t row)
{
    size_t count = 0;
    for (size_t j = 0; j < e->d; j++)
        count += e->hidden[row * e->d + j];
    return count;
}

/* Each hidden column anew, given all others and the replacements so far: the k-th of every row from
 * `first` on together. One that stands alone is known already. */
static void sweep_hidden(explainer *e, size_t first, size_t end)
{
    for (size_t k = 0; k < e->most; k++) {
        for (size_t i = first; i < end; i++) {
            size_t seen = 0;
            bool wanted = !e->done[i] && (e->fine || count_cells(e, i) > 1);
            for (size_t j = 0; wanted && j < e->d; j++)
                if (e->hidden[i * e->d + j] && seen++ == k)
                    ask_slice(e, i, j);
        }
        run_slices(e);
        for (size_t i = first; i < end; i++)
            replace_hidden(e, i);
    }
}

/* Case `to` becomes the row with column `add` hidden and `drop` (d: none) seen. */
static void make_trial(explainer *e, size_t to, size_t row, size_t add, size_t drop)
{
    size_t d = e->d;
    memcpy(e->continuous + to * d, e->continuous + row * d, d * sizeof *e->continuous);
    memcpy(e->hidden + to * d, e->hidden + row * d, d);
    memcpy(e->found + to * d, e->found + row * d, d * sizeof *e->found);
    e->hidden[to * d + add] = 1;
    if (drop < d)
        e->hidden[to * d + drop] = 0;
    replace_hidden(e, to);
    e->done[to] = false;
}

/* Trials of every row that is not done: the most surprising columns, each in place of each hidden
 * one (swap), or beside them. The best is taken; of a swap only where the rest becomes likelier. */
static void try_columns(explainer *e, bool swap)
{
    bool *taken = e->taken;
    size_t d = e->d, cases = e->rows;
    for (size_t i = 0; i < e->rows; i++) {
        size_t hidden = count_cells(e, i);
        if (e->done[i] || (swap && hidden < 2))
            continue;
        memset(taken, 0, d * sizeof *taken);
        for (size_t t = 0; t < (swap || hidden ? CANDIDATES : 1); t++) {
            /* The most surprising column of a row that is neither hidden nor taken; d where there
             * is none. */
            size_t j = e->d;
            for (size_t c = 0; c < e->d; c++) {
                const slice *s = &e->found[i * e->d + c];
                if (!e->hidden[i * e->d + c] && !taken[c] && s->surprise >= 0 &&
                    (j == e->d || s->surprise > e->found[i * e->d + j].surprise))
                    j = c;
            }
            if (j == d)
                break;
            taken[j] = true;
            for (size_t k = 0; k < (swap ? d : 1); k++)
                if (!swap || (e->hidden[i * d + k] && k != e->newest[i])) {
                    e->origin[cases] = i;
                    e->added[cases] = j;
                    make_trial(e, cases++, i, j, swap ? k : d);
                }
        }
    }
    sweep_hidden(e, e->rows, cases);
    /* log p of a row with the hidden columns at typical values, given the others. */
    flow_log_density(e->work, e->clean, cases, e->rest);
    for (size_t i = 0; i < cases; i++)
        for (size_t j = 0; j < d; j++)
            if (e->hidden[i * d + j])
                e->rest[i] -= e->found[i * d + j].excess;
    for (size_t i = 0; !swap && i < e->rows; i++)
        if (!e->done[i])
            e->rest[i] = -HUGE_VAL;
    for (size_t t = e->rows; t < cases; t++) {
        size_t i = e->origin[t];
        if (count_cells(e, t) == count_cells(e, i) && !(e->rest[t] > e->rest[i]))
            continue;
        memcpy(e->hidden + i * d, e->hidden + t * d, d);
        memcpy(e->found + i * d, e->found + t * d, d * sizeof *e->found);
        replace_hidden(e, i);
        e->rest[i] = e->rest[t];
        e->newest[i] = e->added[t];
    }
}

/* One more column a round, then perhaps another in place of an earlier one. */
static nicest_status explain_chunk(explainer *e)
{
    for (size_t i = 0; i < e->rows * e->d; i++)
        e->found[i] = (slice){.surprise = NAN};
    for (size_t i = 0; i < e->rows; i++)
        e->newest[i] = e->d;
    memset(e->done, 0, e->rows * sizeof *e->done);
    /* Values that are impossible whatever else is in the row: one alone makes the likeliest sample
     * impossible. They hide each other from the integral, so they go first. */
    size_t d = e->d;
    flow_log_density(e->work, e->continuous, e->rows, e->rest);
    for (size_t i = 0; i < e->rows; i++) {
        for (size_t j = 0, count = 0; e->rest[i] == -HUGE_VAL && j < d && count < e->most; j++) {
            memcpy(e->batch, e->typical, d * sizeof *e->batch);
            e->batch[j] = e->continuous[i * d + j];
            flow_log_density(e->work, e->batch, 1, e->logp);
            if (!can_surprise(e, i, j) || e->logp[0] > -HUGE_VAL)
                continue;
            e->hidden[i * d + j] = 1;
            e->found[i * d + j].median = e->typical[j];
            count++;
        }
        replace_hidden(e, i);
    }
    for (size_t round = 0; round < e->most; round++) {
        /* Rows that are usual by now are done; so are those with as many reasons as wanted. */
        flow_log_density(e->work, e->clean, e->rows, e->rest);
        for (size_t i = 0; i < e->rows; i++) {
            size_t hidden = count_cells(e, i), holes = 0;
            for (size_t j = 0; j < d; j++)
                holes += isnan(e->stored[i * d + j]);
            double p = e->usual.count ? binned_p(&e->usual, holes, e->rest[i]) : 0;
            e->done[i] = e->done[i] || hidden >= e->most || (hidden > 0 && p >= e->enough);
        }
        for (size_t i = 0; i < e->rows; i++)
            for (size_t j = 0; j < e->d && !e->done[i]; j++)
                if (can_surprise(e, i, j))
                    ask_slice(e, i, j);
        run_slices(e);
        try_columns(e, false);
        if (round > 0)
            try_columns(e, true);
    }
    memset(e->done, 0, e->rows * sizeof *e->done);
    e->fine = true;
    sweep_hidden(e, 0, e->rows);
    e->fine = false;
    return NICEST_OK;
}

/* ------------------------------------------------------------------ results */

static int by_reason(const void *a, const void *b)
{
    const nicest_reason *x = a, *y = b;
    if (x->surprise != y->surprise)
        return x->surprise < y->surprise ? 1 : -1;
    return (x->column > y->column) - (x->column < y->column);
}

/* A continuous value of a column as a file has it. */
static double stored_of(const explainer *e, size_t row, size_t column, double value)
{
    double *made = e->batch, *out = e->batch + e->d;
    memcpy(made, e->clean + row * e->d, e->d * sizeof *made);
    made[column] = value;
    entry_quantise_row(e->entry, made, out);
    return out[column];
}

/* ------------------------------------------------------------------ making */

/* Quantiles of the model's samples, and some points beyond them on either side. */
static nicest_status make_grid(explainer *e)
{
    static const double beyond[BEYOND] = {0.05, 0.2, 0.6, 2, 6};
    OWNED_ROWS(double *, samples, SAMPLES, e->d + 2);
    double *logp = samples + SAMPLES * e->d, *sorted = logp + SAMPLES;
    double most = e->marginal ? MOST_PLACE : HUGE_VAL;
    size_t best = 0;
    flow_sample(e->work, (random_stream){1, RANDOM_SAMPLE, 0}, 0, NULL, SAMPLES, samples);
    flow_log_density(e->work, samples, SAMPLES, logp);
    for (size_t i = 1; i < SAMPLES; i++)
        best = logp[i] > logp[best] || isnan(logp[best]) ? i : best;
    memcpy(e->typical, samples + best * e->d, e->d * sizeof *samples);
    for (size_t j = 0; j < e->d; j++) {
        double *grid = e->grid + j * (GRID + 2 * BEYOND);
        size_t n = 0;
        for (size_t i = 0; i < SAMPLES; i++)
            if (entry_is_value(e->entry, j, samples[i * e->d + j]))
                sorted[n++] = spot_of(e, j, samples[i * e->d + j]);
        values_sort(sorted, n);
        double least = n ? sorted[0] : 0, range = n ? sorted[n - 1] - least : 0;
        for (size_t k = 0; k < GRID; k++)
            grid[k] = n ? sorted[k * (n - 1) / (GRID - 1)] : 0;
        for (size_t k = 0; k < BEYOND; k++) {
            grid[GRID + 2 * k] = fmax(least - beyond[k] * range, -most);
            grid[GRID + 2 * k + 1] = fmin(least + (1 + beyond[k]) * range, most);
        }
    }
    return NICEST_OK;
}

static void explainer_close(explainer *e)
{
    flow_workspace_free(e->work);
    binned_close(&e->usual);
    memory_leave(&e->memory);
}

/* Memory for up to `rows` rows at a time. */
static nicest_status explainer_open(explainer *e, const nicest_model *model, int threads,
                                    size_t rows)
{
    size_t d = e->d, atoms = 1;
    e->model = model;
    e->entry = &model_flow_const(model)->entry;
    e->marginal = flow_marginal(model_flow_const(model));
    e->threads = threads < 1 ? parallel_available() : threads;
    for (size_t j = 0; j < d; j++) {
        const entry_column *c = &e->entry->column[j];
        size_t own = (size_t)c->states + 2 + (is_level_column(c) ? (size_t)c->levels : 0);
        atoms = own > atoms ? own : atoms;
    }
    e->room = POINTS + atoms;
    TRY(flow_workspace_new(&e->work, model_flow_const(e->model), FLOW_SCORE, 0, e->threads, false));
    e->grid = memory_join(&e->memory, d, (GRID + 2 * BEYOND + 1) * sizeof *e->grid);
    size_t cases = rows * (1 + CANDIDATES * e->most); /* of a fill `most` is 0 */
    e->continuous = memory_join(&e->memory, 2 * cases, d * sizeof *e->continuous);
    e->hidden = memory_join(&e->memory, cases, d);
    e->rest = memory_join(&e->memory, cases, sizeof *e->rest);
    e->done = memory_join(&e->memory, cases + d, sizeof *e->done);
    e->newest = memory_join(&e->memory, 3 * cases, sizeof *e->newest);
    e->slices = memory_join(&e->memory, SLICES, sizeof *e->slices);
    e->points = memory_join(&e->memory, SLICES, 4 * e->room * sizeof *e->points);
    e->batch = memory_join(&e->memory, BATCH_ROWS, (d + 1) * sizeof *e->batch);
    e->place = memory_join(&e->memory, BATCH_ROWS, sizeof *e->place);
    e->found = memory_join(&e->memory, cases, d * sizeof *e->found);
    if (e->fills)
        e->chance = memory_join(&e->memory, cases * d, sizeof *e->chance);
    TRY(check_memory(!e->memory.lacking));
    e->typical = e->grid + d * (GRID + 2 * BEYOND);
    e->clean = e->continuous + cases * d;
    e->taken = e->done + cases;
    e->origin = e->newest + cases;
    e->added = e->origin + cases;
    e->logp = e->batch + BATCH_ROWS * d;
    return make_grid(e);
}

nicest_status nicest_explain(const nicest_model *model, const double *stored, size_t n, size_t most,
                             double enough, uint64_t seed, int threads, nicest_tick tick,
                             void *context, nicest_reason *reasons, size_t *counts)
{
    if (!model || (n && (!stored || !reasons || !counts)))
        return fail(NICEST_E_ARGUMENT, "a model, rows and places for reasons are needed");
    size_t d = nicest_model_columns(model), rows = SLICES / d > 1 ? SLICES / d : 1;
    if (most < 1 || most > d)
        return fail(NICEST_E_ARGUMENT, "reasons of a row: expected 1 to %zu, got %zu", d, most);
    TRY(model_check_threads(threads));
    OWNED_BY(explainer_close) explainer e = {.d = d, .most = most, .enough = enough};
    TRY(explainer_open(&e, model, threads, rows));
    if (nicest_calibrated(model))
        TRY(binned_open(&e.usual, model, "logp"));
    for (size_t first = 0; first < n; first += rows) {
        e.rows = n - first < rows ? n - first : rows;
        e.stored = stored + first * d;
        memset(e.hidden, 0, e.rows * d);
        TRY(nicest_encode(model, e.stored, e.rows, seed, e.continuous));
        memcpy(e.clean, e.continuous, e.rows * d * sizeof *e.clean);
        TRY(explain_chunk(&e));
        for (size_t i = 0; i < e.rows; i++) {
            nicest_reason *out = reasons + (first + i) * most;
            size_t count = 0;
            for (size_t j = 0; j < e.d; j++) {
                const slice *s = &e.found[i * e.d + j];
                if (!e.hidden[i * e.d + j])
                    continue;
                assert(count < e.most);
                out[count++] = (nicest_reason){j,
                                               e.stored[i * e.d + j],
                                               stored_of(&e, i, j, s->median),
                                               stored_of(&e, i, j, s->low),
                                               stored_of(&e, i, j, s->high),
                                               s->surprise};
            }
            qsort(out, count, sizeof *out, by_reason);
            counts[first + i] = count;
        }
        if (tick && tick(context, (double)(first + e.rows), (double)n))
            return fail(NICEST_E_INTERRUPTED, "interrupted after %zu rows", first + e.rows);
    }
    return NICEST_OK;
}

/* ------------------------------------------------------------------ filling */

/* A chain is short and begins anew: one that is long stays near the sample that it began as. */
enum { FILL_ROWS = 256, SWEEPS_AWAY = 4, CHAIN_SWEEPS = 16 };

/* Hidden cells begin as those of a sample, so that they fit each other. */
static nicest_status begin_fill(explainer *e, size_t sample)
{
    const entry *q = e->entry;
    OWNED_ROWS(double *, donor, e->rows, e->d);
    flow_sample(e->work, (random_stream){e->fills->seed, RANDOM_SAMPLE, (uint32_t)sample}, e->first,
                NULL, e->rows, donor);
    for (size_t i = 0; i < e->rows * e->d; i++) {
        size_t j = i % e->d;
        if (!e->hidden[i])
            continue;
        bool usable = isfinite(donor[i]);
        e->clean[i] = usable                             ? donor[i]
                      : q->column[j].role != ENTRY_VALUE ? q->table[q->place[j].table]
                                                         : e->typical[j];
    }
    return NICEST_OK;
}

/* Every hidden cell anew, given all others of its row, column after column; one that is alone in
 * its row only where `alone`: its slice is always the same. */
static void sweep_fill(explainer *e, bool mode, bool alone)
{
    for (size_t j = 0; j < e->d; j++) {
        for (size_t i = 0; i < e->rows; i++)
            if (e->hidden[i * e->d + j] && (alone || count_cells(e, i) > 1))
                ask_slice(e, i, j);
        run_slices(e);
        for (size_t i = j; i < e->rows * e->d; i += e->d)
            if (e->hidden[i])
                e->clean[i] = mode ? e->found[i].median : e->found[i].drawn;
    }
    e->draw++;
}

/* Room for the chances of hidden categories, all 0. */
static nicest_status open_chances(explainer *e, double **chances)
{
    size_t room = 0, next = 0;
    for (size_t i = 0; i < e->rows * e->d; i++)
        if (e->hidden[i] && e->entry->column[i % e->d].role != ENTRY_VALUE)
            room += (size_t)e->entry->column[i % e->d].states + 1;
    *chances = memory_new(room, sizeof **chances);
    TRY(check_memory(*chances));
    for (size_t i = 0; i < e->rows * e->d; i++) {
        size_t states = (size_t)e->entry->column[i % e->d].states + 1;
        bool category = e->hidden[i] && e->entry->column[i % e->d].role != ENTRY_VALUE;
        e->chance[i] = category ? *chances + next : NULL;
        next += category ? states : 0;
    }
    return NICEST_OK;
}

/* Of words the likeliest state, of numbers the one nearest to their mean. */
static size_t best_state(const entry_column *c, const double *table, const double *chance)
{
    size_t best = 0, states = (size_t)c->states - isnan(table[(size_t)c->states - 1]);
    double sum = 0, all = 0;
    for (size_t k = 0; k < states; k++) {
        sum += chance[k] * table[k];
        all += chance[k];
        best = chance[k] > chance[best] ? k : best;
    }
    for (size_t k = 0;
         c->role == ENTRY_CATEGORY && (c->other == 0 || c->step > 0) && all > 0 && k < states; k++)
        best = fabs(table[k] - sum / all) < fabs(table[best] - sum / all) ? k : best;
    return best;
}

/* The mean of each value over the later sweeps of every chain, and the best state of each category.
 */
static nicest_status mean_fill(explainer *e, size_t sweeps, double *sum)
{
    OWNED double *chances = NULL;
    size_t cells = e->rows * e->d, counted = 0;
    size_t length = sweeps < CHAIN_SWEEPS ? sweeps : CHAIN_SWEEPS;
    size_t away = length > 2 * SWEEPS_AWAY ? SWEEPS_AWAY : length / 2;
    memset(sum, 0, cells * sizeof *sum);
    for (size_t t = 0; t < sweeps; t++) {
        if (t > 0 && t % length == 0)
            TRY(begin_fill(e, t / length));
        if (t == away)
            TRY(open_chances(e, &chances));
        e->counts = t % length >= away;
        sweep_fill(e, false, t == away);
        counted += e->counts;
        for (size_t i = 0; e->counts && i < cells; i++)
            sum[i] += e->hidden[i] ? e->found[i].mean : 0;
    }
    e->counts = false;
    for (size_t i = 0; i < cells; i++) {
        const entry_column *c = &e->entry->column[i % e->d];
        const double *chance = e->chance[i], *table = e->entry->table;
        table += e->entry->place[i % e->d].table;
        if (e->hidden[i])
            e->clean[i] = chance ? table[best_state(c, table, chance)] : sum[i] / (double)counted;
        e->chance[i] = NULL;
    }
    return NICEST_OK;
}

nicest_status explain_fill(const nicest_model *model, const explain_fill_job *job, double *filled,
                           double *logp)
{
    size_t d = nicest_model_columns(model), n = job->rows, sweeps = job->sweeps;
    OWNED_BY(explainer_close) explainer e = {.d = d, .fills = job};
    OWNED_ROWS(double *, sum, FILL_ROWS, d);
    TRY(explainer_open(&e, model, job->threads, FILL_ROWS));
    for (e.first = 0; e.first < n; e.first += FILL_ROWS) {
        e.rows = n - e.first < FILL_ROWS ? n - e.first : FILL_ROWS;
        e.stored = job->stored + e.first * d;
        memcpy(e.hidden, job->hidden + e.first * d, e.rows * d);
        for (size_t s = 0; s < job->samples; s++) {
            TRY(nicest_encode(model, e.stored, e.rows, job->seed, e.clean));
            for (size_t i = 0; i < e.rows * d; i++) /* what is given cannot be filled */
                e.hidden[i] = e.hidden[i] && !(e.entry->column[i % d].given > 0);
            e.draw = s * (sweeps + 1);
            TRY(begin_fill(&e, s));
            memcpy(e.continuous, e.clean, e.rows * d * sizeof *e.clean);
            if (job->kind == FILL_MEANT)
                TRY(mean_fill(&e, sweeps, sum));
            for (size_t t = 0; job->kind != FILL_MEANT && t < sweeps; t++)
                sweep_fill(&e, job->kind == FILL_LIKELIEST, t == 0);
            double *row = e.batch, *out = filled + (s * n + e.first) * d;
            for (size_t i = 0; i < e.rows; i++) {
                entry_quantise_row(e.entry, e.clean + i * d, row);
                entry_finish_row(e.entry, row, true);
                for (size_t j = 0; j < d; j++)
                    out[i * d + j] = e.hidden[i * d + j] ? row[j] : e.stored[i * d + j];
            }
            model_keep_sums(model, e.rows, e.hidden, out);
            flow_log_density(e.work, e.clean, e.rows, logp + e.first);
        }
        if (job->tick && job->tick(job->context, (double)(e.first + e.rows), (double)n))
            return fail(NICEST_E_INTERRUPTED, "interrupted after %zu rows", e.first + e.rows);
    }
    return NICEST_OK;
}
