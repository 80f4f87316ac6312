/* test_flow_running.c - how a flow is run must not matter: threads, tiles, batches, memory, faults.
 */
#include "flow_fixture.h"

enum { ROWS = 300 };

static const char *const SPEC = "nicest 1\ncolumns 9\nstandardise\npermute odd-even\n"
                                "coupling move=second hidden=80,33 activation=relu\n"
                                "coupling move=first hidden=17 activation=tanh\n"
                                "scale\npermute random:3\n"
                                "coupling move=second hidden=24x2 activation=silu\n"
                                "scale\nprior logistic\n";

static const char *const LAYERS =
    "nicest 1\ncolumns 9\nstandardise\npermute odd-even\nelementwise rule=spline bins=4\n"
    "coupling move=second hidden=80 blocks=2 activation=silu rule=spline bins=5\n"
    "coupling move=first hidden=17 activation=relu rule=affine\n"
    "autoregressive hidden=33x2 activation=tanh rule=spline bins=3\nscale\nprior normal\n";

static const char *const PICTURE =
    "nicest 1\ncolumns 24\nconvolution size=4x6 keep=checkerboard:0 hidden=9x2\n"
    "convolution size=4x6 keep=columns:1 hidden=66x1 rule=spline bins=3\nscale\nprior normal\n";

/* Everything that one forward job can give. */
typedef struct outputs {
    double *logp, *logdet, *latent, *gradient, *norms;
    size_t d, parts;
} outputs;

static outputs outputs_new(const flow *f, size_t n)
{
    outputs o = {.d = f->spec.columns, .parts = flow_norms(f)};
    o.logp = memory_new(n, sizeof(double));
    o.logdet = memory_new(n, sizeof(double));
    o.latent = memory_new(n * o.d, sizeof(double));
    o.gradient = memory_new(n * o.d, sizeof(double));
    o.norms = memory_new(n * o.parts, sizeof(double));
    return o;
}

static void outputs_free(outputs *o)
{
    memory_free(o->logp);
    memory_free(o->logdet);
    memory_free(o->latent);
    memory_free(o->gradient);
    memory_free(o->norms);
}

static void run(const flow *f, const double *x, size_t n, size_t rows, int threads, outputs *o)
{
    flow_workspace *w = workspace_of(f, FLOW_GRADIENT, rows, threads);
    flow_run(w, &(flow_job){.input = FLOW_CONTINUOUS,
                            .rows = n,
                            .values = x,
                            .logp = o->logp,
                            .logdet = o->logdet,
                            .latent = o->latent,
                            .gradient = o->gradient,
                            .gradient_norms = o->norms});
    flow_workspace_free(w);
}

static void assert_close(const double *a, const double *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs(a[i] - b[i]) <= 2e-5 * fmax(1, fabs(b[i])))) {
            print_error("value %zu: %.9g against %.9g\n", i, a[i], b[i]);
            fail();
        }
}

static void a_row_has_one_result_in_any_batch(void **state)
{
    static const size_t sizes[] = {1, 3, 5, 16, 63, 64, 65, 100, 1000};
    (void)state;
    flow *f = flow_of_text(SPEC, 21);
    double *x = rows_for(f, ROWS, 1);
    outputs all = outputs_new(f, ROWS), part = outputs_new(f, ROWS);
    run(f, x, ROWS, ROWS, 1, &all);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        run(f, x, ROWS, sizes[i], 2, &part);
        assert_close(part.logp, all.logp, ROWS);
        assert_close(part.latent, all.latent, ROWS * all.d);
        assert_close(part.gradient, all.gradient, ROWS * all.d);
        assert_close(part.norms, all.norms, ROWS * all.parts);
    }
    for (size_t n = 1; n < 140; n += 7) { /* fewer rows, from another start */
        run(f, x + n * all.d, n, 64, 1, &part);
        assert_close(part.logp, all.logp + n, n);
        assert_close(part.gradient, all.gradient + n * all.d, n * all.d);
    }
    memory_free(x);
    outputs_free(&all);
    outputs_free(&part);
    flow_free(f);
}

