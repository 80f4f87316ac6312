/* library.c - what the library says of itself, and the two helpers that belong to no room. */
#include <stdio.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/status.h"
#include "kernel/gemm.h"

#ifndef NICEST_VERSION
#error "the build defines NICEST_VERSION from the file VERSION"
#endif

const char *nicest_version(void)
{
    return NICEST_VERSION;
}

const char *nicest_build(void)
{
    static _Thread_local char text[200];
    snprintf(text, sizeof text, "nicest %s, compiled by %s %s, products in %s%s", NICEST_VERSION,
#if defined(__clang__)
             "clang", __clang_version__,
#elif defined(__GNUC__)
             "gcc", __VERSION__,
#else
             "an unknown compiler", "",
#endif
             gemm_level_name(gemm_best_level()), gemm_has_bf16() ? " and bf16" : "");
    return text;
}

int nicest_processors(void)
{
    return parallel_available();
}

nicest_status nicest_file_write(const char *path, const void *bytes, size_t size)
{
    OWNED_BY(file_writer_drop) file_writer *writer = NULL;
    if (!path || (!bytes && size))
        return fail(NICEST_E_ARGUMENT, "nicest_file_write: a path and the bytes are needed");
    TRY(file_writer_open(&writer, path));
    TRY(file_writer_write(writer, bytes, size));
    return file_writer_commit(memory_take(&writer));
}

void nicest_free(void *block)
{
    memory_free(block);
}
