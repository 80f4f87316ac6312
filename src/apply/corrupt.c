/* corrupt.c - data made atypical on purpose, by a known amount.
 *
 * Owns the kinds of corruption and their exact levels (docs/corruptions.md). Level 0 is the
 * identity, bit for bit. What is random is a function of (seed, row, column) and not of the level,
 * so a sweep over levels moves every row along one path. Knows no model. */
#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/memory.h"
#include "base/parallel.h"
#include "base/random.h"
#include "base/status.h"
#include "data/source.h"
#include "model/model.h"
#include "nicest.h"

typedef struct corruption corruption;

/* x[d] becomes y[d]; spare[d] is free to use. */
typedef struct one_row {
    size_t number;
    const double *x;
    double *y, *spare;
} one_row;
typedef void (*transform)(const corruption *c, const one_row *r);

typedef struct corruption_kind {
    const char *name;
    double low, high; /* levels it takes */
    bool picture;     /* makes no sense for a table */
    transform apply;
    bool to_black; /* of a fading */
} corruption_kind;

typedef struct column_facts {
    double low, high, deviation;
    double count, mean, square; /* running, over the values that are there */
    bool whole;                 /* every value that is there is a whole number */
} column_facts;

struct corruption {
    const corruption_kind *kind;
    double level;
    random_stream stream;
    size_t n, d, height, width, channels; /* height 0: a table */
    double black, white, step;            /* pictures; step 0: not quantised */
    column_facts *columns;                /* [d] */
    double *values;                       /* [n, d], rewritten in place */
    double *other;                        /* [other_rows, d], morph */
    size_t other_rows;
    double *kernel; /* [radius + 1], blur */
    size_t radius;
    double *scratch; /* [threads, 2 d] */
    memory_group *memory;
};

enum { ROWS_PER_ITEM = 64, COLUMNS_PER_ITEM = 64, BLUR_MOST = 1000 };

/* ------------------------------------------------------------------ the kinds */

static void add_noise(const corruption *c, const one_row *r)
{
    random_normal(c->stream, r->number, r->spare, c->d);
    for (size_t j = 0; j < c->d; j++) {
        double scale = c->height ? c->white - c->black : c->columns[j].deviation;
        r->y[j] = r->x[j] + c->level * scale * r->spare[j];
    }
}

static double tap(const corruption *c, const double *x, double row, double column, size_t channel)
{
    if (!(row >= 0 && column >= 0 && row < (double)c->height && column < (double)c->width))
        return c->black;
    return x[((size_t)row * c->width + (size_t)column) * c->channels + channel];
}

/* A tap of weight zero is not looked at: beyond it may be a missing value. */
static double weighted(double weight, double value)
{
    return weight > 0 ? weight * value : 0;
}

/* The map from an output pixel to its place in the input, about the centre; y points down. */
typedef struct linear_map {
    double xx, xy, yx, yy;
} linear_map;

static void warp(const corruption *c, linear_map m, const double *x, double *y)
{
    double middle_x = ((double)c->width - 1) / 2, middle_y = ((double)c->height - 1) / 2;
    for (size_t i = 0; i < c->height * c->width; i++) {
        double dx = (double)(i % c->width) - middle_x, dy = (double)(i / c->width) - middle_y;
        double column = middle_x + m.xx * dx + m.xy * dy, row = middle_y + m.yx * dx + m.yy * dy;
        for (size_t k = 0; k < c->channels; k++) {
            double top = floor(row), left = floor(column), down = row - top, right = column - left;
            y[i * c->channels + k] = weighted((1 - down) * (1 - right), tap(c, x, top, left, k)) +
                                     weighted((1 - down) * right, tap(c, x, top, left + 1, k)) +
                                     weighted(down * (1 - right), tap(c, x, top + 1, left, k)) +
                                     weighted(down * right, tap(c, x, top + 1, left + 1, k));
        }
    }
}

/* Quarter turns are exact: sin and cos of the rest come from (-90, 90) degrees only. */
static void rotate(const corruption *c, const one_row *r)
{
    double turned = fmod(c->level, 360), quarters = trunc(turned / 90);
    double rest = (turned - 90 * quarters) * (acos(-1.0) / 180);
    double cosine = cos(rest), sine = sin(rest);
    for (int q = ((int)quarters + 4) % 4; q > 0; q--) {
        double old = cosine;
        cosine = -sine;
        sine = old;
    }
    warp(c, (linear_map){cosine, -sine, sine, cosine}, r->x, r->y);
}

