/* csv.c - rows of text, read in one pass through one buffer.
 *
 * A line without quotes goes straight from the buffer into numbers; anything unusual (quotes,
 * spaces, missing fields, labels, text) takes the slow way, field by field. Owns the buffer, the
 * header and the numbering of text labels. docs/decisions/0002-csv.md says why this is not a
 * library. */
#include "data/csv.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"
#include "base/number.h"
#include "base/status.h"

enum {
    FIRST_CAPACITY = 1 << 20,
    MOST_RECORD = 1 << 28, /* a quote that is never closed must not eat all memory */
    MOST_CATEGORIES = 10000,
    MOST_FIELDS = 1 << 20,  /* as columns of a model */
    FIRST_VALUES = 1 << 16, /* of the first block of rows */
    SHOWN = 40              /* bytes of a field in an error */
};

/* What a field is read for. */
enum { ROLE_DATA = 1, ROLE_LABEL = 2, ROLE_WHERE = 4 };

/* A text label and its number are two spellings of one thing. */
typedef struct category {
    char *text; /* NULL: a number */
    double number;
} category;

typedef struct categories {
    category *items;
    size_t count, capacity;
    bool textual; /* some label was text: then labels are the places in this list */
} categories;

struct csv_stream {
    file_reader *file;
    char *place;  /* path, or "standard input" */
    char *buffer; /* [capacity + 1]: a line feed always follows the last byte */
    size_t capacity, start, end, scanned;
    size_t held;   /* with `holding`: what lies here and behind stays in the buffer */
    bool holding;  /* while the first lines are looked at */
    bool finished; /* no more bytes will come */
    char separator;
    size_t line;         /* number of the line at `start`, from 1 */
    size_t rows;         /* data rows so far */
    size_t limit;        /* of rows, or 0: what lies behind them is not read */
    size_t fields;       /* of every line */
    char **names;        /* [fields] or NULL */
    unsigned char *role; /* [fields] */
    size_t *target;      /* [fields]: place in the row */
    selection chosen;
    char *text; /* a field without its quotes */
    size_t text_capacity;
    categories labels; /* distinct labels so far, in order of appearance */
};

typedef struct record {
    const char *begin, *end;
    size_t line;
    bool quoted; /* holds a quote somewhere */
} record;

/* A row in the making. */
typedef struct row_state {
    double *row;
    double label;
    bool keep;
    size_t bad_column; /* first field that is no number, or NO_COLUMN */
    char bad_text[SHOWN + 8];
} row_state;

/* ---------------------------------------------------------------- bytes */

static nicest_status grow(csv_stream *s)
{
    if (s->capacity >= MOST_RECORD)
        return fail(NICEST_E_DATA, "%s:%zu: a line or quoted field of more than %d MB", s->place,
                    s->line, MOST_RECORD >> 20);
    char *moved = memory_resize(s->buffer, s->capacity * 2 + 1, 1);
    if (moved == NULL)
        return fail_memory();
    s->buffer = moved;
    s->capacity *= 2;
    return NICEST_OK;
}

/* More bytes behind those that are there. */
static nicest_status refill(csv_stream *s)
{
    size_t done = s->holding ? s->held : s->start;
    if (done > 0) {
        memmove(s->buffer, s->buffer + done, s->end - done);
        s->end -= done;
        s->scanned -= done;
        s->start -= done;
        s->held = 0;
    }
    if (s->end == s->capacity)
        TRY(grow(s));
    size_t got;
    nicest_status status =
        file_reader_read(s->file, s->buffer + s->end, s->capacity - s->end, &got);
    if (status != NICEST_OK) /* NICEST_E_FORMAT is for lines, which a caller may skip */
        return status == NICEST_E_FORMAT ? NICEST_E_IO : status;
    s->finished = got == 0;
    s->end += got;
    s->buffer[s->end] = '\n';
    return NICEST_OK;
}

/* Until the buffer is full: a record with quotes is looked through anew after each refill, so
 * refills must double. */
static nicest_status refill_wholly(csv_stream *s)
{
    do
        TRY(refill(s));
    while (!s->finished && s->end < s->capacity);
    return NICEST_OK;
}

