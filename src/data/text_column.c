/* text_column.c - see text_column.h. */
#include "data/text_column.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"
#include "base/number.h"
#include "base/status.h"

enum {
    MOST_LABEL_NUMBERS = 10000, /* beyond them a label is measured, not counted */
    MOST_WIDTH = 16,            /* digits that a double has */
    MOST_DECIMALS = 20,         /* 1e-300 has more than a text can show */
    FEW_NUMBERS = 20 /* distinct ones that a column may have beside words without further ado */
};

/* ---------------------------------------------------------------- lists of words */

void word_list_close(word_list *list)
{
    memory_free(list->text);
    memory_free(list->start);
    memory_free(list->slot);
    *list = (word_list){0};
}

const char *word_list_text(const word_list *list, size_t number)
{
    assert(number < list->count);
    return list->text + list->start[number];
}

static uint64_t hash_word(const char *word, size_t size)
{
    uint64_t h = 0x9E3779B97F4A7C15u ^ size;
    for (size_t i = 0; i < size; i++)
        h = (h ^ (unsigned char)word[i]) * 0x100000001B3u;
    h = (h ^ h >> 29) * 0xBF58476D1CE4E5B9u;
    return h ^ h >> 32;
}

/* The slot of the word, or the free one where it belongs. */
static size_t slot_of(const word_list *list, const char *word, size_t size)
{
    assert(list->slots > list->count);
    size_t at = (size_t)hash_word(word, size) & (list->slots - 1);
    for (; list->slot[at] != 0; at = (at + 1) & (list->slots - 1)) {
        const char *other = word_list_text(list, list->slot[at] - 1);
        if (strncmp(other, word, size) == 0 && other[size] == '\0')
            break;
    }
    return at;
}

/* `true` and `false` in any case. */
static bool is_truth(const char *word, size_t size)
{
    return (size == 4 && strncasecmp(word, "true", 4) == 0) ||
           (size == 5 && strncasecmp(word, "false", 5) == 0);
}

/* The slot of the word, or of one that says the same truth; else the free one. */
static size_t slot_alike(const word_list *list, const char *word, size_t size)
{
    size_t at = slot_of(list, word, size);
    for (size_t i = 0; list->slot[at] == 0 && i < list->count && is_truth(word, size); i++)
        if (strlen(word_list_text(list, i)) == size &&
            strncasecmp(word_list_text(list, i), word, size) == 0)
            return slot_of(list, word_list_text(list, i), size);
    return at;
}

static nicest_status grow_slots(word_list *list)
{
    size_t slots = list->slots > 0 ? 2 * list->slots : 64, *made;
    TRY_NEW(made, slots);
    memory_free(list->slot);
    list->slot = made;
    list->slots = slots;
    for (size_t i = 0; i < list->count; i++) {
        const char *word = word_list_text(list, i);
        list->slot[slot_of(list, word, strlen(word))] = i + 1;
    }
    return NICEST_OK;
}

nicest_status word_list_add(word_list *list, const char *word, size_t size, size_t *number)
{
    if (2 * (list->count + 1) > list->slots)
        TRY(grow_slots(list));
    const char *nul = memchr(word, '\0', size); /* a text of ours ends there */
    size = nul != NULL ? (size_t)(nul - word) : size;
    TRY(check_memory(memory_grow(&list->text, list->used + size + 1, &list->room, 1)));
    size_t at = slot_alike(list, word, size);
    if (list->slot[at] == 0) {
        TRY(check_memory(
            memory_grow(&list->start, list->count + 1, &list->capacity, sizeof *list->start)));
        memcpy(list->text + list->used, word, size);
        list->text[list->used + size] = '\0';
        list->start[list->count++] = list->used;
        list->used += size + 1;
        list->slot[at] = list->count;
    }
    *number = list->slot[at] - 1;
    return NICEST_OK;
}

bool word_list_find(const word_list *list, const char *word, size_t size, size_t *number)
{
    if (list->count == 0 || memchr(word, '\0', size) != NULL)
        return false;
    size_t slot = list->slot[slot_alike(list, word, size)];
    *number = slot - 1;
    return slot != 0;
}

/* ---------------------------------------------------------------- fields */

static const uint64_t BOX = 0x7FFC000000000000u; /* a quiet NaN; arithmetic makes none like it */

bool text_column_is_word(double value, size_t *number)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    *number = (size_t)(bits & ~BOX);
    return (bits & BOX) == BOX && bits >> 63 == 0;
}

void text_column_close(text_column *c)
{
    word_list_close(&c->words);
}

static nicest_status take_word(text_column *c, const char *text, size_t size, double *value)
{
    size_t number;
    if (c->closed && !word_list_find(&c->words, text, size, &number))
        number = c->known;
    else if (!c->closed)
        TRY(word_list_add(&c->words, text, size, &number));
    uint64_t bits = BOX | (uint64_t)number;
    memcpy(value, &bits, sizeof *value);
    return NICEST_OK;
}

