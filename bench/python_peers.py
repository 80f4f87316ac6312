#!/usr/bin/env python3
"""Python beside Python: densities and outliers of nicest and of what people use, on the same splits.

    python3 bench/python_peers.py [--data ../shared/data] [--seconds 20] [--sets airfoil,14_glass] [--threads 2]
                                  [--methods nicest.Flow,KernelDensity] [--out docs/results/python.md]

Densities. Each set of --data/density is split by its first mask; columns are standardised by the training rows;
where values repeat, uniform noise as wide as the median gap between neighbouring values is added, the same
for every method: a density has no value at a spike. Every method gets the same rows and at most --seconds
to fit. The flows of zuko, nflows and normflows are the neural spline flows of their documentation, trained by
Adam (1e-3, batch 256) with a tenth of the rows to stop early, which nicest does on its own; parts of the
mixture and the bandwidth of the kernel are chosen on that tenth, too. Figures: mean log density of the
test rows in nats with its standard error, seconds to fit, seconds to score them.

--sets takes names of both. Outliers. Half of the normal rows of each set of --data/outliers train, the others and all anomalies are the
test; labels are used to measure alone. Defaults of each detector, on standardised columns.

Methods whose package is not installed are left out and named. Writes the tables into --out, between the
marks <!-- peers --> and <!-- end of peers -->.
"""
import argparse
import gzip
import importlib
import importlib.metadata
import os
import pathlib
import time

import numpy as np

DENSITY_SETS = ["airfoil", "concrete", "parkinsons", "skillcraft", "elevators"]
OUTLIER_SETS = ["14_glass", "18_Ionosphere", "22_magic.gamma", "27_PageBlocks", "38_thyroid"]


def has(*modules):
    """Imports them: no method pays for that in its seconds."""
    try:
        return all(importlib.import_module(m) for m in modules)
    except ImportError:
        return False


def version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # on PYTHONPATH
        return getattr(importlib.import_module(package), "__version__", "") if has(package) else None


# ---------------------------------------------------------------- data

def read_density(folder, name):
    """Training and test rows, standardised, without spikes."""
    with gzip.open(folder / f"{name}.data.csv.gz", "rt") as file:
        rows = np.loadtxt(file, delimiter=",")
    with gzip.open(folder / f"{name}.test_mask.csv.gz", "rt") as file:
        test = np.loadtxt(file, delimiter=",")[:, 0] > 0
    rng = np.random.default_rng(0)
    for column in rows.T:
        levels = np.unique(column)
        if len(levels) < len(column) and len(levels) > 1:
            column += rng.uniform(-0.5, 0.5, len(column)) * np.median(np.diff(levels))
    mean, deviation = rows[~test].mean(axis=0), rows[~test].std(axis=0)
    rows = (rows - mean) / np.where(deviation > 0, deviation, 1)
    rows = rows[:, deviation > 0]
    order = rng.permutation(np.flatnonzero(~test))
    return rows[order], rows[test]


