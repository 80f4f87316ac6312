/* spline.c - the monotone rational-quadratic spline rule (Durkan et al., 2019, Neural Spline Flows,
 * section 3.1 and appendix A; Gregory and Delbourgo, 1982).
 *
 * On the box [-B, B] lie K bins; within one, with xi = (x - x_k) / w, s = h / w, a = xi (1 - xi):
 *
 *     y = y_k + h (s xi^2 + d_k a) / (s + (d_k+1 + d_k - 2 s) a)
 *     dy/dx = s^2 (d_k+1 xi^2 + 2 s a + d_k (1 - xi)^2) / (s + (d_k+1 + d_k - 2 s) a)^2
 *
 * Outside it y = x, and the slopes at both ends are 1. Parameters of a value: K logits of widths, K
 * of heights (a softmax each, at least LEAST of the box), K - 1 of the inner slopes (softplus, at
 * least LEAST). All zero is the identity.
 *
 * Loops run along the rows of a tile, bins outside: a row's bin is chosen by comparisons, so there
 * is no branch and only the two slopes of the bin that is hit are computed. Values are clamped into
 * their bin before the formula. Exponentials and slopes are float; their sums, the knots and the
 * formula that moves the state are double: a narrow bin would amplify what a float knot loses. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>

#include "base/clones.h"
#include "flow/rule.h"

#if defined(__GNUC__) && !defined(__clang__)
/* Selections stay whole, for they become blends; products and sums become one. */
#pragma GCC optimize("O3", "fp-contract=fast", "no-trapping-math", "no-math-errno",                \
                     "no-thread-jumps")
#elif defined(__clang__)
#pragma STDC FP_CONTRACT ON
#endif

enum { LONGEST = 2 * GEMM_PANEL, MOST_BINS = 32 };

/* Least width, height and slope; and what makes a slope of 1 from a logit of 0: softplus of it is
 * 1 - LEAST. */
static const double LEAST = 1e-3;
static const double SLOPE_START = 0.53974241723693724;

/* Where each row of a column is: its bin, and what the formula needs of it. */
typedef struct spline_place {
    real share[2 * MOST_BINS * LONGEST]; /* [2][bins][n]: exponentials of widths, of heights */
    double sum[2 * MOST_BINS * LONGEST]; /* of those before each bin */
    double unit[2][LONGEST];             /* 1 / the sum of all */
    double x[LONGEST], w[LONGEST], y[LONGEST], h[LONGEST]; /* lower corner, and size of the bin */
    int32_t bin[LONGEST];                                  /* its number */
    double own[2][LONGEST], below[2][LONGEST];  /* its share, and that of all bins before it */
    real slope[2][LONGEST], change[2][LONGEST]; /* d_k and d_k+1, and their slopes by the logit */
    real inside[LONGEST];                       /* 1, or 0 outside the box */
} spline_place;

/* share = logit - the largest of its K planes, so that no exponential overflows */
VECTOR_CLONES
static void lower_logits(const real *restrict logit, size_t bins, size_t n, real *restrict share)
{
    real most[LONGEST];
    for (size_t i = 0; i < n; i++)
        most[i] = logit[i];
    for (size_t k = 1; k < bins; k++)
        for (size_t i = 0; i < n; i++)
            most[i] = logit[k * n + i] > most[i] ? logit[k * n + i] : most[i];
    for (size_t k = 0; k < bins; k++)
        for (size_t i = 0; i < n; i++)
            share[k * n + i] = logit[k * n + i] - most[i];
}

/* Sums of the exponentials before each bin, and what makes shares of them. */
VECTOR_CLONES
static void sum_shares(size_t bins, size_t n, spline_place *restrict p)
{
    for (size_t axis = 0; axis < 2; axis++) {
        double *restrict sum = p->sum + axis * bins * n, *restrict all = p->unit[axis];
        const real *restrict share = p->share + axis * bins * n;
        for (size_t i = 0; i < n; i++)
            all[i] = 0;
        for (size_t k = 0; k < bins; k++)
            for (size_t i = 0; i < n; i++) {
                sum[k * n + i] = all[i];
                all[i] += (double)share[k * n + i];
            }
        for (size_t i = 0; i < n; i++)
            all[i] = 1 / all[i];
    }
}

