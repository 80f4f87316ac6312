"""Small models that many tests share; the program beside which some of them run is in NICEST_PROGRAM."""
import ctypes
import gc
import os

import numpy as np
import pytest

import nicest

QUICK = dict(epochs=3, couplings=2, hidden=16)


class _Allocated(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
                "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]


def memory_in_use():
    """Bytes that malloc has given out and not got back. What the process holds beside it, for the next call, is no leak."""
    gc.collect()
    if not hasattr(ctypes.CDLL(None), "mallinfo2"):
        pytest.skip("this C library does not say what is in use")
    look = ctypes.CDLL(None).mallinfo2
    look.restype = _Allocated
    now = look()
    return now.uordblks + now.hblkhd


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