/* The line feed that ends the record at p, or NULL when the record goes on behind `end`. A quote
 * opens a quoted field only at the field's start. */
static const char *quoted_end(const csv_stream *s, const char *p, const char *end, bool *open)
{
    bool at_start = true;
    *open = false;
    for (; p < end; p++) {
        if (*open) {
            if (*p == '"' && p + 1 < end && p[1] == '"')
                p++;
            else if (*p == '"')
                *open = false;
        } else if (*p == '"' && at_start) {
            *open = true;
            at_start = false;
        } else if (*p == '\n') {
            return p;
        } else {
            at_start = *p == s->separator || (at_start && *p == ' ');
        }
    }
    return NULL;
}

/* The end of the record at `start` in what the buffer holds, or NULL. */
static const char *record_end(csv_stream *s, bool *quoted, bool *open)
{
    const char *start = s->buffer + s->start, *end = s->buffer + s->end;
    const char *feed = memchr(s->buffer + s->scanned, '\n', s->end - s->scanned);
    *open = false;
    s->scanned = s->end;
    if (feed == NULL)
        return NULL;
    s->scanned = (size_t)(feed - s->buffer);
    *quoted = memchr(start, '"', (size_t)(feed - start)) != NULL;
    return *quoted ? quoted_end(s, start, end, open) : feed;
}

static size_t count_lines(const char *p, const char *end)
{
    size_t lines = 0;
    while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        lines++;
        p++;
    }
    return lines;
}

/* The next record, blank ones included; *got is false at the end of the file. */
static nicest_status take_record(csv_stream *s, record *r, bool *got)
{
    bool quoted = false, open = false;
    const char *end;
    while ((end = record_end(s, &quoted, &open)) == NULL && !s->finished)
        TRY(quoted ? refill_wholly(s) : refill(s));
    if (end == NULL) { /* the last line, without a line feed */
        const char *start = s->buffer + s->start;
        end = s->buffer + s->end;
        quoted = memchr(start, '"', (size_t)(end - start)) != NULL;
        if (quoted)
            quoted_end(s, start, end, &open);
        if (open)
            return fail(NICEST_E_DATA, "%s:%zu: a quote is opened and never closed", s->place,
                        s->line);
    }
    *got = s->start < s->end;
    *r = (record){s->buffer + s->start, end, s->line, quoted};
    if (quoted)
        s->line += count_lines(r->begin, end);
    s->line++;
    s->start = (size_t)(end - s->buffer) + (end < s->buffer + s->end);
    s->scanned = s->start;
    if (r->end > r->begin && r->end[-1] == '\r')
        r->end--;
    return NICEST_OK;
}

static bool is_blank(const record *r)
{
    for (const char *p = r->begin; p < r->end; p++) {
        if (*p != ' ')
            return false;
    }
    return true;
}

static nicest_status next_record(csv_stream *s, record *r, bool *got)
{
    do
        TRY(take_record(s, r, got));
    while (*got && is_blank(r));
    return NICEST_OK;
}

/* ---------------------------------------------------------------- fields, one by one */

static void trim(const char **text, size_t *size)
{
    while (*size > 0 && (**text == ' ' || **text == '\t'))
        ++*text, --*size;
    while (*size > 0 && ((*text)[*size - 1] == ' ' || (*text)[*size - 1] == '\t'))
        --*size;
}

/* A quoted field without its quotes into s->text, ended by NUL; *p moves behind the closing quote
 * and what may follow it, to the separator or the end. */
static nicest_status unquote(csv_stream *s, const char **p, const char *end, size_t *size)
{
    size_t most = (size_t)(end - *p) + 1, used = 0;
    if (most > s->text_capacity) {
        char *moved = memory_resize(s->text, most, 1);
        if (moved == NULL)
            return fail_memory();
        s->text = moved;
        s->text_capacity = most;
    }
    const char *q = *p + 1;
    for (; q < end && (*q != '"' || (q + 1 < end && q[1] == '"')); q++) {
        if (*q == '"')
            q++;
        s->text[used++] = *q;
    }
    for (q += q < end; q < end && *q != s->separator; q++)
        s->text[used++] = *q;
    s->text[used] = '\0';
    *size = used;
    *p = q;
    return NICEST_OK;
}

