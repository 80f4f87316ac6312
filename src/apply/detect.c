/* detect.c - how well scores tell outliers from normal rows.
 *
 * Owns the figures of nicest_detect: AUROC with ties (Mann-Whitney), average precision as
 * scikit-learn defines it, precision and recall at a threshold, the best F1, and intervals by a
 * stratified bootstrap. Plain arrays in, plain numbers out: it knows neither models nor data. */
#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/status.h"
#include "base/values.h"
#include "nicest.h"

/* Rows with one score, counted by kind. Runs are in the order of rising scores. */
typedef struct run {
    double score;
    double outliers, normals;
} run;

typedef struct row {
    double score;
    size_t number;
} row;

typedef struct curve {
    run *runs;      /* [count] */
    size_t *run_of; /* [rows] */
    size_t count;
    double outliers, normals;
    memory_group *memory;
} curve;

/* ------------------------------------------------------------------ rows into runs */

static int by_row_score(const void *a, const void *b)
{
    const row *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

static nicest_status curve_open(curve *c, const double *scores, const unsigned char *outlier,
                                size_t n, const void *result)
{
    TRY(require(scores && outlier && result,
                "scores, labels and a place for the result are needed"));
    if (n == 0)
        return fail(NICEST_E_DATA, "no rows to detect outliers in");
    for (size_t i = 0; i < n; i++)
        if (isnan(scores[i]))
            return fail(NICEST_E_DATA, "row %zu has no score (NaN)", i + 1);
    c->runs = memory_join(c->memory, n, sizeof *c->runs);
    c->run_of = memory_join(c->memory, n, sizeof *c->run_of);
    TRY(check_memory(!c->memory->lacking));
    OWNED_NEW(row *, rows, n);
    for (size_t i = 0; i < n; i++)
        rows[i] = (row){scores[i], i};
    qsort(rows, n, sizeof *rows, by_row_score);
    /* run_of[i] is the run that row i falls into. */
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || rows[i].score != rows[i - 1].score)
            c->runs[c->count++] = (run){.score = rows[i].score};
        run *r = &c->runs[c->count - 1];
        bool is_outlier = outlier[rows[i].number] != 0;
        r->outliers += is_outlier;
        r->normals += !is_outlier;
        c->outliers += is_outlier;
        c->normals += !is_outlier;
        c->run_of[rows[i].number] = c->count - 1;
    }
    return NICEST_OK;
}

/* ------------------------------------------------------------------ the two areas */

/* P(score of a normal row > score of an outlier) + P(equal) / 2; NaN when a kind is missing. */
static double area_roc(const curve *c)
{
    double below = 0, sum = 0;
    for (size_t i = 0; i < c->count; i++) {
        sum += c->runs[i].normals * (below + c->runs[i].outliers / 2);
        below += c->runs[i].outliers;
    }
    return c->outliers > 0 && c->normals > 0 ? sum / (c->outliers * c->normals) : NAN;
}

/* Sum over thresholds of (recall gained) x precision; NaN without outliers. */
static double average_precision(const curve *c)
{
    double found = 0, flagged = 0, sum = 0;
    for (size_t i = 0; i < c->count; i++) {
        found += c->runs[i].outliers;
        flagged += c->runs[i].outliers + c->runs[i].normals;
        if (c->runs[i].outliers > 0)
            sum += c->runs[i].outliers * found / flagged;
    }
    return c->outliers > 0 ? sum / c->outliers : NAN;
}

/* ------------------------------------------------------------------ at a threshold */

