/* image.c - 8-bit pictures and PNG.
 *
 * Owns libpng. Whatever a PNG holds (palette, 1 to 16 bits, grey with alpha, interlacing) becomes
 * grey, RGB or RGBA of 8 bits with the values that stand in the file: no gamma is applied. Folders
 * of pictures are in folder.c. */
#ifndef NICEST_NO_PNG
#include <png.h>
#endif
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "data/formats.h"

enum {
    MOST_SIDE = 1 << 16,
    MOST_RATIO = 1100 /* deflate cannot exceed 1032 */
};

/* ---------------------------------------------------------------- pictures in memory */

static bool picture_bytes(size_t width, size_t height, size_t channels, size_t *bytes)
{
    if (width == 0 || height == 0 || width > SIZE_MAX / 8 / height)
        return false;
    *bytes = width * height * channels;
    return true;
}

nicest_status nicest_image_new(nicest_image *image, unsigned width, unsigned height,
                               unsigned channels)
{
    size_t bytes;
    TRY(require(image, "a place for the picture is needed"));
    if ((channels != 1 && channels != 3 && channels != 4) ||
        !picture_bytes(width, height, channels, &bytes))
        return fail(NICEST_E_ARGUMENT, "no picture is %ux%u with %u channels", height, width,
                    channels);
    unsigned char *pixels = memory_new(bytes, 1);
    TRY(check_memory(pixels));
    *image = (nicest_image){width, height, channels, pixels};
    return NICEST_OK;
}

void nicest_image_free(nicest_image *image)
{
    if (image == NULL)
        return;
    memory_free(image->pixels);
    *image = (nicest_image){0};
}

/* ---------------------------------------------------------------- what libpng calls */

#ifndef NICEST_NO_PNG

/* Everything that must survive libpng's long jumps. */
typedef struct png_work {
    png_structp png;
    png_infop info;
    png_bytepp rows;
    nicest_image image;
    unsigned char *gray_alpha; /* [height, width, 2] before it is drawn on black */
    const unsigned char *in;   /* when reading */
    size_t in_size, in_used;
    unsigned char *out; /* when writing */
    size_t out_size, out_capacity;
    char text[120];
    bool shallow; /* 16 bits a sample are refused */
    nicest_status status;
} png_work;

