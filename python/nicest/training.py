"""Learning: nicest.train, and its steps one by one."""
from __future__ import annotations

import ctypes
import dataclasses
import json
import operator
import os
import time
import warnings
from types import MappingProxyType
from typing import Any, Callable, Mapping

import numpy as np

from . import _header as header
from ._library import PIECE, ArgumentError, NicestWarning, as_dict, aside, check, handle, lib, whole
from .data import as_data
from .model import Model

__all__ = ["Progress", "Trainer", "train", "train_options"]


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

    @classmethod
    def _of(cls, found: header.nicest_progress) -> "Progress":
        return cls(*[getattr(found, name) for name in list(cls.__dataclass_fields__)[:-1]],
                   (found.stage or b"training").decode())


def train_options() -> list[str]:
    """Names of the options that :func:`train` takes, beside its own arguments."""
    found = []
    while (name := lib.nicest_train_option_name(len(found))) is not None:
        found.append(name.decode())
    return sorted(found)


def _text(name: str, value: Any) -> str:
    """The value as the program would be told it: 64, 1e-3, "128x2", (128, 128) as "128,128", True as "yes"."""
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(value)
    if isinstance(value, (bool, np.bool_)):
        return "yes" if value else "no"
    if np.iterable(value):
        return ",".join(_text(name, v) for v in value)
    try:
        return str(operator.index(value))
    except TypeError:
        pass
    try:
        return repr(float(value))
    except (TypeError, ValueError):
        raise ArgumentError(f"{name}: expected a number or a text, got {value!r}") from None


class _Options:
    """The library's options by name; None means what its default means: chosen from the data."""

    def __init__(self, given: Mapping[str, Any]):
        self._handle, self._texts = handle(), []
        check(lib.nicest_train_options_new(ctypes.byref(self._handle)))
        for name, value in given.items():
            if value is None or isinstance(value, float) and value != value:
                continue
            value = _text(name, value).encode()
            if b"\0" in value:
                raise ArgumentError(f"{name}: a text with a zero in it")
            self._texts.append(value)
            try:
                check(lib.nicest_train_options_set(self._handle, name.encode(), value))
            except ArgumentError:
                known = [*train_options()]
                if name in known:
                    raise
                import difflib
                near = difflib.get_close_matches(name, known, 1)
                raise TypeError(f"train() got an unexpected option '{name}'" +
                                (f"; did you mean '{near[0]}'?" if near else "")) from None
        self.fields = header.nicest_train_options.from_address(self._handle.value)

    def __del__(self):
        if self._handle:
            lib.nicest_train_options_free(self._handle)


