#!/usr/bin/env python3
"""What Python costs beside the C call: the same library, the same rows, in turns.

    python_cost.py [--rows 1000000] [--columns 21]

Prints each figure as a median of several rounds: many rows (float64, float32, a data frame), one row, training,
and the memory that scoring arrays takes."""
import argparse
import ctypes
import json
import platform
import resource
import statistics
import time

import numpy as np

import nicest
from nicest._library import address, check, lib


def in_turns(rounds, **calls):
    """{name: median seconds}, the calls one after the other in each round."""
    seconds = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(rounds):
        for name, call in calls.items():
            began = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(s) for name, s in seconds.items()}


def many(model, rows, rounds):
    out = np.empty(len(rows))
    workspace = ctypes.c_void_p()
    check(lib.nicest_workspace_new(ctypes.byref(workspace), model._handle, 0, 0))
    floats = rows.astype(np.float32)
    found = in_turns(rounds, c=lambda: check(lib.nicest_score(workspace, address(rows), len(rows), 1, address(out))),
                     python=lambda: model.score(rows), float32=lambda: model.score(floats),
                     fortran=lambda fortran=np.asfortranarray(rows): model.score(fortran))
    lib.nicest_workspace_free(workspace)
    return found


def one(model, rows):
    """Microseconds: the C call in a loop of C's own cannot be had from here, so ctypes' own cost is the lower
    bound that is measured: an empty call of the library."""
    out, row, n = np.empty(1), rows[:1].copy(), 2000
    workspace = ctypes.c_void_p()
    check(lib.nicest_workspace_new(ctypes.byref(workspace), model._handle, 1, 1))
    where, into = address(row), address(out)

    def loop(call):
        return lambda: [call() for _ in range(n)] and None
    found = in_turns(9, ctypes=loop(lib.nicest_processors),
                     c=loop(lambda: lib.nicest_score(workspace, where, 1, 1, into)),
                     python=loop(lambda: model.score(row)))
    lib.nicest_workspace_free(workspace)
    return {name: 1e6 * s / n for name, s in found.items()}


def memory(model, rows):
    """KiB that the process's peak grows by while arrays are scored."""
    grown = {}
    for name, kind in (("float64", np.float64), ("float32", np.float32)):
        array = rows.astype(kind)
        model.score(array[:1000])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        model.score(array)
        grown[name] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return grown


def stack(columns, couplings, hidden):
    """A spec: with one there is no race, in which a closed form may win and leave nothing to measure."""
    lines = [f"coupling move={'first' if i % 2 else 'second'} hidden={hidden}x2 activation=silu rule=affine" for i in range(couplings)]
    return "\n".join(["nicest 1", f"columns {columns}", "standardise", *lines, "prior normal", ""])


def training(rows, rounds):
    """Seconds of the same run as one call of the library, and through nicest.train; on one thread, seconds of
    the processor's, which other work disturbs less, and the median over the pairs of how much more Python took."""
    from nicest.training import _Options
    data = nicest.Data(rows)
    given = dict(epochs=20, spec=stack(rows.shape[1], 4, 64), calibration_share=0.0)

    def plain():
        made = ctypes.c_void_p()
        options = _Options(given)
        check(lib.nicest_train(ctypes.byref(made), data._handle, None, options._handle, None))
        lib.nicest_model_free(made)

    def learn():
        nicest.train(rows, **given)
    found = in_turns(rounds, c=plain, python=learn)
    given["threads"], pairs = 1, []
    for turn in range(rounds):
        spent = {}
        for call in (plain, learn) if turn % 2 else (learn, plain):
            began = time.process_time()
            call()
            spent[call] = time.process_time() - began
        pairs.append((spent[plain], spent[learn]))
    return dict(found, c_processor=statistics.median(c for c, _ in pairs),
                python_processor=statistics.median(p for _, p in pairs),
                python_more=statistics.median(p / c - 1 for c, p in pairs))


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--columns", type=int, default=21)
    options.add_argument("--rounds", type=int, default=5)
    options = options.parse_args()
    rows = np.random.default_rng(1).normal(size=(options.rows, options.columns))
    model = nicest.train(rows[:5000], epochs=1, spec=stack(options.columns, 8, 128), calibration_share=0.0)
    grown = memory(model, rows)
    result = {"machine": platform.machine(), "build": nicest.build(), "rows": options.rows,
              "columns": options.columns, "many_seconds": many(model, rows, options.rounds),
              "one_row_us": one(model, rows), "peak_growth_kib": grown,
              "array_kib": {"float64": rows.nbytes // 1024, "float32": rows.nbytes // 2048},
              "training_seconds": training(rows[:20000], options.rounds)}
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