/* Rows above the centre move to the right by level pixels a row. */
static void shear(const corruption *c, const one_row *r)
{
    warp(c, (linear_map){1, c->level, 0, 1}, r->x, r->y);
}

/* Towards mid-grey, or black. */
static void fade(const corruption *c, const one_row *r)
{
    double grey = c->kind->to_black ? c->black : (c->black + c->white) / 2;
    for (size_t j = 0; j < c->d; j++)
        r->y[j] = grey + (1 - c->level) * (r->x[j] - grey);
}

static void brightness(const corruption *c, const one_row *r)
{
    for (size_t j = 0; j < c->d; j++)
        r->y[j] = r->x[j] + c->level * (c->white - c->black);
}

/* One direction of the blur: `count` pixels, `stride` values apart; the edge is repeated. */
static void blur_line(const corruption *c, const double *x, double *y, size_t count, size_t stride)
{
    assert(c->kernel && count > 0);
    for (size_t i = 0; i < count; i++) {
        double sum = c->kernel[0] * x[i * stride];
        for (size_t r = 1; r <= c->radius; r++) {
            size_t before = i > r ? i - r : 0, after = i + r < count ? i + r : count - 1;
            sum += c->kernel[r] * (x[before * stride] + x[after * stride]);
        }
        y[i * stride] = sum;
    }
}

static void blur(const corruption *c, const one_row *r)
{
    size_t line = c->width * c->channels;
    for (size_t i = 0; i < c->height; i++)
        for (size_t k = 0; k < c->channels; k++)
            blur_line(c, r->x + i * line + k, r->spare + i * line + k, c->width, c->channels);
    for (size_t j = 0; j < line; j++)
        blur_line(c, r->spare + j, r->y + j, c->height, line);
}

/* A box of `level` of the area, mid-grey, somewhere inside the picture. */
static void occlude(const corruption *c, const one_row *r)
{
    double u[2], side = sqrt(c->level);
    size_t tall = (size_t)lround(side * (double)c->height);
    size_t wide = (size_t)lround(side * (double)c->width);
    random_uniform_double(c->stream, r->number, u, 2);
    size_t top = (size_t)(u[0] * (double)(c->height - tall + 1));
    size_t left = (size_t)(u[1] * (double)(c->width - wide + 1));
    memcpy(r->y, r->x, c->d * sizeof *r->y);
    for (size_t i = 0; i < tall; i++)
        for (size_t j = 0; j < wide * c->channels; j++)
            r->y[((top + i) * c->width + left) * c->channels + j] = (c->black + c->white) / 2;
}

static void salt_and_pepper(const corruption *c, const one_row *r)
{
    random_uniform_double(c->stream, r->number, r->spare, c->height * c->width);
    for (size_t j = 0; j < c->d; j++) {
        double u = r->spare[j / c->channels];
        r->y[j] = r->x[j];
        if (u < c->level / 2)
            r->y[j] = c->black;
        else if (u >= 1 - c->level / 2)
            r->y[j] = c->white;
    }
}

static void morph(const corruption *c, const one_row *r)
{
    assert(c->other && c->other_rows > 0);
    const double *other = c->other + r->number % c->other_rows * c->d;
    for (size_t j = 0; j < c->d; j++)
        r->y[j] = c->level < 1 ? (1 - c->level) * r->x[j] + c->level * other[j] : other[j];
}

static const corruption_kind kinds[] = {
    {"noise", 0, DBL_MAX, false, add_noise, false},
    {"rotate", -DBL_MAX, DBL_MAX, true, rotate, false},
    {"shear", -1000, 1000, true, shear, false},
    {"contrast", 0, 1, true, fade, false},
    {"contrast-black", 0, 1, true, fade, true},
    {"brightness", -1, 1, true, brightness, false},
    {"blur", 0, BLUR_MOST, true, blur, false},
    {"occlusion", 0, 1, true, occlude, false},
    {"salt-and-pepper", 0, 1, true, salt_and_pepper, false},
    {"morph", 0, 1, false, morph, false},
    {0},
};

const char *const *nicest_corruption_names(void)
{
    static const char *const names[] = {"noise",           "rotate",     "shear", "contrast",
                                        "contrast-black",  "brightness", "blur",  "occlusion",
                                        "salt-and-pepper", "morph",      NULL};
    return names;
}

/* ------------------------------------------------------------------ what the data is like */

