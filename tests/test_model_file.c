/* test_model_file.c - saving and loading: the same bytes, the same bits, every error, no leak. */
#include "model/safetensors.h"
#include "model_fixture.h"

static char path[512], other[512];

static int make_paths(void **state)
{
    (void)state;
    temporary("a", path, sizeof path);
    temporary("b", other, sizeof other);
    return 0;
}

static int remove_paths(void **state)
{
    (void)state;
    unlink(path);
    unlink(other);
    return 0;
}

static nicest_model *rich_model(uint64_t seed)
{
    static const char *const names[] = {"a", "b", "caf\xe9", "x4", "x5"};
    nicest_model *model = model_of_text(SPEC_SMALL, seed);
    double scores[3] = {-1, NAN, 3};
    quantise(model, 17, 1);
    assert_status(model_set_schema(model, names, 0, 0, 0, "uint8"), NICEST_OK);
    assert_status(model_set_entry(model, MODEL_TRAINING, "{\"b\": \"\\u0001 \xe2\x82\xac\"}"),
                  NICEST_OK);
    assert_status(model_set_entry(model, "another", ""), NICEST_OK);
    assert_status(model_set_array(model, "calibration.scores", scores, 3), NICEST_OK);
    assert_status(model_set_array(model, "columns.mean", scores, 2), NICEST_OK);
    return model;
}

static void assert_same_files(void)
{
    bytes a = read_bytes(path), b = read_bytes(other);
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
    memory_free(a.data);
    memory_free(b.data);
}

static void assert_same_bits(const nicest_model *a, const nicest_model *b, const double *rows,
                             size_t n)
{
    nicest_workspace *w = work(a, 0, 1), *v = work(b, 0, 1);
    double *p = memory_new(n, sizeof *p), *q = memory_new(n, sizeof *q);
    assert_status(nicest_score(w, rows, n, 3, p), NICEST_OK);
    assert_status(nicest_score(v, rows, n, 3, q), NICEST_OK);
    assert_memory_equal(p, q, n * sizeof *p);
    memory_free(p);
    memory_free(q);
    nicest_workspace_free(w);
    nicest_workspace_free(v);
}

/* ------------------------------------------------------------------ round trip */

static void a_model_comes_back_as_it_was(void **state)
{
    (void)state;
    nicest_model *model = rich_model(5);
    double *rows = rows_for(model_flow(model), 70, 8);
    size_t count = 0;
    assert_status(nicest_model_save(model, path), NICEST_OK);
    nicest_model *again = load(path);
    assert_status(nicest_model_save(again, other), NICEST_OK);
    assert_same_files();
    assert_same_bits(model, again, rows, 70);
    assert_string_equal(nicest_model_spec(again), nicest_model_spec(model));
    assert_string_equal(nicest_model_column_name(again, 2), "caf?");
    assert_string_equal(nicest_model_entry(again, "another"), "");
    assert_string_equal(nicest_model_entry(again, MODEL_TRAINING),
                        nicest_model_entry(model, MODEL_TRAINING));
    assert_true(isnan(model_array(again, "calibration.scores", &count)[1]));
    assert_int_equal(count, 3);
    memory_free(rows);
    nicest_model_free(model);
    nicest_model_free(again);
}

/* The bytes in memory are those of the file. */
static void bytes_are_the_file(void **state)
{
    (void)state;
    nicest_model *model = rich_model(5), *again = NULL;
    unsigned char *kept = NULL;
    size_t size = 0;
    assert_status(nicest_model_save(model, path), NICEST_OK);
    assert_status(nicest_model_save_bytes(model, &kept, &size), NICEST_OK);
    bytes file = read_bytes(path);
    assert_int_equal(size, file.size);
    assert_memory_equal(kept, file.data, size);
    assert_status(nicest_model_load_bytes(&again, kept, size), NICEST_OK);
    assert_status(nicest_model_save(again, other), NICEST_OK);
    assert_same_files();
    memory_free(file.data);
    nicest_free(kept);
    nicest_model_free(model);
    nicest_model_free(again);
}

static void every_shape_comes_back(const shape *s, const char *text)
{
    nicest_model *model = model_of_text(text, 5);
    double *rows = rows_for(model_flow(model), 3, 8);
    assert_status(nicest_model_save(model, path), NICEST_OK);
    nicest_model *again = load(path);
    assert_int_equal(nicest_model_columns(again), s->columns);
    assert_same_bits(model, again, rows, 3);
    memory_free(rows);
    nicest_model_free(model);
    nicest_model_free(again);
}

