/* cmd_outliers.c - `nicest outliers`: which rows are atypical, at a promised rate of false alarms,
 * and how good these decisions are where the truth is known. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chart.h"
#include "common.h"
#include "roc.h"

typedef struct outliers_settings {
    shared_settings shared;
    const char *model, *data, *against, *corrupt, *score, *neighbours, *calibrate, *save;
    const char *picture, *roc, *pr;
    size_t group;
    double rate, threshold;
    bool best_f1;
    const char *keep;
    int explain;
} outliers_settings;

#define AT(field) offsetof(outliers_settings, field)

/* clang-format off */
static const option OUTLIERS_OPTIONS[] = {
    {.name = "MODEL", .type = OPTION_ARGUMENT, .offset = AT(model), .required = true,
     .help = "a model file"},
    {.name = "DATA", .type = OPTION_ARGUMENT, .offset = AT(data), .required = true,
     .help = "rows to judge; with --label, 0 (or the word normal) is normal and all else an outlier"},
    {.group = "Truth", .name = "against", .type = OPTION_TEXT, .argument = "DATA",
     .offset = AT(against), .help = "rows that are outliers; those of DATA are then normal. --where "
                             "is not for them"},
    {.name = "corrupt", .type = OPTION_TEXT, .argument = "KIND=LEVELS", .offset = AT(corrupt),
     .values = nicest_corruption_names,
     .help = "the outliers are DATA, corrupted: a line for each level"},
    {.group = "Decision", .name = "score", .type = OPTION_TEXT, .argument = "NAME",
     .offset = AT(score), .values = nicest_score_names, .unset = "views of tables, combined of pictures",
     .help = "logp, typicality, complexity, gradient, latent, combined or views (docs/outliers.md)"},
    {.name = "false-alarms", .type = OPTION_REAL, .argument = "SHARE", .low = 0, .high = 1,
     .above = true, .offset = AT(rate), .help = "share of normal rows that may be flagged"},
    {.name = "threshold", .type = OPTION_REAL, .argument = "SCORE", .offset = AT(threshold),
     .unset = "from --false-alarms", .help = "flag rows whose score is below this"},
    {.name = "best-f1", .type = OPTION_FLAG, .offset = AT(best_f1),
     .help = "use the threshold of the best F1, which needs the truth"},
    {.name = "group", .type = OPTION_COUNT, .argument = "M", .low = 1, .high = 1e6,
     .offset = AT(group), .help = "judge rows in groups of M, in order"},
    {.name = "neighbours", .type = OPTION_CHOICE, .choices = "yes|no", .argument = "ANSWER",
     .offset = AT(neighbours), .unset = "yes",
     .help = "no: neither look at training rows that the model keeps nor save them again"},
    {.name = "explain", .type = OPTION_INTEGER, .argument = "K", .low = 0, .high = 1000,
     .offset = AT(explain), .unset = "3 of tables, 0 of pictures and groups",
     .help = "the column `why` names up to K columns that made a flagged row unlikely; 0: none"},
    {.group = "Calibration", .name = "calibrate", .type = OPTION_TEXT, .argument = "DATA",
     .offset = AT(calibrate),
     .help = "calibrate anew on these normal rows, which training has not seen"},
    {.name = "save", .type = OPTION_TEXT, .argument = "MODEL", .offset = AT(save), .written = true,
     .help = "and write the model with that calibration"},
    {.group = "Pictures", .name = "picture", .type = OPTION_TEXT, .argument = "FILE",
     .offset = AT(picture), .written = true,
     .help = "histogram of the scores, or their course over the levels, as .png, .svg or .pdf"},
    {.name = "roc", .type = OPTION_TEXT, .argument = "FILE", .offset = AT(roc), .written = true,
     .help = "ROC curve"},
    {.name = "pr", .type = OPTION_TEXT, .argument = "FILE", .offset = AT(pr), .written = true,
     .help = "precision-recall curve"},
    {.group = "Beside", .name = "keep", .type = OPTION_TEXT, .argument = "COLUMNS",
     .offset = AT(keep), .help = "put these columns of DATA (or all) in front of the results, as they are"},
    {0},
};
/* clang-format on */

static void outliers_defaults(void *settings)
{
    outliers_settings *s = settings;
    s->rate = 0.05;
    s->threshold = NAN;
    s->group = 1;
    s->explain = -1;
}

/* ------------------------------------------------------------------ judging rows */

/* The truth about a row. */
enum { NORMAL, OUTLIER, UNKNOWN };

/* Rows with what is known and found about them. */
typedef struct verdict {
    size_t n, first; /* all rows; those of DATA, which come first: groups do not reach across */
    double *logp, *score, *p;
    unsigned char *truth;
} verdict;

typedef struct judge {
    const outliers_settings *s;
    nicest_model *model;
    char calibrated_name[64]; /* of the score, as calibration knows it */
    bool calibrated;          /* for this score */
    double threshold;
    size_t calibration_rows;
    bool has_truth;
} judge;

