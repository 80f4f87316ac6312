/* gaussian.c - see gaussian.h. */
#include "base/gaussian.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/clones.h"
#include "base/parallel.h"
#include "base/values.h"

static const double LOG_TWO_PI = 1.8378770664093453;

size_t gaussian_packed(size_t d)
{
    return d * (d + 1) / 2;
}

size_t gaussian_column(size_t d, size_t j)
{
    assert(j <= d);
    return j * d - j * (j + 1) / 2 + j;
}

/* y += a x */
VECTOR_CLONES static void add_scaled(double *y, double a, const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += a * x[i];
}

/* ------------------------------------------------------------------ moments */

/* Columns of a covariance, or of a factor, that are computed in one pass over what they are of. */
enum { COLUMNS_AT_ONCE = 16 };

typedef struct moments {
    const double *rows, *weight, *mean;
    size_t n, d;
    double total;
    double *covariance;
} moments;

/* sum_i w_i (x_ij - m_j) x_ik, k >= j: the mean is subtracted once, which is enough as the other
 * factor then sums to zero; data is standardised, so nothing is lost to cancellation. */
static void add_columns(void *context, int thread, size_t item)
{
    const moments *m = context;
    size_t first = item * COLUMNS_AT_ONCE, end = first + COLUMNS_AT_ONCE;
    (void)thread;
    end = end < m->d ? end : m->d;
    for (size_t i = 0; i < m->n; i++) {
        const double *row = m->rows + i * m->d;
        double weight = values_weight(m->weight, i) / m->total;
        for (size_t j = first; weight > 0 && j < end; j++)
            add_scaled(m->covariance + gaussian_column(m->d, j), weight * (row[j] - m->mean[j]),
                       row + j, m->d - j);
    }
}

void gaussian_moments(const double *rows, const double *weight, size_t n, size_t d, int threads,
                      double *mean, double *covariance)
{
    double total = 0;
    memset(mean, 0, d * sizeof *mean);
    memset(covariance, 0, gaussian_packed(d) * sizeof *covariance);
    for (size_t i = 0; i < n; i++) {
        total += values_weight(weight, i);
        add_scaled(mean, values_weight(weight, i), rows + i * d, d);
    }
    if (!(total > 0))
        return;
    for (size_t j = 0; j < d; j++)
        mean[j] /= total;
    moments m = {rows, weight, mean, n, d, total, covariance};
    parallel_for(threads, (d + COLUMNS_AT_ONCE - 1) / COLUMNS_AT_ONCE, add_columns, &m);
}

void gaussian_add(const double *row, size_t d, double *covariance)
{
    for (size_t j = 0; j < d; j++)
        add_scaled(covariance + gaussian_column(d, j), row[j], row + j, d - j);
}

/* ------------------------------------------------------------------ shrinkage */

/* Ledoit and Wolf (2004): error of the sample covariance over its distance from mu I. */
double gaussian_shrink(const double *rows, size_t n, size_t d, const double *mean,
                       double *covariance)
{
    double trace = 0, norm = 0, fourth = 0, count = (double)n;
    for (size_t j = 0; j < d; j++) { /* the squared Frobenius norm of the whole matrix */
        const double *column = covariance + gaussian_column(d, j);
        trace += column[0];
        norm += column[0] * column[0];
        for (size_t i = 1; i < d - j; i++)
            norm += 2 * column[i] * column[i];
    }
    for (size_t i = 0; i < n; i++) {
        double square = 0;
        for (size_t j = 0; j < d; j++)
            square += (rows[i * d + j] - mean[j]) * (rows[i * d + j] - mean[j]);
        fourth += square * square;
    }
    double level = trace / (double)d, distance = norm - level * trace;
    double error = (fourth / count - norm) / count;
    double share = distance > 0 ? fmin(fmax(error / distance, 0), 1) : 1;
    for (size_t i = 0; i < gaussian_packed(d); i++)
        covariance[i] *= 1 - share;
    for (size_t j = 0; j < d; j++)
        covariance[gaussian_column(d, j)] += share * level;
    return share;
}

