"""What the classical methods have in common: preparation, one or several targets, probabilities."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np

from models.classifiers.base import Core, Floats, Labels, Task, Unusable
from models.classifiers.checks import checked, checked_inputs
from models.classifiers.preparation import Preparation
from models.errors import InvalidInput


class Constant:
    """Predicts the one value that the training rows hold: a label that nobody has in a part of the rows."""

    def __init__(self, value: Any, task: Task) -> None:
        self.value = value
        self.classes_ = np.array([value])
        self._task = task

    def predict(self, x: Floats) -> Labels:
        return np.full(len(x), self.value)

    def predict_proba(self, x: Floats) -> Floats:
        return np.ones((len(x), 1))


class Peer(Core, ABC):
    """A method of scikit-learn behind the estimator protocol. Subclasses name their options in the constructor and
    build scikit-learn's model in `_model`; several targets are learnt by one model each, or by one model together where
    the method can (`joint`). weighable: whether rows may weigh differently."""

    joint: ClassVar[bool] = False
    weighable: ClassVar[bool] = True
    task: str
    categorical: Sequence[bool] | None
    class_weight: str | None
    scaling: str = "none"
    missing: str = "median"
    encoding: str = "onehot"

    def fit(self, x: Floats, y: Labels, sample_weight: Any = None) -> Self:
        """As Estimator.fit; sample_weight: (N,), how much each row counts in the model (not in the preparation of its
        inputs). Raises Unusable where the method cannot weigh rows."""
        task = Task(self.task)
        x, y, weights = checked(self, x, y, sample_weight)
        if sample_weight is not None and not self.weighable:
            raise Unusable(f"{type(self).__name__} cannot weigh rows.", hint="Leave out the weights, or use a tree.")
        w = None if sample_weight is None else weights
        if self.class_weight not in (None, "balanced"):
            raise InvalidInput(f"Class weight {self.class_weight!r} is not known.", hint='None or "balanced".')
        if task is Task.BINARY and (classes := len(np.unique(y))) > 2:
            raise Unusable(f"The target has {classes} classes, not two.", hint="Set the task to multiclass.")
        inputs = self._prepare(x)
        # Weights of several labels at once would be products of each label's: one model per label keeps them apart.
        self.together_ = task.several and self.joint and self.class_weight is None
        if task.several and not self.together_:
            self.models_ = [self._single(inputs, column, task.single, w) for column in y.T]
        else:
            self.models_ = [self._learn(self._model(task, *inputs.shape), inputs, y, w)]
        if task.classes:
            self.classes_ = np.arange(y.shape[1]) if task.several else np.unique(y)
        return self

    def predict(self, x: Floats) -> Labels:
        inputs = self._inputs(checked_inputs(self, x))
        if Task(self.task).several and not self.together_:
            return np.stack([m.predict(inputs) for m in self.models_], axis=1)
        return np.asarray(self.models_[0].predict(inputs))

    def predict_proba(self, x: Floats) -> Floats:
        task = Task(self.task)
        if not task.classes:
            raise InvalidInput("A regression has no class probabilities.", hint="Use predict.")
        inputs = self._inputs(checked_inputs(self, x))
        if not task.several:
            return np.asarray(self.models_[0].predict_proba(inputs), np.float64)
        if self.together_:
            model = self.models_[0]
            pairs = list(zip(model.predict_proba(inputs), model.classes_, strict=True))
        else:
            pairs = [(m.predict_proba(inputs), m.classes_) for m in self.models_]
        return np.stack([_of_one(p, np.asarray(classes)) for p, classes in pairs], axis=1)

    @abstractmethod
    def _model(self, task: Task, rows: int, width: int) -> Any:
        """scikit-learn's model, not fitted, for so many rows and inputs."""

    def _single(self, inputs: Floats, y: Labels, task: Task, w: Floats | None) -> Any:
        if (y == y[0]).all():
            return Constant(y[0], task)
        return self._learn(self._model(task, *inputs.shape), inputs, y, w)

    def _learn(self, model: Any, inputs: Floats, y: Labels, w: Floats | None) -> Any:
        return model.fit(inputs, y) if w is None else model.fit(inputs, y, sample_weight=w)

    def _prepare(self, x: Floats) -> Floats:
        self.preparation_ = Preparation(
            self.categorical, self.scaling, missing=self.missing, encoding=self.encoding
        ).fit(x)
        return self._inputs(x)

    def _inputs(self, x: Floats) -> Floats:
        return np.asarray(self.preparation_.transform(x))


def _of_one(probabilities: Floats, classes: Labels) -> Floats:
    """(N,) probability of 1."""
    at = np.flatnonzero(classes == 1)
    return np.asarray(probabilities[:, at[0]] if len(at) else np.zeros(len(probabilities)))
