/* recipe.c - see recipe.h. */
#include "train/recipe.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
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
        .shift = -1,
        .seed = 1,
    };
}

/* Everything a preset decides. */
typedef struct preset {
    const char *name, *hidden, *activation, *prior, *preprocess;
    int couplings;
    size_t batch, steps; /* steps: how long to train when nobody says */
    double rate, beta1, beta2, epsilon, weight_decay, warmup, final_rate, average;
    unsigned shift; /* of pictures of 16x16 or more */
} preset;

/* The paper's, section 5.1: 4 couplings of 5 x 1000, logistic prior, Adam 1e-3, beta1 0.9, beta2
 * 0.99
 * ("0.01" there), epsilon 1e-4. Schedule, averaging and weight decay are ours: without decay 15
 * minutes of MNIST end 130 nats better on training than on validation rows. */
static const preset NICE_IMAGE = {"nice", "1000x5", "relu", "logistic", "centre", 4,
                                  256,    8000,     1e-3,   0.9,        0.99,     1e-4,
                                  1.0,    0.01,     0.01,   0.999,      0};
static const preset NICE_TABLE = {"nice", "1000x5", "relu", "normal", "standardise", 4,   256,
                                  8000,   1e-3,     0.9,    0.99,     1e-4,          1.0, 0.01,
                                  0.01,   0.999,    0};
/* Shallow conditioners: 2.7 times as many epochs in the same time. Moved pictures: 53 nats of
 * validation on MNIST in 80 epochs. */
static const preset NICEST_IMAGE = {"nicest", "1000x2", "relu", "logistic", "centre", 4,
                                    256,      12000,    1e-3,   0.9,        0.99,     1e-4,
                                    1.0,      0.02,     0.01,   0.999,      1};
static const preset NICEST_TABLE = {"nicest", "128x2", "silu", "normal", "standardise", 8,    256,
                                    12000,    2e-3,    0.9,    0.99,     1e-8,          0.01, 0.02,
                                    0.0,      0.999,   0};
/* Up to three columns: folding a line or a plane takes many steps, each of them small. Bounded
 * conditioners, because sixteen that grow (SiLU) throw samples of the tails out of every box.
 * Against the table's couplings and rate this halves what is missing of the toys' densities in the
 * same time. */
static const preset NICEST_FEW = {"nicest", "64x2", "tanh", "normal", "standardise", 16,   256,
                                  12000,    5e-3,   0.9,    0.99,     1e-8,          0.01, 0.02,
                                  0.0,      0.999,  0};

static const preset *find_preset(const char *name, const recipe_data *data)
{
    bool picture = data->height > 0;
    if (!name || !strcmp(name, "auto") || !strcmp(name, "nicest"))
        return picture ? &NICEST_IMAGE : data->columns <= 3 ? &NICEST_FEW : &NICEST_TABLE;
    if (!strcmp(name, "nice"))
        return picture ? &NICE_IMAGE : &NICE_TABLE;
    return NULL;
}

void recipe_shares(size_t rows, bool has_valid, double *valid, double *calibration)
{
    double few = rows < 400 ? 0.2 : 0.1;
    if (isnan(*valid))
        *valid = has_valid ? 0 : fmin(few, 10000.0 / (double)(rows ? rows : 1));
    if (isnan(*calibration))
        *calibration = fmin(few, 10000.0 / (double)(rows ? rows : 1));
}

static double or_else(double value, double otherwise)
{
    return isnan(value) ? otherwise : value;
}

