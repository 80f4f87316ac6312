#!/usr/bin/env python3
"""The default beside everything that a user would take instead, on tables: held-out log p in nats.

    bench/density.py FOLDER [--outliers FOLDER] [--nicest build/release/nicest] [--tables a,b] [--splits 3]
                     [--seconds 20] [--rows N] [--peers gaussian,copula,mixture,kde,nsf,nsf-ar,maf,nflows] [-o results.json]

FOLDER holds the density tables (NAME.data.csv.gz, winequality-red.csv, digits.csv.gz); --outliers the ADBench sets, whose normal
rows (magic, shuttle) are two more. All see the same numbers: rows shuffled by the split's seed, 80 % to fit (at most --rows of
them), 20 % to test; constant columns and columns that follow linearly from those before them (R^2 > 1 - 1e-6) left out;
uniform noise of the printed resolution added; standardised by the fitted rows. Log p is of the standardised columns.
Peers hold a tenth of the fitted rows out to choose by; covariance floor 1e-8. Flows (zuko, nflows): 5 transforms, 8 bins, 128x128, AdamW
1e-3, cosine over the given seconds, batch 256, clip 5, best validation weights. Needs NumPy, SciPy, scikit-learn, and torch with zuko and nflows for the flows."""
import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

TABLES = ["airfoil", "concrete", "elevators", "gas", "parkinsons", "skillcraft", "wine", "digits", "magic", "shuttle"]
FLOOR = 1e-8


def resolution(words):
    """The last printed digit of a column's most precise value."""
    least = 0
    for w in words:
        base, _, power = w.lower().partition("e")
        least = min(least, -len(base.partition(".")[2].rstrip("0")) + int(power or 0))
    return 10.0 ** least


def read(args, name):
    if name in ("magic", "shuttle"):
        file = np.load(os.path.join(args.outliers, {"magic": "22_magic.gamma.npz", "shuttle": "32_shuttle.npz"}[name]))
        x = file["X"][file["y"] == 0].astype(float)
        steps = [resolution(f"{v:.10g}" for v in np.unique(x[:, j])) for j in range(x.shape[1])]
        return x, steps
    path = {"wine": "winequality-red.csv", "digits": "digits.csv.gz"}.get(name, name + ".data.csv.gz")
    path = os.path.join(args.folder, path)
    with (gzip.open if path.endswith("gz") else open)(path, "rt") as file:
        rows = [line.strip().split(",") for line in file]
    rows = [r for r in rows if r[0][:1] in "-.0123456789" and r[0]]
    if name == "digits":
        rows = [r[:-1] for r in rows]
    return np.array(rows, float), [resolution(set(c)) for c in zip(*rows)]


def prepare(args, name, split):
    x, steps = read(args, name)
    random = np.random.default_rng([split, 77])
    keep = []
    for j in range(x.shape[1]):
        if x[:, j].std() == 0:
            continue
        a = np.column_stack([x[:, keep], np.ones(len(x))])
        a = a / np.maximum(np.abs(a).max(0), 1e-300)
        rest = x[:, j] - a @ np.linalg.lstsq(a, x[:, j], rcond=None)[0]
        if rest.var() > 1e-6 * x[:, j].var():
            keep.append(j)
    x = x[:, keep] + (random.uniform(size=(len(x), len(keep))) - 0.5) * np.array(steps)[keep]
    x = random.permutation(x)
    cut = len(x) * 4 // 5
    train, test = x[:cut], x[cut:]
    train = train[:args.rows] if args.rows else train
    mean, size = train.mean(0), train.std(0)
    return (train - mean) / size, (test - mean) / size


# ---------------------------------------------------------------- peers: fit(train, seconds) -> function of rows to log p

def gaussian(train, _):
    from scipy.stats import multivariate_normal
    c = np.cov(train.T).reshape(train.shape[1], -1) + FLOOR * np.eye(train.shape[1])
    return lambda x: multivariate_normal(train.mean(0), c, allow_singular=False).logpdf(x)


