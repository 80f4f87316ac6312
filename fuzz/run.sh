#!/usr/bin/env bash
# Fuzzes every reader for SECONDS, one after another on one core, and prints what was reached:
#
#     fuzz/run.sh [SECONDS [TARGET ...]]
#
# executions, coverage (edges and features, by libFuzzer's count), the size of the corpus that was
# found, the most memory, and crashes. Crashers are left in build/fuzz/found/TARGET, the grown corpus
# in build/fuzz/grown/TARGET, where the next run goes on. The exit status is 1 if anything crashed.
#
#   BUILD   folder of the libFuzzer programs (default build/fuzz, made here with the preset `fuzz`)
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2

seconds=${1:-60}
shift || true
build=${BUILD:-build/fuzz}
cmake --preset fuzz -B "$build" >/dev/null && cmake --build "$build" -j "${JOBS:-2}" >/dev/null || exit 2

if [ $# -eq 0 ]; then
    for source in fuzz/fuzz_*.c; do
        name=$(basename "$source" .c)
        set -- "$@" "${name#fuzz_}"
    done
fi

# Readers read files: let these be in memory where there is a place for it.
place=${TMPDIR:-/tmp}
[ -w /dev/shm ] && place=/dev/shm
scratch=$(mktemp -d "$place/nicest-fuzz-XXXXXX") || exit 2
trap 'rm -rf "$scratch"' EXIT
export TMPDIR=$scratch
export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:allocator_may_return_null=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1

status=0
printf '%-12s %12s %8s %9s %8s %7s %8s\n' reader executions edges features corpus "rss MB" crashes
for target in "$@"; do
    grown=$build/grown/$target found=$build/found/$target log=$build/$target.log
    mkdir -p "$grown" "$found"
    "$build/fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 \
        -print_final_stats=1 -artifact_prefix="$found/" "$grown" "fuzz/corpus/$target" >"$log" 2>&1 ||
        status=1
    reached=$(grep -E ' cov: [0-9]+ ft: ' "$log" | tail -n 1)
    printf '%-12s %12s %8s %9s %8s %7s %8s\n' "$target" \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
        "$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' <<<"$reached")" \
        "$(sed -n 's/.* ft: \([0-9]*\) .*/\1/p' <<<"$reached")" \
        "$(find "$grown" -type f | wc -l)" \
        "$(sed -n 's/^stat::peak_rss_mb: *//p' "$log")" \
        "$(find "$found" -type f | wc -l)"
done
exit "$status"
