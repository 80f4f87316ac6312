/* picture_filter.c - see picture_filter.h. */
#include "apply/picture_filter.h"

#include <stdlib.h>

enum { FILTERS = 5 };

/* The neighbour among left, up and up-left that is nearest to left + up - corner (PNG, 9.4). */
static int paeth(int left, int up, int corner)
{
    int guess = left + up - corner;
    int to_left = abs(guess - left), to_up = abs(guess - up), to_corner = abs(guess - corner);
    if (to_left <= to_up && to_left <= to_corner)
        return left;
    return to_up <= to_corner ? up : corner;
}

static unsigned char filtered(int filter, int here, int left, int up, int corner)
{
    const int guess[FILTERS] = {0, left, up, (left + up) / 2, paeth(left, up, corner)};
    return (unsigned char)(here - guess[filter]);
}

/* One line through one filter; returns the sum of the differences' sizes, to be minimised. */
static size_t filter_line(int filter, const unsigned char *here, const unsigned char *up,
                          size_t line, size_t channels, unsigned char *out)
{
    size_t cost = 0;
    for (size_t i = 0; i < line; i++) {
        int left = i < channels ? 0 : here[i - channels];
        int corner = up && i >= channels ? up[i - channels] : 0;
        unsigned char value = filtered(filter, here[i], left, up ? up[i] : 0, corner);
        if (out)
            out[i] = value;
        cost += value < 128 ? value : 256u - value;
    }
    return cost;
}

size_t picture_filter_size(size_t height, size_t size)
{
    return size + height;
}

size_t picture_filter(const unsigned char *pixels, size_t height, size_t line, size_t channels,
                      unsigned char *out)
{
    for (size_t y = 0; y < height; y++) {
        const unsigned char *here = pixels + y * line, *up = y ? here - line : NULL;
        size_t least = (size_t)-1;
        int best = 0;
        for (int filter = 0; filter < FILTERS; filter++) {
            size_t cost = filter_line(filter, here, up, line, channels, NULL);
            if (cost < least) {
                least = cost;
                best = filter;
            }
        }
        *out++ = (unsigned char)best;
        filter_line(best, here, up, line, channels, out);
        out += line;
    }
    return height * (line + 1);
}
