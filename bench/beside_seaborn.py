#!/usr/bin/env python3
"""Draws docs/pictures/beside.png: one set of rows, its true density, and what nicest, seaborn and ArviZ draw of it.

    PYTHONPATH=build/release/python python3 bench/beside_seaborn.py [--nicest build/release/nicest] [--time 20s]

Two moons, 3,000 rows, default settings; seaborn and ArviZ are asked for the lines around 50, 90 and 99 % of the mass that
nicest draws by itself. Needs seaborn, arviz, matplotlib, Pillow.
"""
import argparse
import pathlib
import subprocess
import tempfile

import arviz
import matplotlib.pyplot as plt
import nicest
import numpy as np
import seaborn
from PIL import Image

MASS = [0.5, 0.9, 0.99]


def truth(axes):
    x, y = np.linspace(-1.8, 2.8, 400), np.linspace(-1.1, 1.6, 400)
    grid = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    p = np.exp(nicest.toy_log_density("moons", grid)).reshape(400, 400)
    order = np.sort(p, axis=None)[::-1]
    levels = [order[np.searchsorted(np.cumsum(order) / order.sum(), mass)] for mass in reversed(MASS)]
    axes.pcolormesh(x, y, p, cmap="viridis", rasterized=True)
    axes.contour(x, y, p, levels, colors="white", linewidths=0.8)
    axes.set(title=f"the truth: highest density {p.max():.2f}", xlabel="x1", ylabel="x2")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nicest", default="build/release/nicest")
    parser.add_argument("--time", default="20s")
    parser.add_argument("--out", default="docs/pictures/beside.png")
    options = parser.parse_args()
    figure, axes = plt.subplots(2, 2, figsize=(11, 9.6), layout="constrained")
    truth(axes[0, 0])
    with tempfile.TemporaryDirectory() as folder:
        model, picture, csv = (f"{folder}/{name}" for name in ("m.safetensors", "density.png", "moons.csv"))
        for command in (["convert", "toy:moons,n=3000", "-o", csv], ["train", csv, "--time", options.time, "-o", model],
                        ["density", model, "-o", picture]):
            subprocess.run([options.nicest, *command, "-q"], check=True)
        axes[0, 1].imshow(Image.open(picture), interpolation="lanczos")
        x1, x2 = np.loadtxt(csv, delimiter=",", skiprows=1, unpack=True)
    axes[0, 1].set(title=f"nicest: train --time {options.time}, density")
    axes[0, 1].axis("off")
    seaborn.kdeplot(x=x1, y=x2, fill=True, levels=100, cmap="viridis", cbar=True, ax=axes[1, 0])
    seaborn.kdeplot(x=x1, y=x2, levels=[1 - mass for mass in reversed(MASS)], colors="white", linewidths=0.8, ax=axes[1, 0])
    axes[1, 0].set(title="seaborn: kdeplot", xlabel="x1", ylabel="x2")
    arviz.plot_kde(x1, x2, hdi_probs=MASS, contourf_kwargs={"cmap": "viridis"}, ax=axes[1, 1])
    axes[1, 1].set(title="ArviZ: plot_kde", xlabel="x1", ylabel="x2")
    path = pathlib.Path(options.out)
    figure.savefig(path, dpi=110)
    Image.open(path).convert("RGB").quantize(200).save(path, optimize=True)
    print(path, path.stat().st_size // 1000, "kB")


main()
