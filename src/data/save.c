/* save.c - rows into files, by extension; what is written here is read back as the same values.
 *
 * Text is written as the shortest decimals that come back exactly, binary formats in the stored
 * type. Owns which format a name means, and the grid of pictures. Files appear whole or not at all
 * (base/file.h). */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/status.h"
#include "data/field.h"
#include "data/formats.h"
#include "data/moment.h"
#include "data/npy.h"
#include "data/source.h"

enum {
    CHUNK = 1 << 20,  /* bytes of text between two writes */
    VALUES = 1 << 16, /* numbers read at once */
    MOST_SIDE = 1 << 15,
    GAP = 1 /* pixels between pictures */
};

static bool ends_with(const char *path, const char *ending)
{
    size_t length = strlen(path), size = strlen(ending);
    return length >= size && strcasecmp(path + length - size, ending) == 0;
}

/* All of it, gzipped if the name says so. */
static nicest_status write_file(const char *path, const byte_buffer *bytes)
{
    file_writer *writer;
    byte_buffer packed = {0};
    const byte_buffer *out = bytes;
    if (ends_with(path, ".gz")) {
        TRY(zip_gzip(&packed, bytes));
        out = &packed;
    }
    nicest_status status = file_writer_open(&writer, path);
    if (status == NICEST_OK) {
        (void)file_writer_write(writer, out->data, out->size); /* commit says when it failed */
        status = file_writer_commit(writer);
    }
    byte_buffer_close(&packed);
    return status;
}

/* ---------------------------------------------------------------- text */

/* Text on its way to a file, or (gzip) gathered in memory. */
typedef struct text_sink {
    byte_buffer text;
    file_writer *writer; /* NULL: gathers */
} text_sink;

static nicest_status put(text_sink *sink, const char *text, size_t size)
{
    unsigned char *p = byte_buffer_take(&sink->text, size);
    if (p == NULL)
        return fail_memory();
    memcpy(p, text, size);
    return NICEST_OK;
}

static nicest_status flush(text_sink *sink)
{
    if (sink->writer == NULL)
        return NICEST_OK;
    nicest_status status = file_writer_write(sink->writer, sink->text.data, sink->text.size);
    sink->text.size = 0;
    return status;
}

/* Quoted where it must be. */
static nicest_status put_name(text_sink *sink, const char *name, char separator)
{
    bool plain = *name != '\0' && *name != ' ' && *name != '#' && name[strlen(name) - 1] != ' ';
    for (const char *p = name; *p != '\0'; p++)
        plain = plain && *p != separator && *p != '"' && *p != '\n' && *p != '\r' && *p != '\t' &&
                *p != ';' && *p != ',';
    if (plain)
        return put(sink, name, strlen(name));
    TRY(put(sink, "\"", 1));
    for (const char *p = name; *p != '\0'; p++)
        TRY(put(sink, *p == '"' ? "\"\"" : p, *p == '"' ? 2 : 1));
    return put(sink, "\"", 1);
}

/* A header of numbers, or of words that stand for missing values, would be read as a row. */
static bool looks_like_row(const nicest_data *data)
{
    double number;
    const dialect plain = {.separator = ','};
    for (size_t j = 0; j < nicest_data_columns(data); j++) {
        const char *name = nicest_data_column_name(data, j);
        size_t length = strlen(name);
        if (!number_read(name, length, &number) && !field_is_missing(&plain, name, length))
            return false;
    }
    for (size_t i = 0; i < nicest_data_rows(data); i++)
        if (nicest_data_label_text(data, i) != NULL) /* then words stand below "label" as well */
            return true;
    return nicest_data_labels(data) == NULL;
}

/* "label", or another name where a column has it. */
static const char *label_name(const nicest_data *data)
{
    for (size_t j = 0; j < nicest_data_columns(data); j++) {
        if (strcmp(nicest_data_column_name(data, j), "label") == 0)
            return "label_of_row";
    }
    return "label";
}

