/* cmd_corrupt.c - `nicest corrupt`: data made atypical on purpose, one output for each level. */
#include <stdio.h>
#include <string.h>

#include "options.h"
#include "picture.h"

typedef struct corrupt_settings {
    shared_settings shared;
    const char *data, *with;
} corrupt_settings;

#define AT(field) offsetof(corrupt_settings, field)

/* clang-format off */
static const option CORRUPT_OPTIONS[] = {
    {OPTION(ARGUMENT, "DATA", NULL, data), .required = true, .help = "rows to corrupt"},
    {.group = "Corruption", OPTION(TEXT, "with", "KIND=LEVELS", with), .values = nicest_corruption_names,
     .help = "noise, rotate, shear, contrast, contrast-black, brightness, blur, occlusion, salt-and-pepper, or "
             "morph=LEVEL@DATA. LEVELS is one level, a list a,b,c or a range FROM:TO:STEP"},
    {0},
};
/* clang-format on */

/* Where in a path the level goes: before "-images-idx", "-idx" or the extensions. */
static size_t stem_length(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *end = strstr(name, "-images-idx");
    end = end ? end : strstr(name, "-idx");
    end = end ? end : strchr(name[0] == '.' ? name + 1 : name, '.');
    return end ? (size_t)(end - path) : strlen(path);
}

/* OUT.csv -> OUT-<level>.csv; a % stands for the level instead. No -o is standard output. */
static void level_path(const corrupt_settings *s, const corruption *c, size_t level, char *out,
                       size_t size)
{
    const char *path = s->shared.output ? s->shared.output : "-", *percent = strchr(path, '%');
    size_t length = percent ? (size_t)(percent - path) : stem_length(path);
    if (c->count == 1 && !percent)
        snprintf(out, size, "%s", path);
    else
        snprintf(out, size, "%.*s%s%s%s", (int)length, path, percent ? "" : "-",
                 number_text(c->levels[level]).text, path + length + (percent != NULL));
}

static int corrupt_run(void *settings)
{
    const corrupt_settings *s = settings;
    OWNED_BLOCK corruption *c = block_new(1, sizeof *c);
    json_t *outputs = json_array();
    char path[4096], labels[4096];
    if (!s->with)
        refuse(STATUS_USAGE, "corrupt: --with KIND=LEVEL is missing: nicest corrupt %s",
               CORRUPT_COMMAND.synopsis);
    corruption_parse(c, "--with", s->with);
    if (!s->shared.output && c->count > 1)
        refuse(STATUS_USAGE, "corrupt: %zu levels need -o FILE", c->count);
    check_picture_options(&s->shared, &s->shared.output, 1);
    /* No level writes over what is read, nor over what another has written. */
    for (size_t i = 0; i < c->count && s->shared.output; i++) {
        for (size_t j = 0; j < i; j++)
            if (c->levels[i] == c->levels[j])
                refuse(STATUS_USAGE, "corrupt: --with %s: level %g is there twice", s->with,
                       c->levels[i]);
        level_path(s, c, i, path, sizeof path);
        refuse_output_clash(&CORRUPT_COMMAND, s, path);
        check_data_path(path);
    }
    OWNED_DATA nicest_data *data = open_rows(&s->shared, NULL, s->data, THE_DATA);
    OWNED_DATA nicest_data *other =
        c->other ? open_rows(&s->shared, NULL, c->other, OTHER_DATA) : NULL;
    other = align_data(&s->shared, data, "the data to corrupt", other, c->other);
    corruption_check(c, data, other);
    for (size_t i = 0; i < c->count; i++) { /* all are refused before the first is written */
        level_path(s, c, i, path, sizeof path);
        need(nicest_data_labels_file(data, path, labels, sizeof labels));
    }
    for (size_t i = 0; i < c->count; i++) {
        char what[80];
        OWNED_DATA nicest_data *made = NULL;
        need(nicest_corrupt(&made, data, c->kind, c->levels[i], other, s->shared.seed,
                            s->shared.threads));
        level_path(s, c, i, path, sizeof path);
        snprintf(what, sizeof what, "%s %g, ", c->kind, c->levels[i]);
        save_output(&s->shared, made, path, outputs, what);
        stop_if_interrupted();
    }
    print_outputs(&s->shared, data, outputs);
    return STATUS_DONE;
}

const command CORRUPT_COMMAND = {
    .name = "corrupt",
    .summary = "make data atypical on purpose",
    .synopsis = "DATA --with KIND=LEVELS [-o FILE]",
    .description =
        "Changes every row by a known amount. Level 0 changes nothing, and quantised data stays "
        "quantised. A level of noise is a standard deviation, in full scale (tables: in column "
        "deviations); one of rotate is in degrees, counter-clockwise; contrast c gives mid-grey + "
        "(1-c)(x - mid-grey). docs/corruptions.md defines all.\n\n"
        "Several levels make several files: FILE-<level>.ext, or the level in place of a % in "
        "FILE.",
    .examples = "  nicest corrupt t10k-images-idx3-ubyte.gz --with rotate=0:90:10 -o rotated.npy\n"
                "  nicest corrupt wine.csv --with noise=0.5 -o noisy.csv\n",
    .tables = {CORRUPT_OPTIONS, PICTURE_OPTIONS, DATA_OPTIONS, OUTPUT_OPTIONS, COMMON_OPTIONS},
    .size = sizeof(corrupt_settings),
    .run = corrupt_run,
};
