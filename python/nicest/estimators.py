"""Estimators in scikit-learn's manner. Needs scikit-learn.

All of them take the options of :func:`nicest.train` as parameters or by `options`, learn on any number of
threads with the same result, and pickle as the bytes of the safe model file.
"""
from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np

try:
    from sklearn.base import (BaseEstimator, ClassNamePrefixFeaturesOutMixin, DensityMixin, OneToOneFeatureMixin,
                              OutlierMixin, TransformerMixin)
    from sklearn.utils import check_random_state
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:  # pragma: no cover
    raise ImportError("the estimators of nicest need scikit-learn 1.6 or newer: pip install scikit-learn "
                      "(nicest.train and nicest.Model need NumPy alone)") from error

from .data import Data, unmasked
from .frames import columns_of_model, filled, frame_columns, is_frame, is_pandas, like, plain, reasons_like, table
from .model import Model
from .training import train

__all__ = ["Flow", "FlowImputer", "FlowOutlierDetector"]

_PARAMETERS = """preset : {"auto", "nice", "nicest"}
        "nice" is the paper's model, "nicest" the library's best.
    couplings, hidden, activation, prior, preprocess, spec : optional
        The stack of layers (docs/spec.md); None: by preset.
    epochs, time, batch, learning_rate, optimizer, patience, valid_share : optional
        Learning; None: chosen from the data. `time` is seconds or a text as "90s"; closed forms are fitted
        to all rows even where that takes longer, and calibration (of detectors) comes after it.
    options : dict, optional
        Any further option of :func:`nicest.train`.
    image : tuple of int, optional
        (height, width[, channels]) where rows are pictures.
    warm_start : bool
        Go on from the model of the last fit.
    callbacks : callable or list of callables, optional
        Called with :class:`nicest.Progress`; a true result ends training.
    verbose : bool
        A progress bar, and what was chosen.
    n_jobs : int, optional
        Threads; None or -1: one for each processor. Results do not depend on it.
    random_state : int, RandomState instance or None
        Everything random follows from it."""

_FITTED = """model_ : nicest.Model
        What was learnt.
    n_iter_ : int
        Epochs.
    loss_curve_, validation_scores_ : list of float
        Mean -log p of the training rows, mean log p of the validation rows, at each validation.
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn."""


def _described(cls):
    cls.__doc__ = cls.__doc__.replace("%PARAMETERS%", _PARAMETERS).replace("%FITTED%", _FITTED)
    return cls


