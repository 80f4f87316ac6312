/* clash.c - a command line that would destroy what it reads, or write two things into one file, is
 * refused before any work.
 *
 * Owns no option: the tables say which values are files (their argument says FILE or DATA) and
 * which of these are written. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "options.h"

enum { MOST_FILES = 16, PATH = 4096 };

typedef struct named_file {
    const option *option;
    const char *text; /* as it was given */
    char path[PATH];  /* without slice and array; "" where it is too long to be one */
    bool exists;
    struct stat facts;
} named_file;

static bool is_file(const option *o)
{
    return o->type == OPTION_ARGUMENT ||
           (o->type == OPTION_TEXT && o->argument &&
            (strstr(o->argument, "FILE") || strstr(o->argument, "DATA")));
}

/* "rows.npz:x[0:9]" -> "rows.npz", if that is what is there. */
static named_file name_file(const option *o, const char *text)
{
    static const char ENDS[] = "[:";
    named_file f = {.option = o, .text = text};
    if (strlen(text) >= PATH)
        return f;
    strcpy(f.path, text);
    f.exists = !stat(f.path, &f.facts);
    for (const char *end = ENDS; *end && !f.exists && !o->written; end++) {
        char *cut = strrchr(f.path, *end);
        if (cut)
            *cut = 0;
        f.exists = !stat(f.path, &f.facts);
    }
    return f;
}

static size_t collect(const command *c, const void *settings, named_file *files)
{
    size_t count = 0;
    for (const option *const *table = c->tables; *table; table++)
        for (const option *o = *table; o->name; o++) {
            const char *text;
            if (!is_file(o))
                continue;
            memcpy(&text, (const char *)settings + o->offset, sizeof text);
            if (text && strcmp(text, "-") && count < MOST_FILES)
                files[count++] = name_file(o, text);
        }
    return count;
}

static bool same(const named_file *a, const named_file *b)
{
    if (a->exists && b->exists)
        return S_ISREG(a->facts.st_mode) && a->facts.st_dev == b->facts.st_dev &&
               a->facts.st_ino == b->facts.st_ino;
    return !a->exists && !b->exists && *a->path && !strcmp(a->path, b->path);
}

static bool is(const named_file *f, const char *name)
{
    return !strcmp(f->option->name, name);
}

/* A run goes on in its own checkpoint; convert may put a table back where it was. */
static bool allowed(const command *c, const named_file *written, const named_file *other)
{
    return (is(written, "checkpoint") && is(other, "resume")) ||
           (c == &CONVERT_COMMAND && other->option->type == OPTION_ARGUMENT);
}

/* "DATA", "-o", "--log" */
static const char *spoken(const option *o, char *text, size_t size)
{
    if (o->type == OPTION_ARGUMENT)
        return o->name;
    if (o->letter)
        snprintf(text, size, "-%c", o->letter);
    else
        snprintf(text, size, "--%s", o->name);
    return text;
}

void refuse_clashes(const command *c, const void *settings)
{
    named_file files[MOST_FILES];
    size_t count = collect(c, settings, files);
    char ours[64], theirs[64];
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; files[i].option->written && j < count; j++)
            if (i != j && same(&files[i], &files[j]) && !allowed(c, &files[i], &files[j]))
                refuse(STATUS_USAGE, "%s: %s %s would overwrite %s; name another file", c->name,
                       spoken(files[i].option, ours, sizeof ours), files[i].text,
                       spoken(files[j].option, theirs, sizeof theirs));
}
