/* spec.h - a flow as readable text, one layer a line:
 *
 *     nicest 1
 *     columns 784
 *     permute odd-even                                  # or: reverse, random:SEED
 *     coupling move=second hidden=1000x5 activation=relu rule=additive
 *     coupling move=first hidden=1000x5
 *     scale
 *     prior logistic                                    # or: normal
 *
 * Further layers: standardise, logit margin=0.05. '#' begins a comment. docs/spec.md has it all.
 * Owns parsing and the canonical text; knows no numbers of a trained model. */
#ifndef NICEST_FLOW_SPEC_H
#define NICEST_FLOW_SPEC_H

#include "flow/layer.h"
#include "flow/prior.h"

typedef struct flow_spec {
    size_t columns;
    prior_kind prior;
    layer **layers; /* [count], owned */
    size_t count;
    char *text; /* canonical, owned */
} flow_spec;

/* Errors say "spec line N: ...". `spec` is untouched on failure. */
nicest_status spec_parse(flow_spec *spec, const char *text);
void spec_close(flow_spec *spec);
/* "1000x5", "256,128" or "none" into a conditioner; shared with the options of training. */
nicest_status spec_parse_hidden(const char *text, mlp_spec *conditioner);

#endif
