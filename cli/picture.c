/* picture.c - see picture.h. Owns drawing and layout; PNG itself is the library's. */
#include "picture.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

static const colour INK = {34, 34, 34};
static const colour MISSING = {70, 110, 160}; /* a value that is not there */

/* ------------------------------------------------------------------ colours */

colour colour_series(size_t number)
{
    static const colour series[] = {{0, 114, 178}, {213, 94, 0},   {0, 158, 115},
                                    {230, 159, 0}, {86, 180, 233}, {204, 121, 167}};
    return series[number % (sizeof series / sizeof *series)];
}

/* viridis at tenths of its way; straight lines between. */
colour colour_map(double share)
{
    static const colour stops[] = {{68, 1, 84},    {72, 40, 120},  {62, 73, 137},  {49, 104, 142},
                                   {38, 130, 142}, {31, 158, 137}, {53, 183, 121}, {110, 206, 88},
                                   {181, 222, 43}, {253, 231, 37}};
    enum { LAST = sizeof stops / sizeof *stops - 1 };
    double place = (share > 0 ? share < 1 ? share : 1 : 0) * LAST;
    size_t i = place >= LAST ? LAST - 1 : (size_t)place;
    double t = place - (double)i;
    colour a = stops[i], b = stops[i + 1];
    return (colour){(unsigned char)(a.r + t * (b.r - a.r) + 0.5),
                    (unsigned char)(a.g + t * (b.g - a.g) + 0.5),
                    (unsigned char)(a.b + t * (b.b - a.b) + 0.5)};
}

/* ------------------------------------------------------------------ the canvas */

canvas canvas_open(unsigned width, unsigned height)
{
    canvas c;
    need(nicest_image_new(&c.image, width, height, 3));
    memset(c.image.pixels, 255, (size_t)width * height * 3);
    return c;
}

void canvas_save(const canvas *c, const char *path)
{
    save_image(&c->image, path);
}

void canvas_close(canvas *c)
{
    nicest_image_free(&c->image);
}

static unsigned char mix(unsigned char under, unsigned char over, double opacity)
{
    return (unsigned char)(under + opacity * (over - under) + 0.5);
}

static void blend(canvas *c, long x, long y, colour ink, double opacity)
{
    if (x < 0 || y < 0 || x >= (long)c->image.width || y >= (long)c->image.height || opacity <= 0)
        return;
    unsigned char *p = c->image.pixels + 3 * ((size_t)y * c->image.width + (size_t)x);
    p[0] = mix(p[0], ink.r, opacity);
    p[1] = mix(p[1], ink.g, opacity);
    p[2] = mix(p[2], ink.b, opacity);
}

/* Part of the canvas that a shape may touch. */
typedef struct box {
    long left, top, right, bottom; /* right and bottom outside */
} box;

static long clamp_to(double value, unsigned limit)
{
    return value > 0 ? value < limit ? (long)value : (long)limit : 0;
}

static box box_of(const canvas *c, double left, double top, double right, double bottom)
{
    return (box){clamp_to(floor(left), c->image.width), clamp_to(floor(top), c->image.height),
                 clamp_to(ceil(right), c->image.width), clamp_to(ceil(bottom), c->image.height)};
}

void draw_rectangle(canvas *c, double x, double y, double width, double height, colour ink,
                    double opacity)
{
    box b =
        box_of(c, floor(x + 0.5), floor(y + 0.5), floor(x + width + 0.5), floor(y + height + 0.5));
    for (long j = b.top; j < b.bottom; j++)
        for (long i = b.left; i < b.right; i++)
            blend(c, i, j, ink, opacity);
}

/* A pixel is covered by how far its centre lies inside the stroke. */
void draw_line(canvas *c, double x1, double y1, double x2, double y2, double thickness, colour ink,
               double opacity)
{
    double half = thickness / 2, dx = x2 - x1, dy = y2 - y1, length = dx * dx + dy * dy;
    if (!isfinite(length))
        return;
    box b = box_of(c, fmin(x1, x2) - half - 1, fmin(y1, y2) - half - 1, fmax(x1, x2) + half + 1,
                   fmax(y1, y2) + half + 1);
    for (long j = b.top; j < b.bottom; j++)
        for (long i = b.left; i < b.right; i++) {
            double px = (double)i + 0.5 - x1, py = (double)j + 0.5 - y1;
            double t = length > 0 ? (px * dx + py * dy) / length : 0;
            t = t < 0 ? 0 : t > 1 ? 1 : t;
            double cover = half + 0.5 - hypot(px - t * dx, py - t * dy);
            blend(c, i, j, ink, opacity * (cover > 1 ? 1 : cover));
        }
}

