/* shift.h - augmentation: training pictures that are moved by whole pixels each time they are
 * drawn.
 *
 * A picture that stands a pixel further is as good a picture, so a conditioner has less to learn by
 * heart. But moved pictures are no rows of the data, so towards the end of a run ever fewer move.
 * Validation, calibration and test rows are never moved. */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct shift {
    unsigned pixels; /* most that a picture moves along each axis; 0: not at all */
    unsigned height, width, channels;
    uint64_t seed;
} shift;

/* The share of pictures that move when `done` (0..1) of a run is done: all in its first half, then
 * fewer, at last none. */
double shift_share(double done);

/* Moves pictures[count, height * width * channels] in place; what is uncovered repeats the edge.
 * Along each axis by -pixels..pixels with triangular weights (1, 2, 1 quarters for one pixel), so
 * that the place of the data stays the most likely one; but only a `share` of them at all. What
 * happens to row first + i follows from seed, `draw`, share and row alone. Any number of threads
 * may move different rows. */
void shift_pictures(const shift *s, double share, uint32_t draw, size_t first, size_t count,
                    double *pictures);
