#!/usr/bin/env bash
# Lines and branches of src/ that the tests reach, by gcov: each file, the least covered first, and all
# together. A line of src/kernel and src/flow, which are compiled twice, counts as reached when either
# twin reaches it.
#
#     tools/coverage.sh [CTEST OPTIONS]
#
#   BUILD   build folder (default build/coverage, made here with the preset `coverage`)
#   GOAL    share of lines below which the exit status is 1 (default 0)
#   SHOW    a file of src/, whose lines that no test reaches are listed
set -euo pipefail
cd "$(dirname "$0")/.."

build=${BUILD:-build/coverage}
cmake --preset coverage -B "$build" >/dev/null
cmake --build "$build" -j "${JOBS:-2}" >/dev/null
find "$build" -name '*.gcda' -delete
# What is installed lacks gcov's functions, and a limit on file sizes stops its counters too: these two
# tests cannot run here.
status=0
(cd "$build" && ctest --no-tests=error --output-on-failure -j "${JOBS:-2}" -E '^(house.install|cli.files)$' "$@") >"$build/tests.log" ||
    status=1
tail -n 40 "$build/tests.log"

python3 - "$PWD" "$build" "${GOAL:-0}" "${SHOW:-}" <<'PYTHON' || status=1
import collections
import glob
import json
import os
import subprocess
import sys

root, build, goal, listed = sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4]
lines = collections.defaultdict(dict)     # file -> line -> runs
branches = collections.defaultdict(dict)  # file -> (line, number) -> taken
for data in glob.glob(os.path.join(build, "CMakeFiles/nicest_*.dir/**/*.gcno"), recursive=True):
    text = subprocess.run(["gcov", "--json-format", "--stdout", "--branch-probabilities", data],
                          check=True, capture_output=True, text=True).stdout
    for document in text.splitlines():
        for file in json.loads(document)["files"]:
            name = os.path.relpath(os.path.join(root, file["file"]), root)
            if not name.startswith("src/"):
                continue
            for line in file["lines"]:
                at = line["line_number"]
                lines[name][at] = lines[name].get(at, 0) + line["count"]
                for i, branch in enumerate(line["branches"]):
                    key = (at, i)
                    branches[name][key] = branches[name].get(key, 0) + branch["count"]


def share(counts):
    return sum(c > 0 for c in counts) / len(counts) if counts else 1.0


def row(name, line, branch):
    print(f"{name:<32} {len(line):6} {100 * share(line):6.1f} % {len(branch):6} {100 * share(branch):6.1f} %")


print(f"{'file':<32} {'lines':>6} {'reached':>8} {'branches':>8} {'taken':>6}")
for name in sorted(lines, key=lambda n: share(lines[n].values())):
    row(name, lines[name].values(), branches[name].values())
all_lines = [c for f in lines.values() for c in f.values()]
row("src/", all_lines, [c for f in branches.values() for c in f.values()])
if listed:
    print(listed, "unreached:", *sorted(at for at, c in lines[listed].items() if not c))
sys.exit(1 if not all_lines or 100 * share(all_lines) < goal else 0)
PYTHON
exit $status
