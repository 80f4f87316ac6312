/* test_flow_properties.c - what must hold for every flow, whatever its shape and weights.
 *
 * The inverse both ways in both twins; in double also the log-determinant against a numerical
 * Jacobian, and both gradients against differences. */
#include "flow_fixture.h"

/* In both twins: the state is double, and a conditioner gives the same bits on both ways. */
#define ROUND_TRIP 1e-10

enum { ROWS = 70 };

/* ------------------------------------------------------------------ inverse */

static double difference(const double *a, const double *b, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(a[i] - b[i]) / fmax(1, fabs(b[i])));
    return most;
}

static void check_inverse(const shape *s, const char *text)
{
    flow *f = flow_of_text(text, 11);
    flow_workspace *w = workspace_of(f, FLOW_SCORE, 0, 1);
    size_t d = s->columns;
    double *x = rows_for(f, ROWS, 3), *again = memory_new(ROWS * d, sizeof *again);
    double *h = memory_new(ROWS * d, sizeof *h), logdet[ROWS], inverse_logdet[ROWS];
    flow_run(
        w, &(flow_job){
               .input = FLOW_CONTINUOUS, .rows = ROWS, .values = x, .latent = h, .logdet = logdet});
    flow_run(w, &(flow_job){.input = FLOW_LATENT,
                            .rows = ROWS,
                            .values = h,
                            .continuous = again,
                            .logdet = inverse_logdet});
    /* a spline's bin may be nearly flat, and an autoregressive conditioner reads what came back */
    double most = strstr(text, "rule=spline") || strstr(text, "autoregressive") ? 1e-7 : ROUND_TRIP;
    assert_true(difference(again, x, ROWS * d) < most);
    for (size_t i = 0; i < ROWS; i++)
        assert_true(fabs(logdet[i] + inverse_logdet[i]) < most * (double)(10 + d));
    flow_run(w, &(flow_job){.input = FLOW_CONTINUOUS, .rows = ROWS, .values = again, .latent = x});
    assert_true(difference(x, h, ROWS * d) < 10 * most);
    memory_free(x);
    memory_free(again);
    memory_free(h);
    flow_workspace_free(w);
    flow_free(f);
}

static void forward_and_inverse_undo_each_other(void **state)
{
    (void)state;
    for_every_shape(check_inverse);
}

#ifdef NICEST_DOUBLE

/* ------------------------------------------------------------------ log-determinant */

/* log |det| of a[d, d] by elimination with row exchange; a is destroyed. */
static double log_abs_det(double *a, size_t d)
{
    double sum = 0;
    for (size_t k = 0; k < d; k++) {
        size_t pivot = k;
        for (size_t i = k + 1; i < d; i++)
            pivot = fabs(a[i * d + k]) > fabs(a[pivot * d + k]) ? i : pivot;
        for (size_t j = 0; pivot != k && j < d; j++) {
            double held = a[k * d + j];
            a[k * d + j] = a[pivot * d + j];
            a[pivot * d + j] = held;
        }
        sum += log(fabs(a[k * d + k]));
        for (size_t i = k + 1; i < d; i++) {
            double factor = a[i * d + k] / a[k * d + k];
            for (size_t j = k; j < d; j++)
                a[i * d + j] -= factor * a[k * d + j];
        }
    }
    return sum;
}

static double numerical_logdet(flow_workspace *w, const double *x, size_t d, double step)
{
    double *near = memory_new(2 * d * d, sizeof *near), *h = memory_new(2 * d * d, sizeof *h);
    for (size_t j = 0; j < d; j++)
        for (size_t side = 0; side < 2; side++) {
            memcpy(near + (2 * j + side) * d, x, d * sizeof *x);
            near[(2 * j + side) * d + j] += side ? -step : step;
        }
    flow_run(w, &(flow_job){.input = FLOW_CONTINUOUS, .rows = 2 * d, .values = near, .latent = h});
    for (size_t j = 0; j < d; j++)
        for (size_t i = 0; i < d; i++)
            near[j * d + i] = (h[2 * j * d + i] - h[(2 * j + 1) * d + i]) / (2 * step);
    double logdet = log_abs_det(near, d);
    memory_free(near);
    memory_free(h);
    return logdet;
}

