/* record.c - see record.h. Everything is JSON by jansson; numbers keep 17 digits. */
#include "train/record.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "data/source.h"
#include "model/json.h"
#include "model/utf8.h"

enum { JSON_STYLE = JSON_COMPACT | JSON_REAL_PRECISION(17) };

/* NaN and infinities are null in JSON. */
static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static char *dump_json(json_t *object)
{
    json_auto_t *owned = object;
    return json_text(owned, JSON_STYLE);
}

/* ------------------------------------------------------------------ the curve */

void record_point(train_state *s, const curve_point *point)
{
    assert(s->points <= CURVE_POINTS);
    if (!s->stride)
        s->stride = 1;
    if (++s->skipped < s->stride)
        return;
    s->skipped = 0;
    if (s->points == CURVE_POINTS) {
        for (size_t i = 0; i < CURVE_POINTS / 2; i++)
            s->curve[i] = s->curve[2 * i + 1];
        s->points = CURVE_POINTS / 2;
        s->skipped = s->stride;
        s->stride *= 2;
        return;
    }
    s->curve[s->points++] = *point;
}

static json_t *curve_json(const train_state *s)
{
    json_t *curve = json_array();
    for (size_t i = 0; curve && i < s->points; i++) {
        const curve_point *p = &s->curve[i];
        json_t *point = json_pack("[I, f, o, o, f]", (json_int_t)p->step, p->epoch,
                                  number(p->train_logp), number(p->valid_logp), p->rate);
        if (json_array_append_new(curve, point) != 0) {
            json_decref(curve);
            return NULL;
        }
    }
    return curve;
}

/* ------------------------------------------------------------------ record and identity */

static json_t *recipe_json(const recipe *r, const nicest_train_options *o)
{
    static const char *const names[] = {"adam", "rmsprop", "sgd"};
    return json_pack(
        "{s:s, s:s, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:i, s:i, s:I, s:s}",
        "preset", r->preset, "optimizer", names[r->optimizer.kind], "batch", (json_int_t)r->batch,
        "epochs", (json_int_t)r->epochs, "time", r->seconds, "learning_rate", r->rate, "warmup",
        r->warmup, "final_rate", r->final_rate, "clip", r->clip, "beta1", r->optimizer.beta1,
        "beta2", r->optimizer.beta2, "epsilon", r->optimizer.epsilon, "weight_decay",
        r->optimizer.weight_decay, "average", r->optimizer.average, "patience", r->patience,
        "shift", (int)r->shift, "seed", (json_int_t)o->seed, "precision",
        o->precision == NICEST_BF16 ? "bf16" : "f32");
}

/* The lines of a text, as far as they are UTF-8. */
static json_t *lines_json(const char *text)
{
    OWNED char *clean = utf8_repaired(text ? text : "");
    json_t *lines = clean ? json_array() : NULL;
    for (const char *at = clean; lines && *at;) {
        size_t length = strcspn(at, "\n");
        if (json_array_append_new(lines, json_stringn(at, length)) != 0) {
            json_decref(lines);
            lines = NULL;
        }
        at += length + (at[length] == '\n');
    }
    return lines;
}

char *record_chosen(const recipe *r, const nicest_train_options *options, const char *start,
                    const char *said)
{
    return dump_json(json_pack("{s:o, s:s?, s:s?, s:o}", "recipe", recipe_json(r, options), "spec",
                               r->spec, "start", *start ? start : NULL, "chosen",
                               lines_json(said)));
}

char *record_training(const train_state *s, const recipe *r, const nicest_train_options *options,
                      const nicest_train_result *result, size_t valid_rows, size_t held_out_rows)
{
    OWNED char *chosen = utf8_repaired(result->chosen); /* it names columns of anybody's files */
    if (!chosen)
        return NULL;
    return dump_json(json_pack(
        "{s:o, s:I, s:I, s:I, s:I, s:I, s:i, s:o, s:o, s:o, s:o, s:{s:o, s:o}, s:s, s:[s,s,s,s,s], s:o}",
        "recipe", recipe_json(r, options), "rows", (json_int_t)result->rows, "valid_rows",
        (json_int_t)valid_rows, "held_out_rows", (json_int_t)held_out_rows, "epochs",
        (json_int_t)result->epochs, "steps", (json_int_t)result->steps, "retries", result->retries,
        "train_logp", number(result->train_logp), "valid_logp", number(result->valid_logp),
        "held_out_logp", number(result->test_logp), "gaussian_logp", number(result->gaussian_logp),
        "references", "copula", number(result->copula_logp), "mixture",
        number(result->mixture_logp), "chosen", chosen, "curve_columns", "step", "epoch",
        "train_logp", "valid_logp", "rate", "curve", curve_json(s)));
}

