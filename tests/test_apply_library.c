/* test_apply_library.c - what the library says of itself, and files that are written whole. */
#include "model_fixture.h"

static void it_says_what_it_is(void **state)
{
    (void)state;
    assert_non_null(strchr(nicest_version(), '.'));
    assert_non_null(strstr(nicest_build(), nicest_version()));
    assert_null(strchr(nicest_build(), '\n'));
    assert_true(nicest_processors() >= 1);
}

static void a_file_is_written_whole_or_not(void **state)
{
    (void)state;
    char path[512];
    nicest_image image = {0};
    unsigned char *png = NULL;
    size_t size = 0;
    temporary("library.png", path, sizeof path);
    assert_status(nicest_image_new(&image, 3, 2, 1), NICEST_OK);
    assert_status(nicest_image_encode(&image, &png, &size), NICEST_OK);
    assert_status(nicest_file_write(path, png, size), NICEST_OK);
    bytes back = read_bytes(path);
    assert_int_equal(back.size, size);
    assert_memory_equal(back.data, png, size);
    assert_error(nicest_file_write("/dev/full/x", png, size), NICEST_E_IO, "/dev/full/x");
    nicest_free(png);
    nicest_image_free(&image);
    memory_free(back.data);
    remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_says_what_it_is),
        cmocka_unit_test(a_file_is_written_whole_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
