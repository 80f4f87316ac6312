/* test_train_words.c - the text of sentences: however many are added, all are there, in their order,
 * and a lack of memory is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "train/words.h"

enum { MANY = 500 };

static void sentences_are_whole_and_in_order(void **state)
{
    (void)state;
    size_t live = memory_live();
    words w = {0};
    for (int i = 0; i < MANY; i++)
        words_add(&w, "%*s column %d", i % 40, "the", i);
    const char *at = w.text;
    for (int i = 0; i < MANY; i++) {
        char line[80];
        int length = snprintf(line, sizeof line, "%*s column %d\n", i % 40, "the", i);
        assert_memory_equal(at, line, (size_t)length);
        at += length;
    }
    assert_true(!*at && !w.lacking);
    memory_free(w.text);
    assert_int_equal(memory_live(), live);
}

static void a_lack_of_memory_is_known(void **state)
{
    (void)state;
    words w = {0};
    words_add(&w, "first");
    memory_fail_at(1);
    words_add(&w, "second");
    memory_fail_at(0);
    assert_true(w.lacking);
    assert_string_equal(w.text, "first\n");
    memory_free(w.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sentences_are_whole_and_in_order),
                                       cmocka_unit_test(a_lack_of_memory_is_known)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
