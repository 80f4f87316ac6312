/* decimal_comma.h - a locale whose decimal point is a comma, as a program with words in German has
 * one. For tests only. */
#pragma once

#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* Made by localedef(1) under TMPDIR where none is installed. */
static inline bool decimal_comma_made(void)
{
    static const char SCRIPT[] =
        "cd \"${TMPDIR:-/tmp}\" && mkdir -p nicest-comma && cd nicest-comma && "
        "printf 'LC_NUMERIC\\ndecimal_point \"<U002C>\"\\nthousands_sep \"\"\\ngrouping -1\\n"
        "END LC_NUMERIC\\n' >source && { [ -d comma ] || "
        "localedef -c -i source -f ANSI_X3.4-1968 ./comma >log 2>&1; [ -d comma ]; }";
    const char *folder = getenv("TMPDIR");
    char path[512];
    snprintf(path, sizeof path, "%s/nicest-comma", folder ? folder : "/tmp");
    return !system(SCRIPT) && !setenv("LOCPATH", path, 1) && setlocale(LC_NUMERIC, "comma");
}

/* False, with a word, where this machine has no such locale. Back: setlocale(LC_ALL, "C"). */
static inline bool decimal_comma(void)
{
    static const char *const NAMES[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (setlocale(LC_NUMERIC, NAMES[i]))
            return true;
    if (decimal_comma_made())
        return true;
    printf("no locale with a decimal comma is installed\n");
    return false;
}
