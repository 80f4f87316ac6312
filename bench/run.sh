#!/usr/bin/env bash
# `make bench`: the speed of this machine on the standard models, as shares of its own peaks. Longer
# measurements are scripts of their own beside this one; each says at its top what it writes.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
nicest=${NICEST:-$root/build/release/nicest}

"$nicest" version -v 2>/dev/null || "$nicest" version
"$nicest" bench
echo
echo "longer measurements:"
for script in "$root"/bench/*.py "$root"/bench/*.sh "$root"/bench/*/run.sh; do
    [ "$script" = "$root/bench/run.sh" ] || echo "  ${script#"$root"/}"
done
