/* test_model_run.c - the public functions that run a model agree with each other.
 *
 * Forward and inverse, samples and their density, gradient and differences, one row and many, any
 * number of threads; and they allocate nothing. */
#include "model_fixture.h"

enum { ROWS = 300 };

static const char SPEC_MIXED[] = "nicest 1\ncolumns 6\nstandardise\npermute odd-even\n"
                                 "coupling move=second hidden=40x2 activation=silu\nscale\n"
                                 "coupling move=first hidden=24 activation=tanh\n"
                                 "scale\nprior logistic\n";

static double largest_difference(const double *a, const double *b, size_t n)
{
    double largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(a[i] - b[i]) / fmax(1, fabs(b[i])));
    return largest;
}

static void forward_then_inverse_is_the_identity(void **state)
{
    (void)state;
    nicest_model *model = model_of_text(SPEC_MIXED, 9);
    nicest_workspace *w = work(model, 0, 2);
    double *x = rows_for(model_flow(model), ROWS, 1), h[ROWS * 6], again[ROWS * 6];
    double forward[ROWS], inverse[ROWS], logp[ROWS];
    assert_status(nicest_forward(w, x, ROWS, h, forward), NICEST_OK);
    assert_status(nicest_inverse(w, h, ROWS, again, inverse), NICEST_OK);
    assert_true(largest_difference(again, x, ROWS * 6) < 1e-5);
    assert_status(nicest_log_prob(w, x, ROWS, logp), NICEST_OK);
    for (size_t i = 0; i < ROWS; i++) {
        double expected = forward[i];
        for (size_t j = 0; j < 6; j++)
            expected += -fabs(h[i * 6 + j]) - 2 * log1p(exp(-fabs(h[i * 6 + j])));
        assert_true(fabs(forward[i] + inverse[i]) < 1e-5);
        assert_true(fabs(logp[i] - expected) < 1e-4 * fmax(1, fabs(expected)));
    }
    assert_status(nicest_forward(w, x, ROWS, NULL, inverse), NICEST_OK);
    assert_memory_equal(inverse, forward, sizeof forward);
    assert_status(nicest_forward(w, x, ROWS, again, NULL), NICEST_OK);
    assert_memory_equal(again, h, sizeof h);
    memory_free(x);
    nicest_workspace_free(w);
    nicest_model_free(model);
}

/* In float, a central difference is good to about a thousandth. */
static void gradient_is_that_of_differences(void **state)
{
    (void)state;
    const double step = 1e-2;
    nicest_model *model = model_of_text(SPEC_MIXED, 9);
    nicest_workspace *w = work(model, 7, 1);
    double *x = rows_for(model_flow(model), 20, 1), gradient[20 * 6], logp[20], plain[20];
    assert_status(nicest_log_prob_gradient(w, x, 20, logp, gradient), NICEST_OK);
    assert_status(nicest_log_prob(w, x, 20, plain), NICEST_OK);
    assert_memory_equal(logp, plain, sizeof logp);
    for (size_t i = 0; i < 20 * 6; i++) {
        double pair[2][6], at[2];
        for (int side = 0; side < 2; side++) {
            memcpy(pair[side], x + i / 6 * 6, sizeof pair[side]);
            pair[side][i % 6] += side ? step : -step;
        }
        assert_status(nicest_log_prob(w, pair[0], 2, at), NICEST_OK);
        double difference = (at[1] - at[0]) / (2 * step);
        assert_true(fabs(difference - gradient[i]) < 0.02 * fmax(1, fabs(difference)));
    }
    memory_free(x);
    nicest_workspace_free(w);
    nicest_model_free(model);
}

