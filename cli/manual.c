/* manual.c - man pages (roff) and shell completion from the same tables as the help. */
#include <string.h>

#include "options.h"

/* ------------------------------------------------------------------ man pages */

/* Text in which roff sees no requests and no escapes. */
static void print_roff(FILE *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", out);
    for (; *text; text++) {
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else if (*text == '\n' && text[1] == '\n') {
            fputs("\n.PP\n", out);
            text++;
        } else
            fputc(*text, out);
    }
}

static void print_roff_option(FILE *out, const option *o, const void *settings)
{
    char names[96], standard[64];
    fputs(".TP\n.B ", out);
    if (o->type == OPTION_ARGUMENT)
        snprintf(names, sizeof names, "%s", o->name);
    else
        options_names(o, "", names, sizeof names);
    print_roff(out, names);
    fputc('\n', out);
    print_roff(out, o->help);
    if (o->type == OPTION_CHOICE) {
        fputs(": ", out);
        print_roff(out, o->choices);
    }
    options_default_text(o, settings, standard, sizeof standard);
    if (*standard) {
        fputs(" [", out);
        if (!o->unset)
            fputs("default ", out);
        print_roff(out, standard);
        fputc(']', out);
    }
    fputc('\n', out);
}

static void print_example_lines(FILE *out, const char *text)
{
    fputs(".SH EXAMPLES\n.nf\n", out);
    while (*text) {
        size_t length = strcspn(text, "\n");
        char line[256];
        snprintf(line, sizeof line, "%.*s", (int)length, text);
        print_roff(out, line);
        fputc('\n', out);
        text += length + (text[length] == '\n');
    }
    fputs(".fi\n", out);
}

static void print_status_section(FILE *out)
{
    fputs(".SH EXIT STATUS\n0 done; 1 the work failed; 2 the command line was wrong; 130 "
          "interrupted. A reader that closes the pipe early ends the program quietly with 1.\n",
          out);
}

static void print_command_page(const command *c, FILE *out)
{
    max_align_t settings[SETTINGS_BYTES / sizeof(max_align_t)];
    options_defaults(c, settings);
    fprintf(out, ".TH NICEST-%s 1 \"\" \"nicest %s\" \"nicest\"\n.SH NAME\nnicest\\-%s \\- ",
            c->name, nicest_version(), c->name);
    print_roff(out, c->summary);
    fprintf(out, "\n.SH SYNOPSIS\n.B nicest %s\n", c->name);
    print_roff(out, c->synopsis);
    fputs("\n.SH DESCRIPTION\n", out);
    print_roff(out, c->description);
    fputc('\n', out);
    const char *heading = "";
    for (size_t table = 0; c->tables[table]; table++)
        for (const option *o = c->tables[table]; o->name; o++) {
            const char *group = o->type == OPTION_ARGUMENT ? "ARGUMENTS" : o->group;
            if (group && strcmp(group, heading))
                fprintf(out, ".SH \"%s\"\n", heading = group);
            print_roff_option(out, o, settings);
        }
    print_status_section(out);
    if (c->examples)
        print_example_lines(out, c->examples);
    fputs(".SH SEE ALSO\n.BR nicest (1)\n", out);
}

/* `help` and `version` have no page of their own (cmake/ManPages.cmake). */
static void print_command_names(FILE *out)
{
    for (const command *const *c = COMMANDS; *c; c++) {
        bool page = strcmp((*c)->name, "help") && strcmp((*c)->name, "version");
        fprintf(out, page ? ".TP\n.BR nicest\\-%s (1)\n" : ".TP\n.B nicest %s\n", (*c)->name);
        print_roff(out, (*c)->summary);
        fputc('\n', out);
    }
}

static void print_program_page(FILE *out)
{
    fprintf(out,
            ".TH NICEST 1 \"\" \"nicest %s\" \"nicest\"\n.SH NAME\nnicest \\- exact densities of "
            "numeric data with normalizing flows\n.SH SYNOPSIS\n.B nicest\nCOMMAND ...\n"
            ".SH COMMANDS\n",
            nicest_version());
    print_command_names(out);
    fputs(".SH DATA\nOne argument: toy:NAME[,n=10000][,seed=1], FILE.csv or FILE.tsv (also .gz), "
          "FILE.npy, FILE.npz[:ARRAY], *\\-idx?\\-ubyte[.gz], a folder of PNGs, or \\- (CSV on "
          "standard input). A slice [0:1000] may follow.\n",
          out);
    print_status_section(out);
}

void manual_print_page(const command *c, FILE *out)
{
    if (c)
        print_command_page(c, out);
    else
        print_program_page(out);
}

/* ------------------------------------------------------------------ completion */

static void print_words(FILE *out, const char *choices)
{
    for (; *choices; choices++)
        fputc(*choices == '|' ? ' ' : *choices, out);
}

