/* sweep.c - `nicest outliers --corrupt`: a line for each level of a corruption. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "chart.h"
#include "roc.h"
#include "verdict.h"

/* One level: of the corrupted rows alone. */
typedef struct level_facts {
    double level, mean, low, high, flagged;
    nicest_detection found;
} level_facts;

/* Scores above, decisions below. */
static void draw_sweep(const judge *j, const corruption *k, const level_facts *facts)
{
    size_t n = k->count;
    unsigned height;
    short_text label = score_label(j);
    OWNED_BLOCK double *values = block_new(7 * n, sizeof *values);
    const double *level = values, *precision = values + 6 * n;
    const sweep_curve w = {k->kind,       label.text,    n,
                           level,         level + n,     level + 2 * n,
                           level + 3 * n, level + 4 * n, level + 5 * n};
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
}

/* Where the table goes to a file, the user sees it in words. */
static void say_sweep(const judge *j, const corruption *k, const level_facts *facts,
                      const verdict *v, size_t normal)
{
    const shared_settings *shared = &j->s->shared;
    const nicest_detection *first = &facts[0].found;
    short_text threshold = {""};
    if (!shared->output || !strcmp(shared->output, "-"))
        return;
    if (!isnan(first->threshold))
        threshold = short_format("; threshold %.6g of %.40s", first->threshold, j->s->score);
    say(shared, "%s and the same corrupted (prevalence 0.5)%s%s",
        rows_text(summary_of(v->score, normal).rows, normal).text, threshold.text,
        alarms_text(j, first).text);
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

void judge_sweep(judge *j, const nicest_data *data)
{
    const outliers_settings *s = j->s;
    OWNED_BLOCK corruption *k = block_new(1, sizeof *k);
    corruption_parse(k, "--corrupt", s->corrupt);
    OWNED_DATA nicest_data *other =
        k->other ? open_rows(&s->shared, j->model, k->other, OTHER_DATA) : NULL;
    OWNED_BLOCK level_facts *facts = block_new(k->count, sizeof *facts);
    OWNED_DATA nicest_data *made = NULL;
    size_t n = nicest_data_rows(data);
    verdict v = verdict_new(2 * n, n);
    json_t *lines = json_array();
    j->has_truth = true;
    corruption_check(k, data, other);
    judge_data(j, data, &v, 0, false);
    table out = table_open((table){s->shared.output, LEVEL_NAMES, .columns = LEVEL_FIGURES});
    for (size_t i = 0; i < k->count; i++) {
        /* Normal rows are judged once; the corrupted ones take their place behind them. */
        size_t known = n;
        nicest_data_free(made);
        need(nicest_corrupt(&made, data, k->kind, k->levels[i], other, s->shared.seed,
                            s->shared.threads));
        judge_data(j, made, &v, n, true);
        level_facts *f = &facts[i];
        OWNED_BLOCK double *sorted = sorted_copy(v.score + n, &known);
        *f = (level_facts){.level = k->levels[i],
                           .mean = summary_of(v.score + n, n).mean,
                           .low = quantile(sorted, known, 0.05),
                           .high = quantile(sorted, known, 0.95),
                           .found = decide(j, &v)};
        f->flagged = f->found.recall;
        const double row[LEVEL_FIGURES] = {f->level,        f->mean,
                                           f->low,          f->high,
                                           f->flagged,      f->found.auroc,
                                           f->found.auprc,  f->found.precision,
                                           f->found.recall, f->found.prevalence};
        json_t *line = json_object();
        for (size_t c = 0; c < LEVEL_FIGURES; c++)
            json_object_set_new(line, LEVEL_NAMES[c], json_figure(row[c]));
        json_array_append_new(lines, line);
        table_add(&out, row, 1);
    }
    table_close(&out);
    say_sweep(j, k, facts, &v, n);
    json_t *object = detection_json(j, &facts[k->count - 1].found, &v);
    json_object_set_new(object, "baselines", baselines_json(j, data, made, &v));
    json_object_set_new(object, "sweep", lines);
    if (s->picture)
        draw_sweep(j, k, facts);
    print_json(&s->shared, object);
    verdict_free(&v);
}
