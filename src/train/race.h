/* race.h - which flow is learnt: closed forms first, then stacks of couplings behind the best of
 * them.
 *
 * Closed forms are {standardise, marginal} x {Gaussian, mixture}: a Gaussian, a Gaussian copula, a
 * mixture, a mixture behind marginals. Couplings that start as the identity go in between and train
 * for a while; the weaker half is dropped, the rest trains on, the best goes through the whole
 * schedule. Couplings replace the closed form only where their paired gain on validation rows is
 * more than one standard error of it, and their inverse keeps its bound. */
#pragma once

#include "train/run.h"

/* Fewer rows choose their closed form by 5-fold cross-validation, and fit it to all of them where
 * nothing beats it. */
enum { RACE_FOLDS_BELOW = 2000 };

/* Sets the recipe's spec and opens the run. */
nicest_status race_run(trainer *t);
/* The same for a run that goes on from options.resume: its race was won, or is run anew. */
nicest_status race_resume(trainer *t);
/* After the last step: puts the closed form back where the couplings do not beat it. */
nicest_status race_end(trainer *t);
