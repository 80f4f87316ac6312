/* source.c - rows, wherever they lie.
 *
 * Owns nicest_data: shared values with a count of owners, and what is a handle's own: which rows,
 * and their labels. Conversion to double is one loop for each stored type, run-wise where a row's
 * values are neighbours. Does not know where the values came from. */
#include "data/source.h"

#include <assert.h>
#include <math.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "base/clones.h"
#include "base/memory.h"
#include "base/status.h"
#include "data/moment.h"

/* What handles share; read-only after it is made. */
typedef struct source_body {
    atomic_size_t owners;
    source_table table; /* extras, labels are empty */
    bool named;
    bool dense; /* a row's values are neighbours */
} source_body;

struct nicest_data {
    source_body *body;
    size_t rows, first;
    size_t *index; /* row i is row index[i] of the body, or first + i where NULL */
    char *note;    /* or NULL */
    unsigned image[3];
    double *labels;  /* [rows] or NULL */
    double *weights; /* likewise */
};

/* ---------------------------------------------------------------- stored types */

/* One function for each type: n values `stride` bytes apart into out[0], out[out_stride], ... The
 * case of neighbours stands by itself, because the compiler makes vectors of it. */
#define DEFINE_WIDEN(name, type)                                                                   \
    VECTOR_CLONES static void name(const unsigned char *from, size_t stride, size_t n,             \
                                   double *out, size_t out_stride)                                 \
    {                                                                                              \
        type value;                                                                                \
        if (stride == sizeof value && out_stride == 1) {                                           \
            for (size_t i = 0; i < n; i++) {                                                       \
                memcpy(&value, from + i * sizeof value, sizeof value);                             \
                out[i] = (double)value;                                                            \
            }                                                                                      \
            return;                                                                                \
        }                                                                                          \
        for (size_t i = 0; i < n; i++) {                                                           \
            memcpy(&value, from + i * stride, sizeof value);                                       \
            out[i * out_stride] = (double)value;                                                   \
        }                                                                                          \
    }

DEFINE_WIDEN(widen_u8, uint8_t)
DEFINE_WIDEN(widen_i8, int8_t)
DEFINE_WIDEN(widen_u16, uint16_t)
DEFINE_WIDEN(widen_i16, int16_t)
DEFINE_WIDEN(widen_u32, uint32_t)
DEFINE_WIDEN(widen_i32, int32_t)
DEFINE_WIDEN(widen_u64, uint64_t)
DEFINE_WIDEN(widen_i64, int64_t)
DEFINE_WIDEN(widen_f32, float)
DEFINE_WIDEN(widen_f64, double)

/* Rounded to nearest (ties to even), clamped to least .. most; `top` is the first double too large.
 */
#define DEFINE_STORE(name, type, least, most, top)                                                 \
    static void name(const double *values, size_t n, unsigned char *out)                           \
    {                                                                                              \
        for (size_t i = 0; i < n; i++) {                                                           \
            double rounded = rint(values[i]);                                                      \
            type value = (type)0;                                                                  \
            if (rounded >= (top))                                                                  \
                value = (most);                                                                    \
            else if (rounded <= (double)(least))                                                   \
                value = (least);                                                                   \
            else if (rounded == rounded)                                                           \
                value = (type)rounded;                                                             \
            memcpy(out + i * sizeof value, &value, sizeof value);                                  \
        }                                                                                          \
    }

DEFINE_STORE(store_u8, uint8_t, 0, UINT8_MAX, 256.0)
DEFINE_STORE(store_i8, int8_t, INT8_MIN, INT8_MAX, 128.0)
DEFINE_STORE(store_u16, uint16_t, 0, UINT16_MAX, 65536.0)
DEFINE_STORE(store_i16, int16_t, INT16_MIN, INT16_MAX, 32768.0)
DEFINE_STORE(store_u32, uint32_t, 0, UINT32_MAX, 0x1p32)
DEFINE_STORE(store_i32, int32_t, INT32_MIN, INT32_MAX, 0x1p31)
DEFINE_STORE(store_u64, uint64_t, 0, UINT64_MAX, 0x1p64)
DEFINE_STORE(store_i64, int64_t, INT64_MIN, INT64_MAX, 0x1p63)

