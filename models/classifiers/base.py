"""What every model of the core has in common: the task, the protocol, and the rows it learns from."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from models.errors import InvalidInput

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[Any]


class Task(StrEnum):
    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"

    @property
    def classes(self) -> bool:
        return self is not Task.REGRESSION


class Estimator(Protocol):
    """One model. Constructor arguments are its options; scikit-learn's own tools (clone, search, validation) accept it.

    Features x: float64 (N, F), numbers as they are and categories as codes, NaN where missing; which columns are codes
    is an option (`categorical`). Nothing is learnt from anything but the rows given to `fit`.
    """

    def fit(self, x: Floats, y: Labels) -> Self:
        """x (N, F), y (N,): class codes, or numbers for a regression. Raises InvalidInput where it cannot learn."""

    def predict(self, x: Floats) -> Labels:
        """(N, F) -> classes or numbers (N,)."""

    def predict_proba(self, x: Floats) -> Floats:
        """(N, F) -> probabilities (N, K) in the order of `classes_`. Raises InvalidInput for a regression."""


def task_of(y: Labels, *, labelled: bool) -> Task:
    """Task that a target asks for: two classes, more classes, or a number. A number of two values counts as classes."""
    distinct = len(np.unique(y))
    if labelled or distinct <= 2:
        return Task.BINARY if distinct <= 2 else Task.MULTICLASS
    return Task.REGRESSION


def check_rows(x: Floats, y: Labels, task: Task) -> None:
    """Raise InvalidInput, with the remedy, where (x, y) cannot be learnt from."""
    if x.ndim != 2 or len(x) != len(y):
        raise InvalidInput("Features must be (rows, columns), with one target value per row.")
    if len(y) < 2:
        raise InvalidInput("There are fewer than two rows to learn from.", hint="Give more rows.")
    if x.shape[1] == 0:
        raise InvalidInput("There is no column to learn from.", hint="Keep at least one column beside the target.")
    if task.classes and len(np.unique(y)) < 2:
        raise InvalidInput("The target has one class only.", hint="Choose a target that varies.")
    if task is Task.REGRESSION and not np.isfinite(np.asarray(y, np.float64)).all():
        raise InvalidInput("The target holds missing values.", hint="Drop rows without a target first.")


def probabilities_of(model: Any, x: Floats, classes: Labels) -> Floats:
    """Probabilities (N, K) in the order of `classes`; 0 for classes that the model never saw."""
    got = model.predict_proba(x)
    out = np.zeros((len(x), len(classes)))
    place = {c: i for i, c in enumerate(classes.tolist())}
    for k, c in enumerate(model.classes_.tolist()):
        if c in place:
            out[:, place[c]] = got[:, k]
    return out
