/* recipe.c - see recipe.h. */
#include "train/recipe.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "flow/grammar.h"
#include "flow/mlp.h"
#include "flow/spec.h"

void nicest_train_defaults(nicest_train_options *options)
{
    if (!options)
        return;
    *options = (nicest_train_options){
        .preset = "auto",
        .valid_share = NAN,
        .calibration_share = NAN,
        .neighbours = -1,
        .optimizer = NICEST_OPTIMIZER_BY_PRESET,
        .beta1 = NAN,
        .beta2 = NAN,
        .epsilon = NAN,
        .weight_decay = NAN,
        .warmup = NAN,
        .final_rate = NAN,
        .average = NAN,
        .dropout = NAN,
        .shift = -1,
        .seed = 1,
    };
}

/* Everything a preset decides. `first` and `last` NULL: closed forms are tried. */
typedef struct preset {
    const char *name;
    const char *first, *last;
    stack stack;
    size_t batch, steps; /* steps: how long to train when nobody says */
    double rate, beta1, beta2, epsilon, weight_decay, warmup, final_rate, average;
    unsigned shift; /* of pictures of 16x16 or more */
} preset;

/* nice is the paper's, section 5.1: 4 couplings of 5 x 1000, logistic prior, Adam 1e-3, beta1 0.9,
 * beta2 0.99 ("0.01" there), epsilon 1e-4. Schedule, averaging and weight decay are ours: without
 * decay 15 minutes of MNIST end 130 nats better on training than on validation rows.
 *
 * nicest for pictures: most pixels of most pictures sit at the ends of their scale, so what comes
 * first is each pixel's own histogram; behind dense couplings and of few rows, last a triangle that
 * starts as the Gaussian copula. The rate of convolutions: docs/decisions/0013-convolutions.md. */
/* clang-format off */
#define PAPERS_STACK {.rule = "additive", .couplings = 4, .hidden = "1000x5", .activation = "relu"}
#define PAPERS_STEP  .batch = 256, .rate = 1e-3, .beta1 = 0.9, .beta2 = 0.99, .average = 0.999
static const preset NICE_IMAGE = {
    "nice", "", "scale\nprior logistic\n", PAPERS_STACK, PAPERS_STEP, .steps = 8000,
    .epsilon = 1e-4, .weight_decay = 1, .warmup = 0.01, .final_rate = 0.01};
static const preset NICE_TABLE = {
    "nice", "standardise\n", "scale\nprior normal\n", PAPERS_STACK, PAPERS_STEP, .steps = 8000,
    .epsilon = 1e-4, .weight_decay = 1, .warmup = 0.01, .final_rate = 0.01};
static const preset NICEST_DENSE = {
    "nicest", STACK_MARGINAL, STACK_WHITEN "prior normal\n",
    {.rule = "affine", .couplings = 6, .hidden = "700x2", .activation = "silu"}, PAPERS_STEP,
    .steps = 12000, .epsilon = 1e-6, .weight_decay = 0.3, .warmup = 0.02, .final_rate = 0.01};
static const preset NICEST_CONVOLUTION = {
    "nicest", STACK_MARGINAL, "prior normal\n",
    {.rule = "affine", .couplings = 8, .hidden = "32x2"},
    .batch = 64, .rate = 5e-3, .beta1 = 0.9, .beta2 = 0.99, .average = 0.999,
    .steps = 16000, .epsilon = 1e-6, .weight_decay = 0.3, .warmup = 0.02, .final_rate = 0.01};
static const preset NICEST_TABLE = {
    "nicest", NULL, NULL,
    {.rule = "spline", .couplings = 5, .hidden = "128x2", .activation = "silu", .bins = 8},
    PAPERS_STEP,
    .steps = 8000, .epsilon = 1e-8, .weight_decay = 0.01, .warmup = 0.02, .final_rate = 0};
/* clang-format on */

static bool can_convolve(const recipe_data *data)
{
    return !data->context && !data->masked && stack_convolves(data->height, data->width) &&
           data->columns % ((size_t)data->height * data->width) == 0;
}

