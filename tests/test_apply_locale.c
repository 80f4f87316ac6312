/* test_apply_locale.c - what the library reads as text has a decimal point, whatever the locale of
 * the program around it: specs, masks, toys, names of columns, models. */
#include "decimal_comma.h"
#include "model_fixture.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(masks_have_a_point),
                                       cmocka_unit_test(toys_have_a_point),
                                       cmocka_unit_test(names_have_a_point)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
