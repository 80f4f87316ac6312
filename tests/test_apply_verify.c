/* test_apply_verify.c - verify proves what holds, and says no where it does not. */
#include "flow_fixture.h"
#include "model/model.h"
#include "nicest.h"

/* A model of random weights, times `size`. */
static nicest_model *model_of(const shape *s, double size)
{
    char text[1024];
    nicest_model *model = NULL;
    flow *f = flow_of_text(spec_of(s, text, sizeof text), 51);
    vector_scale(f->theta, (real)size, f->tensors.trainable);
    assert_int_equal(model_new(&model, f), NICEST_OK);
    assert_int_equal(model_set_schema(model, NULL, 0, 0, 0, "float64"), NICEST_OK);
    return model;
}

static const shape FIVE = {5, "standardise\n", "permute odd-even\n", "24x2", "relu", "", "normal"};
static const shape TWO = {2, "", "", "16", "silu", "scale\n", "logistic"};
static const shape EDGES = {
    4, "logit margin=0.000001\n", "permute odd-even\n", "16x2", "relu", "", "logistic"};
static const shape ONE = {1, "standardise\n", "", "none", "relu", "", "logistic"};

static void assert_proven(const nicest_verification *v)
{
    if (!v->ok)
        print_error("inverse %g latent %g logdet %g gradient %g integral %g\n", v->inverse_max,
                    v->latent_max, v->logdet_max_error, v->gradient_max_error, v->integral);
    assert_true(v->ok);
    assert_true(v->inverse_max > 0 && v->inverse_max <= 1e-5);
    assert_true(v->latent_max > 0 && v->latent_max <= 1e-4);
    assert_true(v->logdet_max_error >= 0 && v->logdet_max_error <= 1e-6);
    assert_true(v->gradient_max_error >= 0 && v->gradient_max_error <= 1e-6);
}

static void sound_models_are_proven_on_their_own_samples(void **state)
{
    const shape *shapes[] = {&ONE, &TWO, &FIVE, &EDGES};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        nicest_model *model = model_of(shapes[i], 0.5);
        nicest_verification v;
        assert_int_equal(nicest_verify(model, NULL, 1, 2, NULL, NULL, &v), NICEST_OK);
        assert_proven(&v);
        if (i < 2) {
            assert_true(fabs(v.integral - 1) < 0.01);
            assert_string_equal(v.integral_reason, "");
        } else {
            assert_true(isnan(v.integral));
            assert_non_null(strstr(v.integral_reason, " columns: total mass"));
        }
        nicest_model_free(model);
    }
}

static void data_with_missing_values_serves(void **state)
{
    enum { ROWS = 300 };
    (void)state;
    nicest_model *model = model_of(&FIVE, 0.5);
    nicest_data *data = NULL;
    nicest_verification v, again;
    double values[ROWS * 5];
    random_normal((random_stream){2, RANDOM_USER, 0}, 0, values, ROWS * 5);
    for (size_t i = 0; i < ROWS; i++)
        values[i * 5 + 3] *= 1e-3; /* a narrow column beside wide ones */
    values[0] = values[77] = NAN;
    assert_int_equal(nicest_data_new(&data, values, ROWS, 5, NULL), NICEST_OK);
    assert_int_equal(nicest_verify(model, data, 1, 1, NULL, NULL, &v), NICEST_OK);
    assert_true(v.logdet_max_error <= 1e-6 && v.gradient_max_error <= 1e-6);
    assert_int_equal(nicest_verify(model, data, 1, 3, NULL, NULL, &again), NICEST_OK);
    assert_true(v.inverse_max == again.inverse_max && v.latent_max == again.latent_max &&
                v.logdet_max_error == again.logdet_max_error);
    nicest_data_free(data);
    nicest_model_free(model);
}

/* Conditioners so wild that float cannot undo them. */
static void what_cannot_be_undone_is_not_ok(void **state)
{
    (void)state;
    nicest_model *model = model_of(&FIVE, 1);
    flow *f = model_flow(model);
    for (size_t i = 0; i < f->tensors.count; i++)
        if (named(&f->tensors.items[i], "weight"))
            vector_scale(*f->tensors.items[i].slot, 40, f->tensors.items[i].count);
    nicest_verification v;
    assert_int_equal(nicest_verify(model, NULL, 1, 1, NULL, NULL, &v), NICEST_OK);
    assert_true(v.inverse_max > 1e-5);
    assert_false(v.ok);
    nicest_model_free(model);
}

static void a_model_that_is_not_finite_is_refused(void **state)
{
    (void)state;
    nicest_model *model = model_of(&TWO, 0.5);
    nicest_verification v = {.ok = 7};
    model_flow(model)->theta[0] = (real)NAN;
    assert_int_equal(nicest_verify(model, NULL, 1, 1, NULL, NULL, &v), NICEST_E_DATA);
    assert_int_equal(v.ok, 7);
    nicest_model_free(model);
}

