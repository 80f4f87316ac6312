/* test_train_torture.c - data that nobody should have, and everybody has. Each case ends in a model
 * that is saved, loaded, proved to be a density and scores every row with a finite number, or in
 * one sentence that says why not. Prints the table of docs/results/reliability.md. */
#include "data_files.h"

#ifdef __SANITIZE_ADDRESS__
enum { MOST_COLUMNS = 1100 }; /* more than any bound on columns, and ten times as fast */
#else
enum { MOST_COLUMNS = 3072 };
#endif

/* ------------------------------------------------------------------ data */

static uint64_t state_of_numbers;

static double uniform(void)
{
    state_of_numbers = state_of_numbers * 6364136223846793005u + 1442695040888963407u;
    return ((double)(state_of_numbers >> 11) + 0.5) / 9007199254740992.0;
}

static double gaussian(void)
{
    return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform());
}

static double cauchy(void)
{
    return tan(3.141592653589793 * (uniform() - 0.5));
}

typedef void fill_function(double *row, size_t d, size_t i);

static void plain(double *row, size_t d, size_t i)
{
    (void)i;
    for (size_t j = 0; j < d; j++)
        row[j] = gaussian() + (j ? 0.5 * row[j - 1] : 0);
}

static void constant_column(double *row, size_t d, size_t i)
{
    plain(row, d, i);
    row[1] = 5;
}

static void huge_constant(double *row, size_t d, size_t i)
{
    plain(row, d, i);
    row[1] = 1e30;
}

static void tiny_constant(double *row, size_t d, size_t i)
{
    plain(row, d, i);
    row[1] = 1e-30;
}

static void identical(double *row, size_t d, size_t i)
{
    (void)i;
    for (size_t j = 0; j < d; j++)
        row[j] = 1.5 * (double)j - 1;
}

static void duplicated(double *row, size_t d, size_t i)
{
    plain(row, d, i);
    row[1] = row[0];
    row[2] = 2 * row[0] + 1;
}

static void large(double *row, size_t d, size_t i)
{
    plain(row, d, i);
    for (size_t j = 0; j < d; j++)
        row[j] *= 1e30;
}

static void small(double *row, size_t d, size_t i)
{
    plain(row, d, i);
    for (size_t j = 0; j < d; j++)
        row[j] *= 1e-30;
}

static void both_scales(double *row, size_t d, size_t i)
{
    plain(row, d, i);
    row[0] *= 1e30;
    row[1] *= 1e-30;
}

static void beyond_float(double *row, size_t d, size_t i)
{
    plain(row, d, i);
    row[0] *= 1e300;
}

static void offset(double *row, size_t d, size_t i)
{
    plain(row, d, i);
    for (size_t j = 0; j < d; j++)
        row[j] += 1e9;
}

static void heavy_tails(double *row, size_t d, size_t i)
{
    (void)i;
    for (size_t j = 0; j < d; j++)
        row[j] = cauchy();
}

static void one_wild_row(double *row, size_t d, size_t i)
{
    plain(row, d, i);
    if (i == 17)
        row[0] = 1e12;
}

static void two_islands(double *row, size_t d, size_t i)
{
    plain(row, d, i);
    row[0] += i % 2 ? 1e6 : -1e6;
}

static void integers(double *row, size_t d, size_t i)
{
    (void)i;
    for (size_t j = 0; j < d; j++)
        row[j] = floor(7 * uniform()) + (double)j;
}

static void binary(double *row, size_t d, size_t i)
{
    (void)i;
    for (size_t j = 0; j < d; j++)
        row[j] = uniform() < 0.05;
}

static void large_integers(double *row, size_t d, size_t i)
{
    (void)i;
    for (size_t j = 0; j < d; j++)
        row[j] = floor(1e15 * uniform());
}

static void holes(double *row, size_t d, size_t i)
{
    plain(row, d, i);
    if (i % 5 == 0)
        row[i % d] = i % 2 ? NAN : i % 4 ? INFINITY : -INFINITY;
}

static void clock_of_microseconds(double *row, size_t d, size_t i)
{
    plain(row, d, i);
    row[1] = 1.7e15 + floor(1000 * uniform());
}

static void beyond_squares(double *row, size_t d, size_t i)
{
    plain(row, d, i);
    row[1] *= 1e-300;
}

static void empty_column(double *row, size_t d, size_t i)
{
    plain(row, d, i);
    row[d - 1] = NAN; /* left out of the model, which has the columns before it */
}

static void bytes_alike(double *row, size_t d, size_t i)
{
    (void)i;
    for (size_t j = 0; j < d; j++)
        row[j] = 0;
}

/* ------------------------------------------------------------------ cases */

typedef struct torture {
    const char *name;
    fill_function *fill;
    size_t rows, columns;
    const char *refusal; /* a part of the only sentence that may stand for a model; NULL: a model */
    size_t batch;
    double rate;
    nicest_optimizer optimizer;
    unsigned side; /* of a picture */
} torture;

