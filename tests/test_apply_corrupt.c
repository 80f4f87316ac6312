/* test_apply_corrupt.c - corruptions and masks, by their properties: level 0 is the identity, turns
 * are turns, types stay, and what is random depends on seed and row alone. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "nicest.h"

enum { SIDE = 8, PIXELS = SIDE * SIDE, ROWS = 12 };

static char *in_tmpdir(const char *name, char *path, size_t size)
{
    const char *folder = getenv("TMPDIR");
    snprintf(path, size, "%s/%s", folder ? folder : "/tmp", name);
    return path;
}

static void put32(FILE *f, unsigned v)
{
    unsigned char bytes[4] = {(unsigned char)(v >> 24), (unsigned char)(v >> 16),
                              (unsigned char)(v >> 8), (unsigned char)v};
    assert_int_equal(fwrite(bytes, 1, 4, f), 4);
}

/* Byte pictures by way of an IDX file; pixel j of row i is byte(i, j). */
static nicest_data *pictures(unsigned rows, unsigned height, unsigned width,
                             unsigned char (*byte)(size_t, size_t))
{
    char folder[512], path[600];
    assert_non_null(mkdtemp(in_tmpdir("nicest-XXXXXX", folder, sizeof folder)));
    snprintf(path, sizeof path, "%s/some-images-idx3-ubyte", folder);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    put32(f, 0x803);
    put32(f, rows);
    put32(f, height);
    put32(f, width);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < (size_t)height * width; j++)
            assert_int_not_equal(fputc(byte(i, j), f), EOF);
    fclose(f);
    nicest_data *data = NULL;
    assert_int_equal(nicest_data_open(&data, path, NULL), NICEST_OK);
    remove(path);
    rmdir(folder);
    return data;
}

static unsigned char busy(size_t i, size_t j)
{
    return (unsigned char)(i * 97 + j * j * 31 + j * 7);
}

static unsigned char grey(size_t i, size_t j)
{
    (void)i;
    (void)j;
    return 128;
}

static unsigned char spot(size_t i, size_t j)
{
    (void)i;
    return j == 2 * SIDE + 5 ? 255 : 0; /* up and to the right of the centre */
}

static unsigned char middle_of_27(size_t i, size_t j)
{
    (void)i;
    return j == 13 * 27 + 13 ? 255 : 0;
}

static double *values_of(const nicest_data *data)
{
    size_t n = nicest_data_rows(data), d = nicest_data_columns(data);
    double *values = malloc(n * d * sizeof *values);
    assert_non_null(values);
    assert_int_equal(nicest_data_read(data, 0, n, values), NICEST_OK);
    return values;
}

/* The values of `data` after one corruption. */
static double *corrupted(const nicest_data *data, const char *kind, double level,
                         const nicest_data *other, uint64_t seed)
{
    nicest_data *out = NULL;
    assert_int_equal(nicest_corrupt(&out, data, kind, level, other, seed, 0), NICEST_OK);
    assert_string_equal(nicest_data_type(out), nicest_data_type(data));
    double *values = values_of(out);
    nicest_data_free(out);
    return values;
}

static double largest_difference(const double *a, const double *b, size_t count)
{
    double most = 0;
    for (size_t i = 0; i < count; i++)
        most = fmax(most, fabs(a[i] - b[i]));
    return most;
}

static void level_zero_is_the_identity(void **state)
{
    (void)state;
    nicest_data *data = pictures(ROWS, SIDE, SIDE, busy), *other = pictures(3, SIDE, SIDE, spot);
    double *before = values_of(data);
    for (const char *const *kind = nicest_corruption_names(); *kind; kind++) {
        double *after = corrupted(data, *kind, 0, other, 1);
        assert_memory_equal(before, after, ROWS * PIXELS * sizeof *before);
        free(after);
    }
    free(before);
    nicest_data_free(data);
    nicest_data_free(other);
}

static void every_kind_changes_something_and_stays_in_range(void **state)
{
    (void)state;
    nicest_data *data = pictures(ROWS, SIDE, SIDE, busy), *other = pictures(3, SIDE, SIDE, spot);
    double *before = values_of(data);
    for (const char *const *kind = nicest_corruption_names(); *kind; kind++) {
        double *after = corrupted(data, *kind, 0.5, other, 1);
        assert_true(largest_difference(before, after, ROWS * PIXELS) > 0);
        for (size_t i = 0; i < ROWS * PIXELS; i++)
            assert_true(after[i] >= 0 && after[i] <= 255 && after[i] == floor(after[i]));
        free(after);
    }
    free(before);
    nicest_data_free(data);
    nicest_data_free(other);
}

