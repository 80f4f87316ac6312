/* csv.c - rows of text, read in one pass through one buffer.
 *
 * A line without quotes goes straight from the buffer into numbers; anything unusual (quotes,
 * spaces, missing fields, labels, text) takes the slow way, field by field. Owns the buffer, the
 * header and the numbering of text labels. docs/decisions/0002-csv.md says why this is not a
 * library. */
#include "data/csv.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/number.h"
#include "base/status.h"
#include "data/dialect.h"
#include "data/text_column.h"

enum {
    FIRST_CAPACITY = 1 << 20,
    MOST_RECORD = 1 << 28,  /* a quote that is never closed must not eat all memory */
    MOST_FIELDS = 1 << 20,  /* as columns of a model */
    FIRST_VALUES = 1 << 16, /* of the first block of rows */
    SHOWN = 40              /* bytes of a field in an error */
};

/* What a field is read for. */
enum {
    ROLE_DATA = 1,
    ROLE_LABEL = 2,
    ROLE_WHERE = 4,
    ROLE_TEXT = 8 /* data, but no numbers: not for the quick way */
};

/* A line in the buffer. */
typedef struct place {
    size_t begin, end, line;
    bool quoted;
} place;

struct csv_stream {
    file_reader *file;
    char *place;  /* path, or "standard input" */
    char *buffer; /* [capacity + 1]: a line feed always follows the last byte */
    size_t capacity, start, end, scanned;
    size_t held;     /* with `holding`: what lies here and behind stays in the buffer */
    bool holding;    /* while the first lines are looked at */
    bool finished;   /* no more bytes will come */
    bool text;       /* known to be one: a zero byte is no part of it */
    bool old_ends;   /* lines end with CR alone; it becomes LF in the buffer */
    dialect how;     /* how fields are written */
    bool hash;       /* nobody spoke of comments: a line of # is one where it is no row */
    char *remark;    /* the last comment before the first row, without its sign */
    size_t comments; /* lines so far */
    char *missing;   /* more words for a missing value */
    char *note;      /* what was chosen from the first lines */
    place shown[DIALECT_LINES]; /* lines that were looked at, from `held` on */
    size_t shown_count;
    size_t line;         /* number of the line at `start`, from 1 */
    size_t rows;         /* data rows so far */
    size_t limit;        /* of rows, or 0: what lies behind them is not read */
    size_t fields;       /* of every line */
    char **names;        /* [fields] or NULL */
    unsigned char *role; /* [fields] */
    size_t *target;      /* [fields]: place in the row */
    selection chosen;
    field_room room;
    text_column *column; /* [chosen.count] */
    text_column label;
};

/* A row in the making. */
typedef struct row_state {
    double *row;
    double label;
    bool keep;
    size_t bad_column; /* first field that is no number, or NO_COLUMN */
    char bad_text[SHOWN + 8];
} row_state;

/* ---------------------------------------------------------------- bytes */

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
    if (s->end == s->capacity) {
        if (s->capacity >= MOST_RECORD)
            return fail(NICEST_E_DATA, "%s:%zu: a line or quoted field of more than %d MB",
                        s->place, s->line, MOST_RECORD >> 20);
        char *moved = memory_resize(s->buffer, s->capacity * 2 + 1, 1);
        TRY(check_memory(moved));
        s->buffer = moved;
        s->capacity *= 2;
    }
    size_t got;
    nicest_status status =
        file_reader_read(s->file, s->buffer + s->end, s->capacity - s->end, &got);
    if (status != NICEST_OK) /* NICEST_E_FORMAT is for lines, which a caller may skip */
        return status == NICEST_E_FORMAT ? NICEST_E_IO : status;
    if (s->text && memchr(s->buffer + s->end, '\0', got) != NULL)
        return fail(NICEST_E_DATA, "%s: holds zero bytes behind line %zu, as a damaged file does",
                    s->place, s->line);
    s->finished = got == 0;
    for (char *p = s->buffer + s->end, *end = p + got; s->old_ends && p < end; p++)
        *p = *p == '\r' ? '\n' : *p;
    s->end += got;
    s->buffer[s->end] = '\n';
    return NICEST_OK;
}

