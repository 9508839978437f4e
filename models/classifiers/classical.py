"""Linear models, nearest neighbours, trees and forests of scikit-learn behind the estimator protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from models.classifiers.base import Floats, Labels, Task
from models.classifiers.peers import Peer


class Linear(Peer):
    """Logistic regression for classes (one per label where there are several), ridge regression for numbers.

    penalty: weight of the squared coefficients (C = 1 / penalty; alpha of the ridge).
    """

    def __init__(
        self,
        task: str = "binary",
        categorical: Sequence[bool] | None = None,
        penalty: float = 1.0,
        iterations: int = 1000,
        class_weight: str | None = None,
        scaling: str = "standard",
        missing: str = "median",
        encoding: str = "onehot",
        seed: int = 0,
    ) -> None:
        self.task = task
        self.categorical = categorical
        self.penalty = penalty
        self.iterations = iterations
        self.class_weight = class_weight
        self.scaling = scaling
        self.missing = missing
        self.encoding = encoding
        self.seed = seed

    def _model(self, task: Task, rows: int, width: int) -> Any:
        if not task.classes:
            return Ridge(alpha=self.penalty)
        return LogisticRegression(
            C=1 / max(self.penalty, 1e-12),
            max_iter=self.iterations,
            class_weight=self.class_weight,
            random_state=self.seed,
        )


class Neighbours(Peer):
    """The nearest training rows in prepared inputs (Euclidean). weights: "uniform", or "distance": nearer rows weigh
    more. class_weight "balanced" multiplies the votes of each class by the reciprocal of its share."""

    joint = True
    weighable = False

    def __init__(
        self,
        task: str = "binary",
        categorical: Sequence[bool] | None = None,
        neighbours: int = 10,
        weights: str = "distance",
        class_weight: str | None = None,
        scaling: str = "standard",
        missing: str = "median",
        encoding: str = "onehot",
        seed: int = 0,
    ) -> None:
        self.task = task
        self.categorical = categorical
        self.neighbours = neighbours
        self.weights = weights
        self.class_weight = class_weight
        self.scaling = scaling
        self.missing = missing
        self.encoding = encoding
        self.seed = seed

    def _model(self, task: Task, rows: int, width: int) -> Any:
        kind = KNeighborsClassifier if task.classes else KNeighborsRegressor
        # Trees of neighbours do not pay beyond a few inputs; one matrix product per block of rows does.
        model = kind(min(self.neighbours, rows), weights=self.weights, algorithm="brute" if width > 15 else "auto")
        return _Weighed(model) if self.class_weight else model


class _Weighed:
    """Nearest neighbours whose votes weigh the more the rarer their class is."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def fit(self, x: Floats, y: Labels) -> _Weighed:
        self._model.fit(x, y)
        self.classes_, counts = np.unique(y, return_counts=True)
        self._weights = 1 / counts
        return self

    def predict_proba(self, x: Floats) -> Floats:
        votes = self._model.predict_proba(x) * self._weights
        return np.asarray(votes / votes.sum(axis=1, keepdims=True))

    def predict(self, x: Floats) -> Labels:
        return np.asarray(self.classes_[self.predict_proba(x).argmax(axis=1)])


class Tree(Peer):
    """One decision tree (CART). Category codes are split as ordered numbers. depth: None: until leaves hold `leaf` rows
    or one class."""

    joint = True

    def __init__(
        self,
        task: str = "binary",
        categorical: Sequence[bool] | None = None,
        depth: int | None = None,
        leaf: int = 5,
        class_weight: str | None = None,
        missing: str = "median",
        encoding: str = "ordinal",
        seed: int = 0,
    ) -> None:
        self.task = task
        self.categorical = categorical
        self.depth = depth
        self.leaf = leaf
        self.class_weight = class_weight
        self.missing = missing
        self.encoding = encoding
        self.seed = seed

    def _model(self, task: Task, rows: int, width: int) -> Any:
        options = {"max_depth": self.depth, "min_samples_leaf": self.leaf, "random_state": self.seed}
        if task.classes:
            return DecisionTreeClassifier(class_weight=self.class_weight, **options)
        return DecisionTreeRegressor(**options)


class Forest(Peer):
    """Random forest: trees on bootstrapped rows, each split among some of the columns (the square root of their number
    for classes, a third of them for numbers)."""

    joint = True

    def __init__(
        self,
        task: str = "binary",
        categorical: Sequence[bool] | None = None,
        trees: int = 100,
        depth: int | None = None,
        leaf: int = 1,
        class_weight: str | None = None,
        missing: str = "median",
        encoding: str = "ordinal",
        seed: int = 0,
    ) -> None:
        self.task = task
        self.categorical = categorical
        self.trees = trees
        self.depth = depth
        self.leaf = leaf
        self.class_weight = class_weight
        self.missing = missing
        self.encoding = encoding
        self.seed = seed

    def _model(self, task: Task, rows: int, width: int) -> Any:
        options = {
            "n_estimators": self.trees,
            "max_depth": self.depth,
            "min_samples_leaf": self.leaf,
            "random_state": self.seed,
        }
        if task.classes:
            return RandomForestClassifier(class_weight=self.class_weight, **options)
        return RandomForestRegressor(max_features=max(1 / 3, 1 / width), **options)
