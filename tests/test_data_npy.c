/* test_data_npy.c - NumPy's own files are read as NumPy reads them; damaged ones are refused. */
#include "data_files.h"

#include "data/npy.h"
#include "golden/npy_files.h"

static const double BASE[] = {0, 1, 2, 100, 3, 127, 5, 6, 1, 7, 11, 90};

static const struct golden_file *golden(const char *name)
{
    for (size_t i = 0; i < sizeof golden_files / sizeof *golden_files; i++) {
        if (!strcmp(golden_files[i].name, name))
            return &golden_files[i];
    }
    fail_msg("no golden file %s", name);
    return NULL;
}

static const char *put_golden(const char *name, const char *extension)
{
    const struct golden_file *file = golden(name);
    char path[100];
    snprintf(path, sizeof path, "%s%s", name, extension);
    return put_file(path, file->data, file->size);
}

static void test_all_types(void **state)
{
    static const char *const TYPES[][2] = {
        {"u1", "uint8"},          {"i1", "int8"},           {"little_u2", "uint16"},
        {"big_u2", "uint16"},     {"little_i2", "int16"},   {"big_i2", "int16"},
        {"little_u4", "uint32"},  {"big_u4", "uint32"},     {"little_i4", "int32"},
        {"big_i4", "int32"},      {"little_u8", "uint64"},  {"big_u8", "uint64"},
        {"little_i8", "int64"},   {"big_i8", "int64"},      {"little_f2", "float32"},
        {"big_f2", "float32"},    {"little_f4", "float32"}, {"big_f4", "float32"},
        {"little_f8", "float64"}, {"big_f8", "float64"}};
    (void)state;
    for (size_t i = 0; i < 2 * sizeof TYPES / sizeof *TYPES; i++) {
        char name[40];
        snprintf(name, sizeof name, "%s_%s", i % 2 ? "f" : "c", TYPES[i / 2][0]);
        nicest_data *data = open_plain(put_golden(name, ".npy"));
        assert_values(data, 3, 4, BASE);
        assert_string_equal(nicest_data_type(data), TYPES[i / 2][1]);
        assert_string_equal(nicest_data_kind(data), "npy");
        nicest_data_free(data);
    }
}

static void test_versions_and_shapes(void **state)
{
    const double flags[] = {0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 1, 1};
    const double halves[] = {0,       -0.0,           1,        -2.5,      65504, 0x1p-24,
                             0x1p-14, 0.333251953125, INFINITY, -INFINITY, NAN};
    (void)state;
    for (int i = 0; i < 5; i++) {
        static const char *const NAMES[] = {"version2", "version3", "one_axis", "boolean",
                                            "halves"};
        nicest_data *data = open_plain(put_golden(NAMES[i], ".npy"));
        if (i < 2)
            assert_values(data, 3, 4, BASE);
        else if (i == 2)
            assert_values(data, 4, 1, BASE + 4);
        else if (i == 3)
            assert_values(data, 3, 4, flags);
        else
            assert_values(data, 11, 1, halves);
        nicest_data_free(data);
    }
}

static void test_pictures(void **state)
{
    static const char *const NAMES[] = {"pictures_c", "pictures_f", "grey_c", "grey_f"};
    (void)state;
    for (int i = 0; i < 4; i++) {
        unsigned height, width, channels;
        double expected[36];
        for (int j = 0; j < 36; j++)
            expected[j] = i < 2 ? j : 3 * j;
        nicest_data *data = open_plain(put_golden(NAMES[i], ".npy"));
        assert_values(data, 2, i < 2 ? 18 : 6, expected);
        nicest_data_image(data, &height, &width, &channels);
        assert_int_equal(height, 2);
        assert_int_equal(width, 3);
        assert_int_equal(channels, i < 2 ? 3 : 1);
        nicest_data_free(data);
    }
}

/* Fortran order through every way of reading. */
static void test_strides(void **state)
{
    nicest_data_options options = {.columns = "3-4,1"};
    const double chosen[] = {2, 100, 0, 5, 6, 3, 11, 90, 1};
    (void)state;
    for (int i = 0; i < 2; i++) {
        const char *path = put_golden(i ? "f_little_i4" : "c_little_i4", ".npy");
        nicest_data *data = open_with(path, &options), *part;
        assert_values(data, 3, 3, chosen);
        assert_string_equal(nicest_data_column_name(data, 0), "x3");
        const size_t index[] = {2, 0, 2};
        const double picked[] = {11, 90, 1, 2, 100, 0, 11, 90, 1};
        assert_int_equal(nicest_data_select(&part, data, index, 3), NICEST_OK);
        assert_values(part, 3, 3, picked);
        nicest_data_free(data);
        assert_values(part, 3, 3, picked); /* it shares the values and outlives the first */
        nicest_data_free(part);
        char sliced[600];
        snprintf(sliced, sizeof sliced, "%s[1:]", path);
        data = open_with(sliced, &options);
        assert_values(data, 2, 3, chosen + 3);
        nicest_data_free(data);
    }
}