static void tensors_are_those_of_the_file(void **state)
{
    (void)state;
    nicest_model *model = rich_model(5);
    safetensors *file = NULL;
    nicest_tensor t, same;
    assert_status(nicest_model_save(model, path), NICEST_OK);
    assert_status(safetensors_open(&file, path), NICEST_OK);
    assert_true(nicest_model_tensors(model) > 3);
    for (size_t i = 0; i < nicest_model_tensors(model); i++) {
        assert_status(nicest_model_tensor(model, i, &t), NICEST_OK);
        safetensors_tensor stored = safetensors_find(file, t.name);
        assert_int_equal(t.rank, stored.rank);
        assert_int_equal(t.shape[0], stored.shape[0]);
        assert_int_equal(t.shape[1], t.rank == 2 ? stored.shape[1] : 1);
        assert_memory_equal(t.values, stored.data, t.shape[0] * t.shape[1] * sizeof *t.values);
        assert_status(nicest_model_tensor_named(model, t.name, &same), NICEST_OK);
        assert_ptr_equal(same.values, t.values);
    }
    assert_error(nicest_model_tensor(model, nicest_model_tensors(model), &t), NICEST_E_ARGUMENT,
                 "the model has");
    assert_error(nicest_model_tensor_named(model, "nothing", &t), NICEST_E_ARGUMENT, "'nothing'");
    safetensors_close(file);
    nicest_model_free(model);
}

static void flows_of_all_shapes_come_back(void **state)
{
    (void)state;
    for_every_shape(every_shape_comes_back);
}

static void the_order_of_setting_leaves_no_trace(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", "c", "d"};
    nicest_model *model = model_of_text(SPEC_SMALL, 1), *twin = model_of_text(SPEC_SMALL, 1);
    for (size_t i = 0; i < 4; i++) {
        double value = (double)i, last = (double)(3 - i);
        assert_status(model_set_entry(model, names[i], names[i]), NICEST_OK);
        assert_status(model_set_array(model, names[i], &value, 1), NICEST_OK);
        assert_status(model_set_entry(twin, names[3 - i], "to be replaced"), NICEST_OK);
        assert_status(model_set_entry(twin, names[3 - i], names[3 - i]), NICEST_OK);
        assert_status(model_set_array(twin, names[3 - i], &last, 1), NICEST_OK);
    }
    assert_status(model_set_entry(twin, "gone", "soon"), NICEST_OK);
    assert_status(model_set_entry(twin, "gone", NULL), NICEST_OK);
    assert_status(model_set_entry(twin, "never there", NULL), NICEST_OK);
    assert_status(model_set_array(twin, "gone", &(double){1}, 1), NICEST_OK);
    assert_status(model_set_array(twin, "gone", NULL, 0), NICEST_OK);
    assert_status(nicest_model_save(model, path), NICEST_OK);
    assert_status(nicest_model_save(twin, other), NICEST_OK);
    assert_same_files();
    nicest_model_free(model);
    nicest_model_free(twin);
}

/* ------------------------------------------------------------------ what is refused */

static void entries_are_checked(void **state)
{
    (void)state;
    nicest_model *model = model_of_text(SPEC_SMALL, 1);
    assert_error(model_set_entry(model, "format", "x"), NICEST_E_ARGUMENT, "format");
    assert_error(model_set_entry(model, "nicest.spec", "x"), NICEST_E_ARGUMENT, "nicest.spec");
    assert_error(model_set_entry(model, "text", "\xff"), NICEST_E_ARGUMENT, "UTF-8");
    assert_error(model_set_entry(model, "\xc0\x80", "x"), NICEST_E_ARGUMENT, "UTF-8");
    assert_error(model_set_array(model, "\xed\xa0\x80", &(double){1}, 1), NICEST_E_ARGUMENT,
                 "UTF-8");
    assert_error(model_set_entry(model, MODEL_SCHEMA, "{"), NICEST_E_FORMAT, MODEL_SCHEMA);
    assert_error(model_set_entry(model, MODEL_SCHEMA, "[]"), NICEST_E_FORMAT, "not a JSON object");
    assert_error(model_set_entry(model, MODEL_SCHEMA, "{\"names\": [\"a\"]}"), NICEST_E_FORMAT,
                 "1 names for 5 columns");
    assert_error(model_set_entry(model, MODEL_SCHEMA, "{\"names\": [\"a\", 1, 2, 3, 4]}"),
                 NICEST_E_FORMAT, "column 2");
    assert_error(model_set_entry(model, MODEL_SCHEMA, "{\"image\": [2, 2, 1]}"), NICEST_E_FORMAT,
                 "picture");
    assert_error(model_set_schema(model, NULL, 3, 2, 1, NULL), NICEST_E_FORMAT, "picture");
    assert_null(nicest_model_entry(model, MODEL_SCHEMA));
    assert_string_equal(nicest_model_column_name(model, 4), "x5");
    assert_status(model_set_schema(model, NULL, 1, 5, 1, NULL), NICEST_OK);
    assert_status(model_set_entry(model, MODEL_SCHEMA, NULL), NICEST_OK);
    unsigned height = 1;
    nicest_model_image(model, &height, NULL, NULL);
    assert_int_equal(height, 0);
    nicest_model_free(model);
}