static void store_f32(const double *values, size_t n, unsigned char *out)
{
    for (size_t i = 0; i < n; i++) {
        float value = (float)values[i];
        memcpy(out + i * sizeof value, &value, sizeof value);
    }
}

static void store_f64(const double *values, size_t n, unsigned char *out)
{
    memcpy(out, values, n * sizeof *values);
}

typedef struct value_kind {
    const char *name;
    size_t size;
    bool integer;
    void (*widen)(const unsigned char *from, size_t stride, size_t n, double *out,
                  size_t out_stride);
    void (*store)(const double *values, size_t n, unsigned char *out);
} value_kind;

static const value_kind KINDS[VALUE_TYPES] = {
    [VALUE_U8] = {"uint8", 1, true, widen_u8, store_u8},
    [VALUE_I8] = {"int8", 1, true, widen_i8, store_i8},
    [VALUE_U16] = {"uint16", 2, true, widen_u16, store_u16},
    [VALUE_I16] = {"int16", 2, true, widen_i16, store_i16},
    [VALUE_U32] = {"uint32", 4, true, widen_u32, store_u32},
    [VALUE_I32] = {"int32", 4, true, widen_i32, store_i32},
    [VALUE_U64] = {"uint64", 8, true, widen_u64, store_u64},
    [VALUE_I64] = {"int64", 8, true, widen_i64, store_i64},
    [VALUE_F32] = {"float32", 4, false, widen_f32, store_f32},
    [VALUE_F64] = {"float64", 8, false, widen_f64, store_f64},
};

size_t value_size(value_type type)
{
    assert(type < VALUE_TYPES);
    return KINDS[type].size;
}

const char *value_name(value_type type)
{
    return KINDS[type].name;
}

bool value_is_integer(value_type type)
{
    return KINDS[type].integer;
}

void value_store(value_type type, const double *values, size_t count, unsigned char *out)
{
    assert(type < VALUE_TYPES);
    KINDS[type].store(values, count, out);
}

/* ---------------------------------------------------------------- tables */

void source_texts_free(char **texts, size_t count)
{
    for (size_t i = 0; texts != NULL && i < count; i++)
        memory_free(texts[i]);
    memory_free(texts);
}

static void extras_close(source_table *table)
{
    for (size_t i = 0; i < table->extra_count; i++) {
        memory_free(table->extras[i].name);
        memory_free(table->extras[i].values);
        source_texts_free(table->extras[i].texts, table->extras[i].text_count);
        memory_free(table->extras[i].reason);
    }
    memory_drop(&table->extras);
    table->extra_count = 0;
}

void source_table_close(source_table *table)
{
    extras_close(table);
    source_texts_free(table->names, table->columns);
    memory_free(table->offsets);
    memory_free(table->labels);
    source_texts_free(table->label_texts, table->label_text_count);
    kinds_free(table->kinds, table->columns);
    source_texts_free(table->left, table->left_count);
    memory_free(table->note);
    memory_free(table->block);
    file_release(&table->bytes);
    if (table->release != NULL)
        table->release(table->context);
    *table = (source_table){0};
}

static size_t column_offset(const source_table *t, size_t column)
{
    return t->offsets != NULL ? t->offsets[column] : column * t->column_stride;
}

void source_table_column(const source_table *table, size_t column, double *out)
{
    assert(column < table->columns);
    KINDS[table->type].widen(table->values + column_offset(table, column), table->row_stride,
                             table->rows, out, 1);
}

