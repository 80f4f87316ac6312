/* outlier.c - scores of atypical rows, their calibration, and the decision.
 *
 *     logp        log p(x)
 *     typicality  -|mean log p of the group - what is usual|
 *     complexity  bits of the compressed row - bits of the row under the model
 *     gradient    log density of the norms of d log p / d theta
 *     latent      log density of the latent's figures
 *     combined    minus the mean surprisal of log p (both tails), complexity, gradient and latent
 *     views       minus the mean surprisal of log p, columns and neighbours (views.c)
 *
 * Densities of statistics are mixtures fitted on some rows, surprisals ranks among others. No score
 * has ever seen an outlier.
 */
#include "apply/outlier.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/conformal.h"
#include "apply/family.h"
#include "apply/statistics.h"
#include "apply/views.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/parallel.h"
#include "base/random.h"
#include "base/status.h"
#include "base/values.h"
#include "data/source.h"
#include "train/split.h"

/* Most rows that statistics are fitted on: calibration should take less time than training, whose
 * steps are long of pictures and where there are many parameters. And most rows that calibrate. */
enum { FEW_FITTED = 1000, MOST_FITTED = 5000, MANY_PARAMETERS = 1 << 19, MOST_CALIBRATION = 9999 };
enum { FEWEST_UNSEEN = 1000, FEWEST_APART = 300 };

enum { SUBSAMPLE_FIT = 0xf17, SUBSAMPLE_CALIBRATION, SUBSAMPLE_FOLDS };

typedef enum score {
    LOGP,
    TYPICALITY,
    COMPLEXITY,
    GRADIENT,
    LATENT,
    COMBINED,
    VIEWS,
    SCORES
} score;

static const char *const score_names[SCORES + 1] = {
    "logp", "typicality", "complexity", "gradient", "latent", "combined", "views", NULL};

const char *const *nicest_score_names(void)
{
    return score_names;
}

/* ------------------------------------------------------------------ names and arrays */

/* "NAME" or "NAME:M". */
static nicest_status parse_score(const char *text, score *which, size_t *group)
{
    size_t length = strcspn(text, ":"), number = 1;
    if (text[length] == ':') {
        char *end;
        unsigned long long given = strtoull(text + length + 1, &end, 10);
        if (text[length + 1] < '0' || text[length + 1] > '9' || *end || given == 0 ||
            given > 1000000)
            return fail(NICEST_E_ARGUMENT, "score '%.40s': expected NAME or NAME:ROWS", text);
        number = (size_t)given;
    }
    for (int i = 0; i < SCORES; i++)
        if (strlen(score_names[i]) == length && !strncmp(score_names[i], text, length)) {
            *which = (score)i;
            *group = number;
            return NICEST_OK;
        }
    return fail(
        NICEST_E_ARGUMENT,
        "score '%.40s': expected logp, typicality, complexity, gradient, latent, combined or views",
        text);
}

typedef struct array_name {
    char text[40];
} array_name;

static array_name array_named(const char *family, score which)
{
    array_name name;
    snprintf(name.text, sizeof name.text, "%s.%s", family, score_names[which]);
    return name;
}

static const double *calibration_of(const nicest_model *model, score which, size_t *n)
{
    *n = 0;
    score base = which == TYPICALITY ? LOGP : which; /* whose calibration it has */
    return model_array(model, array_named("calibration", base).text, n);
}

static nicest_status not_calibrated(score which)
{
    return fail(NICEST_E_DATA, "the model is not calibrated for score '%s'", score_names[which]);
}

/* What log p is usual. */
static nicest_status usual_logp(const nicest_model *model, double *usual)
{
    size_t count = 0;
    const double *values = model_array(model, "calibration.typical", &count);
    if (!values || count != 1)
        return not_calibrated(TYPICALITY);
    *usual = *values;
    return NICEST_OK;
}

const char *nicest_default_score(const nicest_model *model)
{
    size_t n = 0;
    unsigned height = 0;
    nicest_model_image(model, &height, NULL, NULL);
    score best = height ? COMBINED : VIEWS;
    return score_names[model && calibration_of(model, best, &n) && n > 0 ? best : LOGP];
}

nicest_status nicest_forget_neighbours(nicest_model *model)
{
    TRY(require(model != NULL, "the model is NULL"));
    views_forget(model);
    TRY(model_set_array(model, array_named("holes", VIEWS).text, NULL, 0));
    return model_set_array(model, array_named("calibration", VIEWS).text, NULL, 0);
}

size_t nicest_model_neighbours(const nicest_model *model)
{
    return model ? views_rows(model) : 0;
}

int nicest_calibrated(const nicest_model *model)
{
    size_t n = 0;
    return model && calibration_of(model, LOGP, &n) && n > 0;
}