static void there_is_an_end_of_entries(void **state)
{
    (void)state;
    nicest_model *model = model_of_text(SPEC_SMALL, 1);
    for (int i = 0; i <= MODEL_MOST_ENTRIES; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        nicest_status expected = i < MODEL_MOST_ENTRIES ? NICEST_OK : NICEST_E_ARGUMENT;
        assert_status(model_set_entry(model, name, name), expected);
        assert_status(model_set_array(model, name, &(double){i}, 1), expected);
    }
    assert_status(model_set_entry(model, "17", "another text"), NICEST_OK);
    assert_status(model_set_array(model, "17", &(double){18}, 1), NICEST_OK);
    assert_status(nicest_model_save(model, path), NICEST_OK);
    nicest_model *again = load(path);
    assert_string_equal(nicest_model_entry(again, "17"), "another text");
    nicest_model_free(model);
    nicest_model_free(again);
}

static void null_is_an_argument_error(void **state)
{
    (void)state;
    nicest_model *model = NULL;
    assert_status(nicest_model_load(NULL, path), NICEST_E_ARGUMENT);
    assert_status(nicest_model_load(&model, NULL), NICEST_E_ARGUMENT);
    assert_status(nicest_model_save(NULL, path), NICEST_E_ARGUMENT);
    assert_null(model);
    nicest_model_free(NULL);
    nicest_workspace_free(NULL);
    assert_int_equal(nicest_model_columns(NULL), 0);
    assert_int_equal(nicest_model_parameters(NULL), 0);
    assert_null(nicest_model_spec(NULL));
    assert_null(nicest_model_entry(NULL, "x"));
    assert_null(nicest_model_column_name(NULL, 0));
    assert_int_equal(nicest_model_quantised(NULL, 0, NULL, NULL, NULL), 0);
    assert_int_equal(nicest_model_impossible(NULL, NULL), 0);
    assert_int_equal(nicest_model_given(NULL, 0), 0);
    assert_int_equal(nicest_sample_given(NULL, NULL, 1, 1, 0, 1, NULL), NICEST_E_ARGUMENT);
    assert_true(isnan(nicest_model_bits_per_dim(NULL, 0)));
}

static void missing_files_are_named(void **state)
{
    (void)state;
    nicest_model *model = NULL;
    assert_error(nicest_model_load(&model, "no/such/file"), NICEST_E_IO, "no/such/file");
    write_bytes(path, "hello", 5);
    assert_error(nicest_model_load(&model, path), NICEST_E_FORMAT, path);
    nicest_model *good = model_of_text(SPEC_SMALL, 1);
    assert_error(nicest_model_save(good, "no/such/folder/x"), NICEST_E_IO, "no/such/folder/x");
    nicest_model_free(good);
    assert_null(model);
}

static void a_file_that_was_there_stays_when_saving_fails(void **state)
{
    (void)state;
    nicest_model *model = model_of_text(SPEC_SMALL, 1);
    assert_status(nicest_model_save(model, path), NICEST_OK);
    bytes before = read_bytes(path);
    memory_fail_at(3);
    assert_status(nicest_model_save(model, path), NICEST_E_MEMORY);
    memory_fail_at(0);
    bytes after = read_bytes(path);
    assert_int_equal(before.size, after.size);
    assert_memory_equal(before.data, after.data, before.size);
    memory_free(before.data);
    memory_free(after.data);
    nicest_model_free(model);
}

/* ------------------------------------------------------------------ changed files */

