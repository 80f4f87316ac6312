/* learn.c - nicest_train: learning, then calibration on rows that served neither learning nor early
 * stopping. Owns the order of the two, and what happens when there are few rows; the loop is in
 * train/, the statistics in outlier.c. */
#include <math.h>

#include "apply/outlier.h"
#include "base/parallel.h"
#include "base/random.h"
#include "base/status.h"
#include "base/values.h"
#include "data/match.h"
#include "model/model.h"
#include "train/trainer.h"

/* Of more columns five fits take minutes. */
enum { FOLDS = 5, FEWEST_FOR_FOLDS = 4 * FOLDS, MOST_COLUMNS_FOR_FOLDS = 512 };

/* The models of the folds, one after the other. */
typedef struct folding {
    const nicest_train_options *told; /* who is told of progress */
    nicest_train_options options;     /* of a fold */
    size_t fold;                      /* the one at hand, from 1 */
} folding;

static int tell_fold(void *context, const nicest_progress *progress)
{
    const folding *f = context;
    nicest_progress now = *progress;
    now.stage = "calibrating";
    now.event = NULL; /* of models that nobody keeps */
    now.done = ((double)f->fold - 1 + now.done) / FOLDS;
    now.total_seconds = 0;
    return f->told->progress(f->told->context, &now);
}

static int tell_rows(void *context, double done, double total)
{
    const nicest_train_options *options = context;
    nicest_progress now = {.stage = "calibrating", .done = done / total};
    now.train_logp = now.valid_logp = now.best_logp = NAN;
    if (options->progress)
        options->progress(options->context, &now);
    return 0;
}

/* A model of one fold: the same options, and as many epochs as the model at hand took, or a fifth
 * of its time. */
static nicest_status learn_fold(void *context, const nicest_data *rows, nicest_model **model)
{
    folding *f = context;
    OWNED_BY(trainer_drop) nicest_trainer *trainer = NULL;
    OWNED_BY(model_drop) nicest_model *made = NULL;
    nicest_train_result result;
    f->fold++;
    TRY(trainer_new(&trainer, rows, NULL, &f->options));
    TRY(nicest_trainer_step(trainer, 0, 0, NULL));
    TRY(trainer_model(trainer, &made, &result));
    if (result.interrupted)
        return fail(NICEST_E_INTERRUPTED, "calibration was interrupted");
    *model = memory_take(&made);
    return NICEST_OK;
}

/* Held-out rows that are too few to promise 5 % are joined by all others, fold by fold. */
static nicest_status calibrate(nicest_model *model, const nicest_trainer *trainer,
                               nicest_train_result *result)
{
    const nicest_train_options *options;
    const trainer_rows *rows = trainer_parts(trainer, &options);
    if (!rows->held_out)
        return outlier_describe(model, rows->train, options->seed, options->threads);
    /* not of a model that was given: it may know the rows of a fold */
    double worth =
        values_worth(nicest_data_weights(rows->held_out), nicest_data_rows(rows->held_out), 1);
    bool few = !options->init && worth + 1e-9 < OUTLIER_FEWEST &&
               nicest_data_rows(rows->all) >= FEWEST_FOR_FOLDS && !result->interrupted &&
               nicest_data_columns(rows->all) <= MOST_COLUMNS_FOR_FOLDS && !*result->failure;
    if (few) {
        folding f = {.told = options, .options = *options};
        f.options.calibration_share = 0;
        f.options.seconds = options->seconds / FOLDS;
        f.options.epochs = result->epochs ? result->epochs : 1;
        f.options.checkpoint = f.options.resume = f.options.log = NULL;
        f.options.progress = options->progress ? tell_fold : NULL;
        f.options.context = &f;
        nicest_status status =
            outlier_cross_calibrate(model, rows->all, FOLDS, learn_fold, &f,
                                    options->neighbours != 0, options->seed, options->threads);
        TRY(model_say(model, status != NICEST_E_INTERRUPTED
                                 ? "few rows to calibrate on: cross-conformal, five more models "
                                   "learn from four fifths\n"
                                 : "few rows to calibrate on, and cross-conformal calibration was "
                                   "interrupted: by the held-out rows alone\n"));
        result->chosen = model_said(model);
        if (status != NICEST_E_INTERRUPTED)
            return status;
        result->interrupted = 1;
    }
    /* validation rows are neighbours as good as any; only those that calibrate must not be known */
    return outlier_calibrate(model, rows->both ? rows->both : rows->train, rows->valid,
                             rows->held_out, options->neighbours != 0, options->seed,
                             options->threads, tell_rows, (void *)(uintptr_t)options);
}

nicest_status nicest_trainer_new(nicest_trainer **trainer, const nicest_data *train,
                                 const nicest_data *valid, const nicest_train_options *options)
{
    nicest_train_options defaults;
    TRY(require(trainer && train, "a place for the result and training data are needed"));
    nicest_train_defaults(&defaults);
    options = options ? options : &defaults;
    TRY(model_check_threads(options->threads));
    TRY(random_check_rows(nicest_data_rows(train)));
    TRY(random_check_rows(nicest_data_rows(valid)));
    if (valid)
        TRY(match_alike(train, valid));
    if (options->init)
        TRY(nicest_model_fits(options->init, train));
    return trainer_new(trainer, train, valid, options);
}

nicest_status nicest_trainer_model(nicest_trainer *trainer, nicest_model **model,
                                   nicest_train_result *result)
{
    OWNED_BY(model_drop) nicest_model *made = NULL;
    nicest_train_result found;
    TRY(require(trainer && model, "the trainer or the place for its model is NULL"));
    TRY(trainer_model(trainer, &made, &found));
    double started = parallel_clock();
    TRY(calibrate(made, trainer, &found));
    found.calibration_seconds = parallel_clock() - started;
    *model = memory_take(&made);
    if (result)
        *result = found;
    return NICEST_OK;
}

nicest_status nicest_trainer_look(nicest_trainer *trainer, nicest_model **model)
{
    nicest_train_result found;
    TRY(require(trainer && model, "the trainer or the place for its model is NULL"));
    return trainer_model(trainer, model, &found);
}

nicest_status nicest_train(nicest_model **model, const nicest_data *train, const nicest_data *valid,
                           const nicest_train_options *options, nicest_train_result *result)
{
    OWNED_BY(trainer_drop) nicest_trainer *trainer = NULL;
    TRY(require(model != NULL, "the place for the model is NULL"));
    TRY(nicest_trainer_new(&trainer, train, valid, options));
    TRY(nicest_trainer_step(trainer, 0, 0, NULL));
    return nicest_trainer_model(trainer, model, result);
}
