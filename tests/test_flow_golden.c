/* test_flow_golden.c - forward, likelihood and all gradients against an independent program,
 * written with PyTorch (tests/golden/make_golden.py). */
#include "flow_fixture.h"
#include "golden/flow.h"

#ifdef NICEST_DOUBLE
#define BOUND 1e-12
#else
#define BOUND 3e-6
#endif

static void assert_all_close(const char *what, const double *a, const double *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!(fabs(a[i] - b[i]) <= BOUND * fmax(1, fabs(b[i]))))
            print_error("%s %zu: %.17g, expected %.17g\n", what, i, a[i], b[i]);
        assert_true(fabs(a[i] - b[i]) <= BOUND * fmax(1, fabs(b[i])));
    }
}

static flow *golden_start(const golden_flow *g)
{
    flow *f = NULL;
    assert_int_equal(flow_new(&f, g->spec, 0), NICEST_OK);
    assert_string_equal(f->spec.text, g->spec);
    assert_int_equal(f->tensors.trainable, g->parameters);
    assert_int_equal(f->tensors.frozen, g->constants);
    for (size_t i = 0; i < g->parameters; i++)
        f->theta[i] = (real)g->theta[i];
    for (size_t i = 0; i < g->constants; i++)
        f->frozen[i] = (real)g->frozen[i];
    return f;
}

static void check_forward(const golden_flow *g)
{
    flow *f = golden_start(g);
    flow_workspace *w = workspace_of(f, FLOW_GRADIENT, GOLDEN_ROWS, 1);
    double logp[GOLDEN_ROWS], logdet[GOLDEN_ROWS], latent[GOLDEN_ROWS * 5], by_x[GOLDEN_ROWS * 5];
    flow_run(w, &(flow_job){.input = FLOW_CONTINUOUS,
                            .rows = GOLDEN_ROWS,
                            .values = g->rows,
                            .logp = logp,
                            .logdet = logdet,
                            .latent = latent,
                            .gradient = by_x});
    assert_all_close("logp", logp, g->logp, GOLDEN_ROWS);
    assert_all_close("logdet", logdet, g->logdet, GOLDEN_ROWS);
    assert_all_close("latent", latent, g->latent, GOLDEN_ROWS * g->columns);
    assert_all_close("gradient by x", by_x, g->by_x, GOLDEN_ROWS * g->columns);
    flow_workspace_free(w);
    flow_free(f);
}

static void check_learning(const golden_flow *g)
{
    flow *f = golden_start(g);
    flow_workspace *w = workspace_of(f, FLOW_LEARN, GOLDEN_ROWS, 1);
    double gradient[512], mean = 0;
    flow_pass pass = flow_learn(
        w, &(flow_job){.input = FLOW_CONTINUOUS, .rows = GOLDEN_ROWS, .values = g->rows});
    assert_true(g->parameters <= 512 && pass.finite);
    for (size_t i = 0; i < GOLDEN_ROWS; i++)
        mean += g->logp[i] / GOLDEN_ROWS;
    assert_all_close("loss", &pass.mean_logp, &mean, 1);
    for (size_t i = 0; i < f->blocks.count; i++) {
        const block *b = &f->blocks.items[i];
        flow_gradient(w, 0, b, flow_block_scratch(w, 0), NULL);
        for (size_t j = 0; j < b->count; j++)
            gradient[b->offset + j] = (double)flow_block_scratch(w, 0)[j];
    }
    assert_all_close("gradient by theta", gradient, g->by_theta, g->parameters);
    flow_workspace_free(w);
    flow_free(f);
}

static void forward_and_likelihood_are_those_of_pytorch(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof golden_flows / sizeof *golden_flows; i++)
        check_forward(&golden_flows[i]);
}

static void gradients_are_those_of_pytorch(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof golden_flows / sizeof *golden_flows; i++)
        check_learning(&golden_flows[i]);
}

#ifndef NICEST_DOUBLE
#include "train/optimizer.h"

/* Ten steps as the trainer makes them, block by block. */
static void check_steps(const golden_flow *g, const optimizer_settings *settings,
                        const double *expected)
{
    flow *f = golden_start(g);
    flow_workspace *w = workspace_of(f, FLOW_LEARN, GOLDEN_ROWS, 1);
    optimizer o;
    assert_int_equal(optimizer_open(&o, settings, f->theta, g->parameters), NICEST_OK);
    for (size_t step = 0; step < GOLDEN_STEPS; step++) {
        flow_learn(w,
                   &(flow_job){.input = FLOW_CONTINUOUS, .rows = GOLDEN_ROWS, .values = g->rows});
        optimizer_step numbers = optimizer_begin(&o, GOLDEN_RATE, 1);
        for (size_t i = 0; i < f->blocks.count; i++) {
            const block *b = &f->blocks.items[i];
            flow_gradient(w, 0, b, flow_block_scratch(w, 0), NULL);
            optimizer_update(&o, &numbers, f->theta, flow_block_scratch(w, 0), b->offset, b->count,
                             b->decays);
        }
    }
    for (size_t i = 0; i < g->parameters; i++) {
        if (!(fabs((double)f->theta[i] - expected[i]) < 2e-5))
            print_error("parameter %zu: %.9g, expected %.9g (from %.9g)\n", i, (double)f->theta[i],
                        expected[i], g->theta[i]);
        assert_true(fabs((double)f->theta[i] - expected[i]) < 2e-5);
    }
    optimizer_close(&o);
    flow_workspace_free(w);
    flow_free(f);
}

static void ten_steps_reach_the_weights_of_pytorch(void **state)
{
    const optimizer_settings adam = {NICEST_ADAM, 0.9, 0.999, 1e-8, GOLDEN_DECAY, 0};
    const optimizer_settings rmsprop = {NICEST_RMSPROP, 0.5, 0.95, 1e-4, 0, 0};
    const optimizer_settings sgd = {NICEST_SGD, 0.9, 0, 0, 0, 0};
    (void)state;
    for (size_t i = 0; i < sizeof golden_flows / sizeof *golden_flows; i++) {
        check_steps(&golden_flows[i], &adam, golden_flows[i].adam);
        check_steps(&golden_flows[i], &rmsprop, golden_flows[i].rmsprop);
        check_steps(&golden_flows[i], &sgd, golden_flows[i].sgd);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_and_likelihood_are_those_of_pytorch),
        cmocka_unit_test(gradients_are_those_of_pytorch),
#ifndef NICEST_DOUBLE
        cmocka_unit_test(ten_steps_reach_the_weights_of_pytorch),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
