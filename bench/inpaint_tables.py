#!/usr/bin/env python3
"""Filling in tables: a share of the entries is hidden, and five ways fill them.

    bench/inpaint_tables.py NICEST [--time 120s] [--share 0.2] [--out docs/results]

Each set in ../shared/data/density (NICEST_SHARED moves it) is cut into 80 % training and 20 % test rows.
Training rows are complete; of the test rows a share of the entries is hidden at random. The error is the
root mean square over hidden entries, in standard deviations of the training column. Against the column
mean, 10 nearest neighbours and IterativeImputer of scikit-learn (skipped aloud where it is missing; kept in
the range of the training rows, as it diverges on some), all fitted on the same standardised training
rows. A test row with a value further than 30 deviations from its column's mean hides nothing, as one such
entry would be the whole error of every method; rows that occur in the training part are counted, as
neighbours know those by heart.
"""
import argparse
import gzip
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

SETS = ["airfoil.data.csv.gz", "elevators.data.csv.gz", "gas.data.csv.gz", "winequality-red.csv", "digits.csv.gz"]
SEED = 20141030


def load(path):
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt") as f:
        rows = np.genfromtxt(f, delimiter=",")
    rows = rows[~np.isnan(rows).all(axis=1)]
    return rows[:, np.nanstd(rows, axis=0) > 0]


def run(nicest, *words):
    done = subprocess.run([nicest, *map(str, words), "-q", "--json"], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def by_nicest(options, train, holes, folder):
    np.save(folder / "train.npy", train)
    np.save(folder / "holes.npy", holes)
    model = folder / "model.safetensors"
    run(options.nicest, "train", folder / "train.npy", "--time", options.time, "-o", model)
    fills, seconds = {}, {}
    methods = {"nicest map": ("--method", "map"), "nicest mean": ()}
    for name, words in methods.items():
        out = folder / "filled.npy"
        figures = run(options.nicest, "inpaint", model, folder / "holes.npy", "--mask", "nan", "-o", out,
                      *words)
        fills[name] = np.load(out)
        seconds[name] = figures["seconds"]
    return fills, seconds


def by_sklearn(train, holes):
    try:
        from sklearn.experimental import enable_iterative_imputer  # noqa: F401
        from sklearn.impute import IterativeImputer, KNNImputer
    except ImportError:
        print("scikit-learn is missing: nearest neighbours and IterativeImputer are skipped", file=sys.stderr)
        return {}
    wide = {"max_iter": 10, "n_nearest_features": 20} if train.shape[1] > 100 else {"max_iter": 30}
    makers = {"10 neighbours": KNNImputer(n_neighbors=10, weights="distance"),
              "IterativeImputer": IterativeImputer(random_state=SEED, min_value=train.min(axis=0),
                                                  max_value=train.max(axis=0), **wide)}
    return {name: maker.fit(train).transform(holes) for name, maker in makers.items()}


def measure(options, path, folder):
    rows = load(path)
    random = np.random.default_rng(SEED)
    order = random.permutation(len(rows))
    cut = len(rows) * 4 // 5
    train, test = rows[order[:cut]], rows[order[cut:]]
    test = test[:options.rows]
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    deviation[deviation == 0] = 1
    wild = (np.abs((test - mean) / deviation) > 30).any(axis=1)
    hidden = (random.random(test.shape) < options.share) & ~wild[:, None]
    known = {row.tobytes() for row in train}
    holes = np.where(hidden, np.nan, test)
    fills, seconds = by_nicest(options, train, holes, folder)
    scaled = by_sklearn((train - mean) / deviation, (holes - mean) / deviation)
    fills |= {name: fill * deviation + mean for name, fill in scaled.items()}
    fills["column mean"] = np.where(hidden, mean, test)
    errors = {}
    for name, fill in fills.items():
        assert np.array_equal(fill[~hidden], holes[~hidden]) or name in scaled
        errors[name] = float(np.sqrt((((fill - test) / deviation)[hidden] ** 2).mean()))
    return {"set": path.name.split(".")[0], "rows": len(train), "columns": rows.shape[1],
            "test_rows": len(test), "hidden": int(hidden.sum()), "wild": int(wild.sum()),
            "known": sum(row.tobytes() in known for row in test), "rmse": errors, "seconds": seconds}


NAMES = ["column mean", "10 neighbours", "IterativeImputer", "nicest map", "nicest mean"]


def table(results, options):
    yield "# Filling in tables\n"
    yield f"{options.share:.0%} of the entries of the test rows are hidden. Root mean square error of the"
    yield "hidden entries, in standard deviations of the training column; lower is better. mean is the default"
    yield f"for tables. Models were trained for {options.time} each, with all defaults. known: test rows that"
    yield "occur in the training part too. wild: test rows with a value beyond 30 deviations, where nothing was"
    yield "hidden.\n"
    if any(r["columns"] > 100 for r in results):
        yield "On more than 100 columns IterativeImputer has 10 rounds with the 20 nearest columns, elsewhere 30 with all.\n"
    yield "| set | training rows | columns | test rows | known | wild | " + " | ".join(NAMES) + " | map s | mean s |"
    yield "|" + "---|" * (len(NAMES) + 8)
    for r in results:
        best = min(r["rmse"].values())
        cells = [r["set"]] + [str(r[k]) for k in ("rows", "columns", "test_rows", "known", "wild")]
        for name in NAMES:
            value = r["rmse"].get(name)
            text = "-" if value is None else f"{value:.3f}"
            cells.append(f"**{text}**" if value == best else text)
        cells += [f"{r['seconds'][n]:.1f}" for n in NAMES[3:]]
        yield "| " + " | ".join(cells) + " |"
    yield "\n    bench/inpaint_tables.py build/release/nicest " + f"--time {options.time}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("nicest")
    parser.add_argument("--time", default="120s")
    parser.add_argument("--share", type=float, default=0.2)
    parser.add_argument("--rows", type=int, default=2000, help="most test rows")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--out", default="docs/results")
    options = parser.parse_args()
    shared = pathlib.Path(os.environ.get("NICEST_SHARED", "../shared")) / "data" / "density"
    results = []
    for name in options.sets.split(","):
        with tempfile.TemporaryDirectory() as folder:
            results.append(measure(options, shared / name, pathlib.Path(folder)))
        print(json.dumps(results[-1]), flush=True)
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "inpainting-tables-complete.md").write_text("\n".join(table(results, options)) + "\n")


if __name__ == "__main__":
    main()
