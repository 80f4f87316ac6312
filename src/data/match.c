/* match.c - the columns of one table, found in another: by name, in any order, others beside them.
 *
 * Words become the codes of whoever asks, times the unit. Owns what a name means to another file,
 * and columns side by side. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/number.h"
#include "base/status.h"
#include "data/match.h"
#include "data/moment.h"
#include "data/source.h"
#include "data/text_column.h"
#include "model/model.h"
#include "model/utf8.h"

#define NO_PLACE ((size_t)-1)

/* Whose columns are wanted: a model's, or those of other data. */
typedef struct wanted {
    const char *whose; /* "the model" */
    const nicest_model *model;
    const nicest_data *data;
    size_t columns;
    unsigned image[3];
} wanted;

static wanted columns_of_model(const nicest_model *model)
{
    wanted w = {.whose = "the model", .model = model, .columns = nicest_model_columns(model)};
    nicest_model_image(model, &w.image[0], &w.image[1], &w.image[2]);
    return w;
}

static wanted columns_of_data(const nicest_data *data, const char *whose)
{
    wanted w = {.whose = whose, .data = data, .columns = nicest_data_columns(data)};
    nicest_data_image(data, &w.image[0], &w.image[1], &w.image[2]);
    return w;
}

static const char *wanted_name(const wanted *w, size_t j)
{
    return w->model ? nicest_model_column_name(w->model, j) : nicest_data_column_name(w->data, j);
}

static const column_kind *wanted_kind(const wanted *w, size_t j)
{
    return w->model ? model_kind(w->model, j) : source_kind(w->data, j);
}

/* ---------------------------------------------------------------- names */

/* x1, x7: what readers call the columns of a file without names, also where some were dropped. */
static bool is_made_name(const char *name)
{
    return name[0] == 'x' && name[1] != '\0' && strspn(name + 1, "0123456789") == strlen(name + 1);
}

/* Names of data, hashed; those that are spelt twice are taken one after another. */
typedef struct name_index {
    word_list names;
    size_t *first, *next; /* [columns]: of a name; of the same name behind a column, or NO_PLACE */
    unsigned char *taken; /* [columns] */
    bool named;           /* some column has a name of its own */
} name_index;

static void index_close(name_index *x)
{
    word_list_close(&x->names);
    memory_free(x->first);
    memory_free(x->next);
    memory_free(x->taken);
}

static nicest_status index_names(name_index *x, const nicest_data *data)
{
    size_t n = nicest_data_columns(data);
    x->first = memory_new(n, sizeof *x->first);
    x->next = memory_new(n, sizeof *x->next);
    x->taken = memory_new(n, 1);
    TRY(check_memory(x->first && x->next && x->taken));
    for (size_t j = n; j-- > 0;) { /* so that the first of a name comes out first */
        size_t number, before = x->names.count;
        OWNED char *name = utf8_repaired(nicest_data_column_name(data, j)); /* as a model has it */
        TRY(check_memory(name));
        x->named = x->named || !is_made_name(name);
        TRY(word_list_add(&x->names, name, strlen(name), &number));
        x->next[j] = number < before ? x->first[number] : NO_PLACE;
        x->first[number] = j;
    }
    return NICEST_OK;
}

static size_t take_name(name_index *x, const char *name)
{
    size_t number;
    if (!word_list_find(&x->names, name, strlen(name), &number))
        return NO_PLACE;
    size_t j = x->first[number];
    while (j != NO_PLACE && x->taken[j])
        j = x->next[j];
    if (j != NO_PLACE)
        x->taken[j] = 1;
    return j;
}

/* A name that could be a value gets an x where it is written (save.c): 2019 and x2019 are one. */
static bool could_be_value(const char *name)
{
    static const dialect plain = {.separator = ','};
    double value;
    return number_read(name, strlen(name), &value) || field_is_missing(&plain, name, strlen(name));
}

