/* test_model_numpy.c - a model file means what docs/model-file.md says: a page of NumPy that
 * knows nothing but the file gives the same log p. Skips aloud without python3 and its NumPy. */
#include "model_fixture.h"

enum { ROWS = 50 };

static char model_path[512], rows_path[512];

static int make_paths(void **state)
{
    (void)state;
    temporary("numpy.safetensors", model_path, sizeof model_path);
    temporary("numpy.npy", rows_path, sizeof rows_path);
    return 0;
}

static int remove_paths(void **state)
{
    (void)state;
    unlink(model_path);
    unlink(rows_path);
    return 0;
}

static void need_numpy(void)
{
    if (system("python3 -c 'import numpy' 2>/dev/null") == 0)
        return;
    print_message("skipped: python3 has no numpy (Debian: python3-numpy)\n");
    skip();
}

/* Version 1.0 of NumPy's format: float64, C order. */
static void write_npy(const double *rows, size_t n, size_t d)
{
    char header[129];
    FILE *file = fopen(rows_path, "wb");
    assert_non_null(file);
    int used = snprintf(header, sizeof header,
                        "{'descr': '<f8', 'fortran_order': False, 'shape': (%zu, %zu), }", n, d);
    memset(header + used, ' ', 117 - (size_t)used);
    header[117] = '\n';
    assert_int_equal(fwrite("\x93NUMPY\x01\x00\x76\x00", 1, 10, file), 10);
    assert_int_equal(fwrite(header, 1, 118, file), 118);
    assert_int_equal(fwrite(rows, sizeof *rows, n * d, file), n * d);
    assert_int_equal(fclose(file), 0);
}

/* `before` is run in front of the script, in the same interpreter. */
static void check_script(const double *logp, size_t n, const char *before)
{
    char command[2048];
    snprintf(command, sizeof command,
             "python3 -c 'import sys, runpy; %s; sys.argv[1:] = sys.argv[2:]; "
             "runpy.run_path(\"tools/nicest_numpy.py\", run_name=\"__main__\")' - '%s' '%s'",
             before, model_path, rows_path);
    FILE *output = popen(command, "r");
    assert_non_null(output);
    for (size_t i = 0; i < n; i++) {
        double theirs = NAN;
        assert_int_equal(fscanf(output, "%lf", &theirs), 1);
        if (!(fabs(theirs - logp[i]) < 2e-5 * fmax(1, fabs(logp[i]))))
            print_error("row %zu: %.9g in NumPy, %.9g here\n", i, theirs, logp[i]);
        assert_true(fabs(theirs - logp[i]) < 2e-5 * fmax(1, fabs(logp[i])));
    }
    assert_int_equal(pclose(output), 0);
}

static void check_model(const char *spec, const char *before)
{
    nicest_model *model = model_of_text(spec, 4);
    nicest_workspace *w = work(model, 0, 1);
    size_t d = nicest_model_columns(model);
    double *rows = memory_new(ROWS * d, sizeof *rows), logp[ROWS];
    for (size_t i = 0; i < ROWS; i++)
        random_normal((random_stream){6, RANDOM_USER, 1000}, i, rows + i * d, d);
    for (size_t i = 0; strstr(spec, "logit") && i < ROWS * d; i++)
        rows[i] = 0.5 + 0.45 * tanh(rows[i]);
    entry *e = &model_flow(model)->entry;
    for (size_t j = 0; !strstr(spec, "logit") && j < d; j++)
        e->column[j].centre = 0.125 * (double)j;
    assert_status(entry_set(e), NICEST_OK);
    assert_status(nicest_model_save(model, model_path), NICEST_OK);
    assert_status(nicest_log_prob(w, rows, ROWS, logp), NICEST_OK);
    write_npy(rows, ROWS, d);
    check_script(logp, ROWS, before);
    memory_free(rows);
    nicest_workspace_free(w);
    nicest_model_free(model);
}

static const char TABLE[] =
    "nicest 1\ncolumns 7\nstandardise\npermute odd-even\n"
    "coupling move=second hidden=16x2 activation=relu\n"
    "coupling move=first hidden=8,5 activation=tanh\n"
    "scale\npermute reverse\n"
    "coupling move=second hidden=9 activation=silu\nscale\nprior logistic\n";
static const char PICTURE[] = "nicest 1\ncolumns 4\nlogit margin=0.05\nstandardise\n"
                              "permute odd-even\ncoupling move=second hidden=none\n"
                              "coupling move=first hidden=12x3\nscale\nprior normal\n";

static const char SCORES[] = "nicest 1\ncolumns 6\nmarginal levels=6 knots=4\npermute odd-even\n"
                             "coupling move=second hidden=8\nlinear form=lu\nscale\n"
                             "linear form=triangular\nprior normal\n";

