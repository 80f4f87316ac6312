/* common.c - see common.h. */
#include "common.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

/* ------------------------------------------------------------------ opening */

nicest_data_options data_options(const shared_settings *shared)
{
    return (nicest_data_options){.header = !shared->header          ? 0
                                           : *shared->header == 'y' ? 1
                                                                    : -1,
                                 .separator = shared->separator,
                                 .decimal = shared->decimal,
                                 .comment = shared->comment,
                                 .missing = shared->missing,
                                 .columns = shared->columns,
                                 .drop = shared->drop,
                                 .label = shared->label,
                                 .weights = shared->weights,
                                 .where = shared->where,
                                 .height = shared->image.height,
                                 .width = shared->image.width,
                                 .channels = shared->image.channels};
}

const char *place_of(const char *text)
{
    return strcmp(text, "-") ? text : "standard input";
}

void say_note(const shared_settings *shared, const char *text, const char *note)
{
    if (note)
        say(shared, "%s: %s", place_of(text), note);
}

/* Columns that are called one after another and are alike. */
static bool alike(const nicest_column_facts *a, const nicest_column_facts *b)
{
    return a->what == b->what && a->advice == b->advice && !a->missing == !b->missing;
}

void print_facts(const nicest_data *data, const nicest_column_facts *facts)
{
    size_t d = nicest_data_columns(data);
    printf("  %-20s %-13s %8s %8s  %-16s %-16s %-16s %s\n", "column", "type", "missing", "levels",
           "least", "median", "most", "taken for");
    for (size_t j = 0; j < d; j++) {
        const nicest_column_facts *f = &facts[j];
        short_text median = {""};
        if (nicest_data_column_kind(data, j) == NICEST_TIME)
            median = value_text(data, j, f->median);
        else if (nicest_data_column_kind(data, j) == NICEST_NUMBER)
            median = short_format("%.6g", f->median);
        printf("  %-20.20s %-13s %8zu %8zu  %-16.16s %-16.16s %-16.16s %s%s%s\n",
               nicest_data_column_name(data, j), f->what, f->missing, f->levels,
               value_text(data, j, f->least).text, median.text, value_text(data, j, f->most).text,
               f->taken, f->advice ? ": --drop it, " : "", f->advice ? f->advice : "");
    }
}

void say_columns(const shared_settings *shared, const nicest_data *data)
{
    size_t n = nicest_data_rows(data), d = nicest_data_columns(data);
    unsigned height;
    nicest_data_image(data, &height, NULL, NULL);
    if (height || shared->quiet || (double)n * (double)d > 2e8)
        return;
    OWNED_BLOCK nicest_column_facts *facts = block_new(d, sizeof *facts);
    need(nicest_data_facts(data, facts));
    for (size_t j = 0, last; j < d; j = last + 1) {
        const nicest_column_facts *f = &facts[j];
        char holes[48] = "", levels[48] = "";
        for (last = j; last + 1 < d && alike(&facts[last + 1], f);)
            last++;
        bool one = last == j;
        if (f->missing && one)
            snprintf(holes, sizeof holes, ", %zu missing", f->missing);
        if (one && strcmp(f->what, "numbers") != 0)
            snprintf(levels, sizeof levels, " (%zu)", f->levels);
        say(shared, "column%s %s%s%s: %s%s%s", one ? "" : "s", nicest_data_column_name(data, j),
            one ? "" : " to ", one ? "" : nicest_data_column_name(data, last), f->what, levels,
            one          ? holes
            : f->missing ? ", with missing values"
                         : "");
        for (size_t k = j; k <= last && f->advice; k++)
            say(shared, "--drop '%s': %s", nicest_data_column_name(data, k), f->advice);
    }
}

nicest_data *open_kept(const shared_settings *shared, const char *keep, const char *text)
{
    nicest_data_options options = data_options(shared);
    nicest_data *data;
    if (!keep)
        return NULL;
    if (!strcmp(text, "-"))
        refuse(STATUS_USAGE, "--keep: standard input is read only once; give a file");
    options.columns = strcmp(keep, "all") != 0 ? keep : NULL;
    options.drop = options.label = NULL;
    options.height = options.width = options.channels = 0;
    need(nicest_data_open(&data, text, &options));
    return data;
}

nicest_data *open_rows(const shared_settings *shared, const nicest_model *model, const char *text,
                       data_role role)
{
    nicest_data_options options = data_options(shared);
    nicest_data *data;
    options.beside = role != THE_DATA;
    options.where = role != OTHER_DATA ? options.where : NULL;
    need(nicest_data_open(&data, text, &options));
    say_note(shared, text, nicest_data_note(data));
    return model ? match_data(shared, model, data, text) : data;
}

