/* test_train_shift.c - a moved picture is the picture at another place, the places come as often as
 * they should, and a run with moved pictures is the same bytes however it is cut or spread. */
#include <limits.h>
#include <stdbool.h>

#include "data_files.h"
#include "train/shift.h"

enum { HEIGHT = 5, WIDTH = 7, CHANNELS = 3, SIZE = HEIGHT * WIDTH * CHANNELS, DRAWN = 4000 };

static int limited(int value, int size)
{
    return value < 0 ? 0 : value >= size ? size - 1 : value;
}

/* Is `moved` the picture 0, 1, 2, ... at (down, right), its edges repeated? */
static bool stands_at(const double *moved, int down, int right)
{
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            for (int c = 0; c < CHANNELS; c++) {
                int from = limited(y - down, HEIGHT) * WIDTH + limited(x - right, WIDTH);
                if (moved[(y * WIDTH + x) * CHANNELS + c] != from * CHANNELS + c)
                    return false;
            }
    return true;
}

static double *numbered_pictures(size_t count)
{
    double *pictures = malloc(count * SIZE * sizeof *pictures);
    assert_non_null(pictures);
    for (size_t i = 0; i < count * SIZE; i++)
        pictures[i] = (double)(i % SIZE);
    return pictures;
}

static void test_every_place_by_its_weight(void **state)
{
    (void)state;
    for (int pixels = 1; pixels <= 2; pixels++) {
        shift s = {(unsigned)pixels, HEIGHT, WIDTH, CHANNELS, 5};
        double *pictures = numbered_pictures(DRAWN), sum = 0, total = pow(pixels + 1, 4);
        shift_pictures(&s, 1, 3, 0, DRAWN, pictures);
        for (int down = -pixels; down <= pixels; down++)
            for (int right = -pixels; right <= pixels; right++) {
                double count = 0;
                for (size_t i = 0; i < DRAWN; i++)
                    count += stands_at(pictures + i * SIZE, down, right);
                double expected =
                    DRAWN * (pixels + 1 - abs(down)) * (pixels + 1 - abs(right)) / total;
                assert_true(fabs(count - expected) < 5 * sqrt(expected));
                sum += count;
            }
        assert_true(sum == DRAWN); /* each at one of the places: none is torn */
        free(pictures);
    }
}

static void test_a_move_follows_from_seed_draw_and_row(void **state)
{
    (void)state;
    shift s = {1, HEIGHT, WIDTH, CHANNELS, 5}, none = {0, HEIGHT, WIDTH, CHANNELS, 5};
    double *whole = numbered_pictures(64), *parts = numbered_pictures(64);
    size_t bytes = 64 * SIZE * sizeof *whole;
    shift_pictures(&none, 1, 1, 0, 64, whole);
    assert_memory_equal(whole, parts, bytes);
    shift_pictures(&s, 0, 1, 0, 64, whole);
    assert_memory_equal(whole, parts, bytes);
    shift_pictures(&s, 1, 1, 100, 64, whole);
    shift_pictures(&s, 1, 1, 137, 27, parts + 37 * SIZE);
    shift_pictures(&s, 1, 1, 100, 37, parts);
    assert_memory_equal(whole, parts, bytes);
    free(parts);
    parts = numbered_pictures(64);
    shift_pictures(&s, 1, 2, 100, 64, parts);
    assert_memory_not_equal(whole, parts, bytes);
    free(parts);
    parts = numbered_pictures(64);
    s.seed = 6;
    shift_pictures(&s, 1, 1, 100, 64, parts);
    assert_memory_not_equal(whole, parts, bytes);
    free(parts);
    free(whole);
}

static void test_a_share_moves(void **state)
{
    (void)state;
    assert_true(shift_share(0) == 1 && shift_share(0.5) == 1 && shift_share(1) == 0);
    assert_true(shift_share(0.75) == 0.5);
    shift s = {2, HEIGHT, WIDTH, CHANNELS, 5};
    double *all = numbered_pictures(DRAWN), *some = numbered_pictures(DRAWN), moved = 0, could = 0;
    shift_pictures(&s, 1, 7, 0, DRAWN, all);
    shift_pictures(&s, 0.25, 7, 0, DRAWN, some);
    for (size_t i = 0; i < DRAWN; i++) {
        bool stays = stands_at(some + i * SIZE, 0, 0);
        could += !stands_at(all + i * SIZE, 0, 0);
        moved += !stays;
        if (!stays) /* as far as it would have moved anyway */
            assert_memory_equal(all + i * SIZE, some + i * SIZE, SIZE * sizeof *all);
    }
    assert_true(fabs(moved - could / 4) < 5 * sqrt(could / 4));
    free(all);
    free(some);
}

/* ------------------------------------------------------------------ in a run */

