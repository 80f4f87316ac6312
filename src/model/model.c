/* model.c - the handle: a flow, named texts, named arrays, and what can be asked about them.
 *
 * Knows no file (model_file.c), no JSON (schema.c) and runs nothing (run.c). Texts and arrays are
 * kept sorted by name, so that the order in which they were set leaves no trace in a file. */
#include "model/model.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "model/handle.h"
#include "model/utf8.h"

static void close_item(model_item *item)
{
    memory_free(item->name);
    memory_free(item->text);
    memory_free(item->values);
}

nicest_status model_new(nicest_model **out, flow *f)
{
    OWNED_BY(flow_drop) flow *owned = f;
    OWNED_BY(model_drop) nicest_model *m = memory_new(1, sizeof *m);
    TRY(check_memory(m));
    m->flow = memory_take(&owned);
    TRY(schema_read(&m->schema, NULL, f->entry.columns));
    *out = memory_take(&m);
    return NICEST_OK;
}

void nicest_model_free(nicest_model *model)
{
    if (!model)
        return;
    for (size_t i = 0; i < model->texts.count; i++)
        close_item(&model->texts.item[i]);
    for (size_t i = 0; i < model->arrays.count; i++)
        close_item(&model->arrays.item[i]);
    schema_close(&model->schema);
    flow_free(model->flow);
    memory_free(model->said);
    memory_free(model);
}

nicest_status model_say(nicest_model *model, const char *lines)
{
    char *longer = memory_format("%s%s", model_said(model), lines);
    TRY(check_memory(longer));
    memory_free(model->said);
    model->said = longer;
    return NICEST_OK;
}

const char *model_said(const nicest_model *model)
{
    return model->said ? model->said : "";
}

flow *model_flow(nicest_model *model)
{
    return model->flow;
}

const flow *model_flow_const(const nicest_model *model)
{
    return model->flow;
}

/* ------------------------------------------------------------------ texts and arrays */

/* Where an item of that name is, or belongs. */
static size_t find_item(const model_items *all, const char *name, bool *there)
{
    size_t i = 0;
    while (i < all->count && strcmp(all->item[i].name, name) < 0)
        i++;
    *there = i < all->count && !strcmp(all->item[i].name, name);
    return i;
}

/* Sets an item, or where it has neither text nor values takes it out. Takes over these, also on
 * failure. */
static nicest_status put_item(model_items *all, const char *name, model_item new_item)
{
    OWNED_BY(close_item) model_item item = new_item;
    assert(!(item.text && item.values));
    bool there, keep = item.text || item.values;
    size_t place = find_item(all, name, &there);
    model_item *at = all->item + place;
    if (keep && !there && all->count == MODEL_MOST_ENTRIES)
        return fail(NICEST_E_ARGUMENT, "a model has no more than %d %s", MODEL_MOST_ENTRIES,
                    item.text ? "entries" : "arrays");
    item.name = memory_text(name);
    TRY(check_memory(item.name));
    if (there) {
        close_item(at);
        all->count--;
        memmove(at, at + 1, (all->count - place) * sizeof *at);
    }
    if (keep) {
        memmove(at + 1, at, (all->count - place) * sizeof *at);
        all->count++;
        *at = item;
        item = (model_item){0};
    }
    return NICEST_OK;
}

