/* model_file.c - a model as one safetensors file, and back; docs/model-file.md says what is in it.
 *
 * Owns the order of things in the file (the same model gives the same bytes) and the checks that
 * make a stranger's file safe: the spec is bounded by the file's size before anything is made from
 * it, and every tensor is there, of its shape, finite, and expected. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "model/handle.h"
#include "model/safetensors.h"

static const char FORMAT[] = "nicest", VERSION[] = "1";
static const char KEY_FORMAT[] = "format", KEY_VERSION[] = "nicest.version";
static const char KEY_SPEC[] = "nicest.spec", EXTRA[] = "extra.";

/* The columns of the entry, one tensor for each number of an entry_column. The last are there only
 * where some column has one that is not 0. */
static const struct {
    const char *name;
    size_t offset;
} ENTRY_PARTS[] = {
    {"entry.origin", offsetof(entry_column, origin)},
    {"entry.step", offsetof(entry_column, step)},
    {"entry.levels", offsetof(entry_column, levels)},
    {"entry.offset", offsetof(entry_column, offset)},
    {"entry.unit", offsetof(entry_column, unit)},
    {"entry.centre", offsetof(entry_column, centre)},
    {"entry.role", offsetof(entry_column, role)},
    {"entry.given", offsetof(entry_column, given)},
    {"entry.states", offsetof(entry_column, states)},
    {"entry.other", offsetof(entry_column, other)},
    {"entry.source", offsetof(entry_column, source)},
    {"entry.factor", offsetof(entry_column, factor)},
    {"entry.least", offsetof(entry_column, least)},
    {"entry.most", offsetof(entry_column, most)},
    {"entry.decimals", offsetof(entry_column, decimals)},
};

enum { PARTS = sizeof ENTRY_PARTS / sizeof *ENTRY_PARTS, NEEDED_PARTS = 6 };
static const char TABLE[] = "entry.table"; /* the tables of all columns, one after the other */

static double *part_of(entry_column *c, size_t part)
{
    return (double *)((char *)c + ENTRY_PARTS[part].offset);
}

/* ------------------------------------------------------------------ writing */

typedef struct outline {
    safetensors_tensor *tensors;
    safetensors_text texts[MODEL_MOST_ENTRIES + 3];
    size_t count, text_count;
    double *parts; /* [PARTS, columns] */
    char **extra;  /* [extras] names of arrays in the file */
    size_t extras;
} outline;

static void outline_close(outline *o)
{
    for (size_t i = 0; o->extra && i < o->extras; i++)
        memory_free(o->extra[i]);
    memory_free(o->extra);
    memory_free(o->parts);
    memory_free(o->tensors);
}

static void add_parameters(outline *o, const char *name, const double *values, size_t count)
{
    o->tensors[o->count++] = (safetensors_tensor){name, SAFE_F64, 1, {count, 0}, values};
}

/* To the path, or where there is none to memory. */
static nicest_status save(const nicest_model *model, const char *path, unsigned char **bytes,
                          size_t *size)
{
    OWNED_BY(outline_close) outline o = {.extras = model->arrays.count};
    /* F64 first: so all data is aligned without padding. */
    const flow *f = model->flow;
    o.tensors = memory_new(PARTS + 1 + model->arrays.count + f->tensors.count, sizeof *o.tensors);
    o.parts = memory_new(PARTS * f->entry.columns, sizeof *o.parts);
    o.extra = memory_new(model->arrays.count, sizeof *o.extra);
    TRY(check_memory(o.tensors && o.parts && o.extra));
    o.texts[o.text_count++] = (safetensors_text){KEY_FORMAT, FORMAT};
    o.texts[o.text_count++] = (safetensors_text){KEY_VERSION, VERSION};
    o.texts[o.text_count++] = (safetensors_text){KEY_SPEC, model->flow->spec.text};
    for (size_t i = 0; i < model->texts.count; i++)
        o.texts[o.text_count++] =
            (safetensors_text){model->texts.item[i].name, model->texts.item[i].text};
    for (size_t p = 0; p < PARTS; p++) {
        double *values = o.parts + p * f->entry.columns;
        bool wanted = p < NEEDED_PARTS;
        for (size_t j = 0; j < f->entry.columns; j++) {
            values[j] = *part_of(&f->entry.column[j], p);
            wanted = wanted || values[j] != 0;
        }
        if (wanted)
            add_parameters(&o, ENTRY_PARTS[p].name, values, f->entry.columns);
    }
    if (f->entry.table_count)
        add_parameters(&o, TABLE, f->entry.table, f->entry.table_count);
    for (size_t i = 0; i < model->arrays.count; i++) {
        const model_item *item = &model->arrays.item[i];
        o.extra[i] = memory_format("%s%s", EXTRA, item->name);
        TRY(check_memory(o.extra[i]));
        add_parameters(&o, o.extra[i], item->values, item->count);
    }
    for (size_t i = 0; i < f->tensors.count; i++) {
        const tensor *t = &f->tensors.items[i];
        o.tensors[o.count++] =
            (safetensors_tensor){t->name, SAFE_F32, t->rank, {t->shape[0], t->shape[1]}, *t->slot};
    }
    return path ? safetensors_write(path, o.tensors, o.count, o.texts, o.text_count)
                : safetensors_write_bytes(bytes, size, o.tensors, o.count, o.texts, o.text_count);
}

