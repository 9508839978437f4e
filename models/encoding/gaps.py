"""The missing cells of a table, seen through an encoding: what is known of each row, what is to be filled, and how.

Columns that repeat each other share a group; a group that follows from another column (models/encoding/derived.py) is
looked up there, and its known values limit that column's cells where those are missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.encoding.cells import Array, ColumnCells
from models.encoding.derived import Lookup
from models.encoding.encoding import TableEncoding
from models.errors import Detail, InvalidData
from models.schema import Column, Kind
from models.table import Table, Values, parse_datetimes, read_values, write_values


@dataclass(frozen=True, eq=False)
class Group:
    """Columns that repeat each other. text: their common spelling (N,), values: of it. wanted: which cells of each
    column are to be filled.
    """

    column: Column
    text: pa.ChunkedArray
    values: Values
    wanted: Mapping[str, Array]

    @property
    def open(self) -> Array:
        """Rows that have no value yet and want one."""
        return np.asarray(np.logical_or.reduce(list(self.wanted.values())) & (self.values.missing >= 0))


@dataclass(frozen=True, eq=False)
class Family:
    """A modelled column with all that follows from it. known: rows whose cell the generator knows; drawn: rows whose
    cell it is to draw.
    """

    cells: ColumnCells
    own: Group
    followers: tuple[tuple[Lookup, Group], ...]
    known: Array
    drawn: Array

    def limits(self, rows: Array) -> tuple[Array, Array] | None:
        """What the followers' values leave of the column's cells in these rows: a case for each row (B,), and the cells
        that each case allows (cases, coarse, fine). None where they say nothing.
        """
        told = [(k, _codes(k, g, rows)) for k, g in self.followers]
        told = [(k, codes) for k, codes in told if (codes >= 0).any()]
        if not told:
            return None
        cases, case = np.unique(np.stack([codes for _, codes in told], 1), axis=0, return_inverse=True)
        fine = self.cells.fine
        values = np.arange(int(fine.max(initial=1)))[None, :] < fine[:, None]
        values[len(self.cells.codec.fine) :] = False  # the missing ones
        allowed = np.repeat(values[None], len(cases), 0)
        for (lookup, _), codes in zip(told, cases.T, strict=True):
            allowed &= (_ids(lookup)[0] == codes[:, None, None]) | (codes < 0)[:, None, None]
        # Values that never went together in the training rows cannot all be met.
        allowed[~allowed.any((1, 2))] = values
        return case.reshape(-1), allowed


def _ids(lookup: Lookup) -> tuple[Array, Array]:
    """Number of the value that goes with each cell of the source (coarse, fine), -1 where none does; the values."""
    present = lookup.missing == -1
    values, ids = np.unique(lookup.values[present], return_inverse=True)
    out = np.full(present.shape, -1, np.int64)
    out[present] = ids
    return out, values


def _codes(lookup: Lookup, group: Group, rows: Array) -> Array:
    """Number of the value in these rows, -1 where it is missing or unknown."""
    _, values = _ids(lookup)
    here = group.values.values[rows].astype(np.float64)
    at = np.searchsorted(values, here).clip(max=max(0, len(values) - 1))
    known = (group.values.missing[rows] < 0) & (values[at] == here if len(values) else False)
    return np.where(known, at, -1)


def read_families(encoding: TableEncoding, table: Table, chosen: set[str], codes: Sequence[str] | None) -> list[Family]:
    """chosen: columns to fill; codes: missing codes to fill, None: all. Raises InvalidSchema, InvalidData."""
    heads = {c.column.name: c.column.name for c in encoding.columns}
    for d in encoding.derived:
        heads[d.column.name] = heads[d.source] if d.lookup is None else d.column.name
    groups = {
        head: _read_group([n for n, h in heads.items() if h == head], encoding, table, chosen, codes)
        for head in dict.fromkeys(heads.values())
    }
    out = []
    for column in encoding.columns:
        name = column.column.name
        own = groups[name]
        followers = tuple(
            (d.lookup, groups[d.column.name]) for d in encoding.derived if d.lookup is not None and d.source == name
        )
        known = _known(column, own.values) & ~own.open
        asked = np.logical_or.reduce([own.open, *(g.open & ~known for _, g in followers)])
        out.append(Family(column, own, followers, known, asked & (len(column.codec.fine) > 0)))
    return out


def _read_group(
    names: Sequence[str], encoding: TableEncoding, table: Table, chosen: set[str], codes: Sequence[str] | None
) -> Group:
    text, wanted = None, {}
    absent = np.ones(len(table), bool)
    for name in names:
        column = merged(encoding.schema[name], table.schema[name])
        raw = table.data.column(name).cast(pa.string())
        values = read_values(raw, column)
        _check_range(values, column)
        meant = [i for i, code in enumerate(column.missing_codes) if codes is None or code in codes]
        wanted[name] = np.isin(values.missing, meant) & (name in chosen)
        # The first of them that has a value speaks for all.
        text = raw if text is None else pc.if_else(pa.array(absent & (values.missing < 0)), raw, text)
        absent &= values.missing >= 0
    first = encoding.schema[names[0]]
    return Group(first, text, read_values(text, merged(first, table.schema[names[0]])), wanted)


def merged(own: Column, given: Column) -> Column:
    """The synthesizer's column, with the missing codes that only this table has behind its own."""
    more = [c for c in given.missing_codes if c not in own.missing_codes and c not in (own.categories or ())]
    return replace(own, missing_codes=(*own.missing_codes, *more))


