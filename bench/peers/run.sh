#!/usr/bin/env bash
# Compares nicest with PyTorch, JAX and TensorFlow on this machine and writes docs/results/peers.md.
#
#   bench/peers/run.sh [--venv FOLDER] [options of compare.py, such as --quick or --threads 1]
#
# The peers are installed in a virtual environment (default build/peers-venv, some 3 GB) the first time; the
# run itself takes less than 15 minutes and wants a machine that does nothing else. NICEST names the program
# (default build/release/nicest, which is built where it is missing). torch.compile wants a C++ compiler.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=$root/build/peers-venv
if [ "${1:-}" = --venv ]; then
    venv=${2:?--venv needs a folder}
    shift 2
fi
nicest=${NICEST:-$root/build/release/nicest}
[ -x "$nicest" ] || make -C "$root" build
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
    "$venv/bin/pip" install --quiet -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$venv/requirements.txt"
fi
exec "$venv/bin/python" "$here/compare.py" --nicest "$nicest" --folder "$venv/work" "$@"
