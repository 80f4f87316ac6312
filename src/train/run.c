/* run.c - see run.h. */
#include "train/run.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "base/status.h"
#include "base/values.h"
#include "data/source.h"
#include "train/checkpoint.h"

/* What counts as diverged, and how often a run may come back from it. */
enum { ABOVE_STEPS = 50, MOST_RETRIES = 8 };
static const double RATE_CUT = 0.1;

/* Rows that the start is judged by. */
enum { START_SCORED = 4096 };

/* ------------------------------------------------------------------ rows */

/* flow_rows of a data set in its own order, of all training rows moved as in a batch (what the
 * start is measured from), and of the batch at hand. */
static void fetch_plain(const void *context, size_t first, size_t count, double *stored)
{
    source_read(context, first, count, stored);
}

flow_rows run_rows(const nicest_data *data)
{
    return (flow_rows){fetch_plain, data, nicest_data_rows(data)};
}

static void fetch_moved(const void *context, size_t first, size_t count, double *stored)
{
    const trainer *t = context;
    size_t d = nicest_data_columns(t->rows.train);
    if (!t->sum)
        source_read(t->rows.train, first, count, stored);
    for (size_t i = 0; t->sum && i < count; i++)
        source_read(
            t->rows.train,
            values_weighted_row(t->sum, nicest_data_rows(t->rows.train), first + i, t->start_rows),
            1, stored + i * d);
    shift_pictures(&t->shift, 1, UINT32_MAX, first, count, stored);
}

static flow_rows moved_rows(const trainer *t)
{
    return (flow_rows){fetch_moved, t, t->sum ? t->start_rows : nicest_data_rows(t->rows.train)};
}

static void fetch_batch(const void *context, size_t first, size_t count, double *stored)
{
    assert(first + count <= ((const trainer *)context)->recipe.batch);
    const trainer *t = context;
    source_gather(t->rows.train, t->order + first, count, stored);
    shift_pictures(&t->shift, t->moved, t->draw, first, count, stored);
    if (t->flow->spec.masked || t->flow->spec.categories) {
        /* A share of the rows of a batch lose cells, each row as many as it happens: so nets learn
         * what `hidden` and `unknown` mean. Where no value can be hidden, categories alone are. */
        enum { MOST = 1024 };
        static const float SHARE = 0.15f;
        const entry *e = &t->flow->entry;
        random_stream stream = {t->options.seed, RANDOM_HIDE, (uint32_t)t->state.draws};
        float u[MOST + 2];
        size_t d = e->columns < MOST ? e->columns : MOST;
        for (size_t i = 0; i < count; i++) {
            random_uniform(stream, first + i, u, 2);
            if (u[0] >= SHARE)
                continue;
            random_uniform(stream, first + i, u, d + 2);
            for (size_t j = 0; j < d; j++) {
                bool value = e->column[j].role == ENTRY_VALUE;
                size_t states = (size_t)e->column[j].states;
                if (states && isnan(e->table[e->place[j].table + states - 1]))
                    continue; /* there to be missing says something */
                if (u[2 + j] < u[1] && (value ? t->flow->spec.masked : e->place[j].classes > 0))
                    stored[i * e->columns + j] = NAN;
            }
        }
    }
}

/* ------------------------------------------------------------------ opening and closing */

/* One thread is faster where a step is a few microseconds of work. */
static int choose_threads(const trainer *t)
{
    double work = 6.0 * (double)t->flow->tensors.trainable * (double)t->recipe.batch;
    int threads = t->options.threads > 0 ? t->options.threads : parallel_available();
    return work < 1e6 ? 1 : threads;
}

static uint64_t total_steps(const trainer *t)
{
    return t->recipe.steps ? t->recipe.steps : (uint64_t)t->recipe.epochs * t->batches;
}

int run_patience(const trainer *t)
{
    if (t->recipe.patience || t->recipe.seconds > 0)
        return t->recipe.patience ? t->recipe.patience : -1;
    uint64_t validations = total_steps(t) / t->valid_every;
    return validations / 4 > 20 ? (int)(validations / 4) : 20;
}

