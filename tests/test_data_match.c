/* test_data_match.c - the columns of a model out of a table, whole and row by row. */
#include "data_files.h"
#include "model/model.h"

/* A model of a number, a category of the words a, b, c, and a date; training left `id` out. */
static nicest_model *make_model(void)
{
    flow *f = NULL;
    nicest_model *model = NULL;
    char a[] = "a", b[] = "b", c[] = "7", date[] = "YYYY-MM-DD", *words[] = {a, b, c};
    const column_kind kinds[] = {{NICEST_NUMBER, 1, NULL, NULL, 0},
                                 {NICEST_CATEGORY, -1, NULL, words, 3},
                                 {NICEST_TIME, -1, date, NULL, 0}};
    const char *const names[] = {"n", "w", "t"}, *const left[] = {"id"};
    assert_int_equal(flow_new(&f, "nicest 1\ncolumns 3\nscale\nprior normal\n", 0), NICEST_OK);
    assert_int_equal(model_new(&model, f), NICEST_OK);
    assert_int_equal(model_set_schema(model, names, 0, 0, 0, NULL), NICEST_OK);
    assert_int_equal(model_set_columns(model, kinds, left, 1), NICEST_OK);
    return model;
}

/* A file and a pipe give the same rows, codes and notes; a word that is new is the code behind the last. */
static void test_file_and_pipe(void **state)
{
    static const struct {
        const char *text, *note;
        double rows[6];
    } files[] = {
        {"n,w,t\n1.5,a,1970-01-01\n2,b,1970-01-11\n", NULL, {1.5, 0, 0, 2, 1, 10}},
        {"t,id,w,n\n1970-01-01,5,new,1\n1970-01-02,6,7.0,2\n", NULL, {1, 3, 0, 2, 2, 1}},
        {"t,more,w,n,even\n1970-01-01,5,?,1,2\n,6,b,,2\n", "more, even", {1, NAN, 0, NAN, 1, NAN}},
        {"1.5,a,1970-01-01\n2,b,1970-01-11\n", NULL, {1.5, 0, 0, 2, 1, 10}}};
    nicest_model *model = make_model();
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const char *path = put_text("m.csv", files[i].text);
        nicest_data *data = open_plain(path), *out = NULL;
        assert_int_equal(nicest_data_match(&out, model, data), NICEST_OK);
        assert_values(out, 2, 3, files[i].rows);
        nicest_reader *reader;
        double rows[6];
        size_t got;
        assert_int_equal(nicest_reader_open(&reader, path, NULL), NICEST_OK);
        assert_int_equal(nicest_reader_match(reader, model), NICEST_OK);
        assert_int_equal(nicest_reader_columns(reader), 3);
        assert_string_equal(nicest_reader_column_name(reader, 1), i == 3 ? "x2" : "w");
        assert_int_equal(nicest_reader_next(reader, 2, rows, &got, NULL), NICEST_OK);
        assert_int_equal(got, 2);
        for (size_t k = 0; k < 6; k++)
            assert_same(rows[k], files[i].rows[k]);
        if (files[i].note != NULL) {
            assert_non_null(strstr(nicest_data_note(out), files[i].note));
            assert_non_null(strstr(nicest_reader_note(reader), files[i].note));
        } else {
            assert_null(nicest_data_note(out));
        }
        nicest_reader_close(reader);
        nicest_data_free(data);
        nicest_data_free(out);
    }
    nicest_model_free(model);
}

static void test_refusals(void **state)
{
    nicest_model *model = make_model();
    nicest_data *data = open_plain(put_text("m.csv", "n,w\n1,a\n")), *out = NULL;
    nicest_reader *reader;
    double row[3];
    size_t got;
    (void)state;
    assert_int_equal(nicest_data_match(&out, model, data), NICEST_E_MISMATCH);
    assert_non_null(strstr(nicest_error(), "column 't' of the model is not there; there are n, w"));
    assert_null(out);
    nicest_data_free(data);
    assert_int_equal(nicest_reader_open(&reader, put_text("m.csv", "w,n\na,1\n"), NULL), NICEST_OK);
    assert_int_equal(nicest_reader_match(reader, model), NICEST_E_MISMATCH);
    nicest_reader_close(reader);
    assert_int_equal(nicest_reader_open(&reader, put_text("m.csv", "n,w,t\n1,a,\nx,a,\n1,a,soon\n2,a,\n"), NULL),
                     NICEST_OK);
    assert_int_equal(nicest_reader_match(reader, model), NICEST_OK);
    assert_int_equal(nicest_reader_next(reader, 1, row, &got, NULL), NICEST_OK);
    assert_int_equal(nicest_reader_next(reader, 1, row, &got, NULL), NICEST_E_FORMAT);
    assert_non_null(strstr(nicest_error(), "m.csv:3: column 1 (n): 'x' is not a number"));
    assert_int_equal(nicest_reader_next(reader, 1, row, &got, NULL), NICEST_E_FORMAT);
    assert_non_null(strstr(nicest_error(), "m.csv:4: column 3 (t): 'soon' is not a time"));
    assert_int_equal(nicest_reader_next(reader, 1, row, &got, NULL), NICEST_OK);
    nicest_reader_close(reader);
    nicest_model_free(model);
}

/* Nothing is copied where nothing changes; a table becomes a picture. */
static void test_pictures(void **state)
{
    flow *f = NULL;
    nicest_model *model = NULL;
    unsigned height, width;
    double values[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    nicest_data *data, *out;
    (void)state;
    assert_int_equal(flow_new(&f, "nicest 1\ncolumns 4\nscale\nprior normal\n", 0), NICEST_OK);
    assert_int_equal(model_new(&model, f), NICEST_OK);
    assert_int_equal(model_set_schema(model, NULL, 2, 2, 1, NULL), NICEST_OK);
    assert_int_equal(nicest_data_new(&data, values, 2, 4, NULL), NICEST_OK);
    assert_int_equal(nicest_data_match(&out, model, data), NICEST_OK);
    nicest_data_image(out, &height, &width, NULL);
    assert_true(height == 2 && width == 2);
    nicest_data_image(data, &height, NULL, NULL);
    assert_int_equal(height, 0);
    nicest_data_free(data);
    assert_values(out, 2, 4, values);
    nicest_data_free(out);
    const nicest_data_options options = {.height = 4, .width = 1};
    data = open_with(put_text("p.csv", "1,2,3,5\n"), &options);
    assert_int_equal(nicest_data_match(&out, model, data), NICEST_E_MISMATCH);
    assert_non_null(strstr(nicest_error(), "pictures are 4 x 1 x 1"));
    nicest_data_free(data);
    nicest_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_file_and_pipe),
                                       cmocka_unit_test(test_refusals),
                                       cmocka_unit_test(test_pictures)};
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
