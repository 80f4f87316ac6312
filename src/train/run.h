/* run.h - one run of training: its parts, its steps, its checkpoints; for trainer.c, which prepares
 * the rows, and race.c, which chooses what runs. */
#pragma once

#include "train/recipe.h"
#include "train/shift.h"
#include "train/step.h"
#include "train/train_state.h"
#include "train/trainer.h"
#include "train/words.h"

struct nicest_trainer {
    nicest_train_options options;
    nicest_train_result result; /* what was chosen and what failed; the rest when a model is made */
    trainer_rows rows;
    bool borrowed; /* the rows are those of another trainer, which runs it in its race */
    recipe recipe;
    entry entry;      /* how columns are encoded, in every flow that is tried */
    const flow *like; /* a closed form whose values the flow starts with; NULL: from the rows */
    flow *flow;
    flow_workspace *learn, *score;
    train_state state;
    struct nicest_trainer *closed; /* the closed form that the couplings have to beat; NULL: none */
    uint32_t *shuffle;             /* [training rows] the permutation of this epoch */
    size_t *order;                 /* [batch] rows of the batch at hand */
    double *weight;                /* [batch] theirs, of mean 1 over the training rows */
    double mean_weight;
    double *sum;        /* [training rows] of the weights so far; NULL: all weigh the same */
    size_t start_rows;  /* equally weighted ones that the start is measured from */
    uint32_t draw;      /* number of the batch */
    size_t batches;     /* steps of an epoch */
    size_t valid_every; /* steps between validations */
    double *valid_logp; /* [most rows that are scored at once] */
    stepper stepper;
    shift shift;               /* augmentation of the training rows, */
    double moved;              /* and the share of the batch at hand that moves */
    double *mean, *deviation;  /* [columns] of the continuous training rows */
    char *identity;            /* where checkpoints are written or read */
    double clock, told, saved; /* start of this process's part; last progress; last checkpoint */
    size_t saved_step;
    bool stopped; /* the caller has asked for the end, */
    bool cut;     /* and did so during the race: its checkpoint stays the race's, which runs anew */
    bool ended;   /* and that, or the recipe's own, was reached */
    double *sums; /* [sum_count], as model_keep_sums wants it */
    size_t sum_count;
    words said;
    bool holes;               /* rows with missing values serve */
    const nicest_data *given; /* all columns of the training data, */
    nicest_data *useful[2];   /* and training and validation rows without useless ones; or NULL */
};

typedef struct nicest_trainer trainer;

/* Training rows that the final figure is of. */
enum { RUN_SCORED = 10000 };

/* Makes flow, workspaces and optimiser of recipe.spec and entry; all but the flow. */
nicest_status run_open(trainer *t);
nicest_status run_prepare(trainer *t);
/* Judges the start: it becomes the best so far. */
nicest_status run_start(trainer *t);
/* The same for a run of its own, or goes on from its checkpoint; opens its log. */
nicest_status run_begin(trainer *t);
/* So many steps or seconds (0: no limit), or until the run has ended. The clock stands still
 * between calls. */
nicest_status run_steps(trainer *t, size_t steps, double seconds);
/* Validations without improvement that end the run: by default a quarter of them, at least 20. */
int run_patience(const trainer *t);
/* The permutation of the epoch at hand. */
void run_shuffle(trainer *t);
nicest_status run_validate(trainer *t);
nicest_progress run_progress(trainer *t);
/* Progress, with `event` where it is not NULL; notes whether the caller wants the end. */
void run_tell(trainer *t, const char *event);
flow_rows run_rows(const nicest_data *data);
/* Mean log p of the first rows, `most` and as many as valid_logp holds, with the same noise. */
double run_mean_logp(trainer *t, flow_rows rows, size_t most);
/* What the kept weights are judged by: validation rows, or training rows where there are none. */
double run_judge(trainer *t);
/* Exchanges two vectors of weights. */
void run_swap(float *a, float *b, size_t n);
