/* watch.c - see watch.h. Looking takes a tenth of the time at most, and never changes what is
 * learnt. */
#include "watch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIDE = 160, PIXELS = 8, POINTS = 4096 };

struct watch {
    const shared_settings *shared;
    const char *path; /* or WATCH_TERMINAL */
    size_t d;
    unsigned height, width, channels;
    double box[4];
    double epoch[POINTS], train[POINTS], valid[POINTS];
    size_t n;
    double started, next, spent; /* on the clock; seconds of looking */
    size_t lines;                /* that stand on the terminal, above the cursor */
    nicest_model *model;         /* the latest look; NULL: none */
    page tried;                  /* what the race of stacks has said */
    bool won;                    /* the curve is the winner's, from its first step */
};

void watch_check(const shared_settings *shared, const char *path)
{
    if (!path)
        return;
    if (!strcmp(path, WATCH_TERMINAL) && (shared->quiet || !isatty(STDERR_FILENO)))
        refuse(STATUS_USAGE, "train: --watch draws on a terminal, and there is none (or -q): "
                             "--watch=FILE.html makes a page");
    if (strcmp(path, WATCH_TERMINAL) && !has_extension(path, ".html"))
        refuse(STATUS_USAGE, "train: --watch=%s: expected a name that ends in .html", path);
    if (strcmp(path, WATCH_TERMINAL))
        check_writable(path);
}

watch *watch_open(const shared_settings *shared, const char *path, const nicest_data *data)
{
    if (!path)
        return NULL;
    watch *w = block_new(1, sizeof *w);
    w->shared = shared;
    w->path = path;
    w->d = nicest_data_columns(data);
    w->started = clock_seconds();
    nicest_data_image(data, &w->height, &w->width, &w->channels);
    if (w->d <= 2) {
        /* Where the middle of some rows lies, so that the picture stays while the model moves. */
        enum { BLOCKS = 20, ROWS = 500 };
        size_t rows = nicest_data_rows(data), each = rows < BLOCKS * ROWS ? rows : ROWS;
        size_t blocks = each == rows ? 1 : BLOCKS;
        OWNED_BLOCK double *some = block_new(blocks * each * w->d, sizeof *some);
        for (size_t i = 0; i < blocks; i++)
            need(nicest_data_read(data, i * (rows - each) / (blocks > 1 ? blocks - 1 : 1), each,
                                  some + i * each * w->d));
        for (size_t k = 0; k < w->d; k++)
            middle_range(some, blocks * each, w->d, k, 0.005, 0.15, w->box + 2 * k);
    }
    return w;
}

void watch_close(watch *w)
{
    if (!w)
        return;
    nicest_model_free(w->model);
    block_free(w->tried.text);
    block_free(w);
}

/* What the winner of a race has gone through before it is watched. */
static void take_curve(watch *w)
{
    const char *text = nicest_model_entry(w->model, "nicest.training");
    json_t *record = text ? json_from_text(text) : NULL, *point;
    size_t i;
    w->n = 0;
    json_array_foreach(json_object_get(record, "curve"), i, point)
    {
        const json_t *train = json_array_get(point, 2), *valid = json_array_get(point, 3);
        if (w->n == POINTS || !json_is_number(train))
            continue;
        w->epoch[w->n] = json_number_value(json_array_get(point, 1));
        w->train[w->n] = json_number_value(train);
        w->valid[w->n++] = json_is_number(valid) ? json_number_value(valid) : NAN;
    }
    json_decref(record);
}

/* A point for each new figure; when there is no more room every second one goes. */
static void add_point(watch *w, const nicest_progress *now)
{
    if (!isfinite(now->train_logp) ||
        (w->n && now->train_logp == w->train[w->n - 1] &&
         (now->valid_logp == w->valid[w->n - 1] || isnan(now->valid_logp))))
        return;
    if (w->n == POINTS) {
        for (size_t i = 0; i < POINTS / 2; i++) {
            w->epoch[i] = w->epoch[2 * i + 1];
            w->train[i] = w->train[2 * i + 1];
            w->valid[i] = w->valid[2 * i + 1];
        }
        w->n = POINTS / 2;
    }
    w->epoch[w->n] = (double)now->epoch;
    w->train[w->n] = now->train_logp;
    w->valid[w->n++] = now->valid_logp;
}

/* log p [height, width] of the model so far; with one column height is 1. */
static double *density_of(const watch *w, size_t width, size_t height)
{
    double *logp = block_new(width * height, sizeof *logp);
    need(nicest_density_grid(w->model, w->box, width, height, w->shared->threads, logp));
    return logp;
}

/* ------------------------------------------------------------------ the page */

