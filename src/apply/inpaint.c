/* inpaint.c - any values of a row given any others (paper, section 5.2).
 *
 * Owns the recipes, the way of the rows through a fill and the figures about the result. Observed
 * values are copied from the source to the result bit for bit; what the model is asked about is
 * their continuous value, in the middle of its level. How hidden values move is fill.c's; where the
 * flow begins with a marginal, they move behind it (cut.h), and log p that is told is still that
 * of the whole. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "apply/explain.h"
#include "apply/fill.h"
#include "apply/views.h"
#include "base/gaussian.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/random.h"
#include "base/status.h"
#include "base/values.h"
#include "model/model.h"

enum {
    OWN_SAMPLES = 4096,
    STEPS_MOST = 1 << 30,
    SAMPLES_MOST = 1 << 19,
    MOST_WHOLE = 1024 /* columns of which a whole covariance is measured */
};

/* Nats for each hidden value below which ascending further is not worth a gradient; half the
 * distance that an unbounded column may go, in deviations. */
static const double TOLERANCE = 0.001, REACH = 10;

typedef enum method { METHOD_WALK, METHOD_MAP, METHOD_MEAN, METHOD_LANGEVIN } method;

typedef struct plan {
    method method;
    fill_walk_rule rule;  /* of a walk */
    size_t ascent;        /* most steps of one */
    size_t steps, chains; /* of walks and chains: of each, for every row */
    size_t samples;       /* fills of a row that are handed out */
    size_t each;          /* fills of a row that run beside each other */
} plan;

typedef struct inpainting {
    const nicest_model *model;
    const entry *entry;
    const double *stored; /* [n, d] what the model is asked about: an infinity is hidden */
    const unsigned char *hidden;
    size_t infinite;
    size_t n, d, batch;
    bool picture;
    const nicest_inpaint_options *options;
    plan plan;
    cut cut;               /* of the flow; its front is NULL where it is not split */
    flow_workspace *whole; /* to score by */
    fill fill;
    conditional given;
    conditional linear;   /* of the training rows, x given x: beside the chains of a picture, */
    bool is_linear;       /* where there is one */
    fill_column *column;  /* [d] */
    fill_column *moved;   /* [d] the same of what the fill moves, where the flow is split */
    double *peak;         /* [d] full scale of a picture's column, stored; 0 for a table */
    double *mean_fill;    /* [d] stored */
    double *start, *one;  /* [batch, d] where every sample starts, one of each: continuous, or y */
    double *decoded;      /* [batch, d] such rows, continuous */
    double *x;            /* [batch * each, d] fills that run */
    double *mean;         /* [batch * each, d] of chains, METHOD_MEAN only; and their squares */
    double *square;       /* [batch * each] */
    double *top;          /* [batch, d] a maximum of each row, METHOD_MEAN only */
    double *top_logp;     /* [batch] of it */
    double *straight;     /* [batch, d] the linear conditional mean */
    const double *kept;   /* [.., d] training rows in whose hidden part chains begin, or NULL */
    size_t *nearest;      /* [batch, chains] numbers of such rows, the nearest first */
    double *distance;     /* [batch, chains] of these */
    double *led, *fitted; /* [batch * each, d] where these chains begin; what is linear of it */
    double *logp;         /* [batch] */
    double *fills_logp;   /* [batch * each] */
    double *filled;       /* [samples, n, d] */
    double *frame;        /* [n, d], or NULL */
    double *row;          /* [d] */
    size_t rows;          /* of the batch */
    size_t done, offset;  /* rows, and steps of the present batch, that are behind us */
    double error[2], deviations[2], pixels, values; /* sums: model, mean fill */
    double before, after;
    size_t steps;
    memory_group memory;
} inpainting;

static void inpainting_close(inpainting *p)
{
    fill_close(&p->fill);
    flow_workspace_free(p->whole);
    cut_close(&p->cut);
    conditional_close(&p->given);
    conditional_close(&p->linear);
    memory_leave(&p->memory);
}

/* ------------------------------------------------------------------ options */

void nicest_inpaint_defaults(nicest_inpaint_options *options)
{
    if (options)
        *options = (nicest_inpaint_options){.recipe = "default", .samples = 1, .seed = 1};
}

/* Steps of an ascent; chains behind a mean and their steps; steps of a sample. */
enum {
    ASCENT_STEPS = 200,
    MEAN_CHAINS = 16,
    MEAN_STEPS = 100,
    PICTURE_CHAINS = 8,
    PICTURE_STEPS = 50,
    SAMPLE_STEPS = 200,
    SWEEPS_MEANT = 64, /* of mixed rows */
    SWEEPS_DRAWN = 8
};

