#!/usr/bin/env python3
"""Kills a training at random moments, resumes it, and compares the end with a run that was left alone.

    bench/kill.py --nicest build/release/nicest [--kills 100] [--signal KILL|TERM|INT|mixed] [--seed 1]

One run is left alone. Then the same command is started, killed after a random time, and resumed from its
checkpoint with another number of threads, until it comes to its end; this is repeated until `--kills`
signals have met a living process. What must hold:
  - the model of every killed run has the bytes of the one that was left alone;
  - its log has the same lines (but for the seconds), none lost, none doubled;
  - whatever stands under the names of model and checkpoint after a kill is whole: each is read back;
  - SIGTERM and SIGINT end with 130, and leave a model and a checkpoint, and no temporary file; those that
    come before training has begun, with nothing to save, are counted apart ("early"). A temporary file
    that kill -9 leaves behind is counted.
Exit 1 at the first that does not."""
import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

DATA = "toy:moons,n=4000"


def command(options, folder, threads, resume):
    words = [options.nicest, "train", DATA, "--epochs", str(options.epochs), "--hidden", "64x2", "--batch",
             "100", "--couplings", "4", "--average", "0.99", "--patience", "-1", "--threads", str(threads), "-q",
             "--checkpoint", os.path.join(folder, "run.checkpoint"), "--every", "7steps", "--log",
             os.path.join(folder, "log.jsonl"), "-o", os.path.join(folder, "model.safetensors")]
    return words + (["--resume", os.path.join(folder, "run.checkpoint")] if resume else [])


def read(path):
    with open(path, "rb") as file:
        return file.read()


def log_lines(folder):
    lines = [json.loads(line) for line in read(os.path.join(folder, "log.jsonl")).decode().splitlines()]
    for line in lines:
        del line["seconds"]
    return lines


def fail(sentence):
    print("FAILED:", sentence)
    sys.exit(1)


def must_load(options, path):
    if not os.path.exists(path):
        return False
    done = subprocess.run([options.nicest, "info", path], capture_output=True, text=True)
    if done.returncode:
        fail(f"after a kill {path} cannot be read: {done.stderr.strip()}")
    return True


def strays(folder):
    return [name for name in os.listdir(folder) if name.endswith(".tmp")]


def check_after(options, folder, number, status, before):
    """What stands in the folder after a signal met the process; `before`: strays of earlier ones."""
    model = must_load(options, os.path.join(folder, "model.safetensors"))
    checkpoint = os.path.exists(os.path.join(folder, "run.checkpoint"))
    if number == signal.SIGKILL:
        return
    if status not in (130, 0):
        fail(f"{signal.Signals(number).name} ended with {status}")
    if set(strays(folder)) - set(before):
        fail(f"{signal.Signals(number).name} left {strays(folder)}")
    if not (model and checkpoint):
        fail(f"{signal.Signals(number).name} left model: {model}, checkpoint: {checkpoint}")


def survived(kills):
    return sum(count for name, count in kills.items() if name != "early")


def one_round(options, chance, folder, most):
    """Kills at most `most` times, then lets the run end. Returns kills of each signal and strays."""
    kills = {}
    while True:
        resume = os.path.exists(os.path.join(folder, "run.checkpoint"))
        words = command(options, folder, chance.choice([1, 2, 3, 8]), resume)
        before = strays(folder)
        if os.path.exists(os.path.join(folder, "model.safetensors")):
            os.remove(os.path.join(folder, "model.safetensors"))  # what stands there later is of this process
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if survived(kills) < most:
            time.sleep(chance.uniform(0, options.longest))
            name = options.signal if options.signal != "mixed" else chance.choice(["KILL", "TERM", "INT"])
            number = getattr(signal, "SIG" + name)
            alive = process.poll() is None
            if alive:
                process.send_signal(number)
        else:
            alive = False
        words_said = process.communicate()[1].strip()
        model = os.path.exists(os.path.join(folder, "model.safetensors"))
        if alive and name != "KILL" and process.returncode in (-number, 130) and not model:
            kills["early"] = kills.get("early", 0) + 1
        elif alive and process.returncode != 0:
            kills[name] = kills.get(name, 0) + 1
            check_after(options, folder, number, process.returncode, before)
        elif process.returncode == 0:
            return kills
        else:
            fail(f"ended with {process.returncode}: {words_said}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--nicest", required=True)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--signal", default="KILL", choices=["KILL", "TERM", "INT", "mixed"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--longest", type=float, default=0.6, help="seconds until a kill, at most")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    total, rounds, left = {}, 0, 0
    with tempfile.TemporaryDirectory(prefix="nicest-kill-") as scratch:
        alone = os.path.join(scratch, "alone")
        os.mkdir(alone)
        started = time.time()
        subprocess.run(command(options, alone, 1, False), check=True, stderr=subprocess.DEVNULL)
        print(f"left alone: {time.time() - started:.1f} s, {len(log_lines(alone))} lines of log", flush=True)
        wanted = read(os.path.join(alone, "model.safetensors"))
        while survived(total) < options.kills:
            folder = os.path.join(scratch, f"round-{rounds}")
            os.mkdir(folder)
            kills = one_round(options, chance, folder, options.kills - survived(total))
            for name, count in kills.items():
                total[name] = total.get(name, 0) + count
            rounds += 1
            left += len(strays(folder))
            if read(os.path.join(folder, "model.safetensors")) != wanted:
                fail(f"round {rounds}: after {survived(kills)} kills the model has other bytes")
            if log_lines(folder) != log_lines(alone):
                fail(f"round {rounds}: the log has other lines")
            print(f"run {rounds}: survived {survived(kills)} signals, same bytes, same log", flush=True)
    said = ", ".join(f"{count} x SIG{name}" for name, count in sorted(total.items())
                     if name != "early")
    print(json.dumps({"seed": options.seed, "kills_survived": survived(total), "signals": total,
                      "runs": rounds, "temporary_files_left": left}))
    print(f"survived {said} in {rounds} runs: every model the bytes of the run that was left alone")
    return 0


if __name__ == "__main__":
    sys.exit(main())