static nicest_status put_numbers(text_sink *sink, const double *row, size_t columns, char separator)
{
    size_t room = columns * (NUMBER_SIZE + 1), used = 0;
    char *p = (char *)byte_buffer_take(&sink->text, room);
    if (p == NULL)
        return fail_memory();
    for (size_t j = 0; j < columns; j++) {
        if (j > 0)
            p[used++] = separator;
        used += number_write(row[j], p + used);
    }
    sink->text.size -= room - used;
    return NICEST_OK;
}

/* Words and times as they were. A hole is empty, but where a line would be: that is none. */
static nicest_status put_values_as_text(text_sink *sink, const nicest_data *data, const double *row,
                                        char separator)
{
    size_t d = nicest_data_columns(data);
    const char *hole = d == 1 && nicest_data_labels(data) == NULL ? "nan" : "";
    for (size_t j = 0; j < d; j++) {
        moment_format format;
        char text[MOMENT_SIZE];
        size_t count;
        const char *const *words = nicest_data_column_words(data, j, &count);
        if (j > 0)
            TRY(put(sink, &separator, 1));
        if (nicest_data_column_kind(data, j) == NICEST_NUMBER)
            TRY(put_numbers(sink, row + j, 1, separator));
        else if (isnan(row[j]))
            TRY(put(sink, hole, strlen(hole)));
        else if (words != NULL)
            TRY(row[j] >= 0 && row[j] < (double)count
                    ? put_name(sink, words[(size_t)row[j]], separator)
                    : put(sink, hole, strlen(hole)));
        else if (moment_format_read(nicest_data_column_format(data, j), &format))
            TRY(put(sink, text, moment_write(row[j], &format, text)));
    }
    return NICEST_OK;
}

/* As the file said it: a word, or a number. */
static nicest_status put_label(text_sink *sink, const nicest_data *data, size_t row, char separator)
{
    const double *labels = nicest_data_labels(data);
    const char *word = nicest_data_label_text(data, row);
    char number[NUMBER_SIZE + 1];
    if (labels == NULL)
        return NICEST_OK;
    TRY(put(sink, &separator, 1));
    if (word != NULL)
        return put_name(sink, word, separator);
    return put(sink, number, number_write(labels[row], number));
}

/* Rows as doubles, some at a time. */
typedef nicest_status (*rows_visitor)(void *context, size_t first, const double *rows,
                                      size_t count);

static nicest_status visit_rows(const nicest_data *data, rows_visitor visit, void *context)
{
    size_t n = nicest_data_rows(data), d = nicest_data_columns(data);
    size_t some = d < VALUES ? VALUES / d : 1;
    double *rows;
    TRY_NEW(rows, some * d);
    nicest_status status = NICEST_OK;
    for (size_t first = 0; first < n && status == NICEST_OK; first += some) {
        size_t count = n - first < some ? n - first : some;
        source_read(data, first, count, rows);
        status = visit(context, first, rows, count);
    }
    memory_free(rows);
    return status;
}

typedef struct text_context {
    text_sink *sink;
    const nicest_data *data;
    char separator;
    bool plain; /* all columns are of numbers */
} text_context;

static nicest_status put_rows(void *context, size_t first, const double *rows, size_t count)
{
    text_context *c = context;
    size_t d = nicest_data_columns(c->data);
    for (size_t i = 0; i < count; i++) {
        TRY(c->plain ? put_numbers(c->sink, rows + i * d, d, c->separator)
                     : put_values_as_text(c->sink, c->data, rows + i * d, c->separator));
        TRY(put_label(c->sink, c->data, first + i, c->separator));
        TRY(put(c->sink, "\n", 1));
        if (c->sink->text.size > CHUNK)
            TRY(flush(c->sink));
    }
    return flush(c->sink);
}