static void inverse_runs_in_any_batch(void **state)
{
    static const size_t sizes[] = {1, 7, 64, 100};
    (void)state;
    flow *f = flow_of_text(SPEC, 22);
    size_t d = f->spec.columns;
    double *first = memory_new(ROWS * d, sizeof *first),
           *other = memory_new(ROWS * d, sizeof *other);
    for (size_t i = 0; i < 4; i++) {
        flow_workspace *w = workspace_of(f, FLOW_SCORE, sizes[i], 2);
        flow_run(w, &(flow_job){.input = FLOW_PRIOR,
                                .rows = ROWS,
                                .noise = {3, RANDOM_SAMPLE, 0},
                                .temperature = 1,
                                .continuous = i ? other : first});
        if (i)
            assert_close(other, first, ROWS * d);
        /* sample number 50 is the same whoever asks for it */
        flow_run(w, &(flow_job){.input = FLOW_PRIOR,
                                .rows = 1,
                                .noise = {3, RANDOM_SAMPLE, 0},
                                .first_row = 50,
                                .temperature = 1,
                                .continuous = other});
        assert_close(other, first + 50 * d, d);
        flow_workspace_free(w);
    }
    memory_free(first);
    memory_free(other);
    flow_free(f);
}

static void one_row_has_the_bits_of_many(const char *spec)
{
    flow *f = flow_of_text(spec, 21);
    double *x = rows_for(f, ROWS, 1), all[ROWS], alone[ROWS];
    flow_workspace *many = workspace_of(f, FLOW_SCORE, 0, 2),
                   *one = workspace_of(f, FLOW_SCORE, 1, 1);
    flow_job job = {.input = FLOW_CONTINUOUS, .rows = ROWS, .values = x, .logp = all};
    flow_run(many, &job);
    for (size_t i = 0; i < ROWS; i++) {
        job.rows = 1;
        job.values = x + i * f->spec.columns;
        job.logp = alone + i;
        flow_run(one, &job);
    }
    assert_memory_equal(alone, all, sizeof all);
    flow_workspace_free(many);
    flow_workspace_free(one);
    memory_free(x);
    flow_free(f);
}

static void one_row_alone_has_the_bits_of_many(void **state)
{
    (void)state;
    one_row_has_the_bits_of_many(LAYERS);
    one_row_has_the_bits_of_many(PICTURE);
}

/* Too many parameters for a core's caches: such a flow takes longer tiles where threads are few. */
static const char *const HEAVY = "nicest 1\ncolumns 9\nstandardise\npermute odd-even\n"
                                 "coupling move=second hidden=520x2 activation=relu\n"
                                 "coupling move=first hidden=17 activation=tanh\n"
                                 "scale\nprior logistic\n";

static void same_bits_for_any_number_of_threads(const char *spec)
{
    static const int threads[] = {2, 3, 8};
    flow *f = flow_of_text(spec, 23);
    double *x = rows_for(f, ROWS, 2);
    outputs one = outputs_new(f, ROWS), many = outputs_new(f, ROWS);
    run(f, x, ROWS, ROWS, 1, &one);
    for (size_t i = 0; i < 3; i++) {
        run(f, x, ROWS, ROWS, threads[i], &many);
        assert_memory_equal(many.logp, one.logp, ROWS * sizeof(double));
        assert_memory_equal(many.latent, one.latent, ROWS * one.d * sizeof(double));
        assert_memory_equal(many.gradient, one.gradient, ROWS * one.d * sizeof(double));
        assert_memory_equal(many.norms, one.norms, ROWS * one.parts * sizeof(double));
    }
    memory_free(x);
    outputs_free(&one);
    outputs_free(&many);
    flow_free(f);
}

static void any_number_of_threads_gives_the_same_bits(void **state)
{
    (void)state;
    same_bits_for_any_number_of_threads(SPEC);
    same_bits_for_any_number_of_threads(LAYERS);
    same_bits_for_any_number_of_threads(HEAVY);
    same_bits_for_any_number_of_threads(PICTURE);
}

/* The whole gradient of a batch, blocks spread over the threads. */
static double learn(const flow *f, flow_use use, const double *x, size_t n, int threads,
                    real *gradient)
{
    flow_workspace *w = workspace_of(f, use, n, threads);
    flow_pass pass = flow_learn(w, &(flow_job){.input = FLOW_CONTINUOUS, .rows = n, .values = x});
    assert_true(pass.finite);
    for (size_t i = 0; i < f->blocks.count; i++)
        flow_gradient(w, (int)i % threads, &f->blocks.items[i],
                      gradient + f->blocks.items[i].offset, NULL);
    flow_workspace_free(w);
    return pass.mean_logp;
}

