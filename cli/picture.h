/* picture.h - pictures: a canvas, plots with labelled axes, and grids of small images.
 *
 * Coordinates are pixels of the finished PNG, which is drawn twice as large as it is meant to be
 * seen. Colours can be told apart by people who see fewer of them (Okabe and Ito; viridis). */
#ifndef NICEST_CLI_PICTURE_H
#define NICEST_CLI_PICTURE_H

#include "command.h"

typedef struct colour {
    unsigned char r, g, b;
} colour;

/* Okabe and Ito: 0 blue, 1 vermilion, 2 bluish green, 3 orange, 4 sky blue, 5 reddish purple. */
colour colour_series(size_t number);
/* 0: dark violet ... 1: yellow. */
colour colour_map(double share);

typedef struct canvas {
    nicest_image image;
} canvas;

/* White. All of these end the program when they fail; drawing outside the canvas is cut off. */
canvas canvas_open(unsigned width, unsigned height);
void canvas_save(const canvas *c, const char *path);
void canvas_close(canvas *c);
void draw_rectangle(canvas *c, double x, double y, double width, double height, colour ink,
                    double opacity);
void draw_line(canvas *c, double x1, double y1, double x2, double y2, double thickness, colour ink,
               double opacity);
void draw_dot(canvas *c, double x, double y, double radius, colour ink, double opacity);

typedef enum alignment { ALIGN_LEFT, ALIGN_MIDDLE, ALIGN_RIGHT } alignment;
/* y is the top of the letters, which are 7 * size high and 6 * size apart. */
void draw_text(canvas *c, double x, double y, int size, alignment align, const char *text,
               colour ink);
/* Upwards, centred on (x, y). */
void draw_text_up(canvas *c, double x, double y, int size, const char *text, colour ink);

/* --- plots --- */

typedef struct axes {
    double left, top, width, height; /* of the area inside the axes */
    double x_low, x_high, y_low, y_high;
    const char *title, *x_label, *y_label; /* each may be NULL */
} axes;

/* The usual place on a canvas: room for labels around it; `right` more room at the right. */
axes axes_on(const canvas *c, double right);
/* Round numbers between low and high, at most `most` of them; returns their number. */
size_t axes_ticks(double low, double high, double *ticks, size_t most);
/* A tick as text: whole numbers without an exponent. */
void axes_tick_text(double value, double low, double high, char *text, size_t size);
/* Digits that tell numbers of a range apart, at least `least`. */
int axes_digits(double low, double high, int least);
/* Widens a range that is empty or touches the data. */
void axes_range(double *low, double *high);
void axes_draw(canvas *c, const axes *a);
void axes_curve(canvas *c, const axes *a, const double *x, const double *y, size_t n, colour ink);
void axes_band(canvas *c, const axes *a, const double *x, const double *low, const double *high,
               size_t n, colour ink);
void axes_vertical(canvas *c, const axes *a, double x, colour ink);
void axes_horizontal(canvas *c, const axes *a, double y, colour ink);
/* Bars of one width from x_low to x_high. */
void axes_bars(canvas *c, const axes *a, const double *heights, size_t n, colour ink);
void axes_points(canvas *c, const axes *a, const double *xy, size_t n, double radius, colour ink,
                 double opacity);
/* values[height, width], row 0 at the top, coloured from low to high; and its key at the right. */
void axes_heat(canvas *c, const axes *a, const double *values, size_t width, size_t height,
               double low, double high);
void axes_key(canvas *c, const axes *a, double low, double high, const char *label);
/* Names of what is drawn, in a row above the area, where nothing is hidden by them. */
void axes_legend(canvas *c, const axes *a, const char *const *names, const colour *inks, size_t n);
/* Shares of values[n] in `bins` bins between low and high, divided by the bin's width. */
void histogram(const double *values, size_t n, double low, double high, double *shares,
               size_t bins);

/* --- grids of small pictures --- */

typedef struct picture_format {
    unsigned height, width, channels;
    double black, white; /* stored values */
} picture_format;

/* The format of a model's pictures; height is 0 when it has none. White is the highest level, and
 * for continuous columns the largest of values[count]. */
picture_format picture_format_of(const nicest_model *model, const double *values, size_t count);
/* At most `most` pictures, as many side by side as a page can hold; at least one. */
size_t pictures_across(unsigned width, size_t most);
/* rows[n, height width channels] in `across` columns (0: near square), each enlarged by a whole
 * number, so that the whole is about `side` pixels wide (0: 800); missing values (NaN) are blue. */
nicest_image picture_grid(const picture_format *format, const double *rows, size_t n, size_t across,
                          unsigned side);

#endif
