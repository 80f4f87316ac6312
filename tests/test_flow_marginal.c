/* test_flow_marginal.c - the marginal layer: an independent program's values, what fitting makes of
 * columns of every kind, far and impossible values, and constants that nobody should have. */
#include "flow_fixture.h"
#include "golden/layers.h"

#ifdef NICEST_DOUBLE
#define BOUND 1e-12
#else
#define BOUND 3e-6
#endif

/* ------------------------------------------------------------------ golden values */

static void assert_all_near(const char *what, const double *a, const double *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!(fabs(a[i] - b[i]) <= BOUND * fmax(1, fabs(b[i]))))
            print_error("%s %zu: %.17g, expected %.17g\n", what, i, a[i], b[i]);
        assert_true(fabs(a[i] - b[i]) <= BOUND * fmax(1, fabs(b[i])));
    }
}

static void layers_are_those_of_numpy(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof golden_layers / sizeof *golden_layers; i++) {
        const golden_layer *g = &golden_layers[i];
        flow *f = NULL;
        double logp[GOLDEN_ROWS], logdet[GOLDEN_ROWS], latent[GOLDEN_ROWS * 64];
        assert_int_equal(flow_new(&f, g->spec, 0), NICEST_OK);
        assert_string_equal(f->spec.text, g->spec);
        assert_int_equal(f->tensors.trainable, g->parameters);
        assert_int_equal(f->tensors.frozen, g->constants);
        for (size_t k = 0; k < g->parameters; k++)
            f->theta[k] = (real)g->theta[k];
        for (size_t k = 0; k < g->constants; k++)
            f->frozen[k] = (real)g->frozen[k];
        assert_int_equal(flow_check(f), NICEST_OK);
        flow_workspace *w = workspace_of(f, FLOW_SCORE, 0, 1);
        flow_run(w, &(flow_job){.input = FLOW_CONTINUOUS,
                                .rows = GOLDEN_ROWS,
                                .values = g->rows,
                                .logp = logp,
                                .logdet = logdet,
                                .latent = latent});
        assert_all_near("latent", latent, g->latent, GOLDEN_ROWS * g->columns);
        assert_all_near("logdet", logdet, g->logdet, GOLDEN_ROWS);
        assert_all_near("logp", logp, g->logp, GOLDEN_ROWS);
        flow_workspace_free(w);
        flow_free(f);
    }
}

/* ------------------------------------------------------------------ fitting */

enum { FRESH = 4000, MOST = 5000 };

/* One value of a kind of column, from a normal and a uniform number. */
typedef struct column_kind {
    const char *name;
    double (*value)(double z, double u);
    double unit;  /* of levels; 0: continuous */
    double bound; /* of |mean| and |variance - 1| of fresh rows' y at 5000 rows */
} column_kind;

static double of_normal(double z, double u)
{
    (void)u;
    return z;
}
static double of_lognormal(double z, double u)
{
    (void)u;
    return exp(3 * z);
}
static double of_cauchy(double z, double u)
{
    (void)z;
    return tan(3.14159 * (u - 0.5));
}
static double of_humps(double z, double u)
{
    return 0.1 * z + (u < 0.5 ? -3 : 3);
}
static double of_offset(double z, double u)
{
    (void)u;
    return 1e9 + 1e-3 * z;
}
static double of_integers(double z, double u)
{
    (void)u;
    return floor(20 + 6 * z);
}
static double of_flags(double z, double u)
{
    (void)z;
    return u < 0.3;
}
static double of_zeros(double z, double u)
{
    return u < 0.6 ? 0 : floor(exp(5 + 2 * z));
}
static double of_ties(double z, double u)
{
    return u < 0.04 ? 1 : z;
}
static double of_prices(double z, double u)
{
    static const double usual[] = {7.25, 7.8958, 8.05, 26.55, 512.3292};
    return u < 0.9 ? usual[(size_t)(u * 5.5)] : floor(exp(2.5 + z) * 1e4) / 1e4;
}
static double of_two_values(double z, double u)
{
    (void)z;
    return u < 0.3 ? -1 : 2.5;
}
static double of_constant(double z, double u)
{
    (void)z, (void)u;
    return 1e6;
}
static double of_tiny(double z, double u)
{
    (void)u;
    return 1e-30 * z;
}

