#!/usr/bin/env python3
"""Toys against zuko's flows in the same seconds: gaps to the exact density, in nats.

    bench/toys.py --seconds 60 --threads 2 --python VENV/bin/python [--toys moons,rings] [--entries ...] [--out FILE.md]

For each toy (20,000 rows to learn from, 20,000 fresh ones to test on) in turns: the program's default, a spec
written by hand (SPEC below), and zuko's NSF (couplings; autoregressive) and MAF by the recipe of their users:
standardised rows, 5 transforms, 128 x 128, AdamW 1e-3 with a cosine, batch 256, gradients clipped at 5, best
validation weights. The gap is the mean of true log p - log p over the test rows. Time is what training takes:
zuko's does not count the start of Python, the program's counts everything.

VENV holds torch, zuko and numpy: pip install -r bench/peers/requirements-spline.txt
"""
import argparse
import ctypes
import glob
import json
import os
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOYS = ["parabola", "moons", "rings", "eight-gaussians", "pinwheel", "spirals", "checkerboard", "swissroll"]
ENTRIES = ["nicest", "spec", "nsf", "nsf-ar", "maf"]
ROWS = 20000


def coupling_spec(couplings=10, hidden="64x2", bins=8, bound=4):
    lines = ["nicest 1", "columns 2", "standardise"]
    for i in range(couplings):
        move = "first" if i % 2 else "second"
        lines.append(f"coupling move={move} hidden={hidden} activation=silu rule=spline bins={bins} bound={bound}")
    return "\n".join(lines + ["prior normal", ""])


# The spec written by hand, and options of training that go with it. Many small couplings and a high rate learn more in
# the same seconds than few wide ones: of spirals, a third less gap than six of 128x2 with 16 bins.
SPEC = (coupling_spec(), ["--batch", "512", "--lr", "3e-3"])


def run_nicest(program, toy, seconds, threads, seed, spec=None):
    with tempfile.TemporaryDirectory() as folder:
        command = [program, "train", f"toy:{toy},n={ROWS}", "--test", f"toy:{toy},n={ROWS},stream=9",
                   "--time", f"{seconds:g}s", "--threads", str(threads), "--seed", str(seed), "--json", "-q",
                   "-o", os.path.join(folder, "m.safetensors")]
        if spec:
            path = os.path.join(folder, "spec.txt")
            with open(path, "w") as file:
                file.write(spec[0])
            command += ["--spec", path, *spec[1]]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)}: {done.stderr}")
        found = json.loads(done.stdout.strip().splitlines()[-1])
        return {"gap": found["gap"], "steps": found["steps"], "seconds": found["seconds"]}


def toy_rows(program, folder, toy, stream):
    import numpy as np
    path = os.path.join(folder, f"{stream}.npy")
    subprocess.run([program, "convert", f"toy:{toy},n={ROWS},stream={stream}", "-o", path, "-q"], check=True)
    return np.load(path).astype("float64")


def true_density(program, toy, rows):
    import numpy as np
    library = ctypes.CDLL(glob.glob(os.path.join(os.path.dirname(program), "libnicest.so*"))[0])
    rows, logp = np.ascontiguousarray(rows), np.empty(len(rows))
    library.nicest_toy_log_density(toy.encode(), rows.ctypes.data_as(ctypes.c_void_p),
                                   ctypes.c_size_t(len(rows)), logp.ctypes.data_as(ctypes.c_void_p))
    return logp


def peer(program, kind, toy, seconds, threads, seed):
    """In a process of its own (--peer): trains one of zuko's flows and prints its gap as JSON."""
    import math
    import torch
    import zuko
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    with tempfile.TemporaryDirectory() as folder:
        rows, test = toy_rows(program, folder, toy, 0), toy_rows(program, folder, toy, 9)
    truth = true_density(program, toy, test).mean()
    mean, deviation = rows.mean(0), rows.std(0)
    shape = {"features": 2, "transforms": 5, "hidden_features": (128, 128)}
    flow = (zuko.flows.MAF(**shape) if kind == "maf" else
            zuko.flows.NSF(**shape, bins=8, passes=2) if kind == "nsf" else zuko.flows.NSF(**shape, bins=8))
    x, valid, test = (torch.tensor((part - mean) / deviation, dtype=torch.float32)
                      for part in (rows[:18000], rows[18000:], test))
    optimizer = torch.optim.AdamW(flow.parameters(), lr=1e-3)
    best, weights, steps, begin, checked = math.inf, None, 0, time.monotonic(), time.monotonic()
    while (elapsed := time.monotonic() - begin) < seconds:
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * 0.5 * (1 + math.cos(math.pi * elapsed / seconds))
        loss = -flow().log_prob(x[torch.randint(len(x), (256,))]).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(flow.parameters(), 5)
        optimizer.step()
        steps += 1
        if time.monotonic() - checked > seconds / 20:
            with torch.no_grad():
                found = -flow().log_prob(valid).mean().item()
            if found < best:
                best, weights = found, {k: v.clone() for k, v in flow.state_dict().items()}
            checked = time.monotonic()
    took = time.monotonic() - begin
    with torch.no_grad():
        if -flow().log_prob(valid).mean().item() > best:
            flow.load_state_dict(weights)
        logp = flow().log_prob(test).double().mean().item() - math.log(deviation[0] * deviation[1])
    print(json.dumps({"gap": truth - logp, "steps": steps, "seconds": took}))


def run_peer(options, kind, toy):
    command = [options.python, os.path.abspath(__file__), "--peer", kind, "--toys", toy, "--nicest", options.nicest,
               "--seconds", f"{options.seconds:g}", "--threads", str(options.threads), "--seed", str(options.seed)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def page(options, found):
    entries = options.entries.split(",")
    peers = [e for e in entries if e in ("nsf", "nsf-ar", "maf")]
    lines = ["| toy | " + " | ".join(entries) + " | bar |", "|---|" + "---|" * (len(entries) + 1)]
    for toy, row in found.items():
        bar = max(0.02, 0.8 * min(row[e]["gap"] for e in peers)) if peers else float("nan")
        cells = [f"{row[e]['gap']:.4f} ({row[e]['steps']} steps)" for e in entries]
        lines.append(f"| {toy} | " + " | ".join(cells) + f" | {bar:.4f} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nicest", default=os.path.join(ROOT, "build", "release", "nicest"))
    parser.add_argument("--python", default=sys.executable, help="of the peers")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--toys", default=",".join(TOYS))
    parser.add_argument("--entries", default=",".join(ENTRIES))
    parser.add_argument("--out", help="where the table goes too")
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        return peer(options.nicest, options.peer, options.toys, options.seconds, options.threads, options.seed)
    found = {}
    for toy in options.toys.split(","):
        found[toy] = {}
        for entry in options.entries.split(","):
            if entry in ("nicest", "spec"):
                spec = SPEC if entry == "spec" else None
                row = run_nicest(options.nicest, toy, options.seconds, options.threads, options.seed, spec)
            else:
                row = run_peer(options, entry, toy)
            found[toy][entry] = row
            print(f"{toy} {entry}: gap {row['gap']:.4f}, {row['steps']} steps, {row['seconds']:.0f} s",
                  file=sys.stderr, flush=True)
    table = page(options, found)
    print(table)
    if options.out:
        with open(options.out, "w") as file:
            file.write(table)


main()