nicest_status model_set_entry(nicest_model *model, const char *name, const char *text)
{
    static const char *const own[] = {"format", "nicest.version", "nicest.spec"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (!strcmp(name, own[i]))
            return fail(NICEST_E_ARGUMENT, "the entry '%s' belongs to the file itself", name);
    if (!utf8_valid(name) || (text && !utf8_valid(text)))
        return fail(NICEST_E_ARGUMENT, "the entry '%.80s' is not UTF-8", name);
    OWNED_BY(schema_close) model_schema fresh = {0};
    bool is_schema = !strcmp(name, MODEL_SCHEMA);
    if (is_schema)
        TRY(schema_read(&fresh, text, model->flow->entry.columns));
    model_item item = {.text = memory_text(text)};
    TRY(check_memory(item.text || !text));
    TRY(put_item(&model->texts, name, item));
    if (is_schema) {
        model_schema old = model->schema;
        model->schema = fresh;
        fresh = old;
    }
    return NICEST_OK;
}

const char *nicest_model_entry(const nicest_model *model, const char *name)
{
    bool there = false;
    size_t place = model && name ? find_item(&model->texts, name, &there) : 0;
    return there ? model->texts.item[place].text : NULL;
}

nicest_status model_set_array(nicest_model *model, const char *name, const double *values,
                              size_t count)
{
    model_item item = {.count = count};
    if (!utf8_valid(name))
        return fail(NICEST_E_ARGUMENT, "the array's name '%.80s' is not UTF-8", name);
    if (count)
        TRY_COPY(item.values, values, count);
    return put_item(&model->arrays, name, item);
}

const double *model_array(const nicest_model *model, const char *name, size_t *count)
{
    bool there;
    const model_item *item = model->arrays.item + find_item(&model->arrays, name, &there);
    if (there && count)
        *count = item->count;
    return there ? item->values : NULL;
}

/* ------------------------------------------------------------------ columns */

nicest_status model_set_schema(nicest_model *model, const char *const *names, unsigned height,
                               unsigned width, unsigned channels, const char *stored_type)
{
    OWNED char *text =
        schema_write(model->flow->entry.columns, names, height, width, channels, stored_type);
    TRY(check_memory(text));
    return model_set_entry(model, MODEL_SCHEMA, text);
}

nicest_status model_set_columns(nicest_model *model, const column_kind *kinds,
                                const char *const *left, size_t left_count)
{
    OWNED char *text = NULL;
    TRY(schema_add(&text, nicest_model_entry(model, MODEL_SCHEMA), model->flow->entry.columns,
                   kinds, left, left_count));
    return model_set_entry(model, MODEL_SCHEMA, text);
}

const column_kind *model_kind(const nicest_model *model, size_t column)
{
    static const column_kind plain = {NICEST_NUMBER, -1, NULL, NULL, 0};
    bool known = column < nicest_model_columns(model) && model->schema.kind;
    return known ? &model->schema.kind[column] : &plain;
}

char *const *model_left(const nicest_model *model, size_t *count)
{
    *count = model->schema.left_count;
    return model->schema.left;
}

nicest_column_kind nicest_model_column_kind(const nicest_model *model, size_t column)
{
    return model_kind(model, column)->kind;
}

const char *const *nicest_model_column_words(const nicest_model *model, size_t column,
                                             size_t *count)
{
    if (count)
        *count = model_kind(model, column)->word_count;
    return (const char *const *)model_kind(model, column)->words;
}

const char *nicest_model_column_format(const nicest_model *model, size_t column)
{
    return model_kind(model, column)->format;
}

int nicest_model_column_decimals(const nicest_model *model, size_t column)
{
    return model_kind(model, column)->decimals;
}

/* ------------------------------------------------------------------ questions */

size_t nicest_model_columns(const nicest_model *model)
{
    return model ? model->flow->entry.columns : 0;
}

size_t nicest_model_parameters(const nicest_model *model)
{
    return model ? model->flow->tensors.trainable : 0;
}

size_t nicest_model_tensors(const nicest_model *model)
{
    return model ? model->flow->tensors.count : 0;
}

nicest_status nicest_model_tensor(const nicest_model *model, size_t number, nicest_tensor *out)
{
    TRY(require(model && out, "a model and room for a tensor are needed"));
    if (number >= model->flow->tensors.count)
        return fail(NICEST_E_ARGUMENT, "tensor %zu: the model has %zu", number,
                    model->flow->tensors.count);
    const tensor *t = &model->flow->tensors.items[number];
    size_t wide = t->rank > 1 ? t->shape[1] : 1;
    *out = (nicest_tensor){t->name, *t->slot, t->rank, {t->shape[0], wide}};
    return NICEST_OK;
}

nicest_status nicest_model_tensor_named(const nicest_model *model, const char *name,
                                        nicest_tensor *out)
{
    TRY(require(model && name && out, "a model, a name and room for a tensor are needed"));
    for (size_t i = 0; i < model->flow->tensors.count; i++)
        if (!strcmp(model->flow->tensors.items[i].name, name))
            return nicest_model_tensor(model, i, out);
    return fail(NICEST_E_ARGUMENT, "the model has no tensor '%.80s'", name);
}

const char *nicest_model_spec(const nicest_model *model)
{
    return model ? model->flow->spec.text : NULL;
}

const char *nicest_model_column_name(const nicest_model *model, size_t column)
{
    return column < nicest_model_columns(model) ? model->schema.name[column] : NULL;
}

void nicest_model_image(const nicest_model *model, unsigned *height, unsigned *width,
                        unsigned *channels)
{
    if (height)
        *height = model ? model->schema.height : 0;
    if (width)
        *width = model ? model->schema.width : 0;
    if (channels)
        *channels = model ? model->schema.channels : 0;
}

int nicest_model_quantised(const nicest_model *model, size_t column, double *levels, double *step,
                           double *unit)
{
    if (column >= nicest_model_columns(model))
        return 0;
    const entry_column *c = &model->flow->entry.column[column];
    if (!(c->unit > 0))
        return 0;
    if (levels)
        *levels = c->levels;
    if (step)
        *step = c->step;
    if (unit)
        *unit = c->unit;
    return 1;
}

int nicest_model_given(const nicest_model *model, size_t column)
{
    return column < nicest_model_columns(model) && model->flow->entry.column[column].given > 0;
}

size_t nicest_model_impossible(const nicest_model *model, const double *row)
{
    return model && row ? entry_impossible(&model->flow->entry, row) : nicest_model_columns(model);
}

double nicest_model_bits_per_dim(const nicest_model *model, double logp)
{
    if (!model)
        return NAN;
    double d = (double)model->flow->entry.columns;
    return -(logp + entry_log_units(&model->flow->entry)) / (d * log(2.0));
}