def held_out(rows):
    tenth = max(len(rows) // 10, 1)
    return rows[tenth:], rows[:tenth]


# ---------------------------------------------------------------- densities: fit(rows, seconds) -> score(rows)

def fit_nicest(rows, options):
    import nicest
    flow = nicest.Flow(time=options.seconds, random_state=0, n_jobs=options.threads).fit(rows)
    return flow.score_samples


def fit_mixture(rows, options):
    from sklearn.mixture import GaussianMixture
    train, valid = held_out(rows)
    best, began = None, time.perf_counter()
    for parts in (1, 2, 4, 8, 16, 32):
        if parts * 4 > len(train) or time.perf_counter() - began > options.seconds / 2:
            break
        model = GaussianMixture(parts, reg_covar=1e-4, random_state=0).fit(train)
        if best is None or model.score(valid) > best[0]:
            best = model.score(valid), parts
    return GaussianMixture(best[1], reg_covar=1e-4, random_state=0).fit(rows).score_samples


def fit_kernel(rows, options):
    from sklearn.neighbors import KernelDensity
    train, valid = held_out(rows)
    began, found = time.perf_counter(), []
    for width in np.geomspace(0.05, 1.0, 12):
        found.append((KernelDensity(bandwidth=width).fit(train).score(valid), width))
        if time.perf_counter() - began > options.seconds:
            break
    return KernelDensity(bandwidth=max(found)[1]).fit(rows).score_samples


def learn(parameters, log_prob, rows, options):
    """Adam until the time is up or twenty looks at the held-out rows brought nothing; the best weights stay."""
    import torch
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    train, valid = (torch.tensor(part, dtype=torch.float32) for part in held_out(rows))
    optimizer, began = torch.optim.Adam(parameters, lr=1e-3), time.perf_counter()
    best, kept, since = -np.inf, None, 0
    while time.perf_counter() - began < options.seconds and since < 20:
        for batch in torch.randperm(len(train)).split(256):
            loss = -log_prob(train[batch]).mean()
            optimizer.zero_grad()
            loss.backward()
            if torch.isfinite(loss):
                torch.nn.utils.clip_grad_norm_(parameters, 5.0)
                optimizer.step()
            if time.perf_counter() - began > options.seconds:
                break
        with torch.no_grad():
            now = log_prob(valid).mean().item()
        since += 1
        if now > best:
            best, since = now, 0
            kept = [p.detach().clone() for p in parameters]
    with torch.no_grad():
        for parameter, value in zip(parameters, kept or []):
            parameter.copy_(value)

    def score(fresh):
        with torch.no_grad():
            return log_prob(torch.tensor(fresh, dtype=torch.float32)).double().numpy()
    return score


def fit_zuko(rows, options):
    import torch
    import zuko
    torch.manual_seed(0)
    flow = zuko.flows.NSF(rows.shape[1], transforms=3, hidden_features=(64, 64))
    return learn(list(flow.parameters()), lambda x: flow().log_prob(x), rows, options)


def fit_nflows(rows, options):
    import torch
    from nflows import distributions, flows, transforms
    torch.manual_seed(0)
    d, layers = rows.shape[1], []
    for _ in range(3):
        layers += [transforms.ReversePermutation(d), transforms.MaskedPiecewiseRationalQuadraticAutoregressiveTransform(
            d, 64, num_bins=8, tails="linear", tail_bound=5.0)]
    flow = flows.Flow(transforms.CompositeTransform(layers), distributions.StandardNormal([d]))
    return learn(list(flow.parameters()), flow.log_prob, rows, options)


def fit_normflows(rows, options):
    import normflows
    import torch
    torch.manual_seed(0)
    d, layers = rows.shape[1], []
    for _ in range(3):
        layers += [normflows.flows.AutoregressiveRationalQuadraticSpline(d, 2, 64), normflows.flows.LULinearPermute(d)]
    flow = normflows.NormalizingFlow(normflows.distributions.DiagGaussian(d, trainable=False), layers)
    return learn([p for p in flow.parameters() if p.requires_grad], flow.log_prob, rows, options)


DENSITIES = {"nicest.Flow": (fit_nicest, ["nicest.estimators"]), "GaussianMixture": (fit_mixture, ["sklearn.mixture"]),
             "KernelDensity": (fit_kernel, ["sklearn.neighbors"]), "zuko NSF": (fit_zuko, ["torch", "zuko"]),
             "nflows RQ-NSF": (fit_nflows, ["torch", "nflows"]), "normflows RQ-NSF": (fit_normflows, ["torch", "normflows"])}


# ---------------------------------------------------------------- outliers: fit(rows) -> oddness(rows)

def odd_nicest(rows, options):
    import nicest
    found = nicest.FlowOutlierDetector(time=options.seconds, random_state=0, n_jobs=options.threads).fit(rows)
    return lambda fresh: -found.score_samples(fresh)


def odd_forest(rows, options):
    from sklearn.ensemble import IsolationForest
    found = IsolationForest(random_state=0).fit(rows)
    return lambda fresh: -found.score_samples(fresh)


def odd_lof(rows, options):
    from sklearn.neighbors import LocalOutlierFactor
    found = LocalOutlierFactor(novelty=True).fit(rows)
    return lambda fresh: -found.score_samples(fresh)


def odd_pyod(module, name):
    def fit(rows, options):
        found = getattr(importlib.import_module(f"pyod.models.{module}"), name)().fit(rows)
        return found.decision_function
    return fit


OUTLIERS = {"FlowOutlierDetector": (odd_nicest, ["nicest.estimators"]),
            "IsolationForest": (odd_forest, ["sklearn.ensemble"]), "LocalOutlierFactor": (odd_lof, ["sklearn.neighbors"]),
            "PyOD ECOD": (odd_pyod("ecod", "ECOD"), ["pyod.models.ecod"]), "PyOD KNN": (odd_pyod("knn", "KNN"), ["pyod.models.knn"])}


def read_outliers(folder, name):
    found = np.load(folder / f"{name}.npz")
    rows, odd = found["X"].astype(float), found["y"] > 0
    normal = np.random.default_rng(0).permutation(np.flatnonzero(~odd))
    train = rows[normal[:len(normal) // 2]]
    test = np.concatenate([normal[len(normal) // 2:], np.flatnonzero(odd)])
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    scale = np.where(deviation > 0, deviation, 1)
    return (train - mean) / scale, (rows[test] - mean) / scale, odd[test]


# ---------------------------------------------------------------- the tables

def table(head, lines):
    out = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(out + ["| " + " | ".join(line) + " |" for line in lines])


def warm(methods, known):
    """Each has run once, on noise: what packages load late is in nobody's seconds."""
    rows = np.random.default_rng(0).normal(size=(200, 3))
    for method in methods:
        known[method][0](rows, argparse.Namespace(seconds=0.1, threads=1))(rows)


def measured(fit, rows, fresh, options):
    began = time.perf_counter()
    score = fit(rows, options)
    fitted = time.perf_counter()
    values = score(fresh)
    return np.asarray(values), fitted - began, time.perf_counter() - fitted


def densities(options, methods):
    lines = []
    warm(methods, DENSITIES)
    for name in DENSITY_SETS if options.sets is None else [s for s in options.sets if s not in OUTLIER_SETS]:
        rows, fresh = read_density(options.data / "density", name)
        best = []
        for method in methods:
            logp, fit, score = measured(DENSITIES[method][0], rows, fresh, options)
            error = logp.std() / np.sqrt(len(logp))
            best.append((logp.mean(), f"{logp.mean():.2f} +- {error:.2f}; {fit:.1f} s, {1e3 * score:.0f} ms"))
            print(name, method, best[-1][1], flush=True)
        top = max(value for value, _ in best)
        lines.append([f"{name} ({len(rows)} x {rows.shape[1]})"] +
                     [f"**{text}**" if value == top else text for value, text in best])
    return table(["set", *methods], lines)


def outliers(options, methods):
    from sklearn.metrics import roc_auc_score
    lines = []
    warm(methods, OUTLIERS)
    for name in OUTLIER_SETS if options.sets is None else [s for s in options.sets if s in OUTLIER_SETS]:
        rows, fresh, odd = read_outliers(options.data / "outliers", name)
        best = []
        for method in methods:
            oddness, fit, score = measured(OUTLIERS[method][0], rows, fresh, options)
            area = roc_auc_score(odd, np.clip(oddness, -1e300, 1e300))
            best.append((area, f"{area:.3f}; {fit:.1f} s, {1e3 * score:.0f} ms"))
            print(name, method, best[-1][1], flush=True)
        top = max(value for value, _ in best)
        lines.append([f"{name} ({len(rows)} x {rows.shape[1]})"] +
                     [f"**{text}**" if value == top else text for value, text in best])
    return table(["set", *methods], lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=pathlib.Path, default="../shared/data")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--sets", type=lambda text: text.split(","), default=None)
    parser.add_argument("--methods", type=lambda text: text.split(","), default=None)
    parser.add_argument("--out", type=pathlib.Path, default=None)
    options = parser.parse_args()
    wanted = options.methods or [*DENSITIES, *OUTLIERS]
    gone = [m for m, (_, needs) in {**DENSITIES, **OUTLIERS}.items() if m in wanted and not has(*needs)]
    began = os.getloadavg()[0]
    tables = [of(options, [m for m in known if m in wanted and m not in gone])
              for of, known in ((densities, DENSITIES), (outliers, OUTLIERS))]
    versions = ", ".join(f"{p} {version(p)}" for p in
                         ("nicest", "scikit-learn", "torch", "zuko", "nflows", "normflows", "pyod") if version(p) is not None)
    text = (f"Written by `bench/python_peers.py --seconds {options.seconds:g}`: {time.strftime('%d %B %Y')}, {options.threads} threads, "
            f"load {began:.1f} before and {os.getloadavg()[0]:.1f} after; {versions}." +
            (f" Not installed, and so not here: {', '.join(gone)}." if gone else "") +
            f"\n\nMean log p of test rows (nats); time to fit, to score:\n\n{tables[0]}\n\nAUROC of test rows; time to fit, to score:\n\n{tables[1]}\n")
    print(text)
    if options.out:
        page = options.out.read_text(encoding="utf-8")
        before, after = page.split("<!-- peers -->\n")[0], page.split("<!-- end of peers -->\n")[1]
        options.out.write_text(f"{before}<!-- peers -->\n{text}<!-- end of peers -->\n{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
