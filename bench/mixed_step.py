#!/usr/bin/env python3
"""Does a mixed table train as fast as its words would as numbers? Processor time of a step, in pairs.

    PATH=build/release:$PATH python3 bench/mixed_step.py FOLDER [--pairs 9] [--epochs 4] [--threads 1]

Adult (FOLDER/adult.csv.gz) as it is, against three tables of the same rows and columns: `numbers`, where each word is
the number of its place in the alphabet and each column has noise added, u of its level, so that it is a number to nicest, too; `codes`, the
same numbers without the noise, of which nicest takes those of few levels as categories again; and `one-hot`, a column for each word, with noise. All train with `--coupling autoregressive`, the stack
that masked tables get. A run of one epoch and one of many more, in turns, both without calibration; the difference of their processor seconds over that of their steps is a
step. Printed: the median over the pairs of the ratio mixed / numbers, and its least and most."""
import argparse
import json
import os
import resource
import statistics
import subprocess
import tempfile

import numpy as np
import pandas as pd


def encode(table, kind):
    rng = np.random.default_rng(1)
    numbers = {}
    for name in table.columns:
        column = pd.to_numeric(table[name], errors="coerce")
        if column.isna().any():  # words: an empty cell is one of them
            column = table[name].astype("category").cat.codes
            if kind == "one-hot":
                numbers.update({f"{name}-{k}": (column == k).astype(float) for k in range(column.max() + 1)})
                continue
        numbers[name] = column.astype(float)
    made = pd.DataFrame(numbers)
    return made if kind == "codes" else made + rng.random(made.shape)


def seconds(rows, epochs, given, work):
    """Processor seconds and steps of a run."""
    used = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    began = used()
    done = subprocess.run(["nicest", "train", rows, "-o", os.path.join(work, "m.safetensors"), "--epochs", str(epochs), "--coupling",
                           "autoregressive", "--calibration", "0", "--preprocess", "marginal", "--linear", "no", "--prior", "normal",
                           "--patience", "-1", "--neighbours", "no", "--threads", str(given.threads), "--json", "-q"],
                          capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return used() - began, json.loads(done.stdout.splitlines()[-1])["steps"]


def step(rows, given, work):
    few, many = (seconds(rows, epochs, given, work) for epochs in (1, 1 + given.epochs))
    return 1000 * (many[0] - few[0]) / (many[1] - few[1])


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder")
    options.add_argument("--pairs", type=int, default=9)
    options.add_argument("--epochs", type=int, default=4, help="that the longer run has more")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--rows", type=int, default=32561)
    options.add_argument("--against", default="numbers,codes", help="numbers, codes, one-hot")
    given = options.parse_args()
    table = pd.read_csv(os.path.join(given.folder, "adult.csv.gz"), dtype=str, keep_default_na=False, skipinitialspace=True)
    table = table.rename(columns=str.strip).iloc[:given.rows]
    print("| against | mixed, ms a step | numbers, ms a step | mixed / numbers | least | most | pairs |\n|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as work:
        mixed, other = os.path.join(work, "mixed.csv"), os.path.join(work, "numbers.csv")
        table.to_csv(mixed, index=False)
        for kind in given.against.split(","):
            encode(table, kind).to_csv(other, index=False)
            found = []
            for pair in range(given.pairs):
                order = [mixed, other][:: 1 if pair % 2 == 0 else -1]
                took = {rows: step(rows, given, work) for rows in order}
                found.append((took[mixed], took[other]))
            ratios = sorted(a / b for a, b in found)
            print(f"| {kind} | {statistics.median(a for a, _ in found):.2f} | {statistics.median(b for _, b in found):.2f} | "
                  f"{statistics.median(ratios):.3f} | {ratios[0]:.3f} | {ratios[-1]:.3f} | {len(ratios)} |", flush=True)


if __name__ == "__main__":
    main()
