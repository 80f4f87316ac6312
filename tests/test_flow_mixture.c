/* test_flow_mixture.c - a mixture as prior: it is the fitted one before any step, marginal where
 * values are hidden, with the gradients of differences, and the same bits however it is run. */
#include "flow_fixture.h"

#include "base/mixture.h"
#include "flow/prior.h"
#include "golden/mixture.h"

enum { N = 400, D = 3, TILE_ROWS = 300 };

#define HEAD "nicest 1\ncolumns 3\n"

static double all_rows[N * D];

/* The rows of golden/make_mixture.py. */
static void make_rows(void)
{
    for (int i = 0; i < N; i++) {
        double *x = all_rows + i * D;
        for (int j = 0; j < D; j++)
            x[j] = sin(12.9898 * (i + 1) + 78.233 * (j + 1) * (i % 17 + 1));
        x[1] += 0.6 * x[0];
        for (int j = 0; j < D; j++)
            x[j] = x[j] * (0.3 + 0.2 * (i % 3)) + 2.0 * (i % 3) * cos(1.0 * j);
    }
}

static void fetch_rows(const void *context, size_t first, size_t count, double *stored)
{
    memcpy(stored, (const double *)context + first * D, count * D * sizeof *stored);
}

static flow *started(const char *text, const double *rows, size_t n)
{
    flow *f = NULL;
    flow_rows source = {fetch_rows, rows, n};
    assert_int_equal(flow_new(&f, text, 0), NICEST_OK);
    assert_int_equal(flow_init(f, &source, 1, 2), NICEST_OK);
    return f;
}

static void log_densities(const flow *f, const double *x, size_t n, double *logp)
{
    flow_workspace *w = workspace_of(f, FLOW_SCORE, n, 2);
    flow_run(w, &(flow_job){.input = FLOW_CONTINUOUS, .rows = n, .values = x, .logp = logp});
    flow_workspace_free(w);
}

static double mean_density(const flow *f)
{
    double logp[N], sum = 0;
    log_densities(f, all_rows, N, logp);
    for (size_t i = 0; i < N; i++)
        sum += logp[i] / N;
    return sum;
}

static void it_starts_as_scikit_learns_mixture(void **state)
{
    (void)state;
    flow *f = started(HEAD "prior mixture:3\n", all_rows, N);
    assert_true(fabs(mean_density(f) - golden_likelihood[2]) < 2e-3);
    flow_free(f);
    f = started(HEAD "prior mixture:3:diagonal\n", all_rows, N);
    assert_true(fabs(mean_density(f) - golden_likelihood[5]) < 2e-3);
    flow_free(f);
    f = started(HEAD "standardise\nprior mixture:3\n", all_rows, N);
    assert_true(fabs(mean_density(f) - golden_standardised[0]) < 2e-3);
    flow_free(f);
}

/* Rows with every pattern of holes in three columns. */
static void make_patterns(double *x, size_t n)
{
    memcpy(x, all_rows, n * D * sizeof *x);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < D; j++)
            if ((i * i / 3 + i) % 8 >> j & 1)
                x[i * D + j] = NAN;
}

static void rows_with_holes_have_the_marginal(void **state)
{
    (void)state;
    double x[N * D], logp[N], seen[N];
    make_patterns(x, N);
    for (int diagonal = 0; diagonal < 2; diagonal++) {
        flow *f = started(diagonal ? HEAD "masked\nprior mixture:3:diagonal\n"
                                   : HEAD "masked\nprior mixture:3\n",
                          all_rows, N);
        mixture *m = NULL;
        mixture_view *v = NULL;
        mixture_rows rows = {all_rows, NULL, N, D};
        mixture_options o = {.parts = 3, .diagonal = diagonal, .seed = 1};
        assert_int_equal(mixture_fit(&m, &rows, &o, NULL), NICEST_OK);
        assert_int_equal(mixture_view_new(&v, m, true), NICEST_OK);
        log_densities(f, x, N, logp);
        mixture_evaluate(v, x, N, seen, NULL);
        for (size_t i = 0; i < N; i++)
            assert_true(fabs(logp[i] - seen[i]) < 1e-4 * (1 + fabs(seen[i])));
        mixture_view_free(v);
        mixture_free(m);
        flow_free(f);
    }
}

/* It learns from rows with holes, too: EM over what is missing. */
static void it_starts_from_rows_with_holes(void **state)
{
    (void)state;
    double x[N * D];
    memcpy(x, all_rows, sizeof x);
    for (size_t i = 0; i < N; i++)
        x[i * D + i % D] = i % 2 ? x[i * D + i % D] : NAN;
    flow *f = started(HEAD "masked\nstandardise\nprior mixture:3\n", x, N);
    assert_true(fabs(mean_density(f) - golden_likelihood[2]) < 0.1);
    flow_free(f);
}

