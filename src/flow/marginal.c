/* marginal.c - the frozen layer that gives every column a standard normal of its own:
 *
 *     y_j = Phi^-1(F_j(x_j)),   log|det| = sum of log f_j(x_j) - log phi(y_j)
 *
 * F_j is a histogram, for a quantised column of few levels, or a monotone spline of (x, y) through
 * quantiles; where a column may go on, generalised Pareto tails do, so that a far value stays far.
 * Probabilities are always those of the smaller tail, in double.
 *
 * Constants of a column, with u = (x - origin) / unit; doubles are kept as two floats, the second
 * what the first leaves:
 *
 * - frame: origin, unit (two numbers each); levels, -knots, or UNEVEN + levels; scale and shape of
 *   the lower tail, then of the upper (scale 0: the column ends there)
 * - table of a histogram: edges e_0 .. e_levels, then what floats left of them. An edge is F where
 *   F <= 1/2, else F - 1: the smaller tail, which loses no digits. Level k is [k, k + 1), or where
 *   levels are uneven lies between the u_k that follow, with their rests
 * - table of a spline: u of the knots, then their y, then their slopes dy/du
 *
 * Owns fitting, too. What it knows of levels comes from the flow's entry. */
#include <math.h>
#include <stdio.h>

#include "base/normal.h"
#include "base/parallel.h"
#include "base/status.h"
#include "base/values.h"
#include "flow/entry.h"
#include "flow/grammar.h"
#include "flow/marginal.h"

enum { ORIGIN = 0, UNIT = 2, COUNT = 4, LOWER_TAIL = 5, UPPER_TAIL = 7, FRAME = 9 };
enum { MOST_LEVELS = 4096, MOST_KNOTS = 64, UNEVEN = 65536 };

typedef struct marginal {
    layer layer;
    size_t levels, knots, width; /* the most of a column; width of the table */
    real *frame;                 /* [columns, FRAME], frozen */
    real *table;                 /* [columns, width], frozen */
} marginal;

/* A generalised Pareto tail beyond `end`: log P(further than e) = log_mass - log1p(shape e/scale)/
 * shape. */
typedef struct pareto {
    double end, log_mass, scale, shape; /* scale 0: there is none */
} pareto;

/* One column, ready to be evaluated. */
typedef struct curve {
    double origin, unit;
    size_t levels, knots;              /* one of them is 0 */
    const real *edge, *edge_rest;      /* [levels + 1] */
    const real *start, *start_rest;    /* [levels + 1]; NULL: levels of width 1 */
    const real *knot, *height, *slope; /* [knots] */
    pareto lower, upper;
} curve;

/* y at some u, log dy/du, and the derivative of that by u. */
typedef struct curve_point {
    double y, log_slope, tilt;
} curve_point;

static double edge_at(const curve *c, size_t i)
{
    return (double)c->edge[i] + (double)c->edge_rest[i];
}

/* Where level k begins. */
static double level_start(const curve *c, size_t k)
{
    return c->start ? (double)c->start[k] + (double)c->start_rest[k] : (double)k;
}

static curve curve_of(const marginal *m, size_t j)
{
    const real *f = m->frame + j * FRAME, *table = m->table + j * m->width;
    bool uneven = f[COUNT] > UNEVEN;
    size_t levels = f[COUNT] > 0 ? (size_t)f[COUNT] - (uneven ? UNEVEN : 0) : 0;
    size_t knots = f[COUNT] > 0 ? 0 : (size_t)-f[COUNT];
    curve c = {.origin = (double)f[ORIGIN] + (double)f[ORIGIN + 1],
               .unit = (double)f[UNIT] + (double)f[UNIT + 1],
               .levels = levels,
               .knots = knots,
               .edge = table,
               .edge_rest = table + levels + 1,
               .start = uneven ? table + 2 * (levels + 1) : NULL,
               .start_rest = uneven ? table + 3 * (levels + 1) : NULL,
               .knot = table,
               .height = table + knots,
               .slope = table + 2 * knots,
               .lower = {.scale = (double)f[LOWER_TAIL], .shape = (double)f[LOWER_TAIL + 1]},
               .upper = {.scale = (double)f[UPPER_TAIL], .shape = (double)f[UPPER_TAIL + 1]}};
    if (levels) {
        c.lower.log_mass = log(edge_at(&c, 0));
        c.upper.log_mass = log(-edge_at(&c, levels));
        c.lower.end = level_start(&c, 0);
        c.upper.end = level_start(&c, levels);
    } else {
        c.lower.end = (double)c.knot[0];
        c.upper.end = (double)c.knot[knots - 1];
        c.lower.log_mass = normal_log_cdf((double)c.height[0]);
        c.upper.log_mass = normal_log_cdf(-(double)c.height[knots - 1]);
    }
    return c;
}

/* In [0, 1]; NaN stays. */
static double to_unit(double t)
{
    return t < 0 ? 0 : t > 1 ? 1 : t;
}