void draw_dot(canvas *c, double x, double y, double radius, colour ink, double opacity)
{
    draw_line(c, x, y, x, y, 2 * radius, ink, opacity);
}

/* ------------------------------------------------------------------ letters */

/* 5 columns of each letter from space to ~, the top row in the lowest bit. */
static const unsigned char LETTERS[95][5] = {
    {0x00, 0x00, 0x00, 0x00, 0x00}, {0x00, 0x00, 0x5f, 0x00, 0x00}, {0x00, 0x07, 0x00, 0x07, 0x00},
    {0x14, 0x7f, 0x14, 0x7f, 0x14}, {0x24, 0x2a, 0x7f, 0x2a, 0x12}, {0x23, 0x13, 0x08, 0x64, 0x62},
    {0x36, 0x49, 0x56, 0x20, 0x50}, {0x00, 0x00, 0x07, 0x00, 0x00}, {0x00, 0x1c, 0x22, 0x41, 0x00},
    {0x00, 0x41, 0x22, 0x1c, 0x00}, {0x14, 0x08, 0x3e, 0x08, 0x14}, {0x08, 0x08, 0x3e, 0x08, 0x08},
    {0x00, 0x50, 0x30, 0x00, 0x00}, {0x08, 0x08, 0x08, 0x08, 0x08}, {0x00, 0x60, 0x60, 0x00, 0x00},
    {0x20, 0x10, 0x08, 0x04, 0x02}, {0x3e, 0x51, 0x49, 0x45, 0x3e}, {0x00, 0x42, 0x7f, 0x40, 0x00},
    {0x42, 0x61, 0x51, 0x49, 0x46}, {0x21, 0x41, 0x45, 0x4b, 0x31}, {0x18, 0x14, 0x12, 0x7f, 0x10},
    {0x27, 0x45, 0x45, 0x45, 0x39}, {0x3c, 0x4a, 0x49, 0x49, 0x30}, {0x01, 0x71, 0x09, 0x05, 0x03},
    {0x36, 0x49, 0x49, 0x49, 0x36}, {0x06, 0x49, 0x49, 0x29, 0x1e}, {0x00, 0x36, 0x36, 0x00, 0x00},
    {0x00, 0x56, 0x36, 0x00, 0x00}, {0x08, 0x14, 0x22, 0x41, 0x00}, {0x14, 0x14, 0x14, 0x14, 0x14},
    {0x00, 0x41, 0x22, 0x14, 0x08}, {0x02, 0x01, 0x51, 0x09, 0x06}, {0x32, 0x49, 0x79, 0x41, 0x3e},
    {0x7e, 0x11, 0x11, 0x11, 0x7e}, {0x7f, 0x49, 0x49, 0x49, 0x36}, {0x3e, 0x41, 0x41, 0x41, 0x22},
    {0x7f, 0x41, 0x41, 0x22, 0x1c}, {0x7f, 0x49, 0x49, 0x49, 0x41}, {0x7f, 0x09, 0x09, 0x09, 0x01},
    {0x3e, 0x41, 0x49, 0x49, 0x7a}, {0x7f, 0x08, 0x08, 0x08, 0x7f}, {0x00, 0x41, 0x7f, 0x41, 0x00},
    {0x20, 0x40, 0x41, 0x3f, 0x01}, {0x7f, 0x08, 0x14, 0x22, 0x41}, {0x7f, 0x40, 0x40, 0x40, 0x40},
    {0x7f, 0x02, 0x0c, 0x02, 0x7f}, {0x7f, 0x04, 0x08, 0x10, 0x7f}, {0x3e, 0x41, 0x41, 0x41, 0x3e},
    {0x7f, 0x09, 0x09, 0x09, 0x06}, {0x3e, 0x41, 0x51, 0x21, 0x5e}, {0x7f, 0x09, 0x19, 0x29, 0x46},
    {0x46, 0x49, 0x49, 0x49, 0x31}, {0x01, 0x01, 0x7f, 0x01, 0x01}, {0x3f, 0x40, 0x40, 0x40, 0x3f},
    {0x1f, 0x20, 0x40, 0x20, 0x1f}, {0x3f, 0x40, 0x38, 0x40, 0x3f}, {0x63, 0x14, 0x08, 0x14, 0x63},
    {0x07, 0x08, 0x70, 0x08, 0x07}, {0x61, 0x51, 0x49, 0x45, 0x43}, {0x00, 0x7f, 0x41, 0x41, 0x00},
    {0x02, 0x04, 0x08, 0x10, 0x20}, {0x00, 0x41, 0x41, 0x7f, 0x00}, {0x04, 0x02, 0x01, 0x02, 0x04},
    {0x40, 0x40, 0x40, 0x40, 0x40}, {0x00, 0x01, 0x02, 0x04, 0x00}, {0x20, 0x54, 0x54, 0x54, 0x78},
    {0x7f, 0x48, 0x44, 0x44, 0x38}, {0x38, 0x44, 0x44, 0x44, 0x28}, {0x38, 0x44, 0x44, 0x48, 0x7f},
    {0x38, 0x54, 0x54, 0x54, 0x18}, {0x08, 0x7e, 0x09, 0x01, 0x02}, {0x18, 0xa4, 0xa4, 0xa4, 0x7c},
    {0x7f, 0x08, 0x04, 0x04, 0x78}, {0x00, 0x44, 0x7d, 0x40, 0x00}, {0x40, 0x80, 0x84, 0x7d, 0x00},
    {0x7f, 0x10, 0x28, 0x44, 0x00}, {0x00, 0x41, 0x7f, 0x40, 0x00}, {0x7c, 0x04, 0x18, 0x04, 0x78},
    {0x7c, 0x08, 0x04, 0x04, 0x78}, {0x38, 0x44, 0x44, 0x44, 0x38}, {0xfc, 0x24, 0x24, 0x24, 0x18},
    {0x18, 0x24, 0x24, 0x24, 0xfc}, {0x7c, 0x08, 0x04, 0x04, 0x08}, {0x48, 0x54, 0x54, 0x54, 0x20},
    {0x04, 0x3f, 0x44, 0x40, 0x20}, {0x3c, 0x40, 0x40, 0x20, 0x7c}, {0x1c, 0x20, 0x40, 0x20, 0x1c},
    {0x3c, 0x40, 0x30, 0x40, 0x3c}, {0x44, 0x28, 0x10, 0x28, 0x44}, {0x1c, 0xa0, 0xa0, 0xa0, 0x7c},
    {0x44, 0x64, 0x54, 0x4c, 0x44}, {0x00, 0x08, 0x36, 0x41, 0x00}, {0x00, 0x00, 0x7f, 0x00, 0x00},
    {0x00, 0x41, 0x36, 0x08, 0x00}, {0x08, 0x04, 0x08, 0x10, 0x08},
};

