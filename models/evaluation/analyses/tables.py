"""An analyst's table: a statistic per cell with its standard error, of any table whose cells the real rows fix."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from models.errors import InvalidInput
from models.evaluation.analyses.overlap import Z
from models.evaluation.analyses.requests import CrossTable
from models.evaluation.matrix import Floats, Ints, Matrix, weights_of
from models.schema import Column, Kind

GROUPS, MOST_VALUES, MOST_CELLS, FEWEST, FEWEST_OF = 5, 12, 2_000, 5, 20
"""Numbers of more than MOST_VALUES values are grouped by real quantiles. Cells of fewer than FEWEST rows in both tables
are left out, and so are means, medians and shares of fewer than FEWEST_OF real rows."""
DAY = 86_400.0


@dataclass(frozen=True, eq=False)
class Side:
    """Groups of one column. codes: values that are groups of their own, or None; edges: of right-open bins."""

    place: int
    names: tuple[str, ...]
    codes: Floats | None
    edges: Floats

    def of(self, matrix: Matrix) -> Ints:
        """Group of each row; the last one holds what is missing or new."""
        x = matrix.values[:, self.place]
        last = len(self.names) - 1
        if self.codes is None:
            at = np.searchsorted(self.edges, x, side="right")
        elif not len(self.codes):
            at = np.full(len(x), last)
        else:
            near = np.searchsorted(self.codes, x).clip(0, len(self.codes) - 1)
            at = np.where(self.codes[near] == x, near, last)
        return np.where(np.isnan(x), last, at).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Cells:
    """Estimates per cell (c,), their standard errors, and the rows that each rests on. rows: of the table; share: the
    weighted share of each cell."""

    values: Floats
    errors: Floats
    counts: Floats
    rows: int


@dataclass(frozen=True, eq=False)
class Layout:
    analysis: CrossTable
    sides: tuple[Side, ...]
    event: float | None
    total: float

    @staticmethod
    def fit(analysis: CrossTable, real: Matrix) -> Layout:
        """Raises InvalidInput where there would be too many cells."""
        names = [c.name for c in real.columns]
        sides = tuple(_side(real, names.index(n)) for n in analysis.by)
        cells = int(np.prod([len(s.names) for s in sides]))
        if cells > MOST_CELLS:
            raise InvalidInput(
                f"The table has {cells:,} cells; {MOST_CELLS:,} are the most.", hint="Name fewer columns."
            )
        event = None
        if analysis.statistic == "share" and analysis.of is not None:
            event = _event(real, names.index(analysis.of), analysis.event)
        return Layout(analysis, sides, event, float(len(real)))

    @property
    def names(self) -> list[tuple[str, ...]]:
        """Labels of each cell, in the order of the estimates."""
        return list(itertools.product(*(s.names for s in self.sides)))

    def read(self, matrix: Matrix) -> Cells:
        """Estimates of a table. Counts are scaled to the real table's rows."""
        at = np.zeros(len(matrix), np.int64)
        for side in self.sides:
            at = at * len(side.names) + side.of(matrix)
        cells, n = len(self.names), len(matrix)
        w = weights_of(matrix)
        counts = np.bincount(at, minlength=cells).astype(float)
        if self.analysis.of is None:
            values, errors = _shares(at, cells, n, w)
            times = self.total if self.analysis.statistic == "count" else 1.0
            return Cells(values * times, errors * times, counts, n)
        j = [c.name for c in matrix.columns].index(self.analysis.of)
        y = matrix.values[:, j] / (DAY if matrix.columns[j].kind is Kind.DATETIME else 1.0)
        kept = np.isfinite(y)
        at, y, w = at[kept], y[kept], None if w is None else w[kept]
        counts = np.bincount(at, minlength=cells).astype(float)
        if self.analysis.statistic == "median":
            values, errors = _medians(at, y, cells)
        elif self.event is not None:
            values, errors = _means(at, (y == self.event).astype(float), cells, w, share=True)
        else:
            values, errors = _means(at, y, cells, w, share=False)
        return Cells(values, errors, counts, n)


