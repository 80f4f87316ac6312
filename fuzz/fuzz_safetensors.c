/* fuzz_safetensors.c - bytes as a model file. What loads is used, and saved: the file that is
 * written must load too, and saving that one must give the same bytes. */
#include <string.h>

#include "base/file.h"
#include "fuzz.h"
#include "model/model.h"

static void run(const nicest_model *model)
{
    size_t d = nicest_model_columns(model);
    nicest_workspace *w = NULL;
    double *row = memory_new(d, sizeof *row), logp;
    NEED(row && nicest_workspace_new(&w, model, 1, 1) == NICEST_OK);
    NEED(nicest_sample(w, 1, 1, 0, 1, row) == NICEST_OK);
    NEED(nicest_score(w, row, 1, 1, &logp) == NICEST_OK);
    NEED(nicest_decode(model, row, 1, row) == NICEST_OK);
    for (size_t j = 0; j < d; j++)
        NEED(nicest_model_column_name(model, j));
    nicest_workspace_free(w);
    memory_free(row);
}

static void save_twice(const nicest_model *model)
{
    const char *path[2] = {fuzz_path("-first"), fuzz_path("-second")};
    file_bytes file[2];
    nicest_model *again = NULL;
    for (int i = 0; i < 2; i++) {
        NEED(nicest_model_save(i ? again : model, path[i]) == NICEST_OK);
        NEED(file_load(&file[i], path[i], 0) == NICEST_OK);
        if (!i)
            NEED(nicest_model_load_bytes(&again, file[0].data, file[0].size) == NICEST_OK);
    }
    NEED(file[0].size == file[1].size && !memcmp(file[0].data, file[1].data, file[0].size));
    file_release(&file[0]);
    file_release(&file[1]);
    nicest_model_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    nicest_model *model = NULL;
    size_t live = memory_live();
    memory_peak_restart();
    size_t before = memory_peak();
    nicest_status status = nicest_model_load_bytes(&model, bytes, size);
    NEED((status == NICEST_OK) == (model != NULL));
    NEED(status == NICEST_OK || status == NICEST_E_FORMAT || status == NICEST_E_UNSUPPORTED);
    NEED(memory_peak() - before <= FUZZ_BASE + 64 * size);
    if (model) {
        run(model);
        save_twice(model);
    }
    nicest_model_free(model);
    NEED(memory_live() == live);
    return 0;
}
