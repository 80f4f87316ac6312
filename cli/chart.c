/* chart.c - see chart.h. The only file that knows cairo.
 *
 * Layout is measured with the font that is drawn, at the width that is wanted: legends wrap, names
 * that do not fit end in an ellipsis, ticks are as many as have room. In SVG the letters stay text
 * (cairo would make outlines of them): they can be read aloud, found and copied, and a page's own
 * font takes their place. */
#include "chart.h"

#include <cairo-pdf.h>
#include <cairo-svg.h>
#include <cairo.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"

/* ------------------------------------------------------------------ colours */

enum { PAPER = 7, TEXT, MUTED, FAINT, CONTOUR, INKS };

/* Series first; the names are those of the page's style. White contours are white on any paper. */
static const unsigned THEMES[2][INKS] = {
    {0x0072b2, 0xd55e00, 0x009e73, 0xe69f00, 0x56b4e9, 0xcc79a7, 0x8a8a8a, 0xffffff, 0x222222,
     0x5c5c5c, 0xdcdcdc, 0xfefefe},
    {0x56b4e9, 0xe69f00, 0x4cc9a4, 0xf0e442, 0x8fd0f5, 0xdd9fc2, 0x9a9a9a, 0x16181b, 0xe4e4e0,
     0xa8aaac, 0x3a3d42, 0xfefefe}};
static const char *const INK_NAMES[INKS] = {"s0", "s1",    "s2",  "s3",    "s4",    "s5",
                                            "s6", "paper", "ink", "muted", "faint", NULL};

/* viridis at ninths of its way; straight lines between. */
void viridis(double share, unsigned char *rgb)
{
    static const unsigned char stops[][3] = {
        {68, 1, 84},    {72, 40, 120},  {62, 73, 137},  {49, 104, 142}, {38, 130, 142},
        {31, 158, 137}, {53, 183, 121}, {110, 206, 88}, {181, 222, 43}, {253, 231, 37}};
    enum { LAST = sizeof stops / sizeof *stops - 1 };
    double place = (share > 0 ? share < 1 ? share : 1 : 0) * LAST;
    size_t i = place >= LAST ? LAST - 1 : (size_t)place;
    for (size_t k = 0; k < 3; k++)
        rgb[k] = (unsigned char)(stops[i][k] +
                                 (place - (double)i) * (stops[i + 1][k] - stops[i][k]) + 0.5);
}

/* ------------------------------------------------------------------ the canvas */

typedef enum anchor { START, MIDDLE, END } anchor;

/* Where a chart is drawn. `words` collects the <text> elements of an SVG, which come last. */
typedef struct canvas {
    cairo_t *cr;
    const unsigned *theme;
    page *words;
    bool in_page; /* colours are those of the page's style */
} canvas;

static void use_ink(const canvas *c, int ink, double opacity)
{
    unsigned rgb = c->theme[ink];
    cairo_set_source_rgba(c->cr, (rgb >> 16) / 255.0, (rgb >> 8 & 255) / 255.0, (rgb & 255) / 255.0,
                          opacity);
}

