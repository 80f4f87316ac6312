/* sums.c - see sums.h. Columns are made orthogonal one after the other; where hardly anything is
 * left of one, it is tried as a sum of those before it, with factors as round as all rows allow. */
#include "train/sums.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "data/source.h"

enum { SUM_ROWS = 1000, SUM_COLUMNS = 256, SPARE_ROWS = 20, MOST_DIGITS = 9 };
static const double LITTLE_LEFT = 1e-2, NOTHING_LEFT = 1e-9;

typedef struct finder {
    const entry *e;
    size_t d, n, basis;  /* columns of the table; rows, and columns that are orthogonal by now */
    size_t *column;      /* [basis] which */
    double *row;         /* [n, d] stored */
    double *q, *r;       /* [basis, n] orthonormal; [basis, m] what each was made from */
    double *mean, *size; /* [d] of centred columns */
    double tolerance;
} finder;

/* What the sum makes of a row, and whether the row has just this, as far as its digits go. */
static bool keeps_sum(const finder *f, const double *sum, const double *row)
{
    size_t target = (size_t)sum[0];
    double value = sum[1], scale = fabs(sum[1]) + fabs(row[target]);
    for (size_t j = 0; j < f->d; j++)
        if (sum[2 + j] != 0) {
            value += sum[2 + j] * row[j];
            scale += fabs(sum[2 + j] * row[j]);
        }
    if (isnan(value) || isnan(row[target]))
        return true; /* nothing is known */
    value = entry_round(&f->e->column[target], value);
    return fabs(value - row[target]) <= f->tolerance * scale;
}

static bool all_keep(const finder *f, const double *sum)
{
    for (size_t i = 0; i < f->n; i++)
        if (!keeps_sum(f, sum, f->row + i * f->d))
            return false;
    return true;
}

/* Column j, of which c[basis] of the orthogonal ones is nearly all, as a sum. */
static bool try_sum(const finder *f, size_t j, double *c, double *sum)
{
    double constant = f->mean[j], factor[SUM_COLUMNS];
    for (size_t b = f->basis; b-- > 0;) {
        const double *r = f->r + b * SUM_COLUMNS;
        double w = c[b] / r[b];
        for (size_t i = 0; i < b; i++)
            c[i] -= w * r[i];
        factor[b] = w * f->size[j] / f->size[f->column[b]];
        constant -= factor[b] * f->mean[f->column[b]];
    }
    if (fabs(constant) < 1e-11 * (fabs(f->mean[j]) + f->size[j]))
        constant = 0;
    for (int digits = 0; digits <= MOST_DIGITS + 1; digits++) { /* at last as they are */
        double whole = digits <= MOST_DIGITS ? pow(10, digits) : 0;
        memset(sum, 0, (2 + f->d) * sizeof *sum);
        sum[0] = (double)j;
        sum[1] = whole > 0 ? rint(constant * whole) / whole : constant;
        bool some = false;
        for (size_t b = 0; b < f->basis; b++) {
            size_t k = f->column[b];
            bool counts = fabs(factor[b]) * f->size[k] > NOTHING_LEFT * f->size[j];
            double exact = counts ? factor[b] : 0;
            sum[2 + k] = whole > 0 ? rint(factor[b] * whole) / whole : exact;
            some = some || sum[2 + k] != 0;
        }
        if (some && all_keep(f, sum))
            return true;
    }
    return false;
}

/* Of a difference the part that is a sum of others takes its place: no sample of 60 + 40 is then
 * below its parts. Only where no other sum has that part. */
static void prefer_total(const finder *f, double *sum, const double *earlier, size_t count)
{
    size_t width = 2 + f->d, j = (size_t)sum[0];
    for (size_t k = 0; k < f->d; k++) {
        bool best = sum[2 + k] > 0 && -sum[1] / sum[2 + k] >= 0 && !(f->e->column[k].given > 0);
        for (size_t i = 0; best && i < f->d; i++)
            best = i == k || sum[2 + i] <= 0;
        for (size_t s = 0; best && s < count; s += width)
            best = earlier[s + 2 + k] == 0;
        bool difference = false;
        for (size_t i = 0; i < f->d; i++)
            difference = difference || sum[2 + i] < 0;
        if (!best || !difference)
            continue;
        double share = sum[2 + k];
        for (size_t i = 0; i < f->d; i++)
            sum[2 + i] = -sum[2 + i] / share;
        sum[0] = (double)k;
        sum[1] = -sum[1] / share;
        sum[2 + k] = 0;
        sum[2 + j] = 1 / share;
        return;
    }
}

static void say_sum(const finder *f, const nicest_data *train, const double *sum, words *said)
{
    char text[256] = "";
    size_t used = 0, terms = 0;
    for (size_t j = 0; j < f->d && used + 80 < sizeof text; j++) {
        double factor = sum[2 + j];
        if (factor == 0)
            continue;
        used += (size_t)snprintf(text + used, sizeof text - used, "%s",
                                 factor < 0 ? (terms ? " - " : "-")
                                 : terms    ? " + "
                                            : "");
        if (fabs(factor) != 1)
            used += (size_t)snprintf(text + used, sizeof text - used, "%.9g ", fabs(factor));
        used += (size_t)snprintf(text + used, sizeof text - used, "%.30s",
                                 nicest_data_column_name(train, j));
        terms++;
    }
    if (sum[1] != 0 && used + 80 < sizeof text)
        snprintf(text + used, sizeof text - used, " %c %.9g", sum[1] < 0 ? '-' : '+', fabs(sum[1]));
    words_add(said, "column %s: %s in every row; samples and fills keep that",
              nicest_data_column_name(train, (size_t)sum[0]), text);
}

