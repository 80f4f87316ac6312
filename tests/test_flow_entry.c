/* test_flow_entry.c - the door: what goes in comes out, whatever the units. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "flow/entry.h"

static const random_stream NOISE = {7, RANDOM_DEQUANTISE, 0};

static entry entry_of(const entry_column *columns, size_t count)
{
    entry e;
    assert_true(entry_open(&e, count));
    memcpy(e.column, columns, count * sizeof *columns);
    assert_int_equal(entry_set(&e), NICEST_OK);
    return e;
}

static void quantised_values_come_back(void **state)
{
    static const entry_column kinds[] = {
        {.step = 1, .levels = 256, .unit = 1.0 / 256},                          /* a pixel */
        {.step = 1, .levels = 256, .unit = 1.0 / 256, .centre = 0.13},          /* and centred */
        {.step = 1, .unit = 1, .centre = 51.5},                                 /* a count */
        {.step = 0.1, .origin = 0.3, .levels = 90, .offset = 0.3, .unit = 0.1}, /* a table */
        {.step = 0.01, .origin = -7, .offset = -7, .unit = 0.01, .centre = 3},
        {.step = 1, .origin = 1e9, .offset = 1e9, .unit = 1, .centre = 1e9 + 40},
        {.step = 60, .origin = 1.7e9, .offset = 1.7e9, .unit = 60, .centre = 1.7e9},
    };
    (void)state;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        entry e = entry_of(&kinds[k], 1);
        for (uint64_t row = 0; row < 20000; row++) {
            double stored = kinds[k].origin + kinds[k].step * (double)(row % 90), x, back;
            float u;
            entry_dequantise_row(&e, &stored, NOISE, row, &u, &x);
            entry_quantise_row(&e, &x, &back);
            assert_true(fabs(back - stored) <= 1e-12 * fabs(stored));
            double place = (x - kinds[k].offset) / kinds[k].unit - (double)(row % 90);
            assert_true(place >= -1e-6 && place <= 1 + 1e-6);
        }
        entry_close(&e);
    }
}

/* Figures of a file with so many decimals come back as they stand there, to the last bit. */
static void decimals_come_back_exactly(void **state)
{
    static const double tenth[] = {10, 100, 20, 200, 1000, 100000};
    (void)state;
    for (size_t k = 0; k < sizeof tenth / sizeof *tenth; k++)
        for (double first = -46; first <= 46; first += 23) {
            entry_column c = {
                .step = 1 / tenth[k], .unit = 1 / tenth[k], .origin = first / tenth[k]};
            c.offset = c.origin;
            entry e = entry_of(&c, 1);
            for (uint64_t row = 0; row < 1000; row++) {
                double stored = (first + (double)row) / tenth[k], x, back;
                float u;
                entry_dequantise_row(&e, &stored, NOISE, row, &u, &x);
                entry_quantise_row(&e, &x, &back);
                assert_true(back == stored);
            }
            entry_close(&e);
        }
}

static void noise_is_uniform_within_a_level(void **state)
{
    enum { ROWS = 100000 };
    (void)state;
    entry e = entry_of(&(entry_column){.step = 2, .levels = 10, .unit = 0.25}, 1);
    double mean = 0, square = 0;
    for (uint64_t row = 0; row < ROWS; row++) {
        double stored = 6, x;
        float u;
        entry_dequantise_row(&e, &stored, NOISE, row, &u, &x);
        double place = (x - 0.75) / 0.25;
        assert_true(place > 0 && place < 1);
        mean += place / ROWS;
        square += place * place / ROWS;
    }
    assert_true(fabs(mean - 0.5) < 5 * 0.289 / sqrt(ROWS));
    assert_true(fabs(square - 1.0 / 3) < 5 * 0.3 / sqrt(ROWS));
    entry_close(&e);
}