/* Strokes of random place and direction, 8x8, as a file of pictures. */
static nicest_data *strokes(size_t count)
{
    nicest_data *data = NULL;
    double *values = calloc(count * 64, sizeof *values);
    nicest_data_options as_pictures = {.height = 8, .width = 8, .channels = 1};
    assert_non_null(values);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < 4; k++)
            values[64 * i + (i % 2 ? 8 * (2 + k) + 2 + i % 3 : 8 * (2 + i % 3) + 2 + k)] =
                (double)(100 + i * 37 % 156);
    assert_int_equal(nicest_data_new(&data, values, count, 64, NULL), NICEST_OK);
    free(values);
    const char *path = in_scratch("strokes.npy");
    assert_int_equal(nicest_data_save(data, path), NICEST_OK);
    nicest_data_free(data);
    assert_int_equal(nicest_data_open(&data, path, &as_pictures), NICEST_OK);
    return data;
}

static nicest_train_options quick(void)
{
    nicest_train_options o;
    nicest_train_defaults(&o);
    o.preset = "nice";
    o.weight_decay = 0.01;
    o.couplings = 2;
    o.hidden = "32";
    o.batch = 100;
    o.epochs = 10; /* of five batches */
    o.calibration_share = 0;
    o.threads = 1;
    o.shift = 1;
    return o;
}

/* The first validation is at step 20, which is asked about. */
static int stop_at_20(void *context, const nicest_progress *progress)
{
    (void)context;
    return progress->step >= 20;
}

static char *train_to_bytes(const nicest_data *data, const nicest_train_options *o, size_t *size)
{
    nicest_model *model = NULL;
    const char *path = in_scratch("shift.safetensors");
    if (nicest_train(&model, data, NULL, o, NULL) != NICEST_OK)
        fail_msg("%s", nicest_error());
    assert_int_equal(nicest_model_save(model, path), NICEST_OK);
    nicest_model_free(model);
    char *bytes;
    *size = read_file(path, &bytes);
    return bytes;
}

static void test_runs_are_the_same_bytes(void **state)
{
    (void)state;
    nicest_data *data = strokes(600);
    nicest_train_options o = quick();
    size_t size, other;
    char *whole = train_to_bytes(data, &o, &size), *again;
    assert_non_null(strstr(whole + 8, "\\\"shift\\\":1"));

    o.threads = 3;
    again = train_to_bytes(data, &o, &other);
    assert_int_equal(size, other);
    assert_memory_equal(whole, again, size);
    free(again);

    o.checkpoint = in_scratch("shift.checkpoint");
    o.progress = stop_at_20;
    nicest_train_result part;
    nicest_model *model = NULL;
    assert_int_equal(nicest_train(&model, data, NULL, &o, &part), NICEST_OK);
    nicest_model_free(model);
    assert_true(part.interrupted && part.steps >= 20 && part.steps < 48);
    o.progress = NULL;
    o.resume = o.checkpoint;
    again = train_to_bytes(data, &o, &other);
    assert_int_equal(size, other);
    assert_memory_equal(whole, again, size);
    free(again);

    o.shift = 2;
    assert_int_equal(nicest_train(&model, data, NULL, &o, NULL), NICEST_E_MISMATCH);
    assert_non_null(strstr(nicest_error(), "recipe: shift was 1, is 2"));
    free(whole);
    nicest_data_free(data);
}

/* Pixels that no training row uses are used once it moves: the start is measured with the moves, or
 * they would count as outliers and the run as diverged. */
static void test_the_start_knows_the_moves(void **state)
{
    (void)state;
    nicest_data *data = strokes(600);
    nicest_train_options o = quick();
    nicest_train_result start, result;
    nicest_model *model = NULL;
    o.epochs = 24;
    assert_int_equal(nicest_train(&model, data, NULL, &o, &result), NICEST_OK);
    nicest_model_free(model);
    o.epochs = 1;
    o.learning_rate = 1e-30;
    assert_int_equal(nicest_train(&model, data, NULL, &o, &start), NICEST_OK);
    nicest_model_free(model);
    assert_int_equal(result.retries, 0);
    if (!(result.valid_logp > start.valid_logp + 1))
        fail_msg("from %g to %g", start.valid_logp, result.valid_logp);
    nicest_data_free(data);
}

static void refuse(const nicest_data *data, int pixels, const char *sentence)
{
    nicest_model *model = NULL;
    nicest_train_options o = quick();
    o.shift = pixels;
    assert_int_equal(nicest_train(&model, data, NULL, &o, NULL), NICEST_E_ARGUMENT);
    if (!strstr(nicest_error(), sentence))
        fail_msg("'%s' does not say '%s'", nicest_error(), sentence);
    assert_null(model);
}

static void test_what_cannot_move_is_refused(void **state)
{
    (void)state;
    nicest_data *data = strokes(60), *table = NULL;
    assert_int_equal(nicest_data_open(&table, "toy:moons,n=60", NULL), NICEST_OK);
    refuse(table, 1, "shift: the rows are no pictures");
    refuse(data, 4, "shift: 4 pixels are half of a picture of 8x8 or more");
    refuse(data, INT_MAX, "shift: 2147483647 pixels");
    refuse(data, -2, "shift: -2 is below -1");
    nicest_data_free(table);
    nicest_data_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_place_by_its_weight),
        cmocka_unit_test(test_a_move_follows_from_seed_draw_and_row),
        cmocka_unit_test(test_a_share_moves),
        cmocka_unit_test(test_runs_are_the_same_bytes),
        cmocka_unit_test(test_the_start_knows_the_moves),
        cmocka_unit_test(test_what_cannot_move_is_refused),
    };
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
