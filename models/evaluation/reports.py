"""The quality and diagnostic reports of SDMetrics, with the yardsticks beside them.

What their figures mean has changed with the version (QUIRKS); our own `shape` and `trend` stay as they are defined.
"""

from __future__ import annotations

import importlib.metadata
import warnings
from math import sqrt
from typing import Any

import numpy as np
import pandas as pd

from models.evaluation.bars import scale
from models.evaluation.context import Context, Part
from models.evaluation.intervals import Interval, jackknife, wilson
from models.evaluation.marginals import column_errors, trend_errors
from models.evaluation.matrix import Cells, Matrix, bootstrap, independent, sample
from models.evaluation.result import Metric, finite
from models.schema import Column, Kind

OWN = "bins each table's numbers between its own minimum and maximum, so that one wrong maximum costs percents"
QUIRKS = (((0, 32), f"leaves weakly associated pairs out of its trend score, and {OWN}"), ((0, 0), OWN))
"""(first version, what its quality report does), the newest first."""
COLUMNS = 60
"""The trend score looks at every pair of columns: beyond so many columns the first ones are reported."""
FEW = 2
VARIES = 0.4
"""Standard deviation of a quality error over its mean: that of a single share is .75, of a mean of four independent
ones half as much."""


def sdmetrics_reports(context: Context) -> Part:
    """Overall and property scores of both reports."""
    options, rng = context.options, context.rng("sdmetrics")
    if not options.sdmetrics:
        return Part([], {"sdmetrics": {"note": "Switched off."}})
    rows = min(len(context.real), len(context.synthetic), options.sdmetrics_rows)
    if rows < FEW:
        note = "Needs two rows of each table."
        names = ("sdmetrics_quality", "sdmetrics_diagnostic")
        return Part(
            [Metric(n, None, "sdmetrics", direction="higher", goal=1.0, unit="score", note=note) for n in names]
        )
    real = sample(context.real, rows, rng)
    tables = {
        "synthetic": sample(context.synthetic, rows, rng),
        "ceiling": bootstrap(real, rows, rng),
        "floor": independent(real, rows, rng),
    }
    if len(context.holdout) >= FEW:
        tables["holdout"] = sample(context.holdout, rows, rng)
    columns = context.real.columns[:COLUMNS]
    metadata = {"columns": {c.name: {"sdtype": _sdtype(c)} for c in columns}}
    frame = to_frame(real, columns)
    read: dict[str, dict[str, dict[str, float | None]]] = {}
    kept: list[tuple[str, str]] = []
    for name, table in tables.items():
        context.progress.check()
        read[name], pairs = _generate(frame, to_frame(table, columns), metadata)
        kept = pairs if name == "synthetic" else kept
    spans = _spans(read["synthetic"], real, tables["synthetic"], kept, options.trend_bins)
    few = min(len(m) for m in tables.values())
    note = f"SDMetrics, {rows:,} rows of each table" + (f" (holdout {few:,})" if few < rows else "")
    note += f", first {COLUMNS} columns." if len(columns) < len(context.real.columns) else "."
    note += f" {quirk(importlib.metadata.version('sdmetrics'))}"
    metrics = []
    for report, scores in read["synthetic"].items():
        for subject, value in scores.items():
            yards: dict[str, float | None] = {t: got[report].get(subject) for t, got in read.items()}
            low, high = spans.get((report, subject), (None, None))
            expected, spread = _chance(report, yards, rows, len(tables.get("holdout", ())))
            metrics.append(
                Metric(
                    f"sdmetrics_{report}",
                    value,
                    "sdmetrics",
                    subject,
                    yards.get("ceiling"),
                    yards.get("holdout"),
                    yards.get("floor"),
                    low,
                    high,
                    direction="higher",
                    goal=1.0,
                    unit="score",
                    note=note if value is not None else f"{note} SDMetrics has no score for it on this table.",
                    expected=expected,
                    spread=spread,
                )
            )
    return Part(metrics, {"sdmetrics": read["synthetic"]}, {"sdmetrics_rows": rows})


def quirk(version: str) -> str:
    """What a reader of SDMetrics' figures of this version has to know."""
    found = tuple(int(part) if part.isdigit() else 0 for part in version.split(".")[:2])
    known = next((words for since, words in QUIRKS if found >= since), QUIRKS[-1][1])
    return f"Version {version} {known}: it does not compare with figures published for other versions."


