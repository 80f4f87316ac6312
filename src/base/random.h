/* random.h - numbers from nowhere that are the same everywhere.
 *
 * Counter-based (Random123's Philox4x32-10): a number is a function of (seed, purpose, draw, row,
 * column) and of nothing else, so it depends neither on threads nor on tiles nor on order. */
#pragma once

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include <string.h>

/* What a stream is for: streams of different purposes never share a number. */
typedef enum random_purpose {
    RANDOM_INIT = 1,   /* weights */
    RANDOM_SHUFFLE,    /* order of rows in an epoch */
    RANDOM_SPLIT,      /* validation and calibration splits */
    RANDOM_DEQUANTISE, /* noise of a quantised value while training (draw = step) */
    RANDOM_SCORE,      /* the same while scoring (row = hash of its content) */
    RANDOM_SAMPLE,     /* prior samples */
    RANDOM_TOY,        /* toy data */
    RANDOM_CORRUPT,    /* corruptions */
    RANDOM_INPAINT,    /* inpainting: start and Langevin noise */
    RANDOM_VERIFY,     /* probes of verify */
    RANDOM_BOOTSTRAP,  /* resampling for intervals */
    RANDOM_SHIFT,      /* moves of training pictures (draw = step) */
    RANDOM_USER,       /* first free number */
    RANDOM_HIDE = 200  /* cells that training hides (draw = step) */
} random_purpose;

typedef struct random_stream {
    uint64_t seed;
    uint32_t purpose; /* a random_purpose, below 256 */
    uint32_t draw;    /* step, epoch, repetition: whatever makes it fresh */
} random_stream;

/* n numbers for columns 0..n-1 of `row` (row < 2^56). Uniform in [0, 1): 24-bit floats, never 1. */
void random_uniform(random_stream stream, uint64_t row, float *out, size_t n);
/* The same with 53 bits, in [0, 1). */
void random_uniform_double(random_stream stream, uint64_t row, double *out, size_t n);
/* Standard normal (Box-Muller in double on open intervals, so always finite). */
void random_normal(random_stream stream, uint64_t row, double *out, size_t n);
/* Standard logistic, log(u / (1-u)), always finite. */
void random_logistic(random_stream stream, uint64_t row, double *out, size_t n);
/* A key (a hash) with one value more, from 0 on: equal sequences have equal keys. -0 is 0, and
 * there is one NaN. */
static inline uint64_t random_fold(uint64_t key, double value)
{
    uint64_t bits;
    value = isnan(value) ? (double)NAN : value + 0.0;
    memcpy(&bits, &value, sizeof bits);
    key = (key ^ bits) * 0x9E3779B97F4A7C15u;
    return key ^ key >> 32;
}

/* 0..n-1 in random order (Fisher-Yates on this stream); n < 2^32, */
void random_permutation(random_stream stream, uint32_t *order, size_t n);
/* NICEST_E_UNSUPPORTED where n rows are more. */
nicest_status random_check_rows(size_t n);