/* ------------------------------------------------------------------ scores from statistics */

/* Of `combined` all, as it was in files before 28 November 2026. */
static statistics_run run_of(const statistics_layout *l, score which)
{
    return which == GRADIENT ? l->gradient : which == LATENT ? l->latent : l->all;
}

/* What `combined` ranks: two sides of log p, then one of each other score. As stored,
 * "statistics.combined" has their number, how many rows of each, and those sorted. */
static size_t sides_of(const statistics_layout *l, score which[5])
{
    size_t count = 0;
    which[count++] = LOGP;
    which[count++] = LOGP;
    if (l->length.count)
        which[count++] = COMPLEXITY;
    if (l->gradient.count)
        which[count++] = GRADIENT;
    which[count++] = LATENT;
    return count;
}

static bool ranks_valid(const double *ranks, size_t count, size_t sides)
{
    return ranks && count > 2 && ranks[0] == (double)sides && ranks[1] >= 1 &&
           ranks[1] <= MOST_FITTED && count == 2 + sides * (size_t)ranks[1];
}

/* Bits by which the compressor needs more than the model: (log p + log of a level's width)/ln 2 is
 * minus the model's. */
static double complexity_of(const nicest_model *model, double logp, double bits)
{
    return (logp + entry_log_units(&model_flow_const(model)->entry)) / log(2) + bits;
}

static nicest_status scores_from(const nicest_model *model, score which, const double *statistics,
                                 size_t n, int threads, double *out);

/* out[sides, n], larger where a row is less usual. */
static nicest_status measure_sides(const nicest_model *model, const double *statistics, size_t n,
                                   int threads, double *out)
{
    statistics_layout l = statistics_of(model);
    score which[5];
    for (size_t k = 0, sides = sides_of(&l, which); k < sides; k++) {
        TRY(scores_from(model, which[k], statistics, n, threads, out + k * n));
        for (size_t i = 0; k != 1 && i < n; i++)
            out[k * n + i] *= -1;
    }
    return NICEST_OK;
}

static nicest_status combine(const nicest_model *model, const double *ranks,
                             const double *statistics, size_t n, int threads, double *out)
{
    size_t sides = (size_t)ranks[0], m = (size_t)ranks[1];
    OWNED_ROWS(double *, seen, sides, n);
    TRY(measure_sides(model, statistics, n, threads, seen));
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t k = 0; k < sides; k++) {
            double value = seen[k * n + i];
            double surprisal = isnan(value) ? NAN : values_surprisal(ranks + 2 + k * m, m, value);
            sum = k == 1 ? fmax(sum, surprisal) - log(2) : sum + surprisal;
        }
        out[i] = isnan(seen[i]) ? NAN : -sum / (double)(sides - 1);
    }
    return NICEST_OK;
}

/* Ranks of n rows that no family was fitted to. */
static nicest_status keep_ranks(nicest_model *model, const double *statistics, size_t n,
                                int threads)
{
    statistics_layout l = statistics_of(model);
    score which[5];
    size_t sides = sides_of(&l, which);
    OWNED_NEW(double *, ranks, 2 + sides * n);
    ranks[0] = (double)sides;
    ranks[1] = (double)n;
    TRY(measure_sides(model, statistics, n, threads, ranks + 2));
    for (size_t k = 0; k < sides; k++)
        values_sort(ranks + 2 + k * n, n);
    return model_set_array(model, array_named("statistics", COMBINED).text, ranks, 2 + sides * n);
}

/* Any score but typicality, of single rows, from their statistics. */
static nicest_status scores_from(const nicest_model *model, score which, const double *statistics,
                                 size_t n, int threads, double *out)
{
    statistics_layout l = statistics_of(model);
    if (which >= GRADIENT && which <= COMBINED) {
        /* Log density of one family of statistics[n, all]. */
        statistics_run run = run_of(&l, which);
        size_t count = 0;
        const double *family = model_array(model, array_named("statistics", which).text, &count);
        score sides[5];
        if (which == COMBINED && ranks_valid(family, count, sides_of(&l, sides)))
            return combine(model, family, statistics, n, threads, out);
        if (!family_valid(family, count, run.count))
            return not_calibrated(which);
        return family_log_density(family, statistics + run.first, l.all.count, n, threads, out);
    }
    for (size_t i = 0; i < n; i++) {
        const double *row = statistics + i * l.all.count;
        out[i] = row[l.logp.first];
        if (which == COMPLEXITY && isfinite(out[i]))
            out[i] = complexity_of(model, out[i], exp(row[l.length.first]));
    }
    return NICEST_OK;
}