static verdict verdict_new(size_t n, size_t first)
{
    verdict v = {.n = n, .first = first};
    v.logp = block_new(3 * n, sizeof *v.logp);
    v.score = v.logp + n;
    v.p = v.score + n;
    v.truth = block_new(n, 1);
    return v;
}

static void verdict_free(verdict *v)
{
    block_free(v->logp);
    block_free(v->truth);
}

static bool by_label(const outliers_settings *s)
{
    return s->shared.label && !s->against && !s->corrupt;
}

static unsigned char truth_of_label(const nicest_data *data, size_t row)
{
    const char *word = nicest_data_label_text(data, row);
    double label = nicest_data_labels(data)[row];
    if (isnan(label))
        return UNKNOWN;
    if (word)
        return !strcmp(word, "0") || !strcmp(word, "normal") ? NORMAL : OUTLIER;
    return label != 0 ? OUTLIER : NORMAL;
}

/* 0 to 9 are classes, of which none is an outlier. */
static void check_classes(const outliers_settings *s, const nicest_data *data)
{
    enum { MOST = 1000 };
    size_t classes = 0;
    bool seen[MOST] = {false};
    for (size_t i = 0; i < nicest_data_rows(data); i++) {
        double label = nicest_data_labels(data)[i];
        if (isnan(label))
            continue;
        if (nicest_data_label_text(data, i) || label < 0 || label >= MOST || label != floor(label))
            return;
        classes += !seen[(size_t)label];
        seen[(size_t)label] = true;
    }
    if (classes > 2)
        say(&s->shared,
            "--label %s: %zu different numbers look like classes, not like outliers: 0 is taken for "
            "normal and all else for an outlier; rows of one class: --where '%s=3'",
            s->shared.label, classes, s->shared.label);
}

/* Words have no zero: unless one of them says so, nothing tells which rows are normal. */
static void check_labels(const outliers_settings *s, const nicest_data *data)
{
    size_t n = nicest_data_rows(data), count[3] = {0};
    const char *word = NULL;
    if (!by_label(s))
        return;
    for (size_t i = 0; i < n; i++) {
        count[truth_of_label(data, i)]++;
        word = word ? word : nicest_data_label_text(data, i);
    }
    if (count[UNKNOWN] == n)
        refuse(STATUS_FAILED, "%s: --label %s: no row has a label", s->data, s->shared.label);
    if (word && !count[NORMAL])
        refuse(STATUS_FAILED,
               "%s: --label %s: the labels are words ('%.40s', ...) and none is 0 or normal; "
               "rows of one word: --where '%s=%.40s'; normal and other rows apart: --against",
               s->data, s->shared.label, word, s->shared.label, word);
    check_classes(s, data);
    if (word)
        say(&s->shared, "--label %s: 0 and the word normal are normal, all other words outliers",
            s->shared.label);
    if (count[UNKNOWN])
        say(&s->shared,
            "%zu row%s no label, and no part in precision, recall and other figures "
            "of the truth",
            count[UNKNOWN], count[UNKNOWN] == 1 ? " has" : "s have");
}

/* Rows `at` and on of the verdict are those of data. */
static void judge_data(const judge *j, const nicest_data *data, verdict *v, size_t at, bool outlier)
{
    const outliers_settings *s = j->s;
    size_t n = nicest_data_rows(data);
    double *logp = score_rows(&s->shared, j->model, data);
    memcpy(v->logp + at, logp, n * sizeof *logp);
    block_free(logp);
    if (!strcmp(s->score, "logp") && s->group == 1)
        memcpy(v->score + at, v->logp + at, n * sizeof *logp);
    else
        need(nicest_outlier_scores(j->model, data, s->score, s->group, s->shared.seed,
                                   s->shared.threads, v->score + at));
    for (size_t i = 0; i < n; i++) {
        v->p[at + i] = NAN;
        v->truth[at + i] = by_label(s) ? truth_of_label(data, i) : outlier ? OUTLIER : NORMAL;
    }
    if (j->calibrated)
        need(nicest_conformal(j->model, j->calibrated_name, v->score + at, n, v->p + at));
    stop_if_interrupted();
}

/* Row i begins its group: the rows of one share a score, which counts once (and a truth:
 * check_settings). */
static bool begins_group(const verdict *v, size_t i, size_t group)
{
    return (i < v->first ? i : i - v->first) % group == 0;
}

/* Scores that are numbers, of rows (groups) with a truth, and that; *n becomes their count. */
static double *known_scores(const verdict *v, const double *scores, size_t group,
                            unsigned char *truth, size_t *n)
{
    double *known = block_new(v->n, sizeof *known);
    *n = 0;
    for (size_t i = 0; i < v->n; i++) {
        if (isnan(scores[i]) || v->truth[i] == UNKNOWN || !begins_group(v, i, group))
            continue;
        truth[*n] = v->truth[i];
        known[(*n)++] = scores[i];
    }
    return known;
}

