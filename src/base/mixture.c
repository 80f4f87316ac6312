/* mixture.c - see mixture.h.
 *
 * Rows are kept in blocks, columns one after the other, so that every loop runs along rows: a
 * triangular solve whitens a block. A block has one pattern of holes. With the seen columns first,
 * one partial Cholesky factor of a part's covariance holds all that a pattern needs:
 *
 *     [C_oo C_om]                [L_o          ]
 *     [C_mo C_mm]  ->  the rows  [W   C_mm|seen],   z = L_o^-1 (x_o - m_o),  E[x_m] = m_m + W z
 */
#include "base/mixture.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/gaussian.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/status.h"
#include "base/values.h"

static const double HALF_LOG_TWO_PI = 0.91893853320467274;

static size_t round_up(size_t n)
{
    return (n + GAUSSIAN_LANES - 1) / GAUSSIAN_LANES * GAUSSIAN_LANES;
}

static size_t factor_size(size_t d, bool diagonal)
{
    return diagonal ? d : gaussian_packed(d);
}

size_t mixture_part_size(size_t columns, bool diagonal)
{
    return 1 + columns + factor_size(columns, diagonal);
}

/* log w, m, L of part k, one after the other. */
static double *part_at(const mixture *m, size_t k)
{
    assert(k < m->parts);
    return m->part + k * mixture_part_size(m->columns, m->diagonal);
}

nicest_status mixture_new(mixture **out, size_t columns, size_t parts, bool diagonal)
{
    OWNED_NEW(mixture *, m, 1);
    *m = (mixture){columns, parts, diagonal, NULL};
    m->part = memory_new(parts, mixture_part_size(columns, diagonal) * sizeof *m->part);
    TRY(check_memory(m->part));
    *out = memory_take(&m);
    return NICEST_OK;
}

void mixture_free(mixture *m)
{
    if (m)
        memory_free(m->part);
    memory_free(m);
}

/* ------------------------------------------------------------------ a view */

/* What is known of a part: its covariance; its factor in the order of the pattern. */
enum { COVARIANCE_KNOWN = 1, PATTERN_KNOWN = 2 };

struct mixture_view {
    memory_group memory;
    const mixture *m;
    size_t seen;          /* columns */
    unsigned char *hole;  /* [d] */
    unsigned char *known; /* [parts] */
    size_t *order;        /* [d]: seen columns, then the others */
    double *covariance;   /* [parts, packed], when there may be holes; borrowed while fitting */
    bool own;             /* not borrowed */
    double *conditional;  /* [parts, packed]: factors of the pattern, when there may be holes */
    double *log_norm;     /* [parts]: log w - sum log L_ii - log(2 pi) seen / 2 */
    double *x, *y, *z;    /* [d, MIXTURE_BLOCK] */
    double *share;        /* [parts, MIXTURE_BLOCK] of the block at hand */
    double *logp, *part;  /* [MIXTURE_BLOCK] each */
};

void mixture_view_free(mixture_view *v)
{
    if (v)
        memory_leave(&v->memory);
    memory_free(v);
}

/* `covariance` is borrowed, or NULL. */
static nicest_status view_open(mixture_view **out, const mixture *m, bool holes, double *covariance)
{
    size_t d = m->columns, parts = m->parts, packed = holes ? gaussian_packed(d) : 0;
    size_t whole = m->diagonal ? 0 : parts, blocks = (3 * d + parts + 2) * MIXTURE_BLOCK;
    OWNED_BY(mixture_view_drop) mixture_view *v = memory_new(1, sizeof *v);
    TRY(check_memory(v));
    *v = (mixture_view){.m = m, .covariance = covariance, .own = !covariance, .seen = d};
    v->hole = memory_join(&v->memory, d + parts, 1);
    v->order = memory_join(&v->memory, d, sizeof *v->order);
    if (v->own)
        v->covariance = memory_join(&v->memory, whole, packed * sizeof(double));
    v->conditional = memory_join(&v->memory, whole, packed * sizeof(double));
    v->x = memory_join(&v->memory, blocks + parts, sizeof *v->x);
    TRY(check_memory(!v->memory.lacking));
    v->known = v->hole + d;
    v->y = v->x + d * MIXTURE_BLOCK;
    v->z = v->y + d * MIXTURE_BLOCK;
    v->share = v->z + d * MIXTURE_BLOCK;
    v->logp = v->share + parts * MIXTURE_BLOCK;
    v->part = v->logp + MIXTURE_BLOCK;
    v->log_norm = v->part + MIXTURE_BLOCK;
    for (size_t j = 0; j < d; j++)
        v->order[j] = j;
    *out = memory_take(&v);
    return NICEST_OK;
}

nicest_status mixture_view_new(mixture_view **out, const mixture *m, bool holes)
{
    return view_open(out, m, holes, NULL);
}

void mixture_changed(mixture_view *v, size_t k)
{
    assert(k < v->m->parts);
    v->known[k] = 0;
}

void mixture_look(mixture_view *v, const double *row)
{
    size_t d = v->m->columns;
    bool same = true;
    for (size_t j = 0; same && j < d; j++)
        same = v->hole[j] == (row && isnan(row[j]));
    if (same)
        return;
    v->seen = 0;
    for (size_t j = 0; j < d; j++) {
        v->hole[j] = row && isnan(row[j]);
        if (!v->hole[j])
            v->order[v->seen++] = j;
    }
    for (size_t j = 0, at = v->seen; j < d; j++)
        if (v->hole[j])
            v->order[at++] = j;
    for (size_t k = 0; k < v->m->parts; k++)
        v->known[k] &= COVARIANCE_KNOWN;
}

