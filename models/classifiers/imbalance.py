"""Classes of very different sizes: what is done about them, with training rows only."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone

from models.classifiers.base import Floats, Labels
from models.errors import InvalidInput

BALANCES = ("none", "weights", "oversample", "undersample")


def resampled(y: Labels, how: str, seed: int) -> npt.NDArray[np.int64]:
    """Rows, ascending, by which every class of y (N,) occurs equally often: each as often as the most frequent one, all
    rows once and some again (oversample), or as often as the rarest, without replacement (undersample)."""
    if how not in ("oversample", "undersample"):
        raise InvalidInput(f"Balance {how!r} draws no rows.", hint="oversample or undersample")
    rng = np.random.default_rng(seed)
    _, places, counts = np.unique(y, return_inverse=True, return_counts=True)
    parts = []
    for k in range(len(counts)):
        rows = np.flatnonzero(places == k)
        if how == "oversample":
            parts += [rows, rng.choice(rows, counts.max() - len(rows))]
        else:
            parts.append(rng.choice(rows, counts.min(), replace=False))
    return np.sort(np.concatenate(parts))


class Balanced(MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """An estimator that learns from resampled rows. Only `fit` resamples: inside a cross-validation the rows of the
    training fold alone, never those it is scored on."""

    def __init__(self, estimator: Any, balance: str = "oversample", seed: int = 0) -> None:
        self.estimator = estimator
        self.balance = balance
        self.seed = seed

    def fit(self, x: Floats, y: Labels) -> Self:
        y = np.asarray(y)
        if y.ndim != 1:
            raise InvalidInput("Rows of several labels cannot be resampled.", hint='Use balance "weights".')
        rows = resampled(y, self.balance, self.seed)
        self.estimator_ = clone(self.estimator).fit(np.asarray(x)[rows], y[rows])
        self.classes_ = self.estimator_.classes_
        self.n_features_in_ = np.asarray(x).shape[1]
        return self

    def predict(self, x: Floats) -> Labels:
        return np.asarray(self.estimator_.predict(x))

    def predict_proba(self, x: Floats) -> Floats:
        return np.asarray(self.estimator_.predict_proba(x))

    def __sklearn_tags__(self) -> Any:
        return self.estimator.__sklearn_tags__()