static void use_font(const canvas *c, double size, bool bold)
{
    cairo_select_font_face(c->cr, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(c->cr, size);
}

/* Sizes of letters: numbers, labels, titles. */
enum { SMALL = 11, LABEL = 12, TITLE = 14 };

static double text_width(const canvas *c, double size, const char *text)
{
    cairo_text_extents_t extents;
    use_font(c, size, size >= TITLE);
    cairo_text_extents(c->cr, text, &extents);
    return extents.x_advance;
}

/* y is the line that letters stand on. */
static void draw_text(const canvas *c, double x, double y, double size, anchor at, int ink,
                      const char *text)
{
    static const char *const anchors[] = {"start", "middle", "end"};
    bool bold = size >= TITLE;
    if (!*text)
        return;
    if (c->words) {
        page_add(c->words, "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%g\" text-anchor=\"%s\"%s ", x,
                 y, size, anchors[at], bold ? " font-weight=\"bold\"" : "");
        if (c->in_page)
            page_add(c->words, "style=\"fill:var(--%s)\">", INK_NAMES[ink]);
        else
            page_add(c->words,
                     "font-family=\"DejaVu Sans, Verdana, Arial, sans-serif\" fill=\"#%06x\">",
                     c->theme[ink]);
        page_words(c->words, "%s</text>\n", text);
        return;
    }
    double width = at == START ? 0 : text_width(c, size, text);
    use_font(c, size, bold);
    use_ink(c, ink, 1);
    cairo_move_to(c->cr, x - (at == END ? width : width / 2), y);
    cairo_show_text(c->cr, text);
    cairo_new_path(c->cr);
}

/* Text of anybody's files that fits `room`: UTF-8, ending in an ellipsis where it is cut. */
typedef struct fitted_text {
    char text[512];
} fitted_text;

static fitted_text fitted(const canvas *c, double size, double room, const char *text)
{
    static const char more[] = "\xe2\x80\xa6";
    fitted_text out;
    size_t used = 0;
    while (*text && used < sizeof out.text - 8)
        used += next_letter(&text, out.text + used);
    strcpy(out.text + used, *text ? more : "");
    while (used && text_width(c, size, out.text) > room) {
        while (used && ((unsigned char)out.text[--used] & 0xc0) == 0x80)
            continue;
        strcpy(out.text + used, more);
    }
    return out;
}

static void draw_line(const canvas *c, double x1, double y1, double x2, double y2)
{
    cairo_move_to(c->cr, x1, y1);
    cairo_line_to(c->cr, x2, y2);
    cairo_stroke(c->cr);
}

static void set_dash(const canvas *c, bool dashed)
{
    static const double dashes[] = {5, 4};
    cairo_set_dash(c->cr, dashes, dashed ? 2 : 0, 0);
}

/* ------------------------------------------------------------------ axes */

static double bent(const axis *a, double value)
{
    return a->bend > 0 ? asinh(value / a->bend) : value;
}

/* 0 at the low end, 1 at the high one. */
static double place(const axis *a, double value)
{
    double low = bent(a, a->low), high = bent(a, a->high);
    return (bent(a, value) - low) / (high - low);
}

enum { TICKS = 12 };

typedef struct ticks {
    size_t n;
    double at[TICKS];
    char text[TICKS][40];
} ticks;

/* With a real minus; powers of ten as such where they are long. */
static void tick_text(const axis *a, double value, char *out, size_t size)
{
    static const char *const raised[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
    double span = a->high - a->low, magnitude = fabs(value);
    const char *minus = value < -1e-9 * span ? "\xe2\x88\x92" : "";
    int power = magnitude > 0 ? (int)floor(log10(magnitude) + 1e-9) : 0;
    if (magnitude < 1e-9 * span)
        snprintf(out, size, "0");
    else if (a->bend > 0 && power >= 4 && power < 100 && magnitude / pow(10, power) < 1.0000001)
        snprintf(out, size, "%s10%s%s", minus, power > 9 ? raised[power / 10] : "",
                 raised[power % 10]);
    else if (fabs(magnitude - rint(magnitude)) < 1e-9 * span && magnitude < 1e7)
        snprintf(out, size, "%s%.0f", minus, magnitude);
    else {
        /* as many digits as tell numbers of the range apart; 0.00005, not 5e-05 */
        double digits = ceil(log10(fmax(fabs(a->low), fabs(a->high)) / span)) + 2;
        short_text rounded = short_format("%.*g", (int)fmin(fmax(digits, 5), 15), magnitude);
        snprintf(out, size, "%s%.36s", minus, number_text(strtod(rounded.text, NULL)).text);
    }
}

/* Words, each cut to its share of the axis; of very many every second, third ... */
static ticks word_ticks(const canvas *c, const axis *a, double length)
{
    ticks t = {0};
    size_t step = (a->word_count + TICKS - 1) / TICKS;
    double room = length * (double)step / (double)a->word_count - 4;
    for (size_t i = 0; i < a->word_count; i += step) {
        t.at[t.n] = (double)i;
        snprintf(t.text[t.n++], sizeof t.text[0], "%.39s",
                 fitted(c, SMALL, room, a->words[i]).text);
    }
    return t;
}

/* At most `most`, and more than `apart` points between two of them; across: letters lie along the
 * axis. */
static ticks axis_ticks(const canvas *c, const axis *a, double length, bool across)
{
    ticks t;
    if (a->words && a->word_count)
        return word_ticks(c, a, length);
    for (size_t most = TICKS - 2; most > 0; most--) {
        t = (ticks){0};
        if (a->bend > 0) {
            /* Powers of ten in the log-like part, and 0. */
            int first = (int)ceil(log10(a->bend) - 1e-9);
            int last = (int)floor(log10(fmax(fabs(a->low), fabs(a->high))) + 1e-9);
            int sides = (a->low < 0) + (a->high > 0), step = 1;
            while ((last - first) / step * sides + 1 > (int)most)
                step++;
            int lowest = last - (last - first) / step * step;
            for (int power = last; power >= lowest && t.n < TICKS; power -= step)
                if (-pow(10, power) >= a->low && -pow(10, power) <= a->high)
                    t.at[t.n++] = -pow(10, power);
            if (a->low <= 0 && a->high >= 0 && t.n < TICKS)
                t.at[t.n++] = 0;
            for (int power = lowest; power <= last && t.n < TICKS; power += step)
                if (pow(10, power) >= a->low && pow(10, power) <= a->high)
                    t.at[t.n++] = pow(10, power);
        } else {
            /* Round numbers: steps of 1, 2 or 5 times a power of ten. */
            static const double digits[] = {1, 2, 5, 10};
            double rough = (a->high - a->low) / (double)most, power = pow(10, floor(log10(rough)));
            double step = 0;
            if (a->high > a->low && isfinite(rough) && power > 0) {
                for (size_t i = 0; i < 4 && step < rough * (1 - 1e-9); i++)
                    step = digits[i] * power;
                for (double k = ceil(a->low / step - 1e-9);
                     k * step <= a->high + 1e-9 * step && t.n < TICKS; k++)
                    t.at[t.n++] = k * step + 0.0; /* never -0 */
            }
        }
        bool fits = t.n <= most + 1;
        double before = -INFINITY;
        for (size_t i = 0; i < t.n; i++) {
            tick_text(a, t.at[i], t.text[i], sizeof t.text[i]);
            double half = across ? text_width(c, SMALL, t.text[i]) / 2 + 7 : 14;
            double at = place(a, t.at[i]) * length;
            fits = fits && at - half >= before;
            before = at + half;
        }
        if (fits)
            return t;
    }
    return t;
}

/* ------------------------------------------------------------------ what the axes hold */

static bool counts_values(const series *s)
{
    return s->kind == SERIES_HISTOGRAM || s->kind == SERIES_OUTLINE;
}

static bool has_points(const series *s)
{
    return s->kind == SERIES_LINE || s->kind == SERIES_BAND || s->kind == SERIES_DOTS;
}

static double series_value(const series *s, const double *values, size_t i)
{
    return values[i * (s->stride ? s->stride : 1)];
}

/* All values that an axis shows, in no order; *n of them. */
static double *axis_values(const panel *p, bool upright, size_t *n)
{
    size_t most = 0, count = 0;
    for (size_t k = 0; k < p->count; k++)
        most += 2 * p->series[k].n + 1;
    double *values = block_new(most, sizeof *values);
    for (size_t k = 0; k < p->count; k++) {
        const series *s = &p->series[k];
        for (size_t i = 0; i < s->n && (has_points(s) || (!upright && counts_values(s))); i++) {
            values[count++] = series_value(s, upright ? s->y : s->x, i);
            if (upright && s->kind == SERIES_BAND)
                values[count++] = series_value(s, s->high, i);
        }
        if (s->kind == (upright ? SERIES_HORIZONTAL : SERIES_VERTICAL) || s->kind == SERIES_MARK)
            values[count++] = s->at[upright];
    }
    *n = count;
    return values;
}

/* Log-like where most values are small beside the largest, and would lie on one line: curves; and
 * where the middle half is thin and near 0: histograms. */
static double bend_of(const double *sorted, size_t n, bool histogram)
{
    size_t count = n;
    double middle = quantile(sorted, n, 0.5), large = fmax(fabs(sorted[0]), fabs(sorted[n - 1]));
    double inner = quantile(sorted, n, 0.75) - quantile(sorted, n, 0.25), small = inner;
    if (histogram && !(sorted[n - 1] - sorted[0] > 25 * inner && fabs(middle) < 10 * inner))
        return 0;
    if (!histogram) {
        OWNED_BLOCK double *sizes = block_new(n, sizeof *sizes);
        for (size_t i = 0; i < n; i++)
            sizes[i] = sorted[i] != 0 ? fabs(sorted[i]) : NAN;
        OWNED_BLOCK double *ordered = sorted_finite(sizes, &count);
        small = quantile(ordered, count, 0.1);
        middle = quantile(ordered, count, 0.5);
        if (!(large > 15 * middle))
            return 0;
    }
    small = small > 0 ? pow(10, floor(log10(small))) : 0;
    return small > 0 && large > (histogram ? 99 : 999) * small ? small : 0;
}

/* Whole range, unless a few far values would flatten the rest; nothing where both are given. */
static void fit_axis(axis *a, const panel *p, bool upright, bool histogram)
{
    if (a->high > a->low)
        return;
    size_t n;
    OWNED_BLOCK double *values = axis_values(p, upright, &n), *sorted = sorted_finite(values, &n);
    double low = n ? sorted[0] : 0, high = n ? sorted[n - 1] : 1;
    a->bend = a->may_bend && n ? bend_of(sorted, n, histogram) : 0;
    if (n >= 40 && !a->bend) {
        double inner_low = quantile(sorted, n, 0.01), inner_high = quantile(sorted, n, 0.99);
        double inner = inner_high - inner_low;
        if (inner > 0 && inner_low - low > inner)
            low = inner_low - 0.1 * inner;
        if (inner > 0 && high - inner_high > inner)
            high = inner_high + 0.1 * inner;
    }
    double from = bent(a, low), to = bent(a, high);
    double room = to > from ? 0.04 * (to - from) : from != 0 ? 0.1 * fabs(from) : 1;
    a->low = a->bend > 0 ? a->bend * sinh(from - room) : from - room;
    a->high = a->bend > 0 ? a->bend * sinh(to + room) : to + room;
}

/* ------------------------------------------------------------------ histograms */

enum { MOST_BINS = 120 };

/* Bins that all histograms of a panel share, of equal width on the axis as it is drawn (bent);
 * whole numbers get bins of whole numbers. */
typedef struct binning {
    double low, width;
    size_t n;
    double density[PANEL_SERIES][MOST_BINS]; /* of each series; of a bent axis shares */
} binning;

static void fill_bins(const panel *p, const axis *x, binning *b)
{
    memset(b->density, 0, sizeof b->density);
    size_t most = 0;
    bool whole = !x->bend;
    for (size_t k = 0; k < p->count; k++)
        for (size_t i = 0; i < p->series[k].n && counts_values(&p->series[k]); i++) {
            double value = series_value(&p->series[k], p->series[k].x, i);
            most = i + 1 > most ? i + 1 : most;
            whole = whole && (!isfinite(value) || value == floor(value));
        }
    double wanted = fmin(fmax(2.5 * cbrt((double)most), 16), MOST_BINS - 2);
    double low = bent(x, x->low), high = bent(x, x->high), span = high - low;
    b->width = whole ? fmax(1, ceil(span / wanted)) : span / rint(wanted);
    b->low = whole ? b->width * floor((low + 0.5) / b->width) - 0.5 : low;
    b->n = (size_t)fmin(ceil((high - b->low) / b->width - 1e-9), MOST_BINS);
    for (size_t k = 0; k < p->count; k++) {
        const series *s = &p->series[k];
        size_t counted = 0;
        for (size_t i = 0; i < s->n && counts_values(s); i++) {
            double value = series_value(s, s->x, i), at = (bent(x, value) - b->low) / b->width;
            counted += !isnan(value);
            if (at >= 0 && at < (double)b->n)
                b->density[k][(size_t)at]++;
        }
        for (size_t i = 0; i < b->n && counted; i++)
            b->density[k][i] /= (double)counted * (x->bend > 0 ? 1 : b->width);
    }
}

/* ------------------------------------------------------------------ series */

/* A panel while it is drawn: its axes fitted, its area known. */
typedef struct area {
    const canvas *c;
    const panel *p;
    axis x, y;
    binning bins;
    bool histogram;
    double left, top, width, height;
    size_t beyond[4]; /* values left, right, below and above the axes */
} area;

static double at_x(const area *a, double value)
{
    double share = place(&a->x, value);
    return a->left + fmax(fmin(share, 50), -50) * a->width;
}

static double at_y(const area *a, double value)
{
    double share = place(&a->y, value);
    return a->top + a->height - fmax(fmin(share, 50), -50) * a->height;
}

static bool seen(const series *s, size_t i)
{
    return !isnan(series_value(s, s->x, i)) && !isnan(series_value(s, s->y, i));
}

static void draw_dot(const area *a, double x, double y, double radius)
{
    cairo_set_line_cap(a->c->cr, CAIRO_LINE_CAP_ROUND);
    cairo_set_line_width(a->c->cr, 2 * radius);
    cairo_move_to(a->c->cr, x, y);
    cairo_close_path(a->c->cr);
}

/* Dots lie over one another so that their number shows; in an SVG some hundreds at a time do. */
static void draw_dots(const area *a, const series *s)
{
    double radius = s->n > 3000 ? 1.2 : s->n > 500 ? 1.7 : 2.2;
    size_t together = a->c->words ? s->n / 40 + 1 : 1;
    use_ink(a->c, s->ink, s->n > 3000 ? 0.35 : s->n > 500 ? 0.5 : 0.65);
    for (size_t i = 0; i < s->n; i++) {
        if (seen(s, i))
            draw_dot(a, at_x(a, series_value(s, s->x, i)), at_y(a, series_value(s, s->y, i)),
                     radius);
        if ((i + 1) % together == 0 || i + 1 == s->n)
            cairo_stroke(a->c->cr);
    }
}

static void draw_curve(const area *a, const series *s)
{
    cairo_t *cr = a->c->cr;
    bool down = false;
    use_ink(a->c, s->ink, 1);
    cairo_set_line_width(cr, 1.8);
    cairo_set_line_cap(cr, CAIRO_LINE_CAP_BUTT);
    cairo_set_line_join(cr, CAIRO_LINE_JOIN_ROUND);
    set_dash(a->c, s->dashed);
    for (size_t i = 0; i < s->n; i++) {
        double x = at_x(a, series_value(s, s->x, i)), y = at_y(a, series_value(s, s->y, i));
        if (seen(s, i) && down)
            cairo_line_to(cr, x, y);
        else if (seen(s, i))
            cairo_move_to(cr, x, y);
        down = seen(s, i);
    }
    cairo_stroke(cr);
    set_dash(a->c, false);
    for (size_t i = 0; i < s->n && (s->markers || s->n == 1); i++)
        if (seen(s, i)) {
            draw_dot(a, at_x(a, series_value(s, s->x, i)), at_y(a, series_value(s, s->y, i)), 3);
            cairo_stroke(cr);
        }
}

static void draw_band(const area *a, const series *s)
{
    cairo_t *cr = a->c->cr;
    for (size_t i = 0; i < 2 * s->n; i++) {
        size_t k = i < s->n ? i : 2 * s->n - 1 - i;
        double y = series_value(s, i < s->n ? s->y : s->high, k);
        if (!isnan(y))
            cairo_line_to(cr, at_x(a, series_value(s, s->x, k)), at_y(a, y));
    }
    cairo_close_path(cr);
    use_ink(a->c, s->ink, 0.2);
    cairo_fill(cr);
}

/* A ring with paper inside, seen on lines of any colour. */
static void draw_ring(const canvas *c, double x, double y, int ink)
{
    cairo_arc(c->cr, x, y, 4.5, 0, 6.2831853);
    use_ink(c, PAPER, 1);
    cairo_fill_preserve(c->cr);
    use_ink(c, ink, 1);
    cairo_set_line_width(c->cr, 2.2);
    cairo_stroke(c->cr);
}

static void draw_series(const area *a, size_t k)
{
    const series *s = &a->p->series[k];
    switch (s->kind) {
    case SERIES_LINE:
        draw_curve(a, s);
        break;
    case SERIES_BAND:
        draw_band(a, s);
        break;
    case SERIES_DOTS:
        draw_dots(a, s);
        break;
    case SERIES_HISTOGRAM:
    case SERIES_OUTLINE: {
        cairo_t *cr = a->c->cr;
        double low = bent(&a->x, a->x.low), unit = a->width / (bent(&a->x, a->x.high) - low);
        double left = a->left + (a->bins.low - low) * unit, width = a->bins.width * unit;
        cairo_move_to(cr, left, at_y(a, 0));
        for (size_t i = 0; i < a->bins.n; i++) {
            cairo_line_to(cr, left + (double)i * width, at_y(a, a->bins.density[k][i]));
            cairo_line_to(cr, left + (double)(i + 1) * width, at_y(a, a->bins.density[k][i]));
        }
        cairo_line_to(cr, left + (double)a->bins.n * width, at_y(a, 0));
        cairo_set_line_width(cr, s->kind == SERIES_OUTLINE ? 1.6 : 0.8);
        use_ink(a->c, s->ink, 0.35);
        if (s->kind == SERIES_HISTOGRAM)
            cairo_fill_preserve(cr);
        use_ink(a->c, s->ink, 1);
        cairo_stroke(cr);
    } break;
    case SERIES_VERTICAL:
    case SERIES_HORIZONTAL: {
        bool across = s->kind == SERIES_HORIZONTAL;
        if (isfinite(s->at[across])) {
            double at = across ? at_y(a, s->at[1]) : at_x(a, s->at[0]);
            use_ink(a->c, s->ink, 1);
            cairo_set_line_width(a->c->cr, 1.6);
            set_dash(a->c, true);
            if (across)
                draw_line(a->c, a->left, at, a->left + a->width, at);
            else
                draw_line(a->c, at, a->top, at, a->top + a->height);
            set_dash(a->c, false);
        }
    } break;
    case SERIES_MARK:
        break;
    }
}

/* ------------------------------------------------------------------ densities */

/* An image of the given bytes: rgb[height, width, 3 or 1]. */
static cairo_surface_t *surface_of(const unsigned char *bytes, size_t width, size_t height,
                                   size_t channels)
{
    cairo_surface_t *s = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)width, (int)height);
    unsigned char *out = cairo_image_surface_get_data(s);
    int stride = cairo_image_surface_get_stride(s);
    if (!out)
        refuse(STATUS_FAILED, "a picture of %zu x %zu pixels cannot be drawn", width, height);
    for (size_t j = 0; j < height; j++)
        for (size_t i = 0; i < width; i++) {
            const unsigned char *pixel = bytes + (j * width + i) * channels;
            uint32_t word = (uint32_t)pixel[0] << 16 | (uint32_t)pixel[channels > 2 ? 1 : 0] << 8 |
                            pixel[channels > 2 ? 2 : 0];
            memcpy(out + j * (size_t)stride + 4 * i, &word, 4);
        }
    cairo_surface_mark_dirty(s);
    return s;
}

