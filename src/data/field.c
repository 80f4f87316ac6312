/* field.c - see field.h. */
#include "data/field.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/number.h"
#include "base/status.h"
#include "data/moment.h"

void field_room_close(field_room *room)
{
    memory_free(room->text);
}

bool field_separates(const dialect *d, char c)
{
    return c == d->separator || (c == '\t' && d->separator == ' ');
}

static bool is_blank_sign(char c)
{
    return c == ' ' || c == '\t';
}

/* A quoted field without its quotes, ended by NUL; *p moves behind the closing quote and what may
 * follow it, to the separator or the end. */
static nicest_status unquote(const dialect *d, field_room *room, const char **p, const char *end,
                             size_t *size)
{
    size_t most = (size_t)(end - *p) + 1, used = 0;
    TRY(check_memory(memory_grow(&room->text, most, &room->capacity, 1)));
    const char *q = *p + 1;
    for (; q < end && (*q != '"' || (q + 1 < end && q[1] == '"')); q++) {
        if (*q == '"')
            q++;
        room->text[used++] = *q;
    }
    for (q += q < end; q < end && !field_separates(d, *q); q++)
        room->text[used++] = *q;
    room->text[used] = '\0';
    *size = used;
    *p = q;
    return NICEST_OK;
}

nicest_status field_take(const dialect *d, field_room *room, const char **p, const char *end,
                         const char **text, size_t *size)
{
    assert(*p <= end);
    const char *start = *p;
    bool blanks = d->separator == ' ';
    while (start < end && (*start == ' ' || (blanks && *start == '\t')))
        start++;
    if (start < end && *start == '"') {
        *p = start;
        TRY(unquote(d, room, p, end, size));
        *text = room->text;
    } else {
        const char *stop = start;
        if (blanks)
            while (stop < end && !is_blank_sign(*stop))
                stop++;
        else
            stop = memchr(*p, d->separator, (size_t)(end - *p));
        *text = blanks ? start : *p;
        *p = stop != NULL ? stop : end;
        *size = (size_t)(*p - *text);
    }
    while (*size > 0 && is_blank_sign(**text))
        ++*text, --*size;
    while (*size > 0 && is_blank_sign((*text)[*size - 1]))
        --*size;
    if (blanks) { /* those at the end of a line separate nothing */
        const char *q = *p;
        while (q < end && is_blank_sign(*q))
            q++;
        *p = q == end ? end : *p;
    }
    return NICEST_OK;
}

/* Without regard to case. */
static bool is_word_of(const char *text, size_t size, const char *word)
{
    size_t i = 0;
    while (i < size && word[i] != '\0' && (text[i] == word[i] || (char)(text[i] | 0x20) == word[i]))
        i++;
    return i == size && word[i] == '\0';
}

/* As it stands there, or the same number. */
static bool is_named_missing(const dialect *d, const char *text, size_t size)
{
    double value, number;
    for (const char *word = d->missing;; word++) {
        size_t length = strcspn(word, ",");
        if (length == size && memcmp(word, text, size) == 0)
            return true;
        if (d->missing_numbers && number_read(word, length, &number) &&
            number_read(text, size, &value) && value == number)
            return true;
        word += length;
        if (*word == '\0')
            return false;
    }
}

bool field_is_missing(const dialect *d, const char *text, size_t size)
{
    static const char *const WORDS[] = {"",        "?",       "na",    "n/a",    "#n/a",  "nan",
                                        "-nan",    "null",    "none",  "<na>",   "nat",   ".",
                                        "-", /* and the errors of spreadsheets */
                                        "#div/0!", "#value!", "#ref!", "#name?", "#num!", "#null!"};
    for (size_t w = 0; size < 8 && w < sizeof WORDS / sizeof *WORDS; w++)
        if (is_word_of(text, size, WORDS[w]))
            return true;
    return d->missing != NULL && is_named_missing(d, text, size);
}

/* With a decimal comma, a point only groups thousands: "1.234.567,8"; and the other way round. */
static bool read_grouped(char decimal, const char *text, size_t size, double *value, int *places)
{
    char plain[64], group = decimal == ',' ? '.' : ',';
    size_t used = 0, after = 0;
    bool fraction = false, grouped = false;
    if (size >= sizeof plain)
        return false;
    for (size_t i = 0; i < size; i++) {
        bool sign = text[i] == ',' || text[i] == '.';
        if (sign && grouped && after != 3)
            return false;
        if (text[i] == group && (fraction || used == 0))
            return false;
        fraction = fraction || text[i] == decimal;
        grouped = grouped || text[i] == group;
        after = sign ? 0 : after + 1;
        if (text[i] != group)
            plain[used++] = text[i] == decimal ? '.' : text[i];
    }
    if (grouped && !fraction && after != 3)
        return false;
    plain[used] = '\0';
    return number_read_places(plain, used, value, places);
}