typedef struct pen {
    canvas *c;
    double x, y; /* upper left corner of the text, as its reader sees it */
    int size;
    bool up;
    colour ink;
} pen;

/* A stroke from the middle of one cell to that of another. */
static void stroke(const pen *p, int column, int row, int to_column, int to_row)
{
    double s = p->size, x1 = (column + 0.5) * s, y1 = (row + 0.5) * s;
    double x2 = (to_column + 0.5) * s, y2 = (to_row + 0.5) * s, thick = 0.75 * s;
    if (p->up)
        draw_line(p->c, p->x + y1, p->y - x1, p->x + y2, p->y - x2, thick, p->ink, 1);
    else
        draw_line(p->c, p->x + x1, p->y + y1, p->x + x2, p->y + y2, thick, p->ink, 1);
}

static bool dark(const unsigned char *letter, int column, int row)
{
    return column >= 0 && column < 5 && row >= 0 && row < 8 && letter[column] >> row & 1;
}

/* Dark cells are joined to their neighbours, slantwise only where no way round is dark: smooth
 * lines of any size from few bits. */
static void draw_letter(const pen *p, const unsigned char *letter, int at)
{
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 8; j++) {
            if (!dark(letter, i, j))
                continue;
            bool right = dark(letter, i + 1, j), below = dark(letter, i, j + 1);
            stroke(p, at + i, j, at + i + right, j);
            if (below)
                stroke(p, at + i, j, at + i, j + 1);
            if (!right && !below && dark(letter, i + 1, j + 1))
                stroke(p, at + i, j, at + i + 1, j + 1);
            if (!right && !dark(letter, i, j - 1) && dark(letter, i + 1, j - 1))
                stroke(p, at + i, j, at + i + 1, j - 1);
        }
}

