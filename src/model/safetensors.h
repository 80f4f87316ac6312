/* safetensors.h - the file format of models and checkpoints.
 *
 * 8 bytes little-endian header length, a JSON header {name: {dtype, shape, data_offsets},
 * __metadata__: {name: text}}, then the bytes. Owns reading and writing it, and every check: sizes,
 * offsets, overlap, overflow, duplicate keys, depth. Knows nothing of flows. */
#pragma once

#include <stddef.h>

#include "base/file.h"
#include "base/memory.h"
#include "nicest.h"

typedef enum safetensors_type { SAFE_F32, SAFE_F64, SAFE_U8, SAFE_I64 } safetensors_type;

typedef struct safetensors_tensor {
    const char *name;
    safetensors_type type;
    int rank; /* 1 or 2 */
    size_t shape[2];
    const void *data;
} safetensors_tensor;

typedef struct safetensors_text {
    const char *name, *text;
} safetensors_text;

/* Tensors and texts in the given order; the same input gives the same bytes. Atomic. Names differ,
 * names and texts are UTF-8 (else NICEST_E_ARGUMENT). */
nicest_status safetensors_write(const char *path, const safetensors_tensor *tensors, size_t count,
                                const safetensors_text *texts, size_t text_count);
/* The same bytes in memory, released by memory_free. */
nicest_status safetensors_write_bytes(unsigned char **bytes, size_t *size,
                                      const safetensors_tensor *tensors, size_t count,
                                      const safetensors_text *texts, size_t text_count);

typedef struct safetensors safetensors;

/* Plain or gzipped. What is open has been checked: header length, JSON without duplicate keys,
 * names, types, shapes, and tensors that fill the rest of the file without gap or overlap. Errors
 * begin with the path. */
nicest_status safetensors_open(safetensors **out, const char *path);
/* The same of bytes in memory, borrowed until close. Errors name no file. */
nicest_status safetensors_open_bytes(safetensors **out, const void *bytes, size_t size);
void safetensors_close(safetensors *file);
DEFINE_DROP(safetensors_drop, safetensors, safetensors_close)
size_t safetensors_size(const safetensors *file); /* in bytes, as inflated */
size_t safetensors_count(const safetensors *file);
/* Tensor i in the order of the bytes; pointers are owned by the file. data is aligned. */
safetensors_tensor safetensors_get(const safetensors *file, size_t i);
/* Number of the tensor of that name; SIZE_MAX where there is none. */
size_t safetensors_place(const safetensors *file, const char *name);
/* The tensor of that name, or data == NULL. */
safetensors_tensor safetensors_find(const safetensors *file, const char *name);
size_t safetensors_text_count(const safetensors *file);
safetensors_text safetensors_get_text(const safetensors *file, size_t i);
const char *safetensors_find_text(const safetensors *file, const char *name); /* or NULL */

/* "F32", "[3, 4]": for messages. `text` holds at least 48 bytes; returns it. */
const char *safetensors_type_name(safetensors_type type);
const char *safetensors_shape_text(const safetensors_tensor *tensor, char *text);
