/* entry.c - see entry.h. */
#include "flow/entry.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"

/* ------------------------------------------------------------------ making */

bool entry_open(entry *e, size_t columns)
{
    *e = (entry){.columns = columns};
    e->column = memory_new(columns, sizeof *e->column);
    e->gain = memory_new(3 * columns, sizeof *e->gain);
    e->place = memory_new(columns, sizeof *e->place);
    if (!e->column || !e->gain || !e->place || !entry_table(e, 0)) {
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
    memory_free(e->table);
    memory_free(e->gain);
    memory_free(e->place);
    *e = (entry){0};
}

bool entry_table(entry *e, size_t count)
{
    double *table = memory_new(count, sizeof *table);
    if (!table)
        return false;
    memory_free(e->table);
    e->table = table;
    e->table_count = count;
    return true;
}

bool entry_copy(entry *to, const entry *from)
{
    OWNED_BY(entry_close) entry made = {0};
    if (!entry_open(&made, from->columns) || !entry_table(&made, from->table_count))
        return false;
    memcpy(made.column, from->column, from->columns * sizeof *made.column);
    memcpy(made.table, from->table, from->table_count * sizeof *made.table);
    nicest_status status = entry_set(&made);
    assert(status == NICEST_OK);
    (void)status;
    *to = made;
    made = (entry){0};
    return true;
}

bool entry_natural(entry *e, size_t values, const size_t *classes, size_t categories, size_t given)
{
    size_t total = 0, next = 0;
    for (size_t i = 0; i < categories; i++)
        total += classes[i];
    if (!entry_open(e, values + categories + given) || !entry_table(e, total))
        return false;
    for (size_t j = values; j < e->columns; j++) {
        bool category = j < values + categories;
        e->column[j] =
            category ? (entry_column){.role = ENTRY_CATEGORY, .states = (double)classes[j - values]}
                     : (entry_column){.given = 1};
        for (size_t i = 0; category && i < classes[j - values]; i++)
            e->table[next++] = (double)i;
    }
    return entry_set(e) == NICEST_OK;
}

static bool sound(const entry_column *c)
{
    return isfinite(c->step) && isfinite(c->origin) && isfinite(c->levels) && isfinite(c->offset) &&
           isfinite(c->unit) && isfinite(c->centre) && c->step >= 0 && c->unit >= 0 &&
           c->levels >= 0 &&
           (c->role == ENTRY_VALUE ? (c->step > 0) == (c->unit > 0) : c->unit == 0);
}

static bool is_whole(double value, double most)
{
    return value >= 0 && value <= most && value == floor(value);
}

/* Whether what makes a column more than a value fits together. */
static bool role_sound(const entry *e, const entry_column *c, const double *table)
{
    bool value = c->role == ENTRY_VALUE, category = c->role == ENTRY_CATEGORY;
    for (size_t i = 1; i < (size_t)c->states && c->role != ENTRY_FOLLOWS; i++)
        if (!((float)table[i] > (float)table[i - 1] ||
              (isnan(table[i]) && !isnan(table[i - 1]) && i + 1 == (size_t)c->states)))
            return false;
    if (!(c->other >= 0 && c->other < 1) || !isfinite(c->factor) || isnan(c->least) ||
        isnan(c->most) || !is_whole(c->decimals, 18) || (c->given != 0 && c->given != 1))
        return false;
    if (value)
        return c->source == 0 && c->other == 0;
    if (c->centre != 0 || c->states < 1)
        return false;
    if (category)
        return c->source == 0 && (c->step == 0 || (c->other > 0 && isfinite(table[0])));
    if (c->step > 0)
        return false;
    if (c->given != 0 || !is_whole(c->source, (double)e->columns))
        return false;
    const entry_column *source = c->source > 0 ? &e->column[(size_t)c->source - 1] : NULL;
    return source ? source->role == ENTRY_CATEGORY && source->states == c->states : c->states == 1;
}

nicest_status entry_set(entry *e)
{
    size_t used = 0;
    for (size_t j = 0; j < e->columns; j++) {
        const entry_column *c = &e->column[j];
        if (!sound(c))
            return fail(NICEST_E_FORMAT, "entry: column %zu: its quantisation is not sound", j + 1);
        if (!is_whole(c->role, ENTRY_FOLLOWS) ||
            !is_whole(c->states, (double)(e->table_count - used)) ||
            !role_sound(e, c, e->table + used))
            return fail(NICEST_E_FORMAT, "entry: column %zu: its role is not sound", j + 1);
        e->place[j].table = used;
        used += (size_t)c->states;
    }
    if (used != e->table_count)
        return fail(NICEST_E_FORMAT, "entry: the table has %zu numbers, the columns %zu",
                    e->table_count, used);
    e->quantised = e->mixed = e->finished = false;
    for (size_t j = 0; j < e->columns; j++) {
        const entry_column *c = &e->column[j];
        e->gain[j] = c->unit > 0 ? c->unit / c->step : 1;
        e->shift[j] = (c->unit > 0 ? c->offset - e->gain[j] * c->origin : 0) - c->centre;
        e->noise[j] = c->unit;
        e->quantised = e->quantised || c->unit > 0;
        e->finished = e->finished || c->decimals > 0 || c->least != c->most;
    }
    /* Own categories come first in the context, in the order of the columns. */
    e->values = e->categories = e->context = e->own = 0;
    for (int given = 0; given < 2; given++) {
        for (size_t j = 0; j < e->columns; j++) {
            const entry_column *c = &e->column[j];
            entry_place *p = &e->place[j];
            if ((c->given > 0) != (given > 0))
                continue;
            size_t states = c->role == ENTRY_FOLLOWS ? 0 : (size_t)c->states;
            p->classes = states ? states + (c->role == ENTRY_VALUE || c->other > 0) : 0;
            if (c->role == ENTRY_VALUE)
                p->value = given ? e->context++ : e->values++;
            p->context = e->context;
            p->category = p->classes && !given ? e->categories++ : SIZE_MAX;
            e->context += p->classes ? p->classes + 1 : 0;
            e->mixed = e->mixed || given || p->classes || c->role == ENTRY_FOLLOWS;
        }
        e->own = given ? e->own : e->context;
    }
    e->width = e->values + e->categories + e->context + 1;
    return NICEST_OK;
}

size_t entry_value(const entry *e, size_t value)
{
    size_t j = 0;
    while (e->column[j].role != ENTRY_VALUE || e->column[j].given > 0 || e->place[j].value != value)
        j++;
    assert(j < e->columns);
    return j;
}

size_t entry_hides(const entry *e, size_t category)
{
    for (size_t j = 0; j < e->columns; j++)
        if (e->place[j].category == category && e->column[j].role == ENTRY_VALUE)
            return e->place[j].value;
    return SIZE_MAX;
}

/* ------------------------------------------------------------------ classes */

static const double IMPOSSIBLE = -1;

/* Place of v in a column's table, as floats say it; its length where it is not there. */
static size_t find_state(const entry *e, size_t j, double v)
{
    assert(j < e->columns);
    const double *table = e->table + e->place[j].table;
    size_t low = 0, count = (size_t)e->column[j].states, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (isnan(v) ? !isnan(table[middle]) : (float)table[middle] < (float)v)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < count && (isnan(v) ? isnan(table[low]) : (float)table[low] == (float)v);
    return found ? low : count;
}

/* log of the share of OTHER that v has; -infinity where it is not on the grid. */
static double log_share(const entry *e, size_t j, double v)
{
    const entry_column *c = &e->column[j];
    const double *table = e->table + e->place[j].table, first = table[0];
    size_t count = (size_t)c->states - isnan(table[(size_t)c->states - 1]);
    if (c->step == 0 || v == HUGE_VAL)
        return 0;
    double span = rint((table[count - 1] - first) / c->step), at = rint((v - first) / c->step);
    double lowest = c->least < c->most ? -floor((first - c->least) / c->step + 0.5) : -HUGE_VAL;
    double gaps = span + 1 - (double)count, beyond = at < 0 ? -at : at > span ? at - span : 1;
    if (!(fabs((v - first) / c->step - at) < 1e-3) || at < lowest)
        return -HUGE_VAL;
    return -log(2) * beyond - log(gaps / 2 + 1 + (1 - exp2(lowest)));
}

/* NaN: unknown. */
static double class_of_value(const entry *e, size_t j, double v)
{
    const entry_column *c = &e->column[j];
    size_t states = (size_t)c->states, state = find_state(e, j, v);
    if (state == states && isnan(v))
        return NAN;
    if (c->role == ENTRY_VALUE)
        return state < states ? (double)state + 1 : 0;
    return state < states || (c->other > 0 && log_share(e, j, v) > -HUGE_VAL) ? (double)state
                                                                              : IMPOSSIBLE;
}

/* Whether a value stands at a number of its table. */
static bool is_special(const entry *e, size_t j, double v)
{
    return e->column[j].role == ENTRY_VALUE && e->column[j].states > 0 &&
           find_state(e, j, v) < (size_t)e->column[j].states;
}

bool entry_is_value(const entry *e, size_t j, double v)
{
    assert(j < e->columns);
    return e->column[j].role == ENTRY_VALUE && isfinite(v) && !is_special(e, j, v);
}

size_t entry_impossible(const entry *e, const double *stored)
{
    size_t j = 0;
    while (j < e->columns &&
           !(e->place[j].classes && class_of_value(e, j, stored[j]) == IMPOSSIBLE))
        j++;
    return j;
}

/* What the column must be by its source, whose value is `v`; NaN where nothing is known. */
static double followed(const entry *e, size_t j, const double *row)
{
    const entry_column *c = &e->column[j];
    size_t source = (size_t)c->source, state = 0;
    if (source)
        state = find_state(e, source - 1, row[source - 1]);
    return state < (size_t)c->states ? e->table[e->place[j].table + state] : NAN;
}

/* ------------------------------------------------------------------ stored and continuous */

/* u has 24 bits; in the middle of its cell it is never 0, so that rounding cannot carry a value
 * below its level. */
static const double HALF_CELL = 0x1p-25;

/* The noise of a row; zeros cost nothing where no column is quantised. A score's is that of what
 * the row says: levels of quantised columns, other values as floats, which every type of file can
 * hold. Adding 1.5 x 2^52 rounds: the last bits are the level. */
static const float *draw_noise(const entry *e, const double *stored, random_stream stream,
                               uint64_t row, float *u)
{
    if (!e->quantised)
        return NULL;
    if (stream.purpose == RANDOM_SCORE) {
        row = 0;
        for (size_t j = 0; j < e->columns; j++) {
            const entry_column *c = &e->column[j];
            double value = c->unit > 0 ? (stored[j] - c->origin) / c->step + 0x1.8p52
                                       : (double)(float)stored[j];
            row = random_fold(row, value);
        }
        row *= 0xD6E8FEB86659FD93u;
        row = (row ^ row >> 32) >> 8;
    }
    random_uniform(stream, row, u, e->columns);
    return u;
}

void entry_dequantise_row(const entry *e, const double *stored, random_stream stream, uint64_t row,
                          float *u, double *continuous)
{
    const float *noise = draw_noise(e, stored, stream, row, u);
    for (size_t j = 0; j < e->columns; j++) {
        double v = stored[j];
        continuous[j] = e->gain[j] * v + (e->shift[j] + e->column[j].centre);
        if (noise)
            continuous[j] += e->noise[j] * ((double)noise[j] + HALF_CELL);
        if (e->mixed && (e->column[j].role != ENTRY_VALUE || is_special(e, j, v)))
            continuous[j] = v;
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

/* Beside its mass point a column has the next level on the side where x lies. */
static double off_the_point(const entry *e, size_t j, double level, double x)
{
    const entry_column *c = &e->column[j];
    double value = stored_value(c, level), side = (x - c->offset) / c->unit - level < 0.5 ? -1 : 1;
    if (!is_special(e, j, value))
        return value;
    bool first = c->least < c->most && value <= c->least;
    return stored_value(c, level + (first || level + side < 0 ? 1 : side));
}

double entry_middle(const entry *e, size_t j, double stored)
{
    return e->gain[j] * stored + e->shift[j] + e->column[j].centre + e->noise[j] / 2;
}

void entry_quantise_row(const entry *e, const double *continuous, double *stored)
{
    for (size_t j = 0; j < e->columns; j++) {
        const entry_column *c = &e->column[j];
        double x = continuous[j], level = c->unit > 0 ? floor((x - c->offset) / c->unit) : 0;
        if (c->levels > 0 && !isnan(level)) /* NaN stays: a missing value is not level 0 */
            level = fmin(fmax(level, 0), c->levels - 1);
        if (!(c->unit > 0) || (e->mixed && is_special(e, j, x)))
            stored[j] = x;
        else
            stored[j] = e->mixed ? off_the_point(e, j, level, x) : stored_value(c, level);
    }
}

double entry_round(const entry_column *c, double v)
{
    double whole = pow(10, c->decimals - 1), rounded = rint(v * whole) / whole;
    return c->decimals > 0 && isfinite(rounded) ? rounded : v;
}

bool entry_finish_row(const entry *e, double *stored, bool clamp)
{
    bool inside = true;
    for (size_t j = 0; j < e->columns; j++) {
        const entry_column *c = &e->column[j];
        bool special = e->mixed && is_special(e, j, stored[j]);
        if (c->role != ENTRY_VALUE || c->given > 0 || special || isnan(stored[j]))
            continue;
        stored[j] = entry_round(c, stored[j]);
        if (c->least == c->most || (stored[j] >= c->least && stored[j] <= c->most))
            continue;
        inside = false;
        if (clamp)
            stored[j] = fmin(fmax(stored[j], c->least), c->most);
    }
    return inside;
}

/* ------------------------------------------------------------------ encoded rows */

/* The class of column j and its one-hot vector; unknown where it is not above 0. */
static void put_class(const entry *e, size_t j, double class, double *encoded)
{
    const entry_place *p = &e->place[j];
    double *classes = encoded + e->values, *context = classes + e->categories + p->context;
    bool known = class >= 0;
    if (p->classes)
        context[known ? (size_t) class : p->classes] = 1;
    if (p->category != SIZE_MAX)
        classes[p->category] = known ? class : NAN;
}

/* One-hot vectors, classes, and what needs no layer. */
static void encode_classes(const entry *e, const double *row, double *encoded)
{
    double *logp = encoded + e->width - 1;
    for (size_t j = 0; j < e->columns; j++) {
        double expected = e->column[j].role == ENTRY_FOLLOWS ? followed(e, j, row) : (double)NAN;
        if (!isnan(row[j]) && !isnan(expected))
            *logp += (float)row[j] == (float)expected ? log1p(-e->column[j].other)
                                                      : log(e->column[j].other);
        if (!e->place[j].classes)
            continue;
        double class = class_of_value(e, j, row[j]);
        if (class == IMPOSSIBLE)
            *logp = -HUGE_VAL;
        else if (class == e->column[j].states && e->place[j].category != SIZE_MAX &&
                 e->column[j].role == ENTRY_CATEGORY)
            *logp += log_share(e, j, row[j]);
        put_class(e, j, class, encoded);
    }
}

/* Column j of the row `from` has the encoded value x. */
static void encode_value(const entry *e, size_t j, const double *from, double x, double *encoded)
{
    const entry_place *p = &e->place[j];
    if (e->column[j].role != ENTRY_VALUE)
        return;
    if (is_special(e, j, from[j]))
        x = NAN;
    if (e->column[j].given > 0) {
        double factor = e->column[j].factor;
        encoded[e->values + e->categories + p->value] =
            isnan(x)      ? 0
            : factor == 0 ? x
                          : x * factor; /* NaN: the mean, where it was centred */
    } else {
        encoded[p->value] = x;
    }
}

static void begin_row(const entry *e, double *encoded)
{
    memset(encoded + e->values, 0, (e->width - e->values) * sizeof *encoded);
}

void entry_encode_row(const entry *e, const double *stored, random_stream stream, uint64_t row,
                      float *u, double *encoded)
{
    const float *noise = draw_noise(e, stored, stream, row, u);
    begin_row(e, encoded);
    for (size_t j = 0; j < e->columns; j++) {
        double value = e->gain[j] * stored[j] + e->shift[j];
        value = noise ? value + e->noise[j] * ((double)noise[j] + HALF_CELL) : value;
        if (e->mixed)
            encode_value(e, j, stored, value, encoded);
        else
            encoded[j] = value;
    }
    if (e->mixed)
        encode_classes(e, stored, encoded);
}

void entry_centre_row(const entry *e, const double *continuous, double *encoded)
{
    begin_row(e, encoded);
    for (size_t j = 0; j < e->columns; j++)
        if (e->mixed)
            encode_value(e, j, continuous, continuous[j] - e->column[j].centre, encoded);
        else
            encoded[j] = continuous[j] - e->column[j].centre;
    if (e->mixed)
        encode_classes(e, continuous, encoded);
}

void entry_latent_row(const entry *e, const double *latent, double *encoded)
{
    begin_row(e, encoded);
    for (size_t j = 0; j < e->columns; j++) {
        const entry_place *p = &e->place[j];
        double v = latent[j];
        bool own = e->column[j].role == ENTRY_VALUE && !(e->column[j].given > 0);
        if (!own)
            encode_value(e, j, latent, v - e->column[j].centre, encoded);
        else
            encoded[p->value] = v == -HUGE_VAL && p->classes ? NAN : v;
        double class = !p->classes      ? NAN
                       : !own           ? class_of_value(e, j, v)
                       : v == -HUGE_VAL ? 1
                       : isnan(v)       ? class_of_value(e, j, v)
                                        : 0;
        put_class(e, j, class, encoded);
    }
}

void entry_given_row(const entry *e, const double *given, double *encoded)
{
    begin_row(e, encoded);
    for (size_t j = 0; j < e->columns; j++) {
        bool known = given && e->column[j].given > 0;
        if (known)
            encode_value(e, j, given, given[j] - e->column[j].centre, encoded);
        put_class(e, j, known && e->place[j].classes ? class_of_value(e, j, given[j]) : (double)NAN,
                  encoded);
    }
}

/* The number that stands for a class of column j; x where it is a value's own. */
static double value_of_class(const entry *e, size_t j, double class, double x, bool latent)
{
    const entry_column *c = &e->column[j];
    const double *table = e->table + e->place[j].table;
    if (c->role == ENTRY_CATEGORY)
        return isnan(class) ? NAN : class < c->states ? table[(size_t) class] : HUGE_VAL;
    if (!(class > 0))
        return x;
    return latent && !isnan(table[(size_t) class - 1]) ? -HUGE_VAL : table[(size_t) class - 1];
}

void entry_restore_row(const entry *e, const double *encoded, const double *given, bool latent,
                       double *row)
{
    const double *classes = encoded + e->values, *context = classes + e->categories;
    for (size_t j = 0; j < e->columns; j++) {
        const entry_column *c = &e->column[j];
        const entry_place *p = &e->place[j];
        double x = 0;
        if (!e->mixed) {
            row[j] = encoded[j] + (latent ? 0 : c->centre);
            continue;
        }
        if (c->role == ENTRY_FOLLOWS)
            continue;
        if (c->given > 0 && given) {
            row[j] = given[j];
            continue;
        }
        if (c->role == ENTRY_VALUE)
            x = !(c->given > 0) ? encoded[p->value] + (latent ? 0 : c->centre)
                                : context[p->value] / (c->factor == 0 ? 1 : c->factor) + c->centre;
        double class = !p->classes || p->category == SIZE_MAX ? 0 : classes[p->category];
        if (p->classes && p->category == SIZE_MAX) { /* what the one-hot vector says */
            size_t i = 0;
            while (i < p->classes && !(context[p->context + i] > 0))
                i++;
            class = i < p->classes ? (double)i : (double)NAN;
        }
        row[j] = value_of_class(e, j, class, x, latent && !(c->given > 0));
    }
    for (size_t j = 0; e->mixed && j < e->columns; j++)
        if (e->column[j].role == ENTRY_FOLLOWS)
            row[j] = followed(e, j, row);
}

double entry_log_units(const entry *e)
{
    double sum = 0;
    for (size_t j = 0; j < e->columns; j++)
        sum += e->column[j].unit > 0 ? log(e->column[j].unit) : NAN;
    return sum;
}
