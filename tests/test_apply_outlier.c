/* test_apply_outlier.c - scores, calibration and decisions of whole models. The models are random,
 * and the rows their own samples: exchangeable by construction, so every promise can be checked. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "apply/family.h"
#include "apply/outlier.h"
#include "apply/statistics.h"
#include "base/memory.h"
#include "base/random.h"
#include "nicest.h"

#ifdef __SANITIZE_ADDRESS__
enum { CALIBRATIONS = 10 }; /* each takes ten times as long */
#else
enum { CALIBRATIONS = 40 };
#endif
enum { D = 4, SIDE = 6, PIXELS = SIDE * SIDE };

static const char TABLE_SPEC[] = "nicest 1\ncolumns 4\npermute odd-even\n"
                                 "coupling move=second hidden=8 activation=relu rule=additive\n"
                                 "coupling move=first hidden=8 activation=relu rule=additive\n"
                                 "scale\nprior normal\n";
static const char PICTURE_SPEC[] = "nicest 1\ncolumns 36\npermute odd-even\n"
                                   "coupling move=second hidden=16 activation=relu rule=additive\n"
                                   "coupling move=first hidden=16 activation=relu rule=additive\n"
                                   "scale\nprior logistic\n";

/* ------------------------------------------------------------------ material */

static nicest_model *random_model(const char *spec, double size, double log_scale)
{
    flow *f = NULL;
    nicest_model *model = NULL;
    assert_int_equal(flow_new(&f, spec, 0), NICEST_OK);
    double *values = memory_new(f->tensors.trainable, sizeof *values);
    random_normal((random_stream){5, RANDOM_USER, 0}, 0, values, f->tensors.trainable);
    for (size_t i = 0; i < f->tensors.count; i++) {
        const tensor *t = &f->tensors.items[i];
        bool scale = t->trainable && strstr(t->name, "log_scale");
        for (size_t k = 0; t->trainable && k < t->count; k++)
            f->theta[t->offset + k] = (real)(scale ? log_scale : size * values[t->offset + k]);
    }
    memory_free(values);
    assert_int_equal(entry_set(&f->entry), NICEST_OK);
    assert_int_equal(model_new(&model, f), NICEST_OK);
    return model;
}

static nicest_model *table_model(void)
{
    return random_model(TABLE_SPEC, 0.5, 0);
}

/* 6 x 6 pixels of 16 levels in full scale, about mid-grey. */
static nicest_model *picture_model(void)
{
    nicest_model *model = random_model(PICTURE_SPEC, 0.02, log(12));
    entry *e = &model_flow(model)->entry;
    for (size_t j = 0; j < PIXELS; j++)
        e->column[j] = (entry_column){.step = 1, .levels = 16, .unit = 1.0 / 16, .centre = 0.5};
    assert_int_equal(entry_set(e), NICEST_OK);
    assert_int_equal(model_set_schema(model, NULL, SIDE, SIDE, 1, "uint8"), NICEST_OK);
    return model;
}

/* n samples of the model, number `first` and on, as rows that fit it. */
static nicest_data *samples(const nicest_model *model, size_t n, uint64_t first)
{
    size_t d = nicest_model_columns(model);
    double *rows = memory_new(n, d * sizeof *rows);
    nicest_workspace *w = NULL;
    nicest_data *data = NULL;
    assert_int_equal(nicest_workspace_new(&w, model, 0, 1), NICEST_OK);
    assert_int_equal(nicest_sample(w, n, 77, first, 1, rows), NICEST_OK);
    assert_int_equal(nicest_data_new(&data, rows, n, d, NULL), NICEST_OK);
    nicest_workspace_free(w);
    memory_free(rows);
    return data;
}

static void calibrate(nicest_model *model, size_t train, size_t held_out, uint64_t first)
{
    nicest_data *a = samples(model, train, first), *b = samples(model, held_out, first + train);
    nicest_status status = nicest_calibrate(model, a, b, 1, 2, NULL, NULL);
    if (status != NICEST_OK)
        fail_msg("%s", nicest_error());
    nicest_data_free(a);
    nicest_data_free(b);
}

static void score(const nicest_model *model, const nicest_data *data, const char *name,
                  double *scores)
{
    if (nicest_outlier_scores(model, data, name, 0, 9, 2, NULL, NULL, scores) != NICEST_OK)
        fail_msg("%s: %s", name, nicest_error());
}

/* ------------------------------------------------------------------ what is there, and when */