/* Standard normal and logistic latents have known means and variances; the model is affine. */
static void samples_have_the_priors_moments(void **state)
{
    (void)state;
    enum { MANY = 20000 };
    static const char *const priors[] = {"logistic", "normal"};
    for (int p = 0; p < 2; p++) {
        char spec[200];
        snprintf(spec, sizeof spec, "nicest 1\ncolumns 2\nstandardise\nprior %s\n", priors[p]);
        nicest_model *model = model_of_text(spec, 2);
        nicest_workspace *w = work(model, 0, 2);
        const flow *f = model_flow(model);
        double *rows = memory_new(MANY * 2, sizeof *rows);
        double width = p ? 1 : 1.8137993642342178;
        for (int hot = 0; hot < 2; hot++) {
            double temperature = hot ? 1 : 0.5;
            assert_status(nicest_sample(w, MANY, 3, 0, temperature, rows), NICEST_OK);
            for (size_t j = 0; j < 2; j++) {
                double sum = 0, square = 0, shift = (double)f->frozen[j];
                double deviation = width * temperature * exp(-(double)f->frozen[2 + j]);
                for (size_t i = 0; i < MANY; i++) {
                    double z = (rows[i * 2 + j] - shift) / deviation;
                    sum += z;
                    square += z * z;
                }
                assert_true(fabs(sum / MANY) < 5 / sqrt(MANY));
                assert_true(fabs(square / MANY - 1) < 10 / sqrt(MANY));
            }
        }
        assert_status(nicest_sample(w, 3, 3, 0, 0, rows), NICEST_OK);
        for (size_t i = 0; i < 6; i++)
            assert_true(fabs(rows[i] - (double)f->frozen[i % 2]) < 1e-6);
        memory_free(rows);
        nicest_workspace_free(w);
        nicest_model_free(model);
    }
}

static void samples_are_numbered(void **state)
{
    (void)state;
    nicest_model *model = model_of_text(SPEC_MIXED, 9);
    nicest_workspace *w = work(model, 0, 2);
    double all[100 * 6], part[40 * 6], other[100 * 6];
    assert_status(nicest_sample(w, 100, 3, 1000, 1, all), NICEST_OK);
    assert_status(nicest_sample(w, 40, 3, 1050, 1, part), NICEST_OK);
    assert_memory_equal(part, all + 50 * 6, sizeof part);
    assert_status(nicest_sample(w, 100, 4, 1000, 1, other), NICEST_OK);
    assert_memory_not_equal(other, all, sizeof all);
    nicest_workspace_free(w);
    nicest_model_free(model);
}

static void encode_and_decode_undo_each_other(void **state)
{
    (void)state;
    nicest_model *model = model_of_text(SPEC_MIXED, 9);
    double stored[ROWS * 6], x[ROWS * 6], again[ROWS * 6], logp[ROWS], score[ROWS];
    quantise(model, 17, 1.0 / 17);
    nicest_workspace *w = work(model, 0, 1);
    for (size_t i = 0; i < ROWS * 6; i++)
        stored[i] = (double)(i * 7 % 17);
    assert_status(nicest_encode(model, stored, ROWS, 5, x), NICEST_OK);
    assert_status(nicest_decode(model, x, ROWS, again), NICEST_OK);
    assert_memory_equal(again, stored, sizeof stored);
    assert_status(nicest_log_prob(w, x, ROWS, logp), NICEST_OK);
    assert_status(nicest_score(w, stored, ROWS, 5, score), NICEST_OK);
    assert_true(largest_difference(score, logp, ROWS) < 1e-5);
    assert_status(nicest_sample(w, ROWS, 1, 0, 1, again), NICEST_OK);
    for (size_t i = 0; i < ROWS * 6; i++)
        assert_true(again[i] >= 0 && again[i] <= 16 && again[i] == floor(again[i]));
    nicest_workspace_free(w);
    nicest_model_free(model);
    model = model_of_text(SPEC_MIXED, 9); /* continuous: both are the identity */
    for (size_t i = 0; i < ROWS * 6; i++)
        stored[i] += 1e9 + 0.1;
    assert_status(nicest_encode(model, stored, ROWS, 5, x), NICEST_OK);
    assert_memory_equal(x, stored, sizeof stored);
    assert_status(nicest_decode(model, x, ROWS, again), NICEST_OK);
    assert_memory_equal(again, stored, sizeof stored);
    nicest_model_free(model);
}

/* ------------------------------------------------------------------ the same bits */

typedef struct results {
    double logp[ROWS], score[ROWS], logdet[ROWS], latent[ROWS * 6], back[ROWS * 6],
        sample[ROWS * 6], gradient[ROWS * 6];
} results;

static void run_all(nicest_workspace *w, const double *x, size_t first, size_t n, results *r)
{
    const double *rows = x + first * 6;
    size_t at = first * 6;
    assert_status(nicest_log_prob(w, rows, n, r->logp + first), NICEST_OK);
    assert_status(nicest_score(w, rows, n, 2, r->score + first), NICEST_OK);
    assert_status(nicest_forward(w, rows, n, r->latent + at, r->logdet + first), NICEST_OK);
    assert_status(nicest_inverse(w, rows, n, r->back + at, NULL), NICEST_OK);
    assert_status(nicest_sample(w, n, 2, first, 1, r->sample + at), NICEST_OK);
    assert_status(nicest_log_prob_gradient(w, rows, n, NULL, r->gradient + at), NICEST_OK);
}

