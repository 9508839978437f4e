"""CTGAN (Xu et al. 2019) of the `ctgan` package, at its defaults unless told otherwise.

facts: seconds before the first epoch and per epoch, so that a short run tells what the default 300 epochs would take.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import ctgan.synthesizers.ctgan as package
import numpy as np
import torch

EPOCHS = 300


class Clock:
    """In the place of the package's progress bar: notes when the first epoch begins and the last one ends."""

    def __init__(self, epochs: range, disable: bool = False) -> None:
        self.epochs = epochs

    def __iter__(self) -> Iterator[int]:
        Clock.first = time.perf_counter()
        yield from self.epochs
        Clock.last = time.perf_counter()


def fit(data: Any, seed: int, settings: dict[str, Any]) -> Any:
    return train(package, package.CTGAN, data, seed, settings)


def train(package: Any, kind: Any, data: Any, seed: int, settings: dict[str, Any]) -> Any:
    package.tqdm = Clock
    np.random.seed(seed)
    torch.manual_seed(seed)
    began = time.perf_counter()
    model = kind(**{"epochs": EPOCHS, "enable_gpu": False, **settings})
    model.fit(data.frame, data.discrete)
    epochs = settings.get("epochs", EPOCHS)
    model.clock = {"setup_s": round(Clock.first - began, 3), "epoch_s": round((Clock.last - Clock.first) / epochs, 4)}
    return model


def draw(model: Any, rows: int, seed: int) -> Any:
    model.set_random_state(seed)
    return model.sample(rows)


def facts(model: Any) -> dict[str, float]:
    return {**model.clock, "default_fit_s": round(model.clock["setup_s"] + EPOCHS * model.clock["epoch_s"], 1)}
