"""The shared multilayer perceptron behind the estimator protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

from models.classifiers.base import Core, Floats, Labels, NoProbabilities, Probabilities, Task
from models.classifiers.batches import Rows
from models.classifiers.checks import checked, checked_inputs
from models.classifiers.embeddings import Embedding, embedding
from models.classifiers.goals import Goal, goal_of
from models.classifiers.network import perceptron
from models.classifiers.plan import Plan, plan_of
from models.classifiers.preparation import Preparation
from models.classifiers.rates import RateTest, rate_test
from models.classifiers.summary import summary_of
from models.classifiers.training import train
from models.errors import InvalidInput
from models.gan.parallel import torch_alone

CELLS_PER_PASS = 4_000_000
"""Inputs, over all members, of one pass of a prediction."""


class MLP(Core):
    """Multilayer perceptron; the output layer and loss follow from the task.

    binary: one output, sigmoid, binary cross-entropy; multiclass: K outputs, softmax, cross-entropy; multilabel: L
    outputs, sigmoid, the mean of their cross-entropies; regression and multitarget: linear outputs, squared error of
    the standardised targets. `loss` and `output` (an activation) override them (goals.py). Options that are None
    follow from the data (plan.py).

    categorical: which features are codes (default: none). activation, hidden, dropout, batch_norm: of hidden layers.
    numbers: "plain", or also by their place in quantile bins ("piecewise") or as waves ("periodic", embeddings.py).
    optimizer, learning_rate, momentum, nesterov, weight_decay, l1, l2, batch, epochs, schedule, averaging, patience:
    training.py. validation: share of the training rows held back for early stopping (none below 50 rows).
    members: networks that are trained side by side, each with its own start, order and held-back rows, and whose
    predictions are averaged (Lakshminarayanan et al. 2017). smoothing: of one-hot targets. class_weight: None,
    "balanced" (each class weighs the same) or weights by class. scaling, missing, encoding: of the features
    (preparation.py). target: of a regression (goals.py). Equal seeds give equal models on the same machine. One
    thread of torch does it all: the steps are too short to share.
    """

    def __init__(
        self,
        task: str = "binary",
        categorical: Sequence[bool] | None = None,
        hidden: Sequence[int] | None = None,
        activation: str = "relu",
        output: str | None = None,
        loss: str | None = None,
        optimizer: str = "adamw",
        learning_rate: float | None = None,
        momentum: float = 0.9,
        nesterov: bool = False,
        schedule: str = "cosine",
        averaging: float = 0.0,
        dropout: float | None = None,
        batch_norm: bool = False,
        l1: float = 0.0,
        l2: float = 0.0,
        weight_decay: float | None = None,
        batch: int | None = None,
        epochs: int | None = None,
        patience: int | None = None,
        validation: float = 0.1,
        members: int | None = None,
        numbers: str | None = None,
        smoothing: float = 0.0,
        class_weight: str | Mapping[Any, float] | None = None,
        scaling: str = "standard",
        missing: str = "median",
        encoding: str = "onehot",
        target: str = "standard",
        seed: int = 0,
    ) -> None:
        self.task = task
        self.categorical = categorical
        self.hidden = hidden
        self.activation = activation
        self.output = output
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.nesterov = nesterov
        self.schedule = schedule
        self.averaging = averaging
        self.dropout = dropout
        self.batch_norm = batch_norm
        self.l1 = l1
        self.l2 = l2
        self.weight_decay = weight_decay
        self.batch = batch
        self.epochs = epochs
        self.patience = patience
        self.validation = validation
        self.members = members
        self.numbers = numbers
        self.smoothing = smoothing
        self.class_weight = class_weight
        self.scaling = scaling
        self.missing = missing
        self.encoding = encoding
        self.target = target
        self.seed = seed

    def fit(self, x: Floats, y: Labels, sample_weight: Any = None) -> Self:
        """As Estimator.fit; y may also be shares of classes (N, K) with loss categorical_crossentropy or kl_divergence.
        sample_weight: (N,), how much each row counts."""
        data, first, held = self._begin(x, y, sample_weight)
        generator = torch.Generator().manual_seed(self.seed)
        with torch_alone(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.net_ = self._network(self._embedding(data.inputs))
            self.history_ = train(
                self.net_, self.goal_.cost, data, first, held, self.plan_.recipe(self), generator, self.goal_.score
            )
        self.net_.double()
        return self

    def learning_rates(
        self, x: Floats, y: Labels, *, low: float = 1e-6, high: float = 10.0, steps: int = 100
    ) -> RateTest:
        """Learning-rate range test (Smith 2017, section 3.3) of a new network of these options; leaves the model as it
        is."""
        probe: MLP = type(self)(**self.get_params(deep=False))
        probe.members = 1
        data, first, _ = probe._begin(x, y, None)
        with torch_alone(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            net = probe._network(probe._embedding(data.inputs))
            generator = torch.Generator().manual_seed(self.seed)
            return rate_test(net, probe.goal_.cost, data, first, probe.plan_.recipe(probe), generator, low, high, steps)

    def predict(self, x: Floats) -> Labels:
        task, out = Task(self.task), self._predict(x)
        if task is Task.MULTILABEL:
            return np.asarray((out > 0.5).astype(np.int64))
        if task.classes:
            return np.asarray(self.classes_[out.argmax(axis=1)])
        return out if task.several else np.asarray(out[:, 0])

    @property
    def predict_proba(self) -> Probabilities:
        """As Estimator.predict_proba. A property, so that scikit-learn's tools see that a regression has none."""
        if not Task(self.task).classes:
            raise NoProbabilities("A regression has no class probabilities.", hint="Use predict.")
        return self._predict

    def summary(self) -> str:
        """Layers, shapes of their outputs and numbers of parameters, as a table."""
        self._check_fitted()
        return summary_of(self.net_, self.preparation_.width)

    def save(self, folder: str | Path) -> None:
        """Write the fitted model to a folder: safetensors and JSON."""
        from models.classifiers.saving import save

        self._check_fitted()
        save(self, Path(folder))

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Inverse of save; nothing in the files is executed. Raises InvalidArtifact where they are damaged."""
        from models.classifiers.saving import load

        return load(cls, Path(folder))

    def _begin(self, x: Floats, y: Labels, sample_weight: Any) -> tuple[Rows, Tensor, Tensor | None]:
        """Rows as the network gets them, and those that each member learns from and is judged by."""
        task = Task(self.task)
        x, y, weights = checked(self, x, y, sample_weight, shares=True)
        goals = self._goals(y, task)
        classes = len(self.classes_) if task.classes else 0
        self.goal_: Goal = goal_of(
            task,
            goals,
            classes,
            loss=self.loss,
            output=self.output,
            target=self.target,
            smoothing=self.smoothing,
        )
        self.preparation_ = Preparation(
            self.categorical, self.scaling, missing=self.missing, encoding=self.encoding
        ).fit(x)
        self.plan_: Plan = plan_of(self, len(x), self._numbers())
        weights = weights * self._class_weights(goals, weights, task)
        data = Rows(
            torch.from_numpy(np.asarray(self.preparation_.transform(x), np.float32)),
            self.goal_.encode(goals),
            torch.from_numpy((weights / weights.mean()).astype(np.float32)),
        )
        first, held = self._split(goals, task)
        return data, first, held

    def _network(self, layer: Embedding) -> nn.Sequential:
        """A new network. layer: what numbers are embedded by."""
        plan = self.plan_
        first, width = self._front(layer)
        return perceptron(
            width,
            plan.hidden,
            self.goal_.outputs,
            self.activation,
            plan.dropout,
            batch_norm=self.batch_norm,
            members=plan.members,
            first=first,
        )

    def _embedding(self, inputs: Tensor) -> Embedding:
        """What numbers are embedded by, for prepared training inputs (N, I)."""
        plan = self.plan_
        return embedding(plan.numbers, inputs, self._numbers(), plan.bins, plan.members)

    def _front(self, layer: Embedding) -> tuple[list[nn.Module], int]:
        """Layers before the hidden ones, and how many features they give."""
        width = self.preparation_.width
        return ([layer], width + layer.added) if layer else ([], width)

    def _numbers(self) -> int:
        """How many of the prepared inputs, from the first on, are numbers."""
        return len(self.preparation_.center_)

    def _goals(self, y: Labels, task: Task) -> Labels:
        """Class codes, shares, labels or numbers (N, T)."""
        if task is Task.MULTILABEL:
            self.classes_ = np.arange(y.shape[1])
            return y.astype(np.int64)
        if not task.classes:
            return np.asarray(y, np.float64).reshape(len(y), -1)
        if y.ndim == 2:
            self.classes_ = np.arange(y.shape[1])
            return y.astype(np.float64)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if task is Task.BINARY and len(self.classes_) > 2:
            raise InvalidInput(
                f"The target has {len(self.classes_)} classes, not two.", hint="Set the task to multiclass."
            )
        return codes

    def _predict(self, x: Floats) -> Floats:
        self._check_fitted()
        x = checked_inputs(self, x)
        step = max(1, CELLS_PER_PASS // (max(self.preparation_.width, 64) * self.plan_.members))
        parts = []
        with torch_alone(), torch.no_grad():
            for at in range(0, max(len(x), 1), step):
                rows = torch.from_numpy(np.asarray(self.preparation_.transform(x[at : at + step]), np.float64))
                raw = self.net_(rows.expand(self.plan_.members, -1, -1))
                parts.append(self.goal_.predict(raw))
        return np.concatenate(parts)

    def _split(self, goals: Labels, task: Task) -> tuple[Tensor, Tensor | None]:
        """Rows that each member learns from (M, n) and is judged by (M, h), stratified where every class has enough."""
        rows, members = np.arange(len(goals)), self.plan_.members
        if len(goals) < 50 or self.validation <= 0:
            return torch.from_numpy(np.tile(rows, (members, 1))), None
        stratify = None
        if task.classes and goals.ndim == 1:
            counts = np.bincount(goals)
            stratify = goals if counts.min() >= 2 and len(counts) <= len(goals) * self.validation else None
        parts = [
            train_test_split(rows, test_size=self.validation, random_state=(self.seed + m) % 2**32, stratify=stratify)
            for m in range(members)
        ]
        first, held = (torch.from_numpy(np.sort(np.stack(part), axis=1)) for part in zip(*parts, strict=True))
        return first, held

    def _class_weights(self, goals: Labels, weights: Floats, task: Task) -> Floats:
        """(N,) factors of the weights of rows."""
        chosen = self.class_weight
        if chosen is None:
            return np.ones(len(goals))
        if not task.classes or goals.ndim == 2:
            raise InvalidInput("Class weights need one class per row.", hint="Leave out class_weight.")
        if isinstance(chosen, Mapping):
            named = {str(k): v for k, v in chosen.items()}
            factors = np.array([float(named.get(str(c), 1.0)) for c in self.classes_.tolist()])
        elif chosen == "balanced":
            sums = np.bincount(goals, weights, minlength=len(self.classes_))
            factors = weights.sum() / (len(sums) * np.where(sums > 0, sums, 1.0))
        else:
            raise InvalidInput(f"Class weight {chosen!r} is not known.", hint='None, "balanced" or weights by class.')
        if (factors < 0).any() or not factors.any():
            raise InvalidInput("Class weights must not be negative.", hint="Give at least one weight above 0.")
        return np.asarray(factors[goals])

    def _check_fitted(self) -> None:
        if not hasattr(self, "net_"):
            from sklearn.exceptions import NotFittedError

            raise NotFittedError("The model has not learnt yet: call fit first.")
