/* cmd_report.c - `nicest report`: one HTML page about a model and data. Each section is a function;
 * one that lacks what it needs says so in a sentence. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "report_uses.h"

typedef struct report_settings {
    shared_settings shared;
    const char *model, *data, *against, *train, *valid;
    bool verify, uses;
} report_settings;

#define AT(field) offsetof(report_settings, field)

/* clang-format off */
static const option REPORT_OPTIONS[] = {
    {.name = "MODEL", .type = OPTION_ARGUMENT, .offset = AT(model), .required = true,
     .help = "a model file"},
    {.name = "DATA", .type = OPTION_ARGUMENT, .offset = AT(data), .required = true,
     .help = "rows that the model should find typical, such as test rows"},
    {.group = "Page", .name = "verify", .type = OPTION_FLAG, .offset = AT(verify),
     .help = "include the figures of nicest verify (--no-verify is quicker)"},
    {.name = "uses", .type = OPTION_FLAG, .offset = AT(uses),
     .help = "include hidden values filled, corrupted rows and outliers (--no-uses is quicker)"},
    {.name = "against", .type = OPTION_TEXT, .argument = "DATA", .offset = AT(against),
     .unset = "the same with noise", .help = "rows that the model should find atypical; --where is not for "
             "them"},
    {.name = "train", .type = OPTION_TEXT, .argument = "DATA", .offset = AT(train),
     .help = "rows it has learnt from, for their likelihoods beside those of DATA"},
    {.name = "valid", .type = OPTION_TEXT, .argument = "DATA", .offset = AT(valid),
     .help = "rows that have stopped it, likewise"},
    {0},
};
/* clang-format on */

static void report_defaults(void *settings)
{
    ((report_settings *)settings)->verify = ((report_settings *)settings)->uses = true;
}

enum { SAMPLES = 1000, BINS = 60, PAIRED = 4, SHOWN = 800, EXTREMES = 10, WIDE = 440, HIGH = 300 };

/* What the sections draw from. */
typedef struct material {
    const report_settings *s;
    nicest_model *model;
    nicest_data *data;
    size_t n, d;
    unsigned height, width, channels;
    double *rows, *logp; /* of the data */
    double *some;        /* [shown, d] of the rows, spread over all */
    size_t shown;
    double *samples, *samples_logp; /* [SAMPLES, d], [SAMPLES] */
    size_t *order;                  /* rows with a log-likelihood, the least likely first */
    size_t ordered;
    json_t *training;
    summary sum;
} material;

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

static void rank_rows(material *m)
{
    ranked *list = block_new(m->n, sizeof *list);
    for (size_t i = 0; i < m->n; i++)
        if (!isnan(m->logp[i]))
            list[m->ordered++] = (ranked){m->logp[i], i};
    qsort(list, m->ordered, sizeof *list, by_logp);
    m->order = block_new(m->n, sizeof *m->order);
    for (size_t i = 0; i < m->ordered; i++)
        m->order[i] = list[i].row;
    block_free(list);
}

static void score_samples(material *m)
{
    nicest_workspace *workspace;
    m->samples = sample_rows(&m->s->shared, m->model, SAMPLES, 1);
    m->samples_logp = block_new(SAMPLES, sizeof *m->samples_logp);
    need(nicest_workspace_new(&workspace, m->model, 0, m->s->shared.threads));
    need(nicest_score(workspace, m->samples, SAMPLES, m->s->shared.seed, m->samples_logp));
    nicest_workspace_free(workspace);
}

static material gather(const report_settings *s)
{
    material m = {.s = s, .model = open_model(s->model)};
    const char *training = nicest_model_entry(m.model, "nicest.training");
    m.data = open_data_for(&s->shared, m.model, s->data);
    m.n = nicest_data_rows(m.data);
    m.d = nicest_data_columns(m.data);
    nicest_model_image(m.model, &m.height, &m.width, &m.channels);
    m.rows = read_rows(m.data);
    m.shown = m.n < SHOWN ? m.n : SHOWN;
    m.some = spread_rows(m.rows, m.n, m.d, m.shown);
    m.logp = score_rows(&s->shared, m.model, m.data);
    m.sum = summary_of(m.logp, m.n);
    m.training = training ? json_from_text(training) : NULL;
    score_samples(&m);
    rank_rows(&m);
    return m;
}

