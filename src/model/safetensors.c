/* safetensors.c - see safetensors.h. Owns the header's JSON.
 *
 * jansson keeps its own allocator: which one it uses is a setting of the whole process, and blocks
 * of the program (or of a stranger in it) would be given back to the wrong one. What it takes is
 * bounded by the header's length, and so is everything here. Tests, which are the program, give it
 * ours (tests/json_memory.h). */
#include "model/safetensors.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "model/json.h"
#include "model/utf8.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the numbers of a safetensors file are little-endian, and are not turned here"
#endif

enum { LENGTH_BYTES = 8, MOST_RANK = 2 };

/* The reference implementation refuses longer ones too. */
static const size_t MOST_HEADER = 100000000;
static const char METADATA[] = "__metadata__";

static const struct {
    const char *name;
    size_t size;
} TYPES[] = {{"F32", 4}, {"F64", 8}, {"U8", 1}, {"I64", 8}};

enum { TYPE_COUNT = sizeof TYPES / sizeof *TYPES };

typedef struct name_place {
    const char *name;
    size_t place;
} name_place;

struct safetensors {
    file_bytes bytes; /* what close releases */
    json_t *header;   /* owns names and texts */
    size_t size;
    safetensors_tensor *tensors; /* [count], by position in the file */
    void **copy;                 /* [count] an aligned copy where the file's own bytes are not */
    name_place *names;           /* [count], sorted */
    size_t count;
    safetensors_text *texts; /* [text_count] */
    size_t text_count;
};

/* Bytes behind the header. */
typedef struct body {
    const unsigned char *data;
    size_t size;
} body;

/* SIZE_MAX when the product overflows. */
static size_t tensor_bytes(const safetensors_tensor *t)
{
    size_t bytes = TYPES[t->type].size;
    for (int i = 0; i < t->rank; i++) {
        if (t->shape[i] != 0 && bytes > SIZE_MAX / t->shape[i])
            return SIZE_MAX;
        bytes *= t->shape[i];
    }
    return bytes;
}

const char *safetensors_type_name(safetensors_type type)
{
    return TYPES[type].name;
}

const char *safetensors_shape_text(const safetensors_tensor *tensor, char *text)
{
    if (tensor->rank == 1)
        snprintf(text, 48, "[%zu]", tensor->shape[0]);
    else
        snprintf(text, 48, "[%zu, %zu]", tensor->shape[0], tensor->shape[1]);
    return text;
}

/* ------------------------------------------------------------------ reading: one tensor */

static nicest_status refuse_file(const char *name, const char *sentence)
{
    return fail(NICEST_E_FORMAT, "tensor '%.80s': %s", name, sentence);
}

/* Element i of an array of whole numbers that are not negative. */
static bool read_size(const json_t *array, size_t i, size_t *size)
{
    const json_t *value = json_array_get(array, i);
    json_int_t number = json_is_integer(value) ? json_integer_value(value) : -1;
    *size = (size_t)number;
    return number >= 0 && (uint64_t)number <= SIZE_MAX;
}

static nicest_status read_tensor(const json_t *item, const body *b, safetensors_tensor *t)
{
    const json_t *shape = json_object_get(item, "shape");
    const json_t *offsets = json_object_get(item, "data_offsets");
    if (json_object_size(item) != 3 || !json_object_get(item, "dtype") || !shape || !offsets)
        return refuse_file(t->name, "expected dtype, shape and data_offsets, and nothing else");
    const char *type = json_string_value(json_object_get(item, "dtype"));
    int kind = 0;
    while (kind < TYPE_COUNT && (!type || strcmp(type, TYPES[kind].name)))
        kind++;
    if (kind == TYPE_COUNT)
        return refuse_file(t->name, "its type is none of F32, F64, U8, I64");
    t->type = (safetensors_type)kind;
    t->rank = (int)json_array_size(shape); /* 0 where it is no array */
    if (t->rank < 1 || t->rank > MOST_RANK)
        return refuse_file(t->name, "its shape is not a list of one or two sizes");
    for (int i = 0; i < t->rank; i++)
        if (!read_size(shape, (size_t)i, &t->shape[i]))
            return refuse_file(t->name, "its shape is not made of whole numbers");
    size_t begin, end;
    if (json_array_size(offsets) != 2 || !read_size(offsets, 0, &begin) ||
        !read_size(offsets, 1, &end) || begin > end)
        return refuse_file(t->name, "its data_offsets are not a begin and an end");
    if (end > b->size)
        return refuse_file(t->name, "its data ends behind the end of the file");
    if (tensor_bytes(t) != end - begin)
        return refuse_file(t->name, "its shape and its data_offsets do not agree");
    t->data = b->data + begin;
    return NICEST_OK;
}

