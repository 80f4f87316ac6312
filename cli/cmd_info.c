/* cmd_info.c - `nicest info`: what a model or a data file holds. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common.h"

typedef struct info_settings {
    shared_settings shared;
    const char *file;
} info_settings;

#define AT(field) offsetof(info_settings, field)

/* clang-format off */
static const option INFO_OPTIONS[] = {
    {OPTION(ARGUMENT, "FILE", NULL, file), .required = true, .help = "a model, or any DATA"},
    {0},
};
/* clang-format on */

/* safetensors begin with the length of a JSON header, then "{". */
static bool is_model(const char *path)
{
    unsigned char head[9] = {0};
    struct stat facts;
    if (has_extension(path, ".safetensors"))
        return true;
    if (stat(path, &facts) || !S_ISREG(facts.st_mode)) /* what is read of a pipe is gone */
        return false;
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    size_t got = fread(head, 1, sizeof head, file);
    fclose(file);
    return got == sizeof head && !head[6] && !head[7] && head[8] == '{';
}

/* ------------------------------------------------------------------ a model */

/* An entry as JSON; null where there is none. */
static json_t *entry_json(const nicest_model *model, const char *name)
{
    const char *text = nicest_model_entry(model, name);
    json_t *entry = text ? json_from_text(text) : NULL;
    return entry ? entry : text ? json_string(text) : json_null();
}

static json_t *picture_json(unsigned height, unsigned width, unsigned channels)
{
    return height ? json_pack("[i, i, i]", (int)height, (int)width, (int)channels) : json_null();
}

static json_t *model_names_json(const nicest_model *model, size_t *quantised)
{
    json_t *names = json_array();
    double levels, step, unit;
    *quantised = 0;
    for (size_t j = 0; j < nicest_model_columns(model); j++) {
        const char *name = nicest_model_column_name(model, j);
        json_array_append_new(names, name ? json_words(name) : json_null());
        *quantised += nicest_model_quantised(model, j, &levels, &step, &unit) != 0;
    }
    return names;
}

static void print_indented(const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");
        printf("  %.*s\n", (int)length, text);
        text += length + (text[length] == '\n');
    }
}

static void print_model(const info_settings *s, const nicest_model *model, const json_t *object)
{
    unsigned height, width, channels;
    nicest_model_image(model, &height, &width, &channels);
    printf("model        %s\ncolumns      %zu\nparameters   %s\n", s->file,
           nicest_model_columns(model), count_text(nicest_model_parameters(model)).text);
    if (height)
        printf("picture      %u x %u x %u\n", height, width, channels);
    printf("quantised    %lld columns\ncalibrated   %s\n",
           (long long)json_integer_value(json_object_get(object, "quantised")),
           nicest_calibrated(model) ? "yes" : "no");
    if (nicest_model_neighbours(model))
        printf("neighbours   %zu training rows are in this file (--neighbours no)\n",
               nicest_model_neighbours(model));
    if (s->shared.verbose || (!height && nicest_model_columns(model) <= 32)) {
        fputs("names       ", stdout);
        for (size_t j = 0; j < nicest_model_columns(model); j++) {
            const char *name = nicest_model_column_name(model, j);
            printf("%s %s", j ? "," : "", name ? name : "?");
        }
        putchar('\n');
    }
    puts("spec");
    print_indented(nicest_model_spec(model));
    const json_t *training = json_object_get(object, "training");
    static const char *const figures[] = {
        "rows",    "valid_rows", "held_out_rows", "epochs",        "steps",
        "retries", "train_logp", "valid_logp",    "held_out_logp", "gaussian_logp"};
    if (!json_is_object(training))
        return;
    puts("training");
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        const json_t *value = json_object_get(training, figures[i]);
        if (json_is_number(value))
            printf("  %-14s %.8g\n", figures[i], json_number_value(value));
    }
    const json_t *chosen = json_object_get(training, "chosen");
    if (json_is_string(chosen))
        print_indented(json_string_value(chosen));
}

/* ------------------------------------------------------------------ data */

