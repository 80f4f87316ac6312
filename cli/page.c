/* page.c - see page.h. */
#include "page.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void grow_page(page *p, size_t more)
{
    if (p->used + more + 1 <= p->capacity)
        return;
    p->capacity = 2 * (p->used + more + 1);
    p->text = block_grow(p->text, p->capacity, 1);
}

void page_bytes(page *p, const char *bytes, size_t count)
{
    grow_page(p, count);
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
        grow_page(p, (size_t)length);
        vsnprintf(p->text + p->used, (size_t)length + 1, format, again);
        p->used += (size_t)length;
    }
    va_end(again);
}

void page_text(page *p, const char *text)
{
    while (*text) {
        char letter[4];
        size_t length = next_letter(&text, letter);
        const char *safe = *letter == '<'   ? "&lt;"
                           : *letter == '>' ? "&gt;"
                           : *letter == '&' ? "&amp;"
                           : *letter == '"' ? "&quot;"
                                            : NULL;
        page_bytes(p, safe ? safe : letter, safe ? strlen(safe) : length);
    }
}

void page_words(page *p, const char *format, const char *text)
{
    const char *place = strstr(format, "%s");
    page_bytes(p, format, (size_t)(place - format));
    page_text(p, text);
    page_bytes(p, place + 2, strlen(place + 2));
}

/* Colours of charts (chart.c), on light and on dark paper. */
static const char PAGE_INKS[] =
    ":root { color-scheme: light dark; --paper: #fff; --ink: #222; --muted: #5c5c5c;\n"
    "  --faint: #dcdcdc; --s0: #0072b2; --s1: #d55e00; --s2: #009e73; --s3: #e69f00;\n"
    "  --s4: #56b4e9; --s5: #cc79a7; --s6: #8a8a8a; }\n"
    "@media (prefers-color-scheme: dark) { :root { --paper: #16181b; --ink: #e4e4e0;\n"
    "  --muted: #a8aaac; --faint: #3a3d42; --s0: #56b4e9; --s1: #e69f00; --s2: #4cc9a4;\n"
    "  --s3: #f0e442; --s4: #8fd0f5; --s5: #dd9fc2; --s6: #9a9a9a; } }\n"
    "svg { width: 100%; height: auto; display: block; }\n"
    "svg text { font-family: system-ui, \"DejaVu Sans\", sans-serif; }\n"
    ".narrow { display: none; }\n"
    "@media (max-width: 620px) { .wide { display: none; } .narrow { display: block; } }\n";

static const char HEAD[] =
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";

static const char STYLE[] =
    ":root { --soft: #f5f5f3; --good: #00735a; --bad: #b03a00; }\n"
    "@media (prefers-color-scheme: dark) { :root { --soft: #202327; --good: #4cc9a4; --bad: #ff8c5a; "
    "} }\n"
    "* { box-sizing: border-box; }\n"
    "body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);\n"
    "  max-width: 62rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }\n"
    "h1 { font-size: 1.6rem; margin: 0.5rem 0; }\n"
    "h2 { font-size: 1.2rem; margin: 2.2rem 0 0.5rem; border-bottom: 1px solid var(--faint); }\n"
    ".cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: "
    "0.6rem; }\n"
    ".card { background: var(--soft); border-radius: 6px; padding: 0.5rem 0.8rem; }\n"
    ".card b { display: block; font-size: 1.2rem; font-variant-numeric: tabular-nums; }\n"
    "figure { margin: 0.8rem 0; } figcaption { margin-top: 0.3rem; font-size: 0.9rem; color: var(--muted); }\n"
    "svg.pixels image { image-rendering: pixelated; }\n"
    ".scroll { overflow-x: auto; overflow-wrap: normal; }\n"
    "table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.9rem; }\n"
    "th, td { padding: 0.25rem 0.7rem; text-align: right; border-bottom: 1px solid var(--faint); "
    "}\n"
    "td:not(:first-child) { white-space: nowrap; }\n"
    "td.why, th.why { text-align: left; white-space: normal; }\n"
    "td.why span { display: block; color: var(--muted); }\n"
    "th:first-child, td:first-child { text-align: left; }\n"
    "td.name { overflow-wrap: anywhere; min-width: 5rem; }\n"
    "@media (max-width: 620px) { table { font-size: 0.8rem; } th, td { padding: 0.2rem 0.22rem; }\n"
    "  td:not(:first-child) { white-space: normal; } }\n"
    "pre { background: var(--soft); border-radius: 6px; padding: 0.7rem; white-space: pre-wrap;\n"
    "  font-size: 0.85rem; }\n"
    ".good { color: var(--good); } .bad { color: var(--bad); font-weight: bold; }\n";

page page_open(const char *title, const char *more)
{
    page p = {0};
    page_add(&p, "%s%s", HEAD, more);
    page_words(&p, "<title>%s</title>", title);
    page_add(&p, "\n<style>\n%s%s</style>\n</head>\n<body>\n", PAGE_INKS, STYLE);
    return p;
}

void page_close(page *p, const char *path)
{
    page_add(p, "</body>\n</html>\n");
    save_text(p->text, path);
    block_free(p->text);
    *p = (page){0};
}

void heading(page *p, const char *text)
{
    page_add(p, "<h2>%s</h2>\n", text);
}

const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}
