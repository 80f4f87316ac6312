/* npy.c - NumPy's files: .npy (one array) and .npz (a zip of them).
 *
 * Owns libzip and the small language of the header. An array stays in the loaded file in its own
 * order of axes; other orders of bytes and half floats are converted into a block. A member of a
 * zip is inflated to exactly the size that it claims, which may be at most 1100 times its packed
 * size and 16 GiB; packed sizes together may not be more than the file, so members that lie on each
 * other add nothing. */
#include "data/npy.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#ifndef NICEST_NO_ZIP
#include <zip.h>
#endif

#include "base/memory.h"
#include "base/number.h"
#include "base/status.h"
#include "data/formats.h"
#include "data/shape.h"
#include "data/text_column.h"

enum {
    MOST_HEADER = 1 << 16,
    MOST_RATIO = 1100, /* deflate cannot exceed 1032 */
    MOST_MEMBERS = 4096,
    MOST_WORD = 1 << 16
};

#ifndef NICEST_NO_ZIP
static const uint64_t MOST_MEMBER = (uint64_t)16 << 30;
#endif
static const char MAGIC[] = "\x93NUMPY";

/* An array as its header describes it. */
typedef struct npy_array {
    value_type type;
    char text; /* 'U' (UTF-32), 'S' (bytes): words of file_value bytes; else 0 */
    bool half; /* 2-byte floats, stored as VALUE_F32 once they are converted */
    bool swap; /* bytes in the other order */
    bool fortran;
    size_t file_value; /* bytes of a value in the file */
    shape shape;
    size_t start; /* of the values, from the file's first byte */
} npy_array;

/* ---------------------------------------------------------------- the header */

/* The place behind `'key':` in the header's dictionary, or NULL. */
static const char *find_key(const char *header, const char *key)
{
    size_t size = strlen(key);
    for (const char *p = header; (p = strstr(p, key)) != NULL; p += size) {
        bool quoted = p > header && (p[-1] == '\'' || p[-1] == '"') && p[size] == p[-1];
        const char *colon = p + size + 1;
        while (quoted && *colon == ' ')
            colon++;
        if (quoted && *colon == ':') {
            for (colon++; *colon == ' ';)
                colon++;
            return colon;
        }
    }
    return NULL;
}

static bool find_npy_type(char kind, char size, value_type *type)
{
    static const struct {
        char kind, size;
        value_type type;
    } CODES[] = {{'u', '1', VALUE_U8},  {'b', '1', VALUE_U8},  {'i', '1', VALUE_I8},
                 {'u', '2', VALUE_U16}, {'i', '2', VALUE_I16}, {'u', '4', VALUE_U32},
                 {'i', '4', VALUE_I32}, {'u', '8', VALUE_U64}, {'i', '8', VALUE_I64},
                 {'f', '2', VALUE_F32}, {'f', '4', VALUE_F32}, {'f', '8', VALUE_F64}};
    for (size_t i = 0; i < sizeof CODES / sizeof *CODES; i++) {
        if (CODES[i].kind == kind && CODES[i].size == size) {
            *type = CODES[i].type;
            return true;
        }
    }
    return false;
}

/* 'U12', 'S3' */
static nicest_status read_text_type(npy_array *a, const char *code, bool big, const char *place)
{
    size_t width = 0;
    for (const char *p = code + 1; *p >= '0' && *p <= '9' && width < MOST_WORD; p++)
        width = width * 10 + (size_t)(*p - '0');
    if (width == 0 || width >= MOST_WORD)
        return fail(NICEST_E_FORMAT, "%s: words of %s characters: expected 1 to %d", place,
                    width == 0 ? "no" : "too many", MOST_WORD - 1);
    a->text = code[0] == 'U' ? 'U' : 'S';
    a->file_value = a->text == 'U' ? 4 * width : width;
    a->swap = a->text == 'U' && big != shape_big_endian_machine();
    a->type = VALUE_F64;
    return NICEST_OK;
}

