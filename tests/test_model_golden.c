/* test_model_golden.c - files of format version 1 load for ever, and say what they always said.
 *
 * The files and the figures come from tests/golden/make_model_v1.py, which shares no line with us.
 */
#include "golden/model_v1.h"
#include "model_fixture.h"

static void assert_close(const double *a, const double *b, size_t n, double bound)
{
    for (size_t i = 0; i < n; i++) {
        double error = fabs(a[i] - b[i]) / fmax(1, fabs(b[i]));
        if (!(error <= bound))
            print_error("element %zu: %.17g, expected %.17g\n", i, a[i], b[i]);
        assert_true(error <= bound);
    }
}

static void check_figures(const char *path, const double *stored, const double *continuous,
                          const double *latent, const double *logp)
{
    nicest_model *model = load(path);
    nicest_workspace *w = work(model, 0, 2);
    double x[GOLDEN_ROWS * 5], h[GOLDEN_ROWS * 5], p[GOLDEN_ROWS];
    size_t n = GOLDEN_ROWS, d = nicest_model_columns(model);
    assert_status(nicest_encode(model, stored, n, GOLDEN_SEED, x), NICEST_OK);
    assert_close(x, continuous, n * d, 1e-15);
    assert_status(nicest_log_prob(w, continuous, n, p), NICEST_OK);
    assert_close(p, logp, n, 1e-5);
    assert_status(nicest_score(w, stored, n, GOLDEN_SEED, p), NICEST_OK);
    assert_close(p, logp, n, 1e-5);
    assert_status(nicest_forward(w, continuous, n, h, NULL), NICEST_OK);
    assert_close(h, latent, n * d, 1e-5);
    assert_status(nicest_inverse(w, latent, n, x, NULL), NICEST_OK);
    assert_close(x, continuous, n * d, 1e-5);
    assert_status(nicest_decode(model, continuous, n, x), NICEST_OK);
    assert_close(x, stored, n * d, 0);
    nicest_workspace_free(w);
    nicest_model_free(model);
}

static void table_says_what_it_said(void **state)
{
    (void)state;
    check_figures(FIXTURE, TABLE_STORED, TABLE_CONTINUOUS, TABLE_LATENT, TABLE_LOGP);
}

static void picture_says_what_it_said(void **state)
{
    (void)state;
    check_figures(FIXTURE_PICTURE, PICTURE_STORED, PICTURE_CONTINUOUS, PICTURE_LATENT,
                  PICTURE_LOGP);
}

static void table_has_its_texts(void **state)
{
    (void)state;
    static const char *const names[] = {"wide", "h\xc3\xb6he", "a \"quote\"", "x4", "new\nline"};
    nicest_model *model = load(FIXTURE);
    unsigned height = 1, width = 1, channels = 1;
    double levels, step, unit;
    size_t count = 0;
    assert_int_equal(nicest_model_columns(model), 5);
    assert_int_equal(nicest_model_parameters(model), 3 * 8 + 8 + 64 + 8 + 16 + 2 + 12 + 6 + 18 + 3 +
                                                         5 + 12 + 4 + 12 + 3 + 6 + 2 + 5);
    for (size_t j = 0; j < 5; j++)
        assert_string_equal(nicest_model_column_name(model, j), names[j]);
    assert_null(nicest_model_column_name(model, 5));
    nicest_model_image(model, &height, &width, &channels);
    assert_int_equal(height + width + channels, 0);
    assert_string_equal(nicest_model_entry(model, MODEL_TRAINING), "{\"rows\":123}");
    assert_null(nicest_model_entry(model, MODEL_CALIBRATION));
    assert_int_equal(nicest_model_quantised(model, 4, &levels, &step, &unit), 1);
    assert_true(levels == 4 && step == 2 && unit == 2);
    assert_int_equal(nicest_model_quantised(model, 2, &levels, &step, &unit), 0);
    assert_int_equal(nicest_model_quantised(model, 5, NULL, NULL, NULL), 0);
    assert_true(isnan(nicest_model_bits_per_dim(model, 0)));
    const double *mean = model_array(model, "columns.mean", &count);
    assert_int_equal(count, 5);
    assert_true(mean[4] == 5);
    assert_true(model_array(model, "calibration.scores", &count)[0] == -1.5);
    nicest_model_free(model);
}

static void picture_has_its_size(void **state)
{
    (void)state;
    nicest_model *model = load(FIXTURE_PICTURE);
    unsigned height, width, channels;
    nicest_model_image(model, &height, &width, &channels);
    assert_true(height == 2 && width == 2 && channels == 1);
    assert_string_equal(nicest_model_column_name(model, 3), "x4");
    assert_true(fabs(nicest_model_bits_per_dim(model, 2.5) - (8 - 2.5 / (4 * log(2)))) < 1e-12);
    nicest_model_free(model);
}

/* The script and we agree on every byte. */
static void check_bytes(const char *fixture)
{
    char path[512];
    nicest_model *model = load(fixture);
    assert_status(nicest_model_save(model, temporary("golden", path, sizeof path)), NICEST_OK);
    bytes ours = read_bytes(path), theirs = read_bytes(fixture);
    assert_int_equal(ours.size, theirs.size);
    assert_memory_equal(ours.data, theirs.data, ours.size);
    memory_free(ours.data);
    memory_free(theirs.data);
    nicest_model_free(model);
    unlink(path);
}

static void saving_gives_the_same_bytes(void **state)
{
    (void)state;
    check_bytes(FIXTURE);
    check_bytes(FIXTURE_PICTURE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_says_what_it_said),     cmocka_unit_test(picture_says_what_it_said),
        cmocka_unit_test(table_has_its_texts),         cmocka_unit_test(picture_has_its_size),
        cmocka_unit_test(saving_gives_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
