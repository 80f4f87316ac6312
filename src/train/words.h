/* words.h - the sentences that training says about its choices, gathered into one bounded text. */
#ifndef NICEST_TRAIN_WORDS_H
#define NICEST_TRAIN_WORDS_H

#include <stddef.h>

#include "base/status.h"

typedef struct words {
    char *text; /* lines ended by '\n'; what does not fit is left out, with "..." at the end */
    size_t size, used;
} words;

void words_add(words *w, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