static void learn_with_any_number_of_threads(const char *spec)
{
    flow *f = flow_of_text(spec, 24);
    double *x = rows_for(f, ROWS, 2);
    size_t count = f->tensors.trainable;
    real *one = memory_new(count, sizeof *one), *many = memory_new(count, sizeof *many);
    for (size_t n = 1; n <= ROWS; n += 97) {
        double loss = learn(f, FLOW_LEARN, x, n, 1, one);
        for (int threads = 1; threads <= 8; threads += 3)
            for (flow_use use = FLOW_LEARN; use <= FLOW_RECOMPUTE; use++) {
                memset(many, 0xff, count * sizeof *many);
                assert_true(learn(f, use, x, n, threads, many) == loss);
                assert_memory_equal(many, one, count * sizeof *one);
            }
    }
    memory_free(x);
    memory_free(one);
    memory_free(many);
    flow_free(f);
}

/* ... nor on whether activations are kept or computed again. */
static void learning_has_the_same_bits_for_any_number_of_threads(void **state)
{
    (void)state;
    learn_with_any_number_of_threads(SPEC);
    learn_with_any_number_of_threads(LAYERS);
    learn_with_any_number_of_threads(HEAVY);
    learn_with_any_number_of_threads(PICTURE);
}

static void gradient_of(flow_workspace *w, const flow *f, const double *x, size_t n, real *gradient)
{
    flow_learn(w, &(flow_job){.input = FLOW_CONTINUOUS, .rows = n, .values = x});
    for (size_t i = 0; i < f->blocks.count; i++)
        flow_gradient(w, 0, &f->blocks.items[i], gradient + f->blocks.items[i].offset, NULL);
}

/* The way back follows the weights as they are: changed behind its back, or transposed block by block.
 */
static void changed_weights_are_those_of_the_way_back(void **state)
{
    (void)state;
    flow *f = flow_of_text(SPEC, 31);
    double *x = rows_for(f, 100, 2);
    size_t count = f->tensors.trainable;
    real *want = memory_new(count, sizeof *want), *found = memory_new(count, sizeof *found);
    flow_workspace *w = workspace_of(f, FLOW_LEARN, 100, 2);
    gradient_of(w, f, x, 100, found);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < count; i++)
            f->theta[i] *= (real)1.25;
        for (size_t i = 0; round == 1 && i < f->blocks.count; i++)
            flow_transpose(w, &f->blocks.items[i]);
        flow_transposed(w, round == 1);
        gradient_of(w, f, x, 100, found);
        learn(f, FLOW_LEARN, x, 100, 1, want);
        assert_memory_equal(found, want, count * sizeof *want);
    }
    flow_workspace_free(w);
    memory_free(x);
    memory_free(want);
    memory_free(found);
    flow_free(f);
}

#ifndef NICEST_DOUBLE
/* In bf16 (computed in float where the processor has none) a batch has nearly the same likelihood
 * and gradient, and the same bits for any number of threads. */
static void bf16_is_near_float(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 90, 129, ROWS};
    flow *f = flow_of_text(SPEC, 24);
    double *x = rows_for(f, ROWS, 2);
    size_t count = f->tensors.trainable;
    real *want = memory_new(count, sizeof *want), *found = memory_new(count, sizeof *found);
    real *again = memory_new(count, sizeof *again);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        double error = 0, size = 0, exact = learn(f, FLOW_LEARN, x, sizes[i], 1, want);
        for (int threads = 1; threads <= 2; threads++) {
            flow_workspace *w = NULL;
            assert_int_equal(flow_workspace_new(&w, f, FLOW_LEARN, sizes[i], threads, true),
                             NICEST_OK);
            gradient_of(w, f, x, sizes[i], threads == 1 ? found : again);
            flow_pass pass =
                flow_learn(w, &(flow_job){.input = FLOW_CONTINUOUS, .rows = sizes[i], .values = x});
            assert_true(fabs(pass.mean_logp - exact) < 0.02 * (1 + fabs(exact)));
            flow_workspace_free(w);
        }
        assert_memory_equal(found, again, count * sizeof *found);
        for (size_t j = 0; j < count; j++) {
            error += (double)((found[j] - want[j]) * (found[j] - want[j]));
            size += (double)(want[j] * want[j]);
        }
        assert_true(error > 0 && error < 0.05 * 0.05 * size);
    }
    memory_free(x);
    memory_free(want);
    memory_free(found);
    memory_free(again);
    flow_free(f);
}
#endif

static void blocks_cover_it_once(const char *spec)
{
    flow *f = flow_of_text(spec, 25);
    unsigned char *covered = memory_new(f->tensors.trainable, 1);
    for (size_t i = 0; i < f->blocks.count; i++)
        for (size_t j = 0; j < f->blocks.items[i].count; j++)
            assert_int_equal(covered[f->blocks.items[i].offset + j]++, 0);
    for (size_t i = 0; i < f->tensors.count; i++) { /* decay is on weights and nothing else */
        const tensor *t = &f->tensors.items[i];
        assert_int_equal(t->decays, named(t, "weight"));
        for (size_t j = 0; t->trainable && j < t->count; j++)
            assert_int_equal(covered[t->offset + j], 1);
    }
    memory_free(covered);
    flow_free(f);
}

