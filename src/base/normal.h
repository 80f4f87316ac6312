/* normal.h - the standard normal distribution in double, whole in its tails.
 *
 * Relative errors are below 1e-14 (quantiles near 0: absolute ones below 1e-15), down to the
 * smallest numbers there are. A probability near 1 keeps nothing of its tail: ask for the other
 * tail then. All functions answer NaN with NaN. */
#pragma once

/* -x^2/2 - log(2 pi)/2 */
double normal_log_density(double x);
/* P(Z <= x), and P(Z > x) = normal_cdf(-x). */
double normal_cdf(double x);
/* log P(Z <= x); below -37, where the probability itself ends, too. */
double normal_log_cdf(double x);
/* x with P(Z <= x) = p, 0 <= p <= 1 (-infinity and infinity at the ends); p near 1/2 and small p
 * keep all digits. Outside: NaN. */
double normal_quantile(double p);
/* x <= 0 with log P(Z <= x) = log_p, for log_p <= log(1/2); the tail may be far below 1e-300. */
double normal_quantile_of_log(double log_p);