#define PLAIN .optimizer = NICEST_OPTIMIZER_BY_PRESET
static const torture CASES[] = {
    {"a constant column", constant_column, 500, 3, PLAIN},
    {"a constant of 1e30", huge_constant, 500, 3, PLAIN},
    {"a constant of 1e-30", tiny_constant, 500, 3, PLAIN},
    {"identical rows", identical, 200, 3, PLAIN},
    {"identical rows, d = 1", identical, 200, 1, PLAIN},
    {"duplicated columns", duplicated, 500, 4, PLAIN},
    {"scale 1e30", large, 500, 3, PLAIN},
    {"scale 1e-30", small, 500, 3, PLAIN},
    {"scales 1e30 and 1e-30", both_scales, 500, 3, PLAIN},
    {"scale 1e300", beyond_float, 500, 3, "x1: its values leave the range", PLAIN},
    {"scale 1e-300", beyond_squares, 500, 3, "x2: its values lie within", PLAIN},
    {"1000 microseconds of a clock", clock_of_microseconds, 500, 3, "x2: its values lie within",
     PLAIN},
    {"offset 1e9", offset, 500, 3, PLAIN},
    {"Cauchy, d = 3", heavy_tails, 1000, 3, PLAIN},
    {"Cauchy, d = 1", heavy_tails, 1000, 1, PLAIN},
    {"one row at 1e12", one_wild_row, 500, 3, PLAIN},
    {"two islands 2e6 apart", two_islands, 500, 3, PLAIN},
    {"integers 0..6", integers, 500, 3, PLAIN},
    {"rare ones", binary, 500, 3, PLAIN},
    {"integers to 1e15", large_integers, 500, 3, PLAIN},
    {"NaN and infinity in a fifth", holes, 500, 3, PLAIN},
    {"a column of NaN", empty_column, 500, 3, PLAIN},
    {"one row", plain, 1, 3, "at least 2 are needed", PLAIN},
    {"two rows", plain, 2, 3, PLAIN},
    {"two rows alike", identical, 2, 3, PLAIN},
    {"10 rows of 50 columns", plain, 10, 50, PLAIN},
    {"d = 1", plain, 500, 1, PLAIN},
    {"d = 3072", plain, 40, MOST_COLUMNS, PLAIN},
    {"batch above the rows", plain, 100, 3, .batch = 100000, PLAIN},
    {"batch of one", plain, 100, 3, .batch = 1, PLAIN},
    {"rate 1e3, Adam", plain, 500, 3, .rate = 1e3, .optimizer = NICEST_ADAM},
    {"rate 1e3, RMSProp", plain, 500, 3, .rate = 1e3, .optimizer = NICEST_RMSPROP},
    {"rate 1e3, SGD", plain, 500, 3, .rate = 1e3, .optimizer = NICEST_SGD},
    {"black pictures", bytes_alike, 100, 64, .side = 8, PLAIN},
};

static nicest_data *make_data(const torture *t)
{
    static double row[MOST_COLUMNS];
    double *values = malloc(t->rows * t->columns * sizeof *values);
    nicest_data *data = NULL, *picture = NULL;
    state_of_numbers = 1;
    for (size_t i = 0; i < t->rows; i++) {
        t->fill(row, t->columns, i);
        memcpy(values + i * t->columns, row, t->columns * sizeof *row);
    }
    assert_int_equal(nicest_data_new(&data, values, t->rows, t->columns, NULL), NICEST_OK);
    free(values);
    if (!t->side)
        return data;
    const char *path = in_scratch("picture.npy");
    assert_int_equal(nicest_data_save(data, path), NICEST_OK);
    nicest_data_options options = {.height = t->side, .width = t->side, .channels = 1};
    picture = open_with(path, &options);
    nicest_data_free(data);
    return picture;
}

/* A Gaussian and a Jacobian of 3072 columns take a minute: they are for NICEST_TORTURE=all. */
static bool is_long(size_t columns)
{
    const char *all = getenv("NICEST_TORTURE");
    return columns > 1000 && (!all || strcmp(all, "all") != 0);
}

static nicest_train_options options_of(const torture *t, const char *preset)
{
    nicest_train_options o;
    nicest_train_defaults(&o);
    o.preset = preset;
    o.epochs = 6;
    o.threads = 1;
    o.batch = t->batch;
    o.learning_rate = t->rate;
    o.optimizer = t->optimizer;
    o.hidden = t->columns > 1000 ? "16" : "32x2";
    if (is_long(t->columns))
        o.valid_share = o.calibration_share = 0;
    return o;
}

/* ------------------------------------------------------------------ what a model must do */

