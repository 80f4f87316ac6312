/* test_data_toy.c - each toy's density is one: it integrates to one, and the rows are drawn from
 * it. */
#include "data_files.h"

static void log_density(const char *name, const double *rows, size_t n, double *logp)
{
    if (nicest_toy_log_density(name, rows, n, logp) != NICEST_OK)
        fail_msg("%s: %s", name, nicest_error());
}

static nicest_data *toy(const char *name, const char *more)
{
    char text[200];
    snprintf(text, sizeof text, "toy:%s%s", name, more);
    return open_plain(text);
}

/* A box that misses less than 1e-6 of the mass: parabola needs much more room than the others. */
static void box_of(const char *name, double box[4])
{
    const double common[4] = {-8, 8, -8, 8}, parabola[4] = {-8, 140, -23.6, 23.6};
    memcpy(box, !strcmp(name, "parabola") ? parabola : common, sizeof common);
}

typedef struct integral {
    double mass, entropy;
} integral;

/* Midpoint rule on the box; the checkerboard's edges lie between the cells. */
static integral integrate(const char *name, size_t side)
{
    double box[4], *rows = malloc(side * 2 * sizeof *rows), *logp = malloc(side * sizeof *logp);
    integral sum = {0, 0};
    box_of(name, box);
    double dx = (box[1] - box[0]) / (double)side, dy = (box[3] - box[2]) / (double)side;
    for (size_t i = 0; i < side; i++) {
        for (size_t j = 0; j < side; j++) {
            rows[2 * j] = box[0] + ((double)i + 0.5) * dx;
            rows[2 * j + 1] = box[2] + ((double)j + 0.5) * dy;
        }
        log_density(name, rows, side, logp);
        for (size_t j = 0; j < side; j++) {
            double p = exp(logp[j]) * dx * dy;
            sum.mass += p;
            sum.entropy -= p > 0 ? p * logp[j] : 0;
        }
    }
    free(rows);
    free(logp);
    return sum;
}

static void test_integrates_to_one_and_matches_its_rows(void **state)
{
    (void)state;
    for (const char *const *name = nicest_toy_names(); *name; name++) {
        enum { N = 100000 };
        integral exact = integrate(*name, 400);
        if (fabs(exact.mass - 1) > 1e-4)
            fail_msg("%s: integrates to %.8f", *name, exact.mass);
        nicest_data *data = toy(*name, ",n=100000,seed=3");
        double *rows = all_values(data), *logp = malloc(N * sizeof *logp), sum = 0, squares = 0;
        log_density(*name, rows, N, logp);
        for (size_t i = 0; i < N; i++) {
            assert_true(isfinite(logp[i]));
            sum += logp[i];
            squares += logp[i] * logp[i];
        }
        double mean = sum / N, sem = sqrt(fmax(squares / N - mean * mean, 0) / N);
        if (fabs(mean + exact.entropy) > 4 * sem + 1e-4)
            fail_msg("%s: mean log density %.5f +- %.5f, entropy %.5f", *name, mean, sem,
                     exact.entropy);
        free(rows);
        free(logp);
        nicest_data_free(data);
    }
}

/* Rows in cells against the mass of cells (a midpoint rule in each). */
static void test_chi_square(void **state)
{
    enum { SIDE = 40, FINE = 8, N = 100000 };
    static double expected[SIDE * SIDE], seen[SIDE * SIDE];
    (void)state;
    for (const char *const *name = nicest_toy_names(); *name; name++) {
        double box[4], points[FINE * FINE * 2], logp[FINE * FINE], chi = 0;
        size_t cells = 0;
        box_of(*name, box);
        double dx = (box[1] - box[0]) / SIDE, dy = (box[3] - box[2]) / SIDE;
        memset(seen, 0, sizeof seen);
        for (size_t c = 0; c < SIDE * SIDE; c++) {
            for (size_t k = 0; k < FINE * FINE; k++) {
                points[2 * k] =
                    box[0] + ((double)(c / SIDE) + ((double)(k / FINE) + 0.5) / FINE) * dx;
                points[2 * k + 1] =
                    box[2] + ((double)(c % SIDE) + ((double)(k % FINE) + 0.5) / FINE) * dy;
            }
            log_density(*name, points, FINE * FINE, logp);
            expected[c] = 0;
            for (size_t k = 0; k < FINE * FINE; k++)
                expected[c] += exp(logp[k]) * N * dx * dy / (FINE * FINE);
        }
        nicest_data *data = toy(*name, ",n=100000,stream=1");
        double *rows = all_values(data);
        for (size_t i = 0; i < N; i++) {
            double a = floor((rows[2 * i] - box[0]) / dx),
                   b = floor((rows[2 * i + 1] - box[2]) / dy);
            if (a >= 0 && a < SIDE && b >= 0 && b < SIDE)
                seen[(size_t)a * SIDE + (size_t)b]++;
        }
        for (size_t c = 0; c < SIDE * SIDE; c++) {
            if (expected[c] < 10)
                continue;
            chi += (seen[c] - expected[c]) * (seen[c] - expected[c]) / expected[c];
            cells++;
        }
        double z = (chi - (double)cells) / sqrt(2 * (double)cells);
        if (cells < 16 || z > 5)
            fail_msg("%s: chi-square %.1f in %zu cells (z = %.1f)", *name, chi, cells, z);
        free(rows);
        nicest_data_free(data);
    }
}

