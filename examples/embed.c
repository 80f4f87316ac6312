/* embed.c - a model inside a program: load it, score rows, draw new ones.
 *
 *     cc embed.c $(pkg-config --cflags --libs nicest) -o embed
 *     ./embed parabola.safetensors
 */
#include <nicest.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 5 };

static void show(const nicest_model *model, const double *rows, const double *logp)
{
    size_t columns = nicest_model_columns(model);
    for (size_t j = 0; j < columns; j++)
        printf("%s,", nicest_model_column_name(model, j));
    puts("logp");
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t j = 0; j < columns; j++)
            printf("%g,", rows[i * columns + j]);
        printf("%g\n", logp[i]);
    }
}

int main(int count, char **words)
{
    nicest_model *model = NULL;
    nicest_workspace *workspace = NULL; /* what one thread of the caller needs to run the model */
    double *rows = NULL, logp[ROWS];
    if (count != 2) {
        fprintf(stderr, "usage: embed MODEL\n");
        return 2;
    }
    /* Every function that can fail returns a status. NICEST_OK is 0, so || stops at a failure. */
    int failed = nicest_model_load(&model, words[1]) ||
                 nicest_workspace_new(&workspace, model, ROWS, 0); /* 0 threads: all processors */
    if (!failed)
        rows = malloc(ROWS * nicest_model_columns(model) * sizeof *rows);
    failed = failed || !rows ||
             nicest_sample(workspace, ROWS, 7, 0, 1, rows) || /* seed 7, from number 0, as learnt */
             nicest_score(workspace, rows, ROWS, 1, logp);    /* nats, in the units of the rows */
    if (!failed)
        show(model, rows, logp);
    if (failed)
        fprintf(stderr, "embed: %s\n", nicest_error()); /* one sentence: what, where, expected */
    free(rows);
    nicest_workspace_free(workspace);
    nicest_model_free(model);
    return failed;
}