static void draw_surface(const canvas *c, cairo_surface_t *s, double left, double top, double width,
                         double height, bool smooth)
{
    cairo_save(c->cr);
    cairo_translate(c->cr, left, top);
    cairo_scale(c->cr, width / cairo_image_surface_get_width(s),
                height / cairo_image_surface_get_height(s));
    cairo_set_source_surface(c->cr, s, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(c->cr),
                             smooth ? CAIRO_FILTER_BILINEAR : CAIRO_FILTER_NEAREST);
    cairo_pattern_set_extend(cairo_get_source(c->cr), CAIRO_EXTEND_PAD);
    cairo_rectangle(c->cr, 0, 0, cairo_image_surface_get_width(s),
                    cairo_image_surface_get_height(s));
    cairo_fill(c->cr);
    cairo_restore(c->cr);
    cairo_surface_destroy(s);
}

/* The value above which `share` of the map's mass lies. */
static double contour_level(const panel *p, const double *sorted, size_t n, double share)
{
    double top = sorted[n - 1], total = 0, sum = 0;
    for (size_t i = 0; i < n; i++)
        total += p->map_logs ? exp(sorted[i] - top) : sorted[i];
    for (size_t i = n; i-- > 0;) {
        sum += p->map_logs ? exp(sorted[i] - top) : sorted[i];
        if (sum >= share * total)
            return sorted[i];
    }
    return sorted[0];
}

