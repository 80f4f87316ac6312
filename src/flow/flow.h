/* flow.h - a whole flow: entry, layers, prior; and the one implementation of likelihood.
 *
 *     log p(x) = log p_H(h) + log |det dh/dx|,   h = forward(x)
 *
 * A flow owns its parameters and constants. A workspace owns what running needs: per thread an
 * arena and the scratch of its matrix products, and the tape of a batch. Rows are cut into tiles;
 * one thread takes a tile through the whole flow. Bits depend on neither the number of threads nor
 * the tiles: a row is computed alike in each, and blocks of parameters are fixed. */
#pragma once

#include "base/memory.h"
#include "flow/entry.h"
#include "flow/layer.h"
#include "flow/spec.h"

typedef struct flow {
    flow_spec spec;
    entry entry;
    tensor_list tensors;
    real *theta;       /* [tensors.trainable] */
    real *frozen;      /* [tensors.frozen] */
    block_list blocks; /* theta, cut for gradient and optimiser */
    uint32_t *order; /* [2 columns] of flow_trace where the flow is masked, else NULL: there latent
                      * rows have the columns' order, so that what is hidden is so in both */
} flow;

/* All parameters zero. NICEST_E_FORMAT when the spec is wrong, or wants more than `most` numbers
 * (0: no limit), which a reader of files sets from the file's size. */
nicest_status flow_new(flow **out, const char *spec_text, size_t most);
void flow_free(flow *f);
DEFINE_DROP(flow_drop, flow, flow_free)
/* A copy of `e` becomes the entry, in place of entry_natural: NICEST_E_FORMAT unless its values,
 * categories and context are the spec's, and what hides values is in a masked flow. Workspaces are
 * made afterwards. */
nicest_status flow_set_entry(flow *f, const entry *e);

/* Hands out rows first .. first+count-1 as stored values; called from several threads at once. */
typedef struct flow_rows {
    void (*fetch)(const void *context, size_t first, size_t count, double *stored);
    const void *context;
    size_t count;
} flow_rows;

/* Starting values: weights from `seed`, data-dependent ones from `rows` (with dequantisation noise;
 * of very many, evenly chosen ones), layer by layer, in one way through the flow. The entry must be
 * set before. */
nicest_status flow_init(flow *f, const flow_rows *rows, uint64_t seed, int threads);
/* The same where `closed` has started: a flow whose layers are some of those of f, in their order,
 * and the only ones of their kinds. Its values are taken over. */
void flow_init_like(flow *f, const flow *closed, uint64_t seed);
/* Whether tensors that came from a file are ones that the layers can have: NICEST_E_FORMAT. */
nicest_status flow_check(const flow *f);
/* Sets those elements of a vector like theta to zero that are always zero there. */
void flow_confine(const flow *f, real *theta);
/* Latent column j was column place[j] of the data, as far as layers only permute; place has room
 * for twice the columns. */
void flow_trace(const flow *f, uint32_t *place);

/* ------------------------------------------------------------------ workspace */

/* Most rows of a tile: where threads would have none otherwise, of flows that fit in a core's caches,
 * and of others. */
enum { FLOW_SHORT_TILE = 32, FLOW_TILE = 64, FLOW_LONG_TILE = 128 };

typedef enum flow_use {
    FLOW_SCORE,       /* forward and inverse */
    FLOW_GRADIENT,    /* and gradients by x */
    FLOW_LEARN,       /* and gradients by theta */
    FLOW_LEARN_WHOLE, /* the same bits, with the whole gradient kept: for clipping, accumulation */
    FLOW_RECOMPUTE /* and with one layer's tape in place of all: activations are computed again on
                    * in the backward pass */
} flow_use;

typedef struct flow_workspace flow_workspace;

/* rows: the most rows of one pass that needs a tape (FLOW_SCORE: only a hint; 0: many; 1: theta
 * must not change while it lives, for small flows keep their weights in another order). With
 * FLOW_LEARN and FLOW_RECOMPUTE every batch has exactly that many. bf16: products in bf16, but for
 * FLOW_SCORE. Borrowed: `f` must outlive it. */