/* CRC of all stored values, so that a change of one number is noticed. */
static json_t *data_json(const nicest_data *data)
{
    OWNED_BY(row_walk_close) row_walk w = {0};
    uint32_t sum = 0;
    if (row_walk_begin(&w, data, 64) != NICEST_OK)
        return NULL;
    while (row_walk_next(&w)) /* what the sum is depends on how many at a time */
        sum = sum * 31 + file_crc32(0, w.rows, w.count * w.columns * sizeof *w.rows);
    return json_pack("{s:I, s:I, s:I}", "rows", (json_int_t)nicest_data_rows(data), "columns",
                     (json_int_t)w.columns, "checksum", (json_int_t)sum);
}

char *record_identity(const recipe *r, const nicest_train_options *options,
                      const nicest_data *train, const nicest_data *valid,
                      const nicest_data *held_out)
{
    json_auto_t *identity =
        json_pack("{s:s, s:s, s:o, s:o, s:o, s:o}", "version", nicest_version(), "spec",
                  r->spec ? r->spec : "", "recipe", recipe_json(r, options), "training data",
                  data_json(train), "validation data", data_json(valid), "held-out data",
                  data_json(held_out));
    if (identity && options->init) {
        OWNED unsigned char *bytes = NULL;
        size_t size = 0;
        if (nicest_model_save_bytes(options->init, &bytes, &size) != NICEST_OK)
            return NULL;
        json_object_set_new(identity, "first model",
                            json_integer((json_int_t)file_crc32(0, bytes, size)));
    }
    return json_text(identity, JSON_STYLE);
}

/* "recipe: batch was 32, is 64" */
static nicest_status say_difference(const char *place, const json_t *theirs, const json_t *ours,
                                    char **found)
{
    if (json_is_string(theirs) && json_is_string(ours)) {
        /* Past the lines that two texts have in common: a spec differs in one of many. */
        const char *was = json_string_value(theirs), *is = json_string_value(ours);
        for (size_t n; (n = strcspn(was, "\n")), was[n] && !strncmp(was, is, n + 1);) {
            was += n + 1;
            is += n + 1;
        }
        *found = memory_format("%s was '%.*s', is '%.*s'", place, (int)strcspn(was, "\n"), was,
                               (int)strcspn(is, "\n"), is);
        return check_memory(*found);
    }
    OWNED char *a = json_text(theirs, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
    OWNED char *b = json_text(ours, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
    TRY(check_memory(b && (a || !theirs)));
    *found = memory_format("%s was %.80s, is %.80s", place, a ? a : "not there", b);
    return check_memory(*found);
}

/* Depth first. */
static nicest_status compare_identities(const json_t *theirs, const json_t *ours, const char *place,
                                        char **found)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)ours, key, value)
    {
        const json_t *other = json_object_get(theirs, key);
        OWNED char *here = memory_format("%s%s%s", place, *place ? ": " : "", key);
        TRY(check_memory(here));
        if (json_is_object(value) && json_is_object(other))
            TRY(compare_identities(other, value, here, found));
        else if (!other || !json_equal(value, (json_t *)other))
            TRY(say_difference(here, other, value, found));
        if (*found)
            return NICEST_OK;
    }
    return NICEST_OK;
}

nicest_status record_difference(const char *theirs, const char *ours, char **difference)
{
    json_auto_t *a = NULL, *b = NULL;
    *difference = NULL;
    nicest_status status = json_read(&a, theirs, strlen(theirs));
    if (status == NICEST_E_FORMAT || (a && !json_is_object(a)))
        return fail(NICEST_E_FORMAT, "its identity cannot be read");
    TRY(status);
    TRY(json_read(&b, ours, strlen(ours)));
    return compare_identities(a, b, "", difference);
}

/* ------------------------------------------------------------------ counters */

/* The counters as a table of names and places, so that writing and reading cannot differ. */
typedef struct counter {
    const char *name;
    enum { WHOLE, REAL } kind; /* uint64_t, double */
    size_t offset;
} counter;

#define COUNTER(kind, name)                                                                        \
    {                                                                                              \
#name, kind, offsetof(train_state, name)                                                   \
    }
