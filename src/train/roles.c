/* roles.c - see roles.h. Owns the rules: which columns are categories, where a mass point is, which
 * column is a function of another one. Each needs so much evidence that a table of measurements
 * keeps its values. */
#include "train/roles.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/status.h"
#include "base/values.h"
#include "data/facts.h"
#include "data/source.h"

enum {
    MOST_LEVELS = 64, /* of numbers that are looked at one by one */
    RARE_WORD = 3,    /* a word of fewer training rows is OTHER */
    MOST_WORDS = 1000,
    FOLLOW_ROWS = 10, /* that a function must explain */
    MOST_PAIRS = 20000
};

/* The values of one column and how often each occurs; `many`: more than there is room for. */
typedef struct look {
    double *level; /* [room + 1], ascending */
    size_t *count; /* [room + 1] */
    size_t levels, room, seen, missing;
    bool many, words;
    double least, most;
} look;

static void look_at(look *l, double v)
{
    if (!isfinite(v)) {
        l->missing += isnan(v);
        return;
    }
    l->least = l->seen ? fmin(l->least, v) : v;
    l->most = l->seen++ ? fmax(l->most, v) : v;
    if (l->many)
        return;
    size_t i = values_count(l->level, l->levels, v, false);
    if (i < l->levels && l->level[i] == v) {
        l->count[i]++;
        return;
    }
    l->many = l->levels == l->room;
    if (l->many)
        return;
    memmove(l->level + i + 1, l->level + i, (l->levels - i) * sizeof *l->level);
    memmove(l->count + i + 1, l->count + i, (l->levels - i) * sizeof *l->count);
    l->level[i] = v;
    l->count[i] = 1;
    l->levels++;
}

typedef struct looks {
    look *column;
    size_t columns;
} looks;

/* All columns of words, or all others. */
static nicest_status look_at_rows(looks *all, const nicest_data *data, bool of_words)
{
    OWNED_BY(row_walk_close) row_walk w = {0};
    TRY(row_walk_begin(&w, data, 0));
    while (row_walk_next(&w))
        for (size_t i = 0; i < w.count; i++)
            for (size_t j = 0; j < all->columns; j++)
                if (all->column[j].words == of_words)
                    look_at(&all->column[j], w.rows[i * w.columns + j]);
    return NICEST_OK;
}

/* ------------------------------------------------------------------ one column */

/* A table that grows column by column. */
typedef struct chooser {
    entry *e;
    const nicest_data *train;
    looks looks;
    double *table;
    size_t used, rows; /* rows: of all data */
    double unseen;     /* 1 / (n + 2) */
    roles_absence absence;
    words *said;
} chooser;

static const char *role_name(const chooser *c, size_t j)
{
    return nicest_data_column_name(c->train, j);
}

/* Where the most frequent value is of a column of numbers with many others, of a sorted sample. */
static bool find_point(const look *l, const double *sorted, size_t n, double *point)
{
    size_t best = 0, next = 0, distinct = 0;
    for (size_t i = 0, run; i < n; i += run, distinct++) {
        for (run = 1; i + run < n && sorted[i + run] == sorted[i];)
            run++;
        if (run > best)
            *point = sorted[i];
        next = run > best ? best : run > next ? run : next;
        best = run > best ? run : best;
    }
    return facts_have_point(best, next, distinct, n, l->seen);
}

static bool is_category(const look *l)
{
    for (size_t i = 1; !l->words && i < l->levels; i++) /* tables are told apart as floats */
        if (!((float)l->level[i] > (float)l->level[i - 1]))
            return false;
    return l->words || (!l->many && facts_are_category(l->levels, l->seen));
}

/* An empty cell among categories is one more of them. */
static bool is_absence_modelled(const chooser *c, const look *l, bool category)
{
    return c->absence == ROLES_ABSENT
               ? l->missing > 0
               : c->absence == ROLES_ABSENT_CATEGORIES && category && l->missing >= RARE_WORD;
}

/* The step of levels that count; 0 where there is none. Two levels are a flag: nothing is beyond.
 */
