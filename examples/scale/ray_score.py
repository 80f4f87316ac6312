#!/usr/bin/env python3
"""Scores and p-values through Ray Data (one model an actor): the same bits as one process.

    ray_score.py [--workers 2] [--rows 100000]

Needs ray, pandas and pyarrow."""
import argparse
import json
import time

import numpy as np
import pandas as pd
import ray

import nicest


class Score:
    """Lives in a worker, with a model made from its bytes once."""

    def __init__(self, data):
        self.model = nicest.Model.from_bytes(data, threads=1)

    def __call__(self, batch):
        rows = batch[["a", "b"]]
        return pd.DataFrame({"id": batch["id"], "logp": self.model.score(rows), "p": self.model.p_values(rows)})


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--rows", type=int, default=100_000)
    options = options.parse_args()

    table = pd.DataFrame(nicest.toy("moons", n=options.rows), columns=["a", "b"])
    table["id"] = np.arange(len(table))
    model = nicest.train(table[["a", "b"]][:4000], epochs=3, couplings=4, hidden=64)
    expected = np.column_stack([model.score(table[["a", "b"]]), model.p_values(table[["a", "b"]])])

    ray.init(num_cpus=options.workers + 1, include_dashboard=False, log_to_driver=False)
    for parts in (3, 8):
        began = time.time()
        data = ray.data.from_pandas([table[k::parts] for k in range(parts)])
        found = data.map_batches(Score, fn_constructor_args=(model.to_bytes(),), batch_size=None, batch_format="pandas",
                                 compute=ray.data.ActorPoolStrategy(size=options.workers)).to_pandas()
        seconds = time.time() - began
        found = found.sort_values("id")[["logp", "p"]].to_numpy()
        assert np.array_equal(found, expected), f"{parts} parts: other bits"
    ray.shutdown()
    print(json.dumps({"rows": len(table), "workers": options.workers, "equal_bits": True,
                      "rows_per_second": round(len(table) / seconds)}))


if __name__ == "__main__":
    main()
