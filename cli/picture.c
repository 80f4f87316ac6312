/* picture.c - see picture.h. */
#include "picture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const unsigned char MISSING[] = {70, 110, 160}; /* a value that is not there */

picture_format picture_format_of(const nicest_model *model, const double *values, size_t count)
{
    picture_format f = {.black = 0, .white = 0};
    double levels = 0, step = 1, unit;
    nicest_model_image(model, &f.height, &f.width, &f.channels);
    for (size_t j = 0; j < nicest_model_columns(model); j++) {
        double own_levels, own_step;
        if (nicest_model_quantised(model, j, &own_levels, &own_step, &unit) &&
            own_levels > levels) {
            levels = own_levels;
            step = own_step;
        }
    }
    if (levels > 1) {
        f.white = (levels - 1) * step;
        return f;
    }
    for (size_t i = 0; i < count; i++) {
        f.black = values[i] < f.black ? values[i] : f.black;
        f.white = values[i] > f.white ? values[i] : f.white;
    }
    f.white = f.white > f.black ? f.white : f.black + 1;
    return f;
}

static bool any_missing(const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (isnan(values[i]))
            return true;
    return false;
}

size_t pictures_across(unsigned width, size_t most)
{
    size_t fit = 4000 / ((size_t)width + 2);
    return fit < 1 ? 1 : fit < most ? fit : most;
}

nicest_image picture_grid(const picture_format *f, const double *rows, size_t n, size_t across,
                          unsigned side)
{
    nicest_image image;
    size_t d = (size_t)f->height * f->width * f->channels;
    if (!across)
        across = (size_t)ceil(sqrt((double)n * f->height / f->width) - 1e-9);
    across = across < 1 ? 1 : n && across > n ? n : across;
    size_t down = n ? (n + across - 1) / across : 1;
    size_t longest = across * f->width > down * f->height ? across * f->width : down * f->height;
    size_t scale = (side ? side : 800) / longest;
    scale = scale < 1 ? 1 : scale > 32 ? 32 : scale;
    size_t gap = 2 + scale / 4; /* seen as a line at half the size, too */
    size_t width = across * (f->width * scale + gap) + gap;
    size_t height = down * (f->height * scale + gap) + gap;
    if (width > 60000 || height > 60000)
        refuse(STATUS_FAILED, "a picture of %zu rows would be %zu x %zu pixels; ask for fewer", n,
               width, height);
    unsigned channels = f->channels >= 3 || any_missing(rows, n * d) ? 3 : 1;
    need(nicest_image_new(&image, (unsigned)width, (unsigned)height, channels));
    memset(image.pixels, 96, width * height * image.channels);
    for (size_t i = 0; i < n; i++) {
        const double *row = rows + i * d;
        size_t left = gap + i % across * (f->width * scale + gap);
        size_t top = gap + i / across * (f->height * scale + gap);
        for (size_t y = 0; y < f->height * scale; y++)
            for (size_t x = 0; x < f->width * scale; x++) {
                unsigned char *out =
                    image.pixels + ((top + y) * image.width + left + x) * image.channels;
                const double *pixel = row + ((y / scale) * f->width + (x / scale)) * f->channels;
                for (unsigned k = 0; k < image.channels; k++) {
                    double value = pixel[k < f->channels ? k : 0];
                    double share = (value - f->black) / (f->white - f->black);
                    double level = 255 * fmin(fmax(share, 0), 1) + 0.5;
                    out[k] = isnan(value) ? MISSING[k] : (unsigned char)level;
                }
            }
    }
    return image;
}

void pictures_save(const shared_settings *shared, const picture_format *f, const double *rows,
                   size_t n, size_t across, const panel *words, const char *path)
{
    double scale = picture_scale(shared);
    size_t down = across ? (n + across - 1) / across : 0, longest = down > across ? down : across;
    /* Strips are long and their headings want room: tiles of 90 points where that fits. */
    double side = words->heading_count ? fmin(800, 90 * (double)longest) : 480;
    nicest_image image =
        picture_grid(f, rows, n, across, (unsigned)fmin(fmax(side * scale, 100), 10000));
    panel p = *words;
    p.image = &image;
    chart c = {.panels = &p, .count = 1, .width = image.width / scale + 2 * CHART_MARGIN};
    chart_save(&c, shared, path);
    nicest_image_free(&image);
}

/* what: how the rows were made, "noise 0.1, "; "" where they are as they were. */
static void save_rows(const shared_settings *shared, const nicest_data *data, const char *path,
                      const char *what)
{
    size_t n = nicest_data_rows(data), count = n * nicest_data_columns(data);
    picture_format f = {.white = -INFINITY, .black = INFINITY};
    if (!is_picture(path) || (n == 1 && has_extension(path, ".png"))) {
        save_data(data, path);
        return;
    }
    nicest_data_image(data, &f.height, &f.width, &f.channels);
    if (!f.height || !n)
        refuse(STATUS_FAILED, "%s: the %zu columns are no picture: say --image HxW[xC]", path,
               nicest_data_columns(data));
    OWNED_BLOCK double *rows = read_rows(data);
    for (size_t i = 0; i < count; i++) {
        f.black = fmin(f.black, rows[i]);
        f.white = fmax(f.white, rows[i]);
    }
    /* Bytes are shown as they are, unless they are 0 and 1. */
    if (!strcmp(nicest_data_type(data), "uint8") && f.white > 1) {
        f.black = 0;
        f.white = 255;
    }
    f.white = f.white > f.black ? f.white : f.black + 1;
    short_text title = short_format("%s%s row%s", what, count_text(n).text, n == 1 ? "" : "s");
    bool titled = n > 1 || *what;
    pictures_save(shared, &f, rows, n, 0, &(panel){.title = titled ? title.text : NULL}, path);
}

void save_output(const shared_settings *shared, const nicest_data *data, const char *path,
                 json_t *outputs, const char *what)
{
    char labels[4096];
    need(nicest_data_labels_file(data, path, labels, sizeof labels));
    save_rows(shared, data, path, what);
    if (shared->output && *what)
        say(shared, "%s: %s%zu rows", path, what, nicest_data_rows(data));
    else if (shared->output)
        say(shared, "%s: %zu rows, %zu columns", path, nicest_data_rows(data),
            nicest_data_columns(data));
    json_array_append_new(outputs, json_words(path));
    if (*labels)
        json_array_append_new(outputs, json_words(labels));
    say_labels(shared, data, path, labels);
}

void print_outputs(const shared_settings *shared, const nicest_data *data, json_t *outputs)
{
    print_json(shared,
               json_pack("{s:I, s:I, s:o}", "rows", (json_int_t)nicest_data_rows(data), "columns",
                         (json_int_t)nicest_data_columns(data), "outputs", outputs));
}
