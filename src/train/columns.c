/* columns.c - see columns.h. */
#include "train/columns.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "base/gaussian.h"
#include "base/memory.h"
#include "base/status.h"
#include "base/values.h"
#include "data/source.h"

/* Noise of a constant must be seen beside it, and a deviation beside a mean, in double precision:
 * with 2^-32 and 1e-12 of it, rounding a row moves it by less than 1e-6 and 1e-4 deviations. */
static const double NOISE_SHARE = 0x1p-32, LEAST_SPREAD = 1e-12;

enum { CHUNK = 256, SAMPLE_ROWS = 20000, SAMPLE_VALUES = 4 << 20, FEW_LEVELS = 256 };

/* ------------------------------------------------------------------ recognition */

/* Sorted values of a column (or of all columns of a picture), without repetition. */
typedef struct value_set {
    double *values;
    size_t total, distinct;
    bool integers;
} value_set;

static void sort_values(value_set *s)
{
    values_sort(s->values, s->total);
    s->integers = true;
    s->distinct = 0;
    for (size_t i = 0; i < s->total; i++) {
        if (!s->distinct || s->values[i] > s->values[s->distinct - 1])
            s->values[s->distinct++] = s->values[i];
        s->integers =
            s->integers && fabs(s->values[i]) < 9e15 && floor(s->values[i]) == s->values[i];
    }
}

/* Rests of differences leave a step like 0.09999999999999968: the whole range says it better, and a
 * decimal that is as near is meant. */
static double clean_step(double step, double range)
{
    double better = range / fmax(rint(range / step), 1);
    for (double power = 1; power <= 1e12; power *= 10) {
        double decimal = rint(better * power) / power;
        if (fabs(decimal - better) <= 1e-12 * better)
            return decimal;
    }
    return better;
}

/* The step of a regular grid that all values lie on, or 0. */
static double regular_step(const value_set *s)
{
    assert(s->distinct > 1);
    double range = s->values[s->distinct - 1] - s->values[0], smallest = range, step = range;
    for (size_t i = 1; i < s->distinct; i++)
        smallest = fmin(smallest, s->values[i] - s->values[i - 1]);
    double tolerance = s->integers ? 0.5 : fmax(smallest * 1e-3, range * 1e-9);
    for (size_t i = 1; i < s->distinct; i++) {
        /* Euclid's algorithm for lengths that are known up to `tolerance`. */
        double a = step;
        double b = s->values[i] - s->values[i - 1];
        while (b > tolerance) {
            double rest = fmod(a, b);
            if (b - rest < tolerance)
                rest = 0;
            a = b;
            b = rest;
        }
        step = a;
    }
    /* values without a common step have a "divisor" too, as small as the tolerance */
    if (s->integers)
        return step;
    return step > range * 1e-7 && step > smallest / 20 ? clean_step(step, range) : 0;
}

/* The step of the decimals that all values have, up to six; 0 where some has more. */
static double decimal_step(const value_set *s)
{
    double power = 1;
    size_t i = 0;
    for (; i < s->distinct && power <= 1e6; i++)
        while (power <= 1e6 && (float)(rint(s->values[i] * power) / power) != (float)s->values[i])
            power *= 10;
    return power <= 1e6 ? 1 / power : 0;
}

/* Values that repeat, and how: 0 where the column is as good as continuous. */
static double recognise(const value_set *s, const char **kind)
{
    *kind = "integers";
    if (s->distinct == 1) {
        *kind = "constant";
        return fmax(1, fabs(s->values[0]) * NOISE_SHARE);
    }
    if (s->integers)
        return regular_step(s);
    if ((double)s->distinct > 0.95 * (double)s->total)
        return 0;
    double step = regular_step(s);
    *kind = "a regular step";
    if (step > 0)
        return step;
    *kind = "decimals";
    step = decimal_step(s);
    if (step > 0 && 2 * s->distinct <= s->total)
        return step;
    double smallest = s->values[s->distinct - 1] - s->values[0];
    double floor_step = 1e-4 * smallest;
    for (size_t i = 1; i < s->distinct; i++)
        smallest = fmin(smallest, s->values[i] - s->values[i - 1]);
    /* far from 0 the rests of a long chain of differences hide it */
    bool regular = step > 0 && fabs(smallest - step) <= 1e-6 * step;
    *kind = regular ? "a regular step" : "repeating values without a common step";
    return regular ? step : fmax(smallest, floor_step);
}

/* The rows that recognition looks at: all, or evenly chosen ones; rows[*n, d]. */
static nicest_status take_sample(const nicest_data *data, double **rows, size_t *n)
{
    size_t d = nicest_data_columns(data), all = nicest_data_rows(data);
    size_t most = SAMPLE_VALUES / d > 64 ? SAMPLE_VALUES / d : 64;
    size_t count = all < SAMPLE_ROWS ? all : SAMPLE_ROWS;
    count = count < most ? count : most;
    TRY_NEW(*rows, count * d);
    for (size_t i = 0; i < count; i++)
        source_read(data, i * all / count, 1, *rows + i * d);
    *n = count;
    return NICEST_OK;
}

