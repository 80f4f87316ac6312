/* cmd_sample.c - `nicest sample`: new rows from a model, as data or as a picture. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "picture.h"

typedef struct sample_settings {
    shared_settings shared;
    const char *model;
    size_t rows;
    double temperature;
    const char *given;
    double *known; /* of --given: [known_rows, columns], which samples take in turn; or NULL */
    size_t known_rows;
} sample_settings;

#define AT(field) offsetof(sample_settings, field)

/* clang-format off */
static const option SAMPLE_OPTIONS[] = {
    {.name = "MODEL", .type = OPTION_ARGUMENT, .offset = AT(model), .required = true,
     .help = "a model file"},
    {.group = "Sampling", .name = "rows", .letter = 'n', .type = OPTION_COUNT, .argument = "N",
     .low = 1, .high = 1e12, .offset = AT(rows), .unset = "100, or one for each row of --given DATA",
     .help = "rows to draw"},
    {.name = "given", .type = OPTION_TEXT, .argument = "COLUMN=VALUE,...|DATA", .offset = AT(given),
     .help = "of a model that was trained --given these columns: draw the others given these "
             "values; or given those of the rows of DATA, in turn"},
    {.name = "temperature", .type = OPTION_REAL, .argument = "T", .low = 0, .high = 1000,
     .offset = AT(temperature),
     .help = "scale of the latent; 1 is the model, less is more typical"},
    {0},
};
/* clang-format on */

static void sample_defaults(void *settings)
{
    sample_settings *s = settings;
    s->temperature = 1;
}

/* ------------------------------------------------------------------ pictures */

static void draw_samples(const sample_settings *s, const nicest_model *model, const double *rows,
                         const char *path)
{
    char title[64], count[40];
    size_t n = s->rows, d = nicest_model_columns(model);
    picture_format format = picture_format_of(model, rows, n * d);
    count_text(n, count, sizeof count);
    snprintf(title, sizeof title, "%s sample%s", count, n == 1 ? "" : "s");
    panel p = {.title = title,
               .x.label = nicest_model_column_name(model, 0),
               .y.label = d == 2 ? nicest_model_column_name(model, 1) : "share per unit"};
    chart c = {.panels = &p, .count = 1};
    if (format.height) {
        pictures_save(&s->shared, &format, rows, n, 0, &(panel){.title = title}, path);
        return;
    }
    if (d == 2)
        panel_add(&p, (series){SERIES_DOTS, .x = rows, .y = rows + 1, .n = n, .stride = 2});
    else
        panel_add(&p, (series){SERIES_HISTOGRAM, .x = rows, .n = n});
    c.aspect = d == 2 ? 0.9 : 0;
    chart_save(&c, &s->shared, path);
}

/* ------------------------------------------------------------------ the command */

/* What --given says: values by name, or the rows of DATA. */
static void read_known(sample_settings *s, const nicest_model *model)
{
    size_t d = nicest_model_columns(model), given = 0;
    for (size_t j = 0; j < d; j++)
        given += nicest_model_given(model, j) != 0;
    s->known_rows = 1;
    if (!s->given || strchr(s->given, '=')) {
        s->known = read_given(model, s->given, "sample");
        return;
    }
    if (!given)
        refuse(STATUS_USAGE, "sample: --given: %s was not trained with given columns", s->model);
    OWNED_DATA nicest_data *data = open_rows(&s->shared, model, s->given, THE_DATA);
    s->known = read_rows(data);
    s->known_rows = nicest_data_rows(data);
    if (!s->known_rows)
        refuse(STATUS_FAILED, "sample: --given: %s has no rows", s->given);
}

/* Rows first .. first+n-1. */
static void write_samples(const sample_settings *s, nicest_workspace *workspace, size_t d,
                          size_t first, size_t n, double *rows)
{
    OWNED_BLOCK double *all = s->known ? block_new(n * d, sizeof *all) : NULL;
    for (size_t i = 0; all && i < n; i++)
        memcpy(all + i * d, s->known + (first + i) % s->known_rows * d, d * sizeof *all);
    need(nicest_sample_given(workspace, all, n, s->shared.seed, first, s->temperature, rows));
}

