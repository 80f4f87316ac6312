/* grammar.h - lines of a spec, cut into words, and the numbers in them.
 *
 * Every layer's own file parses its line with these and writes the canonical text, in which all
 * options stand. */
#pragma once

#include "flow/layer.h"
#include "nicest.h"

enum { SPEC_LINE = 640, SPEC_WORDS = 16 };

/* One line cut into words; word 0 is what the line is about. */
typedef struct spec_line {
    int number;
    char text[SPEC_LINE];
    char *word[SPEC_WORDS];
    int words;
} spec_line;

/* What a layer may know of its flow. */
typedef struct spec_shape {
    size_t columns;
    size_t context; /* columns that the density is given; 0: none */
    bool masked;    /* rows may have hidden values, and conditioners read which */
    bool first;     /* no layer stands before this one */
} spec_shape;

/* Makes a layer of the line, and writes its canonical text, of at most SPEC_LINE characters. */
typedef nicest_status spec_parser(const spec_line *l, const spec_shape *shape, char *canonical,
                                  layer **out);

/* A layer of that class, with zeros in what its struct of `size` bytes has beside, which becomes
 * *out; NULL when memory runs out. */
void *layer_new(const layer_class *class, size_t size, const spec_shape *shape, layer **out);

/* The next line of *text, without its comment. */
nicest_status spec_next_line(const char **text, spec_line *l);
/* NICEST_E_FORMAT, "spec line 3: sentence". */
nicest_status spec_refuse(const spec_line *l, const char *sentence);
/* The value of "key=value" behind word 0, or NULL. */
const char *spec_option(const spec_line *l, const char *key);
/* Whether every word behind word 0 is one of the keys with a value, each at most once. `keys` ends
 * with NULL. */
bool spec_known_options(const spec_line *l, const char *const *keys);
/* A whole number in [least, most]. */
bool spec_count(const char *text, size_t least, size_t most, size_t *value);
/* "A" or "AxB", whole numbers from 1; b stays as it is where it is not there. */
bool spec_times(const char *text, size_t most_a, size_t most_b, size_t *a, size_t *b);
/* The option as such a number; `value` stays as it is where the option is not there. */
bool spec_count_option(const spec_line *l, const char *key, size_t least, size_t most,
                       size_t *value);
/* The option as a number in [least, most], likewise. */
bool spec_number_option(const spec_line *l, const char *key, double least, double most,
                        double *value);

/* The layers, each by its own file; the name of the line is the name of the parser. */
#define SPEC_LAYERS(EACH)                                                                          \
    EACH(categories)                                                                               \
    EACH(permute)                                                                                  \
    EACH(standardise)                                                                              \
    EACH(logit)                                                                                    \
    EACH(marginal)                                                                                 \
    EACH(coupling)                                                                                 \
    EACH(convolution)                                                                              \
    EACH(autoregressive)                                                                           \
    EACH(elementwise)                                                                              \
    EACH(regression)                                                                               \
    EACH(linear)                                                                                   \
    EACH(scale)

#define SPEC_DECLARE(name) spec_parser name##_parse;
SPEC_LAYERS(SPEC_DECLARE)
#undef SPEC_DECLARE
