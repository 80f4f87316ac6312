#!/usr/bin/env python3
"""Sweeps of corrupted pictures: what log p says of them, and which score finds them.

    python3 bench/corruptions.py MODEL [--nicest build/release/nicest] [--data ../shared/data/mnist]
                                 [--other /usr/share/datasets/fashion-mnist] [--out docs/results]

MODEL is one of MNIST (`nicest train ../shared/data/mnist/train-images-idx3-ubyte.gz -o MODEL`). Judges
test pictures against themselves, corrupted, for every kind of `nicest corrupt` and about ten levels of
each: log p with the first 2,000, the other scores with the first 500. Writes corruptions.md and its pictures, which
the program draws (needs NumPy). --results FILE keeps figures as they come; a run that finds some there goes on from
them.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy as np

RATE = 0.05
MORE, FEWER = 2000, 500  # pictures for log p, and for each other score
SCORES = ["logp", "typicality", "complexity", "latent", "gradient", "combined"]
SHOWN = 8  # levels of the picture of all kinds


def steps(first, last, step):
    return [round(first + i * step, 6) for i in range(int(round((last - first) / step)) + 1)]


# kind: levels, the level of the short table, what a level is
KINDS = {
    "noise": ([0, 0.02, 0.05, *steps(0.1, 0.8, 0.1)], 0.1, "standard deviation, share of full scale"),
    "rotate": (steps(0, 180, 15), 45, "degrees, counter-clockwise"),
    "shear": (steps(0, 1, 0.1), 0.5, "pixels to the right for each pixel up"),
    "contrast": ([0, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1], 0.01, "0: as it was, 1: all grey"),
    "contrast-black": (steps(0, 1, 0.1), 0.5, "0: as it was, 1: all black"),
    "brightness": (steps(-0.5, 0.5, 0.1), -0.3, "added, share of full scale"),
    "blur": ([0, 0.25, *steps(0.5, 4, 0.5)], 1, "standard deviation, pixels"),
    "occlusion": (steps(0, 0.5, 0.05), 0.1, "share of the area under a grey box"),
    "salt-and-pepper": ([0, 0.005, 0.01, 0.02, 0.05, *steps(0.1, 0.5, 0.1)], 0.02,
                        "share of pixels made black or white"),
    "morph": (steps(0, 1, 0.1), 0.5, "share of a Fashion-MNIST picture"),
}


def number(level):
    return f"{level:g}"


def call(options, *arguments):
    done = subprocess.run([options.nicest, *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join([options.nicest, *arguments])}\n{done.stderr}")
    return done.stdout


def corruption(options, kind):
    text = f"{kind}=" + ",".join(number(level) for level in KINDS[kind][0])
    return f"{text}@{options.other}/t10k-images-idx3-ubyte.gz" if kind == "morph" else text


def sweep(options, kind, score, rows, folder):
    print(f"{kind} {score}", file=sys.stderr, flush=True)
    picture = ["--picture", str(pathlib.Path(options.out) / f"corruptions-{kind}.png")] if score == "logp" else []
    out = call(options, "outliers", options.model, f"{options.test}[0:{rows}]", "--corrupt",
               corruption(options, kind), "--score", score, "--false-alarms", str(RATE), "--json", "-q",
               "-o", str(folder / "sweep.csv"), *picture)
    return json.loads(out.strip().splitlines()[-1])


def with_names(svg, names):
    """A name before each row of pictures: the drawing has a margin of 12 points."""
    width, height = map(float, re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups())
    room, tall = 130, (height - 24) / len(names)
    words = [f'<text x="{room - 2}" y="{12 + (i + 0.5) * tall + 4:.1f}" text-anchor="end" font-size="12" '
             f'font-family="DejaVu Sans, Verdana, Arial, sans-serif">{name}</text>\n' for i, name in enumerate(names)]
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width + room:g} {height:g}">\n'
            f'<rect width="100%" height="100%" fill="#fff"/>\n<g transform="translate({room} 0)">\n'
            f'{svg[svg.index("<svg"):].replace("pt", "", 2)}</g>\n{"".join(words)}</svg>\n')


def show(options, folder):
    """One digit under each kind, a row a kind, from its first level to its last."""
    tiles = []
    for kind, (levels, _, _) in KINDS.items():
        for level in (levels[round(i * (len(levels) - 1) / (SHOWN - 1))] for i in range(SHOWN)):
            text = f"{kind}={number(level)}"
            if kind == "morph":
                text += f"@{options.other}/t10k-images-idx3-ubyte.gz"
            call(options, "corrupt", f"{options.test}[0:4]", "--with", text, "-q", "-o", str(folder / "some.npy"))
            tiles.append(np.load(folder / "some.npy").reshape(4, 28, 28)[0])
    rows = [np.hstack(tiles[i:i + SHOWN]) for i in range(0, len(tiles), SHOWN)]
    np.save(folder / "all.npy", np.vstack(rows).astype("uint8")[None])
    picture = pathlib.Path(options.out) / "corruptions.svg"
    call(options, "convert", str(folder / "all.npy"), "-q", "-o", str(picture))
    picture.write_text(with_names(picture.read_text(), list(KINDS)))


def measure(options, folder):
    kept = pathlib.Path(options.results) if options.results else None
    results = json.loads(kept.read_text()) if kept and kept.exists() else {}
    for kind in KINDS:
        found = results.setdefault(kind, {})
        for score in SCORES:
            if score not in found:
                found[score] = sweep(options, kind, score, MORE if score == "logp" else FEWER, folder)
                if kept:
                    kept.write_text(json.dumps(results))
    return results


# ---------------------------------------------------------------------- the page


def at_level(found, kind, level=None):
    level = KINDS[kind][1] if level is None else level
    return next(line for line in found["sweep"] if abs(line["level"] - level) < 1e-9)


def scores_table(results):
    lines = ["| kind, level | " + " | ".join(SCORES) + " |", "|---" * (len(SCORES) + 1) + "|"]
    for kind in KINDS:
        row = [at_level(results[kind][score], kind)["auroc"] for score in SCORES]
        cells = [f"**{v:.3f}**" if v == max(row) else f"{v:.3f}" for v in row]
        lines.append(f"| {kind} {number(KINDS[kind][1])} | " + " | ".join(cells) + " |")
    mean = [np.mean([at_level(results[kind][score], kind)["auroc"] for kind in KINDS]) for score in SCORES]
    least = [min(at_level(results[kind][score], kind)["auroc"] for kind in KINDS) for score in SCORES]
    for name, row in (("mean", mean), ("least", least)):
        lines.append(f"| **{name}** | " + " | ".join(f"**{v:.3f}**" if v == max(row) else f"{v:.3f}"
                                                   for v in row) + " |")
    return "\n".join(lines)


def kind_table(found):
    lines = ["| level | mean log p | 5 % | 95 % | recall | precision | AUROC | AUROC of combined |",
             "|---|---|---|---|---|---|---|---|"]
    for line, other in zip(found["logp"]["sweep"], found["combined"]["sweep"]):
        lines.append(f"| {number(line['level'])} | {line['mean']:.0f} | {line['low']:.0f} | {line['high']:.0f} | "
                     f"{line['recall']:.3f} | {line['precision']:.3f} | {line['auroc']:.3f} | "
                     f"{other['auroc']:.3f} |")
    return "\n".join(lines)


def missed(results):
    """Kinds of which plain log p takes a level for more typical than the pictures themselves."""
    lines = []
    for kind in KINDS:
        level, low = min(((line["level"], line["auroc"]) for line in results[kind]["logp"]["sweep"]
                          if line["level"]), key=lambda pair: pair[1])
        if low >= 0.5:
            continue
        others = {s: at_level(results[kind][s], kind, level)["auroc"] for s in SCORES if s != "logp"}
        best = max(others, key=others.get)
        here = at_level(results[kind]["logp"], kind, level)
        lines.append(f"| {kind} | {number(level)} | {low:.3f} | {here['mean']:.0f} | {best} {others[best]:.3f} | "
                     f"{others['typicality']:.3f} | {others['combined']:.3f} |")
    head = ["| kind | worst level | AUROC of log p | mean log p there | best other score | typicality | combined |",
            "|---|---|---|---|---|---|---|"]
    return "\n".join(head + lines)


def reasons(results):
    """Why, with the figures that show it."""
    def area(kind, level, score="logp"):
        return f"{at_level(results[kind][score], kind, level)['auroc']:.2f}"

    black = at_level(results["contrast-black"]["logp"], "contrast-black", 1)
    high = at_level(results["contrast-black"]["logp"], "contrast-black", 0)["high"]
    changed = [(line["auroc"], kind, line["level"]) for kind in KINDS
               for line in results[kind]["combined"]["sweep"] if line["auroc"] != 0.5]  # 0.5: nothing changed
    least = min(changed)
    shears = [at_level(results["shear"][score], "shear", 0.1)["auroc"] for score in ("logp", "combined")]
    better = "log p" if shears[0] > shears[1] else "`combined`"
    return (
        "**Why.** A density rewards what is simple. Most pixels of a digit are black, so the all-black picture is the "
        f"likeliest of all: it\nhas {black['mean']:.0f} nats, and 95 % of the digits have less than {high:.0f}. A much "
        "darker picture comes near to it.\n\n"
        "**What log p finds, and how.** Rotation, shear and blur mix neighbouring pixels. That makes greys where digits "
        "have none, and the\nmarginal histograms of the model find these rare. Turns of 90 and 180 degrees mix nothing, "
        f"and there log p falls back to {area('rotate', 90)}\nand {area('rotate', 180)}. (Of 180 degrees, many digits are "
        "digits again: 0, 1, 8; 6 and 9.) A few `salt-and-pepper` pixels (0.02: "
        f"{area('salt-and-pepper', 0.02)})\nare black or white as most pixels are, so log p tells less of them than of "
        "other noise.\n\n"
        "**What finds the rest.** `combined` looks at the latent, the gradient and the compressed length as well: "
        f"{area('contrast-black', 1, 'combined')} for the black\npicture, {area('salt-and-pepper', 0.02, 'combined')} for "
        f"salt and pepper. Its lowest AUROC wherever a pixel changed is {least[0]:.2f} ({least[1]} {number(least[2])}). "
        f"Of\nslight shears {better} is the better one (0.1: log p {shears[0]:.2f}, `combined` {shears[1]:.2f}).\n\n"
        "**What nobody finds.** `contrast` below 0.004 and `blur` 0.25 are less than half a level and round to the same "
        "picture.\n")


def write(options, results):
    any_kind = results["noise"]["logp"]
    text = (
        "# Corrupted pictures\n\n"
        "Written by `bench/corruptions.py MODEL`, which repeats every figure and draws every picture. The model is one of "
        "MNIST, trained\nwithout options but a time"
        f"{f' ({options.note})' if options.note else ''}:\n\n    nicest train mnist/train-images-idx3-ubyte.gz --time 15m -o "
        f"MODEL\n\nThe first {MORE} test pictures (mean log p {at_level(any_kind, 'noise', 0)['mean']:.1f} nats) are the "
        "normal rows, the same pictures corrupted are the\noutliers: a prevalence of 0.5. The threshold on log p is "
        f"{any_kind['threshold']:.1f} nats, from {any_kind['calibration_rows']} calibration rows and 5 % promised\nfalse "
        f"alarms; on these pictures it gave {100 * any_kind['false_alarms']:.2f} %. It was never moved. The other scores "
        f"judge the first {FEWER} pictures.\nWith another prevalence q the precision is q R / (q R + (1 - q) F), R the "
        "recall and F the false alarms. What each kind and level\nis: [corruptions.md](../corruptions.md); the scores: "
        "[outliers.md](../outliers.md).\n\n"
        "![one digit under every kind](corruptions.svg)\n\n*One digit under each kind, from the first level to the last: "
        f"{', '.join(KINDS)}.*\n\n"
        "## Every score at one level of each kind\n\nAUROC: 0.5 is chance, 1 is always right, below 0.5 the corrupted "
        "picture looks *more* typical.\n\n" + scores_table(results) + "\n\n"
        "## What plain likelihood misses\n\nKinds with a level that log p takes for more typical than the "
        "pictures themselves, at the worst such level:\n\n" + missed(results) + "\n\n" +
        reasons(results) + "\n## The sweeps\n")
    for kind in KINDS:
        text += (f"\n### {kind}\n\nLevel: {KINDS[kind][2]}.\n\n![log p and decisions by {kind}](corruptions-{kind}.png)\n\n" + kind_table(results[kind]) + "\n")
    (pathlib.Path(options.out) / "corruptions.md").write_text(text)


def main():
    shared = os.environ.get("NICEST_SHARED", "../shared")
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--nicest", default="build/release/nicest")
    parser.add_argument("--data", default=os.environ.get("MNIST", f"{shared}/data/mnist"))
    parser.add_argument("--other", default=os.environ.get("FASHION", "/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--out", default="docs/results")
    parser.add_argument("--note", help="when the model was trained, and what it is")
    parser.add_argument("--results", help="keep figures in this file, and take those that are there")
    options = parser.parse_args()
    options.test = f"{options.data}/t10k-images-idx3-ubyte.gz"
    with tempfile.TemporaryDirectory() as folder:
        results = measure(options, pathlib.Path(folder))
        show(options, pathlib.Path(folder))
    write(options, results)


if __name__ == "__main__":
    main()