/* Replaces a part of the header by another of equal length. */
static void replace(bytes *b, const char *old, const char *new)
{
    size_t length = strlen(old);
    assert_int_equal(length, strlen(new));
    for (size_t i = 8; i + length <= b->size; i++)
        if (!memcmp(b->data + i, old, length)) {
            memcpy(b->data + i, new, length);
            return;
        }
    print_error("'%s' is not in the file\n", old);
    assert_true(false);
}

typedef struct change {
    const char *old, *new;
    nicest_status status;
    const char *words;
} change;

static void changed_headers_are_refused_with_the_reason(void **state)
{
    (void)state;
    static const change changes[] = {
        {"\"nicest.version\":\"1\"", "\"nicest.version\":\"2\"", NICEST_E_UNSUPPORTED, "version 2"},
        {"\"nicest.version\"", "\"nicest.werston\"", NICEST_E_FORMAT, "not a model"},
        {"\"format\":\"nicest\"", "\"format\":\"nicer!\"", NICEST_E_FORMAT, "not a model"},
        {"\"nicest.spec\"", "\"nicest.spek\"", NICEST_E_FORMAT, "nicest.spec"},
        {"nicest 1\\ncolumns 5", "nicest 2\\ncolumns 5", NICEST_E_FORMAT, "nicest 1"},
        {"columns 5", "columns 4", NICEST_E_FORMAT, "number of columns"},
        {"columns 5", "columns A", NICEST_E_FORMAT, "number of columns"},
        {"hidden=8x2", "hidden=9x2", NICEST_E_FORMAT, "'layers.2.mlp.0.weight' is F32 [8, 3]"},
        {"hidden=8x2", "hidden=8x1", NICEST_E_FORMAT, "'layers.2.mlp.1.weight' is F32 [8, 8]"},
        {"hidden=8x2", "hidden=8x3", NICEST_E_FORMAT, "'layers.2.mlp.2.weight' is F32 [2, 8]"},
        {"permute reverse", "permute reserve", NICEST_E_FORMAT, "spec line"},
        {"\"layers.3.mlp.", "\"layers.5.mlp.", NICEST_E_FORMAT,
         "'layers.3.mlp.0.weight' is missing"},
        {"\"entry.origin\"", "\"entry.orogin\"", NICEST_E_FORMAT, "'entry.origin'"},
        {"\"entry.levels\"", "\"entry.revels\"", NICEST_E_FORMAT, "'entry.levels' is missing"},
        {"\"extra.columns.mean\"", "\"extro.columns.mean\"", NICEST_E_FORMAT, "has no place"},
        {"\"layers.0.shift\"", "\"layers.0.shaft\"", NICEST_E_FORMAT,
         "'layers.0.shift' is missing"},
        {"\"nicest.schema\":\"{", "\"nicest.schema\":\"[", NICEST_E_FORMAT, "nicest.schema"},
        {"\"shape\":[8,3]", "\"shape\":[3,8]", NICEST_E_FORMAT, "wants F32 [8, 3]"},
        {"\"dtype\":\"F64\"", "\"dtype\":\"I64\"", NICEST_E_FORMAT, "entry.origin"},
    };
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        const change *c = &changes[i];
        bytes b = read_bytes(FIXTURE);
        nicest_model *model = NULL;
        replace(&b, c->old, c->new);
        assert_error(nicest_model_load_bytes(&model, b.data, b.size), c->status, c->words);
        assert_null(model);
        memory_free(b.data);
    }
}

/* The tensor's bytes in the file. */
static unsigned char *tensor_in(bytes *b, const char *name)
{
    safetensors *file = NULL;
    assert_status(safetensors_open_bytes(&file, b->data, b->size), NICEST_OK);
    safetensors_tensor t = safetensors_find(file, name);
    assert_non_null(t.data);
    safetensors_close(file);
    return b->data + ((const unsigned char *)t.data - b->data);
}

static void numbers_that_are_not_finite_are_refused(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 3; i++) {
        bytes b = read_bytes(FIXTURE);
        nicest_model *model = NULL;
        memcpy(tensor_in(&b, "layers.3.mlp.1.weight") + 4 * sizeof(float), &bad[i], sizeof(float));
        assert_error(nicest_model_load_bytes(&model, b.data, b.size), NICEST_E_FORMAT,
                     "'layers.3.mlp.1.weight': element 4");
        memory_free(b.data);
        b = read_bytes(FIXTURE);
        double wide = (double)bad[i];
        memcpy(tensor_in(&b, "entry.centre") + 8, &wide, sizeof wide);
        assert_error(nicest_model_load_bytes(&model, b.data, b.size), NICEST_E_FORMAT, "column 2");
        assert_null(model);
        memory_free(b.data);
    }
}

