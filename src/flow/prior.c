/* prior.c - see prior.h. The sums are in kernel/vector.c, in double. */
#include "flow/prior.h"

#include <math.h>

double prior_deviation(prior_kind p)
{
    return p == PRIOR_LOGISTIC ? acos(-1.0) / sqrt(3.0) : 1.0;
}

double prior_log_density(prior_kind p, const real *h, real *dh, size_t columns)
{
    return p == PRIOR_LOGISTIC ? vector_logistic(h, dh, columns) : vector_normal(h, dh, columns);
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
