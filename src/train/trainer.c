/* trainer.c - see trainer.h. */
#include "train/trainer.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "base/status.h"
#include "base/values.h"
#include "data/source.h"
#include "model/model.h"
#include "train/checkpoint.h"
#include "train/columns.h"
#include "train/race.h"
#include "train/recipe.h"
#include "train/roles.h"
#include "train/run.h"
#include "train/shift.h"
#include "train/split.h"
#include "train/step.h"
#include "train/sums.h"

/* What counts as diverged, and how often a run may come back from it. */
enum { ABOVE_STEPS = 50, MOST_RETRIES = 8 };

/* Training rows that the final figure is of, and the start. */
enum { TRAIN_SCORED = 10000, START_SCORED = 4096 };
static const double RATE_CUT = 0.1;

/* ------------------------------------------------------------------ rows */

/* What rows can serve. */
typedef struct row_survey {
    size_t *index;       /* in order, [rows] */
    size_t count, holed; /* how many; and of these have a missing value */
    size_t empty;        /* the first column without a finite value in any row; columns: none */
} row_survey;

static void survey_close(row_survey *s)
{
    memory_free(s->index);
}

/* Of rows whose weight is not 0: all without infinities and NaN, or with `holes` with some value.
 */
static nicest_status survey_rows(const nicest_data *data, bool holes, row_survey *s)
{
    size_t d = nicest_data_columns(data);
    const double *weights = nicest_data_weights(data);
    OWNED_BY(row_walk_close) row_walk w = {0};
    TRY(row_walk_begin(&w, data, 64));
    OWNED_NEW(bool *, seen, d);
    TRY_NEW(s->index, nicest_data_rows(data));
    while (row_walk_next(&w))
        for (size_t i = 0; i < w.count; i++) {
            size_t missing = 0, infinite = 0;
            for (size_t j = 0; j < d; j++) {
                double value = w.rows[i * d + j];
                missing += isnan(value);
                infinite += isinf(value);
                seen[j] = seen[j] || isfinite(value);
            }
            if (infinite || missing > (holes ? d - 1 : 0) ||
                (weights && !(weights[w.first + i] > 0)))
                continue;
            s->index[s->count++] = w.first + i;
            s->holed += missing > 0;
        }
    while (s->empty < d && seen[s->empty])
        s->empty++;
    return NICEST_OK;
}

static nicest_status check_share(const char *what, double share)
{
    if (!isnan(share) && !(share >= 0 && share < 1))
        return fail(NICEST_E_ARGUMENT, "%s: %g is not in [0, 1)", what, share);
    return NICEST_OK;
}

/* Training rows; what was left out, and rows with holes, are said. Where there are none of these,
 * none serves in validation either. */
static nicest_status keep_finite(trainer *t, const nicest_data *data, row_survey *s)
{
    size_t n = nicest_data_rows(data);
    TRY(survey_rows(data, t->holes, s));
    if (s->count < n)
        words_add(&t->said, "rows: %zu of %zu have %s values%s and are left out", n - s->count, n,
                  t->holes ? "infinite" : "missing or infinite",
                  nicest_data_weights(data) ? ", or no weight," : "");
    t->holes = s->holed > 0;
    if (s->holed)
        words_add(&t->said,
                  "rows: %zu of %zu have missing values; log p is that of what is seen, given "
                  "which cells are",
                  s->holed, s->count);
    if (s->count >= 2)
        return NICEST_OK;
    if (n > 0 && !t->holes && s->empty < nicest_data_columns(data))
        return fail(NICEST_E_DATA, "column %zu (%s) has no value in any of %zu rows: leave it out",
                    s->empty + 1, nicest_data_column_name(data, s->empty), n);
    return fail(NICEST_E_DATA, "%zu usable row%s of %zu: at least 2 are needed", s->count,
                s->count == 1 ? "" : "s", n);
}

