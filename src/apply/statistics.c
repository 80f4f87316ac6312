/* statistics.c - see statistics.h.
 *
 * If the model is right, a row's latent is d independent draws from the prior. So u_j = F(h_j),
 * stretched to mean 0 and variance 1, is looked at as a sample: its moments, its distance from
 * uniform, and its correlation between neighbours, which an atypical row keeps and a typical one
 * has lost. Everything is bounded or logarithmic, so that a far row does not overflow a later
 * density. */
#include "apply/statistics.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "apply/picture_filter.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/parallel.h"
#include "base/random.h"
#include "base/status.h"
#include "base/values.h"

enum {
    LATENT_FIGURES = 7, /* see latent_figures */
    NEIGHBOURS = 6,     /* offsets whose correlation is measured */
    PROJECTIONS = 32,   /* random directions */
    BATCH = 512         /* rows of one pass */
};

/* ------------------------------------------------------------------ layout */

bool statistics_compressible(const nicest_model *model)
{
    for (size_t j = 0; j < nicest_model_columns(model); j++) {
        double levels, step, unit;
        if (!nicest_model_quantised(model, j, &levels, &step, &unit) || !(levels >= 1) ||
            levels > 65536)
            return false;
    }
    return true;
}

statistics_layout statistics_of(const nicest_model *model)
{
    statistics_layout l = {0};
    l.logp = (statistics_run){0, 1};
    l.length = (statistics_run){1, statistics_compressible(model) ? 1 : 0};
    l.gradient.first = l.length.first + l.length.count;
    l.gradient.count = flow_norms(model_flow_const(model));
    l.latent.first = l.gradient.first + l.gradient.count;
    l.latent.count = LATENT_FIGURES + NEIGHBOURS + 1;
    l.all.count = l.latent.first + l.latent.count;
    return l;
}

/* ------------------------------------------------------------------ what a pass needs */

typedef struct pass {
    const flow *flow;
    statistics_layout layout;
    size_t d;
    unsigned height, channels;              /* height 0: no pictures */
    uint32_t *place;                        /* [2 d] data column that latent column j has been */
    float *signs;                           /* [PROJECTIONS, d] +1 or -1 */
    double *stored, *logp, *latent, *norms; /* of one batch */
    size_t rows;
    double *out;
    int threads;
    size_t scratch_size;
    unsigned char *scratch; /* [threads, scratch_size] */
    row_ticker *ticker;
    memory_group *memory;
} pass;

static nicest_status pass_open(pass *p, const nicest_model *model, int threads)
{
    p->flow = model_flow_const(model);
    p->layout = statistics_of(model);
    p->d = nicest_model_columns(model);
    p->threads = threads < 1 ? parallel_available() : threads;
    nicest_model_image(model, &p->height, NULL, &p->channels);
    p->scratch_size = p->d * 4 * sizeof(double) + picture_filter_size(p->height, p->d);
    p->scratch_size = (p->scratch_size + 63) / 64 * 64; /* each thread's part begins aligned */
    p->place = memory_join(p->memory, 2 * p->d, sizeof *p->place);
    p->signs = memory_join(p->memory, p->d, PROJECTIONS * sizeof *p->signs);
    p->stored = memory_join(p->memory, BATCH, p->d * sizeof(double));
    p->latent = memory_join(p->memory, BATCH, p->d * sizeof(double));
    p->logp = memory_join(p->memory, BATCH, sizeof(double));
    p->norms = memory_join(p->memory, BATCH, (p->layout.gradient.count + 1) * sizeof(double));
    p->scratch = memory_join(p->memory, (size_t)p->threads, p->scratch_size);
    TRY(check_memory(!p->memory->lacking));
    for (size_t k = 0; k < PROJECTIONS; k++) {
        float *sign = p->signs + k * p->d;
        random_uniform((random_stream){0, RANDOM_SPLIT, 0x51f}, k, sign, p->d);
        for (size_t j = 0; j < p->d; j++)
            sign[j] = sign[j] < 0.5f ? -1 : 1;
    }
    flow_trace(p->flow, p->place);
    return NICEST_OK;
}

/* ------------------------------------------------------------------ compressed length */

/* The thread's scratch holds the bytes (at most 2 d), then the filtered picture. */
static double compressed_bits(const pass *p, const double *stored, unsigned char *scratch)
{
    /* Levels of one row as bytes: one a column, or a plane of high bytes before one of low ones. */
    bool wide = false;
    for (size_t j = 0; j < p->d; j++)
        wide = wide || p->flow->entry.column[j].levels > 256;
    for (size_t j = 0; j < p->d; j++) {
        const entry_column *c = &p->flow->entry.column[j];
        double level = fmin(fmax(round((stored[j] - c->origin) / c->step), 0), c->levels - 1);
        unsigned whole = (unsigned)level;
        scratch[j] = (unsigned char)(wide ? whole >> 8 : whole);
        if (wide)
            scratch[p->d + j] = (unsigned char)whole;
    }
    size_t size = wide ? 2 * p->d : p->d;
    size_t best = file_deflated_size(scratch, size);
    if (p->height && size == p->d) {
        unsigned char *filtered = scratch + 2 * p->d;
        size_t some = picture_filter(scratch, p->height, p->d / p->height, p->channels, filtered);
        size_t other = file_deflated_size(filtered, some);
        best = other && other < best ? other : best;
    }
    return best ? 8 * (double)best : NAN;
}