/* Pictures in [0, 1] that were bytes stay bytes: multiples of 1/255 or 1/256, whatever is done. */
static void fractions_of_bytes_stay_fractions_of_bytes(void **state)
{
    static const double parts[] = {255, 256};
    (void)state;
    for (size_t p = 0; p < 2; p++) {
        char path[512];
        int descriptor = mkstemps(in_tmpdir("nicest-XXXXXX.csv", path, sizeof path), 4);
        assert_true(descriptor >= 0);
        FILE *file = fdopen(descriptor, "w");
        for (size_t i = 0; i < ROWS; i++)
            for (size_t j = 0; j < PIXELS; j++)
                fprintf(file, "%.9g%c", (double)busy(i, j) / parts[p], j + 1 < PIXELS ? ',' : '\n');
        fclose(file);
        nicest_data *data = NULL;
        const nicest_data_options size = {.height = SIDE, .width = SIDE, .channels = 1};
        assert_int_equal(nicest_data_open(&data, path, &size), NICEST_OK);
        remove(path);
        for (const char *const *kind = nicest_corruption_names(); *kind; kind++) {
            if (!strcmp(*kind, "morph"))
                continue; /* goes to other data, whatever these hold */
            double *after = corrupted(data, *kind, 0.5, NULL, 1);
            for (size_t i = 0; i < ROWS * PIXELS; i++) {
                double level = after[i] * parts[p];
                assert_true(after[i] >= 0 && after[i] <= 1 &&
                            fabs(level - nearbyint(level)) < 1e-4);
            }
            free(after);
        }
        nicest_data_free(data);
    }
}

static void a_quarter_turn_is_exact(void **state)
{
    (void)state;
    nicest_data *data = pictures(ROWS, SIDE, SIDE, busy);
    double *before = values_of(data), *left = corrupted(data, "rotate", 90, NULL, 1);
    double *right = corrupted(data, "rotate", -90, NULL, 1);
    double *also_left = corrupted(data, "rotate", -270, NULL, 1);
    for (size_t r = 0; r < ROWS; r++)
        for (size_t y = 0; y < SIDE; y++)
            for (size_t x = 0; x < SIDE; x++) {
                double was = before[r * PIXELS + y * SIDE + x];
                /* counter-clockwise: the top row becomes the left column, its right end on top */
                assert_true(left[r * PIXELS + (SIDE - 1 - x) * SIDE + y] == was);
                assert_true(right[r * PIXELS + x * SIDE + SIDE - 1 - y] == was);
            }
    assert_memory_equal(left, also_left, ROWS * PIXELS * sizeof *left);
    free(before);
    free(left);
    free(right);
    free(also_left);
    nicest_data_free(data);
}

static void whole_turns_are_the_identity(void **state)
{
    (void)state;
    nicest_data *data = pictures(ROWS, SIDE, SIDE, busy);
    double *before = values_of(data);
    const double turns[] = {360, -360, 720, 3.6e6};
    for (size_t i = 0; i < sizeof turns / sizeof turns[0]; i++) {
        double *after = corrupted(data, "rotate", turns[i], NULL, 1);
        assert_memory_equal(before, after, ROWS * PIXELS * sizeof *before);
        free(after);
    }
    free(before);
    nicest_data_free(data);
}

/* Centre of mass relative to the middle of the picture, y upwards. */
static void centre_of_mass(const double *picture, double *x, double *y)
{
    double mass = 0;
    *x = *y = 0;
    for (size_t i = 0; i < PIXELS; i++) {
        mass += picture[i];
        *x += picture[i] * ((double)(i % SIDE) - (SIDE - 1) / 2.0);
        *y -= picture[i] * ((double)(i / SIDE) - (SIDE - 1) / 2.0);
    }
    *x /= mass;
    *y /= mass;
}

