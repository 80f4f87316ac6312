#!/usr/bin/env python3
"""Measures the figures of docs/results/toys.md, draws its pictures and writes that page.

    bench/toy_densities.py [--nicest build/release/nicest] [--scale 1.0] [--note TEXT] [--page]

Every figure is what the program prints with --json; the commands stand beside the figures. Results are kept in
docs/results/toys.json, and --page writes the page from there. Its `remark`, if there is one, goes to the page, and is lost by a new
measurement. --scale shortens the times for a trial; the commands
on the page show it.
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
RESULTS = os.path.join(ROOT, "docs", "results")


def run(nicest, *arguments):
    """The last line of standard output as JSON, and the command as text."""
    command = [nicest, *arguments, "--json", "-q"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, 1) or not done.stdout.strip():
        sys.exit(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout.strip().splitlines()[-1]), "nicest " + " ".join(arguments)


# Boxes that hold all but 1e-4 of a toy's mass.
BOXES = {"parabola": (-20, 60, -20, 20), "moons": (-2, 3, -1.5, 2), "rings": (-5, 5, -5, 5),
         "eight-gaussians": (-7, 7, -7, 7), "pinwheel": (-5, 5, -5, 5), "spirals": (-4, 4, -4, 4),
         "checkerboard": (-4, 4, -4, 4), "swissroll": (-4, 4, -4, 4)}


def least_gap(nicest, toy, cells=800):
    """The gap that NICE as published, with a constant log-determinant and a normal prior, cannot go below.

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


def measure(nicest, folder, scale):
    rows = []
    for toy in TOYS:
        model = os.path.join(folder, toy + ".safetensors")
        seconds = f"{(20 if toy == 'parabola' else 60) * scale:.0f}s"
        figures, command = run(nicest, "train", f"toy:{toy},n=20000", "--time", seconds, "-o", model)
        figures.pop("model", None)  # a path of this machine
        proof, _ = run(nicest, "verify", model)
        print(toy, figures["gap"], "ok" if proof["ok"] else "VERIFY FAILS", flush=True)
        run(nicest, "density", model, "-o", os.path.join(RESULTS, f"toy-{toy}.png"))
        rows.append({"name": toy, "command": command.replace(model, "m.safetensors"), "train": figures,
                     "verify": proof, "least_gap": least_gap(nicest, toy)})
    return rows


def figure(value, digits=4):
    return "-" if value is None else f"{value:.{digits}f}"


def model_words(chosen):
    """The closed form that training began from and the couplings that it kept, of what training said that it chose."""
    def said(what):
        return next((line.split(": ", 1)[1].split(" (of ")[0] for line in chosen if line.startswith(what)), None)
    stays = any(line.endswith("the closed form stays") for line in chosen)
    return said("start: ") + ("" if stays or not said("couplings: ") else ", " + said("couplings: "))


def write_page(found):
    lines = ["# Toys", "", "Two-dimensional data with a [known density](../toys.md), learnt without options but a time. Written by "
             f"`bench/toy_densities.py`: {found['about']}", "",
             "**Gap** is the mean true log density minus the model's, in nats, on 100,000 fresh rows; 0 is perfect. **NICE, at least** is the "
             "gap that NICE as published cannot go below, however long it learns: additive couplings and one scaling keep areas, so they "
             "cannot make one part as much denser than another as they would have to (`least_gap` in the script). Each model passed `nicest "
             "verify`; **mass** is what that found on a grid. **The model** is the closed form that training began from and the couplings that "
             "it kept; `5 x (128x2)` are five couplings whose nets have two hidden layers of 128 units.", "",
             *([found["remark"], ""] if "remark" in found else []),
             "| toy | gap | +- | NICE, at least | mass | the model | seconds | command |", "|---|---|---|---|---|---|---|---|"]
    for r in found["toys"]:
        t = r["train"]
        least = r["least_gap"] if r["least_gap"] is None else max(0, r["least_gap"])
        lines.append(f"| {r['name']} | **{figure(t['gap'])}** | {figure(t['gap_sem'])} | {figure(least, 3)} | "
                     f"{figure(r['verify'].get('integral'))} | {model_words(t['chosen'])} | {t['seconds']:.0f} | `{r['command']}` |")
    lines += ["", "## The learnt densities"]
    lines += [line for r in found["toys"] for line in ("", f"![{r['name']}](toy-{r['name']}.png)", "", f"*{r['name']}*")]
    with open(os.path.join(RESULTS, "toys.md"), "w") as file:
        file.write("\n".join(lines) + "\n")


def machine():
    with open("/proc/cpuinfo") as file:
        names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    return f"{len(names)} x {names[0]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nicest", default=os.path.join(ROOT, "build", "release", "nicest"))
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--note", help="what else the machine did")
    parser.add_argument("--page", action="store_true", help="measure nothing")
    options = parser.parse_args()
    store = os.path.join(RESULTS, "toys.json")
    if not options.page:
        version = subprocess.run([options.nicest, "version"], capture_output=True, text=True).stdout.split("\n")[0]
        load = os.getloadavg()[0]
        with tempfile.TemporaryDirectory() as folder:
            rows = measure(options.nicest, folder, options.scale)
        about = f"{time.strftime('%d %B %Y')}, {version}, {machine()}, load {load:.1f} before it"
        with open(store, "w") as file:
            json.dump({"toys": rows, "about": about + (f"; {options.note}" if options.note else "") + "."}, file, indent=1)
    with open(store) as file:
        write_page(json.load(file))


if __name__ == "__main__":
    main()
