"""Pictures in the manner of scikit-learn's displays. Needs matplotlib."""
from __future__ import annotations

from typing import Any

import numpy as np

from ._library import ArgumentError
from .model import Model

__all__ = ["DensityDisplay", "LossCurveDisplay", "OutlierDisplay"]


def _axes(ax: Any):
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("displays of nicest need matplotlib: pip install matplotlib") from error
    return plt.subplots()[1] if ax is None else ax


def _model(estimator: Any) -> Model:
    if isinstance(estimator, Model):
        return estimator
    from sklearn.utils.validation import check_is_fitted
    check_is_fitted(estimator, "model_")
    return estimator.model_


class DensityDisplay:
    """The density of one or two columns.

    Parameters
    ----------
    logp : ndarray of shape (width,) or (height, width)
        In nats, at midpoints of cells; row 0 on top.
    box : ndarray of shape (2,) or (4,)
        low, high of each column.
    names : list of str
        Of the columns.
    """

    def __init__(self, *, logp, box, names):
        self.logp, self.box, self.names = logp, box, names

    @classmethod
    def from_estimator(cls, estimator, X=None, *, box=None, resolution=200, ax=None, **kwargs):
        """Draws the density of a fitted estimator or a :class:`nicest.Model`; rows X as points on it."""
        model = _model(estimator)
        logp, box = model.density(box, width=resolution, height=resolution)
        return cls(logp=logp, box=box, names=model.column_names).plot(X, ax=ax, **kwargs)

    def plot(self, X=None, *, ax=None, **kwargs):
        """Draws; further arguments go to `imshow` (two columns) or `plot` (one)."""
        self.ax_ = _axes(ax)
        density = np.exp(self.logp)
        if self.logp.ndim == 1:
            x = np.linspace(*self.box, len(self.logp), endpoint=False)
            self.artist_, = self.ax_.plot(x + (x[1] - x[0]) / 2, density, **kwargs)
            self.ax_.set_ylabel(f"density, per unit of {self.names[0]}")
        else:
            self.artist_ = self.ax_.imshow(density, **{"extent": tuple(self.box), "aspect": "auto",
                                                       "cmap": "viridis", **kwargs})
            self.ax_.figure.colorbar(self.artist_, ax=self.ax_, label="density, per unit area")
            self.ax_.set_ylabel(self.names[1])
            if X is not None:
                X = np.asarray(X)
                self.ax_.scatter(X[:, 0], X[:, 1], s=4, c="white", alpha=0.5, linewidths=0)
        self.ax_.set_xlabel(self.names[0])
        self.figure_ = self.ax_.figure
        return self


class OutlierDisplay:
    """Scores of rows, and where the threshold lies.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Higher is more typical.
    threshold : float
    y : ndarray of shape (n,), optional
        What the rows are, for a colour each.
    """

    def __init__(self, *, scores, threshold, y=None):
        if y is not None and len(y) != len(scores):
            raise ArgumentError(f"y has {len(y)} values for {len(scores)} rows")
        self.scores, self.threshold, self.y = scores, threshold, y

    @classmethod
    def from_estimator(cls, estimator, X, y=None, *, ax=None, **kwargs):
        """Draws the scores of X under a fitted FlowOutlierDetector."""
        return cls(scores=estimator.score_samples(X), threshold=estimator.offset_, y=y).plot(ax=ax, **kwargs)

    def plot(self, *, ax=None, bins=50, **kwargs):
        """Draws; further arguments go to `hist`."""
        self.ax_ = _axes(ax)
        scores = np.asarray(self.scores)
        finite = scores[np.isfinite(scores)]
        edges = np.histogram_bin_edges(finite, bins)
        parts = [(None, finite)] if self.y is None else \
            [(str(v), scores[(np.asarray(self.y) == v) & np.isfinite(scores)]) for v in np.unique(self.y)]
        for label, part in parts:
            self.ax_.hist(part, bins=edges, **{"label": label, "alpha": 0.6, **kwargs})
        self.line_ = self.ax_.axvline(self.threshold, color="black", linestyle="--",
                                      label=f"threshold {self.threshold:.3g}")
        self.ax_.set(xlabel="score (higher is more typical)", ylabel="rows")
        self.ax_.legend()
        self.figure_ = self.ax_.figure
        return self


class LossCurveDisplay:
    """Mean log p of training and validation rows along the run.

    Parameters
    ----------
    epoch, train_logp, valid_logp : ndarray of shape (points,)
        In nats; NaN where nothing was measured.
    """

    def __init__(self, *, epoch, train_logp, valid_logp):
        self.epoch, self.train_logp, self.valid_logp = epoch, train_logp, valid_logp

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **kwargs):
        """Draws the curve that the model of a fitted estimator (or a model) holds."""
        points = np.array(_model(estimator).training["curve"], dtype=float).reshape(-1, 5)
        return cls(epoch=points[:, 1], train_logp=points[:, 2], valid_logp=points[:, 3]).plot(ax=ax, **kwargs)

    def plot(self, *, ax=None, **kwargs):
        """Draws; further arguments go to `plot`."""
        self.ax_ = _axes(ax)
        self.lines_ = [self.ax_.plot(self.epoch, values, label=label, **kwargs)[0] for label, values in
                       (("training rows", self.train_logp), ("validation rows", self.valid_logp))]
        self.ax_.set(xlabel="epoch", ylabel="mean log p (nats)")
        self.ax_.legend()
        self.figure_ = self.ax_.figure
        return self
