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
from models.evaluation.matrix import Matrix, bootstrap, independent, sample
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
    for name, table in tables.items():
        context.progress.check()
        read[name] = _generate(frame, to_frame(table, columns), metadata)
    few = min(len(m) for m in tables.values())
    note = f"SDMetrics, {rows:,} rows of each table" + (f" (holdout {few:,})" if few < rows else "")
    note += f", first {COLUMNS} columns." if len(columns) < len(context.real.columns) else "."
    note += f" {quirk(importlib.metadata.version('sdmetrics'))}"
    metrics = []
    for report, scores in read["synthetic"].items():
        for subject, value in scores.items():
            yards: dict[str, float | None] = {t: got[report].get(subject) for t, got in read.items()}
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