/* The field at *p, trimmed; *p moves to its separator or to the end. text[size] ends a number. */
static nicest_status take_field(csv_stream *s, const char **p, const char *end, const char **text,
                                size_t *size)
{
    const char *start = *p;
    while (start < end && *start == ' ')
        start++;
    if (start < end && *start == '"') {
        *p = start;
        TRY(unquote(s, p, end, size));
        *text = s->text;
    } else {
        const char *stop = memchr(*p, s->separator, (size_t)(end - *p));
        *text = *p;
        *p = stop != NULL ? stop : end;
        *size = (size_t)(*p - *text);
    }
    trim(text, size);
    return NICEST_OK;
}

bool csv_is_missing(const char *text, size_t size)
{
    static const char *const WORDS[] = {"", "?", "na", "n/a", "#n/a", "nan", "-nan", "null"};
    for (size_t w = 0; w < sizeof WORDS / sizeof *WORDS; w++) {
        size_t i = 0;
        while (i < size && WORDS[w][i] != '\0' &&
               (text[i] == WORDS[w][i] || (char)(text[i] | 0x20) == WORDS[w][i]))
            i++;
        if (i == size && WORDS[w][i] == '\0')
            return true;
    }
    return false;
}

/* ---------------------------------------------------------------- labels */

static bool same_category(const category *c, bool is_number, double number, const char *text,
                          size_t size)
{
    if (is_number || c->text == NULL)
        return is_number && c->text == NULL && c->number == number;
    return strlen(c->text) == size && memcmp(c->text, text, size) == 0;
}

static nicest_status add_category(csv_stream *s, bool is_number, double number, const char *text,
                                  size_t size)
{
    categories *c = &s->labels;
    if (c->count == c->capacity) {
        size_t capacity = c->capacity * 2 + 16;
        category *moved = memory_resize(c->items, capacity, sizeof *moved);
        if (moved == NULL)
            return fail_memory();
        c->items = moved;
        c->capacity = capacity;
    }
    char *copy = is_number ? NULL : memory_format("%.*s", (int)size, text);
    if (!is_number && copy == NULL)
        return fail_memory();
    c->textual = c->textual || !is_number;
    c->items[c->count++] = (category){copy, number};
    return NICEST_OK;
}

/* *label is the place in the list, or the number itself where the list is full of numbers only. */
static nicest_status read_label(csv_stream *s, const char *text, size_t size, size_t line,
                                double *label)
{
    double number = 0;
    *label = NAN;
    if (csv_is_missing(text, size))
        return NICEST_OK;
    bool is_number = number_read(text, size, &number);
    if (is_number && !s->labels.textual) {
        *label = number;
        if (s->labels.count > MOST_CATEGORIES) /* measured, not counted: no text may follow */
            return NICEST_OK;
    }
    size_t i = 0;
    while (i < s->labels.count &&
           !same_category(&s->labels.items[i], is_number, number, text, size))
        i++;
    if (i == s->labels.count && i > MOST_CATEGORIES)
        return fail(NICEST_E_DATA, "%s:%zu: the label column has text and more than %d values",
                    s->place, line, MOST_CATEGORIES);
    if (i == s->labels.count)
        TRY(add_category(s, is_number, number, text, size));
    if (s->labels.textual)
        *label = (double)i;
    return NICEST_OK;
}

/* Labels that were read as numbers before the first text appeared become places. */
static void number_labels(const categories *c, double *labels, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t k = 0;
        while (k < c->count && (c->items[k].text != NULL || c->items[k].number != labels[i]))
            k++;
        if (k < c->count)
            labels[i] = (double)k;
    }
}

static void categories_close(categories *c)
{
    for (size_t i = 0; i < c->count; i++)
        memory_free(c->items[i].text);
    memory_free(c->items);
}

/* ---------------------------------------------------------------- a row */