nicest_status nicest_model_save(const nicest_model *model, const char *path)
{
    TRY(require(model && path, "the model or the path is NULL"));
    return save(model, path, NULL, NULL);
}

nicest_status nicest_model_save_bytes(const nicest_model *model, unsigned char **bytes,
                                      size_t *size)
{
    TRY(require(model && bytes && size, "the model or a place for its bytes is NULL"));
    return save(model, NULL, bytes, size);
}

/* ------------------------------------------------------------------ reading */

/* The shape of a vector in the file, or 0. */
static size_t vector_length(const safetensors *file, const char *name)
{
    safetensors_tensor t = safetensors_find(file, name);
    return t.data && t.type == SAFE_F64 && t.rank == 1 ? t.shape[0] : 0;
}

/* A file on its way into a model. */
typedef struct reading {
    const safetensors *file;
    nicest_model *model;
    bool *used; /* [tensors of the file] */
} reading;

/* The tensor of that name, type and shape, marked as used. */
static nicest_status take_tensor(const reading *r, const safetensors_tensor *wanted,
                                 const void **data)
{
    char text[48], other[48];
    size_t place = safetensors_place(r->file, wanted->name);
    if (place == SIZE_MAX)
        return fail(NICEST_E_FORMAT, "tensor '%s' is missing", wanted->name);
    safetensors_tensor t = safetensors_get(r->file, place);
    if (t.type != wanted->type || t.rank != wanted->rank || t.shape[0] != wanted->shape[0] ||
        t.shape[1] != wanted->shape[1])
        return fail(NICEST_E_FORMAT, "tensor '%s' is %s %s; the spec wants %s %s", wanted->name,
                    safetensors_type_name(t.type), safetensors_shape_text(&t, text),
                    safetensors_type_name(wanted->type), safetensors_shape_text(wanted, other));
    r->used[place] = true;
    *data = t.data;
    return NICEST_OK;
}

/* In place of the spec's natural entry, with which it must agree. */
static nicest_status read_entry(const reading *r)
{
    OWNED_BY(entry_close) entry e = {0};
    flow *f = r->model->flow;
    const void *values;
    TRY(check_memory(entry_open(&e, vector_length(r->file, ENTRY_PARTS[0].name))));
    for (size_t p = 0; p < PARTS; p++) {
        if (p >= NEEDED_PARTS && !safetensors_find(r->file, ENTRY_PARTS[p].name).data)
            continue;
        TRY(take_tensor(
            r, &(safetensors_tensor){ENTRY_PARTS[p].name, SAFE_F64, 1, {e.columns, 0}, NULL},
            &values));
        for (size_t j = 0; j < e.columns; j++)
            *part_of(&e.column[j], p) = ((const double *)values)[j];
    }
    size_t count = vector_length(r->file, TABLE);
    if (count) {
        TRY(take_tensor(r, &(safetensors_tensor){TABLE, SAFE_F64, 1, {count, 0}, NULL}, &values));
        TRY(check_memory(entry_table(&e, count)));
        memcpy(e.table, values, count * sizeof *e.table);
    }
    TRY(entry_set(&e));
    TRY(flow_set_entry(f, &e));
    schema_close(&r->model->schema); /* it was the spec's columns' */
    return schema_read(&r->model->schema, NULL, f->entry.columns);
}

