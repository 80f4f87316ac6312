#!/usr/bin/env python3
"""Times nicest and its peers on the same work, in turns, and writes docs/results/peers.md.

    bench/peers/run.sh             installs the peers in a virtual environment and runs this

In each round every mode of every peer is measured right after `nicest bench`, so what slows the machine for a
while slows both; a ratio is the median over rounds of the ratios of such pairs. Before that every mode has
to compute the log-likelihood that nicest computes from the same model file."""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time

import numpy as np

import common

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PROGRAMS = {"torch": "peer_torch.py", "jax": "peer_jax.py", "tensorflow": "peer_tensorflow.py"}
WORKS = ["step", "score", "one_row", "sample"]
# Most difference of log p to nicest's, relative to the largest |log p|.
TOLERANCE = {"f32": 2e-5, "bf16": 2e-2}


def works_of(mode, name):
    """paper1024 is paper256's model: only its step differs. Compiled bf16 is for the paper's step."""
    if mode == "torch compile bf16":
        return ["step"] if name.startswith("paper") else []
    return ["step"] if name == "paper1024" else WORKS


class Peer:
    """A program of PROGRAMS, kept running so that its compiled functions are."""

    def __init__(self, name, environment):
        self.program = subprocess.Popen([sys.executable, os.path.join(HERE, PROGRAMS[name])], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        hello = self.ask(what="hello")
        self.modes, self.versions = hello["modes"], hello["versions"]

    def ask(self, **question):
        self.program.stdin.write(json.dumps(question) + "\n")
        self.program.stdin.flush()
        line = self.program.stdout.readline()
        if not line:
            sys.exit(f"{self.program.args[1]} ended while it was asked {question}")
        return json.loads(line)

    def close(self):
        self.program.stdin.close()
        self.program.wait()


def run(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, **more)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def nicest_bench(options):
    out = json.loads(run([options.nicest, "bench", "--json", "-q", "--threads", str(options.threads), "--models",
                          ",".join(options.models), "--seconds", str(options.nicest_seconds)]).splitlines()[-1])
    many = {name: common.MODELS[name].many for name in common.MODELS}
    figures = {}
    for name in options.models:
        figures[name] = {"step": out["step_ms"][name] / 1e3,
                         "score": many[name] / out["score_rows_per_second"][name],
                         "one_row": out["one_row_us"][name] / 1e6,
                         "sample": many[name] / out["sample_rows_per_second"][name]}
        if out["step_bf16_ms"][name]:
            figures[name]["step bf16"] = out["step_bf16_ms"][name] / 1e3
    return figures, out


# ---------------------------------------------------------------- the same likelihood

def prepare(options, folder):
    """Model and rows of each standard model as files, and nicest's log-likelihoods of the rows."""
    files = {}
    for name in options.models:
        model = common.MODELS[name]
        at = {kind: os.path.join(folder, f"{name}{end}") for kind, end in
              {"path": ".safetensors", "rows": ".npy", "logp": "-logp.npy", "row": "-row.npy",
               "csv": "-row.csv"}.items()}
        rows = common.check_rows(model)
        common.write_model(at["path"], model)
        np.save(at["rows"], rows)
        np.save(at["row"], rows[:1])
        with open(at["csv"], "w") as file:
            file.write(",".join(f"x{i + 1}" for i in range(model.columns)) + "\n")
            file.write(",".join(repr(float(v)) for v in rows[0]) + "\n")
        run([options.nicest, "score", at["path"], at["rows"], "-q", "-o", at["logp"]])
        files[name] = at
    return files


def check(options, peers, files):
    """Of each model and mode: most difference to nicest, relative, inverse error, log p before and after some
    steps. paper1024 is paper256's model with other rows at once."""
    table, good = [], True
    for name in options.models:
        if name == "paper1024" and "paper256" in options.models:
            continue
        ours = np.load(files[name]["logp"]).reshape(-1)
        for peer in peers.values():
            for mode in peer.modes:
                if not works_of(mode, name):
                    continue
                got = peer.ask(what="check", mode=mode, model=name, path=files[name]["path"],
                               rows=files[name]["rows"])
                if "failed" in got:
                    sys.exit(f"{mode}: {got['failed']}")
                theirs = np.array(got["logp"])
                worst = float(np.abs(theirs - ours).max())
                relative = worst / float(np.abs(ours).max())
                fine = relative <= TOLERANCE["bf16" if "bf16" in mode else "f32"]
                fine = fine and got["trained"] > ours.mean()
                good = good and fine
                table.append([name, mode, worst, relative, got["inverse"], float(theirs.mean()), got["trained"]])
                print(f"check {name:10} {mode:20} {worst:.3g} of {np.abs(ours).max():.4g}, log p "
                      f"{theirs.mean():.4f} -> {got['trained']:.4f}{'' if fine else '  WRONG'}", flush=True)
    return table, good


# ---------------------------------------------------------------- timing

def warm_up(options, peers, files):
    started = time.time()
    for peer in peers.values():
        for mode in peer.modes:
            for name in options.models:
                if works_of(mode, name):
                    peer.ask(what="warm", mode=mode, model=name, path=files[name]["path"],
                             works=works_of(mode, name))
            print(f"compiled and warm: {mode}, {time.time() - started:.0f} s", flush=True)


def one_turn(options, peer, mode, files):
    """{model: {work: seconds}} of one mode, behind nicest's."""
    nicest, out = nicest_bench(options)
    theirs = {}
    for name in options.models:
        works = works_of(mode, name)
        if works:
            got = peer.ask(what="measure", mode=mode, model=name, path=files[name]["path"], works=works,
                           seconds={work: options.seconds * (2.5 if work == "step" else 1) for work in works})
            theirs[name] = {work: got[work]["median"] for work in works}
    return {"mode": mode, "nicest": nicest, "peer": theirs}, out


def measure(options, peers, files):
    turns, outs, begin = [], [], time.time()
    for number in range(options.rounds):
        each = (time.time() - begin) / max(number, 1)
        if number and time.time() - options.begin + each > 60 * options.minutes:
            print(f"no time for round {number + 1}", flush=True)
            break
        for peer in peers.values():
            for mode in peer.modes:
                turn, out = one_turn(options, peer, mode, files)
                turns.append(turn)
                outs.append(out)
                print(f"round {number + 1} of {options.rounds}: {mode}", flush=True)
    return turns, outs, len(turns) // sum(len(peer.modes) for peer in peers.values())


def start_up(options, files, environment):
    """Whole processes, in turns: milliseconds each."""
    commands = {}
    for name in [n for n in ("paper256", "toy") if n in options.models]:
        at = files[name]
        commands[f"nicest score, {name}"] = [options.nicest, "score", at["path"], at["csv"]]
        for peer in options.peers:
            commands[f"{PROGRAMS[peer]}, {name}"] = [sys.executable, os.path.join(HERE, PROGRAMS[peer]),
                                                     at["path"], at["row"]]
    times = {label: [] for label in commands}
    for number in range(options.starts + 1):  # the first only fills the system's cache
        for label, command in commands.items():
            begin = time.perf_counter()
            run(command, env=environment)
            if number:
                times[label].append(1e3 * (time.perf_counter() - begin))
    return times


# ---------------------------------------------------------------- the page

def median_of(turns, mode, name, work):
    """Seconds of a mode (None: of nicest, over all turns); None where it was not measured."""
    if mode is None:
        found = [t["nicest"][name].get(work) for t in turns]
    else:
        found = [t["peer"].get(name, {}).get(work) for t in turns if t["mode"] == mode]
    found = [x for x in found if x]
    return statistics.median(found) if found else None


def ratio_of(turns, mode, name, work):
    """How many times as long a mode takes as nicest: the median over pairs. bf16 against bf16."""
    ours = "step bf16" if work == "step" and "bf16" in mode else work
    found = [t["peer"][name][work] / t["nicest"][name][ours] for t in turns
             if t["mode"] == mode and t["peer"].get(name, {}).get(work) and t["nicest"][name].get(ours)]
    return (statistics.median(found), min(found), max(found)) if found else None


def goals(turns, modes):
    """[(words, least ratio, figure or None)]: a figure is nicest's worst ratio to the modes meant."""
    plain = [m for m in modes if "bf16" not in m]
    eager, compiled = [m for m in plain if "eager" in m], [m for m in plain if "eager" not in m]

    def worst(names, which, work):
        ratios = [ratio_of(turns, m, n, work) for m in which for n in names]
        ratios = [r[0] for r in ratios if r]
        return min(ratios) if ratios else None
    one = median_of(turns, None, "toy", "one_row") if "toy" in turns[0]["nicest"] else None
    papers = [n for n in ("paper256", "paper1024") if n in turns[0]["nicest"]]
    table, toy = [[n] if n in turns[0]["nicest"] else [] for n in ("table", "toy")]
    return [("paper step, of the fastest peer mode", 1.15, worst(papers, plain, "step")),
            ("table step, of the fastest peer mode", 4, worst(table, plain, "step")),
            ("toy step, of the fastest eager mode", 10, worst(toy, eager, "step")),
            ("toy step, of the fastest compiled mode", 3, worst(toy, compiled, "step")),
            ("table scoring, of the fastest peer mode", 5, worst(table, plain, "score")),
            ("one toy row, microseconds at most", -5, one and 1e6 * one)]


def machine():
    text = open("/proc/cpuinfo").read() if os.path.exists("/proc/cpuinfo") else ""
    name = next((line.split(":")[1].strip() for line in text.splitlines() if line.startswith("model name")),
                platform.machine())
    return f"{os.cpu_count()} x {name}, {platform.system()} {platform.release()}"


def show(value, digits=3):
    return "-" if value is None else f"{value:.{digits}g}" if value < 100 else f"{value:,.0f}"


UNITS = {"step": ("training steps a second", lambda s, m: 1 / s),
         "score": ("rows scored a second, many at once", lambda s, m: m.many / s),
         "sample": ("rows sampled a second, many at once", lambda s, m: m.many / s),
         "one_row": ("microseconds to score one row", lambda s, m: 1e6 * s)}


def work_table(turns, modes, names, work):
    unit, convert = UNITS[work]
    names = [n for n in names if work in works_of(modes[0], n)]
    lines = [f"\n## {unit[0].upper() + unit[1:]}\n",
             "| | " + " | ".join(f"{n} | times" for n in names) + " |", "|---" * (2 * len(names) + 1) + "|"]
    for label, mode, key in [("**nicest**", None, work)] + [("nicest bf16", None, "step bf16")] * (
            work == "step") + [(m, m, work) for m in modes]:
        cells = []
        for name in names:
            seconds = median_of(turns, mode, name, key)
            ratio = mode and ratio_of(turns, mode, name, work)
            cells += ["-" if seconds is None else show(convert(seconds, common.MODELS[name])),
                      f"{ratio[0]:.2f} ({ratio[1]:.2f}-{ratio[2]:.2f})" if ratio else ""]
        if any(c not in ("-", "") for c in cells):
            lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return lines


def page(found):
    turns, names = found["turns"], found["models"]
    modes = list(dict.fromkeys(t["mode"] for t in turns))
    out = found["nicest"][-1]
    lines = ["# Beside other frameworks\n",
             "Written by `bench/peers/run.sh`: the same models, the same weights, the same work; how, is in "
             "`bench/peers/compare.py`. **times**: how many times as long it takes as nicest, the median over "
             f"{found['rounds']} rounds of pairs measured one after the other, with least and most. bf16 is "
             "compared with bf16 where it is a step, with float where nicest has no other.\n"]
    if found["quick"]:
        lines.append("**A trial (`--quick`): these figures mean nothing.**\n")
    if found["load"][0] > 0.5:
        lines.append(f"**Other work ran beside this: load {found['load'][0]:.2f} before the run.**\n")
    lines += [f"Machine: {found['machine']}; {found['threads']} threads each; peaks {out['peak_f32']:.0f} GFLOP/s f32, "
              f"{show(out['peak_bf16'])} bf16, {out['bandwidth']:.0f} GB/s. "
              + ", ".join(f"{k} {v}" for k, v in found["versions"].items()) +
              f"; Python {found['python']}. The run took {found['seconds'] / 60:.0f} minutes.\n",
              f"Commands: `{found['command']}`; nicest: `{found['nicest_command']}`.\n",
              "| model | columns | couplings | prior | batch | rows at once |", "|---|---|---|---|---|---|"]
    for name in names:
        m = common.MODELS[name]
        lines.append(f"| {name} | {m.columns} | {common.COUPLINGS} x {len(m.hidden)} x {m.hidden[0]} ReLU, scale | {m.prior} | "
                     f"{m.batch} | {m.many} |")
    lines += ["\n## Goals\n", "| goal | least | measured | |", "|---|---|---|---|"]
    for words, least, figure in goals(turns, modes):
        met = figure is not None and (figure <= -least if least < 0 else figure >= least)
        lines.append(f"| {words} | {abs(least)} | {show(figure)} | {'met' if met else '**missed**'} |")
    for work in WORKS:
        lines += work_table(turns, modes, names, work)
    lines += ["\nA step is forward, backward, and Adam; for the paper's models the dequantisation noise is drawn "
              "inside step and scoring. A peer takes its rows whole or cut, whichever is quicker, and a ready "
              "tensor of one row. nicest keeps the state of a row in double.\n",
              "## Start to the first score\n",
              f"Whole processes that load a model and score one row, {found['starts']} runs in turns.\n",
              "| command | median ms | least | most |", "|---|---|---|---|"]
    for label, times in found["start"].items():
        lines.append(f"| {label} | {statistics.median(times):.1f} | {min(times):.1f} | {max(times):.1f} |")
    lines += ["\n## The same likelihood\n",
              "256 continuous rows under the same model file: largest difference to nicest's log p in nats, and "
              f"relative to the largest |log p|; largest error of inverse(forward(x)); mean log p before and after "
              f"{common.CHECK_STEPS} steps of Adam at {common.CHECK_RATE}.\n",
              "| model | mode | difference | relative | inverse | log p | trained |", "|---|---|---|---|---|---|---|"]
    for name, mode, worst, relative, inverse, before, after in found["check"]:
        lines.append(f"| {name} | {mode} | {worst:.2g} | {relative:.1g} | {inverse:.1g} | {before:.3f} | {after:.3f} |")
    return "\n".join(lines) + "\n"


# ---------------------------------------------------------------- the whole

def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nicest", default=os.path.join(ROOT, "build", "release", "nicest"))
    parser.add_argument("--peers", default=",".join(PROGRAMS), help="of torch,jax,tensorflow")
    parser.add_argument("--models", default=",".join(common.MODELS), help="of " + ",".join(common.MODELS))
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=11.5, help="no round begins that would end later")
    parser.add_argument("--seconds", type=float, default=0.3, help="of a peer's figure; a step has 2.5 times that")
    parser.add_argument("--nicest-seconds", type=float, default=6, help="of each run of nicest bench")
    parser.add_argument("--starts", type=int, default=5, help="runs of each whole process")
    parser.add_argument("--quick", action="store_true", help="a trial of a minute or two; its figures mean nothing")
    parser.add_argument("--out", help="page to write (default docs/results/peers.md; with --quick peers.md in --folder)")
    parser.add_argument("--folder", required=True, help="for model files, rows, and what is compiled")
    options = parser.parse_args()
    options.peers, options.models = options.peers.split(","), options.models.split(",")
    if options.quick:
        options.rounds, options.seconds, options.nicest_seconds, options.starts = 1, 0.02, 0.2, 1
    options.out = options.out or (os.path.join(options.folder, "peers.md") if options.quick else
                                  os.path.join(ROOT, "docs", "results", "peers.md"))
    return options


