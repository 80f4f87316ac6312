/* cmd_inpaint.c - `nicest inpaint`, and `nicest impute` for what is missing: fills hidden pixels or
 * missing values; shows original, masked and filled side by side. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common.h"
#include "picture.h"

typedef struct inpaint_settings {
    shared_settings shared;
    const char *verb, *model, *data, *mask, *picture, *spread;
    size_t show;
    nicest_inpaint_options options;
} inpaint_settings;

#define AT(field) offsetof(inpaint_settings, field)

/* clang-format off */
static const option INPAINT_OPTIONS[] = {
    {OPTION(ARGUMENT, "MODEL", NULL, model), .required = true, .help = "a model file"},
    {OPTION(ARGUMENT, "DATA", NULL, data), .required = true, .help = "rows to fill"},
    {.group = "What is hidden", OPTION(TEXT, "mask", "MASK", mask), .values = nicest_mask_names,
     .help = "top, bottom, left, right, even, odd, middle-rows, middle-columns, random:SHARE, FILE.png, or "
             "nan: what is missing"},
    {.group = "Filling", OPTION(CHOICE, "recipe", "NAME", options.recipe), .choices = "default|paper|released",
     .help = "default: ours; paper: the formula of the NICE paper; released: its authors' script"},
    {OPTION(CHOICE, "method", "NAME", options.method), .choices = "map|mean|langevin",
     .unset = "mean; map for pictures without a marginal",
     .help = "map: the likeliest values; mean: the mean of the possible values; langevin: random draws of them"},
    {OPTION(COUNT, "steps", "N", options.steps), .low = 1, .high = 1e9, .unset = "by recipe",
     .help = "steps of the ascent, or of each chain"},
    {OPTION(COUNT, "samples", "N", options.samples), .low = 1, .high = 100000,
     .help = "fills of each row, with --method langevin"},
    {.group = "Pictures", OPTION(TEXT, "picture", "FILE", picture), .written = true,
     .help = "original, masked and filled side by side, as .png, .svg or .pdf; so does -o FILE.png"},
    {OPTION(COUNT, "show", "N", show), .low = 1, .high = 1000, .help = "rows in the picture"},
    {OPTION(COUNT, "frames", "N", options.frame_every), .low = 1, .high = 1e9, .unset = "none",
     .help = "also show the fill after every N steps"},
    {OPTION(TEXT, "spread", "FILE", spread), .written = true,
     .help = "write the standard deviation of each value over the samples"},
    {0},
};
/* clang-format on */

static void inpaint_defaults(void *settings)
{
    inpaint_settings *s = settings;
    nicest_inpaint_defaults(&s->options);
    s->verb = "inpaint";
    s->show = 10;
}

static void impute_defaults(void *settings)
{
    inpaint_settings *s = settings;
    inpaint_defaults(s);
    s->verb = "impute";
    s->mask = "nan";
}

/* ------------------------------------------------------------------ the work */

enum { FRAMES = 12 };

/* The fills on the way, for the first rows; when full, every second one is dropped. */
typedef struct film {
    size_t rows, d, count, skip, seen;
    size_t step[FRAMES];
    double *frame[FRAMES];
} film;

typedef struct filling {
    const inpaint_settings *s;
    const nicest_model *model;
    nicest_data *data;
    size_t n, d;
    double *stored, *filled, *spread;
    unsigned char *hidden;
    nicest_inpaint_result result;
    film film;
    progress bar;
} filling;

static void keep_frame(void *context, size_t step, const double *rows)
{
    film *f = &((filling *)context)->film;
    if (f->seen++ % f->skip)
        return;
    if (f->count == FRAMES) {
        for (size_t i = 0; i < FRAMES / 2; i++) {
            double *kept = f->frame[2 * i];
            f->frame[2 * i] = f->frame[i];
            f->frame[i] = kept;
            f->step[i] = f->step[2 * i];
        }
        f->count = FRAMES / 2;
        f->skip *= 2;
        if ((f->seen - 1) % f->skip)
            return;
    }
    f->step[f->count] = step;
    memcpy(f->frame[f->count++], rows, f->rows * f->d * sizeof *rows);
}

static int on_tick(void *context, double done, double total)
{
    return progress_tick(&((filling *)context)->bar, done, total);
}