static void rotation_turns_a_spot_counter_clockwise(void **state)
{
    (void)state;
    nicest_data *data = pictures(1, SIDE, SIDE, spot);
    double *turned = corrupted(data, "rotate", 30, NULL, 1), x, y;
    centre_of_mass(turned, &x, &y);
    double angle = atan2(1.5, 1.5) + 30 * acos(-1.0) / 180;
    assert_true(fabs(x - sqrt(4.5) * cos(angle)) < 0.1);
    assert_true(fabs(y - sqrt(4.5) * sin(angle)) < 0.1);
    free(turned);
    double *sheared = corrupted(data, "shear", 1, NULL, 1);
    centre_of_mass(sheared, &x, &y);
    assert_true(fabs(x - 3) < 1e-9); /* 1.5 rows above the centre: 1.5 pixels to the right ... */
    assert_true(fabs(y - 1.5) < 1e-9);
    free(sheared);
    nicest_data_free(data);
}

static void contrast_goes_to_grey_and_to_black(void **state)
{
    (void)state;
    nicest_data *data = pictures(ROWS, SIDE, SIDE, busy);
    double *before = values_of(data), *half = corrupted(data, "contrast", 0.5, NULL, 1);
    double *none = corrupted(data, "contrast", 1, NULL, 1);
    double *black = corrupted(data, "contrast-black", 0.5, NULL, 1);
    double *bright = corrupted(data, "brightness", 0.2, NULL, 1);
    for (size_t i = 0; i < ROWS * PIXELS; i++) {
        assert_true(fabs(half[i] - (127.5 + 0.5 * (before[i] - 127.5))) <= 0.5);
        assert_true(fabs(none[i] - 127.5) <= 0.5);
        assert_true(fabs(black[i] - 0.5 * before[i]) <= 0.5);
        assert_true(fabs(bright[i] - fmin(before[i] + 51, 255)) <= 0.5);
    }
    free(before);
    free(half);
    free(none);
    free(black);
    free(bright);
    nicest_data_free(data);
}

static void blur_keeps_a_flat_picture_and_spreads_a_spot(void **state)
{
    (void)state;
    nicest_data *flat = pictures(1, SIDE, SIDE, grey), *data = pictures(1, 27, 27, middle_of_27);
    double *same = corrupted(flat, "blur", 3, NULL, 1);
    for (size_t i = 0; i < PIXELS; i++)
        assert_true(same[i] == 128);
    double *spread = corrupted(data, "blur", 1, NULL, 1);
    size_t middle = 13 * 27 + 13;
    assert_true(spread[middle] == 41); /* 255 times the square of 0.3989 */
    assert_true(spread[middle - 1] == 25 && spread[middle + 1] == 25);
    assert_true(spread[middle - 27] == 25 && spread[middle + 27] == 25);
    free(same);
    free(spread);
    nicest_data_free(flat);
    nicest_data_free(data);
}

static void noise_has_the_asked_deviation(void **state)
{
    (void)state;
    nicest_data *data = pictures(1000, SIDE, SIDE, grey);
    double *noisy = corrupted(data, "noise", 0.1, NULL, 1), mean = 0, square = 0;
    size_t count = 1000 * PIXELS;
    for (size_t i = 0; i < count; i++) {
        mean += (noisy[i] - 128) / (double)count;
        square += (noisy[i] - 128) * (noisy[i] - 128) / (double)count;
    }
    assert_true(fabs(mean) < 5 * 25.5 / sqrt((double)count));
    assert_true(fabs(sqrt(square) / 25.5 - 1) < 0.01);
    free(noisy);
    nicest_data_free(data);
}

static void salt_pepper_and_occlusion_take_their_share(void **state)
{
    (void)state;
    nicest_data *data = pictures(1000, SIDE, SIDE, grey);
    double *dots = corrupted(data, "salt-and-pepper", 0.3, NULL, 1);
    double *box = corrupted(data, "occlusion", 0.25, NULL, 1);
    double black = 0, white = 0, count = 1000 * PIXELS;
    for (size_t i = 0; i < 1000 * PIXELS; i++) {
        black += dots[i] == 0;
        white += dots[i] == 255;
        assert_true(dots[i] == 0 || dots[i] == 255 || dots[i] == 128);
        assert_true(box[i] == 128);
    }
    double allowed = 5 * sqrt(0.15 * 0.85 * count);
    assert_true(fabs(black - 0.15 * count) < allowed && fabs(white - 0.15 * count) < allowed);
    free(dots);
    free(box);
    nicest_data_free(data);
    data = pictures(1000, SIDE, SIDE, spot); /* no pixel of it is mid-grey */
    box = corrupted(data, "occlusion", 0.25, NULL, 1);
    for (size_t r = 0; r < 1000; r++) {
        double covered = 0;
        for (size_t j = 0; j < PIXELS; j++)
            covered += box[r * PIXELS + j] == 128;
        assert_true(covered == 16);
    }
    free(box);
    nicest_data_free(data);
}

