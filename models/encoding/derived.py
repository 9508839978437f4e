"""Columns that follow from another column: they take no slot, and are looked up where that column has been decoded.

A column follows from a source whose every cell is one value (labels, or numbers of few distinct values) if, in the
training rows, each cell of the source goes with one value of the column; missing codes count as values. Chance and
near-identifiers explain many such relations, so one is accepted on evidence only (`_supported`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.conditions import Condition
from models.encoding.cells import Array, ColumnCells, need
from models.errors import InvalidArtifact
from models.ingest.dependencies import agree
from models.progress import SILENT, Progress
from models.schema import Column, Kind, Schema
from models.table import Table, Values

MOST_CELLS = 2_000
"""Cells of a source."""
MEAN_ROWS = 20
"""Training rows per cell of the source, at least: with fewer it is nearly an identifier."""
SEEN = 5
"""Rows of a cell that is seen often; COVERED of the rows must be of such cells."""
COVERED = 0.95
TESTS = 100
"""Rows that could have refuted the relation and did not, at least."""
CHUNK = 65_536
SAMPLE = 4_000
"""Rows looked at first, evenly spread."""
ABSENT = -2
"""In `missing`: the source has no such cell."""


@dataclass(frozen=True, eq=False)
class Lookup:
    """values, missing (coarse, fine): a column's value (or code of its category) and missing code, as in Values, by
    the cell of its source.
    """

    column: Column
    values: Array
    missing: Array

    def decode(self, cells: Array) -> Values:
        """The source's cells (N, 0 to 2) -> values."""
        full = np.zeros((len(cells), 2), np.int64)
        full[:, : cells.shape[1]] = cells
        values = self.values[full[:, 0], full[:, 1]]
        missing = self.missing[full[:, 0], full[:, 1]]
        return Values(values.astype(np.int32) if self.column.labelled else values, missing)

    def mass(self, condition: Condition) -> Array:
        """1.0 for each cell of the source where this column meets the condition, else 0.0: (coarse, fine)."""
        present = self.missing == -1
        if condition.missing:
            met = self.missing >= 0
        elif condition.values is not None:
            allowed = np.isin(np.array(self.column.categories or ()), np.array(condition.values))
            met = present & np.append(allowed, False)[np.where(present, self.values, -1).astype(np.int64)]
        elif self.column.labelled:
            met = present
        else:
            met = present & condition.accepts(self.values)
        if condition.missing is None:
            met = met | (self.missing >= 0)
        return np.asarray(met, np.float64)


@dataclass(frozen=True, eq=False)
class Derived:
    """A column and the one it follows from: modelled, or derived before it. lookup: None where it repeats its source
    word for word.
    """

    column: Column
    source: str
    lookup: Lookup | None = None

    def to_json(self) -> dict[str, Any]:
        return {"name": self.column.name, "source": self.source, "repeats": self.lookup is None}

    def tensors(self) -> dict[str, Array]:
        if self.lookup is None:
            return {}
        return {"values": self.lookup.values.astype(np.float64), "missing": self.lookup.missing.astype(np.int16)}


def derived_from(
    schema: Schema, raw: Mapping[str, Any], tensors: Mapping[str, Array], columns: Mapping[str, ColumnCells]
) -> Derived:
    """Inverse of to_json and tensors. columns: the modelled ones by name. Raises InvalidArtifact, KeyError."""
    column, source = schema[need(raw, "name", str)], need(raw, "source", str)
    if need(raw, "repeats", bool):
        return Derived(column, source)
    if source not in columns:
        raise InvalidArtifact("A derived column has a source that is not modelled.", hint="Train again.")
    values, missing = tensors["values"].astype(np.float64), tensors["missing"].astype(np.int16)
    fine = columns[source].fine
    real = np.arange(int(fine.max(initial=1)))[None, :] < fine[:, None]
    present = missing == -1
    known = present & np.isfinite(values)
    if column.labelled:
        known &= (values >= 0) & (values < len(column.categories or ())) & (values == np.round(values))
    fits = values.shape == missing.shape == real.shape and (known | (missing >= 0))[real].all()
    if not fits or missing.max(initial=-1) >= len(column.missing_codes):
        raise InvalidArtifact("A derived column does not fit its source's cells.", hint="Train again.")
    return Derived(column, source, Lookup(column, values, missing))


def find_derived(
    table: Table, columns: Sequence[ColumnCells], progress: Progress = SILENT
) -> tuple[tuple[Derived, ...], tuple[ColumnCells, ...]]:
    """Which of the columns follow from which, in the training rows -> derived ones, and those that remain.

    Of columns that determine each other the first labelled one remains, of a chain the first link; a column that
    follows from several follows from the coarsest that remains.
    """
    pairs = _candidates(table, columns, progress)
    if not pairs:
        return (), tuple(columns)
    ranked = sorted(range(len(columns)), key=lambda i: (-_cells(columns[i]), not columns[i].column.labelled, i))
    lookups = _lookups(table, columns, pairs, progress)
    root: dict[int, int] = {}
    for j in ranked:
        found = {root.get(i, i) for i in ranked[: ranked.index(j)] if (i, j) in lookups}
        if found:
            root[j] = min(found, key=lambda i: (_cells(columns[i]), not columns[i].column.labelled, i))
    # A chain may lead to a source whose own lookup of the last link fell short of the evidence alone.
    composed = [(i, j) for j, i in root.items() if (i, j) not in lookups]
    lookups |= _lookups(table, columns, composed, progress, evidence=False)
    out = []
    for j in sorted(root):
        column = columns[j].column
        out.append(Derived(column, columns[root[j]].column.name, Lookup(column, *lookups[root[j], j])))
    return tuple(out), tuple(c for j, c in enumerate(columns) if j not in root)


