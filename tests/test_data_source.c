/* test_data_source.c - the handle: columns, rows, slices, selections and replacements. */
#include "data_files.h"

#include "base/parallel.h"
#include "data/source.h"

static const double VALUES[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
static const char *const NAMES[] = {"a", "b", "c"};

static void test_new_and_read(void **state)
{
    nicest_data *data, *bare = NULL;
    double row[3] = {-1, -1, -1};
    (void)state;
    assert_int_equal(nicest_data_new(&data, VALUES, 4, 3, NAMES), NICEST_OK);
    assert_values(data, 4, 3, VALUES);
    assert_string_equal(nicest_data_kind(data), "memory");
    assert_string_equal(nicest_data_column_name(data, 2), "c");
    assert_null(nicest_data_labels(data));
    assert_int_equal(nicest_data_read(data, 4, 1, row), NICEST_E_ARGUMENT);
    assert_int_equal(nicest_data_read(data, 2, (size_t)-1, row), NICEST_E_ARGUMENT);
    assert_true(row[0] == -1);
    assert_int_equal(nicest_data_read(data, 4, 0, row), NICEST_OK);
    nicest_data_free(data);
    assert_int_equal(nicest_data_new(&bare, VALUES, 4, 0, NULL), NICEST_E_ARGUMENT);
    assert_int_equal(nicest_data_new(&bare, VALUES, (size_t)-1, 8, NULL), NICEST_E_ARGUMENT);
    assert_null(bare);
    assert_int_equal(nicest_data_new(&bare, VALUES, 0, 3, NULL), NICEST_OK);
    assert_int_equal(nicest_data_rows(bare), 0);
    nicest_data_free(bare);
    nicest_data_free(NULL);
}

static void count_release(void *context)
{
    ++*(int *)context;
}

/* Rows, columns, every second of both, single columns: read where they lie, given back once. */
static void test_views(void **state)
{
    static const float floats[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    static const double transposed[] = {1, 4, 7, 10, 2, 5, 8, 11, 3, 6, 9, 12},
                        labels[] = {0, 1, 0, 2};
    static const uint8_t wide[] = {1, 0, 2, 0, 3, 0, 0, 4,  0, 5,  0, 6,  0, 0,
                                   7, 0, 8, 0, 9, 0, 0, 10, 0, 11, 0, 12, 0, 0};
    const void *columns[] = {transposed, transposed + 4, transposed + 8};
    int released = 0;
    const nicest_view views[] = {
        {.type = "float32", .values = floats, .row_stride = 12, .column_stride = 4},
        {.type = "float64", .values = transposed, .row_stride = 8, .column_stride = 32},
        {.type = "uint8", .values = wide, .row_stride = 7, .column_stride = 2},
        {.type = "float64", .column = columns, .row_stride = 8},
    };
    (void)state;
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        nicest_view view = views[i];
        nicest_data *data = NULL, *part = NULL;
        static const size_t index[] = {3, 1};
        static const double expected[] = {10, 11, 12, 4, 5, 6};
        view.rows = 4;
        view.columns = 3;
        view.names = NAMES;
        view.labels = labels;
        view.release = count_release;
        view.context = &released;
        view.height = view.width = view.channels = 1;
        assert_int_equal(nicest_data_view(&data, &view), NICEST_E_ARGUMENT);
        assert_int_equal(released, i);
        view.width = 3;
        assert_int_equal(nicest_data_view(&data, &view), NICEST_OK);
        assert_values(data, 4, 3, VALUES);
        assert_string_equal(nicest_data_type(data), view.type);
        assert_string_equal(nicest_data_column_name(data, 2), "c");
        assert_true(nicest_data_labels(data)[3] == 2);
        assert_int_equal(nicest_data_select(&part, data, index, 2), NICEST_OK);
        nicest_data_free(data);
        assert_int_equal(released, i); /* the part reads on */
        assert_values(part, 2, 3, expected);
        nicest_data_free(part);
        assert_int_equal(released, i + 1);
    }
}

/* Words and times of a view. */
static void test_view_kinds(void **state)
{
    static const double values[] = {0, 10, 1, 20, NAN, 30, 2, 40};
    static const char *const words[] = {"blue", "red"}, *const twice[] = {"red", "red"};
    nicest_column kinds[] = {{NICEST_CATEGORY, words, 2, NULL},
                             {NICEST_TIME, NULL, 0, "YYYY-MM-DD"}};
    nicest_view view = {.rows = 4,
                        .columns = 2,
                        .type = "float64",
                        .values = values,
                        .row_stride = 16,
                        .column_stride = 8,
                        .kinds = kinds};
    nicest_data *data = NULL;
    size_t count = 0;
    (void)state;
    assert_int_equal(nicest_data_view(&data, &view), NICEST_OK);
    assert_int_equal(nicest_data_column_kind(data, 0), NICEST_CATEGORY);
    assert_string_equal(nicest_data_column_words(data, 0, &count)[1], "red");
    assert_int_equal(count, 2);
    assert_string_equal(nicest_data_column_format(data, 1), "YYYY-MM-DD");
    nicest_data_free(data);
    data = NULL;
    kinds[0].word_count = 1; /* 2 is beyond the place of an unknown word */
    assert_int_equal(nicest_data_view(&data, &view), NICEST_E_ARGUMENT);
    kinds[0] = (nicest_column){NICEST_CATEGORY, twice, 2, NULL};
    assert_int_equal(nicest_data_view(&data, &view), NICEST_E_ARGUMENT);
    kinds[0] = (nicest_column){0};
    kinds[1].format = "the day";
    assert_int_equal(nicest_data_view(&data, &view), NICEST_E_ARGUMENT);
    assert_null(data);
}

static void test_columns(void **state)
{
    static const struct {
        nicest_data_options options;
        size_t columns, chosen[4];
    } CASES[] = {{{0}, 4, {1, 2, 3, 4}},
                 {{.columns = "a"}, 1, {1}},
                 {{.columns = "1"}, 1, {1}},
                 {{.columns = "c,a"}, 2, {3, 1}},
                 {{.columns = "2-4"}, 3, {2, 3, 4}},
                 {{.columns = "4,1-2,b"}, 3, {4, 1, 2}},
                 {{.columns = "x,y"}, 1, {4}},
                 {{.drop = "b"}, 3, {1, 3, 4}},
                 {{.drop = "1-2,4"}, 1, {3}},
                 {{.columns = "1-3", .drop = "b"}, 2, {1, 3}},
                 {{.label = "c"}, 3, {1, 2, 4}},
                 {{.columns = "a,c", .label = "c"}, 1, {1}},
                 {{.label = "3", .drop = "x,y"}, 2, {1, 2}}};
    const char *path = put_text("c.csv", "a,b,c,\"x,y\"\n1,2,3,4\n11,12,13,14\n");
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        double expected[8];
        size_t d = CASES[i].columns;
        for (size_t j = 0; j < d; j++) {
            expected[j] = (double)CASES[i].chosen[j];
            expected[d + j] = 10 + expected[j];
        }
        nicest_data *data = open_with(path, &CASES[i].options);
        assert_values(data, 2, d, expected);
        if (CASES[i].options.label)
            assert_true(nicest_data_labels(data)[1] == 13);
        nicest_data_free(data);
    }
    nicest_data_options o = {.columns = "q"};
    assert_refused(path, &o, NICEST_E_ARGUMENT, "--columns: no column 'q' in");
    assert_non_null(strstr(nicest_error(), "which has 4: a, b, c, x,y"));
    o = (nicest_data_options){.columns = "3-9"};
    assert_refused(path, &o, NICEST_E_ARGUMENT, "'3-9'");
    o = (nicest_data_options){.columns = "0"};
    assert_refused(path, &o, NICEST_E_ARGUMENT, "'0'");
    o = (nicest_data_options){.columns = ""};
    assert_refused(path, &o, NICEST_E_ARGUMENT, "''");
    o = (nicest_data_options){.drop = "1-4"};
    assert_refused(path, &o, NICEST_E_ARGUMENT, "no column is left");
    o = (nicest_data_options){.label = "5"};
    assert_refused(path, &o, NICEST_E_ARGUMENT, "--label: no column '5'");
    o = (nicest_data_options){.where = "a"};
    assert_refused(path, &o, NICEST_E_ARGUMENT, "expected COLUMN=VALUE");
    o = (nicest_data_options){.where = "q=1"};
    assert_refused(path, &o, NICEST_E_ARGUMENT, "--where: no column 'q'");
    o = (nicest_data_options){.columns = "a"};
    assert_refused(put_text("twice.csv", "a,a\n1,2\n"), &o, NICEST_E_ARGUMENT, "both called 'a'");
    char many[4000] = "";
    for (int i = 0; i < 500; i++)
        strcat(many, i < 499 ? "name1," : "last\n");
    strcat(many, "1\n");
    assert_refused(put_text("many.csv", many), &o, NICEST_E_ARGUMENT, "name1, ...");
    nicest_data *data; /* numbers as names: what they say wins */
    o = (nicest_data_options){.columns = "2"};
    data = open_with(put_text("numbers.csv", "id,2,1\n7,8,9\n"), &o);
    assert_values(data, 1, 1, (double[]){8});
    nicest_data_free(data);
}