static double step_of_levels(const look *l)
{
    double step = HUGE_VAL;
    for (size_t i = 1; i < l->levels; i++)
        step = fmin(step, l->level[i] - l->level[i - 1]);
    for (size_t i = 1; i < l->levels; i++) {
        double steps = (l->level[i] - l->level[0]) / step;
        if (fabs(steps - rint(steps)) > 1e-6)
            return 0;
    }
    return !l->words && l->levels > 2 ? step : 0;
}

static void choose_words(chooser *c, size_t j, const look *l)
{
    entry_column *column = &c->e->column[j];
    size_t rare = 0, first = c->used;
    for (size_t i = 0; i < l->levels; i++) {
        bool kept = !l->words || (l->count[i] >= RARE_WORD && c->used - first < MOST_WORDS);
        if (kept)
            c->table[c->used++] = l->level[i];
        else
            rare += l->count[i];
    }
    if (c->used == first) { /* all are rare */
        rare -= l->count[0];
        c->table[c->used++] = l->level[0];
    }
    size_t kept = c->used - first;
    bool absent = is_absence_modelled(c, l, true), amounts = l->least >= 0;
    double step = step_of_levels(l);
    if (absent)
        c->table[c->used++] = NAN;
    *column = (entry_column){.role = ENTRY_CATEGORY,
                             .states = (double)(c->used - first),
                             .step = step,
                             .most = step > 0 && amounts ? HUGE_VAL : 0,
                             .other = l->words || step > 0 ? c->unseen : 0};
    char others[128] = "";
    if (step > 0)
        snprintf(others, sizeof others, "; others in steps of %.6g share the probability %.2g",
                 step, c->unseen);
    if (rare)
        snprintf(others, sizeof others, "; others, in %zu rows, share one probability", rare);
    words_add(c->said, "column %s: %zu %s%s%s", role_name(c, j), kept,
              !l->words   ? "levels, a category"
              : kept == 1 ? "word"
                          : "words",
              absent ? ", or none" : "", others);
}

static void choose_value(chooser *c, size_t j, const look *l, const double *sorted, size_t n)
{
    entry_column *column = &c->e->column[j];
    int decimals = nicest_data_column_decimals(c->train, j);
    double point = NAN;
    size_t first = c->used;
    *column = (entry_column){.decimals = decimals >= 0 && decimals <= 9 ? decimals + 1 : 0};
    if (l->least >= 0 && l->least < l->most) { /* of samples: amounts stay amounts, shares shares */
        column->most = l->most == 1 || l->most == 100 ? l->most : HUGE_VAL;
    } else if (l->most <= 0 && l->least < l->most) {
        column->least = -HUGE_VAL;
    }
    if (find_point(l, sorted, n, &point)) {
        c->table[c->used++] = point;
        words_add(c->said, "column %s: a mass point at %.6g, and values beside it", role_name(c, j),
                  point);
    }
    if (is_absence_modelled(c, l, false))
        c->table[c->used++] = NAN;
    column->states = (double)(c->used - first);
}

static nicest_status choose_all(chooser *c)
{
    enum { SAMPLE_ROWS = 20000, SAMPLE_VALUES = 4 << 20 };
    size_t n = nicest_data_rows(c->train), d = c->looks.columns, some = SAMPLE_VALUES / d + 1;
    some = n < some ? n : some;
    some = some < SAMPLE_ROWS ? some : SAMPLE_ROWS;
    OWNED_NEW(double *, rows, some *(d + 1));
    double *sorted = rows + some * d;
    for (size_t i = 0; i < some; i++)
        source_read(c->train, (size_t)((double)i * (double)n / (double)some), 1, rows + i * d);
    for (size_t j = 0; j < d; j++) {
        const look *l = &c->looks.column[j];
        if (!l->seen)
            return fail(NICEST_E_DATA,
                        "column %zu (%s) has no value in any of %zu rows: leave it out", j + 1,
                        role_name(c, j), c->rows);
        bool constant = !l->many && l->levels == 1 && !is_absence_modelled(c, l, l->words);
        if (constant && !l->words) {
            c->table[c->used++] = l->level[0];
            c->e->column[j] =
                (entry_column){.role = ENTRY_FOLLOWS, .states = 1, .other = c->unseen};
            words_add(c->said, "column %s: constant", role_name(c, j));
        } else if (is_category(l) && l->levels)
            choose_words(c, j, l);
        else {
            size_t kept = 0;
            for (size_t i = 0; l->many && i < some; i++)
                if (isfinite(rows[i * d + j]))
                    sorted[kept++] = rows[i * d + j];
            values_sort(sorted, kept);
            choose_value(c, j, l, sorted, kept);
        }
    }
    return NICEST_OK;
}