static void other_data_is_refused(void **state)
{
    (void)state;
    nicest_model *model = model_of(&TWO, 0.5);
    nicest_data *data = NULL;
    nicest_verification v;
    const double values[] = {1, 2, 3}, missing[] = {NAN, 1};
    assert_int_equal(nicest_data_new(&data, values, 1, 3, NULL), NICEST_OK);
    assert_int_equal(nicest_verify(model, data, 1, 1, NULL, NULL, &v), NICEST_E_MISMATCH);
    nicest_data_free(data);
    data = NULL;
    assert_int_equal(nicest_data_new(&data, missing, 1, 2, NULL), NICEST_OK);
    assert_int_equal(nicest_verify(model, data, 1, 1, NULL, NULL, &v), NICEST_E_DATA);
    assert_int_equal(nicest_verify(NULL, NULL, 1, 1, NULL, NULL, &v), NICEST_E_ARGUMENT);
    nicest_data_free(data);
    data = NULL;
    assert_int_equal(nicest_data_new(&data, NULL, 0, 2, NULL), NICEST_OK);
    assert_int_equal(nicest_verify(model, data, 1, 1, NULL, NULL, &v), NICEST_E_DATA);
    nicest_data_free(data);
    nicest_model_free(model);
}

/* ------------------------------------------------------------------ density */

static void a_grid_holds_the_density_of_its_midpoints(void **state)
{
    enum { WIDTH = 7, HEIGHT = 5 };
    (void)state;
    nicest_model *model = model_of(&TWO, 0.5);
    nicest_workspace *w = NULL;
    const double box[] = {-1, 6, 2, 12};
    double logp[WIDTH * HEIGHT], x[WIDTH * HEIGHT * 2], expected[WIDTH * HEIGHT];
    for (size_t i = 0; i < WIDTH * HEIGHT; i++) {
        x[2 * i] = -1 + (double)(i % WIDTH) + 0.5;
        x[2 * i + 1] = 12 - 2 * ((double)(i / WIDTH) + 0.5);
    }
    assert_int_equal(nicest_workspace_new(&w, model, 0, 1), NICEST_OK);
    assert_int_equal(nicest_log_prob(w, x, WIDTH * HEIGHT, expected), NICEST_OK);
    assert_int_equal(nicest_density_grid(model, box, WIDTH, HEIGHT, 2, logp), NICEST_OK);
    for (size_t i = 0; i < WIDTH * HEIGHT; i++)
        assert_true(fabs(logp[i] - expected[i]) < 1e-5 * fmax(1, fabs(expected[i])));
    nicest_workspace_free(w);
    nicest_model_free(model);
}

static void a_grid_given_a_column_holds_the_density_of_the_others(void **state)
{
    (void)state;
    enum { CELLS = 50 };
    const char *spec = "nicest 1\ncolumns 1\ncontext 1\n"
                       "autoregressive hidden=8 rule=spline bins=4\nprior normal\n";
    nicest_model *model;
    assert_int_equal(model_new(&model, flow_of_text(spec, 5)), NICEST_OK);
    const double box[] = {-2, 3}, given[] = {[1] = 0.7};
    double rows[CELLS][2], logp[CELLS], expected[CELLS], integral;
    for (size_t i = 0; i < CELLS; i++) {
        rows[i][0] = -2 + 5 * ((double)i + 0.5) / CELLS;
        rows[i][1] = given[1];
    }
    nicest_workspace *w;
    assert_int_equal(nicest_workspace_new(&w, model, 0, 1), NICEST_OK);
    assert_int_equal(nicest_log_prob(w, rows[0], CELLS, expected), NICEST_OK);
    assert_int_equal(nicest_density_grid_given(model, given, box, CELLS, 1, 2, logp), NICEST_OK);
    assert_memory_equal(logp, expected, sizeof logp);
    assert_int_equal(nicest_density_integral_given(model, given, 1, 2, NULL, &integral), NICEST_OK);
    assert_true(fabs(integral - 1) < 0.005);
    assert_int_equal(nicest_density_grid(model, box, CELLS, 1, 1, logp), NICEST_E_ARGUMENT);
    assert_int_equal(nicest_density_integral(model, 1, 1, NULL, &integral), NICEST_E_ARGUMENT);
    nicest_workspace_free(w);
    nicest_model_free(model);
}

static void a_large_grid_has_no_seams(void **state)
{
    enum { WIDTH = 1 << 16 };
    (void)state;
    nicest_model *model = model_of(&ONE, 0.5);
    const double box[] = {-200, 200};
    double *logp = memory_new(WIDTH, sizeof *logp), mass = 0;
    assert_int_equal(nicest_density_grid(model, box, WIDTH, 0, 2, logp), NICEST_OK);
    for (size_t i = 0; i < WIDTH; i++)
        mass += exp(logp[i]) * 400 / WIDTH;
    assert_true(fabs(mass - 1) < 1e-4);
    memory_free(logp);
    nicest_model_free(model);
}

