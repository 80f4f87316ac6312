"""A trained density and what it is for."""
from __future__ import annotations

import ctypes
import dataclasses
import json
import operator
import os
from types import MappingProxyType
from typing import Any, Mapping, Sequence

import numpy as np

from . import _header as header
from ._library import ArgumentError, address, as_dict, check, encoded, handle, lib, names, text, watched, whole
from .data import Data, as_data, as_rows
from .frames import columns_of_model, filled, is_frame, like, reasons_like, shown, table

__all__ = ["Detection", "Model", "Verification", "Imputation", "Reason", "baseline_names", "detect", "score_names"]

PART = 1 << 14  # rows of one call of the library, where it knows no tick


@dataclasses.dataclass(frozen=True)
class Verification:
    """What :meth:`Model.verify` measured; `ok` says whether every bound holds.

    `marginal_gap` is of models that take missing values: over ten random patterns, how far log p of what is seen is on average
    from the log of the integral of the whole row's density. `spread_max` is the largest ratio, either way, of a column's standard deviation in samples to
    that in `rows`, and `spread_column` where it is. NaN where not measured.
    """

    ok: bool
    inverse_max: float
    latent_max: float
    logdet_max_error: float
    gradient_max_error: float
    integral: float
    integral_reason: str
    marginal_gap: float
    spread_max: float
    spread_column: int


@dataclasses.dataclass(frozen=True)
class Imputation:
    """Filled rows and how it went.

    Attributes
    ----------
    filled : ndarray of shape (n, d), or (draws, n, d) where draws were asked for; or data frames
        Stored rows: seen values bit for bit, hidden ones filled.
    spread : ndarray of shape (n, d)
        Standard deviation over the draws, in the units of the column.
    summary : mapping
        hidden values, steps, log p before and after, and errors where the truth was known.
    """

    filled: Any
    spread: np.ndarray
    summary: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Reason:
    """A column that makes a row unlikely: its value, and nine tenths of what the others let expect, as
    numbers, words or dates.

    `surprise` is in nats: -log of the probability, given the other columns, of values at most as
    likely as this one. 3 nats are one in twenty.
    """

    column: str
    value: Any
    expected: Any
    low: Any
    high: Any
    surprise: float


@dataclasses.dataclass(frozen=True)
class Detection:
    """How well scores tell outliers from normal rows: :func:`detect`.

    Attributes
    ----------
    auroc, auprc : float
        Areas (the second is average precision), with 95 % bootstrap intervals `auroc_low`, `auroc_high`, ...
    threshold, precision, recall, f1, false_alarms : float
        At the threshold, below which rows are flagged; `best_threshold` and `best_f1` where F1 is highest.
    prevalence : float
        Share of outliers.
    curve : mapping of str to ndarray
        `recall`, `alarms` and `precision` as the threshold rises, a point for each different score behind (0, 0, 1).
    """

    auroc: float
    auprc: float
    auroc_low: float
    auroc_high: float
    auprc_low: float
    auprc_high: float
    threshold: float
    precision: float
    recall: float
    f1: float
    false_alarms: float
    prevalence: float
    best_threshold: float
    best_f1: float
    curve: Mapping[str, np.ndarray] = dataclasses.field(repr=False)


def detect(scores: Any, outlier: Any, threshold: float | None = None, *, seed: int = 1) -> Detection:
    """Precision, recall, areas and curves of scores, of which lower ones are outliers.

    Parameters
    ----------
    scores : array_like of shape (n,)
    outlier : array_like of bool of shape (n,)
    threshold : float, optional
        Rows below are flagged; None: where F1 is highest.
    seed : int
        Of the bootstrap.

    Examples
    --------
    >>> import nicest
    >>> nicest.detect([-9, 0.5, 1, -8], [True, False, False, True]).auroc
    1.0
    """
    scores, seed = np.ascontiguousarray(scores, np.float64), whole(seed, "seed")
    flags = np.ascontiguousarray(outlier, bool).view(np.uint8)
    if scores.ndim != 1 or scores.shape != flags.shape:
        raise ArgumentError(f"{scores.size} scores for {flags.size} rows")
    found, n, points = header.nicest_detection(), len(scores), ctypes.c_size_t()
    check(lib.nicest_detect(address(scores), address(flags), n, np.nan if threshold is None else threshold, seed,
                            ctypes.byref(found)))
    recall, alarms, precision = np.empty((3, n + 1))
    check(lib.nicest_detection_curve(address(scores), address(flags), n, address(recall), address(alarms),
                                     address(precision), ctypes.byref(points)))
    curve = {"recall": recall, "alarms": alarms, "precision": precision}
    return Detection(**as_dict(found), curve=MappingProxyType({k: v[:points.value] for k, v in curve.items()}))


