/* stack.h - the flows that training chooses from, as text: what comes first, couplings, what comes
 * last.
 *
 * First: how the columns are brought to one scale (standardise, marginal, ...). Last: a linear
 * layer or a scaling, and the prior. First and last alone are a closed form: a Gaussian, a Gaussian
 * copula, a mixture. Couplings between them start as the identity, so that training starts from it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "nicest.h"

/* Each column a standard normal of its own; what is left of a Gaussian between them. */
#define STACK_MARGINAL "marginal levels=256 knots=32\n"
/* The same with room for five hundred values that come back. */
#define STACK_MARGINAL_OF_TIES "marginal levels=2048 knots=32\n"
/* Standardised values, with tails far beyond all rows. */
#define STACK_LINE       "marginal levels=0 knots=2\n"
#define STACK_REGRESSION "regression\n"
#define STACK_WHITEN     "linear form=triangular start=whiten\n"

typedef struct stack {
    const char *rule;       /* additive, affine, spline */
    unsigned height, width; /* of pictures whose couplings are convolutions; 0: they are dense */
    int autoregressive;
    int couplings; /* 0: none */
    const char *hidden, *activation;
    int bins;
    int blocks; /* residual */
    double dropout;
    double rate; /* times the preset's learning rate; 0: once */
} stack;

enum { STACK_CANDIDATES = 5 };
/* What the race tries beside nothing, the richest last; `rows` and `columns` bound their width. */
extern const stack STACK_RACE[STACK_CANDIDATES];

/* A spec of `columns` columns: head (lines about the shape: context, masked), first and last are
 * lines ended by '\n', or ""; s may be NULL. Released by memory_free; NULL when memory runs out. */
char *stack_spec(size_t columns, const char *head, const char *first, const stack *s,
                 const char *last);
/* Whether such pictures can be cut in cells, as convolutions need it. */
bool stack_convolves(unsigned height, unsigned width);
/* "spline 5 x (128x2), 8 bins" */
typedef struct stack_text {
    char text[80];
} stack_text;
stack_text stack_name(const stack *s);
