/* cmd_density.c - `nicest density`: the density of one or two columns, as a grid or a picture. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chart.h"
#include "common.h"
#include "options.h"

typedef struct density_settings {
    shared_settings shared;
    const char *model, *columns, *box, *given;
    size_setting grid;
    bool log;
} density_settings;

#define AT(field) offsetof(density_settings, field)

/* clang-format off */
static const option DENSITY_OPTIONS[] = {
    {OPTION(ARGUMENT, "MODEL", NULL, model), .required = true, .help = "a model file"},
    {.group = "Grid", OPTION(TEXT, "columns", "A[,B]", columns), .unset = "all columns of a model of one or two",
     .help = "draw the density of these columns; all others are summed or integrated out"},
    {OPTION(TEXT, "box", "LOW,HIGH[,LOW,HIGH]", box), .unset = "the middle of the model's own samples",
     .help = "range of each column"},
    {OPTION(SIZE, "grid", "HxW", grid), .unset = "400x400 in a picture, else 100x100",
     .help = "number of cells; 1xW for one column"},
    {OPTION(TEXT, "given", "COLUMN=VALUE,...", given), .help = "the density of other columns given these "
             "values; exact if the model was trained --given these columns, or is a closed form"},
    {OPTION(FLAG, "log", NULL, log), .help = "draw the log density, down to 12 nats below the peak"},
    {0},
};
/* clang-format on */

/* The column whose name or number (from 1) is text[length]; SIZE_MAX where there is none. */
static size_t column_named(const nicest_model *model, const char *text, size_t length)
{
    char *end;
    size_t d = nicest_model_columns(model), named = model_column(model, text, length);
    unsigned long number = strtoul(text, &end, 10);
    if (named != SIZE_MAX)
        return named;
    return end == text + length && *text >= '0' && *text <= '9' && number >= 1 && number <= d
               ? number - 1
               : SIZE_MAX;
}

/* The one or two columns of --columns: any comma may divide two names. Without it, all that are not
 * given. */
static void choose_axes(const density_settings *s, const nicest_model *model,
                        nicest_marginal_options *o)
{
    size_t all = 0;
    const char *text = s->columns, *comma = text;
    for (size_t j = 0; j < nicest_model_columns(model); j++)
        if (!nicest_model_given(model, j) && (!o->given || isnan(o->given[j]))) {
            if (all < 2 && !text)
                o->column[all] = j;
            all++;
        }
    o->count = all;
    if (!text && (all < 1 || all > 2))
        refuse(STATUS_USAGE, "density: %s has %zu columns; choose one or two: --columns A or A,B",
               s->model, all);
    if (!text)
        return;
    o->count = 1;
    o->column[0] = column_named(model, text, strlen(text));
    while (o->column[0] == SIZE_MAX && (comma = strchr(comma, ',')) != NULL) {
        size_t first = column_named(model, text, (size_t)(comma - text));
        o->column[1] = column_named(model, comma + 1, strlen(comma + 1));
        comma++;
        if (first == SIZE_MAX || o->column[1] == SIZE_MAX)
            continue;
        o->column[0] = first;
        o->count = 2;
    }
    if (o->column[0] == SIZE_MAX)
        refuse(STATUS_USAGE, "density: --columns '%s': expected one or two columns of %s, A or A,B",
               text, s->model);
    for (size_t k = 0; k < o->count; k++) {
        const char *name = nicest_model_column_name(model, o->column[k]);
        if (nicest_model_given(model, o->column[k]) || (o->given && !isnan(o->given[o->column[k]])))
            refuse(STATUS_USAGE, "density: --columns: %s is given", name);
        if (k && o->column[1] == o->column[0])
            refuse(STATUS_USAGE, "density: --columns: %s stands there twice", name);
    }
}

/* Cells and their range: --grid and --box, else where nearly all of the samples lie, and a little
 * more. */
static void choose_grid(const density_settings *s, const nicest_model *model, bool picture,
                        nicest_marginal_options *o)
{
    enum { SAMPLES = 20000 };
    size_t standard = picture ? 400 : 100, all = nicest_model_columns(model);
    if (o->count == 1 && s->grid.height > 1)
        refuse(STATUS_USAGE,
               "density: --grid: the density is of one column; wanted 1x%u, not %ux%u",
               s->grid.width, s->grid.height, s->grid.width);
    o->cells[0] = s->grid.width ? s->grid.width : o->count == 1 ? 10 * standard : standard;
    o->cells[1] = o->count == 1 ? 1 : s->grid.height ? s->grid.height : standard;
    if (s->box)
        options_numbers("--box", s->box, o->box, 2 * o->count);
    else {
        OWNED_BLOCK double *rows = sample_rows(&s->shared, model, o->given, SAMPLES, 1);
        /* as the density sees them */
        need(nicest_encode(model, rows, SAMPLES, s->shared.seed, rows));
        for (size_t k = 0; k < o->count; k++)
            middle_range(rows, SAMPLES, all, o->column[k], 0.001, 0.15, o->box + 2 * k);
    }
    for (size_t k = 0; k < o->count; k++)
        if (!(o->box[2 * k] < o->box[2 * k + 1]))
            refuse(STATUS_USAGE, "density: --box: %g is not below %g", o->box[2 * k],
                   o->box[2 * k + 1]);
}

