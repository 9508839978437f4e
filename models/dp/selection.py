"""Which tables are worth their noise: chosen by how far each is from what single columns already say.

One Gaussian budget is spent in three parts, each of which may depend on what the earlier ones released:

1. The tables of single columns get what the workload gives them. Their products are what a table would be if its
   columns were independent.
2. How far each pair is from that product, in L1, is released with noise (SCORES of the rest). A row more or less
   changes a distance by 1, so that all of them cost little: 276 distances of 24,527 rows, at epsilon 1, have noise of
   sd 440, beside distances of 800 (independent, but for chance) to 13,700. What chance adds is taken off.
3. Pairs, and triples with the target, share what is left by that (Zhang et al. 2021, "PrivSyn", section 4, chooses
   pairs by such distances, "InDif"; there they need noise for the columns' own change, too). A table that is not
   counted is off by about its distance s; one that is gets noise worth n = NOISE sqrt(2 / pi) cells sd, of which a fit
   that uses both leaves about s n / sqrt(s^2 + n^2). With a share r of the budget n^2 is proportional to 1 / r, so that
   this is s / sqrt(1 + r / q), q = r n^2 / s^2: the sum over all tables, each as important as it is, is least at

       r = q max((s importance / (2 q lambda))^(2/3) - 1, 0)

   (set the derivative to 0), with lambda such that the shares sum to 1. Tables near to the product get nothing.

What it costs. Gaussian mechanisms compose adaptively to one with mu^2 = sum of theirs, whatever a later one makes of
the earlier ones' values, as long as its own mu is fixed (Dong, Roth and Su 2022, "Gaussian differential privacy",
corollary 3.3): the three parts are charged as the one event that they were cut from.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from models.accounting import Event, gaussian
from models.dp.consistency import consistent
from models.dp.noise import Bytes
from models.dp.pairs import Axes, Workload
from models.dp.release import Distances, Release, distances_for, release_for

Array = npt.NDArray[Any]
SCORES = 0.05
"""Of what single columns leave, for the distances."""
NOISE = 0.25
"""Of a table's own noise, what is left of it in a fit that averages many tables."""
TRIPLES, MOST = 24.0, 2.0
"""Importance of all triples together, by the number of columns, and at most; that of all pairs is 1."""
TARGET = 4.0
"""Importance of a pair with the target."""
LEAST = 0.5
"""A table is not counted for a share of which it would have little."""
BEYOND = 0.4
"""What a triple says beyond its pairs is taken to be this part of their three distances."""


def released(
    codes: Array,
    workload: Workload,
    event: Event,
    *,
    selection: bool = True,
    rows: int | None = None,
    rows_per_unit: int = 1,
    units: Array | None = None,
    source: Bytes = os.urandom,
) -> Release:
    """Noisy tables of codes (N, d) that cost the event: all of the workload, or with `selection` those worth it.

    Others as in models.dp.release.release_for. Raises InvalidInput, before a row is read.
    """
    how: dict[str, Any] = {"rows_per_unit": rows_per_unit, "units": units, "source": source}
    first = [i for i, axes in enumerate(workload.axes) if len(axes) < 2]
    pairs = [i for i, axes in enumerate(workload.axes) if len(axes) == 2]
    columns = {axes[0] for axes in workload.axes if len(axes) == 1}
    if not selection or len(pairs) < 2 or len(columns) < len(workload.sizes):
        return release_for(codes, workload, event, rows=rows, **how)
    share = math.fsum(workload.shares[i] for i in first)
    scored, rest = (1 - share) * SCORES, (1 - share) * (1 - SCORES)
    single = release_for(codes, part(workload, first), _cut(event, share), rows=rows, **how)
    candidates = part(workload, pairs)
    references = independent(single, candidates)
    seen = distances_for(codes, candidates, references, _cut(event, scored), **how)
    chosen = choose_tables(workload, seen, by_chance(references), _scale(event, rest, rows_per_unit))
    tables = release_for(codes, chosen, _cut(event, rest), rows=rows, **how)
    return _together(workload, single, seen, tables, event)


def part(workload: Workload, tables: Sequence[int]) -> Workload:
    """Some of the tables, by number; their shares sum to 1."""
    whole = math.fsum(workload.shares[i] for i in tables)
    axes, shares = tuple(workload.axes[i] for i in tables), tuple(workload.shares[i] / whole for i in tables)
    return replace(workload, axes=axes, shares=shares)