/* Integers, and one row far away that is a part of its own: with other noise it is about as likely.
 */
static void noise_is_not_learnt_by_heart(void **state)
{
    (void)state;
    double rows[N * D], logp[N];
    flow *f = NULL;
    flow_rows source = {fetch_rows, rows, N};
    for (size_t i = 0; i < N * D; i++)
        rows[i] = i / D == 7 ? 500 : floor(10 * all_rows[i]);
    assert_int_equal(flow_new(&f, HEAD "standardise\nprior mixture:3\n", 0), NICEST_OK);
    for (size_t j = 0; j < D; j++)
        f->entry.column[j] = (entry_column){.step = 1, .unit = 1};
    assert_int_equal(entry_set(&f->entry), NICEST_OK);
    assert_int_equal(flow_init(f, &source, 1, 2), NICEST_OK);
    flow_workspace *w = workspace_of(f, FLOW_SCORE, N, 1);
    flow_run(w, &(flow_job){.input = FLOW_STORED,
                            .rows = N,
                            .values = rows,
                            .noise = {9, RANDOM_SCORE, 0},
                            .logp = logp});
    for (size_t i = 0; i < N; i++)
        assert_true(logp[i] > -40);
    flow_workspace_free(w);
    flow_free(f);
}

/* Whole gradient by theta of one batch. */
static double learn_batch(const flow *f, flow_use use, const double *x, size_t n, int threads,
                          real *gradient)
{
    flow_workspace *w = workspace_of(f, use, n, threads);
    flow_pass pass = flow_learn(w, &(flow_job){.input = FLOW_CONTINUOUS, .rows = n, .values = x});
    assert_true(pass.finite);
    for (size_t i = f->blocks.count; i-- > 0;)
        flow_gradient(w, (int)i % threads, &f->blocks.items[i],
                      gradient + f->blocks.items[i].offset, NULL);
    flow_workspace_free(w);
    return pass.mean_logp;
}

static const char *const KINDS[] = {HEAD "prior mixture:3\n",
                                    HEAD "prior mixture:2:diagonal\n",
                                    HEAD "masked\nprior mixture:3\n",
                                    HEAD "prior mixture:2:background\n",
                                    HEAD "masked\nprior mixture:2:background\n",
                                    HEAD "masked\nstandardise\nprior mixture:2:diagonal\n"};

static void bits_depend_on_nothing(void **state)
{
    (void)state;
    double x[TILE_ROWS * D], logp[TILE_ROWS], again[TILE_ROWS];
    for (size_t kind = 0; kind < 4; kind++) {
        flow *f = flow_of_text(KINDS[kind], 7);
        size_t count = f->tensors.trainable;
        real *one = memory_new(count, sizeof *one), *many = memory_new(count, sizeof *many);
        memcpy(x, all_rows, sizeof x);
        if (f->spec.masked)
            make_patterns(x, TILE_ROWS);
        for (size_t n = 1; n <= TILE_ROWS; n += 133) {
            double loss = learn_batch(f, FLOW_LEARN, x, n, 1, one);
            for (int threads = 2; threads < 8; threads += 3)
                for (flow_use use = FLOW_LEARN; use <= FLOW_RECOMPUTE; use++) {
                    assert_true(learn_batch(f, use, x, n, threads, many) == loss);
                    assert_memory_equal(one, many, count * sizeof *one);
                }
        }
        log_densities(f, x, TILE_ROWS, logp);
        for (size_t i = 0; i < TILE_ROWS; i += 17) {
            log_densities(f, x + i * D, 1, again + i);
            assert_true(again[i] == logp[i]);
        }
        memory_free(one);
        memory_free(many);
        flow_free(f);
    }
}

static double objective(const flow *f, const double *x, size_t n)
{
    double logp[TILE_ROWS], sum = 0;
    log_densities(f, x, n, logp);
    for (size_t i = 0; i < n; i++)
        sum += logp[i] / (double)n;
    return sum;
}

