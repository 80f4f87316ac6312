/* select.c - which columns and rows of a source the user asked for.
 *
 * A name wins over a number, so that files with columns "1", "2" can be addressed by what they say;
 * a number counts from 1. Does not read any data. */
#include "data/select.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/number.h"
#include "base/status.h"
#include "model/kinds.h"

/* ---------------------------------------------------------------- names */

/* Name of a column, which is in `made` where the source has none. */
static const char *listed_name(const column_list *list, size_t column, made_name *made)
{
    *made = kinds_made_name(column);
    return list->names != NULL && list->names[column] != NULL ? list->names[column] : made->text;
}

/* "has 12 columns: a, b, ..." as far as a line has room. */
static nicest_status fail_unknown(const column_list *list, const char *option, const char *text,
                                  size_t length)
{
    char names[400] = "";
    size_t used = 0, shown = 0;
    for (made_name made; shown < list->count && used < sizeof names - 80; shown++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", used > 0 ? ", " : "",
                                 listed_name(list, shown, &made));
    return fail(NICEST_E_ARGUMENT, "%s: no column '%.*s' in %s, which has %zu: %s%s", option,
                (int)length, text, list->place, list->count, names,
                shown < list->count || used >= sizeof names ? ", ..." : "");
}

/* A number of a column or an axis, from 1. */
static bool read_number(const char *text, size_t length, size_t most, size_t *number)
{
    uint64_t value;
    bool good = number_whole(text, length, most, &value) && value >= 1;
    *number = good ? (size_t)value : *number;
    return good;
}

/* NO_COLUMN when nothing fits; two columns of the name are an error. */
static nicest_status find_column(const column_list *list, const char *option, const char *text,
                                 size_t length, size_t *found)
{
    size_t number;
    *found = NO_COLUMN;
    for (size_t j = 0; j < list->count; j++) {
        made_name made;
        const char *name = listed_name(list, j, &made);
        if (strlen(name) != length || memcmp(name, text, length) != 0)
            continue;
        if (*found != NO_COLUMN)
            return fail(NICEST_E_ARGUMENT,
                        "%s: columns %zu and %zu of %s are both called '%.*s': use a number",
                        option, *found + 1, j + 1, list->place, (int)length, text);
        *found = j;
    }
    if (*found == NO_COLUMN && read_number(text, length, list->count, &number))
        *found = number - 1;
    return NICEST_OK;
}

/* A column must be there, unless only that beside others is asked for. */
static nicest_status need_column(const column_list *list, const char *option, const char *text,
                                 bool beside, size_t *found)
{
    size_t length = strlen(text);
    TRY(find_column(list, option, text, length, found));
    return *found == NO_COLUMN && !beside ? fail_unknown(list, option, text, length) : NICEST_OK;
}

/* ---------------------------------------------------------------- lists of columns */

typedef struct chooser {
    selection *s;
    unsigned char *taken; /* [count of the list]: 1 chosen, 2 dropped */
} chooser;

/* A column that was named twice is taken once. */
static void choose_column(chooser *c, size_t column, bool drop)
{
    if (!drop && c->taken[column] == 0)
        c->s->columns[c->s->count++] = column;
    c->taken[column] = drop ? 2 : 1;
}

/* `beside`: what is not there is passed over. */
static nicest_status choose_item(chooser *c, const column_list *list, const char *option, bool drop,
                                 bool beside, const char *text, size_t length)
{
    size_t column, last;
    TRY(find_column(list, option, text, length, &column));
    if (column != NO_COLUMN) {
        choose_column(c, column, drop);
        return NICEST_OK;
    }
    const char *dash = memchr(text, '-', length); /* "3-7" by number */
    size_t before = dash != NULL ? (size_t)(dash - text) : 0;
    if (dash == NULL || !read_number(text, before, list->count, &column) ||
        !read_number(dash + 1, length - before - 1, list->count, &last) || column > last)
        return beside ? NICEST_OK : fail_unknown(list, option, text, length);
    for (; column <= last; column++)
        choose_column(c, column - 1, drop);
    return NICEST_OK;
}

/* Items between commas; the whole text first, because a name may hold a comma. */
static nicest_status choose_list(chooser *c, const column_list *list, const char *option, bool drop,
                                 bool beside, const char *text)
{
    size_t column, length = strlen(text);
    TRY(find_column(list, option, text, length, &column));
    if (column != NO_COLUMN)
        return choose_item(c, list, option, drop, beside, text, length);
    for (const char *item = text;; item += length + 1) {
        length = strcspn(item, ",");
        TRY(choose_item(c, list, option, drop, beside, item, length));
        if (item[length] == '\0')
            return NICEST_OK;
    }
}

static nicest_status choose_columns(chooser *c, const column_list *list,
                                    const nicest_data_options *o)
{
    if (o != NULL && o->columns != NULL) {
        TRY(choose_list(c, list, "--columns", false, false, o->columns));
    } else {
        for (size_t j = 0; j < list->data; j++)
            choose_column(c, j, false);
    }
    if (o != NULL && o->drop != NULL)
        TRY(choose_list(c, list, "--drop", true, o->beside != 0, o->drop));
    if (c->s->label != NO_COLUMN)
        choose_column(c, c->s->label, true);
    size_t weights = NO_COLUMN;
    if (o != NULL && o->weights != NULL)
        TRY(need_column(list, "--weights", o->weights, o->beside != 0, &weights));
    if (weights != NO_COLUMN)
        choose_column(c, weights, true);
    size_t kept = 0;
    for (size_t i = 0; i < c->s->count; i++) {
        if (c->taken[c->s->columns[i]] != 2)
            c->s->columns[kept++] = c->s->columns[i];
    }
    c->s->count = kept;
    if (c->s->count == 0)
        return fail(NICEST_E_ARGUMENT, "%s: no column is left", list->place);
    if (weights != NO_COLUMN)
        c->s->columns[c->s->count++] = weights;
    c->s->weighted = weights != NO_COLUMN;
    c->s->all = c->s->count == list->data;
    for (size_t j = 0; j < c->s->count; j++)
        c->s->all = c->s->all && c->s->columns[j] == j;
    return NICEST_OK;
}