nicest_data *match_data(const shared_settings *shared, const nicest_model *model, nicest_data *data,
                        const char *text)
{
    nicest_data *matched;
    if (nicest_data_match(&matched, model, data) != NICEST_OK)
        refuse(STATUS_FAILED, "%s: %s", place_of(text), nicest_error());
    nicest_data_free(data);
    say_note(shared, text, nicest_data_note(matched));
    return matched;
}

void need_reader_match(const shared_settings *shared, const nicest_model *model,
                       nicest_reader *reader, const char *text)
{
    say_note(shared, text, nicest_reader_note(reader));
    if (nicest_reader_match(reader, model) != NICEST_OK)
        refuse(STATUS_FAILED, "%s: %s", place_of(text), nicest_error());
    say_note(shared, text, nicest_reader_note(reader));
}

nicest_data *align_data(const shared_settings *shared, const nicest_data *like, const char *whose,
                        nicest_data *other, const char *text)
{
    nicest_data *aligned;
    if (!other)
        return NULL;
    if (nicest_data_align(&aligned, like, other) != NICEST_OK) {
        const char *error = nicest_error(), *other_data = strstr(error, "the other data");
        size_t before = other_data ? (size_t)(other_data - error) : strlen(error);
        refuse(STATUS_FAILED, "%s: %.*s%s%s", text, (int)before, error, other_data ? whose : "",
               other_data ? other_data + strlen("the other data") : "");
    }
    nicest_data_free(other);
    say_note(shared, text, nicest_data_note(aligned));
    return aligned;
}

nicest_model *open_model(const char *path)
{
    nicest_model *model;
    nicest_status status = nicest_model_load(&model, path);
    if (status == NICEST_E_FORMAT && !has_extension(path, ".safetensors") &&
        strstr(nicest_error(), "not a safetensors file"))
        refuse(STATUS_FAILED, "%s (the model comes before the rows)", nicest_error());
    need(status);
    return model;
}

/* ------------------------------------------------------------------ rows */

size_t chunk_rows(size_t columns)
{
    size_t rows = ((size_t)1 << 22) / (columns ? columns : 1);
    return rows < 256 ? 256 : rows > 65536 ? 65536 : rows;
}

double *read_rows(const nicest_data *data)
{
    size_t n = nicest_data_rows(data), d = nicest_data_columns(data);
    double *rows = block_new(n * d, sizeof *rows);
    need(nicest_data_read(data, 0, n, rows));
    return rows;
}

double *column_of(const double *rows, size_t n, size_t d, size_t column)
{
    double *values = block_new(n, sizeof *values);
    for (size_t i = 0; i < n; i++)
        values[i] = rows[i * d + column];
    return values;
}

size_t spread_row(size_t i, size_t shown, size_t n)
{
    return shown < n ? (size_t)((double)i / (double)shown * (double)n) : i;
}

double *spread_rows(const double *rows, size_t n, size_t d, size_t shown)
{
    double *some = block_new(shown * d, sizeof *some);
    for (size_t i = 0; i < shown; i++)
        memcpy(some + i * d, rows + spread_row(i, shown, n) * d, d * sizeof *some);
    return some;
}

double *score_rows(const shared_settings *shared, const nicest_model *model,
                   const nicest_data *data)
{
    size_t n = nicest_data_rows(data), d = nicest_data_columns(data), chunk = chunk_rows(d);
    double *logp = block_new(n, sizeof *logp);
    OWNED_BLOCK double *rows = block_new(chunk * d, sizeof *rows);
    progress bar = progress_start(shared, "scoring", "rows/s");
    OWNED_WORKSPACE nicest_workspace *workspace = NULL;
    need(nicest_workspace_new(&workspace, model, 0, shared->threads));
    for (size_t first = 0; first < n; first += chunk) {
        size_t count = n - first < chunk ? n - first : chunk;
        need(nicest_data_read(data, first, count, rows));
        need(nicest_score(workspace, rows, count, shared->seed, logp + first));
        progress_show(&bar, (double)(first + count) / (double)n, NAN,
                      (double)(first + count) / (clock_seconds() - bar.started), NULL);
        stop_if_interrupted();
    }
    progress_end(&bar);
    return logp;
}

