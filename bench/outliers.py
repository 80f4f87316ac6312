#!/usr/bin/env python3
"""Outliers in tables: nicest beside scikit-learn, on the same splits.

    python3 bench/outliers.py [--nicest build/release/nicest] [--data ../shared/data/outliers]
                              [--seeds 5] [--sets glass,thyroid] [--splits 20] [--out docs/results]

For each set and seed, half of the normal rows train every method; the other half and all anomalies are
the test. Labels are never used but to measure. nicest runs with one set of defaults
(`nicest train` and `nicest outliers` without options). The others run with scikit-learn's defaults on
standardised columns, novelty=True for LOF. --splits N also measures the false-alarm rate that was
promised as 5 % over N splits; those beyond --seeds train for 20 epochs only, as the promise does not
depend on how good the model is. Writes outliers-tables.md and .json.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

RATE = 0.05


class Gaussian:
    def fit(self, x):
        self.model = LedoitWolf().fit(x)
        return self

    def score_samples(self, x):
        return -self.model.mahalanobis(x)


class Nearest:
    """Minus the distance to the fifth nearest training row."""

    def fit(self, x):
        self.model = NearestNeighbors(n_neighbors=5).fit(x)
        return self

    def score_samples(self, x):
        return -self.model.kneighbors(x)[0][:, -1]


PEERS = {
    "IsolationForest": lambda seed: IsolationForest(random_state=seed),
    "LOF": lambda seed: LocalOutlierFactor(novelty=True),
    "OneClassSVM": lambda seed: OneClassSVM(),
    "Gaussian": lambda seed: Gaussian(),
    "k-NN": lambda seed: Nearest(),
}


def load(path):
    with np.load(path) as file:
        return file["X"], file["y"].astype(int).ravel()


def split(x, y, seed):
    """Training rows, test rows and their labels: a function of the set and the seed."""
    order = np.random.default_rng(seed).permutation(np.flatnonzero(y == 0))
    half = len(order) // 2
    test = np.concatenate([order[half:], np.flatnonzero(y == 1)])
    return x[order[:half]], x[test], y[test]


def figures(score, y):
    return roc_auc_score(y, -score), average_precision_score(y, -score)


def run_peers(train, test, y, seed):
    scaler = StandardScaler().fit(train)
    found = {}
    for name, make in PEERS.items():
        start = time.time()
        model = make(seed).fit(scaler.transform(train))
        auroc, auprc = figures(model.score_samples(scaler.transform(test)), y)
        found[name] = {"auroc": auroc, "auprc": auprc, "seconds": time.time() - start}
    return found


def call(program, *arguments):
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join([program, *arguments])}\n{done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def run_nicest(program, train, test, y, seed, folder, extra):
    """Trains and judges with defaults; the label column comes along as another array of the file."""
    rows, judged, model = folder / "train.npy", folder / "test.npz", folder / "model.safetensors"
    np.save(rows, train)
    np.savez(judged, X=test, y=y)
    start = time.time()
    trained = call(program, "train", str(rows), "-o", str(model), "--seed", str(seed + 1), "--json",
                   "-q", *extra)
    result = call(program, "outliers", str(model), str(judged), "--label", "y", "--false-alarms",
                  str(RATE), "--json", "-q", "-o", str(folder / "decisions.csv"))
    return {"auroc": result["auroc"], "auprc": result["auprc"],
            "false_alarms": result["false_alarms"], "valid_logp": trained["valid_logp"],
            "seconds": time.time() - start}


def name_of(path):
    return path.stem.split("_", 1)[-1]


def measure(options, paths):
    results = {}
    for path in paths:
        x, y = load(path)
        for seed in range(max(options.seeds, options.splits)):
            train, test, labels = split(x, y, seed)
            extra = [] if seed < options.seeds else ["--epochs", "20"]
            with tempfile.TemporaryDirectory() as folder:
                found = {"nicest": run_nicest(options.nicest, train, test, labels, seed,
                                              pathlib.Path(folder), extra)}
            if seed < options.seeds:
                found.update(run_peers(train, test, labels, seed))
            for method, figure in found.items():
                results.setdefault(name_of(path), {}).setdefault(method, []).append(figure)
            own = found["nicest"]
            print(f"{name_of(path)} seed {seed}: AUROC {own['auroc']:.4f} AUPRC {own['auprc']:.4f} "
                  f"false alarms {own['false_alarms']:.3f} in {own['seconds']:.0f} s", flush=True)
    return results


def mean(results, name, method, figure, seeds):
    return float(np.mean([run[figure] for run in results[name][method][:seeds]]))


def table(results, figure, seeds):
    methods = ["nicest", *PEERS]
    lines = ["| set | " + " | ".join(methods) + " |", "|---" * (len(methods) + 1) + "|"]
    sums = np.zeros(len(methods))
    for name in results:
        row = np.array([mean(results, name, m, figure, seeds) for m in methods])
        sums += row
        lines.append(f"| {name} | " + " | ".join(bold(row, i) for i in range(len(row))) + " |")
    row = sums / len(results)
    lines.append("| **mean** | " + " | ".join(bold(row, i) for i in range(len(row))) + " |")
    return "\n".join(lines)


def bold(row, i):
    return f"**{row[i]:.4f}**" if row[i] == row.max() else f"{row[i]:.4f}"


def promise_table(results):
    lines = ["| set | splits | mean false alarms | standard error | allowed | kept |",
             "|---|---|---|---|---|---|"]
    for name, found in results.items():
        rates = np.array([run["false_alarms"] for run in found["nicest"]])
        error = rates.std(ddof=1) / np.sqrt(len(rates)) if len(rates) > 1 else float("nan")
        allowed = max(0.01, 2 * error)
        kept = "yes" if abs(rates.mean() - RATE) <= allowed else "no"
        lines.append(f"| {name} | {len(rates)} | {100 * rates.mean():.2f} % | {100 * error:.2f} | "
                     f"5 % +- {100 * allowed:.2f} | {kept} |")
    return "\n".join(lines)


def write(options, results):
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "outliers-tables.json").write_text(json.dumps(results, indent=1) + "\n")
    seconds = np.mean([run["seconds"] for found in results.values()
                       for run in found["nicest"][:options.seeds]])
    (out / "outliers-tables.md").write_text(
        "# Outliers in tables\n\n"
        f"`bench/outliers.py`: half of the normal rows train, seeds 0-{options.seeds - 1}, one set of "
        "defaults, no label used but to measure. Rows are judged by plain `logp`. nicest takes "
        f"{seconds:.0f} s a set and seed on {os.cpu_count()} cores.\n\n"
        "## AUROC\n\n" + table(results, "auroc", options.seeds) + "\n\n"
        "## AUPRC (average precision)\n\n" + table(results, "auprc", options.seeds) + "\n\n"
        "## The promised false-alarm rate\n\nShare of the normal test rows that "
        "`--false-alarms 0.05` flags.\n\n" + promise_table(results) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nicest", default="build/release/nicest")
    parser.add_argument("--data", default=os.environ.get("NICEST_SHARED", "../shared") +
                        "/data/outliers")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--splits", type=int, default=0)
    parser.add_argument("--sets", default="")
    parser.add_argument("--out", default="docs/results")
    options = parser.parse_args()
    wanted = [w for w in options.sets.split(",") if w]
    paths = [p for p in sorted(pathlib.Path(options.data).glob("*.npz"))
             if not wanted or name_of(p) in wanted]
    if not paths:
        sys.exit(f"{options.data}: no sets")
    results = measure(options, paths)
    write(options, results)
    print((pathlib.Path(options.out) / "outliers-tables.md").read_text())


if __name__ == "__main__":
    main()
