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
    FOR_OPTIONS(c, o)
    {
        const char *group = o->type == OPTION_ARGUMENT ? "ARGUMENTS" : o->group;
        if (group && strcmp(group, heading))
            fprintf(out, ".SH \"%s\"\n", heading = group);
        char text[512];
        fputs(".TP\n.B ", out);
        options_names(o, text, sizeof text);
        print_roff(out, text);
        fputc('\n', out);
        options_text(o, settings, text, sizeof text);
        print_roff(out, text);
        fputc('\n', out);
    }
    print_status_section(out);
    if (c->examples) {
        const char *text = c->examples;
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
    fputs(".SH SEE ALSO\n.BR nicest (1)\n", out);
}

static void print_program_page(const command *const *all, FILE *out)
{
    fprintf(out,
            ".TH NICEST 1 \"\" \"nicest %s\" \"nicest\"\n.SH NAME\nnicest \\- exact densities of "
            "numeric data with normalizing flows\n.SH SYNOPSIS\n.B nicest\nCOMMAND ...\n"
            ".SH COMMANDS\n",
            nicest_version());
    /* `help` and `version` have no page of their own (cmake/ManPages.cmake). */
    for (const command *const *c = all; *c; c++) {
        bool page = strcmp((*c)->name, "help") && strcmp((*c)->name, "version");
        fprintf(out, page ? ".TP\n.BR nicest\\-%s (1)\n" : ".TP\n.B nicest %s\n", (*c)->name);
        print_roff(out, (*c)->summary);
        fputc('\n', out);
    }
    fputs(".SH DATA\nOne argument: toy:NAME[,n=10000][,seed=1], FILE.csv or FILE.tsv (also .gz), "
          "FILE.npy, FILE.npz[:ARRAY], *\\-idx?\\-ubyte[.gz], a folder of PNGs, or \\- (CSV on "
          "standard input). A slice [0:1000] may follow.\n",
          out);
    print_status_section(out);
}

void manual_print_page(const command *const *all, const command *c, FILE *out)
{
    if (c)
        print_command_page(c, out);
    else
        print_program_page(all, out);
}

/* ------------------------------------------------------------------ completion */

static bool is_data(const option *o)
{
    return strstr(o->type == OPTION_ARGUMENT ? o->name : o->argument ? o->argument : "", "DATA");
}

/* The values that an option is known to take, divided by blanks: its choices, or names of the
 * library, "rotate=" where levels follow. False where there are none. */
static bool print_values(FILE *out, const option *o)
{
    for (const char *c = o->choices; c && *c; c++)
        fputc(*c == '|' ? ' ' : *c, out);
    for (const char *const *name = o->values ? o->values() : NULL; name && *name; name++)
        fprintf(out, "%s%s%s", name == o->values() ? "" : " ", *name,
                o->argument && strchr(o->argument, '=') ? "=" : "");
    return o->choices || o->values;
}

static void print_toys(FILE *out, const char *toy)
{
    for (const char *const *name = nicest_toy_names(); *name; name++)
        fprintf(out, "%s%s%s", name == nicest_toy_names() ? "" : " ", toy, *name);
}

static void bash_command(FILE *out, const command *c)
{
    fprintf(out, "    %s)\n        options='", c->name);
    FOR_OPTIONS(c, o)
    if (o->type != OPTION_ARGUMENT)
        fprintf(out, "--%s ", o->name);
    fputs("--help'\n        case $previous in\n", out);
    FOR_OPTIONS(c, o)
    {
        if (o->type == OPTION_ARGUMENT || !(o->choices || o->values || is_data(o)))
            continue;
        fprintf(out, "        --%s) values='", o->name);
        if (!print_values(out, o))
            print_toys(out, "toy:");
        fputs("' ;;\n", out);
    }
    fputs("        esac ;;\n", out);
}

/* A word is what stands between blanks: readline has cut it at = and :, and replaces the last piece
 * alone. Files are completed where nothing else is. */