/* Bytes of the character that text begins with; one that is no UTF-8 stands for itself. */
static size_t letter_step(const char *text)
{
    size_t bytes = letter_bytes(text);
    return bytes ? bytes : 1;
}

static size_t letters(const char *text)
{
    size_t count = 0;
    for (; *text; text += letter_step(text))
        count++;
    return count;
}

/* A character that is not in LETTERS is drawn as ?. */
static void draw_letters(const pen *p, const char *text)
{
    for (int at = 0; *text; text += letter_step(text), at += 6) {
        unsigned character = (unsigned char)*text;
        draw_letter(p, LETTERS[character >= 32 && character < 127 ? character - 32 : '?' - 32], at);
    }
}

static double text_width(const char *text, int size)
{
    return (double)letters(text) * 6 * size - size;
}

/* The text, or as much of its beginning as fits into `room` pixels, and "..." in out[FITTED]. */
enum { FITTED = 1024 };
static const char *fitted(const char *text, int size, double room, char *out)
{
    size_t most = (size_t)(fmax(room + size, 0) / (6 * size)), kept = 0;
    if (letters(text) <= most)
        return text;
    for (size_t i = 0; i + 3 < most && kept + 8 < FITTED; i++)
        kept += letter_step(text + kept);
    snprintf(out, FITTED, "%.*s...", (int)kept, text);
    return out;
}

void draw_text(canvas *c, double x, double y, int size, alignment align, const char *text,
               colour ink)
{
    double shift =
        align == ALIGN_LEFT ? 0 : text_width(text, size) * (align == ALIGN_MIDDLE ? 0.5 : 1);
    pen p = {c, floor(x - shift), floor(y), size, false, ink};
    draw_letters(&p, text);
}

void draw_text_up(canvas *c, double x, double y, int size, const char *text, colour ink)
{
    pen p = {c, floor(x - 3.5 * size), floor(y + text_width(text, size) / 2), size, true, ink};
    draw_letters(&p, text);
}

/* ------------------------------------------------------------------ axes */

axes axes_on(const canvas *c, double right)
{
    return (axes){.left = 150,
                  .top = 80,
                  .width = (double)c->image.width - 150 - 50 - right,
                  .height = (double)c->image.height - 80 - 100,
                  .x_high = 1,
                  .y_high = 1};
}

void axes_range(double *low, double *high)
{
    if (!isfinite(*low) || !isfinite(*high)) {
        *low = 0;
        *high = 1;
    }
    double room = *high > *low ? 0.04 * (*high - *low) : *low != 0 ? 0.1 * fabs(*low) : 1;
    *low -= room;
    *high += room;
}

/* 1, 2, 5, 10, 20, ...: the one after a step. */
static double next_step(double step)
{
    double power = pow(10, floor(log10(step) + 1e-9)), digit = rint(step / power);
    return digit < 2 ? 2 * power : digit < 5 ? 5 * power : 10 * power;
}

size_t axes_ticks(double low, double high, double *ticks, size_t most)
{
    double rough = (high - low) / (double)most, step = pow(10, floor(log10(rough)));
    if (!(high > low) || !isfinite(rough) || !(step > 0))
        return 0;
    while (floor(high / step + 1e-9) - ceil(low / step - 1e-9) + 1 > (double)most)
        step = next_step(step);
    size_t count = 0;
    for (double k = ceil(low / step - 1e-9); k * step <= high + 1e-9 * step && count < most; k++)
        ticks[count++] = k * step + 0.0; /* never -0 */
    return count;
}

static double place_x(const axes *a, double x)
{
    return a->left + (x - a->x_low) / (a->x_high - a->x_low) * a->width;
}

static double place_y(const axes *a, double y)
{
    return a->top + a->height - (y - a->y_low) / (a->y_high - a->y_low) * a->height;
}

void axes_tick_text(double value, double low, double high, char *text, size_t size)
{
    bool whole = fabs(value - rint(value)) < 1e-9 * (high - low);
    if (fabs(value) < 1e-9 * (high - low))
        value = 0;
    if (whole && fabs(value) < 1e7)
        snprintf(text, size, "%.0f", value);
    else
        snprintf(text, size, "%.*g", axes_digits(low, high, 5), value);
}

