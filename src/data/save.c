/* save.c - rows into files, by extension; what is written here is read back as the same values.
 *
 * Text is written as the shortest decimals that come back exactly, binary formats in the stored
 * type. Owns which format a name means, and the grid of pictures. Files appear whole or not at all
 * (base/file.h). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/status.h"
#include "data/field.h"
#include "data/formats.h"
#include "data/moment.h"
#include "data/npy.h"
#include "data/source.h"

enum { CHUNK = 1 << 20 };              /* bytes of text between two writes */
enum { MOST_SIDE = 1 << 15, GAP = 1 }; /* pixels of a grid, and between its pictures */

/* Whoever opens it must commit or abandon it; bytes are gzipped if the name says so. */
static nicest_status open_output(file_writer **writer, const char *path)
{
    OWNED_BY(file_writer_drop) file_writer *made = NULL;
    TRY(file_writer_open(&made, path));
    if (file_has_ending(path, ".gz"))
        TRY(file_writer_gzip(made));
    *writer = memory_take(&made);
    return NICEST_OK;
}

static nicest_status write_whole_file(const char *path, const byte_buffer *bytes)
{
    file_writer *writer;
    TRY(open_output(&writer, path));
    (void)file_writer_write(writer, bytes->data, bytes->size); /* commit says when it failed */
    return file_writer_commit(writer);
}

/* ---------------------------------------------------------------- text */

static nicest_status put(byte_buffer *out, const void *text, size_t size)
{
    unsigned char *p = byte_buffer_take(out, size);
    TRY(check_memory(p));
    memcpy(p, text, size);
    return NICEST_OK;
}