/* Sample number i is the same however many are drawn, and in chunks. */
static double write_stream(const sample_settings *s, const nicest_model *model)
{
    size_t d = nicest_model_columns(model), chunk = chunk_rows(d);
    OWNED_BLOCK const char **names = model_names(model);
    OWNED_BLOCK double *rows = block_new(chunk * d, sizeof *rows);
    double seconds = 0;
    OWNED_WORKSPACE nicest_workspace *workspace = NULL;
    need(nicest_workspace_new(&workspace, model, 0, s->shared.threads));
    table out = table_open(s->shared.output, names, d);
    for (size_t first = 0; first < s->rows; first += chunk) {
        size_t count = s->rows - first < chunk ? s->rows - first : chunk;
        double started = clock_seconds();
        write_samples(s, workspace, d, first, count, rows);
        seconds += clock_seconds() - started;
        table_add(&out, rows, count);
        stop_if_interrupted();
    }
    table_close(&out);
    return seconds;
}

static double write_sample_file(const sample_settings *s, const nicest_model *model)
{
    double started = clock_seconds();
    size_t d = nicest_model_columns(model);
    OWNED_BLOCK double *rows = block_new(s->rows * d, sizeof *rows);
    OWNED_WORKSPACE nicest_workspace *workspace = NULL;
    need(nicest_workspace_new(&workspace, model, 0, s->shared.threads));
    write_samples(s, workspace, d, 0, s->rows, rows);
    double seconds = clock_seconds() - started;
    if (s->shared.output && is_picture(s->shared.output)) {
        draw_samples(s, model, rows, s->shared.output);
    } else {
        OWNED_DATA nicest_data *data = model_data(model, rows, s->rows);
        save_data(data, s->shared.output ? s->shared.output : "-");
    }
    return seconds;
}

static int sample_run(void *settings)
{
    sample_settings *s = settings;
    const char *path = s->shared.output;
    check_picture_options(&s->shared, &path, 1);
    OWNED_MODEL nicest_model *model = open_model(s->model);
    unsigned height, width, channels;
    nicest_model_image(model, &height, &width, &channels);
    bool picture = is_picture(path);
    check_output_path(path, true);
    if (picture && !height && nicest_model_columns(model) > 2)
        refuse(STATUS_USAGE,
               "sample: a picture needs a model of pictures or of 1 or 2 columns; this "
               "one has %zu columns",
               nicest_model_columns(model));
    bool stream = !path || !strcmp(path, "-") || has_extension(path, ".json");
    for (size_t j = 0; j < nicest_model_columns(model);
         j++) /* words and times need what knows them */
        stream = stream && ((path && has_extension(path, ".json")) ||
                            nicest_model_column_kind(model, j) == NICEST_NUMBER);
    read_known(s, model);
    s->rows = s->rows ? s->rows : s->known_rows > 1 ? s->known_rows : 100;
    double seconds = stream ? write_stream(s, model) : write_sample_file(s, model);
    if (path)
        say(&s->shared, "%s: %zu rows in %.2f s", path, s->rows, seconds);
    print_json(&s->shared, json_pack("{s:I, s:f, s:I, s:f}", "rows", (json_int_t)s->rows, "seconds",
                                     seconds, "columns", (json_int_t)nicest_model_columns(model),
                                     "temperature", s->temperature));
    block_free(s->known);
    return STATUS_DONE;
}

const command SAMPLE_COMMAND = {
    .name = "sample",
    .summary = "draw new rows",
    .synopsis = "MODEL -n N [-o FILE]",
    .description =
        "Draws rows from the model. Sample number i depends on the seed and on i alone. "
        "With -o FILE.png (or .svg, .pdf) a model of pictures gives a grid of them, a model of two columns "
        "a scatter plot, one of one column a histogram.",
    .examples = "  nicest sample wine.safetensors -n 1000 -o new-wine.csv\n"
                "  nicest sample digits.safetensors -n 100 -o digits.png\n",
    .tables = {SAMPLE_OPTIONS, PICTURE_OPTIONS, OUTPUT_OPTIONS, COMMON_OPTIONS},
    .size = sizeof(sample_settings),
    .defaults = sample_defaults,
    .run = sample_run,
};