static nicest_status choose_method(plan *p, const char *recipe, const char *how)
{
    static const struct {
        const char *recipe, *how;
        plan plan;
    } plans[] = {
        {"default", "map", {.method = METHOD_MAP, .ascent = ASCENT_STEPS, .chains = 1}},
        {"default",
         "mean",
         {.method = METHOD_MEAN,
          .ascent = ASCENT_STEPS,
          .steps = MEAN_STEPS,
          .chains = MEAN_CHAINS}},
        {"default", "langevin", {.method = METHOD_LANGEVIN, .steps = SAMPLE_STEPS}},
        {"paper", "map", {.method = METHOD_WALK, .rule = {1, true}, .steps = 1000}},
        {"released", "map", {.method = METHOD_WALK, .rule = {0.01, false}, .steps = 111895}},
    };
    bool recipe_known = false, how_known = false;
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        bool same_recipe = !strcmp(recipe, plans[i].recipe), same_how = !strcmp(how, plans[i].how);
        recipe_known = recipe_known || same_recipe;
        how_known = how_known || same_how;
        if (!same_recipe || !same_how)
            continue;
        *p = plans[i].plan;
        return NICEST_OK;
    }
    if (!how_known)
        return fail(NICEST_E_ARGUMENT, "method '%s' is not known: map, mean or langevin", how);
    if (!recipe_known)
        return fail(NICEST_E_ARGUMENT, "recipe '%s' is not known: default, paper or released",
                    recipe);
    return fail(NICEST_E_ARGUMENT,
                "recipe '%s' is a method of its own: %s goes with the default recipe", recipe, how);
}

/* What the options ask for; `how` where they name no method. */
static nicest_status choose_plan(plan *p, const nicest_inpaint_options *o, const char *how)
{
    const char *recipe = o->recipe ? o->recipe : "default";
    bool own = strcmp(recipe, "default") == 0;
    TRY(choose_method(p, recipe, o->method ? o->method : own ? how : "map"));
    if (o->steps > STEPS_MOST || o->samples > SAMPLES_MOST)
        return fail(NICEST_E_ARGUMENT, "at most %d steps and %d samples", STEPS_MOST, SAMPLES_MOST);
    if (o->steps)
        *(p->method == METHOD_MAP ? &p->ascent : &p->steps) = o->steps;
    p->samples = o->samples ? o->samples : 1;
    if (p->samples > 1 && (p->method == METHOD_MAP || p->method == METHOD_MEAN))
        return fail(NICEST_E_ARGUMENT,
                    "%zu samples, but methods map and mean have one answer: method langevin draws "
                    "several",
                    p->samples);
    p->chains = p->chains ? p->chains : p->samples;
    return NICEST_OK;
}

/* ------------------------------------------------------------------ columns */

/* The covariance of standard rows, for the fill. */
static nicest_status take_covariance(inpainting *p, const double *rows)
{
    OWNED_NEW(double *, mean, p->d);
    TRY_NEW(p->given.covariance, gaussian_packed(p->d));
    gaussian_moments(rows, NULL, OWN_SAMPLES, p->d, p->fill.threads, mean, p->given.covariance);
    gaussian_shrink(rows, OWN_SAMPLES, p->d, mean, p->given.covariance);
    return NICEST_OK;
}

/* Mean and deviation of a flow's own samples, for a model that does not say those of its rows; and
 * of y, with the covariance. */
static nicest_status measure_samples(inpainting *p, const flow *f, double *mean, double *deviation)
{
    OWNED_BY(flow_workspace_drop) flow_workspace *w = NULL;
    bool is_y = f == p->cut.rest;
    OWNED_ROWS(double *, rows, OWN_SAMPLES, p->d);
    TRY(flow_workspace_new(&w, f, FLOW_SCORE, 0, p->fill.threads, false));
    flow_sample(w, (random_stream){1, RANDOM_SAMPLE, 0}, 0, NULL, OWN_SAMPLES, rows);
    for (size_t i = 0; is_y && i < OWN_SAMPLES * p->d; i++)
        rows[i] = fmin(fmax(rows[i], -REACH), REACH);
    for (size_t j = 0; j < p->d; j++) {
        values_moments(rows + j, OWN_SAMPLES, p->d, &mean[j], &deviation[j]);
        for (size_t i = 0; is_y && i < OWN_SAMPLES; i++) {
            double off = rows[i * p->d + j] - mean[j];
            rows[i * p->d + j] = deviation[j] > 0 ? off / deviation[j] : 0;
        }
    }
    return is_y && p->d <= MOST_WHOLE ? take_covariance(p, rows) : NICEST_OK;
}