class _Listener:
    """What the library tells in the thread that works, and whether it is to end."""

    def __init__(self):
        self.now: Progress | None = None
        self.stop = 0

    def tell(self, _: Any, now: int) -> int:
        self.now = Progress._of(header.nicest_progress.from_address(now))
        return self.stop


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
        self._init, self._callback, self._threads = init, callback, threads
        self._options = _Options(dict(options, seed=seed, threads=threads))
        if init is not None:
            if not isinstance(init, Model):
                raise TypeError(f"init {init!r}: expected a nicest.Model")
            self._options.fields.init = init._handle
        self._listener, self._interrupt = _Listener(), None
        self._tell = header.nicest_progress_function(self._listener.tell)
        self._options.fields.progress = self._tell
        try:  # what is tried first may take a while
            self._call(lib.nicest_trainer_new, ctypes.byref(self._handle), self._data._handle,
                       getattr(self._valid, "_handle", None), self._options._handle, stop=True, tells=True)
        except KeyboardInterrupt as interrupt:
            if not self._handle:
                raise
            self._interrupt = interrupt  # for whoever takes the first step

    def __del__(self):
        made, self._handle = getattr(self, "_handle", None), None
        if made:
            lib.nicest_trainer_free(made)

    def _call(self, function: Any, *arguments: Any, stop: bool, tells: bool = False) -> None:
        """Calls the library in a thread of its own, while this one hears interrupts and, with `tells`, calls back.

        An interrupt, or an error of the callback, is raised when the call has returned; with `stop` it asks
        for the end of the run.
        """
        listener = self._listener
        listener.now = None

        def hear():
            if tells and listener.now is not None:
                now, listener.now = listener.now, None
                self._ask(now)

        def end():
            listener.stop = listener.stop or int(stop)
        aside(lambda: function(*arguments), end, hear)

    def _ask(self, now: Progress) -> None:
        if self._callback is not None and self._callback(now) not in (None, False, 0):
            self._listener.stop = 1

    def step(self, steps: int = 0, seconds: float = 0.0) -> bool:
        """Trains for at most so many steps or seconds (0: no such bound); False when the run has ended.

        The callback is called about ten times a second. Ctrl-C arrives between two steps, and training may
        go on after it.
        """
        if self._interrupt is not None:
            interrupt, self._interrupt = self._interrupt, None
            raise interrupt
        steps, more, paused = whole(steps, "steps"), ctypes.c_int(1), []
        if not seconds >= 0:
            raise ArgumentError(f"seconds: expected a number from 0 on, got {seconds}")
        begun, first = time.perf_counter(), self.progress.step

        def pieces() -> int:
            """All of them; one where a callback looks at the run between two."""
            while not paused:
                left = seconds - (time.perf_counter() - begun) if seconds else PIECE
                wanted = steps - (self.progress.step - first) if steps else 0
                if left <= 0 or steps and wanted <= 0:
                    paused.append("there")
                    break
                status = lib.nicest_trainer_step(self._handle, wanted, min(left, PIECE), ctypes.byref(more))
                if status or not more.value or self._callback is not None:
                    return status
            return header.NICEST_OK

        while more.value and not paused:
            aside(pieces, lambda: paused.append("interrupt"))
            if self._callback is not None and not paused:
                self._ask(self.progress)
                if self._listener.stop:
                    self.stop()
        return bool(more.value) and not self._listener.stop

    def stop(self) -> None:
        """Ends the run with the best weights so far; :meth:`model` has them."""
        self._listener.stop = 1
        self._call(lib.nicest_trainer_step, self._handle, 0, 0, None, stop=False)

    @property
    def progress(self) -> Progress:
        """Where the run stands."""
        found = header.nicest_progress()
        check(lib.nicest_trainer_progress(self._handle, ctypes.byref(found)))
        return Progress._of(found)

    @property
    def chosen(self) -> dict:
        """What was chosen and why, as far as the run has come: `recipe` (numbers by name), `spec` (the stack; None
        while stacks are tried), `start` and `chosen` (lines)."""
        made = ctypes.c_void_p()
        check(lib.nicest_trainer_chosen(self._handle, ctypes.byref(made)))
        try:
            return json.loads(ctypes.string_at(made))
        finally:
            lib.nicest_free(made)

    def look(self) -> Model:
        """The best model so far, not calibrated, and soon there."""
        made = handle()
        check(lib.nicest_trainer_look(self._handle, ctypes.byref(made)))
        return Model._of(made, self._threads)

    def model(self) -> Model:
        """The best model so far, calibrated; training may go on.

        Few rows are calibrated by five more models. Ctrl-C ends these: then the held-out rows alone calibrate.
        """
        made, result, before = handle(), header.nicest_train_result(), self._listener.stop
        try:
            self._call(lib.nicest_trainer_model, self._handle, ctypes.byref(made), ctypes.byref(result), stop=True)
        except KeyboardInterrupt:
            if not made:
                raise
        finally:
            self._listener.stop = before
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
        ones: `epochs`, `time` (seconds, or "90s", "10m"; closed forms are fitted to all rows even where that
        takes longer, and calibration comes after it), `preset` ("nice", "nicest"), `couplings`,
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
    import logging  # some milliseconds, which no import of the package waits for
    for line in model.result["chosen"].splitlines():
        logging.getLogger("nicest").info(line)
        if verbose:
            print(line)
    return model
