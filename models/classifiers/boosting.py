"""Gradient boosting of scikit-learn behind the estimator protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from models.classifiers.base import Floats, Task
from models.classifiers.peers import Peer


class Boosting(Peer):
    """Histogram gradient boosting, one model per target. Category codes are split as ordered numbers: as accurate here
    as native categories, faster, and without a limit on their number. Missing values are a branch of their own."""

    def __init__(
        self,
        task: str = "binary",
        categorical: Sequence[bool] | None = None,
        iterations: int = 150,
        learning_rate: float = 0.1,
        leaves: int = 31,
        early_stopping: bool = False,
        class_weight: str | None = None,
        seed: int = 0,
    ) -> None:
        self.task = task
        self.categorical = categorical
        self.iterations = iterations
        self.learning_rate = learning_rate
        self.leaves = leaves
        self.early_stopping = early_stopping
        self.class_weight = class_weight
        self.seed = seed

    def _model(self, task: Task, rows: int, width: int) -> Any:
        options = {
            "max_iter": self.iterations,
            "learning_rate": self.learning_rate,
            "max_leaf_nodes": self.leaves,
            "early_stopping": self.early_stopping,
            "n_iter_no_change": 8,
            "random_state": self.seed,
            "categorical_features": None,
        }
        if task.classes:
            return HistGradientBoostingClassifier(class_weight=self.class_weight, **options)
        return HistGradientBoostingRegressor(**options)

    def _prepare(self, x: Floats) -> Floats:
        self.known_ = np.isfinite(x).any(axis=0)
        return self._inputs(x)

    def _inputs(self, x: Floats) -> Floats:
        """Without the features that were missing in every training row: scikit-learn 1.9 cannot bin them."""
        return x[:, self.known_] if self.known_.any() else np.zeros((len(x), 1))