/* ------------------------------------------------------------------ tails */

/* log f and d log f/de of a tail that lost `steps` = log1p(shape e/scale)/shape of its log mass. */
static curve_point tail_point(const pareto *p, double steps, double y, bool is_upper)
{
    double log_density = p->log_mass - log(p->scale) - (1 + p->shape) * steps;
    double by_excess = -(1 + p->shape) * exp(-p->shape * steps) / p->scale;
    double log_slope = log_density - normal_log_density(y);
    return (curve_point){y, log_slope, (is_upper ? by_excess : -by_excess) + y * exp(log_slope)};
}

static curve_point tail_forward(const pareto *p, double u, bool is_upper)
{
    double excess = fabs(u - p->end) / p->scale;
    double steps = p->shape > 0 ? log1p(p->shape * excess) / p->shape : excess;
    double y = normal_quantile_of_log(p->log_mass - steps);
    return tail_point(p, steps, is_upper ? -y : y, is_upper);
}

/* u where log P is that of y. Ends below the largest numbers. */
static double tail_inverse(const pareto *p, double y, bool is_upper, curve_point *at)
{
    double steps = p->log_mass - normal_log_cdf(is_upper ? -y : y);
    steps = p->shape * steps < 700 ? fmax(steps, 0) : 700 / p->shape;
    double excess = p->scale * (p->shape > 0 ? expm1(p->shape * steps) / p->shape : steps);
    *at = tail_point(p, steps, y, is_upper);
    return is_upper ? p->end + excess : p->end - excess;
}

/* ------------------------------------------------------------------ histograms */

/* Below and above level k, and in it. An edge's sign says which tail it is; the ends may be 0. */
static void level_masses(const curve *c, size_t k, double *below, double *above, double *mass)
{
    double low = edge_at(c, k), high = edge_at(c, k + 1);
    bool low_is_below = k == 0 || low > 0, high_is_above = k + 1 == c->levels || high < 0;
    *below = low_is_below ? low : 1 + low;
    *above = high_is_above ? -high : 1 - high;
    *mass = low_is_below && high_is_above ? 1 + high - low : high - low;
}

/* Next to an end that is one, y stays finite. */
static const double LEAST_TAIL = 0x1p-96;

/* The level that u lies in. */
static size_t level_at(const curve *c, double u)
{
    size_t low = 0, high = c->levels;
    if (!c->start)
        return u < (double)high ? (size_t)u : high - 1;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        *(u < level_start(c, middle) ? &high : &low) = middle;
    }
    return low;
}

static curve_point level_forward(const curve *c, size_t k, double u)
{
    double below, above, mass, y, width = level_start(c, k + 1) - level_start(c, k);
    double t = to_unit((u - level_start(c, k)) / width);
    level_masses(c, k, &below, &above, &mass);
    double lower = below + mass * t, upper = above + mass * (1 - t);
    if (lower <= 0.5)
        y = normal_quantile(lower < LEAST_TAIL ? LEAST_TAIL : lower);
    else
        y = -normal_quantile(upper < LEAST_TAIL ? LEAST_TAIL : upper);
    double log_slope = log(mass / width) - normal_log_density(y);
    return (curve_point){y, log_slope, y * exp(log_slope)};
}

/* The level whose edges enclose y, and where in it. */
static double level_inverse(const curve *c, double y, curve_point *at)
{
    double tail = normal_cdf(-fabs(y)), below, above, mass;
    size_t low = 0, high = c->levels; /* edge low is not above y, edge high is */
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        double edge = edge_at(c, middle);
        bool is_above = y < 0 ? edge < 0 || edge > tail : edge < 0 && edge > -tail;
        *(is_above ? &high : &low) = middle;
    }
    level_masses(c, low, &below, &above, &mass);
    double t = y < 0 ? (tail - below) / mass : 1 - (tail - above) / mass;
    double start = level_start(c, low), width = level_start(c, low + 1) - start;
    double log_slope = log(mass / width) - normal_log_density(y);
    *at = (curve_point){y, log_slope, y * exp(log_slope)};
    return start + to_unit(t) * width;
}

/* ------------------------------------------------------------------ rational splines */

/* A piece of Gregory and Delbourgo's rational quadratic, t in [0, 1]:
 *
 *     y = y_0 + h (s t^2 + a t (1-t)) / q,   q = s + (a + b - 2s) t (1-t),   s = h/w
 *     dy/du = s^2 (b t^2 + 2 s t (1-t) + a (1-t)^2) / q^2
 *
 * a and b are the slopes at its ends, w and h its width and height. */
typedef struct piece {
    double start, width, y, height, a, b, s, bend; /* bend = a + b - 2s */
} piece;

static piece piece_of(const curve *c, size_t k)
{
    piece p = {.start = (double)c->knot[k],
               .width = (double)c->knot[k + 1] - (double)c->knot[k],
               .y = (double)c->height[k],
               .height = (double)c->height[k + 1] - (double)c->height[k],
               .a = (double)c->slope[k],
               .b = (double)c->slope[k + 1]};
    p.s = p.height / p.width;
    p.bend = p.a + p.b - 2 * p.s;
    return p;
}