/* Single rows; typicality is log p here, and becomes itself with its group. */
static nicest_status row_scores(const nicest_model *model, const nicest_data *data, score which,
                                uint64_t seed, int threads, double *scores)
{
    size_t n = nicest_data_rows(data), width = statistics_of(model).all.count;
    bool whole = which >= GRADIENT && which <= COMBINED;
    OWNED_ROWS(double *, made, n, whole ? width : 1);
    if (whole) {
        TRY(statistics_measure(model, data, seed, threads, NULL, made));
        return scores_from(model, which, made, n, threads, scores);
    }
    TRY(nicest_score_data(model, data, seed, threads, NULL, NULL, scores));
    if (which == VIEWS)
        return views_score(model, data, threads, scores);
    if (which == COMPLEXITY)
        TRY(statistics_lengths(model, data, threads, made));
    for (size_t i = 0; which == COMPLEXITY && i < n; i++)
        scores[i] = isfinite(scores[i]) ? complexity_of(model, scores[i], made[i]) : scores[i];
    return NICEST_OK;
}

/* The same part by part, which bounds the memory of statistics and gives a tick its turn. */
static nicest_status scores_of_parts(const nicest_model *model, const nicest_data *data,
                                     score which, uint64_t seed, int threads, nicest_tick tick,
                                     void *context, double *scores)
{
    enum { PART = 1 << 13 };
    size_t n = nicest_data_rows(data), first = 0, count;
    OWNED_NEW(size_t *, index, PART);
    do { /* once where there are no rows: the model may lack the score */
        OWNED_BY(data_drop) nicest_data *part = NULL;
        count = n - first < PART ? n - first : PART;
        for (size_t i = 0; i < count; i++)
            index[i] = first + i;
        TRY(nicest_data_select(&part, data, index, count));
        TRY(row_scores(model, part, which, seed, threads, scores + first));
        if (tick && tick(context, (double)(first + count), (double)n))
            return fail(NICEST_E_INTERRUPTED, "interrupted after %zu rows", first + count);
        first += count;
    } while (first < n);
    return NICEST_OK;
}

/* Rows in groups, each with the mean of its rows; the last group is the last rows. */
static nicest_status average_groups(size_t group, double *scores, size_t n)
{
    if (group <= 1)
        return NICEST_OK;
    if (group > n)
        return fail(NICEST_E_DATA, "%zu rows do not make one group of %zu", n, group);
    OWNED double *single = memory_copy(scores, n, sizeof *single);
    TRY(check_memory(single));
    for (size_t at = 0; at < n; at += group) {
        size_t first = at + group <= n ? at : n - group;
        double sum = 0;
        for (size_t i = 0; i < group; i++)
            sum += single[first + i];
        for (size_t i = at; i < first + group; i++)
            scores[i] = sum / (double)group;
    }
    return NICEST_OK;
}

nicest_status nicest_outlier_scores(const nicest_model *model, const nicest_data *data,
                                    const char *name, size_t group, uint64_t seed, int threads,
                                    nicest_tick tick, void *context, double *scores)
{
    score which;
    size_t named_group;
    TRY(require(model && data && name && scores,
                "model, data, a score's name and a place are needed"));
    TRY(parse_score(name, &which, &named_group));
    TRY(model_check_threads(threads));
    TRY(nicest_model_fits(model, data));
    size_t n = nicest_data_rows(data);
    OWNED_NEW(double *, made, n);
    threads = threads < 1 ? parallel_available() : threads;
    TRY(scores_of_parts(model, data, which, seed, threads, tick, context, made));
    double usual = 0;
    if (which == TYPICALITY)
        TRY(usual_logp(model, &usual));
    TRY(average_groups(group > 1 ? group : named_group, made, n));
    for (size_t i = 0; which == TYPICALITY && i < n; i++)
        made[i] = -fabs(made[i] - usual);
    memcpy(scores, made, n * sizeof *scores);
    return NICEST_OK;
}

/* Scores without the model (baselines.c), and by its kept training rows (views.c). */
static const char *const baseline_names[] = {"mean", "compressed", "gaussian", "knn", NULL};

const char *const *nicest_baseline_names(void)
{
    return baseline_names;
}

nicest_status nicest_baseline_scores(const nicest_model *model, const nicest_data *data,
                                     const char *baseline, size_t group, int threads,
                                     double *scores)
{
    TRY(require(model && data && baseline && scores,
                "model, data, a baseline's name and a place are needed"));
    size_t known = 0;
    while (baseline_names[known] && strcmp(baseline, baseline_names[known]))
        known++;
    if (!baseline_names[known])
        return fail(NICEST_E_ARGUMENT,
                    "baseline '%.30s': expected mean, compressed, gaussian or knn", baseline);
    TRY(model_check_threads(threads));
    TRY(nicest_model_fits(model, data));
    size_t n = nicest_data_rows(data);
    OWNED_NEW(double *, made, n);
    threads = threads < 1 ? parallel_available() : threads;
    TRY(!strcmp(baseline, "knn") ? views_neighbours(model, data, threads, made)
                                 : baselines_score(model, data, baseline, threads, made));
    TRY(average_groups(group, made, n));
    memcpy(scores, made, n * sizeof *scores);
    return NICEST_OK;
}

