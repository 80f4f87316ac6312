/* facts.c - what the values of each column are like, and columns that tell a density nothing. */
#include "data/facts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/number.h"
#include "base/status.h"
#include "base/values.h"
#include "data/field.h"
#include "data/moment.h"
#include "data/source.h"

enum { GROUP = 32, CHUNK = 256, FEW_ROWS = 20 };

bool facts_are_category(size_t levels, size_t seen)
{
    return levels >= 2 && levels <= 10 && seen >= 10 * levels;
}

bool facts_have_point(size_t most, size_t next, size_t levels, size_t rows, size_t seen)
{
    double share = rows ? (double)most / (double)rows : 0;
    return share >= 0.2 && most >= 4 * next && levels > 10 && (1 - share) * (double)seen >= 20;
}

/* In the order of the rows: does every value exceed the one before it, or none, and by one step? */
static void look_at_order(const double *values, size_t n, bool *rises, bool *falls, bool *steady,
                          bool *whole)
{
    *rises = *falls = *steady = *whole = n > 1;
    for (size_t i = 0; i < n; i++) {
        *whole = *whole && values[i] == floor(values[i]);
        if (i == 0)
            continue;
        double step = values[i] - values[i - 1], first = values[1] - values[0];
        *rises = *rises && step > 0;
        *falls = *falls && step < 0;
        *steady = *steady && fabs(step - first) <= 1e-9 * fabs(values[i]) + 1e-12;
    }
}

/* Whether nine of ten words begin as numbers, amounts or dates do. */
static bool look_like_numbers(const column_kind *kind)
{
    size_t alike = 0;
    for (size_t i = 0; i < kind->word_count; i++)
        alike += strspn(kind->words[i] + strspn(kind->words[i], "$-+( "), "0123456789") > 0;
    return 10 * alike >= 9 * kind->word_count;
}

/* Values without NaN, in the order of the rows; they are sorted here. */
static void describe_values(nicest_column_facts *f, const column_kind *kind, double *values,
                            size_t n)
{
    bool rises, falls, steady, whole;
    double sum = 0, square = 0;
    size_t run = 0, longest = 0, second = 0, shortest = n + 1;
    look_at_order(values, n, &rises, &falls, &steady, &whole);
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    f->mean = n > 0 ? sum / (double)n : NAN;
    for (size_t i = 0; i < n; i++)
        square += (values[i] - f->mean) * (values[i] - f->mean);
    f->deviation = n > 1 ? sqrt(square / (double)(n - 1)) : NAN;
    values_sort(values, n);
    f->least = n > 0 ? values[0] : NAN;
    f->median = n > 0 ? (values[(n - 1) / 2] + values[n / 2]) / 2 : NAN;
    f->most = n > 0 ? values[n - 1] : NAN;
    for (size_t i = 0; i < n; i++) {
        run++;
        if (i + 1 < n && values[i + 1] == values[i])
            continue;
        f->levels++;
        if (kind->kind == NICEST_CATEGORY && run < shortest)
            f->least = values[i];
        if (kind->kind == NICEST_CATEGORY && run > longest)
            f->most = values[i];
        f->point = run > longest ? values[i] : f->point;
        shortest = run < shortest ? run : shortest;
        second = run > longest ? longest : run > second ? run : second;
        longest = run > longest ? run : longest;
        run = 0;
    }
    bool counts = kind->kind == NICEST_NUMBER && n >= FEW_ROWS && f->levels == n && whole &&
                  f->most - f->least == (double)(n - 1);
    f->advice = NULL;
    if (n == 0) {
        f->what = "empty";
        f->advice = "it has no value";
    } else if (kind->kind == NICEST_CATEGORY) {
        bool text = n >= FEW_ROWS && 2 * f->levels > n;
        f->median = f->mean = f->deviation = NAN;
        f->what = text ? "text" : f->levels == 1 ? "constant" : "words";
        f->advice = !text                     ? NULL
                    : look_like_numbers(kind) ? "it has nearly as many words as rows (numbers are "
                                                "read as 12.5, 12.5% or $3, dates as 2024-05-31)"
                                              : "it has nearly as many words as rows";
    } else if (counts || (n >= FEW_ROWS && (rises || falls) && steady)) {
        f->what = "count";
        f->advice = "it only counts";
    } else if (n >= FEW_ROWS && (rises || falls) && (whole || kind->kind == NICEST_TIME)) {
        f->what = kind->kind == NICEST_TIME ? "time" : "whole numbers";
        f->advice = rises ? "it only rises, as a clock does" : "it only falls, newest first";
    } else {
        f->what = kind->kind == NICEST_TIME ? "time"
                  : f->levels == 1          ? "constant"
                  : f->levels == 2          ? "two values"
                  : whole                   ? "whole numbers"
                                            : "numbers";
    }
    bool category =
        kind->kind == NICEST_CATEGORY ? f->levels > 0 : facts_are_category(f->levels, n);
    bool point = !category && facts_have_point(longest, second, f->levels, n, n);
    f->point = point ? f->point : NAN;
    f->taken = f->advice        ? "nothing"
               : category       ? "a category"
               : f->levels == 1 ? "a constant"
               : point          ? "a mass point, and values beside it"
                                : "values";
}

