/* test_data_idx.c - the format of the MNIST files, and the labels beside them. */
#include "data_files.h"

static size_t put_idx(unsigned char *out, unsigned char code, unsigned axes, const unsigned *size,
                      const void *values, size_t bytes)
{
    memcpy(out, "\0\0", 2);
    out[2] = code;
    out[3] = (unsigned char)axes;
    for (unsigned i = 0; i < axes; i++) {
        for (unsigned b = 0; b < 4; b++)
            out[4 + 4 * i + b] = (unsigned char)(size[i] >> (24 - 8 * b));
    }
    memcpy(out + 4 + 4 * axes, values, bytes);
    return 4 + 4 * axes + bytes;
}

static void test_all_types(void **state)
{
    static const struct {
        unsigned char code;
        const char *type;
        size_t bytes;
        unsigned char values[32];
        double expected[2];
    } CASES[] = {{0x08, "uint8", 2, {200, 7}, {200, 7}},
                 {0x09, "int8", 2, {200, 7}, {-56, 7}},
                 {0x0B, "int16", 4, {0x01, 0x02, 0xff, 0xfe}, {258, -2}},
                 {0x0C, "int32", 8, {0, 1, 0, 0, 0xff, 0xff, 0xff, 0xfd}, {65536, -3}},
                 {0x0D, "float32", 8, {0x3f, 0xc0, 0, 0, 0xc0, 0, 0, 0}, {1.5, -2}},
                 {0x0E,
                  "float64",
                  16,
                  {0x3f, 0xf8, 0, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0},
                  {1.5, -2}}};
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        unsigned char file[64];
        const unsigned two[] = {2}, one_by_two[] = {1, 2};
        size_t size = put_idx(file, CASES[i].code, 1, two, CASES[i].values, CASES[i].bytes);
        nicest_data *data = open_plain(put_file("a-idx1-ubyte", file, size));
        assert_values(data, 2, 1, CASES[i].expected);
        assert_string_equal(nicest_data_type(data), CASES[i].type);
        assert_string_equal(nicest_data_kind(data), "idx");
        nicest_data_free(data);
        size = put_idx(file, CASES[i].code, 2, one_by_two, CASES[i].values, CASES[i].bytes);
        data = open_plain(put_file("a.idx", file, size));
        assert_values(data, 1, 2, CASES[i].expected);
        nicest_data_free(data);
        for (size_t cut = 0; cut < size; cut++)
            assert_refused(put_file("a.idx", file, cut), NULL, NICEST_E_FORMAT, "a.idx");
        file[size] = 0; /* and one byte more */
        assert_refused(put_file("a.idx", file, size + 1), NULL, NICEST_E_FORMAT, "there are");
    }
}

static void test_pictures_and_labels(void **state)
{
    unsigned char file[100], bytes[12], classes[3] = {7, 1, 7};
    const unsigned three[] = {3, 2, 2}, four[] = {2, 1, 2, 3}, one[] = {3}, other[] = {2};
    unsigned height, width, channels;
    double expected[12];
    (void)state;
    for (int i = 0; i < 12; i++)
        expected[i] = bytes[i] = (unsigned char)(20 * i);
    size_t size = put_idx(file, 8, 3, three, bytes, 12);
    const char *path = put_file("t-images-idx3-ubyte", file, size);
    nicest_data *data = open_plain(path);
    nicest_data_image(data, &height, &width, &channels);
    assert_true(height == 2 && width == 2 && channels == 1);
    assert_null(nicest_data_labels(data));
    nicest_data_free(data);
    size = put_idx(file, 8, 1, one, classes, 3);
    put_file("t-labels-idx1-ubyte", file, size);
    data = open_plain(path);
    assert_values(data, 3, 4, expected);
    for (int i = 0; i < 3; i++)
        assert_true(nicest_data_labels(data)[i] == classes[i]);
    nicest_data_free(data);
    nicest_data_options seven = {.where = "label=7"}, named = {.label = "label", .where = "5=1"},
                        eight = {.where = "label=8"}, some = {.columns = "1-2"},
                        pictured = {.columns = "1-2", .height = 1, .width = 2},
                        wrong = {.height = 3, .width = 3};
    data = open_with(path, &seven);
    assert_values(data, 2, 4, (double[]){0, 20, 40, 60, 160, 180, 200, 220});
    assert_true(nicest_data_labels(data)[1] == 7);
    nicest_data_free(data);
    data = open_with(path, &named);
    assert_values(data, 1, 4, expected + 4);
    nicest_data_free(data);
    assert_refused(path, &eight, NICEST_E_DATA, "label=8");
    data = open_with(path, &some);
    nicest_data_image(data, &height, &width, &channels);
    assert_true(height == 0 && width == 0 && channels == 0);
    nicest_data_free(data);
    data = open_with(path, &pictured);
    nicest_data_image(data, &height, &width, &channels);
    assert_true(height == 1 && width == 2 && channels == 1);
    nicest_data_free(data);
    assert_refused(path, &wrong, NICEST_E_ARGUMENT, "3x3x1 is 9 columns");
    char sliced[600];
    snprintf(sliced, sizeof sliced, "%s[1:]", path);
    data = open_with(sliced, &seven); /* the slice first, labels in step */
    assert_values(data, 1, 4, expected + 8);
    nicest_data_free(data);
    size = put_idx(file, 8, 1, other, classes, 2); /* of another length: not ours */
    put_file("t-labels-idx1-ubyte", file, size);
    data = open_plain(path);
    assert_null(nicest_data_labels(data));
    nicest_data_free(data);
    size = put_idx(file, 8, 4, four, bytes, 12);
    data = open_plain(put_file("c-idx4-ubyte", file, size));
    nicest_data_image(data, &height, &width, &channels);
    assert_true(height == 1 && width == 2 && channels == 3);
    nicest_data_free(data);
    assert_survives_no_memory(path, NULL);
}

static void test_hostile(void **state)
{
    unsigned char file[100] = {0};
    const unsigned huge[] = {4294967295u, 4294967295u, 4294967295u, 4294967295u, 4294967295u},
                   none[] = {0, 5}, big[] = {1000000000};
    (void)state;
    assert_refused(put_file("h.idx", file, put_idx(file, 14, 4, huge, "", 0)), NULL,
                   NICEST_E_FORMAT, "more bytes than can be");
    assert_refused(put_file("h.idx", file, put_idx(file, 8, 1, big, "abc", 3)), NULL,
                   NICEST_E_FORMAT, "claim 1000000000 bytes of values, there are 3");
    assert_refused(put_file("h.idx", file, put_idx(file, 8, 2, none, "", 0)), NULL, NICEST_E_DATA,
                   "no values");
    assert_refused(put_file("h.idx", file, put_idx(file, 10, 1, big, "", 0)), NULL, NICEST_E_FORMAT,
                   "not an IDX file");
    assert_refused(put_file("h.idx", file, put_idx(file, 8, 5, huge, "", 0)), NULL, NICEST_E_FORMAT,
                   "5 axes");
    assert_refused(put_text("h.idx", ""), NULL, NICEST_E_FORMAT, "h.idx");
}

static void test_mnist(void **state)
{
    const char *path = shared_file("data/mnist/t10k-images-idx3-ubyte.gz");
    (void)state;
    if (!path) {
        print_message("MNIST is not in ../shared/data/mnist\n");
        skip();
    }
    nicest_data_options seven = {.where = "label=7"};
    nicest_data *data = open_plain(path);
    assert_int_equal(nicest_data_rows(data), 10000);
    assert_int_equal(nicest_data_columns(data), 784);
    assert_string_equal(nicest_data_type(data), "uint8");
    assert_true(nicest_data_labels(data)[0] == 7);
    nicest_data_free(data);
    data = open_with(path, &seven);
    assert_int_equal(nicest_data_rows(data), 1028);
    nicest_data_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_types), cmocka_unit_test(test_pictures_and_labels),
        cmocka_unit_test(test_hostile), cmocka_unit_test(test_mnist)};
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
