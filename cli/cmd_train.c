/* cmd_train.c - `nicest train`: checks all that can be checked before the work, trains, and
 * measures the model on test rows.
 *
 * Test rows are scored with the dequantisation noise of `nicest score --seed` (a stream that
 * training never draws from), so that the two commands agree to the last digit. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common.h"
#include "options.h"
#include "page.h"
#include "watch.h"

typedef struct train_settings {
    shared_settings shared;
    const char *data, *valid, *test, *watch, *optimizer, *spec_file, *init;
    every_setting every;
    bool recompute;
    const char *neighbours;
    nicest_train_options options;
} train_settings;

#define AT(field) offsetof(train_settings, field)

/* clang-format off */
static const option TRAIN_OPTIONS[] = {
    {OPTION(ARGUMENT, "DATA", NULL, data), .required = true,
     .help = "what to learn from: toy:NAME, a CSV, NPY, NPZ or IDX file, a folder of PNGs, or -"},
    {.group = "Rows", OPTION(TEXT, "valid", "DATA|SHARE", valid), .unset = "a share chosen from the rows",
     .help = "rows that decide when to stop, or the share of DATA to hold out for this"},
    {OPTION(REAL, "calibration", "SHARE", options.calibration_share), .low = 0, .high = 0.9,
     .unset = "chosen from the rows", .help = "share of DATA held out to calibrate outlier decisions; 0: none"},
    {OPTION(TEXT, "test", "DATA", test),
     .unset = "toys: 100,000 fresh rows; else those held out for calibration",
     .help = "measure the model on these rows at the end"},
    {.group = "Model", OPTION(CHOICE, "preset", "NAME", options.preset), .choices = "auto|nice|nicest",
     .help = "starting values of all settings: nice is the paper's model, nicest the default, and auto means "
             "nicest"},
    {OPTION(CHOICE, "coupling", "KIND", options.coupling), .choices = "additive|affine|spline|autoregressive|convolution",
     .unset = "the winner of the race; convolution for pictures of 256 values or more",
     .help = "how a coupling moves a column, given others; this and the next six options switch the race of "
             "stacks off"},
    {OPTION(INTEGER, "couplings", "N", options.couplings), .low = 1, .high = 512, .unset = "by preset",
     .help = "number of coupling layers"},
    {OPTION(TEXT, "hidden", "WIDTHS", options.hidden), .unset = "by preset",
     .help = "hidden layers of the net inside each coupling: 1000x5 or 256,128. For convolutions: "
             "channels and residual blocks, 32x2"},
    {OPTION(INTEGER, "bins", "N", options.bins), .low = 2, .high = 32, .unset = "8",
     .help = "pieces of a spline"},
    {OPTION(INTEGER, "blocks", "N", options.blocks), .low = 0, .high = 16,
     .help = "residual blocks of each net, all of one hidden width"},
    {OPTION(REAL, "dropout", "P", options.dropout), .low = 0, .high = 0.9, .unset = "by preset",
     .help = "share of hidden units left out at each step"},
    {OPTION(CHOICE, "activation", "NAME", options.activation), .choices = "relu|tanh|silu",
     .unset = "by preset", .help = "activation of the nets"},
    {OPTION(CHOICE, "linear", "KIND", options.linear), .choices = "no|lu|cholesky", .unset = "by preset",
     .help = "a layer behind the couplings that mixes all columns; it starts by removing their correlations"},
    {OPTION(TEXT, "prior", "NAME", options.prior), .unset = "by preset",
     .help = "density of the latent: logistic, normal, mixture:K, mixture:K:diagonal, "
             "mixture:K:background"},
    {OPTION(CHOICE, "preprocess", "NAME", options.preprocess),
     .choices = "standardise|centre|marginal|logit|none", .unset = "by preset",
     .help = "first, fixed layer; its log-determinant counts"},
    {OPTION(TEXT, "given", "COLUMNS", options.given),
     .help = "learn the density of the other columns given these, such as a,b"},
    {OPTION(CHOICE, "absence", "NAME", options.absence), .choices = "ignore|model",
     .unset = "of categories, as one more class",
     .help = "model: also learn which values are missing; ignore: take that as given"},
    {OPTION(TEXT, "spec", "FILE", spec_file),
     .help = "the whole stack of layers as text, instead of a preset (docs/spec.md)"},
    {OPTION(TEXT, "init", "MODEL", init),
     .help = "go on from this model: its stack, preprocessing and weights"},
    {.group = "Learning", OPTION(COUNT, "epochs", "N", options.epochs), .low = 1, .high = 1e9,
     .unset = "from the number of rows", .help = "passes over the rows"},
    {OPTION(SECONDS, "time", "T", options.seconds), .unset = "by epochs",
     .help = "train for this long instead: 90s, 10m, 1h"},
    {OPTION(COUNT, "batch", "N", options.batch), .low = 1, .high = 1e7, .unset = "by preset",
     .help = "rows in a step"},
    {OPTION(COUNT, "accumulate", "N", options.accumulate), .low = 1, .high = 1e6, .unset = "1",
     .help = "batches whose gradients make one step"},
    {OPTION(REAL, "lr", "RATE", options.learning_rate), .low = 0, .high = 1000, .above = true,
     .unset = "by preset", .help = "learning rate"},
    {OPTION(REAL, "warmup", "SHARE", options.warmup), .low = 0, .high = 1, .unset = "by preset",
     .help = "share of the run in which the learning rate rises"},
    {OPTION(REAL, "final-rate", "SHARE", options.final_rate), .low = 0, .high = 1, .unset = "by preset",
     .help = "the learning rate falls to this share of itself, by a cosine"},
    {OPTION(INTEGER, "patience", "N", options.patience), .low = -1, .high = 1e9, .unset = "chosen",
     .help = "validations without improvement before stopping; -1: never stop early"},
    {OPTION(CHOICE, "optimizer", "NAME", optimizer), .choices = "adam|rmsprop|sgd", .unset = "by preset",
     .help = "rule by which gradients move the weights"},
    {OPTION(REAL, "beta1", "X", options.beta1), .low = 0, .high = 0.999999, .unset = "by preset",
     .help = "decay of the mean gradient (momentum)"},
    {OPTION(REAL, "beta2", "X", options.beta2), .low = 0, .high = 0.999999, .unset = "by preset",
     .help = "decay of the mean squared gradient"},
    {OPTION(REAL, "epsilon", "X", options.epsilon), .low = 0, .high = 1, .above = true, .unset = "by preset",
     .help = "added to the root of the mean squared gradient"},
    {OPTION(REAL, "weight-decay", "X", options.weight_decay), .low = 0, .high = 1000, .unset = "by preset",
     .help = "decoupled weight decay; it is multiplied by the learning rate"},
    {OPTION(REAL, "clip", "NORM", options.clip), .low = 0, .high = 1e30, .unset = "none",
     .help = "largest norm of the gradient"},
    {OPTION(REAL, "average", "X", options.average), .low = 0, .high = 0.9999999, .unset = "by preset",
     .help = "decay of the running average of weights, which is what is saved; 0: no average"},
    {OPTION(INTEGER, "shift", "N", options.shift), .low = 0, .high = 1000, .unset = "by preset",
     .help = "move each training picture by up to N pixels along each axis, anew each time; 0: never"},
    {OPTION(CHOICE, "neighbours", "ANSWER", neighbours), .choices = "yes|no", .unset = "yes",
     .help = "yes: keep some training rows in the model, for the outlier score `views` and the baseline `knn`; "
             "no: keep none"},
    {OPTION(FLAG, "recompute", NULL, recompute), .help = "compute activations twice instead of keeping them: "
             "less memory, a third more time, the same model"},
    {.group = "Watching", OPTION(TEXT, "watch", "FILE.html", watch), .bare = WATCH_TERMINAL, .written = true,
     .help = "draw curves and the density (pictures: samples) while they are learnt: in the terminal, or as a "
             "page that refreshes itself"},
    {.group = "Long runs", OPTION(TEXT, "checkpoint", "FILE", options.checkpoint), .written = true,
     .help = "save the state of training here"},
    {OPTION(EVERY, "every", "N|Nsteps|TIME", every), .unset = "every epoch",
     .help = "how often to save the state: 2 (epochs), 500steps, 30s or 10m"},
    {OPTION(TEXT, "resume", "FILE", options.resume),
     .help = "continue from a checkpoint, to the same bytes as without the break"},
    {OPTION(TEXT, "log", "FILE.jsonl", options.log), .written = true,
     .help = "a JSON line for each validation"},
    {0},
};
/* clang-format on */