/* All that scores other than log p need, from n rows' statistics. */
static nicest_status fit_families(nicest_model *model, double *statistics, size_t n, uint64_t seed,
                                  int threads)
{
    statistics_layout l = statistics_of(model);
    /* Of statistics[n, width] only rows that are finite serve. */
    size_t count = 0;
    double usual = 0;
    for (size_t i = 0; i < n; i++)
        if (values_finite(statistics + i * l.all.count, l.all.count))
            memmove(statistics + count++ * l.all.count, statistics + i * l.all.count,
                    l.all.count * sizeof(double));
    n = count;
    if (n < 2)
        return fail(NICEST_E_DATA, "%zu rows with a finite log p are too few to fit scores on", n);
    for (size_t i = 0; i < n; i++)
        usual += statistics[i * l.all.count + l.logp.first] / (double)n;
    TRY(model_set_array(model, "calibration.typical", &usual, 1));
    /* Families say more of rows that they were fitted to than of others. */
    size_t apart = n < FEWEST_APART ? 0 : n / 3, fitted = n - apart;
    OWNED_ROWS(double *, part, fitted, l.all.count);
    for (int which = GRADIENT; which <= LATENT; which++) {
        statistics_run run = run_of(&l, (score)which);
        OWNED double *family = NULL;
        for (size_t i = 0; i < fitted; i++)
            memcpy(part + i * run.count, statistics + i * l.all.count + run.first,
                   run.count * sizeof *part);
        if (!run.count)
            continue;
        TRY(family_fit(part, fitted, run.count, seed, threads, &family, &count));
        TRY(model_set_array(model, array_named("statistics", (score)which).text, family, count));
    }
    return keep_ranks(model, statistics + (apart ? fitted : 0) * l.all.count, apart ? apart : n,
                      threads);
}

/* Rows that statistics are fitted on, of so many. */
static size_t rows_to_fit(const nicest_model *model, size_t n)
{
    unsigned height;
    nicest_model_image(model, &height, NULL, NULL);
    bool quick = nicest_model_parameters(model) < MANY_PARAMETERS && !height;
    size_t most = quick ? FEW_FITTED : MOST_FITTED;
    return n < most ? n : most;
}

/* Some rows, drawn at random, in random order. */
static nicest_status draw_rows(nicest_data **some, const nicest_data *data, size_t n, uint64_t seed)
{
    size_t all = nicest_data_rows(data);
    OWNED_NEW(uint32_t *, order, all);
    OWNED_NEW(size_t *, index, n);
    random_permutation((random_stream){seed, RANDOM_SPLIT, SUBSAMPLE_FIT}, order, all);
    for (size_t i = 0; i < n; i++)
        index[i] = order[i];
    return nicest_data_select(some, data, index, n);
}

/* The rows that show what is usual. Of those that the weights have learnt, log p and what goes with
 * it is another; but a few others tell too little. */
static const nicest_data *rows_to_judge(const nicest_data *train, const nicest_data *unseen)
{
    return unseen && nicest_data_rows(unseen) >= FEWEST_UNSEEN ? unseen : train;
}

nicest_status outlier_describe(nicest_model *model, const nicest_data *train, uint64_t seed,
                               int threads)
{
    OWNED_BY(data_drop) nicest_data *some = NULL;
    TRY(draw_rows(&some, train, rows_to_fit(model, nicest_data_rows(train)), seed));
    return baselines_fit_gaussian(model, some, threads);
}

/* `keep`: training rows may stay in the model, as neighbours. */
static nicest_status fit_statistics(nicest_model *model, const nicest_data *train,
                                    const nicest_data *unseen, bool keep, uint64_t seed,
                                    int threads, row_ticker *ticker)
{
    OWNED_BY(data_drop) nicest_data *usual = NULL, *some = NULL;
    const nicest_data *judged = rows_to_judge(train, unseen);
    size_t n = rows_to_fit(model, nicest_data_rows(judged));
    OWNED_ROWS(double *, statistics, n, statistics_of(model).all.count);
    views_forget(model);
    TRY(draw_rows(&usual, judged, n, seed));
    TRY(statistics_measure(model, usual, seed, threads, ticker, statistics));
    TRY(fit_families(model, statistics, n, seed, threads));
    if (judged != train)
        TRY(draw_rows(&some, train, rows_to_fit(model, nicest_data_rows(train)), seed));
    TRY(baselines_fit(model, some ? some : usual, threads));
    return keep ? views_fit(model, train, seed, threads) : NICEST_OK;
}

