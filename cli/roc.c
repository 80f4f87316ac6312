/* roc.c - see roc.h. */
#include "roc.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

detection_curve detection_curve_of(const double *scores, const unsigned char *outlier, size_t n)
{
    detection_curve k = {.recall = block_new(3 * (n + 1), sizeof(double))};
    k.alarms = k.recall + n + 1;
    k.precision = k.alarms + n + 1;
    need(nicest_detection_curve(scores, outlier, n, k.recall, k.alarms, k.precision, &k.n));
    return k;
}

/* ------------------------------------------------------------------ panels */

void detection_panels(panel p[2], double prevalence)
{
    static const double ends[] = {0, 1};
    p[0] = (panel){.title = "ROC",
                   .x = {"false alarms (share of normal rows flagged)", 0, 1},
                   .y = {"outliers found (share)", 0, 1.005}};
    p[1] = (panel){.title = "Precision and recall",
                   .x = {"recall (share of outliers found)", 0, 1},
                   .y = {"precision", 0, 1.005}};
    panel_line(&p[0], "chance", 6, ends, ends, 2)->dashed = true;
    panel_add(&p[1], (series){SERIES_HORIZONTAL, 6, "chance", .at = {0, prevalence}});
}

void detection_add(panel p[2], const detection_curve *k, const nicest_detection *found,
                   const char *score, int ink, double rate, detection_words *words)
{
    double alarms = found->false_alarms, recall = found->recall, precision = found->precision;
    if (!isnan(rate)) {
        size_t at = 0;
        while (at + 1 < k->n && k->alarms[at + 1] <= rate)
            at++;
        alarms = k->alarms[at];
        recall = k->recall[at];
        precision = at ? k->precision[at] : NAN;
    }
    const char *ring = isnan(rate) ? "threshold" : score;
    words->of[0] = short_format("%.40s: area %.4f", score, found->auroc);
    words->of[1] = short_format("%.40s: average precision %.4f", score, found->auprc);
    words->of[2] =
        short_format("%s: %.3g %% false alarms, %.1f %% found", ring, 100 * alarms, 100 * recall);
    words->of[3] = short_format("%s: precision %.3f, recall %.3f", ring, precision, recall);
    panel_line(&p[0], words->of[0].text, ink, k->alarms, k->recall, k->n);
    panel_line(&p[1], words->of[1].text, ink, k->recall + 1, k->precision + 1, k->n - 1);
    if (isfinite(alarms))
        panel_add(&p[0], (series){SERIES_MARK, ink, words->of[2].text, .at = {alarms, recall}});
    if (isfinite(precision))
        panel_add(&p[1], (series){SERIES_MARK, ink, words->of[3].text, .at = {recall, precision}});
}

/* What a level of each kind is counted in. */
static const char *level_label(const char *kind, bool picture)
{
    static const char *const labels[][2] = {
        {"rotate", "rotate (degrees)"},
        {"shear", "shear (pixels a row)"},
        {"brightness", "brightness (of full scale)"},
        {"blur", "blur (standard deviation, pixels)"},
        {"occlusion", "occlusion (share of the area)"},
        {"salt-and-pepper", "salt-and-pepper (share of the pixels)"},
        {"morph", "morph (share of the other)"},
        {"contrast", "contrast (0: as it was, 1: grey)"},
        {"contrast-black", "contrast-black (0: as it was, 1: black)"}};
    if (!strcmp(kind, "noise"))
        return picture ? "noise (standard deviation, share of full scale)"
                       : "noise (standard deviations of the column)";
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
        if (!strcmp(kind, labels[i][0]))
            return labels[i][1];
    return kind;
}

void sweep_panels(panel p[2], const sweep_curve *w, bool picture, double threshold)
{
    const axis x = {.label = level_label(w->kind, picture), .may_bend = true};
    p[0] = (panel){
        .title = "Scores of corrupted rows", .x = x, .y = {.label = w->label, .may_bend = true}};
    p[1] = (panel){
        .title = "How well they are told apart", .x = x, .y = {"share of rows; AUROC", 0, 1.03}};
    panel_add(&p[0], (series){SERIES_BAND, 0, "5 to 95 % of the rows", w->levels, w->low, w->high,
                              .n = w->n});
    panel_line(&p[0], "mean", 0, w->levels, w->mean, w->n)->markers = true;
    panel_line(&p[1], "AUROC", 0, w->levels, w->auroc, w->n)->markers = true;
    if (!isfinite(threshold))
        return;
    panel_add(&p[0], (series){SERIES_HORIZONTAL, 1, "threshold: below it a row is flagged",
                              .at = {0, threshold}});
    if (!w->flagged)
        return;
    series *recall = panel_line(&p[1], "flagged (recall)", 1, w->levels, w->flagged, w->n);
    recall->markers = recall->dashed = true; /* AUROC, often as near to 1, is seen between */
}

/* ------------------------------------------------------------------ reasons */

short_text rounded_text(const nicest_data *data, size_t column, double value)
{
    nicest_column_kind kind = nicest_data_column_kind(data, column);
    if (isinf(value) && kind == NICEST_CATEGORY)
        return short_format("a rare word");
    if (isnan(value))
        return short_format("missing");
    if (kind != NICEST_NUMBER)
        return value_text(data, column, rint(value));
    /* three digits, or whole, with the sign of the column */
    bool three = fabs(value) < 1000 || fabs(value) > 1e15;
    short_text digits = short_format(three ? "%.3g" : "%.0f", value);
    return value_text(data, column, strtod(digits.text, NULL));
}

void add_reason(page *out, const nicest_data *data, const nicest_reason *r)
{
    short_text value = value_text(data, r->column, r->value), nats = {"impossible"};
    short_text low = rounded_text(data, r->column, r->low);
    short_text high = rounded_text(data, r->column, r->high);
    bool one = !strcmp(low.text, high.text);
    size_t words;
    if (nicest_data_column_words(data, r->column, &words) && r->value >= (double)words)
        value = short_format("(a new word)");
    if (isfinite(r->surprise))
        nats = short_format(r->surprise < 1e4 ? "%.1f nats" : "%.3g nats", r->surprise);
    page_add(out, "%s%s=%.79s (expected %.79s%s%.79s%s; %s)", out->used ? "; " : "",
             nicest_data_column_name(data, r->column),
             isnan(r->value) || !*value.text ? "missing" : value.text, low.text, one ? "" : " to ",
             one ? "" : high.text, nicest_data_columns(data) > 1 ? " given the others" : "",
             nats.text);
}