static void values_beyond_the_levels_are_clamped_and_missing_ones_stay(void **state)
{
    (void)state;
    entry e = entry_of(&(entry_column){.step = 1, .levels = 256, .unit = 1.0 / 256}, 1);
    const double given[] = {-0.3, 1.0, 1.7, 0.999, INFINITY, -INFINITY, NAN};
    const double expected[] = {0, 255, 255, 255, 255, 0, NAN};
    for (size_t i = 0; i < 7; i++) {
        double stored;
        entry_quantise_row(&e, &given[i], &stored);
        assert_true(isnan(expected[i]) ? isnan(stored) : stored == expected[i]);
    }
    entry_close(&e);
}

static void an_offset_of_a_thousand_million_keeps_a_column(void **state)
{
    (void)state;
    entry e = entry_of(&(entry_column){.centre = 1e9}, 1);
    for (int i = -100; i <= 100; i++) {
        double stored = 1e9 + 0.01 * i, back;
        double x[2];
        float u;
        entry_encode_row(&e, &stored, NOISE, 0, &u, x);
        assert_true(fabs(x[0] - 0.01 * i) < 3e-7); /* the spacing of doubles at 1e9 */
        entry_centre_row(&e, &stored, x);
        entry_restore_row(&e, x, NULL, false, &back);
        assert_true(fabs(back - stored) < 3e-7);
    }
    entry_close(&e);
}

static void both_ways_through_the_door_agree(void **state)
{
    static const entry_column columns[] = {
        {.step = 1, .levels = 17, .unit = 1.0 / 17, .centre = 0.4}, {.centre = -3}, {.step = 0}};
    (void)state;
    entry e = entry_of(columns, 3);
    assert_true(e.quantised);
    for (uint64_t row = 0; row < 1000; row++) {
        double stored[] = {(double)(row % 17), 0.7, -12}, continuous[3];
        double direct[4], centred[4];
        float u[3];
        entry_encode_row(&e, stored, NOISE, row, u, direct);
        entry_dequantise_row(&e, stored, NOISE, row, u, continuous);
        entry_centre_row(&e, continuous, centred);
        for (size_t j = 0; j < 3; j++)
            assert_true(fabs(direct[j] - centred[j]) <= 1e-15 * fabs(continuous[j]));
    }
    assert_true(isnan(entry_log_units(&e)));
    entry_close(&e);
    e = entry_of(columns, 1);
    assert_true(fabs(entry_log_units(&e) + log(17)) < 1e-15);
    entry_close(&e);
}

static void score_noise(const entry *e, const double *stored, size_t d, double *x)
{
    float u[3];
    assert_true(d <= 3);
    entry_encode_row(e, stored, (random_stream){7, RANDOM_SCORE, 0}, 12345, u, x);
}

/* What two types of file make of the same row: as floats, with another zero, at another place. */
static void noise_of_a_score_follows_from_the_row(void **state)
{
    static const entry_column columns[] = {{.step = 0.1, .origin = -2, .unit = 0.1, .offset = -2},
                                           {.centre = 0.25},
                                           {.step = 1, .levels = 256, .unit = 1.0 / 256}};
    const double row[3] = {0, -0.0, 7}, same[3] = {-0.0, 0, 7}, other[3] = {0, 0, 8};
    const double wide[3] = {1.3, 0.7, 200}, narrow[3] = {(double)1.3f, (double)0.7f, 200};
    double x[4], y[4];
    (void)state;
    entry e = entry_of(columns, 3);
    score_noise(&e, row, 3, x);
    score_noise(&e, same, 3, y);
    assert_memory_equal(x, y, 3 * sizeof *x);
    score_noise(&e, other, 3, y);
    assert_true(x[0] != y[0]);
    score_noise(&e, wide, 3, x);
    score_noise(&e, narrow, 3, y);
    assert_true(x[2] == y[2] && fabs(x[0] - y[0]) < 1e-7);
    entry_close(&e);
}

