/* conditional.c - see conditional.h. */
#include "apply/conditional.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/gaussian.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/status.h"

/* Deviations that remain of a hidden value that the others determine; deviations beyond which an
 * observed value counts no further, as there no straight line is to be trusted. */
static const double LEAST = 1e-3, REACH = 10;

/* ------------------------------------------------------------------ memory */

static bool same_mask(const conditional *c, const unsigned char *hidden, size_t row)
{
    return row > 0 &&
           memcmp(hidden + row * c->columns, hidden + (row - 1) * c->columns, c->columns) == 0;
}

static size_t each_of(const conditional *c)
{
    return c->each ? c->each : 1;
}

/* The same of rows of x. */
static bool shares_mask(const conditional *c, size_t row)
{
    return row % each_of(c) || same_mask(c, c->hidden, row / each_of(c));
}

/* Numbers that the factors of the fullest batch take. */
static size_t room_for(const conditional *c, const unsigned char *hidden, size_t n, size_t most)
{
    size_t largest = 0, d = c->columns;
    for (size_t first = 0; first < n; first += most) {
        size_t rows = n - first < most ? n - first : most, sum = 0;
        const unsigned char *some = hidden + first * d;
        for (size_t i = 0; i < rows; i++) {
            size_t count = 0;
            for (size_t j = 0; j < d; j++)
                count += some[i * d + j] != 0;
            sum += same_mask(c, some, i) ? 0 : gaussian_packed(count);
        }
        largest = sum > largest ? sum : largest;
    }
    return largest;
}

nicest_status conditional_open(conditional *c, const nicest_model *model,
                               const unsigned char *hidden, size_t n, size_t most, bool steps)
{
    const double *factor = model ? model_gaussian_factor(model) : NULL;
    const double *own = model ? model_gaussian_columns(model) : NULL;
    const entry *e = model ? &model_flow_const(model)->entry : NULL;
    size_t d = c->columns, packed = gaussian_packed(d);
    bool whole = factor || c->covariance;
    c->steps = steps;
    c->mean_of = memory_join(&c->memory, 2 * d, sizeof *c->mean_of);
    size_t rows = most * each_of(c);
    c->order = memory_join(&c->memory, rows, d * sizeof *c->order);
    c->observed = memory_join(&c->memory, rows, sizeof *c->observed);
    c->factor = memory_join(&c->memory, rows, sizeof *c->factor);
    if (whole) {
        size_t room = steps ? room_for(c, hidden, n, most) : 0;
        c->covariance = factor ? memory_new(packed, sizeof *c->covariance) : c->covariance;
        c->scratch = memory_join(&c->memory, (size_t)c->threads, (packed + d) * sizeof *c->scratch);
        c->room = memory_join(&c->memory, room, sizeof *c->room);
    }
    if (c->memory.lacking || (whole && !c->covariance)) {
        conditional_close(c);
        return fail_memory();
    }
    if (factor)
        gaussian_square(factor, d, c->covariance);
    /* C is in deviations of its own rows, a part of all: one wild row among these only would make m
     * a correlation times a foreign deviation. */
    c->deviation_of = c->mean_of + d;
    for (size_t j = 0; j < d; j++) {
        c->mean_of[j] = own ? entry_middle(e, j, own[j]) : c->column[j].mean;
        c->deviation_of[j] = own ? e->gain[j] * own[d + j] : c->column[j].deviation;
    }
    return NICEST_OK;
}

void conditional_close(conditional *c)
{
    memory_free(c->covariance);
    memory_leave(&c->memory);
    c->covariance = NULL;
}

/* ------------------------------------------------------------------ rows */

/* Observed columns of a row in front; where its factor will be. */
static double *arrange(conditional *c, size_t row, double *room)
{
    size_t d = c->columns, *order = c->order + row * d, front = 0;
    const unsigned char *hidden = c->hidden + row / each_of(c) * d;
    for (size_t j = 0; j < d; j++)
        if (!hidden[j])
            order[front++] = j;
    c->observed[row] = front;
    for (size_t j = 0, back = front; j < d; j++)
        if (hidden[j])
            order[back++] = j;
    if (!c->steps || !c->covariance)
        return room;
    bool shared = shares_mask(c, row);
    c->factor[row] = shared ? c->factor[row - 1] : room;
    return shared ? room : room + gaussian_packed(d - front);
}