static bool wants_convolutions(const nicest_train_options *o)
{
    return o->coupling && !strcmp(o->coupling, "convolution");
}

static const preset *find_preset(const nicest_train_options *o, const recipe_data *data)
{
    const char *name = o->preset;
    bool picture = data->height > 0;
    bool dense = o->coupling || o->hidden || o->activation || o->bins || o->blocks ||
                 !isnan(o->dropout) || !can_convolve(data);
    if (name && strcmp(name, "auto") != 0 && strcmp(name, "nicest") != 0)
        return strcmp(name, "nice") ? NULL : picture ? &NICE_IMAGE : &NICE_TABLE;
    if (wants_convolutions(o))
        return &NICEST_CONVOLUTION;
    return !picture || data->columns < 256 ? &NICEST_TABLE
           : dense                         ? &NICEST_DENSE
                                           : &NICEST_CONVOLUTION;
}

void recipe_shares(size_t rows, bool has_valid, double *valid, double *calibration)
{
    /* A tenth, from 40,000 rows on 4,000, of very many a fiftieth, at most 10,000: choices and
     * quantiles gain little from more, learning does. */
    double n = rows ? (double)rows : 1;
    double few = fmin(rows < 400 ? 0.2 : 0.1, fmin(fmax(4000, n / 50), 10000) / n);
    if (isnan(*valid))
        *valid = has_valid ? 0 : few;
    if (isnan(*calibration))
        *calibration = few;
}

static double or_else(double value, double otherwise)
{
    return isnan(value) ? otherwise : value;
}

static nicest_status check_options(const nicest_train_options *o)
{
    int kind = (int)o->optimizer, precision = (int)o->precision;
    if (kind < -1 || kind > NICEST_SGD)
        return fail(NICEST_E_ARGUMENT, "optimizer: %d is none of nicest_optimizer, nor -1", kind);
    if (precision != NICEST_F32 && precision != NICEST_BF16)
        return fail(NICEST_E_ARGUMENT, "precision: %d is none of nicest_precision", precision);
    if (o->absence && strcmp(o->absence, "ignore") && strcmp(o->absence, "model"))
        return fail(NICEST_E_ARGUMENT, "absence '%.30s': expected ignore or model", o->absence);
    if (o->patience < -1)
        return fail(NICEST_E_ARGUMENT, "patience: %d is below -1 (never)", o->patience);
    if (o->couplings < 0 || o->couplings > 512)
        return fail(NICEST_E_ARGUMENT, "couplings: %d is not between 1 and 512", o->couplings);
    if (o->learning_rate < 0 || !isfinite(o->learning_rate))
        return fail(NICEST_E_ARGUMENT, "learning rate: %g is not a positive number",
                    o->learning_rate);
    if (o->seconds < 0 || !isfinite(o->seconds))
        return fail(NICEST_E_ARGUMENT, "time: %g seconds is not a positive number", o->seconds);
    if (o->weight_decay < 0 || isinf(o->weight_decay))
        return fail(NICEST_E_ARGUMENT, "weight decay: %g is not 0 or more", o->weight_decay);
    if (o->average < 0 || o->average >= 1)
        return fail(NICEST_E_ARGUMENT, "average: %g is not in [0, 1)", o->average);
    if (o->clip < 0 || !isfinite(o->clip))
        return fail(NICEST_E_ARGUMENT, "clip: %g is not 0 or more", o->clip);
    if (o->shift < -1)
        return fail(NICEST_E_ARGUMENT, "shift: %d is below -1 (by preset)", o->shift);
    if (o->beta1 < 0 || o->beta1 >= 1 || o->beta2 < 0 || o->beta2 >= 1)
        return fail(NICEST_E_ARGUMENT, "beta1 and beta2 are not in [0, 1)");
    if (o->epsilon <= 0)
        return fail(NICEST_E_ARGUMENT, "epsilon: %g is not above 0", o->epsilon);
    if (o->warmup < 0 || o->warmup > 1 || o->final_rate < 0 || o->final_rate > 1)
        return fail(NICEST_E_ARGUMENT, "warmup and final rate are shares between 0 and 1");
    return NICEST_OK;
}

