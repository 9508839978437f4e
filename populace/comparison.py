"""A comparison of methods as a small table of text, one per target, and what to make of it in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from populace.console import table
from populace.records import Report

SHOWN = 4
"""Measures beside the one that methods are ranked by."""


def comparison_table(report: Report) -> str:
    """One method per line, best first: its scores with the 95% interval of the first, how far it is behind the best
    method and whether that may be chance, and the seconds it took."""
    lines = []
    for compared in report.sections.get("comparisons") or ():
        rows = compared.get("rows") or {}
        used = f"{rows['used']:,} rows, " if rows.get("used") else ""
        lines.append(f"{compared['target']}: {used}{(compared.get('folds') or {}).get('text', '')}")
        lines.append(_methods(compared))
        if compared.get("verdict"):
            lines.append(str(compared["verdict"]))
        lines.append("")
    return "\n".join(lines).rstrip()


def _methods(compared: Mapping[str, Any]) -> str:
    first = str(compared["measure"])
    known = dict.fromkeys(name for m in compared["methods"] for name in m.get("scores") or {})
    others = [name for name in known if name != first][:SHOWN]
    tested = any(m.get("test") for m in compared["methods"])
    rows: list[list[Any]] = []
    for m in compared["methods"]:
        scores: Mapping[str, Any] = m.get("scores") or {}
        on_test = ((m.get("test") or {}).get(first) or {}).get("value")
        rows.append(
            [
                m["label"],
                _value(scores.get(first)),
                _interval(scores.get(first)),
                *([None if on_test is None else f"{on_test:.4g}"] if tested else []),
                *(_value(scores.get(name)) for name in others),
                _behind(m.get("difference")),
                f"{sum((m.get('seconds') or {}).values()):.1f}",
                m.get("note") or "",
            ]
        )
    baseline: Mapping[str, Any] = compared.get("baseline") or {}
    scores = baseline.get("scores") or {}
    if baseline:
        plain = {name: None if value is None else f"{value:.4g}" for name, value in scores.items()}
        between = ["", *([""] if tested else [])]
        rows.append([baseline["label"], plain.get(first), *between, *(plain.get(n) for n in others), "", "", ""])
    header = ["method", first, "95%", *(["on test"] if tested else []), *others, "behind the best", "seconds", ""]
    return table(rows, header)


def _value(score: Mapping[str, Any] | None) -> str | None:
    return None if score is None or score.get("value") is None else f"{score['value']:.4g}"


def _interval(score: Mapping[str, Any] | None) -> str:
    if score is None or score.get("low") is None or score.get("high") is None:
        return ""
    return f"{score['low']:.3g} to {score['high']:.3g}"


def _behind(difference: Mapping[str, Any] | None) -> str:
    """e.g. `0.012 (p 0.03)`; nothing for the best method."""
    if not difference or difference.get("value") is None:
        return ""
    p = difference.get("p_adjusted", difference.get("p"))
    return f"{abs(difference['value']):.3g}" + ("" if p is None else f" (p {p:.2g})")
