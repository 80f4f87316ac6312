/* Blocks and arenas: alignment, zeros, growth that keeps its bytes, overflow, failure on demand,
 * and the counters that later laws are tested with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"

static bool aligned(const void *block)
{
    return (uintptr_t)block % 64 == 0;
}

static bool all(const unsigned char *bytes, size_t size, unsigned char value)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != value)
            return false;
    }
    return true;
}

static void test_new_is_zeroed_and_aligned(void **state)
{
    (void)state;
    size_t live = memory_live(), calls = memory_calls();
    for (size_t size = 0; size < 3000; size = size * 3 / 2 + 1) {
        unsigned char *block = memory_new(size, 1);
        assert_non_null(block);
        assert_true(aligned(block));
        assert_true(all(block, size, 0));
        memset(block, 0xaa, size);
        memory_free(block);
        calls++;
    }
    assert_int_equal(memory_live(), live);
    assert_int_equal(memory_calls(), calls);
    memory_free(NULL);
}

static void test_overflow(void **state)
{
    (void)state;
    size_t live = memory_live();
    assert_null(memory_new(SIZE_MAX, 1));
    assert_null(memory_new(SIZE_MAX / 2 + 1, 2));
    assert_null(memory_new((size_t)1 << 33, (size_t)1 << 31));
    assert_null(memory_new(SIZE_MAX - 64, 1));
    unsigned char *block = memory_new(10, 1);
    memset(block, 7, 10);
    assert_null(memory_resize(block, SIZE_MAX / 4, 8));
    assert_true(all(block, 10, 7));
    memory_free(block);
    assert_int_equal(memory_live(), live);
}

/* Sizes far enough apart that the C library moves the block, in both directions. */
static void test_resize_keeps_bytes(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 100, 4000, 65, 3000000, 2999999, 17, 500000, 0, 80};
    unsigned char *block = NULL;
    size_t held = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char *between = memory_new(777, 1); /* something in the way */
        unsigned char *moved = memory_resize(block, sizes[i], 1);
        assert_non_null(moved);
        assert_true(aligned(moved));
        size_t kept = held < sizes[i] ? held : sizes[i];
        for (size_t j = 0; j < kept; j++)
            assert_int_equal(moved[j], (unsigned char)(j * 31));
        for (size_t j = 0; j < sizes[i]; j++)
            moved[j] = (unsigned char)(j * 31);
        held = sizes[i];
        block = moved;
        memory_free(between);
    }
    memory_free(block);
}

static void test_fail_on_demand(void **state)
{
    (void)state;
    memory_fail_at(3);
    void *a = memory_new(1, 1), *b = memory_new(1, 1);
    assert_true(a != NULL && b != NULL);
    assert_null(memory_new(1, 1));
    void *c = memory_new(1, 1); /* once only */
    assert_non_null(c);
    memory_fail_at(1);
    assert_null(memory_resize(c, 100, 1));
    memory_fail_at(1);
    assert_null(memory_text("text"));
    memory_fail_at(1);
    assert_null(memory_format("%d", 5));
    memory_fail_at(1);
    memory_fail_at(0);
    void *d = memory_new(1, 1);
    assert_non_null(d);
    memory_free(a);
    memory_free(b);
    memory_free(c);
    memory_free(d);
}

static void test_peak(void **state)
{
    (void)state;
    memory_peak_restart();
    size_t before = memory_peak();
    void *a = memory_new(1000, 1), *b = memory_new(500, 2);
    assert_int_equal(memory_peak() - before, 2000);
    memory_free(a);
    b = memory_resize(b, 10, 1);
    assert_int_equal(memory_peak() - before, 2000);
    memory_peak_restart();
    assert_int_equal(memory_peak() - before, 10);
    b = memory_resize(b, 700, 1);
    memory_free(b);
    assert_int_equal(memory_peak() - before, 700);
}

static void test_text(void **state)
{
    (void)state;
    char *text = memory_text("density");
    assert_string_equal(text, "density");
    memory_free(text);
    assert_null(memory_text(NULL));
    char *formatted = memory_format("%s:%d: %*d", "wine.csv", 17, 2000, 5);
    assert_int_equal(strlen(formatted), strlen("wine.csv:17: ") + 2000);
    memory_free(formatted);
}

/* A dry run says what a real arena needs, to the byte. */
static void test_arena(void **state)
{
    (void)state;
    arena counting = {0}, real = {0};
    for (int pass = 0; pass < 2; pass++) {
        arena *a = pass == 0 ? &counting : &real;
        unsigned char *first = arena_take(a, 100, 1);
        size_t mark = a->used;
        unsigned char *second = arena_take(a, 7, 8);
        a->used = mark;
        unsigned char *third = arena_take(a, 3, 1);
        if (pass == 0) {
            assert_null(first);
            assert_null(third);
            assert_true(arena_open(&real, counting.peak));
        } else {
            assert_true(aligned(first) && aligned(second));
            assert_ptr_equal(second, third);
            assert_ptr_equal(second, first + 128);
            assert_int_equal(real.peak, counting.peak);
            assert_int_equal(real.size, counting.peak);
            memset(first, 1, real.size);
        }
    }
    arena_close(&real);
    assert_null(real.base);
    arena_close(&real);
}

static void test_arena_overflow(void **state)
{
    (void)state;
    arena counting = {0}, real = {0};
    arena_take(&counting, SIZE_MAX / 2, 4);
    assert_int_equal(counting.peak, SIZE_MAX);
    arena_take(&counting, 100, 1);
    assert_int_equal(counting.peak, SIZE_MAX);
    assert_false(arena_open(&real, counting.peak));
    assert_null(real.base);
}

/* Blocks of a group go together; one that could not be had is remembered. */
static void test_group(void **state)
{
    memory_group group = {0};
    size_t before = memory_live();
    (void)state;
    double *first = memory_join(&group, 3, sizeof *first);
    assert_non_null(first);
    assert_true(first[0] == 0 && first[2] == 0 && !group.lacking);
    memory_fail_at(1);
    assert_null(memory_join(&group, 1, 1));
    memory_fail_at(0);
    assert_non_null(memory_join(&group, 0, 8));
    assert_true(group.lacking);
    assert_int_equal(memory_live(), before + 2);
    memory_leave(&group);
    assert_int_equal(memory_live(), before);
    assert_true(group.count == 0 && !group.lacking);
    memory_leave(&group);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_is_zeroed_and_aligned),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_resize_keeps_bytes),
        cmocka_unit_test(test_fail_on_demand),
        cmocka_unit_test(test_peak),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_arena_overflow),
        cmocka_unit_test(test_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