/* The columns of y: their ends are those of the columns. */
static nicest_status prepare_moved(inpainting *p)
{
    size_t d = p->d;
    OWNED_NEW(double *, own, 4 * d);
    TRY(measure_samples(p, p->cut.rest, own, own + d));
    double *low = own + 2 * d, *high = own + 3 * d;
    for (size_t j = 0; j < d; j++) {
        low[j] = p->column[j].low;
        high[j] = p->column[j].high;
    }
    cut_forward(&p->cut, 2, low, low);
    for (size_t j = 0; j < d; j++)
        p->moved[j] =
            (fill_column){own[j], low[j] < high[j] ? own[d + j] : 0, low[j], high[j], false};
    return NICEST_OK;
}

static nicest_status prepare_columns(inpainting *p)
{
    size_t means = 0, deviations = 0;
    const double *mean = model_array(p->model, "columns.mean", &means);
    const double *deviation = model_array(p->model, "columns.deviation", &deviations);
    OWNED_ROWS(double *, own, p->d, 2);
    if (!mean || !deviation || means != p->d || deviations != p->d) {
        TRY(measure_samples(p, model_flow_const(p->model), own, own + p->d));
        mean = own;
        deviation = own + p->d;
    }
    unsigned size[3] = {0};
    nicest_model_image(p->model, &size[0], &size[1], &size[2]);
    for (size_t j = 0; j < p->d; j++) {
        const entry_column *c = &p->entry->column[j];
        fill_column column = {.mean = isfinite(mean[j]) ? mean[j] : c->centre,
                              .deviation = isfinite(deviation[j]) ? fmax(deviation[j], 0) : 0,
                              .bounded = c->levels > 0};
        column.deviation = fmax(column.deviation, c->unit / sqrt(12.0));
        column.low = column.bounded ? c->offset : column.mean - REACH * column.deviation;
        column.high = column.bounded ? c->offset + c->levels * c->unit
                                     : column.mean + REACH * column.deviation;
        p->column[j] = column;
        p->row[j] = p->column[j].mean;
        p->peak[j] = !size[0] ? 0 : c->levels > 1 ? c->step * (c->levels - 1) : 1;
    }
    entry_quantise_row(p->entry, p->row, p->mean_fill);
    return NICEST_OK;
}

/* ------------------------------------------------------------------ rows in and out */

/* Rows of a fill as continuous ones; what is returned for the last such rows is lost. */
static const double *continuous_of(const inpainting *p, const double *x)
{
    if (!p->cut.front)
        return x;
    cut_inverse(&p->cut, p->rows, x, p->decoded);
    return p->decoded;
}

/* Continuous rows as stored values: observed ones are the source's. */
static void decode_rows(inpainting *p, const double *x, double *out)
{
    for (size_t i = 0; i < p->rows; i++) {
        size_t at = (p->done + i) * p->d;
        entry_quantise_row(p->entry, x + i * p->d, p->row);
        for (size_t j = 0; j < p->d; j++)
            out[at + j] = p->hidden[at + j] ? p->row[j] : p->stored[at + j];
    }
}

static void add_errors(inpainting *p, const double *filled)
{
    size_t begin = p->done * p->d;
    for (size_t i = begin; i < begin + p->rows * p->d; i++) {
        size_t j = i % p->d;
        if (!p->hidden[i] || !isfinite(p->stored[i]) || p->entry->column[j].role != ENTRY_VALUE)
            continue;
        double off[2] = {filled[i] - p->stored[i], p->mean_fill[j] - p->stored[i]};
        double deviation = p->column[j].deviation / p->entry->gain[j];
        p->pixels += p->peak[j] > 0;
        p->values += deviation > 0;
        for (int k = 0; k < 2; k++) {
            p->error[k] += p->peak[j] > 0 ? pow(off[k] / p->peak[j], 2) : 0;
            p->deviations[k] += deviation > 0 ? pow(off[k] / deviation, 2) : 0;
        }
    }
}

/* Fill `which` of every row of the batch, out of those that run. */
static const double *pick(const inpainting *p, size_t which)
{
    const fill *f = &p->fill;
    for (size_t i = 0; i < p->rows; i++)
        memcpy(p->one + i * p->d, f->x + (i * f->each + which) * p->d, p->d * sizeof *p->one);
    return continuous_of(p, p->one);
}

