/* fill.c - see fill.h. */
#include "apply/fill.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "base/random.h"
#include "base/status.h"

enum { ROWS_PER_ITEM = 8 };

/* Draws of RANDOM_INPAINT: 0 is the mask's; a run takes START and then two for every step. */
enum { DRAW_START = 1, DRAW_STEPS = 2, SAMPLE_SHIFT = 36 };

nicest_status fill_open(fill *f, const flow *model, size_t most)
{
    f->number = memory_join(&f->memory, most, FILL_NUMBERS * sizeof *f->number);
    f->moving = memory_join(&f->memory, most, sizeof *f->moving);
    for (int i = 0; i < FILL_SPARES; i++)
        f->spare[i] = memory_join(&f->memory, most, f->columns * sizeof(double));
    TRY(check_memory(!f->memory.lacking));
    return flow_workspace_new(&f->workspace, model, FLOW_GRADIENT, most, f->threads, false);
}

void fill_close(fill *f)
{
    flow_workspace_free(f->workspace);
    memory_leave(&f->memory);
    f->workspace = NULL;
}

/* ------------------------------------------------------------------ what the methods share */

/* log p of rows[count, columns], and its gradient unless that is NULL. */
static void evaluate(fill *f, size_t count, const double *rows, double *logp, double *gradient)
{
    if (count > 0)
        flow_run(f->workspace,
                 &(flow_job){FLOW_CONTINUOUS, count, rows, .logp = logp, .gradient = gradient});
}

/* log p of x into f->logp. */
static void fill_score(fill *f)
{
    evaluate(f, f->rows, f->x, f->logp, NULL);
}

/* Calls body(f, i) for i in 0..count-1, on all threads. */
typedef void (*row_body)(fill *f, size_t i);

typedef struct row_loop {
    fill *f;
    size_t count;
    row_body body;
} row_loop;

static void some_rows(void *context, int thread, size_t item)
{
    const row_loop *loop = context;
    size_t begin = item * ROWS_PER_ITEM, end = begin + ROWS_PER_ITEM;
    (void)thread;
    for (size_t i = begin; i < end && i < loop->count; i++)
        loop->body(loop->f, i);
}

static void each_filled_row(fill *f, size_t count, row_body body)
{
    row_loop loop = {f, count, body};
    parallel_for(f->threads, (count + ROWS_PER_ITEM - 1) / ROWS_PER_ITEM, some_rows, &loop);
}

/* What a row knows of itself: log p now, the best and the last that counted as progress, gradients
 * since then, rate or length of a step, steps since the momentum was zero, hidden values; of a
 * chain, whether it was lost. */
enum { NOW, BEST, REFERENCE, IDLE, SPEED, AGE, HIDDEN, LOST };

static double *numbers(fill *f, size_t row)
{
    return f->number + row * FILL_NUMBERS;
}

static random_stream stream_of(const fill *f, uint64_t draw)
{
    return (random_stream){.seed = f->seed, .purpose = RANDOM_INPAINT, .draw = (uint32_t)draw};
}

/* The row of the mask and of `given` that a row of x is a fill of. */
static size_t source_of(const fill *f, size_t row)
{
    return row / f->each;
}

static const unsigned char *mask_of(const fill *f, size_t row)
{
    return f->hidden + source_of(f, row) * f->columns;
}

/* The number that a row's random numbers are keyed by. */
static uint64_t key_of(const fill *f, size_t row)
{
    return (f->first + source_of(f, row)) | (uint64_t)(f->sample + row % f->each) << SAMPLE_SHIFT;
}

static nicest_status tell(fill *f, size_t step)
{
    if (f->watch && f->watch(f->context, f, step))
        return fail(NICEST_E_INTERRUPTED, "inpainting was interrupted after %zu steps", step);
    return NICEST_OK;
}

static double inside(const fill_column *c, double x)
{
    return fmin(fmax(x, c->low), c->high);
}

/* ------------------------------------------------------------------ the paper's walks */