static bool where_matches(const selection *chosen, const char *text, size_t size)
{
    double number;
    if (number_read(text, size, &number))
        return selection_keeps_number(chosen, number);
    return strlen(chosen->where_text) == size && memcmp(chosen->where_text, text, size) == 0;
}

static nicest_status read_field(csv_stream *s, size_t column, const char *text, size_t size,
                                size_t line, row_state *state)
{
    unsigned role = s->role[column];
    if (role & ROLE_WHERE)
        state->keep = where_matches(&s->chosen, text, size);
    if (role & ROLE_LABEL)
        TRY(read_label(s, text, size, line, &state->label));
    if (!(role & ROLE_DATA))
        return NICEST_OK;
    double *value = &state->row[s->target[column]];
    *value = NAN;
    if (number_read(text, size, value) || csv_is_missing(text, size))
        return NICEST_OK;
    if (state->bad_column == NO_COLUMN) {
        size_t shown = size < SHOWN ? size : SHOWN;
        state->bad_column = column;
        memcpy(state->bad_text, text, shown);
        strcpy(state->bad_text + shown, shown < size ? "..." : "");
    }
    return NICEST_OK;
}

static nicest_status fail_fields(const csv_stream *s, const record *r, size_t count)
{
    return fail(NICEST_E_FORMAT, "%s:%zu: %s%zu fields, expected %zu", s->place, r->line,
                count > s->fields ? "more than " : "", count > s->fields ? s->fields : count,
                s->fields);
}

/* Fields of any kind. */
static nicest_status read_slowly(csv_stream *s, const record *r, row_state *state)
{
    const char *p = r->begin, *text;
    size_t size, column = 0;
    for (;; p++, column++) {
        if (column == s->fields)
            return fail_fields(s, r, column + 1);
        TRY(take_field(s, &p, r->end, &text, &size));
        if (s->role[column] != 0)
            TRY(read_field(s, column, text, size, r->line, state));
        if (p == r->end)
            break;
    }
    return column + 1 == s->fields ? NICEST_OK : fail_fields(s, r, column + 1);
}

/* A line without quotes. Every pass of the loop ends with p at a separator or at the end. */
static nicest_status read_quickly(csv_stream *s, const record *r, row_state *state)
{
    const char *p = r->begin, *end = r->end, *text, *stop;
    const char separator = s->separator;
    size_t size, column = 0, fields = s->fields;
    for (;; p++, column++) {
        if (column == fields)
            return fail_fields(s, r, column + 1);
        if (s->role[column] == ROLE_DATA &&
            (stop = number_scan(p, &state->row[s->target[column]])) != NULL &&
            (*stop == separator || stop == end)) {
            p = stop;
        } else {
            TRY(take_field(s, &p, end, &text, &size));
            if (s->role[column] != 0)
                TRY(read_field(s, column, text, size, r->line, state));
        }
        if (p == end)
            break;
    }
    return column + 1 == fields ? NICEST_OK : fail_fields(s, r, column + 1);
}

static const char *column_name(const csv_stream *s, size_t column)
{
    return s->names != NULL ? s->names[column] : NULL;
}

static nicest_status fail_number(const csv_stream *s, const record *r, const row_state *state)
{
    const char *name = column_name(s, state->bad_column);
    return fail(NICEST_E_FORMAT, "%s:%zu: column %zu%s%s%s: '%s' is not a number", s->place,
                r->line, state->bad_column + 1, name != NULL ? " (" : "", name != NULL ? name : "",
                name != NULL ? ")" : "", state->bad_text);
}

static nicest_status next_row(csv_stream *s, double *row, double *label, bool *got)
{
    record r;
    for (;;) {
        *got = false;
        if (s->limit > 0 && s->rows >= s->limit)
            return NICEST_OK;
        TRY(next_record(s, &r, got));
        if (!*got)
            return NICEST_OK;
        row_state state = {row, NAN, true, NO_COLUMN, ""};
        s->rows++;
        TRY(r.quoted ? read_slowly(s, &r, &state) : read_quickly(s, &r, &state));
        if (!state.keep)
            continue;
        if (state.bad_column != NO_COLUMN)
            return fail_number(s, &r, &state);
        *label = state.label;
        return NICEST_OK;
    }
}