/* Three values, measured with a little noise. */
static double of_spikes(double z, double u)
{
    return 1 + floor(3 * u) + 3e-5 * z;
}

static const column_kind KINDS[] = {
    {"normal", of_normal, 0, 0.1},       {"lognormal", of_lognormal, 0, 0.1},
    {"cauchy", of_cauchy, 0, 0.1},       {"two humps", of_humps, 0, 0.1},
    {"offset", of_offset, 0, 0.1},       {"integers", of_integers, 1, 0.1},
    {"flags", of_flags, 1, 0.1},         {"zeros", of_zeros, 1, 0.1},
    {"ties", of_ties, 0, 0.15},          {"prices", of_prices, 1e-4, 0.1},
    {"two values", of_two_values, 0, 0}, {"constant, continuous", of_constant, 0, 0},
    {"constant", of_constant, 1, 0.1},   {"tiny", of_tiny, 0, 0.1},
    {"spikes", of_spikes, 0, 0}};
enum { KIND_COUNT = sizeof KINDS / sizeof *KINDS };

/* Stored rows of all kinds beside each other; row numbers make them. */
static void fetch_kinds(const void *context, size_t first, size_t count, double *stored)
{
    (void)context;
    for (size_t i = 0; i < count; i++) {
        double z[KIND_COUNT], u[KIND_COUNT];
        random_normal((random_stream){5, RANDOM_USER, 1}, first + i, z, KIND_COUNT);
        random_uniform_double((random_stream){5, RANDOM_USER, 2}, first + i, u, KIND_COUNT);
        for (int k = 0; k < KIND_COUNT; k++)
            stored[i * KIND_COUNT + (size_t)k] = KINDS[k].value(z[k], u[k]);
    }
}

/* A marginal of all kinds, fitted to the first n rows; the entry centres as training does. */
static flow *fitted(size_t n, const char *rest)
{
    flow *f = NULL;
    char text[256];
    double *rows = memory_new(n * KIND_COUNT, sizeof *rows);
    snprintf(text, sizeof text, "nicest 1\ncolumns %d\nmarginal\n%sprior normal\n", KIND_COUNT,
             rest);
    assert_int_equal(flow_new(&f, text, 0), NICEST_OK);
    fetch_kinds(NULL, 0, n, rows);
    for (size_t k = 0; k < KIND_COUNT; k++) {
        entry_column *c = &f->entry.column[k];
        for (size_t i = 0; i < n; i++)
            c->centre += rows[i * KIND_COUNT + k] / (double)n;
        c->step = c->unit = KINDS[k].unit;
    }
    assert_int_equal(entry_set(&f->entry), NICEST_OK);
    flow_rows source = {fetch_kinds, NULL, n};
    assert_int_equal(flow_init(f, &source, 3, 1), NICEST_OK);
    assert_int_equal(flow_check(f), NICEST_OK);
    memory_free(rows);
    return f;
}

