/* dialect.c - see dialect.h. */
#include "data/dialect.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"

/* ---------------------------------------------------------------- separator */

typedef struct split {
    size_t fields, words; /* words: fields that are neither numbers nor missing */
} split;

static nicest_status split_line(const dialect *d, field_room *room, const record *r, split *s)
{
    *s = (split){0, 0};
    for (const char *p = r->begin, *text;; p++) {
        size_t size;
        double value;
        int places;
        TRY(field_take(d, room, &p, r->end, &text, &size));
        s->fields++;
        s->words += field_kind_of(d, text, size, &value, &places) == FIELD_TEXT;
        if (p == r->end)
            return NICEST_OK;
    }
}

/* Is this way of splitting the better one? Lines of one length count most, then columns at all,
 * then fields that are numbers, then columns. */
static bool better_split(const split *a, bool a_same, const split *b, bool b_same)
{
    if (a_same != b_same)
        return a_same;
    if ((a->fields > 1) != (b->fields > 1))
        return a->fields > 1;
    if (a->words != b->words)
        return a->words < b->words;
    return a->fields > b->fields;
}

/* "x" above "1,5": one column with decimal commas; a sign that does not occur separates. */
static bool is_lone_decimal(const dialect *d, const record *r)
{
    dialect other = *d;
    other.separator = ';';
    return r->end > r->begin && field_has_comma(&other, r->begin, (size_t)(r->end - r->begin));
}

nicest_status dialect_separator(dialect *d, const first_lines *lines, bool tabs)
{
    static const char SIGNS[] = ",;\t| ";
    OWNED_BY(field_room_close) field_room room = {0};
    record first, second = {0};
    bool there, two = false;
    if (d->separator != 0)
        return NICEST_OK;
    d->separator = tabs ? '\t' : ',';
    if (tabs)
        return NICEST_OK;
    for (int turn = 0; turn < 2; turn++) { /* without the second line, then with it */
        split best = {0, 0};
        bool best_same = false;
        size_t ways = 0; /* of splitting the first line */
        char chosen = ',';
        TRY(lines->at(lines->context, 0, &first, &there));
        for (const char *c = SIGNS; *c != '\0'; c++) {
            dialect other = *d;
            split one, under = {0, 0};
            other.separator = *c;
            TRY(split_line(&other, &room, &first, &one));
            if (*c == ' ' &&
                (memchr(first.begin, ',', (size_t)(first.end - first.begin)) ||
                 memchr(first.begin, ';', (size_t)(first.end - first.begin)) ||
                 memchr(first.begin, '|', (size_t)(first.end - first.begin))) &&
                one.words > 0)
                continue;
            ways += one.fields > 1;
            if (two)
                TRY(split_line(&other, &room, &second, &under));
            bool same = !two || under.fields == one.fields;
            if (two)
                one.words = under.words;
            if (best.fields == 0 || better_split(&one, same, &best, best_same)) {
                best = one;
                best_same = same;
                chosen = *c;
            }
        }
        d->separator = chosen;
        bool certain = best.fields > 1 && (best.words == 0 || (ways == 1 && chosen != ' '));
        if (turn > 0 || certain || (ways == 0 && best.words == 0))
            break;
        TRY(lines->at(lines->context, 1, &second, &two));
        if (!two)
            break;
        TRY(lines->at(lines->context, 0, &first, &there));
        if (ways == 0) {
            d->separator = is_lone_decimal(d, &second) ? ';' : ',';
            break;
        }
    }
    return NICEST_OK;
}

/* ---------------------------------------------------------------- header */

/* A column: its field in the first line, and what stands below it in the lines that were seen. */
typedef struct column_start {
    field_kind kind;
    double number;
    bool whole; /* `number` is written without decimals */
    double low, high;
    size_t numbers, words, fractions, again; /* again: the same word as in the first line */
} column_start;

typedef struct start {
    const dialect *d;
    const first_lines *lines;
    field_room room;
    column_start *column; /* [fields] */
    size_t fields, count[FIELD_TEXT + 1];
    size_t rows; /* below the first, so far */
    bool ragged; /* the second line has another number of fields */
    bool quoted; /* all fields of the first line are, and none of the second */
} start;

