/* facts.h - what a column's values make of it. Training (train/roles.c) goes by the same rules, so
 * that nicest_data_facts can tell beforehand. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Numbers that repeat by nature: two levels, or up to ten with ten rows each; of `seen` rows. */
bool facts_are_category(size_t levels, size_t seen);
/* Whether the most frequent of `levels` values is a mass point: it has `most` of `rows` rows, the
 * next one `next`; `seen` rows in all, of which these may be a sample. */
bool facts_have_point(size_t most, size_t next, size_t levels, size_t rows, size_t seen);