/* Where a mask begins: its factor, and the means of the rows that share it. */
static void take_mask(void *context, int thread, size_t row)
{
    conditional *c = context;
    size_t d = c->columns, room = gaussian_packed(d);
    double *packed = c->scratch + (size_t)thread * (room + d);
    if (shares_mask(c, row))
        return;
    /* C in the row's order, and its factor: only the observed columns, unless F is wanted too. */
    size_t front = c->observed[row];
    const size_t *order = c->order + row * d;
    for (size_t b = 0; b < d; b++) {
        double *column = packed + gaussian_column(d, b);
        for (size_t a = b; a < d; a++) {
            size_t i = order[a], j = order[b];
            column[a - b] = i >= j ? c->covariance[gaussian_column(d, j) + i - j]
                                   : c->covariance[gaussian_column(d, i) + j - i];
        }
    }
    gaussian_factor_first(packed, d, c->steps ? d : front, LEAST);
    if (c->steps && front < d) /* the last columns of a packed triangle are a packed triangle */
        memcpy((double *)c->factor[row], packed + gaussian_column(d, front),
               gaussian_packed(d - front) * sizeof *packed);
    do {
        /* z_O by forward substitution; what it leaves below is -B A^-1 z_O. */
        double *z = packed + room;
        const double *x = c->x + row * d;
        double *mean = c->mean + row * d;
        memset(z, 0, d * sizeof *z);
        for (size_t a = 0; a < front; a++) {
            double deviation = c->deviation_of[order[a]];
            double off = deviation > 0 ? (x[order[a]] - c->mean_of[order[a]]) / deviation : 0;
            z[a] = fmin(fmax(off, -REACH), REACH);
        }
        gaussian_eliminate(packed, d, front, z);
        for (size_t a = front; a < d; a++) {
            const fill_column *k = &c->column[order[a]];
            double m = c->mean_of[order[a]] - c->deviation_of[order[a]] * z[a];
            mean[order[a]] = fmin(fmax(m, k->low), k->high);
        }
    } while (++row < c->rows && shares_mask(c, row));
}

void conditional_take(conditional *c, const double *x, const unsigned char *hidden, size_t rows,
                      double *mean)
{
    assert(x && hidden && mean);
    double *room = c->room;
    c->x = x;
    c->hidden = hidden;
    c->rows = rows;
    c->mean = mean;
    for (size_t i = 0; i < rows; i++)
        room = arrange(c, i, room);
    if (c->covariance)
        parallel_for(c->threads, rows, take_mask, c);
    for (size_t i = 0; !c->covariance && i < rows; i++)
        for (size_t j = 0; j < c->columns; j++)
            if (hidden[i / each_of(c) * c->columns + j])
                mean[i * c->columns + j] = c->mean_of[j];
}

/* ------------------------------------------------------------------ steps */

size_t conditional_count(const conditional *c, size_t row)
{
    return c->columns - c->observed[row];
}

const size_t *conditional_order(const conditional *c, size_t row)
{
    return c->order + row * c->columns + c->observed[row];
}

void conditional_step(const conditional *c, size_t row, const double *z, double *out)
{
    assert(z != out);
    size_t count = conditional_count(c, row);
    const size_t *order = conditional_order(c, row);
    if (c->covariance)
        gaussian_multiply(c->factor[row], count, z, out);
    else
        memcpy(out, z, count * sizeof *out);
    for (size_t a = 0; a < count; a++)
        out[a] *= c->deviation_of[order[a]];
}

void conditional_pull(const conditional *c, size_t row, double *v)
{
    size_t count = conditional_count(c, row);
    const size_t *order = conditional_order(c, row);
    for (size_t a = 0; a < count; a++)
        v[a] *= c->deviation_of[order[a]];
    if (c->covariance)
        gaussian_multiply_transposed(c->factor[row], count, v);
}

double conditional_variance(const conditional *c, size_t row)
{
    size_t count = conditional_count(c, row);
    const size_t *order = conditional_order(c, row);
    double sum = 0;
    for (size_t b = 0; b < count; b++) {
        const double *column = c->factor[row] + gaussian_column(count, b);
        for (size_t a = b; a < count; a++)
            sum += pow(c->deviation_of[order[a]] * column[a - b], 2);
    }
    return sum;
}
