#!/usr/bin/env python3
"""Writes docs/results/mnist-nice.md and its curves from what bench/mnist.sh left in FOLDER.

    bench/mnist_page.py [FOLDER]

What a run printed goes to docs/results/mnist/, where it takes the place of an earlier run of that name; the page is
written from there, so it can be written without training and runs may be repeated one by one. Curves need
matplotlib (python3-matplotlib); without it the page is written and the pictures stay. Words that are not figures
come from docs/results/mnist-nice.notes.md.
"""
import json
import os
import shutil
import statistics
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RESULTS = os.path.join(ROOT, "docs", "results")
RECORDS = os.path.join(RESULTS, "mnist")
PARTS = (".json", ".jsonl", ".test", ".verify", ".command", ".about")
MOST_POINTS = 400  # of a curve that is kept
TITLES = {"mnist": "MNIST", "fashion": "Fashion-MNIST"}
MARKS = {"mnist": (1933.89, 1980.50, 2080.0), "fashion": ()}
# Okabe and Ito: told apart by everybody
COLOURS = {"best": "#009E73", "eight": "#CC79A7", "nicest": "#0072B2", "nicest-still": "#56B4E9", "nice": "#D55E00"}


def read(folder, name, lines=False):
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        return None
    with open(path) as f:
        return [json.loads(line) for line in f if line.strip()] if lines else json.load(f)


def reached(curve, mark):
    """Seconds until the validation rows' log-likelihood was first above the mark."""
    return next((f"{point['seconds']:.0f} s" for point in curve if point["valid_logp"] >= mark), "-")


