/* test_apply_inpaint.c - inpainting, by its properties: observed values stay, the truth
 * under the mask is never looked at, and for a Gaussian model the fills are what the formulas say.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/gaussian.h"
#include "base/memory.h"
#include "base/random.h"
#include "model/model.h"
#include "nicest.h"

enum { D = 4, ROWS = 70, SIDE = 4, PIXELS = SIDE * SIDE };

/* Linear couplings and a normal prior: h = A x + b, so every conditional is Gaussian. */
static nicest_model *gaussian_model(void)
{
    flow *f = NULL;
    nicest_model *model = NULL;
    assert_int_equal(flow_new(&f,
                              "nicest 1\ncolumns 4\ncoupling move=second hidden=none\n"
                              "coupling move=first hidden=none\nscale\nprior normal\n",
                              0),
                     NICEST_OK);
    random_stream stream = {.seed = 5, .purpose = RANDOM_USER};
    random_uniform(stream, 0, f->theta, f->tensors.trainable);
    for (size_t i = 0; i < f->tensors.trainable; i++)
        f->theta[i] = 1.4f * f->theta[i] - 0.7f;
    assert_int_equal(model_new(&model, f), NICEST_OK);
    return model;
}

/* Dark pictures: half of the pixels have the lowest two levels. */
static void fetch_dark(const void *context, size_t first, size_t count, double *stored)
{
    (void)context;
    for (size_t i = 0; i < count; i++, stored += PIXELS) {
        random_uniform_double((random_stream){.seed = 8, .purpose = RANDOM_USER}, first + i, stored,
                              PIXELS);
        for (size_t j = 0; j < PIXELS; j++)
            stored[j] = floor(8 * stored[j] * stored[j]);
    }
}

static bool behind_marginal; /* what picture_model has */

/* 4 x 4 pictures of 8 levels, nonlinear. */
static nicest_model *picture_model(void)
{
    flow *f = NULL;
    nicest_model *model = NULL;
    char spec[256];
    snprintf(spec, sizeof spec,
             "nicest 1\ncolumns 16\n%spermute odd-even\ncoupling move=second hidden=24\n"
             "coupling move=first hidden=24\nscale\nprior %s\n",
             behind_marginal ? "marginal\n" : "", behind_marginal ? "normal" : "logistic");
    assert_int_equal(flow_new(&f, spec, 0), NICEST_OK);
    random_stream stream = {.seed = 6, .purpose = RANDOM_USER};
    random_uniform(stream, 0, f->theta, f->tensors.trainable);
    for (size_t i = 0; i < f->tensors.trainable; i++)
        f->theta[i] = 0.8f * f->theta[i] - 0.4f;
    double mean[PIXELS], deviation[PIXELS], packed[PIXELS * (PIXELS + 1) / 2];
    for (size_t j = 0, at = 0; j < PIXELS; j++) {
        for (size_t i = j; i < PIXELS; i++)
            packed[at++] = pow(0.6, (double)(i - j));
        f->entry.column[j] = (entry_column){.step = 1, .levels = 8, .unit = 0.125, .centre = 0.4};
        mean[j] = 0.4;
        deviation[j] = 0.25;
    }
    assert_int_equal(entry_set(&f->entry), NICEST_OK);
    if (behind_marginal) {
        flow_rows rows = {.fetch = fetch_dark, .count = 400};
        real *theta = memory_new(f->tensors.trainable, sizeof *theta);
        memcpy(theta, f->theta, f->tensors.trainable * sizeof *theta);
        assert_int_equal(flow_init(f, &rows, 1, 1), NICEST_OK);
        memcpy(f->theta, theta, f->tensors.trainable * sizeof *theta);
        memory_free(theta);
    }
    assert_int_equal(model_new(&model, f), NICEST_OK);
    assert_int_equal(model_set_schema(model, NULL, SIDE, SIDE, 1, "uint8"), NICEST_OK);
    assert_int_equal(model_set_array(model, "columns.mean", mean, PIXELS), NICEST_OK);
    assert_int_equal(model_set_array(model, "columns.deviation", deviation, PIXELS), NICEST_OK);
    gaussian_factor(packed, PIXELS, 1e-9);
    assert_int_equal(model_set_array(model, "baseline.gaussian", packed, PIXELS * (PIXELS + 1) / 2),
                     NICEST_OK);
    return model;
}

static void draw_pictures(double *stored, size_t n)
{
    random_stream stream = {.seed = 7, .purpose = RANDOM_USER};
    for (size_t i = 0; i < n; i++) {
        random_uniform_double(stream, i, stored + i * PIXELS, PIXELS);
        for (size_t j = 0; j < PIXELS; j++)
            stored[i * PIXELS + j] = floor(8 * stored[i * PIXELS + j]);
    }
}

static nicest_inpaint_options chosen(const char *recipe, const char *method, size_t steps,
                                     size_t samples)
{
    nicest_inpaint_options o;
    nicest_inpaint_defaults(&o);
    o.recipe = recipe;
    o.method = method;
    o.steps = steps;
    o.samples = samples;
    o.threads = 2;
    return o;
}

