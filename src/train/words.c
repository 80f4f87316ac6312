/* words.c - see words.h. */
#include "train/words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void words_add(words *w, const char *format, ...)
{
    static const char more[] = "...\n";
    size_t room = w->size - w->used;
    va_list arguments;
    if (room <= sizeof more)
        return;
    va_start(arguments, format);
    int wanted = vsnprintf(w->text + w->used, room, format, arguments);
    va_end(arguments);
    if (wanted >= 0 && (size_t)wanted + sizeof more + 1 < room) {
        w->used += (size_t)wanted;
        memcpy(w->text + w->used, "\n", 2);
        w->used++;
    } else {
        memcpy(w->text + w->used, more, sizeof more);
        w->used = w->size;
    }
}