/* Marching squares over the middles of the cells: the crossed sides of a square are joined in
 * pairs, of a saddle as they come. */
static void trace_contour(const area *a, double level)
{
    const panel *p = a->p;
    double dx = a->width / (double)p->map_width, dy = a->height / (double)p->map_height;
    for (size_t j = 0; j + 1 < p->map_height; j++)
        for (size_t i = 0; i + 1 < p->map_width; i++) {
            const double *v = p->map + j * p->map_width + i;
            double corner[] = {v[0], v[1], v[p->map_width + 1], v[p->map_width]};
            double left = a->left + ((double)i + 0.5) * dx, top = a->top + ((double)j + 0.5) * dy;
            size_t crossed = 0;
            for (size_t side = 0; side < 4; side++) {
                double from = corner[side], to = corner[(side + 1) % 4];
                if ((from > level) == (to > level) || !isfinite(from) || !isfinite(to))
                    continue;
                /* Where a line between two values crosses the level, 0..1. */
                double t = (level - from) / (to - from);
                double x = side == 0 ? t : side == 1 ? 1 : side == 2 ? 1 - t : 0;
                double y = side == 0 ? 0 : side == 1 ? t : side == 2 ? 1 : 1 - t;
                if (crossed++ % 2)
                    cairo_line_to(a->c->cr, left + x * dx, top + y * dy);
                else
                    cairo_move_to(a->c->cr, left + x * dx, top + y * dy);
            }
        }
    cairo_stroke(a->c->cr);
}

