/* flow_fixture.h - flows with random weights, in all shapes, for the tests of src/flow.
 *
 * Serves both twins: include it after NICEST_DOUBLE is or is not defined. For tests only. */
#pragma once

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "flow/flow.h"

/* What a model of the tests is made of. */
typedef struct shape {
    size_t columns;
    const char *before; /* a line of preprocessing, or "" */
    const char *permute;
    const char *hidden, *activation;
    const char *middle; /* a line between the couplings, or "" */
    const char *prior;
} shape;

static inline const char *spec_of(const shape *s, char *text, size_t size)
{
    char coupling[3][160] = {"", "", ""};
    const char *move[] = {"second", "first", "second"};
    for (int i = 0; s->columns > 1 && i < 3; i++)
        snprintf(coupling[i], sizeof coupling[i], "coupling move=%s hidden=%s activation=%s\n",
                 move[i], s->hidden, s->activation);
    snprintf(text, size, "nicest 1\ncolumns %zu\n%s%s%s%s%s%sscale\nprior %s\n", s->columns,
             s->before, s->permute, coupling[0], coupling[1], s->middle, coupling[2], s->prior);
    return text;
}

static inline bool named(const tensor *t, const char *part)
{
    return strstr(t->name, part) != NULL;
}

/* The constants of a marginal (flow/marginal.c): histograms that go on to both sides, and splines.
 */
static inline void random_marginal(const tensor *frame, const tensor *table, const double *z)
{
    static const double x[4] = {-1.5, -0.5, 0.6, 1.4}, y[4] = {-1.3, -0.4, 0.3, 1.6};
    for (size_t j = 0; j < frame->shape[0]; j++, z += 9) {
        real *f = *frame->slot + j * frame->shape[1], *t = *table->slot + j * table->shape[1];
        bool levels = j % 2 == 0;
        double total = 0.1, below = 0.04;
        for (int k = 0; k < 5; k++)
            total += exp(z[k]);
        memset(t, 0, table->shape[1] * sizeof *t);
        memcpy(f,
               (real[9]){levels ? -3.75f : (real)(z[0] / 8), 0, levels ? 1.5f : 1.25f, 0,
                         levels ? 5 : -4, 0.75f, 0.25f, 1.5f, 0},
               9 * sizeof *f);
        for (int k = 0; levels && k < 6; below += exp(z[k++])) {
            double edge = 2 * below < total ? below / total : below / total - 1;
            t[k] = (real)(float)edge;
            t[6 + k] = (real)(float)(edge - (double)t[k]);
        }
        for (int k = 0; !levels && k < 4; k++) {
            t[k] = (real)(float)x[k];
            t[4 + k] = (real)(float)(y[k] + z[k] / 32);
            t[8 + k] = (real)(float)exp(z[4 + k] / 4);
        }
    }
}

/* Every parameter and constant becomes random, of a size that a trained model might have. */
static inline void randomise(flow *f, uint64_t seed)
{
    for (size_t i = 0; i < f->tensors.count; i++) {
        const tensor *t = &f->tensors.items[i];
        double *values = memory_new(t->count, sizeof *values);
        double size = named(t, "weight") ? sqrt(1.5 / (double)t->shape[1]) : 0.4;
        if (named(t, "prior.part"))
            size /= sqrt((double)f->spec.columns);
        assert_non_null(values);
        random_normal((random_stream){seed, RANDOM_USER, (uint32_t)i}, 0, values, t->count);
        for (size_t j = 0; j < t->count; j++)
            (*t->slot)[j] = (real)(size * values[j]);
        for (size_t j = 0; named(t, "er.weight") && j < t->count;
             j++) /* a linear layer's triangle */
            if (j % t->shape[1] >= j / t->shape[1])
                (*t->slot)[j] = 0;
        if (named(t, ".frame"))
            random_marginal(t, t + 1, values);
        i += named(t, ".frame");
        for (size_t j = 0; named(t, "prior.start") && j < t->count; j++) /* means, then scales */
            if (j % t->shape[1] >= t->shape[1] / 2)
                (*t->slot)[j] = (real)exp(size * values[j]);
        memory_free(values);
    }
}

/* Weights that the mask of an autoregressive layer hides become zero. Degrees are those of Germain
 * et al., 2015, units sorted by them: computed here once more, on purpose. */
static inline void hide(flow *f, const tensor *t, size_t layer_index, size_t map_index)
{
    size_t d = f->spec.columns, out = t->shape[0], in = t->shape[1];
    char next[64];
    bool last = true;
    snprintf(next, sizeof next, "layers.%zu.mlp.%zu.weight", layer_index, map_index + 1);
    for (size_t i = 0; i < f->tensors.count; i++)
        last = last && strcmp(f->tensors.items[i].name, next) != 0;
    for (size_t o = 0; o < out; o++)
        for (size_t i = 0; i < in; i++) {
            bool given = f->spec.context > 0; /* then the first units read that alone */
            size_t to = last ? o / (out / d) : given ? o * d / out : d < 2 ? 0 : 1 + o * (d - 1) / out;
            size_t from = !map_index ? i / (in / d) + 1
                          : given    ? i * d / in
                          : d < 2    ? 0
                                     : 1 + i * (d - 1) / in;
            if (from > to || (to == 0 && !given))
                (*t->slot)[o * in + i] = 0;
        }
}

static inline void hide_masked(flow *f)
{
    for (size_t i = 0; i < f->tensors.count; i++) {
        size_t layer_index, map_index;
        int end = 0;
        const tensor *t = &f->tensors.items[i];
        if (sscanf(t->name, "layers.%zu.mlp.%zu.weight%n", &layer_index, &map_index, &end) == 2 &&
            end > 0 && !strcmp(f->spec.layers[layer_index]->class->name, "autoregressive"))
            hide(f, t, layer_index, map_index);
    }
    assert_int_equal(flow_check(f), NICEST_OK);
}

