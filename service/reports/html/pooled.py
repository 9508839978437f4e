"""What pooled.html lays out: the estimates of several samples, combined, beside the real ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.reports.html.figures import short

Z = 1.959963984540054
DRAWN = 15
"""Estimates in a drawing, those that agree least; the table has all."""


def pooled(section: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The section with the rows of its drawings, or None where there is but one sample."""
    if not section:
        return None
    analyses = [
        {**found, "drawn": [_row(e) for e in found.get("estimates") or ()][:DRAWN], "look": look(found)}
        for found in section.get("analyses") or ()
    ]
    empty = {"kind": "", "rule": "", "samples": 0, "defaults": False, "note": "", "rows": {}}
    return {**empty, **section, "analyses": analyses}


def _row(e: Mapping[str, Any]) -> dict[str, Any]:
    """As charts.forest takes it: in standard errors of the real estimate, from it."""
    real, error = e.get("real"), e.get("real_error")
    if real is None or not error:
        return {"subject": e["name"], "value": None}
    value, low, high = (None if e[k] is None else (e[k] - real) / error for k in ("estimate", "low", "high"))
    other = {"value": 0.0, "low": -Z, "high": Z}
    return {"subject": e["name"], "value": value, "low": low, "high": high, "other": other}


def look(found: Mapping[str, Any]) -> str:
    """Where to look in the drawing of an analysis."""
    estimates = found.get("estimates") or ()
    missed = [e for e in estimates if not e["covered"]]
    if not estimates:
        return ""
    if not missed:
        return (
            "Each orange interval should reach the dashed line, the real estimate, and all do: an analyst who combines "
            "the samples would not contradict the real table."
        )
    apart = sum(not e["overlap"] for e in missed)
    words = f"Look for orange intervals that do not reach the dashed line, the real estimate: {len(missed)} of "
    words += f"{found.get('all', len(estimates))} do not, first of all {short(missed[0]['name'], 60)}"
    return words + (f"; {apart} do not meet the real interval at all." if apart else ".")
