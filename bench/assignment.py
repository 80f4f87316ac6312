#!/usr/bin/env python3
"""Runs the commands of docs/assignment.md and puts what they print under them.

    python3 bench/assignment.py [--nicest build/release/nicest] [--mnist-model FILE] [--sections 1,3]
    python3 bench/assignment.py --quick       # does everything work? Writes no page

From the project's folder; $MNIST and $FASHION say where the pictures are (../shared/data/mnist and
/usr/share/datasets/fashion-mnist). Without --mnist-model section 4 trains one, for 15 minutes; all else takes
about eight. The page is the source: a block of commands is run in build/assignment, in its order; a block with a
file's name behind its fence is that file. Where "..." stood above what was printed, as many last lines are kept as
there were. Pictures that the page shows go to docs/assignment.
"""
import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

PAGE, PICTURES, WORK = pathlib.Path("docs/assignment.md"), pathlib.Path("docs/assignment"), pathlib.Path("build/assignment")
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```\n", re.S | re.M)


def prepare(options):
    """The folder that commands run in: pictures, the program, the second opinion."""
    shared = os.environ.get("NICEST_SHARED", "../shared")
    (WORK / "bin").mkdir(parents=True, exist_ok=True)
    places = {"mnist": os.environ.get("MNIST", f"{shared}/data/mnist"), "tools": "tools", "bin/nicest": options.nicest,
              "fashion": os.environ.get("FASHION", "/usr/share/datasets/fashion-mnist")}
    if options.mnist_model:
        places["mnist.safetensors"] = options.mnist_model
    for name, target in places.items():
        (WORK / name).unlink(missing_ok=True)
        (WORK / name).symlink_to(pathlib.Path(target).resolve())
    return {**os.environ, "PATH": f"{(WORK / 'bin').resolve()}:{os.environ['PATH']}"}


def run(command, options, environment):
    """What it printed, words and data in the order of a terminal."""
    print(f"$ {command}", file=sys.stderr, flush=True)
    if options.quick:
        command = command.replace("--time 20s", "--time 2s").replace("--time 15m", "--time 20s")
    if options.mnist_model and "-o mnist.safetensors" in command:
        return []
    done = subprocess.run(["bash", "-c", command], text=True, env=environment, cwd=WORK, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    if done.returncode:
        sys.exit(f"{command}\n{done.stdout}")
    return [line for line in done.stdout.splitlines() if not line.startswith(("training: ", "calibrating: "))]


def renewed(kind, body, options, environment):
    """The block with what its commands print now."""
    lines = body.splitlines()
    name = kind.partition(" ")[2]
    if name:
        (WORK / name).write_text(body)
    if not lines or not lines[0].startswith("$ "):
        return body
    commands = [line[2:] for line in lines if line.startswith("$ ")]
    before = lines[len(commands):]
    printed = [line for command in commands for line in run(command, options, environment)]
    if before[:1] == ["..."]:
        printed = ["..."] + printed[-max(len(before) - 1, 1):]
    return "".join(f"{line}\n" for line in lines[:len(commands)] + printed)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--nicest", default="build/release/nicest")
    parser.add_argument("--mnist-model", help="one that is trained already, by the command on the page")
    parser.add_argument("--sections", default="1,2,3,4,5,6,7", help="run these alone; models of others must be there")
    parser.add_argument("--quick", action="store_true", help="train for seconds, and leave the page as it is")
    options = parser.parse_args()
    environment, page = prepare(options), PAGE.read_text()
    parts = re.split(r"(?m)^(?=## )", page)
    for i, part in enumerate(parts):
        if part[3:4] in options.sections.split(",") and part.startswith("## "):
            parts[i] = BLOCK.sub(lambda b: f"```{b[1]}\n{renewed(b[1], b[2], options, environment)}```\n", part)
    if options.quick:
        return
    PAGE.write_text("".join(parts))
    for name in set(re.findall(r"\(assignment/([a-z0-9-]+\.png)\)", page)):
        if (WORK / name).exists():
            shutil.copy(WORK / name, PICTURES / name)


if __name__ == "__main__":
    main()
