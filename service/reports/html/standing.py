"""Where each figure stands, and in which order a reader should meet them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from models.evaluation.bars import judge
from models.evaluation.result import Metric

FAIL, PASS, UNAVAILABLE = "fail", "pass", "unavailable"
ORDER = {FAIL: 0, PASS: 1, "": 2, UNAVAILABLE: 3}


def views(metrics: Sequence[Mapping[str, Any]], meta: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The metrics as pages show them."""
    return [view(m) for m in judged(metrics, meta)]


def judged(metrics: Sequence[Mapping[str, Any]], meta: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Metrics with bar and status; those of a report that was written without them are judged now."""
    if any(m.get("status") for m in metrics):
        return [dict(m) for m in metrics]
    known = {f.name for f in fields(Metric)}
    given = [Metric(**{k: v for k, v in m.items() if k in known}) for m in metrics]
    return [asdict(m) for m in judge(given, meta)]


def view(metric: Mapping[str, Any]) -> dict[str, Any]:
    """The metric, yardsticks that mean nothing for it left out."""
    out = {"bar": None, "status": "", **metric}
    if metric["section"] == "disclosure":
        # What copying reads is the worst known; independent columns are beside the point.
        out |= {"ceiling": None, "floor": metric.get("ceiling")}
        # Farther from the training rows than the holdout is gives nothing away.
        out["direction"] = {"dcr_share": "lower", "dcr_ratio": "higher"}.get(metric["name"], metric["direction"])
    elif metric["section"] == "columns":
        out["floor"] = None  # independent columns have the right distributions
    return out


def excess(metric: Mapping[str, Any]) -> float:
    """How far a figure is beyond its bar, in units of the way from the bar to the worst known; below 0: it passes."""
    value, bar = metric["value"], metric["bar"]
    if value is None or bar is None:
        return 0.0
    if metric["direction"] == "target" and metric.get("goal") is not None:
        goal = float(metric["goal"])
        return (abs(float(value) - goal) - abs(float(bar) - goal)) / 0.1
    value, bar = float(value), float(bar)
    sign = -1.0 if metric["direction"] == "higher" else 1.0
    worst = metric.get("floor")
    span = sign * (worst - bar) if worst is not None else 0.0
    return sign * (value - bar) / (span if span > 0.01 else max(abs(bar), 0.02))


def worst_first(metrics: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What fails, the furthest off first; then what passes, the nearest to its bar first; then the rest."""
    return sorted(metrics, key=lambda m: (ORDER.get(m["status"], 2), -excess(m)))