/* L_ii for column i of the view's order. */
static double pivot_of(const mixture_view *v, const double *factor, size_t i)
{
    return factor[v->m->diagonal ? v->order[i] : gaussian_column(v->m->columns, i)];
}

/* The factor of part k for the pattern at hand, which it makes where it is not known. */
static const double *factor_of(mixture_view *v, size_t k)
{
    size_t d = v->m->columns;
    const double *part = part_at(v->m, k), *factor = part + 1 + d;
    bool holes = v->seen < d && !v->m->diagonal;
    if (holes)
        factor = v->conditional + k * gaussian_packed(d);
    if (v->known[k] & PATTERN_KNOWN)
        return factor;
    if (holes) {
        /* The covariance of part k in the view's order, factored as far as columns are seen. */
        size_t packed = gaussian_packed(d);
        double *covariance = v->covariance + k * packed, *to = v->conditional + k * packed;
        if (v->own && !(v->known[k] & COVARIANCE_KNOWN))
            gaussian_square(part_at(v->m, k) + 1 + d, d, covariance);
        for (size_t j = 0; j < d; j++)
            for (size_t i = j; i < d; i++) {
                size_t a = v->order[i], b = v->order[j];
                size_t low = a < b ? a : b, high = a < b ? b : a;
                to[gaussian_column(d, j) + i - j] =
                    covariance[gaussian_column(d, low) + high - low];
            }
        gaussian_condition(to, d, v->seen, 1e-150);
        v->known[k] |= COVARIANCE_KNOWN;
    }
    v->log_norm[k] = part[0] - (double)v->seen * HALF_LOG_TWO_PI;
    for (size_t i = 0; i < v->seen; i++)
        v->log_norm[k] -= log(pivot_of(v, factor, i));
    v->known[k] |= PATTERN_KNOWN;
    return factor;
}

/* z[d, n] of part k for a block x[d, n], in the view's order: L_o^-1 (x_o - m_o), and behind that
 * what is expected of hidden columns less their mean. */
static void whiten(mixture_view *v, size_t k, const double *x, size_t n, double *z)
{
    size_t d = v->m->columns;
    const double *mean = part_at(v->m, k) + 1, *factor = factor_of(v, k);
    for (size_t i = 0; i < d; i++) {
        size_t c = v->order[i];
        double *to = z + i * n, scale = i < v->seen ? 1 / pivot_of(v, factor, i) : -1;
        for (size_t r = 0; r < n; r++)
            to[r] = i < v->seen ? x[c * n + r] - mean[c] : 0;
        if (!v->m->diagonal)
            gaussian_subtract_row(factor, d, i, i < v->seen ? i : v->seen, z, n, to);
        for (size_t r = 0; r < n; r++)
            to[r] *= scale;
    }
}

/* ------------------------------------------------------------------ blocks */

const double *mixture_block(mixture_view *v, const double *x, size_t n, double *logp)
{
    size_t parts = v->m->parts;
    assert(n <= MIXTURE_BLOCK);
    for (size_t k = 0; k < parts; k++) {
        double *term = v->share + k * n;
        whiten(v, k, x, n, v->z);
        memset(term, 0, n * sizeof *term);
        for (size_t i = 0; i < v->seen; i++)
            for (size_t r = 0; r < n; r++)
                term[r] += v->z[i * n + r] * v->z[i * n + r];
        for (size_t r = 0; r < n; r++)
            term[r] = v->log_norm[k] - term[r] / 2;
    }
    for (size_t r = 0; r < n; r++) {
        double most = v->share[r], sum = 0;
        for (size_t k = 1; k < parts; k++)
            most = fmax(most, v->share[k * n + r]);
        for (size_t k = 0; k < parts; k++)
            sum += v->share[k * n + r] = exp(v->share[k * n + r] - most);
        for (size_t k = 0; k < parts; k++)
            v->share[k * n + r] /= sum;
        logp[r] = most + log(sum);
    }
    return v->share;
}

/* d log p / dx = -sum_k share_k C_oo^-1 (x_o - m_o): from z by back substitution. */
void mixture_block_gradient(mixture_view *v, const double *x, size_t n, double *gradient)
{
    assert(n <= MIXTURE_BLOCK);
    size_t d = v->m->columns;
    memset(gradient, 0, d * n * sizeof *gradient);
    for (size_t k = 0; k < v->m->parts; k++) {
        const double *factor = factor_of(v, k), *share = v->share + k * n;
        whiten(v, k, x, n, v->z);
        for (size_t i = v->seen; i-- > 0;) {
            double *g = v->z + i * n, *to = gradient + v->order[i] * n;
            double inverse = 1 / pivot_of(v, factor, i);
            if (!v->m->diagonal)
                gaussian_subtract_column(factor, d, i, v->seen, v->z, n, g);
            for (size_t r = 0; r < n; r++) {
                g[r] *= inverse;
                to[r] -= share[r] * g[r];
            }
        }
    }
}

