/* test_train_words.c - the bounded text of sentences: whatever is added, it holds whole lines in
 * their order and ends where there is no room with "...". */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "train/words.h"

enum { MOST = 200, GUARD = 77 };

static void sentences_are_whole_or_left_out(void **state)
{
    static const char *const sentences[] = {"a", "", "of some length",
                                            "forty letters of which no one is missing."};
    (void)state;
    for (size_t size = 1; size <= MOST; size++) {
        char text[MOST + 8], expected[1000] = "";
        words w = {text, size, 0};
        memset(text, GUARD, sizeof text);
        text[0] = 0;
        for (size_t i = 0; i < 12; i++) {
            words_add(&w, "%s", sentences[(i * 3 + size) % 4]);
            strcat(strcat(expected, sentences[(i * 3 + size) % 4]), "\n");
            size_t length = strlen(text);
            assert_true(length < size);
            for (size_t j = size; j < sizeof text; j++)
                assert_int_equal(text[j], GUARD);
            bool cut = length >= 4 && !strcmp(text + length - 4, "...\n");
            assert_memory_equal(text, expected, cut ? length - 4 : length);
            assert_true(cut || length == strlen(expected) || size <= sizeof "...\n");
            assert_true(length == 0 || text[length - 1] == '\n');
            assert_true(!cut || length == 4 || text[length - 5] == '\n');
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sentences_are_whole_or_left_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