static void release(material *m)
{
    json_decref(m->training);
    block_free(m->rows);
    block_free(m->some);
    block_free(m->logp);
    block_free(m->samples);
    block_free(m->samples_logp);
    block_free(m->order);
    nicest_data_free(m->data);
    nicest_model_free(m->model);
}

static const char *column_name(const material *m, size_t j)
{
    const char *name = nicest_model_column_name(m->model, j);
    return name ? name : nicest_data_column_name(m->data, j);
}

static void heading(page *p, const char *text)
{
    page_add(p, "<h2>%s</h2>\n", text);
}

/* ------------------------------------------------------------------ what the model is */

static void card(page *p, const char *name, const char *figure)
{
    page_add(p, "<div class=\"card\">%s<b>%s</b></div>\n", name, figure);
}

static void figure_card(page *p, const char *name, double figure, const char *unit)
{
    char text[64];
    if (!isfinite(figure))
        return;
    snprintf(text, sizeof text, "%.5g%s", figure, unit);
    card(p, name, text);
}

/* With its standard error, which one row does not have. */
static void mean_card(page *p, const material *m)
{
    char text[64];
    if (!m->ordered)
        return;
    if (m->ordered < 2 || !isfinite(m->sum.mean))
        snprintf(text, sizeof text, "%.5g", m->sum.mean);
    else
        snprintf(text, sizeof text, "%.5g &plusmn; %.2g", m->sum.mean,
                 standard_error(m->logp, m->n));
    card(p, "mean log-likelihood, nats", text);
}

static void add_summary(page *p, const material *m)
{
    char text[64];
    const char *slash = strrchr(m->s->model, '/');
    page_add(p, "<h1>");
    page_text(p, slash ? slash + 1 : m->s->model);
    page_add(p, "</h1>\n<p>on ");
    page_text(p, m->s->data);
    page_add(p, "</p>\n<div class=\"cards\">\n");
    count_text(m->n, text, sizeof text);
    card(p, "rows", text);
    count_text(m->d, text, sizeof text);
    card(p, "columns", text);
    count_text(nicest_model_parameters(m->model), text, sizeof text);
    card(p, "parameters", text);
    mean_card(p, m);
    figure_card(p, "bits per dimension", nicest_model_bits_per_dim(m->model, m->sum.mean), "");
    card(p, "outlier decisions", nicest_calibrated(m->model) ? "calibrated" : "not calibrated");
    page_add(p, "</div>\n");
    if (m->sum.missing)
        page_add(p, "<p>%zu rows have missing values and no log-likelihood.</p>\n", m->sum.missing);
    size_t impossible = 0;
    while (impossible < m->ordered && m->logp[m->order[impossible]] == -INFINITY)
        impossible++;
    if (impossible)
        page_add(p,
                 "<p>%zu row%s impossible under the model (log-likelihood -inf), and so is the "
                 "mean; charts leave %s out.</p>\n",
                 impossible, impossible > 1 ? "s are" : " is", impossible > 1 ? "them" : "it");
}

static void add_spec(page *p, const material *m)
{
    heading(p, "Layers");
    page_add(p, "<pre>");
    page_text(p, nicest_model_spec(m->model));
    page_add(p, "</pre>\n");
}

/* ------------------------------------------------------------------ training */

/* Column `column` of the points of the curve that have a number there. */
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

/* From the lowest tenth of many up: the first steps of a run are far below and would flatten the
 * rest. */
static void curve_range(axes *a, const double *y, size_t n)
{
    size_t count = n;
    double *sorted = sorted_copy(y, &count);
    a->y_low = fmin(a->y_low, quantile(sorted, count, count < 20 ? 0 : 0.1));
    a->y_high = fmax(a->y_high, count ? sorted[count - 1] : -INFINITY);
    block_free(sorted);
}

