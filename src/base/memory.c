/* memory.c - every block the library owns, and arenas.
 *
 * Owns malloc, calloc, realloc and free; no other file calls them. The counters below are the
 * documented exception to "no mutable globals": they are atomic and only tests steer by them. */
#include "base/memory.h"

#include <assert.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64, SLACK = 2 * ALIGNMENT };

/* Sits just below each block. The block begins at the first aligned address that leaves room for
 * it, so calloc can hand out fresh pages without touching them and realloc can move big ones. */
typedef struct header {
    void *raw;
    size_t size;
} header;

static atomic_size_t calls, live, fail_countdown, live_bytes, peak_bytes;

static header *header_of(void *block)
{
    return (header *)block - 1;
}

static void *aligned_block(void *raw)
{
    uintptr_t address = (uintptr_t)raw + sizeof(header);
    return (void *)((address + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1));
}

static bool product(size_t count, size_t size, size_t *bytes)
{
    if (size != 0 && count > (SIZE_MAX - SLACK) / size)
        return false;
    *bytes = count * size;
    return true;
}

/* Counts a call and says whether a test wants it to fail. */
static bool call_must_fail(void)
{
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    size_t left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);
    while (left != 0) {
        if (atomic_compare_exchange_weak(&fail_countdown, &left, left - 1))
            return left == 1;
    }
    return false;
}

/* Unsigned numbers wrap: a block that shrinks adds what is left. */
static void count_bytes(size_t added, size_t removed)
{
    size_t change = added - removed;
    size_t now = atomic_fetch_add_explicit(&live_bytes, change, memory_order_relaxed) + change;
    size_t most = atomic_load_explicit(&peak_bytes, memory_order_relaxed);
    while (now > most && !atomic_compare_exchange_weak(&peak_bytes, &most, now))
        ;
}

void *memory_new(size_t count, size_t size)
{
    size_t bytes;
    if (call_must_fail() || !product(count, size, &bytes))
        return NULL;
    void *raw = calloc(1, bytes + SLACK);
    if (raw == NULL)
        return NULL;
    void *block = aligned_block(raw);
    *header_of(block) = (header){raw, bytes};
    atomic_fetch_add_explicit(&live, 1, memory_order_relaxed);
    count_bytes(bytes, 0);
    return block;
}

void *memory_resize(void *block, size_t count, size_t size)
{
    if (block == NULL)
        return memory_new(count, size);
    size_t bytes;
    if (call_must_fail() || !product(count, size, &bytes))
        return NULL;
    header old = *header_of(block);
    size_t old_offset = (size_t)((unsigned char *)block - (unsigned char *)old.raw);
    unsigned char *raw = realloc(old.raw, bytes + SLACK);
    if (raw == NULL)
        return NULL;
    void *moved = aligned_block(raw);
    /* realloc kept the distance to its own start, not our alignment. */
    if (raw + old_offset != (unsigned char *)moved)
        memmove(moved, raw + old_offset, old.size < bytes ? old.size : bytes);
    *header_of(moved) = (header){raw, bytes};
    count_bytes(bytes, old.size);
    return moved;
}

bool memory_grow(void *block, size_t wanted, size_t *capacity, size_t size)
{
    assert(size > 0);
    void *here;
    size_t larger = *capacity < SIZE_MAX / 4 ? 2 * *capacity + 16 : wanted;
    if (wanted <= *capacity)
        return true;
    larger = larger < wanted ? wanted : larger;
    memcpy(&here, block, sizeof here);
    here = memory_resize(here, larger, size);
    if (here == NULL)
        return false;
    memcpy(block, &here, sizeof here);
    *capacity = larger;
    return true;
}

char *memory_text(const char *text)
{
    return memory_copy(text, text != NULL ? strlen(text) + 1 : 0, 1);
}

void *memory_copy(const void *block, size_t count, size_t size)
{
    void *copy = block != NULL ? memory_new(count, size) : NULL;
    if (copy != NULL)
        memcpy(copy, block, count * size);
    return copy;
}

char *memory_format(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0)
        return NULL;
    char *text = memory_new((size_t)length + 1, 1);
    if (text == NULL)
        return NULL;
    va_start(arguments, format);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return text;
}

void memory_free(void *block)
{
    if (block == NULL)
        return;
    count_bytes(0, header_of(block)->size);
    free(header_of(block)->raw);
    atomic_fetch_sub_explicit(&live, 1, memory_order_relaxed);
}

void memory_drop(void *block)
{
    memory_free(memory_take(block));
}

void *memory_take(void *block)
{
    void *taken, *nothing = NULL;
    memcpy(&taken, block, sizeof taken);
    memcpy(block, &nothing, sizeof nothing);
    return taken;
}

void *memory_join(memory_group *group, size_t count, size_t size)
{
    assert(group->count < MEMORY_GROUP);
    void *block = memory_new(count, size);
    group->block[group->count++] = block;
    group->lacking = group->lacking || block == NULL;
    return block;
}

void memory_leave(memory_group *group)
{
    for (size_t i = 0; i < group->count; i++)
        memory_free(group->block[i]);
    *group = (memory_group){0};
}

bool memory_available(size_t bytes)
{
    /* volatile: else compilers leave both calls out */
    void *volatile block = call_must_fail() ? NULL : malloc(bytes);
    bool there = block != NULL;
    free(block);
    return there;
}

size_t memory_calls(void)
{
    return atomic_load(&calls);
}

size_t memory_live(void)
{
    return atomic_load(&live);
}

size_t memory_peak(void)
{
    return atomic_load(&peak_bytes);
}

void memory_peak_restart(void)
{
    atomic_store(&peak_bytes, atomic_load(&live_bytes));
}

void memory_fail_at(size_t call)
{
    atomic_store(&fail_countdown, call);
}

bool arena_open(arena *space, size_t size)
{
    unsigned char *base = memory_new(size, 1);
    if (base == NULL)
        return false;
    space->base = base;
    space->size = size;
    space->used = 0;
    space->peak = 0;
    return true;
}

void arena_close(arena *space)
{
    memory_free(space->base);
    space->base = NULL;
    space->size = space->used = space->peak = 0;
}

void *arena_take(arena *space, size_t count, size_t size)
{
    size_t bytes, start = space->used;
    /* whole cache lines; SIZE_MAX stands for "more than there is" */
    bytes = product(count, size, &bytes) ? (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1)
                                         : SIZE_MAX;
    size_t end = bytes > SIZE_MAX - start ? SIZE_MAX : start + bytes;
    if (end > space->peak)
        space->peak = end;
    space->used = end;
    if (space->base == NULL)
        return NULL;
    assert(end <= space->size);
    if (end > space->size) /* the promise is broken and assert is compiled out */
        return NULL;
    return space->base + start;
}
