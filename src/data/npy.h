/* npy.h - writing NumPy's files, and the zip that libzip knows.
 *
 * Reading is in formats.h. Owns libzip. */
#pragma once

#include "data/source.h"

/* A growing block of bytes. */
typedef struct byte_buffer {
    unsigned char *data;
    size_t size, capacity;
} byte_buffer;

/* Room for `size` more bytes behind what is there, which the caller fills; NULL without memory. */
unsigned char *byte_buffer_take(byte_buffer *buffer, size_t size);
void byte_buffer_close(byte_buffer *buffer);

/* Magic and header of version 1.0 for a row-major array of one to four axes, as numpy.save writes
 * them. */
nicest_status npy_header(byte_buffer *out, value_type type, const size_t *axes, size_t count);

/* A zip archive of deflated members, the same bytes at any time of day. */
typedef struct zip_member {
    const char *name;
    const byte_buffer *bytes;
} zip_member;
nicest_status zip_pack(byte_buffer *out, const zip_member *members, size_t count);