static const double CONTOURS[] = {0.5, 0.9, 0.99};

enum { BAR_GAP = 14, BAR_WIDTH = 14 };

static double bar_room(const canvas *c, const panel *p)
{
    axis scale = {.low = p->map_low, .high = p->map_high};
    double widest = 0;
    if (!p->map)
        return 0;
    ticks t = axis_ticks(c, &scale, 300, false);
    for (size_t i = 0; i < t.n; i++)
        widest = fmax(widest, text_width(c, SMALL, t.text[i]));
    return BAR_GAP + BAR_WIDTH + 5 + widest;
}

/* ------------------------------------------------------------------ a panel */

static void draw_swatch(const canvas *c, const series *s, double x, double y)
{
    bool box = s->kind == SERIES_HISTOGRAM || s->kind == SERIES_BAND;
    bool dash = s->dashed || s->kind == SERIES_VERTICAL || s->kind == SERIES_HORIZONTAL;
    if (s->kind == SERIES_MARK) {
        draw_ring(c, x + 9, y - 4, s->ink);
        return;
    }
    use_ink(c, s->ink, box ? 0.35 : 1);
    cairo_set_line_width(c->cr, s->kind == SERIES_DOTS ? 6 : 2);
    cairo_set_line_cap(c->cr, s->kind == SERIES_DOTS ? CAIRO_LINE_CAP_ROUND : CAIRO_LINE_CAP_BUTT);
    if (box) {
        cairo_rectangle(c->cr, x, y - 9, 18, 10);
        cairo_fill(c->cr);
        return;
    }
    set_dash(c, dash);
    if (s->kind == SERIES_DOTS)
        draw_line(c, x + 9, y - 4, x + 9.01, y - 4);
    else
        draw_line(c, x, y - 4, x + 18, y - 4);
    set_dash(c, false);
}

/* Names of what is drawn, wrapped; returns the next free line. draw: else only measured. */
static double legend(const canvas *c, const panel *p, double left, double y, double width,
                     bool draw)
{
    double x = left, bottom = y;
    for (size_t k = 0; k < p->count; k++) {
        const series *s = &p->series[k];
        if (!s->name)
            continue;
        const fitted_text name = fitted(c, LABEL, width - 24, s->name);
        double wide = 24 + text_width(c, LABEL, name.text);
        if (x > left && x + wide > left + width) {
            x = left;
            y += 17;
        }
        if (draw) {
            draw_swatch(c, s, x, y + 12);
            draw_text(c, x + 24, y + 12, LABEL, START, TEXT, name.text);
        }
        x += wide + 16;
        bottom = y + 20;
    }
    return bottom;
}

/* Counts what lies outside the axes. */
static void count_beyond(area *a)
{
    for (size_t k = 0; k < a->p->count; k++) {
        const series *s = &a->p->series[k];
        for (size_t i = 0; i < s->n && (has_points(s) || counts_values(s)); i++) {
            double x = series_value(s, s->x, i), y = s->y ? series_value(s, s->y, i) : NAN;
            double high = s->kind == SERIES_BAND ? series_value(s, s->high, i) : y;
            a->beyond[0] += x < a->x.low;
            a->beyond[1] += x > a->x.high;
            a->beyond[2] += y < a->y.low;
            a->beyond[3] += high > a->y.high;
        }
    }
}

/* A small mark at each edge beyond which there is more. */
static void draw_beyond(const area *a)
{
    static const double places[4][2] = {{0, 0.5}, {1, 0.5}, {0.5, 1}, {0.5, 0}};
    static const double turns[4] = {3.14159265, 0, 1.57079633, -1.57079633};
    for (size_t i = 0; i < 4; i++) {
        if (!a->beyond[i])
            continue;
        cairo_save(a->c->cr);
        cairo_translate(a->c->cr, a->left + places[i][0] * a->width,
                        a->top + places[i][1] * a->height);
        cairo_rotate(a->c->cr, turns[i]);
        cairo_move_to(a->c->cr, 0, 0);
        cairo_line_to(a->c->cr, -7, -5);
        cairo_line_to(a->c->cr, -7, 5);
        cairo_close_path(a->c->cr);
        use_ink(a->c, MUTED, 1);
        cairo_fill(a->c->cr);
        cairo_restore(a->c->cr);
    }
}

static void draw_grid(const area *a, const ticks *t, bool upright)
{
    cairo_t *cr = a->c->cr;
    for (size_t i = 0; i < t->n; i++) {
        double x = at_x(a, t->at[i]), y = at_y(a, t->at[i]);
        use_ink(a->c, FAINT, 1);
        cairo_set_line_width(cr, 0.8);
        if (!a->p->map && upright)
            draw_line(a->c, a->left, y, a->left + a->width, y);
        else if (!a->p->map)
            draw_line(a->c, x, a->top, x, a->top + a->height);
        if (upright)
            draw_text(a->c, a->left - 6, y + 4, SMALL, END, MUTED, t->text[i]);
        else
            draw_text(a->c, x, a->top + a->height + 15, SMALL, MIDDLE, MUTED, t->text[i]);
    }
}

/* Words over the area: title, legend, what is upwards, and at the right the bar's label or what
 * lies off the axes. Returns where the area begins. */