static nicest_status find_name(name_index *x, const char *name, size_t *place)
{
    OWNED char *repaired = utf8_repaired(name);
    TRY(check_memory(repaired));
    *place = take_name(x, repaired);
    if (*place == NO_PLACE && *repaired == 'x' && could_be_value(repaired + 1))
        *place = take_name(x, repaired + 1);
    if (*place == NO_PLACE && could_be_value(repaired)) {
        OWNED char *written = memory_format("x%s", repaired);
        TRY(check_memory(written));
        *place = take_name(x, written);
    }
    return NICEST_OK;
}

/* ", and lacks ..." is for a reader: names as far as a line has room. */
static void list_names(const nicest_data *data, const unsigned char *taken, char *text, size_t size)
{
    size_t used = 0;
    *text = '\0';
    for (size_t j = 0; j < nicest_data_columns(data); j++) {
        const char *name = nicest_data_column_name(data, j);
        if (taken && taken[j])
            continue;
        if (used + strlen(name) + 8 > size) {
            snprintf(text + used, size - used, ", ...");
            return;
        }
        used += (size_t)snprintf(text + used, size - used, "%s%s", used ? ", " : "", name);
    }
}

/* place[columns]: by name; or, where one side has no names and both have as many columns, by
 * position. *note, a line about columns that are left out, may stay NULL. */
static nicest_status find_places(const wanted *w, const nicest_data *data, size_t *place,
                                 char **note)
{
    OWNED_BY(index_close) name_index x = {0};
    size_t n = nicest_data_columns(data), lost = NO_PLACE, surplus = 0, nameless = 0;
    bool wanted_named = false;
    char names[300];
    TRY(index_names(&x, data));
    for (size_t j = 0; j < w->columns; j++) {
        wanted_named = wanted_named || !is_made_name(wanted_name(w, j));
        TRY(find_name(&x, wanted_name(w, j), &place[j]));
        lost = place[j] == NO_PLACE && lost == NO_PLACE ? j : lost;
    }
    size_t count = 0, gone;
    char *const *left = w->model ? model_left(w->model, &count) : source_left(w->data, &count);
    for (size_t i = 0; i < count; i++) /* training left these columns out too */
        TRY(find_name(&x, left[i], &gone));
    for (size_t j = 0; j < n; j++) { /* x3 beside x1 and x2 is no other column, but one too many */
        bool made = strcmp(nicest_data_column_name(data, j), kinds_made_name(j).text) == 0;
        surplus += !x.taken[j];
        nameless += !x.taken[j] && made;
    }
    bool bare = !x.named || !wanted_named;
    if (lost == NO_PLACE && (nameless == 0 || !bare)) {
        list_names(data, x.taken, names, sizeof names);
        if (surplus > 0)
            *note = memory_format(
                "%s not %s: %s", surplus == 1 ? "a column that is" : "columns that are",
                w->model ? "in the model is left out" : "wanted is left out", names);
    } else if (bare && n == w->columns) {
        for (size_t j = 0; j < n; j++)
            place[j] = j;
    } else if (bare) {
        return fail(NICEST_E_MISMATCH, "the data has %zu columns, %s %zu", n, w->whose, w->columns);
    } else {
        list_names(data, NULL, names, sizeof names);
        return fail(NICEST_E_MISMATCH, "column '%.60s' of %s is not there; there are %s",
                    wanted_name(w, lost), w->whose, names);
    }
    return NICEST_OK;
}

/* ---------------------------------------------------------------- values */

static bool same_kind(const column_kind *a, const column_kind *b)
{
    if (a->kind == NICEST_NUMBER && b->kind == NICEST_NUMBER)
        return true;
    if (a->kind != b->kind || a->word_count != b->word_count ||
        (a->format && strcmp(a->format, b->format) != 0))
        return false;
    for (size_t i = 0; i < a->word_count; i++)
        if (strcmp(a->words[i], b->words[i]) != 0)
            return false;
    return true;
}

/* Codes of the data to codes of whoever asks; a word that is new there gets the code behind the
 * last. Numbers are words as they are spelt. */
