"""The bar that a figure must reach, and where it stands: what real rows that nothing was trained on would read."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any

MARGIN = 1.1
"""A figure may exceed what real rows are expected to read by a tenth: the expectation is drawn from few rows itself."""
NEAR = {"copies": 0.005, "dcr_share": 0.05, "dcr_ratio": 0.2}
"""How far beyond the bar is still `close`, for figures without a floor."""
AS_REAL, CLOSE, OFF, UNAVAILABLE = "as real", "close", "off", "unavailable"


def scale(rows: float, real: float, holdout: float) -> float:
    """What a distance of `rows` fresh real rows reads, over that of `holdout` real rows, both against `real` rows.

    Sampling alone makes a distance, with variance 1/n + 1/N (difference of two means): fewer rows read higher.
    """
    if min(rows, real, holdout) <= 0:
        return 1.0
    return min(1.0, sqrt((1 / rows + 1 / real) / (1 / holdout + 1 / real)))


def scales(meta: Mapping[str, Any]) -> dict[str, float]:
    """Section -> scale of its holdout figure, from an evaluation's `meta`; others are compared as they are."""
    sizes: Mapping[str, Any] = meta.get("sample_sizes") or {}
    out = {}
    if "fidelity_holdout_rows" in sizes:
        rows = (sizes["fidelity_rows"], sizes["fidelity_real_rows"], sizes["fidelity_holdout_rows"])
        out = dict.fromkeys(("columns", "pairs"), scale(*rows))
    held = (meta.get("rows") or {}).get("holdout")
    if held and "sdmetrics_rows" in sizes:
        n = sizes["sdmetrics_rows"]
        out["sdmetrics"] = scale(n, n, min(n, held))
    return out


def bar(metric: Mapping[str, Any], scaled: Mapping[str, float]) -> float | None:
    """The value from which on a figure reads as real data does; None without a yardstick."""
    name, ceiling, holdout = metric["name"], metric.get("ceiling"), metric.get("holdout")
    if name == "copies":
        return None if holdout is None else float(holdout)
    if metric["direction"] == "target":
        return None if metric.get("goal") is None else float(metric["goal"])
    known = [] if ceiling is None else [float(ceiling)]
    if metric["section"] in ("columns", "pairs"):
        known += [] if holdout is None else [holdout * scaled.get(metric["section"], 1.0)]
        return MARGIN * max(known) if known else None
    if name == "sdmetrics_quality":
        known += [] if holdout is None else [1 - (1 - holdout) * scaled.get("sdmetrics", 1.0)]
        return 1 - MARGIN * (1 - min(known)) if known else None
    return known[0] if known else holdout


def status(metric: Mapping[str, Any], scaled: Mapping[str, float] | None = None) -> str:
    """Where a figure stands, in words.

    `as real`: the figure, or the better end of its interval, reaches the bar; `close`: it is nearer to the bar than to
    independent columns; `off`: beyond. `unavailable`: not computed; "": nothing to compare it with.
    """
    value, at = metric["value"], bar(metric, scaled or {})
    if value is None:
        return UNAVAILABLE
    if at is None:
        return ""
    low, high = (float(value if metric.get(k) is None else metric[k]) for k in ("low", "high"))
    name, floor = metric["name"], metric.get("floor")
    if metric["direction"] == "target" and name not in NEAR:
        return AS_REAL if low <= at <= high else CLOSE if abs(value - at) <= 0.05 else OFF
    higher = metric["direction"] == "higher" or name == "dcr_ratio"
    reach, sign = (high, 1) if higher else (low, -1)
    tolerance = 0.05 if name == "dcr_ratio" else 0.005 if metric["unit"] in ("score", "auc") else 0.0
    if sign * reach >= sign * at - tolerance:
        return AS_REAL
    if name in NEAR:
        middle = sign * at - NEAR[name]
    elif floor is not None and sign * floor < sign * at:
        middle = sign * (at + floor) / 2
    else:
        middle = at - 0.05 if higher else -2 * at
    return CLOSE if sign * value >= middle else OFF