/* ------------------------------------------------------------------ pictures */

/* The least and the most, without NaN. */
static void highest(const nicest_marginal *m, double *low, double *high)
{
    *low = INFINITY;
    *high = -INFINITY;
    for (size_t i = 0; i < m->cells[0] * m->cells[1]; i++) {
        if (isnan(m->logp[i]))
            continue;
        *low = fmin(*low, m->logp[i]);
        *high = fmax(*high, m->logp[i]);
    }
}

/* An axis of a column: the box, or the words of a category. */
static axis axis_of(const nicest_model *model, const nicest_marginal_options *o,
                    const nicest_marginal *m, size_t k)
{
    size_t j = o->column[k], n = m->cells[k];
    axis a = {.label = nicest_model_column_name(model, j),
              .low = o->box[2 * k],
              .high = o->box[2 * k + 1]};
    a.words = nicest_model_column_words(model, j, &a.word_count);
    if (a.words) {
        a.low = -0.5;
        a.high = (double)n - 0.5;
    } else if (!m->widths[k]) { /* a flag, or a count of few levels */
        a.low = m->at[k][0] - 0.5;
        a.high = m->at[k][n - 1] + 0.5;
    }
    return a;
}

static void draw_density(const density_settings *s, const nicest_model *model,
                         const nicest_marginal_options *o, const nicest_marginal *m)
{
    bool map = o->count == 2, cells = !m->widths[0] || (map && !m->widths[1]);
    short_text unit;
    panel p = {.title = map && !cells
                            ? "Density of the model; lines around 50, 90 and 99 % of its mass"
                            : "Density of the model",
               .map_cells = cells};
    OWNED_BLOCK double *values =
        panel_density(&p, m->logp, m->cells[0], map ? m->cells[1] : 0, o->box, s->log);
    p.x = axis_of(model, o, m, 0);
    if (map)
        p.y = axis_of(model, o, m, 1);
    /* Of words and levels a probability; beside them a density of the one column of numbers. */
    const char **label = map ? &p.map_label : &p.y.label;
    bool numbers[2] = {m->widths[0] > 0, map && m->widths[1] > 0};
    if (!s->log && numbers[0] != numbers[1]) {
        unit = short_format("p, per unit of %s",
                            nicest_model_column_name(model, o->column[numbers[1]]));
        *label = unit.text;
    } else if (!s->log && !numbers[0])
        *label = "probability";
    for (size_t i = 0; !map && !m->widths[0] && i < p.count; i++) { /* words, a mark for each */
        p.series[i].x = m->at[0];
        p.series[i].markers = true;
    }
    chart c = {.panels = &p, .count = 1};
    if (map) {
        c.width = 600;
        c.aspect = 0.95;
    }
    chart_save(&c, &s->shared, s->shared.output);
}

/* ------------------------------------------------------------------ tables */

/* The columns and logp, a line a cell; words and times as a file has them. */
static void write_cells(const density_settings *s, const nicest_model *model,
                        const nicest_marginal_options *o, const nicest_marginal *m)
{
    size_t all = nicest_model_columns(model), n = m->cells[0] * m->cells[1], d = o->count;
    bool numbers = true;
    const char *names[3] = {NULL};
    for (size_t k = 0; k < d; k++) {
        names[k] = nicest_model_column_name(model, o->column[k]);
        numbers = numbers && nicest_model_column_kind(model, o->column[k]) == NICEST_NUMBER;
    }
    names[d] = "logp";
    OWNED_BLOCK double *at = block_new(n * (d + 1), sizeof *at);
    for (size_t i = 0; i < n; i++) {
        at[i * (d + 1)] = m->at[0][i % m->cells[0]];
        if (d == 2)
            at[i * (d + 1) + 1] = m->at[1][m->cells[1] - 1 - i / m->cells[0]];
        at[i * (d + 1) + d] = m->logp[i];
    }
    if (numbers) {
        table out = table_open((table){s->shared.output, names, .columns = d + 1});
        table_add(&out, at, n);
        table_close(&out);
    } else {
        OWNED_BLOCK double *rows = block_new(n * all, sizeof *rows);
        for (size_t i = 0; i < n * all; i++)
            rows[i] = NAN;
        for (size_t i = 0; i < n * d; i++)
            rows[i / d * all + o->column[i % d]] = at[i / d * (d + 1) + i % d];
        OWNED_DATA nicest_data *whole = model_data(model, rows, n);
        nicest_data *kept;
        need(nicest_data_take(&kept, whole, o->column, d));
        table out = table_open((table){s->shared.output, names + d, 1, .kept = kept});
        table_add(&out, m->logp, n);
        table_close(&out);
    }
}

