#!/usr/bin/env bash
# The figures of docs/results/mnist-nice.md: trains both presets on MNIST and Fashion-MNIST, 50,000 rows to
# train, 10,000 for every choice, and the test rows once. bench/mnist_page.py keeps what the runs printed under
# docs/results/mnist/ and writes page and curves from that, so parts can be run one after the other.
#
#   bench/mnist.sh [-p build/release/nicest] [-d FOLDER] [-t 15m] [RUN...]
#
# RUN: mnist-nicest mnist-nice fashion-nicest fashion-nice (default: these), mnist-nicest-still (no picture
# moves), mnist-eight (an hour of one core), mnist-best (two hours of all), trials (recipes compared on
# validation rows), page.
set -euo pipefail
cd "$(dirname "$0")/.."
program=build/release/nicest folder=build/mnist time=15m
while getopts p:d:t: option; do
    case $option in
    p) program=$OPTARG ;;
    d) folder=$OPTARG ;;
    t) time=$OPTARG ;;
    *) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
done
shift $((OPTIND - 1))
mkdir -p "$folder"
mnist=${NICEST_SHARED:-../shared}/data/mnist
fashion=/usr/share/datasets/fashion-mnist

# Who computed it: one line.
about() {
    echo "$("$program" version | head -n 1), commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)," \
        "$(nproc) cores of$(sed -n 's/^model name[^:]*://p' /proc/cpuinfo | head -n 1)"
}

# train NAME PLACE OPTION...: model, curve, last word and command of one run
train() {
    local name=$1 place=$2
    shift 2
    local command=(train "$place/train-images-idx3-ubyte.gz[0:50000]"
                   --valid "$place/train-images-idx3-ubyte.gz[50000:60000]" "$@")
    rm -f "$folder/$name.jsonl"
    echo "nicest ${command[*]}" | tee "$folder/$name.command"
    about >"$folder/$name.about"
    "$program" "${command[@]}" --log "$folder/$name.jsonl" -o "$folder/$name.safetensors" --json -q |
        tail -n 1 >"$folder/$name.json"
}

# test NAME PLACE: the test rows, with five draws of the dequantisation noise, and what proves the model
test_once() {
    local name=$1 place=$2
    for seed in 1 2 3 4 5; do
        "$program" score "$folder/$name.safetensors" "$place/t10k-images-idx3-ubyte.gz" --seed "$seed" \
            --json -q -o "$folder/score.csv" | tail -n 1
    done >"$folder/$name.test"
    rm -f "$folder/score.csv"
    "$program" verify "$folder/$name.safetensors" "$place/t10k-images-idx3-ubyte.gz[0:1000]" --json -q |
        tail -n 1 >"$folder/$name.verify"
    "$program" sample "$folder/$name.safetensors" -n 64 -q -o "$folder/$name.png"
}

# whole NAME PLACE OPTION...: trained, then tested
whole() {
    train "$@"
    test_once "$1" "$2"
}

trial() {
    local name=$1
    shift
    train "trial-$name" "$mnist" --preset nicest --time 4m "$@"
    rm -f "$folder/trial-$name.safetensors"
}

for run in "${@:-all}"; do
    case $run in
    mnist-nicest | mnist-nice) whole "$run" "$mnist" --preset "${run#*-}" --time "$time" ;;
    mnist-nicest-still) whole "$run" "$mnist" --preset nicest --shift 0 --time "$time" ;;
    mnist-eight) # on one core, so that the other may do something else
        whole "$run" "$mnist" --preset nicest --couplings 8 --epochs 265 --precision bf16 --threads 1
        ;;
    mnist-best) whole "$run" "$mnist" --preset nicest --couplings 12 --precision bf16 --time 120m ;;
    fashion-nicest | fashion-nice) whole "$run" "$fashion" --preset "${run#*-}" --time "$time" ;;
    trials)
        trial default
        trial still --shift 0
        trial two-pixels --shift 2
        trial decay-0.3 --weight-decay 0.3
        trial decay-2 --weight-decay 2
        trial rate-2e-3 --lr 2e-3
        trial batch-512 --batch 512
        trial deeper --hidden 1000x3
        trial wider --hidden 2000x2
        trial eight-couplings --couplings 8
        ;;
    page) ;;
    all) "$0" -p "$program" -d "$folder" -t "$time" mnist-nicest mnist-nice fashion-nicest fashion-nice trials ;;
    *) echo "mnist.sh: '$run' is none of the runs" >&2; exit 2 ;;
    esac
done
python3 bench/mnist_page.py "$folder"