/* ---------------------------------------------------------------- label and where */

nicest_status selection_make(selection *s, const column_list *list,
                             const nicest_data_options *options)
{
    OWNED_BY(selection_close) selection made = {.label = NO_COLUMN, .where = NO_COLUMN};
    *s = made;
    OWNED_NEW(unsigned char *, taken, list->count);
    TRY_NEW(made.columns, list->count);
    if (options != NULL && options->label != NULL)
        TRY(need_column(list, "--label", options->label, options->beside != 0, &made.label));
    if (options != NULL && options->where != NULL) {
        const char *where = options->where, *first = strchr(where, '=');
        if (first == NULL)
            return fail(NICEST_E_ARGUMENT, "--where: '%s': expected COLUMN=VALUE", where);
        /* a name may hold "=", so every place is tried */
        for (const char *equals = first; equals != NULL && made.where == NO_COLUMN;
             equals = strchr(equals + 1, '=')) {
            TRY(find_column(list, "--where", where, (size_t)(equals - where), &made.where));
            made.where_text = equals + 1;
        }
        if (made.where == NO_COLUMN && !options->beside)
            return fail_unknown(list, "--where", where, (size_t)(first - where));
        made.where_is_number =
            number_read(made.where_text, strlen(made.where_text), &made.where_number);
    }
    TRY(choose_columns(&(chooser){&made, taken}, list, options));
    *s = made;
    made.columns = NULL;
    return NICEST_OK;
}

void selection_close(selection *s)
{
    memory_free(s->columns);
    s->columns = NULL;
}

nicest_status selection_left(char ***left, size_t *count, const selection *s,
                             const column_list *list)
{
    enum { MOST_LEFT = 1000 };
    size_t others = list->data;
    made_name made;
    for (size_t i = 0; i < s->count; i++)
        others -= s->columns[i] < list->data;
    if (others == 0 || others > MOST_LEFT)
        return NICEST_OK;
    OWNED_NEW(unsigned char *, taken, list->count);
    TRY_NEW(*left, others);
    for (size_t i = 0; i < s->count; i++)
        taken[s->columns[i]] = 1;
    for (size_t j = 0; j < list->data; j++)
        if (!taken[j])
            TRY(check_memory(((*left)[(*count)++] = memory_text(listed_name(list, j, &made))) !=
                             NULL));
    return NICEST_OK;
}

bool selection_keeps_number(const selection *s, double value)
{
    return s->where_is_number && value == s->where_number;
}

nicest_status selection_nothing(const char *place, const char *where)
{
    return fail(NICEST_E_DATA, "--where: no row of %s has %s", place, where);
}

nicest_status selection_picture(const char *place, const nicest_data_options *options, size_t count,
                                bool all, unsigned size[3])
{
    if (options != NULL && (options->height > 0 || options->width > 0)) {
        unsigned channels = options->channels > 0 ? options->channels : 1;
        double pixels = (double)options->height * options->width * channels;
        if (pixels != (double)count)
            return fail(NICEST_E_ARGUMENT, "--image: %ux%ux%u is %.0f columns, %s has %zu",
                        options->height, options->width, channels, pixels, place, count);
        size[0] = options->height;
        size[1] = options->width;
        size[2] = channels;
    } else if (!all) {
        size[0] = size[1] = size[2] = 0;
    }
    return NICEST_OK;
}

/* ---------------------------------------------------------------- slices */

static bool read_bound(const char *text, size_t length, long long missing, long long *bound)
{
    bool negative = length > 0 && *text == '-';
    uint64_t value = 0;
    if (length > 0 && !number_whole(text + negative, length - negative, LLONG_MAX / 10, &value))
        return false;
    *bound = length == 0 ? missing : negative ? -(long long)value : (long long)value;
    return true;
}

slice slice_take(const char *text, size_t *length)
{
    slice s = {false, 0, LLONG_MAX};
    if (*length < 3 || text[*length - 1] != ']')
        return s;
    size_t open = *length - 1;
    while (open > 0 && text[open] != '[')
        open--;
    const char *inside = text + open + 1;
    size_t size = *length - open - 2;
    const char *colon = text[open] == '[' ? memchr(inside, ':', size) : NULL;
    if (colon == NULL)
        return s;
    size_t before = (size_t)(colon - inside);
    s.given = read_bound(inside, before, 0, &s.first) &&
              read_bound(colon + 1, size - before - 1, LLONG_MAX, &s.end);
    if (s.given)
        *length = open;
    return s;
}

static size_t bound_of(long long bound, size_t rows)
{
    if (bound >= 0)
        return (unsigned long long)bound < rows ? (size_t)bound : rows;
    unsigned long long back = (unsigned long long)-bound;
    return back < rows ? rows - (size_t)back : 0;
}

nicest_status slice_apply(slice s, const char *place, size_t rows, size_t *first, size_t *count)
{
    size_t a = s.given ? bound_of(s.first, rows) : 0, b = s.given ? bound_of(s.end, rows) : rows;
    if (rows == 0)
        return fail(NICEST_E_DATA, "%s: has no rows", place);
    if (a >= b)
        return fail(NICEST_E_DATA, "%s: the slice holds none of its rows", place);
    *first = a;
    *count = b - a;
    return NICEST_OK;
}
