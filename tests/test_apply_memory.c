/* test_apply_memory.c - memory that runs out at the i-th allocation, for every i: each verb ends
 * with NICEST_E_MEMORY, keeps no block, and leaves results as they were. zlib and libpng take their
 * memory from the same place and fail with it; so does jansson, where it does not read. */
#include "json_memory.h"
#include "model_fixture.h"

enum { ROWS = 60, D = 5, MOST_CALLS = 100000 };

/* What the verbs need and what they fill; a verb releases all that it made. */
typedef struct world {
    nicest_model *model, *plane; /* plane: of two columns */
    nicest_data *data, *small;
    char path[512], other[512];
    double rows[ROWS * D], out[2 * ROWS * D], logp[ROWS];
    unsigned char hidden[ROWS * D];
} world;

/* Does its work once; on success releases the results. */
typedef nicest_status verb(world *w);

/* Fails every allocation of `run` in turn, until there are no more. What is only to save memory (a
 * block that could shrink) may fail without consequence. */
static size_t starve(world *w, verb *run, const char *name)
{
    world before;
    for (size_t i = 1; i < MOST_CALLS; i++) {
        size_t live = memory_live(), texts = json_live, calls = memory_calls();
        memcpy(&before, w, sizeof before);
        memory_fail_at(i);
        nicest_status status = run(w);
        memory_fail_at(0);
        if (memory_live() != live || json_live != texts)
            fail_msg("%s: allocation %zu: %zd blocks are left", name, i,
                     (ssize_t)(memory_live() - live));
        if (status == NICEST_OK && memory_calls() - calls < i)
            return i - 1;
        if (status == NICEST_OK)
            continue;
        if (status != NICEST_E_MEMORY)
            fail_msg("%s: allocation %zu: status %d, %s", name, i, (int)status, nicest_error());
        if (memcmp(&before, w, sizeof before) != 0)
            fail_msg("%s: allocation %zu: a result was touched", name, i);
    }
    fail_msg("%s: never done", name);
    return 0;
}

/* ------------------------------------------------------------------ verbs */

static nicest_status open_data(world *w)
{
    nicest_data *data = NULL;
    nicest_status status = nicest_data_open(&data, w->other, NULL);
    assert_true((status == NICEST_OK) == (data != NULL));
    nicest_data_free(data);
    return status;
}

static nicest_status save_data(world *w)
{
    return nicest_data_save(w->data, w->other);
}

static nicest_status train_by(world *w, nicest_train_options *o)
{
    nicest_train_result result;
    nicest_model *model = NULL;
    memset(&result, 7, sizeof result);
    nicest_train_result kept = result;
    nicest_status status = nicest_train(&model, w->small, NULL, o, &result);
    assert_true((status == NICEST_OK) == (model != NULL));
    assert_true(status == NICEST_OK || !memcmp(&kept, &result, sizeof kept));
    nicest_model_free(model);
    return status;
}

static nicest_train_options one_epoch(void)
{
    nicest_train_options o;
    nicest_train_defaults(&o);
    o.hidden = "4";
    o.batch = 8;
    o.epochs = 1;
    o.threads = 1;
    o.calibration_share = 0; /* calibration is tried below */
    return o;
}

/* Chooses a closed form; most of what it allocates is for that. */
static nicest_status train(world *w)
{
    nicest_train_options o = one_epoch();
    o.couplings = 2;
    return train_by(w, &o);
}

/* Writes checkpoints, and goes on from the last. */
static nicest_status resume(world *w)
{
    nicest_train_options o = one_epoch();
    o.spec =
        "nicest 1\ncolumns 2\nstandardise\ncoupling move=first hidden=4\nscale\nprior normal\n";
    o.average = 0.9;
    o.clip = 1;
    char checkpoint[600];
    snprintf(checkpoint, sizeof checkpoint, "%s-checkpoint", w->path);
    remove(checkpoint);
    o.checkpoint = checkpoint;
    o.checkpoint_steps = 3;
    nicest_status status = train_by(w, &o);
    if (status == NICEST_OK) {
        o.resume = o.checkpoint;
        status = train_by(w, &o);
    }
    remove(checkpoint);
    return status;
}

static nicest_status load_model(world *w)
{
    nicest_model *model = NULL;
    nicest_status status = nicest_model_load(&model, w->path);
    assert_true((status == NICEST_OK) == (model != NULL));
    nicest_model_free(model);
    return status;
}

static nicest_status save_model(world *w)
{
    return nicest_model_save(w->model, w->path);
}

static nicest_status run_model(world *w)
{
    nicest_workspace *space = NULL;
    nicest_status status = nicest_workspace_new(&space, w->model, 8, 1);
    assert_true((status == NICEST_OK) == (space != NULL));
    if (status == NICEST_OK)
        status = nicest_log_prob_gradient(space, w->rows, 1, NULL, w->out);
    nicest_workspace_free(space);
    return status;
}

