/* cut.h - a flow that begins with the layer `marginal`, cut behind it.
 *
 * There the density of a value is flat inside its level and none outside the levels: nothing that
 * follows gradients, or draws a ball around a row, comes anywhere. In y = marginal(x) every column
 * is about standard normal, and the rest of the flow is smooth. Borrows nothing of the flow. */
#pragma once

#include <stdbool.h>

#include "flow/flow.h"

typedef struct cut {
    flow *front; /* the marginal alone, behind the flow's entry; NULL: the flow is not split */
    flow *rest;  /* what follows: its continuous rows are y */
    flow_workspace *through; /* of front */
} cut;

/* Whether the flow is one that can be split: its columns are values, marginal its first layer. */
bool cut_fits(const flow *f);
nicest_status cut_open(cut *s, const flow *f, int threads);
void cut_close(cut *s);

/* x[rows, columns], continuous, to y and back; `from` may be `to`. A value without density becomes
 * the y of the nearest that has one. Not from two threads at once. */
void cut_forward(const cut *s, size_t rows, const double *from, double *to);
void cut_inverse(const cut *s, size_t rows, const double *from, double *to);
