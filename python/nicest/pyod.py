"""The library as a detector of PyOD. Needs pyod."""
from __future__ import annotations

import numpy as np

try:
    from pyod.models.base import BaseDetector
    from sklearn.utils.validation import check_array, check_is_fitted
except ImportError as error:  # pragma: no cover
    raise ImportError("nicest.pyod needs pyod: pip install pyod") from error

from .estimators import _FlowBase
from .training import train

__all__ = ["NICE"]


class NICE(BaseDetector):
    """Outliers by the density of a normalizing flow: -log p in nats is the anomaly score.

    Parameters
    ----------
    contamination : float in (0, 0.5]
        Share of outliers in the training rows; where the threshold on its scores lies.
    epochs, time, random_state : optional
        As of :func:`nicest.train`; None: chosen from the data, seed 1.
    options : dict, optional
        Further options of :func:`nicest.train`.

    Attributes
    ----------
    model_ : nicest.Model
    decision_scores_, threshold_, labels_
        As of every detector of PyOD.
    """

    def __init__(self, contamination=0.1, epochs=None, time=None, random_state=None, options=None):
        super().__init__(contamination=contamination)
        self.epochs = epochs
        self.time = time
        self.random_state = random_state
        self.options = options

    def fit(self, X, y=None):
        """Learns from X of shape (n_samples, n_features); y is ignored."""
        X = check_array(X)
        self._set_n_classes(y)
        seed = 1 if self.random_state is None else _FlowBase._seed(self.random_state)
        self.model_ = train(X, seed=seed, epochs=self.epochs,
                            time=self.time, **{"calibration_share": 0.0, **(self.options or {})})
        self.decision_scores_ = self.decision_function(X)
        self._process_decision_scores()
        return self

    def decision_function(self, X):
        """Anomaly of each row, of shape (n_samples,): -log p, in nats."""
        check_is_fitted(self, ["model_"])
        # a row beyond the numbers of the model is as far away as a finite number can say
        return np.minimum(-self.model_.score(check_array(X)), np.finfo(np.float64).max)