static curve_point piece_forward(const piece *p, double t)
{
    double r = 1 - t, q = p->s + p->bend * t * r;
    double n = p->b * t * t + 2 * p->s * t * r + p->a * r * r;
    double n_slope = 2 * (p->b * t + p->s * (r - t) - p->a * r), q_slope = p->bend * (r - t);
    return (curve_point){p->y + p->height * t * (p->s * t + p->a * r) / q,
                         2 * log(p->s / q) + log(n), (n_slope / n - 2 * q_slope / q) / p->width};
}

/* The root of the quadratic that lies in [0, 1], without cancellation. Slopes of a stranger's file
 * may underflow in it: then an end. */
static double piece_inverse(const piece *p, double y)
{
    double rise = y - p->y, a = p->height * (p->s - p->a) + rise * p->bend;
    double b = p->height * p->a - rise * p->bend, c = -p->s * rise;
    double below = b + sqrt(fmax(b * b - 4 * a * c, 0));
    return below <= 0 ? rise > 0 : to_unit(-2 * c / below);
}

/* The piece of the spline that x lies in, by its left ends at[count]. */
static size_t piece_at(const real *at, size_t count, double x)
{
    size_t low = 0, high = count - 1;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        *(x < (double)at[middle] ? &high : &low) = middle;
    }
    return low;
}

/* ------------------------------------------------------------------ one value */

/* False: there is no density at u; the point is that of the nearest value that has one. */
static bool curve_forward(const curve *c, double u, curve_point *at)
{
    bool is_upper = u > c->upper.end, is_inside = !(u < c->lower.end) && !is_upper; /* or NaN */
    const pareto *tail = is_upper ? &c->upper : &c->lower;
    if (!is_inside && tail->scale > 0) {
        *at = tail_forward(tail, u, is_upper);
        return true;
    }
    u = is_inside ? u : tail->end;
    if (c->levels) {
        *at = level_forward(c, level_at(c, u), u);
    } else {
        piece p = piece_of(c, piece_at(c->knot, c->knots, u));
        *at = piece_forward(&p, (u - p.start) / p.width);
    }
    return is_inside;
}

static double curve_inverse(const curve *c, double y, curve_point *at)
{
    const pareto *tail = y < 0 ? &c->lower : &c->upper;
    if (tail->scale > 0 && normal_log_cdf(-fabs(y)) < tail->log_mass)
        return tail_inverse(tail, y, y >= 0, at);
    if (c->levels)
        return level_inverse(c, y, at);
    piece p = piece_of(c, piece_at(c->height, c->knots, y));
    double t = piece_inverse(&p, y);
    *at = piece_forward(&p, t);
    return p.start + t * p.width;
}

/* ------------------------------------------------------------------ the layer */

static void marginal_tensors(layer *self, const char *prefix, tensor_list *list)
{
    marginal *m = (marginal *)self;
    tensor_add(list, prefix, "frame", TENSOR_FROZEN, self->columns, FRAME, &m->frame);
    tensor_add(list, prefix, "table", TENSOR_FROZEN, self->columns, m->width, &m->table);
}

/* Two matrices: dy/dx, and d logdet/dx. */
static size_t marginal_tape(const layer *self, size_t *width)
{
    if (width)
        width[0] = width[1] = self->columns;
    return 2;
}

/* A value without density makes its row's log-determinant -infinity. Hidden values become 0. */
static void marginal_forward(const layer *self, tile *t)
{
    const marginal *m = (const marginal *)self;
    size_t n = t->padded;
    for (size_t j = 0; j < self->columns; j++) {
        const curve c = curve_of(m, j);
        double *x = t->x + j * n, log_unit = log(c.unit);
        const real *seen = t->mask ? t->mask + j * n : NULL;
        real *kept[2] = {NULL, NULL};
        for (int i = 0; t->tape && i < 2; i++)
            kept[i] = t->tape->matrix[i] + t->first * self->columns + j * n;
        for (size_t r = 0; r < n; r++) {
            curve_point at = {0, -HUGE_VAL, 0};
            bool is_seen = !seen || seen[r] > 0;
            if (is_seen) {
                bool has_density = curve_forward(&c, (x[r] - c.origin) / c.unit, &at);
                t->logdet[r] += has_density ? at.log_slope - log_unit : -HUGE_VAL;
            }
            x[r] = at.y;
            if (t->tape) {
                kept[0][r] = (real)(exp(at.log_slope) / c.unit);
                kept[1][r] = (real)(at.tilt / c.unit);
            }
        }
    }
}