static const counter COUNTERS[] = {
    COUNTER(WHOLE, step),         COUNTER(WHOLE, epoch),
    COUNTER(WHOLE, in_epoch),     COUNTER(WHOLE, draws),
    COUNTER(WHOLE, retries),      COUNTER(WHOLE, above),
    COUNTER(REAL, rate_factor),   COUNTER(REAL, seconds),
    COUNTER(REAL, start_logp),    COUNTER(REAL, valid_logp),
    COUNTER(REAL, best_logp),     COUNTER(REAL, train_logp),
    COUNTER(WHOLE, stale),        COUNTER(REAL, sum),
    COUNTER(WHOLE, summed),       COUNTER(WHOLE, log_bytes),
    COUNTER(WHOLE, log_checksum), COUNTER(WHOLE, stride),
    COUNTER(WHOLE, skipped),      COUNTER(WHOLE, optimizer.steps),
    COUNTER(WHOLE, best_step),    COUNTER(REAL, best_seconds),
    COUNTER(WHOLE, raced),        COUNTER(REAL, raced_seconds),
    COUNTER(REAL, copula_logp),   COUNTER(REAL, mixture_logp),
};
enum { COUNTER_COUNT = sizeof COUNTERS / sizeof *COUNTERS };

char *record_counters(const train_state *s)
{
    json_auto_t *object = json_object();
    bool good = true;
    for (size_t i = 0; i < COUNTER_COUNT; i++) {
        const char *place = (const char *)s + COUNTERS[i].offset;
        json_t *value = COUNTERS[i].kind == WHOLE
                            ? json_integer((json_int_t) * (const uint64_t *)(const void *)place)
                            : number(*(const double *)(const void *)place);
        good = json_object_set_new(object, COUNTERS[i].name, value) == 0 && good;
    }
    good = json_object_set_new(object, "curve", curve_json(s)) == 0 && good;
    return good ? json_text(object, JSON_STYLE) : NULL;
}

static bool read_counter(const json_t *object, const counter *c, train_state *s)
{
    const json_t *value = json_object_get(object, c->name);
    char *place = (char *)s + c->offset;
    if (c->kind == REAL) {
        *(double *)(void *)place = json_is_number(value) ? json_number_value(value) : (double)NAN;
        return json_is_real(value) || json_is_null(value);
    }
    *(uint64_t *)(void *)place = (uint64_t)json_integer_value(value);
    return json_is_integer(value) && json_integer_value(value) >= 0;
}

static bool read_curve(const json_t *curve, train_state *s)
{
    size_t points = json_array_size(curve);
    if (!json_is_array(curve) || points > CURVE_POINTS)
        return false;
    for (size_t i = 0; i < points; i++) {
        const json_t *p = json_array_get(curve, i);
        const json_t *train = json_array_get(p, 2), *valid = json_array_get(p, 3);
        s->curve[i] = (curve_point){
            (size_t)json_integer_value(json_array_get(p, 0)),
            json_number_value(json_array_get(p, 1)),
            json_is_number(train) ? json_number_value(train) : NAN,
            json_is_number(valid) ? json_number_value(valid) : NAN,
            json_number_value(json_array_get(p, 4)),
        };
    }
    s->points = points;
    return true;
}

nicest_status record_read_counters(const char *text, train_state *s)
{
    json_auto_t *object = NULL;
    nicest_status status = json_read(&object, text, strlen(text));
    if (status != NICEST_OK)
        return status == NICEST_E_FORMAT ? fail_in(status, "its counters") : status;
    train_state read = *s;
    bool good = json_is_object(object) && read_curve(json_object_get(object, "curve"), &read);
    for (size_t i = 0; good && i < COUNTER_COUNT; i++)
        good = read_counter(object, &COUNTERS[i], &read);
    /* a run measures its own time and rate: without them it would not come to an end */
    good = good && isfinite(read.seconds) && read.seconds >= 0 && read.rate_factor > 0 &&
           read.rate_factor <= 1 && read.retries < 1000000 && isfinite(read.best_logp);
    if (!good)
        return fail(NICEST_E_FORMAT, "its counters cannot be read");
    *s = read;
    return NICEST_OK;
}

/* ------------------------------------------------------------------ the log */

static nicest_status fail_log(const char *path)
{
    return fail(NICEST_E_IO, "%s: the log cannot be written: %s", path, strerror(errno));
}

static const char LINE_START[] = "{\"step\":";

/* Whether all that follows are log lines of later steps; the last may be half written. */
static bool only_later_lines(FILE *file, uint64_t step)
{
    char line[1024];
    while (fgets(line, sizeof line, file)) {
        size_t start = strlen(LINE_START), length = strlen(line);
        bool whole = length > 0 && line[length - 1] == '\n';
        if (strncmp(line, LINE_START, whole || length > start ? start : length) != 0)
            return false;
        if (whole && strtoull(line + start, NULL, 10) < step)
            return false;
        if (!whole && getc(file) != EOF) /* our lines are shorter */
            return false;
    }
    return !ferror(file);
}

