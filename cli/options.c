/* options.c - see options.h. Owns the grammar of the command line and the layout of the help; knows
 * no command. A value is stored at its offset in the settings, so the defaults that the help prints
 * are the ones that count. */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define AT(field) offsetof(shared_settings, field)

/* clang-format off */
const option COMMON_OPTIONS[] = {
    {.group = "Common options", OPTION(SEED, "seed", "N", seed), .help = "all random numbers follow from it"},
    {OPTION(INTEGER, "threads", "N", threads), .low = 0, .high = 1024, .unset = "all processors",
     .help = "threads to use; 0: all. Results do not depend on it"},
    {OPTION(CHOICE, "precision", "TYPE", precision), .choices = "f32|bf16",
     .help = "type of numbers in the matrix products of training; all else is f32"},
    {.group = "Common options", OPTION(FLAG, "json", NULL, json),
     .help = "the last line on standard output is one JSON object"},
    {OPTION(FLAG, "quiet", NULL, quiet), .letter = 'q',
     .help = "print no messages and no progress, only errors"},
    {OPTION(FLAG, "verbose", NULL, verbose), .letter = 'v', .help = "print more messages"},
    {0},
};

const option OUTPUT_OPTIONS[] = {
    {.group = "Output", OPTION(TEXT, "output", "FILE", output), .letter = 'o', .written = true,
     .help = "write to this file; its extension says the format"},
    {0},
};

const option DATA_OPTIONS[] = {
    {.group = "Reading DATA", OPTION(TEXT, "columns", "LIST", columns),
     .help = "keep only these columns: names, or numbers from 1, such as a,b,3-7"},
    {OPTION(TEXT, "drop", "LIST", drop), .help = "leave these columns out"},
    {OPTION(TEXT, "label", "COLUMN", label), .help = "this column is a label, not data"},
    {OPTION(TEXT, "weights", "COLUMN", weights),
     .help = "this column says how often a row counts: in training, means and calibration, not among neighbours"},
    {OPTION(TEXT, "where", "COLUMN=VALUE", where), .help = "keep only the rows with this value"},
    {OPTION(SIZE, "image", "HxW[xC]", image),
     .help = "the columns are a picture (IDX and PNG know their size)"},
    {OPTION(CHOICE, "header", "ANSWER", header), .choices = "yes|no", .unset = "told by the file",
     .help = "yes: text begins with a row of names. This and the next three are found in the first lines of the "
             "text, and printed if they are unusual"},
    {OPTION(TEXT, "separator", "SIGN", separator), .unset = "told by the file",
     .help = "what separates columns of text: a sign, tab, or space (runs of blanks)"},
    {OPTION(CHOICE, "decimal", "SIGN", decimal), .choices = ".|,", .unset = "told by the file",
     .help = "decimal sign of numbers in text"},
    {OPTION(TEXT, "comment", "SIGN", comment), .unset = "# where it begins lines that are no rows, % where it begins the first",
     .help = "lines of text that begin with this sign are left out; none: no line is"},
    {OPTION(TEXT, "missing", "WORDS", missing), .help = "words or numbers, separated by commas, that mean a "
             "missing value in text, beside NA, N/A, NaN, null, None, <NA>, NaT, ?, . and -"},
    {0},
};

const option PICTURE_OPTIONS[] = {
    {.group = "Pictures", OPTION(REAL, "scale", "X", scale), .low = 0.25, .high = 20, .unset = "2",
     .help = "pixels of a PNG for each point (1/96 inch on a screen)"},
    {OPTION(CHOICE, "theme", "NAME", theme), .choices = "light|dark", .unset = "light",
     .help = "colours of pictures"},
    {0},
};
/* clang-format on */

/* ------------------------------------------------------------------ numbers */

bool options_number(const char *text, double *number)
{
    char *end;
    if (!*text || isspace((unsigned char)*text))
        return false;
    double value = strtod(text, &end);
    if (*end || !isfinite(value))
        return false;
    *number = value;
    return true;
}

static bool parse_seed(const char *text, uint64_t *seed)
{
    char *end;
    errno = 0;
    if (!isdigit((unsigned char)*text))
        return false;
    *seed = strtoull(text, &end, 10);
    return !*end && !errno;
}

/* 90, 90s, 1.5m, 2h */
static bool parse_seconds(const char *text, double *seconds)
{
    char number[64];
    size_t length = strlen(text);
    double unit = 1;
    if (!length || length >= sizeof number)
        return false;
    memcpy(number, text, length + 1);
    const char *found = strchr("smh", number[length - 1]);
    if (found) {
        unit = *found == 's' ? 1 : *found == 'm' ? 60 : 3600;
        number[length - 1] = 0;
    }
    double value;
    if (!options_number(number, &value) || value <= 0 || value > 1e9)
        return false;
    *seconds = value * unit;
    return true;
}

/* 2: epochs; 500steps; 30s, 10m, 1h: time. */
static bool parse_every(const char *text, every_setting *every)
{
    every_setting made = {0};
    char *end;
    double number = strtod(text, &end);
    bool steps = !strcmp(end, "steps"), epochs = !*end;
    if (steps && number >= 1 && number <= 1e12 && number == floor(number))
        made.steps = (size_t)number;
    else if (epochs && options_number(text, &number) && number > 0)
        made.epochs = number;
    else if (steps || epochs || !parse_seconds(text, &made.seconds))
        return false;
    *every = made;
    return true;
}

/* 2 numbers, or 3 where channels have a meaning. */
static bool parse_size(const char *text, size_t most, size_setting *size)
{
    unsigned long number[3] = {0, 0, 1};
    size_t count = 0;
    for (;;) {
        char *end;
        if (!isdigit((unsigned char)*text) || count == most)
            return false;
        number[count] = strtoul(text, &end, 10);
        if (number[count] < 1 || number[count] > 65535)
            return false;
        count++;
        if (!*end)
            break;
        if (*end != 'x')
            return false;
        text = end + 1;
    }
    if (count < 2 || number[2] > 4)
        return false;
    *size = (size_setting){(unsigned)number[0], (unsigned)number[1], (unsigned)number[2]};
    return true;
}

size_t options_levels(const char *what, const char *text, double *levels, size_t most)
{
    double low, high, step;
    char *end;
    size_t count = 1;
    if (!strchr(text, ':')) {
        for (const char *c = text; *c; c++)
            count += *c == ',';
        if (count > most)
            refuse(STATUS_USAGE, "%s: more than %zu levels", what, most);
        options_numbers(what, text, levels, count);
        return count;
    }
    low = strtod(text, &end);
    const char *second = end + 1;
    bool ranged = end > text && *end == ':';
    high = ranged ? strtod(second, &end) : 0;
    if (!ranged || end == second || *end != ':' || !options_number(end + 1, &step))
        refuse(STATUS_USAGE, "%s: '%s' is not FROM:TO:STEP", what, text);
    double steps = step != 0 ? (high - low) / step : (double)INFINITY;
    if (!isfinite(steps) || steps < 0 || steps > (double)most - 1)
        refuse(STATUS_USAGE, "%s: the range '%s' must have between 1 and %zu levels", what, text,
               most);
    count = (size_t)floor(steps + 1e-9) + 1;
    for (size_t i = 0; i < count; i++) /* 0.1 + 0.2 should read 0.3 */
        levels[i] = round((low + (double)i * step) * 1e12) / 1e12;
    return count;
}

void options_numbers(const char *what, const char *text, double *numbers, size_t count)
{
    const char *at = text;
    for (size_t i = 0; i < count; i++) {
        char *end;
        numbers[i] = strtod(at, &end);
        if (end == at || !isfinite(numbers[i]) || *end != (i + 1 < count ? ',' : 0))
            refuse(STATUS_USAGE, "%s: '%s' is not %zu number%s%s", what, text, count,
                   count > 1 ? "s" : "", count > 1 ? " separated by commas" : "");
        at = end + 1;
    }
}

/* ------------------------------------------------------------------ the nearest name */

/* Edits (insert, delete, replace) between two short words. */
static size_t edit_distance(const char *a, const char *b)
{
    enum { LONGEST = 40 };
    size_t row[LONGEST + 1], n = strlen(a), m = strlen(b);
    if (n > LONGEST || m > LONGEST)
        return LONGEST;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = corner + (a[i - 1] != b[j - 1]);
            corner = row[j];
            best = best < row[j] + 1 ? best : row[j] + 1;
            row[j] = best < row[j - 1] + 1 ? best : row[j - 1] + 1;
        }
    }
    return row[m];
}

size_t options_list(const char *const *names, const char *wanted, char *list, size_t size)
{
    size_t count = 0, used = 0;
    for (*list = 0; names[count]; count++) {
        if (!strcmp(names[count], wanted))
            return 0;
        used += (size_t)snprintf(list + used, used < size ? size - used : 0, "%s%s",
                                 count ? ", " : "", names[count]);
    }
    return count;
}

const char *options_nearest(const char *text, const char *const *names, size_t count)
{
    const char *nearest = NULL;
    size_t best = strlen(text) / 3 + 2;
    for (size_t i = 0; i < count; i++) {
        size_t d = edit_distance(text, names[i]);
        size_t shared = strlen(text);
        if (shared >= 3 && !strncmp(text, names[i], shared)) /* it is how the name begins */
            d = 1;
        if (d < best) {
            best = d;
            nearest = names[i];
        }
    }
    return nearest;
}

/* ------------------------------------------------------------------ finding options */

typedef struct parser {
    const command *command;
    unsigned char *settings;
    const option *option; /* the one at hand */
    char shown[64];       /* its name as the user wrote it */
    unsigned chosen;      /* bit i: option i of DATA_OPTIONS was given */
} parser;

const option *option_next(const command *c, size_t *table, size_t *index)
{
    for (; c->tables[*table]; (*table)++, *index = 0)
        if (c->tables[*table][*index].name)
            return &c->tables[*table][(*index)++];
    return NULL;
}

static const option *find_long(const command *c, const char *name, size_t length)
{
    FOR_OPTIONS(c, o)
    if (o->type != OPTION_ARGUMENT && strlen(o->name) == length && !strncmp(o->name, name, length))
        return o;
    return NULL;
}

static const option *find_argument(const command *c, size_t number)
{
    FOR_OPTIONS(c, o)
    if (o->type == OPTION_ARGUMENT && !number--)
        return o;
    return NULL;
}

_Noreturn static void refuse_unknown(const parser *p, const char *word)
{
    const char *names[128];
    size_t count = 0, length = strcspn(word, "=");
    char name[48];
    FOR_OPTIONS(p->command, o)
    if (o->type != OPTION_ARGUMENT && count < 128)
        names[count++] = o->name;
    snprintf(name, sizeof name, "%.*s", (int)(length < 40 ? length : 40), word);
    const char *nearest = options_nearest(name + strspn(name, "-"), names, count);
    if (nearest)
        refuse(STATUS_USAGE, "%s: unknown option %s; did you mean --%s?", p->command->name, name,
               nearest);
    refuse(STATUS_USAGE, "%s: unknown option %s; `nicest %s --help` lists them", p->command->name,
           name, p->command->name);
}

/* ------------------------------------------------------------------ storing values */

_Noreturn static void refuse_value(const parser *p, const char *value, const char *expected)
{
    refuse(STATUS_USAGE, "%s: %s %s: expected %s", p->command->name, p->shown, value, expected);
}

static void check_range(const parser *p, const char *value, double number, const char *what)
{
    const option *o = p->option;
    char expected[96];
    bool ranged = o->low < o->high, low_ok = o->above ? number > o->low : number >= o->low;
    if (!ranged || (low_ok && number <= o->high))
        return;
    if (isinf(o->high))
        snprintf(expected, sizeof expected, "%s %s %.10g", what, o->above ? "above" : "of at least",
                 o->low);
    else if (o->above)
        snprintf(expected, sizeof expected, "%s above %.10g and at most %.10g", what, o->low,
                 o->high);
    else
        snprintf(expected, sizeof expected, "%s between %.10g and %.10g", what, o->low, o->high);
    refuse_value(p, value, expected);
}

static double whole_number(const parser *p, const char *value, double most)
{
    double number;
    if (!options_number(value, &number) || number != floor(number) || fabs(number) > most)
        refuse_value(p, value, "a whole number");
    check_range(p, value, number, "a whole number");
    return number;
}

static void check_choice(const parser *p, const char *value)
{
    const char *choice = p->option->choices;
    size_t length = strlen(value);
    while (*choice) {
        size_t size = strcspn(choice, "|");
        if (size == length && !strncmp(choice, value, size))
            return;
        choice += size + (choice[size] == '|');
    }
    char expected[256];
    snprintf(expected, sizeof expected, "one of %s", p->option->choices);
    refuse_value(p, value, expected);
}

/* A choice of columns or rows that is said again would silently take the place of the first. */
static void refuse_again(parser *p)
{
    size_t i = 0;
    while (DATA_OPTIONS[i].name && p->option != &DATA_OPTIONS[i])
        i++;
    if (!DATA_OPTIONS[i].name)
        return;
    if (p->chosen >> i & 1)
        refuse(STATUS_USAGE, "%s: %s is given twice", p->command->name, p->shown);
    p->chosen |= 1u << i;
}

static void store(parser *p, const char *value)
{
    void *at = p->settings + p->option->offset;
    double number;
    bool channels; /* an option that shows no C takes none */
    switch (p->option->type) {
    case OPTION_TEXT:
        refuse_again(p);
        *(const char **)at = value;
        break;
    case OPTION_CHOICE:
        check_choice(p, value);
        *(const char **)at = value;
        break;
    case OPTION_ARGUMENT:
        *(const char **)at = value;
        break;
    case OPTION_INTEGER:
        *(int *)at = (int)whole_number(p, value, 2147483647.0);
        break;
    case OPTION_COUNT:
        number = whole_number(p, value, 9007199254740992.0);
        if (number < 0)
            refuse_value(p, value, "a whole number of at least 0");
        *(size_t *)at = (size_t)number;
        break;
    case OPTION_REAL:
        if (!options_number(value, &number))
            refuse_value(p, value, "a number");
        check_range(p, value, number, "a number");
        *(double *)at = number;
        break;
    case OPTION_SEED:
        if (!parse_seed(value, at))
            refuse_value(p, value, "a whole number from 0 to 2^64 - 1");
        break;
    case OPTION_SECONDS:
        if (!parse_seconds(value, at))
            refuse_value(p, value, "a time such as 90s, 10m or 1h");
        break;
    case OPTION_EVERY:
        if (!parse_every(value, at))
            refuse_value(p, value, "epochs (2), steps (500steps) or a time (30s, 10m, 1h)");
        break;
    case OPTION_SIZE:
        channels = strchr(p->option->argument, 'C') != NULL;
        if (!parse_size(value, channels ? 3 : 2, at))
            refuse_value(p, value,
                         channels ? "a size such as 28x28 or 32x32x3" : "a size such as 200x300");
        break;
    case OPTION_FLAG:
        break;
    }
}

/* ------------------------------------------------------------------ the command line */

/* The value behind "--name=" or the next word; moves *i. */
static const char *option_value(const parser *p, const char *attached, int count, char **words,
                                int *i)
{
    if (attached)
        return attached;
    if (*i + 1 >= count)
        refuse(STATUS_USAGE, "%s: %s wants a value: %s", p->command->name, p->shown,
               p->option->argument);
    return words[++*i];
}

static void take_long(parser *p, int count, char **words, int *i)
{
    const char *word = words[*i] + 2, *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : strlen(word);
    p->option = find_long(p->command, word, length);
    bool on = true;
    if (!p->option && !strncmp(word, "no-", 3)) {
        p->option = find_long(p->command, word + 3, length - 3);
        on = false;
        if (p->option && p->option->type != OPTION_FLAG)
            p->option = NULL;
    }
    if (!p->option)
        refuse_unknown(p, words[*i]);
    snprintf(p->shown, sizeof p->shown, "--%s", p->option->name);
    if (p->option->type == OPTION_FLAG) {
        if (equals)
            refuse(STATUS_USAGE, "%s: %s takes no value", p->command->name, p->shown);
        *(bool *)(void *)(p->settings + p->option->offset) = on;
        return;
    }
    store(p, option_value(p, equals ? equals + 1 : p->option->bare, count, words, i));
}

/* -v, -qv, -n 10, -n10 */
static void take_letters(parser *p, int count, char **words, int *i)
{
    for (const char *letter = words[*i] + 1; *letter; letter++) {
        snprintf(p->shown, sizeof p->shown, "-%c", *letter);
        p->option = NULL;
        FOR_OPTIONS(p->command, o)
        if (o->letter == *letter)
            p->option = o;
        if (!p->option)
            refuse_unknown(p, words[*i]);
        if (p->option->type == OPTION_FLAG) {
            *(bool *)(void *)(p->settings + p->option->offset) = true;
            continue;
        }
        store(p, option_value(p, letter[1] ? letter + 1 : NULL, count, words, i));
        return;
    }
}

static bool asks_for_help(int count, char **words)
{
    for (int i = 0; i < count && strcmp(words[i], "--"); i++)
        if (!strcmp(words[i], "--help") || !strcmp(words[i], "-h"))
            return true;
    return false;
}

bool options_parse(const command *c, int count, char **words, void *settings)
{
    parser p = {.command = c, .settings = settings};
    size_t arguments = 0;
    bool options_ended = false;
    if (asks_for_help(count, words))
        return true;
    for (int i = 0; i < count; i++) {
        const char *word = words[i];
        if (!options_ended && !strcmp(word, "--"))
            options_ended = true;
        else if (options_ended || (word[0] != '-' || !word[1] || word[1] == '[')) {
            p.option = find_argument(p.command, arguments++);
            if (!p.option)
                refuse(STATUS_USAGE, "%s: '%s' is one argument too many: nicest %s %s",
                       p.command->name, words[i], p.command->name, p.command->synopsis);
            snprintf(p.shown, sizeof p.shown, "%s", p.option->name);
            store(&p, words[i]);
        } else if (word[1] == '-')
            take_long(&p, count, words, &i);
        else
            take_letters(&p, count, words, &i);
    }
    const option *missing = find_argument(c, arguments);
    if (missing && missing->required)
        refuse(STATUS_USAGE, "%s: %s is missing: nicest %s %s", c->name, missing->name, c->name,
               c->synopsis);
    return false;
}

void options_defaults(const command *c, void *settings)
{
    memset(settings, 0, SETTINGS_BYTES);
    shared_settings *shared = settings;
    shared->seed = 1;
    shared->precision = "f32";
    if (c->defaults)
        c->defaults(settings);
}

/* ------------------------------------------------------------------ help */

/* The value that stands in the settings; where none does, `unset`. */
static void default_text(const option *o, const void *settings, char *text, size_t size)
{
    const void *at = (const unsigned char *)settings + o->offset;
    const char *word = o->unset ? o->unset : "";
    double number = NAN;
    switch (o->type) {
    case OPTION_TEXT:
    case OPTION_CHOICE:
        word = *(const char *const *)at ? *(const char *const *)at : word;
        break;
    case OPTION_INTEGER:
        number = *(const int *)at;
        break;
    case OPTION_COUNT:
        number = (double)*(const size_t *)at;
        break;
    case OPTION_SEED:
        snprintf(text, size, "%" PRIu64, *(const uint64_t *)at);
        return;
    case OPTION_REAL:
    case OPTION_SECONDS:
        number = *(const double *)at;
        break;
    case OPTION_FLAG:
    case OPTION_ARGUMENT:
        word = "";
        break;
    case OPTION_EVERY:
    case OPTION_SIZE:
        break;
    }
    if (!isnan(number) && !(o->unset && (number == 0 || number < o->low)))
        snprintf(text, size, "%.10g", number);
    else
        snprintf(text, size, "%s", word);
}

void options_names(const option *o, char *text, size_t size)
{
    char letter[8] = "";
    if (o->letter)
        snprintf(letter, sizeof letter, "-%c, ", o->letter);
    if (o->type == OPTION_ARGUMENT)
        snprintf(text, size, "%s", o->name);
    else
        snprintf(text, size, "%s--%s%s%s%s", letter, o->name,
                 o->bare       ? "[="
                 : o->argument ? " "
                               : "",
                 o->argument ? o->argument : "", o->bare ? "]" : "");
}

void options_text(const option *o, const void *settings, char *text, size_t size)
{
    char standard[64];
    default_text(o, settings, standard, sizeof standard);
    const char *choices = o->type == OPTION_CHOICE ? o->choices : "";
    snprintf(text, size, "%s%s%s%s%s%s%s", o->help, *choices ? ": " : "", choices,
             *standard ? " [" : "", *standard && !o->unset ? "default " : "", standard,
             *standard ? "]" : "");
}

/* Words from column `indent` on, where the cursor is. */
static void print_wrapped(FILE *out, const char *text, int indent)
{
    enum { WIDTH = 80 };
    int at = indent;
    while (*text) {
        int length = (int)strcspn(text, " ");
        bool first = at == indent;
        if (!first && at + 1 + length > WIDTH) {
            fprintf(out, "\n%*s", indent, "");
            at = indent;
        } else if (!first) {
            fputc(' ', out);
            at++;
        }
        fprintf(out, "%.*s", length, text);
        at += length;
        text += length + (text[length] == ' ');
    }
    fputc('\n', out);
}

void options_print_help(const command *c, FILE *out)
{
    max_align_t settings[SETTINGS_BYTES / sizeof(max_align_t)];
    options_defaults(c, settings);
    fprintf(out, "nicest %s - %s\n\nUsage: nicest %s %s\n\n", c->name, c->summary, c->name,
            c->synopsis);
    /* Paragraphs, divided by an empty line in the text. */
    const char *text = c->description;
    char paragraph[1024];
    while (*text) {
        const char *end = strstr(text, "\n\n");
        size_t length = end ? (size_t)(end - text) : strlen(text);
        snprintf(paragraph, sizeof paragraph, "%.*s", (int)length, text);
        print_wrapped(out, paragraph, 0);
        fputc('\n', out);
        text += length + (end ? 2 : 0);
    }
    enum { LEFT = 28 };
    const char *heading = "";
    FOR_OPTIONS(c, o)
    {
        char names[96], help[512];
        const char *group = o->type == OPTION_ARGUMENT ? "Arguments" : o->group;
        if (group && strcmp(group, heading)) {
            fprintf(out, "%s%s\n", *heading ? "\n" : "", group);
            heading = group;
        }
        options_names(o, names, sizeof names);
        options_text(o, settings, help, sizeof help);
        int at = fprintf(out, "  %s", names);
        fprintf(out, at >= LEFT ? "\n%*s" : "%*s", at >= LEFT ? LEFT : LEFT - at, "");
        print_wrapped(out, help, LEFT);
    }
    if (c->examples)
        fprintf(out, "\nExamples\n%s", c->examples);
}
