/* verdict.c - see verdict.h. */
#include "verdict.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

verdict verdict_new(size_t n, size_t first)
{
    verdict v = {.n = n, .first = first};
    v.logp = block_new(4 * n, sizeof *v.logp);
    v.score = v.logp + n;
    v.p = v.score + n;
    v.limit = v.p + n;
    v.truth = block_new(2 * n, 1);
    v.bin = v.truth + n;
    return v;
}

void verdict_free(verdict *v)
{
    block_free(v->logp);
    block_free(v->truth);
}

bool by_label(const outliers_settings *s)
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
            "normal and all else for an outlier; to take one class: --where '%s=3'",
            s->shared.label, classes, s->shared.label);
}

void check_labels(const outliers_settings *s, const nicest_data *data)
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
            "%zu row%s no label: not counted in precision, recall and other figures "
            "of the truth",
            count[UNKNOWN], count[UNKNOWN] == 1 ? " has" : "s have");
}

void judge_data(const judge *j, const nicest_data *data, verdict *v, size_t at, bool outlier)
{
    const outliers_settings *s = j->s;
    size_t n = nicest_data_rows(data);
    OWNED_BLOCK double *logp = score_rows(&s->shared, j->model, data);
    memcpy(v->logp + at, logp, n * sizeof *logp);
    if (!strcmp(s->score, "logp") && s->group == 1) {
        memcpy(v->score + at, v->logp + at, n * sizeof *logp);
    } else {
        progress bar = progress_start(&s->shared, "judging", NULL);
        need(nicest_outlier_scores(j->model, data, s->score, s->group, s->shared.seed,
                                   s->shared.threads, progress_tick, &bar, v->score + at));
        progress_end(&bar);
    }
    for (size_t i = 0; i < n; i++) {
        v->p[at + i] = NAN;
        v->truth[at + i] = by_label(s) ? truth_of_label(data, i) : outlier ? OUTLIER : NORMAL;
    }
    OWNED_BLOCK unsigned char *known = block_new(n, 1);
    if (j->calibrated)
        need(nicest_conformal_rows(j->model, j->calibrated_name, data, v->score + at, v->p + at,
                                   v->bin + at, known));
    for (size_t i = 0; j->calibrated && i < n; i++)
        v->unpromised += !known[i] && !isnan(v->score[at + i]);
    stop_if_interrupted();
}

/* Row i begins its group: the rows of one share a score, which counts once (and a truth:
 * check_settings). */
static bool begins_group(const verdict *v, size_t i, size_t group)
{
    return (i < v->first ? i : i - v->first) % group == 0;
}

double *known_scores(const verdict *v, const double *scores, size_t group, unsigned char *truth,
                     size_t *n)
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
    OWNED_BLOCK unsigned char *truth = block_new(v->n, 1);
    size_t n;
    OWNED_BLOCK double *known = known_scores(v, scores, j->s->group, truth, &n);
    need(nicest_detect(known, truth, n, threshold, j->s->shared.seed, &found));
    return found;
}

/* ------------------------------------------------------------------ the threshold */

void ask_calibration(judge *j)
{
    const outliers_settings *s = j->s;
    if (s->group > 1)
        snprintf(j->calibrated_name, sizeof j->calibrated_name, "%.40s:%zu", s->score, s->group);
    else
        snprintf(j->calibrated_name, sizeof j->calibrated_name, "%.40s", s->score);
    j->threshold = s->threshold;
    nicest_status status =
        nicest_hole_bins(j->model, j->calibrated_name, s->rate, j->bins, &j->bin_count);
    for (size_t b = 0; b < j->bin_count; b++)
        j->calibration_rows += j->bins[b].rows;
    j->calibrated = status == NICEST_OK;
    if (!j->calibrated && status != NICEST_E_DATA)
        need(status);
    if (j->calibrated && isnan(j->threshold) && !s->best_f1)
        j->threshold = j->bins[0].threshold;
}

