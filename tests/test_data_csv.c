/* test_data_csv.c - text into rows: every dialect that is promised, every error with its place. */
#include "data_files.h"

static const double NaN = NAN;

static void assert_csv(const char *text, size_t rows, size_t columns, const double *expected)
{
    nicest_data *data = open_plain(put_text("some.csv", text));
    assert_values(data, rows, columns, expected);
    assert_string_equal(nicest_data_kind(data), "csv");
    assert_string_equal(nicest_data_type(data), "float64");
    nicest_data_free(data);
}

static void test_dialects(void **state)
{
    const double four[] = {1, 2.5, -3, 4e2};
    (void)state;
    assert_csv("1,2.5\n-3,4e2\n", 2, 2, four);
    assert_csv("1,2.5\n-3,4e2", 2, 2, four);
    assert_csv("a,b\n1,2.5\n-3,4e2\n", 2, 2, four);
    assert_csv("a,b\r\n1,2.5\r\n-3,4e2\r\n", 2, 2, four);
    assert_csv("\xEF\xBB\xBF"
               "a,b\n1,2.5\n-3,4e2\n",
               2, 2, four);
    assert_csv("\xEF\xBB\xBF"
               "1,2.5\n-3,4e2\n",
               2, 2, four);
    assert_csv("\n\na;b\n\n1;2.5\n\n\r\n-3;4e2\n\n", 2, 2, four);
    assert_csv("a\tb\n1\t2.5\n-3\t4e2\n", 2, 2, four);
    assert_csv("\"a\",\"b,c\"\n\"1\", 2.5 \n -3 ,\"4e2\"\n", 2, 2, four);
    assert_csv("\"a \"\"x\"\"\",\"b\nc\"\n1,\"2.5\"\n\"-3\",400\n", 2, 2, four);
    assert_csv("5\" pipe,b\n1,2.5\n-3,4e2\n", 2, 2, four);
    assert_csv("+1,02.50\n-3.,.4E+3\n", 2, 2, four);
}

static void test_missing_fields(void **state)
{
    const double expected[] = {1, NaN, NaN, NaN, NaN, NaN, NaN, NaN, NaN, 3, INFINITY, -INFINITY};
    (void)state;
    assert_csv("x,y,z,w\n1,,NA,NaN\nnan,null,?,-nan\nNULL,3,inf,-Infinity\n", 3, 4, expected);
    assert_csv("1,,NA,NaN\nnan,null,?,\"\"\n ,3,inf,-INF\n", 3, 4, expected);
}

static void test_names(void **state)
{
    nicest_data *data =
        open_plain(put_text("names.csv", "\"a \"\"x\"\"\",, b c ,\"d,e\"\n1,2,3,4\n"));
    (void)state;
    assert_string_equal(nicest_data_column_name(data, 0), "a \"x\"");
    assert_string_equal(nicest_data_column_name(data, 1), "x2");
    assert_string_equal(nicest_data_column_name(data, 2), "b c");
    assert_string_equal(nicest_data_column_name(data, 3), "d,e");
    assert_null(nicest_data_column_name(data, 4));
    nicest_data_free(data);
}

static void test_errors_name_the_place(void **state)
{
    (void)state;
    nicest_reader *reader; /* rows one after another keep the kind of the first */
    double row[2];
    size_t got;
    assert_int_equal(nicest_reader_open(&reader, put_text("a.csv", "a,b\n1,2\n\n3,abc\n"), NULL),
                     NICEST_OK);
    assert_int_equal(nicest_reader_next(reader, 1, row, &got, NULL), NICEST_OK);
    assert_int_equal(nicest_reader_next(reader, 1, row, &got, NULL), NICEST_E_FORMAT);
    assert_non_null(strstr(nicest_error(), "a.csv:4: column 2 (b): 'abc' is not a number"));
    nicest_reader_close(reader);
    assert_refused(put_text("a.csv", "a,b\n1,2\n3\n"), NULL, NICEST_E_FORMAT,
                   "a.csv:3: 1 field, expected 2");
    assert_refused(put_text("a.csv", "a,b\n1,2\n3,4,5\n"), NULL, NICEST_E_FORMAT,
                   "a.csv:3: more than 2 fields, expected 2");
    assert_refused(put_text("a.csv", "a,b\n1,2\n\"3\",4,5\n"), NULL, NICEST_E_FORMAT,
                   "a.csv:3: more than 2 fields, expected 2");
    assert_refused(put_text("a.csv", "a,b\n1,2\n3,\"4\n"), NULL, NICEST_E_DATA,
                   "a.csv:3: a quote is opened and never closed");
    assert_refused(put_text("a.csv", ""), NULL, NICEST_E_DATA, "a.csv: is empty");
    assert_refused(put_text("a.csv", "\n \n\r\n"), NULL, NICEST_E_DATA, "a.csv: is empty");
    assert_refused(put_text("a.csv", "\xEF\xBB\xBF"), NULL, NICEST_E_DATA, "a.csv: is empty");
    assert_refused(put_text("a.csv", "a,b\n"), NULL, NICEST_E_DATA, "a.csv: has no rows");
    assert_refused(put_file("a.csv",
                            "\xff\xfe"
                            "1\0,\0002\0\n\0",
                            10),
                   NULL, NICEST_E_FORMAT, "UTF-16: iconv");
    assert_refused(in_scratch("absent.csv"), NULL, NICEST_E_IO, "absent.csv");
}

