#!/usr/bin/env python3
"""Scores, p-values and samples through Dask: the same bits as one process, however the rows are cut.

    dask_score.py [--workers 2] [--rows 200000]

Needs dask[dataframe] and distributed. The model travels as the bytes of its file, once to each worker."""
import argparse
import json
import os
import signal
import time

import dask.array as da
import numpy as np
from dask.distributed import Client, LocalCluster

import nicest


def score(rows, model):
    """[n, d] -> [n, 2]: log p and its conformal p-value. One thread: the workers are the parallelism."""
    return np.column_stack([model.score(rows), model.p_values(rows)])


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--rows", type=int, default=200_000)
    options.add_argument("--kill", action="store_true", help="end a worker in the middle: the result is unchanged")
    options = options.parse_args()

    rows = nicest.toy("moons", n=options.rows)
    model = nicest.train(rows[:4000], epochs=3, couplings=4, hidden=64)
    alone = nicest.Model.from_bytes(model.to_bytes(), threads=1)
    expected, began = score(rows, alone), time.time()
    score(rows, alone)
    one = time.time() - began

    with LocalCluster(n_workers=options.workers, threads_per_worker=1, dashboard_address=None) as cluster, \
            Client(cluster) as client:
        client.wait_for_workers(options.workers)
        for parts in (7, 16):
            table = da.from_array(rows, chunks=(-(-len(rows) // parts), 2))
            scored = table.map_blocks(score, model=alone, dtype=float)
            began = time.time()
            running = client.compute(scored)
            if options.kill and parts == 16:
                os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
            found = running.result()
            many = time.time() - began
            assert np.array_equal(found, expected), f"{parts} parts: other bits"
        draws = client.gather([client.submit(alone.sample, 1000, seed=3, first=1000 * k)
                               for k in range(4)])
        assert np.array_equal(np.concatenate(draws), model.sample(4000, seed=3))
    print(json.dumps({"rows": len(rows), "workers": options.workers, "equal_bits": True,
                      "rows_per_second_alone": round(len(rows) / one), "rows_per_second": round(len(rows) / many)}))


if __name__ == "__main__":
    main()