/* sqrt(a^2 + b^2), also of numbers whose squares are none. hypot's newest version asks for a glibc
 * that wheels must not need. */
static double diagonal(double a, double b)
{
    double high = fmax(fabs(a), fabs(b)), low = fmin(fabs(a), fabs(b));
    return high > 0 ? high * sqrt(1 + low / high * (low / high)) : 0;
}

/* Rows of which every value is there, evenly chosen; their columns' means and sizes. */
static nicest_status read_sum_rows(finder *f, const nicest_data *train, const bool *wanted)
{
    size_t all = nicest_data_rows(train), some = all < SUM_ROWS ? all : SUM_ROWS;
    for (size_t i = 0; i < some; i++) {
        double *row = f->row + f->n * f->d;
        bool whole = true;
        source_read(train, i * all / some, 1, row);
        for (size_t j = 0; j < f->d; j++)
            whole = whole && (!wanted[j] || isfinite(row[j]));
        f->n += whole;
    }
    for (size_t j = 0; j < f->d; j++) {
        for (size_t i = 0; i < f->n; i++)
            f->mean[j] += f->row[i * f->d + j] / (double)f->n;
        for (size_t i = 0; i < f->n; i++)
            f->size[j] = diagonal(f->size[j], f->row[i * f->d + j] - f->mean[j]);
    }
    return NICEST_OK;
}

/* Column j without what the orthogonal ones have of it, c[basis], twice over; how much is left. */
static double take_away(const finder *f, size_t j, double *v, double *c)
{
    double left = 0;
    for (size_t i = 0; i < f->n; i++)
        v[i] = (f->row[i * f->d + j] - f->mean[j]) / f->size[j];
    memset(c, 0, f->basis * sizeof *c);
    for (size_t b = 0; b < 2 * f->basis; b++) {
        const double *q = f->q + b % f->basis * f->n;
        double part = 0;
        for (size_t i = 0; i < f->n; i++)
            part += q[i] * v[i];
        for (size_t i = 0; i < f->n; i++)
            v[i] -= part * q[i];
        c[b % f->basis] += part;
    }
    for (size_t i = 0; i < f->n; i++)
        left = diagonal(left, v[i]);
    return left;
}

/* Sums that some row of all does not have leave; what is left is said. */
static nicest_status keep_true_sums(const finder *f, const nicest_data *train, double *sums,
                                    size_t *count, words *said)
{
    size_t width = 2 + f->d, some = *count / width;
    OWNED_BY(row_walk_close) row_walk w = {0};
    OWNED_NEW(bool *, broken, some);
    TRY(row_walk_begin(&w, train, 0));
    while (some && row_walk_next(&w))
        for (size_t i = 0; i < w.count; i++)
            for (size_t k = 0; k < some; k++)
                broken[k] = broken[k] || !keeps_sum(f, sums + k * width, w.rows + i * f->d);
    *count = 0;
    for (size_t k = 0; k < some; k++) {
        if (broken[k])
            continue;
        say_sum(f, train, sums + k * width, said);
        memmove(sums + *count, sums + k * width, width * sizeof *sums);
        *count += width;
    }
    return NICEST_OK;
}

nicest_status sums_find(const entry *e, const nicest_data *train, double **sums, size_t *count,
                        words *said)
{
    size_t d = e->columns, m = 0, width = 2 + d;
    OWNED_BY(memory_leave) memory_group memory = {0};
    finder f = {.e = e, .d = d};
    OWNED_NEW(bool *, wanted, d);
    for (size_t j = 0; j < d; j++)
        m += wanted[j] = e->column[j].role == ENTRY_VALUE;
    *sums = NULL;
    *count = 0;
    if (m < 2 || m > SUM_COLUMNS || nicest_data_rows(train) < 2 * m + SPARE_ROWS)
        return NICEST_OK;
    f.column = memory_join(&memory, m, sizeof *f.column);
    f.row = memory_join(&memory, SUM_ROWS, d * sizeof *f.row);
    f.q = memory_join(&memory, m, SUM_ROWS * sizeof *f.q);
    f.r = memory_join(&memory, m, SUM_COLUMNS * sizeof *f.r);
    f.mean = memory_join(&memory, d, 2 * sizeof *f.mean);
    double *found = memory_join(&memory, m, width * sizeof *found);
    TRY(check_memory(!memory.lacking));
    f.size = f.mean + d;
    f.tolerance = strcmp(nicest_data_type(train), "float32") ? 1e-11 : 3e-7;
    TRY(read_sum_rows(&f, train, wanted));
    if (f.n < 2 * m + SPARE_ROWS)
        return NICEST_OK;
    for (size_t turn = 0; turn < 2 * d; turn++) { /* what is given comes first, and is no sum */
        size_t j = turn % d;
        bool given = turn < d;
        double *v = f.q + f.basis * f.n, *r = f.r + f.basis * SUM_COLUMNS, c[SUM_COLUMNS];
        if (!wanted[j] || (e->column[j].given > 0) != given || !(f.size[j] > 0) ||
            !isfinite(f.size[j]))
            continue;
        double left = take_away(&f, j, v, r), *sum = found + *count;
        memcpy(c, r, f.basis * sizeof *c);
        if (left < LITTLE_LEFT && !given && try_sum(&f, j, c, sum)) {
            prefer_total(&f, sum, found, *count);
            *count += width;
        } else if (left > NOTHING_LEFT) {
            for (size_t i = 0; i < f.n; i++)
                v[i] /= left;
            r[f.basis] = left;
            f.column[f.basis++] = j;
        }
    }
    TRY(keep_true_sums(&f, train, found, count, said)); /* of all rows, not of these alone */
    *sums = *count ? memory_copy(found, *count, sizeof *found) : NULL;
    return check_memory(!*count || *sums);
}
