/* status.c - the error text of a thread and the names of statuses.
 *
 * Owns the one thread-local text that nicest_error() reads. Does not decide what is an error and
 * never prints. A text is always one line: control characters, which hostile file names and cells
 * may bring in, become '?'. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_SIZE = 1024 };

static _Thread_local char error_text[TEXT_SIZE];

nicest_status fail(nicest_status status, const char *format, ...)
{
    char text[TEXT_SIZE]; /* an argument may be the old text itself */
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (char *c = text; *c != '\0'; c++)
        *c = (unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c;
    memcpy(error_text, text, sizeof text);
    return status;
}

nicest_status fail_in(nicest_status status, const char *format, ...)
{
    char place[TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(place, sizeof place, format, arguments);
    va_end(arguments);
    return fail(status, "%s: %s", place, error_text);
}

nicest_status fail_memory(void)
{
    return fail(NICEST_E_MEMORY, "out of memory");
}

nicest_status check_memory(bool there)
{
    return there ? NICEST_OK : fail_memory();
}

nicest_status require(bool condition, const char *sentence)
{
    return condition ? NICEST_OK : fail(NICEST_E_ARGUMENT, "%s", sentence);
}

const char *nicest_error(void)
{
    return error_text;
}

const char *nicest_status_name(nicest_status status)
{
    static const char *const NAMES[NICEST_STATUS_COUNT] = {
        "ok",          "out of memory", "bad argument", "input or output failed",
        "bad format",  "bad data",      "mismatch",     "diverged",
        "interrupted", "unsupported"};
    bool known = status >= NICEST_OK && status < NICEST_STATUS_COUNT;
    return known ? NAMES[status] : "unknown status";
}
