/* test_flow_categories.c - categories, mass points and hidden values are a density together: masses
 * sum to one, samples follow them, gradients are right, nothing depends on tiles or threads. */
#include "flow/proof.h"

#include "flow_fixture.h"

/* A value with a mass point at 0; words of three classes and OTHER; a value; a flag; a column that
 * follows the words; a constant; a given number. */
enum { D = 7, CLASSES = 3, ROWS = 300 };
static const char SPEC[] = "nicest 1\ncolumns 2\ncontext 12\nmasked\n"
                           "categories classes=2,4,2 hidden=12 activation=silu\nstandardise\n"
                           "permute reverse\n"
                           "coupling move=second hidden=8x2 activation=tanh\n"
                           "coupling move=first hidden=8x2 activation=tanh\nscale\nprior normal\n";
static const double TABLE[] = {0, 1, 4, 5, 0, 1, 10, 11, 15, 7}, OTHER = 0.05;

static void set_entry(flow *f, double other)
{
    entry e;
    assert_true(entry_open(&e, D) && entry_table(&e, 10));
    memcpy(e.table, TABLE, sizeof TABLE);
    e.column[0] = (entry_column){.states = 1, .centre = 0.5};
    e.column[1] = (entry_column){.role = ENTRY_CATEGORY, .states = 3, .other = other};
    e.column[2] = (entry_column){.centre = -0.25};
    e.column[3] = (entry_column){.role = ENTRY_CATEGORY, .states = 2};
    e.column[4] = (entry_column){.role = ENTRY_FOLLOWS, .source = 2, .states = 3, .other = 0.01};
    e.column[5] = (entry_column){.role = ENTRY_FOLLOWS, .states = 1, .other = 0.02};
    e.column[6] = (entry_column){.given = 1, .centre = 3, .factor = 0.5};
    assert_int_equal(entry_set(&e), NICEST_OK);
    assert_int_equal(flow_set_entry(f, &e), NICEST_OK);
    entry_close(&e);
}

/* Hidden units in three groups: the first sees what is given alone, the others a category more
 * each. The net's masks, once more. */
static void mask_net(const tensor *t)
{
    static const size_t input_end[] = {3, 8, 11}, class_of_output[] = {0, 0, 1, 1, 1, 1, 2, 2};
    bool first = named(t, "mlp.0");
    for (size_t o = 0; o < t->shape[0]; o++)
        for (size_t i = 0; i < t->shape[1]; i++) {
            size_t group = first ? o / 4 : class_of_output[o];
            bool reads = first ? group > 0 && i < input_end[group - 1] : i / 4 <= group;
            (*t->slot)[o * t->shape[1] + i] *= reads;
        }
}

static flow *mixed_flow(void)
{
    flow *f = NULL;
    assert_int_equal(flow_new(&f, SPEC, 0), NICEST_OK);
    randomise(f, 3);
    for (size_t i = 0; i < f->tensors.count; i++) {
        const tensor *t = &f->tensors.items[i];
        for (size_t k = 0; named(t, "other") && k < CLASSES; k++)
            (*t->slot)[k] = k == 1 ? (real)OTHER : 0;
        if (!strcmp(t->name, "layers.0.mlp.0.weight") || !strcmp(t->name, "layers.0.mlp.1.weight"))
            mask_net(t);
    }
    assert_int_equal(flow_check(f), NICEST_OK);
    set_entry(f, OTHER);
    return f;
}

static void score(const flow *f, const double *rows, size_t n, int threads, double *logp)
{
    flow_workspace *w = workspace_of(f, FLOW_SCORE, 0, threads);
    flow_run(w, &(flow_job){.input = FLOW_CONTINUOUS, .rows = n, .values = rows, .logp = logp});
    flow_workspace_free(w);
}

static double probability(const flow *f, const double *row)
{
    double logp;
    score(f, row, 1, 1, &logp);
    return exp(logp);
}

/* rows[n, D], all given the same number, NaN where hidden. */
static double *samples(const flow *f, size_t n, int threads)
{
    double *rows = memory_new(n * D, sizeof *rows), *given = memory_new(n * D, sizeof *given);
    assert_true(rows && given);
    for (size_t i = 0; i < n * D; i++)
        given[i] = i % D == 6 ? 4 : NAN;
    flow_workspace *w = workspace_of(f, FLOW_SCORE, 0, threads);
    flow_run(w, &(flow_job){.input = FLOW_PRIOR,
                            .rows = n,
                            .values = given,
                            .noise = {2, RANDOM_SAMPLE, 0},
                            .temperature = 1,
                            .continuous = rows});
    flow_workspace_free(w);
    memory_free(given);
    return rows;
}