static void draw_curve(page *p, const json_t *curve)
{
    size_t most = json_array_size(curve);
    double *x = block_new(4 * most, sizeof *x), *y = x + most, *vx = y + most, *vy = vx + most;
    size_t n = curve_column(curve, 2, x, y), v = curve_column(curve, 3, vx, vy);
    static const char *const names[] = {"training", "validation"};
    axes a = chart_axes(WIDE, HIGH);
    a.y_low = INFINITY;
    a.y_high = -INFINITY;
    curve_range(&a, y, n);
    curve_range(&a, vy, v);
    axes_range(&a.y_low, &a.y_high);
    a.x_high = fmax(n ? x[n - 1] : 1, v ? vx[v - 1] : 1);
    a.x_label = "epoch";
    a.y_label = "log p, nats";
    chart_open(p, WIDE, HIGH);
    chart_axes_draw(p, &a);
    chart_curve(p, &a, x, y, n, 0);
    chart_curve(p, &a, vx, vy, v, 1);
    chart_legend(p, &a, names, v ? 2 : 1);
    chart_close(p, "Mean log-likelihood while the model learned.");
    block_free(x);
}

/* [step, epoch, training, validation, rate] */
static void say_point(page *p, const json_t *point)
{
    const json_t *valid = json_array_get(point, 3);
    page_add(p, "<p>Measured once, after epoch %.3g: training rows %.5g nats",
             json_number_value(json_array_get(point, 1)),
             json_number_value(json_array_get(point, 2)));
    if (json_is_number(valid))
        page_add(p, ", validation rows %.5g", json_number_value(valid));
    page_add(p, ".</p>\n");
}

static void add_training(page *p, const material *m)
{
    const json_t *curve = json_object_get(m->training, "curve");
    const json_t *chosen = json_object_get(m->training, "chosen");
    heading(p, "Training");
    if (json_array_size(curve) >= 2)
        draw_curve(p, curve);
    else if (json_array_size(curve) == 1)
        say_point(p, json_array_get(curve, 0));
    else
        page_add(p, "<p>The model file has no training curve.</p>\n");
    if (json_is_string(chosen)) {
        page_add(p, "<pre>");
        page_text(p, json_string_value(chosen));
        page_add(p, "</pre>\n");
    }
}

/* ------------------------------------------------------------------ samples beside data */

static void add_picture_rows(page *p, const material *m, const double *rows, size_t n,
                             size_t across, const char *caption)
{
    picture_format format = picture_format_of(m->model, m->rows, m->n * m->d);
    nicest_image image = picture_grid(&format, rows, n, across, 0);
    page_picture(p, &image, caption);
    nicest_image_free(&image);
}

static void add_pictures(page *p, const material *m)
{
    char caption[96], all[40];
    size_t n = m->n < 64 ? m->n : 64, across = pictures_across(m->width, 8);
    double *rows = spread_rows(m->rows, m->n, m->d, n);
    count_text(m->n, all, sizeof all);
    snprintf(caption, sizeof caption, "%zu of %s rows of the data.", n, all);
    page_add(p, "<div class=\"side\">\n");
    add_picture_rows(p, m, rows, n, across, caption);
    add_picture_rows(p, m, m->samples, n, across, "Samples of the model.");
    page_add(p, "</div>\n");
    block_free(rows);
}

/* The middle of a column of the data. */
static void column_range(const material *m, size_t j, double *low, double *high)
{
    size_t count = m->n;
    double *column = block_new(m->n, sizeof *column);
    for (size_t i = 0; i < m->n; i++)
        column[i] = m->rows[i * m->d + j];
    double *sorted = sorted_finite(column, &count);
    *low = quantile(sorted, count, 0.005);
    *high = quantile(sorted, count, 0.995);
    axes_range(low, high);
    block_free(sorted);
    block_free(column);
}

static double peak_of(const double *a, const double *b, size_t n)
{
    double peak = 0;
    for (size_t i = 0; i < n; i++)
        peak = fmax(peak, fmax(a[i], b[i]));
    return peak > 0 ? peak : 1;
}

static double *column_of(const double *rows, size_t n, size_t d, size_t j)
{
    double *column = block_new(n, sizeof *column);
    for (size_t i = 0; i < n; i++)
        column[i] = rows[i * d + j];
    return column;
}