static void fill_rows(filling *w)
{
    nicest_inpaint_options options = w->s->options;
    unsigned height, width, channels;
    nicest_model_image(w->model, &height, &width, &channels);
    need(nicest_mask(w->s->mask, w->stored, w->n, w->d, height, width, channels, w->s->shared.seed,
                     w->hidden));
    options.seed = w->s->shared.seed;
    options.threads = w->s->shared.threads;
    options.tick = on_tick;
    options.frame = options.frame_every ? keep_frame : NULL;
    options.context = w;
    w->bar = progress_start(&w->s->shared, "filling", NULL);
    polite_begin();
    need(nicest_inpaint(w->model, w->stored, w->n, w->hidden, &options, w->filled, w->spread,
                        &w->result));
    progress_end(&w->bar);
    polite_end();
    size_t infinite = w->result.infinite;
    if (infinite)
        say(&w->s->shared, "%zu infinite value%s: kept, and the rest filled as if %s missing",
            infinite, infinite == 1 ? "" : "s", infinite == 1 ? "it were" : "they were");
    stop_if_interrupted();
}

/* ------------------------------------------------------------------ outputs */

/* All fills of sample 0, then all of sample 1, ...: with the labels and the type of the source. */
static void save_filled(const filling *w, const char *path)
{
    size_t samples = w->s->options.samples;
    OWNED_BLOCK size_t *index = block_new(w->n * samples, sizeof *index);
    OWNED_DATA nicest_data *repeated = NULL, *made = NULL;
    for (size_t i = 0; i < w->n * samples; i++)
        index[i] = i % w->n;
    need(nicest_data_select(&repeated, w->data, index, w->n * samples));
    need(nicest_data_replace(&made, repeated, w->filled));
    save_data(made, path);
}

static void save_spread(const filling *w)
{
    if (!w->s->spread)
        return;
    if (is_picture(w->s->spread)) {
        /* As a picture from black, which is none, to white, the largest there is. */
        picture_format format = picture_format_of(w->model, w->spread, w->n * w->d);
        format.black = format.white = 0;
        for (size_t i = 0; i < w->n * w->d; i++)
            format.white = fmax(format.white, w->spread[i]);
        short_text title = short_format("Standard deviation; white is %.4g", format.white);
        say(&w->s->shared, "%s: white is a standard deviation of %.4g", w->s->spread, format.white);
        format.white = format.white > 0 ? format.white : 1;
        pictures_save(&w->s->shared, &format, w->spread, w->n, 0, &(panel){.title = title.text},
                      w->s->spread);
        return;
    }
    OWNED_DATA nicest_data *data = model_data(w->model, w->spread, w->n);
    save_data(data, w->s->spread);
}

/* Tile number `column` of row i of the picture. */
static void put_tile(double *tiles, size_t across, size_t i, size_t column, const double *row,
                     const unsigned char *hidden, size_t d)
{
    double *tile = tiles + (i * across + column) * d;
    for (size_t j = 0; j < d; j++)
        tile[j] = hidden && hidden[j] ? NAN : row[j];
}

/* original | masked | frames | filled, or several fills */
static void draw_fills(const filling *w, const char *path)
{
    size_t rows = w->film.rows, d = w->d, frames = w->film.count;
    size_t fills = w->s->options.samples < 8 ? w->s->options.samples : 8;
    size_t across = 2 + frames + fills;
    short_text words[FRAMES + 8];
    const char *headings[2 + FRAMES + 8] = {"original", "seen"};
    for (size_t k = 0; k < frames + fills; k++) {
        words[k] = k < frames   ? short_format("step %zu", w->film.step[k])
                   : fills == 1 ? short_format("filled")
                                : short_format("fill %zu", k - frames + 1);
        headings[2 + k] = words[k].text;
    }
    OWNED_BLOCK double *tiles = block_new(rows * across * d, sizeof *tiles);
    for (size_t i = 0; i < rows; i++) {
        put_tile(tiles, across, i, 0, w->stored + i * d, NULL, d);
        put_tile(tiles, across, i, 1, w->stored + i * d, w->hidden + i * d, d);
        for (size_t f = 0; f < frames; f++)
            put_tile(tiles, across, i, 2 + f, w->film.frame[f] + i * d, NULL, d);
        for (size_t k = 0; k < fills; k++)
            put_tile(tiles, across, i, 2 + frames + k, w->filled + (k * w->n + i) * d, NULL, d);
    }
    picture_format format = picture_format_of(w->model, w->stored, w->n * d);
    pictures_save(&w->s->shared, &format, tiles, rows * across, across,
                  &(panel){.headings = headings, .heading_count = across}, path);
}

