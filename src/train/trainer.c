/* trainer.c - see trainer.h. */
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "base/status.h"
#include "data/source.h"
#include "model/model.h"
#include "train/checkpoint.h"
#include "train/columns.h"
#include "train/race.h"
#include "train/roles.h"
#include "train/run.h"
#include "train/split.h"
#include "train/sums.h"

/* ------------------------------------------------------------------ rows */

/* What rows can serve. */
typedef struct row_survey {
    size_t *index;       /* borrowed: in order, [rows] */
    size_t count, holed; /* how many; and of these have a missing value */
    size_t empty;        /* the first column without a finite value in any row; columns: none */
} row_survey;

/* Of rows whose weight is not 0: all without infinities and NaN; with `holes`, with some value. */
static nicest_status survey_rows(const nicest_data *data, bool holes, row_survey *s)
{
    size_t d = nicest_data_columns(data);
    const double *weights = nicest_data_weights(data);
    OWNED_BY(row_walk_close) row_walk w = {0};
    TRY(row_walk_begin(&w, data, 64));
    OWNED_NEW(bool *, seen, d);
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
        words_add(&t->said, "rows: %zu of %zu have %s%s and are left out", n - s->count, n,
                  t->holes ? "infinite values, or none," : "missing or infinite values",
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
    OWNED_NEW(size_t *, index, nicest_data_rows(data));
    row_survey rows = {.index = index};
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
    OWNED_NEW(size_t *, index, nicest_data_rows(data));
    row_survey rows = {.index = index};
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

/* What was chosen, before any work on it. */
static void tell_choices(trainer *t)
{
    nicest_progress p = {.event = t->said.text,
                         .stage = "training",
                         .train_logp = NAN,
                         .valid_logp = NAN,
                         .best_logp = NAN};
    if (!t->options.progress || !t->said.text)
        return;
    char *end = t->said.text + strlen(t->said.text) - 1;
    *end = 0;
    t->stopped = t->options.progress(t->options.context, &p) != 0;
    *end = '\n';
}

static nicest_status prepare_training(trainer *t, const nicest_data *train,
                                      const nicest_data *valid)
{
    unsigned height, width, channels;
    size_t d = nicest_data_columns(train);
    bool masked = false, plain = false;
    nicest_data_image(train, &height, &width, &channels);
    /* Whether the spec that is given, or the model, has hidden values and categories. */
    OWNED_BY(spec_close) flow_spec parsed = {0};
    if (t->options.spec || t->options.init) {
        TRY(spec_parse(&parsed,
                       t->options.init ? nicest_model_spec(t->options.init) : t->options.spec));
        masked = parsed.masked;
        plain = !parsed.categories && !parsed.context;
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
    tell_choices(t);
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
        return run_prepare(t);
    }
    TRY(columns_measure(&t->entry, t->rows.train, t->recipe.centred, t->mean, t->deviation));
    if (t->recipe.spec)
        return run_open(t);
    return t->options.resume && t->recipe.race ? race_resume(t) : race_run(t);
}

nicest_status nicest_trainer_step(nicest_trainer *t, size_t steps, double seconds, int *more)
{
    TRY(require(t && seconds >= 0, "a trainer and a time of 0 seconds or more are needed"));
    if (!t->ended) {
        TRY(run_steps(t, steps, seconds));
        if (t->ended)
            TRY(race_end(t));
        t->state.seconds = parallel_clock() - t->clock;
    }
    if (more)
        *more = !t->ended;
    return NICEST_OK;
}

nicest_status nicest_trainer_progress(nicest_trainer *t, nicest_progress *progress)
{
    TRY(require(t && progress, "the trainer or the place for its progress is NULL"));
    *progress = run_progress(t);
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
    r->train_logp = run_mean_logp(t, run_rows(t->rows.train), RUN_SCORED);
    r->valid_logp = t->rows.valid ? logp : NAN;
    r->copula_logp = s->copula_logp;
    r->mixture_logp = s->mixture_logp;
    r->kept_epoch = (size_t)(s->best_step / t->batches);
    r->test_logp = r->test_sem = r->gaussian_logp = NAN;
    if (t->rows.held_out) {
        r->test_rows = nicest_data_rows(t->rows.held_out);
        r->test_logp = run_mean_logp(t, run_rows(t->rows.held_out), r->test_rows);
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
        double latest = run_judge(t);
        if (latest > logp) {
            logp = latest;
            weights = t->state.optimizer.average ? t->state.optimizer.average : t->flow->theta;
        }
    }
    size_t n = t->flow->tensors.trainable;
    if (weights != t->flow->theta)
        run_swap(t->flow->theta, weights, n);
    nicest_status status = make_model(t, logp, model);
    if (weights != t->flow->theta)
        run_swap(t->flow->theta, weights, n);
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
    TRY(run_begin(t));
    TRY(check_memory(!t->said.lacking));
    *out = memory_take(&t);
    return NICEST_OK;
}
