/* margin.h - the density of some columns of a flow, and the places to sum and integrate it over.
 *
 * A masked flow has the density of whatever is seen. A closed form has a twin with masks, whose
 * densities are exactly its marginals: the same layers, and a Gaussian as a mixture of one part.
 * Couplings without masks have no such twin. */
#pragma once

#include <stdbool.h>

#include "flow/flow.h"

typedef struct margin {
    const flow *of;          /* borrowed */
    const flow *masked;      /* log p of rows with NaN is that of the others; NULL: there is none */
    bool exact;              /* and it is the integral of the whole row's density */
    flow *twin, *front;      /* front: up to the layer `marginal`, or NULL */
    flow_workspace *run;     /* of masked, or of `of` */
    flow_workspace *through; /* of front */
} margin;

/* Whoever has opened it closes it, also where that failed. */
nicest_status margin_open(margin *m, const flow *f, int threads);
void margin_close(margin *m);

/* Where a column's mass can be: atoms (classes, mass points), then nodes of a midpoint rule in the
 * coordinate y, in which the column is smooth: its normal score where the flow begins with a
 * marginal, else x itself. */
typedef struct margin_axis {
    size_t column, atoms, nodes;
    double low, step; /* node i is y = low + (i + 1/2) step */
    double *x;        /* [atoms + nodes] continuous */
    double *weight;   /* [atoms + nodes] log dx; 0 of an atom */
} margin_axis;

/* y[samples] are the column's own, ascending (margin_y); they say how wide it is. */
nicest_status margin_axis_open(margin_axis *a, const margin *m, size_t column, size_t nodes,
                               const double *y, size_t samples);
void margin_axis_close(margin_axis *a);
/* y [rows, columns] of continuous rows, and log |dy/dx| over what each row sees (may be NULL). */
void margin_y(const margin *m, size_t rows, const double *x, double *y, double *logdet);
