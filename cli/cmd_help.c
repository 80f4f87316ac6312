/* cmd_help.c - all commands, `nicest help` and `nicest version`; also prints the man pages and the
 * completion that the build installs. */
#include <stdio.h>
#include <string.h>

#include "options.h"
#include "output.h"

const command *const COMMANDS[] = {
    &TRAIN_COMMAND,   &SCORE_COMMAND,    &SAMPLE_COMMAND,  &INPAINT_COMMAND,
    &IMPUTE_COMMAND,  &OUTLIERS_COMMAND, &CORRUPT_COMMAND, &VERIFY_COMMAND,
    &DENSITY_COMMAND, &INFO_COMMAND,     &CONVERT_COMMAND, &REPORT_COMMAND,
    &BENCH_COMMAND,   &HELP_COMMAND,     &VERSION_COMMAND, NULL,
};

const command *command_find(const char *name)
{
    for (const command *const *c = COMMANDS; *c; c++)
        if (!strcmp((*c)->name, name))
            return *c;
    return NULL;
}

void print_overview(FILE *out)
{
    fprintf(out,
            "nicest %s - exact densities of tables and pictures\n\nUsage: nicest COMMAND ...\n\n",
            nicest_version());
    for (const command *const *c = COMMANDS; *c; c++)
        fprintf(out, "  %-9s %s\n", (*c)->name, (*c)->summary);
    fprintf(out, "\n`nicest COMMAND --help` tells more. A first try:\n"
                 "  nicest train toy:parabola -o parabola.safetensors\n"
                 "  nicest density parabola.safetensors -o parabola.png\n");
}

typedef struct help_settings {
    shared_settings shared;
    const char *command, *completion;
    bool man;
} help_settings;

#define AT(field) offsetof(help_settings, field)

static const char *const *help_names(void)
{
    static const char *names[32]; /* the last is NULL */
    for (size_t i = 0; i < 31 && COMMANDS[i]; i++)
        names[i] = COMMANDS[i]->name;
    return names;
}

/* clang-format off */
static const option HELP_OPTIONS[] = {
    {OPTION(ARGUMENT, "COMMAND", NULL, command), .values = help_names, .help = "the command to tell about"},
    {.group = "Other forms", OPTION(FLAG, "man", NULL, man), .help = "print the manual page (roff)"},
    {OPTION(CHOICE, "completion", "SHELL", completion), .choices = "bash|zsh|fish",
     .help = "print completion for a shell"},
    {0},
};
/* clang-format on */

static const command *named_command(const char *name)
{
    const command *c = name ? command_find(name) : NULL;
    size_t count = 0;
    if (c || !name)
        return c;
    while (help_names()[count])
        count++;
    const char *nearest = options_nearest(name, help_names(), count);
    refuse(STATUS_USAGE, "help: there is no command '%s'%s%s%s", name,
           nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

static int help_run(void *settings)
{
    const help_settings *s = settings;
    const command *c = named_command(s->command);
    json_t *names = json_array();
    for (const char *const *name = help_names(); *name; name++)
        json_array_append_new(names, json_string(*name));
    if (s->completion)
        manual_print_completion(s->completion, stdout);
    else if (s->man)
        manual_print_page(COMMANDS, c, stdout);
    else if (c)
        options_print_help(c, stdout);
    else
        print_overview(stdout);
    print_json(&s->shared, json_pack("{s:o}", "commands", names));
    return STATUS_DONE;
}

const command HELP_COMMAND = {
    .name = "help",
    .summary = "what the commands do, in words",
    .synopsis = "[COMMAND] [--man] [--completion SHELL]",
    .description =
        "Without COMMAND: the list of commands. `nicest COMMAND --help` says the same as "
        "`nicest help COMMAND`.",
    .examples = "  nicest help train\n  nicest help --man train | man -l -\n"
                "  source <(nicest help --completion bash)\n",
    .tables = {HELP_OPTIONS, COMMON_OPTIONS + COMMON_WORDS},
    .size = sizeof(help_settings),
    .run = help_run,
};

static int version_run(void *settings)
{
    const shared_settings *shared = settings;
    if (!shared->json)
        puts(nicest_build());
    print_json(shared, json_pack("{s:s, s:s, s:i}", "version", nicest_version(), "build",
                                 nicest_build(), "processors", nicest_processors()));
    return STATUS_DONE;
}

const command VERSION_COMMAND = {
    .name = "version",
    .summary = "which nicest this is and how it was built",
    .synopsis = "[--json]",
    .description = "Prints version, compiler, and the matrix products that this processor gets.",
    .tables = {COMMON_OPTIONS + COMMON_WORDS},
    .size = sizeof(shared_settings),
    .run = version_run,
};