/* ------------------------------------------------------------------ calibrating */

/* Calibration rows as they come in, of each score [capacity]; a score that the model does not have
 * stays empty. `patterns` are those of the rows with a log p. */
typedef struct pool {
    conformal_row *rows[SCORES];
    double *patterns;
    size_t count[SCORES], capacity;
    memory_group memory;
} pool;

static nicest_status pool_open(pool *p, size_t capacity)
{
    p->capacity = capacity;
    for (int i = 0; i < SCORES; i++)
        p->rows[i] = memory_join(&p->memory, capacity, sizeof(conformal_row));
    p->patterns = memory_join(&p->memory, capacity, sizeof(double));
    return p->memory.lacking ? fail_memory() : NICEST_OK;
}

/* True when the model can give this score. */
static bool available(const nicest_model *model, score which)
{
    statistics_layout l = statistics_of(model);
    size_t count = 0;
    if (which == LOGP)
        return true;
    if (which == COMPLEXITY)
        return l.length.count > 0;
    if (which == VIEWS)
        return views_rows(model) > 0;
    const double *family = model_array(model, array_named("statistics", which).text, &count);
    score sides[5];
    return which >= GRADIENT &&
           (family_valid(family, count, run_of(&l, which).count) ||
            (which == COMBINED && ranks_valid(family, count, sides_of(&l, sides))));
}

/* Of each row, how many cells are empty, and a number that tells which: 0 of none. */
static nicest_status find_holes(const nicest_data *data, double *count, double *pattern)
{
    size_t d = nicest_data_columns(data);
    OWNED_NEW(double *, row, d);
    OWNED_NEW(bool *, empty, d);
    for (size_t i = 0; i < nicest_data_rows(data); i++) {
        TRY(nicest_data_read(data, i, 1, row));
        count[i] = 0;
        for (size_t j = 0; j < d; j++) {
            empty[j] = isnan(row[j]);
            count[i] += empty[j];
        }
        pattern[i] = count[i] > 0 ? 1 + (double)file_crc32(0, empty, d * sizeof *empty) : 0;
    }
    return NICEST_OK;
}

/* Adds the scores of all rows of data under `model`; rows with missing values are left out, and
 * what a file stores is finite. */
static nicest_status pool_add(pool *p, const nicest_model *model, const nicest_data *data,
                              uint64_t seed, int threads, row_ticker *ticker)
{
    size_t n = nicest_data_rows(data), width = statistics_of(model).all.count;
    const double *weights = nicest_data_weights(data);
    OWNED_ROWS(double *, statistics, n, width + 1);
    TRY(statistics_measure(model, data, seed, threads, ticker, statistics));
    double *scores = statistics + n * width;
    OWNED_ROWS(double *, holes, n, 2);
    TRY(find_holes(data, holes, holes + n));
    for (int which = 0; which < SCORES; which++) {
        if (!available(model, (score)which))
            continue;
        TRY(scores_from(model, (score)which, statistics, n, threads, scores));
        if (which == VIEWS)
            TRY(views_score(model, data, threads, scores));
        for (size_t i = 0; i < n; i++) {
            if (isnan(scores[i]) || p->count[which] == p->capacity)
                continue;
            if (which == LOGP)
                p->patterns[p->count[which]] = holes[n + i];
            p->rows[which][p->count[which]++] =
                (conformal_row){fmax(scores[i], -DBL_MAX), values_weight(weights, i), holes[i]};
        }
    }
    return NICEST_OK;
}

/* The record says all that is calibrated: of each score, where the middle and the low end of its
 * calibration lie. */
static nicest_status describe_calibration(nicest_model *model, const char *method, size_t held)
{
    OWNED char *scores = memory_text("");
    size_t n = 0;
    for (int i = 0; scores && i < SCORES; i++) {
        const double *sorted = i == TYPICALITY ? NULL : calibration_of(model, (score)i, &n);
        if (!sorted || n == 0)
            continue;
        char least[NUMBER_SIZE], median[NUMBER_SIZE]; /* JSON whatever the locale */
        least[number_write(sorted[0], least)] = 0;
        median[number_write(sorted[n / 2], median)] = 0;
        char *longer = memory_format("%s%s\"%s\": {\"rows\": %zu, \"least\": %s, \"median\": %s}",
                                     scores, *scores ? ", " : "", score_names[i], n, least, median);
        memory_free(scores);
        scores = longer;
    }
    TRY(check_memory(scores));
    OWNED char *text = memory_format(
        "{\"method\": \"%s\", \"held_out_rows\": %zu, \"scores\": {%s}}", method, held, scores);
    TRY(check_memory(text));
    return model_set_entry(model, MODEL_CALIBRATION, text);
}