static bool among(const char *text, const char *const *names)
{
    for (; *names; names++)
        if (!strcmp(text, *names))
            return true;
    return false;
}

static nicest_status choose_convolutions(recipe *r, const nicest_train_options *o,
                                         const recipe_data *data)
{
    enum { MOST_CHANNELS = 512, MOST_BLOCKS = 16 };
    size_t channels, blocks;
    if (!can_convolve(data))
        return fail(NICEST_E_ARGUMENT, "coupling convolution: the rows are no pictures whose "
                                       "sides have a common divisor between 2 and 8");
    if (o->activation || o->bins || o->blocks || !isnan(o->dropout))
        return fail(NICEST_E_ARGUMENT, "coupling convolution: activation, bins, blocks and "
                                       "dropout are of other couplings");
    if (o->hidden && (!strchr(o->hidden, 'x') ||
                      !spec_times(o->hidden, MOST_CHANNELS, MOST_BLOCKS, &channels, &blocks)))
        return fail(NICEST_E_ARGUMENT,
                    "hidden '%.30s': of convolutions channels (1 to %d) and residual blocks (1 to "
                    "%d), as 32x2",
                    o->hidden, MOST_CHANNELS, MOST_BLOCKS);
    r->stack = NICEST_CONVOLUTION.stack;
    r->stack.height = data->height;
    r->stack.width = data->width;
    r->stack.couplings = o->couplings ? o->couplings : r->stack.couplings;
    r->stack.hidden = o->hidden ? o->hidden : r->stack.hidden;
    return NICEST_OK;
}

/* The couplings: those of the preset, with what the options say. */
static nicest_status choose_stack(recipe *r, const nicest_train_options *o, const preset *p,
                                  const recipe_data *data)
{
    static const char *const kinds[] = {"additive", "affine", "spline", "autoregressive", NULL};
    static const char *const activations[] = {"relu", "tanh", "silu", NULL};
    bool given = o->coupling || o->couplings || o->hidden || o->activation || o->bins ||
                 o->blocks || !isnan(o->dropout);
    mlp_spec checked;
    if (p == &NICEST_CONVOLUTION || wants_convolutions(o))
        return choose_convolutions(r, o, data);
    r->stack = p->stack;
    if ((data->context || data->masked) && strcmp(p->name, "nice") && !o->coupling)
        r->stack = (stack){.rule = "spline", /* each value given those before it and the context */
                           .autoregressive = 1,
                           .couplings = 3,
                           .hidden = "64x2",
                           .activation = "silu",
                           .bins = 8};
    r->race = !given && !p->first && !o->epochs && data->rows >= 16;
    if (o->coupling && !among(o->coupling, kinds))
        return fail(NICEST_E_ARGUMENT,
                    "coupling '%.30s': expected additive, affine, spline, autoregressive or "
                    "convolution",
                    o->coupling);
    if (o->activation && !among(o->activation, activations))
        return fail(NICEST_E_ARGUMENT, "activation '%.30s': expected relu, tanh or silu",
                    o->activation);
    if (o->bins && (o->bins < 2 || o->bins > 32))
        return fail(NICEST_E_ARGUMENT, "bins: %d is not between 2 and 32", o->bins);
    if (o->blocks < 0 || o->blocks > 16)
        return fail(NICEST_E_ARGUMENT, "blocks: %d is not between 0 and 16", o->blocks);
    if (o->dropout < 0 || o->dropout > 0.9)
        return fail(NICEST_E_ARGUMENT, "dropout: %g is not between 0 and 0.9", o->dropout);
    if (o->coupling) {
        r->stack.autoregressive = !strcmp(o->coupling, "autoregressive");
        r->stack.rule = r->stack.autoregressive ? "spline" : o->coupling;
        r->stack.couplings = r->stack.autoregressive ? 3 : r->stack.couplings;
    }
    r->stack.couplings = o->couplings ? o->couplings : r->stack.couplings;
    r->stack.hidden = o->hidden ? o->hidden : o->blocks ? "128" : r->stack.hidden;
    if (data->rows < 1000 && !o->hidden && !data->height && strcmp(p->name, "nice"))
        r->stack.hidden = o->blocks ? "64" : "64x2"; /* wider ones learn so few rows by heart */
    r->stack.activation = o->activation ? o->activation : r->stack.activation;
    r->stack.bins = o->bins ? o->bins : r->stack.bins;
    r->stack.blocks = o->blocks;
    r->stack.dropout = isnan(o->dropout) ? r->stack.dropout : o->dropout;
    TRY(mlp_parse_hidden(r->stack.hidden, &checked));
    if (o->blocks && (r->stack.autoregressive || checked.hidden_count != 1))
        return fail(NICEST_E_ARGUMENT, "blocks: residual blocks are of couplings with one hidden "
                                       "width, as --hidden 128");
    return NICEST_OK;
}