static void marginal_inverse(const layer *self, tile *t)
{
    const marginal *m = (const marginal *)self;
    for (size_t j = 0; j < self->columns; j++) {
        const curve c = curve_of(m, j);
        double *x = t->x + j * t->padded, log_unit = log(c.unit);
        const real *seen = t->mask ? t->mask + j * t->padded : NULL;
        for (size_t r = 0; r < t->padded; r++) {
            curve_point at;
            x[r] = c.origin + c.unit * curve_inverse(&c, x[r], &at);
            t->logdet[r] -= !seen || seen[r] > 0 ? at.log_slope - log_unit : 0;
        }
    }
}

/* dx = dy/dx g + weight dlogdet/dx */
static void marginal_backward(const layer *self, tile *t)
{
    size_t first = t->first * self->columns, n = t->padded;
    const real *slope = t->tape->matrix[0] + first, *tilt = t->tape->matrix[1] + first;
    for (size_t i = 0; i < n * self->columns; i++)
        t->dx[i] = i % n < t->rows ? slope[i] * t->dx[i] + t->weight[i % n] * tilt[i] : 0;
}

/* ------------------------------------------------------------------ what constants may be */

static bool sound_tail(const real *tail, double mass)
{
    return (tail[0] > 0) == (mass > 0) && tail[0] >= 0 && tail[1] >= 0 && tail[1] <= 1;
}

static bool sound_levels(const curve *c)
{
    bool is_past_half = false;
    if (!(edge_at(c, 0) >= 0 && edge_at(c, c->levels) <= 0))
        return false;
    for (size_t k = 0; k < c->levels; k++) {
        double below, above, mass;
        level_masses(c, k, &below, &above, &mass);
        is_past_half = is_past_half || (k > 0 && edge_at(c, k) < 0);
        if (!(mass > 0 && mass <= 1 && below >= 0 && above >= 0) ||
            !(level_start(c, k + 1) > level_start(c, k)) ||
            (is_past_half && k > 0 && edge_at(c, k) > 0))
            return false;
    }
    return true;
}

static bool sound_knots(const curve *c)
{
    real first = c->height[0], last = c->height[c->knots - 1];
    bool sound = first > -30 && first < 0 && last > 0 && last < 30;
    for (size_t i = 0; sound && i < c->knots; i++)
        sound = c->slope[i] > 0 &&
                (i == 0 || (c->knot[i] > c->knot[i - 1] && c->height[i] > c->height[i - 1]));
    return sound;
}

static nicest_status marginal_check(const layer *self)
{
    const marginal *m = (const marginal *)self;
    for (size_t j = 0; j < self->columns; j++) {
        const real *f = m->frame + j * FRAME, count = f[COUNT];
        bool sound = count > UNEVEN ? 4 * (count - UNEVEN + 1) <= (real)m->width
                     : count >= 1   ? count <= (real)m->levels
                                    : count <= -2 && -count <= (real)m->knots;
        sound = sound && count == (real)(int)count && (double)f[UNIT] + (double)f[UNIT + 1] > 0;
        if (sound) {
            curve c = curve_of(m, j);
            double mass[2] = {c.levels ? edge_at(&c, 0) : 1, c.levels ? -edge_at(&c, c.levels) : 1};
            sound = sound_tail(f + LOWER_TAIL, mass[0]) && sound_tail(f + UPPER_TAIL, mass[1]) &&
                    (c.levels ? sound_levels(&c) : sound_knots(&c));
        }
        if (!sound)
            return fail(NICEST_E_FORMAT, "the marginal of column %zu is not a density", j + 1);
    }
    return NICEST_OK;
}

/* ------------------------------------------------------------------ fitting */

static void put_double(real *place, double value, size_t rest)
{
    place[0] = (real)(float)value;
    place[rest] = (real)(float)(value - (double)place[0]);
}

static void put_frame(real *frame, double origin, double unit, double count)
{
    put_double(frame + ORIGIN, origin, 1);
    put_double(frame + UNIT, unit, 1);
    frame[COUNT] = (real)count;
}

static void put_tail(real *tail, double scale, double shape)
{
    tail[0] = (real)(float)scale;
    tail[1] = (real)(float)shape;
}

/* Of each level, beside its count; and of what lies beyond an end that is open, with half of a
 * level that was seen once. */
static const double LEVEL_PRIOR = 0.05;
/* The shape of a tail of which nothing is known, and the most of one; in units of the spline the
 * scale below which a tail is that of one value, and says nothing of how far others lie. */
static const double USUAL_SHAPE = 0.1, LEAST_SHAPE = 0.05, MOST_SHAPE = 0.25, NARROW_SHAPE = 0.5,
                    NARROW_SCALE = 1e-3;

/* A histogram in the making: level k has mass[k] rows, and where start is not NULL begins at
 * start[k]. */
typedef struct histogram {
    double *mass;  /* [count] */
    double *start; /* [count + 1] */
    size_t count;
    double prior;    /* rows of a level in which nothing was seen */
    double frequent; /* rows of a value from which on it is an uneven level of its own */
} histogram;