void check_model_has(const judge *j, const nicest_data *data)
{
    const outliers_settings *s = j->s;
    const size_t first = 0;
    OWNED_DATA nicest_data *row = NULL;
    double score;
    if (!nicest_data_rows(data))
        return;
    need(nicest_data_select(&row, data, &first, 1));
    nicest_status status = nicest_outlier_scores(j->model, row, s->score, 1, s->shared.seed,
                                                 s->shared.threads, NULL, NULL, &score);
    if (status == NICEST_E_DATA)
        refuse(STATUS_FAILED,
               "%s: %s, which needs training rows: train with --calibration above 0, or "
               "take --score logp",
               s->model, nicest_error());
    need(status);
}

void say_calibration(const judge *j)
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
            "the model holds a share of %g or more of the calibration %s for impossible: nothing "
            "is less likely, and no row is flagged",
            s->rate, what);
}

short_text score_label(const judge *j)
{
    return strcmp(j->s->score, "logp") ? short_format("%.40s (higher: more typical)", j->s->score)
                                       : short_format("log p, nats");
}

/* ------------------------------------------------------------------ decisions and their figures */

bool flagged(const verdict *v, size_t row)
{
    return v->score[row] < v->limit[row];
}

double flagged_share(const verdict *v, size_t group)
{
    size_t found = 0, n = 0;
    for (size_t i = 0; i < v->n; i++) {
        bool counts = begins_group(v, i, group) && !isnan(v->score[i]) && !isnan(v->limit[i]);
        n += counts;
        found += counts && flagged(v, i);
    }
    return n ? (double)found / (double)n : NAN;
}