nicest_status nicest_data_facts(const nicest_data *data, nicest_column_facts *facts)
{
    TRY(require(data && facts, "data and a place for its facts are needed"));
    size_t n = nicest_data_rows(data), d = nicest_data_columns(data);
    size_t wide = d < GROUP ? d : GROUP;
    unsigned height;
    nicest_data_image(data, &height, NULL, NULL);
    TRY(check_memory(n <= (size_t)-1 / sizeof(double) / wide));
    OWNED_NEW(double *, values, n *wide);
    for (size_t first = 0; first < d; first += wide) {
        size_t some = d - first < wide ? d - first : wide, kept[GROUP] = {0};
        OWNED_BY(row_walk_close) row_walk w = {0};
        TRY(row_walk_begin(&w, data, CHUNK));
        while (row_walk_next(&w))
            for (size_t i = 0; i < w.count; i++)
                for (size_t j = 0; j < some; j++)
                    if (!isnan(w.rows[i * d + first + j]))
                        values[j * n + kept[j]++] = w.rows[i * d + first + j];
        for (size_t j = 0; j < some; j++) {
            nicest_column_facts f = {.rows = kept[j], .missing = n - kept[j]};
            describe_values(&f, source_kind(data, first + j), values + j * n, kept[j]);
            f.taken = height ? "a pixel" : f.taken;
            facts[first + j] = f;
        }
    }
    return NICEST_OK;
}

void nicest_data_value_text(const nicest_data *data, size_t column, double value, char *text,
                            size_t size)
{
    char made[NUMBER_SIZE + MOMENT_SIZE + FIELD_SIGN];
    const char *shown = made;
    moment_format format;
    if (text == NULL || size == 0)
        return;
    size_t count;
    const char *const *words = nicest_data_column_words(data, column, &count);
    const char *pattern = nicest_data_column_format(data, column);
    number_write(value, made);
    if (words != NULL && value >= 0 && value < (double)count)
        shown = words[(size_t)value];
    else if (pattern != NULL && nicest_data_column_kind(data, column) == NICEST_NUMBER)
        field_write_signed(value, pattern, made);
    else if (pattern != NULL && moment_format_read(pattern, &format))
        moment_write(value, &format, made);
    snprintf(text, size, "%s", shown);
}

nicest_status nicest_data_text_value(const nicest_data *data, size_t column, const char *text,
                                     double *value)
{
    TRY(require(data && text && value && column < nicest_data_columns(data),
                "data, one of its columns, a text and a place for its value are needed"));
    const column_kind *kind = source_kind(data, column);
    moment_format ours, theirs;
    char sign[FIELD_SIGN];
    int places;
    size_t length = strlen(text);
    for (size_t i = 0; i < kind->word_count; i++)
        if (!strcmp(kind->words[i], text)) {
            *value = (double)i;
            return NICEST_OK;
        }
    if (kind->kind == NICEST_NUMBER &&
        (number_read(text, length, value) ||
         (kind->format && field_is_signed('.', text, length, sign, value, &places))))
        return NICEST_OK;
    double moment, factor = 0;
    if (kind->kind == NICEST_TIME && moment_read(text, length, &moment, &theirs) &&
        moment_format_read(kind->format, &ours))
        factor = moment_factor(&ours, &theirs);
    if (factor > 0)
        *value = moment * factor;
    return factor > 0 ? NICEST_OK
                      : fail(NICEST_E_ARGUMENT, "'%.80s' is no value of column %.80s", text,
                             nicest_data_column_name(data, column));
}
