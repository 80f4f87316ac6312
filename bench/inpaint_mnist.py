#!/usr/bin/env python3
"""Inpainting of MNIST test digits: every recipe under all ten masks of the NICE paper.

    bench/inpaint_mnist.py NICEST MODEL [--images 100] [--out docs/results] [--about TEXT]
        [--mean 50] [--map 200] [--langevin 200] [--paper 1000] [--released 2000] [--page]

Writes OUT/inpainting-mnist.md (table), .jsonl (figures) and .png (picture). The released recipe is run for a
part of its 111,895 steps, which the table states. Wants NumPy, matplotlib, and the MNIST files in
../shared/data/mnist (NICEST_SHARED moves it).
"""
import argparse
import ctypes
import gzip
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

MASKS = ["top", "bottom", "even", "odd", "left", "right", "middle-rows", "middle-columns", "random:0.75",
         "random:0.9"]
RECIPES = ["mean", "map", "langevin", "paper", "released"]


def run(options, mask, out, *words):
    """Figures, and the fills as [images, 784]."""
    data = f"{options.data}[0:{options.images}]"
    done = subprocess.run([options.nicest, "inpaint", options.model, data, "--mask", mask, "--seed", "1", "-q",
                           "--json", "-o", out, *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr.strip())
    return json.loads(done.stdout.strip().splitlines()[-1]), np.load(out).reshape(-1, 784)


def measure(options, folder):
    words = {"mean": ("--method", "mean", "--steps", options.mean),
             "map": ("--method", "map", "--steps", options.map),
             "langevin": ("--method", "langevin", "--steps", options.langevin),
             "paper": ("--recipe", "paper", "--steps", options.paper),
             "released": ("--recipe", "released", "--steps", options.released)}
    figures, fills = {}, {}
    for mask in MASKS:
        for recipe in RECIPES:
            key = recipe, mask
            figures[key], fills[key] = run(options, mask, folder / "fill.npy", *words[recipe])
            print(json.dumps({"recipe": recipe, "mask": mask, "figures": figures[key]}), flush=True)
    return figures, fills


def mask_of(options, mask, images):
    """What a mask hides, [images, 784], by the library beside the program."""
    library = ctypes.CDLL(str(pathlib.Path(options.nicest).resolve().with_name("libnicest.so")))
    hidden = np.zeros((images, 784), np.uint8)
    status = library.nicest_mask(mask.encode(), None, ctypes.c_size_t(images), ctypes.c_size_t(784), 28, 28, 1, ctypes.c_uint64(1),
                                 hidden.ctypes.data_as(ctypes.c_void_p))
    assert status == 0, mask
    return hidden.astype(bool)


def baselines(options, truth, masks, figures):
    """PSNR of what all training digits say without a flow: least squares (a ridge of 1e-3) of the hidden pixels on the
    seen ones, and the mean of the ten digits that are nearest in the seen ones."""
    with gzip.open(options.data.parent / "train-images-idx3-ubyte.gz") as file:
        rows = np.frombuffer(file.read()[16:], np.uint8).reshape(-1, 784).astype(np.float32) / 255
    truth = truth / 255.0
    mean, covariance = rows.mean(0), np.cov(rows.T) + 1e-3 * np.eye(784)
    plain = {}
    for mask, hidden in masks.items():
        error = {"linear": 0, "10 nearest": 0}
        for i, (row, h) in enumerate(zip(truth, hidden)):
            if i == 0 or not np.array_equal(h, hidden[i - 1]):
                weights = np.linalg.solve(covariance[np.ix_(~h, ~h)], covariance[np.ix_(~h, h)])
                seen = np.ascontiguousarray(rows[:, ~h])
                squares = (seen ** 2).sum(1)
            near = np.argsort(squares - 2 * seen @ row[~h].astype(np.float32))[:10]
            error["linear"] += ((np.clip(mean[h] + (row[~h] - mean[~h]) @ weights, 0, 1) - row[h]) ** 2).sum()
            error["10 nearest"] += ((rows[near][:, h].mean(0) - row[h]) ** 2).sum()
        for name in error:
            plain[name, mask] = -10 * np.log10(error[name] / figures["mean", mask]["hidden"])
    return plain


def rows_of(figures, name, digits, first=None, plain=None):
    """A table with a line for each mask and a column for each recipe."""
    plain = plain or {}
    others = list(dict.fromkeys(name for name, _ in plain))
    heads = ["mask"] + ([first[0]] if first else []) + others + RECIPES
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for mask in MASKS:
        start = [f"{figures[RECIPES[0], mask][first[1]]:.{digits}f}"] if first else []
        start += [f"{plain[other, mask]:.{digits}f}" for other in others]
        yield "| " + " | ".join([mask] + start + [f"{figures[r, mask][name]:.{digits}f}" for r in RECIPES]) + " |"


def table(figures, options, plain):
    yield f"# Inpainting of {options.images} MNIST test digits\n"
    yield f"The first {options.images} digits of the test set, under the ten masks of the paper. Nothing was chosen by looking at them."
    if options.about:
        yield options.about
    yield "\n![two digits under each mask](inpainting-mnist.png)\n"
    yield "*Two digits under each mask. What is hidden is blue.*\n"
    steps = {r: figures[r, "top"]["steps"] for r in RECIPES}
    yield (f"- `mean`: of 8 chains of {steps['mean']} steps, and of the linear conditional in the model file. `map`: the likeliest fill, at most {options.map} steps. "
           f"`langevin`: one draw, {steps['langevin']} steps.")
    yield (f"- `paper`: the recipe of the paper, {steps['paper']} steps. `released`: that of the authors' script, {steps['released']} of its "
           "111,895 steps.")
    yield "- [How each of them works](../inpainting.md)\n"
    yield ("**Distance from the truth.** PSNR of hidden pixels, dB; higher is better. *Mean picture*, *linear* (least squares on the seen pixels) and\n"
           "*10 nearest* (their mean) are what all 60,000 training digits say without a flow.\n")
    yield from rows_of(figures, "psnr", 2, ("mean picture", "psnr_mean_fill"), plain)
    yield ""
    for name in dict.fromkeys(name for name, _ in plain):
        gains = [figures["mean", m]["psnr"] - plain[name, m] for m in MASKS]
        yield (f"`mean` is nearer to the truth than *{name}* under {sum(g > 0 for g in gains)} of {len(MASKS)} masks; "
               f"the difference is {min(gains):.2f} to {max(gains):.2f} dB.")
    yield ""
    yield "**Likelihood.** Mean log p of the filled digits, nats.\n"
    yield from rows_of(figures, "logp_after", 0, ("mean picture", "logp_before"))
    yield "\n**Seconds** for all digits under one mask.\n"
    yield from rows_of(figures, "seconds", 1)


def picture(fills, truth, masks, path):
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    names = ["original", "seen"] + RECIPES
    across = 2 * len(names) + 1  # two digits and a gap
    figure, axes = plt.subplots(len(MASKS), across, figsize=(0.62 * across + 0.6, 0.66 * len(MASKS)), dpi=200)
    figure.subplots_adjust(left=0.135, right=0.995, top=0.95, bottom=0.005, wspace=0.06, hspace=0.06)
    for ax in axes.flat:
        ax.set_axis_off()
    for y, mask in enumerate(MASKS):
        axes[y, 0].text(-0.25, 0.5, mask, ha="right", va="center", fontsize=9, transform=axes[y, 0].transAxes)
        for digit in range(2):
            own = [fills[r, mask][digit] for r in RECIPES]
            for x, pixels in enumerate([truth[digit], np.where(masks[mask][digit], 96, truth[digit])] + own):
                ax = axes[y, x + digit * (len(names) + 1)]
                ax.imshow(pixels.reshape(28, 28), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
                if y == 0:
                    ax.set_title(names[x], fontsize=8, pad=3)
                if x == 1:  # what is hidden is blue
                    colours = np.repeat(pixels.reshape(28, 28, 1), 3, axis=2).astype(np.uint8)
                    colours[masks[mask][digit].reshape(28, 28)] = (40, 70, 130)
                    ax.imshow(colours, interpolation="nearest")
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("nicest")
    parser.add_argument("model")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--mean", type=int, default=50, help="steps of each chain")
    parser.add_argument("--map", type=int, default=200)
    parser.add_argument("--langevin", type=int, default=200)
    parser.add_argument("--paper", type=int, default=1000)
    parser.add_argument("--released", type=int, default=2000)
    parser.add_argument("--page", action="store_true", help="only the page, from the figures that are there")
    parser.add_argument("--about", default="", help="a sentence about the model, for the page")
    parser.add_argument("--out", default="docs/results")
    options = parser.parse_args()
    shared = pathlib.Path(os.environ.get("NICEST_SHARED", "../shared"))
    options.data = shared / "data" / "mnist" / "t10k-images-idx3-ubyte.gz"
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        subprocess.run([options.nicest, "convert", f"{options.data}[0:{options.images}]", "-q", "-o",
                        folder / "truth.npy"], check=True)
        truth = np.load(folder / "truth.npy").reshape(-1, 784)
        masks = {mask: mask_of(options, mask, options.images) for mask in MASKS}
        if options.page:
            lines = map(json.loads, (out / "inpainting-mnist.jsonl").open())
            figures, fills = {(line["recipe"], line["mask"]): line["figures"] for line in lines}, None
        else:
            figures, fills = measure(options, folder)
    plain = baselines(options, truth, masks, figures)
    lines = [{"recipe": r, "mask": m, "figures": figures[r, m]} for m in MASKS for r in RECIPES]
    (out / "inpainting-mnist.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (out / "inpainting-mnist.md").write_text("\n".join(table(figures, options, plain)) + "\n")
    if fills:
        picture(fills, truth, masks, out / "inpainting-mnist.png")
    print(out / "inpainting-mnist.md")


if __name__ == "__main__":
    main()