/* Where rows copy others, each counts as often as it occurs. Shares are of distinct rows. */
static nicest_status split_training(trainer *t, const nicest_data *data, bool has_valid,
                                    double valid, double calibration)
{
    OWNED_BY(split_close) split s = {0};
    OWNED_BY(survey_close) row_survey rows = {0};
    random_stream stream = {t->options.seed, RANDOM_SPLIT, 0};
    TRY(keep_finite(t, data, &rows));
    TRY(split_open(&s, data, rows.index, rows.count, stream));
    if (s.groups < s.rows) {
        words_add(
            &t->said,
            "copies: %zu of %zu rows repeat others: %zu rows, each counts as often as it occurs",
            s.rows - s.groups, s.rows, s.groups);
        TRY(split_take(&t->rows.distinct, &s, data, 0, s.groups));
        t->rows.all = t->rows.distinct;
    }
    recipe_shares(s.groups, has_valid, &valid, &calibration);
    TRY(require(has_valid || valid + calibration < 1,
                "the shares of validation and calibration leave no row"));
    size_t stop = has_valid ? 0 : (size_t)(valid * (double)s.groups);
    size_t held_out = has_valid ? 0 : (size_t)(calibration * (double)s.groups);
    size_t learn = s.groups - stop - held_out;
    TRY(split_take(&t->rows.train, &s, data, 0, learn));
    TRY(split_take(&t->rows.valid, &s, data, learn, stop));
    TRY(split_take(&t->rows.held_out, &s, data, learn + stop, held_out));
    if (learn + stop <= RACE_FOLDS_BELOW)
        TRY(split_take(&t->rows.both, &s, data, 0, learn + stop));
    return NICEST_OK;
}

/* Given validation rows: half of them stop training, the other half calibrate. */
static nicest_status split_valid(trainer *t, const nicest_data *data, bool calibrate)
{
    OWNED_BY(split_close) split s = {0};
    OWNED_BY(survey_close) row_survey rows = {0};
    random_stream stream = {t->options.seed, RANDOM_SPLIT, 0};
    TRY(survey_rows(data, t->holes, &rows));
    if (!rows.count)
        return fail(NICEST_E_DATA, "the validation data has no usable row");
    TRY(split_open(&s, data, rows.index, rows.count, stream));
    size_t held_out = calibrate ? s.groups / 2 : 0, stop = s.groups - held_out;
    TRY(split_take(&t->rows.valid, &s, data, 0, stop));
    return split_take(&t->rows.held_out, &s, data, stop, held_out);
}

const trainer_rows *trainer_parts(const nicest_trainer *t, const nicest_train_options **options)
{
    *options = &t->options;
    return &t->rows;
}

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

/* ------------------------------------------------------------------ preparation */

static nicest_status copy_flow(flow **out, const flow *f)
{
    OWNED_BY(flow_drop) flow *made = NULL;
    TRY(flow_new(&made, f->spec.text, 0));
    memcpy(made->theta, f->theta, f->tensors.trainable * sizeof *f->theta);
    memcpy(made->frozen, f->frozen, f->tensors.frozen * sizeof *f->frozen);
    TRY(flow_set_entry(made, &f->entry));
    *out = memory_take(&made);
    return NICEST_OK;
}

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