/* A conditioner that is wide compared with the rows only learns them by heart. */
static const char *hidden_for(const preset *p, const recipe_data *data)
{
    if (data->height)
        return data->columns >= 256 ? p->hidden : data->columns >= 32 ? "256x2" : "128x2";
    if (strcmp(p->name, "nicest"))
        return p->hidden;
    return data->rows < 1000 ? "64x2" : p->hidden;
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

/* One more line of the spec. */
static nicest_status add_line(char **spec, const char *line)
{
    char *longer = memory_format("%s%s\n", *spec ? *spec : "", line);
    if (!longer)
        return fail_memory();
    memory_free(*spec);
    *spec = longer;
    return NICEST_OK;
}

static nicest_status add_couplings(char **spec, const nicest_train_options *o, const preset *p,
                                   const recipe_data *data)
{
    int couplings = o->couplings ? o->couplings : p->couplings;
    const char *hidden = o->hidden ? o->hidden : hidden_for(p, data);
    const char *act = o->activation ? o->activation : p->activation;
    mlp_spec checked;
    TRY(mlp_parse_hidden(hidden, &checked));
    if (strcmp(act, "relu") && strcmp(act, "tanh") && strcmp(act, "silu"))
        return fail(NICEST_E_ARGUMENT, "activation '%.30s': expected relu, tanh or silu", act);
    TRY(add_line(spec, "permute odd-even"));
    for (int i = 0; i < couplings; i++) {
        char *line = memory_format("coupling move=%s hidden=%s activation=%s rule=additive",
                                   i % 2 ? "first" : "second", hidden, act);
        nicest_status status = line ? add_line(spec, line) : fail_memory();
        memory_free(line);
        TRY(status);
    }
    return NICEST_OK;
}

static nicest_status check_prior(const char *prior, size_t columns)
{
    char *text = memory_format("nicest 1\ncolumns %zu\nprior %s\n", columns ? columns : 1, prior);
    flow_spec probe;
    nicest_status status = text ? spec_parse(&probe, text) : fail_memory();
    memory_free(text);
    if (status == NICEST_OK)
        spec_close(&probe);
    return status == NICEST_E_FORMAT ? fail_in(NICEST_E_ARGUMENT, "prior '%.30s'", prior) : status;
}

/* Mixed tables: each value given those before it and the context, also where there is one alone. */
static nicest_status add_autoregressive(char **spec, const nicest_train_options *o,
                                        const recipe_data *data)
{
    const char *hidden = o->hidden ? o->hidden : data->rows < 1000 ? "32x2" : "64x2";
    const char *act = o->activation ? o->activation : "silu";
    for (int i = 0; i < 3; i++) {
        char *line = memory_format("autoregressive hidden=%s activation=%s rule=spline bins=8",
                                   hidden, act);
        nicest_status status = line ? add_line(spec, line) : fail_memory();
        memory_free(line);
        TRY(status);
        if (i < 2 && data->columns > 1)
            TRY(add_line(spec, "permute reverse"));
    }
    return NICEST_OK;
}

/* What stands between 'columns' and the layers of values. */
static nicest_status add_shape(char **spec, const recipe_data *data)
{
    const char *hidden = data->rows < 1000 ? "32" : "128";
    char *context = memory_format("context %zu", data->context);
    char *line = memory_format("categories classes=%s hidden=%s activation=silu",
                               data->classes ? data->classes : "", hidden);
    nicest_status status = context && line ? NICEST_OK : fail_memory();
    if (status == NICEST_OK && data->context)
        status = add_line(spec, context);
    if (status == NICEST_OK && data->masked)
        status = add_line(spec, "masked");
    if (status == NICEST_OK && data->classes)
        status = add_line(spec, line);
    memory_free(context);
    memory_free(line);
    return status;
}

static nicest_status write_spec(recipe *r, const nicest_train_options *o, const preset *p,
                                const recipe_data *data, words *said)
{
    const char *prior = o->prior ? o->prior : p->prior;
    const char *first = o->preprocess ? o->preprocess : p->preprocess;
    TRY(check_prior(prior, data->columns));
    bool logit = !strcmp(first, "logit"), standardise = !strcmp(first, "standardise");
    bool marginal = !strcmp(first, "marginal");
    if (!logit && !standardise && !marginal && strcmp(first, "centre") && strcmp(first, "none"))
        return fail(NICEST_E_ARGUMENT,
                    "preprocess '%.30s': expected standardise, centre, marginal, logit or none",
                    first);
    r->spec = memory_format("nicest 1\ncolumns %zu\n", data->columns);
    if (!r->spec)
        return fail_memory();
    bool mixed = data->context || data->masked;
    if (mixed)
        TRY(add_shape(&r->spec, data));
    if (logit && data->columns)
        TRY(add_line(&r->spec, "logit margin=1e-06"));
    if (marginal && data->columns)
        TRY(add_line(&r->spec, "marginal levels=256 knots=32"));
    if ((logit || standardise) && data->columns)
        TRY(add_line(&r->spec, "standardise"));
    if (mixed && !o->couplings && data->columns && strcmp(p->name, "nice"))
        TRY(add_autoregressive(&r->spec, o, data));
    else if (data->columns >= 2)
        TRY(add_couplings(&r->spec, o, p, data));
    else if (data->columns)
        words_add(said, "one column: nothing to couple; the model is the %s prior, fitted", prior);
    if (data->columns)
        TRY(add_line(&r->spec, "scale"));
    r->centred = !logit && strcmp(first, "none");
    char *line = memory_format("prior %s", prior);
    nicest_status status = line ? add_line(&r->spec, line) : fail_memory();
    memory_free(line);
    return status;
}

static nicest_status take_spec(recipe *r, const nicest_train_options *o, const recipe_data *data)
{
    flow_spec parsed;
    if (o->init &&
        (o->spec || o->couplings || o->hidden || o->activation || o->prior || o->preprocess))
        return fail(NICEST_E_ARGUMENT, "the model to go on from has its stack: leave spec, "
                                       "couplings, hidden, activation, prior and preprocess out");
    TRY(spec_parse(&parsed, o->init ? nicest_model_spec(o->init) : o->spec));
    size_t columns = parsed.columns;
    r->spec = memory_text(parsed.text); /* without comments, and as a checkpoint knows it */
    spec_close(&parsed);
    if (!r->spec)
        return fail_memory();
    if (columns != data->columns)
        return fail(NICEST_E_MISMATCH, "the spec is of %zu columns, the data has %zu", columns,
                    data->columns);
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
    r->seconds = o->seconds;
    r->epochs = r->seconds > 0 ? 0 : o->epochs;
    if (r->seconds > 0 || r->epochs)
        return;
    size_t per_epoch = data->rows / r->batch;
    size_t epochs = (p->steps + per_epoch - 1) / per_epoch;
    r->epochs = epochs < 4 ? 4 : epochs > 1000 ? 1000 : epochs;
    words_add(said, "epochs: %zu (about %zu steps of %zu rows)", r->epochs, r->epochs * per_epoch,
              r->batch);
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
    const preset *p = find_preset(options->preset, data);
    recipe made = {0};
    if (!p)
        return fail(NICEST_E_ARGUMENT, "preset '%.30s': expected auto, nice or nicest",
                    options->preset);
    TRY(check_options(options));
    made.preset = p->name;
    TRY(choose_shift(&made, options, p, data));
    nicest_status status = options->spec || options->init
                               ? take_spec(&made, options, data)
                               : write_spec(&made, options, p, data, said);
    if (status != NICEST_OK) {
        recipe_close(&made);
        return status;
    }
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
    return NICEST_OK;
}

void recipe_close(recipe *r)
{
    memory_free(r->spec);
    r->spec = NULL;
}
