"""Columns that are not modelled: do their surrogates look like what they stand for? No content is shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.evaluation.chance import Finding, critical, metrics_of, share_error, worst_first
from models.evaluation.context import Part
from models.evaluation.marginals import kolmogorov_smirnov, shares
from models.evaluation.matrix import Floats
from models.evaluation.result import Metric
from models.evaluation.sampled import Sampled
from models.schema import Column, Kind
from models.table import Table

ROWS = 20_000
"""Rows of each table that lengths and characters are taken from; all are looked at for repeated values."""
CLASSES = {"letters": r"\pL", "digits": r"\pN", "blanks": r"\pZ", "others": r"[^\pL\pN\pZ]"}


def texts(t: Sampled) -> Part:
    """Lengths, kinds of characters, missing shares and repeated values of text and identifier columns."""
    if t.context.tables is None:
        return Part([])
    real, held, synthetic = t.context.tables
    chosen = [c for c in real.schema.columns if not c.modelled and c.name in real.names and c.name in synthetic.names]
    if not chosen:
        return Part([])
    rows = [_compare(c, real, synthetic, held, len(chosen)) for c in chosen]
    note = f"At most {ROWS:,} rows of each table; lengths and characters of surrogates are shown for information."
    metrics = metrics_of("text_missing", [r[0] for r in rows], note, "")
    metrics += [
        Metric("text_length", r[1]["length_distance"], "texts", r[1]["subject"], goal=0.0, note=note)
        for r in rows
        if r[1]["length_distance"] is not None
    ]
    unique = [r[2] for r in rows if r[2] is not None]
    if unique:
        every = "Identifiers that never repeat in the real rows; all rows."
        metrics += metrics_of("identifier_repeats", unique, every, "")
    ranked = {f.subject: k for k, f in enumerate(worst_first([r[0] for r in rows]))}
    shown = sorted((r[1] for r in rows), key=lambda row: ranked[row["subject"]])
    return Part(metrics, {"texts": {"rows": shown, "note": note}}, {"text_columns": len(chosen)})


def _compare(
    column: Column, real: Table, synthetic: Table, held: Table, tests: int
) -> tuple[Finding, dict[str, Any], Finding | None]:
    """Missing share as a finding; figures; repeated values as a finding, of an identifier without any."""
    tables = [real, synthetic, *([held] if len(held) and column.name in held.names else [])]
    read = [_read(table, column) for table in tables]
    a, b = read[:2]
    n, m = len(real), len(synthetic)
    p = np.array((a["missing"] * n + b["missing"] * m) / max(n + m, 1))
    error = float(share_error(p, n, m))
    value = abs(a["missing"] - b["missing"])
    other = abs(a["missing"] - read[2]["missing"]) if len(read) > 2 else None
    names = ("real", "synthetic", "control")
    more = {name: {k: v for k, v in r.items() if k != "lengths"} for name, r in zip(names, read, strict=False)}
    bar = critical(tests) * error + 0.005
    finding = Finding(column.name, (column.name,), value, 0.8 * error, bar, other, more, error)
    row = {**finding.to_json(), "kind": column.kind.value, "length_distance": _apart(a["lengths"], b["lengths"])}
    repeats = None
    if column.kind is Kind.IDENTIFIER and a["repeated"] == 0.0:
        held_repeats = read[2]["repeated"] if len(read) > 2 else None
        repeats = Finding(column.name, (column.name,), b["repeated"] or 0.0, 0.0, 0.0, held_repeats)
    return finding, row, repeats


def _read(table: Table, column: Column) -> dict[str, Any]:
    cells = pc.fill_null(table.column(column.name).cast(pa.string()), "")
    gone = pc.is_in(cells, value_set=pa.array(column.missing_codes or ("",), pa.string()))
    present = cells.filter(pc.invert(gone))
    count = len(present)
    some = present.take(pa.array(np.linspace(0, count - 1, ROWS).astype(np.int64))) if count > ROWS else present
    lengths = np.asarray(pc.utf8_length(some).to_numpy(), np.int64)
    total = max(int(lengths.sum()), 1)
    return {
        "missing": 1 - count / max(len(cells), 1),
        "repeated": 1 - pc.count_distinct(present).as_py() / count if count else None,
        "length": {
            k: float(v)
            for k, v in zip(("lower", "median", "upper"), np.quantile(lengths, (0.05, 0.5, 0.95)), strict=True)
        }
        if count
        else None,
        "characters": {k: pc.sum(pc.count_substring_regex(some, p)).as_py() / total for k, p in CLASSES.items()}
        if count
        else None,
        "lengths": lengths,
    }


def _apart(a: Any, b: Any) -> float | None:
    """Kolmogorov-Smirnov distance of two samples of lengths."""
    if not len(a) or not len(b):
        return None
    grid = np.unique(np.concatenate([a, b]))
    p, q = (_shares(np.searchsorted(grid, x), len(grid)) for x in (a, b))
    return float(kolmogorov_smirnov(p, q))


def _shares(places: Any, size: int) -> Floats:
    return shares(np.bincount(places, minlength=size).astype(np.float64))