nicest_status run_prepare(trainer *t)
{
    size_t n = nicest_data_rows(t->rows.train), parameters = t->flow->tensors.trainable;
    size_t valid = nicest_data_rows(t->rows.valid), held_out = nicest_data_rows(t->rows.held_out);
    size_t scored = valid > held_out ? valid : held_out;
    scored = scored > RUN_SCORED ? scored : RUN_SCORED;
    bool bf16 = t->options.precision == NICEST_BF16;
    if (bf16 && !gemm_has_bf16())
        return fail(NICEST_E_UNSUPPORTED, "precision bf16: this processor or build has no bf16 "
                                          "products (AVX512-BF16); use f32");
    int threads = choose_threads(t);
    flow_use use = t->options.recompute                             ? FLOW_RECOMPUTE
                   : t->recipe.clip > 0 || t->recipe.accumulate > 1 ? FLOW_LEARN_WHOLE
                                                                    : FLOW_LEARN;
    TRY(flow_workspace_new(&t->learn, t->flow, use, t->recipe.batch, threads, bf16));
    TRY(flow_workspace_new(&t->score, t->flow, FLOW_SCORE, 0, threads, false));
    TRY(optimizer_open(&t->state.optimizer, &t->recipe.optimizer, t->flow->theta, parameters));
    TRY(stepper_open(&t->stepper, t->flow, t->learn, &t->state.optimizer, t->recipe.clip));
    t->shuffle = memory_new(n, sizeof *t->shuffle);
    t->order = memory_new(t->recipe.batch, sizeof *t->order);
    t->weight = memory_new(t->recipe.batch, sizeof *t->weight);
    for (size_t i = 0; nicest_data_weights(t->rows.train) && i < n; i++)
        t->mean_weight += nicest_data_weights(t->rows.train)[i] / (double)n;
    t->valid_logp = memory_new(scored, sizeof *t->valid_logp);
    t->state.best = memory_new(parameters, sizeof(float));
    TRY(check_memory(t->shuffle && t->order && t->weight && t->valid_logp && t->state.best));
    memcpy(t->state.best, t->flow->theta, parameters * sizeof(float));
    t->batches = n / (t->recipe.batch * t->recipe.accumulate);
    if (!t->batches)
        return fail(NICEST_E_ARGUMENT,
                    "%zu batches of %zu rows make a step: more than the %zu rows "
                    "to train on",
                    t->recipe.accumulate, t->recipe.batch, n);
    /* Validation takes at most a tenth of the time: its rows cost a third of a step's. */
    size_t steps = (10 * valid + 3 * t->recipe.batch - 1) / (3 * t->recipe.batch);
    steps = steps > t->batches ? steps : t->batches;
    t->valid_every = steps > 20 ? steps : 20;
    t->recipe.patience = run_patience(t);
    return NICEST_OK;
}

nicest_status run_open(trainer *t)
{
    enum { MOST_TIMES = 8 };
    const double *weights = nicest_data_weights(t->rows.train);
    size_t n = nicest_data_rows(t->rows.train);
    if (weights) { /* sums of those so far, by which the start chooses its rows */
        double sum = 0, least = HUGE_VAL;
        memory_free(t->sum);
        TRY_NEW(t->sum, n);
        for (size_t i = 0; i < n; i++) {
            t->sum[i] = sum += weights[i];
            least = fmin(least, weights[i]);
        }
        /* so many that each row is there, if that is not very many */
        double wanted = fmin(round(sum / least), MOST_TIMES * (double)n);
        t->start_rows = wanted > (double)n ? (size_t)wanted : n;
    }
    TRY(flow_new(&t->flow, t->recipe.spec, 0));
    TRY(flow_set_entry(t->flow, &t->entry));
    if (t->like) {
        flow_init_like(t->flow, t->like, t->options.seed);
    } else {
        flow_rows rows = moved_rows(t);
        TRY(flow_init(t->flow, &rows, t->options.seed, choose_threads(t)));
    }
    return run_prepare(t);
}

void nicest_trainer_free(nicest_trainer *t)
{
    if (!t)
        return;
    flow_workspace_free(t->learn);
    flow_workspace_free(t->score);
    optimizer_close(&t->state.optimizer);
    memory_free(t->state.best);
    memory_free(t->shuffle);
    memory_free(t->order);
    memory_free(t->weight);
    memory_free(t->sum);
    memory_free(t->valid_logp);
    stepper_close(&t->stepper);
    memory_free(t->mean);
    memory_free(t->identity);
    memory_free(t->sums);
    memory_free(t->said.text);
    nicest_data_free(t->useful[0]);
    nicest_data_free(t->useful[1]);
    recipe_close(&t->recipe);
    entry_close(&t->entry);
    nicest_trainer_free(t->closed); /* may have a workspace of t->flow, as t of its flow */
    flow_free(t->flow);
    if (!t->borrowed) {
        nicest_data_free(t->rows.train);
        nicest_data_free(t->rows.valid);
        nicest_data_free(t->rows.held_out);
        nicest_data_free(t->rows.both);
        nicest_data_free(t->rows.distinct);
    }
    memory_free(t);
}

/* ------------------------------------------------------------------ scoring */

double run_mean_logp(trainer *t, flow_rows rows, size_t most)
{
    assert(rows.count > 0);
    size_t n = rows.count < most ? rows.count : most;
    flow_job job = {.input = FLOW_STORED,
                    .rows = n,
                    .source = &rows,
                    .logp = t->valid_logp,
                    .noise = {t->options.seed, RANDOM_SCORE, 0}};
    const double *weights = rows.fetch == fetch_plain ? nicest_data_weights(rows.context) : NULL;
    double sum = 0, all = 0;
    flow_run(t->score, &job);
    for (size_t i = 0; i < n; i++) {
        sum += values_weight(weights, i) * t->valid_logp[i];
        all += values_weight(weights, i);
    }
    return sum / all;
}

void run_swap(float *a, float *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float keep = a[i];
        a[i] = b[i];
        b[i] = keep;
    }
}

/* Puts the averaged weights in place of the raw ones, and back. */
static void swap_average(trainer *t)
{
    if (t->state.optimizer.average)
        run_swap(t->flow->theta, t->state.optimizer.average, t->flow->tensors.trainable);
}

double run_judge(trainer *t)
{
    const nicest_data *rows = t->rows.valid ? t->rows.valid : t->rows.train;
    swap_average(t);
    double logp =
        run_mean_logp(t, run_rows(rows), t->rows.valid ? nicest_data_rows(rows) : START_SCORED);
    swap_average(t);
    return logp;
}

static double now(const trainer *t)
{
    return parallel_clock() - t->clock;
}

static void keep_best(trainer *t)
{
    const float *weights = t->state.optimizer.average ? t->state.optimizer.average : t->flow->theta;
    memcpy(t->state.best, weights, t->flow->tensors.trainable * sizeof(float));
    t->state.best_logp = t->state.valid_logp;
    t->state.best_step = t->state.step;
    t->state.best_seconds = now(t);
    t->state.stale = 0;
}

/* ------------------------------------------------------------------ one step */

/* Share of the run that is done. */
static double progress_of(const trainer *t)
{
    const train_state *s = &t->state;
    bool timed = t->recipe.seconds > 0;
    double all =
        timed ? t->recipe.seconds - s->raced_seconds : (double)total_steps(t) - (double)s->raced;
    double done = timed ? now(t) - s->raced_seconds : (double)(s->step - s->raced);
    return all > 0 && done < all ? done / all : 1; /* a race may have used all of it */
}