void mixture_block_sums(mixture_view *v, size_t k, const double *x, const double *share, size_t n,
                        bool squares, double *sums)
{
    assert(k < v->m->parts && n <= MIXTURE_BLOCK);
    size_t d = v->m->columns;
    const double *mean = part_at(v->m, k) + 1, *factor = v->seen < d ? factor_of(v, k) : NULL;
    double *y = v->y, *product = v->z, *square = sums + 1 + d, count = 0;
    for (size_t j = 0; j < d; j++)
        for (size_t r = 0; r < n; r++)
            y[j * n + r] = x[j * n + r] - mean[j];
    if (factor)
        whiten(v, k, x, n, v->z);
    for (size_t i = v->seen; i < d; i++)
        memcpy(y + v->order[i] * n, v->z + i * n, n * sizeof *y);
    for (size_t r = 0; r < n; r++)
        count += share[r];
    sums[0] += count;
    gaussian_add_sums(share, y, d, n, sums + 1);
    for (size_t j = 0; squares && j < d; j++) {
        for (size_t r = 0; r < n; r++)
            product[r] = share[r] * y[j * n + r];
        if (v->m->diagonal)
            gaussian_add_sums(product, y + j * n, 1, n, square + j);
        else
            gaussian_add_sums(product, y + j * n, d - j, n, square + gaussian_column(d, j));
    }
    for (size_t j = v->seen; squares && j < d; j++)
        for (size_t i = j; i < (v->m->diagonal ? j + 1 : d); i++) {
            size_t a = v->order[j], c = v->order[i]; /* a <= c: hidden columns keep their order */
            size_t at = v->m->diagonal ? a : gaussian_column(d, a) + c - a;
            square[at] += count * (v->m->diagonal ? factor[a] * factor[a]
                                                  : factor[gaussian_column(d, j) + i - j]);
        }
}

/* ------------------------------------------------------------------ use */

/* Rows first .. of equal pattern, at most a block, into v->x; returns their number. */
static size_t take_rows(mixture_view *v, const double *x, size_t n, size_t *padded)
{
    size_t d = v->m->columns, count = 1;
    bool same = true;
    mixture_look(v, x);
    while (count < n && count < MIXTURE_BLOCK) {
        for (size_t j = 0; same && j < d; j++)
            same = v->hole[j] == isnan(x[count * d + j]);
        if (!same)
            break;
        count++;
    }
    *padded = round_up(count);
    for (size_t r = 0; r < *padded; r++)
        for (size_t j = 0; j < d; j++) {
            double value = r < count && !v->hole[j] ? x[r * d + j] : 0;
            v->x[j * *padded + r] = value;
        }
    return count;
}

void mixture_evaluate(mixture_view *v, const double *x, size_t n, double *logp, double *gradient)
{
    size_t d = v->m->columns, padded, rows;
    for (size_t at = 0; at < n; at += rows) {
        rows = take_rows(v, x + at * d, n - at, &padded);
        mixture_block(v, v->x, padded, v->logp);
        for (size_t r = 0; r < rows; r++)
            logp[at + r] = isnan(v->logp[r]) ? -HUGE_VAL : v->logp[r];
        if (!gradient)
            continue;
        mixture_block_gradient(v, v->x, padded, v->y);
        for (size_t r = 0; r < rows; r++)
            for (size_t j = 0; j < d; j++)
                gradient[(at + r) * d + j] = v->y[j * padded + r];
    }
}

void mixture_sample(const mixture *m, random_stream stream, uint64_t number, double temperature,
                    double *x)
{
    size_t d = m->columns, k = 0;
    double u, so_far = exp(part_at(m, 0)[0]);
    random_stream choosing = stream;
    choosing.draw = ~stream.draw; /* apart from the normal numbers of the stream */
    random_uniform_double(choosing, number, &u, 1);
    while (so_far < u && k + 1 < m->parts)
        so_far += exp(part_at(m, ++k)[0]);
    const double *mean = part_at(m, k) + 1, *factor = mean + d;
    random_normal(stream, number, x, d);
    for (size_t i = d; i-- > 0;) { /* from the last, as each needs those before it */
        double sum = m->diagonal ? factor[i] * x[i] : 0;
        for (size_t j = 0; !m->diagonal && j <= i; j++)
            sum += factor[gaussian_column(d, j) + i - j] * x[j];
        x[i] = mean[i] + temperature * sum;
    }
}

/* ------------------------------------------------------------------ a fit at work */

typedef struct em_block {
    size_t at, rows, padded; /* its first row among all padded ones; how many */
    const double *pattern;   /* a row with its holes; NULL: none */
} em_block;

/* How a pass shares rows out: to the nearest mean, of which then only means or also covariances are
 * made; or to all parts by their densities. */
typedef enum em_kind { EM_NEAREST, EM_WHOLE, EM_SHARED } em_kind;

