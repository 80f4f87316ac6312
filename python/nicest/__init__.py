"""Exact densities of numeric data, with normalizing flows.

>>> import nicest
>>> model = nicest.train(nicest.toy("moons", n=500), epochs=2, couplings=2, hidden=16)
>>> model.score(nicest.toy("moons", n=3, seed=2)).shape
(3,)

`nicest.Model` is a trained density, `nicest.train` makes one, `nicest.Data` and `nicest.open` read rows.
The estimators (`Flow`, `FlowOutlierDetector`, `FlowImputer`, `ConditionalFlow`), `nicest.pyod` and the displays follow
scikit-learn's manners and load it when they are first asked for. Results do not depend on threads.
"""
from __future__ import annotations

import importlib
from typing import Any

from ._library import (ArgumentError, DataError, DivergedError, FileError, FormatError,
                       InterruptedTrainingError, MismatchError, NicestError, NicestWarning,
                       OutOfMemoryError, UnsupportedError, lib as _lib)
from .data import Data, Writer, open, toy, toy_log_density, toy_names
from .model import (Detection, Imputation, Model, Reason, Verification, baseline_names, detect,
                    score_names)
from .training import Progress, Trainer, train, train_options

__version__ = _lib.nicest_version().decode()

_LATER = {"Flow": "estimators", "FlowOutlierDetector": "estimators", "FlowImputer": "estimators",
          "ConditionalFlow": "conditional",
          "DensityDisplay": "displays", "OutlierDisplay": "displays", "LossCurveDisplay": "displays"}

__all__ = ["ArgumentError", "Data", "DataError", "Detection", "DivergedError", "FileError", "FormatError", "Imputation",
           "InterruptedTrainingError", "MismatchError", "Model", "NicestError", "NicestWarning",
           "OutOfMemoryError", "Progress", "Reason", "Trainer", "UnsupportedError", "Verification", "Writer", "baseline_names",
           "build", "detect", "open", "processors", "score_names", "toy", "toy_log_density", "toy_names", "train", "train_options",
           *_LATER]


def build() -> str:
    """One line: version, compiler, and the matrix products that this processor gets."""
    return _lib.nicest_build().decode()


def processors() -> int:
    """Processors that threads = 0 stands for."""
    return _lib.nicest_processors()


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module("." + _LATER[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