def copula(train, _):
    """A kernel density of each column, a Gaussian between them."""
    from scipy.stats import norm
    columns = []
    for j in range(train.shape[1]):
        v = train[:, j][:2000]
        q75, q25 = np.percentile(v, [75, 25])
        h = 0.9 * max(min(v.std(), (q75 - q25) / 1.34), 1e-3) * len(v) ** -0.2
        columns.append((v, h))

    def to_normal(x):
        z, logd = np.empty_like(x), np.zeros(len(x))
        for j, (v, h) in enumerate(columns):
            for i in range(0, len(x), 500):
                t = (x[i:i + 500, j, None] - v) / h
                low, high = norm.cdf(t).mean(1), norm.sf(t).mean(1)
                z[i:i + 500, j] = np.where(low < high, norm.ppf(np.maximum(low, 1e-300)), norm.isf(np.maximum(high, 1e-300)))
                logd[i:i + 500] += np.log(np.maximum(np.exp(-t * t / 2).mean(1) / (h * np.sqrt(2 * np.pi)), 1e-300))
        return z, logd + 0.5 * (z * z + np.log(2 * np.pi)).sum(1)
    joint = gaussian(to_normal(train)[0], 0)

    def logp(x):
        z, logd = to_normal(x)
        return joint(z) + logd
    return logp


def hold_out(train):
    order = np.random.default_rng(5).permutation(len(train))
    cut = max(len(train) // 10, 1)
    return train[order[cut:]], train[order[:cut]]


def mixture(train, seconds):
    from sklearn.mixture import GaussianMixture
    fit, valid = hold_out(train)
    best = -np.inf
    began = time.time()
    for k in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32):
        if k * 3 > len(fit) or k > 1 and time.time() - began > 3 * seconds:
            break
        score = GaussianMixture(k, reg_covar=FLOOR, random_state=0, max_iter=200).fit(fit).score(valid)
        if score > best:
            best, parts = score, k
        elif k >= 3 * parts:
            break
    return GaussianMixture(parts, reg_covar=FLOOR, random_state=0, max_iter=200).fit(train).score_samples


def kde(train, _):
    from sklearn.neighbors import KernelDensity
    fit, valid = hold_out(train[:5000])
    h = max(np.geomspace(0.02, 1, 12), key=lambda h: KernelDensity(bandwidth=h).fit(fit).score(valid))
    return KernelDensity(bandwidth=h).fit(train).score_samples