#define ASSERT_SAME(part) assert_memory_equal(got->part, expected->part, sizeof got->part)

static void assert_same(const results *got, const results *expected)
{
    ASSERT_SAME(logp);
    ASSERT_SAME(score);
    ASSERT_SAME(logdet);
    ASSERT_SAME(latent);
    ASSERT_SAME(back);
    ASSERT_SAME(sample);
    ASSERT_SAME(gradient);
}

static void threads_and_batches_leave_the_bits_alone(void **state)
{
    (void)state;
    static const int threads[] = {1, 2, 3, 8};
    static const size_t rows[] = {0, 1, 5, 64, 100}, parts[] = {ROWS, 1, 7, 64, 65};
    nicest_model *model = model_of_text(SPEC_MIXED, 9);
    double *x = rows_for(model_flow(model), ROWS, 1);
    results *expected = memory_new(1, sizeof *expected), *got = memory_new(1, sizeof *got);
    nicest_workspace *w = work(model, 0, 1);
    run_all(w, x, 0, ROWS, expected);
    nicest_workspace_free(w);
    for (size_t t = 0; t < 4; t++)
        for (size_t i = 0; i < 5; i++) {
            memset(got, 0, sizeof *got);
            w = work(model, rows[i], threads[t]);
            for (size_t first = 0; first < ROWS; first += parts[i])
                run_all(w, x, first, first + parts[i] < ROWS ? parts[i] : ROWS - first, got);
            nicest_workspace_free(w);
            assert_same(got, expected);
        }
    memory_free(x);
    memory_free(expected);
    memory_free(got);
    nicest_model_free(model);
}

static void nothing_is_allocated_once_a_workspace_runs(void **state)
{
    (void)state;
    nicest_model *model = model_of_text(SPEC_MIXED, 9);
    quantise(model, 17, 1);
    double *x = rows_for(model_flow(model), ROWS, 1);
    results *r = memory_new(1, sizeof *r);
    for (int threads = 1; threads < 3; threads++) {
        nicest_workspace *w = work(model, threads == 1, threads);
        assert_status(nicest_log_prob_gradient(w, x, 1, NULL, r->gradient), NICEST_OK);
        size_t calls = memory_calls();
        run_all(w, x, 0, ROWS, r);
        for (size_t i = 0; i < 3; i++)
            run_all(w, x, i, 1, r);
        assert_int_equal(memory_calls(), calls);
        nicest_workspace_free(w);
    }
    memory_free(x);
    memory_free(r);
    nicest_model_free(model);
}

/* ------------------------------------------------------------------ odd rows and arguments */

static const char SPEC_LOGIT[] = "nicest 1\ncolumns 6\nlogit margin=0.05\nstandardise\n"
                                 "coupling move=second hidden=9\ncoupling move=first hidden=9\n"
                                 "scale\nprior normal\n";

/* ... and its neighbours are none the worse. */
static void check_missing(const char *spec)
{
    nicest_model *model = model_of_text(spec, 9);
    nicest_workspace *w = work(model, 0, 1);
    double *x = rows_for(model_flow(model), 12, 1), clean[12], logp[12], score[12];
    assert_status(nicest_log_prob(w, x, 12, clean), NICEST_OK);
    for (size_t i = 0; i < 6; i++)
        x[2 * i * 6 + i] = NAN;
    assert_status(nicest_log_prob(w, x, 12, logp), NICEST_OK);
    assert_status(nicest_score(w, x, 12, 1, score), NICEST_OK);
    for (size_t i = 0; i < 12; i++) {
        assert_true(isnan(clean[i]) == 0);
        assert_int_equal(isnan(logp[i]) != 0, i % 2 == 0);
        assert_int_equal(isnan(score[i]) != 0, i % 2 == 0);
        assert_true(i % 2 == 0 || logp[i] == clean[i]);
    }
    memory_free(x);
    nicest_workspace_free(w);
    nicest_model_free(model);
}

static void a_missing_value_gives_not_a_number(void **state)
{
    (void)state;
    check_missing(SPEC_MIXED);
    check_missing(SPEC_LOGIT);
}