def keep(folder, name):
    """Takes the records of one run out of FOLDER; long curves are thinned."""
    shared = os.environ.get("NICEST_SHARED", os.path.join("..", "shared"))
    for part in PARTS:
        path = os.path.join(folder, name + part)
        if not os.path.exists(path):
            continue
        with open(path) as f:
            lines = f.readlines()
        if part == ".jsonl" and len(lines) > MOST_POINTS:
            step = -(-len(lines) // MOST_POINTS)
            lines = lines[:-1:step] + lines[-1:]
        with open(os.path.join(RECORDS, name + part), "w") as f:
            f.write("".join(lines).replace(shared, "../shared").replace(folder + "/", ""))


def load(name):
    summary = read(RECORDS, name + ".json")
    if summary is None:
        return None
    words = {}
    for part in ("command", "about"):
        with open(os.path.join(RECORDS, f"{name}.{part}")) as f:
            words[part] = f.read().strip()
    return {"name": name, "label": name.split("-", 1)[1], "summary": summary,
            "curve": read(RECORDS, name + ".jsonl", True) or [], "test": read(RECORDS, name + ".test", True),
            "verify": read(RECORDS, name + ".verify"), **words}


def run_rows(run, marks):
    s = run["summary"]
    means = [t["mean"] for t in run["test"]]
    draws = f"{statistics.stdev(means):.3f}" if len(means) > 1 else "-"
    proof = run["verify"]
    cells = [run["label"], f"**{statistics.fmean(means):.2f}** ± {run['test'][0]['sem']:.2f}",
             draws, f"{run['test'][0]['bits_per_dim']:.3f}", f"{s['valid_logp']:.1f}",
             f"{s['train_logp']:.1f}", f"{s['parameters'] / 1e6:.1f} M", str(s["epochs"]), f"{s['seconds']:.0f}"]
    cells += [reached(run["curve"], mark) for mark in marks]
    cells.append(f"{proof['inverse_max']:.0e} / {proof['logdet_max_error']:.0e} / "
                 f"{'ok' if proof['ok'] else 'FAILS'}")
    return "| " + " | ".join(cells) + " |"


def section(data, runs):
    marks = MARKS[data]
    head = ["run", "test nats ± se over rows", "sd over 5 draws of noise", "bits/dim", "valid", "train",
            "parameters", "epochs", "seconds"]
    head += [f"valid ≥ {mark:g} after" for mark in marks] + ["verify: inverse / log-det"]
    text = [f"## {TITLES[data]}", "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    text += [run_rows(run, marks) for run in runs] + [""]
    text += [f"![curves]({data}-curves.png)", ""]
    for run in runs:
        text += [f"**{run['label']}**: `{run['command']}`", "", run["about"], ""]
        if os.path.exists(os.path.join(RESULTS, run["name"] + "-samples.png")):
            text += [f"![samples of {run['label']}]({run['name']}-samples.png)", "",
                     f"*Samples of this run, {run['label']}: additive couplings only, not the default of today.*", ""]
    return text


def trials():
    found = [load(f[:-5]) for f in sorted(os.listdir(RECORDS)) if f.startswith("trial-") and f.endswith(".json")]
    if not found:
        return []
    text = ["## Recipes tried", "",
            "Judged by the validation rows that stop a run; no test row was looked at. The options are beside "
            "`--preset nicest`; with one thread, other work ran beside: epochs are what to compare.", "",
            "| options | valid | train | parameters | epochs | seconds | |", "|---|---|---|---|---|---|---|"]
    for run in sorted(found, key=lambda r: -r["summary"]["valid_logp"]):
        s = run["summary"]
        options = run["command"].split("--preset nicest")[1].strip()
        text.append(f"| `{options}` | {s['valid_logp']:.1f} | {s['train_logp']:.1f} | {s['parameters'] / 1e6:.1f} M | "
                    f"{s['epochs']} | {s['seconds']:.0f} | {run['about']} |")
    return text + [""]


def draw(data, runs):
    if not any(run["curve"] for run in runs):
        return  # an earlier picture stays
    try:
        import matplotlib
        matplotlib.use("Agg")
        import matplotlib.pyplot as plot
    except ImportError:
        print("mnist_page.py: no matplotlib, curves are left as they are", file=sys.stderr)
        return
    figure, axes = plot.subplots(figsize=(7.2, 4), dpi=200)
    ends = []
    for run in (run for run in runs if run["curve"]):
        label, curve = run["label"], run["curve"]
        minutes = [p["seconds"] / 60 for p in curve]
        axes.plot(minutes, [p["valid_logp"] for p in curve], color=COLOURS[label], lw=1.8)
        axes.plot(minutes, [p["train_logp"] for p in curve], color=COLOURS[label], lw=1.2, ls=":")
        ends.append((minutes[-1], curve[-1]["valid_logp"], label))
    last = max(end[0] for end in ends)
    for minute, logp, label in ends:
        axes.annotate(label, (minute, logp), xytext=(6, 2), textcoords="offset points", color=COLOURS[label], fontsize=9, va="center")
    if data == "mnist":
        axes.axhline(1980.5, color="0.35", lw=0.8, ls="--")
        axes.text(last, 1984, "test rows in the paper: 1980.5", ha="right", va="bottom", fontsize=8, color="0.35")
    top = max(p["train_logp"] for run in runs for p in run["curve"])
    low = min(run["curve"][min(3, len(run["curve"]) - 1)]["valid_logp"] for run in runs if run["curve"])
    axes.set(xlabel="minutes of training", ylim=(low, top + 20), xlim=(0, last * 1.12))
    axes.set_title(f"{TITLES[data]}: log-likelihood, nats\n", loc="left", fontsize=11, fontweight="bold")
    axes.text(0, 1.02, "solid: validation rows; dotted: training rows", transform=axes.transAxes, fontsize=9, color="0.35")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(os.path.join(RESULTS, f"{data}-curves.png"))
    plot.close(figure)


def main():
    folder = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else None
    os.makedirs(RECORDS, exist_ok=True)
    for name in sorted(f[:-5] for f in os.listdir(folder) if f.endswith(".json")) if folder else []:
        keep(folder, name)
        if os.path.exists(os.path.join(folder, name + ".png")):
            shutil.copy(os.path.join(folder, name + ".png"), os.path.join(RESULTS, name + "-samples.png"))
    text = ["# MNIST and Fashion-MNIST with additive couplings only", "",
            "Written by `bench/mnist.sh` from what the runs printed ([records](mnist/)).", ""]
    notes = os.path.join(RESULTS, "mnist-nice.notes.md")
    if os.path.exists(notes):
        with open(notes) as f:
            text += [f.read().strip(), ""]
    for data in TITLES:
        runs = [run for run in (load(f"{data}-{label}") for label in COLOURS) if run]
        if runs:
            text += section(data, runs)
            draw(data, runs)
    text += trials()
    with open(os.path.join(RESULTS, "mnist-nice.md"), "w") as f:
        f.write("\n".join(text).rstrip() + "\n")


main()
