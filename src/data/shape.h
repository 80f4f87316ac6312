/* shape.h - from raw arrays of a file to a table: sizes, order of bytes, pictures.
 *
 * Shared by NPY and IDX: what a file claims is checked against the bytes that are there before
 * anything is believed. */
#pragma once

#include "data/source.h"

enum { SHAPE_MOST = 8 }; /* axes */

typedef struct shape {
    size_t axes;
    size_t size[SHAPE_MOST];
} shape;

/* Product of the axes times the size of a value; false when it overflows. */
bool shape_bytes(const shape *s, size_t value_bytes, size_t *bytes);

/* Rows are the first axis, columns all others; [n, h, w], [n, h, w, c] and [n, c, h, w] with c of
 * 1, 3, 4 are pictures (their columns in the order h, w, c). Sets rows, columns, strides, offsets and picture size of a table with that type; values
 * lie row-major, or first axis fastest when `fortran`. */
nicest_status shape_table(source_table *table, const shape *s, value_type type, bool fortran);

/* count values of `size` bytes with their bytes reversed. */
void shape_swap(unsigned char *values, size_t count, size_t size);
bool shape_big_endian_machine(void);