/* The different ones among the patterns of calibration rows. */
static nicest_status store_patterns(nicest_model *model, double *patterns, size_t n)
{
    size_t different = 0;
    values_sort(patterns, n);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || patterns[i] != patterns[i - 1])
            patterns[different++] = patterns[i];
    bool whole = different == 1 && patterns[0] == 0; /* needs no list */
    return model_set_array(model, "calibration.patterns", patterns, whole ? 0 : different);
}

/* Sorts and stores what was gathered, and says so in the record. The rows came in random order, so
 * leaving some out at the end is fair. */
static nicest_status pool_store(pool *p, nicest_model *model, const char *method)
{
    TRY(store_patterns(model, p->patterns, p->count[LOGP]));
    OWNED_NEW(double *, values, p->capacity);
    for (int i = 0; i < SCORES; i++) {
        size_t n = p->count[i];
        conformal_row *rows = p->rows[i];
        bool holes = false;
        if (i == TYPICALITY)
            continue;
        TRY(conformal_weigh(rows, &n));
        for (size_t k = 0; k < n; k++)
            values[k] = rows[k].score;
        TRY(model_set_array(model, array_named("calibration", (score)i).text, values, n));
        for (size_t k = 0; k < n; k++) {
            values[k] = rows[k].holes;
            holes = holes || rows[k].holes > 0;
        }
        TRY(model_set_array(model, array_named("holes", (score)i).text, values, holes ? n : 0));
    }
    return describe_calibration(model, method, p->count[LOGP]);
}

/* A calibration that is in parts of two runs would be worse than none. */
static void forget(nicest_model *model)
{
    for (int which = 0; which < SCORES; which++) {
        model_set_array(model, array_named("calibration", (score)which).text, NULL, 0);
        model_set_array(model, array_named("statistics", (score)which).text, NULL, 0);
        model_set_array(model, array_named("holes", (score)which).text, NULL, 0);
    }
    model_set_array(model, "calibration.patterns", NULL, 0);
    model_set_array(model, "calibration.typical", NULL, 0);
    model_set_entry(model, MODEL_CALIBRATION, NULL);
    baselines_forget(model);
    views_forget(model);
}

static nicest_status gather_scores(pool *p, const nicest_model *model, const nicest_data *held_out,
                                   uint64_t seed, int threads, row_ticker *ticker)
{
    OWNED_BY(data_drop) nicest_data *some = NULL;
    OWNED_BY(split_close) split s = {0};
    TRY(split_open(&s, held_out, NULL, nicest_data_rows(held_out),
                   (random_stream){seed, RANDOM_SPLIT, SUBSAMPLE_CALIBRATION}));
    size_t count = s.groups < MOST_CALIBRATION ? s.groups : MOST_CALIBRATION;
    TRY(split_take(&some, &s, held_out, 0, count));
    TRY(pool_open(p, count));
    TRY(pool_add(p, model, some, seed, threads, ticker));
    return p->count[LOGP] ? NICEST_OK
                          : fail(NICEST_E_DATA, "calibration: every row has a missing value");
}

nicest_status nicest_calibrate(nicest_model *model, const nicest_data *train,
                               const nicest_data *held_out, uint64_t seed, int threads,
                               nicest_tick tick, void *context)
{
    return outlier_calibrate(model, train, NULL, held_out, true, seed, threads, tick, context);
}

nicest_status outlier_calibrate(nicest_model *model, const nicest_data *train,
                                const nicest_data *unseen, const nicest_data *held_out, bool keep,
                                uint64_t seed, int threads, nicest_tick tick, void *context)
{
    TRY(require(model && held_out, "a model and rows to calibrate on are needed"));
    TRY(nicest_model_fits(model, held_out));
    if (train)
        TRY(nicest_model_fits(model, train));
    if (nicest_data_rows(held_out) == 0)
        return fail(NICEST_E_DATA, "calibration: no rows");
    TRY(random_check_rows(nicest_data_rows(train)));
    TRY(random_check_rows(nicest_data_rows(held_out)));
    TRY(model_check_threads(threads));
    double fitted = (double)rows_to_fit(model, nicest_data_rows(rows_to_judge(train, unseen)));
    double held = fmin((double)nicest_data_rows(held_out), MOST_CALIBRATION);
    row_ticker rows = {tick, context, 0, fitted + held}, *ticker = tick ? &rows : NULL;
    pool p = {0};
    bool begun = train != NULL;
    nicest_status status = NICEST_OK;
    threads = threads < 1 ? parallel_available() : threads;
    if (train)
        TRY_TO(fit_statistics(model, train, unseen, keep, seed, threads, ticker));
    TRY_TO(gather_scores(&p, model, held_out, seed, threads, ticker));
    begun = true;
    TRY_TO(pool_store(&p, model, "split"));
done:
    if (status != NICEST_OK && begun)
        forget(model);
    memory_leave(&p.memory);
    return status;
}

