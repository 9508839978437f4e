"""Tables from elsewhere under the real table's schema: what fits is read, what does not is counted, not refused.

A synthetic table that another tool made may lack columns, write 3 as 3.0, leave cells blank, or hold labels that the
real table has not. An evaluation should tell of it. So all tables get one schema: the real one's, of the columns that
all have. A label that the real table lacks becomes UNSEEN, a category of its own; a cell that is no number or date
where the real table has such becomes INVALID, a missing code of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from models.errors import Detail, InvalidInput
from models.rules import parse_rules
from models.schema import Column, Kind, Schema
from models.table import Table, format_datetimes, parse_datetimes, parse_numbers

UNSEEN = "(not in the real table)"
INVALID = "(not valid)"
OTHER_TYPE = 0.5
"""Share of a column's present cells from which on they are of another type, rather than faulty."""
NAMED = 30

Words = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Matched:
    """Tables under one schema. findings: JSON of what was left out, and of the cells that did not fit, by table."""

    real: Table
    others: dict[str, Table]
    findings: dict[str, Any]


@dataclass(frozen=True, eq=False)
class _Reading:
    """A column of another table: its distinct cells in the real table's spelling, and what was odd about them."""

    words: Words
    kind: Kind
    odd: Mapping[str, npt.NDArray[np.bool_]]
    blank: bool


def match(real: Table, others: Mapping[str, Table], *, needed: Sequence[str] = ()) -> Matched:
    """Bring `others` (role -> table under a schema of its own) under the real table's schema.

    needed: columns that all tables must have, e.g. the target. Raises InvalidInput where tables have no modelled column
    in common, lack a needed one, or hold cells of another type in one; `role` and column are named, never a value.
    """
    names = [c.name for c in real.schema.columns if all(c.name in t.names for t in others.values())]
    _check_names(real, others, names, needed)
    columns, cells = [], []
    data: dict[str, list[pa.ChunkedArray | pa.Array]] = {role: [] for role in others}
    for name in names:
        column = real.schema[name]
        for role, table in others.items():
            if not column.modelled:
                data[role].append(table.column(name))
                continue
            own = next((c for c in table.schema.columns if c.name == name), column)
            array, column, found = _column(table.column(name), column, own, role)
            data[role].append(array)
            cells += found
        columns.append(column)
    schema = _reduced(real.schema, columns)
    left = [n for n in real.schema.names if n not in names]
    findings = {
        "compared": names,
        "left_out": [{"column": n, "lacking": [r for r, t in others.items() if n not in t.names]} for n in left],
        "extra": {r: [n for n in t.names if n not in real.schema] for r, t in others.items()},
        "cells": cells,
    }
    tables = {role: Table(schema, pa.table(dict(zip(names, data[role], strict=True)))) for role in others}
    return Matched(Table(schema, real.select(names).data), tables, findings)


def _column(
    raw: pa.ChunkedArray, column: Column, own: Column, role: str
) -> tuple[pa.Array, Column, list[dict[str, Any]]]:
    """(cells in the real spelling, the column with what they need added, findings)."""
    encoded = pc.dictionary_encode(pc.fill_null(raw.cast(pa.string()), "")).combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0)
    words = np.array(encoded.dictionary.to_pylist(), dtype=object)
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    counts = np.bincount(codes, minlength=len(words))
    got = _read(words, column, own)
    present = ~np.isin(got.words.astype(str), [*column.missing_codes, ""])
    wrong = np.isin(got.words.astype(str), [UNSEEN, INVALID])
    rows, faulty = int(counts[present].sum()), int(counts[wrong].sum())
    if rows and faulty / rows > (OTHER_TYPE if not column.labelled else 1 - 1e-9):
        raise _other_type(column, role, faulty / rows)
    more: dict[str, Any] = {}
    if column.labelled and wrong.any() and UNSEEN not in (column.categories or ()):
        more["categories"] = (*(column.categories or ()), UNSEEN)
    codes_needed = [c for c, used in (("", got.blank), (INVALID, not column.labelled and wrong.any())) if used]
    if added := [c for c in codes_needed if c not in column.missing_codes]:
        more["missing_codes"] = (*column.missing_codes, *added)
    if got.kind is not column.kind:
        more |= {"kind": got.kind, "evidence": {**column.evidence, "declared": column.kind.value}}
    spelled = pa.DictionaryArray.from_arrays(encoded.indices, pa.array(list(got.words), pa.string()))
    found = [
        {"table": role, "column": column.name, "what": what, "cells": int(counts[mask].sum()), "of": int(counts.sum()),
         "distinct": int(mask.sum())}
        for what, mask in got.odd.items()
        if mask.any()
    ]  # fmt: skip
    return spelled.cast(pa.string()), replace(column, **more) if more else column, found