class _FlowBase(BaseEstimator):
    """What the estimators share: parameters, learning, the model's bytes."""

    _calibration: float | None = 0.0  # share of rows that calibrate; None: the library chooses

    def __init__(self, *, preset="auto", couplings=None, hidden=None, activation=None, prior=None,
                 preprocess=None, spec=None, epochs=None, time=None, batch=None, learning_rate=None,
                 optimizer=None, patience=None, valid_share=None, options=None, image=None, warm_start=False,
                 callbacks=None, verbose=False, n_jobs=None, random_state=None):
        self.preset = preset
        self.couplings = couplings
        self.hidden = hidden
        self.activation = activation
        self.prior = prior
        self.preprocess = preprocess
        self.spec = spec
        self.epochs = epochs
        self.time = time
        self.batch = batch
        self.learning_rate = learning_rate
        self.optimizer = optimizer
        self.patience = patience
        self.valid_share = valid_share
        self.options = options
        self.image = image
        self.warm_start = warm_start
        self.callbacks = callbacks
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.random_state = random_state

    _OWN = ("preset couplings hidden activation prior preprocess spec epochs time batch learning_rate optimizer "
            "patience valid_share").split()

    def _learn(self, rows: Data, **more: Any) -> Model:
        """Fits `model_` on validated rows."""
        options = {name: getattr(self, name) for name in self._OWN}
        options["calibration_share"] = self._calibration
        if not isinstance(self.options or {}, Mapping):
            raise ValueError(f"options {self.options!r}: expected a dict of further options of nicest.train")
        options.update(self.options or {}, **more)
        first = getattr(self, "model_", None) if self.warm_start else None
        if first is not None:  # its stack is given
            for name in ("couplings", "hidden", "activation", "prior", "preprocess", "spec"):
                options.pop(name)
        self.model_ = train(rows, seed=self._seed(self.random_state), threads=self._threads(), init=first,
                            callback=self._told(), verbose=bool(self.verbose), **options)
        self.n_iter_ = max(self.model_.result["epochs"], 1)
        curve = self.model_.training["curve"]
        self.loss_curve_ = [-point[2] for point in curve if point[2] is not None]
        self.validation_scores_ = [point[3] for point in curve if point[3] is not None]
        return self.model_

    def _told(self):
        called = self.callbacks if isinstance(self.callbacks, (list, tuple)) else [self.callbacks]
        called = [c for c in called if c is not None]
        return (lambda now: any([c(now) for c in called])) if called else None

    @staticmethod
    def _seed(random_state) -> int:
        if isinstance(random_state, (int, np.integer)):
            return int(random_state)
        return int(check_random_state(random_state).randint(2 ** 31 - 1))

    def _threads(self) -> int:
        if self.n_jobs is not None and not isinstance(self.n_jobs, Integral):
            raise ValueError(f"n_jobs {self.n_jobs!r}: expected a whole number or None")
        return 0 if self.n_jobs is None or self.n_jobs < 0 else int(self.n_jobs)

    def _validated(self, X: Any, *, reset: bool = False) -> Any:
        """Rows as scikit-learn checks them: an array, whose numbers keep their type, or a data frame with columns
        that an array of numbers cannot hold."""
        if not reset:
            check_is_fitted(self)
        X = unmasked(X)
        if is_frame(X) and not X.shape[1]:
            raise ValueError(f"Found array with 0 feature(s) (shape={X.shape}) while a minimum of 1 is required.")
        if is_frame(X) and len(set(X.columns)) < X.shape[1]:
            raise ValueError(f"names of columns stand twice: {list(X.columns)}")
        if is_frame(X) and not plain(X):
            X = validate_data(self, X, reset=reset, skip_check_array=True)
            if any(np.isinf(c).any() for c in frame_columns(X)[0]):
                raise ValueError("Input X contains infinity.")
            if len(X) < (2 if reset else 1):
                raise ValueError(f"Found array with {len(X)} sample(s) (shape={X.shape}) while a minimum of "
                                 f"{2 if reset else 1} is required.")
            return X
        X = validate_data(self, X, reset=reset, dtype="numeric", ensure_min_samples=2 if reset else 1,
                          ensure_all_finite="allow-nan")
        return X.view(np.uint8) if X.dtype == bool else X

    def _fit(self, X: Any) -> Data:
        """Learns from rows; remembers what kind of frame they were."""
        self.frame_ = X[:0] if is_frame(X) else None
        rows = self._data(self._validated(X, reset=True))
        self._learn(rows)
        names = rows.names
        self._places = [names.index(name) for name in self.model_.column_names]
        return rows

    def _data(self, X: Any) -> Data:
        """For the model, which knows its columns by the names that it was trained with."""
        return Data(X, names=getattr(self, "feature_names_in_", None), image=self.image)

    def _rows(self, X: Any) -> Data | np.ndarray:
        """Validated rows for a fitted model."""
        X = self._validated(X)
        short = isinstance(X, np.ndarray) and X.dtype == np.float64 and X.shape[1] == self.model_.columns
        return X if short and X.flags.c_contiguous else self._data(X)

    @staticmethod
    def _scored(values: np.ndarray) -> np.ndarray:
        if np.isnan(values).any():
            raise ValueError("Input X contains NaN, which the density knows nothing of: no row that it learnt from had "
                             "a missing value. Fill them, or fit on rows that have some.")
        return values

    def _framed(self, rows: np.ndarray, index: Any = None) -> Any:
        """Rows of the model in the manner of those that were learnt."""
        if self.frame_ is None:
            return rows
        names = [self.frame_.columns[place] for place in self._places]
        return table(rows, columns_of_model(self.model_._handle), self.frame_, names, index)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


