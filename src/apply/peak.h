/* peak.h - what this machine could do at best: multiply-adds and bytes each second.
 *
 * Shares of these are the only honest way to say how fast a program is on a machine of unknown
 * speed. */
#ifndef NICEST_APPLY_PEAK_H
#define NICEST_APPLY_PEAK_H

/* GFLOP/s of float multiply-adds in registers, all `threads` together, best of several tries. */
double peak_f32(int threads);
/* The same of pairs of bf16 added to float (AVX512-BF16); NaN where the processor has no such
 * instruction, or has it and this build does not know it. */
double peak_bf16(int threads);
/* GB/s of reading a block far larger than most caches, by `threads` into *all and by one into *one;
 * NaN when memory runs out. */
void peak_bandwidth(int threads, double *all, double *one);

#endif
