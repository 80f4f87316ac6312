/* fuzz_spec.c - text as the stack of layers of a model. What is accepted has a canonical text that
 * means the same. */
#include <string.h>

#include "flow/spec.h"
#include "fuzz.h"

/* Columns cost memory for each layer; a file's reader ties both to the file's size before it comes
 * here (check_proportion), so this target does likewise. */
static int small_enough(const char *text)
{
    const char *columns = strstr(text, "columns");
    size_t digits = columns ? strcspn(columns, "\n#") : 0;
    return digits < strlen("columns 1024");
}

static void parse_again(const flow_spec *spec)
{
    flow_spec again = {0};
    NEED(spec_parse(&again, spec->text) == NICEST_OK);
    NEED(!strcmp(again.text, spec->text) && again.columns == spec->columns);
    NEED(again.count == spec->count && again.prior == spec->prior);
    spec_close(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    size_t live = memory_live();
    char *text = fuzz_text(bytes, size);
    flow_spec spec = {0};
    if (small_enough(text)) {
        nicest_status status = spec_parse(&spec, text);
        NEED(status == NICEST_OK || status == NICEST_E_FORMAT);
        if (status == NICEST_OK)
            parse_again(&spec);
        else
            NEED(!spec.layers && !spec.text && nicest_error()[0]);
        spec_close(&spec);
    }
    memory_free(text);
    NEED(memory_live() == live);
    return 0;
}