/* Latents and log p of rows that fitting did not see, and what the inverse makes of them. */
static void check_fit(size_t n)
{
    flow *f = fitted(n, "");
    flow_workspace *w = workspace_of(f, FLOW_GRADIENT, 0, 1);
    double *stored = memory_new(FRESH * KIND_COUNT, sizeof *stored), logp[FRESH];
    double *x = memory_new(FRESH * KIND_COUNT, sizeof *x), *y = memory_new(FRESH * KIND_COUNT, 8);
    double *back = memory_new(FRESH * KIND_COUNT, 8), *by_x = memory_new(FRESH * KIND_COUNT, 8);
    float u[KIND_COUNT];
    fetch_kinds(NULL, MOST, FRESH, stored);
    for (size_t r = 0; r < FRESH; r++)
        entry_dequantise_row(&f->entry, stored + r * KIND_COUNT,
                             (random_stream){1, RANDOM_DEQUANTISE, 0}, r, u, x + r * KIND_COUNT);
    flow_run(w, &(flow_job){.input = FLOW_CONTINUOUS,
                            .rows = FRESH,
                            .values = x,
                            .latent = y,
                            .logp = logp,
                            .gradient = by_x});
    flow_run(w, &(flow_job){.input = FLOW_LATENT, .rows = FRESH, .values = y, .continuous = back});
    for (size_t k = 0; k < KIND_COUNT; k++) {
        double mean = 0, square = 0, spread = n == 1, centre = f->entry.column[k].centre;
        for (size_t r = 0; r < FRESH; r++) {
            mean += y[r * KIND_COUNT + k] / FRESH;
            square += y[r * KIND_COUNT + k] * y[r * KIND_COUNT + k] / FRESH;
            spread += fabs(x[r * KIND_COUNT + k] - centre) / FRESH;
            assert_true(isfinite(y[r * KIND_COUNT + k]) && isfinite(by_x[r * KIND_COUNT + k]));
        }
        if (n == MOST && KINDS[k].bound > 0 &&
            !(fabs(mean) < KINDS[k].bound && fabs(square - mean * mean - 1) < KINDS[k].bound))
            fail_msg("%s: mean %g, variance %g", KINDS[k].name, mean, square - mean * mean);
        for (size_t r = 0; r < FRESH; r++) {
            size_t i = r * KIND_COUNT + k;
            if (!(fabs(back[i] - x[i]) <= 1e-5 * fmax(spread, fabs(x[i] - centre))))
                fail_msg("%s, %zu rows: %.17g comes back as %.17g", KINDS[k].name, n, x[i],
                         back[i]);
        }
    }
    for (size_t r = 0; r < FRESH; r++)
        assert_true(isfinite(logp[r]));
    memory_free(stored);
    memory_free(x);
    memory_free(y);
    memory_free(back);
    memory_free(by_x);
    flow_workspace_free(w);
    flow_free(f);
}

static void any_column_becomes_a_normal_score(void **state)
{
    static const size_t rows[] = {1, 2, 3, 5, 20, 300, MOST};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        check_fit(rows[i]);
}

/* A value that is further out is further out: no end, no overflow, log p falls. */
static void far_values_stay_far(void **state)
{
    (void)state;
    flow *f = fitted(MOST, "");
    flow_workspace *w = workspace_of(f, FLOW_SCORE, 0, 1);
    for (size_t k = 0; k < KIND_COUNT; k++)
        for (int side = -1; side <= 1; side += 2) {
            double before = -INFINITY, logp_before = INFINITY;
            double spread = KINDS[k].value == of_tiny     ? 1e-30
                            : KINDS[k].value == of_offset ? 1e-3
                                                          : 100;
            for (double far = 10 * spread; far < 1e12 * spread; far *= 7) {
                double row[KIND_COUNT], y[KIND_COUNT], logp;
                for (size_t j = 0; j < KIND_COUNT; j++)
                    row[j] = f->entry.column[j].centre;
                row[k] += side * far;
                flow_run(w, &(flow_job){.input = FLOW_CONTINUOUS,
                                        .rows = 1,
                                        .values = row,
                                        .latent = y,
                                        .logp = &logp});
                assert_true(isfinite(logp) && side * y[k] > before);
                assert_true(logp < logp_before || far < 1e3 * spread);
                before = side * y[k];
                logp_before = logp;
            }
        }
    flow_workspace_free(w);
    flow_free(f);
}

/* Beside a spike at the end of what was seen a value is unlikely, and no more: the spike's width
 * says nothing of how far others lie. An exponential tail as wide as the spike has log p of -3e4
 * there. */
static void beside_a_spike_is_not_the_end(void **state)
{
    const size_t spikes = KIND_COUNT - 1;
    const double beside[] = {0.97, 3.03};
    (void)state;
    flow *f = fitted(MOST, "");
    flow_workspace *w = workspace_of(f, FLOW_SCORE, 0, 1);
    assert_string_equal(KINDS[spikes].name, "spikes");
    for (int side = 0; side < 2; side++) {
        double row[2 * KIND_COUNT], logp[2];
        for (size_t j = 0; j < KIND_COUNT; j++)
            row[j] = row[KIND_COUNT + j] = f->entry.column[j].centre;
        row[spikes] = side ? 3 : 1;
        row[KIND_COUNT + spikes] = beside[side];
        flow_run(w, &(flow_job){.input = FLOW_CONTINUOUS, .rows = 2, .values = row, .logp = logp});
        assert_true(logp[1] < logp[0] - 10 && logp[1] > logp[0] - 60);
    }
    flow_workspace_free(w);
    flow_free(f);
}