nicest_status source_from_table(nicest_data **out, source_table *table)
{
    OWNED_BY(source_table_close) source_table t = *table;
    OWNED nicest_data *data = memory_new(1, sizeof *data);
    OWNED source_body *body = memory_new(1, sizeof *body);
    *table = (source_table){0};
    TRY(check_memory(data && body));
    body->named = t.names != NULL && t.columns > 0 && t.names[0] != NULL;
    if (t.names == NULL)
        TRY_NEW(t.names, t.columns);
    for (size_t j = 0; j < t.columns; j++) { /* names for columns that have none */
        t.names[j] = t.names[j] != NULL ? t.names[j] : memory_text(kinds_made_name(j).text);
        TRY(check_memory(t.names[j]));
    }
    data->labels = memory_take(&t.labels);
    data->note = memory_take(&t.note);
    data->image[0] = t.height;
    data->image[1] = t.width;
    data->image[2] = t.channels;
    data->rows = t.rows;
    extras_close(&t);
    body->table = t;
    size_t size = value_size(t.type);
    body->dense = t.offsets != NULL || t.column_stride == size || t.columns == 1;
    for (size_t j = 0; t.offsets != NULL && j < t.columns; j++)
        body->dense = body->dense && t.offsets[j] == t.offsets[0] + j * size;
    t = (source_table){0};
    atomic_init(&body->owners, 1);
    data->body = memory_take(&body);
    *out = memory_take(&data);
    return NICEST_OK;
}

/* ---------------------------------------------------------------- reading */

static void read_body_row(const source_body *body, size_t row, double *out)
{
    const source_table *t = &body->table;
    const unsigned char *from = t->values + row * t->row_stride;
    if (body->dense) {
        size_t size = value_size(t->type);
        KINDS[t->type].widen(from + column_offset(t, 0), size, t->columns, out, 1);
        return;
    }
    if (t->offsets == NULL) {
        KINDS[t->type].widen(from, t->column_stride, t->columns, out, 1);
        return;
    }
    for (size_t j = 0; j < t->columns; j++)
        KINDS[t->type].widen(from + t->offsets[j], 0, 1, out + j, 1);
}

static size_t body_row(const nicest_data *data, size_t row)
{
    assert(row < data->rows);
    return data->index != NULL ? data->index[row] : data->first + row;
}

void source_read(const nicest_data *data, size_t first, size_t count, double *out)
{
    assert(first <= data->rows && count <= data->rows - first);
    const source_body *body = data->body;
    const source_table *t = &body->table;
    if (data->index == NULL && !body->dense) { /* by columns: so Fortran arrays lie */
        const unsigned char *from = t->values + (data->first + first) * t->row_stride;
        for (size_t j = 0; j < t->columns; j++)
            KINDS[t->type].widen(from + column_offset(t, j), t->row_stride, count, out + j,
                                 t->columns);
        return;
    }
    if (data->index == NULL && t->row_stride == t->columns * value_size(t->type)) {
        const unsigned char *from = t->values + (data->first + first) * t->row_stride;
        KINDS[t->type].widen(from + column_offset(t, 0), value_size(t->type), count * t->columns,
                             out, 1);
        return;
    }
    for (size_t i = 0; i < count; i++)
        read_body_row(body, body_row(data, first + i), out + i * t->columns);
}

void source_gather(const nicest_data *data, const size_t *index, size_t count, double *out)
{
    for (size_t i = 0; i < count; i++)
        read_body_row(data->body, body_row(data, index[i]), out + i * data->body->table.columns);
}

nicest_status row_walk_begin(row_walk *w, const nicest_data *data, size_t most)
{
    enum { QUICK = 1 << 16 }; /* numbers */
    size_t d = nicest_data_columns(data);
    *w = (row_walk){.data = data, .columns = d, .most = most ? most : d < QUICK ? QUICK / d : 1};
    TRY_NEW(w->rows, w->most * d);
    return NICEST_OK;
}

bool row_walk_next(row_walk *w)
{
    size_t n = nicest_data_rows(w->data);
    w->first += w->count;
    w->count = n - w->first < w->most ? n - w->first : w->most;
    if (w->count > 0)
        source_read(w->data, w->first, w->count, w->rows);
    return w->count > 0;
}

void row_walk_close(row_walk *w)
{
    memory_free(w->rows);
}

nicest_status nicest_data_read(const nicest_data *data, size_t first, size_t count, double *out)
{
    TRY(require(data && (out || count == 0), "data and a place for its rows are needed"));
    if (first > data->rows || count > data->rows - first)
        return fail(NICEST_E_ARGUMENT, "rows %zu to %zu were asked of data with %zu rows", first,
                    first + count, data->rows);
    source_read(data, first, count, out);
    return NICEST_OK;
}

