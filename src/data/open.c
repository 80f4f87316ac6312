/* open.c - from one DATA argument to rows.
 *
 * Owns the grammar of the argument (which format, which array, which slice) and applies what was
 * chosen to the table that a format's reader hands over: columns become offsets, rows become
 * numbers, so values are neither moved nor copied. CSV chooses while it reads. */
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/status.h"
#include "data/csv.h"
#include "data/formats.h"
#include "data/match.h"
#include "data/select.h"
#include "data/source.h"
#include "model/model.h"

/* ---------------------------------------------------------------- what was chosen */

typedef struct choice {
    source_table *table;
    const char *place;
    const nicest_data_options *options;
    selection chosen;
    size_t *rows; /* that --where keeps */
    size_t kept;
} choice;

static void read_column(const source_table *t, size_t column, double *out)
{
    if (column < t->columns)
        source_table_column(t, column, out);
    else
        memcpy(out, t->extras[column - t->columns].values, t->rows * sizeof *out);
}

/* The words of a column, or NULL. */
static char *const *words_of(const source_table *t, size_t column, size_t *count)
{
    *count = 0;
    if (column < t->columns) {
        *count = t->kinds != NULL ? t->kinds[column].word_count : 0;
        return t->kinds != NULL ? t->kinds[column].words : NULL;
    }
    *count = t->extras[column - t->columns].text_count;
    return t->extras[column - t->columns].texts;
}

/* The rows of --where. A word of its column, or the name of a folder, stands for its number. */
static nicest_status keep_where_rows(choice *c)
{
    size_t n = c->table->rows, count;
    char *const *words = words_of(c->table, c->chosen.where, &count);
    if (words != NULL && c->chosen.where < c->table->columns) /* "7" is a word there, no code */
        c->chosen.where_is_number = false;
    for (size_t i = count; i-- > 0;) {
        if (strcmp(words[i], c->chosen.where_text) == 0) {
            c->chosen.where_is_number = true;
            c->chosen.where_number = (double)i;
        }
    }
    TRY_NEW(c->rows, n);
    OWNED_NEW(double *, values, n);
    read_column(c->table, c->chosen.where, values);
    for (size_t i = 0; i < n; i++)
        if (selection_keeps_number(&c->chosen, values[i]))
            c->rows[c->kept++] = i;
    return c->kept > 0 ? NICEST_OK : selection_nothing(c->place, c->options->where);
}

/* ---------------------------------------------------------------- columns */

/* The chosen columns in their order. Extras are no neighbours of the data: then all are copied, one
 * behind the other. */
static nicest_status take_columns(choice *c)
{
    source_table *t = c->table;
    size_t n = t->rows, d = c->chosen.count, count;
    bool extras = false, plain = t->kinds == NULL;
    if (c->chosen.all)
        return NICEST_OK;
    for (size_t i = 0; i < d; i++) {
        extras = extras || c->chosen.columns[i] >= t->columns;
        plain = plain && words_of(t, c->chosen.columns[i], &count) == NULL;
    }
    OWNED_BY(source_table_close) source_table made = {.columns = d};
    TRY_NEW(made.names, d);
    TRY_NEW(made.offsets, d);
    if (!plain)
        TRY_NEW(made.kinds, d);
    TRY(check_memory(n <= (size_t)-1 / sizeof(double) / d));
    OWNED double *cells = extras ? memory_new(n * d, sizeof *cells) : NULL;
    TRY(check_memory(cells || !extras));
    for (size_t i = 0; i < d; i++) {
        size_t j = c->chosen.columns[i];
        bool own = j < t->columns;
        char *const *words = words_of(t, j, &count);
        const char *name = !own ? t->extras[j - t->columns].name : t->names ? t->names[j] : NULL;
        made.names[i] = memory_text(name != NULL ? name : kinds_made_name(j).text);
        TRY(check_memory(made.names[i]));
        column_kind kind = own && t->kinds != NULL ? t->kinds[j] : COLUMN_OF_NUMBERS;
        if (words != NULL)
            kind = (column_kind){NICEST_CATEGORY, -1, NULL, (char **)(uintptr_t)words, count};
        if (!plain)
            TRY(kinds_copy_one(&made.kinds[i], &kind));
        if (extras)
            read_column(t, j, cells + i * n);
        made.offsets[i] = extras               ? i * n * sizeof *cells
                          : t->offsets != NULL ? t->offsets[j]
                                               : j * t->column_stride;
    }
    if (extras) {
        memory_free(t->block);
        file_release(&t->bytes);
        t->block = memory_take(&cells);
        t->values = t->block;
        t->type = VALUE_F64;
        t->row_stride = sizeof *cells;
    }
    source_table old = {
        .columns = t->columns, .offsets = t->offsets, .names = t->names, .kinds = t->kinds};
    t->columns = d;
    t->offsets = made.offsets;
    t->names = made.names;
    t->kinds = made.kinds;
    made = old;
    return NICEST_OK;
}

