/* proof.c - log-determinants against a numerical Jacobian, gradients against differences.
 *
 * Owns the choice of steps. Nothing here looks into a layer: the flow is run as anybody runs it. A
 * difference is no derivative where it straddles a kink of a ReLU, where the flow bends within the
 * step, or where rounding is all that is left of it: each is known by differences of two steps that
 * disagree. */
#include "flow/proof.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "base/values.h"
#include "flow/flow.h"

typedef struct prover {
    flow *f;
    flow_workspace *score, *learn;
    const proof_subject *subject;
    uint64_t seed;
    size_t d, width; /* values, numbers of a row */
} prover;

/* ------------------------------------------------------------------ log-determinant */

/* A column's steps begin at LONGEST_STEP of its deviation, shrink until no latent moves by more
 * than MOST_MOVE (a narrow peak of the density is that steep), and are then STEP_RATIO times as
 * short each time. */
enum { COLUMNS_AT_ONCE = 128, STEPS = 14, STEP_RATIO = 3 };
static const double LONGEST_STEP = 1e-4, MOST_MOVE = 0.01, SURE = 1e-9;

typedef struct jacobian {
    double *matrix;     /* [d, d], row j: derivatives of all latents by column j */
    double *last;       /* [d, d] the same, of the last step */
    double *plain;      /* [d, d] the differences that those come from */
    double *doubt;      /* [d] by how much two steps disagreed, of the row that is kept */
    double *step;       /* [d] the next one */
    double *kept;       /* [d] the one of the derivatives that are kept */
    int *taken;         /* [d] steps that were short enough */
    double *near, *far; /* [2 COLUMNS_AT_ONCE, width] perturbed rows, and their latents */
    double *latent;     /* [width] of the row itself; NaN: hidden */
    size_t *columns;    /* [d] those to take (again) */
} jacobian;

/* Keeps the derivatives by one column if they agree better with those of the last step than those
 * that are there did with theirs. The error of a central difference falls with the square of its
 * step, so that of the last step, STEP_RATIO times as long, takes it away (Richardson). A hidden
 * column is that of the identity. */
static void keep_surer(const prover *p, jacobian *j, size_t column, const double *pair,
                       double width)
{
    size_t d = p->d;
    bool masked = p->f->spec.masked, first = j->taken[column]++ == 0;
    double *last = j->last + column * d, *plain = j->plain + column * d, largest = 0, change = 0;
    for (size_t i = 0; i < d; i++) {
        double slope = (pair[i] - pair[p->width + i]) / width;
        if (masked && (isnan(j->latent[i]) || isnan(j->latent[column])))
            slope = i == column;
        double longer = first ? slope : plain[i];
        plain[i] = slope;
        slope += (slope - longer) / (STEP_RATIO * STEP_RATIO - 1);
        largest = fmax(largest, fabs(slope));
        change = fmax(change, fabs(slope - last[i]));
        last[i] = slope;
    }
    double doubt = first ? HUGE_VAL : largest > 0 ? change / largest : 0;
    if (doubt < j->doubt[column] || isinf(j->doubt[column])) { /* also NaN: it must be seen */
        memcpy(j->matrix + column * d, last, d * sizeof *last);
        j->doubt[column] = doubt;
        j->kept[column] = j->step[column];
    }
    j->step[column] /= STEP_RATIO;
}