/* ---------------------------------------------------------------- questions */

size_t nicest_data_rows(const nicest_data *data)
{
    return data != NULL ? data->rows : 0;
}

size_t nicest_data_columns(const nicest_data *data)
{
    return data != NULL ? data->body->table.columns : 0;
}

const char *nicest_data_column_name(const nicest_data *data, size_t column)
{
    return column < nicest_data_columns(data) ? data->body->table.names[column] : NULL;
}

static const column_kind *kind_of(const nicest_data *data, size_t column)
{
    static const column_kind plain = {NICEST_NUMBER, -1, NULL, NULL, 0};
    bool known = column < nicest_data_columns(data) && data->body->table.kinds != NULL;
    return known ? &data->body->table.kinds[column] : &plain;
}

nicest_column_kind nicest_data_column_kind(const nicest_data *data, size_t column)
{
    return kind_of(data, column)->kind;
}

const char *const *nicest_data_column_words(const nicest_data *data, size_t column, size_t *count)
{
    if (count != NULL)
        *count = kind_of(data, column)->word_count;
    return (const char *const *)kind_of(data, column)->words;
}

const char *nicest_data_column_format(const nicest_data *data, size_t column)
{
    return kind_of(data, column)->format;
}

int nicest_data_column_decimals(const nicest_data *data, size_t column)
{
    return kind_of(data, column)->decimals;
}

const char *nicest_data_kind(const nicest_data *data)
{
    return data != NULL ? data->body->table.kind : NULL;
}

const char *nicest_data_type(const nicest_data *data)
{
    return data != NULL ? value_name(data->body->table.type) : NULL;
}

value_type source_type(const nicest_data *data)
{
    return data->body->table.type;
}

void nicest_data_image(const nicest_data *data, unsigned *height, unsigned *width,
                       unsigned *channels)
{
    if (height != NULL)
        *height = data != NULL ? data->image[0] : 0;
    if (width != NULL)
        *width = data != NULL ? data->image[1] : 0;
    if (channels != NULL)
        *channels = data != NULL ? data->image[2] : 0;
}

const char *nicest_data_note(const nicest_data *data)
{
    return data != NULL ? data->note : NULL;
}

const double *nicest_data_labels(const nicest_data *data)
{
    return data != NULL ? data->labels : NULL;
}

const double *nicest_data_weights(const nicest_data *data)
{
    return data != NULL ? data->weights : NULL;
}

const char *nicest_data_label_text(const nicest_data *data, size_t row)
{
    if (row >= nicest_data_rows(data) || data->labels == NULL)
        return NULL;
    const source_table *t = &data->body->table;
    double label = data->labels[row];
    bool known = label >= 0 && label < (double)t->label_text_count;
    return known ? t->label_texts[(size_t)label] : NULL;
}

/* ---------------------------------------------------------------- making and ending */

void nicest_data_free(nicest_data *data)
{
    if (data == NULL)
        return;
    if (atomic_fetch_sub(&data->body->owners, 1) == 1) {
        source_table_close(&data->body->table);
        memory_free(data->body);
    }
    memory_free(data->index);
    memory_free(data->note);
    memory_free(data->labels);
    memory_free(data->weights);
    memory_free(data);
}

static nicest_status check_size(size_t n, size_t d, size_t size)
{
    TRY(require(d > 0, "data needs at least one column"));
    if (n > SIZE_MAX / 2 / d / size)
        return fail(NICEST_E_ARGUMENT, "%zu rows of %zu columns are more than memory can hold", n,
                    d);
    return NICEST_OK;
}

/* Row-major rows of a block of their own. */
static void shape_block(source_table *t, value_type type, size_t rows, size_t columns)
{
    t->type = type;
    t->rows = rows;
    t->columns = columns;
    t->column_stride = value_size(type);
    t->row_stride = columns * t->column_stride;
    t->values = t->block;
}