static void train_defaults(void *settings)
{
    train_settings *s = settings;
    nicest_train_defaults(&s->options);
}

/* ------------------------------------------------------------------ before the work */

static void complete_options(train_settings *s)
{
    s->options.seed = s->shared.seed;
    s->options.threads = s->shared.threads;
    s->options.recompute = s->recompute;
    need(nicest_train_options_set(&s->options, "neighbours", s->neighbours));
    need(nicest_train_options_set(&s->options, "precision", s->shared.precision));
    need(nicest_train_options_set(&s->options, "optimizer", s->optimizer));
    s->options.checkpoint_steps = s->every.steps;
    s->options.checkpoint_epochs = s->every.epochs;
    s->options.checkpoint_seconds = s->every.seconds;
    if (s->spec_file) {
        enum { MOST = 1 << 20 };
        FILE *file = fopen(s->spec_file, "rb");
        if (!file)
            refuse(STATUS_FAILED, "%s: cannot be read", s->spec_file);
        char *text = block_new(MOST + 1, 1);
        size_t size = fread(text, 1, MOST, file);
        bool whole = size < MOST && !ferror(file);
        fclose(file);
        if (!whole || strlen(text) != size)
            refuse(STATUS_FAILED, "%s: is not a text of less than 1 MiB", s->spec_file);
        s->options.spec = text;
    }
}

