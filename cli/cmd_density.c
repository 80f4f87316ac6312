/* cmd_density.c - `nicest density`: the density of a 1-D or 2-D model, as a grid or a picture. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "chart.h"
#include "common.h"
#include "options.h"

typedef struct density_settings {
    shared_settings shared;
    const char *model, *box, *given;
    size_setting grid;
    bool log;
} density_settings;

#define AT(field) offsetof(density_settings, field)

/* clang-format off */
static const option DENSITY_OPTIONS[] = {
    {.name = "MODEL", .type = OPTION_ARGUMENT, .offset = AT(model), .required = true,
     .help = "a model of one or two columns, and of any that are given"},
    {.group = "Grid", .name = "box", .type = OPTION_TEXT, .argument = "LOW,HIGH[,LOW,HIGH]",
     .offset = AT(box), .unset = "the middle of the model's own samples",
     .help = "range of each column"},
    {.name = "grid", .type = OPTION_SIZE, .argument = "HxW", .offset = AT(grid),
     .unset = "400x400 in a picture, else 100x100", .help = "cells; 1xW for one column"},
    {.name = "given", .type = OPTION_TEXT, .argument = "COLUMN=VALUE,...", .offset = AT(given),
     .help = "of a model that was trained --given these columns: the density of the others given "
             "these values"},
    {.name = "log", .type = OPTION_FLAG, .offset = AT(log),
     .help = "of a picture: the log density, down to 12 nats below the peak"},
    {0},
};
/* clang-format on */

/* The grid and its place. */
typedef struct density_map {
    size_t d, which[2], width, height; /* columns that are not given */
    double box[4];
    double *logp; /* [height, width], the top row first */
    double integral;
} density_map;

static density_map measure_grid(const density_settings *s, const nicest_model *model, bool picture)
{
    /* The one or two columns that the density is of. */
    density_map m = {0};
    for (size_t j = 0; j < nicest_model_columns(model); j++) {
        if (nicest_model_given(model, j))
            continue;
        if (m.d < 2)
            m.which[m.d] = j;
        m.d++;
    }
    if (m.d < 1 || m.d > 2)
        refuse(STATUS_USAGE, "density: %s has %zu columns; a grid needs 1 or 2", s->model, m.d);
    if (m.d == 1 && s->grid.height > 1)
        refuse(STATUS_USAGE, "density: --grid: %s has one column; wanted 1x%u, not %ux%u", s->model,
               s->grid.width, s->grid.height, s->grid.width);
    size_t all = nicest_model_columns(model);
    OWNED_BLOCK double *given = read_given(model, s->given, "density");
    if (m.d < all && !given)
        refuse(STATUS_USAGE,
               "density: %s was trained with given columns; --given says their values", s->model);
    size_t standard = picture ? 400 : 100;
    m.width = s->grid.width ? s->grid.width : m.d == 1 ? 10 * standard : standard;
    m.height = m.d == 1 ? 1 : s->grid.height ? s->grid.height : standard;
    if (s->box)
        options_numbers("--box", s->box, m.box, 2 * m.d);
    else {
        /* Where nearly all of the samples lie, and a little more. */
        enum { SAMPLES = 20000 };
        OWNED_BLOCK double *rows = sample_rows(&s->shared, model, given, SAMPLES, 1);
        /* as the density sees them */
        need(nicest_encode(model, rows, SAMPLES, s->shared.seed, rows));
        for (size_t k = 0; k < m.d; k++)
            middle_range(rows, SAMPLES, all, m.which[k], 0.001, 0.15, m.box + 2 * k);
    }
    for (size_t k = 0; k < m.d; k++)
        if (!(m.box[2 * k] < m.box[2 * k + 1]))
            refuse(STATUS_USAGE, "density: --box: %g is not below %g", m.box[2 * k],
                   m.box[2 * k + 1]);
    need(nicest_density_integral_given(model, given, s->shared.seed, s->shared.threads, NULL,
                                       &m.integral));
    m.logp = block_new(m.width * m.height, sizeof *m.logp);
    need(nicest_density_grid_given(model, given, m.box, m.width, m.height, s->shared.threads,
                                   m.logp));
    return m;
}