/* Data beside other data, of which the options were said. */
static void test_beside(void **state)
{
    const char *path = put_text("beside.csv", "a,b,kind\n1,2,0\n3,4,1\n");
    nicest_data_options o = {.label = "q", .drop = "b,q,7-9", .where = "q=1", .beside = 1};
    nicest_data *data = open_with(path, &o);
    (void)state;
    assert_values(data, 2, 2, (double[]){1, 0, 3, 1});
    assert_null(nicest_data_labels(data));
    nicest_data_free(data);
    o = (nicest_data_options){.label = "kind", .drop = "b", .where = "kind=1", .beside = 1};
    data = open_with(path, &o);
    assert_values(data, 1, 1, (double[]){3});
    assert_true(nicest_data_labels(data)[0] == 1);
    nicest_data_free(data);
    o = (nicest_data_options){.columns = "q", .beside = 1};
    assert_refused(path, &o, NICEST_E_ARGUMENT, "--columns: no column 'q' in");
    o = (nicest_data_options){.where = "q", .beside = 1};
    assert_refused(path, &o, NICEST_E_ARGUMENT, "expected COLUMN=VALUE");
}

static void test_where(void **state)
{
    const char *path = put_text("w.csv", "a=b,k,v\n1,0,5\n2,1,6\n3,0,7\n4,nan,8\n");
    nicest_data_options o = {.where = "k=0"};
    nicest_data *data = open_with(path, &o);
    (void)state;
    assert_values(data, 2, 3, (double[]){1, 0, 5, 3, 0, 7});
    nicest_data_free(data);
    o = (nicest_data_options){.where = "a=b=2", .drop = "k"};
    data = open_with(path, &o);
    assert_values(data, 1, 2, (double[]){2, 6});
    nicest_data_free(data);
    o = (nicest_data_options){.where = "2=0.0", .label = "k"};
    data = open_with(path, &o);
    assert_values(data, 2, 2, (double[]){1, 5, 3, 7});
    assert_true(nicest_data_labels(data)[1] == 0);
    nicest_data_free(data);
    o = (nicest_data_options){.where = "k=9"};
    assert_refused(path, &o, NICEST_E_DATA, "no row of");
}