static nicest_status read_parts(const reading *r)
{
    TRY(read_entry(r));
    flow *f = r->model->flow;
    for (size_t i = 0; i < f->tensors.count; i++) {
        const tensor *t = &f->tensors.items[i];
        const void *values;
        TRY(take_tensor(
            r, &(safetensors_tensor){t->name, SAFE_F32, t->rank, {t->shape[0], t->shape[1]}, NULL},
            &values));
        for (size_t k = 0; k < t->count; k++)
            if (!isfinite(((const float *)values)[k]))
                return fail(NICEST_E_FORMAT, "tensor '%s': element %zu is not a finite number",
                            t->name, k);
        memcpy(*t->slot, values, t->count * sizeof(float));
    }
    TRY(flow_check(f));
    /* What is left must be arrays of higher floors. */
    const size_t prefix = sizeof EXTRA - 1;
    for (size_t i = 0; i < safetensors_count(r->file); i++) {
        safetensors_tensor t = safetensors_get(r->file, i);
        if (r->used[i])
            continue;
        if (strncmp(t.name, EXTRA, prefix))
            return fail(NICEST_E_FORMAT, "tensor '%.80s' has no place in the spec", t.name);
        if (t.type != SAFE_F64 || t.rank != 1 || t.shape[0] == 0)
            return fail(NICEST_E_FORMAT, "tensor '%.80s' is not a vector of F64", t.name);
        TRY(model_set_array(r->model, t.name + prefix, t.data, t.shape[0]));
    }
    for (size_t i = 0; i < safetensors_text_count(r->file); i++) {
        safetensors_text t = safetensors_get_text(r->file, i);
        if (!strcmp(t.name, KEY_FORMAT) || !strcmp(t.name, KEY_VERSION) ||
            !strcmp(t.name, KEY_SPEC))
            continue;
        TRY(model_set_entry(r->model, t.name, t.text));
    }
    return NICEST_OK;
}

/* An empty model of the file's spec. */
static nicest_status model_of_file(const safetensors *file, nicest_model **out)
{
    flow *f = NULL;
    const char *spec = safetensors_find_text(file, KEY_SPEC);
    const char *format = safetensors_find_text(file, KEY_FORMAT);
    const char *version = safetensors_find_text(file, KEY_VERSION);
    if (!format || strcmp(format, FORMAT) || !version)
        return fail(NICEST_E_FORMAT, "not a model of nicest: its metadata does not say so");
    if (strcmp(version, VERSION))
        return fail(NICEST_E_UNSUPPORTED,
                    "model format version %.20s; this program reads version %s", version, VERSION);
    if (!spec)
        return fail(NICEST_E_FORMAT, "its metadata has no '%s'", KEY_SPEC);
    /* A layer without tensors, such as a permutation, costs memory for each column although it is
     * one line of text. So the number of columns must be the one that the file has numbers for, and
     * what all lines may cost stays below 16 times the file's size. */
    static const char start[] = "nicest 1\ncolumns ";
    char *end = NULL;
    size_t lines = 0, columns = vector_length(file, ENTRY_PARTS[0].name);
    if (!columns)
        return fail(NICEST_E_FORMAT, "tensor '%s' is missing, or not a vector of F64",
                    ENTRY_PARTS[0].name);
    if (strncmp(spec, start, sizeof start - 1))
        return fail(NICEST_E_FORMAT, "the spec does not begin with 'nicest 1' and 'columns N'");
    if (strtoull(spec + sizeof start - 1, &end, 10) > columns || *end != '\n')
        return fail(NICEST_E_FORMAT, "the spec's number of columns is more than that of '%s', %zu",
                    ENTRY_PARTS[0].name, columns);
    for (const char *at = spec; (at = strchr(at, '\n')); at++)
        lines++;
    if (lines > safetensors_size(file) / columns * (16 / sizeof(uint32_t)))
        return fail(NICEST_E_FORMAT, "%zu layers of %zu columns are out of proportion to the file",
                    lines, columns);
    TRY(flow_new(&f, spec, safetensors_size(file) / sizeof(float)));
    return model_new(out, f);
}

static nicest_status read_model(const safetensors *file, nicest_model **out)
{
    OWNED_BY(model_drop) nicest_model *model = NULL;
    OWNED_NEW(bool *, used, safetensors_count(file));
    nicest_status status = model_of_file(file, &model);
    if (status == NICEST_OK)
        status = read_parts(&(reading){file, model, used});
    if (status == NICEST_OK)
        *out = memory_take(&model);
    /* what is wrong here is wrong in the file, not in an argument */
    return status == NICEST_E_ARGUMENT ? NICEST_E_FORMAT : status;
}

nicest_status nicest_model_load_bytes(nicest_model **model, const void *bytes, size_t size)
{
    OWNED_BY(safetensors_drop) safetensors *file = NULL;
    TRY(require(model && bytes, "the model or its bytes are NULL"));
    TRY(safetensors_open_bytes(&file, bytes, size));
    return read_model(file, model);
}

nicest_status nicest_model_load(nicest_model **model, const char *path)
{
    OWNED_BY(safetensors_drop) safetensors *file = NULL;
    TRY(require(model && path, "the model or the path is NULL"));
    TRY(safetensors_open(&file, path));
    nicest_status status = read_model(file, model);
    return status == NICEST_OK ? status : fail_in(status, "%s", path);
}