static void morph_goes_from_one_to_the_other(void **state)
{
    (void)state;
    nicest_data *data = pictures(ROWS, SIDE, SIDE, busy), *other = pictures(5, SIDE, SIDE, spot);
    double *from = values_of(data), *to = values_of(other);
    double *end = corrupted(data, "morph", 1, other, 1);
    double *middle = corrupted(data, "morph", 0.25, other, 1);
    for (size_t i = 0; i < ROWS * PIXELS; i++) {
        double goal = to[i / PIXELS % 5 * PIXELS + i % PIXELS];
        assert_true(end[i] == goal);
        assert_true(fabs(middle[i] - (0.75 * from[i] + 0.25 * goal)) <= 0.5);
    }
    free(from);
    free(to);
    free(end);
    free(middle);
    nicest_data_free(data);
    nicest_data_free(other);
}

static void rows_do_not_know_their_neighbours(void **state)
{
    (void)state;
    const char *random[] = {"noise", "occlusion", "salt-and-pepper"};
    nicest_data *data = pictures(ROWS, SIDE, SIDE, busy), *fewer = pictures(5, SIDE, SIDE, busy);
    for (size_t i = 0; i < 3; i++) {
        double *all = corrupted(data, random[i], 0.3, NULL, 7);
        double *some = corrupted(fewer, random[i], 0.3, NULL, 7);
        double *others = corrupted(data, random[i], 0.3, NULL, 8);
        assert_memory_equal(all, some, 5 * PIXELS * sizeof *all);
        assert_true(largest_difference(all, others, ROWS * PIXELS) > 0);
        free(all);
        free(some);
        free(others);
    }
    nicest_data_free(data);
    nicest_data_free(fewer);
}

/* Column 1 real, column 2 whole numbers; one value is missing. */
static nicest_data *table(double *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        values[2 * i] = 1e6 + 0.37 * (double)i;
        values[2 * i + 1] = (double)(i % 5);
    }
    values[6] = NAN;
    nicest_data *data = NULL;
    assert_int_equal(nicest_data_new(&data, values, n, 2, NULL), NICEST_OK);
    return data;
}

static void tables_take_noise_in_deviations(void **state)
{
    (void)state;
    enum { N = 4000 };
    static double values[2 * N];
    nicest_data *data = table(values, N);
    double *noisy = corrupted(data, "noise", 0.5, NULL, 3), square = 0;
    double deviation = 0.37 * N / sqrt(12.0);
    assert_true(isnan(noisy[6]));
    for (size_t i = 0; i < N; i++) {
        double z = (noisy[2 * i] - values[2 * i]) / deviation;
        square += i == 3 ? 0 : z * z / N;
        assert_true(noisy[2 * i + 1] == floor(noisy[2 * i + 1]));
        assert_true(noisy[2 * i + 1] >= 0 && noisy[2 * i + 1] <= 4);
    }
    assert_true(fabs(sqrt(square) - 0.5) < 0.03);
    free(noisy);
    nicest_data_free(data);
}

static void refuse(const nicest_data *data, const char *kind, double level,
                   const nicest_data *other, nicest_status expected, const char *word)
{
    nicest_data *out = (nicest_data *)1;
    assert_int_equal(nicest_corrupt(&out, data, kind, level, other, 1, 0), expected);
    assert_ptr_equal(out, (nicest_data *)1);
    assert_non_null(strstr(nicest_error(), word));
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    double values[20];
    nicest_data *rows = table(values, 10), *data = pictures(2, SIDE, SIDE, busy);
    refuse(rows, "rotate", 30, NULL, NICEST_E_ARGUMENT, "--image");
    refuse(rows, "smear", 1, NULL, NICEST_E_ARGUMENT, "salt-and-pepper");
    refuse(rows, "noise", -1, NULL, NICEST_E_ARGUMENT, "at least 0");
    refuse(rows, "noise", NAN, NULL, NICEST_E_ARGUMENT, "finite");
    refuse(rows, "morph", 0.5, NULL, NICEST_E_ARGUMENT, "other data");
    refuse(rows, "morph", 0.5, data, NICEST_E_MISMATCH, "64");
    refuse(rows, "morph", 1.5, rows, NICEST_E_ARGUMENT, "0 to 1");
    nicest_data *none = NULL, *wide = pictures(2, SIDE / 2, SIDE * 2, busy);
    assert_int_equal(nicest_data_new(&none, NULL, 0, 2, NULL), NICEST_OK);
    refuse(rows, "morph", 0.5, none, NICEST_E_DATA, "no rows");
    refuse(data, "morph", 0.5, wide, NICEST_E_MISMATCH, "4x16x1");
    nicest_data_free(none);
    nicest_data_free(wide);
    refuse(data, "rotate", INFINITY, NULL, NICEST_E_ARGUMENT, "finite");
    refuse(data, "blur", 1e300, NULL, NICEST_E_ARGUMENT, "1000");
    nicest_data_free(rows);
    nicest_data_free(data);
}

