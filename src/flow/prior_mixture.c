/* prior_mixture.c - a mixture of Gaussians as the density of the latent: the last layer of its
 * flow.
 *
 *     log p(h) = log sum_k w_k N(h; m_k, C_k),  w = softmax(logit)
 *     z_i = e^s_i (c_i y_i + sum_{j<i} B_ij y_j - b_i),  y = h - m0_k
 *         = A (h - m_k) of C_k = (A'A)^-1
 *
 * m0 and c (the start's means and diagonals of A) are frozen; b, s and B learn. So a step of any of
 * them moves z by about as much, however close to each other the columns lie. The start is
 * base/mixture.c's fit of what the layer sees, and so is the arithmetic: a thread keeps the mixture
 * in double, made anew where parameters changed. A gradient by parameters is a function of three
 * sums: of g = weight share, g y and g y y', which with holes are expectations given what is seen.
 */
#include "flow/prior.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/gaussian.h"
#include "base/mixture.h"
#include "base/status.h"
#include "flow/state.h"

enum { MOST_PARTS_OF_PRIOR = 1024, MOST_WHOLE_COLUMNS = 1024 };

/* Rows times columns squared times parts that the start looks at, and the rows it does at least. */
static const double START_WORK = 5e8;
enum { START_ROWS = 16384 };
/* Rows that are summed at once: the bits must not depend on the size of tiles. */
enum { SUMMED_ROWS = 64 };

typedef struct prior_mixture {
    layer layer;
    size_t parts, size;                /* size: numbers of a triangle */
    bool diagonal, masked, background; /* the last of the parts is the background */
    real *logit;                       /* [parts] */
    real *part;  /* [parts, columns + size]: b, then s on the diagonal and B below, by columns */
    real *start; /* [parts, 2 columns], frozen: m0, c */
} prior_mixture;

/* What a thread keeps from tile to tile. */
typedef struct memo {
    memory_group memory;
    mixture *m;
    mixture_view *view;
    real *of;          /* [parts, 3 columns + size]: the parameters that m was made of */
    bool *made;        /* [parts] */
    real *logit;       /* [parts] of m */
    double *x, *slope; /* [columns, MIXTURE_BLOCK] rows of one pattern, and their gradient */
    double *logp;      /* [MIXTURE_BLOCK] */
    double *share;     /* [MIXTURE_BLOCK] */
    double *sums;      /* [mixture_part_size()] */
    double *factor;    /* [size]: A of the part at hand */
    double *square;    /* [columns, columns] */
    double *row;       /* [2 columns] */
    size_t index[MIXTURE_BLOCK]; /* rows of one pattern */
    unsigned char done[MIXTURE_BLOCK];
} memo;

/* ------------------------------------------------------------------ tensors */

static void prior_tensors(layer *self, const char *prefix, tensor_list *list)
{
    prior_mixture *p = (prior_mixture *)self;
    tensor_add(list, prefix, "logit", TENSOR_SCALE, p->parts, 0, &p->logit);
    tensor_add(list, prefix, "part", TENSOR_SCALE, p->parts, self->columns + p->size, &p->part);
    tensor_add(list, prefix, "start", TENSOR_FROZEN, p->parts, 2 * self->columns, &p->start);
}

/* One matrix: h, the weighted shares and, where rows have holes, what is seen. */
static size_t prior_tape(const layer *self, size_t *width)
{
    const prior_mixture *p = (const prior_mixture *)self;
    if (width)
        width[0] = self->columns + p->parts + (p->masked ? self->columns : 0);
    return 1;
}

static nicest_status prior_check(const layer *self)
{
    const prior_mixture *p = (const prior_mixture *)self;
    for (size_t k = 0; k < p->parts; k++)
        for (size_t j = 0; j < self->columns; j++)
            if (!(p->start[(2 * k + 1) * self->columns + j] > 0))
                return fail(NICEST_E_FORMAT, "prior.start: the scale of part %zu, column %zu is %g",
                            k + 1, j + 1, (double)p->start[(2 * k + 1) * self->columns + j]);
    return NICEST_OK;
}

/* ------------------------------------------------------------------ the mixture of a thread */

static void prior_forget(void *memo_as_pointer)
{
    memo *o = memo_as_pointer;
    if (!o)
        return;
    mixture_view_free(o->view);
    mixture_free(o->m);
    memory_leave(&o->memory);
    memory_free(o);
}