static void arguments_are_checked(void **state)
{
    (void)state;
    nicest_model *model = model_of_text(SPEC_MIXED, 9);
    nicest_workspace *w = work(model, 1, 1), *none = NULL;
    double x[6] = {0}, y[6] = {42};
    static const double temperatures[] = {-0.1, NAN, INFINITY, -INFINITY};
    assert_status(nicest_workspace_new(NULL, model, 1, 1), NICEST_E_ARGUMENT);
    assert_status(nicest_workspace_new(&none, NULL, 1, 1), NICEST_E_ARGUMENT);
    assert_error(nicest_workspace_new(&none, model, 1, -1), NICEST_E_ARGUMENT, "threads");
    assert_error(nicest_workspace_new(&none, model, 1, 1025), NICEST_E_ARGUMENT,
                 "0 to 1024"); /* as cli/options.c says */
    assert_null(none);
    assert_status(nicest_score(NULL, x, 1, 0, y), NICEST_E_ARGUMENT);
    assert_status(nicest_score(w, NULL, 1, 0, y), NICEST_E_ARGUMENT);
    assert_status(nicest_score(w, x, 1, 0, NULL), NICEST_E_ARGUMENT);
    assert_status(nicest_log_prob(w, NULL, 1, y), NICEST_E_ARGUMENT);
    assert_status(nicest_log_prob_gradient(w, x, 1, y, NULL), NICEST_E_ARGUMENT);
    assert_status(nicest_forward(w, NULL, 1, y, NULL), NICEST_E_ARGUMENT);
    assert_status(nicest_inverse(w, x, 1, NULL, y), NICEST_E_ARGUMENT);
    assert_status(nicest_sample(w, 1, 0, 0, 1, NULL), NICEST_E_ARGUMENT);
    assert_status(nicest_sample(w, 1, 0, UINT64_MAX, 1, y), NICEST_E_ARGUMENT);
    for (size_t i = 0; i < 4; i++)
        assert_error(nicest_sample(w, 1, 0, 0, temperatures[i], y), NICEST_E_ARGUMENT,
                     "temperature");
    assert_status(nicest_encode(NULL, x, 1, 0, y), NICEST_E_ARGUMENT);
    assert_status(nicest_encode(model, x, 1, 0, NULL), NICEST_E_ARGUMENT);
    assert_status(nicest_decode(model, NULL, 1, y), NICEST_E_ARGUMENT);
    assert_true(y[0] == 42);
    assert_status(nicest_score(w, NULL, 0, 0, NULL), NICEST_OK);
    assert_status(nicest_sample(w, 0, 0, 0, 1, NULL), NICEST_OK);
    assert_status(nicest_score(w, x, 1, 0, y), NICEST_OK);
    nicest_workspace_free(w);
    nicest_model_free(model);
}

/* An absurd number of rows is a wish, not a size of memory. */
static void many_rows_cost_no_memory(void **state)
{
    (void)state;
    nicest_model *model = model_of_text(SPEC_MIXED, 9);
    nicest_workspace *w = work(model, SIZE_MAX, 1);
    double x[6] = {0}, gradient[6];
    assert_status(nicest_log_prob_gradient(w, x, 1, NULL, gradient), NICEST_OK);
    nicest_workspace_free(w);
    nicest_model_free(model);
}

static void workspaces_leak_nothing_when_memory_fails(void **state)
{
    (void)state;
    nicest_model *model = model_of_text(SPEC_MIXED, 9);
    nicest_status status = NICEST_E_MEMORY;
    double x[6] = {0}, gradient[6];
    size_t before = memory_live(), calls;
    for (calls = 1; status == NICEST_E_MEMORY; calls++) {
        nicest_workspace *w = NULL;
        memory_fail_at(calls);
        status = nicest_workspace_new(&w, model, 1, 1);
        if (status == NICEST_OK)
            status = nicest_log_prob_gradient(w, x, 1, NULL, gradient);
        nicest_workspace_free(w);
        assert_int_equal(memory_live(), before);
    }
    memory_fail_at(0);
    assert_status(status, NICEST_OK);
    assert_true(calls > 20);
    nicest_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_then_inverse_is_the_identity),
        cmocka_unit_test(gradient_is_that_of_differences),
        cmocka_unit_test(samples_have_the_priors_moments),
        cmocka_unit_test(samples_are_numbered),
        cmocka_unit_test(encode_and_decode_undo_each_other),
        cmocka_unit_test(threads_and_batches_leave_the_bits_alone),
        cmocka_unit_test(nothing_is_allocated_once_a_workspace_runs),
        cmocka_unit_test(a_missing_value_gives_not_a_number),
        cmocka_unit_test(arguments_are_checked),
        cmocka_unit_test(many_rows_cost_no_memory),
        cmocka_unit_test(workspaces_leak_nothing_when_memory_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