static const struct way {
    const char *recipe, *method;
    size_t steps, samples;
} ways[] = {{"default", "map", 0, 1},
            {"default", "langevin", 20, 3},
            {"default", "mean", 20, 1},
            {"paper", "map", 30, 2},
            {"released", "map", 30, 1}};
enum { WAYS = sizeof ways / sizeof ways[0] };

static nicest_inpaint_options way_options(size_t way)
{
    return chosen(ways[way].recipe, ways[way].method, ways[way].steps, ways[way].samples);
}

/* ------------------------------------------------------------------ the Gaussian case */

/* Solves m y = r for a small dense matrix, in place. */
static void solve(double m[D][D], double *r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++) {
            double factor = m[k][i] / m[i][i];
            for (size_t j = 0; k != i && j < n; j++)
                m[k][j] -= factor * m[i][j];
            r[k] -= k != i ? factor * r[i] : 0;
        }
    for (size_t i = 0; i < n; i++)
        r[i] /= m[i][i];
}

/* Precision P of x and its mean, from forward alone: h = A x + b. */
static void gaussian_of(const nicest_model *model, double precision[D][D], double *mean)
{
    double rows[(D + 1) * D] = {0}, h[(D + 1) * D];
    nicest_workspace *w = NULL;
    for (size_t j = 0; j < D; j++)
        rows[(j + 1) * D + j] = 1;
    assert_int_equal(nicest_workspace_new(&w, model, D + 1, 1), NICEST_OK);
    assert_int_equal(nicest_forward(w, rows, D + 1, h, NULL), NICEST_OK);
    nicest_workspace_free(w);
    double copy[D][D];
    for (size_t i = 0; i < D; i++) {
        mean[i] = 0;
        for (size_t j = 0; j < D; j++) {
            precision[i][j] = 0;
            for (size_t k = 0; k < D; k++)
                precision[i][j] += (h[(i + 1) * D + k] - h[k]) * (h[(j + 1) * D + k] - h[k]);
            copy[i][j] = precision[i][j];
        }
        for (size_t k = 0; k < D; k++)
            mean[i] -= (h[(i + 1) * D + k] - h[k]) * h[k];
    }
    solve(copy, mean, D);
}

/* Mean of the first two columns given the last two, and their variances. */
static void conditional(const nicest_model *model, const double *row, double *mean,
                        double *variance)
{
    double p[D][D], m[D];
    gaussian_of(model, p, m);
    double determinant = p[0][0] * p[1][1] - p[0][1] * p[1][0], r[2];
    for (size_t i = 0; i < 2; i++)
        r[i] = -(p[i][2] * (row[2] - m[2]) + p[i][3] * (row[3] - m[3]));
    mean[0] = m[0] + (p[1][1] * r[0] - p[0][1] * r[1]) / determinant;
    mean[1] = m[1] + (p[0][0] * r[1] - p[1][0] * r[0]) / determinant;
    variance[0] = p[1][1] / determinant;
    variance[1] = p[0][0] / determinant;
}

static const double gaussian_row[D] = {3, -2, 0.8, -1.1};
static const unsigned char first_two[D] = {1, 1, 0, 0};

static void the_ascent_ends_at_the_conditional_mean(void **state)
{
    (void)state;
    nicest_model *model = gaussian_model();
    double mean[2], variance[2], filled[D];
    nicest_inpaint_result result;
    conditional(model, gaussian_row, mean, variance);
    nicest_inpaint_options o = chosen("default", "map", 0, 1);
    assert_int_equal(nicest_inpaint(model, gaussian_row, 1, first_two, &o, filled, NULL, &result),
                     NICEST_OK);
    for (size_t j = 0; j < 2; j++)
        assert_true(fabs(filled[j] - mean[j]) < 0.05 * sqrt(variance[j]));
    assert_true(result.logp_after > result.logp_before);
    assert_true(isnan(result.psnr) && isfinite(result.rmse));
    assert_true(result.steps > 1 && result.steps < 200);
    nicest_model_free(model);
}

static void langevin_samples_the_conditional(void **state)
{
    (void)state;
    enum { SAMPLES = 600 };
    static double filled[SAMPLES * D];
    nicest_model *model = gaussian_model();
    double mean[2], variance[2], spread[D];
    conditional(model, gaussian_row, mean, variance);
    nicest_inpaint_options o = chosen("default", "langevin", 120, SAMPLES);
    assert_int_equal(nicest_inpaint(model, gaussian_row, 1, first_two, &o, filled, spread, NULL),
                     NICEST_OK);
    for (size_t j = 0; j < 2; j++) {
        double sum = 0, square = 0;
        for (size_t k = 0; k < SAMPLES; k++)
            sum += filled[k * D + j] / SAMPLES;
        for (size_t k = 0; k < SAMPLES; k++)
            square += pow(filled[k * D + j] - sum, 2) / SAMPLES;
        assert_true(fabs(sum - mean[j]) < 4 * sqrt(variance[j] / SAMPLES));
        assert_true(fabs(square / variance[j] - 1) < 4 * sqrt(2.0 / SAMPLES));
        assert_true(fabs(spread[j] - sqrt(square)) < 1e-9);
    }
    assert_true(spread[2] == 0 && spread[3] == 0);
    nicest_model_free(model);
}

