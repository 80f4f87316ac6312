/* The error text: one line, per thread, with its place in front, whole or cut but never broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/parallel.h"
#include "base/status.h"

#include <cmocka.h>
#undef fail

static void test_text_and_place(void **state)
{
    (void)state;
    assert_string_equal(nicest_error(), "");
    assert_int_equal(fail(NICEST_E_DATA, "column %d: '%s' is not a number", 4, "n/a"),
                     NICEST_E_DATA);
    assert_string_equal(nicest_error(), "column 4: 'n/a' is not a number");
    assert_int_equal(fail_in(NICEST_E_DATA, "%s:%d", "wine.csv", 17), NICEST_E_DATA);
    assert_string_equal(nicest_error(), "wine.csv:17: column 4: 'n/a' is not a number");
    fail(NICEST_E_IO, "again: %s", nicest_error());
    assert_string_equal(nicest_error(), "again: wine.csv:17: column 4: 'n/a' is not a number");
    assert_int_equal(fail_memory(), NICEST_E_MEMORY);
    assert_string_equal(nicest_error(), "out of memory");
}

static void test_one_line(void **state)
{
    (void)state;
    fail(NICEST_E_IO, "%s", "two\nlines\t\x1b[31m\x7f \xc3\xa9");
    assert_string_equal(nicest_error(), "two?lines??[31m? \xc3\xa9");
    char longer[5000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    fail(NICEST_E_IO, "%s", longer);
    fail_in(NICEST_E_IO, "%s", longer);
    assert_true(strlen(nicest_error()) > 500 && strlen(nicest_error()) < 5000);
}

static void test_names(void **state)
{
    (void)state;
    for (int i = 0; i < NICEST_STATUS_COUNT; i++) {
        const char *name = nicest_status_name((nicest_status)i);
        assert_true(strlen(name) > 1);
        assert_string_not_equal(name, nicest_status_name(NICEST_STATUS_COUNT));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(name, nicest_status_name((nicest_status)j));
    }
}

static void fail_with_number(void *context, int thread, size_t item)
{
    int *wrong = context;
    char want[20];
    (void)thread;
    snprintf(want, sizeof want, "item %zu", item);
    fail(NICEST_E_DATA, "item %zu", item);
    for (int i = 0; i < 1000; i++) {
        if (strcmp(nicest_error(), want) != 0)
            *wrong = 1;
    }
}

static void test_threads_do_not_share(void **state)
{
    (void)state;
    int wrong = 0;
    parallel_for(4, 64, fail_with_number, &wrong);
    assert_int_equal(wrong, 0);
}

static nicest_status inner(int what)
{
    return what == 0 ? NICEST_OK : fail(NICEST_E_DATA, "inner");
}

static nicest_status forwards(int what, int *reached)
{
    TRY(inner(what));
    *reached = 1;
    return NICEST_OK;
}

static nicest_status cleans_up(int what, int *reached)
{
    nicest_status status;
    TRY_TO(inner(what));
    TRY_TO(inner(0));
    *reached += 1;
done:
    *reached += 10;
    return status;
}

static void test_try(void **state)
{
    (void)state;
    int reached = 0;
    assert_int_equal(forwards(1, &reached), NICEST_E_DATA);
    assert_int_equal(reached, 0);
    assert_int_equal(forwards(0, &reached), NICEST_OK);
    assert_int_equal(reached, 1);
    reached = 0;
    assert_int_equal(cleans_up(1, &reached), NICEST_E_DATA);
    assert_int_equal(reached, 10);
    assert_int_equal(cleans_up(0, &reached), NICEST_OK);
    assert_int_equal(reached, 21);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_and_place),
        cmocka_unit_test(test_one_line),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_threads_do_not_share),
        cmocka_unit_test(test_try),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
