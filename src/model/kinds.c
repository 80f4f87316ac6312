/* kinds.c - see kinds.h. */
#include "model/kinds.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"

made_name kinds_made_name(size_t column)
{
    made_name made;
    snprintf(made.text, sizeof made.text, "x%zu", column + 1);
    return made;
}

char **kinds_words(const char *const *texts, size_t count)
{
    assert(texts != NULL || count == 0);
    size_t size = (count + 1) * sizeof(char *);
    for (size_t i = 0; i < count; i++)
        size += strlen(texts[i]) + 1;
    char **words = memory_new(size, 1), *next = words ? (char *)(words + count + 1) : NULL;
    for (size_t i = 0; words && i < count; i++) {
        size_t length = strlen(texts[i]) + 1;
        memcpy(next, texts[i], length);
        words[i] = next;
        next += length;
    }
    return words;
}

nicest_status kinds_copy_one(column_kind *copy, const column_kind *kind)
{
    size_t count = kind->words ? kind->word_count : 0;
    OWNED char *format = memory_text(kind->format);
    OWNED char **words = kind->words ? kinds_words((const char *const *)kind->words, count) : NULL;
    TRY(check_memory((format || !kind->format) && (words || !kind->words)));
    *copy =
        (column_kind){kind->kind, kind->decimals, memory_take(&format), memory_take(&words), count};
    return NICEST_OK;
}

void kinds_free(column_kind *kinds, size_t count)
{
    for (size_t j = 0; kinds && j < count; j++) {
        memory_free(kinds[j].format);
        memory_free(kinds[j].words);
    }
    memory_free(kinds);
}

bool kinds_are_plain(const column_kind *kinds, size_t count)
{
    for (size_t j = 0; kinds && j < count; j++)
        if (kinds[j].kind != NICEST_NUMBER || kinds[j].decimals >= 0 || kinds[j].format)
            return false;
    return true;
}