typedef struct em {
    memory_group memory;
    const mixture_rows *rows;
    const mixture_options *o;
    mixture *m;
    size_t d, parts, size, padded; /* size: numbers of a covariance; padded: rows of all blocks */
    size_t learned;                /* parts, but for the background */
    em_block *block;
    size_t blocks;
    double *x;       /* blocks [d, padded rows], holes filled with the column's mean */
    double *weight;  /* [padded], 0 in padding */
    double *nearest; /* [padded]: squared distance to the nearest seed */
    double *trial;   /* the same with one more, at `centre` [d] */
    double *centre;
    double *mean;       /* [d] of the columns' values */
    double *covariance; /* [parts, size] */
    double *sums;       /* [chunks, parts, 1 + d + size]: weights, (x - m), (x - m)(x - m)' */
    double *score;      /* [chunks]: weighted log-likelihood, or minus squared distances */
    size_t chunks;      /* runs of blocks with sums of their own, whatever the threads */
    double total;       /* weight of all rows */
    int threads;
    mixture_view **view; /* [threads] */
    em_kind kind;
} em;

/* Deviations of the background, in those of the columns. */
static const double BACKGROUND_SPREAD = 1.5;
enum { MOST_CHUNKS = 32, CHUNK_NUMBERS = 1 << 23, SHORT_RUN = 10, LLOYD_ROUNDS = 12 };

static double *sums_at(const em *e, size_t chunk, size_t k)
{
    assert(chunk < e->chunks && k < e->parts);
    return e->sums + (chunk * e->parts + k) * (1 + e->d + e->size);
}

/* Each row wholly to the part with the nearest mean; minus the squared distance into logp. */
static void nearest_of_block(const em *e, mixture_view *v, const double *x, size_t n)
{
    memset(v->share, 0, e->parts * n * sizeof *v->share);
    for (size_t k = 0; k < e->learned; k++) {
        const double *mean = part_at(e->m, k) + 1;
        double *square = v->part;
        memset(square, 0, n * sizeof *square);
        for (size_t j = 0; j < e->d; j++)
            for (size_t r = 0; r < n; r++)
                square[r] -= (x[j * n + r] - mean[j]) * (x[j * n + r] - mean[j]);
        for (size_t r = 0; r < n; r++) {
            if (k > 0 && !(square[r] > v->logp[r]))
                continue;
            v->logp[r] = square[r];
            for (size_t other = 0; other <= k; other++)
                v->share[other * n + r] = other == k;
        }
    }
}

static void pass_chunk(void *context, int thread, size_t chunk)
{
    em *e = context;
    mixture_view *v = e->view[thread];
    size_t first = chunk * e->blocks / e->chunks, end = (chunk + 1) * e->blocks / e->chunks;
    double score = 0;
    memset(sums_at(e, chunk, 0), 0,
           e->parts * mixture_part_size(e->d, e->m->diagonal) * sizeof(double));
    mixture_look(v, NULL);
    for (size_t k = 0; k < e->parts; k++)
        mixture_changed(v, k);
    for (const em_block *b = e->block + first; b < e->block + end; b++) {
        const double *x = e->x + b->at * e->d, *weight = e->weight + b->at;
        size_t n = b->padded;
        if (e->kind == EM_SHARED) {
            mixture_look(v, b->pattern);
            mixture_block(v, x, n, v->logp);
        } else {
            nearest_of_block(e, v, x, n);
        }
        for (size_t r = 0; r < b->rows; r++)
            score += weight[r] * v->logp[r];
        for (size_t k = 0; k < e->learned; k++) {
            for (size_t r = 0; r < n; r++)
                v->part[r] = weight[r] * v->share[k * n + r];
            mixture_block_sums(v, k, x, v->part, n, e->kind != EM_NEAREST, sums_at(e, chunk, k));
        }
    }
    e->score[chunk] = score;
}

/* Expectation, and the sums for what follows; returns the mean of the rows' scores. */
static double expect(em *e, em_kind kind)
{
    double score = 0;
    e->kind = kind;
    parallel_for(e->threads, e->chunks, pass_chunk, e);
    for (size_t i = 0; i < e->chunks; i++)
        score += e->score[i];
    return score / e->total;
}

static double ridge_of(const em *e, size_t j)
{
    return e->o->ridge ? e->o->ridge[j] : 1e-8;
}

/* New values of part k. One without rows keeps its shape. */
static void maximise_part(void *context, int thread, size_t k)
{
    em *e = context;
    size_t d = e->d, numbers = 1 + d + e->size;
    double *sums = sums_at(e, 0, k), *part = part_at(e->m, k), *square = sums + 1 + d;
    (void)thread;
    for (size_t chunk = 1; chunk < e->chunks; chunk++)
        for (size_t i = 0; i < numbers; i++)
            sums[i] += sums_at(e, chunk, k)[i];
    double count = sums[0];
    part[0] = log(fmax(count / e->total, 1e-300));
    if (!(count > 1e-10 * e->total))
        return;
    for (size_t j = 0; j < d; j++) {
        sums[1 + j] /= count;
        part[1 + j] += sums[1 + j];
    }
    if (e->kind == EM_NEAREST)
        return;
    double *covariance = e->covariance + k * e->size, prior = e->o->common_rows;
    for (size_t j = 0, at = 0; j < d; j++)
        for (size_t i = j; i < (e->m->diagonal ? j + 1 : d); i++, at++) {
            covariance[at] = square[at] / count - sums[1 + i] * sums[1 + j];
            if (e->o->common)
                covariance[at] =
                    (count * covariance[at] + prior * e->o->common[at]) / (count + prior);
            covariance[at] += i == j ? ridge_of(e, j) : 0;
            if (e->o->noise && i == j)
                covariance[at] += (e->m->diagonal ? 2 : (double)d + 1) / count * e->o->noise[j];
        }
    memcpy(part + 1 + d, covariance, e->size * sizeof *covariance);
    for (size_t j = 0; e->m->diagonal && j < d; j++)
        part[1 + d + j] = sqrt(fmax(covariance[j], ridge_of(e, j)));
    if (!e->m->diagonal)
        gaussian_factor(part + 1 + d, d, 1e-150);
}