static void bash_command(FILE *out, const command *c)
{
    fprintf(out, "    %s) words='", c->name);
    for (size_t t = 0; c->tables[t]; t++)
        for (const option *o = c->tables[t]; o->name; o++)
            if (o->type != OPTION_ARGUMENT)
                fprintf(out, "--%s ", o->name);
    fputs("--help'\n        case \"$previous\" in\n", out);
    for (size_t t = 0; c->tables[t]; t++)
        for (const option *o = c->tables[t]; o->name; o++) {
            if (o->type != OPTION_CHOICE)
                continue;
            fprintf(out, "        --%s) words='", o->name);
            print_words(out, o->choices);
            fputs("'; any=1 ;;\n", out);
        }
    fputs("        esac ;;\n", out);
}

static void command_names(FILE *out)
{
    for (const command *const *c = COMMANDS; *c; c++)
        fprintf(out, "%s%s", c == COMMANDS ? "" : " ", (*c)->name);
}

static void print_bash(FILE *out)
{
    fputs("_nicest() {\n"
          "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    local words= any=\n    COMPREPLY=()\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n        COMPREPLY=($(compgen -W '",
          out);
    command_names(out);
    fputs(" --help --version' -- \"$current\"))\n        return\n    fi\n"
          "    case \"${COMP_WORDS[1]}\" in\n",
          out);
    for (const command *const *c = COMMANDS; *c; c++)
        if (strcmp((*c)->name, "help"))
            bash_command(out, *c);
    fputs("    help) any=1; words='", out);
    command_names(out);
    fputs("' ;;\n    esac\n    if [ -n \"$any\" ] || [ \"${current#-}\" != \"$current\" ]; then\n"
          "        COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n    fi\n}\n"
          "complete -o default -F _nicest nicest\n",
          out);
}

/* In single quotes of zsh and fish; `special` are characters that want a backslash. */
static void print_quoted(FILE *out, const char *text, const char *special)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", out);
        else if (strchr(special, *text))
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
    }
}

static void zsh_option(FILE *out, const option *o)
{
    if (o->type == OPTION_ARGUMENT) {
        fprintf(out, " \\\n            ':%s:_files'", o->name);
        return;
    }
    fprintf(out, " \\\n            '--%s%s[", o->name, o->type == OPTION_FLAG ? "" : "=");
    print_quoted(out, o->help, "[]:");
    fputc(']', out);
    if (o->type == OPTION_CHOICE) {
        fputs(":value:(", out);
        print_words(out, o->choices);
        fputc(')', out);
    } else if (o->type != OPTION_FLAG) {
        fputs(o->type == OPTION_TEXT ? ":value:_files" : ":value:", out);
    }
    fputc('\'', out);
}

static void print_zsh(FILE *out)
{
    fputs("#compdef nicest\n_nicest() {\n    if (( CURRENT == 2 )); then\n        local -a names\n"
          "        names=(",
          out);
    for (const command *const *c = COMMANDS; *c; c++) {
        fprintf(out, "\n            '%s:", (*c)->name);
        print_quoted(out, (*c)->summary, ":");
        fputc('\'', out);
    }
    fputs(")\n        _describe command names\n        return\n    fi\n"
          "    local verb=$words[2]\n    shift words\n    (( CURRENT-- ))\n    case $verb in\n",
          out);
    for (const command *const *c = COMMANDS; *c; c++) {
        fprintf(out, "    %s)\n        _arguments", (*c)->name);
        for (size_t t = 0; (*c)->tables[t]; t++)
            for (const option *o = (*c)->tables[t]; o->name; o++)
                zsh_option(out, o);
        fputs(" ;;\n", out);
    }
    fputs("    esac\n}\n_nicest \"$@\"\n", out);
}

static void fish_option(FILE *out, const command *c, const option *o)
{
    fprintf(out, "complete -c nicest -n '__fish_seen_subcommand_from %s' -l %s", c->name, o->name);
    if (o->letter)
        fprintf(out, " -s %c", o->letter);
    if (o->type == OPTION_CHOICE) {
        fputs(" -x -a '", out);
        print_words(out, o->choices);
        fputc('\'', out);
    } else if (o->type != OPTION_FLAG) {
        fputs(o->type == OPTION_TEXT ? " -r" : " -x", out);
    }
    fputs(" -d '", out);
    for (const char *text = o->help; *text; text++)
        fprintf(out, "%s%c", *text == '\'' || *text == '\\' ? "\\" : "", *text);
    fputs("'\n", out);
}

static void print_fish(FILE *out)
{
    for (const command *const *c = COMMANDS; *c; c++) {
        fprintf(out, "complete -c nicest -n __fish_use_subcommand -x -a %s -d '", (*c)->name);
        print_quoted(out, (*c)->summary, "");
        fputs("'\n", out);
        for (size_t t = 0; (*c)->tables[t]; t++)
            for (const option *o = (*c)->tables[t]; o->name; o++)
                if (o->type != OPTION_ARGUMENT)
                    fish_option(out, *c, o);
    }
}

void manual_print_completion(const char *shell, FILE *out)
{
    if (!strcmp(shell, "bash"))
        print_bash(out);
    else if (!strcmp(shell, "zsh"))
        print_zsh(out);
    else
        print_fish(out);
}
