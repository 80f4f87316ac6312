/* test_flow_norms.c - the norms of each row's gradient by theta, against the gradient itself. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "flow/flow.h"

enum { ROWS = 70, MOST_COLUMNS = 12, MOST_PARTS = 24 };

static const char SPEC[] = "nicest 1\ncolumns 5\nstandardise\npermute odd-even\n"
                           "coupling move=second hidden=7,6 activation=relu rule=additive\n"
                           "coupling move=first hidden=none\n"
                           "coupling move=second hidden=9 activation=silu rule=additive\n"
                           "scale\nprior logistic\n";

static const char PICTURE[] = "nicest 1\ncolumns 12\n"
                              "convolution size=2x6 keep=checkerboard:0 hidden=5x2\n"
                              "convolution size=2x2 channels=3 keep=rows:1 hidden=66x1 rule=additive\n"
                              "scale\nprior logistic\n";

static flow *random_flow(const char *spec)
{
    flow *f = NULL;
    assert_int_equal(flow_new(&f, spec, 0), NICEST_OK);
    random_stream stream = {5, RANDOM_USER, 0};
    double *values = memory_new(f->tensors.trainable, sizeof *values);
    random_normal(stream, 0, values, f->tensors.trainable);
    for (size_t i = 0; i < f->tensors.trainable; i++)
        f->theta[i] = (real)((spec == SPEC ? 0.5 : 0.2) * values[i]);
    memory_free(values);
    assert_int_equal(entry_set(&f->entry), NICEST_OK);
    return f;
}

/* Square of the norm of one row's gradient by each part, from the gradient of a batch of one. */
static void norms_by_gradient(const flow *f, const double *row, double *squares)
{
    flow_workspace *w = NULL;
    assert_int_equal(flow_workspace_new(&w, f, FLOW_LEARN, 1, 1, false), NICEST_OK);
    flow_learn(w, &(flow_job){.input = FLOW_CONTINUOUS, .rows = 1, .values = row});
    size_t part = 0;
    for (size_t i = 0; i < f->blocks.count; i++) {
        const block *b = &f->blocks.items[i];
        real *g = flow_block_scratch(w, 0);
        if (i > 0 && (b->layer != b[-1].layer || b->tensor != b[-1].tensor))
            part++;
        flow_gradient(w, 0, b, g, NULL);
        squares[part] += vector_dot(g, g, b->count);
    }
    assert_int_equal(part + 1, flow_norms(f));
    flow_workspace_free(w);
}

static void check_norms(const char *spec, size_t parts)
{
    flow *f = random_flow(spec);
    flow_workspace *w = NULL;
    double rows[ROWS * MOST_COLUMNS], logp[ROWS], norms[ROWS * MOST_PARTS];
    assert_int_equal(flow_norms(f), parts);
    random_normal((random_stream){6, RANDOM_USER, 0}, 0, rows, ROWS * MOST_COLUMNS);
    assert_int_equal(flow_workspace_new(&w, f, FLOW_GRADIENT, 64, 2, false), NICEST_OK);
    flow_run(w, &(flow_job){.input = FLOW_CONTINUOUS,
                            .rows = ROWS,
                            .values = rows,
                            .logp = logp,
                            .gradient_norms = norms});
    for (size_t r = 0; r < ROWS; r++) {
        double squares[MOST_PARTS] = {0};
        norms_by_gradient(f, rows + r * f->spec.columns, squares);
        for (size_t i = 0; i < parts; i++)
            if (!(fabs(norms[r * parts + i] - sqrt(squares[i])) <= 1e-4 * sqrt(squares[i]) + 1e-6))
                fail_msg("row %zu part %zu: %g is not %g", r, i, norms[r * parts + i],
                         sqrt(squares[i]));
    }
    flow_workspace_free(w);
    flow_free(f);
}

static void norms_are_those_of_the_gradient(void **state)
{
    (void)state;
    check_norms(SPEC, 3 + 1 + 2 + 1);
    check_norms(PICTURE, 8 + 6 + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(norms_are_those_of_the_gradient)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
