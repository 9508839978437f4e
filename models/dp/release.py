"""Gaussian releases of tables of counts, and of how far tables are from given ones. The only module of `mechanism:
marginals` that touches rows.

What is proved (docs/privacy.md, "Marginals"). Codes are cells of a public domain. Adding or removing one row changes
each table by 1 in one cell; one unit of at most k rows changes it by an integer vector of L1 norm at most k, hence of
L2 norm at most k, reached by k equal rows. Table t gets independent discrete Gaussian noise of parameter sd_t in every
cell.

Lemma (after Peikert 2010, "An efficient and parallel Gaussian sampler for lattices", theorem 3.1). Let r = 3/2 <= sd.
Add continuous Gaussian noise of variance sd^2 - r^2 to an integer c and replace the sum x by a discrete Gaussian of
parameter r around x: the result has each probability of c + discrete Gaussian(sd) up to a factor exp(+-2.1e-19),
because by Poisson's summation formula the normalising sums are within 1 +- 2 exp(-2 pi^2 r^2) (1 + 1e-50) of their
mean, wherever x lies. So the discrete release is, to within that factor for each cell that a unit changes,
post-processing of the continuous Gaussian mechanism with mu^2 = sum k^2 / (sd_t^2 - r^2), for any k and any integer
change: this is the event that is charged, raised by one part in 1e9 for the factors. It costs r^2 / (2 sd^2): 0.05% of
the noise at sd 47.

Distances. Let R be whole numbers that were fixed before. |C - R|, the sum of the absolute differences of table C from
them, is a whole number, and changes by at most k where C changes by at most k (triangle inequality): P such distances
are P tables of one cell each, whose change is an integer vector of L2 norm at most k sqrt(P), and the lemma holds for
them as it stands.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from models.accounting import Event, History, gaussian
from models.dp.noise import Bytes, discrete_gaussian
from models.dp.pairs import Axes, Workload
from models.errors import Detail, InvalidInput
from models.privacy.plan import TABLES, tables_within

Array = npt.NDArray[Any]
SMOOTHING = 9 / 4
"""r^2 of the lemma."""
LEAST = 2.0
"""No table gets less noise."""
_SLACK = 1 - 1e-9


@dataclass(frozen=True)
class Distances:
    """axes: of the tables. values (tables,) int64, read-only: noisy L1 distance of each one from its reference. sd: of
    the noise."""

    axes: tuple[Axes, ...]
    values: Array
    sd: float


@dataclass(frozen=True)
class Release:
    """All that leaves the data. workload: public. counts: noisy tables, int64, of shape workload.shape(axes),
    read-only. sd (tables,): standard deviation of each one's noise. rows: the public number of rows, or None.
    rows_per_unit: k. events: what it cost, for the ledger. distances: by which the tables were chosen, if they were
    (models/dp/selection.py)."""

    workload: Workload
    counts: tuple[Array, ...]
    sd: tuple[float, ...]
    rows: int | None
    rows_per_unit: int
    events: History
    distances: Distances | None = None


def plan(
    workload: Workload, epsilon: float, delta: float, *, rows_per_unit: int = 1, spent: History = ()
) -> tuple[tuple[float, ...], History]:
    """(sd of each table, events) with which `spent` and the release together are (epsilon, delta)-DP. Sees no data.

    Raises InvalidInput where no noise is enough.
    """
    if not epsilon > 0:
        what = "must be greater than 0"
        raise InvalidInput(f"epsilon {what}.", hint=what, errors=[Detail(("privacy", "epsilon"), what)])
    event = tables_within(epsilon, delta, spent)
    return noise_for(workload, event, rows_per_unit), (event,)


def noise_for(workload: Workload, event: Event, rows_per_unit: int = 1) -> tuple[float, ...]:
    """sd of each table with which all of them cost as much as this Gaussian event and never more. Sees no data.

    The event may be planned before the tables are known: its cost does not depend on them. Raises InvalidInput.
    """
    if isinstance(rows_per_unit, bool) or not isinstance(rows_per_unit, int) or rows_per_unit < 1:
        what = "must be a whole number of at least 1"
        raise InvalidInput(f"rows_per_unit {what}.", hint=what, errors=[Detail(("privacy", "rows_per_unit"), what)])
    if event.mechanism != "gaussian" or event.steps != 1 or event.sigma is None:
        what = "must be one Gaussian event"
        raise InvalidInput(f"A release of tables {what}.", hint=what, errors=[Detail(("privacy", "history"), what)])

    def enough(scale: float) -> bool:
        (cost,) = events(deviations(workload, scale), rows_per_unit)
        return cost.sigma is not None and event.sigma is not None and cost.sigma >= event.sigma

    low = high = event.sigma * rows_per_unit
    while not enough(high):
        low, high = high, 2 * high
    while low > 1e-6 and enough(low):  # below, LEAST is the noise of every table
        low, high = low / 2, low
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (low, middle) if enough(middle) else (middle, high)
    return deviations(workload, high)


def deviations(workload: Workload, scale: float) -> tuple[float, ...]:
    """sd of each table at a noise scale."""
    return tuple(max(LEAST, scale / math.sqrt(share)) for share in workload.shares)


def events(sd: Sequence[float], rows_per_unit: int) -> History:
    """What tables with this noise cost together: one Gaussian event (the lemma above)."""
    mu = rows_per_unit * math.sqrt(math.fsum(1 / (s * s - SMOOTHING) for s in sd))
    return (gaussian(_SLACK / mu, label=TABLES),)


def release(
    codes: Array,
    workload: Workload,
    epsilon: float,
    delta: float,
    *,
    rows: int | None = None,
    rows_per_unit: int = 1,
    units: Array | None = None,
    spent: History = (),
    source: Bytes = os.urandom,
) -> Release:
    """Noisy tables of codes (N, d) that are with `spent`, which the budget has paid for already, (epsilon, delta)-DP.

    Others as in release_for. Raises InvalidInput, before a row is read.
    """
    _, (event,) = plan(workload, epsilon, delta, rows_per_unit=rows_per_unit, spent=spent)
    return release_for(codes, workload, event, rows=rows, rows_per_unit=rows_per_unit, units=units, source=source)


def release_for(
    codes: Array,
    workload: Workload,
    event: Event,
    *,
    rows: int | None = None,
    rows_per_unit: int = 1,
    units: Array | None = None,
    source: Bytes = os.urandom,
) -> Release:
    """Noisy tables of codes (N, d), whole numbers 0 <= code < size, that cost the event.

    rows: the number of rows where it is declared public; else None. units (N,): which unit each row belongs to; more
    than rows_per_unit rows of one unit are dropped at random. source: of uniform bytes; anything but the default is for
    tests. Raises InvalidInput, before a row is read.
    """
    _check(codes, workload, units, rows_per_unit)
    sd = noise_for(workload, event, rows_per_unit)
    noise = [discrete_gaussian(s, workload.cells(axes), source) for s, axes in zip(sd, workload.axes, strict=True)]
    counts = []
    for exact, drawn, axes in zip(_count(codes, workload, units, rows_per_unit), noise, workload.axes, strict=True):
        noisy = (exact + drawn).reshape(workload.shape(axes))
        noisy.setflags(write=False)
        counts.append(noisy)
    return Release(workload, tuple(counts), sd, rows, rows_per_unit, (event,))


def distances_for(
    codes: Array,
    workload: Workload,
    references: Sequence[Array],
    event: Event,
    *,
    rows_per_unit: int = 1,
    units: Array | None = None,
    source: Bytes = os.urandom,
) -> Distances:
    """How far each table of codes (N, d) is from its reference, with noise that costs the event.

    references: of each table of the workload, whole numbers, flat or of its shape; they may follow from what was
    released before, and from nothing else that rows are in. Others as in release_for. Raises InvalidInput, before a
    row is read.
    """
    _check(codes, workload, units, rows_per_unit)
    if len(references) != len(workload.axes) or any(
        r.dtype.kind not in "iu" or r.size != workload.cells(a) for r, a in zip(references, workload.axes, strict=False)
    ):
        raise InvalidInput("Each table needs a reference of whole numbers.", hint="Round expected counts.")
    tables = len(workload.axes)
    (sd,) = set(noise_for(replace(workload, shares=(1 / tables,) * tables), event, rows_per_unit))
    noise = discrete_gaussian(sd, tables, source)
    exact = _count(codes, workload, units, rows_per_unit)
    off = np.array([np.abs(t - r.ravel()).sum() for t, r in zip(exact, references, strict=True)], dtype=np.int64)
    values = off + noise
    values.setflags(write=False)
    return Distances(workload.axes, values, sd)


def _check(codes: Array, workload: Workload, units: Array | None, rows_per_unit: int) -> None:
    """Of shapes and types; raises InvalidInput."""
    if codes.ndim != 2 or codes.shape[1] != len(workload.sizes) or codes.dtype.kind not in "iu":
        raise InvalidInput("Codes must be whole numbers, one column for each size.", hint="Encode the table first.")
    if units is not None and units.shape != codes.shape[:1]:
        raise InvalidInput("Each row needs its unit.", hint="One number for each row.")
    if units is None and rows_per_unit != 1:
        raise InvalidInput("Units of several rows need the unit of each row.", hint="Name the column that holds it.")


def _count(codes: Array, workload: Workload, units: Array | None, rows_per_unit: int) -> list[Array]:
    """The one function that reads rows: exact counts of each table, flat.

    A code outside its domain counts as the nearest cell: to refuse it would tell that there is such a row.
    """
    if units is not None:
        codes = codes[kept_rows(units, rows_per_unit)]
    columns = [np.clip(codes[:, c], 0, size - 1).astype(np.int64) for c, size in enumerate(workload.sizes)]
    return [_table(columns, workload, axes, len(codes)) for axes in workload.axes]


def _table(columns: list[Array], workload: Workload, axes: Axes, rows: int) -> Array:
    cell = np.zeros(rows, dtype=np.int64)
    for c in axes:
        cell = cell * workload.sizes[c] + columns[c]
    return np.bincount(cell, minlength=workload.cells(axes)).astype(np.int64)


def kept_rows(units: Array, rows_per_unit: int) -> Array:
    """Numbers of at most rows_per_unit rows of each unit, chosen at random whatever the other units hold."""
    chance = np.random.Generator(np.random.Philox(int.from_bytes(os.urandom(16), "little")))
    order = chance.permutation(len(units))
    _, unit = np.unique(units, return_inverse=True)
    order = order[np.argsort(unit[order], kind="stable")]
    sorted_units = unit[order]
    first = np.r_[True, sorted_units[1:] != sorted_units[:-1]] if len(order) else np.zeros(0, dtype=bool)
    place = np.arange(len(order)) - np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
    kept: Array = order[place < rows_per_unit]
    return kept