/* Uniform over the levels; where there are none, with the column's mean and deviation. */
static void start_row(fill *f, size_t row)
{
    double *x = f->x + row * f->columns, *u = f->spare[1] + row * f->columns;
    random_uniform_double(stream_of(f, DRAW_START), key_of(f, row), u, f->columns);
    for (size_t j = 0; j < f->columns; j++) {
        const fill_column *c = &f->column[j];
        double half = sqrt(3.0) * c->deviation;
        double low = c->bounded ? c->low : c->mean - half;
        double high = c->bounded ? c->high : c->mean + half;
        if (mask_of(f, row)[j])
            x[j] = low + (high - low) * u[j];
    }
}

static void walk_row(fill *f, size_t row)
{
    size_t d = f->columns;
    double *x = f->x + row * d, *noise = f->spare[1] + row * d;
    const double *gradient = f->spare[0] + row * d;
    const unsigned char *hidden = mask_of(f, row);
    random_normal(stream_of(f, DRAW_STEPS + 2 * (uint64_t)f->step.number), key_of(f, row), noise,
                  d);
    for (size_t j = 0; j < d; j++) {
        double move = f->step.length * (f->step.rule->share * gradient[j] + noise[j]);
        if (!hidden[j] || !isfinite(move))
            continue;
        x[j] = f->step.rule->projected ? inside(&f->column[j], x[j] + move) : x[j] + move;
    }
}

nicest_status fill_walk(fill *f, const fill_walk_rule *rule, size_t steps)
{
    assert(f->x && f->hidden && f->rows > 0);
    each_filled_row(f, f->rows, start_row);
    for (size_t i = 0; i < steps; i++) {
        f->step = (fill_step){.rule = rule, .number = i, .length = 10.0 / (100.0 + (double)i)};
        evaluate(f, f->rows, f->x, f->logp, f->spare[0]);
        each_filled_row(f, f->rows, walk_row);
        TRY(tell(f, i + 1));
    }
    f->steps = steps;
    fill_score(f);
    return NICEST_OK;
}

/* ------------------------------------------------------------------ ascent

   Adam on z = (x - mean) / deviation, so that a border pixel that never leaves 1/256 and a pixel of
   the middle take steps of their own size. When four gradients brought a row nothing, it goes on
   from its best with half the rate; below a sixty-fourth of the first rate it is done, and no
   longer evaluated. */

static const double RATE = 0.4, KEEP1 = 0.9, KEEP2 = 0.99, FLOOR = 1e-3, LAST_SHARE = 1.0 / 64;
enum { PATIENCE = 4 };

/* Of the spare matrices 0 and 1 are the moving rows and their gradients, packed. */
enum { FIRST = 2, SECOND, TRIAL };

static void begin_ascent(fill *f, size_t row)
{
    size_t d = f->columns;
    double *own = numbers(f, row);
    own[BEST] = own[REFERENCE] = -INFINITY;
    own[IDLE] = own[AGE] = own[HIDDEN] = 0;
    own[SPEED] = RATE;
    for (size_t j = 0; j < d; j++)
        own[HIDDEN] += mask_of(f, row)[j] != 0;
    memset(f->spare[FIRST] + row * d, 0, d * sizeof(double));
    memset(f->spare[SECOND] + row * d, 0, d * sizeof(double));
    memcpy(f->spare[TRIAL] + row * d, f->x + row * d, d * sizeof(double));
}

/* The moving rows' trials, one after the other in spare[0]. */
static void gather_row(fill *f, size_t i)
{
    size_t d = f->columns;
    memcpy(f->spare[0] + i * d, f->spare[TRIAL] + f->moving[i] * d, d * sizeof(double));
}

/* Takes the trial when it is the best so far. True when little comes any more: then the row goes on
 * from its best, with half the rate and without momentum. */
static bool judge_trial(fill *f, size_t row, double logp, double tolerance)
{
    size_t bytes = f->columns * sizeof(double);
    double *own = numbers(f, row), *x = f->x + row * f->columns;
    double *trial = f->spare[TRIAL] + row * f->columns;
    own[IDLE]++;
    if (logp > own[BEST]) {
        own[BEST] = logp;
        memcpy(x, trial, bytes);
    }
    if (own[BEST] > own[REFERENCE] + tolerance * own[HIDDEN]) {
        own[REFERENCE] = own[BEST];
        own[IDLE] = 0;
    }
    if (own[IDLE] < PATIENCE)
        return false;
    own[SPEED] /= 2;
    own[IDLE] = own[AGE] = 0;
    memcpy(trial, x, bytes);
    memset(f->spare[FIRST] + row * f->columns, 0, bytes);
    return true;
}

