/* picture.h - rows that are pictures: grids of them. */
#pragma once

#include "chart.h"
#include "common.h"

typedef struct picture_format {
    unsigned height, width, channels;
    double black, white; /* stored values */
} picture_format;

/* The format of a model's pictures; height is 0 when it has none. White is the highest level, and
 * for continuous columns the largest of values[count]. */
picture_format picture_format_of(const nicest_model *model, const double *values, size_t count);
/* At most `most` pictures, as many side by side as a page can hold; at least one. */
size_t pictures_across(unsigned width, size_t most);
/* rows[n, height width channels] in `across` columns (0: near square), each enlarged by a whole
 * number, so that the whole is about `side` pixels wide; missing values (NaN) are blue. */
nicest_image picture_grid(const picture_format *format, const double *rows, size_t n, size_t across,
                          unsigned side);
/* The same as a file .png, .svg or .pdf, with the title and headings of `words`. */
void pictures_save(const shared_settings *shared, const picture_format *format, const double *rows,
                   size_t n, size_t across, const panel *words, const char *path);
/* Writes rows, and beside IDX their labels, says so (`what` was done to them, or "") and lists the
 * files in the outputs of --json; the second prints those. Rows that are pictures become a grid of
 * them as .png, .svg or .pdf: from their least value to their largest, bytes from 0 to 255. One row
 * as .png stays that picture, pixel by pixel, so that a folder of them is DATA again. */
void save_output(const shared_settings *shared, const nicest_data *data, const char *path,
                 json_t *outputs, const char *what);
void print_outputs(const shared_settings *shared, const nicest_data *data, json_t *outputs);
