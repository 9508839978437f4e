"""Which numbers stand in a simple relation to an earlier column in many rows, many more than would by chance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.encoding.cells import Array, ColumnCells
from models.encoding.links import Link, Linked, linked
from models.encoding.numeric import Curve
from models.progress import SILENT, Progress
from models.schema import Kind
from models.table import Table

SAMPLE = 40_000
"""Rows looked at, evenly spread."""
SHARE, FEWEST = 0.005, 20
"""Of the rows looked at, a link stands for at least this share, and for at least so many."""
MOST = 12
"""Links of a column."""
WIDTH = 0.004
"""Of a range of ratios, in logarithms."""
NEIGHBOURS = 60
"""Columns before a column that may be its sources, the nearest ones."""


@dataclass(frozen=True)
class _Found:
    excess: int
    link: Link


def find_links(table: Table, columns: Sequence[ColumnCells], progress: Progress = SILENT) -> tuple[Linked, ...]:
    """Numbers of two slots with their links to numbers before them, read off the training rows."""
    numbers = [c for c in columns if not c.column.labelled and c.sizes]
    if not any(len(c.sizes) > 1 for c in numbers[1:]):
        return ()
    part = table.take(np.unique(np.linspace(0, len(table) - 1, min(len(table), SAMPLE)).astype(np.int64)))
    values: dict[str, Array] = {}
    out = []
    for column in numbers:
        progress.check()
        values[column.column.name] = part.values(column.column.name).numbers()
        if len(column.sizes) > 1 and len(values) > 1 and (links := _links(column, values)):
            out.append(linked(column, links))
    return tuple(out)


def _links(column: ColumnCells, values: Mapping[str, Array]) -> list[Link]:
    """values: of the columns so far, NaN where missing, this one the last."""
    names = list(values)
    own = values[names[-1]]
    codec = column.codec
    if not isinstance(codec, Curve):
        return []
    rows = np.flatnonzero(np.isfinite(own))
    coarse = codec.encode(own[rows])[:, 0]
    keep = codec.fine[coarse] > 1
    rows, coarse = rows[keep], coarse[keep]
    least = max(FEWEST, round(SHARE * len(own)))
    if len(rows) < least:
        return []
    here = own[rows]
    # By chance: the same values, exchanged among rows of the same coarse cell.
    shuffled = np.lexsort((np.random.default_rng(0).random(len(rows)), coarse))
    chance = np.empty_like(here)
    chance[np.argsort(coarse, kind="stable")] = here[shuffled]
    moments = column.column.kind is Kind.DATETIME
    found: list[_Found] = []
    for name in names[-1 - NEIGHBOURS : -1]:
        other = values[name][rows]
        found += _candidates(name, here, chance, other, least, codec.decimals, moments)
    taken = np.zeros(len(rows), bool)
    links: list[Link] = []
    for candidate in sorted(found, key=lambda f: (-f.excess, f.link.source, f.link.low)):
        hit = candidate.link.holds(here, values[candidate.link.source][rows], codec.decimals) & ~taken
        if hit.sum() >= least:
            links.append(candidate.link)
            taken |= hit
        if len(links) == MOST:
            break
    return links


def _candidates(
    source: str, own: Array, chance: Array, other: Array, least: int, decimals: int, moments: bool
) -> Iterator[_Found]:
    both = np.isfinite(other)
    own, chance, other = own[both], chance[both], other[both]
    for value, excess in _common(np.round(own - other, decimals), np.round(chance - other, decimals), least):
        yield _Found(excess, Link(source, False, value, value))
    if moments:
        return
    bins, null = (_ratio_bins(v, other) for v in (own, chance))
    for value, excess in _common(bins, null, least):
        yield _Found(excess, Link(source, True, (value - 0.5) * WIDTH, (value + 0.5) * WIDTH))


def _ratio_bins(own: Array, other: Array) -> Array:
    good = (own * other > 0) & (own != other)
    return np.asarray(np.round(np.log(own[good] / other[good]) / WIDTH))


def _common(values: Array, chance: Array, least: int) -> Iterator[tuple[float, int]]:
    """Values that come twice as often as by chance, and `least` times more often; by how much."""
    distinct, counts = np.unique(values, return_counts=True)
    many = counts >= least
    distinct, counts = distinct[many], counts[many]
    if not len(distinct):
        return
    at = np.searchsorted(distinct, chance).clip(max=len(distinct) - 1)
    null = np.bincount(at[distinct[at] == chance], minlength=len(distinct))
    for value, count, expected in zip(distinct, counts, null, strict=True):
        if count >= 2 * expected and count - expected >= least:
            yield float(value), int(count - expected)
