/* views.c - see views.h. */
#include "apply/views.h"

#include <math.h>
#include <string.h>

#include "apply/outlier.h"
#include "base/clones.h"
#include "base/memory.h"
#include "base/mixture.h"
#include "base/parallel.h"
#include "base/status.h"
#include "base/values.h"
#include "data/source.h"
#include "train/split.h"

#define ARRAY_ROWS    "neighbours.rows"
#define ARRAY_RANKS   "neighbours.ranks"
#define ARRAY_MEASURE "neighbours.columns"
#define ARRAY_MIXTURE "neighbours.mixture"

enum { MOST_ROWS = 4096, FEWEST_ROWS = 20, MOST_VALUES = 1 << 20, NEAREST = 10 };
/* Rows that look at the kept ones together, some of these at a time: a block stays in the cache. */
enum { TOGETHER = 8, CHUNK = 256, BATCH = 512, SUBSAMPLE_NEIGHBOURS = 0xae1 };

/* Weights of the views. Columns alone say little of rows that are odd in what goes with what. */
static const double WEIGHT[VIEWS_COUNT] = {0.5, 0.2, 1, 1, 1};
/* Most parts of the mixture, rows times columns squared that its choice may cost, and the variance
 * that each part has in every direction at least: of squeezed columns. */
enum { MIXTURE_PARTS = 20, MIXTURE_COLUMNS = 128 };
static const double MIXTURE_WORK = 4e8, MIXTURE_RIDGE = 1e-2;

size_t views_rows(const nicest_model *model)
{
    size_t count = 0, ranks = 0, d = nicest_model_columns(model);
    size_t measures = 0;
    bool whole = model_array(model, ARRAY_ROWS, &count) &&
                 model_array(model, ARRAY_RANKS, &ranks) &&
                 model_array(model, ARRAY_MEASURE, &measures);
    return whole && d && count >= FEWEST_ROWS * d && count % d == 0 && measures == 2 * d &&
                   ranks == VIEWS_COUNT * (count / d)
               ? count / d
               : 0;
}

const double *views_kept(const nicest_model *model)
{
    return views_rows(model) ? model_array(model, ARRAY_ROWS, &(size_t){0}) : NULL;
}

void views_forget(nicest_model *model)
{
    model_set_array(model, ARRAY_ROWS, NULL, 0);
    model_set_array(model, ARRAY_RANKS, NULL, 0);
    model_set_array(model, ARRAY_MEASURE, NULL, 0);
    model_set_array(model, ARRAY_MIXTURE, NULL, 0);
}

/* ------------------------------------------------------------------ looking */

typedef struct sight {
    size_t d, kept, rows;
    double *column[2];     /* [d, kept] standardised and squeezed values of the kept rows, or codes
                              of words */
    const double *measure; /* mean[d], deviation[d]; a deviation of 0: the column is words */
    double *row;           /* [BATCH, d] stored values */
    double *scratch;       /* [threads, TOGETHER, kept + 2 d] */
    double *seen[VIEWS_COUNT]; /* [BATCH] each but VIEW_LOGP; 0 of a mixture that is not kept */
    mixture *mixture;          /* of squeezed columns; NULL */
    mixture_view *view;
    bool holes; /* rows with missing values have distances */
    bool own;   /* the rows are the kept ones, from number `first` on: each but itself */
    bool squeezed;
    size_t first;
    memory_group memory;
} sight;

/* A stored value as distances see it: what is missing is in the middle, and a word of its own.
 * Squeezed by asinh, a value near the mean is as it was, and a far one is its logarithm: one wild
 * column does not drown all others, and yet farther is farther. */
static double standardise(const sight *s, size_t j, double value, bool squeezed)
{
    double deviation = s->measure[s->d + j];
    if (!(deviation > 0))
        return isnan(value) ? -1 : value;
    double z = isnan(value) ? 0 : (value - s->measure[j]) / deviation;
    return squeezed ? asinh(z) : z;
}

/* A row as the mixture sees it: words are no numbers. */
static void mixture_sees(const sight *s, const double *stored, double *z)
{
    for (size_t j = 0; j < s->d; j++)
        z[j] = s->measure[s->d + j] > 0 ? standardise(s, j, stored[j], true) : 0;
}

/* The mixture that the model keeps, if it does. */
static nicest_status open_mixture(sight *s, const nicest_model *model)
{
    size_t count = 0, size = mixture_part_size(s->d, false);
    const double *part = model_array(model, ARRAY_MIXTURE, &count);
    if (!part || count < size || count % size)
        return NICEST_OK;
    TRY(mixture_new(&s->mixture, s->d, count / size, false));
    for (size_t i = 0; i < count; i++)
        if (!isfinite(s->mixture->part[i] = part[i]))
            return fail(NICEST_E_FORMAT, "the mixture that the model keeps is not of numbers");
    return mixture_view_new(&s->view, s->mixture, false);
}