/* The first value hidden or at its point, the second integrated: sums over all categories are 1. */
static void masses_sum_to_one(void **state)
{
    static const double words[] = {1, 4, 5, 77}, followers[] = {10, 11, 15, NAN};
    (void)state;
    flow *f = mixed_flow();
    double total = 0, hidden = 0;
    for (int i = 0; i < 16; i++) {
        bool at_point = i & 1;
        double row[D] = {
            at_point ? 0 : 2, words[i / 2 % 4], NAN, i / 8, followers[i / 2 % 4], 7, 4};
        double known = (i / 2 % 4 == 3 ? 1 : 0.99) * 0.98, width = 0.02, sum = 0;
        row[0] = at_point ? 0 : NAN; /* unknown: the category is passed over */
        hidden += at_point ? 0 : probability(f, row) / known;
        if (at_point)
            sum = probability(f, row);
        for (double x = -30; !at_point && x < 30; x += width) {
            row[0] = x + width / 2;
            sum += width * probability(f, row);
        }
        total += sum / known;
    }
    assert_true(fabs(total - 1) < 1e-4);
    assert_true(fabs(hidden - 1) < 1e-5);
    flow_free(f);
}

static void samples_follow_the_probabilities(void **state)
{
    enum { N = 40000 };
    (void)state;
    flow *f = mixed_flow();
    double *rows = samples(f, N, 2), at[D] = {0, NAN, NAN, NAN, NAN, NAN, 4};
    double point = probability(f, at), named_words = 0;
    for (int i = 0; i < 3; i++) {
        at[1] = TABLE[1 + i];
        named_words += probability(f, at);
    }
    for (int i = 0; i < 6; i++) {
        size_t count = 0;
        double row[D] = {0, TABLE[1 + i / 2], NAN, i % 2, NAN, NAN, 4};
        double p = probability(f, row) * point / named_words;
        for (size_t r = 0; r < N; r++) {
            const double *x = rows + r * D;
            count += x[0] == 0 && x[1] == row[1] && x[3] == row[3];
            assert_true(x[4] == (x[1] == 1 ? 10 : x[1] == 4 ? 11 : 15) && x[5] == 7 && x[6] == 4);
            assert_true(isfinite(x[0]) && isfinite(x[2]));
        }
        assert_true(fabs((double)count / N - p) < 5 * sqrt(p * (1 - p) / N));
    }
    memory_free(rows);
    flow_free(f);
}

static void gradients_are_proven(void **state)
{
    static const double rows[3][6] = {
        {0.3, -1, 0, 3, 1, 0.5}, {NAN, 0.7, 1, 1, NAN, -1}, {NAN, NAN, NAN, NAN, 0, 0.2}};
    static const double deviation[] = {1, 1};
    (void)state;
    flow *f = mixed_flow();
    proof found = {-1, -1};
    proof_subject subject = {f->spec.text, f->theta, f->frozen, rows[0], 3, deviation};
    assert_int_equal(proof_run(&subject, 5, 2, &found), NICEST_OK);
    assert_true(found.logdet_error >= 0 && found.logdet_error < 1e-6);
    assert_true(found.gradient_error >= 0 && found.gradient_error < 1e-6);
    flow_free(f);
}

static void threads_order_and_batches_leave_the_bits(void **state)
{
    (void)state;
    flow *f = mixed_flow();
    double *rows = samples(f, ROWS, 1), *again = samples(f, ROWS, 3), one[ROWS], three[ROWS];
    assert_memory_equal(rows, again, ROWS * D * sizeof *rows);
    for (size_t r = 0; r < ROWS; r += 3)
        rows[r * D + r % 4] = NAN;
    score(f, rows, ROWS, 1, one);
    score(f, rows, ROWS, 3, three);
    assert_memory_equal(one, three, sizeof one);
    for (size_t r = 0; r < ROWS; r++) {
        score(f, rows + r * D, 1, 1, three);
        assert_true(three[0] == one[r] && isfinite(one[r]));
    }
    memory_free(rows);
    memory_free(again);
    flow_free(f);
}