/* Central differences by the listed columns, at most COLUMNS_AT_ONCE of them. */
static void differences(const prover *p, jacobian *j, const double *x, const size_t *columns,
                        size_t count)
{
    size_t w = p->width;
    for (size_t c = 0; c < count; c++)
        for (int side = 0; side < 2; side++) {
            double *row = j->near + (2 * c + (size_t)side) * w;
            memcpy(row, x, w * sizeof *x);
            row[columns[c]] += side ? -j->step[columns[c]] : j->step[columns[c]];
        }
    flow_forward(p->score, j->near, 2 * count, j->far, NULL);
    for (size_t c = 0; c < count; c++) {
        const double *pair = j->near + 2 * c * w, *far = j->far + 2 * c * w;
        double width = pair[columns[c]] - pair[w + columns[c]]; /* what rounding left of the step */
        double move = 0;                                        /* of the latents */
        for (size_t i = 0; i < p->d; i++)
            move = fmax(move, fabs(far[i] - far[w + i]));
        if (move > MOST_MOVE && !j->taken[columns[c]])
            j->step[columns[c]] *= fmax(MOST_MOVE / move / 2, 1e-4);
        else if (!(width <= 0)) /* NaN: a hidden column */
            keep_surer(p, j, columns[c], far, width);
    }
}

/* Some steps for all columns, then smaller ones for those that two steps do not agree about. */
static void fill_jacobian(const prover *p, jacobian *j, const double *x)
{
    for (size_t c = 0; c < p->d; c++) {
        j->step[c] = LONGEST_STEP * p->subject->deviation[c];
        j->doubt[c] = HUGE_VAL;
        j->taken[c] = 0;
    }
    for (int s = 0; s < STEPS; s++) {
        size_t count = 0;
        for (size_t c = 0; c < p->d; c++)
            if (!(j->doubt[c] <= SURE))
                j->columns[count++] = c;
        for (size_t first = 0; first < count; first += COLUMNS_AT_ONCE) {
            size_t left = count - first;
            differences(p, j, x, j->columns + first,
                        left < COLUMNS_AT_ONCE ? left : COLUMNS_AT_ONCE);
        }
    }
}

/* log |det| by elimination with row exchange; destroys a[d, d]. */
static double log_abs_det(double *a, size_t d)
{
    double sum = 0;
    for (size_t k = 0; k < d; k++) {
        size_t pivot = k;
        for (size_t i = k + 1; i < d; i++)
            pivot = fabs(a[i * d + k]) > fabs(a[pivot * d + k]) ? i : pivot;
        for (size_t i = k; pivot != k && i < d; i++) {
            double held = a[k * d + i];
            a[k * d + i] = a[pivot * d + i];
            a[pivot * d + i] = held;
        }
        if (a[k * d + k] == 0)
            return -HUGE_VAL;
        sum += log(fabs(a[k * d + k]));
        for (size_t i = k + 1; i < d; i++)
            vector_add_scaled(a + i * d + k, a + k * d + k, -a[i * d + k] / a[k * d + k], d - k);
    }
    return sum;
}

/* *error, and steps[n, d]: LONGER of those by which each column was found smooth, so that the best
 * for a slope, which bends less than it rounds, is among them and their parts. */
static nicest_status prove_logdet(const prover *p, double *steps, double *error)
{
    enum { LONGER = 1000 };
    OWNED_BY(memory_leave) memory_group memory = {0};
    jacobian j;
    double most = 0;
    size_t pairs = 2 * COLUMNS_AT_ONCE * p->width;
    j.matrix = memory_join(&memory, 3 * p->d + 3, p->d * sizeof(double));
    j.taken = memory_join(&memory, p->d, sizeof(int));
    j.near = memory_join(&memory, pairs, sizeof(double));
    j.far = memory_join(&memory, pairs, sizeof(double));
    j.latent = memory_join(&memory, p->width, sizeof(double));
    j.columns = memory_join(&memory, p->d, sizeof(size_t));
    TRY(check_memory(!memory.lacking));
    j.last = j.matrix + p->d * p->d;
    j.plain = j.last + p->d * p->d;
    j.doubt = j.plain + p->d * p->d;
    j.step = j.doubt + p->d;
    j.kept = j.step + p->d;
    for (size_t r = 0; r < p->subject->n; r++) {
        const double *x = p->subject->rows + r * p->width;
        double analytic;
        flow_forward(p->score, x, 1, j.latent, &analytic);
        fill_jacobian(p, &j, x);
        for (size_t c = 0; c < p->d; c++)
            steps[r * p->d + c] = LONGER * j.kept[c];
        double numerical = log_abs_det(j.matrix, p->d);
        most = values_worse(most, fabs(numerical - analytic) / fmax(1, fabs(analytic)));
    }
    *error = most;
    return NICEST_OK;
}

