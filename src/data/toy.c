/* toy.c - two-dimensional data whose exact density is known.
 *
 * Owns names, parameters, sampling and densities, which stand side by side for each toy. Toys along
 * a curve (moons, spirals, swissroll) are Gaussian noise around it: their density is an integral
 * over the curve, done by Gauss-Legendre panels no longer than two deviations, so it is a mixture
 * of Gaussians that integrates to one by construction. All others have closed forms. */
#include "data/formats.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/clones.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/random.h"
#include "base/status.h"
#include "base/values.h"

static const double PI = 3.141592653589793238462643383280;

typedef struct toy toy;

typedef struct toy_request {
    const toy *kind;
    size_t rows;
    uint64_t seed;
    uint32_t stream;
    double noise;
} toy_request;

/* A Gaussian mixture with one deviation: centres and log weights. */
typedef struct mixture {
    double *x, *y, *log_weight; /* [count], in one block at x */
    double *distance;           /* [count], scratch */
    size_t count;
    double deviation;
} mixture;

/* A curve: t in [low, high] has density 1 / area in each part, or t / area where that is rising. */
typedef struct curve {
    size_t parts;
    double low, high;
    double speed; /* at most so much length for a unit of t */
    double area;
    bool rising;
    void (*point)(size_t part, double t, double *x, double *y);
} curve;

struct toy {
    const char *name;
    double noise; /* default deviation; 0: the toy has no such parameter */
    /* u: 4 uniform numbers, z: 2 standard normal ones, independent. */
    void (*draw)(const toy_request *r, const double *u, const double *z, double *row);
    /* Closed form, or */
    double (*log_density)(const toy_request *r, double x, double y);
    const curve *curve;
};

static double log_normal(double z, double deviation)
{
    z /= deviation;
    return -0.5 * z * z - log(deviation) - 0.5 * log(2 * PI);
}

/* ---------------------------------------------------------------- parabola */

/* y ~ N(0, 4^2), x ~ N(y^2 / 4, 1) */
static void draw_parabola(const toy_request *r, const double *u, const double *z, double *row)
{
    (void)r, (void)u;
    row[1] = 4 * z[1];
    row[0] = row[1] * row[1] / 4 + z[0];
}

static double density_parabola(const toy_request *r, double x, double y)
{
    (void)r;
    return log_normal(y, 4) + log_normal(x - y * y / 4, 1);
}

/* ---------------------------------------------------------------- eight-gaussians */

enum { GAUSSIANS = 8 };
static const double GAUSSIANS_RADIUS = 4;

static void draw_gaussians(const toy_request *r, const double *u, const double *z, double *row)
{
    double angle = 2 * PI * floor(GAUSSIANS * u[0]) / GAUSSIANS;
    row[0] = GAUSSIANS_RADIUS * cos(angle) + r->noise * z[0];
    row[1] = GAUSSIANS_RADIUS * sin(angle) + r->noise * z[1];
}

static double density_gaussians(const toy_request *r, double x, double y)
{
    double sum = -INFINITY;
    for (int k = 0; k < GAUSSIANS; k++) {
        double angle = 2 * PI * k / GAUSSIANS;
        double term = log_normal(x - GAUSSIANS_RADIUS * cos(angle), r->noise) +
                      log_normal(y - GAUSSIANS_RADIUS * sin(angle), r->noise);
        sum = k == 0 ? term : log_add(sum, term);
    }
    return sum - log(GAUSSIANS);
}

/* ---------------------------------------------------------------- pinwheel */

/* An arm is a Gaussian at (2, 0), long in x, turned by an angle that grows with the distance from
 * the origin. Turning circles against each other keeps areas, so no determinant appears. */
enum { ARMS = 5 };
static const double ARM_PLACE = 2, ARM_LENGTH = 0.6;

static double arm_angle(double radius)
{
    return 0.25 * exp(radius / 2);
}

static void turn(double x, double y, double angle, double *out)
{
    out[0] = cos(angle) * x - sin(angle) * y;
    out[1] = sin(angle) * x + cos(angle) * y;
}

static void draw_pinwheel(const toy_request *r, const double *u, const double *z, double *row)
{
    double x = ARM_PLACE + ARM_LENGTH * z[0], y = r->noise * z[1];
    turn(x, y, 2 * PI * floor(ARMS * u[0]) / ARMS + arm_angle(sqrt(x * x + y * y)), row);
}

static double density_pinwheel(const toy_request *r, double x, double y)
{
    double sum = -INFINITY, back[2], angle = arm_angle(sqrt(x * x + y * y));
    if (!(angle < 1e9)) /* the radius is beyond 44: no row ever, and no angle of meaning */
        return -INFINITY;
    for (int k = 0; k < ARMS; k++) {
        turn(x, y, -2 * PI * k / ARMS - angle, back);
        double term = log_normal(back[0] - ARM_PLACE, ARM_LENGTH) + log_normal(back[1], r->noise);
        sum = k == 0 ? term : log_add(sum, term);
    }
    return sum - log(ARMS);
}

/* ---------------------------------------------------------------- rings */

enum { RINGS = 4 }; /* of radius 1, 2, 3, 4, as many rows on each */

static void draw_rings(const toy_request *r, const double *u, const double *z, double *row)
{
    double radius = 1 + floor(RINGS * u[0]), angle = 2 * PI * u[1];
    row[0] = radius * cos(angle) + r->noise * z[0];
    row[1] = radius * sin(angle) + r->noise * z[1];
}

/* exp(-x) I0(x), x >= 0: the power series, whose terms are all positive, or the asymptotic one,
 * whose least term at 30 is below 1e-17. */
static double scaled_bessel(double x)
{
    double term = 1, sum = 1;
    if (x < 30) {
        for (int k = 1; term > sum * 1e-17; k++) {
            term *= x * x / 4 / ((double)k * k);
            sum += term;
        }
        return sum * exp(-x);
    }
    for (int k = 1; term > 1e-17 && k < 40; k++) {
        term *= (2.0 * k - 1) * (2.0 * k - 1) / (8.0 * k * x);
        sum += term;
    }
    return sum / sqrt(2 * PI * x);
}

static double density_rings(const toy_request *r, double x, double y)
{
    double distance = sqrt(x * x + y * y), variance = r->noise * r->noise, sum = -INFINITY;
    for (int k = 1; k <= RINGS; k++) {
        double gap = distance - k;
        double term = -gap * gap / (2 * variance) - log(2 * PI * variance) +
                      log(scaled_bessel(distance * k / variance));
        sum = k == 1 ? term : log_add(sum, term);
    }
    return sum - log(RINGS);
}

/* ---------------------------------------------------------------- checkerboard */

/* Uniform on the eight dark squares of side 2 in [-4, 4)^2. */
static void draw_checkerboard(const toy_request *r, const double *u, const double *z, double *row)
{
    (void)r, (void)z;
    double square_x = floor(4 * u[0]), square_y = 2 * floor(2 * u[1]) + fmod(square_x, 2);
    row[0] = 2 * (square_x + u[2]) - 4;
    row[1] = 2 * (square_y + u[3]) - 4;
}

static double density_checkerboard(const toy_request *r, double x, double y)
{
    (void)r;
    bool inside = x >= -4 && x < 4 && y >= -4 && y < 4;
    bool dark = fmod(floor(x / 2) + floor(y / 2) + 8, 2) == 0;
    return inside && dark ? -log(32) : -(double)INFINITY;
}

/* ---------------------------------------------------------------- curves */

static void moons_point(size_t part, double t, double *x, double *y)
{
    *x = part == 0 ? cos(t) : 1 - cos(t);
    *y = part == 0 ? sin(t) : 0.5 - sin(t);
}

static const curve MOONS = {2, 0, 3.141592653589793, 1, 2 * 3.141592653589793, false, moons_point};

/* Two arms of one and a half turns; t = 3 pi sqrt(u). */
static void spirals_point(size_t part, double t, double *x, double *y)
{
    double side = part == 0 ? 1 : -1;
    *x = -side * t * cos(t) / 3;
    *y = side * t * sin(t) / 3;
}

static const curve SPIRALS = {
    2, 0, 9.42477796076938, 3.2, 9.42477796076938 * 9.42477796076938, true, spirals_point};

/* One and a half turns, from 3/2 pi to 9/2 pi. */
static void swissroll_point(size_t part, double t, double *x, double *y)
{
    (void)part;
    *x = t * cos(t) / 5;
    *y = t * sin(t) / 5;
}

static const curve SWISSROLL = {
    1, 4.71238898038469, 14.13716694115407, 2.9, 3 * 3.141592653589793, false, swissroll_point};

/* The swissroll's t goes from low to three times that. */
static void draw_around(const toy_request *r, const double *u, const double *z, double *row)
{
    const curve *c = r->kind->curve;
    double t = c->rising    ? c->high * sqrt(u[1])
               : c->low > 0 ? c->low * (1 + 2 * u[1])
                            : c->high * u[1];
    c->point(c->parts > 1 && u[0] >= 0.5, t, &row[0], &row[1]);
    row[0] += r->noise * z[0];
    row[1] += r->noise * z[1];
}

/* Gauss-Legendre nodes and weights on [-1, 1]. */
enum { NODES = 8 };
static const double NODE[NODES / 2] = {0.1834346424956498, 0.5255324099163290, 0.7966664774136267,
                                       0.9602898564975363};
static const double NODE_WEIGHT[NODES / 2] = {0.3626837833783620, 0.3137066458778873,
                                              0.2223810344533745, 0.1012285362903763};

static nicest_status mixture_open(mixture *m, const curve *c, double deviation)
{
    size_t panels = (size_t)ceil((c->high - c->low) * c->speed / (2 * deviation));
    size_t most = panels * NODES * c->parts;
    double half = (c->high - c->low) / (double)panels / 2;
    *m = (mixture){.x = memory_new(most * 4, sizeof *m->x), .deviation = deviation};
    TRY(check_memory(m->x));
    m->y = m->x + most;
    m->log_weight = m->y + most;
    m->distance = m->log_weight + most;
    for (size_t i = 0; i < panels * NODES * c->parts; i++) {
        size_t part = i / (panels * NODES), panel = i / NODES % panels, node = i % NODES;
        double middle = c->low + (2 * (double)panel + 1) * half;
        double t = middle + (node % 2 ? half : -half) * NODE[node / 2];
        c->point(part, t, &m->x[i], &m->y[i]);
        m->log_weight[i] = log(half * NODE_WEIGHT[node / 2] * ((c->rising ? t : 1) / c->area));
    }
    m->count = most;
    return NICEST_OK;
}

VECTOR_CLONES
static void squared_distances(const double *restrict centre_x, const double *restrict centre_y,
                              size_t count, double x, double y, double *restrict distance)
{
    for (size_t i = 0; i < count; i++) {
        double dx = centre_x[i] - x, dy = centre_y[i] - y;
        distance[i] = dx * dx + dy * dy;
    }
}

/* Log of the sum of weighted Gaussians; centres out of sight of the nearest are left out. */
static double mixture_log_density(mixture *m, double x, double y)
{
    enum { OUT_OF_SIGHT = 50 }; /* exp(-50) is 2e-22 */
    double variance = m->deviation * m->deviation, least = INFINITY, sum = 0;
    squared_distances(m->x, m->y, m->count, x, y, m->distance);
    for (size_t i = 0; i < m->count; i++)
        least = fmin(least, m->distance[i]);
    if (!(least < INFINITY))
        return -(double)INFINITY;
    for (size_t i = 0; i < m->count; i++) {
        double fall = (m->distance[i] - least) / (2 * variance);
        if (fall < OUT_OF_SIGHT)
            sum += exp(m->log_weight[i] - fall);
    }
    return log(sum) - least / (2 * variance) - log(2 * PI * variance);
}

/* ---------------------------------------------------------------- the list */

static const toy TOYS[] = {
    {"parabola", 0, draw_parabola, density_parabola, NULL},
    {"moons", 0.1, draw_around, NULL, &MOONS},
    {"rings", 0.15, draw_rings, density_rings, NULL},
    {"eight-gaussians", 0.5, draw_gaussians, density_gaussians, NULL},
    {"pinwheel", 0.2, draw_pinwheel, density_pinwheel, NULL},
    {"spirals", 0.1, draw_around, NULL, &SPIRALS},
    {"checkerboard", 0, draw_checkerboard, density_checkerboard, NULL},
    {"swissroll", 0.2, draw_around, NULL, &SWISSROLL},
};
enum { TOY_COUNT = sizeof TOYS / sizeof *TOYS };

static const char *const NAMES[TOY_COUNT + 1] = {"parabola",        "moons",     "rings",
                                                 "eight-gaussians", "pinwheel",  "spirals",
                                                 "checkerboard",    "swissroll", NULL};
const char *const *nicest_toy_names(void)
{
    return NAMES;
}

/* ---------------------------------------------------------------- parameters */

static const toy *find_toy(const char *text, size_t length)
{
    for (size_t i = 0; i < TOY_COUNT; i++) {
        if (strlen(TOYS[i].name) == length && memcmp(TOYS[i].name, text, length) == 0)
            return &TOYS[i];
    }
    return NULL;
}

/* One "key=value"; `length` is that of all, `key` that of the part before '='. */
static nicest_status read_parameter(toy_request *r, const char *text, size_t length, size_t key)
{
    static const double LEAST_NOISE = 0.01, MOST_NOISE = 10;
    const char *value = text + key + 1, *name = r->kind->name;
    size_t size = length - key - 1;
    uint64_t whole = 0;
    char word[8];
    snprintf(word, sizeof word, "%.*s", (int)key, text);
    if (strcmp(word, "noise") == 0 && r->kind->noise > 0) {
        if (!number_read(value, size, &r->noise) || !(r->noise >= LEAST_NOISE) ||
            !(r->noise <= MOST_NOISE))
            return fail(NICEST_E_ARGUMENT, "toy:%s: noise=%.*s: expected a number from %g to %g",
                        name, (int)size, value, LEAST_NOISE, MOST_NOISE);
        return NICEST_OK;
    }
    if (strcmp(word, "n") != 0 && strcmp(word, "seed") != 0 && strcmp(word, "stream") != 0)
        return fail(NICEST_E_ARGUMENT,
                    "toy:%s: unknown parameter '%.*s': there are n, seed, "
                    "stream%s",
                    name, (int)key, text, r->kind->noise > 0 ? ", noise" : "");
    uint64_t most = *text == 'n' ? (uint64_t)1 << 40 : text[1] == 't' ? INT32_MAX : UINT64_MAX;
    if (!number_whole(value, size, most, &whole) || (*text == 'n' && whole == 0))
        return fail(NICEST_E_ARGUMENT, "toy:%s: %.*s: expected a whole number%s", name, (int)length,
                    text, *text == 'n' ? " of rows, at least 1" : "");
    if (*text == 'n')
        r->rows = (size_t)whole;
    else if (text[1] == 't')
        r->stream = (uint32_t)whole;
    else
        r->seed = whole;
    return NICEST_OK;
}

/* NAME[,key=value]... */
static nicest_status read_request(toy_request *r, const char *text)
{
    size_t length = strcspn(text, ",");
    *r = (toy_request){find_toy(text, length), 10000, 1, 0, 0};
    if (r->kind == NULL)
        return fail(NICEST_E_ARGUMENT,
                    "no toy is called '%.*s': there are parabola, moons, rings, eight-gaussians, "
                    "pinwheel, spirals, checkerboard, swissroll",
                    (int)length, text);
    r->noise = r->kind->noise;
    for (text += length; *text == ','; text += length) {
        text++;
        length = strcspn(text, ",");
        size_t key = strcspn(text, "=");
        if (key >= length)
            return fail(NICEST_E_ARGUMENT, "toy:%s: '%.*s': expected NAME=VALUE", r->kind->name,
                        (int)length, text);
        TRY(read_parameter(r, text, length, key));
    }
    return NICEST_OK;
}

/* ---------------------------------------------------------------- rows and densities */

nicest_status toy_load(source_table *table, const char *text)
{
    toy_request request;
    TRY(read_request(&request, text));
    double *rows = memory_new(request.rows, 2 * sizeof *rows);
    TRY(check_memory(rows));
    /* Uniform and normal numbers come from streams of their own: they must not share any. */
    random_stream uniform = {request.seed, RANDOM_TOY, 2 * request.stream};
    random_stream normal = {request.seed, RANDOM_TOY, 2 * request.stream + 1};
    for (size_t i = 0; i < request.rows; i++) {
        double u[4], z[2];
        random_uniform_double(uniform, i, u, 4);
        random_normal(normal, i, z, 2);
        request.kind->draw(&request, u, z, rows + 2 * i);
    }
    *table = (source_table){.kind = "toy",
                            .type = VALUE_F64,
                            .block = rows,
                            .values = (unsigned char *)rows,
                            .rows = request.rows,
                            .columns = 2,
                            .row_stride = 2 * sizeof *rows,
                            .column_stride = sizeof *rows};
    return NICEST_OK;
}

nicest_status nicest_toy_log_density(const char *name, const double *rows, size_t n, double *logp)
{
    toy_request request;
    mixture m = {0};
    if (name == NULL || (n > 0 && (rows == NULL || logp == NULL)))
        return fail(NICEST_E_ARGUMENT, "a toy's name, rows and a place for results are needed");
    TRY(read_request(&request, name));
    if (request.kind->curve != NULL)
        TRY(mixture_open(&m, request.kind->curve, request.noise));
    for (size_t i = 0; i < n; i++) {
        double x = rows[2 * i], y = rows[2 * i + 1];
        logp[i] = isnan(x) || isnan(y)          ? (double)NAN
                  : isinf(x) || isinf(y)        ? -(double)INFINITY
                  : request.kind->curve != NULL ? mixture_log_density(&m, x, y)
                                                : request.kind->log_density(&request, x, y);
    }
    memory_free(m.x);
    return NICEST_OK;
}