static nicest_status open_run(trainer *t)
{
    size_t n = nicest_data_rows(t->rows.train), parameters = t->flow->tensors.trainable;
    size_t valid = nicest_data_rows(t->rows.valid), held_out = nicest_data_rows(t->rows.held_out);
    size_t scored = valid > held_out ? valid : held_out;
    scored = scored > TRAIN_SCORED ? scored : TRAIN_SCORED;
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

/* "2,3x4": the classes of the entry's categories, or NULL, also where memory runs out. */
static char *write_classes(const entry *e)
{
    char *text = NULL;
    size_t run = 0, last = 0;
    for (size_t j = 0; j <= e->columns; j++) {
        bool own = j < e->columns && e->place[j].category != SIZE_MAX;
        size_t classes = own ? e->place[j].classes : 0;
        if (run && (j == e->columns || (own && classes != last))) {
            char *longer = memory_format(run > 1 ? "%s%s%zux%zu" : "%s%s%zu", text ? text : "",
                                         text ? "," : "", last, run);
            memory_free(text);
            text = longer;
            run = 0;
        }
        last = own ? classes : last;
        run += own;
    }
    return text;
}

/* The column whose name `text` begins with, up to a comma or the end, and the name's length;
 * SIZE_MAX where there is none. Names may have commas: one that is not given yet goes first, then
 * the longest. */
static size_t find_given(const trainer *t, const entry *e, const char *text, size_t *length)
{
    size_t found = SIZE_MAX;
    for (size_t j = 0; j < e->columns; j++) {
        const char *name = nicest_data_column_name(t->rows.train, j);
        size_t size = strlen(name);
        bool fresh = !(e->column[j].given > 0);
        if (strncmp(name, text, size) || (text[size] && text[size] != ','))
            continue;
        bool other_fresh = found != SIZE_MAX && !(e->column[found].given > 0);
        if (found == SIZE_MAX || fresh > other_fresh || (fresh == other_fresh && size > *length)) {
            found = j;
            *length = size;
        }
    }
    return found;
}

/* The columns of options.given become what the density is given; one that follows from another
 * needs no place of its own where that is given too. */
static nicest_status give_columns(const trainer *t, entry *e)
{
    size_t length = 0;
    for (const char *at = t->options.given; *at; at += length + (at[length] == ',')) {
        size_t j = find_given(t, e, at, &length);
        if (j == SIZE_MAX)
            return fail(NICEST_E_ARGUMENT, "given: there is no column '%.*s'",
                        (int)strcspn(at, ","), at);
        e->column[j].given = 1;
    }
    for (size_t j = 0; j < e->columns; j++) {
        entry_column *c = &e->column[j];
        size_t source = c->role == ENTRY_FOLLOWS ? (size_t)c->source : 0;
        if (c->given > 0 && source > 0 && !(e->column[source - 1].given > 0))
            return fail(NICEST_E_ARGUMENT, "given: column %s follows from %s: give that",
                        nicest_data_column_name(t->rows.train, j),
                        nicest_data_column_name(t->rows.train, source - 1));
        c->given = c->given > 0 && c->role != ENTRY_FOLLOWS;
    }
    TRY(entry_set(e));
    return e->values + e->categories ? NICEST_OK
                                     : fail(NICEST_E_ARGUMENT, "given: no other column is left");
}

/* What the columns are; `plain`: values only, as a spec without categories wants them. */
static nicest_status recognise_columns(trainer *t, entry *e, recipe_data *shape, bool plain)
{
    if (t->options.init) {
        const double *sums = model_array(t->options.init, MODEL_SUMS, &t->sum_count);
        TRY_COPY(t->sums, sums, t->sum_count);
        return check_memory(entry_copy(e, &model_flow_const(t->options.init)->entry));
    }
    if (!entry_open(e, nicest_data_columns(t->rows.train)))
        return fail_memory();
    const char *said = t->options.absence;
    roles_absence absence = !said                    ? ROLES_ABSENT_CATEGORIES
                            : !strcmp(said, "model") ? ROLES_ABSENT
                                                     : ROLES_IGNORE;
    if (!plain)
        TRY(roles_choose(e, t->rows.train, t->rows.all, absence, &t->said));
    if (t->options.given)
        TRY(give_columns(t, e));
    TRY(columns_recognise(e, t->rows.train, &shape->ties, &t->said));
    if (plain)
        return NICEST_OK;
    TRY(sums_find(e, t->rows.train, &t->sums, &t->sum_count, &t->said));
    return roles_need_masks(e, t->rows.all, &shape->masked);
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
    return open_run(t);
}

static nicest_status prepare_training(trainer *t, const nicest_data *train,
                                      const nicest_data *valid)
{
    unsigned height, width, channels;
    size_t d = nicest_data_columns(train);
    bool masked, plain;
    nicest_data_image(train, &height, &width, &channels);
    /* Whether the spec that is given, or the model, has hidden values and categories. */
    flow_spec parsed;
    masked = plain = false;
    if (t->options.spec || t->options.init) {
        TRY(spec_parse(&parsed,
                       t->options.init ? nicest_model_spec(t->options.init) : t->options.spec));
        masked = parsed.masked;
        plain = !parsed.categories && !parsed.context;
        spec_close(&parsed);
    }
    t->holes = !height && (masked || (!t->options.spec && !t->options.init));
    const nicest_train_options *o = &t->options;
    TRY(check_share("share of validation rows", o->valid_share));
    TRY(check_share("share of calibration rows", o->calibration_share));
    TRY(split_training(t, train, valid != NULL, o->valid_share, o->calibration_share));
    if (valid) /* by default some of it calibrates */
        TRY(split_valid(t, valid, !(o->calibration_share <= 0)));
    words_add(&t->said, "rows: %zu to train, %zu to stop early, %zu to calibrate",
              nicest_data_rows(t->rows.train), nicest_data_rows(t->rows.valid),
              nicest_data_rows(t->rows.held_out));
    recipe_data shape = {.rows = nicest_data_rows(t->rows.train), .height = height, .width = width};
    t->mean = memory_new(2 * d, sizeof *t->mean);
    TRY(check_memory(t->mean));
    t->deviation = t->mean + d;
    t->state.copula_logp = t->state.mixture_logp = NAN;
    TRY(recognise_columns(t, &t->entry, &shape, plain || height > 0));
    OWNED char *classes = write_classes(&t->entry);
    TRY(check_memory(classes || !t->entry.categories));
    shape.columns = t->entry.values;
    shape.context = t->entry.context;
    shape.classes = classes;
    TRY(recipe_choose(&t->recipe, &t->options, &shape, &t->said));
    t->shift = (shift){t->recipe.shift, height, width, channels, t->options.seed};
    if (t->options.init) {
        /* As it was, its centres too; mean and deviation are those of the rows at hand. */
        const flow *f = model_flow_const(t->options.init);
        TRY(copy_flow(&t->flow, f));
        entry *e = &t->flow->entry;
        size_t bytes = e->columns * sizeof *e->column;
        TRY(columns_measure(e, t->rows.train, false, t->mean, t->deviation));
        memcpy(e->column, f->entry.column, bytes);
        words_add(&t->said, "start: the weights and the preprocessing of the given model");
        TRY(entry_set(e));
        return open_run(t);
    }
    TRY(columns_measure(&t->entry, t->rows.train, t->recipe.centred, t->mean, t->deviation));
    if (t->recipe.spec)
        return run_open(t);
    return t->options.resume && t->recipe.race ? race_resume(t) : race_run(t);
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

/* Mean log p of the first rows (as many as valid_logp holds), always with the same noise. */
static double mean_logp(trainer *t, flow_rows rows, size_t most)
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
        sum += (weights ? weights[i] : 1) * t->valid_logp[i];
        all += weights ? weights[i] : 1;
    }
    return sum / all;
}