static void check_train(const train_settings *s)
{
    bool every = s->every.steps || s->every.epochs > 0 || s->every.seconds > 0;
    if (!s->shared.output)
        refuse(STATUS_USAGE, "train: -o MODEL is missing: nicest %s %s", TRAIN_COMMAND.name,
               TRAIN_COMMAND.synopsis);
    if (!strcmp(s->shared.output, "-"))
        refuse(STATUS_USAGE, "train: a model cannot go to standard output: -o FILE.safetensors");
    if (s->options.epochs && s->options.seconds > 0)
        refuse(STATUS_USAGE, "train: --epochs and --time exclude each other");
    if (every && !s->options.checkpoint)
        refuse(STATUS_USAGE, "train: --every needs --checkpoint FILE");
    if (s->init && s->spec_file)
        refuse(STATUS_USAGE, "train: --init and --spec exclude each other");
    if ((s->spec_file || s->init) &&
        (s->options.couplings || s->options.hidden || s->options.activation || s->options.prior ||
         s->options.preprocess || s->options.coupling || s->options.bins || s->options.blocks ||
         !isnan(s->options.dropout) || s->options.linear))
        refuse(STATUS_USAGE,
               "train: --%s sets the whole stack; leave --coupling, --couplings, --hidden, "
               "--bins, --blocks, --dropout, --activation, --linear, --prior and --preprocess out",
               s->init ? "init" : "spec");
    check_model_path(s->shared.output);
    if (s->options.checkpoint)
        check_writable(s->options.checkpoint);
    if (s->options.log)
        check_writable(s->options.log);
    watch_check(&s->shared, s->watch);
}

/* --valid is a share or DATA. */
static nicest_data *open_valid(train_settings *s)
{
    double share;
    if (!s->valid)
        return NULL;
    if (!options_number(s->valid, &share))
        return open_rows(&s->shared, NULL, s->valid, MORE_DATA);
    if (share < 0 || share >= 1)
        refuse(STATUS_USAGE, "train: --valid %s: a share must be at least 0 and below 1", s->valid);
    s->options.valid_share = share;
    return NULL;
}

