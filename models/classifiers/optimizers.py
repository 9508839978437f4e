"""Optimizers and learning-rate schedules by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import nn

from models.errors import InvalidInput

OPTIMIZERS = ("sgd", "adagrad", "rmsprop", "adam", "adamw")
RATES = {"sgd": 0.1, "adagrad": 0.02, "rmsprop": 1e-3, "adam": 2e-3, "adamw": 2e-3}
"""Learning rates where none is given, by optimizer."""
SCHEDULES = ("constant", "cosine")
WARM = 0.05
"""Share of the steps over which a cosine schedule rises to its learning rate."""


def optimizer(
    name: str,
    parameters: Iterable[nn.Parameter],
    learning_rate: float,
    *,
    momentum: float = 0.9,
    nesterov: bool = False,
    weight_decay: float = 0.0,
) -> torch.optim.Optimizer:
    """momentum and nesterov are for sgd. weight_decay: taken off the weights themselves
    for adamw (Loshchilov and Hutter 2019), added to the gradient for the others. Raises InvalidInput."""
    if name not in OPTIMIZERS:
        raise InvalidInput(f"Optimizer {name!r} is not known.", hint=f"One of {', '.join(OPTIMIZERS)}.")
    if not learning_rate > 0 or not 0 <= momentum < 1 or not weight_decay >= 0:
        raise InvalidInput(
            "The optimizer's settings are out of range.",
            hint="Choose learning_rate > 0, 0 <= momentum < 1 and weight_decay >= 0.",
        )
    if name == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=learning_rate,
            momentum=momentum,
            nesterov=nesterov and momentum > 0,
            weight_decay=weight_decay,
            fused=True,
        )
    if name == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=learning_rate, weight_decay=weight_decay)
    if name == "adagrad":
        return torch.optim.Adagrad(parameters, lr=learning_rate, weight_decay=weight_decay, fused=True)
    kind = torch.optim.AdamW if name == "adamw" else torch.optim.Adam
    return kind(parameters, lr=learning_rate, weight_decay=weight_decay, fused=True)


def schedule(name: str, learning_rate: float, steps: int) -> Callable[[int], float]:
    """Step (0 to steps - 1) -> learning rate. cosine: from a short rise down to 0 (Loshchilov and Hutter 2017)."""
    if name not in SCHEDULES:
        raise InvalidInput(f"Schedule {name!r} is not known.", hint=f"One of {', '.join(SCHEDULES)}.")
    if name == "constant":
        return lambda step: learning_rate
    warm = max(1, int(WARM * steps))

    def rate(step: int) -> float:
        rise = min(1.0, (step + 1) / warm)
        fall = 0.5 * (1 + math.cos(math.pi * max(0, step - warm) / max(1, steps - warm)))
        return learning_rate * rise * fall

    return rate
