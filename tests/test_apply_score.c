/* test_apply_score.c - a model against a whole data set: the same likelihood as row by row, and a
 * sentence where they do not belong together. */
#include "model_fixture.h"

enum { ROWS = 500 };

static nicest_data *data_of(const double *rows, size_t n, size_t d, const char *const *names)
{
    nicest_data *data = NULL;
    assert_status(nicest_data_new(&data, rows, n, d, names), NICEST_OK);
    return data;
}

static void all_rows_get_the_likelihood_of_each(void **state)
{
    (void)state;
    nicest_model *model = model_of_text(SPEC_SMALL, 3);
    double *rows = memory_new(ROWS * 5, sizeof *rows), one[ROWS], all[ROWS];
    quantise(model, 17, 1);
    for (size_t i = 0; i < ROWS * 5; i++)
        rows[i] = (double)(i * 13 % 17);
    rows[7 * 5 + 2] = NAN;
    nicest_data *data = data_of(rows, ROWS, 5, NULL);
    nicest_workspace *w = work(model, 0, 1);
    assert_status(nicest_score(w, rows, ROWS, 11, one), NICEST_OK);
    for (int threads = 1; threads < 4; threads++) {
        assert_status(nicest_score_data(model, data, 11, threads, NULL, NULL, all), NICEST_OK);
        assert_memory_equal(all, one, sizeof all);
    }
    for (size_t i = 0; i < ROWS; i++)
        assert_int_equal(isnan(all[i]) != 0, i == 7);
    assert_status(nicest_score_data(model, data, 12, 1, NULL, NULL, all), NICEST_OK);
    assert_memory_not_equal(all, one, sizeof all);
    nicest_workspace_free(w);
    nicest_data_free(data);
    nicest_model_free(model);
    memory_free(rows);
}

typedef struct telling {
    double last, total;
    size_t calls, most; /* stops at call number `most` */
} telling;

static int count_calls(void *context, double done, double total)
{
    telling *t = context;
    assert_true(done > t->last && done <= total);
    t->last = done;
    t->total = total;
    return ++t->calls == t->most;
}

static void long_calls_tell_and_stop(void **state)
{
    enum { MANY = 20000 };
    (void)state;
    nicest_model *model = model_of_text(SPEC_SMALL, 3);
    double *rows = memory_new(MANY * 5, sizeof *rows), *alone = memory_new(MANY, sizeof *alone),
           *told = memory_new(MANY, sizeof *told);
    for (size_t i = 0; i < MANY * 5; i++)
        rows[i] = (double)(i * i % 1009) / 500;
    nicest_data *data = data_of(rows, MANY, 5, NULL);
    telling t = {0}, early = {.most = 2}, proof = {0}, no_proof = {.most = 3},
            no_calibration = {.most = 1};
    assert_status(nicest_score_data(model, data, 1, 2, NULL, NULL, alone), NICEST_OK);
    assert_status(nicest_score_data(model, data, 1, 2, count_calls, &t, told), NICEST_OK);
    assert_memory_equal(told, alone, MANY * sizeof *told);
    assert_true(t.calls > 1 && t.last == MANY && t.total == MANY);
    assert_status(nicest_score_data(model, data, 1, 2, count_calls, &early, told),
                  NICEST_E_INTERRUPTED);
    t = early = (telling){0};
    early.most = 2;
    memset(told, 0, MANY * sizeof *told);
    assert_status(nicest_outlier_scores(model, data, "logp", 1, 1, 2, count_calls, &early, told),
                  NICEST_E_INTERRUPTED);
    assert_true(told[0] == 0 && early.last < MANY);
    assert_status(nicest_outlier_scores(model, data, "logp", 1, 1, 2, count_calls, &t, told),
                  NICEST_OK);
    assert_memory_equal(told, alone, MANY * sizeof *told);
    assert_true(t.last == MANY);
    nicest_verification found;
    assert_status(nicest_verify(model, NULL, 1, 2, count_calls, &proof, &found), NICEST_OK);
    assert_true(proof.calls > 3 && proof.last <= proof.total);
    assert_status(nicest_verify(model, NULL, 1, 2, count_calls, &no_proof, &found),
                  NICEST_E_INTERRUPTED);
    assert_status(nicest_calibrate(model, NULL, data, 1, 2, count_calls, &no_calibration),
                  NICEST_E_INTERRUPTED);
    assert_int_equal(nicest_calibrated(model), 0);
    nicest_data_free(data);
    nicest_model_free(model);
    memory_free(rows);
    memory_free(alone);
    memory_free(told);
}

