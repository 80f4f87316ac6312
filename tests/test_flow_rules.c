/* test_flow_rules.c - the rules affine and spline, the layers elementwise and autoregressive and
 * residual conditioners against an independent program (tests/golden/make_rules.py): values, log p,
 * gradients by rows and parameters; rows on knots, at the bound, beyond it, in bins that are nearly
 * empty, under slopes at their minimum. */
#include "flow_fixture.h"
#include "golden/rules.h"

enum { MOST_CELLS = RULES_ROWS * 5, MOST_PARAMETERS = 512 };

static void assert_near(const golden_rule *g, const char *what, const double *a, const double *b,
                        size_t n)
{
#ifdef NICEST_DOUBLE
    double bound = 1e-11;
#else
    double bound = g->float_bound;
#endif
    for (size_t i = 0; i < n; i++) {
        if (!(fabs(a[i] - b[i]) <= bound * fmax(1, fabs(b[i]))))
            print_error("%s%s %zu: %.17g, expected %.17g\n", g->spec, what, i, a[i], b[i]);
        assert_true(fabs(a[i] - b[i]) <= bound * fmax(1, fabs(b[i])));
    }
}

static flow *start(const golden_rule *g)
{
    flow *f = NULL;
    assert_int_equal(flow_new(&f, g->spec, 0), NICEST_OK);
    assert_string_equal(f->spec.text, g->spec);
    assert_int_equal(f->tensors.trainable, g->parameters);
    for (size_t i = 0; i < g->parameters; i++)
        f->theta[i] = (real)g->theta[i];
    assert_int_equal(flow_check(f), NICEST_OK);
    return f;
}

static void check_values(const golden_rule *g)
{
    flow *f = start(g);
    flow_workspace *w = workspace_of(f, FLOW_GRADIENT, RULES_ROWS, 1);
    double logp[RULES_ROWS], logdet[RULES_ROWS], latent[MOST_CELLS], by_x[MOST_CELLS];
    flow_run(w, &(flow_job){.input = FLOW_CONTINUOUS,
                            .rows = RULES_ROWS,
                            .values = g->rows,
                            .logp = logp,
                            .logdet = logdet,
                            .latent = latent,
                            .gradient = by_x});
    assert_near(g, "latent", latent, g->latent, RULES_ROWS * g->columns);
    assert_near(g, "logdet", logdet, g->logdet, RULES_ROWS);
    assert_near(g, "logp", logp, g->logp, RULES_ROWS);
    if (g->by_x)
        assert_near(g, "gradient by x", by_x, g->by_x, RULES_ROWS * g->columns);
    flow_workspace_free(w);
    flow_free(f);
}

static void check_gradient(const golden_rule *g)
{
    flow *f = start(g);
    flow_workspace *w = workspace_of(f, FLOW_LEARN, RULES_ROWS, 1);
    double gradient[MOST_PARAMETERS];
    flow_pass pass =
        flow_learn(w, &(flow_job){.input = FLOW_CONTINUOUS, .rows = RULES_ROWS, .values = g->rows});
    assert_true(g->parameters <= MOST_PARAMETERS && pass.finite);
    for (size_t i = 0; i < f->blocks.count; i++) {
        const block *b = &f->blocks.items[i];
        flow_gradient(w, 0, b, flow_block_scratch(w, 0), NULL);
        for (size_t j = 0; j < b->count; j++)
            gradient[b->offset + j] = (double)flow_block_scratch(w, 0)[j];
    }
    assert_near(g, "gradient by theta", gradient, g->by_theta, g->parameters);
    flow_workspace_free(w);
    flow_free(f);
}

static void rules_move_rows_as_an_independent_program_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof golden_rules / sizeof *golden_rules; i++)
        check_values(&golden_rules[i]);
}

static void rules_have_the_gradients_of_an_independent_program(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof golden_rules / sizeof *golden_rules; i++)
        if (golden_rules[i].by_theta)
            check_gradient(&golden_rules[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_move_rows_as_an_independent_program_does),
        cmocka_unit_test(rules_have_the_gradients_of_an_independent_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
