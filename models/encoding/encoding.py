"""A whole table as cells and back: which columns take which slots, and what stands in for the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.conditions import Condition
from models.dates import second_decimals
from models.encoding.categorical import MAX_CELLS, categories_from, fit_categories
from models.encoding.cells import Array, Codec, ColumnCells, Restriction, need
from models.encoding.derived import SAMPLE, Derived, derived_from, find_derived
from models.encoding.linking import find_links
from models.encoding.links import Linked, linked_from
from models.encoding.numeric import Curve, curve_from, fit_curve
from models.encoding.surrogates import Surrogate, fit_surrogate, surrogate_from
from models.errors import Detail, InvalidArtifact, InvalidCondition
from models.progress import SILENT, Progress
from models.schema import Column, Kind, Schema
from models.table import Table, Values, parse_datetimes, write_values

PIECE = 500_000
"""Rows that are encoded at once: cells are small, the values that they are made of are not."""


@dataclass(frozen=True)
class Resolution:
    """How finely numbers are cut. direct: distinct values up to which each has a cell; coarse, fine: quantile bins."""

    direct: int
    coarse: int
    fine: int


@dataclass(frozen=True, eq=False)
class Layout:
    """Shapes that the generator needs. S slots in table order; W cells in all.

    sizes (S,): cells of each slot. parents (S,): for a fine slot the slot of its coarse cell, else -1. fine: for a
    fine slot the number of its cells that each coarse cell has (coarse,), else None. missing (S,): missing codes among
    the cells of each slot, the last ones; () where there are none. ordered (S,): cells of each slot that follow each
    other in order, the first ones; 0 where they are mere labels. links: slots that say
    how the next one's column stands to others.
    """

    sizes: tuple[int, ...]
    parents: tuple[int, ...]
    fine: tuple[Array | None, ...]
    missing: tuple[int, ...] = ()
    ordered: tuple[int, ...] = ()
    links: tuple[int, ...] = ()

    @property
    def width(self) -> int:
        return sum(self.sizes)

    @cached_property
    def offsets(self) -> Array:
        return np.concatenate([[0], np.cumsum(self.sizes)]).astype(np.int64)


@dataclass(frozen=True, eq=False)
class TableEncoding:
    """columns: the modelled ones. derived: those that follow from another. surrogates: the others. links: of columns
    among the modelled ones.
    """

    schema: Schema
    columns: tuple[ColumnCells, ...]
    surrogates: tuple[Surrogate, ...]
    derived: tuple[Derived, ...] = field(default=())
    links: tuple[Linked, ...] = field(default=())

    @cached_property
    def layout(self) -> Layout:
        sizes: list[int] = []
        parents: list[int] = []
        fine: list[Array | None] = []
        missing: list[int] = []
        ordered: list[int] = []
        for column in self.columns:
            here = column.sizes
            if (found := self._linked.get(column.column.name)) is not None:
                sizes.append(found.size)
                parents.append(-1)
                fine.append(None)
                missing.append(0)
                ordered.append(0)
            ordered += column.ordered
            missing += [len(column.missing), 0][: len(here)]
            parents += [-1] if len(here) == 1 else [-1, len(sizes)] if here else []
            fine += [None] if len(here) == 1 else [None, column.fine] if here else []
            sizes += here
        links = tuple(self.link_slots.values())
        return Layout(tuple(sizes), tuple(parents), tuple(fine), tuple(missing), tuple(ordered), links)

    @cached_property
    def slots(self) -> dict[str, slice]:
        """Slots of each modelled column's own cells."""
        out, at = {}, 0
        for column in self.columns:
            at += column.column.name in self._linked
            out[column.column.name] = slice(at, at + len(column.sizes))
            at += len(column.sizes)
        return out

    @cached_property
    def _linked(self) -> dict[str, Linked]:
        return {found.name: found for found in self.links}

    @cached_property
    def link_slots(self) -> dict[str, int]:
        """By column, the slot of its links: the one before its own."""
        return {name: self.slots[name].start - 1 for name in self._linked}

    @cached_property
    def link_sources(self) -> frozenset[str]:
        return frozenset[str]().union(*(found.sources for found in self.links))

    @property
    def copies(self) -> tuple[tuple[str, str], ...]:
        """(column, the column that it repeats word for word)."""
        return tuple((d.column.name, d.source) for d in self.derived if d.lookup is None)

    def cells(self, name: str) -> ColumnCells:
        """The modelled column of this name, or the one that it follows from."""
        sources = {d.column.name: d.source for d in self.derived}
        while name in sources:
            name = sources[name]
        return next(c for c in self.columns if c.column.name == name)

    def restrict(self, condition: Condition) -> tuple[ColumnCells, Restriction]:
        """The modelled column that a condition falls on, and what the condition leaves of its cells."""
        by_name = {d.column.name: d for d in self.derived}
        while (found := by_name.get(condition.column)) is not None:
            if found.lookup is not None:
                return self.cells(condition.column), Restriction(None, found.lookup.mass(condition))
            condition = replace(condition, column=found.source)
        column = self.cells(condition.column)
        return column, column.restrict(condition)

    def encode(self, table: Table, progress: Progress = SILENT) -> Array:
        """Rows -> cells (N, S), of the smallest type that holds them."""
        small = np.uint8 if max(self.layout.sizes, default=0) <= 256 else np.int16
        out = np.empty((len(table), len(self.layout.sizes)), small)
        for first in range(0, len(table), PIECE):
            self._encode(table.take(slice(first, first + PIECE)), out[first : first + PIECE], progress)
        return out

    def _encode(self, table: Table, out: Array, progress: Progress) -> None:
        others: dict[str, Array] = {}
        for column in self.columns:
            progress.check()
            if column.sizes:
                name = column.column.name
                values = table.values(name)
                cells = column.encode(values)
                out[:, self.slots[name]] = cells
                if name in self._linked:
                    out[:, self.link_slots[name]] = self._linked[name].encode(values, cells, others)
                if name in self.link_sources:
                    others[name] = values.numbers()

    def decode(
        self, cells: Array, uniforms: Array, rows: Array, conditions: Mapping[str, Condition] | None = None
    ) -> pa.Table:
        """Cells (N, S), uniforms (N, U) and row numbers (N,) -> stored table of all columns, in order.

        conditions: by modelled column; every decoded value meets its own.
        """
        done: dict[str, pa.Array] = {}
        others: dict[str, Array] = {}
        for i, column in enumerate(self.columns):
            name = column.column.name
            u = uniforms[:, 2 * i : 2 * i + 2]
            values = self.values(name, column, cells, u, others, (conditions or {}).get(name))
            done[name] = write_values(values, column.column)
        first = 2 * len(self.columns)
        for i, surrogate in enumerate(self.surrogates):
            done[surrogate.column.name] = surrogate.draw(rows, uniforms[:, first + i])
        for derived in self.derived:
            if derived.lookup is None:
                done[derived.column.name] = done[derived.source]
            else:
                values = derived.lookup.decode(cells[:, self.slots[derived.source]])
                done[derived.column.name] = write_values(values, derived.column)
        return pa.table([done[n] for n in self.schema.names], names=self.schema.names)

    def canonical(self, cells: Array, uniforms: Array) -> Array:
        """Cells (N, S) with uniforms (N, U) -> cells that the decoded values would be encoded to: a link may lead to
        another cell than the one drawn beside it.
        """
        if not self.links:
            return cells
        out, others = cells.copy(), dict[str, Array]()
        for i, column in enumerate(self.columns):
            name = column.column.name
            if name in self._linked or name in self.link_sources:
                values = self.values(name, column, cells, uniforms[:, 2 * i : 2 * i + 2], others)
                if name in self._linked:
                    out[:, self.slots[name]] = own = column.encode(values)
                    out[:, self.link_slots[name]] = self._linked[name].encode(values, own, others)
        return out

    def at_ends(self, cells: Array, uniforms: Array) -> Array:
        """Rows in which a number of two slots attains an end of its range: bool (N,)."""
        out = np.zeros(len(cells), bool)
        for i, column in enumerate(self.columns):
            if isinstance(column.codec, Curve) and len(column.sizes) > 1:
                own = cells[:, self.slots[column.column.name]]
                here = np.flatnonzero(own[:, 0] < len(column.codec.fine))
                out[here] |= column.codec.at_end(own[here], uniforms[here, 2 * i : 2 * i + 2])
        return out

    def values(
        self,
        name: str,
        column: ColumnCells,
        cells: Array,
        uniforms: Array,
        others: dict[str, Array],
        condition: Condition | None = None,
    ) -> Values:
        """One column's values by the cells of all slots (N, S) and uniforms (N, 2). others: numbers of the columns
        before, to which this one's are added if later ones have links to it.
        """
        own = cells[:, self.slots[name]]
        values = column.decode(own, uniforms, condition)
        if name in self._linked:
            which = cells[:, self.link_slots[name]]
            values = self._linked[name].decode(values, own, which, others, uniforms[:, 0], condition)
        if name in self.link_sources:
            others[name] = values.numbers()
        return values

    @property
    def uniforms(self) -> int:
        """Uniforms that decode needs for a row."""
        return 2 * len(self.columns) + len(self.surrogates)

    def to_json(self) -> dict[str, Any]:
        return {
            "columns": [
                {"name": c.column.name, "missing": list(c.missing), "codec": c.codec.to_json()} for c in self.columns
            ],
            "surrogates": [s.to_json() for s in self.surrogates],
            "derived": [d.to_json() for d in self.derived],
            "links": [k.to_json() for k in self.links],
        }

    def tensors(self) -> dict[str, Array]:
        parts: dict[str, Sequence[Codec | Derived]] = {
            "encoding": [c.codec for c in self.columns],
            "derived": self.derived,
        }
        return {f"{p}.{i}.{k}": v for p, xs in parts.items() for i, x in enumerate(xs) for k, v in x.tensors().items()}