int axes_digits(double low, double high, int least)
{
    double wanted = ceil(log10(fmax(fabs(low), fabs(high)) / (high - low))) + 2;
    return wanted > 15 ? 15 : wanted > least ? (int)wanted : least;
}

enum { TICKS = 8, TEXT = 3 };

static void draw_x_ticks(canvas *c, const axes *a)
{
    double ticks[TICKS];
    char text[32];
    double bottom = a->top + a->height;
    for (size_t i = 0, n = axes_ticks(a->x_low, a->x_high, ticks, TICKS - 2); i < n; i++) {
        double x = place_x(a, ticks[i]);
        axes_tick_text(ticks[i], a->x_low, a->x_high, text, sizeof text);
        draw_rectangle(c, x - 1, bottom, 2, 8, INK, 1);
        draw_text(c, x, bottom + 14, TEXT - 1, ALIGN_MIDDLE, text, INK);
    }
}

static void draw_y_ticks(canvas *c, const axes *a)
{
    double ticks[TICKS];
    char text[32];
    for (size_t i = 0, n = axes_ticks(a->y_low, a->y_high, ticks, TICKS); i < n; i++) {
        double y = place_y(a, ticks[i]);
        axes_tick_text(ticks[i], a->y_low, a->y_high, text, sizeof text);
        draw_rectangle(c, a->left - 8, y - 1, 8, 2, INK, 1);
        draw_text(c, a->left - 14, y - 7, TEXT - 1, ALIGN_RIGHT, text, INK);
    }
}

/* Column names may be of any length: they keep beside the area, where they do not meet. */
static void draw_labels(canvas *c, const axes *a)
{
    char out[FITTED];
    double x = a->left + a->width / 2, y = a->top + a->height / 2;
    if (a->title)
        draw_text(c, a->left, 28, TEXT, ALIGN_LEFT, a->title, INK);
    if (a->x_label)
        draw_text(c, x, a->top + a->height + 50, TEXT, ALIGN_MIDDLE,
                  fitted(a->x_label, TEXT, a->width, out), INK);
    if (a->y_label)
        draw_text_up(c, 24, y, TEXT, fitted(a->y_label, TEXT, a->height, out), INK);
}

void axes_draw(canvas *c, const axes *a)
{
    draw_rectangle(c, a->left - 2, a->top, 2, a->height + 2, INK, 1);
    draw_rectangle(c, a->left - 2, a->top + a->height, a->width + 2, 2, INK, 1);
    draw_x_ticks(c, a);
    draw_y_ticks(c, a);
    draw_labels(c, a);
}

/* Part of a line that lies between low and high of one coordinate; false when none does. */
static bool cut(double *t0, double *t1, double from, double to, double low, double high)
{
    double d = to - from;
    if (d == 0)
        return from >= low && from <= high;
    double a = (low - from) / d, b = (high - from) / d;
    *t0 = fmax(*t0, fmin(a, b));
    *t1 = fmin(*t1, fmax(a, b));
    return *t0 < *t1;
}

/* A line in data coordinates, cut to the area. */
static void line_inside(canvas *c, const axes *a, double x1, double y1, double x2, double y2,
                        colour ink)
{
    double t0 = 0, t1 = 1, dx = x2 - x1, dy = y2 - y1;
    if (!cut(&t0, &t1, x1, x2, a->x_low, a->x_high) || !cut(&t0, &t1, y1, y2, a->y_low, a->y_high))
        return;
    draw_line(c, place_x(a, x1 + t0 * dx), place_y(a, y1 + t0 * dy), place_x(a, x1 + t1 * dx),
              place_y(a, y1 + t1 * dy), 3, ink, 1);
}

void axes_curve(canvas *c, const axes *a, const double *x, const double *y, size_t n, colour ink)
{
    for (size_t i = 1; i < n; i++)
        line_inside(c, a, x[i - 1], y[i - 1], x[i], y[i], ink);
    if (n == 1)
        draw_dot(c, place_x(a, x[0]), place_y(a, y[0]), 6, ink, 1);
}

