#!/usr/bin/env python3
"""How far are masks from marginals? `marginal_gap` of `nicest verify`, of tables with holes.

    PATH=build/release:$PATH python3 bench/gaps.py FOLDER-OF-MIXED FOLDER-OF-NUMBERS [--time 20s] [--seed 1] [NAME ...]

Mixed tables are taken as they are (titanic, penguins, mpg, adult, diamonds); of airfoil, winequality-red, skillcraft, parkinsons and concrete one cell in
five is hidden at random. Each table trains twice: as it comes, and by the same spec without its couplings, for one epoch at a rate
that changes nothing, which is the closed form. The gap is the mean over ten random patterns of one or two seen columns of |log p of what is
seen - log of the integral of the whole row's density|, in nats; null where a model is not masked."""
import argparse
import json
import os
import subprocess
import tempfile

import numpy as np
import pandas as pd

MIXED = {"titanic": [], "penguins": [], "mpg": ["name"], "adult": [], "diamonds": []}
NUMBERS = ["airfoil", "winequality-red", "skillcraft", "parkinsons", "concrete"]
COUPLINGS = ("coupling", "autoregressive", "permute", "elementwise")


def run(*words):
    done = subprocess.run(["nicest", *words, "--json", "-q"], capture_output=True, text=True)
    if not done.stdout.strip():
        raise SystemExit(f"nicest {' '.join(words)}: {done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def table(name, given):
    """Cells as text, or numbers with holes."""
    folder = given.mixed if name in MIXED else given.numbers
    path = next(p for p in (os.path.join(folder, name + end) for end in (".csv", ".csv.gz", ".data.csv.gz")) if os.path.exists(p))
    if name in MIXED:
        found = pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
        return found.drop(columns=MIXED[name])
    rows = pd.read_csv(path, header=None, sep=None, engine="python").to_numpy(float)
    rows = rows[:, rows.std(0) > 0]
    hidden = np.random.default_rng(given.seed).random(rows.shape) < 0.2
    return pd.DataFrame(np.where(hidden, np.nan, rows), columns=[f"c{j}" for j in range(rows.shape[1])])


def measure(name, given):
    with tempfile.TemporaryDirectory() as work:
        rows, model, spec = (os.path.join(work, f) for f in ("rows.csv", "m.safetensors", "spec.txt"))
        table(name, given).to_csv(rows, index=False)
        for closed in (False, True):
            words = ["--spec", spec, "--epochs", "1", "--lr", "1e-12"] if closed else ["--time", given.time]
            run("train", rows, "-o", model, "--seed", str(given.seed), *words)
            lines = run("info", model)["spec"].splitlines()
            proof = run("verify", model, "--seed", str(given.seed))
            couplings = sum(line.startswith(COUPLINGS) for line in lines)
            gap = proof["marginal_gap"]
            print(f"| {name} | {lines[1].split()[1]} | {sum(line.startswith('categories') for line in lines)} | {couplings} | {lines[-1]} | "
                  f"{'not masked' if gap is None else f'{gap:.2g}'} | {'yes' if proof['ok'] else 'NO'} |", flush=True)
            if not couplings:
                break
            with open(spec, "w", encoding="utf-8") as file:
                file.write("\n".join(line for line in lines if not line.startswith(COUPLINGS)) + "\n")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("mixed")
    options.add_argument("numbers")
    options.add_argument("names", nargs="*")
    options.add_argument("--time", default="20s")
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_intermixed_args()
    print("| table | numbers | layer of categories | couplings | prior | marginal_gap, nats | ok |\n|---|---|---|---|---|---|---|", flush=True)
    for name in given.names or [*MIXED, *NUMBERS]:
        measure(name, given)


if __name__ == "__main__":
    main()
