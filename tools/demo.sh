#!/usr/bin/env bash
# From nothing to a learned density and its pictures, in under three minutes on two cores:
#   tools/demo.sh [FOLDER]     (default: demo/ beside this project's sources)
# NICEST names the program; without it build/release/nicest is built.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-$root/demo}
nicest=${NICEST:-$root/build/release/nicest}
mkdir -p "$out"

step() {
    printf '\n== %s\n' "$*"
}

# The first figure named KEY of the JSON object in FILE, or "-".
figure() {
    local found
    found=$(grep -o "\"$1\":[-0-9.eE+]*" "$2" | head -n 1)
    [ -n "$found" ] && printf '%.4g' "${found#*:}" || printf -- '-'
}

if [ ! -x "$nicest" ]; then
    step "building"
    cmake -S "$root" -B "$root/build/release" -DCMAKE_BUILD_TYPE=Release -DBUILD_TESTING=OFF >"$out/build.log" 2>&1 &&
        cmake --build "$root/build/release" --target nicest --parallel "$(nproc)" >>"$out/build.log" 2>&1 ||
        { tail -n 20 "$out/build.log" >&2; exit 1; }
fi

step "a curved density in two dimensions, whose truth is known: 20 seconds"
"$nicest" train toy:parabola --time 20s -o "$out/parabola.safetensors" --json | tail -n 1 >"$out/parabola.json"
"$nicest" verify "$out/parabola.safetensors" --json >"$out/verify.json"
"$nicest" density "$out/parabola.safetensors" -o "$out/parabola-density.png"
"$nicest" sample "$out/parabola.safetensors" -n 5000 -o "$out/parabola-samples.png"

step "handwritten digits, 8 x 8 pixels: 40 seconds"
# The file stands in the order of its writers: every sixth row is kept back, so that all are in both parts.
for part in train test; do
    gzip -dc "$root/data/digits.csv.gz" |
        awk -v test=$([ $part = test ] && echo 1 || echo 0) '(NR % 6 == 0) == test' >"$out/digits-$part.csv"
done
train=$out/digits-train.csv test=$out/digits-test.csv
digits=(--image 8x8 --label 65)
"$nicest" train "$train" "${digits[@]}" --time 40s -o "$out/digits.safetensors" --json | tail -n 1 >"$out/digits.json"
"$nicest" sample "$out/digits.safetensors" -n 100 -o "$out/digits-samples.png"
"$nicest" inpaint "$out/digits.safetensors" "$test[0:10]" "${digits[@]}" --mask bottom \
    -o "$out/digits-filled.png" --json >"$out/inpaint.json"
"$nicest" outliers "$out/digits.safetensors" "$test" "${digits[@]}" --score combined \
    --corrupt rotate=0:90:15 --picture "$out/digits-rotated.png" -o "$out/digits-rotated.csv" --json >"$out/rotated.json"

"$nicest" report "$out/digits.safetensors" "$test" "${digits[@]}" --train "$train" -o "$out/digits.html" -q

step "figures"
row='%-52s %12s\n'
# shellcheck disable=SC2059
{
    printf "$row" "parabola: log-likelihood of fresh rows, nats" "$(figure test_logp "$out/parabola.json")"
    printf "$row" "          of the true density" "$(figure true_logp "$out/parabola.json")"
    printf "$row" "          gap" "$(figure gap "$out/parabola.json")"
    printf "$row" "          total mass" "$(figure integral "$out/verify.json")"
    printf "$row" "          inverse(forward(x)) - x, relative" "$(figure inverse_max "$out/verify.json")"
    printf "$row" "digits:   log-likelihood of held-out rows, nats" "$(figure test_logp "$out/digits.json")"
    printf "$row" "          bits per dimension" "$(figure bits_per_dim "$out/digits.json")"
    printf "$row" "          PSNR of filled lower halves, dB" "$(figure psnr "$out/inpaint.json")"
    printf "$row" "          the same with the mean" "$(figure psnr_mean_fill "$out/inpaint.json")"
    printf "$row" "          false alarms among them (promised: 0.05)" "$(figure false_alarms "$out/rotated.json")"
    printf "$row" "          AUROC of digits turned by 90 degrees" "$(figure auroc "$out/rotated.json")"
}
step "pictures, and one page about the digits with all of theirs"
printf '%s\n' "$out"/*.png "$out/digits.html"