def flow(make):
    def fit(train, seconds):
        import torch
        torch.manual_seed(0)
        learn, valid = (torch.tensor(a, dtype=torch.float32) for a in hold_out(train))
        f = make(train.shape[1])
        optimizer = torch.optim.AdamW(f.parameters(), 1e-3)
        began, best, state, step = time.time(), -np.inf, None, 0
        checks = max(len(learn) // 256, 20)
        while time.time() - began < seconds:
            order = torch.randperm(len(learn))
            for i in range(0, len(learn), 256):
                part = min((time.time() - began) / seconds, 1)
                for group in optimizer.param_groups:
                    group["lr"] = 1e-3 * 0.5 * (1 + np.cos(np.pi * part))
                loss = -log_prob(f, learn[order[i:i + 256]]).mean()
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(f.parameters(), 5)
                if torch.isfinite(loss):
                    optimizer.step()
                step += 1
                if step % checks == 0:
                    with torch.no_grad():
                        score = float(log_prob(f, valid).mean())
                    if score > best:
                        best, state = score, {k: v.clone() for k, v in f.state_dict().items()}
                if time.time() - began > seconds:
                    break
        if state:
            f.load_state_dict(state)

        def logp(x):
            with torch.no_grad():
                return np.concatenate([log_prob(f, torch.tensor(x[i:i + 4096], dtype=torch.float32)).numpy()
                                       for i in range(0, len(x), 4096)])
        return logp

    def log_prob(f, x):
        return f.log_prob(x) if hasattr(f, "log_prob") else f().log_prob(x)
    return fit


def zuko_nsf(d):
    import zuko
    return zuko.flows.NSF(d, transforms=5, bins=8, hidden_features=(128, 128), passes=2 if d > 1 else None)


def zuko_nsf_ar(d):
    import zuko
    return zuko.flows.NSF(d, transforms=5, bins=8, hidden_features=(128, 128))


def zuko_maf(d):
    import zuko
    return zuko.flows.MAF(d, transforms=5, hidden_features=(128, 128))


def nflows_nsf(d):
    from nflows.distributions import StandardNormal
    from nflows.flows import Flow
    from nflows.nn.nets import ResidualNet
    from nflows.transforms import (CompositeTransform, LULinear, PiecewiseRationalQuadraticCouplingTransform, RandomPermutation)
    parts = []
    for i in range(5):
        parts += [RandomPermutation(d), LULinear(d), PiecewiseRationalQuadraticCouplingTransform(
            [(i + j) % 2 for j in range(d)], lambda a, b: ResidualNet(a, b, 128, num_blocks=2), num_bins=8, tails="linear",
            tail_bound=3, apply_unconditional_transform=True)]
    return Flow(CompositeTransform(parts), StandardNormal([d]))


PEERS = {"gaussian": gaussian, "copula": copula, "mixture": mixture, "kde": kde, "nsf": flow(zuko_nsf),
         "nsf-ar": flow(zuko_nsf_ar), "maf": flow(zuko_maf), "nflows": flow(nflows_nsf)}


def ours(args, train, test, folder):
    paths = [os.path.join(folder, n) for n in ("train.npy", "test.npy", "m.safetensors", "s.csv")]
    np.save(paths[0], train)
    np.save(paths[1], test)
    done = subprocess.run([args.nicest, "train", paths[0], "--calibration", "0", "-o", paths[2], "--time", f"{args.seconds}s", *args.options.split()],
                          capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    said = [line.strip() for line in done.stderr.splitlines() if any(w in line for w in ("start:", "closed forms", "couplings"))]
    subprocess.run([args.nicest, "score", paths[2], paths[1], "-o", paths[3], "-q"], check=True)
    return np.genfromtxt(paths[3], delimiter=",", skip_header=1).reshape(len(test), -1)[:, 0], said


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--outliers", default="")
    parser.add_argument("--nicest", default="build/release/nicest")
    parser.add_argument("--tables", default=",".join(TABLES))
    parser.add_argument("--splits", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--options", default="", help="more of the program's train")
    parser.add_argument("-o", dest="out", default="")
    args = parser.parse_args()
    results = []
    for name in args.tables.split(","):
        for split in range(1, args.splits + 1):
            train, test = prepare(args, name, split)
            with tempfile.TemporaryDirectory() as folder:
                began = time.time()
                logp, said = ours(args, train, test, folder)
            row = {"table": name, "split": split, "rows": len(train), "columns": train.shape[1], "said": said}
            row["nicest"] = [float(np.mean(logp)), float(np.std(logp) / len(logp) ** 0.5), 0, time.time() - began]
            for peer in filter(None, args.peers.split(",")):
                began = time.time()
                try:
                    other = PEERS[peer](train, args.seconds)(test)
                    off = other - logp
                    row[peer] = [float(np.mean(other)), float(np.std(other) / len(other) ** 0.5), float(np.std(off) / len(off) ** 0.5),
                                 time.time() - began]
                except Exception as error:  # a peer that fails is a dash, and says why
                    print(f"{name} {peer}: {error}", file=sys.stderr)
            results.append(row)
            print(name, split, f"{len(train)} x {train.shape[1]}", " ".join(f"{k} {v[0]:.3f}({v[3]:.0f}s)" for k, v in row.items() if isinstance(v, list) and k != "said"), *said, sep="\n   ", flush=True)
    if args.out:
        with open(args.out, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)


main()
