#!/usr/bin/env python3
"""Telling samples from data: the AUC of gradient boosting (scikit-learn), five folds; 0.5 is perfect.

    PATH=build/release:$PATH python3 bench/telling.py FOLDER [--time 30s] [--seeds 1] [--look] [--beside SDV] [NAME ...]

FOLDER has adult.csv.gz, titanic.csv, penguins.csv, mpg.csv, diamonds.csv.gz; any other CSV given as NAME=PATH
is told likewise. All rows train, and as many samples (5000 at most) stand beside them; with --half half of the
rows train, and samples stand beside the others. Words are ordinal numbers of
both tables together, dates are seconds, missing cells stay missing.

--beside GaussianCopula,CTGAN,TVAE has SDV's synthesizers of these names learn the same rows (pip install sdv), on one thread. Numbers are
numerical, true and false boolean, all else categorical, with a word for empty cells; nothing else is set. CTGAN and TVAE get as many epochs as fit into the processor seconds
that nicest took, or into --time where that is longer; two short runs say what an epoch takes.

--look prints what the classifier sees: the
columns by permutation, then the AUC of each column alone and of the worst pairs."""
import argparse
import itertools
import json
import os
import re
import resource
import subprocess
import tempfile
import time

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.inspection import permutation_importance
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

SETS = {"adult": "adult.csv.gz", "titanic": "titanic.csv", "penguins": "penguins.csv", "mpg": "mpg.csv",
        "diamonds": "diamonds.csv.gz"}
DROP = {"mpg": ["name"]}
MOST, EMPTY = 5000, "(empty)"


def run(*words):
    done = subprocess.run(["nicest", *words], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"nicest {' '.join(words)}: {done.stderr}")
    return done


def read(path):
    table = pd.read_csv(path, skipinitialspace=True, na_values=["?"], keep_default_na=True)
    return table.rename(columns=str.strip)


def sdv_samples(name, rows, count, seconds, seed):
    """Samples of one of SDV's synthesizers, the processor seconds it took, and its epochs."""
    import torch
    from sdv import single_table
    from sdv.metadata import Metadata
    kind = lambda c: "boolean" if pd.api.types.is_bool_dtype(c) else "numerical" if pd.api.types.is_numeric_dtype(c) else "categorical"
    columns = {c: {"sdtype": kind(rows[c])} for c in rows.columns}
    words = [c for c in rows.columns if columns[c]["sdtype"] == "categorical"]
    rows = rows.assign(**{c: rows[c].astype(object).fillna(EMPTY) for c in words})
    metadata = Metadata.load_from_dict({"tables": {"rows": {"columns": columns}}})
    torch.set_num_threads(1)

    def fit(**settings):
        torch.manual_seed(seed)
        np.random.seed(seed)
        began = time.process_time()
        made = getattr(single_table, name + "Synthesizer")(metadata, **settings)
        made.fit({"rows": rows})
        return made, time.process_time() - began

    epochs, cuda = 0, {} if name == "GaussianCopula" else {"enable_gpu": False}
    if cuda:
        _, one, three = (fit(epochs=n, **cuda)[1] for n in (1, 1, 3))  # the very first warms up
        epochs = max(1, round(1 + (seconds - one) / max((three - one) / 2, 1e-3)))
    made, took = fit(**({"epochs": epochs, **cuda} if cuda else {}))
    fake = made.sample(num_rows=count)["rows"]
    return fake.mask(fake == EMPTY), took, epochs


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


def samples(rows, count, seed, others, given):
    """Of each method in turn: its name, its samples, the processor seconds of training, and epochs."""
    with tempfile.TemporaryDirectory() as work:
        file, model, new = (os.path.join(work, f) for f in ("train.csv", "m.safetensors", "new.csv"))
        rows.to_csv(file, index=False)
        limit = ["--time", given.time] if given.time else []
        used = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
        began = used()
        done = run("train", file, "-o", model, "--seed", str(seed), *limit, *given.option, "--json")
        took = used() - began
        if given.look:
            print("\n".join("  " + line for line in re.split("[\r\n]+", done.stderr) if ":" in line))
        run("sample", model, "-n", str(count), "--seed", str(seed), "-o", new)
        yield "nicest", read(new), took, json.loads(done.stdout.splitlines()[-1])["epochs"]
        for name in others:
            seconds = max(took, pd.Timedelta(given.time or "0s").total_seconds())
            fake, took_too, epochs = sdv_samples(name, rows, count, seconds, seed)
            fake.to_csv(new, index=False)
            yield name, read(new), took_too, epochs


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder")
    options.add_argument("names", nargs="*")
    options.add_argument("--time")
    options.add_argument("--seeds", type=int, default=1)
    options.add_argument("--half", action="store_true")
    options.add_argument("--look", action="store_true")
    options.add_argument("--beside", default="", help="synthesizers of SDV, as GaussianCopula,CTGAN,TVAE")
    options.add_argument("--option", action="append", default=[], help="of nicest train, as --option=--coupling=affine")
    given = options.parse_intermixed_args()
    others = [name for name in given.beside.split(",") if name]
    print("| table | rows | columns | method | AUC of telling samples from data | +- | processor seconds | epochs |\n|"
          + "---|" * 8)
    for item in given.names or SETS:
        name, _, path = item.partition("=")
        table = read(path or os.path.join(given.folder, SETS[name])).drop(columns=DROP.get(name, []))
        found = {}
        for seed in range(1, given.seeds + 1):
            order = np.random.default_rng(seed).permutation(len(table))
            half = order[:len(table) // 2] if given.half else order
            real = table.iloc[order[::-1]][:len(table) // 2 if given.half else MOST][:MOST]
            for method, fake, took, epochs in samples(table.iloc[half], len(real), seed, others, given):
                x, y = encode(real, fake)
                found.setdefault(method, []).append((auc(x, y, seed), took, epochs))
                if given.look:
                    look(x, y, list(real.columns))
        for method, figures in found.items():
            areas, took, epochs = np.transpose(figures)
            print(f"| {name} | {len(table)} | {table.shape[1]} | {method} | {np.mean(areas):.3f} | {np.std(areas):.3f} | "
                  f"{np.mean(took):.0f} | {np.mean(epochs):.0f} |", flush=True)


if __name__ == "__main__":
    main()
