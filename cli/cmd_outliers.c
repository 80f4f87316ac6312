/* cmd_outliers.c - `nicest outliers`: which rows are atypical, at a promised rate of false alarms,
 * and how good these decisions are where the truth is known. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chart.h"
#include "roc.h"
#include "verdict.h"

#define AT(field) offsetof(outliers_settings, field)

/* clang-format off */
static const option OUTLIERS_OPTIONS[] = {
    {OPTION(ARGUMENT, "MODEL", NULL, model), .required = true, .help = "a model file"},
    {OPTION(ARGUMENT, "DATA", NULL, data), .required = true,
     .help = "rows to judge; with --label, 0 (or the word normal) is normal and all else an outlier"},
    {.group = "Truth", OPTION(TEXT, "against", "DATA", against),
     .help = "rows that are outliers; those of DATA are then normal. --where does not apply to them"},
    {OPTION(TEXT, "corrupt", "KIND=LEVELS", corrupt), .values = nicest_corruption_names,
     .help = "the outliers are corrupted copies of DATA: one line for each level"},
    {.group = "Decision", OPTION(TEXT, "score", "NAME", score), .values = nicest_score_names,
     .unset = "views for tables, combined for pictures",
     .help = "logp, typicality, complexity, gradient, latent, combined or views (docs/outliers.md)"},
    {OPTION(REAL, "false-alarms", "SHARE", rate), .low = 0, .high = 1, .above = true,
     .help = "share of normal rows that may be flagged"},
    {OPTION(REAL, "threshold", "SCORE", threshold), .unset = "from --false-alarms",
     .help = "flag rows whose score is below this"},
    {OPTION(FLAG, "best-f1", NULL, best_f1), .help = "use the threshold with the best F1; needs the truth"},
    {OPTION(COUNT, "group", "M", group), .low = 1, .high = 1e6, .help = "judge rows in groups of M, in order"},
    {OPTION(CHOICE, "neighbours", "ANSWER", neighbours), .choices = "yes|no", .unset = "yes",
     .help = "no: ignore the training rows that the model keeps, and do not save them again"},
    {OPTION(INTEGER, "explain", "K", explain), .low = 0, .high = 1000,
     .unset = "3 for tables, 0 for pictures and groups",
     .help = "name up to K columns that made a flagged row unlikely, in the column `why`; 0: none"},
    {.group = "Calibration", OPTION(TEXT, "calibrate", "DATA", calibrate),
     .help = "calibrate anew on these normal rows, which training has not seen"},
    {OPTION(TEXT, "save", "MODEL", save), .written = true, .help = "write the model with this calibration"},
    {.group = "Columns", OPTION(TEXT, "keep", "COLUMNS", keep),
     .help = "put these columns of DATA (or all) in front of the results, as they are"},
    {.group = "Pictures", OPTION(TEXT, "picture", "FILE", picture), .written = true,
     .help = "histogram of the scores, or their course over the levels, as .png, .svg or .pdf"},
    {OPTION(TEXT, "roc", "FILE", roc), .written = true, .help = "ROC curve"},
    {OPTION(TEXT, "pr", "FILE", pr), .written = true, .help = "precision-recall curve"},
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

/* ------------------------------------------------------------------ pictures */

static size_t scores_of(const verdict *v, unsigned char truth, double *out)
{
    size_t n = 0;
    for (size_t i = 0; i < v->n; i++)
        if (v->truth[i] == truth)
            out[n++] = v->score[i];
    return n;
}

static void draw_histograms(const judge *j, const verdict *v, double threshold)
{
    OWNED_BLOCK double *normal = block_new(2 * v->n, sizeof *normal);
    double *outliers = normal + v->n;
    short_text label = score_label(j);
    panel p = {.title = "Scores",
               .x = {.label = label.text, .may_bend = true},
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
}

static void draw_curves(const judge *j, const verdict *v, const nicest_detection *found)
{
    if (!j->s->roc && !j->s->pr)
        return;
    size_t n;
    OWNED_BLOCK unsigned char *truth = block_new(v->n, 1);
    OWNED_BLOCK double *known = known_scores(v, v->score, j->s->group, truth, &n);
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
    block_free(k.recall);
}

/* ------------------------------------------------------------------ output */

static json_t *reason_json(const nicest_data *data, const nicest_reason *r)
{
    bool number = nicest_data_column_kind(data, r->column) == NICEST_NUMBER;
    short_text value = value_text(data, r->column, r->value);
    short_text expected = rounded_text(data, r->column, r->expected);
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "column",
                     json_words(nicest_data_column_name(data, r->column)), "value",
                     number ? json_figure(r->value) : json_words(value.text), "expected",
                     number ? json_figure(r->expected) : json_words(expected.text), "low",
                     json_figure(r->low), "high", json_figure(r->high), "surprise",
                     json_figure(r->surprise));
}

/* Why rows are flagged, one text a row ("" of the others); NULL where nobody asks. The first
 * hundred stand in `list` too. */
static const char **explain_rows(const judge *j, const nicest_data *data,
                                 const nicest_data *against, const verdict *v, json_t *list)
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
    OWNED_BLOCK size_t *row = block_new(v->n + 1, sizeof *row);
    for (size_t i = 0; i < v->n; i++) {
        why[i] = "";
        if (flagged(v, i))
            row[m++] = i;
    }
    OWNED_BLOCK double *stored = block_new(m + 1, d * sizeof *stored);
    OWNED_BLOCK size_t *counts = block_new(m + 1, sizeof *counts);
    OWNED_BLOCK nicest_reason *reasons = block_new(m + 1, most * sizeof *reasons);
    for (size_t i = 0; i < m; i++)
        need(row[i] < v->first ? nicest_data_read(data, row[i], 1, stored + i * d)
                               : nicest_data_read(against, row[i] - v->first, 1, stored + i * d));
    progress bar = progress_start(&s->shared, "explaining", NULL);
    polite_begin();
    need(nicest_explain(j->model, stored, m, most, fmax(s->rate, 0.05), s->shared.seed,
                        s->shared.threads, progress_tick, &bar, reasons, counts));
    progress_end(&bar);
    polite_end();
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
    return why;
}

