"""One column, described: gaps, distribution, outliers. Confidential: for the custodian, never released."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from models.schema import Column, Kind
from models.table import Values, format_datetimes

QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
BINS = 20
MOST_LABELS = 50

PLAUSIBLE: tuple[tuple[re.Pattern[str], float, float, str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), low, high, what)
    for pattern, low, high, what in (
        (r"(^|[_\s.-])(age|agep|age_?years)([_\s.-]|$)", 0, 120, "ages"),
        (r"(^|[_\s.-])(pct|percent|percentage)([_\s.-]|$)|percent$", -100, 100, "percentages"),
        (r"(^|[_\s.-])(lat|latitude)$", -90, 90, "latitudes"),
        (r"(^|[_\s.-])(lon|lng|longitude)$", -180, 180, "longitudes"),
        (r"(^|[_\s.-])(hours?[_\s.-]?(per|worked)[_\s.-].*week.*)$", 0, 168, "hours in a week"),
        (r"^(month|month_?of_?year|birth_?month|mob)$", 1, 12, "months"),
        (r"^(hour|hour_?of_?day)$", 0, 24, "hours"),
        (r"^(year|yob|birth_?year|\w+_year)$", 1800, 2100, "years"),
    )
)
"""Ranges that a column of this name should keep to."""


def describe(column: Column, values: Values | None) -> dict[str, Any]:
    """JSON description of a column. values: None for kinds whose values are not modelled, and so not shown."""
    evidence = dict(column.evidence)
    out: dict[str, Any] = {"name": column.name, "kind": column.kind.value, "evidence": evidence}
    if values is None:
        total, filled = int(evidence.get("rows", 0)), int(evidence.get("present", 0))
        by_code = [{"code": c, "rows": n} for c, n in dict(evidence.get("missing", {})).items()]
        out["missing"] = {"rows": total - filled, "share": _share(total - filled, total), "by_code": by_code}
        out["unique"] = evidence.get("unique")
        return out
    here = values.missing < 0
    rows = len(here)
    counts = np.bincount(values.missing[~here], minlength=len(column.missing_codes))
    by_code = [{"code": c, "rows": int(n)} for c, n in zip(column.missing_codes, counts, strict=True) if n]
    out["missing"] = {"rows": int((~here).sum()), "share": _share((~here).sum(), rows), "by_code": by_code}
    present = values.values[here]
    out["unique"] = len(np.unique(present))
    if column.labelled:
        out |= _labels(column, present)
    elif len(present):
        out |= _dates(column, present) if column.kind is Kind.DATETIME else _numbers(column, present)
    return out


def _share(part: Any, whole: int) -> float:
    return round(float(part) / whole, 6) if whole else 0.0


def _labels(column: Column, codes: npt.NDArray[Any]) -> dict[str, Any]:
    labels = column.categories or ()
    counts = np.bincount(codes, minlength=len(labels))
    shown = np.argsort(-counts, kind="stable")[:MOST_LABELS]
    p = counts[counts > 0] / max(1, counts.sum())
    return {
        "top": [{"value": labels[i], "rows": int(counts[i]), "share": _share(counts[i], len(codes))} for i in shown],
        "other_labels": max(0, len(labels) - MOST_LABELS),
        "rare_labels": int(((counts > 0) & (counts < 10)).sum()),
        "entropy_bits": round(float(-(p * np.log2(p)).sum()) + 0.0, 4),
    }


def _number(x: Any) -> float:
    return float(f"{float(x):.10g}")


def _numbers(column: Column, x: npt.NDArray[np.float64]) -> dict[str, Any]:
    q = np.quantile(x, QUANTILES)
    sd = float(x.std())
    skew = float((((x - x.mean()) / sd) ** 3).mean()) if sd > 0 else 0.0
    out: dict[str, Any] = {
        "mean": _number(x.mean()),
        "sd": _number(sd),
        "skew": _number(skew),
        "quantiles": {f"{p:g}": _number(v) for p, v in zip(QUANTILES, q, strict=True)},
        "zeros": _share((x == 0).sum(), len(x)),
        "negative": _share((x < 0).sum(), len(x)),
        "histogram": _histogram(x, q[1], q[-2]),
        "outliers": _outliers(x, q[3], q[4], q[5]),
    }
    values, counts = np.unique(x, return_counts=True)
    heavy = counts.argmax()
    out["commonest"] = {"value": _number(values[heavy]), "share": _share(counts[heavy], len(x))}
    for pattern, low, high, what in PLAUSIBLE:
        if pattern.search(column.name) and (outside := int(((x < low) | (x > high)).sum())):
            out["implausible"] = {"rows": outside, "low": low, "high": high, "what": what}
    return out


def _dates(column: Column, seconds: npt.NDArray[np.float64]) -> dict[str, Any]:
    form = column.datetime_format or "%Y-%m-%d"
    points = (0.0, 0.25, 0.5, 0.75, 1.0)
    texts = format_datetimes(np.quantile(seconds, points, method="nearest"), form)
    histogram = _histogram(seconds, seconds.min(), seconds.max())
    histogram["edges"] = format_datetimes(np.array(histogram["edges"]), "%Y-%m-%dT%H:%M:%S")
    return {"quantiles": {f"{p:g}": t for p, t in zip(points, texts, strict=True)}, "histogram": histogram}


def _histogram(x: npt.NDArray[np.float64], low: Any, high: Any) -> dict[str, Any]:
    """Even bins between low and high, and the rows outside (the tails would squeeze the rest into one bin)."""
    if not low < high:
        low, high = float(x.min()), float(x.max())
    if not low < high:
        low, high = low - 0.5, high + 0.5
    counts, edges = np.histogram(x, bins=BINS, range=(float(low), float(high)))
    return {
        "edges": [_number(e) for e in edges],
        "rows": counts.tolist(),
        "below": int((x < low).sum()),
        "above": int((x > high).sum()),
    }


def _outliers(x: npt.NDArray[np.float64], q1: float, median: float, q3: float) -> dict[str, Any]:
    """Rows beyond 1.5 and 3 quartile ranges of the quartiles (Tukey's fences), and beyond 6 robust deviations.

    The robust deviation is 1.4826 times the median absolute deviation (Iglewicz and Hoaglin 1993). None where more than
    half of the values are equal, so that there is no scale to measure by.
    """
    spread, mad = q3 - q1, 1.4826 * float(np.median(np.abs(x - median)))
    fences = {
        key: int(((x < q1 - k * spread) | (x > q3 + k * spread)).sum()) if spread > 0 else None
        for key, k in (("fence", 1.5), ("far_fence", 3.0))
    }
    return {**fences, "robust_z_over_6": int((np.abs(x - median) > 6 * mad).sum()) if mad > 0 else None}