static nicest_detection detect(const judge *j, const verdict *v, const double *scores,
                               double threshold)
{
    nicest_detection found;
    unsigned char *truth = block_new(v->n, 1);
    size_t n;
    double *known = known_scores(v, scores, j->s->group, truth, &n);
    need(nicest_detect(known, truth, n, threshold, j->s->shared.seed, &found));
    block_free(known);
    block_free(truth);
    return found;
}

/* ------------------------------------------------------------------ the threshold */

static void ask_calibration(judge *j)
{
    const outliers_settings *s = j->s;
    if (s->group > 1)
        snprintf(j->calibrated_name, sizeof j->calibrated_name, "%.40s:%zu", s->score, s->group);
    else
        snprintf(j->calibrated_name, sizeof j->calibrated_name, "%.40s", s->score);
    j->threshold = s->threshold;
    double threshold;
    nicest_status status =
        nicest_threshold(j->model, j->calibrated_name, s->rate, &threshold, &j->calibration_rows);
    j->calibrated = status == NICEST_OK;
    if (!j->calibrated && status != NICEST_E_DATA)
        need(status);
    if (j->calibrated && isnan(j->threshold) && !s->best_f1)
        j->threshold = threshold;
}

/* Before any advice: what the model cannot have, no threshold helps. One row tells. */
static void check_model_has(const judge *j, const nicest_data *data)
{
    const outliers_settings *s = j->s;
    const size_t first = 0;
    nicest_data *row;
    double score;
    if (!nicest_data_rows(data))
        return;
    need(nicest_data_select(&row, data, &first, 1));
    nicest_status status = nicest_outlier_scores(j->model, row, s->score, 1, s->shared.seed,
                                                 s->shared.threads, &score);
    if (status == NICEST_E_DATA)
        refuse(STATUS_FAILED,
               "%s: %s, which needs rows of its training: train it with --calibration above 0, or "
               "take --score logp",
               s->model, nicest_error());
    need(status);
    nicest_data_free(row);
}

static void say_calibration(const judge *j)
{
    const outliers_settings *s = j->s;
    if (!j->calibrated && isnan(s->threshold) && !s->best_f1)
        say(&s->shared,
            "the model is not calibrated for %s: no row is flagged; give --calibrate "
            "DATA, --threshold or --best-f1",
            j->calibrated_name);
    const char *what = s->group > 1 ? "groups" : "rows";
    double least = 1 / ((double)j->calibration_rows + 1);
    if (!j->calibrated || j->threshold != -INFINITY || !isnan(s->threshold) || s->best_f1)
        return;
    if (s->rate < least)
        say(&s->shared,
            "%zu calibration %s cannot promise a rate of %g: the least is %.3g; no row is "
            "flagged",
            j->calibration_rows, what, s->rate, least);
    else
        say(&s->shared,
            "a share of %g or more of the calibration %s is impossible to the model: nothing is "
            "less likely, and no row is flagged",
            s->rate, what);
}

static void calibrate_anew(const judge *j)
{
    const outliers_settings *s = j->s;
    if (!s->calibrate)
        return;
    nicest_data *rows = open_more_data(&s->shared, j->model, s->calibrate);
    need(nicest_calibrate(j->model, NULL, rows, s->shared.seed, s->shared.threads));
    say_more(&s->shared, "calibrated on %zu rows", nicest_data_rows(rows));
    nicest_data_free(rows);
    if (s->save)
        save_model(j->model, s->save);
}

/* ------------------------------------------------------------------ pictures */

static size_t scores_of(const verdict *v, unsigned char truth, double *out)
{
    size_t n = 0;
    for (size_t i = 0; i < v->n; i++)
        if (v->truth[i] == truth)
            out[n++] = v->score[i];
    return n;
}

/* "log p, nats", or the name of the score. */
static const char *score_label(const judge *j)
{
    return strcmp(j->s->score, "logp") ? j->s->score : "log p, nats";
}

static void draw_histograms(const judge *j, const verdict *v, double threshold)
{
    double *normal = block_new(2 * v->n, sizeof *normal), *outliers = normal + v->n;
    panel p = {.title = "Scores",
               .x = {.label = score_label(j), .may_bend = true},
               .y.label = strcmp(j->s->score, "logp") ? "share of rows per unit"
                                                      : "share of rows per nat"};
    panel_add(&p, (series){SERIES_HISTOGRAM, 0, j->has_truth ? "normal" : "rows", normal,
                           .n = scores_of(v, NORMAL, normal)});
    if (j->has_truth)
        panel_add(&p, (series){SERIES_HISTOGRAM, 1, "outliers", outliers,
                               .n = scores_of(v, OUTLIER, outliers)});
    if (isfinite(threshold))
        panel_add(&p, (series){SERIES_VERTICAL, 2, "threshold: below it a row is flagged",
                               .at = {threshold}});
    chart c = {.panels = &p, .count = 1};
    chart_save(&c, &j->s->shared, j->s->picture);
    block_free(normal);
}

