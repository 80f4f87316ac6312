/* spec.c - see spec.h. Owns the order of lines; what a layer's line says is its own file's. */
#include "flow/spec.h"

#include <stdio.h>
#include <string.h>

#include "base/status.h"
#include "flow/prior.h"

enum { MAX_LAYERS = 1024, MAX_COLUMNS = 1 << 20 };

typedef struct parser {
    flow_spec spec;
    char canonical[SPEC_LINE]; /* of the line at hand */
    bool has_prior;
} parser;

static const struct {
    const char *name;
    spec_parser *parse;
} LAYER_KINDS[] = {
#define SPEC_ENTRY(name) {#name, name##_parse},
    SPEC_LAYERS(SPEC_ENTRY)
#undef SPEC_ENTRY
};

enum { LAYER_KIND_COUNT = sizeof LAYER_KINDS / sizeof *LAYER_KINDS };

static nicest_status append_layer(const spec_line *l, parser *p)
{
    const spec_shape shape = {p->spec.columns, p->spec.context, p->spec.masked, !p->spec.count};
    layer *made = NULL;
    int kind = 0;
    if (p->spec.count == MAX_LAYERS)
        return spec_refuse(l, "more than 1024 layers");
    while (kind < LAYER_KIND_COUNT && strcmp(l->word[0], LAYER_KINDS[kind].name))
        kind++;
    if (kind == LAYER_KIND_COUNT) {
        char names[256];
        size_t used = 0;
        for (int i = 0; i < LAYER_KIND_COUNT; i++)
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "",
                                     LAYER_KINDS[i].name);
        return fail(NICEST_E_FORMAT, "spec line %d: '%.40s' is no layer (%s) and not 'prior'",
                    l->number, l->word[0], names);
    }
    TRY(LAYER_KINDS[kind].parse(l, &shape, p->canonical, &made));
    TRY(check_memory(made));
    p->spec.categories = made->class->classes ? made : p->spec.categories;
    p->spec.layers[p->spec.count++] = made;
    return NICEST_OK;
}

static nicest_status parse_prior(const spec_line *l, parser *p)
{
    const char *name = l->words == 2 ? l->word[1] : "";
    p->has_prior = true;
    if (!strncmp(name, "mixture", strlen("mixture"))) {
        const spec_shape shape = {
            .columns = p->spec.columns, .context = p->spec.context, .masked = p->spec.masked};
        layer *last = NULL;
        TRY(prior_mixture_parse(l, &shape, p->canonical, &last));
        p->spec.prior = PRIOR_MIXTURE;
        if (last)
            p->spec.layers[p->spec.count++] = last;
        return check_memory(last);
    }
    if (strcmp(name, "logistic") && strcmp(name, "normal"))
        return spec_refuse(l, "expected 'prior logistic', 'prior normal' or 'prior mixture:K'");
    p->spec.prior = strcmp(name, "normal") ? PRIOR_LOGISTIC : PRIOR_NORMAL;
    snprintf(p->canonical, SPEC_LINE, "prior %s", name);
    return NICEST_OK;
}

/* 'context N' or 'masked', which stand before the layers; false: the line is neither. */
static bool parse_shape(const spec_line *l, parser *p, nicest_status *status)
{
    bool context = !strcmp(l->word[0], "context"), masked = !strcmp(l->word[0], "masked");
    if (!context && !masked)
        return false;
    *status = NICEST_OK;
    if (p->spec.count || (context ? p->spec.context > 0 : p->spec.masked))
        *status = spec_refuse(l, "'context' and 'masked' stand once, before the layers");
    else if (masked ? l->words != 1
                    : l->words != 2 || !spec_count(l->word[1], 1, MAX_COLUMNS, &p->spec.context))
        *status = spec_refuse(l, "expected 'context N' with N from 1 to 1048576, or 'masked'");
    p->spec.masked = p->spec.masked || masked;
    if (context)
        snprintf(p->canonical, SPEC_LINE, "context %zu", p->spec.context);
    else
        snprintf(p->canonical, SPEC_LINE, "masked");
    return true;
}

/* Line 1 is the version, line 2 the columns, then shape and layers, last the prior. */
static nicest_status parse_line(const spec_line *l, parser *p, int which)
{
    nicest_status status;
    if (p->has_prior)
        return spec_refuse(l, "'prior' ends a spec");
    if (which == 0) {
        if (l->words != 2 || strcmp(l->word[0], "nicest") || strcmp(l->word[1], "1"))
            return spec_refuse(l, "expected 'nicest 1' (the version of the format)");
        snprintf(p->canonical, SPEC_LINE, "nicest 1");
    } else if (which == 1) {
        if (l->words != 2 || strcmp(l->word[0], "columns") ||
            !spec_count(l->word[1], 0, MAX_COLUMNS, &p->spec.columns))
            return spec_refuse(l, "expected 'columns N' with N from 1 to 1048576 (0: all are "
                                  "categories)");
        snprintf(p->canonical, SPEC_LINE, "columns %zu", p->spec.columns);
    } else if (parse_shape(l, p, &status)) {
        TRY(status);
    } else if (!strcmp(l->word[0], "prior")) {
        TRY(parse_prior(l, p));
    } else {
        TRY(append_layer(l, p));
    }
    char *text = memory_format("%s%s\n", p->spec.text ? p->spec.text : "", p->canonical);
    TRY(check_memory(text));
    memory_free(p->spec.text);
    p->spec.text = text;
    return NICEST_OK;
}

static void parser_close(parser *p)
{
    spec_close(&p->spec);
}

nicest_status spec_parse(flow_spec *spec, const char *text)
{
    OWNED_BY(parser_close) parser p = {0};
    spec_line l = {0};
    int which = 0;
    TRY_NEW(p.spec.layers, MAX_LAYERS + 1);
    while (*text) {
        TRY(spec_next_line(&text, &l));
        if (l.words)
            TRY(parse_line(&l, &p, which++));
    }
    if (p.has_prior && !p.spec.columns && !p.spec.categories)
        return fail(NICEST_E_FORMAT, "spec: it has neither columns nor categories");
    if (!p.has_prior)
        return fail(NICEST_E_FORMAT, "spec: it ends without a 'prior' line");
    *spec = p.spec;
    p.spec = (flow_spec){0};
    return NICEST_OK;
}

void spec_close(flow_spec *spec)
{
    for (size_t i = 0; i < spec->count; i++)
        if (spec->layers[i]->class->free)
            spec->layers[i]->class->free(spec->layers[i]);
        else
            memory_free(spec->layers[i]);
    memory_free(spec->layers);
    memory_free(spec->text);
    *spec = (flow_spec){0};
}
