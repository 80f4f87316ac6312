/* race.c - see race.h. Data, options and seed decide everything; with a time also the clock. */
#include "train/race.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/mixture.h"
#include "base/parallel.h"
#include "base/status.h"
#include "base/values.h"
#include "data/source.h"
#include "flow/proof.h"
#include "train/checkpoint.h"
#include "train/split.h"

static const char *const FIRST_NAME[] = {"standardise", "marginal"};
static const char GAUSSIAN[] = STACK_WHITEN "prior normal\n";
static const char NORMALS[] = "scale\nprior normal\n"; /* every column one of its own */

/* Steps of the two heats, and the share of a given time that all contestants have in each. */
enum {
    HEAT_STEPS = 400,
    HEATS = 2,
    FOLDS = 5,
    MOST_PARTS = 32,
    FEWEST_ROWS = 32,
    CHOOSING_ROWS = 8000
};
static const double HEAT_SHARE = 0.17;
/* The share of it after which no larger mixture is tried, behind each first layer. */
static const double CHOOSING_SHARE = 0.15;
/* Where EM is not worth its time: n d^2 numbers of one part and iteration. */
static const double MOST_EM_WORK = 2e9;
/* n d^2 times parts that a choice may go up to, some seconds; and more where a time is given, as
 * many times as it has this many seconds. */
static const double EM_WORK = 1.6e7, EM_SECONDS = 5;
/* n d^3 of rows with holes, and d^3 of others, beyond which five folds take minutes. */
static const double MOST_FOLD_WORK = 5e7, MOST_WIDE_WORK = 1e9;
enum { MOST_MIXTURE_COLUMNS = 128 };

/* ------------------------------------------------------------------ contestants */

/* A run of `spec` (owned from now on) on these rows, without checkpoint and progress. It starts
 * from the rows or, where `like` is the closed form that its couplings are in, from that. */
static nicest_status contest_open(trainer **out, const trainer *parent, nicest_data *train,
                                  nicest_data *valid, char *spec, const flow *like)
{
    OWNED_BY(trainer_drop) trainer *t = memory_new(1, sizeof *t);
    OWNED char *owned = spec;
    TRY(check_memory(t && owned));
    t->options = parent->options;
    t->options.checkpoint = t->options.resume = t->options.log = NULL;
    t->options.progress = NULL;
    t->borrowed = true;
    t->rows = (trainer_rows){.train = train, .valid = valid, .held_out = parent->rows.held_out};
    t->recipe = parent->recipe;
    t->recipe.head = t->recipe.first = t->recipe.last = NULL;
    t->recipe.spec = memory_take(&owned);
    t->recipe.patience = -1;
    t->recipe.seconds = 0;
    t->recipe.steps = SIZE_MAX; /* as long as the race says */
    size_t most = nicest_data_rows(train) / t->recipe.accumulate;
    t->recipe.batch = t->recipe.batch < most ? t->recipe.batch : most;
    t->shift = parent->shift;
    t->like = like;
    t->clock = parallel_clock();
    TRY(check_memory(entry_copy(&t->entry, &parent->entry)));
    TRY(run_open(t));
    TRY(run_start(t));
    run_shuffle(t);
    *out = memory_take(&t);
    return NICEST_OK;
}

typedef struct contestant {
    trainer *run;
    const stack *stack; /* its couplings; NULL: a closed form */
} contestant;

/* They are released together. */
typedef struct contestants {
    contestant one[STACK_CANDIDATES];
} contestants;

static void contestants_close(contestants *c)
{
    for (size_t i = 0; i < STACK_CANDIDATES; i++)
        nicest_trainer_free(c->one[i].run);
}

/* log p, or latent rows, under the weights of a contestant that are in place. */
static void run_all(trainer *t, const nicest_data *data, double *logp, double *latent)
{
    flow_rows rows = run_rows(data);
    flow_run(t->score, &(flow_job){.input = FLOW_STORED,
                                   .rows = rows.count,
                                   .source = &rows,
                                   .logp = logp,
                                   .latent = latent,
                                   .noise = {t->options.seed, RANDOM_SCORE, 0}});
}

