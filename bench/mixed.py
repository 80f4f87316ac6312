#!/usr/bin/env python3
"""Five mixed tables: does every command work, and how likely are held-out rows beside two plain models?

    PATH=build/release:$PATH python3 bench/mixed.py FOLDER [--time 20s] [--splits 1] [--option=...] [NAME ...]

FOLDER has adult.csv.gz, titanic.csv, penguins.csv, mpg.csv, diamonds.csv.gz. A fifth of the rows is held out, and a tenth of the
others chooses the settings of both baselines; they are then fitted to all of these, as nicest is.

independent  a histogram of each number, uniform within its bins (4 to 256 of about as many rows each, chosen for each column; a
             value as frequent as a bin has one of its own), and frequencies of the words, one added to each count;
tree         these, and a Chow-Liu tree: each column given one other, both cut into groups of bins (3 to 32), the pairs by mutual
             information less its bias; an empty cell is one more group; the table of a pair is drawn towards independence.

All three are densities of the same: what has a probability and what a density, the steps of numbers and their units, is read from the model
file. So 17 in a column of whole numbers is the piece 17 to 18, 0 at a mass point has a probability, and an empty cell of words is a word. Which
numbers are empty is given to all three. Two tables: log p, its means over the held-out rows of all splits, and the exit codes of the commands in
the first split. Rows that nicest calls impossible are counted and left out of all three means."""
import argparse
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import pandas as pd

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
from nicest_numpy import load  # noqa: E402

SETS = {"adult": "adult.csv.gz", "titanic": "titanic.csv", "penguins": "penguins.csv", "mpg": "mpg.csv",
        "diamonds": "diamonds.csv.gz"}
DROP = {"mpg": ["name"]}
MISSING = ["", "?"]
BINS, GROUPS, PULLS = (4, 8, 16, 32, 64, 128, 256), (3, 4, 6, 8, 12, 16, 24, 32), (0.5, 2, 8, 32)


def numbers(cells):
    return pd.to_numeric(pd.Series(cells), errors="coerce").to_numpy(float, copy=True)


class Column:
    """Fine bins of one column: `code` of cells (-1: empty and not counted), log density of each bin."""

    def __init__(self, cells, role, table, bins):
        self.role, self.points, self.words = role, table[~np.isnan(table)], role["role"] > 0
        if self.words:
            known = sorted(set(cells) - set(MISSING)) + ["" for _ in table[np.isnan(table)]]
            self.place = {word: i for i, word in enumerate(known)}
            self.width = np.ones(len(known) + 1)  # the last: a word never seen
        else:
            x = self.levels(cells)
            x = x[~np.isnan(x)]
            edges = np.quantile(x, np.linspace(0, 1, bins + 1))
            if role["step"]:
                value, count = np.unique(x, return_counts=True)
                often = value[count * bins >= len(x)]
                edges = np.concatenate([np.floor(edges), often, often + 1, [x.max() + 1]])
            edges = np.unique(edges)
            wide = max(edges[-1] - edges[0], 1e-9)
            self.edges = np.concatenate([[edges[0] - wide], edges, [edges[-1] + wide]])
            self.width = np.concatenate([np.ones(len(self.points)), np.diff(self.edges) * (role["unit"] or 1)])
        code = self.code(cells)
        count = np.bincount(code[code >= 0], minlength=len(self.width)) + 1.0
        self.mass = count / count.sum()
        self.log_density = np.log(self.mass) - np.log(self.width)

    def levels(self, cells):
        """Numbers in steps; NaN where there is none, or at a mass point."""
        x = numbers(cells)
        x[np.isin(x.astype(np.float32), self.points.astype(np.float32))] = np.nan
        return np.rint((x - self.role["origin"]) / self.role["step"]) if self.role["step"] else x

    def code(self, cells):
        if self.words:
            cells = ["" if cell in MISSING else cell for cell in cells]
            return np.array([self.place.get(cell, -1 if cell == "" else len(self.width) - 1) for cell in cells])
        x = self.levels(cells)
        inside = np.clip(np.searchsorted(self.edges, x, "right") - 1, 0, len(self.edges) - 2)  # far out: the last bin
        code = np.where(np.isnan(x), -1, inside + len(self.points))
        value = numbers(cells).astype(np.float32)
        for i, point in enumerate(self.points):
            code[value == np.float32(point)] = i
        return code

    def log_p(self, code):
        return np.where(code < 0, 0, self.log_density[code])

    def groups(self, most):
        """The group of each bin: words and mass points alone, neighbouring bins of numbers together."""
        group, alone = np.arange(len(self.width)), 0 if not self.words else len(self.width)
        alone = alone or len(self.points)
        mass = self.mass[alone:]
        if len(mass):
            middle = (np.cumsum(mass) - mass / 2) / mass.sum()
            group[alone:] = alone + np.minimum(middle * most, most - 1).astype(int)
        return np.unique(group, return_inverse=True)[1]


