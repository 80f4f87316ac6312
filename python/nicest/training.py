"""Learning: nicest.train, and its steps one by one."""
from __future__ import annotations

import ctypes
import dataclasses
import difflib
import logging
import operator
import re
import threading
import time
import warnings
from types import MappingProxyType
from typing import Any, Callable, Mapping

import numpy as np

from . import _header as header
from ._library import ArgumentError, NicestError, NicestWarning, as_dict, check, handle, lib
from .data import as_data
from .model import Model

__all__ = ["Progress", "Trainer", "train", "train_options"]

_log = logging.getLogger("nicest")
_FIELDS = dict(header.nicest_train_options._fields_)
_WORDS = {"optimizer": {"adam": header.NICEST_ADAM, "rmsprop": header.NICEST_RMSPROP,
                        "sgd": header.NICEST_SGD},
          "precision": {"f32": header.NICEST_F32, "bf16": header.NICEST_BF16}}
_OURS = {"progress", "context", "init"}
PIECE = 0.1  # seconds between two looks at callbacks and interrupts


@dataclasses.dataclass(frozen=True)
class Progress:
    """Where a run stands; log p in nats, NaN before the first."""

    step: int
    epoch: int
    seconds: float
    total_seconds: float
    done: float
    rate: float
    train_logp: float
    valid_logp: float
    best_logp: float
    stage: str = "training"


def train_options() -> list[str]:
    """Names of the options that :func:`train` takes, beside its own arguments."""
    return sorted(_FIELDS.keys() - _OURS)


def _seconds(value: Any) -> Any:
    """90, "90s", "1.5m", "2h"."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"([0-9.]+)([smh]?)", value)
    if not found:
        raise ArgumentError(f"time '{value}': expected seconds, or a text as 90s, 10m, 1h")
    return float(found.group(1)) * {"": 1, "s": 1, "m": 60, "h": 3600}[found.group(2)]


def _hidden(value: Any) -> str:
    """64, (128, 128) or the text of the program, "128x2"."""
    if isinstance(value, str):
        return value
    try:
        return ",".join(str(operator.index(v)) for v in (value if np.iterable(value) else [value]))
    except TypeError:
        raise ArgumentError(f"hidden: expected whole numbers, got {value!r}") from None


def _of_kind(name: str, value: Any, kind: Any) -> Any:
    """The value as the field of that kind takes it; ctypes alone would let a number wrap around."""
    if kind is ctypes.c_char_p:
        return str(value).encode()
    try:
        number = float(value) if kind is ctypes.c_double else operator.index(value)
    except (TypeError, ValueError):
        wanted = "a number" if kind is ctypes.c_double else "a whole number"
        raise ArgumentError(f"{name}: expected {wanted}, got {value!r}") from None
    if kind is not ctypes.c_double and kind(number).value != number:
        raise ArgumentError(f"{name}: {number} is out of range")
    return number


def make_options(given: Mapping[str, Any], keep: list[Any]) -> header.nicest_train_options:
    """The library's options; None means what its default means: chosen from the data."""
    options = header.nicest_train_options()
    lib.nicest_train_defaults(ctypes.byref(options))
    for name, value in given.items():
        if value is None:
            continue
        name, value = ("seconds", _seconds(value)) if name == "time" else (name, value)
        if name not in _FIELDS or name in _OURS:
            near = difflib.get_close_matches(name, [*train_options(), "time"], 1)
            raise TypeError(f"train() got an unexpected option '{name}'" +
                            (f"; did you mean '{near[0]}'?" if near else ""))
        if name == "hidden":
            value = _hidden(value)
        if name in _WORDS and isinstance(value, str):
            if value not in _WORDS[name]:
                raise ArgumentError(f"{name} '{value}': expected {', '.join(_WORDS[name])}")
            value = _WORDS[name][value]
        value = _of_kind(name, value, _FIELDS[name])
        keep.append(value)
        setattr(options, name, value)
    return options