static nicest_status read_first(start *s)
{
    record r;
    bool there;
    size_t capacity = 0;
    TRY(s->lines->at(s->lines->context, 0, &r, &there));
    s->quoted = r.quoted;
    for (const char *p = r.begin, *text;; p++) {
        size_t size;
        int places = 0;
        TRY(check_memory(memory_grow(&s->column, s->fields + 1, &capacity, sizeof *s->column)));
        column_start *c = &s->column[s->fields++];
        *c = (column_start){.low = INFINITY, .high = -INFINITY};
        s->quoted = s->quoted && *p == '"';
        TRY(field_take(s->d, &s->room, &p, r.end, &text, &size));
        c->kind = field_kind_of(s->d, text, size, &c->number, &places);
        c->whole = places == 0 && c->number == floor(c->number);
        s->count[c->kind]++;
        if (p == r.end)
            return NICEST_OK;
    }
}

/* The next line below; *more is false where there is none, or enough were seen. */
static nicest_status read_below(start *s, bool *more)
{
    record first, r;
    OWNED_BY(field_room_close) field_room other = {0};
    *more = false;
    if (s->rows + 1 >= DIALECT_LINES)
        return NICEST_OK;
    TRY(s->lines->at(s->lines->context, s->rows + 1, &r, more));
    if (!*more)
        return NICEST_OK;
    TRY(s->lines->at(s->lines->context, 0, &first, more));
    s->quoted = s->quoted && !r.quoted;
    const char *q = first.begin, *p = r.begin, *text, *above;
    for (size_t j = 0;; j++, p++, q++) {
        size_t size, above_size;
        double value;
        int places;
        column_start *c = &s->column[j];
        TRY(field_take(s->d, &s->room, &p, r.end, &text, &size));
        TRY(field_take(s->d, &other, &q, first.end, &above, &above_size));
        field_kind kind = field_kind_of(s->d, text, size, &value, &places);
        c->words += kind == FIELD_TEXT;
        c->again += kind == FIELD_TEXT && size == above_size && memcmp(text, above, size) == 0;
        c->numbers += kind == FIELD_NUMBER;
        c->fractions += kind == FIELD_NUMBER && places > 0;
        if (kind == FIELD_NUMBER) {
            c->low = fmin(c->low, value);
            c->high = fmax(c->high, value);
        }
        if (p == r.end || q == first.end) {
            s->ragged = s->ragged || (s->rows == 0 && (p == r.end) != (q == first.end));
            break;
        }
    }
    s->rows++;
    return NICEST_OK;
}

/* Whole numbers in steps of one length: 0, 1, 2 or 2010, 2015, 2020; their *first and *stride. */
static bool numbers_count_on(const start *s, double *first, double *stride)
{
    size_t numbers = 0;
    double last = 0;
    *first = *stride = 0;
    for (size_t j = 0; j < s->fields; j++) {
        const column_start *c = &s->column[j];
        if (c->kind != FIELD_NUMBER)
            continue;
        double step = c->number - last;
        if (!c->whole || (numbers == 1 && step == 0) || (numbers > 1 && step != *stride))
            return false;
        *first = numbers == 0 ? c->number : *first;
        *stride = numbers > 0 ? step : 0;
        last = c->number;
        numbers++;
    }
    return numbers > 0;
}

/* Numbers of the first line that are none of their column's: above fractions or words alone, or
 * beyond the values of at least four rows. */
static size_t strangers(const start *s)
{
    size_t count = 0;
    for (size_t j = 0; j < s->fields; j++) {
        const column_start *c = &s->column[j];
        bool words = c->words > 0 && c->numbers == 0;
        bool fractions = c->numbers > 0 && c->fractions == c->numbers && s->rows > 1;
        bool beyond = c->numbers >= 4 && (c->number < c->low || c->number > c->high);
        count += c->kind == FIELD_NUMBER && (words || fractions || beyond);
    }
    return count;
}

