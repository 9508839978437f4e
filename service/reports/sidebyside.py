"""Reports of several samples of one table beside each other: the same figure of each in one row."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from models.errors import InvalidInput
from service.reports import service
from service.reports.html.standing import excess, views
from service.reports.html.tables import guarded
from service.reports.schemas import Edition, ReportOut
from service.security.principal import Principal

MOST = 12
SHOWN = ("value", "low", "high", "bar", "status")
MARKING = "Not for release: some of these reports were computed on real rows without noise."


class Judged(BaseModel):
    """One of the reports."""

    id: str
    title: str
    created_at: str
    edition: Edition | None
    rows: int | None = Field(description="Of the sample, or of the upload that was judged.")
    verdict: str
    counts: dict[str, int] = Field(description="How many figures pass, fail, and are unavailable.")


class Row(BaseModel):
    section: str
    name: str
    subject: str
    label: str
    direction: str
    goal: float | None
    unit: str
    headline: bool = Field(description="Whether it is among the headline figures of a report.")
    values: list[dict[str, Any]] = Field(description="In the order of `reports`; empty where a report lacks it.")
    best: list[int] = Field(description="Places of the best values; empty where all are the same.")


class SideBySide(BaseModel):
    dataset_id: str
    dataset: dict[str, Any]
    kind: str
    edition: Edition | None
    marking: str | None
    reports: list[Judged]
    summary: str
    rows: list[Row]


def compare(session: Session, caller: Principal, ids: Sequence[str], edition: Edition | None = None) -> SideBySide:
    """The reports of these ids, worst rows first.

    Raises InvalidInput for fewer than two or more than MOST ids, the same one twice, and reports of different tables or
    kinds; NotFound as for one report, also for another tenant's; Conflict where one has no such edition.
    """
    if not 2 <= len(ids) <= MOST or len(set(ids)) < len(ids):
        raise InvalidInput(f"Name 2 to {MOST} different reports.", hint="ids=rep_1,rep_2; GET /v1/reports lists them.")
    found = [service.get(session, caller, id, edition) for id in ids]
    first = found[0]
    for other in found[1:]:
        if other.dataset_id != first.dataset_id:
            raise InvalidInput(
                f"Report {other.id} is of dataset {other.dataset_id}, report {first.id} of {first.dataset_id}.",
                hint="Figures compare only where the real table is the same.",
            )
        if (other.kind, other.edition) != (first.kind, first.edition):
            raise InvalidInput(
                f"Reports {other.id} and {first.id} are of different kinds or editions.",
                hint="Compare fidelity with fidelity, and name the edition: edition=internal.",
            )
    seen = [views([m.model_dump() for m in r.metrics], r.meta) for r in found]
    reports = [_judged(r, m) for r, m in zip(found, seen, strict=True)]
    return SideBySide(
        dataset_id=first.dataset_id,
        dataset=first.dataset,
        kind=first.kind,
        edition=first.edition,
        marking=MARKING if first.edition == "internal" else first.marking,
        reports=reports,
        summary=_summary(reports),
        rows=_rows(found, seen),
    )


def _judged(report: ReportOut, metrics: Sequence[Mapping[str, Any]]) -> Judged:
    table = report.sample or {}
    uploaded = report.synthetic or {}
    counts = Counter(m["status"] for m in metrics if m["status"])
    return Judged(
        id=report.id,
        title=str(uploaded.get("name") or report.sample_id or report.id),
        created_at=report.created_at,
        edition=report.edition,
        rows=table.get("row_count") or uploaded.get("rows"),
        verdict=str((report.sections.get("verdict") or {}).get("summary") or ""),
        counts={status: counts.get(status, 0) for status in ("pass", "fail", "unavailable")},
    )


def _rows(found: Sequence[ReportOut], seen: Sequence[Sequence[Mapping[str, Any]]]) -> list[Row]:
    """Headline figures first, then the others; in each the one that a report misses furthest first."""
    labels = {
        (h["name"], h["subject"]): str(h["label"])
        for report in found
        for h in (report.sections.get("scorecard") or {}).get("headline") or ()
    }
    tables = [{(m["name"], m["subject"]): m for m in metrics} for metrics in seen]
    keys = list(dict.fromkeys(key for table in tables for key in table))
    rows = []
    for key in keys:
        given = [table.get(key) for table in tables]
        one = next(m for m in given if m is not None)
        worst = max((excess(m) for m in given if m and m["status"] == "fail"), default=-1.0)
        row = Row(
            **{k: one[k] for k in ("section", "name", "subject", "direction", "goal", "unit")},
            label=labels.get(key, one["name"].replace("_", " ")),
            headline=key in labels,
            values=[{k: m.get(k) for k in SHOWN} if m else {} for m in given],
            best=_best(given),
        )
        rows.append((not row.headline, -worst, row))
    return [row for *_, row in sorted(rows, key=lambda r: r[:2])]


def _best(given: Sequence[Mapping[str, Any] | None]) -> list[int]:
    worth = {k: _worth(m) for k, m in enumerate(given) if m is not None and m["value"] is not None}
    if len(worth) < 2 or max(worth.values()) == min(worth.values()):
        return []
    return [k for k, v in worth.items() if v == max(worth.values())]


def _worth(metric: Mapping[str, Any]) -> float:
    """Higher is better."""
    value = float(metric["value"])
    if metric["direction"] == "target":
        return -abs(value - float(metric["goal"] or 0.0))
    return value if metric["direction"] == "higher" else -value


def _summary(reports: Sequence[Judged]) -> str:
    """Who misses the fewest bars."""
    fails = [r.counts["fail"] for r in reports]
    if not any(r.counts["pass"] + r.counts["fail"] for r in reports):
        return "None of these reports has figures with a bar."
    least = [r for r in reports if r.counts["fail"] == min(fails)]
    told = f"{min(fails)} of its {least[0].counts['pass'] + least[0].counts['fail']} judged figures miss their bar"
    if len(least) == len(reports):
        return f"They miss equally many bars: of each, {told}."
    if len(least) > 1:
        return f"{', '.join(r.title for r in least)} miss the fewest bars: of each, {told}."
    others = ", ".join(f"{r.title}: {r.counts['fail']}" for r in reports if r is not least[0])
    return f"{least[0].title} misses the fewest bars: {told} ({others})."


def to_csv(found: SideBySide) -> str:
    """One line for each figure; value, interval, bar and status of each report."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    about = ("section", "name", "subject", "direction", "goal", "unit")
    writer.writerow([*about, *(f"{report.id} {name}" for report in found.reports for name in SHOWN)])
    for row in found.rows:
        values = [value.get(name) for value in row.values for name in SHOWN]
        told = [*(getattr(row, name) for name in about), *values]
        writer.writerow([guarded(v) if isinstance(v, str) else v for v in told])
    return out.getvalue()
