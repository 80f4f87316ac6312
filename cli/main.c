/* main.c - finds the command, reads its options, runs it. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "options.h"

_Noreturn static void refuse_command(const char *name)
{
    const char *names[32];
    size_t count = 0;
    for (const command *const *c = COMMANDS; *c; c++)
        names[count++] = (*c)->name;
    const char *nearest = options_nearest(name, names, count);
    if (nearest)
        refuse(STATUS_USAGE, "unknown command '%s'; did you mean %s?", name, nearest);
    refuse(STATUS_USAGE, "unknown command '%s'; `nicest help` lists them", name);
}

/* What is still in the buffer of standard output must arrive too. */
static int end_program(int status)
{
    if (fflush(stdout) || ferror(stdout))
        refuse_stdout();
    return interrupted() ? STATUS_INTERRUPTED : status;
}

static int run_command(const command *c, int count, char **words)
{
    max_align_t settings[SETTINGS_BYTES / sizeof(max_align_t)];
    options_defaults(c, settings);
    if (options_parse(c, count, words, settings)) {
        options_print_help(c, stdout);
        return STATUS_DONE;
    }
    const shared_settings *shared = (const shared_settings *)settings;
    if (!strcmp(shared->precision, "bf16") && c != &TRAIN_COMMAND)
        refuse(STATUS_USAGE, "%s: --precision bf16 is for train alone", c->name);
    refuse_clashes(c, settings);
    return c->run(settings);
}

int main(int argc, char **argv)
{
    handle_signals();
    const char *name = argc > 1 ? argv[1] : "";
    if (!strcmp(name, "--version"))
        name = "version";
    if (!strcmp(name, "--help") || !strcmp(name, "-h")) {
        print_overview(stdout);
        return end_program(STATUS_DONE);
    }
    if (argc < 2) {
        print_overview(stderr);
        return STATUS_USAGE;
    }
    if (!strcmp(name, "__complete")) { /* asked by the scripts of `help --completion` */
        manual_print_candidates(COMMANDS, argv + 2, argc - 2, stdout);
        return end_program(STATUS_DONE);
    }
    const command *c = command_find(name);
    if (!c && *name == '-')
        refuse(STATUS_USAGE,
               "option %s stands before the command; `nicest --help` lists the commands", name);
    if (!c)
        refuse_command(name);
    return end_program(run_command(c, argc - 2, argv + 2));
}