/* ---------------------------------------------------------------- all of it */

static nicest_status apply(choice *c, slice part)
{
    unsigned size[3] = {c->table->height, c->table->width, c->table->channels};
    source_table *t = c->table;
    size_t first, count;
    TRY(slice_apply(part, c->place, t->rows, &first, &count));
    t->values += first * t->row_stride;
    t->rows = count;
    for (size_t i = 0; i < t->extra_count; i++)
        if (t->extras[i].values != NULL)
            memmove(t->extras[i].values, t->extras[i].values + first, count * sizeof(double));
    /* Columns and extras stand in one list, of which only the list itself is new. */
    OWNED_NEW(char **, names, t->columns + t->extra_count);
    for (size_t j = 0; j < t->columns; j++)
        names[j] = t->names != NULL ? t->names[j] : NULL;
    for (size_t j = 0; j < t->extra_count; j++)
        names[t->columns + j] = t->extras[j].name;
    column_list list = {c->place, names, t->columns, t->columns + t->extra_count};
    TRY(selection_make(&c->chosen, &list, c->options));
    TRY(selection_left(&t->left, &t->left_count, &c->chosen, &list));
    if (t->labelled && c->chosen.label == NO_COLUMN)
        c->chosen.label = t->columns;
    /* An array that was asked for and cannot be read says why. */
    for (size_t i = 0; i < t->extra_count; i++) {
        bool asked = c->chosen.label == t->columns + i || c->chosen.where == t->columns + i;
        for (size_t j = 0; j < c->chosen.count; j++)
            asked = asked || c->chosen.columns[j] == t->columns + i;
        if (asked && t->extras[i].reason != NULL)
            return fail(NICEST_E_FORMAT, "%s", t->extras[i].reason);
    }
    if (c->chosen.where != NO_COLUMN)
        TRY(keep_where_rows(c));
    if (c->chosen.label != NO_COLUMN) {
        char *const *words = words_of(t, c->chosen.label, &t->label_text_count);
        TRY_NEW(t->labels, t->rows);
        read_column(t, c->chosen.label, t->labels);
        TRY(source_texts_copy(&t->label_texts, (const char *const *)words, t->label_text_count));
    }
    TRY(take_columns(c));
    TRY(selection_picture(c->place, c->options, c->chosen.count - c->chosen.weighted, c->chosen.all,
                          size));
    c->table->height = size[0];
    c->table->width = size[1];
    c->table->channels = size[2];
    return NICEST_OK;
}

static void choice_close(choice *c)
{
    selection_close(&c->chosen);
    memory_free(c->rows);
}

/* ---------------------------------------------------------------- the argument */

/* strstr, in any case. */
static const char *find_word(const char *text, const char *word)
{
    size_t size = strlen(word);
    while (*text != '\0' && strncasecmp(text, word, size) != 0)
        text++;
    return *text != '\0' ? text : NULL;
}

/* "train-images-idx3-ubyte", "t10k.idx3-ubyte.gz", "x.idx" */
static bool is_idx(const char *path)
{
    const char *name = strrchr(path, '/');
    name = name != NULL ? name : path;
    return find_word(name, "-idx") != NULL || find_word(name, ".idx") != NULL;
}

static bool is_csv(const char *path)
{
    static const char *const ENDINGS[] = {".csv",    ".tsv",    ".txt",    ".data",
                                          ".csv.gz", ".tsv.gz", ".txt.gz", ".data.gz"};
    for (size_t i = 0; i < sizeof ENDINGS / sizeof *ENDINGS; i++) {
        if (file_has_ending(path, ENDINGS[i]))
            return true;
    }
    return strcmp(path, "-") == 0;
}

