/* fuzz_idx.c - bytes as a file that ends in -idx3-ubyte. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const nicest_data_options choices[] = {
        {0}, {0}, {0}, {.columns = "2"}, {.label = "1"}, {.where = "1=1"}};
    unsigned pick = fuzz_pick(bytes, size, sizeof choices / sizeof *choices);
    fuzz_data(fuzz_file("-idx3-ubyte", bytes, size), &choices[pick], size, 4096);
    return 0;
}
