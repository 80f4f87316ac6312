/* clash.c - a command line that would destroy what it reads, write two things into one file, or
 * write what is no data to standard output, is refused before any work.
 *
 * Owns no option: the tables say which values are files (they are written, or their argument says
 * FILE, DATA, MASK or MODEL, or KIND=LEVELS with data behind its @) and which of these are written.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "options.h"
#include "output.h"

enum { MOST_FILES = 16, PATH = 4096 };

typedef struct named_file {
    const option *option;
    const char *text; /* as it was given */
    char path[PATH];  /* without slice and array; "" where it is too long to be one */
    bool exists;
    struct stat facts; /* of it, or of the folder that it would be in; zeros where that lacks too */
} named_file;

/* The file that an option names, or NULL: "morph=0.5@other.npy" names other.npy. */
static const char *file_of(const option *o, const void *settings)
{
    static const char *const arguments[] = {"FILE", "DATA", "MASK", "MODEL"};
    const char *text, *at, *argument = o->type == OPTION_TEXT && o->argument ? o->argument : "";
    bool corruption = !strcmp(argument, "KIND=LEVELS");
    bool named = corruption || o->type == OPTION_ARGUMENT || o->written;
    for (size_t i = 0; i < sizeof arguments / sizeof *arguments && !named; i++)
        named = strstr(argument, arguments[i]);
    if (!named)
        return NULL;
    memcpy(&text, (const char *)settings + o->offset, sizeof text);
    if (!text || !corruption)
        return text;
    at = strchr(text, '@');
    return at ? at + 1 : NULL;
}

/* "runs/a.csv" -> "a.csv", and in `folder` [PATH + 8] "runs/." */
static const char *split(const char *path, char *folder)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    snprintf(folder, PATH + 8, "%.*s.", (int)(name - path), path);
    return name;
}

/* "rows.npz:x[0:9]" -> "rows.npz", if that is what is there. */
static named_file name_file(const option *o, const char *text)
{
    static const char ENDS[] = "[:";
    char folder[PATH + 8];
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
    split(f.path, folder);
    if (!f.exists && stat(folder, &f.facts))
        memset(&f.facts, 0, sizeof f.facts);
    return f;
}

static size_t collect_files(const command *c, const void *settings, named_file *files)
{
    size_t count = 0;
    FOR_OPTIONS(c, o)
    {
        const char *text = file_of(o, settings);
        if (text && strcmp(text, "-") && count < MOST_FILES)
            files[count++] = name_file(o, text);
    }
    return count;
}

static bool same_facts(const struct stat *a, const struct stat *b)
{
    return a->st_ino && a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Also of files that are not there yet: "a.csv" and "./a.csv". */
static bool same(const named_file *a, const named_file *b)
{
    char folder[PATH + 8];
    return a->exists == b->exists && same_facts(&a->facts, &b->facts) &&
           (a->exists ? S_ISREG(a->facts.st_mode)
                      : !strcmp(split(a->path, folder), split(b->path, folder)));
}

/* Of a folder its pictures are read, or those of its sub-folders; a table or a model beside them
 * does no harm. */
static bool joins(const named_file *written, const named_file *folder)
{
    char real[PATH_MAX], path[PATH + 8];
    struct stat facts;
    const char *place = realpath(written->path, real) ? real : written->path;
    size_t length = strlen(place);
    if (!folder->exists || !S_ISDIR(folder->facts.st_mode) || length < 4 ||
        strcasecmp(place + length - 4, ".png") != 0)
        return false;
    split(place, path);
    for (int up = 0; up < 2; up++) {
        if (!stat(path, &facts) && same_facts(&facts, &folder->facts))
            return true;
        snprintf(path + strlen(path), sizeof path - strlen(path), "/..");
    }
    return false;
}

static bool is(const named_file *f, const char *name)
{
    return !strcmp(f->option->name, name);
}

/* "DATA", "-o", "--log" */
static short_text spoken(const option *o)
{
    return o->letter ? short_format("-%c", o->letter)
                     : short_format("%s%s", o->type == OPTION_ARGUMENT ? "" : "--", o->name);
}

static void refuse_clash(const command *c, const named_file *written, const named_file *other)
{
    if (same(written, other) &&
        !((is(written, "checkpoint") && is(other, "resume")) ||
          (is(written, "save") && is(other, "MODEL")) ||
          (!strcmp(c->name, "convert") && other->option->type == OPTION_ARGUMENT)))
        refuse(STATUS_USAGE, "%s: %s %s would overwrite %s; name another file", c->name,
               spoken(written->option).text, written->text, spoken(other->option).text);
    if (!other->option->written && joins(written, other))
        refuse(STATUS_USAGE,
               "%s: %s %s would be one of the pictures in %s, the folder of %s; name another file",
               c->name, spoken(written->option).text, written->text, other->path,
               spoken(other->option).text);
}

void refuse_clashes(const command *c, const void *settings)
{
    named_file files[MOST_FILES];
    /* Data may go to standard output: -o of the commands that say it, and one table beside it. */
    for (const option *const *options = c->tables; *options; options++)
        for (const option *o = *options; o->name; o++) {
            const char *text = o->written && o != OUTPUT_OPTIONS ? file_of(o, settings) : NULL;
            if (text && !strcmp(text, "-") && strcmp(o->name, "spread"))
                refuse(STATUS_USAGE, "%s: %s -: cannot go to standard output; name a file", c->name,
                       spoken(o).text);
        }
    size_t count = collect_files(c, settings, files);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; files[i].option->written && j < count; j++)
            if (i != j)
                refuse_clash(c, &files[i], &files[j]);
}

void refuse_output_clash(const command *c, const void *settings, const char *path)
{
    named_file files[MOST_FILES], made = name_file(OUTPUT_OPTIONS, path);
    size_t count = collect_files(c, settings, files);
    for (size_t i = 0; i < count; i++)
        if (!is(&files[i], OUTPUT_OPTIONS->name))
            refuse_clash(c, &made, &files[i]);
}