static void an_uncalibrated_model_says_so(void **state)
{
    (void)state;
    nicest_model *model = table_model();
    nicest_data *data = samples(model, 10, 0);
    double scores[10], logp[10], p[10], threshold = 42;
    assert_int_equal(nicest_calibrated(model), 0);
    assert_int_equal(nicest_calibrated(NULL), 0);
    score(model, data, "logp", scores);
    assert_int_equal(nicest_score_data(model, data, 9, 1, NULL, NULL, logp), NICEST_OK);
    assert_memory_equal(scores, logp, sizeof logp);
    for (const char *const *name = nicest_score_names() + 3; *name; name++)
        assert_int_equal(nicest_outlier_scores(model, data, *name, 0, 1, 1, NULL, NULL, scores),
                         NICEST_E_DATA);
    assert_int_equal(nicest_outlier_scores(model, data, "typicality", 0, 1, 1, NULL, NULL, scores),
                     NICEST_E_DATA);
    assert_int_equal(nicest_outlier_scores(model, data, "complexity", 0, 1, 1, NULL, NULL, scores),
                     NICEST_E_UNSUPPORTED);
    assert_int_equal(nicest_conformal(model, "logp", scores, 10, p), NICEST_E_DATA);
    assert_string_equal(nicest_error(), "the model is not calibrated for score 'logp'");
    assert_int_equal(nicest_threshold(model, "logp", 0.05, &threshold, NULL), NICEST_E_DATA);
    assert_true(threshold == 42);
    assert_int_equal(nicest_baseline_scores(model, data, "gaussian", 1, 0, scores), NICEST_E_DATA);
    assert_memory_equal(scores, logp, sizeof logp); /* untouched by all that failed */
    nicest_data_free(data);
    nicest_model_free(model);
}