/* Progress and frames, after every step of a fill. */
static int watch(void *context, const fill *f, size_t step)
{
    inpainting *p = context;
    const nicest_inpaint_options *o = p->options;
    double units = (double)p->plan.ascent + (double)p->plan.steps * (double)p->plan.chains;
    size_t at = p->offset + f->each * step;
    bool ahead = p->plan.method == METHOD_MEAN && !f->mean; /* not of the fill itself */
    if (p->frame && f->sample == 0 && !ahead && at % o->frame_every == 0) {
        decode_rows(p, pick(p, 0), p->frame);
        o->frame(o->context, at, p->frame);
    }
    if (!o->tick)
        return 0;
    if (f->mean)
        at += p->plan.ascent;
    return o->tick(o->context, (double)p->done * units + (double)p->rows * (double)at,
                   (double)p->n * units);
}

/* ------------------------------------------------------------------ the run */

/* Sum of log p of the batch's continuous rows. */
static double score_batch(inpainting *p, const double *x)
{
    double sum = 0;
    flow_log_density(p->whole, x, p->rows, p->logp);
    for (size_t i = 0; i < p->rows; i++)
        sum += p->logp[i];
    return sum;
}

/* Whether the linear conditional leaves less than half of the variance of a row's hidden values. */
static bool line_says_most(const inpainting *p, size_t row, size_t number)
{
    double variance = 0;
    for (size_t j = 0; j < p->d; j++)
        variance += p->fill.hidden[row * p->d + j] ? pow(p->column[j].deviation, 2) : 0;
    return conditional_variance(&p->linear, number) < variance / 2;
}

/* Fill `number` of the batch begins as its kept row, moved by as much as the linear
 * conditional moves from what is seen of that row to what is seen here. */
static void move_start(inpainting *p, size_t number)
{
    size_t d = p->d, row = number / p->fill.each;
    for (size_t j = 0; j < d; j++) {
        double *x = &p->led[number * d + j], half = p->entry->column[j].unit / 2;
        if (p->fill.hidden[row * d + j]) /* black is the middle of its level */
            *x = fmin(fmax(*x + p->straight[row * d + j] - p->fitted[number * d + j],
                           p->column[j].low + half),
                      p->column[j].high - half);
    }
}

/* Chains k.. of each row begin in the hidden part of a row that was kept. */
static void lead_chains(inpainting *p, size_t k)
{
    fill *f = &p->fill;
    size_t d = p->d;
    for (size_t i = 0; i < f->rows; i++) {
        size_t row = i / f->each, number = k + i % f->each;
        const double *kept = p->kept + p->nearest[row * p->plan.chains + number] * d;
        for (size_t j = 0; j < d; j++)
            p->led[i * d + j] = entry_middle(p->entry, j, kept[j]);
    }
    if (p->is_linear) {
        memcpy(p->fitted, p->led, f->rows * d * sizeof *p->fitted);
        p->linear.each = f->each;
        conditional_take(&p->linear, p->fitted, f->hidden, f->rows, p->fitted);
        bool moves = false;
        for (size_t i = 0; i < f->rows; i++) {
            moves = i % f->each ? moves : line_says_most(p, i / f->each, i);
            if (moves)
                move_start(p, i);
        }
    }
    if (p->cut.front)
        cut_forward(&p->cut, f->rows, p->led, p->led);
    for (size_t i = 0; i < f->rows * d; i++) {
        size_t at = i / d / f->each * d + i % d;
        p->led[i] = f->hidden[at] ? p->led[i] : p->start[at];
    }
    f->start = p->led;
}

/* Walks or chains k, k + 1, ... of each row, from the start. */
static nicest_status run_fills(inpainting *p, size_t k)
{
    assert(k < p->plan.chains);
    fill *f = &p->fill;
    f->each = p->plan.chains - k < p->plan.each ? p->plan.chains - k : p->plan.each;
    f->rows = p->rows * f->each;
    f->sample = (uint32_t)k;
    f->x = p->x;
    for (size_t i = 0; i < f->rows; i++)
        memcpy(p->x + i * p->d, p->start + i / f->each * p->d, p->d * sizeof *p->x);
    if (p->kept)
        lead_chains(p, k);
    TRY(p->plan.method == METHOD_WALK ? fill_walk(f, &p->plan.rule, p->plan.steps)
                                      : fill_langevin(f, p->plan.steps));
    p->offset += p->plan.steps * f->each;
    p->steps = p->plan.steps;
    return NICEST_OK;
}

