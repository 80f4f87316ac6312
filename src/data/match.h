/* match.h - columns of one thing in another; the rest of match.c is in nicest.h. */
#pragma once

#include "nicest.h"

/* place[columns of the model] in data that need not have rows; *note (memory_free) names what else
 * it has, or stays NULL. */
nicest_status match_reader(const nicest_model *model, const nicest_data *header, size_t *place,
                           char **note);

/* Of the validation and the training data: as many columns, the same names where both have some,
 * pictures of one size where both are some. NICEST_E_MISMATCH otherwise. */
nicest_status match_alike(const nicest_data *train, const nicest_data *valid);