/* Tells the model its own mean and covariance, as calibration does with those of the rows. */
static void give_covariance(nicest_model *model)
{
    double p[D][D], m[D], deviation[D], packed[D * (D + 1) / 2], inverse[D][D];
    gaussian_of(model, p, m);
    for (size_t j = 0; j < D; j++) {
        double copy[D][D], unit[D] = {0};
        unit[j] = 1;
        memcpy(copy, p, sizeof copy);
        solve(copy, unit, D);
        for (size_t i = 0; i < D; i++)
            inverse[i][j] = unit[i];
        deviation[j] = sqrt(unit[j]);
    }
    for (size_t j = 0, at = 0; j < D; j++)
        for (size_t i = j; i < D; i++)
            packed[at++] = inverse[i][j] / deviation[i] / deviation[j];
    gaussian_factor(packed, D, 1e-9);
    assert_int_equal(model_set_array(model, "columns.mean", m, D), NICEST_OK);
    assert_int_equal(model_set_array(model, "columns.deviation", deviation, D), NICEST_OK);
    assert_int_equal(model_set_array(model, "baseline.gaussian", packed, D * (D + 1) / 2),
                     NICEST_OK);
}

/* Of a Gaussian model nothing is then left to climb. */
static void the_covariance_of_the_rows_is_where_a_fill_starts(void **state)
{
    (void)state;
    nicest_model *model = gaussian_model();
    double mean[2], variance[2], filled[D];
    give_covariance(model);
    conditional(model, gaussian_row, mean, variance);
    nicest_inpaint_options o = chosen("default", "map", 1, 1);
    assert_int_equal(nicest_inpaint(model, gaussian_row, 1, first_two, &o, filled, NULL, NULL),
                     NICEST_OK);
    for (size_t j = 0; j < 2; j++)
        assert_true(fabs(filled[j] - mean[j]) < 1e-4 * sqrt(variance[j]));
    nicest_model_free(model);
}

/* With and without a covariance: it may change the way, and not where that leads. */
static void the_mean_is_the_conditional_mean(void **state)
{
    (void)state;
    enum { SAME = 400 };
    static double rows[SAME * D], filled[SAME * D];
    static unsigned char hidden[SAME * D];
    for (int known = 0; known < 2; known++) {
        nicest_model *model = gaussian_model();
        double mean[2], variance[2], sum[2] = {0}, square[2] = {0};
        if (known)
            give_covariance(model);
        conditional(model, gaussian_row, mean, variance);
        for (size_t i = 0; i < SAME; i++) {
            memcpy(rows + i * D, gaussian_row, sizeof gaussian_row);
            memcpy(hidden + i * D, first_two, sizeof first_two);
        }
        nicest_inpaint_options o = chosen("default", "mean", 60, 1);
        assert_int_equal(nicest_inpaint(model, rows, SAME, hidden, &o, filled, NULL, NULL),
                         NICEST_OK);
        for (size_t i = 0; i < SAME; i++)
            for (size_t j = 0; j < 2; j++) {
                sum[j] += (filled[i * D + j] - mean[j]) / SAME;
                square[j] += pow(filled[i * D + j] - mean[j], 2) / SAME;
            }
        for (size_t j = 0; j < 2; j++) {
            assert_true(fabs(sum[j]) < 0.05 * sqrt(variance[j])); /* 400 x 16 chains: 0.0125 */
            assert_true(square[j] < variance[j] / 16); /* 16 end points alone would reach that */
        }
        nicest_model_free(model);
    }
}

/* Half of the draws that chains would start at have density zero: those start at the mean. */
static void a_chain_finds_the_density(void **state)
{
    (void)state;
    enum { SAMPLES = 40 };
    flow *f = NULL;
    nicest_model *model = NULL;
    assert_int_equal(flow_new(&f, "nicest 1\ncolumns 2\nlogit\nscale\nprior logistic\n", 0),
                     NICEST_OK);
    assert_int_equal(model_new(&model, f), NICEST_OK);
    static const double mean[] = {0.5, 0.5}, deviation[] = {1, 1}, row[] = {NAN, 0.3};
    static const unsigned char hidden[] = {1, 0};
    double filled[2 * SAMPLES];
    model_set_array(model, "columns.mean", mean, 2);
    model_set_array(model, "columns.deviation", deviation, 2);
    nicest_inpaint_options o = chosen("default", "langevin", 60, SAMPLES);
    assert_int_equal(nicest_inpaint(model, row, 1, hidden, &o, filled, NULL, NULL), NICEST_OK);
    for (size_t k = 0; k < SAMPLES; k++)
        assert_true(filled[2 * k] > 0 && filled[2 * k] < 1);
    nicest_model_free(model);
}

/* Numbers of a file may be anything. */
static void an_absurd_covariance_breaks_nothing(void **state)
{
    (void)state;
    static const double wrong[] = {NAN, 1e300, 0, -1};
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++)
        for (size_t way = 0; way < WAYS; way++) {
            nicest_model *model = gaussian_model();
            double packed[D * (D + 1) / 2], filled[3 * D];
            for (size_t i = 0; i < D * (D + 1) / 2; i++)
                packed[i] = wrong[k];
            give_covariance(model);
            model_set_array(model, "baseline.gaussian", packed, D * (D + 1) / 2);
            nicest_inpaint_options o = way_options(way);
            assert_int_equal(
                nicest_inpaint(model, gaussian_row, 1, first_two, &o, filled, NULL, NULL),
                NICEST_OK);
            assert_true(isfinite(filled[0]) && isfinite(filled[1]));
            nicest_model_free(model);
        }
}