static void draw_curves(const judge *j, const verdict *v, const nicest_detection *found)
{
    if (!j->s->roc && !j->s->pr)
        return;
    size_t n;
    unsigned char *truth = block_new(v->n, 1);
    double *known = known_scores(v, v->score, j->s->group, truth, &n);
    detection_curve k = detection_curve_of(known, truth, n);
    panel p[2];
    detection_words words;
    detection_panels(p, found->prevalence);
    detection_add(p, &k, found, strcmp(j->s->score, "logp") ? j->s->score : "log p", 0,
                  isfinite(found->threshold) ? NAN : j->s->rate, &words);
    chart c = {.panels = &p[0], .count = 1, .width = 520, .aspect = 1};
    if (j->s->roc)
        chart_save(&c, &j->s->shared, j->s->roc);
    c.panels = &p[1];
    if (j->s->pr)
        chart_save(&c, &j->s->shared, j->s->pr);
    block_free(known);
    block_free(truth);
    block_free(k.recall);
}

/* ------------------------------------------------------------------ output */

static json_t *reason_json(const nicest_data *data, const nicest_reason *r)
{
    char value[80], expected[80];
    bool number = nicest_data_column_kind(data, r->column) == NICEST_NUMBER;
    nicest_data_value_text(data, r->column, r->value, value, sizeof value);
    rounded_text(data, r->column, r->expected, expected, sizeof expected);
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "column",
                     json_words(nicest_data_column_name(data, r->column)), "value",
                     number ? json_figure(r->value) : json_words(value), "expected",
                     number ? json_figure(r->expected) : json_words(expected), "low",
                     json_figure(r->low), "high", json_figure(r->high), "surprise",
                     json_figure(r->surprise));
}

/* Why rows are flagged, one text a row ("" of the others); NULL where nobody asks. The first
 * hundred stand in `list` too. */
static const char **explain_rows(const judge *j, const nicest_data *data,
                                 const nicest_data *against, const verdict *v, double threshold,
                                 json_t *list)
{
    enum { MOST_LISTED = 100 };
    const outliers_settings *s = j->s;
    size_t d = nicest_model_columns(j->model), m = 0;
    unsigned height;
    nicest_model_image(j->model, &height, NULL, NULL);
    int asked = s->explain >= 0 ? s->explain : height || s->group > 1 ? 0 : 3;
    size_t most = (size_t)asked < d ? (size_t)asked : d;
    if (!most)
        return NULL;
    const char **why = block_new(v->n + 1, sizeof *why);
    size_t *row = block_new(v->n + 1, sizeof *row);
    for (size_t i = 0; i < v->n; i++) {
        why[i] = "";
        if (v->score[i] < threshold)
            row[m++] = i;
    }
    double *stored = block_new(m + 1, d * sizeof *stored);
    size_t *counts = block_new(m + 1, sizeof *counts);
    nicest_reason *reasons = block_new(m + 1, most * sizeof *reasons);
    for (size_t i = 0; i < m; i++)
        need(row[i] < v->first ? nicest_data_read(data, row[i], 1, stored + i * d)
                               : nicest_data_read(against, row[i] - v->first, 1, stored + i * d));
    progress bar = progress_start(&s->shared, "explaining", NULL);
    polite_begin();
    nicest_status status =
        nicest_explain(j->model, stored, m, most, fmax(s->rate, 0.05), s->shared.seed,
                       s->shared.threads, progress_tick, &bar, reasons, counts);
    progress_end(&bar);
    polite_end();
    need(status);
    for (size_t i = 0; i < m; i++) {
        const nicest_data *from = row[i] < v->first ? data : against;
        json_t *columns = json_array();
        page text = {0};
        for (size_t k = 0; k < counts[i]; k++) {
            add_reason(&text, from, &reasons[i * most + k]);
            json_array_append_new(columns, reason_json(from, &reasons[i * most + k]));
        }
        why[row[i]] = text.text ? text.text : "";
        if (i < MOST_LISTED)
            json_array_append_new(
                list, json_pack("{s:I, s:O}", "row", (json_int_t)row[i] + 1, "columns", columns));
        json_decref(columns);
    }
    block_free(stored);
    block_free(counts);
    block_free(reasons);
    block_free(row);
    return why;
}

/* Of rows, or groups. */
static double flagged_share(const verdict *v, double threshold, size_t group)
{
    size_t flagged = 0, n = 0;
    for (size_t i = 0; i < v->n; i++) {
        n += begins_group(v, i, group) && !isnan(v->score[i]);
        flagged += begins_group(v, i, group) && v->score[i] < threshold;
    }
    return n && !isnan(threshold) ? (double)flagged / (double)n : NAN;
}

/* As the library judges groups: each has the mean of its rows, the last group is the last rows. */
static void average_groups(double *scores, size_t n, size_t group)
{
    if (group == 1)
        return;
    double *single = block_new(n, sizeof *single);
    memcpy(single, scores, n * sizeof *single);
    for (size_t at = 0; at < n; at += group) {
        size_t begin = at + group <= n ? at : n - group;
        double sum = 0;
        for (size_t i = begin; i < begin + group; i++)
            sum += single[i];
        for (size_t i = at; i < begin + group; i++)
            scores[i] = sum / (double)group;
    }
    block_free(single);
}

