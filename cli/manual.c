/* manual.c - man pages (roff) and shell completion from the same tables as the help. */
#include <string.h>

#include "options.h"

/* ------------------------------------------------------------------ man pages */

/* Text in which roff sees no requests and no escapes. */
static void print_roff(FILE *out, const char *text)
{
    for (bool first = true; *text; text++) {
        if (first && (*text == '.' || *text == '\''))
            fputs("\\&", out);
        first = *text == '\n';
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
    fputs(
        ".SH DATA\nOne argument: a table as text (FILE.csv, .tsv, .txt, .data, each also .gz), an "
        "array (FILE.npy, FILE.npz[:ARRAY]), pictures (*\\-idx?\\-ubyte[.gz], a folder of PNGs), "
        "toy:NAME[,n=10000][,seed=1], or \\- (CSV on standard input). A slice such as \\(aq[0:1000]\\(aq "
        "may follow.\n.SH DOCUMENTATION\nFor analysts: docs/analyst.md. For students: "
        "docs/student.md. For C and C++: docs/engineer.md. For Python: docs/python.md. Words: "
        "docs/glossary.md.\n",
        out);
    print_status_section(out);
}

void manual_print_page(const command *const *all, const command *c, FILE *out)
{
    if (!c) {
        print_program_page(all, out);
        return;
    }
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
        fputs(".SH EXAMPLES\n.nf\n", out);
        print_roff(out, c->examples);
        fputs(".fi\n", out);
    }
    fputs(".SH SEE ALSO\n.BR nicest (1)\n", out);
}

/* ------------------------------------------------------------------ completion */

/* The values that an option is known to take, `front` before each: its choices, names of the
 * library, with "=" where levels follow, or toys where it takes DATA. False where there are none.
 */
static bool print_values(FILE *out, const option *o, int length, const char *front)
{
    const char *shown = o->type == OPTION_ARGUMENT ? o->name : o->argument ? o->argument : "";
    bool data = strstr(shown, "DATA") != NULL;
    const char *const *names = o->values ? o->values() : data ? nicest_toy_names() : NULL;
    for (const char *c = o->choices; c && *c; c += strcspn(c, "|"), c += *c == '|')
        fprintf(out, "%.*s%.*s\n", length, front, (int)strcspn(c, "|"), c);
    for (; names && *names; names++)
        fprintf(out, "%.*s%s%s%s\n", length, front, o->values ? "" : "toy:", *names,
                o->values && strchr(shown, '=') ? "=" : "");
    return o->choices || o->values || data;
}

void manual_print_candidates(const command *const *all, char *const *words, int count, FILE *out)
{
    const char *current = count > 0 ? words[count - 1] : "",
               *before = count > 1 ? words[count - 2] : "";
    const char *equals = !strncmp(current, "--", 2) ? strchr(current, '=') : NULL;
    size_t length = equals ? (size_t)(equals - current) : strlen(before);
    if (count < 2 || !strcmp(before, "help")) {
        for (const command *const *c = all; *c; c++)
            fprintf(out, "%s\t%s\n", (*c)->name, (*c)->summary);
        fputs("--help\n--version\n", out);
        return;
    }
    while (*all && strcmp((*all)->name, words[0]))
        all++;
    const command *c = *all;
    if (!c)
        return;
    before = equals ? current : before;
    FOR_OPTIONS(c, o)
    if (o->type != OPTION_ARGUMENT && o->type != OPTION_FLAG && length > 2 &&
        strlen(o->name) == length - 2 && !strncmp(o->name, before + 2, length - 2) &&
        print_values(out, o, equals ? (int)length + 1 : 0, current))
        return;
    FOR_OPTIONS(c, o)
    {
        if (o->type != OPTION_ARGUMENT && *current == '-')
            fprintf(out, "--%s\t%s\n", o->name, o->help);
        else if (o->type == OPTION_ARGUMENT && *current == 't') /* what begins so may be a toy */
            print_values(out, o, 0, "");
    }
    if (*current == '-')
        fputs("--help\n", out);
}

/* Each asks the program what may stand at the cursor; files are completed where nothing else is. In
 * bash a word is what stands between blanks: readline has cut it at = and :, and replaces the last
 * piece alone. */
static const char BASH[] =
    "_nicest() {\n"
    "    local line=${COMP_LINE:0:COMP_POINT} current front IFS=$' \\t\\n'\n"
    "    local -a words\n"
    "    read -ra words <<<\"$line\"\n"
    "    [[ $line == *[[:space:]] ]] && words+=('')\n"
    "    current=${words[${#words[@]} - 1]} IFS=$'\\n'\n"
    "    COMPREPLY=($(compgen -W \"$(command \"${words[0]}\" __complete \"${words[@]:1}\" | cut -f 1)\" "
    "-- \"$current\"))\n"
    "    front=${current%\"${current##*[=:]}\"}\n"
    "    if [[ -n $front && $COMP_WORDBREAKS == *\"${front: -1}\"* ]]; then\n"
    "        COMPREPLY=(\"${COMPREPLY[@]#\"$front\"}\")\n    fi\n"
    "    if [[ ${COMPREPLY[0]} == *[=:] ]]; then\n"
    "        compopt -o nospace 2>/dev/null\n    fi\n}\n"
    "complete -o default -F _nicest nicest\n";

static const char ZSH[] =
    "#compdef nicest\n_nicest() {\n    local -a found\n"
    "    found=(${(f)\"$(command $words[1] __complete \"${(@)words[2,CURRENT]}\")\"})\n"
    "    found=(${found//:/\\\\:})\n"
    "    found=(${found/$'\\t'/:})\n"
    "    _describe -t words nicest found || _files\n}\n"
    "if [[ $funcstack[1] == _nicest ]]; then\n    _nicest \"$@\"\nelse\n"
    "    compdef _nicest nicest\nfi\n";

static const char FISH[] =
    "complete -c nicest -a '(command nicest __complete (commandline -opc)[2..-1] "
    "(commandline -ct))'\n";

void manual_print_completion(const char *shell, FILE *out)
{
    fputs(!strcmp(shell, "bash") ? BASH : !strcmp(shell, "zsh") ? ZSH : FISH, out);
}