/* As Python slices a list, for every pair of bounds. */
static void test_slices(void **state)
{
    const char *path = put_text("s.csv", "1\n2\n3\n4\n5\n");
    (void)state;
    for (int a = -7; a <= 8; a++) {
        for (int b = -7; b <= 8; b++) {
            for (int source = 0; source < 2; source++) {
                char text[600], first[16] = "", end[16] = "";
                int from = a < 0 ? a + 5 : a, to = b < 0 ? b + 5 : b;
                from = from < 0 ? 0 : from;
                to = to > 5 ? 5 : to;
                if (a < 8)
                    snprintf(first, sizeof first, "%d", a);
                else
                    from = 0;
                if (b < 8)
                    snprintf(end, sizeof end, "%d", b);
                else
                    to = 5;
                snprintf(text, sizeof text, "%s[%s:%s]", source ? path : "toy:moons,n=5", first,
                         end);
                if (from >= to) {
                    assert_refused(text, NULL, NICEST_E_DATA, "slice");
                    continue;
                }
                nicest_data *data = open_plain(text);
                assert_int_equal(nicest_data_rows(data), to - from);
                double *values = all_values(data);
                if (source)
                    assert_true(values[0] == from + 1);
                free(values);
                nicest_data_free(data);
            }
        }
    }
    const double both[] = {3, 4};
    char text[600];
    snprintf(text, sizeof text, "%s[2:4]", path);
    nicest_data *data = open_plain(text);
    assert_values(data, 2, 1, both);
    nicest_data_free(data);
    put_text("s.csv[2:4]", "9\n"); /* a file of that very name wins */
    data = open_plain(text);
    assert_values(data, 1, 1, (double[]){9});
    nicest_data_free(data);
    unlink(text);
    snprintf(text, sizeof text, "%s[x:4]", path);
    assert_refused(text, NULL, NICEST_E_IO, "[x:4]");
    assert_refused("", NULL, NICEST_E_ARGUMENT, "no name");
    assert_refused("[1:2]", NULL, NICEST_E_ARGUMENT, "no name");
}

