"""The methods of the core, trained on rows of one source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.classifiers import Task, probabilities_of
from models.classifiers.base import Estimator, Floats, Labels
from models.classifiers.methods import METHODS, make
from models.evaluation.utility.problem import Problem

FEWER = {"knn": 10_000, "svm": 10_000}
"""Rows that the slow methods learn from, at most."""
SETTINGS: dict[str, dict[str, Any]] = {"mlp": {"epochs": 25, "patience": 3}}
"""Options of an evaluation, where they are not the method's own."""


@dataclass(frozen=True, eq=False)
class Constant:
    """What is learnt from rows whose target does not vary."""

    value: float
    classes: int

    def outputs(self, x: Floats) -> Floats:
        if self.classes:
            return np.tile(np.eye(self.classes)[int(self.value)], (len(x), 1))
        return np.full(len(x), self.value)


@dataclass(frozen=True, eq=False)
class Trained:
    model: Estimator
    classes: int

    def outputs(self, x: Floats) -> Floats:
        """Probabilities (N, K), or predictions (N,) of numbers."""
        if self.classes:
            return probabilities_of(self.model, x, np.arange(self.classes))
        return np.asarray(self.model.predict(x), float)


Learnt = Constant | Trained


def train(
    method: str,
    problem: Problem,
    categorical: tuple[bool, ...],
    seed: int,
    x: Floats,
    y: Labels,
    weights: Floats | None = None,
) -> Learnt:
    """One method on the rows, of which slow methods take the first FEWER. A constant target is predicted as such.
    weights: (N,) above 0, of the rows, where the method takes them."""
    rows = FEWER.get(method, len(y))
    x, y = x[:rows], y[:rows]
    k = len(problem.classes)
    if len(np.unique(y)) < 2:
        return Constant(float(y[0]), k)
    options = dict(SETTINGS.get(method, {}))
    if method == "boosting":
        options = {"iterations": int(np.clip(300 / max(k, 2), 40, 150))}
    task = Task.BINARY if problem.task.classes and len(np.unique(y)) == 2 else problem.task
    model: Any = make(method, task, categorical, seed, **options)
    if weights is None or np.ptp(weights) == 0 or not METHODS[method].weighable:
        return Trained(model.fit(x, y), k)
    w = weights[:rows]
    return Trained(model.fit(x, y, sample_weight=w / w.mean()), k)


def name_of(method: str, task: Task) -> str:
    return METHODS[method].name(task)
