/* mask.c - which values of which row are hidden before inpainting.
 *
 * Owns the named masks: the ten of the NICE paper, a mask picture, and "whatever is missing". A
 * mask names the part that is HIDDEN. Channels of a pixel are hidden together; a missing value
 * (NaN) is hidden under every mask. Does not fill anything: that is inpaint.c. */
#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/memory.h"
#include "base/number.h"
#include "base/random.h"
#include "base/status.h"
#include "nicest.h"

typedef struct frame {
    size_t height, width, channels;
} frame;

/* The first six are of pictures; of all up to ODD a pattern for every row is made. */
typedef enum mask {
    TOP,
    BOTTOM,
    LEFT,
    RIGHT,
    MIDDLE_ROWS,
    MIDDLE_COLUMNS,
    EVEN,
    ODD,
    MISSING,
    AT_RANDOM,
    MASKS
} mask;

static const char *const NAMES[MASKS + 1] = {"top",         "bottom",         "left", "right",
                                             "middle-rows", "middle-columns", "even", "odd",
                                             "nan",         "random:"};

const char *const *nicest_mask_names(void)
{
    return NAMES;
}

/* A middle is half of it: a quarter on either side stays, rounded down. Pixels are numbered from 0
 * in reading order, as the paper's odd and even units are. */
static bool hides(mask what, const frame *f, size_t y, size_t x)
{
    assert(y < f->height && x < f->width);
    bool odd = (y * f->width + x) % 2;
    switch (what) {
    case TOP:
    case BOTTOM:
        return (y < f->height / 2) == (what == TOP);
    case LEFT:
    case RIGHT:
        return (x < f->width / 2) == (what == LEFT);
    case MIDDLE_ROWS:
        return y >= f->height / 4 && y < f->height - f->height / 4;
    case MIDDLE_COLUMNS:
        return x >= f->width / 4 && x < f->width - f->width / 4;
    default:
        return what == ODD ? odd : what == EVEN && !odd;
    }
}

/* One row's pattern goes to all rows. */
static void repeat_pattern(const unsigned char *pattern, size_t n, size_t d, unsigned char *hidden)
{
    for (size_t i = 0; i < n; i++)
        memmove(hidden + i * d, pattern, d);
}

/* Mean of the colour channels; transparency is not looked at. */
static unsigned grey_of(const nicest_image *image, size_t pixel)
{
    const unsigned char *p = image->pixels + pixel * image->channels;
    unsigned colours = image->channels >= 3 ? 3 : 1, sum = 0;
    for (unsigned c = 0; c < colours; c++)
        sum += p[c];
    return sum / colours;
}

/* Bright pixels (128 and above) are hidden. */
static nicest_status hide_by_picture(const frame *f, const char *path, size_t n,
                                     unsigned char *hidden)
{
    OWNED_BY(nicest_image_free) nicest_image image = {0};
    TRY(nicest_image_read(&image, path));
    size_t d = f->height * f->width * f->channels;
    if (image.height != f->height || image.width != f->width)
        return fail(NICEST_E_MISMATCH, "%s: the mask is %ux%u, the pictures are %zux%zu", path,
                    image.height, image.width, f->height, f->width);
    OWNED_NEW(unsigned char *, pattern, d);
    for (size_t j = 0; j < d; j++)
        pattern[j] = grey_of(&image, j / f->channels) >= 128;
    repeat_pattern(pattern, n, d, hidden);
    return NICEST_OK;
}

static nicest_status make_mask(const char *name, const frame *f, bool picture, const double *stored,
                               size_t n, uint64_t seed, unsigned char *hidden)
{
    size_t d = f->height * f->width * f->channels, what = 0;
    size_t length = strlen(name), tail = strlen(".png");
    bool from_file = length >= tail && strcmp(name + length - tail, ".png") == 0;
    while (what < MASKS && (what == AT_RANDOM ? strncmp(name, NAMES[what], strlen(NAMES[what]))
                                              : strcmp(name, NAMES[what])) != 0)
        what++;
    if (what == MASKS && !from_file)
        return fail(NICEST_E_ARGUMENT,
                    "mask '%s' is not known: top, bottom, left, right, even, odd, middle-rows, "
                    "middle-columns, random:SHARE, nan, or FILE.png",
                    name);
    if (!picture && (what < EVEN || what == MASKS))
        return fail(NICEST_E_ARGUMENT, "mask '%s' needs pictures, and these rows are a table",
                    name);
    if (what == MASKS)
        return hide_by_picture(f, name, n, hidden);
    if (what == AT_RANDOM) {
        const char *text = name + strlen(NAMES[what]);
        double share;
        if (!number_read(text, strlen(text), &share) || !(share >= 0 && share <= 1))
            return fail(NICEST_E_ARGUMENT, "mask 'random:%s': a share from 0 to 1 should follow",
                        text);
        /* Each pixel of each row with probability `share`; a larger share hides a superset. */
        size_t pixels = f->height * f->width;
        OWNED_NEW(double *, u, pixels);
        random_stream stream = {.seed = seed, .purpose = RANDOM_INPAINT, .draw = 0};
        for (size_t i = 0; i < n; i++) {
            random_uniform_double(stream, i, u, pixels);
            for (size_t j = 0; j < d; j++)
                hidden[i * d + j] = u[j / f->channels] < share;
        }
        return NICEST_OK;
    }
    if (what == MISSING && !stored)
        return fail(NICEST_E_ARGUMENT, "mask 'nan' needs the rows");
    for (size_t j = 0; n > 0 && j < d; j++) {
        size_t pixel = j / f->channels;
        hidden[j] = hides((mask)what, f, pixel / f->width, pixel % f->width);
    }
    repeat_pattern(hidden, n, d, hidden);
    return NICEST_OK;
}

nicest_status nicest_mask(const char *name, const double *stored, size_t n, size_t d,
                          unsigned height, unsigned width, unsigned channels, uint64_t seed,
                          unsigned char *hidden)
{
    if (!name || (!hidden && n > 0) || d == 0)
        return fail(NICEST_E_ARGUMENT, "mask: a name, rows and a place for the result are needed");
    bool picture = height > 0 && width > 0 && channels > 0;
    if (picture && (double)height * width * channels != (double)d)
        return fail(NICEST_E_MISMATCH, "mask: %ux%ux%u pictures do not have %zu columns", height,
                    width, channels, d);
    frame f = picture ? (frame){height, width, channels} : (frame){1, d, 1};
    TRY(make_mask(name, &f, picture, stored, n, seed, hidden));
    for (size_t i = 0; stored && i < n * d; i++)
        if (isnan(stored[i]))
            hidden[i] = 1;
    return NICEST_OK;
}
