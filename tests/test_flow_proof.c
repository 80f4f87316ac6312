/* test_flow_proof.c - the proof in double holds for flows of the float library, and only where it
 * can: what is not finite is never proven. */
#include "flow/proof.h"

#include "flow_fixture.h"

enum { ROWS = 3 };

static proof prove(const flow *f, const double *rows, const double *deviation)
{
    proof found = {-1, -1};
    proof_subject subject = {f->spec.text, f->theta, f->frozen, rows, ROWS, deviation};
    assert_int_equal(proof_run(&subject, 5, 2, &found), NICEST_OK);
    return found;
}

static void check_proof(const shape *s, const char *text)
{
    flow *f = flow_of_text(text, 41);
    double *x = rows_for(f, ROWS, 6), deviation[33];
    for (size_t j = 0; j < s->columns; j++)
        deviation[j] = 0.5;
    proof p = prove(f, x, deviation);
    double most = strstr(text, "spline") ? 1e-5 : 1e-6; /* nearly flat bins: ill-conditioned */
    if (!(p.logdet_error < most && p.gradient_error < 1e-6))
        print_error("log-determinant %g, gradient %g\n%s", p.logdet_error, p.gradient_error, text);
    assert_true(p.logdet_error >= 0 && p.logdet_error < most);
    assert_true(p.gradient_error >= 0 && p.gradient_error < 1e-6);
    memory_free(x);
    flow_free(f);
}

static void every_flow_is_proven(void **state)
{
    (void)state;
    for_every_shape(check_proof);
}

/* Columns of sizes from a millionth to a million, as tables have them. */
static void sizes_of_columns_do_not_matter(void **state)
{
    (void)state;
    flow *f = flow_of_text("nicest 1\ncolumns 7\nstandardise\ncoupling move=first hidden=40x2\n"
                           "coupling move=second hidden=40x2\nscale\nprior normal\n",
                           42);
    double *x = rows_for(f, ROWS, 6), deviation[7];
    real *log_scale = *f->tensors.items[1].slot, *shift = *f->tensors.items[0].slot;
    for (size_t j = 0; j < 7; j++) {
        deviation[j] = pow(10, 2 * (double)j - 6);
        log_scale[j] = (real)-log(deviation[j]);
        shift[j] = (real)deviation[j];
        for (size_t r = 0; r < ROWS; r++)
            x[r * 7 + j] *= deviation[j];
    }
    proof p = prove(f, x, deviation);
    assert_true(p.logdet_error < 1e-6 && p.gradient_error < 1e-6);
    memory_free(x);
    flow_free(f);
}

/* A normal column, one of which a third is a spike a millionth as wide, one of five spikes alone.
 */
static void fetch_spikes(const void *context, size_t first, size_t count, double *x)
{
    (void)context;
    random_normal((random_stream){45, RANDOM_USER, 0}, 3 * first, x, 3 * count);
    for (size_t i = 0; i < count; i++, x += 3) {
        double noise = 1e-7 * x[2];
        x[1] = (first + i) % 3 ? x[1] : 0.57 + noise;
        x[2] = (double)((first + i) % 5) + noise;
    }
}

/* Rows in spikes and beside them: steps of the columns differ by a factor of a million. */
static void spikes_are_proven(void **state)
{
    enum { LEARNT = 900, PROVEN = 12 };
    (void)state;
    flow *f = flow_of_text("nicest 1\ncolumns 3\nmarginal\ncoupling move=first hidden=8\n"
                           "coupling move=second hidden=8\nprior normal\n",
                           46);
    flow_rows source = {fetch_spikes, NULL, LEARNT};
    assert_int_equal(flow_init(f, &source, 3, 1), NICEST_OK);
    for (size_t first = LEARNT; first < LEARNT + PROVEN; first += ROWS) {
        double x[3 * ROWS], deviation[] = {1, 1, 1};
        fetch_spikes(NULL, first, ROWS, x);
        proof p = prove(f, x, deviation);
        if (!(p.logdet_error < 1e-6 && p.gradient_error < 1e-6))
            print_error("log-determinant %g, gradient %g\n", p.logdet_error, p.gradient_error);
        assert_true(p.logdet_error < 1e-6 && p.gradient_error < 1e-6);
    }
    flow_free(f);
}

static void what_is_not_finite_is_not_proven(void **state)
{
    (void)state;
    flow *f = flow_of_text("nicest 1\ncolumns 3\ncoupling move=first hidden=none\nscale\n"
                           "prior normal\n",
                           43);
    double *x = rows_for(f, ROWS, 6), deviation[] = {1, 1, 1};
    x[4] = NAN;
    proof p = prove(f, x, deviation);
    assert_true(isnan(p.logdet_error) || isnan(p.gradient_error));
    memory_free(x);
    flow_free(f);
}

static void a_wrong_spec_is_an_error(void **state)
{
    proof p = {-1, -1};
    proof_subject subject = {.spec_text = "nicest 2\n"};
    (void)state;
    assert_int_equal(proof_run(&subject, 1, 1, &p), NICEST_E_FORMAT);
    assert_true(p.logdet_error == -1 && p.gradient_error == -1);
}

static void memory_that_runs_out_is_said_and_nothing_leaks(void **state)
{
    (void)state;
    flow *f = flow_of_text("nicest 1\ncolumns 3\ncoupling move=first hidden=4\nscale\n"
                           "prior normal\n",
                           44);
    double *x = rows_for(f, ROWS, 6), deviation[] = {1, 1, 1};
    proof_subject subject = {f->spec.text, f->theta, f->frozen, x, ROWS, deviation};
    nicest_status status = NICEST_E_MEMORY;
    size_t live = memory_live();
    for (size_t n = 1; status != NICEST_OK; n++) {
        proof p = {-1, -1};
        memory_fail_at(n);
        status = proof_run(&subject, 1, 1, &p);
        memory_fail_at(0);
        assert_true(status == NICEST_OK || (status == NICEST_E_MEMORY && p.logdet_error == -1));
        assert_int_equal(memory_live(), live);
    }
    memory_free(x);
    flow_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_flow_is_proven),
        cmocka_unit_test(sizes_of_columns_do_not_matter),
        cmocka_unit_test(spikes_are_proven),
        cmocka_unit_test(what_is_not_finite_is_not_proven),
        cmocka_unit_test(a_wrong_spec_is_an_error),
        cmocka_unit_test(memory_that_runs_out_is_said_and_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
