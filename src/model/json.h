/* json.h - JSON that comes from a file, as jansson values.
 *
 * jansson 2.14 does not notice everywhere that its memory ran out while it reads: it may lose
 * characters of a text, or read behind one. So nothing is read unless as much memory as it could
 * need is there. */
#pragma once

#include <jansson.h>

#include "base/status.h"

/* Any JSON value of `size` bytes without duplicate keys; release with json_decref. On failure
 * *value stays as it was: NICEST_E_FORMAT says what is wrong and at which byte. */
nicest_status json_read(json_t **value, const char *text, size_t size);
/* A value as a text of our own, released by memory_free, with json_dumps' flags; NULL where there
 * is none, or when memory runs out. */
char *json_text(const json_t *value, size_t style);