static const char RULES_SPEC[] =
    "nicest 1\ncolumns 5\nelementwise rule=spline bins=5 bound=4\n"
    "coupling move=second hidden=8x2 activation=silu dropout=0.1 rule=affine\n"
    "coupling move=first hidden=9 activation=tanh blocks=2 rule=spline\n"
    "autoregressive hidden=12,7 activation=silu rule=spline bins=3 bound=2\npermute reverse\n"
    "autoregressive hidden=11 rule=affine bound=1.5\nelementwise rule=affine\nprior normal\n";
static const char MASKED[] = "nicest 1\ncolumns 4\nmasked\nstandardise\n"
                             "coupling move=second hidden=8 rule=spline\n"
                             "autoregressive hidden=12 rule=affine\nprior normal\n";

static const char CONVOLUTIONS[] =
    "nicest 1\ncolumns 24\nconvolution size=4x6 keep=rows:1 hidden=5x2\n"
    "convolution size=2x4 channels=3 keep=checkerboard:0 hidden=4x1 rule=spline bins=3\n"
    "convolution size=4x6 keep=columns:0 hidden=3x1 rule=additive\nprior normal\n";

static const char CONDITIONAL[] =
    "nicest 1\ncolumns 3\ncontext 2\nregression\ncoupling move=second hidden=8 rule=affine\n"
    "coupling move=first hidden=8 blocks=1 rule=spline\nautoregressive hidden=12 rule=spline\n"
    "prior normal\n";
static const char MIXED[] =
    "nicest 1\ncolumns 2\ncontext 9\ncategories classes=4,2 hidden=12 activation=silu\n"
    "regression\nautoregressive hidden=12 rule=affine\nprior normal\n";

/* Words of three classes and OTHER, or counts (with a step), a value, a flag, a value, a number
 * that is given. */
static void categories_agree(double step)
{
    static const double table[] = {2, 5, 7, 0, 1}, other = 0.05;
    flow *f = NULL;
    entry e;
    assert_status(flow_new(&f, MIXED, 0), NICEST_OK);
    randomise(f, 4);
    assert_true(entry_open(&e, 5) && entry_table(&e, 5));
    memcpy(e.table, table, sizeof table);
    e.column[0] = (entry_column){
        .role = ENTRY_CATEGORY, .states = 3, .other = other, .step = step, .most = step};
    e.column[1] = (entry_column){.centre = -0.25};
    e.column[2] = (entry_column){.role = ENTRY_CATEGORY, .states = 2};
    e.column[4] = (entry_column){.given = 1, .centre = 3, .factor = 0.5};
    assert_status(entry_set(&e), NICEST_OK);
    for (size_t i = 0; i < f->tensors.count; i++)
        for (size_t k = 0; k < 2 && strstr(f->tensors.items[i].name, "other"); k++)
            (*f->tensors.items[i].slot)[k] = k == 0 ? (real)other : 0;
    flow_confine(f, f->theta);
    assert_status(flow_set_entry(f, &e), NICEST_OK);
    entry_close(&e);
    nicest_model *model;
    double rows[ROWS * 5], logp[ROWS];
    for (int r = 0; r < ROWS; r++) {
        const double row[] = {r % 5 == 4   ? NAN
                              : r % 5 == 3 ? (step > 0 ? r % 12 : 6)
                                           : table[r % 5],
                              sin(r), r % 7 == 6 ? (double)NAN : r % 2, cos(3 * r), 3 + sin(2 * r)};
        memcpy(rows + r * 5, row, sizeof row);
    }
    assert_status(model_new(&model, f), NICEST_OK);
    nicest_workspace *w = work(model, 0, 1);
    assert_status(nicest_model_save(model, model_path), NICEST_OK);
    assert_status(nicest_log_prob(w, rows, ROWS, logp), NICEST_OK);
    write_npy(rows, ROWS, 5);
    check_script(logp, ROWS, "pass");
    nicest_workspace_free(w);
    nicest_model_free(model);
}

static void numpy_agrees(void **state)
{
    (void)state;
    need_numpy();
    check_model(TABLE, "pass");
    check_model(PICTURE, "pass");
    check_model(SCORES, "pass");
    check_model(RULES_SPEC, "pass");
    check_model(MASKED, "pass");
    check_model(CONDITIONAL, "pass");
    check_model(CONVOLUTIONS, "pass");
    categories_agree(0);
    categories_agree(1);
    check_model("nicest 1\ncolumns 4\nstandardise\nprior mixture:3\n", "pass");
    check_model("nicest 1\ncolumns 4\nscale\nprior mixture:2:diagonal\n", "pass");
    check_model("nicest 1\ncolumns 4\nscale\nprior mixture:2:background\n", "pass");
}

static void numpy_agrees_without_the_safetensors_package(void **state)
{
    (void)state;
    need_numpy();
    check_model(TABLE, "sys.modules[\"safetensors\"] = None");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numpy_agrees),
        cmocka_unit_test(numpy_agrees_without_the_safetensors_package),
    };
    return cmocka_run_group_tests(tests, make_paths, remove_paths);
}