static nicest_status save_text(const nicest_data *data, const char *path, char separator)
{
    bool packed = ends_with(path, ".gz");
    text_sink sink = {0};
    text_context context = {&sink, data, separator, true};
    for (size_t j = 0; j < nicest_data_columns(data); j++)
        context.plain = context.plain && nicest_data_column_kind(data, j) == NICEST_NUMBER;
    if (!packed)
        TRY(file_writer_open(&sink.writer, path));
    nicest_status status = NICEST_OK;
    bool prefix = looks_like_row(data);
    for (size_t j = 0; j < nicest_data_columns(data); j++) {
        if (j > 0)
            TRY_TO(put(&sink, &separator, 1));
        if (prefix)
            TRY_TO(put(&sink, "x", 1));
        TRY_TO(put_name(&sink, nicest_data_column_name(data, j), separator));
    }
    if (nicest_data_labels(data) != NULL) {
        TRY_TO(put(&sink, &separator, 1));
        TRY_TO(put_name(&sink, label_name(data), separator));
    }
    status = put(&sink, "\n", 1);
done:
    if (status == NICEST_OK)
        status = flush(&sink);
    if (status == NICEST_OK)
        status = visit_rows(data, put_rows, &context);
    if (packed && status == NICEST_OK)
        status = write_file(path, &sink.text);
    else if (!packed && status == NICEST_OK)
        status = file_writer_commit(sink.writer);
    else
        file_writer_abandon(sink.writer);
    byte_buffer_close(&sink.text);
    return status;
}

/* ---------------------------------------------------------------- words as numbers */

static bool is_normal(const char *word)
{
    return strcmp(word, "normal") == 0 || strcmp(word, "0") == 0;
}

/* [rows], to be freed; numbers stay as they are. */
static nicest_status label_numbers(double **out, const nicest_data *data)
{
    size_t n = nicest_data_rows(data), codes = 0;
    const double *labels = nicest_data_labels(data);
    double *numbers;
    TRY_NEW(numbers, n);
    memcpy(numbers, labels, n * sizeof *numbers);
    for (size_t i = 0; i < n; i++)
        if (nicest_data_label_text(data, i) != NULL && labels[i] >= (double)codes)
            codes = (size_t)labels[i] + 1;
    size_t *place = codes > 0 ? memory_new(codes, sizeof *place) : NULL;
    if (codes > 0 && place == NULL) {
        memory_free(numbers);
        return fail_memory();
    }
    /* Numbers for a format that has no words: 0 for the words `normal` and `0`, which are normal
     * where outliers are judged, and 1, 2, ... for others as they appear. place: [codes], all 0. */
    size_t others = 0;
    for (size_t i = 0; i < nicest_data_rows(data); i++) {
        const char *word = nicest_data_label_text(data, i);
        if (word == NULL)
            continue;
        size_t *mine = place + (size_t)labels[i];
        if (*mine == 0 && !is_normal(word))
            *mine = ++others;
        numbers[i] = (double)*mine;
    }
    memory_free(place);
    *out = numbers;
    return NICEST_OK;
}

/* ---------------------------------------------------------------- NumPy */

typedef struct binary_context {
    unsigned char *next;
    value_type type;
    size_t columns;
} binary_context;

static nicest_status store_rows(void *context, size_t first, const double *rows, size_t count)
{
    binary_context *c = context;
    (void)first;
    value_store(c->type, rows, count * c->columns, c->next);
    c->next += count * c->columns * value_size(c->type);
    return NICEST_OK;
}

/* All values in that type behind what the buffer holds. */
static nicest_status put_values(byte_buffer *out, const nicest_data *data, value_type type)
{
    size_t d = nicest_data_columns(data);
    unsigned char *p = byte_buffer_take(out, nicest_data_rows(data) * d * value_size(type));
    if (p == NULL)
        return fail_memory();
    binary_context context = {p, type, d};
    return visit_rows(data, store_rows, &context);
}

/* Pictures keep their axes: [n, h, w] or [n, h, w, c]. */
static nicest_status make_npy(byte_buffer *out, const nicest_data *data)
{
    unsigned height, width, channels;
    size_t axes[4] = {nicest_data_rows(data), nicest_data_columns(data)}, count = 2;
    nicest_data_image(data, &height, &width, &channels);
    if (height > 0) {
        axes[1] = height;
        axes[2] = width;
        axes[3] = channels;
        count = channels > 1 ? 4 : 3;
    }
    TRY(npy_header(out, source_type(data), axes, count));
    return put_values(out, data, source_type(data));
}