static void on_error(png_structp png, png_const_charp text)
{
    png_work *w = png_get_error_ptr(png);
    snprintf(w->text, sizeof w->text, "%s", text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png, (void)text;
}

static png_voidp take_memory(png_structp png, png_alloc_size_t size)
{
    png_work *w = png_get_mem_ptr(png);
    void *block = memory_new(size, 1);
    if (block == NULL)
        w->status = NICEST_E_MEMORY;
    return block;
}

static void give_memory(png_structp png, png_voidp block)
{
    (void)png;
    memory_free(block);
}

static void read_bytes(png_structp png, png_bytep to, size_t size)
{
    png_work *w = png_get_io_ptr(png);
    if (size > w->in_size - w->in_used)
        png_error(png, "the file is truncated");
    memcpy(to, w->in + w->in_used, size);
    w->in_used += size;
}

static void write_bytes(png_structp png, png_bytep from, size_t size)
{
    png_work *w = png_get_io_ptr(png);
    if (!memory_grow(&w->out, w->out_size + size, &w->out_capacity, 1)) {
        w->status = NICEST_E_MEMORY;
        png_error(png, "out of memory");
    }
    memcpy(w->out + w->out_size, from, size);
    w->out_size += size;
}

static void flush_bytes(png_structp png)
{
    (void)png;
}

static void work_close(png_work *w, bool reading)
{
    if (reading)
        png_destroy_read_struct(&w->png, &w->info, NULL);
    else
        png_destroy_write_struct(&w->png, &w->info);
    memory_free(w->rows);
    memory_free(w->gray_alpha);
}

/* ---------------------------------------------------------------- reading */

static void make_rows(png_work *w)
{
    size_t width = png_get_image_width(w->png, w->info), bytes;
    size_t height = png_get_image_height(w->png, w->info);
    unsigned channels = png_get_channels(w->png, w->info);
    unsigned kept = channels == 2 ? 1 : channels;
    if (!picture_bytes(width, height, channels, &bytes))
        png_error(w->png, "it claims more pixels than there can be");
    w->status = nicest_image_new(&w->image, (unsigned)width, (unsigned)height, kept);
    w->rows = memory_new(height, sizeof *w->rows);
    if (channels == 2)
        w->gray_alpha = memory_new(bytes, 1);
    if (w->status != NICEST_OK || w->rows == NULL || (channels == 2 && w->gray_alpha == NULL)) {
        w->status = NICEST_E_MEMORY;
        png_error(w->png, "out of memory");
    }
    unsigned char *first = channels == 2 ? w->gray_alpha : w->image.pixels;
    for (size_t y = 0; y < height; y++)
        w->rows[y] = first + y * width * channels;
}

static bool decode_steps(png_work *w)
{
    if (setjmp(png_jmpbuf(w->png)) != 0)
        return false;
    png_set_user_limits(w->png, MOST_SIDE, MOST_SIDE);
    /* Texts, profiles and times are not ours, and some of them inflate. */
    png_set_keep_unknown_chunks(w->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_read_fn(w->png, w, read_bytes);
    png_read_info(w->png, w->info);
    if (w->shallow && png_get_bit_depth(w->png, w->info) == 16) {
        w->status = NICEST_E_UNSUPPORTED;
        return false;
    }
    /* Refuses what the bytes of the file cannot inflate to. An interlaced picture needs no less. */
    size_t row = png_get_rowbytes(w->png, w->info), height = png_get_image_height(w->png, w->info);
    if (row + 1 > w->in_size * MOST_RATIO / height)
        png_error(w->png, "it claims more pixels than it can hold");
    /* To 8 bits, without palettes; transparency becomes alpha. */
    png_set_scale_16(w->png);
    png_set_palette_to_rgb(w->png);
    if (png_get_bit_depth(w->png, w->info) < 8 &&
        png_get_color_type(w->png, w->info) == PNG_COLOR_TYPE_GRAY)
        png_set_expand_gray_1_2_4_to_8(w->png);
    if (png_get_valid(w->png, w->info, PNG_INFO_tRNS))
        png_set_tRNS_to_alpha(w->png);
    png_set_interlace_handling(w->png);
    png_read_update_info(w->png, w->info);
    make_rows(w);
    png_read_image(w->png, w->rows);
    png_read_end(w->png, NULL);
    return true;
}

nicest_status image_read(nicest_image *image, const char *path, bool shallow)
{
    OWNED_BY(file_release) file_bytes bytes = {0};
    TRY(file_load(&bytes, path, 0));
    png_work w = {.in = bytes.data, .in_size = bytes.size, .shallow = shallow};
    if (bytes.size < 8 || png_sig_cmp(bytes.data, 0, 8) != 0)
        return fail(NICEST_E_FORMAT, "%s: is not a PNG file", path);
    w.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &w, on_error, on_warning, &w,
                                     take_memory, give_memory);
    w.info = w.png != NULL ? png_create_info_struct(w.png) : NULL;
    bool made = w.info != NULL, good = made && decode_steps(&w);
    if (good && w.gray_alpha != NULL) {
        /* Grey with alpha, drawn on black. */
        size_t count = (size_t)w.image.width * w.image.height;
        for (size_t i = 0; i < count; i++) {
            unsigned grey = w.gray_alpha[2 * i], alpha = w.gray_alpha[2 * i + 1];
            w.image.pixels[i] = (unsigned char)((grey * alpha + 127) / 255);
        }
    }
    work_close(&w, true);
    if (!good) {
        nicest_image_free(&w.image);
        if (!made || w.status == NICEST_E_MEMORY)
            return fail_memory();
        if (w.status == NICEST_E_UNSUPPORTED)
            return fail(w.status,
                        "%s: has 16 bits a sample, and pictures from PNG have 8: as NPY (uint16) "
                        "no level is lost",
                        path);
        return fail(NICEST_E_FORMAT, "%s: damaged PNG file (%s)", path, w.text);
    }
    *image = w.image;
    return NICEST_OK;
}

/* ---------------------------------------------------------------- writing */

static bool encode_steps(png_work *w)
{
    const nicest_image *image = &w->image;
    int colour = image->channels == 1   ? PNG_COLOR_TYPE_GRAY
                 : image->channels == 3 ? PNG_COLOR_TYPE_RGB
                                        : PNG_COLOR_TYPE_RGB_ALPHA;
    if (setjmp(png_jmpbuf(w->png)) != 0)
        return false;
    png_set_write_fn(w->png, w, write_bytes, flush_bytes);
    png_set_user_limits(w->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_IHDR(w->png, w->info, image->width, image->height, 8, colour, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(w->png, w->info);
    for (size_t y = 0; y < image->height; y++)
        png_write_row(w->png, image->pixels + y * image->width * image->channels);
    png_write_end(w->png, NULL);
    return true;
}

nicest_status nicest_image_encode(const nicest_image *image, unsigned char **bytes, size_t *size)
{
    size_t pixels;
    TRY(require(image && image->pixels && bytes && size,
                "a picture and a place for its bytes are needed"));
    if ((image->channels != 1 && image->channels != 3 && image->channels != 4) ||
        !picture_bytes(image->width, image->height, image->channels, &pixels))
        return fail(NICEST_E_ARGUMENT, "no picture is %ux%u with %u channels", image->height,
                    image->width, image->channels);
    png_work w = {.image = *image};
    w.png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, &w, on_error, on_warning, &w,
                                      take_memory, give_memory);
    w.info = w.png != NULL ? png_create_info_struct(w.png) : NULL;
    bool made = w.info != NULL, good = made && encode_steps(&w);
    work_close(&w, false);
    if (!good) {
        memory_free(w.out);
        if (!made || w.status == NICEST_E_MEMORY)
            return fail_memory();
        return fail(NICEST_E_ARGUMENT, "the picture cannot be written (%s)", w.text);
    }
    *bytes = w.out;
    *size = w.out_size;
    return NICEST_OK;
}

#else

static nicest_status fail_without_png(void)
{
    return fail(NICEST_E_UNSUPPORTED, "this build was made without libpng (NICEST_PNG=OFF)");
}

nicest_status image_read(nicest_image *image, const char *path, bool shallow)
{
    (void)image;
    (void)shallow;
    return fail_in(fail_without_png(), "%s", path);
}

nicest_status nicest_image_encode(const nicest_image *image, unsigned char **bytes, size_t *size)
{
    TRY(require(image && image->pixels && bytes && size,
                "a picture and a place for its bytes are needed"));
    return fail_without_png();
}

#endif

nicest_status nicest_image_read(nicest_image *image, const char *path)
{
    TRY(require(image && path, "a path and a place for the picture are needed"));
    return image_read(image, path, false);
}

nicest_status nicest_image_write(const nicest_image *image, const char *path)
{
    OWNED unsigned char *bytes = NULL;
    size_t size = 0;
    file_writer *writer;
    TRY(require(path, "a path to write the picture to is needed"));
    TRY(nicest_image_encode(image, &bytes, &size));
    TRY(file_writer_open(&writer, path));
    (void)file_writer_write(writer, bytes, size); /* commit says when it failed */
    return file_writer_commit(writer);
}
