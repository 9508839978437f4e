"""The quality and diagnostic reports of SDMetrics, with the yardsticks beside them.

Known quirks of 0.32: the quality report leaves weakly associated pairs out of its trend score, and bins each table's
numbers between its own minimum and maximum. It does not compare with figures published for earlier versions; our own
`shape` and `trend` do.
"""

from __future__ import annotations

import warnings
from math import sqrt
from typing import Any

import numpy as np
import pandas as pd

from models.evaluation.bars import scale
from models.evaluation.context import Context, Part
from models.evaluation.matrix import Matrix, bootstrap, independent, sample
from models.evaluation.result import Metric, finite
from models.schema import Column, Kind

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
    for name, table in tables.items():
        context.progress.check()
        read[name] = _generate(frame, to_frame(table, columns), metadata)
    few = min(len(m) for m in tables.values())
    note = f"SDMetrics, {rows:,} rows of each table" + (f" (holdout {few:,})" if few < rows else "")
    note += f", first {COLUMNS} columns." if len(columns) < len(context.real.columns) else "."
    metrics = []
    for report, scores in read["synthetic"].items():
        for subject, value in scores.items():
            yards = {t: read[t][report].get(subject) for t in ("ceiling", "holdout", "floor") if t in read}
            metrics.append(
                Metric(
                    f"sdmetrics_{report}",
                    value,
                    "sdmetrics",
                    subject,
                    yards.get("ceiling"),
                    yards.get("holdout"),
                    yards.get("floor"),
                    direction="higher",
                    goal=1.0,
                    unit="score",
                    note=note if value is not None else f"{note} SDMetrics has no score for it on this table.",
                    **_chance(report, yards, rows, len(tables.get("holdout", ()))),
                )
            )
    return Part(metrics, {"sdmetrics": read["synthetic"]}, {"sdmetrics_rows": rows})


def _chance(report: str, yards: dict[str, float | None], rows: int, holdout: int) -> dict[str, float]:
    """Mean and standard deviation of a score over fresh real rows.

    Quality: the error of a bootstrap comes from one table's draw, that of fresh rows from two; that of a smaller
    holdout is brought to the sample's size (models.evaluation.bars). Diagnostic: of fresh rows, 2 in N lie beyond the
    extremes of N others on average.
    """
    if report == "diagnostic":
        return {"expected": 1 - 2 / rows, "spread": 2 / rows}
    ceiling, held = yards.get("ceiling"), yards.get("holdout")
    if ceiling is None:
        return {}
    error = max(sqrt(2) * (1 - ceiling), 0.0 if held is None else (1 - held) * scale(rows, rows, holdout))
    return {"expected": 1 - error, "spread": VARIES * error}


def _generate(real: pd.DataFrame, other: pd.DataFrame, metadata: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    """Overall score ("") and property scores of both reports."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        from sdmetrics.reports.single_table import DiagnosticReport, QualityReport
    out: dict[str, dict[str, float | None]] = {}
    for name, kind in (("quality", QualityReport), ("diagnostic", DiagnosticReport)):
        report = kind()
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            report.generate(real, other, metadata, verbose=False)
            properties = report.get_properties()
            out[name] = {"": finite(report.get_score())}
        for prop, score in zip(properties["Property"], properties["Score"], strict=True):
            out[name][str(prop)] = finite(float(score))
    return out


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
