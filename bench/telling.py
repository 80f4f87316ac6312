#!/usr/bin/env python3
"""Telling samples from data: the AUC of gradient boosting (scikit-learn), five folds; 0.5 is perfect.

    PATH=build/release:$PATH python3 bench/telling.py FOLDER [--time 30s] [--seeds 1] [--look] [NAME ...]

FOLDER has adult.csv.gz, titanic.csv, penguins.csv, mpg.csv, diamonds.csv.gz; any other CSV given as NAME=PATH
is told likewise. All rows train, and as many samples (5000 at most) stand beside them; with --half half of the
rows train, and samples stand beside the others. Words are ordinal numbers of
both tables together, dates are seconds, missing cells stay missing. --look prints what the classifier sees: the
columns by permutation, then the AUC of each column alone and of the worst pairs."""
import argparse
import itertools
import json
import os
import re
import subprocess
import tempfile

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.inspection import permutation_importance
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

SETS = {"adult": "adult.csv.gz", "titanic": "titanic.csv", "penguins": "penguins.csv", "mpg": "mpg.csv",
        "diamonds": "diamonds.csv.gz"}
DROP = {"mpg": ["name"]}
MOST = 5000


def run(*words):
    done = subprocess.run(["nicest", *words], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"nicest {' '.join(words)}: {done.stderr}")
    return done


def read(path):
    table = pd.read_csv(path, skipinitialspace=True, na_values=["?"], keep_default_na=True)
    return table.rename(columns=str.strip)


def encode(real, fake):
    """Both tables as numbers, alike."""
    both = pd.concat([real, fake[real.columns]], ignore_index=True)
    for name in both.columns:
        if pd.api.types.is_bool_dtype(both[name]):
            both[name] = both[name].astype(float)
        elif not pd.api.types.is_numeric_dtype(both[name]):
            dates = pd.to_datetime(both[name], errors="coerce", format="ISO8601")
            if dates.notna().sum() == both[name].notna().sum():
                both[name] = dates.astype("int64").where(dates.notna()) / 1e9
            else:
                words = both[name].astype(str).where(both[name].notna())
                both[name] = words.astype("category").cat.codes.replace(-1, np.nan)
    return both.to_numpy(float), np.repeat([0, 1], [len(real), len(fake)])


def auc(x, y, seed=0, trees=100):
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    model = HistGradientBoostingClassifier(random_state=seed, max_iter=trees)
    return roc_auc_score(y, cross_val_predict(model, x, y, cv=folds, method="predict_proba")[:, 1])


def look(x, y, names):
    half = np.random.default_rng(0).permutation(len(x))
    fit, rest = half[:len(x) // 2], half[len(x) // 2:]
    model = HistGradientBoostingClassifier(random_state=0).fit(x[fit], y[fit])
    seen = permutation_importance(model, x[rest], y[rest], scoring="roc_auc", n_repeats=2, random_state=0)
    order = np.argsort(-seen.importances_mean)
    print("  by permutation:", ", ".join(f"{names[j]} {seen.importances_mean[j]:.3f}" for j in order[:8]))
    alone = [auc(x[:, [j]], y, trees=40) for j in range(len(names))]
    order = np.argsort(-np.array(alone))
    print("  alone:", ", ".join(f"{names[j]} {alone[j]:.3f}" for j in order[:8]))
    pairs = list(itertools.combinations(range(len(names)), 2))
    together = [auc(x[:, list(p)], y, trees=40) for p in pairs]
    gain = np.array(together) - np.array([max(alone[a], alone[b]) for a, b in pairs])
    order = np.argsort(-gain)
    print("  pairs beyond their columns:",
          ", ".join(f"{names[pairs[k][0]]} x {names[pairs[k][1]]} {together[k]:.3f}" for k in order[:8]))


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder")
    options.add_argument("names", nargs="*")
    options.add_argument("--time")
    options.add_argument("--seeds", type=int, default=1)
    options.add_argument("--half", action="store_true")
    options.add_argument("--look", action="store_true")
    options.add_argument("--option", action="append", default=[], help="of nicest train, as --option=--coupling=affine")
    given = options.parse_intermixed_args()
    print("| table | rows | columns | AUC of telling samples from data | +- | seconds |\n|---|---|---|---|---|---|")
    for item in given.names or SETS:
        name, _, path = item.partition("=")
        table = read(path or os.path.join(given.folder, SETS[name])).drop(columns=DROP.get(name, []))
        found, seconds = [], 0.0
        for seed in range(1, given.seeds + 1):
            order = np.random.default_rng(seed).permutation(len(table))
            half = order[:len(table) // 2] if given.half else order
            real = table.iloc[order[::-1]][:len(table) // 2 if given.half else MOST][:MOST]
            with tempfile.TemporaryDirectory() as work:
                rows, model, new = (os.path.join(work, f) for f in ("train.csv", "m.safetensors", "new.csv"))
                table.iloc[half].to_csv(rows, index=False)
                time = ["--time", given.time] if given.time else []
                done = run("train", rows, "-o", model, "--seed", str(seed), *time, *given.option, "--json")
                seconds += json.loads(done.stdout.splitlines()[-1])["seconds"]
                if given.look:
                    print("\n".join("  " + line for line in re.split("[\r\n]+", done.stderr) if ":" in line))
                run("sample", model, "-n", str(len(real)), "--seed", str(seed), "-o", new)
                fake = read(new)
            x, y = encode(real, fake)
            found.append(auc(x, y, seed))
            if given.look:
                look(x, y, list(real.columns))
        print(f"| {name} | {len(table)} | {table.shape[1]} | {np.mean(found):.3f} | {np.std(found):.3f} | "
              f"{seconds / given.seeds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