/* Mean and deviation of the levels set the scale of open tails: nothing of them was ever seen. */
static void fit_levels(real *frame, real *table, const histogram *l, double origin, double unit,
                       bool is_open)
{
    double n = 0, sum = 0, square = 0;
    size_t count = l->count;
    for (size_t k = 0; k < count; k++) {
        double middle = l->start ? (l->start[k] + l->start[k + 1] - 1) / 2 : (double)k;
        n += l->mass[k];
        sum += l->mass[k] * middle;
        square += l->mass[k] * middle * middle;
    }
    double lower = is_open ? LEVEL_PRIOR + 0.5 / fmax(l->mass[0] - LEVEL_PRIOR, 1) : 0;
    double upper = is_open ? LEVEL_PRIOR + 0.5 / fmax(l->mass[count - 1] - LEVEL_PRIOR, 1) : 0;
    double total = n + lower + upper, below = lower, above = upper;
    double scale = 1 + sqrt(fmax(square * n - sum * sum, 0)) / fmax(n, 1) / 2;
    put_frame(frame, origin, unit, (double)count + (l->start ? UNEVEN : 0));
    put_tail(frame + LOWER_TAIL, is_open ? scale : 0, is_open ? USUAL_SHAPE : 0);
    put_tail(frame + UPPER_TAIL, is_open ? scale : 0, is_open ? USUAL_SHAPE : 0);
    size_t k = 0;
    for (; k < count && 2 * below <= total; below += l->mass[k++])
        put_double(table + k, below / total, count + 1);
    for (size_t i = count; i >= k; above += l->mass[--i])
        put_double(table + i, -above / total, count + 1);
    for (size_t i = 0; l->start && i <= count; i++)
        put_double(table + 2 * (count + 1) + i, l->start[i], count + 1);
}

/* The value with the share F of the sorted v[n] below it. */
static double sorted_quantile(const double *v, size_t n, double share)
{
    double at = fmin(fmax(share * (double)n - 0.5, 0), (double)(n - 1)), whole = floor(at);
    size_t i = (size_t)whole, next = i + 1 < n ? i + 1 : i;
    return v[i] + (at - whole) * (v[next] - v[i]);
}

/* Whether two different values, or more, lie in (low, high]: what repeats is no density. */
static bool has_two_values(const double *v, size_t n, double low, double high)
{
    size_t first = values_count(v, n, low, true), second;
    if (first == n || v[first] > high)
        return false;
    second = values_count(v, n, v[first], true);
    return second < n && v[second] <= high;
}

/* Knots of the sorted v[n]: quantiles at equal steps of probability, as x and as normal scores.
 * Those that are no further apart than floats tell, or hold one repeated value, are one. */
static size_t choose_knots(const double *v, size_t n, size_t most, double least, double *x,
                           double *y)
{
    const double resolution = 2e-6; /* of the width of a normal score */
    double usual = 2 * cbrt((double)n);
    size_t steps = usual < (double)most ? (size_t)fmax(usual, 3) - 1 : most - 1, count = 0;
    double first = sorted_quantile(v, n, least), last = sorted_quantile(v, n, 1 - least);
    double gap = (last - first) * resolution;
    for (size_t k = 0; k <= steps; k++) {
        double share = least + (1 - 2 * least) * (double)k / (double)steps;
        double value = k == steps ? last : sorted_quantile(v, n, share);
        bool is_apart =
            count == 0 || (value - x[count - 1] > gap && has_two_values(v, n, x[count - 1], value));
        if (!is_apart && k < steps)
            continue;
        if (!is_apart && count > 1) /* the last one stays */
            count--;
        x[count] = value;
        y[count++] = k == steps ? -normal_quantile(least) : normal_quantile(share);
    }
    return count;
}

/* The tail of the sorted v[n] beyond the spline's end, which is (x, y): its shape from excesses
 * over a threshold near that end, by probability-weighted moments (Hosking and Wallis, 1987). Few
 * excesses say little: the usual shape, and the scale that continues the end piece (of slope
 * `secant`), count as if some had said them. The slope of the spline's end, which is returned,
 * makes the density continuous; where it would be far from the piece's own, the scale gives way. */