static nicest_status sight_open(sight *s, const nicest_model *model, int threads)
{
    size_t count;
    *s = (sight){.d = nicest_model_columns(model),
                 .measure = model_array(model, ARRAY_MEASURE, &count),
                 .holes =
                     model_flow_const(model)->spec.masked || model_flow_const(model)->entry.mixed};
    const double *rows = model_array(model, ARRAY_ROWS, &count);
    s->kept = rows ? count / s->d : 0;
    size_t look = TOGETHER * (s->kept + 2 * s->d) * sizeof(double);
    for (int i = 0; i < 2; i++)
        s->column[i] = memory_join(&s->memory, s->d, s->kept * sizeof(double));
    for (int v = VIEW_COLUMNS; v < VIEWS_COUNT; v++)
        s->seen[v] = memory_join(&s->memory, BATCH, sizeof(double));
    s->row = memory_join(&s->memory, BATCH, s->d * sizeof(double));
    s->scratch = memory_join(&s->memory, (size_t)threads, look);
    TRY(check_memory(!s->memory.lacking));
    TRY(open_mixture(s, model));
    bool finite = true; /* a file's numbers may be anything */
    for (size_t i = 0; i < s->kept; i++)
        for (size_t j = 0; j < s->d; j++) {
            for (int squeezed = 0; squeezed < 2; squeezed++)
                s->column[squeezed][j * s->kept + i] =
                    standardise(s, j, rows[i * s->d + j], squeezed);
            finite = finite && isfinite(s->column[0][j * s->kept + i]);
        }
    return finite ? NICEST_OK
                  : fail(NICEST_E_FORMAT, "the training rows that the model keeps are not numbers");
}

static void sight_close(sight *s)
{
    mixture_view_free(s->view);
    mixture_free(s->mixture);
    memory_leave(&s->memory);
}

/* Squared distances of x to n values join `square`; how many more are below x than above. */
VECTOR_CLONES
static double look(const double *value, size_t n, double x, double *square)
{
    int64_t more = 0; /* of doubles the order of a sum would matter, so no vectors */
    for (size_t i = 0; i < n; i++) {
        double off = x - value[i];
        square[i] += off * off;
        more += (value[i] < x) - (value[i] > x);
    }
    return (double)more;
}

/* The same of words: two that differ are as far from each other as two normals are on average, and
 * `more` counts those that differ. */
VECTOR_CLONES
static double look_at_words(const double *value, size_t n, double x, double *square)
{
    int64_t more = 0;
    for (size_t i = 0; i < n; i++) {
        square[i] += value[i] != x ? 2 : 0;
        more += value[i] != x;
    }
    return (double)more;
}

/* Of n squared distances: the mean over k of the mean distance of the k nearest. */
static double near_distance(const double *square, size_t n)
{
    double nearest[NEAREST + 1], sum = 0, mean = 0;
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (!(count < NEAREST || square[i] < nearest[NEAREST - 1]))
            continue;
        size_t at = count < NEAREST ? count++ : NEAREST - 1;
        for (; at > 0 && nearest[at - 1] > square[i]; at--)
            nearest[at] = nearest[at - 1];
        nearest[at] = square[i];
    }
    for (size_t k = 0; k < count; k++) {
        sum += sqrt(nearest[k]);
        mean += sum / (double)(k + 1) / (double)count;
    }
    return mean;
}

static void look_around(void *context, int thread, size_t item)
{
    const sight *s = context;
    size_t first = item * TOGETHER, n = s->rows - first < TOGETHER ? s->rows - first : TOGETHER;
    double *square = s->scratch + (size_t)thread * TOGETHER * (s->kept + 2 * s->d);
    double *x = square + TOGETHER * s->kept, *more = x + TOGETHER * s->d;
    double others = (double)s->kept - (s->own ? 1 : 0);
    const double *column = s->column[s->squeezed];
    double *near = s->seen[s->squeezed ? VIEW_SQUEEZED : VIEW_NEIGHBOURS];
    memset(square, 0, TOGETHER * s->kept * sizeof *square);
    memset(more, 0, TOGETHER * s->d * sizeof *more);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < s->d; j++)
            x[i * s->d + j] = standardise(s, j, s->row[(first + i) * s->d + j], s->squeezed);
    for (size_t at = 0; at < s->kept; at += CHUNK)
        for (size_t j = 0; j < s->d; j++) {
            double (*one)(const double *, size_t, double, double *) =
                s->measure[s->d + j] > 0 ? look : look_at_words;
            for (size_t i = 0; i < n; i++)
                more[i * s->d + j] +=
                    one(column + j * s->kept + at, s->kept - at < CHUNK ? s->kept - at : CHUNK,
                        x[i * s->d + j], square + i * s->kept + at);
        }
    for (size_t i = 0; i < n; i++) {
        double far = 0;
        bool whole = true;
        for (size_t j = 0; j < s->d; j++)
            if (isnan(s->row[(first + i) * s->d + j]))
                whole = false;
            else
                far -= log((others - fabs(more[i * s->d + j]) + 1) / (others + 1)) / (double)s->d;
        bool known = whole || s->holes;
        if (s->own)
            square[i * s->kept + s->first + first + i] = HUGE_VAL;
        s->seen[VIEW_COLUMNS][first + i] = known ? far : NAN;
        near[first + i] = known ? near_distance(square + i * s->kept, s->kept) : NAN;
    }
}

