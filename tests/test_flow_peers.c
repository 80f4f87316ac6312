/* test_flow_peers.c - log p of spline couplings and autoregressive splines equals that of nflows
 * and zuko in double, from the same weights, to 1e-5 nats in every row
 * (golden/make_spline_peers.py). */
#include "flow_fixture.h"
#include "golden/spline_peers.h"

#ifdef NICEST_DOUBLE
static const double BOUND = 1e-11;
#else
static const double BOUND = 1e-5;
#endif

static void check_peer(const golden_peer *g)
{
    flow *f = NULL;
    double rows[PEER_ROWS * PEER_COLUMNS], logp[PEER_ROWS], worst = 0;
    assert_int_equal(flow_new(&f, g->spec, 0), NICEST_OK);
    assert_string_equal(f->spec.text, g->spec);
    assert_int_equal(f->tensors.trainable, g->parameters);
    for (size_t i = 0; i < g->parameters; i++)
        f->theta[i] = (real)g->theta[i] / 4096;
    for (size_t i = 0; i < PEER_ROWS * PEER_COLUMNS; i++)
        rows[i] = (double)g->rows[i] / 4096;
    assert_int_equal(flow_check(f), NICEST_OK);
    flow_workspace *w = workspace_of(f, FLOW_SCORE, PEER_ROWS, 1);
    flow_run(
        w, &(flow_job){.input = FLOW_CONTINUOUS, .rows = PEER_ROWS, .values = rows, .logp = logp});
    for (size_t r = 0; r < PEER_ROWS; r++)
        worst = fmax(worst, fabs(logp[r] - g->logp[r]));
    if (!(worst <= BOUND))
        print_error("%slargest difference %.3g nats\n", g->spec, worst);
    assert_true(worst <= BOUND);
    flow_workspace_free(w);
    flow_free(f);
}

static void likelihoods_are_those_of_nflows_and_zuko(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof golden_peers / sizeof *golden_peers; i++)
        check_peer(&golden_peers[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(likelihoods_are_those_of_nflows_and_zuko),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