static double weight_of_all(const nicest_data *data)
{
    double sum = 0;
    for (size_t i = 0; i < nicest_data_rows(data); i++)
        sum += values_weight(nicest_data_weights(data), i);
    return sum;
}

/* ------------------------------------------------------------------ closed forms */

typedef struct closed_form {
    const char *first, *first_name;
    char last[96], name[64];
    double logp; /* mean, of rows that did not fit it; -infinity where it cannot be fitted */
} closed_form;

/* The number of parts that held-out rows like best, behind `first`; 0 where none can be fitted. The
 * first rows, which are in random order, are enough to choose by. */
static nicest_status choose_parts(const trainer *t, const nicest_data *data, const char *first,
                                  size_t *parts)
{
    size_t all = nicest_data_rows(data), n = all < CHOOSING_ROWS ? all : CHOOSING_ROWS;
    size_t d = t->recipe.values, wide = t->entry.columns;
    double work = (double)n * (double)d * (double)d;
    *parts = 0;
    if (d > MOST_MIXTURE_COLUMNS || work > MOST_EM_WORK || n < FEWEST_ROWS)
        return NICEST_OK;
    OWNED_BY(data_drop) nicest_data *rows = NULL;
    OWNED_BY(trainer_drop) trainer *contest = NULL;
    OWNED_NEW(size_t *, index, n);
    OWNED double *latent = memory_new(n, wide * sizeof *latent);
    TRY(check_memory(latent));
    for (size_t i = 0; i < n; i++)
        index[i] = i;
    TRY(nicest_data_select(&rows, data, index, n));
    TRY(contest_open(&contest, t, rows, NULL,
                     stack_spec(d, t->recipe.head, first, NULL, "prior normal\n"), NULL));
    run_all(contest, rows, NULL, latent);
    for (size_t i = 0; i < n * d; i++) { /* its values stand where the stored row has them */
        double value = latent[i / d * wide + entry_value(&t->entry, i % d)];
        latent[i] = isfinite(value) ? value : NAN; /* else it is hidden */
    }
    mixture_rows some = {.x = latent, .weight = nicest_data_weights(rows), .n = n, .d = d};
    mixture_options o = {.seed = t->options.seed,
                         .threads = t->options.threads,
                         .restarts = 1,
                         .background = true,
                         .seconds = CHOOSING_SHARE * t->recipe.seconds};
    double times = fmin(fmax(t->recipe.seconds / EM_SECONDS, 1), 8);
    double most = fmin(fmax(times * EM_WORK / work, 4), MOST_PARTS);
    nicest_status status = mixture_choose(parts, &some, &o, (size_t)most, NULL);
    return status == NICEST_E_DATA ? NICEST_OK : status;
}

/* Fits a closed form to some rows; its mean log p of others. One that fails is not chosen. */
static nicest_status fit_closed(const trainer *t, nicest_data *train, nicest_data *valid,
                                const closed_form *c, trainer **fitted, double *logp)
{
    OWNED_BY(trainer_drop) trainer *contest = NULL;
    nicest_status status =
        contest_open(&contest, t, train, valid,
                     stack_spec(t->recipe.values, t->recipe.head, c->first, NULL, c->last), NULL);
    *logp = status == NICEST_OK ? contest->state.best_logp : -INFINITY;
    if (fitted)
        *fitted = memory_take(&contest);
    return status == NICEST_E_MEMORY ? status : NICEST_OK;
}

/* Mean log p of rows of five folds, each under a fit to the others. */
static nicest_status cross_validate(const trainer *t, closed_form *c, size_t count)
{
    OWNED_BY(split_close) split s = {0};
    nicest_data *all = t->rows.both ? t->rows.both : t->rows.train;
    size_t n = nicest_data_rows(all);
    TRY(split_open(&s, all, NULL, n, (random_stream){t->options.seed, RANDOM_SPLIT, 1}));
    for (size_t fold = 0; fold < FOLDS; fold++) {
        size_t from = s.groups * fold / FOLDS, to = s.groups * (fold + 1) / FOLDS;
        OWNED_BY(data_drop) nicest_data *out = NULL, *rest = NULL;
        if (to == from)
            continue;
        TRY(split_take(&out, &s, all, from, to - from));
        TRY(split_leave(&rest, &s, all, from, to - from));
        for (size_t i = 0; rest && i < count; i++) {
            double logp;
            TRY(fit_closed(t, rest, out, &c[i], NULL, &logp));
            c[i].logp += logp * weight_of_all(out) / weight_of_all(all);
        }
    }
    return NICEST_OK;
}

