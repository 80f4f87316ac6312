/* core.c - a program that knows nicest_core.h alone: loads a model from bytes, scores its samples,
 * goes back and forth, compares the gradient with differences, and prints what it saw to the last
 * bit. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "nicest_core.h"

enum { ROWS = 64, MOST_COLUMNS = 64 };

static int failed(nicest_status status)
{
    if (status != NICEST_OK)
        fprintf(stderr, "%s\n", nicest_error());
    return status != NICEST_OK;
}

static nicest_model *read_model(const char *path)
{
    static unsigned char bytes[1 << 20];
    nicest_model *model = NULL;
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
    if (file)
        fclose(file);
    return failed(nicest_model_load_bytes(&model, bytes, size)) ? NULL : model;
}

/* The greatest error of the gradient by column, against central differences. */
static double gradient_error(nicest_workspace *w, const double *x, size_t d, const double *gradient)
{
    double worst = 0, shifted[2 * MOST_COLUMNS], p[2];
    for (size_t j = 0; j < d; j++) {
        for (size_t k = 0; k < 2 * d; k++)
            shifted[k] = x[k % d] + (k % d == j ? (k < d ? 1e-3 : -1e-3) : 0);
        if (failed(nicest_log_prob(w, shifted, 2, p)))
            return INFINITY;
        worst = fmax(worst, fabs((p[0] - p[1]) / 2e-3 - gradient[j]) / (1 + fabs(gradient[j])));
    }
    return worst;
}

int main(int argc, char **argv)
{
    static double rows[ROWS * MOST_COLUMNS], x[ROWS * MOST_COLUMNS], h[ROWS * MOST_COLUMNS];
    static double back[ROWS * MOST_COLUMNS], gradient[ROWS * MOST_COLUMNS], p[ROWS];
    nicest_workspace *w = NULL;
    nicest_model *model = argc > 1 ? read_model(argv[1]) : NULL, *none = NULL;
    if (!model || nicest_model_load_bytes(&none, "no model", 8) != NICEST_E_FORMAT)
        return 1;
    size_t d = nicest_model_columns(model);
    if (d > MOST_COLUMNS || failed(nicest_workspace_new(&w, model, 0, 2)) ||
        failed(nicest_sample(w, ROWS, 7, 0, 1, rows)) ||
        failed(nicest_score(w, rows, ROWS, 1, p)) ||
        failed(nicest_encode(model, rows, ROWS, 1, x)) ||
        failed(nicest_log_prob_gradient(w, x, ROWS, NULL, gradient)) ||
        failed(nicest_forward(w, x, ROWS, h, NULL)) ||
        failed(nicest_inverse(w, h, ROWS, back, NULL)))
        return 1;
    double error = 0;
    for (size_t i = 0; i < ROWS * d; i++)
        error = fmax(error, fabs(back[i] - x[i]) / (1 + fabs(x[i])));
    for (size_t i = 0; i < ROWS; i++)
        printf("%.17g\n", p[i]);
    printf("inverse within 1e-5: %s\n", error < 1e-5 ? "yes" : "no");
    printf("gradient within 1e-2: %s\n", gradient_error(w, x, d, gradient) < 1e-2 ? "yes" : "no");
    nicest_workspace_free(w);
    nicest_model_free(model);
    return 0;
}