/* FILE.npz:ARRAY; the part in front is cut off in `path`. */
static const char *cut_array(char *path)
{
    const char *colon = find_word(path, ".npz:");
    if (colon == NULL)
        return NULL;
    path[colon - path + 4] = '\0';
    return colon + 5;
}

/* By the name; a file with a name that says nothing is CSV. */
static nicest_status open_path(nicest_data **data, char *path, slice part,
                               const nicest_data_options *options)
{
    OWNED_BY(source_table_close) source_table table = {0};
    const char *array = NULL;
    if (strncmp(path, "toy:", 4) == 0) {
        TRY(toy_load(&table, path + 4));
    } else if (is_csv(path)) {
        return csv_load(data, path, part, options);
    } else if (file_is_directory(path) || file_has_ending(path, ".png")) {
        TRY(png_load(&table, path));
    } else if (file_has_ending(path, ".npy")) {
        TRY(npy_load(&table, path));
    } else if ((array = cut_array(path)) != NULL || file_has_ending(path, ".npz")) {
        TRY(npz_load(&table, path, array));
    } else if (is_idx(path)) {
        TRY(idx_load(&table, path));
    } else {
        return csv_load(data, path, part, options);
    }
    OWNED_BY(choice_close) choice c = {&table, path, options, {0}, NULL, 0};
    OWNED_BY(data_drop) nicest_data *whole = NULL;
    TRY(apply(&c, part));
    TRY(source_from_table(&whole, &table));
    if (c.rows != NULL)
        return nicest_data_select(data, whole, c.rows, c.kept);
    *data = memory_take(&whole);
    return NICEST_OK;
}

/* The name and the slice of a DATA argument. */
static nicest_status read_argument(const char *text, char **path, slice *part)
{
    size_t length = strlen(text);
    *part = (slice){false, 0, 0};
    if (!file_exists(text))
        *part = slice_take(text, &length);
    TRY(require(length > 0, "the data has no name"));
    *path = memory_format("%.*s", (int)length, text);
    return check_memory(*path);
}

nicest_status nicest_data_open(nicest_data **data, const char *text,
                               const nicest_data_options *options)
{
    slice part;
    OWNED char *path = NULL;
    OWNED_BY(data_drop) nicest_data *made = NULL;
    TRY(require(data && text, "a DATA argument and a place for the data are needed"));
    TRY(read_argument(text, &path, &part));
    TRY(open_path(&made, path, part, options));
    if (options != NULL && options->weights != NULL)
        TRY(source_take_weights(made, options->weights, path, options->beside != 0));
    *data = memory_take(&made);
    return NICEST_OK;
}

/* ---------------------------------------------------------------- one after another */

/* Either a stream of text or opened data. */
struct nicest_reader {
    csv_stream *stream;
    char **names; /* [columns] of the stream */
    char *note;   /* what else there is beside a model's columns, or NULL */
    slice part;
    nicest_data *data;
    size_t row; /* of data */
    bool skip_bad, ended;
    nicest_status failed; /* what the line after the rows that were handed out has to say, */
    char *words;          /* and its words */
};

DEFINE_DROP(reader_drop, nicest_reader, nicest_reader_close)

nicest_status nicest_reader_open(nicest_reader **reader, const char *text,
                                 const nicest_data_options *options)
{
    OWNED char *path = NULL;
    TRY(require(reader && text, "a DATA argument and a place for the reader are needed"));
    OWNED_BY(reader_drop) nicest_reader *made;
    TRY_NEW(made, 1);
    TRY(read_argument(text, &path, &made->part));
    bool from_end = made->part.given && (made->part.first < 0 || made->part.end < 0);
    if (is_csv(path) && !from_end) {
        TRY(csv_open(&made->stream, path, options));
        TRY(csv_column_names(&made->names, made->stream));
    } else {
        TRY(nicest_data_open(&made->data, text, options));
    }
    *reader = memory_take(&made);
    return NICEST_OK;
}

void nicest_reader_close(nicest_reader *reader)
{
    if (reader == NULL)
        return;
    if (reader->stream != NULL)
        source_texts_free(reader->names, csv_columns(reader->stream));
    csv_close(reader->stream);
    nicest_data_free(reader->data);
    memory_free(reader->words);
    memory_free(reader->note);
    memory_free(reader);
}