/* Some neighbouring columns, row by row as they lie in memory. */
static void look_at_some(void *context, int thread, size_t item)
{
    corruption *c = context;
    size_t begin = item * COLUMNS_PER_ITEM, end = begin + COLUMNS_PER_ITEM;
    (void)thread;
    end = end < c->d ? end : c->d;
    for (size_t j = begin; j < end; j++)
        c->columns[j] = (column_facts){.low = INFINITY, .high = -INFINITY, .whole = true};
    for (size_t i = 0; i < c->n; i++)
        for (size_t j = begin; j < end; j++) {
            /* One more value of a column; mean and square are running (Welford). */
            column_facts *facts = &c->columns[j];
            double v = c->values[i * c->d + j];
            if (isfinite(v)) {
                double off = v - facts->mean;
                facts->mean += off / ++facts->count;
                facts->square += off * (v - facts->mean);
                facts->low = fmin(facts->low, v);
                facts->high = fmax(facts->high, v);
                facts->whole = facts->whole && v == floor(v);
            }
        }
    for (size_t j = begin; j < end; j++)
        if (c->columns[j].count > 0)
            c->columns[j].deviation = sqrt(c->columns[j].square / c->columns[j].count);
}

/* Values are multiples of 1/parts, within what a float can hold of them. */
static bool in_parts(const double *values, size_t count, double parts)
{
    for (size_t i = 0; i < count; i++) {
        double level = values[i] * parts;
        if (isfinite(level) && fabs(level - nearbyint(level)) > 1e-4)
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------ the rows */

static double clamp(double v, double low, double high)
{
    return fmin(fmax(v, low), high);
}

static void corrupt_some(void *context, int thread, size_t item)
{
    const corruption *c = context;
    double *x = c->scratch + (size_t)thread * 2 * c->d;
    size_t end = (item + 1) * ROWS_PER_ITEM < c->n ? (item + 1) * ROWS_PER_ITEM : c->n;
    for (size_t i = item * ROWS_PER_ITEM; i < end; i++) {
        double *y = c->values + i * c->d;
        memcpy(x, y, c->d * sizeof *x);
        c->kind->apply(c, &(one_row){i, x, y, x + c->d});
        /* Quantised data stays quantised. A morph lies between two rows and needs no clamp: at
         * level 1 it is the other row, whatever range that has. */
        bool bounded = c->kind->apply != morph;
        for (size_t j = 0; j < c->d; j++) {
            const column_facts *column = &c->columns[j];
            double step = c->height ? c->step : (double)column->whole;
            if (isnan(y[j]))
                continue;
            if (step > 0)
                y[j] = step == 1 ? nearbyint(y[j]) : nearbyint(y[j] / step) * step;
            if (bounded && c->height)
                y[j] = clamp(y[j], c->black, c->white);
            else if (bounded && column->whole)
                y[j] = clamp(y[j], column->low, column->high);
        }
    }
}

/* All rows, among the blocks of c. */
static nicest_status read_values(corruption *c, const nicest_data *data, double **values)
{
    size_t n = nicest_data_rows(data), d = nicest_data_columns(data);
    TRY(check_memory(d == 0 || n <= SIZE_MAX / d));
    *values = memory_join(c->memory, n * d, sizeof **values);
    TRY(check_memory(*values));
    return nicest_data_read(data, 0, n, *values);
}

static nicest_status corruption_open(corruption *c, const nicest_data *data,
                                     const nicest_data *other, int threads)
{
    threads = threads < 1 ? parallel_available() : threads;
    c->columns = memory_join(c->memory, c->d, sizeof *c->columns);
    c->scratch = memory_join(c->memory, (size_t)threads * 2, c->d * sizeof *c->scratch);
    TRY(check_memory(!c->memory->lacking));
    TRY(read_values(c, data, &c->values));
    if (c->kind->apply == morph)
        TRY(read_values(c, other, &c->other));
    if (c->kind->apply == blur) {
        /* Weights of a Gaussian out to four deviations; the two sides of each distance share one
         * number. */
        c->radius = (size_t)ceil(4 * c->level);
        c->kernel = memory_join(c->memory, c->radius + 1, sizeof *c->kernel);
        TRY(check_memory(c->kernel));
        double sum = 0;
        for (size_t r = 0; r <= c->radius; r++) {
            double z = (double)r / c->level;
            c->kernel[r] = exp(-z * z / 2);
            sum += r ? 2 * c->kernel[r] : c->kernel[r];
        }
        for (size_t r = 0; r <= c->radius; r++)
            c->kernel[r] /= sum;
    }
    parallel_for(threads, (c->d + COLUMNS_PER_ITEM - 1) / COLUMNS_PER_ITEM, look_at_some, c);
    if (c->height) {
        /* Black, white and the step of a picture's values: of its type where that says them, else
         * of what the values are. */
        const char *type = nicest_data_type(data);
        bool whole = true;
        double low = 0, high = 1;
        for (size_t j = 0; j < c->d; j++) {
            whole = whole && c->columns[j].whole;
            low = fmin(low, c->columns[j].low);
            high = fmax(high, c->columns[j].high);
        }
        c->black = low;
        bool black_and_white = high <= 1; /* 0 and 1, whatever their type could hold */
        c->white = black_and_white               ? high
                   : strcmp(type, "uint8") == 0  ? 255
                   : strcmp(type, "uint16") == 0 ? 65535
                                                 : high;
        if (whole)
            c->step = 1;
        else if (in_parts(c->values, c->n * c->d, 255))
            c->step = 1.0 / 255;
        else if (in_parts(c->values, c->n * c->d, 256))
            c->step = 1.0 / 256;
    }
    parallel_for(threads, (c->n + ROWS_PER_ITEM - 1) / ROWS_PER_ITEM, corrupt_some, c);
    return NICEST_OK;
}

/* ------------------------------------------------------------------ checks */

static nicest_status check_other(const nicest_data *data, const nicest_data *other)
{
    unsigned a[3] = {0}, b[3] = {0};
    TRY(require(other != NULL, "morph needs other data to go to: morph=LEVEL@DATA"));
    if (nicest_data_rows(other) == 0)
        return fail(NICEST_E_DATA, "morph: the other data has no rows");
    if (nicest_data_columns(data) != nicest_data_columns(other))
        return fail(NICEST_E_MISMATCH, "morph: the data has %zu columns, the other data %zu",
                    nicest_data_columns(data), nicest_data_columns(other));
    nicest_data_image(data, &a[0], &a[1], &a[2]);
    nicest_data_image(other, &b[0], &b[1], &b[2]);
    if (a[0] && b[0] && memcmp(a, b, sizeof a) != 0)
        return fail(NICEST_E_MISMATCH, "morph: pictures of %ux%ux%u, and the other of %ux%ux%u",
                    a[0], a[1], a[2], b[0], b[1], b[2]);
    return NICEST_OK;
}

static nicest_status check_corruption(const corruption *c, const char *name,
                                      const nicest_data *data, const nicest_data *other)
{
    const corruption_kind *kind = c->kind;
    if (!kind->name)
        return fail(NICEST_E_ARGUMENT,
                    "corruption '%s' is not known: noise, rotate, shear, contrast, contrast-black, "
                    "brightness, blur, occlusion, salt-and-pepper, morph",
                    name);
    bool fits = isfinite(c->level) && c->level >= kind->low && c->level <= kind->high;
    if (!fits && kind->high == DBL_MAX)
        return fail(NICEST_E_ARGUMENT, "%s: level %g, but a finite number%s was expected",
                    kind->name, c->level, kind->low == 0 ? " of at least 0" : "");
    if (!fits)
        return fail(NICEST_E_ARGUMENT, "%s: level %g, but %g to %g was expected", kind->name,
                    c->level, kind->low, kind->high);
    if (kind->picture && !c->height)
        return fail(NICEST_E_ARGUMENT,
                    "%s needs pictures, and this data is a table: say its size (--image HxW), or "
                    "use noise or morph",
                    name);
    return kind->apply == morph ? check_other(data, other) : NICEST_OK;
}

nicest_status nicest_corrupt(nicest_data **out, const nicest_data *data, const char *kind,
                             double level, const nicest_data *other, uint64_t seed, int threads)
{
    TRY(require(out && data && kind, "corrupt: data, a kind and a place for the result needed"));
    unsigned size[3] = {0};
    nicest_data_image(data, &size[0], &size[1], &size[2]);
    OWNED_BY(memory_leave) memory_group memory = {0};
    corruption c = {.kind = kinds,
                    .memory = &memory,
                    .level = level,
                    .n = nicest_data_rows(data),
                    .d = nicest_data_columns(data),
                    .height = size[0],
                    .width = size[1],
                    .channels = size[2],
                    .other_rows = other ? nicest_data_rows(other) : 0};
    TRY(model_check_threads(threads));
    while (c.kind->name && strcmp(c.kind->name, kind))
        c.kind++;
    TRY(check_corruption(&c, kind, data, other));
    c.stream = (random_stream){
        .seed = seed, .purpose = RANDOM_CORRUPT, .draw = (uint32_t)(c.kind - kinds)};
    if (level == 0) /* the same values under another handle, to the bit */
        return source_share(out, data, size);
    TRY(corruption_open(&c, data, other, threads));
    return nicest_data_replace(out, data, c.values);
}
