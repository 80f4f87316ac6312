/* vector.c - elementwise arithmetic over runs of `real`.
 *
 * Owns the float approximations of exp, log, log1p and tanh: branch-free polynomials that compilers
 * turn into vector code; the double twin calls the C library instead, one element at a time. Sums
 * go into several double lanes, so that they keep both their precision and their speed. */
#include "kernel/vector.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__) && !defined(__clang__)
/* Contract to FMA, which ISO mode would forbid; and leave selections whole: they become blends. */
#pragma GCC optimize("O3", "fp-contract=fast", "no-trapping-math", "no-math-errno",                \
                     "no-thread-jumps")
#elif defined(__clang__)
#pragma STDC FP_CONTRACT ON
#endif

#define INLINE static inline __attribute__((always_inline))

/* Elements that a loop with a sum treats at once: values first, then the sum of them. */
enum { BLOCK = 128, LANES = 8 };

static const double LOG_2_PI = 1.8378770664093454835606594728112;

/* ---------------------------------------------------------------- one element */

#ifdef NICEST_DOUBLE

INLINE real exp_one(real x)
{
    return exp(x);
}

INLINE real log_one(real x)
{
    return log(x);
}

/* log(1 + t), 0 <= t <= 1 */
INLINE real log1p_unit(real t)
{
    return log1p(t);
}

INLINE real tanh_one(real x)
{
    return tanh(x);
}

INLINE real magnitude(real x)
{
    return fabs(x);
}

INLINE real with_sign(real size, real sign)
{
    return copysign(size, sign);
}

#else

INLINE float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

INLINE uint32_t bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

INLINE float magnitude(float x)
{
    return fabsf(x);
}

INLINE float with_sign(float size, float sign)
{
    return copysignf(size, sign);
}

/* x = n log 2 + r with |r| <= log(2)/2; a polynomial of r, then the power of two in two steps, so
 * that results below FLT_MIN and infinity come out right. The clamp keeps NaN. */
INLINE float exp_one(float x)
{
    const float round_bias = 0x1.8p23f; /* adding it leaves the integer in the low bits */
    x = x > 89.0f ? 89.0f : x;
    x = x < -104.0f ? -104.0f : x;
    float shifted = x * 1.44269504088896341f + round_bias;
    float n = shifted - round_bias;
    float r = x - n * 0.693359375f + n * 2.12194440e-4f;
    float p = 1.3981999507e-3f + r * 1.9875691500e-4f;
    p = 8.3334519073e-3f + r * p;
    p = 4.1665795894e-2f + r * p;
    p = 1.6666665459e-1f + r * p;
    p = 5.0000001201e-1f + r * p;
    p = 1.0f + (r + r * r * p);
    int32_t exponent = (int32_t)(bits_of(shifted) - bits_of(round_bias));
    int32_t half = exponent >> 1;
    float first = float_of((uint32_t)(half + 127) << 23);
    float second = float_of((uint32_t)(exponent - half + 127) << 23);
    return p * first * second;
}

/* x = 2^n (1 + f), sqrt(1/2) <= 1 + f < sqrt(2); a polynomial of f, then n log 2 in two parts.
 * Numbers below FLT_MIN are lifted by 2^23 first. */
INLINE float log_one(float x)
{
    const uint32_t root_half = 0x3f3504f3u;
    bool small = x < FLT_MIN;
    uint32_t bits = bits_of(small ? x * 0x1p23f : x);
    int32_t exponent = (int32_t)(bits - root_half) >> 23;
    float f = float_of(bits - ((uint32_t)exponent << 23)) - 1.0f, q = f * f;
    float n = (float)(small ? exponent - 23 : exponent);
    float p = -1.1514610310e-1f + f * 7.0376836292e-2f;
    p = 1.1676998740e-1f + f * p;
    p = -1.2420140846e-1f + f * p;
    p = 1.4249322787e-1f + f * p;
    p = -1.6668057665e-1f + f * p;
    p = 2.0000714765e-1f + f * p;
    p = -2.4999993993e-1f + f * p;
    p = 3.3333331174e-1f + f * p;
    p = f * q * p - n * 2.12194440e-4f - 0.5f * q;
    float result = f + p + n * 0.693359375f;
    result = x <= FLT_MAX ? result : x; /* infinity and NaN stay */
    return x > 0 ? result : x == 0 ? -INFINITY : NAN;
}

/* 2 artanh(s) for |s| <= 1/3, by a Chebyshev fit of s^2 that is good to 4e-10. */
INLINE float twice_artanh(float s)
{
    float q = s * s;
    float p = 0.21703315f + q * 0.232390505f;
    p = 0.285925834f + q * p;
    p = 0.399997014f + q * p;
    p = 0.666666673f + q * p;
    return s * 2.0f + s * q * p;
}

/* log(1 + t), 0 <= t <= 1 */
INLINE float log1p_unit(float t)
{
    return twice_artanh(t / (2.0f + t));
}