static void judge_once(judge *j, const nicest_data *data)
{
    const outliers_settings *s = j->s;
    OWNED_DATA nicest_data *against =
        s->against ? open_rows(&s->shared, j->model, s->against, OTHER_DATA) : NULL;
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
    const char **why = explain_rows(j, data, against, &v, reasons);
    static const char *const names[] = {"logp", "score", "p", "outlier"};
    table out = table_open((table){s->shared.output, names, 4,
                                   .kept = open_kept(&s->shared, s->keep, s->data),
                                   .words_name = "why", .words = why});
    for (size_t i = 0; i < v.n; i++) {
        double decision = isnan(v.score[i]) || isnan(v.limit[i]) ? NAN : flagged(&v, i);
        double row[] = {v.logp[i], v.score[i], v.p[i], decision};
        table_add(&out, row, 1);
    }
    table_close(&out);
    for (size_t i = 0; why && i < v.n; i++)
        if (*why[i])
            block_free((void *)why[i]);
    block_free(why);
    const shared_settings *shared = &j->s->shared;
    short_text rows = rows_text(summary_of(v.score, v.n).rows, v.n);
    if (isnan(found.threshold))
        say(shared, "%s: there is no threshold of %s, so none is flagged", rows.text, j->s->score);
    else
        say(shared, "%s: %.2f %%%s flagged, below %.6g of the score %s%s", rows.text,
            100 * flagged_share(&v, j->s->group), j->s->group > 1 ? " of the groups" : "",
            found.threshold, j->s->score,
            j->has_truth || !isfinite(found.threshold) ? "" : asked_text(j).text);
    say_holes(j, &v);
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
}

static void calibrate_anew(const judge *j)
{
    const outliers_settings *s = j->s;
    if (!s->calibrate)
        return;
    OWNED_DATA nicest_data *rows = open_rows(&s->shared, j->model, s->calibrate, MORE_DATA);
    progress bar = progress_start(&s->shared, "calibrating", NULL);
    need(nicest_calibrate(j->model, NULL, rows, s->shared.seed, s->shared.threads, progress_tick,
                          &bar));
    progress_end(&bar);
    if (s->shared.verbose)
        say(&s->shared, "calibrated on %zu rows", nicest_data_rows(rows));
    if (s->save)
        save_model(j->model, s->save);
}

/* ------------------------------------------------------------------ the command */

static int outliers_run(void *settings)
{
    outliers_settings *s = settings;
    const char *const paths[] = {s->picture, s->roc, s->pr};
    bool truth = s->against || s->corrupt || s->shared.label;
    check_score("outliers", s->score);
    if (is_picture(s->shared.output))
        refuse(STATUS_USAGE,
               "outliers: -o %s: -o takes the table; pictures are --picture, --roc and --pr",
               s->shared.output);
    if (s->keep && (s->against || s->corrupt))
        refuse(STATUS_USAGE, "outliers: --keep copies columns of DATA: leave --against and "
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
    check_output_path(s->shared.output, false);
    check_picture("outliers: --picture", s->picture);
    check_picture("outliers: --roc", s->roc);
    check_picture("outliers: --pr", s->pr);
    check_picture_options(&s->shared, paths, sizeof paths / sizeof *paths);
    OWNED_MODEL nicest_model *model = open_model(s->model);
    judge j = {.s = s, .model = model};
    OWNED_DATA nicest_data *data = open_rows(&s->shared, j.model, s->data, THE_DATA);
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