static double panel_words(const area *a, double left, double y, double width, bool draw)
{
    const canvas *c = a->c;
    const panel *p = a->p;
    char beyond[120];
    const char *label =
        a->histogram && a->x.bend > 0 && p->y.label ? "share of rows in a bar" : p->y.label;
    if (p->title && draw)
        draw_text(c, left, y + 14, TITLE, START, TEXT, fitted(c, TITLE, width, p->title).text);
    y = legend(c, p, left, y + (p->title ? 22 : 0), width, draw);
    /* "off the axes: ← 12, ↑ 3"; "" where all is shown. */
    size_t size = sizeof beyond;
    static const char *const arrows[] = {"\xe2\x86\x90", "\xe2\x86\x92", "\xe2\x86\x93",
                                         "\xe2\x86\x91"};
    size_t used = 0;
    *beyond = 0;
    for (size_t i = 0; i < 4; i++)
        if (a->beyond[i])
            used += (size_t)snprintf(beyond + used, size - used, "%s%s %zu",
                                     used ? ", " : "off the axes: ", arrows[i], a->beyond[i]);
    const char *right = p->map && p->map_label ? p->map_label : beyond;
    double room = width - (*right ? text_width(c, SMALL, right) + 12 : 0);
    if (draw && label)
        draw_text(c, left, y + 12, SMALL, START, MUTED, fitted(c, SMALL, room, label).text);
    if (draw)
        draw_text(c, left + width, y + 12, SMALL, END, MUTED, right);
    return y + (label || *right ? 20 : 4);
}

static void draw_area(const area *a, const ticks *up, const ticks *across)
{
    const canvas *c = a->c;
    draw_grid(a, up, true);
    draw_grid(a, across, false);
    cairo_save(c->cr);
    cairo_rectangle(c->cr, a->left - 1, a->top - 1, a->width + 2, a->height + 2);
    cairo_clip(c->cr);
    if (a->p->map) {
        const panel *p = a->p;
        size_t cells = p->map_width * p->map_height, n = cells;
        OWNED_BLOCK unsigned char *rgb = block_new(cells, 3);
        for (size_t i = 0; i < cells; i++)
            viridis((p->map[i] - p->map_low) / (p->map_high - p->map_low), rgb + 3 * i);
        draw_surface(a->c, surface_of(rgb, p->map_width, p->map_height, 3), a->left, a->top,
                     a->width, a->height, !p->map_cells);
        OWNED_BLOCK double *sorted = sorted_finite(p->map, &n);
        cairo_set_line_width(a->c->cr, 0.8);
        use_ink(a->c, CONTOUR, 0.75);
        for (size_t k = 0; k < sizeof CONTOURS / sizeof *CONTOURS && n && !p->map_cells; k++)
            trace_contour(a, contour_level(p, sorted, n, CONTOURS[k]));
    }
    for (size_t k = 0; k < a->p->count; k++)
        draw_series(a, k);
    draw_beyond(a);
    cairo_restore(c->cr);
    for (size_t k = 0; k < a->p->count; k++) {
        const series *s = &a->p->series[k];
        if (s->kind == SERIES_MARK && isfinite(s->at[0]) && isfinite(s->at[1]))
            draw_ring(a->c, at_x(a, s->at[0]), at_y(a, s->at[1]), s->ink);
    }
    use_ink(c, MUTED, 1);
    cairo_set_line_width(c->cr, 1);
    draw_line(c, a->left, a->top + a->height, a->left + a->width, a->top + a->height);
    if (a->p->map) {
        /* The colour bar at the right; room for it was left. */
        enum { STEPS = 128 };
        unsigned char rgb[3 * STEPS];
        axis scale = {.low = a->p->map_low, .high = a->p->map_high};
        double left = a->left + a->width + BAR_GAP;
        for (size_t i = 0; i < STEPS; i++)
            viridis(1 - ((double)i + 0.5) / STEPS, rgb + 3 * i);
        draw_surface(a->c, surface_of(rgb, 1, STEPS, 3), left, a->top, BAR_WIDTH, a->height, true);
        ticks t = axis_ticks(a->c, &scale, a->height, false);
        for (size_t i = 0; i < t.n; i++) {
            double y = a->top + a->height * (1 - place(&scale, t.at[i]));
            draw_text(a->c, left + BAR_WIDTH + 5, y + 4, SMALL, START, MUTED, t.text[i]);
        }
    }
    if (a->p->x.label)
        draw_text(c, a->left + a->width / 2, a->top + a->height + (a->p->x.bare ? 15 : 31), SMALL,
                  MIDDLE, MUTED, fitted(c, SMALL, a->width, a->p->x.label).text);
}

/* Draws a panel of axes at (left, top), `width` wide, and returns its height; where draw is false
 * it is only measured. Numbers beside the area decide how wide it is. */
static double axes_panel(const canvas *c, const panel *p, double left, double top, double width,
                         double aspect, bool draw)
{
    OWNED_BLOCK area *a = block_new(1, sizeof *a);
    double widest = 0, edge = bar_room(c, p) + 6; /* a ring at the end */
    *a = (area){.c = c, .p = p};
    a->x = p->x;
    a->y = p->y;
    for (size_t k = 0; k < p->count; k++)
        a->histogram = a->histogram || counts_values(&p->series[k]);
    fit_axis(&a->x, p, false, a->histogram);
    if (a->histogram) {
        fill_bins(a->p, &a->x, &a->bins);
        double peak = 0;
        for (size_t k = 0; k < PANEL_SERIES; k++)
            for (size_t i = 0; i < a->bins.n; i++)
                peak = fmax(peak, a->bins.density[k][i]);
        if (!a->x.bend) { /* whole bins */
            a->x.low = fmin(a->x.low, a->bins.low);
            a->x.high = fmax(a->x.high, a->bins.low + (double)a->bins.n * a->bins.width);
        }
        if (!(a->y.high > a->y.low))
            a->y.high = peak > 0 ? 1.06 * peak : 1;
    } else {
        fit_axis(&a->y, p, true, false);
    }
    count_beyond(a);
    a->top = panel_words(a, left, top, width, draw);
    ticks up = p->y.bare ? (ticks){0} : axis_ticks(c, &a->y, 0.8 * width * aspect, false);
    for (size_t i = 0; i < up.n; i++)
        widest = fmax(widest, text_width(c, SMALL, up.text[i]));
    a->left = left + (up.n ? widest + 7 : 1);
    a->width = left + width - a->left - edge;
    ticks across = p->x.bare ? (ticks){0} : axis_ticks(c, &a->x, a->width, true);
    if (across.n) { /* the first and the last number may reach over the ends of the axis */
        double before = a->left - left + place(&a->x, across.at[0]) * a->width;
        double move = fmax(0, text_width(c, SMALL, across.text[0]) / 2 - before);
        a->left += move;
        a->width -= move;
        double beside = (1 - place(&a->x, across.at[across.n - 1])) * a->width + edge;
        a->width -= fmax(0, text_width(c, SMALL, across.text[across.n - 1]) / 2 - beside);
    }
    a->height = floor(a->width * aspect);
    if (draw)
        draw_area(a, &up, &across);
    double bottom = a->top + a->height + (p->x.bare ? 4 : 20) + (p->x.label ? 18 : 0);
    return bottom - top;
}