static void memory_that_runs_out_is_a_status(void **state)
{
    (void)state;
    nicest_data *data = pictures(2, SIDE, SIDE, busy), *out = NULL;
    size_t live = memory_live();
    nicest_status status = NICEST_E_MEMORY;
    for (size_t call = 1; call < 100 && status != NICEST_OK; call++) {
        memory_fail_at(call);
        status = nicest_corrupt(&out, data, "blur", 1, NULL, 1, 0);
        memory_fail_at(0);
        assert_true(status == NICEST_OK || status == NICEST_E_MEMORY);
        assert_true(status == NICEST_OK || memory_live() == live);
    }
    assert_int_equal(status, NICEST_OK);
    nicest_data_free(out);
    assert_int_equal(memory_live(), live);
    nicest_data_free(data);
}

/* ------------------------------------------------------------------ masks */

static size_t count_hidden(const unsigned char *hidden, size_t count)
{
    size_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        assert_true(hidden[i] <= 1);
        sum += hidden[i];
    }
    return sum;
}

static void masks_come_in_complementary_pairs(void **state)
{
    (void)state;
    const char *pairs[][2] = {{"top", "bottom"}, {"left", "right"}, {"even", "odd"}};
    for (size_t p = 0; p < 3; p++) {
        unsigned char a[2 * 35 * 3], b[2 * 35 * 3];
        assert_int_equal(nicest_mask(pairs[p][0], NULL, 2, 105, 7, 5, 3, 1, a), NICEST_OK);
        assert_int_equal(nicest_mask(pairs[p][1], NULL, 2, 105, 7, 5, 3, 1, b), NICEST_OK);
        for (size_t i = 0; i < sizeof a; i++) {
            assert_int_equal(a[i] + b[i], 1);
            assert_int_equal(a[i], a[i / 3 * 3]); /* channels together */
            assert_int_equal(a[i], a[i % 105]);   /* rows alike */
        }
    }
}

static void named_masks_hide_what_their_name_says(void **state)
{
    (void)state;
    unsigned char hidden[16];
    const struct {
        const char *name, *expected;
    } cases[] = {{"top", "1111111100000000"},         {"bottom", "0000000011111111"},
                 {"left", "1100110011001100"},        {"right", "0011001100110011"},
                 {"even", "1010101010101010"},        {"odd", "0101010101010101"},
                 {"middle-rows", "0000111111110000"}, {"middle-columns", "0110011001100110"}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        assert_int_equal(nicest_mask(cases[c].name, NULL, 1, 16, 4, 4, 1, 1, hidden), NICEST_OK);
        for (size_t i = 0; i < 16; i++)
            assert_int_equal(hidden[i], cases[c].expected[i] - '0');
    }
}

static void random_masks_have_their_share_and_nest(void **state)
{
    (void)state;
    enum { N = 500, D = 64 * 3 };
    static unsigned char some[N * D], more[N * D], first[10 * D];
    assert_int_equal(nicest_mask("random:0.75", NULL, N, D, 8, 8, 3, 5, some), NICEST_OK);
    assert_int_equal(nicest_mask("random:0.9", NULL, N, D, 8, 8, 3, 5, more), NICEST_OK);
    assert_int_equal(nicest_mask("random:0.75", NULL, 10, D, 8, 8, 3, 5, first), NICEST_OK);
    double pixels = N * 64, share = (double)count_hidden(some, N * D) / (N * D);
    assert_true(fabs(share - 0.75) < 5 * sqrt(0.75 * 0.25 / pixels));
    for (size_t i = 0; i < N * D; i++)
        assert_true(!some[i] || more[i]);
    assert_memory_equal(some, first, sizeof first);
    assert_memory_not_equal(some, some + D, D);
}

