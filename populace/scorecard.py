"""The headline figures of a report as a small table of text, and its verdict in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from populace.console import table
from populace.records import Report

HEADER = ("figure", "sample", "holdout", "bootstrap", "independent", "better", "")


def _number(value: Any) -> str | None:
    return None if value is None else f"{float(value):.4g}"


def _better(metric: Mapping[str, Any]) -> str:
    if metric.get("direction") == "target":
        return f"near {_number(metric.get('goal'))}"
    return str(metric.get("direction", ""))


def headline(report: Report) -> list[Mapping[str, Any]]:
    """The metrics that the report itself puts first; if it names none, those of the whole table."""
    found = {(m["name"], m.get("subject") or ""): m for m in report.metrics}
    named = (report.sections.get("scorecard") or {}).get("headline") or ()
    chosen = [found[key] for h in named if (key := (h["name"], h.get("subject") or "")) in found]
    return chosen or [m for m in report.metrics if not m.get("subject")]


def scorecard(report: Report) -> str:
    """One figure per line beside what it reads for real held-out rows, a bootstrap of the real rows, and independent
    columns; then the verdict and at most three problems, each with what to try.
    """
    rows = []
    for m in headline(report):
        name = f"{m['name']} ({m['subject']})" if m.get("subject") else m["name"]
        values = [_number(m.get(k)) for k in ("value", "holdout", "ceiling", "floor")]
        rows.append([name, *values, _better(m), (m.get("note") or "") if m.get("value") is None else ""])
    verdict = report.sections.get("verdict") or {}
    lines = [table(rows, HEADER)]
    if verdict.get("summary"):
        lines.append(str(verdict["summary"]))
    for problem in verdict.get("problems") or ():
        lines.append(f"- {problem.get('text', '')} {problem.get('try', '')}".rstrip())
    return "\n".join(lines)


def beside(found: Mapping[str, Any]) -> str:
    """The headline figures of several reports (the JSON of /v1/reports/compare), a column each; * marks the best of a
    row, ! what misses its bar."""
    rows = [row for row in found["rows"] if row["headline"]] or found["rows"][:20]
    lines = []
    for row in rows:
        name = f"{row['name']} ({row['subject']})" if row["subject"] else row["name"]
        marks = ["*" if k in row["best"] else "" for k in range(len(row["values"]))]
        fails = ["!" if value.get("status") == "fail" else "" for value in row["values"]]
        values = [_number(value.get("value")) for value in row["values"]]
        lines.append([name, *(None if v is None else v + m + f for v, m, f in zip(values, marks, fails, strict=True))])
    return "\n".join([table(lines, ("figure", *(r["title"] for r in found["reports"]))), found["summary"]])