/* A baseline that this model or data cannot have is null. */
json_t *baselines_json(const judge *j, const nicest_data *data, const nicest_data *against,
                       const verdict *v)
{
    const shared_settings *shared = &j->s->shared;
    size_t n = nicest_data_rows(data), group = j->s->group;
    OWNED_BLOCK double *scores = block_new(v->n, sizeof *scores);
    json_t *object = json_object();
    for (const char *const *name = nicest_baseline_names(); *name; name++) {
        nicest_detection found = {.auroc = NAN, .auprc = NAN};
        nicest_status status =
            nicest_baseline_scores(j->model, data, *name, group, shared->threads, scores);
        if (status == NICEST_OK && against)
            status = nicest_baseline_scores(j->model, against, *name, group, shared->threads,
                                            scores + n);
        if (status == NICEST_OK)
            found = detect(j, v, scores, NAN);
        else if (shared->verbose)
            say(shared, "baseline %s: %s", *name, nicest_error());
        if (isfinite(found.auroc))
            say(shared, "  without a model (%s): AUROC %.4f, AUPRC %.4f", *name, found.auroc,
                found.auprc);
        json_object_set_new(object, *name,
                            json_pack("{s:o, s:o}", "auroc", json_figure(found.auroc), "auprc",
                                      json_figure(found.auprc)));
    }
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

json_t *detection_json(const judge *j, const nicest_detection *d, const verdict *v)
{
    double low, high;
    promised(j, &low, &high);
    json_t *bins = json_array();
    for (const nicest_hole_bin *b = j->bins; b < j->bins + j->bin_count; b++)
        json_array_append_new(bins, json_pack("{s:[I, I], s:I, s:o}", "holes", (json_int_t)b->least,
                                              (json_int_t)b->most, "rows", (json_int_t)b->rows,
                                              "threshold", json_figure(b->threshold)));
    return json_pack(
        "{s:o, s:o, s:o, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s,"
        " s:I, s:I, s:o, s:I}",
        "auroc", json_figure(d->auroc), "auprc", json_figure(d->auprc), "threshold",
        json_figure(d->threshold), "false_alarms_asked", j->s->rate, "false_alarms",
        json_figure(d->false_alarms), "false_alarms_low", json_figure(low), "false_alarms_high",
        json_figure(high), "precision", json_figure(d->precision), "recall", json_figure(d->recall),
        "f1", json_figure(d->f1), "prevalence", json_figure(d->prevalence), "auroc_interval",
        interval_json(d->auroc_low, d->auroc_high), "auprc_interval",
        interval_json(d->auprc_low, d->auprc_high), "best_threshold",
        json_figure(d->best_threshold), "best_f1", json_figure(d->best_f1), "flagged",
        json_figure(flagged_share(v, j->s->group)), "score", j->s->score, "calibration_rows",
        (json_int_t)j->calibration_rows, "rows", (json_int_t)v->n, "bins", bins, "unpromised",
        (json_int_t)v->unpromised);
}

enum { FEW_CALIBRATION = 1000 };

short_text asked_text(const judge *j)
{
    double low, high;
    short_text allow = {""};
    if (!promised(j, &low, &high))
        return allow;
    if (j->calibration_rows < FEW_CALIBRATION && high > low)
        allow = short_format("; %zu calibration %s allow %.1f to %.1f %%", j->calibration_rows,
                             j->s->group > 1 ? "groups" : "rows", 100 * low, 100 * high);
    return short_format(" (asked: at most %.3g %%%s)", 100 * j->s->rate, allow.text);
}

short_text alarms_text(const judge *j, const nicest_detection *d)
{
    if (isnan(d->false_alarms) || isnan(d->threshold))
        return (short_text){""};
    return short_format("; false alarms %.2f %%%s", 100 * d->false_alarms, asked_text(j).text);
}

void add_figure(char *line, size_t size, const char *name, int digits, double value)
{
    size_t used = strlen(line);
    if (!isnan(value))
        snprintf(line + used, size - used, "  %s %.*f", name, digits, value);
}

const char *one_kind(const nicest_detection *d)
{
    return d->prevalence <= 0   ? "no row is an outlier"
           : d->prevalence >= 1 ? "every row is an outlier"
                                : NULL;
}

void say_truth(const judge *j, const nicest_detection *d)
{
    const shared_settings *shared = &j->s->shared;
    char line[96] = "";
    say(shared, "  %.2f %% of the %s are outliers%s", 100 * d->prevalence,
        j->s->group > 1 ? "groups" : "rows", alarms_text(j, d).text);
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

nicest_detection decide(const judge *j, verdict *v)
{
    double low, high;
    bool nothing = isnan(j->threshold) && !j->s->best_f1;
    bool binned = promised(j, &low, &high) && j->bin_count > 1;
    nicest_detection found = detect(j, v, v->score, nothing ? -INFINITY : j->threshold);
    if (j->s->best_f1)
        found.threshold = found.best_threshold;
    if (nothing)
        found.threshold = found.precision = found.recall = found.f1 = found.false_alarms = NAN;
    for (size_t i = 0; i < v->n; i++)
        v->limit[i] = binned ? j->bins[v->bin[i]].threshold : found.threshold;
    if (binned) { /* what is flagged is no question of one threshold */
        OWNED_BLOCK double *side = block_new(v->n, sizeof *side);
        for (size_t i = 0; i < v->n; i++)
            side[i] = isnan(v->score[i]) ? NAN : flagged(v, i) ? -1 : 1;
        nicest_detection sides = detect(j, v, side, 0);
        found.precision = sides.precision;
        found.recall = sides.recall;
        found.f1 = sides.f1;
        found.false_alarms = sides.false_alarms;
    }
    if (!j->has_truth)
        found.precision = found.f1 = NAN;
    return found;
}

void say_holes(const judge *j, const verdict *v)
{
    const shared_settings *shared = &j->s->shared;
    double low, high;
    if (promised(j, &low, &high) && j->bin_count == 1 && j->bins->most > j->bins->least)
        say(shared,
            "too few calibration rows have missing values: all %zu judge rows with holes, too",
            j->calibration_rows);
    for (size_t b = 0; promised(j, &low, &high) && j->bin_count > 1 && b < j->bin_count; b++) {
        const nicest_hole_bin *k = &j->bins[b];
        short_text many = k->least == k->most ? short_format("%zu", k->least)
                                              : short_format("%zu to %zu", k->least, k->most);
        say(shared, "  rows with %s missing values: flagged below %.6g (%zu calibration rows)",
            many.text, k->threshold, k->rows);
    }
    say_unpromised(shared, v->unpromised);
}
