/* fill.h - ways to move hidden values until the density likes them; the inside of inpainting.
 *
 * A fill is a batch of rows whose observed values are fixed. Owns the methods: the two walks of the
 * NICE paper, our ascent, and Langevin sampling. What is hidden, where the bounds are and what the
 * result means is said by inpaint.c. Random numbers depend on seed, sample, row and step only; no
 * row knows of its neighbours. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apply/conditional.h"
#include "apply/cut.h"
#include "base/memory.h"
#include "flow/flow.h"
#include "nicest.h"

typedef struct fill fill;

/* A walk of the paper: x += a_i (share d log p/dx + e), a_i = 10 / (100 + i), e ~ N(0, I), from
 * uniform values; projected to the bounds, or not. */
typedef struct fill_walk_rule {
    double share;
    bool projected;
} fill_walk_rule;

/* What all rows of a step have in common. */
typedef struct fill_step {
    const fill_walk_rule *rule;
    size_t number, tuning;      /* steps below `tuning` tune a chain */
    double length;              /* of a walk */
    double correct2, tolerance; /* of an ascent: correct2 of the second moment, as old as the run */
    double share, count;        /* of chains: t; steps that the mean is over */
} fill_step;

/* Called after each step; a result other than 0 ends the run with NICEST_E_INTERRUPTED. */
typedef int (*fill_watch)(void *context, const fill *f, size_t step);

enum { FILL_SPARES = 6, FILL_NUMBERS = 8 };

struct fill {
    int threads;
    size_t columns;
    const fill_column *column; /* [columns] */
    const conditional *given;  /* of the rows at hand, with steps; wanted by fill_langevin */
    const cut *cut;            /* where it has parts: x is y of it, but in `mean` */
    uint64_t seed;
    fill_watch watch; /* or NULL */
    void *context;    /* for watch */
    /* the rows at hand; set before each run */
    size_t rows;                 /* of x; at most the `most` of fill_open */
    size_t each;                 /* neighbouring rows of x that are fills of one and the same row */
    uint64_t first;              /* number of row 0 in the whole */
    uint32_t sample;             /* which fill of its row the first of these is */
    const unsigned char *hidden; /* [rows / each, columns] */
    double *x;    /* [rows, columns] continuous, in and out; observed values are never touched */
    double *logp; /* [rows] of x, out */
    size_t steps; /* out: steps that the slowest row took */
    /* [rows, columns] and [rows], or NULL: fill_langevin adds the mean of each chain's second half,
     * and that of its squared length */
    double *mean, *square;
    const double *start;            /* [rows, columns] or NULL: see fill_langevin */
    const double *peak, *peak_logp; /* [rows / each, columns], [rows / each], or NULL: also there */
    /* inside */
    fill_step step;
    flow_workspace *workspace;
    double *spare[FILL_SPARES]; /* [most, columns] each */
    double *number;             /* [most, FILL_NUMBERS] what a row knows of itself */
    size_t *moving;             /* [most] rows that are not done */
    size_t movers;
    memory_group memory;
};

/* Memory for up to `most` rows at a time; `f` is all zero but for threads, columns and column. */
nicest_status fill_open(fill *f, const flow *model, size_t most);
void fill_close(fill *f);

nicest_status fill_walk(fill *f, const fill_walk_rule *rule, size_t steps);

/* Ascent to a maximum of log p from the given x, at most `steps` gradients; each row stops by
 * itself when `tolerance` nats for each hidden value are no longer to be had. Keeps the best. */
nicest_status fill_ascend(fill *f, size_t steps, double tolerance);

/* Metropolis-adjusted Langevin sampling of the hidden values given the others; x holds the mean of
 * `given`. The chain starts at a draw of that Gaussian and is led from it to the model's density in
 * the first half of the steps, which also tunes each row's step length; the second half samples.
 * With `start` it begins there and is not led. With `peak` (a maximum of each row, and its log p),
 * a chain that has not come anywhere near it in the first half goes on from there. */
nicest_status fill_langevin(fill *f, size_t steps);
