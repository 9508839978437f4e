"""`mechanism: marginals`: noisy tables, a generator fitted to them, rows drawn from it.

    generator = fit_marginals(codes, sizes, MarginalOptions(epsilon=1, delta=1e-9, target=12))
    rows = generator.sample(10_000, seed=1)

Codes are cells of a public domain: whoever calls this has paid for the domain or has it declared. Rows are read in one
place, release._count; all after the releases is post-processing.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from models.accounting import History, calibrate, gaussian
from models.dp.noise import Bytes
from models.dp.one_pass import FitPlan, OnePass, fit
from models.dp.pairs import MAX_SLICES, POWER, Workload, checked_sizes, choose, one_way_share
from models.dp.release import plan
from models.dp.selection import released
from models.progress import SILENT, Progress

ROWS_SHARE = 0.002
"""Part of the budget for the number of rows where it is not public. The totals of all tables are estimates of it
too."""


@dataclass(frozen=True)
class MarginalOptions:
    """epsilon, delta: of `spent` and this release together. spent: what the budget has paid for already. target: the
    column to predict from the others, by number; if it has few cells, pairs of the others are counted by them, too.
    rows: the number of rows where it is declared public; else None. rows_per_unit: k. seed: of fit and sample; never of
    the noise. selection: count the tables that are worth their noise, chosen under privacy (models/dp/selection.py),
    and not all. one_way: part of the budget for the tables of one column; None: by one_way_share. power: of a table's
    size in its share, triples_share, target_weight: where all are counted. plan: of the fit."""

    epsilon: float
    delta: float
    spent: History = ()
    target: int | None = None
    rows: int | None = None
    rows_per_unit: int = 1
    seed: int = 0
    triples: bool = True
    selection: bool = True
    one_way: float | None = None
    power: float = POWER
    triples_share: float | None = None
    target_weight: float = 1.0
    plan: FitPlan = field(default_factory=FitPlan)

    def workload(self, sizes: Sequence[int]) -> Workload:
        """The tables that may be released, from public facts alone. Raises InvalidInput."""
        sizes, target = checked_sizes(sizes), self.target
        sliced = self.triples and target is not None and len(sizes) > 3 and 0 <= target < len(sizes)
        return choose(
            sizes,
            target=target,
            triples=sliced and target is not None and sizes[target] <= MAX_SLICES,
            one_way=self.one_way if self.one_way is not None else self._one_way(sizes),
            rows=0.0 if self.rows is not None else ROWS_SHARE,
            triples_share=self.triples_share if self.triples_share is not None else min(0.75, 9 / len(sizes)),
            target_weight=self.target_weight,
            power=self.power,
        )

    def _one_way(self, sizes: Sequence[int]) -> float:
        if self.rows is None or not self.epsilon > 0:
            return one_way_share(sizes, None, math.inf)
        sigma = self.rows_per_unit * calibrate(lambda s: (gaussian(s),), self.epsilon, self.delta, spent=self.spent)
        return one_way_share(sizes, self.rows, sigma)


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
    workload, k = options.workload(sizes), options.rows_per_unit
    _, (event,) = plan(workload, options.epsilon, options.delta, rows_per_unit=k, spent=options.spent)
    drawn = released(
        codes,
        workload,
        event,
        selection=options.selection,
        rows=options.rows,
        rows_per_unit=k,
        units=units,
        source=source,
    )
    return fit(drawn, options.plan, options.seed, progress)
