/* fuzz_words.c - text as the values of options that the library itself reads: a DATA argument with
 * its slice, lists of columns, the row filter, toys, masks, corruptions, hidden layers. */
#include <string.h>

#include "flow/mlp.h"
#include "flow/spec.h"
#include "fuzz.h"

static const char TABLE[] = "a,b,c d,\"e,f\"\n1,2,3,x\n4,5,6,y\n7,8,nan,x\n";

static void choose(const char *text)
{
    const char *path = fuzz_file(".csv", TABLE, sizeof TABLE - 1);
    const nicest_data_options choices[] = {{.columns = text, .drop = "e,f"},
                                           {.drop = text},
                                           {.label = text, .drop = "4"},
                                           {.where = text, .drop = "4"},
                                           {.columns = "1-3", .where = text, .label = text}};
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++)
        fuzz_data(path, &choices[i], sizeof TABLE, 1024);
}

static void slice(const char *text)
{
    char *argument = memory_format("%s[%.100s]", fuzz_path(".csv"), text);
    NEED(argument);
    const nicest_data_options numbers = {.drop = "4"};
    fuzz_data(argument, &numbers, sizeof TABLE, 1024);
    memory_free(argument);
}

/* Toys may ask for any number of rows: without "n=" they are few. */
static void toy(const char *text)
{
    double rows[] = {0, 0, 1, -2}, logp[2];
    nicest_status status = nicest_toy_log_density(text, rows, 2, logp);
    NEED(status == NICEST_OK || status == NICEST_E_ARGUMENT);
    char *argument = memory_format("toy:%s", text);
    NEED(argument);
    if (!strstr(text, "n="))
        fuzz_data(argument, NULL, 10000, 64);
    memory_free(argument);
}

static void mask(const char *text)
{
    unsigned char hidden[24];
    double rows[24] = {0};
    size_t length = strlen(text);
    if (length >= 4 && !strcmp(text + length - 4, ".png"))
        return; /* a file; fuzz_png has these */
    nicest_status status = nicest_mask(text, rows, 2, 12, 4, 3, 1, 1, hidden);
    NEED(status == NICEST_OK || status == NICEST_E_ARGUMENT);
    if (status == NICEST_OK)
        for (int i = 0; i < 24; i++)
            NEED(hidden[i] <= 1);
}

static void corrupt(const char *text)
{
    static const double values[] = {1, 2, 3, 4, 5, 6};
    nicest_data *data = NULL, *other = NULL;
    NEED(nicest_data_new(&data, values, 3, 2, NULL) == NICEST_OK);
    nicest_status status = nicest_corrupt(&other, data, text, 0.5, NULL, 1, 1);
    NEED((status == NICEST_OK) == (other != NULL));
    nicest_data_free(other);
    nicest_data_free(data);
}

static void hidden_layers(const char *text)
{
    mlp_spec made = {0};
    nicest_status status = mlp_parse_hidden(text, &made);
    NEED(status == NICEST_OK || status == NICEST_E_ARGUMENT);
    NEED(status != NICEST_OK || made.hidden_count <= 64);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    size_t live = memory_live();
    char *text = fuzz_text(bytes, size);
    choose(text);
    slice(text);
    toy(text);
    mask(text);
    corrupt(text);
    hidden_layers(text);
    memory_free(text);
    NEED(memory_live() == live);
    return 0;
}
