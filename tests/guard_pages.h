/* guard_pages.h - blocks that end where the mapped memory ends.
 *
 * A read or write one byte past such a block ends the test program. For tests only. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct guarded {
    void *data; /* its last byte is the last of a page; nothing is mapped behind */
    void *map;
    size_t mapped;
} guarded;

static inline guarded guard_new(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t usable = (size + page - 1) / page * page;
    guarded block = {NULL, NULL, usable + page};
    block.map =
        mmap(NULL, block.mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block.map == MAP_FAILED || mprotect((char *)block.map + usable, page, PROT_NONE) != 0)
        return (guarded){NULL, NULL, 0};
    block.data = (char *)block.map + usable - size;
    return block;
}

static inline void guard_free(guarded *block)
{
    if (block->mapped > 0)
        munmap(block->map, block->mapped);
    *block = (guarded){NULL, NULL, 0};
}