/* Column of pixels by column of pixels, so that nothing is painted twice. */
void axes_band(canvas *c, const axes *a, const double *x, const double *low, const double *high,
               size_t n, colour ink)
{
    if (n == 1)
        draw_line(c, place_x(a, x[0]), place_y(a, low[0]), place_x(a, x[0]), place_y(a, high[0]), 8,
                  ink, 0.3);
    for (size_t i = 1; i < n; i++) {
        double left = place_x(a, x[i - 1]), right = place_x(a, x[i]);
        for (double at = floor(left); right > left && at < floor(right); at++) {
            double t = (at + 0.5 - left) / (right - left);
            double top = place_y(a, high[i - 1] + t * (high[i] - high[i - 1]));
            double bottom = place_y(a, low[i - 1] + t * (low[i] - low[i - 1]));
            top = fmax(top, a->top);
            bottom = fmin(bottom, a->top + a->height);
            if (bottom > top)
                draw_rectangle(c, at, top, 1, bottom - top, ink, 0.22);
        }
    }
}

void axes_vertical(canvas *c, const axes *a, double x, colour ink)
{
    for (double y = a->top; x >= a->x_low && x <= a->x_high && y < a->top + a->height; y += 16)
        draw_rectangle(c, place_x(a, x) - 1, y, 3, 9, ink, 1);
}

void axes_horizontal(canvas *c, const axes *a, double y, colour ink)
{
    for (double x = a->left; y >= a->y_low && y <= a->y_high && x < a->left + a->width; x += 16)
        draw_rectangle(c, x, place_y(a, y) - 1, 9, 3, ink, 1);
}

void axes_bars(canvas *c, const axes *a, const double *heights, size_t n, colour ink)
{
    double width = a->width / (double)n;
    for (size_t i = 0; i < n; i++) {
        double top = fmax(place_y(a, heights[i]), a->top), bottom = a->top + a->height;
        if (bottom > top)
            draw_rectangle(c, a->left + (double)i * width, top, width, bottom - top, ink, 0.5);
    }
}

void axes_points(canvas *c, const axes *a, const double *xy, size_t n, double radius, colour ink,
                 double opacity)
{
    for (size_t i = 0; i < n; i++) {
        double x = xy[2 * i], y = xy[2 * i + 1];
        if (x >= a->x_low && x <= a->x_high && y >= a->y_low && y <= a->y_high)
            draw_dot(c, place_x(a, x), place_y(a, y), radius, ink, opacity);
    }
}

void axes_heat(canvas *c, const axes *a, const double *values, size_t width, size_t height,
               double low, double high)
{
    for (size_t j = 0; j < (size_t)a->height; j++)
        for (size_t i = 0; i < (size_t)a->width; i++) {
            size_t row = j * height / (size_t)a->height, column = i * width / (size_t)a->width;
            double share = (values[row * width + column] - low) / (high - low);
            blend(c, (long)(a->left + (double)i), (long)(a->top + (double)j), colour_map(share), 1);
        }
}

void axes_key(canvas *c, const axes *a, double low, double high, const char *label)
{
    double ticks[TICKS], x = a->left + a->width + 30, width = 26;
    char text[32];
    for (double j = 0; j < a->height; j++)
        draw_rectangle(c, x, a->top + j, width, 1, colour_map(1 - j / a->height), 1);
    for (size_t i = 0, n = axes_ticks(low, high, ticks, TICKS - 2); i < n; i++) {
        double y = a->top + a->height * (1 - (ticks[i] - low) / (high - low));
        axes_tick_text(ticks[i], low, high, text, sizeof text);
        draw_rectangle(c, x + width, y - 1, 6, 2, INK, 1);
        draw_text(c, x + width + 10, y - 7, TEXT - 1, ALIGN_LEFT, text, INK);
    }
    draw_text(c, x, a->top - 26, TEXT - 1, ALIGN_LEFT, label, INK);
}

void axes_legend(canvas *c, const axes *a, const char *const *names, const colour *inks, size_t n)
{
    double x = a->left + a->width, y = a->top - 24;
    for (size_t i = n; i-- > 0;) {
        x -= text_width(names[i], TEXT - 1);
        draw_text(c, x, y, TEXT - 1, ALIGN_LEFT, names[i], INK);
        draw_rectangle(c, x - 38, y + 2, 28, 10, inks[i], 1);
        x -= 66;
    }
}