/* ------------------------------------------------------------------ the command */

static bool check_output(const density_settings *s)
{
    const char *path = s->shared.output;
    bool picture = is_picture(path);
    if (s->log && !picture)
        refuse(STATUS_USAGE,
               "density: --log is for a picture: -o FILE.png, .svg or .pdf; tables have logp");
    check_picture_options(&s->shared, &path, 1);
    check_output_path(path, true);
    return picture;
}

/* What is worth knowing beside the figures. */
static void say_how(const density_settings *s, const nicest_model *model,
                    const nicest_marginal_options *o, const nicest_marginal *m)
{
    for (size_t k = 0; k < o->count; k++)
        if (m->beside[k] > 0)
            say(&s->shared, "column %s: %.3g %% of rows stand at a mass point or are missing",
                nicest_model_column_name(model, o->column[k]), 100 * m->beside[k]);
    if (m->how == NICEST_MARGINAL_MASKS)
        say(&s->shared, "the other columns are hidden by the masks that the model has learnt");
    if (m->how == NICEST_MARGINAL_SAMPLES)
        say(&s->shared, "the other columns are averaged over samples of the model, smoothed");
}

static int density_run(void *settings)
{
    static const char *const how[] = {"exact", "masks", "samples"};
    const density_settings *s = settings;
    const char *path = s->shared.output;
    double low, high;
    bool picture = check_output(s);
    OWNED_MODEL nicest_model *model = open_model(s->model);
    nicest_marginal m;
    OWNED_BLOCK double *given = read_given(model, s->given, "density");
    for (size_t j = 0; !given && j < nicest_model_columns(model); j++)
        if (nicest_model_given(model, j))
            refuse(
                STATUS_USAGE,
                "density: %s was trained with given columns; say their values with --given COLUMN=VALUE",
                s->model);
    progress bar = progress_start(&s->shared, "integrating", "");
    nicest_marginal_options o = {.given = given,
                                 .seed = s->shared.seed,
                                 .threads = s->shared.threads,
                                 .tick = progress_tick,
                                 .context = &bar};
    choose_axes(s, model, &o);
    choose_grid(s, model, picture, &o);
    need(nicest_density_columns(model, &o, &m));
    progress_end(&bar);
    highest(&m, &low, &high);
    if (picture)
        draw_density(s, model, &o, &m);
    else if (path && o.count == 2 && (has_extension(path, ".npy") || has_extension(path, ".npz"))) {
        /* logp[height, width] as it is. */
        OWNED_DATA nicest_data *data = NULL;
        need(nicest_data_new(&data, m.logp, m.cells[1], m.cells[0], NULL));
        save_data(data, s->shared.output);
    } else
        write_cells(s, model, &o, &m);
    say_how(s, model, &o, &m);
    say(&s->shared, "density between %.4g and %.4g; total mass %.5g", exp(low), exp(high),
        m.integral);
    print_json(&s->shared, json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:s}", "integral",
                                     json_figure(m.integral), "min", json_figure(exp(low)), "max",
                                     json_figure(exp(high)), "logp_min", json_figure(low),
                                     "logp_max", json_figure(high), "width", (json_int_t)m.cells[0],
                                     "height", (json_int_t)m.cells[1], "how", how[m.how]));
    nicest_marginal_free(&m);
    return STATUS_DONE;
}

const command DENSITY_COMMAND = {
    .name = "density",
    .summary = "density of one or two columns as a grid or a picture",
    .synopsis = "MODEL [-o FILE]",
    .description =
        "Computes the density of one or two columns at the midpoints of a grid, or at the words of a "
        "category. Other columns of the model are integrated out: exactly if it is a closed form, by its "
        "masks if it learnt from a table with missing values, otherwise by samples. The total mass is "
        "that of the whole model, not of the box.\n\n"
        "As .png, .svg or .pdf it is drawn, with lines around 50, 90 and 99 % of the mass. As .csv, .tsv or "
        ".json it has a line for each cell: coordinates and logp. As .npy or .npz it has the same lines "
        "for one column; for two, the log densities as an array whose first row is the top.",
    .examples =
        "  nicest density parabola.safetensors -o parabola.png\n"
        "  nicest density parabola.safetensors --box -5,40,-15,15 --grid 200x300 -o d.npy\n",
    .tables = {DENSITY_OPTIONS, PICTURE_OPTIONS, OUTPUT_OPTIONS, COMMON_OPTIONS},
    .size = sizeof(density_settings),
    .run = density_run,
};
