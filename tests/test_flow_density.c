/* test_flow_density.c - a flow is a density: its mass is one, its samples come from it, and its
 * starting values make the latent look like the prior. */
#include "flow_fixture.h"

/* ------------------------------------------------------------------ the prior */

static void a_prior_integrates_to_one(void **state)
{
    (void)state;
    for (int p = PRIOR_LOGISTIC; p <= PRIOR_NORMAL; p++) {
        double mass = 0, square = 0, step = 1.0 / 128;
        for (int i = -50 * 128; i < 50 * 128; i++) {
            real h = (real)((i + 0.5) * step), slope, near = h + (real)0.0078125;
            double density = 0, later = 0;
            prior_log_density((prior_kind)p, &h, &slope, &density, 1);
            prior_log_density((prior_kind)p, &near, NULL, &later, 1);
            mass += exp(density) * step;
            square += exp(density) * (double)h * (double)h * step;
            assert_true(fabs((later - density) / 0.0078125 - (double)slope) <
                        0.02 * (1 + fabs((double)slope)));
        }
        assert_true(fabs(mass - 1) < 1e-5);
        assert_true(fabs(sqrt(square) - prior_deviation((prior_kind)p)) < 1e-4);
    }
}

static void prior_samples_have_its_moments(void **state)
{
    enum { ROWS = 50000 };
    (void)state;
    for (int p = PRIOR_LOGISTIC; p <= PRIOR_NORMAL; p++) {
        double mean = 0, square = 0, inside = 0, h[3];
        for (uint64_t row = 0; row < ROWS; row++) {
            prior_sample((prior_kind)p, (random_stream){1, RANDOM_SAMPLE, 0}, row, 2, h, 3);
            mean += (h[0] + h[1] + h[2]) / 2;
            square += (h[0] * h[0] + h[1] * h[1] + h[2] * h[2]) / 4;
            inside += (fabs(h[0]) < 2) + (fabs(h[1]) < 2) + (fabs(h[2]) < 2);
        }
        double deviation = prior_deviation((prior_kind)p), n = 3.0 * ROWS;
        /* P(|h| < 1): tanh(1/2), erf(1/sqrt 2) */
        double expected = p == PRIOR_LOGISTIC ? tanh(0.5) : erf(sqrt(0.5));
        assert_true(fabs(mean / n) < 5 * deviation / sqrt(n));
        assert_true(fabs(sqrt(square / n) / deviation - 1) < 0.01);
        assert_true(fabs(inside / n - expected) < 5 * 0.5 / sqrt(n));
    }
}

/* ------------------------------------------------------------------ total mass */

typedef struct box {
    double low[2], high[2];
} box;

enum { SAMPLES = 40000 };

static double *samples_of(const flow *f, flow_workspace *w)
{
    double *x = memory_new(SAMPLES * f->spec.columns, sizeof *x);
    flow_run(w, &(flow_job){.input = FLOW_PRIOR,
                            .rows = SAMPLES,
                            .noise = {2, RANDOM_SAMPLE, 0},
                            .temperature = 1,
                            .continuous = x});
    return x;
}

/* The samples' box, widened by half its size on every side. */
static box box_of(const double *x, size_t d)
{
    box b = {{0, 0}, {1, 1}};
    for (size_t j = 0; j < d; j++) {
        double low = x[j], high = x[j];
        for (size_t i = 0; i < SAMPLES; i++) {
            low = fmin(low, x[i * d + j]);
            high = fmax(high, x[i * d + j]);
        }
        b.low[j] = low - (high - low) / 2;
        b.high[j] = high + (high - low) / 2;
    }
    return b;
}

/* Mass, and the moments of the first and last column, by the midpoint rule. */
typedef struct moments {
    double mass, mean[2], square[2], product;
} moments;

static moments integrate(flow_workspace *w, const box *b, size_t d, size_t side)
{
    size_t n = d == 1 ? side * side : side;
    double *x = memory_new(n * d, sizeof *x), *logp = memory_new(n, sizeof *logp);
    double cell = (b->high[0] - b->low[0]) / (double)n;
    double height = d == 1 ? 1 : (b->high[1] - b->low[1]) / (double)side;
    moments m = {0};
    for (size_t line = 0; line < (d == 1 ? 1 : side); line++) {
        for (size_t i = 0; i < n; i++) {
            x[i * d] = b->low[0] + ((double)i + 0.5) * cell;
            x[i * d + d - 1] = d == 1 ? x[i] : b->low[1] + ((double)line + 0.5) * height;
        }
        flow_run(w, &(flow_job){.input = FLOW_CONTINUOUS, .rows = n, .values = x, .logp = logp});
        for (size_t i = 0; i < n; i++) {
            double p = exp(logp[i]) * cell * height, first = x[i * d], last = x[i * d + d - 1];
            m.mass += p;
            m.mean[0] += p * first;
            m.mean[1] += p * last;
            m.square[0] += p * first * first;
            m.square[1] += p * last * last;
            m.product += p * first * last;
        }
    }
    memory_free(x);
    memory_free(logp);
    return m;
}

