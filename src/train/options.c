/* options.c - training options by name and text, for callers that cannot fill a structure, and for
 * words that stand for numbers. What values make sense together is the recipe's. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "base/number.h"
#include "base/status.h"
#include "nicest.h"

/* WORD: the place of the word in `words` (divided by |), counted from `first`. */
typedef enum option_kind { TEXT, INTEGER, COUNT, REAL, SECONDS, SEED, WORD } option_kind;
typedef struct named_option {
    const char *name;
    option_kind kind;
    size_t offset;
    const char *words;
} named_option;

#define OPTION(name, kind)                                                                         \
    {                                                                                              \
#name, kind, offsetof(nicest_train_options, name), NULL                                    \
    }
#define WORDS(name, words)                                                                         \
    {                                                                                              \
#name, WORD, offsetof(nicest_train_options, name), words                                   \
    }
static const named_option OPTIONS[] = {
    OPTION(preset, TEXT),
    OPTION(spec, TEXT),
    OPTION(coupling, TEXT),
    OPTION(couplings, INTEGER),
    OPTION(bins, INTEGER),
    OPTION(blocks, INTEGER),
    OPTION(dropout, REAL),
    OPTION(linear, TEXT),
    OPTION(hidden, TEXT),
    OPTION(activation, TEXT),
    OPTION(prior, TEXT),
    OPTION(absence, TEXT),
    OPTION(given, TEXT),
    OPTION(preprocess, TEXT),
    OPTION(batch, COUNT),
    OPTION(learning_rate, REAL),
    OPTION(epochs, COUNT),
    {"time", SECONDS, offsetof(nicest_train_options, seconds), NULL},
    OPTION(seconds, REAL),
    OPTION(valid_share, REAL),
    OPTION(calibration_share, REAL),
    OPTION(patience, INTEGER),
    WORDS(optimizer, "adam|rmsprop|sgd"),
    OPTION(beta1, REAL),
    OPTION(beta2, REAL),
    OPTION(epsilon, REAL),
    OPTION(weight_decay, REAL),
    OPTION(warmup, REAL),
    OPTION(final_rate, REAL),
    OPTION(clip, REAL),
    OPTION(accumulate, COUNT),
    OPTION(average, REAL),
    OPTION(shift, INTEGER),
    WORDS(precision, "f32|bf16"),
    WORDS(neighbours, "no|yes"),
    WORDS(recompute, "no|yes"),
    OPTION(seed, SEED),
    OPTION(threads, INTEGER),
    OPTION(checkpoint, TEXT),
    OPTION(checkpoint_steps, COUNT),
    OPTION(checkpoint_epochs, REAL),
    OPTION(checkpoint_seconds, REAL),
    OPTION(resume, TEXT),
    OPTION(log, TEXT),
};
enum { OPTION_COUNT = sizeof OPTIONS / sizeof *OPTIONS };

const char *nicest_train_option_name(size_t number)
{
    return number < OPTION_COUNT ? OPTIONS[number].name : NULL;
}

nicest_status nicest_train_options_new(nicest_train_options **options)
{
    nicest_train_options *made;
    TRY(require(options, "a place for the options is needed"));
    TRY_NEW(made, 1);
    nicest_train_defaults(made);
    *options = made;
    return NICEST_OK;
}

void nicest_train_options_free(nicest_train_options *options)
{
    memory_free(options);
}

static nicest_status not_such(const named_option *o, const char *value, const char *expected)
{
    return fail(NICEST_E_ARGUMENT, "%s '%.40s': expected %s", o->name, value, expected);
}

/* "90", "90s", "10m", "1.5h" */
static bool read_seconds(const char *value, double *seconds)
{
    size_t length = strlen(value);
    char unit = length ? value[length - 1] : 's';
    double times = unit == 'h' ? 3600 : unit == 'm' ? 60 : 1;
    char digits[40];
    if (length >= sizeof digits)
        return false;
    memcpy(digits, value, length + 1);
    if (unit == 's' || unit == 'm' || unit == 'h')
        digits[--length] = '\0';
    bool good = number_read(digits, length, seconds);
    *seconds *= times;
    return good;
}

static nicest_status read_place(const named_option *o, const char *value, int *place)
{
    size_t length = strlen(value);
    const char *word = o->words;
    for (int i = 0; *word; i++) {
        size_t size = strcspn(word, "|");
        if (size == length && !memcmp(word, value, size)) {
            *place = i;
            return NICEST_OK;
        }
        word += size + (word[size] == '|');
    }
    return fail(NICEST_E_ARGUMENT, "%s '%.40s': expected one of %s", o->name, value, o->words);
}

static nicest_status read_amount(const named_option *o, const char *value, double *number)
{
    double most = o->kind == INTEGER ? INT32_MAX : 9007199254740992.0;
    if (!number_read(value, strlen(value), number))
        return not_such(o, value, o->kind == REAL ? "a number" : "a whole number");
    if (o->kind == REAL)
        return NICEST_OK;
    if (*number != floor(*number))
        return not_such(o, value, "a whole number");
    if (fabs(*number) > most || (o->kind == COUNT && *number < 0))
        return fail(NICEST_E_ARGUMENT, "%s: %.40s is out of range", o->name, value);
    return NICEST_OK;
}

static const size_t SIZES[] = {
    [TEXT] = sizeof(char *), [INTEGER] = sizeof(int),    [COUNT] = sizeof(size_t),
    [REAL] = sizeof(double), [SECONDS] = sizeof(double), [SEED] = sizeof(uint64_t),
    [WORD] = sizeof(int),
};

nicest_status nicest_train_options_set(nicest_train_options *options, const char *name,
                                       const char *value)
{
    size_t i = 0;
    double number;
    TRY(require(options && name, "options and a name are needed"));
    while (i < OPTION_COUNT && strcmp(OPTIONS[i].name, name) != 0)
        i++;
    if (i == OPTION_COUNT)
        return fail(NICEST_E_ARGUMENT, "no option of training is called '%.40s'", name);
    const named_option *o = &OPTIONS[i];
    void *place = (char *)options + o->offset;
    if (!value) {
        nicest_train_options defaults;
        nicest_train_defaults(&defaults);
        memcpy(place, (const char *)&defaults + o->offset, SIZES[o->kind]);
        return NICEST_OK;
    }
    switch (o->kind) {
    case TEXT:
        *(const char **)place = value;
        return NICEST_OK;
    case SEED:
        if (!number_whole(value, strlen(value), UINT64_MAX, place))
            return not_such(o, value, "a whole number from 0 to 2^64 - 1");
        return NICEST_OK;
    case SECONDS:
        if (!read_seconds(value, &number))
            return not_such(o, value, "seconds, or a text as 90s, 10m, 1h");
        *(double *)place = number;
        return NICEST_OK;
    case WORD:
        return read_place(o, value, place);
    case INTEGER:
    case COUNT:
    case REAL:
        break;
    }
    TRY(read_amount(o, value, &number));
    if (o->kind == INTEGER)
        *(int *)place = (int)number;
    else if (o->kind == COUNT)
        *(size_t *)place = (size_t)number;
    else
        *(double *)place = number;
    return NICEST_OK;
}
