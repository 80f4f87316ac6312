/* score.h - do two things that have columns belong together? The library's side of it; models and
 * data: nicest_model_fits. */
#ifndef NICEST_APPLY_SCORE_H
#define NICEST_APPLY_SCORE_H

#include "nicest.h"

/* Of the validation and the training data: as many columns, the same names where both have some,
 * pictures of one size where both are some. NICEST_E_MISMATCH otherwise. */
nicest_status score_alike(const nicest_data *train, const nicest_data *valid);

#endif