void histogram(const double *values, size_t n, double low, double high, double *shares, size_t bins)
{
    size_t counted = 0;
    double width = (high - low) / (double)bins;
    memset(shares, 0, bins * sizeof *shares);
    for (size_t i = 0; i < n; i++) {
        double place = (values[i] - low) / width;
        counted += !isnan(values[i]);
        if (place >= 0 && place < (double)bins)
            shares[(size_t)place]++;
    }
    for (size_t i = 0; i < bins && counted; i++)
        shares[i] /= (double)counted * width;
}

/* ------------------------------------------------------------------ grids of small pictures */

picture_format picture_format_of(const nicest_model *model, const double *values, size_t count)
{
    picture_format f = {.black = 0, .white = 0};
    double levels = 0, step = 1, unit;
    nicest_model_image(model, &f.height, &f.width, &f.channels);
    for (size_t j = 0; j < nicest_model_columns(model); j++) {
        double own_levels, own_step;
        if (nicest_model_quantised(model, j, &own_levels, &own_step, &unit) &&
            own_levels > levels) {
            levels = own_levels;
            step = own_step;
        }
    }
    if (levels > 1) {
        f.white = (levels - 1) * step;
        return f;
    }
    for (size_t i = 0; i < count; i++) {
        f.black = values[i] < f.black ? values[i] : f.black;
        f.white = values[i] > f.white ? values[i] : f.white;
    }
    f.white = f.white > f.black ? f.white : f.black + 1;
    return f;
}

static unsigned char shade(const picture_format *f, double value)
{
    double share = (value - f->black) / (f->white - f->black);
    return (unsigned char)(255 * (share > 0 ? share < 1 ? share : 1 : 0) + 0.5);
}

/* One pixel of the grid: a part of tile `tile`. */
static void grid_pixel(const picture_format *f, const double *row, size_t y, size_t x,
                       unsigned char *out, unsigned channels)
{
    const double *pixel = row + (y * f->width + x) * f->channels;
    const unsigned char hidden[] = {MISSING.r, MISSING.g, MISSING.b};
    for (unsigned k = 0; k < channels; k++) {
        double value = pixel[k < f->channels ? k : 0];
        out[k] = isnan(value) ? hidden[k] : shade(f, value);
    }
}

static void grid_tile(nicest_image *image, const picture_format *f, const double *row, size_t left,
                      size_t top, size_t scale)
{
    for (size_t y = 0; y < f->height * scale; y++)
        for (size_t x = 0; x < f->width * scale; x++)
            grid_pixel(f, row, y / scale, x / scale,
                       image->pixels + ((top + y) * image->width + left + x) * image->channels,
                       image->channels);
}

static bool has_missing(const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (isnan(values[i]))
            return true;
    return false;
}

size_t pictures_across(unsigned width, size_t most)
{
    size_t fit = 4000 / ((size_t)width + 2);
    return fit < 1 ? 1 : fit < most ? fit : most;
}

nicest_image picture_grid(const picture_format *f, const double *rows, size_t n, size_t across,
                          unsigned side)
{
    nicest_image image;
    size_t d = (size_t)f->height * f->width * f->channels;
    if (!across)
        across = (size_t)ceil(sqrt((double)n * f->height / f->width) - 1e-9);
    across = across < 1 ? 1 : across;
    size_t down = n ? (n + across - 1) / across : 1;
    size_t longest = across * f->width > down * f->height ? across * f->width : down * f->height;
    size_t scale = (side ? side : 800) / longest;
    scale = scale < 1 ? 1 : scale > 32 ? 32 : scale;
    size_t gap = 2 + scale / 4; /* seen as a line at half the size, too */
    size_t width = across * (f->width * scale + gap) + gap;
    size_t height = down * (f->height * scale + gap) + gap;
    if (width > 60000 || height > 60000)
        refuse(STATUS_FAILED, "a picture of %zu rows would be %zu x %zu pixels; ask for fewer", n,
               width, height);
    unsigned channels = f->channels >= 3 || has_missing(rows, n * d) ? 3 : 1;
    need(nicest_image_new(&image, (unsigned)width, (unsigned)height, channels));
    memset(image.pixels, 96, width * height * image.channels);
    for (size_t i = 0; i < n; i++)
        grid_tile(&image, f, rows + i * d, gap + i % across * (f->width * scale + gap),
                  gap + i / across * (f->height * scale + gap), scale);
    return image;
}
