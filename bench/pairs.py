#!/usr/bin/env python3
"""Two builds of the program in turns: is a step, a score, a sample or one row slower than it was?

    bench/pairs.py OLD/nicest NEW/nicest [--rounds 5] [--seconds 4] [--threads 2] [--models paper256,table,toy]

Each round measures both on each model, in changing order. Printed: medians of both, and the median, least and most of
the ratio of their times."""
import argparse
import json
import statistics
import subprocess

TIMES = {"step_ms": 1, "one_row_us": 1, "score_rows_per_second": -1, "sample_rows_per_second": -1}


def bench(program, model, options):
    done = subprocess.run([program, "bench", "--json", "-q", "--threads", str(options.threads), "--models", model,
                           "--seconds", str(options.seconds)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--models", default="paper256,table,toy")
    options = parser.parse_args()
    pairs = {}
    for number in range(options.rounds):
        for model in options.models.split(","):
            order = [options.old, options.new][:: 1 if number % 2 == 0 else -1]
            found = {program: bench(program, model, options) for program in order}
            for key in TIMES:
                pairs.setdefault((model, key), []).append((found[options.old][key][model], found[options.new][key][model]))
    for (model, key), both in pairs.items():
        ratios = sorted((new / old) ** TIMES[key] for old, new in both)
        print(f"{model:12} {key:24} old {statistics.median(b[0] for b in both):.5g} new {statistics.median(b[1] for b in both):.5g}"
              f"  time new/old {statistics.median(ratios):.3f} ({ratios[0]:.3f}-{ratios[-1]:.3f})")


main()
