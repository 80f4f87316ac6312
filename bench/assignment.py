#!/usr/bin/env python3
"""The assignment, step by step: runs every command of docs/assignment.md and writes the page.

    python3 bench/assignment.py [--nicest build/release/nicest] [--mnist-model FILE] [--out docs]

From the project's folder; $MNIST and $FASHION say where the pictures are (../shared/data/mnist and
/usr/share/datasets/fashion-mnist). Without --mnist-model it first trains one, for 15 minutes; all else
takes about five. What stands under a command is what it printed, shortened to its last lines.
Models go to build/assignment, pictures to docs/assignment.
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
        "The same number from another program: `tools/nicest_numpy.py` is the same model in forty lines of NumPy.",
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
        "Digits are turned step by step, and judged. The threshold comes from digits that training held out, "
        "and promises\nat most 5 % false alarms ([outliers.md](outliers.md)). The sweep has a line a level: "
        "mean log p, the 5 and 95 %\nquantiles, share flagged, AUROC, AUPRC, precision, recall, prevalence.",
        ("$", "nicest outliers $W/mnist.safetensors '$MNIST/t10k-images-idx3-ubyte.gz[0:2000]' "
              "--corrupt rotate=0:90:10 --picture $P/rotate.png -o $W/rotate.csv -q && cut -d, -f1-5,6,8-10 $W/rotate.csv | "
              "sed -E 's/(\\.[0-9]{3})[0-9]*/\\1/g'"),
        ("!", "rotate.png", "log p and share flagged, by angle"),
        "Ten kinds, what plain likelihood misses, and which score does not: "
        "[results/corruptions.md](results/corruptions.md).",
    ]),
    ("7. Detection, with precision and recall", [
        "Clothes among digits: the model has never seen any.",
        ("$", "nicest outliers $W/mnist.safetensors $MNIST/t10k-images-idx3-ubyte.gz --against "
              "$FASHION/t10k-images-idx3-ubyte.gz -o $W/decisions.csv --picture $P/against.png", 9),
        ("!", "against.png", "log p of digits and of clothes, and the threshold"),
        "A harder case: digits turned by 45 degrees, judged by plain log p and by `combined`.",
        ("$", "nicest corrupt '$MNIST/t10k-images-idx3-ubyte.gz' --with rotate=45 -o $W/turned.npy -q && "
              "nicest outliers $W/mnist.safetensors $MNIST/t10k-images-idx3-ubyte.gz --against $W/turned.npy "
              "--pr $P/turned-pr.png --roc $P/turned-roc.png -o $W/decisions.csv", 9),
        ("$", "nicest outliers $W/mnist.safetensors $MNIST/t10k-images-idx3-ubyte.gz --against $W/turned.npy "
              "--score combined --pr $P/turned-pr-combined.png -o $W/decisions.csv", 9),
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
        # a slice is quoted for the reader's sake; variables inside must still be filled in
        done = subprocess.run(["bash", "-c", re.sub(r"'(\$[^']*)'", r'"\1"', command)], text=True,
                              env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            sys.exit(f"{command}\n{done.stdout}")
        return [line for line in done.stdout.splitlines() if not line.startswith("training: ")]

    def command(self, command, most=24, lines=None):
        lines = self.run(command) if lines is None else lines
        shown = ["..."] * (len(lines) > most) + lines[-most:]
        quoted = re.sub(r"'(\$[^']*)'", r'"\1"', command)
        lines = [f"$ {line}" for line in quoted.split("\n")] + shown
        self.text.append("```\n" + "".join(f"{line}\n" for line in lines) + "```\n")

    def train(self, command):
        """The long one: its record is in the model, so one that is there already serves."""
        model = self.work / "mnist.safetensors"
        if self.options.mnist_model:
            model.unlink(missing_ok=True)
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
        Image.open(path).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size >= len(before):
            path.write_bytes(before)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nicest", default="build/release/nicest")
    parser.add_argument("--mnist-model", help="one that is trained already, by the command on the page")
    parser.add_argument("--out", default="docs")
    walk = Walk(parser.parse_args())
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