static void fetch_column(const void *context, size_t first, size_t count, double *stored)
{
    memcpy(stored, (const double *)context + first, count * sizeof *stored);
}

/* Of a column whose rows are all within a hundred millionth, a value that is not costs hundreds of
 * nats, and not a thousand million: no tail is exponential. */
static void no_value_costs_without_end(void **state)
{
    (void)state;
    enum { ROWS = 300 };
    double rows[ROWS], far[] = {1, -1e3, 1e6}, logp[3];
    flow *f = NULL;
    for (size_t i = 0; i < ROWS; i++)
        rows[i] = 1e-8 * (double)(i * 37 % ROWS) / ROWS;
    assert_int_equal(flow_new(&f, "nicest 1\ncolumns 1\nmarginal\nprior normal\n", 0), NICEST_OK);
    flow_rows source = {fetch_column, rows, ROWS};
    assert_int_equal(flow_init(f, &source, 3, 1), NICEST_OK);
    flow_workspace *w = workspace_of(f, FLOW_SCORE, 0, 1);
    flow_run(w, &(flow_job){.input = FLOW_CONTINUOUS, .rows = 3, .values = far, .logp = logp});
    for (int i = 0; i < 3; i++)
        assert_true(logp[i] < -100 && logp[i] > -1500);
    flow_workspace_free(w);
    flow_free(f);
}

/* With two knots it is the standardised value, and far beyond the rows it goes on. */
static void two_knots_are_a_line(void **state)
{
    (void)state;
    enum { ROWS = 200 };
    double rows[ROWS], y[ROWS], logdet[ROWS], mean = 0, square = 0, back;
    flow *f = NULL;
    for (size_t i = 0; i < ROWS; i++) {
        rows[i] = 5 + exp((double)(i * 37 % ROWS) / 40);
        mean += rows[i] / ROWS;
    }
    for (size_t i = 0; i < ROWS; i++)
        square += (rows[i] - mean) * (rows[i] - mean) / ROWS;
    assert_int_equal(
        flow_new(&f, "nicest 1\ncolumns 1\nmarginal levels=0 knots=2\nprior normal\n", 0),
        NICEST_OK);
    flow_rows source = {fetch_column, rows, ROWS};
    assert_int_equal(flow_init(f, &source, 3, 1), NICEST_OK);
    flow_workspace *w = workspace_of(f, FLOW_SCORE, 0, 1);
    flow_forward(w, rows, ROWS, y, logdet);
    for (size_t i = 0; i < ROWS; i++) {
        assert_true(fabs(y[i] - (rows[i] - mean) / sqrt(square)) < 1e-6);
        assert_true(fabs(logdet[i] + log(square) / 2) < 1e-6);
    }
    for (double far = 1e3; far < 1e300; far *= 1e10)
        for (int side = -1; side < 2; side += 2) {
            double x = side * far;
            flow_forward(w, &x, 1, y, logdet);
            flow_inverse(w, y, 1, &back, NULL);
            assert_true(side * y[0] > 2 && isfinite(logdet[0]));
            assert_true(fabs(back - x) < 1e-9 * far);
        }
    flow_workspace_free(w);
    flow_free(f);
}

/* ------------------------------------------------------------------ the density */

/* One column with the constants of the golden model's column j. */
static flow *golden_column(size_t j)
{
    const golden_layer *g = &golden_layers[0];
    flow *f = NULL;
    char text[128];
    snprintf(text, sizeof text, "nicest 1\ncolumns 1\nmarginal levels=17 knots=4\nprior normal\n");
    assert_int_equal(flow_new(&f, text, 0), NICEST_OK);
    for (size_t i = 0; i < 9; i++)
        f->frozen[i] = (real)g->frozen[j * 9 + i];
    for (size_t i = 0; i < 36; i++)
        f->frozen[9 + i] = (real)g->frozen[g->columns * 9 + j * 36 + i];
    return f;
}