/* Before the separator is known, any sign may be it. */
static bool separates(const csv_stream *s, char c)
{
    return s->how.separator != 0 ? field_separates(&s->how, c) : strchr(",;\t|", c) != NULL;
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
            at_start = separates(s, *p) || (at_start && *p == ' ');
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

/* The next record, blank ones included; *got is false at the end of the file. */
static nicest_status take_record(csv_stream *s, record *r, bool *got)
{
    bool quoted = false, open = false;
    const char *end;
    /* A record with quotes is looked through anew after each refill, so refills must double. */
    while ((end = record_end(s, &quoted, &open)) == NULL && !s->finished)
        do
            TRY(refill(s));
        while (quoted && !s->finished && s->end < s->capacity);
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
    if (quoted) {
        const char *p = r->begin;
        size_t lines = 0;
        while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
            lines++;
            p++;
        }
        s->line += lines;
    }
    s->line++;
    s->start = (size_t)(end - s->buffer) + (end < s->buffer + s->end);
    s->scanned = s->start;
    if (r->end > r->begin && r->end[-1] == '\r')
        r->end--;
    return NICEST_OK;
}

/* A comment, or blank; but a tab-separated line of missing values is a row. */
static bool is_nothing(csv_stream *s, const record *r)
{
    if (s->how.comment != 0 && r->begin < r->end && *r->begin == s->how.comment) {
        s->comments++;
        return true;
    }
    const char *p = r->begin;
    while (p < r->end && (*p == ' ' || *p == '\t' || *p == '\r'))
        p++;
    return p == r->end && (s->how.separator != '\t' || r->begin == r->end);
}

static nicest_status next_record(csv_stream *s, record *r, bool *got)
{
    do
        TRY(take_record(s, r, got));
    while (*got && is_nothing(s, r));
    return NICEST_OK;
}

/* ---------------------------------------------------------------- a row */

static nicest_status read_field(csv_stream *s, size_t column, const char *text, size_t size,
                                size_t line, row_state *state)
{
    unsigned role = s->role[column];
    bool good = true;
    double number;
    if (role & ROLE_WHERE)
        state->keep = number_read(text, size, &number)
                          ? selection_keeps_number(&s->chosen, number)
                          : strlen(s->chosen.where_text) == size &&
                                memcmp(s->chosen.where_text, text, size) == 0;
    if ((role & (ROLE_DATA | ROLE_LABEL)) && field_has_comma(&s->how, text, size)) {
        /* The first number with a comma, where none had a point so far. */
        size_t j = 0;
        while (j < s->chosen.count && s->column[j].decimals <= 0)
            j++;
        s->how.decimal = j == s->chosen.count ? ',' : s->how.decimal;
    }
    if (role & ROLE_LABEL)
        TRY(text_column_take(&s->label, &s->how, text, size, line, &state->label, &good));
    if (!(role & ROLE_DATA))
        return NICEST_OK;
    text_column *c = &s->column[s->target[column]];
    TRY(text_column_take(c, &s->how, text, size, line, &state->row[s->target[column]], &good));
    if (c->content > HOLDS_NUMBERS)
        s->role[column] |= ROLE_TEXT;
    if (!good && state->bad_column == NO_COLUMN) {
        size_t shown = size < SHOWN ? size : SHOWN;
        state->bad_column = column;
        memcpy(state->bad_text, text, shown);
        strcpy(state->bad_text + shown, shown < size ? "..." : "");
    }
    return NICEST_OK;
}

static nicest_status fail_fields(const csv_stream *s, const record *r, size_t count)
{
    return fail(NICEST_E_FORMAT, "%s:%zu: %s%zu field%s, expected %zu", s->place, r->line,
                count > s->fields ? "more than " : "", count > s->fields ? s->fields : count,
                count == 1 ? "" : "s", s->fields);
}

/* The fields of a line. Every pass of the loop ends with p at a separator or at the end. Numbers of
 * a line without quotes go straight from the buffer into the row. */
static nicest_status read_fields(csv_stream *s, const record *r, row_state *state)
{
    const char *p = r->begin, *end = r->end, *text, *stop;
    const char separator = s->how.separator == ' ' ? '\n' : s->how.separator;
    size_t size, column = 0, fields = s->fields;
    int places;
    bool quick = !r->quoted && !s->how.missing_numbers && s->how.decimal != ',';
    for (;; p++, column++) {
        if (column == fields)
            return fail_fields(s, r, column + 1);
        if (quick && s->role[column] == ROLE_DATA &&
            (stop = number_scan(p, &state->row[s->target[column]], &places)) != NULL &&
            (*stop == separator || stop == end)) {
            text_column *c = &s->column[s->target[column]];
            c->decimals = places > c->decimals ? places : c->decimals;
            if (c->width >= 0)
                text_column_width(c, p, (size_t)(stop - p));
            p = stop;
        } else {
            TRY(field_take(&s->how, &s->room, &p, end, &text, &size));
            if (s->role[column] != 0)
                TRY(read_field(s, column, text, size, r->line, state));
        }
        if (p == end)
            break;
    }
    return column + 1 == fields ? NICEST_OK : fail_fields(s, r, column + 1);
}

