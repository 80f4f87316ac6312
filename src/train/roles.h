/* roles.h - what each column of a table is for the model: a value, a category, a constant,
 * something that follows from another column (entry.h). How values are quantised is columns.h. */
#pragma once

#include "flow/entry.h"
#include "nicest.h"
#include "train/words.h"

/* Of which columns it is modelled too that a cell is empty. */
typedef enum roles_absence { ROLES_IGNORE, ROLES_ABSENT_CATEGORIES, ROLES_ABSENT } roles_absence;

/* Sets roles and tables of `e`, which is open with as many columns as the data, and says what they
 * are. Words are counted in `train`, so that rare and new ones are OTHER; the levels of numbers are
 * those of `all`. */
nicest_status roles_choose(entry *e, const nicest_data *train, const nicest_data *all,
                           roles_absence absence, words *said);
/* Whether some value can be hidden: by a mass point, or because it is missing in `all`. */
nicest_status roles_need_masks(const entry *e, const nicest_data *all, bool *need);