static nicest_status recode(const column_kind *to, const column_kind *from, double *values,
                            size_t rows, size_t stride)
{
    OWNED_BY(word_list_close) word_list known = {0};
    OWNED_NEW(double *, code, from->word_count);
    size_t number;
    char text[NUMBER_SIZE];
    for (size_t i = 0; i < to->word_count; i++)
        TRY(word_list_add(&known, to->words[i], strlen(to->words[i]), &number));
    for (size_t i = 0; i < from->word_count; i++) {
        OWNED char *word = utf8_repaired(from->words[i]);
        TRY(check_memory(word));
        double value;
        bool found = word_list_find(&known, from->words[i], strlen(from->words[i]), &number) ||
                     word_list_find(&known, word, strlen(word), &number) ||
                     (number_read(word, strlen(word), &value) &&
                      word_list_find(&known, text, number_write(value + 0.0, text), &number));
        code[i] = (double)(found ? number : to->word_count);
    }
    for (size_t i = 0; i < rows; i++) {
        double *value = &values[i * stride];
        if (isnan(*value))
            continue;
        if (from->kind == NICEST_CATEGORY)
            *value = *value >= 0 && *value < (double)from->word_count ? code[(size_t)*value]
                                                                      : (double)to->word_count;
        else
            *value = word_list_find(&known, text, number_write(*value, text), &number)
                         ? (double)number
                         : (double)to->word_count;
    }
    return NICEST_OK;
}

static nicest_status convert_column(const wanted *w, size_t j, const column_kind *from,
                                    double *values, size_t rows)
{
    const column_kind *to = wanted_kind(w, j);
    size_t stride = w->columns, known = 0;
    moment_format ours, theirs;
    for (size_t i = 0; i < rows && !known; i++)
        known = !isnan(values[i * stride]);
    if (!known || same_kind(to, from))
        return NICEST_OK;
    if (to->kind == NICEST_CATEGORY && from->kind != NICEST_TIME)
        return recode(to, from, values, rows, stride);
    if (to->kind == NICEST_TIME && from->kind == NICEST_TIME &&
        moment_format_read(to->format, &ours) && moment_format_read(from->format, &theirs) &&
        ours.date == theirs.date) {
        double factor = moment_factor(&ours, &theirs);
        for (size_t i = 0; i < rows; i++)
            values[i * stride] *= factor;
        return NICEST_OK;
    }
    if (to->kind == NICEST_NUMBER && from->kind == NICEST_CATEGORY && !to->format) {
        /* Codes such as 02134, where whoever asks has met none with a 0 in front. */
        OWNED_NEW(double *, number, from->word_count);
        size_t numbers = 0;
        while (numbers < from->word_count &&
               number_read(from->words[numbers], strlen(from->words[numbers]), &number[numbers]))
            numbers++;
        for (size_t i = 0; numbers == from->word_count && i < rows; i++)
            values[i * stride] = values[i * stride] >= 0 && values[i * stride] < (double)numbers
                                     ? number[(size_t)values[i * stride]]
                                     : (double)NAN;
        if (numbers == from->word_count)
            return NICEST_OK;
    }
    static const char *const HOLDS[] = {"numbers", "words", "times"};
    if (to->kind == from->kind)
        return NICEST_OK;
    size_t shown = 0; /* a word that is no number, where there is one */
    while (shown + 1 < from->word_count &&
           !from->words[shown][strspn(from->words[shown], "0123456789.+-eE")])
        shown++;
    return fail(NICEST_E_MISMATCH, "column '%.60s' holds %s%s%.40s%s, %s has %s there",
                wanted_name(w, j), HOLDS[from->kind], from->word_count ? " ('" : "",
                from->word_count ? from->words[shown] : "", from->word_count ? "', ...)" : "",
                w->whose, HOLDS[to->kind]);
}