static void check_logdet(const shape *s, const char *text)
{
    static const double steps[] = {1e-5, 1e-6, 1e-7};
    flow *f = flow_of_text(text, 12);
    flow_workspace *w = workspace_of(f, FLOW_SCORE, 0, 1);
    double *x = rows_for(f, 3, 4), logdet[3];
    flow_run(w, &(flow_job){.input = FLOW_CONTINUOUS, .rows = 3, .values = x, .logdet = logdet});
    for (size_t r = 0; r < 3; r++) {
        double error = INFINITY; /* the best of three steps: a difference may straddle a kink */
        for (size_t i = 0; i < 3; i++) {
            double numerical = numerical_logdet(w, x + r * s->columns, s->columns, steps[i]);
            error = fmin(error, fabs(numerical - logdet[r]) / fmax(1, fabs(logdet[r])));
        }
        if (!(error < 1e-6))
            print_error("log-determinant off by %g\n%s", error, text);
        assert_true(error < 1e-6);
    }
    memory_free(x);
    flow_workspace_free(w);
    flow_free(f);
}

static void log_determinant_is_that_of_the_numerical_jacobian(void **state)
{
    (void)state;
    for_every_shape(check_logdet);
}

/* ------------------------------------------------------------------ gradients */

static double mean_logp(flow_workspace *w, const double *x, size_t n)
{
    double logp[ROWS], sum = 0;
    flow_run(w, &(flow_job){.input = FLOW_CONTINUOUS, .rows = n, .values = x, .logp = logp});
    for (size_t i = 0; i < n; i++)
        sum += logp[i];
    return sum / (double)n;
}

/* |analytic - central difference| by *at, relative to max(size, 1e-3), the best of three steps. */
static double derivative_error(flow_workspace *w, const double *x, size_t n, double *at,
                               double analytic)
{
    double best = INFINITY, kept = *at;
    for (double step = 1e-4; step > 5e-7; step /= 10) {
        *at = kept + step;
        double above = mean_logp(w, x, n);
        *at = kept - step;
        double below = mean_logp(w, x, n);
        *at = kept + 2 * step;
        double far_above = mean_logp(w, x, n);
        *at = kept - 2 * step;
        double far_below = mean_logp(w, x, n);
        double numerical = (8 * (above - below) - (far_above - far_below)) / (12 * step);
        best = fmin(best, fabs(numerical - analytic) / fmax(1e-3, fabs(analytic)));
    }
    *at = kept;
    return best;
}

/* All gradients of -mean log p, as training sees them: block by block. */
static void learn_gradient(const flow *f, const double *x, size_t n, double *gradient)
{
    flow_workspace *w = workspace_of(f, FLOW_LEARN, n, 1);
    flow_pass pass = flow_learn(w, &(flow_job){.input = FLOW_CONTINUOUS, .rows = n, .values = x});
    assert_true(pass.finite);
    for (size_t i = 0; i < f->tensors.trainable; i++)
        gradient[i] = NAN;
    for (size_t i = 0; i < f->blocks.count; i++) {
        const block *b = &f->blocks.items[i];
        flow_gradient(w, 0, b, flow_block_scratch(w, 0), NULL);
        for (size_t j = 0; j < b->count; j++)
            gradient[b->offset + j] = (double)flow_block_scratch(w, 0)[j];
    }
    flow_workspace_free(w);
}

static void check_gradient(const shape *s, const char *text)
{
    enum { FEW = 3, PROBES = 24 };
    flow *f = flow_of_text(text, 13);
    flow_workspace *w = workspace_of(f, FLOW_GRADIENT, 0, 1);
    size_t d = s->columns, count = f->tensors.trainable;
    double *x = rows_for(f, FEW, 5), *by_x = memory_new(FEW * d, sizeof *by_x);
    double *by_theta = memory_new(count, sizeof *by_theta);
    uint32_t *order = memory_new(count, sizeof *order);
    flow_run(w, &(flow_job){.input = FLOW_CONTINUOUS, .rows = FEW, .values = x, .gradient = by_x});
    for (size_t i = 0; i < FEW * d; i++)
        assert_true(derivative_error(w, x, FEW, &x[i], by_x[i] / FEW) < 1e-6);
    learn_gradient(f, x, FEW, by_theta);
    random_permutation((random_stream){9, RANDOM_USER, 0}, order, count);
    for (size_t i = 0; i < count && i < PROBES; i++) {
        if (f->theta[order[i]] == 0 && by_theta[order[i]] == 0)
            continue; /* a mask hides it */
        double error = derivative_error(w, x, FEW, &f->theta[order[i]], -by_theta[order[i]]);
        if (!(error < 1e-6))
            print_error("gradient by parameter %u off by %g\n%s", order[i], error, text);
        assert_true(error < 1e-6);
    }
    for (size_t i = 0; i < count; i++)
        assert_true(isfinite(by_theta[i])); /* the blocks cover every parameter */
    memory_free(x);
    memory_free(by_x);
    memory_free(by_theta);
    memory_free(order);
    flow_workspace_free(w);
    flow_free(f);
}

