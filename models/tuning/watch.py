"""The progress of one trial as part of the search's, with its deadline and its pruning."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from models.progress import Progress

TRAINING = 0.8
"""Share of a trial that is training; the rest is drawing and scoring."""


class OutOfTime(Exception):
    """The search's time is over."""


class PrunedTrial(Exception):
    """The trial is not worth going on with."""


class TrialProgress:
    """Progress for `fit` and the judge. curve: validation loss by tenths of the training, each tenth's first."""

    def __init__(
        self,
        whole: Progress,
        number: int,
        trials: int,
        deadline: float,
        worse: Callable[[int, float], bool] | None,
        folder: Path | None,
    ) -> None:
        self._whole, self._number, self._trials = whole, number, trials
        self._deadline, self._worse, self._folder = deadline, worse, folder
        self._low, self._high, self._words = 0.0, TRAINING, ""
        self._training = False
        self.curve: dict[int, float] = {}

    def step(self, name: str) -> None:
        """Steps of `fit` are parts of a trial."""
        self._training = name == "train"
        self._words = name

    def scoring(self) -> None:
        """Training has ended."""
        self._training, self._low, self._high, self._words = False, TRAINING, 1.0, "score"

    def update(self, fraction: float, message: str = "", **values: float) -> None:
        if self._training or self._low:
            share = self._low + (self._high - self._low) * min(1.0, fraction)
            text = f"trial {self._number + 1} of {self._trials}: {self._words} {message}".rstrip()
            self._whole.update((self._number + share) / self._trials, text, trial=self._number, **values)
        if self._training and "validation" in values:
            self._learn(int(10 * min(1.0, fraction)), values["validation"])

    def _learn(self, tenth: int, loss: float) -> None:
        if tenth in self.curve:
            return
        self.curve[tenth] = loss
        if self._worse is not None and tenth < 10 and self._worse(tenth, loss):
            raise PrunedTrial

    def event(self, type: str, data: Mapping[str, Any]) -> None:
        self._whole.event(type, data)

    def checkpoint(self, folder: Path, **meta: Any) -> None:
        """The search's folder holds the trial's."""
        if self._folder is not None:
            self._whole.checkpoint(self._folder, **meta)

    def check(self) -> None:
        self._whole.check()
        if time.monotonic() >= self._deadline:
            raise OutOfTime
