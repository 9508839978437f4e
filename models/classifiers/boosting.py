"""Gradient boosting of scikit-learn behind the estimator protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from models.classifiers.base import Floats, Labels, Task, check_rows
from models.errors import InvalidInput


class Boosting(BaseEstimator):  # type: ignore[misc]
    """Histogram gradient boosting. Category codes are split as ordered numbers: as accurate here as native categories,
    faster, and without a limit on their number. Missing values are a branch of their own."""

    def __init__(
        self,
        task: str = "binary",
        categorical: Sequence[bool] | None = None,
        iterations: int = 150,
        learning_rate: float = 0.1,
        leaves: int = 31,
        early_stopping: bool = False,
        seed: int = 0,
    ) -> None:
        self.task = task
        self.categorical = categorical
        self.iterations = iterations
        self.learning_rate = learning_rate
        self.leaves = leaves
        self.early_stopping = early_stopping
        self.seed = seed

    def fit(self, x: Floats, y: Labels) -> Self:
        task = Task(self.task)
        check_rows(x, y, task)
        kind = HistGradientBoostingClassifier if task.classes else HistGradientBoostingRegressor
        self.model_: Any = kind(
            max_iter=self.iterations,
            learning_rate=self.learning_rate,
            max_leaf_nodes=self.leaves,
            early_stopping=self.early_stopping,
            n_iter_no_change=8,
            random_state=self.seed,
            categorical_features=None,
        )
        self.known_ = np.isfinite(x).any(axis=0)
        self.model_.fit(self._inputs(x), y)
        if task.classes:
            self.classes_ = self.model_.classes_
        return self

    def predict(self, x: Floats) -> Labels:
        return np.asarray(self.model_.predict(self._inputs(x)))

    def predict_proba(self, x: Floats) -> Floats:
        if not Task(self.task).classes:
            raise InvalidInput("A regression has no class probabilities.", hint="Use predict.")
        return np.asarray(self.model_.predict_proba(self._inputs(x)))

    def _inputs(self, x: Floats) -> Floats:
        """Without the features that were missing in every training row: scikit-learn 1.9 cannot bin them."""
        return x[:, self.known_] if self.known_.any() else np.zeros((len(x), 1))
