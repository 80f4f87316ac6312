/* cmd_sample.c - `nicest sample`: new rows from a model, as data or as a picture. */
#include <math.h>
#include <stdio.h>
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
    bool chains; /* the density is not given all that is known */
} sample_settings;

#define AT(field) offsetof(sample_settings, field)

/* clang-format off */
static const option SAMPLE_OPTIONS[] = {
    {OPTION(ARGUMENT, "MODEL", NULL, model), .required = true, .help = "a model file"},
    {.group = "Sampling", OPTION(COUNT, "rows", "N", rows), .letter = 'n', .low = 1, .high = 1e12,
     .unset = "100, or one for each row of --given DATA", .help = "rows to draw"},
    {OPTION(TEXT, "given", "COLUMN=VALUE,...|DATA", given), .help = "draw the other columns given these "
             "values, or given the rows of DATA, one after another. Exact if the model was trained --given these "
             "columns; otherwise approximate, by the chain of impute"},
    {OPTION(REAL, "temperature", "T", temperature), .low = 0, .high = 1000,
     .help = "scale of the latent: 1 is the model, less gives more typical rows"},
    {0},
};
/* clang-format on */

static void sample_defaults(void *settings)
{
    sample_settings *s = settings;
    s->temperature = 1;
}

/* ------------------------------------------------------------------ what is given */

/* DATA of --given with empty columns for those of the model that it lacks. */
static nicest_data *open_known(const sample_settings *s, const nicest_model *model)
{
    nicest_data *data = open_rows(&s->shared, NULL, s->given, THE_DATA);
    size_t d = nicest_model_columns(model), n = nicest_data_rows(data), count = 0;
    OWNED_BLOCK size_t *missing = block_new(d, sizeof *missing);
    for (size_t j = 0; j < d; j++) {
        size_t k = 0;
        while (k < nicest_data_columns(data) &&
               strcmp(nicest_data_column_name(data, k), nicest_model_column_name(model, j)))
            k++;
        if (k == nicest_data_columns(data))
            missing[count++] = j;
    }
    if (count > 0 && count < d) {
        OWNED_BLOCK double *rows = block_new(n * d, sizeof *rows);
        for (size_t i = 0; i < n * d; i++)
            rows[i] = NAN;
        OWNED_DATA nicest_data *empty = model_data(model, rows, n), *lacking = NULL;
        nicest_data *whole;
        need(nicest_data_take(&lacking, empty, missing, count));
        need(nicest_data_beside(&whole, data, lacking));
        nicest_data_free(data);
        data = whole;
    }
    return match_data(&s->shared, model, data, s->given);
}

/* What --given says: values by name, or the rows of DATA. */
static void read_known(sample_settings *s, const nicest_model *model)
{
    size_t d = nicest_model_columns(model), trained = 0;
    for (size_t j = 0; j < d; j++)
        trained += nicest_model_given(model, j) != 0;
    s->known_rows = 1;
    if (!s->given || strchr(s->given, '=')) {
        s->known = read_given(model, s->given, "sample");
    } else {
        OWNED_DATA nicest_data *data =
            trained ? open_rows(&s->shared, model, s->given, THE_DATA) : open_known(s, model);
        s->known = read_rows(data);
        s->known_rows = nicest_data_rows(data);
    }
    if (!s->known_rows)
        refuse(STATUS_FAILED, "sample: --given: %s has no rows", s->given);
    /* DATA may hold more than what the model was trained with */
    bool values = s->given && (!trained || strchr(s->given, '='));
    for (size_t i = 0; values && i < s->known_rows * d; i++)
        s->chains = s->chains || (!isnan(s->known[i]) && !nicest_model_given(model, i % d));
    for (size_t i = 0; s->chains && i < s->known_rows * d; i++)
        if (nicest_model_given(model, i % d) && isnan(s->known[i]))
            refuse(STATUS_USAGE,
                   "sample: --given: %s was trained --given %s; its value is wanted too", s->model,
                   nicest_model_column_name(model, i % d));
    if (s->chains && s->temperature != 1)
        refuse(STATUS_USAGE,
               "sample: --temperature needs a model that was trained --given these columns");
    if (s->chains)
        say(&s->shared,
            "approximate: the model was not trained --given all of this, so the rest is drawn by "
            "the chain of impute");
}

/* ------------------------------------------------------------------ drawing */

/* Rows first .. first+n-1. Where more is given than the density is, they are fills of rows that
 * lack the rest. */
