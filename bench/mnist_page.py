#!/usr/bin/env python3
"""Writes docs/results/mnist-nice.md and its curves from the folder that bench/mnist.sh filled.

    bench/mnist_page.py FOLDER VERSION

Curves need matplotlib (python3-matplotlib); without it the page is written and the pictures stay. Words that
are not figures come from docs/results/mnist-nice.notes.md.
"""
import json
import os
import shutil
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RESULTS = os.path.join(ROOT, "docs", "results")
TITLES = {"mnist": "MNIST", "fashion": "Fashion-MNIST"}
MARKS = {"mnist": (1933.89, 1980.50, 2080.0), "fashion": ()}
COLOURS = {"nicest": "#0072B2", "nice": "#D55E00"}  # Okabe and Ito: told apart by everybody


def read(folder, name, lines=False):
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        return None
    with open(path) as f:
        return [json.loads(line) for line in f if line.strip()] if lines else json.load(f)


def reached(curve, mark):
    """Seconds until the validation rows' log-likelihood was first above the mark."""
    return next((f"{point['seconds']:.0f} s" for point in curve if point["valid_logp"] >= mark), "-")


def load(folder, name):
    summary = read(folder, name + ".json")
    if summary is None:
        return None
    with open(os.path.join(folder, name + ".command")) as f:
        command = f.read().strip()
    shared = os.environ.get("NICEST_SHARED", os.path.join("..", "shared"))
    return {"name": name, "summary": summary, "curve": read(folder, name + ".jsonl", True) or [],
            "test": read(folder, name + ".test", True), "verify": read(folder, name + ".verify"),
            "command": command.replace(shared, "../shared")}


def run_rows(run, marks):
    s = run["summary"]
    means = [t["mean"] for t in run["test"]]
    draws = f"{statistics.stdev(means):.3f}" if len(means) > 1 else "-"
    proof = run["verify"]
    cells = [run["name"].split("-")[1], f"**{statistics.fmean(means):.2f}** ± {run['test'][0]['sem']:.2f}",
             draws, f"{run['test'][0]['bits_per_dim']:.3f}", f"{s['valid_logp']:.1f}",
             f"{s['train_logp']:.1f}", f"{s['parameters'] / 1e6:.1f} M", str(s["epochs"]), f"{s['seconds']:.0f}"]
    cells += [reached(run["curve"], mark) for mark in marks]
    cells.append(f"{proof['inverse_max']:.0e} / {proof['logdet_max_error']:.0e} / "
                 f"{'ok' if proof['ok'] else 'FAILS'}")
    return "| " + " | ".join(cells) + " |"


def section(data, runs):
    marks = MARKS[data]
    head = ["preset", "test nats ± se over rows", "sd over 5 draws of noise", "bits/dim", "valid", "train",
            "parameters", "epochs", "seconds"]
    head += [f"valid ≥ {mark:g} after" for mark in marks] + ["verify: inverse / log-det"]
    text = [f"## {TITLES[data]}", "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    text += [run_rows(run, marks) for run in runs] + [""]
    text += [f"![curves]({data}-curves.png)", ""]
    for run in runs:
        preset = run["name"].split("-")[1]
        text += [f"`{run['command']}`", "", f"![samples of {preset}]({run['name']}-samples.png)", ""]
    return text


def trials(folder):
    names = sorted(f[:-5] for f in os.listdir(folder) if f.startswith("trial-") and f.endswith(".json"))
    if not names:
        return []
    text = ["## Recipes tried", "",
            "Each had four minutes on both cores, its cosine over those, and was judged by the 10,000 validation "
            "rows; the options are beside the preset `nicest`.", "",
            "| options | valid | train | parameters | epochs |", "|---|---|---|---|---|"]
    found = [load(folder, name) for name in names]
    for run in sorted(found, key=lambda r: -r["summary"]["valid_logp"]):
        s = run["summary"]
        options = run["command"].split("--preset nicest")[1].split("--time")[0].strip() or "(none)"
        text.append(f"| `{options}` | {s['valid_logp']:.1f} | {s['train_logp']:.1f} | "
                    f"{s['parameters'] / 1e6:.1f} M | {s['epochs']} |")
    return text + [""]


def draw(data, runs):
    try:
        import matplotlib
        matplotlib.use("Agg")
        import matplotlib.pyplot as plot
    except ImportError:
        print("mnist_page.py: no matplotlib, curves are left as they are", file=sys.stderr)
        return
    figure, axes = plot.subplots(figsize=(7, 4), dpi=110)
    for run in (run for run in runs if run["curve"]):
        preset, curve = run["name"].split("-")[1], run["curve"]
        minutes = [p["seconds"] / 60 for p in curve]
        axes.plot(minutes, [p["valid_logp"] for p in curve], color=COLOURS[preset],
                  label=f"{preset}, validation")
        axes.plot(minutes, [p["train_logp"] for p in curve], color=COLOURS[preset], ls=":",
                  label=f"{preset}, training")
    if data == "mnist":
        axes.axhline(1980.5, color="black", lw=0.8, ls="--", label="paper, test: 1980.50")
    top = max(p["train_logp"] for run in runs for p in run["curve"])
    low = min(run["curve"][min(3, len(run["curve"]) - 1)]["valid_logp"] for run in runs if run["curve"])
    axes.set(xlabel="minutes of training (2 cores)", ylabel="log-likelihood, nats", ylim=(low, top + 20),
             title=TITLES[data])
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(os.path.join(RESULTS, f"{data}-curves.png"))


def machine():
    with open("/proc/cpuinfo") as f:
        model = next(line.split(":")[1].strip() for line in f if line.startswith("model name"))
    return f"{os.cpu_count()} cores of {model}"


def main():
    folder, version = sys.argv[1:]
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True,
                            text=True).stdout.strip()
    text = ["# MNIST and Fashion-MNIST with additive couplings only", "",
            f"Written by `bench/mnist.sh` on {machine()}; {version}, commit {commit}. Seed 1.", ""]
    notes = os.path.join(RESULTS, "mnist-nice.notes.md")
    if os.path.exists(notes):
        with open(notes) as f:
            text += [f.read().strip(), ""]
    for data in TITLES:
        runs = [run for run in (load(folder, f"{data}-{preset}") for preset in COLOURS) if run]
        if not runs:
            continue
        text += section(data, runs)
        draw(data, runs)
        for run in runs:
            shutil.copy(os.path.join(folder, run["name"] + ".png"),
                        os.path.join(RESULTS, run["name"] + "-samples.png"))
    text += trials(folder)
    with open(os.path.join(RESULTS, "mnist-nice.md"), "w") as f:
        f.write("\n".join(text).rstrip() + "\n")


main()
