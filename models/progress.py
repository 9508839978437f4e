"""How long work reports how far it is, and learns that it should stop."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

STEPS: dict[str, tuple[str, ...]] = {
    "profile": ("read", "profile", "publish"),
    "synthesize": ("read", "profile", "encode", "train", "sample", "evaluate", "publish"),
    "sample": ("read", "sample", "publish"),
    "evaluate": ("read", "evaluate", "publish"),
    "tune": ("read", "profile", "tune", "publish"),
    "compare": ("read", "compare", "publish"),
}
"""Steps of each kind of job, in order (DESIGN.md section 3)."""


class Progress(Protocol):
    """Passed to every verb. Implementations must be cheap: `update` is called many times a second."""

    def step(self, name: str) -> None:
        """A new step begins; the one before it has ended."""

    def update(self, fraction: float, message: str = "", **values: float) -> None:
        """The present step is `fraction` (0 to 1) done. values: figures to draw, e.g. step=300, loss=21.4."""

    def checkpoint(self, folder: Path, **meta: Any) -> None:
        """A complete checkpoint lies in `folder` and can be kept."""

    def event(self, type: str, data: Mapping[str, Any]) -> None:
        """Something worth a line of its own in the job's log, e.g. a trial of a search. data: JSON."""

    def check(self) -> None:
        """Raise errors.Cancelled if the work should stop."""


class Silent:
    """Progress that goes nowhere."""

    def step(self, name: str) -> None:
        return None

    def update(self, fraction: float, message: str = "", **values: float) -> None:
        return None

    def checkpoint(self, folder: Path, **meta: Any) -> None:
        return None

    def event(self, type: str, data: Mapping[str, Any]) -> None:
        return None

    def check(self) -> None:
        return None


SILENT = Silent()


def clean_values(values: Mapping[str, float]) -> dict[str, float]:
    """Finite figures only, rounded to 6 digits: JSON has no NaN."""
    return {k: float(f"{v:.6g}") for k, v in values.items() if v == v and abs(v) != float("inf")}