/* The bin of each v[n], where `axis` is 0 for x and 1 for y. */
VECTOR_CLONES
static void find_bins(const rule *self, const double *restrict v, size_t axis, size_t n,
                      spline_place *restrict p)
{
    const double box = self->bound, least = LEAST * 2 * box;
    const double rest = 2 * box - least * (double)self->bins;
    const size_t bins = self->bins;
    double up[LONGEST];
    for (size_t i = 0; i < n; i++) {
        up[i] = v[i] + box;
        p->inside[i] =
            (real)v[i] >= -(real)box && (real)v[i] <= (real)box; /* as the backward pass sees it */
        p->bin[i] = 0;
    }
    for (size_t k = 1; k < bins; k++) {
        const double *sum = p->sum + (axis * bins + k) * n;
        for (size_t i = 0; i < n; i++)
            p->bin[i] += up[i] >= least * (double)k + rest * p->unit[axis][i] * sum[i];
    }
}

/* Shares of the bin and the logits of the slopes at its ends, which at an end of the box are those
 * of any bin. */
VECTOR_CLONES
static void pick_bins(const real *restrict slopes, size_t bins, size_t n, spline_place *restrict p)
{
    const size_t plane = bins * n;
    for (size_t i = 0; i < n; i++) {
        size_t k = (size_t)p->bin[i], at = k * n + i;
        p->own[0][i] = (double)p->share[at];
        p->own[1][i] = (double)p->share[plane + at];
        p->below[0][i] = p->sum[at];
        p->below[1][i] = p->sum[plane + at];
        p->slope[0][i] = slopes[k > 0 ? at - n : at];
        p->slope[1][i] = slopes[k + 1 < bins ? at : at - n];
    }
}

/* Corners and sizes; at both ends of the box, exactly those of the box, and a slope of 1. */
VECTOR_CLONES
static void place_corners(const rule *self, size_t n, spline_place *restrict p)
{
    const double box = self->bound, least = LEAST * 2 * box;
    const double rest = 2 * box - least * (double)self->bins;
    const int32_t last = (int32_t)self->bins - 1;
    for (size_t axis = 0; axis < 2; axis++)
        for (size_t i = 0; i < n; i++) {
            p->own[axis][i] *= p->unit[axis][i];
            p->below[axis][i] *= p->unit[axis][i];
        }
    for (size_t i = 0; i < n; i++) {
        double x = least * (double)p->bin[i] + rest * p->below[0][i] - box;
        double y = least * (double)p->bin[i] + rest * p->below[1][i] - box;
        bool end = p->bin[i] == last;
        p->x[i] = x;
        p->y[i] = y;
        p->w[i] = end ? box - x : least + rest * p->own[0][i];
        p->h[i] = end ? box - y : least + rest * p->own[1][i];
        p->slope[0][i] = (p->bin[i] ? p->slope[0][i] : 0) + (real)SLOPE_START;
        p->slope[1][i] = (end ? 0 : p->slope[1][i]) + (real)SLOPE_START;
    }
}

/* Everything of a column but the formula: `raw` are its 3K - 1 planes. */
static void place_column(const rule *self, const double *v, size_t axis, const real *raw, size_t n,
                         spline_place *p)
{
    const size_t bins = self->bins;
    lower_logits(raw, bins, n, p->share);
    lower_logits(raw + bins * n, bins, n, p->share + bins * n);
    vector_exp(p->share, p->share, 2 * bins * n);
    sum_shares(bins, n, p);
    find_bins(self, v, axis, n, p);
    pick_bins(raw + 2 * bins * n, bins, n, p);
    place_corners(self, n, p);
    for (int end = 0; end < 2; end++) {
        vector_softplus(p->slope[end], p->slope[end], p->change[end], n);
        for (size_t i = 0; i < n; i++)
            p->slope[end][i] += (real)LEAST;
    }
}

/* logdet += sign log dy/dx, of rows inside the box that see the value. */
static void add_log_slope(rule_job *job, size_t j, real *slope, const spline_place *p, double sign)
{
    size_t n = job->padded;
    const real *seen = job->mask ? job->mask + j * n : NULL;
    vector_log(slope, slope, n);
    for (size_t i = 0; i < n; i++)
        job->logdet[i] += p->inside[i] > 0 && (!seen || seen[i] > 0) ? sign * (double)slope[i] : 0;
}

