/* json_memory.h - jansson's memory, counted and failing as ours does. For tests only.
 *
 * Which allocator jansson uses is a setting of the whole process, so it is the program's to choose
 * and not a library's (docs/reliability.md). A test is the program: it calls json_on_counted_memory
 * first, before any JSON is made. jansson 2.14's reader ends the process by an assertion of its own
 * when a token's buffer cannot grow (load.c, lex_scan_string), so while JSON is read only what is
 * ours may fail. */
#pragma once

#include <jansson.h>
#include <stdlib.h>

#include "base/memory.h"

static bool json_fails;
static size_t json_live;

static inline void *json_take(size_t size)
{
    if (json_fails) { /* as a call of ours would */
        void *asked = memory_new(1, 1);
        if (asked == NULL)
            return NULL;
        memory_free(asked);
    }
    json_live++;
    return malloc(size);
}

static inline void json_give(void *block)
{
    json_live -= block != NULL;
    free(block);
}

static inline void json_on_counted_memory(void)
{
    json_set_alloc_funcs(json_take, json_give);
}