/* ------------------------------------------------------------------ factor and density */

/* Subtracts from columns first .. end-1 what columns from .. to-1 of the factor have of them. Each
 * of these is read from memory once, the others stay in cache. */
static void eliminate(double *packed, size_t d, size_t first, size_t end, size_t from, size_t to)
{
    for (size_t k = from; k < to; k++)
        for (size_t j = first; j < end; j++) {
            const double *before = packed + gaussian_column(d, k) + (j - k);
            add_scaled(packed + gaussian_column(d, j), -before[0], before, d - j);
        }
}

/* The first `count` columns of the factor; from the columns behind them, up to `all`, what they
 * have of these is taken away. */
static void factor_panels(double *packed, size_t d, size_t count, size_t all, double least)
{
    assert(count <= all && all <= d && least >= 0);
    for (size_t first = 0, end; first < all; first = end) {
        size_t last = first < count ? count : all;
        end = last - first < COLUMNS_AT_ONCE ? last : first + COLUMNS_AT_ONCE;
        eliminate(packed, d, first, end, 0, first < count ? first : count);
        for (size_t j = first; j < end && j < count; j++) {
            double *column = packed + gaussian_column(d, j);
            eliminate(packed, d, j, j + 1, first, j);
            double pivot = sqrt(column[0] > least * least ? column[0] : least * least);
            column[0] = pivot;
            for (size_t i = 1; i < d - j; i++)
                column[i] /= pivot;
        }
    }
}

void gaussian_factor(double *packed, size_t d, double least)
{
    factor_panels(packed, d, d, d, least);
}

void gaussian_factor_first(double *packed, size_t d, size_t count, double least)
{
    factor_panels(packed, d, count, count, least);
}

void gaussian_condition(double *packed, size_t d, size_t seen, double least)
{
    factor_panels(packed, d, seen, d, least);
}

void gaussian_invert(double *factor, size_t d)
{
    for (size_t j = d; j-- > 0;) { /* the inverse's columns behind j, times column j */
        double *column = factor + gaussian_column(d, j);
        for (size_t k = d; k-- > j + 1;) {
            const double *behind = factor + gaussian_column(d, k);
            double value = column[k - j];
            column[k - j] = 0;
            add_scaled(column + k - j, value, behind, d - k);
        }
        column[0] = 1 / column[0];
        for (size_t i = 1; i < d - j; i++)
            column[i] *= -column[0];
    }
}

void gaussian_square(const double *factor, size_t d, double *packed)
{
    memset(packed, 0, gaussian_packed(d) * sizeof *packed);
    for (size_t k = 0; k < d; k++) {
        const double *column = factor + gaussian_column(d, k);
        for (size_t j = k; j < d; j++)
            add_scaled(packed + gaussian_column(d, j), column[j - k], column + j - k, d - j);
    }
}

void gaussian_eliminate(const double *factor, size_t d, size_t count, double *z)
{
    assert(count <= d);
    for (size_t j = 0; j < count; j++) {
        const double *column = factor + gaussian_column(d, j);
        z[j] /= column[0];
        add_scaled(z + j + 1, -z[j], column + 1, d - j - 1);
    }
}

void gaussian_multiply(const double *factor, size_t d, const double *z, double *out)
{
    memset(out, 0, d * sizeof *out);
    for (size_t j = 0; j < d; j++)
        add_scaled(out + j, z[j], factor + gaussian_column(d, j), d - j);
}

/* In eight sums, which a compiler may keep in one register. */
VECTOR_CLONES static double dot(const double *x, const double *y, size_t n)
{
    double part[8] = {0}, sum = 0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (size_t k = 0; k < 8; k++)
            part[k] += x[i + k] * y[i + k];
    for (; i < n; i++)
        sum += x[i] * y[i];
    for (size_t k = 0; k < 8; k++)
        sum += part[k];
    return sum;
}

void gaussian_multiply_transposed(const double *factor, size_t d, double *v)
{
    for (size_t j = 0; j < d; j++)
        v[j] = dot(factor + gaussian_column(d, j), v + j, d - j);
}

