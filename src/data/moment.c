/* moment.c - see moment.h. Days are counted by the proleptic Gregorian calendar. */
#include "data/moment.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Exactly `count` digits. */
static bool take_digits(const char **p, const char *end, int count, int *number)
{
    *number = 0;
    for (int i = 0; i < count; i++, ++*p) {
        if (*p == end || **p < '0' || **p > '9')
            return false;
        *number = *number * 10 + (**p - '0');
    }
    return true;
}

static bool take_sign(const char **p, const char *end, char sign)
{
    if (*p == end || **p != sign)
        return false;
    ++*p;
    return true;
}

/* Days since 1970-01-01; March begins the year, so that the leap day ends it. */
static long days_of(int year, int month, int day)
{
    long y = year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400, of_era = y - era * 400;
    long of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(long days, int *year, int *month, int *day)
{
    days += 719468;
    long era = (days >= 0 ? days : days - 146096) / 146097, of_era = days - era * 146097;
    long y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    long of_year = of_era - (365 * y + y / 4 - y / 100), m = (5 * of_year + 2) / 153;
    *day = (int)(of_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = (int)(y + era * 400 + (*month <= 2));
}

static bool read_date(const char **p, const char *end, double *days)
{
    int year, month, day, back[3];
    if (!take_digits(p, end, 4, &year) || !take_sign(p, end, '-') ||
        !take_digits(p, end, 2, &month) || !take_sign(p, end, '-') ||
        !take_digits(p, end, 2, &day) || month < 1 || month > 12 || day < 1)
        return false;
    *days = (double)days_of(year, month, day);
    date_of((long)*days, &back[0], &back[1], &back[2]); /* no 30th of February */
    return back[1] == month && back[2] == day;
}

static bool read_time(const char **p, const char *end, double *seconds, moment_format *f)
{
    int hour, minute, second = 0;
    double part = 0, unit = 0.1;
    if (!take_digits(p, end, 2, &hour) || !take_sign(p, end, ':') ||
        !take_digits(p, end, 2, &minute) || hour > 23 || minute > 59)
        return false;
    f->seconds = take_sign(p, end, ':');
    if (f->seconds && (!take_digits(p, end, 2, &second) || second > 59))
        return false;
    if (f->seconds && take_sign(p, end, '.')) {
        for (; *p < end && **p >= '0' && **p <= '9'; ++*p, unit /= 10, f->fraction++)
            part += unit * (**p - '0');
        if (f->fraction < 1 || f->fraction > 9)
            return false;
    }
    *seconds = hour * 3600 + minute * 60 + second + part;
    return true;
}

/* Nothing, Z, or +hh:mm. */
static bool read_zone(const char **p, const char *end, moment_format *f)
{
    const char *start = *p;
    int hours, minutes;
    if (!take_sign(p, end, 'Z') && *p < end) {
        if ((!take_sign(p, end, '+') && !take_sign(p, end, '-')) ||
            !take_digits(p, end, 2, &hours))
            return false;
        take_sign(p, end, ':');
        if (*p < end && !take_digits(p, end, 2, &minutes))
            return false;
    }
    if (end - start >= (long)sizeof f->zone)
        return false;
    memcpy(f->zone, start, (size_t)(end - start));
    f->zone[end - start] = '\0';
    return *p == end;
}

bool moment_read(const char *text, size_t size, double *value, moment_format *format)
{
    const char *p = text, *end = text + size;
    moment_format f = {0};
    double days = 0, seconds = 0;
    if (size < 5 || size >= MOMENT_SIZE)
        return false;
    f.date = text[2] != ':';
    if (f.date && !read_date(&p, end, &days))
        return false;
    f.time = !f.date || p < end;
    if (f.date && f.time) {
        f.between = *p;
        if (*p != 'T' && *p != ' ')
            return false;
        p++;
    }
    if (f.time && (!read_time(&p, end, &seconds, &f) || !read_zone(&p, end, &f)))
        return false;
    *value = f.time ? days * 86400 + seconds : days;
    *format = f;
    return p == end;
}

bool moment_merge(moment_format *format, const moment_format *other)
{
    if (format->date != other->date || format->time != other->time ||
        format->between != other->between || strcmp(format->zone, other->zone) != 0)
        return false;
    format->seconds = format->seconds || other->seconds;
    format->fraction = format->fraction > other->fraction ? format->fraction : other->fraction;
    return true;
}

double moment_factor(const moment_format *to, const moment_format *from)
{
    if (to->date != from->date)
        return 0;
    return to->time == from->time ? 1 : to->time ? 86400 : 1.0 / 86400;
}

size_t moment_write(double value, const moment_format *f, char text[MOMENT_SIZE])
{
    size_t used = 0;
    double unit = pow(10, f->fraction), days = 0, ticks = 0;
    if (!(fabs(value) < 1e13)) /* no calendar goes so far */
        return (size_t)snprintf(text, MOMENT_SIZE, "nan");
    if (f->time) {
        ticks = f->seconds ? rint(value * unit) : floor(value / 60) * 60 * unit;
        days = floor(ticks / (86400 * unit));
        ticks -= days * 86400 * unit;
    } else {
        days = floor(value);
    }
    if (f->date) {
        int year, month, day;
        date_of((long)days, &year, &month, &day);
        if (year < 0 || year > 9999) /* ISO has four digits */
            return (size_t)snprintf(text, MOMENT_SIZE, "nan");
        used = (size_t)snprintf(text, MOMENT_SIZE, "%04d-%02d-%02d", year, month, day);
    }
    if (!f->time)
        return used;
    if (f->date)
        text[used++] = f->between;
    long all = (long)floor(ticks / unit);
    used += (size_t)snprintf(text + used, MOMENT_SIZE - used, "%02ld:%02ld", all / 3600,
                             all / 60 % 60);
    if (f->seconds)
        used += (size_t)snprintf(text + used, MOMENT_SIZE - used, ":%02ld", all % 60);
    if (f->fraction > 0)
        used += (size_t)snprintf(text + used, MOMENT_SIZE - used, ".%0*.0f", f->fraction,
                                 ticks - (double)all * unit);
    return used + (size_t)snprintf(text + used, MOMENT_SIZE - used, "%s", f->zone);
}

void moment_format_write(const moment_format *f, char text[MOMENT_SIZE])
{
    const char between[] = {f->date && f->time ? f->between : '\0', '\0'};
    snprintf(text, MOMENT_SIZE, "%s%s%s%s%s%.*s%s", f->date ? "YYYY-MM-DD" : "", between,
             f->time ? "hh:mm" : "", f->seconds ? ":ss" : "", f->fraction > 0 ? "." : "",
             f->fraction, "fffffffff", f->zone);
}

/* By an example in the same format. */
bool moment_format_read(const char *text, moment_format *format)
{
    static const char LETTERS[] = "YMDhmsf", DIGITS[] = "2110000";
    char example[MOMENT_SIZE];
    size_t size = strlen(text);
    double value;
    if (size >= sizeof example)
        return false;
    for (size_t i = 0; i < size; i++) {
        const char *letter = strchr(LETTERS, text[i]);
        example[i] = letter != NULL ? DIGITS[letter - LETTERS] : text[i];
    }
    return moment_read(example, size, &value, format);
}