/* One more form that begins as `form` does, with `what` behind the name of its beginning. */
static void add_form(closed_form *c, size_t *count, const closed_form *form, const char *last,
                     const char *what)
{
    closed_form *made = &c[(*count)++];
    *made = *form;
    snprintf(made->last, sizeof made->last, "%s", last);
    snprintf(made->name, sizeof made->name, "%s%s", form->first_name, what);
}

static nicest_status add_closed(const trainer *t, nicest_data *rows, int which, closed_form *c,
                                size_t *count)
{
    const recipe *r = &t->recipe;
    bool few = nicest_data_rows(rows) < FEWEST_ROWS;
    closed_form form = {.first = r->first ? r->first
                                 : which  ? r->marginal
                                 : few    ? r->standardise
                                          : r->line,
                        .first_name = r->first ? "given first layer" : FIRST_NAME[which]};
    size_t parts = 0;
    char last[40], what[40];
    if (r->last) {
        add_form(c, count, &form, r->last, "");
        return NICEST_OK;
    }
    if (!strstr(r->head, "masked")) /* a triangle mixes what is hidden */
        add_form(c, count, &form, few ? NORMALS : GAUSSIAN, " + Gaussian");
    TRY(choose_parts(t, rows, form.first, &parts));
    snprintf(last, sizeof last, "prior mixture:%zu:background\n", parts);
    snprintf(what, sizeof what, " + mixture of %zu", parts);
    if (parts)
        add_form(c, count, &form, last, what);
    else if (!*count) /* where nothing else can be fitted: every column a normal */
        add_form(c, count, &form, NORMALS, " + independent normals");
    return NICEST_OK;
}

/* Held-out figures of the closed forms, for the result: of a Gaussian, a copula, a mixture. */
static nicest_status refer(trainer *t, const closed_form *c, const contestants *fit, size_t count)
{
    nicest_data *rows = t->rows.held_out ? t->rows.held_out : t->rows.valid;
    size_t n = rows ? nicest_data_rows(rows) : 0;
    double weight = rows ? weight_of_all(rows) : 0;
    OWNED_NEW(double *, logp, n);
    for (size_t i = 0; n && i < count; i++) {
        bool marginal = !strcmp(c[i].first_name, "marginal"), mixed = strstr(c[i].name, "mixture");
        double sum = 0, *figure = mixed ? &t->state.mixture_logp : &t->state.copula_logp;
        if (marginal == mixed || !fit->one[i].run)
            continue;
        run_all(fit->one[i].run, rows, logp, NULL);
        for (size_t r = 0; r < n; r++)
            sum += values_weight(nicest_data_weights(rows), r) * logp[r] / weight;
        *figure = isfinite(sum) ? sum : NAN;
    }
    return NICEST_OK;
}

static void say_closed(trainer *t, const closed_form *c, size_t count, size_t chosen, bool folds)
{
    char line[512];
    int used = snprintf(line, sizeof line, "closed forms, nats of %s:",
                        folds ? "rows left out in five folds" : "validation rows");
    for (size_t i = 0; i < count; i++)
        if (isfinite(c[i].logp))
            used += snprintf(line + used, sizeof line - (size_t)used, "%s %s %.4g",
                             line[used - 1] == ':' ? "" : ",", c[i].name, c[i].logp);
    if (count > 1)
        words_add(&t->said, "%s", line);
    words_add(&t->said, "start: %s", c[chosen].name);
    snprintf(line, sizeof line, "start: %s, the best closed form, %.5g nats", c[chosen].name,
             c[chosen].logp);
    run_tell(t, line);
    snprintf(t->result.start, sizeof t->result.start, "%s", c[chosen].name);
}