static void wrong_grids_are_refused(void **state)
{
    (void)state;
    nicest_model *two = model_of(&TWO, 0.5), *five = model_of(&FIVE, 0.5);
    const double good[] = {0, 1, 0, 1}, empty[] = {0, 1, 1, 1}, endless[] = {0, INFINITY, 0, 1};
    double logp[4], integral = 7;
    assert_int_equal(nicest_density_grid(two, good, 2, 2, 1, logp), NICEST_OK);
    assert_int_equal(nicest_density_grid(two, empty, 2, 2, 1, logp), NICEST_E_ARGUMENT);
    assert_int_equal(nicest_density_grid(two, endless, 2, 2, 1, logp), NICEST_E_ARGUMENT);
    assert_int_equal(nicest_density_grid(two, good, 0, 2, 1, logp), NICEST_E_ARGUMENT);
    assert_int_equal(nicest_density_grid(two, good, SIZE_MAX / 2, 5, 1, logp), NICEST_E_ARGUMENT);
    assert_int_equal(nicest_density_grid(five, good, 2, 2, 1, logp), NICEST_E_ARGUMENT);
    assert_int_equal(nicest_density_integral(five, 1, 1, NULL, &integral), NICEST_E_ARGUMENT);
    assert_true(integral == 7);
    nicest_model_free(two);
    nicest_model_free(five);
}

static void the_box_holds_the_mass(void **state)
{
    (void)state;
    nicest_model *model = model_of(&TWO, 0.5);
    double box[4], other[4], integral, again;
    assert_int_equal(nicest_density_integral(model, 3, 1, box, &integral), NICEST_OK);
    assert_int_equal(nicest_density_integral(model, 3, 2, other, &again), NICEST_OK);
    assert_true(fabs(integral - 1) < 0.002);
    assert_true(integral == again && box[0] == other[0] && box[3] == other[3]);
    assert_true(box[0] < box[1] && box[2] < box[3]);
    nicest_model_free(model);
}

/* ------------------------------------------------------------------ marginals */

static nicest_model *model_of_text(const char *spec, uint64_t seed)
{
    nicest_model *model = NULL;
    assert_int_equal(model_new(&model, flow_of_text(spec, seed)), NICEST_OK);
    return model;
}

/* Of three columns two are integrated out by brute force. */
static void closed_forms_have_exact_marginals(void **state)
{
    static const char *const last[] = {"linear form=triangular\nprior normal\n",
                                       "prior mixture:3\n"};
    enum { CELLS = 4, SIDE = 120 };
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        char spec[160];
        snprintf(spec, sizeof spec, "nicest 1\ncolumns 3\nstandardise\n%s", last[k]);
        nicest_model *model = model_of_text(spec, 11 + k);
        nicest_workspace *w = NULL;
        nicest_marginal m;
        nicest_marginal_options o = {
            .column = {1}, .count = 1, .cells = {CELLS}, .seed = 1, .threads = 2};
        double *x = memory_new(SIDE * SIDE, 4 * sizeof *x), *logp = x + 3 * SIDE * SIDE;
        double range[3][2] = {{HUGE_VAL, -HUGE_VAL}, {HUGE_VAL, -HUGE_VAL}, {HUGE_VAL, -HUGE_VAL}};
        assert_int_equal(nicest_workspace_new(&w, model, 0, 2), NICEST_OK);
        assert_int_equal(nicest_sample(w, SIDE * SIDE, 1, 0, 1, x), NICEST_OK);
        for (size_t i = 0; i < 3 * SIDE * SIDE; i++) {
            range[i % 3][0] = fmin(range[i % 3][0], x[i]);
            range[i % 3][1] = fmax(range[i % 3][1], x[i]);
        }
        for (size_t j = 0; j < 3; j++) {
            double size = range[j][1] - range[j][0];
            range[j][0] -= size / 4;
            range[j][1] += j == 1 ? -size / 4 : size / 4;
        }
        memcpy(o.box, range[1], 2 * sizeof *o.box);
        assert_int_equal(nicest_density_columns(model, &o, &m), NICEST_OK);
        assert_true(m.how == NICEST_MARGINAL_EXACT && m.cells[0] == CELLS && m.cells[1] == 1);
        assert_true(fabs(m.integral - 1) < 1e-6);
        double cell = (range[0][1] - range[0][0]) * (range[2][1] - range[2][0]) / SIDE / SIDE;
        for (size_t c = 0; c < CELLS; c++) {
            double sum = 0;
            for (size_t i = 0; i < SIDE * SIDE; i++) {
                x[3 * i] =
                    range[0][0] + ((double)(i % SIDE) + 0.5) / SIDE * (range[0][1] - range[0][0]);
                x[3 * i + 1] = m.at[0][c];
                x[3 * i + 2] =
                    range[2][0] + ((double)(i / SIDE) + 0.5) / SIDE * (range[2][1] - range[2][0]);
            }
            assert_int_equal(nicest_log_prob(w, x, SIDE * SIDE, logp), NICEST_OK);
            for (size_t i = 0; i < SIDE * SIDE; i++)
                sum += exp(logp[i]) * cell;
            assert_true(fabs(exp(m.logp[c]) / sum - 1) < 0.01);
        }
        nicest_marginal_free(&m);
        memory_free(x);
        nicest_workspace_free(w);
        nicest_model_free(model);
    }
}

