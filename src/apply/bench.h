/* bench.h - how a figure of nicest_bench is measured, and (peak.c) what this machine could do at
 * best: shares of that are the only honest way to say how fast a program is on a machine of unknown
 * speed.
 *
 * bench.c measures models; the parts that they consist of are measured by bench/parts.c. */
#pragma once

#include "base/status.h"

/* Does its work once and returns the seconds of it that count. */
typedef double bench_run(void *context);
/* Seconds of a run: the median of at least three after two to get warm, for about `seconds`; no
 * share. */
nicest_bench_figure bench_measure(bench_run *run, void *context, double seconds);
/* The figure of a rate, `work` / time; NaN share. */
nicest_bench_figure bench_rate(nicest_bench_figure time, double work);

/* GFLOP/s of float multiply-adds in registers, all `threads` together, best of several tries. */
double peak_f32(int threads);
/* The same of pairs of bf16 added to float (AVX512-BF16); NaN where the processor has no such
 * instruction, or has it and this build does not know it. */
double peak_bf16(int threads);
/* GB/s of reading a block far larger than most caches, by `threads` into *all and by one into *one;
 * NaN when memory runs out. */
void peak_bandwidth(int threads, double *all, double *one);