nicest_status csv_next(csv_stream *stream, double *row, bool *got)
{
    double label;
    return next_row(stream, row, &label, got);
}

bool csv_would_wait(const csv_stream *s)
{
    return !s->finished && !memchr(s->buffer + s->scanned, '\n', s->end - s->scanned) &&
           file_reader_would_wait(s->file);
}

/* ---------------------------------------------------------------- the first line */

/* Outside quotes. */
static size_t count_of(char c, const record *r)
{
    size_t count = 0;
    bool inside = false;
    for (const char *p = r->begin; p < r->end; p++) {
        inside = *p == '"' ? !inside : inside;
        count += *p == c && !inside;
    }
    return count;
}

static bool is_tsv(const char *path)
{
    size_t length = strlen(path);
    return (length >= 4 && strcmp(path + length - 4, ".tsv") == 0) ||
           (length >= 7 && strcmp(path + length - 7, ".tsv.gz") == 0);
}

/* The candidate that stands most often in the first line, and as often in the second if any does
 * (names may hold a comma); a comma when in doubt. */
static char find_separator(const char *path, const record *first, const record *second)
{
    static const char candidates[] = ",;\t";
    char best[2] = {',', 0};
    size_t most[2] = {0, 0};
    if (is_tsv(path))
        return '\t';
    for (const char *c = candidates; *c; c++) {
        size_t count = count_of(*c, first);
        bool same = second && count_of(*c, second) == count;
        if (count > most[0]) {
            most[0] = count;
            best[0] = *c;
        }
        if (same && count > most[1]) {
            most[1] = count;
            best[1] = *c;
        }
    }
    return best[1] ? best[1] : best[0];
}

typedef enum field_kind { FIELD_NUMBER, FIELD_MISSING, FIELD_TEXT } field_kind;

static nicest_status take_kind(csv_stream *s, const char **p, const char *end, field_kind *kind,
                               double *number)
{
    const char *text;
    size_t size;
    TRY(take_field(s, p, end, &text, &size));
    *kind = number_read(text, size, number) ? FIELD_NUMBER
            : csv_is_missing(text, size)    ? FIELD_MISSING
                                            : FIELD_TEXT;
    return NICEST_OK;
}

/* What kinds of fields the first line has. */
static nicest_status count_fields(csv_stream *s, const record *r, size_t kinds[FIELD_TEXT + 1])
{
    double number;
    for (const char *p = r->begin;; p++) {
        field_kind kind;
        TRY(take_kind(s, &p, r->end, &kind, &number));
        kinds[kind]++;
        if (++s->fields > MOST_FIELDS)
            return fail(NICEST_E_DATA, "%s:%zu: more than %d columns", s->place, r->line,
                        MOST_FIELDS);
        if (p == r->end)
            return NICEST_OK;
    }
}

/* A first line of words and numbers is names where a word stands above a number or nothing. Where
 * words stand above words only, a column may be of words and the line a row like others; or the
 * line is names that count: 2019, 2020 or 400, 410, 420. */
static nicest_status compare_lines(csv_stream *s, const record *first, const record *second,
                                   bool *header)
{
    const char *p = first->begin, *q = second->begin;
    double number = 0, last = 0, stride = 0, below;
    size_t numbers = 0;
    bool counts = true; /* in whole steps, all of one length */
    for (;; p++, q++) {
        field_kind above, under;
        TRY(take_kind(s, &p, first->end, &above, &number));
        TRY(take_kind(s, &q, second->end, &under, &below));
        *header = above == FIELD_TEXT && under != FIELD_TEXT;
        if (above == FIELD_NUMBER) {
            double step = number - last;
            counts = counts && number == floor(number) &&
                     (numbers == 0 || (numbers == 1 ? step != 0 : step == stride));
            stride = step;
            last = number;
            numbers++;
        }
        if (*header || p == first->end || q == second->end)
            break;
    }
    bool names = counts && (numbers > 2 || (numbers == 2 && stride == 1));
    *header = *header || (p == first->end) != (q == second->end) || names;
    return NICEST_OK;
}