/* Quoted where it must be. */
static nicest_status put_name(byte_buffer *out, const char *name, char separator)
{
    bool plain = *name != '\0' && *name != ' ' && *name != '#' && name[strlen(name) - 1] != ' ';
    for (const char *p = name; *p != '\0'; p++)
        plain = plain && *p != separator && *p != '"' && *p != '\n' && *p != '\r' && *p != '\t' &&
                *p != ';' && *p != ',';
    if (plain)
        return put(out, name, strlen(name));
    TRY(put(out, "\"", 1));
    for (const char *p = name; *p != '\0'; p++)
        TRY(put(out, *p == '"' ? "\"\"" : p, *p == '"' ? 2 : 1));
    return put(out, "\"", 1);
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

/* Columns as they are called, and "label", or another name where a column has it. */
static nicest_status put_header(byte_buffer *out, const nicest_data *data, char separator)
{
    bool prefix = looks_like_row(data);
    const char *label = "label";
    for (size_t j = 0; j < nicest_data_columns(data); j++) {
        const char *name = nicest_data_column_name(data, j);
        if (strcmp(name, "label") == 0)
            label = "label_of_row";
        if (j > 0)
            TRY(put(out, &separator, 1));
        if (prefix)
            TRY(put(out, "x", 1));
        TRY(put_name(out, name, separator));
    }
    if (nicest_data_labels(data) != NULL) {
        TRY(put(out, &separator, 1));
        TRY(put_name(out, label, separator));
    }
    return put(out, "\n", 1);
}

static nicest_status put_numbers(byte_buffer *out, const double *row, size_t columns,
                                 char separator)
{
    size_t room = columns * (NUMBER_SIZE + 1), used = 0;
    char *p = (char *)byte_buffer_take(out, room);
    TRY(check_memory(p));
    for (size_t j = 0; j < columns; j++) {
        if (j > 0)
            p[used++] = separator;
        used += number_write(row[j], p + used);
    }
    out->size -= room - used;
    return NICEST_OK;
}

/* Words and times as they were. A hole is empty, but where a line would be: that is none. */
static nicest_status put_values_as_text(byte_buffer *out, const nicest_data *data,
                                        const double *row, char separator)
{
    size_t d = nicest_data_columns(data);
    const char *hole = d == 1 && nicest_data_labels(data) == NULL ? "nan" : "";
    for (size_t j = 0; j < d; j++) {
        moment_format format;
        char text[MOMENT_SIZE + NUMBER_SIZE + FIELD_SIGN];
        const char *format_text = nicest_data_column_format(data, j);
        bool number = nicest_data_column_kind(data, j) == NICEST_NUMBER;
        size_t count;
        const char *const *words = nicest_data_column_words(data, j, &count);
        if (j > 0)
            TRY(put(out, &separator, 1));
        if (number && format_text && !isnan(row[j]))
            TRY(put(out, text, field_write_signed(row[j], format_text, text)));
        else if (number)
            TRY(put_numbers(out, row + j, 1, separator));
        else if (words != NULL && row[j] >= 0 && row[j] < (double)count)
            TRY(put_name(out, words[(size_t)row[j]], separator));
        else if (words != NULL || isnan(row[j]))
            TRY(put(out, hole, strlen(hole)));
        else if (moment_format_read(format_text, &format))
            TRY(put(out, text, moment_write(row[j], &format, text)));
    }
    return NICEST_OK;
}

/* All lines. A label is as the file said it: a word, or a number. */
static nicest_status put_rows(byte_buffer *text, const nicest_data *data, file_writer *writer,
                              char separator)
{
    const double *labels = nicest_data_labels(data);
    size_t d = nicest_data_columns(data);
    bool plain = true;
    OWNED_BY(row_walk_close) row_walk pass = {0};
    TRY(row_walk_begin(&pass, data, 0));
    for (size_t j = 0; j < d; j++)
        plain = plain && nicest_data_column_kind(data, j) == NICEST_NUMBER &&
                !nicest_data_column_format(data, j);
    while (row_walk_next(&pass)) {
        for (size_t i = 0; i < pass.count; i++) {
            const double *row = pass.rows + i * d;
            const char *word = nicest_data_label_text(data, pass.first + i);
            TRY(plain ? put_numbers(text, row, d, separator)
                      : put_values_as_text(text, data, row, separator));
            if (labels != NULL) {
                TRY(put(text, &separator, 1));
                TRY(word != NULL ? put_name(text, word, separator)
                                 : put_numbers(text, labels + pass.first + i, 1, separator));
            }
            TRY(put(text, "\n", 1));
            if (text->size > CHUNK || i + 1 == pass.count) {
                TRY(file_writer_write(writer, text->data, text->size));
                text->size = 0;
            }
        }
    }
    return NICEST_OK;
}

/* ---------------------------------------------------------------- words as numbers */

/* [rows], to be freed; numbers stay as they are. For a format that has no words: 0 for the words
 * `normal` and `0`, which are normal where outliers are judged, and 1, 2, ... for others as they
 * appear. */
static nicest_status label_numbers(double **out, const nicest_data *data)
{
    size_t n = nicest_data_rows(data), codes = 0, others = 0;
    const double *labels = nicest_data_labels(data);
    for (size_t i = 0; i < n; i++)
        if (nicest_data_label_text(data, i) != NULL && labels[i] >= (double)codes)
            codes = (size_t)labels[i] + 1;
    OWNED double *numbers;
    TRY_COPY(numbers, labels, n);
    OWNED_NEW(size_t *, place, codes);
    for (size_t i = 0; i < n; i++) {
        const char *word = nicest_data_label_text(data, i);
        if (word == NULL)
            continue;
        size_t *mine = place + (size_t)labels[i];
        if (*mine == 0 && strcmp(word, "normal") != 0 && strcmp(word, "0") != 0)
            *mine = ++others;
        numbers[i] = (double)*mine;
    }
    *out = memory_take(&numbers);
    return NICEST_OK;
}

/* ---------------------------------------------------------------- NumPy */

/* All values in that type behind what the buffer holds. */
static nicest_status put_values(byte_buffer *out, const nicest_data *data, value_type type)
{
    OWNED_BY(row_walk_close) row_walk pass = {0};
    TRY(row_walk_begin(&pass, data, 0));
    size_t line = pass.columns * value_size(type);
    unsigned char *p = byte_buffer_take(out, nicest_data_rows(data) * line);
    TRY(check_memory(p));
    while (row_walk_next(&pass))
        value_store(type, pass.rows, pass.count * pass.columns, p + pass.first * line);
    return NICEST_OK;
}

/* Pictures keep their axes: [n, h, w] or [n, h, w, c]. */
static nicest_status put_npy_header(byte_buffer *out, const nicest_data *data, size_t rows)
{
    unsigned height, width, channels;
    size_t axes[4] = {rows, nicest_data_columns(data)}, count = 2;
    nicest_data_image(data, &height, &width, &channels);
    if (height > 0) {
        axes[1] = height;
        axes[2] = width;
        axes[3] = channels;
        count = channels > 1 ? 4 : 3;
    }
    return npy_header(out, source_type(data), axes, count);
}

static nicest_status save_npz(const nicest_data *data, const char *path)
{
    OWNED_BY(byte_buffer_close) byte_buffer values = {0}, labels = {0}, archive = {0};
    zip_member members[2] = {{"X.npy", &values}, {"label.npy", &labels}};
    size_t n = nicest_data_rows(data), count = nicest_data_labels(data) != NULL ? 2 : 1;
    TRY(put_npy_header(&values, data, n));
    TRY(put_values(&values, data, source_type(data)));
    if (count == 2) {
        OWNED double *numbers = NULL;
        TRY(label_numbers(&numbers, data));
        TRY(npy_header(&labels, VALUE_F64, &n, 1));
        TRY(put(&labels, numbers, n * sizeof *numbers));
    }
    TRY(zip_pack(&archive, members, count));
    return write_whole_file(path, &archive);
}

/* ---------------------------------------------------------------- IDX */

/* The digit in "-idx3-ubyte", or 0. */
static unsigned axes_of_idx(const char *path)
{
    for (unsigned axes = 1; axes <= 4; axes++) {
        char plain[16] = "idx0-ubyte", packed[16] = "idx0-ubyte.gz";
        plain[3] = packed[3] = (char)('0' + axes);
        if (file_has_ending(path, plain) || file_has_ending(path, packed))
            return axes;
    }
    return 0;
}

static bool is_byte(double value)
{
    return value >= 0 && value <= 255 && value == rint(value);
}

static nicest_status put_idx_header(byte_buffer *out, const size_t *size, unsigned axes)
{
    unsigned char header[20] = {0, 0, 8, (unsigned char)axes};
    for (unsigned i = 0; i < 4 * axes; i++)
        header[4 + i] = (unsigned char)(size[i / 4] >> (24 - 8 * (i % 4)));
    return put(out, header, 4 + 4 * axes);
}

/* Labels go to the file where idx_load looks for them, as far as bytes can hold them: as numbers.
 * Both results are NULL where there are none. A labels file that is there may only be replaced
 * together with its pictures. New pictures without labels would take it for theirs; new pictures
 * with labels would take it from others (from "x-images-idx3-ubyte.gz", say). */
static nicest_status find_labels_file(char **beside, double **numbers, const nicest_data *data,
                                      const char *path)
{
    OWNED char *name = NULL, *found = NULL;
    OWNED double *labels = NULL;
    *beside = NULL;
    *numbers = NULL;
    if (axes_of_idx(path) == 0)
        return NICEST_OK;
    bool bytes = nicest_data_labels(data) != NULL;
    if (bytes)
        TRY(label_numbers(&labels, data));
    for (size_t i = 0; bytes && i < nicest_data_rows(data); i++)
        bytes = is_byte(labels[i]);
    if (bytes)
        TRY(idx_labels_path(&name, path));
    TRY(idx_find_labels(&found, path));
    if (found != NULL && name == NULL)
        return fail(NICEST_E_ARGUMENT,
                    "%s: the rows have no labels that fit in bytes, and %s, which is there, would "
                    "be read as theirs; name another file",
                    path, found);
    if (found != NULL && strcmp(found, name) == 0 && !file_exists(path))
        return fail(NICEST_E_ARGUMENT,
                    "%s: its labels would overwrite %s, which is there without it; name another "
                    "file",
                    path, found);
    *beside = memory_take(&name);
    *numbers = memory_take(&labels);
    return NICEST_OK;
}

nicest_status nicest_data_labels_file(const nicest_data *data, const char *path, char *name,
                                      size_t size)
{
    OWNED char *beside = NULL;
    OWNED double *numbers = NULL;
    TRY(require(data && path && name && size > 0, "data, a path and room for a name are needed"));
    TRY(find_labels_file(&beside, &numbers, data, path));
    int length = snprintf(name, size, "%s", beside != NULL ? beside : "");
    if ((size_t)length >= size)
        return fail(NICEST_E_ARGUMENT,
                    "the labels file's name has %d characters, there is room for %zu", length,
                    size - 1);
    return NICEST_OK;
}

static nicest_status save_idx(const nicest_data *data, const char *path, unsigned axes)
{
    OWNED char *beside = NULL;
    OWNED double *labels = NULL;
    OWNED_BY(byte_buffer_close) byte_buffer bytes = {0}, label_bytes = {0};
    unsigned height, width, channels;
    size_t d = nicest_data_columns(data);
    nicest_data_image(data, &height, &width, &channels);
    size_t size[4] = {nicest_data_rows(data), axes > 2 ? height : d, width, channels};
    if ((axes == 1 && d != 1) || (axes > 2 && height == 0) || (axes == 3 && channels != 1))
        return fail(NICEST_E_MISMATCH, "%s: %zu columns (%ux%ux%u) do not fit %u axes", path, d,
                    height, width, channels, axes);
    if (size[0] > UINT32_MAX || size[1] > UINT32_MAX)
        return fail(NICEST_E_MISMATCH, "%s: an axis of IDX is at most 4294967295", path);
    if (source_type(data) != VALUE_U8) {
        OWNED_BY(row_walk_close) row_walk pass = {0};
        TRY(row_walk_begin(&pass, data, 0));
        while (row_walk_next(&pass))
            for (size_t i = 0; i < pass.count * pass.columns; i++)
                if (!is_byte(pass.rows[i]))
                    return fail(NICEST_E_DATA,
                                "%s: row %zu, column %s: %g is not a whole number from 0 to 255",
                                path, pass.first + i / pass.columns + 1,
                                nicest_data_column_name(data, i % pass.columns), pass.rows[i]);
    }
    TRY(find_labels_file(&beside, &labels, data, path));
    bool there = beside != NULL && file_exists(beside);
    TRY(put_idx_header(&bytes, size, axes));
    TRY(put_values(&bytes, data, VALUE_U8));
    if (beside != NULL) {
        TRY(put_idx_header(&label_bytes, size, 1));
        unsigned char *p = byte_buffer_take(&label_bytes, size[0]);
        TRY(check_memory(p));
        value_store(VALUE_U8, labels, size[0], p);
        TRY(write_whole_file(beside, &label_bytes));
    }
    nicest_status status = write_whole_file(path, &bytes);
    if (status != NICEST_OK && beside != NULL && !there)
        remove(beside); /* labels of pictures that are not there */
    return status;
}

/* ---------------------------------------------------------------- a grid of pictures */

/* Bytes are shown as they are, unless they are 0 and 1; other values from the least to the largest:
 * level = (value - low) * scale. */
static nicest_status choose_levels(const nicest_data *data, double *low, double *scale)
{
    double least = INFINITY, most = -(double)INFINITY;
    OWNED_BY(row_walk_close) row_walk pass = {0};
    TRY(row_walk_begin(&pass, data, 0));
    while (row_walk_next(&pass))
        for (size_t i = 0; i < pass.count * pass.columns; i++) {
            least = fmin(least, pass.rows[i]);
            most = fmax(most, pass.rows[i]);
        }
    bool fits = source_type(data) == VALUE_U8 && most > 1;
    bool spread = !fits && most > least && isfinite(most - least);
    *low = spread ? least : 0;
    *scale = spread ? 255 / (most - least) : 1;
    return NICEST_OK;
}

static nicest_status save_png(const nicest_data *data, const char *path)
{
    unsigned height, width, channels;
    size_t n = nicest_data_rows(data), across = (size_t)ceil(sqrt((double)n));
    nicest_data_image(data, &height, &width, &channels);
    if (height == 0 || n == 0)
        return fail(NICEST_E_MISMATCH, "%s: the %zu columns are no picture: say --image HxW[xC]",
                    path, nicest_data_columns(data));
    size_t down = (n + across - 1) / across, line = (size_t)width * channels;
    size_t across_pixels = across * ((size_t)width + GAP) - GAP;
    size_t down_pixels = down * ((size_t)height + GAP) - GAP;
    if (across_pixels > MOST_SIDE || down_pixels > MOST_SIDE)
        return fail(NICEST_E_MISMATCH, "%s: %zu pictures of %ux%u are too many for one grid", path,
                    n, height, width);
    OWNED_BY(nicest_image_free) nicest_image image = {0};
    OWNED_BY(row_walk_close) row_walk pass = {0};
    double low, scale;
    TRY(nicest_image_new(&image, (unsigned)across_pixels, (unsigned)down_pixels, channels));
    TRY(choose_levels(data, &low, &scale));
    TRY(row_walk_begin(&pass, data, 0));
    while (row_walk_next(&pass)) {
        for (size_t i = 0; i < pass.count * height; i++) {
            size_t number = pass.first + i / height;
            size_t top = number / across * (height + GAP) + i % height;
            size_t left = number % across * (width + GAP);
            unsigned char *to = image.pixels + (top * image.width + left) * channels;
            for (size_t x = 0; x < line; x++) {
                double level = (pass.rows[i * line + x] - low) * scale;
                to[x] = (unsigned char)(level >= 0 ? (level < 255 ? level + 0.5 : 255) : 0);
            }
        }
    }
    return nicest_image_write(&image, path);
}

/* ---------------------------------------------------------------- batches */

struct nicest_writer {
    const nicest_data *like;
    enum { AS_TEXT, AS_NPY, AT_THE_END } way;
    char separator;
    file_writer *file; /* of text and .npy */
    char *path;        /* of what is written at the end, from: */
    byte_buffer bytes; /* stored values; of the others what waits to be written */
    size_t said, rows; /* rows in the header of .npy that was written; so far */
    nicest_status broken;
};

void nicest_writer_abandon(nicest_writer *writer)
{
    if (writer == NULL)
        return;
    file_writer_abandon(writer->file);
    byte_buffer_close(&writer->bytes);
    memory_free(writer->path);
    memory_free(writer);
}

DEFINE_DROP(writer_drop, nicest_writer, nicest_writer_abandon)

static nicest_status choose_way(nicest_writer *w, const char *path)
{
    bool comma =
        strcmp(path, "-") == 0 || file_has_ending(path, ".csv") || file_has_ending(path, ".csv.gz");
    bool tab = file_has_ending(path, ".tsv") || file_has_ending(path, ".tsv.gz");
    w->separator = comma ? ',' : '\t';
    w->way = comma || tab ? AS_TEXT : file_has_ending(path, ".npy") ? AS_NPY : AT_THE_END;
    if (w->way != AT_THE_END || file_has_ending(path, ".npz") || file_has_ending(path, ".png") ||
        axes_of_idx(path) > 0)
        return NICEST_OK;
    return fail(NICEST_E_ARGUMENT,
                "%s: the name says no format: expected .csv, .tsv (also .gz), .npy, .npz, .png or "
                "-idxN-ubyte",
                path);
}

static nicest_status write_waiting(nicest_writer *w)
{
    w->broken = file_writer_write(w->file, w->bytes.data, w->bytes.size);
    w->bytes.size = 0;
    return w->broken;
}

/* For so many rows as are known to come. */
static nicest_status writer_open(nicest_writer **writer, const char *path, const nicest_data *like,
                                 size_t rows)
{
    OWNED_BY(writer_drop) nicest_writer *w = memory_new(1, sizeof *w);
    TRY(check_memory(w));
    w->like = like;
    w->said = rows;
    TRY(choose_way(w, path));
    if (w->way == AT_THE_END) {
        w->path = memory_text(path);
        TRY(check_memory(w->path));
    } else {
        TRY(open_output(&w->file, path));
        TRY(w->way == AS_TEXT ? put_header(&w->bytes, like, w->separator)
                              : put_npy_header(&w->bytes, like, rows));
        TRY(write_waiting(w));
    }
    *writer = memory_take(&w);
    return NICEST_OK;
}

nicest_status nicest_writer_open(nicest_writer **writer, const char *path, const nicest_data *like)
{
    TRY(require(writer && path && like, "a place, a path and data with its columns are needed"));
    return writer_open(writer, path, like, 0);
}

nicest_status nicest_writer_add(nicest_writer *writer, const nicest_data *data)
{
    TRY(require(writer && data, "a writer and rows are needed"));
    size_t d = nicest_data_columns(writer->like);
    if (nicest_data_columns(data) != d)
        return fail(NICEST_E_MISMATCH, "rows of %zu columns for a file of %zu",
                    nicest_data_columns(data), d);
    for (size_t j = 0; j < d; j++)
        if (nicest_data_column_kind(data, j) != nicest_data_column_kind(writer->like, j))
            return fail(NICEST_E_MISMATCH, "column %s is something else than it was",
                        nicest_data_column_name(writer->like, j));
    if (writer->way == AS_TEXT && !nicest_data_labels(data) != !nicest_data_labels(writer->like))
        return fail(NICEST_E_MISMATCH, "all rows of a file have labels, or none");
    writer->broken = writer->way == AS_TEXT
                         ? put_rows(&writer->bytes, data, writer->file, writer->separator)
                         : put_values(&writer->bytes, data, source_type(writer->like));
    if (writer->broken == NICEST_OK && writer->way == AS_NPY)
        TRY(write_waiting(writer));
    writer->rows += nicest_data_rows(data);
    return writer->broken;
}

nicest_status nicest_writer_close(nicest_writer *writer)
{
    OWNED_BY(writer_drop) nicest_writer *w = writer;
    TRY(require(w != NULL, "a writer is needed"));
    if (w->broken != NICEST_OK)
        return fail(w->broken, "an earlier write failed: the file is as it was");
    if (w->way == AT_THE_END) {
        /* What came, as data like that of the columns. */
        OWNED_BY(data_drop) nicest_data *data = NULL;
        size_t d = nicest_data_columns(w->like), size = value_size(source_type(w->like));
        nicest_view view = {.rows = w->rows,
                            .columns = d,
                            .type = value_name(source_type(w->like)),
                            .values = w->bytes.data,
                            .row_stride = d * size,
                            .column_stride = size};
        nicest_data_image(w->like, &view.height, &view.width, &view.channels);
        TRY(nicest_data_view(&data, &view));
        return nicest_data_save(data, w->path);
    }
    if (w->way == AS_NPY && w->rows != w->said) {
        TRY(put_npy_header(&w->bytes, w->like, w->rows));
        TRY(file_writer_begin_again(w->file, w->bytes.data, w->bytes.size));
    }
    return file_writer_commit(memory_take(&w->file));
}

/* ---------------------------------------------------------------- by name */

nicest_status nicest_data_save(const nicest_data *data, const char *path)
{
    OWNED_BY(writer_drop) nicest_writer *writer = NULL;
    TRY(require(data && path, "data and a path to write it to are needed"));
    unsigned axes = axes_of_idx(path);
    if (axes > 0)
        return save_idx(data, path, axes);
    if (file_has_ending(path, ".npz"))
        return save_npz(data, path);
    if (file_has_ending(path, ".png"))
        return save_png(data, path);
    TRY(writer_open(&writer, path, data, nicest_data_rows(data)));
    TRY(nicest_writer_add(writer, data));
    return nicest_writer_close(memory_take(&writer));
}
