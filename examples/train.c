/* train.c - learning a density from rows in memory, with a line of progress; Ctrl-C ends it early
 * and keeps the best so far.
 *
 *     cc train.c $(pkg-config --cflags --libs nicest) -lm -o train
 *     ./train circle.safetensors
 */
#include <math.h>
#include <nicest.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 2000 };

static volatile sig_atomic_t asked_to_stop;

static void on_signal(int number)
{
    (void)number;
    asked_to_stop = 1;
}

/* About ten times a second. What is not known yet is NaN. Any other result than 0 ends training. */
static int on_progress(void *context, const nicest_progress *now)
{
    (void)context;
    fprintf(stderr, "\rtraining %3.0f %%  %.0f rows/s  held out: %.3f nats ", 100 * now->done,
            now->rate, now->valid_logp);
    return asked_to_stop;
}

/* Points around a circle. */
static void fill(double *rows)
{
    for (size_t i = 0; i < ROWS; i++) {
        double angle = 6.283185307179586 * rand() / RAND_MAX, radius = 3 + 0.5 * rand() / RAND_MAX;
        rows[2 * i] = radius * cos(angle);
        rows[2 * i + 1] = radius * sin(angle);
    }
}

int main(int count, char **words)
{
    static double rows[2 * ROWS];
    static const char *const names[] = {"east", "north"};
    nicest_data *data = NULL;
    nicest_model *model = NULL;
    nicest_train_options options;
    nicest_train_result result;
    if (count != 2) {
        fprintf(stderr, "usage: train MODEL\n");
        return 2;
    }
    signal(SIGINT, on_signal);
    fill(rows);
    nicest_train_defaults(&options); /* all is chosen from the data, but for */
    options.epochs = 20;
    options.progress = on_progress;
    int failed = nicest_data_new(&data, rows, ROWS, 2, names) || /* a copy of rows */
                 nicest_train(&model, data, NULL, &options, &result) ||
                 nicest_model_save(model, words[1]);
    fputc('\n', stderr);
    if (failed)
        fprintf(stderr, "train: %s\n", nicest_error());
    else
        printf("%s: %zu parameters, %zu steps, held-out rows %.3f nats\n", words[1],
               result.parameters, result.steps, result.valid_logp);
    nicest_model_free(model);
    nicest_data_free(data);
    return failed;
}
