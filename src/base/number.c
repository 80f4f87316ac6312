/* number.c - decimal text to double and back.
 *
 * Reading has three ways, each correctly rounded, from fast to rare: one exact product or quotient
 * of doubles (Clinger); a 128-bit integer quotient for up to 19 digits; strtod for the rest.
 * Writing tries an exact quotient by a power of ten before it asks printf. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* strtod_l */
#endif
#include "base/number.h"

#include <locale.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    EXACT_POWER = 22,    /* 10^22 is the last power of ten that is a double */
    FIVES = 27,          /* 5^27 < 2^63 */
    MOST_DIGITS = 19,    /* 10^19 < 2^64 */
    MOST_EXPONENT = 9999 /* more digits of an exponent change nothing */
};

static const double POWER_OF_TEN[EXACT_POWER + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                     1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                     1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* clang-format off */
static const uint64_t POWER_OF_FIVE[FIVES + 1] = {
    1u, 5u, 25u, 125u, 625u, 3125u, 15625u, 78125u, 390625u, 1953125u, 9765625u, 48828125u, 244140625u,
    1220703125u, 6103515625u, 30517578125u, 152587890625u, 762939453125u, 3814697265625u,
    19073486328125u, 95367431640625u, 476837158203125u, 2384185791015625u, 11920928955078125u,
    59604644775390625u, 298023223876953125u, 1490116119384765625u, 7450580596923828125u};
/* clang-format on */

__extension__ typedef unsigned __int128 wide;

/* ---------------------------------------------------------------- reading */

typedef struct decimal {
    uint64_t digits; /* value = digits * 10^exponent, when not `lengthy` */
    long exponent;
    bool negative;
    bool lengthy; /* more digits than fit */
} decimal;

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') < 10;
}

static const char *scan_digits(const char *p, uint64_t *digits)
{
    uint64_t value = *digits;
    while (is_digit(*p))
        value = value * 10 + (uint64_t)(*p++ - '0');
    *digits = value;
    return p;
}

static const char *scan_exponent(const char *p, long *exponent)
{
    const char *q = p + 1;
    bool negative = *q == '-';
    if (*q == '-' || *q == '+')
        q++;
    if (!is_digit(*q))
        return p; /* the number ends before the "e" */
    long value = 0;
    for (; is_digit(*q); q++) {
        if (value < MOST_EXPONENT)
            value = value * 10 + (*q - '0');
    }
    *exponent += negative ? -value : value;
    return q;
}

static const char *scan(const char *text, decimal *d)
{
    const char *p = text, *start, *point;
    *d = (decimal){0, 0, *p == '-', false};
    if (*p == '-' || *p == '+')
        p++;
    start = p;
    p = scan_digits(p, &d->digits);
    long seen = p - start;
    if (*p == '.') {
        point = ++p;
        p = scan_digits(p, &d->digits);
        d->exponent = -(long)(p - point);
        seen += p - point;
    }
    if (seen == 0)
        return NULL;
    if (seen > MOST_DIGITS) { /* leading zeros are no digits */
        size_t count = 0;
        while (start < p && (*start == '0' || *start == '.'))
            start++;
        for (; start < p; start++)
            count += *start != '.';
        d->lengthy = count > MOST_DIGITS;
    }
    return *p == 'e' || *p == 'E' ? scan_exponent(p, &d->exponent) : p;
}

/* n * 2^exponent rounded to nearest, ties to even; `more`: the true number is a little larger. */
static double round_wide(wide n, bool more, int exponent)
{
    uint64_t high = (uint64_t)(n >> 64);
    int bits = high ? 128 - __builtin_clzll(high) : 64 - __builtin_clzll((uint64_t)n | 1);
    if (bits <= 53)
        return ldexp((double)(uint64_t)n, exponent); /* then `more` is never set */
    int shift = bits - 53;
    wide half = (wide)1 << (shift - 1), rest = n & ((half << 1) - 1);
    uint64_t kept = (uint64_t)(n >> shift);
    if (rest > half || (rest == half && (more || (kept & 1))))
        kept++;
    return ldexp((double)kept, exponent + shift);
}

/* digits / 10^power with a quotient of at least 63 bits, so that the remainder only breaks ties. */
static double exact_quotient(uint64_t digits, long power)
{
    int shift = __builtin_clzll(digits);
    wide n = (wide)(digits << shift) << 63;
    wide quotient = n / POWER_OF_FIVE[power];
    bool more = quotient * POWER_OF_FIVE[power] != n;
    return round_wide(quotient, more, -(shift + 63 + (int)power));
}

/* strtod that knows no locale; the text behind the number ends it. */
static double scan_slowly(const char *text)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    double value = plain != (locale_t)0 ? strtod_l(text, NULL, plain) : NAN;
    if (plain != (locale_t)0)
        freelocale(plain);
    return value;
}