static nicest_status make_label_npy(byte_buffer *out, const nicest_data *data)
{
    size_t n = nicest_data_rows(data);
    double *numbers;
    TRY(label_numbers(&numbers, data));
    nicest_status status = npy_header(out, VALUE_F64, &n, 1);
    unsigned char *p = status == NICEST_OK ? byte_buffer_take(out, n * sizeof(double)) : NULL;
    if (p != NULL)
        memcpy(p, numbers, n * sizeof(double));
    memory_free(numbers);
    return status != NICEST_OK ? status : p != NULL ? NICEST_OK : fail_memory();
}

/* ---------------------------------------------------------------- IDX */

/* The digit in "-idx3-ubyte", or 0. */
static unsigned idx_axes(const char *path)
{
    for (unsigned axes = 1; axes <= 4; axes++) {
        char plain[16] = "idx0-ubyte", packed[16] = "idx0-ubyte.gz";
        plain[3] = packed[3] = (char)('0' + axes);
        if (ends_with(path, plain) || ends_with(path, packed))
            return axes;
    }
    return 0;
}

typedef struct byte_check {
    const nicest_data *data;
    const char *path;
} byte_check;

static nicest_status check_bytes(void *context, size_t first, const double *rows, size_t count)
{
    const byte_check *c = context;
    size_t d = nicest_data_columns(c->data);
    for (size_t i = 0; i < count * d; i++) {
        if (!(rows[i] >= 0 && rows[i] <= 255 && rows[i] == rint(rows[i])))
            return fail(NICEST_E_DATA,
                        "%s: row %zu, column %s: %g is not a whole number from 0 to "
                        "255",
                        c->path, first + i / d + 1, nicest_data_column_name(c->data, i % d),
                        rows[i]);
    }
    return NICEST_OK;
}

static void put_big(unsigned char *p, size_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(value >> (24 - 8 * i));
}

static nicest_status labels_are_bytes(bool *bytes, const nicest_data *data)
{
    double *numbers;
    *bytes = nicest_data_labels(data) != NULL;
    if (!*bytes)
        return NICEST_OK;
    TRY(label_numbers(&numbers, data));
    for (size_t i = 0; i < nicest_data_rows(data); i++)
        *bytes = *bytes && numbers[i] >= 0 && numbers[i] <= 255 && numbers[i] == rint(numbers[i]);
    memory_free(numbers);
    return NICEST_OK;
}

/* A labels file that is there may only be replaced together with its pictures. New pictures without
 * labels would take it for theirs; new pictures with labels would take it from others (from
 * "x-images-idx3-ubyte.gz", say). */
static nicest_status check_idx_labels(const char *path, const char *beside)
{
    char *found;
    TRY(idx_find_labels(&found, path));
    nicest_status status = NICEST_OK;
    if (found != NULL && beside == NULL)
        status =
            fail(NICEST_E_ARGUMENT,
                 "%s: the rows have no labels that fit in bytes, and %s, which is there, would "
                 "be read as theirs; name another file",
                 path, found);
    else if (found != NULL && strcmp(found, beside) == 0 && !file_exists(path))
        status = fail(NICEST_E_ARGUMENT,
                      "%s: its labels would overwrite %s, which is there without it; name another "
                      "file",
                      path, found);
    memory_free(found);
    return status;
}

/* Labels go to the file where idx_load looks for them, as far as bytes can hold them. */
static nicest_status find_labels_file(char **beside, const nicest_data *data, const char *path)
{
    bool bytes;
    *beside = NULL;
    if (idx_axes(path) == 0)
        return NICEST_OK;
    TRY(labels_are_bytes(&bytes, data));
    if (bytes)
        TRY(idx_labels_path(beside, path));
    nicest_status status = check_idx_labels(path, *beside);
    if (status != NICEST_OK) {
        memory_free(*beside);
        *beside = NULL;
    }
    return status;
}

