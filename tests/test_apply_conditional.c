/* test_apply_conditional.c - the Gaussian of some columns given the others, against its definition:
 * with precision P of the columns in deviations, P_HH m_H + P_HO z_O = 0 and S S' P_HH = I. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "apply/conditional.h"
#include "base/random.h"
#include "base/gaussian.h"

enum { D = 7, ROWS = 24, PACKED = D * (D + 1) / 2 };

typedef struct scene {
    nicest_model *model;
    fill_column column[D];
    double precision[D][D];
    double x[ROWS * D], mean[ROWS * D];
    unsigned char hidden[ROWS * D];
} scene;

/* P = L^-T L^-1, by columns of L^-1. */
static void invert(const double *factor, double precision[D][D])
{
    double inverse[D][D];
    for (size_t j = 0; j < D; j++) {
        double unit[D] = {0};
        unit[j] = 1;
        gaussian_eliminate(factor, D, D, unit);
        for (size_t i = 0; i < D; i++)
            inverse[i][j] = unit[i];
    }
    for (size_t i = 0; i < D; i++)
        for (size_t j = 0; j < D; j++) {
            precision[i][j] = 0;
            for (size_t k = 0; k < D; k++)
                precision[i][j] += inverse[k][i] * inverse[k][j];
        }
}

static void open_scene(scene *s)
{
    flow *f = NULL;
    double factor[PACKED], u[PACKED];
    random_stream stream = {.seed = 3, .purpose = RANDOM_USER};
    assert_int_equal(flow_new(&f, "nicest 1\ncolumns 7\nscale\nprior normal\n", 0), NICEST_OK);
    assert_int_equal(model_new(&s->model, f), NICEST_OK);
    random_uniform_double(stream, 0, u, PACKED);
    for (size_t j = 0, at = 0; j < D; j++)
        for (size_t i = j; i < D; i++, at++)
            factor[at] = i == j ? 0.5 + u[at] : u[at] - 0.5;
    assert_int_equal(model_set_array(s->model, "baseline.gaussian", factor, PACKED), NICEST_OK);
    invert(factor, s->precision);
    for (size_t j = 0; j < D; j++)
        s->column[j] = (fill_column){
            .mean = (double)j, .deviation = 0.5 + (double)j, .low = -1e9, .high = 1e9};
    random_normal(stream, 1, s->x, ROWS * D);
    for (size_t i = 0; i < ROWS * D; i++) { /* masks in pairs; none and all are among them */
        size_t pair = i / D / 2;
        s->hidden[i] = pair == 0 ? 0 : pair == 1 ? 1 : (unsigned char)((pair * 37 >> i % D) & 1);
        s->x[i] = s->hidden[i] ? NAN : s->x[i];
    }
}

/* In deviations. */
static double off(const scene *s, const double *values, size_t row, size_t j)
{
    return (values[row * D + j] - s->column[j].mean) / s->column[j].deviation;
}

static void check_mean(const scene *s, size_t row)
{
    for (size_t i = 0; i < D; i++) {
        double sum = 0;
        for (size_t j = 0; j < D; j++)
            sum += s->precision[i][j] * off(s, s->hidden[row * D + j] ? s->mean : s->x, row, j);
        if (s->hidden[row * D + i])
            assert_true(fabs(sum) < 1e-9);
    }
}

/* Columns of S by unit steps, rows of S' by unit pulls. */
static void check_steps(const scene *s, const conditional *c, size_t row)
{
    size_t count = conditional_count(c, row);
    const size_t *order = conditional_order(c, row);
    double step[D][D], square[D][D] = {{0}};
    for (size_t k = 0; k < count; k++) {
        double unit[D] = {0}, out[D];
        unit[k] = 1;
        conditional_step(c, row, unit, out);
        for (size_t i = 0; i < count; i++)
            step[i][k] = out[i];
    }
    for (size_t i = 0; i < count; i++) {
        double pulled[D] = {0};
        pulled[i] = 1;
        conditional_pull(c, row, pulled);
        for (size_t k = 0; k < count; k++)
            assert_true(fabs(pulled[k] - step[i][k]) < 1e-12);
        for (size_t j = 0; j < count; j++)
            for (size_t k = 0; k < count; k++)
                square[i][j] += step[i][k] * step[j][k] / s->column[order[i]].deviation /
                                s->column[order[j]].deviation;
    }
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++) {
            double sum = 0;
            for (size_t k = 0; k < count; k++)
                sum += square[i][k] * s->precision[order[k]][order[j]];
            assert_true(fabs(sum - (i == j)) < 1e-8);
        }
}

static void mean_and_steps_are_those_of_the_conditional(void **state)
{
    (void)state;
    static scene s;
    open_scene(&s);
    for (int threads = 1; threads <= 3; threads += 2) {
        conditional c = {.columns = D, .column = s.column, .threads = threads};
        assert_int_equal(conditional_open(&c, s.model, s.hidden, ROWS, ROWS, true), NICEST_OK);
        conditional_take(&c, s.x, s.hidden, ROWS, s.mean);
        for (size_t row = 0; row < ROWS; row++) {
            check_mean(&s, row);
            check_steps(&s, &c, row);
        }
        conditional_close(&c);
    }
    nicest_model_free(s.model);
}

/* The mean alone takes a part of the work, and is the same bits. */
static void without_steps_the_mean_is_the_same(void **state)
{
    (void)state;
    static scene s;
    static double whole[ROWS * D];
    open_scene(&s);
    for (int steps = 1; steps >= 0; steps--) {
        conditional c = {.columns = D, .column = s.column, .threads = 1};
        assert_int_equal(conditional_open(&c, s.model, s.hidden, ROWS, ROWS, steps), NICEST_OK);
        conditional_take(&c, s.x, s.hidden, ROWS, steps ? whole : s.mean);
        conditional_close(&c);
    }
    assert_memory_equal(whole, s.mean, sizeof whole);
    nicest_model_free(s.model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mean_and_steps_are_those_of_the_conditional),
        cmocka_unit_test(without_steps_the_mean_is_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
