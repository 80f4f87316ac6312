/* report.c - see report.h. */
#include "report.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "output.h"

static const char HEAD[] =
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";

/* Blue and vermilion of Okabe and Ito; on dark paper their light sisters. */
static const char STYLE[] =
    "<style>\n"
    ":root { color-scheme: light dark; --paper: #fff; --ink: #222; --faint: #ddd; --soft: "
    "#f5f5f3;\n"
    "  --s0: #0072b2; --s1: #d55e00; --s2: #009e73; --s3: #aa4f86; --good: #00735a; --bad: "
    "#b03a00; }\n"
    "@media (prefers-color-scheme: dark) { :root { --paper: #16181b; --ink: #e4e4e0;\n"
    "  --faint: #3a3d42; --soft: #202327; --s0: #56b4e9; --s1: #e69f00; --s2: #4cc9a4;\n"
    "  --s3: #dd9fc2; --good: #4cc9a4; --bad: #ff8c5a; } }\n"
    "body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);\n"
    "  max-width: 62rem; margin: 0 auto; padding: 1rem; }\n"
    "h1 { font-size: 1.6rem; margin: 0.5rem 0; overflow-wrap: anywhere; }\n"
    "h2 { font-size: 1.2rem; margin: 2.2rem 0 0.5rem; border-bottom: 1px solid var(--faint); }\n"
    ".cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: "
    "0.6rem; }\n"
    ".card { background: var(--soft); border-radius: 6px; padding: 0.5rem 0.8rem; }\n"
    ".card b { display: block; font-size: 1.2rem; font-variant-numeric: tabular-nums; }\n"
    ".side { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), "
    "1fr)); gap: 1rem; }\n"
    "figure { margin: 0.8rem 0; } figcaption { font-size: 0.9rem; opacity: 0.85; }\n"
    "svg, img { width: 100%; height: auto; display: block; }\n"
    "img { image-rendering: pixelated; border-radius: 4px; }\n"
    "svg text { fill: var(--ink); font: 13px system-ui, sans-serif; }\n"
    ".axis { stroke: var(--ink); fill: none; } .grid { stroke: var(--faint); fill: none; }\n"
    ".c0, .c1, .c2, .c3 { fill: none; stroke-width: 2; stroke-linejoin: round; }\n"
    ".c2 { stroke: var(--s2); } .c3 { stroke: var(--s3); } .l2 { fill: var(--s2); } .l3 { fill: "
    "var(--s3); }\n"
    ".l0 { fill: var(--s0); } .l1 { fill: var(--s1); } .dash { stroke-dasharray: 6 5; }\n"
    ".band { fill: var(--s0); fill-opacity: 0.22; }\n"
    ".c0, .p0 { stroke: var(--s0); } .c1, .p1 { stroke: var(--s1); }\n"
    ".p0, .p1 { stroke-width: 2.6; stroke-linecap: round; stroke-opacity: 0.45; fill: none; }\n"
    ".b0 { fill: var(--s0); fill-opacity: 0.5; } .b1 { fill: var(--s1); fill-opacity: 0.5; }\n"
    ".scroll { overflow-x: auto; }\n"
    "table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.9rem; }\n"
    "th, td { padding: 0.25rem 0.7rem; text-align: right; border-bottom: 1px solid var(--faint); "
    "}\n"
    "td:not(:first-child) { white-space: nowrap; }\n"
    "th:first-child, td:first-child { text-align: left; }\n"
    "pre { background: var(--soft); border-radius: 6px; padding: 0.7rem; overflow-x: auto;\n"
    "  font-size: 0.85rem; }\n"
    ".good { color: var(--good); } .bad { color: var(--bad); font-weight: bold; }\n"
    "</style>\n"
    "</head>\n"
    "<body>\n";

/* ------------------------------------------------------------------ the page */

static void make_room(page *p, size_t more)
{
    if (p->used + more + 1 <= p->capacity)
        return;
    p->capacity = 2 * (p->used + more + 1);
    p->text = block_grow(p->text, p->capacity, 1);
}

static void add_bytes(page *p, const char *bytes, size_t count)
{
    make_room(p, count);
    memcpy(p->text + p->used, bytes, count);
    p->used += count;
    p->text[p->used] = 0;
}

void page_add(page *p, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length > 0) {
        make_room(p, (size_t)length);
        vsnprintf(p->text + p->used, (size_t)length + 1, format, again);
        p->used += (size_t)length;
    }
    va_end(again);
}