/* Midpoints, in the columns' own units. */
static void total_mass_is_one(void **state)
{
    enum { CELLS = 200000 };
    static const double from[] = {-1, -60, -300, -60}, to[] = {18, 60, 300, 100};
    double *x = memory_new(2 * CELLS, sizeof *x), *logp = x + CELLS;
    (void)state;
    for (size_t j = 0; j < 4; j++) {
        flow *f = golden_column(j);
        double origin = (double)f->frozen[0] + (double)f->frozen[1], unit = (double)f->frozen[2];
        double width = (to[j] - from[j]) / CELLS, mass = 0;
        for (size_t i = 0; i < CELLS; i++)
            x[i] = origin + unit * (from[j] + ((double)i + 0.5) * width);
        flow_workspace *w = workspace_of(f, FLOW_SCORE, 0, 1);
        flow_run(w,
                 &(flow_job){.input = FLOW_CONTINUOUS, .rows = CELLS, .values = x, .logp = logp});
        for (size_t i = 0; i < CELLS; i++)
            mass += exp(logp[i]) * width * unit;
        if (!(fabs(mass - 1) < 1e-3))
            fail_msg("column %zu: mass %.9g", j, mass);
        flow_workspace_free(w);
        flow_free(f);
    }
    memory_free(x);
}

/* Values that come back are levels of their own in a wide range, and all else has little. */
static void values_that_come_back_have_levels(void **state)
{
    enum { CELLS = 400000 };
    static const double usual[] = {7.25, 7.8958, 8.05, 26.55, 512.3292};
    size_t prices = 0;
    (void)state;
    while (KINDS[prices].value != of_prices)
        prices++;
    flow *f = fitted(MOST, ""), *one = NULL;
    size_t width = (f->tensors.frozen / KIND_COUNT - 9), d = KIND_COUNT;
    assert_int_equal(flow_new(&one, "nicest 1\ncolumns 1\nmarginal\nprior normal\n", 0), NICEST_OK);
    memcpy(one->frozen, f->frozen + prices * 9, 9 * sizeof(real));
    memcpy(one->frozen + 9, f->frozen + d * 9 + prices * width, width * sizeof(real));
    assert_true(one->frozen[4] > 65536);
    flow_workspace *w = workspace_of(one, FLOW_SCORE, 0, 1);
    double centre = f->entry.column[prices].centre, share = 0, logp;
    for (size_t i = 0; i < 5; i++) {
        double x = usual[i] - centre + 0.5e-4;
        flow_run(w, &(flow_job){.input = FLOW_CONTINUOUS, .rows = 1, .values = &x, .logp = &logp});
        share += exp(logp) * 1e-4;
    }
    assert_true(fabs(share - 0.9) < 0.02);
    double *x = memory_new(2 * CELLS, sizeof *x), *log_density = x + CELLS, mass = 0;
    for (size_t i = 0; i < CELLS; i++) /* an odd width, so that no level is met by rule */
        x[i] = 20 - centre + ((double)i + 0.5) * 1.7e-5;
    flow_run(
        w, &(flow_job){.input = FLOW_CONTINUOUS, .rows = CELLS, .values = x, .logp = log_density});
    for (size_t i = 0; i < CELLS; i++)
        mass += exp(log_density[i]) * 1.7e-5;
    assert_true(fabs(mass - 0.18) < 0.03); /* of 20 to 26.8: one of the five and a little */
    one->frozen[4] = 65536 + 200;
    assert_int_equal(flow_check(one), NICEST_E_FORMAT);
    memory_free(x);
    flow_workspace_free(w);
    flow_free(one);
    flow_free(f);
}

/* A histogram with ends: nothing beyond them, and no gradient; NaN is no level. */
static void beyond_the_levels_there_is_nothing(void **state)
{
    static const double outside[] = {-1e-9, 1 + 1e-6, -5, 1e30, -INFINITY, INFINITY};
    static const double inside[] = {1e-12, 0.5, 1 - 1e-7};
    double logp, gradient;
    (void)state;
    flow *f = golden_column(0);
    flow_workspace *w = workspace_of(f, FLOW_GRADIENT, 0, 1);
    flow_job job = {.input = FLOW_CONTINUOUS, .rows = 1, .logp = &logp, .gradient = &gradient};
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        job.values = &outside[i];
        flow_run(w, &job);
        assert_true(logp == -INFINITY && isnan(gradient));
    }
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        job.values = &inside[i];
        flow_run(w, &job);
        assert_true(isfinite(logp) && isfinite(gradient));
    }
    job.values = &(double){NAN};
    flow_run(w, &job);
    assert_true(isnan(logp) && isnan(gradient));
    flow_workspace_free(w);
    flow_free(f);
}