/* ------------------------------------------------------------------ pictures */

static void highest(const density_map *m, double *low, double *high)
{
    *low = INFINITY;
    *high = -INFINITY;
    for (size_t i = 0; i < m->width * m->height; i++) {
        if (isnan(m->logp[i]))
            continue;
        *low = fmin(*low, m->logp[i]);
        *high = fmax(*high, m->logp[i]);
    }
}

static void draw_density(const density_settings *s, const nicest_model *model, const density_map *m)
{
    panel p = {.title = m->d == 2 ? "Density of the model; lines around 50, 90 and 99 % of its mass"
                                  : "Density of the model",
               .x.label = nicest_model_column_name(model, m->which[0]),
               .y.label = nicest_model_column_name(model, m->which[1])};
    OWNED_BLOCK double *values =
        panel_density(&p, m->logp, m->width, m->d == 2 ? m->height : 0, m->box, s->log);
    chart c = {.panels = &p, .count = 1};
    if (m->d == 2) {
        c.width = 600;
        c.aspect = 0.95;
    }
    chart_save(&c, &s->shared, s->shared.output);
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

static int density_run(void *settings)
{
    const density_settings *s = settings;
    const char *path = s->shared.output;
    double low, high;
    bool picture = check_output(s);
    OWNED_MODEL nicest_model *model = open_model(s->model);
    density_map m = measure_grid(s, model, picture);
    highest(&m, &low, &high);
    if (picture)
        draw_density(s, model, &m);
    else if (path && m.d == 2 && (has_extension(path, ".npy") || has_extension(path, ".npz"))) {
        /* logp[height, width] as it is. */
        OWNED_DATA nicest_data *data = NULL;
        need(nicest_data_new(&data, m.logp, m.height, m.width, NULL));
        save_data(data, s->shared.output);
    } else {
        /* x1[, x2], logp: a line a cell, as a table would want it. */
        const char **model_columns = model_names(model), *names[3];
        for (size_t k = 0; k < m.d; k++)
            names[k] = model_columns[m.which[k]];
        names[m.d] = "logp";
        table out = table_open(s->shared.output, names, m.d + 1);
        for (size_t j = 0; j < m.height; j++)
            for (size_t i = 0; i < m.width; i++) {
                double row[3] = {cell_middle(m.box, i, m.width)};
                if (m.d == 2)
                    row[1] = cell_middle(m.box + 2, m.height - 1 - j, m.height);
                row[m.d] = m.logp[j * m.width + i];
                table_add(&out, row, 1);
            }
        table_close(&out);
        block_free(model_columns);
    }
    say(&s->shared, "density between %.4g and %.4g; total mass %.5g", exp(low), exp(high),
        m.integral);
    print_json(&s->shared,
               json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:I}", "integral", json_figure(m.integral),
                         "min", json_figure(exp(low)), "max", json_figure(exp(high)), "logp_min",
                         json_figure(low), "logp_max", json_figure(high), "width",
                         (json_int_t)m.width, "height", (json_int_t)m.height));
    block_free(m.logp);
    return STATUS_DONE;
}

const command DENSITY_COMMAND = {
    .name = "density",
    .summary = "density of 1-D and 2-D models as a grid or a picture",
    .synopsis = "MODEL [-o FILE]",
    .description =
        "Evaluates the density at the midpoints of a grid. .png, .svg and .pdf give a picture, with "
        "lines around 50, 90 and 99 % of the mass; .csv, .tsv and .json a line for each cell (coordinates and logp). .npy and .npz hold the same lines for "
        "one column; for two, the log densities as an array whose first row is the top. The total "
        "mass is measured over the whole of the model, not over the box.",
    .examples =
        "  nicest density parabola.safetensors -o parabola.png\n"
        "  nicest density parabola.safetensors --box -5,40,-15,15 --grid 200x300 -o d.npy\n",
    .tables = {DENSITY_OPTIONS, PICTURE_OPTIONS, OUTPUT_OPTIONS, COMMON_OPTIONS},
    .size = sizeof(density_settings),
    .run = density_run,
};
