#!/usr/bin/env python3
"""NICE (Dinh, Krueger, Bengio, 2014, arXiv 1410.8516) from nothing: the page of nice.c in NumPy.

    python3 nice.py

Learns the density of a parabola with noise, x2 ~ N(0, 16), x1 ~ N(x2^2 / 4, 1), and prints how far it is
from the true one. Rows are standardised; each coupling adds to one column what a small net makes of the
other; z = exp(s) h comes last, and z is standard normal:

    log p(x) = log N(z; 0, 1) + sum of s - sum of log deviation
"""
import numpy as np

HIDDEN, COUPLINGS, ROWS, BATCH, STEPS = 32, 4, 20000, 100, 2400
random = np.random.default_rng(1)


def log_normal(z):
    return -0.5 * z * z - 0.5 * np.log(2 * np.pi)


def parabola(n):
    """Rows [n, 2] and their true log density [n]."""
    up, right = random.normal(size=(2, n))
    return (np.stack([4 * up**2 + right, 4 * up], 1),
            log_normal(up) - np.log(4) + log_normal(right))


def net(w, x):
    """[n] -> [n] by three maps with ReLU between them; what backward needs comes along."""
    a = [x[:, None].copy()]
    for layer in range(3):
        b = a[-1] @ w[2 * layer] + w[2 * layer + 1]
        a.append(np.maximum(b, 0) if layer < 2 else b)
    return a[3][:, 0], a


def net_backward(w, a, delta):
    """The gradient by x, and those by the six arrays of w; delta [n] is the gradient by the output."""
    delta, by_w = delta[:, None], []
    for layer in reversed(range(3)):
        by_w = [a[layer].T @ delta, delta.sum(0)] + by_w
        delta = delta @ w[2 * layer].T
        if layer:
            delta = delta * (a[layer] > 0)
    return delta[:, 0], by_w


def forward(nets, s, x):
    """Data to latent: z, log p, activations of each net."""
    h, kept = (x - mean) / deviation, []
    for k, w in enumerate(nets):
        out, a = net(w, h[:, 1 - k % 2])
        h[:, k % 2] += out
        kept.append(a)
    z = np.exp(s) * h
    return z, log_normal(z).sum(1) + s.sum() - np.log(deviation).sum(), kept


def inverse(nets, s, z):
    """Latent to data: the same steps undone, the last one first."""
    h = z * np.exp(-s)
    for k, w in reversed(list(enumerate(nets))):
        h[:, k % 2] -= net(w, h[:, 1 - k % 2])[0]
    return mean + deviation * h


def backward(nets, s, z, kept):
    """The gradient of the mean of log p by all parameters, in their order."""
    delta, gradients = -z * np.exp(s) / len(z), []
    for k, w in reversed(list(enumerate(nets))):
        by_x, by_w = net_backward(w, kept[k], delta[:, k % 2])
        delta[:, 1 - k % 2] += by_x
        gradients = by_w + gradients
    return gradients + [(1 - z * z).mean(0)]


data, _ = parabola(ROWS)
mean, deviation = data.mean(0), data.std(0)
sizes = [1, HIDDEN, HIDDEN, 1]  # the last map starts at 0, so the flow at the identity
nets = [[part for i in range(3) for part in
         (random.normal(size=sizes[i:i + 2]) * [1, (2 / HIDDEN)**0.5, 0][i], random.normal(size=sizes[i + 1]) * (i == 0))]
        for _ in range(COUPLINGS)]
s = np.zeros(2)
parameters = [part for w in nets for part in w] + [s]
moments, squares = ([np.zeros_like(p) for p in parameters] for _ in range(2))

for step in range(STEPS):
    z, logp, kept = forward(nets, s, data[random.integers(ROWS, size=BATCH)])
    rate = 0.005 * 0.5 * (1 + np.cos(np.pi * step / STEPS))
    for p, g, m, v in zip(parameters, backward(nets, s, z, kept), moments, squares):  # Adam
        m += 0.1 * (g - m)
        v += 0.001 * (g * g - v)
        p += rate * m / (1 - 0.9**(step + 1)) / (np.sqrt(v / (1 - 0.999**(step + 1))) + 1e-8)
    if step % (STEPS // 8) == 0:
        print(f"step {step:4}: log p of its rows {logp.mean():8.4f}")

rows, truth = parabola(ROWS)  # fresh ones
z, logp, _ = forward(nets, s, rows)
gap = truth - logp
print(f"gap to the true density {gap.mean():.4f} +- {gap.std() / ROWS**0.5:.4f} nats; "
      f"inverse to {abs(inverse(nets, s, z) - rows).max():.1e}")
