"""The Dask program of examples/scale: equal bits, also when a worker is killed on the way."""
import json
import os
import subprocess
import sys

import pytest

PROGRAM = os.path.join(os.path.dirname(__file__), "../../examples/scale/dask_score.py")


@pytest.mark.skipif(not os.path.exists(PROGRAM), reason="the project's tree is not here")
def test_dask():
    for module in ("dask.array", "dask.dataframe", "distributed"):
        pytest.importorskip(module)
    done = subprocess.run([sys.executable, PROGRAM, "--rows", "20000", "--kill"], capture_output=True, text=True,
                          timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["equal_bits"]
