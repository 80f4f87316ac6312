#!/usr/bin/env python3
"""Is the promise of at most 5 % false alarms kept? Ordinary rows that were not learnt from, over many splits.

    PATH=build/release:$PATH python3 bench/promises.py FOLDER [--splits 20] [--time 2s] [--rate 0.05] [--rows 5600]
                                    [--option=...] [NAME ...]

FOLDER has titanic.csv, penguins.csv, mpg.csv, adult.csv.gz and diamonds.csv.gz; of a larger table each split draws --rows. Each split trains on
half of the rows, in random order, and judges the other half, all of which is ordinary; so every row that is flagged is a
false alarm. Three kinds of tables: mixed ones as they are; `holes`, where one number in five is taken out; `copies`, where each row stands there one
to six times, and copies may be on one side only. A line a table: the mean share that was flagged, its standard error over the splits, and the
rows that calibrated. The promise holds where the mean is not above the rate by more than two standard errors. Too few are flagged where it is below
three fifths of the rate (3 of 5 %) by more than two standard errors though 199 rows or more calibrated."""
import argparse
import csv
import gzip
import json
import math
import os
import random
import subprocess
import tempfile

DROP = {"mpg": ["name"]}
TABLES = {"titanic": ("titanic", None), "penguins": ("penguins", None), "mpg": ("mpg", None),
          "penguins-holes": ("penguins", "holes"), "mpg-holes": ("mpg", "holes"),
          "penguins-copies": ("penguins", "copies"), "mpg-copies": ("mpg", "copies"),
          **{name + kind: (name, kind[1:] or None) for name in ("adult", "diamonds") for kind in ("", "-holes", "-copies")}}
ENOUGH = 199


def is_number(text):
    try:
        float(text)
        return True
    except ValueError:
        return False


def read(path, drop):
    with open(path, newline="", encoding="utf-8") if os.path.exists(path) else gzip.open(path + ".gz", "rt") as file:
        rows = list(csv.reader(file, skipinitialspace=True))
    keep = [j for j, name in enumerate(rows[0]) if name not in drop]
    return [rows[0][j] for j in keep], [[row[j] for j in keep] for row in rows[1:]]


def write(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


def run(*words):
    done = subprocess.run(["nicest", *words], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"nicest {' '.join(words)}: {done.stderr}")
    return done.stdout


def split(header, rows, kind, seed, folder, o):
    """The share that was flagged, and the rows that calibrated."""
    draw = random.Random(seed)
    rows = [list(row) for row in rows]
    draw.shuffle(rows)
    rows = rows[:o.rows]
    if kind == "holes":
        rows = [["" if is_number(cell) and draw.random() < 0.2 else cell for cell in row] for row in rows]
    half = len(rows) // 2
    learnt, fresh = rows[:half], rows[half:]
    if kind == "copies":
        learnt, fresh = ([row for row in part for _ in range(draw.randint(1, 6))] for part in (learnt, fresh))
        draw.shuffle(learnt)
    model, train, test = (os.path.join(folder, name) for name in ("m.safetensors", "train.csv", "test.csv"))
    write(train, header, learnt)
    write(test, header, fresh)
    run("train", train, "-o", model, "--time", o.time, "--seed", str(seed), "-q", *o.option)
    said = json.loads(run("outliers", model, test, "--false-alarms", str(o.rate), "--explain", "0", "--json", "-q",
                          "-o", os.path.join(folder, "out.csv")).splitlines()[-1])
    return said["false_alarms"], said["calibration_rows"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--time", default="2s")
    parser.add_argument("--rows", type=int, default=5600)
    parser.add_argument("--option", action="append", default=[], help="of nicest train, as --option=--calibration=0.4")
    parser.add_argument("--rate", type=float, default=0.05)
    o = parser.parse_intermixed_args()
    print("| table | flagged | +- | calibration rows | at most the rate | at least three fifths of it |\n|---|---|---|---|---|---|", flush=True)
    for name in o.names or TABLES:
        source, kind = TABLES[name]
        header, rows = read(os.path.join(o.folder, source + ".csv"), DROP.get(source, []))
        with tempfile.TemporaryDirectory() as folder:
            found = [split(header, rows, kind, seed, folder, o) for seed in range(1, o.splits + 1)]
        shares = [share for share, _ in found]
        mean = sum(shares) / len(shares)
        error = math.sqrt(sum((s - mean) ** 2 for s in shares) / max(len(shares) - 1, 1) / len(shares))
        counts = sorted(count for _, count in found)
        kept = "kept" if mean <= o.rate + 2 * error else "MISSED"
        used = "few rows" if counts[0] < ENOUGH else "kept" if mean + 2 * error >= 0.6 * o.rate else "MISSED"
        print(f"| {name} | {100 * mean:.2f} % | {100 * error:.2f} | {counts[0]} to {counts[-1]} | {kept} | {used} |", flush=True)


if __name__ == "__main__":
    main()