/* A megabyte of columns in the text, a few in the file; and many lines of permutations. */
static void memory_is_in_proportion_to_the_file(void **state)
{
    (void)state;
    size_t columns = 2000, lines = 1000, used;
    double *values = memory_new(columns, sizeof *values);
    char *spec = memory_new(lines + 10, 32);
    used = (size_t)sprintf(spec, "nicest 1\ncolumns %zu\n", columns);
    for (size_t i = 0; i < lines; i++)
        used += (size_t)sprintf(spec + used, "permute reverse\n");
    sprintf(spec + used, "prior normal\n");
    static const char *const parts[] = {"origin", "step", "levels", "offset", "unit", "centre"};
    char names[6][20];
    safetensors_tensor tensors[6];
    for (size_t p = 0; p < 6; p++) {
        snprintf(names[p], sizeof names[p], "entry.%s", parts[p]);
        tensors[p] = (safetensors_tensor){names[p], SAFE_F64, 1, {columns, 0}, values};
    }
    safetensors_text texts[] = {
        {"format", "nicest"}, {"nicest.version", "1"}, {"nicest.spec", spec}};
    nicest_model *model = NULL;
    assert_status(safetensors_write(path, tensors, 6, texts, 3), NICEST_OK);
    assert_error(nicest_model_load(&model, path), NICEST_E_FORMAT, "out of proportion");
    assert_null(model);
    strcpy(strstr(spec, "permute"), "permute reverse\npermute random:3\nprior normal\n");
    assert_status(safetensors_write(path, tensors, 6, texts, 3), NICEST_OK);
    nicest_model_free(load(path));
    memory_free(values);
    memory_free(spec);
}

/* ------------------------------------------------------------------ memory */

static void save_and_load_leak_nothing_when_memory_fails(void **state)
{
    (void)state;
    nicest_model *model = rich_model(2);
    size_t before = memory_live(), calls;
    nicest_status status = NICEST_E_MEMORY;
    for (calls = 1; status == NICEST_E_MEMORY; calls++) {
        memory_fail_at(calls);
        status = nicest_model_save(model, path);
        assert_int_equal(memory_live(), before);
    }
    assert_status(status, NICEST_OK);
    assert_true(calls > 8);
    status = NICEST_E_MEMORY;
    for (calls = 1; status == NICEST_E_MEMORY; calls++) {
        nicest_model *again = NULL;
        memory_fail_at(calls);
        status = nicest_model_load(&again, path);
        assert_true((status == NICEST_OK) == (again != NULL));
        nicest_model_free(again);
        assert_int_equal(memory_live(), before);
    }
    memory_fail_at(0);
    assert_status(status, NICEST_OK);
    assert_true(calls > 30);
    nicest_model_free(model);
}

static void setters_leave_a_model_as_it_was_when_memory_fails(void **state)
{
    (void)state;
    static const char *const names[] = {"p", "q", "r", "s", "t"};
    nicest_model *model = rich_model(2);
    assert_status(nicest_model_save(model, path), NICEST_OK);
    for (size_t what = 0; what < 4; what++) {
        nicest_status status = NICEST_E_MEMORY;
        for (size_t calls = 1; status == NICEST_E_MEMORY; calls++) {
            size_t before = memory_live();
            memory_fail_at(calls);
            status = what == 0   ? model_set_entry(model, "new", "text")
                     : what == 1 ? model_set_entry(model, "another", "text")
                     : what == 2 ? model_set_array(model, "columns.mean", (double[4]){1}, 4)
                                 : model_set_schema(model, names, 0, 0, 0, NULL);
            memory_fail_at(0);
            if (status == NICEST_OK)
                break;
            assert_status(status, NICEST_E_MEMORY);
            assert_int_equal(memory_live(), before);
            assert_status(nicest_model_save(model, other), NICEST_OK);
            assert_same_files();
        }
        assert_status(status, NICEST_OK);
        assert_status(nicest_model_save(model, path), NICEST_OK);
    }
    nicest_model_free(model);
}

/* ------------------------------------------------------------------ the documents */