double *sample_rows(const shared_settings *shared, const nicest_model *model, const double *given,
                    size_t n, double temperature)
{
    size_t d = nicest_model_columns(model);
    double *rows = block_new(n * d, sizeof *rows);
    OWNED_BLOCK double *all = given ? block_new(n * d, sizeof *all) : NULL;
    for (size_t i = 0; all && i < n; i++)
        memcpy(all + i * d, given, d * sizeof *all);
    OWNED_WORKSPACE nicest_workspace *workspace = NULL;
    need(nicest_workspace_new(&workspace, model, 0, shared->threads));
    need(nicest_sample_given(workspace, all, n, shared->seed, 0, temperature, rows));
    return rows;
}

size_t model_column(const nicest_model *model, const char *name, size_t length)
{
    for (size_t j = 0; j < nicest_model_columns(model); j++) {
        const char *own = nicest_model_column_name(model, j);
        if (strlen(own) == length && !memcmp(own, name, length))
            return j;
    }
    return SIZE_MAX;
}

double *read_given(const nicest_model *model, const char *given, const char *who)
{
    size_t d = nicest_model_columns(model);
    if (!given)
        return NULL;
    double *row = block_new(d, sizeof *row);
    OWNED_BLOCK char *text = block_new(strlen(given) + 1, 1);
    char *next = text;
    OWNED_DATA nicest_data *columns = model_data(model, NULL, 0);
    strcpy(text, given);
    for (size_t j = 0; j < d; j++)
        row[j] = NAN;
    while (next) {
        char *item = next, *equals = strchr(item, '=');
        next = strchr(item, ',');
        if (next)
            *next++ = 0;
        if (!equals)
            refuse(STATUS_USAGE, "%s: --given '%s': expected COLUMN=VALUE", who, item);
        *equals = 0;
        size_t j = model_column(model, item, strlen(item));
        if (j == SIZE_MAX)
            refuse(STATUS_USAGE, "%s: --given: the model has no column '%s'", who, item);
        if (nicest_data_text_value(columns, j, equals + 1, &row[j]) != NICEST_OK)
            refuse(STATUS_USAGE, "%s: --given: %s", who, nicest_error());
    }
    return row;
}

nicest_data *model_data(const nicest_model *model, const double *rows, size_t n)
{
    nicest_data *data;
    need(nicest_data_of_model(&data, model, rows, n));
    return data;
}

void say_unpromised(const shared_settings *shared, size_t rows)
{
    if (rows)
        say(shared,
            "%zu row%s missing values in columns that no calibration row lacks together: p promises "
            "nothing for such a row",
            rows, rows == 1 ? " has" : "s have");
}

static bool labels_are_words(const nicest_data *data)
{
    for (size_t i = 0; i < nicest_data_rows(data); i++)
        if (nicest_data_label_text(data, i))
            return true;
    return false;
}

void say_labels(const shared_settings *shared, const nicest_data *data, const char *path,
                const char *labels)
{
    if (*labels)
        say(shared, "%s: the labels of %s", labels, path);
    if (!nicest_data_labels(data))
        return;
    if (has_extension(path, ".npy") || is_picture(path) || (idx_axes(path) && !*labels))
        say(shared, "%s: has no place for labels; they are left out", path);
    else if ((has_extension(path, ".npz") || *labels) && labels_are_words(data))
        say(shared,
            "%s: labels become numbers: 0 for the words normal and 0, then 1, 2, ... as they appear",
            *labels ? labels : path);
}

/* ------------------------------------------------------------------ corruptions */

void corruption_parse(corruption *c, const char *what, const char *text)
{
    char levels[512];
    const char *equals = strchr(text, '='), *at = strchr(text, '@');
    if (!equals || equals == text || (size_t)(equals - text) >= sizeof c->kind)
        refuse(STATUS_USAGE, "%s: '%s' is not KIND=LEVEL", what, text);
    *c = (corruption){.other = at ? at + 1 : NULL};
    snprintf(c->kind, sizeof c->kind, "%.*s", (int)(equals - text), text);
    const char *const *names = nicest_corruption_names();
    char list[256];
    size_t count = options_list(names, c->kind, list, sizeof list);
    const char *nearest = count ? options_nearest(c->kind, names, count) : NULL;
    if (nearest)
        refuse(STATUS_USAGE, "%s: unknown kind '%s'; did you mean %s?", what, c->kind, nearest);
    if (count)
        refuse(STATUS_USAGE, "%s: unknown kind '%s'; there are %s", what, c->kind, list);
    size_t length = at ? (size_t)(at - equals) - 1 : strlen(equals + 1);
    if (length >= sizeof levels)
        refuse(STATUS_USAGE, "%s: too many levels", what);
    memcpy(levels, equals + 1, length);
    levels[length] = 0;
    c->count = options_levels(what, levels, c->levels, MOST_LEVELS);
    if (!strcmp(c->kind, "morph") != (c->other != NULL))
        refuse(STATUS_USAGE,
               c->other ? "%s: only morph takes @DATA"
                        : "%s: morph needs other data: morph=LEVEL@DATA",
               what);
}

