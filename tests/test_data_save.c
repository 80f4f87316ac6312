/* test_data_save.c - what is saved and opened again is the same, for every pair of formats. */
#include "data_files.h"

static const char *const NAMES[] = {"s.csv", "s.tsv", "s.csv.gz",     "s.tsv.gz",
                                    "s.npy", "s.npz", "s-idx2-ubyte", "s-idx2-ubyte.gz"};
enum { FORMATS = sizeof NAMES / sizeof *NAMES, TEXTS = 4, FLOATS = 6 };

static nicest_data *saved(const nicest_data *data, const char *name,
                          const nicest_data_options *options)
{
    const char *path = in_scratch(name);
    if (nicest_data_save(data, path) != NICEST_OK)
        fail_msg("%s: %s", name, nicest_error());
    return open_with(path, options);
}

static void assert_same_data(const nicest_data *a, const nicest_data *b)
{
    double *values = all_values(a);
    assert_values(b, nicest_data_rows(a), nicest_data_columns(a), values);
    free(values);
}

/* Bytes through all formats, anything through those that hold it; each into each. */
static void test_every_pair(void **state)
{
    enum { ROWS = 300, COLUMNS = 5 };
    double values[ROWS * COLUMNS];
    uint64_t seed = 4;
    (void)state;
    for (int bytes = 0; bytes < 2; bytes++) {
        nicest_data *data;
        for (size_t i = 0; i < ROWS * COLUMNS; i++) {
            uint64_t bits = random_bits(&seed);
            memcpy(&values[i], &bits, sizeof values[i]);
            if (i % 3)
                values[i] = rint(random_unit(&seed) * 1e4) / (i % 3 == 1 ? 1 : 1000);
            if (i % 41 == 0)
                values[i] = i % 2 ? NAN : INFINITY;
            if (bytes)
                values[i] = (double)(bits % 256);
        }
        assert_int_equal(nicest_data_new(&data, values, ROWS, COLUMNS, NULL), NICEST_OK);
        for (size_t a = 0; a < (bytes ? FORMATS : FLOATS); a++) {
            nicest_data *first = saved(data, NAMES[a], NULL);
            assert_same_data(data, first);
            for (size_t b = 0; b < (bytes ? FORMATS : FLOATS); b++) {
                char name[40];
                snprintf(name, sizeof name, "second_%s", NAMES[b]);
                nicest_data *second = saved(first, name, NULL);
                assert_same_data(data, second);
                nicest_data_free(second);
            }
            nicest_data_free(first);
        }
        nicest_data_free(data);
    }
}

static void test_types_are_kept(void **state)
{
    const unsigned char idx[] = {0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 2, 1, 200, 3, 255};
    const unsigned char wide[] = {0, 0, 11, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 200, 255, 255};
    nicest_data *data = open_plain(put_file("t.idx", idx, sizeof idx)), *again;
    (void)state;
    for (int i = 4; i < FORMATS; i++) {
        again = saved(data, NAMES[i], NULL);
        assert_string_equal(nicest_data_type(again), "uint8");
        nicest_data_free(again);
    }
    nicest_data_free(data);
    data = open_plain(put_file("t.idx", wide, sizeof wide));
    again = saved(data, "w.npy", NULL);
    assert_string_equal(nicest_data_type(again), "int16");
    assert_same_data(data, again);
    nicest_data_free(again);
    assert_int_equal(nicest_data_save(data, in_scratch("w-idx2-ubyte")), NICEST_E_DATA);
    assert_non_null(strstr(nicest_error(), "row 1, column x1: 456"));
    nicest_data_free(data);
}

static void test_names_and_labels(void **state)
{
    static const char *const PLAIN[] = {"a", "b c", "", " d ", "e,f", "g\"h", "i;j\tk"};
    static const char *const WANTED[] = {"a", "b c", "x3", "d", "e,f", "g\"h", "i;j\tk"};
    static const char *const NUMBERS[] = {"1", "2e5", "0.5"};
    const double values[] = {1, 2, 3, 4, 5, 6, 7};
    nicest_data_options label = {.label = "label"};
    nicest_data *data, *again;
    (void)state;
    for (int i = 0; i < TEXTS; i++) {
        assert_int_equal(nicest_data_new(&data, values, 1, 7, PLAIN), NICEST_OK);
        again = saved(data, NAMES[i], NULL);
        for (size_t j = 0; j < 7; j++)
            assert_string_equal(nicest_data_column_name(again, j), WANTED[j]);
        assert_same_data(data, again);
        nicest_data_free(data), nicest_data_free(again);
        assert_int_equal(nicest_data_new(&data, values, 1, 3, NUMBERS), NICEST_OK);
        again = saved(data, NAMES[i], NULL); /* a header of numbers would be a row */
        assert_same_data(data, again);
        assert_string_equal(nicest_data_column_name(again, 0), "x1");
        nicest_data_free(data), nicest_data_free(again);
    }
    nicest_data_options k = {.label = "k"};
    data = open_with(put_text("k.csv", "a,k\n1,5\n2,\n3,7.5\n"), &k);
    for (int i = 0; i < FLOATS; i++) {
        if (!strcmp(NAMES[i], "s.npy"))
            continue;
        again = saved(data, NAMES[i], &label);
        assert_same_data(data, again);
        for (size_t j = 0; j < 3; j++)
            assert_same(nicest_data_labels(again)[j], nicest_data_labels(data)[j]);
        nicest_data_free(again);
    }
    nicest_data_free(data);
}

