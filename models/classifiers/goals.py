"""What a network is to give for a task: number of outputs, output layer, targets of the loss, and predictions."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from models.classifiers.activations import activation
from models.classifiers.base import Floats, Labels, Task
from models.classifiers.losses import LOSSES, Loss, loss_of
from models.errors import InvalidInput

DEFAULTS = {
    Task.BINARY: "binary_crossentropy",
    Task.MULTICLASS: "sparse_categorical_crossentropy",
    Task.MULTILABEL: "multilabel_crossentropy",
    Task.REGRESSION: "mse",
    Task.MULTITARGET: "mse",
}
MARGINS = ("hinge", "squared_hinge")
YES_NO = ("binary_crossentropy", "multilabel_crossentropy")
OF_TASK = {
    Task.BINARY: tuple(n for n in LOSSES if n not in ("msle", "multilabel_crossentropy")),
    Task.MULTICLASS: tuple(n for n in LOSSES if n not in ("msle", *YES_NO)),
    Task.MULTILABEL: (*YES_NO, *MARGINS, "mse", "mae"),
    Task.REGRESSION: ("mse", "mae", "msle"),
    Task.MULTITARGET: ("mse", "mae", "msle"),
}
"""Losses that make sense of each task; the first in DEFAULTS is taken where none is named."""
TARGETS = ("standard", "log", "minmax", "none")
"""What regression targets are brought to: mean 0 and variance 1; the same of log(1 + y), for y >= 0; 0 to 1; as is."""


@dataclass(frozen=True, eq=False)
class Goal:
    """outputs: width O of the output layer. layer: its activation. center, scale: (T,), of a regression's targets."""

    task: Task
    loss: Loss
    layer: str
    outputs: int
    target: str = "none"
    smoothing: float = 0.0
    center: Floats = field(default_factory=lambda: np.zeros(1))
    scale: Floats = field(default_factory=lambda: np.ones(1))

    def encode(self, y: Labels) -> Tensor:
        """Class codes (N,), shares (N, K), labels (N, L) or numbers (N, T) -> targets of the loss."""
        if not self.task.classes:
            return torch.from_numpy(self._scaled(y.astype(np.float64)).astype(np.float32))
        if self.task is Task.MULTILABEL or y.ndim == 2:
            return torch.from_numpy(y.astype(np.float32))
        if self.outputs == 1:
            return torch.from_numpy(y.astype(np.float32))[:, None]
        codes = torch.from_numpy(y.astype(np.int64))
        if self.loss.targets == "codes":
            return codes
        ones = torch.nn.functional.one_hot(codes, self.outputs).float()
        return ones * (1 - self.smoothing) + self.smoothing / self.outputs

    def cost(self, raw: Tensor, targets: Tensor) -> Tensor:
        """Cost of each row (M, B) from what lies before the output layer (M, B, O)."""
        if self.layer == self.loss.natural:
            return self.loss.of_raw(raw, targets)
        outputs: Tensor = activation(self.layer)(raw)
        if self.loss.name == "msle":  # the only loss that means another thing in another unit
            unit = torch.as_tensor(self.scale, dtype=raw.dtype)
            return self.loss.of_outputs(outputs * unit, targets * unit)
        return self.loss.of_outputs(outputs, targets)

    def score(self, raw: Tensor, targets: Tensor) -> Tensor:
        """Accuracy (of labels, where several) or R2 on the scaled targets, per member (M,)."""
        if not self.task.classes:
            out: Tensor = activation(self.layer)(raw)
            spread: Tensor = (targets - targets.mean(dim=1, keepdim=True)).square().sum(dim=1).clamp(min=1e-12)
            explained: Tensor = 1 - (out - targets).square().sum(dim=1) / spread
            return explained.mean(dim=-1)
        if self.outputs == 1 or self.task is Task.MULTILABEL:
            half = 0.0 if self.layer in ("sigmoid", "linear", "tanh") and self.loss.name not in ("mse", "mae") else 0.5
            level = activation(self.layer)(raw) > 0.5 if half else raw > 0
            return (level == (targets > 0.5)).float().flatten(1).mean(dim=1)
        codes = targets.argmax(-1) if targets.dim() == raw.dim() else targets
        return (raw.argmax(-1) == codes).float().mean(dim=1)

    def predict(self, raw: Tensor) -> Floats:
        """(M, N, O) -> means over members: probabilities (N, K) or (N, L), or numbers (N, T), float64."""
        outputs = activation(self.layer)(raw)
        if self.task.classes:
            return np.asarray(self._probabilities(outputs).mean(dim=0).numpy())
        numbers = self._unscaled(outputs.numpy())
        return np.asarray(numbers.mean(axis=0))

    def _probabilities(self, outputs: Tensor) -> Tensor:
        """Margins of a hinge loss pass through a logistic curve: in the right order, but not calibrated."""
        several = self.task is not Task.MULTILABEL and self.outputs > 1
        if self.loss.name in MARGINS:
            outputs = torch.softmax(2 * outputs, dim=-1) if several else torch.sigmoid(2 * outputs)
        outputs = outputs.clamp(0, 1)
        if several:
            total = outputs.sum(dim=-1, keepdim=True)
            return torch.where(total > 0, outputs / total, 1 / self.outputs)
        return outputs if self.task is Task.MULTILABEL else torch.cat([1 - outputs, outputs], dim=-1)

    def _scaled(self, y: Floats) -> Floats:
        y = np.log1p(y) if self.target == "log" else y
        return np.asarray((y - self.center) / self.scale)

    def _unscaled(self, out: Floats) -> Floats:
        y = out * self.scale + self.center
        return np.asarray(np.expm1(np.minimum(y, 700)) if self.target == "log" else y)