static real fit_tail(real *tail, const double *v, size_t n, bool is_upper, double x, double y,
                     double secant)
{
    const double shape_weight = 10, scale_weight = 2, most = 4;
    double mean = 0, weighted = 0, count = fmax(ceil(0.01 * (double)n), fmin(50, (double)(n / 10)));
    size_t few = count < (double)n ? (size_t)count : n - 1;
    double weight = (double)few, threshold = is_upper ? v[n - 1 - few] : v[few];
    for (size_t i = 0; i < few; i++) {
        double excess = is_upper ? v[n - few + i] - threshold : threshold - v[few - 1 - i];
        mean += excess / weight;
        weighted += excess / weight * (1 - ((double)i + 0.65) / weight);
    }
    double shape = mean > 2 * weighted ? 2 - mean / (mean - 2 * weighted) : 0;
    shape = (weight * fmin(fmax(shape, -0.5), 1) + shape_weight * USUAL_SHAPE) /
            (weight + shape_weight);
    shape = fmin(fmax(shape, LEAST_SHAPE), MOST_SHAPE);
    double ratio = exp(normal_log_cdf(-fabs(y)) - normal_log_density(y)); /* mass over density */
    double scale = mean * (1 - shape) + shape * fabs(x - threshold);
    scale = (weight * scale + scale_weight * ratio / secant) / (weight + scale_weight);
    double slope = fmin(fmax(ratio / scale, secant / most), secant * most);
    scale = ratio / slope;
    put_tail(tail, scale, scale < NARROW_SCALE ? NARROW_SHAPE : shape);
    return (real)(float)slope;
}

/* Standardised values of the sorted v[n], but that what is far beyond all of them stays within
 * reach: a line within ten deviations, or twice as far as they go, and tails. */
static void fit_line(real *frame, real *table, double *v, size_t n)
{
    const double usual = 10, most = 29; /* scores that are known end at 30 */
    const double least_share = 0.01;    /* of the deviation; what is narrower is a spike */
    double mean, deviation;
    values_moments(v, n, 1, &mean, &deviation);
    if (!(deviation > 0 && isfinite(deviation))) /* squares left the numbers */
        deviation = v[n - 1] - v[0];
    /* One wild row must not make all others narrow: two thirds of them are two units wide. */
    double bulk = (sorted_quantile(v, n, 0.84) - sorted_quantile(v, n, 0.16)) / 2;
    if (bulk > least_share * deviation && bulk < deviation / 2) {
        mean = sorted_quantile(v, n, 0.5);
        deviation = bulk;
    }
    put_frame(frame, mean, deviation, -2);
    for (size_t i = 0; i < n; i++)
        v[i] = (v[i] - mean) / deviation;
    double end = fmin(fmax(usual, 2 * fmax(-v[0], v[n - 1])), most);
    double mass = exp(normal_log_cdf(-end) - normal_log_density(end)); /* over density */
    for (int k = 0; k < 2; k++) {
        table[k] = table[2 + k] = (real)(float)(k ? end : -end);
        table[4 + k] = 1;
        put_tail(frame + (k ? UPPER_TAIL : LOWER_TAIL), mass, USUAL_SHAPE);
    }
}

/* A spline through quantiles of the sorted v[n], with tails; false: all values are one. v becomes
 * that of the unit. */
static bool fit_spline(const marginal *m, real *frame, real *table, double *v, size_t n)
{
    double x[MOST_KNOTS], y[MOST_KNOTS], least = fmax(0.01, 0.5 / (double)n);
    if (!(v[n - 1] > v[0]))
        return false;
    if (m->knots == 2) {
        fit_line(frame, table, v, n);
        return true;
    }
    if (!(sorted_quantile(v, n, 1 - least) > sorted_quantile(v, n, least)))
        least = 0.5 / (double)n;
    size_t count = choose_knots(v, n, m->knots, least, x, y), last = count - 1;
    double origin = sorted_quantile(v, n, 0.5), unit = (x[last] - x[0]) / (y[last] - y[0]);
    real *slope = table + 2 * count;
    put_frame(frame, origin, unit, -(double)count);
    for (size_t i = 0; i < n; i++)
        v[i] = (v[i] - origin) / unit;
    for (size_t k = 0; k < count; k++) {
        x[k] = (x[k] - origin) / unit;
        table[k] = (real)(float)x[k];
        table[count + k] = (real)(float)y[k];
    }
    /* Slopes at the knots between the ends: from the quantiles halfway to the neighbours, so that a
     * knot beside a jump of the density keeps its own; no further than the slopes of the two
     * pieces. */
    for (size_t k = 1; k + 1 < count; k++) {
        double before = (y[k] - y[k - 1]) / (x[k] - x[k - 1]), here = normal_cdf(y[k]);
        double after = (y[k + 1] - y[k]) / (x[k + 1] - x[k]), limit = fmax(before, after);
        double low = (here + normal_cdf(y[k - 1])) / 2, high = (here + normal_cdf(y[k + 1])) / 2;
        double width = sorted_quantile(v, n, high) - sorted_quantile(v, n, low);
        double rise = normal_quantile(high) - normal_quantile(low);
        bool is_steep = !(rise < limit * width);
        slope[k] = (real)(float)(is_steep ? limit : fmax(rise / width, fmin(before, after)));
    }
    slope[0] = fit_tail(frame + LOWER_TAIL, v, n, false, x[0], y[0], (y[1] - y[0]) / (x[1] - x[0]));
    slope[last] = fit_tail(frame + UPPER_TAIL, v, n, true, x[last], y[last],
                           (y[last] - y[last - 1]) / (x[last] - x[last - 1]));
    return true;
}

