/* stack.c - see stack.h. */
#include "train/stack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* Widths after Durkan et al. (2019) and zuko's defaults, for minutes of two cores; the small ones
 * with dropout are for tables of some hundred rows, which wider nets learn by heart. Ten narrow
 * splines that learn fast were better than five of 128x2 on checkerboard (gap 0.048 to 0.120 in 20
 * s of one core), spirals (0.017 to 0.020) and magic (-3.95 to -4.05 test nats); eight
 * autoregressive ones of 64x2 than three of 128x2 (magic -3.56 to -3.83, both at three times the
 * rate). */
#define SPLINE_OF(count) .rule = "spline", .activation = "silu", .bins = (count)
const stack STACK_RACE[STACK_CANDIDATES] = {
    {SPLINE_OF(4), .couplings = 3, .hidden = "64", .dropout = 0.1},
    {.rule = "additive", .couplings = 8, .hidden = "128x2", .activation = "silu"},
    {.rule = "affine", .couplings = 5, .hidden = "128x2", .activation = "silu"},
    {SPLINE_OF(8), .couplings = 10, .hidden = "64x2", .rate = 3},
    {SPLINE_OF(8), .autoregressive = 1, .couplings = 8, .hidden = "64x2", .rate = 3},
};

/* Appends a line; *spec becomes NULL when memory runs out. */
static void append(char **spec, const char *line)
{
    char *longer = *spec ? memory_format("%s%s", *spec, line) : NULL;
    memory_free(*spec);
    *spec = longer;
}

static void append_coupling(char **spec, const stack *s, size_t columns, bool given, int number)
{
    char line[640], rule[64], extra[64] = "";
    bool first = number % 2 != 0;
    if (!strcmp(s->rule, "spline"))
        snprintf(rule, sizeof rule, "rule=spline bins=%d", s->bins ? s->bins : 8);
    else
        snprintf(rule, sizeof rule, "rule=%s", s->rule);
    if (s->blocks && !s->autoregressive)
        snprintf(extra, sizeof extra, " blocks=%d", s->blocks);
    if (s->dropout > 0)
        snprintf(extra + strlen(extra), sizeof extra - strlen(extra), " dropout=%.6g", s->dropout);
    if (number > 0 && (columns > 2 || s->autoregressive)) {
        if (s->autoregressive && number % 2)
            append(spec, "permute reverse\n"); /* the last column is the first to be known */
        else {
            snprintf(line, sizeof line, "permute random:%d\n", number);
            append(spec, line);
        }
    }
    if (columns == 1 && !given)
        snprintf(line, sizeof line, "elementwise %s\n", rule);
    else if (s->autoregressive || columns == 1)
        snprintf(line, sizeof line, "autoregressive hidden=%s activation=%s%s %s\n", s->hidden,
                 s->activation, extra, rule);
    else
        snprintf(line, sizeof line, "coupling move=%s hidden=%s activation=%s%s %s\n",
                 first ? "first" : "second", s->hidden, s->activation, extra, rule);
    append(spec, line);
}

/* The least side above `above` that cells of such pictures can have; 0: none. */
static unsigned cell_side(unsigned above, unsigned height, unsigned width)
{
    enum { MOST_SIDE = 8 };
    for (unsigned side = above + 1; side <= MOST_SIDE; side++)
        if (height % side == 0 && width % side == 0)
            return side;
    return 0;
}

bool stack_convolves(unsigned height, unsigned width)
{
    return height && width && cell_side(1, height, width);
}

/* Of eight couplings six on a fine grid, whose nets see what is near, and two on a coarse one with
 * twice the channels; each pattern both ways. */
static void append_convolution(char **spec, const stack *s, size_t columns, int number)
{
    static const char *const fine_patterns[] = {"checkerboard", "checkerboard", "rows"};
    unsigned fine = cell_side(1, s->height, s->width), coarse = cell_side(2, s->height, s->width);
    int pair = number / 2 % 4;
    char line[256], *blocks;
    unsigned long width = strtoul(s->hidden, &blocks, 10) * (pair == 3 ? 2 : 1);
    snprintf(line, sizeof line,
             "convolution size=%ux%u channels=%zu cell=%u keep=%s:%d hidden=%lu%s rule=%s\n",
             s->height, s->width, columns / s->height / s->width,
             pair == 3 && coarse ? coarse : fine,
             pair < 3 ? fine_patterns[pair]
             : coarse ? "blocks"
                      : "columns",
             number % 2, width, blocks, s->rule);
    append(spec, line);
}

char *stack_spec(size_t columns, const char *head, const char *first, const stack *s,
                 const char *last)
{
    char *spec = memory_format("nicest 1\ncolumns %zu\n%s%s", columns, head, first);
    int couplings = s && columns ? s->couplings : 0;
    if (couplings && columns > 2 && !s->autoregressive && !s->height)
        append(&spec, "permute odd-even\n");
    for (int i = 0; i < couplings; i++)
        if (s->height)
            append_convolution(&spec, s, columns, i);
        else
            append_coupling(&spec, s, columns, strstr(head, "context ") != NULL, i);
    append(&spec, last);
    return spec;
}

stack_text stack_name(const stack *s)
{
    stack_text name;
    char bins[20] = "", dropout[28] = "";
    if (s->bins && !strcmp(s->rule, "spline"))
        snprintf(bins, sizeof bins, ", %d bins", s->bins);
    if (s->dropout > 0)
        snprintf(dropout, sizeof dropout, ", dropout %g", s->dropout);
    snprintf(name.text, sizeof name.text, "%s%s %d x (%s)%s%s",
             s->autoregressive ? "autoregressive " : "", s->rule, s->couplings, s->hidden, bins,
             dropout);
    return name;
}