/* Warm-up, then a cosine down to the final share; what won a race goes on at the full rate. */
static double rate_at(const trainer *t, double done)
{
    const recipe *r = &t->recipe;
    double rate = r->rate * t->state.rate_factor;
    if (t->borrowed) /* in the race: soon the full rate */
        return rate * fmin((double)(t->state.step + 1) / 100, 1);
    if (done < r->warmup && !t->state.raced)
        return rate * fmax(done / r->warmup, 1e-3);
    double from = t->state.raced ? 0 : r->warmup;
    double x = from < 1 ? (done - from) / (1 - from) : 0;
    return rate * (r->final_rate + (1 - r->final_rate) * 0.5 * (1 + cos(acos(-1.0) * x)));
}

void run_shuffle(trainer *t)
{
    assert(t->shuffle);
    random_permutation((random_stream){t->options.seed, RANDOM_SHUFFLE, (uint32_t)t->state.epoch},
                       t->shuffle, nicest_data_rows(t->rows.train));
}

/* Forward and backward of the next batch, or of the batches whose gradients make the next step. */
static flow_pass draw_batch(trainer *t)
{
    size_t parts = t->recipe.accumulate, size = t->recipe.batch;
    const uint32_t *shuffled = t->shuffle + (size_t)t->state.in_epoch * size * parts;
    const double *weights = nicest_data_weights(t->rows.train);
    flow_pass all = {.finite = true, .fault = -1};
    t->moved = shift_share(progress_of(t));
    for (size_t part = 0; part < parts && all.finite; part++) {
        uint32_t draw = (uint32_t)(t->state.draws * parts + part);
        for (size_t i = 0; i < size; i++) {
            t->order[i] = shuffled[part * size + i];
            t->weight[i] = weights ? weights[t->order[i]] / t->mean_weight : 1;
        }
        t->draw = draw;
        flow_rows rows = {fetch_batch, t, size};
        dropout drop = {t->options.seed, draw};
        flow_job job = {.input = FLOW_STORED,
                        .rows = size,
                        .source = &rows,
                        .weights = weights ? t->weight : NULL,
                        .total = (double)(size * parts),
                        .accumulate = part > 0,
                        .dropout = &drop,
                        .noise = {t->options.seed, RANDOM_DEQUANTISE, draw}};
        flow_pass pass = flow_learn(t->learn, &job);
        all.mean_logp += pass.mean_logp / (double)parts;
        all.finite = pass.finite;
        all.fault = pass.fault;
    }
    return all;
}

static void next_batch(trainer *t)
{
    t->state.draws++;
    if (++t->state.in_epoch < t->batches)
        return;
    t->state.in_epoch = 0;
    t->state.epoch++;
    run_shuffle(t);
}

/* ------------------------------------------------------------------ telling, recovering, saving */

static nicest_progress progress_now(const trainer *t)
{
    const train_state *s = &t->state;
    nicest_progress p = {
        .stage = "training",
        .step = (size_t)s->step,
        .epoch = (size_t)s->epoch,
        .seconds = now(t),
        .done = progress_of(t),
        .train_logp = s->summed ? s->sum / (double)s->summed : s->train_logp,
        .valid_logp = s->valid_logp,
        .best_logp = s->best_logp,
    };
    p.total_seconds = t->recipe.seconds > 0 ? t->recipe.seconds
                      : p.done > 0          ? p.seconds / p.done
                                            : 0;
    p.rate = p.seconds > 0 ? (double)s->step * (double)t->recipe.batch / p.seconds : 0;
    return p;
}

void run_tell(trainer *t, const char *event)
{
    nicest_progress p = progress_now(t);
    p.event = event;
    t->told = p.seconds;
    if (t->options.progress && t->options.progress(t->options.context, &p) != 0)
        t->stopped = true;
}

