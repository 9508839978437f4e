"""How a number stands to an earlier column, where many rows share it: equal to it, one less, a hundredth part of it.

Real tables hold such relations in part of their rows: a person's weight is the household's, a payment is the bill of
the month before, an index is income over a threshold that depends on few things. Cells of quantiles blur them: both
columns can only be said to lie in the same bins. So the relation gets a slot of its own, drawn before the column's own
cells, and where it says so the value is made from that of the other column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from models.conditions import Condition
from models.encoding.cells import Array, ColumnCells, need, plain
from models.encoding.numeric import Curve
from models.table import Values


@dataclass(frozen=True)
class Link:
    """Own value less the other column's, or (ratio) the logarithm of their ratio, lies in low..high."""

    source: str
    ratio: bool
    low: float
    high: float

    def holds(self, own: Array, other: Array, decimals: int) -> Array:
        """Where it holds: bool (N,), False where the other (N,) is NaN."""
        with np.errstate(all="ignore"):
            if self.ratio:
                found = np.where(own * other > 0, np.log(own / other), np.nan)
            else:
                found = np.round(own - other, decimals)
            return np.asarray((found >= self.low) & (found <= self.high))

    def follow(self, other: Array, uniforms: Array) -> Array:
        """Values of the other column and uniforms (N,) -> own values, not yet on the grid."""
        between = self.low + (self.high - self.low) * uniforms
        return np.asarray(other * np.exp(between) if self.ratio else other + between)


@dataclass(frozen=True, eq=False)
class Linked:
    """A number of two slots and its links; of several that hold, the first counts.

    Cells of its further slot: 0 where none holds, 1 + i for link i. Single values that have a coarse cell for
    themselves are left out, as they meet others by chance; so are the outermost cells, which attain the range.
    """

    column: ColumnCells
    codec: Curve
    of: tuple[Link, ...]

    @property
    def name(self) -> str:
        return self.column.column.name

    @property
    def size(self) -> int:
        return len(self.of) + 1

    @property
    def sources(self) -> frozenset[str]:
        return frozenset(link.source for link in self.of)

    def encode(self, values: Values, cells: Array, others: Mapping[str, Array]) -> Array:
        """Values and their own cells (N, 2) -> cells (N,). others: values of the sources (N,), NaN where missing."""
        out = np.zeros(len(cells), np.int64)
        at = np.flatnonzero(self._wide(cells))
        own, found = values.values[at], np.zeros(len(at), np.int64)
        for i, link in enumerate(self.of):
            found[(found == 0) & link.holds(own, others[link.source][at], self.codec.decimals)] = i + 1
        out[at] = found
        return out

    def decode(
        self,
        values: Values,
        cells: Array,
        which: Array,
        others: Mapping[str, Array],
        uniforms: Array,
        condition: Condition | None = None,
    ) -> Values:
        """Values as their own cells (N, 2) have them -> as links (N,) have them, where these lead to a value within the
        column's range that meets the condition. uniforms (N,).
        """
        condition = plain(condition)
        out = values.values.copy()
        low, high, step = self.codec.low[0], self.codec.high[-1], self.codec.step
        wide = self._wide(cells)
        for i, link in enumerate(self.of):
            at = np.flatnonzero((which == i + 1) & wide)
            found = link.follow(others[link.source][at], uniforms[at])
            found = np.round(np.round(found / step) * step if step else found, self.codec.decimals)
            with np.errstate(invalid="ignore"):
                good = (found >= low) & (found <= high)
            if condition is not None:
                good &= condition.accepts(found)
            out[at[good]] = found[good]
        return replace(values, values=out)

    def _wide(self, cells: Array) -> Array:
        """Rows that a link may hold for: bool (N,)."""
        first, last = cells == 0, cells == [self.codec.coarse_of[-1], self.codec.fine_of[-1]]
        return np.asarray((self.column.fine[cells[:, 0]] > 1) & ~first.all(1) & ~last.all(1))

    def to_json(self) -> dict[str, Any]:
        return {"column": self.name, "links": [vars(link) for link in self.of]}


def linked(column: ColumnCells, links: Sequence[Link]) -> Linked:
    """Raises ValueError where the column is no number of two slots."""
    if not isinstance(column.codec, Curve) or len(column.sizes) < 2 or not links:
        raise ValueError("links of a column without fine cells")
    return Linked(column, column.codec, tuple(links))


def linked_from(raw: Mapping[str, Any], columns: Sequence[ColumnCells]) -> Linked:
    """Inverse of to_json. columns: the modelled ones. Raises InvalidArtifact, KeyError, ValueError, TypeError."""
    names = [c.column.name for c in columns]
    at = names.index(need(raw, "column", str))
    before = {c.column.name for c in columns[:at] if c.sizes and not c.column.labelled}
    links = [
        Link(need(x, "source", str), need(x, "ratio", bool), float(x["low"]), float(x["high"]))
        for x in need(raw, "links", list)
    ]
    if any(k.source not in before or not np.isfinite([k.low, k.high]).all() for k in links):
        raise ValueError("a link to a column that does not come before")
    return linked(columns[at], links)