def encoding_from(schema: Schema, raw: Mapping[str, Any], tensors: Mapping[str, Array]) -> TableEncoding:
    """Inverse of to_json and tensors. Raises InvalidArtifact."""
    try:
        columns = []
        for i, item in enumerate(need(raw, "columns", list)):
            column = schema[need(item, "name", str)]
            mine = _under(tensors, f"encoding.{i}.")
            spec = need(item, "codec", dict)
            codec: Codec = (
                categories_from(column, mine) if spec.get("type") == "categories" else curve_from(column, spec, mine)
            )
            columns.append(ColumnCells(column, codec, tuple(map(int, need(item, "missing", list)))))
        surrogates = [surrogate_from(schema[need(s, "name", str)], s) for s in need(raw, "surrogates", list)]
        known = {c.column.name: c for c in columns}
        derived: list[Derived] = []
        # Before columns were looked up, only those that repeat another were, under another name.
        old = [{"name": a, "source": b, "repeats": True} for a, b in raw.get("copies", ())]
        for i, item in enumerate(need({"derived": old, **raw}, "derived", list)):
            derived.append(derived_from(schema, item, _under(tensors, f"derived.{i}."), known))
        _check_names(schema, columns, derived, surrogates)
        links = tuple(linked_from(x, columns) for x in need({"links": [], **raw}, "links", list))
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise InvalidArtifact(f"The synthesizer's encoding is malformed: {error}.", hint="Train again.") from None
    return TableEncoding(schema, tuple(columns), tuple(surrogates), tuple(derived), links)