/* The best closed form: all are fitted to the training rows once, compared, and said. */
static nicest_status choose_closed(trainer *t, closed_form *best, trainer **fitted)
{
    closed_form c[4] = {0};
    OWNED_BY(contestants_close) contestants fit = {0};
    size_t count = 0, chosen = 0;
    nicest_data *rows = t->rows.both ? t->rows.both : t->rows.train;
    double d = (double)t->recipe.values, work = d * d * d;
    bool dear = strstr(t->recipe.head, "masked")
                    ? (double)nicest_data_rows(rows) * work > MOST_FOLD_WORK
                    : work > MOST_WIDE_WORK;
    bool folds = !t->rows.valid || (t->rows.both && !dear);
    bool few = nicest_data_rows(rows) < FEWEST_ROWS; /* too few for a marginal */
    for (int which = 0; which < (t->recipe.first || few ? 1 : 2); which++)
        TRY(add_closed(t, rows, which, c, &count));
    if (folds && count > 1)
        TRY(cross_validate(t, c, count));
    for (size_t i = 0; i < count; i++) {
        double logp;
        TRY(fit_closed(t, t->rows.train, t->rows.valid, &c[i], &fit.one[i].run, &logp));
        if (!folds || count == 1 || !fit.one[i].run)
            c[i].logp = logp;
        chosen = c[i].logp > c[chosen].logp ? i : chosen;
    }
    TRY(refer(t, c, &fit, count));
    say_closed(t, c, count, chosen, folds);
    *best = c[chosen];
    *fitted = memory_take(&fit.one[chosen].run);
    if (*fitted)
        return NICEST_OK;
    return fail(NICEST_E_DATA, "no closed form has a finite log-likelihood on these rows: %s",
                nicest_error());
}

/* ------------------------------------------------------------------ heats */

static void sort_contest(contestant *c, size_t count)
{
    for (size_t i = 1; i < count; i++)
        for (size_t k = i; k > 0 && c[k].run->state.best_logp > c[k - 1].run->state.best_logp;
             k--) {
            contestant other = c[k];
            c[k] = c[k - 1];
            c[k - 1] = other;
        }
}

/* What a contestant has done is progress of the whole run, on its clock. */
static int pass_on(void *context, const nicest_progress *own)
{
    trainer *t = context;
    nicest_progress p = *own;
    p.seconds = parallel_clock() - t->clock;
    p.total_seconds = t->recipe.seconds;
    p.done = p.total_seconds > 0 ? fmin(p.seconds / p.total_seconds, 1) : 0;
    p.event = NULL; /* one that diverges is merely out */
    t->stopped = t->options.progress(t->options.context, &p) != 0 || t->stopped;
    return t->stopped;
}

/* Every stack behind the closed form, sorted by what it reached; the two best in the second heat.
 * `ahead` says how far the winner is from the other one. */
static nicest_status run_heats(trainer *t, const closed_form *c, contestant *all, size_t *count,
                               char ahead[160])
{
    char event[288];
    *ahead = 0;
    for (int heat = 0; heat < HEATS && !t->stopped; heat++) {
        size_t from = heat ? *count : STACK_CANDIDATES;
        double seconds = t->recipe.seconds > 0 ? HEAT_SHARE * t->recipe.seconds / (double)from : 0;
        for (size_t i = 0; i < from && !t->stopped; i++) {
            if (!heat) {
                const stack *s = all[i].stack = &STACK_RACE[i];
                TRY(contest_open(&all[i].run, t, t->rows.train, t->rows.valid,
                                 stack_spec(t->recipe.values, t->recipe.head, c->first, s, c->last),
                                 t->closed->flow));
                *count = i + 1;
                all[i].run->options.progress = t->options.progress ? pass_on : NULL;
                all[i].run->options.context = t;
                if (s->rate > 0 && !(t->options.learning_rate > 0))
                    all[i].run->recipe.rate *= s->rate;
            }
            trainer *run = all[i].run;
            nicest_status status = run_steps(run, seconds > 0 ? 0 : HEAT_STEPS, seconds);
            if (status == NICEST_OK && run->state.step % run->valid_every)
                status = run_validate(run);
            if (status != NICEST_OK && status != NICEST_E_DIVERGED) /* that one is out */
                return status;
            snprintf(event, sizeof event,
                     "race: %-47s %.5g nats on validation rows after %zu steps",
                     stack_name(all[i].stack).text, run->state.best_logp, (size_t)run->state.step);
            run_tell(t, event);
        }
        sort_contest(all, *count);
        if (heat && *count > 1) {
            snprintf(ahead, 160, ", %.2g nats ahead of %s",
                     all[0].run->state.best_logp - all[1].run->state.best_logp,
                     stack_name(all[1].stack).text);
            snprintf(event, sizeof event, "race: %s wins%s, and trains on",
                     stack_name(all[0].stack).text, ahead);
            run_tell(t, event);
        }
        for (size_t keep = heat ? 1 : 2; *count > keep; all[*count].run = NULL)
            nicest_trainer_free(all[--*count].run);
    }
    return NICEST_OK;
}

