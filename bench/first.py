#!/usr/bin/env python3
"""Measures the figures of docs/results/first.md and writes that page.

    bench/first.py --nicest build/release/nicest [--only toys,tables,mnist,fashion,start] [--scale 1.0] [--note TEXT]

Every figure is what the program itself prints with --json; the commands stand beside the figures. Results
are kept in docs/results/first.json, so that parts can be measured one after the other. `--scale` shortens
the given times for a trial; a page written with another scale than 1 says so.
"""
import argparse
import ctypes
import glob
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SHARED = os.environ.get("NICEST_SHARED", os.path.join(ROOT, "..", "shared"))
FASHION = "/usr/share/datasets/fashion-mnist"
TOYS = ["parabola", "moons", "rings", "eight-gaussians", "pinwheel", "spirals", "checkerboard", "swissroll"]
RESULTS = os.path.join(ROOT, "docs", "results")


def run(nicest, *arguments):
    """The last line of standard output as JSON, and the command as text."""
    command = [nicest, *arguments, "--json", "-q"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, 1) or not done.stdout.strip():
        sys.exit(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout.strip().splitlines()[-1]), "nicest " + " ".join(arguments)


def short(command):
    return command.replace(SHARED, "../shared").replace(ROOT + os.sep, "").replace(tempfile.gettempdir(), "tmp")


def verify(nicest, model, data=None, *more):
    found, _ = run(nicest, "verify", model, *([data] if data else []), *more)
    return found


def measure(nicest, name, arguments, model, data=None, more=()):
    figures, command = run(nicest, "train", *arguments, "-o", model)
    figures.pop("model", None)  # a path of this machine
    proof = verify(nicest, model, data, *more)
    print(name, figures.get("test_logp"), "ok" if proof["ok"] else "VERIFY FAILS", flush=True)
    return {"name": name, "command": short(command.replace(model, "m.safetensors")), "train": figures,
            "verify": proof}


# Boxes that hold all but 1e-4 of a toy's mass.
BOXES = {"parabola": (-20, 60, -20, 20), "moons": (-2, 3, -1.5, 2), "rings": (-5, 5, -5, 5),
         "eight-gaussians": (-7, 7, -7, 7), "pinwheel": (-5, 5, -5, 5), "spirals": (-4, 4, -4, 4),
         "checkerboard": (-4, 4, -4, 4), "swissroll": (-4, 4, -4, 4)}


def least_gap(nicest, toy, cells=800):
    """The gap that no flow with a constant log-determinant and a normal prior can go below.

    Such a flow maps areas to areas, all scaled alike, so the densities of the model are those of the prior on
    sets of the same areas. E log p_H is largest when the densest cells are nearest to the origin (Hardy and
    Littlewood's rearrangement): then the cell that has area A before it lies at radius sqrt(A/pi), and with
    m = E[A/pi] the best scale gives -log(pi e m) nats."""
    try:
        import numpy as np
        library = ctypes.CDLL(glob.glob(os.path.join(os.path.dirname(nicest), "libnicest.so*"))[0])
    except (ImportError, IndexError):
        return None
    a, b, c, d = BOXES[toy]
    x = np.linspace(a, b, cells, endpoint=False) + (b - a) / cells / 2
    y = np.linspace(c, d, cells, endpoint=False) + (d - c) / cells / 2
    grid = np.stack(np.meshgrid(x, y, indexing="ij"), -1).reshape(-1, 2).copy()
    logp, area = np.empty(len(grid)), (b - a) * (d - c) / cells ** 2
    status = library.nicest_toy_log_density(toy.encode(), grid.ctypes.data_as(ctypes.c_void_p),
                                            ctypes.c_size_t(len(grid)), logp.ctypes.data_as(ctypes.c_void_p))
    if status:
        return None
    logp = np.sort(logp)[::-1]
    mass = np.exp(logp) * area
    mass /= mass.sum()
    entropy = -(mass[mass > 0] * logp[mass > 0]).sum()
    moment = (mass * (np.arange(len(mass)) + 0.5) * area).sum() / np.pi
    return float(np.log(np.pi * np.e * moment) - entropy)