const char *number_scan(const char *text, double *value, int *places)
{
    decimal d;
    const char *end = scan(text, &d);
    if (end == NULL)
        return NULL;
    double size;
    *places = d.exponent < 0 ? (int)-d.exponent : 0;
    if (d.lengthy || d.exponent > FIVES || d.exponent < -FIVES) {
        *value = !d.lengthy && d.digits == 0 ? (d.negative ? -0.0 : 0.0) : scan_slowly(text);
        return end;
    }
    if (d.digits <= (uint64_t)1 << 53 && d.exponent >= -EXACT_POWER && d.exponent <= EXACT_POWER)
        size = d.exponent < 0 ? (double)d.digits / POWER_OF_TEN[-d.exponent]
                              : (double)d.digits * POWER_OF_TEN[d.exponent];
    else if (d.digits == 0)
        size = 0;
    else
        size = d.exponent < 0
                   ? exact_quotient(d.digits, -d.exponent)
                   : round_wide((wide)d.digits * POWER_OF_FIVE[d.exponent], false, (int)d.exponent);
    *value = d.negative ? -size : size;
    return end;
}

bool number_whole(const char *text, size_t size, uint64_t most, uint64_t *value)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned digit = (unsigned)(unsigned char)text[i] - '0';
        if (digit > 9 || digit > most || sum > (most - digit) / 10)
            return false;
        sum = sum * 10 + digit;
    }
    *value = size > 0 ? sum : *value;
    return size > 0;
}

/* Lower-case comparison with one of a few words. */
static bool is_word(const char *text, size_t size, const char *word)
{
    if (strlen(word) != size)
        return false;
    for (size_t i = 0; i < size; i++) {
        if ((text[i] | 0x20) != word[i])
            return false;
    }
    return true;
}

bool number_read(const char *text, size_t size, double *value)
{
    int places;
    return number_read_places(text, size, value, &places);
}

bool number_read_places(const char *text, size_t size, double *value, int *places)
{
    double read;
    *places = 0;
    const char *end = size > 0 ? number_scan(text, &read, places) : NULL;
    if (end == text + size) {
        *value = read;
        return true;
    }
    bool sign = size > 0 && (*text == '-' || *text == '+');
    const char *word = text + sign;
    size_t left = size - sign;
    if (!is_word(word, left, "inf") && !is_word(word, left, "infinity"))
        return false;
    *value = *text == '-' ? -(double)INFINITY : (double)INFINITY;
    return true;
}

/* ---------------------------------------------------------------- writing */

static size_t write_whole(uint64_t value, char *text)
{
    char reversed[24];
    size_t count = 0;
    do
        reversed[count++] = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    for (size_t i = 0; i < count; i++)
        text[i] = reversed[count - 1 - i];
    return count;
}

/* digits / 10^places with its point; the last digit is not zero. */
static size_t write_places(uint64_t digits, int places, char *text)
{
    char all[24];
    size_t count = write_whole(digits, all), before, used = 0;
    before = count > (size_t)places ? count - (size_t)places : 0;
    if (before == 0)
        text[used++] = '0';
    memcpy(text + used, all, before);
    used += before;
    text[used++] = '.';
    for (size_t zeros = (size_t)places - (count - before); zeros > 0; zeros--)
        text[used++] = '0';
    memcpy(text + used, all + before, count - before);
    return used + count - before;
}

/* Where size = k / 10^places for a k below 2^53, that quotient is what a reader computes: exact. */
static size_t write_short(double size, char *text)
{
    if (size >= 1e15 || (size < 1e-5 && size > 0))
        return 0;
    for (int places = 0; places <= 15; places++) {
        double scaled = rint(size * POWER_OF_TEN[places]);
        if (scaled > 9e15)
            return 0;
        if (scaled / POWER_OF_TEN[places] == size)
            return places == 0 ? write_whole((uint64_t)scaled, text)
                               : write_places((uint64_t)scaled, places, text);
    }
    return 0;
}

/* With a full stop, whatever the locale of this thread. */
static size_t write_long(double value, char *text)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0), before = uselocale(plain);
    double back = 0;
    for (int digits = 15, places; digits <= 17; digits++) {
        snprintf(text, NUMBER_SIZE, "%.*g", digits, value);
        if (number_scan(text, &back, &places) != NULL && back == value)
            break;
    }
    uselocale(before);
    if (plain != (locale_t)0)
        freelocale(plain);
    return strlen(text);
}

size_t number_write(double value, char text[NUMBER_SIZE])
{
    size_t sign = signbit(value) && !isnan(value) ? 1 : 0, count;
    if (isnan(value) || isinf(value)) {
        strcpy(text, isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
        return strlen(text);
    }
    text[0] = '-';
    count = write_short(fabs(value), text + sign);
    if (count == 0)
        return write_long(value, text);
    text[sign + count] = '\0';
    return sign + count;
}