static nicest_status check_prior(const char *prior, size_t columns)
{
    OWNED char *text =
        memory_format("nicest 1\ncolumns %zu\nprior %s\n", columns ? columns : 1, prior);
    OWNED_BY(spec_close) flow_spec probe = {0};
    TRY(check_memory(text));
    nicest_status status = spec_parse(&probe, text);
    return status == NICEST_E_FORMAT ? fail_in(NICEST_E_ARGUMENT, "prior '%.30s'", prior) : status;
}

static nicest_status choose_first(recipe *r, const nicest_train_options *o, const preset *p)
{
    const char *first = p->first;
    if (o->preprocess) {
        const char *const names[] = {"standardise", "centre", "marginal", "logit", "none", NULL};
        const char *const lines[] = {r->standardise, "", r->marginal,
                                     "logit margin=1e-06\nstandardise\n", ""};
        size_t i = 0;
        while (names[i] && strcmp(o->preprocess, names[i]))
            i++;
        if (!names[i])
            return fail(NICEST_E_ARGUMENT,
                        "preprocess '%.30s': expected standardise, centre, marginal, logit or none",
                        o->preprocess);
        first = lines[i];
    }
    r->centred = !o->preprocess ||
                 (strcmp(o->preprocess, "logit") != 0 && strcmp(o->preprocess, "none") != 0);
    r->first = first ? memory_text(first) : NULL;
    return check_memory(r->first || !first);
}

/* Couplings that have rows and time enough end higher without the triangle, which starts higher
 * (docs/decisions/0012-pictures.md). */
static bool outgrows_triangle(const nicest_train_options *o, const recipe_data *data)
{
    enum { ROWS_A_COLUMN = 8, SECONDS = 60, EPOCHS = 4 };
    return data->rows >= ROWS_A_COLUMN * data->columns && (!o->seconds || o->seconds >= SECONDS) &&
           (!o->epochs || o->epochs >= EPOCHS);
}

static nicest_status choose_last(recipe *r, const nicest_train_options *o, const preset *p,
                                 const recipe_data *data)
{
    const char *linear = o->linear, *prior = o->prior;
    static const char *const linears[] = {"no", "lu", "cholesky", NULL};
    if (linear && !among(linear, linears))
        return fail(NICEST_E_ARGUMENT, "linear '%.30s': expected no, lu or cholesky", linear);
    if (prior)
        TRY(check_prior(prior, data->columns));
    if (!linear && !prior) {
        bool outgrown = p == &NICEST_DENSE && outgrows_triangle(o, data);
        const char *last = outgrown ? "prior normal\n" : p->last;
        r->last = last ? memory_text(last) : NULL;
        return check_memory(r->last || !last);
    }
    bool mixture = prior && !strncmp(prior, "mixture:", 8);
    if (data->masked && linear && strcmp(linear, "no") != 0)
        return fail(NICEST_E_ARGUMENT,
                    "linear %s mixes columns, which missing values and mass points forbid: leave "
                    "it out",
                    linear);
    bool apart = data->masked || (linear && !strcmp(linear, "no"));
    const char *line = !linear && !strcmp(p->name, "nice") ? "scale\n"
                       : apart                             ? mixture ? "" : "scale\n"
                       : !linear                           ? mixture ? "" : STACK_WHITEN
                       : !strcmp(linear, "lu")             ? "linear form=lu start=whiten\n"
                                                           : STACK_WHITEN;
    const char *usual = p->last && strstr(p->last, "logistic") ? "logistic" : "normal";
    r->last = memory_format("%sprior %s\n", line, prior ? prior : usual);
    return check_memory(r->last);
}