def toys(nicest, folder, scale):
    rows = []
    for toy in TOYS:
        model = os.path.join(folder, toy + ".safetensors")
        seconds = f"{(20 if toy == 'parabola' else 60) * scale:.0f}s"
        rows.append(measure(nicest, toy, [f"toy:{toy},n=20000", "--time", seconds], model))
        rows[-1]["least_gap"] = least_gap(nicest, toy)
        run(nicest, "density", model, "-o", os.path.join(RESULTS, f"toy-{toy}.png"))
    return rows


def tables(nicest, folder, _):
    rows = []
    for path in sorted(glob.glob(f"{SHARED}/data/density/*data.csv.gz") +
                       glob.glob(f"{SHARED}/data/density/*quality*.csv")):
        name = os.path.basename(path).split(".")[0]
        rows.append(measure(nicest, name, [path], os.path.join(folder, "t.safetensors"), path))
    digits = os.path.join(ROOT, "data", "digits.csv.gz")
    more = ["--label", "65", "--image", "8x8"]
    rows.append(measure(nicest, "digits", [digits, *more], os.path.join(folder, "t.safetensors"), digits, more))
    for path in sorted(glob.glob(f"{SHARED}/data/outliers/*.npz")):
        name = os.path.basename(path).split(".")[0]
        more = ["--label", "y", "--where", "y=0"]
        rows.append(measure(nicest, name, [path, *more], os.path.join(folder, "t.safetensors"), path, more))
    return rows


def images(nicest, folder, scale, name, train, test):
    model = os.path.join(folder, name + ".safetensors")
    arguments = [f"{train}[0:50000]", "--valid", f"{train}[50000:60000]", "--test", test, "--preset",
                 "nice", "--time", f"{900 * scale:.0f}s"]
    row = measure(nicest, name, arguments, model, test + "[0:1000]")
    run(nicest, "sample", model, "-n", "64", "-o", os.path.join(RESULTS, f"{name}-nice-samples.png"))
    return [row]


def mnist(nicest, folder, scale):
    place = f"{SHARED}/data/mnist"
    return images(nicest, folder, scale, "mnist", f"{place}/train-images-idx3-ubyte.gz",
                  f"{place}/t10k-images-idx3-ubyte.gz")


def fashion(nicest, folder, scale):
    return images(nicest, folder, scale, "fashion", f"{FASHION}/train-images-idx3-ubyte.gz",
                  f"{FASHION}/t10k-images-idx3-ubyte.gz")


def clock(command):
    times = []
    for _ in range(21):
        start = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        times.append(1e3 * (time.perf_counter() - start))
    return {"median_ms": statistics.median(times), "min_ms": min(times), "max_ms": max(times)}


def start(nicest, folder, _):
    model, row = os.path.join(folder, "s.safetensors"), os.path.join(folder, "row.csv")
    run(nicest, "train", "toy:parabola,n=2000", "--epochs", "5", "-o", model)
    with open(row, "w") as file:
        file.write("x1,x2\n1,2\n")
    return [{"name": "nicest version", **clock([nicest, "version"])},
            {"name": "nicest score, one row", **clock([nicest, "score", model, row])},
            {"name": "(an empty process: true)", **clock(["true"])}]


def figure(value, digits=4):
    return "-" if value is None else f"{value:.{digits}f}"


def proof_cell(proof):
    words = [f"{proof[k]:.1e}" if proof.get(k) is not None else "-" for k in
             ("inverse_max", "latent_max", "logdet_max_error", "gradient_max_error")]
    return " / ".join(words) + f" / {figure(proof.get('integral'))} | {'yes' if proof['ok'] else '**no**'}"