DEFINE_DROP(drop_memo, memo, prior_forget)

static nicest_status prior_remember(const layer *self, bool learns, void **out)
{
    const prior_mixture *p = (const prior_mixture *)self;
    size_t d = self->columns, square = learns && !p->diagonal ? d * d : 0;
    OWNED_BY(drop_memo) memo *o = memory_new(1, sizeof *o);
    TRY(check_memory(o));
    TRY(mixture_new(&o->m, d, p->parts, p->diagonal));
    TRY(mixture_view_new(&o->view, o->m, p->masked));
    o->of = memory_join(&o->memory, p->parts, (3 * d + p->size + 1) * sizeof(real));
    o->made = memory_join(&o->memory, p->parts, sizeof *o->made);
    o->x = memory_join(&o->memory,
                       2 * (d + 1) * MIXTURE_BLOCK + mixture_part_size(d, p->diagonal) + p->size +
                           square + 2 * d,
                       sizeof *o->x);
    TRY(check_memory(!o->memory.lacking));
    o->logit = o->of + p->parts * (3 * d + p->size);
    o->slope = o->x + d * MIXTURE_BLOCK;
    o->logp = o->slope + d * MIXTURE_BLOCK;
    o->share = o->logp + MIXTURE_BLOCK;
    o->sums = o->share + MIXTURE_BLOCK;
    o->factor = o->sums + mixture_part_size(d, p->diagonal);
    o->row = o->factor + p->size;
    o->square = o->row + 2 * d;
    *out = memory_take(&o);
    return NICEST_OK;
}

/* A of part k, packed. */
static void read_factor(const prior_mixture *p, size_t k, double *factor)
{
    assert(k < p->parts);
    size_t d = p->layer.columns;
    const real *from = p->part + k * (d + p->size) + d, *scale = p->start + (2 * k + 1) * d;
    for (size_t i = 0; i < d; i++) {
        size_t diagonal = p->diagonal ? i : gaussian_column(d, i);
        double stretch = exp((double)from[diagonal]);
        factor[diagonal] = stretch * (double)scale[i];
        for (size_t j = 0; !p->diagonal && j < i; j++)
            factor[gaussian_column(d, j) + i - j] =
                stretch * (double)from[gaussian_column(d, j) + i - j];
    }
}

/* Makes part k of the memo's mixture unless its parameters are the same as before. */
static void refresh_part(const prior_mixture *p, memo *o, size_t k)
{
    size_t d = p->layer.columns, numbers = d + p->size, stride = numbers + 2 * d;
    const real *part = p->part + k * numbers, *start = p->start + 2 * k * d;
    real *of = o->of + k * stride;
    if (o->made[k] && !memcmp(of, part, numbers * sizeof *of) &&
        !memcmp(of + numbers, start, 2 * d * sizeof *of))
        return;
    memcpy(of, part, numbers * sizeof *of);
    memcpy(of + numbers, start, 2 * d * sizeof *of);
    double *mean = o->m->part + k * mixture_part_size(d, p->diagonal) + 1, *factor = mean + d;
    double *shift = o->row;
    read_factor(p, k, factor);
    if (!p->diagonal)
        gaussian_invert(factor, d);
    for (size_t i = 0; i < d; i++) {
        size_t diagonal = p->diagonal ? i : gaussian_column(d, i);
        shift[i] = exp((double)part[d + diagonal]) * (double)part[i];
        if (p->diagonal)
            mean[i] = shift[i] * (factor[i] = 1 / factor[i]);
    }
    if (!p->diagonal)
        gaussian_multiply(factor, d, shift, mean);
    for (size_t i = 0; i < d; i++)
        mean[i] += (double)start[i];
    o->made[k] = true;
    mixture_changed(o->view, k);
}

static double log_total(const real *logit, size_t n)
{
    real most = logit[0];
    double sum = 0;
    for (size_t k = 1; k < n; k++)
        most = logit[k] > most ? logit[k] : most;
    for (size_t k = 0; k < n; k++)
        sum += exp((double)logit[k] - (double)most);
    return (double)most + log(sum);
}

