"""Noisy yardsticks from the paid evaluation share: one more release of tables of counts, laid out for this sample.

What is proved (docs/privacy.md, "The public report"). Which tables are counted, how cells are merged and which model
predicts the target is decided from the synthetic rows, the domain and a seed: from nothing else that is private. Each
real row is then mapped, by itself, to one cell of each table, and the tables are released as those of the fit are
(models.dp.release, whose lemma and sensitivity apply as they stand): a row changes each table by one in one cell, a
unit of k rows by an integer vector of L1 norm at most k. The release is charged beside those of the domain and the fit
as one more in sequence. That holds for all rows and for any part of them that each unit is in by a rule of its own; it
does NOT hold for a part drawn as a share of the rows, because one row more draws another part.

A classifier's AUC, too, is read off a table: rows by bins of the predicted score and truth. Its bins are quantiles of
scores of synthetic rows.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from models.accounting import History
from models.dp.noise import Bytes
from models.dp.pairs import Axes, Workload
from models.dp.release import Release, release_for
from models.errors import InvalidInput
from models.rng import stream

Array = npt.NDArray[Any]
CELLS_ONE, CELLS_TWO = 32, 6
"""Cells of a column, at most: by itself, and in a pair. Neighbouring cells are merged where it has more."""
PAIRS = 20
"""Pairs that are measured, drawn at random: noise grows with their number."""
SCORES, MOST_CLASSES = 20, 16
SHARES = (0.25, 0.4, 0.3, 0.05)
"""Of columns, pairs, the prediction of the target, and the number of rows where that is not public."""
MOST_ROWS, LEAST_ROWS = 20_000, 50
"""Synthetic rows that a model is trained on, and without which none is."""
MOST_COUNTED, PIECE = 200_000, 500_000
"""Synthetic rows that are counted; rows that are mapped to cells at a time."""


@dataclass(frozen=True)
class Prediction:
    """A model that was trained on synthetic rows, and how real ones are sorted by it. edges (SCORES - 1,): of the
    predicted score where the target has two classes; else none, and the predicted class counts. own: the same table of
    synthetic rows that it was not trained on."""

    target: int
    classes: int
    model: Any
    edges: Array | None
    own: Array

    def cells(self, codes: Array) -> Array:
        """Cell (N,) of each row: its bin of the score, or its predicted class."""
        score = self.model.predict_proba(np.delete(codes, self.target, axis=1).astype(np.float64))
        if self.edges is not None:
            positive = score[:, 1] if score.shape[1] > 1 else np.full(len(codes), float(self.model.classes_[0]))
            return np.searchsorted(self.edges, positive, side="right").astype(np.int64)
        found: Array = self.model.classes_[np.argmax(score, axis=1)].astype(np.int64)
        return found

    @property
    def bins(self) -> int:
        return self.classes if self.edges is None else len(self.edges) + 1


@dataclass(frozen=True)
class Layout:
    """Tables to count, decided from synthetic rows alone. maps: of each derived column but those of the prediction
    (column, cell of each code). workload: over derived columns. pairs: columns of each pair that is measured."""

    sizes: tuple[int, ...]
    maps: tuple[tuple[int, Array], ...]
    workload: Workload
    pairs: tuple[tuple[int, int], ...]
    prediction: Prediction | None
    note: str = ""

    def derived(self, codes: Array) -> Array:
        """Codes (N, d) -> cells (N, derived columns), each row by itself. Codes outside count as the nearest."""
        out = np.empty((len(codes), len(self.workload.sizes)), np.uint8)
        for first in range(0, len(codes), PIECE):
            piece = slice(first, first + PIECE)
            inside = np.clip(codes[piece].astype(np.int64), 0, np.array(self.sizes) - 1)
            for i, (c, cells) in enumerate(self.maps):
                out[piece, i] = cells[inside[:, c]]
            if self.prediction is not None:
                out[piece, -2] = self.prediction.cells(inside)
                out[piece, -1] = inside[:, self.prediction.target]
        return out

    def axes_of(self, columns: Sequence[int]) -> Axes:
        """Derived columns of one column's, or one pair's, table."""
        d = len(self.sizes)
        return (columns[0],) if len(columns) == 1 else tuple(d + c for c in columns)


@dataclass(frozen=True)
class Measured:
    """All that was measured. release: noisy tables of the real rows over derived columns. synthetic: the same tables of
    the synthetic rows, exact. rows: how many synthetic ones."""

    layout: Layout
    release: Release
    synthetic: tuple[Array, ...] = field(repr=False)
    rows: int


def layout_of(
    synthetic: Array, sizes: Sequence[int], *, target: int | None = None, rows_public: bool = True, seed: int = 0
) -> Layout:
    """What to count. synthetic (n, d): codes. target: column to predict from the others. Raises InvalidInput."""
    sizes = tuple(int(s) for s in sizes)
    if synthetic.ndim != 2 or synthetic.shape[1] != len(sizes) or not len(synthetic):
        raise InvalidInput("The sample has no rows in these columns.", hint="Draw some.")
    d = len(sizes)
    masses = [np.bincount(synthetic[:, c], minlength=size) for c, size in enumerate(sizes)]
    maps = tuple((c, merged(masses[c], most)) for most in (CELLS_ONE, CELLS_TWO) for c in range(d))
    cells = [int(m.max()) + 1 for _, m in maps]
    every = list(combinations(range(d), 2))
    chosen = stream(seed, "pairs of the public report").permutation(len(every))[:PAIRS]
    pairs = tuple(every[i] for i in sorted(chosen))
    prediction, note = _prediction(synthetic, sizes, target, seed)
    groups: list[tuple[list[Axes], float]] = [([(c,) for c in range(d)], SHARES[0])]
    groups.append(([(d + a, d + b) for a, b in pairs], SHARES[1]))
    if prediction is not None:
        cells += [prediction.bins, prediction.classes]
        groups.append(([(2 * d, 2 * d + 1)], SHARES[2]))
    if not rows_public:
        groups.append(([()], SHARES[3]))
    groups = [(tables, part) for tables, part in groups if tables]
    whole = math.fsum(part for _, part in groups)
    axes = tuple(t for tables, _ in groups for t in tables)
    shares = tuple(part / whole / len(tables) for tables, part in groups for _ in tables)
    return Layout(sizes, maps, Workload(tuple(cells), axes, shares), pairs, prediction, note)


def measure(
    codes: Array,
    layout: Layout,
    synthetic: Array,
    history: History,
    *,
    rows: int | None = None,
    rows_per_unit: int = 1,
    units: Array | None = None,
    source: Bytes = os.urandom,
) -> Measured:
    """Spend account `evaluation`: one release of the layout's tables of real rows, codes (N, d).

    history: of that account (models.privacy.plan). rows: their number where it is public. units (N,): as in
    models.dp.release. source: anything but the default is for tests. Raises InvalidInput before a row is read.
    """
    if len(history) != 1 or history[0].mechanism != "gaussian":
        raise InvalidInput("The evaluation is planned as one Gaussian release.", hint="See models.privacy.plan.")
    how: dict[str, Any] = {"rows": rows, "rows_per_unit": rows_per_unit, "units": units, "source": source}
    drawn = release_for(layout.derived(codes), layout.workload, history[0], **how)
    own = layout.derived(synthetic[:MOST_COUNTED])
    tables = tuple(table_of(own, layout.workload.sizes, axes) for axes in layout.workload.axes)
    return Measured(layout, drawn, tables, len(own))


def merged(masses: Array, most: int) -> Array:
    """Cell (size,) of each code: neighbours together, so that there are at most `most` and their masses are even."""
    if len(masses) <= most:
        return np.arange(len(masses))
    middle = np.cumsum(masses) - masses / 2
    group = np.minimum((most * middle / max(1, masses.sum())).astype(np.int64), most - 1)
    cells: Array = np.unique(group, return_inverse=True)[1]
    return cells


def table_of(codes: Array, sizes: Sequence[int], axes: Axes) -> Array:
    """Exact counts of synthetic rows."""
    cell = np.zeros(len(codes), dtype=np.int64)
    for c in axes:
        cell = cell * sizes[c] + codes[:, c]
    shape = tuple(sizes[c] for c in axes)
    return np.bincount(cell, minlength=math.prod(shape)).reshape(shape)


def _prediction(
    synthetic: Array, sizes: tuple[int, ...], target: int | None, seed: int
) -> tuple[Prediction | None, str]:
    """The model, or None and why. Sees synthetic rows only."""
    if target is None:
        return None, "No target was named."
    if not 2 <= sizes[target] <= MOST_CLASSES or len(sizes) < 2:
        return None, f"Only a target of 2 to {MOST_CLASSES} classes is predicted."
    from models.classifiers.boosting import Boosting

    order = stream(seed, "rows of the public report").permutation(len(synthetic))
    half = min(len(order) // 2, MOST_ROWS)
    train, other = synthetic[order[:half]], synthetic[order[half : 2 * half]]
    if half < LEAST_ROWS or len(np.unique(train[:, target])) < 2:
        return None, "The sample has too few rows or classes to train a model on."
    model = Boosting("binary" if sizes[target] == 2 else "multiclass", iterations=60, seed=seed)
    model.fit(np.delete(train, target, axis=1).astype(np.float64), train[:, target])
    edges = None
    if sizes[target] == 2:
        score = model.predict_proba(np.delete(other, target, axis=1).astype(np.float64))[:, 1]
        inner = np.quantile(score, np.linspace(0, 1, SCORES)[1:-1])
        edges = np.unique(np.r_[inner, 0.5])
    found = Prediction(target, sizes[target], model, edges, np.zeros(0))
    own = table_of(np.column_stack([found.cells(other), other[:, target]]), (found.bins, found.classes), (0, 1))
    return Prediction(target, sizes[target], model, edges, own), ""
