"""The public domain of a table, the same for every method: labels as they are, numbers in quantile bins.

Bins are made from the training rows and taken as public knowledge, which the bench declares for all methods alike: it
compares what they do with the budget, not how they find a domain. A number of at most 32 values has a cell for each.
Any other has 32 quantile bins, and a cell of its own for each value of more than half a bin's rows. A code for missing
is a cell. Decoded, a number is drawn evenly between the least and the largest value of its bin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

BINS = 32
DISTINCT = 15
"""A column of numbers with at most so many values is a category (as in bench.matrices)."""

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class ColumnBins:
    """labels: the cells that are written as they stand, first. low, high: least and largest value of each bin, after
    them. whole: values are whole numbers."""

    labels: tuple[str, ...]
    low: Array
    high: Array
    whole: bool

    @property
    def size(self) -> int:
        return len(self.labels) + len(self.low)

    @staticmethod
    def of(texts: pd.Series, bins: int = BINS) -> ColumnBins:
        """texts: all cells as text."""
        values = pd.to_numeric(texts, errors="coerce").to_numpy(float)
        present = values[~np.isnan(values)]
        odd = sorted(set(texts[np.isnan(values)]))
        if len(np.unique(present)) <= DISTINCT or len(odd) > 1:
            return ColumnBins(tuple(sorted(set(texts))), np.empty(0), np.empty(0), False)
        known, counts = np.unique(present, return_counts=True)
        own = known if len(known) <= bins else known[counts > len(present) / bins / 2]
        edges = np.unique(np.r_[np.quantile(present, np.linspace(0, 1, bins + 1)), own, np.nextafter(own, np.inf)])
        _, cell = np.unique(np.searchsorted(edges, known, side="right"), return_inverse=True)
        first = np.flatnonzero(np.r_[True, cell[1:] != cell[:-1]])
        last = np.r_[first[1:] - 1, len(known) - 1]
        return ColumnBins(tuple(odd), known[first], known[last], bool((known % 1 == 0).all()))

    def encode(self, texts: pd.Series) -> Array:
        """Cells, int64; a value between two bins goes to the lower one."""
        labelled = pd.Index(self.labels).get_indexer(texts)
        if not len(self.low):
            return labelled.astype(np.int64)
        values = pd.to_numeric(texts, errors="coerce").to_numpy(float)
        found = np.clip(np.searchsorted(self.low, values, side="right") - 1, 0, len(self.low) - 1)
        return np.where(np.isnan(values), labelled, found + len(self.labels)).astype(np.int64)

    def decode(self, cells: Array, rng: np.random.Generator) -> Array:
        """Text of each cell."""
        out = np.empty(len(cells), dtype=object)
        labelled = cells < len(self.labels)
        if self.labels:
            out[labelled] = np.array(self.labels, dtype=object)[cells[labelled]]
        bins = cells[~labelled] - len(self.labels)
        if len(bins):
            low, high = self.low[bins], self.high[bins]
            drawn = rng.uniform(low, high + self.whole)
            drawn = np.minimum(np.floor(drawn), high) if self.whole else drawn
            out[~labelled] = [f"{v:.10g}" for v in drawn]
        return out


@dataclass(frozen=True, eq=False)
class Bins:
    """columns: of each column, by name."""

    columns: dict[str, ColumnBins]

    @staticmethod
    def of(train: pd.DataFrame, bins: int = BINS) -> Bins:
        """train: all cells as text."""
        return Bins({str(name): ColumnBins.of(train[name], bins) for name in train})

    @property
    def sizes(self) -> list[int]:
        return [c.size for c in self.columns.values()]

    def encode(self, frame: pd.DataFrame) -> Array:
        """Codes (N, d) int64."""
        return np.stack([c.encode(frame[name]) for name, c in self.columns.items()], axis=1)

    def decode(self, codes: Array, seed: int) -> pd.DataFrame:
        """Text, as the source spells it but for how many digits a number has."""
        rng = np.random.default_rng(seed)
        return pd.DataFrame({name: c.decode(codes[:, j], rng) for j, (name, c) in enumerate(self.columns.items())})