/* ------------------------------------------------------------------ the latent as a sample */

/* log(1 + x) for x >= 0, and for overflow a large number instead of infinity. */
static double calm(double x)
{
    return x < 1e300 ? log1p(x) : 691;
}

/* Mean product of values `dy` rows and `dx` columns apart; v in the order of the data's columns. */
static double neighbour_product(const pass *p, const double *v, size_t dy, ptrdiff_t dx)
{
    size_t height = p->height ? p->height : 1, channels = p->height ? p->channels : 1;
    size_t width = p->d / height / channels, pairs = 0;
    double sum = 0;
    for (size_t y = 0; y + dy < height; y++)
        for (size_t x = dx < 0 ? (size_t)-dx : 0; x + (dx > 0 ? (size_t)dx : 0) < width; x++)
            for (size_t c = 0; c < channels; c++, pairs++)
                sum += v[(y * width + x) * channels + c] *
                       v[((y + dy) * width + (size_t)((ptrdiff_t)x + dx)) * channels + c];
    return pairs ? sum / (double)pairs : 0;
}

/* A table has one row of columns, where only the first and the fourth of these say something; the
 * others are 0 and do not disturb. */
static void neighbour_products(const pass *p, const double *v, double *out)
{
    static const struct {
        size_t dy;
        ptrdiff_t dx;
    } offset[NEIGHBOURS] = {{0, 1}, {1, 0}, {1, 1}, {0, 2}, {2, 0}, {1, -1}};
    for (size_t i = 0; i < NEIGHBOURS; i++)
        out[i] = neighbour_product(p, v, offset[i].dy, offset[i].dx);
}

static void fill_with(double *out, size_t n, double value)
{
    for (size_t i = 0; i < n; i++)
        out[i] = value;
}

static void describe_latent(const pass *p, const double *h, double *scratch, double *out)
{
    assert(p->flow->spec.columns > 0);
    double *u = scratch, *v = scratch + p->d, *sorted = scratch + 2 * p->d;
    size_t values = p->flow->spec.columns;
    fill_with(v, p->d, 0);
    fill_with(u, p->d, 0);
    for (size_t j = 0; j < values; j++) {
        /* F(h) of the prior, stretched: mean 0, variance 1 where the model is right. */
        double f = p->flow->spec.prior == PRIOR_LOGISTIC ? tanh(h[j] / 2) : erf(h[j] / sqrt(2));
        u[j] = sqrt(3) * f;
        v[p->flow->order ? j : p->place[j]] = u[j];
    }
    /* Size and shape: mean square, mean size and fourth power of h; mean and mean square of u;
     * largest h; Kolmogorov and Smirnov's distance of u from uniform. `sorted` is scratch [d]. */
    double square = 0, size = 0, fourth = 0, mean = 0, u_square = 0, largest = 0, distance = 0;
    for (size_t j = 0; j < values; j++) {
        double h2 = h[j] * h[j];
        square += h2;
        size += fabs(h[j]);
        fourth += h2 * h2;
        largest = fmax(largest, fabs(h[j]));
        mean += u[j];
        u_square += u[j] * u[j];
    }
    memcpy(sorted, u, values * sizeof *sorted);
    values_sort(sorted, values);
    for (size_t j = 0; j < values; j++) {
        double f = (1 + sorted[j] / sqrt(3)) / 2;
        distance = fmax(distance,
                        fmax(f - (double)j / (double)values, (double)(j + 1) / (double)values - f));
    }
    double n = (double)values;
    const double figures[LATENT_FIGURES] = {calm(square / n), calm(size / n), calm(fourth / n),
                                            mean / n,         u_square / n,   calm(largest),
                                            calm(distance)};
    memcpy(out, figures, sizeof figures);
    neighbour_products(p, v, out + LATENT_FIGURES);
    /* Mean square of the projections of u on random directions of length 1. */
    double total = 0;
    for (size_t k = 0; k < PROJECTIONS; k++) {
        const float *sign = p->signs + k * p->d;
        double sum = 0;
        for (size_t j = 0; j < p->d; j++)
            sum += u[j] * (double)sign[j];
        total += sum * sum / (double)p->d;
    }
    out[LATENT_FIGURES + NEIGHBOURS] = calm(total / PROJECTIONS);
}