static nicest_status count_fields(csv_stream *s, const dialect *how, const record *r, size_t *count)
{
    const char *text;
    size_t size;
    *count = 0;
    for (const char *p = r->begin;; p++) {
        TRY(field_take(how, &s->room, &p, r->end, &text, &size));
        ++*count;
        if (p == r->end)
            return NICEST_OK;
    }
}

static const char *field_name(const csv_stream *s, size_t column)
{
    return s->names != NULL ? s->names[column] : NULL;
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
        if (s->hash && *r.begin == '#') {
            size_t fields;
            TRY(count_fields(s, &s->how, &r, &fields));
            if (fields != s->fields || fields == 1) { /* it is no row */
                s->comments++;
                continue;
            }
        }
        s->rows++;
        TRY(read_fields(s, &r, &state));
        if (!state.keep)
            continue;
        if (state.bad_column != NO_COLUMN) {
            const char *name = field_name(s, state.bad_column);
            bool times = s->column[s->target[state.bad_column]].content == HOLDS_TIMES;
            return fail(NICEST_E_FORMAT, "%s:%zu: column %zu%s%s%s: '%s' is not a %s", s->place,
                        r.line, state.bad_column + 1, name != NULL ? " (" : "",
                        name != NULL ? name : "", name != NULL ? ")" : "", state.bad_text,
                        times ? "time like those before it" : "number");
        }
        *label = state.label;
        return NICEST_OK;
    }
}

nicest_status csv_next(csv_stream *stream, double *row, bool *got)
{
    double label;
    TRY(next_row(stream, row, &label, got));
    for (size_t j = 0, number; *got && j < stream->chosen.count; j++)
        if (stream->column[j].words.count > 0 && text_column_is_word(row[j], &number))
            row[j] = (double)number;
    return NICEST_OK;
}

bool csv_would_wait(const csv_stream *s)
{
    return !s->finished && !memchr(s->buffer + s->scanned, '\n', s->end - s->scanned) &&
           file_reader_would_wait(s->file);
}

/* ---------------------------------------------------------------- the first lines */

static nicest_status read_names(csv_stream *s, const record *r)
{
    const char *p = r->begin, *text;
    size_t size;
    TRY_NEW(s->names, s->fields);
    for (size_t j = 0; j < s->fields; j++, p++) {
        TRY(field_take(&s->how, &s->room, &p, r->end, &text, &size));
        s->names[j] = size > 0 ? memory_format("%.*s", (int)size, text)
                               : memory_text(kinds_made_name(j).text);
        TRY(check_memory(s->names[j]));
    }
    return NICEST_OK;
}