/* ------------------------------------------------------------------ what every way has in common
 */

static void every_named_mask_hides_a_part(void **state)
{
    (void)state;
    const double stored[64] = {NAN};
    unsigned char hidden[64];
    for (const char *const *name = nicest_mask_names(); *name; name++) {
        char text[40];
        size_t count = 0;
        snprintf(text, sizeof text, "%s%s", *name, strchr(*name, ':') ? "0.5" : "");
        assert_int_equal(nicest_mask(text, stored, 1, 64, 8, 8, 1, 1, hidden), NICEST_OK);
        for (size_t j = 0; j < 64; j++)
            count += hidden[j];
        if (!strcmp(*name, "nan"))
            assert_int_equal(count, 1);
        else if (strchr(*name, ':'))
            assert_in_range(count, 16, 48);
        else
            assert_in_range(count, 32, 33); /* half, and what is missing */
    }
}

static void observed_values_are_copied_to_the_bit(void **state)
{
    (void)state;
    nicest_model *model = picture_model();
    double stored[ROWS * PIXELS], filled[3 * ROWS * PIXELS];
    unsigned char hidden[ROWS * PIXELS];
    draw_pictures(stored, ROWS);
    stored[1] = 2.5; /* between two levels, as no model would write it */
    stored[3] = 100; /* beyond them */
    assert_int_equal(nicest_mask("even", stored, ROWS, PIXELS, SIDE, SIDE, 1, 1, hidden),
                     NICEST_OK);
    for (size_t way = 0; way < WAYS; way++) {
        nicest_inpaint_options o = way_options(way);
        nicest_inpaint_result result;
        assert_int_equal(nicest_inpaint(model, stored, ROWS, hidden, &o, filled, NULL, &result),
                         NICEST_OK);
        for (size_t i = 0; i < o.samples * ROWS * PIXELS; i++) {
            size_t at = i % (ROWS * PIXELS);
            if (!hidden[at])
                assert_memory_equal(&filled[i], &stored[at], sizeof filled[i]);
            else
                assert_true(filled[i] >= 0 && filled[i] <= 7 && filled[i] == floor(filled[i]));
        }
        assert_int_equal(result.rows, ROWS);
        assert_int_equal(result.hidden, ROWS * PIXELS / 2);
        assert_true(isfinite(result.logp_after) && isfinite(result.psnr));
    }
    nicest_model_free(model);
}

static void the_truth_under_the_mask_is_not_used(void **state)
{
    (void)state;
    nicest_model *model = picture_model();
    double stored[ROWS * PIXELS], first[3 * ROWS * PIXELS], second[3 * ROWS * PIXELS];
    unsigned char hidden[ROWS * PIXELS];
    for (size_t way = 0; way < WAYS; way++) {
        nicest_inpaint_options o = way_options(way);
        nicest_inpaint_result result;
        draw_pictures(stored, ROWS);
        nicest_mask("random:0.5", stored, ROWS, PIXELS, SIDE, SIDE, 1, 1, hidden);
        assert_int_equal(nicest_inpaint(model, stored, ROWS, hidden, &o, first, NULL, NULL),
                         NICEST_OK);
        for (size_t i = 0; i < ROWS * PIXELS; i++)
            if (hidden[i])
                stored[i] = NAN;
        assert_int_equal(nicest_inpaint(model, stored, ROWS, hidden, &o, second, NULL, &result),
                         NICEST_OK);
        assert_memory_equal(first, second, o.samples * ROWS * PIXELS * sizeof *first);
        assert_true(isnan(result.psnr) && isnan(result.rmse) && isnan(result.psnr_mean_fill));
    }
    nicest_model_free(model);
}

static void tables_get_the_mean_and_pictures_the_likeliest(void **state)
{
    (void)state;
    static const char *const methods[] = {"mean", "map"};
    double stored[ROWS * PIXELS], first[ROWS * PIXELS], second[ROWS * PIXELS];
    unsigned char hidden[ROWS * PIXELS];
    draw_pictures(stored, ROWS);
    for (int picture = 0; picture < 2; picture++) {
        nicest_model *model = picture ? picture_model() : gaussian_model();
        size_t d = nicest_model_columns(model), n = 5;
        nicest_mask("random:0.5", stored, n, d, 0, 0, 0, 1, hidden);
        nicest_inpaint_options o = chosen(NULL, NULL, 6, 0);
        assert_int_equal(nicest_inpaint(model, stored, n, hidden, &o, first, NULL, NULL),
                         NICEST_OK);
        o.method = methods[picture];
        assert_int_equal(nicest_inpaint(model, stored, n, hidden, &o, second, NULL, NULL),
                         NICEST_OK);
        assert_memory_equal(first, second, n * d * sizeof *first);
        o.method = methods[!picture];
        assert_int_equal(nicest_inpaint(model, stored, n, hidden, &o, second, NULL, NULL),
                         NICEST_OK);
        assert_memory_not_equal(first, second, n * d * sizeof *first);
        nicest_model_free(model);
    }
}

