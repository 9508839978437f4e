"""The methods of the core by name, and how each is made."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from models.classifiers.base import Estimator, Task
from models.classifiers.boosting import Boosting
from models.classifiers.classical import Forest, Linear, Neighbours, Tree
from models.classifiers.imbalance import BALANCES, Balanced
from models.classifiers.mlp import MLP
from models.classifiers.svm import SVM
from models.errors import Detail, InvalidInput


@dataclass(frozen=True)
class Method:
    """label: for people; number: label where the target is a number; load: its class, imported when it is needed."""

    label: str
    load: Callable[[], type[Any]]
    number: str = ""

    def name(self, task: Task) -> str:
        return self.label if task.classes else self.number or self.label

    @property
    def weighable(self) -> bool:
        """Whether `fit` takes weights of rows (sample_weight)."""
        return bool(getattr(self.load(), "weighable", True))

    def options(self) -> list[str]:
        """Names of the options that its constructor takes."""
        return [n for n in inspect.signature(self.load().__init__).parameters if n != "self"]


def _conv1d() -> type[Any]:
    from models.classifiers.conv import Conv1D

    return Conv1D


METHODS = {
    "mlp": Method("multilayer perceptron", lambda: MLP),
    "conv1d": Method("1D convolution", _conv1d),
    "linear": Method("logistic regression", lambda: Linear, "ridge regression"),
    "knn": Method("nearest neighbours", lambda: Neighbours),
    "tree": Method("decision tree", lambda: Tree),
    "forest": Method("random forest", lambda: Forest),
    "boosting": Method("gradient boosting", lambda: Boosting),
    "svm": Method("support vector machine", lambda: SVM),
}


def make(
    method: str, task: Task, categorical: Sequence[bool], seed: int = 0, *, balance: str = "none", **options: Any
) -> Estimator:
    """An estimator that has not learnt yet.

    balance: what is done about classes of different sizes: none, weights (each class weighs the same), oversample or
    undersample (of training rows). options: of the method's constructor. Raises InvalidInput for an unknown method,
    option or balance, or where the balance does not fit the task.
    """
    if method not in METHODS:
        raise InvalidInput(f"Method {str(method)[:60]!r} is not known.", hint=f"One of {', '.join(METHODS)}.")
    known = [n for n in METHODS[method].options() if n not in ("task", "categorical", "seed")]
    for name in options:
        if name not in known:
            raise InvalidInput(
                f"{str(name)[:60]!r} is no option of method {method}.",
                hint=f"Known: {', '.join(known)}.",
                errors=[Detail(("options", method, str(name)[:60]), "unknown option")],
            )
    task = Task(task)
    if balance not in BALANCES:
        raise InvalidInput(f"Balance {str(balance)[:60]!r} is not known.", hint=f"One of {', '.join(BALANCES)}.")
    if balance != "none" and not task.classes:
        raise InvalidInput("Numbers have no classes to balance.", hint='Leave out balance, or set it to "none".')
    if balance.endswith("sample") and task.several:
        raise InvalidInput("Rows of several labels cannot be resampled.", hint='Use balance "weights".')
    if balance == "weights":
        options = {"class_weight": "balanced", **options}
    model = METHODS[method].load()(task=task.value, categorical=tuple(categorical), seed=seed, **options)
    return Balanced(model, balance, seed) if balance.endswith("sample") else model