nicest_status source_texts_copy(char ***copies, const char *const *texts, size_t count)
{
    *copies = NULL;
    if (texts == NULL)
        return NICEST_OK;
    TRY_NEW(*copies, count);
    for (size_t i = 0; i < count; i++) {
        (*copies)[i] = memory_text(texts[i]);
        if ((*copies)[i] == NULL && texts[i] != NULL)
            return fail_memory();
    }
    return NICEST_OK;
}

nicest_status nicest_data_new(nicest_data **data, const double *values, size_t n, size_t d,
                              const char *const *names)
{
    TRY(require(data && (values || n == 0), "values and a place for the data are needed"));
    TRY(check_size(n, d, sizeof *values));
    double none = 0, *block = memory_copy(values != NULL ? values : &none, n * d, sizeof *block);
    TRY(check_memory(block));
    return source_make(data, &(source_made){n, d, .block = block, .names = names});
}

static nicest_status fill_kinds(source_table *t, const nicest_column *given)
{
    TRY_NEW(t->kinds, t->columns);
    for (size_t j = 0; j < t->columns; j++) {
        const nicest_column *g = &given[j];
        moment_format format;
        column_kind kind = {g->kind, -1, NULL, NULL, 0};
        if (g->kind == NICEST_CATEGORY) {
            /* Words in order, and of every value one of them. */
            double most = (double)g->word_count;
            for (size_t i = 0; i < g->word_count; i++)
                if (!g->words || !g->words[i] ||
                    (i > 0 && strcmp(g->words[i - 1], g->words[i]) >= 0))
                    return fail(NICEST_E_ARGUMENT, "view: the words of column %zu are not in order",
                                j + 1);
            OWNED_NEW(double *, values, t->rows);
            source_table_column(t, j, values);
            for (size_t i = 0; i < t->rows; i++)
                if (!isnan(values[i]) &&
                    !(values[i] >= 0 && values[i] <= most && values[i] == floor(values[i])))
                    return fail(NICEST_E_ARGUMENT,
                                "view: row %zu, column %zu: is no place of a word", i + 1, j + 1);
            kind.words = (char **)(uintptr_t)g->words;
            kind.word_count = g->word_count;
        } else if (g->kind == NICEST_TIME) {
            if (g->format == NULL || !moment_format_read(g->format, &format))
                return fail(NICEST_E_ARGUMENT,
                            "view: column %zu: a time without a format that is one", j + 1);
            kind.format = (char *)(uintptr_t)g->format;
        } else if (g->kind != NICEST_NUMBER) {
            return fail(NICEST_E_ARGUMENT, "view: column %zu: %d is no kind", j + 1, (int)g->kind);
        }
        TRY(kinds_copy_one(&t->kinds[j], &kind));
    }
    return NICEST_OK;
}

static nicest_status fill_view(source_table *t, const nicest_view *view)
{
    t->values = view->values;
    if (view->column != NULL) {
        /* Columns wherever they lie, as distances from the lowest of them. */
        uintptr_t lowest = UINTPTR_MAX;
        TRY_NEW(t->offsets, view->columns);
        for (size_t j = 0; j < view->columns; j++) {
            uintptr_t at = (uintptr_t)view->column[j];
            if (at == 0 && view->rows > 0)
                return fail(NICEST_E_ARGUMENT, "view: column %zu is NULL", j + 1);
            if (at < lowest) {
                lowest = at;
                t->values = view->column[j];
            }
        }
        for (size_t j = 0; j < view->columns; j++)
            t->offsets[j] = (size_t)((uintptr_t)view->column[j] - lowest);
    }
    TRY(source_texts_copy(&t->names, view->names, view->columns));
    if (view->kinds != NULL)
        TRY(fill_kinds(t, view->kinds));
    TRY_COPY(t->labels, view->labels, view->rows);
    return NICEST_OK;
}

