/* fuzz.h - what the fuzz targets share: assertions, bytes as a file, and the use of what opened.
 *
 * A target is the function LLVMFuzzerTestOneInput of libFuzzer. It gives bytes to one reader and
 * asserts what must hold for any bytes: a status that may come from a file, nothing written into
 * the result on failure, no block left over, and no more memory than the file's size justifies. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "nicest.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Ends the program with the place and the library's last sentence. */
_Noreturn void fuzz_broken(const char *file, int line, const char *what);
#define NEED(condition)                                                                            \
    do {                                                                                           \
        if (!(condition))                                                                          \
            fuzz_broken(__FILE__, __LINE__, #condition);                                           \
    } while (0)

/* The path of a file of this process, in TMPDIR, whose name ends like that; one for each ending. It
 * goes when the program ends. */
const char *fuzz_path(const char *ending);
/* That file, holding these bytes. */
const char *fuzz_file(const char *ending, const void *bytes, size_t size);

/* A number that depends on all bytes, to choose by. */
unsigned fuzz_pick(const uint8_t *bytes, size_t size, unsigned choices);

/* The bytes as text that ends with NUL (bytes behind a NUL are lost); release with memory_free. */
char *fuzz_text(const uint8_t *bytes, size_t size);

/* Opens `text` as data and reads every value, name and label. Blocks of ours take at most
 * FUZZ_BASE + factor * size bytes. Nothing is left over. */
enum { FUZZ_BASE = 8 << 20 };
void fuzz_data(const char *text, const nicest_data_options *options, size_t size, size_t factor);