static void refresh(const prior_mixture *p, memo *o)
{
    size_t stride = mixture_part_size(p->layer.columns, p->diagonal);
    bool first = !o->made[0];
    for (size_t k = 0; k < p->parts; k++)
        refresh_part(p, o, k);
    if (!first && !memcmp(o->logit, p->logit, p->parts * sizeof *p->logit))
        return;
    memcpy(o->logit, p->logit, p->parts * sizeof *p->logit);
    double total = log_total(p->logit, p->parts);
    for (size_t k = 0; k < p->parts; k++) {
        o->m->part[k * stride] = (double)p->logit[k] - total;
        mixture_changed(o->view, k);
    }
}

void prior_mixture_sample(const layer *self, void *memo_as_pointer, random_stream stream,
                          uint64_t row, double temperature, double *h)
{
    memo *o = memo_as_pointer;
    refresh((const prior_mixture *)self, o);
    mixture_sample(o->m, stream, row, temperature, h);
}

/* ------------------------------------------------------------------ rows of one pattern */

/* The next rows of x[d, n] (of `taped` where that is not NULL) that have one pattern of holes and
 * are not done: into o->x, [d, *padded], their numbers into o->index; the view looks at the
 * pattern. Returns how many; 0: there are no more. Without a mask all rows are of one. */
static size_t next_pattern(memo *o, const double *x, const real *taped, const real *mask, size_t n,
                           size_t *padded)
{
    assert(n <= MIXTURE_BLOCK);
    size_t d = o->m->columns, first = 0, count = 0;
    while (first < n && o->done[first])
        first++;
    for (size_t r = first; r < n; r++) {
        bool same = !o->done[r];
        for (size_t j = 0; mask && same && j < d; j++)
            same = mask[j * n + r] == mask[j * n + first];
        if (same)
            o->index[count++] = r;
        o->done[r] = o->done[r] || same;
    }
    *padded = (count + GAUSSIAN_LANES - 1) / GAUSSIAN_LANES * GAUSSIAN_LANES;
    for (size_t j = 0; j < d && count; j++) {
        o->row[j] = !mask || mask[j * n + first] > 0 ? 0 : NAN;
        for (size_t i = 0; i < *padded; i++) {
            size_t at = j * n + o->index[i < count ? i : 0];
            o->x[j * *padded + i] = taped ? (double)taped[at] : x[at];
        }
    }
    if (count)
        mixture_look(o->view, mask ? o->row : NULL);
    return count;
}

/* Where a backward will follow, dx is made here already, while the shares are at hand. */
static void prior_forward(const layer *self, tile *t)
{
    const prior_mixture *p = (const prior_mixture *)self;
    memo *o = t->memo;
    size_t d = self->columns, n = t->padded, padded, count, width;
    real *taped = NULL;
    prior_tape(self, &width);
    refresh(p, o);
    if (t->tape) {
        taped = t->tape->matrix[0] + t->first * width;
        state_narrow(taped, t->x, d * n);
        if (t->mask)
            memcpy(taped + (d + p->parts) * n, t->mask, d * n * sizeof *taped);
        if (t->largest)
            t->largest[0] = vector_max_abs(taped, d * n);
    }
    memset(o->done, 0, sizeof o->done);
    while ((count = next_pattern(o, t->x, NULL, t->mask, n, &padded)) > 0) {
        const double *share = mixture_block(o->view, o->x, padded, o->logp);
        for (size_t i = 0; i < count; i++)
            t->logp[o->index[i]] += o->logp[i];
        for (size_t k = 0; taped && k < p->parts; k++)
            for (size_t i = 0; i < count; i++)
                taped[(d + k) * n + o->index[i]] =
                    t->weight[o->index[i]] * (real)share[k * padded + i];
        if (!t->dx)
            continue;
        mixture_block_gradient(o->view, o->x, padded, o->slope);
        for (size_t j = 0; j < d; j++)
            for (size_t i = 0; i < count; i++)
                t->dx[j * n + o->index[i]] =
                    t->weight[o->index[i]] * (real)o->slope[j * padded + i];
    }
}

static void prior_inverse(const layer *self, tile *t)
{
    (void)self;
    (void)t;
}

static void prior_backward(const layer *self, tile *t)
{
    if (t->largest)
        t->largest[1] = vector_max_abs(t->dx, self->columns * t->padded);
}

/* ------------------------------------------------------------------ gradients by parameters */

