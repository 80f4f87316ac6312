/* words.c - see words.h. */
#include "train/words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

void words_add(words *w, const char *format, ...)
{
    va_list arguments;
    size_t used = w->text ? strlen(w->text) : 0;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *longer = memory_resize(w->text, used + (size_t)length + 2, 1);
    if (!longer) {
        w->lacking = true;
        return;
    }
    w->text = longer;
    va_start(arguments, format);
    vsnprintf(longer + used, (size_t)length + 1, format, arguments);
    va_end(arguments);
    strcpy(longer + used + length, "\n");
}
