/* categories.c - the probability of a row's categories, one after the other.
 *
 *     log p  = sum over known categories of log p_i(class_i | classes before i, what is given)
 *     p_i(k) = (1 - e_i) softmax_k(net_i), + e_i where k is OTHER
 *
 * The net is one masked net over one-hot vectors (mlp.h); each vector's last place says `unknown`,
 * so an unknown category is passed over, and a net that was trained with unknown ones knows what
 * that means. e_i is kept for what training never saw: no training takes it away. The layer adds to
 * log p, leaves the values as they are, and has no log-determinant. It starts as the frequencies of
 * the classes, whatever stands before them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "flow/entry.h"
#include "flow/net.h"

enum { MOST_CATEGORIES = 4096 };

typedef struct categories {
    net_layer base;
    size_t count, inputs, outputs,
        given; /* inputs: with the places of `unknown`; given: behind them */
    size_t *classes, *input_end, *output_end; /* [count] each, one block */
    real *other;                              /* [count], frozen: e_i */
} categories;

static void categories_tensors(layer *self, const char *prefix, tensor_list *list)
{
    categories *c = (categories *)self;
    tensor_add(list, prefix, "other", TENSOR_FROZEN, c->count, 0, &c->other);
    mlp_tensors(&c->base.net, prefix, list);
}

static void categories_prepare(const layer *self, layer_needs *needs)
{
    const categories *c = (const categories *)self;
    arena_take(needs->scratch, (c->inputs + c->outputs + 3) * needs->rows, sizeof(real));
    mlp_prepare(&c->base.net, needs);
}

static nicest_status categories_start(layer *self, const layer_start *s)
{
    categories *c = (categories *)self;
    const map *last = &c->base.net.map[c->base.net.count - 1];
    for (size_t j = 0; j < s->entry->columns; j++)
        if (s->entry->place[j].category != SIZE_MAX)
            c->other[s->entry->place[j].category] = (real)s->entry->column[j].other;
    for (size_t i = 0; i < c->count; i++) {
        /* Biases are logarithms of frequencies with a row more that is all classes alike, but for
         * OTHER. */
        real *bias = last->bias + c->output_end[i] - c->classes[i];
        size_t classes = c->classes[i], named = classes - (c->other[i] > 0);
        double n = 0;
        for (size_t k = 0; k < classes; k++) {
            double count = 0;
            for (size_t r = 0; r < s->n; r++)
                count += s->category[i * s->n + r] == (real)k;
            bias[k] = (real)count;
            n += count;
        }
        for (size_t k = 0; k < classes; k++) {
            double share = ((double)bias[k] + (k < named ? 1 / (double)named : 0)) / (n + 1);
            bias[k] = (real)log(fmax(share, 1e-9));
        }
    }
    return NICEST_OK;
}

static nicest_status categories_check(const layer *self)
{
    const categories *c = (const categories *)self;
    for (size_t i = 0; i < c->count; i++)
        if (!(c->other[i] >= 0 && c->other[i] < 1))
            return fail(NICEST_E_FORMAT, "categories: the probability of OTHER is not in [0, 1)");
    return NICEST_OK;
}

/* p[classes, padded] = softmax(p), and the logarithm of each row's sum with its largest logit. */
static void softmax(real *p, size_t classes, size_t n, real *largest, real *log_sum)
{
    memcpy(largest, p, n * sizeof *p);
    for (size_t k = 1; k < classes; k++)
        for (size_t r = 0; r < n; r++)
            largest[r] = p[k * n + r] > largest[r] ? p[k * n + r] : largest[r];
    for (size_t k = 0; k < classes; k++)
        for (size_t r = 0; r < n; r++)
            p[k * n + r] -= largest[r];
    vector_exp(p, p, classes * n);
    vector_fill(log_sum, 0, n);
    for (size_t k = 0; k < classes; k++)
        vector_add_scaled(log_sum, p + k * n, 1, n);
    for (size_t k = 0; k < classes; k++)
        for (size_t r = 0; r < n; r++)
            p[k * n + r] /= log_sum[r];
    vector_log(log_sum, log_sum, n);
}

