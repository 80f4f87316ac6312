/* data_files.h - what the tests of src/data share: scratch files, opened data, random numbers. */
#pragma once

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "nicest.h"

static char scratch[256];

static inline int make_scratch(void **state)
{
    const char *place = getenv("TMPDIR");
    (void)state;
    snprintf(scratch, sizeof scratch, "%s/nicest-data-XXXXXX", place ? place : "/tmp");
    return mkdtemp(scratch) ? 0 : -1;
}

static inline int remove_scratch(void **state)
{
    char command[320];
    (void)state;
    snprintf(command, sizeof command, "rm -r '%s'", scratch);
    return system(command);
}

/* A path in the scratch folder; valid for the next seven calls. */
static inline const char *in_scratch(const char *name)
{
    assert_true(*scratch); /* make_scratch is the setup of the group */
    static char paths[8][512];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", scratch, name);
    return path;
}

static inline const char *put_file(const char *name, const void *bytes, size_t size)
{
    const char *path = in_scratch(name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    return path;
}

static inline const char *put_text(const char *name, const char *text)
{
    return put_file(name, text, strlen(text));
}

/* All bytes of a file and a 0 after them; release with free. */
static inline size_t read_file(const char *path, char **bytes)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    *bytes = malloc((size_t)size + 1);
    assert_non_null(*bytes);
    assert_int_equal(fread(*bytes, 1, (size_t)size, file), size);
    (*bytes)[size] = 0;
    fclose(file);
    return (size_t)size;
}

static inline nicest_data *open_with(const char *text, const nicest_data_options *options)
{
    nicest_data *data = NULL;
    nicest_status status = nicest_data_open(&data, text, options);
    if (status != NICEST_OK)
        fail_msg("%s: %s", text, nicest_error());
    return data;
}

static inline nicest_data *open_plain(const char *text)
{
    return open_with(text, NULL);
}

/* All values; release with free. */
static inline double *all_values(const nicest_data *data)
{
    size_t n = nicest_data_rows(data), d = nicest_data_columns(data);
    double *values = malloc((n * d + 1) * sizeof *values);
    assert_int_equal(nicest_data_read(data, 0, n, values), NICEST_OK);
    return values;
}

/* Equal to the bit, any NaN equal to any other. */
static inline void assert_same(double a, double b)
{
    if (memcmp(&a, &b, sizeof a) != 0 && !(isnan(a) && isnan(b)) && !(a == 0 && b == 0))
        fail_msg("%.17g is not %.17g", a, b);
}

static inline void assert_values(const nicest_data *data, size_t rows, size_t columns,
                                 const double *expected)
{
    assert_int_equal(nicest_data_rows(data), rows);
    assert_int_equal(nicest_data_columns(data), columns);
    double *values = all_values(data);
    for (size_t i = 0; i < rows * columns; i++)
        assert_same(values[i], expected[i]);
    free(values);
}

/* Opening fails with that status and says all of that; the result and memory stay as they were. */
static inline void assert_refused(const char *text, const nicest_data_options *options,
                                  nicest_status expected, const char *words)
{
    nicest_data *data = NULL;
    size_t live = memory_live();
    nicest_status status = nicest_data_open(&data, text, options);
    if (status != expected || strstr(nicest_error(), words) == NULL)
        fail_msg("%s: status %d, \"%s\", expected %d and \"%s\"", text, (int)status, nicest_error(),
                 (int)expected, words);
    assert_null(data);
    assert_int_equal(memory_live(), live);
}

/* Lets each allocation of opening fail in turn: always that status, never a leak. */
static inline void assert_survives_no_memory(const char *text, const nicest_data_options *options)
{
    for (size_t n = 1; n < 10000; n++) {
        nicest_data *data = NULL;
        size_t live = memory_live();
        memory_fail_at(n);
        nicest_status status = nicest_data_open(&data, text, options);
        memory_fail_at(0);
        if (status == NICEST_OK) {
            nicest_data_free(data);
            assert_int_equal(memory_live(), live);
            assert_true(n > 1);
            return;
        }
        if (status != NICEST_E_MEMORY)
            fail_msg("%s: allocation %zu: %s", text, n, nicest_error());
        assert_null(data);
        assert_int_equal(memory_live(), live);
    }
    fail_msg("%s: never opened", text);
}

static inline void assert_same_file(const char *a, const char *b)
{
    char *x, *y;
    size_t n = read_file(a, &x), m = read_file(b, &y);
    assert_int_equal(n, m);
    assert_memory_equal(x, y, n);
    free(x);
    free(y);
}

/* xorshift64*: the same numbers in every run. */
static inline uint64_t random_bits(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717u;
}

static inline double random_unit(uint64_t *state)
{
    return (double)(random_bits(state) >> 11) * 0x1p-53;
}

static inline const char *shared_file(const char *name)
{
    static char path[512];
    const char *place = getenv("NICEST_SHARED");
    snprintf(path, sizeof path, "%s/%s", place ? place : "../shared", name);
    return access(path, R_OK) == 0 ? path : NULL;
}
