/* grammar.c - see grammar.h. Every number is checked before anything is made from it. */
#include "flow/grammar.h"

#include <assert.h>
#include <string.h>

#include "base/number.h"
#include "base/status.h"

nicest_status spec_refuse(const spec_line *l, const char *sentence)
{
    return fail(NICEST_E_FORMAT, "spec line %d: %s", l->number, sentence);
}

void *layer_new(const layer_class *class, size_t size, const spec_shape *shape, layer **out)
{
    assert(size >= sizeof(layer));
    layer *made = memory_new(1, size);
    if (made)
        *made = (layer){class, shape->columns};
    *out = made;
    return made;
}

nicest_status spec_next_line(const char **text, spec_line *l)
{
    size_t length = strcspn(*text, "\n");
    size_t useful = strcspn(*text, "#\n");
    l->number++;
    l->words = 0;
    if (useful >= 512)
        return spec_refuse(l, "the line is longer than 511 characters");
    memcpy(l->text, *text, useful);
    l->text[useful] = 0;
    *text += length + ((*text)[length] == '\n');
    for (char *rest = l->text;;) {
        rest += strspn(rest, " \t\r");
        if (!*rest)
            return NICEST_OK;
        if (l->words == SPEC_WORDS)
            return spec_refuse(l, "more than 16 words");
        l->word[l->words++] = rest;
        rest += strcspn(rest, " \t\r");
        if (*rest)
            *rest++ = 0;
    }
}

const char *spec_option(const spec_line *l, const char *key)
{
    size_t length = strlen(key);
    for (int i = 1; i < l->words; i++)
        if (!strncmp(l->word[i], key, length) && l->word[i][length] == '=')
            return l->word[i] + length + 1;
    return NULL;
}

bool spec_known_options(const spec_line *l, const char *const *keys)
{
    for (int i = 1; i < l->words; i++) {
        bool known = false;
        for (const char *const *key = keys; *key; key++) {
            size_t length = strlen(*key);
            bool is = !strncmp(l->word[i], *key, length) && l->word[i][length] == '=';
            known = known || (is && spec_option(l, *key) == l->word[i] + length + 1);
        }
        if (!known)
            return false;
    }
    return true;
}

bool spec_count(const char *text, size_t least, size_t most, size_t *value)
{
    uint64_t number;
    if (!number_whole(text, strlen(text), most, &number) || number < least)
        return false;
    *value = (size_t)number;
    return true;
}

bool spec_times(const char *text, size_t most_a, size_t most_b, size_t *a, size_t *b)
{
    char first[32];
    size_t length = strcspn(text, "x");
    if (length >= sizeof first)
        return false;
    memcpy(first, text, length);
    first[length] = 0;
    return spec_count(first, 1, most_a, a) &&
           (!text[length] || spec_count(text + length + 1, 1, most_b, b));
}

bool spec_count_option(const spec_line *l, const char *key, size_t least, size_t most,
                       size_t *value)
{
    const char *text = spec_option(l, key);
    return !text || spec_count(text, least, most, value);
}

bool spec_number_option(const spec_line *l, const char *key, double least, double most,
                        double *value)
{
    const char *text = spec_option(l, key);
    double number;
    if (!text)
        return true;
    if (!number_read(text, strlen(text), &number) || !(number >= least && number <= most))
        return false;
    *value = number;
    return true;
}
