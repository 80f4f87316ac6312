/* test_apply_locale.c - what the library reads as text has a decimal point, whatever the locale of
 * the program around it: specs, masks, toys, names of columns, models. */
#include "decimal_comma.h"
#include "model_fixture.h"

static nicest_status score_row(const nicest_model *model, const double *row, double *logp)
{
    nicest_workspace *workspace = work(model, 1, 1);
    nicest_status status = nicest_score(workspace, row, 1, 1, logp);
    nicest_workspace_free(workspace);
    return status;
}

static const char *const NAMES[2][2] = {{"2019.5", "b"}, {"x2019.5", "b"}};

static size_t count_hidden(void)
{
    unsigned char hidden[1000];
    size_t count = 0;
    assert_status(nicest_mask("random:0.25", NULL, 1, 1000, 0, 0, 0, 1, hidden), NICEST_OK);
    for (size_t i = 0; i < 1000; i++)
        count += hidden[i];
    return count;
}

static void masks_have_a_point(void **state)
{
    size_t expected = count_hidden();
    (void)state;
    if (!decimal_comma())
        skip();
    size_t found = count_hidden();
    setlocale(LC_ALL, "C");
    assert_int_equal(found, expected);
    assert_in_range(found, 200, 300);
}

static void toys_have_a_point(void **state)
{
    const double rows[4] = {0.5, 0.25, 1, 1};
    double expected[2], found[2];
    (void)state;
    assert_status(nicest_toy_log_density("moons,noise=0.25", rows, 2, expected), NICEST_OK);
    if (!decimal_comma())
        skip();
    nicest_status status = nicest_toy_log_density("moons,noise=0.25", rows, 2, found);
    setlocale(LC_ALL, "C");
    assert_status(status, NICEST_OK);
    assert_memory_equal(found, expected, sizeof found);
}

/* A name that is a number is written with an x before it, and is still the same column. */
static void names_have_a_point(void **state)
{
    const double rows[8] = {1, 2, 3, 4, 5, 7, 6, 9};
    nicest_data *data[2];
    nicest_model *model = NULL;
    nicest_train_options options;
    (void)state;
    for (int i = 0; i < 2; i++)
        assert_status(nicest_data_new(&data[i], rows, 4, 2, NAMES[i]), NICEST_OK);
    nicest_train_defaults(&options);
    options.epochs = 1;
    assert_status(nicest_train(&model, data[0], NULL, &options, NULL), NICEST_OK);
    nicest_status plain = nicest_model_fits(model, data[1]), comma = plain;
    if (decimal_comma())
        comma = nicest_model_fits(model, data[1]);
    setlocale(LC_ALL, "C");
    assert_status(plain, NICEST_OK);
    assert_status(comma, NICEST_OK);
    nicest_model_free(model);
    nicest_data_free(data[0]);
    nicest_data_free(data[1]);
}

/* Specs and whole models: what is written under one locale is read under the other. */
static void models_have_a_point(void **state)
{
    static const char spec[] = "nicest 1\ncolumns 2\nlogit margin=0.0625\n"
                               "coupling move=first hidden=4 dropout=0.25 rule=affine bound=1.5\n"
                               "prior normal\n";
    const double row[2] = {0.25, 0.75};
    char path[512], plain[512], comma[512];
    double expected, found;
    (void)state;
    nicest_model *model = model_of_text(spec, 3), *again = NULL;
    snprintf(plain, sizeof plain, "%s", nicest_model_spec(model));
    assert_status(nicest_model_save(model, temporary("comma", path, sizeof path)), NICEST_OK);
    assert_status(score_row(model, row, &expected), NICEST_OK);
    nicest_model_free(model);
    if (!decimal_comma())
        skip();
    nicest_status status = nicest_model_load(&again, path);
    setlocale(LC_ALL, "C");
    assert_status(status, NICEST_OK);
    assert_status(score_row(again, row, &found), NICEST_OK);
    assert_true(found == expected);
    assert_non_null(strstr(plain, "margin=0.0625"));
    assert_non_null(strstr(plain, "bound=1.5"));
    nicest_model_free(again);
    assert_true(decimal_comma());
    model = model_of_text(spec, 3);
    snprintf(comma, sizeof comma, "%s", nicest_model_spec(model));
    setlocale(LC_ALL, "C");
    assert_string_equal(comma, plain);
    nicest_model_free(model);
    remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(masks_have_a_point),
                                       cmocka_unit_test(toys_have_a_point),
                                       cmocka_unit_test(names_have_a_point),
                                       cmocka_unit_test(models_have_a_point)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
