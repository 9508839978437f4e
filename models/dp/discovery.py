"""Finding a domain under differential privacy: labels, heavy values, bounds, and edges of bins.

    history = discovery(schema, 0.1, 1e-9)                   # models.privacy.domain: what it will cost, from no row
    schema = discover(table, schema, history)                # every modelled column is public then

What is proved (docs/privacy.md, "Domain"). Two releases, each of integers with exact discrete Gaussian noise.

1. Of every column that needs it, counts of its labels or single values, of those that occur and come out above a
   threshold; and counts of its magnitudes. A unit of k rows changes k counts of labels by one each at most (a unit
   counts once for a label, however many of its rows have it), so that their L2 sensitivity is sqrt(k). Labels that one
   of two neighbouring tables lacks are this one unit's, have a count of 1, and come out above the threshold with
   chance at most `new.delta` in all. (Korolova et al. 2009; with Gaussian noise Wilson et al. 2020.)
2. Of every number that is to be cut into bins, counts of the nodes of a tree over a grid that follows from bounds that
   are public or were released by 1. A unit of k rows changes each level by L2 norm k at most.

Both are charged as `gaussian` by the lemma of models/dp/release.py, 1 also as `approximate` with the threshold's delta.
All else here is post-processing. Rows are read in `_Rows`; its exact counts leave with noise only.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import ndtri

from models.accounting import History
from models.dp import tree
from models.dp.encoding import lenient
from models.dp.noise import Bytes, discrete_gaussian, variance_of
from models.dp.release import LEAST, SMOOTHING, kept_rows
from models.encoding.cells import Array
from models.errors import InvalidInput
from models.ingest.ladders import ordered_labels
from models.privacy.domain import HEAVY, NEW, QUANTILES, WEIGHTS, Needs, bounds, found_in, needs
from models.privacy.points import Points, points_of
from models.schema import Column, Kind, Schema
from models.table import Table, format_datetimes, parse_number

BINS = 32
"""Bins of a number, at most: fewer where noise is as large as a bin."""
LARGEST = 1e280
TAIL = 1.0
"""Rows beyond a bound that was found, about: in standard deviations of their estimated number."""
EARLIEST, LATEST = -30_610_224_000.0, 253_370_764_800.0
"""Years 1000 to 9999, which every format can write."""
NOTHING = "other"
"""The only label of a column of which none was found; no row has it but by noise."""
_SLACK = 1 + 4e-9


@dataclass(frozen=True)
class _Noise:
    """What the events allow: L2 sensitivities are k for rows and sqrt(k) for labels that a unit has."""

    wanted: Needs
    first: float
    second: float
    new: float
    k: int
    source: Bytes

    def sd(self, kind: str, levels: int = 1) -> float:
        """Standard deviation with which one column's counts take their part of an event."""
        sigma, total = (self.second if kind == "quantiles" else self.first), self.wanted.weights()
        share = WEIGHTS[kind] / total[kind == "quantiles"]
        square = float(self.k) ** 2 * levels if kind == "quantiles" else float(self.k)
        return max(LEAST, math.sqrt(_SLACK * sigma**2 * square / share + SMOOTHING))

    def threshold(self, sd: float) -> int:
        """Least T with k P(1 + noise >= T) summed over all columns at most `new`.

        P(noise >= t) < Q((t - 1) / s): its sum is below the integral, its norm above sqrt(2 pi) s.
        """
        histograms = len(self.wanted.labels) + len(self.wanted.edges)
        s = math.sqrt(variance_of(sd))
        return math.ceil(-s * float(ndtri(self.new / (self.k * histograms))) * (1 + 1e-9)) + 3

    def noisy(self, exact: Array, sd: float) -> Array:
        return np.asarray(exact + discrete_gaussian(sd, exact.size, self.source).reshape(exact.shape))


def discover(
    table: Table,
    schema: Schema,
    history: History,
    *,
    units: Array | None = None,
    rows_per_unit: int = 1,
    source: Bytes = os.urandom,
) -> Schema:
    """The schema with a public domain for every modelled column, found within `history`: what
    models.privacy.domain.discovery planned for this schema.

    units (N,): the unit of each row, where one has several; more than rows_per_unit rows of one are dropped at random
    first. Rows whose label was not found become blank cells (missing code "", which a column gets that lacks it);
    numbers outside of the bounds that were found belong to the outermost bins. source: of uniform bytes; anything but
    the default is for tests. Raises InvalidInput, before a row is read.
    """
    noise = _planned(schema, history, rows_per_unit, source)
    if units is not None and units.shape != (len(table),):
        raise InvalidInput("Each row needs its unit.", hint="One number for each row.")
    if units is None and rows_per_unit != 1:
        raise InvalidInput("Units of several rows need the unit of each row.", hint="Name the column that holds it.")
    if noise is None:
        return schema
    kept = None if units is None else np.sort(kept_rows(units, rows_per_unit))
    rows = _Rows(table, units, kept)
    for name in noise.wanted.labels:
        schema = schema.with_column(_labelled(schema[name], rows, noise))
    for name in dict.fromkeys(noise.wanted.bounds + noise.wanted.edges):
        schema = schema.with_column(_numbered(schema[name], rows, noise))
    return schema


