/* uses.c - see uses.h. What takes long is done on some of the rows, and the page says on how
 * many. */
#include "uses.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "roc.h"

enum { STRIP = 10, FILLED = 200, SWEPT = 500, LEVELS = 6, KINDS = 4 };

static size_t fewer(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many of values[n] are numbers. */
static size_t count_known(const double *values, size_t n)
{
    size_t known = 0;
    for (size_t i = 0; i < n; i++)
        known += !isnan(values[i]);
    return known;
}

static void say_none_whole(page *p, const char *what)
{
    page_words(p,
               "<p>Left out: no row of %s has a log-likelihood, for all have missing values.</p>\n",
               what);
}

/* ------------------------------------------------------------------ holes */

static nicest_inpaint_result fill_some(const material *r, const double *rows, size_t n,
                                       const char *mask, double *filled, unsigned char *hidden)
{
    nicest_inpaint_options options;
    nicest_inpaint_result result;
    nicest_inpaint_defaults(&options);
    options.seed = r->shared->seed;
    options.threads = r->shared->threads;
    need(nicest_mask(mask, rows, n, r->d, r->height, r->width, r->channels, options.seed, hidden));
    need(nicest_inpaint(r->model, rows, n, hidden, &options, filled, NULL, &result));
    return result;
}

/* Truth, what is left of it, and the fill, below one another. */
typedef struct strip {
    nicest_image image;
    short_text title;
} strip;

static strip strip_of(const material *r, const char *mask)
{
    static const char *const names[][2] = {
        {"top", "upper half"}, {"right", "right half"}, {"even", "even pixels"}};
    size_t n = pictures_across(r->width, fewer(r->n, STRIP)), cells = n * r->d;
    OWNED_BLOCK double *tiles = block_new(3 * cells, sizeof *tiles);
    OWNED_BLOCK double *rows = spread_rows(r->rows, r->n, r->d, n);
    OWNED_BLOCK unsigned char *hidden = block_new(cells, 1);
    nicest_inpaint_result found = fill_some(r, rows, n, mask, tiles + 2 * cells, hidden);
    const char *name = "3 of 4 pixels";
    for (size_t i = 0; i < 3; i++)
        name = strcmp(mask, names[i][0]) ? name : names[i][1];
    memcpy(tiles, rows, cells * sizeof *tiles);
    for (size_t i = 0; i < cells; i++)
        tiles[cells + i] = hidden[i] ? NAN : rows[i];
    picture_format format = picture_format_of(r->model, r->rows, r->n * r->d);
    strip s = {.image = picture_grid(&format, tiles, 3 * n, n, 300)};
    s.title =
        short_format("%s: %.1f dB, mean fill %.1f dB", name, found.psnr, found.psnr_mean_fill);
    return s;
}

static void say_filled(page *p, const nicest_inpaint_result *found, size_t n)
{
    if (isnan(found->rmse)) { /* chance has hidden none of a few */
        page_add(p, "<p>There are too few values to hide a fifth of them.</p>\n");
        return;
    }
    page_add(
        p,
        "<p>A fifth of the values of %zu rows was hidden and filled again, by the mean of what the "
        "model holds possible given the others. Root mean square error, in standard deviations of "
        "the column: <b>%.3f</b>; with the column's mean %.3f.",
        n, found->rmse, found->rmse_mean_fill);
    if (isfinite(found->logp_before) && isfinite(found->logp_after))
        page_add(p, " Mean log-likelihood: %.4g before (mean fill), %.4g after.",
                 found->logp_before, found->logp_after);
    page_add(p, "</p>\n");
}

static bool row_is_whole(const material *r, size_t row)
{
    for (size_t j = 0; j < r->d; j++)
        if (!isfinite(r->rows[row * r->d + j]))
            return false;
    return true;
}

void report_filled(page *p, const material *r)
{
    size_t whole = 0;
    heading(p, "Hidden values, filled");
    for (size_t i = 0; i < r->n; i++)
        whole += row_is_whole(r, i);
    if (!whole || (r->height && whole < r->n)) {
        page_add(p,
                 "<p>Left out: %s has missing or infinite values. nicest %s fills those that "
                 "are missing.</p>\n",
                 r->height ? "some row" : "every row", r->height ? "inpaint --mask nan" : "impute");
        return;
    }
    if (r->d < 2) {
        page_add(p, "<p>One column alone cannot be filled from others.</p>\n");
        return;
    }
    if (r->height) {
        static const char *const masks[] = {"top", "right", "even", "random:0.75"};
        static const char *const headings[] = {"data", "seen", "filled"};
        strip strips[4];
        panel panels[4];
        bool line = r->height == 1 || r->width == 1; /* of which no half is upper, or right */
        size_t first = line ? 3 : 0;
        for (size_t i = first; i < 4; i++) {
            strips[i] = strip_of(r, masks[i]);
            panels[i] = (panel){.title = strips[i].title.text,
                                .image = &strips[i].image,
                                .headings = headings,
                                .heading_count = 3,
                                .headings_left = true};
        }
        page_chart(
            p, &(chart){.panels = panels + first, .count = 4 - first, .across = 2},
            "What was hidden, and how near the fill came: PSNR of the hidden pixels (higher is "
            "closer), beside that of filling in the mean of the training rows.");
        for (size_t i = first; i < 4; i++)
            nicest_image_free(&strips[i].image);
    } else {
        /* A fifth of the values of a table, hidden at random, of rows that have all of theirs. */
        size_t n = fewer(whole, FILLED);
        OWNED_BLOCK double *filled = block_new(n * r->d, sizeof *filled);
        OWNED_BLOCK double *rows = block_new(n * r->d, sizeof *rows);
        for (size_t i = 0, k = 0, before = 0; k < n; i++)
            if (row_is_whole(r, i) && before++ == spread_row(k, n, whole))
                memcpy(rows + k++ * r->d, r->rows + i * r->d, r->d * sizeof *rows);
        OWNED_BLOCK unsigned char *hidden = block_new(n * r->d, 1);
        nicest_inpaint_result found = fill_some(r, rows, n, "random:0.2", filled, hidden);
        say_filled(p, &found, n);
    }
}

/* ------------------------------------------------------------------ corruptions */

typedef struct sweep {
    const char *kind;
    double levels[LEVELS];
} sweep;

static const sweep PICTURE_SWEEPS[KINDS] = {
    {"noise", {0, 0.05, 0.1, 0.2, 0.35, 0.5}},
    {"rotate", {0, 15, 30, 45, 60, 90}},
    {"contrast", {0, 0.1, 0.2, 0.4, 0.6, 0.8}},
    {"blur", {0, 0.5, 1, 1.5, 2, 3}},
};
static const sweep TABLE_SWEEPS[] = {
    {"noise", {0, 0.25, 0.5, 1, 1.5, 2}},
};

/* Rows of the data that have a log-likelihood, spread over all such rows: as data, and that of
 * each. */
typedef struct whole_rows {
    nicest_data *data;
    double logp[SWEPT];
    size_t index[SWEPT], n;
} whole_rows;

/* A table's level is in deviations of its columns: of all rows, as `corrupt` and `outliers` count
 * them. */
static nicest_data *corrupted(const material *r, const whole_rows *some, const sweep *s,
                              double level)
{
    nicest_data *worse, *few;
    need(nicest_corrupt(&worse, r->height ? some->data : r->data, s->kind, level, NULL,
                        r->shared->seed, r->shared->threads));
    if (r->height)
        return worse;
    OWNED_DATA nicest_data *all = worse;
    need(nicest_data_select(&few, all, some->index, some->n));
    return few;
}

/* How well one score tells normal rows from others. */
typedef struct judged {
    nicest_detection found;
    detection_curve curve;
} judged;

/* Of normal[n] and other[m]; the curve is the caller's. */
static judged judge_scores(const material *r, const double *normal, size_t n, const double *other,
                           size_t m)
{
    size_t count = 0;
    OWNED_BLOCK double *scores = block_new(n + m, sizeof *scores);
    OWNED_BLOCK unsigned char *truth = block_new(n + m, 1);
    judged j;
    for (size_t i = 0; i < n + m; i++) {
        scores[count] = i < n ? normal[i] : other[i - n];
        truth[count] = i >= n;
        count += !isnan(scores[count]);
    }
    need(nicest_detect(scores, truth, count, NAN, r->shared->seed, &j.found));
    j.curve = detection_curve_of(scores, truth, count);
    return j;
}

/* What a sweep found at each level. */
typedef struct swept {
    double mean[LEVELS], low[LEVELS], high[LEVELS], auroc[LEVELS];
} swept;

static swept run_sweep(const material *r, const whole_rows *some, const sweep *s)
{
    swept found;
    size_t n = some->n;
    for (size_t i = 0; i < LEVELS; i++) {
        OWNED_DATA nicest_data *worse = corrupted(r, some, s, s->levels[i]);
        size_t count = n;
        OWNED_BLOCK double *logp = score_rows(r->shared, r->model, worse);
        OWNED_BLOCK double *sorted = sorted_copy(logp, &count);
        found.mean[i] = summary_of(logp, n).mean;
        found.low[i] = quantile(sorted, count, 0.05);
        found.high[i] = quantile(sorted, count, 0.95);
        judged j = judge_scores(r, some->logp, n, logp, n);
        found.auroc[i] = j.found.auroc;
        block_free(j.curve.recall);
    }
    return found;
}

static void add_sweep_table(page *p, const sweep *s, const swept *found)
{
    page_add(p, "<div class=\"scroll\"><table><tr><th>%s</th>", s->kind);
    for (size_t i = 0; i < LEVELS; i++)
        page_add(p, "<td>%g</td>", s->levels[i]);
    page_add(p, "</tr>\n<tr><th>AUROC</th>");
    for (size_t i = 0; i < LEVELS; i++)
        page_add(p, "<td%s>%.3f</td>", found->auroc[i] < 0.495 ? " class=\"bad\"" : "",
                 found->auroc[i]);
    page_add(p, "</tr></table></div>\n");
}

void report_corrupted(page *p, const material *r)
{
    const sweep *sweeps = r->height ? PICTURE_SWEEPS : TABLE_SWEEPS;
    size_t kinds = r->height ? KINDS : 1;
    swept found[KINDS];
    whole_rows some;
    heading(p, "Corrupted rows");
    if (!count_known(r->logp, r->n)) {
        say_none_whole(p, "the data");
        return;
    }
    size_t known = count_known(r->logp, r->n), seen = 0;
    size_t wanted = fewer(known, SWEPT);
    some.n = 0;
    for (size_t i = 0; i < r->n && some.n < wanted; i++) {
        if (isnan(r->logp[i]) || seen++ != spread_row(some.n, wanted, known))
            continue;
        some.index[some.n] = i;
        some.logp[some.n++] = r->logp[i];
    }
    need(nicest_data_select(&some.data, r->data, some.index, some.n));
    for (size_t i = 0; i < kinds; i++)
        found[i] = run_sweep(r, &some, &sweeps[i]);
    panel pairs[2 * KINDS], all[KINDS];
    double threshold;
    if (nicest_threshold(r->model, "logp", 0.05, &threshold, NULL) != NICEST_OK)
        threshold = NAN;
    for (size_t i = 0; i < kinds; i++) {
        const swept *f = &found[i];
        sweep_panels(pairs + 2 * i,
                     &(sweep_curve){sweeps[i].kind, "log p, nats", LEVELS, sweeps[i].levels,
                                    f->mean, f->low, f->high, f->auroc, NULL},
                     r->height > 0, threshold);
        all[i] = pairs[2 * i];
        all[i].title = NULL; /* the section has one */
    }
    page_chart(p, &(chart){.panels = all, .count = kinds, .across = kinds > 1 ? 2 : 1},
               "Rows that are corrupted ever more. The threshold is that of 5 % false alarms.");
    for (size_t i = 0; i < kinds; i++)
        add_sweep_table(p, &sweeps[i], &found[i]);
    page_add(
        p,
        "<p>Log-likelihood of %zu rows at each level, and how well it tells them from the rows "
        "as they are: AUROC is the chance that a corrupted row is less likely than one as it is. "
        "Below 0.5, corrupted rows are <em>more</em> likely, and plain likelihood misses them "
        "(bold).</p>\n",
        some.n);
    nicest_data_free(some.data);
}

/* ------------------------------------------------------------------ outliers */

static void say_detection(page *p, const material *r, const char *against, double level,
                          const char *score)
{
    size_t known = count_known(r->logp, r->n);
    page_add(p, "<p>%s of the data%s against ", rows_text(known, r->n).text,
             known < r->n ? " (the others have missing values)" : "");
    if (against)
        page_text(p, name_of(against));
    else
        page_add(p, "the same rows with noise of %g %s (--against takes other data)", level,
                 r->height ? "of full scale" : "times the deviation of each column");
    page_add(p, ".%s</p>\n",
             !score ? ""
             : r->height
                 ? " Across sets of pictures plain likelihood may fail; combined, which joins "
                   "it with other figures of a row, is what nicest outliers judges by."
                 : " The score views averages log p with other views of a row; it is what "
                   "nicest outliers judges by.");
}

void report_detection(page *p, const material *r, const char *against)
{
    double level = r->height ? 0.2 : 1;
    OWNED_DATA nicest_data *other = NULL;
    heading(p, "Telling outliers apart");
    if (!count_known(r->logp, r->n)) {
        say_none_whole(p, "the data");
        return;
    }
    if (against)
        other = open_rows(r->shared, r->model, against, OTHER_DATA);
    else
        need(nicest_corrupt(&other, r->data, "noise", level, NULL, r->shared->seed,
                            r->shared->threads));
    OWNED_BLOCK double *logp = score_rows(r->shared, r->model, other);
    if (count_known(logp, nicest_data_rows(other))) {
        /* How log p, and the score that outliers judges by, tell the rows from others. */
        judged all[2] = {judge_scores(r, r->logp, r->n, logp, nicest_data_rows(other))};
        const shared_settings *s = r->shared;
        const char *score = nicest_default_score(r->model);
        size_t m = nicest_data_rows(other);
        OWNED_BLOCK double *scores = block_new(r->n + m, sizeof *scores);
        bool done = strcmp(score, "logp") &&
                    nicest_outlier_scores(r->model, r->data, score, 1, s->seed, s->threads, NULL,
                                          NULL, scores) == NICEST_OK &&
                    nicest_outlier_scores(r->model, other, score, 1, s->seed, s->threads, NULL,
                                          NULL, scores + r->n) == NICEST_OK;
        if (done)
            all[1] = judge_scores(r, scores, r->n, scores + r->n, m);
        size_t count = done ? 2 : 1;
        panel panels[2];
        detection_words words[2];
        detection_panels(panels, all->found.prevalence);
        for (size_t i = count; i-- > 0;)
            detection_add(panels, &all[i].curve, &all[i].found, i ? score : "log p", i ? 2 : 0,
                          0.05, &words[i]);
        page_chart(p, &(chart){.panels = panels, .count = 2, .across = 2, .aspect = 0.9},
                   "Rings: the threshold at which 5 % of the normal rows are flagged.");
        for (size_t i = 0; i < count; i++)
            block_free(all[i].curve.recall);
        say_detection(p, r, against, level, done ? score : NULL);
    } else {
        say_none_whole(p, against ? name_of(against) : "the data");
    }
}
