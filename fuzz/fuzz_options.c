/* fuzz_options.c - lines of text as the words of a command line, and as the lists of numbers that
 * options hold. A word that is wrong ends the program with status 2 and one line; here it comes
 * back to the target instead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/options.c"
#include "fuzz.h"

enum { MOST_WORDS = 64 };

static jmp_buf back;
static char said[4096];

/* In place of main.c's. */
void refuse(int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(said, sizeof said, format, arguments);
    va_end(arguments);
    NEED(status == STATUS_USAGE && said[0]);
    longjmp(back, 1);
}

static const option TABLE[] = {
    {.name = "MODEL", .type = OPTION_ARGUMENT, .offset = AT(where), .required = true},
    {.name = "epochs", .type = OPTION_COUNT, .argument = "N", .offset = AT(image)},
    {.name = "share",
     .letter = 's',
     .type = OPTION_REAL,
     .argument = "S",
     .low = 0,
     .high = 1,
     .above = true,
     .offset = sizeof(shared_settings)},
    {.name = "time",
     .type = OPTION_SECONDS,
     .argument = "T",
     .offset = sizeof(shared_settings) + 8},
    {.name = "every",
     .type = OPTION_EVERY,
     .argument = "E",
     .offset = sizeof(shared_settings) + 16},
    {.name = "many",
     .letter = 'm',
     .type = OPTION_REAL,
     .argument = "M",
     .low = 1,
     .high = (double)INFINITY,
     .offset = sizeof(shared_settings) + 64},
    {0},
};

static const command COMMAND = {
    .name = "try",
    .summary = "s",
    .synopsis = "MODEL",
    .description = "d",
    .tables = {TABLE, COMMON_OPTIONS, OUTPUT_OPTIONS, DATA_OPTIONS, NULL}};

const command *const COMMANDS[] = {&COMMAND, NULL};

static void parse(int count, char **words)
{
    static max_align_t settings[SETTINGS_BYTES / sizeof(max_align_t)];
    const shared_settings *shared = (const void *)settings;
    options_defaults(&COMMAND, settings);
    if (setjmp(back) || options_parse(&COMMAND, count, words, settings))
        return;
    double share = *(double *)(void *)((char *)settings + sizeof *shared);
    double seconds = *(double *)(void *)((char *)settings + sizeof *shared + 8);
    NEED(share >= 0 && share <= 1 && isfinite(seconds) && seconds >= 0);
    NEED(shared->threads >= 0 && shared->threads <= 4096);
    NEED(!strcmp(shared->precision, "f32") || !strcmp(shared->precision, "bf16"));
    NEED(shared->where); /* the argument is required */
}

static void numbers(const char *text)
{
    double levels[20], list[3];
    if (!setjmp(back)) {
        size_t count = options_levels("--with", text, levels, 20);
        NEED(count >= 1 && count <= 20);
    }
    if (!setjmp(back)) {
        options_numbers("--box", text, list, 3);
        NEED(isfinite(list[0]) && isfinite(list[1]) && isfinite(list[2]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    size_t live = memory_live();
    char *text = fuzz_text(bytes, size), *words[MOST_WORDS], *rest = text;
    int count = 0;
    while (rest && count < MOST_WORDS) {
        words[count++] = rest;
        rest = strchr(rest, '\n');
        if (rest)
            *rest++ = '\0';
    }
    parse(count, words);
    for (int i = 0; i < count && i < 4; i++)
        numbers(words[i]);
    memory_free(text);
    NEED(memory_live() == live);
    return 0;
}
