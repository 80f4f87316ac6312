/* safetensors.h - the file format of models and checkpoints.
 *
 * 8 bytes little-endian header length, a JSON header {name: {dtype, shape, data_offsets}, __metadata__:
 * {name: text}}, then the bytes. Owns reading and writing it, and every check: sizes, offsets, overlap,
 * overflow, duplicate keys, depth. Knows nothing of flows. */
#ifndef NICEST_MODEL_SAFETENSORS_H
#define NICEST_MODEL_SAFETENSORS_H

#include <stddef.h>

#include "base/file.h"
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

/* Tensors and texts in the given order; the same input gives the same bytes. Atomic. */
nicest_status safetensors_write(const char *path, const safetensors_tensor *tensors, size_t count,
                                const safetensors_text *texts, size_t text_count);

typedef struct safetensors safetensors;
nicest_status safetensors_open(safetensors **out, const char *path);
void safetensors_close(safetensors *file);
size_t safetensors_size(const safetensors *file); /* of the file in bytes */
size_t safetensors_count(const safetensors *file);
/* Tensor i; pointers are owned by the file. data is aligned for its type. */
safetensors_tensor safetensors_get(const safetensors *file, size_t i);
/* The tensor of that name, or data == NULL. */
safetensors_tensor safetensors_find(const safetensors *file, const char *name);
size_t safetensors_text_count(const safetensors *file);
safetensors_text safetensors_get_text(const safetensors *file, size_t i);
const char *safetensors_find_text(const safetensors *file, const char *name); /* or NULL */

#endif