/* Training goes on with the winner, where it is. */
static void adopt(trainer *t, trainer *winner)
{
    t->flow = memory_take(&winner->flow);
    t->learn = memory_take(&winner->learn);
    t->score = memory_take(&winner->score);
    winner->state.copula_logp = t->state.copula_logp;
    winner->state.mixture_logp = t->state.mixture_logp;
    t->state = winner->state;
    t->stepper = winner->stepper;
    t->stepper.optimizer = &t->state.optimizer;
    t->shuffle = memory_take(&winner->shuffle);
    t->order = memory_take(&winner->order);
    t->weight = memory_take(&winner->weight);
    t->valid_logp = memory_take(&winner->valid_logp);
    t->mean_weight = winner->mean_weight;
    t->batches = winner->batches;
    t->valid_every = winner->valid_every;
    t->recipe.spec = memory_take(&winner->recipe.spec);
    t->recipe.batch = winner->recipe.batch;
    t->recipe.rate = winner->recipe.rate;
    t->recipe.patience = run_patience(t);
    t->state.raced = winner->state.step;
    winner->state = (train_state){0};
    winner->stepper = (stepper){0};
    nicest_trainer_free(winner);
}

static nicest_status race_stacks(trainer *t, const closed_form *c)
{
    OWNED_BY(contestants_close) contestants all = {0};
    size_t count = 0;
    char ahead[160];
    nicest_status status = run_heats(t, c, all.one, &count, ahead);
    t->cut = t->stopped;
    if (status != NICEST_OK || count == 0)
        return status;
    sort_contest(all.one, count);
    adopt(t, memory_take(&all.one[0].run));
    words_add(&t->said, "couplings: %s, learning rate %g: the best of %d tried%s",
              stack_name(all.one[0].stack).text, t->recipe.rate, STACK_CANDIDATES, ahead);
    return NICEST_OK;
}

nicest_status race_run(trainer *t)
{
    closed_form best;
    double began = parallel_clock();
    t->clock = began;
    if (t->options.checkpoint && t->recipe.race) {
        TRY(checkpoint_prepare(t->options.checkpoint));
        TRY(checkpoint_write_race(t->options.checkpoint));
    }
    if (!t->recipe.values) { /* categories alone */
        t->recipe.spec = stack_spec(0, t->recipe.head, "", NULL, "prior normal\n");
        return t->recipe.spec ? run_open(t) : fail_memory();
    }
    TRY(choose_closed(t, &best, &t->closed));
    if (t->recipe.race)
        TRY(race_stacks(t, &best));
    if (!t->flow) {
        t->recipe.spec =
            stack_spec(t->recipe.values, t->recipe.head, best.first, &t->recipe.stack, best.last);
        if (!t->recipe.spec)
            return fail_memory();
        TRY(run_open(t));
    }
    t->state.seconds = parallel_clock() - began;
    t->state.raced_seconds = t->state.seconds;
    return NICEST_OK;
}

/* The spec without its couplings: the closed form that they are in. */
static char *without_couplings(const char *spec)
{
    char *copy = memory_text(spec), *to = copy;
    for (const char *line = spec, *next; copy && *line; line = next) {
        size_t length = strcspn(line, "\n");
        next = line + length + (line[length] != 0);
        if (!strncmp(line, "coupling ", 9) || !strncmp(line, "permute ", 8) ||
            !strncmp(line, "autoregressive ", 15) || !strncmp(line, "elementwise ", 12))
            continue;
        memcpy(to, line, (size_t)(next - line));
        to += next - line;
    }
    if (copy)
        *to = 0;
    return copy;
}