static void threads_do_not_change_a_bit(void **state)
{
    (void)state;
    nicest_model *model = picture_model();
    double stored[ROWS * PIXELS], first[3 * ROWS * PIXELS], second[3 * ROWS * PIXELS];
    unsigned char hidden[ROWS * PIXELS];
    draw_pictures(stored, ROWS);
    nicest_mask("random:0.5", stored, ROWS, PIXELS, SIDE, SIDE, 1, 1, hidden);
    for (size_t way = 0; way < WAYS; way++)
        for (int threads = 2; threads <= 5; threads += 3) {
            nicest_inpaint_options o = way_options(way);
            o.threads = 1;
            assert_int_equal(nicest_inpaint(model, stored, ROWS, hidden, &o, first, NULL, NULL),
                             NICEST_OK);
            o.threads = threads;
            assert_int_equal(nicest_inpaint(model, stored, ROWS, hidden, &o, second, NULL, NULL),
                             NICEST_OK);
            assert_memory_equal(first, second, o.samples * ROWS * PIXELS * sizeof *first);
        }
    nicest_model_free(model);
}

static void a_row_does_not_know_its_neighbours(void **state)
{
    (void)state;
    enum { FEW = 16, MANY = 300 }; /* more than a batch */
    static double stored[MANY * PIXELS], all[MANY * PIXELS], some[FEW * PIXELS];
    static unsigned char hidden[MANY * PIXELS];
    nicest_model *model = picture_model();
    draw_pictures(stored, MANY);
    nicest_mask("random:0.5", stored, MANY, PIXELS, SIDE, SIDE, 1, 1, hidden);
    for (size_t i = 1; i < MANY; i += 3) /* some share a mask */
        memcpy(hidden + i * PIXELS, hidden + (i - 1) * PIXELS, PIXELS);
    for (size_t way = 0; way < WAYS; way++) {
        nicest_inpaint_options o = way_options(way);
        o.samples = 1;
        assert_int_equal(nicest_inpaint(model, stored, MANY, hidden, &o, all, NULL, NULL),
                         NICEST_OK);
        assert_int_equal(nicest_inpaint(model, stored, FEW, hidden, &o, some, NULL, NULL),
                         NICEST_OK);
        assert_memory_equal(all, some, sizeof some);
    }
    nicest_model_free(model);
}

static void the_seed_moves_what_is_random_and_nothing_else(void **state)
{
    (void)state;
    nicest_model *model = picture_model();
    double stored[ROWS * PIXELS], first[3 * ROWS * PIXELS], second[3 * ROWS * PIXELS];
    unsigned char hidden[ROWS * PIXELS];
    draw_pictures(stored, ROWS);
    nicest_mask("left", stored, ROWS, PIXELS, SIDE, SIDE, 1, 1, hidden);
    for (size_t way = 0; way < WAYS; way++) {
        nicest_inpaint_options o = way_options(way);
        size_t count = o.samples * ROWS * PIXELS;
        assert_int_equal(nicest_inpaint(model, stored, ROWS, hidden, &o, first, NULL, NULL),
                         NICEST_OK);
        o.seed++;
        assert_int_equal(nicest_inpaint(model, stored, ROWS, hidden, &o, second, NULL, NULL),
                         NICEST_OK);
        assert_int_equal(memcmp(first, second, count * sizeof *first) == 0, way == 0);
        if (o.samples > 1)
            assert_memory_not_equal(first, first + ROWS * PIXELS, ROWS * PIXELS * sizeof *first);
    }
    nicest_model_free(model);
}

static void figures_are_what_they_are_called(void **state)
{
    (void)state;
    nicest_model *model = picture_model();
    double stored[ROWS * PIXELS], filled[ROWS * PIXELS], squares[2] = {0}, count = 0;
    unsigned char hidden[ROWS * PIXELS];
    draw_pictures(stored, ROWS);
    nicest_mask("top", stored, ROWS, PIXELS, SIDE, SIDE, 1, 1, hidden);
    nicest_inpaint_options o = chosen(NULL, NULL, 0, 0);
    nicest_inpaint_result result;
    assert_int_equal(nicest_inpaint(model, stored, ROWS, hidden, &o, filled, NULL, &result),
                     NICEST_OK);
    for (size_t i = 0; i < ROWS * PIXELS; i++)
        if (hidden[i]) {
            squares[0] += pow(filled[i] - stored[i], 2);
            squares[1] += pow(3 - stored[i], 2); /* 0.4 lies in level 3 of 8 */
            count++;
        }
    assert_true(fabs(result.psnr - 10 * log10(49 * count / squares[0])) < 1e-9);
    assert_true(fabs(result.psnr_mean_fill - 10 * log10(49 * count / squares[1])) < 1e-9);
    assert_true(fabs(result.rmse - sqrt(squares[0] / count) * 0.125 / 0.25) < 1e-9);
    assert_true(result.logp_after > result.logp_before);
    assert_true(result.seconds >= 0);
    nicest_model_free(model);
}