/* The same whole numbers as bytes, floats, doubles and text, in files of their own. */
static void write_npy(const char *path, const char *type, const double *rows, size_t n, size_t d)
{
    char header[128] = "\x93NUMPY\1\0\x76";
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    int used =
        snprintf(header + 10, 118, "{'descr': '%s', 'fortran_order': False, 'shape': (%zu, %zu), }",
                 type, n, d);
    memset(header + 10 + used, ' ', 118 - (size_t)used);
    header[127] = '\n';
    assert_int_equal(fwrite(header, 1, 128, file), 128);
    for (size_t i = 0; i < n * d; i++) {
        unsigned char byte = (unsigned char)rows[i];
        float single = (float)rows[i];
        const void *value = type[1] == 'u'   ? (const void *)&byte
                            : type[2] == '4' ? (const void *)&single
                                             : &rows[i];
        assert_int_equal(fwrite(value, (size_t)(type[2] - '0'), 1, file), 1);
    }
    fclose(file);
}

static void score_file(const nicest_model *model, const char *path, double *logp)
{
    nicest_data *data = NULL;
    assert_status(nicest_data_open(&data, path, NULL), NICEST_OK);
    assert_status(nicest_score_data(model, data, 11, 1, NULL, NULL, logp), NICEST_OK);
    nicest_data_free(data);
}

