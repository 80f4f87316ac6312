/* picture_filter.h - the five filters of PNG, chosen row by row as its specification advises.
 *
 * Deflate alone does not see that neighbours are alike in two dimensions; after these it does. */
#pragma once

#include <stddef.h>

/* Bytes that picture_filter writes for `size` bytes of picture. */
size_t picture_filter_size(size_t height, size_t size);
/* height lines of `line` bytes, `channels` bytes a pixel -> each line behind its filter's number.
 * Returns the bytes written. */
size_t picture_filter(const unsigned char *pixels, size_t height, size_t line, size_t channels,
                      unsigned char *out);
