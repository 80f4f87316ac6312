#!/usr/bin/env python3
"""Spline couplings beside nflows, zuko and distrax: the same table model, weights and work, in turns.

    python3 -m venv build/spline-venv
    build/spline-venv/bin/pip install -r bench/peers/requirements-spline.txt
    build/spline-venv/bin/python bench/peers_spline.py             # some 8 minutes; writes docs/results/peers-spline.md

8 columns, five rational-quadratic spline couplings of 2 x 128 with 8 bins, batch 512. Before anything is timed every
mode has to compute nicest's log-likelihoods from the same model file to 1e-5 of the largest. Each mode is measured
right after `nicest bench --models spline`, round by round; a ratio is the median over rounds of such pairs."""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time

import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HERE = os.path.join(ROOT, "bench", "peers")
sys.path.insert(0, HERE)
import common  # noqa: E402
import compare  # noqa: E402
import spline_model  # noqa: E402

compare.PROGRAMS = {"torch": "peer_spline_torch.py", "jax": "peer_spline_jax.py"}
TOLERANCE = 1e-5
GOALS = {"nflows": 5, "zuko": 5, "distrax": 3}
UNITS = {"step": ("training step, ms", lambda s, m: 1e3 * s),
         "score": ("rows scored a second", lambda s, m: m.many / s),
         "sample": ("rows sampled a second", lambda s, m: m.many / s),
         "one_row": ("one row, us", lambda s, m: 1e6 * s)}


def nicest_bench(options):
    out = json.loads(compare.run([options.nicest, "bench", "--json", "-q", "--threads", str(options.threads), "--models",
                                  "affine,spline" if options.affine else "spline", "--seconds",
                                  str(options.nicest_seconds)]).splitlines()[-1])
    many = common.MODELS["spline"].many
    figures = {"step": out["step_ms"]["spline"] / 1e3, "score": many / out["score_rows_per_second"]["spline"],
               "one_row": out["one_row_us"]["spline"] / 1e6, "sample": many / out["sample_rows_per_second"]["spline"]}
    return figures, out


def likelihoods(options, folder):
    """A model file and rows, some of them outside of the box; nicest's log p of them."""
    model = common.MODELS["spline"]
    at = {"path": os.path.join(folder, "spline.safetensors"), "rows": os.path.join(folder, "spline.npy")}
    rows = np.float32(2) * common.rows_of(model, 1024, 3)
    spline_model.write_model(at["path"], model)
    np.save(at["rows"], rows)
    compare.run([options.nicest, "score", at["path"], at["rows"], "-q", "-o", os.path.join(folder, "logp.npy")])
    return at, np.load(os.path.join(folder, "logp.npy")).reshape(-1), float((np.abs(rows) > spline_model.BOUND).mean())


def check(peers, at, ours, without):
    """Modes that run, with their differences; a mode that a library cannot do (torch.compile) is left out."""
    table, modes = [], []
    for peer in peers.values():
        for mode in [m for m in peer.modes if m not in without]:
            got = peer.ask(what="check", mode=mode, model="spline", path=at["path"], rows=at["rows"])
            if "failed" in got:
                print(f"{mode}: left out, {got['failed']}", flush=True)
                continue
            theirs = np.array(got["logp"])
            difference = np.abs(theirs - ours)
            relative = float(difference.max() / np.abs(ours).max())
            print(f"check {mode:16} largest difference {difference.max():.2g}, mean {difference.mean():.2g}, relative "
                  f"{relative:.2g}; log p {ours.mean():.4f} -> {got['trained']:.4f} in {common.CHECK_STEPS} steps",
                  flush=True)
            if relative > TOLERANCE:
                sys.exit(f"{mode} does not compute what nicest computes; nothing was timed")
            modes.append(mode)
            table.append([mode, float(difference.max()), relative, got["inverse"], got["trained"]])
    return table, modes


def measure(options, peers, modes, at):
    turns, outs, begin = [], [], time.time()
    works = list(UNITS)
    for number in range(options.rounds):
        each = (time.time() - begin) / max(number, 1)
        if number and time.time() - options.begin + each > 60 * options.minutes:
            break
        for peer in peers.values():
            for mode in [m for m in peer.modes if m in modes]:
                nicest, out = nicest_bench(options)
                got = peer.ask(what="measure", mode=mode, model="spline", path=at["path"], works=works,
                               seconds={work: options.seconds for work in works})
                turns.append({"mode": mode, "nicest": nicest, "peer": {w: got[w]["median"] for w in works}})
                outs.append(out)
                print(f"round {number + 1}: {mode}", flush=True)
    return turns, outs


