/* parallel.h - threads; the only file that knows which kind.
 *
 * Work is cut into items by the caller, in a way that does not depend on the number of threads, so
 * results do not either. Inside a body a nested parallel_for runs single-threaded. */
#pragma once

#include <stddef.h>

typedef void (*parallel_body)(void *context, int thread, size_t item);

/* Processors this process may use; at least 1. */
int parallel_available(void);

/* Calls body(context, thread, item) once for each item in 0..items-1, with thread in
 * 0..threads-1, and returns when all have ended. Items are handed out in order as threads become
 * free. threads <= 1 or items <= 1 runs on the caller, without any fork. */
void parallel_for(int threads, size_t items, parallel_body body, void *context);

/* Seconds of a monotonic clock. */
double parallel_clock(void);