def _side(real: Matrix, place: int) -> Side:
    column, x = real.columns[place], real.values[:, place]
    found = np.unique(x[np.isfinite(x)])
    last = "(missing)"
    if column.labelled:
        labels = column.categories or ()
        return Side(place, (*(labels[int(k)] for k in found), last), found, np.empty(0))
    if len(found) <= MOST_VALUES:
        return Side(place, (*(_text(column, v) for v in found), last), found, np.empty(0))
    edges = np.unique(np.quantile(x[np.isfinite(x)], np.linspace(0, 1, GROUPS + 1)[1:-1]))
    edges = edges[edges > found[0]]
    ends = [_text(column, e) for e in edges]
    names = [f"below {ends[0]}", *(f"{a} to {b}" for a, b in itertools.pairwise(ends)), f"{ends[-1]} or more"]
    return Side(place, (*names, last), None, edges)


def _text(column: Column, value: float) -> str:
    if column.kind is Kind.DATETIME:
        return str(np.datetime64(int(value), "s"))[:10]
    return f"{value:g}"


def _event(real: Matrix, place: int, label: str | None) -> float:
    column = real.columns[place]
    if column.labelled:
        return float((column.categories or ()).index(label)) if label is not None else 1.0
    x = real.values[:, place]
    return float(np.nanmax(x)) if np.isfinite(x).any() else 1.0


def _shares(at: Ints, cells: int, n: int, w: Floats | None) -> tuple[Floats, Floats]:
    """Shares of the cells; errors by Agresti and Coull (1998), so that an empty cell has one too."""
    if w is None:
        counts = np.bincount(at, minlength=cells)
        p = (counts + Z**2 / 2) / (n + Z**2)
        return counts / max(n, 1), np.sqrt(p * (1 - p) / (n + Z**2))
    share = np.bincount(at, w, cells) / w.sum()
    squares = np.bincount(at, w**2, cells)
    effective = w.sum() ** 2 / (w**2).sum()
    p = (share * effective + Z**2 / 2) / (effective + Z**2)
    least = p * (1 - p) / (effective + Z**2)
    spread = squares * (1 - 2 * share) + (w**2).sum() * share**2
    return share, np.sqrt(np.maximum(spread / w.sum() ** 2, np.where(squares > 0, 0, least)))


def _means(at: Ints, y: Floats, cells: int, w: Floats | None, *, share: bool) -> tuple[Floats, Floats]:
    """Means of y by cell; NaN for empty cells. share: y is 0 or 1, errors by Agresti and Coull."""
    w = np.ones(len(y)) if w is None else w
    total, squares = np.bincount(at, w, cells), np.bincount(at, w**2, cells)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(at, w * y, cells) / total
        effective = total**2 / squares
        if share:
            p = (mean * effective + Z**2 / 2) / (effective + Z**2)
            return mean, np.sqrt(p * (1 - p) / (effective + Z**2))
        off = (y - mean[at]) ** 2
        error = np.sqrt(np.bincount(at, w**2 * off, cells)) / total
        return mean, error * np.sqrt(effective / (effective - 1).clip(1e-9))


def _medians(at: Ints, y: Floats, cells: int) -> tuple[Floats, Floats]:
    """Medians by cell and errors from the order statistics 1.96 standard errors of the rank either side (Woodruff 1952,
    J. American Statistical Association 47, 635-646). Weights are not used."""
    value, error = np.full(cells, np.nan), np.full(cells, np.nan)
    order = np.lexsort((y, at))
    ends = np.cumsum(np.bincount(at, minlength=cells))
    for c, end in enumerate(ends):
        found = y[order[ends[c - 1] if c else 0 : end]]
        n = len(found)
        if n < FEWEST_OF:
            continue
        reach = Z * np.sqrt(n) / 2
        low, high = int(max(0, np.floor((n - 1) / 2 - reach))), int(min(n - 1, np.ceil((n - 1) / 2 + reach)))
        value[c] = float(np.median(found))
        spread = (found[high] - found[low]) / (2 * Z)
        error[c] = spread if spread > 0 else found.std() / np.sqrt(n)
    return value, error