/* ------------------------------------------------------------------ reading: all of them */

static int by_position(const void *left, const void *right)
{
    const safetensors_tensor *a = left, *b = right;
    size_t a_bytes = tensor_bytes(a), b_bytes = tensor_bytes(b);
    if (a->data != b->data)
        return (uintptr_t)a->data < (uintptr_t)b->data ? -1 : 1;
    if (a_bytes != b_bytes) /* the empty ones first */
        return a_bytes < b_bytes ? -1 : 1;
    return strcmp(a->name, b->name);
}

static int by_name(const void *left, const void *right)
{
    return strcmp(((const name_place *)left)->name, ((const name_place *)right)->name);
}

/* Sorted tensors must lie side by side and fill the body. */
static nicest_status check_cover(const safetensors *s, const body *b)
{
    const unsigned char *expected = b->data;
    for (size_t i = 0; i < s->count; i++) {
        if ((const unsigned char *)s->tensors[i].data != expected)
            return refuse_file(s->tensors[i].name, "there is a gap or an overlap in front of its data");
        expected += tensor_bytes(&s->tensors[i]);
    }
    if (expected != b->data + b->size)
        return fail(NICEST_E_FORMAT, "%zu bytes follow the last tensor",
                    (size_t)(b->data + b->size - expected));
    return NICEST_OK;
}

static nicest_status read_metadata(safetensors *s, json_t *metadata)
{
    const char *name;
    json_t *value;
    if (!metadata)
        return NICEST_OK;
    if (!json_is_object(metadata))
        return fail(NICEST_E_FORMAT, "__metadata__ is not an object");
    TRY_NEW(s->texts, json_object_size(metadata));
    json_object_foreach(metadata, name, value)
    {
        if (!json_is_string(value))
            return fail(NICEST_E_FORMAT, "__metadata__ '%.80s' is not a text", name);
        s->texts[s->text_count++] = (safetensors_text){name, json_string_value(value)};
    }
    return NICEST_OK;
}

static nicest_status read_tensors(safetensors *s, const body *b)
{
    const char *name;
    json_t *item;
    size_t most = json_object_size(s->header);
    s->tensors = memory_new(most, sizeof *s->tensors);
    s->names = memory_new(most, sizeof *s->names);
    s->copy = memory_new(most, sizeof *s->copy);
    TRY(check_memory(s->tensors && s->names && s->copy));
    json_object_foreach(s->header, name, item)
    {
        if (!strcmp(name, METADATA))
            continue;
        s->tensors[s->count].name = name;
        TRY(read_tensor(item, b, &s->tensors[s->count]));
        s->count++;
    }
    qsort(s->tensors, s->count, sizeof *s->tensors, by_position);
    TRY(check_cover(s, b));
    for (size_t i = 0; i < s->count; i++)
        s->names[i] = (name_place){s->tensors[i].name, i};
    qsort(s->names, s->count, sizeof *s->names, by_name);
    /* Other programs may write F64 behind an odd number of F32. */
    for (size_t i = 0; i < s->count; i++) {
        safetensors_tensor *t = &s->tensors[i];
        if ((uintptr_t)t->data % TYPES[t->type].size == 0)
            continue;
        s->copy[i] = memory_copy(t->data, tensor_bytes(t), 1);
        TRY(check_memory(s->copy[i]));
        t->data = s->copy[i];
    }
    return NICEST_OK;
}

