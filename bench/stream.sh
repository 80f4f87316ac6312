#!/bin/sh
# Scores rows that come through a pipe and prints how many, how fast, and how much memory the program took at its
# highest. The rows are made as they are read: nothing of that size is ever stored.
#
#     bench/stream.sh build/release/nicest [MEGABYTES]        (default 1000; 10000 is the 10 GB of the promise)
#
# Every 100,000th line is no row, so --skip-bad has something to count; the lines that come out are counted and must
# be the rows that went in. A run with a hundredth of the rows shows that memory does not follow their number.
set -e
nicest=$1
megabytes=${2:-1000}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$nicest" train toy:moons,n=2000 --epochs 5 -q -o "$work/m.safetensors"

# measure BYTES
measure() {
    "$nicest" convert toy:moons,n=100000 -q | tail -n +2 >"$work/block.csv"
    sed -i '50000s/.*/not,a row/' "$work/block.csv"
    python3 - "$nicest" "$work" "$1" <<'P'
import json, os, subprocess, sys, threading, time
nicest, work, wanted = sys.argv[1], sys.argv[2], int(sys.argv[3])
block = open(f"{work}/block.csv", "rb").read()
blocks = max(1, wanted // len(block))
child = subprocess.Popen([nicest, "score", f"{work}/m.safetensors", "-", "--skip-bad", "-q", "--json"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
result = {"lines": 0}

def count():
    rest = b""
    while True:
        piece = child.stdout.read1(1 << 20)
        if not piece:
            break
        result["lines"] += piece.count(b"\n")
        rest = (rest + piece)[-4096:]
    result["last"] = rest.decode().splitlines()[-1]

reader = threading.Thread(target=count)
reader.start()
began = time.time()
for _ in range(blocks):
    child.stdin.write(block)
child.stdin.close()
reader.join()
_, status, usage = os.wait4(child.pid, 0)
seconds = time.time() - began
summary = json.loads(result["last"])
rows = blocks * (block.count(b"\n") - 1)
assert status == 0 and summary["rows"] == rows and summary["skipped"] == blocks, (status, summary)
assert result["lines"] == rows + 2, result["lines"]
print(json.dumps({"megabytes": round(blocks * len(block) / 1e6, 1), "rows": rows, "skipped": blocks,
                  "seconds": round(seconds, 1), "rows_per_second": round(rows / seconds),
                  "peak_megabytes": round(usage.ru_maxrss / 1024, 1)}), flush=True)
P
}

measure $((megabytes * 10000))
measure $((megabytes * 1000000))
