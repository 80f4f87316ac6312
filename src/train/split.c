/* split.c - see split.h. */
#include "train/split.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/status.h"
#include "base/values.h"
#include "data/source.h"

enum { CHUNK = 64, FEWEST_BITS = 1 << 12, PAIRS = 1 << 14 };

/* A row of the index: runs of equal keys, once sorted, are equal rows. */
typedef struct keyed {
    uint64_t key;
    size_t place;
} keyed;

typedef struct search {
    const nicest_data *data;
    const size_t *index;
    size_t count, columns, distinct;
    keyed *sorted;  /* [count] */
    double *values; /* [CHUNK, columns] */
    random_stream stream;
} search;

static int by_key(const void *a, const void *b)
{
    const keyed *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

/* Of the distinct rows, does some column have half as many values? Each value sets a bit of its
 * column's; m (1 - exp(-k/m)) of m bits are set by k values. */
static nicest_status half_distinct(const search *s, bool *found)
{
    size_t bits = 2 * s->distinct > FEWEST_BITS ? 2 * s->distinct : FEWEST_BITS;
    size_t bytes = bits / 8 + 1, most = 0;
    OWNED_ROWS(unsigned char *, seen, s->columns, bytes);
    OWNED_NEW(size_t *, set, s->columns);
    for (size_t i = 0; i < s->count; i++) {
        if (i > 0 && s->sorted[i].key == s->sorted[i - 1].key)
            continue;
        source_gather(s->data, s->index + s->sorted[i].place, 1, s->values);
        for (size_t j = 0; j < s->columns; j++) {
            /* folded twice: once leaves the low bits of small whole numbers zero */
            uint64_t hash = random_fold(random_fold(0, s->values[j]), 1);
            size_t bit = (size_t)(hash % bits);
            unsigned char *byte = seen + j * bytes + bit / 8, mask = (unsigned char)(1 << bit % 8);
            set[j] += !(*byte & mask);
            *byte |= mask;
        }
    }
    for (size_t j = 0; j < s->columns; j++)
        most = set[j] > most ? set[j] : most;
    double m = (double)bits;
    *found = (double)most >= m * -expm1(-0.5 * (double)s->distinct / m) - 0.5;
    return NICEST_OK;
}

static nicest_status are_copies(const search *s, bool *copies)
{
    *copies = false;
    if (s->distinct < s->count)
        TRY(half_distinct(s, copies));
    if (!*copies)
        return NICEST_OK;
    /* Share of pairs of rows that are equal, to that of independent columns, from random pairs. */
    double equal = 0, expected = 1, n = (double)s->count;
    OWNED_NEW(double *, same, s->columns);
    OWNED_NEW(double *, row, 2 * s->columns);
    for (size_t i = 0, run = 0; i < s->count; i++, run++) {
        run = i > 0 && s->sorted[i].key == s->sorted[i - 1].key ? run : 0;
        equal += 2 * (double)run / (n * (n - 1));
    }
    for (size_t i = 0; i < PAIRS; i++) {
        double u[2];
        random_uniform_double((random_stream){s->stream.seed, RANDOM_SPLIT, UINT32_MAX}, i, u, 2);
        size_t a = (size_t)(u[0] * n), b = (size_t)(u[1] * (n - 1));
        size_t pair[2] = {s->index[a], s->index[b + (b >= a)]};
        source_gather(s->data, pair, 2, row);
        for (size_t j = 0; j < s->columns; j++)
            same[j] += random_fold(0, row[j]) == random_fold(0, row[s->columns + j]);
    }
    for (size_t j = 0; j < s->columns; j++)
        expected *= (same[j] + 1) / (PAIRS + 1);
    *copies = equal / expected > 2;
    return NICEST_OK;
}

/* The groups in the order of a shuffle, which knows nothing of how large they are. */
static nicest_status lay_groups(split *out, const search *s, bool copies)
{
    const double *weights = nicest_data_weights(s->data);
    OWNED_NEW(size_t *, first, s->count); /* the groups' first places, in order */
    OWNED_NEW(double *, sum, s->count);   /* what the group counts that begins at this place */
    OWNED_NEW(uint32_t *, shuffle, s->count);
    for (size_t i = 0, head = 0; i < s->count; i++) {
        size_t place = s->sorted[i].place;
        head = copies && i > 0 && s->sorted[i].key == s->sorted[i - 1].key ? head : place;
        sum[head] += values_weight(weights, s->index[place]);
        first[place] = head;
    }
    for (size_t place = 0; place < s->count; place++)
        if (first[place] == place)
            first[out->groups++] = place;
    random_permutation(s->stream, shuffle, out->groups);
    for (size_t g = 0; g < out->groups; g++) {
        out->row[g] = s->index[first[shuffle[g]]];
        out->weight[g] = sum[first[shuffle[g]]];
    }
    out->rows = s->count;
    if (out->groups == out->rows)
        memory_drop(&out->weight);
    return NICEST_OK;
}

nicest_status split_open(split *out, const nicest_data *data, const size_t *index, size_t count,
                         random_stream stream)
{
    size_t d = nicest_data_columns(data);
    bool copies = false;
    OWNED_NEW(size_t *, own, count);
    OWNED_NEW(keyed *, sorted, count);
    OWNED_ROWS(double *, values, CHUNK, d);
    OWNED_BY(split_close)
    split made = {.row = memory_new(count, sizeof *made.row),
                  .weight = memory_new(count, sizeof *made.weight)};
    TRY(check_memory(made.row && made.weight));
    for (size_t i = 0; i < count; i++)
        own[i] = i;
    search s = {.data = data,
                .index = index ? index : own,
                .count = count,
                .columns = d,
                .sorted = sorted,
                .values = values,
                .stream = stream};
    for (size_t first = 0; first < count; first += CHUNK) {
        size_t some = count - first < CHUNK ? count - first : CHUNK;
        source_gather(data, s.index + first, some, values);
        for (size_t i = 0; i < some; i++) {
            uint64_t key = 0;
            for (size_t j = 0; j < d; j++)
                key = random_fold(key, values[i * d + j]);
            sorted[first + i] = (keyed){key, first + i};
        }
    }
    qsort(sorted, count, sizeof *sorted, by_key);
    for (size_t i = 0; i < count; i++)
        s.distinct += i == 0 || sorted[i].key != sorted[i - 1].key;
    TRY(are_copies(&s, &copies));
    TRY(lay_groups(&made, &s, copies));
    *out = made;
    made = (split){0};
    return NICEST_OK;
}

void split_close(split *s)
{
    memory_free(s->row);
    memory_free(s->weight);
    *s = (split){0};
}

static nicest_status take_groups(nicest_data **out, const nicest_data *data, const size_t *row,
                                 const double *weight, size_t count)
{
    OWNED_BY(data_drop) nicest_data *made = NULL;
    TRY(nicest_data_select(&made, data, row, count));
    if (weight)
        TRY(source_weigh(made, weight));
    *out = memory_take(&made);
    return NICEST_OK;
}

nicest_status split_take(nicest_data **out, const split *s, const nicest_data *data, size_t first,
                         size_t count)
{
    assert(first + count <= s->groups);
    return count
               ? take_groups(out, data, s->row + first, s->weight ? s->weight + first : NULL, count)
               : NICEST_OK;
}

nicest_status split_leave(nicest_data **out, const split *s, const nicest_data *data, size_t first,
                          size_t count)
{
    assert(first + count <= s->groups);
    size_t kept = 0;
    OWNED_NEW(size_t *, row, s->groups);
    OWNED_NEW(double *, weight, s->groups);
    for (size_t g = 0; g < s->groups; g++)
        if (g < first || g >= first + count) {
            row[kept] = s->row[g];
            weight[kept++] = values_weight(s->weight, g);
        }
    return take_groups(out, data, row, s->weight ? weight : NULL, kept);
}
