/* rule.h - how a value moves: y = rule(x; parameters), one column at a time.
 *
 * Couplings, autoregressive and elementwise layers differ in where the parameters come from; the
 * transform of a value is a rule. A rule has P parameters for each value, which lie as rows jP ..
 * jP+P-1 for column j, so that every loop runs along the rows of a tile. All of them being zero is
 * the identity. A new rule is a file with these functions, and a line in RULES. */
#pragma once

#include "flow/grammar.h"

/* Some columns of a tile. */
typedef struct rule_job {
    size_t columns, padded;
    double *x;          /* [columns, padded] the moved state, rewritten in place */
    real *kept;         /* [columns, padded] x before it moved: move writes it where it is not NULL,
                         * backward reads it. Only of rules that keep. */
    real *dx;           /* [columns, padded] backward: in dy, out dx */
    double *logdet;     /* [padded], added to */
    real *parameters;   /* [columns P, padded]; backward turns them into their gradient in place */
    const real *weight; /* [padded] see tile; backward only */
    const real *mask;   /* [columns, padded] see tile: what is hidden has no log-determinant */
    bool inverse;       /* from y to x */
} rule_job;

typedef struct rule rule;

typedef struct rule_class {
    const char *name;
    const char *const *keys; /* the rule's options, ended by NULL */
    bool keeps;              /* backward needs x and the parameters, not dy alone */
    /* Reads the options (`self` has its class) and writes their canonical words, each with a space
     * in front. */
    nicest_status (*parse)(const spec_line *l, rule *self, char *text, size_t size);
    void (*move)(const rule *self, rule_job *job);
    void (*backward)(const rule *self, rule_job *job);
} rule_class;

struct rule {
    const rule_class *class;
    size_t parameters; /* P */
    size_t bins;       /* of a spline */
    double bound;      /* of an affine rule's log-scale; of a spline's box */
};

#define RULES(EACH)                                                                                \
    EACH(additive)                                                                                 \
    EACH(affine)                                                                                   \
    EACH(spline)

#define RULE_DECLARE(name) extern const rule_class rule_##name;
RULES(RULE_DECLARE)
#undef RULE_DECLARE

/* Most keys of a layer's line, its own and the rule's. */
enum { RULE_KEYS = 16 };

/* The option rule=NAME (`otherwise`, where it is not there) and the options of that rule; `text`
 * receives "rule=NAME key=value". The line may have the layer's own `keys` beside, and no others:
 * `usage` says what was expected. */
nicest_status rule_parse(const spec_line *l, rule *self, const char *otherwise,
                         const char *const *keys, const char *usage, char *text, size_t size);

/* Most columns of a chunk, so that parameters stay in a core's cache; whole tiles of products. */
size_t rule_chunk(const rule *self, size_t padded);
