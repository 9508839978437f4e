"""A schema for a table of strings, with evidence: everything is proposed, the custodian decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.errors import Detail, InvalidData
from models.ingest.counting import Words, count_words, first_row
from models.ingest.dependencies import find_dependencies, find_duplicates
from models.ingest.kinds import Verdict, decide
from models.ingest.missing import Proposal, own_codes, shared_codes
from models.ingest.parquet_reading import infinity
from models.progress import SILENT, Progress
from models.schema import Column, Dialect, Kind, Schema

_MANY = 2_000
"""Distinct words above which a column takes no code from other columns."""


def infer_schema(
    data: pa.Table,
    dialect: Dialect = Dialect(),
    storages: Mapping[str, str] | None = None,
    *,
    progress: Progress = SILENT,
) -> Schema:
    """Infer every column's kind, domain and missing codes, and the table's duplicates and functional dependencies.

    data: string columns, null where a Parquet source has null. Each column's `evidence` holds rule, reason, rows,
    present, unique, missing (rows by code), proposed (why a code is) and warnings; no cell values but the codes.

    Raises InvalidData naming column and line for infinities among numbers, and where no column can be modelled.
    """
    storages = storages or {}
    drafts: list[tuple[Words | None, list[Proposal]]] = []
    tallies, decided = [], dict[str, Column]()
    for i, name in enumerate(data.column_names):
        progress.check()
        progress.update(0.8 * i / data.num_columns, name)
        words = count_words(data.column(i))
        codes = own_codes(words)
        tallies.append(words.tally)
        if len(words) > _MANY:  # decided at once, so that the memory of its words is free again
            decided[name] = _column(name, data.column(i), words, codes, storages.get(name))
        drafts.append((None if name in decided else words, codes))
    columns = []
    for name, (kept, _), all_codes in zip(data.column_names, drafts, shared_codes(drafts), strict=True):
        if kept is not None:
            decided[name] = _column(name, data.column(name), kept, all_codes, storages.get(name))
        columns.append(decided[name])
    _refuse_hopeless(columns)
    progress.update(0.8, "dependencies")
    duplicates = find_duplicates(data, tallies)
    for name, earlier in duplicates:
        i = data.column_names.index(name)
        columns[i] = _warned(columns[i], f"it repeats the column {earlier!r} in every row")
    dependencies = find_dependencies(data, columns, tallies, duplicates, progress.check)
    return Schema(tuple(columns), dialect, dependencies, duplicates)


def _column(name: str, raw: pa.ChunkedArray, words: Words, codes: list[Proposal], storage: str | None) -> Column:
    coded = pa.array([p.code for p in codes], pa.string())
    keep = ~Words.mask(pc.is_in(words.words, value_set=coded))
    present = words.filter(keep)
    _refuse_infinities(name, raw, present, storage)
    verdict = decide(name, present, storage)
    return Column(
        name=name,
        kind=verdict.kind,
        missing_codes=tuple(p.code for p in codes),
        evidence=_evidence(verdict, present, words.rows, codes),
        **verdict.properties,
    )


def _evidence(verdict: Verdict, present: Words, rows: int, codes: list[Proposal]) -> dict[str, Any]:
    return {
        "rule": verdict.rule,
        "reason": verdict.reason,
        "rows": rows,
        "present": present.rows,
        "unique": len(present),
        "missing": {p.code: p.count for p in codes},
        "proposed": {p.code: f"{p.rule}: {p.reason}" for p in codes},
        "warnings": list(verdict.warnings),
    }


def _warned(column: Column, warning: str) -> Column:
    evidence = dict(column.evidence)
    return replace(column, evidence={**evidence, "warnings": [*evidence.get("warnings", []), warning]})


def _refuse_infinities(name: str, raw: pa.ChunkedArray, present: Words, storage: str | None) -> None:
    """An infinity is refused where the column otherwise holds numbers; among texts it is a word like any other."""
    if storage not in (None, "double") or not present.infinite.any():
        return
    others = ~present.infinite
    if others.any() and np.isfinite(present.numbers[others]).mean() >= 0.5:
        row = first_row(raw, present.words.filter(pa.array(present.infinite)))
        raise infinity(name, "line", row + 2)


def _refuse_hopeless(columns: list[Column]) -> None:
    usable = [c for c in columns if c.modelled and not (c.kind is Kind.CATEGORICAL and len(c.categories or ()) < 2)]
    if not usable:
        found = [Detail(("column", c.name), str(c.evidence.get("reason", ""))) for c in columns[:20]]
        raise InvalidData(
            "No column of the table can be modelled: all are constant, empty, identifiers or free text.",
            hint="Upload a table with columns whose values repeat or are numbers or dates.",
            errors=found,
        )