def _under(tensors: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _check_names(
    schema: Schema, columns: Sequence[ColumnCells], derived: Sequence[Derived], surrogates: Sequence[Surrogate]
) -> None:
    """Every column of the schema comes once, and a derived one after its source. Raises ValueError."""
    before = {c.column.name for c in columns}
    for d in derived:
        if d.source not in before:
            raise ValueError("a derived column without its source")
        before.add(d.column.name)
    names = [x.column.name for part in (columns, derived, surrogates) for x in part]
    if sorted(names) != sorted(schema.names):
        raise ValueError("the columns")


def fit_encoding(
    table: Table,
    resolution: Resolution,
    progress: Progress = SILENT,
    *,
    derive: bool = True,
    link: bool = False,
) -> TableEncoding:
    """Choose the cells of every column from the training rows. derive: columns that follow from another need none;
    link: numbers that stand in a simple relation to another one in many rows get a slot for that.
    """
    copies = _copies(table)
    repeated = dict(copies)
    columns, surrogates = [], []
    for i, column in enumerate(table.schema.columns):
        progress.check()
        progress.update(i / len(table.schema.columns), column.name)
        if not column.modelled:
            surrogates.append(fit_surrogate(table.column(column.name), column))
        elif column.name not in repeated:
            columns.append(_fit_column(table, column, resolution))
    derived: tuple[Derived, ...] = ()
    if derive:
        derived, kept = find_derived(table, [_as_codes(table, c, resolution) for c in columns], progress)
        sources, binned = {d.source for d in derived}, {c.column.name: c for c in columns}
        columns = [c if c.column.name in sources else binned[c.column.name] for c in kept]
    repeats = tuple(Derived(table.schema[name], source) for name, source in copies)
    links = find_links(table, columns, progress) if link else ()
    return TableEncoding(table.schema, tuple(columns), tuple(surrogates), derived + repeats, links)


def _copies(table: Table) -> tuple[tuple[str, str], ...]:
    """The schema's duplicates that hold in these rows and under the present kinds, each with the first of its like."""
    first: dict[str, str] = {}
    for name, earlier in table.schema.duplicates:
        earlier = first.get(earlier, earlier)
        if table.schema[name].modelled and table.schema[earlier].modelled:
            same = pc.equal(pc.fill_null(table.column(name), ""), pc.fill_null(table.column(earlier), ""))
            if pc.all(same).as_py():
                first[name] = earlier
    return tuple(first.items())


def _as_codes(table: Table, column: ColumnCells, resolution: Resolution) -> ColumnCells:
    """A binned number of not too many values with a cell for each: what it is if another column follows from it."""
    if column.codec.exact or not column.column.numeric or not column.sizes:
        return column
    part = table.take(np.unique(np.linspace(0, len(table) - 1, min(len(table), SAMPLE)).astype(np.int64)))
    if len(np.unique(part.values(column.column.name).values)) > MAX_CELLS:
        return column
    found = _fit_column(table, column.column, replace(resolution, direct=MAX_CELLS))
    return found if found.codec.exact else column


def _fit_column(table: Table, column: Column, resolution: Resolution) -> ColumnCells:
    values = table.values(column.name)
    present = values.values[values.missing < 0]
    missing = tuple(int(m) for m in np.unique(values.missing) if m >= 0)
    codec: Codec
    if column.labelled:
        codec = fit_categories(present, column)
    else:
        low, high = (float(present.min()), float(present.max())) if len(present) else (0.0, 0.0)
        codec = fit_curve(
            present,
            column,
            bounds=(min(low, _bound(column.minimum, column, low)), max(high, _bound(column.maximum, column, high))),
            decimals=_decimals(column),
            direct=resolution.direct,
            coarse=resolution.coarse,
            fine=resolution.fine,
        )
    return ColumnCells(column, codec, missing)


def _bound(bound: float | str | None, column: Column, otherwise: float) -> float:
    """A bound of the schema as a number (seconds for a datetime); `otherwise` where there is none."""
    if bound is None:
        return otherwise
    if isinstance(bound, str):
        seconds = float(parse_datetimes(pa.array([bound]), column.datetime_format or "%Y-%m-%d")[0])
        return seconds if np.isfinite(seconds) else otherwise
    return float(bound)


def _decimals(column: Column) -> int:
    if column.kind is Kind.DATETIME:
        return second_decimals(column.datetime_format or "")
    return column.decimals


def restrictions_by_column(encoding: TableEncoding, conditions: Sequence[Condition]) -> dict[str, Restriction]:
    """What the conditions leave of the modelled columns' cells, those on a derived column falling on its source.

    Raises InvalidCondition where no cell is left, or two fall on a column whose cells are not single values.
    """
    out: dict[str, Restriction] = {}
    for condition in conditions:
        column, found = encoding.restrict(condition)
        name = column.column.name
        before = out.get(name)
        if before is not None:
            if not column.codec.exact:
                what = f"There are two conditions on {name!r}, or on columns that repeat it."
                raise InvalidCondition(what, hint="Join them into one.", errors=[Detail(("column", name), what)])
            found = Restriction(None, before.mass * found.mass)
        if not found.mass.any():
            asked = condition.column
            what = "no row that was learnt from comes near the condition"
            what += " beside the others" if before is not None else ""
            raise InvalidCondition(
                f"Column {asked!r}: {what}.", hint="Widen the condition.", errors=[Detail(("column", asked), what)]
            )
        out[name] = found
    return out
