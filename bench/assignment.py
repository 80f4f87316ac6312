#!/usr/bin/env python3
"""The assignment, step by step: runs every command of docs/assignment.md and writes the page.

    python3 bench/assignment.py [--nicest build/release/nicest] [--mnist-model FILE] [--out docs]
    python3 bench/assignment.py --quick       # does everything work? its figures mean nothing

From the project's folder; $MNIST and $FASHION say where the pictures are (../shared/data/mnist and
/usr/share/datasets/fashion-mnist). Without --mnist-model it first trains one, for 15 minutes; all else
takes about eight. What stands under a command is what it printed, shortened to its last lines.
Models go to build/assignment, pictures to docs/assignment; --quick writes page and pictures to
build/assignment/page.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

MNIST_COMMAND = ("nicest train '$MNIST/train-images-idx3-ubyte.gz[0:50000]' "
                 "--valid '$MNIST/train-images-idx3-ubyte.gz[50000:60000]' --time 15m -o $W/mnist.safetensors")

KINDS = ("noise", "rotate", "shear", "contrast", "morph")
KINDS_SHOWN = ("noise=0.3 rotate=45 shear=0.5 contrast=0.5 "
               "\"morph=0.5@$FASHION/t10k-images-idx3-ubyte.gz\"")
SWEEPS_SHOWN = ("noise=0:0.5:0.1 rotate=0:90:15 shear=0:1:0.2 contrast=0:0.5:0.1 "
                "\"morph=0:1:0.2@$FASHION/t10k-images-idx3-ubyte.gz\"")

# (title, [step]); a step is prose, or ("$", command[, lines to show]), or ("!", picture, words).
SECTIONS = [
    ("1. The layers", [
        "A NICE flow is a stack of layers with a triangular Jacobian each. Written as text ([spec.md](spec.md), "
        "formulas in\n[math.md](math.md)): **additive couplings**, which move one half of the columns by a "
        "function of the other; a\n**permutation** that says what the halves are; a **diagonal scaling**; a "
        "**prior**.",
        ("$", "printf 'nicest 1\\ncolumns 2\\nstandardise\\npermute odd-even\\ncoupling move=second hidden=64x2 "
              "activation=silu\\ncoupling move=first hidden=64x2 activation=silu\\nscale\\nprior normal\\n' "
              "> $W/layers.txt"),
        ("$", "nicest train toy:parabola,n=5000 --spec $W/layers.txt --epochs 10 -o $W/layers.safetensors", 6),
        "`verify` proves it: the inverse returns the row, in both directions; the log-determinant is that of a "
        "Jacobian\nmade by finite differences in double; gradients, by rows and by parameters, are numerical "
        "slopes; the total mass is 1.",
        ("$", "nicest verify $W/layers.safetensors", 12),
        "The same number from another program: `tools/nicest_numpy.py` is the same model in a page of NumPy.",
        ("$", "nicest convert toy:parabola,n=3,seed=9 -o $W/three.npy -q && nicest score $W/layers.safetensors "
              "$W/three.npy && python3 tools/nicest_numpy.py $W/layers.safetensors $W/three.npy"),
    ]),
    ("2. The full model", [
        "The paper's model for MNIST: four couplings, each of five hidden layers of 1000 units, a scaling, the "
        "logistic\nprior. Two epochs over 2,000 digits are enough to have weights that are not zero; what is "
        "checked holds for any.",
        ("$", "nicest train '$MNIST/train-images-idx3-ubyte.gz[0:2000]' --preset nice --epochs 2 "
              "-o $W/full.safetensors -q && nicest info $W/full.safetensors", 17),
        ("$", "nicest verify $W/full.safetensors '$MNIST/t10k-images-idx3-ubyte.gz[0:100]'", 12),
    ]),
    ("3. Training on the parabola and other toys", [
        "x2 ~ N(0, 4²), x1 ~ N(x2²/4, 1). The truth is known, so the gap is measured on 100,000 fresh rows.",
        ("$", "nicest train toy:parabola,n=20000 --time 20s -o $W/parabola.safetensors", 6),
        ("$", "nicest verify $W/parabola.safetensors", 8),
        ("$", "nicest density $W/parabola.safetensors -o $P/parabola.png -q\n"
              "nicest sample $W/parabola.safetensors -n 3000 -o $P/parabola-samples.png -q"),
        ("!", "parabola.png", "the learnt density"),
        ("!", "parabola-samples.png", "3,000 samples of it"),
        "Others; all eight toys, with their densities, are in [results/first.md](results/first.md).",
        ("$", "for t in moons eight-gaussians pinwheel; do nicest train toy:$t,n=20000 --time 20s "
              "-o $W/$t.safetensors --json -q | grep -o '\"test_logp\":[-0-9.]*\\|\"gap\":[-0-9.e]*' | "
              "paste -sd' ' | sed \"s/^/$t /\"; nicest density $W/$t.safetensors --grid 250x250 "
              "-o $P/$t.png -q; done"),
        ("!", "moons.png", "moons"), ("!", "eight-gaussians.png", "eight-gaussians"),
        ("!", "pinwheel.png", "pinwheel"),
        "NICE keeps volumes but for one scaling, so it can bend and shift but not cut: the bridges between "
        "separate parts\nremain, and the gap of many-part toys is larger than the parabola's.",
    ]),
    ("4. MNIST", [
        ("train", MNIST_COMMAND),
        ("$", "nicest info $W/mnist.safetensors", 30),
        ("$", "nicest score $W/mnist.safetensors $MNIST/t10k-images-idx3-ubyte.gz -o $W/mnist.csv", 6),
        ("$", "nicest sample $W/mnist.safetensors -n 64 --temperature 0.8 -o $P/mnist-samples.png -q"),
        ("!", "mnist-samples.png", "samples, the latent scaled by 0.8"),
    ]),
    ("5. Inpainting", [
        "Any dimensions given any others: what is missing climbs log p, the rest stays. On the parabola x1 is 9 "
        "where x2 is 6,\nand for x1 = 9 there are two answers, 6 and -6: the ascent finds one of them.",
        ("$", "printf 'x1,x2\\n,6\\n9,\\n' > $W/holes.csv && nicest inpaint $W/parabola.safetensors $W/holes.csv "
              "--mask nan --method map"),
        "Samples of what is missing find both. (The default for tables, `--method mean`, is the guess of least squared "
        "error:\nbetween the two answers, where there is no data.)",
        ("$", "nicest inpaint $W/parabola.safetensors $W/holes.csv --mask nan --method langevin --samples 6 -q"),
        "Hidden pixels climb log p, the others stay ([inpainting.md](inpainting.md)). Each row shows the "
        "original, what is seen,\nand the fill; `psnr` is that of hidden pixels, beside that of the mean picture.",
        ("$", "nicest inpaint $W/mnist.safetensors '$MNIST/t10k-images-idx3-ubyte.gz[0:10]' --mask top "
              "-o $P/fill-top.png", 5),
        ("!", "fill-top.png", "the upper half hidden"),
        ("$", "nicest inpaint $W/mnist.safetensors '$MNIST/t10k-images-idx3-ubyte.gz[0:10]' "
              "--mask random:0.75 -o $P/fill-random.png", 5),
        ("!", "fill-random.png", "three quarters of the pixels hidden"),
        ("$", "nicest inpaint $W/mnist.safetensors '$MNIST/t10k-images-idx3-ubyte.gz[0:10]' "
              "--mask middle-columns -o $P/fill-middle.png", 5),
        ("!", "fill-middle.png", "the middle columns hidden"),
        "The likeliest fill commits to one digit where several fit, so on a wide hole its PSNR may fall below that "
        "of the mean\npicture, which commits to none. All ten masks: [inpainting.md](inpainting.md).",
    ]),
    ("6. Corruption and what log p says of it", [
        "Five kinds: noise, rotation, shear, contrast, and a morph from a digit into a piece of clothing "
        "([corruptions.md](corruptions.md)\nsays what each level is).",
        ("$", f"for c in {KINDS_SHOWN}; do nicest corrupt '$MNIST/t10k-images-idx3-ubyte.gz[0:9]' --with $c -o "
              "$P/corrupt-${c%%=*}.png -q; done"),
        "| noise 0.3 | rotate 45 | shear 0.5 | contrast 0.5 | morph 0.5 |\n|---|---|---|---|---|\n| " + " | ".join(
            f"![{kind}](assignment/corrupt-{kind}.png)" for kind in KINDS) + " |",
        "Each is raised step by step, and log p falls, but for turns: a digit turned by 90 degrees is likelier than one turned "
        "by 60.\nThe threshold comes from digits that training held out, and promises 5 % false alarms ([outliers.md](outliers.md): "
        "on average over\ncalibrations; one threshold from 5,000 rows gives 5 % give or take 0.3); it is never moved. A line a level: mean "
        "log p of the corrupted digits,\nits 5 and 95 % quantiles, and how well the threshold and the ranking tell "
        "them from the digits as they were.",
        ("$", f"for c in {SWEEPS_SHOWN}; do nicest outliers $W/mnist.safetensors "
              "'$MNIST/t10k-images-idx3-ubyte.gz[0:2000]' --score logp --corrupt $c --picture $P/${c%%=*}.png "
              "-o $W/sweep.csv 2>&1 | grep -v 'without a model\\|^at'; done", 60),
        "| noise | rotate | shear | contrast | morph |\n|---|---|---|---|---|\n| " + " | ".join(
            f"![log p and decisions by {kind}](assignment/{kind}.png)" for kind in KINDS) + " |\n\n*above: log p, mean and "
        "5 to 95 %, and the threshold; below: AUROC, recall and precision*",
        "Not every corruption lowers log p: towards black it rises, since likeliest of all is an empty picture. Ten "
        "kinds, what\nplain likelihood misses and why, and which score does not: "
        "[results/corruptions.md](results/corruptions.md).",
    ]),
    ("7. Detection, with precision and recall", [
        "Clothes among digits: the model has never seen any.",
        ("$", "nicest outliers $W/mnist.safetensors $MNIST/t10k-images-idx3-ubyte.gz --against "
              "$FASHION/t10k-images-idx3-ubyte.gz --score logp -o $W/decisions.csv --picture $P/against.png", 9),
        ("!", "against.png", "log p of digits and of clothes, and the threshold"),
        "A harder case: digits turned by 45 degrees, judged by plain log p and by `combined`.",
        ("$", "nicest corrupt '$MNIST/t10k-images-idx3-ubyte.gz' --with rotate=45 -o $W/turned.npy -q && "
              "nicest outliers $W/mnist.safetensors $MNIST/t10k-images-idx3-ubyte.gz --against $W/turned.npy "
              "--score logp --pr $P/turned-pr.png --roc $P/turned-roc.png -o $W/decisions.csv", 9),
        ("$", "nicest outliers $W/mnist.safetensors $MNIST/t10k-images-idx3-ubyte.gz --against $W/turned.npy "
              "--score combined --pr $P/turned-pr-combined.png -o $W/decisions.csv", 9),
        ("!", "turned-roc.png", "receiver operating characteristic, log p"),
        ("!", "turned-pr.png", "precision and recall, log p"),
        ("!", "turned-pr-combined.png", "the same, combined"),
        "The opposite direction (a model of clothes that meets digits), where raw likelihood is unsafe, and every "
        "score and\nbaseline: [results/outliers-images.md](results/outliers-images.md). Tables beside "
        "scikit-learn, and the promise over 20\nsplits: [results/outliers-tables.md](results/outliers-tables.md).",
    ]),
]


class Walk:
    def __init__(self, options):
        self.options, self.text = options, []
        self.work, self.pictures = pathlib.Path("build/assignment"), pathlib.Path(options.out) / "assignment"
        self.work.mkdir(parents=True, exist_ok=True)
        self.pictures.mkdir(parents=True, exist_ok=True)
        self.programs = tempfile.TemporaryDirectory()
        (pathlib.Path(self.programs.name) / "nicest").symlink_to(pathlib.Path(options.nicest).resolve())
        shared = os.environ.get("NICEST_SHARED", "../shared")
        self.environment = {**os.environ, "W": str(self.work), "P": str(self.pictures),
                            "MNIST": os.environ.get("MNIST", f"{shared}/data/mnist"),
                            "FASHION": os.environ.get("FASHION", "/usr/share/datasets/fashion-mnist"),
                            "PATH": f"{self.programs.name}:{os.environ['PATH']}"}

    def run(self, command):
        """What it printed, words and data in the order of a terminal."""
        print(f"$ {command}", file=sys.stderr, flush=True)
        if self.options.quick:
            command = command.replace("--time 20s", "--time 2s").replace("--time 15m", "--time 20s")
        # a slice is quoted for the reader's sake; variables inside must still be filled in
        done = subprocess.run(["bash", "-c", re.sub(r"'(\$[A-Z][^']*)'", r'"\1"', command)], text=True,
                              env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            sys.exit(f"{command}\n{done.stdout}")
        return [line for line in done.stdout.splitlines() if not line.startswith("training: ")]

    def command(self, command, most=24, lines=None):
        lines = self.run(command) if lines is None else lines
        shown = ["..."] * (len(lines) > most) + lines[-most:]
        quoted = re.sub(r"'(\$[A-Z][^']*)'", r'"\1"', command)
        lines = [f"$ {line}" for line in quoted.split("\n")] + shown
        self.text.append("```\n" + "".join(f"{line}\n" for line in lines) + "```\n")

    def train(self, command):
        """The long one: its record is in the model, so one that is there already serves."""
        model = self.work / "mnist.safetensors"
        model.unlink(missing_ok=True)
        if self.options.mnist_model:
            model.symlink_to(pathlib.Path(self.options.mnist_model).resolve())
            self.command(command, lines=[])
        else:
            self.command(command, 8)

    def step(self, step):
        if isinstance(step, str):
            self.text.append(step + "\n")
        elif step[0] == "!":
            self.text.append(f"![{step[2]}](assignment/{step[1]})\n\n*{step[2]}*\n")
        elif step[0] == "train":
            self.train(step[1])
        else:
            self.command(*step[1:])


def shrink(folder):
    """Pictures as palettes where that makes them smaller; needs Pillow, and without it they stay."""
    try:
        from PIL import Image
    except ImportError:
        return
    for path in folder.glob("*.png"):
        before = path.read_bytes()
        Image.open(path).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size >= len(before):
            path.write_bytes(before)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nicest", default="build/release/nicest")
    parser.add_argument("--mnist-model", help="one that is trained already, by the command on the page")
    parser.add_argument("--out", help="folder of the page [docs]")
    parser.add_argument("--quick", action="store_true", help="train for seconds; the page goes to build/")
    options = parser.parse_args()
    options.out = options.out or ("build/assignment/page" if options.quick else "docs")
    walk = Walk(options)
    walk.text.append(
        "# The assignment, step by step\n\nFrom single layers to detected outliers, with the commands, what they "
        "printed and what they drew. `python3\nbench/assignment.py` runs all of it again and writes this page. "
        "`$MNIST` and `$FASHION` are folders of the pictures as\ntheir authors published them, `$W` is a folder "
        "for models, `$P` one for pictures. Figures in nats. *forward* is data to\nlatent, *inverse* latent to "
        "data (elsewhere called backward).\n")
    for title, steps in SECTIONS:
        walk.text.append(f"## {title}\n")
        for step in steps:
            walk.step(step)
    shrink(walk.pictures)
    (pathlib.Path(walk.options.out) / "assignment.md").write_text("\n".join(walk.text))


if __name__ == "__main__":
    main()