/* Cuts what was written after the checkpoint: those lines will come again. What stands before must
 * be what this run wrote, to the byte, and what is cut must be lines of a log: whoever made the
 * checkpoint, it cuts no other file. */
static nicest_status cut_log(FILE *file, const char *path, uint64_t size, const train_state *s)
{
    uint32_t sum = 0;
    if (size < s->log_bytes)
        return fail(NICEST_E_MISMATCH,
                    "%s: the log has %llu bytes and had %llu at the checkpoint: lines "
                    "are missing; name another log",
                    path, (unsigned long long)size, (unsigned long long)s->log_bytes);
    rewind(file);
    for (uint64_t left = s->log_bytes, some; left > 0; left -= some) {
        unsigned char piece[4096];
        some = left < sizeof piece ? left : sizeof piece;
        if (fread(piece, 1, (size_t)some, file) != some)
            return fail_log(path);
        sum = file_crc32(sum, piece, (size_t)some);
    }
    if (sum != s->log_checksum)
        return fail(NICEST_E_MISMATCH,
                    "%s: is not the log of this run: its first %llu bytes are not those "
                    "that were written; name another log",
                    path, (unsigned long long)s->log_bytes);
    if (!only_later_lines(file, s->step))
        return fail(NICEST_E_MISMATCH,
                    "%s: is not the log of this run: behind byte %llu stands what is no "
                    "line of a later step; name another log",
                    path, (unsigned long long)s->log_bytes);
    return ftruncate(fileno(file), (off_t)s->log_bytes) == 0 ? NICEST_OK : fail_log(path);
}

nicest_status record_log_begin(const char *path, train_state *s, bool resumed)
{
    FILE *file = fopen(path, "ab+");
    struct stat facts;
    if (!file)
        return fail_log(path);
    nicest_status status = fstat(fileno(file), &facts) == 0 ? NICEST_OK : fail_log(path);
    bool regular = status == NICEST_OK && S_ISREG(facts.st_mode);
    if (!regular || facts.st_size == 0 || !resumed) /* a pipe, a device, a new log */
        s->log_bytes = s->log_checksum = 0;
    if (regular && !resumed) { /* an earlier log is replaced, and nothing else */
        char start[sizeof LINE_START] = "";
        rewind(file);
        size_t size = fread(start, 1, sizeof LINE_START - 1, file);
        if (!ferror(file) && size > 0 && strcmp(start, LINE_START))
            status =
                fail(NICEST_E_ARGUMENT,
                     "%s: is there, and no log of training; name another file for the log", path);
        else if (ferror(file) || ftruncate(fileno(file), 0) != 0)
            status = fail_log(path);
    } else if (regular)
        status = cut_log(file, path, (uint64_t)facts.st_size, s);
    if (fclose(file) != 0 && status == NICEST_OK)
        status = fail_log(path);
    return status;
}

nicest_status record_log_sync(const char *path)
{
    FILE *file = fopen(path, "ab");
    struct stat facts;
    if (!file)
        return fail_log(path);
    bool good =
        fstat(fileno(file), &facts) == 0 && (!S_ISREG(facts.st_mode) || fsync(fileno(file)) == 0);
    if (!good)
        fail_log(path);
    fclose(file);
    return good ? NICEST_OK : NICEST_E_IO;
}

nicest_status record_log(const char *path, train_state *s, const curve_point *p)
{
    OWNED char *line = dump_json(json_pack(
        "{s:I, s:f, s:o, s:o, s:o, s:f, s:f, s:i}", "step", (json_int_t)p->step, "epoch", p->epoch,
        "train_logp", number(p->train_logp), "valid_logp", number(p->valid_logp), "best_logp",
        number(s->best_logp), "rate", p->rate, "seconds", s->seconds, "retries", (int)s->retries));
    FILE *file = line ? fopen(path, "ab") : NULL;
    bool good = file && fprintf(file, "%s\n", line) > 0;
    if (file)
        good = fclose(file) == 0 && good;
    if (good) {
        s->log_bytes += strlen(line) + 1;
        s->log_checksum = file_crc32((uint32_t)s->log_checksum, line, strlen(line));
        s->log_checksum = file_crc32((uint32_t)s->log_checksum, "\n", 1);
    }
    return good ? NICEST_OK : fail_log(path);
}