/* A grid of pictures, with a heading over each column or before each row. */
static double image_panel(const canvas *c, const panel *p, double left, double top, double width,
                          bool draw)
{
    double y = top, x = left;
    const nicest_image *image = p->image;
    if (p->title && draw)
        draw_text(c, left, y + 14, TITLE, START, TEXT, fitted(c, TITLE, width, p->title).text);
    y += p->title ? 24 : 0;
    for (size_t i = 0; i < p->heading_count && p->headings_left; i++)
        x = fmax(x, left + 8 + text_width(c, SMALL, p->headings[i]));
    double wide = left + width - x, tall = wide * image->height / image->width;
    double cell = (p->headings_left ? tall : wide) / (double)fmax(1, (double)p->heading_count);
    y += p->heading_count && !p->headings_left ? 17 : 0;
    for (size_t i = 0; i < p->heading_count && draw; i++) {
        double middle = ((double)i + 0.5) * cell;
        if (p->headings_left)
            draw_text(c, left, y + middle + 4, SMALL, START, MUTED, p->headings[i]);
        else
            draw_text(c, x + middle, y - 5, SMALL, MIDDLE, MUTED,
                      fitted(c, SMALL, cell - 4, p->headings[i]).text);
    }
    if (draw)
        draw_surface(c, surface_of(image->pixels, image->width, image->height, image->channels), x,
                     y, wide, tall, false);
    return y + tall - top;
}

/* ------------------------------------------------------------------ a chart */

enum { MARGIN = CHART_MARGIN, GAP = 22 };

/* Draws it `width` wide and returns its height. */
static double layout(const canvas *c, const chart *ch, double width, double margin, bool draw)
{
    double y = margin, least = ch->least > 0 ? ch->least : 280, inner = width - 2 * margin;
    double aspect = ch->aspect > 0 ? ch->aspect : 0.6;
    size_t fits = (size_t)fmax(1, floor((inner + GAP) / (least + GAP)));
    size_t across = ch->across < 1 ? 1 : ch->across < fits ? ch->across : fits;
    double each = (inner - GAP * (double)(across - 1)) / (double)across;
    for (size_t first = 0; first < ch->count; first += across) {
        double tallest = 0;
        for (size_t i = first; i < ch->count && i < first + across; i++) {
            const panel *p = &ch->panels[i];
            double x = margin + (double)(i - first) * (each + GAP);
            tallest = fmax(tallest, p->image ? image_panel(c, p, x, y, each, draw)
                                             : axes_panel(c, p, x, y, each, aspect, draw));
        }
        y += tallest + (first + across < ch->count ? GAP : 0);
    }
    return ceil(y + margin);
}

static double height_of(const chart *ch, double width, double margin)
{
    cairo_surface_t *none = cairo_recording_surface_create(CAIRO_CONTENT_COLOR_ALPHA, NULL);
    canvas c = {.cr = cairo_create(none), .theme = THEMES[0]};
    double height = layout(&c, ch, width, margin, false);
    cairo_destroy(c.cr);
    cairo_surface_destroy(none);
    return height;
}

static void draw_all(cairo_surface_t *surface, const chart *ch, double width, double height,
                     const canvas *like, double scale)
{
    canvas c = *like;
    c.cr = cairo_create(surface);
    cairo_scale(c.cr, scale, scale);
    if (!c.in_page) {
        use_ink(&c, PAPER, 1);
        cairo_rectangle(c.cr, 0, 0, width, height);
        cairo_fill(c.cr);
    }
    layout(&c, ch, width, c.in_page ? 0 : MARGIN, true);
    cairo_surface_flush(surface);
    if (cairo_status(c.cr) != CAIRO_STATUS_SUCCESS)
        refuse(STATUS_FAILED, "a chart cannot be drawn: %s",
               cairo_status_to_string(cairo_status(c.cr)));
    cairo_destroy(c.cr);
}

static cairo_status_t collect_bytes(void *context, const unsigned char *bytes, unsigned length)
{
    page_bytes(context, (const char *)bytes, length);
    return CAIRO_STATUS_SUCCESS;
}

/* ------------------------------------------------------------------ SVG */

/* What cairo has written, with our words at its end. */
static page svg_of(const chart *ch, double width, double height, canvas *c)
{
    page svg = {0}, words = {0};
    cairo_surface_t *s = cairo_svg_surface_create_for_stream(collect_bytes, &svg, width, height);
    c->words = &words;
    draw_all(s, ch, width, height, c, 1);
    cairo_surface_finish(s);
    cairo_surface_destroy(s);
    char *end = svg.text;
    for (char *next = svg.text; (next = strstr(next, "</svg>")); next++)
        end = next;
    svg.used = (size_t)(end - svg.text);
    page_bytes(&svg, words.text ? words.text : "", words.used);
    page_add(&svg, "</svg>\n");
    block_free(words.text);
    return svg;
}

/* "rgb(0%, 44.7%, 69.8%)" at text -> the name of that ink, and its length; else NULL. */
static const char *ink_at(const char *text, const unsigned *theme, size_t *length)
{
    double rgb[3];
    int used = 0;
    if (sscanf(text, "rgb(%lf%%,%lf%%,%lf%%)%n", &rgb[0], &rgb[1], &rgb[2], &used) != 3 || !used)
        return NULL;
    unsigned word = 0;
    for (size_t i = 0; i < 3; i++)
        word = word << 8 | (unsigned)lrint(2.55 * rgb[i]);
    for (size_t i = 0; i < CONTOUR; i++)
        if (theme[i] == word) {
            *length = (size_t)used;
            return INK_NAMES[i];
        }
    return NULL;
}