/* Every block of docs/spec.md that begins with "nicest 1" is a spec; the first is the paper's. */
static void specs_of_the_document_are_specs(void **state)
{
    (void)state;
    bytes b = read_bytes("docs/spec.md");
    char *text = memory_format("%.*s", (int)b.size, (const char *)b.data);
    size_t count = 0;
    for (char *at = text; (at = strstr(at, "\n    nicest 1\n")); count++) {
        char *end = strstr(at, "\n\n");
        if (end)
            *end = 0;
        nicest_model *model = NULL;
        flow *f = NULL;
        assert_status(flow_new(&f, at, 0), NICEST_OK);
        assert_status(model_new(&model, f), NICEST_OK);
        assert_true(count > 0 || nicest_model_parameters(model) == 19158352);
        nicest_model_free(model);
        at = end ? end + 1 : at + strlen(at);
    }
    assert_true(count >= 4);
    memory_free(text);
    memory_free(b.data);
}

/* What columns are, and what training left out, comes back from a file; a damaged entry is refused.
 */
static void kinds_of_columns_come_back(void **state)
{
    (void)state;
    char no[] = "no", yes[] = "yes, \"but\"", date[] = "YYYY-MM-DD", *words[] = {no, yes};
    const column_kind kinds[] = {{NICEST_NUMBER, 2, NULL, NULL, 0},
                                 {NICEST_CATEGORY, -1, NULL, words, 2},
                                 {NICEST_TIME, -1, date, NULL, 0}};
    const char *const names[] = {"a", "b", "c"}, *const left[] = {"id", "note"};
    nicest_model *again = NULL;
    nicest_model *model = model_of_text("nicest 1\ncolumns 3\nscale\nprior normal\n", 1);
    assert_status(model_set_schema(model, names, 0, 0, 0, NULL), NICEST_OK);
    assert_status(model_set_columns(model, kinds, left, 2), NICEST_OK);
    assert_status(nicest_model_save(model, path), NICEST_OK);
    assert_status(nicest_model_load(&again, path), NICEST_OK);
    size_t count;
    assert_int_equal(nicest_model_column_decimals(again, 0), 2);
    assert_int_equal(nicest_model_column_kind(again, 1), NICEST_CATEGORY);
    assert_string_equal(nicest_model_column_words(again, 1, &count)[1], words[1]);
    assert_int_equal(count, 2);
    assert_string_equal(nicest_model_column_format(again, 2), "YYYY-MM-DD");
    assert_string_equal(model_left(again, &count)[1], "note");
    assert_int_equal(count, 2);
    static const char *const damaged[] = {
        "{\"columns\": [{}, {}, {}]}", "{\"columns\": [{\"kind\": \"number\"}]}",
        "{\"columns\": [{\"kind\": \"category\", \"words\": [1]}, {\"kind\": \"number\"}, "
        "{\"kind\": \"number\"}]}",
        "{\"columns\": [{\"kind\": \"time\"}, {\"kind\": \"number\"}, {\"kind\": \"number\"}]}",
        "{\"left\": [1]}"};
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++)
        assert_error(model_set_entry(again, MODEL_SCHEMA, damaged[i]), NICEST_E_FORMAT, "schema");
    assert_int_equal(nicest_model_column_kind(again, 1), NICEST_CATEGORY);
    /* rows of the model come as words and dates */
    const double rows[] = {1.5, 1, 31};
    nicest_data *data = NULL;
    assert_status(nicest_data_of_model(&data, again, rows, 1), NICEST_OK);
    assert_int_equal(nicest_data_column_kind(data, 2), NICEST_TIME);
    nicest_data_free(data);
    nicest_model_free(model);
    nicest_model_free(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_comes_back_as_it_was),
        cmocka_unit_test(bytes_are_the_file),
        cmocka_unit_test(tensors_are_those_of_the_file),
        cmocka_unit_test(flows_of_all_shapes_come_back),
        cmocka_unit_test(the_order_of_setting_leaves_no_trace),
        cmocka_unit_test(entries_are_checked),
        cmocka_unit_test(there_is_an_end_of_entries),
        cmocka_unit_test(null_is_an_argument_error),
        cmocka_unit_test(missing_files_are_named),
        cmocka_unit_test(a_file_that_was_there_stays_when_saving_fails),
        cmocka_unit_test(changed_headers_are_refused_with_the_reason),
        cmocka_unit_test(numbers_that_are_not_finite_are_refused),
        cmocka_unit_test(memory_is_in_proportion_to_the_file),
        cmocka_unit_test(kinds_of_columns_come_back),
        cmocka_unit_test(specs_of_the_document_are_specs),
        cmocka_unit_test(save_and_load_leak_nothing_when_memory_fails),
        cmocka_unit_test(setters_leave_a_model_as_it_was_when_memory_fails),
    };
    return cmocka_run_group_tests(tests, make_paths, remove_paths);
}