static void maximise(em *e)
{
    double sum = 0;
    parallel_for(e->threads, e->learned, maximise_part, e);
    if (!e->o->background)
        return;
    for (size_t k = 0; k < e->learned; k++)
        sum += exp(part_at(e->m, k)[0]);
    for (size_t k = 0; k < e->learned; k++) /* they share what the background leaves */
        part_at(e->m, k)[0] += log(e->total / (e->total + 1) / sum);
}

/* The last part: every column by itself, at the mean of its values. */
static void set_background(em *e)
{
    double *part = part_at(e->m, e->learned);
    part[0] = -log(e->total + 1);
    for (size_t j = 0; j < e->d; j++) {
        double count = 0, square = 0;
        for (size_t i = 0; i < e->rows->n; i++) {
            double off = e->rows->x[i * e->d + j] - e->mean[j];
            double weight = isnan(off) ? 0 : values_weight(e->rows->weight, i);
            count += weight;
            square += weight > 0 ? weight * off * off : 0;
        }
        double variance = fmax(square / count, ridge_of(e, j));
        size_t at = e->m->diagonal ? j : gaussian_column(e->d, j);
        variance *= BACKGROUND_SPREAD * BACKGROUND_SPREAD;
        part[1 + j] = e->mean[j];
        part[1 + e->d + at] = sqrt(variance);
        e->covariance[e->learned * e->size + at] = variance;
    }
}

/* ------------------------------------------------------------------ rows into blocks */

typedef struct patterned {
    const double *row;
    size_t number, d;
} patterned;

/* Holes of earlier columns go last; 0: the same pattern. */
static int compare_patterns(const patterned *p, const patterned *q)
{
    for (size_t j = 0; j < p->d; j++)
        if (isnan(p->row[j]) != isnan(q->row[j]))
            return isnan(p->row[j]) ? 1 : -1;
    return 0;
}

static int by_pattern(const void *a, const void *b)
{
    const patterned *p = a, *q = b;
    int order = compare_patterns(p, q);
    return order != 0 ? order : p->number < q->number ? -1 : 1;
}

/* Cuts the rows into blocks of one pattern; NULL for `block`: counts blocks and padded rows. */
static void cut_blocks(em *e, const patterned *rows, bool holes, em_block *block)
{
    size_t n = e->rows->n, end;
    e->blocks = e->padded = 0;
    for (size_t first = 0; first < n; first = end, e->blocks++) {
        for (end = first + 1; end < n && end - first < MIXTURE_BLOCK; end++)
            if (holes && compare_patterns(rows + first, rows + end) != 0)
                break;
        size_t padded = round_up(end - first);
        if (block)
            block[e->blocks] =
                (em_block){e->padded, end - first, padded, holes ? rows[first].row : NULL};
        e->padded += padded;
    }
}

/* The means of the columns' values, by which holes are filled for the start. */
static nicest_status column_means(em *e, double *mean, bool *holes)
{
    const mixture_rows *rows = e->rows;
    for (size_t j = 0; j < e->d; j++) {
        double sum = 0, count = 0;
        for (size_t i = 0; i < rows->n; i++) {
            double value = rows->x[i * e->d + j], weight = values_weight(rows->weight, i);
            if (isinf(value))
                return fail(NICEST_E_DATA, "row %zu, column %zu is infinite", i + 1, j + 1);
            *holes = *holes || isnan(value);
            if (isnan(value))
                continue;
            sum += weight * value;
            count += weight;
        }
        if (!(count > 0))
            return fail(NICEST_E_DATA, "column %zu has no value to fit", j + 1);
        mean[j] = sum / count;
    }
    return NICEST_OK;
}

static nicest_status place_rows(em *e)
{
    size_t n = e->rows->n, d = e->d;
    OWNED_NEW(patterned *, sorted, n);
    bool holes = false;
    e->mean = memory_join(&e->memory, d, sizeof *e->mean);
    TRY(check_memory(e->mean));
    TRY(column_means(e, e->mean, &holes));
    for (size_t i = 0; i < n; i++)
        sorted[i] = (patterned){e->rows->x + i * d, i, d};
    if (holes)
        qsort(sorted, n, sizeof *sorted, by_pattern);
    cut_blocks(e, sorted, holes, NULL);
    e->block = memory_join(&e->memory, e->blocks, sizeof *e->block);
    e->x = memory_join(&e->memory, e->padded, d * sizeof *e->x);
    e->weight = memory_join(&e->memory, 3 * e->padded + d, sizeof *e->weight);
    TRY(check_memory(!e->memory.lacking));
    e->nearest = e->weight + e->padded;
    e->trial = e->nearest + e->padded;
    e->centre = e->trial + e->padded;
    cut_blocks(e, sorted, holes, e->block);
    for (size_t b = 0, i = 0; b < e->blocks; b++)
        for (size_t r = 0; r < e->block[b].rows; r++, i++) {
            double *x = e->x + e->block[b].at * d;
            for (size_t j = 0; j < d; j++)
                x[j * e->block[b].padded + r] =
                    isnan(sorted[i].row[j]) ? e->mean[j] : sorted[i].row[j];
            double weight = values_weight(e->rows->weight, sorted[i].number);
            e->weight[e->block[b].at + r] = weight;
            e->total += weight;
        }
    return NICEST_OK;
}