/* '<f8' */
static nicest_status read_type(npy_array *a, const char *p, const char *place)
{
    char quote = p != NULL ? *p : '\0';
    if (quote != '\'' && quote != '"')
        return fail(NICEST_E_FORMAT, "%s: its values are records: expected plain numbers", place);
    const char *end = strchr(p + 1, quote);
    int length = end != NULL ? (int)(end - p - 1) : 0;
    bool ordered = length > 0 && strchr("<>=|", p[1]) != NULL;
    const char *code = p + 1 + ordered;
    if (length > 1 + ordered && strchr("USa", code[0]) != NULL)
        return read_text_type(a, code, p[1] == '>', place);
    if (length == 1 + ordered && code[0] == 'O')
        return fail(NICEST_E_FORMAT,
                    "%s: holds Python objects, which only Python can read: expected numbers, or "
                    "words as numpy.array(..., dtype=str)",
                    place);
    if (length != 2 + ordered || !find_npy_type(code[0], code[1], &a->type))
        return fail(NICEST_E_FORMAT,
                    "%s: values of type '%.*s': expected integers, booleans, floats of up to 8 "
                    "bytes, or words",
                    place, length, p + 1);
    a->half = code[0] == 'f' && code[1] == '2';
    a->file_value = (size_t)(code[1] - '0');
    a->swap = a->file_value > 1 && ((p[1] == '>' && !shape_big_endian_machine()) ||
                                    (p[1] == '<' && shape_big_endian_machine()));
    return NICEST_OK;
}

static bool read_npy_axis(const char **p, size_t *axis)
{
    size_t digits = strspn(*p, "0123456789");
    uint64_t value;
    bool good = number_whole(*p, digits, SIZE_MAX / 2, &value);
    *axis = good ? (size_t)value : 0;
    *p += digits;
    return good;
}

/* Magic, version and dictionary in the first `size` bytes of a file. */
static nicest_status read_npy_header(npy_array *a, const unsigned char *data, size_t size,
                                     const char *place)
{
    size_t length, prefix = 10;
    *a = (npy_array){0};
    if (size < 12 || memcmp(data, MAGIC, 6) != 0)
        return fail(NICEST_E_FORMAT, "%s: is not a NumPy array: expected \\x93NUMPY at its start",
                    place);
    if (data[6] < 1 || data[6] > 3)
        return fail(NICEST_E_FORMAT, "%s: version %u of the format: expected 1, 2 or 3", place,
                    data[6]);
    length = (size_t)data[8] | (size_t)data[9] << 8;
    if (data[6] > 1) {
        length |= (size_t)data[10] << 16 | (size_t)data[11] << 24;
        prefix = 12;
    }
    if (length > MOST_HEADER || length > size - prefix)
        return fail(NICEST_E_FORMAT, "%s: ends in its header: the file is truncated", place);
    OWNED char *words = memory_format("%.*s", (int)length, (const char *)data + prefix);
    TRY(check_memory(words));
    const char *fortran = find_key(words, "fortran_order");
    TRY(read_type(a, find_key(words, "descr"), place));
    if (fortran == NULL || (strncmp(fortran, "True", 4) != 0 && strncmp(fortran, "False", 5) != 0))
        return fail(NICEST_E_FORMAT, "%s: damaged header: its order of axes cannot be read", place);
    a->fortran = *fortran == 'T';
    a->start = prefix + length;
    /* (3, 4) */
    const char *p = find_key(words, "shape");
    bool good = p != NULL && *p == '(';
    if (good)
        p++;
    while (good && *p != ')') {
        while (*p == ' ')
            p++;
        good = a->shape.axes < SHAPE_MOST && read_npy_axis(&p, &a->shape.size[a->shape.axes++]);
        if (*p == 'L') /* written by Python 2 */
            p++;
        while (*p == ' ' || *p == ',')
            p++;
    }
    if (!good)
        return fail(NICEST_E_FORMAT, "%s: damaged header: its shape cannot be read", place);
    if (a->shape.axes == 0)
        return fail(NICEST_E_DATA, "%s: is a single number, expected rows", place);
    return NICEST_OK;
}

/* ---------------------------------------------------------------- values */

static void widen_halves(const unsigned char *from, size_t count, bool swap, float *out)
{
    for (size_t i = 0; i < count; i++) {
        uint16_t bits;
        memcpy(&bits, from + 2 * i, 2);
        if (swap)
            bits = (uint16_t)(bits >> 8 | bits << 8);
        int exponent = (int)(bits >> 10 & 31);
        float fraction = (float)(bits & 1023), size;
        if (exponent == 31)
            size = (bits & 1023) != 0 ? (float)NAN : (float)INFINITY;
        else
            size = exponent == 0 ? ldexpf(fraction, -24) : ldexpf(fraction + 1024, exponent - 25);
        out[i] = bits & 0x8000 ? -size : size;
    }
}

/* One word as UTF-8, without the zeros behind it, into text[file_value + 1]; returns its length. */
static size_t read_word(const npy_array *a, const unsigned char *from, char *text)
{
    static const unsigned char LEAD[] = {0, 0, 0xC0, 0xE0, 0xF0}; /* of so many bytes */
    size_t used = 0, units = a->text == 'U' ? a->file_value / 4 : a->file_value;
    for (size_t i = 0; i < units; i++) {
        uint32_t c = from[i];
        if (a->text == 'U') {
            memcpy(&c, from + 4 * i, 4);
            if (a->swap)
                c = c >> 24 | (c >> 8 & 0xFF00) | (c << 8 & 0xFF0000) | c << 24;
        }
        if (c == 0)
            break;
        size_t bytes = c < 0x80 || a->text == 'S' ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        for (size_t k = bytes; k-- > 1; c >>= 6)
            text[used + k] = (char)(0x80 | (c & 63));
        text[used] = (char)(LEAD[bytes] | (bytes == 4 ? c & 7 : c));
        used += bytes;
    }
    text[used] = '\0';
    return used;
}

/* Words, or numbers written as such, column by column into a block of doubles. */
static nicest_status read_words_of(source_table *t, const npy_array *a, const unsigned char *from,
                                   bool label, const char *place)
{
    static const dialect plain = {.separator = ',', .decimal = '.'};
    size_t n = a->shape.size[0], d = a->shape.axes > 1 ? a->shape.size[1] : 1;
    if (a->shape.axes > 2)
        return fail(NICEST_E_FORMAT, "%s: words in %zu axes: expected 1 or 2", place,
                    a->shape.axes);
    OWNED_NEW(char *, text, a->file_value + 1);
    t->columns = d; /* which kinds_free counts */
    TRY_NEW(t->kinds, d);
    TRY(check_memory(n <= SIZE_MAX / sizeof(double) / d));
    double *values = t->block = memory_new(n * d, sizeof *values);
    TRY(check_memory(values));
    t->values = t->block;
    for (size_t j = 0; j < d; j++) {
        OWNED_BY(text_column_close) text_column c = {.decimals = -1, .label = label};
        bool good;
        for (size_t i = 0; i < n; i++) {
            size_t at = a->fortran ? j * n + i : i * d + j;
            size_t size = read_word(a, from + at * a->file_value, text);
            TRY(text_column_take(&c, &plain, text, size, i + 1, &values[i * d + j], &good));
        }
        TRY(text_column_settle(&c, values + j, d, n, place, kinds_made_name(j).text, &t->kinds[j]));
    }
    return NICEST_OK;
}

/* A whole .npy in `data` becomes the table's values. `label`: words keep their order. */
static nicest_status read_array(source_table *t, const unsigned char *data, size_t size, bool label,
                                const char *place)
{
    npy_array a;
    TRY(read_npy_header(&a, data, size, place));
    /* The claimed values against the bytes that are there. */
    size_t bytes;
    if (!shape_bytes(&a.shape, a.file_value, &bytes))
        return fail(NICEST_E_FORMAT, "%s: its shape claims more bytes than can be", place);
    if (bytes != size - a.start)
        return fail(NICEST_E_FORMAT, "%s: its shape claims %zu bytes of values, there are %zu",
                    place, bytes, size - a.start);
    TRY(bytes > 0 ? NICEST_OK : fail(NICEST_E_DATA, "%s: holds no values", place));
    if (a.text) {
        TRY(shape_table(t, &a.shape, a.type, false));
        return read_words_of(t, &a, data + a.start, label, place);
    }
    TRY(shape_table(t, &a.shape, a.type, a.fortran));
    t->values = data + a.start;
    if (!a.half && !a.swap)
        return NICEST_OK;
    /* Values that cannot be used as they lie, in a block of their own. */
    size_t count = bytes / a.file_value;
    t->block = memory_new(count, value_size(a.type));
    TRY(check_memory(t->block));
    if (a.half) {
        widen_halves(t->values, count, a.swap, t->block);
    } else {
        memcpy(t->block, t->values, bytes);
        shape_swap(t->block, count, a.file_value);
    }
    t->values = t->block;
    return NICEST_OK;
}

nicest_status npy_load(source_table *table, const char *path)
{
    table->kind = "npy";
    TRY(file_load(&table->bytes, path, 0));
    TRY(read_array(table, table->bytes.data, table->bytes.size, false, path));
    if (table->block != NULL)
        file_release(&table->bytes);
    return NICEST_OK;
}

/* ---------------------------------------------------------------- reading a zip */

#ifndef NICEST_NO_ZIP

static nicest_status fail_zip(const char *path, zip_error_t *error)
{
    nicest_status status =
        fail(NICEST_E_FORMAT, "%s: damaged zip file (%s)", path, zip_error_strerror(error));
    zip_error_fini(error);
    return status;
}

typedef struct npz_member {
    char *name; /* without ".npy" */
    npy_array array;
    size_t index, size;
    bool readable; /* an array of numbers or words */
    char *reason;  /* or why not */
} npz_member;

typedef struct npz {
    const char *path;
    file_bytes bytes;
    zip_t *zip;
    npz_member *members;
    size_t count;
    uint64_t packed; /* bytes of all members so far, as they are in the file */
} npz;

/* Claimed sizes of a member; refuses those that cannot be true. */
static nicest_status member_size(npz *f, size_t index, size_t *size)
{
    zip_stat_t facts;
    const zip_uint64_t wanted = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_NAME;
    if (zip_stat_index(f->zip, index, 0, &facts) != 0 || (facts.valid & wanted) != wanted)
        return fail(NICEST_E_FORMAT, "%s: damaged zip file", f->path);
    if (facts.comp_size > f->bytes.size || facts.size > MOST_MEMBER ||
        facts.size > facts.comp_size * MOST_RATIO)
        return fail(NICEST_E_FORMAT, "%s: %s claims %llu bytes out of %llu: that cannot be",
                    f->path, facts.name, (unsigned long long)facts.size,
                    (unsigned long long)facts.comp_size);
    if (facts.comp_size > f->bytes.size - f->packed)
        return fail(NICEST_E_FORMAT, "%s: its members claim more bytes than there are", f->path);
    f->packed += facts.comp_size;
    *size = (size_t)facts.size;
    return NICEST_OK;
}

/* The first `size` bytes of a member into a block; `whole`: and nothing may follow (reading to the
 * end also checks the sum). */
static nicest_status read_member(const npz *f, size_t index, size_t size, bool whole,
                                 unsigned char **out)
{
    unsigned char more;
    OWNED_NEW(unsigned char *, block, size);
    zip_file_t *member = zip_fopen_index(f->zip, index, 0);
    zip_int64_t got = 1;
    size_t used = 0;
    for (; member != NULL && used < size && got > 0; used += got > 0 ? (size_t)got : 0)
        got = zip_fread(member, block + used, size - used < 1 << 30 ? size - used : 1 << 30);
    if (member != NULL && used == size && (!whole || zip_fread(member, &more, 1) == 0))
        *out = memory_take(&block);
    else
        fail(NICEST_E_FORMAT, "%s: %s cannot be inflated (%s)", f->path,
             zip_get_name(f->zip, index, 0),
             member != NULL ? zip_file_strerror(member) : zip_strerror(f->zip));
    if (member != NULL)
        zip_fclose(member);
    return block == NULL ? NICEST_OK : NICEST_E_FORMAT;
}

/* ---------------------------------------------------------------- reading an .npz */

/* The array of that name; the error lists names as far as a line has room. */
static nicest_status find_named(const npz *f, const char *array, size_t *found)
{
    char names[300] = "";
    size_t used = 0;
    for (size_t i = 0; i < f->count; i++) {
        const char *name = f->members[i].name;
        if (strcmp(name, array) == 0) {
            *found = i;
            return NICEST_OK;
        }
        if (used + strlen(name) + 8 < sizeof names)
            used +=
                (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", name);
    }
    return fail(NICEST_E_ARGUMENT, "%s: no array '%s'; there are: %s", f->path, array, names);
}

/* The first with two axes, else with more, else with one. */
static nicest_status find_main(const npz *f, size_t *found)
{
    static const int WORTH[] = {0, 2, 6, 4};
    int best = 0;
    for (size_t i = 0; i < f->count; i++) {
        size_t axes = f->members[i].readable ? f->members[i].array.shape.axes : 0;
        int worth = WORTH[axes < 3 ? axes : 3];
        worth = f->members[i].array.text && worth > 0
                    ? 1
                    : worth; /* words are labels, if they can be */
        if (worth > best) {
            best = worth;
            *found = i;
        }
    }
    return best > 0 ? NICEST_OK : fail(NICEST_E_FORMAT, "%s: holds no array of numbers", f->path);
}

/* The whole member as a table of its own. */
static nicest_status load_member(const npz *f, const npz_member *m, bool label, source_table *t)
{
    OWNED unsigned char *block = NULL;
    OWNED char *place = memory_format("%s: %s", f->path, m->name);
    TRY(check_memory(place));
    t->kind = "npz";
    TRY(read_member(f, m->index, m->size, true, &block));
    TRY(read_array(t, block, m->size, label, place));
    if (t->block == NULL)
        t->block = memory_take(&block);
    return NICEST_OK;
}

static nicest_status add_extra(const npz *f, const npz_member *m, source_table *t)
{
    OWNED_BY(source_table_close) source_table column = {0};
    TRY(load_member(f, m, true, &column));
    source_extra *extra = &t->extras[t->extra_count++];
    extra->name = memory_text(m->name);
    extra->values = memory_new(t->rows, sizeof(double));
    TRY(check_memory(extra->name && extra->values));
    source_table_column(&column, 0, extra->values);
    if (column.kinds == NULL || column.kinds[0].words == NULL)
        return NICEST_OK;
    extra->text_count = column.kinds[0].word_count;
    return source_texts_copy(&extra->texts, (const char *const *)column.kinds[0].words,
                             extra->text_count);
}

/* What a member says that it is. One that is no array of numbers only matters when somebody asks
 * for it. */
static nicest_status add_member(npz *f, size_t index)
{
    OWNED unsigned char *start = NULL;
    const char *name = zip_get_name(f->zip, index, 0);
    size_t length = name != NULL ? strlen(name) : 0;
    npz_member *m = &f->members[f->count];
    if (length < 5 || strcmp(name + length - 4, ".npy") != 0)
        return NICEST_OK;
    TRY(member_size(f, index, &m->size));
    m->index = index;
    m->name = memory_format("%.*s", (int)length - 4, name);
    TRY(check_memory(m->name));
    f->count++;
    size_t size = m->size < MOST_HEADER ? m->size : MOST_HEADER;
    TRY(read_member(f, index, size, false, &start));
    nicest_status status = read_npy_header(&m->array, start, size, name);
    m->readable = status == NICEST_OK;
    m->reason = m->readable ? NULL : memory_format("%s: %s", f->path, nicest_error());
    return status == NICEST_E_MEMORY ? status : NICEST_OK;
}

static void npz_close(npz *f)
{
    if (f->zip != NULL)
        zip_discard(f->zip);
    for (size_t i = 0; i < f->count; i++) {
        memory_free(f->members[i].name);
        memory_free(f->members[i].reason);
    }
    memory_free(f->members);
    file_release(&f->bytes);
}

nicest_status npz_load(source_table *table, const char *path, const char *array)
{
    OWNED_BY(npz_close) npz f = {.path = path};
    zip_error_t error;
    TRY(file_load(&f.bytes, path, 0));
    zip_error_init(&error);
    zip_source_t *source = zip_source_buffer_create(f.bytes.data, f.bytes.size, 0, &error);
    f.zip = source != NULL ? zip_open_from_source(source, ZIP_RDONLY, &error) : NULL;
    if (f.zip == NULL) {
        zip_source_free(source);
        return fail_zip(path, &error);
    }
    zip_error_fini(&error);
    size_t main = 0;
    zip_int64_t count = zip_get_num_entries(f.zip, 0);
    if (count < 1 || count > MOST_MEMBERS)
        return fail(NICEST_E_FORMAT, "%s: holds %lld members, expected 1 to %d", f.path,
                    (long long)count, MOST_MEMBERS);
    TRY_NEW(f.members, (size_t)count);
    for (size_t i = 0; i < (size_t)count; i++)
        TRY(add_member(&f, i));
    TRY(array != NULL ? find_named(&f, array, &main) : find_main(&f, &main));
    TRY(load_member(&f, &f.members[main], false, table));
    TRY_NEW(table->extras, f.count);
    for (size_t i = 0; i < f.count; i++) {
        const shape *s = &f.members[i].array.shape;
        bool one_column = s->axes == 1 || (s->axes == 2 && s->size[1] == 1);
        if (i != main && f.members[i].readable && one_column && s->size[0] == table->rows) {
            TRY(add_extra(&f, &f.members[i], table));
        } else if (f.members[i].reason != NULL) { /* whoever asks for it learns why not */
            source_extra *extra = &table->extras[table->extra_count++];
            extra->name = memory_text(f.members[i].name);
            extra->reason = memory_text(f.members[i].reason);
            TRY(check_memory(extra->name && extra->reason));
        }
    }
    return NICEST_OK;
}

#else

static nicest_status fail_without_zip(void)
{
    return fail(NICEST_E_UNSUPPORTED,
                "this build was made without libzip (NICEST_ZIP=OFF): no .npz");
}

nicest_status npz_load(source_table *table, const char *path, const char *array)
{
    (void)table;
    (void)array;
    return fail_in(fail_without_zip(), "%s", path);
}

#endif

/* ---------------------------------------------------------------- writing */

unsigned char *byte_buffer_take(byte_buffer *buffer, size_t size)
{
    if (size > SIZE_MAX - buffer->size ||
        !memory_grow(&buffer->data, buffer->size + size, &buffer->capacity, 1))
        return NULL;
    buffer->size += size;
    return buffer->data + buffer->size - size;
}

void byte_buffer_close(byte_buffer *buffer)
{
    memory_free(buffer->data);
    *buffer = (byte_buffer){0};
}

nicest_status npy_header(byte_buffer *out, value_type type, const size_t *axes, size_t count)
{
    static const char *const CODES[VALUE_TYPES] = {"u1", "i1", "u2", "i2", "u4",
                                                   "i4", "u8", "i8", "f4", "f8"};
    char words[256], order = shape_big_endian_machine() ? '>' : '<';
    size_t used = (size_t)snprintf(words, sizeof words,
                                   "{'descr': '%c%s', 'fortran_order': False, "
                                   "'shape': (",
                                   value_size(type) > 1 ? order : '|', CODES[type]);
    assert(count >= 1 && count <= 4);
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(words + used, sizeof words - used, "%zu%s", axes[i],
                                 i + 1 < count ? ", "
                                 : count == 1  ? ","
                                               : "");
    used += (size_t)snprintf(words + used, sizeof words - used, "), }");
    size_t total = (10 + used + 1 + 63) / 64 * 64;
    unsigned char *p = byte_buffer_take(out, total);
    TRY(check_memory(p));
    memset(p, ' ', total);
    memcpy(p, MAGIC, 6);
    p[6] = 1;
    p[7] = 0;
    p[8] = (unsigned char)((total - 10) & 255);
    p[9] = (unsigned char)((total - 10) >> 8);
    memcpy(p + 10, words, used);
    p[total - 1] = '\n';
    return NICEST_OK;
}

#ifndef NICEST_NO_ZIP

/* Members are of 1980-01-01, the first day of zip: no clock is read. */
nicest_status zip_pack(byte_buffer *out, const zip_member *members, size_t count)
{
    zip_error_t error;
    zip_stat_t facts;
    zip_error_init(&error);
    zip_source_t *source = zip_source_buffer_create(NULL, 0, 0, &error);
    zip_t *zip =
        source != NULL ? zip_open_from_source(source, ZIP_CREATE | ZIP_TRUNCATE, &error) : NULL;
    if (zip == NULL) {
        zip_source_free(source);
        return fail_zip("zip", &error);
    }
    zip_error_fini(&error);
    zip_source_keep(source);
    bool good = true;
    for (size_t i = 0; good && i < count; i++) {
        const zip_member *m = &members[i];
        zip_source_t *bytes = zip_source_buffer(zip, m->bytes->data, m->bytes->size, 0);
        zip_int64_t at = bytes != NULL ? zip_file_add(zip, m->name, bytes, ZIP_FL_ENC_UTF_8) : -1;
        if (at < 0)
            zip_source_free(bytes);
        good = at >= 0 && zip_set_file_compression(zip, (zip_uint64_t)at, ZIP_CM_DEFLATE, 6) == 0 &&
               zip_file_set_dostime(zip, (zip_uint64_t)at, 0, 33, 0) == 0;
    }
    nicest_status status = NICEST_OK;
    if (!good || zip_close(zip) != 0) {
        status = fail(NICEST_E_IO, "zip: %s", zip_strerror(zip));
        zip_discard(zip);
    } else if (zip_source_stat(source, &facts) != 0 || zip_source_open(source) != 0) {
        status = fail(NICEST_E_IO, "zip: %s", zip_error_strerror(zip_source_error(source)));
    } else { /* the finished archive lies in its source */
        unsigned char *p = byte_buffer_take(out, (size_t)facts.size);
        status = check_memory(p);
        if (p != NULL && zip_source_read(source, p, facts.size) != (zip_int64_t)facts.size)
            status = fail(NICEST_E_IO, "zip: the archive cannot be read back");
        zip_source_close(source);
    }
    zip_source_free(source);
    return status;
}

#else

nicest_status zip_pack(byte_buffer *out, const zip_member *members, size_t count)
{
    (void)out;
    (void)members;
    (void)count;
    return fail_without_zip();
}

#endif
