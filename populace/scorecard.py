"""The headline figures of a report as a small table of text, and its verdict in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from populace.console import table
from populace.records import Report

SHOWN = 12
HEADER = ("figure", "sample", "bar", "holdout", "bootstrap", "independent", "better", "")


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
    """One figure per line beside its bar and what it reads for real held-out rows, a bootstrap of the real rows, and
    independent columns, and whether it passes; then what several samples say together, what did not fit, the
    verdict and at most three problems, each with what to try.
    """
    rows = []
    for m in headline(report):
        name = f"{m['name']} ({m['subject']})" if m.get("subject") else m["name"]
        values = [_number(m.get(k)) for k in ("value", "bar", "holdout", "ceiling", "floor")]
        rows.append([name, *values, _better(m), (m.get("note") or "") if m.get("value") is None else m.get("status")])
    verdict = report.sections.get("verdict") or {}
    lines = [table(rows, HEADER), *combined(report), *misfits(report)]
    if verdict.get("summary"):
        lines.append(str(verdict["summary"]))
    for problem in verdict.get("problems") or ():
        lines.append(f"- {problem.get('text', '')} {problem.get('try', '')}".rstrip())
    return "\n".join(lines)


def combined(report: Report) -> list[str]:
    """Of several samples: how the combined estimates of each analysis agree with the real ones."""
    found: Mapping[str, Any] = report.sections.get("pooled") or {}
    status = {
        m.get("subject"): m.get("status") for m in report.metrics if m["name"] == "pooled_worst" and m.get("status")
    }
    lines = []
    for analysis in found.get("analyses") or ():
        rows, label = analysis.get("estimates") or (), analysis["label"]
        words = f"{found['samples']} samples combined, {label}: "
        if rows:
            words += f"{sum(e['covered'] for e in rows)} of {len(rows)} intervals hold the real estimate"
            lines.append(f"{words} ({status[label]})." if label in status else f"{words}.")
        else:
            lines.append(words + str(analysis.get("note") or "unavailable"))
    return lines


def misfits(report: Report) -> list[str]:
    """Of tables that were not made here: columns that could not be compared, and cells that did not fit."""
    found: Mapping[str, Any] = report.sections.get("validity") or {}
    lines = []
    if left := found.get("left_out") or ():
        names = ", ".join(f"{c['column']} (not in {', '.join(c['lacking'])})" for c in left[:SHOWN])
        lines.append(f"Not compared: {names}{_more(left)}.")
    cells = found.get("cells") or ()
    for c in cells[:SHOWN]:
        lines.append(f"{c['table']}, column {c['column']}: {c['cells']:,} of {c['of']:,} cells are {c['what']}.")
    if len(cells) > SHOWN:
        lines.append(f"{len(cells) - SHOWN} more columns have such cells: see the report.")
    return lines


def _more(items: Sequence[Any]) -> str:
    return f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""


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