def _planned(schema: Schema, history: History, rows_per_unit: int, source: Bytes) -> _Noise | None:
    """Raises InvalidInput where the history is not this schema's."""
    wanted = needs(schema)
    first, second = wanted.weights()
    labels = [HEAVY, NEW] * bool(first) + [QUANTILES] * bool(second)
    if [event.label for event in history] != labels:
        raise InvalidInput(
            "The history does not pay for finding this schema's domain.",
            hint="Plan it with models.privacy.domain.discovery for the same schema.",
        )
    if not labels:
        return None
    by = {event.label: event for event in history}
    sigma = [by[label].sigma if label in by else 1.0 for label in (HEAVY, QUANTILES)]
    new = by[NEW].delta if NEW in by else 1.0
    if sigma[0] is None or sigma[1] is None or new is None:
        raise InvalidInput("The history's events are of other mechanisms.", hint="Plan it again.")
    return _Noise(wanted, sigma[0], sigma[1], new, rows_per_unit, source)


@dataclass(frozen=True, eq=False)
class _Rows:
    """All that reads rows. kept: numbers of the rows that count; None: all, each its own unit."""

    table: Table
    units: Array | None
    kept: Array | None

    def labels(self, column: Column) -> tuple[list[str], Array]:
        """Distinct texts of a column that mean no missing value, in no order that tells of rows, and how many units
        have each."""
        raw = pc.fill_null(self.table.column(column.name).cast(pa.string()), "")
        coded = raw.dictionary_encode().combine_chunks()
        if isinstance(coded, pa.ChunkedArray):
            return [], np.zeros(0, np.int64)
        words = coded.dictionary.to_pylist()
        count = self._each(coded.indices.to_numpy(zero_copy_only=False).astype(np.int64), len(words))
        present = [i for i in np.flatnonzero(count) if words[i] not in column.missing_codes]
        present.sort(key=words.__getitem__)
        return [words[i] for i in present], count[present]

    def numbers(self, column: Column, points: Points) -> Array:
        """(M,) finite numbers of the rows that count, on the column's grid, NaN where a row has none."""
        found = lenient(self.table.column(column.name), column)
        values = np.where(np.isfinite(found.values) & (found.missing < 0), found.values, np.nan)
        low, high = (EARLIEST, LATEST) if column.kind is Kind.DATETIME else (-LARGEST, LARGEST)
        values = np.clip(values, low, high)
        if points.grid and not points.unit:
            with np.errstate(over="ignore"):
                values = np.round(values / points.grid) * points.grid + 0.0
        return values if self.kept is None else values[self.kept]

    def singles(self, values: Array) -> tuple[Array, Array]:
        """Distinct numbers, and how many units have each."""
        distinct, which = np.unique(values[np.isfinite(values)], return_inverse=True)
        if self.units is None or self.kept is None:
            return distinct, np.bincount(which, minlength=len(distinct)).astype(np.int64)
        pairs = np.unique(np.stack([self.units[self.kept][np.isfinite(values)], which], 1), axis=0)
        return distinct, np.bincount(pairs[:, 1].astype(np.int64), minlength=len(distinct)).astype(np.int64)

    def magnitudes(self, values: Array, unit: float) -> Array:
        """(2 BITS + 1,): how many units have a number of each magnitude."""
        found, count = self.singles(tree.magnitudes(values, unit))
        out = np.zeros(2 * tree.BITS + 1, np.int64)
        out[found.astype(np.int64) + tree.BITS] = count
        return out

    def _each(self, which: Array, size: int) -> Array:
        if self.units is None or self.kept is None:
            return np.bincount(which, minlength=size).astype(np.int64)
        pairs = np.unique(np.stack([self.units[self.kept], which[self.kept]], 1), axis=0)
        return np.bincount(pairs[:, 1].astype(np.int64), minlength=size).astype(np.int64)


def _labelled(column: Column, rows: _Rows, noise: _Noise) -> Column:
    """The column with the labels that come out above the threshold, in an order that follows from them alone."""
    words, exact = rows.labels(column)
    sd = noise.sd("labels")
    found = noise.noisy(exact, sd) >= noise.threshold(sd)
    labels = _in_order([word for word, out in zip(words, found, strict=True) if out])
    codes = column.missing_codes if "" in column.missing_codes else (*column.missing_codes, "")
    column = replace(column, categories=labels or (NOTHING,), missing_codes=codes, public=True)
    column = replace(column, evidence=found_in(["categories"]))
    if not labels:
        column = replace(column, storage="string")
    if column.kind is Kind.BOOLEAN and len(column.categories or ()) != 2:
        column = replace(column, kind=Kind.CATEGORICAL)
    return column


def _in_order(labels: Sequence[str]) -> tuple[str, ...]:
    ladder = ordered_labels(labels)
    if ladder is not None:
        return ladder[0]
    numbers = {label: parse_number(label) for label in labels}
    finite = all(map(math.isfinite, numbers.values()))
    return tuple(sorted(labels, key=lambda label: (numbers[label] if finite else 0.0, label)))