/* Data of columns place[d] with the names and kinds of whoever asks (w == NULL: their own). */
static nicest_status build_table(nicest_data **out, const nicest_data *data, const size_t *place,
                                 size_t d, const wanted *w)
{
    size_t n = nicest_data_rows(data);
    OWNED_BY(row_walk_close) row_walk all = {0};
    OWNED_ROWS(double *, cells, n, d);
    OWNED_NEW(const char **, names, d);
    OWNED_NEW(column_kind *, kinds, d); /* borrowed ones */
    TRY(row_walk_begin(&all, data, 1));
    while (row_walk_next(&all))
        for (size_t j = 0; j < d; j++)
            cells[all.first * d + j] = all.rows[place[j]];
    for (size_t j = 0; j < d; j++) {
        names[j] = w ? wanted_name(w, j) : nicest_data_column_name(data, place[j]);
        kinds[j] = *(w ? wanted_kind(w, j) : source_kind(data, place[j]));
        if (w)
            TRY(convert_column(w, j, source_kind(data, place[j]), cells + j, n));
    }
    return source_make(
        out, &(source_made){n, d, memory_take(&cells), names, kinds, w ? w->image : NULL, data});
}

/* ---------------------------------------------------------------- matching */

nicest_status match_reader(const nicest_model *model, const nicest_data *header, size_t *place,
                           char **note)
{
    wanted w = columns_of_model(model);
    return find_places(&w, header, place, note);
}

static nicest_status match(nicest_data **out, const wanted *w, const nicest_data *data)
{
    unsigned image[3];
    OWNED char *note = NULL;
    nicest_data *made = NULL;
    nicest_data_image(data, &image[0], &image[1], &image[2]);
    if (w->image[0] && image[0] && memcmp(w->image, image, sizeof image) != 0)
        return fail(NICEST_E_MISMATCH,
                    "the data's pictures are %u x %u x %u, those of %s %u x %u x %u", image[0],
                    image[1], image[2], w->whose, w->image[0], w->image[1], w->image[2]);
    OWNED_NEW(size_t *, place, w->columns);
    TRY(find_places(w, data, place, &note));
    bool same = nicest_data_columns(data) == w->columns;
    for (size_t j = 0; same && j < w->columns; j++)
        same = place[j] == j && same_kind(wanted_kind(w, j), source_kind(data, j));
    TRY(same ? source_share(&made, data, w->image[0] ? w->image : image)
             : build_table(&made, data, place, w->columns, w));
    source_take_note(made, memory_take(&note));
    *out = made;
    return NICEST_OK;
}

nicest_status nicest_data_match(nicest_data **out, const nicest_model *model,
                                const nicest_data *data)
{
    TRY(require(out && model && data, "a model, data and a place for the result are needed"));
    wanted w = columns_of_model(model);
    return match(out, &w, data);
}

nicest_status nicest_data_align(nicest_data **out, const nicest_data *like, const nicest_data *data)
{
    TRY(require(out && like && data, "data, other data and a place for the result are needed"));
    wanted w = columns_of_data(like, "the other data");
    return match(out, &w, data);
}

/* Columns that are called x1, x2, ... in order have none. */
static bool has_names(const wanted *w)
{
    for (size_t j = 0; j < w->columns; j++)
        if (wanted_name(w, j) && strcmp(wanted_name(w, j), kinds_made_name(j).text) != 0)
            return true;
    return false;
}

/* 2019 and x2019 are one name. */
static bool is_written_name(const char *name, const char *written)
{
    return written[0] == 'x' && !strcmp(name, written + 1) && could_be_value(name);
}

/* As many columns, pictures of one size where both are pictures, the same names where both have
 * names: as they are in a model, where bytes that are not UTF-8 count as '?'. */
