/* recipe.h - from the user's options and the shape of the data to one complete recipe.
 *
 * Owns every default of training, in one place and with its reason. Nothing is hidden: what was
 * chosen is said, and stored in the model. */
#pragma once

#include <stdbool.h>

#include "nicest.h"
#include "train/optimizer.h"
#include "train/stack.h"
#include "train/words.h"

typedef struct recipe {
    const char *preset; /* "nice" or "nicest" */
    char *spec;         /* owned; NULL while the race has to choose it, from */
    size_t values;      /* columns of the spec */
    char *head;         /* its lines about context, masks and categories, owned */
    const char *standardise, *line, *marginal; /* what closed forms begin with */
    char *first, *last; /* what comes first and last (stack.h), owned; NULL: all closed forms, */
    stack stack;        /* and couplings: these, */
    bool race;          /* or those that win */
    bool centred;       /* the entry subtracts the means (not in front of a logit) */
    size_t batch, accumulate;
    size_t epochs, steps; /* length: one of them, or the time */
    double seconds, rate, warmup, final_rate, clip;
    int patience;   /* in validations; -1: never stops early */
    unsigned shift; /* of training pictures, in pixels; 0: none */
    optimizer_settings optimizer;
} recipe;

/* What the choice may depend on. */
typedef struct recipe_data {
    size_t rows, columns;   /* training rows, after the split; values that have a density */
    unsigned height, width; /* of the pictures that the rows are; 0: they are none */
    size_t context;         /* what stands beside the columns (entry.h) */
    bool masked;            /* values may be hidden */
    bool ties;              /* columns.h */
    const char *classes;    /* "2,3x4": the classes of the categories; NULL: there are none */
} recipe_data;

/* Shares of the rows held out for early stopping and for calibration when the user does not say. */
void recipe_shares(size_t rows, bool has_valid, double *valid, double *calibration);

/* NICEST_E_ARGUMENT with a sentence when an option is not what it can be. */
nicest_status recipe_choose(recipe *r, const nicest_train_options *options, const recipe_data *data,
                            words *said);
void recipe_close(recipe *r);
