/* test_interface_misuse.c - every public function, called wrongly: NULL, sizes and names that
 * cannot be. Always a status with a sentence (or the empty answer), never a crash, a result or a
 * lost block. tests/test_interface.py holds that no function is left out. */
#include "data_files.h"
#include "model_fixture.h"

enum { D = 5 };

static nicest_model *model;
static nicest_data *data, *narrow;
static nicest_workspace *workspace;
static double rows[8 * D], out[16 * D];

/* The call fails with that status and says why. */
#define REFUSED(call, expected)                                                                    \
    do {                                                                                           \
        size_t live_ = memory_live();                                                              \
        nicest_status status_ = (call);                                                            \
        if (status_ != (expected))                                                                 \
            fail_msg("%s: status %d (%s)", #call, (int)status_, nicest_error());                   \
        assert_true(nicest_error()[0] != '\0' && !strchr(nicest_error(), '\n'));                   \
        assert_int_equal(memory_live(), live_);                                                    \
    } while (0)
#define WRONG(call) REFUSED(call, NICEST_E_ARGUMENT)

static int open_all(void **state)
{
    (void)state;
    model = model_of_text(SPEC_SMALL, 1);
    workspace = work(model, 0, 1);
    return nicest_data_new(&data, rows, 8, D, NULL) || nicest_data_new(&narrow, rows, 8, 2, NULL);
}

static int close_all(void **state)
{
    (void)state;
    nicest_workspace_free(workspace);
    nicest_model_free(model);
    nicest_data_free(data);
    nicest_data_free(narrow);
    return 0;
}

/* What frees takes NULL. */
static void nothing_can_be_freed(void **state)
{
    (void)state;
    nicest_data_free(NULL);
    nicest_reader_close(NULL);
    nicest_model_free(NULL);
    nicest_workspace_free(NULL);
    nicest_trainer_free(NULL);
    nicest_writer_abandon(NULL);
    nicest_train_options_free(NULL);
    nicest_image_free(NULL);
    nicest_free(NULL);
    nicest_train_defaults(NULL);
    nicest_inpaint_defaults(NULL);
    nicest_reader_skip_bad(NULL, 1);
}

static void questions_of_nothing_have_an_answer(void **state)
{
    (void)state;
    unsigned side = 9;
    double level = 9;
    assert_string_equal(nicest_status_name(NICEST_OK), "ok");
    for (int status = -2; status < NICEST_STATUS_COUNT + 3; status++)
        assert_true(nicest_status_name((nicest_status)status)[0] != '\0');
    assert_non_null(nicest_error());
    assert_true(nicest_version()[0] && nicest_build()[0] && nicest_processors() > 0);
    assert_int_equal(nicest_data_rows(NULL), 0);
    assert_int_equal(nicest_data_columns(NULL), 0);
    assert_null(nicest_data_column_name(NULL, 0));
    assert_null(nicest_data_column_name(data, D));
    assert_null(nicest_data_kind(NULL));
    assert_null(nicest_data_type(NULL));
    assert_null(nicest_data_labels(NULL));
    assert_null(nicest_data_note(NULL));
    assert_null(nicest_reader_note(NULL));
    size_t words = 9;
    assert_int_equal(nicest_data_column_kind(NULL, 0), NICEST_NUMBER);
    assert_int_equal(nicest_data_column_kind(data, D), NICEST_NUMBER);
    assert_null(nicest_data_column_words(NULL, 0, &words));
    assert_int_equal(words, 0);
    assert_null(nicest_data_column_words(data, D, NULL));
    assert_null(nicest_data_column_format(NULL, 0));
    assert_int_equal(nicest_data_column_decimals(NULL, 0), -1);
    assert_int_equal(nicest_model_column_kind(NULL, 0), NICEST_NUMBER);
    assert_int_equal(nicest_model_column_kind(model, D), NICEST_NUMBER);
    assert_null(nicest_model_column_words(NULL, 0, &words));
    assert_null(nicest_model_column_format(model, D));
    assert_int_equal(nicest_model_column_decimals(NULL, 0), -1);
    assert_null(nicest_data_label_text(NULL, 0));
    assert_null(nicest_data_label_text(data, 0));
    assert_null(nicest_data_label_text(data, SIZE_MAX));
    nicest_data_image(NULL, &side, NULL, NULL);
    assert_int_equal(side, 0);
    nicest_data_image(data, NULL, NULL, NULL);
    assert_int_equal(nicest_reader_columns(NULL), 0);
    assert_null(nicest_reader_column_name(NULL, 0));
    assert_int_equal(nicest_model_columns(NULL), 0);
    assert_int_equal(nicest_model_parameters(NULL), 0);
    assert_null(nicest_model_spec(NULL));
    assert_null(nicest_model_entry(NULL, "x"));
    assert_null(nicest_model_entry(model, NULL));
    assert_null(nicest_model_column_name(NULL, 0));
    assert_null(nicest_model_column_name(model, D));
    nicest_model_image(NULL, NULL, &side, NULL);
    assert_int_equal(nicest_model_quantised(NULL, 0, NULL, NULL, NULL), 0);
    assert_int_equal(nicest_model_impossible(NULL, NULL), 0);
    assert_int_equal(nicest_model_given(NULL, 0), 0);
    assert_int_equal(nicest_model_given(model, D), 0);
    assert_int_equal(nicest_sample_given(NULL, NULL, 1, 1, 0, 1, NULL), NICEST_E_ARGUMENT);
    assert_int_equal(nicest_model_impossible(model, NULL), D);
    assert_int_equal(nicest_model_quantised(model, D, &level, NULL, NULL), 0);
    assert_true(level == 9);
    assert_true(isnan(nicest_model_bits_per_dim(NULL, 1)));
    assert_int_equal(nicest_calibrated(NULL), 0);
    assert_non_null(nicest_toy_names()[0]);
    assert_non_null(nicest_corruption_names()[0]);
    assert_non_null(nicest_score_names()[0]);
    assert_non_null(nicest_mask_names()[0]);
    assert_non_null(nicest_baseline_names()[0]);
}

static void data_is_not_made_of_nothing(void **state)
{
    (void)state;
    nicest_data *made = NULL;
    nicest_reader *reader = NULL;
    const size_t beyond[] = {0, 8};
    size_t got = 0;
    WRONG(nicest_data_open(NULL, "toy:moons", NULL));
    WRONG(nicest_data_open(&made, NULL, NULL));
    WRONG(nicest_data_open(&made, "", NULL));
    WRONG(nicest_data_new(NULL, rows, 1, 1, NULL));
    WRONG(nicest_data_new(&made, NULL, 1, 1, NULL));
    WRONG(nicest_data_new(&made, rows, 1, 0, NULL));
    WRONG(nicest_data_new(&made, rows, SIZE_MAX, 2, NULL));
    nicest_view view = {.rows = 2, .columns = 2, .type = "float64", .values = rows};
    const void *const missing[] = {rows, NULL};
    WRONG(nicest_data_view(NULL, &view));
    WRONG(nicest_data_view(&made, NULL));
    view.height = 3;
    WRONG(nicest_data_view(&made, &view));
    view = (nicest_view){.rows = 2, .columns = 2, .type = "float16", .values = rows};
    WRONG(nicest_data_view(&made, &view));
    view = (nicest_view){.rows = 2, .columns = 2, .type = "uint8"};
    WRONG(nicest_data_view(&made, &view));
    view.column = missing;
    WRONG(nicest_data_view(&made, &view));
    view = (nicest_view){.rows = 2, .type = "uint8", .values = rows};
    WRONG(nicest_data_view(&made, &view));
    nicest_column_facts facts[D];
    char text[8] = "";
    WRONG(nicest_data_facts(NULL, facts));
    WRONG(nicest_data_facts(data, NULL));
    nicest_data_value_text(NULL, 0, 1, NULL, 0);
    nicest_data_value_text(NULL, 0, 1.5, text, sizeof text);
    assert_string_equal(text, "1.5");
    WRONG(nicest_data_text_value(NULL, 0, "1", out));
    WRONG(nicest_data_text_value(data, D, "1", out));
    WRONG(nicest_data_text_value(data, 0, NULL, out));
    WRONG(nicest_data_text_value(data, 0, "1", NULL));
    WRONG(nicest_data_text_value(data, 0, "one", out));
    WRONG(nicest_data_match(NULL, model, data));
    WRONG(nicest_data_match(&made, NULL, data));
    WRONG(nicest_data_match(&made, model, NULL));
    WRONG(nicest_data_align(&made, NULL, data));
    WRONG(nicest_data_align(&made, data, NULL));
    WRONG(nicest_data_take(&made, data, NULL, 1));
    WRONG(nicest_data_take(&made, data, beyond, 0));
    WRONG(nicest_data_take(&made, data, beyond, 2));
    WRONG(nicest_data_beside(&made, data, NULL));
    WRONG(nicest_data_beside(NULL, data, data));
    WRONG(nicest_data_of_model(&made, NULL, rows, 1));
    WRONG(nicest_data_of_model(&made, model, NULL, 1));
    WRONG(nicest_reader_match(NULL, model));
    WRONG(nicest_data_read(NULL, 0, 1, out));
    WRONG(nicest_data_read(data, 0, 1, NULL));
    WRONG(nicest_data_read(data, 8, 1, out));
    WRONG(nicest_data_read(data, 1, SIZE_MAX, out));
    WRONG(nicest_data_select(NULL, data, beyond, 1));
    WRONG(nicest_data_select(&made, NULL, beyond, 1));
    WRONG(nicest_data_select(&made, data, NULL, 1));
    WRONG(nicest_data_select(&made, data, beyond, 2));
    WRONG(nicest_data_replace(NULL, data, rows));
    WRONG(nicest_data_replace(&made, NULL, rows));
    WRONG(nicest_data_replace(&made, data, NULL));
    WRONG(nicest_data_save(NULL, "x.csv"));
    WRONG(nicest_data_save(data, NULL));
    WRONG(nicest_data_save(data, "no-format"));
    nicest_writer *writer = NULL;
    WRONG(nicest_writer_open(NULL, "x.csv", data));
    WRONG(nicest_writer_open(&writer, NULL, data));
    WRONG(nicest_writer_open(&writer, "x.csv", NULL));
    WRONG(nicest_writer_open(&writer, "no-format", data));
    WRONG(nicest_writer_add(NULL, data));
    WRONG(nicest_writer_close(NULL));
    assert_null(writer);
    char name[8];
    WRONG(nicest_data_labels_file(NULL, "x.csv", name, sizeof name));
    WRONG(nicest_data_labels_file(data, NULL, name, sizeof name));
    WRONG(nicest_data_labels_file(data, "x.csv", NULL, sizeof name));
    WRONG(nicest_data_labels_file(data, "x.csv", name, 0));
    WRONG(nicest_reader_open(NULL, "toy:moons", NULL));
    WRONG(nicest_reader_open(&reader, NULL, NULL));
    WRONG(nicest_reader_next(NULL, 1, out, &got, NULL));
    assert_status(nicest_reader_open(&reader, "toy:moons,n=3", NULL), NICEST_OK);
    WRONG(nicest_reader_next(reader, 1, NULL, &got, NULL));
    WRONG(nicest_reader_next(reader, 1, out, NULL, NULL));
    nicest_reader_close(reader);
    WRONG(nicest_toy_log_density(NULL, rows, 1, out));
    WRONG(nicest_toy_log_density("moons", NULL, 1, out));
    WRONG(nicest_toy_log_density("moons", rows, 1, NULL));
    WRONG(nicest_toy_log_density("moon", rows, 1, out));
    WRONG(nicest_corrupt(NULL, data, "noise", 1, NULL, 1, 0));
    WRONG(nicest_corrupt(&made, NULL, "noise", 1, NULL, 1, 0));
    WRONG(nicest_corrupt(&made, data, NULL, 1, NULL, 1, 0));
    WRONG(nicest_corrupt(&made, data, "nothing", 1, NULL, 1, 0));
    WRONG(nicest_corrupt(&made, data, "noise", NAN, NULL, 1, 0));
    WRONG(nicest_corrupt(&made, data, "noise", 1, NULL, 1, -1));
    assert_null(made);
}

static void models_do_not_run_on_nothing(void **state)
{
    (void)state;
    nicest_model *made = NULL;
    nicest_workspace *w = NULL;
    WRONG(nicest_model_load(NULL, "x"));
    WRONG(nicest_model_load(&made, NULL));
    WRONG(nicest_model_save(NULL, "x"));
    WRONG(nicest_model_save(model, NULL));
    unsigned char *file = NULL;
    size_t size = 0;
    WRONG(nicest_model_load_bytes(&made, NULL, 8));
    WRONG(nicest_model_load_bytes(NULL, "x", 1));
    REFUSED(nicest_model_load_bytes(&made, "x", 1), NICEST_E_FORMAT);
    WRONG(nicest_model_save_bytes(NULL, &file, &size));
    WRONG(nicest_model_save_bytes(model, NULL, &size));
    WRONG(nicest_model_save_bytes(model, &file, NULL));
    WRONG(nicest_model_fits(NULL, data));
    WRONG(nicest_model_fits(model, NULL));
    REFUSED(nicest_model_fits(model, narrow), NICEST_E_MISMATCH);
    WRONG(nicest_workspace_new(NULL, model, 0, 1));
    WRONG(nicest_workspace_new(&w, NULL, 0, 1));
    WRONG(nicest_workspace_new(&w, model, 0, -1));
    WRONG(nicest_workspace_new(&w, model, 0, 1 << 20));
    WRONG(nicest_score(NULL, rows, 1, 1, out));
    WRONG(nicest_score(workspace, NULL, 1, 1, out));
    WRONG(nicest_score(workspace, rows, 1, 1, NULL));
    WRONG(nicest_log_prob(workspace, NULL, 1, out));
    WRONG(nicest_log_prob(NULL, rows, 1, out));
    WRONG(nicest_log_prob_gradient(workspace, rows, 1, out, NULL));
    WRONG(nicest_forward(workspace, NULL, 1, out, NULL));
    WRONG(nicest_inverse(workspace, rows, 1, NULL, NULL));
    WRONG(nicest_sample(workspace, 1, 1, 0, 1, NULL));
    WRONG(nicest_sample(workspace, 1, 1, 0, NAN, out));
    WRONG(nicest_sample(workspace, 1, 1, 0, -1, out));
    WRONG(nicest_encode(NULL, rows, 1, 1, out));
    WRONG(nicest_encode(model, NULL, 1, 1, out));
    WRONG(nicest_decode(model, rows, 1, NULL));
    WRONG(nicest_score_data(NULL, data, 1, 1, NULL, NULL, out));
    WRONG(nicest_score_data(model, NULL, 1, 1, NULL, NULL, out));
    WRONG(nicest_score_data(model, data, 1, 1, NULL, NULL, NULL));
    WRONG(nicest_score_data(model, data, 1, -1, NULL, NULL, out));
    REFUSED(nicest_score_data(model, narrow, 1, 1, NULL, NULL, out), NICEST_E_MISMATCH);
    assert_true(!made && !w);
}

static void training_wants_rows_and_sense(void **state)
{
    (void)state;
    nicest_model *made = NULL;
    nicest_train_options o;
    WRONG(nicest_train(NULL, data, NULL, NULL, NULL));
    WRONG(nicest_train(&made, NULL, NULL, NULL, NULL));
    nicest_train_defaults(&o);
    o.preset = "no-preset";
    WRONG(nicest_train(&made, data, NULL, &o, NULL));
    nicest_train_defaults(&o);
    o.valid_share = 2;
    WRONG(nicest_train(&made, data, NULL, &o, NULL));
    nicest_train_defaults(&o);
    o.hidden = "0x0";
    WRONG(nicest_train(&made, data, NULL, &o, NULL));
    nicest_train_defaults(&o);
    REFUSED(nicest_train(&made, data, narrow, &o, NULL), NICEST_E_MISMATCH);
    nicest_trainer *t = NULL;
    nicest_progress p;
    nicest_train_options *named = NULL;
    char *json = NULL;
    WRONG(nicest_train_options_new(NULL));
    WRONG(nicest_train_options_set(NULL, "epochs", "1"));
    WRONG(nicest_train_options_set(&o, NULL, "1"));
    WRONG(nicest_train_options_set(&o, "no-option", "1"));
    WRONG(nicest_train_options_set(&o, "epochs", "one"));
    assert_null(nicest_train_option_name(1000));
    assert_null(named);
    WRONG(nicest_trainer_chosen(NULL, &json));
    assert_null(json);
    WRONG(nicest_trainer_new(NULL, data, NULL, NULL));
    WRONG(nicest_trainer_new(&t, NULL, NULL, NULL));
    REFUSED(nicest_trainer_new(&t, data, narrow, NULL), NICEST_E_MISMATCH);
    WRONG(nicest_trainer_step(NULL, 1, 0, NULL));
    WRONG(nicest_trainer_progress(NULL, &p));
    WRONG(nicest_trainer_model(NULL, &made, NULL));
    WRONG(nicest_trainer_look(NULL, &made));
    assert_true(!made && !t);
}

static void verbs_want_a_model_and_a_place(void **state)
{
    nicest_reason reason;
    size_t count;
    (void)state;
    static const double box[] = {0, 1, 0, 1};
    unsigned char hidden[8 * D] = {0};
    nicest_verification proof;
    nicest_inpaint_options o;
    nicest_bench_result speed;
    nicest_tensor found;
    WRONG(nicest_model_tensor(NULL, 0, &found));
    WRONG(nicest_model_tensor(model, 0, NULL));
    WRONG(nicest_model_tensor_named(model, NULL, &found));
    assert_int_equal(nicest_model_tensors(NULL), 0);
    WRONG(nicest_verify(NULL, NULL, 1, 1, NULL, NULL, &proof));
    WRONG(nicest_verify(model, NULL, 1, 1, NULL, NULL, NULL));
    WRONG(nicest_verify(model, NULL, 1, -1, NULL, NULL, &proof));
    REFUSED(nicest_verify(model, narrow, 1, 1, NULL, NULL, &proof), NICEST_E_MISMATCH);
    WRONG(nicest_density_grid(NULL, box, 2, 2, 1, out));
    WRONG(nicest_density_grid(model, NULL, 2, 2, 1, out));
    WRONG(nicest_density_grid(model, box, 2, 2, 1, NULL));
    WRONG(nicest_density_grid(model, box, 2, 2, -1, out));
    WRONG(nicest_density_integral(NULL, 1, 1, NULL, out));
    WRONG(nicest_density_integral(model, 1, 1, NULL, NULL));
    WRONG(nicest_density_integral(model, 1, -1, NULL, out));
    WRONG(nicest_density_grid_given(NULL, NULL, box, 2, 2, 1, out));
    WRONG(nicest_density_grid_given(model, NULL, NULL, 2, 2, 1, out));
    WRONG(nicest_density_grid_given(model, NULL, box, 2, 2, 1, NULL));
    WRONG(nicest_density_integral_given(NULL, NULL, 1, 1, NULL, out));
    WRONG(nicest_density_integral_given(model, NULL, 1, 1, NULL, NULL));
    nicest_marginal margin = {.integral = 7};
    nicest_marginal_options some = {.count = 1, .box = {0, 1}, .cells = {2}};
    WRONG(nicest_density_columns(NULL, &some, &margin));
    WRONG(nicest_density_columns(model, NULL, &margin));
    WRONG(nicest_density_columns(model, &some, NULL));
    some.count = 3;
    WRONG(nicest_density_columns(model, &some, &margin));
    some.count = 1;
    some.column[0] = 99;
    WRONG(nicest_density_columns(model, &some, &margin));
    some.column[0] = 0;
    some.box[1] = 0;
    WRONG(nicest_density_columns(model, &some, &margin));
    assert_true(margin.integral == 7);
    nicest_marginal_free(NULL);
    WRONG(nicest_inpaint(NULL, rows, 1, hidden, NULL, out, NULL, NULL));
    WRONG(nicest_inpaint(model, NULL, 1, hidden, NULL, out, NULL, NULL));
    WRONG(nicest_inpaint(model, rows, 1, NULL, NULL, out, NULL, NULL));
    WRONG(nicest_inpaint(model, rows, 1, hidden, NULL, NULL, NULL, NULL));
    nicest_inpaint_defaults(&o);
    o.method = "no-method";
    WRONG(nicest_inpaint(model, rows, 1, hidden, &o, out, NULL, NULL));
    nicest_inpaint_defaults(&o);
    o.threads = -1;
    WRONG(nicest_inpaint(model, rows, 1, hidden, &o, out, NULL, NULL));
    WRONG(nicest_explain(NULL, rows, 1, 1, 0.05, 1, 1, NULL, NULL, &reason, &count));
    WRONG(nicest_explain(model, NULL, 1, 1, 0.05, 1, 1, NULL, NULL, &reason, &count));
    WRONG(nicest_explain(model, rows, 1, 0, 0.05, 1, 1, NULL, NULL, &reason, &count));
    WRONG(nicest_explain(model, rows, 1, 1, 0.05, 1, -1, NULL, NULL, &reason, &count));
    WRONG(nicest_explain(model, rows, 1, 1, 0.05, 1, 1, NULL, NULL, NULL, &count));
    WRONG(nicest_mask(NULL, rows, 1, D, 0, 0, 0, 1, hidden));
    WRONG(nicest_mask("even", rows, 1, D, 0, 0, 0, 1, NULL));
    WRONG(nicest_mask("even", rows, 1, 0, 0, 0, 0, 1, hidden));
    WRONG(nicest_mask("no-mask", rows, 1, D, 0, 0, 0, 1, hidden));
    WRONG(nicest_bench(NULL, 1, 1, NULL, NULL, NULL));
    WRONG(nicest_bench("toy", 1, 0, NULL, NULL, &speed));
}

static void outliers_want_scores(void **state)
{
    (void)state;
    const unsigned char outlier[] = {0, 1};
    const double broken[] = {1, NAN};
    nicest_detection found;
    WRONG(nicest_outlier_scores(NULL, data, "logp", 1, 1, 1, NULL, NULL, out));
    WRONG(nicest_outlier_scores(model, NULL, "logp", 1, 1, 1, NULL, NULL, out));
    WRONG(nicest_outlier_scores(model, data, NULL, 1, 1, 1, NULL, NULL, out));
    WRONG(nicest_outlier_scores(model, data, "logp", 1, 1, 1, NULL, NULL, NULL));
    WRONG(nicest_outlier_scores(model, data, "no-score", 1, 1, 1, NULL, NULL, out));
    WRONG(nicest_outlier_scores(model, data, "logp", 1, 1, -1, NULL, NULL, out));
    REFUSED(nicest_outlier_scores(model, data, "typicality", 1, 1, 1, NULL, NULL, out),
            NICEST_E_DATA);
    WRONG(nicest_calibrate(NULL, NULL, data, 1, 1, NULL, NULL));
    WRONG(nicest_calibrate(model, NULL, NULL, 1, 1, NULL, NULL));
    WRONG(nicest_calibrate(model, NULL, data, 1, -1, NULL, NULL));
    REFUSED(nicest_calibrate(model, NULL, narrow, 1, 1, NULL, NULL), NICEST_E_MISMATCH);
    WRONG(nicest_conformal(NULL, "logp", rows, 1, out));
    WRONG(nicest_conformal(model, NULL, rows, 1, out));
    WRONG(nicest_conformal(model, "logp", NULL, 1, out));
    WRONG(nicest_conformal(model, "logp", rows, 1, NULL));
    REFUSED(nicest_conformal(model, "logp", rows, 1, out), NICEST_E_DATA);
    WRONG(nicest_conformal_rows(NULL, "logp", data, rows, out, NULL, NULL));
    WRONG(nicest_conformal_rows(model, NULL, data, rows, out, NULL, NULL));
    WRONG(nicest_conformal_rows(model, "logp", NULL, rows, out, NULL, NULL));
    WRONG(nicest_conformal_rows(model, "logp", data, NULL, out, NULL, NULL));
    WRONG(nicest_conformal_rows(model, "logp", data, rows, NULL, NULL, NULL));
    REFUSED(nicest_conformal_rows(model, "logp", narrow, rows, out, NULL, NULL), NICEST_E_MISMATCH);
    REFUSED(nicest_conformal_rows(model, "logp", data, rows, out, NULL, NULL), NICEST_E_DATA);
    nicest_hole_bin bins[NICEST_HOLE_BINS];
    size_t count;
    WRONG(nicest_hole_bins(NULL, "logp", 0.1, bins, &count));
    WRONG(nicest_hole_bins(model, NULL, 0.1, bins, &count));
    WRONG(nicest_hole_bins(model, "logp", 0.1, NULL, &count));
    WRONG(nicest_hole_bins(model, "logp", 0.1, bins, NULL));
    WRONG(nicest_hole_bins(model, "logp", NAN, bins, &count));
    REFUSED(nicest_hole_bins(model, "logp", 0.1, bins, &count), NICEST_E_DATA);
    WRONG(nicest_forget_neighbours(NULL));
    assert_null(nicest_data_weights(NULL));
    assert_int_equal(nicest_model_neighbours(NULL), 0);
    assert_string_equal(nicest_default_score(NULL), "logp");
    WRONG(nicest_standard_error(NULL, NULL, 1, out));
    WRONG(nicest_standard_error(rows, NULL, 1, NULL));
    WRONG(nicest_false_alarms(10, 1.5, out, out));
    WRONG(nicest_false_alarms(10, 0.1, NULL, out));
    WRONG(nicest_threshold(NULL, "logp", 0.1, out, NULL));
    WRONG(nicest_threshold(model, NULL, 0.1, out, NULL));
    WRONG(nicest_threshold(model, "logp", 0.1, NULL, NULL));
    WRONG(nicest_threshold(model, "logp", 1.5, out, NULL));
    WRONG(nicest_threshold(model, "logp", NAN, out, NULL));
    WRONG(nicest_baseline_scores(NULL, data, "mean", 1, 0, out));
    WRONG(nicest_baseline_scores(model, NULL, "mean", 1, 0, out));
    WRONG(nicest_baseline_scores(model, data, NULL, 1, 0, out));
    WRONG(nicest_baseline_scores(model, data, "mean", 1, 0, NULL));
    WRONG(nicest_baseline_scores(model, data, "mean", 1, -1, out));
    WRONG(nicest_baseline_scores(model, data, "no-baseline", 1, 0, out));
    WRONG(nicest_detect(NULL, outlier, 2, 0, 1, &found));
    WRONG(nicest_detect(rows, NULL, 2, 0, 1, &found));
    WRONG(nicest_detect(rows, outlier, 2, 0, 1, NULL));
    REFUSED(nicest_detect(rows, outlier, 0, 0, 1, &found), NICEST_E_DATA);
    REFUSED(nicest_detect(broken, outlier, 2, 0, 1, &found), NICEST_E_DATA);
    size_t points = 0;
    WRONG(nicest_detection_curve(NULL, outlier, 2, out, out, out, &points));
    WRONG(nicest_detection_curve(rows, NULL, 2, out, out, out, &points));
    WRONG(nicest_detection_curve(rows, outlier, 2, NULL, out, out, &points));
    WRONG(nicest_detection_curve(rows, outlier, 2, out, NULL, out, &points));
    WRONG(nicest_detection_curve(rows, outlier, 2, out, out, NULL, &points));
    WRONG(nicest_detection_curve(rows, outlier, 2, out, out, out, NULL));
    REFUSED(nicest_detection_curve(rows, outlier, 0, out, out, out, &points), NICEST_E_DATA);
    REFUSED(nicest_detection_curve(broken, outlier, 2, out, out, out, &points), NICEST_E_DATA);
    REFUSED(nicest_baseline_scores(model, data, "mean", 1000, 1, out), NICEST_E_DATA);
}

static void pictures_and_files_want_a_place(void **state)
{
    (void)state;
    nicest_image image = {0};
    unsigned char *png = NULL, pixel[5] = {0};
    size_t size = 0;
    WRONG(nicest_image_new(NULL, 1, 1, 1));
    WRONG(nicest_image_new(&image, 0, 1, 1));
    WRONG(nicest_image_new(&image, 1, 1, 2));
    WRONG(nicest_image_new(&image, 1, 1, 5));
    WRONG(nicest_image_read(NULL, "x.png"));
    WRONG(nicest_image_read(&image, NULL));
    WRONG(nicest_image_write(NULL, "x.png"));
    WRONG(nicest_image_write(&image, NULL));
    WRONG(nicest_image_encode(NULL, &png, &size));
    WRONG(nicest_image_encode(&image, &png, &size)); /* no pixels */
    image = (nicest_image){1, 1, 5, pixel};
    WRONG(nicest_image_encode(&image, &png, &size));
    image.channels = 1;
    WRONG(nicest_image_encode(&image, NULL, &size));
    WRONG(nicest_image_encode(&image, &png, NULL));
    WRONG(nicest_file_write(NULL, "x", 1));
    WRONG(nicest_file_write("x", NULL, 1));
    REFUSED(nicest_file_write("no/such/folder/x", "x", 1), NICEST_E_IO);
    assert_null(png);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_can_be_freed),
        cmocka_unit_test(questions_of_nothing_have_an_answer),
        cmocka_unit_test(data_is_not_made_of_nothing),
        cmocka_unit_test(models_do_not_run_on_nothing),
        cmocka_unit_test(training_wants_rows_and_sense),
        cmocka_unit_test(verbs_want_a_model_and_a_place),
        cmocka_unit_test(outliers_want_scores),
        cmocka_unit_test(pictures_and_files_want_a_place),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
