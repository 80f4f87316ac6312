/* toy.h - two-dimensional data whose exact density is known.
 *
 * A row is a function of (seed, stream, row number) alone, so "n=100" is the start of "n=1000".
 * docs/toys.md has the formulas. */
#ifndef NICEST_DATA_TOY_H
#define NICEST_DATA_TOY_H

#include "data/source.h"

/* `text` is NAME[,n=10000][,seed=1][,stream=0][,noise=...]; fills a table of 2 columns. */
nicest_status toy_load(source_table *table, const char *text);

#endif
