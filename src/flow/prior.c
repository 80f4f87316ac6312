/* prior.c - see prior.h. The densities are in kernel/vector.c; sums are double. */
#include "flow/prior.h"

#include <math.h>

double prior_deviation(prior_kind p)
{
    return p == PRIOR_LOGISTIC ? acos(-1.0) / sqrt(3.0) : 1.0;
}

void prior_log_density(prior_kind p, const real *h, real *dh, double *logp, size_t n)
{
    if (p == PRIOR_LOGISTIC)
        vector_logistic(h, dh, logp, n);
    else
        vector_normal(h, dh, logp, n);
}

void prior_sample(prior_kind p, random_stream stream, uint64_t row, double temperature, double *h,
                  size_t columns)
{
    if (p == PRIOR_LOGISTIC)
        random_logistic(stream, row, h, columns);
    else
        random_normal(stream, row, h, columns);
    for (size_t j = 0; j < columns; j++)
        h[j] *= temperature;
}