static void draw_marginal(page *p, const material *m, axes *a, size_t j)
{
    double data[BINS], samples[BINS];
    size_t bins = BINS / 2;
    double *column = column_of(m->rows, m->n, m->d, j);
    double *drawn = column_of(m->samples, SAMPLES, m->d, j);
    histogram(column, m->n, a->x_low, a->x_high, data, bins);
    histogram(drawn, SAMPLES, a->x_low, a->x_high, samples, bins);
    a->y_low = 0;
    a->y_high = 1.1 * peak_of(data, samples, bins);
    chart_bars(p, a, data, bins, 0);
    chart_bars(p, a, samples, bins, 1);
    block_free(column);
    block_free(drawn);
}

enum { PAIR_LEFT = 100 };

/* Where the columns begin and end: under the lowest cells, and beside those of the first column. */
static void pair_ends(page *p, const material *m, size_t j, size_t count, double side)
{
    double low, high, left = PAIR_LEFT + (double)j * (side + 10),
                      top = 24 + (double)j * (side + 10);
    double bottom = 24 + (double)count * (side + 10) + 6;
    column_range(m, j, &low, &high);
    int digits = axes_digits(low, high, 3);
    page_add(p,
             "<text x=\"%.1f\" y=\"%.1f\">%.*g</text><text x=\"%.1f\" y=\"%.1f\" "
             "text-anchor=\"end\">%.*g</text>\n",
             left, bottom, digits, low, left + side, bottom, digits, high);
    if (count > 1)
        page_add(p,
                 "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.*g</text><text x=\"%d\" "
                 "y=\"%.1f\" text-anchor=\"end\">%.*g</text>\n",
                 PAIR_LEFT - 6, top + 12, digits, high, PAIR_LEFT - 6, top + side, digits, low);
}

/* One cell of the pair plot: below the diagonal data, above it samples, on it both. */
static void draw_pair(page *p, const material *m, size_t row, size_t column, double side)
{
    axes a = {.left = PAIR_LEFT + (double)column * (side + 10),
              .top = 24 + (double)row * (side + 10),
              .width = side,
              .height = side};
    column_range(m, column, &a.x_low, &a.x_high);
    column_range(m, row, &a.y_low, &a.y_high);
    page_add(p, "<path class=\"grid\" d=\"M%.1f %.1fh%.1fv%.1fh-%.1fz\"/>\n", a.left, a.top, side,
             side, side);
    if (row == column)
        draw_marginal(p, m, &a, row);
    else if (row > column)
        chart_points(p, &a, m->some + column, m->some + row, m->shown, m->d, 0);
    else
        chart_points(p, &a, m->samples + column, m->samples + row, SHOWN, m->d, 1);
}

static void add_pairs(page *p, const material *m)
{
    size_t count = m->d < PAIRED ? m->d : PAIRED;
    double side = (count <= 2 ? 400.0 : 500.0) / (double)count;
    char caption[300], all[40];
    chart_open(p, PAIR_LEFT + 8 + (double)count * (side + 10), 38 + (double)count * (side + 10));
    for (size_t i = 0; i < count; i++) {
        page_add(p, "<svg x=\"%.1f\" width=\"%.1f\" height=\"22\"><text x=\"2\" y=\"16\">",
                 PAIR_LEFT + (double)i * (side + 10), side); /* a long name is cut off */
        page_text(p, column_name(m, i));
        page_add(p, "</text></svg>\n");
        pair_ends(p, m, i, count, side);
        for (size_t j = 0; j < count; j++)
            draw_pair(p, m, i, j, side);
    }
    count_text(m->n, all, sizeof all);
    snprintf(caption, sizeof caption,
             "Columns against each other%s: data (below the diagonal, blue, %zu of %s rows) and "
             "samples (above it, orange), both on it.",
             m->d > PAIRED ? ", the first four" : "", m->shown, all);
    chart_close(p, m->d > 1 ? caption : "Data (blue) and samples (orange).");
}

