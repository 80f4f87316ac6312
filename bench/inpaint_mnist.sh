#!/bin/sh
# Inpainting of MNIST test digits: every recipe under all ten masks of the NICE paper.
#
#   bench/inpaint_mnist.sh NICEST MODEL [OUT] [IMAGES] [PAPER_STEPS] [RELEASED_STEPS]
#
# Writes OUT/inpainting-mnist.md (table), .jsonl (figures) and .png (picture); OUT is docs/results unless
# said otherwise. The released recipe is run for a part of its 111,895 steps, which the table states.
# Wants python3 (standard library) and the MNIST files in ../shared/data/mnist (NICEST_SHARED moves it).
set -eu
nicest=${1:?the program} model=${2:?a model of MNIST} out=${3:-docs/results} images=${4:-100}
paper=${5:-1000} released=${6:-2000}
shared=${NICEST_SHARED:-../shared}
data="$shared/data/mnist/t10k-images-idx3-ubyte.gz[0:$images]"
masks="top bottom even odd left right middle-rows middle-columns random:0.75 random:0.9"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

mkdir -p "$out"
: >"$scratch/lines"

# recipe NAME MASK OPTIONS...: one run; its figures become a line, its fills a file
recipe() {
    name=$1 mask=$2
    shift 2
    figures=$("$nicest" inpaint "$model" "$data" --mask "$mask" --seed 1 -q --json \
        -o "$scratch/$name-$mask.npy" "$@")
    printf '{"recipe": "%s", "mask": "%s", "figures": %s}\n' "$name" "$mask" "$figures" |
        tee -a "$scratch/lines"
}

for mask in $masks; do
    recipe default "$mask"
    recipe langevin "$mask" --method langevin --samples 2 --steps 200
    recipe paper "$mask" --recipe paper --steps "$paper"
    recipe released "$mask" --recipe released --steps "$released"
    # almost only noise, and so almost nowhere the truth: it shows what the mask hides
    "$nicest" inpaint "$model" "$data" --mask "$mask" --seed 1 -q --recipe released --steps 1 \
        -o "$scratch/noise-$mask.npy"
done
"$nicest" convert "$data" -q -o "$scratch/truth.npy"

python3 - "$scratch" "$out" "$images" "$masks" <<'PYTHON'
import json
import struct
import sys

scratch, out, images, masks = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4].split()
lines = [json.loads(line) for line in open(f"{scratch}/lines")]
figures = {(line["recipe"], line["mask"]): line["figures"] for line in lines}
recipes = ["default", "langevin", "paper", "released"]


def cell(value, digits):
    return "-" if value is None else f"{value:.{digits}f}"


def table():
    steps = ", ".join(f"{r} {figures[r, masks[0]]['steps']}" for r in recipes[1:])
    yield f"# Inpainting of {images} MNIST test digits\n"
    yield f"Steps: default stops by itself (the column says when), {steps}. PSNR is of hidden pixels,"
    yield "in dB; log-likelihoods are means over digits, in nats. langevin: two samples, each counted."
    yield "Digits are the first of the test set; nothing was chosen by looking at them.\n"
    head = "| mask | mean fill | " + " | ".join(f"{r} dB" for r in recipes) + " | before | "
    yield head + " | ".join(f"{r} nats" for r in recipes) + " | default steps | default s |"
    yield "|" + "---|" * (5 + 2 * len(recipes))
    for mask in masks:
        row = [figures[r, mask] for r in recipes]
        cells = [mask, cell(row[0]["psnr_mean_fill"], 2)] + [cell(f["psnr"], 2) for f in row]
        cells += [cell(row[0]["logp_before"], 0)] + [cell(f["logp_after"], 0) for f in row]
        yield "| " + " | ".join(cells + [str(row[0]["steps"]), cell(row[0]["seconds"], 1)]) + " |"
    better = sum(figures["default", m]["psnr"] > figures["default", m]["psnr_mean_fill"] for m in masks)
    yield f"\nThe default recipe beats the mean fill on {better} of {len(masks)} masks."
    for r in recipes[1:]:
        seconds = [figures[r, m]["seconds"] for m in masks]
        yield f"Seconds for one mask, {r}: {min(seconds):.1f} to {max(seconds):.1f}."
    yield "\n![two digits under each mask](inpainting-mnist.png)\n"
    yield "Each line is a mask, in the order of the table; for each of two digits: the truth, what is"
    yield "seen, the default recipe, the paper's, the released one."


def load(name):
    """Rows of a 2-D NumPy file as lists of bytes."""
    raw = open(f"{scratch}/{name}.npy", "rb").read()
    size = struct.unpack("<H", raw[8:10])[0] if raw[6] == 1 else struct.unpack("<I", raw[8:12])[0]
    start = (10 if raw[6] == 1 else 12) + size
    assert b"'|u1'" in raw[:start], "bytes are expected"
    return [raw[start + 784 * i: start + 784 * (i + 1)] for i in range((len(raw) - start) // 784)]


def hides(mask, i, fills, truth):
    """By rule; of a random mask, what any fill or the noise made different from the truth."""
    y, x = divmod(i, 28)
    rules = {"top": y < 14, "bottom": y >= 14, "even": i % 2 == 0, "odd": i % 2 == 1, "left": x < 14,
             "right": x >= 14, "middle-rows": 7 <= y < 21, "middle-columns": 7 <= x < 21}
    return rules[mask] if mask in rules else any(fill[i] != truth[i] for fill in fills)


def doubled(tile):
    """Each pixel becomes 2 x 2."""
    lines = [tile[28 * y: 28 * y + 28] for y in range(28)]
    return b"".join(bytes(v for v in line for _ in "ab") * 2 for line in lines)


def picture():
    truth, tiles = load("truth"), []
    for mask in masks:
        fills = {r: load(f"{r}-{mask}") for r in recipes}
        for digit in (0, 1):
            shown = [fills[r][digit] for r in recipes] + [load(f"noise-{mask}")[digit]]
            seen = bytes(128 if hides(mask, i, shown, truth[digit]) else truth[digit][i]
                         for i in range(784))
            row = [truth[digit], seen] + [fills[r][digit] for r in ("default", "paper", "released")]
            tiles += [doubled(tile) for tile in row]
    head = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({len(tiles)}, 3136), }}"
    head += " " * (-(len(head) + 11) % 64) + "\n"
    with open(f"{scratch}/tiles.npy", "wb") as f:
        f.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + b"".join(tiles))


open(f"{out}/inpainting-mnist.md", "w").write("\n".join(table()) + "\n")
open(f"{out}/inpainting-mnist.jsonl", "w").writelines(json.dumps(line) + "\n" for line in lines)
picture()
PYTHON
"$nicest" convert "$scratch/tiles.npy" --image 56x56 -q -o "$out/inpainting-mnist.png"
echo "$out/inpainting-mnist.md"