/* Cuts the file in header and body. */
static nicest_status read_front(safetensors *s, const unsigned char *data, size_t size, body *b)
{
    uint64_t length = 0;
    if (size < LENGTH_BYTES)
        return fail(NICEST_E_FORMAT, "not a safetensors file: it has only %zu bytes", size);
    for (int i = 0; i < LENGTH_BYTES; i++)
        length |= (uint64_t)data[i] << 8 * i;
    if (length > MOST_HEADER)
        return fail(NICEST_E_FORMAT, "not a safetensors file: its header claims more than 100 MB");
    if (length > size - LENGTH_BYTES)
        return fail(NICEST_E_FORMAT, "its header claims %zu bytes, but only %zu follow: truncated?",
                    (size_t)length, size - LENGTH_BYTES);
    const char *text = (const char *)data + LENGTH_BYTES;
    nicest_status status = json_read(&s->header, text, (size_t)length);
    if (status != NICEST_OK)
        return status == NICEST_E_FORMAT ? fail_in(status, "header") : status;
    if (text[0] != '{' || !json_is_object(s->header))
        return fail(NICEST_E_FORMAT, "header: it does not begin with '{'");
    *b = (body){data + LENGTH_BYTES + length, size - LENGTH_BYTES - (size_t)length};
    return NICEST_OK;
}

nicest_status safetensors_open_bytes(safetensors **out, const void *bytes, size_t size)
{
    OWNED_BY(safetensors_drop) safetensors *s = memory_new(1, sizeof *s);
    TRY(check_memory(s));
    body b = {0};
    s->size = size;
    TRY(read_front(s, bytes, size, &b));
    TRY(read_metadata(s, json_object_get(s->header, METADATA)));
    TRY(read_tensors(s, &b));
    *out = memory_take(&s);
    return NICEST_OK;
}

/* file_load knows gzip by its first bytes 1f 8b. A header that is padded to a multiple of 8, as
 * ours and the reference's are, cannot begin like that. */
nicest_status safetensors_open(safetensors **out, const char *path)
{
    OWNED_BY(file_release) file_bytes bytes = {0};
    safetensors *s = NULL;
    TRY(file_load(&bytes, path, 0));
    nicest_status status = safetensors_open_bytes(&s, bytes.data, bytes.size);
    if (status != NICEST_OK)
        return fail_in(status, "%s", path);
    s->bytes = bytes;
    bytes = (file_bytes){0};
    *out = s;
    return NICEST_OK;
}

void safetensors_close(safetensors *file)
{
    if (!file)
        return;
    for (size_t i = 0; file->copy && i < file->count; i++)
        memory_free(file->copy[i]);
    if (file->bytes.data)
        file_release(&file->bytes);
    json_decref(file->header);
    memory_free(file->tensors);
    memory_free(file->copy);
    memory_free(file->names);
    memory_free(file->texts);
    memory_free(file);
}

size_t safetensors_size(const safetensors *file)
{
    return file->size;
}

size_t safetensors_count(const safetensors *file)
{
    return file->count;
}

safetensors_tensor safetensors_get(const safetensors *file, size_t i)
{
    assert(i < file->count);
    return file->tensors[i];
}

size_t safetensors_place(const safetensors *file, const char *name)
{
    name_place wanted = {name, 0};
    const name_place *found =
        file->count ? bsearch(&wanted, file->names, file->count, sizeof wanted, by_name) : NULL;
    return found ? found->place : SIZE_MAX;
}

safetensors_tensor safetensors_find(const safetensors *file, const char *name)
{
    size_t place = safetensors_place(file, name);
    return place == SIZE_MAX ? (safetensors_tensor){0} : file->tensors[place];
}

size_t safetensors_text_count(const safetensors *file)
{
    return file->text_count;
}

safetensors_text safetensors_get_text(const safetensors *file, size_t i)
{
    assert(i < file->text_count);
    return file->texts[i];
}

const char *safetensors_find_text(const safetensors *file, const char *name)
{
    for (size_t i = 0; i < file->text_count; i++)
        if (!strcmp(file->texts[i].name, name))
            return file->texts[i].text;
    return NULL;
}

/* ------------------------------------------------------------------ writing */

/* A new key in an object; takes over `value`. */
static nicest_status set_new(json_t *object, const char *name, json_t *value)
{
    if (!utf8_valid(name) || json_object_get(object, name)) {
        json_decref(value);
        return fail(NICEST_E_ARGUMENT, "the name '%.80s' is not UTF-8, or is there twice", name);
    }
    return check_memory(value && json_object_set_new(object, name, value) == 0);
}