/* Couplings that are the identity: the table of samples is near to what the closed form has. */
static void a_table_of_samples_is_near_to_the_density(void **state)
{
    enum { CELLS = 30 };
    (void)state;
    nicest_model *exact = model_of_text("nicest 1\ncolumns 2\nmarginal\nprior normal\n", 3);
    nicest_model *other =
        model_of_text("nicest 1\ncolumns 2\nmarginal\npermute reverse\nprior normal\n", 3);
    nicest_marginal a, b;
    nicest_marginal_options o = {
        .column = {0}, .count = 1, .box = {-1, 1}, .cells = {CELLS}, .seed = 1};
    assert_int_equal(nicest_density_columns(exact, &o, &a), NICEST_OK);
    assert_int_equal(nicest_density_columns(other, &o, &b), NICEST_OK);
    assert_true(a.how == NICEST_MARGINAL_EXACT && b.how == NICEST_MARGINAL_SAMPLES);
    for (size_t i = 0; i < CELLS; i++)
        assert_true(fabs(a.logp[i] - b.logp[i]) < 0.1);
    nicest_marginal_free(&a);
    nicest_marginal_free(&b);
    nicest_model_free(exact);
    nicest_model_free(other);
}

/* Masks of a closed form are marginals; those of couplings with random weights are not. */
static void the_gap_tells_marginals_from_guesses(void **state)
{
    static const char *const middle[] = {"", "coupling move=second hidden=8 rule=affine\n"};
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        char spec[200];
        snprintf(spec, sizeof spec, "nicest 1\ncolumns 4\nmasked\nmarginal\n%sprior mixture:2\n",
                 middle[k]);
        nicest_model *model = model_of_text(spec, 5);
        nicest_verification v;
        assert_int_equal(nicest_verify(model, NULL, 1, 2, NULL, NULL, &v), NICEST_OK);
        assert_true(k ? v.marginal_gap > 1e-3 : v.marginal_gap < 1e-4);
        assert_true(isnan(v.spread_max));
        nicest_model_free(model);
    }
}

static void spread_is_that_of_the_worst_column(void **state)
{
    enum { ROWS = 4000 };
    (void)state;
    nicest_model *model = model_of_text("nicest 1\ncolumns 2\nprior normal\n", 5);
    double *x = memory_new(ROWS, 2 * sizeof *x);
    random_normal((random_stream){2, RANDOM_USER, 0}, 0, x, 2 * ROWS);
    for (size_t i = 0; i < ROWS; i++)
        x[2 * i + 1] *= 0.5;
    nicest_data *data = NULL;
    nicest_verification v;
    assert_int_equal(nicest_data_new(&data, x, ROWS, 2, NULL), NICEST_OK);
    assert_int_equal(nicest_verify(model, data, 1, 2, NULL, NULL, &v), NICEST_OK);
    assert_true(v.spread_column == 1 && fabs(v.spread_max - 2) < 0.1 && isnan(v.marginal_gap));
    nicest_data_free(data);
    memory_free(x);
    nicest_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_models_are_proven_on_their_own_samples),
        cmocka_unit_test(data_with_missing_values_serves),
        cmocka_unit_test(what_cannot_be_undone_is_not_ok),
        cmocka_unit_test(a_model_that_is_not_finite_is_refused),
        cmocka_unit_test(other_data_is_refused),
        cmocka_unit_test(a_grid_holds_the_density_of_its_midpoints),
        cmocka_unit_test(a_grid_given_a_column_holds_the_density_of_the_others),
        cmocka_unit_test(a_large_grid_has_no_seams),
        cmocka_unit_test(wrong_grids_are_refused),
        cmocka_unit_test(the_box_holds_the_mass),
        cmocka_unit_test(closed_forms_have_exact_marginals),
        cmocka_unit_test(a_table_of_samples_is_near_to_the_density),
        cmocka_unit_test(the_gap_tells_marginals_from_guesses),
        cmocka_unit_test(spread_is_that_of_the_worst_column),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
