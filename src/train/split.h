/* split.h - which rows are copies of each other, and parts of a table that keep copies together.
 *
 * A model that learnt a row is no judge of its copy. So copies are one row, which counts as often
 * as it occurs. But rows of a table of flags, or of one rounded column, repeat by nature. Repeats
 * count as copies only where, once they are removed, some column is at least half distinct, and
 * where rows coincide more than twice as often as the values of independent columns would. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/random.h"
#include "nicest.h"

typedef struct split {
    size_t *row;         /* [groups] the first row of each group, in random order */
    double *weight;      /* [groups] what its rows count together; NULL where none is a copy */
    size_t rows, groups; /* as many groups as rows where none counts as a copy */
} split;

/* Rows index[0..count-1] of data (NULL: its first `count`) in the order of `stream`. -0 is 0, and
 * NaN equals NaN. */
nicest_status split_open(split *s, const nicest_data *data, const size_t *index, size_t count,
                         random_stream stream);
void split_close(split *s);

/* Groups first .. first+count-1 as data of their own, a row of each with its weight. 0 groups: *out
 * stays as it is. */
nicest_status split_take(nicest_data **out, const split *s, const nicest_data *data, size_t first,
                         size_t count);
/* All groups but these. */
nicest_status split_leave(nicest_data **out, const split *s, const nicest_data *data, size_t first,
                          size_t count);