static nicest_status read_names(csv_stream *s, const record *r)
{
    const char *p = r->begin, *text;
    size_t size;
    s->names = memory_new(s->fields, sizeof *s->names);
    if (s->names == NULL)
        return fail_memory();
    for (size_t j = 0; j < s->fields; j++, p++) {
        TRY(take_field(s, &p, r->end, &text, &size));
        s->names[j] =
            size > 0 ? memory_format("%.*s", (int)size, text) : memory_format("x%zu", j + 1);
        if (s->names[j] == NULL)
            return fail_memory();
    }
    return NICEST_OK;
}

static nicest_status give_roles(csv_stream *s, const nicest_data_options *options)
{
    column_list list = {s->place, s->names, s->fields, s->fields};
    TRY(selection_make(&s->chosen, &list, options));
    s->role = memory_new(s->fields, 1);
    s->target = memory_new(s->fields, sizeof *s->target);
    if (s->role == NULL || s->target == NULL)
        return fail_memory();
    for (size_t j = 0; j < s->chosen.count; j++) {
        s->role[s->chosen.columns[j]] = ROLE_DATA;
        s->target[s->chosen.columns[j]] = j;
    }
    if (s->chosen.label != NO_COLUMN)
        s->role[s->chosen.label] |= ROLE_LABEL;
    if (s->chosen.where != NO_COLUMN)
        s->role[s->chosen.where] |= ROLE_WHERE;
    return NICEST_OK;
}

/* Byte order marks; a NUL byte near the start means that this is no text that we know. */
static nicest_status check_start(csv_stream *s)
{
    while (s->end < 4 && !s->finished)
        TRY(refill(s));
    if (s->end >= 3 && memcmp(s->buffer, "\xEF\xBB\xBF", 3) == 0)
        s->start = s->scanned = 3;
    if (memchr(s->buffer, '\0', s->end < 4096 ? s->end : 4096) != NULL)
        return fail(NICEST_E_FORMAT, "%s: is not CSV: it holds zero bytes (UTF-16 or binary)",
                    s->place);
    return NICEST_OK;
}

/* The second record, while the first stays where it is in the buffer (which may move). A line that
 * cannot be read says so when its turn comes. */
static nicest_status look_ahead(csv_stream *s, record *first, record *second, bool *more)
{
    size_t length = (size_t)(first->end - first->begin);
    s->held = (size_t)(first->begin - s->buffer);
    s->holding = true;
    nicest_status status = next_record(s, second, more);
    *more = *more && status == NICEST_OK;
    if (status != NICEST_OK && status != NICEST_E_DATA)
        return status;
    first->begin = s->buffer + s->held;
    first->end = first->begin + length;
    return NICEST_OK;
}

/* Words alone are names, and numbers alone a row, which must not wait for the next one: only of
 * both, or where two signs could separate, the second line is asked. */
static bool is_doubtful(const char *path, const record *first, size_t numbers)
{
    size_t signs =
        (count_of(',', first) > 0) + (count_of(';', first) > 0) + (count_of('\t', first) > 0);
    return numbers > 0 || (signs > 1 && !is_tsv(path));
}

static nicest_status read_start(csv_stream *s, const char *path, const nicest_data_options *options)
{
    record first, second;
    bool got, more = false;
    size_t kinds[FIELD_TEXT + 1] = {0};
    TRY(check_start(s));
    TRY(next_record(s, &first, &got));
    if (!got)
        return fail(NICEST_E_DATA, "%s: is empty", s->place);
    size_t behind = s->start - (size_t)(first.begin - s->buffer), line = s->line;
    s->separator = find_separator(path, &first, NULL);
    TRY(count_fields(s, &first, kinds));
    if (kinds[FIELD_TEXT] > 0 && is_doubtful(path, &first, kinds[FIELD_NUMBER])) {
        TRY(look_ahead(s, &first, &second, &more));
        s->separator = find_separator(path, &first, more ? &second : NULL);
        s->fields = 0;
        memset(kinds, 0, sizeof kinds);
        TRY(count_fields(s, &first, kinds));
    }
    bool header = kinds[FIELD_TEXT] > 0;
    if (header && kinds[FIELD_NUMBER] > 0) {
        header = false; /* of one line alone */
        if (more)
            TRY(compare_lines(s, &first, &second, &header));
    }
    if (header)
        TRY(read_names(s, &first));
    s->start = s->scanned = (size_t)(first.begin - s->buffer) + (header ? behind : 0);
    s->line = header ? line : first.line; /* a row will be read again */
    s->holding = false;
    return give_roles(s, options);
}

