/* words.h - the sentences that training says about its choices, gathered into one text. */
#pragma once

#include <stdbool.h>

#include "base/status.h"

typedef struct words {
    char *text;   /* lines ended by '\n'; released by memory_free; NULL before the first */
    bool lacking; /* memory ran out, and a line is not there */
} words;

void words_add(words *w, const char *format, ...) PRINTF_LIKE(2, 3);