/* Row i of the moving ones; its gradient is row i of spare[1]. */
static void ascend_row(fill *f, size_t i)
{
    size_t d = f->columns, row = f->moving[i];
    double *own = numbers(f, row), *x = f->spare[TRIAL] + row * d;
    double *first = f->spare[FIRST] + row * d, *second = f->spare[SECOND] + row * d;
    if (judge_trial(f, row, f->logp[i], f->step.tolerance))
        return;
    double length = own[SPEED] / (1 - pow(KEEP1, ++own[AGE]));
    for (size_t j = 0; j < d; j++) {
        const fill_column *c = &f->column[j];
        double g = f->spare[1][i * d + j] * c->deviation;
        if (!mask_of(f, row)[j] || !isfinite(g))
            continue;
        first[j] = KEEP1 * first[j] + (1 - KEEP1) * g;
        second[j] = KEEP2 * second[j] + (1 - KEEP2) * g * g;
        double size = sqrt(second[j] * f->step.correct2) + FLOOR;
        x[j] = inside(c, x[j] + length * c->deviation * first[j] / size);
    }
}

/* Drops the rows that are done. */
static void keep_moving(fill *f)
{
    size_t kept = 0;
    for (size_t i = 0; i < f->movers; i++) {
        const double *own = numbers(f, f->moving[i]);
        if (own[SPEED] > RATE * LAST_SHARE && own[HIDDEN] > 0)
            f->moving[kept++] = f->moving[i];
    }
    f->movers = kept;
}

nicest_status fill_ascend(fill *f, size_t steps, double tolerance)
{
    assert(f->x && f->hidden && tolerance > 0);
    each_filled_row(f, f->rows, begin_ascent);
    f->movers = f->rows;
    for (size_t i = 0; i < f->rows; i++)
        f->moving[i] = i;
    keep_moving(f);
    f->steps = 0;
    while (f->movers > 0 && f->steps < steps) {
        f->steps++;
        f->step =
            (fill_step){.correct2 = 1 / (1 - pow(KEEP2, (double)f->steps)), .tolerance = tolerance};
        each_filled_row(f, f->movers, gather_row);
        evaluate(f, f->movers, f->spare[0], f->logp, f->spare[1]);
        each_filled_row(f, f->movers, ascend_row);
        keep_moving(f);
        TRY(tell(f, f->steps));
    }
    fill_score(f);
    return NICEST_OK;
}

/* ------------------------------------------------------------------ Langevin

   Hidden values are m + S z, where m and S S' are mean and covariance of the Gaussian that
   `given` says. In z that Gaussian is standard, and steps of one length fit every direction of it.
   Sampled is

       pi_t(z) ~ p(m + S z)^t N(z; 0, I)^(1-t),

   t from 0 to 1. A step has a velocity v that lasts for about one deviation (Horowitz, 1991),

       v = k v + sqrt(1 - k^2) w,    w standard normal, k = exp(-e),
       y = z + e (v + e/2 grad log pi_t(z)),

   and is accepted as Metropolis and Hastings say; v turns round where it is not. At t = 1 this is
   the model's conditional density, on unbounded values (those without levels kept in reach). Chains
   that are told where to start have t = 1 from the first step, and start in m's place. */

static const double FIRST_LENGTH = 0.5, ACCEPTED = 0.574, TUNING = 0.3;

/* A chain is lost where its row is less likely than its peak by so many nats, and as many again for
 * each hidden value: that much wider another part of the density would have to be to matter. */
static const double NATS_NEAR = 10;

/* Spare matrices: position and S' d log p/dx, by hidden values; the proposal's, and its row; v. */
enum { POSITION, SLOPE, PROPOSED, PROPOSED_SLOPE, PROPOSED_ROW, VELOCITY };

static double *spare_row(const fill *f, int which, size_t row)
{
    return f->spare[which] + row * f->columns;
}