def goal_of(
    task: Task,
    y: Labels,
    classes: int,
    *,
    loss: str | None = None,
    output: str | None = None,
    target: str = "standard",
    smoothing: float = 0.0,
) -> Goal:
    """y: as for Goal.encode, of the rows to learn from. output: name of an activation. Raises InvalidInput."""
    chosen = loss_of(loss or DEFAULTS[task])
    if chosen.name not in OF_TASK[task]:
        raise InvalidInput(
            f"Loss {chosen.name!r} does not fit task {task.value!r}.", hint=f"One of {', '.join(OF_TASK[task])}."
        )
    if not 0 <= smoothing < 1 or (smoothing > 0 and chosen.targets != "shares"):
        raise InvalidInput("Label smoothing is a share below 1.", hint="Use it with loss categorical_crossentropy.")
    if task.classes:
        soft = y.ndim == 2 and task is not Task.MULTILABEL
        if soft and chosen.targets == "codes":
            raise InvalidInput(f"Loss {chosen.name!r} needs one class per row.", hint="Try categorical_crossentropy.")
        one = task is Task.BINARY and not soft and (chosen.targets == "numbers" or chosen.name in MARGINS)
        outputs = 1 if one else classes
        natural = chosen.natural
        if chosen.name in ("mse", "mae"):
            natural = "sigmoid" if one or task is Task.MULTILABEL else "softmax"
        layer = output or natural
        activation(layer)
        return Goal(task, chosen, layer, outputs, smoothing=smoothing)
    return _numbers(task, y, chosen, output, target)


def _numbers(task: Task, y: Floats, loss: Loss, output: str | None, target: str) -> Goal:
    if target not in TARGETS:
        raise InvalidInput(f"Target {target!r} is not known.", hint=f"One of {', '.join(TARGETS)}.")
    if (target == "log" or loss.name == "msle") and y.min() < 0:
        raise InvalidInput("Logarithms need targets of 0 or more.", hint='Use loss "mse" and target "standard".')
    layer = output or ("softplus" if loss.name == "msle" else "linear")
    activation(layer)
    seen = np.log1p(y) if target == "log" else y
    one, zero = np.ones(y.shape[1]), np.zeros(y.shape[1])
    center, scale = zero, one
    if loss.name == "msle":
        target, scale = "none", np.abs(y).mean(axis=0)
    elif target in ("standard", "log"):
        center, scale = seen.mean(axis=0), seen.std(axis=0)
    elif target == "minmax":
        center, scale = seen.min(axis=0), np.ptp(seen, axis=0)
    return Goal(task, loss, layer, y.shape[1], target, center=center, scale=np.where(scale > 0, scale, 1.0))
