#!/bin/sh
# outliers_images.sh - outliers in pictures: every score and every baseline, in both directions.
#
#   bench/outliers_images.sh [PROGRAM [TIME]]      (default: build/release/nicest 15m)
#
# Trains a model of MNIST and one of Fashion-MNIST (or takes those of MNIST_MODEL, FASHION_MODEL), then
# judges 10,000 test pictures of each set against the other, and 2,000 of its own against corrupted
# ones. No score has seen an outlier. Writes docs/results/outliers-images.md.
set -eu
cd "$(dirname "$0")/.."
nicest=${1:-build/release/nicest}
time=${2:-15m}
mnist=${MNIST:-${NICEST_SHARED:-../shared}/data/mnist}
fashion=${FASHION:-/usr/share/datasets/fashion-mnist}
out=${OUT:-docs/results/outliers-images.md}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for set in "$mnist" "$fashion"; do
    if [ ! -r "$set/t10k-images-idx3-ubyte.gz" ]; then
        echo "outliers_images.sh: $set has no t10k-images-idx3-ubyte.gz" >&2
        exit 1
    fi
done

# train NAME FOLDER MODEL: a model of the training pictures, unless there is one.
train()
{
    [ -r "$3" ] || "$nicest" train "$2/train-images-idx3-ubyte.gz" -o "$3" --time "$time" -v
    "$nicest" score "$3" "$2/t10k-images-idx3-ubyte.gz" -o "$work/$1.csv" --json -q |
        tail -n 1 >"$work/$1.score"
    "$nicest" info "$3" --json | tail -n 1 >"$work/$1.info"
}

# judge NAME MODEL ARGUMENT...: one line of JSON into the folder of figures.
judge()
{
    name=$1
    shift
    echo "$name" >&2
    "$nicest" outliers "$@" -o "$work/decisions.csv" --json -q | tail -n 1 >"$work/$name.json"
}

mnist_model=${MNIST_MODEL:-$work/mnist.safetensors}
fashion_model=${FASHION_MODEL:-$work/fashion.safetensors}
train mnist "$mnist" "$mnist_model"
train fashion "$fashion" "$fashion_model"

test=t10k-images-idx3-ubyte.gz
for direction in mnist fashion; do
    if [ $direction = mnist ]; then
        model=$mnist_model own=$mnist/$test other=$fashion/$test
    else
        model=$fashion_model own=$fashion/$test other=$mnist/$test
    fi
    for score in logp typicality complexity gradient latent combined; do
        judge "$direction.$score" "$model" "$own" --against "$other" --score $score
        for kind in noise=0.1 rotate=45 contrast=0.5 blur=1 morph=0.5@"$other[0:2000]"; do
            judge "$direction.$score.${kind%%=*}" "$model" "$own[0:2000]" --corrupt "$kind" \
                --score $score
        done
    done
    judge "$direction.typicality:5" "$model" "$own" --against "$other" --score typicality --group 5
done

python3 - "$work" >"$work/table.md" <<'EOF'
import json, pathlib, sys

work = pathlib.Path(sys.argv[1])
read = lambda name: json.loads((work / name).read_text())
models = {d: read(f"{d}.score") for d in ("mnist", "fashion")}
scores = ["logp", "typicality", "typicality:5", "complexity", "gradient", "latent", "combined"]
kinds = ["noise", "rotate", "contrast", "blur", "morph"]
print("# Outliers in pictures\n\n`bench/outliers_images.sh`: AUROC (AUPRC) of 10,000 test pictures of "
      "the model's own set against 10,000 of\nthe other.\n"
      "\n"
      "**The score for pictures is `combined`**, chosen without outliers ([outliers.md](../outliers.md)); no score was\n"
      "fitted or chosen on any. `typicality:5` judges groups of five. The last three rows need no model: where one of\n"
      "them does as well as a score, the model is not what found the outliers.\n"
      "")
print("| score | MNIST model, Fashion outliers | Fashion model, MNIST outliers |\n|---|---|---|")
name_of = lambda s: f"**{s}**" if s == "combined" else s
cell = lambda f: "-" if f["auroc"] is None else f"{f['auroc']:.4f} ({f['auprc']:.4f})"
for score in scores:
    print(f"| {name_of(score)} | " + " | ".join(cell(read(f"{d}.{score}.json")) for d in ("mnist", "fashion"))
          + " |")
for name in ("mean", "compressed", "gaussian"):
    print(f"| *{name}* | " + " | ".join(cell(read(f"{d}.logp.json")["baselines"][name])
                                         for d in ("mnist", "fashion")) + " |")
print("\nPrecision and recall at the threshold that promises 5 % false alarms, prevalence 0.5:\n")
print("| score | MNIST model: precision | recall | false alarms | Fashion model: precision | recall | "
      "false alarms |\n" + "|---" * 7 + "|")
for score in scores:
    if ":" not in score:
        found = [read(f"{d}.{score}.json") for d in ("mnist", "fashion")]
        print(f"| {name_of(score)} | " + " | ".join(f"{f[k]:.4f}" for f in found
              for k in ("precision", "recall", "false_alarms")) + " |")
print("\n## Corrupted pictures of the model's own set\n\nAUROC of 2,000 test pictures against the same, "
      "corrupted: noise 0.1 of full scale, rotated by 45 degrees,\ncontrast halved, blurred, half "
      "morphed into a picture of the other set.\n")
print("| model | score | " + " | ".join(kinds) + " |\n|---" * 1 + "|---" * (len(kinds) + 1) + "|")
for d in ("mnist", "fashion"):
    for score in scores:
        if ":" not in score:
            print(f"| {d} | {score} | " + " | ".join(
                f"{read(f'{d}.{score}.{k}.json')['auroc']:.4f}" for k in kinds) + " |")
    for name in ("mean", "compressed", "gaussian"):
        print(f"| {d} | *{name}* | " + " | ".join(
            f"{read(f'{d}.logp.{k}.json')['baselines'][name]['auroc']:.4f}" for k in kinds) + " |")
trained = {d: read(f"{d}.info")["training"] for d in models}
print("\nThe models: preset `nicest`; " + "; ".join(
    f"{d}: {trained[d]['rows']} training pictures, {trained[d]['epochs']} epochs, {models[d]['mean']:.1f} nats and "
    f"{models[d]['bits_per_dim']:.3f} bits/dim\non its test pictures" for d in models) + ".")
EOF
mkdir -p "$(dirname "$out")"
mv "$work/table.md" "$out"
cat "$out"
