/* model_fixture.h - models, files and bytes for the tests of src/model. For tests only. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "flow_fixture.h"
#include "model/model.h"

#define FIXTURE         "tests/fixtures/v1.safetensors"
#define FIXTURE_PICTURE "tests/fixtures/v1-picture.safetensors"

typedef struct bytes {
    unsigned char *data;
    size_t size;
} bytes;

static inline bytes read_bytes(const char *path)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    bytes b = {NULL, (size_t)ftell(file)};
    b.data = memory_new(b.size, 1);
    assert_non_null(b.data);
    rewind(file);
    assert_int_equal(fread(b.data, 1, b.size, file), b.size);
    fclose(file);
    return b;
}

/* A path of this process in the folder for temporary files. */
static inline const char *temporary(const char *name, char *path, size_t size)
{
    const char *folder = getenv("TMPDIR");
    snprintf(path, size, "%s/nicest-%ld-%s", folder ? folder : "/tmp", (long)getpid(), name);
    return path;
}

static inline void write_bytes(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* The status, with the sentence shown where it is not the expected one. */
static inline void assert_status(nicest_status status, nicest_status expected)
{
    if (status != expected)
        print_error("%s\n", nicest_error());
    assert_int_equal(status, expected);
}

static inline void assert_error(nicest_status status, nicest_status expected, const char *words)
{
    assert_status(status, expected);
    if (!strstr(nicest_error(), words))
        print_error("'%s' is not in: %s\n", words, nicest_error());
    assert_non_null(strstr(nicest_error(), words));
}

static inline nicest_model *load(const char *path)
{
    nicest_model *model = NULL;
    assert_status(nicest_model_load(&model, path), NICEST_OK);
    return model;
}

static inline nicest_workspace *work(const nicest_model *model, size_t rows, int threads)
{
    nicest_workspace *w = NULL;
    assert_status(nicest_workspace_new(&w, model, rows, threads), NICEST_OK);
    return w;
}

/* A model with random weights. */
static inline nicest_model *model_of_text(const char *spec, uint64_t seed)
{
    nicest_model *model = NULL;
    assert_status(model_new(&model, flow_of_text(spec, seed)), NICEST_OK);
    return model;
}

static const char *const SPEC_SMALL = "nicest 1\ncolumns 5\nstandardise\npermute odd-even\n"
                                      "coupling move=second hidden=32x2\n"
                                      "coupling move=first hidden=16 activation=tanh\n"
                                      "scale\nprior logistic\n";

/* Every column of the model's entry: levels 0, 1, ... of width `unit`, `levels` of them. */
static inline void quantise(nicest_model *model, double levels, double unit)
{
    entry *e = &model_flow(model)->entry;
    for (size_t j = 0; j < e->columns; j++)
        e->column[j] = (entry_column){.step = 1, .levels = levels, .unit = unit};
    assert_status(entry_set(e), NICEST_OK);
}
