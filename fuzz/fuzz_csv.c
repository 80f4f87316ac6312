/* fuzz_csv.c - bytes as CSV or TSV, whole and row by row, with and without a choice of columns. */
#include <math.h>

#include "fuzz.h"

/* Deflate makes at most 1032 bytes of one, and these may all be ends of lines. */
enum { INFLATED = 1032 };

/* Rows one after another, bad lines left out: it must come to an end. */
static void stream(const char *path, const nicest_data_options *options, size_t size)
{
    nicest_reader *reader = NULL;
    size_t live = memory_live();
    if (nicest_reader_open(&reader, path, options) == NICEST_OK) {
        size_t d = nicest_reader_columns(reader), got = 1, skipped, lines = 0;
        double *rows = memory_new(3 * d, sizeof *rows);
        NEED(rows);
        nicest_reader_skip_bad(reader, 1);
        while (nicest_reader_next(reader, 3, rows, &got, &skipped) == NICEST_OK && got > 0) {
            lines += got + skipped;
            NEED(lines <= INFLATED * size + 1);
        }
        memory_free(rows);
    }
    nicest_reader_close(reader);
    NEED(memory_live() == live);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const nicest_data_options choices[] = {{0},
                                                  {.label = "1"},
                                                  {.drop = "1"},
                                                  {.columns = "2,1"},
                                                  {.where = "1=1"},
                                                  {.label = "2"},
                                                  {.label = "1", .where = "1=a"}};
    unsigned pick = fuzz_pick(bytes, size, 2 * sizeof choices / sizeof *choices);
    const nicest_data_options *options = &choices[pick / 2];
    const char *path = fuzz_file(pick % 2 ? ".tsv" : ".csv", bytes, size);
    fuzz_data(path, options, size, 1024);
    stream(path, options, size);
    return 0;
}