class Tree:
    """log p(child's group | parent's) - log p(child's group), pair by pair."""

    def __init__(self, columns, codes, most, pull):
        self.groups = [np.append(c.groups(most), -1) for c in columns]  # [-1]: empty
        self.pull, self.pairs = pull, []
        seen = [g[code] for g, code in zip(self.groups, codes)]
        d, n = len(columns), len(codes[0])
        gain = np.array([[self.information(seen[a], seen[b], n) if a < b else 0 for b in range(d)] for a in range(d)])
        gain = gain + gain.T
        inside = [0]
        while len(inside) < d:  # Prim
            outside = [j for j in range(d) if j not in inside]
            best = gain[np.ix_(inside, outside)]
            a, b = np.unravel_index(best.argmax(), best.shape)
            if best[a, b] > 0:
                self.pairs.append((inside[a], outside[b], self.table(seen, columns, inside[a], outside[b])))
            inside.append(outside[b])

    def counts(self, a, b):
        table = np.zeros((a.max(initial=0) + 2, b.max(initial=0) + 1))  # the last line: an empty parent
        np.add.at(table, (a[b >= 0], b[b >= 0]), 1)
        return table

    def information(self, a, b, n):
        p = self.counts(a, b)
        p = p[p.sum(1) > 0][:, p.sum(0) > 0] / n
        rows, columns = p.sum(1, keepdims=True), p.sum(0, keepdims=True)
        terms = p * np.log(np.where(p > 0, p * p.sum(), 1) / (rows * columns))
        return terms.sum() - (p.shape[0] - 1) * (p.shape[1] - 1) / (2 * n)

    def table(self, seen, columns, parent, child):
        mass = np.bincount(self.groups[child][:-1], columns[child].mass)
        count = np.zeros((self.groups[parent].max() + 2, len(mass)))
        raw = self.counts(seen[parent], seen[child])
        count[:raw.shape[0] - 1, :raw.shape[1]], count[-1, :raw.shape[1]] = raw[:-1], raw[-1]
        given = (count + self.pull * mass) / (count.sum(1, keepdims=True) + self.pull)
        return np.log(given / mass)

    def log_p(self, codes):
        seen = [g[code] for g, code in zip(self.groups, codes)]
        return sum((np.where(seen[b] < 0, 0, table[seen[a], seen[b]]) for a, b, table in self.pairs), np.zeros(len(codes[0])))


def roles(model):
    """Names of the columns, and what each is, from the model file."""
    tensors, metadata = load(model)
    names = json.loads(metadata["nicest.schema"])["names"]
    get = lambda key: tensors.get(f"entry.{key}", np.zeros(len(names)))
    tables = np.split(tensors.get("entry.table", np.zeros(0)), np.cumsum(get("states")).astype(int))
    return names, [({key: get(key)[j] for key in ("role", "step", "origin", "unit")}, tables[j]) for j in range(len(names))]