static void blocks_cover_every_parameter_once(void **state)
{
    (void)state;
    blocks_cover_it_once(SPEC);
    blocks_cover_it_once(PICTURE);
}

static void nothing_is_allocated_while_this_runs(const char *spec)
{
    flow *f = flow_of_text(spec, 26);
    double *x = rows_for(f, ROWS, 2);
    outputs o = outputs_new(f, ROWS);
    flow_workspace *w = workspace_of(f, FLOW_LEARN, ROWS, 2);
    flow_job job = {.input = FLOW_CONTINUOUS,
                    .rows = ROWS,
                    .values = x,
                    .logp = o.logp,
                    .logdet = o.logdet,
                    .latent = o.latent,
                    .gradient = o.gradient,
                    .gradient_norms = o.norms};
    size_t before = memory_calls();
    flow_run(w, &job);
    flow_learn(w, &(flow_job){.input = FLOW_CONTINUOUS, .rows = ROWS, .values = x});
    for (size_t i = 0; i < f->blocks.count; i++)
        flow_gradient(w, 1, &f->blocks.items[i], flow_block_scratch(w, 1), NULL);
    flow_run(w, &(flow_job){.input = FLOW_LATENT,
                            .rows = ROWS,
                            .values = x,
                            .continuous = o.gradient,
                            .stored = o.latent,
                            .logdet = o.logdet});
    assert_int_equal(memory_calls(), before);
    flow_workspace_free(w);
    memory_free(x);
    outputs_free(&o);
    flow_free(f);
}

static void nothing_is_allocated_while_a_flow_runs(void **state)
{
    (void)state;
    nothing_is_allocated_while_this_runs(SPEC);
    nothing_is_allocated_while_this_runs(PICTURE);
}

/* ------------------------------------------------------------------ rows on demand */

static void copy_rows(const void *context, size_t first, size_t count, double *stored)
{
    memcpy(stored, (const double *)context + first * 9, count * 9 * sizeof *stored);
}

static void rows_on_demand_are_the_rows_in_memory(void **state)
{
    (void)state;
    flow *f = flow_of_text(SPEC, 27);
    f->entry.column[4] = (entry_column){.step = 0.5, .origin = -1, .levels = 8, .unit = 0.5};
    assert_int_equal(entry_set(&f->entry), NICEST_OK);
    double *x = rows_for(f, ROWS, 2);
    outputs memory = outputs_new(f, ROWS), demand = outputs_new(f, ROWS);
    flow_rows rows = {copy_rows, x, ROWS};
    flow_workspace *w = workspace_of(f, FLOW_GRADIENT, 70, 2);
    flow_job job = {.input = FLOW_STORED, .rows = ROWS, .noise = {5, RANDOM_SCORE, 0}};
    flow_job from_memory = job, on_demand = job;
    from_memory.values = x;
    from_memory.logp = memory.logp;
    from_memory.gradient = memory.gradient;
    on_demand.source = &rows;
    on_demand.logp = demand.logp;
    on_demand.gradient = demand.gradient;
    flow_run(w, &from_memory);
    flow_run(w, &on_demand);
    assert_memory_equal(demand.logp, memory.logp, ROWS * sizeof(double));
    assert_memory_equal(demand.gradient, memory.gradient, ROWS * 9 * sizeof(double));
    flow_workspace_free(w);
    memory_free(x);
    outputs_free(&memory);
    outputs_free(&demand);
    flow_free(f);
}

/* ------------------------------------------------------------------ faults */

static flow_pass pass_with(flow *f, const double *x)
{
    flow_workspace *w = workspace_of(f, FLOW_LEARN, 100, 2);
    flow_pass pass = flow_learn(w, &(flow_job){.input = FLOW_CONTINUOUS, .rows = 100, .values = x});
    flow_workspace_free(w);
    return pass;
}

static int layer_of(const tensor *t)
{
    int number = -1;
    assert_int_equal(sscanf(t->name, "layers.%d.", &number), 1);
    return number;
}

