"""Where each figure stands, and in which order a reader should meet them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from service.reports.html import bars

PASS, FAIL, UNAVAILABLE = "pass", "fail", "unavailable"
OLD = {bars.AS_REAL: PASS, bars.CLOSE: FAIL, bars.OFF: FAIL, bars.UNAVAILABLE: UNAVAILABLE}
ORDER = {FAIL: 0, PASS: 1, "": 2, UNAVAILABLE: 3}


def views(metrics: Sequence[Mapping[str, Any]], meta: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The metrics as pages show them. Evaluations of the first version carry no bars: theirs are drawn up here."""
    judged = any(m.get("status") for m in metrics)
    scaled = {} if judged else bars.scales(meta)
    return [
        view(m if judged else {**m, "bar": bars.bar(m, scaled), "status": OLD.get(bars.status(m, scaled), "")})
        for m in metrics
    ]


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
        return (abs(value - goal) - abs(bar - goal)) / 0.1
    sign = -1.0 if metric["direction"] == "higher" else 1.0
    worst = metric.get("floor")
    span = sign * (worst - bar) if worst is not None else 0.0
    return sign * (value - bar) / (span if span > 0.01 else max(abs(bar), 0.02))


def worst_first(metrics: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What fails, the furthest off first; then what passes, the nearest to its bar first; then the rest."""
    return sorted(metrics, key=lambda m: (ORDER.get(m["status"], 2), -excess(m)))