/* Log density of u[n] under column j as it is fitted, less a nat for each of its numbers. */
static double spline_score(const marginal *m, size_t j, const double *u, size_t n)
{
    curve c = curve_of(m, j);
    double sum = -(double)n * log(c.unit) - (double)(c.knots + 4);
    for (size_t i = 0; i < n; i++) {
        curve_point at;
        curve_forward(&c, u[i], &at);
        sum += at.log_slope + normal_log_density(at.y);
    }
    return sum;
}

static double level_width(const histogram *l, size_t k)
{
    return l->start ? l->start[k + 1] - l->start[k] : 1;
}

static bool is_frequent(const histogram *l, size_t k)
{
    return l->start && level_width(l, k) == 1 && l->mass[k] >= l->frequent;
}

/* The score of a histogram likewise, each value left out of the rows that judge it: one that is
 * only just frequent would without it belong to what lies around it. */
static double level_score(const histogram *l, size_t n, double unit)
{
    double sum = -(double)n * log(unit), total = -1;
    for (size_t k = 0; k < l->count; k++)
        total += l->mass[k];
    for (size_t k = 0; k < l->count; k++) {
        double width = level_width(l, k), rows = floor(l->mass[k]), left = l->mass[k] - 1;
        for (size_t i = k - 1; is_frequent(l, k) && rows == l->frequent && i != k + 3; i += 2)
            if (i < l->count && !is_frequent(l, i)) {
                left += l->mass[i];
                width += level_width(l, i);
            }
        if (rows > 0)
            sum += rows * log(fmax(left, l->prior) / (total * width));
    }
    return sum;
}

static bool even_levels(histogram *l, const double *v, size_t n, double origin, double unit,
                        double span)
{
    l->count = (size_t)span;
    l->start = NULL;
    for (size_t k = 0; k < l->count; k++)
        l->mass[k] = LEVEL_PRIOR;
    for (size_t i = 0; i < n; i++) {
        double k = floor((v[i] - origin) / unit);
        l->mass[k > 0 ? k < span ? (size_t)k : l->count - 1 : 0]++;
    }
    return true;
}

/* Of the sorted v[n], how many grid levels have `least` rows or more. */
static size_t count_frequent(const double *v, size_t n, double origin, double unit, size_t least)
{
    size_t found = 0;
    for (size_t i = 0, run; i < n; i += run) {
        double level = floor((v[i] - origin) / unit);
        for (run = 1; i + run < n && floor((v[i + run] - origin) / unit) == level;)
            run++;
        found += run >= least;
    }
    return found;
}

/* Values that come back, each a level of its own, and between them what was seen once: a level from
 * one of the frequent values to the next. At most `most` levels; false where nothing comes back. */
static bool uneven_levels(histogram *l, const double *v, size_t n, double origin, double unit,
                          size_t most)
{
    size_t least = 2, gaps = 0;
    if (most < 3)
        return false;
    while (2 * count_frequent(v, n, origin, unit, least) + 1 > most)
        least += 1 + least / 4;
    l->count = 0;
    l->start[0] = floor((v[0] - origin) / unit);
    double waiting = 0; /* rows since the last frequent value */
    for (size_t i = 0, run; i < n; i += run) {
        double level = floor((v[i] - origin) / unit);
        for (run = 1; i + run < n && floor((v[i + run] - origin) / unit) == level;)
            run++;
        bool frequent = run >= least;
        if (frequent && level > l->start[l->count]) { /* what lies before it */
            l->mass[l->count++] = waiting;
            l->start[l->count] = level;
            gaps++;
        }
        waiting = frequent ? 0 : waiting + (double)run;
        if (!frequent)
            continue;
        l->mass[l->count++] = (double)run;
        l->start[l->count] = level + 1;
    }
    double end = floor((v[n - 1] - origin) / unit) + 1;
    if (waiting > 0) {
        l->mass[l->count++] = waiting;
        l->start[l->count] = end;
        gaps++;
    }
    l->frequent = (double)least;
    l->prior = 0.5 / (double)(gaps + 1); /* half a row lies where nothing was seen */
    for (size_t k = 0; k < l->count; k++)
        l->mass[k] = fmax(l->mass[k], l->prior);
    return l->count > gaps;
}

/* A histogram of column j where the entry knows levels: always where they have an end, otherwise
 * where it says more of the values than a spline. v becomes that of the spline's unit. */