nicest_status csv_open(csv_stream **stream, const char *path, const nicest_data_options *options)
{
    csv_stream *s = memory_new(1, sizeof *s);
    if (s == NULL)
        return fail_memory();
    nicest_status status = NICEST_OK;
    s->capacity = FIRST_CAPACITY;
    s->line = 1;
    s->separator = ',';
    s->place = memory_text(strcmp(path, "-") == 0 ? "standard input" : path);
    s->buffer = memory_new(s->capacity + 1, 1);
    if (s->place == NULL || s->buffer == NULL)
        status = fail_memory();
    if (status == NICEST_OK)
        status = file_reader_open(&s->file, path);
    if (status == NICEST_OK)
        status = read_start(s, path, options);
    if (status != NICEST_OK)
        csv_close(s);
    else
        *stream = s;
    return status;
}

void csv_close(csv_stream *stream)
{
    if (stream == NULL)
        return;
    file_reader_close(stream->file);
    selection_close(&stream->chosen);
    categories_close(&stream->labels);
    source_texts_free(stream->names, stream->fields);
    memory_free(stream->role);
    memory_free(stream->target);
    memory_free(stream->text);
    memory_free(stream->buffer);
    memory_free(stream->place);
    memory_free(stream);
}

size_t csv_columns(const csv_stream *stream)
{
    return stream->chosen.count;
}

nicest_status csv_column_names(char ***names, const csv_stream *stream)
{
    size_t count = stream->chosen.count;
    *names = memory_new(count, sizeof **names);
    if (*names == NULL)
        return fail_memory();
    for (size_t j = 0; j < count; j++) {
        size_t field = stream->chosen.columns[j];
        (*names)[j] = stream->names != NULL ? memory_text(stream->names[field])
                                            : memory_format("x%zu", field + 1);
        if ((*names)[j] == NULL)
            return fail_memory();
    }
    return NICEST_OK;
}

size_t csv_row_number(const csv_stream *stream)
{
    return stream->rows - 1;
}

/* ---------------------------------------------------------------- a whole file */

/* Rows that are there so far. */
typedef struct gathered {
    double *values, *labels;
    size_t *numbers; /* of the rows in the file: only where a slice needs them */
    size_t rows, capacity;
} gathered;

static nicest_status grow_block(void *block, size_t count, size_t size)
{
    void *old, *moved;
    memcpy(&old, block, sizeof old);
    moved = memory_resize(old, count, size);
    if (moved == NULL)
        return fail_memory();
    memcpy(block, &moved, sizeof moved);
    return NICEST_OK;
}

static nicest_status make_room(gathered *g, const csv_stream *s, bool sliced)
{
    size_t columns = s->chosen.count, capacity = g->capacity * 2;
    if (capacity == 0) /* a wide table of a few rows needs no more than that */
        capacity = columns < FIRST_VALUES / 2 ? FIRST_VALUES / columns : 2;
    if (capacity > SIZE_MAX / sizeof(double) / columns)
        return fail_memory();
    TRY(grow_block(&g->values, capacity * columns, sizeof *g->values));
    if (s->chosen.label != NO_COLUMN)
        TRY(grow_block(&g->labels, capacity, sizeof *g->labels));
    if (sliced)
        TRY(grow_block(&g->numbers, capacity, sizeof *g->numbers));
    g->capacity = capacity;
    return NICEST_OK;
}