/* logp += log p_i; p becomes the softmax. The logarithm is of the logit, so that none is of 0. */
static void add_category(const categories *c, tile *t, size_t i, real *p, real *space)
{
    size_t n = t->padded, classes = c->classes[i];
    const real *class = t->category + i * n;
    real *largest = space, *log_sum = space + n, *logit = space + 2 * n;
    double other = (double)c->other[i];
    for (size_t r = 0; r < n; r++)
        logit[r] = class[r] >= 0 ? p[(size_t) class[r] * n + r] : 0;
    softmax(p, classes, n, largest, log_sum);
    for (size_t r = 0; r < n; r++) {
        if (!(class[r] >= 0))
            continue;
        double logp = (double)logit[r] - (double)largest[r] - (double)log_sum[r];
        bool is_other = other > 0 && class[r] == (real)(classes - 1);
        t->logp[r] += is_other ? log(other + (1 - other) * exp(logp)) : log1p(-other) + logp;
    }
}

static void categories_forward(const layer *self, tile *t)
{
    const categories *c = (const categories *)self;
    size_t n = t->padded;
    real *p = t->tape ? mlp_output_delta(&c->base.net, t)
                      : arena_take(t->scratch, c->outputs * n, sizeof *p);
    real *space = arena_take(t->scratch, 3 * n, sizeof *space);
    const real *hidden = mlp_hidden(&c->base.net, t, t->context, t->context + c->inputs * n);
    mlp_output(&c->base.net, t, hidden, 0, c->outputs, p);
    for (size_t i = 0; i < c->count; i++)
        add_category(c, t, i, p + (c->output_end[i] - c->classes[i]) * n, space);
}

static void categories_inverse(const layer *self, tile *t)
{
    (void)self, (void)t;
}

/* delta = weight (1[class] - softmax), times the softmax's share of p where the class is OTHER. */
static void categories_backward(const layer *self, tile *t)
{
    const categories *c = (const categories *)self;
    size_t n = t->padded;
    real *p = mlp_output_delta(&c->base.net, t);
    for (size_t i = 0; i < c->count; p += c->classes[i++] * n) {
        const real *class = t->category + i * n;
        for (size_t r = 0; r < n; r++) {
            bool known = r < t->rows && class[r] >= 0;
            size_t at = known ? (size_t) class[r] : 0;
            bool is_other = known && c->other[i] > 0 && at == c->classes[i] - 1;
            double own = (1 - (double)c->other[i]) * (double)p[at * n + r];
            real factor = !known ? 0 : t->weight[r];
            if (is_other)
                factor *= (real)(own / ((double)c->other[i] + own));
            for (size_t k = 0; k < c->classes[i]; k++)
                p[k * n + r] = known ? factor * ((real)(k == at) - p[k * n + r]) : 0;
        }
    }
    real *dinput = arena_take(t->scratch, c->inputs * n, sizeof *dinput);
    vector_fill(dinput, 0, c->inputs * n);
    mlp_backward(&c->base.net, t, dinput);
}

/* The class at which the sum of probabilities passes u; the named ones only. */
static size_t choose_class(const real *p, size_t named, size_t n, double u)
{
    double sum = 0, passed = 0;
    size_t k = 0;
    for (size_t i = 0; i < named; i++)
        sum += (double)p[i * n];
    for (; k + 1 < named; k++) {
        passed += (double)p[k * n];
        if (u * sum < passed)
            break;
    }
    return k;
}

static void categories_draw(const layer *self, tile *t, const real *u)
{
    const categories *c = (const categories *)self;
    size_t used = t->scratch->used, n = t->padded;
    real *context = (real *)t->context, *p = arena_take(t->scratch, c->outputs * n, sizeof *p);
    real *space = arena_take(t->scratch, 2 * n, sizeof *space);
    mlp_steps steps = mlp_steps_begin(&c->base.net, t, context + c->inputs * n);
    for (size_t i = 0; i < c->count; i++) {
        size_t classes = c->classes[i], first = c->output_end[i] - classes;
        size_t begin = c->input_end[i] - classes - 1;
        mlp_step(&c->base.net, t, &steps, first, classes, p);
        softmax(p, classes, n, space, space + n);
        vector_fill(context + begin * n, 0, (classes + 1) * n);
        for (size_t r = 0; r < n; r++) {
            size_t k = choose_class(p + r, classes - (c->other[i] > 0), n, (double)u[i * n + r]);
            context[(begin + k) * n + r] = 1;
            t->category[i * n + r] = (real)k;
        }
        memcpy(steps.input + begin * n, context + begin * n, (classes + 1) * n * sizeof *context);
    }
    t->scratch->used = used;
}

