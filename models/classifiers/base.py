"""What every model of the core has in common: the task, the protocol, and the rows it learns from."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.metrics import accuracy_score, r2_score

from models.errors import InvalidInput

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[Any]


class Task(StrEnum):
    BINARY = "binary"
    MULTICLASS = "multiclass"
    MULTILABEL = "multilabel"
    REGRESSION = "regression"
    MULTITARGET = "multitarget"

    @property
    def classes(self) -> bool:
        """Whether the target is labels rather than numbers."""
        return self not in (Task.REGRESSION, Task.MULTITARGET)

    @property
    def several(self) -> bool:
        """Whether there is more than one target column."""
        return self in (Task.MULTILABEL, Task.MULTITARGET)

    @property
    def single(self) -> Task:
        """Task of one of the target columns."""
        return {Task.MULTILABEL: Task.BINARY, Task.MULTITARGET: Task.REGRESSION}.get(self, self)


class Estimator(Protocol):
    """One model. Constructor arguments are its options; scikit-learn's own tools (clone, search, validation) accept it.

    Features x: float64 (N, F), numbers as they are and categories as codes, NaN where missing; which columns are codes
    is an option (`categorical`). Nothing is learnt from anything but the rows given to `fit`.
    """

    def fit(self, x: Floats, y: Labels) -> Self:
        """x (N, F); y (N,): class codes, or numbers for a regression; (N, L) of 0 and 1 for several labels, (N, T) of
        numbers for several targets. Raises InvalidInput where it cannot learn."""

    def predict(self, x: Floats) -> Labels:
        """(N, F) -> classes or numbers, in the shape of y."""

    def predict_proba(self, x: Floats) -> Floats:
        """(N, F) -> probabilities (N, K) in the order of `classes_`; for several labels (N, L), each the probability
        that the label is 1. Raises InvalidInput for a regression."""


class Unusable(InvalidInput, ValueError):
    """Rows or options that cannot be learnt from; a ValueError too, which scikit-learn's tools expect."""


class NoProbabilities(InvalidInput, AttributeError):
    """Probabilities of a regression; an AttributeError too, so that scikit-learn's tools find no such method."""


class Probabilities(Protocol):
    def __call__(self, x: Floats) -> Floats: ...


class Core(BaseEstimator):  # type: ignore[misc]
    """Base of the core's estimators: tells scikit-learn's tools by `task` whether this is a classifier."""

    task: str
    predict: Any

    def score(self, x: Floats, y: Labels, sample_weight: Any = None) -> float:
        """Accuracy (several labels: share of rows with all of them right), or R2."""
        measure = accuracy_score if Task(self.task).classes else r2_score
        return float(measure(y, self.predict(x), sample_weight=sample_weight))

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, RegressorTags

        tags = super().__sklearn_tags__()
        task = Task(self.task)
        tags.target_tags.required = True
        tags.target_tags.multi_output = task.several
        tags.input_tags.allow_nan = True
        if task.classes:
            tags.estimator_type = "classifier"
            tags.classifier_tags = ClassifierTags(multi_class=task is Task.MULTICLASS, multi_label=task.several)
        else:
            tags.estimator_type, tags.regressor_tags = "regressor", RegressorTags()
        return tags


def task_of(y: Labels, *, labelled: bool) -> Task:
    """Task that a target asks for: two classes, more classes, or a number. A number of two values counts as classes."""
    distinct = len(np.unique(y))
    if labelled or distinct <= 2:
        return Task.BINARY if distinct <= 2 else Task.MULTICLASS
    return Task.REGRESSION


def check_rows(x: Floats, y: Labels, task: Task) -> None:
    """Raise Unusable, with the remedy, where (x, y) cannot be learnt from."""
    if x.ndim != 2 or len(x) != len(y):
        raise Unusable("Features must be (rows, columns), with one target value per row.")
    if y.ndim != (2 if task.several else 1):
        raise Unusable(
            f"The target must be ({'rows, targets' if task.several else 'rows,'}) for task {task.value}.",
            hint=f"Set the task to what the target is; it has {y.ndim} dimension(s).",
        )
    if len(y) < 2:
        raise Unusable("There are fewer than two rows to learn from.", hint="Give more rows.")
    if x.shape[1] == 0:
        raise Unusable("There is no column to learn from.", hint="Keep at least one column beside the target.")
    if task is Task.MULTILABEL and not np.isin(y, (0, 1)).all():
        raise Unusable("Several labels must each be 0 or 1.", hint="Code absent as 0 and present as 1.")
    if task is Task.MULTILABEL and (y == y[0]).all():
        raise Unusable("Every label is constant.", hint="Choose targets that vary.")
    if task.classes and not task.several and len(np.unique(y)) < 2:
        raise Unusable("The target has one class only.", hint="Choose a target that varies.")
    if not task.classes and not np.isfinite(np.asarray(y, np.float64)).all():
        raise Unusable("The target holds missing values.", hint="Drop rows without a target first.")


def probabilities_of(model: Any, x: Floats, classes: Labels) -> Floats:
    """Probabilities (N, K) in the order of `classes`; 0 for classes that the model never saw."""
    got = model.predict_proba(x)
    out = np.zeros((len(x), len(classes)))
    place = {c: i for i, c in enumerate(classes.tolist())}
    for k, c in enumerate(model.classes_.tolist()):
        if c in place:
            out[:, place[c]] = got[:, k]
    return out