static void test_rows_are_a_function_of_seed_and_number(void **state)
{
    (void)state;
    for (const char *const *name = nicest_toy_names(); *name; name++) {
        nicest_data *small = toy(*name, ",n=50,seed=7"), *large = toy(*name, ",seed=7,n=400");
        nicest_data *stream = toy(*name, ",n=50,seed=7,stream=1"),
                    *seed = toy(*name, ",n=50,seed=8");
        double *a = all_values(small), *b = all_values(large), *c = all_values(stream),
               *d = all_values(seed);
        assert_memory_equal(a, b, 100 * sizeof *a);
        for (size_t i = 0; i < 100; i++) {
            assert_true(a[i] != c[i]);
            assert_true(a[i] != d[i]);
        }
        assert_string_equal(nicest_data_kind(small), "toy");
        assert_int_equal(nicest_data_columns(small), 2);
        nicest_data_free(small), nicest_data_free(large);
        nicest_data_free(stream), nicest_data_free(seed);
        free(a), free(b), free(c), free(d);
    }
    nicest_data *plain = open_plain("toy:moons");
    assert_int_equal(nicest_data_rows(plain), 10000);
    nicest_data_free(plain);
}

/* The quadrature along curves against one with far more nodes, where density matters. */
static void test_curves_are_accurate(void **state)
{
    static const char *const NAMES[] = {"moons", "spirals", "swissroll"};
    uint64_t seed = 1;
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        enum { N = 150, NODES = 20000 };
        const double noise = k == 0 ? 0.1 : k == 1 ? 0.1 : 0.2, pi = 3.14159265358979323846;
        double rows[2 * N], logp[N];
        nicest_data *data = toy(NAMES[k], ",n=150,stream=5");
        assert_int_equal(nicest_data_read(data, 0, N, rows), NICEST_OK);
        for (size_t i = 0; i < 2 * N; i += 10) /* some away from the curve */
            rows[i] += random_unit(&seed) - 0.5;
        log_density(NAMES[k], rows, N, logp);
        for (size_t i = 0; i < N; i++) {
            double sum = 0;
            for (size_t j = 0; j < NODES; j++) {
                double u = ((double)(j / 2) + 0.5) / (NODES / 2), s = j % 2 ? 1 : -1, x, y, t;
                if (k == 0) {
                    t = pi * u;
                    x = s < 0 ? cos(t) : 1 - cos(t);
                    y = s < 0 ? sin(t) : 0.5 - sin(t);
                } else if (k == 1) {
                    t = 3 * pi * sqrt(u);
                    x = s * t * cos(t) / 3;
                    y = -s * t * sin(t) / 3;
                } else {
                    t = 1.5 * pi * (1 + 2 * u);
                    x = t * cos(t) / 5;
                    y = t * sin(t) / 5;
                }
                x -= rows[2 * i];
                y -= rows[2 * i + 1];
                sum += exp(-(x * x + y * y) / (2 * noise * noise));
            }
            double exact = log(sum / NODES / (2 * pi * noise * noise));
            if (isfinite(exact) && exact > -30 && fabs(exact - logp[i]) > 1e-3)
                fail_msg("%s: %.6f at row %zu, expected %.6f", NAMES[k], logp[i], i, exact);
        }
        nicest_data_free(data);
    }
}