static void say_filling(const filling *w)
{
    const shared_settings *shared = &w->s->shared;
    const nicest_inpaint_result *r = &w->result;
    say(shared, "%zu row%s, %zu value%s filled in %zu steps, %s", r->rows, r->rows == 1 ? "" : "s",
        r->hidden, r->hidden == 1 ? "" : "s", r->steps, duration_text(r->seconds).text);
    if (isfinite(r->logp_before))
        say(shared, "  log-likelihood before %.6g, after %.6g", r->logp_before, r->logp_after);
    if (isfinite(r->psnr))
        say(shared, "  PSNR of hidden pixels %.2f dB (mean fill %.2f dB)", r->psnr,
            r->psnr_mean_fill);
    else if (isfinite(r->rmse))
        say(shared, "  RMSE of hidden values %.4f column deviations (mean fill %.4f)", r->rmse,
            r->rmse_mean_fill);
}

/* ------------------------------------------------------------------ the command */

static const char *picture_path(const inpaint_settings *s)
{
    return is_picture(s->shared.output) ? s->shared.output : s->picture;
}

static void check_inpaint(const inpaint_settings *s)
{
    if (!s->mask)
        refuse(STATUS_USAGE, "inpaint: --mask MASK is missing: nicest inpaint %s",
               INPAINT_COMMAND.synopsis);
    if (s->options.samples > 1 && !strcmp(s->options.recipe, "default") &&
        !(s->options.method && !strcmp(s->options.method, "langevin")))
        refuse(STATUS_USAGE, "%s: --samples %zu needs --method langevin", s->verb,
               s->options.samples);
    if (s->spread && s->options.samples < 2)
        refuse(STATUS_USAGE, "%s: --spread needs --samples of at least 2", s->verb);
    if (s->options.frame_every && !picture_path(s))
        refuse(STATUS_USAGE, "%s: --frames needs --picture FILE.png, .svg or .pdf", s->verb);
    if (s->picture && is_picture(s->shared.output))
        refuse(STATUS_USAGE, "%s: -o %s and --picture %s ask for the same picture twice", s->verb,
               s->shared.output, s->picture);
    check_data_path(s->shared.output);
    check_data_path(s->spread);
    if (s->spread && idx_axes(s->spread))
        refuse(STATUS_USAGE,
               "%s: --spread %s: IDX holds bytes, and deviations are not; name a .csv or .npy file",
               s->verb, s->spread);
    check_picture(short_format("%s: --picture", s->verb).text, s->picture);
    check_picture_options(&s->shared,
                          (const char *const[]){s->shared.output, s->picture, s->spread}, 3);
}

/* IDX holds whole numbers, in as many axes as its name says. */
static void check_idx(const inpaint_settings *s, const nicest_model *model)
{
    unsigned height, width, channels, wanted = s->shared.output ? idx_axes(s->shared.output) : 0;
    double levels, step, unit;
    size_t d = nicest_model_columns(model);
    nicest_model_image(model, &height, &width, &channels);
    if ((wanted == 1 && d != 1) || (wanted > 2 && !height) || (wanted == 3 && channels != 1))
        refuse(STATUS_USAGE, "%s: %s: the rows of %s do not fit %u %s", s->verb, s->shared.output,
               s->model, wanted, wanted == 1 ? "axis" : "axes");
    for (size_t j = 0; j < d && wanted; j++)
        if (!nicest_model_quantised(model, j, &levels, &step, &unit) || step != floor(step))
            refuse(STATUS_USAGE, "%s: %s holds bytes, and column %s of %s has other numbers",
                   s->verb, s->shared.output, nicest_model_column_name(model, j), s->model);
}