/* Continuous rows as sample number k. */
static void give_sample(inpainting *p, const double *x, size_t k)
{
    assert(k < p->plan.samples);
    double *filled = p->filled + k * p->n * p->d;
    p->after += score_batch(p, x);
    decode_rows(p, x, filled);
    add_errors(p, filled);
}

/* Where chains that do not arrive begin again. */
static nicest_status find_maxima(inpainting *p)
{
    fill *f = &p->fill;
    memcpy(p->top, p->start, p->rows * p->d * sizeof *p->top);
    f->mean = NULL;
    f->x = p->top;
    TRY(fill_ascend(f, p->plan.ascent, TOLERANCE));
    memcpy(p->top_logp, f->logp, p->rows * sizeof *p->top_logp);
    f->peak = p->top;
    f->peak_logp = p->top_logp;
    return NICEST_OK;
}

/* The mean of a row's chains goes to `mean`. Chains of pictures are short and few: how far their
 * states spread is how far their mean may be off, as the variance that the linear conditional says
 * of itself is of its own mean. Each counts by the inverse of its own. */
static void meet_chains(const inpainting *p, size_t row, double *mean)
{
    size_t d = p->d, chains = p->fill.each;
    const unsigned char *hidden = p->fill.hidden + row * d;
    double spread = 0;
    memset(mean, 0, d * sizeof *mean);
    for (size_t i = row * chains; i < (row + 1) * chains; i++) {
        spread += p->square[i] / (double)chains;
        for (size_t j = 0; j < d; j++)
            mean[j] += p->mean[i * d + j] / (double)chains;
    }
    for (size_t j = 0; j < d; j++)
        spread -= mean[j] * mean[j];
    if (!p->is_linear)
        return;
    double linear = conditional_variance(&p->linear, p->kept ? row * chains : row);
    double share = linear / (linear + fmax(spread, 0) * (1 + 1 / (double)chains));
    for (size_t j = 0; j < d && linear > 0; j++)
        if (hidden[j])
            mean[j] += (1 - share) * (p->straight[row * d + j] - mean[j]);
}

static nicest_status run_mean(inpainting *p)
{
    fill *f = &p->fill;
    if (!p->kept)
        TRY(find_maxima(p));
    f->mean = p->mean;
    f->square = p->square;
    memset(p->mean, 0, p->rows * p->plan.chains * p->d * sizeof *p->mean);
    memset(p->square, 0, p->rows * p->plan.chains * sizeof *p->square);
    TRY(run_fills(p, 0));
    const double *seen = continuous_of(p, p->start);
    for (size_t i = 0; i < p->rows; i++) {
        meet_chains(p, i, p->row);
        for (size_t at = i * p->d, j = 0; j < p->d; j++)
            p->one[at + j] = f->hidden[at + j] ? p->row[j] : seen[at + j];
    }
    give_sample(p, p->one, 0);
    return NICEST_OK;
}

/* Of every row of the batch the kept rows that are nearest in what is seen. */
static void find_nearest(void *context, int thread, size_t row)
{
    inpainting *p = context;
    size_t d = p->d, chains = p->plan.chains, found = 0;
    size_t *nearest = p->nearest + row * chains, rows = views_rows(p->model);
    double *distance = p->distance + row * chains;
    (void)thread;
    for (size_t r = 0; r < rows; r++) {
        double sum = 0;
        for (size_t j = 0, at = (p->done + row) * d; j < d; j++)
            if (!p->hidden[at + j])
                sum += pow(p->kept[r * d + j] - p->stored[at + j], 2);
        if (found == chains && sum >= distance[found - 1])
            continue;
        size_t k = found < chains ? found++ : found - 1;
        for (; k > 0 && distance[k - 1] > sum; k--) {
            distance[k] = distance[k - 1];
            nearest[k] = nearest[k - 1];
        }
        distance[k] = sum;
        nearest[k] = r;
    }
    for (size_t k = found; k < chains; k++) /* more chains than rows */
        nearest[k] = nearest[k % found];
}