/* Rings by direct sums over the angle. */
static void test_rings_are_exact(void **state)
{
    const double points[] = {0, 0, 1, 0, 0.3, -1.9, 2.5, 2.5, 4, 0, 0.01, 0.01, -3.2, 1, 7, 7};
    double logp[8];
    (void)state;
    for (double noise = 0.05; noise < 3; noise *= 2) {
        char name[40];
        snprintf(name, sizeof name, "rings,noise=%g", noise);
        log_density(name, points, 8, logp);
        for (size_t i = 0; i < 8; i++) {
            double sum = 0;
            for (int k = 1; k <= 4; k++) {
                for (int a = 0; a < 4000; a++) {
                    double angle = a * 2 * 3.14159265358979323846 / 4000;
                    double x = k * cos(angle) - points[2 * i],
                           y = k * sin(angle) - points[2 * i + 1];
                    sum += exp(-(x * x + y * y) / (2 * noise * noise)) / 16000;
                }
            }
            double exact = log(sum / (2 * 3.14159265358979323846 * noise * noise));
            if (isfinite(exact) && fabs(exact - logp[i]) > 1e-8 * fabs(exact) + 1e-9)
                fail_msg("%s: %.12g at point %zu, expected %.12g", name, logp[i], i, exact);
        }
    }
}

static void test_known_values(void **state)
{
    const double points[] = {0, 0, NAN, 0, 0, INFINITY, 1e200, 1e200, -1, -1, -1, 1};
    double logp[6];
    (void)state;
    log_density("parabola", points, 1, logp);
    assert_true(fabs(logp[0] + log(4) + log(2 * 3.14159265358979323846)) < 1e-14);
    for (const char *const *name = nicest_toy_names(); *name; name++) {
        log_density(*name, points, 4, logp);
        assert_true(isnan(logp[1]));
        assert_true(logp[2] == -INFINITY);
        assert_true(logp[3] < -1e6);
    }
    log_density("checkerboard", points, 6, logp);
    assert_true(logp[4] == -log(32) && logp[5] == -INFINITY);
}

/* Other noise: still one. */
static void test_noise(void **state)
{
    static const char *const NAMES[] = {"moons,noise=0.3",    "rings,noise=0.5,n=3",
                                        "spirals,noise=0.4",  "swissroll,noise=0.5",
                                        "pinwheel,noise=0.4", "eight-gaussians,seed=4,noise=1"};
    (void)state;
    for (size_t i = 0; i < 6; i++)
        assert_true(fabs(integrate(NAMES[i], 300).mass - 1) < 2e-3); /* some leaves the box */
}

static void test_refused(void **state)
{
    double row[2] = {0, 0}, logp = 5;
    (void)state;
    assert_refused("toy:moon", NULL, NICEST_E_ARGUMENT, "there are parabola, moons, rings");
    assert_refused("toy:", NULL, NICEST_E_ARGUMENT, "no toy");
    assert_refused("toy:moons,size=4", NULL, NICEST_E_ARGUMENT, "there are n, seed, stream, noise");
    assert_refused("toy:parabola,noise=1", NULL, NICEST_E_ARGUMENT, "unknown parameter 'noise'");
    assert_refused("toy:moons,n=0", NULL, NICEST_E_ARGUMENT, "at least 1");
    assert_refused("toy:moons,n=-4", NULL, NICEST_E_ARGUMENT, "n=-4");
    assert_refused("toy:moons,n=1e3", NULL, NICEST_E_ARGUMENT, "n=1e3");
    assert_refused("toy:moons,n=99999999999999999999999", NULL, NICEST_E_ARGUMENT, "n=");
    assert_refused("toy:moons,n", NULL, NICEST_E_ARGUMENT, "'n'");
    assert_refused("toy:moons,", NULL, NICEST_E_ARGUMENT, "''");
    assert_refused("toy:moons,noise=0", NULL, NICEST_E_ARGUMENT, "noise=0");
    assert_refused("toy:moons,noise=nan", NULL, NICEST_E_ARGUMENT, "noise=nan");
    assert_refused("toy:moons,stream=99999999999", NULL, NICEST_E_ARGUMENT, "stream=");
    assert_int_equal(nicest_toy_log_density("moon", row, 1, &logp), NICEST_E_ARGUMENT);
    assert_true(logp == 5);
    assert_survives_no_memory("toy:spirals,n=10", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integrates_to_one_and_matches_its_rows),
        cmocka_unit_test(test_chi_square),
        cmocka_unit_test(test_rows_are_a_function_of_seed_and_number),
        cmocka_unit_test(test_curves_are_accurate),
        cmocka_unit_test(test_rings_are_exact),
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_noise),
        cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