static inline flow *flow_of_text(const char *text, uint64_t seed)
{
    flow *f = NULL;
    nicest_status status = flow_new(&f, text, 0);
    if (status != NICEST_OK)
        print_error("%s\n%s\n", nicest_error(), text);
    assert_int_equal(status, NICEST_OK);
    randomise(f, seed);
    hide_masked(f);
    return f;
}

/* rows[n, d]: standard normal, or in (0, 1) where the flow begins with a logit. */
static inline double *rows_for(const flow *f, size_t n, uint64_t seed)
{
    size_t d = f->spec.columns;
    double *rows = memory_new(n * d, sizeof *rows);
    assert_non_null(rows);
    for (size_t r = 0; r < n; r++)
        random_normal((random_stream){seed, RANDOM_USER, 1000}, r, rows + r * d, d);
    for (size_t i = 0; strstr(f->spec.text, "logit") && i < n * d; i++)
        rows[i] = 0.5 + 0.45 * tanh(rows[i]);
    return rows;
}

static inline flow_workspace *workspace_of(const flow *f, flow_use use, size_t rows, int threads)
{
    flow_workspace *w = NULL;
    assert_int_equal(flow_workspace_new(&w, f, use, rows, threads, false), NICEST_OK);
    return w;
}

/* Flows of the newer layers; the first word of each is its columns. */
static const char *const LAYER_SPECS[] = {
    "2\ncoupling move=second hidden=16 activation=tanh rule=affine\nscale\nprior normal\n",
    "5\nstandardise\ncoupling move=second hidden=16x2 activation=silu rule=affine bound=1.5\n"
    "permute reverse\ncoupling move=first hidden=9 rule=affine\nprior logistic\n",
    "1\nelementwise rule=spline bins=6 bound=3\nprior normal\n",
    "3\nelementwise rule=spline bins=2 bound=2\nelementwise rule=affine\nprior normal\n",
    "2\ncoupling move=second hidden=16 activation=silu rule=spline\n"
    "coupling move=first hidden=16 activation=tanh rule=spline bins=4 bound=3\nprior normal\n",
    "9\npermute random:3\ncoupling move=second hidden=24 blocks=2 activation=silu rule=spline bins=5\n"
    "scale\ncoupling move=first hidden=12 blocks=1 activation=relu rule=affine\nprior normal\n",
    "33\ncoupling move=first hidden=20,8 activation=tanh rule=spline bins=3\nprior logistic\n",
    "1\nautoregressive hidden=5 activation=tanh rule=spline bins=4\nprior normal\n",
    "2\nautoregressive hidden=7x2 activation=silu rule=affine\npermute reverse\n"
    "autoregressive hidden=16 activation=tanh rule=spline bins=4\nprior normal\n",
    "7\nautoregressive hidden=5,24 activation=relu rule=spline bins=6\nprior normal\n",
    "24\nconvolution size=6x4 keep=checkerboard:0 hidden=8x2\nconvolution size=6x4 "
    "keep=checkerboard:1 hidden=5x1 rule=additive\nconvolution size=4x6 keep=rows:1 hidden=4x1 "
    "rule=spline bins=3\nscale\nprior normal\n",
    "16\nconvolution size=4x4 cell=4 keep=blocks:1 hidden=3x1 bound=1\nprior logistic\n",
    "12\nconvolution size=2x2 channels=3 keep=columns:0 hidden=70x1\n"
    "coupling move=first hidden=7 activation=tanh\nprior normal\n",
    "19\nautoregressive hidden=64x2 activation=tanh rule=additive\nscale\nprior logistic\n",
};

static inline void for_every_layer(void (*check)(const shape *s, const char *text))
{
    for (size_t i = 0; i < sizeof LAYER_SPECS / sizeof *LAYER_SPECS; i++) {
        char text[1024];
        shape s = {.columns = 0};
        assert_int_equal(sscanf(LAYER_SPECS[i], "%zu", &s.columns), 1);
        snprintf(text, sizeof text, "nicest 1\ncolumns %s", LAYER_SPECS[i]);
        check(&s, text);
    }
}

/* Calls `check` for every combination of the lists below, and for the newer layers. */
static inline void for_every_shape(void (*check)(const shape *s, const char *text))
{
    static const size_t columns[] = {1, 2, 3, 5, 8, 33};
    static const char *const hidden[] = {"none", "16", "16x3", "32,8"};
    static const char *const activations[] = {"relu", "tanh", "silu"};
    static const char *const before[] = {"", "standardise\n", "logit margin=0.05\n",
                                         "marginal levels=6 knots=4\n"};
    static const char *const permutes[] = {"permute odd-even\n", "permute reverse\n",
                                           "permute random:7\n", ""};
    static const char *const middles[] = {"", "scale\npermute reverse\n", "linear form=lu\n",
                                          "scale\n", "linear form=triangular\n"};
    static const char *const priors[] = {"logistic", "normal", "mixture:3", "mixture:2:diagonal"};
    size_t number = 0;
    for (size_t c = 0; c < 6; c++)
        for (size_t h = 0; h < 4; h++)
            for (size_t a = 0; a < 3; a++)
                for (size_t b = 0; b < 4; b++, number++) {
                    char text[1024];
                    shape s = {columns[c],
                               before[b],
                               permutes[(number + h) % 4],
                               hidden[h],
                               activations[a],
                               middles[(number + a) % 5],
                               priors[(number / 3) % 4]};
                    check(&s, spec_of(&s, text, sizeof text));
                }
    for_every_layer(check);
}