/* Every fill of the batch at hand. */
static nicest_status run_batch(inpainting *p)
{
    fill *f = &p->fill;
    /* Starting rows of the batch: observed values in the middle of their level, hidden ones at the
     * column's mean. */
    const entry *e = p->entry;
    for (size_t i = 0; i < p->rows * p->d; i++) {
        size_t j = i % p->d, at = p->done * p->d + i;
        p->start[i] = p->hidden[at] ? p->column[j].mean : entry_middle(e, j, p->stored[at]);
    }
    f->first = p->done;
    f->hidden = p->hidden + p->done * p->d;
    f->rows = p->rows;
    f->each = 1;
    f->sample = 0;
    f->x = p->start;
    if (p->is_linear) {
        memcpy(p->straight, p->start, p->rows * p->d * sizeof *p->straight);
        p->linear.each = 1;
        conditional_take(&p->linear, p->straight, f->hidden, p->rows, p->straight);
    }
    if (p->kept)
        parallel_for(f->threads, p->rows, find_nearest, p);
    if (p->cut.front)
        cut_forward(&p->cut, p->rows, p->start, p->start);
    p->offset = 0;
    p->before += score_batch(p, continuous_of(p, p->start));
    if (p->plan.method != METHOD_WALK)
        conditional_take(&p->given, p->start, f->hidden, p->rows, p->start);
    if (p->plan.method == METHOD_MAP) {
        TRY(fill_ascend(f, p->plan.ascent, TOLERANCE));
        p->steps = f->steps > p->steps ? f->steps : p->steps;
        give_sample(p, continuous_of(p, f->x), 0);
        return NICEST_OK;
    }
    if (p->plan.method == METHOD_MEAN)
        return run_mean(p);
    for (size_t k = 0; k < p->plan.samples; k += f->each) {
        TRY(run_fills(p, k));
        for (size_t c = 0; c < f->each; c++)
            give_sample(p, pick(p, c), k + c);
    }
    return NICEST_OK;
}

static nicest_status prepare_fill(inpainting *p)
{
    size_t d = p->d;
    size_t fills = p->batch * p->plan.each;
    bool frames = p->options->frame && p->options->frame_every;
    bool means = p->plan.method == METHOD_MEAN, chains = means || p->plan.method == METHOD_LANGEVIN;
    p->kept = chains && p->picture ? views_kept(p->model) : NULL;
    p->plan.ascent = p->kept ? 0 : p->plan.ascent;
    p->is_linear = (means || p->kept) && p->picture && model_gaussian_columns(p->model) &&
                   model_gaussian_factor(p->model);
    if (p->is_linear)
        p->straight = memory_join(&p->memory, p->batch, d * sizeof *p->straight);
    p->fills_logp = memory_join(&p->memory, fills, sizeof *p->fills_logp);
    p->moved = memory_join(&p->memory, d, sizeof *p->moved);
    p->decoded = memory_join(&p->memory, p->batch, d * sizeof *p->decoded);
    p->start = memory_join(&p->memory, p->batch, d * sizeof *p->start);
    p->one = memory_join(&p->memory, p->batch, d * sizeof *p->one);
    p->x = memory_join(&p->memory, fills, d * sizeof *p->x);
    if (p->kept) {
        p->nearest = memory_join(&p->memory, p->batch, p->plan.chains * sizeof *p->nearest);
        p->distance = memory_join(&p->memory, p->batch, p->plan.chains * sizeof *p->distance);
        p->led = memory_join(&p->memory, fills, d * sizeof *p->led);
        p->fitted = p->is_linear ? memory_join(&p->memory, fills, d * sizeof *p->fitted) : NULL;
    }
    if (means) {
        p->mean = memory_join(&p->memory, fills, d * sizeof *p->mean);
        p->square = memory_join(&p->memory, fills, sizeof *p->square);
    }
    if (means && !p->kept) {
        p->top = memory_join(&p->memory, p->batch, d * sizeof *p->top);
        p->top_logp = memory_join(&p->memory, p->batch, sizeof *p->top_logp);
    }
    p->frame = frames ? memory_join(&p->memory, p->n, d * sizeof *p->frame) : NULL;
    TRY(check_memory(!p->memory.lacking));
    const flow *f = model_flow_const(p->model);
    TRY(cut_open(&p->cut, f, p->fill.threads));
    if (p->cut.front)
        TRY(prepare_moved(p));
    p->given.column = p->fill.column = p->cut.front ? p->moved : p->column;
    if (p->plan.method != METHOD_WALK)
        TRY(conditional_open(&p->given, p->cut.front ? NULL : p->model, p->hidden, p->n, p->batch,
                             p->plan.method != METHOD_MAP));
    p->linear.column = p->column;
    p->linear.each = p->plan.each;
    if (p->is_linear)
        TRY(conditional_open(&p->linear, p->model, p->hidden, p->n, p->batch, true));
    p->fill.given = &p->given;
    p->fill.cut = &p->cut;
    p->fill.logp = p->fills_logp;
    p->fill.watch = watch;
    p->fill.context = p;
    TRY(flow_workspace_new(&p->whole, f, FLOW_SCORE, p->batch, p->fill.threads, false));
    return fill_open(&p->fill, p->cut.front ? p->cut.rest : f, fills);
}