static void a_score_follows_from_the_row_alone(void **state)
{
    static const char *const types[] = {"|u1", "<f4", "<f8"};
    (void)state;
    nicest_model *model = model_of_text(SPEC_SMALL, 3);
    double *rows = memory_new(ROWS * 5, sizeof *rows), one[ROWS], all[ROWS];
    char path[512];
    quantise(model, 17, 1);
    for (size_t i = 0; i < ROWS * 5; i++)
        rows[i] = (double)(i * i % 17);
    memcpy(rows + 5 * (ROWS - 1), rows + 5, 5 * sizeof *rows);
    nicest_data *data = data_of(rows, ROWS, 5, NULL), *part = NULL;
    assert_status(nicest_score_data(model, data, 11, 1, NULL, NULL, one), NICEST_OK);
    assert_true(one[1] == one[ROWS - 1]);
    for (size_t t = 0; t < 3; t++) {
        write_npy(temporary("same.npy", path, sizeof path), types[t], rows, ROWS, 5);
        score_file(model, path, all);
        assert_memory_equal(all, one, sizeof all);
        unlink(path);
    }
    assert_status(nicest_data_save(data, temporary("same.csv", path, sizeof path)), NICEST_OK);
    score_file(model, path, all);
    assert_memory_equal(all, one, sizeof all);
    unlink(path);
    size_t index[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        index[i] = (i * 73 + 5) % ROWS; /* any order */
    for (size_t first = 0, count; first < ROWS; first += count) {
        count = ROWS - first < 77 ? ROWS - first : 77; /* and parts */
        assert_status(nicest_data_select(&part, data, index + first, count), NICEST_OK);
        assert_status(nicest_score_data(model, part, 11, 2, NULL, NULL, all), NICEST_OK);
        for (size_t i = 0; i < count; i++)
            assert_true(all[i] == one[index[first + i]]);
        nicest_data_free(part);
    }
    nicest_data_free(data);
    nicest_model_free(model);
    memory_free(rows);
}

/* The usual standard error; k copies of every value make nothing surer; NaN is left out. */
static void a_standard_error_counts_distinct_rows(void **state)
{
    static const double rows[] = {1, 2, 4, NAN, 9}, copies[] = {4, 1, 9, 2, 9, 4, 2, 1};
    static const double same[] = {3, 3, 3}, uneven[] = {0, 0, 0, 4};
    double error, again;
    (void)state;
    assert_status(nicest_standard_error(rows, NULL, 5, &error), NICEST_OK);
    assert_true(fabs(error - sqrt(38.0 / 3 / 4)) < 1e-15);
    assert_status(nicest_standard_error(copies, NULL, 8, &again), NICEST_OK);
    assert_true(fabs(error - again) < 1e-15);
    assert_status(nicest_standard_error(uneven, NULL, 4, &again), NICEST_OK);
    assert_true(fabs(again - sqrt((3.0 * 3 + 3.0 * 3) * 2) / 4) < 1e-15);
    assert_status(nicest_standard_error(same, NULL, 3, &again), NICEST_OK);
    assert_true(isnan(again));
    assert_status(nicest_standard_error(rows, NULL, 0, &again), NICEST_OK);
    assert_true(isnan(again));
}

static void what_differs_is_said(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    static const char *const others[] = {"a", "b", "C", "d", "e"};
    static const char *const latin[] = {"a", "b", "c", "d", "\xe9"};
    static const char *const repaired[] = {"a", "b", "c", "d", "?"};
    nicest_model *model = model_of_text(SPEC_SMALL, 3);
    double rows[60] = {0}, logp[12] = {42};
    nicest_data *plain = data_of(rows, 12, 5, NULL), *narrow = data_of(rows, 12, 4, NULL);
    nicest_data *named = data_of(rows, 12, 5, names), *wrong = data_of(rows, 12, 5, others);
    nicest_data *odd = data_of(rows, 12, 5, latin);
    assert_status(nicest_model_fits(model, named), NICEST_OK);
    assert_status(model_set_schema(model, names, 0, 0, 0, NULL), NICEST_OK);
    assert_status(nicest_model_fits(model, named), NICEST_OK);
    assert_status(nicest_model_fits(model, plain), NICEST_OK);
    assert_error(nicest_model_fits(model, narrow), NICEST_E_MISMATCH, "4 columns");
    assert_error(nicest_model_fits(model, wrong), NICEST_E_MISMATCH, "column 3 is 'C'");
    assert_status(model_set_schema(model, repaired, 0, 0, 0, NULL), NICEST_OK);
    assert_status(nicest_model_fits(model, odd), NICEST_OK);
    assert_error(nicest_score_data(model, wrong, 1, 1, NULL, NULL, logp), NICEST_E_MISMATCH,
                 "column");
    assert_status(nicest_score_data(NULL, plain, 1, 1, NULL, NULL, logp), NICEST_E_ARGUMENT);
    assert_status(nicest_score_data(model, NULL, 1, 1, NULL, NULL, logp), NICEST_E_ARGUMENT);
    assert_status(nicest_score_data(model, plain, 1, 1, NULL, NULL, NULL), NICEST_E_ARGUMENT);
    assert_error(nicest_score_data(model, plain, 1, -2, NULL, NULL, logp), NICEST_E_ARGUMENT,
                 "threads");
    assert_true(logp[0] == 42);
    nicest_data_free(plain);
    nicest_data_free(narrow);
    nicest_data_free(named);
    nicest_data_free(wrong);
    nicest_data_free(odd);
    nicest_model_free(model);
}

static void pictures_of_another_size_do_not_fit(void **state)
{
    (void)state;
    nicest_model *model = NULL;
    nicest_data *data = NULL;
    char path[512];
    double rows[12] = {0};
    assert_status(model_new(&model, flow_of_text("nicest 1\ncolumns 6\nscale\nprior normal\n", 1)),
                  NICEST_OK);
    nicest_data *plain = data_of(rows, 2, 6, NULL);
    assert_status(nicest_data_save(plain, temporary("p.npy", path, sizeof path)), NICEST_OK);
    nicest_data_options options = {.height = 2, .width = 3, .channels = 1};
    assert_status(nicest_data_open(&data, path, &options), NICEST_OK);
    assert_status(model_set_schema(model, NULL, 2, 3, 1, "uint8"), NICEST_OK);
    assert_status(nicest_model_fits(model, data), NICEST_OK);
    assert_status(nicest_model_fits(model, plain), NICEST_OK);
    assert_status(model_set_schema(model, NULL, 3, 2, 1, "uint8"), NICEST_OK);
    assert_error(nicest_model_fits(model, data), NICEST_E_MISMATCH, "2 x 3 x 1");
    unlink(path);
    nicest_data_free(plain);
    nicest_data_free(data);
    nicest_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_rows_get_the_likelihood_of_each),
        cmocka_unit_test(long_calls_tell_and_stop),
        cmocka_unit_test(a_score_follows_from_the_row_alone),
        cmocka_unit_test(a_standard_error_counts_distinct_rows),
        cmocka_unit_test(what_differs_is_said),
        cmocka_unit_test(pictures_of_another_size_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