/* A baseline that this model or data cannot have is null. */
static void add_baseline(const judge *j, const char *name, const nicest_data *data,
                         const nicest_data *against, const verdict *v, json_t *object)
{
    size_t n = nicest_data_rows(data);
    double *scores = block_new(v->n, sizeof *scores);
    nicest_status status =
        nicest_baseline_scores(j->model, data, name, j->s->shared.threads, scores);
    if (status == NICEST_OK && against)
        status = nicest_baseline_scores(j->model, against, name, j->s->shared.threads, scores + n);
    nicest_detection found = {.auroc = NAN, .auprc = NAN};
    if (status == NICEST_OK) {
        average_groups(scores, v->first, j->s->group);
        average_groups(scores + v->first, v->n - v->first, j->s->group);
        found = detect(j, v, scores, NAN);
    } else {
        say_more(&j->s->shared, "baseline %s: %s", name, nicest_error());
    }
    if (isfinite(found.auroc))
        say(&j->s->shared, "  without a model (%s): AUROC %.4f, AUPRC %.4f", name, found.auroc,
            found.auprc);
    json_object_set_new(object, name,
                        json_pack("{s:o, s:o}", "auroc", json_figure(found.auroc), "auprc",
                                  json_figure(found.auprc)));
    block_free(scores);
}

static json_t *baselines_json(const judge *j, const nicest_data *data, const nicest_data *against,
                              const verdict *v)
{
    json_t *object = json_object();
    for (const char *const *name = nicest_baseline_names(); *name; name++)
        add_baseline(j, *name, data, against, v, object);
    return object;
}

static json_t *interval_json(double low, double high)
{
    return json_pack("[o, o]", json_figure(low), json_figure(high));
}

/* True where the threshold is that of the calibration rows; what they allow. */
static bool promised(const judge *j, double *low, double *high)
{
    *low = *high = NAN;
    if (!j->calibrated || !isnan(j->s->threshold) || j->s->best_f1)
        return false;
    need(nicest_false_alarms(j->calibration_rows, j->s->rate, low, high));
    return true;
}

static json_t *detection_json(const judge *j, const nicest_detection *d, const verdict *v)
{
    double low, high;
    promised(j, &low, &high);
    return json_pack(
        "{s:o, s:o, s:o, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s,"
        " s:I, s:I}",
        "auroc", json_figure(d->auroc), "auprc", json_figure(d->auprc), "threshold",
        json_figure(d->threshold), "false_alarms_asked", j->s->rate, "false_alarms",
        json_figure(d->false_alarms), "false_alarms_low", json_figure(low), "false_alarms_high",
        json_figure(high), "precision", json_figure(d->precision), "recall", json_figure(d->recall),
        "f1", json_figure(d->f1), "prevalence", json_figure(d->prevalence), "auroc_interval",
        interval_json(d->auroc_low, d->auroc_high), "auprc_interval",
        interval_json(d->auprc_low, d->auprc_high), "best_threshold",
        json_figure(d->best_threshold), "best_f1", json_figure(d->best_f1), "flagged",
        json_figure(flagged_share(v, d->threshold, j->s->group)), "score", j->s->score,
        "calibration_rows", (json_int_t)j->calibration_rows, "rows", (json_int_t)v->n);
}

enum { FEW_CALIBRATION = 1000, ASKED_SIZE = 128, ALARMS_SIZE = 192 };

/* " (asked: at most 5 %; 59 calibration rows allow 1.1 to 11.9 %)" where the threshold follows from
 * that; many rows leave nothing to say. */
static const char *asked_text(const judge *j, char text[ASKED_SIZE])
{
    double low, high;
    char allow[80] = "";
    if (!promised(j, &low, &high))
        return "";
    if (j->calibration_rows < FEW_CALIBRATION && high > low)
        snprintf(allow, sizeof allow, "; %zu calibration %s allow %.1f to %.1f %%",
                 j->calibration_rows, j->s->group > 1 ? "groups" : "rows", 100 * low, 100 * high);
    snprintf(text, ASKED_SIZE, " (asked: at most %.3g %%%s)", 100 * j->s->rate, allow);
    return text;
}

/* "; false alarms 4.00 % (asked: at most 5 %)"; empty where there are none to speak of. */
static const char *alarms_text(const judge *j, const nicest_detection *d, char text[ALARMS_SIZE])
{
    char asked[ASKED_SIZE];
    if (isnan(d->false_alarms) || isnan(d->threshold))
        return "";
    snprintf(text, ALARMS_SIZE, "; false alarms %.2f %%%s", 100 * d->false_alarms,
             asked_text(j, asked));
    return text;
}

/* "  recall 0.1234" behind the line, where it is a number. */
static void add_figure(char *line, size_t size, const char *name, int digits, double value)
{
    size_t used = strlen(line);
    if (!isnan(value))
        snprintf(line + used, size - used, "  %s %.*f", name, digits, value);
}