/* x becomes y; slope = dy/dx */
VECTOR_CLONES
static void move_forward(double *x, const spline_place *p, size_t n, real *slope)
{
    for (size_t i = 0; i < n; i++) {
        double w = p->w[i], h = p->h[i], s = h / w;
        double low = (double)p->slope[0][i], high = (double)p->slope[1][i];
        double xi = (x[i] - p->x[i]) / w;
        xi = xi < 0 ? 0 : xi > 1 ? 1 : xi;
        double a = xi * (1 - xi), under = s + (high + low - 2 * s) * a;
        double y = p->y[i] + h * (s * xi * xi + low * a) / under;
        double q = high * xi * xi + 2 * s * a + low * (1 - xi) * (1 - xi);
        slope[i] = (real)(s * s * q / (under * under));
        x[i] = p->inside[i] > 0 ? y : x[i];
    }
}

/* y becomes x: the root of a xi^2 + b xi + c in [0, 1], by the formula that does not cancel. */
VECTOR_CLONES
static void move_inverse(double *y, const spline_place *p, size_t n, real *slope)
{
    for (size_t i = 0; i < n; i++) {
        double w = p->w[i], h = p->h[i], s = h / w;
        double low = (double)p->slope[0][i], high = (double)p->slope[1][i];
        double up = y[i] - p->y[i];
        up = up < 0 ? 0 : up > h ? h : up;
        double bend = up * (high + low - 2 * s);
        double qa = h * (s - low) + bend, qb = h * low - bend, qc = -s * up;
        double root = qb * qb - 4 * qa * qc;
        double xi = 2 * qc / (-qb - sqrt(root < 0 ? 0 : root));
        xi = xi < 0 ? 0 : xi > 1 ? 1 : xi;
        double a = xi * (1 - xi), under = s + (high + low - 2 * s) * a;
        double q = high * xi * xi + 2 * s * a + low * (1 - xi) * (1 - xi);
        slope[i] = (real)(s * s * q / (under * under));
        y[i] = p->inside[i] > 0 ? p->x[i] + xi * w : y[i];
    }
}

static void spline_move(const rule *self, rule_job *job)
{
    size_t n = job->padded;
    spline_place p;
    real slope[LONGEST];
    for (size_t j = 0; j < job->columns; j++) {
        double *x = job->x + j * n;
        for (size_t i = 0; job->kept && i < n; i++)
            job->kept[j * n + i] = (real)x[i];
        place_column(self, x, job->inverse, job->parameters + j * self->parameters * n, n, &p);
        (job->inverse ? move_inverse : move_forward)(x, &p, n, slope);
        add_log_slope(job, j, slope, &p, job->inverse ? -1 : 1);
    }
}

/* Gradients by corner, size and slopes of the bin. */
typedef struct spline_delta {
    real corner[2][LONGEST], size[2][LONGEST], slope[2][LONGEST];
} spline_delta;

/* With L = log dy/dx: G_v = dy dy/dv + weight dL/dv for v = xi, s, d_k, d_k+1; then the chain. */
VECTOR_CLONES
static void differentiate(const spline_place *p, const real *x, const real *weight,
                          const real *mask, size_t n, real *dx, spline_delta *d)
{
    for (size_t i = 0; i < n; i++) {
        real w = (real)p->w[i], h = (real)p->h[i], s = h / w;
        real low = p->slope[0][i], high = p->slope[1][i];
        real inside = p->inside[i], gy = dx[i] * inside;
        real gl = weight[i] * inside * (mask ? mask[i] : 1);
        real xi = (real)((double)x[i] - p->x[i]) / w;
        xi = xi < 0 ? 0 : xi > 1 ? 1 : xi;
        real a = xi * (1 - xi), turn = high + low - 2 * s, back = 1 - 2 * xi;
        real under = 1 / (s + turn * a), top = (s * xi * xi + low * a) * under;
        real q = high * xi * xi + 2 * s * a + low * (1 - xi) * (1 - xi);
        real per_q = gl / q, per_under = 2 * gl * under, scale = gy * h * under;
        real g_xi = scale * (2 * s * xi + low * back - top * turn * back) +
                    per_q * (2 * high * xi + 2 * s * back - 2 * low * (1 - xi)) -
                    per_under * turn * back;
        real g_s = scale * (xi * xi - top * (1 - 2 * a)) + 2 * gl / s + per_q * 2 * a -
                   per_under * (1 - 2 * a);
        d->slope[0][i] =
            (scale * a * (1 - top) + per_q * (1 - xi) * (1 - xi) - per_under * a) * p->change[0][i];
        d->slope[1][i] = (-scale * top * a + per_q * xi * xi - per_under * a) * p->change[1][i];
        d->corner[0][i] = -g_xi / w;
        d->corner[1][i] = gy;
        d->size[0][i] = -(g_xi * xi + g_s * s) / w;
        d->size[1][i] = gy * top + g_s / w;
        dx[i] = inside > 0 ? g_xi / w : dx[i];
    }
}