/* A picture has one scale: level k with noise u is (k + u) / levels. */
static bool recognise_picture(entry *e, const nicest_data *data, double *rows, size_t n,
                              words *said)
{
    value_set s = {.values = rows, .total = n * e->columns};
    const char *kind;
    sort_values(&s);
    double step = s.distinct > 1 ? recognise(&s, &kind) : 1, top = s.values[s.distinct - 1];
    bool bytes = !strcmp(nicest_data_type(data), "uint8");
    if (!(step > 0) || s.values[0] < 0 || (!bytes && top / step > 65535))
        return false;
    /* bytes have 256 levels, unless all are multiples of more than 1: black and white, steps of 15
     */
    bool all = bytes && top > 16 && (step < 2 || s.distinct < 2);
    step = all || (s.integers && !bytes) ? 1 : step;
    double origin = bytes && !all ? fmod(s.values[0], step) : 0; /* 100 and 255 are two levels */
    double levels = all ? 256 : round((top - origin) / step) + 1;
    for (size_t j = 0; j < e->columns; j++)
        e->column[j] =
            (entry_column){.step = step, .origin = origin, .levels = levels, .unit = 1 / levels};
    words_add(said, "pixels: %.0f levels of step %.6g; level k with noise u is (k+u)/%.0f", levels,
              step, levels);
    return true;
}

nicest_status columns_recognise(entry *e, const nicest_data *data, bool *ties, words *said)
{
    OWNED double *rows = NULL;
    size_t n = 0;
    unsigned height, width, channels;
    nicest_data_image(data, &height, &width, &channels);
    TRY(take_sample(data, &rows, &n));
    *ties = false;
    if (height) {
        if (recognise_picture(e, data, rows, n, said))
            return entry_set(e);
        memory_drop(&rows);
        TRY(take_sample(data, &rows, &n)); /* the first sample was sorted */
    }
    OWNED_NEW(double *, column, n);
    /* Each column of a table on its own. */
    for (size_t j = 0; j < e->columns; j++) {
        value_set s = {.values = column};
        const char *kind;
        for (size_t i = 0; i < n && !(e->column[j].given > 0); i++)
            if (entry_is_value(e, j, rows[i * e->columns + j]))
                column[s.total++] = rows[i * e->columns + j];
        if (!s.total)
            continue;
        sort_values(&s);
        double step = recognise(&s, &kind);
        if (!(step > 0))
            continue;
        entry_column *c = &e->column[j];
        c->step = c->unit = step;
        c->origin = c->offset = (kind[0] != 'r') ? s.values[0] : 0;
        c->levels = 0;
        *ties = *ties || (2 * s.distinct <= s.total &&
                          (s.values[s.distinct - 1] - s.values[0]) / step >= FEW_LEVELS);
        words_add(said, "column %s: %s (%zu values); noise of width %.6g is added",
                  nicest_data_column_name(data, j), kind, s.distinct, step);
    }
    return entry_set(e);
}

/* ------------------------------------------------------------------ passes over all rows */

/* Continuous rows one after another, dequantised with `stream`:
 *
 *     OWNED_BY(noisy_close) noisy_rows r = {0};
 *     TRY(noisy_open(&r, e, data, stream));
 *     while (noisy_next(&r)) ... */
typedef struct noisy_rows {
    const entry *e;
    random_stream stream;
    const double *weights;
    row_walk walk;
    size_t at;           /* in the walk */
    double *row, weight; /* [columns] of the row at hand, and what it counts */
    float *u;
} noisy_rows;

static void noisy_close(noisy_rows *r)
{
    row_walk_close(&r->walk);
    memory_free(r->row);
    memory_free(r->u);
}

static nicest_status noisy_open(noisy_rows *r, const entry *e, const nicest_data *data,
                                random_stream stream)
{
    *r = (noisy_rows){.e = e, .stream = stream, .weights = nicest_data_weights(data)};
    TRY(row_walk_begin(&r->walk, data, CHUNK));
    TRY_NEW(r->row, e->columns);
    TRY_NEW(r->u, e->columns);
    return NICEST_OK;
}

static bool noisy_next(noisy_rows *r)
{
    row_walk *w = &r->walk;
    if (++r->at >= w->count) {
        r->at = 0;
        if (!row_walk_next(w))
            return false;
    }
    entry_dequantise_row(r->e, w->rows + r->at * w->columns, r->stream, w->first + r->at, r->u,
                         r->row);
    r->weight = values_weight(r->weights, w->first + r->at);
    return true;
}