static void prior_blocks(const layer *self, size_t index, const tensor_list *list,
                         block_list *blocks)
{
    const prior_mixture *p = (const prior_mixture *)self;
    size_t numbers = self->columns + p->size;
    for (size_t i = 0; i < list->count; i++) {
        const tensor *t = &list->items[i];
        if (t->slot == &p->logit)
            block_add(blocks, &(block){.layer = index, .offset = t->offset, .count = p->parts});
        for (size_t k = 0; t->slot == &p->part && k < p->parts; k++)
            block_add(blocks, &(block){.layer = index,
                                       .tensor = 1,
                                       .row = k,
                                       .rows = 1,
                                       .offset = t->offset + k * numbers,
                                       .count = numbers});
    }
}

/* d/d logit_k = sum over rows of weight (share_k - w_k) */
static void logit_gradient(const prior_mixture *p, const batch *b, real *g)
{
    size_t d = p->layer.columns, width;
    double all = 0, total = log_total(p->logit, p->parts);
    prior_tape(&p->layer, &width);
    for (size_t k = 0; k < p->parts; k++) {
        double sum = batch_sum(b, b->tape->matrix[0], width, d + k);
        g[k] = (real)sum;
        all += sum;
    }
    for (size_t k = 0; k < p->parts; k++)
        g[k] -= (real)(all * exp((double)p->logit[k] - total));
}

/* With N, q, Q the sums of g, g y and g y y', y = h - m: sum g z = A q, sum g z y' = A Q, so
 *     d/ds_i = N - (A Q A')_ii,  d/db_i = e^s_i (A q)_i,  d/dB_ij = -e^s_i ((A Q)_ij + (A q)_i (m -
 * m0)_j) */
static void give_part(const prior_mixture *p, memo *o, size_t k, real *g)
{
    size_t d = p->layer.columns;
    const double *q = o->sums + 1, *packed = q + d, *a = o->factor;
    const double *mean = o->m->part + k * mixture_part_size(d, p->diagonal) + 1;
    const real *part = p->part + k * (d + p->size), *start = p->start + 2 * k * d;
    double *row = o->row;
    read_factor(p, k, o->factor);
    for (size_t j = 0; !p->diagonal && j < d; j++)
        for (size_t i = j; i < d; i++)
            o->square[i * d + j] = o->square[j * d + i] = packed[gaussian_column(d, j) + i - j];
    for (size_t i = 0; i < d; i++) {
        size_t own = p->diagonal ? i : gaussian_column(d, i);
        double stretch = exp((double)part[d + own]), aq = a[own] * q[i], aqa = 0;
        if (p->diagonal) {
            aqa = a[i] * a[i] * packed[i];
        } else {
            memset(row, 0, d * sizeof *row);
            for (size_t j = 0; j <= i; j++) {
                double coefficient = a[gaussian_column(d, j) + i - j];
                aq += j < i ? coefficient * q[j] : 0;
                for (size_t c = 0; c <= i; c++)
                    row[c] += coefficient * o->square[j * d + c];
            }
            for (size_t j = 0; j <= i; j++)
                aqa += row[j] * a[gaussian_column(d, j) + i - j];
        }
        g[i] = (real)(stretch * aq);
        g[d + own] = (real)(o->sums[0] - aqa);
        for (size_t j = 0; !p->diagonal && j < i; j++)
            g[d + gaussian_column(d, j) + i - j] =
                (real)(-stretch * (row[j] + aq * (mean[j] - (double)start[j])));
    }
}

static void prior_gradient(const layer *self, const batch *b, const block *which, real *g)
{
    const prior_mixture *p = (const prior_mixture *)self;
    memo *o = b->memo;
    size_t d = self->columns, k = which->row, width, n, count, padded;
    if (which->tensor == 0) {
        logit_gradient(p, b, g);
        return;
    }
    prior_tape(self, &width);
    refresh_part(p, o, k); /* others may be changing now */
    memset(o->sums, 0, mixture_part_size(d, p->diagonal) * sizeof *o->sums);
    for (size_t i = 0; (n = batch_padded(b, i)) > 0; i++) {
        const real *taped = b->tape->matrix[0] + i * b->tile * width;
        const real *mask = p->masked ? taped + (d + p->parts) * n : NULL;
        for (size_t first = 0; first < n; first += SUMMED_ROWS) {
            memset(o->done, 1, sizeof o->done);
            memset(o->done + first, 0, SUMMED_ROWS);
            while ((count = next_pattern(o, NULL, taped, mask, n, &padded)) > 0) {
                for (size_t r = 0; r < padded; r++)
                    o->share[r] = r < count ? (double)taped[(d + k) * n + o->index[r]] : 0;
                mixture_block_sums(o->view, k, o->x, o->share, padded, true, o->sums);
            }
        }
    }
    give_part(p, o, k, g);
}