/* ------------------------------------------------------------------ starts */

static void measure_distances(void *context, int thread, size_t item)
{
    em *e = context;
    const em_block *b = e->block + item;
    size_t n = b->padded;
    double sum[MIXTURE_BLOCK] = {0};
    const double *x = e->x + b->at * e->d;
    (void)thread;
    for (size_t j = 0; j < e->d; j++)
        for (size_t r = 0; r < n; r++)
            sum[r] += (x[j * n + r] - e->centre[j]) * (x[j * n + r] - e->centre[j]);
    for (size_t r = 0; r < n; r++)
        e->trial[b->at + r] = fmin(e->nearest[b->at + r], sum[r]);
}

/* The row at which the running sum of its weights (times squared distance, but for the first seed)
 * passes share u of the whole, into e->centre. */
static void draw_seed(em *e, double u, bool first)
{
    double sum = 0, so_far = 0;
    size_t chosen = 0;
    for (size_t i = 0; i < e->padded; i++)
        sum += e->weight[i] * (first ? 1 : e->nearest[i]);
    for (size_t i = 0; i < e->padded && so_far <= u * sum; i++) {
        double more = e->weight[i] * (first ? 1 : e->nearest[i]);
        so_far += more;
        chosen = more > 0 ? i : chosen;
    }
    const em_block *b = e->block;
    while (b->at + b->padded <= chosen)
        b++;
    for (size_t j = 0; j < e->d; j++)
        e->centre[j] = e->x[b->at * e->d + j * b->padded + chosen - b->at];
}

/* Greedy k-means++: of some drawn rows the one that leaves the least distance becomes the mean of
 * part k. */
static void choose_seed(em *e, random_stream stream, size_t k)
{
    double u[8], *mean = part_at(e->m, k) + 1, least = HUGE_VAL;
    size_t trials = k == 0 ? 1 : 2 + (size_t)log((double)e->learned);
    trials = trials < 8 ? trials : 8;
    random_uniform_double(stream, k, u, trials);
    for (size_t t = 0; t < trials; t++) {
        double sum = 0;
        draw_seed(e, u[t], k == 0);
        parallel_for(e->threads, e->blocks, measure_distances, e);
        for (size_t i = 0; i < e->padded; i++)
            sum += e->weight[i] * e->trial[i];
        if (t > 0 && !(sum < least))
            continue;
        least = sum;
        memcpy(mean, e->centre, e->d * sizeof *mean);
    }
    memcpy(e->centre, mean, e->d * sizeof *mean);
    parallel_for(e->threads, e->blocks, measure_distances, e);
    memcpy(e->nearest, e->trial, e->padded * sizeof *e->trial);
}

/* k-means++, then k-means for some rounds, then each part's moments. */
static void start(em *e, uint32_t number)
{
    random_stream stream = {e->o->seed, RANDOM_SPLIT, 0x317c0000u + number};
    for (size_t i = 0; i < e->padded; i++)
        e->nearest[i] = HUGE_VAL;
    for (size_t k = 0; k < e->learned; k++) {
        double *part = part_at(e->m, k);
        memset(part, 0, mixture_part_size(e->d, e->m->diagonal) * sizeof *part);
        choose_seed(e, stream, k);
        for (size_t j = 0; j < e->d; j++) {
            size_t at = e->m->diagonal ? j : gaussian_column(e->d, j);
            part[1 + e->d + at] = e->covariance[k * e->size + at] = 1;
        }
    }
    double before = -HUGE_VAL;
    for (int i = 0; e->learned > 1 && i < LLOYD_ROUNDS; i++) {
        double now = expect(e, EM_NEAREST);
        maximise(e);
        if (now - before <= 1e-4 * fabs(now))
            break;
        before = now;
    }
    expect(e, EM_WHOLE);
    maximise(e);
}

/* At most `iterations`; returns the mean log-likelihood of what e->m then is. */
static double iterate(em *e, int iterations, double tolerance)
{
    double now = expect(e, EM_SHARED), before = -HUGE_VAL;
    for (int i = 0; i < iterations && now - before >= tolerance; i++) {
        maximise(e);
        before = now;
        now = expect(e, EM_SHARED);
    }
    return now;
}

/* ------------------------------------------------------------------ fitting */