static const size_t *categories_classes(const layer *self, size_t *count)
{
    *count = ((const categories *)self)->count;
    return ((const categories *)self)->classes;
}

static void categories_free(layer *self)
{
    categories *c = (categories *)self;
    memory_free(c->classes);
    net_free(self);
}

static const layer_class categories_class = {
    .name = "categories",
    NET_FUNCTIONS,
    .tensors = categories_tensors,
    .prepare = categories_prepare,
    .start = categories_start,
    .check = categories_check,
    .forward = categories_forward,
    .inverse = categories_inverse,
    .backward = categories_backward,
    .classes = categories_classes,
    .draw = categories_draw,
    .free = categories_free,
};

/* "2x14,41,9" into classes[MOST_CATEGORIES]. */
static bool parse_classes(const char *text, size_t *classes, size_t *count)
{
    char item[32];
    for (*count = 0;; text++) {
        size_t length = strcspn(text, ","), times = 1, value;
        if (length == 0 || length >= sizeof item)
            return false;
        memcpy(item, text, length);
        item[length] = 0;
        if (!spec_times(item, 1 << 16, MOST_CATEGORIES, &value, &times) ||
            *count + times > MOST_CATEGORIES)
            return false;
        while (times--)
            classes[(*count)++] = value;
        text += length;
        if (!*text)
            return true;
    }
}

static bool take_classes(categories *c, const size_t *classes)
{
    c->classes = memory_new(3 * c->count, sizeof *c->classes);
    if (!c->classes)
        return false;
    c->input_end = c->classes + c->count;
    c->output_end = c->input_end + c->count;
    for (size_t i = 0; i < c->count; i++) {
        c->classes[i] = classes[i];
        c->inputs += classes[i] + 1;
        c->outputs += classes[i];
        c->input_end[i] = c->inputs;
        c->output_end[i] = c->outputs;
    }
    return true;
}

static void drop_categories(categories **c)
{
    if (*c)
        categories_free(&(*c)->base.layer);
}

nicest_status categories_parse(const spec_line *l, const spec_shape *shape, char *canonical,
                               layer **out)
{
    static const char *const keys[] = {"classes", "hidden", "activation", "dropout", NULL};
    const char *text = spec_option(l, "classes");
    char conditioner[SPEC_LINE - 128];
    OWNED_NEW(size_t *, classes, MOST_CATEGORIES);
    OWNED_BY(drop_categories) categories *c = memory_new(1, sizeof *c);
    mlp_spec spec;
    TRY(check_memory(c));
    if (!shape->first)
        return spec_refuse(l, "'categories' stand before the other layers, and once");
    if (!spec_known_options(l, keys) || !text || !parse_classes(text, classes, &c->count))
        return spec_refuse(l, "expected 'categories classes=2,3x4,... hidden=WIDTHxDEPTH', and "
                              "activation=relu|tanh|silu, dropout=P");
    TRY(mlp_parse(l, &spec, conditioner));
    if (strlen(text) + strlen(conditioner) + 32 > SPEC_LINE)
        return spec_refuse(l, "the line is too long");
    TRY(check_memory(take_classes(c, classes)));
    if (c->inputs > shape->context || !spec.hidden_count)
        return spec_refuse(l, "the context is too small for the categories (their classes and one "
                              "more for each), or the net has no hidden layer");
    c->base.layer = (layer){&categories_class, shape->columns};
    c->given = shape->context - c->inputs;
    spec.input_end = c->input_end;
    spec.output_end = c->output_end;
    snprintf(canonical, SPEC_LINE, "categories classes=%s %s", text, conditioner);
    TRY(check_memory(mlp_open(&c->base.net, c->inputs, c->given, c->outputs, c->count, &spec)));
    *out = memory_take(&c);
    return NICEST_OK;
}
