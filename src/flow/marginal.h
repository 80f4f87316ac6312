/* marginal.h - one value at a time through the layer `marginal`, for integrals over a column.
 *
 * Behind the layer every column is about a standard normal. In front of it a value that comes back
 * may be a spike, as wide as the noise that is added to it. */
#ifndef NICEST_FLOW_MARGINAL_H
#define NICEST_FLOW_MARGINAL_H

#include "flow/flow.h"

/* The layer that a flow's values come through first, where it is a marginal; else NULL. */
const layer *flow_marginal(const flow *f);
/* y of value j, x being what the layer gets; where there is no density, y of the nearest x. */
double marginal_place(const layer *marginal_layer, size_t j, double x);
/* x where y is, and log dy/dx there. */
double marginal_value(const layer *marginal_layer, size_t j, double y, double *log_slope);

#endif
