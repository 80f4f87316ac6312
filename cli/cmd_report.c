/* cmd_report.c - `nicest report`: one HTML page about a model and data. Each section is a function;
 * one that lacks what it needs says so in a sentence. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "roc.h"
#include "uses.h"

typedef struct report_settings {
    shared_settings shared;
    const char *model, *data, *against, *train, *valid;
    bool verify, uses;
} report_settings;

#define AT(field) offsetof(report_settings, field)

/* clang-format off */
static const option REPORT_OPTIONS[] = {
    {OPTION(ARGUMENT, "MODEL", NULL, model), .required = true, .help = "a model file"},
    {OPTION(ARGUMENT, "DATA", NULL, data), .required = true,
     .help = "rows that the model should find typical, such as test rows"},
    {.group = "Page", OPTION(FLAG, "verify", NULL, verify),
     .help = "include the figures of nicest verify (--no-verify is quicker)"},
    {OPTION(FLAG, "uses", NULL, uses),
     .help = "include hidden values filled, corrupted rows and outliers (--no-uses is quicker)"},
    {OPTION(TEXT, "against", "DATA", against), .unset = "DATA with noise",
     .help = "rows that the model should find atypical; --where does not apply to them"},
    {OPTION(TEXT, "train", "DATA", train),
     .help = "rows that the model has learnt from: their likelihoods are shown beside those of DATA"},
    {OPTION(TEXT, "valid", "DATA", valid), .help = "rows that decided when training stopped, likewise"},
    {0},
};
/* clang-format on */

static void report_defaults(void *settings)
{
    ((report_settings *)settings)->verify = ((report_settings *)settings)->uses = true;
}

enum { SAMPLES = 1000, PAIRS = 6, SHOWN = 800, EXTREMES = 10 };

/* ------------------------------------------------------------------ gathering */

typedef struct ranked {
    double logp;
    size_t row;
} ranked;

static int by_logp(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->logp != y->logp)
        return (x->logp > y->logp) - (x->logp < y->logp);
    return (x->row > y->row) - (x->row < y->row);
}

/* Kolmogorov's distance: 0 where two columns are distributed alike, 1 where they do not overlap. */
static double distribution_distance(const double *a, size_t n, const double *b, size_t m)
{
    OWNED_BLOCK double *x = sorted_copy(a, &n), *y = sorted_copy(b, &m);
    double most = 0;
    for (size_t i = 0, k = 0; i < n && k < m;) {
        double at = fmin(x[i], y[k]);
        while (i < n && x[i] <= at)
            i++;
        while (k < m && y[k] <= at)
            k++;
        most = fmax(most, fabs((double)i / (double)n - (double)k / (double)m));
    }
    return n && m ? most : 0;
}

static material gather_material(const report_settings *s)
{
    material m = {.shared = &s->shared, .model = open_model(s->model)};
    const char *training = nicest_model_entry(m.model, "nicest.training");
    m.data = open_rows(&s->shared, m.model, s->data, THE_DATA);
    m.n = nicest_data_rows(m.data);
    m.d = nicest_data_columns(m.data);
    nicest_model_image(m.model, &m.height, &m.width, &m.channels);
    m.rows = read_rows(m.data);
    m.shown = m.n < SHOWN ? m.n : SHOWN;
    m.some = spread_rows(m.rows, m.n, m.d, m.shown);
    m.logp = score_rows(&s->shared, m.model, m.data);
    m.sum = summary_of(m.logp, m.n);
    m.training = training ? json_from_text(training) : NULL;
    OWNED_WORKSPACE nicest_workspace *workspace = NULL;
    m.samples = sample_rows(m.shared, m.model, NULL, SAMPLES, 1);
    m.samples_logp = block_new(SAMPLES, sizeof *m.samples_logp);
    need(nicest_workspace_new(&workspace, m.model, 0, m.shared->threads));
    need(nicest_score(workspace, m.samples, SAMPLES, m.shared->seed, m.samples_logp));
    OWNED_BLOCK ranked *list = block_new(m.n, sizeof *list);
    for (size_t i = 0; i < m.n; i++)
        if (!isnan(m.logp[i]))
            list[m.ordered++] = (ranked){m.logp[i], i};
    qsort(list, m.ordered, sizeof *list, by_logp);
    m.order = block_new(m.n, sizeof *m.order);
    for (size_t i = 0; i < m.ordered; i++)
        m.order[i] = list[i].row;
    m.apart = block_new(m.d, sizeof *m.apart);
    for (size_t j = 0; j < m.d && !m.height; j++) {
        OWNED_BLOCK double *data = column_of(m.rows, m.n, m.d, j);
        OWNED_BLOCK double *samples = column_of(m.samples, SAMPLES, m.d, j);
        m.apart[j] = distribution_distance(data, m.n, samples, SAMPLES);
    }
    return m;
}