/* ------------------------------------------------------------------ starting values */

static nicest_status prior_start(layer *self, const layer_start *s)
{
    prior_mixture *p = (prior_mixture *)self;
    size_t d = self->columns;
    double width = p->diagonal ? (double)d : (double)d * (double)d;
    double most = fmax(START_WORK / (width * (double)p->parts), START_ROWS);
    size_t n = (double)s->n < most ? s->n : (size_t)most;
    OWNED_NEW(double *, x, n *d + p->size);
    OWNED_BY(mixture_drop) mixture *m = NULL;
    for (size_t i = 0; i < n; i++) {
        size_t r = (size_t)((double)i * (double)s->n / (double)n);
        for (size_t j = 0; j < d; j++)
            x[i * d + j] =
                s->mask && !(s->mask[j * s->stride + r] > 0) ? NAN : s->x[j * s->stride + r];
    }
    TRY(mixture_fit(&m, &(mixture_rows){x, NULL, n, d},
                    &(mixture_options){.parts = p->parts - p->background,
                                       .background = p->background,
                                       .diagonal = p->diagonal,
                                       .noise = s->noise,
                                       .seed = s->stream.seed,
                                       .threads = s->threads},
                    NULL));
    double *factor = x + n * d;
    for (size_t k = 0; k < p->parts; k++) { /* A = L^-1, of which the diagonal becomes c */
        const double *from = m->part + k * mixture_part_size(d, p->diagonal);
        real *part = p->part + k * (d + p->size), *start = p->start + 2 * k * d;
        memcpy(factor, from + 1 + d, p->size * sizeof *factor);
        if (!p->diagonal)
            gaussian_invert(factor, d);
        p->logit[k] = (real)fmax(from[0], -50); /* a part without rows may find some */
        for (size_t i = 0; i < p->size; i++)
            part[d + i] = (real)factor[i];
        for (size_t i = 0; i < d; i++) {
            size_t own = p->diagonal ? i : gaussian_column(d, i);
            part[i] = part[d + own] = 0;
            start[i] = (real)from[1 + i];
            start[d + i] = (real)(p->diagonal ? 1 / factor[i] : factor[own]);
        }
    }
    return NICEST_OK;
}

/* ------------------------------------------------------------------ the layer */

static const layer_class prior_mixture_class = {
    .name = "prior mixture",
    .tensors = prior_tensors,
    .tape = prior_tape,
    .start = prior_start,
    .check = prior_check,
    .remember = prior_remember,
    .forget = prior_forget,
    .forward = prior_forward,
    .inverse = prior_inverse,
    .backward = prior_backward,
    .blocks = prior_blocks,
    .gradient = prior_gradient,
};

nicest_status prior_mixture_parse(const spec_line *l, const spec_shape *shape, char *canonical,
                                  layer **out)
{
    char number[32];
    const char *setting = l->word[1] + strlen("mixture"), *kind;
    size_t parts = 0, d = shape->columns;
    setting += *setting == ':';
    kind = setting + strcspn(setting, ":");
    snprintf(number, sizeof number, "%.*s", (int)(kind - setting), setting);
    bool diagonal = !strcmp(kind, ":diagonal"), background = !strcmp(kind, ":background");
    if ((*kind && !diagonal && !background) || !spec_count(number, 1, MOST_PARTS_OF_PRIOR, &parts))
        return spec_refuse(l, "expected 'prior mixture:K', 'prior mixture:K:diagonal' or 'prior "
                              "mixture:K:background', K from 1 to 1024");
    if (d == 0)
        return spec_refuse(l, "a mixture needs columns");
    if (!diagonal && d > MOST_WHOLE_COLUMNS)
        return spec_refuse(l,
                           "whole covariances end at 1024 columns; 'mixture:K:diagonal' does not");
    prior_mixture *p = layer_new(&prior_mixture_class, sizeof *p, shape, out);
    if (!p)
        return NICEST_OK;
    p->parts = parts + background;
    p->background = background;
    p->diagonal = diagonal;
    p->masked = shape->masked;
    p->size = diagonal ? d : gaussian_packed(d);
    snprintf(canonical, SPEC_LINE, "prior mixture:%zu%s", parts, kind);
    return NICEST_OK;
}
