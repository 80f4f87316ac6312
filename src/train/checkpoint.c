/* checkpoint.c - see checkpoint.h. */
#include "train/checkpoint.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "model/json.h"
#include "model/safetensors.h"
#include "model/utf8.h"

/* The vectors of a run, by name; absent ones are NULL. */
typedef struct vectors {
    safetensors_tensor item[5];
    float *target[5];
    size_t count;
} vectors;

static void add_vector(vectors *v, const char *name, float *data, size_t count)
{
    assert(v->count < sizeof v->target / sizeof *v->target);
    if (!data)
        return;
    v->target[v->count] = data;
    v->item[v->count++] = (safetensors_tensor){name, SAFE_F32, 1, {count, 0}, data};
}

static vectors list_vectors(const flow *f, const train_state *s)
{
    vectors v = {.count = 0};
    size_t n = f->tensors.trainable;
    add_vector(&v, "theta", f->theta, n);
    add_vector(&v, "best", s->best, n);
    add_vector(&v, "first", s->optimizer.first, n);
    add_vector(&v, "second", s->optimizer.second, n);
    add_vector(&v, "average", s->optimizer.average, n);
    return v;
}

nicest_status checkpoint_write(const char *path, const flow *f, const train_state *s,
                               const char *identity, const char *chosen, const char *start)
{
    assert(identity && start);
    vectors v = list_vectors(f, s);
    OWNED char *counters = record_counters(s), *said = utf8_repaired(chosen ? chosen : "");
    TRY(check_memory(counters && said));
    safetensors_text texts[] = {
        {"format", "nicest-checkpoint"}, {"nicest.version", "1"}, {"nicest.identity", identity},
        {"nicest.counters", counters},   {"nicest.start", start}, {"nicest.chosen", said},
    };
    return safetensors_write(path, v.item, v.count, texts, 6);
}

static bool is_checkpoint(const safetensors *file)
{
    const char *format = safetensors_find_text(file, "format");
    return format && !strcmp(format, "nicest-checkpoint");
}

nicest_status checkpoint_prepare(const char *path)
{
    file_writer *writer = NULL;
    OWNED_BY(safetensors_drop) safetensors *file = NULL;
    TRY(file_writer_open(&writer, path));
    file_writer_abandon(writer);
    struct stat facts;
    if (stat(path, &facts) != 0 || !S_ISREG(facts.st_mode) || facts.st_size == 0)
        return NICEST_OK;
    nicest_status status = safetensors_open(&file, path);
    if (status == NICEST_E_MEMORY || (status == NICEST_OK && is_checkpoint(file)))
        return status;
    return fail(NICEST_E_ARGUMENT,
                "%s: is there, and no checkpoint; name another file for the checkpoint", path);
}

static nicest_status restore(const safetensors *file, flow *f, train_state *s, const char *identity)
{
    vectors v = list_vectors(f, s);
    const char *counters = safetensors_find_text(file, "nicest.counters");
    const char *version = safetensors_find_text(file, "nicest.version");
    const char *theirs = safetensors_find_text(file, "nicest.identity");
    if (!is_checkpoint(file) || !version || !theirs)
        return fail(NICEST_E_FORMAT, "it is not a checkpoint");
    if (strcmp(version, "1"))
        return fail(NICEST_E_UNSUPPORTED, "checkpoint version %.20s; this program reads version 1",
                    version);
    OWNED char *difference = NULL;
    TRY(record_difference(theirs, identity, &difference));
    if (difference)
        return fail(NICEST_E_MISMATCH, "it belongs to another run: %s", difference);
    for (size_t i = 0; i < v.count; i++) {
        safetensors_tensor t = safetensors_find(file, v.item[i].name);
        if (!t.data || t.type != SAFE_F32 || t.rank != 1 || t.shape[0] != v.item[i].shape[0])
            return fail(NICEST_E_FORMAT, "its array '%s' is missing or of another shape",
                        v.item[i].name);
        for (size_t k = 0; k < t.shape[0]; k++)
            if (!isfinite(((const float *)t.data)[k]))
                return fail(NICEST_E_FORMAT, "its array '%s' holds what is not a finite number",
                            v.item[i].name);
    }
    if (!counters)
        return fail(NICEST_E_FORMAT, "it has no counters");
    TRY(record_read_counters(counters, s));
    for (size_t i = 0; i < v.count; i++)
        memcpy(v.target[i], safetensors_find(file, v.item[i].name).data,
               v.item[i].shape[0] * sizeof(float));
    return NICEST_OK;
}

nicest_status checkpoint_read(const char *path, flow *f, train_state *s, const char *identity)
{
    OWNED_BY(safetensors_drop) safetensors *file = NULL;
    TRY(safetensors_open(&file, path));
    nicest_status status = restore(file, f, s, identity);
    return status == NICEST_OK ? status : fail_in(status, "%s", path);
}

static const char RACE_STAGE[] = "nicest.stage";

nicest_status checkpoint_write_race(const char *path)
{
    safetensors_text texts[] = {
        {"format", "nicest-checkpoint"}, {"nicest.version", "1"}, {RACE_STAGE, "race"}};
    return safetensors_write(path, NULL, 0, texts, 3);
}

nicest_status checkpoint_spec(const char *path, char **spec, char **chosen, char *start,
                              size_t size, double *rate)
{
    OWNED_BY(safetensors_drop) safetensors *file = NULL;
    json_auto_t *identity = NULL;
    TRY(safetensors_open(&file, path));
    const char *text = safetensors_find_text(file, "nicest.identity");
    if (!is_checkpoint(file))
        return fail(NICEST_E_FORMAT, "%s: it is not a checkpoint", path);
    if (safetensors_find_text(file, RACE_STAGE))
        return NICEST_OK;
    nicest_status status = text ? json_read(&identity, text, strlen(text)) : NICEST_E_FORMAT;
    const char *found = json_string_value(json_object_get(identity, "spec"));
    if (status != NICEST_OK || !found)
        return fail(NICEST_E_FORMAT, "%s: its identity cannot be read", path);
    *spec = memory_text(found);
    TRY(check_memory(*spec));
    json_t *learning = json_object_get(json_object_get(identity, "recipe"), "learning_rate");
    *rate = json_is_real(learning) ? json_real_value(learning) : *rate;
    const char *begun = safetensors_find_text(file, "nicest.start");
    const char *said = safetensors_find_text(file, "nicest.chosen");
    snprintf(start, size, "%s", begun ? begun : "");
    *chosen = said ? memory_text(said) : NULL;
    return NICEST_OK;
}