void corruption_check(const corruption *c, const nicest_data *data, const nicest_data *other)
{
    const size_t first = 0;
    OWNED_DATA nicest_data *row = NULL;
    if (!nicest_data_rows(data))
        return;
    need(nicest_data_select(&row, data, &first, 1));
    for (size_t i = 0; i < c->count; i++) {
        OWNED_DATA nicest_data *made = NULL;
        need(nicest_corrupt(&made, row, c->kind, c->levels[i], other, 1, 1));
    }
}

/* ------------------------------------------------------------------ summaries */

summary summary_new(void)
{
    return (summary){.mean = 0, .min = INFINITY, .max = -INFINITY};
}

/* Welford's way: no cancellation, and no second pass. */
void summary_add(summary *s, const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (isnan(values[i])) {
            s->missing++;
            continue;
        }
        s->rows++;
        s->min = fmin(s->min, values[i]);
        s->max = fmax(s->max, values[i]);
        if (!isfinite(s->mean))
            continue;
        double difference = values[i] - s->mean;
        if (isfinite(values[i])) {
            s->mean += difference / (double)s->rows;
            s->square += difference * (values[i] - s->mean);
        } else { /* a row that the model holds impossible: so is the mean, and it has no spread */
            s->mean = values[i];
            s->square = NAN;
        }
    }
}

double summary_sem(const summary *s)
{
    if (s->rows < 2)
        return NAN;
    return sqrt(s->square / (double)(s->rows - 1) / (double)s->rows);
}

double weighted_mean(const double *values, const double *weights, size_t count)
{
    double sum = 0, all = 0;
    for (size_t i = 0; i < count; i++)
        if (!isnan(values[i])) {
            sum += weights && weights[i] == 0 ? 0 : (weights ? weights[i] : 1) * values[i];
            all += weights ? weights[i] : 1;
        }
    return all > 0 ? sum / all : NAN;
}

double standard_error(const double *values, const double *weights, size_t count)
{
    double error;
    need(nicest_standard_error(values, weights, count, &error));
    return error;
}

summary summary_of(const double *values, size_t count)
{
    summary s = summary_new();
    summary_add(&s, values, count);
    if (!s.rows)
        s.mean = NAN;
    return s;
}

void check_score(const char *verb, const char *name)
{
    char list[160];
    if (name && options_list(nicest_score_names(), name, list, sizeof list))
        refuse(STATUS_USAGE, "%s: unknown score '%s': there are %s", verb, name, list);
}

short_text rows_text(size_t known, size_t all)
{
    return known == all ? short_format("%zu row%s", all, all == 1 ? "" : "s")
                        : short_format("%zu of %zu rows", known, all);
}

void middle_range(const double *rows, size_t n, size_t d, size_t column, double tail, double room,
                  double range[2])
{
    OWNED_BLOCK double *values = column_of(rows, n, d, column), *sorted = sorted_finite(values, &n);
    double low = quantile(sorted, n, tail), high = quantile(sorted, n, 1 - tail);
    double beside = high > low ? room * (high - low) : 1;
    range[0] = n ? low - beside : -1;
    range[1] = n ? high + beside : 1;
}

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double *sorted_copy(const double *values, size_t *count)
{
    double *copy = block_new(*count, sizeof *copy);
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++)
        if (!isnan(values[i]))
            copy[kept++] = values[i];
    qsort(copy, kept, sizeof *copy, by_number);
    *count = kept;
    return copy;
}

double *sorted_finite(const double *values, size_t *count)
{
    double *sorted = sorted_copy(values, count);
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++)
        if (isfinite(sorted[i]))
            sorted[kept++] = sorted[i];
    *count = kept;
    return sorted;
}

double quantile(const double *sorted, size_t count, double share)
{
    if (!count)
        return NAN;
    double place = share * (double)(count - 1), below = floor(place);
    size_t i = (size_t)below;
    if (i + 1 >= count)
        return sorted[count - 1];
    if (place == below || sorted[i] == sorted[i + 1]) /* which may be infinite */
        return sorted[i];
    return sorted[i] + (place - below) * (sorted[i + 1] - sorted[i]);
}
