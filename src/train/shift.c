/* shift.c - see shift.h. */
#include "train/shift.h"

#include <assert.h>
#include <string.h>

#include "base/random.h"

/* lines[count][length] move by `by` places; the first or the last one fills what is uncovered. */
static void move_lines(double *lines, size_t count, size_t length, int by)
{
    assert((size_t)(by < 0 ? -by : by) < count);
    size_t size = length * sizeof *lines, gap = (size_t)(by < 0 ? -by : by), left = count - gap;
    double *after = lines + gap * length;
    if (by > 0) {
        memmove(after, lines, left * size);
        for (size_t i = 0; i < gap; i++)
            memcpy(lines + i * length, after, size);
    } else if (by < 0) {
        memmove(lines, after, left * size);
        for (size_t i = left; i < count; i++)
            memcpy(lines + i * length, lines + (left - 1) * length, size);
    }
}

/* The sum of two equal choices of 0..pixels, centred. */
static int triangular(unsigned pixels, const float u[2])
{
    float choices = (float)(pixels + 1);
    return (int)(u[0] * choices) + (int)(u[1] * choices) - (int)pixels;
}

double shift_share(double done)
{
    return done < 0.5 ? 1 : 2 * (1 - done);
}

void shift_pictures(const shift *s, double share, uint32_t draw, size_t first, size_t count,
                    double *pictures)
{
    assert(share >= 0 && share <= 1);
    size_t line = (size_t)s->width * s->channels;
    if (!s->pixels)
        return;
    for (size_t i = 0; i < count; i++) {
        double *picture = pictures + i * s->height * line;
        float u[5];
        random_uniform((random_stream){s->seed, RANDOM_SHIFT, draw}, first + i, u, 5);
        if ((double)u[4] >= share)
            continue;
        move_lines(picture, s->height, line, triangular(s->pixels, u));
        int right = triangular(s->pixels, u + 2);
        for (size_t y = 0; y < s->height; y++)
            move_lines(picture + y * line, s->width, s->channels, right);
    }
}
