/* cmd_convert.c - `nicest convert`: rows from one format to another. */
#include "picture.h"

typedef struct convert_settings {
    shared_settings shared;
    const char *data;
} convert_settings;

#define AT(field) offsetof(convert_settings, field)

/* clang-format off */
static const option CONVERT_OPTIONS[] = {
    {OPTION(ARGUMENT, "DATA", NULL, data), .required = true, .help = "rows to convert"},
    {0},
};
/* clang-format on */

static int convert_run(void *settings)
{
    const convert_settings *s = settings;
    const char *path = s->shared.output ? s->shared.output : "-";
    json_t *outputs = json_array();
    check_data_path(path);
    check_picture_options(&s->shared, &path, 1);
    OWNED_DATA nicest_data *data = open_rows(&s->shared, NULL, s->data, THE_DATA);
    save_output(&s->shared, data, path, outputs, "");
    print_outputs(&s->shared, data, outputs);
    return STATUS_DONE;
}

const command CONVERT_COMMAND = {
    .name = "convert",
    .summary = "data from one format to another",
    .synopsis = "DATA [-o FILE]",
    .description =
        "Writes the rows of DATA in the format that the extension of FILE says. Without -o: CSV on "
        "standard output. Whole numbers beyond 2^53 are rounded to doubles.\n\n"
        ".csv and .tsv (and .gz of these) are tables. .npy and .npz are arrays; x-images-idx3-ubyte "
        "is a file of pictures. Labels become a column, or x-labels-idx1-ubyte beside the pictures. "
        ".png, .svg and .pdf hold one grid of pictures, enlarged; a single row as .png is that "
        "picture, pixel by pixel.",
    .examples = "  nicest convert wine.csv --drop quality -o wine.npy\n"
                "  nicest convert 'train-images-idx3-ubyte.gz[0:100]' -o first.png\n",
    .tables = {CONVERT_OPTIONS, PICTURE_OPTIONS, DATA_OPTIONS, OUTPUT_OPTIONS, COMMON_OPTIONS},
    .size = sizeof(convert_settings),
    .run = convert_run,
};