def _numbered(column: Column, rows: _Rows, noise: _Noise) -> Column:
    """The column with bounds and edges."""
    points = points_of(column)
    values = rows.numbers(column, points)
    known = bounds(column)
    low, high = (None, None) if known is None else known
    if low is None or high is None:
        unit, sd = points.grid or 1e-9, noise.sd("magnitudes")
        low, high = tree.magnitude_bounds(noise.noisy(rows.magnitudes(values, unit), sd), sd, unit)
        low, high = max(low, -LARGEST), min(high, LARGEST)
        if column.kind is Kind.DATETIME:
            low, high = min(max(low, EARLIEST), LATEST), max(min(high, LATEST), EARLIEST)
    if column.name not in noise.wanted.edges:
        return _written(column, low, high, (), set())
    distinct, exact = rows.singles(values)
    sd = noise.sd("heavy")
    noisy = noise.noisy(exact, sd)
    heavy = {float(v): int(n) for v, n in zip(distinct, noisy, strict=True) if n >= noise.threshold(sd)}
    points = points_of(replace(column, minimum=low, maximum=high)) if column.numeric else points
    leaves = tree.leaves_of(points, low, high)
    sd = noise.sd("quantiles", leaves.levels)
    counted = tree.counts(leaves.of(values[np.isfinite(values)]), leaves)
    counted = [noise.noisy(level, sd) for level in counted]
    cumulative = tree.rising(np.cumsum(tree.consistent(counted)))
    below = np.r_[0.0, cumulative[: len(leaves.starts)]]
    errors = sd * tree.rank_errors(leaves.levels)
    if known is None:
        first, last = _trimmed(below, errors, *tree.outermost(counted, sd))
        low, high = float(leaves.starts[first]), _end(leaves, points, last)
        below, leaves = below[first : last + 2], replace(leaves, starts=leaves.starts[first : last + 1], end=high)
    borders, single = _borders(below - below[0], leaves, heavy, float(errors[len(errors) // 2]))
    return _written(column, low, high, borders, single)


def _trimmed(below: Array, errors: Array, start: tuple[int, int], stop: tuple[int, int]) -> tuple[int, int]:
    """First and last leaf, without tails that noise would explain. below (L + 1,): rows below each leaf, and all.
    start, stop: leaves between which they lie."""
    leaves = len(below) - 1
    above = (below[-1] - below[:-1])[::-1]
    first = int(np.argmax(below[1:] > TAIL * errors[:leaves]))
    last = leaves - 1 - int(np.argmax(above > TAIL * errors[:leaves]))
    first, last = min(max(first, start[0]), start[1], leaves - 1), min(max(last, stop[0]), stop[1], leaves - 1)
    return first, max(last, first)


def _end(leaves: tree.Leaves, points: Points, last: int) -> float:
    """The largest value of a leaf."""
    if last == len(leaves.starts) - 1:
        return leaves.end
    following = float(leaves.starts[last + 1])
    return points.value(points.last(following, without=True)) if points.grid else following


def _borders(
    below: Array, leaves: tree.Leaves, heavy: dict[float, int], error: float
) -> tuple[list[float], set[float]]:
    """Borders of bins with about equally many rows, and those of them that are a bin of their own: heavy values.

    A bin holds a BINS-th of the rows, or more where that would be less than two standard deviations of a rank.
    """
    total = max(float(below[-1]), 1.0)
    low, high = float(leaves.starts[0]), leaves.end
    single = {v for v, n in heavy.items() if low <= v <= high and n > total / (2 * BINS)}
    mass = np.diff(below)
    for v in single:
        at = int(leaves.of(np.array([v]))[0])
        mass[at] = max(mass[at] - heavy[v], 0.0)
    cumulative = np.cumsum(np.maximum(mass, 0))
    bins = max(1, int(cumulative[-1] / max(total / BINS, 2 * error)))
    at = np.searchsorted(cumulative, cumulative[-1] * np.arange(1, bins) / bins) + 1
    inner = {float(leaves.starts[i]) for i in at if i < len(leaves.starts)}
    return sorted({low, high, *inner, *single}), single


def _written(column: Column, low: float, high: float, borders: Sequence[float], single: Set[float]) -> Column:
    """The column with bounds and edges as a schema writes them."""
    values = [low, max(low, high), *borders]
    written: list[Any]
    if column.kind is Kind.DATETIME:
        written = format_datetimes(np.array(values), column.datetime_format or "%Y-%m-%d")
    elif column.decimals == 0 and max(map(abs, values)) <= 2**53:
        written = [round(v) for v in values]
    else:
        written = [round(v, column.decimals) for v in values]
    edges: list[Any] = []
    for border, word in zip(borders, written[2:], strict=True):
        if word not in edges:
            edges += [word, word] if border in single else [word]
    lack = bounds(column) is None
    found = (["minimum", "maximum"] if lack else []) + (["edges"] if len(edges) > 1 else [])
    evidence = found_in(found)
    if lack:
        column = replace(column, minimum=written[0], maximum=written[1])
    return replace(column, edges=tuple(edges) if len(edges) > 1 else None, evidence=evidence, public=True)