nicest_status nicest_data_labels_file(const nicest_data *data, const char *path, char *name,
                                      size_t size)
{
    char *beside;
    if (data == NULL || path == NULL || name == NULL || size == 0)
        return fail(NICEST_E_ARGUMENT, "data, a path and room for a name are needed");
    TRY(find_labels_file(&beside, data, path));
    size_t length = beside != NULL ? strlen(beside) : 0;
    bool fits = length < size;
    if (fits && length > 0)
        memcpy(name, beside, length);
    if (fits)
        name[length] = '\0';
    memory_free(beside);
    return fits ? NICEST_OK
                : fail(NICEST_E_ARGUMENT,
                       "the name of the labels file has %zu characters, there "
                       "is room for %zu",
                       length, size - 1);
}

static nicest_status save_idx_labels(const nicest_data *data, const char *beside)
{
    nicest_data *column;
    double *numbers;
    if (beside == NULL)
        return NICEST_OK;
    TRY(label_numbers(&numbers, data));
    nicest_status status = nicest_data_new(&column, numbers, nicest_data_rows(data), 1, NULL);
    memory_free(numbers);
    TRY(status);
    status = nicest_data_save(column, beside);
    nicest_data_free(column);
    return status;
}

static nicest_status save_idx(const nicest_data *data, const char *path, unsigned axes)
{
    size_t size[4];
    char *beside;
    byte_buffer bytes = {0};
    byte_check check = {data, path};
    unsigned height, width, channels;
    nicest_data_image(data, &height, &width, &channels);
    size[0] = nicest_data_rows(data);
    size[1] = axes > 2 ? height : nicest_data_columns(data);
    size[2] = width;
    size[3] = channels;
    if ((axes == 1 && size[1] != 1) || (axes > 2 && height == 0) || (axes == 3 && channels != 1))
        return fail(NICEST_E_MISMATCH, "%s: %zu columns (%ux%ux%u) do not fit %u axes", path,
                    nicest_data_columns(data), height, width, channels, axes);
    if (size[0] > UINT32_MAX || size[1] > UINT32_MAX)
        return fail(NICEST_E_MISMATCH, "%s: an axis of IDX is at most 4294967295", path);
    if (source_type(data) != VALUE_U8)
        TRY(visit_rows(data, check_bytes, &check));
    TRY(find_labels_file(&beside, data, path));
    nicest_status status = NICEST_OK;
    unsigned char *p = byte_buffer_take(&bytes, 4 + 4 * axes);
    if (p == NULL)
        TRY_TO(fail_memory());
    memcpy(p, "\0\0\x08", 3);
    p[3] = (unsigned char)axes;
    for (unsigned i = 0; i < axes; i++)
        put_big(p + 4 + 4 * i, size[i]);
done:
    if (status == NICEST_OK)
        status = put_values(&bytes, data, VALUE_U8);
    bool there = beside != NULL && file_exists(beside);
    if (status == NICEST_OK)
        status = save_idx_labels(data, beside);
    if (status == NICEST_OK) {
        status = write_file(path, &bytes);
        if (status != NICEST_OK && beside != NULL && !there)
            remove(beside); /* labels of pictures that are not there */
    }
    memory_free(beside);
    byte_buffer_close(&bytes);
    return status;
}

/* ---------------------------------------------------------------- a grid of pictures */

typedef struct grid {
    nicest_image image;
    size_t across, height, width, channels;
    double low, scale; /* level = (value - low) * scale */
} grid;

typedef struct range {
    double low, high;
    size_t columns;
} range;

static nicest_status widen_range(void *context, size_t first, const double *rows, size_t count)
{
    range *r = context;
    (void)first;
    for (size_t i = 0; i < count * r->columns; i++) {
        r->low = rows[i] < r->low ? rows[i] : r->low;
        r->high = rows[i] > r->high ? rows[i] : r->high;
    }
    return NICEST_OK;
}

static nicest_status draw_rows(void *context, size_t first, const double *rows, size_t count)
{
    grid *g = context;
    for (size_t i = 0; i < count; i++) {
        size_t number = first + i;
        const double *row = rows + i * g->height * g->width * g->channels;
        size_t top = number / g->across * (g->height + GAP);
        size_t left = number % g->across * (g->width + GAP);
        for (size_t y = 0; y < g->height; y++) {
            unsigned char *line =
                g->image.pixels + ((top + y) * g->image.width + left) * g->channels;
            for (size_t x = 0; x < g->width * g->channels; x++) {
                double level = (row[y * g->width * g->channels + x] - g->low) * g->scale;
                line[x] = (unsigned char)(level >= 0 ? (level < 255 ? level + 0.5 : 255) : 0);
            }
        }
    }
    return NICEST_OK;
}