nicest_status flow_workspace_new(flow_workspace **out, const flow *f, flow_use use, size_t rows,
                                 int threads, bool bf16);
void flow_workspace_free(flow_workspace *w);
DEFINE_DROP(flow_workspace_drop, flow_workspace, flow_workspace_free)

typedef enum flow_input {
    FLOW_STORED,     /* values through the entry with noise */
    FLOW_CONTINUOUS, /* values */
    FLOW_LATENT,     /* values are latent rows (entry.h): run the inverse */
    FLOW_PRIOR       /* latent is sampled: run the inverse */
} flow_input;

/* One pass over rows. Every output may be NULL. */
typedef struct flow_job {
    flow_input input;
    size_t rows;
    const double *values;    /* [rows, d], d being the entry's columns; of FLOW_PRIOR what is given,
                                or NULL; or */
    const flow_rows *source; /* stored rows on demand, from row 0 */
    random_stream noise;     /* of the entry or the prior */
    uint64_t first_row;      /* number of row 0 in that stream */
    double temperature;      /* of the prior */
    /* of flow_learn */
    const double *weights;  /* [rows] of each row in the objective; NULL: 1 */
    double total;           /* what the weights of the step add up to; 0: rows */
    bool accumulate;        /* add to the whole gradient that is there */
    const dropout *dropout; /* NULL: none */
    double *logp;           /* [rows] log p(x); forward only */
    double *logdet;         /* [rows] of the direction that is run */
    double *latent;         /* [rows, d]; forward only */
    double *gradient;       /* [rows, d] d log p / d x; forward only, FLOW_GRADIENT or more */
    double *gradient_norms; /* [rows, flow_norms()] norms of each row's d log p / d theta by parts;
                               as gradient */
    double *continuous;     /* [rows, d]; inverse only */
    double *stored;         /* [rows, d], quantised; inverse only */
} flow_job;

/* Parts of the parameters that gradient_norms tells apart: linear maps (weight and bias together)
 * and scales, in forward order. */
size_t flow_norms(const flow *f);

/* Never fails and never allocates. */
void flow_run(flow_workspace *w, const flow_job *job);
/* The jobs that most callers have, of rows [n, d]: log p of continuous ones; their latent and log
 * determinant (each may be NULL), and back; and samples, given what stands in given (or NULL). */
void flow_log_density(flow_workspace *w, const double *x, size_t n, double *logp);
void flow_forward(flow_workspace *w, const double *x, size_t n, double *latent, double *logdet);
void flow_inverse(flow_workspace *w, const double *latent, size_t n, double *x, double *logdet);
void flow_sample(flow_workspace *w, random_stream noise, uint64_t first, const double *given,
                 size_t n, double *x);

/* The first half of a training step: objective -1/n sum log p, forward and backward. The gradient
 * is then read block by block, over all rows, from any thread. */
typedef struct flow_pass {
    double mean_logp; /* over the batch */
    bool finite; /* loss and deltas are, and no gradient can overflow: the step may be applied */
    int fault;   /* when not: the layer where it shows first, -1: the loss itself */
} flow_pass;

flow_pass flow_learn(flow_workspace *w, const flow_job *job);
/* `prefetch` (may be NULL) is what the caller wants to find in cache afterwards. */
void flow_gradient(flow_workspace *w, int thread, const block *which, real *g,
                   gemm_prefetch *prefetch);
/* The backward pass reads weights in another order, from a copy in the workspace. FLOW_GRADIENT
 * makes it once: theta must not change while it lives. FLOW_LEARN and FLOW_RECOMPUTE make it anew
 * in every pass, unless who changed theta has transposed every block since (from any thread, while
 * it is in cache) and says so; which holds for one pass. */
void flow_transpose(flow_workspace *w, const block *which);
void flow_transposed(flow_workspace *w, bool all);
/* The whole gradient of the last flow_learn, [trainable]; NULL unless it is kept. */
real *flow_whole_gradient(flow_workspace *w);
/* Scratch of the thread for one block's gradient (and what the optimiser wants beside it). */
real *flow_block_scratch(flow_workspace *w, int thread);
int flow_threads(const flow_workspace *w);
/* Largest block.count of the flow. */
size_t flow_largest_block(const flow *f);
