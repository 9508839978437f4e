"""Columns that are not modelled: do their surrogates look like what they stand for? No content is shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.evaluation.chance import Finding, critical, metrics_of, share_error, worst_first
from models.evaluation.context import Part
from models.evaluation.intervals import Interval, compound_poisson, jackknife
from models.evaluation.marginals import GROUPS, groups_of, kolmogorov_smirnov, shares
from models.evaluation.matrix import Floats, Ints
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
    note = f"All {len(real):,} real and {len(synthetic):,} synthetic rows."
    least = tuple(f"{min(len(table), ROWS):,}" for table in (real, synthetic))
    shown_note = f"Lengths and characters of {least[0]} real and {least[1]} synthetic rows, shown for information."
    metrics = metrics_of("text_missing", [r[0] for r in rows], note, "")
    metrics += [
        Metric(
            "text_length",
            r[1]["length_distance"],
            "texts",
            r[1]["subject"],
            None,
            None,
            None,
            *r[3],
            goal=0.0,
            note=shown_note,
        )
        for r in rows
        if r[1]["length_distance"] is not None
    ]
    unique = [r[2] for r in rows if r[2] is not None]
    if unique:
        metrics += metrics_of(
            "identifier_repeats", unique, f"Identifiers that never repeat in the real rows. {note}", ""
        )
    ranked = {f.subject: k for k, f in enumerate(worst_first([r[0] for r in rows]))}
    shown = sorted((r[1] for r in rows), key=lambda row: ranked[row["subject"]])
    return Part(metrics, {"texts": {"rows": shown, "note": f"{note} {shown_note}"}}, {"text_columns": len(chosen)})


def _compare(
    column: Column, real: Table, synthetic: Table, held: Table, tests: int
) -> tuple[Finding, dict[str, Any], Finding | None, Interval]:
    """Missing share as a finding; figures; repeated values as a finding, of an identifier without any; the interval of
    the distance of lengths."""
    tables = [real, synthetic, *([held] if len(held) and column.name in held.names else [])]
    read = [_read(table, column) for table in tables]
    a, b = read[:2]
    n, m = len(real), len(synthetic)
    p = np.array((a["missing"] * n + b["missing"] * m) / max(n + m, 1))
    error = float(share_error(p, n, m))
    value = abs(a["missing"] - b["missing"])
    other = abs(a["missing"] - read[2]["missing"]) if len(read) > 2 else None
    names = ("real", "synthetic", "control")
    more = {
        name: {k: v for k, v in r.items() if k not in ("lengths", "repeats")}
        for name, r in zip(names, read, strict=False)
    }
    bar = critical(tests) * error + 0.005
    finding = Finding(column.name, (column.name,), value, 0.8 * error, bar, other, more, error)
    apart, between = _apart(a["lengths"], b["lengths"])
    row = {**finding.to_json(), "kind": column.kind.value, "length_distance": apart}
    repeats = None
    if column.kind is Kind.IDENTIFIER and a["repeated"] == 0.0:
        held_repeats = read[2]["repeated"] if len(read) > 2 else None
        span = (b["repeats"][0], min(1.0, b["repeats"][1]))
        repeats = Finding(column.name, (column.name,), b["repeated"] or 0.0, 0.0, 0.0, held_repeats, span=span)
    return finding, row, repeats, between


def _read(table: Table, column: Column) -> dict[str, Any]:
    cells = pc.fill_null(table.column(column.name).cast(pa.string()), "")
    gone = pc.is_in(cells, value_set=pa.array(column.missing_codes or ("",), pa.string()))
    present = cells.filter(pc.invert(gone))
    count = len(present)
    some = present.take(pa.array(np.linspace(0, count - 1, ROWS).astype(np.int64))) if count > ROWS else present
    lengths = np.asarray(pc.utf8_length(some).to_numpy(), np.int64)
    again = np.asarray(present.value_counts().field("counts").to_numpy() - 1, np.float64)
    again = again[again > 0]
    total = max(int(lengths.sum()), 1)
    return {
        "missing": 1 - count / max(len(cells), 1),
        "repeated": float(again.sum()) / count if count else None,
        "repeats": tuple(end / max(count, 1) for end in compound_poisson(again)),
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


def _apart(a: Ints, b: Ints) -> tuple[float | None, Interval]:
    """Kolmogorov-Smirnov distance of two samples of lengths, and its interval."""
    if not len(a) or not len(b):
        return None, (0.0, 1.0)
    grid = np.unique(np.concatenate([a, b]))
    p, places = _shares(np.searchsorted(grid, a), len(grid)), np.searchsorted(grid, b)
    value = float(kolmogorov_smirnov(p, _shares(places, len(grid))))
    groups = groups_of(len(b))
    left = [float(kolmogorov_smirnov(p, _shares(places[groups != g], len(grid)))) for g in range(GROUPS)]
    return value, jackknife(value, np.array(left), len(b))


def _shares(places: Ints, size: int) -> Floats:
    return shares(np.bincount(places, minlength=size).astype(np.float64))
