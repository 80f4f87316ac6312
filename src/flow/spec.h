/* spec.h - a flow as readable text, one layer a line:
 *
 *     nicest 1
 *     columns 784
 *     permute odd-even                                  # or: reverse, random:SEED
 *     coupling move=second hidden=1000x5 activation=relu rule=additive
 *     coupling move=first hidden=1000x5
 *     scale
 *     prior logistic                                    # or: normal, mixture:K
 *
 * 'context N' and 'masked' may follow 'columns'. '#' begins a comment. docs/spec.md has all layers;
 * each is parsed by its own file (grammar.h). Knows no numbers of a trained model. */
#pragma once

#include "flow/grammar.h"
#include "flow/prior.h"

typedef struct flow_spec {
    size_t columns;
    size_t context;    /* columns that the density is given */
    bool masked;       /* rows may have hidden values */
    layer *categories; /* the first layer, where it is theirs; NULL: there are none */
    prior_kind prior;
    layer **layers; /* [count], owned; a mixture prior is the last */
    size_t count;
    char *text; /* canonical, owned */
} flow_spec;

/* Errors say "spec line N: ...". `spec` is untouched on failure. */
nicest_status spec_parse(flow_spec *spec, const char *text);
void spec_close(flow_spec *spec);