/* ------------------------------------------------------------------ rows */

static void describe_row(void *context, int thread, size_t i)
{
    const pass *p = context;
    const statistics_layout *l = &p->layout;
    const double *stored = p->stored + i * p->d, *latent = p->latent + i * p->d;
    double *out = p->out + i * l->all.count;
    unsigned char *scratch = p->scratch + (size_t)thread * p->scratch_size;
    if (isnan(p->logp[i]) && values_missing(stored, p->d)) {
        fill_with(out, l->all.count, NAN);
        return;
    }
    out[l->logp.first] = p->logp[i];
    for (size_t k = 0; k < l->gradient.count; k++)
        out[l->gradient.first + k] = log(p->norms[i * l->gradient.count + k] + 1e-12);
    double *h = (double *)scratch + 3 * p->d;
    /* The latent without what is no value of its own; what is hidden is in the middle. */
    const entry *e = &p->flow->entry;
    for (size_t j = 0; j < e->columns; j++)
        if (e->column[j].role == ENTRY_VALUE && !(e->column[j].given > 0)) {
            bool hidden = p->flow->spec.masked && !isfinite(latent[j]);
            h[e->place[j].value] = hidden ? 0 : latent[j];
        }
    size_t values = e->values;
    if (!values)
        fill_with(out + l->latent.first, l->latent.count, 0);
    else if (values_finite(h, values))
        describe_latent(p, h, (double *)scratch, out + l->latent.first);
    else
        out[l->latent.first] = NAN;
    if (l->length.count)
        out[l->length.first] = log(compressed_bits(p, stored, scratch));
    const statistics_run *const runs[] = {&l->logp, &l->gradient, &l->latent, &l->length};
    for (size_t k = 0; k < sizeof runs / sizeof *runs; k++)
        if (!values_finite(out + runs[k]->first, runs[k]->count))
            fill_with(out + runs[k]->first, runs[k]->count, -HUGE_VAL);
}

/* Reads batch after batch and hands each row of it to `body`. */
static nicest_status each_data_row(pass *p, const nicest_data *data, flow_workspace *w,
                                   uint64_t seed, parallel_body body)
{
    size_t n = nicest_data_rows(data);
    double *out = p->out;
    for (size_t first = 0; first < n; first += BATCH) {
        p->rows = n - first < BATCH ? n - first : BATCH;
        TRY(nicest_data_read(data, first, p->rows, p->stored));
        if (w)
            flow_run(w, &(flow_job){.input = FLOW_STORED,
                                    .rows = p->rows,
                                    .values = p->stored,
                                    .noise = {seed, RANDOM_SCORE, 0},
                                    .logp = p->logp,
                                    .latent = p->latent,
                                    .gradient_norms = p->norms});
        p->out = out + first * (w ? p->layout.all.count : 1);
        parallel_for(p->threads, p->rows, body, p);
        if (p->ticker) {
            p->ticker->done += (double)p->rows;
            if (p->ticker->tick(p->ticker->context, p->ticker->done, p->ticker->total))
                return fail(NICEST_E_INTERRUPTED, "interrupted after %g rows", p->ticker->done);
        }
    }
    return NICEST_OK;
}

nicest_status statistics_measure(const nicest_model *model, const nicest_data *data, uint64_t seed,
                                 int threads, row_ticker *ticker, double *out)
{
    OWNED_BY(memory_leave) memory_group memory = {0};
    pass p = {.out = out, .ticker = ticker, .memory = &memory};
    OWNED_BY(flow_workspace_drop) flow_workspace *w = NULL;
    TRY(nicest_model_fits(model, data));
    TRY(pass_open(&p, model, threads));
    TRY(flow_workspace_new(&w, p.flow, FLOW_GRADIENT, BATCH, p.threads, false));
    return each_data_row(&p, data, w, seed, describe_row);
}

static void measure_length(void *context, int thread, size_t i)
{
    const pass *p = context;
    const double *stored = p->stored + i * p->d;
    unsigned char *scratch = p->scratch + (size_t)thread * p->scratch_size;
    p->out[i] = values_missing(stored, p->d) ? NAN : compressed_bits(p, stored, scratch);
}

nicest_status statistics_lengths(const nicest_model *model, const nicest_data *data, int threads,
                                 double *out)
{
    OWNED_BY(memory_leave) memory_group memory = {0};
    pass p = {.out = out, .memory = &memory};
    TRY(nicest_model_fits(model, data));
    if (!statistics_compressible(model))
        return fail(NICEST_E_UNSUPPORTED, "a compressed length needs columns with levels, as a "
                                          "picture has them; this model has continuous columns");
    TRY(pass_open(&p, model, threads));
    return each_data_row(&p, data, NULL, 0, measure_length);
}