/* What the model is measured on; *text becomes its DATA argument. */
static nicest_data *open_test(const train_settings *s, const nicest_data *data, char *text,
                              size_t size)
{
    *text = 0;
    if (s->test)
        snprintf(text, size, "%s", s->test);
    else if (!strcmp(nicest_data_kind(data), "toy")) {
        /* "toy:NAME,n=100,seed=2[0:50]" -> the same with 100,000 rows of another stream. */
        size_t length = strcspn(s->data, "["), used = 0;
        bool stream_1 = strstr(s->data, "stream=1") != NULL;
        char copy[512];
        snprintf(copy, sizeof copy, "%.*s", (int)(length < 500 ? length : 500), s->data);
        for (char *part = strtok(copy, ","); part; part = strtok(NULL, ","))
            if (strncmp(part, "n=", 2) && strncmp(part, "stream=", 7))
                used += (size_t)snprintf(text + used, size - used, "%s%s", used ? "," : "", part);
        snprintf(text + used, size - used, ",n=100000,stream=%d", stream_1 ? 2 : 1);
    }
    return *text ? open_rows(&s->shared, NULL, text, MORE_DATA) : NULL;
}

/* ------------------------------------------------------------------ the work */

/* What progress is told to; said: a line was written between the curves of --watch. */
typedef struct listener {
    progress bar;
    watch *watch; /* while stacks are tried; then NULL */
    bool said;
    page told; /* all events, a line each */
} listener;

static int on_progress(void *context, const nicest_progress *now)
{
    listener *l = context;
    progress *bar = &l->bar;
    char words[96] = "", train[24] = "", valid[40] = "";
    if (strcmp(bar->verb, now->stage) != 0) { /* the share begins anew, and so does the time left */
        bar->verb = now->stage;
        bar->started = clock_seconds();
    }
    if (now->event && !bar->shared->quiet) {
        progress_end(bar);
        fprintf(stderr, "%s\n", now->event);
        page_add(&l->told, "%s\n", now->event);
        l->said = true;
    }
    if (isfinite(now->train_logp))
        snprintf(train, sizeof train, "train %.4g", now->train_logp);
    if (isfinite(now->valid_logp))
        snprintf(valid, sizeof valid, "  valid %.4g (best %.4g)", now->valid_logp, now->best_logp);
    if (*train || *valid)
        snprintf(words, sizeof words, "epoch %zu  %s%s", now->epoch, train, valid);
    if (l->watch) {
        watch_show(l->watch, NULL, now, l->said, false);
        l->said = false;
    }
    double left = now->total_seconds > 0 ? now->total_seconds - now->seconds : NAN;
    progress_show(bar, now->done, left, now->rate, words);
    return interrupted();
}

typedef struct test_result {
    double logp, sem, true_logp, gap, gap_sem;
    size_t rows, missing;
} test_result;

static test_result measure_test(const train_settings *s, const nicest_model *model,
                                const nicest_data *test, const char *text)
{
    test_result r = {NAN, NAN, NAN, NAN, NAN, 0, 0};
    if (!test)
        return r;
    OWNED_BLOCK double *logp = score_rows(&s->shared, model, test);
    summary all = summary_of(logp, nicest_data_rows(test));
    r.logp = all.mean;
    if (nicest_data_weights(test))
        r.logp = weighted_mean(logp, nicest_data_weights(test), nicest_data_rows(test));
    r.sem = standard_error(logp, nicest_data_weights(test), nicest_data_rows(test));
    r.rows = all.rows;
    r.missing = all.missing;
    /* True minus model, row by row, where the truth is known. */
    size_t n = nicest_data_rows(test), length = strcspn(text, "[");
    if (s->shared.columns || s->shared.drop || strcmp(nicest_data_kind(test), "toy") ||
        nicest_data_columns(test) != 2 || length < 5)
        return r;
    char name[512];
    snprintf(name, sizeof name, "%.*s", (int)(length - 4 < 500 ? length - 4 : 500), text + 4);
    OWNED_BLOCK double *rows = read_rows(test), *truth = block_new(n, sizeof *truth);
    if (nicest_toy_log_density(name, rows, n, truth) != NICEST_OK)
        return r;
    r.true_logp = summary_of(truth, n).mean;
    for (size_t i = 0; i < n; i++)
        truth[i] -= logp[i];
    r.gap = summary_of(truth, n).mean;
    r.gap_sem = standard_error(truth, NULL, n);
    return r;
}

