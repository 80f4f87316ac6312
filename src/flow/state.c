/* state.c - see state.h. Plain loops that the compiler vectorises, whole columns in each call. */
#include "flow/state.h"

#include "base/clones.h"

VECTOR_CLONES
void state_narrow(real *to, const double *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (real)from[i];
}

VECTOR_CLONES
void state_widen(double *to, const real *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (double)from[i];
}

VECTOR_CLONES
void state_add(double *x, const real *m, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] += (double)m[i];
}

VECTOR_CLONES
void state_subtract(double *x, const real *m, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] -= (double)m[i];
}

VECTOR_CLONES
void state_add_scaled(double *x, const double *y, double factor, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] += factor * y[i];
}

VECTOR_CLONES
void state_affine(double *x, double factor, double shift, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = x[i] * factor + shift;
}

void state_put_rows(double *x, size_t padded, size_t first, const double *rows, size_t count,
                    size_t columns, size_t width)
{
    for (size_t j = 0; j < columns; j++)
        for (size_t r = 0; r < count; r++)
            x[j * padded + first + r] = rows[r * width + j];
}