/* Numbers alone are a row, but for names that count: pandas' 0, 1, 2, ... (an index may stand in
 * front, without a name), or years above values that are none. A grid that goes on counting is
 * rows. */
static nicest_status judge_numbers(start *s, bool *names)
{
    double first, stride;
    bool more = true, index = s->fields > 1 && s->column[0].kind == FIELD_MISSING;
    size_t numbers = s->count[FIELD_NUMBER];
    *names = false;
    if (s->quoted) {
        TRY(read_below(s, &more));
        *names = more && s->quoted;
        if (*names)
            return NICEST_OK;
    }
    if (!numbers_count_on(s, &first, &stride) || s->count[FIELD_MISSING] != index ||
        numbers + index < 2)
        return NICEST_OK;
    bool default_names = first == 0 && (stride == 1 || numbers == 1);
    if (!default_names && numbers < 3)
        return NICEST_OK;
    while (more && s->rows < 20)
        TRY(read_below(s, &more));
    const column_start *last = &s->column[s->fields - 1], *begin = &s->column[index];
    bool grid = begin->numbers > 0 && begin->low == last->number + stride && begin->fractions == 0;
    if (s->rows == 0 || s->ragged || grid)
        return NICEST_OK;
    if (index)
        *names = default_names && s->column[0].low == 0 && s->column[0].fractions == 0 &&
                 s->column[0].high == (double)(s->rows - 1);
    else if (default_names)
        *names = numbers >= 5 || strangers(s) > 0;
    else
        *names = strangers(s) == numbers && s->rows >= 4;
    return NICEST_OK;
}

/* A word above a number is a name. Words above words leave it open: then names that count decide,
 * and where there are words alone, whether they come again below as values do. */
static nicest_status judge_words(start *s, bool *names)
{
    double first, stride;
    bool more = true, decided = false, mixed = s->count[FIELD_NUMBER] > 0;
    size_t again = 0;
    *names = !mixed;
    while (!decided && more) {
        TRY(read_below(s, &more));
        bool words = false;
        decided = s->ragged;
        *names = *names || s->ragged;
        for (size_t j = 0; j < s->fields && more && !decided; j++) {
            const column_start *c = &s->column[j];
            words = words || (c->kind == FIELD_TEXT && c->words > 0);
            decided = c->kind == FIELD_TEXT && c->numbers > 0;
            *names = *names || decided;
        }
        decided = decided || (mixed && words);
    }
    if (mixed && !*names && numbers_count_on(s, &first, &stride)) {
        size_t numbers = s->count[FIELD_NUMBER];
        *names = s->rows > 0 && (numbers > 2 || (numbers == 2 && stride == 1));
    }
    for (size_t j = 0; j < s->fields && !mixed && !decided; j++)
        again += s->column[j].again > 0;
    if (again > 0 && 2 * again >= s->count[FIELD_TEXT])
        *names = false;
    return NICEST_OK;
}

static void start_close(start *s)
{
    memory_free(s->room.text);
    memory_free(s->column);
}

nicest_status dialect_find_header(const dialect *d, const first_lines *lines,
                                  dialect_header *header)
{
    OWNED_BY(start_close) start s = {.d = d, .lines = lines};
    dialect_header found = {0};
    TRY(read_first(&s));
    if (s.count[FIELD_TEXT] > 0) {
        TRY(judge_words(&s, &found.given));
        found.doubtful = s.count[FIELD_NUMBER] > 0 || !found.given;
    } else {
        TRY(judge_numbers(&s, &found.given));
        found.doubtful = found.of_numbers = found.given;
    }
    *header = found;
    return NICEST_OK;
}

nicest_status dialect_comment_names(const dialect *d, const char *text, size_t count, bool *names)
{
    const char *end = text + strlen(text);
    OWNED_BY(field_room_close) field_room room = {0};
    record r = {text, end, 0, memchr(text, '"', (size_t)(end - text)) != NULL};
    split s;
    TRY(split_line(d, &room, &r, &s));
    /* one word may name one column; a sentence does not */
    *names = s.fields == count && s.words == count && (count > 1 || strpbrk(text, " \t:") == NULL);
    return NICEST_OK;
}