/* Names of things inside are made the chart's own, and inks those of the page. */
static void page_svg(page *p, const chart *ch, double width)
{
    static const char *const keys[] = {" id=\"", "url(#", "xlink:href=\"#"};
    static unsigned number;
    double height = height_of(ch, width, 0);
    canvas c = {.theme = THEMES[0], .in_page = true};
    page svg = svg_of(ch, width, height, &c);
    const char *text = strstr(svg.text, "<svg");
    text = text ? strchr(text, '>') + 1 : svg.text;
    page_add(p, "<svg viewBox=\"0 0 %g %g\" role=\"img\"%s>", width, height,
             ch->panels->image ? " class=\"pixels\"" : "");
    number++;
    while (*text) {
        size_t length = 0;
        const char *ink = *text == 'r' ? ink_at(text, c.theme, &length) : NULL;
        if (ink) {
            page_add(p, "var(--%s)", ink);
            text += length;
            continue;
        }
        for (size_t i = 0; i < 3 && !length; i++)
            if (!strncmp(text, keys[i], strlen(keys[i])))
                length = strlen(keys[i]);
        page_bytes(p, text, length ? length : 1);
        text += length ? length : 1;
        if (length)
            page_add(p, "c%u-", number);
    }
    block_free(svg.text);
}

void page_chart(page *p, const chart *ch, const char *caption)
{
    enum { WIDE = 760, NARROW = 358 };
    page_add(p, "<figure><div class=\"wide\">");
    page_svg(p, ch, WIDE);
    page_add(p, "</div><div class=\"narrow\">");
    page_svg(p, ch, NARROW);
    page_add(p, "</div>");
    if (caption)
        page_words(p, "<figcaption>%s</figcaption>", caption);
    page_add(p, "</figure>\n");
}

/* ------------------------------------------------------------------ files */

void check_picture_options(const shared_settings *shared, const char *const *paths, size_t n)
{
    bool picture = false, png = false;
    for (size_t i = 0; i < n; i++) {
        picture = picture || is_picture(paths[i]);
        png = png || has_extension(paths[i], ".png");
    }
    if (shared->theme && !picture)
        refuse(STATUS_USAGE, "--theme is for a picture: a file .png, .svg or .pdf");
    if (shared->scale > 0 && !png)
        refuse(STATUS_USAGE, "--scale is for a .png; .svg and .pdf have no pixels");
}

void check_picture(const char *what, const char *path)
{
    if (!path)
        return;
    if (!is_picture(path))
        refuse(STATUS_USAGE, "%s %s: expected a name that ends in .png, .svg or .pdf", what, path);
    check_writable(path);
}

double picture_scale(const shared_settings *shared)
{
    return shared->scale > 0 ? shared->scale : 2;
}

void chart_save(const chart *ch, const shared_settings *shared, const char *path)
{
    canvas c = {.theme = THEMES[shared->theme && !strcmp(shared->theme, "dark")]};
    double width = ch->width > 0 ? ch->width : 640, height = height_of(ch, width, MARGIN);
    double scale = picture_scale(shared);
    bool pdf = has_extension(path, ".pdf");
    page bytes = {0};
    if (width * scale > 32000 || height * scale > 32000)
        refuse(STATUS_FAILED, "%s: would be %.0f x %.0f pixels, which is too large; ask for less",
               path, width * scale, height * scale);
    if (has_extension(path, ".svg")) {
        bytes = svg_of(ch, width, height, &c);
    } else {
        cairo_surface_t *s =
            pdf ? cairo_pdf_surface_create_for_stream(collect_bytes, &bytes, width, height)
                : cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)lrint(width * scale),
                                             (int)lrint(height * scale));
        if (pdf)
            cairo_pdf_surface_set_metadata(s, CAIRO_PDF_METADATA_CREATE_DATE,
                                           NULL); /* same bytes */
        draw_all(s, ch, width, height, &c, pdf ? 1 : scale);
        if (!pdf)
            cairo_surface_write_to_png_stream(s, collect_bytes, &bytes);
        cairo_surface_finish(s);
        cairo_surface_destroy(s);
    }
    polite_begin();
    nicest_status status = nicest_file_write(path, bytes.text, bytes.used);
    polite_end();
    need(status);
    block_free(bytes.text);
}

/* ------------------------------------------------------------------ panels */

series *panel_add(panel *p, series s)
{
    if (p->count == PANEL_SERIES)
        refuse(STATUS_FAILED, "a panel holds %d series at most", PANEL_SERIES);
    p->series[p->count] = s;
    return &p->series[p->count++];
}

series *panel_line(panel *p, const char *name, int ink, const double *x, const double *y, size_t n)
{
    return panel_add(p, (series){SERIES_LINE, ink, name, x, y, .n = n});
}

double *panel_density(panel *p, const double *logp, size_t width, size_t height, const double *box,
                      bool logs)
{
    size_t n = width * (height ? height : 1);
    double low = INFINITY, high = -INFINITY, *values = block_new(n + width, sizeof *values);
    for (size_t i = 0; i < n; i++) {
        values[i] = logs ? logp[i] : exp(logp[i]);
        low = isnan(logp[i]) ? low : fmin(low, logp[i]);
        high = isnan(logp[i]) ? high : fmax(high, logp[i]);
    }
    low = logs ? fmax(low, high - 12) : 0;
    high = logs ? high : exp(high);
    p->x.low = box[0];
    p->x.high = box[1];
    if (height) {
        p->y.low = box[2];
        p->y.high = box[3];
        p->map = values;
        p->map_width = width;
        p->map_height = height;
        p->map_low = low;
        p->map_high = high > low && isfinite(high) ? high : low + 1;
        p->map_label = logs ? "log p, nats" : "p, per unit area";
        p->map_logs = logs;
        return values;
    }
    for (size_t i = 0; i < width; i++) /* the middles of the cells */
        values[n + i] = box[0] + (box[1] - box[0]) * ((double)i + 0.5) / (double)width;
    p->y = (axis){.label = logs ? "log p, nats" : "p, per unit",
                  .low = low,
                  .high = logs ? high + 0.5 : 1.05 * high};
    panel_line(p, NULL, 0, values + n, values, width);
    return values;
}
