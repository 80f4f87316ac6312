/* fuzz_gzip.c - bytes as a file that may be gzipped, read whole, forward in odd pieces, and as a
 * complexity. Both readers must agree on what it holds, or that it is damaged. */
#include <string.h>

#include "base/file.h"
#include "fuzz.h"

/* Everything the forward reader gives, compared with the whole. */
static nicest_status read_forward(const char *path, const file_bytes *whole, size_t piece)
{
    static unsigned char buffer[4096];
    file_reader *reader = NULL;
    size_t got = 0, at = 0;
    nicest_status status = file_reader_open(&reader, path);
    if (status != NICEST_OK)
        return status;
    do {
        status = file_reader_read(reader, buffer, piece, &got);
        if (status != NICEST_OK)
            break;
        NEED(got <= piece);
        if (whole) {
            NEED(got <= whole->size - at && !memcmp(buffer, whole->data + at, got));
            at += got;
        }
    } while (got > 0);
    NEED(status != NICEST_OK || !whole || at == whole->size);
    file_reader_close(reader);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *path = fuzz_file(".gz", bytes, size);
    file_bytes whole = {0}, small = {0};
    size_t live = memory_live(), piece = 1 + fuzz_pick(bytes, size, 4000);
    memory_peak_restart();
    size_t before = memory_peak();
    nicest_status status = file_load(&whole, path, 0);
    NEED(status == NICEST_OK || status == NICEST_E_FORMAT);
    NEED(memory_peak() - before <= FUZZ_BASE + 2400 * size);
    NEED(read_forward(path, status == NICEST_OK ? &whole : NULL, piece) == status);
    if (file_load(&small, path, 1000) == NICEST_OK) { /* a limit is kept, and loses nothing */
        NEED(status == NICEST_OK && small.size == whole.size);
        bool gzip =
            size >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b; /* plain files have no limit */
        NEED(small.size <= 1000 || !gzip);
        file_release(&small);
    } else {
        NEED(status != NICEST_OK || whole.size > 1000);
    }
    if (status == NICEST_OK) {
        NEED(whole.size == 0 || file_deflated_size(whole.data, whole.size) > 0);
        file_release(&whole);
    }
    NEED(memory_live() == live);
    return 0;
}