def _chance(report: str, yards: dict[str, float | None], rows: int, holdout: int) -> tuple[float | None, float | None]:
    """Mean and standard deviation of a score over fresh real rows.

    Quality: the error of a bootstrap comes from one table's draw, that of fresh rows from two; that of a smaller
    holdout is brought to the sample's size (models.evaluation.bars). Diagnostic: of fresh rows, 2 in N lie beyond the
    extremes of N others on average.
    """
    if report == "diagnostic":
        return 1 - 2 / rows, 2 / rows
    ceiling, held = yards.get("ceiling"), yards.get("holdout")
    if ceiling is None:
        return None, None
    error = max(sqrt(2) * (1 - ceiling), 0.0 if held is None else (1 - held) * scale(rows, rows, holdout))
    return 1 - error, VARIES * error


def _spans(
    read: dict[str, dict[str, float | None]], real: Matrix, other: Matrix, kept: list[tuple[str, str]], bins: int
) -> dict[tuple[str, str], Interval]:
    """(report, property) -> 95% interval of the score. Quality: SDMetrics tells no error; that of our own shape and
    trend, of the same rows, columns and pairs (delete-a-group jackknife). Validity: Wilson's, as of a mean of shares of
    the same rows. Structure compares names and types: it has no error."""
    names = [c.name for c in real.columns]
    places = [(names.index(a), names.index(b)) for a, b in kept]
    short = [Matrix(m.columns[:COLUMNS], m.values[:, :COLUMNS], m.missing[:, :COLUMNS]) for m in (real, other)]
    left = {"Column Shapes": -column_errors(short).jackknife.mean(axis=1)}
    if places:
        left["Column Pair Trends"] = -trend_errors(short, Cells.fit(short[0], bins), places).jackknife.mean(axis=1)
    out: dict[tuple[str, str], Interval] = {}
    for report, scores in read.items():
        for name, score in scores.items():
            if score is None:
                continue
            if report == "diagnostic" and name:
                out[report, name] = wilson(score, len(other)) if name == "Data Validity" else (score, score)
            elif name in left or (report == "quality" and not name):
                known = [left[name]] if name else [v for k, v in left.items() if scores.get(k) is not None]
                if known:
                    out[report, name] = jackknife(score, np.mean(known, axis=0), len(other))
    ends = [span for (report, _), span in out.items() if report == "diagnostic"]
    score = read["diagnostic"][""]
    if ends and score is not None:
        low, high = np.mean(ends, axis=0)
        out["diagnostic", ""] = min(float(low), score), max(float(high), score)
    return out


def _generate(
    real: pd.DataFrame, other: pd.DataFrame, metadata: dict[str, Any]
) -> tuple[dict[str, dict[str, float | None]], list[tuple[str, str]]]:
    """Overall score ("") and property scores of both reports; the pairs of columns whose trend counts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        from sdmetrics.reports.single_table import DiagnosticReport, QualityReport
    out: dict[str, dict[str, float | None]] = {}
    kept: list[tuple[str, str]] = []
    for name, kind in (("quality", QualityReport), ("diagnostic", DiagnosticReport)):
        report = kind()
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            report.generate(real, other, metadata, verbose=False)
            properties = report.get_properties()
            out[name] = {"": finite(report.get_score())}
            if name == "quality":
                pairs = report.get_details("Column Pair Trends")
                if len(pairs):
                    pairs = pairs[pairs["Score"].notna()]
                    kept = list(zip(pairs["Column 1"], pairs["Column 2"], strict=True))
        for prop, score in zip(properties["Property"], properties["Score"], strict=True):
            out[name][str(prop)] = finite(float(score))
    return out, kept


def _sdtype(column: Column) -> str:
    if column.kind is Kind.DATETIME:
        return "datetime"
    return "categorical" if column.labelled else "numerical"


def to_frame(matrix: Matrix, columns: tuple[Column, ...]) -> pd.DataFrame:
    """float64 and datetime64 with NaN and NaT, object labels with None where missing."""
    out: dict[str, Any] = {}
    for j, column in enumerate(columns):
        x = matrix.values[:, j]
        if column.labelled:
            words = np.array([*(column.categories or ()), None], dtype=object)
            out[column.name] = words[np.where(np.isfinite(x), np.nan_to_num(x), -1).astype(np.int64)]
        elif column.kind is Kind.DATETIME:
            out[column.name] = pd.to_datetime(x, unit="s")
        else:
            out[column.name] = x
    return pd.DataFrame(out)
