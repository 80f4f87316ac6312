/* test_flow_linear.c - the linear layer's starts: identity, and whitening of rows of every rank.
 * Its values are checked in test_flow_marginal.c, its proofs in test_flow_properties.c. */
#include "flow_fixture.h"

enum { MOST_COLUMNS = 24 };

/* Rows whose columns are mixtures of `rank` normals, far from zero; the last column is constant. */
typedef struct mixed_rows {
    size_t columns, rank;
} mixed_rows;

static void fetch_mixed(const void *context, size_t first, size_t count, double *stored)
{
    const mixed_rows *m = context;
    for (size_t r = 0; r < count; r++) {
        double z[MOST_COLUMNS];
        random_normal((random_stream){3, RANDOM_USER, 1}, first + r, z, m->rank);
        for (size_t j = 0; j < m->columns; j++) {
            double *x = stored + r * m->columns + j;
            *x = 50;
            for (size_t k = 0; j + 1 < m->columns && k < m->rank; k++)
                *x += ((k == j) + 0.3 * sin((double)(3 * j + 7 * k * k))) * z[k] * (double)(1 + j);
        }
    }
}

static flow *started(const char *line, const char *prior, const mixed_rows *m, size_t n)
{
    flow *f = NULL;
    char text[256];
    flow_rows source = {fetch_mixed, m, n};
    snprintf(text, sizeof text, "nicest 1\ncolumns %zu\n%s\nprior %s\n", m->columns, line, prior);
    assert_int_equal(flow_new(&f, text, 0), NICEST_OK);
    assert_int_equal(flow_init(f, &source, 2, 2), NICEST_OK);
    assert_int_equal(flow_check(f), NICEST_OK);
    return f;
}

/* y[n, d] and log p of the first n rows. */
static void run_rows(const flow *f, const mixed_rows *m, size_t n, double *y, double *logp)
{
    double *x = memory_new(n * m->columns, sizeof *x);
    flow_workspace *w = workspace_of(f, FLOW_SCORE, 0, 1);
    fetch_mixed(m, 0, n, x);
    flow_run(w, &(flow_job){
                    .input = FLOW_CONTINUOUS, .rows = n, .values = x, .latent = y, .logp = logp});
    flow_workspace_free(w);
    memory_free(x);
}

/* With many rows of full rank y has mean 0 and the identity (times the prior's variance) as its
 * covariance, but for the constant and the share that is shrunk. */
static void whitening_whitens(void **state)
{
    enum { D = 9, N = 5000 };
    const mixed_rows m = {D, 12};
    static double y[N * D], logp[2][N];
    (void)state;
    for (int prior = 0; prior < 2; prior++) {
        const char *name = prior ? "logistic" : "normal";
        for (int form = 0; form < 2; form++) {
            flow *f = started(form ? "linear form=lu" : "linear form=triangular", name, &m, N);
            double variance = pow(prior_deviation(f->spec.prior), 2);
            run_rows(f, &m, N, y, logp[form]);
            for (size_t i = 0; i + 1 < D; i++)
                for (size_t j = 0; j <= i; j++) {
                    double sum = 0, mean = 0;
                    for (size_t r = 0; r < N; r++) {
                        sum += y[r * D + i] * y[r * D + j] / N;
                        mean += y[r * D + i] / N;
                    }
                    assert_true(fabs(mean) < 1e-4);
                    assert_true(fabs(sum / variance - (i == j)) < 0.05);
                }
            flow_free(f);
        }
        for (size_t r = 0; r < N; r++) /* both forms are one density */
            assert_true(fabs(logp[0][r] - logp[1][r]) < 1e-4 * fabs(logp[0][r]));
    }
}

/* More columns than rows, columns that follow from others, one row: a density that is no spike, and
 * an inverse that keeps its bound. */
static void any_rank_gives_a_density(void **state)
{
    static const size_t rows[] = {1, 2, 5, 300}, ranks[] = {1, 3, 20};
    static double y[300 * MOST_COLUMNS], logp[300];
    (void)state;
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 3; k++) {
            const mixed_rows m = {MOST_COLUMNS, ranks[k]};
            size_t n = rows[i];
            flow *f = started("linear form=lu", "normal", &m, n);
            double *x = memory_new(n * m.columns, sizeof *x), *back = memory_new(n * m.columns, 8);
            run_rows(f, &m, n, y, logp);
            fetch_mixed(&m, 0, n, x);
            flow_workspace *w = workspace_of(f, FLOW_SCORE, 0, 1);
            flow_run(w,
                     &(flow_job){.input = FLOW_LATENT, .rows = n, .values = y, .continuous = back});
            for (size_t r = 0; r < n; r++)
                assert_true(isfinite(logp[r]));
            for (size_t j = 0; j < n * m.columns; j++) /* deviations are 1 to 100 */
                assert_true(fabs(back[j] - x[j]) < 1e-6);
            flow_workspace_free(w);
            flow_free(f);
            memory_free(x);
            memory_free(back);
        }
}

static void identity_changes_nothing(void **state)
{
    enum { N = 40 };
    const mixed_rows m = {7, 3};
    static double y[N * 7], x[N * 7], logp[N];
    (void)state;
    fetch_mixed(&m, 0, N, x);
    for (int form = 0; form < 2; form++) {
        flow *f = started(form ? "linear form=lu start=identity"
                               : "linear form=triangular "
                                 "start=identity",
                          "normal", &m, N);
        run_rows(f, &m, N, y, logp);
        assert_memory_equal(x, y, sizeof x);
        flow_free(f);
    }
}

static void what_is_wrong_is_said(void **state)
{
    static const char *const lines[] = {"linear", "linear form=dense",
                                        "linear form=lu start=cholesky", "linear form=lu size=3"};
    flow *f = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char text[128];
        snprintf(text, sizeof text, "nicest 1\ncolumns 3\n%s\nprior normal\n", lines[i]);
        assert_int_equal(flow_new(&f, text, 0), NICEST_E_FORMAT);
        assert_string_equal(nicest_error(), "spec line 3: expected 'linear form=triangular|lu "
                                            "start=whiten|identity'");
    }
    assert_int_equal(flow_new(&f, "nicest 1\ncolumns 3\nmasked\nlinear form=lu\nprior normal\n", 0),
                     NICEST_E_FORMAT);
    assert_non_null(strstr(nicest_error(), "not with 'masked'"));
    f = flow_of_text("nicest 1\ncolumns 3\nlinear form=lu\nprior normal\n", 1);
    assert_int_equal(flow_check(f), NICEST_OK);
    f->theta[1] = 1;
    assert_int_equal(flow_check(f), NICEST_E_FORMAT);
    flow_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whitening_whitens),
        cmocka_unit_test(any_rank_gives_a_density),
        cmocka_unit_test(identity_changes_nothing),
        cmocka_unit_test(what_is_wrong_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