/* ------------------------------------------------------------------ words */

static void say_trained(const train_settings *s, const nicest_train_result *r, const test_result *t,
                        bool given, double bits)
{
    const shared_settings *shared = &s->shared;
    short_text calibrated = {""};
    if (r->test_rows)
        calibrated = short_format(", calibrated in %s", duration_text(r->calibration_seconds).text);
    say(shared, "%s: %zu column%s, %s parameter%s; %zu rows, %zu epoch%s, %zu steps in %s%s%s",
        s->shared.output, r->columns, r->columns > 1 ? "s" : "", count_text(r->parameters).text,
        r->parameters > 1 ? "s" : "", r->rows, r->epochs, r->epochs == 1 ? "" : "s", r->steps,
        duration_text(r->seconds).text, calibrated.text,
        r->interrupted ? " (interrupted: the best so far is saved)" : "");
    say(shared, "  training rows        %12.4f nats", r->train_logp);
    if (isfinite(r->valid_logp))
        say(shared, "  validation rows      %12.4f nats", r->valid_logp);
    if (r->test_rows > 1 && isnan(r->test_sem)) /* all alike */
        say(shared, "  held-out rows        %12.4f nats", r->test_logp);
    else if (r->test_rows > 1)
        say(shared, "  held-out rows        %12.4f nats +- %.4f", r->test_logp, r->test_sem);
    else if (r->test_rows)
        say(shared, "  held-out row         %12.4f nats", r->test_logp);
    if (isfinite(r->gaussian_logp) &&
        r->rows > r->columns) /* of fewer rows its covariance is singular */
        say(shared, "  a Gaussian on these  %12.4f nats", r->gaussian_logp);
    if (isfinite(r->copula_logp))
        say(shared, "  a copula on these    %12.4f nats", r->copula_logp);
    if (isfinite(r->mixture_logp))
        say(shared, "  a mixture on these   %12.4f nats", r->mixture_logp);
    if (t->rows && given && isfinite(t->sem))
        say(shared, "  test rows            %12.4f nats +- %.4f", t->logp, t->sem);
    else if (t->rows && given)
        say(shared, "  test row%s            %12.4f nats", t->rows > 1 ? "s" : " ", t->logp);
    if (t->missing)
        say(shared, "  (%zu test rows have missing values and no log-likelihood)", t->missing);
    if (isfinite(t->gap_sem))
        say(shared, "  the true density     %12.4f nats; gap %.4f +- %.4f", t->true_logp, t->gap,
            t->gap_sem);
    else if (isfinite(t->gap))
        say(shared, "  the true density     %12.4f nats; gap %.4f", t->true_logp, t->gap);
    if (isfinite(bits))
        say(shared, "  bits per dimension   %12.4f", bits);
}