/* ------------------------------------------------------------------ many rows at once */

#define INLINE static inline __attribute__((always_inline))

/* Rows that stay in registers while a sum runs over columns. */
enum { WIDE = 32 };

/* out -= sum over j < count of *coefficient z[j], for `width` rows; the coefficients lie `step`,
 * then `step` - `less`, ... apart. */
INLINE void subtract_run(const double *coefficient, size_t step, size_t less, size_t count,
                         const double *z, size_t n, double *out, size_t width)
{
    double sum[WIDE];
    for (size_t r = 0; r < width; r++)
        sum[r] = out[r];
    for (size_t j = 0; j < count; j++) {
        for (size_t r = 0; r < width; r++)
            sum[r] -= coefficient[0] * z[j * n + r];
        coefficient += step;
        step -= less;
    }
    for (size_t r = 0; r < width; r++)
        out[r] = sum[r];
}

VECTOR_CLONES static void subtract_columns(const double *coefficient, size_t step, size_t less,
                                           size_t count, const double *z, size_t n, double *out)
{
    size_t r = 0;
    for (; r + WIDE <= n; r += WIDE)
        subtract_run(coefficient, step, less, count, z + r, n, out + r, WIDE);
    for (; r < n; r += GAUSSIAN_LANES)
        subtract_run(coefficient, step, less, count, z + r, n, out + r, GAUSSIAN_LANES);
}

/* L_i0, L_i1, ... lie d-1, d-2, ... apart. */
void gaussian_subtract_row(const double *factor, size_t d, size_t i, size_t count, const double *z,
                           size_t n, double *out)
{
    assert(i < d && count <= i && n % GAUSSIAN_LANES == 0);
    subtract_columns(factor + i, d - 1, 1, count, z, n, out);
}

void gaussian_subtract_column(const double *factor, size_t d, size_t i, size_t end, const double *z,
                              size_t n, double *out)
{
    assert(i < end && end <= d && n % GAUSSIAN_LANES == 0);
    subtract_columns(factor + gaussian_column(d, i) + 1, 1, 0, end - i - 1, z + (i + 1) * n, n,
                     out);
}

/* Four sums at once, each in eight lanes. */
INLINE void add_dots(const double *x, const double *y, size_t stride, size_t n, size_t count,
                     double *out)
{
    double sum[4][GAUSSIAN_LANES] = {{0}};
    for (size_t r = 0; r < n; r += GAUSSIAN_LANES)
        for (size_t i = 0; i < count; i++)
            for (size_t k = 0; k < GAUSSIAN_LANES; k++)
                sum[i][k] += x[r + k] * y[i * stride + r + k];
    for (size_t i = 0; i < count; i++) {
        const double *s = sum[i];
        out[i] += ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
    }
}

VECTOR_CLONES void gaussian_add_sums(const double *x, const double *y, size_t count, size_t n,
                                     double *out)
{
    assert(n % GAUSSIAN_LANES == 0);
    size_t i = 0;
    for (; i + 4 <= count; i += 4)
        add_dots(x, y + i * n, n, n, 4, out + i);
    for (; i < count; i++)
        add_dots(x, y + i * n, n, n, 1, out + i);
}

/* ------------------------------------------------------------------ density of one row */

/* L z = row - mean by columns; log N = -(|z|^2 + d log 2 pi)/2 - sum log L_jj */
double gaussian_log_density(const double *row, const double *mean, const double *factor, size_t d,
                            double *scratch)
{
    double sum = (double)d * LOG_TWO_PI;
    for (size_t j = 0; j < d; j++)
        scratch[j] = row[j] - mean[j];
    for (size_t j = 0; j < d; j++) {
        const double *column = factor + gaussian_column(d, j);
        if (!(column[0] > 0)) /* a factor from a file may be anything: then there is no density */
            return NAN;
        double z = scratch[j] / column[0];
        sum += z * z + 2 * log(column[0]);
        add_scaled(scratch + j + 1, -z, column + 1, d - j - 1);
    }
    return -sum / 2;
}
