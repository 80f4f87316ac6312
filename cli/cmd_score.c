/* cmd_score.c - `nicest score`: the log-likelihood of each row, in chunks, so that a pipe of any
 * length needs little memory. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common.h"

typedef struct score_settings {
    shared_settings shared;
    const char *model, *data, *score;
    bool skip_bad;
    const char *keep;
} score_settings;

#define AT(field) offsetof(score_settings, field)

/* clang-format off */
static const option SCORE_OPTIONS[] = {
    {OPTION(ARGUMENT, "MODEL", NULL, model), .required = true, .help = "a model file"},
    {OPTION(ARGUMENT, "DATA", NULL, data), .required = true,
     .help = "rows to score; - reads CSV from standard input as it comes"},
    {.group = "Scoring", OPTION(TEXT, "score", "NAME", score), .values = nicest_score_names,
     .unset = "as outliers: views for tables, combined for pictures",
     .help = "the score that p is computed from; logp is the quickest"},
    {OPTION(FLAG, "skip-bad", NULL, skip_bad),
     .help = "if DATA is -: leave out lines that are not rows, and say how many"},
    {.group = "Columns", OPTION(TEXT, "keep", "COLUMNS", keep),
     .help = "put these columns of DATA (or all) in front of the results, as they are"},
    {0},
};
/* clang-format on */

/* Log-likelihoods are kept for their standard error, which counts distinct rows, of so many. */
enum { PIPE_CHUNK = 1024, MOST_KEPT = 1 << 20 };

/* What is the same for all chunks. Noise follows from the seed and the row, so a file and a pipe
 * give the same figures. */
typedef struct scoring {
    const score_settings *s;
    const nicest_model *model;
    nicest_workspace *workspace;
    size_t chunk, row, skipped, impossible, unpromised;
    const char *never; /* the first column with a value that never occurs */
    double *rows, *logp, *p, *lines, *scores, *kept;
    unsigned char *known; /* whether calibration knows the row's holes */
    const char *score;    /* that p is of */
    size_t most_kept;
    double error; /* of the mean, of rows that were kept */
    bool calibrated;
    table out;
    summary sum;
    double seconds;
    progress bar;
} scoring;

static void score_chunk(scoring *w, size_t count, double started)
{
    size_t columns = w->calibrated ? 2 : 1;
    need(nicest_score(w->workspace, w->rows, count, w->s->shared.seed, w->logp));
    if (w->calibrated) {
        OWNED_DATA nicest_data *data = model_data(w->model, w->rows, count);
        const double *scores = strcmp(w->score, "logp") ? w->scores : w->logp;
        if (scores == w->scores)
            need(nicest_outlier_scores(w->model, data, w->score, 1, w->s->shared.seed,
                                       w->s->shared.threads, NULL, NULL, w->scores));
        need(nicest_conformal_rows(w->model, w->score, data, scores, w->p, NULL, w->known));
        for (size_t i = 0; i < count; i++)
            w->unpromised += !w->known[i] && !isnan(scores[i]);
    }
    w->seconds += clock_seconds() - started;
    for (size_t i = 0; i < count; i++) {
        w->lines[i * columns] = w->logp[i];
        if (w->calibrated)
            w->lines[i * columns + 1] = w->p[i];
    }
    for (size_t i = 0, d = nicest_model_columns(w->model); i < count; i++) {
        size_t column = isinf(w->logp[i]) ? nicest_model_impossible(w->model, w->rows + i * d) : d;
        if (column < d && w->impossible++ == 0)
            w->never = nicest_model_column_name(w->model, column);
    }
    summary_add(&w->sum, w->logp, count);
    if (w->row + count <= w->most_kept)
        memcpy(w->kept + w->row, w->logp, count * sizeof *w->kept);
    table_add(&w->out, w->lines, count);
    w->row += count;
    stop_if_interrupted();
}

/* After the data was opened: an error should find no half table before it. */
static void begin_output(scoring *w)
{
    static const char *const names[] = {"logp", "p"};
    w->out = table_open((table){w->s->shared.output, names, w->calibrated ? 2 : 1,
                                .kept = open_kept(&w->s->shared, w->s->keep, w->s->data)});
}

/* A few rows are one tile's work: one thread, and products of no more rows than there are. */
static void open_workspace(scoring *w, size_t rows)
{
    enum { FEW = 64 };
    bool few = rows <= FEW;
    need(nicest_workspace_new(&w->workspace, w->model, few ? rows : 0,
                              few ? 1 : w->s->shared.threads));
}

static void score_file(scoring *w)
{
    OWNED_DATA nicest_data *data = open_rows(&w->s->shared, w->model, w->s->data, THE_DATA);
    size_t n = nicest_data_rows(data);
    const double *weights = nicest_data_weights(data);
    w->most_kept = weights || n < MOST_KEPT ? n : MOST_KEPT;
    w->kept = block_new(w->most_kept, sizeof *w->kept);
    open_workspace(w, n);
    begin_output(w);
    while (w->row < n) {
        double started = clock_seconds();
        size_t count = n - w->row < w->chunk ? n - w->row : w->chunk;
        need(nicest_data_read(data, w->row, count, w->rows));
        score_chunk(w, count, started);
        progress_show(&w->bar, (double)w->row / (double)n, NAN, (double)w->row / w->seconds, NULL);
    }
    if (weights)
        w->sum.mean = weighted_mean(w->kept, weights, n);
    if (n <= w->most_kept)
        w->error = standard_error(w->kept, weights, n);
}

