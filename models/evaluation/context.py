"""What every part of an evaluation is given, and what it gives back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from models.evaluation.matrix import Keys, Matrix
from models.evaluation.options import EvaluationOptions
from models.evaluation.result import Metric
from models.progress import Progress
from models.table import Table

FEW_ROWS = 30
"""Below so many rows a yardstick, or a figure that needs a trained model, is left out, and the note says so."""


@dataclass(frozen=True, eq=False)
class Context:
    """real is the training part, or so many of its rows as figures need; known (U,): keys of all its rows, each once,
    and real_rows their number. `seed` fixes every draw; each part draws from its own stream. tables: real, holdout and
    synthetic with all their rows, for what is no number or label (texts, rules). replicates: further samples of the
    synthesizer, and how estimates of all are combined (models.evaluation.analyses.combining)."""

    real: Matrix
    holdout: Matrix
    synthetic: Matrix
    target: str | None
    seed: int
    options: EvaluationOptions
    progress: Progress
    known: Keys = field(default_factory=lambda: np.zeros(0, np.uint64))
    real_rows: int = 0
    tables: tuple[Table, Table, Table] | None = None
    replicates: tuple[Table, ...] = ()
    combining: str = "simple"

    def rng(self, part: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, *part.encode()])

    @property
    def names(self) -> list[str]:
        return [c.name for c in self.real.columns]


@dataclass(frozen=True)
class Part:
    """Metrics, sections and sample sizes that one part adds to the evaluation."""

    metrics: list[Metric]
    sections: dict[str, Any] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)


def joined(*names: str) -> str:
    """Subject of a combination of columns."""
    return " × ".join(names)