@_described
class Flow(ClassNamePrefixFeaturesOutMixin, TransformerMixin, DensityMixin, _FlowBase):
    """Density of rows by a normalizing flow; its latent space as a transformer.

    Parameters
    ----------
    %PARAMETERS%

    Attributes
    ----------
    %FITTED%

    Examples
    --------
    >>> import nicest
    >>> X = nicest.toy("moons", n=500)
    >>> flow = nicest.Flow(epochs=2, couplings=2, hidden=16, random_state=0).fit(X)
    >>> flow.score_samples(X).shape, flow.sample(3).shape
    ((500,), (3, 2))
    """

    def fit(self, X, y=None):
        """Learns the density of X of shape (n_samples, n_features); y is ignored."""
        self._fit(X)
        self._n_features_out = self.model_.columns
        return self

    def score_samples(self, X) -> Any:
        """Log-likelihood of each row, of shape (n_samples,), in nats."""
        rows = self._rows(X)
        return like(X, self._scored(self.model_.score(rows)))

    def score(self, X, y=None) -> float:
        """Mean log-likelihood of the rows, in nats."""
        return float(np.mean(np.asarray(self.score_samples(X))))

    def sample(self, n_samples: int = 1, random_state=None) -> Any:
        """New rows, of shape (n_samples, n_features); a data frame where one was learnt from."""
        check_is_fitted(self)
        seed = self._seed(self.random_state if random_state is None else random_state)
        return self._framed(self.model_.sample(n_samples, seed=seed))

    def transform(self, X) -> np.ndarray:
        """Rows to the latent space, of shape (n_samples, n_features), where they are the prior's."""
        X = self._rows(X)
        return self.model_.forward(self.model_.encode(X))[0]

    def inverse_transform(self, X) -> Any:
        """Latent rows to rows as they were given."""
        check_is_fitted(self)
        latent = np.ascontiguousarray(X, np.float64)
        return self._framed(self.model_.decode(self.model_.inverse(latent)[0]))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags


@_described
class FlowOutlierDetector(OutlierMixin, _FlowBase):
    """Outliers by density, with calibrated p-values.

    Parameters
    ----------
    contamination : "auto" or float
        "auto": the conformal threshold at `false_alarms`: of normal rows at most that share is flagged,
        in the mean over calibrations. A number in (0, 0.5]: that share of the training rows.
    false_alarms : float
        With contamination "auto".
    rank_by : str, optional
        What rows are ranked by: one of :func:`nicest.score_names`; None: the model's default, which looks at
        neighbours among the training rows too where there are enough rows to calibrate that.
    %PARAMETERS%

    Attributes
    ----------
    offset_ : float
        decision_function = score_samples - offset_. With contamination "auto" rows with missing values are judged
        beside calibration rows with about as many, as the program does: in place of offset_ each has
        ``model_.thresholds(X)``: -inf, so that it is never flagged, where these rows are too few for `false_alarms`.
    %FITTED%

    Examples
    --------
    >>> import nicest
    >>> X = nicest.toy("moons", n=600)
    >>> found = nicest.FlowOutlierDetector(epochs=2, couplings=2, hidden=16, random_state=0).fit(X)
    >>> found.predict([[9.0, 9.0]])
    array([-1])
    """

    _calibration = None

    def __init__(self, *, contamination="auto", false_alarms=0.05, rank_by=None, preset="auto", couplings=None,
                 hidden=None, activation=None, prior=None, preprocess=None, spec=None, epochs=None, time=None,
                 batch=None, learning_rate=None, optimizer=None, patience=None, valid_share=None, options=None,
                 image=None, warm_start=False, callbacks=None, verbose=False, n_jobs=None, random_state=None):
        super().__init__(preset=preset, couplings=couplings, hidden=hidden, activation=activation, prior=prior,
                         preprocess=preprocess, spec=spec, epochs=epochs, time=time, batch=batch,
                         learning_rate=learning_rate, optimizer=optimizer, patience=patience,
                         valid_share=valid_share, options=options, image=image, warm_start=warm_start,
                         callbacks=callbacks, verbose=verbose, n_jobs=n_jobs, random_state=random_state)
        self.contamination = contamination
        self.false_alarms = false_alarms
        self.rank_by = rank_by

    def fit(self, X, y=None):
        """Learns what is normal from X of shape (n_samples, n_features); y is ignored."""
        share = self.contamination
        if not (isinstance(share, str) and share == "auto" or isinstance(share, Real) and 0 < share <= 0.5):
            raise ValueError(f"contamination {share!r}: expected 'auto' or a number in (0, 0.5]")
        if not (isinstance(self.false_alarms, Real) and 0 < self.false_alarms < 1):
            raise ValueError(f"false_alarms {self.false_alarms!r}: expected a number between 0 and 1")
        if not (self.rank_by is None or isinstance(self.rank_by, str)):
            raise ValueError(f"rank_by {self.rank_by!r}: expected one of nicest.score_names(), or None")
        rows = self._fit(X)
        if share == "auto":
            self.offset_ = self.model_.threshold(self.false_alarms, score=self.rank_by) if self.model_.calibrated \
                else -np.inf
            if not np.isfinite(self.offset_):  # too few rows to promise the rate: nothing seen is flagged
                self.offset_ = float(np.nextafter(np.min(self._scores(rows)), -np.inf))
        else:
            self.offset_ = float(np.percentile(self._scores(rows), 100 * share))
        return self

    def _scores(self, rows: Data | np.ndarray) -> np.ndarray:
        if self.rank_by == "logp":
            return self._scored(self.model_.score(rows))
        return self._scored(self.model_.outlier_scores(rows, score=self.rank_by))

    def _above(self, X) -> np.ndarray:
        """How far each row's score lies above its threshold."""
        rows, offsets = self._rows(X), self.offset_
        scores = self._scores(rows)
        if self.contamination == "auto" and self.model_.calibrated and \
                np.isfinite(self.model_.threshold(self.false_alarms, score=self.rank_by)):
            offsets = np.asarray(self.model_.thresholds(rows, self.false_alarms, score=self.rank_by))
        with np.errstate(invalid="ignore"):  # -inf is not below -inf
            return np.where(np.isneginf(offsets), np.inf, scores - offsets)

    def score_samples(self, X) -> Any:
        """Typicality of each row: higher is more normal."""
        return like(X, self._scores(self._rows(X)), name="score")

    def decision_function(self, X) -> Any:
        """score_samples - offset_: negative for outliers."""
        return like(X, self._above(X), name="decision")

    def predict(self, X) -> Any:
        """-1 for outliers, 1 for the rest."""
        return like(X, np.where(self._above(X) < 0, -1, 1), name="prediction")

    def p_values(self, X) -> Any:
        """Conformal p-values, of shape (n_samples,)."""
        return like(X, self._scored(self.model_.p_values(self._rows(X), score=self.rank_by)), name="p")

    def explain(self, X, most: int = 3, enough: float = 0.05) -> Any:
        """The columns that made each row unlikely, the most surprising first: :meth:`nicest.Model.explain`."""
        rows = self._rows(X)
        said = self.model_.explain(rows, most=most, enough=enough)
        return reasons_like(X, said) if is_frame(X) else said

    def select(self, X, fdr: float = 0.1) -> Any:
        """Rows that are called outliers so that of these at most the share `fdr` is normal, in the mean.

        Benjamini and Hochberg's procedure on the p-values (valid for conformal p-values: Bates et al., 2023).

        Returns
        -------
        ndarray of bool of shape (n_samples,)
        """
        if not (isinstance(fdr, Real) and 0 < fdr <= 1):
            raise ValueError(f"fdr {fdr!r}: expected a number in (0, 1]")
        p = np.asarray(self.p_values(X))
        order = np.argsort(p, kind="stable")
        below = np.nonzero(p[order] <= fdr * np.arange(1, len(p) + 1) / len(p))[0]
        chosen = np.zeros(len(p), bool)
        if len(below):
            chosen[order[:below[-1] + 1]] = True
        return like(X, chosen, name="outlier")