/* Labels beside pictures: said before they are written, replaced with their pictures alone, and
 * never those of pictures without labels. */
static void test_labels_file(void **state)
{
    const unsigned char images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 200, 3, 255};
    const unsigned char labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 9, 4};
    char name[4096], path[4096], expected[4096];
    (void)state;
    nicest_data *plain = open_plain(put_file("u-images-idx3-ubyte", images, sizeof images));
    put_file("l-labels-idx1-ubyte", labels, sizeof labels);
    nicest_data *data = open_plain(put_file("l-images-idx3-ubyte", images, sizeof images));
    snprintf(path, sizeof path, "%s", in_scratch("n-images-idx3-ubyte"));
    snprintf(expected, sizeof expected, "%s", in_scratch("n-labels-idx1-ubyte"));
    assert_int_equal(nicest_data_labels_file(data, path, name, sizeof name), NICEST_OK);
    assert_string_equal(name, expected);
    assert_int_equal(nicest_data_labels_file(data, path, name, strlen(expected)),
                     NICEST_E_ARGUMENT);
    assert_int_equal(nicest_data_labels_file(plain, path, name, sizeof name), NICEST_OK);
    assert_string_equal(name, "");
    assert_int_equal(nicest_data_labels_file(data, "n.csv", name, sizeof name), NICEST_OK);
    assert_string_equal(name, "");
    assert_int_equal(nicest_data_save(data, path), NICEST_OK);
    assert_int_equal(nicest_data_save(data, path), NICEST_OK); /* the pair, once more */
    assert_int_equal(nicest_data_save(plain, path), NICEST_E_ARGUMENT);
    assert_non_null(strstr(nicest_error(), expected));
    assert_int_equal(nicest_data_labels_file(plain, path, name, sizeof name), NICEST_E_ARGUMENT);
    snprintf(path, sizeof path, "%s", in_scratch("n-images-idx3-ubyte.gz"));
    assert_int_equal(nicest_data_save(plain, path), NICEST_E_ARGUMENT); /* it would find them too */
    put_file("o-labels-idx1-ubyte", labels, sizeof labels);
    assert_int_equal(nicest_data_save(data, in_scratch("o-images-idx3-ubyte")), NICEST_E_ARGUMENT);
    assert_non_null(strstr(nicest_error(), in_scratch("o-labels-idx1-ubyte")));
    nicest_data_free(data);
    nicest_data_free(plain);
}

/* Pictures keep their size where a format has a place for it, labels of bytes go beside them. */
static void test_pictures(void **state)
{
    const unsigned char images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 200, 3, 255};
    const unsigned char labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 9, 4};
    unsigned height, width, channels;
    (void)state;
    put_file("p-labels-idx1-ubyte", labels, sizeof labels);
    nicest_data *data = open_plain(put_file("p-images-idx3-ubyte", images, sizeof images)), *again;
    static const char *const KEEPING[] = {"p.npy", "p.npz", "q-images-idx3-ubyte.gz"};
    for (int i = 0; i < 3; i++) {
        again = saved(data, KEEPING[i], NULL);
        assert_same_data(data, again);
        nicest_data_image(again, &height, &width, &channels);
        assert_true(height == 1 && width == 2 && channels == 1);
        if (i == 2)
            assert_true(nicest_data_labels(again)[0] == 9 && nicest_data_labels(again)[1] == 4);
        nicest_data_free(again);
    }
    assert_int_equal(nicest_data_save(data, in_scratch("p-idx1-ubyte")), NICEST_E_MISMATCH);
    nicest_data_free(data);
    data = open_plain("toy:moons,n=3");
    assert_int_equal(nicest_data_save(data, in_scratch("m-idx3-ubyte")), NICEST_E_MISMATCH);
    assert_int_equal(nicest_data_save(data, in_scratch("m.xls")), NICEST_E_ARGUMENT);
    assert_non_null(strstr(nicest_error(), ".csv"));
    assert_int_equal(nicest_data_save(data, in_scratch("absent/m.csv")), NICEST_E_IO);
    nicest_data_free(data);
}

static size_t size_of(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? (size_t)info.st_size : 0;
}

/* The same data gives the same bytes, and packed files are smaller. */
static void test_bytes(void **state)
{
    nicest_data *data = open_plain("toy:moons,n=3000");
    (void)state;
    for (int i = 0; i < FLOATS; i++) {
        char command[1200];
        assert_int_equal(nicest_data_save(data, in_scratch(NAMES[i])), NICEST_OK);
        assert_int_equal(rename(in_scratch(NAMES[i]), in_scratch("before")), 0);
        assert_int_equal(nicest_data_save(data, in_scratch(NAMES[i])), NICEST_OK);
        snprintf(command, sizeof command, "cmp '%s' '%s'", in_scratch("before"),
                 in_scratch(NAMES[i]));
        assert_int_equal(system(command), 0);
    }
    assert_true(size_of(in_scratch("s.csv.gz")) < size_of(in_scratch("s.csv")) * 6 / 10);
    char command[800];
    snprintf(command, sizeof command, "gzip -dc '%s' | cmp - '%s'", in_scratch("s.csv.gz"),
             in_scratch("s.csv"));
    assert_int_equal(system(command), 0);
    nicest_data_free(data);
}

/* Rows first .. first+count-1 into the writer. */
static nicest_status add_some(nicest_writer *writer, const nicest_data *data, size_t first,
                              size_t count)
{
    size_t index[64];
    nicest_data *some;
    for (size_t i = 0; i < count; i++)
        index[i] = first + i;
    assert_int_equal(nicest_data_select(&some, data, index, count), NICEST_OK);
    nicest_status status = nicest_writer_add(writer, some);
    nicest_data_free(some);
    return status;
}

static void write_in_batches(const nicest_data *data, const char *path)
{
    nicest_writer *writer;
    size_t n = nicest_data_rows(data);
    assert_int_equal(nicest_writer_open(&writer, path, data), NICEST_OK);
    for (size_t first = 0, count = 0; first < n; first += count) {
        count = (count + 7) % 61;
        count = count < n - first ? count : n - first;
        assert_int_equal(add_some(writer, data, first, count), NICEST_OK);
        assert_int_not_equal(access(path, F_OK), 0); /* it appears whole */
    }
    assert_int_equal(nicest_writer_close(writer), NICEST_OK);
}

/* However rows are cut into batches, the file is that of all rows at once. */
static void test_batches(void **state)
{
    (void)state;
    char text[40000] = "a,word,day,kind\n";
    for (int i = 0; i < 400; i++)
        sprintf(text + strlen(text), "%d,w%d,2024-02-%02d,k%d\n", i * i, i % 7, i % 28 + 1, i % 3);
    nicest_data_options label = {.label = "kind"};
    const unsigned char idx[] = {0, 0, 8, 2, 0, 0, 0, 3, 0, 0, 0, 2, 1, 200, 3, 255, 0, 7};
    const unsigned char images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 200, 3, 255};
    nicest_data *all[] = {
        open_plain("toy:moons,n=300"), open_plain(put_file("b.idx", idx, sizeof idx)),
        open_plain(put_file("v-images-idx3-ubyte", images, sizeof images)),
        open_plain(put_text("b.csv", text)), open_with(put_text("l.csv", text), &label)};
    for (size_t k = 0; k < 5; k++)
        for (size_t f = 0; f < (k == 1 ? FORMATS : k == 4 ? TEXTS : FLOATS); f++) {
            char once[60], apart[60];
            snprintf(once, sizeof once, "once%zu_%s", k, NAMES[f]);
            snprintf(apart, sizeof apart, "apart%zu_%s", k, NAMES[f]);
            assert_int_equal(nicest_data_save(all[k], in_scratch(once)), NICEST_OK);
            write_in_batches(all[k], in_scratch(apart));
            assert_same_file(in_scratch(once), in_scratch(apart));
        }
    for (size_t k = 0; k < 5; k++)
        nicest_data_free(all[k]);
}

/* Rows of another kind are refused and the writer goes on; what is not closed leaves no trace; an
 * empty file has its header. */
static void test_writers_end(void **state)
{
    (void)state;
    nicest_writer *writer = NULL;
    nicest_data *moons = open_plain("toy:moons,n=5"), *wide, *again;
    nicest_data *words = open_plain(put_text("w.csv", "a,b\nu,1\nv,2\nu,3\n"));
    const char *path = in_scratch("end.npy"), *text = in_scratch("end.csv");
    assert_int_equal(nicest_data_beside(&wide, moons, moons), NICEST_OK);
    assert_int_equal(nicest_writer_open(&writer, in_scratch("x.xls"), moons), NICEST_E_ARGUMENT);
    assert_int_equal(nicest_writer_open(&writer, in_scratch("no/x.csv"), moons), NICEST_E_IO);
    assert_int_equal(nicest_writer_open(NULL, path, moons), NICEST_E_ARGUMENT);
    assert_int_equal(nicest_writer_open(&writer, NULL, moons), NICEST_E_ARGUMENT);
    assert_int_equal(nicest_writer_open(&writer, path, NULL), NICEST_E_ARGUMENT);
    assert_int_equal(nicest_writer_close(NULL), NICEST_E_ARGUMENT);
    assert_int_equal(nicest_writer_open(&writer, path, moons), NICEST_OK);
    assert_int_equal(nicest_writer_add(NULL, moons), NICEST_E_ARGUMENT);
    assert_int_equal(nicest_writer_add(writer, NULL), NICEST_E_ARGUMENT);
    assert_int_equal(nicest_writer_add(writer, wide), NICEST_E_MISMATCH);
    assert_int_equal(nicest_writer_add(writer, words), NICEST_E_MISMATCH);
    assert_int_equal(nicest_writer_add(writer, moons), NICEST_OK);
    nicest_writer_abandon(writer);
    nicest_writer_abandon(NULL);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(nicest_writer_open(&writer, text, moons), NICEST_OK);
    assert_int_equal(nicest_writer_close(writer), NICEST_OK);
    assert_int_equal(size_of(text), strlen("x1,x2\n"));
    assert_int_equal(nicest_writer_open(&writer, path, moons), NICEST_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(nicest_writer_add(writer, moons), NICEST_OK);
    assert_int_equal(nicest_writer_close(writer), NICEST_OK);
    again = open_plain(path);
    assert_int_equal(nicest_data_rows(again), 15);
    nicest_data_free(again), nicest_data_free(moons), nicest_data_free(wide),
        nicest_data_free(words);
}

static void test_no_memory_in_batches(void **state)
{
    nicest_data *data = open_plain("toy:moons,n=20");
    (void)state;
    for (int i = 0; i < FLOATS; i++) {
        char name[60];
        snprintf(name, sizeof name, "batch_%s", NAMES[i]);
        const char *path = in_scratch(name);
        nicest_status status = NICEST_E_MEMORY;
        for (size_t n = 1; n < 1000 && status != NICEST_OK; n++) {
            nicest_writer *writer;
            size_t live = memory_live();
            memory_fail_at(n);
            status = nicest_writer_open(&writer, path, data);
            if (status == NICEST_OK) {
                nicest_status added = nicest_writer_add(writer, data);
                status = nicest_writer_close(writer);
                assert_true(added == NICEST_OK || status == added);
            }
            memory_fail_at(0);
            assert_int_equal(memory_live(), live);
            assert_true(status == NICEST_OK || status == NICEST_E_MEMORY);
            if (status != NICEST_OK)
                assert_int_not_equal(access(path, F_OK), 0);
        }
        assert_int_equal(status, NICEST_OK);
    }
    nicest_data_free(data);
}

static void test_no_memory(void **state)
{
    nicest_data *data = open_plain("toy:moons,n=20");
    (void)state;
    for (int i = 0; i < FLOATS; i++) {
        const char *path = in_scratch("memory_");
        char name[600];
        snprintf(name, sizeof name, "%s%s", path, NAMES[i]);
        nicest_status status = NICEST_E_MEMORY;
        for (size_t n = 1; n < 1000 && status != NICEST_OK; n++) {
            size_t live = memory_live();
            memory_fail_at(n);
            status = nicest_data_save(data, name);
            memory_fail_at(0);
            assert_int_equal(memory_live(), live);
            assert_true(status == NICEST_OK || status == NICEST_E_MEMORY);
            if (status != NICEST_OK)
                assert_int_not_equal(access(name, F_OK), 0); /* nothing half-written */
        }
        assert_int_equal(status, NICEST_OK);
    }
    nicest_data_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_pair),       cmocka_unit_test(test_types_are_kept),
        cmocka_unit_test(test_names_and_labels), cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_labels_file),      cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_batches),          cmocka_unit_test(test_writers_end),
        cmocka_unit_test(test_no_memory),        cmocka_unit_test(test_no_memory_in_batches)};
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