nicest_status nicest_data_view(nicest_data **data, const nicest_view *view)
{
    value_type type = VALUE_U8;
    TRY(require(data && view && view->type,
                "a view with a type and a place for the data are needed"));
    while (type < VALUE_TYPES && strcmp(view->type, KINDS[type].name) != 0)
        type++;
    if (type == VALUE_TYPES)
        return fail(NICEST_E_ARGUMENT,
                    "view: the type is none of uint8 to int64, float32, float64");
    TRY(check_size(view->rows, view->columns, value_size(type)));
    if (view->values == NULL && view->column == NULL && view->rows > 0)
        return fail(NICEST_E_ARGUMENT, "view: values or columns are needed");
    double pixels = (double)view->height * view->width * view->channels;
    if ((view->height | view->width | view->channels) && pixels != (double)view->columns)
        return fail(NICEST_E_ARGUMENT, "view: a picture of %ux%ux%u is not %zu columns",
                    view->height, view->width, view->channels, view->columns);
    OWNED_BY(source_table_close)
    source_table table = {.kind = "memory",
                          .type = type,
                          .rows = view->rows,
                          .columns = view->columns,
                          .row_stride = view->row_stride,
                          .column_stride = view->column_stride,
                          .height = view->height,
                          .width = view->width,
                          .channels = view->channels};
    TRY(fill_view(&table, view));
    TRY(source_from_table(data, &table));
    /* not before: on failure the values stay the caller's */
    (*data)->body->table.release = view->release;
    (*data)->body->table.context = view->context;
    return NICEST_OK;
}

/* Another handle on the values of data, without rows or labels yet. */
static nicest_status new_handle(nicest_data **out, const nicest_data *data)
{
    nicest_data *made;
    TRY_NEW(made, 1);
    made->body = data->body;
    memcpy(made->image, data->image, sizeof made->image);
    atomic_fetch_add(&made->body->owners, 1);
    *out = made;
    return NICEST_OK;
}

nicest_status nicest_data_select(nicest_data **out, const nicest_data *data, const size_t *index,
                                 size_t count)
{
    TRY(require(out && data && (index || count == 0),
                "data, row numbers and a place for the result are needed"));
    for (size_t i = 0; i < count; i++)
        if (index[i] >= data->rows)
            return fail(NICEST_E_ARGUMENT, "row %zu was asked of data with %zu rows", index[i],
                        data->rows);
    OWNED_BY(data_drop) nicest_data *made = NULL;
    TRY(new_handle(&made, data));
    made->rows = count;
    TRY_NEW(made->index, count);
    if (data->labels != NULL)
        TRY_NEW(made->labels, count);
    if (data->weights != NULL)
        TRY_NEW(made->weights, count);
    for (size_t i = 0; i < count; i++) {
        made->index[i] = body_row(data, index[i]);
        if (made->labels != NULL)
            made->labels[i] = data->labels[index[i]];
        if (made->weights != NULL)
            made->weights[i] = data->weights[index[i]];
    }
    *out = memory_take(&made);
    return NICEST_OK;
}

static nicest_status copy_kinds(source_table *t, const column_kind *kinds)
{
    if (kinds == NULL)
        return NICEST_OK;
    TRY_NEW(t->kinds, t->columns);
    for (size_t j = 0; j < t->columns; j++)
        TRY(kinds_copy_one(&t->kinds[j], &kinds[j]));
    return NICEST_OK;
}

static nicest_status copy_labels(source_table *t, const nicest_data *data)
{
    const source_table *old = &data->body->table;
    if (data->labels == NULL)
        return NICEST_OK;
    TRY_COPY(t->labels, data->labels, t->rows);
    t->label_text_count = old->label_text_count;
    return source_texts_copy(&t->label_texts, (const char *const *)old->label_texts,
                             old->label_text_count);
}

nicest_status source_weigh(nicest_data *data, const double *weights)
{
    memory_drop(&data->weights);
    TRY_COPY(data->weights, weights, data->rows);
    return NICEST_OK;
}