static double part_of_whole(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

static void measure_at(const curve *c, double threshold, nicest_detection *d)
{
    double found = 0, false_alarms = 0;
    for (size_t i = 0; i < c->count && c->runs[i].score < threshold; i++) {
        found += c->runs[i].outliers;
        false_alarms += c->runs[i].normals;
    }
    d->threshold = threshold;
    d->precision = part_of_whole(found, found + false_alarms);
    d->recall = c->outliers > 0 ? found / c->outliers : NAN;
    d->f1 = part_of_whole(2 * found, found + false_alarms + c->outliers);
    d->false_alarms = c->normals > 0 ? false_alarms / c->normals : NAN;
}

/* A threshold that flags run i and not run i+1: midway, where there is a number between them. */
static double threshold_after(const curve *c, size_t i)
{
    assert(i < c->count);
    if (i + 1 == c->count)
        return nextafter(c->runs[i].score, HUGE_VAL);
    double here = c->runs[i].score, next = c->runs[i + 1].score, middle = here + (next - here) / 2;
    return middle > here && middle <= next ? middle : next;
}

/* ------------------------------------------------------------------ intervals */

/* Repetitions: a thousand, fewer for so many rows that it would take long, never below 200. */
enum { MOST_REPETITIONS = 1000, FEWEST_REPETITIONS = 200 };

typedef struct bootstrap {
    curve again;       /* the runs of one repetition */
    size_t *run_of[2]; /* run of each normal row [count[0]], of each outlier [count[1]] */
    size_t count[2];
    double *area[2]; /* AUROC and AUPRC of each repetition */
    size_t repetitions;
    uint64_t seed;
} bootstrap;

/* Draws as many rows of one kind as there are, with replacement. */
static void redraw_kind(bootstrap *b, size_t repetition, int kind)
{
    assert(kind == 0 || kind == 1);
    enum { SOME = 512 };
    double u[SOME];
    random_stream stream = {b->seed, RANDOM_BOOTSTRAP, (uint32_t)(2 * repetition + (size_t)kind)};
    for (size_t first = 0; first < b->count[kind]; first += SOME) {
        size_t left = b->count[kind] - first, some = left < SOME ? left : SOME;
        random_uniform_double(stream, first / SOME, u, some);
        for (size_t i = 0; i < some; i++) {
            size_t drawn = (size_t)(u[i] * (double)b->count[kind]);
            run *r = &b->again.runs[b->run_of[kind][drawn]];
            *(kind ? &r->outliers : &r->normals) += 1;
        }
    }
}

/* The central 95 % of values[n], which it sorts. */
static void interval(double *values, size_t n, double *low, double *high)
{
    assert(n > 0);
    values_sort(values, n);
    *low = values[(size_t)(0.025 * (double)(n - 1) + 0.5)];
    *high = values[(size_t)(0.975 * (double)(n - 1) + 0.5)];
}

/* Stratified: both kinds keep their numbers, so the prevalence is that of the data. */
static nicest_status find_intervals(const curve *c, const unsigned char *outlier, size_t n,
                                    uint64_t seed, nicest_detection *d)
{
    d->auroc_low = d->auroc_high = d->auprc_low = d->auprc_high = NAN;
    if (c->outliers == 0 || c->normals == 0)
        return NICEST_OK;
    bootstrap b = {.seed = seed};
    size_t affordable = (size_t)4e8 / (n + 1);
    b.repetitions = affordable > MOST_REPETITIONS     ? MOST_REPETITIONS
                    : affordable < FEWEST_REPETITIONS ? FEWEST_REPETITIONS
                                                      : affordable;
    b.again = *c;
    OWNED_BY(memory_leave) memory_group memory = {0};
    b.again.runs = memory_join(&memory, c->count, sizeof(run));
    b.run_of[0] = memory_join(&memory, (size_t)c->normals, sizeof(size_t));
    b.run_of[1] = memory_join(&memory, (size_t)c->outliers, sizeof(size_t));
    b.area[0] = memory_join(&memory, b.repetitions, sizeof(double));
    b.area[1] = memory_join(&memory, b.repetitions, sizeof(double));
    TRY(check_memory(!memory.lacking));
    for (size_t i = 0; i < n; i++) {
        int kind = outlier[i] != 0;
        b.run_of[kind][b.count[kind]++] = c->run_of[i];
    }
    for (size_t i = 0; i < b.repetitions; i++) {
        for (size_t r = 0; r < b.again.count; r++)
            b.again.runs[r] = (run){0};
        redraw_kind(&b, i, 0);
        redraw_kind(&b, i, 1);
        b.area[0][i] = area_roc(&b.again);
        b.area[1][i] = average_precision(&b.again);
    }
    interval(b.area[0], b.repetitions, &d->auroc_low, &d->auroc_high);
    interval(b.area[1], b.repetitions, &d->auprc_low, &d->auprc_high);
    return NICEST_OK;
}

/* ------------------------------------------------------------------ all of it */

nicest_status nicest_detection_curve(const double *scores, const unsigned char *outlier, size_t n,
                                     double *recall, double *alarms, double *precision,
                                     size_t *count)
{
    OWNED_BY(memory_leave) memory_group memory = {0};
    curve c = {.memory = &memory};
    TRY(curve_open(&c, scores, outlier, n, recall && alarms && precision ? count : NULL));
    double found = 0, false_alarms = 0;
    for (size_t k = 0; k <= c.count; k++) {
        found += k ? c.runs[k - 1].outliers : 0;
        false_alarms += k ? c.runs[k - 1].normals : 0;
        recall[k] = c.outliers > 0 ? found / c.outliers : NAN;
        alarms[k] = c.normals > 0 ? false_alarms / c.normals : NAN;
        precision[k] = k ? found / (found + false_alarms) : 1;
    }
    *count = c.count + 1;
    return NICEST_OK;
}

nicest_status nicest_detect(const double *scores, const unsigned char *outlier, size_t n,
                            double threshold, uint64_t seed, nicest_detection *result)
{
    OWNED_BY(memory_leave) memory_group memory = {0};
    curve c = {.memory = &memory};
    TRY(curve_open(&c, scores, outlier, n, result));
    nicest_detection d = {.auroc = area_roc(&c),
                          .auprc = average_precision(&c),
                          .prevalence = c.outliers / (double)n,
                          .best_f1 = c.outliers > 0 ? 0 : NAN,
                          .best_threshold = c.outliers > 0 ? -HUGE_VAL : NAN};
    /* The lowest threshold with the highest F1. */
    double found = 0, flagged = 0;
    for (size_t i = 0; i < c.count; i++) {
        found += c.runs[i].outliers;
        flagged += c.runs[i].outliers + c.runs[i].normals;
        double f1 = part_of_whole(2 * found, flagged + c.outliers);
        if (f1 > d.best_f1) {
            d.best_f1 = f1;
            d.best_threshold = threshold_after(&c, i);
        }
    }
    measure_at(&c, isnan(threshold) ? d.best_threshold : threshold, &d);
    TRY(find_intervals(&c, outlier, n, seed, &d));
    *result = d;
    return NICEST_OK;
}
