/* peak.h - what this machine could do at best: multiply-adds and bytes each second.
 *
 * Shares of these are the only honest way to say how fast a program is on a machine of unknown speed. */
#ifndef NICEST_APPLY_PEAK_H
#define NICEST_APPLY_PEAK_H

/* GFLOP/s of float multiply-adds in registers, all `threads` together, best of several tries. */
double peak_f32(int threads);
/* GB/s of reading a block far larger than any cache; NaN when memory runs out. */
double peak_bandwidth(int threads);

#endif