static void add_model(const watch *w, page *p, bool ended)
{
    panel c = {.title = ended ? "Density of the model" : "Density of the model so far",
               .x.label = nicest_model_column_name(w->model, 0),
               .y.label = nicest_model_column_name(w->model, 1)};
    if (w->height) {
        OWNED_BLOCK double *rows = sample_rows(w->shared, w->model, NULL, 32, 1);
        picture_format f = picture_format_of(w->model, rows, 32 * w->d);
        nicest_image image = picture_grid(&f, rows, 32, pictures_across(w->width, PIXELS), 300);
        c = (panel){.title = ended ? "Samples of the model" : "Samples of the model so far",
                    .image = &image};
        page_chart(p, &(chart){.panels = &c, .count = 1}, NULL);
        nicest_image_free(&image);
    } else if (w->d <= 2) {
        size_t height = w->d == 2 ? SIDE : 1, width = w->d == 2 ? SIDE : 4 * SIDE;
        OWNED_BLOCK double *logp = density_of(w, width, height);
        OWNED_BLOCK double *values =
            panel_density(&c, logp, width, w->d == 2 ? SIDE : 0, w->box, false);
        page_chart(p, &(chart){.panels = &c, .count = 1, .aspect = 0.55}, NULL);
    }
}

/* ------------------------------------------------------------------ the terminal */

/* A picture of which two pixels, one above the other, are a character. */
typedef struct blocks {
    size_t width, height;
    unsigned char *rgb; /* [height, width, 3], of which black is not drawn */
} blocks;

static void set_pixel(blocks *b, size_t x, size_t y, const unsigned char *rgb)
{
    if (x < b->width && y < b->height)
        memcpy(b->rgb + 3 * (y * b->width + x), rgb, 3);
}

/* A curve through y[n], from left to right over the whole width. */
static void draw_values(blocks *b, size_t left, const double *y, size_t n, double low, double high,
                        const unsigned char *rgb)
{
    for (size_t x = left; x < b->width && n; x++) {
        double at = (double)(x - left) * (double)(n - 1) / (double)(b->width - left);
        size_t i = (size_t)at, next = i + 1 < n ? i + 1 : i;
        double value = y[i] + (at - (double)i) * (y[next] - y[i]);
        double place = (1 - (value - low) / (high - low)) * (double)(b->height - 1);
        if (place >= 0 && place <= (double)(b->height - 1))
            set_pixel(b, x, (size_t)(place + 0.5), rgb);
    }
}

/* The model in the left part, `side` pixels wide. */
static void draw_model(const watch *w, blocks *b, size_t side)
{
    unsigned char rgb[3];
    if (w->height) {
        OWNED_BLOCK double *rows = sample_rows(w->shared, w->model, NULL, 1, 1);
        picture_format f = picture_format_of(w->model, rows, w->d);
        for (size_t y = 0; y < b->height; y++)
            for (size_t x = 0; x < side; x++) {
                size_t from = (y * w->height / b->height * w->width + x * w->width / side);
                double share = (rows[from * w->channels] - f.black) / (f.white - f.black);
                memset(rgb, (int)(1 + 254 * fmax(0, fmin(1, share))), 3);
                set_pixel(b, x, y, rgb);
            }
        return;
    }
    size_t height = w->d == 2 ? b->height : 1;
    OWNED_BLOCK double *logp = density_of(w, side, height);
    double peak = -INFINITY;
    for (size_t i = 0; i < side * height; i++)
        peak = isfinite(logp[i]) ? fmax(peak, logp[i]) : peak;
    for (size_t y = 0; y < b->height; y++)
        for (size_t x = 0; x < side; x++) {
            double share = exp(logp[w->d == 2 ? y * side + x : x] - peak);
            viridis(w->d == 2 || share * (double)b->height >= (double)(b->height - y) ? share : 0,
                    rgb);
            set_pixel(b, x, y, rgb);
        }
}

/* plane 38: of letters, 48: behind them. In 216 colours where the terminal promises no more. */
static void add_colour(page *p, int plane, const unsigned char *rgb)
{
    const char *promise = getenv("COLORTERM");
    if (promise && (strstr(promise, "truecolor") || strstr(promise, "24bit")))
        page_add(p, "\033[%d;2;%u;%u;%um", plane, rgb[0], rgb[1], rgb[2]);
    else
        page_add(p, "\033[%d;5;%um", plane,
                 16 + (rgb[0] * 5u + 127) / 255 * 36 + (rgb[1] * 5u + 127) / 255 * 6 +
                     (rgb[2] * 5u + 127) / 255);
}

