#!/usr/bin/env python3
"""Conditional toys: gaps to the true conditional density, in nats.

    bench/conditional.py [--seconds 30] [--threads 2]      # prints a table

moons: two half circles with noise, given which of the two (a word). branches: y = plus or minus (1.3 + x/2) with
noise 0.2, either sign as likely, given x uniform on [-2, 2]. 20,000 rows to learn from, 20,000 others to test on; the
gap is the mean of true log p(y | x) - log p. `verify` integrates the density given 4 or 16 of the test rows. Each is
learnt by default and with a spec written by hand."""
import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROWS = 20000
NORMAL = math.log(2 * math.pi)


def moons(rng):
    t, upper = math.pi * rng.random(), rng.random() < 0.5
    x, y = (math.cos(t), math.sin(t)) if upper else (1 - math.cos(t), 0.5 - math.sin(t))
    return rng.gauss(x, 0.1), rng.gauss(y, 0.1), "upper" if upper else "lower"


NODES = [math.pi * (i + 0.5) / 400 for i in range(400)]


def moons_logp(x, y, which):
    if which == "lower":  # the same curve, turned
        x, y = 1 - x, 0.5 - y
    terms = [-((x - math.cos(t)) ** 2 + (y - math.sin(t)) ** 2) / (2 * 0.1 ** 2) for t in NODES]
    most = max(terms)
    return most + math.log(sum(math.exp(v - most) for v in terms) / len(NODES)) - NORMAL - 2 * math.log(0.1)


def branches(rng):
    x = rng.uniform(-2, 2)
    return x, rng.gauss(rng.choice((-1, 1)) * (1.3 + x / 2), 0.2)


def branches_logp(x, y):
    return math.log(sum(math.exp(-(y - sign * (1.3 + x / 2)) ** 2 / 0.08) for sign in (-1, 1)) / 2) \
        - NORMAL / 2 - math.log(0.2)


SPLINES = "".join(f"coupling move={'first' if i % 2 else 'second'} hidden=64x2 activation=silu rule=spline bins=8 bound=4\n"
                  for i in range(8))
TOYS = {
    "moons": (moons, moons_logp, "x,y,which", "which",
              f"nicest 1\ncolumns 2\ncontext 4\nstandardise\n{SPLINES}prior normal\n"),
    "branches": (branches, branches_logp, "x,y", "x",
                 "nicest 1\ncolumns 1\ncontext 1\nstandardise\n" +
                 2 * "autoregressive hidden=64x2 activation=silu rule=spline bins=16 bound=4\n" + "prior normal\n"),
}


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def measure(options, name, folder, by_hand):
    draw, log_density, header, given, spec = TOYS[name]
    paths = [os.path.join(folder, f"{name}-{part}.csv") for part in ("train", "test")]
    truth = 0
    for seed, path in enumerate(paths):
        rng = random.Random(f"{name} {seed}")
        rows = [draw(rng) for _ in range(ROWS)]
        with open(path, "w") as file:
            file.write(header + "\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
        truth = sum(log_density(*row) for row in rows) / ROWS
    model = os.path.join(folder, name + ".safetensors")
    command = [options.nicest, "train", paths[0], "--given", given, "--test", paths[1], "--time", f"{options.seconds:g}s",
               "--threads", str(options.threads), "--json", "-q", "-o", model]
    if by_hand:
        with open(os.path.join(folder, "spec"), "w") as file:
            file.write(spec)
        command += ["--spec", file.name, "--batch", "512", "--lr", "3e-3"]
    found = run(command)
    proof = run([options.nicest, "verify", model, paths[1], "--threads", str(options.threads), "--json", "-q"])
    return truth - found["test_logp"], found, proof


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nicest", default=os.path.join(ROOT, "build", "release", "nicest"))
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    print("| toy | model | gap | mass that is the furthest from 1 | proven | steps |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name in TOYS:
            for by_hand in (False, True):
                gap, found, proof = measure(options, name, folder, by_hand)
                print(f"| {name} | {'by hand' if by_hand else 'default'} | {gap:.4f} +- {found['test_sem']:.4f} | "
                      f"{proof['integral']:.4f} | {'yes' if proof['ok'] else '**no**'} | {found['steps']} |", flush=True)


main()