nicest_status columns_measure(entry *e, const nicest_data *data, bool centred, double *mean,
                              double *deviation)
{
    assert(e->columns == nicest_data_columns(data));
    size_t d = e->columns;
    OWNED_BY(noisy_close) noisy_rows r = {0};
    OWNED_NEW(double *, pivot, 4 * d);
    double *sum = pivot + d, *square = sum + d, *n = square + d;
    TRY(noisy_open(&r, e, data, (random_stream){1, RANDOM_INIT, UINT32_MAX - 2}));
    /* Sums round a pivot (the first value), so that a large offset costs no digits. */
    while (noisy_next(&r))
        for (size_t j = 0; j < d; j++) {
            if (!entry_is_value(e, j, r.row[j]))
                continue;
            if (n[j] == 0)
                pivot[j] = r.row[j];
            double x = r.row[j] - pivot[j];
            n[j] += r.weight;
            sum[j] += r.weight * x;
            square[j] += r.weight * x * x;
        }
    for (size_t j = 0; j < d; j++) {
        mean[j] = 0;
        deviation[j] = 1;
        if (e->column[j].role != ENTRY_VALUE)
            continue;
        double centre = sum[j] / n[j], variance = square[j] / n[j] - centre * centre;
        mean[j] = pivot[j] + centre;
        deviation[j] = variance < 0 ? 0 : sqrt(variance); /* NaN stays: squares may overflow */
        /* A column that no arithmetic of ours can hold is refused by its name. */
        const char *name = nicest_data_column_name(data, j);
        if (!(deviation[j] < (double)FLT_MAX / 1e3) || !(fabs(mean[j]) < DBL_MAX / 1e3))
            return fail(NICEST_E_DATA,
                        "column %s: its values leave the range of single precision; "
                        "scale the column",
                        name);
        if (deviation[j] < (double)FLT_MIN || deviation[j] < fabs(mean[j]) * LEAST_SPREAD)
            return fail(NICEST_E_DATA,
                        "column %s: its values lie within %.3g of %.17g, closer than double "
                        "precision can tell apart; subtract an offset or scale the column",
                        name, deviation[j], mean[j]);
    }
    for (size_t j = 0; j < d; j++) {
        bool given = e->column[j].given > 0 && e->column[j].role == ENTRY_VALUE;
        e->column[j].centre = centred || given ? mean[j] : 0;
        e->column[j].factor = given ? 1 / deviation[j] : 0;
    }
    return entry_set(e);
}

/* ------------------------------------------------------------------ the Gaussian to beat */

/* So that columns of very different scales do not spoil the factorisation; false where something is
 * missing. */
static bool standardise_row(double *row, const double *mean, const double *scale, size_t d)
{
    for (size_t j = 0; j < d; j++) {
        if (isnan(row[j]))
            return false;
        row[j] = (row[j] - mean[j]) / scale[j];
    }
    return true;
}

/* Rows times columns squared, and columns, whose cube a factor takes: beyond these the comparison
 * is not worth its seconds. */
static const double MOST_WORK = 4e9;
enum { MOST_COLUMNS = 1024 };

nicest_status columns_gaussian(const entry *e, const nicest_data *train, const nicest_data *test,
                               uint64_t seed, double *mean_logp)
{
    assert(e->columns == nicest_data_columns(train));
    size_t d = e->columns;
    double work =
        (double)d * (double)d * (double)(nicest_data_rows(train) + nicest_data_rows(test));
    *mean_logp = NAN;
    if (e->mixed || !nicest_data_rows(test) || d > MOST_COLUMNS || work > MOST_WORK)
        return NICEST_OK;
    OWNED_BY(entry_close) entry copy = {0};
    OWNED_BY(noisy_close) noisy_rows learnt = {0}, judged = {0};
    OWNED_NEW(double *, mean, gaussian_packed(d) + 4 * d);
    double *scale = mean + d, *spare = scale + d, *zero = spare + d, *factor = zero + d;
    double log_scale = 0, sum = 0, weight = 0;
    TRY(check_memory(entry_copy(&copy, e)));
    TRY(columns_measure(&copy, train, true, mean, scale));
    for (size_t j = 0; j < d; j++) {
        scale[j] = scale[j] > 0 ? scale[j] : 1;
        log_scale += log(scale[j]);
    }
    TRY(noisy_open(&learnt, &copy, train, (random_stream){seed, RANDOM_INIT, UINT32_MAX - 2}));
    while (noisy_next(&learnt)) {
        if (!standardise_row(learnt.row, mean, scale, d))
            continue;
        for (size_t j = 0; j < d; j++)
            learnt.row[j] *= sqrt(learnt.weight);
        gaussian_add(learnt.row, d, factor);
        weight += learnt.weight;
    }
    /* A small ridge (1e-6 of the unit variance) keeps singular covariances usable. */
    for (size_t i = 0; i < gaussian_packed(d); i++)
        factor[i] /= weight;
    for (size_t j = 0; j < d; j++)
        factor[gaussian_column(d, j)] += 1e-6;
    gaussian_factor(factor, d, 1e-6);
    weight = 0;
    TRY(noisy_open(&judged, &copy, test, (random_stream){seed, RANDOM_SCORE, 0}));
    while (noisy_next(&judged)) {
        if (!standardise_row(judged.row, mean, scale, d))
            continue;
        double logp = gaussian_log_density(judged.row, zero, factor, d, spare) - log_scale;
        sum += judged.weight * logp;
        weight += judged.weight;
    }
    *mean_logp = sum / weight;
    return NICEST_OK;
}
