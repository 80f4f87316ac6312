/* json.c - see json.h. */
#include "model/json.h"

#include <stdint.h>

#include "base/memory.h"

/* What jansson takes for each byte of text at most: 92 were measured, for "[{},{},{}", with what
 * malloc keeps beside a block. tests/test_model_json.c holds it. */
enum { MOST_PER_BYTE = 128, MOST_BESIDE = 1 << 16 };

nicest_status json_read(json_t **value, const char *text, size_t size)
{
    json_error_t error;
    if (size > (SIZE_MAX - MOST_BESIDE) / MOST_PER_BYTE ||
        !memory_available(MOST_PER_BYTE * size + MOST_BESIDE))
        return fail_memory();
    json_t *read = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!read && !error.text[0]) /* it says why, except when its memory ran out all the same */
        return fail_memory();
    if (!read)
        return fail(NICEST_E_FORMAT, "%s (byte %d)", error.text, error.position);
    *value = read;
    return NICEST_OK;
}

char *json_text(const json_t *value, size_t style)
{
    size_t size = value ? json_dumpb(value, NULL, 0, style) : 0;
    char *text = size ? memory_new(size + 1, 1) : NULL;
    if (text)
        json_dumpb(value, text, size, style);
    return text;
}