static void test_gzip(void **state)
{
    const double two[] = {1.5, 2};
    nicest_data *data, *again;
    (void)state;
    assert_int_equal(nicest_data_new(&data, two, 1, 2, NULL), NICEST_OK);
    const char *path = in_scratch("z.csv.gz");
    assert_int_equal(nicest_data_save(data, path), NICEST_OK);
    again = open_plain(path);
    assert_values(again, 1, 2, two);
    nicest_data_free(data);
    nicest_data_free(again);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(truncate(path, info.st_size - 5), 0);
    nicest_data_options options = {0};
    assert_refused(path, &options, NICEST_E_IO, "truncated");
    nicest_reader *reader; /* skipping bad lines must not skip a broken file for ever */
    double row[2];
    size_t got, skipped;
    assert_int_equal(nicest_reader_open(&reader, path, NULL), NICEST_OK);
    nicest_reader_skip_bad(reader, 1);
    nicest_status status = nicest_reader_next(reader, 1, row, &got, &skipped);
    if (status == NICEST_OK)
        status = nicest_reader_next(reader, 1, row, &got, &skipped);
    assert_int_equal(status, NICEST_E_IO);
    nicest_reader_close(reader);
}

/* Lines around the ends of the buffer, quoted and not, against what was written. */
static void test_long_files(void **state)
{
    enum { ROWS = 60000, COLUMNS = 9 };
    double *values = malloc(sizeof(double) * ROWS * COLUMNS);
    uint64_t seed = 3;
    (void)state;
    for (int quoted = 0; quoted < 2; quoted++) {
        const char *path = in_scratch("long.csv");
        FILE *file = fopen(path, "wb");
        for (size_t i = 0; i < ROWS * COLUMNS; i++) {
            values[i] = random_unit(&seed) * 1000;
            const char *mark = quoted && random_bits(&seed) % 50 == 0 ? "\"" : "";
            fprintf(file, "%s%.17g%s%s", mark, values[i], mark, (i + 1) % COLUMNS ? "," : "\r\n");
        }
        fclose(file);
        nicest_data *data = open_plain(path);
        assert_values(data, ROWS, COLUMNS, values);
        nicest_data_free(data);
    }
    free(values);
}

/* One record longer than the buffer; and a quoted one over many lines. */
static void test_long_lines(void **state)
{
    enum { FIELDS = 300000 };
    char *text = malloc(FIELDS * 8 + 100), *p = text;
    (void)state;
    for (int row = 0; row < 2; row++) {
        for (int j = 0; j < FIELDS; j++)
            p += sprintf(p, "%d%c", (j + row) % 1000, j + 1 < FIELDS ? ',' : '\n');
    }
    nicest_data *data = open_plain(put_text("wide.csv", text));
    assert_int_equal(nicest_data_columns(data), FIELDS);
    double *values = all_values(data);
    assert_true(values[FIELDS + 12345] == 12346 % 1000);
    free(values);
    nicest_data_free(data);
    p = text + sprintf(text, "name,v\n\"");
    for (int j = 0; j < FIELDS; j++)
        p += sprintf(p, "line\n");
    sprintf(p, "\",7\nx,8\n");
    nicest_data_options drop = {.drop = "name"};
    const double expected[] = {7, 8};
    data = open_with(put_text("tall.csv", text), &drop);
    assert_values(data, 2, 1, expected);
    nicest_data_free(data);
    free(text);
}