/* ------------------------------------------------------------------ gradients */

enum { DIRECTIONS = 4 };

/* A function along a line, and its gradient at the start. */
typedef struct line {
    double (*value)(const struct line *l); /* where `moved` is */
    const prover *p;
    double *gradient, *direction, *moved; /* [size] */
    const double *start;                  /* [size] */
    size_t size;
    double *logp; /* [n], of the rows */
} line;

/* The value at start + t direction. *slope gains `factor` times what the gradient says of the step
 * that rounding made of that: next to a value that repeats it is not the step that was asked for.
 */
static double line_value(const line *l, double t, double factor, double *slope)
{
    for (size_t i = 0; i < l->size; i++) {
        l->moved[i] = l->start[i] + t * l->direction[i];
        if (l->gradient[i] != 0) /* NaN: a hidden value, with no gradient */
            *slope += factor * l->gradient[i] * (l->moved[i] - l->start[i]);
    }
    return l->value(l);
}

/* Relative error of the gradient along the line against central differences of fourth order: the
 * best of several steps, since rounding wants them large, and curvature and kinks small. A wrong
 * gradient has no good step. Near a top the slope is next to nothing beside its rounding: there the
 * error is relative to what it is a natural length away, the root of the curvature. */
static double slope_error(const line *l)
{
    double best = NAN, none = 0, here = line_value(l, 0, 0, &none);
    double scale = fmax(fabs(vector_dot(l->gradient, l->direction, l->size)), 1e-9);
    for (double change = 1e-2; change > 5e-8 && !(best <= SURE); change /= 2) {
        double t = fmin(change / scale, 10 * change), slope = 0;
        double above = line_value(l, t, 8 / (12 * t), &slope);
        double below = line_value(l, -t, -8 / (12 * t), &slope);
        double far = line_value(l, 2 * t, -1 / (12 * t), &slope);
        far -= line_value(l, -2 * t, 1 / (12 * t), &slope);
        double numerical = (8 * (above - below) - far) / (12 * t);
        double curvature = fabs(above - here + (below - here)) / (t * t);
        double size = fmax(fmax(fabs(slope), fabs(numerical)), fmax(sqrt(curvature), 1e-9));
        best = fmin(best, fabs(numerical - slope) / size); /* fmin passes over NaN */
    }
    return best;
}

/* A direction of about unit length, in units of unit[n] (NULL: 1): the gradient itself, or the
 * gradient with random factors and noise beside it, so that every component counts. */
static void choose_direction(const prover *p, int number, const double *gradient,
                             const double *unit, size_t n, double *v)
{
    double square = 0;
    for (size_t i = 0; i < n; i++)
        square += pow(gradient[i] * (unit ? unit[i] : 1), 2);
    double length = square > 0 ? sqrt(square) : 1, share = 1 / sqrt((double)n);
    if (number)
        random_normal((random_stream){p->seed, RANDOM_VERIFY, (uint32_t)number}, 0, v, n);
    for (size_t i = 0; i < n; i++) {
        double scale = unit ? unit[i] : 1, slope = gradient[i] * scale / length;
        v[i] = scale * (number ? slope * (1 + v[i]) + share * v[i] : slope);
    }
}

/* log p of one row. */
static double value_by_x(const line *l)
{
    double logp;
    memcpy(l->moved + l->size, l->start + l->size, (l->p->width - l->size) * sizeof *l->moved);
    flow_log_density(l->p->score, l->moved, 1, &logp);
    return logp;
}

/* Each column moves by steps[n, d] of its own: one may lie in a spike of its density, or next to
 * one, a millionth as wide as the bulk of another. */
