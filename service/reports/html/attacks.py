"""Detection and disclosure sections of an evaluation -> lines to draw and rows of tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.reports.html.charts import Line

ATTACKS = {"distance": "by distance", "density": "by density"}
WORDS = {"pass": "No attack succeeds.", "fail": "The sample gives training rows away.", "cannot tell": "Cannot tell."}


def detected(detection: Mapping[str, Any]) -> dict[str, Any] | None:
    """ROC of telling synthetic from real rows, and of telling the holdout from real rows (what chance draws)."""
    lines: list[Line] = [
        (f"{c['model']}, {role}", f"{class_}{' dashed' if k else ''}", c["fpr"], c["tpr"])
        for key, role, class_ in (("roc", "the sample", "from-synthetic"), ("null", "the real holdout", "from-real"))
        for k, c in enumerate(detection.get(key) or [])
    ]
    return _curve(lines)


def members(disclosure: Mapping[str, Any]) -> dict[str, Any] | None:
    """ROC of telling training rows from holdout rows."""
    lines: list[Line] = [
        (ATTACKS.get(c["attack"], c["attack"]), f"from-synthetic{' dashed' if k else ''}", c["fpr"], c["tpr"])
        for k, c in enumerate(disclosure.get("membership") or [])
    ]
    return _curve(lines)


def guessed(disclosure: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row per sensitive column and way of guessing: column, way, training, holdout; and a guess by luck."""
    ways = (
        ("inference_neighbour", "nearest synthetic row"),
        ("inference_model", "trees trained on the sample"),
        ("cap", "CAP: share among rows with equal known cells"),
        ("tcap", "TCAP: where such rows all agree"),
    )
    return [
        {"column": c["column"], "way": words, "guess": c["guess"] if key.startswith("inf") else None, **c[key]}
        for c in (disclosure.get("inference") or {}).get("columns") or []
        for key, words in ways
        if c.get(key)
    ]


def _curve(lines: list[Line]) -> dict[str, Any] | None:
    if not lines:
        return None
    rates = (0.001, 0.01, 0.05, 0.1, 0.2, 0.5)
    rows = [(x, [_height(x, fpr, tpr) for _, _, fpr, tpr in lines]) for x in rates]
    return {"lines": lines, "names": [name for name, *_ in lines], "rows": rows}


def _height(x: float, xs: Any, ys: Any) -> float:
    """The curve's height at x, a straight line between its points."""
    for (x0, y0), (x1, y1) in zip(zip(xs, ys, strict=True), list(zip(xs, ys, strict=True))[1:], strict=False):
        if x0 <= x <= x1:
            return float(y1 if x1 == x0 else y0 + (y1 - y0) * (x - x0) / (x1 - x0))
    return float(ys[-1])