static void nothing_hidden_is_nothing_done(void **state)
{
    (void)state;
    nicest_model *model = picture_model();
    double stored[ROWS * PIXELS], filled[3 * ROWS * PIXELS];
    unsigned char hidden[ROWS * PIXELS] = {0};
    draw_pictures(stored, ROWS);
    for (size_t way = 0; way < WAYS; way++) {
        nicest_inpaint_options o = way_options(way);
        nicest_inpaint_result result;
        assert_int_equal(nicest_inpaint(model, stored, ROWS, hidden, &o, filled, NULL, &result),
                         NICEST_OK);
        assert_memory_equal(filled, stored, sizeof stored);
        assert_true(fabs(result.logp_after - result.logp_before) < 1e-9);
        assert_int_equal(nicest_inpaint(model, stored, 0, hidden, &o, filled, NULL, NULL),
                         NICEST_OK);
    }
    nicest_model_free(model);
}

/* ------------------------------------------------------------------ frames, ticks, failures */

typedef struct witness {
    const double *stored;
    const unsigned char *hidden;
    double last[ROWS * PIXELS];
    size_t frames, last_step;
    double done;
    int ticks, stop_at;
} witness;

static void see_frame(void *context, size_t step, const double *rows)
{
    witness *seen = context;
    assert_int_equal(step % 5, 0);
    assert_true(step > seen->last_step);
    seen->last_step = step;
    seen->frames++;
    for (size_t i = 0; i < ROWS * PIXELS; i++)
        if (!seen->hidden[i])
            assert_true(rows[i] == seen->stored[i]);
    memcpy(seen->last, rows, sizeof seen->last);
}

static int see_tick(void *context, double done, double total)
{
    witness *seen = context;
    assert_true(done >= seen->done && done <= total);
    seen->done = done;
    return ++seen->ticks == seen->stop_at;
}

static void frames_show_the_way_to_the_result(void **state)
{
    (void)state;
    nicest_model *model = picture_model();
    double stored[ROWS * PIXELS], filled[3 * ROWS * PIXELS];
    unsigned char hidden[ROWS * PIXELS];
    draw_pictures(stored, ROWS);
    nicest_mask("left", stored, ROWS, PIXELS, SIDE, SIDE, 1, 1, hidden);
    for (size_t way = 1; way < WAYS; way++) {
        static witness seen;
        seen = (witness){.stored = stored, .hidden = hidden};
        nicest_inpaint_options o = way_options(way);
        o.frame = see_frame;
        o.frame_every = 5;
        o.tick = see_tick;
        o.context = &seen;
        assert_int_equal(nicest_inpaint(model, stored, ROWS, hidden, &o, filled, NULL, NULL),
                         NICEST_OK);
        assert_true(seen.frames >= o.steps / 5);
        if (strcmp(o.method, "mean") != 0)
            assert_memory_equal(seen.last, filled, sizeof seen.last); /* the first sample */
        assert_true(seen.ticks >= (int)o.steps);
    }
    nicest_model_free(model);
}

static void an_interruption_leaves_nothing_behind(void **state)
{
    (void)state;
    nicest_model *model = picture_model();
    double stored[ROWS * PIXELS], filled[3 * ROWS * PIXELS];
    unsigned char hidden[ROWS * PIXELS];
    draw_pictures(stored, ROWS);
    nicest_mask("left", stored, ROWS, PIXELS, SIDE, SIDE, 1, 1, hidden);
    for (size_t way = 0; way < WAYS; way++) {
        static witness seen;
        seen = (witness){.stop_at = 3};
        nicest_inpaint_options o = way_options(way);
        nicest_inpaint_result result = {.rows = 77};
        o.tick = see_tick;
        o.context = &seen;
        filled[0] = -1;
        size_t live = memory_live();
        assert_int_equal(nicest_inpaint(model, stored, ROWS, hidden, &o, filled, NULL, &result),
                         NICEST_E_INTERRUPTED);
        assert_int_equal(memory_live(), live);
        assert_true(filled[0] == -1 && result.rows == 77);
        assert_int_equal(seen.ticks, 3);
    }
    nicest_model_free(model);
}

static void memory_that_runs_out_is_a_status(void **state)
{
    (void)state;
    for (int known = 0; known < 2; known++) {
        nicest_model *model =
            gaussian_model(); /* has no column figures: samples are drawn for them */
        double filled[D];
        if (known)
            give_covariance(model);
        size_t live = memory_live();
        nicest_status status = NICEST_E_MEMORY;
        nicest_inpaint_options o = chosen("default", known ? "mean" : "langevin", 2, 1);
        for (size_t call = 1; call < 1000 && status != NICEST_OK; call++) {
            memory_fail_at(call);
            status = nicest_inpaint(model, gaussian_row, 1, first_two, &o, filled, NULL, NULL);
            memory_fail_at(0);
            assert_true(status == NICEST_OK || status == NICEST_E_MEMORY);
            assert_int_equal(memory_live(), live);
        }
        assert_int_equal(status, NICEST_OK);
        nicest_model_free(model);
    }
}