/* ------------------------------------------------------------------ damaged constants */

/* What the check lets through never makes NaN of a number, and comes back. */
static void damaged_constants_are_refused_or_harmless(void **state)
{
    static const float odd[] = {0, -1, 1, 1e-30f, 1e30f, -1e30f, 0.5f, -0.5f, 3.5f, -5, 1e-38f};
    enum { ODD = sizeof odd / sizeof *odd, TRIALS = 20000 };
    size_t sound = 0;
    (void)state;
    for (size_t j = 0; j < 4; j++) {
        flow *f = golden_column(j);
        flow_workspace *w = workspace_of(f, FLOW_SCORE, 0, 1);
        for (uint64_t i = 0; i < TRIALS; i++) {
            double u[3], x[6] = {0, 0.3, -7, 1e9, 1e9 + 0.1, 1e-3}, y[6], back[6];
            random_uniform_double((random_stream){j, RANDOM_USER, 7}, i, u, 3);
            size_t place = (size_t)(u[0] * (double)f->tensors.frozen);
            real kept = f->frozen[place];
            f->frozen[place] = u[2] < 0.5 ? (real)odd[(size_t)(u[1] * ODD)]
                                          : kept * (real)(float)(1 + (u[1] - 0.5) * 0.1);
            if (flow_check(f) == NICEST_OK) {
                flow_run(
                    w, &(flow_job){.input = FLOW_CONTINUOUS, .rows = 6, .values = x, .latent = y});
                flow_run(w, &(flow_job){
                                .input = FLOW_LATENT, .rows = 6, .values = x, .continuous = back});
                for (int k = 0; k < 6; k++)
                    assert_true(!isnan(y[k]) && !isnan(back[k]));
                sound++;
            }
            f->frozen[place] = kept;
        }
        assert_int_equal(flow_check(f), NICEST_OK);
        flow_workspace_free(w);
        flow_free(f);
    }
    assert_true(sound > 100 && sound < 4 * TRIALS - 100);
}

static void crossed_constants_are_refused(void **state)
{
    /* of the golden columns: where, what, and of which column */
    static const struct {
        size_t column, place;
        float value;
    } damages[] = {{0, 4, 18},       /* more levels than the spec has */
                   {0, 4, 2.5f},     /* half a level */
                   {0, 2, 0},        /* no width */
                   {0, 9 + 3, 0.5f}, /* an edge above its neighbour */
                   {0, 9, 0.01f},    /* mass below the end, and no tail */
                   {1, 4, -1},       /* one knot */
                   {1, 4, -5},       /* more knots than the spec has */
                   {1, 9 + 1, -3},   /* knots that go back */
                   {1, 9 + 5, 5},    /* scores that go back */
                   {1, 9 + 9, 0},    /* a level slope */
                   {1, 5, 0},        /* no tail */
                   {1, 6, 2},        /* a tail without a mean */
                   {2, 7, -1}};      /* a tail of negative scale */
    (void)state;
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        flow *f = golden_column(damages[i].column);
        assert_int_equal(flow_check(f), NICEST_OK);
        f->frozen[damages[i].place] = (real)damages[i].value;
        if (flow_check(f) != NICEST_E_FORMAT)
            fail_msg("damage %zu was not seen", i);
        assert_string_equal(nicest_error(), "the marginal of column 1 is not a density");
        flow_free(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_are_those_of_numpy),
        cmocka_unit_test(any_column_becomes_a_normal_score),
        cmocka_unit_test(far_values_stay_far),
        cmocka_unit_test(beside_a_spike_is_not_the_end),
        cmocka_unit_test(no_value_costs_without_end),
        cmocka_unit_test(two_knots_are_a_line),
        cmocka_unit_test(total_mass_is_one),
        cmocka_unit_test(values_that_come_back_have_levels),
        cmocka_unit_test(beyond_the_levels_there_is_nothing),
        cmocka_unit_test(damaged_constants_are_refused_or_harmless),
        cmocka_unit_test(crossed_constants_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