static json_t *result_json(const train_settings *s, const nicest_train_result *r,
                           const test_result *t, double bits)
{
    json_t *failure = *r->failure ? json_words(r->failure) : json_null();
    json_t *start = *r->start ? json_words(r->start) : json_null();
    const char *text = r->chosen;
    json_t *lines = json_array();
    while (*text) {
        size_t length = strcspn(text, "\n");
        json_array_append_new(lines, json_stringn(text, length));
        text += length + (text[length] == '\n');
    }
    return json_pack(
        "{s:o, s:I, s:I, s:I, s:I, s:I, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:i,"
        " s:b, s:o, s:o, s:f, s:{s:o, s:o, s:o}, s:o, s:I}",
        "model", json_words(s->shared.output), "rows", (json_int_t)r->rows, "columns",
        (json_int_t)r->columns, "parameters", (json_int_t)r->parameters, "epochs",
        (json_int_t)r->epochs, "steps", (json_int_t)r->steps, "seconds", r->seconds, "train_logp",
        json_figure(r->train_logp), "valid_logp", json_figure(r->valid_logp), "test_logp",
        json_figure(t->logp), "test_sem", json_figure(t->sem), "bits_per_dim", json_figure(bits),
        "true_logp", json_figure(t->true_logp), "gap", json_figure(t->gap), "gap_sem",
        json_figure(t->gap_sem), "test_rows", (json_int_t)t->rows, "gaussian_logp",
        json_figure(r->gaussian_logp), "retries", r->retries, "interrupted", r->interrupted,
        "failure", failure, "chosen", lines, "calibration_seconds", r->calibration_seconds,
        "references", "gaussian", json_figure(r->gaussian_logp), "copula",
        json_figure(r->copula_logp), "mixture", json_figure(r->mixture_logp), "start", start,
        "kept_epoch", (json_int_t)r->kept_epoch);
}

/* Rows that cannot be learnt: the sentence begins with their file, unknown to the library. */
static void need_rows(const train_settings *s, nicest_status status)
{
    const char *error = nicest_error();
    const char *rows = strncmp(error, "the validation data", 19) ? s->data : s->valid;
    if (status == NICEST_E_DATA && rows)
        refuse(STATUS_FAILED, "%s: %s", place_of(rows), error);
    need(status);
}

/* What was chosen and not said before training: the lines of `chosen` that are none of `told`. */
static void say_rest(const shared_settings *shared, const char *chosen, const char *told)
{
    for (size_t length; *chosen; chosen += length + (chosen[length] == '\n')) {
        length = strcspn(chosen, "\n");
        const char *line = told;
        while (line && (strncmp(line, chosen, length) || line[length] != '\n')) {
            line = strchr(line, '\n');
            line = line ? line + 1 : NULL;
        }
        if (!line)
            say(shared, "%.*s", (int)length, chosen);
    }
}

/* *chosen: see nicest_trainer_chosen; nicest_free. */
static nicest_model *train_model(train_settings *s, const nicest_data *data,
                                 const nicest_data *valid, nicest_train_result *result,
                                 char **chosen)
{
    nicest_model *model = NULL;
    nicest_trainer *trainer;
    nicest_progress now;
    listener l = {.bar = progress_start(&s->shared, "training", "rows/s")};
    watch *w = watch_open(&s->shared, s->watch, data);
    s->options.progress = on_progress;
    s->options.context = &l;
    l.watch = w;
    if (w) /* a page to open, while simple models are fitted */
        watch_show(w, NULL, &(nicest_progress){.train_logp = NAN, .best_logp = NAN}, false, false);
    polite_begin();
    need_rows(s, nicest_trainer_new(&trainer, data, valid, &s->options));
    l.watch = NULL;
    nicest_status status = NICEST_OK;
    for (int more = 1; more && status == NICEST_OK;) {
        status = nicest_trainer_step(trainer, 0, w ? 0.2 : 0, &more);
        if (w && status == NICEST_OK && nicest_trainer_progress(trainer, &now) == NICEST_OK) {
            watch_show(w, trainer, &now, l.said, !more);
            l.said = false;
        }
    }
    if (status == NICEST_OK)
        status = nicest_trainer_model(trainer, &model, result);
    if (status == NICEST_OK)
        status = nicest_trainer_chosen(trainer, chosen);
    progress_end(&l.bar);
    need_rows(s, status);
    nicest_trainer_free(trainer);
    watch_close(w);
    save_model(model, s->shared.output);
    polite_end();
    say_rest(&s->shared, result->chosen, l.told.text);
    block_free(l.told.text);
    return model;
}

