#!/usr/bin/env bash
# Every watcher over the tests, by one command:
#
#     tools/sanitize.sh [STAGE ...]       stages: asan tsan valgrind (default: all)
#
#   asan       address, leak and undefined-behaviour sanitizers, float division by zero and casts too
#   tsan       thread sanitizer on the portable build; with test_apply_threads, eight threads that
#              score with one model while another is trained
#   valgrind   memcheck over runs of the program and the C tests of a debug portable build. Tests that
#              damage 10,000 files, fail thousands of allocations, limit or seal their own process or
#              train for minutes are left to asan; TESTS=NAME takes one of them all the same.
#
# Valgrind 3.19 does not know AVX-512 and tells programs that the processor has none: nothing needs to be
# set, the clones for it are not chosen. The portable build has no clones at all.
#
# Prints how each ended; the exit status is 0 only if all were clean. BUILD_ROOT: where the build
# folders are made (default build). TESTS: a regular expression of the tests to run (default all).
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2

root=${BUILD_ROOT:-build} jobs=${JOBS:-2} tests=${TESTS:-.}
[ $# -gt 0 ] || set -- asan tsan valgrind
status=0

preset() {
    cmake --preset "$1" -B "$root/$1" >/dev/null && cmake --build "$root/$1" -j "$jobs" >/dev/null &&
        (cd "$root/$1" && ctest --no-tests=error --output-on-failure -j "$jobs" -R "$tests")
}

valgrind_tests() {
    command -v valgrind >/dev/null || { echo 'sanitize: apt-get install valgrind' >&2; return 1; }
    cmake --preset portable -B "$root/valgrind" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS_DEBUG="-O1 -g" \
        >/dev/null && cmake --build "$root/valgrind" -j "$jobs" >/dev/null || return 1
    scratch=$(mktemp -d) || return 1
    failed=0 taken=0
    [ "$tests" = . ] && valgrind_program
    for program in "$root"/valgrind/tests/test_*; do
        [[ -f $program && -x $program && $program =~ $tests ]] || continue
        [[ $program =~ hostile|_memory$|_json$|sealed|torture|kernel_gemm|golden_f64 && $tests = . ]] && continue
        watched 0 "$program"
        taken=$((taken + 1))
    done
    rm -rf "$scratch"
    [ $taken -gt 0 ] || { echo "sanitize: no test is called $tests" >&2; return 1; }
    return $failed
}

# watched STATUS PROGRAM WORD...: runs it under memcheck, and wants that exit status.
watched() {
    local wanted=$1 began=$SECONDS status=0
    shift
    TMPDIR=$scratch valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite,indirect \
        --errors-for-leak-kinds=definite,indirect --suppressions=tests/valgrind.supp "$@" >"$scratch/log" 2>&1 || status=$?
    if [ "$status" -eq "$wanted" ]; then
        echo "clean: $(basename "$1") ${*:2:2}, $((SECONDS - began)) s"
    else
        echo "FAILED: $* (status $status)"
        grep -E '==|ERROR|FAILED|nicest:' "$scratch/log" | head -n 40
        failed=1
    fi
}

valgrind_program() {
    local nicest=$root/valgrind/nicest at=$scratch
    watched 0 "$nicest" train toy:moons,n=200 --epochs 2 --hidden 8 --checkpoint "$at/c" --every 3s --log "$at/l" \
        -o "$at/m.safetensors"
    watched 0 "$nicest" train toy:moons,n=200 --epochs 2 --hidden 8 --resume "$at/c" --log "$at/l" \
        -o "$at/m.safetensors"
    watched 0 "$nicest" train 'data/digits.csv.gz[0:60]' --image 8x8 --label 65 --epochs 1 --hidden 8 \
        -o "$at/d.safetensors"
    watched 0 "$nicest" sample "$at/m.safetensors" -n 50 -o "$at/rows.csv.gz"
    watched 0 "$nicest" sample "$at/d.safetensors" -n 4 -o "$at/rows.png"
    watched 0 "$nicest" score "$at/m.safetensors" "$at/rows.csv.gz" --json
    watched 0 "$nicest" convert "$at/rows.csv.gz" -o "$at/rows.npz"
    watched 0 "$nicest" verify "$at/m.safetensors" "$at/rows.npz"
    watched 0 "$nicest" density "$at/m.safetensors" -o "$at/density.png"
    watched 0 "$nicest" inpaint "$at/d.safetensors" 'data/digits.csv.gz[0:4]' --image 8x8 --label 65 --mask top \
        --steps 3 -o "$at/filled.png"
    watched 0 "$nicest" outliers "$at/m.safetensors" "$at/rows.npz" --against toy:rings,n=50 -o "$at/flags.csv"
    watched 0 "$nicest" corrupt "$at/rows.npz" --with noise=0.1 -o "$at/noisy.npy"
    watched 0 "$nicest" report "$at/m.safetensors" "$at/rows.npz" -o "$at/report.html"
    watched 0 "$nicest" info "$at/m.safetensors"
    head -c 3000 "$at/m.safetensors" >"$at/short.safetensors"
    watched 1 "$nicest" score "$at/short.safetensors" "$at/rows.npz"
    watched 2 "$nicest" train toy:moons --epochs none
}

for stage in "$@"; do
    began=$SECONDS
    echo "=== $stage"
    case $stage in
    asan | tsan) preset "$stage" ;;
    valgrind) valgrind_tests ;;
    *) echo "sanitize: '$stage' is no stage: asan, tsan, valgrind" >&2; false ;;
    esac && verdict=clean || { verdict=FAILED; status=1; }
    echo "=== $stage: $verdict, $((SECONDS - began)) s"
done
exit "$status"