/* Mixed rows: cell after cell, since words have no gradient to go along. */
static nicest_status run_mixed(inpainting *p)
{
    const nicest_inpaint_options *o = p->options;
    size_t d = p->d, n = p->n, samples = p->plan.samples;
    explain_fill_job job = {.stored = p->stored,
                            .hidden = p->hidden,
                            .rows = n,
                            .samples = samples,
                            .sweeps = o->steps                        ? o->steps
                                      : p->plan.method == METHOD_MEAN ? SWEEPS_MEANT
                                                                      : SWEEPS_DRAWN,
                            .kind = p->plan.method == METHOD_MEAN  ? FILL_MEANT
                                    : p->plan.method == METHOD_MAP ? FILL_LIKELIEST
                                                                   : FILL_DRAWN,
                            .seed = o->seed,
                            .threads = p->fill.threads,
                            .tick = o->tick,
                            .context = o->context};
    TRY(explain_fill(p->model, &job, p->filled, p->logp));
    p->before = NAN;
    p->steps = job.sweeps;
    for (size_t i = 0; i < n; i++)
        p->after += p->logp[i] * (double)samples;
    p->rows = n;
    for (size_t k = 0; k < samples; k++)
        add_errors(p, p->filled + k * n * d);
    p->done = n;
    return NICEST_OK;
}

/* Rows at a time, and how many fills of each run beside each other: more fill the lanes of a vector
 * and the caches better, fewer answer sooner. */
static void choose_batch(inpainting *p)
{
    enum { FEWEST = 128, MOST = 2048, NUMBERS = 1 << 17 };
    bool frames = p->options->frame && p->options->frame_every;
    size_t fills = NUMBERS / p->d < FEWEST ? FEWEST : NUMBERS / p->d > MOST ? MOST : NUMBERS / p->d;
    size_t chains = p->plan.chains;
    p->plan.each = chains < FEWEST ? chains : FEWEST;
    size_t most = fills / p->plan.each;
    p->batch = frames || p->n < most || p->entry->mixed ? p->n : most;
}

static nicest_status run(inpainting *p)
{
    size_t d = p->d, n = p->n, samples = p->plan.samples;
    if (n > SIZE_MAX / sizeof(double) / d / samples)
        return fail_memory();
    choose_batch(p);
    p->column = memory_join(&p->memory, d, sizeof *p->column);
    p->peak = memory_join(&p->memory, d, sizeof *p->peak);
    p->mean_fill = memory_join(&p->memory, d, sizeof *p->mean_fill);
    p->row = memory_join(&p->memory, d, sizeof *p->row);
    p->logp = memory_join(&p->memory, p->batch, sizeof *p->logp);
    p->filled = memory_join(&p->memory, samples * n, d * sizeof *p->filled);
    TRY(check_memory(!p->memory.lacking));
    TRY(prepare_columns(p));
    if (p->entry->mixed)
        return run_mixed(p);
    TRY(prepare_fill(p));
    while (p->done < p->n) {
        p->rows = p->n - p->done < p->batch ? p->n - p->done : p->batch;
        TRY(run_batch(p));
        p->done += p->rows;
    }
    return NICEST_OK;
}

/* ------------------------------------------------------------------ what is said about it */

static void give_result(const inpainting *p, double seconds, nicest_inpaint_result *result)
{
    double n = (double)p->n, hidden = 0;
    for (size_t i = 0; i < p->n * p->d; i++)
        hidden += p->hidden[i] != 0;
    *result = (nicest_inpaint_result){
        .rows = p->n,
        .hidden = (size_t)hidden - p->infinite,
        .infinite = p->infinite,
        .steps = p->steps,
        .psnr = p->pixels > 0 ? -10 * log10(p->error[0] / p->pixels) : NAN,
        .psnr_mean_fill = p->pixels > 0 ? -10 * log10(p->error[1] / p->pixels) : NAN,
        .rmse = p->values > 0 ? sqrt(p->deviations[0] / p->values) : NAN,
        .rmse_mean_fill = p->values > 0 ? sqrt(p->deviations[1] / p->values) : NAN,
        .logp_before = n > 0 ? p->before / n : NAN,
        .logp_after = n > 0 ? p->after / n / (double)p->plan.samples : NAN,
        .seconds = seconds};
}