static void missing_values_are_always_hidden(void **state)
{
    (void)state;
    double rows[8] = {1, NAN, 3, 4, NAN, 6, 7, 8};
    unsigned char hidden[8];
    assert_int_equal(nicest_mask("nan", rows, 2, 4, 0, 0, 0, 1, hidden), NICEST_OK);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(hidden[i], isnan(rows[i]) ? 1 : 0);
    assert_int_equal(nicest_mask("random:0", rows, 2, 4, 0, 0, 0, 1, hidden), NICEST_OK);
    assert_int_equal(count_hidden(hidden, 8), 2);
    assert_int_equal(nicest_mask("even", rows, 2, 4, 0, 0, 0, 1, hidden), NICEST_OK);
    assert_int_equal(count_hidden(hidden, 8), 5);
}

static void a_picture_is_a_mask(void **state)
{
    (void)state;
    char path[512];
    int file = mkstemps(in_tmpdir("nicest-mask-XXXXXX.png", path, sizeof path), 4);
    assert_true(file >= 0);
    close(file);
    nicest_image image = {0};
    assert_int_equal(nicest_image_new(&image, 3, 2, 1), NICEST_OK);
    const unsigned char pixels[6] = {0, 127, 128, 255, 0, 200};
    memcpy(image.pixels, pixels, sizeof pixels);
    assert_int_equal(nicest_image_write(&image, path), NICEST_OK);
    nicest_image_free(&image);
    unsigned char hidden[12];
    assert_int_equal(nicest_mask(path, NULL, 1, 12, 2, 3, 2, 1, hidden), NICEST_OK);
    for (size_t i = 0; i < 12; i++)
        assert_int_equal(hidden[i], pixels[i / 2] >= 128);
    assert_int_equal(nicest_mask(path, NULL, 1, 12, 3, 4, 1, 1, hidden), NICEST_E_MISMATCH);
    assert_int_equal(nicest_mask(path, NULL, 1, 12, 0, 0, 0, 1, hidden), NICEST_E_ARGUMENT);
    remove(path);
    assert_int_equal(nicest_mask(path, NULL, 1, 12, 2, 3, 2, 1, hidden), NICEST_E_IO);
}

static void unknown_masks_are_refused(void **state)
{
    (void)state;
    const char *wrong[] = {"", "middle", "random", "random:", "random:2", "random:x", "random:nan"};
    unsigned char hidden[4];
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(nicest_mask(wrong[i], NULL, 1, 4, 2, 2, 1, 1, hidden), NICEST_E_ARGUMENT);
    assert_int_equal(nicest_mask("top", NULL, 1, 4, 0, 0, 0, 1, hidden), NICEST_E_ARGUMENT);
    assert_int_equal(nicest_mask("nan", NULL, 1, 4, 2, 2, 1, 1, hidden), NICEST_E_ARGUMENT);
    assert_int_equal(nicest_mask("top", NULL, 1, 4, 3, 2, 1, 1, hidden), NICEST_E_MISMATCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(level_zero_is_the_identity),
        cmocka_unit_test(every_kind_changes_something_and_stays_in_range),
        cmocka_unit_test(fractions_of_bytes_stay_fractions_of_bytes),
        cmocka_unit_test(a_quarter_turn_is_exact),
        cmocka_unit_test(whole_turns_are_the_identity),
        cmocka_unit_test(rotation_turns_a_spot_counter_clockwise),
        cmocka_unit_test(contrast_goes_to_grey_and_to_black),
        cmocka_unit_test(blur_keeps_a_flat_picture_and_spreads_a_spot),
        cmocka_unit_test(noise_has_the_asked_deviation),
        cmocka_unit_test(salt_pepper_and_occlusion_take_their_share),
        cmocka_unit_test(morph_goes_from_one_to_the_other),
        cmocka_unit_test(rows_do_not_know_their_neighbours),
        cmocka_unit_test(tables_take_noise_in_deviations),
        cmocka_unit_test(what_cannot_be_is_refused),
        cmocka_unit_test(memory_that_runs_out_is_a_status),
        cmocka_unit_test(masks_come_in_complementary_pairs),
        cmocka_unit_test(named_masks_hide_what_their_name_says),
        cmocka_unit_test(random_masks_have_their_share_and_nest),
        cmocka_unit_test(missing_values_are_always_hidden),
        cmocka_unit_test(a_picture_is_a_mask),
        cmocka_unit_test(unknown_masks_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
