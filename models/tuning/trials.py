"""Finished trials, and the folder from which a search that was stopped goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.artifacts import read_bundle, write_bundle
from models.errors import InvalidArtifact


@dataclass(frozen=True)
class Trial:
    """One set of options and what it was worth.

    parameters: by name of the option; none in trial 0, which has the defaults. state: succeeded, pruned (stopped, as
    it was worse than half of the others at the same point) or failed. score: None unless it succeeded. seconds: wall
    clock of training, drawing and scoring. reason: why it failed. curve: validation loss by tenths of the training.
    """

    number: int
    parameters: Mapping[str, Any]
    state: str
    score: float | None
    seconds: float
    reason: str = ""
    curve: Mapping[int, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "parameters": dict(self.parameters),
            "state": self.state,
            "score": self.score,
            "seconds": self.seconds,
            "reason": self.reason,
        }


@dataclass
class History:
    """All that a search knows. plan: of trial 0, from which the default space is made."""

    trials: list[Trial] = field(default_factory=list)
    plan: dict[str, Any] = field(default_factory=dict)
    real: float | None = None

    def save(self, folder: Path, of: str) -> None:
        rows = [trial.to_json() | {"curve": {str(k): v for k, v in trial.curve.items()}} for trial in self.trials]
        write_bundle(folder, "trials", {"of": of, "trials": rows, "plan": self.plan, "real": self.real}, {})

    @staticmethod
    def load(folder: Path, of: str) -> History:
        """The saved history of the same search; an empty one where there is none, or where it is damaged."""
        try:
            saved, _ = read_bundle(folder, "trials")
            if saved["of"] != of:
                return History()
            rows = [{**t, "curve": {int(k): float(v) for k, v in t["curve"].items()}} for t in saved["trials"]]
            return History([Trial(**row) for row in rows], dict(saved["plan"]), saved["real"])
        except (InvalidArtifact, KeyError, TypeError, ValueError, AttributeError):
            return History()  # the trials are made again, which costs time but no correctness


def best_of(trials: Sequence[Trial], better: str) -> Trial | None:
    """The first of those with the best score. better: higher or lower."""
    scored = [(t.score, t) for t in trials if t.score is not None]
    sign = 1.0 if better == "higher" else -1.0
    return max(scored, key=lambda pair: (sign * pair[0], -pair[1].number))[1] if scored else None
