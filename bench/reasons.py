#!/usr/bin/env python3
"""Which columns were shifted: reasons of the model beside per-column scores, on held-out rows.

    NICEST_LIBRARY=build/release/libnicest.so PYTHONPATH=build/release/python \\
        python3 bench/reasons.py FOLDER [--time 20s] > reasons.txt

FOLDER has skillcraft.data.csv.gz, winequality-red.csv, ... Of each held-out row 1, 2 or 3 columns move up
or down by 4 conditional deviations (of the residual of the linear regression on the others). Each method
is told how many; the figure is the mean Jaccard index of its columns and the true ones. Beside the model:
distance from the mean in deviations, the smaller empirical tail (as ECOD has it, column by column),
the residual of that regression, and the best set of so many columns under the Gaussian of the training
rows, of all sets: what nobody beats where rows are Gaussian. Seconds are of one processor, all threads together."""
import argparse
import gzip
import itertools
import os
import time

import numpy as np

import nicest

ROWS = 300


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


def ecod(train, rows):
    """-log of the smaller empirical tail, column by column."""
    ordered, n = np.sort(train, 0), len(train)
    below = np.stack([np.searchsorted(ordered[:, j], rows[:, j], "right") for j in range(rows.shape[1])], 1)
    above = n - np.stack([np.searchsorted(ordered[:, j], rows[:, j], "left") for j in range(rows.shape[1])], 1)
    return -np.log((1 + np.minimum(below, above)) / (n + 1))


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
    options = argparse.ArgumentParser()
    options.add_argument("folder")
    options.add_argument("--time", default="20s")
    options.add_argument("--spec")
    options.add_argument("--only")
    given = options.parse_args()
    print("| table | columns | shifted | nicest | z-score | ECOD | residual | best Gaussian set | "
          "processor seconds for 1000 rows |\n|---|---|---|---|---|---|---|---|---|")
    for name, rows in tables(given.folder):
        if given.only and given.only not in name:
            continue
        rng = np.random.default_rng(1)
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
                  f"{jaccard(ecod(train, bad), truth):.3f} | {jaccard(linear, truth):.3f} | "
                  f"{jaccard(best_sets(precision, z, count), truth):.3f} | "
                  f"{seconds / len(bad) * 1000:.1f} |", flush=True)


main()