static void print_bash(const command *const *all, FILE *out)
{
    fputs("_nicest() {\n"
          "    local line=${COMP_LINE:0:COMP_POINT} options= values= toys current previous cut\n"
          "    local -a words\n    toys='",
          out);
    print_toys(out, "toy:");
    fputs("'\n    read -ra words <<<\"$line\"\n"
          "    [[ $line == *[[:space:]] ]] && words+=('')\n"
          "    current=${words[${#words[@]} - 1]} previous=${words[${#words[@]} - 2]}\n"
          "    if [[ $current == --*=* ]]; then\n"
          "        previous=${current%%=*} current=${current#*=}\n    fi\n"
          "    case ${words[1]} in\n",
          out);
    for (const command *const *c = all; *c; c++)
        bash_command(out, *c);
    fputs("    esac\n    if [[ ${#words[@]} -eq 2 || $previous == help ]]; then\n        values='",
          out);
    for (const command *const *c = all; *c; c++)
        fprintf(out, "%s%s", c == all ? "" : " ", (*c)->name);
    fputs(" --help --version'\n"
          "    elif [[ -z $values && $current == -* ]]; then\n        values=$options\n"
          "    elif [[ -z $values && $current == t* ]]; then\n        values=$toys\n    fi\n"
          "    COMPREPLY=($(compgen -W \"$values\" -- \"$current\"))\n"
          "    cut=${current%\"${current##*[=:]}\"}\n"
          "    if [[ -n $cut && $COMP_WORDBREAKS == *\"${cut: -1}\"* ]]; then\n"
          "        COMPREPLY=(\"${COMPREPLY[@]#\"$cut\"}\")\n    fi\n"
          "    if [[ ${COMPREPLY[0]} == *[=:] ]]; then\n"
          "        compopt -o nospace 2>/dev/null\n    fi\n}\n"
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
    bool text = o->type == OPTION_TEXT || o->type == OPTION_ARGUMENT;
    if (o->type == OPTION_ARGUMENT) {
        fprintf(out, " \\\n            ':%s", o->name);
    } else {
        fprintf(out, " \\\n            '--%s%s[", o->name,
                o->type == OPTION_FLAG ? ""
                : o->bare              ? "=-"
                                       : "=");
        print_quoted(out, o->help, "[]:");
        fputs(o->type == OPTION_FLAG ? "]" : o->bare ? "]::value" : "]:value", out);
    }
    if (o->choices || o->values) {
        fputs(o->choices ? ": compadd - " : ": compadd -S \"\" - ", out);
        print_values(out, o);
    } else if (o->type != OPTION_FLAG) {
        fputs(is_data(o) ? ":_nicest_data" : text ? ":_files" : ":", out);
    }
    fputc('\'', out);
}

static void fish_option(FILE *out, const command *c, const option *o)
{
    fprintf(out, "complete -c nicest -n '__fish_seen_subcommand_from %s'", c->name);
    if (o->type == OPTION_ARGUMENT) {
        fputs(" -a '", out);
        if (!print_values(out, o))
            print_toys(out, "toy:");
        fputs("'\n", out);
        return;
    }
    fprintf(out, " -l %s", o->name);
    if (o->letter)
        fprintf(out, " -s %c", o->letter);
    if (o->choices || o->values || is_data(o)) {
        fputs(o->choices ? " -x -a '" : " -r -a '", out);
        if (!print_values(out, o))
            print_toys(out, "toy:");
        fputc('\'', out);
    } else if (o->type != OPTION_FLAG && !o->bare) {
        fputs(o->type == OPTION_TEXT ? " -r" : " -x", out);
    }
    fputs(" -d '", out);
    for (const char *text = o->help; *text; text++)
        fprintf(out, "%s%c", *text == '\'' || *text == '\\' ? "\\" : "", *text);
    fputs("'\n", out);
}

void manual_print_completion(const command *const *all, const char *shell, FILE *out)
{
    if (!strcmp(shell, "bash"))
        print_bash(all, out);
    else if (!strcmp(shell, "zsh")) {
        fputs("#compdef nicest\n_nicest_data() {\n    compadd -- ", out);
        print_toys(out, "toy:");
        fputs(
            "\n    _files\n}\n_nicest() {\n    if (( CURRENT == 2 )); then\n        local -a names\n"
            "        names=(",
            out);
        for (const command *const *c = all; *c; c++) {
            fprintf(out, "\n            '%s:", (*c)->name);
            print_quoted(out, (*c)->summary, ":");
            fputc('\'', out);
        }
        fputs(")\n        _describe command names\n        return\n    fi\n"
              "    local verb=$words[2]\n    shift words\n    (( CURRENT-- ))\n    case $verb in\n",
              out);
        for (const command *const *c = all; *c; c++) {
            fprintf(out, "    %s)\n        _arguments", (*c)->name);
            FOR_OPTIONS(*c, o)
            zsh_option(out, o);
            fputs(" ;;\n", out);
        }
        fputs("    esac\n}\nif [[ $funcstack[1] == _nicest ]]; then\n    _nicest \"$@\"\nelse\n"
              "    compdef _nicest nicest\nfi\n",
              out);
    } else {
        for (const command *const *c = all; *c; c++) {
            fprintf(out, "complete -c nicest -n __fish_use_subcommand -x -a %s -d '", (*c)->name);
            print_quoted(out, (*c)->summary, "");
            fputs("'\n", out);
            FOR_OPTIONS(*c, o)
            if (o->type != OPTION_ARGUMENT || o->values || is_data(o))
                fish_option(out, *c, o);
        }
    }
}
