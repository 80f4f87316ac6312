#!/usr/bin/env python3
"""Makes docs/gallery.md and its pictures: what nicest does from Python, each thing in a few lines that are run.

    python3 examples/gallery.py [--data ../shared/data] [--out docs] [--only moons,mnist]

--data holds mixed/diamonds.csv.gz, mixed/penguins.csv (both from the R packages ggplot2 and palmerpenguins) and
mnist/ with the four IDX files. Needs pandas, scikit-learn and matplotlib. Three to five minutes.
"""
import argparse
import contextlib
import inspect
import io
import os
import pathlib
import sys
import tempfile
import textwrap
import time

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

import nicest  # noqa: E402

DATA = pathlib.Path("../shared/data")


def moons():
    """## A density

    Learn two moons with a scikit-learn estimator, and draw the density in one call. The density is in the units of the
    data; `verify` measures that it integrates to one."""
    rows = nicest.toy("moons", n=20000)
    flow = nicest.Flow(time="20s", random_state=0).fit(rows)
    fresh = nicest.toy("moons", n=5000, seed=9)
    print(f"mean log p {flow.score(fresh):.3f}, of the truth {nicest.toy_log_density('moons', fresh).mean():.3f} nats")
    print(f"total mass {flow.model_.verify().integral:.4f}")
    return nicest.DensityDisplay.from_estimator(flow, rows[:500]).figure_


def reasons():
    """## Outliers, with reasons

    54,000 diamonds with words and numbers. Some were typed wrongly (sides of 0 mm, and one of 58.9 mm), and nobody says
    which. Here are the eight least typical rows, and for each the column to blame, with the value expected there given the
    rest of the row. A table of 95 and sides of 31.8 (twice) and 58.9 mm are surely wrong; the others are odd at least. Where
    rows are few, as of stones of 5 carat, what is expected is a rough guess."""
    diamonds = pd.read_csv(DATA / "mixed/diamonds.csv.gz")
    found = nicest.FlowOutlierDetector(time="60s", random_state=0, rank_by="logp").fit(diamonds)
    worst = found.score_samples(diamonds).sort_values().index[:8]
    print(diamonds.loc[worst].to_string())
    why = found.explain(diamonds.loc[worst], most=1)
    print(why[["column", "value", "expected", "low", "high"]].to_string(float_format="{:.4g}".format))
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
    nicest.OutlierDisplay.from_estimator(found, diamonds.sample(5000, random_state=0), ax=left)
    odd = found.score_samples(diamonds).nsmallest(30).index
    right.scatter(diamonds["x"], diamonds["z"], s=3, c="lightgrey")
    right.scatter(diamonds["x"][odd], diamonds["z"][odd], s=9, c="crimson")
    right.set(xlabel="x (mm)", ylabel="z (mm)", title="the 30 least typical rows", ylim=(-0.5, 9))
    return figure


def missing():
    """## What is missing

    We hide the body mass of a third of the penguins. The imputer fills it, given species, island, sex and the other
    measures. It says how sure it is: bars are one standard deviation of its draws. It fills missing words, too."""
    penguins = pd.read_csv(DATA / "mixed/penguins.csv")
    whole = penguins.dropna()
    hidden = np.random.default_rng(0).random(len(whole)) < 0.3
    holes = whole.assign(body_mass_g=whole["body_mass_g"].where(~hidden))
    imputer = nicest.FlowImputer(time="20s", random_state=0).fit(holes)
    filled = imputer.transform(holes)[hidden]
    spread = imputer.standard_deviations(holes)["body_mass_g"][hidden]
    truth = whole["body_mass_g"][hidden]
    print(f"error {(filled['body_mass_g'] - truth).std():.0f} g; of the column's mean {truth.std():.0f} g")
    print(f"within one deviation: {((filled['body_mass_g'] - truth).abs() < spread).mean():.0%}, as 68 % should be")
    figure, axes = plt.subplots(figsize=(4.6, 4))
    axes.errorbar(truth, filled["body_mass_g"], yerr=spread, fmt="o", ms=3, lw=0.7)
    axes.plot([2700, 6300], [2700, 6300], color="black", lw=0.7)
    axes.set(xlabel="true body mass (g)", ylabel="filled body mass (g)")
    return figure


def conditional():
    """## y given X

    What does a diamond cost, given its weight and cut? The answer is not one number but a density. It has steps at round
    weights. Nine tenths of the prices lie between the outer lines; the middle line is the median."""
    diamonds = pd.read_csv(DATA / "mixed/diamonds.csv.gz").sample(20000, random_state=0)
    diamonds["log10 price"] = np.log10(diamonds.pop("price"))
    flow = nicest.ConditionalFlow(time="40s", random_state=0).fit(diamonds[["carat", "cut"]], diamonds["log10 price"])
    carats, prices = np.linspace(0.25, 2.2, 120), np.linspace(2.4, 4.4, 160)
    grid = pd.DataFrame({"carat": np.repeat(carats, len(prices)), "cut": "Ideal"})
    density = np.exp(flow.log_prob(grid, pd.Series(np.tile(prices, len(carats)), name="log10 price", index=grid.index)))
    at = pd.DataFrame({"carat": carats, "cut": "Ideal"})
    lines = flow.predict_quantiles(at, [0.05, 0.5, 0.95])
    print((10 ** flow.predict_interval(pd.DataFrame({"carat": [0.5, 1.0, 2.0], "cut": "Ideal"}))).round().to_string())
    figure, axes = plt.subplots(figsize=(6, 4))
    image = density.to_numpy().reshape(len(carats), -1).T
    shown = axes.imshow(image, origin="lower", aspect="auto", vmax=np.quantile(density, 0.99),
                        extent=(carats[0], carats[-1], prices[0], prices[-1]))
    figure.colorbar(shown, label="density of log10 price", extend="max")
    axes.plot(carats, lines, color="white", lw=0.8)
    axes.set(xlabel="carat", ylabel="log10 price")
    return figure