/* Back to the best weights with a tenth of the rate. */
static nicest_status recover(trainer *t, const char *what)
{
    train_state *s = &t->state;
    if (++s->retries > MOST_RETRIES)
        return fail(NICEST_E_DIVERGED, "training diverged %d times, last at step %zu: %s",
                    MOST_RETRIES + 1, (size_t)s->step, what);
    memcpy(t->flow->theta, s->best, t->flow->tensors.trainable * sizeof(float));
    flow_transposed(t->learn, false);
    optimizer_reset(&s->optimizer, t->flow->theta);
    s->rate_factor *= RATE_CUT;
    s->above = 0;
    s->sum = 0;
    s->summed = 0;
    OWNED char *event =
        memory_format("diverged at step %zu (%s): back to the best weights, learning rate now "
                      "%.3g",
                      (size_t)s->step, what, t->recipe.rate * s->rate_factor);
    run_tell(t, event);
    return NICEST_OK;
}

nicest_status run_validate(trainer *t)
{
    assert(t->valid_every > 0 && t->batches > 0);
    train_state *s = &t->state;
    s->valid_logp = run_judge(t);
    s->train_logp = s->summed ? s->sum / (double)s->summed : s->train_logp;
    s->sum = 0;
    s->summed = 0;
    s->stale++;
    if (s->valid_logp > s->best_logp)
        keep_best(t);
    s->seconds = now(t);
    curve_point point = {(size_t)s->step, (double)s->step / (double)t->batches, s->train_logp,
                         s->valid_logp, rate_at(t, progress_of(t))};
    record_point(s, &point);
    return t->options.log ? record_log(t->options.log, s, &point) : NICEST_OK;
}

static nicest_status save_checkpoint(trainer *t)
{
    t->state.seconds = now(t);
    t->saved = t->state.seconds;
    t->saved_step = (size_t)t->state.step;
    if (t->options.log) /* a checkpoint counts on the lines before it */
        TRY(record_log_sync(t->options.log));
    return checkpoint_write(t->options.checkpoint, t->flow, &t->state, t->identity, t->said.text,
                            t->result.start);
}

static bool checkpoint_due(const trainer *t)
{
    const nicest_train_options *o = &t->options;
    size_t since = (size_t)t->state.step - t->saved_step;
    if (!o->checkpoint || !since)
        return false;
    double epochs = o->checkpoint_epochs;
    if (!o->checkpoint_steps && !(epochs > 0) && !(o->checkpoint_seconds > 0))
        epochs = 1;
    return (o->checkpoint_steps && since >= o->checkpoint_steps) ||
           (epochs > 0 && (double)since >= epochs * (double)t->batches) ||
           (o->checkpoint_seconds > 0 && now(t) - t->saved >= o->checkpoint_seconds);
}

/* ------------------------------------------------------------------ the loop */

/* By itself, too, far past the best: no better for 20 validations and a third of the time that
 * there is. */
static bool finished(const trainer *t)
{
    const train_state *s = &t->state;
    bool past = t->options.patience == 0 && t->recipe.seconds > 0 && !t->borrowed &&
                t->rows.valid && s->stale >= 20 && now(t) - s->best_seconds > t->recipe.seconds / 3;
    if (past || (t->recipe.patience > 0 && s->stale >= (uint64_t)t->recipe.patience))
        return true;
    return t->recipe.seconds > 0 ? now(t) >= t->recipe.seconds : s->step >= total_steps(t);
}

/* One batch: applied when it is sound, else the run goes back. */
static nicest_status step(trainer *t)
{
    train_state *s = &t->state;
    flow_pass pass = draw_batch(t);
    if (!pass.finite) {
        next_batch(t);
        char what[96] = "the loss is not finite";
        if (pass.fault >= 0)
            snprintf(what, sizeof what, "the loss or its gradient is not finite, layer %d: %s",
                     pass.fault, t->flow->spec.layers[pass.fault]->class->name);
        return recover(t, what);
    }
    s->above = pass.mean_logp < s->start_logp ? s->above + 1 : 0;
    if (s->above >= ABOVE_STEPS) {
        next_batch(t);
        return recover(t, "50 steps worse than the start");
    }
    stepper_apply(&t->stepper, rate_at(t, progress_of(t)));
    s->sum += pass.mean_logp;
    s->summed++;
    s->step++;
    next_batch(t);
    return s->step % t->valid_every == 0 ? run_validate(t) : NICEST_OK;
}