/* views[VIEWS_COUNT, rows]: all but the first, of every row of data (NULL: of the kept rows), batch
 * after batch. */
static nicest_status look_at_all(sight *s, const nicest_model *model, const nicest_data *data,
                                 int threads, double *views)
{
    size_t count, n = data ? nicest_data_rows(data) : s->kept;
    const double *kept = model_array(model, ARRAY_ROWS, &count);
    s->own = data == NULL;
    for (s->first = 0; s->first < n; s->first += s->rows) {
        s->rows = n - s->first < BATCH ? n - s->first : BATCH;
        if (data)
            TRY(nicest_data_read(data, s->first, s->rows, s->row));
        else
            memcpy(s->row, kept + s->first * s->d, s->rows * s->d * sizeof *s->row);
        for (int squeezed = 0; squeezed < 2; squeezed++) {
            s->squeezed = squeezed;
            parallel_for(threads, (s->rows + TOGETHER - 1) / TOGETHER, look_around, s);
        }
        if (s->view) {
            for (size_t i = 0; i < s->rows; i++)
                mixture_sees(s, s->row + i * s->d, s->row + i * s->d);
            mixture_evaluate(s->view, s->row, s->rows, s->seen[VIEW_MIXTURE], NULL);
            for (size_t i = 0; i < s->rows; i++)
                s->seen[VIEW_MIXTURE][i] *= -1;
        }
        for (size_t v = VIEW_COLUMNS; v < VIEWS_COUNT; v++)
            memcpy(views + v * n + s->first, s->seen[v], s->rows * sizeof *views);
    }
    return NICEST_OK;
}

/* ------------------------------------------------------------------ keeping */

/* Mean and deviation of each column of numbers over the n kept rows, as an array of the model. */
static nicest_status keep_measure(nicest_model *model, const double *rows, size_t n)
{
    size_t d = nicest_model_columns(model);
    OWNED_NEW(double *, measure, 2 * d);
    for (size_t j = 0; j < d; j++) {
        double deviation;
        values_moments(rows + j, n, d, &measure[j], &deviation);
        if (!nicest_model_column_words(model, j, NULL))
            measure[d + j] = fmax(deviation, model_least_deviation(model, j, measure[j]));
    }
    return model_set_array(model, ARRAY_MEASURE, measure, 2 * d);
}

/* Rows of `train`, none twice, as the array of the model; data of their own. */
static nicest_status keep_rows(nicest_model *model, const nicest_data *train, uint64_t seed,
                               nicest_data **kept)
{
    size_t d = nicest_data_columns(train), most = MOST_VALUES / d, count = 0;
    most = most < FEWEST_ROWS ? FEWEST_ROWS : most < MOST_ROWS ? most : MOST_ROWS;
    OWNED_BY(split_close) split s = {0};
    TRY(split_open(&s, train, NULL, nicest_data_rows(train),
                   (random_stream){seed, RANDOM_SPLIT, SUBSAMPLE_NEIGHBOURS}));
    most = most < s.groups ? most : s.groups;
    OWNED_ROWS(double *, rows, most, d);
    OWNED_NEW(size_t *, index, most);
    for (size_t g = 0; g < s.groups && count < most; g++) {
        bool usable = true;
        index[count] = s.row[g];
        TRY(nicest_data_read(train, index[count], 1, rows + count * d));
        for (size_t j = 0; j < d; j++)
            usable = usable && !isinf(rows[count * d + j]);
        count += usable;
    }
    if (count < FEWEST_ROWS)
        return NICEST_OK;
    TRY(model_set_array(model, ARRAY_ROWS, rows, count * d));
    TRY(keep_measure(model, rows, count));
    return nicest_data_select(kept, train, index, count);
}

/* Mixtures of the kept rows' squeezed columns, as an array of the model; columns that are too
 * many or rows that are too few have none. Each leaves a fifth of the rows out; surprise[kept] is
 * -log p of each row under the one that did not see it. */