/* The least log-likelihood of the rows without holes; NaN or infinity where one has none. */
static double least_logp(const nicest_model *model, const nicest_data *data)
{
    size_t n = nicest_data_rows(data), all = nicest_data_columns(data);
    size_t d = nicest_model_columns(model);
    double *logp = malloc(n * sizeof *logp), *row = malloc(n * all * sizeof *row), least = INFINITY;
    nicest_data *learnt = NULL;
    assert_int_equal(nicest_data_read(data, 0, n, row), NICEST_OK);
    for (size_t i = 0; d < all && i < n; i++)
        memmove(row + i * d, row + i * all, d * sizeof *row);
    if (d < all)
        assert_int_equal(nicest_data_new(&learnt, row, n, d, NULL), NICEST_OK);
    if (nicest_score_data(model, learnt ? learnt : data, 1, 1, NULL, NULL, logp) != NICEST_OK)
        fail_msg("score: %s", nicest_error());
    nicest_data_free(learnt);
    for (size_t i = 0; i < n; i++) {
        bool whole = true, hole = false;
        for (size_t j = 0; j < d; j++) {
            whole = whole && isfinite(row[i * d + j]);
            hole = hole || isnan(row[i * d + j]); /* it has the log p of what is seen */
        }
        if (whole && !(logp[i] >= least))
            least = logp[i];
        if (!whole && !hole && isfinite(logp[i]))
            fail_msg("row %zu has no finite values, but log p %g", i, logp[i]);
    }
    free(logp);
    free(row);
    return least;
}

static bool samples_are_finite(const nicest_model *model)
{
    enum { SAMPLES = 50 };
    size_t d = nicest_model_columns(model);
    double *rows = malloc(SAMPLES * d * sizeof *rows);
    nicest_workspace *workspace = NULL;
    bool finite = nicest_workspace_new(&workspace, model, 0, 1) == NICEST_OK &&
                  nicest_sample(workspace, SAMPLES, 1, 0, 1, rows) == NICEST_OK;
    for (size_t i = 0; finite && i < SAMPLES * d; i++)
        finite = isfinite(rows[i]);
    nicest_workspace_free(workspace);
    free(rows);
    return finite;
}

static bool proves(const nicest_model *model, char *words, size_t size)
{
    nicest_verification proof;
    snprintf(words, size, "not asked");
    if (is_long(nicest_model_columns(model)))
        return true;
    if (nicest_verify(model, NULL, 1, 1, NULL, NULL, &proof) != NICEST_OK)
        fail_msg("verify: %s", nicest_error());
    snprintf(words, size, "%.0e / %.0e / %.0e / %.0e", proof.inverse_max, proof.latent_max,
             proof.logdet_max_error, proof.gradient_max_error);
    return proof.ok;
}

/* Saved and loaded first: what is usable is the file. Returns whether all holds. */
static bool usable(nicest_model *trained, const nicest_data *data, const nicest_train_result *r)
{
    const char *path = in_scratch("model.safetensors");
    char proof[80];
    nicest_model *model = NULL;
    if (nicest_model_save(trained, path) != NICEST_OK ||
        nicest_model_load(&model, path) != NICEST_OK)
        fail_msg("%s", nicest_error());
    double least = least_logp(model, data);
    bool good = proves(model, proof, sizeof proof) && samples_are_finite(model) &&
                isfinite(least) && isfinite(r->train_logp);
    printf(" %10.4g | %10.4g | %d | %s | %s |\n", r->train_logp, least, r->retries, proof,
           good ? "model" : "**UNUSABLE**");
    nicest_model_free(model);
    return good;
}

static bool survives(const torture *t, const char *preset)
{
    nicest_train_options o = options_of(t, preset);
    nicest_train_result result;
    nicest_model *model = NULL;
    nicest_data *data = make_data(t);
    bool good;
    printf("| %-28s | %-6s |", t->name, preset);
    nicest_status status = nicest_train(&model, data, NULL, &o, &result);
    if (status == NICEST_OK) {
        good = usable(model, data, &result) && !t->refusal;
    } else {
        printf(" | | | | refused: %s |\n", nicest_error());
        good = t->refusal && !model && strstr(nicest_error(), t->refusal) &&
               !strchr(nicest_error(), '\n');
    }
    nicest_model_free(model);
    nicest_data_free(data);
    return good;
}

static void every_case_ends_well(void **state)
{
    static const char *const presets[] = {"nicest", "nice"};
    size_t failed = 0;
    (void)state;
    printf("| data | preset | train logp | least logp | recoveries | inverse / latent / log-det / "
           "gradient"
           " | ends in |\n|---|---|---|---|---|---|---|\n");
    for (size_t p = 0; p < 2; p++)
        for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
            failed += !survives(&CASES[i], presets[p]);
    assert_int_equal(failed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_ends_well),
    };
    return cmocka_run_group_tests(tests, make_scratch, remove_scratch);
}
