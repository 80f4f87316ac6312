/* entry.c - see entry.h. */
#include "flow/entry.h"

#include <math.h>

#include "base/memory.h"
#include "base/status.h"

bool entry_open(entry *e, size_t columns)
{
    *e = (entry){.columns = columns};
    e->column = memory_new(columns, sizeof *e->column);
    e->gain = memory_new(3 * columns, sizeof *e->gain);
    if (!e->column || !e->gain) {
        entry_close(e);
        return false;
    }
    e->shift = e->gain + columns;
    e->noise = e->shift + columns;
    return entry_set(e) == NICEST_OK;
}

void entry_close(entry *e)
{
    memory_free(e->column);
    memory_free(e->gain);
    *e = (entry){0};
}

static bool sound(const entry_column *c)
{
    return isfinite(c->step) && isfinite(c->origin) && isfinite(c->levels) && isfinite(c->offset) &&
           isfinite(c->unit) && isfinite(c->centre) && c->step >= 0 && c->unit >= 0 &&
           c->levels >= 0 && (c->step > 0) == (c->unit > 0);
}

nicest_status entry_set(entry *e)
{
    for (size_t j = 0; j < e->columns; j++)
        if (!sound(&e->column[j]))
            return fail(NICEST_E_FORMAT, "entry: column %zu: its quantisation is not sound", j + 1);
    e->quantised = false;
    for (size_t j = 0; j < e->columns; j++) {
        const entry_column *c = &e->column[j];
        e->gain[j] = c->step > 0 ? c->unit / c->step : 1;
        e->shift[j] = (c->step > 0 ? c->offset - e->gain[j] * c->origin : 0) - c->centre;
        e->noise[j] = c->unit;
        e->quantised = e->quantised || c->step > 0;
    }
    return NICEST_OK;
}

/* u has 24 bits; in the middle of its cell it is never 0, so that rounding cannot carry a value
 * below its level. */
static const double HALF_CELL = 0x1p-25;

/* What a row says, as its number in a stream: levels of quantised columns, other values as floats,
 * which every type of file can hold. Adding 1.5 x 2^52 rounds: the last bits are the level. */
static uint64_t content_number(const entry *e, const double *stored)
{
    uint64_t number = 0;
    for (size_t j = 0; j < e->columns; j++) {
        const entry_column *c = &e->column[j];
        double value =
            c->step > 0 ? (stored[j] - c->origin) / c->step + 0x1.8p52 : (double)(float)stored[j];
        number = random_fold(number, value);
    }
    number *= 0xD6E8FEB86659FD93u;
    return (number ^ number >> 32) >> 8;
}

/* The noise of a row; zeros cost nothing where no column is quantised. */
static const float *draw(const entry *e, const double *stored, random_stream stream, uint64_t row,
                         float *u)
{
    if (!e->quantised)
        return NULL;
    random_uniform(stream, stream.purpose == RANDOM_SCORE ? content_number(e, stored) : row, u,
                   e->columns);
    return u;
}

void entry_dequantise_row(const entry *e, const double *stored, random_stream stream, uint64_t row,
                          float *u, double *continuous)
{
    const float *noise = draw(e, stored, stream, row, u);
    for (size_t j = 0; j < e->columns; j++) {
        continuous[j] = e->gain[j] * stored[j] + (e->shift[j] + e->column[j].centre);
        if (noise)
            continuous[j] += e->noise[j] * ((double)noise[j] + HALF_CELL);
    }
}

/* A step such as 0.1 has no exact double: (46 + 40) / 10 is 8.6, as a file says it, and 4.6 + 40 x
 * 0.1 need not be. */
static double stored_value(const entry_column *c, double level)
{
    double whole = rint(1 / c->step), first = rint(c->origin * whole);
    bool decimal = fabs(c->step * whole - 1) < 1e-12 && fabs(first) + level < 0x1p53 &&
                   fabs(c->origin * whole - first) < 1e-12 * fmax(fabs(first), 1);
    return decimal ? (first + level) / whole : c->origin + c->step * level;
}

void entry_quantise_row(const entry *e, const double *continuous, double *stored)
{
    for (size_t j = 0; j < e->columns; j++) {
        const entry_column *c = &e->column[j];
        double level = c->step > 0 ? floor((continuous[j] - c->offset) / c->unit) : 0;
        if (c->levels > 0 && !isnan(level)) /* NaN stays: a missing value is not level 0 */
            level = fmin(fmax(level, 0), c->levels - 1);
        stored[j] = c->step > 0 ? stored_value(c, level) : continuous[j];
    }
}

void entry_encode_row(const entry *e, const double *stored, random_stream stream, uint64_t row,
                      float *u, double *x)
{
    const float *noise = draw(e, stored, stream, row, u);
    for (size_t j = 0; j < e->columns; j++) {
        double value = e->gain[j] * stored[j] + e->shift[j];
        x[j] = noise ? value + e->noise[j] * ((double)noise[j] + HALF_CELL) : value;
    }
}

void entry_centre_row(const entry *e, const double *continuous, double *x)
{
    for (size_t j = 0; j < e->columns; j++)
        x[j] = continuous[j] - e->column[j].centre;
}

void entry_restore_row(const entry *e, const double *x, double *continuous)
{
    for (size_t j = 0; j < e->columns; j++)
        continuous[j] = x[j] + e->column[j].centre;
}

double entry_log_units(const entry *e)
{
    double sum = 0;
    for (size_t j = 0; j < e->columns; j++)
        sum += e->column[j].unit > 0 ? log(e->column[j].unit) : NAN;
    return sum;
}
