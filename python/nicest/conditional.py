"""The density of y given X as an estimator. Needs scikit-learn."""
from __future__ import annotations

import warnings
from numbers import Integral
from typing import Any, Sequence

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_array, check_consistent_length

from . import _header as header
from ._library import ArgumentError, NicestWarning, whole
from .data import Data
from .estimators import _described, _FlowBase
from .frames import columns_of_model, is_frame, is_pandas, is_series, like, table

__all__ = ["ConditionalFlow"]


@_described
class ConditionalFlow(RegressorMixin, _FlowBase):
    """Density of y given X by a normalizing flow: several y, of any shape, with all that follows from it.

    Predictions are those of `n_draws` draws for each row, whose noise is the same in every row.

    Parameters
    ----------
    n_draws : int
        Draws for each row behind means and quantiles.
    %PARAMETERS%

    Attributes
    ----------
    n_targets_ : int
        Columns of y.
    %FITTED%

    Notes
    -----
    `score` is the mean log-likelihood in nats, as of density estimators, not R^2 (the tag `poor_score` says so
    to scikit-learn's checks). X may have missing values, words and dates; y may have words and dates, of
    which the mean is the most frequent word, or the mean date. y has no missing values.

    Examples
    --------
    >>> import nicest
    >>> moons = nicest.toy("moons", n=500)
    >>> flow = nicest.ConditionalFlow(epochs=3, hidden=16, random_state=0).fit(moons[:, :1], moons[:, 1])
    >>> flow.predict([[0.5]]).shape, flow.predict_interval([[0.5]]).shape, flow.sample([[0.5]], 7).shape
    ((1,), (1, 2), (7, 1))
    """

    def __init__(self, *, n_draws=512, preset="auto", couplings=None, hidden=None, activation=None, prior=None,
                 preprocess=None, spec=None, epochs=None, time=None, batch=None, learning_rate=None,
                 optimizer=None, patience=None, valid_share=None, options=None, warm_start=False,
                 callbacks=None, verbose=False, n_jobs=None, random_state=None):
        super().__init__(preset=preset, couplings=couplings, hidden=hidden, activation=activation, prior=prior,
                         preprocess=preprocess, spec=spec, epochs=epochs, time=time, batch=batch,
                         learning_rate=learning_rate, optimizer=optimizer, patience=patience,
                         valid_share=valid_share, options=options, warm_start=warm_start,
                         callbacks=callbacks, verbose=verbose, n_jobs=n_jobs, random_state=random_state)
        self.n_draws = n_draws

    def fit(self, X, y):
        """Learns the density of y, of shape (n_samples,) or (n_samples, n_targets), given X of shape
        (n_samples, n_features)."""
        if y is None:
            raise ValueError("ConditionalFlow requires y to be passed, but the target y is None")
        if not isinstance(self.n_draws, Integral) or self.n_draws < 1:
            raise ValueError(f"n_draws {self.n_draws!r}: expected a whole number from 1 on")
        X = self._validated(X, reset=True)
        self._one = is_series(y) or not is_frame(y) and np.asarray(y).ndim < 2
        y = self._targets(X, y)
        self.y_frame_, self.n_targets_ = (y[:0] if is_frame(y) else None), y.shape[1]
        self._x_names = [str(name) for name in getattr(self, "feature_names_in_", ())] or \
            [f"x{j + 1}" for j in range(self.n_features_in_)]
        self._y_names = self._target_names()
        rows = self._joined(X, y)
        for name, values in zip(self._y_names, rows.numpy().T[len(self._x_names):]):
            if (values == values[0]).all():
                raise ValueError(f"{name} is {values[0]:g} in every row: a constant has no density")
        text = [fact["name"] for fact in rows.facts()[:len(self._x_names)] if fact["what"] == "text"]
        if text:
            warnings.warn(f"left out, since nearly every row has another text: {', '.join(text)}", NicestWarning,
                          stacklevel=2)
        try:
            self._learn(rows, given=",".join(name for name in self._x_names if name not in text) or None)
        except ArgumentError as error:
            if "no other column" not in str(error):
                raise
            raise ValueError("y only counts, or follows from X without doubt: it has no density given X") from None
        gone = [name for name in self._y_names if name not in self.model_.column_names]
        if gone:
            raise ValueError(f"{', '.join(gone)}: there is no density of what only counts, rises, or is free text")
        return self

    def _targets(self, X: Any, y: Any) -> Any:
        """y as a frame or an array [n, n_targets], without missing values."""
        if is_series(y):
            name = "y" if y.name is None or y.name == "" else str(y.name)
            y = y.to_frame(name) if hasattr(y, "index") else y.alias(name).to_frame()
        check_consistent_length(X, y)
        if is_frame(y):
            if not np.isfinite(Data(y).numpy()).all():
                raise ValueError("Input y contains NaN or infinity.")
            return y
        y = check_array(y, ensure_2d=False, dtype="numeric", input_name="y", estimator=self)
        return (y.view(np.uint8) if y.dtype == bool else y).reshape(len(y), -1)

    def _target_names(self) -> list[str]:
        """Those of the frame, or "y", "y1", ..., that X does not have."""
        if self.y_frame_ is not None:
            names = [str(name) for name in self.y_frame_.columns]
            both = [name for name in names if name in self._x_names]
            if both:
                raise ValueError(f"X and y both have a column {', '.join(both)}")
            return names
        names = ["y"] if self.n_targets_ == 1 else [f"y{j + 1}" for j in range(self.n_targets_)]
        while set(names) & set(self._x_names):
            names = [name + "_" for name in names]
        return names

    def _joined(self, X: Any, y: Any) -> Data:
        return Data(X, names=self._x_names).beside(Data(y, names=self._y_names))

    # ------------------------------------------------------------ likelihood

    def log_prob(self, X, y) -> Any:
        """Log-likelihood of each y given its row of X, of shape (n_samples,), in nats."""
        rows = self._validated(X)
        y = self._targets(rows, y)
        if y.shape[1] != self.n_targets_:
            raise ValueError(f"y has {y.shape[1]} columns, but ConditionalFlow learnt {self.n_targets_}")
        return like(X, self._scored(self.model_.score(self._joined(rows, y))))

    def score(self, X, y) -> float:
        """Mean log-likelihood, in nats."""
        return float(np.mean(np.asarray(self.log_prob(X, y))))

    # ------------------------------------------------------------ draws, and what they say

    def _known(self, X: Any) -> tuple[np.ndarray, list[int]]:
        """Rows of the model with y missing, and the places of y in them."""
        X = self._validated(X)
        of = self.model_.column_names
        return self.model_._known(Data(X, names=self._x_names)), [of.index(name) for name in self._y_names]

    def _draws(self, X: Any) -> np.ndarray:
        """Stored y of shape (n_samples, n_draws, n_targets), every row with the same noise."""
        rows, places = self._known(X)
        seed, out = self._seed(self.random_state), np.empty((len(rows), self.n_draws, self.n_targets_))
        for i, row in enumerate(rows):
            out[i] = self.model_.sample(given=np.tile(row, (self.n_draws, 1)), seed=seed)[:, places]
        return out

    def _columns(self) -> list[Any]:
        of = {column.name: column for column in columns_of_model(self.model_._handle)}
        return [of[name] for name in self._y_names]

    def _answer(self, X: Any, values: np.ndarray, whole: bool = False) -> Any:
        """Stored y [n, n_targets] in the manner of X and of the y that was learnt; whole numbers only of draws."""
        columns = self._columns()
        if is_frame(X) or any(column.kind != header.NICEST_NUMBER for column in columns):
            kind = "pandas" if is_pandas(X if is_frame(X) else self.y_frame_) else "polars"
            same = whole and is_frame(self.y_frame_) and is_pandas(self.y_frame_) == (kind == "pandas")
            values = table(values, columns, self.y_frame_ if same else kind,
                           self.y_frame_.columns if same else self._y_names, X.index if is_pandas(X) else None)
            if is_frame(X):
                return values[values.columns[0]] if self._one else values
            values = values.to_numpy()
        return values[:, 0] if self._one else values

    def sample(self, X, n_samples: int | None = None, random_state=None) -> Any:
        """Draws of y for each row of X.

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
        n_samples : int, optional
            Draws of each row; None: one, without an axis of its own.
        random_state : int, RandomState instance or None

        Returns
        -------
        like the y that was learnt
            With a first axis of `n_samples` draws; of a data frame a list of them.
        """
        rows, places = self._known(X)
        seed = self._seed(self.random_state if random_state is None else random_state)
        drawn = [self._answer(X, self.model_.sample(given=rows, seed=seed, first=k * len(rows))[:, places], True)
                 for k in range(1 if n_samples is None else whole(n_samples, "n_samples"))]
        return drawn[0] if n_samples is None else drawn if is_frame(X) else np.array(drawn)

    def predict(self, X, method: str = "mean") -> Any:
        """One y for each row of X, of shape (n_samples,) or (n_samples, n_targets).

        Parameters
        ----------
        X : array_like of shape (n_samples, n_features)
        method : {"mean", "median"}
            Of words it is the most frequent one.
        """
        if method not in ("mean", "median"):
            raise ValueError(f"method {method!r}: expected 'mean' or 'median'")
        draws = self._draws(X)
        found = draws.mean(axis=1) if method == "mean" else np.median(draws, axis=1)
        for k, column in enumerate(self._columns()):
            if column.words:
                codes = draws[:, :, k].astype(int)
                found[:, k] = [np.bincount(row, minlength=len(column.words)).argmax() for row in codes]
        return self._answer(X, found)

    def predict_quantiles(self, X, quantiles: Sequence[float] = (0.05, 0.5, 0.95)) -> Any:
        """Quantiles of each y given its row of X.

        Returns
        -------
        ndarray of shape (n_samples, n_quantiles) or (n_samples, n_quantiles, n_targets)
            Of a data frame X: a frame with a column for each target and quantile, "y 0.05".
        """
        if any(column.kind != header.NICEST_NUMBER for column in self._columns()):
            raise ValueError("quantiles are of numbers: y has words or dates")
        quantiles = np.asarray(quantiles, np.float64)
        if quantiles.ndim != 1 or not ((quantiles > 0) & (quantiles < 1)).all():
            raise ValueError(f"quantiles {quantiles}: expected numbers between 0 and 1")
        found = np.moveaxis(np.quantile(self._draws(X), quantiles, axis=1), 0, 1)
        if is_frame(X):
            names = [f"{name} {q:g}" for q in quantiles for name in self._y_names]
            return like(X, found.reshape(len(found), -1), names)
        return found[:, :, 0] if self._one else found

    def predict_interval(self, X, coverage: float = 0.9) -> Any:
        """Between which y lies with probability `coverage`, as much left out below as above.

        Returns
        -------
        ndarray of shape (n_samples, 2) or (n_samples, 2, n_targets), or a frame, as of :meth:`predict_quantiles`
        """
        return self.predict_quantiles(X, ((1 - coverage) / 2, (1 + coverage) / 2))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.regressor_tags.poor_score = True  # nats are no share of a variance
        return tags