static const char *name_of_column(const material *m, size_t j)
{
    const char *name = nicest_model_column_name(m->model, j);
    return name ? name : nicest_data_column_name(m->data, j);
}

/* The figure is HTML. */
static void card(page *p, const char *name, const char *format, ...)
{
    char text[64];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    page_add(p, "<div class=\"card\">%s<b>%s</b></div>\n", name, text);
}

/* --- in sentences --- */

static double record_number(const material *m, const char *key)
{
    const json_t *value = json_object_get(m->training, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

/* The closed forms of the record beside the model, on the same held-out rows. */
static void say_beside(page *p, const material *m)
{
    static const char *const names[] = {"a Gaussian", "a Gaussian copula", "a Gaussian mixture"};
    const json_t *references = json_object_get(m->training, "references");
    const json_t *values[] = {json_object_get(m->training, "gaussian_logp"),
                              json_object_get(references, "copula"),
                              json_object_get(references, "mixture")};
    double own = record_number(m, "held_out_logp"), best = -INFINITY;
    size_t count = 0, highest = 0;
    if (isnan(own))
        own = record_number(m, "valid_logp");
    if (isnan(own))
        return;
    page_add(
        p,
        "<p>Rows that were held out of training have a mean log-likelihood of %.5g nats (higher is "
        "better; one nat more is 2.7 times as likely)",
        own);
    for (size_t i = 0; i < 3; i++) {
        double value = json_is_number(values[i]) ? json_number_value(values[i]) : NAN;
        if (isnan(value))
            continue;
        page_add(p, "%s%s %.5g",
                 count++
                     ? ", "
                     : ". Simple models, fitted to the same rows and judged by those held out: ",
                 names[i], value);
        if (value > best) {
            best = value;
            highest = i;
        }
    }
    if (!count)
        page_add(p,
                 ". No simple model was fitted beside it, so nothing says how good that is.</p>\n");
    else if (own > best + 5e-4)
        page_add(p, ". So the model is <b>%.3g nats a row better</b> than the best of these.</p>\n",
                 own - best);
    else
        page_add(p,
                 ". So the model is <b>no better</b> than %s, which has no neural network.</p>\n",
                 names[highest]);
}

/* The row whose validation was the best: from its weights the model was made; NULL: unknown. */
static const json_t *kept_point(const material *m)
{
    const json_t *curve = json_object_get(m->training, "curve"), *best = NULL;
    double kept = record_number(m, "kept_epoch"), nearest = INFINITY, highest = -INFINITY;
    size_t i;
    json_t *point;
    json_array_foreach(curve, i, point)
    {
        const json_t *valid = json_array_get(point, 3);
        double away = fabs(json_number_value(json_array_get(point, 1)) - kept);
        if (isfinite(kept) ? away < nearest
                           : json_is_number(valid) && json_number_value(valid) > highest) {
            best = point;
            nearest = away;
            highest = json_number_value(valid);
        }
    }
    return best;
}

/* A sentence of the list of what to be careful of. */
static void care(page *p, size_t *count, const char *format, ...)
{
    char text[600];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    page_words(p,
               (*count)++ ? "<li>%s</li>\n" : "<p>What to be careful of:</p>\n<ul>\n<li>%s</li>\n",
               text);
}

static void say_careful(page *p, const material *m)
{
    size_t count = 0, impossible = 0, worst = 0, beyond = 0;
    double train = record_number(m, "train_logp"), held = record_number(m, "held_out_logp");
    double sem = summary_sem(&m->sum), noise = 1.7 * sqrt(1.0 / (double)m->n + 1e-3);
    summary drawn = summary_of(m->samples_logp, SAMPLES);
    while (impossible < m->ordered && m->logp[m->order[impossible]] == -INFINITY)
        impossible++;
    if (m->sum.missing)
        care(p, &count, "%zu of %zu rows have missing values and no log-likelihood.",
             m->sum.missing, m->n);
    if (impossible)
        care(p, &count,
             "%zu row%s impossible under the model (log-likelihood -inf), and so is the mean; "
             "charts leave %s out.",
             impossible, impossible > 1 ? "s are" : " is", impossible > 1 ? "them" : "it");
    if (m->n < 100)
        care(p, &count, "There are only %zu rows here: every figure of this page is uncertain.",
             m->n);
    if (train - held > 0.05 * (double)m->d + 0.1)
        care(p, &count,
             "Rows that the model has learnt from are %.3g nats likelier than rows that it has not "
             "seen: it knows some of them by heart.",
             train - held);
    if (isfinite(sem) && m->sum.mean - 5 * sem > held)
        care(
            p, &count,
            "The rows of this page (mean %.5g) are likelier than held-out rows (%.5g). If the model "
            "has learnt from them, new rows will be less likely than these.",
            m->sum.mean, held);
    const json_t *curve = json_object_get(m->training, "curve"), *kept = kept_point(m);
    size_t points = json_array_size(curve);
    if (kept && points > 2 && kept == json_array_get(curve, points - 1))
        care(p, &count,
             "The last epoch was the best: training it for longer would probably make it better.");
    if (isfinite(sem) && m->sum.mean + 3 * sem + 3 * summary_sem(&drawn) < drawn.mean)
        care(
            p, &count,
            "These rows are less likely (mean %.5g) than the model's own samples (%.5g): the model "
            "is narrower than this data, or the data is of another kind than its training.",
            m->sum.mean, drawn.mean);
    for (size_t j = 0; j < m->d && !m->height; j++) {
        worst = m->apart[j] > m->apart[worst] ? j : worst;
        beyond += m->apart[j] > noise;
    }
    if (beyond)
        care(p, &count,
             "Samples differ from the data in %zu of %zu columns, most in %.80s: their "
             "distributions are %.3g apart (0: alike, 1: without overlap; chance alone gives up to "
             "%.3g).",
             beyond, m->d, name_of_column(m, worst), m->apart[worst], noise);
    if (!nicest_calibrated(m->model)) {
        care(p, &count, "The model is not calibrated: it gives no p-values, and flags no row.");
    } else if (m->ordered) {
        size_t flagged = 0;
        OWNED_BLOCK double *values = block_new(m->n, sizeof *values);
        need(nicest_conformal_rows(m->model, "logp", m->data, m->logp, values, NULL, NULL));
        for (size_t i = 0; i < m->n; i++)
            flagged += values[i] <= 0.05 * (1 + 1e-12);
        double share = (double)flagged / (double)m->ordered;
        if (share > 0.05 + 3 * sqrt(0.05 * 0.95 / (double)m->ordered))
            care(p, &count,
                 "At a promised 5 %% of false alarms, %.3g %% of these rows are flagged: they hold "
                 "outliers, or are not like the rows of the training.",
                 100 * share);
    }
    if (m->height)
        care(
            p, &count,
            "Likelihood alone does not tell sets of pictures apart: simple pictures of another kind "
            "can be likelier than these. The outlier score combined is safer.");
    page_add(p, count ? "</ul>\n" : "<p>Nothing on this page asks for special care.</p>\n");
}

static void add_summary(page *p, const material *m, const report_settings *s)
{
    double learnt = record_number(m, "rows"), epochs = record_number(m, "epochs");
    double bits = nicest_model_bits_per_dim(m->model, m->sum.mean);
    page_words(p, "<h1>%s</h1>\n", name_of(s->model));
    page_add(p, "<p>The model is a density of %s %s", count_text(m->d).text,
             m->height   ? "pixels"
             : m->d == 1 ? "column"
                         : "columns");
    for (size_t j = 0; j < m->d && !m->height && m->d <= 12; j++)
        page_words(p, j ? j + 1 == m->d ? " and %s" : ", %s" : " (%s", name_of_column(m, j));
    page_add(p, "%s, with %s parameters", !m->height && m->d <= 12 ? ")" : "",
             count_text(nicest_model_parameters(m->model)).text);
    if (learnt > 0)
        page_add(p, ". It was learnt from %s rows", count_text((size_t)learnt).text);
    if (learnt > 0 && epochs > 0) /* a model that was continued may end before its first */
        page_add(p, " in %g epoch%s", epochs, epochs == 1 ? "" : "s");
    page_add(p, ".</p>\n");
    say_beside(p, m);
    page_words(p, "<p>All that follows is of the rows in %s.</p>\n", name_of(s->data));
    say_careful(p, m);
    page_add(p, "<div class=\"cards\">\n");
    card(p, "rows of this page", "%s", count_text(m->n).text);
    if (m->ordered > 1 && isfinite(m->sum.mean)) /* one row has no standard error */
        card(p, "mean log-likelihood, nats", "%.5g &plusmn; %.2g", m->sum.mean,
             standard_error(m->logp, NULL, m->n));
    else if (m->ordered)
        card(p, "mean log-likelihood, nats", "%.5g", m->sum.mean);
    if (isfinite(bits))
        card(p, "bits per dimension", "%.5g", bits);
    card(p, "outlier decisions", nicest_calibrated(m->model) ? "calibrated" : "not calibrated");
    page_add(p, "</div>\n");
}

/* ------------------------------------------------------------------ training */

/* Column `column` of the points of the curve that have a number there. A point is [step, epoch,
 * training, validation, rate]. */
static size_t curve_column(const json_t *curve, size_t column, double *x, double *y)
{
    size_t n = 0, i;
    json_t *point;
    json_array_foreach(curve, i, point)
    {
        const json_t *value = json_array_get(point, column);
        if (!json_is_number(value))
            continue;
        x[n] = json_number_value(json_array_get(point, 1));
        y[n++] = json_number_value(value);
    }
    return n;
}

static void add_training(page *p, const material *m)
{
    const json_t *curve = json_object_get(m->training, "curve");
    const json_t *chosen = json_object_get(m->training, "chosen");
    heading(p, "Training");
    if (json_array_size(curve)) {
        size_t most = json_array_size(curve);
        OWNED_BLOCK double *x = block_new(4 * most, sizeof *x);
        double *y = x + most, *vx = y + most, *vy = vx + most;
        size_t n = curve_column(curve, 2, x, y), v = curve_column(curve, 3, vx, vy);
        const json_t *kept = kept_point(m);
        short_text name;
        panel c = {.x.label = "epoch", .y.label = "mean log p, nats"};
        panel_line(&c, "training rows", 0, x, y, n);
        if (v)
            panel_line(&c, "validation rows", 1, vx, vy, v);
        if (kept) {
            double epoch = json_number_value(json_array_get(kept, 1));
            const json_t *valid = json_array_get(kept, 3);
            name = short_format("kept: epoch %.4g", epoch);
            panel_add(&c, (series){SERIES_MARK, 1, name.text,
                                   .at = {epoch,
                                          json_is_number(valid) ? json_number_value(valid) : NAN}});
        }
        page_chart(p, &(chart){.panels = &c, .count = 1, .aspect = 0.5},
                   "Mean log-likelihood while the model learned.");
    } else
        page_add(p, "<p>The model file has no training curve.</p>\n");
    if (json_is_string(chosen))
        page_words(p, "<pre>%s</pre>\n", json_string_value(chosen));
}

/* ------------------------------------------------------------------ samples beside data */

/* Two grids of pictures side by side. */
static void add_picture_pair(page *p, const material *m, const double *rows[2], size_t n,
                             const char *left, const char *right)
{
    picture_format format = picture_format_of(m->model, m->rows, m->n * m->d);
    size_t across = pictures_across(m->width, n < 20 ? 5 : 8);
    nicest_image images[2];
    panel panels[2];
    for (size_t i = 0; i < 2; i++) {
        images[i] = picture_grid(&format, rows[i], n, across, 360);
        panels[i] = (panel){.title = i ? right : left, .image = &images[i]};
    }
    page_chart(p, &(chart){.panels = panels, .count = 2, .across = 2}, NULL);
    for (size_t i = 0; i < 2; i++)
        nicest_image_free(&images[i]);
}

/* A cell: mean and deviation, or of a category its most frequent word. */
static void moment_cell(page *p, const material *m, size_t j, const double *column, size_t n)
{
    size_t words, most = 0, seen = 0;
    const char *const *names = nicest_model_column_words(m->model, j, &words);
    summary s = summary_of(column, n);
    if (!names) {
        page_add(p, "<td>%.4g (%.3g)</td>", s.mean,
                 s.rows > 1 ? sqrt(s.square / (double)(s.rows - 1)) : 0);
        return;
    }
    OWNED_BLOCK size_t *count = block_new(words + 1, sizeof *count);
    for (size_t i = 0; i < n; i++)
        if (column[i] >= 0 && column[i] < (double)words) {
            count[(size_t)column[i]]++;
            seen++;
        }
    for (size_t k = 1; k < words; k++)
        most = count[k] > count[most] ? k : most;
    page_words(p, "<td>%s", words ? names[most] : "");
    page_add(p, ": %.0f %%</td>", seen ? 100 * (double)count[most] / (double)seen : 0);
}

typedef struct pair {
    size_t x, y;
    double strength;
} pair;

static int stronger(const void *a, const void *b)
{
    const pair *p = a, *q = b;
    if (p->strength != q->strength)
        return p->strength < q->strength ? 1 : -1;
    return p->x != q->x ? (p->x > q->x) - (p->x < q->x) : (p->y > q->y) - (p->y < q->y);
}

static double correlation(const material *m, size_t x, size_t y)
{
    double n = 0, sx = 0, sy = 0, xx = 0, yy = 0, xy = 0;
    for (size_t i = 0; i < m->shown; i++) {
        double a = m->some[i * m->d + x] - m->some[x], b = m->some[i * m->d + y] - m->some[y];
        if (!isfinite(a) || !isfinite(b))
            continue;
        n++;
        sx += a;
        sy += b;
        xx += a * a;
        yy += b * b;
        xy += a * b;
    }
    double below = (n * xx - sx * sx) * (n * yy - sy * sy);
    return below > 0 ? fabs(n * xy - sx * sy) / sqrt(below) : 0;
}

/* The pairs that depend on each other most, of the first columns where there are very many. */
static void add_pairs(page *p, const material *m)
{
    enum { LOOKED_AT = 60 };
    size_t d = m->d < LOOKED_AT ? m->d : LOOKED_AT, count = 0;
    OWNED_BLOCK pair *pairs = block_new(d * d, sizeof *pairs);
    panel panels[PAIRS];
    for (size_t x = 0; x < d; x++)
        for (size_t y = x + 1; y < d && !nicest_model_column_words(m->model, x, NULL); y++)
            if (!nicest_model_column_words(m->model, y, NULL))
                pairs[count++] = (pair){x, y, correlation(m, x, y)};
    qsort(pairs, count, sizeof *pairs, stronger);
    size_t shown = count < PAIRS ? count : PAIRS;
    for (size_t i = 0; i < shown; i++) {
        size_t x = pairs[i].x, y = pairs[i].y;
        panels[i] = (panel){.x.label = name_of_column(m, x), .y.label = name_of_column(m, y)};
        panel_add(&panels[i], (series){SERIES_DOTS, 0, "data", m->some + x, m->some + y,
                                       .n = m->shown, .stride = m->d});
        panel_add(&panels[i], (series){SERIES_DOTS, 1, "samples", m->samples + x, m->samples + y,
                                       .n = SHOWN, .stride = m->d});
    }
    const char *what =
        count > shown ? "The pairs of columns with the strongest correlation" : "Pairs of columns";
    if (shown)
        page_chart(
            p, &(chart){.panels = panels, .count = shown, .across = 3, .least = 160, .aspect = 0.9},
            short_format("%s: %zu of %s rows, and samples.", what, m->shown, count_text(m->n).text)
                .text);
}

/* Two columns: data, samples and the density itself, all over the same ranges. */
static void add_plane(page *p, const material *m)
{
    enum { SIDE = 200 };
    OWNED_BLOCK double *logp = block_new(SIDE * SIDE, sizeof *logp);
    double box[4];
    for (size_t k = 0; k < 2; k++)
        middle_range(m->rows, m->n, 2, k, 0.005, 0.12, box + 2 * k);
    need(nicest_density_grid(m->model, box, SIDE, SIDE, m->shared->threads, logp));
    const axis x = {.label = name_of_column(m, 0), .low = box[0], .high = box[1]};
    const axis y = {.label = name_of_column(m, 1), .low = box[2], .high = box[3]};
    panel panels[3] = {{.title = "Data", .x = x, .y = y},
                       {.title = "Samples", .x = x, .y = y},
                       {.title = "Density", .x = x, .y = y}};
    OWNED_BLOCK double *values = panel_density(&panels[2], logp, SIDE, SIDE, box, false);
    panel_add(&panels[0],
              (series){SERIES_DOTS, 0, .x = m->some, .y = m->some + 1, .n = m->shown, .stride = 2});
    panel_add(&panels[1], (series){SERIES_DOTS, 1, .x = m->samples, .y = m->samples + 1, .n = SHOWN,
                                   .stride = 2});
    short_text caption = short_format(
        "%zu of %s rows, as many samples, and the model's density, with lines around 50, 90 and "
        "99 %% of its mass.",
        m->shown, count_text(m->n).text);
    page_chart(p, &(chart){.panels = panels, .count = 2, .across = 2, .aspect = 0.9}, NULL);
    page_chart(p, &(chart){.panels = panels + 2, .count = 1, .aspect = 0.6}, caption.text);
}

static void add_samples(page *p, const material *m)
{
    heading(p, "Samples beside data");
    if (m->height) {
        size_t n = m->n < 64 ? m->n : 64;
        OWNED_BLOCK double *rows = spread_rows(m->rows, m->n, m->d, n);
        add_picture_pair(p, m, (const double *[]){rows, m->samples}, n,
                         short_format("Data: %zu of %s rows", n, count_text(m->n).text).text,
                         "Samples of the model");
        return;
    }
    double nothing, corner[4] = {0, 1, 0, 1};
    if (m->d == 2 && nicest_density_grid(m->model, corner, 1, 1, 1, &nothing) == NICEST_OK)
        add_plane(p, m); /* not of words, flags and what is given */
    else if (m->d > 2)
        add_pairs(p, m);
    heading(p, "Columns");
    /* Every column on its own: data and samples. */
    OWNED_BLOCK panel *panels = block_new(m->d, sizeof *panels);
    for (size_t j = 0; j < m->d; j++) {
        panels[j] = (panel){.title = name_of_column(m, j), .y.bare = true};
        axis *x = &panels[j].x;
        if ((x->words = nicest_model_column_words(m->model, j, &x->word_count)) != NULL) {
            x->low = -0.5;
            x->high = (double)x->word_count - 0.5;
        }
        panel_add(&panels[j],
                  (series){SERIES_HISTOGRAM, 0, "data", m->rows + j, .n = m->n, .stride = m->d});
        panel_add(&panels[j], (series){SERIES_OUTLINE, 1, "samples", m->samples + j, .n = SAMPLES,
                                       .stride = m->d});
    }
    page_chart(
        p, &(chart){.panels = panels, .count = m->d, .across = m->d < 4 ? m->d : 4, .least = 160},
        "Each column: its distribution in the data and in samples of the model.");
    page_add(p, "<div class=\"scroll\"><table><tr><th>column</th><th>data</th><th>samples</th>"
                "<th>distance</th></tr>\n");
    for (size_t j = 0; j < m->d; j++) {
        OWNED_BLOCK double *data = column_of(m->rows, m->n, m->d, j);
        OWNED_BLOCK double *drawn = column_of(m->samples, SAMPLES, m->d, j);
        page_words(p, "<tr><td class=\"name\">%s</td>", name_of_column(m, j));
        moment_cell(p, m, j, data, m->n);
        moment_cell(p, m, j, drawn, SAMPLES);
        page_add(p, "<td>%.3f</td></tr>\n", m->apart[j]);
    }
    page_add(
        p, "</table></div>\n<p>Of numbers: mean (standard deviation). Of words: the most frequent "
           "one. Distance: the largest difference of the two distribution functions, 0 where data "
           "and samples are alike.</p>\n");
}

/* ------------------------------------------------------------------ likelihoods */

static void add_likelihoods(page *p, const material *m, const report_settings *s)
{
    const char *const names[] = {"training rows", "validation rows"};
    const char *const texts[] = {s->train, s->valid};
    double *more[2] = {NULL, NULL};
    panel c = {.x = {.label = "log-likelihood, nats", .may_bend = true},
               .y.label = "share of rows per nat"};
    heading(p, "Likelihoods");
    if (!m->ordered) {
        page_add(p, "<p>No row of the data has a log-likelihood.</p>\n");
        return;
    }
    panel_add(&c, (series){SERIES_HISTOGRAM, 0, "data", m->logp, .n = m->n});
    panel_add(&c, (series){SERIES_HISTOGRAM, 1, "samples", m->samples_logp, .n = SAMPLES});
    for (size_t i = 0; i < 2; i++) {
        if (!texts[i])
            continue;
        OWNED_DATA nicest_data *seen = open_rows(m->shared, m->model, texts[i], MORE_DATA);
        more[i] = score_rows(m->shared, m->model, seen);
        panel_add(&c, (series){SERIES_OUTLINE, i ? 5 : 2, names[i], more[i],
                               .n = nicest_data_rows(seen)});
    }
    page_chart(p, &(chart){.panels = &c, .count = 1, .aspect = 0.5},
               "Data to the left of the model's own samples is less likely than the model "
               "believes; data to the right of them is simpler than what it draws.");
    block_free(more[0]);
    block_free(more[1]);
}

/* ------------------------------------------------------------------ typical rows */

/* The reasons, and below them the whole row in words, which wraps on any screen. */
static void add_table_row(page *p, const material *m, size_t row, size_t columns,
                          const nicest_reason *reasons, size_t count)
{
    page why = {0};
    for (size_t k = 0; k < count; k++)
        add_reason(&why, m->data, &reasons[k]);
    page_add(p, "<tr><td>%zu</td><td>%.5g</td>", row + 1, m->logp[row]);
    page_words(p, "<td class=\"why\">%s<span>", why.text ? why.text : "");
    block_free(why.text);
    for (size_t j = 0; j < columns; j++) {
        double value = m->rows[row * m->d + j];
        page_words(p, j ? ", %s=" : "%s=", name_of_column(m, j));
        page_words(p, "%s", isnan(value) ? "\xe2\x80\x93" : value_text(m->data, j, value).text);
    }
    page_add(p, "</span></td></tr>\n");
}

static void add_extremes(page *p, const material *m)
{
    size_t count = m->ordered / 2 < EXTREMES ? m->ordered / 2 : EXTREMES;
    heading(p, "Most and least likely rows");
    if (!count)
        page_add(p, "<p>There are fewer than two rows with a log-likelihood.</p>\n");
    else if (m->height) {
        OWNED_BLOCK double *rows = block_new(2 * count * m->d, sizeof *rows);
        double *low = rows + count * m->d;
        for (size_t i = 0; i < count; i++) {
            memcpy(rows + i * m->d, m->rows + m->order[m->ordered - 1 - i] * m->d,
                   m->d * sizeof *rows);
            memcpy(low + i * m->d, m->rows + m->order[i] * m->d, m->d * sizeof *rows);
        }
        add_picture_pair(p, m, (const double *[]){rows, low}, count, "The most likely rows",
                         "The least likely rows");
    } else {
        /* The likeliest rows, and the least likely ones with reasons. */
        enum { REASONS = 3, SHOWN_COLUMNS = 40 };
        size_t columns = m->d < SHOWN_COLUMNS ? m->d : SHOWN_COLUMNS,
               most = m->d < REASONS ? m->d : REASONS;
        size_t counts[EXTREMES], partial = 0;
        OWNED_BLOCK double *rows = block_new(count, m->d * sizeof *rows);
        OWNED_BLOCK nicest_reason *reasons = block_new(count, most * sizeof *reasons);
        for (size_t i = 0; i < count; i++)
            memcpy(rows + i * m->d, m->rows + m->order[i] * m->d, m->d * sizeof *rows);
        for (size_t i = 0; i < m->n * m->d; i++)
            partial += isnan(m->rows[i]);
        need(nicest_explain(m->model, rows, count, most, 0.05, m->shared->seed, m->shared->threads,
                            NULL, NULL, reasons, counts));
        page_add(p, "<div class=\"scroll\"><table><tr><th>row</th><th>log p</th><th "
                    "class=\"why\">what made it unlikely; all of the row</th></tr>\n");
        for (size_t i = 0; i < count; i++)
            add_table_row(p, m, m->order[i], columns, reasons + i * most, counts[i]);
        for (size_t i = count; i-- > 0;)
            add_table_row(p, m, m->order[m->ordered - 1 - i], columns, NULL, 0);
        page_add(
            p,
            "</table></div>\n<p>The %zu least likely rows, the unlikeliest first; then the %zu most "
            "likely. Rows count from 1",
            count, count);
        if (columns < m->d)
            page_add(p, "; the first %zu of %zu columns", columns, m->d);
        page_add(p, ".%s</p>\n",
                 partial ? " Where values are missing, log p is that of what is seen, "
                           "and so higher."
                         : "");
    }
}

/* ------------------------------------------------------------------ calibration and proof */

static void draw_calibration(page *p, const material *m)
{
    enum { POINTS = 201 };
    double x[POINTS], y[POINTS], low[POINTS], high[POINTS], ends[] = {0, 1};
    double threshold;
    size_t calibrated = 0;
    OWNED_BLOCK double *values = block_new(m->n, sizeof *values);
    need(nicest_threshold(m->model, "logp", 0.05, &threshold, &calibrated));
    need(nicest_conformal_rows(m->model, "logp", m->data, m->logp, values, NULL, NULL));
    size_t count = m->n, below = 0;
    OWNED_BLOCK double *sorted = sorted_copy(values, &count);
    double rows = 1 / (1 / (double)(count ? count : 1) + 1 / (double)(calibrated + 1));
    for (size_t i = 0; i < POINTS; i++) {
        x[i] = (double)i / (POINTS - 1);
        while (below < count && sorted[below] <= x[i])
            below++;
        y[i] = (double)below / (double)(count ? count : 1);
        double sd = sqrt(x[i] * (1 - x[i]) / rows); /* of both counts, to first order */
        low[i] = fmax(0, x[i] - 1.96 * sd);
        high[i] = fmin(1, x[i] + 1.96 * sd);
    }
    panel c = {.x = {"false alarms asked for (share of rows)", 0, 1},
               .y = {"rows flagged (share)", 0, 1.005}};
    panel_add(&c, (series){SERIES_BAND, 6, "95 % by chance", x, low, high, .n = POINTS});
    panel_line(&c, "as promised", 6, ends, ends, 2)->dashed = true;
    panel_line(&c, "this data", 0, x, y, POINTS);
    page_chart(p, &(chart){.panels = &c, .count = 1, .aspect = 0.6},
               "Rows like those of the training keep the curve in the band, which is as wide as so "
               "few rows make it. Data with outliers lies above it; rows that the model has learnt "
               "from lie below.");
}

static void proof_row(page *p, const char *name, double figure, bool ok, const char *bound)
{
    short_text text = short_format(figure < 0.1 ? "%.3g" : "%.6f", figure); /* a mass is near 1 */
    page_add(p, "<tr><td>%s</td><td>%s</td><td>%s</td><td class=\"%s\">%s</td></tr>\n", name,
             text.text, bound, ok ? "good" : "bad", ok ? "ok" : "missed");
}

static void add_proof(page *p, const material *m, const report_settings *s)
{
    nicest_verification v;
    heading(p, "Verification");
    if (!s->verify) {
        page_add(p, "<p>Left out by --no-verify.</p>\n");
        return;
    }
    /* On the rows of the data; where none of them has a density, on the model's own. */
    nicest_status status =
        nicest_verify(m->model, m->data, m->shared->seed, m->shared->threads, NULL, NULL, &v);
    if (status == NICEST_E_DATA) {
        status = nicest_verify(m->model, NULL, m->shared->seed, m->shared->threads, NULL, NULL, &v);
        page_add(p, "<p>No row of the data has a density: measured on samples of the model.</p>\n");
    }
    need(status);
    page_add(p, "<div class=\"scroll\"><table><tr><th>what</th><th>measured</th><th>bound</th>"
                "<th></th></tr>\n");
    proof_row(p, "inverse(forward(x)) against x, largest error", v.inverse_max,
              v.inverse_max <= 1e-5, "1e-5");
    proof_row(p, "forward(inverse(h)) against h, largest error", v.latent_max, v.latent_max <= 1e-4,
              "1e-4");
    proof_row(p, "log-determinant against a Jacobian, largest error", v.logdet_max_error,
              v.logdet_max_error <= 1e-6, "1e-6");
    proof_row(p, "gradients against differences, largest error", v.gradient_max_error,
              v.gradient_max_error <= 1e-6, "1e-6");
    if (isfinite(v.integral))
        proof_row(p, "total mass", v.integral, fabs(v.integral - 1) <= 0.01, "1 &plusmn; 0.01");
    page_add(p, "</table></div>\n");
    if (!isfinite(v.integral))
        page_words(p, "<p>Total mass was not measured: %s.</p>\n", v.integral_reason);
}

/* ------------------------------------------------------------------ the command */

static int report_run(void *settings)
{
    const report_settings *s = settings;
    double started = clock_seconds();
    const char *path = s->shared.output;
    if (!path)
        refuse(STATUS_USAGE, "report: -o FILE.html is missing: nicest report %s",
               REPORT_COMMAND.synopsis);
    if (!has_extension(path, ".html"))
        refuse(STATUS_USAGE, "report: %s: expected a name that ends in .html", path);
    check_writable(path);
    material m = gather_material(s);
    page p = page_open(name_of(s->model), "");
    add_summary(&p, &m, s);
    add_samples(&p, &m);
    add_likelihoods(&p, &m, s);
    add_extremes(&p, &m);
    if (s->uses) {
        report_filled(&p, &m);
        report_corrupted(&p, &m);
        report_detection(&p, &m, s->against);
    }
    heading(&p, "Calibration");
    if (!m.ordered)
        page_add(&p, "<p>No row of the data has a log-likelihood, so there are no p-values.</p>\n");
    else if (nicest_calibrated(m.model))
        draw_calibration(&p, &m);
    else
        page_add(&p, "<p>The model is not calibrated, so there are no p-values.</p>\n");
    add_proof(&p, &m, s);
    add_training(&p, &m);
    heading(&p, "Layers");
    page_words(&p, "<pre>%s</pre>\n", nicest_model_spec(m.model));
    size_t bytes = p.used;
    page_close(&p, s->shared.output);
    say(&s->shared, "%s: %zu rows, %zu kB", s->shared.output, m.n, bytes / 1000);
    print_json(&s->shared,
               json_pack("{s:o, s:I, s:o, s:o, s:f}", "report", json_words(s->shared.output),
                         "rows", (json_int_t)m.n, "mean", json_figure(m.sum.mean), "sem",
                         json_figure(standard_error(m.logp, NULL, m.n)), "seconds",
                         clock_seconds() - started));
    json_decref(m.training);
    block_free(m.rows);
    block_free(m.some);
    block_free(m.logp);
    block_free(m.samples);
    block_free(m.samples_logp);
    block_free(m.order);
    block_free(m.apart);
    nicest_data_free(m.data);
    nicest_model_free(m.model);
    return STATUS_DONE;
}

const command REPORT_COMMAND = {
    .name = "report",
    .summary = "one self-contained HTML page with pictures",
    .synopsis = "MODEL DATA -o FILE.html",
    .description =
        "Writes one page that needs no network. It begins in sentences: what was learnt, how good "
        "that is beside the closed forms, and what to be careful of. Then come samples beside "
        "data, every column, likelihoods, the most and least likely rows with reasons, hidden "
        "values filled, corrupted rows, outliers, calibration, verification and the course of "
        "training. What the model or the data cannot show is left out, and the page says so.",
    .examples = "  nicest report wine.safetensors wine.csv --drop quality -o wine.html\n",
    .tables = {REPORT_OPTIONS, DATA_OPTIONS, OUTPUT_OPTIONS, COMMON_OPTIONS},
    .size = sizeof(report_settings),
    .defaults = report_defaults,
    .run = report_run,
};