void page_text(page *p, const char *text)
{
    for (; *text; text++) {
        const char *safe = *text == '<'   ? "&lt;"
                           : *text == '>' ? "&gt;"
                           : *text == '&' ? "&amp;"
                           : *text == '"' ? "&quot;"
                                          : NULL;
        if (safe)
            add_bytes(p, safe, strlen(safe));
        else
            add_bytes(p, text, 1);
    }
}

page page_open(const char *title)
{
    page p = {0};
    page_add(&p, "%s<title>", HEAD);
    page_text(&p, title);
    page_add(&p, "</title>\n%s", STYLE);
    return p;
}

void page_close(page *p, const char *path)
{
    page_add(p, "</body>\n</html>\n");
    save_text(p->text, path);
    block_free(p->text);
    *p = (page){0};
}

/* ------------------------------------------------------------------ pictures */

static void add_base64(page *p, const unsigned char *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        unsigned rest = (unsigned)(size - i), b = rest > 1 ? bytes[i + 1] : 0u,
                 c = rest > 2 ? bytes[i + 2] : 0u;
        unsigned word = (unsigned)bytes[i] << 16 | b << 8 | c;
        char four[4] = {digits[word >> 18], digits[word >> 12 & 63],
                        rest > 1 ? digits[word >> 6 & 63] : '=',
                        rest > 2 ? digits[word & 63] : '='};
        add_bytes(p, four, 4);
    }
}

void page_picture(page *p, const nicest_image *image, const char *caption)
{
    unsigned char *bytes;
    size_t size;
    need(nicest_image_encode(image, &bytes, &size));
    page_add(p, "<figure><img width=\"%u\" height=\"%u\" alt=\"", image->width, image->height);
    page_text(p, caption);
    page_add(p, "\" src=\"data:image/png;base64,");
    add_base64(p, bytes, size);
    page_add(p, "\"><figcaption>");
    page_text(p, caption);
    page_add(p, "</figcaption></figure>\n");
    nicest_free(bytes);
}

/* ------------------------------------------------------------------ charts */

axes chart_axes(double width, double height)
{
    return (axes){.left = 62,
                  .top = 26,
                  .width = width - 62 - 14,
                  .height = height - 26 - 46,
                  .x_high = 1,
                  .y_high = 1};
}

static double place_x(const axes *a, double x)
{
    return a->left + (x - a->x_low) / (a->x_high - a->x_low) * a->width;
}

static double place_y(const axes *a, double y)
{
    return a->top + a->height - (y - a->y_low) / (a->y_high - a->y_low) * a->height;
}

/* What follows is cut off at the edge of the area, but for the width of a line. */
static void clip_open(page *p, const axes *a)
{
    double left = a->left - 2, top = a->top - 2, width = a->width + 4, height = a->height + 4;
    page_add(p,
             "<svg x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" viewBox=\"%.1f %.1f %.1f "
             "%.1f\">",
             left, top, width, height, left, top, width, height);
}

static void clip_close(page *p)
{
    page_add(p, "</svg>\n");
}

static bool inside(const axes *a, double x, double y)
{
    return x >= a->x_low && x <= a->x_high && y >= a->y_low && y <= a->y_high;
}

void chart_open(page *p, double width, double height)
{
    page_add(p, "<figure><svg style=\"max-width: %gpx\" viewBox=\"0 0 %g %g\" role=\"img\">\n",
             1.25 * width, width, height);
}

void chart_close(page *p, const char *caption)
{
    page_add(p, "</svg><figcaption>");
    page_text(p, caption);
    page_add(p, "</figcaption></figure>\n");
}

static void chart_ticks(page *p, const axes *a)
{
    enum { MOST = 8 };
    double ticks[MOST], bottom = a->top + a->height;
    char text[32];
    for (size_t i = 0, n = axes_ticks(a->x_low, a->x_high, ticks, 6); i < n; i++) {
        axes_tick_text(ticks[i], a->x_low, a->x_high, text, sizeof text);
        page_add(p,
                 "<path class=\"axis\" d=\"M%.1f %.1fv5\"/><text x=\"%.1f\" y=\"%.1f\" "
                 "text-anchor=\"middle\">%s</text>\n",
                 place_x(a, ticks[i]), bottom, place_x(a, ticks[i]), bottom + 18, text);
    }
    for (size_t i = 0, n = axes_ticks(a->y_low, a->y_high, ticks, 6); i < n; i++) {
        axes_tick_text(ticks[i], a->y_low, a->y_high, text, sizeof text);
        page_add(p,
                 "<path class=\"grid\" d=\"M%.1f %.1fh%.1f\"/><text x=\"%.1f\" y=\"%.1f\" "
                 "text-anchor=\"end\">%s</text>\n",
                 a->left, place_y(a, ticks[i]), a->width, a->left - 6, place_y(a, ticks[i]) + 4,
                 text);
    }
}

