#!/usr/bin/env python3
"""The programs of examples/ run and say what they should.

    test_examples.py nice PROGRAM...            each learns the parabola as closely as `nicest` does
    test_examples.py library TRAIN EMBED        the one writes a model, the other reads it"""
import os
import re
import subprocess
import sys
import tempfile

GAP, INVERSE = 0.01, 1e-12 # nats: `nicest train toy:parabola,n=20000 --time 20s` has 0.004 (docs/results/toys.md)


def run(*words, status=0):
    alone = {**os.environ, "OPENBLAS_NUM_THREADS": "1"} # NumPy's own threads only hinder such small products
    done = subprocess.run(words, capture_output=True, text=True, env=alone)
    assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout, done.stderr


def check_nice(program):
    words = [sys.executable, program] if program.endswith(".py") else [program]
    said, _ = run(*words)
    found = re.search(r"gap to the true density (\S+) \+- (\S+) nats; inverse to (\S+)\n$", said)
    gap, sem, inverse = map(float, found.groups())
    assert -3 * sem < gap < GAP and 0 < sem < 0.005, said # no density is nearer than the true one
    assert inverse < INVERSE, said
    assert said.count("step ") == 8, said


def check_library(train, embed):
    with tempfile.TemporaryDirectory() as folder:
        model = os.path.join(folder, "circle.safetensors")
        said, progress = run(train, model)
        assert re.search(r"training 100 %  \d+ rows/s  held out: -\d\.\d+ nats", progress), progress
        held_out = float(re.search(r"held-out rows (\S+) nats", said)[1])
        assert -3.5 < held_out < -2.2, said # uniform on the ring: -log(pi (3.5^2 - 3^2)) = -2.3
        lines = run(embed, model)[0].splitlines()
        assert lines[0] == "east,north,logp" and len(lines) == 6, lines
        for line in lines[1:]:
            east, north, logp = map(float, line.split(","))
            assert 1.5 < (east * east + north * north)**0.5 < 5 and -9 < logp < 0, line
        assert "nowhere" in run(embed, os.path.join(folder, "nowhere"), status=1)[1]
        run(embed, status=2)


if sys.argv[1] == "library":
    check_library(*sys.argv[2:])
else:
    for program in sys.argv[2:]:
        if program.endswith(".py") and subprocess.run([sys.executable, "-c", "import numpy"], capture_output=True).returncode:
            print("NumPy is not installed")
            sys.exit(77)
        check_nice(program)