def write_page(found):
    lines = ["# First figures", "",
             "Written by `bench/first.py`; each row is one command and what the program printed. Nats unless "
             "said otherwise. verify: inverse / latent / log-det / gradient / integral.", ""]
    lines += [f"- {part}: {words}" for part, words in sorted(found.get("about", {}).items())] + [""]
    for part, scale in sorted(found.get("scales", {}).items()):
        if scale != 1:
            lines += [f"**{part}: a shorter run, its time scaled by {scale:g} (the command shows it).**", ""]
    if "toys" in found:
        lines += ["## Toys", "", "Gap: mean true log density minus the model's, on 100,000 fresh rows. "
                  "Below: the learnt densities. Least: the gap that no flow with additive couplings, one scaling and a "
                  "normal prior can go below, because it keeps areas (`least_gap` in the script says why).", "",
                  "| toy | gap | +- | least | test | steps | seconds | verify | ok | command |", "|---|---|---|---|---|---|---|---|---|---|"]
        for r in found["toys"]:
            t = r["train"]
            lines.append(f"| {r['name']} | {figure(t['gap'])} | {figure(t['gap_sem'])} | {figure(r.get('least_gap'), 3)} | "
                         f"{figure(t['test_logp'])} | {t['steps']} | {t['seconds']:.0f} | {proof_cell(r['verify'])} | `{r['command']}` |")
        lines += ["", " ".join(f"![{r['name']}](toy-{r['name']}.png)" for r in found["toys"])]
    for key, title in (("mnist", "MNIST, the paper's preset"), ("fashion", "Fashion-MNIST, the same command")):
        if key in found:
            lines += ["", f"## {title}", "", "| test | +- | bits/dim | valid | train | epochs | seconds | verify | ok |",
                      "|---|---|---|---|---|---|---|---|---|"]
            for r in found[key]:
                t = r["train"]
                lines.append(f"| {figure(t['test_logp'], 2)} | {figure(t['test_sem'], 2)} | {figure(t.get('bits_per_dim'), 3)} | "
                             f"{figure(t['valid_logp'], 2)} | {figure(t['train_logp'], 2)} | {t['epochs']} | "
                             f"{t['seconds']:.0f} | {proof_cell(r['verify'])} |")
                lines += ["", f"`{r['command']}`", "", f"![samples]({key}-nice-samples.png)"]
    if "tables" in found:
        lines += ["", "## Tables, without options", "", "Test rows are those that training holds out for calibration; "
                  "the Gaussian (full covariance) is fitted on the same training rows.", "",
                  "| data | rows | columns | test | +- | Gaussian | better | verify | ok |", "|---|---|---|---|---|---|---|---|---|"]
        for r in found["tables"]:
            t = r["train"]
            g = t.get("gaussian_logp")
            better = "-" if g is None or t["test_logp"] is None else "yes" if t["test_logp"] > g else "**no**"
            if g is not None and abs(t["test_logp"] - g) < 4 * t["test_sem"]:
                better += " (within four standard errors)"
            lines.append(f"| {r['name']} | {t['rows']} | {t['columns']} | {figure(t['test_logp'], 3)} | "
                         f"{figure(t['test_sem'], 3)} | {figure(g, 3)} | {better} | {proof_cell(r['verify'])} |")
    if "start" in found:
        lines += ["", "## Start of the program", "", "Whole process, 21 runs, started from Python.", "",
                  "| command | median ms | min | max |", "|---|---|---|---|"]
        lines += [f"| {r['name']} | {r['median_ms']:.1f} | {r['min_ms']:.1f} | {r['max_ms']:.1f} |" for r in found["start"]]
    with open(os.path.join(RESULTS, "first.md"), "w") as file:
        file.write("\n".join(lines) + "\n")


def machine():
    with open("/proc/cpuinfo") as file:
        names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    return f"{len(names)} x {names[0]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nicest", default=os.path.join(ROOT, "build", "release", "nicest"))
    parser.add_argument("--only", default="start,toys,tables,mnist,fashion")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--note", help="what else the machine did, beside the parts that are measured")
    options = parser.parse_args()
    parts = {"toys": toys, "tables": tables, "mnist": mnist, "fashion": fashion, "start": start}
    store = os.path.join(RESULTS, "first.json")
    os.makedirs(RESULTS, exist_ok=True)
    found = json.load(open(store)) if os.path.exists(store) else {}
    version = subprocess.run([options.nicest, "version"], capture_output=True, text=True).stdout.strip().split("\n")[0]
    with tempfile.TemporaryDirectory() as folder:
        for part in options.only.split(","):
            load = os.getloadavg()[0]
            found[part] = parts[part](options.nicest, folder, options.scale)
            found.setdefault("scales", {})[part] = options.scale
            found.setdefault("about", {})[part] = (
                f"{time.strftime('%d %B %Y')}, {version}, {machine()}, load {load:.2f} before it" +
                (f"; {options.note}" if options.note else "."))
            with open(store, "w") as file:
                json.dump(found, file, indent=1)
            write_page(found)


if __name__ == "__main__":
    main()
