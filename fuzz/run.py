#!/usr/bin/env python3
"""Fuzzes the readers with libFuzzer (preset `fuzz`: Clang, address and undefined-behaviour sanitizers) until each has
had SECONDS of a processor of its own, and prints what was reached as a table.

    fuzz/run.py                          # every reader, 900 s each: 3 hours of one processor
    fuzz/run.py --seconds 60 png npz     # two of them, for a minute
    fuzz/run.py --jobs 2                 # two at a time; chrt -i 0 before it leaves the machine to others
    fuzz/run.py --table                  # runs nothing: the table of what was done
    fuzz/run.py --write FILE             # also puts it between the lines `<!-- fuzz -->` and `<!-- /fuzz -->` of FILE

A reader starts from fuzz/corpus/READER. What it grows is kept in FOLDER/grown/READER (default build/fuzz/runs), what it
did in FOLDER/READER.json, so a run that was stopped goes on where it was. --write also keeps what was done in fuzz/done.json,
from where another machine goes on while the reader's sources are the same; --fresh forgets all of it. The reader with the
least time goes first, a slice at a time. Inputs that broke something are left in FOLDER/found/READER, and such a reader
is not started again before they are moved away. The exit status is 1 where there are any."""
import argparse
import glob
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TICK = os.sysconf("SC_CLK_TCK")
DONE = f"{ROOT}/fuzz/done.json"
NOTHING = {"cpu": 0.0, "wall": 0.0, "executions": 0, "edges": 0, "features": 0, "peak_mb": 0, "slices": 0}