/* A line a column. */
static json_t *columns_json(const nicest_data *data, bool print)
{
    size_t d = nicest_data_columns(data);
    OWNED_BLOCK nicest_column_facts *facts = block_new(d, sizeof *facts);
    json_t *columns = json_array();
    need(nicest_data_facts(data, facts));
    if (print)
        print_facts(data, facts);
    for (size_t j = 0; j < d; j++) {
        const nicest_column_facts *f = &facts[j];
        bool words = nicest_data_column_kind(data, j) == NICEST_CATEGORY;
        json_t *column = json_pack(
            "{s:o, s:s, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o}", "name",
            json_words(nicest_data_column_name(data, j)), "type", f->what, "missing",
            (json_int_t)f->missing, "levels", (json_int_t)f->levels, "distinct",
            (json_int_t)f->levels, "least",
            words ? json_words(value_text(data, j, f->least).text) : json_figure(f->least),
            "median", json_figure(f->median), "most",
            words ? json_words(value_text(data, j, f->most).text) : json_figure(f->most), "min",
            words ? json_null() : json_figure(f->least), "max",
            words ? json_null() : json_figure(f->most), "mean", json_figure(f->mean), "std",
            json_figure(f->deviation), "advice", f->advice ? json_string(f->advice) : json_null(),
            "taken_for", f->taken, "mass_point", json_figure(f->point));
        json_array_append_new(columns, column);
    }
    return columns;
}

static int info_run(void *settings)
{
    const info_settings *s = settings;
    if (is_model(s->file)) {
        OWNED_MODEL nicest_model *model = open_model(s->file);
        unsigned height, width, channels;
        nicest_model_image(model, &height, &width, &channels);
        json_t *training = entry_json(model, "nicest.training");
        json_t *rows = json_object_get(training, "rows");
        size_t quantised;
        json_t *names = model_names_json(model, &quantised);
        json_t *object = json_pack(
            "{s:s, s:O, s:I, s:I, s:s, s:o, s:o, s:I, s:b, s:I, s:o, s:o}", "kind", "model", "rows",
            rows ? rows : json_null(), "columns", (json_int_t)nicest_model_columns(model),
            "parameters", (json_int_t)nicest_model_parameters(model), "spec",
            nicest_model_spec(model), "image", picture_json(height, width, channels), "names",
            names, "quantised", (json_int_t)quantised, "calibrated", nicest_calibrated(model),
            "neighbours", (json_int_t)nicest_model_neighbours(model), "schema",
            entry_json(model, "nicest.schema"), "training", training);
        if (!s->shared.quiet && !s->shared.json)
            print_model(s, model, object);
        print_json(&s->shared, object);
    } else {
        OWNED_DATA nicest_data *data = open_rows(&s->shared, NULL, s->file, THE_DATA);
        unsigned height, width, channels;
        bool print = !s->shared.quiet && !s->shared.json;
        nicest_data_image(data, &height, &width, &channels);
        if (print) {
            printf("data         %s\nkind         %s\nrows         %zu\ncolumns      %zu\n"
                   "type         %s\nlabels       %s\n",
                   s->file, nicest_data_kind(data), nicest_data_rows(data),
                   nicest_data_columns(data), nicest_data_type(data),
                   nicest_data_labels(data) ? "yes" : "no");
            if (height)
                printf("picture      %u x %u x %u\n", height, width, channels);
        }
        json_t *columns = s->shared.verbose || !height ? columns_json(data, print) : json_null();
        print_json(&s->shared,
                   json_pack("{s:s, s:I, s:I, s:n, s:n, s:s, s:b, s:o, s:o}", "kind",
                             nicest_data_kind(data), "rows", (json_int_t)nicest_data_rows(data),
                             "columns", (json_int_t)nicest_data_columns(data), "parameters", "spec",
                             "type", nicest_data_type(data), "labels",
                             nicest_data_labels(data) != NULL, "image",
                             picture_json(height, width, channels), "column_facts", columns));
    }
    return STATUS_DONE;
}

const command INFO_COMMAND = {
    .name = "info",
    .summary = "what a model or data file holds",
    .synopsis = "FILE [-v]",
    .description =
        "For a model: columns, parameters, layers, and the record of its training. For data: kind, "
        "rows, columns, type and picture size. For a table there is a line for each column (for "
        "pictures with -v): what its values are, how many are missing, how many differ, the least, "
        "the median and the largest (of words the rarest and the most frequent), and what train "
        "would take it for. --json has the same as one object.",
    .examples = "  nicest info parabola.safetensors\n  nicest info -v wine.csv\n",
    .tables = {INFO_OPTIONS, DATA_OPTIONS, COMMON_OPTIONS},
    .size = sizeof(info_settings),
    .run = info_run,
};