static void gradients_are_those_of_differences(void **state)
{
    (void)state;
    for_every_shape(check_gradient);
    /* more rows of a weight matrix than a block has */
    shape wide = {6, "", "", "130,64", "silu", "scale\n", "normal"};
    char text[1024];
    check_gradient(&wide, spec_of(&wide, text, sizeof text));
}

/* Rows with hidden values and a context: no gradient where nothing is seen, and no trace of what is
 * hidden in the score of the rest. */
static void check_hidden(const char *first)
{
    enum { N = 6, D = 5, GIVEN = 2, WIDTH = D + GIVEN, PROBES = 60 };
    static const char *const rest =
        "permute odd-even\n"
        "coupling move=second hidden=16 activation=silu rule=spline bins=4\n"
        "coupling move=first hidden=12 blocks=1 activation=tanh rule=affine\npermute random:4\n"
        "autoregressive hidden=14x2 activation=tanh rule=affine\nelementwise rule=spline bins=3\n"
        "scale\nprior logistic\n";
    char text[1024];
    snprintf(text, sizeof text, "nicest 1\ncolumns 5\ncontext 2\nmasked\n%s\nregression\n%s", first, rest);
    flow *f = flow_of_text(text, 31);
    flow_workspace *w = workspace_of(f, FLOW_GRADIENT, 0, 1);
    double x[N * WIDTH], by_x[N * WIDTH], logp[N];
    size_t count = f->tensors.trainable;
    double *by_theta = memory_new(count, sizeof *by_theta);
    uint32_t *order = memory_new(count, sizeof *order);
    random_normal((random_stream){5, RANDOM_USER, 0}, 0, x, N * WIDTH);
    for (size_t r = 0; r < N; r++)
        for (size_t j = 0; j < D; j++)
            if ((r * 7 + j * 3) % 4 == 0 || r == 1)
                x[r * WIDTH + j] = NAN;
    flow_run(w,
             &(flow_job){
                 .input = FLOW_CONTINUOUS, .rows = N, .values = x, .logp = logp, .gradient = by_x});
    assert_true(logp[1] == 0); /* nothing is seen */
    for (size_t r = 0; r < N; r++)
        for (size_t j = 0; j < D; j++) {
            double *at = &x[r * WIDTH + j], slope = by_x[r * WIDTH + j];
            assert_true(isnan(*at) ? slope == 0 : derivative_error(w, x, N, at, slope / N) < 1e-6);
        }
    learn_gradient(f, x, N, by_theta);
    random_permutation((random_stream){9, RANDOM_USER, 0}, order, count);
    for (size_t i = 0; i < PROBES; i++)
        if (f->theta[order[i]] != 0 || by_theta[order[i]] != 0)
            assert_true(derivative_error(w, x, N, &f->theta[order[i]], -by_theta[order[i]]) < 1e-6);
    memory_free(by_theta);
    memory_free(order);
    flow_workspace_free(w);
    flow_free(f);
}

static void hidden_values_and_contexts_have_their_gradients(void **state)
{
    (void)state;
    check_hidden("standardise");
    check_hidden("marginal levels=6 knots=4");
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_and_inverse_undo_each_other),
#ifdef NICEST_DOUBLE
        cmocka_unit_test(log_determinant_is_that_of_the_numerical_jacobian),
        cmocka_unit_test(gradients_are_those_of_differences),
        cmocka_unit_test(hidden_values_and_contexts_have_their_gradients),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