/* Why there is no curve where all rows are of one kind; else NULL. */
static const char *one_kind(const nicest_detection *d)
{
    return d->prevalence <= 0   ? "no row is an outlier"
           : d->prevalence >= 1 ? "every row is an outlier"
                                : NULL;
}

static void say_truth(const judge *j, const nicest_detection *d)
{
    const shared_settings *shared = &j->s->shared;
    char alarms[ALARMS_SIZE], line[96] = "";
    say(shared, "  %.2f %% of the %s are outliers%s", 100 * d->prevalence,
        j->s->group > 1 ? "groups" : "rows", alarms_text(j, d, alarms));
    if (d->prevalence > 0) {
        add_figure(line, sizeof line, "precision", 4, d->precision);
        add_figure(line, sizeof line, "recall", 4, d->recall);
        add_figure(line, sizeof line, "F1", 4, d->f1);
    }
    if (*line)
        say(shared, "%s", line);
    if (one_kind(d))
        say(shared, "  %s: no %s, no AUROC", one_kind(d),
            d->prevalence > 0 ? "false alarms" : "recall");
    else
        say(shared, "  AUROC %.4f (%.4f to %.4f)  AUPRC %.4f (%.4f to %.4f)", d->auroc,
            d->auroc_low, d->auroc_high, d->auprc, d->auprc_low, d->auprc_high);
}

/* nicest_detect takes NaN as "the best": where nothing can be flagged, -infinity asks for that. */
static nicest_detection decide(const judge *j, const verdict *v)
{
    bool nothing = isnan(j->threshold) && !j->s->best_f1;
    nicest_detection found = detect(j, v, v->score, nothing ? -INFINITY : j->threshold);
    if (j->s->best_f1)
        found.threshold = found.best_threshold;
    if (nothing)
        found.threshold = found.precision = found.recall = found.f1 = found.false_alarms = NAN;
    if (!j->has_truth)
        found.precision = found.f1 = NAN;
    return found;
}

static void judge_once(judge *j, const nicest_data *data)
{
    const outliers_settings *s = j->s;
    nicest_data *against = s->against ? open_other_data(&s->shared, j->model, s->against) : NULL;
    j->has_truth = against || s->shared.label;
    /* All rows of DATA, then all of --against. */
    size_t n = nicest_data_rows(data), m = against ? nicest_data_rows(against) : 0;
    verdict v = verdict_new(n + m, n);
    judge_data(j, data, &v, 0, false);
    if (against)
        judge_data(j, against, &v, n, true);
    nicest_detection found = decide(j, &v);
    /* Their curves have no points without both kinds of rows. */
    if ((j->s->roc || j->s->pr) && one_kind(&found))
        refuse(STATUS_FAILED, "--roc and --pr need outliers and normal rows: %s", one_kind(&found));
    json_t *reasons = json_array();
    const char **why = explain_rows(j, data, against, &v, found.threshold, reasons);
    static const char *const names[] = {"logp", "score", "p", "outlier"};
    table out = table_beside(j->s->shared.output, names, 4,
                             open_kept(&j->s->shared, j->s->keep, j->s->data), "why", why);
    for (size_t i = 0; i < v.n; i++) {
        double score = v.score[i];
        double flagged = isnan(score) || isnan(found.threshold) ? NAN : score < found.threshold;
        double row[] = {v.logp[i], score, v.p[i], flagged};
        table_add(&out, row, 1);
    }
    table_close(&out);
    for (size_t i = 0; why && i < v.n; i++)
        if (*why[i])
            block_free((void *)why[i]);
    block_free(why);
    const shared_settings *shared = &j->s->shared;
    char rows[64], asked[ASKED_SIZE];
    rows_text(summary_of(v.score, v.n).rows, v.n, rows, sizeof rows);
    if (isnan(found.threshold))
        say(shared, "%s: there is no threshold of %s, so none is flagged", rows, j->s->score);
    else
        say(shared, "%s: %.2f %%%s flagged, below %.6g of the score %s%s", rows,
            100 * flagged_share(&v, found.threshold, j->s->group),
            j->s->group > 1 ? " of the groups" : "", found.threshold, j->s->score,
            j->has_truth || !isfinite(found.threshold) ? "" : asked_text(j, asked));
    if (j->has_truth)
        say_truth(j, &found);
    json_t *object = detection_json(j, &found, &v);
    json_object_set_new(object, "baselines", baselines_json(j, data, against, &v));
    json_object_set_new(object, "reasons", reasons);
    size_t count = 0;
    for (size_t i = 0; i < v.n; i++)
        count += v.truth[i] == UNKNOWN;
    json_object_set_new(object, "unlabelled", json_integer((json_int_t)count));
    if (s->picture)
        draw_histograms(j, &v, found.threshold);
    draw_curves(j, &v, &found);
    print_json(&s->shared, object);
    verdict_free(&v);
    nicest_data_free(against);
}

/* ------------------------------------------------------------------ the sweep */

/* One level: of the corrupted rows alone. */
typedef struct level_facts {
    double level, mean, low, high, flagged;
    nicest_detection found;
} level_facts;

