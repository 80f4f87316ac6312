/* status.h - how a room says that something failed.
 *
 * Everything that can fail returns a nicest_status. The words are written once, where the fact is
 * known, into a text of the calling thread (nicest_error() reads it); callers above only pass the
 * status on with TRY, or add the place with fail_in(). */
#pragma once

#include <stdbool.h>

#include "nicest.h"

#if defined(__GNUC__)
#define PRINTF_LIKE(format_at, first) __attribute__((format(printf, format_at, first)))
#else
#define PRINTF_LIKE(format_at, first)
#endif

/* Sets the calling thread's error text and returns `status`, for `return fail(...)`. (In brackets,
 * because a test may have cmocka's macro of this name.) */
nicest_status(fail)(nicest_status status, const char *format, ...) PRINTF_LIKE(2, 3);

/* Puts "place: " before the text that is there and returns `status` unchanged. */
nicest_status fail_in(nicest_status status, const char *format, ...) PRINTF_LIKE(2, 3);

/* The usual sentence for an allocation that failed; returns NICEST_E_MEMORY. */
nicest_status fail_memory(void);
/* NICEST_OK where what was asked for is there, else fail_memory(). */
nicest_status check_memory(bool there);
/* NICEST_OK where a caller kept a condition, else NICEST_E_ARGUMENT with the sentence. */
nicest_status require(bool condition, const char *sentence);

#define TRY(expression)                                                                            \
    do {                                                                                           \
        nicest_status try_status = (expression);                                                   \
        if (try_status != NICEST_OK)                                                               \
            return try_status;                                                                     \
    } while (0)

/* Inside a function that has one way out, labelled `done`, and a local `nicest_status status`. */
#define TRY_TO(expression)                                                                         \
    do {                                                                                           \
        status = (expression);                                                                     \
        if (status != NICEST_OK)                                                                   \
            goto done;                                                                             \
    } while (0)