static void test_select(void **state)
{
    nicest_data_options o = {.label = "k"};
    nicest_data *data = open_with(put_text("k.csv", "a,k\n1,10\n2,20\n3,30\n4,40\n"), &o), *some,
                *less;
    const size_t index[] = {3, 0, 0, 2}, again[] = {3, 0}, outside[] = {4};
    (void)state;
    assert_int_equal(nicest_data_select(&some, data, index, 4), NICEST_OK);
    nicest_data_free(data);
    assert_values(some, 4, 1, (double[]){4, 1, 1, 3});
    assert_true(nicest_data_labels(some)[3] == 30);
    assert_int_equal(nicest_data_select(&less, some, again, 2), NICEST_OK);
    assert_values(less, 2, 1, (double[]){3, 4});
    assert_true(nicest_data_labels(less)[0] == 30);
    double gathered[3];
    source_gather(less, (size_t[]){1, 1, 0}, 3, gathered);
    assert_true(gathered[0] == 4 && gathered[1] == 4 && gathered[2] == 3);
    nicest_data *none = NULL;
    assert_int_equal(nicest_data_select(&none, less, outside, 1), NICEST_E_ARGUMENT);
    assert_null(none);
    assert_int_equal(nicest_data_select(&none, less, outside, 0), NICEST_OK);
    assert_int_equal(nicest_data_rows(none), 0);
    nicest_data_free(none);
    nicest_data_free(some);
    assert_values(less, 2, 1, (double[]){3, 4});
    nicest_data_free(less);
}

static void test_replace(void **state)
{
    const unsigned char idx[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6};
    const double new[] = {-4, 0.4, 0.6, 254.5, 1e300, -INFINITY};
    double bad[] = {1, 2, NAN, 4, 5, 6};
    unsigned height, width, channels;
    nicest_data *data = open_plain(put_file("r.idx", idx, sizeof idx)), *other, *none = NULL;
    (void)state;
    assert_int_equal(nicest_data_replace(&other, data, new), NICEST_OK);
    assert_values(other, 2, 3, (double[]){0, 0, 1, 254, 255, 0});
    assert_string_equal(nicest_data_type(other), "uint8");
    assert_string_equal(nicest_data_kind(other), "idx");
    nicest_data_image(other, &height, &width, &channels);
    assert_true(height == 1 && width == 3 && channels == 1);
    assert_values(data, 2, 3, (double[]){1, 2, 3, 4, 5, 6});
    assert_int_equal(nicest_data_replace(&none, data, bad), NICEST_E_DATA);
    assert_non_null(strstr(nicest_error(), "row 1, column x3: NaN cannot be stored as uint8"));
    assert_null(none);
    nicest_data_free(data);
    nicest_data_free(other);
    nicest_data_options o = {.label = "k", .where = "k=2"};
    data = open_with(put_text("k.csv", "a,k\n1,1\n2,2\n3,2\n"), &o);
    assert_int_equal(nicest_data_replace(&other, data, (double[]){7.25, NAN}), NICEST_OK);
    nicest_data_free(data);
    assert_values(other, 2, 1, (double[]){7.25, NAN});
    assert_true(nicest_data_labels(other)[0] == 2);
    assert_string_equal(nicest_data_column_name(other, 0), "a");
    nicest_data_free(other);
}

/* Single precision stays single precision: rounded, missing values allowed. */
static void test_replace_floats(void **state)
{
    static const char header[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }";
    const double new[] = {0.1, NAN, -1e300, 3};
    unsigned char npy[10 + 118 + 16] = "\x93NUMPY\x01";
    nicest_data *data, *other;
    double got[4];
    (void)state;
    npy[8] = 118;
    memset(npy + 10, ' ', 118);
    memcpy(npy + 10, header, sizeof header - 1);
    npy[127] = '\n';
    data = open_plain(put_file("f.npy", npy, sizeof npy));
    assert_int_equal(nicest_data_replace(&other, data, new), NICEST_OK);
    assert_string_equal(nicest_data_type(other), "float32");
    assert_int_equal(nicest_data_read(other, 0, 2, got), NICEST_OK);
    assert_true(got[0] == (double)0.1f && isnan(got[1]) && got[2] == -INFINITY && got[3] == 3);
    nicest_data_free(data);
    nicest_data_free(other);
}

