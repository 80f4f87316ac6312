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

enum {
    CHUNK = 1 << 20,  /* bytes of text between two writes */
    VALUES = 1 << 16, /* numbers read at once */
    MOST_SIDE = 1 << 15,
    GAP = 1 /* pixels between pictures */
};

/* Whoever opens it must commit or abandon it; bytes are gzipped if the name says so. */
static nicest_status open_output(file_writer **writer, const char *path)
{
    TRY(file_writer_open(writer, path));
    nicest_status status = file_has_ending(path, ".gz") ? file_writer_gzip(*writer) : NICEST_OK;
    if (status != NICEST_OK)
        file_writer_abandon(*writer);
    return status;
}

static nicest_status write_whole_file(const char *path, const byte_buffer *bytes)
{
    file_writer *writer;
    TRY(open_output(&writer, path));
    (void)file_writer_write(writer, bytes->data, bytes->size); /* commit says when it failed */
    return file_writer_commit(writer);
}

/* Rows as doubles, some at a time. After pass_begin, until pass_next is false; memory_free(rows).
 */
typedef struct row_pass {
    const nicest_data *data;
    double *rows; /* [count, columns], from row `first` on */
    size_t first, count, columns, most;
} row_pass;

static nicest_status pass_begin(row_pass *p, const nicest_data *data)
{
    size_t d = nicest_data_columns(data), most = d < VALUES ? VALUES / d : 1;
    *p = (row_pass){.data = data, .columns = d, .most = most};
    TRY_NEW(p->rows, most * d);
    return NICEST_OK;
}

static bool pass_next(row_pass *p)
{
    size_t n = nicest_data_rows(p->data);
    p->first += p->count;
    p->count = n - p->first < p->most ? n - p->first : p->most;
    if (p->count > 0)
        source_read(p->data, p->first, p->count, p->rows);
    return p->count > 0;
}

/* ---------------------------------------------------------------- text */

static nicest_status put(byte_buffer *out, const void *text, size_t size)
{
    unsigned char *p = byte_buffer_take(out, size);
    if (p == NULL)
        return fail_memory();
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
    if (p == NULL)
        return fail_memory();
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
        char text[MOMENT_SIZE];
        size_t count;
        const char *const *words = nicest_data_column_words(data, j, &count);
        if (j > 0)
            TRY(put(out, &separator, 1));
        if (nicest_data_column_kind(data, j) == NICEST_NUMBER)
            TRY(put_numbers(out, row + j, 1, separator));
        else if (words != NULL && row[j] >= 0 && row[j] < (double)count)
            TRY(put_name(out, words[(size_t)row[j]], separator));
        else if (words != NULL || isnan(row[j]))
            TRY(put(out, hole, strlen(hole)));
        else if (moment_format_read(nicest_data_column_format(data, j), &format))
            TRY(put(out, text, moment_write(row[j], &format, text)));
    }
    return NICEST_OK;
}

/* All lines. A label is as the file said it: a word, or a number. */
static nicest_status put_rows(byte_buffer *text, row_pass *pass, file_writer *writer,
                              char separator)
{
    const nicest_data *data = pass->data;
    const double *labels = nicest_data_labels(data);
    size_t d = pass->columns;
    bool plain = true;
    for (size_t j = 0; j < d; j++)
        plain = plain && nicest_data_column_kind(data, j) == NICEST_NUMBER;
    TRY(put_header(text, data, separator));
    while (pass_next(pass)) {
        for (size_t i = 0; i < pass->count; i++) {
            const double *row = pass->rows + i * d;
            const char *word = nicest_data_label_text(data, pass->first + i);
            TRY(plain ? put_numbers(text, row, d, separator)
                      : put_values_as_text(text, data, row, separator));
            if (labels != NULL) {
                TRY(put(text, &separator, 1));
                TRY(word != NULL ? put_name(text, word, separator)
                                 : put_numbers(text, labels + pass->first + i, 1, separator));
            }
            TRY(put(text, "\n", 1));
            if (text->size > CHUNK || i + 1 == pass->count) {
                TRY(file_writer_write(writer, text->data, text->size));
                text->size = 0;
            }
        }
    }
    return file_writer_write(writer, text->data, text->size);
}

