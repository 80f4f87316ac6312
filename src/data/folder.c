/* folder.c - a PNG, or a folder of them, as rows.
 *
 * Pictures of a folder are taken in the order of their names; when it holds sub-folders instead,
 * these are labels, in order too. All pictures have one size and one number of channels; alpha is
 * drawn on black. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/status.h"
#include "data/formats.h"

/* Names of one folder, or whole paths. */
typedef struct name_list {
    char **items;
    size_t count, capacity;
} name_list;

static void list_close(name_list *list)
{
    source_texts_free(list->items, list->count);
    *list = (name_list){0};
}

/* Takes `text`, also on failure. */
static nicest_status list_add(name_list *list, char *text)
{
    if (text == NULL || !memory_grow(&list->items, list->count + 1, &list->capacity, sizeof text)) {
        memory_free(text);
        return fail_memory();
    }
    list->items[list->count++] = text;
    return NICEST_OK;
}

static int by_file_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void close_folder(DIR **folder)
{
    if (*folder != NULL)
        closedir(*folder);
}

/* Pictures, or sub-folders, of a folder by name; hidden ones are left out. */
static nicest_status list_folder(name_list *list, const char *path, bool folders)
{
    OWNED_BY(close_folder) DIR *folder = opendir(path);
    if (folder == NULL)
        return fail(NICEST_E_IO, "%s: cannot be read as a folder", path);
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        OWNED char *inside = memory_format("%s/%s", path, entry->d_name);
        TRY(check_memory(inside));
        if (folders ? file_is_directory(inside)
                    : file_has_ending(inside, ".png") && !file_is_directory(inside))
            TRY(list_add(list, memory_text(entry->d_name)));
    }
    if (list->count > 0)
        qsort(list->items, list->count, sizeof *list->items, by_file_name);
    return NICEST_OK;
}

/* ---------------------------------------------------------------- what is there */

typedef struct picture_list {
    name_list paths, classes;
    double *label; /* [paths] where there are classes */
    size_t labels; /* room for them */
} picture_list;

static nicest_status add_folder(picture_list *p, const char *path)
{
    OWNED_BY(list_close) name_list names = {0};
    TRY(list_folder(&names, path, false));
    for (size_t i = 0; i < names.count; i++)
        TRY(list_add(&p->paths, memory_format("%s/%s", path, names.items[i])));
    return NICEST_OK;
}

static nicest_status find_pictures(picture_list *p, const char *path)
{
    if (!file_is_directory(path))
        return list_add(&p->paths, memory_text(path));
    TRY(add_folder(p, path));
    if (p->paths.count > 0)
        return NICEST_OK;
    TRY(list_folder(&p->classes, path, true));
    for (size_t class = 0; class < p->classes.count; class ++) {
        OWNED char *inside = memory_format("%s/%s", path, p->classes.items[class]);
        size_t first = p->paths.count;
        TRY(check_memory(inside));
        TRY(add_folder(p, inside));
        TRY(check_memory(memory_grow(&p->label, p->paths.count + 1, &p->labels, sizeof *p->label)));
        for (size_t i = first; i < p->paths.count; i++)
            p->label[i] = (double)class;
    }
    return p->paths.count > 0 ? NICEST_OK : fail(NICEST_E_DATA, "%s: holds no PNG", path);
}

/* ---------------------------------------------------------------- rows */

static nicest_status add_picture(source_table *t, const picture_list *p, size_t row)
{
    OWNED_BY(nicest_image_free) nicest_image image = {0};
    const char *path = p->paths.items[row];
    TRY(image_read(&image, path, true)); /* of 16 bits a sample our pictures would lose half */
    /* RGBA on black becomes RGB, in place. */
    size_t count = (size_t)image.width * image.height;
    if (image.channels == 4) {
        for (size_t i = 0; i < count; i++) {
            unsigned alpha = image.pixels[4 * i + 3];
            for (size_t c = 0; c < 3; c++)
                image.pixels[3 * i + c] =
                    (unsigned char)((image.pixels[4 * i + c] * alpha + 127) / 255);
        }
        image.channels = 3;
    }
    if (row == 0) { /* the first picture says what all must be */
        size_t bytes = count * image.channels;
        *t = (source_table){.kind = "png",
                            .type = VALUE_U8,
                            .block = memory_new(p->paths.count, bytes),
                            .rows = p->paths.count,
                            .columns = bytes,
                            .row_stride = bytes,
                            .column_stride = 1,
                            .height = image.height,
                            .width = image.width,
                            .channels = image.channels};
        t->values = t->block;
        TRY(check_memory(t->block));
    }
    if (image.height != t->height || image.width != t->width || image.channels != t->channels)
        return fail(NICEST_E_DATA, "%s: is %ux%ux%u, %s is %ux%ux%u: all must be of one size", path,
                    image.height, image.width, image.channels, p->paths.items[0], t->height,
                    t->width, t->channels);
    memcpy((unsigned char *)t->block + row * t->columns, image.pixels, t->columns);
    return NICEST_OK;
}

static void pictures_close(picture_list *p)
{
    list_close(&p->paths);
    list_close(&p->classes);
    memory_free(p->label);
}

nicest_status png_load(source_table *table, const char *path)
{
    OWNED_BY(pictures_close) picture_list p = {0};
    TRY(find_pictures(&p, path));
    for (size_t i = 0; i < p.paths.count; i++)
        TRY(add_picture(table, &p, i));
    if (p.label == NULL)
        return NICEST_OK;
    TRY_NEW(table->extras, 1);
    table->extra_count = 1;
    table->extras[0] = (source_extra){memory_text("label"), memory_take(&p.label), p.classes.items,
                                      p.classes.count, NULL};
    table->labelled = true;
    p.classes = (name_list){0};
    return check_memory(table->extras[0].name);
}
