"""A table as one matrix, the known tables it is compared with, and the cells its values fall into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.errors import Detail, InvalidInput, InvalidSchema
from models.schema import Column, Kind
from models.table import Table

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Keys = npt.NDArray[np.uint64]
PIECE = 500_000
"""Rows of a long table that are read at once."""


@dataclass(frozen=True, eq=False)
class Matrix:
    """Modelled columns of a table.

    values: float64 (N, D), numbers, seconds since 1970 or codes into `categories`; NaN where missing.
    missing: int16 (N, D), -1 where present, else the index into the column's missing codes.
    """

    columns: tuple[Column, ...]
    values: Floats
    missing: npt.NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Ints) -> Matrix:
        return Matrix(self.columns, self.values[rows], self.missing[rows])

    def row_keys(self) -> Keys:
        """One key per row, uint64 (N,): equal for equal rows (same numbers, labels and missing codes), and different
        for others but for one pair of rows in 2**64.
        """
        out = np.zeros(len(self), np.uint64)
        for j in range(len(self.columns)):
            gone = self.missing[:, j].astype(np.float64)
            cell = np.where(gone >= 0, -1e300 * (1 + gone), self.values[:, j]) + 0.0
            place = np.uint64((j + 1) * 0x9E3779B97F4A7C15 % 2**64)
            out = _mixed(out ^ _mixed(cell.view(np.uint64) + place))
        return out


def _mixed(x: Keys) -> Keys:
    """A permutation of the 64-bit numbers that scatters them (finaliser of SplitMix64: Steele, Lea and Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)), np.uint64)


def distinct_keys(table: Table, columns: Sequence[Column], role: str) -> Keys:
    """Keys of a table's rows, each once, ascending. Reads it in pieces."""
    parts = []
    for first in range(0, len(table), PIECE):
        piece = table.take(slice(first, first + PIECE))
        parts.append(np.unique(read_matrix(piece, columns, role).row_keys()))
    return np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.uint64)


def read_matrix(table: Table, columns: Sequence[Column], role: str) -> Matrix:
    """Columns of `table` under the real table's schema.

    Raises InvalidInput where a column is absent, InvalidSchema where a cell does not fit; both name role and column.
    """
    have = set(table.names)
    if absent := [c.name for c in columns if c.name not in have]:
        raise InvalidInput(
            f"The {role} table lacks column(s) {', '.join(map(repr, absent[:10]))} of the real table.",
            hint="Compare tables with the same columns.",
            errors=[Detail((role, "column", name), "is absent") for name in absent[:100]],
        )
    values = np.empty((len(table), len(columns)), order="F")
    missing = np.empty((len(table), len(columns)), np.int16, order="F")
    for j, column in enumerate(columns):
        try:
            got = table.read(column)
        except InvalidSchema as error:
            raise InvalidSchema(
                f"The {role} table does not fit the real table's schema: {error.message}",
                hint=error.hint,
                errors=error.errors,
            ) from None
        missing[:, j] = got.missing
        values[:, j] = np.where(got.missing < 0, got.values, np.nan)
    return Matrix(tuple(columns), values, missing)


def weights_of(matrix: Matrix) -> Floats | None:
    """Survey weights (N,) of the rows with mean 1: the first column of kind weight; None without one. A row without a
    weight counts nothing."""
    places = [j for j, c in enumerate(matrix.columns) if c.kind is Kind.WEIGHT]
    if not places:
        return None
    w = np.nan_to_num(matrix.values[:, places[0]]).clip(0)
    return np.asarray(w / w.mean()) if w.sum() > 0 else None


def sample(matrix: Matrix, rows: int, rng: np.random.Generator) -> Matrix:
    """At most `rows` rows without replacement, in random order."""
    return matrix.take(rng.permutation(len(matrix))[:rows])


def bootstrap(matrix: Matrix, rows: int, rng: np.random.Generator) -> Matrix:
    """`rows` rows with replacement: the ceiling."""
    return matrix.take(rng.integers(0, len(matrix), rows))


def independent(matrix: Matrix, rows: int, rng: np.random.Generator) -> Matrix:
    """`rows` rows, every column drawn for itself (shuffled; with replacement beyond N): the floor."""
    n, d = matrix.values.shape
    picks = [rng.permutation(n)[:rows] if rows <= n else rng.integers(0, n, rows) for _ in range(d)]
    at = np.stack(picks, axis=1) if d else np.empty((rows, 0), np.int64)
    return Matrix(
        matrix.columns,
        np.asfortranarray(np.take_along_axis(matrix.values, at, 0)),
        np.asfortranarray(np.take_along_axis(matrix.missing, at, 0)),
    )


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells per column: quantile bins of the real numbers or the labels, then one per missing code."""

    edges: tuple[Floats | None, ...]
    sizes: tuple[int, ...]

    @staticmethod
    def fit(real: Matrix, bins: int) -> Cells:
        """Bins are right-open and never empty of real rows by construction: edges are distinct quantiles."""
        edges: list[Floats | None] = []
        sizes = []
        for j, column in enumerate(real.columns):
            if column.labelled:
                edges.append(None)
                inner = len(column.categories or ())
            else:
                present = real.values[real.missing[:, j] < 0, j]
                cuts = np.linspace(0, 1, bins + 1)[1:-1]
                found = np.unique(np.quantile(present, cuts)) if len(present) else np.empty(0)
                edges.append(found)
                inner = len(found) + 1
            sizes.append(inner + len(column.missing_codes))
        return Cells(tuple(edges), tuple(sizes))

    def codes(self, matrix: Matrix) -> Ints:
        """Matrix (N, D) -> cell of each value, int64 (N, D), column-contiguous."""
        out = np.empty(matrix.values.shape, np.int64, order="F")
        for j, column in enumerate(matrix.columns):
            edges, missing = self.edges[j], matrix.missing[:, j]
            first = self.sizes[j] - len(column.missing_codes)
            x = np.where(missing < 0, matrix.values[:, j], 0.0)
            inner = x.astype(np.int64) if edges is None else np.searchsorted(edges, x, side="right")
            out[:, j] = np.where(missing < 0, inner, first + missing)
        return out
