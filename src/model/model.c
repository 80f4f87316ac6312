/* model.c - the handle: a flow, named texts, named arrays, and what can be asked about them.
 *
 * Knows no file (model_file.c), no JSON (schema.c) and runs nothing (run.c). Texts and arrays are
 * kept sorted by name, so that the order in which they were set leaves no trace in a file. */
#include "model/model.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "model/handle.h"
#include "model/utf8.h"

nicest_status model_new(nicest_model **out, flow *f)
{
    nicest_model *m = memory_new(1, sizeof *m);
    if (!m) {
        flow_free(f);
        return fail_memory();
    }
    m->flow = f;
    nicest_status status = schema_read(&m->schema, NULL, f->entry.columns);
    if (status != NICEST_OK)
        nicest_model_free(m);
    else
        *out = m;
    return status;
}

void nicest_model_free(nicest_model *model)
{
    if (!model)
        return;
    for (size_t i = 0; i < model->entries; i++) {
        memory_free(model->entry[i].name);
        memory_free(model->entry[i].text);
    }
    for (size_t i = 0; i < model->arrays; i++) {
        memory_free(model->array[i].name);
        memory_free(model->array[i].values);
    }
    schema_close(&model->schema);
    flow_free(model->flow);
    memory_free(model->said);
    memory_free(model);
}

nicest_status model_say(nicest_model *model, const char *lines)
{
    char *longer = memory_format("%s%s", model_said(model), lines);
    if (!longer)
        return fail_memory();
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

/* ------------------------------------------------------------------ entries */

/* Where an entry of that name is, or belongs. */
static size_t find_entry(const nicest_model *m, const char *name, bool *there)
{
    size_t i = 0;
    while (i < m->entries && strcmp(m->entry[i].name, name) < 0)
        i++;
    *there = i < m->entries && !strcmp(m->entry[i].name, name);
    return i;
}

static nicest_status insert_entry(nicest_model *m, size_t place, const char *name, char *text)
{
    if (m->entries == MODEL_MOST_ENTRIES)
        return fail(NICEST_E_ARGUMENT, "a model has no more than %d entries", MODEL_MOST_ENTRIES);
    char *copy = memory_text(name);
    if (!copy)
        return fail_memory();
    memmove(m->entry + place + 1, m->entry + place, (m->entries - place) * sizeof *m->entry);
    m->entry[place] = (model_entry){copy, text};
    m->entries++;
    return NICEST_OK;
}

static nicest_status put_entry(nicest_model *m, const char *name, const char *text)
{
    bool there;
    size_t place = find_entry(m, name, &there);
    char *copy = memory_text(text);
    if (text && !copy)
        return fail_memory();
    if (text && there) {
        memory_free(m->entry[place].text);
        m->entry[place].text = copy;
    } else if (text) {
        nicest_status status = insert_entry(m, place, name, copy);
        if (status != NICEST_OK)
            memory_free(copy);
        return status;
    } else if (there) {
        memory_free(m->entry[place].name);
        memory_free(m->entry[place].text);
        m->entries--;
        memmove(m->entry + place, m->entry + place + 1, (m->entries - place) * sizeof *m->entry);
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
    if (strcmp(name, MODEL_SCHEMA))
        return put_entry(model, name, text);
    model_schema fresh = {0};
    TRY(schema_read(&fresh, text, model->flow->entry.columns));
    nicest_status status = put_entry(model, name, text);
    if (status != NICEST_OK) {
        schema_close(&fresh);
        return status;
    }
    schema_close(&model->schema);
    model->schema = fresh;
    return NICEST_OK;
}

const char *nicest_model_entry(const nicest_model *model, const char *name)
{
    bool there = false;
    size_t place = model && name ? find_entry(model, name, &there) : 0;
    return there ? model->entry[place].text : NULL;
}

/* ------------------------------------------------------------------ arrays */

static size_t array_place(const nicest_model *m, const char *name, bool *there)
{
    size_t i = 0;
    while (i < m->arrays && strcmp(m->array[i].name, name) < 0)
        i++;
    *there = i < m->arrays && !strcmp(m->array[i].name, name);
    return i;
}

static nicest_status insert_array(nicest_model *m, size_t place, const model_stored *item)
{
    if (m->arrays == MODEL_MOST_ENTRIES)
        return fail(NICEST_E_ARGUMENT, "a model has no more than %d arrays", MODEL_MOST_ENTRIES);
    memmove(m->array + place + 1, m->array + place, (m->arrays - place) * sizeof *m->array);
    m->array[place] = *item;
    m->arrays++;
    return NICEST_OK;
}

nicest_status model_set_array(nicest_model *model, const char *name, const double *values,
                              size_t count)
{
    bool there;
    size_t place = array_place(model, name, &there);
    model_stored item = {0};
    if (!utf8_valid(name))
        return fail(NICEST_E_ARGUMENT, "the array's name '%.80s' is not UTF-8", name);
    if (count) {
        item = (model_stored){memory_text(name), memory_new(count, sizeof *values), count};
        if (!item.name || !item.values) {
            memory_free(item.name);
            memory_free(item.values);
            return fail_memory();
        }
        memcpy(item.values, values, count * sizeof *values);
    }
    if (there) {
        memory_free(model->array[place].name);
        memory_free(model->array[place].values);
        model->arrays--;
        memmove(model->array + place, model->array + place + 1,
                (model->arrays - place) * sizeof *model->array);
    }
    nicest_status status = count ? insert_array(model, place, &item) : NICEST_OK;
    if (status != NICEST_OK) {
        memory_free(item.name);
        memory_free(item.values);
    }
    return status;
}

const double *model_array(const nicest_model *model, const char *name, size_t *count)
{
    bool there;
    size_t place = array_place(model, name, &there);
    if (there && count)
        *count = model->array[place].count;
    return there ? model->array[place].values : NULL;
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

const char *nicest_model_spec(const nicest_model *model)
{
    return model ? model->flow->spec.text : NULL;
}

const char *nicest_model_column_name(const nicest_model *model, size_t column)
{
    return column < nicest_model_columns(model) ? model->schema.name[column] : NULL;
}

static void give_unsigned(unsigned *to, unsigned value)
{
    if (to)
        *to = value;
}

void nicest_model_image(const nicest_model *model, unsigned *height, unsigned *width,
                        unsigned *channels)
{
    give_unsigned(height, model ? model->schema.height : 0);
    give_unsigned(width, model ? model->schema.width : 0);
    give_unsigned(channels, model ? model->schema.channels : 0);
}

static void give_double(double *to, double value)
{
    if (to)
        *to = value;
}

int nicest_model_quantised(const nicest_model *model, size_t column, double *levels, double *step,
                           double *unit)
{
    if (column >= nicest_model_columns(model))
        return 0;
    const entry_column *c = &model->flow->entry.column[column];
    if (!(c->step > 0))
        return 0;
    give_double(levels, c->levels);
    give_double(step, c->step);
    give_double(unit, c->unit);
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