/* The row of position z into x; scratch[columns]. */
static void place_row(const fill *f, size_t row, const double *z, double *scratch, double *x)
{
    const conditional *g = f->given;
    size_t source = source_of(f, row), d = f->columns;
    const size_t *order = conditional_order(g, source);
    /* A chain that was lost stands at the peak. */
    bool lost = f->number[row * FILL_NUMBERS + LOST] != 0;
    const double *from = f->start ? f->start + row * d : (lost ? f->peak : g->mean) + source * d;
    memcpy(x, from, d * sizeof *x);
    conditional_step(g, source, z, scratch);
    for (size_t a = 0; a < conditional_count(g, source); a++)
        x[order[a]] += scratch[a];
}

static size_t hidden_count(const fill *f, size_t row)
{
    return conditional_count(f->given, source_of(f, row));
}

/* Gradient by columns -> S' gradient by hidden values, in place: those come in the same order. */
static void pull_row(const fill *f, size_t row, double *slope)
{
    const size_t *order = conditional_order(f->given, source_of(f, row));
    for (size_t a = 0; a < hidden_count(f, row); a++)
        slope[a] = isfinite(slope[order[a]]) ? slope[order[a]] : 0;
    conditional_pull(f->given, source_of(f, row), slope);
}

static void draw_row(fill *f, size_t row)
{
    double *z = spare_row(f, POSITION, row);
    size_t bytes = f->columns * sizeof *z;
    numbers(f, row)[SPEED] = FIRST_LENGTH;
    numbers(f, row)[LOST] = 0;
    memset(spare_row(f, VELOCITY, row), 0, bytes);
    memset(z, 0, bytes);
    if (!f->start)
        random_normal(stream_of(f, DRAW_START), key_of(f, row), z, hidden_count(f, row));
    place_row(f, row, z, spare_row(f, PROPOSED, row), f->x + row * f->columns);
}

/* Where the density is zero a chain cannot begin: then it does at the Gaussian's mean. */
static void correct_row(fill *f, size_t row)
{
    size_t bytes = f->columns * sizeof(double);
    if (isfinite(f->logp[row]) || f->start)
        return;
    memset(spare_row(f, POSITION, row), 0, bytes);
    memcpy(f->x + row * f->columns, f->given->mean + source_of(f, row) * f->columns, bytes);
}

/* The Gaussian may be far too wide: one wild training row makes it so, or codes for what is
 * missing. Then half a chain is too short to arrive, and what it has seen is nothing. */
static void rejoin_row(fill *f, size_t row)
{
    size_t bytes = f->columns * sizeof(double), source = source_of(f, row);
    double *own = numbers(f, row);
    double near = NATS_NEAR * (1 + (double)hidden_count(f, row));
    if (!(own[NOW] < f->peak_logp[source] - near))
        return;
    own[LOST] = 1;
    memset(spare_row(f, POSITION, row), 0, bytes);
    memset(spare_row(f, VELOCITY, row), 0, bytes);
    memcpy(f->x + row * f->columns, f->peak + source * f->columns, bytes);
}

static void begin_chain(fill *f, size_t row)
{
    numbers(f, row)[NOW] = f->logp[row];
    pull_row(f, row, spare_row(f, SLOPE, row));
}

/* d log pi_t / dz of one value. */
static double drift(double share, double slope, double z)
{
    return share * slope - (1 - share) * z;
}

static void propose_row(fill *f, size_t row)
{
    const double *z = spare_row(f, POSITION, row), *slope = spare_row(f, SLOPE, row);
    double *y = spare_row(f, PROPOSED, row), *v = spare_row(f, VELOCITY, row);
    double e = numbers(f, row)[SPEED], keep = exp(-e), fresh = sqrt(1 - keep * keep);
    size_t count = hidden_count(f, row);
    random_normal(stream_of(f, DRAW_STEPS + 2 * (uint64_t)f->step.number), key_of(f, row), y,
                  count);
    for (size_t a = 0; a < count; a++) {
        v[a] = keep * v[a] + fresh * y[a];
        y[a] = z[a] + e * (e * drift(f->step.share, slope[a], z[a]) / 2 + v[a]);
    }
    place_row(f, row, y, spare_row(f, PROPOSED_SLOPE, row), spare_row(f, PROPOSED_ROW, row));
}

static bool in_reach(const fill *f, size_t row)
{
    const double *x = spare_row(f, PROPOSED_ROW, row);
    const size_t *order = conditional_order(f->given, source_of(f, row));
    for (size_t a = 0; a < hidden_count(f, row); a++) {
        const fill_column *c = &f->column[order[a]];
        if (!c->bounded && !(x[order[a]] >= c->low && x[order[a]] <= c->high))
            return false;
    }
    return true;
}

