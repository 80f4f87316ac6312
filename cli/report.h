/* report.h - an HTML page that stands alone: text, tables, charts as inline SVG, pictures as data.
 *
 * Needs no network; follows the reader's choice of dark or light; fits a phone. */
#ifndef NICEST_CLI_REPORT_H
#define NICEST_CLI_REPORT_H

#include "command.h"
#include "picture.h"

typedef struct page {
    char *text;
    size_t used, capacity;
} page;

page page_open(const char *title);
/* Writes the page to `path` and releases it. */
void page_close(page *p, const char *path);
/* HTML as it is. */
void page_add(page *p, const char *format, ...) PRINTF_LIKE(2, 3);
/* Text, with <, > and & made harmless. */
void page_text(page *p, const char *text);
void page_picture(page *p, const nicest_image *image, const char *caption);

/* A chart is drawn on axes whose area is measured in SVG units; `ink` is a series: 0 to 3. */
axes chart_axes(double width, double height);
/* Opens <figure> and <svg>, or only closes them. */
void chart_open(page *p, double width, double height);
void chart_axes_draw(page *p, const axes *a);
void chart_close(page *p, const char *caption);
void chart_curve(page *p, const axes *a, const double *x, const double *y, size_t n, int ink);
void chart_bars(page *p, const axes *a, const double *heights, size_t n, int ink);
/* n points at x[i * stride], y[i * stride]. */
void chart_points(page *p, const axes *a, const double *x, const double *y, size_t n, size_t stride,
                  int ink);
/* Between low[n] and high[n], in the first ink; a dashed line at y; bars of which only the outline
 * shows. */
void chart_band(page *p, const axes *a, const double *x, const double *low, const double *high,
                size_t n);
void chart_level(page *p, const axes *a, double y, int ink);
void chart_steps(page *p, const axes *a, const double *heights, size_t n, int ink);
/* Names of the inks 0, 1, ... in a row above the area, at its right end. */
void chart_legend(page *p, const axes *a, const char *const *names, size_t n);

#endif
