/* memory.h - every block the library owns, and the arenas that a step draws from.
 *
 * Owns malloc and free. Blocks are 64-byte aligned, so vector code may count on it. Calls are
 * counted (the law "no allocation between the first batch and the last" is tested with them) and
 * can be made to fail on demand. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

/* count * size bytes, zeroed, 64-byte aligned; NULL when memory or the product overflows.
 * A product of zero gives a valid block. Release with memory_free. */
void *memory_new(size_t count, size_t size);
/* Grows or shrinks a block from memory_new, keeping its first bytes (NULL is an empty block; the
 * new bytes are not zeroed). On failure NULL, and the old block stands. */
void *memory_resize(void *block, size_t count, size_t size);
/* Makes room for `wanted` elements in a block that holds *capacity of them; `block` is the address
 * of the pointer to it. It at least doubles. False when memory runs out: then all is as before. */
bool memory_grow(void *block, size_t wanted, size_t *capacity, size_t size);
/* A copy of a string; NULL when memory runs out or text is NULL. */
char *memory_text(const char *text);
/* A formatted string of its own; NULL when memory runs out. */
char *memory_format(const char *format, ...) PRINTF_LIKE(1, 2);
/* A copy of count * size bytes; NULL when memory runs out or block is NULL. */
void *memory_copy(const void *block, size_t count, size_t size);
void memory_free(void *block);

/* A local that is released where its scope ends, whichever way it ends (docs/decisions/0010). It
 * has a value from its declaration on:
 *
 *     OWNED char *name = NULL;
 *     OWNED_NEW(double *, rows, n);    -- zeroed; or returns fail_memory()
 *     OWNED_ROWS(double *, x, n, d);   -- n d of them
 *     TRY(read_rows(data, rows));      -- releases both, where it fails
 *     *out = memory_take(&rows);       -- or passes one on
 *
 * OWNED_BY(source_table_close) of what another function releases, which takes the local's address.
 */
#define OWNED_BY(close) __attribute__((cleanup(close)))
#define OWNED           OWNED_BY(memory_drop)
#define OWNED_NEW(type, name, count)                                                               \
    OWNED type name = memory_new(count, sizeof *(name));                                           \
    TRY(check_memory(name))
#define OWNED_ROWS(type, name, rows, columns)                                                      \
    OWNED type name = memory_new(rows, (columns) * sizeof *(name));                                \
    TRY(check_memory(name))
/* void name(type **), for OWNED_BY, of a pointer that `release` releases. */
#define DEFINE_DROP(name, type, release)                                                           \
    static inline void name(type **pointer)                                                        \
    {                                                                                              \
        release(*pointer);                                                                         \
    }
/* `block` is the address of a pointer to a block, or of NULL. */
void memory_drop(void *block);
/* The pointer, which becomes NULL. */
void *memory_take(void *block);

/* Blocks that are released together. All zeros is an empty group. */
enum { MEMORY_GROUP = 24 };
typedef struct memory_group {
    void *block[MEMORY_GROUP];
    size_t count;
    bool lacking; /* memory ran out for some block: one look after all of them is enough */
} memory_group;

/* memory_new into the group; more than MEMORY_GROUP blocks are a broken promise (assert). */
void *memory_join(memory_group *group, size_t count, size_t size);
/* Releases all of them; the group is empty again. */
void memory_leave(memory_group *group);

/* Whether a block of that size could be had now. For what must not begin unless it can be finished;
 * it counts as a call. */
bool memory_available(size_t bytes);

/* Sets a pointer to `count` zeroed elements, or returns fail_memory(). */
#define TRY_NEW(pointer, count)                                                                    \
    TRY(check_memory(((pointer) = memory_new(count, sizeof *(pointer))) != NULL))

/* Sets a pointer to a copy of `count` elements, or to NULL where `block` is; or returns
 * fail_memory(). */
#define TRY_COPY(pointer, block, count)                                                            \
    TRY(check_memory(((pointer) = memory_copy(block, count, sizeof *(pointer))) || !(block)))

/* For tests: allocations so far and blocks alive; fail the n-th call from now (0: never). */
size_t memory_calls(void);
size_t memory_live(void);
void memory_fail_at(size_t call);
/* Also for tests: the most bytes that were alive at once since memory_peak_restart, without what is
 * kept beside a block. */
size_t memory_peak(void);
void memory_peak_restart(void);

/* An arena: one block that is taken from front to back and released by mark. With base == NULL it
 * only counts ("dry run"): arena_take returns NULL, `peak` becomes the size a real one needs. */
typedef struct arena {
    unsigned char *base;
    size_t size, used, peak;
} arena;

/* One block of `size` bytes, usually the peak that a dry run found; false when memory runs out. */
bool arena_open(arena *space, size_t size);
void arena_close(arena *space);
/* 64-byte aligned, not zeroed. Running past the end of a real one is a broken promise (assert). */
void *arena_take(arena *space, size_t count, size_t size);