static nicest_status gather_rows(gathered *g, csv_stream *s, slice part)
{
    size_t columns = s->chosen.count;
    bool counted = part.given && part.first >= 0 && part.end >= 0; /* from the beginning */
    s->limit = counted ? (size_t)part.end : 0;
    for (bool got;;) {
        double label;
        if (g->rows == g->capacity)
            TRY(make_room(g, s, part.given));
        bool textual = s->labels.textual;
        TRY(next_row(s, g->values + g->rows * columns, &label, &got));
        if (s->labels.textual && !textual)
            number_labels(&s->labels, g->labels, g->rows);
        if (!got)
            return NICEST_OK;
        long long number = (long long)csv_row_number(s);
        if (counted && number >= part.end)
            return NICEST_OK;
        if (part.given && part.first >= 0 && number < part.first)
            continue;
        if (g->labels != NULL)
            g->labels[g->rows] = label;
        if (g->numbers != NULL)
            g->numbers[g->rows] = (size_t)number;
        g->rows++;
    }
}

/* Bounds that count from the end are known only now. */
static nicest_status cut(gathered *g, const csv_stream *s, slice part)
{
    size_t first, count, kept = 0, columns = s->chosen.count;
    TRY(slice_apply(part, s->place, s->rows, &first, &count));
    for (size_t i = 0; part.given && i < g->rows; i++) {
        if (g->numbers[i] < first || g->numbers[i] - first >= count)
            continue;
        memmove(g->values + kept * columns, g->values + i * columns, columns * sizeof *g->values);
        if (g->labels != NULL)
            g->labels[kept] = g->labels[i];
        kept++;
    }
    if (part.given)
        g->rows = kept;
    return NICEST_OK;
}

static nicest_status choose_names(source_table *t, const csv_stream *s)
{
    if (s->names == NULL && s->chosen.all)
        return NICEST_OK;
    return csv_column_names(&t->names, s);
}

/* Numbers among text are spelt like it. */
static nicest_status copy_label_texts(source_table *t, const categories *c)
{
    if (!c->textual)
        return NICEST_OK;
    t->label_texts = memory_new(c->count, sizeof *t->label_texts);
    if (t->label_texts == NULL)
        return fail_memory();
    t->label_text_count = c->count;
    for (size_t i = 0; i < c->count; i++) {
        const category *item = &c->items[i]; /* + 0.0: a zero is "0", whatever its sign */
        t->label_texts[i] = item->text != NULL ? memory_text(item->text)
                                               : memory_format("%.15g", item->number + 0.0);
        if (t->label_texts[i] == NULL)
            return fail_memory();
    }
    return NICEST_OK;
}

/* Takes the blocks of `g`. */
static nicest_status make_data(nicest_data **data, gathered *g, const csv_stream *s,
                               const nicest_data_options *options)
{
    unsigned size[3] = {0, 0, 0};
    TRY(selection_picture(s->place, options, s->chosen.count, false, size));
    source_table table = {.kind = "csv",
                          .type = VALUE_F64,
                          .block = g->values,
                          .values = (unsigned char *)g->values,
                          .rows = g->rows,
                          .columns = s->chosen.count,
                          .row_stride = s->chosen.count * sizeof(double),
                          .column_stride = sizeof(double),
                          .height = size[0],
                          .width = size[1],
                          .channels = size[2],
                          .labels = g->labels};
    g->values = g->labels = NULL;
    nicest_status status = choose_names(&table, s);
    if (status == NICEST_OK)
        status = copy_label_texts(&table, &s->labels);
    if (status != NICEST_OK) {
        source_table_close(&table);
        return status;
    }
    return source_from_table(data, &table);
}

nicest_status csv_load(nicest_data **data, const char *path, slice part,
                       const nicest_data_options *options)
{
    csv_stream *s;
    gathered g = {0};
    TRY(csv_open(&s, path, options));
    file_reader_limit(s->file, FILE_MOST_INFLATED); /* what is streamed needs none */
    nicest_status status = NICEST_OK;
    TRY_TO(gather_rows(&g, s, part));
    TRY_TO(cut(&g, s, part));
    if (g.rows == 0) {
        status = selection_nothing(s->place, options != NULL ? options->where : "");
        goto done;
    }
    TRY_TO(make_data(data, &g, s, options));
done:
    memory_free(g.values);
    memory_free(g.labels);
    memory_free(g.numbers);
    csv_close(s);
    return status;
}