static bool fit_known_levels(const marginal *m, size_t j, const entry_column *e, double *v,
                             size_t n, histogram *even, histogram *uneven)
{
    real *frame = m->frame + j * FRAME, *table = m->table + j * m->width;
    if (!(e->unit > 0) || !m->levels)
        return false;
    double origin = e->offset - e->centre, first = floor((v[0] - origin) / e->unit);
    double span = e->levels > 0 ? e->levels : floor((v[n - 1] - origin) / e->unit) - first + 1;
    origin += e->levels > 0 ? 0 : first * e->unit;
    bool fits = span <= (double)m->levels && even_levels(even, v, n, origin, e->unit, span);
    if (e->levels > 0) {
        if (fits)
            fit_levels(frame, table, even, origin, e->unit, false);
        return fits;
    }
    histogram *best = fits ? even : NULL;
    double most = fits ? level_score(even, n, e->unit) : -HUGE_VAL;
    if (span > 2 && uneven_levels(uneven, v, n, origin, e->unit, m->width / 4 - 1) &&
        level_score(uneven, n, e->unit) > most) {
        best = uneven;
        most = level_score(uneven, n, e->unit);
    }
    if (!best || (span > 2 && fit_spline(m, frame, table, v, n) && spline_score(m, j, v, n) > most))
        return best != NULL;
    fit_levels(frame, table, best, origin, e->unit, true);
    return true;
}

typedef struct marginal_fit {
    const marginal *m;
    const layer_start *start;
    double *values, *room; /* [threads, n] and [threads, 3 (width + 1)] */
} marginal_fit;

static void fit_column(void *context, int thread, size_t j)
{
    const marginal_fit *fit = context;
    const marginal *m = fit->m;
    const layer_start *s = fit->start;
    real *frame = m->frame + j * FRAME, *table = m->table + j * m->width;
    double *v = fit->values + (size_t)thread * s->n;
    double *room = fit->room + (size_t)thread * 3 * (m->width + 1);
    histogram even = {.mass = room, .prior = LEVEL_PRIOR};
    histogram uneven = {room + m->width + 1, room + 2 * (m->width + 1), 0, 0, 0};
    size_t n = 0;
    for (size_t r = 0; r < s->n; r++)
        if (!s->mask || s->mask[j * s->stride + r] > 0)
            v[n++] = s->x[j * s->stride + r];
    values_sort(v, n);
    if (n == 0)
        v[n++] = 0;
    if (s->entry &&
        fit_known_levels(m, j, &s->entry->column[entry_value(s->entry, j)], v, n, &even, &uneven))
        return;
    if (fit_spline(m, frame, table, v, n))
        return;
    double unit = fmax(1, fabs(v[0]) * 0x1p-20); /* one value: a level around it */
    even.mass[0] = (double)n + LEVEL_PRIOR;
    even.count = 1;
    fit_levels(frame, table, &even, v[0] - unit / 2, unit, true);
}

static nicest_status marginal_start(layer *self, const layer_start *s)
{
    marginal *m = (marginal *)self;
    int threads = s->threads < 1 ? parallel_available() : s->threads;
    OWNED_ROWS(double *, values, (size_t)threads, s->n);
    OWNED_ROWS(double *, room, (size_t)threads, 3 * (m->width + 1));
    parallel_for(threads, self->columns, fit_column, &(marginal_fit){m, s, values, room});
    return marginal_check(self);
}

static const layer_class marginal_class = {
    .name = "marginal",
    .tensors = marginal_tensors,
    .tape = marginal_tape,
    .start = marginal_start,
    .check = marginal_check,
    .forward = marginal_forward,
    .inverse = marginal_inverse,
    .backward = marginal_backward,
};

const layer *flow_marginal(const flow *f)
{
    size_t first = f->spec.categories != NULL; /* these leave the values as they are */
    const layer *l = f->spec.count > first ? f->spec.layers[first] : NULL;
    return l && l->class == &marginal_class ? l : NULL;
}

double marginal_place(const layer *marginal_layer, size_t j, double x)
{
    const curve c = curve_of((const marginal *)marginal_layer, j);
    curve_point at;
    curve_forward(&c, (x - c.origin) / c.unit, &at);
    return at.y;
}

double marginal_value(const layer *marginal_layer, size_t j, double y, double *log_slope)
{
    const curve c = curve_of((const marginal *)marginal_layer, j);
    curve_point at;
    double x = c.origin + c.unit * curve_inverse(&c, y, &at);
    *log_slope = at.log_slope - log(c.unit);
    return x;
}

nicest_status marginal_parse(const spec_line *l, const spec_shape *shape, char *canonical,
                             layer **out)
{
    static const char *const keys[] = {"levels", "knots", NULL};
    size_t levels = 256, knots = 32;
    if (!spec_known_options(l, keys) || !spec_count_option(l, "levels", 0, MOST_LEVELS, &levels) ||
        !spec_count_option(l, "knots", 2, MOST_KNOTS, &knots))
        return spec_refuse(l, "expected 'marginal levels=L knots=K' with L from 0 to 4096 and K "
                              "from 2 to 64");
    marginal *m = layer_new(&marginal_class, sizeof *m, shape, out);
    if (!m)
        return NICEST_OK;
    m->levels = levels;
    m->knots = knots;
    m->width = 2 * (levels + 1) > 3 * knots ? 2 * (levels + 1) : 3 * knots;
    snprintf(canonical, SPEC_LINE, "marginal levels=%zu knots=%zu", levels, knots);
    return NICEST_OK;
}