static void score_pipe(scoring *w)
{
    const shared_settings *shared = &w->s->shared;
    nicest_data_options options = data_options(shared);
    options.height = options.width = 0; /* of a pipe each row is one, whatever it shows */
    nicest_reader *reader;
    need(nicest_reader_open(&reader, w->s->data, &options));
    need_reader_match(shared, w->model, reader, w->s->data);
    nicest_reader_skip_bad(reader, w->s->skip_bad);
    w->most_kept = MOST_KEPT;
    w->kept = block_new(MOST_KEPT, sizeof *w->kept);
    open_workspace(w, SIZE_MAX);
    begin_output(w);
    for (;;) {
        size_t got, skipped;
        double started = clock_seconds();
        need(nicest_reader_next(reader, w->chunk, w->rows, &got, &skipped));
        w->skipped += skipped;
        if (!got)
            break;
        score_chunk(w, got, started);
        if (fflush(stdout)) /* somebody may be watching */
            refuse_stdout();
        progress_show(&w->bar, 0, INFINITY, (double)w->row / w->seconds, NULL);
    }
    nicest_reader_close(reader);
    if (w->row <= w->most_kept)
        w->error = standard_error(w->kept, NULL, w->row);
}

static double error_of_mean(const scoring *w)
{
    return w->row <= w->most_kept ? w->error : summary_sem(&w->sum);
}

static void say_summary(const scoring *w, double bits)
{
    const shared_settings *shared = &w->s->shared;
    if (w->skipped)
        say(shared, "%zu bad lines were left out", w->skipped);
    if (w->impossible)
        say(shared,
            "%zu row%s impossible: column %s has a value that never occurs (log p -infinity)",
            w->impossible, w->impossible > 1 ? "s are" : " is", w->never);
    if (w->sum.missing)
        say(shared, "%zu row%s missing values and no log-likelihood (nan)", w->sum.missing,
            w->sum.missing == 1 ? " has" : "s have");
    if (!w->sum.rows)
        return;
    char sem[48] = "", density[48] = "";
    if (w->sum.rows > 1 && isfinite(w->sum.mean))
        snprintf(sem, sizeof sem, " +- %.3g", error_of_mean(w));
    if (isfinite(bits))
        snprintf(density, sizeof density, ", %.4f bits/dim", bits);
    say(shared, "%s: mean log-likelihood %.6g nats%s%s", rows_text(w->sum.rows, w->row).text,
        w->sum.mean, sem, density);
    if (w->calibrated)
        say(shared, "p is of the score %s", w->score);
    say_unpromised(shared, w->unpromised);
}

static int score_run(void *settings)
{
    const score_settings *s = settings;
    bool pipe = !strcmp(s->data, "-");
    if (s->skip_bad && !pipe)
        refuse(STATUS_USAGE, "score: --skip-bad is for rows from standard input (-)");
    check_score("score", s->score);
    if (pipe && s->shared.weights)
        refuse(STATUS_USAGE, "score: --weights is for rows of a file, not for standard input (-)");
    check_output_path(s->shared.output, false);
    OWNED_MODEL nicest_model *model = open_model(s->model);
    scoring w = {.s = s, .model = model, .sum = summary_new()};
    w.score = s->score ? s->score : nicest_default_score(model);
    w.calibrated = nicest_calibrated(model);
    w.chunk = pipe ? PIPE_CHUNK : chunk_rows(nicest_model_columns(model));
    w.rows = block_new(w.chunk * nicest_model_columns(model), sizeof *w.rows);
    w.logp = block_new(w.chunk * 5, sizeof *w.logp);
    w.p = w.logp + w.chunk;
    w.scores = w.p + w.chunk;
    w.lines = w.scores + w.chunk;
    w.known = block_new(w.chunk, 1);
    w.bar = progress_start(&s->shared, "scoring", "rows/s");
    if (pipe)
        score_pipe(&w);
    else
        score_file(&w);
    progress_end(&w.bar);
    table_close(&w.out);
    double mean = w.sum.rows ? w.sum.mean : NAN, bits = nicest_model_bits_per_dim(w.model, mean);
    say_summary(&w, bits);
    print_json(&w.s->shared,
               json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:f, s:o, s:I, s:I, s:b, s:s?, s:I}",
                         "rows", (json_int_t)w.row, "mean", json_figure(mean), "sem",
                         json_figure(error_of_mean(&w)), "min", json_figure(w.sum.min), "max",
                         json_figure(w.sum.max), "bits_per_dim", json_figure(bits), "seconds",
                         w.seconds, "rows_per_second", json_figure((double)w.row / w.seconds),
                         "missing", (json_int_t)w.sum.missing, "skipped", (json_int_t)w.skipped,
                         "calibrated", w.calibrated, "score", w.calibrated ? w.score : NULL,
                         "unpromised", (json_int_t)w.unpromised));
    nicest_workspace_free(w.workspace);
    block_free(w.rows);
    block_free(w.logp);
    block_free(w.kept);
    block_free(w.known);
    return STATUS_DONE;
}

const command SCORE_COMMAND = {
    .name = "score",
    .summary = "log-likelihood of each row",
    .synopsis = "MODEL DATA [-o FILE]",
    .description =
        "Writes logp, the log-likelihood of each row in nats. If the model is calibrated, p follows, the "
        "conformal p-value: the share of ordinary rows that are at least as odd, by the score that "
        "--score names. A row with missing values gets the log-likelihood of what is seen, if the "
        "model has learnt from such rows; otherwise nan.\n\n"
        "Without -o the results go to standard output as CSV. With --json one more line holds the "
        "summary.",
    .examples = "  nicest score wine.safetensors wine.csv -o logp.csv\n"
                "  zcat rows.csv.gz | nicest score model.safetensors - | head\n",
    .tables = {SCORE_OPTIONS, DATA_OPTIONS, OUTPUT_OPTIONS, COMMON_OPTIONS},
    .size = sizeof(score_settings),
    .run = score_run,
};