/* ------------------------------------------------------------------ what follows from another */

/* Whether column `target` is a function of category `source`: value[state], NaN while unknown. */
typedef struct pair {
    size_t source, target;
    double *value;
    bool alive;
} pair;

typedef struct pairs {
    const chooser *c;
    pair *pair;
    size_t count;
    double *state; /* [columns] of the row at hand: place in the table, NaN unknown, -1 OTHER */
} pairs;

static void follow_row(pairs *all, const double *row)
{
    for (size_t j = 0; j < all->c->looks.columns; j++)
        if (all->c->e->column[j].role == ENTRY_CATEGORY) {
            const double *table = all->c->e->table + all->c->e->place[j].table;
            size_t states = (size_t)all->c->e->column[j].states;
            size_t at = isnan(row[j]) ? states : values_count(table, states, row[j], false);
            all->state[j] = isnan(row[j])                        ? (double)NAN
                            : at < states && table[at] == row[j] ? (double)at
                                                                 : -1;
        }
    for (size_t i = 0; i < all->count; i++) {
        pair *p = &all->pair[i];
        double state = p->alive ? all->state[p->source] : -1, v = row[p->target];
        if (!p->alive || state == -1 || isnan(v))
            continue;
        if (isnan(state))
            p->alive = false; /* the target knows what the source does not */
        else if (isnan(p->value[(size_t)state]))
            p->value[(size_t)state] = v;
        else
            p->alive = p->value[(size_t)state] == v;
    }
}

static bool may_follow(const chooser *c, size_t source, size_t target)
{
    const look *from = &c->looks.column[source], *to = &c->looks.column[target];
    size_t most = 0, states = (size_t)c->e->column[source].states;
    for (size_t i = 0; !to->many && i < to->levels; i++)
        most = to->count[i] > most ? to->count[i] : most;
    return source != target && c->e->column[source].role == ENTRY_CATEGORY && !to->many &&
           c->e->column[target].role != ENTRY_FOLLOWS && to->levels > 1 && to->levels <= states &&
           to->seen - most >= FOLLOW_ROWS && from->seen >= 5 * states;
}

static bool follows(const pairs *all, size_t source, size_t target)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->pair[i].alive && all->pair[i].source == source && all->pair[i].target == target)
            return true;
    return false;
}

/* The earliest column, itself no follower, that `target` is a function of; of two that say the same
 * the earlier leads. */
static const pair *leader_of(const pairs *all, size_t target, bool deep)
{
    for (size_t i = 0; i < all->count; i++) {
        const pair *p = &all->pair[i];
        if (p->alive && p->target == target &&
            (p->source < target || !follows(all, target, p->source)) &&
            (!deep || !leader_of(all, p->source, false)))
            return p;
    }
    return NULL;
}

/* The tables anew, in the order of the columns, with those of followers. */
static nicest_status write_followers(chooser *c, const pairs *all)
{
    entry *e = c->e;
    size_t total = 0;
    OWNED_NEW(const pair **, leader, e->columns);
    for (size_t j = 0; j < e->columns; j++) {
        leader[j] = leader_of(all, j, true);
        total += (size_t)e->column[leader[j] ? leader[j]->source : j].states;
    }
    OWNED_NEW(double *, table, total);
    double *next = table;
    for (size_t j = 0; j < e->columns; j++) {
        const pair *p = leader[j];
        size_t states = p ? (size_t)e->column[p->source].states : (size_t)e->column[j].states;
        memcpy(next, p ? p->value : e->table + e->place[j].table, states * sizeof *next);
        next += states;
        if (!p)
            continue;
        words_add(c->said, "column %s: follows from %s", role_name(c, j), role_name(c, p->source));
        e->column[j] = (entry_column){.role = ENTRY_FOLLOWS,
                                      .states = (double)states,
                                      .source = (double)p->source + 1,
                                      .other = c->unseen};
    }
    TRY(check_memory(entry_table(e, total)));
    memcpy(e->table, table, total * sizeof *table);
    return entry_set(e);
}

