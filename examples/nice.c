/* nice.c - NICE (Dinh, Krueger, Bengio, 2014, arXiv 1410.8516) from nothing, in one page of C.
 *
 *     cc -O2 nice.c -lm -o nice && ./nice
 *
 * Learns the density of a parabola with noise, x2 ~ N(0, 16), x1 ~ N(x2^2 / 4, 1), and prints how
 * far it is from the true one. A row is brought to mean 0 and deviation 1. Each coupling then adds
 * to one coordinate what a small net makes of the other, h_a += net(h_b): this keeps areas, and is
 * undone by subtracting. A scaling z = exp(s) h comes last, and z is standard normal. So
 *
 *     log p(x) = log N(z; 0, 1) + sum of s - sum of log deviation
 *
 * and training climbs its mean by Adam. All parameters lie in one vector, all gradients in another.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { H = 32, COUPLINGS = 4, NET = H * H + 4 * H + 1, P = COUPLINGS * NET + 2, S = P - 2 };
enum { ROWS = 20000, BATCH = 100, STEPS = 2400 };

static double theta[P], gradient[P], moment[P], square[P]; /* nets, then the scaling s[2] */
static double x[ROWS][2], mean[2], deviation[2];
static double a1[COUPLINGS][H], a2[COUPLINGS][H]; /* activations of a row, for backward() */

static double uniform(void)
{
    return (rand() + 0.5) / (RAND_MAX + 1.0);
}

static double normal(void)
{
    return sqrt(-2 * log(uniform())) * cos(6.283185307179586 * uniform());
}

static double log_normal(double z)
{
    return -0.5 * z * z - 0.9189385332046727;
}

/* A net is 1 -> H -> H -> 1 with ReLU. w holds u[H], b[H], c[H], v[H], W[H, H], d. */
static double net(const double *w, double in, double *h1, double *h2)
{
    double out = w[NET - 1];
    memcpy(h2, w + 2 * H, H * sizeof *h2);
    for (int i = 0; i < H; i++) {
        h1[i] = fmax(0, w[i] * in + w[H + i]);
        for (int j = 0; j < H && h1[i] > 0; j++)
            h2[j] += h1[i] * w[4 * H + i * H + j];
    }
    for (int j = 0; j < H; j++)
        out += w[3 * H + j] * (h2[j] = fmax(0, h2[j]));
    return out;
}

/* Adds the gradient by w to g, where `delta` is that by the output. Returns that by `in`. */
static double net_backward(const double *w, double in, const double *h1, const double *h2,
                           double delta, double *g)
{
    double delta2[H], by_in = 0;
    for (int j = 0; j < H; j++) {
        delta2[j] = h2[j] > 0 ? delta * w[3 * H + j] : 0;
        g[3 * H + j] += delta * h2[j];
        g[2 * H + j] += delta2[j];
    }
    for (int i = 0; i < H; i++) {
        double delta1 = 0;
        for (int j = 0; j < H && h1[i] > 0; j++) {
            delta1 += w[4 * H + i * H + j] * delta2[j];
            g[4 * H + i * H + j] += h1[i] * delta2[j];
        }
        g[i] += delta1 * in;
        g[H + i] += delta1;
        by_in += delta1 * w[i];
    }
    g[NET - 1] += delta;
    return by_in;
}

/* Data to latent. Returns log p(row). */
static double forward(const double *p, const double *row, double *z)
{
    double logp = 0;
    for (int j = 0; j < 2; j++)
        z[j] = (row[j] - mean[j]) / deviation[j];
    for (int k = 0; k < COUPLINGS; k++)
        z[k % 2] += net(p + k * NET, z[1 - k % 2], a1[k], a2[k]);
    for (int j = 0; j < 2; j++)
        logp += log_normal(z[j] *= exp(p[S + j])) + p[S + j] - log(deviation[j]);
    return logp;
}

/* Latent to data: the same steps undone, the last one first. */
static void inverse(const double *p, const double *z, double *row)
{
    for (int j = 0; j < 2; j++)
        row[j] = z[j] * exp(-p[S + j]);
    for (int k = COUPLINGS; k-- > 0;)
        row[k % 2] -= net(p + k * NET, row[1 - k % 2], a1[k], a2[k]);
    for (int j = 0; j < 2; j++)
        row[j] = mean[j] + deviation[j] * row[j];
}

/* Adds the gradient of log p to `gradient`; z and the activations are those of forward(). */
static void backward(const double *z)
{
    double h[2], delta[2]; /* delta: the gradient by h */
    for (int j = 0; j < 2; j++) {
        h[j] = z[j] * exp(-theta[S + j]);
        delta[j] = -z[j] * exp(theta[S + j]);
        gradient[S + j] += 1 - z[j] * z[j];
    }
    for (int k = COUPLINGS; k-- > 0;) {
        double *w = theta + k * NET, *g = gradient + k * NET, in = h[1 - k % 2];
        delta[1 - k % 2] += net_backward(w, in, a1[k], a2[k], delta[k % 2], g);
        h[k % 2] -= net(w, in, a1[k], a2[k]); /* what went into the coupling */
    }
}

static void adam(int step)
{
    double rate = 0.005 * 0.5 * (1 + cos(3.141592653589793 * step / STEPS));
    double unbias1 = 1 - pow(0.9, step + 1), unbias2 = 1 - pow(0.999, step + 1);
    for (int i = 0; i < P; i++) {
        double g = gradient[i] / BATCH;
        moment[i] += 0.1 * (g - moment[i]);
        square[i] += 0.001 * (g * g - square[i]);
        theta[i] += rate * (moment[i] / unbias1) / (sqrt(square[i] / unbias2) + 1e-8);
        gradient[i] = 0;
    }
}

/* Draws a row of the parabola. Returns its true log density. */
static double draw(double *row)
{
    double up = normal(), right = normal();
    row[1] = 4 * up;
    row[0] = row[1] * row[1] / 4 + right;
    return log_normal(up) - log(4) + log_normal(right);
}

int main(void)
{
    double z[2], row[2], back[2], sum = 0, squares = 0, worst = 0;
    for (int i = 0; i < ROWS; i++) {
        draw(x[i]);
        for (int j = 0; j < 2; j++) {
            mean[j] += x[i][j] / ROWS;
            deviation[j] += x[i][j] * x[i][j] / ROWS;
        }
    }
    for (int j = 0; j < 2; j++)
        deviation[j] = sqrt(deviation[j] - mean[j] * mean[j]);
    for (int i = 0; i < S; i++) /* the last map of a net starts at 0, so the flow at the identity */
        theta[i] = i % NET < 2 * H ? normal() : i % NET < 4 * H ? 0 : normal() * sqrt(2.0 / H);
    for (int step = 0; step < STEPS; step++) {
        double logp = 0;
        for (int i = 0; i < BATCH; i++) {
            logp += forward(theta, x[(int)(uniform() * ROWS)], z) / BATCH;
            backward(z);
        }
        adam(step);
        if (step % (STEPS / 8) == 0)
            printf("step %4d: log p of its rows %8.4f\n", step, logp);
    }
    for (int i = 0; i < ROWS; i++) { /* of fresh rows */
        double gap = draw(row) - forward(theta, row, z);
        inverse(theta, z, back);
        worst = fmax(worst, fmax(fabs(back[0] - row[0]), fabs(back[1] - row[1])));
        sum += gap / ROWS;
        squares += gap * gap / ROWS;
    }
    printf("gap to the true density %.4f +- %.4f nats; inverse to %.1e\n", sum,
           sqrt((squares - sum * sum) / ROWS), worst);
    return 0;
}