void text_column_width(text_column *c, const char *text, size_t size)
{
    size_t digits = 0;
    while (digits < size && text[digits] >= '0' && text[digits] <= '9')
        digits++;
    bool alike = digits == size && size < MOST_WIDTH && (c->width == 0 || c->width == (int)size);
    c->width = alike ? (int)size : -1;
    c->padded = c->padded || (size > 1 && *text == '0');
}

/* Digits that are no number, such as zip codes. */
static bool is_padded(const text_column *c)
{
    return c->padded && c->width > 0 && !c->closed && !c->label;
}

/* "%" and " %" are one. */
static bool same_sign(const char *a, const char *b)
{
    return a[strlen(a) - 1] == b[strlen(b) - 1];
}

nicest_status text_column_take(text_column *c, const dialect *d, const char *text, size_t size,
                               size_t line, double *value, bool *good)
{
    int places = 0;
    moment_format format;
    double number;
    *value = NAN;
    *good = true;
    c->decimal = d->decimal;
    if (c->content == HOLDS_NOTHING && c->decimals >= 0) /* numbers that a quicker way has read */
        c->content = HOLDS_NUMBERS;
    char sign[FIELD_SIGN];
    bool expected = c->sign && field_is_signed(d->decimal, text, size, sign, &number, &places) &&
                    same_sign(sign, c->sign);
    expected = expected || (c->closed && c->content == HOLDS_NUMBERS && d->decimal != ',' &&
                            field_is_grouped(text, size, &number, &places));
    if (expected || field_is_number(d, text, size, &number, &places)) {
        char canonical[NUMBER_SIZE];
        size_t at;
        if (c->width >= 0)
            text_column_width(c, text, size);
        places = places < MOST_DECIMALS ? places : MOST_DECIMALS;
        c->decimals = places > c->decimals ? places : c->decimals;
        c->content = c->content == HOLDS_NOTHING ? HOLDS_NUMBERS : c->content;
        if (c->label && (c->texts > 0 || c->words.count < MOST_LABEL_NUMBERS)) {
            TRY(word_list_add(&c->words, canonical, number_write(number + 0.0, canonical), &at));
        }
        if (c->content == HOLDS_NUMBERS || c->label)
            *value = number;
        else if (c->closed && c->content == HOLDS_WORDS &&
                 !word_list_find(&c->words, text, size, &at))
            return take_word(c, canonical, number_write(number + 0.0, canonical), value);
        else if (c->content == HOLDS_WORDS || !c->strict)
            return take_word(c, text, size, value);
        *good = !isnan(*value);
        return NICEST_OK;
    }
    if (field_is_missing(d, text, size))
        return NICEST_OK;
    bool time = !c->label && moment_read(text, size, &number, &format);
    if (time && c->content == HOLDS_NOTHING) {
        c->content = HOLDS_TIMES;
        c->format = format;
    }
    if (time && c->content == HOLDS_TIMES && moment_merge(&c->format, &format)) {
        *value = number;
        return NICEST_OK;
    }
    if (c->strict && c->content != HOLDS_NOTHING && c->content != HOLDS_WORDS && !c->label) {
        *good = false;
        return NICEST_OK;
    }
    c->content = c->content == HOLDS_NOTHING ? HOLDS_WORDS : c->content;
    c->word_line = c->texts++ == 0 ? line : c->word_line;
    return take_word(c, text, size, value);
}

/* ---------------------------------------------------------------- at the end */

/* Every value becomes the number of its word in the list. */
static nicest_status spell_values(text_column *c, double *values, size_t stride, size_t rows)
{
    char text[(size_t)MOMENT_SIZE + NUMBER_SIZE];
    for (size_t i = 0; i < rows; i++) {
        double *value = &values[i * stride];
        size_t number;
        if (text_column_is_word(*value, &number)) {
            *value = (double)number;
            continue;
        }
        if (isnan(*value))
            continue;
        size_t size = c->content == HOLDS_TIMES ? moment_write(*value, &c->format, text)
                      : is_padded(c)
                          ? (size_t)snprintf(text, sizeof text, "%0*.0f", c->width, *value)
                          : number_write(*value + 0.0, text);
        TRY(word_list_add(&c->words, text, size, &number));
        *value = (double)number;
    }
    return NICEST_OK;
}

/* Many numbers or times and a few words: a word there stands for a hole or is a slip, and the user
 * knows. */