static void swap_vectors(float *a, float *b, size_t n)
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
        swap_vectors(t->flow->theta, t->state.optimizer.average, t->flow->tensors.trainable);
}

/* What the kept weights are judged by: validation rows, or training rows where there are none. */
static double judge(trainer *t)
{
    const nicest_data *rows = t->rows.valid ? t->rows.valid : t->rows.train;
    swap_average(t);
    double logp =
        mean_logp(t, run_rows(rows), t->rows.valid ? nicest_data_rows(rows) : START_SCORED);
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
    char *event;
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
    event = memory_format("diverged at step %zu (%s): back to the best weights, learning rate now "
                          "%.3g",
                          (size_t)s->step, what, t->recipe.rate * s->rate_factor);
    run_tell(t, event);
    memory_free(event);
    return NICEST_OK;
}

nicest_status run_validate(trainer *t)
{
    assert(t->valid_every > 0 && t->batches > 0);
    train_state *s = &t->state;
    s->valid_logp = judge(t);
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
    s->start_logp = mean_logp(t, moved_rows(t), START_SCORED);
    s->valid_logp = judge(t);
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

static nicest_status begin(trainer *t)
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

/* The clock stands still between calls. */
static void start_clock(trainer *t)
{
    t->clock = parallel_clock() - t->state.seconds;
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
    return race_end(t);
}

nicest_status nicest_trainer_step(nicest_trainer *t, size_t steps, double seconds, int *more)
{
    nicest_status status = NICEST_OK;
    TRY(require(t && seconds >= 0, "a trainer and a time of 0 seconds or more are needed"));
    if (!t->ended) {
        start_clock(t);
        status = learn(t, steps, seconds);
        t->state.seconds = now(t);
    }
    if (status == NICEST_OK && more)
        *more = !t->ended;
    return status;
}

nicest_status nicest_trainer_progress(nicest_trainer *t, nicest_progress *progress)
{
    TRY(require(t && progress, "the trainer or the place for its progress is NULL"));
    start_clock(t);
    *progress = progress_now(t);
    return NICEST_OK;
}

nicest_status nicest_trainer_chosen(const nicest_trainer *t, char **json)
{
    TRY(require(t && json, "a trainer and a place for the text are needed"));
    char *made = record_chosen(&t->recipe, &t->options, t->result.start, t->said.text);
    TRY(check_memory(made));
    *json = made;
    return NICEST_OK;
}

/* ------------------------------------------------------------------ the result */

/* Schema, arrays and record; what the columns are, and which ones training left out. */
static nicest_status describe_model(trainer *t, nicest_model *model)
{
    const nicest_data *data = t->rows.train, *given = t->given;
    size_t d = nicest_data_columns(data), n = nicest_data_columns(given), count, left_out = 0;
    char *const *before = source_left(given, &count);
    unsigned height, width, channels;
    OWNED_NEW(const char **, names, d);
    OWNED_NEW(const char **, left, count + n);
    OWNED_NEW(column_kind *, kinds, d); /* borrowed ones */
    for (size_t j = 0; j < d; j++) {
        names[j] = nicest_data_column_name(data, j);
        kinds[j] = *source_kind(data, j);
    }
    for (; left_out < count; left_out++)
        left[left_out] = before[left_out];
    for (size_t j = 0, i = 0; j < n; j++) {
        const char *name = nicest_data_column_name(given, j);
        if (i < d && !strcmp(name, names[i]))
            i++;
        else
            left[left_out++] = name;
    }
    nicest_data_image(data, &height, &width, &channels);
    TRY(model_set_schema(model, names, height, width, channels, nicest_data_type(data)));
    TRY(model_set_array(model, "columns.mean", t->mean, d));
    TRY(model_set_array(model, "columns.deviation", t->deviation, d));
    TRY(model_set_array(model, MODEL_SUMS, t->sums, t->sum_count));
    OWNED char *record =
        record_training(&t->state, &t->recipe, &t->options, &t->result,
                        nicest_data_rows(t->rows.valid), nicest_data_rows(t->rows.held_out));
    TRY(check_memory(record));
    TRY(model_set_entry(model, MODEL_TRAINING, record));
    return model_set_columns(model, kinds, left, left_out);
}

/* Of the weights that are in place now; logp: what they were judged by. */
static nicest_status fill_result(trainer *t, double logp)
{
    nicest_train_result *r = &t->result;
    const train_state *s = &t->state;
    r->rows = nicest_data_rows(t->rows.train);
    r->columns = nicest_data_columns(t->rows.train);
    r->parameters = t->flow->tensors.trainable;
    r->steps = (size_t)s->step;
    r->epochs = (size_t)(s->step / t->batches);
    r->seconds = s->seconds;
    r->retries = (int)s->retries;
    r->train_logp = mean_logp(t, run_rows(t->rows.train), TRAIN_SCORED);
    r->valid_logp = t->rows.valid ? logp : NAN;
    r->copula_logp = s->copula_logp;
    r->mixture_logp = s->mixture_logp;
    r->kept_epoch = (size_t)(s->best_step / t->batches);
    r->test_logp = r->test_sem = r->gaussian_logp = NAN;
    if (t->rows.held_out) {
        r->test_rows = nicest_data_rows(t->rows.held_out);
        r->test_logp = mean_logp(t, run_rows(t->rows.held_out), r->test_rows);
        TRY(nicest_standard_error(t->valid_logp, nicest_data_weights(t->rows.held_out),
                                  r->test_rows, &r->test_sem));
    }
    const nicest_data *rows = t->rows.held_out ? t->rows.held_out : t->rows.valid;
    return rows ? columns_gaussian(&t->flow->entry, t->rows.train, rows, t->options.seed,
                                   &r->gaussian_logp)
                : NICEST_OK;
}

/* A model of the weights that are in place now. */
static nicest_status make_model(trainer *t, double logp, nicest_model **model)
{
    flow *f = NULL;
    OWNED_BY(model_drop) nicest_model *made = NULL;
    TRY(fill_result(t, logp));
    TRY(copy_flow(&f, t->flow));
    TRY(model_new(&made, f));
    t->result.chosen = t->said.text;
    TRY(model_say(made, t->said.text));
    TRY(describe_model(t, made));
    t->result.chosen = model_said(made);
    *model = memory_take(&made);
    return NICEST_OK;
}

/* The kept weights, or those of a moment between two validations where they are better; training
 * that goes on afterwards takes the same steps. */
nicest_status trainer_model(nicest_trainer *t, nicest_model **model, nicest_train_result *result)
{
    float *weights = t->state.best;
    double logp = t->state.best_logp;
    if (!t->ended && t->state.step % t->valid_every) {
        double latest = judge(t);
        if (latest > logp) {
            logp = latest;
            weights = t->state.optimizer.average ? t->state.optimizer.average : t->flow->theta;
        }
    }
    size_t n = t->flow->tensors.trainable;
    if (weights != t->flow->theta)
        swap_vectors(t->flow->theta, weights, n);
    nicest_status status = make_model(t, logp, model);
    if (weights != t->flow->theta)
        swap_vectors(t->flow->theta, weights, n);
    if (status == NICEST_OK)
        *result = t->result;
    return status;
}

/* Whether a list between commas, or NULL, has the name. */
static bool list_has(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; at && (at = strstr(at, name)); at++)
        if ((at == list || at[-1] == ',') && (!at[length] || at[length] == ','))
            return length > 0;
    return false;
}

