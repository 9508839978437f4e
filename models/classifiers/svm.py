"""Support vector machines of scikit-learn behind the estimator protocol, fast enough for long tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR

from models.classifiers.base import Floats, Labels, Task
from models.classifiers.peers import Peer
from models.errors import InvalidInput

KERNELS = ("rbf", "linear")


class SVM(Peer):
    """Support vector machine. kernel rbf: exact up to `exact_rows` training rows; beyond, a linear machine on
    `components` features that approximate the kernel (Nystroem; Williams and Seeger 2001), in time linear in the rows.
    kernel linear: a linear machine. The width of the kernel is 1 / (inputs x their variance), scikit-learn's "scale".

    cost: C. Numbers are standardised before they are learnt. Probabilities are sigmoids of the decision values, fitted
    to a quarter of the training rows that the machine behind them has not seen (Platt 1999; one against the rest and
    normalised for more classes: Zadrozny and Elkan 2002); `predict` goes by the decision values themselves.
    """

    def __init__(
        self,
        task: str = "binary",
        categorical: Sequence[bool] | None = None,
        cost: float = 1.0,
        kernel: str = "rbf",
        exact_rows: int = 5_000,
        components: int = 300,
        class_weight: str | None = None,
        scaling: str = "standard",
        missing: str = "median",
        encoding: str = "onehot",
        seed: int = 0,
    ) -> None:
        self.task = task
        self.categorical = categorical
        self.cost = cost
        self.kernel = kernel
        self.exact_rows = exact_rows
        self.components = components
        self.class_weight = class_weight
        self.scaling = scaling
        self.missing = missing
        self.encoding = encoding
        self.seed = seed

    def _prepare(self, x: Floats) -> Floats:
        if self.kernel not in KERNELS:
            raise InvalidInput(f"Kernel {self.kernel!r} is not known.", hint=f"One of {', '.join(KERNELS)}.")
        inputs = super()._prepare(x)
        self._gamma = 1 / max(inputs.shape[1] * float(inputs.var()), 1e-12)
        return inputs

    def _model(self, task: Task, rows: int, width: int) -> Any:
        exact = self.kernel == "rbf" and rows <= self.exact_rows
        machine: Any
        if task.classes:
            if exact:
                machine = SVC(C=self.cost, gamma=self._gamma, class_weight=self.class_weight, random_state=self.seed)
            else:
                machine = LinearSVC(
                    C=self.cost, dual=False, class_weight=self.class_weight, random_state=self.seed, tol=1e-3
                )
        elif exact:
            machine = SVR(C=self.cost, gamma=self._gamma)
        else:
            machine = LinearSVR(
                C=self.cost, loss="squared_epsilon_insensitive", dual=False, random_state=self.seed, tol=1e-3
            )
        if self.kernel == "rbf" and not exact:
            components = min(self.components, rows)
            machine = make_pipeline(
                Nystroem(gamma=self._gamma, n_components=components, random_state=self.seed), machine
            )
        if task.classes:
            return _Sigmoids(machine, self.class_weight, self.seed)
        return TransformedTargetRegressor(machine, transformer=StandardScaler())

    def _learn(self, model: Any, inputs: Floats, y: Labels, w: Floats | None) -> Any:
        if isinstance(model, TransformedTargetRegressor):
            return model.fit(inputs, y, **_weighing(model.regressor, w))
        return model.fit(inputs, y, w)


def _weighing(machine: Any, w: Floats | None) -> dict[str, Floats]:
    """The argument of `fit` by which a machine, or the last step of a pipeline, weighs rows."""
    if w is None:
        return {}
    return {f"{machine.steps[-1][0]}__sample_weight" if isinstance(machine, Pipeline) else "sample_weight": w}


class _Sigmoids:
    """A machine of decision values with probabilities."""

    def __init__(self, machine: Any, class_weight: str | None, seed: int) -> None:
        self._machine, self._weight, self._seed = machine, class_weight, seed

    def fit(self, x: Floats, y: Labels, w: Floats | None = None) -> Self:
        self.classes_, counts = np.unique(y, return_counts=True)
        if counts.min() >= 4 and len(y) >= 8 * len(counts):
            first, held = train_test_split(np.arange(len(y)), test_size=0.25, stratify=y, random_state=self._seed)
            values = _decisions(self._fitted(clone(self._machine), x[first], y[first], _part(w, first)), x[held])
            self._fitted(self._machine, x, y, w)
        else:
            held = np.arange(len(y))
            values = _decisions(self._fitted(self._machine, x, y, w), x)
        hits = y[held][:, None] == self.classes_[None, -values.shape[1] :]
        self._sigmoids = [
            LogisticRegression(C=1e3, class_weight=self._weight).fit(v[:, None], hit, _part(w, held))
            for v, hit in zip(values.T, hits.T, strict=True)
        ]
        return self

    def _fitted(self, machine: Any, x: Floats, y: Labels, w: Floats | None) -> Any:
        return machine.fit(x, y, **_weighing(machine, w))

    def predict(self, x: Floats) -> Labels:
        return np.asarray(self._machine.predict(x))

    def predict_proba(self, x: Floats) -> Floats:
        values = _decisions(self._machine, x)
        each = [s.predict_proba(v[:, None])[:, 1] for s, v in zip(self._sigmoids, values.T, strict=True)]
        if len(each) == 1:
            return np.stack([1 - each[0], each[0]], axis=1)
        out = np.stack(each, axis=1) + 1e-12
        return np.asarray(out / out.sum(axis=1, keepdims=True))


def _part(w: Floats | None, rows: Labels) -> Floats | None:
    return None if w is None else w[rows]


def _decisions(machine: Any, x: Floats) -> Floats:
    """(N, K), or (N, 1) for two classes."""
    return np.asarray(machine.decision_function(x)).reshape(len(x), -1)
