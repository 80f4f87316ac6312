/* formats.h - the readers of whole files: each fills a source_table that owns what it needs.
 *
 * The table is empty before; also on failure the caller closes it. Errors name the file. */
#pragma once

#include "data/source.h"

/* .npy, versions 1 to 3: integers, booleans, floats of 2, 4, 8 bytes, either order of bytes and
 * axes. One axis is one column; [n, h, w] and [n, h, w, c] are pictures. */
nicest_status npy_load(source_table *table, const char *path);
/* .npz: the array of that name, or (NULL) the first with two axes. Other arrays of equal length
 * with one column become extras. */
nicest_status npz_load(source_table *table, const char *path, const char *array);
/* IDX, gzipped or not; labels of a labels-idx1 file beside an images-idx3 file become an extra. */
nicest_status idx_load(source_table *table, const char *path);
/* The name that such labels have: "x-labels-idx1-ubyte" of "x-images-idx3-ubyte"; *labels is NULL
 * where pictures of that name have none. memory_free. */
nicest_status idx_labels_path(char **labels, const char *path);
/* The labels that idx_load reads beside pictures of that name, gzipped or not; NULL: none. */
nicest_status idx_find_labels(char **labels, const char *path);
/* nicest_image_read; `shallow`: NICEST_E_UNSUPPORTED of 16 bits a sample. */
nicest_status image_read(nicest_image *image, const char *path, bool shallow);
/* One PNG as one row, or all of a folder in order of their names; sub-folders are labels. */
nicest_status png_load(source_table *table, const char *path);

/* Two-dimensional data whose exact density is known; `text` is
 * NAME[,n=10000][,seed=1][,stream=0][,noise=...]. A row is a function of (seed, stream, row number)
 * alone, so "n=100" is the start of "n=1000". docs/toys.md has the formulas. */
nicest_status toy_load(source_table *table, const char *text);
