"""The standard models of `nicest bench` (src/apply/bench.c), their weights from a nicest model file, and the
loop in which a peer answers compare.py. Nothing here knows a framework."""
import json
import os
import sys
import time
from collections import namedtuple

import numpy as np

# levels: of a column of bytes, whose noise is drawn inside what is measured; 0: continuous columns.
# many: rows that are scored or sampled at once; chunks: how a peer may cut them, it takes the quickest.
Model = namedtuple("Model", "columns batch hidden prior levels many chunks")
MODELS = {
    "paper256": Model(784, 256, [1000] * 5, "logistic", 256, 2048, [2048, 512]),
    "paper1024": Model(784, 1024, [1000] * 5, "logistic", 256, 2048, [2048, 512]),
    "table": Model(8, 512, [128] * 2, "normal", 0, 65536, [65536, 4096]),
    "toy": Model(2, 256, [64] * 2, "normal", 0, 65536, [65536, 4096]),
}
COUPLINGS = 4
RATE, BETA1, BETA2, EPSILON = 1e-6, 0.9, 0.99, 1e-4  # Adam, as `nicest bench` has it
CHECK_RATE, CHECK_STEPS = 1e-4, 5

Weights = namedtuple("Weights", "couplings log_scale")  # couplings: [[(weight [out, in], bias [out])]]


def write_model(path, model, seed=1):
    """A nicest model file (docs/model-file.md) of continuous columns with random weights, none of them zero."""
    from safetensors.numpy import save_file
    rng, d = np.random.default_rng(seed), model.columns
    spec = ["nicest 1", f"columns {d}", "permute odd-even"]
    tensors = {f"entry.{name}": np.zeros(d) for name in
               ("origin", "step", "levels", "offset", "unit", "centre")}
    widths = [d // 2, *model.hidden, d // 2]
    for i in range(COUPLINGS):
        spec.append(f"coupling move={'first' if i % 2 else 'second'} hidden="
                    f"{','.join(map(str, model.hidden))} activation=relu rule=additive")
        for l, (n_in, n_out) in enumerate(zip(widths, widths[1:])):
            bound = np.sqrt(6 / n_in) * (0.3 if l == len(model.hidden) else 1)
            name = f"layers.{i + 1}.mlp.{l}"
            tensors[name + ".weight"] = rng.uniform(-bound, bound, (n_out, n_in)).astype(np.float32)
            tensors[name + ".bias"] = rng.uniform(-0.1, 0.1, n_out).astype(np.float32)
    spec += ["scale", f"prior {model.prior}"]
    tensors[f"layers.{COUPLINGS + 1}.log_scale"] = rng.uniform(-0.5, 0.5, d).astype(np.float32)
    save_file(tensors, path, {"format": "nicest", "nicest.version": "1",
                              "nicest.spec": "\n".join(spec) + "\n"})


def read_weights(path):
    from safetensors import safe_open
    with safe_open(path, "numpy") as file:
        tensor = {name: file.get_tensor(name) for name in file.keys()}
    couplings = []
    for i in range(1, COUPLINGS + 1):
        depth = sum(f"layers.{i}.mlp.{l}.bias" in tensor for l in range(64))
        couplings.append([(tensor[f"layers.{i}.mlp.{l}.weight"], tensor[f"layers.{i}.mlp.{l}.bias"])
                          for l in range(depth)])
    return Weights(couplings, tensor[f"layers.{COUPLINGS + 1}.log_scale"])


def rows_of(model, count, seed=2):
    """Stored rows, float32: bytes where there are levels, else standard normal."""
    rng = np.random.default_rng(seed)
    if model.levels:
        return rng.integers(0, model.levels, (count, model.columns)).astype(np.float32)
    return rng.standard_normal((count, model.columns)).astype(np.float32)


def check_rows(model, count=256):
    """Continuous rows, on which all log-likelihoods are compared."""
    rows = rows_of(model, count, 3)
    return (rows + np.float32(0.5)) / np.float32(model.levels) if model.levels else rows


def measure(run, seconds, most=2001):
    """Median and spread in seconds as bench.c measures: at least three runs after two to get warm."""
    run()
    run()
    times, begin = [], time.perf_counter()
    while len(times) < most and (len(times) < 3 or time.perf_counter() - begin < seconds):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    times.sort()
    count, median = len(times), times[len(times) // 2]
    return {"median": median, "spread": (times[count * 19 // 20] - times[count // 20]) / median}


def quickest(candidates):
    """The run that takes the least time: {name: run} -> run. All are warmed up first."""
    times = {}
    for name, run in candidates.items():
        run()
        times[name] = measure(run, 0.1)["median"]
    return candidates[min(times, key=times.get)]


def serve(modes, make, versions):
    """Answers requests, one JSON object a line, until standard input ends.

    make(mode, model name, weights) gives an object with log_prob(rows) -> [n], inverse_error(rows), train()
    -> log p after CHECK_STEPS steps, and works() -> {work: run}. What frameworks print goes to standard
    error."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    kept = {}
    for line in sys.stdin:
        ask = json.loads(line)
        if ask["what"] == "hello":
            answer = {"modes": modes, "versions": versions}
        else:
            key = ask["mode"], ask["model"]
            if ask["what"] == "check":
                try:
                    flow = make(*key, read_weights(ask["path"]))
                    rows = np.load(ask["rows"]).astype(np.float32)
                    answer = {"logp": np.asarray(flow.log_prob(rows), np.float64).tolist(),
                              "inverse": float(flow.inverse_error(rows)), "trained": float(flow.train(rows))}
                except Exception as error:  # a mode that this framework cannot do
                    answer = {"failed": f"{type(error).__name__}: {error}"[:300]}
            else:
                if key not in kept:
                    kept[key] = make(*key, read_weights(ask["path"])).works(ask["works"])
                answer = {}
                for work in ask["works"]:
                    time.sleep(0.05)
                    if ask["what"] == "measure":
                        answer[work] = measure(kept[key][work], ask["seconds"][work])
                    else:
                        kept[key][work]()
        out.write(json.dumps(answer) + "\n")
        out.flush()
