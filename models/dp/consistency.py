"""Noisy tables made to agree with each other and to be distributions. Post-processing of a release: free.

Two tables that share columns both hold a noisy copy of the table of these. `consistent` replaces all copies by their
average, weighted by precision, and spreads the difference evenly over the cells summed (Hay et al. 2010; for
overlapping tables Qardaji, Yang and Li 2014, "PriView", section 4.4: smaller shared sets first, so that later ones
leave them alone). Every step is linear with weights from public facts, so that what was unbiased stays so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from models.dp.pairs import Axes, Workload
from models.dp.release import Release

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Consistent:
    """rows: the number of rows, public or estimated, at least 1. tables: counts, float64, that agree on what they
    share. one_way (d,): distribution of each column, non-negative, summing to 1."""

    rows: float
    tables: tuple[Array, ...]
    one_way: tuple[Array, ...]


def consistent(release: Release) -> Consistent:
    """Tables of a release that agree with each other and with the public number of rows. Takes part: every set of
    columns that lies in two tables, () among them."""
    work = release.workload
    tables = [counts.astype(np.float64) for counts in release.counts]
    for shared in _shared(work):
        held = [i for i, axes in enumerate(work.axes) if set(shared) <= set(axes)]
        if not shared and release.rows is not None:
            average: Array = np.array(float(release.rows))
        elif len(held) == 1:
            continue
        else:
            average = _average(work, release.sd, tables, held, shared)
        for i in held:
            axes = work.axes[i]
            # 1 / (cells summed): evenly over all of them
            change = (average - margin(tables[i], axes, shared)) * work.cells(shared) / work.cells(axes)
            tables[i] = tables[i] + _spread(change, axes, shared)
    total = float(tables[0].sum())
    one_way = []
    for c in range(len(work.sizes)):
        i = min((i for i, axes in enumerate(work.axes) if c in axes), key=lambda i: len(work.axes[i]))
        one_way.append(to_simplex(margin(tables[i], work.axes[i], (c,)) / max(total, 1.0)))
    return Consistent(max(total, 1.0), tuple(tables), tuple(one_way))


def margin(table: Array, axes: Axes, kept: Axes) -> Array:
    """Sum of a table of columns `axes` over all of them but `kept`."""
    summed: Array = table.sum(axis=tuple(i for i, c in enumerate(axes) if c not in kept))
    return summed


def to_simplex(x: Array) -> Array:
    """The distribution nearest to x in L2 (Held, Wolfe and Crowder 1974). shape (c,)."""
    falling = np.sort(x)[::-1]
    excess = (np.cumsum(falling) - 1) / np.arange(1, len(x) + 1)
    nearest: Array = np.maximum(x - excess[np.flatnonzero(falling > excess)[-1]], 0.0)
    return nearest


def _average(work: Workload, sd: tuple[float, ...], tables: list[Array], held: list[int], shared: Axes) -> Array:
    precision = [work.cells(shared) / (sd[i] ** 2 * work.cells(work.axes[i])) for i in held]
    parts = [p * margin(tables[i], work.axes[i], shared) for p, i in zip(precision, held, strict=True)]
    average: Array = sum(parts[1:], parts[0]) / math.fsum(precision)
    return average


def _spread(change: Array, axes: Axes, shared: Axes) -> Array:
    return change.reshape(tuple(change.shape[shared.index(c)] if c in shared else 1 for c in axes))


def _shared(work: Workload) -> list[Axes]:
    """Sets of columns that lie in two tables or more, and (), smallest first."""
    found: dict[Axes, int] = {}
    for axes in work.axes:
        for size in range(len(axes) + 1):
            for part in combinations(axes, size):
                found[part] = found.get(part, 0) + 1
    return sorted((part for part, count in found.items() if count > 1 or not part), key=lambda part: (len(part), part))