static nicest_status give_roles(csv_stream *s, const nicest_data_options *options)
{
    column_list list = {s->place, s->names, s->fields, s->fields};
    TRY(selection_make(&s->chosen, &list, options));
    s->role = memory_new(s->fields, 1);
    s->target = memory_new(s->fields, sizeof *s->target);
    s->column = memory_new(s->chosen.count, sizeof *s->column);
    TRY(check_memory(s->role && s->target && s->column));
    for (size_t j = 0; j < s->chosen.count; j++)
        s->column[j] = (text_column){.strict = true, .decimals = -1};
    s->label = (text_column){.label = true, .decimals = -1};
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

/* Is the first line ended by a CR alone? *known: enough is here to tell. */
static bool has_old_ends(const csv_stream *s, bool *known)
{
    bool quoted = false;
    *known = true;
    for (size_t i = s->start; i < s->end; i++) {
        quoted = s->buffer[i] == '"' ? !quoted : quoted;
        if (!quoted && s->buffer[i] == '\n')
            return false;
        if (!quoted && s->buffer[i] == '\r' && i + 1 < s->end)
            return s->buffer[i + 1] != '\n';
    }
    *known = s->finished || s->end == s->capacity;
    return false;
}

/* The words of the options; what is not given is found in the first lines. */
static nicest_status take_options(csv_stream *s, const nicest_data_options *o)
{
    static const char *const SIGNS[][2] = {{"tab", "\t"},  {"\\t", "\t"},      {"space", " "},
                                           {"comma", ","}, {"semicolon", ";"}, {"none", ""}};
    const char *given[] = {o != NULL ? o->separator : NULL, o != NULL ? o->decimal : NULL,
                           o != NULL ? o->comment : NULL};
    static const char *const names[] = {"separator", "decimal", "comment"};
    for (size_t i = 0; i < 3; i++) {
        for (size_t k = 0; given[i] != NULL && k < sizeof SIGNS / sizeof *SIGNS; k++)
            given[i] = strcmp(given[i], SIGNS[k][0]) == 0 ? SIGNS[k][1] : given[i];
        const char *sign = given[i];
        if (sign != NULL &&
            (strlen(sign) > 1 || strpbrk(sign, "\"\r\n") != NULL || (i < 2 && *sign == '\0')))
            return fail(NICEST_E_ARGUMENT, "--%s: '%s': expected one sign%s", names[i], sign,
                        i == 0   ? ", tab or space"
                        : i == 2 ? " or none"
                                 : "");
    }
    if (given[1] != NULL && *given[1] != '.' && *given[1] != ',')
        return fail(NICEST_E_ARGUMENT, "--decimal: '%s': expected . or ,", given[1]);
    s->how.separator = given[0] != NULL ? *given[0] : '\0';
    s->how.decimal = given[1] != NULL ? *given[1] : '\0';
    s->how.comment = given[2] != NULL ? *given[2] : '\0';
    s->hash = given[2] == NULL;
    if (o == NULL || o->missing == NULL)
        return NICEST_OK;
    s->missing = memory_text(o->missing);
    TRY(check_memory(s->missing));
    s->how.missing = s->missing;
    for (const char *word = s->missing; *word != '\0'; word += word[strcspn(word, ",")] == ',') {
        double number;
        s->how.missing_numbers |= number_read(word, strcspn(word, ","), &number);
        word += strcspn(word, ",");
    }
    return NICEST_OK;
}

/* Lines of comments before the first row; of the last one names may be made. */
static nicest_status pass_comments(csv_stream *s, record *first, bool *got)
{
    char sign = s->hash ? '#' : s->how.comment;
    s->how.comment = 0;
    for (;;) {
        TRY(next_record(s, first, got));
        if (*got && s->hash && s->comments == 0 && *first->begin == '%') /* as MATLAB writes it */
            sign = '%';
        if (!*got || sign == 0 || first->begin == first->end || *first->begin != sign)
            break;
        const char *text = first->begin;
        while (text < first->end && (*text == sign || *text == ' ' || *text == '\t'))
            text++;
        if (text < first->end && separates(s, *text) && *text != ' ') /* "#,a,b": it is a name */
            text = first->begin;
        memory_free(s->remark);
        s->remark = memory_format("%.*s", (int)(first->end - text), text);
        TRY(check_memory(s->remark));
        s->comments++;
    }
    if (!s->hash || s->comments > 0) {
        s->how.comment = sign;
        s->hash = false;
    }
    if (!*got && s->comments > 0)
        return fail(NICEST_E_DATA, "%s: every line is a comment (begins with %c)", s->place, sign);
    return *got ? NICEST_OK : fail(NICEST_E_DATA, "%s: is empty", s->place);
}

/* A line stays where it is in the buffer, which may move, while the next ones are read. A line that
 * cannot be read says so when its turn comes. */
static nicest_status show_line(void *context, size_t i, record *line, bool *there)
{
    csv_stream *s = context;
    while (s->shown_count <= i) {
        nicest_status status = next_record(s, line, there);
        if (status != NICEST_OK && status != NICEST_E_DATA)
            return status;
        *there = *there && status == NICEST_OK;
        if (!*there)
            return NICEST_OK;
        s->shown[s->shown_count++] =
            (place){(size_t)(line->begin - s->buffer) - s->held,
                    (size_t)(line->end - s->buffer) - s->held, line->line, line->quoted};
    }
    const char *base = s->buffer + s->held;
    const place *at = &s->shown[i];
    *line = (record){base + at->begin, base + at->end, at->line, at->quoted};
    *there = true;
    return NICEST_OK;
}

PRINTF_LIKE(3, 4) static void add_note(char *note, size_t size, const char *format, ...)
{
    size_t used = strlen(note);
    va_list arguments;
    if (used > 0 && used + 2 < size)
        used += (size_t)snprintf(note + used, size - used, ", ");
    va_start(arguments, format);
    if (used < size)
        vsnprintf(note + used, size - used, format, arguments);
    va_end(arguments);
}

/* What is not the plain default and nobody asked for. */
static nicest_status note_choices(csv_stream *s, const nicest_data_options *o, bool tabs,
                                  const dialect_header *header, bool from_comment)
{
    char note[300] = "";
    char separator = s->how.separator;
    if (s->old_ends)
        add_note(note, sizeof note, "lines end with CR");
    if (separator != (tabs ? '\t' : ',') && (o == NULL || o->separator == NULL))
        add_note(note, sizeof note,
                 separator == ' '    ? "columns separated by blanks"
                 : separator == '\t' ? "columns separated by tabs"
                                     : "columns separated by %c",
                 separator);
    size_t remarks = s->comments - from_comment;
    if (remarks > 0 && (o == NULL || o->comment == NULL))
        add_note(note, sizeof note, "lines that begin with %c left out", s->how.comment);
    if (from_comment)
        add_note(note, sizeof note, "names from the line that begins with %c", s->how.comment);
    else if (header->of_numbers)
        add_note(note, sizeof note, "the first row of numbers is a header: %s, %s%s", s->names[0],
                 s->names[1], s->fields > 2 ? ", ..." : "");
    else if (header->doubtful)
        add_note(note, sizeof note,
                 header->given ? "the first row is a header" : "no header: the first row is data");
    s->note = *note != '\0' ? memory_text(note) : NULL;
    return *note != '\0' && s->note == NULL ? fail_memory() : NICEST_OK;
}

/* Other kinds of files that people hand over: how they begin, and what makes a table of them. */
static nicest_status check_text(const csv_stream *s)
{
    static const char EXPORT[] = "save the table as CSV where it was made";
    static const struct {
        const char *begins;
        size_t size;
        const char *what, *advice;
    } KINDS[] = {
        {"PAR1", 4, "a Parquet file", "pandas.read_parquet(FILE).to_csv('rows.csv', index=False)"},
        {"ARROW1", 6, "an Arrow file", "pandas.read_feather(FILE).to_csv('rows.csv', index=False)"},
        {"PK\3\4", 4, "a spreadsheet (.xlsx, .ods) or an archive", "save the sheet as CSV"},
        {"\xD0\xCF\x11\xE0", 4, "a spreadsheet (.xls)", "save the sheet as CSV"},
        {"\x89HDF", 4, "an HDF5 file", EXPORT},
        {"MATLAB 5.0", 10, "a MATLAB file", "writematrix(x, 'rows.csv') in MATLAB"},
        {"SQLite format 3", 15, "a database", "sqlite3 -csv -header FILE 'select ...' > rows.csv"},
        {"\x93NUMPY", 6, "a NumPy array", "end its name in .npy"},
        {"\x89PNG", 4, "a picture", "end its name in .png"},
        {"%PDF", 4, "a PDF", EXPORT},
        {"BZh", 3, "packed with bzip2", "bzcat FILE | nicest ... -"},
        {"\xFD\x37zXZ", 5, "packed with xz", "xzcat FILE | nicest ... -"},
        {"\x28\xB5\x2F\xFD", 4, "packed with zstd", "zstdcat FILE | nicest ... -"},
        {"\x80\x04\x95", 3, "a Python pickle", EXPORT},
        {"<!DOCTYPE", 9, "a web page", "download the file itself"},
        {"<html", 5, "a web page", "download the file itself"},
        {"{\"", 2, "JSON", EXPORT},
        {"[{", 2, "JSON", EXPORT},
        {"\xFF\xFE", 2, "UTF-16", "iconv -f UTF-16 -t UTF-8 FILE > rows.csv"},
        {"\xFE\xFF", 2, "UTF-16", "iconv -f UTF-16 -t UTF-8 FILE > rows.csv"}};
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        if (s->end >= KINDS[i].size && memcmp(s->buffer, KINDS[i].begins, KINDS[i].size) == 0)
            return fail(NICEST_E_FORMAT, "%s: is not CSV but %s: %s", s->place, KINDS[i].what,
                        KINDS[i].advice);
    if (s->end >= 9 && memcmp(s->buffer + 6, "\0\0{", 3) == 0)
        return fail(NICEST_E_FORMAT, "%s: is a model, not rows", s->place);
    if (memchr(s->buffer, '\0', s->end) == NULL)
        return NICEST_OK;
    return fail(NICEST_E_FORMAT, "%s: is not CSV: it holds zero bytes (binary, or UTF-16: iconv)",
                s->place);
}

/* A line of one field above lines of several is a title. */
static nicest_status check_title(csv_stream *s, const first_lines *lines, bool tabs)
{
    static const dialect OTHER = {.separator = ';'};
    record r;
    bool there;
    TRY(show_line(s, 0, &r, &there));
    if (s->how.separator == ' ' || memchr(r.begin, s->how.separator, (size_t)(r.end - r.begin)))
        return NICEST_OK;
    for (const char *sign = tabs ? "\t" : ",;\t"; *sign != '\0'; sign++) {
        dialect how = s->how;
        size_t fields = 0, first = 0, line = 0;
        how.separator = *sign;
        bool alike = true;
        for (size_t i = 0; i < 4 && alike; i++) {
            TRY(lines->at(lines->context, i, &r, &there));
            size_t count = 0;
            if (there)
                TRY(count_fields(s, &how, &r, &count));
            line = i == 1 ? r.line : line;
            first = i == 0 ? count : first;
            fields = i == 1 ? count : fields;
            alike = there && (i < 2 || count == fields) && /* one column of decimal commas */
                    (i != 1 || !field_has_comma(&OTHER, r.begin, (size_t)(r.end - r.begin)));
        }
        TRY(show_line(s, 0, &r, &there));
        if (alike && first == 1 && fields > 1)
            return fail(NICEST_E_DATA,
                        "%s:%zu: '%.*s' stands alone above lines of %zu columns: if it is a title, "
                        "tail -n +%zu FILE | nicest ... -",
                        s->place, r.line, (int)(r.end - r.begin < SHOWN ? r.end - r.begin : SHOWN),
                        r.begin, fields, line);
    }
    return NICEST_OK;
}

static nicest_status read_start(csv_stream *s, const char *path, const nicest_data_options *options)
{
    record first;
    bool got, there, from_comment = false;
    int said = options != NULL ? options->header : 0;
    dialect_header header = {.given = said > 0};
    first_lines lines = {s, show_line};
    bool tabs = file_has_ending(path, ".tsv") || file_has_ending(path, ".tsv.gz");
    TRY(take_options(s, options));
    /* Byte order marks, what is no text, line ends of old Macs. */
    bool known;
    while (s->end < 4 && !s->finished)
        TRY(refill(s));
    if (s->end >= 3 && memcmp(s->buffer, "\xEF\xBB\xBF", 3) == 0)
        s->start = s->scanned = 3;
    TRY(check_text(s));
    s->text = true;
    while (!(s->old_ends = has_old_ends(s, &known)) && !known)
        TRY(refill(s));
    for (size_t i = s->start; s->old_ends && i < s->end; i++)
        s->buffer[i] = s->buffer[i] == '\r' ? '\n' : s->buffer[i];
    TRY(pass_comments(s, &first, &got));
    if (first.end - first.begin == 5 && strncasecmp(first.begin, "sep=", 4) == 0) { /* "sep=;" */
        if (s->how.separator == 0)
            s->how.separator = first.begin[4];
        TRY(next_record(s, &first, &got));
        if (!got)
            return fail(NICEST_E_DATA, "%s: is empty", s->place);
    }
    size_t line = first.line, behind = s->start - (size_t)(first.begin - s->buffer);
    size_t next_line = s->line;
    s->held = (size_t)(first.begin - s->buffer);
    s->holding = true;
    s->shown[0] = (place){0, (size_t)(first.end - first.begin), first.line, first.quoted};
    s->shown_count = 1;
    TRY(dialect_separator(&s->how, &lines, tabs));
    if (options == NULL || options->separator == NULL)
        TRY(check_title(s, &lines, tabs));
    if (said == 0)
        TRY(dialect_find_header(&s->how, &lines, &header));
    TRY(show_line(s, 0, &first, &there));
    TRY(count_fields(s, &s->how, &first, &s->fields));
    if (s->fields > MOST_FIELDS)
        return fail(NICEST_E_DATA, "%s:%zu: more than %d columns", s->place, first.line,
                    MOST_FIELDS);
    if (s->remark != NULL && said == 0 && !header.given)
        TRY(dialect_comment_names(&s->how, s->remark, s->fields, &from_comment));
    const char *end = s->remark != NULL ? s->remark + strlen(s->remark) : NULL;
    if (header.given)
        TRY(read_names(s, &first));
    else if (from_comment)
        TRY(read_names(s, &(record){s->remark, end, 0, false}));
    s->start = s->scanned = s->held + (header.given ? behind : 0);
    s->line = header.given ? next_line : line; /* a row will be read again */
    s->holding = false;
    TRY(note_choices(s, options, tabs, &header, from_comment));
    return give_roles(s, options);
}

DEFINE_DROP(stream_drop, csv_stream, csv_close)

nicest_status csv_open(csv_stream **stream, const char *path, const nicest_data_options *options)
{
    OWNED_BY(stream_drop) csv_stream *s = memory_new(1, sizeof *s);
    TRY(check_memory(s));
    s->capacity = FIRST_CAPACITY;
    s->line = 1;
    s->place = memory_text(strcmp(path, "-") == 0 ? "standard input" : path);
    s->buffer = memory_new(s->capacity + 1, 1);
    TRY(check_memory(s->place && s->buffer));
    TRY(file_reader_open(&s->file, path));
    TRY(read_start(s, path, options));
    *stream = memory_take(&s);
    return NICEST_OK;
}

void csv_close(csv_stream *stream)
{
    if (stream == NULL)
        return;
    file_reader_close(stream->file);
    for (size_t j = 0; stream->column != NULL && j < stream->chosen.count; j++)
        text_column_close(&stream->column[j]);
    memory_free(stream->column);
    text_column_close(&stream->label);
    selection_close(&stream->chosen);
    source_texts_free(stream->names, stream->fields);
    memory_free(stream->role);
    memory_free(stream->target);
    memory_free(stream->room.text);
    memory_free(stream->remark);
    memory_free(stream->missing);
    memory_free(stream->note);
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
    TRY_NEW(*names, count);
    for (size_t j = 0; j < count; j++) {
        size_t field = stream->chosen.columns[j];
        (*names)[j] =
            memory_text(stream->names != NULL ? stream->names[field] : kinds_made_name(field).text);
        TRY(check_memory((*names)[j]));
    }
    return NICEST_OK;
}

/* The columns of a stream before their first field. */
typedef struct expected {
    size_t *fields;
    text_column *columns;
    size_t count;
} expected;

static void expected_close(expected *e)
{
    for (size_t j = 0; e->columns != NULL && j < e->count; j++)
        text_column_close(&e->columns[j]);
    memory_free(e->fields);
    memory_free(e->columns);
}

nicest_status csv_expect(csv_stream *s, const size_t *columns, const column_kind *kinds,
                         size_t count)
{
    assert(count > 0);
    OWNED_BY(expected_close) expected e = {.count = count};
    TRY_NEW(e.fields, count);
    TRY_NEW(e.columns, count);
    for (size_t j = 0; j < count; j++) {
        const column_kind *k = &kinds[j];
        text_column *c = &e.columns[j];
        *c = (text_column){.strict = true,
                           .closed = true,
                           .decimals = -1,
                           .known = k->word_count,
                           .content = HOLDS_NUMBERS};
        for (size_t i = 0, number; i < k->word_count; i++)
            TRY(word_list_add(&c->words, k->words[i], strlen(k->words[i]), &number));
        if (k->kind == NICEST_CATEGORY)
            c->content = HOLDS_WORDS;
        else if (k->kind == NICEST_NUMBER)
            c->sign = k->format;
        else if (k->kind == NICEST_TIME && moment_format_read(k->format, &c->format))
            c->content = HOLDS_TIMES;
        e.fields[j] = s->chosen.columns[columns[j]];
    }
    for (size_t j = 0; j < s->chosen.count; j++)
        s->role[s->chosen.columns[j]] &= (unsigned char)~ROLE_DATA;
    for (size_t j = 0; j < count; j++) {
        bool numbers = e.columns[j].content == HOLDS_NUMBERS;
        s->role[e.fields[j]] |= numbers ? ROLE_DATA : ROLE_DATA | ROLE_TEXT;
        s->target[e.fields[j]] = j;
    }
    expected old = {s->chosen.columns, s->column, s->chosen.count};
    s->chosen.columns = e.fields;
    s->column = e.columns;
    s->chosen.count = count;
    s->chosen.all = false;
    e = old;
    return NICEST_OK;
}

const char *csv_note(const csv_stream *stream)
{
    return stream->note;
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

static nicest_status make_room_for_rows(gathered *g, const csv_stream *s, bool sliced)
{
    size_t columns = s->chosen.count, capacity = g->capacity * 2;
    if (capacity == 0) /* a wide table of a few rows needs no more than that */
        capacity = columns < FIRST_VALUES / 2 ? FIRST_VALUES / columns : 2;
    if (capacity > SIZE_MAX / sizeof(double) / columns)
        return fail_memory();
    size_t values = g->capacity * columns, labels = g->capacity, numbers = g->capacity;
    if (!memory_grow(&g->values, capacity * columns, &values, sizeof *g->values) ||
        (s->chosen.label != NO_COLUMN &&
         !memory_grow(&g->labels, capacity, &labels, sizeof *g->labels)) ||
        (sliced && !memory_grow(&g->numbers, capacity, &numbers, sizeof *g->numbers)))
        return fail_memory();
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
            TRY(make_room_for_rows(g, s, part.given));
        TRY(next_row(s, g->values + g->rows * columns, &label, &got));
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

/* Takes the blocks of `g`. */
static nicest_status make_data(nicest_data **data, gathered *g, csv_stream *s,
                               const nicest_data_options *options)
{
    OWNED_BY(source_table_close)
    source_table table = {.kind = "csv",
                          .type = VALUE_F64,
                          .values = (unsigned char *)g->values,
                          .rows = g->rows,
                          .columns = s->chosen.count,
                          .row_stride = s->chosen.count * sizeof(double),
                          .column_stride = sizeof(double)};
    unsigned size[3] = {0, 0, 0};
    TRY(selection_picture(s->place, options, s->chosen.count - s->chosen.weighted, false, size));
    table.block = memory_take(&g->values);
    table.labels = memory_take(&g->labels);
    table.height = size[0];
    table.width = size[1];
    table.channels = size[2];
    bool comma = s->how.decimal == ',' && (options == NULL || options->decimal == NULL);
    if (s->names != NULL || !s->chosen.all)
        TRY(csv_column_names(&table.names, s));
    if (s->note != NULL || comma) {
        table.note =
            memory_format("%s%s%s", s->note != NULL ? s->note : "",
                          s->note != NULL && comma ? ", " : "", comma ? "decimal commas" : "");
        TRY(check_memory(table.note));
    }
    TRY_NEW(table.kinds, table.columns);
    for (size_t j = 0; j < table.columns; j++) {
        const char *name = field_name(s, s->chosen.columns[j]);
        const made_name made = kinds_made_name(s->chosen.columns[j]);
        TRY(text_column_settle(&s->column[j], (double *)table.block + j, table.columns, table.rows,
                               s->place, name != NULL ? name : made.text, &table.kinds[j]));
    }
    column_kind label = COLUMN_OF_NUMBERS;
    if (table.labels != NULL)
        TRY(text_column_settle(&s->label, table.labels, 1, table.rows, s->place, "label", &label));
    OWNED char **words = label.words;
    table.label_text_count = label.word_count;
    TRY(source_texts_copy(&table.label_texts, (const char *const *)words, label.word_count));
    TRY(selection_left(&table.left, &table.left_count, &s->chosen,
                       &(column_list){s->place, s->names, s->fields, s->fields}));
    return source_from_table(data, &table);
}

static void gathered_close(gathered *g)
{
    memory_free(g->values);
    memory_free(g->labels);
    memory_free(g->numbers);
}

nicest_status csv_load(nicest_data **data, const char *path, slice part,
                       const nicest_data_options *options)
{
    OWNED_BY(stream_drop) csv_stream *s = NULL;
    OWNED_BY(gathered_close) gathered g = {0};
    TRY(csv_open(&s, path, options));
    file_reader_limit(s->file, FILE_MOST_INFLATED); /* what is streamed needs none */
    for (size_t j = 0; j < s->chosen.count; j++)
        s->column[j].strict = false;
    TRY(gather_rows(&g, s, part));
    TRY(cut(&g, s, part));
    if (g.rows == 0)
        return selection_nothing(s->place, options != NULL ? options->where : "");
    return make_data(data, &g, s, options);
}
