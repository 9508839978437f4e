"""The rows that the detailed comparisons look at, drawn once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from models.evaluation.context import FEW_ROWS, Context
from models.evaluation.matrix import Cells, Ints, Matrix, sample

ROWS = 50_000
"""Rows of each table, at most; with more columns than CELLS / ROWS fewer."""
CELLS = 3_000_000


@dataclass(frozen=True, eq=False)
class Sampled:
    """The tables that are compared, of at most `ROWS` rows: equal numbers of real and synthetic rows are not needed."""

    context: Context
    real: Matrix
    synthetic: Matrix
    holdout: Matrix | None

    @cached_property
    def cells(self) -> Cells:
        return Cells.fit(self.real, self.context.options.trend_bins)

    @cached_property
    def codes(self) -> tuple[Ints, Ints, Ints | None]:
        """Cells (N, D) of real, synthetic and holdout rows."""
        held = None if self.holdout is None else self.cells.codes(self.holdout)
        return self.cells.codes(self.real), self.cells.codes(self.synthetic), held

    @property
    def note(self) -> str:
        rows = f"{len(self.real):,} real and {len(self.synthetic):,} synthetic rows"
        return f"{rows}." if self.holdout is None else f"{rows}; {len(self.holdout):,} of the holdout."


def sampled(context: Context) -> Sampled:
    """Drawn without replacement by the evaluation's seed."""
    rng = context.rng("details")
    rows = min(context.options.rows, max(5_000, CELLS // max(len(context.names), 1)), ROWS)
    held = sample(context.holdout, rows, rng) if len(context.holdout) >= FEW_ROWS else None
    return Sampled(context, sample(context.real, rows, rng), sample(context.synthetic, rows, rng), held)
