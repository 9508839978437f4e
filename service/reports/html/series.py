"""Sections of an evaluation -> lines to draw, and the points of their tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.reports.html.charts import Line

POINTS = 21
"""Rows of a table behind a curve; the JSON form has every point."""
MODELS = 3
"""Whose curves are drawn; the table of scores has all."""
ROLES = (("synthetic", "Sample"), ("holdout", "Holdout (control)"), ("floor", "Independent"), ("ceiling", "Copying"))

CLASSES = {
    "Sample": "from-synthetic",
    "Holdout (control)": "from-real",
    "Independent": "from-floor",
    "Copying": "from-ceiling dashed",
}
"""Of their lines."""


def _models(utility: Mapping[str, Any] | None, curve: str) -> list[tuple[str, str, Any]]:
    """(name, classes, data) of the best MODELS that have this curve: a colour each, dashed where trained on real
    rows."""
    models = [m for m in (utility or {}).get("models") or [] if m.get(curve)]
    kinds = list(dict.fromkeys(m["model"] for m in models))[:MODELS]
    return [
        (
            f"{m['model']}, trained on {'the sample' if m['trained_on'] == 'synthetic' else 'real rows'}",
            f"c{kinds.index(m['model'])}" + (" dashed" if m["trained_on"] != "synthetic" else ""),
            m[curve],
        )
        for m in models
        if m["model"] in kinds
    ]


def thin(points: Sequence[Any], most: int = POINTS) -> list[Any]:
    """At most `most` points, evenly spaced, with both ends."""
    if len(points) <= most:
        return list(points)
    return [points[round(i * (len(points) - 1) / (most - 1))] for i in range(most)]


def roc(utility: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Lines, and a table of true positive rates at common false positive rates."""
    lines: list[Line] = [(name, class_, c["fpr"], c["tpr"]) for name, class_, c in _models(utility, "roc")]
    rates = [k / 20 for k in range(POINTS)]
    rows = [(x, [at(x, fpr, tpr) for _, _, fpr, tpr in lines]) for x in rates]
    return {"lines": lines, "rows": rows} if lines else None


def precision(utility: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Lines of precision over recall, and a table of the precision at common recalls."""
    lines: list[Line] = [
        (n, class_, c["recall"], c["precision"]) for n, class_, c in _models(utility, "pr") if c["recall"]
    ]
    rows = [(k / 20, [at(k / 20, recall, y) for _, _, recall, y in lines]) for k in range(POINTS)]
    return {"lines": lines, "rows": rows} if lines else None


def at(x: float, xs: Sequence[float], ys: Sequence[float]) -> float:
    """The line's height at x (its highest where it is upright). xs ascend."""
    below = [(a, b) for a, b in zip(xs, ys, strict=True) if a <= x]
    above = [(a, b) for a, b in zip(xs, ys, strict=True) if a > x]
    if not below or not above:
        return ys[0] if not below else ys[-1]
    (x0, y0), (x1, y1) = below[-1], above[0]
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


def calibration(utility: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Predicted against observed, as lines and as rows of a table."""
    found = _models(utility, "calibration")
    lines: list[Line] = [
        (name, class_, [p["predicted"] for p in points], [p["observed"] for p in points])
        for name, class_, points in found
    ]
    if not lines:
        return None
    shares = all(0 <= v <= 1 for _, _, xs, ys in lines for v in (*xs, *ys))
    return {"lines": lines, "points": [(name, points) for name, _, points in found], "shares": shares}


def distances(disclosure: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Distances to the closest training row: one column of percentiles per table, None where not computed."""
    read = (disclosure or {}).get("distance_to_training") or {}
    percents = (disclosure or {}).get("percentiles") or []
    names = [(words, read[role]) for role, words in ROLES if read.get(role)]
    if not names or not percents:
        return None
    lines: list[Line] = [(words, CLASSES[words], values, [p / 100 for p in percents]) for words, values in names]
    rows = [(p, [v[i] for _, v in names]) for i, p in enumerate(percents)]
    return {"names": [n for n, _ in names], "rows": rows, "lines": lines}