/* The density itself, where it can be seen. */
static void add_density(page *p, const material *m)
{
    enum { SIDE = 240 };
    size_t room = strlen(column_name(m, 0)) + strlen(column_name(m, 1)) + 300;
    char *caption = block_new(room, 1);
    double box[4], peak = -INFINITY, *logp = block_new(SIDE * SIDE, sizeof *logp);
    nicest_image image;
    column_range(m, 0, &box[0], &box[1]);
    column_range(m, 1, &box[2], &box[3]);
    need(nicest_density_grid(m->model, box, SIDE, SIDE, m->s->shared.threads, logp));
    for (size_t i = 0; i < SIDE * SIDE; i++)
        peak = fmax(peak, logp[i]);
    need(nicest_image_new(&image, SIDE, SIDE, 3));
    for (size_t i = 0; i < SIDE * SIDE; i++) {
        colour ink = colour_map(exp(logp[i] - peak));
        memcpy(image.pixels + 3 * i, (unsigned char[]){ink.r, ink.g, ink.b}, 3);
    }
    int across = axes_digits(box[0], box[1], 3), up = axes_digits(box[2], box[3], 3);
    snprintf(caption, room,
             "The model's density: %s from %.*g to %.*g across, %s from %.*g to %.*g upwards; "
             "violet is 0, yellow %.3g.",
             column_name(m, 0), across, box[0], across, box[1], column_name(m, 1), up, box[2], up,
             box[3], exp(peak));
    page_picture(p, &image, caption);
    block_free(caption);
    nicest_image_free(&image);
    block_free(logp);
}

static void add_samples(page *p, const material *m)
{
    heading(p, "Samples beside data");
    if (m->height) {
        add_pictures(p, m);
        return;
    }
    page_add(p, m->d == 2 ? "<div class=\"side\">\n" : "<div>\n");
    add_pairs(p, m);
    if (m->d == 2)
        add_density(p, m);
    page_add(p, "</div>\n");
}

/* ------------------------------------------------------------------ likelihoods */

/* A histogram of the page: what it counts, and how it is drawn. */
typedef struct series {
    const char *name;
    double *logp, shares[BINS];
    size_t n;
    bool owned;
} series;

static void add_series(const material *m, series *all, size_t *count, const char *name,
                       const char *text)
{
    if (!text)
        return;
    nicest_data *seen = open_more_data(&m->s->shared, m->model, text);
    all[(*count)++] = (series){.name = name,
                               .logp = score_rows(&m->s->shared, m->model, seen),
                               .n = nicest_data_rows(seen),
                               .owned = true};
    nicest_data_free(seen);
}

/* A range that holds nearly all of each, and what the highest bar needs. */
static void fit_series(series *all, size_t count, axes *a)
{
    a->x_low = INFINITY;
    a->x_high = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        size_t known = all[i].n;
        double *sorted = sorted_finite(all[i].logp, &known);
        if (!known) {
            block_free(sorted);
            continue;
        }
        a->x_low = fmin(a->x_low, quantile(sorted, known, 0.01));
        a->x_high = fmax(a->x_high, quantile(sorted, known, 0.999));
        block_free(sorted);
    }
    axes_range(&a->x_low, &a->x_high);
    a->y_high = 0;
    for (size_t i = 0; i < count; i++) {
        histogram(all[i].logp, all[i].n, a->x_low, a->x_high, all[i].shares, BINS);
        a->y_high = fmax(a->y_high, 1.1 * peak_of(all[i].shares, all[i].shares, BINS));
    }
}

/* Bars for data and samples; rows that training has seen, where they were given, as outlines over
 * them. */
static void add_likelihoods(page *p, const material *m)
{
    series all[4] = {{.name = "data", .logp = m->logp, .n = m->n},
                     {.name = "samples", .logp = m->samples_logp, .n = SAMPLES}};
    const char *names[4];
    size_t count = 2;
    axes a = chart_axes(WIDE, HIGH);
    heading(p, "Likelihoods");
    if (!m->ordered) {
        page_add(p, "<p>No row of the data has a log-likelihood.</p>\n");
        return;
    }
    add_series(m, all, &count, "training", m->s->train);
    add_series(m, all, &count, "validation", m->s->valid);
    fit_series(all, count, &a);
    a.x_label = "log-likelihood, nats";
    a.y_label = "share per nat";
    chart_open(p, WIDE, HIGH);
    chart_axes_draw(p, &a);
    for (size_t i = 0; i < count; i++) {
        names[i] = all[i].name;
        if (i < 2)
            chart_bars(p, &a, all[i].shares, BINS, (int)i);
        else
            chart_steps(p, &a, all[i].shares, BINS, (int)i);
        if (all[i].owned)
            block_free(all[i].logp);
    }
    chart_legend(p, &a, names, count);
    chart_close(p, "Data to the left of the model's own samples is less likely than the model "
                   "believes; data to the right of them is simpler than what it draws.");
}