static void test_text_labels(void **state)
{
    nicest_data_options options = {.label = "kind"};
    const char *path =
        put_text("iris.csv", "a,kind\n1,setosa\n2,virginica\n3,setosa\n4,\n5,7\n6,7.0\n");
    nicest_data *data = open_with(path, &options);
    const double a[] = {1, 2, 3, 4, 5, 6}, labels[] = {0, 1, 0, NaN, 2, 2};
    (void)state;
    assert_values(data, 6, 1, a);
    for (size_t i = 0; i < 6; i++)
        assert_same(nicest_data_labels(data)[i], labels[i]);
    assert_string_equal(nicest_data_label_text(data, 2), "setosa");
    assert_null(nicest_data_label_text(data, 3));
    assert_string_equal(nicest_data_label_text(data, 5), "7");
    assert_null(nicest_data_label_text(data, 6));
    nicest_data *same; /* other values keep it */
    assert_int_equal(nicest_data_replace(&same, data, a), NICEST_OK);
    nicest_data_free(data);
    assert_string_equal(nicest_data_label_text(same, 1), "virginica");
    nicest_data_free(same);
    /* numbers until the first text */
    path = put_text("late.csv", "a,kind\n1,9\n2,4\n3,9\n4,cat\n5,4\n");
    const double late[] = {0, 1, 0, 2, 1};
    data = open_with(path, &options);
    for (size_t i = 0; i < 5; i++)
        assert_same(nicest_data_labels(data)[i], late[i]);
    assert_string_equal(nicest_data_label_text(data, 0), "9");
    nicest_data_free(data);
    /* numbering is that of the file, not of the part that is kept */
    char sliced[600];
    snprintf(sliced, sizeof sliced, "%s[3:]", path);
    data = open_with(sliced, &options);
    assert_same(nicest_data_labels(data)[0], 2);
    assert_same(nicest_data_labels(data)[1], 1);
    nicest_data_free(data);
    path = put_text("plain.csv", "a,kind\n1,9\n2,4.5\n");
    data = open_with(path, &options);
    assert_same(nicest_data_labels(data)[1], 4.5);
    nicest_data_free(data);
}

static void test_where_on_text(void **state)
{
    const char *path = put_text("w.csv", "a,kind,b\n1,x,10\n2,y,20\n3,x,oops\n4,y,40\n");
    nicest_data_options options = {.where = "kind=y", .drop = "kind"};
    const double kept[] = {2, 20, 4, 40};
    nicest_data *data = open_with(path, &options); /* a row that is left out may hold anything */
    (void)state;
    assert_values(data, 2, 2, kept);
    nicest_data_free(data);
    options.where = "kind=z";
    assert_refused(path, &options, NICEST_E_DATA, "no row of");
    options.where = "a=4.0";
    data = open_with(path, &options);
    assert_values(data, 1, 2, kept + 2);
    nicest_data_free(data);
}

static void test_reader(void **state)
{
    const char *path = put_text("r.csv", "a,b\n1,2\nx,y\n3\n4,5\n6,NA\n7,8\n");
    nicest_reader *reader;
    double rows[20];
    size_t got, skipped, total = 0;
    (void)state;
    assert_int_equal(nicest_reader_open(&reader, path, NULL), NICEST_OK);
    assert_int_equal(nicest_reader_columns(reader), 2);
    nicest_reader_skip_bad(reader, 1);
    const double expected[] = {1, 2, 4, 5, 6, NaN, 7, 8};
    size_t all_skipped = 0;
    do {
        assert_int_equal(nicest_reader_next(reader, 3, rows + 2 * total, &got, &skipped),
                         NICEST_OK);
        total += got;
        all_skipped += skipped;
    } while (got > 0);
    assert_int_equal(total, 4);
    assert_int_equal(all_skipped, 2);
    for (size_t i = 0; i < 8; i++)
        assert_same(rows[i], expected[i]);
    nicest_reader_close(reader);
    assert_int_equal(nicest_reader_open(&reader, path, NULL), NICEST_OK);
    assert_int_equal(nicest_reader_next(reader, 5, rows, &got, NULL), NICEST_OK);
    assert_int_equal(got, 1); /* the rows before a bad line are not lost with it */
    assert_int_equal(nicest_reader_next(reader, 5, rows, &got, NULL), NICEST_E_FORMAT);
    assert_non_null(strstr(nicest_error(), "r.csv:3"));
    assert_int_equal(nicest_reader_next(reader, 5, rows, &got, NULL), NICEST_E_FORMAT);
    assert_non_null(strstr(nicest_error(), "r.csv:4"));
    assert_int_equal(nicest_reader_next(reader, 5, rows, &got, NULL), NICEST_OK);
    assert_int_equal(got, 3);
    nicest_reader_close(reader);
    nicest_reader_close(NULL);
}

