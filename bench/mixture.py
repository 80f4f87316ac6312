#!/usr/bin/env python3
"""standardise + prior mixture:K before any step, beside scikit-learn's GaussianMixture of the same K and reg_covar.

    bench/mixture.py FOLDER [--nicest build/release/nicest] [--parts 1,4,8]

FOLDER holds the density tables (NAME.data.csv.gz, winequality-red.csv). Rows are shuffled, constant columns left
out, and every value gets uniform noise of its column's smallest step, so that both see the same continuous numbers; nine
tenths are fitted. Printed: mean log p of the fitted and of the other rows, in nats of the standardised columns, and
seconds: of nicest those of the whole process. Needs NumPy and scikit-learn."""
import argparse
import json
import os
import subprocess
import tempfile
import time

import numpy as np
from sklearn.mixture import GaussianMixture

TABLES = ["airfoil", "concrete", "elevators", "gas", "parkinsons", "skillcraft", "winequality-red"]


def read(folder, name):
    for end in (".data.csv.gz", ".csv"):
        path = os.path.join(folder, name + end)
        if os.path.exists(path):
            x = np.loadtxt(path, delimiter=",")
            break
    random = np.random.default_rng(1)
    x = x[:, x.std(0) > 0]
    for j in range(x.shape[1]):
        levels = np.unique(x[:, j])
        if len(levels) < 0.95 * len(x):
            x[:, j] += random.uniform(size=len(x)) * max(np.diff(levels).min(), 1e-3 * x[:, j].std())
    x = random.permutation(x)
    return (x - x.mean(0)) / x.std(0)


def mean_logp(nicest, model, path):
    out = subprocess.run([nicest, "score", model, path, "-o", path + ".csv", "--json", "-q"], check=True,
                         capture_output=True, text=True).stdout
    return json.loads(out.splitlines()[-1])["mean"]


def fit_ours(nicest, folder, train, test, parts):
    """Weights of the start: one step of no length."""
    paths = [os.path.join(folder, name) for name in ("train.npy", "test.npy", "m.safetensors", "spec")]
    np.save(paths[0], train)
    np.save(paths[1], test)
    with open(paths[3], "w", encoding="utf-8") as file:
        file.write(f"nicest 1\ncolumns {train.shape[1]}\nstandardise\nprior mixture:{parts}\n")
    began = time.time()
    subprocess.run([nicest, "train", paths[0], "--spec", paths[3], "--epochs", "1", "--lr", "1e-30", "--weight-decay", "0",
                    "--valid", paths[1], "--test", paths[1], "-o", paths[2], "-q"], check=True)
    seconds = time.time() - began
    return mean_logp(nicest, paths[2], paths[0]), mean_logp(nicest, paths[2], paths[1]), seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--nicest", default="build/release/nicest")
    parser.add_argument("--parts", default="1,4,8")
    parser.add_argument("--tables", default=",".join(TABLES))
    options = parser.parse_args()
    print(f"{'table':16} {'rows':>12} {'K':>3} | {'nicest':>9} {'held out':>9} {'s':>6} | "
          f"{'sklearn':>9} {'held out':>9} {'s':>6} | difference")
    for name in options.tables.split(","):
        x = read(options.folder, name)
        n = len(x) * 9 // 10
        for parts in map(int, options.parts.split(",")):
            with tempfile.TemporaryDirectory() as folder:
                ours = fit_ours(options.nicest, folder, x[:n], x[n:], parts)
            began = time.time()
            # the same number of starts
            m = GaussianMixture(parts, reg_covar=1e-8, n_init=3, random_state=0, max_iter=200, tol=1e-4).fit(x[:n])
            seconds = time.time() - began
            theirs = m.score(x[:n]), m.score(x[n:])
            print(f"{name:16} {len(x):>6} x {x.shape[1]:>3} {parts:>3} | {ours[0]:9.4f} {ours[1]:9.4f} {ours[2]:6.2f} | "
                  f"{theirs[0]:9.4f} {theirs[1]:9.4f} {seconds:6.2f} | {ours[0] - theirs[0]:+.4f}", flush=True)


if __name__ == "__main__":
    main()