static void refuse(const char *recipe, const char *method, size_t steps, size_t samples,
                   const char *word)
{
    nicest_model *model = gaussian_model();
    double filled[D] = {-1};
    nicest_inpaint_options o = chosen(recipe, method, steps, samples);
    assert_int_equal(nicest_inpaint(model, gaussian_row, 1, first_two, &o, filled, NULL, NULL),
                     NICEST_E_ARGUMENT);
    assert_non_null(strstr(nicest_error(), word));
    assert_true(filled[0] == -1);
    nicest_model_free(model);
}

/* In x such a density is flat inside each level and zero outside: fills move behind the marginal.
 */
static void all_this_holds_behind_a_marginal(void **state)
{
    behind_marginal = true;
    observed_values_are_copied_to_the_bit(state);
    the_truth_under_the_mask_is_not_used(state);
    threads_do_not_change_a_bit(state);
    a_row_does_not_know_its_neighbours(state);
    the_seed_moves_what_is_random_and_nothing_else(state);
    nothing_hidden_is_nothing_done(state);
    frames_show_the_way_to_the_result(state);
    memory_that_runs_out_is_a_status(state);
    behind_marginal = false;
}

static void behind_a_marginal_the_mean_is_nearest(void **state)
{
    (void)state;
    static const char *const methods[] = {NULL, "mean", "map"};
    double stored[ROWS * PIXELS], filled[3][ROWS * PIXELS];
    unsigned char hidden[ROWS * PIXELS];
    nicest_inpaint_result r[3];
    behind_marginal = true;
    nicest_model *model = picture_model();
    behind_marginal = false;
    nicest_workspace *w = NULL;
    assert_int_equal(nicest_workspace_new(&w, model, ROWS, 1), NICEST_OK);
    assert_int_equal(nicest_sample(w, ROWS, 1, 0, 1, stored), NICEST_OK);
    nicest_mask("random:0.3", stored, ROWS, PIXELS, SIDE, SIDE, 1, 1, hidden);
    for (int i = 0; i < 3; i++) {
        nicest_inpaint_options o = chosen("default", methods[i], 0, 1);
        assert_int_equal(nicest_inpaint(model, stored, ROWS, hidden, &o, filled[i], NULL, &r[i]),
                         NICEST_OK);
    }
    assert_memory_equal(filled[0], filled[1], sizeof filled[0]); /* the default for pictures, too */
    assert_true(r[1].psnr > r[2].psnr + 0.2 && r[1].psnr > r[1].psnr_mean_fill + 0.5);
    assert_true(r[1].logp_after > r[1].logp_before && r[2].logp_after > r[1].logp_after);
    nicest_workspace_free(w);
    nicest_model_free(model);
}

/* Pictures that are bright all over or dark all over, and a flow whose pixels know nothing of each
 * other: what a fill knows of the other half comes from the training rows. */
static nicest_model *model_of_two_kinds(int neighbours)
{
    enum { PICTURES = 300 };
    static double rows[PICTURES * PIXELS];
    nicest_data *data = NULL;
    nicest_model *model = NULL;
    nicest_train_options o;
    random_stream stream = {.seed = 3, .purpose = RANDOM_USER};
    random_uniform_double(stream, 0, rows, PICTURES * PIXELS);
    for (size_t i = 0; i < PICTURES * PIXELS; i++)
        rows[i] = floor(60 * rows[i] + (i / PIXELS % 2 ? 190 : 5));
    nicest_view view = {.rows = PICTURES,
                        .columns = PIXELS,
                        .type = "float64",
                        .values = rows,
                        .row_stride = PIXELS * sizeof *rows,
                        .column_stride = sizeof *rows,
                        .height = SIDE,
                        .width = SIDE,
                        .channels = 1};
    assert_int_equal(nicest_data_view(&data, &view), NICEST_OK);
    nicest_train_defaults(&o);
    o.spec = "nicest 1\ncolumns 16\nmarginal\nscale\nprior normal\n";
    o.epochs = 1;
    o.neighbours = neighbours;
    assert_int_equal(nicest_train(&model, data, NULL, &o, NULL), NICEST_OK);
    nicest_data_free(data);
    return model;
}

static void training_rows_say_what_belongs_together(void **state)
{
    (void)state;
    enum { N = 40 };
    double stored[N * PIXELS], filled[N * PIXELS];
    unsigned char hidden[N * PIXELS];
    nicest_inpaint_result led, free, mean;
    for (size_t i = 0; i < N * PIXELS; i++) {
        stored[i] = i / PIXELS % 2 ? 220 : 35;
        hidden[i] = i % SIDE < 2;
    }
    nicest_inpaint_options draw = chosen("default", "langevin", 1, 1);
    nicest_model *with = model_of_two_kinds(1), *without = model_of_two_kinds(0);
    assert_int_equal(nicest_inpaint(with, stored, N, hidden, &draw, filled, NULL, &led), NICEST_OK);
    assert_int_equal(nicest_inpaint(without, stored, N, hidden, &draw, filled, NULL, &free),
                     NICEST_OK);
    assert_true(led.psnr > free.psnr + 3); /* chains begin in rows of the same kind */
    nicest_inpaint_options best = chosen("default", "mean", 0, 1);
    assert_int_equal(nicest_inpaint(without, stored, N, hidden, &best, filled, NULL, &mean),
                     NICEST_OK);
    assert_true(mean.psnr > mean.psnr_mean_fill + 3); /* and the linear conditional knows, too */
    nicest_model_free(with);
    nicest_model_free(without);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    refuse("mine", "map", 0, 1, "released");
    refuse("default", "hope", 0, 1, "langevin");
    refuse("paper", "langevin", 0, 1, "default");
    refuse("default", "map", 0, 2, "langevin");
    refuse("default", "mean", 0, 2, "langevin");
    refuse("released", "mean", 0, 1, "default");
    refuse("default", "langevin", SIZE_MAX, 1, "steps");
    refuse("default", "langevin", 1, SIZE_MAX, "samples");
    nicest_model *model = gaussian_model();
    double row[D] = {1, 2, NAN, 4}, filled[D];
    assert_int_equal(nicest_inpaint(model, row, 1, first_two, NULL, filled, NULL, NULL),
                     NICEST_E_DATA);
    assert_non_null(strstr(nicest_error(), "column 3"));
    assert_int_equal(nicest_inpaint(NULL, row, 1, first_two, NULL, filled, NULL, NULL),
                     NICEST_E_ARGUMENT);
    nicest_model_free(model);
}