nicest_status nicest_reader_match(nicest_reader *reader, const nicest_model *model)
{
    nicest_data *matched;
    TRY(require(reader && model, "a reader and a model are needed"));
    if (reader->stream != NULL) {
        /* The names of a stream as a table without rows. */
        size_t d = nicest_model_columns(model), n = csv_columns(reader->stream);
        OWNED_BY(data_drop) nicest_data *header = NULL;
        OWNED char *note = NULL;
        OWNED_NEW(size_t *, place, d);
        OWNED_NEW(column_kind *, kinds, d); /* borrowed ones */
        TRY(nicest_data_new(&header, NULL, 0, n, (const char *const *)reader->names));
        TRY(match_reader(model, header, place, &note));
        for (size_t j = 0; j < d; j++)
            kinds[j] = *model_kind(model, j);
        TRY(csv_expect(reader->stream, place, kinds, d));
        source_texts_free(reader->names, n);
        memory_free(reader->note);
        reader->note = memory_take(&note);
        return csv_column_names(&reader->names, reader->stream);
    }
    TRY(nicest_data_match(&matched, model, reader->data));
    nicest_data_free(reader->data);
    reader->data = matched;
    return NICEST_OK;
}

size_t nicest_reader_columns(const nicest_reader *reader)
{
    if (reader == NULL)
        return 0;
    return reader->data != NULL ? nicest_data_columns(reader->data) : csv_columns(reader->stream);
}

const char *nicest_reader_column_name(const nicest_reader *reader, size_t column)
{
    if (column >= nicest_reader_columns(reader))
        return NULL;
    return reader->data != NULL ? nicest_data_column_name(reader->data, column)
                                : reader->names[column];
}

const char *nicest_reader_note(const nicest_reader *reader)
{
    if (reader == NULL)
        return NULL;
    if (reader->note != NULL)
        return reader->note;
    return reader->data != NULL ? nicest_data_note(reader->data) : csv_note(reader->stream);
}

void nicest_reader_skip_bad(nicest_reader *reader, int skip)
{
    if (reader != NULL)
        reader->skip_bad = skip != 0;
}

/* Rows before a line that fails come first, the failure with the next call, once: the stream stands
 * behind the line and may be read on. Rows that are there do not wait for those that are not. */
static nicest_status next_of_pipe(nicest_reader *reader, size_t max, double *rows, size_t *got,
                                  size_t *skipped)
{
    size_t columns = csv_columns(reader->stream), count = 0;
    nicest_status status = reader->failed;
    if (status != NICEST_OK) {
        fail(status, "%s", reader->words ? reader->words : "a line cannot be read");
        memory_free(reader->words);
        reader->words = NULL;
        reader->failed = NICEST_OK;
        return status;
    }
    while (status == NICEST_OK && count < max && !reader->ended &&
           !(count && csv_would_wait(reader->stream))) {
        bool got_row = true;
        status = csv_next(reader->stream, rows + count * columns, &got_row);
        if (status == NICEST_E_FORMAT && reader->skip_bad) {
            ++*skipped;
            status = NICEST_OK;
        } else if (status == NICEST_OK) {
            const slice *part = &reader->part;
            long long number = got_row ? (long long)csv_row_number(reader->stream) : 0;
            reader->ended = !got_row || (part->given && number >= part->end);
            count += !reader->ended && (!part->given || number >= part->first);
        }
    }
    if (status != NICEST_OK && !count)
        return status;
    reader->failed = status;
    if (status != NICEST_OK)
        reader->words = memory_text(nicest_error());
    *got = count;
    return NICEST_OK;
}

nicest_status nicest_reader_next(nicest_reader *reader, size_t max, double *rows, size_t *got,
                                 size_t *skipped)
{
    size_t count = 0, left_out = 0;
    TRY(require(reader && got && (rows || max == 0),
                "a reader and places for rows and their number are needed"));
    if (reader->data != NULL) {
        size_t left = nicest_data_rows(reader->data) - reader->row;
        count = left < max ? left : max;
        source_read(reader->data, reader->row, count, rows);
        reader->row += count;
    } else {
        TRY(next_of_pipe(reader, max, rows, &count, &left_out));
    }
    *got = count;
    if (skipped != NULL)
        *skipped = left_out;
    return NICEST_OK;
}
