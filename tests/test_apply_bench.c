/* test_apply_bench.c - the bench's figures belong together; a failure
 * says what failed. Only the toy is measured: a model of the paper's size takes minutes where the
 * build is slow. */
#include <math.h>

#include "apply/bench.h"
#include "kernel/gemm.h"
#include "model_fixture.h"

static void check(const nicest_bench_figure *f)
{
    assert_true(f->median > 0 && isfinite(f->median));
    assert_true(f->spread >= 0);
}

/* A share of a peak; other work beside the test may have lowered the peak, so no more than this
 * holds. */
static void check_share(const nicest_bench_figure *f)
{
    check(f);
    assert_true(f->share > 0 && isfinite(f->share));
}

static void figures_belong_together(void **state)
{
    (void)state;
    nicest_bench_result r;
    size_t blocks = memory_live();
    assert_status(nicest_bench("toy", 2, 0.2, NULL, NULL, &r), NICEST_OK);
    assert_int_equal(memory_live(), blocks);
    assert_int_equal(r.threads, 2);
    assert_true(r.peak_f32 > 0 && r.one_peak_f32 > 0 && r.bandwidth > 0 && r.one_bandwidth > 0);
    assert_true(!gemm_has_bf16() || (r.peak_bf16 > 0 && r.one_peak_bf16 > 0));
    assert_string_equal(r.model[3].name, "toy");
    assert_int_equal(r.model[3].parameters, 4 * (64 + 64 + 64 * 64 + 64 + 64 + 1) + 2);
    const nicest_bench_figure *figures = r.model[3].figure;
    const int shares[] = {NICEST_BENCH_STEP,   NICEST_BENCH_STEP_ONE_THREAD,
                          NICEST_BENCH_SCORE,  NICEST_BENCH_INVERSE,
                          NICEST_BENCH_SAMPLE, NICEST_BENCH_GRADIENT};
    for (size_t i = NICEST_BENCH_FORWARD; i <= NICEST_BENCH_LAYERS_INVERSE; i++)
        assert_true(isfinite(figures[i].median)); /* one is a difference */
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        check_share(&figures[shares[i]]);
    check(&figures[NICEST_BENCH_ONE_ROW]);
    assert_true(isnan(r.model[3].one_row_floor_us)); /* it lives in a cache */
    double work = 6e-6 * (double)(r.model[3].parameters * r.model[3].batch);
    double share = work / figures[NICEST_BENCH_STEP].median / r.peak_f32;
    assert_true(fabs(figures[NICEST_BENCH_STEP].share / share - 1) < 1e-9);
    assert_int_equal(gemm_has_bf16(), !isnan(figures[NICEST_BENCH_STEP_BF16].median));
    for (size_t i = 0; i < 3; i++) { /* not asked for */
        assert_non_null(r.model[i].name);
        for (size_t k = 0; k < NICEST_BENCH_KINDS; k++)
            assert_true(isnan(r.model[i].figure[k].median) && isnan(r.model[i].figure[k].share));
    }
}

static double sleep_a_little(void *context)
{
    double *pause = context, slept = *pause;
    *pause = 1e-3; /* the first run is slow, as a cold one is */
    return slept;
}

static void a_median_is_of_warm_runs(void **state)
{
    (void)state;
    double pause = 0.2;
    nicest_bench_figure f = bench_measure(sleep_a_little, &pause, 0.05);
    assert_true(f.median >= 1e-3 && f.median < 0.1);
    assert_true(isnan(f.share));
    nicest_bench_figure rate = bench_rate(f, 3);
    assert_true(fabs(rate.median * f.median - 3) < 1e-9);
}

static int stop(void *context, double done, double total)
{
    (void)done;
    (void)total;
    return ++*(int *)context == 2;
}

static void what_cannot_be_is_said(void **state)
{
    (void)state;
    nicest_bench_result r = {.threads = 42};
    int calls = 0;
    size_t blocks = memory_live();
    assert_error(nicest_bench("toy,tabel", 1, 1, NULL, NULL, &r), NICEST_E_ARGUMENT, "'tabel'");
    assert_error(nicest_bench("", 1, 1, NULL, NULL, &r), NICEST_E_ARGUMENT, "no standard model");
    assert_error(nicest_bench(NULL, 1, 0, NULL, NULL, &r), NICEST_E_ARGUMENT, "time above 0");
    assert_error(nicest_bench(NULL, 1, NAN, NULL, NULL, &r), NICEST_E_ARGUMENT, "time above 0");
    assert_error(nicest_bench(NULL, -1, 1, NULL, NULL, &r), NICEST_E_ARGUMENT, "threads");
    assert_error(nicest_bench(NULL, 1, 1, NULL, NULL, NULL), NICEST_E_ARGUMENT, "a result");
    assert_error(nicest_bench("toy", 1, 0.01, stop, &calls, &r), NICEST_E_INTERRUPTED,
                 "interrupted");
    assert_int_equal(calls, 2);
    assert_int_equal(r.threads, 42);
    assert_int_equal(memory_live(), blocks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_belong_together),
        cmocka_unit_test(a_median_is_of_warm_runs),
        cmocka_unit_test(what_cannot_be_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
