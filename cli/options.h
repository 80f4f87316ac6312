/* options.h - from words on the command line to settings, and from the same tables to help. */
#pragma once

#include <stdio.h>

#include "command.h"

/* The option at *index of table *table, moved on, or NULL behind the last. */
const option *option_next(const command *c, size_t *table, size_t *index);
/* For each option `o` of command `c`, in the order of the help. */
#define FOR_OPTIONS(c, o)                                                                          \
    for (size_t table_ = 0, index_ = 0, once_ = 1; once_; once_ = 0)                               \
        for (const option *o; (o = option_next(c, &table_, &index_)) != NULL;)

/* Fills `settings` [SETTINGS_BYTES] with the defaults of a command. */
void options_defaults(const command *c, void *settings);
/* Reads words[0..count-1], what follows the command's name; ends the program with 2 when one is
 * wrong. True when --help was among them (nothing else is checked then). */
bool options_parse(const command *c, int count, char **words, void *settings);

/* Ends the program with 2 where a file that the command writes is also one that it reads, or two
 * that it writes are one (clash.c). */
void refuse_clashes(const command *c, const void *settings);
/* The same for a file whose name the command makes from its -o. */
void refuse_output_clash(const command *c, const void *settings, const char *path);

/* Help for people. */
void options_print_help(const command *c, FILE *out);

/* "-o, --output FILE"; and its help with the choices and the default, from the live settings. */
void options_names(const option *o, char *text, size_t size);
void options_text(const option *o, const void *settings, char *text, size_t size);

/* "0.5", "0,10,20" or "0:90:10" (both ends belong to it) -> levels; ends the program with 2 when
 * the text is none of these. `what` names it. Returns their number, at most `most`. */
size_t options_levels(const char *what, const char *text, double *levels, size_t most);
/* count numbers separated by commas; ends the program with 2 otherwise. */
void options_numbers(const char *what, const char *text, double *numbers, size_t count);
/* A whole text as a finite number. */
bool options_number(const char *text, double *number);
/* "a, b, c" of names that end with NULL, and their number; 0 where `wanted` is one of them. */
size_t options_list(const char *const *names, const char *wanted, char *list, size_t size);
/* The name most like `text` in names[count], or NULL when none is near. */
const char *options_nearest(const char *text, const char *const *names, size_t count);

/* Manual pages and completion (manual.c) of the commands `all`, ended by NULL; c == NULL: the page
 * of the program. */
void manual_print_page(const command *const *all, const command *c, FILE *out);
/* What may stand in place of the last of words[count], which follow the program's name: a line
 * each, the word and where there is one a tab and what it is. */
void manual_print_candidates(const command *const *all, char *const *words, int count, FILE *out);
/* The script that asks for these; shell: "bash", "zsh" or "fish". */
void manual_print_completion(const char *shell, FILE *out);
