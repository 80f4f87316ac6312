/* bench.h - what the parts of nicest_bench share: how a figure is measured.
 *
 * bench.c measures models, bench_products.c matrix products, bench_reading.c files. */
#ifndef NICEST_APPLY_BENCH_H
#define NICEST_APPLY_BENCH_H

#include "base/status.h"

/* Seconds of a run: the median of at least three after two to get warm, for about `seconds`; no
 * share. */
nicest_bench_figure bench_measure(void (*run)(void *context), void *context, double seconds);
/* The figure of a rate, `work` / time; NaN share. */
nicest_bench_figure bench_rate(nicest_bench_figure time, double work);
nicest_bench_figure bench_nothing(void);

/* Each of these fills its part of `result`, whose peaks are known, in about `seconds`. */
nicest_status bench_products(double seconds, nicest_bench_result *result);
nicest_status bench_reading(double seconds, nicest_bench_result *result);

#endif