/* Against central differences of every parameter and value; exact in the double twin. */
static void gradients_are_differences(void **state)
{
    enum { ROWS = 24 };
    (void)state;
    double x[ROWS * D], gradient[ROWS * D], tolerance = sizeof(real) == 8 ? 1e-6 : 2e-2;
    double step = sizeof(real) == 8 ? 1e-5 : 1e-3;
    for (size_t kind = 0; kind < 4; kind++) {
        flow *f = flow_of_text(KINDS[kind], 9);
        size_t count = f->tensors.trainable;
        real *by_theta = memory_new(count, sizeof *by_theta);
        memcpy(x, all_rows, sizeof x);
        if (f->spec.masked)
            make_patterns(x, ROWS);
        learn_batch(f, FLOW_LEARN, x, ROWS, 1, by_theta);
        for (size_t i = 0; i < count; i++) {
            real kept = f->theta[i];
            f->theta[i] = kept + (real)step;
            double width = (double)f->theta[i], up = objective(f, x, ROWS);
            f->theta[i] = kept - (real)step;
            double slope = (up - objective(f, x, ROWS)) / (width - (double)f->theta[i]);
            f->theta[i] = kept;
            if (!(fabs(slope + (double)by_theta[i]) < tolerance * (1 + fabs(slope))))
                fail_msg("%s parameter %zu: %.9g against %.9g", KINDS[kind], i,
                         -(double)by_theta[i], slope);
        }
        flow_workspace *w = workspace_of(f, FLOW_GRADIENT, ROWS, 1);
        flow_run(w, &(flow_job){
                        .input = FLOW_CONTINUOUS, .rows = ROWS, .values = x, .gradient = gradient});
        for (size_t i = 0; i < ROWS * D; i++) {
            double kept = x[i], up, down;
            x[i] = kept + 1e-5;
            log_densities(f, x + i / D * D, 1, &up);
            x[i] = kept - 1e-5;
            log_densities(f, x + i / D * D, 1, &down);
            x[i] = kept;
            double slope = isnan(kept) ? 0 : (up - down) / 2e-5;
            assert_true(fabs(slope - gradient[i]) < 1e-5 * (1 + fabs(slope)));
        }
        flow_workspace_free(w);
        memory_free(by_theta);
        flow_free(f);
    }
}

/* A workspace notices that parameters have changed. */
static void a_living_workspace_follows_theta(void **state)
{
    (void)state;
    double before[2], after[2], fresh[2];
    flow *f = flow_of_text(KINDS[0], 9);
    flow_workspace *w = workspace_of(f, FLOW_SCORE, 2, 1);
    flow_job job = {.input = FLOW_CONTINUOUS, .rows = 2, .values = all_rows, .logp = before};
    flow_run(w, &job);
    for (size_t i = 0; i < f->tensors.trainable; i++) {
        f->theta[i] += (real)0.125;
        job.logp = after;
        flow_run(w, &job);
        log_densities(f, all_rows, 2, fresh);
        assert_memory_equal(after, fresh, sizeof after);
    }
    assert_memory_not_equal(after, before, sizeof after);
    flow_workspace_free(w);
    flow_free(f);
}

static void nothing_is_allocated_while_it_runs(void **state)
{
    (void)state;
    double x[N * D], out[N * D];
    make_patterns(x, N);
    flow *f = flow_of_text(KINDS[2], 3);
    flow_workspace *w = workspace_of(f, FLOW_LEARN, N, 2);
    size_t before = memory_calls();
    flow_learn(w, &(flow_job){.input = FLOW_CONTINUOUS, .rows = N, .values = x});
    for (size_t i = 0; i < f->blocks.count; i++)
        flow_gradient(w, 1, &f->blocks.items[i], flow_block_scratch(w, 1), NULL);
    flow_run(w, &(flow_job){.input = FLOW_CONTINUOUS, .rows = N, .values = x, .gradient = out});
    flow_run(w, &(flow_job){.input = FLOW_PRIOR, .rows = N, .temperature = 1, .continuous = out});
    assert_int_equal(memory_calls(), before);
    flow_workspace_free(w);
    flow_free(f);
}

/* Samples have the columns' means and deviations; without heat only the parts' means are left. */
static void samples_come_from_it(void **state)
{
    enum { DRAWS = 20000 };
    (void)state;
    flow *f = started(HEAD "prior mixture:3\n", all_rows, N);
    flow_workspace *w = workspace_of(f, FLOW_SCORE, DRAWS, 2);
    double *x = memory_new(DRAWS * D, sizeof *x);
    flow_job job = {.input = FLOW_PRIOR,
                    .rows = DRAWS,
                    .noise = {3, RANDOM_SAMPLE, 0},
                    .temperature = 1,
                    .continuous = x};
    flow_run(w, &job);
    for (size_t j = 0; j < D; j++) {
        double mean = 0, square = 0, truth = 0, truth_square = 0;
        for (size_t i = 0; i < DRAWS; i++) {
            mean += x[i * D + j] / DRAWS;
            square += x[i * D + j] * x[i * D + j] / DRAWS;
        }
        for (size_t i = 0; i < N; i++) {
            truth += all_rows[i * D + j] / N;
            truth_square += all_rows[i * D + j] * all_rows[i * D + j] / N;
        }
        assert_true(fabs(mean - truth) < 0.05);
        assert_true(fabs(sqrt(square - mean * mean) - sqrt(truth_square - truth * truth)) < 0.05);
    }
    job.temperature = 0;
    flow_run(w, &job);
    for (size_t i = 1; i < DRAWS; i++) {
        bool one_of_three = false;
        for (size_t k = 0; k < 3; k++) /* the first rows show all of them */
            one_of_three =
                one_of_three || fabs(x[i * D] - (double)(*f->tensors.items[2].slot)[k * 6]) < 1e-6;
        assert_true(one_of_three);
    }
    memory_free(x);
    flow_workspace_free(w);
    flow_free(f);
}

