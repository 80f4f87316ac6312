"""Estimators in scikit-learn's manner. Needs scikit-learn.

All of them take the options of :func:`nicest.train` as parameters or by `options`, learn on any number of
threads with the same result, and pickle as the bytes of the safe model file.
"""
from __future__ import annotations

from numbers import Real
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

from .data import Data
from .model import Model
from .training import train

__all__ = ["Flow", "FlowImputer", "FlowOutlierDetector"]

_PARAMETERS = """preset : {"auto", "nice", "nicest"}
        "nice" is the paper's model, "nicest" the library's best.
    couplings, hidden, activation, prior, preprocess, spec : optional
        The stack of layers (docs/spec.md); None: by preset.
    epochs, time, batch, learning_rate, optimizer, patience, valid_share : optional
        Learning; None: chosen from the data. `time` is seconds or a text as "90s".
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

    def _learn(self, X: np.ndarray) -> Model:
        """Fits `model_` on validated rows."""
        options = {name: getattr(self, name) for name in self._OWN}
        options["calibration_share"] = self._calibration
        options.update(self.options or {})
        first = getattr(self, "model_", None) if self.warm_start else None
        if first is not None:  # its stack is given
            for name in ("couplings", "hidden", "activation", "prior", "preprocess", "spec"):
                options.pop(name)
        rows = Data(X, names=getattr(self, "feature_names_in_", None), image=self.image)
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
        return 0 if self.n_jobs is None or self.n_jobs < 0 else int(self.n_jobs)

    def _validated(self, X, *, reset: bool = False, missing: bool = False) -> np.ndarray:
        """Rows as an array, as scikit-learn checks them; numbers keep their type."""
        if not reset:
            check_is_fitted(self)
        X = validate_data(self, X, reset=reset, dtype="numeric", ensure_min_samples=2 if reset else 1,
                          ensure_all_finite="allow-nan" if missing else True)
        return X.view(np.uint8) if X.dtype == bool else X

    def _data(self, X: np.ndarray) -> Data | np.ndarray:
        """For the model, which knows its columns by the names that it was trained with."""
        names = getattr(self, "feature_names_in_", None)
        if names is None and X.dtype == np.float64 and X.flags.c_contiguous:
            return X
        return Data(X, names=names, image=self.image)


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
        self._learn(self._validated(X, reset=True))
        self._n_features_out = self.n_features_in_
        return self

    def score_samples(self, X) -> np.ndarray:
        """Log-likelihood of each row, of shape (n_samples,), in nats."""
        X = self._validated(X)
        return self.model_.score(self._data(X))

    def score(self, X, y=None) -> float:
        """Mean log-likelihood of the rows, in nats."""
        return float(np.mean(self.score_samples(X)))

    def sample(self, n_samples: int = 1, random_state=None) -> np.ndarray:
        """New rows, of shape (n_samples, n_features)."""
        check_is_fitted(self)
        seed = self._seed(self.random_state if random_state is None else random_state)
        return self.model_.sample(n_samples, seed=seed)

    def transform(self, X) -> np.ndarray:
        """Rows to the latent space, of shape (n_samples, n_features), where they are the prior's."""
        X = self._validated(X)
        return self.model_.forward(self.model_.encode(np.asarray(X, np.float64)))[0]

    def inverse_transform(self, X) -> np.ndarray:
        """Latent rows to rows as they were given."""
        check_is_fitted(self)
        latent = np.ascontiguousarray(X, np.float64)
        return self.model_.decode(self.model_.inverse(latent)[0])

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
        decision_function = score_samples - offset_.
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
        if not 0 < self.false_alarms < 1:
            raise ValueError(f"false_alarms {self.false_alarms!r}: expected a number between 0 and 1")
        X = self._validated(X, reset=True)
        self._learn(X)
        if share == "auto":
            self.offset_ = self.model_.threshold(self.false_alarms, score=self.rank_by)
            if not np.isfinite(self.offset_):  # too few rows to promise the rate: nothing seen is flagged
                self.offset_ = float(np.nextafter(np.min(self._scores(X)), -np.inf))
        else:
            self.offset_ = float(np.percentile(self._scores(X), 100 * share))
        return self

    def _scores(self, X: np.ndarray) -> np.ndarray:
        if self.rank_by == "logp":
            return self.model_.score(self._data(X))
        return self.model_.outlier_scores(self._data(X), score=self.rank_by)

    def score_samples(self, X) -> np.ndarray:
        """Typicality of each row: higher is more normal."""
        return self._scores(self._validated(X))

    def decision_function(self, X) -> np.ndarray:
        """score_samples - offset_: negative for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X) -> np.ndarray:
        """-1 for outliers, 1 for the rest."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def p_values(self, X) -> np.ndarray:
        """Conformal p-values, of shape (n_samples,)."""
        X = self._validated(X)
        return np.asarray(self.model_.p_values(self._data(X), score=self.rank_by))

    def select(self, X, fdr: float = 0.1) -> np.ndarray:
        """Rows that are called outliers so that of these at most the share `fdr` is normal, in the mean.

        Benjamini and Hochberg's procedure on the p-values (valid for conformal p-values: Bates et al., 2023).

        Returns
        -------
        ndarray of bool of shape (n_samples,)
        """
        p = self.p_values(X)
        order = np.argsort(p, kind="stable")
        below = np.nonzero(p[order] <= fdr * np.arange(1, len(p) + 1) / len(p))[0]
        chosen = np.zeros(len(p), bool)
        if len(below):
            chosen[order[:below[-1] + 1]] = True
        return chosen


@_described
class FlowImputer(OneToOneFeatureMixin, TransformerMixin, _FlowBase):
    """Fills missing values given the rest of each row, by the density of whole rows.

    Learns from the rows that have no missing value.

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
        self._learn(self._validated(X, reset=True, missing=True))
        self._draw_seed = self._seed(self.random_state)
        return self

    def _impute(self, X, draws: int, method: str):
        X = np.ascontiguousarray(self._validated(X, missing=True), np.float64)
        if not np.isnan(X).any():
            return np.broadcast_to(X, (draws, *X.shape)), np.zeros(X.shape)
        done = self.model_.impute(X, method=method, draws=draws, seed=self._draw_seed)
        filled = done.filled if draws > 1 else done.filled[None]
        return filled, np.where(np.isnan(X), done.spread, 0)

    def transform(self, X) -> np.ndarray:
        """The rows with every NaN filled, of shape (n_samples, n_features)."""
        return self._impute(X, 1, "langevin" if self.sample_posterior else self.method)[0][0].copy()

    def draws(self, X, n: int = 10) -> np.ndarray:
        """n fills of every row, of shape (n, n_samples, n_features), drawn given what is seen."""
        return self._impute(X, n, "langevin")[0]

    def standard_deviations(self, X, n: int = 20) -> np.ndarray:
        """Over n draws, of shape (n_samples, n_features); 0 where the value is seen."""
        return self._impute(X, n, "langevin")[1]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags
