/* spec.c - see spec.h. Every number is checked before anything is made from it. */
#include "flow/spec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

enum {
    MAX_LAYERS = 1024,
    MAX_COLUMNS = 1 << 20,
    MAX_WIDTH = 1 << 16,
    MAX_WORDS = 8,
    MAX_LINE = 512
};

/* One line cut into words; word 0 is what the line is about. */
typedef struct line {
    int number;
    char text[MAX_LINE];
    char *word[MAX_WORDS];
    int words;
} line;

typedef struct parser {
    flow_spec spec;
    char canonical[MAX_LINE]; /* of the line at hand */
    bool has_prior;
} parser;

static nicest_status refuse(const line *l, const char *sentence)
{
    return fail(NICEST_E_FORMAT, "spec line %d: %s", l->number, sentence);
}

/* A whole number in [1, most]. */
static bool parse_count(const char *text, size_t most, size_t *value)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    unsigned long long number = strtoull(text, &end, 10);
    if (*end || number < 1 || number > most)
        return false;
    *value = (size_t)number;
    return true;
}

/* "WIDTH" or "WIDTHxDEPTH" appended to the conditioner. */
static bool parse_widths(char *item, mlp_spec *conditioner)
{
    size_t width, depth = 1;
    char *times = strchr(item, 'x');
    if (times) {
        *times = 0;
        if (!parse_count(times + 1, 64, &depth))
            return false;
    }
    if (!parse_count(item, MAX_WIDTH, &width) || conditioner->hidden_count + depth > 64)
        return false;
    for (size_t i = 0; i < depth; i++)
        conditioner->hidden[conditioner->hidden_count++] = width;
    return true;
}

nicest_status spec_parse_hidden(const char *text, mlp_spec *conditioner)
{
    char copy[MAX_LINE], *rest = copy, *comma;
    conditioner->hidden_count = 0;
    if (!strcmp(text, "none"))
        return NICEST_OK;
    bool good = (size_t)snprintf(copy, sizeof copy, "%s", text) < sizeof copy;
    do {
        comma = good ? strchr(rest, ',') : NULL;
        if (comma)
            *comma = 0;
        good = good && parse_widths(rest, conditioner);
        rest = comma ? comma + 1 : rest;
    } while (comma && good);
    if (!good)
        return fail(NICEST_E_ARGUMENT,
                    "hidden layers '%.60s': expected WIDTHxDEPTH or widths like 256,128 "
                    "(each at most %d, 64 layers at most)",
                    text, MAX_WIDTH);
    return NICEST_OK;
}

/* The canonical words of a conditioner's widths: "1000x5", "256,128", "none"; at most 64 x 6 long.
 */
static void write_hidden(char *text, size_t size, const mlp_spec *conditioner)
{
    size_t used = 0, count = conditioner->hidden_count;
    snprintf(text, size, "none");
    for (size_t i = 0, run; i < count; i += run) {
        for (run = 1; i + run < count && conditioner->hidden[i + run] == conditioner->hidden[i];)
            run++;
        const char *comma = i ? "," : "";
        int length =
            run > 1 ? snprintf(text + used, size - used, "%s%zux%zu", comma, conditioner->hidden[i],
                               run)
                    : snprintf(text + used, size - used, "%s%zu", comma, conditioner->hidden[i]);
        used += (size_t)length;
    }
}

static bool parse_activation(const char *name, activation *value)
{
    static const char *const names[] = {"none", "relu", "tanh", "silu"};
    for (int i = ACTIVATION_RELU; i <= ACTIVATION_SILU; i++)
        if (!strcmp(name, names[i])) {
            *value = (activation)i;
            return true;
        }
    return false;
}

/* The value of "key=value" among the words from `first` on, or NULL. */
static const char *option(const line *l, int first, const char *key)
{
    size_t length = strlen(key);
    for (int i = first; i < l->words; i++)
        if (!strncmp(l->word[i], key, length) && l->word[i][length] == '=')
            return l->word[i] + length + 1;
    return NULL;
}

/* Every word from `first` on must be one of the keys, and each key there once at most. */
static bool known_options(const line *l, int first, const char *const *keys)
{
    for (int i = first; i < l->words; i++) {
        bool known = false;
        for (const char *const *key = keys; *key; key++) {
            size_t length = strlen(*key);
            bool is = !strncmp(l->word[i], *key, length) && l->word[i][length] == '=';
            known = known || (is && option(l, first, *key) == l->word[i] + length + 1);
        }
        if (!known)
            return false;
    }
    return true;
}

static nicest_status parse_permute(const line *l, parser *p, layer **out)
{
    const char *kind = l->words == 2 ? l->word[1] : "";
    unsigned long long seed = 0;
    char *end = NULL;
    errno = 0;
    if (!strncmp(kind, "random:", 7) && kind[7] >= '0' && kind[7] <= '9')
        seed = strtoull(kind + 7, &end, 10);
    bool random = end && !*end && errno != ERANGE;
    if (!random && strcmp(kind, "odd-even") && strcmp(kind, "reverse"))
        return refuse(l, "expected 'permute odd-even', 'permute reverse' or 'permute random:SEED' "
                         "with SEED from 0 to 2^64 - 1");
    permute_kind which = random                    ? PERMUTE_RANDOM
                         : strcmp(kind, "reverse") ? PERMUTE_ODD_EVEN
                                                   : PERMUTE_REVERSE;
    *out = permute_new(p->spec.columns, which, seed);
    if (random)
        snprintf(p->canonical, MAX_LINE, "permute random:%llu", seed);
    else
        snprintf(p->canonical, MAX_LINE, "permute %s", kind);
    return NICEST_OK;
}

static nicest_status parse_coupling(const line *l, parser *p, layer **out)
{
    static const char *const keys[] = {"move", "hidden", "activation", "rule", NULL};
    const char *move = option(l, 1, "move"), *hidden = option(l, 1, "hidden");
    const char *act = option(l, 1, "activation"), *rule = option(l, 1, "rule");
    mlp_spec conditioner = {.activation = ACTIVATION_RELU};
    if (p->spec.columns < 2)
        return refuse(l, "a coupling needs at least 2 columns");
    if (!known_options(l, 1, keys) || !move || (strcmp(move, "first") && strcmp(move, "second")))
        return refuse(l, "expected 'coupling move=first|second hidden=WIDTHxDEPTH "
                         "activation=relu|tanh|silu rule=additive'");
    if (rule && strcmp(rule, "additive"))
        return refuse(l, "the rule of a coupling is 'additive'");
    if (act && !parse_activation(act, &conditioner.activation))
        return refuse(l, "the activation is one of relu, tanh, silu");
    if (!hidden || spec_parse_hidden(hidden, &conditioner))
        return refuse(l, "hidden=... is WIDTHxDEPTH, widths like 256,128, or none");
    char widths[MAX_LINE - 100];
    write_hidden(widths, sizeof widths, &conditioner);
    *out = coupling_new(p->spec.columns, !strcmp(move, "first"), &conditioner);
    snprintf(p->canonical, MAX_LINE, "coupling move=%s hidden=%s activation=%s rule=additive", move,
             widths, act ? act : "relu");
    return NICEST_OK;
}

static nicest_status parse_logit(const line *l, parser *p, layer **out)
{
    static const char *const keys[] = {"margin", NULL};
    const char *text = option(l, 1, "margin");
    char *end = NULL;
    double margin = text ? strtod(text, &end) : 1e-6;
    if (!known_options(l, 1, keys) || (text && (end == text || *end)) ||
        !(margin > 0 && margin < 0.5))
        return refuse(l, "expected 'logit margin=M' with 0 < M < 0.5");
    *out = logit_new(p->spec.columns, margin);
    snprintf(p->canonical, MAX_LINE, "logit margin=%.9g", margin);
    return NICEST_OK;
}

static nicest_status parse_plain(const line *l, parser *p, layer **out)
{
    bool scale = !strcmp(l->word[0], "scale");
    if (l->words != 1)
        return refuse(l, scale ? "'scale' takes no options" : "'standardise' takes no options");
    *out = scale ? scale_new(p->spec.columns) : standardise_new(p->spec.columns);
    snprintf(p->canonical, MAX_LINE, "%s", l->word[0]);
    return NICEST_OK;
}

static nicest_status parse_layer(const line *l, parser *p, layer **out)
{
    static const struct {
        const char *name;
        nicest_status (*parse)(const line *, parser *, layer **);
    } kinds[] = {{"permute", parse_permute},
                 {"coupling", parse_coupling},
                 {"scale", parse_plain},
                 {"standardise", parse_plain},
                 {"logit", parse_logit}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(l->word[0], kinds[i].name))
            return kinds[i].parse(l, p, out);
    return fail(NICEST_E_FORMAT,
                "spec line %d: '%.40s' is no layer (permute, coupling, scale, "
                "standardise, logit) and not 'prior'",
                l->number, l->word[0]);
}

static nicest_status parse_prior(const line *l, parser *p)
{
    const char *name = l->words == 2 ? l->word[1] : "";
    if (strcmp(name, "logistic") && strcmp(name, "normal"))
        return refuse(l, "expected 'prior logistic' or 'prior normal'");
    p->spec.prior = strcmp(name, "normal") ? PRIOR_LOGISTIC : PRIOR_NORMAL;
    p->has_prior = true;
    snprintf(p->canonical, MAX_LINE, "prior %s", name);
    return NICEST_OK;
}

static nicest_status append_text(parser *p)
{
    char *text = memory_format("%s%s\n", p->spec.text ? p->spec.text : "", p->canonical);
    if (!text)
        return fail_memory();
    memory_free(p->spec.text);
    p->spec.text = text;
    return NICEST_OK;
}

static nicest_status append_layer(const line *l, parser *p)
{
    layer *made = NULL;
    if (p->spec.count == MAX_LAYERS)
        return refuse(l, "more than 1024 layers");
    TRY(parse_layer(l, p, &made));
    if (!made)
        return fail_memory();
    p->spec.layers[p->spec.count++] = made;
    return NICEST_OK;
}

/* Line 1 is the version, line 2 the columns, then layers, last the prior. */
static nicest_status parse_line(const line *l, parser *p, int which)
{
    if (p->has_prior)
        return refuse(l, "'prior' ends a spec");
    if (which == 0) {
        if (l->words != 2 || strcmp(l->word[0], "nicest") || strcmp(l->word[1], "1"))
            return refuse(l, "expected 'nicest 1' (the version of the format)");
        snprintf(p->canonical, MAX_LINE, "nicest 1");
    } else if (which == 1) {
        if (l->words != 2 || strcmp(l->word[0], "columns") ||
            !parse_count(l->word[1], MAX_COLUMNS, &p->spec.columns))
            return refuse(l, "expected 'columns N' with N from 1 to 1048576");
        snprintf(p->canonical, MAX_LINE, "columns %zu", p->spec.columns);
    } else if (!strcmp(l->word[0], "prior")) {
        TRY(parse_prior(l, p));
    } else {
        TRY(append_layer(l, p));
    }
    return append_text(p);
}

/* Copies the next line of *text, without its comment, and cuts it into words. */
static nicest_status next_line(const char **text, line *l)
{
    size_t length = strcspn(*text, "\n");
    size_t useful = strcspn(*text, "#\n");
    l->number++;
    l->words = 0;
    if (useful >= MAX_LINE)
        return refuse(l, "the line is longer than 511 characters");
    memcpy(l->text, *text, useful);
    l->text[useful] = 0;
    *text += length + ((*text)[length] == '\n');
    for (char *rest = l->text;;) {
        rest += strspn(rest, " \t\r");
        if (!*rest)
            return NICEST_OK;
        if (l->words == MAX_WORDS)
            return refuse(l, "more than 8 words");
        l->word[l->words++] = rest;
        rest += strcspn(rest, " \t\r");
        if (*rest)
            *rest++ = 0;
    }
}

static nicest_status parse_all(const char *text, parser *p)
{
    line l = {0};
    int which = 0;
    while (*text) {
        TRY(next_line(&text, &l));
        if (l.words)
            TRY(parse_line(&l, p, which++));
    }
    return p->has_prior ? NICEST_OK : fail(NICEST_E_FORMAT, "spec: it ends without a 'prior' line");
}

nicest_status spec_parse(flow_spec *spec, const char *text)
{
    parser p = {0};
    p.spec.layers = memory_new(MAX_LAYERS, sizeof *p.spec.layers);
    nicest_status status = p.spec.layers ? parse_all(text, &p) : fail_memory();
    if (status != NICEST_OK)
        spec_close(&p.spec);
    else
        *spec = p.spec;
    return status;
}

void spec_close(flow_spec *spec)
{
    for (size_t i = 0; i < spec->count; i++)
        spec->layers[i]->class->free(spec->layers[i]);
    memory_free(spec->layers);
    memory_free(spec->text);
    *spec = (flow_spec){0};
}