def _check_range(values: Values, column: Column) -> None:
    """Raises InvalidData naming column and line where a value lies outside what the synthesizer knows."""
    if column.labelled:
        return
    with np.errstate(invalid="ignore"):
        low, high = _bound(column.minimum, column), _bound(column.maximum, column)
        wrong = (values.missing < 0) & ((values.values < low) | (values.values > high))
    if wrong.any():
        what = f"{int(wrong.sum())} value(s) lie outside {column.minimum} to {column.maximum}"
        line = int(np.flatnonzero(wrong)[0]) + 2
        raise InvalidData(
            f"Column {column.name!r}: {what} (first at line {line}), which the synthesizer does not know.",
            hint="Correct them, or name them in `missing_codes` of the dataset's schema so that they are imputed.",
            errors=[Detail(("column", column.name), what), Detail(("line", line), "outside the range")],
        )


def _bound(bound: float | str | None, column: Column) -> float:
    """A bound as a number; NaN, with which no comparison holds, where there is none."""
    if isinstance(bound, str):
        if column.kind is not Kind.DATETIME:
            return float("nan")
        return float(parse_datetimes(pa.array([bound]), column.datetime_format or "%Y-%m-%d")[0])
    return float("nan") if bound is None else float(bound)


def _known(column: ColumnCells, values: Values) -> Array:
    """Rows whose cell the generator knows: neither a label nor a missing code that no training row had."""
    present = values.missing < 0
    out = np.isin(values.missing, column.missing)
    out[present] = column.codec.knows(values.values[present])
    return out


def fill(
    data: pa.Table,
    family: Family,
    cells: Array,
    uniforms: Array,
    encoding: TableEncoding,
    numbers: dict[str, Array],
) -> tuple[pa.Table, dict[str, int]]:
    """Write a family's values by the cells of all slots (N, S) where they are wanted -> the table, cells filled by
    column.

    uniforms (N, 2). numbers: those (N,) of columns that later ones have links to; the new ones are put in. A column
    that follows from a known cell with which no training row had a value stays as it is.
    """
    own, text = family.own, family.own.text
    if family.drawn.any():
        drawn, name = family.drawn, own.column.name
        others = {n: v[drawn] for n, v in numbers.items()}
        decoded = encoding.values(name, family.cells, cells[drawn].astype(np.int64), uniforms[drawn], others)
        if name in numbers:
            numbers[name][drawn] = others[name]
        text = pc.replace_with_mask(text, pa.array(family.drawn), write_values(decoded, own.column))
    data, filled = _write(data, own, text, family.drawn | (own.values.missing < 0))
    for lookup, group in family.followers:
        rows = group.open & (family.known | family.drawn)
        found = lookup.decode(cells[rows, encoding.slots[own.column.name]].astype(np.int64))
        rows[rows] = present = found.missing < 0
        new = write_values(Values(found.values[present], found.missing[present]), group.column)
        text = pc.replace_with_mask(group.text, pa.array(rows), new)
        data, more = _write(data, group, text, rows | (group.values.missing < 0))
        filled |= more
    return data, filled


def _write(data: pa.Table, group: Group, text: pa.ChunkedArray, ready: Array) -> tuple[pa.Table, dict[str, int]]:
    """text: with the new values, in the rows that are `ready`."""
    filled: dict[str, int] = {}
    for name, wanted in group.wanted.items():
        mask = wanted & ready
        filled[name] = int(mask.sum())
        if filled[name]:
            column = pc.if_else(pa.array(mask), text, data.column(name).cast(pa.string()))
            data = data.set_column(data.column_names.index(name), name, column)
    return data, filled