def processor_seconds(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK
    except OSError:
        return 0.0


# What each reader is made of, besides its target; time that was spent on other sources does not count.
FILES = "src/base/file.[ch]"
DATA = (FILES, "src/data/open.c", "src/data/source.[ch]", "src/data/select.[ch]", "src/data/shape.[ch]")
READS = {"checkpoint": ("src/train/checkpoint.[ch]", "src/train/record.[ch]", "src/model/safetensors.[ch]",
                        "src/model/json.[ch]", FILES),
         "csv": ("src/data/csv.[ch]", "src/base/number.[ch]", *DATA),
         "gzip": (FILES,),
         "idx": ("src/data/idx.c", *DATA),
         "npy": ("src/data/npy.[ch]", *DATA),
         "npz": ("src/data/npy.[ch]", *DATA),
         "options": ("cli/options.[ch]",),
         "png": ("src/data/image.c", *DATA),
         "safetensors": ("src/model/*.[ch]", "src/flow/spec.[ch]", FILES),
         "spec": ("src/flow/spec.[ch]",),
         "words": ("src/data/select.[ch]", "src/data/source.[ch]", "src/data/toy.[ch]", "src/apply/mask.c",
                   "src/flow/spec.[ch]")}


def sources(name):
    digest = hashlib.sha256()
    for pattern in (f"fuzz/fuzz_{name}.c", "fuzz/common.c", *READS[name]):
        for path in sorted(glob.glob(f"{ROOT}/{pattern}")):
            with open(path, "rb") as file:
                digest.update(file.read())
    return digest.hexdigest()[:16]


def done_before():
    if not os.path.exists(DONE):
        return {}
    with open(DONE) as file:
        return json.load(file)


class Reader:
    """One target: its ledger, its corpus, and the process that runs, if any."""

    def __init__(self, name, folder, fresh=False):
        self.name, self.ledger = name, f"{folder}/{name}.json"
        self.grown, self.found, self.log = f"{folder}/grown/{name}", f"{folder}/found/{name}", f"{folder}/{name}.log"
        os.makedirs(self.grown, exist_ok=True)
        os.makedirs(self.found, exist_ok=True)
        self.done = dict(NOTHING, sources=sources(name))
        before = {} if fresh else done_before().get(name, {})
        if os.path.exists(self.ledger):
            with open(self.ledger) as file:
                before = json.load(file)
        if before.get("sources") == self.done["sources"]:
            self.done.update(before)
        self.process = None

    def crashes(self):
        return len(os.listdir(self.found))

    def start(self, program, scratch, seconds):
        self.began, self.wanted, self.stopped = time.time(), seconds, 0.0
        environment = dict(os.environ, TMPDIR=scratch,
                           ASAN_OPTIONS="detect_stack_use_after_return=1:strict_string_checks=1:"
                                        "allocator_may_return_null=1",
                           UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1")
        # The time limit of an input is wall time, and other work may hold us up: five minutes, where a tenth
        # of a second is slow. Readers are small: 2 GB, 4096 bytes.
        command = [program, "-timeout=300", "-report_slow_units=300", "-rss_limit_mb=2048", "-max_len=4096",
                   "-print_final_stats=1", "-max_total_time=86400", f"-artifact_prefix={self.found}/", self.grown,
                   f"{ROOT}/fuzz/corpus/{self.name}"]
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def stop_when_due(self):
        """SIGUSR1 lets libFuzzer finish the input, print its counts and end."""
        if not self.stopped and processor_seconds(self.process.pid) >= self.wanted:
            self.process.send_signal(signal.SIGUSR1)
            self.stopped = time.time()

    def ended(self):
        pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
        if not pid:
            return False
        self.process.returncode = os.waitstatus_to_exitcode(status)  # so that Popen does not wait again
        self.process = None
        with open(self.log, errors="replace") as file:
            text = file.read()
        reached = re.findall(r"cov: (\d+) ft: (\d+) ", text)
        count = re.findall(r"^stat::number_of_executed_units: *(\d+)", text, re.M)
        done = self.done
        done["cpu"] += usage.ru_utime + usage.ru_stime
        done["wall"] += time.time() - self.began
        done["executions"] += int(count[-1]) if count else 0
        done["slices"] += 1
        done["peak_mb"] = max(done["peak_mb"], round(usage.ru_maxrss / 1024))
        if reached:
            done["edges"], done["features"] = map(int, reached[-1])
        with open(self.ledger + ".new", "w") as file:
            json.dump(done, file)
        os.replace(self.ledger + ".new", self.ledger)
        return True


def table(readers):
    lines = ["| reader | CPU seconds | executions | edges | features | inputs kept | peak MB | crashes |",
             "|---|---|---|---|---|---|---|---|"]
    for r in readers:
        d = r.done
        lines.append(f"| {r.name} | {d['cpu']:.0f} | {d['executions']:,} | {d['edges']} | {d['features']} | "
                     f"{len(os.listdir(r.grown))} | {d['peak_mb']} | {r.crashes()} |")
    return "\n".join(lines)


def write(path, text, readers):
    done = done_before() | {r.name: r.done for r in readers}
    with open(DONE, "w") as file:
        file.write(json.dumps(done, indent=1, sort_keys=True) + "\n")
    with open(path) as file:
        whole = file.read()
    changed, times = re.subn(r"(<!-- fuzz -->\n).*?(<!-- /fuzz -->)", lambda m: m[1] + text + "\n" + m[2], whole,
                             flags=re.S)
    if times != 1:
        sys.exit(f"{path}: no place for the table")
    with open(path, "w") as file:
        file.write(changed)


def run(readers, options, scratch):
    def due():
        return sorted((r for r in readers if not r.process and r.done["cpu"] < options.seconds and not r.crashes()),
                      key=lambda r: r.done["cpu"])

    stop = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.append(1))
    while True:
        running = [r for r in readers if r.process]
        waiting = [] if stop else due()
        while waiting and len(running) < options.jobs:
            reader = waiting.pop(0)
            # A little more than is missing, so that rounding does not call for another slice.
            missing = options.seconds - reader.done["cpu"] + 0.5
            reader.start(f"{options.build}/fuzz/fuzz_{reader.name}", scratch, min(options.slice, missing))
            running.append(reader)
        if not running:
            return
        time.sleep(0.5)
        for reader in running:
            if stop:
                reader.wanted = 0
            reader.stop_when_due()
            if reader.ended():
                print(f"{reader.name}: {reader.done['cpu']:.0f} s, {reader.done['executions']:,} executions, "
                      f"{reader.crashes()} crashes", file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("readers", nargs="*", metavar="READER")
    parser.add_argument("--seconds", type=float, default=900, help="of a processor, for each reader (default 900)")
    parser.add_argument("--jobs", type=int, default=1, help="readers at a time")
    parser.add_argument("--slice", type=float, default=45, help="seconds after which another reader has its turn")
    parser.add_argument("--build", default=f"{ROOT}/build/fuzz", help="made here with the preset `fuzz`")
    parser.add_argument("--folder", help="where results are kept (default BUILD/runs)")
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--write", metavar="FILE")
    options = parser.parse_args()
    folder = options.folder or f"{options.build}/runs"
    names = options.readers or sorted(os.path.basename(p)[5:-2] for p in glob.glob(f"{ROOT}/fuzz/fuzz_*.c"))
    if not options.table:
        quiet = subprocess.DEVNULL
        subprocess.run(["cmake", "--preset", "fuzz", "-B", options.build], cwd=ROOT, stdout=quiet, check=True)
        subprocess.run(["cmake", "--build", options.build, "-j", str(options.jobs)], stdout=quiet, check=True)
        if options.fresh:
            for name in names:
                for path in (f"{folder}/grown/{name}", f"{folder}/found/{name}"):
                    shutil.rmtree(path, ignore_errors=True)
                if os.path.exists(f"{folder}/{name}.json"):
                    os.remove(f"{folder}/{name}.json")
    readers = [Reader(name, folder, options.fresh) for name in names]
    if not options.table:
        # Readers read files: let these be in memory where there is a place for it.
        place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        with tempfile.TemporaryDirectory(prefix="nicest-fuzz-", dir=place) as scratch:
            run(readers, options, scratch)
    text = table(readers)
    print(text)
    if options.write:
        write(options.write, text, readers)
    return 1 if any(r.crashes() for r in readers) else 0


if __name__ == "__main__":
    sys.exit(main())