static void write_samples(const sample_settings *s, const nicest_model *model,
                          nicest_workspace *workspace, size_t first, size_t n, double *rows)
{
    enum { MOST = 1 << 16 };
    size_t d = nicest_model_columns(model);
    OWNED_BLOCK double *known = s->known ? block_new(n * d, sizeof *known) : NULL;
    for (size_t i = 0; known && i < n; i++)
        memcpy(known + i * d, s->known + (first + i) % s->known_rows * d, d * sizeof *known);
    if (!s->chains) {
        need(nicest_sample_given(workspace, known, n, s->shared.seed, first, s->temperature, rows));
        return;
    }
    nicest_inpaint_options o;
    OWNED_BLOCK unsigned char *hidden = block_new(n * d, 1);
    for (size_t i = 0; i < n * d; i++)
        hidden[i] = (unsigned char)(isnan(known[i]) != 0);
    nicest_inpaint_defaults(&o);
    o.method = "langevin";
    o.threads = s->shared.threads;
    for (size_t done = 0; done < n; done += MOST) {
        size_t count = n - done < MOST ? n - done : MOST;
        o.seed = s->shared.seed + (first + done) * 0x9e3779b97f4a7c15u;
        need(nicest_inpaint(model, known + done * d, count, hidden + done * d, &o, rows + done * d,
                            NULL, NULL));
    }
}

/* Sample number i is the same however many are drawn, and in chunks. */
static double write_table(const sample_settings *s, const nicest_model *model)
{
    size_t d = nicest_model_columns(model), chunk = chunk_rows(d);
    OWNED_BLOCK const char **names = block_new(d, sizeof *names);
    OWNED_BLOCK double *rows = block_new(chunk * d, sizeof *rows);
    double seconds = 0;
    OWNED_WORKSPACE nicest_workspace *workspace = NULL;
    need(nicest_workspace_new(&workspace, model, 0, s->shared.threads));
    for (size_t j = 0; j < d; j++)
        names[j] = nicest_model_column_name(model, j);
    table out = table_open((table){s->shared.output, names, d, .model = model});
    for (size_t first = 0; first < s->rows; first += chunk) {
        size_t count = s->rows - first < chunk ? s->rows - first : chunk;
        double started = clock_seconds();
        write_samples(s, model, workspace, first, count, rows);
        seconds += clock_seconds() - started;
        table_add(&out, rows, count);
        stop_if_interrupted();
    }
    table_close(&out);
    return seconds;
}

static double write_picture(const sample_settings *s, const nicest_model *model)
{
    const char *path = s->shared.output;
    size_t n = s->rows, d = nicest_model_columns(model);
    double started = clock_seconds();
    OWNED_BLOCK double *rows = block_new(n * d, sizeof *rows);
    OWNED_WORKSPACE nicest_workspace *workspace = NULL;
    need(nicest_workspace_new(&workspace, model, 0, s->shared.threads));
    write_samples(s, model, workspace, 0, n, rows);
    double seconds = clock_seconds() - started;
    picture_format format = picture_format_of(model, rows, n * d);
    short_text title = short_format("%s sample%s", count_text(n).text, n == 1 ? "" : "s");
    panel p = {.title = title.text};
    if (format.height) {
        pictures_save(&s->shared, &format, rows, n, 0, &p, path);
        return seconds;
    }
    p.x.label = nicest_model_column_name(model, 0);
    p.y.label = d == 2 ? nicest_model_column_name(model, 1) : "share per unit";
    panel_add(&p, d == 2 ? (series){SERIES_DOTS, .x = rows, .y = rows + 1, .n = n, .stride = 2}
                         : (series){SERIES_HISTOGRAM, .x = rows, .n = n});
    chart_save(&(chart){.panels = &p, .count = 1, .aspect = d == 2 ? 0.9 : 0}, &s->shared, path);
    return seconds;
}

/* ------------------------------------------------------------------ the command */

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
    read_known(s, model);
    s->rows = s->rows ? s->rows : s->known_rows > 1 ? s->known_rows : 100;
    double seconds = picture ? write_picture(s, model) : write_table(s, model);
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
        "Draws rows from the model. Row number i depends on the seed and on i alone. "
        "-o FILE.png (or .svg, .pdf) draws them: pictures as a grid, two columns as a scatter plot, one "
        "column as a histogram.",
    .examples = "  nicest sample wine.safetensors -n 1000 -o new-wine.csv\n"
                "  nicest sample digits.safetensors -n 100 -o digits.png\n",
    .tables = {SAMPLE_OPTIONS, PICTURE_OPTIONS, OUTPUT_OPTIONS, COMMON_OPTIONS},
    .size = sizeof(sample_settings),
    .defaults = sample_defaults,
    .run = sample_run,
};
