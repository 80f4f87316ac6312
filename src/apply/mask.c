/* mask.c - which values of which row are hidden before inpainting.
 *
 * Owns the named masks: the ten of the NICE paper, a mask picture, and "whatever is missing". A
 * mask names the part that is HIDDEN. Channels of a pixel are hidden together; a missing value
 * (NaN) is hidden under every mask. Does not fill anything: that is inpaint.c. */
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

typedef bool (*mask_rule)(const frame *f, size_t y, size_t x);

static bool hides_top(const frame *f, size_t y, size_t x)
{
    (void)x;
    return y < f->height / 2;
}

static bool hides_bottom(const frame *f, size_t y, size_t x)
{
    return !hides_top(f, y, x);
}

static bool hides_left(const frame *f, size_t y, size_t x)
{
    (void)y;
    return x < f->width / 2;
}

static bool hides_right(const frame *f, size_t y, size_t x)
{
    return !hides_left(f, y, x);
}

/* Pixels are numbered from 0 in reading order, as the paper's odd and even units are. */
static bool hides_even(const frame *f, size_t y, size_t x)
{
    return (y * f->width + x) % 2 == 0;
}

static bool hides_odd(const frame *f, size_t y, size_t x)
{
    return !hides_even(f, y, x);
}

/* The middle half: a quarter on either side stays, rounded down. */
static bool in_middle(size_t at, size_t size)
{
    return at >= size / 4 && at < size - size / 4;
}

static bool hides_middle_rows(const frame *f, size_t y, size_t x)
{
    (void)x;
    return in_middle(y, f->height);
}

static bool hides_middle_columns(const frame *f, size_t y, size_t x)
{
    (void)y;
    return in_middle(x, f->width);
}

static const struct named_rule {
    const char *name;
    mask_rule rule;
    bool picture; /* needs height and width */
} rules[] = {
    {"top", hides_top, true},
    {"bottom", hides_bottom, true},
    {"left", hides_left, true},
    {"right", hides_right, true},
    {"even", hides_even, false},
    {"odd", hides_odd, false},
    {"middle-rows", hides_middle_rows, true},
    {"middle-columns", hides_middle_columns, true},
};

enum { RULES = sizeof rules / sizeof rules[0] };

static void hide_missing(const double *stored, size_t n, size_t d, unsigned char *hidden)
{
    for (size_t i = 0; stored && i < n * d; i++)
        if (isnan(stored[i]))
            hidden[i] = 1;
}

/* One row's pattern goes to all rows. */
static void repeat(const unsigned char *pattern, size_t n, size_t d, unsigned char *hidden)
{
    for (size_t i = 0; i < n; i++)
        memcpy(hidden + i * d, pattern, d);
}

static void apply_rule(const frame *f, mask_rule rule, size_t n, unsigned char *hidden)
{
    size_t d = f->height * f->width * f->channels;
    for (size_t j = 0; n > 0 && j < d; j++) {
        size_t pixel = j / f->channels;
        hidden[j] = rule(f, pixel / f->width, pixel % f->width);
    }
    for (size_t i = 1; i < n; i++)
        memcpy(hidden + i * d, hidden, d);
}

/* Each pixel of each row with probability `share`; a larger share hides a superset. */
static nicest_status hide_at_random(const frame *f, double share, uint64_t seed, size_t n,
                                    unsigned char *hidden)
{
    size_t pixels = f->height * f->width, d = pixels * f->channels;
    double *u = memory_new(pixels, sizeof *u);
    if (!u)
        return fail_memory();
    random_stream stream = {.seed = seed, .purpose = RANDOM_INPAINT, .draw = 0};
    for (size_t i = 0; i < n; i++) {
        random_uniform_double(stream, i, u, pixels);
        for (size_t j = 0; j < d; j++)
            hidden[i * d + j] = u[j / f->channels] < share;
    }
    memory_free(u);
    return NICEST_OK;
}

static nicest_status read_share(const char *text, double *share)
{
    double value;
    if (!number_read(text, strlen(text), &value) || !(value >= 0 && value <= 1))
        return fail(NICEST_E_ARGUMENT, "mask 'random:%s': a share from 0 to 1 should follow", text);
    *share = value;
    return NICEST_OK;
}

static bool ends_with(const char *text, const char *ending)
{
    size_t length = strlen(text), tail = strlen(ending);
    return length >= tail && strcmp(text + length - tail, ending) == 0;
}

/* Mean of the colour channels; transparency is not looked at. */
static unsigned brightness(const nicest_image *image, size_t pixel)
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
    nicest_image image = {0};
    TRY(nicest_image_read(&image, path));
    size_t d = f->height * f->width * f->channels;
    unsigned char *pattern = memory_new(d, 1);
    nicest_status status = NICEST_OK;
    if (!pattern)
        status = fail_memory();
    else if (image.height != f->height || image.width != f->width)
        status = fail(NICEST_E_MISMATCH, "%s: the mask is %ux%u, the pictures are %zux%zu", path,
                      image.height, image.width, f->height, f->width);
    for (size_t j = 0; status == NICEST_OK && j < d; j++)
        pattern[j] = brightness(&image, j / f->channels) >= 128;
    if (status == NICEST_OK)
        repeat(pattern, n, d, hidden);
    memory_free(pattern);
    nicest_image_free(&image);
    return status;
}

static const struct named_rule *find_rule(const char *name)
{
    for (size_t i = 0; i < RULES; i++)
        if (strcmp(rules[i].name, name) == 0)
            return &rules[i];
    return NULL;
}

static nicest_status unknown(const char *name)
{
    return fail(NICEST_E_ARGUMENT,
                "mask '%s' is not known: top, bottom, left, right, even, odd, middle-rows, "
                "middle-columns, random:SHARE, nan, or FILE.png",
                name);
}

static nicest_status needs_picture(const char *name)
{
    return fail(NICEST_E_ARGUMENT, "mask '%s' needs pictures, and these rows are a table", name);
}

static nicest_status make_mask(const char *name, const frame *f, bool picture, const double *stored,
                               size_t n, uint64_t seed, unsigned char *hidden)
{
    const struct named_rule *named = find_rule(name);
    if (named && named->picture && !picture)
        return needs_picture(name);
    if (named) {
        apply_rule(f, named->rule, n, hidden);
        return NICEST_OK;
    }
    if (strncmp(name, "random:", 7) == 0) {
        double share = 0;
        TRY(read_share(name + 7, &share));
        return hide_at_random(f, share, seed, n, hidden);
    }
    if (strcmp(name, "nan") == 0) {
        if (!stored)
            return fail(NICEST_E_ARGUMENT, "mask 'nan' needs the rows");
        memset(hidden, 0, n * f->height * f->width * f->channels);
        return NICEST_OK;
    }
    if (ends_with(name, ".png"))
        return picture ? hide_by_picture(f, name, n, hidden) : needs_picture(name);
    return unknown(name);
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
    hide_missing(stored, n, d, hidden);
    return NICEST_OK;
}
