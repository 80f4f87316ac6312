#!/usr/bin/env python3
"""Writes mixture.h: what scikit-learn's GaussianMixture says of rows that a formula makes, and NumPy of
rows with holes (pip install scikit-learn).

    python3 tests/golden/make_mixture.py > tests/golden/mixture.h"""
import numpy as np
from sklearn.mixture import GaussianMixture

N, D = 400, 3


def rows():
    """Three groups of rows of three columns, from sines: the test makes the same."""
    i, j = np.arange(N)[:, None], np.arange(D)[None, :]
    x = np.sin(12.9898 * (i + 1) + 78.233 * (j + 1) * (i % 17 + 1))
    x[:, 1] += 0.6 * x[:, 0]
    return x * (0.3 + 0.2 * (i % 3)) + 2.0 * (i % 3) * np.cos(1.0 * j)


def normal(x, mean, covariance):
    solved = np.linalg.solve(covariance, x - mean)
    return -0.5 * ((x - mean) @ solved + np.linalg.slogdet(covariance)[1] + len(x) * np.log(2 * np.pi))


def numbers(name, values):
    values = np.asarray(values, dtype=float).ravel()
    lines = [", ".join(f"{v:.17g}" for v in values[i:i + 4]) for i in range(0, len(values), 4)]
    print(f"static const double {name}[{len(values)}] = {{\n    " + ",\n    ".join(lines) + "};")


x = rows()
print("/* mixture.h - written by make_mixture.py. */")
likelihoods = []
for kind in ("full", "diag"):
    for parts in (1, 2, 3):
        m = GaussianMixture(parts, covariance_type=kind, reg_covar=1e-6, n_init=20, tol=1e-7, max_iter=2000,
                            random_state=0).fit(x)
        likelihoods.append(m.score(x))
        if (kind, parts) == ("full", 3):
            kept = m
print("/* Mean log p of the rows after the fit: full with 1, 2, 3 parts, diagonal with 1, 2, 3. */")
numbers("golden_likelihood", likelihoods)
print("/* The same of the rows behind a standardisation, in the rows' units: full with 3 parts. */")
m = GaussianMixture(3, n_init=20, tol=1e-7, max_iter=2000, random_state=0)
scaled = (x - x.mean(0)) / x.std(0)
numbers("golden_standardised", [m.fit(scaled).score(scaled) - np.log(x.std(0)).sum()])
print("/* A mixture of three parts: weights, means, lower Cholesky factors; log p of the first 8 rows. */")
numbers("golden_weight", kept.weights_)
numbers("golden_mean", kept.means_)
numbers("golden_factor", [np.linalg.cholesky(c)[a, b] for c in kept.covariances_ for b in range(D) for a in range(b, D)])
numbers("golden_logp", kept.score_samples(x[:8]))
print("/* Row i with column i % 3 hidden: log p of what is seen. */")
marginal = []
for i in range(8):
    o = [j for j in range(D) if j != i % 3]
    term = [np.log(w) + normal(x[i, o], m[o], c[np.ix_(o, o)])
            for w, m, c in zip(kept.weights_, kept.means_, kept.covariances_)]
    marginal.append(np.logaddexp.reduce(term))
numbers("golden_marginal", marginal)