static nicest_status em_open(em *e)
{
    const mixture_rows *rows = e->rows;
    if (rows->n < 1 || rows->d < 1)
        return fail(NICEST_E_DATA, "a mixture cannot be fitted to %zu rows of %zu columns", rows->n,
                    rows->d);
    if (e->learned > rows->n)
        return fail(NICEST_E_DATA, "a mixture of %zu parts wants as many rows; there are %zu",
                    e->learned, rows->n);
    TRY(place_rows(e));
    size_t numbers = e->parts * (1 + e->d + e->size), most = CHUNK_NUMBERS / numbers;
    most = most < 1 ? 1 : most < MOST_CHUNKS ? most : MOST_CHUNKS;
    e->chunks = e->blocks < most ? e->blocks : most;
    e->covariance = memory_join(&e->memory, e->parts, e->size * sizeof(double));
    e->sums = memory_join(&e->memory, e->chunks, numbers * sizeof(double));
    e->score = memory_join(&e->memory, e->chunks, sizeof(double));
    e->view = memory_join(&e->memory, (size_t)e->threads, sizeof(mixture_view *));
    TRY(check_memory(!e->memory.lacking));
    TRY(mixture_new(&e->m, e->d, e->parts, e->o->diagonal));
    if (e->o->background)
        set_background(e);
    for (int i = 0; i < e->threads; i++)
        TRY(view_open(&e->view[i], e->m, e->block[0].pattern != NULL, e->covariance));
    return NICEST_OK;
}

/* The best of several starts, each taken some iterations far; the parts and covariances of the best
 * so far wait in `best`. */
static double best_start(em *e, int restarts, double *best)
{
    size_t shape = e->parts * mixture_part_size(e->d, e->m->diagonal);
    size_t covariances = e->parts * e->size;
    double most = -HUGE_VAL;
    for (int i = 0; i < restarts; i++) {
        start(e, (uint32_t)i);
        double now = iterate(e, SHORT_RUN, 0);
        if (i > 0 && !(now > most))
            continue;
        most = now;
        memcpy(best, e->m->part, shape * sizeof *best);
        memcpy(best + shape, e->covariance, covariances * sizeof *best);
    }
    memcpy(e->m->part, best, shape * sizeof *best);
    memcpy(e->covariance, best + shape, covariances * sizeof *best);
    return most;
}

static void em_close(em *e)
{
    for (int i = 0; e->view && i < e->threads; i++)
        mixture_view_free(e->view[i]);
    mixture_free(e->m);
    memory_leave(&e->memory);
}

/* Where rows have holes of their own, an iteration is dear: so much work, some seconds, is done. */
static const double HOLE_WORK = 1e9;
enum { FEWEST_ITERATIONS = 10 };

/* What an iteration of one part costs for holes: patterns of them times d^3 / 3. */
static double hole_work(const em *e)
{
    size_t patterns = 0, d = e->d;
    for (size_t b = 0; b < e->blocks && e->block[b].pattern; b++) {
        const patterned now = {e->block[b].pattern, 0, d};
        const patterned before = {b ? e->block[b - 1].pattern : now.row, 0, d};
        patterns += values_missing(now.row, d) && (b == 0 || compare_patterns(&before, &now) != 0);
    }
    return (double)patterns * (double)d * (double)d * (double)d / 3;
}

nicest_status mixture_fit(mixture **out, const mixture_rows *rows, const mixture_options *o,
                          double *mean_logp)
{
    OWNED_BY(em_close)
    em e = {.rows = rows,
            .o = o,
            .d = rows->d,
            .learned = o->parts ? o->parts : 1,
            .size = factor_size(rows->d, o->diagonal),
            .threads = o->threads < 1 ? parallel_available() : o->threads};
    e.parts = e.learned + o->background;
    TRY(em_open(&e));
    double *best = memory_join(&e.memory, e.parts, (1 + e.d + 2 * e.size) * sizeof *best);
    TRY(check_memory(best));
    int restarts = e.learned == 1 ? 1 : o->restarts ? o->restarts : 3;
    int iterations = o->iterations ? o->iterations : 200;
    double most = HOLE_WORK / fmax(hole_work(&e) * (double)e.parts, 1);
    if (!o->iterations && most < iterations) {
        iterations = (int)fmax(most, FEWEST_ITERATIONS);
        restarts = 1;
    }
    best_start(&e, restarts, best);
    double logp = iterate(&e, iterations, o->tolerance > 0 ? o->tolerance : 1e-4);
    if (mean_logp)
        *mean_logp = logp;
    *out = memory_take(&e.m);
    return NICEST_OK;
}

/* ------------------------------------------------------------------ the number of parts */

enum { FOLDS = 5, FOLDS_BELOW = 2000, ROWS_A_PART = 10 };

/* The fold of a row: a function of its values, so that copies stay together. */
static unsigned fold_of(const double *row, size_t d, uint64_t seed)
{
    uint64_t hash = seed ^ 0x9e3779b97f4a7c15u;
    for (size_t j = 0; j < d; j++) {
        double value = isnan(row[j]) ? -HUGE_VAL : row[j] + 0.0; /* one NaN, one zero */
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        hash = (hash ^ bits) * 0xbf58476d1ce4e5b9u;
        hash ^= hash >> 29;
    }
    return (unsigned)((hash >> 20) % FOLDS);
}

/* Copies the rows of fold `fold`, or all others, behind each other; returns their number. */
static size_t take_fold(const mixture_rows *rows, uint64_t seed, unsigned fold, bool inside,
                        double *x, double *weight)
{
    size_t n = 0, d = rows->d;
    for (size_t i = 0; i < rows->n; i++) {
        if ((fold_of(rows->x + i * d, d, seed) == fold) != inside)
            continue;
        memcpy(x + n * d, rows->x + i * d, d * sizeof *x);
        weight[n++] = values_weight(rows->weight, i);
    }
    return n;
}

