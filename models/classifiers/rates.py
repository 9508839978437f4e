"""The learning-rate range test (Smith 2017, "Cyclical learning rates for training neural networks", section 3.3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from models.classifiers.batches import Rows, loader
from models.classifiers.optimizers import optimizer
from models.classifiers.training import Cost, Recipe
from models.errors import InvalidInput

SMOOTH = 0.9
"""Share of the running mean of the loss that is kept per step."""
DIVERGED = 4.0
"""The test ends where the running mean is so many times its least value."""


@dataclass(frozen=True)
class RateTest:
    """rates: rising by a constant factor per step; losses: running mean at each; suggestion: where the loss falls
    fastest per factor of the rate; highest: a tenth of the rate at which it was least, a bound for schedules."""

    rates: list[float]
    losses: list[float]
    suggestion: float
    highest: float


def rate_test(
    net: nn.Module,
    cost: Cost,
    data: Rows,
    rows: Tensor,
    recipe: Recipe,
    generator: torch.Generator,
    low: float,
    high: float,
    steps: int,
) -> RateTest:
    """Train `net` (which is spoilt by it) with a rate that rises from low to high. Raises InvalidInput."""
    if not 0 < low < high or steps < 10:
        raise InvalidInput("The learning rates cannot be tested.", hint="Choose 0 < low < high and at least 10 steps.")
    net.train()
    opt = optimizer(
        recipe.optimizer,
        net.parameters(),
        low,
        momentum=recipe.momentum,
        nesterov=recipe.nesterov,
        weight_decay=recipe.weight_decay,
    )
    rates: list[float] = []
    losses: list[float] = []
    mean = 0.0
    batches = iter(loader(data, rows, recipe.batch, generator))
    for step, rate in enumerate(np.geomspace(low, high, steps).tolist()):
        batch = next(batches, None)
        if batch is None:
            batches = iter(loader(data, rows, recipe.batch, generator))
            batch = next(batches)
        x, y, w = batch
        for group in opt.param_groups:
            group["lr"] = rate
        opt.zero_grad(set_to_none=True)
        loss = (cost(net(x), y) * w).mean()
        loss.backward()
        mean = SMOOTH * mean + (1 - SMOOTH) * float(loss.detach())
        running = mean / (1 - SMOOTH ** (step + 1))
        if not np.isfinite(running) or (step > 5 and running > DIVERGED * min(losses)):
            break
        rates.append(rate)
        losses.append(running)
        opt.step()
    return RateTest(rates, losses, _steepest(rates, losses), rates[int(np.argmin(losses))] / 10)


def _steepest(rates: list[float], losses: list[float]) -> float:
    """Rate at which the loss falls fastest, before it is least."""
    least = max(int(np.argmin(losses)), 2)
    slope = np.gradient(np.asarray(losses[: least + 1]), np.log(rates[: least + 1]))
    return rates[int(np.argmin(slope))]
