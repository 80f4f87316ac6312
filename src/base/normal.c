/* normal.c - see normal.h.
 *
 * The quantile is Wichura's algorithm AS 241 (PPND16), continued by Newton steps where p is below
 * exp(-27^2); the distribution function is the C library's erfc with the argument's rounding made
 * good, which in the tail would be enlarged by x^2. */
#include "base/normal.h"

#include <math.h>

static const double LOG_SQRT_2_PI = 0.91893853320467274178;
/* sqrt(1/2) in two parts */
static const double ROOT_HALF = 0.70710678118654752440, ROOT_HALF_REST = -4.8336466567264567e-17;
static const double TWO_OVER_ROOT_PI = 1.1283791670955125739;

double normal_log_density(double x)
{
    return -0.5 * x * x - LOG_SQRT_2_PI;
}

double normal_cdf(double x)
{
    double z = -x * ROOT_HALF, rest = fma(-x, ROOT_HALF, -z) - x * ROOT_HALF_REST;
    if (!(fabs(x) < 40))
        return isnan(x) ? x : x > 0;
    return 0.5 * (erfc(z) - TWO_OVER_ROOT_PI * exp(-z * z) * rest);
}

/* P(Z > x) / density by Laplace's continued fraction, x >= 10. */
static double mills_ratio(double x)
{
    double below = x;
    for (int k = 20; k > 0; k--)
        below = x + k / below;
    return 1 / below;
}

double normal_log_cdf(double x)
{
    if (x < -10)
        return normal_log_density(x) + log(mills_ratio(-x));
    return x < 1 ? log(normal_cdf(x)) : log1p(-normal_cdf(-x));
}

/* top(r) / bottom(r), polynomials of degree 7 with the lowest power first. */
static double tail_ratio(const double top[8], const double bottom[8], double r)
{
    double t = top[7], b = bottom[7];
    for (int i = 6; i >= 0; i--) {
        t = t * r + top[i];
        b = b * r + bottom[i];
    }
    return t / b;
}

/* of q = p - 1/2, |q| <= 0.425 */
static double central_quantile(double q)
{
    static const double top[8] = {3.3871328727963666080e0, 1.3314166789178437745e2,
                                  1.9715909503065514427e3, 1.3731693765509461125e4,
                                  4.5921953931549871457e4, 6.7265770927008700853e4,
                                  3.3430575583588128105e4, 2.5090809287301226727e3};
    static const double bottom[8] = {1.0,
                                     4.2313330701600911252e1,
                                     6.8718700749205790830e2,
                                     5.3941960214247511077e3,
                                     2.1213794301586595867e4,
                                     3.9307895800092710610e4,
                                     2.8729085735721942674e4,
                                     5.2264952788528545610e3};
    return q * tail_ratio(top, bottom, 0.180625 - q * q);
}

/* -x for r = sqrt(-log p), p < 0.075 */
static double tail_quantile(double r)
{
    static const double near_top[8] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                                       5.76949722146069140550e0,  3.64784832476320460504e0,
                                       1.27045825245236838258e0,  2.41780725177450611770e-1,
                                       2.27238449892691845833e-2, 7.74545014278341407640e-4};
    static const double near_bottom[8] = {1.0,
                                          2.05319162663775882187e0,
                                          1.67638483018380384940e0,
                                          6.89767334985100004550e-1,
                                          1.48103976427480074590e-1,
                                          1.51986665636164571966e-2,
                                          5.47593808499534494600e-4,
                                          1.05075007164441684324e-9};
    static const double far_top[8] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                                      1.78482653991729133580e0,  2.96560571828504891230e-1,
                                      2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                      2.71155556874348757815e-5, 2.01033439929228813265e-7};
    static const double far_bottom[8] = {1.0,
                                         5.99832206555887937690e-1,
                                         1.36929880922735805310e-1,
                                         1.48753612908506148525e-2,
                                         7.86869131145613259100e-4,
                                         1.84631831751005468180e-5,
                                         1.42151175831644588870e-7,
                                         2.04426310338993978564e-15};
    if (r <= 5)
        return tail_ratio(near_top, near_bottom, r - 1.6);
    if (r <= 27)
        return tail_ratio(far_top, far_bottom, r - 5);
    if (r > 1e9 || isnan(r))
        return r * 1.4142135623730950488;
    double log_p = -r * r, x = sqrt(-2 * (log_p + LOG_SQRT_2_PI + log(r * 1.4142)));
    for (int i = 0; i < 3; i++) /* the slope of log P is the inverse of the ratio */
        x += (normal_log_cdf(-x) - log_p) * mills_ratio(x);
    return x;
}

double normal_quantile_of_log(double log_p)
{
    static const double LOG_SPLIT = -2.5902671654458267; /* log 0.075 */
    return log_p > LOG_SPLIT ? central_quantile(exp(log_p) - 0.5) : -tail_quantile(sqrt(-log_p));
}

double normal_quantile(double p)
{
    double q = p - 0.5;
    if (fabs(q) <= 0.425)
        return central_quantile(q);
    double tail = tail_quantile(sqrt(-log(p < 0.5 ? p : 1 - p)));
    return p < 0.5 ? -tail : tail;
}