void chart_axes_draw(page *p, const axes *a)
{
    chart_ticks(p, a);
    page_add(p, "<path class=\"axis\" d=\"M%.1f %.1fv%.1fh%.1f\"/>\n", a->left, a->top, a->height,
             a->width);
    if (a->x_label) {
        page_add(p, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", a->left + a->width / 2,
                 a->top + a->height + 38);
        page_text(p, a->x_label);
        page_add(p, "</text>\n");
    }
    if (a->y_label) {
        page_add(p, "<text x=\"8\" y=\"%.1f\">", a->top - 10);
        page_text(p, a->y_label);
        page_add(p, "</text>\n");
    }
}

/* A place, not so far outside that a browser would lose count. */
static double bounded(double place)
{
    return fmax(fmin(place, 1e5), -1e5);
}

/* A gap where a value is missing. */
void chart_curve(page *p, const axes *a, const double *x, const double *y, size_t n, int ink)
{
    bool down = false;
    clip_open(p, a);
    page_add(p, "<path class=\"c%d\" d=\"", ink);
    for (size_t i = 0; i < n; i++) {
        bool seen = !isnan(x[i]) && !isnan(y[i]);
        if (seen)
            page_add(p, "%s%.1f %.1f", down ? "L" : "M", bounded(place_x(a, x[i])),
                     bounded(place_y(a, y[i])));
        down = seen;
    }
    page_add(p, "\"/>");
    clip_close(p);
}

void chart_band(page *p, const axes *a, const double *x, const double *low, const double *high,
                size_t n)
{
    clip_open(p, a);
    page_add(p, "<path class=\"band\" d=\"");
    for (size_t i = 0; i < 2 * n; i++) {
        size_t k = i < n ? i : 2 * n - 1 - i;
        page_add(p, "%s%.1f %.1f", i ? "L" : "M", bounded(place_x(a, x[k])),
                 bounded(place_y(a, i < n ? low[k] : high[k])));
    }
    page_add(p, "z\"/>");
    clip_close(p);
}

void chart_level(page *p, const axes *a, double y, int ink)
{
    if (y >= a->y_low && y <= a->y_high)
        page_add(p, "<path class=\"c%d dash\" d=\"M%.1f %.1fh%.1f\"/>\n", ink, a->left,
                 place_y(a, y), a->width);
}

/* Up and down over n equal steps, from the left end of the axis to the right one. */
static void step_path(page *p, const axes *a, const double *heights, size_t n, char kind, int ink)
{
    double width = a->width / (double)n, bottom = a->top + a->height;
    page_add(p, "<path class=\"%c%d\" d=\"M%.1f %.1f", kind, ink, a->left, bottom);
    for (size_t i = 0; i < n; i++)
        page_add(p, "V%.1fh%.2f", fmax(place_y(a, heights[i]), a->top), width);
    page_add(p, "V%.1f", bottom);
}

void chart_steps(page *p, const axes *a, const double *heights, size_t n, int ink)
{
    step_path(p, a, heights, n, 'c', ink);
    page_add(p, "\"/>\n");
}

void chart_bars(page *p, const axes *a, const double *heights, size_t n, int ink)
{
    step_path(p, a, heights, n, 'b', ink);
    page_add(p, "z\"/>\n");
}

void chart_points(page *p, const axes *a, const double *x, const double *y, size_t n, size_t stride,
                  int ink)
{
    page_add(p, "<path class=\"p%d\" d=\"", ink);
    for (size_t i = 0; i < n; i++)
        if (inside(a, x[i * stride], y[i * stride]))
            page_add(p, "M%.1f %.1fh0", place_x(a, x[i * stride]), place_y(a, y[i * stride]));
    page_add(p, "\"/>\n");
}

void chart_legend(page *p, const axes *a, const char *const *names, size_t n)
{
    double x = a->left + a->width;
    for (size_t i = n; i-- > 0;) {
        x -= 7.2 * (double)strlen(names[i]); /* about as wide as its letters */
        page_add(p, "<path class=\"l%zu\" d=\"M%.1f %.1fh14v8h-14z\"/><text x=\"%.1f\" y=\"%.1f\">",
                 i, x - 19, a->top - 18, x, a->top - 9);
        page_text(p, names[i]);
        page_add(p, "</text>\n");
        x -= 28;
    }
}
