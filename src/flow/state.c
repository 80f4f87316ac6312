/* state.c - see state.h. Plain loops that the compiler vectorises, a whole tile in each call. */
#include "flow/state.h"

#include "base/clones.h"

VECTOR_CLONES
void state_narrow(real *to, const double *from, size_t ld, size_t width, size_t rows)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < width; j++)
            to[r * width + j] = (real)from[r * ld + j];
}

VECTOR_CLONES
void state_add(double *x, size_t ld, const real *m, size_t width, size_t rows)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < width; j++)
            x[r * ld + j] += (double)m[r * width + j];
}

VECTOR_CLONES
void state_subtract(double *x, size_t ld, const real *m, size_t width, size_t rows)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < width; j++)
            x[r * ld + j] -= (double)m[r * width + j];
}

VECTOR_CLONES
void state_affine(double *x, const double *factor, const double *shift, size_t width, size_t rows)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t j = 0; j < width; j++)
            x[r * width + j] = x[r * width + j] * factor[j] + shift[j];
}
