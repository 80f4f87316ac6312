#!/usr/bin/env python3
"""Scores and p-values through Spark (mapInPandas, the model as a broadcast): the same bits as one process.

    spark_score.py [--workers 2] [--rows 100000]

Needs pyspark, pandas, pyarrow and a Java of 17 or newer."""
import argparse
import json
import os
import sys
import time

import numpy as np
import pandas as pd
from pyspark.sql import SparkSession

import nicest


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--rows", type=int, default=100_000)
    options = options.parse_args()

    table = pd.DataFrame(nicest.toy("moons", n=options.rows), columns=["a", "b"])
    table["id"] = np.arange(len(table))
    model = nicest.train(table[["a", "b"]][:4000], epochs=3, couplings=4, hidden=64)
    expected = np.column_stack([model.score(table[["a", "b"]]), model.p_values(table[["a", "b"]])])

    os.environ["PYSPARK_PYTHON"] = sys.executable
    spark = (SparkSession.builder.master(f"local[{options.workers}]").appName("nicest")
             .config("spark.ui.enabled", "false")
             .config("spark.sql.execution.arrow.pyspark.enabled", "true").getOrCreate())
    spark.sparkContext.setLogLevel("ERROR")
    shared = spark.sparkContext.broadcast(model.to_bytes())

    def score(batches):
        mine = nicest.Model.from_bytes(shared.value, threads=1)
        for batch in batches:
            rows = batch[["a", "b"]]
            yield pd.DataFrame({"id": batch["id"], "logp": mine.score(rows), "p": mine.p_values(rows)})

    for parts in (3, 8):
        began = time.time()
        found = (spark.createDataFrame(table).repartition(parts)
                 .mapInPandas(score, "id long, logp double, p double").toPandas().sort_values("id"))
        seconds = time.time() - began
        assert np.array_equal(found[["logp", "p"]].to_numpy(), expected), f"{parts} parts: other bits"
    spark.stop()
    print(json.dumps({"rows": len(table), "workers": options.workers, "equal_bits": True,
                      "rows_per_second": round(len(table) / seconds)}))


if __name__ == "__main__":
    main()