/* A reader gives what opening gives, for every kind of source, slice and selection. */
static void test_reader_is_open(void **state)
{
    const char *path = put_text("s.csv", "a,b,k\n1,2,0\n3,4,1\n5,6,0\n7,8,1\n9,10,0\n");
    const char *const slices[] = {"", "[1:4]", "[:2]", "[-2:]", "[1:-1]", "[3:]"};
    nicest_data_options kinds[] = {
        {0}, {.columns = "b,a"}, {.drop = "k", .where = "k=0"}, {.label = "k"}};
    (void)state;
    for (size_t s = 0; s < 2 * 6 * 4; s++) {
        char text[600];
        const nicest_data_options *options = s >= 24 ? NULL : &kinds[s % 4];
        snprintf(text, sizeof text, "%s%s", s >= 24 ? "toy:moons,n=5" : path, slices[s / 4 % 6]);
        nicest_data *data = open_with(text, options);
        nicest_reader *reader;
        size_t n = nicest_data_rows(data), d = nicest_data_columns(data), got;
        double *values = all_values(data), rows[15];
        assert_int_equal(nicest_reader_open(&reader, text, options), NICEST_OK);
        assert_int_equal(nicest_reader_columns(reader), d);
        assert_null(nicest_reader_column_name(reader, d));
        for (size_t j = 0; j < d; j++)
            assert_string_equal(nicest_reader_column_name(reader, j),
                                nicest_data_column_name(data, j));
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(nicest_reader_next(reader, 1, rows, &got, NULL), NICEST_OK);
            assert_int_equal(got, 1);
            for (size_t j = 0; j < d; j++)
                assert_same(rows[j], values[i * d + j]);
        }
        assert_int_equal(nicest_reader_next(reader, 5, rows, &got, NULL), NICEST_OK);
        assert_int_equal(got, 0);
        nicest_reader_close(reader);
        nicest_data_free(data);
        free(values);
    }
}

static void test_no_memory(void **state)
{
    nicest_data_options options = {.label = "k", .where = "a=1", .columns = "a,\"b\",k"};
    (void)state;
    options.columns = NULL;
    assert_survives_no_memory(put_text("m.csv", "a,\"b\",k\n1,\"2\",x\n2,3,y\n1,4,z\n"), &options);
}

/* Bytes at random: a status, no crash, no leak. */
static void test_garbage(void **state)
{
    static const char BYTES[] = "0123456789.,;\t\n\r\"-+eEnaNA? x\xEF\xBB\xBF";
    uint64_t seed = 5;
    (void)state;
    size_t live = memory_live();
    for (int i = 0; i < 3000; i++) {
        char text[200];
        size_t size = random_bits(&seed) % sizeof text, opened = 0;
        for (size_t j = 0; j < size; j++)
            text[j] = BYTES[random_bits(&seed) % (sizeof BYTES - 1)];
        nicest_data *data = NULL;
        if (nicest_data_open(&data, put_file("g.csv", text, size), NULL) == NICEST_OK) {
            double *values = all_values(data);
            opened++;
            free(values);
        }
        nicest_data_free(data);
        assert_int_equal(memory_live(), live);
        (void)opened;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dialects),       cmocka_unit_test(test_missing_fields),
        cmocka_unit_test(test_names),          cmocka_unit_test(test_errors_name_the_place),
        cmocka_unit_test(test_gzip),           cmocka_unit_test(test_long_files),
        cmocka_unit_test(test_long_lines),     cmocka_unit_test(test_text_labels),
        cmocka_unit_test(test_where_on_text),  cmocka_unit_test(test_reader),
        cmocka_unit_test(test_reader_is_open), cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_garbage)};
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