/* Logits of widths (axis 0) or heights (1): those before the bin move its corner, its own it. */
VECTOR_CLONES
static void give_shares(const rule *self, const spline_place *p, const spline_delta *d, int axis,
                        size_t n, real *logit)
{
    const real factor = (real)(2 * self->bound * (1 - LEAST * (double)self->bins));
    const real *share = p->share + (size_t)axis * self->bins * n;
    real mean[LONGEST], unit[LONGEST];
    for (size_t i = 0; i < n; i++) {
        mean[i] =
            d->corner[axis][i] * (real)p->below[axis][i] + d->size[axis][i] * (real)p->own[axis][i];
        unit[i] = factor * (real)p->unit[axis][i];
    }
    for (size_t k = 0; k < self->bins; k++)
        for (size_t i = 0; i < n; i++) {
            real by_share = (int32_t)k < p->bin[i] ? d->corner[axis][i] : 0;
            by_share = (int32_t)k == p->bin[i] ? d->size[axis][i] : by_share;
            logit[k * n + i] = unit[i] * share[k * n + i] * (by_share - mean[i]);
        }
}

/* The slope between bins k and k+1 is d_k+1 of the one and d_k of the other. */
VECTOR_CLONES
static void give_slopes(const rule *self, const spline_place *p, const spline_delta *d, size_t n,
                        real *logit)
{
    for (size_t k = 0; k + 1 < self->bins; k++)
        for (size_t i = 0; i < n; i++)
            logit[k * n + i] = p->bin[i] == (int32_t)k       ? d->slope[1][i]
                               : p->bin[i] == (int32_t)k + 1 ? d->slope[0][i]
                                                             : 0;
}

static void spline_backward(const rule *self, rule_job *job)
{
    size_t n = job->padded;
    spline_place p;
    spline_delta d;
    double x[LONGEST];
    for (size_t j = 0; j < job->columns; j++) {
        real *raw = job->parameters + j * self->parameters * n;
        const real *kept = job->kept + j * n;
        for (size_t i = 0; i < n; i++)
            x[i] = (double)kept[i];
        place_column(self, x, 0, raw, n, &p);
        differentiate(&p, kept, job->weight, job->mask ? job->mask + j * n : NULL, n,
                      job->dx + j * n, &d);
        give_shares(self, &p, &d, 0, n, raw);
        give_shares(self, &p, &d, 1, n, raw + self->bins * n);
        give_slopes(self, &p, &d, n, raw + 2 * self->bins * n);
    }
}

static nicest_status spline_parse(const spec_line *l, rule *self, char *text, size_t size)
{
    self->bins = 8;
    self->bound = 5;
    if (!spec_count_option(l, "bins", 2, MOST_BINS, &self->bins) ||
        !spec_number_option(l, "bound", 1, 100, &self->bound))
        return spec_refuse(l, "of a spline, bins=K is from 2 to 32 and bound=B from 1 to 100");
    self->parameters = 3 * self->bins - 1;
    snprintf(text, size, " bins=%zu bound=%.6g", self->bins, self->bound);
    return NICEST_OK;
}

static const char *const SPLINE_KEYS[] = {"bins", "bound", NULL};

const rule_class rule_spline = {.name = "spline",
                                .keys = SPLINE_KEYS,
                                .keeps = true,
                                .parse = spline_parse,
                                .move = spline_move,
                                .backward = spline_backward};