static nicest_status compare_columns(const wanted *a, const wanted *b)
{
    if (a->columns != b->columns)
        return fail(NICEST_E_MISMATCH, "%s has %zu columns, %s %zu", b->whose, b->columns, a->whose,
                    a->columns);
    if (a->image[0] && b->image[0] && memcmp(a->image, b->image, sizeof a->image) != 0)
        return fail(NICEST_E_MISMATCH, "%s's pictures are %u x %u x %u, %s's %u x %u x %u",
                    b->whose, b->image[0], b->image[1], b->image[2], a->whose, a->image[0],
                    a->image[1], a->image[2]);
    bool named = has_names(a) && has_names(b);
    for (size_t j = 0; named && j < a->columns; j++) {
        const char *ours = wanted_name(a, j), *theirs = wanted_name(b, j);
        if (!theirs || !strcmp(ours, theirs) || is_written_name(ours, theirs) ||
            is_written_name(theirs, ours))
            continue;
        OWNED char *repaired = utf8_repaired(theirs);
        TRY(check_memory(repaired));
        if (strcmp(ours, repaired) != 0)
            return fail(NICEST_E_MISMATCH, "column %zu is '%.60s' in %s, '%.60s' in %s", j + 1,
                        repaired, b->whose, ours, a->whose);
    }
    return NICEST_OK;
}

nicest_status nicest_model_fits(const nicest_model *model, const nicest_data *data)
{
    if (!model || !data)
        return fail(NICEST_E_ARGUMENT, "the model or the data is NULL");
    const wanted a = columns_of_model(model), b = columns_of_data(data, "the data");
    return compare_columns(&a, &b);
}

nicest_status match_alike(const nicest_data *train, const nicest_data *valid)
{
    const wanted a = columns_of_data(train, "the training data"),
                 b = columns_of_data(valid, "the validation data");
    return compare_columns(&a, &b);
}

/* ---------------------------------------------------------------- other columns */

nicest_status nicest_data_take(nicest_data **out, const nicest_data *data, const size_t *columns,
                               size_t count)
{
    TRY(require(out && data && columns && count > 0,
                "data, columns and a place for the result are needed"));
    for (size_t j = 0; j < count; j++)
        if (columns[j] >= nicest_data_columns(data))
            return fail(NICEST_E_ARGUMENT, "column %zu was asked of data with %zu columns",
                        columns[j], nicest_data_columns(data));
    return build_table(out, data, columns, count, NULL);
}

nicest_status nicest_data_beside(nicest_data **out, const nicest_data *left,
                                 const nicest_data *right)
{
    TRY(require(out && left && right, "data, other data and a place for the result are needed"));
    size_t n = nicest_data_rows(left), a = nicest_data_columns(left),
           b = nicest_data_columns(right), d = a + b;
    if (nicest_data_rows(right) != n)
        return fail(NICEST_E_ARGUMENT, "%zu rows cannot stand beside %zu", n,
                    nicest_data_rows(right));
    OWNED_ROWS(double *, cells, n, d);
    OWNED_NEW(const char **, names, d);
    OWNED_NEW(column_kind *, kinds, d); /* borrowed ones */
    for (size_t i = 0; i < n; i++) {
        source_read(left, i, 1, cells + i * d);
        source_read(right, i, 1, cells + i * d + a);
    }
    for (size_t j = 0; j < d; j++) {
        names[j] = nicest_data_column_name(j < a ? left : right, j < a ? j : j - a);
        kinds[j] = *source_kind(j < a ? left : right, j < a ? j : j - a);
    }
    return source_make(out, &(source_made){n, d, memory_take(&cells), .names = names,
                                           .kinds = kinds, .like = left});
}

nicest_status nicest_data_of_model(nicest_data **out, const nicest_model *model, const double *rows,
                                   size_t n)
{
    TRY(require(out && model && (rows || n == 0),
                "a model, rows and a place for the result are needed"));
    size_t d = nicest_model_columns(model);
    OWNED_ROWS(double *, cells, n, d);
    OWNED_NEW(const char **, names, d);
    OWNED_NEW(column_kind *, kinds, d); /* borrowed ones */
    for (size_t j = 0; j < d; j++) {
        names[j] = nicest_model_column_name(model, j);
        kinds[j] = *model_kind(model, j);
    }
    if (n > 0)
        memcpy(cells, rows, n * d * sizeof *rows);
    return source_make(out,
                       &(source_made){n, d, memory_take(&cells), .names = names, .kinds = kinds});
}
