/* learn.c - nicest_train: learning, then calibration on rows that served neither learning nor early
 * stopping. Owns the order of the two; the loop is in train/, the statistics in outlier.c. */
#include "base/status.h"
#include "train/trainer.h"

nicest_status nicest_train(nicest_model **model, const nicest_data *train, const nicest_data *valid,
                           const nicest_train_options *options, nicest_train_result *result)
{
    nicest_train_options defaults;
    nicest_model *made = NULL;
    trainer_rows rows = {0};
    if (!model || !train)
        return fail(NICEST_E_ARGUMENT, "nicest_train: model and training data are needed");
    nicest_train_defaults(&defaults);
    options = options ? options : &defaults;
    TRY(trainer_run(&made, train, valid, options, result, &rows));
    nicest_status status = NICEST_OK;
    if (rows.held_out)
        status = nicest_calibrate(made, rows.train, rows.held_out, options->seed, options->threads);
    trainer_rows_free(&rows);
    if (status == NICEST_OK)
        *model = made;
    else
        nicest_model_free(made);
    return status;
}