def baseline_names() -> list[str]:
    """Names of the baselines without a model that :meth:`Model.baseline_scores` knows."""
    return names(lib.nicest_baseline_names)


def score_names() -> list[str]:
    """Names of the scores of typicality that :meth:`Model.outlier_scores` knows."""
    return names(lib.nicest_score_names)


class _Workspaces:
    """Workspaces that wait for their next caller; one belongs to one call at a time."""

    def __init__(self, model: ctypes.c_void_p, threads: int):
        self.model, self.threads = model, threads
        self.one: list[ctypes.c_void_p] = []
        self.many: list[ctypes.c_void_p] = []

    def take(self, rows: int) -> tuple[list[ctypes.c_void_p], ctypes.c_void_p]:
        waiting = self.one if rows == 1 else self.many
        try:
            return waiting, waiting.pop()
        except IndexError:
            made = handle()
            check(lib.nicest_workspace_new(ctypes.byref(made), self.model, int(rows == 1),
                                           1 if rows == 1 else self.threads))
            return waiting, made

    def close(self) -> None:
        for waiting in (self.one, self.many):
            while waiting:
                lib.nicest_workspace_free(waiting.pop())


class Model:
    """An exact density: log p of every row, samples, inverse, and what follows from these.

    Models come from :func:`nicest.train`, :meth:`load` and :meth:`from_bytes`. A model may be used from
    any number of threads at once, pickled (the bytes of its file, in which nothing can be run), and sent
    to other processes.

    Rows are *stored* rows, as a file holds them, unless a method says *continuous*: what the density is
    of, where whole numbers carry noise of their own width (:meth:`encode`). All of log p is in nats, in
    the units of the columns; of pictures in full scale, 0 to 1.

    Examples
    --------
    >>> import nicest
    >>> model = nicest.train(nicest.toy("moons", n=500), epochs=2, couplings=2, hidden=16)
    >>> model.score(nicest.toy("moons", n=3, seed=2)).shape
    (3,)
    >>> again = nicest.Model.from_bytes(model.to_bytes())
    >>> bool((again.sample(4) == model.sample(4)).all())
    True
    """

    def __init__(self, *_: Any, **__: Any):
        raise TypeError("a model comes from nicest.train, Model.load or Model.from_bytes")

    @classmethod
    def _of(cls, made: ctypes.c_void_p, threads: int = 0) -> "Model":
        model = object.__new__(cls)
        model._handle, model._threads = made, threads
        model._workspaces = _Workspaces(made, threads)
        model._columns = lib.nicest_model_columns(made)
        model.result = None
        return model

    @classmethod
    def load(cls, path: str | os.PathLike, *, threads: int = 0) -> "Model":
        """Reads a model file; every size in it is checked before it is believed.

        Parameters
        ----------
        path : str or path
            A file that :meth:`save` or the program wrote.
        threads : int
            Threads to use; 0: one for each processor. No result depends on it.
        """
        made, threads = handle(), whole(threads, "threads", 1024)
        check(lib.nicest_model_load(ctypes.byref(made), encoded(path)))
        return cls._of(made, threads)

    @classmethod
    def from_bytes(cls, data: bytes, *, threads: int = 0) -> "Model":
        """The model of :meth:`to_bytes`, checked as a file is."""
        made, view, threads = handle(), np.frombuffer(data, np.uint8), whole(threads, "threads", 1024)
        check(lib.nicest_model_load_bytes(ctypes.byref(made), address(view), view.size))
        return cls._of(made, threads)

    def save(self, path: str | os.PathLike) -> None:
        """Writes the model file (safetensors), whole or not at all."""
        check(lib.nicest_model_save(self._handle, encoded(path)))

    def to_bytes(self) -> bytes:
        """The bytes of the model file; the same model has the same bytes."""
        block, size = ctypes.c_void_p(), ctypes.c_size_t()
        check(lib.nicest_model_save_bytes(self._handle, ctypes.byref(block), ctypes.byref(size)))
        try:
            return ctypes.string_at(block, size.value)
        finally:
            lib.nicest_free(block)

    def __reduce__(self):
        return _restore, (self.to_bytes(), self._threads)

    def __del__(self):
        made, self._handle = getattr(self, "_handle", None), None
        if made:
            self._workspaces.close()
            lib.nicest_model_free(made)

    # ------------------------------------------------------------ questions

    @property
    def columns(self) -> int:
        """Numbers in a row."""
        return self._columns

    @property
    def column_names(self) -> list[str]:
        """Names of the columns in the training data, "x1", "x2", ... where it had none."""
        return [text(lib.nicest_model_column_name(self._handle, j)) for j in range(self.columns)]

    @property
    def image(self) -> tuple[int, int, int] | None:
        """(height, width, channels) of pictures, else None."""
        size = [ctypes.c_uint() for _ in range(3)]
        lib.nicest_model_image(self._handle, *[ctypes.byref(s) for s in size])
        return tuple(s.value for s in size) if size[0].value else None

    @property
    def parameters(self) -> int:
        """How many numbers training moved."""
        return lib.nicest_model_parameters(self._handle)

    @property
    def spec(self) -> str:
        """The stack of layers as text."""
        return text(lib.nicest_model_spec(self._handle))

    @property
    def calibrated(self) -> bool:
        """Whether p-values and thresholds can be asked for."""
        return bool(lib.nicest_calibrated(self._handle))

    @property
    def training(self) -> dict:
        """The record of training: recipe, what was chosen, curve, figures; {} where there is none."""
        record = lib.nicest_model_entry(self._handle, b"nicest.training")
        return json.loads(record) if record else {}

    def info(self) -> dict:
        """What the model is, as one dict."""
        return {"columns": self.columns, "column_names": self.column_names, "image": self.image,
                "parameters": self.parameters, "calibrated": self.calibrated, "spec": self.spec,
                "training": self.training}

    def tensors(self) -> Mapping[str, np.ndarray]:
        """Every array of the model by name, read-only: weights, scales, the numbers of its entry."""
        data = self.to_bytes()
        size = int.from_bytes(data[:8], "little")
        listed, body, kinds = json.loads(data[8:8 + size]), 8 + size, {"F32": "<f4", "F64": "<f8"}
        found = {}
        for name, item in listed.items():
            if name != "__metadata__":
                begin, end = item["data_offsets"]
                found[name] = np.frombuffer(data[body + begin:body + end],
                                            kinds[item["dtype"]]).reshape(item["shape"])
        return MappingProxyType(found)

    def bits_per_dim(self, logp: Any) -> Any:
        """-(logp + sum of log units) / (d log 2) where every column is quantised, else NaN."""
        return np.vectorize(lambda x: lib.nicest_model_bits_per_dim(self._handle, x), otypes=[float])(np.asarray(logp, np.float64))[()]

    def _repr_html_(self) -> str:
        import html
        record = self.training
        figures = "".join(f"<tr><th>{name}</th><td>{record[key]:.5g} nats</td></tr>" for name, key in
                          (("training rows", "train_logp"), ("validation rows", "valid_logp"),
                           ("held-out rows", "held_out_logp"), ("a Gaussian", "gaussian_logp"))
                          if record.get(key) is not None)
        return (f"<details open><summary>nicest.Model: {self.columns} columns, {self.parameters:,} parameters"
                f"</summary><table>{figures}</table><pre>{html.escape(self.spec)}</pre></details>")

    def __repr__(self) -> str:
        return f"<nicest.Model: {self.columns} columns, {self.parameters:,} parameters>"

    # ------------------------------------------------------------ likelihood and its neighbours

    def _data(self, rows: Any) -> Data:
        """The columns of the model: by name where the rows have names, words by the model's codes."""
        data, made = as_data(rows), handle()
        check(lib.nicest_data_match(ctypes.byref(made), self._handle, data._handle))
        return Data._of(made, [data])

    def _rows(self, rows: Any) -> np.ndarray:
        if is_frame(rows) or isinstance(rows, Data):
            return self._data(rows).numpy()
        found = as_rows(rows)
        return found if found.shape[1] == self.columns else self._data(found).numpy()

    def _run(self, function, rows: np.ndarray, *results: np.ndarray) -> None:
        """Rows to results, a part at a time: Ctrl-C is heard in between."""
        waiting, workspace = self._workspaces.take(len(rows))
        try:
            for first in range(0, len(rows), PART):
                part = slice(first, first + PART)
                check(function(workspace, address(rows[part]), len(rows[part]), *(address(r[part]) for r in results)))
        finally:
            waiting.append(workspace)

    def score(self, rows: Any, *, seed: int = 1) -> Any:
        """Log-likelihood of stored rows.

        Parameters
        ----------
        rows : array_like of shape (n, d), data frame, Data or DATA text
            NaN in a row gives NaN; a row beyond the numbers of the model gives -inf.
        seed : int
            Of the noise of quantised columns; equal rows have equal noise.

        Returns
        -------
        ndarray (or series, for a data frame) of shape (n,)
            In nats.
        """
        seed = whole(seed, "seed")
        if type(rows) is np.ndarray and rows.dtype == np.float64 and rows.flags.c_contiguous and \
                rows.shape[1:] == (self._columns,) and len(rows) <= PART:  # the short way
            n = len(rows)
            out = np.empty(n)
            waiting, workspace = self._workspaces.take(n)
            status = lib.nicest_score(workspace, address(rows), n, seed, address(out))
            waiting.append(workspace)
            if status:
                check(status)
            return out
        data = self._data(rows)
        out = np.empty(len(data))
        watched(lambda tick: lib.nicest_score_data(self._handle, data._handle, seed, self._threads, tick, None,
                                                   address(out)), len(data))
        return like(rows, out)

    def log_prob(self, rows: Any) -> np.ndarray:
        """Log-likelihood of continuous rows, of shape (n,), in nats."""
        values = self._rows(rows)
        out = np.empty(len(values))
        self._run(lib.nicest_log_prob, values, out)
        return like(rows, out)

    def gradient(self, rows: Any) -> tuple[np.ndarray, np.ndarray]:
        """Log-likelihood of continuous rows and its gradient by the row.

        Returns
        -------
        logp : ndarray of shape (n,)
        gradient : ndarray of shape (n, d)
            In nats by unit of the column.
        """
        values = self._rows(rows)
        out, slope = np.empty(len(values)), np.empty(values.shape)
        self._run(lib.nicest_log_prob_gradient, values, out, slope)
        return out, slope

    def forward(self, rows: Any) -> tuple[np.ndarray, np.ndarray]:
        """Continuous rows to latent [n, d], and log |det dh/dx| [n]."""
        values = self._rows(rows)
        latent, logdet = np.empty(values.shape), np.empty(len(values))
        self._run(lib.nicest_forward, values, latent, logdet)
        return latent, logdet

    def inverse(self, latent: Any) -> tuple[np.ndarray, np.ndarray]:
        """Latent to continuous rows [n, d], and log |det dx/dh| [n]."""
        values = self._rows(latent)
        rows, logdet = np.empty(values.shape), np.empty(len(values))
        self._run(lib.nicest_inverse, values, rows, logdet)
        return rows, logdet

    def encode(self, rows: Any, *, seed: int = 1) -> np.ndarray:
        """Stored rows to continuous rows [n, d], with the noise that :meth:`score` gives them."""
        values = self._rows(rows)
        out = np.empty(values.shape)
        check(lib.nicest_encode(self._handle, address(values), len(values), whole(seed, "seed"), address(out)))
        return out

    def decode(self, rows: Any) -> np.ndarray:
        """Continuous rows to stored rows [n, d]: quantised columns at their levels."""
        values = self._rows(rows)
        out = np.empty(values.shape)
        check(lib.nicest_decode(self._handle, address(values), len(values), address(out)))
        return out

    def sample(self, n: int | None = None, *, given: Any = None, seed: int = 1, first: int = 0,
               temperature: float = 1.0) -> np.ndarray:
        """New rows.

        Parameters
        ----------
        n : int, optional
            How many: 1, or as many as `given` has.
        given : array_like of shape (n, d) or data frame, optional
            Of a model that was trained with the option `given`: rows whose given columns are known. In an
            array the other columns are not read; a frame may hold the given columns alone.
        seed, first : int
            Rows `first` .. `first` + n - 1 of the stream `seed`: parts of a stream join without a seam.
        temperature : float
            Scales the latent; 1 is the model.

        Returns
        -------
        ndarray of shape (n, d)
            Stored rows; :meth:`frame` makes words and dates of them.
        """
        known, seed, first = None if given is None else self._known(given), whole(seed, "seed"), whole(first, "first")
        n = (1 if known is None else len(known)) if n is None else n
        if known is not None and len(known) != n:
            raise ArgumentError(f"{n} samples of {len(known)} given rows")
        out = np.empty((n, self.columns))
        waiting, workspace = self._workspaces.take(n)
        try:
            for i in range(0, n, PART):
                some, part = None if known is None else known[i:i + PART], out[i:i + PART]
                check(lib.nicest_sample_given(workspace, address(some), len(part), seed, first + i, float(temperature),
                                              address(part)))
        finally:
            waiting.append(workspace)
        return out

    @property
    def given(self) -> list[str]:
        """Columns that the density is given; log p is that of the others."""
        return [name for j, name in enumerate(self.column_names) if lib.nicest_model_given(self._handle, j)]

    def _known(self, given: Any) -> np.ndarray:
        """Rows of the model whose other columns may be missing."""
        if is_frame(given) and not set(self.column_names) <= set(given.columns):
            given = Data(given)
        if isinstance(given, Data):
            gap = [name for name in self.column_names if name not in set(given.names) | set(self.given)]
            if gap:
                given = given.beside(Data(np.full((len(given), len(gap)), np.nan), names=gap))
        return self._rows(given)

    def frame(self, rows: Any, like: Any = "pandas") -> Any:
        """Stored rows [n, d] as a data frame, with names, words and dates.

        Parameters
        ----------
        rows : array_like of shape (n, d)
            As :meth:`sample` and :meth:`impute` give them.
        like : "pandas", "polars" or a data frame
            The kind of frame; types of its columns where a frame has them.
        """
        if not (is_frame(like) or isinstance(like, str) and like in ("pandas", "polars")):
            raise ArgumentError(f"like {like!r}: expected 'pandas', 'polars' or a data frame")
        return table(self._rows(rows), columns_of_model(self._handle), like)

    # ------------------------------------------------------------ what a model is for

    def impute(self, rows: Any, *, hidden: Any = None, method: str | None = None, recipe: str = "default",
               draws: int = 1, steps: int = 0, seed: int = 1) -> Imputation:
        """Fills what is missing, given the rest of each row.

        Parameters
        ----------
        rows : array_like of shape (n, d) or data frame
            NaN is missing. An infinite value stays; the rest of its row is filled as if it were missing.
        hidden : array_like of bool of shape (n, d), or str, optional
            What else to fill: cells, or the name of a mask ("top", "random:0.75", ...). Values under it
            are never used to fill; they are the truth that errors are measured against.
        method : {"map", "mean", "langevin"}, optional
            Default: "map" for pictures, "mean" for tables.
        recipe : {"default", "paper", "released"}
        draws : int
            Fills of each row, with method "langevin"; of a data frame a list of frames.
        steps : int
            0: by recipe.

        Returns
        -------
        Imputation
        """
        values, seed = self._rows(rows), whole(seed, "seed")
        n, d = values.shape
        cells = np.isnan(values)
        if isinstance(hidden, str):
            mask = np.zeros((n, d), np.uint8)
            check(lib.nicest_mask(encoded(hidden), address(values), n, d, *(self.image or (0, 0, 0)), seed,
                                  address(mask)))
            cells |= mask.astype(bool)
        elif hidden is not None:
            hidden = hidden[self.column_names] if is_frame(hidden) else hidden
            cells |= np.asarray(hidden, bool).reshape(n, d)
        options, result = header.nicest_inpaint_options(), header.nicest_inpaint_result()
        lib.nicest_inpaint_defaults(ctypes.byref(options))
        options.recipe, options.method = encoded(recipe), encoded(method)
        options.samples, options.steps = whole(draws, "draws"), whole(steps, "steps")
        options.seed, options.threads = seed, self._threads
        cells = np.ascontiguousarray(cells, np.uint8)
        if draws < 1:
            raise ArgumentError(f"draws: expected 1 or more, got {draws}")
        out, spread = np.empty((draws, n, d)), np.empty((n, d))

        def fill(tick):
            options.tick = tick
            return lib.nicest_inpaint(self._handle, address(values), n, address(cells), ctypes.byref(options),
                                      address(out), address(spread), ctypes.byref(result))
        watched(fill)
        if is_frame(rows):
            out = [filled(rows, one, columns_of_model(self._handle), self._places(rows), cells > 0) for one in out]
        return Imputation(out[0] if draws == 1 else out, spread, MappingProxyType(as_dict(result)))

    def _places(self, frame: Any) -> list[int]:
        """Where the model's columns stand in a frame."""
        names = list(frame.columns)
        return [names.index(n) for n in self.column_names] if set(self.column_names) <= set(names) else \
            list(range(self.columns))

    inpaint = impute

    def verify(self, rows: Any = None, *, seed: int = 1) -> Verification:
        """Proves that the model is a density: inverse, log-determinant, gradient, total mass.

        Parameters
        ----------
        rows : array_like of shape (n, d), optional
            What to measure on; the model's own samples by default.
        """
        data, found = None if rows is None else self._data(rows), header.nicest_verification()
        seed = whole(seed, "seed")
        watched(lambda tick: lib.nicest_verify(self._handle, getattr(data, "_handle", None), seed, self._threads, tick, None,
                                               ctypes.byref(found)))
        fields = as_dict(found)
        return Verification(bool(fields.pop("ok")), **{k: fields[k] for k in
                            Verification.__dataclass_fields__ if k in fields})

    def density(self, box: Sequence[float] | None = None, *, width: int = 200, height: int = 200,
                seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Log density of a model of one or two columns on a grid.

        Parameters
        ----------
        box : (low1, high1) or (low1, high1, low2, high2), optional
            Default: the box of the model's samples.

        Returns
        -------
        logp : ndarray of shape (width,) or (height, width)
            At the midpoints of cells, in nats; row 0 is the highest second coordinate.
        box : ndarray of shape (2,) or (4,)
        """
        if self.columns > 2:
            raise ArgumentError(f"a grid is for models of 1 or 2 columns, not {self.columns}")
        if box is None:
            edge, integral = np.empty(4), ctypes.c_double()
            check(lib.nicest_density_integral(self._handle, whole(seed, "seed"), self._threads, address(edge),
                                              ctypes.byref(integral)))
            box = edge[:2 * self.columns]
        box = np.ascontiguousarray(box, np.float64)
        if box.shape != (2 * self.columns,):
            raise ArgumentError(f"the box has {box.size} numbers, not {2 * self.columns}")
        out = np.empty(width if self.columns == 1 else (height, width))
        check(lib.nicest_density_grid(self._handle, address(box), width, height, self._threads, address(out)))
        return out, box

    # ------------------------------------------------------------ atypical rows

    @property
    def default_score(self) -> str:
        """What rows are judged by where nobody says otherwise, as in the program."""
        return text(lib.nicest_default_score(self._handle))

    def outlier_scores(self, rows: Any, *, score: str | None = None, group: int = 1, seed: int = 1) -> Any:
        """One score a row, higher for more typical rows; :func:`nicest.score_names` lists them.

        None is the model's :attr:`default_score`, here and below.
        """
        data, score = self._data(rows), score or self.default_score
        group, seed = whole(group, "group"), whole(seed, "seed")
        out = np.empty(len(data))
        watched(lambda tick: lib.nicest_outlier_scores(self._handle, data._handle, encoded(score), group, seed,
                                                       self._threads, tick, None, address(out)), len(data))
        return like(rows, out, name=score)

    def baseline_scores(self, rows: Any, baseline: str, *, group: int = 1) -> Any:
        """What no model at all says of the rows, higher for more typical ones; :func:`nicest.baseline_names`.

        Fitted on training rows when the model was calibrated.
        """
        data, group = self._data(rows), whole(group, "group")
        out = np.empty(len(data))
        check(lib.nicest_baseline_scores(self._handle, data._handle, encoded(baseline), group, self._threads,
                                         address(out)))
        return like(rows, out, name=baseline)

    def p_values(self, rows: Any, *, score: str | None = None, seed: int = 1) -> Any:
        """Conformal p-values: of normal rows at most the share p lies at or below p.

        Returns
        -------
        ndarray or series of shape (n,)
        """
        score = score or self.default_score
        data = self._data(rows)
        scores = np.ascontiguousarray(self.outlier_scores(rows, score=score, seed=seed))
        out = np.empty(len(scores))
        check(lib.nicest_conformal_rows(self._handle, encoded(score), data._handle, address(scores), address(out),
                                        None, None))
        return like(rows, out, name="p")

    def explain(self, rows: Any, *, most: int = 3, enough: float = 0.05, seed: int = 1) -> Any:
        """Why rows are unlikely: for each its columns, the most surprising first.

        Parameters
        ----------
        rows : array_like of shape (n, d) or data frame
        most : int
            Reasons of a row.
        enough : float
            No further column is named once the others have this p-value; above 1: always `most`.

        Returns
        -------
        list of lists of Reason
            Of a data frame: a frame with a line for each reason, under the row's index (polars: its number in
            the column "row").
        """
        values, columns, seed = self._rows(rows), columns_of_model(self._handle), whole(seed, "seed")
        n, most = len(values), min(operator.index(most), self.columns)
        if most < 1:
            raise ArgumentError(f"reasons of a row: expected 1 or more, got {most}")
        found, counts = (header.nicest_reason * (n * most))(), (ctypes.c_size_t * n)()
        watched(lambda tick: lib.nicest_explain(self._handle, address(values), n, most, float(enough), seed, self._threads,
                                                tick, None, found, counts))

        def reason(r: header.nicest_reason) -> Reason:
            column = columns[r.column]
            return Reason(column.name, *(shown(column, v) for v in (r.value, r.expected, r.low, r.high)), r.surprise)
        said = [[reason(r) for r in found[i * most:i * most + counts[i]]] for i in range(n)]
        return reasons_like(rows, said) if is_frame(rows) else said

    def threshold(self, rate: float = 0.05, *, score: str | None = None) -> float:
        """Rows that score below it are the share `rate` of normal rows; -inf where the calibration rows
        are too few to promise that."""
        found, score = ctypes.c_double(), score or self.default_score
        check(lib.nicest_threshold(self._handle, encoded(score), float(rate), ctypes.byref(found), None))
        return found.value

    def thresholds(self, rows: Any, rate: float = 0.05, *, score: str | None = None) -> Any:
        """The threshold of each row: rows with missing values are judged beside calibration rows with about as many.

        A row that scores below its threshold has a p-value of at most `rate`.

        Returns
        -------
        ndarray or series of shape (n,)
        """
        score, data = score or self.default_score, self._data(rows)
        found, count = (header.nicest_hole_bin * header.NICEST_HOLE_BINS)(), ctypes.c_size_t()
        check(lib.nicest_hole_bins(self._handle, encoded(score), float(rate), found, ctypes.byref(count)))
        ignored, which = np.zeros(len(data)), np.empty(len(data), np.uint8)
        check(lib.nicest_conformal_rows(self._handle, encoded(score), data._handle, address(ignored), address(ignored),
                                        address(which), None))
        return like(rows, np.array([b.threshold for b in found[:count.value]])[which], name="threshold")

    def calibrate(self, held_out: Any, *, train: Any = None, seed: int = 1) -> None:
        """Calibrates p-values and thresholds on rows that served neither training nor early stopping.

        Parameters
        ----------
        held_out : array_like of shape (n, d)
        train : array_like of shape (m, d), optional
            Fits the statistics of the scores on these rows too.
        """
        data, other = self._data(held_out), None if train is None else self._data(train)
        seed = whole(seed, "seed")
        watched(lambda tick: lib.nicest_calibrate(self._handle, getattr(other, "_handle", None), data._handle, seed,
                                                  self._threads, tick, None))


def _restore(data: bytes, threads: int) -> Model:
    return Model.from_bytes(data, threads=threads)