static nicest_status check_mixture(const text_column *c, const char *place, const char *name)
{
    size_t numbers = 0, first = c->words.count;
    for (size_t i = 0; i < c->words.count; i++) {
        const char *word = word_list_text(&c->words, i);
        double value;
        moment_format format;
        if (c->content == HOLDS_TIMES ? moment_read(word, strlen(word), &value, &format)
                                      : number_read(word, strlen(word), &value))
            numbers++;
        else if (first == c->words.count)
            first = i;
    }
    size_t others = c->words.count - numbers;
    if (numbers <= FEW_NUMBERS || 10 * others > numbers || first == c->words.count)
        return NICEST_OK;
    const char *word = word_list_text(&c->words, first);
    const char *what = c->content == HOLDS_TIMES ? "time" : "number";
    return fail(NICEST_E_DATA,
                "%s:%zu: column %s: '%.40s' is not a %s, and %zu different %ss stand in "
                "this column; if it is a missing value: --missing '%.40s', else --drop '%s'",
                place, c->word_line, name, word, what, numbers, what, word, name);
}

typedef struct ordered_word {
    const char *text;
    size_t number;
} ordered_word;

static int compare_words(const void *a, const void *b)
{
    return strcmp(((const ordered_word *)a)->text, ((const ordered_word *)b)->text);
}

/* Codes by the alphabet; words that no row has (any more) get none. */
static nicest_status order_words(const text_column *c, double *values, size_t stride, size_t rows,
                                 column_kind *kind)
{
    size_t used = 0, count = c->words.count;
    OWNED_NEW(ordered_word *, order, count);
    OWNED_NEW(size_t *, code, count);
    OWNED_NEW(const char **, texts, count);
    for (size_t i = 0; i < rows; i++)
        if (!isnan(values[i * stride]))
            code[(size_t)values[i * stride]] = c->label ? 0 : 1;
    for (size_t i = 0; i < count; i++)
        if (c->label || code[i] > 0)
            order[used++] = (ordered_word){word_list_text(&c->words, i), i};
    if (!c->label)
        qsort(order, used, sizeof *order, compare_words);
    for (size_t i = 0; i < used; i++) {
        texts[i] = order[i].text;
        code[order[i].number] = i;
    }
    for (size_t i = 0; i < rows; i++)
        if (!isnan(values[i * stride]))
            values[i * stride] = (double)code[(size_t)values[i * stride]];
    *kind = (column_kind){NICEST_CATEGORY, -1, NULL, kinds_words(texts, used), used};
    return check_memory(kind->words);
}

/* Words that are all numbers with the same sign, "12.5%", or with commas between thousands,
 * "1,234", become these. */
static nicest_status settle_numbers(const text_column *c, double *values, size_t stride,
                                    size_t rows, column_kind *kind, bool *settled)
{
    char first[FIELD_SIGN] = "", sign[FIELD_SIGN];
    size_t word;
    OWNED_NEW(double *, number, c->words.count);
    int most = c->decimals;
    for (size_t i = 0; i < c->words.count; i++) {
        const char *text = word_list_text(&c->words, i);
        size_t size = strlen(text);
        int places = 0;
        bool with_sign = field_is_signed(c->decimal, text, size, sign, &number[i], &places);
        if (i == 0 && with_sign)
            strcpy(first, sign);
        if (with_sign ? !*first || !same_sign(sign, first)
                      : *first || c->decimal == ',' ||
                            !(number_read_places(text, size, &number[i], &places) ||
                              field_is_grouped(text, size, &number[i], &places)))
            return NICEST_OK;
        most = places > most ? places : most;
    }
    if (*first && c->content != HOLDS_WORDS) /* some have no sign */
        return NICEST_OK;
    for (size_t i = 0; i < rows; i++)
        if (text_column_is_word(values[i * stride], &word))
            values[i * stride] = number[word];
    *kind = (column_kind){NICEST_NUMBER, most, *first ? memory_text(first) : NULL, NULL, 0};
    *settled = true;
    return check_memory(kind->format || !*first);
}

nicest_status text_column_settle(text_column *c, double *values, size_t stride, size_t rows,
                                 const char *place, const char *name, column_kind *kind)
{
    *kind = COLUMN_OF_NUMBERS;
    kind->decimals = c->decimals;
    bool padded = is_padded(c) && c->content != HOLDS_TIMES;
    bool words = padded || (c->label && c->texts > 0);
    for (size_t i = 0, number; i < rows && !words && c->words.count > 0 && !c->label; i++)
        words = text_column_is_word(values[i * stride], &number);
    bool settled = false;
    if (words && !padded && !c->label && c->content != HOLDS_TIMES)
        TRY(settle_numbers(c, values, stride, rows, kind, &settled));
    if (settled)
        return NICEST_OK;
    if (words) {
        TRY(spell_values(c, values, stride, rows));
        if (!c->label && !padded)
            TRY(check_mixture(c, place, name));
        return order_words(c, values, stride, rows, kind);
    }
    if (c->content != HOLDS_TIMES)
        return NICEST_OK;
    char text[MOMENT_SIZE];
    moment_format_write(&c->format, text);
    *kind = (column_kind){NICEST_TIME, -1, memory_text(text), NULL, 0};
    return check_memory(kind->format);
}