static int inpaint_run(void *settings)
{
    const inpaint_settings *s = settings;
    const char *output = s->shared.output ? s->shared.output : "-";
    char labels[4096];
    check_inpaint(s);
    OWNED_MODEL nicest_model *model = open_model(s->model);
    unsigned height, width, channels;
    nicest_model_image(model, &height, &width, &channels);
    if (picture_path(s) && !height)
        refuse(STATUS_USAGE, "%s: %s is not a model of pictures; -o wants .csv, .npy or so",
               s->verb, s->model);
    if (is_picture(s->spread) && !height)
        refuse(STATUS_USAGE, "%s: %s is not a model of pictures; --spread wants .csv, .npy or so",
               s->verb, s->model);
    check_idx(s, model);
    filling w = {.s = s, .model = model, .data = open_rows(&s->shared, model, s->data, THE_DATA)};
    need(nicest_data_labels_file(w.data, output, labels, sizeof labels));
    w.n = nicest_data_rows(w.data);
    w.d = nicest_data_columns(w.data);
    w.stored = read_rows(w.data);
    w.hidden = block_new(w.n * w.d, 1);
    w.filled = block_new(w.n * w.d * s->options.samples, sizeof *w.filled);
    w.spread = s->spread ? block_new(w.n * w.d, sizeof *w.spread) : NULL;
    w.film = (film){.rows = w.n < w.s->show ? w.n : w.s->show, .d = w.d, .skip = 1};
    for (size_t i = 0; i < FRAMES && w.s->options.frame_every; i++)
        w.film.frame[i] = block_new(w.film.rows * w.d, sizeof(double));
    fill_rows(&w);
    if (picture_path(s))
        draw_fills(&w, picture_path(s));
    if (!is_picture(output)) {
        save_filled(&w, output);
        say_labels(&s->shared, w.data, output, labels);
    }
    save_spread(&w);
    const nicest_inpaint_result *r = &w.result;
    say_filling(&w);
    print_json(&w.s->shared,
               json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:f}", "rows",
                         (json_int_t)r->rows, "hidden", (json_int_t)r->hidden, "psnr",
                         json_figure(r->psnr), "psnr_mean_fill", json_figure(r->psnr_mean_fill),
                         "rmse", json_figure(r->rmse), "rmse_mean_fill",
                         json_figure(r->rmse_mean_fill), "logp_before", json_figure(r->logp_before),
                         "logp_after", json_figure(r->logp_after), "steps", (json_int_t)r->steps,
                         "seconds", r->seconds));
    for (size_t i = 0; i < FRAMES; i++)
        block_free(w.film.frame[i]);
    block_free(w.stored);
    block_free(w.hidden);
    block_free(w.filled);
    block_free(w.spread);
    nicest_data_free(w.data);
    return STATUS_DONE;
}

const command INPAINT_COMMAND = {
    .name = "inpaint",
    .summary = "fill hidden pixels or missing values",
    .synopsis = "MODEL DATA --mask MASK [-o FILE]",
    .description =
        "Fills what the mask hides, so that the row becomes likely given what is seen. Values that are "
        "seen are copied. If DATA has values under the mask, the error of the fill is measured, beside "
        "that of the column means. With several samples FILE holds all rows of the first sample, then "
        "all rows of the second, and so on.",
    .examples = "  nicest inpaint mnist.safetensors 't10k-images-idx3-ubyte.gz[0:100]' --mask top "
                "-o filled.png\n"
                "  nicest inpaint wine.safetensors holes.csv --mask nan -o whole.csv\n",
    .tables = {INPAINT_OPTIONS, PICTURE_OPTIONS, DATA_OPTIONS, OUTPUT_OPTIONS, COMMON_OPTIONS},
    .size = sizeof(inpaint_settings),
    .defaults = inpaint_defaults,
    .run = inpaint_run,
};

const command IMPUTE_COMMAND = {
    .name = "impute",
    .summary = "fill missing values of a table",
    .synopsis = "MODEL DATA [-o FILE]",
    .description =
        "Fills each missing number with the mean of the values that the model thinks possible, given the "
        "rest of the row, and each missing word with the likeliest. All other values are copied. The "
        "same as inpaint --mask nan.",
    .examples = "  nicest impute wine.safetensors holes.csv -o whole.csv\n",
    .tables = {INPAINT_OPTIONS, PICTURE_OPTIONS, DATA_OPTIONS, OUTPUT_OPTIONS, COMMON_OPTIONS},
    .size = sizeof(inpaint_settings),
    .defaults = impute_defaults,
    .run = inpaint_run,
};