@_described
class FlowImputer(OneToOneFeatureMixin, TransformerMixin, _FlowBase):
    """Fills missing values given the rest of each row, by the density of whole rows.

    Learns from rows with missing values too, where a column has some.

    Parameters
    ----------
    method : {"mean", "map", "langevin"}
        What is filled: the conditional mean by its samples, the most likely values, or a draw.
    sample_posterior : bool
        Fill with a draw (method "langevin"), for multiple imputation.
    %PARAMETERS%

    Attributes
    ----------
    %FITTED%

    Examples
    --------
    >>> import nicest, numpy as np
    >>> X = nicest.toy("moons", n=500)
    >>> imputer = nicest.FlowImputer(epochs=2, couplings=2, hidden=16, random_state=0).fit(X)
    >>> bool(np.isfinite(imputer.transform([[0.5, np.nan]])).all())
    True
    """

    def __init__(self, *, method="mean", sample_posterior=False, preset="auto", couplings=None, hidden=None,
                 activation=None, prior=None, preprocess=None, spec=None, epochs=None, time=None, batch=None,
                 learning_rate=None, optimizer=None, patience=None, valid_share=None, options=None, image=None,
                 warm_start=False, callbacks=None, verbose=False, n_jobs=None, random_state=None):
        super().__init__(preset=preset, couplings=couplings, hidden=hidden, activation=activation, prior=prior,
                         preprocess=preprocess, spec=spec, epochs=epochs, time=time, batch=batch,
                         learning_rate=learning_rate, optimizer=optimizer, patience=patience,
                         valid_share=valid_share, options=options, image=image, warm_start=warm_start,
                         callbacks=callbacks, verbose=verbose, n_jobs=n_jobs, random_state=random_state)
        self.method = method
        self.sample_posterior = sample_posterior

    def fit(self, X, y=None):
        """Learns from X of shape (n_samples, n_features), NaN where a value is missing; y is ignored."""
        self._fit(X)
        self._draw_seed = self._seed(self.random_state)
        return self

    def _impute(self, X: Any, draws: int, method: str) -> tuple[list[Any], np.ndarray]:
        """Fills of the rows, each of X's kind, and standard deviations [n_samples, n_features]."""
        X, places = self._validated_kind(X), self._places
        frame = is_frame(X)
        known = self.model_._rows(self._data(X))
        hidden, shape = np.isnan(known), (len(known), self.n_features_in_)
        if not hidden.any():
            return [X] * draws, np.zeros(shape)
        done = self.model_.impute(known, method=method, draws=draws, seed=self._draw_seed)
        deviations = np.zeros(shape)
        deviations[:, places] = np.where(hidden, done.spread, 0)
        fills = []
        for values in np.reshape(done.filled, (draws, *known.shape)):
            if frame:
                fills.append(filled(X, values, columns_of_model(self.model_._handle), places, hidden))
            else:
                fills.append(X.copy())
                fills[-1][:, places] = values
        return fills, deviations

    def _validated_kind(self, X: Any) -> Any:
        """Checked rows: a copy of the frame, or an array of float64."""
        checked = self._validated(X)
        return (X.copy() if is_pandas(X) else X.clone()) if is_frame(X) else np.array(checked, np.float64)

    def transform(self, X) -> Any:
        """The rows with every missing value filled, of shape (n_samples, n_features)."""
        return self._impute(X, 1, "langevin" if self.sample_posterior else self.method)[0][0]

    def draws(self, X, n: int = 10) -> Any:
        """n fills of every row, of shape (n, n_samples, n_features), drawn given what is seen; of a data frame
        a list of n frames."""
        fills = self._impute(X, n, "langevin")[0]
        return fills if is_frame(X) else np.array(fills)

    def standard_deviations(self, X, n: int = 20) -> Any:
        """Over n draws, of shape (n_samples, n_features); 0 where the value is seen."""
        spread = self._impute(X, n, "langevin")[1]
        return like(X, spread, list(X.columns) if is_frame(X) else None)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags
