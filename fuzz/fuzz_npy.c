/* fuzz_npy.c - bytes as a file that ends in .npy. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const nicest_data_options choices[] = {
        {0}, {0}, {0}, {.columns = "2"}, {.label = "1"}, {.where = "1=1"}};
    unsigned pick = fuzz_pick(bytes, size, sizeof choices / sizeof *choices);
    fuzz_data(fuzz_file(".npy", bytes, size), &choices[pick], size, 64);
    return 0;
}