/* What stands between 'columns' and the layers of values. */
static nicest_status write_head(recipe *r, const recipe_data *data)
{
    char context[40] = "";
    const char *masked = data->masked ? "masked\n" : "";
    if (data->context)
        snprintf(context, sizeof context, "context %zu\n", data->context);
    r->values = data->columns;
    r->head = !data->classes
                  ? memory_format("%s%s", context, masked)
                  : memory_format("%s%scategories classes=%s hidden=%s activation=silu\n", context,
                                  masked, data->classes, data->rows < 1000 ? "32" : "128");
    return check_memory(r->head);
}

/* A recipe whose first and last are known has its spec, unless couplings are raced. */
static nicest_status write_spec(recipe *r, const nicest_train_options *o, const preset *p,
                                const recipe_data *data, words *said)
{
    bool given = data->context && strcmp(p->name, "nice");
    const char *const marginals[] = {STACK_MARGINAL, STACK_MARGINAL_OF_TIES,
                                     STACK_MARGINAL STACK_REGRESSION,
                                     STACK_MARGINAL_OF_TIES STACK_REGRESSION};
    r->standardise = given ? "standardise\n" STACK_REGRESSION : "standardise\n";
    r->line = given ? STACK_LINE STACK_REGRESSION : STACK_LINE;
    r->marginal = marginals[2 * given + data->ties];
    TRY(write_head(r, data));
    TRY(choose_stack(r, o, p, data));
    TRY(choose_first(r, o, p));
    TRY(choose_last(r, o, p, data));
    if (!r->first || !r->last || r->race)
        return NICEST_OK;
    bool couples = data->columns > 1 || strcmp(p->name, "nice");
    if (!couples)
        words_add(said, "one column: nothing to couple; the model is its prior, fitted");
    r->spec = stack_spec(r->values, r->head, r->first, couples ? &r->stack : NULL, r->last);
    return check_memory(r->spec);
}

static nicest_status take_spec(recipe *r, const nicest_train_options *o, const recipe_data *data)
{
    OWNED_BY(spec_close) flow_spec parsed = {0};
    if (o->init &&
        (o->spec || o->couplings || o->hidden || o->activation || o->prior || o->preprocess))
        return fail(NICEST_E_ARGUMENT, "the model to go on from has its stack: leave spec, "
                                       "couplings, hidden, activation, prior and preprocess out");
    TRY(spec_parse(&parsed, o->init ? nicest_model_spec(o->init) : o->spec));
    r->spec = memory_text(parsed.text); /* without comments, and as a checkpoint knows it */
    TRY(check_memory(r->spec));
    if (parsed.columns != data->columns)
        return fail(NICEST_E_MISMATCH, "the spec is of %zu columns, the data has %zu",
                    parsed.columns, data->columns);
    r->centred = !strstr(r->spec, "logit");
    return NICEST_OK;
}

/* A move by half a picture or more leaves less of it than it makes up. */
static nicest_status choose_shift(recipe *r, const nicest_train_options *o, const preset *p,
                                  const recipe_data *data)
{
    unsigned side = data->height < data->width ? data->height : data->width;
    r->shift = o->shift >= 0 ? (unsigned)o->shift : side >= 16 ? p->shift : 0;
    if (!r->shift)
        return NICEST_OK;
    if (!side)
        return fail(NICEST_E_ARGUMENT,
                    "shift: the rows are no pictures (a size can be given, as --image HxW)");
    if (2 * (size_t)r->shift >= side)
        return fail(NICEST_E_ARGUMENT, "shift: %u pixels are half of a picture of %ux%u or more",
                    r->shift, data->height, data->width);
    return NICEST_OK;
}