static nicest_status save_png(const nicest_data *data, const char *path)
{
    unsigned height, width, channels;
    size_t n = nicest_data_rows(data);
    nicest_data_image(data, &height, &width, &channels);
    if (height == 0 || n == 0)
        return fail(NICEST_E_MISMATCH, "%s: the %zu columns are no picture: say --image HxW[xC]",
                    path, nicest_data_columns(data));
    grid g = {.height = height, .width = width, .channels = channels};
    g.across = (size_t)ceil(sqrt((double)n));
    size_t down = (n + g.across - 1) / g.across;
    size_t across_pixels = g.across * ((size_t)width + GAP) - GAP;
    size_t down_pixels = down * ((size_t)height + GAP) - GAP;
    if (across_pixels > MOST_SIDE || down_pixels > MOST_SIDE)
        return fail(NICEST_E_MISMATCH, "%s: %zu pictures of %ux%u are too many for one grid", path,
                    n, height, width);
    /* Bytes are shown as they are, unless they are 0 and 1; other values from the least to the
     * largest. */
    range r = {INFINITY, -(double)INFINITY, nicest_data_columns(data)};
    g.low = 0;
    g.scale = 1;
    TRY(visit_rows(data, widen_range, &r));
    if (!(source_type(data) == VALUE_U8 && r.high > 1)) {
        if (r.high > r.low && isfinite(r.high - r.low)) {
            g.low = r.low;
            g.scale = 255 / (r.high - r.low);
        }
    }
    TRY(nicest_image_new(&g.image, (unsigned)across_pixels, (unsigned)down_pixels, channels));
    nicest_status status = visit_rows(data, draw_rows, &g);
    if (status == NICEST_OK)
        status = nicest_image_write(&g.image, path);
    nicest_image_free(&g.image);
    return status;
}

/* ---------------------------------------------------------------- by name */

nicest_status nicest_data_save(const nicest_data *data, const char *path)
{
    if (data == NULL || path == NULL)
        return fail(NICEST_E_ARGUMENT, "data and a path to write it to are needed");
    unsigned axes = idx_axes(path);
    if (axes > 0)
        return save_idx(data, path, axes);
    if (strcmp(path, "-") == 0 || ends_with(path, ".csv") || ends_with(path, ".csv.gz"))
        return save_text(data, path, ',');
    if (ends_with(path, ".tsv") || ends_with(path, ".tsv.gz"))
        return save_text(data, path, '\t');
    if (ends_with(path, ".npy")) {
        byte_buffer bytes = {0};
        nicest_status status = make_npy(&bytes, data);
        if (status == NICEST_OK)
            status = write_file(path, &bytes);
        byte_buffer_close(&bytes);
        return status;
    }
    if (ends_with(path, ".npz")) {
        byte_buffer values = {0}, labels = {0}, archive = {0};
        zip_member members[2] = {{"X.npy", &values}, {"label.npy", &labels}};
        bool labelled = nicest_data_labels(data) != NULL;
        nicest_status status = make_npy(&values, data);
        if (status == NICEST_OK && labelled)
            status = make_label_npy(&labels, data);
        if (status == NICEST_OK)
            status = zip_pack(&archive, members, labelled ? 2 : 1);
        if (status == NICEST_OK)
            status = write_file(path, &archive);
        byte_buffer_close(&values);
        byte_buffer_close(&labels);
        byte_buffer_close(&archive);
        return status;
    }
    if (ends_with(path, ".png"))
        return save_png(data, path);
    return fail(NICEST_E_ARGUMENT,
                "%s: the name says no format: expected .csv, .tsv (also .gz), .npy, "
                ".npz, .png or -idxN-ubyte",
                path);
}