static void bad_arguments_are_refused(void **state)
{
    (void)state;
    nicest_model *model = table_model();
    calibrate(model, 200, 99, 0);
    nicest_data *data = samples(model, 10, 0), *narrow = NULL;
    double scores[10], threshold, values[10] = {0};
    const char *const bad[] = {"", "log", "logp2", "logp:", "logp:0", "logp:-1", "logp:2x", ":2"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(nicest_outlier_scores(model, data, bad[i], 0, 1, 1, NULL, NULL, scores),
                         NICEST_E_ARGUMENT);
    assert_int_equal(nicest_outlier_scores(model, data, NULL, 0, 1, 1, NULL, NULL, scores),
                     NICEST_E_ARGUMENT);
    assert_int_equal(nicest_outlier_scores(model, data, "logp", 11, 1, 1, NULL, NULL, scores),
                     NICEST_E_DATA);
    assert_int_equal(nicest_threshold(model, "logp", 1.5, &threshold, NULL), NICEST_E_ARGUMENT);
    assert_int_equal(nicest_threshold(model, "logp", NAN, &threshold, NULL), NICEST_E_ARGUMENT);
    assert_int_equal(nicest_threshold(model, "logp:100", 0.1, &threshold, NULL), NICEST_E_DATA);
    assert_int_equal(nicest_baseline_scores(model, data, "median", 1, 0, scores),
                     NICEST_E_ARGUMENT);
    assert_int_equal(nicest_baseline_scores(model, data, "compressed", 1, 0, scores),
                     NICEST_E_UNSUPPORTED);
    assert_int_equal(nicest_data_new(&narrow, values, 5, 2, NULL), NICEST_OK);
    assert_int_equal(nicest_outlier_scores(model, narrow, "logp", 0, 1, 1, NULL, NULL, scores),
                     NICEST_E_MISMATCH);
    assert_int_equal(nicest_baseline_scores(model, narrow, "mean", 1, 0, scores),
                     NICEST_E_MISMATCH);
    assert_int_equal(nicest_calibrate(model, narrow, data, 1, 1, NULL, NULL), NICEST_E_MISMATCH);
    assert_int_equal(nicest_calibrate(model, data, NULL, 1, 1, NULL, NULL), NICEST_E_ARGUMENT);
    assert_true(nicest_calibrated(model));
    nicest_data_free(narrow);
    nicest_data_free(data);
    nicest_model_free(model);
}

/* ------------------------------------------------------------------ the promise */

/* Over many calibrations the mean share of fresh rows that is flagged is the rate that was asked,
 * for every score of a model, and for groups. */
static void false_alarms_are_as_promised(nicest_model *model, const char *const *names)
{
    enum { FRESH = 200 };
    double sum[8] = {0}, square[8] = {0}, scores[FRESH];
    for (uint64_t i = 0; i < CALIBRATIONS; i++) {
        calibrate(model, 300, 199, 100000 * i);
        nicest_data *fresh = samples(model, FRESH, 100000 * i + 50000);
        for (size_t k = 0; names[k]; k++) {
            double threshold, flagged = 0;
            size_t rows;
            score(model, fresh, names[k], scores);
            assert_int_equal(nicest_threshold(model, names[k], 0.05, &threshold, &rows), NICEST_OK);
            assert_int_equal(rows, strchr(names[k], ':') ? 39 : 199);
            for (size_t r = 0; r < FRESH; r++)
                flagged += (scores[r] < threshold) / (double)FRESH;
            sum[k] += flagged / CALIBRATIONS;
            square[k] += flagged * flagged / CALIBRATIONS;
        }
        nicest_data_free(fresh);
    }
    for (size_t k = 0; names[k]; k++) {
        double error = sqrt((square[k] - sum[k] * sum[k]) / CALIBRATIONS);
        double promised = strchr(names[k], ':') ? 2.0 / 40 : 10.0 / 200;
        if (!(fabs(sum[k] - promised) <= 3.5 * error))
            fail_msg("%s: %.4f false alarms, promised %.4f, standard error %.4f", names[k], sum[k],
                     promised, error);
    }
}

static void tables_keep_the_promise(void **state)
{
    (void)state;
    const char *const names[] = {"logp",     "typicality", "gradient",     "latent",
                                 "combined", "logp:5",     "typicality:5", NULL};
    nicest_model *model = table_model();
    false_alarms_are_as_promised(model, names);
    nicest_model_free(model);
}

static void pictures_keep_the_promise(void **state)
{
    (void)state;
    const char *const names[] = {"logp", "complexity", "combined", "typicality:5", NULL};
    nicest_model *model = picture_model();
    false_alarms_are_as_promised(model, names);
    nicest_model_free(model);
}

/* p <= rate and score < threshold are one decision, and p has n + 1 values. */
static void p_and_threshold_agree(void **state)
{
    (void)state;
    enum { FRESH = 500 };
    double scores[FRESH], p[FRESH], threshold;
    nicest_model *model = table_model();
    calibrate(model, 300, 199, 0);
    nicest_data *fresh = samples(model, FRESH, 5000);
    for (const char *const *name = nicest_score_names(); *name; name++) {
        if (!strcmp(*name, "complexity"))
            continue;
        score(model, fresh, *name, scores);
        assert_int_equal(nicest_conformal(model, *name, scores, FRESH, p), NICEST_OK);
        assert_int_equal(nicest_threshold(model, *name, 0.1, &threshold, NULL), NICEST_OK);
        for (size_t i = 0; i < FRESH; i++) {
            assert_int_equal(p[i] <= 0.1 + 1e-12, scores[i] < threshold);
            assert_true(fabs(p[i] * 200 - round(p[i] * 200)) < 1e-9);
        }
    }
    nicest_data_free(fresh);
    nicest_model_free(model);
}

/* Of rows without holes the bins are one, and it is what it was before there were bins; so it is
 * where a file has holes that no row can have. */
static void without_holes_there_is_one_bin(void **state)
{
    (void)state;
    enum { FRESH = 50 };
    double scores[FRESH], p[FRESH], same[FRESH], threshold, holes[199] = {0};
    unsigned char bin[FRESH], known[FRESH];
    nicest_hole_bin bins[NICEST_HOLE_BINS];
    size_t count, n;
    nicest_model *model = table_model();
    calibrate(model, 300, 199, 0);
    nicest_data *fresh = samples(model, FRESH, 5000);
    score(model, fresh, "logp", scores);
    assert_int_equal(nicest_conformal(model, "logp", scores, FRESH, p), NICEST_OK);
    assert_int_equal(nicest_threshold(model, "logp", 0.1, &threshold, &n), NICEST_OK);
    const double bad[] = {0, NAN, -1, 1e300};
    for (size_t b = 0; b < 4; b++) {
        holes[7] = bad[b];
        assert_int_equal(model_set_array(model, "holes.logp", holes, b ? 199 : 0), NICEST_OK);
        assert_int_equal(nicest_hole_bins(model, "logp", 0.1, bins, &count), NICEST_OK);
        assert_true(count == 1 && bins[0].rows == n && bins[0].threshold == threshold);
        assert_int_equal(nicest_conformal_rows(model, "logp", fresh, scores, same, bin, known),
                         NICEST_OK);
        assert_memory_equal(same, p, sizeof p);
        for (size_t i = 0; i < FRESH; i++)
            assert_true(bin[i] == 0 && known[i] == 1);
    }
    nicest_data_free(fresh);
    nicest_model_free(model);
}

static void few_rows_promise_what_they_can(void **state)
{
    (void)state;
    nicest_model *model = table_model();
    double threshold;
    size_t rows;
    calibrate(model, 100, 12, 0);
    assert_int_equal(nicest_threshold(model, "logp", 0.05, &threshold, &rows), NICEST_OK);
    assert_true(threshold == -HUGE_VAL && rows == 12);
    assert_int_equal(nicest_threshold(model, "logp", 0.08, &threshold, &rows), NICEST_OK);
    assert_true(isfinite(threshold));
    nicest_model_free(model);
}

/* ------------------------------------------------------------------ the scores themselves */

/* Far rows are found by every score; rows at the centre, whose log p is too high, fool log p alone.
 */
static void scores_find_what_they_are_for(void **state)
{
    (void)state;
    enum { ROWS = 300 };
    double rows[2 * ROWS * D], scores[2 * ROWS];
    unsigned char outlier[2 * ROWS];
    nicest_model *model = table_model();
    nicest_workspace *w = NULL;
    nicest_data *far = NULL, *central = NULL;
    nicest_detection d;
    calibrate(model, 1000, 199, 0);
    assert_int_equal(nicest_workspace_new(&w, model, 0, 1), NICEST_OK);
    assert_int_equal(nicest_sample(w, ROWS, 3, 0, 1, rows), NICEST_OK);
    assert_int_equal(nicest_sample(w, ROWS, 3, ROWS, 4, rows + ROWS * D), NICEST_OK);
    assert_int_equal(nicest_data_new(&far, rows, 2 * ROWS, D, NULL), NICEST_OK);
    assert_int_equal(nicest_sample(w, ROWS, 3, ROWS, 0.25, rows + ROWS * D), NICEST_OK);
    assert_int_equal(nicest_data_new(&central, rows, 2 * ROWS, D, NULL), NICEST_OK);
    for (size_t i = 0; i < 2 * ROWS; i++)
        outlier[i] = i >= ROWS;
    for (const char *const *name = nicest_score_names(); *name; name++) {
        if (!strcmp(*name, "complexity"))
            continue;
        score(model, far, *name, scores);
        assert_int_equal(nicest_detect(scores, outlier, 2 * ROWS, NAN, 1, &d), NICEST_OK);
        if (d.auroc < 0.9)
            fail_msg("%s: AUROC %.3f of far rows", *name, d.auroc);
        score(model, central, *name, scores);
        assert_int_equal(nicest_detect(scores, outlier, 2 * ROWS, NAN, 1, &d), NICEST_OK);
        bool one_sided = !strcmp(*name, "logp") || !strcmp(*name, "views");
        if (one_sided ? d.auroc > 0.2 : d.auroc < 0.45)
            fail_msg("%s: AUROC %.3f of rows at the centre", *name, d.auroc);
    }
    nicest_workspace_free(w);
    nicest_data_free(far);
    nicest_data_free(central);
    nicest_model_free(model);
}

/* Bits of the compressed row less bits of the row: a flat picture compresses to little. */
static void complexity_is_the_difference_of_lengths(void **state)
{
    (void)state;
    double rows[2 * PIXELS], logp[2], scores[2];
    nicest_model *model = picture_model();
    nicest_data *data = NULL;
    for (size_t j = 0; j < PIXELS; j++) {
        rows[j] = 8;
        rows[PIXELS + j] = (double)(j * j * 7 % 13 % 16);
    }
    assert_int_equal(nicest_data_new(&data, rows, 2, PIXELS, NULL), NICEST_OK);
    score(model, data, "complexity", scores);
    assert_int_equal(nicest_score_data(model, data, 9, 1, NULL, NULL, logp), NICEST_OK);
    for (size_t i = 0; i < 2; i++) {
        double bits = nicest_model_bits_per_dim(model, logp[i]) * PIXELS;
        double length = (scores[i] + bits) / 8;
        assert_true(fabs(length - round(length)) < 1e-6);
        assert_in_range((size_t)round(length), i ? 15 : 4, i ? 60 : 12);
    }
    nicest_data_free(data);
    nicest_model_free(model);
}

/* Continuous rows in another order have the same scores in that order; so have any threads. */
static void order_and_threads_do_not_matter(void **state)
{
    (void)state;
    enum { ROWS = 130 };
    nicest_model *model = table_model();
    calibrate(model, 300, 99, 0);
    nicest_data *data = samples(model, ROWS, 9000), *other = NULL;
    double scores[ROWS], moved[ROWS];
    size_t index[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        index[i] = i * 37 % ROWS;
    assert_int_equal(nicest_data_select(&other, data, index, ROWS), NICEST_OK);
    for (const char *const *name = nicest_score_names(); *name; name++) {
        if (!strcmp(*name, "complexity"))
            continue;
        score(model, data, *name, scores);
        score(model, other, *name, moved);
        for (size_t i = 0; i < ROWS; i++)
            assert_true(fabs(moved[i] - scores[index[i]]) <= 1e-4 * (1 + fabs(moved[i])));
        for (int threads = 1; threads < 4; threads += 2) {
            assert_int_equal(
                nicest_outlier_scores(model, data, *name, 0, 9, threads, NULL, NULL, moved),
                NICEST_OK);
            assert_memory_equal(moved, scores, sizeof scores);
        }
    }
    nicest_data_free(other);
    nicest_data_free(data);
    nicest_model_free(model);
}

static void groups_share_a_score(void **state)
{
    (void)state;
    nicest_model *model = table_model();
    calibrate(model, 300, 99, 0);
    nicest_data *data = samples(model, 11, 9000);
    double single[11], group[11], same[11];
    score(model, data, "logp", single);
    assert_int_equal(nicest_outlier_scores(model, data, "logp", 4, 9, 1, NULL, NULL, group),
                     NICEST_OK);
    assert_int_equal(nicest_outlier_scores(model, data, "logp:4", 0, 9, 1, NULL, NULL, same),
                     NICEST_OK);
    assert_memory_equal(group, same, sizeof same);
    for (size_t i = 0; i < 11; i++) {
        size_t first = i < 4 ? 0 : i < 8 ? 4 : 7;
        double mean =
            (single[first] + single[first + 1] + single[first + 2] + single[first + 3]) / 4;
        assert_true(fabs(group[i] - mean) < 1e-9);
    }
    for (const char *const *name = nicest_baseline_names(); *name; name++) {
        if (!strcmp(*name, "compressed"))
            continue;
        assert_int_equal(nicest_baseline_scores(model, data, *name, 0, 1, single), NICEST_OK);
        assert_int_equal(nicest_baseline_scores(model, data, *name, 11, 1, group), NICEST_OK);
        double sum = 0;
        for (size_t i = 0; i < 11; i++)
            sum += single[i] / 11;
        assert_true(fabs(group[0] - sum) < 1e-9 && group[10] == group[0]);
    }
    assert_int_equal(nicest_baseline_scores(model, data, "mean", 12, 1, group), NICEST_E_DATA);
    nicest_data_free(data);
    nicest_model_free(model);
}

/* A missing value has no score; a value beyond float has the lowest, and the lowest p. */
static void missing_and_far_values(void **state)
{
    (void)state;
    double rows[3 * D] = {0}, scores[3], p[3];
    nicest_model *model = table_model();
    nicest_data *data = NULL;
    calibrate(model, 300, 99, 0);
    rows[1] = NAN;
    rows[D + 2] = 1e300;
    assert_int_equal(nicest_data_new(&data, rows, 3, D, NULL), NICEST_OK);
    for (const char *const *name = nicest_score_names(); *name; name++) {
        if (!strcmp(*name, "complexity"))
            continue;
        score(model, data, *name, scores);
        assert_true(isnan(scores[0]));
        assert_true(scores[1] == -HUGE_VAL);
        assert_true(isfinite(scores[2]));
        assert_int_equal(nicest_conformal(model, *name, scores, 3, p), NICEST_OK);
        assert_true(isnan(p[0]));
        assert_true(p[1] == 0.01 && p[2] >= 0.01);
    }
    for (const char *const *name = nicest_baseline_names(); *name; name++) {
        if (!strcmp(*name, "compressed"))
            continue;
        assert_int_equal(nicest_baseline_scores(model, data, *name, 1, 0, scores), NICEST_OK);
        assert_true(isnan(scores[0]) && scores[1] < scores[2] - 1000);
    }
    nicest_data_free(data);
    nicest_model_free(model);
}

/* Rows with missing values are left out of calibration and fits; a constant column is no trouble.
 */
static void awkward_rows_calibrate(void **state)
{
    (void)state;
    enum { ROWS = 100 };
    double rows[ROWS * D], threshold;
    size_t used;
    nicest_model *model = table_model();
    nicest_data *data = NULL, *nothing = NULL;
    random_normal((random_stream){1, RANDOM_USER, 3}, 0, rows, ROWS * D);
    for (size_t i = 0; i < ROWS; i++) {
        rows[i * D + 1] = 3;
        if (i % 5 == 0)
            rows[i * D] = NAN;
    }
    assert_int_equal(nicest_data_new(&data, rows, ROWS, D, NULL), NICEST_OK);
    assert_int_equal(nicest_calibrate(model, data, data, 1, 1, NULL, NULL), NICEST_OK);
    assert_int_equal(nicest_threshold(model, "combined", 0.05, &threshold, &used), NICEST_OK);
    assert_int_equal(used, 79); /* of 80 whole rows: 5 % of 79 + 1 is whole */
    for (size_t i = 0; i < ROWS; i++)
        rows[i * D] = NAN;
    assert_int_equal(nicest_data_new(&nothing, rows, ROWS, D, NULL), NICEST_OK);
    assert_int_equal(nicest_calibrate(model, NULL, nothing, 1, 1, NULL, NULL), NICEST_E_DATA);
    assert_true(nicest_calibrated(model)); /* the old one stands */
    assert_int_equal(nicest_calibrate(model, nothing, data, 1, 1, NULL, NULL), NICEST_E_DATA);
    assert_false(nicest_calibrated(model)); /* and half a new one does not */
    nicest_data_free(data);
    nicest_data_free(nothing);
    nicest_model_free(model);
}

/* ------------------------------------------------------------------ files and hostility */

static void calibration_travels_with_the_model(void **state)
{
    (void)state;
    enum { ROWS = 50 };
    char path[512];
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/outlier-%ld.safetensors", folder ? folder : "/tmp",
             (long)getpid());
    double before[ROWS], after[ROWS], p[ROWS], q[ROWS];
    nicest_model *model = picture_model(), *loaded = NULL;
    calibrate(model, 300, 120, 0);
    nicest_data *data = samples(model, ROWS, 9000);
    assert_int_equal(nicest_model_save(model, path), NICEST_OK);
    assert_int_equal(nicest_model_load(&loaded, path), NICEST_OK);
    remove(path);
    assert_non_null(strstr(nicest_model_entry(loaded, MODEL_CALIBRATION), "\"split\""));
    for (const char *const *name = nicest_score_names(); *name; name++) {
        score(model, data, *name, before);
        score(loaded, data, *name, after);
        assert_memory_equal(before, after, sizeof before);
        assert_int_equal(nicest_conformal(model, *name, before, ROWS, p), NICEST_OK);
        assert_int_equal(nicest_conformal(loaded, *name, before, ROWS, q), NICEST_OK);
        assert_memory_equal(p, q, sizeof p);
    }
    for (const char *const *name = nicest_baseline_names(); *name; name++) {
        assert_int_equal(nicest_baseline_scores(model, data, *name, 1, 0, before), NICEST_OK);
        assert_int_equal(nicest_baseline_scores(loaded, data, *name, 1, 0, after), NICEST_OK);
        assert_memory_equal(before, after, sizeof before);
    }
    nicest_data_free(data);
    nicest_model_free(model);
    nicest_model_free(loaded);
}

/* Every question about 20 rows; any answer will do. */
static void ask_everything(const nicest_model *model, const nicest_data *data)
{
    double scores[20], p[20], threshold;
    for (const char *const *name = nicest_score_names(); *name; name++) {
        nicest_outlier_scores(model, data, *name, 0, 1, 1, NULL, NULL, scores);
        nicest_conformal(model, *name, scores, 20, p);
        nicest_threshold(model, *name, 0.1, &threshold, NULL);
    }
    for (const char *const *name = nicest_baseline_names(); *name; name++)
        nicest_baseline_scores(model, data, *name, 1, 0, scores);
}

/* Arrays of the wrong size or with wild numbers, as a hostile file may bring: a status or a number,
 * never a crash. */
static void wild_arrays_are_survived(void **state)
{
    (void)state;
    static const char *const names[] = {
        "calibration.logp",    "calibration.combined", "calibration.typical", "statistics.gradient",
        "statistics.combined", "statistics.latent",    "baseline.columns",    "baseline.gaussian",
        "baseline.mean",       "baseline.compressed"};
    const double wild[] = {NAN, HUGE_VAL, -HUGE_VAL, 0, -1, 1e18, 1e308, 4.5};
    nicest_model *model = picture_model();
    nicest_data *data = samples(model, 20, 1);
    double *kept = memory_new(5000, sizeof *kept), *values = memory_new(5000, sizeof *values);
    calibrate(model, 40, 20, 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t count = 0;
        const double *stored = model_array(model, names[i], &count);
        assert_true(stored && count < 5000);
        memcpy(kept, stored, count * sizeof *kept);
        for (size_t k = 0; k < 64; k++) {
            memcpy(values, kept, count * sizeof *values);
            values[k / 8 * 31 % count] = wild[k % 8];
            assert_int_equal(
                model_set_array(model, names[i], values, k % 3 ? count : count / 2 + 1), NICEST_OK);
            ask_everything(model, data);
        }
        assert_int_equal(model_set_array(model, names[i], kept, count), NICEST_OK);
    }
    memory_free(kept);
    memory_free(values);
    nicest_data_free(data);
    nicest_model_free(model);
}

/* Every allocation of a calibration may fail: no leak, and all of a calibration or none. */
static void memory_may_run_out(void **state)
{
    (void)state;
    nicest_model *model = table_model();
    nicest_data *train = samples(model, 60, 0), *held_out = samples(model, 30, 60);
    nicest_status status = NICEST_E_MEMORY;
    for (size_t call = 1; status != NICEST_OK; call++) {
        size_t live = memory_live();
        memory_fail_at(call);
        status = nicest_calibrate(model, train, held_out, 1, 1, NULL, NULL);
        memory_fail_at(0);
        if (status == NICEST_OK)
            break;
        assert_int_equal(status, NICEST_E_MEMORY);
        assert_false(nicest_calibrated(model));
        assert_int_equal(memory_live(), live);
    }
    assert_true(nicest_calibrated(model));
    nicest_data_free(train);
    nicest_data_free(held_out);
    nicest_model_free(model);
}

/* ------------------------------------------------------------------ cross-conformal */

typedef struct lesson {
    size_t calls, rows;
    nicest_status status;
} lesson;

/* A learner that has nothing to learn: the same model each time. */
static nicest_status learn_nothing(void *context, const nicest_data *rows, nicest_model **model)
{
    lesson *l = context;
    l->calls++;
    l->rows += nicest_data_rows(rows);
    if (l->status == NICEST_OK)
        *model = table_model();
    return l->status;
}

static void cross_calibration_uses_every_row(void **state)
{
    (void)state;
    enum { ROWS = 62, FOLDS = 5, FRESH = 300 };
    double scores[FRESH], sum = 0, square = 0, threshold;
    size_t used;
    nicest_model *model = table_model();
    for (uint64_t i = 0; i < CALIBRATIONS; i++) {
        lesson l = {0};
        double flagged = 0;
        nicest_data *rows = samples(model, ROWS, i * 1000);
        nicest_data *fresh = samples(model, FRESH, i * 1000 + 500);
        assert_int_equal(outlier_cross_calibrate(model, rows, FOLDS, learn_nothing, &l, true, i, 1),
                         NICEST_OK);
        assert_int_equal(l.calls, FOLDS);
        assert_int_equal(l.rows, (FOLDS - 1) * ROWS);
        assert_int_equal(nicest_threshold(model, "logp", 0.05, &threshold, &used), NICEST_OK);
        assert_int_equal(used, 59);
        score(model, fresh, "logp", scores);
        for (size_t r = 0; r < FRESH; r++)
            flagged += (scores[r] < threshold) / (double)FRESH;
        sum += flagged / CALIBRATIONS;
        square += flagged * flagged / CALIBRATIONS;
        nicest_data_free(rows);
        nicest_data_free(fresh);
    }
    assert_true(fabs(sum - 0.05) <= 3.5 * sqrt((square - sum * sum) / CALIBRATIONS));
    assert_non_null(strstr(nicest_model_entry(model, MODEL_CALIBRATION), "\"cross\""));
    nicest_model_free(model);
}

static void cross_calibration_passes_failures_on(void **state)
{
    (void)state;
    nicest_model *model = table_model();
    nicest_data *rows = samples(model, 40, 0), *few = samples(model, 3, 0);
    lesson l = {.status = NICEST_E_DIVERGED};
    assert_int_equal(outlier_cross_calibrate(model, rows, 4, learn_nothing, &l, true, 1, 1),
                     NICEST_E_DIVERGED);
    assert_int_equal(l.calls, 1);
    assert_false(nicest_calibrated(model));
    assert_int_equal(outlier_cross_calibrate(model, few, 4, learn_nothing, &l, true, 1, 1),
                     NICEST_E_DATA);
    nicest_data_free(rows);
    nicest_data_free(few);
    nicest_model_free(model);
}

/* nicest_train calibrates on what it holds out, or in folds where that is too little for 5 %. */
static void training_calibrates(void **state)
{
    (void)state;
    static const struct {
        size_t rows, used;
        const char *method;
    } cases[] = {{60, 59, "\"cross\""}, {300, 19, "\"split\""}, {12, 0, "\"split\""}};
    nicest_model *source = table_model();
    for (size_t i = 0; i < 3; i++) {
        nicest_model *model = NULL;
        nicest_data *rows = samples(source, cases[i].rows, 0);
        nicest_train_options options;
        nicest_train_result result;
        double threshold;
        size_t used;
        nicest_train_defaults(&options);
        options.epochs = 2;
        options.hidden = "4";
        options.threads = 1;
        if (nicest_train(&model, rows, NULL, &options, &result) != NICEST_OK)
            fail_msg("%zu rows: %s", cases[i].rows, nicest_error());
        assert_non_null(strstr(nicest_model_entry(model, MODEL_CALIBRATION), cases[i].method));
        assert_int_equal(nicest_threshold(model, "combined", 0.05, &threshold, &used), NICEST_OK);
        assert_true(used >= cases[i].used);
        assert_int_equal(strstr(result.chosen, "cross-conformal") != NULL, cases[i].rows == 60);
        nicest_data_free(rows);
        nicest_model_free(model);
    }
    nicest_model_free(source);
}

/* Stops in the first of the models that only calibrate: there the step begins anew. */
static int stop_in_a_fold(void *context, const nicest_progress *progress)
{
    size_t *last = context;
    if (progress->step < *last)
        return 1;
    *last = progress->step;
    return 0;
}

static void an_interrupted_calibration_keeps_the_model(void **state)
{
    (void)state;
    nicest_model *source = table_model(), *model = NULL;
    nicest_data *rows = samples(source, 60, 0);
    nicest_train_options options;
    nicest_train_result result;
    size_t last = 0;
    nicest_train_defaults(&options);
    options.epochs = 50;
    options.hidden = "4";
    options.threads = 1;
    options.progress = stop_in_a_fold;
    options.context = &last;
    assert_int_equal(nicest_train(&model, rows, NULL, &options, &result), NICEST_OK);
    assert_true(last > 0);
    assert_true(result.interrupted);
    assert_true(result.steps >= last); /* the model itself is whole */
    assert_non_null(strstr(nicest_model_entry(model, MODEL_CALIBRATION), "\"split\""));
    nicest_model_free(model);
    nicest_model_free(source);
    nicest_data_free(rows);
}

/* Fills go by the Gaussian of the training rows: it is no part of calibration. */
static void without_calibration_there_is_a_gaussian(void **state)
{
    (void)state;
    nicest_model *source = table_model(), *model = NULL;
    nicest_data *rows = samples(source, 60, 0);
    nicest_train_options options;
    nicest_train_defaults(&options);
    options.epochs = 1;
    options.hidden = "4";
    options.calibration_share = 0;
    assert_int_equal(nicest_train(&model, rows, NULL, &options, NULL), NICEST_OK);
    assert_false(nicest_calibrated(model));
    assert_non_null(model_gaussian_columns(model));
    assert_non_null(model_gaussian_factor(model));
    nicest_model_free(model);
    nicest_model_free(source);
    nicest_data_free(rows);
}

/* ------------------------------------------------------------------ combined */

/* -log of the share of sorted[n] that is x or more; behind nine tenths exponential. */
static double expected_surprisal(const double *sorted, size_t n, double x)
{
    size_t bend = n * 9 / 10, beyond = 0;
    double excess = 0;
    for (size_t i = bend; i < n; i++)
        excess += (sorted[i] - sorted[bend]) / (double)(n - bend);
    excess = fmax(excess, (sorted[bend] - sorted[n / 2]) / 8);
    if (x > sorted[bend])
        return log(10) + (x - sorted[bend]) / excess;
    for (size_t i = 0; i < n; i++)
        beyond += sorted[i] >= x;
    return fmin(log((double)n / (double)beyond), log(10));
}

static void combined_is_the_mean_surprisal(void **state)
{
    (void)state;
    enum { N = 20, SIDES = 5 };
    nicest_model *model = picture_model();
    nicest_data *data = samples(model, N, 1);
    double scores[SIDES][N], combined[N];
    size_t count = 0;
    calibrate(model, 600, 100, 50);
    const double *ranks = model_array(model, "statistics.combined", &count);
    assert_true(ranks && ranks[0] == SIDES && ranks[1] == 200 && count == 2 + SIDES * 200);
    static const char *const names[] = {"logp", "logp", "complexity", "gradient", "latent"};
    for (size_t k = 0; k < SIDES; k++)
        score(model, data, names[k], scores[k]);
    score(model, data, "combined", combined);
    for (size_t i = 0; i < N; i++) {
        double side[SIDES];
        for (size_t k = 0; k < SIDES; k++)
            side[k] =
                expected_surprisal(ranks + 2 + k * 200, 200, k == 1 ? scores[k][i] : -scores[k][i]);
        double sum = fmax(side[0], side[1]) - log(2) + side[2] + side[3] + side[4];
        assert_true(fabs(combined[i] + sum / 4) < 1e-9 * fmax(1, sum));
    }
    nicest_data_free(data);
    nicest_model_free(model);
}

/* A file of an earlier version has a density of all numbers. */
static void an_older_combined_is_read(void **state)
{
    (void)state;
    enum { N = 20 };
    nicest_model *model = picture_model();
    nicest_data *data = samples(model, N, 1), *usual = samples(model, 200, 50);
    size_t width = statistics_of(model).all.count, count = 0;
    double *of = memory_new(200, width * sizeof *of), *family = NULL, expected[N], combined[N];
    assert_int_equal(statistics_measure(model, usual, 3, 1, NULL, of), NICEST_OK);
    assert_int_equal(family_fit(of, 200, width, 1, 1, &family, &count), NICEST_OK);
    assert_int_equal(model_set_array(model, "statistics.combined", family, count), NICEST_OK);
    assert_int_equal(statistics_measure(model, data, 9, 1, NULL, of), NICEST_OK);
    assert_int_equal(family_log_density(family, of, width, N, 1, expected), NICEST_OK);
    score(model, data, "combined", combined);
    assert_memory_equal(combined, expected, sizeof expected);
    memory_free(family);
    memory_free(of);
    nicest_data_free(usual);
    nicest_data_free(data);
    nicest_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_calibration_there_is_a_gaussian),
        cmocka_unit_test(an_interrupted_calibration_keeps_the_model),
        cmocka_unit_test(an_uncalibrated_model_says_so),
        cmocka_unit_test(bad_arguments_are_refused),
        cmocka_unit_test(tables_keep_the_promise),
        cmocka_unit_test(pictures_keep_the_promise),
        cmocka_unit_test(p_and_threshold_agree),
        cmocka_unit_test(without_holes_there_is_one_bin),
        cmocka_unit_test(few_rows_promise_what_they_can),
        cmocka_unit_test(scores_find_what_they_are_for),
        cmocka_unit_test(complexity_is_the_difference_of_lengths),
        cmocka_unit_test(order_and_threads_do_not_matter),
        cmocka_unit_test(groups_share_a_score),
        cmocka_unit_test(missing_and_far_values),
        cmocka_unit_test(awkward_rows_calibrate),
        cmocka_unit_test(calibration_travels_with_the_model),
        cmocka_unit_test(wild_arrays_are_survived),
        cmocka_unit_test(memory_may_run_out),
        cmocka_unit_test(cross_calibration_uses_every_row),
        cmocka_unit_test(cross_calibration_passes_failures_on),
        cmocka_unit_test(training_calibrates),
        cmocka_unit_test(combined_is_the_mean_surprisal),
        cmocka_unit_test(an_older_combined_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