static nicest_status save_text(const nicest_data *data, const char *path, char separator)
{
    byte_buffer text = {0};
    row_pass pass;
    file_writer *writer = NULL;
    TRY(pass_begin(&pass, data));
    nicest_status status = open_output(&writer, path);
    if (status == NICEST_OK) {
        status = put_rows(&text, &pass, writer, separator);
        if (status == NICEST_OK)
            status = file_writer_commit(writer);
        else
            file_writer_abandon(writer);
    }
    memory_free(pass.rows);
    byte_buffer_close(&text);
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

/* All values in that type behind what the buffer holds. */
static nicest_status put_values(byte_buffer *out, const nicest_data *data, value_type type)
{
    row_pass pass;
    TRY(pass_begin(&pass, data));
    size_t line = pass.columns * value_size(type);
    unsigned char *p = byte_buffer_take(out, nicest_data_rows(data) * line);
    while (p != NULL && pass_next(&pass))
        value_store(type, pass.rows, pass.count * pass.columns, p + pass.first * line);
    memory_free(pass.rows);
    return p != NULL ? NICEST_OK : fail_memory();
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

static nicest_status save_npy(const nicest_data *data, const char *path)
{
    byte_buffer bytes = {0};
    nicest_status status = make_npy(&bytes, data);
    if (status == NICEST_OK)
        status = write_whole_file(path, &bytes);
    byte_buffer_close(&bytes);
    return status;
}

static nicest_status save_npz(const nicest_data *data, const char *path)
{
    byte_buffer values = {0}, labels = {0}, archive = {0};
    zip_member members[2] = {{"X.npy", &values}, {"label.npy", &labels}};
    size_t n = nicest_data_rows(data), count = nicest_data_labels(data) != NULL ? 2 : 1;
    double *numbers = NULL;
    nicest_status status;
    TRY_TO(make_npy(&values, data));
    if (count == 2) {
        TRY_TO(label_numbers(&numbers, data));
        TRY_TO(npy_header(&labels, VALUE_F64, &n, 1));
        TRY_TO(put(&labels, numbers, n * sizeof *numbers));
    }
    TRY_TO(zip_pack(&archive, members, count));
    status = write_whole_file(path, &archive);
done:
    memory_free(numbers);
    byte_buffer_close(&values);
    byte_buffer_close(&labels);
    byte_buffer_close(&archive);
    return status;
}

/* ---------------------------------------------------------------- IDX */

/* The digit in "-idx3-ubyte", or 0. */
static unsigned idx_axes(const char *path)
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

static nicest_status check_bytes(const nicest_data *data, const char *path)
{
    row_pass pass;
    nicest_status status = NICEST_OK;
    TRY(pass_begin(&pass, data));
    while (status == NICEST_OK && pass_next(&pass))
        for (size_t i = 0; i < pass.count * pass.columns && status == NICEST_OK; i++)
            if (!is_byte(pass.rows[i]))
                status = fail(NICEST_E_DATA,
                              "%s: row %zu, column %s: %g is not a whole number from 0 to 255",
                              path, pass.first + i / pass.columns + 1,
                              nicest_data_column_name(data, i % pass.columns), pass.rows[i]);
    memory_free(pass.rows);
    return status;
}

static nicest_status put_idx_header(byte_buffer *out, const size_t *size, unsigned axes)
{
    unsigned char header[20] = {0, 0, 8, (unsigned char)axes};
    for (unsigned i = 0; i < 4 * axes; i++)
        header[4 + i] = (unsigned char)(size[i / 4] >> (24 - 8 * (i % 4)));
    return put(out, header, 4 + 4 * axes);
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
    double *numbers = NULL;
    bool bytes = nicest_data_labels(data) != NULL;
    *beside = NULL;
    if (idx_axes(path) == 0)
        return NICEST_OK;
    if (bytes)
        TRY(label_numbers(&numbers, data));
    for (size_t i = 0; bytes && i < nicest_data_rows(data); i++)
        bytes = is_byte(numbers[i]);
    memory_free(numbers);
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
    int length = snprintf(name, size, "%s", beside != NULL ? beside : "");
    memory_free(beside);
    return (size_t)length < size
               ? NICEST_OK
               : fail(NICEST_E_ARGUMENT,
                      "the labels file's name has %d characters, there is room for %zu", length,
                      size - 1);
}

static nicest_status save_idx_labels(const nicest_data *data, const char *path)
{
    byte_buffer bytes = {0};
    double *numbers = NULL;
    size_t n = nicest_data_rows(data);
    TRY(label_numbers(&numbers, data));
    nicest_status status = put_idx_header(&bytes, &n, 1);
    unsigned char *p = status == NICEST_OK ? byte_buffer_take(&bytes, n) : NULL;
    if (p != NULL) {
        value_store(VALUE_U8, numbers, n, p);
        status = write_whole_file(path, &bytes);
    } else if (status == NICEST_OK) {
        status = fail_memory();
    }
    memory_free(numbers);
    byte_buffer_close(&bytes);
    return status;
}

static nicest_status save_idx(const nicest_data *data, const char *path, unsigned axes)
{
    char *beside = NULL;
    byte_buffer bytes = {0};
    unsigned height, width, channels;
    size_t d = nicest_data_columns(data);
    nicest_data_image(data, &height, &width, &channels);
    size_t size[4] = {nicest_data_rows(data), axes > 2 ? height : d, width, channels};
    if ((axes == 1 && d != 1) || (axes > 2 && height == 0) || (axes == 3 && channels != 1))
        return fail(NICEST_E_MISMATCH, "%s: %zu columns (%ux%ux%u) do not fit %u axes", path, d,
                    height, width, channels, axes);
    if (size[0] > UINT32_MAX || size[1] > UINT32_MAX)
        return fail(NICEST_E_MISMATCH, "%s: an axis of IDX is at most 4294967295", path);
    if (source_type(data) != VALUE_U8)
        TRY(check_bytes(data, path));
    TRY(find_labels_file(&beside, data, path));
    bool there = beside != NULL && file_exists(beside);
    nicest_status status;
    TRY_TO(put_idx_header(&bytes, size, axes));
    TRY_TO(put_values(&bytes, data, VALUE_U8));
    if (beside != NULL)
        TRY_TO(save_idx_labels(data, beside));
    status = write_whole_file(path, &bytes);
    if (status != NICEST_OK && beside != NULL && !there)
        remove(beside); /* labels of pictures that are not there */
done:
    memory_free(beside);
    byte_buffer_close(&bytes);
    return status;
}

/* ---------------------------------------------------------------- a grid of pictures */

/* Bytes are shown as they are, unless they are 0 and 1; other values from the least to the largest:
 * level = (value - low) * scale. */
static void choose_levels(row_pass *pass, double *low, double *scale)
{
    double least = INFINITY, most = -(double)INFINITY;
    while (pass_next(pass)) {
        for (size_t i = 0; i < pass->count * pass->columns; i++) {
            least = fmin(least, pass->rows[i]);
            most = fmax(most, pass->rows[i]);
        }
    }
    pass->first = pass->count = 0;
    bool fits = source_type(pass->data) == VALUE_U8 && most > 1;
    bool spread = !fits && most > least && isfinite(most - least);
    *low = spread ? least : 0;
    *scale = spread ? 255 / (most - least) : 1;
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
    nicest_image image;
    row_pass pass;
    double low, scale;
    TRY(nicest_image_new(&image, (unsigned)across_pixels, (unsigned)down_pixels, channels));
    nicest_status status = pass_begin(&pass, data);
    if (status == NICEST_OK)
        choose_levels(&pass, &low, &scale);
    while (status == NICEST_OK && pass_next(&pass)) {
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
    if (status == NICEST_OK)
        status = nicest_image_write(&image, path);
    memory_free(pass.rows);
    nicest_image_free(&image);
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
    if (strcmp(path, "-") == 0 || file_has_ending(path, ".csv") || file_has_ending(path, ".csv.gz"))
        return save_text(data, path, ',');
    if (file_has_ending(path, ".tsv") || file_has_ending(path, ".tsv.gz"))
        return save_text(data, path, '\t');
    if (file_has_ending(path, ".npy"))
        return save_npy(data, path);
    if (file_has_ending(path, ".npz"))
        return save_npz(data, path);
    if (file_has_ending(path, ".png"))
        return save_png(data, path);
    return fail(NICEST_E_ARGUMENT,
                "%s: the name says no format: expected .csv, .tsv (also .gz), .npy, "
                ".npz, .png or -idxN-ubyte",
                path);
}