static void level_scores(const verdict *v, size_t normal, level_facts *f)
{
    size_t n = v->n - normal;
    summary all = summary_of(v->score + normal, n);
    double *sorted = sorted_copy(v->score + normal, &n);
    f->mean = all.mean;
    f->low = quantile(sorted, n, 0.05);
    f->high = quantile(sorted, n, 0.95);
    f->flagged = f->found.recall;
    block_free(sorted);
}

/* Scores above, decisions below. */
static void draw_sweep(const judge *j, const corruption *k, const level_facts *facts)
{
    size_t n = k->count;
    unsigned height;
    double *values = block_new(7 * n, sizeof *values);
    const double *level = values, *precision = values + 6 * n;
    const sweep_curve w = {k->kind,       score_label(j), n,
                           level,         level + n,      level + 2 * n,
                           level + 3 * n, level + 4 * n,  level + 5 * n};
    for (size_t i = 0; i < n; i++) {
        const double row[] = {facts[i].level,          facts[i].mean,        facts[i].low,
                              facts[i].high,           facts[i].found.auroc, facts[i].flagged,
                              facts[i].found.precision};
        for (size_t c = 0; c < 7; c++)
            values[c * n + i] = row[c];
    }
    nicest_model_image(j->model, &height, NULL, NULL);
    panel p[2];
    sweep_panels(p, &w, height > 0, j->threshold);
    if (isfinite(j->threshold))
        panel_line(&p[1], "precision", 2, level, precision, n)->markers = true;
    chart c = {.panels = p, .count = 2, .across = 1, .aspect = 0.5};
    chart_save(&c, &j->s->shared, j->s->picture);
    block_free(values);
}

/* Where the table goes to a file, the user sees it in words. */
static void say_sweep(const judge *j, const corruption *k, const level_facts *facts,
                      const verdict *v, size_t normal)
{
    const shared_settings *shared = &j->s->shared;
    const nicest_detection *first = &facts[0].found;
    char alarms[ALARMS_SIZE], rows[64], threshold[96] = "";
    if (!shared->output || !strcmp(shared->output, "-"))
        return;
    if (!isnan(first->threshold))
        snprintf(threshold, sizeof threshold, "; threshold %.6g of %.40s", first->threshold,
                 j->s->score);
    rows_text(summary_of(v->score, normal).rows, normal, rows, sizeof rows);
    say(shared, "%s and the same corrupted (prevalence 0.5)%s%s", rows, threshold,
        alarms_text(j, first, alarms));
    for (size_t i = 0; i < k->count; i++) {
        char line[96] = "";
        add_figure(line, sizeof line, "precision", 3, facts[i].found.precision);
        add_figure(line, sizeof line, "recall", 3, facts[i].found.recall);
        add_figure(line, sizeof line, "AUROC", 3, facts[i].found.auroc);
        say(shared, "  %s %-6g mean %.2f (5 to 95 %%: %.2f to %.2f)%s", k->kind, facts[i].level,
            facts[i].mean, facts[i].low, facts[i].high, line);
    }
    say(shared, "at %s %g", k->kind, facts[k->count - 1].level);
}

/* What the table and `sweep` of --json have of a level. */
enum { LEVEL_FIGURES = 10 };
static const char *const LEVEL_NAMES[LEVEL_FIGURES] = {"level",   "mean",      "low",   "high",
                                                       "flagged", "auroc",     "auprc", "precision",
                                                       "recall",  "prevalence"};

static void add_level(const level_facts *f, table *out, json_t *lines)
{
    const double row[LEVEL_FIGURES] = {f->level,        f->mean,
                                       f->low,          f->high,
                                       f->flagged,      f->found.auroc,
                                       f->found.auprc,  f->found.precision,
                                       f->found.recall, f->found.prevalence};
    json_t *line = json_object();
    for (size_t i = 0; i < LEVEL_FIGURES; i++)
        json_object_set_new(line, LEVEL_NAMES[i], json_figure(row[i]));
    json_array_append_new(lines, line);
    table_add(out, row, 1);
}

