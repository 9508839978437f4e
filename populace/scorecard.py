"""The overall figures of a report as a small table of text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from populace.console import table

HEADER = ("metric", "sample", "real holdout", "bootstrap", "independent", "goal", "")


def _number(value: Any) -> str | None:
    return None if value is None else f"{float(value):.4g}"


def passes(metric: Mapping[str, Any]) -> bool | None:
    """Whether a metric meets its goal; None when it has no goal or no value, or aims at a value instead of a bound."""
    value, goal = metric.get("value"), metric.get("goal")
    if value is None or goal is None:
        return None
    if metric.get("direction") == "higher":
        return bool(value >= goal)
    if metric.get("direction") == "lower":
        return bool(value <= goal)
    return None


def scorecard(metrics: Iterable[Mapping[str, Any]]) -> str:
    """Metrics of the whole table (no subject), one per line, beside what real data reads."""
    rows = []
    for m in metrics:
        if m.get("subject"):
            continue
        verdict = {True: "ok", False: "misses", None: ""}[passes(m)]
        values = [_number(m.get(k)) for k in ("value", "holdout", "ceiling", "floor", "goal")]
        rows.append([m["name"], *values, verdict or (m.get("note") or "" if m.get("value") is None else "")])
    return table(rows, HEADER)