/* Clamping at the ends of every type. */
static void test_store(void **state)
{
    static const struct {
        value_type type;
        double low, high;
    } ENDS[] = {{VALUE_U8, 0, 255},           {VALUE_I8, -128, 127},
                {VALUE_U16, 0, 65535},        {VALUE_I16, -32768, 32767},
                {VALUE_U32, 0, 4294967295.0}, {VALUE_I32, -2147483648.0, 2147483647.0},
                {VALUE_U64, 0, 0x1p64},       {VALUE_I64, -0x1p63, 0x1p63}};
    (void)state;
    for (size_t i = 0; i < sizeof ENDS / sizeof *ENDS; i++) {
        const double in[] = {-1e300,   -INFINITY, ENDS[i].low, ENDS[i].high,
                             INFINITY, 1e300,     1.5,         2.5};
        const double expected[] = {ENDS[i].low,  ENDS[i].low,  ENDS[i].low, ENDS[i].high,
                                   ENDS[i].high, ENDS[i].high, 2,           2};
        unsigned char bytes[64];
        double back[8];
        value_store(ENDS[i].type, in, 8, bytes);
        source_table table = {.type = ENDS[i].type,
                              .values = bytes,
                              .rows = 8,
                              .columns = 1,
                              .row_stride = value_size(ENDS[i].type)};
        source_table_column(&table, 0, back);
        for (size_t j = 0; j < 8; j++)
            assert_same(back[j], expected[j]);
        assert_true(value_is_integer(ENDS[i].type));
    }
}

/* Any number of threads may read one source and let go of their handles. */
typedef struct sharing {
    const nicest_data *data;
    int wrong[64];
} sharing;

static void use(void *context, int thread, size_t item)
{
    sharing *s = context;
    const size_t index[] = {item % 4, 3};
    nicest_data *mine;
    double values[6];
    (void)thread;
    s->wrong[item] = nicest_data_select(&mine, s->data, index, 2) != NICEST_OK;
    if (s->wrong[item])
        return;
    source_read(mine, 0, 2, values);
    s->wrong[item] = values[0] != VALUES[3 * (item % 4)] || values[5] != 12;
    nicest_data_free(mine);
}

static void test_threads(void **state)
{
    sharing s = {0};
    nicest_data *data;
    (void)state;
    assert_int_equal(nicest_data_new(&data, VALUES, 4, 3, NULL), NICEST_OK);
    s.data = data;
    parallel_for(4, 64, use, &s);
    for (int i = 0; i < 64; i++)
        assert_false(s.wrong[i]);
    nicest_data_free(data);
}

/* A column of weights is no data, and goes where its rows go. */
static void weights_go_with_their_rows(void **state)
{
    const char *path = put_text("weights.csv", "a,w,b\n1,0.5,2\n3,4,4\n5,0,6\n");
    const nicest_data_options options = {.weights = "w"}, bad = {.weights = "c"};
    const size_t index[2] = {2, 1};
    double row[2];
    nicest_data *data = NULL, *part = NULL;
    (void)state;
    assert_int_equal(nicest_data_open(&data, path, &options), NICEST_OK);
    assert_int_equal(nicest_data_columns(data), 2);
    assert_string_equal(nicest_data_column_name(data, 1), "b");
    assert_int_equal(nicest_data_read(data, 1, 1, row), NICEST_OK);
    assert_true(row[0] == 3 && row[1] == 4 && nicest_data_weights(data)[1] == 4);
    assert_int_equal(nicest_data_select(&part, data, index, 2), NICEST_OK);
    assert_true(nicest_data_weights(part)[0] == 0 && nicest_data_weights(part)[1] == 4);
    nicest_data_free(part);
    nicest_data_free(data);
    data = NULL;
    assert_int_equal(nicest_data_open(&data, path, &bad), NICEST_E_ARGUMENT);
    path = put_text("light.csv", "a,w\n1,0\n3,0\n");
    assert_int_equal(nicest_data_open(&data, path, &options), NICEST_E_DATA);
    path = put_text("below.csv", "a,w\n1,1\n3,-2\n");
    assert_int_equal(nicest_data_open(&data, path, &options), NICEST_E_DATA);
    assert_null(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(weights_go_with_their_rows),
                                       cmocka_unit_test(test_view_kinds),
                                       cmocka_unit_test(test_new_and_read),
                                       cmocka_unit_test(test_views),
                                       cmocka_unit_test(test_columns),
                                       cmocka_unit_test(test_beside),
                                       cmocka_unit_test(test_where),
                                       cmocka_unit_test(test_slices),
                                       cmocka_unit_test(test_select),
                                       cmocka_unit_test(test_replace),
                                       cmocka_unit_test(test_replace_floats),
                                       cmocka_unit_test(test_store),
                                       cmocka_unit_test(test_threads)};
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
