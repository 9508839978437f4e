"""`mechanism: marginals`: one release of noisy tables, a generator fitted to them, rows drawn from it.

    generator = fit_marginals(codes, sizes, MarginalOptions(epsilon=1, delta=1e-9, target=12))
    rows = generator.sample(10_000, seed=1)

Codes are cells of a public domain: whoever calls this has paid for the domain or has it declared. Rows are read in one
place, release._count; all after the release is post-processing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from models.accounting import History
from models.dp.noise import Bytes
from models.dp.one_pass import FitPlan, OnePass, fit
from models.dp.pairs import MAX_SLICES, POWER, Workload, checked_sizes, choose
from models.dp.release import release
from models.progress import SILENT, Progress

ROWS_SHARE = 0.002
"""Part of the budget for the number of rows where it is not public. The totals of all tables are estimates of it
too."""


@dataclass(frozen=True)
class MarginalOptions:
    """epsilon, delta: of `spent` and this release together. spent: what the budget has paid for already. target: the
    column to predict from the others, by number; the tables of all pairs are then counted by its cells, if it has few.
    rows: the number of rows where it is declared public; else None. rows_per_unit: k. seed: of fit and sample; never of
    the noise. one_way: part of the budget for the tables of one column. power: of a table's size in its share. plan: of
    the fit."""

    epsilon: float
    delta: float
    spent: History = ()
    target: int | None = None
    rows: int | None = None
    rows_per_unit: int = 1
    seed: int = 0
    triples: bool = True
    one_way: float = 0.1
    power: float = POWER
    target_weight: float = 1.0
    plan: FitPlan = field(default_factory=FitPlan)

    def workload(self, sizes: Sequence[int]) -> Workload:
        """The tables that will be released, from public facts alone. Raises InvalidInput."""
        sizes, target = checked_sizes(sizes), self.target
        sliced = self.triples and target is not None and len(sizes) > 3 and 0 <= target < len(sizes)
        return choose(
            sizes,
            target=target,
            triples=sliced and target is not None and sizes[target] <= MAX_SLICES,
            one_way=self.one_way,
            rows=0.0 if self.rows is not None else ROWS_SHARE,
            target_weight=self.target_weight,
            power=self.power,
        )


def fit_marginals(
    codes: npt.NDArray[Any],
    sizes: Sequence[int],
    options: MarginalOptions,
    *,
    units: npt.NDArray[Any] | None = None,
    progress: Progress = SILENT,
    source: Bytes = os.urandom,
) -> OnePass:
    """A generator of rows like codes (N, d), within the budget; what it cost is generator.release.events.

    sizes (d,): cells of each column, public. units (N,): the unit of each row, where one may have several. source: of
    the noise's bytes; anything but the default is for tests. Raises InvalidInput, before a row is read.
    """
    drawn = release(
        codes,
        options.workload(sizes),
        options.epsilon,
        options.delta,
        rows=options.rows,
        rows_per_unit=options.rows_per_unit,
        units=units,
        spent=options.spent,
        source=source,
    )
    return fit(drawn, options.plan, options.seed, progress)