/* Fills with the decimals and bounds of the training data; what is seen as it is in the source. */
static void give_fills(const inpainting *p, const double *stored, const unsigned char *hidden,
                       double *filled)
{
    size_t d = p->d;
    for (size_t i = 0; i < p->plan.samples * p->n; i++) {
        double *row = filled + i * d;
        memcpy(row, p->filled + i * d, d * sizeof *row);
        entry_finish_row(p->entry, row, true);
        model_keep_sums(p->model, 1, p->hidden + i % p->n * d, row);
        for (size_t j = 0, at = i % p->n * d; j < d; j++)
            if (!hidden[at + j])
                row[j] = stored[at + j];
    }
}

/* An infinity is impossible to the model, and says nothing of the other cells: these are filled as
 * if it were missing. */
static nicest_status hide_infinities(inpainting *p)
{
    size_t cells = p->n * p->d;
    for (size_t i = 0; i < cells; i++) {
        if (!p->hidden[i] && isnan(p->stored[i]))
            return fail(NICEST_E_DATA,
                        "row %zu: column %zu (%s) has no value and is not hidden: mask it, or use "
                        "mask nan",
                        i / p->d + 1, i % p->d + 1, nicest_model_column_name(p->model, i % p->d));
        p->infinite += !p->hidden[i] && isinf(p->stored[i]);
    }
    if (!p->infinite)
        return NICEST_OK;
    double *stored = memory_join(&p->memory, cells, sizeof *stored);
    unsigned char *hidden = memory_join(&p->memory, cells, 1);
    TRY(check_memory(!p->memory.lacking));
    for (size_t i = 0; i < cells; i++) {
        bool infinite = !p->hidden[i] && isinf(p->stored[i]);
        stored[i] = infinite ? NAN : p->stored[i];
        hidden[i] = p->hidden[i] || infinite;
    }
    p->stored = stored;
    p->hidden = hidden;
    return NICEST_OK;
}

nicest_status nicest_inpaint(const nicest_model *model, const double *stored, size_t n,
                             const unsigned char *hidden, const nicest_inpaint_options *options,
                             double *filled, double *spread, nicest_inpaint_result *result)
{
    if (!model || (n > 0 && (!stored || !hidden || !filled)))
        return fail(NICEST_E_ARGUMENT, "inpaint: a model, rows, a mask and a place for the fills");
    nicest_inpaint_options defaults;
    nicest_inpaint_defaults(&defaults);
    OWNED_BY(inpainting_close)
    inpainting p = {.model = model,
                    .entry = &model_flow_const(model)->entry,
                    .stored = stored,
                    .hidden = hidden,
                    .n = n,
                    .d = nicest_model_columns(model),
                    .options = options ? options : &defaults};
    double begun = parallel_clock();
    TRY(model_check_threads(p.options->threads));
    unsigned size[3];
    nicest_model_image(model, &size[0], &size[1], &size[2]);
    bool ascends = size[0] > 0 && !cut_fits(model_flow_const(model));
    TRY(choose_plan(&p.plan, p.options, ascends ? "map" : "mean"));
    p.picture = size[0] > 0;
    if (p.picture && p.plan.method == METHOD_MEAN) {
        p.plan.chains = PICTURE_CHAINS;
        p.plan.steps = p.options->steps ? p.plan.steps : PICTURE_STEPS;
    }
    TRY(hide_infinities(&p));
    p.fill.threads = p.options->threads > 0 ? p.options->threads : parallel_available();
    p.fill.columns = p.given.columns = p.linear.columns = p.d;
    p.given.threads = p.linear.threads = p.fill.threads;
    p.fill.seed = p.options->seed;
    TRY(run(&p));
    give_fills(&p, stored, hidden, filled);
    for (size_t i = 0, count = p.n * p.d; spread && i < count; i++) {
        double mean = 0, square = 0;
        for (size_t k = 0; k < p.plan.samples; k++) {
            double off = p.filled[k * count + i] - mean;
            mean += off / (double)(k + 1);
            square += off * (p.filled[k * count + i] - mean);
        }
        spread[i] = hidden[i] ? sqrt(square / (double)p.plan.samples) : 0;
    }
    if (result)
        give_result(&p, parallel_clock() - begun, result);
    return NICEST_OK;
}