static nicest_status score(world *w)
{
    return nicest_score_data(w->model, w->data, 1, 1, NULL, NULL, w->logp);
}

static nicest_status encode(world *w)
{
    return nicest_encode(w->model, w->rows, ROWS, 1, w->out);
}

static nicest_status inpaint(world *w)
{
    nicest_inpaint_options o;
    nicest_inpaint_defaults(&o);
    o.steps = 3;
    o.threads = 1;
    return nicest_inpaint(w->model, w->rows, 2, w->hidden, &o, w->out, NULL, NULL);
}

static nicest_status outliers(world *w)
{
    nicest_status status =
        nicest_outlier_scores(w->model, w->data, "logp", 1, 1, 1, NULL, NULL, w->logp);
    if (status == NICEST_OK)
        status =
            nicest_outlier_scores(w->model, w->data, "typicality", 4, 1, 1, NULL, NULL, w->logp);
    return status;
}

static nicest_status conformal(world *w)
{
    static const double scores[ROWS] = {0};
    double threshold;
    nicest_status status = nicest_conformal(w->model, "logp", scores, ROWS, w->logp);
    if (status == NICEST_OK)
        status = nicest_threshold(w->model, "logp", 0.1, &threshold, NULL);
    return status;
}

static nicest_status corrupt(world *w)
{
    nicest_data *made = NULL;
    nicest_status status = nicest_corrupt(&made, w->data, "noise", 0.5, NULL, 1, 0);
    assert_true((status == NICEST_OK) == (made != NULL));
    nicest_data_free(made);
    return status;
}

/* Everything that makes data from data: their names and labels, chosen rows, other values. */
static nicest_status derive(world *w)
{
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    nicest_data *data = NULL, *some = NULL, *other = NULL;
    const size_t index[] = {3, 1, 3};
    nicest_status status = nicest_data_new(&data, w->rows, ROWS, D, names);
    if (status == NICEST_OK)
        status = nicest_data_select(&some, data, index, 3);
    if (status == NICEST_OK)
        status = nicest_data_replace(&other, some, w->rows);
    assert_true((status == NICEST_OK) == (other != NULL));
    nicest_data_free(data);
    nicest_data_free(some);
    nicest_data_free(other);
    return status;
}

static nicest_status open_labelled(world *w)
{
    static const char text[] = "a,\"b c\",kind\n1,2,x\n3,4,y\n5,\"6\",x\n";
    const nicest_data_options o = {.columns = "b c,a", .label = "kind", .where = "kind=x"};
    nicest_data *data = NULL, *other = NULL;
    write_bytes(w->other, text, sizeof text - 1);
    nicest_status status = nicest_data_open(&data, w->other, &o);
    assert_true((status == NICEST_OK) == (data != NULL));
    if (status == NICEST_OK)
        status = nicest_data_replace(&other, data, w->rows);
    if (status == NICEST_OK)
        assert_true(nicest_data_labels(other)[1] == 0);
    nicest_data_free(data);
    nicest_data_free(other);
    remove(w->other);
    return status;
}

static nicest_status stream(world *w)
{
    nicest_reader *reader = NULL;
    double rows[4 * D];
    size_t got, skipped;
    TRY(nicest_data_save(w->data, w->other));
    nicest_status status = nicest_reader_open(&reader, w->other, NULL);
    if (status == NICEST_OK)
        status = nicest_reader_next(reader, 4, rows, &got, &skipped);
    nicest_reader_close(reader);
    return status;
}

static nicest_status morph(world *w)
{
    nicest_data *made = NULL;
    nicest_status status = nicest_corrupt(&made, w->data, "morph", 0.5, w->data, 1, 0);
    nicest_data_free(made);
    return status;
}

static nicest_status verify(world *w)
{
    nicest_verification found;
    memset(&found, 7, sizeof found);
    nicest_verification kept = found;
    nicest_status status = nicest_verify(w->model, w->data, 1, 1, NULL, NULL, &found);
    assert_true(status == NICEST_OK || !memcmp(&kept, &found, sizeof kept));
    return status;
}

static nicest_status baselines(world *w)
{
    for (const char *const *name = nicest_baseline_names(); *name; name++) {
        double scores[ROWS], kept[ROWS];
        memset(scores, 7, sizeof scores);
        memcpy(kept, scores, sizeof kept);
        nicest_status status = nicest_baseline_scores(w->model, w->data, *name, 1, 0, scores);
        if (status == NICEST_OK)
            continue;
        assert_memory_equal(scores, kept, sizeof kept);
        if (strcmp(*name, "compressed")) /* is for columns with levels */
            return status;
    }
    return NICEST_OK;
}

