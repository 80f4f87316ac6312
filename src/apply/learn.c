/* learn.c - nicest_train: learning, then calibration on rows that served neither learning nor early
 * stopping. Owns the order of the two, and what happens when there are few rows; the loop is in
 * train/, the statistics in outlier.c. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "apply/outlier.h"
#include "apply/score.h"
#include "base/status.h"
#include "model/model.h"
#include "train/trainer.h"

enum { FOLDS = 5, FEWEST_FOR_FOLDS = 4 * FOLDS };

/* A model of one fold: the same options, and as many epochs as the model at hand took, or a fifth
 * of its time. */
static nicest_status learn_fold(void *context, const nicest_data *rows, nicest_model **model)
{
    const nicest_train_options *options = context;
    trainer_rows parts = {0};
    nicest_train_result result;
    nicest_status status = trainer_run(model, rows, NULL, options, &result, &parts);
    trainer_rows_free(&parts);
    if (status == NICEST_OK && result.interrupted) {
        nicest_model_free(*model);
        *model = NULL;
        return fail(NICEST_E_INTERRUPTED, "calibration was interrupted");
    }
    return status;
}

static nicest_status cross_calibrate(nicest_model *model, const nicest_data *train,
                                     const nicest_train_options *options, size_t epochs)
{
    nicest_train_options fold = *options;
    fold.calibration_share = 0;
    fold.seconds = options->seconds / FOLDS;
    fold.epochs = epochs ? epochs : 1;
    fold.checkpoint = fold.resume = fold.log = NULL;
    return outlier_cross_calibrate(model, train, FOLDS, learn_fold, &fold, options->seed,
                                   options->threads);
}

static void say(nicest_train_result *result, const char *line)
{
    size_t used = strlen(result->chosen);
    snprintf(result->chosen + used, sizeof result->chosen - used, "%s", line);
}

/* Held-out rows that are too few to promise 5 % are joined by all others, fold by fold. */
static nicest_status calibrate(nicest_model *model, const nicest_data *train,
                               const trainer_rows *rows, const nicest_train_options *options,
                               nicest_train_result *result)
{
    if (!rows->held_out)
        return NICEST_OK;
    bool few = nicest_data_rows(rows->held_out) < OUTLIER_FEWEST &&
               nicest_data_rows(train) >= FEWEST_FOR_FOLDS && !result->interrupted &&
               !*result->failure;
    if (few) {
        nicest_status status = cross_calibrate(model, train, options, result->epochs);
        say(result, status != NICEST_E_INTERRUPTED
                        ? "few rows to calibrate on: cross-conformal, five more models learn from "
                          "four fifths\n"
                        : "few rows to calibrate on, and cross-conformal calibration was "
                          "interrupted: by the held-out rows alone\n");
        if (status != NICEST_E_INTERRUPTED)
            return status;
        result->interrupted = 1;
    }
    return nicest_calibrate(model, rows->train, rows->held_out, options->seed, options->threads);
}

nicest_status nicest_train(nicest_model **model, const nicest_data *train, const nicest_data *valid,
                           const nicest_train_options *options, nicest_train_result *result)
{
    nicest_train_options defaults;
    nicest_train_result found;
    nicest_model *made = NULL;
    trainer_rows rows = {0};
    if (!model || !train)
        return fail(NICEST_E_ARGUMENT, "nicest_train: model and training data are needed");
    nicest_train_defaults(&defaults);
    options = options ? options : &defaults;
    TRY(model_check_threads(options->threads));
    if (valid)
        TRY(score_alike(train, valid));
    memset(&found, 0, sizeof found);
    TRY(trainer_run(&made, train, valid, options, &found, &rows));
    nicest_status status = calibrate(made, train, &rows, options, &found);
    trainer_rows_free(&rows);
    if (status != NICEST_OK) {
        nicest_model_free(made);
        return status;
    }
    *model = made;
    if (result)
        *result = found;
    return NICEST_OK;
}