/* Such columns are left out of training and validation data, and named; not a number or time that
 * the density is given. */
static nicest_status leave_out(trainer *t, const nicest_data **train, const nicest_data **valid)
{
    size_t n = nicest_data_columns(*train), kept = 0;
    unsigned height, width, channels;
    OWNED_NEW(size_t *, place, n);
    OWNED_NEW(nicest_column_facts *, facts, n);
    nicest_data_image(*train, &height, &width, &channels);
    if (height || t->options.spec || t->options.init) /* nobody chooses then */
        return NICEST_OK;
    TRY(nicest_data_facts(*train, facts));
    for (size_t j = 0; j < n; j++) {
        const char *name = nicest_data_column_name(*train, j);
        bool given = nicest_data_column_kind(*train, j) != NICEST_CATEGORY &&
                     list_has(t->options.given, name);
        const char *why = given ? NULL : facts[j].advice;
        if (why)
            words_add(&t->said, "column %s: left out, since %s (--drop %s says so too)", name, why,
                      name);
        else
            place[kept++] = j;
    }
    if (!kept)
        return fail(NICEST_E_DATA, "no column has anything to learn: they are empty, only count, "
                                   "only rise, or are words that are all different");
    if (kept == n)
        return NICEST_OK;
    TRY(nicest_data_take(&t->useful[0], *train, place, kept));
    *train = t->useful[0];
    if (*valid) {
        TRY(nicest_data_take(&t->useful[1], *valid, place, kept));
        *valid = t->useful[1];
    }
    return NICEST_OK;
}

nicest_status trainer_new(nicest_trainer **out, const nicest_data *train, const nicest_data *valid,
                          const nicest_train_options *options)
{
    OWNED_BY(trainer_drop) nicest_trainer *t = memory_new(1, sizeof *t);
    TRY(check_memory(t));
    t->options = *options;
    t->given = train;
    TRY(leave_out(t, &train, &valid));
    t->rows.all = train;
    TRY(prepare_training(t, train, valid));
    TRY(begin(t));
    TRY(check_memory(!t->said.lacking));
    *out = memory_take(&t);
    return NICEST_OK;
}
