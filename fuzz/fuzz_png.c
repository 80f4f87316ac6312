/* fuzz_png.c - bytes as a PNG: as a picture, as data and as a mask. What can be read is written
 * again and must show the same. */
#include <string.h>

#include "fuzz.h"

enum { FACTOR = 40000 }; /* deflate gives 1032 bytes, a 1-bit palette with alpha 32 from each */

static void write_again(const nicest_image *image)
{
    nicest_image again = {0};
    unsigned char *bytes = NULL;
    size_t size = 0;
    NEED(nicest_image_encode(image, &bytes, &size) == NICEST_OK);
    NEED(nicest_image_read(&again, fuzz_file("-again.png", bytes, size)) == NICEST_OK);
    NEED(again.width == image->width && again.height == image->height);
    NEED(again.channels == image->channels);
    NEED(!memcmp(again.pixels, image->pixels,
                 (size_t)image->width * image->height * image->channels));
    nicest_image_free(&again);
    nicest_free(bytes);
}

static void hide(const char *path)
{
    unsigned char hidden[64];
    double rows[64] = {0};
    nicest_status status = nicest_mask(path, rows, 1, 64, 8, 8, 1, 1, hidden);
    NEED(status == NICEST_OK || status == NICEST_E_FORMAT || status == NICEST_E_MISMATCH);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *path = fuzz_file(".png", bytes, size);
    nicest_image image = {0};
    size_t live = memory_live();
    memory_peak_restart();
    size_t before = memory_peak();
    nicest_status status = nicest_image_read(&image, path);
    NEED(status == NICEST_OK || status == NICEST_E_FORMAT);
    NEED((status == NICEST_OK) == (image.pixels != NULL));
    NEED(memory_peak() - before <= FUZZ_BASE + FACTOR * size);
    if (status == NICEST_OK && (size_t)image.width * image.height < 1 << 16)
        write_again(&image);
    nicest_image_free(&image);
    hide(path);
    if (size < 1000) /* otherwise a few rows are enough of a test */
        fuzz_data(path, NULL, size, 2 * FACTOR);
    NEED(memory_live() == live);
    return 0;
}