static double prove_by_x(const prover *p, const double *steps, double *space)
{
    size_t d = p->d, w = p->width;
    double most = 0, *gradient = space, *direction = space + w;
    for (size_t r = 0; d && r < p->subject->n; r++, steps += d) {
        line l = {value_by_x, p,   gradient, direction, space + 2 * w, p->subject->rows + r * w,
                  d,          NULL};
        flow_run(p->learn,
                 &(flow_job){
                     .input = FLOW_CONTINUOUS, .rows = 1, .values = l.start, .gradient = gradient});
        for (int i = 0; i < DIRECTIONS; i++) {
            choose_direction(p, i, gradient, steps, d, direction);
            most = values_worse(most, slope_error(&l));
        }
    }
    return most;
}

/* Mean log p of the rows, all parameters moved. */
static double value_by_theta(const line *l)
{
    const proof_subject *s = l->p->subject;
    double sum = 0;
    flow_log_density(l->p->score, s->rows, s->n, l->logp);
    for (size_t i = 0; i < s->n; i++)
        sum += l->logp[i];
    return sum / (double)s->n;
}

static double prove_by_theta(const prover *p, double *space, double *logp)
{
    size_t count = p->f->tensors.trainable;
    double most = 0, *gradient = space, *direction = space + count, *start = space + 2 * count;
    line l = {value_by_theta, p, gradient, direction, p->f->theta, start, count, logp};
    memcpy(start, p->f->theta, count * sizeof *start);
    /* d mean log p / d theta, row by row through the workspace of one row. */
    size_t n = p->subject->n;
    vector_fill(gradient, 0, p->f->tensors.trainable);
    for (size_t r = 0; r < n; r++) {
        flow_learn(p->learn, &(flow_job){.input = FLOW_CONTINUOUS,
                                         .rows = 1,
                                         .values = p->subject->rows + r * p->width});
        for (size_t i = 0; i < p->f->blocks.count; i++) {
            const block *b = &p->f->blocks.items[i];
            real *g = flow_block_scratch(p->learn, 0);
            flow_gradient(p->learn, 0, b, g, NULL); /* of -log p */
            vector_add_scaled(gradient + b->offset, g, -1 / (double)n, b->count);
        }
    }
    for (int i = 0; i < DIRECTIONS; i++) {
        choose_direction(p, i, gradient, NULL, count, direction);
        flow_confine(p->f, direction);
        most = values_worse(most, slope_error(&l));
    }
    memcpy(p->f->theta, start, count * sizeof *start);
    return most;
}

/* ------------------------------------------------------------------ the whole */

static void prover_close(prover *p)
{
    flow_workspace_free(p->score);
    flow_workspace_free(p->learn);
    flow_free(p->f);
}

nicest_status proof_run(const proof_subject *s, uint64_t seed, int threads, proof *out)
{
    OWNED_BY(prover_close) prover p = {.subject = s, .seed = seed};
    proof found = {0};
    TRY(flow_new(&p.f, s->spec_text, 0));
    for (size_t i = 0; i < p.f->tensors.trainable; i++)
        p.f->theta[i] = (double)s->theta[i];
    for (size_t i = 0; i < p.f->tensors.frozen; i++)
        p.f->frozen[i] = (double)s->frozen[i];
    p.d = p.f->spec.columns;
    p.width = p.f->entry.columns;
    TRY(flow_workspace_new(&p.score, p.f, FLOW_SCORE, 0, threads, false));
    TRY(flow_workspace_new(&p.learn, p.f, FLOW_LEARN, 1, 1, false));
    OWNED_ROWS(double *, steps, s->n, p.d);
    TRY(prove_logdet(&p, steps, &found.logdet_error));
    size_t count = p.f->tensors.trainable, most = count > p.width ? count : p.width;
    OWNED_NEW(double *, space, 3 * most);
    OWNED_NEW(double *, logp, s->n);
    found.gradient_error = prove_by_x(&p, steps, space);
    if (count)
        found.gradient_error = values_worse(found.gradient_error, prove_by_theta(&p, space, logp));
    *out = found;
    return NICEST_OK;
}
