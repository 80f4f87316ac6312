/* utf8.c - see utf8.h. */
#include "model/utf8.h"

#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"

/* Length of the character that begins here, 0 where none does: overlong forms, surrogates and
 * numbers beyond 0x10ffff are none. */
static size_t sequence(const unsigned char *s)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = s[0] < 0x80   ? 1
                    : s[0] < 0xc2 ? 0
                    : s[0] < 0xe0 ? 2
                    : s[0] < 0xf0 ? 3
                    : s[0] < 0xf5 ? 4
                                  : 0;
    if (length < 2)
        return length;
    uint32_t code = s[0] & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80) /* the end of the text is none either */
            return 0;
        code = code << 6 | (s[i] & 0x3fu);
    }
    bool good = code >= least[length] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
    return good ? length : 0;
}

bool utf8_valid(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    for (size_t length; *s; s += length) {
        length = sequence(s);
        if (length == 0)
            return false;
    }
    return true;
}

char *utf8_repaired(const char *text)
{
    char *copy = memory_text(text);
    for (char *s = copy; s && *s;) {
        size_t length = sequence((unsigned char *)s);
        if (length == 0)
            *s = '?';
        s += length ? length : 1;
    }
    return copy;
}