static nicest_status keep_mixture(nicest_model *model, const sight *s, const double *kept,
                                  uint64_t seed, int threads, double *surprise)
{
    size_t n = s->kept, d = s->d;
    OWNED_BY(mixture_drop) mixture *found = NULL;
    if (d > MIXTURE_COLUMNS || n < 10 * FEWEST_ROWS)
        return NICEST_OK;
    OWNED_ROWS(double *, z, n + 1, d);
    for (size_t i = 0; i < n; i++)
        mixture_sees(s, kept + i * d, z + i * d);
    for (size_t j = 0; j < d; j++)
        z[n * d + j] = MIXTURE_RIDGE;
    mixture_rows rows = {.x = z, .n = n, .d = d};
    mixture_options o = {.ridge = z + n * d,
                         .seed = seed,
                         .threads = threads,
                         .restarts = 1,
                         .iterations = 60,
                         .folds = 1};
    double most = fmin(fmax(MIXTURE_WORK / ((double)n * (double)(d * d)), 1), MIXTURE_PARTS);
    nicest_status status = mixture_choose(&o.parts, &rows, &o, (size_t)most, NULL);
    if (status == NICEST_OK)
        status = mixture_cross_fit(&found, &rows, &o, surprise);
    if (status == NICEST_OK)
        status = model_set_array(model, ARRAY_MIXTURE, found->part,
                                 found->parts * mixture_part_size(d, false));
    for (size_t i = 0; i < n; i++)
        surprise[i] *= -1;
    return status == NICEST_E_DATA ? NICEST_OK : status;
}

nicest_status views_fit(nicest_model *model, const nicest_data *train, uint64_t seed, int threads)
{
    OWNED_BY(data_drop) nicest_data *kept = NULL;
    OWNED_BY(sight_close) sight s = {0};
    views_forget(model);
    TRY(keep_rows(model, train, seed, &kept));
    if (!kept)
        return NICEST_OK;
    size_t n = nicest_data_rows(kept), count;
    OWNED_ROWS(double *, ranks, n, VIEWS_COUNT);
    TRY(sight_open(&s, model, threads));
    TRY(nicest_score_data(model, kept, seed, threads, NULL, NULL, ranks));
    TRY(look_at_all(&s, model, NULL, threads, ranks));
    TRY(keep_mixture(model, &s, model_array(model, ARRAY_ROWS, &count), seed, threads,
                     ranks + VIEW_MIXTURE * n)); /* which no row had yet: there was no mixture */
    for (size_t i = 0; i < n; i++)
        ranks[i] = -ranks[i];
    for (size_t i = 0; i < VIEWS_COUNT * n; i++)
        ranks[i] = fmin(ranks[i], 1e300);
    for (size_t v = 0; v < VIEWS_COUNT; v++)
        values_sort(ranks + v * n, n);
    return model_set_array(model, ARRAY_RANKS, ranks, VIEWS_COUNT * n);
}

/* ------------------------------------------------------------------ scoring */

/* The views of data's rows but the first, [VIEWS_COUNT, rows], which the caller releases. */
static nicest_status look_at_data(const nicest_model *model, const nicest_data *data, int threads,
                                  double **views)
{
    OWNED_BY(sight_close) sight s = {0};
    if (!views_rows(model))
        return fail(NICEST_E_DATA, "the model keeps no training rows to be neighbours");
    *views = memory_new(nicest_data_rows(data), VIEWS_COUNT * sizeof **views);
    TRY(check_memory(*views));
    TRY(sight_open(&s, model, threads));
    return look_at_all(&s, model, data, threads, *views);
}

nicest_status views_neighbours(const nicest_model *model, const nicest_data *data, int threads,
                               double *scores)
{
    OWNED double *views = NULL;
    size_t n = nicest_data_rows(data);
    TRY(look_at_data(model, data, threads, &views));
    for (size_t i = 0; i < n; i++)
        scores[i] = -views[VIEW_NEIGHBOURS * n + i];
    return NICEST_OK;
}

nicest_status views_score(const nicest_model *model, const nicest_data *data, int threads,
                          double *scores)
{
    OWNED double *views = NULL;
    double weights = 0;
    size_t n = nicest_data_rows(data), count, mixed = 0, m = views_rows(model);
    TRY(look_at_data(model, data, threads, &views));
    const double *ranks = model_array(model, ARRAY_RANKS, &count);
    const size_t views_count =
        model_array(model, ARRAY_MIXTURE, &mixed) ? VIEWS_COUNT : VIEW_MIXTURE;
    for (size_t v = 0; v < views_count; v++)
        weights += WEIGHT[v];
    for (size_t i = 0; i < n; i++) {
        double sum = isnan(scores[i]) || isnan(views[VIEW_COLUMNS * n + i]) ? NAN : 0;
        views[i] = -scores[i];
        for (size_t v = 0; v < views_count; v++)
            sum += WEIGHT[v] / weights * values_surprisal(ranks + v * m, m, views[v * n + i]);
        scores[i] = -sum;
    }
    return NICEST_OK;
}