/* f->logp has log p of the proposals, their gradients are by columns. */
static void accept_row(fill *f, size_t row)
{
    size_t d = f->columns, bytes = d * sizeof(double);
    double *own = numbers(f, row), u;
    pull_row(f, row, spare_row(f, PROPOSED_SLOPE, row));
    /* v becomes the velocity at y; sum is the log of pi_t(y) N(v) now over before. */
    const double *z = spare_row(f, POSITION, row), *slope = spare_row(f, SLOPE, row);
    const double *y = spare_row(f, PROPOSED, row), *y_slope = spare_row(f, PROPOSED_SLOPE, row);
    double *v = spare_row(f, VELOCITY, row);
    double e = own[SPEED], share = f->step.share, sum = share * (f->logp[row] - own[NOW]);
    size_t count = hidden_count(f, row);
    for (size_t a = 0; a < count; a++) {
        double before = v[a];
        v[a] += e * (drift(share, slope[a], z[a]) + drift(share, y_slope[a], y[a])) / 2;
        sum += (1 - share) * (z[a] * z[a] - y[a] * y[a]) / 2 + (before * before - v[a] * v[a]) / 2;
    }
    double chance = sum >= 0 ? 1 : exp(sum);
    if (isnan(chance) || !in_reach(f, row)) /* or it left what the density can be computed of */
        chance = 0;
    random_uniform_double(stream_of(f, DRAW_STEPS + 2 * (uint64_t)f->step.number + 1),
                          key_of(f, row), &u, 1);
    if (u < chance) {
        own[NOW] = f->logp[row];
        memcpy(spare_row(f, POSITION, row), y, bytes);
        memcpy(spare_row(f, SLOPE, row), y_slope, bytes);
        memcpy(f->x + row * d, spare_row(f, PROPOSED_ROW, row), bytes);
    } else
        for (size_t a = 0; a < count; a++) /* as it was, turned round */
            v[a] = e * (drift(share, slope[a], z[a]) + drift(share, y_slope[a], y[a])) / 2 - v[a];
    if (f->step.number < f->step.tuning)
        own[SPEED] *= exp(TUNING * (chance - ACCEPTED) / sqrt(1 + (double)f->step.number / 20));
}

static void add_state(fill *f, size_t row)
{
    const double *x = f->cut->front ? spare_row(f, PROPOSED_ROW, row) : f->x + row * f->columns;
    for (size_t j = 0; j < f->columns; j++) {
        f->mean[row * f->columns + j] += x[j] / f->step.count;
        f->square[row] += x[j] * x[j] / f->step.count;
    }
}

static void begin_chains(fill *f)
{
    evaluate(f, f->rows, f->x, f->logp, f->spare[SLOPE]);
    each_filled_row(f, f->rows, begin_chain);
}

nicest_status fill_langevin(fill *f, size_t steps)
{
    assert(f->x && f->hidden && f->given && f->each && (!f->peak || f->peak_logp));
    size_t tuning = steps / 2;
    each_filled_row(f, f->rows, draw_row);
    fill_score(f);
    each_filled_row(f, f->rows, correct_row);
    begin_chains(f);
    for (size_t i = 0; i < steps; i++) {
        if (f->peak && !f->start && i == tuning) {
            each_filled_row(f, f->rows, rejoin_row);
            begin_chains(f);
        }
        double way = i < tuning && !f->start ? (double)(i + 1) / (double)tuning : 1;
        f->step = (fill_step){
            .number = i, .tuning = tuning, .share = way * way, .count = (double)(steps - tuning)};
        each_filled_row(f, f->rows, propose_row);
        evaluate(f, f->rows, f->spare[PROPOSED_ROW], f->logp, f->spare[PROPOSED_SLOPE]);
        each_filled_row(f, f->rows, accept_row);
        if (f->mean && i >= tuning) {
            if (f->cut->front)
                cut_inverse(f->cut, f->rows, f->x, f->spare[PROPOSED_ROW]);
            each_filled_row(f, f->rows, add_state);
        }
        TRY(tell(f, i + 1));
    }
    f->steps = steps;
    fill_score(f);
    return NICEST_OK;
}