def main():
    options = arguments()
    options.begin = time.time()
    load = os.getloadavg()
    os.makedirs(options.folder, exist_ok=True)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:options.threads])  # equal processors for all
    environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads), "PYTHONPATH": HERE,
                   "TORCHINDUCTOR_CACHE_DIR": os.path.join(options.folder, "inductor")}
    files = prepare(options, options.folder)
    peers = {name: Peer(name, environment) for name in options.peers}
    table, good = check(options, peers, files)
    if not good:
        sys.exit("the peers do not compute what nicest computes; nothing was timed")
    warm_up(options, peers, files)
    turns, outs, rounds = measure(options, peers, files)
    versions = {"nicest": json.loads(run([options.nicest, "version", "--json"]).splitlines()[-1])["version"]}
    for peer in peers.values():
        versions.update(peer.versions)
        peer.close()
    found = {"machine": machine(), "threads": options.threads, "rounds": rounds, "quick": options.quick,
             "starts": options.starts, "load": load, "python": platform.python_version(), "versions": versions,
             "models": options.models, "check": table, "turns": turns, "nicest": outs,
             "start": start_up(options, files, environment),
             "command": "bench/peers/run.sh" + " --quick" * options.quick,
             "nicest_command": f"nicest bench --json --threads {options.threads} --seconds {options.nicest_seconds:g}"}
    found["seconds"] = time.time() - options.begin
    with open(options.out, "w") as file:
        file.write(page(found))
    with open(os.path.splitext(options.out)[0] + ".json", "w") as file:
        json.dump(found, file, indent=1)
    print(f"{options.out}: {found['seconds']:.0f} s")


if __name__ == "__main__":
    main()