/* Near zero a polynomial keeps the relative precision; elsewhere (1 - t) / (1 + t), t = e^-2|x|. */
INLINE float tanh_one(float x)
{
    float size = magnitude(x), q = x * x;
    float p = 2.06390887954531e-2f + q * -5.70498872745e-3f;
    p = -5.37397155531e-2f + q * p;
    p = 1.33314422036e-1f + q * p;
    p = -3.33332819422e-1f + q * p;
    float near = x + x * q * p;
    float t = exp_one(-2.0f * size);
    float far = with_sign((1.0f - t) / (1.0f + t), x);
    return size < 0.625f ? near : far;
}

#endif

/* ---------------------------------------------------------------- sums in double lanes */

typedef struct lanes {
    double at[LANES];
} lanes;

/* Each lane adds every eighth element, in order. */
INLINE void lanes_add(lanes *sum, const real *x, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (int j = 0; j < LANES; j++)
            sum->at[j] += (double)x[i + j];
    }
    for (int j = 0; i < n; i++, j++)
        sum->at[j] += (double)x[i];
}

INLINE void lanes_add_products(lanes *sum, const real *x, const real *y, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (int j = 0; j < LANES; j++)
            sum->at[j] += (double)x[i + j] * (double)y[i + j];
    }
    for (int j = 0; i < n; i++, j++)
        sum->at[j] += (double)x[i] * (double)y[i];
}

INLINE double lanes_total(const lanes *sum)
{
    const double *s = sum->at;
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

VECTOR_CLONES
double vector_sum(const real *x, size_t n)
{
    lanes sum = {{0}};
    lanes_add(&sum, x, n);
    return lanes_total(&sum);
}

VECTOR_CLONES
void vector_add_lanes(real *sums, const real *x, size_t n)
{
    real sum[VECTOR_LANES];
    memcpy(sum, sums, sizeof sum);
    for (size_t i = 0; i < n; i += VECTOR_LANES)
        for (int j = 0; j < VECTOR_LANES; j++)
            sum[j] += x[i + (size_t)j];
    memcpy(sums, sum, sizeof sum);
}

VECTOR_CLONES
double vector_dot(const real *x, const real *y, size_t n)
{
    lanes sum = {{0}};
    lanes_add_products(&sum, x, y, n);
    return lanes_total(&sum);
}

/* ---------------------------------------------------------------- plain loops */

#ifdef NICEST_DOUBLE
typedef uint64_t real_bits;
#define INFINITY_BITS 0x7ff0000000000000u
#define SIZE_BITS     0x7fffffffffffffffu
#else
typedef uint32_t real_bits;
#define INFINITY_BITS 0x7f800000u
#define SIZE_BITS     0x7fffffffu
#endif

/* Without its sign a number has the order of its bits, with infinity and then NaN on top; and
 * integers, unlike NaN, have a maximum whose order does not matter. */
VECTOR_CLONES
real vector_max_abs(const real *x, size_t n)
{
    real_bits most = 0;
    for (size_t i = 0; i < n; i++) {
        real_bits bits;
        memcpy(&bits, &x[i], sizeof bits);
        bits &= SIZE_BITS;
        most = bits > most ? bits : most;
    }
    if (most >= INFINITY_BITS)
        return (real)INFINITY;
    real result;
    memcpy(&result, &most, sizeof result);
    return result;
}

VECTOR_CLONES
void vector_fill(real *x, real value, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = value;
}

VECTOR_CLONES
void vector_multiply(real *y, const real *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] *= x[i];
}

VECTOR_CLONES
void vector_scale(real *y, real factor, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] *= factor;
}

VECTOR_CLONES
void vector_add_scaled(real *y, const real *x, real factor, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += factor * x[i];
}

/* ---------------------------------------------------------------- functions */

/* y may be x: an element is read before it is written, and no other is touched. */
#if defined(__GNUC__) && !defined(__clang__)
#define IN_PLACE _Pragma("GCC ivdep")
#else
#define IN_PLACE
#endif

VECTOR_CLONES
void vector_exp(real *y, const real *x, size_t n)
{
    IN_PLACE
    for (size_t i = 0; i < n; i++)
        y[i] = exp_one(x[i]);
}

VECTOR_CLONES
void vector_log(real *y, const real *x, size_t n)
{
    IN_PLACE
    for (size_t i = 0; i < n; i++)
        y[i] = log_one(x[i]);
}

/* s = 1 / (1 + e^-x) and 1 - s, both without cancellation, from t = e^-|x|. */
INLINE void sigmoid_pair(real x, real *s, real *one_minus_s)
{
    real t = exp_one(x > 0 ? -x : x);
    real large = 1 / (1 + t), little = t * large;
    *s = x > 0 ? large : little;
    *one_minus_s = x > 0 ? little : large;
}

/* log(1 + e^x) = max(x, 0) + log(1 + t) with t = e^-|x|, and its slope is the sigmoid. */
INLINE void softplus_loop(real *y, const real *x, real *slope, size_t n)
{
    IN_PLACE
    for (size_t i = 0; i < n; i++) {
        real value = x[i], t = exp_one(-magnitude(value));
        y[i] = (value < 0 ? 0 : value) + log1p_unit(t);
        if (slope != NULL)
            slope[i] = (value > 0 ? 1 : t) / (1 + t);
    }
}

VECTOR_CLONES
void vector_softplus(real *y, const real *x, real *slope, size_t n)
{
    if (slope != NULL)
        softplus_loop(y, x, slope, n);
    else
        softplus_loop(y, x, NULL, n);
}

/* ---------------------------------------------------------------- activations */

VECTOR_CLONES
static void relu(real *x, real *slope, size_t n)
{
    if (slope != NULL) {
        for (size_t i = 0; i < n; i++)
            slope[i] = x[i] > 0 ? (real)1 : (real)0;
    }
    for (size_t i = 0; i < n; i++)
        x[i] = x[i] > 0 ? x[i] : 0;
}

VECTOR_CLONES
static void hyperbolic_tangent(real *x, real *slope, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = tanh_one(x[i]);
    if (slope != NULL) {
        for (size_t i = 0; i < n; i++)
            slope[i] = 1 - x[i] * x[i];
    }
}

/* silu(x) = x s(x), silu' = s (1 + x (1 - s)). */
INLINE void silu_loop(real *x, real *slope, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        real s, one_minus_s, value = x[i];
        sigmoid_pair(value, &s, &one_minus_s);
        x[i] = value * s;
        if (slope != NULL)
            slope[i] = s * (1 + value * one_minus_s);
    }
}

VECTOR_CLONES
static void silu(real *x, real *slope, size_t n)
{
    if (slope != NULL)
        silu_loop(x, slope, n);
    else
        silu_loop(x, NULL, n);
}

void vector_activate(activation f, real *x, real *slope, size_t n)
{
    switch (f) {
    case ACTIVATION_RELU:
        relu(x, slope, n);
        break;
    case ACTIVATION_TANH:
        hyperbolic_tangent(x, slope, n);
        break;
    case ACTIVATION_SILU:
        silu(x, slope, n);
        break;
    case ACTIVATION_NONE:
        if (slope != NULL)
            vector_fill(slope, 1, n);
        break;
    }
}

/* The finaliser of MurmurHash3 mixes the element's number with the key. */
INLINE real kept_share(uint32_t key, uint32_t number, uint32_t least, real scale)
{
    uint32_t h = number * 0x9E3779B9u ^ key;
    h = (h ^ h >> 16) * 0x85EBCA6Bu;
    h = (h ^ h >> 13) * 0xC2B2AE35u;
    h ^= h >> 16;
    return h < least ? 0 : scale;
}

VECTOR_CLONES
void vector_dropout(real *x, real *slope, size_t n, uint32_t key, uint32_t first, real p)
{
    uint32_t least = (uint32_t)((double)p * 0x1p32);
    real scale = 1 / (1 - p);
    for (size_t i = 0; i < n; i++)
        x[i] *= kept_share(key, first + (uint32_t)i, least, scale);
    for (size_t i = 0; slope && i < n; i++)
        slope[i] *= kept_share(key, first + (uint32_t)i, least, scale);
}

/* ---------------------------------------------------------------- densities */

/* log p(h) = -|h| - 2 log(1 + t) and d/dh = -sign(h) (1 - t) / (1 + t), with t = e^-|h| <= 1: no
 * overflow anywhere, and both are as precise as they can be. At most BLOCK elements; three short
 * loops, because one long loop would not keep its constants in registers. */
INLINE void logistic_block(const real *h, real *logp, real *dh, size_t n)
{
    real t[BLOCK];
    for (size_t i = 0; i < n; i++)
        t[i] = exp_one(-magnitude(h[i]));
    for (size_t i = 0; i < n; i++)
        logp[i] = -magnitude(h[i]) - 2 * log1p_unit(t[i]);
    if (dh != NULL) {
        for (size_t i = 0; i < n; i++)
            dh[i] = with_sign((1 - t[i]) / (1 + t[i]), -h[i]);
    }
}

VECTOR_CLONES
void vector_logistic(const real *h, real *dh, double *logp, size_t n)
{
    real density[BLOCK];
    for (size_t at = 0; at < n; at += BLOCK) {
        size_t count = n - at < BLOCK ? n - at : BLOCK;
        if (dh != NULL)
            logistic_block(h + at, density, dh + at, count);
        else
            logistic_block(h + at, density, NULL, count);
        for (size_t i = 0; i < count; i++)
            logp[at + i] += (double)density[i];
    }
}

VECTOR_CLONES
void vector_normal(const real *h, real *dh, double *logp, size_t n)
{
    for (size_t i = 0; i < n; i++)
        logp[i] -= 0.5 * (double)h[i] * (double)h[i] + 0.5 * LOG_2_PI;
    for (size_t i = 0; dh != NULL && i < n; i++)
        dh[i] = -h[i];
}