nicest_status race_resume(trainer *t)
{
    char *chosen = NULL;
    double rate = t->recipe.rate;
    TRY(checkpoint_spec(t->options.resume, &t->recipe.spec, &chosen, t->result.start,
                        sizeof t->result.start, &rate));
    if (!(t->options.learning_rate > 0)) /* the winner's */
        t->recipe.rate = rate;
    if (chosen) {
        memory_free(t->said.text);
        t->said.text = chosen;
    }
    if (!t->recipe.spec) { /* it was written before a race that nobody finished */
        t->options.resume = NULL;
        return race_run(t);
    }
    TRY(contest_open(&t->closed, t, t->rows.train, t->rows.valid, without_couplings(t->recipe.spec),
                     NULL));
    t->like = t->closed->flow; /* what learns nothing is from there, as in the race */
    return run_open(t);
}

/* ------------------------------------------------------------------ the end */

/* Whether the flow in place is proven on a few rows: that they come back to 1e-5 of their columns'
 * deviation, and, of up to PROVEN_COLUMNS columns, that log-determinant and gradients are right. */
static nicest_status is_sound(const trainer *t, bool *sound)
{
    enum { ROWS = 256, PROVEN_ROWS = 3, PROVEN_COLUMNS = 128 };
    const nicest_data *data = t->rows.valid ? t->rows.valid : t->rows.train;
    const flow *f = t->flow;
    size_t d = nicest_data_columns(data), n = nicest_data_rows(data);
    n = n < ROWS ? n : ROWS;
    *sound = true;
    if (f->entry.mixed || f->spec.masked)
        return NICEST_OK; /* rows of such tables have no plain latent to come back from */
    OWNED double *x = memory_new(4 * n, d * sizeof *x);
    OWNED_NEW(float *, u, d);
    TRY(check_memory(x));
    double *latent = x + n * d, *again = latent + n * d, *centred = again + n * d;
    random_stream noise = {t->options.seed, RANDOM_SCORE, 0};
    TRY(nicest_data_read(data, 0, n, again));
    for (size_t i = 0; i < n; i++)
        entry_dequantise_row(&f->entry, again + i * d, noise, i, u, x + i * d);
    flow_job there = {.input = FLOW_CONTINUOUS, .rows = n, .values = x, .latent = latent};
    flow_job back = {.input = FLOW_LATENT, .rows = n, .values = latent, .continuous = again};
    flow_run(t->score, &there);
    flow_run(t->score, &back);
    for (size_t i = 0; i < n * d; i++) {
        double size = t->deviation[i % d] > 0 ? t->deviation[i % d] : 1;
        *sound = *sound && !(fabs(again[i] - x[i]) > 1e-5 * size);
    }
    if (!*sound || d > PROVEN_COLUMNS)
        return NICEST_OK;
    for (size_t i = 0; i < n * d; i++) {
        centred[i] = x[i] - f->entry.column[i % d].centre;
        again[i % d] = t->deviation[i % d] > 0 ? t->deviation[i % d] : 1;
    }
    proof found;
    proof_subject subject = {
        f->spec.text, f->theta, f->frozen, centred, n < PROVEN_ROWS ? n : PROVEN_ROWS, again};
    nicest_status status = proof_run(&subject, t->options.seed, t->options.threads, &found);
    *sound = status == NICEST_OK && found.logdet_error <= 1e-6 && found.gradient_error <= 1e-6;
    return status;
}