/* Samples' means and second moments are those of the density, within five standard errors or so. */
static void check_samples(const double *x, size_t d, const moments *m)
{
    moments s = {0};
    for (size_t i = 0; i < SAMPLES; i++) {
        double first = x[i * d], last = x[i * d + d - 1];
        s.mean[0] += first / SAMPLES;
        s.mean[1] += last / SAMPLES;
        s.square[0] += first * first / SAMPLES;
        s.square[1] += last * last / SAMPLES;
        s.product += first * last / SAMPLES;
    }
    for (int j = 0; j < 2; j++) {
        double deviation = sqrt(m->square[j] - m->mean[j] * m->mean[j]);
        assert_true(fabs(s.mean[j] - m->mean[j]) < 6 * deviation / sqrt(SAMPLES));
        assert_true(fabs(s.square[j] - m->square[j]) < 0.06 * m->square[j]);
    }
    assert_true(fabs(s.product - m->product) < 0.06 * sqrt(m->square[0] * m->square[1]));
}

static void mass_is_one_and_samples_come_from_it(void **state)
{
    static const char *const before[] = {"", "standardise\n", "logit margin=0.1\n"};
    static const char *const hidden[] = {"none", "16", "32,8"};
    static const char *const activations[] = {"relu", "tanh", "silu"};
    (void)state;
    for (size_t i = 0; i < 18; i++) {
        char text[1024];
        shape s = {
            1 + i % 2,          before[(i / 2) % 3], "permute reverse\n",          hidden[i / 6],
            activations[i % 3], "scale\n",           i % 3 ? "logistic" : "normal"};
        if (strstr(s.before, "logit")) /* logistic tails would pile up at 0 and 1 */
            s.prior = "normal";
        flow *f = flow_of_text(spec_of(&s, text, sizeof text), 31 + i);
        for (size_t j = 0; strstr(s.before, "logit") && j < f->tensors.trainable; j++)
            f->theta[j] = f->theta[j] / 2; /* nor wide ones */
        flow_workspace *w = workspace_of(f, FLOW_SCORE, 0, 2);
        double *x = samples_of(f, w);
        box b = box_of(x, s.columns);
        moments m = integrate(w, &b, s.columns, 500);
        if (!(fabs(m.mass - 1) < 0.005))
            print_error("mass %.5f\n%s", m.mass, text);
        assert_true(fabs(m.mass - 1) < 0.005);
        check_samples(x, s.columns, &m);
        memory_free(x);
        flow_workspace_free(w);
        flow_free(f);
    }
}

/* ------------------------------------------------------------------ starting values */

enum { ROWS = 700, COLUMNS = 5 };

/* Columns of very different place and size, dependent on each other. */
static void fetch(const void *context, size_t first, size_t count, double *stored)
{
    const double *normal = context;
    for (size_t r = 0; r < count; r++) {
        const double *z = normal + (first + r) * COLUMNS;
        double *x = stored + r * COLUMNS;
        x[0] = 1e9 + 3 * z[0];
        x[1] = -5 + 0.001 * (z[1] + z[0]);
        x[2] = 4e4 * z[2];
        x[3] = floor(10 * fabs(z[3]));
        x[4] = 0.5;
    }
}

static void check_start(const char *text, const double *normal)
{
    flow *f = NULL;
    flow_rows rows = {fetch, normal, ROWS};
    double *h = memory_new(ROWS * COLUMNS, sizeof *h);
    assert_int_equal(flow_new(&f, text, 0), NICEST_OK);
    for (size_t round = 0; round < 2; round++) { /* also when it starts a second time */
        f->entry.column[0].centre = 1e9;
        f->entry.column[1].centre = -5;
        f->entry.column[3] = (entry_column){.step = 1, .unit = 1, .centre = 8};
        assert_int_equal(entry_set(&f->entry), NICEST_OK);
        assert_int_equal(flow_init(f, &rows, 5, 1), NICEST_OK);
        flow_workspace *w = workspace_of(f, FLOW_SCORE, 0, 1);
        flow_run(w, &(flow_job){.input = FLOW_STORED,
                                .rows = ROWS,
                                .source = &rows,
                                .noise = {9, RANDOM_SCORE, 0},
                                .latent = h});
        flow_workspace_free(w);
        for (size_t j = 0; j + 1 < COLUMNS; j++) {
            double mean = 0, square = 0;
            for (size_t i = 0; i < ROWS; i++) {
                mean += h[i * COLUMNS + j] / ROWS;
                square += h[i * COLUMNS + j] * h[i * COLUMNS + j] / ROWS;
            }
            double deviation = sqrt(square - mean * mean);
            assert_true(fabs(deviation / prior_deviation(f->spec.prior) - 1) < 0.01);
        }
        randomise(f, 3);
    }
    memory_free(h);
    flow_free(f);
}

static void a_flow_starts_with_the_deviation_of_its_prior(void **state)
{
    (void)state;
    double *normal = memory_new(ROWS * COLUMNS, sizeof *normal);
    random_normal((random_stream){4, RANDOM_USER, 0}, 0, normal, ROWS * COLUMNS);
    for (int p = 0; p < 2; p++)
        for (int before = 0; before < 2; before++) {
            char text[400];
            snprintf(text, sizeof text,
                     "nicest 1\ncolumns 5\n%scoupling move=first hidden=20x2\n"
                     "coupling move=second hidden=20 activation=tanh\nscale\nprior %s\n",
                     before ? "standardise\n" : "", p ? "normal" : "logistic");
            check_start(text, normal);
        }
    memory_free(normal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_prior_integrates_to_one),
        cmocka_unit_test(prior_samples_have_its_moments),
        cmocka_unit_test(mass_is_one_and_samples_come_from_it),
        cmocka_unit_test(a_flow_starts_with_the_deviation_of_its_prior),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