static nicest_status detect(world *w)
{
    nicest_detection found;
    memset(&found, 7, sizeof found);
    nicest_detection kept = found;
    nicest_status status = nicest_detect(w->rows, w->hidden, ROWS, 0, 1, &found);
    assert_true(status == NICEST_OK || !memcmp(&kept, &found, sizeof kept));
    return status;
}

static nicest_status density(world *w)
{
    double box[4] = {0}, whole = 7;
    nicest_status status = nicest_density_integral(w->plane, 1, 1, box, &whole);
    assert_true(status == NICEST_OK || whole == 7);
    return status;
}

static nicest_status pictures(world *w)
{
    nicest_image image = {0}, read = {0};
    TRY(nicest_image_new(&image, 9, 7, 3));
    nicest_status status = nicest_image_write(&image, w->path);
    nicest_image_free(&image);
    TRY(status);
    status = nicest_image_read(&read, w->path);
    assert_true((status == NICEST_OK) == (read.pixels != NULL));
    nicest_image_free(&read);
    return status;
}

/* ------------------------------------------------------------------ the world */

static void make_world(world *w)
{
    memset(w, 0, sizeof *w);
    for (size_t i = 0; i < ROWS * D; i++) {
        w->rows[i] = (double)(i * 7919 % 101) / 50 - 1;
        w->hidden[i] = i % 3 == 0;
    }
    assert_status(nicest_data_new(&w->data, w->rows, ROWS, D, NULL), NICEST_OK);
    assert_status(nicest_data_open(&w->small, "toy:moons,n=40", NULL), NICEST_OK);
    w->model = model_of_text(SPEC_SMALL, 3);
    assert_status(nicest_calibrate(w->model, w->data, w->data, 1, 1, NULL, NULL), NICEST_OK);
    w->plane = model_of_text("nicest 1\ncolumns 2\nscale\nprior normal\n", 3);
}

static void close_world(world *w)
{
    nicest_model_free(w->model);
    nicest_model_free(w->plane);
    nicest_data_free(w->data);
    nicest_data_free(w->small);
}

static void every_failure_is_a_status(void **state)
{
    (void)state;
    static const struct {
        const char *name, *file;
        verb *run;
    } verbs[] = {{"save CSV", "m.csv", save_data},
                 {"open CSV", "m.csv", open_data},
                 {"save gzip", "m.csv.gz", save_data},
                 {"open gzip", "m.csv.gz", open_data},
                 {"save NPY", "m.npy", save_data},
                 {"open NPY", "m.npy", open_data},
                 {"save NPZ", "m.npz", save_data},
                 {"open NPZ", "m.npz", open_data},
                 {"save model", "m", save_model},
                 {"load model", "m", load_model},
                 {"run", "m", run_model},
                 {"score", "m", score},
                 {"encode", "m", encode},
                 {"inpaint", "m", inpaint},
                 {"outliers", "m", outliers},
                 {"conformal", "m", conformal},
                 {"corrupt", "m", corrupt},
                 {"pictures", "m", pictures},
                 {"morph", "m", morph},
                 {"verify", "m", verify},
                 {"baselines", "m", baselines},
                 {"detect", "m", detect},
                 {"density", "m", density},
                 {"derive", "m", derive},
                 {"labelled", "l.csv", open_labelled},
                 {"stream", "s.csv.gz", stream},
                 {"train", "m", train},
                 {"resume", "m", resume}};
    static world w;
    size_t live = memory_live();
    make_world(&w);
    temporary("memory-model", w.path, sizeof w.path);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        json_fails = verbs[i].run != load_model && verbs[i].run != train && verbs[i].run != resume;
        temporary(verbs[i].file, w.other, sizeof w.other);
        print_message("%-10s fails at each of %zu allocations\n", verbs[i].name,
                      starve(&w, verbs[i].run, verbs[i].name));
        if (!strncmp(verbs[i].name, "open", 4) || verbs[i].run == stream)
            remove(w.other);
    }
    remove(w.path);
    close_world(&w);
    assert_int_equal(memory_live(), live);
}

/* Calibration may lose what there was, but a model is never half calibrated. */
static void calibration_fails_as_a_whole(void **state)
{
    (void)state;
    static world w;
    make_world(&w);
    json_fails = true;
    for (size_t i = 1; i < MOST_CALLS; i++) {
        double p[ROWS];
        memory_fail_at(i);
        nicest_status status = nicest_calibrate(w.model, w.data, w.data, 1, 1, NULL, NULL);
        memory_fail_at(0);
        if (nicest_calibrated(w.model))
            assert_status(nicest_conformal(w.model, "logp", w.rows, ROWS, p), NICEST_OK);
        if (status == NICEST_OK)
            break;
        assert_status(status, NICEST_E_MEMORY);
    }
    assert_true(nicest_calibrated(w.model));
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failure_is_a_status),
        cmocka_unit_test(calibration_fails_as_a_whole),
    };
    json_on_counted_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