static int train_run(void *settings)
{
    train_settings *s = settings;
    nicest_train_result result = {0};
    char test_text[600];
    check_train(s);
    /* A command that is given again without --resume begins anew: nobody shall learn it late. */
    const char *path = s->options.checkpoint;
    struct stat facts;
    if (path && !s->options.resume && !stat(path, &facts) && S_ISREG(facts.st_mode) &&
        facts.st_size)
        say(&s->shared,
            "%s: an earlier run's checkpoint will be replaced; --resume %s goes on with it", path,
            path);
    complete_options(s);
    nicest_data *valid = open_valid(s), *data = open_rows(&s->shared, NULL, s->data, THE_DATA);
    OWNED_DATA nicest_data *test = open_test(s, data, test_text, sizeof test_text);
    OWNED_MODEL nicest_model *first = s->init ? open_model(s->init) : NULL;
    if (first)
        data = match_data(&s->shared, first, data, s->data);
    say_columns(&s->shared, data);
    valid = align_data(&s->shared, data, "the training data", valid, s->valid);
    test = align_data(&s->shared, data, "the training data", test, test_text);
    s->options.init = first;
    char *chosen = NULL;
    OWNED_MODEL nicest_model *model = train_model(s, data, valid, &result, &chosen);
    if (test)
        test = match_data(&s->shared, model, test, test_text);
    test_result measured = measure_test(s, model, interrupted() ? NULL : test, test_text);
    if (!test) {
        /* Without test data: the rows that were held out for calibration, if there were any. */
        measured.rows = result.test_rows;
        measured.logp = result.test_rows ? result.test_logp : NAN;
        measured.sem = result.test_rows ? result.test_sem : NAN;
    }
    double bits =
        nicest_model_bits_per_dim(model, measured.rows ? measured.logp : result.valid_logp);
    say_trained(s, &result, &measured, test != NULL, bits);
    if (test && interrupted())
        say(&s->shared,
            "  test rows: not measured, for training was interrupted: nicest score %s %s",
            s->shared.output, test_text);
    json_t *object = result_json(s, &result, &measured, bits), *recipe = json_from_text(chosen);
    json_object_set(object, "recipe", json_object_get(recipe, "recipe"));
    json_decref(recipe);
    nicest_free(chosen);
    print_json(&s->shared, object);
    if (*result.failure)
        refuse(STATUS_FAILED, "%s; training ended there, the best so far is in %s", result.failure,
               s->shared.output);
    nicest_data_free(data);
    nicest_data_free(valid);
    block_free((void *)(uintptr_t)s->options.spec);
    return STATUS_DONE;
}

const command TRAIN_COMMAND = {
    .name = "train",
    .summary = "learn a density",
    .synopsis = "DATA -o MODEL [options]",
    .description =
        "Learns the density of the rows of DATA and writes it as one safetensors file. Options you "
        "omit are chosen from the data and printed. Some rows are held out: to stop early, and to "
        "calibrate outlier decisions.\n\n"
        "For tables and small pictures, simple models (closed forms) are fitted first. Then five stacks of "
        "couplings race for a while, and the best one trains on. It stays only if it beats the simple "
        "models on rows that it has not learnt from (docs/training.md).\n\n"
        "--drop, --label and --where also apply to --valid and --test, if these have such a column.\n\n"
        "The figures are mean log-likelihoods in nats; higher is better. Those of test rows are what "
        "`nicest score` gives with the same seed. Press Ctrl-C once to stop: the best weights so far are "
        "saved, and the exit status is 130.",
    .examples = "  nicest train toy:parabola -o parabola.safetensors\n"
                "  nicest train wine.csv --drop quality --time 2m -o wine.safetensors\n"
                "  nicest train train-images-idx3-ubyte.gz --test t10k-images-idx3-ubyte.gz "
                "-o mnist.safetensors\n",
    .tables = {TRAIN_OPTIONS, DATA_OPTIONS, OUTPUT_OPTIONS, COMMON_OPTIONS},
    .size = sizeof(train_settings),
    .defaults = train_defaults,
    .run = train_run,
};