def baselines(train, test, model):
    """log p of the test rows under both, and the settings of the tree."""
    names, kinds = roles(model)
    fit, choose = train.iloc[len(train) // 10:], train.iloc[:len(train) // 10]
    bins = []
    for name, kind in zip(names, kinds):
        found = [Column(fit[name], *kind, b) for b in (BINS if kind[0]["role"] == 0 else BINS[:1])]
        bins.append(BINS[np.argmax([c.log_p(c.code(choose[name])).mean() for c in found])])
    build = lambda rows: [Column(rows[name], *kind, b) for name, kind, b in zip(names, kinds, bins)]
    codes = lambda columns, rows: [c.code(rows[name]) for c, name in zip(columns, names)]
    part = build(fit)
    fitted, chosen = codes(part, fit), codes(part, choose)
    value, most, pull = max((Tree(part, fitted, most, pull).log_p(chosen).mean(), most, pull)
                            for most in GROUPS for pull in PULLS)
    columns = build(train)
    seen = codes(columns, test)
    alone = sum(c.log_p(code) for c, code in zip(columns, seen))
    return alone, alone + Tree(columns, codes(columns, train), most, pull).log_p(seen), f"{most} groups, pull {pull}"


def run(*words):
    done = subprocess.run(["nicest", *words, "--json", "-q"], capture_output=True, text=True)
    last = (done.stdout.strip().splitlines() or ["{}"])[-1]
    return done.returncode, json.loads(last) if last.startswith("{") else {}, done.stderr.strip()


def commands(train, test, given, seed, work):
    """Runs them all: their exit codes, what verify says, and the files they wrote."""
    place = lambda file: os.path.join(work, file)
    rng = np.random.default_rng(seed)
    model, rows, held, holes = (place(f) for f in ("m.safetensors", "train.csv", "test.csv", "holes.csv"))
    train.to_csv(rows, index=False)
    test.to_csv(held, index=False)
    test.iloc[:200].mask(rng.random((min(200, len(test)), test.shape[1])) < 0.1, "").to_csv(holes, index=False)
    codes, proof = [], {}
    for verb, words in {"train": [rows, "-o", model, "--time", given.time, *given.option], "verify": [model, held],
                        "score": [model, held, "-o", place("score.csv")], "sample": [model, "-n", "1000", "-o", place("new.csv")],
                        "impute": [model, holes, "-o", place("filled.csv")],
                        "outliers": [model, held, "-o", place("odd.csv")]}.items():
        code, said, error = run(verb, *words, "--seed", str(seed))
        codes.append(str(code))
        proof = said if verb == "verify" else proof
        if code:
            print(f"  nicest {verb}: {error}", file=sys.stderr)
    return codes, proof, model, {f: pd.read_csv(place(f + ".csv"), dtype=str, keep_default_na=False)
                                 for f in ("score", "new", "filled", "odd")}


def measure(name, table, given):
    """The line of log p, and the line of commands."""
    ours, alone, tree, settings, works = [], [], [], [], None
    for seed in range(1, given.splits + 1):
        order = table.iloc[np.random.default_rng(seed).permutation(len(table))]
        test, train = order.iloc[:len(table) // 5], order.iloc[len(table) // 5:]
        with tempfile.TemporaryDirectory() as work:
            codes, proof, model, made = commands(train, test, given, seed, work)
            ours.append(made["score"]["logp"].to_numpy(float))
            for found, value in zip((alone, tree, settings), baselines(train, test, model)):
                found.append(value)
        if not works:
            flagged = made["odd"][made["odd"]["outlier"] == "1"]
            works = (f"| {name} | {' | '.join(codes)} | {'yes' if proof.get('ok') else 'NO'} | {proof['inverse_max']:.1e} | "
                     f"{proof['logdet_max_error']:.1e} | {proof['gradient_max_error']:.1e} | {len(made['new'])} | "
                     f"{made['filled'].isin(MISSING).to_numpy().sum()} of {len(made['filled'])} | {(flagged['why'] != '').sum()} of {len(flagged)} |")
    ours, alone, tree = (np.concatenate(v) for v in (ours, alone, tree))
    possible = np.isfinite(ours)
    gains = [(ours - other)[possible] for other in (alone, tree)]
    gain = " | ".join(f"{g.mean():+.3f} +- {g.std(ddof=1) / np.sqrt(len(g)):.3f}" for g in gains)
    means = " | ".join(f"{v[possible].mean():.3f}" for v in (ours, alone, tree))
    return f"| {name} | {len(train)} | {len(ours)} | {(~possible).sum()} | {means} | {gain} | {'; '.join(sorted(set(settings)))} |", works


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder")
    options.add_argument("names", nargs="*")
    options.add_argument("--time", default="20s")
    options.add_argument("--splits", type=int, default=1)
    options.add_argument("--option", action="append", default=[], help="of nicest train, as --option=--calibration=0")
    given = options.parse_intermixed_args()
    works = []
    print("| table | rows | held out | impossible | nicest | independent | tree | above independent | above the tree | "
          "the tree's settings |\n|---|---|---|---|---|---|---|---|---|---|")
    for name in given.names or SETS:
        table = pd.read_csv(os.path.join(given.folder, SETS[name]), dtype=str, keep_default_na=False, skipinitialspace=True)
        table = table.rename(columns=str.strip).drop(columns=DROP.get(name, []))
        density, line = measure(name, table, given)
        print(density, flush=True)
        works.append(line)
    print("\n| table | train | verify | score | sample | impute | outliers | ok | inverse | log-determinant | gradient | samples | "
          "left empty | flagged rows with reasons |\n|" + "---|" * 14)
    print("\n".join(works))


if __name__ == "__main__":
    main()