static void latent_rows_come_back(void **state)
{
    (void)state;
    flow *f = mixed_flow();
    double *rows = samples(f, ROWS, 1), latent[ROWS * D], back[ROWS * D];
    rows[1] = 77; /* OTHER */
    rows[4] = NAN;
    rows[2 * D + 2] = rows[3 * D + 1] = rows[3 * D + 4] = NAN;
    flow_workspace *w = workspace_of(f, FLOW_GRADIENT, 0, 2);
    flow_run(w,
             &(flow_job){.input = FLOW_CONTINUOUS, .rows = ROWS, .values = rows, .latent = latent});
    flow_run(w,
             &(flow_job){.input = FLOW_LATENT, .rows = ROWS, .values = latent, .continuous = back});
    rows[1] = HUGE_VAL;
    for (size_t i = 0; i < ROWS * D; i++)
        assert_true(isnan(rows[i]) ? isnan(back[i])
                                   : back[i] == rows[i] || fabs(back[i] - rows[i]) < 1e-4);
    for (size_t r = 0; r < ROWS; r++)
        assert_true((rows[r * D] == 0) == (latent[r * D] == -HUGE_VAL));
    flow_workspace_free(w);
    memory_free(rows);
    flow_free(f);
}

static void fetch(const void *context, size_t first, size_t count, double *stored)
{
    memcpy(stored, (const double *)context + first * D, count * D * sizeof *stored);
}

/* Twenty rows, no word twice as often as another, none OTHER. */
static void a_flow_starts_as_the_frequencies(void **state)
{
    enum { N = 20 };
    (void)state;
    flow *f = NULL;
    double rows[N * D], other = 1.0 / (N + 2);
    assert_int_equal(flow_new(&f, SPEC, 0), NICEST_OK);
    set_entry(f, other);
    for (size_t r = 0; r < N; r++) {
        double row[D] = {r % 4 ? (double)r : 0,
                         TABLE[1 + r % 3],
                         (double)(r * r % 7),
                         r % 5 == 0,
                         TABLE[6 + r % 3],
                         7,
                         (double)r};
        memcpy(rows + r * D, row, sizeof row);
    }
    flow_rows source = {fetch, rows, N};
    assert_int_equal(flow_init(f, &source, 1, 1), NICEST_OK);
    double unseen[D] = {NAN, 77, NAN, NAN, NAN, NAN, 2}, seen[D] = {NAN, 4, NAN, NAN, NAN, NAN, 2};
    double flag[D] = {NAN, NAN, NAN, 1, NAN, NAN, 2}, point[D] = {0, NAN, NAN, NAN, NAN, NAN, 2};
    assert_true(fabs(probability(f, unseen) - other) < 1e-6);
    assert_true(fabs(probability(f, seen) - (7 + 1.0 / 3) / (N + 2)) < 1e-6);
    assert_true(fabs(probability(f, flag) - 4.5 / (N + 1)) < 1e-6);
    assert_true(fabs(probability(f, point) - 5.5 / (N + 1)) < 1e-6);
    flow_free(f);
}

static void what_never_occurs_is_impossible(void **state)
{
    (void)state;
    flow *f = mixed_flow();
    double row[D] = {1, 4, 0.3, 0.5, 11, 7, 2}, logp;
    score(f, row, 1, 1, &logp);
    assert_true(logp == -HUGE_VAL);
    row[3] = 1;
    score(f, row, 1, 1, &logp);
    double usual = logp;
    assert_true(isfinite(logp));
    row[5] = 8; /* not the constant */
    score(f, row, 1, 1, &logp);
    assert_true(fabs(logp - usual - log(0.02 / 0.98)) < 1e-9);
    row[4] = 15; /* not what follows from 4 */
    score(f, row, 1, 1, &logp);
    assert_true(fabs(logp - usual - log(0.02 / 0.98) - log(0.01 / 0.99)) < 1e-9);
    flow_free(f);
}

static void an_entry_that_is_not_the_specs_is_refused(void **state)
{
    (void)state;
    flow *f = mixed_flow();
    entry e;
    assert_true(entry_copy(&e, &f->entry));
    e.column[1].other = 0; /* a class less */
    assert_int_equal(entry_set(&e), NICEST_OK);
    assert_int_equal(flow_set_entry(f, &e), NICEST_E_FORMAT);
    e.column[4].source = 1; /* not a category */
    assert_int_equal(entry_set(&e), NICEST_E_FORMAT);
    e.column[4].source = 2;
    e.table[2] = 1; /* twice */
    assert_int_equal(entry_set(&e), NICEST_E_FORMAT);
    e.table[2] = 4;
    e.column[3].states = 3e9;
    assert_int_equal(entry_set(&e), NICEST_E_FORMAT);
    entry_close(&e);
    flow_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masses_sum_to_one),
        cmocka_unit_test(samples_follow_the_probabilities),
        cmocka_unit_test(gradients_are_proven),
        cmocka_unit_test(threads_order_and_batches_leave_the_bits),
        cmocka_unit_test(latent_rows_come_back),
        cmocka_unit_test(a_flow_starts_as_the_frequencies),
        cmocka_unit_test(what_never_occurs_is_impossible),
        cmocka_unit_test(an_entry_that_is_not_the_specs_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
