"""Options that follow from the data where nobody sets them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models.classifiers.optimizers import RATES
from models.classifiers.training import Recipe

STEPS = 1_000
"""About so many steps are enough for the tables at hand, between 12 and 40 epochs."""


MOST_BINS = 400
"""Bins of all numbers together, about: beyond that they cost more time than they are worth."""


@dataclass(frozen=True)
class Plan:
    """What was decided for the rows at hand."""

    hidden: tuple[int, ...]
    members: int
    numbers: str
    bins: int
    dropout: float
    weight_decay: float
    learning_rate: float
    batch: int
    epochs: int
    patience: int

    def recipe(self, options: Any) -> Recipe:
        return Recipe(
            options.optimizer,
            self.learning_rate,
            options.momentum,
            options.nesterov,
            self.weight_decay,
            options.l1,
            options.l2,
            self.batch,
            self.epochs,
            self.patience,
            options.schedule,
            options.averaging,
        )


def plan_of(options: Any, rows: int, numbers: int) -> Plan:
    """options: of an MLP. rows: to learn from; numbers: among their inputs."""
    batch = options.batch or int(np.clip(2 ** round(np.log2(max(rows, 1) / 24)), 16, 256))
    epochs = options.epochs or int(np.clip(STEPS * batch // max(rows, 1), 12, 40))
    rate = options.learning_rate or RATES.get(options.optimizer, 1e-3)
    return Plan(
        hidden=tuple(options.hidden) if options.hidden is not None else (128, 64),
        members=options.members or (4 if rows < 3_000 else 2 if rows < 10_000 else 1),
        numbers=options.numbers or "piecewise",
        bins=int(np.clip(min(rows // 50, MOST_BINS // max(numbers, 1)), 4, 16)),
        dropout=0.1 if options.dropout is None else options.dropout,
        weight_decay=1e-4 if options.weight_decay is None else options.weight_decay,
        learning_rate=rate,
        batch=batch,
        epochs=epochs,
        patience=options.patience or max(8, epochs // 4),
    )
