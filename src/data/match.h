/* match.h - where the columns of a model are in a table; the rest of match.c is in nicest.h. */
#ifndef NICEST_DATA_MATCH_H
#define NICEST_DATA_MATCH_H

#include "nicest.h"

/* place[columns of the model] in data that need not have rows; *note (memory_free) names what else it
 * has, or stays NULL. */
nicest_status match_reader(const nicest_model *model, const nicest_data *header, size_t *place,
                           char **note);

#endif
