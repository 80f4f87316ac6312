#!/usr/bin/env bash
# Every watcher over the tests, by one command:
#
#     tools/sanitize.sh [STAGE ...]       stages: asan tsan valgrind (default: all)
#
#   asan       address, leak and undefined-behaviour sanitizers, float division by zero and casts too
#   tsan       thread sanitizer on the portable build; with test_apply_threads, eight threads that
#              score with one model while another is trained
#   valgrind   memcheck over the C tests of a debug portable build (those that damage 10,000 files or
#              fail thousands of allocations are left to asan)
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
        (cd "$root/$1" && ctest --output-on-failure -j "$jobs" -R "$tests")
}

valgrind_tests() {
    command -v valgrind >/dev/null || { echo 'sanitize: apt-get install valgrind' >&2; return 1; }
    cmake --preset portable -B "$root/valgrind" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS_DEBUG="-O1 -g" \
        >/dev/null && cmake --build "$root/valgrind" -j "$jobs" >/dev/null || return 1
    local scratch failed=0
    scratch=$(mktemp -d) || return 1
    for program in "$root"/valgrind/tests/test_*; do
        [[ -f $program && -x $program && $program =~ $tests ]] || continue
        [[ $program =~ hostile|_memory$|sealed|kernel_gemm|golden_f64 ]] && [ "$tests" = . ] && continue
        if TMPDIR=$scratch valgrind --quiet --error-exitcode=9 --leak-check=full \
            --show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite,indirect \
            "$program" >"$scratch/log" 2>&1; then
            echo "clean: $(basename "$program")"
        else
            echo "FAILED: $(basename "$program")"
            grep -E '==|ERROR|FAILED' "$scratch/log" | head -n 40
            failed=1
        fi
    done
    rm -rf "$scratch"
    return $failed
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