/* ------------------------------------------------------------------ typical rows */

static void add_extreme_pictures(page *p, const material *m, size_t count)
{
    double *rows = block_new(2 * count * m->d, sizeof *rows);
    for (size_t i = 0; i < count; i++) {
        size_t high = m->order[m->ordered - 1 - i], low = m->order[i];
        memcpy(rows + i * m->d, m->rows + high * m->d, m->d * sizeof *rows);
        memcpy(rows + (count + i) * m->d, m->rows + low * m->d, m->d * sizeof *rows);
    }
    size_t across = pictures_across(m->width, count);
    add_picture_rows(p, m, rows, count, across, "The most likely rows.");
    add_picture_rows(p, m, rows + count * m->d, count, across, "The least likely rows.");
    block_free(rows);
}

static void add_table_row(page *p, const material *m, size_t row, size_t columns)
{
    page_add(p, "<tr><td>%zu</td><td>%.5g</td>", row + 1, m->logp[row]);
    for (size_t j = 0; j < columns; j++)
        page_add(p, "<td>%.10g</td>", m->rows[row * m->d + j]);
    page_add(p, "</tr>\n");
}

static void add_extreme_table(page *p, const material *m, size_t count)
{
    size_t columns = m->d < 12 ? m->d : 12;
    page_add(p, "<div class=\"scroll\"><table><tr><th>row</th><th>log-likelihood</th>");
    for (size_t j = 0; j < columns; j++) {
        page_add(p, "<th>");
        page_text(p, column_name(m, j));
        page_add(p, "</th>");
    }
    page_add(p, "</tr>\n");
    for (size_t i = 0; i < count; i++)
        add_table_row(p, m, m->order[m->ordered - 1 - i], columns);
    for (size_t i = count; i-- > 0;)
        add_table_row(p, m, m->order[i], columns);
    page_add(p,
             "</table></div>\n<p>The %zu most likely rows, then the %zu least likely, the "
             "unlikeliest last; counted from 1 among the rows that were read",
             count, count);
    if (columns < m->d)
        page_add(p, "; the first %zu of %zu columns", columns, m->d);
    page_add(p, ".</p>\n");
}

static void add_extremes(page *p, const material *m)
{
    size_t count = m->ordered / 2 < EXTREMES ? m->ordered / 2 : EXTREMES;
    heading(p, "Most and least likely rows");
    if (!count)
        page_add(p, "<p>There are fewer than two rows with a log-likelihood.</p>\n");
    else if (m->height)
        add_extreme_pictures(p, m, count);
    else
        add_extreme_table(p, m, count);
}

/* ------------------------------------------------------------------ calibration and proof */

static void draw_calibration(page *p, const material *m)
{
    enum { POINTS = 201 };
    double x[POINTS], y[POINTS], ends[] = {0, 1}, *values = block_new(m->n, sizeof *values);
    need(nicest_conformal(m->model, "logp", m->logp, m->n, values));
    size_t count = m->n, below = 0;
    double *sorted = sorted_copy(values, &count);
    for (size_t i = 0; i < POINTS; i++) {
        x[i] = (double)i / (POINTS - 1);
        while (below < count && sorted[below] <= x[i])
            below++;
        y[i] = (double)below / (double)(count ? count : 1);
    }
    static const char *const names[] = {"this data", "promised"};
    axes a = chart_axes(400, 380);
    a.x_label = "false alarms asked for";
    a.y_label = "share of rows flagged";
    chart_open(p, 400, 380);
    chart_axes_draw(p, &a);
    chart_curve(p, &a, ends, ends, 2, 1);
    chart_curve(p, &a, x, y, POINTS, 0);
    chart_legend(p, &a, names, 2);
    chart_close(
        p, "On rows like those of the training the curves agree; data with outliers lies above.");
    block_free(sorted);
    block_free(values);
}

static void add_calibration(page *p, const material *m)
{
    heading(p, "Calibration");
    if (!m->ordered)
        page_add(p, "<p>No row of the data has a log-likelihood, so there are no p-values.</p>\n");
    else if (nicest_calibrated(m->model))
        draw_calibration(p, m);
    else
        page_add(p, "<p>The model is not calibrated, so there are no p-values.</p>\n");
}

