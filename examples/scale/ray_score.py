#!/usr/bin/env python3
"""Scores and p-values through Ray Data (one model an actor): the same bits as one process.

    ray_score.py [--workers 2] [--rows 100000]

Needs ray, pandas and pyarrow."""
import argparse
import json
import time

import numpy as np
import ray

import nicest


class Score:
    """Lives in a worker, with a model made from its bytes once."""

    def __init__(self, data):
        self.model = nicest.Model.from_bytes(data, threads=1)

    def __call__(self, batch):
        rows = batch["row"]
        return {"id": batch["id"], "logp": self.model.score(rows), "p": self.model.p_values(rows)}


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--rows", type=int, default=100_000)
    options = options.parse_args()

    rows = nicest.toy("moons", n=options.rows)
    model = nicest.train(rows[:4000], epochs=3, couplings=4, hidden=64)
    expected = np.column_stack([model.score(rows), model.p_values(rows)])

    ray.init(num_cpus=options.workers + 1, include_dashboard=False, log_to_driver=False)
    for size in (3000, 10000):
        began = time.time()
        data = ray.data.from_items([{"id": i, "row": row} for i, row in enumerate(rows)])
        found = data.map_batches(Score, fn_constructor_args=(model.to_bytes(),), batch_size=size,
                                 compute=ray.data.ActorPoolStrategy(size=options.workers)).to_pandas()
        seconds = time.time() - began
        found = found.sort_values("id")[["logp", "p"]].to_numpy()
        assert np.array_equal(found, expected), f"batches of {size}: other bits"
    ray.shutdown()
    print(json.dumps({"rows": len(rows), "workers": options.workers, "equal_bits": True,
                      "rows_per_second": round(len(rows) / seconds)}))


if __name__ == "__main__":
    main()
