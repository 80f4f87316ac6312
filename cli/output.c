/* output.c - see output.h. */
#include "output.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* ------------------------------------------------------------------ words */

void say(const shared_settings *shared, const char *format, ...)
{
    va_list arguments;
    if (shared->quiet)
        return;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

double clock_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

short_text short_format(const char *format, ...)
{
    short_text made;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(made.text, sizeof made.text, format, arguments);
    va_end(arguments);
    return made;
}

short_text duration_text(double seconds)
{
    double whole = seconds < 0 ? 0 : floor(seconds + 0.5);
    if (!isfinite(seconds))
        return short_format("?");
    if (whole >= 3600)
        return short_format("%.0fh%02.0fm", floor(whole / 3600), floor(fmod(whole, 3600) / 60));
    if (whole >= 60)
        return short_format("%.0fm%02.0fs", floor(whole / 60), fmod(whole, 60));
    return seconds < 10 ? short_format("%.2g s", seconds) : short_format("%.0f s", whole);
}

short_text value_text(const nicest_data *data, size_t column, double value)
{
    short_text made;
    nicest_data_value_text(data, column, value, made.text, sizeof made.text);
    return made;
}

short_text number_text(double value)
{
    return value_text(NULL, 0, value); /* as a file has it */
}

short_text count_text(size_t count)
{
    const short_text digits = short_format("%zu", count);
    short_text made;
    size_t length = strlen(digits.text), used = 0;
    for (size_t i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            made.text[used++] = ',';
        made.text[used++] = digits.text[i];
    }
    made.text[used] = 0;
    return made;
}

static size_t letter_bytes(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    size_t length = c[0] < 0x80 ? 1 : c[0] >= 0xf0 ? 4 : c[0] >= 0xe0 ? 3 : 2;
    unsigned long code = length == 1 ? c[0] : c[0] & (0x7fu >> length);
    static const unsigned long least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (!c[0] || (c[0] >= 0x80 && c[0] < 0xc2) || c[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((c[i] & 0xc0) != 0x80) /* the end of the text, too */
            return 0;
        code = code << 6 | (c[i] & 0x3f);
    }
    bool surrogate = code >= 0xd800 && code <= 0xdfff;
    return code < least[length] || surrogate || code > 0x10ffff ? 0 : length;
}

size_t next_letter(const char **text, char *out)
{
    size_t length = letter_bytes(*text);
    memcpy(out, length ? *text : "\xef\xbf\xbd", length ? length : 3); /* U+FFFD */
    *text += length ? length : 1;
    return length ? length : 3;
}

/* ------------------------------------------------------------------ progress */

progress progress_start(const shared_settings *shared, const char *verb, const char *unit)
{
    return (progress){.shared = shared,
                      .verb = verb,
                      .unit = unit,
                      .started = clock_seconds(),
                      .shown = -1e9,
                      .bar = !shared->quiet && isatty(STDERR_FILENO)};
}

static short_text rate_text(const progress *p, double rate)
{
    if (!p->unit || !isfinite(rate) || rate <= 0)
        return short_format("%s", "");
    if (rate >= 1e6)
        return short_format("  %.3gM %s", rate / 1e6, p->unit);
    return rate >= 1e4 ? short_format("  %.0fk %s", rate / 1e3, p->unit)
                       : short_format("  %.3g %s", rate, p->unit);
}

/* A line that is wider would not be wiped by the next one. */
int terminal_width(void)
{
    struct winsize size;
    return !ioctl(STDERR_FILENO, TIOCGWINSZ, &size) && size.ws_col ? size.ws_col : 80;
}

void progress_show(progress *p, double share, double left, double rate, const char *words)
{
    double now = clock_seconds(), between = p->bar ? 0.2 : 10;
    bool lines = !p->bar && p->shared->verbose && !p->shared->quiet;
    if (!p->bar && (!lines || now - p->started < between))
        return;
    if (now - p->shown < between)
        return;
    p->shown = now;
    share = share < 0 ? 0 : share > 1 ? 1 : share;
    if (isnan(left))
        left = share > 0 ? (now - p->started) * (1 - share) / share : NAN;
    const short_text rest =
        short_format("%s  %s left%s%s", rate_text(p, rate).text, duration_text(left).text,
                     words && *words ? "  " : "", words ? words : "");
    if (p->bar) {
        enum { WIDTH = 20 };
        char bar[WIDTH + 1], line[512];
        int full = (int)(share * WIDTH + 0.5);
        for (int i = 0; i < WIDTH; i++)
            bar[i] = i < full ? '#' : '.';
        bar[WIDTH] = 0;
        snprintf(line, sizeof line, "%s [%s] %3.0f %%%s", p->verb, bar, 100 * share, rest.text);
        fprintf(stderr, "\r\033[K%.*s", terminal_width() - 1, line);
        fflush(stderr);
        p->drawn = true;
    } else
        fprintf(stderr, "%s: %.0f %%%s\n", p->verb, 100 * share, rest.text);
}

void progress_end(progress *p)
{
    if (p->drawn)
        fputs("\r\033[K", stderr);
    p->drawn = false;
}

int progress_tick(void *context, double done, double total)
{
    progress_show(context, total > 0 ? done / total : 0, NAN, NAN, NULL);
    return interrupted();
}

/* ------------------------------------------------------------------ JSON */

json_t *json_figure(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *json_words(const char *text)
{
    OWNED_BLOCK char *clean = block_new(strlen(text) * 3 + 1, 1);
    size_t used = 0;
    while (*text)
        used += next_letter(&text, clean + used);
    return json_stringn(clean, used);
}

/* jansson does not notice everywhere that its memory ran out: what it could need must be there. */
json_t *json_from_text(const char *text)
{
    block_free(block_grow(NULL, strlen(text) + 512, 128));
    return json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
}

static char *dump_text(const json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(17));
    if (!text)
        refuse(STATUS_FAILED, "out of memory");
    return text;
}

void print_json(const shared_settings *shared, json_t *object)
{
    if (shared->json) {
        char *text = dump_text(object);
        puts(text);
        free(text);
    }
    json_decref(object);
}

void check_json_path(const shared_settings *shared)
{
    if (!shared->output || !strcmp(shared->output, "-"))
        return;
    if (!has_extension(shared->output, ".json"))
        refuse(STATUS_USAGE, "%s: expected a name that ends in .json", shared->output);
    check_writable(shared->output);
}

void save_and_print_json(const shared_settings *shared, json_t *object)
{
    bool printed = shared->output && !strcmp(shared->output, "-");
    if (printed || !shared->output) {
        shared_settings once = *shared;
        once.json = once.json || printed;
        print_json(&once, object);
        return;
    }
    char *text = dump_text(object);
    save_text(text, shared->output);
    free(text);
    print_json(shared, object);
}

/* ------------------------------------------------------------------ tables */

bool has_extension(const char *path, const char *extension)
{
    size_t length = path ? strlen(path) : 0, size = strlen(extension);
    return length > size && !strcasecmp(path + length - size, extension);
}

bool is_picture(const char *path)
{
    return has_extension(path, ".png") || has_extension(path, ".svg") ||
           has_extension(path, ".pdf");
}

static bool is_table(const char *path)
{
    static const char *const known[] = {".csv", ".tsv", ".csv.gz", ".tsv.gz", ".npy", ".npz"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (has_extension(path, known[i]))
            return true;
    return false;
}

void check_output_path(const char *path, bool picture)
{
    if (!path || !strcmp(path, "-"))
        return;
    if (!is_table(path) && !has_extension(path, ".json") && !(picture && is_picture(path)))
        refuse(STATUS_USAGE,
               "%s: expected a name that ends in .csv, .tsv (or .gz of these), .npy, .npz%s "
               "or .json",
               path, picture ? ", .png, .svg, .pdf" : "");
    check_writable(path);
}

unsigned idx_axes(const char *path)
{
    char plain[] = "idx0-ubyte", packed[] = "idx0-ubyte.gz";
    for (unsigned axes = 1; axes <= 4; axes++) {
        plain[3] = packed[3] = (char)('0' + axes);
        if (has_extension(path, plain) || has_extension(path, packed))
            return axes;
    }
    return 0;
}

void check_data_path(const char *path)
{
    if (!path || !strcmp(path, "-"))
        return;
    check_writable(path);
    if (!is_table(path) && !is_picture(path) && !idx_axes(path))
        refuse(STATUS_USAGE,
               "%s: the name says no format: expected .csv, .tsv (also .gz), .npy, .npz, .png, "
               ".svg, .pdf or -idxN-ubyte",
               path);
}

/* A model may have any name but one that says something else. */
void check_model_path(const char *path)
{
    static const char *const others[] = {".html", ".json", ".jsonl"};
    bool other = is_table(path) || is_picture(path) || idx_axes(path);
    check_writable(path);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        other = other || has_extension(path, others[i]);
    if (other)
        refuse(STATUS_USAGE, "%s: -o takes the name of a model, such as m.safetensors", path);
}

/* A screen shows them over their figures; what may be read again is the header of a file, with its
 * quotes: the library writes it. */
static void print_names(const table *t)
{
    nicest_data *header;
    if (!t->aligned) {
        need(nicest_data_new(&header, NULL, 0, t->columns, t->names));
        save_data(header, "-");
        nicest_data_free(header);
        return;
    }
    for (size_t j = 0; j < t->columns; j++)
        printf("%s%14s", j ? " " : "", t->names[j]);
    printf("%s%s\n", t->words ? "  " : "", t->words ? t->words_name : "");
}

static int by_text_of_row(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* words[rows] as data of one column, behind the numbers, which become its own. */
static nicest_data *words_beside(nicest_data *numbers, const char *name, const char *const *words)
{
    OWNED_DATA nicest_data *left = numbers, *borrowed = NULL;
    size_t rows = nicest_data_rows(left), count = 0;
    OWNED_BLOCK const char **sorted = block_new(rows + 1, sizeof *sorted);
    OWNED_BLOCK double *places = block_new(rows + 1, sizeof *places);
    nicest_data *data;
    for (size_t i = 0; i < rows; i++)
        if (*words[i])
            sorted[count++] = words[i];
    qsort(sorted, count, sizeof *sorted, by_text_of_row);
    size_t distinct = 0;
    for (size_t i = 0; i < count; i++)
        if (!i || strcmp(sorted[i], sorted[distinct - 1]))
            sorted[distinct++] = sorted[i];
    for (size_t i = 0; i < rows; i++) {
        const char **found = bsearch(&words[i], sorted, distinct, sizeof *sorted, by_text_of_row);
        places[i] = found ? (double)(found - sorted) : NAN;
    }
    nicest_column kind = {.kind = NICEST_CATEGORY, .words = sorted, .word_count = distinct};
    nicest_view view = {.rows = rows,
                        .columns = 1,
                        .type = "float64",
                        .values = places,
                        .row_stride = sizeof *places,
                        .column_stride = sizeof *places,
                        .names = &name,
                        .kinds = &kind};
    need(nicest_data_view(&borrowed, &view));
    need(nicest_data_beside(&data, left, borrowed));
    return data;
}

static void saved(nicest_status status)
{
    polite_end();
    need(status);
}

/* The waiting rows with what stands beside them, `first` being the number of the first. */
static nicest_data *batch_data(const table *t, size_t first, size_t count)
{
    nicest_data *data, *both;
    need(t->model ? nicest_data_of_model(&data, t->model, t->values, count)
                  : nicest_data_new(&data, t->values, count, t->columns, t->names));
    if (t->words)
        data = words_beside(data, t->words_name, t->words + first);
    if (!t->kept)
        return data;
    OWNED_DATA nicest_data *right = data, *some = NULL;
    OWNED_BLOCK size_t *index = block_new(count + 1, sizeof *index);
    for (size_t i = 0; i < count; i++)
        index[i] = first + i;
    need(nicest_data_select(&some, t->kept, index, count));
    need(nicest_data_beside(&both, some, right));
    return both;
}

/* What ends the program on the way leaves no file. */
static nicest_writer *open_file;

static void abandon_open_file(void)
{
    nicest_writer_abandon(open_file);
}

table table_open(table t)
{
    bool json = has_extension(t.path, ".json"), screen = !t.path || !strcmp(t.path, "-");
    if (t.kept && json)
        refuse(STATUS_USAGE, "%s: --keep: expected a table: .csv, .tsv, .npy or .npz", t.path);
    if (has_extension(t.path, ".npy") || has_extension(t.path, ".npz"))
        t.words = NULL;
    t.path = screen ? "-" : t.path;
    bool terminal = screen && isatty(STDOUT_FILENO), numbers = true;
    for (size_t j = 0; t.model && j < t.columns; j++) /* words and times need what knows them */
        numbers = numbers && nicest_model_column_kind(t.model, j) == NICEST_NUMBER;
    if (screen && !t.kept && numbers && (terminal || !t.words)) { /* row by row, as they come */
        t.path = NULL;
        t.aligned = terminal;
        print_names(&t);
    } else if (json) {
        t.lists = json_array();
        for (size_t j = 0; j < t.columns + (t.words != NULL); j++)
            json_array_append_new(t.lists, json_array());
    } else {
        t.values = block_new(TABLE_BATCH * t.columns, sizeof *t.values);
        t.like = batch_data(&t, 0, 0);
        static bool watched;
        polite_begin();
        if (!strcmp(t.path, "-"))
            fflush(stdout); /* the library writes to the same place */
        if (!watched && atexit(abandon_open_file))
            refuse(STATUS_FAILED, "out of memory");
        watched = true;
        need(nicest_writer_open(&t.writer, t.path, t.like));
        open_file = t.writer;
    }
    return t;
}

static void write_batch(table *t)
{
    OWNED_DATA nicest_data *data = batch_data(t, t->written, t->waiting);
    need(nicest_writer_add(t->writer, data));
    t->written += t->waiting;
    t->waiting = 0;
}

void table_add(table *t, const double *rows, size_t count)
{
    t->rows += count;
    if (!t->path) {
        for (size_t i = 0; i < count; i++) {
            const double *row = rows + i * t->columns;
            for (size_t j = 0; j < t->columns; j++)
                if (t->aligned)
                    printf("%s%14.8g", j ? " " : "", row[j]);
                else
                    printf("%s%s", j ? "," : "", number_text(row[j]).text);
            if (t->words)
                printf("  %s", t->words[t->rows - count + i]);
            if (putchar('\n') == EOF || ferror(stdout))
                refuse_stdout();
        }
    } else if (t->lists) {
        /* A list a column, words last. */
        for (size_t i = 0; i < count; i++) {
            for (size_t j = 0; j < t->columns; j++)
                json_array_append_new(json_array_get(t->lists, j),
                                      json_figure(rows[i * t->columns + j]));
            if (t->words)
                json_array_append_new(json_array_get(t->lists, t->columns),
                                      json_words(t->words[t->rows - count + i]));
        }
    }
    for (size_t i = 0; t->writer && i < count; i++) {
        memcpy(t->values + t->waiting++ * t->columns, rows + i * t->columns,
               t->columns * sizeof *rows);
        if (t->waiting == TABLE_BATCH)
            write_batch(t);
    }
}

void table_close(table *t)
{
    if (t->lists) {
        /* {"logp": [...], "p": [...]} */
        json_t *object = json_object();
        for (size_t j = 0; j < json_array_size(t->lists); j++)
            json_object_set(object, j < t->columns ? t->names[j] : t->words_name,
                            json_array_get(t->lists, j));
        char *text = dump_text(object);
        json_decref(object);
        json_decref(t->lists);
        save_text(text, t->path);
        free(text);
    } else if (t->writer) {
        write_batch(t);
        nicest_writer *writer = t->writer;
        open_file = t->writer = NULL;
        saved(nicest_writer_close(writer));
        nicest_data_free(t->like);
        nicest_data_free(t->kept);
    }
    block_free(t->values);
    t->values = NULL;
}

/* ------------------------------------------------------------------ files */

void check_writable(const char *path)
{
    char folder[4096];
    struct stat facts;
    const char *slash = strrchr(path, '/');
    if (!strcmp(path, "-"))
        return;
    if (!*path)
        refuse(STATUS_USAGE, "the name of a file to write is empty");
    bool there = !stat(path, &facts);
    if (!there && errno == ENAMETOOLONG)
        refuse(STATUS_FAILED, "%s: %s", path, strerror(errno));
    if (there && S_ISDIR(facts.st_mode))
        refuse(STATUS_FAILED, "%s: is a folder, expected the name of a file", path);
    if (there && !S_ISREG(facts.st_mode)) /* /dev/null, a pipe */
        return;
    if (there && access(path, W_OK))
        refuse(STATUS_FAILED, "%s: cannot be written: %s", path, strerror(errno));
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1,
             slash ? path : ".");
    if (stat(folder, &facts))
        refuse(STATUS_FAILED, "%s: there is no folder %s", path, folder);
    if (access(folder, W_OK))
        refuse(STATUS_FAILED, "%s: cannot write into %s: %s", path, folder, strerror(errno));
}

void save_data(const nicest_data *data, const char *path)
{
    if (!strcmp(path, "-"))
        fflush(stdout); /* the library writes to the same place */
    polite_begin();
    saved(nicest_data_save(data, path));
}

void save_model(const nicest_model *model, const char *path)
{
    polite_begin();
    saved(nicest_model_save(model, path));
}

void save_text(const char *text, const char *path)
{
    polite_begin();
    saved(nicest_file_write(path, text, strlen(text)));
}