static void a_planted_fault_is_found_in_its_layer(void **state)
{
    static const double bad[] = {NAN, INFINITY, -INFINITY, 3e38};
    (void)state;
    flow *f = flow_of_text(SPEC, 28);
    double *x = rows_for(f, 100, 2);
    assert_true(pass_with(f, x).finite);
    for (size_t i = 0; i < f->tensors.count; i++)
        for (size_t b = 0; f->tensors.items[i].trainable && b < 4; b++) {
            const tensor *t = &f->tensors.items[i];
            real kept = (*t->slot)[0];
            (*t->slot)[0] = (real)bad[b];
            flow_pass pass = pass_with(f, x);
#ifndef NICEST_DOUBLE
            /* in front of a ReLU or tanh much is harmless: a bias of -infinity ends a unit, and a
             * ReLU may make 0 of NaN; likelihood and gradient are those of a flow without the unit
             */
            bool harmless = pass.finite && isfinite(pass.mean_logp) && (named(t, "bias") || b == 3);
            bool minus_scale = named(t, "log_scale") && bad[b] < 0;
            bool named_right = pass.fault == layer_of(t) || (b == 3 && pass.fault >= 0);
            if (!harmless && !minus_scale && !named_right)
                print_error("%s[0] = %g: fault in %d, log p %g\n", t->name, bad[b], pass.fault,
                            pass.mean_logp);
            assert_true(harmless || minus_scale || named_right);
            assert_true(harmless || !pass.finite);
#else
            assert_true(pass.finite == (pass.fault < 0 && isfinite(pass.mean_logp)));
            assert_true(pass.finite || pass.fault <= layer_of(t) || b == 3);
#endif
            (*t->slot)[0] = kept;
        }
    assert_true(pass_with(f, x).finite);
    memory_free(x);
    flow_free(f);
}

static void a_missing_value_spoils_its_row_only(void **state)
{
    (void)state;
    flow *f = flow_of_text(SPEC, 29);
    double *x = rows_for(f, ROWS, 2), logp[ROWS], clean[ROWS];
    flow_workspace *w = workspace_of(f, FLOW_SCORE, 0, 2);
    flow_job job = {.input = FLOW_CONTINUOUS, .rows = ROWS, .values = x};
    job.logp = clean;
    flow_run(w, &job);
    x[100 * 9 + 8] = NAN;
    job.logp = logp;
    flow_run(w, &job);
    for (size_t i = 0; i < ROWS; i++)
        assert_true(i == 100 ? isnan(logp[i]) : logp[i] == clean[i]);
    flow_workspace_free(w);
    memory_free(x);
    flow_free(f);
}

/* ------------------------------------------------------------------ memory */

static nicest_status make_everything(const double *x)
{
    flow *f = NULL;
    flow_workspace *w = NULL;
    flow_rows rows = {copy_rows, x, 90};
    nicest_status status = flow_new(&f, SPEC, 0);
    if (status == NICEST_OK)
        status = flow_init(f, &rows, 1, 1);
    if (status == NICEST_OK)
        status = flow_workspace_new(&w, f, FLOW_LEARN, 90, 2, false);
    if (status != NICEST_OK)
        assert_null(w);
    flow_workspace_free(w);
    flow_free(f);
    return status;
}

static void memory_that_runs_out_is_said_and_nothing_leaks(void **state)
{
    (void)state;
    double *x = memory_new(90 * 9, sizeof *x);
    random_normal((random_stream){1, RANDOM_USER, 0}, 0, x, 90 * 9);
    size_t live = memory_live(), failures = 0;
    nicest_status status = NICEST_E_MEMORY;
    for (size_t n = 1; status != NICEST_OK; n++, failures++) {
        memory_fail_at(n);
        status = make_everything(x);
        memory_fail_at(0);
        assert_true(status == NICEST_OK || status == NICEST_E_MEMORY);
        assert_int_equal(memory_live(), live);
    }
    assert_true(failures > 30);
    memory_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_has_one_result_in_any_batch),
        cmocka_unit_test(inverse_runs_in_any_batch),
        cmocka_unit_test(one_row_alone_has_the_bits_of_many),
        cmocka_unit_test(any_number_of_threads_gives_the_same_bits),
        cmocka_unit_test(learning_has_the_same_bits_for_any_number_of_threads),
        cmocka_unit_test(changed_weights_are_those_of_the_way_back),
#ifndef NICEST_DOUBLE
        cmocka_unit_test(bf16_is_near_float),
#endif
        cmocka_unit_test(blocks_cover_every_parameter_once),
        cmocka_unit_test(nothing_is_allocated_while_a_flow_runs),
        cmocka_unit_test(rows_on_demand_are_the_rows_in_memory),
        cmocka_unit_test(a_planted_fault_is_found_in_its_layer),
        cmocka_unit_test(a_missing_value_spoils_its_row_only),
        cmocka_unit_test(memory_that_runs_out_is_said_and_nothing_leaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
