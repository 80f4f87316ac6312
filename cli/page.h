/* page.h - growing texts, and an HTML page that stands alone: it needs no network, follows the
 * reader's choice of dark or light, and fits a phone. */
#pragma once

#include "output.h"

typedef struct page {
    char *text; /* block_free releases it */
    size_t used, capacity;
} page;

void page_bytes(page *p, const char *bytes, size_t count);
/* Text as it is, HTML above all. */
void page_add(page *p, const char *format, ...) PRINTF_LIKE(2, 3);
/* Text, with <, >, & and " made harmless, and what is not UTF-8 replaced. */
void page_text(page *p, const char *text);
/* Such a text in the place of the only %s of HTML. */
void page_words(page *p, const char *format, const char *text);

/* `more` goes into the head: "" or another element. */
page page_open(const char *title, const char *more);
/* Writes the page to `path` and releases it. */
void page_close(page *p, const char *path);
void heading(page *p, const char *text);
/* A path without its folders: pages may be shown to others. */
const char *name_of(const char *path);
