/* bench.h - how a figure of nicest_bench is measured.
 *
 * bench.c measures models; the parts that they consist of are measured by bench/parts.c. */
#ifndef NICEST_APPLY_BENCH_H
#define NICEST_APPLY_BENCH_H

#include "base/status.h"

/* Does its work once and returns the seconds of it that count. */
typedef double bench_run(void *context);
/* Seconds of a run: the median of at least three after two to get warm, for about `seconds`; no
 * share. */
nicest_bench_figure bench_measure(bench_run *run, void *context, double seconds);
/* The figure of a rate, `work` / time; NaN share. */
nicest_bench_figure bench_rate(nicest_bench_figure time, double work);

#endif
