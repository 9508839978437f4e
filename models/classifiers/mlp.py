"""The shared multilayer perceptron behind the estimator protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

from models.classifiers.base import Core, Floats, Labels, Task, check_rows
from models.classifiers.network import Schedule, perceptron, train
from models.classifiers.preparation import Preparation
from models.errors import InvalidInput

ROWS_PER_PASS = 16_384


class MLP(Core):
    """Multilayer perceptron; the output layer and loss follow from the task.

    binary: one logit, binary cross-entropy; multiclass: K logits, cross-entropy; regression: one number, mean squared
    error on the standardised target. categorical: which features are codes (default: none). validation: share of the
    training rows held back for early stopping (none below 50 rows). class_weight: None or "balanced" (each class weighs
    the same). Equal seeds give equal models on the same machine and number of threads.
    """

    def __init__(
        self,
        task: str = "binary",
        categorical: Sequence[bool] | None = None,
        hidden: tuple[int, ...] = (128, 64),
        activation: str = "relu",
        dropout: float = 0.1,
        learning_rate: float = 2e-3,
        weight_decay: float = 1e-4,
        batch: int = 256,
        epochs: int = 40,
        patience: int = 4,
        validation: float = 0.1,
        class_weight: str | None = None,
        scaling: str = "standard",
        seed: int = 0,
    ) -> None:
        self.task = task
        self.categorical = categorical
        self.hidden = hidden
        self.activation = activation
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch = batch
        self.epochs = epochs
        self.patience = patience
        self.validation = validation
        self.class_weight = class_weight
        self.scaling = scaling
        self.seed = seed

    def fit(self, x: Floats, y: Labels) -> Self:
        task = Task(self.task)
        x, y = np.asarray(x, np.float64), np.asarray(y)
        check_rows(x, y, task)
        if task.classes:
            self.classes_ = np.unique(y)
            if task is Task.BINARY and len(self.classes_) > 2:
                raise InvalidInput(
                    f"The target has {len(self.classes_)} classes, not two.", hint="Set the task to multiclass."
                )
            goals = np.searchsorted(self.classes_, y)
        else:
            goals = y.astype(np.float64)
        first, held = self._split(goals, task)
        mask = self.categorical if self.categorical is not None else [False] * x.shape[1]
        self.preparation_ = Preparation(mask, self.scaling).fit(x[first])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            outputs = len(self.classes_) if task is Task.MULTICLASS else 1
            self.net_ = perceptron(self.preparation_.width, tuple(self.hidden), outputs, self.activation, self.dropout)
            loss, targets = self._loss(goals, first, task)
            inputs = torch.from_numpy(self.preparation_.transform(x))
            schedule = Schedule(self.learning_rate, self.weight_decay, self.batch, self.epochs, self.patience)
            self.history_ = train(
                self.net_,
                loss,
                (inputs[first], targets[first]),
                (inputs[held], targets[held]) if len(held) else None,
                schedule,
                torch.Generator().manual_seed(self.seed),
            )
        return self

    def predict(self, x: Floats) -> Labels:
        if Task(self.task).classes:
            return np.asarray(self.classes_[self.predict_proba(x).argmax(axis=1)])
        return np.asarray(self._outputs(x)[:, 0] * self.spread_ + self.middle_)

    def predict_proba(self, x: Floats) -> Floats:
        task = Task(self.task)
        if not task.classes:
            raise InvalidInput("A regression has no class probabilities.", hint="Use predict.")
        logits = torch.from_numpy(self._outputs(x))
        if task is Task.BINARY:
            p = torch.sigmoid(logits[:, 0]).numpy()
            return np.stack([1 - p, p], axis=1)
        return np.asarray(torch.softmax(logits, dim=1).numpy())

    def _outputs(self, x: Floats) -> Floats:
        """Raw outputs of the network, float64 (N, outputs)."""
        x = np.asarray(x, np.float64)
        parts = []
        with torch.no_grad():
            for at in range(0, max(len(x), 1), ROWS_PER_PASS):
                rows = torch.from_numpy(self.preparation_.transform(x[at : at + ROWS_PER_PASS]))
                parts.append(self.net_(rows).double().numpy())
        return np.concatenate(parts)

    def _split(self, goals: Labels, task: Task) -> tuple[Labels, Labels]:
        """Rows to learn from and rows held back (stratified where every class has enough), both sorted."""
        rows = np.arange(len(goals))
        if len(goals) < 50 or self.validation <= 0:
            return rows, rows[:0]
        counts = np.bincount(goals) if task.classes else np.zeros(1)
        stratify = goals if task.classes and counts.min() >= 2 and len(counts) <= len(goals) * self.validation else None
        first, held = train_test_split(
            rows, test_size=self.validation, random_state=self.seed, stratify=stratify, shuffle=True
        )
        return np.sort(first), np.sort(held)

    def _loss(self, goals: Labels, first: Labels, task: Task) -> tuple[nn.Module, Tensor]:
        """Loss and targets (all rows); scaling and weights from the rows `first` only."""
        if task is Task.REGRESSION:
            self.middle_ = float(goals[first].mean())
            self.spread_ = float(goals[first].std()) or 1.0
            scaled = (goals - self.middle_) / self.spread_
            return nn.MSELoss(), torch.from_numpy(scaled.astype(np.float32))[:, None]
        if self.class_weight not in (None, "balanced"):
            raise InvalidInput(f"Class weight {self.class_weight!r} is not known.", hint='None or "balanced".')
        counts = np.maximum(np.bincount(goals[first], minlength=len(self.classes_)), 1).astype(np.float32)
        weights = torch.from_numpy(counts.sum() / (len(counts) * counts)) if self.class_weight else None
        if task is Task.MULTICLASS:
            return nn.CrossEntropyLoss(weight=weights), torch.from_numpy(goals.astype(np.int64))
        positive = torch.tensor(counts[0] / counts[-1]) if weights is not None else None
        return nn.BCEWithLogitsLoss(pos_weight=positive), torch.from_numpy(goals.astype(np.float32))[:, None]