static nicest_status add_tensor(json_t *header, const safetensors_tensor *t, size_t *end)
{
    bool shaped = t->rank >= 1 && t->rank <= MOST_RANK;
    size_t bytes = shaped ? tensor_bytes(t) : SIZE_MAX, begin = *end;
    if (bytes > (size_t)INT64_MAX - begin)
        return fail(NICEST_E_ARGUMENT, "tensor '%.80s' has no shape that can be written", t->name);
    *end = begin + bytes;
    json_t *shape = t->rank == 1
                        ? json_pack("[I]", (json_int_t)t->shape[0])
                        : json_pack("[I, I]", (json_int_t)t->shape[0], (json_int_t)t->shape[1]);
    json_t *item = json_pack("{s:s, s:o, s:[I, I]}", "dtype", TYPES[t->type].name, "shape", shape,
                             "data_offsets", (json_int_t)begin, (json_int_t)*end);
    return set_new(header, t->name, item);
}

/* The header as text of *length bytes, padded with spaces to a multiple of 8. */
static nicest_status make_header(const safetensors_tensor *tensors, size_t count,
                                 const safetensors_text *texts, size_t text_count, char **text,
                                 size_t *length)
{
    json_auto_t *header = json_object();
    size_t end = 0;
    TRY(check_memory(header));
    json_t *metadata = text_count ? json_object() : NULL;
    if (text_count)
        TRY(set_new(header, METADATA, metadata));
    for (size_t i = 0; i < text_count; i++) {
        if (!utf8_valid(texts[i].text))
            return fail(NICEST_E_ARGUMENT, "the text '%.80s' is not UTF-8", texts[i].name);
        TRY(set_new(metadata, texts[i].name, json_string(texts[i].text)));
    }
    for (size_t i = 0; i < count; i++)
        TRY(add_tensor(header, &tensors[i], &end));
    size_t used = json_dumpb(header, NULL, 0, JSON_COMPACT);
    size_t padded = (used + LENGTH_BYTES - 1) / LENGTH_BYTES * LENGTH_BYTES;
    TRY(check_memory(used > 0));
    TRY(require(padded <= MOST_HEADER, "the header would be longer than 100 MB"));
    TRY_NEW(*text, padded);
    json_dumpb(header, *text, used, JSON_COMPACT);
    memset(*text + used, ' ', padded - used);
    *length = padded;
    return NICEST_OK;
}

/* Where the bytes go: a file, or memory that is large enough. */
typedef struct sink {
    file_writer *writer;
    unsigned char *at;
} sink;

static nicest_status emit(sink *to, const void *bytes, size_t size)
{
    if (to->writer)
        return file_writer_write(to->writer, bytes, size);
    memcpy(to->at, bytes, size);
    to->at += size;
    return NICEST_OK;
}

static nicest_status write_all(sink *to, const char *header, size_t length,
                               const safetensors_tensor *tensors, size_t count)
{
    unsigned char prefix[LENGTH_BYTES];
    for (int i = 0; i < LENGTH_BYTES; i++)
        prefix[i] = (unsigned char)((uint64_t)length >> 8 * i);
    TRY(emit(to, prefix, sizeof prefix));
    TRY(emit(to, header, length));
    for (size_t i = 0; i < count; i++)
        TRY(emit(to, tensors[i].data, tensor_bytes(&tensors[i])));
    return NICEST_OK;
}

nicest_status safetensors_write(const char *path, const safetensors_tensor *tensors, size_t count,
                                const safetensors_text *texts, size_t text_count)
{
    OWNED char *header = NULL;
    size_t length = 0;
    OWNED_BY(file_writer_drop) file_writer *writer = NULL;
    nicest_status status = make_header(tensors, count, texts, text_count, &header, &length);
    if (status != NICEST_OK)
        return fail_in(status, "%s", path);
    TRY(file_writer_open(&writer, path));
    TRY(write_all(&(sink){.writer = writer}, header, length, tensors, count));
    return file_writer_commit(memory_take(&writer));
}

nicest_status safetensors_write_bytes(unsigned char **bytes, size_t *size,
                                      const safetensors_tensor *tensors, size_t count,
                                      const safetensors_text *texts, size_t text_count)
{
    OWNED char *header = NULL;
    size_t length = 0;
    TRY(make_header(tensors, count, texts, text_count, &header, &length));
    size_t total = LENGTH_BYTES + length;
    for (size_t i = 0; i < count; i++)
        total += tensor_bytes(&tensors[i]);
    unsigned char *block;
    TRY_NEW(block, total);
    write_all(&(sink){.at = block}, header, length, tensors, count);
    *bytes = block;
    *size = total;
    return NICEST_OK;
}