/* Over all pictures of two pixels: every row has its own noise, and it is uniform. */
static void noise_of_scores_is_uniform_over_rows(void **state)
{
    enum { LEVELS = 256, CELLS = 16 };
    static const entry_column pixel = {.step = 1, .levels = LEVELS, .unit = 1};
    const entry_column columns[2] = {pixel, pixel};
    size_t cell[CELLS][CELLS] = {{0}};
    double x[3], chi = 0, expected = (double)LEVELS * LEVELS / (CELLS * CELLS);
    (void)state;
    entry e = entry_of(columns, 2);
    for (size_t i = 0; i < LEVELS * LEVELS; i++) {
        double stored[2] = {(double)(i / LEVELS), (double)(i % LEVELS)};
        score_noise(&e, stored, 2, x);
        cell[(size_t)((x[0] - stored[0]) * CELLS)][(size_t)((x[1] - stored[1]) * CELLS)]++;
    }
    for (size_t i = 0; i < CELLS * CELLS; i++) {
        double off = (double)cell[i / CELLS][i % CELLS] - expected;
        chi += off * off / expected;
    }
    assert_true(fabs(chi - 255) < 5 * sqrt(2 * 255.0));
    entry_close(&e);
}

/* Counts: OTHER is what the table lacks on its grid, and all of that together is one. */
static void counts_never_seen_share_what_is_kept_for_them(void **state)
{
    static const double table[] = {2, 3, 7, NAN};
    (void)state;
    for (int bounded = 0; bounded < 2; bounded++)
        for (int absent = 0; absent < 2; absent++) {
            entry e;
            assert_true(entry_open(&e, 1) && entry_table(&e, 3 + (size_t)absent));
            memcpy(e.table, table, e.table_count * sizeof *table);
            *e.column = (entry_column){.role = ENTRY_CATEGORY,
                                       .states = 3 + absent,
                                       .other = 0.1,
                                       .step = 1,
                                       .most = bounded ? HUGE_VAL : 0};
            assert_int_equal(entry_set(&e), NICEST_OK);
            double sum = 0, of[121], encoded[16];
            float u;
            for (int v = -60; v <= 60; v++) {
                double stored = v;
                bool seen = v == 2 || v == 3 || v == 7;
                entry_encode_row(&e, &stored, NOISE, 0, &u, encoded);
                of[v + 60] = exp(encoded[e.width - 1]);
                sum += seen ? 0 : of[v + 60];
                assert_true(!seen || of[v + 60] == 1);
                assert_int_equal(entry_impossible(&e, &stored), bounded && v < 0 ? 0 : 1);
            }
            assert_true(fabs(sum - 1) < 1e-12);
            assert_true(fabs(of[60 + 8] / of[60 + 9] - 2) < 1e-12 && of[60 + 8] == of[60 + 5]);
            assert_true(fabs(of[60 + 1] - of[60 + 8]) < 1e-15);
            const double between = 2.5, below = -1;
            assert_int_equal(entry_impossible(&e, &between), 0);
            assert_int_equal(entry_impossible(&e, &below), bounded ? 0 : 1);
            entry_close(&e);
        }
}

static void unsound_columns_are_refused(void **state)
{
    static const entry_column bad[] = {
        {.step = -1, .unit = 1},  {.step = 1},          {.unit = 1},
        {.step = NAN, .unit = 1}, {.centre = INFINITY}, {.step = 1, .unit = 1, .levels = -2},
        {.origin = NAN},          {.offset = INFINITY}, {.step = 1, .unit = INFINITY}};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        entry e;
        assert_true(entry_open(&e, 2));
        e.column[1] = bad[i];
        assert_int_equal(entry_set(&e), NICEST_E_FORMAT);
        assert_non_null(strstr(nicest_error(), "column 2"));
        entry_close(&e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantised_values_come_back),
        cmocka_unit_test(decimals_come_back_exactly),
        cmocka_unit_test(noise_is_uniform_within_a_level),
        cmocka_unit_test(values_beyond_the_levels_are_clamped_and_missing_ones_stay),
        cmocka_unit_test(an_offset_of_a_thousand_million_keeps_a_column),
        cmocka_unit_test(both_ways_through_the_door_agree),
        cmocka_unit_test(noise_of_a_score_follows_from_the_row),
        cmocka_unit_test(noise_of_scores_is_uniform_over_rows),
        cmocka_unit_test(counts_never_seen_share_what_is_kept_for_them),
        cmocka_unit_test(unsound_columns_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