static bool read_plain(char decimal, const char *text, size_t size, double *value, int *places)
{
    if (decimal == ',')
        return read_grouped(',', text, size, value, places);
    return number_read_places(text, size, value, places) ||
           (memchr(text, ',', size) && read_grouped('.', text, size, value, places));
}

bool field_is_grouped(const char *text, size_t size, double *value, int *places)
{
    size_t sign = size > 0 && (*text == '-' || *text == '+');
    return size > sign && text[sign] != '0' && memchr(text, ',', size) &&
           read_grouped('.', text, size, value, places);
}

bool field_is_number(const dialect *d, const char *text, size_t size, double *value, int *places)
{
    if (d->missing_numbers && is_named_missing(d, text, size))
        return false;
    /* "1,234.5" says by its point what the comma is; "1,234" does not */
    bool both = d->decimal != ',' && memchr(text, '.', size);
    return both                ? read_plain('.', text, size, value, places)
           : d->decimal == ',' ? read_grouped(',', text, size, value, places)
                               : number_read_places(text, size, value, places);
}

static const char *const CURRENCIES[] = {"$", "\xe2\x82\xac", "\xc2\xa3", "\xc2\xa5"};

/* What is left of a field without its sign and its minus; false where it has no sign. */
static bool strip_unit(const char **text, size_t *size, char sign[FIELD_SIGN], bool *minus)
{
    *minus = false;
    if (*size > 1 && (*text)[*size - 1] == '%') {
        bool apart = (*text)[*size - 2] == ' ';
        strcpy(sign, apart ? " %" : "%");
        *size -= 1 + apart;
        return true;
    }
    size_t before = *size > 0 && (*text)[0] == '-';
    for (size_t i = 0; i < sizeof CURRENCIES / sizeof *CURRENCIES; i++) {
        size_t length = strlen(CURRENCIES[i]), at = before + length;
        if (*size <= at || memcmp(*text + before, CURRENCIES[i], length) != 0)
            continue;
        strcpy(sign, CURRENCIES[i]);
        *text += at;
        *size -= at;
        *minus = before;
        return !before || **text != '-';
    }
    return false;
}

bool field_is_signed(char decimal, const char *text, size_t size, char sign[FIELD_SIGN],
                     double *value, int *places)
{
    bool minus;
    if (!strip_unit(&text, &size, sign, &minus) || !read_plain(decimal, text, size, value, places))
        return false;
    *value = minus ? -*value : *value;
    return true;
}

size_t field_write_signed(double value, const char *sign, char text[NUMBER_SIZE + FIELD_SIGN])
{
    char number[NUMBER_SIZE];
    number[number_write(value, number)] = '\0';
    bool minus = *number == '-', behind = sign[strlen(sign) - 1] == '%';
    const char *before = behind || isnan(value) ? "" : sign;
    return (size_t)snprintf(text, NUMBER_SIZE + FIELD_SIGN, "%s%s%s%s", minus ? "-" : "", before,
                            number + minus, behind && !isnan(value) ? sign : "");
}

bool field_has_comma(const dialect *d, const char *text, size_t size)
{
    double value;
    int places;
    bool minus;
    char sign[FIELD_SIGN];
    const char *comma = memchr(text, ',', size);
    if (comma == NULL || d->decimal != 0)
        return false;
    strip_unit(&text, &size, sign, &minus);
    if (!read_grouped(',', text, size, &value, &places))
        return false;
    return d->separator != ',' || text + size - comma != 4; /* "1,234" is thousands there */
}

field_kind field_kind_of(const dialect *d, const char *text, size_t size, double *value,
                         int *places)
{
    if (field_is_number(d, text, size, value, places))
        return FIELD_NUMBER;
    if (field_has_comma(d, text, size))
        return FIELD_NUMBER;
    moment_format format;
    char sign[FIELD_SIGN];
    if (moment_read(text, size, value, &format) ||
        field_is_signed(d->decimal, text, size, sign, value, places)) {
        *places = 1;
        return FIELD_NUMBER;
    }
    return field_is_missing(d, text, size) ? FIELD_MISSING : FIELD_TEXT;
}
