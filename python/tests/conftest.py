"""Small models that many tests share; the program beside which some of them run is in NICEST_PROGRAM."""
import os

import numpy as np
import pytest

import nicest

QUICK = dict(epochs=3, couplings=2, hidden=16)


@pytest.fixture(scope="session")
def moons():
    return nicest.toy("moons", n=600)


@pytest.fixture(scope="session")
def model(moons):
    return nicest.train(moons, **QUICK)


@pytest.fixture(scope="session")
def bytes_rows():
    """Pictures of 4x4 bytes, four levels and their noise."""
    rng = np.random.default_rng(5)
    return (rng.integers(0, 4, (300, 4, 4)) * 60 + rng.integers(0, 9, (300, 4, 4))).astype(np.uint8)


@pytest.fixture(scope="session")
def program():
    path = os.environ.get("NICEST_PROGRAM")
    if not path or not os.path.exists(path):
        pytest.skip("NICEST_PROGRAM is not set")
    return path