class Trainer:
    """A run of training in pieces, for loops of your own; :func:`train` is the plain one.

    Takes what :func:`train` takes. However a run of epochs is cut into pieces, its bytes are the same.

    Examples
    --------
    >>> import nicest
    >>> run = nicest.Trainer(nicest.toy("moons", n=500), epochs=3, couplings=2, hidden=16)
    >>> while run.step(steps=10):
    ...     so_far = run.progress.best_logp
    >>> run.model().columns
    2
    """

    def __init__(self, rows: Any, *, valid: Any = None, seed: int = 1, threads: int = 0,
                 init: Model | None = None, callback: Callable[[Progress], Any] | None = None, **options: Any):
        self._handle = handle()
        self._data, self._valid = as_data(rows), None if valid is None else as_data(valid)
        self._keep: list[Any] = [init]
        self._callback, self._threads = callback, threads
        made = make_options(dict(options, seed=seed, threads=threads), self._keep)
        if init is not None:
            made.init = init._handle
        # C code in C: an interrupt that arrives while the library runs must wait until it returns, and would
        # be lost in a callback of Python.
        self._stop: dict[Any, int] = {None: 0}
        made.progress = header.nicest_progress_function(self._stop.get)
        self._keep.append(made)
        check(lib.nicest_trainer_new(ctypes.byref(self._handle), self._data._handle,
                                     self._valid and self._valid._handle, ctypes.byref(made)))

    def __del__(self):
        made, self._handle = getattr(self, "_handle", None), None
        if made:
            lib.nicest_trainer_free(made)

    def step(self, steps: int = 0, seconds: float = 0.0) -> bool:
        """Trains for at most so many steps or seconds (0: no such bound); False when the run has ended.

        The callback is called about ten times a second. Ctrl-C arrives between two steps, and training may
        go on after it.
        """
        more, begun, first = ctypes.c_int(1), time.perf_counter(), self.progress.step
        while more.value:
            left = seconds - (time.perf_counter() - begun) if seconds else PIECE
            wanted = steps - (self.progress.step - first) if steps else 0
            if left <= 0 or steps and wanted <= 0:
                break
            check(lib.nicest_trainer_step(self._handle, wanted, min(left, PIECE), ctypes.byref(more)))
            if self._callback is not None and self._callback(self.progress) not in (None, False, 0):
                self.stop()
        return bool(more.value) and not self._stop[None]

    def stop(self) -> None:
        """Ends the run with the best weights so far; :meth:`model` has them."""
        self._stop[None] = 1
        check(lib.nicest_trainer_step(self._handle, 0, 0, None))

    @property
    def progress(self) -> Progress:
        """Where the run stands."""
        found = header.nicest_progress()
        check(lib.nicest_trainer_progress(self._handle, ctypes.byref(found)))
        return Progress(**{k: v for k, v in as_dict(found).items() if k in Progress.__dataclass_fields__})

    def look(self) -> Model:
        """The best model so far, not calibrated, and soon there."""
        made = handle()
        check(lib.nicest_trainer_look(self._handle, ctypes.byref(made)))
        return Model._of(made, self._threads)

    def model(self) -> Model:
        """The best model so far, calibrated; training may go on.

        Few rows are calibrated by five more models. Ctrl-C ends these: then the held-out rows alone calibrate.
        """
        made, result, errors = handle(), header.nicest_train_result(), []

        def work():
            try:
                check(lib.nicest_trainer_model(self._handle, ctypes.byref(made), ctypes.byref(result)))
            except NicestError as error:
                errors.append(error)
        worker, before = threading.Thread(target=work), self._stop[None]
        worker.start()
        while worker.is_alive():  # this thread hears the interrupt
            try:
                worker.join(0.1)
            except KeyboardInterrupt:
                self._stop[None] = 1
        self._stop[None] = before
        if errors:
            raise errors[0]
        model = Model._of(made, self._threads)
        model.result = MappingProxyType(as_dict(result))
        self._warn(model.result)
        return model

    @staticmethod
    def _warn(result: Mapping[str, Any]) -> None:
        if result["failure"]:
            warnings.warn(f"{result['failure']}; training ended there, with the best weights so far",
                          NicestWarning, stacklevel=3)
        if result["retries"]:
            warnings.warn(f"training diverged {result['retries']} times and went on from its best weights with a "
                          "tenth of the learning rate", NicestWarning, stacklevel=3)


def _bar(callback: Callable[[Progress], Any] | None) -> Callable[[Progress], Any]:
    """The callback behind a progress bar (tqdm where it is installed), or lines of text."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        tqdm = None
    bar = tqdm(total=100, unit="%", bar_format="{l_bar}{bar}| {elapsed}<{remaining} {postfix}") if tqdm else None
    last = [-1]

    def show(now: Progress) -> Any:
        words = f"epoch {now.epoch}  train {now.train_logp:.4g}  valid {now.valid_logp:.4g}"
        share = int(100 * now.done)
        if bar is not None:
            bar.set_postfix_str(words, refresh=False)
            bar.update(share - bar.n)
        elif share // 10 > last[0]:
            last[0] = share // 10
            print(f"{share:3d} %  {words}")
        return callback(now) if callback else None
    return show


def train(rows: Any, *, valid: Any = None, seed: int = 1, threads: int = 0, init: Model | None = None,
          callback: Callable[[Progress], Any] | None = None, verbose: bool = False, **options: Any) -> Model:
    """Learns the density of the rows.

    Parameters
    ----------
    rows : array_like of shape (n, d), pictures (n, height, width[, channels]), data frame, Data or DATA text
        Not copied where the library can read it where it lies. See :class:`nicest.Data`.
    valid : like rows, optional
        Rows for early stopping; a share of `rows` by default.
    seed : int
        Everything random follows from it: the same seed gives the same model, on any number of threads.
    threads : int
        0: one for each processor.
    init : Model, optional
        Go on from this model, with its stack and preprocessing, on more rows.
    callback : callable, optional
        Called with :class:`Progress` about ten times a second and at the end; a true result ends training.
    verbose : bool
        A progress bar, and what was chosen.
    **options
        Those of the program and :func:`train_options`; None or left out: chosen from the data. The usual
        ones: `epochs`, `time` (seconds, or "90s", "10m"), `preset` ("nice", "nicest"), `couplings`,
        `hidden` (64, (128, 128), "128x2"), `batch`, `learning_rate`, `valid_share`, `calibration_share`,
        `patience`, `spec` (docs/spec.md).

    Returns
    -------
    Model
        The best weights; its attribute `result` has what was measured and chosen. Ctrl-C ends training
        early, keeps the best weights so far, and warns.

    Examples
    --------
    >>> import nicest
    >>> model = nicest.train(nicest.toy("moons", n=400), epochs=2, couplings=2, hidden=16)
    >>> model.result["rows"]
    320
    """
    run = Trainer(rows, valid=valid, seed=seed, threads=threads, init=init,
                  callback=_bar(callback) if verbose else callback, **options)
    try:
        run.step()
    except KeyboardInterrupt:
        run.stop()
        warnings.warn("training was interrupted: the best weights so far are kept", NicestWarning, stacklevel=2)
    model = run.model()
    for line in model.result["chosen"].splitlines():
        _log.info(line)
        if verbose:
            print(line)
    return model