/* ------------------------------------------------------------------ cross-conformal */

typedef struct crossing {
    const nicest_data *rows;
    split split;
    outlier_learn learn;
    void *context;
    bool keep;
    uint64_t seed;
    int threads;
    pool pool;
} crossing;

static nicest_status cross_fold(crossing *c, size_t first, size_t count)
{
    OWNED_BY(data_drop) nicest_data *inside = NULL, *others = NULL;
    OWNED_BY(model_drop) nicest_model *model = NULL;
    TRY(split_leave(&others, &c->split, c->rows, first, count));
    TRY(split_take(&inside, &c->split, c->rows, first, count));
    TRY(c->learn(c->context, others, &model));
    TRY(fit_statistics(model, others, NULL, c->keep, c->seed, c->threads, NULL));
    return pool_add(&c->pool, model, inside, c->seed, c->threads, NULL);
}

nicest_status outlier_cross_calibrate(nicest_model *model, const nicest_data *rows, size_t folds,
                                      outlier_learn learn, void *context, bool keep, uint64_t seed,
                                      int threads)
{
    crossing c = {.rows = rows,
                  .learn = learn,
                  .context = context,
                  .keep = keep,
                  .seed = seed,
                  .threads = threads < 1 ? parallel_available() : threads};
    nicest_status status = split_open(&c.split, rows, NULL, nicest_data_rows(rows),
                                      (random_stream){seed, RANDOM_SPLIT, SUBSAMPLE_FOLDS});
    if (status == NICEST_OK && (folds < 2 || c.split.groups < 2 * folds))
        status = fail(NICEST_E_DATA, "cross-conformal: %zu rows are too few for %zu folds",
                      c.split.groups, folds);
    if (status != NICEST_OK)
        goto done;
    TRY_TO(pool_open(&c.pool, c.split.groups));
    for (size_t k = 0, n = c.split.groups; k < folds; k++)
        TRY_TO(cross_fold(&c, n * k / folds, n * (k + 1) / folds - n * k / folds));
    TRY_TO(fit_statistics(model, rows, NULL, keep, seed, c.threads, NULL));
    /* The pool is in the order of folds, so what conformal_rows leaves out must be drawn. */
    for (int i = 0; i < SCORES; i++)
        for (size_t j = c.pool.count[i]; j > 1; j--) {
            double u;
            random_uniform_double((random_stream){seed, RANDOM_SPLIT, SUBSAMPLE_FOLDS}, j, &u, 1);
            size_t other = (size_t)(u * (double)j);
            conformal_row kept = c.pool.rows[i][j - 1];
            c.pool.rows[i][j - 1] = c.pool.rows[i][other];
            c.pool.rows[i][other] = kept;
        }
    TRY_TO(pool_store(&c.pool, model, "cross"));
done:
    if (status != NICEST_OK)
        forget(model);
    memory_leave(&c.pool.memory);
    split_close(&c.split);
    return status;
}

/* ------------------------------------------------------------------ decisions */

/* Sorted calibration scores of single rows or groups; *owned is where they are if the model's own
 * array does not serve. */
static nicest_status calibration_scores(const nicest_model *model, const char *name,
                                        const double **sorted, size_t *n, double **owned)
{
    score which;
    size_t group, rows;
    double usual = NAN;
    TRY(parse_score(name, &which, &group));
    const double *stored = calibration_of(model, which, &rows);
    if (!stored || rows == 0)
        return not_calibrated(which);
    bool single = group == 1 && which != TYPICALITY;
    *sorted = stored;
    *n = rows / group;
    if (single && stored[0] > -DBL_MAX)
        return NICEST_OK;
    if (which == TYPICALITY)
        TRY(usual_logp(model, &usual));
    *owned = memory_new(2, rows * sizeof **owned);
    TRY(check_memory(*owned));
    /* What a file holds is finite: the least of all stands for -infinity, as new rows have it. */
    for (size_t i = 0; i < rows; i++)
        (*owned)[i] = stored[i] > -DBL_MAX ? stored[i] : -HUGE_VAL;
    *sorted = single ? *owned : *owned + rows;
    return single ? NICEST_OK : conformal_groups(*owned, rows, group, usual, *owned + rows);
}

nicest_status nicest_conformal(const nicest_model *model, const char *name, const double *scores,
                               size_t n, double *p)
{
    const double *sorted;
    OWNED double *owned = NULL;
    size_t count;
    TRY(require(model && name && scores && p,
                "model, a score's name, scores and a place are needed"));
    TRY(calibration_scores(model, name, &sorted, &count, &owned));
    for (size_t i = 0; i < n; i++)
        p[i] = conformal_p(sorted, count, scores[i]);
    return NICEST_OK;
}