def _read(words: Words, column: Column, own: Column) -> _Reading:
    """Distinct cells as the real table would write them."""
    out = words.copy()
    known = np.isin(words.astype(str), column.missing_codes)
    gone = ~known & np.isin(words.astype(str), ["", *own.missing_codes])
    if column.labelled:
        gone &= ~np.isin(words.astype(str), column.categories or ())
    odd = {"missing, written otherwise": gone & (words != "")}
    # One code means missing here: a blank means the same. Of several codes, none is more likely than the others.
    out[gone] = column.missing_codes[0] if len(column.missing_codes) == 1 else ""
    rest = np.flatnonzero(~known & ~gone)
    kind = column.kind
    bad = np.zeros(len(words), bool)
    respelled = np.zeros(len(words), bool)
    if column.labelled:
        labels = set(column.categories or ())
        numbers = {_number(w): w for w in column.categories or () if _number(w) is not None}
        for i in rest:
            if words[i] in labels:
                continue
            same = numbers.get(_number(words[i])) if _number(words[i]) is not None else None
            respelled[i], bad[i] = same is not None, same is None
            out[i] = UNSEEN if same is None else same
        odd |= {"spelled otherwise, and read": respelled, "not among the categories": bad}
    elif column.kind is Kind.DATETIME:
        form = column.datetime_format or "%Y-%m-%d"
        seconds = parse_datetimes(pa.array(words[rest], pa.string()), form)
        lost = np.flatnonzero(~np.isfinite(seconds))
        if len(lost) and own.datetime_format and own.datetime_format != form:
            again = parse_datetimes(pa.array(words[rest[lost]], pa.string()), own.datetime_format)
            fits = np.isfinite(again)
            out[rest[lost[fits]]] = format_datetimes(again[fits], form)
            respelled[rest[lost[fits]]] = True
            lost = lost[~fits]
        bad[rest[lost]] = True
        out[bad] = INVALID
        odd |= {"dates in another format, and read": respelled, "no dates": bad}
    else:
        numbers_read = parse_numbers(pa.array(words[rest], pa.string()))
        bad[rest[~np.isfinite(numbers_read)]] = True
        out[bad] = INVALID
        odd["no numbers"] = bad
        if column.kind is Kind.INTEGER:
            broken = np.zeros(len(words), bool)
            with np.errstate(invalid="ignore"):
                broken[rest] = np.isfinite(numbers_read) & (numbers_read != np.round(numbers_read))
            kind = Kind.DECIMAL if broken.any() else kind
            odd["fractions, where the real table has whole numbers"] = broken
    return _Reading(out, kind, odd, bool((out[gone] == "").any()))


def _number(word: str) -> float | None:
    try:
        value = float(word)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _reduced(schema: Schema, columns: Sequence[Column]) -> Schema:
    """The schema with these columns, and what it says of others left out."""
    names = {c.name for c in columns}
    rules = [text for text, rule in zip(schema.rules, parse_rules(schema), strict=True) if names >= set(rule.columns)]
    return replace(
        schema,
        columns=tuple(columns),
        dependencies=tuple(d for d in schema.dependencies if names >= {*d.determinants, d.dependent}),
        duplicates=tuple(pair for pair in schema.duplicates if names >= set(pair)),
        rules=tuple(rules),
    )


def _check_names(real: Table, others: Mapping[str, Table], names: Sequence[str], needed: Sequence[str]) -> None:
    if not any(real.schema[name].modelled for name in names):
        role, table = min(others.items(), key=lambda item: len(set(item[1].names) & set(real.names)))
        raise InvalidInput(
            f"The {role} table has no modelled column in common with the real one.",
            hint=f"Name its columns as the real table does: {', '.join(real.schema.names[:NAMED])}. "
            f"It has {', '.join(table.names[:NAMED])}.",
            errors=[Detail((role,), "has no column in common with the real table")],
            code="no_common_columns",
        )
    for name in needed:
        for role, table in others.items():
            if name not in table.names:
                raise InvalidInput(
                    f"The {role} table has no column {name!r}, which is to be predicted.",
                    hint="Add it, or name another column.",
                    errors=[Detail((role, "column", name), "is absent")],
                    code="invalid_target",
                )


def _other_type(column: Column, role: str, share: float) -> InvalidInput:
    kind = {Kind.DATETIME: f"dates of the form {column.datetime_format}"}.get(column.kind, "numbers")
    what = "have none of the real table's categories" if column.labelled else f"are no {kind}, as the real table's are"
    return InvalidInput(
        f"Column {column.name!r} of the {role} table is of another type: {share:.0%} of its cells {what}.",
        hint="Write it as the real table does, leave the column out, or change its kind in the real table's schema.",
        errors=[Detail((role, "column", column.name), f"{share:.0%} of the cells {what}")],
        code="other_types",
    )