/* Observed values far outside anything seen: the fill is finite and inside the column's reach. */
static void absurd_neighbours_do_not_break_a_fill(void **state)
{
    (void)state;
    nicest_model *model = gaussian_model();
    for (size_t way = 0; way < WAYS; way++) {
        double row[D] = {0, 0, 1e300, -1e30}, filled[3 * D];
        nicest_inpaint_options o = way_options(way);
        assert_int_equal(nicest_inpaint(model, row, 1, first_two, &o, filled, NULL, NULL),
                         NICEST_OK);
        assert_true(isfinite(filled[0]) && isfinite(filled[1]));
        assert_true(filled[2] == 1e300 && filled[3] == -1e30);
    }
    nicest_model_free(model);
}

/* An infinity is nothing a model knows: it stays, and its row is filled as if it were missing. */
static void an_infinity_stays_and_the_rest_is_filled(void **state)
{
    (void)state;
    enum { SAMPLES = 2, N = 2 };
    nicest_model *model = gaussian_model();
    double stored[N * D], filled[SAMPLES * N * D], spread[N * D], other[SAMPLES * N * D];
    unsigned char hidden[N * D] = {1, 0, 0, 0, 1, 0, 0, 0};
    nicest_inpaint_result result;
    nicest_inpaint_options o = chosen("default", "langevin", 20, SAMPLES);
    memcpy(stored, gaussian_row, sizeof gaussian_row);
    memcpy(stored + D, gaussian_row, sizeof gaussian_row);
    stored[1] = INFINITY;
    stored[D] = -INFINITY; /* hidden: no truth, and none that stays */
    assert_int_equal(nicest_inpaint(model, stored, N, hidden, &o, filled, spread, &result),
                     NICEST_OK);
    assert_true(result.hidden == 2 && result.infinite == 1 && spread[1] == 0 && spread[0] > 0);
    stored[1] = NAN;
    hidden[1] = 1;
    assert_int_equal(nicest_inpaint(model, stored, N, hidden, &o, other, NULL, &result), NICEST_OK);
    assert_true(result.hidden == 3 && result.infinite == 0);
    for (size_t k = 0; k < SAMPLES; k++) {
        assert_true(filled[k * N * D + 1] == INFINITY && isfinite(other[k * N * D + 1]));
        other[k * N * D + 1] = INFINITY;
    }
    assert_memory_equal(filled, other, sizeof filled);
    nicest_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ascent_ends_at_the_conditional_mean),
        cmocka_unit_test(langevin_samples_the_conditional),
        cmocka_unit_test(the_covariance_of_the_rows_is_where_a_fill_starts),
        cmocka_unit_test(the_mean_is_the_conditional_mean),
        cmocka_unit_test(a_chain_finds_the_density),
        cmocka_unit_test(an_absurd_covariance_breaks_nothing),
        cmocka_unit_test(tables_get_the_mean_and_pictures_the_likeliest),
        cmocka_unit_test(every_named_mask_hides_a_part),
        cmocka_unit_test(observed_values_are_copied_to_the_bit),
        cmocka_unit_test(the_truth_under_the_mask_is_not_used),
        cmocka_unit_test(threads_do_not_change_a_bit),
        cmocka_unit_test(a_row_does_not_know_its_neighbours),
        cmocka_unit_test(the_seed_moves_what_is_random_and_nothing_else),
        cmocka_unit_test(figures_are_what_they_are_called),
        cmocka_unit_test(nothing_hidden_is_nothing_done),
        cmocka_unit_test(frames_show_the_way_to_the_result),
        cmocka_unit_test(an_interruption_leaves_nothing_behind),
        cmocka_unit_test(memory_that_runs_out_is_a_status),
        cmocka_unit_test(all_this_holds_behind_a_marginal),
        cmocka_unit_test(behind_a_marginal_the_mean_is_nearest),
        cmocka_unit_test(training_rows_say_what_belongs_together),
        cmocka_unit_test(an_infinity_stays_and_the_rest_is_filled),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(absurd_neighbours_do_not_break_a_fill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