/* The rows of a fold beside a mixture of the others. */
typedef struct fold_fit {
    mixture *others; /* NULL where no row or no value of a column is left: the fold says nothing */
    size_t inside;
    double *x, *weight, *logp; /* [inside] of the rows of the fold; with room for all rows */
    memory_group memory;
} fold_fit;

static nicest_status fold_open(fold_fit *f, const mixture_rows *rows)
{
    f->x = memory_join(&f->memory, rows->n, rows->d * sizeof *f->x);
    f->weight = memory_join(&f->memory, rows->n, sizeof *f->weight);
    f->logp = memory_join(&f->memory, rows->n, sizeof *f->logp);
    return check_memory(!f->memory.lacking);
}

static void fold_close(fold_fit *f)
{
    mixture_free(f->others);
    memory_leave(&f->memory);
}

static nicest_status fit_outside(fold_fit *f, const mixture_rows *rows, const mixture_options *o,
                                 unsigned fold)
{
    OWNED_BY(mixture_view_drop) mixture_view *v = NULL;
    mixture_free(memory_take(&f->others));
    size_t n = take_fold(rows, o->seed, fold, false, f->x, f->weight);
    const mixture_rows others = {f->x, f->weight, n, rows->d};
    nicest_status status = n > 0 ? mixture_fit(&f->others, &others, o, NULL) : NICEST_E_DATA;
    f->inside = 0;
    if (status == NICEST_E_DATA)
        return NICEST_OK;
    TRY(status);
    TRY(mixture_view_new(&v, f->others, true));
    f->inside = take_fold(rows, o->seed, fold, true, f->x, f->weight);
    mixture_evaluate(v, f->x, f->inside, f->logp, NULL);
    return NICEST_OK;
}

nicest_status mixture_cross_fit(mixture **out, const mixture_rows *rows, const mixture_options *o,
                                double *logp)
{
    size_t d = rows->d, size = mixture_part_size(d, o->diagonal), count = 0;
    size_t parts = (o->parts ? o->parts : 1) + o->background;
    OWNED_BY(fold_close) fold_fit f = {0};
    OWNED_BY(mixture_drop) mixture *all = NULL;
    TRY(fold_open(&f, rows));
    TRY(mixture_new(&all, d, FOLDS * parts, o->diagonal));
    for (unsigned fold = 0; fold < FOLDS; fold++) {
        TRY(fit_outside(&f, rows, o, fold));
        for (size_t i = 0, at = 0; i < rows->n; i++)
            if (fold_of(rows->x + i * d, d, o->seed) == fold)
                logp[i] = f.others ? f.logp[at++] : -HUGE_VAL;
        if (f.others)
            memcpy(part_at(all, parts * count++), f.others->part, parts * size * sizeof(double));
    }
    if (!count)
        return fail(NICEST_E_DATA, "no fold of the rows can be fitted without the others");
    all->parts = parts * count;
    for (size_t k = 0; k < all->parts; k++)
        part_at(all, k)[0] -= log((double)count);
    *out = memory_take(&all);
    return NICEST_OK;
}

/* hole_work of rows; refuses what not even one part can be fitted to. */
static nicest_status look_at_holes(const mixture_rows *rows, double *work)
{
    OWNED_BY(em_close) em e = {.rows = rows, .d = rows->d};
    TRY(place_rows(&e));
    *work = hole_work(&e);
    return NICEST_OK;
}

nicest_status mixture_choose(size_t *parts, const mixture_rows *rows, const mixture_options *o,
                             size_t most, double *held_out)
{
    mixture_options trial = *o;
    double dear;
    TRY(look_at_holes(rows, &dear));
    dear *= FEWEST_ITERATIONS / HOLE_WORK; /* of one part */
    unsigned few = rows->n < FOLDS_BELOW && dear * FOLDS < 1 ? FOLDS : 1;
    unsigned folds = o->folds ? (unsigned)o->folds : few;
    size_t limit = rows->n / ROWS_A_PART < most ? rows->n / ROWS_A_PART : most;
    if (dear > 0 && (double)limit * dear > 1)
        limit = (size_t)fmax(1 / dear, 1);
    double highest = -HUGE_VAL, began = parallel_clock();
    int worse = 0;
    OWNED_BY(fold_close) fold_fit f = {0};
    TRY(fold_open(&f, rows));
    *parts = trial.parts = 1;
    for (size_t step = 1; worse < 2;) {
        double sum = 0, total = 0;
        for (unsigned fold = 0; fold < folds; fold++) {
            TRY(fit_outside(&f, rows, &trial, fold));
            for (size_t i = 0; i < f.inside; i++) {
                sum += f.weight[i] * f.logp[i];
                total += f.weight[i];
            }
        }
        double mean = total > 0 ? sum / total : -HUGE_VAL;
        bool better = mean > highest;
        worse = better ? 0 : worse + 1;
        *parts = better ? trial.parts : *parts;
        highest = better ? mean : highest;
        size_t now = trial.parts;
        step = now >= 4 && now % (4 * step) == 0 ? 2 * step : step; /* 1 2 3 4 6 8 12 16 24 */
        trial.parts += step;
        if (trial.parts > limit || (o->seconds > 0 && parallel_clock() - began > o->seconds))
            break;
    }
    if (held_out)
        *held_out = highest;
    return NICEST_OK;
}