/* Over what stood there before: the model at the left, the curves at the right. */
static void draw_terminal(watch *w)
{
    static const unsigned char blue[] = {86, 180, 233}, orange[] = {230, 159, 0};
    size_t wide = (size_t)terminal_width(), rows = 16, side = w->model ? 2 * rows : 0;
    blocks b = {.width = wide < 100 ? wide - 1 : 99, .height = 2 * rows};
    if (b.width < side + 20)
        side = 0;
    b.rgb = block_new(b.width * b.height, 3);
    if (side)
        draw_model(w, &b, side);
    double low = INFINITY, high = -INFINITY;
    size_t left = side ? side + 3 : 0,
           first = w->n / 10; /* the first steps would flatten the rest */
    for (size_t i = first; i < w->n; i++) {
        low = fmin(low, fmin(w->train[i], isnan(w->valid[i]) ? INFINITY : w->valid[i]));
        high = fmax(high, fmax(w->train[i], isnan(w->valid[i]) ? -INFINITY : w->valid[i]));
    }
    if (high > low) {
        draw_values(&b, left, w->train + first, w->n - first, low, high, blue);
        draw_values(&b, left, w->valid + first, w->n - first, low, high, orange);
    }
    page p = {0};
    page_add(&p, "\r\033[K");
    if (w->lines)
        page_add(&p, "\033[%zuA", w->lines);
    for (size_t y = 0; y + 1 < b.height; y += 2) {
        page_add(&p, "\033[K");
        for (size_t x = 0; x < b.width; x++) {
            const unsigned char *upper = b.rgb + 3 * (y * b.width + x);
            const unsigned char *lower = upper + 3 * b.width;
            bool above = upper[0] | upper[1] | upper[2], below = lower[0] | lower[1] | lower[2];
            if (above || below)
                add_colour(&p, 38, above ? upper : lower);
            if (above && below)
                add_colour(&p, 48, lower);
            page_add(&p, "%s", above ? "\xe2\x96\x80\033[0m" : below ? "\xe2\x96\x84\033[0m" : " ");
        }
        page_add(&p, "\n");
    }
    enum { LEGEND = 64 }; /* a line that the terminal breaks would leave the frame where it was */
    bool ranged = high > low && b.width >= LEGEND;
    page_add(&p, "\033[K%*smean log p", left + LEGEND <= b.width ? (int)left : 0, "");
    if (ranged)
        page_add(&p, " from %.4g to %.4g nats", low, high);
    page_add(&p, ": ");
    add_colour(&p, 38, blue);
    page_add(&p, "training\033[0m, ");
    add_colour(&p, 38, orange);
    page_add(&p, "validation\033[0m\n");
    w->lines = rows + 1;
    fwrite(p.text, 1, p.used, stderr);
    block_free(p.text);
    block_free(b.rgb);
}

/* ------------------------------------------------------------------ when to look */

void watch_show(watch *w, nicest_trainer *trainer, const nicest_progress *now, bool said,
                bool ended)
{
    bool terminal = !strcmp(w->path, WATCH_TERMINAL);
    double time = clock_seconds();
    if (now->event && !trainer) {
        w->n = 0; /* another stack begins */
        page_words(&w->tried, "<li>%s</li>\n", now->event);
    } else
        add_point(w, now);
    if (said)
        w->lines = 0;      /* draw below it */
    if (terminal && !w->n) /* nothing to draw yet */
        return;
    if (!ended && (time < w->next || w->spent > 0.1 * (time - w->started)))
        return;
    bool first = trainer && w->tried.used && !w->won;
    if (trainer && (w->height || w->d <= 2 || first)) {
        nicest_model_free(w->model);
        w->model = NULL;
        need(nicest_trainer_look(trainer, &w->model));
    }
    if (first) {
        take_curve(w);
        add_point(w, now);
        w->won = true;
    }
    if (terminal)
        draw_terminal(w);
    else {
        static const char again[] = "<meta http-equiv=\"refresh\" content=\"2\">\n";
        page p = page_open("training", ended ? "" : again);
        page_add(&p, "<h1>%s</h1>\n<p>",
                 ended           ? "Trained"
                 : trainer       ? "Training"
                 : w->tried.used ? "Trying stacks of layers"
                                 : "Fitting simple models");
        if (now->step)
            page_add(&p, "Epoch %zu, step %zu, after %s", now->epoch, now->step,
                     duration_text(now->seconds).text);
        if (now->step && !ended && now->done > 0)
            page_add(&p, "; %.0f %% of the run is done", 100 * now->done);
        page_add(&p, "%s", now->step ? "." : "");
        if (isfinite(now->best_logp))
            page_add(&p, " The best validation so far: <b>%.5g nats</b>.", now->best_logp);
        page_add(&p, "%s</p>\n", ended ? "" : " This page loads itself again.");
        panel c = {
            .title = "Mean log-likelihood", .x.label = "epoch", .y.label = "mean log p, nats"};
        panel_line(&c, "training rows", 0, w->epoch, w->train, w->n);
        if (w->n && isfinite(w->valid[w->n - 1]))
            panel_line(&c, "validation rows", 1, w->epoch, w->valid, w->n);
        if (w->n)
            page_chart(&p, &(chart){.panels = &c, .count = 1, .aspect = 0.4}, NULL);
        if (w->model && (w->height || w->d <= 2))
            add_model(w, &p, ended);
        if (!w->height && w->d > 2)
            page_add(&p, "<p>Of more than two columns only the curves are drawn.</p>\n");
        if (w->tried.used)
            page_add(&p, "<h2>What was tried</h2>\n<ul>\n%s</ul>\n", w->tried.text);
        page_add(&p, "</body>\n</html>\n");
        need(nicest_file_write(w->path, p.text, p.used)); /* whole, or as it was */
        block_free(p.text);
    }
    w->spent += clock_seconds() - time;
    w->next = clock_seconds() + (terminal ? 0.3 : 1);
}
