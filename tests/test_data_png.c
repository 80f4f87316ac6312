/* test_data_png.c - pictures: what stands in a PNG is what is read, and folders become rows. */
#include "data_files.h"

#include "golden/png_files.h"

static void test_every_kind_of_png(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof golden_pngs / sizeof *golden_pngs; i++) {
        const struct golden_png *g = &golden_pngs[i];
        nicest_image image = {0};
        if (nicest_image_read(&image, put_file("g.png", g->file, g->size)) != NICEST_OK)
            fail_msg("%s: %s", g->name, nicest_error());
        if (image.channels != g->channels)
            fail_msg("%s: %u channels, expected %u", g->name, image.channels, g->channels);
        assert_int_equal((size_t)image.width * image.height * image.channels, g->bytes);
        if (memcmp(image.pixels, g->shown, g->bytes) != 0)
            fail_msg("%s: other pixels", g->name);
        nicest_image_free(&image);
    }
}

static void test_round_trip(void **state)
{
    uint64_t seed = 2;
    (void)state;
    for (int i = 0; i < 60; i++) {
        static const unsigned CHANNELS[] = {1, 3, 4};
        nicest_image image, again;
        unsigned width = 1 + (unsigned)(random_bits(&seed) % 40),
                 height = 1 + (unsigned)(random_bits(&seed) % 40), channels = CHANNELS[i % 3];
        size_t size, bytes = (size_t)width * height * channels;
        unsigned char *encoded;
        assert_int_equal(nicest_image_new(&image, width, height, channels), NICEST_OK);
        for (size_t j = 0; j < bytes; j++)
            image.pixels[j] = (unsigned char)random_bits(&seed);
        const char *path = in_scratch("round.png");
        assert_int_equal(nicest_image_write(&image, path), NICEST_OK);
        assert_int_equal(nicest_image_read(&again, path), NICEST_OK);
        assert_true(again.width == width && again.height == height && again.channels == channels);
        assert_memory_equal(again.pixels, image.pixels, bytes);
        nicest_image_free(&again);
        assert_int_equal(nicest_image_encode(&image, &encoded, &size), NICEST_OK);
        assert_int_equal(nicest_image_read(&again, put_file("enc.png", encoded, size)), NICEST_OK);
        assert_memory_equal(again.pixels, image.pixels, bytes);
        nicest_image_free(&again);
        nicest_image_free(&image);
        memory_free(encoded);
    }
    nicest_image_free(NULL);
    nicest_image none = {0};
    assert_int_equal(nicest_image_new(&none, 0, 3, 1), NICEST_E_ARGUMENT);
    assert_int_equal(nicest_image_new(&none, 3, 3, 2), NICEST_E_ARGUMENT);
    assert_int_equal(nicest_image_write(&none, in_scratch("none.png")), NICEST_E_ARGUMENT);
    assert_int_not_equal(access(in_scratch("none.png"), F_OK), 0);
}

static void test_damage(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof golden_pngs / sizeof *golden_pngs; i++) {
        const struct golden_png *g = &golden_pngs[i];
        unsigned char copy[400];
        for (size_t size = 0; size < g->size; size++) {
            nicest_image image = {0};
            size_t live = memory_live();
            const char *path = put_file("cut.png", g->file, size);
            if (nicest_image_read(&image, path) != NICEST_E_FORMAT)
                fail_msg("%s cut to %zu bytes: %s", g->name, size, nicest_error());
            assert_non_null(strstr(nicest_error(), "cut.png"));
            assert_null(image.pixels);
            assert_int_equal(memory_live(), live);
        }
        for (size_t bit = 0; bit < g->size * 8; bit++) {
            nicest_image image = {0};
            size_t live = memory_live();
            memcpy(copy, g->file, g->size);
            copy[bit / 8] ^= (unsigned char)(1u << bit % 8);
            (void)nicest_image_read(&image, put_file("bit.png", copy, g->size));
            nicest_image_free(&image);
            assert_int_equal(memory_live(), live);
        }
    }
    nicest_image image = {0};
    assert_int_equal(nicest_image_read(&image, put_text("t.png", "no picture")), NICEST_E_FORMAT);
    assert_int_equal(nicest_image_read(&image, in_scratch("absent.png")), NICEST_E_IO);
}

static void put_grey(const char *name, unsigned char first, unsigned width)
{
    nicest_image image;
    assert_int_equal(nicest_image_new(&image, width, 2, 1), NICEST_OK);
    for (unsigned i = 0; i < 2 * width; i++)
        image.pixels[i] = (unsigned char)(first + i);
    assert_int_equal(nicest_image_write(&image, in_scratch(name)), NICEST_OK);
    nicest_image_free(&image);
}

static void test_folders(void **state)
{
    unsigned height, width, channels;
    (void)state;
    assert_int_equal(mkdir(in_scratch("plain"), 0700), 0);
    put_grey("plain/b.png", 10, 2);
    put_grey("plain/a.PNG", 0, 2);
    put_grey("plain/c.png", 20, 2);
    put_text("plain/readme.txt", "not a picture");
    nicest_data *data = open_plain(in_scratch("plain"));
    assert_values(data, 3, 4, (double[]){0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23});
    nicest_data_image(data, &height, &width, &channels);
    assert_true(height == 2 && width == 2 && channels == 1);
    assert_string_equal(nicest_data_kind(data), "png");
    assert_string_equal(nicest_data_type(data), "uint8");
    assert_null(nicest_data_labels(data));
    nicest_data_free(data);
    data = open_plain(in_scratch("plain/b.png"));
    assert_values(data, 1, 4, (double[]){10, 11, 12, 13});
    nicest_data_free(data);
    assert_survives_no_memory(in_scratch("plain"), NULL);
    put_grey("plain/d.png", 0, 3);
    assert_refused(in_scratch("plain"), NULL, NICEST_E_DATA, "d.png: is 2x3x1");
    assert_int_equal(mkdir(in_scratch("classes"), 0700), 0);
    assert_refused(in_scratch("classes"), NULL, NICEST_E_DATA, "holds no PNG");
    assert_int_equal(mkdir(in_scratch("classes/dog"), 0700), 0);
    assert_int_equal(mkdir(in_scratch("classes/cat"), 0700), 0);
    put_grey("classes/dog/1.png", 50, 2);
    put_grey("classes/cat/2.png", 70, 2);
    put_grey("classes/cat/1.png", 60, 2);
    data = open_plain(in_scratch("classes"));
    assert_values(data, 3, 4, (double[]){60, 61, 62, 63, 70, 71, 72, 73, 50, 51, 52, 53});
    assert_true(nicest_data_labels(data)[0] == 0 && nicest_data_labels(data)[2] == 1);
    assert_string_equal(nicest_data_label_text(data, 2), "dog");
    nicest_data_free(data);
    nicest_data_options dog = {.where = "label=dog"}, zero = {.where = "label=0"};
    data = open_with(in_scratch("classes"), &dog);
    assert_values(data, 1, 4, (double[]){50, 51, 52, 53});
    nicest_data_free(data);
    data = open_with(in_scratch("classes"), &zero);
    assert_int_equal(nicest_data_rows(data), 2);
    nicest_data_free(data);
    assert_survives_no_memory(in_scratch("classes"), &dog);
    /* alpha on black */
    const struct golden_png *g = &golden_pngs[9];
    assert_string_equal(g->name, "rgba");
    data = open_plain(put_file("alpha.png", g->file, g->size));
    assert_values(data, 1, 6, (double[]){1, 2, 3, 40, 20, 10});
    nicest_data_free(data);
}

static void test_grid(void **state)
{
    nicest_image image;
    nicest_data *data;
    nicest_data_options picture = {.height = 1, .width = 2};
    (void)state;
    data = open_with(put_text("three.csv", "0,2\n4,6\n8,10\n"), &picture);
    assert_int_equal(nicest_data_save(data, in_scratch("grid.png")), NICEST_OK);
    nicest_data_free(data);
    assert_int_equal(nicest_image_read(&image, in_scratch("grid.png")), NICEST_OK);
    assert_true(image.width == 5 && image.height == 3 && image.channels == 1);
    const unsigned char shown[15] = {0, 51, 0, 102, 153, 0, 0, 0, 0, 0, 204, 255, 0, 0, 0};
    assert_memory_equal(image.pixels, shown, 15);
    nicest_image_free(&image);
    data = open_plain(put_text("three.csv", "0,2\n4,6\n8,10\n"));
    assert_int_equal(nicest_data_save(data, in_scratch("grid2.png")), NICEST_E_MISMATCH);
    nicest_data_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_of_png), cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_damage), cmocka_unit_test(test_folders), cmocka_unit_test(test_grid)};
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