static nicest_status find_followers(chooser *c, const nicest_data *data)
{
    size_t d = c->looks.columns, count = 0, values = 0;
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d && count <= MOST_PAIRS; j++)
            if (may_follow(c, i, j)) {
                count++;
                values += (size_t)c->e->column[i].states;
            }
    if (!count || count > MOST_PAIRS)
        return NICEST_OK;
    OWNED_NEW(pair *, pairs_of_columns, count);
    OWNED_NEW(double *, block, values + d);
    pairs all = {.c = c, .pair = pairs_of_columns};
    double *next = block;
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j < d; j++)
            if (may_follow(c, i, j)) {
                all.pair[all.count++] = (pair){i, j, next, true};
                for (size_t k = 0; k < (size_t)c->e->column[i].states; k++)
                    *next++ = NAN;
            }
    all.state = next;
    OWNED_BY(row_walk_close) row_walk w = {0};
    TRY(row_walk_begin(&w, data, 0));
    while (row_walk_next(&w))
        for (size_t i = 0; i < w.count; i++)
            follow_row(&all, w.rows + i * d);
    return write_followers(c, &all);
}

/* ------------------------------------------------------------------ all */

static void chooser_close(chooser *c)
{
    for (size_t j = 0; c->looks.column && j < c->looks.columns; j++) {
        memory_free(c->looks.column[j].level);
        memory_free(c->looks.column[j].count);
    }
    memory_free(c->looks.column);
    memory_free(c->table);
}

nicest_status roles_choose(entry *e, const nicest_data *train, const nicest_data *all,
                           roles_absence absence, words *said)
{
    OWNED_BY(chooser_close)
    chooser c = {.e = e,
                 .train = train,
                 .unseen = 1 / ((double)nicest_data_rows(train) + 2),
                 .rows = nicest_data_rows(all),
                 .absence = absence,
                 .said = said};
    size_t room = 0, used = 0;
    c.looks.columns = nicest_data_columns(train);
    TRY_NEW(c.looks.column, c.looks.columns);
    for (size_t j = 0; j < c.looks.columns; j++) {
        look *l = &c.looks.column[j];
        size_t count = 0;
        nicest_data_column_words(train, j, &count);
        l->words = nicest_data_column_kind(train, j) == NICEST_CATEGORY;
        l->room = l->words ? count + 1 : MOST_LEVELS;
        TRY_NEW(l->level, l->room + 1);
        TRY_NEW(l->count, l->room + 1);
    }
    TRY(look_at_rows(&c.looks, all, false));
    TRY(look_at_rows(&c.looks, train, true));
    for (size_t j = 0; j < c.looks.columns; j++)
        room += c.looks.column[j].levels + 2;
    TRY_NEW(c.table, room);
    TRY(choose_all(&c));
    /* A table of constants alone keeps one as a value, which has noise then. */
    bool constants = true;
    for (size_t j = 0; j < e->columns; j++)
        constants = constants && e->column[j].role == ENTRY_FOLLOWS;
    for (size_t j = 0; j < e->columns; j++) {
        e->column[j] = constants ? (entry_column){0} : e->column[j];
        used += (size_t)e->column[j].states;
    }
    TRY(check_memory(entry_table(e, used)));
    memcpy(e->table, c.table, used * sizeof *c.table);
    TRY(entry_set(e));
    return find_followers(&c, train);
}

nicest_status roles_need_masks(const entry *e, const nicest_data *all, bool *need)
{
    OWNED_BY(row_walk_close) row_walk w = {0};
    TRY(row_walk_begin(&w, all, 0));
    *need = false;
    while (!*need && row_walk_next(&w))
        for (size_t i = 0; i < w.count * w.columns; i++) {
            const entry_column *c = &e->column[i % w.columns];
            bool value = c->role == ENTRY_VALUE && !(c->given > 0);
            *need = *need || (value && (isnan(w.rows[i]) || c->states > 0));
        }
    return NICEST_OK;
}