static void choose_length(recipe *r, const nicest_train_options *o, const preset *p,
                          const recipe_data *data, words *said)
{
    size_t wanted = o->batch ? o->batch : p->batch;
    if (!o->batch && data->rows < 16 * wanted) /* a few rows: smaller steps, but not below 32 */
        for (; wanted > 32 && data->rows < 16 * wanted; wanted /= 2)
            ;
    r->batch = wanted < data->rows ? wanted : data->rows;
    r->accumulate = o->accumulate > 1 ? o->accumulate : 1;
    r->seconds = o->seconds;
    r->epochs = r->seconds > 0 ? 0 : o->epochs;
    if (r->seconds > 0 || r->epochs)
        return;
    size_t per_epoch = data->rows / r->batch / r->accumulate;
    size_t epochs = (p->steps + per_epoch - 1) / (per_epoch ? per_epoch : 1);
    r->epochs = epochs < 4 ? 4 : epochs > 1000 ? 1000 : epochs;
    words_add(said, "epochs: at most %zu (about %zu steps of %zu rows)", r->epochs,
              r->epochs * per_epoch, r->batch * r->accumulate);
}

static void choose_optimizer(recipe *r, const nicest_train_options *o, const preset *p)
{
    bool given = (int)o->optimizer >= NICEST_ADAM && (int)o->optimizer <= NICEST_SGD;
    nicest_optimizer kind = given ? o->optimizer : NICEST_ADAM;
    bool adam = kind == NICEST_ADAM;
    r->optimizer = (optimizer_settings){
        .kind = kind,
        .beta1 = or_else(o->beta1, adam                 ? p->beta1
                                   : kind == NICEST_SGD ? 0.9
                                                        : 0),
        .beta2 = or_else(o->beta2, adam ? p->beta2 : 0.95),
        .epsilon = or_else(o->epsilon, adam ? p->epsilon : 1e-2),
        .weight_decay = or_else(o->weight_decay, p->weight_decay),
        .average = or_else(o->average, p->average),
    };
    r->rate = o->learning_rate > 0 ? o->learning_rate
              : kind == NICEST_SGD ? p->rate * 0.1
                                   : p->rate;
    r->warmup = or_else(o->warmup, p->warmup);
    r->final_rate = or_else(o->final_rate, p->final_rate);
    r->clip = o->clip;
    r->patience = o->patience;
}

nicest_status recipe_choose(recipe *r, const nicest_train_options *options, const recipe_data *data,
                            words *said)
{
    const preset *p = find_preset(options, data);
    OWNED_BY(recipe_close) recipe made = {0};
    if (!p)
        return fail(NICEST_E_ARGUMENT, "preset '%.30s': expected auto, nice or nicest",
                    options->preset);
    TRY(check_options(options));
    made.preset = p->name;
    TRY(choose_shift(&made, options, p, data));
    TRY(options->spec || options->init ? take_spec(&made, options, data)
                                       : write_spec(&made, options, p, data, said));
    choose_optimizer(&made, options, p);
    choose_length(&made, options, p, data, said);
    words_add(said, "preset %s for %s: batch %zu, learning rate %g, weight decay %g, average %g",
              p->name, data->height ? "pictures" : "tables", made.batch, made.rate,
              made.optimizer.weight_decay, made.optimizer.average);
    if (made.shift)
        words_add(said,
                  "augmentation: each training picture moves by up to %u pixel%s along each "
                  "axis, anew each time",
                  made.shift, made.shift == 1 ? "" : "s");
    *r = made;
    made = (recipe){0};
    return NICEST_OK;
}

void recipe_close(recipe *r)
{
    memory_free(r->spec);
    memory_free(r->head);
    memory_free(r->first);
    memory_free(r->last);
    r->spec = r->head = r->first = r->last = NULL;
}