def mnist():
    """## Pictures

    A small model learns a quarter of MNIST, read as the bytes of its file, for a minute and a half. Then we hide the lower
    half of ten test digits, and the model fills in the mean of what is possible. How well a longer training fills:
    [results](results/inpainting-mnist.md)."""
    digits = nicest.open(f"{DATA}/mnist/train-images-idx3-ubyte.gz[0:15000]")
    model = nicest.train(digits, time="90s", couplings=4, hidden="400x2")
    test = nicest.open(f"{DATA}/mnist/t10k-images-idx3-ubyte.gz[0:10]").numpy()
    done = model.inpaint(test, hidden="bottom")
    print(f"{model.columns} columns, {model.parameters:,} parameters; {done.summary['psnr']:.1f} dB, "
          f"{done.summary['psnr_mean_fill']:.1f} dB where the mean digit fills")
    seen = np.where(np.arange(784) >= 392, 128, test)
    strip = np.concatenate([part.reshape(10, 28, 28).transpose(1, 0, 2).reshape(28, 280)
                            for part in (test, seen, done.filled, model.sample(10))])
    figure, axes = plt.subplots(figsize=(7, 2.9))
    axes.imshow(strip, cmap="gray", vmin=0, vmax=255)
    axes.set(xticks=[], yticks=[14, 42, 70, 98], yticklabels=["test", "seen", "filled", "samples"])
    return figure


def assignment():
    """## The assignment, beside NumPy

    The paper's layers, written as text, learn the parabola. Then a page of NumPy
    ([nicest_numpy.py](../tools/nicest_numpy.py)) reads the model file and computes log p from the formulas. NICE from
    nothing, with its gradients, is [nice.py](../examples/nice.py); step by step: [the assignment](assignment.md)."""
    layers = "nicest 1\ncolumns 2\nstandardise\n" + "".join(
        f"coupling move={side} hidden=64x2 activation=relu\n" for side in ("second", "first") * 2) + "scale\nprior normal\n"
    rows = nicest.toy("parabola", n=20000)
    model = nicest.train(rows, spec=layers, epochs=60)
    model.save("parabola.safetensors")
    import nicest_numpy
    ours, theirs = model.score(rows[:1000]), nicest_numpy.log_prob("parabola.safetensors", rows[:1000])
    print(f"the greatest difference of 1,000 log p: {np.abs(ours - theirs).max():.1e} nats")
    truth = nicest.toy_log_density("parabola", rows)
    print(f"mean log p {model.score(rows).mean():.3f}, of the truth {truth.mean():.3f} nats")
    latent, logdet = model.forward(rows[:2000])
    print(f"log |det| of every row: {logdet.min():.3f} to {logdet.max():.3f}, since additive couplings keep volume")
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 3.6))
    left.scatter(*rows[:2000].T, s=3, c=rows[:2000, 1])
    left.set(title="rows, coloured by x2", xlabel="x1", ylabel="x2")
    right.scatter(*latent.T, s=3, c=rows[:2000, 1])
    right.set(title="their latents, the same colours", xlabel="h1", ylabel="h2", aspect="equal")
    return figure


PAGES = [moons, reasons, missing, conditional, mnist, assignment]


def page(function, folder):
    """One section: words, the lines that were run, what they printed, the picture."""
    printed, began = io.StringIO(), time.perf_counter()
    with contextlib.redirect_stdout(printed):
        figure = function()
    print(f"{function.__name__}: {time.perf_counter() - began:.0f} s\n{printed.getvalue()}", flush=True)
    figure.savefig(folder / f"{function.__name__}.png", dpi=130, bbox_inches="tight", metadata={"Software": None})
    plt.close("all")
    head, words = inspect.cleandoc(function.__doc__).split("\n", 1)
    source = inspect.getsource(function)
    lines = textwrap.dedent(source[source.index('"""\n', source.index('"""') + 3) + 4:].replace("    return figure\n", "")).replace("\nreturn ", "\n")
    return (f"{head}\n{words}\n\n```python\n{lines}```\n\n```text\n{printed.getvalue()}```\n\n"
            f"![{head.strip('# ')}](gallery/{function.__name__}.png)\n")


def main():
    global DATA
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=pathlib.Path, default=DATA)
    parser.add_argument("--out", type=pathlib.Path, default="docs")
    parser.add_argument("--only", type=lambda text: text.split(","), default=None)
    options = parser.parse_args()
    DATA, options.out = options.data.resolve(), options.out.resolve()
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tools"))
    (options.out / "gallery").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        parts = [page(f, options.out / "gallery") for f in PAGES if not options.only or f.__name__ in options.only]
    path = options.out / "gallery.md"
    if options.only:  # these sections anew, the others as they stand
        old = path.read_text(encoding="utf-8").split("\n## ")
        new = {part.split("\n", 1)[0]: part for part in parts}
        path.write_text(old[0] + "".join("\n" + new.get("## " + part.split("\n", 1)[0], "## " + part) for part in old[1:]),
                        encoding="utf-8")
    else:
        path.write_text(
            "# Gallery\n\nWhat nicest does from [Python](python.md), in a few lines each. [gallery.py](../examples/gallery.py) runs these lines and\n"
            "writes this page; `DATA` is the folder with the data sets.\n\n"
            "```python\nimport matplotlib.pyplot as plt, numpy as np, pandas as pd\nimport nicest\n```\n\n" +
            "\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