/* The paired gain of the couplings' best weights on validation rows, and its standard error. */
static nicest_status measure_gain(trainer *t, double *gain, double *error)
{
    size_t n = nicest_data_rows(t->rows.valid);
    double sum = 0, square = 0, all = 0;
    const double *weights = nicest_data_weights(t->rows.valid);
    double worth = values_worth(weights, n, 1);
    OWNED_NEW(double *, logp, 2 * n);
    run_all(t, t->rows.valid, logp, NULL);
    run_all(t->closed, t->rows.valid, logp + n, NULL);
    for (size_t i = 0; i < n; i++) {
        double weight = values_weight(weights, i), difference = logp[i] - logp[n + i];
        difference = isnan(difference) ? 0 : difference; /* both are impossible */
        sum += weight * difference;
        square += weight * difference * difference;
        all += weight;
    }
    *gain = sum / all;
    *error = worth > 1 ? sqrt(fmax(square / all - *gain * *gain, 0) / (worth - 1)) : INFINITY;
    return NICEST_OK;
}

/* Another flow takes the place of the couplings, fitted to `rows`. */
static nicest_status fall_back(trainer *t, nicest_data *rows, char *spec, double judged)
{
    trainer *closed = NULL;
    TRY(contest_open(&closed, t, rows, t->rows.valid, spec, NULL));
    flow_workspace_free(t->learn); /* nothing is learnt any more */
    t->learn = NULL;
    nicest_trainer_free(t->closed);
    t->closed = closed;
    flow *couplings = t->flow;
    flow_workspace *score = t->score;
    float *best = t->state.best;
    t->flow = closed->flow;
    t->score = closed->score;
    t->state.best = closed->state.best;
    t->state.best_logp = isnan(judged) ? closed->state.best_logp : judged;
    closed->flow = couplings;
    closed->score = score;
    closed->state.best = best;
    return NICEST_OK;
}

/* The best weights are put in place, and back. */
static nicest_status judge_couplings(trainer *t, bool *sound, double *gain, double *error)
{
    size_t bytes = t->flow->tensors.trainable * sizeof *t->flow->theta;
    OWNED float *weights = memory_copy(t->flow->theta, bytes, 1);
    TRY(check_memory(weights));
    memcpy(t->flow->theta, t->state.best, bytes);
    nicest_status status = t->rows.valid ? measure_gain(t, gain, error) : NICEST_OK;
    if (status == NICEST_OK && *gain > *error)
        status = is_sound(t, sound);
    memcpy(t->flow->theta, weights, bytes);
    return status;
}

nicest_status race_end(trainer *t)
{
    double gain = INFINITY, error = 0;
    bool sound = true;
    if (!t->closed)
        return NICEST_OK;
    TRY(judge_couplings(t, &sound, &gain, &error));
    if (sound && gain > error) {
        if (t->rows.valid)
            words_add(&t->said,
                      "couplings gain %.4g +- %.2g nats on validation rows over the closed form",
                      gain, error);
        return NICEST_OK;
    }
    if (!isfinite(error) || !isfinite(gain))
        words_add(&t->said, "too few rows to tell whether couplings gain: the closed form stays");
    else
        words_add(&t->said,
                  "couplings gain %.4g +- %.2g nats on validation rows, %s: the closed form stays",
                  gain, error, sound ? "no sure gain" : "but are not proven on these rows");
    /* of few rows it is fitted to those that served to stop as well */
    TRY(fall_back(t, t->rows.both ? t->rows.both : t->rows.train,
                  memory_text(t->closed->recipe.spec), t->closed->state.best_logp));
    TRY(is_sound(t, &sound));
    /* What takes the place of a closed form that is not proven, one after the other. */
    const struct {
        const char *name, *first, *last;
    } plainer[] = {{"marginal + Gaussian", t->recipe.marginal, GAUSSIAN},
                   {"standardise + Gaussian", t->recipe.standardise, GAUSSIAN},
                   {"every column a normal", t->recipe.standardise, NORMALS}};
    nicest_status status = NICEST_OK;
    for (size_t i = 0; !sound && i < sizeof plainer / sizeof *plainer; i++) {
        char *spec =
            stack_spec(t->recipe.values, t->recipe.head, plainer[i].first, NULL, plainer[i].last);
        status = fall_back(t, t->rows.train, spec, NAN);
        if (status == NICEST_E_MEMORY)
            return status;
        if (status != NICEST_OK) /* it cannot be fitted to these rows */
            continue;
        words_add(&t->said, "the closed form is not proven on these rows: %s", plainer[i].name);
        TRY(is_sound(t, &sound));
    }
    return status;
}