def independent(single: Release, candidates: Workload) -> tuple[Array, ...]:
    """Counts that the candidates would have if their columns were independent, rounded: from noisy tables alone."""
    agreed = consistent(single)
    expected = (agreed.rows * np.outer(agreed.one_way[a], agreed.one_way[b]) for a, b in candidates.axes)
    return tuple(np.rint(table).astype(np.int64) for table in expected)


def by_chance(references: Sequence[Array]) -> Array:
    """Mean L1 distance (tables,) of counts that are independent from their expectations: sqrt(2 m / pi) of a cell that
    expects m, if m is large, and 2 m if it is small."""
    return np.array([np.minimum(np.sqrt(2 / math.pi * r), 2.0 * r).sum() for r in references])


def choose_tables(workload: Workload, seen: Distances, chance: Array, scale: float) -> Workload:
    """The pairs and triples that are counted, with their shares. seen: distances of all pairs. chance: how large those
    would be of independent columns. scale: sd of a table that had all of the budget."""
    beyond = np.sqrt(np.maximum(np.maximum(seen.values, 0.0) ** 2 - chance**2, 0.0))
    # Half the noise's own size at least: what looks independent may be so by noise.
    near = dict(zip(seen.axes, np.maximum(beyond, seen.sd / 2).tolist(), strict=True))
    larger: list[Axes] = [axes for axes in workload.axes if len(axes) > 1]
    triples = sum(len(axes) == 3 for axes in larger)
    expected, importance = np.empty(len(larger)), np.ones(len(larger))
    for i, axes in enumerate(larger):
        if len(axes) == 2:
            expected[i] = near[axes]
            importance[i] = TARGET if workload.target in axes else 1.0
            continue
        expected[i] = BEYOND * math.fsum(near.get(pair, 0.0) for pair in combinations(axes, 2))
        importance[i] = min(MOST, TRIPLES / len(workload.sizes)) * len(near) / triples
    cells = np.array([float(workload.cells(axes)) for axes in larger])
    noise = NOISE * math.sqrt(2 / math.pi) * scale * cells
    shares = allocate(expected, noise, importance)
    counted = np.flatnonzero(shares > 0)
    kept = tuple(larger[i] for i in counted)
    return replace(workload, axes=kept, shares=tuple(shares[counted].tolist()))


def allocate(expected: Array, noise: Array, importance: Array) -> Array:
    """Shares (tables,), summing to 1, with which what tables are off by is least (the formula above).

    expected (tables,) > 0: what a table that is not counted is off by. noise (tables,) > 0: what one that has the whole
    budget is. importance (tables,) > 0. A table that would get less than LEAST of its q gets nothing.
    """
    q = (noise / expected) ** 2
    steep = expected * importance / (2 * q)

    def shares(price: float) -> Array:
        taken = q * np.maximum((steep / price) ** (2 / 3) - 1, 0)
        kept: Array = np.where(taken < LEAST * q, 0.0, taken)
        return kept

    # At the price `high` nobody gets anything; below, shares grow without bound.
    low = high = float(steep.max())
    while shares(low).sum() < 1:
        low /= 2
    for _ in range(200):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if shares(middle).sum() >= 1 else (low, middle)
    found = shares(low)
    total: Array = found / found.sum()
    return total


def _cut(event: Event, share: float) -> Event:
    """A part of a Gaussian event: parts that sum to 1 cost it together."""
    assert event.sigma is not None  # noqa: S101 - a Gaussian event, which release_for checks
    return gaussian(event.sigma / math.sqrt(share), label=event.label)


def _scale(event: Event, share: float, rows_per_unit: int) -> float:
    return (event.sigma or math.inf) * rows_per_unit / math.sqrt(share)


def _together(workload: Workload, single: Release, seen: Distances, tables: Release, event: Event) -> Release:
    """One release of all that was counted, in the order of the workload."""
    found = {
        axes: (counts, sd)
        for drawn in (single, tables)
        for axes, counts, sd in zip(drawn.workload.axes, drawn.counts, drawn.sd, strict=True)
    }
    axes = tuple(a for a in workload.axes if a in found)
    precision = [found[a][1] ** -2 for a in axes]
    shares = tuple(p / math.fsum(precision) for p in precision)
    work = replace(workload, axes=axes, shares=shares)
    counts, sd = tuple(found[a][0] for a in axes), tuple(found[a][1] for a in axes)
    return Release(work, counts, sd, single.rows, single.rows_per_unit, (event,), seen)