static void bad_lines_and_tensors_are_refused(void **state)
{
    static const char *const bad[] = {
        "mixture",        "mixture:",  "mixture:0",  "mixture:1025",        "mixture:2:",
        "mixture:2:full", "mixture:x", "mixtures:2", "mixture:2:diagonal:", "mixture::background"};
    char text[200];
    flow *f = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, HEAD "prior %s\n", bad[i]);
        assert_int_equal(flow_new(&f, text, 0), NICEST_E_FORMAT);
        assert_non_null(strstr(nicest_error(), "spec line 3: expected 'prior"));
    }
    assert_int_equal(flow_new(&f, "nicest 1\ncolumns 1025\nprior mixture:1\n", 0), NICEST_E_FORMAT);
    assert_int_equal(flow_new(&f, "nicest 1\ncolumns 0\nprior mixture:1\n", 0), NICEST_E_FORMAT);
    assert_int_equal(flow_new(&f, HEAD "prior mixture:1000\n", 5000), NICEST_E_FORMAT);
    f = flow_of_text(HEAD "prior mixture:2:background\n", 1); /* one more */
    assert_string_equal(f->spec.text, HEAD "prior mixture:2:background\n");
    assert_int_equal(f->tensors.items[0].shape[0], 3);
    flow_free(f);
    f = flow_of_text(HEAD "prior mixture:02:diagonal # two\n", 1);
    assert_string_equal(f->spec.text, HEAD "prior mixture:2:diagonal\n");
    assert_int_equal(flow_check(f), NICEST_OK);
    (*f->tensors.items[2].slot)[4] = 0;
    assert_int_equal(flow_check(f), NICEST_E_FORMAT);
    assert_non_null(strstr(nicest_error(), "part 1, column 2"));
    flow_free(f);
    assert_int_equal(flow_new(&f, HEAD "prior mixture:4\n", 0), NICEST_OK);
    flow_rows three = {fetch_rows, all_rows, 3};
    assert_int_equal(flow_init(f, &three, 1, 1), NICEST_E_DATA);
    assert_non_null(strstr(nicest_error(), "a mixture of 4 parts wants as many rows; there are 3"));
    flow_free(f);
}

static void memory_may_run_out(void **state)
{
    (void)state;
    flow *f = NULL;
    flow_workspace *w = NULL;
    flow_rows rows = {fetch_rows, all_rows, 30};
    nicest_status status = NICEST_E_MEMORY;
    size_t live = memory_live();
    for (size_t call = 1; status != NICEST_OK; call++) {
        memory_fail_at(call);
        status = flow_new(&f, KINDS[2], 0);
        if (status == NICEST_OK)
            status = flow_init(f, &rows, 1, 1);
        if (status == NICEST_OK)
            status = flow_workspace_new(&w, f, FLOW_RECOMPUTE, 16, 2, false);
        memory_fail_at(0);
        assert_true(status == NICEST_OK || status == NICEST_E_MEMORY);
        flow_workspace_free(w);
        flow_free(f);
        f = NULL;
        w = NULL;
        assert_int_equal(memory_live(), live);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_starts_as_scikit_learns_mixture),
        cmocka_unit_test(rows_with_holes_have_the_marginal),
        cmocka_unit_test(it_starts_from_rows_with_holes),
        cmocka_unit_test(noise_is_not_learnt_by_heart),
        cmocka_unit_test(bits_depend_on_nothing),
        cmocka_unit_test(gradients_are_differences),
        cmocka_unit_test(a_living_workspace_follows_theta),
        cmocka_unit_test(nothing_is_allocated_while_it_runs),
        cmocka_unit_test(samples_come_from_it),
        cmocka_unit_test(bad_lines_and_tensors_are_refused),
        cmocka_unit_test(memory_may_run_out),
    };
    make_rows();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