nicest_status run_start(trainer *t)
{
    train_state *s = &t->state;
    s->rate_factor = 1;
    s->train_logp = NAN;
    s->start_logp = run_mean_logp(t, moved_rows(t), START_SCORED);
    s->valid_logp = run_judge(t);
    if (t->options.init && (!isfinite(s->start_logp) || !isfinite(s->valid_logp)))
        return fail(NICEST_E_DATA, "the model to go on from has no finite log-likelihood on these "
                                   "rows: some value is beyond what it has seen as possible");
    if (!isfinite(s->start_logp) || !isfinite(s->valid_logp))
        return fail(NICEST_E_DATA,
                    "the data-initialised model has no finite log-likelihood: the data leaves "
                    "the range of single precision, or (0, 1) where the spec has a logit");
    keep_best(t);
    return NICEST_OK;
}

nicest_status run_begin(trainer *t)
{
    const nicest_train_options *o = &t->options;
    if (o->checkpoint || o->resume) {
        t->identity =
            record_identity(&t->recipe, o, t->rows.train, t->rows.valid, t->rows.held_out);
        TRY(check_memory(t->identity));
    }
    if (o->checkpoint)
        TRY(checkpoint_prepare(o->checkpoint));
    t->clock = parallel_clock();
    if (!t->state.raced)
        TRY(run_start(t));
    if (o->resume) {
        TRY(checkpoint_read(o->resume, t->flow, &t->state, t->identity));
        TRY(flow_check(t->flow));
        if (t->state.in_epoch >= t->batches)
            return fail(NICEST_E_FORMAT, "%s: its epoch has more batches than the data", o->resume);
    }
    t->told = -1;
    t->saved = t->state.seconds;
    t->saved_step = (size_t)t->state.step;
    run_shuffle(t);
    return o->log ? record_log_begin(o->log, &t->state, o->resume != NULL) : NICEST_OK;
}

/* A log or checkpoint that cannot be written ends the run, but costs nobody the best weights. */
static nicest_status keep_weights(trainer *t, nicest_status status)
{
    char *failure = t->result.failure;
    if (status != NICEST_E_IO)
        return status;
    if (!*failure)
        snprintf(failure, sizeof t->result.failure, "%s", nicest_error());
    return NICEST_OK;
}

static nicest_status learn(trainer *t, size_t steps, double seconds)
{
    const char *failure = t->result.failure;
    const uint64_t first = t->state.step;
    const double begun = now(t);
    if (begun - t->told > 0.1)
        run_tell(t, NULL);
    for (;;) {
        t->ended = t->stopped || *failure || finished(t);
        if (t->ended || (steps && t->state.step - first >= steps) ||
            (seconds > 0 && now(t) - begun >= seconds))
            break;
        TRY(keep_weights(t, step(t)));
        if (t->state.step % t->valid_every == 0 || now(t) - t->told > 0.1)
            run_tell(t, NULL);
        if (!*failure && checkpoint_due(t))
            TRY(keep_weights(t, save_checkpoint(t)));
    }
    if (!t->ended)
        return NICEST_OK;
    t->result.interrupted = t->stopped;
    /* else the last one stands: it has every line */
    if (t->options.checkpoint && !*failure && !t->cut)
        TRY(keep_weights(t, save_checkpoint(t)));
    if (t->state.step % t->valid_every)
        TRY(keep_weights(t, run_validate(t)));
    return NICEST_OK;
}

/* The clock stands still between calls. */
static void start_clock(trainer *t)
{
    t->clock = parallel_clock() - t->state.seconds;
}

nicest_status run_steps(trainer *t, size_t steps, double seconds)
{
    if (t->ended)
        return NICEST_OK;
    start_clock(t);
    nicest_status status = learn(t, steps, seconds);
    t->state.seconds = now(t);
    return status;
}

nicest_progress run_progress(trainer *t)
{
    start_clock(t);
    return progress_now(t);
}
