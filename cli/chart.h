/* chart.h - a chart as data, and the one back end that draws it: cairo, into PNG, SVG or PDF, or as
 * SVG inside a page.
 *
 * Lengths are points: pixels of CSS, of which a PNG has `--scale` (2) each way. Axes fit what is
 * drawn; far values that would flatten the rest are left out, and the panel says how many. Colours
 * can be told apart by people who see fewer of them (Okabe and Ito; viridis). */
#pragma once

#include "page.h"

typedef enum series_kind {
    SERIES_LINE,       /* through x, y; a gap where one is NaN */
    SERIES_BAND,       /* from y to high */
    SERIES_DOTS,       /* at x, y */
    SERIES_HISTOGRAM,  /* of the values x, as filled bars of density */
    SERIES_OUTLINE,    /* the same, as a line */
    SERIES_VERTICAL,   /* a dashed line at at[0] */
    SERIES_HORIZONTAL, /* a dashed line at at[1] */
    SERIES_MARK        /* a ring at (at[0], at[1]) */
} series_kind;

/* Borrows its values. Value i is x[i * stride] (0: 1). */
typedef struct series {
    series_kind kind;
    int ink;          /* 0 to 5: blue, vermilion, green, orange, sky blue, purple; 6: grey */
    const char *name; /* in the legend; NULL: not there */
    const double *x, *y, *high;
    size_t n, stride;
    double at[2];
    bool dashed, markers; /* of lines; a marker at each point */
} series;

typedef struct axis {
    const char *label;        /* may be NULL */
    double low, high;         /* low == high: chosen from what is drawn */
    bool may_bend;            /* log-like (asinh) where the values span decades */
    bool bare;                /* without numbers */
    const char *const *words; /* [word_count]: of the values 0, 1, ...; NULL: numbers */
    size_t word_count;
    double bend; /* chosen: linear within +-bend; 0: everywhere */
} axis;

enum { PANEL_SERIES = 10 };

/* Axes with series, a density over both axes, or rows of pictures. All but the series may be left
 * out (zeros); everything is borrowed. */
typedef struct panel {
    const char *title;
    axis x, y;
    series series[PANEL_SERIES];
    size_t count;
    /* map[map_height, map_width], the top row first, over the ranges of both axes: coloured from
     * map_low to map_high, with contours around the given shares of its mass. */
    const double *map;
    size_t map_width, map_height;
    double map_low, map_high;
    const char *map_label;
    bool map_logs;  /* the values are log densities */
    bool map_cells; /* of words or levels: cells as they are, without contours */
    /* A grid of pictures instead of axes; headings stand over its columns, or before its rows. */
    const nicest_image *image;
    const char *const *headings;
    size_t heading_count;
    bool headings_left;
} panel;

typedef struct chart {
    const panel *panels;
    size_t count, across; /* at most so many panels side by side */
    double width;         /* 0: 640 */
    double least;         /* panels are not narrower than this; 0: 280 */
    double aspect;        /* height of the area inside the axes, in widths; 0: 0.6 */
} chart;

/* Adds a series and returns it; beyond PANEL_SERIES it ends the program. */
series *panel_add(panel *p, series s);
series *panel_line(panel *p, const char *name, int ink, const double *x, const double *y, size_t n);

/* Fills in axes and a map, the top row first, or with height 0 a curve, of a density over a box;
 * logs: its logarithm, down to 12 nats below the peak. What is returned is drawn from, and released
 * by block_free. */
double *panel_density(panel *p, const double *logp, size_t width, size_t height, const double *box,
                      bool logs);

/* Ends the program with 2 where path, the value of `what`, is none, and with 1 where it cannot be
 * written. NULL: nothing. */
void check_picture(const char *what, const char *path);
/* Ends the program with 2 where --scale or --theme was given and none of paths[n], of which each
 * may be NULL or no picture, makes use of it. */
void check_picture_options(const shared_settings *shared, const char *const *paths, size_t n);
/* Pixels of a point, and points around a chart in a file. */
double picture_scale(const shared_settings *shared);
enum { CHART_MARGIN = 12 };
/* Writes the chart, whole or not at all, as the name says and with --scale and --theme. */
void chart_save(const chart *c, const shared_settings *shared, const char *path);
/* Adds it to a page as <figure> with a caption (may be NULL): drawn for a wide and for a narrow
 * screen, in the colours of the page's style. */
void page_chart(page *p, const chart *c, const char *caption);

/* 0: dark violet ... 1: yellow, as three bytes. */
void viridis(double share, unsigned char *rgb);