static void test_npz(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        const char *path = put_golden(i ? "npz_packed" : "npz_stored", ".npz");
        nicest_data *data = open_plain(path);
        assert_values(data, 3, 4, BASE); /* the first with two axes; others only when named */
        assert_null(nicest_data_labels(data));
        assert_string_equal(nicest_data_kind(data), "npz");
        nicest_data_free(data);
        nicest_data_options label = {.label = "y"}, where = {.where = "y=1"}, drop = {.drop = "y"},
                            columns = {.columns = "row,x2"}, unknown = {.label = "nothing"},
                            words = {.label = "names"};
        data = open_with(path, &label);
        assert_values(data, 3, 4, BASE);
        assert_true(nicest_data_labels(data)[0] == 0 && nicest_data_labels(data)[1] == 1);
        nicest_data_free(data);
        data = open_with(path, &where);
        assert_values(data, 1, 4, BASE + 4);
        nicest_data_free(data);
        data = open_with(path, &drop);
        assert_values(data, 3, 4, BASE);
        nicest_data_free(data);
        const double mixed[] = {5, 1, 6, 127, 7, 7};
        data = open_with(path, &columns);
        assert_values(data, 3, 2, mixed);
        assert_string_equal(nicest_data_column_name(data, 0), "row");
        nicest_data_free(data);
        assert_refused(path, &unknown, NICEST_E_ARGUMENT, "x1, x2, x3, x4, first, y, row, names");
        data = open_with(path, &words);
        assert_string_equal(nicest_data_label_text(data, 0), "a");
        nicest_data_free(data);
        char named[600];
        snprintf(named, sizeof named, "%s:y[1:]", path);
        const double y[] = {1, 0};
        data = open_plain(named);
        assert_values(data, 2, 1, y);
        nicest_data_free(data);
        snprintf(named, sizeof named, "%s:Y", path);
        assert_refused(named, NULL, NICEST_E_ARGUMENT, "first, X, y, row, names, other");
        snprintf(named, sizeof named, "%s:names", path);
        data = open_plain(named);
        assert_int_equal(nicest_data_column_kind(data, 0), NICEST_CATEGORY);
        nicest_data_free(data);
    }
    const double a[] = {0, 1, 0};
    nicest_data *data = open_plain(put_golden("npz_columns", ".npz"));
    assert_values(data, 3, 1, a);
    nicest_data_free(data);
    data = open_plain(put_golden("npz_words", ".npz"));
    assert_int_equal(nicest_data_column_kind(data, 0), NICEST_CATEGORY);
    nicest_data_free(data);
}

static void test_refused_arrays(void **state)
{
    (void)state;
    assert_refused(put_golden("scalar", ".npy"), NULL, NICEST_E_DATA, "single number");
    assert_refused(put_golden("empty", ".npy"), NULL, NICEST_E_DATA, "no values");
    assert_refused(put_golden("complex", ".npy"), NULL, NICEST_E_FORMAT, "'<c16'");
    assert_refused(put_golden("complex", ".npy"), NULL, NICEST_E_FORMAT, "'<c16'");
    assert_refused(put_golden("records", ".npy"), NULL, NICEST_E_FORMAT, "records");
    assert_refused(put_golden("objects", ".npy"), NULL, NICEST_E_FORMAT, "holds Python objects");
    assert_refused(put_text("x.npy", "hello, here is no array"), NULL, NICEST_E_FORMAT, "NumPy");
    assert_refused(put_text("x.npz", "hello, here is no zip"), NULL, NICEST_E_FORMAT, "x.npz");
    assert_refused(put_text("e.npy", ""), NULL, NICEST_E_FORMAT, "e.npy");
    assert_refused(put_text("e.npz", ""), NULL, NICEST_E_FORMAT, "e.npz");
    assert_refused(in_scratch("absent.npy"), NULL, NICEST_E_IO, "absent.npy");
}

/* A header around any words. */
static const char *put_header(const char *words, size_t values)
{
    unsigned char file[600] = "\x93NUMPY\1";
    size_t length = strlen(words);
    file[8] = (unsigned char)length;
    file[9] = (unsigned char)(length >> 8);
    memcpy(file + 10, words, length);
    return put_file("h.npy", file, 10 + length + values);
}

static void test_hostile_headers(void **state)
{
    static const char *const WORDS[] = {
        "{'descr': '<f8', 'fortran_order': False, 'shape': (18446744073709551615, 2), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999999999, 1), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 1), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1,2,1,1,1,1,1,1,1,1,1,1), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 2), }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 1",
        "{'descr': '<f8', 'shape': (2, 1)}",
        "{'descr': '<f8', 'fortran_order': 0, 'shape': (2, 1)}",
        "{'descr': '<f8', 'fortran_order': False}",
        "{'descr': '<f88', 'fortran_order': False, 'shape': (2, 1)}",
        "{'descr': '<f",
        "{}",
        "",
        "{'descr': '', 'fortran_order': False, 'shape': (2, 1)}"};
    (void)state;
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        assert_refused(put_header(WORDS[i], 16), NULL, NICEST_E_FORMAT, "h.npy");
    nicest_data *data = open_plain(
        put_header("{\"shape\": ( 2L, 1 ) , \"fortran_order\" : True, 'descr':'<f8'}", 16));
    assert_int_equal(nicest_data_rows(data), 2);
    nicest_data_free(data);
}

/* Every shorter file is refused. */
static void test_truncation(void **state)
{
    (void)state;
    const struct golden_file *npy = golden("c_little_i2"), *npz = golden("npz_packed");
    for (size_t size = 0; size < npy->size; size++)
        assert_refused(put_file("t.npy", npy->data, size), NULL, NICEST_E_FORMAT, "t.npy");
    for (size_t size = 0; size < npz->size; size++)
        assert_refused(put_file("t.npz", npz->data, size), NULL, NICEST_E_FORMAT, "t.npz");
}

/* Every flipped bit: a status, never a crash or leak; an .npz has sums, so its values never change.
 */
static void test_flipped_bits(void **state)
{
    static const char *const NAMES[] = {"npz_packed", "npz_stored", "f_big_i4", "pictures_f"};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        const struct golden_file *file = golden(NAMES[i]);
        unsigned char *copy = malloc(file->size);
        for (size_t bit = 0; bit < file->size * 8; bit += i < 2 ? 3 : 1) {
            nicest_data *data = NULL;
            size_t live = memory_live();
            memcpy(copy, file->data, file->size);
            copy[bit / 8] ^= (unsigned char)(1u << bit % 8);
            const char *path = put_file(i < 2 ? "b.npz" : "b.npy", copy, file->size);
            if (nicest_data_open(&data, path, NULL) == NICEST_OK) {
                double *values = all_values(data);
                free(values);
            } else {
                assert_true(strstr(nicest_error(), path) != NULL);
            }
            nicest_data_free(data);
            assert_int_equal(memory_live(), live);
        }
        free(copy);
    }
}

/* A member that claims a terabyte. */
static void test_bomb(void **state)
{
    const struct golden_file *file = golden("npz_packed");
    unsigned char *copy = malloc(file->size);
    (void)state;
    memcpy(copy, file->data, file->size);
    for (size_t i = 0; i + 46 < file->size; i++) { /* sizes of the central directory */
        if (!memcmp(copy + i, "PK\1\2", 4))
            memset(copy + i + 24, 0x7f, 4);
    }
    assert_refused(put_file("bomb.npz", copy, file->size), NULL, NICEST_E_FORMAT, "bomb.npz");
    free(copy);
}

static void test_no_memory(void **state)
{
    nicest_data_options options = {.label = "y", .where = "row=6", .columns = "x1,row"};
    (void)state;
    assert_survives_no_memory(put_golden("f_big_i4", ".npy"), NULL);
    assert_survives_no_memory(put_golden("pictures_f", ".npy"), NULL);
    assert_survives_no_memory(put_golden("npz_packed", ".npz"), &options);
}

/* The bytes are those of numpy.save. */
static void test_header_is_numpys(void **state)
{
    const struct golden_file *file = golden("c_little_f8");
    const size_t axes[] = {3, 4};
    byte_buffer out = {0};
    (void)state;
    assert_int_equal(npy_header(&out, VALUE_F64, axes, 2), NICEST_OK);
    assert_true(out.size == file->size - sizeof BASE);
    assert_memory_equal(out.data, file->data, out.size);
    byte_buffer_close(&out);
}

/* A file of value i at place i, in C order or Fortran's. */
static const char *put_counting(const size_t axes[4], bool fortran)
{
    byte_buffer out = {0};
    size_t count = axes[0] * axes[1] * axes[2] * axes[3];
    assert_int_equal(npy_header(&out, VALUE_U8, axes, 4), NICEST_OK);
    if (fortran)
        memcpy(strstr((char *)out.data + 10, "False"), "True ", 5);
    unsigned char *p = byte_buffer_take(&out, count);
    for (size_t i = 0; i < count; i++)
        p[i] = (unsigned char)i;
    const char *path = put_file("COUNTING.NPY", out.data, out.size);
    byte_buffer_close(&out);
    return path;
}

/* [n, c, h, w] is what PyTorch writes; its columns come in the order h, w, c all the same. */
static void test_channels_first(void **state)
{
    static const size_t CHANNELS[] = {1, 3, 4};
    (void)state;
    for (size_t k = 0; k < 6; k++) {
        size_t c = CHANNELS[k / 2];
        const size_t n = 2, h = 5, w = 6, axes[4] = {n, c, h, w};
        bool fortran = k % 2 != 0;
        unsigned height, width, channels;
        nicest_data *data = open_plain(put_counting(axes, fortran));
        nicest_data_image(data, &height, &width, &channels);
        assert_true(height == h && width == w && channels == c);
        double *values = all_values(data);
        for (size_t i = 0; i < n * h * w * c; i++) {
            size_t channel = i % c, x = i / c % w, y = i / c / w % h, row = i / c / w / h;
            size_t place = fortran ? row + n * (channel + c * (y + h * x))
                                   : ((row * c + channel) * h + y) * w + x;
            assert_true(values[i] == (double)place);
        }
        free(values);
        nicest_data_free(data);
    }
    static const size_t LAST[][4] = {{2, 4, 4, 3}, {2, 3, 5, 3}, {2, 1, 7, 1}, {2, 9, 3, 4}};
    for (size_t k = 0; k < 4; k++) { /* channels last win */
        unsigned height, channels;
        nicest_data *data = open_plain(put_counting(LAST[k], false));
        nicest_data_image(data, &height, NULL, &channels);
        assert_true(height == LAST[k][1] && channels == LAST[k][3]);
        nicest_data_free(data);
    }
}

/* Words of any width, characters and order of bytes; and numbers written as words. */
static void test_words(void **state)
{
    static const uint32_t words[2][2][3] = {{{0xE9, 't', 0xE9}, {'1', '.', '5'}},
                                            {{0x1F600, 0, 0}, {'7', 0, 0}}};
    (void)state;
    for (int k = 0; k < 8; k++) {
        bool big = k & 1, fortran = k & 2, bytes = k & 4;
        const size_t axes[] = {2, 2};
        byte_buffer out = {0};
        assert_int_equal(npy_header(&out, VALUE_F64, axes, 2), NICEST_OK);
        char *descr = strstr((char *)out.data + 10, "<f8");
        memcpy(descr, bytes ? "|S3" : big ? ">U3" : "<U3", 3);
        if (fortran)
            memcpy(strstr((char *)out.data + 10, "False"), "True ", 5);
        for (size_t cell = 0; cell < 4; cell++)
            for (size_t i = 0; i < 3; i++) {
                uint32_t c = fortran ? words[cell % 2][cell / 2][i] : words[cell / 2][cell % 2][i];
                if (bytes) {
                    *byte_buffer_take(&out, 1) = (unsigned char)(c > 255 ? '?' : c);
                    continue;
                }
                unsigned char *p = byte_buffer_take(&out, 4);
                for (int b = 0; b < 4; b++)
                    p[b] = (unsigned char)(c >> (big ? 24 - 8 * b : 8 * b));
            }
        nicest_data *data = open_plain(put_file("words.npy", out.data, out.size));
        byte_buffer_close(&out);
        double *values = all_values(data);
        size_t count;
        const char *const *list = nicest_data_column_words(data, 0, &count);
        if (bytes) {
            assert_true(isnan(values[2]) && count == 1); /* "?" is a missing value */
            assert_string_equal(list[0], "\xE9t\xE9");
        } else {
            assert_int_equal(count, 2);
            assert_string_equal(list[0], "\xC3\xA9t\xC3\xA9");
            assert_string_equal(list[1], "\xF0\x9F\x98\x80");
        }
        assert_true(values[1] == 1.5 && values[3] == 7);
        assert_int_equal(nicest_data_column_kind(data, 1), NICEST_NUMBER);
        free(values);
        nicest_data_free(data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_types),
                                       cmocka_unit_test(test_versions_and_shapes),
                                       cmocka_unit_test(test_pictures),
                                       cmocka_unit_test(test_channels_first),
                                       cmocka_unit_test(test_words),
                                       cmocka_unit_test(test_strides),
                                       cmocka_unit_test(test_npz),
                                       cmocka_unit_test(test_refused_arrays),
                                       cmocka_unit_test(test_hostile_headers),
                                       cmocka_unit_test(test_truncation),
                                       cmocka_unit_test(test_flipped_bits),
                                       cmocka_unit_test(test_bomb),
                                       cmocka_unit_test(test_no_memory),
                                       cmocka_unit_test(test_header_is_numpys)};
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