static void judge_sweep(judge *j, const nicest_data *data)
{
    const outliers_settings *s = j->s;
    corruption *k = block_new(1, sizeof *k);
    corruption_parse(k, "--corrupt", s->corrupt);
    nicest_data *other = k->other ? open_other_data(&s->shared, j->model, k->other) : NULL;
    level_facts *facts = block_new(k->count, sizeof *facts);
    verdict v = verdict_new(2 * nicest_data_rows(data), nicest_data_rows(data));
    json_t *lines = json_array();
    j->has_truth = true;
    corruption_check(k, data, other);
    judge_data(j, data, &v, 0, false);
    table out = table_open(s->shared.output, LEVEL_NAMES, LEVEL_FIGURES);
    for (size_t i = 0; i < k->count; i++) {
        /* Normal rows are judged once; the corrupted ones take their place behind them. */
        level_facts f = {.level = k->levels[i]};
        size_t n = nicest_data_rows(data);
        nicest_data *made;
        need(nicest_corrupt(&made, data, k->kind, k->levels[i], other, j->s->shared.seed,
                            j->s->shared.threads));
        judge_data(j, made, &v, n, true);
        nicest_data_free(made);
        f.found = decide(j, &v);
        level_scores(&v, n, &f);
        facts[i] = f;
        add_level(&facts[i], &out, lines);
    }
    table_close(&out);
    say_sweep(j, k, facts, &v, nicest_data_rows(data));
    json_t *object = detection_json(j, &facts[k->count - 1].found, &v);
    nicest_data *last;
    need(nicest_corrupt(&last, data, k->kind, k->levels[k->count - 1], other, s->shared.seed,
                        s->shared.threads));
    json_object_set_new(object, "baselines", baselines_json(j, data, last, &v));
    json_object_set_new(object, "sweep", lines);
    if (s->picture)
        draw_sweep(j, k, facts);
    print_json(&s->shared, object);
    nicest_data_free(last);
    nicest_data_free(other);
    verdict_free(&v);
    block_free(facts);
    block_free(k);
}

/* ------------------------------------------------------------------ the command */

static int outliers_run(void *settings)
{
    outliers_settings *s = settings;
    const char *const paths[] = {s->picture, s->roc, s->pr};
    bool truth = s->against || s->corrupt || s->shared.label;
    check_score("outliers", s->score);
    if (s->keep && (s->against || s->corrupt))
        refuse(STATUS_USAGE, "outliers: --keep has the rows of DATA alone: leave --against and "
                             "--corrupt out");
    if (s->against && s->corrupt)
        refuse(STATUS_USAGE, "outliers: --against and --corrupt exclude each other");
    if (s->best_f1 && (!truth || s->corrupt))
        refuse(STATUS_USAGE, "outliers: --best-f1 needs --against or --label");
    if (s->best_f1 && !isnan(s->threshold))
        refuse(STATUS_USAGE, "outliers: --best-f1 and --threshold exclude each other");
    if ((s->roc || s->pr) && (!truth || s->corrupt))
        refuse(STATUS_USAGE, "outliers: --roc and --pr need --against or --label");
    if (s->group > 1 && by_label(s))
        refuse(STATUS_USAGE, "outliers: groups would mix the labels; use --group with --against");
    if (s->save && !s->calibrate)
        refuse(STATUS_USAGE, "outliers: --save needs --calibrate");
    if (s->save)
        check_model_path(s->save);
    table_check_path(s->shared.output);
    check_picture("outliers: --picture", s->picture);
    check_picture("outliers: --roc", s->roc);
    check_picture("outliers: --pr", s->pr);
    check_picture_options(&s->shared, paths, sizeof paths / sizeof *paths);
    judge j = {.s = s, .model = open_model(s->model)};
    nicest_data *data = open_data_for(&s->shared, j.model, s->data);
    check_labels(s, data);
    if (s->neighbours && !strcmp(s->neighbours, "no"))
        need(nicest_forget_neighbours(j.model));
    calibrate_anew(&j);
    s->score = s->score ? s->score : nicest_default_score(j.model);
    check_model_has(&j, data);
    ask_calibration(&j);
    say_calibration(&j);
    if (s->corrupt)
        judge_sweep(&j, data);
    else
        judge_once(&j, data);
    nicest_data_free(data);
    nicest_model_free(j.model);
    return STATUS_DONE;
}

const command OUTLIERS_COMMAND = {
    .name = "outliers",
    .summary = "calibrated outlier decisions, precision and recall",
    .synopsis = "MODEL DATA [--against DATA | --label COLUMN | --corrupt KIND=LEVELS] [-o FILE]",
    .description =
        "Writes a line for each row of DATA, then of --against: logp, score (higher: more typical), p (the "
        "conformal p-value), outlier (1: flagged) and, for tables, why. `why` names the columns that made a "
        "flagged row unlikely, and the range in which nine tenths of such values lie, given the row's other "
        "columns. The threshold keeps false alarms at or below the rate you ask for, judged by rows that "
        "training held out. All rows count as normal unless --against, --corrupt or --label says "
        "otherwise; beside the first two, --label only sets a column aside.\n\n"
        "With --corrupt there is a line for each level instead: mean score of the corrupted rows, "
        "its 5 and 95 % quantiles, share flagged, AUROC, AUPRC, precision, recall and prevalence "
        "beside DATA. The figures of --json are those of the last level, and `sweep` has all. "
        "Model-free baselines are printed alongside.",
    .examples = "  nicest outliers wine.safetensors new.csv -o decisions.csv\n"
                "  nicest outliers mnist.safetensors t10k-images-idx3-ubyte.gz --score combined "
                "--corrupt rotate=0:90:10 --picture rotate.png\n",
    .tables = {OUTLIERS_OPTIONS, PICTURE_OPTIONS, DATA_OPTIONS, OUTPUT_OPTIONS, COMMON_OPTIONS},
    .size = sizeof(outliers_settings),
    .defaults = outliers_defaults,
    .run = outliers_run,
};