def page(options, found):
    turns, model = found["turns"], common.MODELS["spline"]
    out, rounds = found["nicest"], len(turns) // len(found["modes"])
    versions = ", ".join(f"{k} {v}" for k, v in found["versions"].items())
    median = lambda get: statistics.median(get(o) for o in out)
    lines = ["# Spline couplings beside nflows, zuko and JAX\n",
             "Written by `bench/peers_spline.py`: 8 columns, five rational-quadratic spline couplings of 2 x 128 (ReLU) with 8 "
             f"bins, batch {model.batch}, {model.many} rows at once; the same weights and work. **times**: how many times as "
             f"long it takes as nicest, the median over {rounds} rounds of pairs measured one after the other, with least and most.\n"]
    if found["load"] > 0.5:
        lines.append(f"**Other work ran beside this: load {found['load']:.2f} before the run.**\n")
    lines += [f"Machine: {found['machine']}; {options.threads} threads each. {versions}; Python {platform.python_version()}. "
              f"The run took {found['seconds'] / 60:.0f} minutes. Left out: {options.without or 'nothing'}.\n",
              "| | " + " | ".join(f"{UNITS[w][0]} | times" for w in UNITS) + " |", "|---" * (2 * len(UNITS) + 1) + "|"]
    for mode in [None, *found["modes"]]:
        mine = [t for t in turns if mode in (None, t["mode"])]
        cells = []
        for work, (_, convert) in UNITS.items():
            seconds = statistics.median(t["nicest" if mode is None else "peer"][work] for t in mine)
            ratios = sorted(t["peer"][work] / t["nicest"][work] for t in mine) if mode else []
            cells += [compare.show(convert(seconds, model)),
                      f"{statistics.median(ratios):.1f} ({ratios[0]:.1f}-{ratios[-1]:.1f})" if mode else ""]
        lines.append(f"| {mode or '**nicest**'} | " + " | ".join(cells) + " |")
    lines += ["\n| goal | least times | measured, the quickest of its modes | |", "|---|---|---|---|"]
    for library, least in GOALS.items():
        modes = [m for m in found["modes"] if m.startswith(library)]
        for work in ("step", "score", "sample"):
            got = min((statistics.median(t["peer"][work] / t["nicest"][work] for t in turns if t["mode"] == m)
                       for m in modes), default=None)
            if got:
                lines.append(f"| {library}, {work} | {least} | {got:.1f} | {'met' if got >= least else '**missed**'} |")
    one = 1e6 * statistics.median(t["nicest"]["one_row"] for t in turns)
    lines.append(f"| one row, us at most | 15 | {one:.1f} | {'met' if one <= 15 else '**missed**'} |")
    if options.affine:
        ratio = median(lambda o: o["step_ms"]["spline"] / o["step_ms"]["affine"])
        lines.append(f"| step of splines, times that of affine couplings, at most | 2.0 | {ratio:.2f} | "
                     f"{'met' if ratio <= 2 else '**missed**'} |")
    lines += ["\n## The same likelihood\n",
              f"1024 rows of deviation 2 ({100 * found['outside']:.1f} % of their values outside of the box) under the same model file: "
              "the largest difference to nicest's log p in nats, and relative to the largest |log p|; the largest error of "
              f"the library's inverse(forward(x)); mean log p before ({found['logp']:.4f}) and after {common.CHECK_STEPS} steps of "
              f"Adam at {common.CHECK_RATE}.\n", "| mode | difference | relative | its inverse | trained |", "|---|---|---|---|---|"]
    for mode, worst, relative, inverse, trained in found["check"]:
        lines.append(f"| {mode} | {worst:.2g} | {relative:.1g} | {inverse:.1g} | {trained:.4f} |")
    lines.append("\nzuko's parameters are other functions of the knots, so its knots are set by nicest's formulas and its spline, "
                 "coupling and flow are its own. nicest keeps the state of a row in double.")
    return "\n".join(lines) + "\n"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nicest", default=os.path.join(ROOT, "build", "release", "nicest"))
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=7.5, help="no round begins that would end later")
    parser.add_argument("--seconds", type=float, default=1, help="of each figure of a peer")
    parser.add_argument("--nicest-seconds", type=float, default=8, help="of each run of nicest bench")
    parser.add_argument("--affine", action=argparse.BooleanOptionalAction, default=True,
                        help="measure affine couplings too")
    parser.add_argument("--without", default="", help="modes that are left out, with commas between them")
    parser.add_argument("--check", action="store_true", help="only compare likelihoods")
    parser.add_argument("--out", default=os.path.join(ROOT, "docs", "results", "peers-spline.md"))
    parser.add_argument("--folder", default=os.path.join(ROOT, "build", "peers-spline"))
    return parser.parse_args()


def main():
    options = arguments()
    options.begin, load = time.time(), os.getloadavg()[0]
    os.makedirs(options.folder, exist_ok=True)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:options.threads])  # equal processors for all
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads), "PYTHONPATH": HERE,
                   "TORCHINDUCTOR_CACHE_DIR": os.path.join(options.folder, "inductor")}
    spline_model.prepare(common)
    at, ours, outside = likelihoods(options, options.folder)
    peers = {name: compare.Peer(name, environment) for name in compare.PROGRAMS}
    table, modes = check(peers, at, ours, options.without.split(","))
    if options.check:
        return
    for peer in peers.values():
        for mode in [m for m in peer.modes if m in modes]:
            peer.ask(what="warm", mode=mode, model="spline", path=at["path"], works=list(UNITS))
            print(f"compiled and warm: {mode}, {time.time() - options.begin:.0f} s", flush=True)
    turns, outs = measure(options, peers, modes, at)
    version = json.loads(compare.run([options.nicest, "version", "--json"]).splitlines()[-1])["version"]
    found = {"machine": compare.machine(), "load": load, "turns": turns, "nicest": outs, "modes": modes, "check": table,
             "outside": outside, "logp": float(ours.mean()),
             "versions": {"nicest": version, **{k: v for p in peers.values() for k, v in p.versions.items()}},
             "seconds": time.time() - options.begin}
    for peer in peers.values():
        peer.close()
    with open(options.out, "w") as file:
        file.write(page(options, found))
    print(f"{options.out}: {found['seconds']:.0f} s")


if __name__ == "__main__":
    main()