nicest_status nicest_threshold(const nicest_model *model, const char *name, double rate,
                               double *threshold, size_t *rows)
{
    const double *sorted;
    OWNED double *owned = NULL;
    size_t count;
    TRY(require(model && name && threshold, "model, a score's name and a place are needed"));
    if (!(rate >= 0 && rate <= 1))
        return fail(NICEST_E_ARGUMENT, "false-alarm rate %g is not between 0 and 1", rate);
    TRY(calibration_scores(model, name, &sorted, &count, &owned));
    *threshold = conformal_threshold(sorted, count, rate);
    if (rows)
        *rows = count;
    return NICEST_OK;
}

/* ------------------------------------------------------------------ rows with holes */

void binned_close(binned *b)
{
    memory_free(b->scores);
}

/* Holes of n calibration rows as the file has them; NULL where it has none, or no such numbers. */
static const double *calibration_holes(const nicest_model *model, const char *name, size_t n)
{
    score which;
    size_t group, count = 0;
    if (parse_score(name, &which, &group) != NICEST_OK || group != 1 || which == TYPICALITY)
        return NULL;
    const double *holes = model_array(model, array_named("holes", which).text, &count);
    for (size_t i = 0; holes && i < n; i++)
        if (count != n || !(holes[i] >= 0 && holes[i] <= (double)nicest_model_columns(model)))
            return NULL;
    return holes;
}

nicest_status binned_open(binned *b, const nicest_model *model, const char *name)
{
    const double *sorted;
    OWNED double *owned = NULL;
    size_t n;
    TRY(calibration_scores(model, name, &sorted, &n, &owned));
    const double *holes = calibration_holes(model, name, n);
    TRY_NEW(b->scores, n);
    b->bins[b->count++] = (nicest_hole_bin){.rows = n};
    if (holes)
        TRY(conformal_bins(holes, n, b->bins, &b->count));
    double *to = b->scores;
    for (size_t k = 0; k < b->count; k++)
        for (size_t i = 0; i < n; i++)
            if (!holes || conformal_bin(b->bins, b->count, (size_t)holes[i]) == k)
                *to++ = sorted[i];
    return NICEST_OK;
}

double binned_p(const binned *b, size_t holes, double value)
{
    const double *first = b->scores;
    size_t k = conformal_bin(b->bins, b->count, holes);
    for (size_t i = 0; i < k; i++)
        first += b->bins[i].rows;
    return conformal_p(first, b->bins[k].rows, value);
}

nicest_status nicest_hole_bins(const nicest_model *model, const char *name, double rate,
                               nicest_hole_bin *bins, size_t *count)
{
    TRY(require(model && name && bins && count, "model, a score's name and places are needed"));
    if (!(rate >= 0 && rate <= 1))
        return fail(NICEST_E_ARGUMENT, "false-alarm rate %g is not between 0 and 1", rate);
    OWNED_BY(binned_close) binned b = {0};
    TRY(binned_open(&b, model, name));
    const double *scores = b.scores;
    for (size_t k = 0; k < b.count; scores += b.bins[k++].rows)
        b.bins[k].threshold = conformal_threshold(scores, b.bins[k].rows, rate);
    memcpy(bins, b.bins, b.count * sizeof *bins);
    *count = b.count;
    return NICEST_OK;
}

/* Whether calibration had a row with just these holes. Without a list it had whole rows. */
static bool pattern_known(const nicest_model *model, double pattern)
{
    size_t n = 0;
    const double *known = model_array(model, "calibration.patterns", &n);
    return known ? values_count(known, n, pattern, false) < values_count(known, n, pattern, true)
                 : pattern == 0;
}

nicest_status nicest_conformal_rows(const nicest_model *model, const char *name,
                                    const nicest_data *data, const double *scores, double *p,
                                    unsigned char *bin, unsigned char *known)
{
    TRY(require(model && name && data && scores && p,
                "model, a score's name, rows, their scores and a place are needed"));
    TRY(nicest_model_fits(model, data));
    size_t n = nicest_data_rows(data);
    OWNED_BY(binned_close) binned b = {0};
    OWNED_ROWS(double *, holes, n, 2);
    TRY(binned_open(&b, model, name));
    TRY(find_holes(data, holes, holes + n));
    for (size_t i = 0; i < n; i++) {
        p[i] = binned_p(&b, (size_t)holes[i], scores[i]);
        if (bin)
            bin[i] = (unsigned char)conformal_bin(b.bins, b.count, (size_t)holes[i]);
        if (known)
            known[i] = pattern_known(model, holes[n + i]);
    }
    return NICEST_OK;
}
