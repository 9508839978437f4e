"""The multilayer perceptron itself, and how it is trained."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.errors import InvalidInput

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "linear": nn.Identity,
}


def perceptron(inputs: int, hidden: tuple[int, ...], outputs: int, activation: str, dropout: float) -> nn.Sequential:
    """Linear, activation and dropout per hidden layer, then a linear layer: (B, inputs) -> (B, outputs)."""
    if activation not in ACTIVATIONS:
        raise InvalidInput(f"Activation {activation!r} is not known.", hint=f"One of {', '.join(sorted(ACTIVATIONS))}.")
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width), ACTIVATIONS[activation]()]
        if dropout > 0:
            layers.append(nn.Dropout(dropout))
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


@dataclass(frozen=True)
class Schedule:
    """AdamW over shuffled batches for at most `epochs`; stops when the validation loss has not fallen for `patience`
    epochs and returns to the best weights. Without validation rows all epochs are run."""

    learning_rate: float
    weight_decay: float
    batch: int
    epochs: int
    patience: int


@dataclass(frozen=True)
class History:
    """Mean loss per epoch on training rows and on validation rows (empty without any), and the epoch kept."""

    training: list[float]
    validation: list[float]
    best_epoch: int


def train(
    net: nn.Sequential,
    loss: nn.Module,
    training: tuple[Tensor, Tensor],
    validation: tuple[Tensor, Tensor] | None,
    schedule: Schedule,
    generator: torch.Generator,
) -> History:
    """Fit `net` in place. training, validation: inputs float32 (N, I) and targets of the loss."""
    x, y = training
    optimizer = torch.optim.AdamW(net.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay)
    best, kept, best_epoch = float("inf"), copy.deepcopy(net.state_dict()), 0
    curve: list[float] = []
    checks: list[float] = []
    for epoch in range(schedule.epochs):
        net.train()
        total = 0.0
        order = torch.randperm(len(x), generator=generator)
        for rows in torch.split(order, schedule.batch):
            optimizer.zero_grad(set_to_none=True)
            value = loss(net(x[rows]), y[rows])
            value.backward()
            optimizer.step()
            total += value.item() * len(rows)
        curve.append(total / len(x))
        if validation is None:
            best_epoch = epoch
            continue
        net.eval()
        with torch.no_grad():
            checks.append(float(loss(net(validation[0]), validation[1])))
        if checks[-1] < best - 1e-5:
            best, kept, best_epoch = checks[-1], copy.deepcopy(net.state_dict()), epoch
        elif epoch - best_epoch >= schedule.patience:
            break
    if validation is not None:
        net.load_state_dict(kept)
    net.eval()
    return History(curve, checks, best_epoch)
