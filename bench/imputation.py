#!/usr/bin/env python3
"""Imputation at 10, 30 and 50 % missing: RMSE in deviations of the column, beside usual imputers.

    PATH=build/release:$PATH python3 bench/imputation.py FOLDER [--time 10s] [--rows 2000] [NAME ...]

FOLDER has airfoil.data.csv.gz, concrete..., winequality-red.csv. Cells are hidden at random (seeded by the share);
every method sees the same table with holes and nothing else, and fills those holes. Errors are of z-scores by the
whole table's mean and deviation; +- is the standard error over the hidden cells. `forest` is IterativeImputer
with ExtraTrees, as MissForest has random forests; `ridge` is IterativeImputer as it comes."""
import argparse
import os
import subprocess
import tempfile
import time
import warnings

import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer

NAMES = ["airfoil", "concrete", "winequality-red", "skillcraft", "parkinsons", "elevators"]


def load(folder, name):
    path = os.path.join(folder, f"{name}.data.csv.gz")
    path = path if os.path.exists(path) else os.path.join(folder, f"{name}.csv")
    cells = pd.read_csv(path, header=None, sep=None, engine="python")
    first = pd.to_numeric(cells.iloc[0], errors="coerce")  # NaN: a row of names, which wine's file has in some copies
    return cells.iloc[int(first.isna().any()):].to_numpy(float)


def ours(holes, seconds):
    with tempfile.TemporaryDirectory() as work:
        rows, model, filled = (os.path.join(work, f) for f in ("rows.csv", "m.safetensors", "filled.csv"))
        pd.DataFrame(holes, columns=[f"c{j}" for j in range(holes.shape[1])]).to_csv(rows, index=False)
        for words in (["train", rows, *(["--time", seconds] if seconds else []), "-o", model], ["impute", model, rows, "--method", "mean", "-o", filled]):
            done = subprocess.run(["nicest", *words, "-q"], capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(done.stderr)
        return pd.read_csv(filled).to_numpy(float)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder")
    options.add_argument("names", nargs="*")
    options.add_argument("--time", help="of each training; else as many steps as training takes by itself")
    options.add_argument("--rows", type=int, default=2000)
    given = options.parse_intermixed_args()
    warnings.filterwarnings("ignore")
    forest = ExtraTreesRegressor(n_estimators=50, min_samples_leaf=2, random_state=0)
    others = {"mean": SimpleImputer(), "knn": KNNImputer(n_neighbors=5), "ridge": IterativeImputer(random_state=0),
              "forest": IterativeImputer(forest, max_iter=4, random_state=0)}
    print("| table | rows | columns | missing | nicest | " + " | ".join(others) + " | seconds: nicest, forest |\n|"
          + "---|" * (6 + len(others)))
    for name in given.names or NAMES:
        whole = load(given.folder, name)
        whole = whole[np.random.default_rng(0).permutation(len(whole))[:given.rows]]
        whole = whole[:, whole.std(0) > 0]
        mean, deviation = whole.mean(0), whole.std(0)
        for share in (0.1, 0.3, 0.5):
            hidden = np.random.default_rng(int(100 * share)).random(whole.shape) < share
            hidden[hidden.all(1), 0] = False
            holes, z = np.where(hidden, np.nan, whole), (whole - mean) / deviation
            seconds, cells = {}, []
            for method in ["nicest", *others]:
                began = time.time()
                if method == "nicest":
                    filled = (ours(holes, given.time) - mean) / deviation
                else:
                    filled = others[method].fit_transform((holes - mean) / deviation)
                seconds[method] = time.time() - began
                square = ((filled - z) ** 2)[hidden]
                error = np.sqrt(square.mean())
                cells.append(f"{error:.3f} +- {square.std() / np.sqrt(len(square)) / 2 / error:.3f}")
            print(f"| {name} | {len(whole)} | {whole.shape[1]} | {share:.0%} | " + " | ".join(cells)
                  + f" | {seconds['nicest']:.0f}, {seconds['forest']:.0f} |", flush=True)


if __name__ == "__main__":
    main()
