/* prior_mixture.h - a mixture of Gaussians as a prior: a last layer, whose forward adds the log
 * density of the latent and whose inverse leaves it as it is. */
#ifndef NICEST_FLOW_PRIOR_MIXTURE_H
#define NICEST_FLOW_PRIOR_MIXTURE_H

#include "flow/grammar.h"

/* Of the line 'prior mixture:K' or 'prior mixture:K:diagonal', word 1 of which begins so. */
nicest_status prior_mixture_parse(const spec_line *l, const spec_shape *shape, char *canonical,
                                  layer **out);
/* Row `row` of the stream into h[columns]; deviations from a part's mean times temperature. `memo`
 * is the thread's (layer.h, remember). */
void prior_mixture_sample(const layer *self, void *memo, random_stream stream, uint64_t row,
                          double temperature, double *h);

#endif
