#!/usr/bin/env python3
"""Which columns were changed: reasons of the model beside per-column scores, on held-out rows.

    NICEST_LIBRARY=build/release/libnicest.so PYTHONPATH=build/release/python \\
        python3 bench/reasons.py FOLDER [--time 20s] [--swaps] [--spec TEXT] [--only NAME] > reasons.txt

FOLDER has skillcraft.data.csv.gz, winequality-red.csv, ... Of each held-out row 1, 2 or 3 columns move up
or down by 4 conditional deviations (of the residual of the linear regression on the others); with --swaps
they take instead the values that other rows have there, each of another row, and never the same value (and of equal rows one is taken). Each method
is told how many; the figure is the mean Jaccard index of its columns and the true ones. Beside the model:

z-score            distance from the mean in deviations
ECOD, COPOD        the empirical tails of the column, as these detectors of PyOD put them together
neighbours         how much the mean distance to the 5 nearest of (at most 4,000) training rows falls, in standardised
                   columns, when that column is left out
residual           of that regression, in its deviations
best Gaussian set  of all sets of so many columns the best one under the Gaussian of the training rows: what
                   nobody beats where rows are Gaussian

Seconds are of one processor, all threads together."""
import argparse
import gzip
import itertools
import os
import time

import numpy as np

import nicest

ROWS, NEAR = 300, 4000


def tables(folder):
    rng = np.random.default_rng(5)
    yield "normal, independent", rng.normal(size=(5000, 20))
    lag = np.abs(np.subtract.outer(np.arange(20), np.arange(20)))
    yield "normal, correlation 0.6 of neighbours", rng.normal(size=(5000, 20)) @ np.linalg.cholesky(0.6 ** lag).T
    for name, title in (("skillcraft.data.csv.gz", "skillcraft"), ("winequality-red.csv", "wine"),
                        ("parkinsons.data.csv.gz", "parkinsons"), ("elevators.data.csv.gz", "elevators")):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            with (gzip.open if name.endswith("gz") else open)(path, "rt") as file:
                head = file.readline()
                sign = ";" if ";" in head else ","
                skip = 0 if head.replace(sign, "").replace(".", "").replace("-", "")[:1].isdigit() else 1
                file.seek(0)
                yield title, np.loadtxt(file, delimiter=sign, skiprows=skip)


def jaccard(scores, truth):
    k = truth.sum(1)
    best = np.argsort(-scores, 1, kind="stable")
    hits = np.array([truth[i, best[i, :k[i]]].sum() for i in range(len(truth))])
    return np.mean(hits / (2 * k - hits))


def tails(train, rows):
    """-log of both empirical tails, column by column."""
    ordered, n = np.sort(train, 0), len(train)
    below = np.stack([np.searchsorted(ordered[:, j], rows[:, j], "right") for j in range(rows.shape[1])], 1)
    above = n - np.stack([np.searchsorted(ordered[:, j], rows[:, j], "left") for j in range(rows.shape[1])], 1)
    return -np.log((1 + below) / (n + 1)), -np.log((1 + above) / (n + 1))


def ecod(train, rows):
    """The smaller tail."""
    return np.maximum(*tails(train, rows))


def copod(train, rows):
    """The tail on the side of the skewness, or the mean of both where that is larger."""
    left, right = tails(train, rows)
    skewness = ((train - train.mean(0)) ** 3).mean(0)
    return np.maximum(np.where(skewness < 0, left, right), (left + right) / 2)


def neighbours(train, rows, k=5):
    """How much nearer the training rows come without the column; both standardised."""
    found = np.zeros(rows.shape)
    near = lambda square: np.sqrt(np.partition(square, k - 1, axis=0)[:k]).mean(0)
    for i, row in enumerate(rows):
        square = (train - row) ** 2
        whole = square.sum(1, keepdims=True)
        found[i] = near(whole) - near(np.maximum(whole - square, 0))
    return found


def swap(held, train, truth, rng):
    """Each true cell becomes another value of its column."""
    bad = held.copy()
    for i, j in zip(*np.nonzero(truth)):
        bad[i, j] = rng.choice(train[train[:, j] != held[i, j], j])
    return bad


def best_sets(precision, z, count):
    """Of all sets of columns the one that leaves the likeliest rest, row by row."""
    pulled, d = z @ precision, z.shape[1]
    sets = [list(s) for s in itertools.combinations(range(d), count)]
    gain = np.stack([np.einsum("ia,ab,ib->i", pulled[:, s], np.linalg.inv(precision[np.ix_(s, s)]), pulled[:, s])
                     for s in sets], 1)
    best = np.zeros(z.shape)
    for i, k in enumerate(gain.argmax(1)):
        best[i, sets[k]] = 1
    return best


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder")
    options.add_argument("--time", default="20s")
    options.add_argument("--spec")
    options.add_argument("--only")
    options.add_argument("--swaps", action="store_true")
    given = options.parse_args()
    print(f"| table | columns | {'swapped' if given.swaps else 'shifted'} | nicest | z-score | ECOD | COPOD | neighbours | residual | "
          "best Gaussian set | processor seconds for 1000 rows |\n" + "|---" * 11 + "|")
    for name, rows in tables(given.folder):
        if given.only and given.only not in name:
            continue
        rng = np.random.default_rng(1)
        if given.swaps:  # a copy among the training rows would give the answer away
            rows = np.unique(rows, axis=0)
        rows = rows[rng.permutation(len(rows))]
        held, train = rows[:ROWS], rows[ROWS:]
        kept = train.std(0) > 1e-9 * np.abs(train).max(0)
        held, train = held[:, kept], train[:, kept]
        d = train.shape[1]
        if given.spec:
            spec = given.spec.replace("D", str(d)).replace("\\n", "\n")
            model = nicest.train(train, spec=spec, time=given.time)
        else:
            model = nicest.train(train, time=given.time)
        mean, scale = train.mean(0), train.std(0)
        precision = np.linalg.inv(np.cov((train - mean) / scale, rowvar=False) + 1e-9 * np.eye(d))
        deviation = scale / np.sqrt(np.diag(precision))
        for count in (1, 2, 3):
            truth = np.zeros(held.shape, bool)
            for i in range(len(held)):
                truth[i, rng.choice(d, count, replace=False)] = True
            if given.swaps:
                bad = swap(held, train, truth, rng)
            else:
                bad = held + truth * rng.choice([-4, 4], held.shape) * deviation
            started = time.process_time()
            found = model.explain(bad, most=count, enough=2)
            seconds = time.process_time() - started
            columns = {c: j for j, c in enumerate(model.column_names)}
            ours = np.zeros(held.shape)
            for i, reasons in enumerate(found):
                for r in reasons:
                    ours[i, columns[r.column]] = 1
            z = (bad - mean) / scale
            linear = np.abs(z @ precision) / np.sqrt(np.diag(precision))
            print(f"| {name} | {d} | {count} | {jaccard(ours, truth):.3f} | {jaccard(np.abs(z), truth):.3f} | "
                  f"{jaccard(ecod(train, bad), truth):.3f} | {jaccard(copod(train, bad), truth):.3f} | "
                  f"{jaccard(neighbours(((train - mean) / scale)[:NEAR], z), truth):.3f} | {jaccard(linear, truth):.3f} | "
                  f"{jaccard(best_sets(precision, z, count), truth):.3f} | "
                  f"{seconds / len(bad) * 1000:.1f} |", flush=True)


if __name__ == "__main__":
    main()