static void proof_row(page *p, const char *name, double figure, bool ok, const char *bound)
{
    char text[32];
    snprintf(text, sizeof text, figure < 0.1 ? "%.3g" : "%.6f", figure); /* a mass is near 1 */
    page_add(p, "<tr><td>%s</td><td>%s</td><td>%s</td><td class=\"%s\">%s</td></tr>\n", name, text,
             bound, ok ? "good" : "bad", ok ? "ok" : "missed");
}

/* On the rows of the data; where none of them has a density, on the model's own. */
static void measure_proof(page *p, const material *m, nicest_verification *v)
{
    const shared_settings *s = &m->s->shared;
    nicest_status status = nicest_verify(m->model, m->data, s->seed, s->threads, v);
    if (status != NICEST_E_DATA) {
        need(status);
        return;
    }
    need(nicest_verify(m->model, NULL, s->seed, s->threads, v));
    page_add(p, "<p>No row of the data has a density: measured on samples of the model.</p>\n");
}

static void add_proof(page *p, const material *m)
{
    nicest_verification v;
    heading(p, "Verification");
    if (!m->s->verify) {
        page_add(p, "<p>Left out by --no-verify.</p>\n");
        return;
    }
    measure_proof(p, m, &v);
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
    if (!isfinite(v.integral)) {
        page_add(p, "<p>Total mass was not measured: ");
        page_text(p, v.integral_reason);
        page_add(p, "</p>\n");
    }
}

static void add_uses(page *p, const material *m)
{
    if (!m->s->uses)
        return;
    report_rows r = {.shared = &m->s->shared,
                     .model = m->model,
                     .data = m->data,
                     .rows = m->rows,
                     .logp = m->logp,
                     .n = m->n,
                     .d = m->d,
                     .height = m->height,
                     .width = m->width,
                     .channels = m->channels};
    report_filled(p, &r);
    report_corrupted(p, &r);
    report_detection(p, &r, m->s->against);
}

/* ------------------------------------------------------------------ the command */

static void check_settings(const report_settings *s)
{
    const char *path = s->shared.output;
    if (!path)
        refuse(STATUS_USAGE, "report: -o FILE.html is missing: nicest report %s",
               REPORT_COMMAND.synopsis);
    if (!has_extension(path, ".html"))
        refuse(STATUS_USAGE, "report: %s: expected a name that ends in .html", path);
    check_writable(path);
}

static int report_run(void *settings)
{
    const report_settings *s = settings;
    double started = clock_seconds();
    check_settings(s);
    material m = gather(s);
    page p = page_open(s->model);
    add_summary(&p, &m);
    add_samples(&p, &m);
    add_likelihoods(&p, &m);
    add_extremes(&p, &m);
    add_uses(&p, &m);
    add_calibration(&p, &m);
    add_proof(&p, &m);
    add_training(&p, &m);
    add_spec(&p, &m);
    size_t bytes = p.used;
    page_close(&p, s->shared.output);
    say(&s->shared, "%s: %zu rows, %zu kB", s->shared.output, m.n, bytes / 1000);
    print_json(&s->shared,
               json_pack("{s:o, s:I, s:o, s:o, s:f}", "report", json_words(s->shared.output),
                         "rows", (json_int_t)m.n, "mean", json_figure(m.sum.mean), "sem",
                         json_figure(standard_error(m.logp, m.n)), "seconds", clock_seconds() - started));
    release(&m);
    return STATUS_DONE;
}

const command REPORT_COMMAND = {
    .name = "report",
    .summary = "one self-contained HTML page with pictures",
    .synopsis = "MODEL DATA -o FILE.html",
    .description =
        "Writes a page that needs no network: what the model is, samples beside data, "
        "likelihoods, most and least likely rows, hidden values filled, likelihood against "
        "corruption, how outliers are told, calibration, verification, the course of training. "
        "What the model or the data cannot show is left out, with a word.",
    .examples = "  nicest report wine.safetensors wine.csv --drop quality -o wine.html\n",
    .tables = {REPORT_OPTIONS, DATA_OPTIONS, OUTPUT_OPTIONS, COMMON_OPTIONS},
    .size = sizeof(report_settings),
    .defaults = report_defaults,
    .run = report_run,
};