def _cells(column: ColumnCells) -> int:
    return int(column.fine.sum())


def _keys(column: ColumnCells, values: Values) -> Array:
    """One number per cell of two stages: (N,)."""
    cells, width = column.encode(values), int(column.fine.max(initial=1))
    return np.asarray(cells[:, 0] * width + (cells[:, 1] if cells.shape[1] > 1 else 0))


def _candidates(table: Table, columns: Sequence[ColumnCells], progress: Progress) -> list[tuple[int, int]]:
    """(source, dependent): pairs of columns that a sample of rows does not refute."""
    rows = len(table)
    varying = [i for i, c in enumerate(columns) if c.sizes]
    sources = [
        i
        for i in varying
        if columns[i].codec.exact
        and columns[i].column.kind is not Kind.WEIGHT
        and _cells(columns[i]) <= min(MOST_CELLS, rows / MEAN_ROWS)
    ]
    if not sources:
        return []
    part = table.take(np.unique(np.linspace(0, rows - 1, min(rows, SAMPLE)).astype(np.int64)))
    values = {i: part.values(columns[i].column.name) for i in varying}
    codes = np.stack([_codes(values[i]) for i in varying], 1)
    out = []
    for i in sources:
        progress.check()
        keys = np.unique(_keys(columns[i], values[i]), return_inverse=True)[1].astype(np.int32)
        out += [(i, varying[b]) for b in np.flatnonzero(agree(keys, codes)) if varying[b] != i]
    return out


def _codes(values: Values) -> Array:
    """int32 (N,): equal for equal values, missing codes included."""
    both = np.where(values.missing < 0, np.nan_to_num(values.values.astype(np.float64)), 0.0)
    found = np.unique(both, return_inverse=True)[1] * (int(values.missing.max(initial=-1)) + 2) + values.missing + 1
    return np.asarray(np.unique(found, return_inverse=True)[1], np.int32)


def _lookups(
    table: Table,
    columns: Sequence[ColumnCells],
    pairs: Sequence[tuple[int, int]],
    progress: Progress,
    *,
    evidence: bool = True,
) -> dict[tuple[int, int], tuple[Array, Array]]:
    """values, missing (coarse, fine) of the pairs that hold in all rows, and with evidence if asked.

    Reads the rows in chunks, so that memory grows with the columns alone.
    """
    tables = {p: _empty(columns[p[0]]) for p in pairs}
    rows_of = {i: np.zeros(tables[i, j][0].size, np.int64) for i, j in pairs}
    for chunk in _chunks(table):
        progress.check()
        values = {i: chunk.values(columns[i].column.name) for p in tables for i in p}
        keys = {i: _keys(columns[i], values[i]) for i, _ in tables}
        for i, k in keys.items():
            rows_of[i] += np.bincount(k, minlength=len(rows_of[i]))
        tables = {(i, j): t for (i, j), t in tables.items() if _learn(t, keys[i], values[j])}
    return {(i, j): t for (i, j), t in tables.items() if not evidence or _supported(rows_of[i], *t)}


def _chunks(table: Table) -> Iterator[Table]:
    for start in range(0, len(table), CHUNK):
        yield table.take(slice(start, start + CHUNK))


def _empty(source: ColumnCells) -> tuple[Array, Array]:
    shape = (len(source.fine), int(source.fine.max(initial=1)))
    return np.zeros(shape), np.full(shape, ABSENT, np.int16)


def _learn(lookup: tuple[Array, Array], keys: Array, dependent: Values) -> bool:
    """Fill in the cells that these rows are the first to show. -> whether all rows agree with the lookup."""
    values, missing = lookup[0].reshape(-1), lookup[1].reshape(-1)
    numbers = np.where(dependent.missing < 0, dependent.values, 0.0)
    first, at = np.unique(keys, return_index=True)
    new = missing[first] == ABSENT
    values[first[new]], missing[first[new]] = numbers[at[new]], dependent.missing[at[new]]
    return bool((missing[keys] == dependent.missing).all() and (values[keys] == numbers).all())


def _supported(rows: Array, values: Array, missing: Array) -> bool:
    """Whether more than chance stands behind a relation. rows: of each cell of the source.

    A row tests it if it is not the first of its cell, and if its cell does not go with the commonest value (which
    cells would share by chance).
    """
    seen = np.flatnonzero(rows)
    count = rows[seen]
    if count.mean() < MEAN_ROWS or count[count >= SEEN].sum() < COVERED * count.sum():
        return False
    outcome = np.stack([values.reshape(-1)[seen], missing.reshape(-1)[seen]])
    kinds, which = np.unique(outcome, axis=1, return_inverse=True)
    common = np.bincount(which, count).argmax() if kinds.shape[1] > 1 else 0
    return int((count - 1)[which != common].sum()) >= TESTS