nicest_status source_take_weights(nicest_data *data, const char *name, const char *place,
                                  bool beside)
{
    source_table *t = &data->body->table;
    size_t d = t->columns, last = d - 1;
    if (beside && strcmp(nicest_data_column_name(data, last), name) != 0)
        return NICEST_OK;
    double sum = 0;
    OWNED_NEW(double *, row, d);
    TRY_NEW(data->weights, data->rows);
    for (size_t i = 0; i < data->rows; i++) {
        source_read(data, i, 1, row);
        data->weights[i] = row[last];
        sum += row[last];
        if (!(row[last] >= 0) || isinf(row[last]) || kind_of(data, last)->words != NULL)
            return fail(NICEST_E_DATA, "%s: row %zu: --weights %s: expected a number from 0 on",
                        place, i + 1, name);
    }
    if (!(sum > 0))
        return fail(NICEST_E_DATA, "%s: --weights %s: no row has a weight", place, name);
    if (t->names != NULL)
        memory_free(t->names[last]);
    if (t->kinds != NULL) {
        memory_free(t->kinds[last].format);
        memory_free(t->kinds[last].words);
    }
    t->columns = last;
    return NICEST_OK;
}

nicest_status source_make(nicest_data **out, const source_made *made)
{
    assert(made->block != NULL);
    size_t n = made->rows, d = made->columns;
    const nicest_data *like = made->like;
    const unsigned *image = made->image != NULL ? made->image : (const unsigned[3]){0};
    OWNED_BY(source_table_close)
    source_table t = {.kind = like != NULL ? like->body->table.kind : "memory",
                      .block = made->block,
                      .height = image[0],
                      .width = image[1],
                      .channels = image[2]};
    OWNED double *weights = NULL;
    TRY(check_size(n, d, sizeof *made->block));
    shape_block(&t, VALUE_F64, n, d);
    TRY(source_texts_copy(&t.names, made->names, d));
    TRY(copy_kinds(&t, made->kinds));
    if (like != NULL) {
        TRY(copy_labels(&t, like));
        TRY_COPY(weights, like->weights, n);
    }
    TRY(source_from_table(out, &t));
    (*out)->weights = memory_take(&weights);
    return NICEST_OK;
}

nicest_status source_share(nicest_data **out, const nicest_data *data, const unsigned image[3])
{
    OWNED_BY(data_drop) nicest_data *made = NULL;
    TRY(new_handle(&made, data));
    made->rows = data->rows;
    made->first = data->first;
    memcpy(made->image, image, sizeof made->image);
    TRY_COPY(made->index, data->index, data->rows);
    TRY_COPY(made->labels, data->labels, data->rows);
    TRY_COPY(made->weights, data->weights, data->rows);
    *out = memory_take(&made);
    return NICEST_OK;
}

const column_kind *source_kind(const nicest_data *data, size_t column)
{
    return kind_of(data, column);
}

char *const *source_left(const nicest_data *data, size_t *count)
{
    *count = data->body->table.left_count;
    return data->body->table.left;
}

void source_take_note(nicest_data *data, char *note)
{
    memory_free(data->note);
    data->note = note;
}

nicest_status nicest_data_replace(nicest_data **out, const nicest_data *data, const double *values)
{
    TRY(require(out && data && (values || data->rows == 0),
                "data, values and a place for the result are needed"));
    const source_table *old = &data->body->table;
    size_t n = data->rows, d = old->columns;
    for (size_t i = 0; value_is_integer(old->type) && i < n * d; i++)
        if (isnan(values[i])) /* integers cannot say "missing" */
            return fail(NICEST_E_DATA, "row %zu, column %s: NaN cannot be stored as %s", i / d + 1,
                        nicest_data_column_name(data, i % d), nicest_data_type(data));
    OWNED_BY(source_table_close)
    source_table t = {.kind = old->kind,
                      .block = memory_new(n * d, value_size(old->type)),
                      .height = data->image[0],
                      .width = data->image[1],
                      .channels = data->image[2]};
    TRY(check_memory(t.block));
    shape_block(&t, old->type, n, d);
    value_store(t.type, values, n * d, t.block);
    if (data->body->named)
        TRY(source_texts_copy(&t.names, (const char *const *)old->names, d));
    TRY(copy_kinds(&t, old->kinds));
    TRY(copy_labels(&t, data));
    return source_from_table(out, &t);
}
