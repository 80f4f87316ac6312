/* test_train_record.c - what a run writes down: a curve that never grows past its room and stays
 * even, counters that read back, a log that cannot be written or is not a log. */
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
#include "train/record.h"

static void a_full_curve_is_thinned_evenly(void **state)
{
    (void)state;
    static train_state s;
    memset(&s, 0, sizeof s);
    for (size_t step = 1; step <= 5000; step++) {
        record_point(&s, &(curve_point){.step = step});
        assert_in_range(s.points, step < CURVE_POINTS ? step : CURVE_POINTS / 2, CURVE_POINTS);
        for (size_t i = 0; i < s.points; i++)
            assert_int_equal(s.curve[i].step, (i + 1) * s.stride);
        assert_true(step - s.curve[s.points - 1].step < s.stride);
    }
}

static train_state some_state(void)
{
    train_state s = {.step = 7,
                     .epoch = 1,
                     .in_epoch = 3,
                     .draws = 9,
                     .retries = 2,
                     .rate_factor = 0.1,
                     .seconds = 1.25,
                     .start_logp = -3,
                     .valid_logp = -2.5,
                     .best_logp = -2.25,
                     .train_logp = NAN,
                     .sum = -12.5,
                     .summed = 4,
                     .above = 17,
                     .stale = 6,
                     .log_bytes = 11,
                     .log_checksum = 4000000000u};
    for (size_t i = 1; i < 6; i++)
        record_point(&s, &(curve_point){i, (double)i / 3, -1 / (double)i, i % 2 ? NAN : -2, 1e-3});
    return s;
}

static void counters_read_back(void **state)
{
    (void)state;
    train_state s = some_state(), read = {0};
    char *text = record_counters(&s), *again = NULL;
    assert_non_null(text);
    assert_int_equal(record_read_counters(text, &read), NICEST_OK);
    again = record_counters(&read);
    assert_string_equal(text, again);
    assert_int_equal(read.log_checksum, 4000000000u);
    train_state before = read;
    for (char *key = text; (key = strchr(key, '"'));
         key += 2) { /* each key in turn has another name */
        char kept = key[1];
        key[1] = '?';
        assert_int_equal(record_read_counters(text, &read), NICEST_E_FORMAT);
        assert_memory_equal(&read, &before, sizeof read);
        key[1] = kept;
        key = strchr(key + 1, '"'); /* behind the name */
    }
    assert_int_equal(record_read_counters("[", &read), NICEST_E_FORMAT);
    assert_int_equal(record_read_counters("[]", &read), NICEST_E_FORMAT);
    memory_fail_at(1);
    assert_int_equal(record_read_counters(text, &read), NICEST_E_MEMORY);
    memory_fail_at(0);
    memory_free(text);
    memory_free(again);
}

/* The log's functions on a path where no log can be: a sentence with the path, nothing counted. */
static void refuse_log(const char *path)
{
    train_state s = some_state(), before = s;
    const curve_point point = {.step = 7};
    assert_int_equal(record_log(path, &s, &point), NICEST_E_IO);
    assert_non_null(strstr(nicest_error(), path));
    assert_memory_equal(&s, &before, sizeof s);
    if (strncmp(path, "/dev/", 5)) {
        assert_int_equal(record_log_begin(path, &s, false), NICEST_E_IO);
        assert_int_equal(record_log_sync(path), NICEST_E_IO);
        assert_non_null(strstr(nicest_error(), path));
    }
}

static void a_log_that_cannot_be_written(void **state)
{
    (void)state;
    const char *folder = getenv("TMPDIR");
    refuse_log(folder ? folder : "/tmp");
    refuse_log("no-such-folder/log.jsonl");
    if (access("/dev/full", W_OK) == 0)
        refuse_log("/dev/full");
}

static size_t size_of(const char *path)
{
    struct stat facts;
    assert_int_equal(stat(path, &facts), 0);
    return (size_t)facts.st_size;
}

static void a_log_ends_where_the_state_stands(void **state)
{
    (void)state;
    const char *folder = getenv("TMPDIR");
    char path[512];
    snprintf(path, sizeof path, "%s/nicest-%ld-log", folder ? folder : "/tmp", (long)getpid());
    remove(path);
    train_state s = some_state();
    assert_int_equal(record_log_begin(path, &s, false), NICEST_OK);
    assert_int_equal(s.log_bytes, 0);
    for (size_t i = 1; i <= 3; i++)
        assert_int_equal(record_log(path, &s, &(curve_point){.step = i}), NICEST_OK);
    assert_int_equal(record_log_sync(path), NICEST_OK);
    assert_int_equal(size_of(path), s.log_bytes);
    s.step = 3;
    train_state later = s;
    for (size_t i = 4; i <= 5; i++)
        assert_int_equal(record_log(path, &later, &(curve_point){.step = i}), NICEST_OK);
    train_state other = s;
    other.log_checksum ^= 1; /* one bit of what was written */
    assert_int_equal(record_log_begin(path, &other, true), NICEST_E_MISMATCH);
    other = later;
    other.step = 6, other.log_bytes = s.log_bytes, other.log_checksum = s.log_checksum;
    assert_int_equal(record_log_begin(path, &other, true), NICEST_E_MISMATCH); /* earlier steps */
    assert_int_equal(size_of(path), later.log_bytes);
    assert_int_equal(record_log_begin(path, &s, true), NICEST_OK);
    assert_int_equal(size_of(path), s.log_bytes);
    assert_int_equal(record_log_begin(path, &later, true),
                     NICEST_E_MISMATCH); /* lines are missing */
    assert_int_equal(record_log_begin(path, &s, false), NICEST_OK);
    assert_int_equal(size_of(path), 0);
    remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_curve_is_thinned_evenly),
        cmocka_unit_test(counters_read_back),
        cmocka_unit_test(a_log_that_cannot_be_written),
        cmocka_unit_test(a_log_ends_where_the_state_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
