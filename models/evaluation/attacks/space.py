"""Distances between rows of mixed columns, exact and by blocks that stay in the processor's cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.evaluation.matrix import Floats, Ints, Matrix

MISMATCH = 0.98
"""Squared distance of two different labels: one-hot codes times 0.7, as in the project's yardstick."""
BLOCK = 1 << 17
"""Pairs of rows that are compared at once."""
WORK = 1.2e10
"""Cells compared in one search, at most: beyond, fewer rows are searched for."""

Singles = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Places:
    """numbers: float32 (P, N), missing at the middle; codes: unsigned (Q, N), missing codes as labels of their own."""

    numbers: Singles
    codes: npt.NDArray[Any]

    def __len__(self) -> int:
        return int(self.codes.shape[1])

    def take(self, rows: Ints | slice) -> Places:
        return Places(
            np.ascontiguousarray(self.numbers[:, rows]),
            np.ascontiguousarray(self.codes[:, rows]),
        )


class Space:
    """Mixed distance: scaled numbers, and a fixed cost per differing label or missing code (after Gower 1971,
    Biometrics 27).

    spread "deviation": standardised numbers, Euclidean, MISMATCH per label. "range": numbers by their range, city
    block, 1 per label: Gower's own, and anonymeter's. columns: indices, default all.
    """

    def __init__(self, real: Matrix, columns: Sequence[int] | None = None, spread: str = "deviation") -> None:
        self._columns = np.arange(len(real.columns)) if columns is None else np.asarray(columns, dtype=np.int64)
        chosen = [real.columns[j] for j in self._columns]
        values = real.values[:, self._columns]
        present = np.isfinite(values)
        count = np.maximum(present.sum(axis=0), 1)
        self.squared = spread == "deviation"
        self.mismatch = MISMATCH if self.squared else 1.0
        self._labelled = np.array([c.labelled for c in chosen], dtype=bool)
        self._middle = np.where(present, values, 0.0).sum(axis=0) / count
        if self.squared:
            wide = np.sqrt(np.where(present, (values - self._middle) ** 2, 0.0).sum(axis=0) / count)
        else:
            high, low = (f.reduce(np.where(present, values, self._middle), axis=0) for f in (np.maximum, np.minimum))
            wide = high - low
        self._spread = np.where(wide > 0, wide, 1.0)
        self._coded = np.array([c.labelled or bool(c.missing_codes) for c in chosen], dtype=bool)
        most = max((len(c.categories or ()) + len(c.missing_codes) for c in chosen), default=0)
        self._kind = np.uint8 if most < 255 else np.uint16 if most < 65_535 else np.uint32

    def place(self, matrix: Matrix) -> Places:
        values, missing = matrix.values[:, self._columns], matrix.missing[:, self._columns].astype(np.int64)
        numbers = np.nan_to_num((values - self._middle) / self._spread)[:, ~self._labelled]
        labels = np.where(self._labelled, np.nan_to_num(values).astype(np.int64), 0)
        first = np.array([len(c.categories or ()) for c in matrix.columns])[self._columns]
        codes = np.where(missing >= 0, np.maximum(first, 1) + missing, labels)[:, self._coded]
        return Places(
            np.ascontiguousarray(numbers.T.astype(np.float32)), np.ascontiguousarray(codes.T.astype(self._kind))
        )

    def nearest(self, points: Places, known: Places) -> tuple[Ints, Floats]:
        """Index of the nearest known row of each point (N,), the first of equally near ones, and the distance."""
        at, found = np.empty(len(points), np.int64), np.empty(len(points))
        for rows, block in self._blocks(points, known):
            at[rows] = block.argmin(axis=1)
            found[rows] = np.take_along_axis(block, at[rows, None], 1)[:, 0]
        return at, self._told(found)

    def closest(self, points: Places, known: Places, k: int) -> Floats:
        """Distances to the k nearest known rows, ascending (N, k); k at most the number of known rows."""
        found = np.empty((len(points), k))
        for rows, block in self._blocks(points, known):
            found[rows] = np.sort(np.partition(block, k - 1, axis=1)[:, :k], axis=1)
        return self._told(found)

    def _told(self, found: Floats) -> Floats:
        """Rounded, so that equal distances tie."""
        return np.asarray(np.round(np.sqrt(found) if self.squared else found, 5))

    def _blocks(self, points: Places, known: Places) -> Iterator[tuple[slice, Singles]]:
        n = len(known)
        step = max(1, BLOCK // max(n, 1))
        total, moved = np.empty((step, n), np.float32), np.empty((step, n), np.float32)
        wide = np.uint16 if len(points.codes) > 255 else np.uint8
        tally, unequal = np.empty((step, n), wide), np.empty((step, n), bool)
        for at in range(0, len(points), step):
            rows = slice(at, min(at + step, len(points)))
            size = rows.stop - at
            block, apart, count, odd = total[:size], moved[:size], tally[:size], unequal[:size]
            count[:] = 0
            for mine, theirs in zip(points.codes[:, rows], known.codes, strict=True):
                np.not_equal(mine[:, None], theirs, out=odd)
                np.add(count, odd.view(np.uint8), out=count)
            np.multiply(count, np.float32(self.mismatch), out=block)
            for here, there in zip(points.numbers[:, rows], known.numbers, strict=True):
                np.subtract(here[:, None], there, out=apart)
                (np.multiply if self.squared else _absolute)(apart, apart, out=apart)
                np.add(block, apart, out=block)
            yield rows, block


def _absolute(apart: Singles, _: Singles, out: Singles) -> None:
    np.abs(apart, out=out)


def affordable(points: int, known: int, columns: int) -> int:
    """How many of the points can be searched for within WORK."""
    return int(min(points, max(200, WORK // max(1, known * columns))))
