#!/usr/bin/env python3
"""Watches the memory of a long training: resident size and open files, every second, with validation, checkpoints
and a log going on.

    bench/growth.py --nicest build/release/nicest [--time 10m] [--threads 1] [--most 1.0]

The run has a warm-up of a tenth of its time; from then on the resident size may grow by at most `--most` MB, and the
number of open files not at all. Exit 1 where it does."""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time


def resident(pid):
    """(resident MB, open files), or None when the process has ended."""
    try:
        with open(f"/proc/{pid}/status") as file:
            kilobytes = [int(line.split()[1]) for line in file if line.startswith("VmRSS")]
        return (kilobytes[0] / 1024, len(os.listdir(f"/proc/{pid}/fd"))) if kilobytes else None
    except OSError:
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--nicest", required=True)
    parser.add_argument("--time", default="10m")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--most", type=float, default=1.0, help="MB of growth after the warm-up")
    options = parser.parse_args()
    seen = []
    with tempfile.TemporaryDirectory(prefix="nicest-growth-") as work:
        process = subprocess.Popen(
            [options.nicest, "train", "toy:moons,n=20000", "--time", options.time, "--threads",
             str(options.threads), "--json", "-q",
             "--checkpoint", f"{work}/c", "--every", "200steps", "--log", f"{work}/l.jsonl", "-o",
             f"{work}/m.safetensors"], stdout=subprocess.PIPE, text=True)
        began = time.time()
        while process.poll() is None:
            now = resident(process.pid)
            if now:
                seen.append((time.time() - began, *now))
            time.sleep(1)
        result = json.loads(process.stdout.read().splitlines()[-1])
        log_bytes = os.path.getsize(f"{work}/l.jsonl")
    end = result["seconds"]  # after training the test rows are opened and scored
    while_learning = [s for s in seen if 0.1 * end <= s[0] <= end - 1]
    sizes, files = [s[1] for s in while_learning], [s[2] for s in while_learning]
    growth = max(sizes) - sizes[0]
    print(json.dumps({"seconds": round(end), "steps": result["steps"], "samples": len(sizes),
                      "resident_mb_at_a_tenth": round(sizes[0], 2), "resident_mb_highest": round(max(sizes), 2),
                      "growth_mb": round(growth, 2), "open_files_highest": max(files), "log_bytes": log_bytes}))
    return 0 if growth <= options.most and max(files) <= files[0] + 2 else 1


if __name__ == "__main__":
    sys.exit(main())
