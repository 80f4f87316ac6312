/* test_apply_views.c - neighbours, columns and the average of the views: against a second way that
 * is slow and plain, and as properties. */
#include <math.h>
#include <stdbool.h>

#include "apply/outlier.h"
#include "apply/views.h"
#include "base/parallel.h"
#include "model_fixture.h"

enum { D = 5, TRAIN = 300, ROWS = 90 };

/* Rows of unequal scales; row i is a function of (first + i). */
static nicest_data *rows_of(size_t n, uint64_t first, double width, double *rows)
{
    nicest_data *data = NULL;
    for (size_t i = 0; i < n; i++) {
        random_normal((random_stream){4, RANDOM_USER, 0}, first + i, rows + i * D, D);
        for (size_t j = 0; j < D; j++)
            rows[i * D + j] *= width * (double)(1 + 10 * j);
    }
    assert_status(nicest_data_new(&data, rows, n, D, NULL), NICEST_OK);
    return data;
}

static nicest_model *calibrated(double *train)
{
    double held[199 * D];
    nicest_model *model = model_of_text(SPEC_SMALL, 3);
    nicest_data *a = rows_of(TRAIN, 0, 1, train), *b = rows_of(199, TRAIN, 1, held);
    assert_status(nicest_calibrate(model, a, b, 1, 2, NULL, NULL), NICEST_OK);
    nicest_data_free(a);
    nicest_data_free(b);
    return model;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Mean over k = 1..10 of the mean distance to the k nearest training rows. */
static double plain_distance(const double *train, const double *row)
{
    double distance[TRAIN], sum = 0, mean = 0;
    for (size_t i = 0; i < TRAIN; i++) {
        distance[i] = 0;
        for (size_t j = 0; j < D; j++) {
            double average = 0, square = 0;
            for (size_t k = 0; k < TRAIN; k++)
                average += train[k * D + j] / TRAIN;
            for (size_t k = 0; k < TRAIN; k++)
                square += pow(train[k * D + j] - average, 2) / TRAIN;
            distance[i] += pow(train[i * D + j] - row[j], 2) / square;
        }
        distance[i] = sqrt(distance[i]);
    }
    qsort(distance, TRAIN, sizeof *distance, by_size);
    for (size_t k = 0; k < 10; k++) {
        sum += distance[k];
        mean += sum / (double)(k + 1) / 10;
    }
    return mean;
}

static void neighbours_are_the_nearest_rows(void **state)
{
    double *train = memory_new(TRAIN, D * sizeof *train), rows[ROWS * D], scores[ROWS];
    (void)state;
    nicest_model *model = calibrated(train);
    nicest_data *data = rows_of(ROWS, 5000, 1.5, rows);
    assert_int_equal(nicest_model_neighbours(model), TRAIN);
    assert_status(nicest_baseline_scores(model, data, "knn", 1, 2, scores), NICEST_OK);
    for (size_t i = 0; i < ROWS; i += 7)
        assert_true(fabs(scores[i] + plain_distance(train, rows + i * D)) < 1e-9);
    nicest_data_free(data);
    nicest_model_free(model);
    memory_free(train);
}

static void scores_do_not_depend_on_order_parts_and_threads(void **state)
{
    double *train = memory_new(TRAIN, D * sizeof *train), rows[ROWS * D], all[ROWS], some[ROWS];
    (void)state;
    nicest_model *model = calibrated(train);
    nicest_data *data = rows_of(ROWS, 5000, 1.5, rows), *part = NULL;
    assert_status(nicest_outlier_scores(model, data, "views", 0, 9, 1, NULL, NULL, all), NICEST_OK);
    for (int threads = 1; threads < 4; threads++)
        for (size_t first = 0, count; first < ROWS; first += count) {
            size_t index[ROWS];
            count = ROWS - first < 13 ? ROWS - first : 13;
            for (size_t i = 0; i < count; i++)
                index[i] = (first + i) * 37 % ROWS;
            assert_status(nicest_data_select(&part, data, index, count), NICEST_OK);
            assert_status(
                nicest_outlier_scores(model, part, "views", 0, 9, threads, NULL, NULL, some),
                NICEST_OK);
            for (size_t i = 0; i < count; i++)
                assert_true(some[i] == all[index[i]]);
            nicest_data_free(part);
        }
    nicest_data_free(data);
    nicest_model_free(model);
    memory_free(train);
}

/* Beyond all that was seen, farther is still less typical; what is missing has no score. */
static void far_rows_do_not_tie(void **state)
{
    double *train = memory_new(TRAIN, D * sizeof *train), rows[12 * D], scores[12];
    (void)state;
    nicest_model *model = calibrated(train);
    nicest_data *data = NULL;
    for (size_t i = 0; i < 12; i++)
        for (size_t j = 0; j < D; j++)
            rows[i * D + j] = j == i % 2 ? pow(10, (double)(i / 2)) : 0.1;
    rows[11 * D + 3] = NAN;
    assert_status(nicest_data_new(&data, rows, 12, D, NULL), NICEST_OK);
    assert_status(nicest_outlier_scores(model, data, "views", 0, 1, 1, NULL, NULL, scores),
                  NICEST_OK);
    for (size_t i = 2; i < 11; i++)
        assert_true(scores[i] < scores[i - 2]);
    assert_true(isnan(scores[11]));
    size_t count = 0; /* the mixtures, of enough rows */
    assert_non_null(model_array(model, "neighbours.mixture", &count));
    assert_int_equal(count % (5 * (1 + D + D * (D + 1) / 2)), 0);
    nicest_data_free(data);
    nicest_model_free(model);
    memory_free(train);
}

/* Fresh calibrations, fresh rows: p <= 0.1 no more often than one in ten. */
static void the_promise_holds_for_views(void **state)
{
    enum { TIMES = 60, HELD = 39 };
    double rows[TRAIN * D], held[HELD * D], scores[ROWS], p[ROWS], flagged = 0;
    (void)state;
    nicest_model *model = model_of_text(SPEC_SMALL, 3);
    nicest_data *train = rows_of(TRAIN, 0, 1, rows);
    for (uint64_t i = 0; i < TIMES; i++) {
        nicest_data *a = rows_of(HELD, 10000 + 200 * i, 1, held);
        nicest_data *b = rows_of(ROWS, 10100 + 200 * i, 1, rows);
        assert_status(nicest_calibrate(model, i ? NULL : train, a, 1, 1, NULL, NULL), NICEST_OK);
        assert_status(nicest_outlier_scores(model, b, "views", 0, 1, 1, NULL, NULL, scores),
                      NICEST_OK);
        assert_status(nicest_conformal(model, "views", scores, ROWS, p), NICEST_OK);
        for (size_t k = 0; k < ROWS; k++)
            flagged += p[k] <= 0.1;
        nicest_data_free(a);
        nicest_data_free(b);
    }
    /* of one calibration the rate varies as the beta distribution of 4 and 36 does: 0.047 */
    assert_true(fabs(flagged / (TIMES * ROWS) - 0.1) < 4 * (0.047 + 0.032) / sqrt(TIMES));
    nicest_data_free(train);
    nicest_model_free(model);
}

static bool holds_bytes(const bytes *file, double value)
{
    for (size_t i = 0; i + sizeof value <= file->size; i++)
        if (!memcmp((const char *)file->data + i, &value, sizeof value))
            return true;
    return false;
}

static void no_neighbours_leave_no_row_in_the_file(void **state)
{
    double *train = memory_new(TRAIN, D * sizeof *train), scores[TRAIN], threshold;
    char path[512];
    (void)state;
    nicest_model *model = calibrated(train);
    nicest_data *data = rows_of(TRAIN, 0, 1, train);
    assert_string_equal(nicest_default_score(model), "views");
    for (int kept = 1; kept >= 0; kept--) {
        assert_status(nicest_model_save(model, temporary("n", path, sizeof path)), NICEST_OK);
        bytes file = read_bytes(path);
        assert_int_equal(holds_bytes(&file, train[7 * D + 2]), kept);
        memory_free(file.data);
        unlink(path);
        if (kept)
            assert_status(nicest_forget_neighbours(model), NICEST_OK);
    }
    assert_int_equal(nicest_model_neighbours(model), 0);
    assert_string_equal(nicest_default_score(model), "logp");
    assert_error(nicest_baseline_scores(model, data, "knn", 1, 1, scores), NICEST_E_DATA,
                 "neighbours");
    assert_error(nicest_outlier_scores(model, data, "views", 0, 1, 1, NULL, NULL, scores),
                 NICEST_E_DATA, "neighbours");
    assert_status(nicest_threshold(model, "views", 0.1, &threshold, NULL), NICEST_E_DATA);
    assert_status(nicest_threshold(model, "logp", 0.1, &threshold, NULL), NICEST_OK);
    nicest_data_free(data);
    nicest_model_free(model);
    memory_free(train);
}

/* What a file says may be anything: an error or numbers, no harm. */
static void kept_rows_of_a_file_are_checked(void **state)
{
    double *train = memory_new(TRAIN, D * sizeof *train), rows[ROWS * D], scores[ROWS];
    (void)state;
    nicest_model *model = calibrated(train);
    nicest_data *data = rows_of(ROWS, 5000, 1, rows);
    assert_status(model_set_array(model, "neighbours.ranks", train, 7), NICEST_OK);
    assert_int_equal(nicest_model_neighbours(model), 0);
    assert_status(model_set_array(model, "neighbours.ranks", train, VIEWS_COUNT * TRAIN),
                  NICEST_OK);
    assert_status(nicest_outlier_scores(model, data, "views", 0, 1, 1, NULL, NULL, scores),
                  NICEST_OK);
    train[11] = INFINITY;
    assert_status(model_set_array(model, "neighbours.rows", train, TRAIN * D), NICEST_OK);
    assert_error(nicest_outlier_scores(model, data, "views", 0, 1, 1, NULL, NULL, scores),
                 NICEST_E_FORMAT, "not numbers");
    nicest_data_free(data);
    nicest_model_free(model);
    memory_free(train);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neighbours_are_the_nearest_rows),
        cmocka_unit_test(scores_do_not_depend_on_order_parts_and_threads),
        cmocka_unit_test(far_rows_do_not_tie),
        cmocka_unit_test(the_promise_holds_for_views),
        cmocka_unit_test(no_neighbours_leave_no_row_in_the_file),
        cmocka_unit_test(kept_rows_of_a_file_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
